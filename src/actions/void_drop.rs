//! *void*: a person says what became of a drop that was prepared: it never left and is taken back, or it left all the same.
//!
//! In: a drop, by its file or by partner and number, or a file for an import, by source and number, and an [`Actor`]. Out: what was done. Keeps: the
//! rows of one that is taken back wait as before and go into the next drop, its number stays given, and what may be with the partner is not taken back;
//! what the partner has is recorded as sent, so that nobody in it is told twice, and whoever changed since is told of.

use super::{Actor, known};
use crate::pipeline::deliver::left;
use crate::pipeline::prepared_drop::{
    LyingPart, is_answered, lying_part, numbered, take_back, was_kept,
};
use crate::pipeline::prepared_import::{LyingFile, claimed_with, lying_import, take_import_back};
use crate::pipeline::run::{Env, HeldLease};
use crate::store::rows::{DropFile, DropState};
use crate::store::{Body, Entry, LeaseStage};

/// Drops read at a time.
const PAGE: i64 = 2_000;

/// A drop of which a person has said what became of it.
#[derive(Debug)]
pub(crate) struct SettledDrop {
    /// The partner, or the source whose practice imports it.
    pub(crate) partner: String,
    pub(crate) file: DropFile,
    /// It was taken back, or recorded as sent, before: nothing is changed.
    pub(crate) before: bool,
    /// Rows whose legs had changed before it was recorded as sent; 0 of one that is taken back.
    pub(crate) changed: usize,
}

/// Takes a drop back.
///
/// # Errors
/// There is no such drop, or it left, or nobody can say whether it did; a run has the partner; the store failed.
pub(crate) async fn void(env: &Env, said: &str, actor: &Actor) -> anyhow::Result<SettledDrop> {
    if let Some((place, file)) = which_import(env, said).await? {
        return void_import(env, (place, file), actor).await;
    }
    let (place, file) = which(env, said).await?;
    // Nobody delivers to the partner meanwhile.
    let lease = env
        .short_lease(LeaseStage::Deliver, env.partners[place].strand)
        .await?;
    let voided = void_under(env, &lease, (place, &file), actor).await;
    Ok(SettledDrop {
        partner: env.rules.partners[place].id.clone(),
        before: !lease.after(voided).await?,
        file,
        changed: 0,
    })
}

/// Records that a drop left: the partner has it.
///
/// # Errors
/// There is no such drop; it was taken back, it lies in `out/`, or it never can have left; a run has the partner; the store failed.
pub(crate) async fn it_left(env: &Env, said: &str, actor: &Actor) -> anyhow::Result<SettledDrop> {
    let (place, file) = which(env, said).await?;
    let lease = env
        .short_lease(LeaseStage::Deliver, env.partners[place].strand)
        .await?;
    let changed = left_under(env, &lease, (place, &file), actor).await;
    let changed = lease.after(changed).await?;
    Ok(SettledDrop {
        partner: env.rules.partners[place].id.clone(),
        before: changed.is_none(),
        file,
        changed: changed.unwrap_or(0),
    })
}

/// The file for an import that is meant, with the place of its source: `elm-surgery:7`.
async fn which_import(env: &Env, said: &str) -> anyhow::Result<Option<(usize, DropFile)>> {
    let Some((id, number)) = said.rsplit_once(':') else {
        return Ok(None);
    };
    let is_partner = env.rules.partners.iter().any(|partner| partner.id == id);
    let place = env.sources.iter().position(|at| at.config.id == id);
    let (Some(place), Ok(number), false) = (place, number.parse::<i64>(), is_partner) else {
        return Ok(None);
    };
    let found = numbered(env, env.sources[place].strand, number).await?;
    let file = found.ok_or_else(|| anyhow::anyhow!("source {id} has no file {number}"))?;
    Ok(Some((place, file)))
}

