//! *void*: a person takes back a drop that was prepared and never left.
//!
//! In: a drop, by its file or by partner and number, and an [`Actor`]. Out: what was taken back. Keeps: its rows wait as before and go
//! into the next drop, its number stays given, and what may be with the partner is not taken back.

use std::collections::HashSet;

use super::{Actor, known};
use crate::domain::{Action, LegId, ReturnId};
use crate::pipeline::prepared_drop::{LyingPart, lying_part, numbered, take_back, was_kept};
use crate::pipeline::run::{Env, HeldLease, LedgerAccess};
use crate::store::LeaseStage;
use crate::store::rows::{DropFile, DropState};

/// Drops, rows and returns read at a time.
const PAGE: i64 = 2_000;

/// A drop that was taken back.
#[derive(Debug)]
pub(crate) struct VoidedDrop {
    pub(crate) partner: String,
    pub(crate) file: DropFile,
    /// It was taken back before: nothing is changed.
    pub(crate) before: bool,
}

/// Takes a drop back.
///
/// # Errors
/// There is no such drop, or it left, or nobody can say whether it did; a run has the partner; the store failed.
pub(crate) async fn void(env: &Env, said: &str, actor: &Actor) -> anyhow::Result<VoidedDrop> {
    let (place, file) = which(env, said).await?;
    // Nobody delivers to the partner meanwhile.
    let lease = env
        .short_lease(LeaseStage::Deliver, env.partners[place].strand)
        .await?;
    let voided = void_under(env, &lease, (place, &file), actor).await;
    lease.give_back().await?;
    Ok(VoidedDrop {
        partner: env.rules.partners[place].id.clone(),
        before: !voided?,
        file,
    })
}

/// The drop that is meant, with the place of its partner: `elm:7`, or the name of its file where only one partner has one of it.
async fn which(env: &Env, said: &str) -> anyhow::Result<(usize, DropFile)> {
    if let Some((id, number)) = said.rsplit_once(':')
        && let Ok(number) = number.parse::<i64>()
    {
        let mut ids = env.rules.partners.iter().map(|partner| partner.id.as_str());
        known("partner", id, ids.clone())?;
        let place = ids.position(|known| known == id).unwrap_or_default();
        let found = numbered(env, env.partners[place].strand, number).await?;
        let file = found.ok_or_else(|| anyhow::anyhow!("partner {id} has no drop {number}"))?;
        return Ok((place, file));
    }
    let mut found: Vec<(usize, DropFile)> = Vec::new();
    for (place, _, at) in env.each_partner() {
        let mut after = 0;
        loop {
            let files = env.store.drop_files(at.strand, after, PAGE).await?;
            let Some(last) = files.last() else { break };
            after = last.sequence;
            let named = files.into_iter().filter(|file| file.name == said);
            found.extend(named.map(|file| (place, file)));
        }
    }
    if found.len() > 1 {
        let each: Vec<String> = found
            .iter()
            .map(|(place, file)| format!("{}:{}", env.rules.partners[*place].id, file.sequence))
            .collect();
        anyhow::bail!(
            "several partners have a drop of this name: say which, {}",
            each.join(", ")
        )
    }
    found.pop().ok_or_else(|| {
        anyhow::anyhow!(
            "no drop has this name: kith status names those that were prepared and did not leave"
        )
    })
}

/// Whether it is taken back now; not one that was before.
async fn void_under(
    env: &Env,
    lease: &HeldLease,
    (place, file): (usize, &DropFile),
    actor: &Actor,
) -> anyhow::Result<bool> {
    // As it stands now that nobody else delivers.
    let now = env.store.drop_files_by_id(vec![file.id]).await?.pop();
    match now.map(|file| file.state) {
        Some(DropState::Voided) => return Ok(false),
        Some(DropState::Prepared) => {}
        _ => anyhow::bail!("{} has left: what left is not taken back", file.name),
    }
    match lying_part(env, place, file).await {
        LyingPart::Nothing => {}
        LyingPart::Whole | LyingPart::FileAlone => anyhow::bail!(
            "{} lies in out/, so the partner may have it: the next run records that it left",
            file.name
        ),
        LyingPart::SomethingElse => anyhow::bail!(
            "something else has the name of {} or of its manifest in out/: look whose it is, and take it away first",
            file.name
        ),
        // It was kept from leaving, and nobody can have seen it.
        LyingPart::Unknown if was_kept(env, file).await? => {}
        LyingPart::Unknown => anyhow::bail!(
            "out/ cannot be looked into, so nobody can say whether {} left",
            file.name
        ),
    }
    if is_answered(env, file).await? {
        anyhow::bail!(
            "a return refers to {}: the partner has it, and what left is not taken back",
            file.name
        )
    }
    let note = env.seal_note(&actor.because).await?;
    let mut batch = lease.batch(env.now());
    take_back(&mut batch, file, Some((actor.name.clone(), note.0)));
    batch.notes.push(note);
    env.store.commit(batch).await?;
    Ok(true)
}

/// Whether a return has a row about a person whom nobody but this drop could have told the partner of.
async fn is_answered(ledger: &LedgerAccess, file: &DropFile) -> anyhow::Result<bool> {
    let mut first_told: HashSet<LegId> = HashSet::new();
    let mut after = 0;
    loop {
        let rows = ledger.store.drop_rows(file.id, after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.row;
        let new = rows.iter().filter(|row| row.action == Action::New);
        first_told.extend(new.map(|row| row.leg));
    }
    let mut after = ReturnId::NONE;
    loop {
        let files = ledger.store.return_files(after, PAGE).await?;
        let Some(last) = files.last() else {
            return Ok(false);
        };
        after = last.id;
        for taken in files.iter().filter(|taken| taken.sender == file.partner) {
            if has_row_of(ledger, taken.id, &first_told).await? {
                return Ok(true);
            }
        }
    }
}

async fn has_row_of(
    ledger: &LedgerAccess,
    taken: ReturnId,
    legs: &HashSet<LegId>,
) -> anyhow::Result<bool> {
    let mut after = 0;
    loop {
        let rows = ledger.store.return_rows(taken, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(false);
        };
        after = last.row;
        if rows.iter().any(|row| legs.contains(&row.leg)) {
            return Ok(true);
        }
    }
}