/// Takes a file for an import back.
async fn void_import(
    env: &Env,
    (place, file): (usize, DropFile),
    actor: &Actor,
) -> anyhow::Result<SettledDrop> {
    // Nobody writes for the source meanwhile.
    let lease = env
        .short_lease(LeaseStage::Push, env.sources[place].strand)
        .await?;
    let voided = void_import_under(env, &lease, (place, &file), actor).await;
    Ok(SettledDrop {
        partner: env.sources[place].config.id.clone(),
        before: !lease.after(voided).await?,
        file,
        changed: 0,
    })
}

/// Whether it is taken back now; not one that was before.
async fn void_import_under(
    env: &Env,
    lease: &HeldLease,
    (place, file): (usize, &DropFile),
    actor: &Actor,
) -> anyhow::Result<bool> {
    match state_of(env, file).await? {
        DropState::Voided => return Ok(false),
        DropState::Prepared => {}
        _ => anyhow::bail!("{} has left: what left is not taken back", file.name),
    }
    let Some(import) = &env.sources[place].import else {
        anyhow::bail!("the source no longer writes to a folder, so nobody can look into it");
    };
    match lying_import(env, &**import, file).await {
        LyingFile::Nothing => {}
        LyingFile::Whole | LyingFile::FileAlone(_) => anyhow::bail!(
            "{} lies in the folder, so the practice may have it: the next run records that it left",
            file.name
        ),
        LyingFile::SomethingElse => anyhow::bail!(
            "something else has the name of {} or of its manifest: look whose it is, and take it away first",
            file.name
        ),
        LyingFile::Unknown if was_kept(env, file).await? => {}
        LyingFile::Unknown => anyhow::bail!(
            "the folder cannot be looked into, so nobody can say whether {} left",
            file.name
        ),
    }
    let Some(rows) = claimed_with(env, file).await? else {
        anyhow::bail!("the ledger does not have all entries of {}", file.name)
    };
    let note = env.seal_note(&actor.because).await?;
    let mut batch = lease.batch(env.now());
    take_import_back(&mut batch, file, rows, Some((actor.name.clone(), note.0)));
    batch.notes.push(note);
    env.store.commit(batch).await?;
    Ok(true)
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

/// How many of its rows had changed before it is recorded as sent; none of one that was sent before.
async fn left_under(
    env: &Env,
    lease: &HeldLease,
    (place, file): (usize, &DropFile),
    actor: &Actor,
) -> anyhow::Result<Option<usize>> {
    match state_of(env, file).await? {
        DropState::Prepared => {}
        DropState::Voided => anyhow::bail!(
            "{} was taken back, and its rows may have gone with another one: ring about the people in it",
            file.name
        ),
        _ => return Ok(None),
    }
    if matches!(
        lying_part(env, place, file).await,
        LyingPart::Whole | LyingPart::FileAlone
    ) {
        anyhow::bail!(
            "{} lies in out/: the next run records that it left",
            file.name
        )
    }
    if was_kept(env, file).await? {
        anyhow::bail!(
            "{} was kept from leaving, so nobody can have it: the next run puts it out, or makes it anew",
            file.name
        )
    }
    let note = env.seal_note(&actor.because).await?;
    let (mut batch, changed, _) = left(env, lease, file).await?;
    let (sequence, by) = (file.sequence, actor.name.clone());
    let said = Body::SaidSent {
        sequence,
        by,
        note: note.0,
    };
    batch.entries.insert(0, Entry::new(file.id, said));
    batch.notes.push(note);
    env.store.commit(batch).await?;
    Ok(Some(changed))
}

/// As it stands now that nobody else delivers.
async fn state_of(env: &Env, file: &DropFile) -> anyhow::Result<DropState> {
    let now = env.store.drop_files_by_id(vec![file.id]).await?.pop();
    Ok(now.map_or(file.state, |file| file.state))
}

/// Whether it is taken back now; not one that was before.
async fn void_under(
    env: &Env,
    lease: &HeldLease,
    (place, file): (usize, &DropFile),
    actor: &Actor,
) -> anyhow::Result<bool> {
    match state_of(env, file).await? {
        DropState::Voided => return Ok(false),
        DropState::Prepared => {}
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
