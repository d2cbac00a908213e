//! Evidence: every sealed input is vouched for, every drop and return has its root, files are what was written.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{PAGE, Proof};
use crate::domain::clock::day_number;
use crate::domain::{DropId, Instant, KeyId, RawId, ReturnId};
use crate::pipeline::drop_bytes::remake;
use crate::pipeline::event::{bytes_spot, return_lookup};
use crate::pipeline::prepared_drop::{LyingPart, is_written_into, lying_part};
use crate::pipeline::run::{Env, LedgerAccess};
use crate::seal::{Digest, merkle_root, sealed_digest, sha256};
use crate::store::hash_chain::{drop_leaf, event_leaf, return_file_leaf, return_leaf};
use crate::store::rows::{DropFile, DropState, EventRow, LedgerRow, ReturnFile, Strand};
use crate::store::{Body, Kind};
use crate::transport::TransportError;

/// What the ledger vouches for.
#[derive(Default)]
struct VouchedFor {
    raws: HashMap<RawId, Digest>,
    /// Drop: digest of the file, root.
    drops: HashMap<DropId, (Digest, Digest)>,
    /// How far each drop has come, and whether it came there from where it may.
    states: HashMap<DropId, (DropState, bool)>,
    returns: HashMap<ReturnId, Digest>,
    /// Return, undoing, root.
    undone: Vec<(ReturnId, ReturnId, Digest)>,
    /// Hashes of the texts by which drops were made or may be.
    texts: BTreeSet<Digest>,
}

impl VouchedFor {
    /// Takes down what a row vouches for.
    fn note(&mut self, subject: i64, body: &Body) {
        self.raws.extend(body.vouched().iter().copied());
        match body {
            Body::Prepared {
                digest, root, rule, ..
            } => {
                self.drops.insert(DropId::new(subject), (*digest, *root));
                // A file for a practice is made by no partner's text.
                self.texts.extend(*rule);
                self.states
                    .insert(DropId::new(subject), (DropState::Prepared, true));
            }
            Body::Sent { .. } => self.step(subject, DropState::Prepared, DropState::Sent),
            Body::DropDelivered { .. } => {
                self.step(subject, DropState::Sent, DropState::Delivered);
            }
            Body::Voided { .. } => self.step(subject, DropState::Prepared, DropState::Voided),
            Body::RulesInForce {
                file, destination, ..
            } => self.texts.extend([*file, *destination]),
            Body::Returned { root, .. } => {
                self.returns.insert(ReturnId::new(subject), *root);
            }
            Body::Undone {
                return_id, root, ..
            } => self
                .undone
                .push((*return_id, ReturnId::new(subject), *root)),
            _ => {}
        }
    }

    /// A drop came from one state to another; all of it stands in one strand, in this order.
    fn step(&mut self, drop_id: i64, from: DropState, to: DropState) {
        let (state, sound) = self
            .states
            .entry(DropId::new(drop_id))
            .or_insert((to, false));
        *sound &= *state == from;
        *state = to;
    }
}

pub(crate) async fn check(
    env: &Arc<Env>,
    strands: &[Strand],
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let vouched = vouched(env, strands, proof).await?;
    raws(env, &vouched, proof).await?;
    drops(env, strands, &vouched, proof).await?;
    texts(env, &vouched, proof).await?;
    returns(env, &vouched, proof).await?;
    undone(env, &vouched, proof).await
}

async fn vouched(
    ledger: &LedgerAccess,
    strands: &[Strand],
    proof: &mut Proof,
) -> anyhow::Result<VouchedFor> {
    let mut vouched = VouchedFor::default();
    for strand in strands {
        let mut after = 0;
        loop {
            let rows = ledger.store.ledger(strand.id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in &rows {
                let place = || format!("strand {}, row {}", strand.name, row.seq);
                if Kind::from_number(row.kind).is_none() {
                    proof.find(
                        "evidence",
                        "a row is of a kind that this version does not know",
                        place(),
                    );
                    continue;
                }
                match row.body() {
                    Some(body) => vouched.note(row.subject, &body),
                    None => proof.find("evidence", "a row cannot be read", place()),
                }
            }
        }
    }
    Ok(vouched)
}

async fn raws(
    ledger: &LedgerAccess,
    vouched: &VouchedFor,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let mut after = RawId::NONE;
    let mut seen = 0_usize;
    let mut unheld: HashSet<KeyId> = HashSet::new();
    loop {
        let rows = ledger.store.raws_after(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        let holders: HashSet<KeyId> = rows.iter().map(|row| row.holder).collect();
        let mut ids: Vec<KeyId> = holders.into_iter().collect();
        ids.sort_unstable();
        let known: HashSet<KeyId> = ledger
            .store
            .keys(ids.clone())
            .await?
            .into_iter()
            .map(|key| key.id)
            .collect();
        unheld.extend(ids.iter().filter(|id| !known.contains(id)));
        for row in &rows {
            match vouched.raws.get(&row.id) {
                None => proof.find(
                    "evidence",
                    "a sealed input that no ledger row vouches for",
                    format!("raw {}", row.id),
                ),
                Some(digest) if *digest != sealed_digest(&row.sealed) => proof.find(
                    "evidence",
                    "a sealed input was changed",
                    format!("raw {}", row.id),
                ),
                Some(_) => {}
            }
        }
        seen += rows.len();
    }
    if seen < vouched.raws.len() {
        proof.find(
            "evidence",
            format!("{} sealed inputs are missing", vouched.raws.len() - seen),
            "raw",
        );
    }
    let mut unheld: Vec<KeyId> = unheld.into_iter().collect();
    unheld.sort_unstable();
    for id in unheld {
        proof.find(
            "evidence",
            "a key is missing, and nothing says that it was destroyed",
            format!("key {id}"),
        );
    }
    proof.count("sealed inputs", seen);
    Ok(())
}

async fn drops(
    env: &Arc<Env>,
    strands: &[Strand],
    vouched: &VouchedFor,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let mut seen = 0;
    // Numbers that an older store has forgotten are left out from the day on which it was taken into use.
    let accepted: Vec<i64> = accepted_days(env).await?;
    for strand in strands {
        let (mut before, mut day_before) = (0, i64::MIN);
        loop {
            let files = env.store.drop_files(strand.id, before, PAGE).await?;
            if files.is_empty() {
                break;
            }
            seen += files.len();
            for file in &files {
                if file.sequence != before + 1
                    && !accepted
                        .iter()
                        .any(|at| *at >= day_before && *at <= file.day)
                {
                    proof.find(
                        "sequence",
                        "a drop's number does not follow the one before it",
                        drop_place(file),
                    );
                }
                (before, day_before) = (file.sequence, file.day);
                drop_file(env, file, vouched, proof).await?;
            }
        }
    }
    if seen != vouched.drops.len() {
        proof.find(
            "evidence",
            "the ledger names drops that are missing",
            "drop_file",
        );
    }
    proof.count("drops", seen);
    Ok(())
}

/// The London days on which a person took an older store into use.
async fn accepted_days(env: &Env) -> anyhow::Result<Vec<i64>> {
    let rows = env
        .store
        .ledger_of_kind(env.strand, Kind::Accepted, 0, PAGE);
    let day = |row: &LedgerRow| day_number(Instant(row.at).london_day());
    Ok(rows.await?.iter().map(day).collect())
}

fn drop_place(file: &DropFile) -> String {
    format!("drop {} of strand {}", file.sequence, file.partner)
}

/// One drop against what the ledger vouches for.
async fn drop_file(
    env: &Arc<Env>,
    file: &DropFile,
    vouched: &VouchedFor,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let place = || drop_place(file);
    let Some((digest, root)) = vouched.drops.get(&file.id) else {
        proof.find("evidence", "a drop that no ledger row vouches for", place());
        return Ok(());
    };
    let mut leaves: Vec<Digest> = Vec::new();
    let mut after = 0;
    loop {
        let rows = env.store.drop_rows(file.id, after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.row;
        leaves.extend(rows.iter().map(drop_leaf));
    }
    let computed = merkle_root(&leaves).unwrap_or_default();
    if *root != file.root || (computed != file.root && file.mapper > 0) {
        proof.find(
            "evidence",
            "the rows of a drop are not those of its record",
            place(),
        );
    }
    if *digest != file.digest {
        proof.find(
            "evidence",
            "the digest of a drop is not that of its record",
            place(),
        );
    }
    if vouched.states.get(&file.id) != Some(&(file.state, true)) {
        proof.find(
            "projection",
            "a drop has not come as far as the ledger says",
            place(),
        );
    }
    proof.count("drop rows", leaves.len());
    on_disk(env, file, proof).await
}

/// The texts of partner files, and of where their drops go, are those that the ledger names.
async fn texts(
    ledger: &LedgerAccess,
    vouched: &VouchedFor,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    for hash in &vouched.texts {
        let text = ledger.store.rule(*hash).await?;
        if text.is_none_or(|text| sha256(&[text.as_bytes()]) != *hash) {
            let place = format!("rule {}", crate::domain::encoding::hex(hash));
            proof.find("evidence", "a kept text is missing or was changed", place);
        }
    }
    proof.count("kept texts", vouched.texts.len());
    Ok(())
}

/// A drop that still lies in `out/` against its record and its re-make; one that is gone was taken, which is fine.
async fn on_disk(env: &Arc<Env>, file: &DropFile, proof: &mut Proof) -> anyhow::Result<()> {
    let Some(place) = env.partner_at(file.partner) else {
        return Ok(());
    };
    let partner = &env.rules.partners[place];
    let named = || format!("{} of partner {}", file.name, partner.id);
    if file.state == DropState::Voided {
        let lies = lying_part(env, place, file).await;
        if matches!(lies, LyingPart::Whole | LyingPart::FileAlone) {
            proof.find("files", "a drop that was taken back lies in out/", named());
        }
        return Ok(());
    }
    if file.state != DropState::Sent {
        return Ok(());
    }
    let changed = match is_written_into(env, place, file).await {
        Ok(Some(changed)) => changed,
        // Its folder is a link or a file: nobody can say what became of it.
        Err(error @ TransportError::NotAFolder { .. }) => {
            proof.find("files", error.to_string(), named());
            return Ok(());
        }
        Ok(None) | Err(_) => return Ok(()),
    };
    if changed {
        proof.find(
            "changed-after-delivery",
            "a drop differs from what was written",
            named(),
        );
    }
    let remade = remake(env, file).await?;
    if remade.is_some_and(|made| env.keys.file_digest(&sha256(&[&made.bytes])) != file.digest) {
        proof.find("evidence", "a drop cannot be made again alike", named());
    }
    proof.count("files", 1);
    Ok(())
}

/// The leaves of a return's rows, and the events of their legs that came of it, or of undoing it.
async fn of_return(
    ledger: &LedgerAccess,
    file: ReturnId,
    came: ReturnId,
) -> anyhow::Result<(Vec<Digest>, Vec<EventRow>)> {
    let (mut leaves, mut legs) = (Vec::new(), Vec::new());
    let mut after = 0;
    loop {
        let rows = ledger.store.return_rows(file, after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.row;
        leaves.extend(rows.iter().map(return_leaf));
        legs.extend(rows.iter().map(|row| row.leg).filter(|leg| leg.is_some()));
    }
    legs.sort_unstable();
    legs.dedup();
    let mut events = Vec::new();
    for page in legs.chunks(usize::try_from(PAGE).unwrap_or(usize::MAX)) {
        let of_legs = ledger.store.events_of_legs(page.to_vec()).await?;
        events.extend(of_legs.into_iter().filter(|event| event.return_id == came));
    }
    events.sort_by_key(|event| event.id);
    Ok((leaves, events))
}

/// What was undone, against what the ledger says of it.
async fn undone(
    ledger: &LedgerAccess,
    vouched: &VouchedFor,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    for (file, undo, root) in &vouched.undone {
        let (_, events) = of_return(ledger, *file, *undo).await?;
        let leaves: Vec<Digest> = events.iter().map(event_leaf).collect();
        if *root != merkle_root(&leaves).unwrap_or_default() {
            proof.find(
                "evidence",
                "what was undone of a return is not what the ledger says",
                format!("return {file}"),
            );
        }
        proof.count("events", events.len());
    }
    Ok(())
}

async fn returns(env: &Env, vouched: &VouchedFor, proof: &mut Proof) -> anyhow::Result<()> {
    let (mut after, mut seen) = (ReturnId::NONE, 0);
    loop {
        let files = env.store.return_files(after, PAGE).await?;
        let Some(last) = files.last() else { break };
        after = last.id;
        seen += files.len();
        for file in &files {
            return_file(env, file, vouched, proof).await?;
        }
    }
    if seen != vouched.returns.len() {
        proof.find(
            "evidence",
            "the ledger names returns that are missing",
            "return_file",
        );
    }
    Ok(())
}

/// Whether the bytes kept of a return are those by which it is looked up. Nothing is known against one whose key was destroyed.
async fn as_taken(env: &Env, file: &ReturnFile, sealed: &[u8]) -> anyhow::Result<bool> {
    let keys = env.holder_keys(vec![file.holder]).await?;
    let (Some(key), Some(place)) = (keys.get(&file.holder), env.partner_at(file.sender)) else {
        return Ok(true);
    };
    let Ok(bytes) = key.open(bytes_spot(file.id, file.holder), sealed) else {
        return Ok(false);
    };
    let partner = &env.rules.partners[place].id;
    Ok(return_lookup(env, partner, &sha256(&[&bytes])) == file.lookup)
}

/// One return against what the ledger vouches for.
async fn return_file(
    env: &Env,
    file: &ReturnFile,
    vouched: &VouchedFor,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let place = || format!("return {}", file.id);
    let bytes = env.store.return_bytes(file.id).await?.unwrap_or_default();
    if !as_taken(env, file, &bytes).await? {
        proof.find(
            "evidence",
            "the bytes kept of a return are not those that were taken",
            place(),
        );
    }
    let mut leaves = vec![return_file_leaf(file, &bytes)];
    let (rows, events) = of_return(env, file.id, file.id).await?;
    leaves.extend(&rows);
    leaves.extend(events.iter().map(event_leaf));
    let Some(root) = vouched.returns.get(&file.id) else {
        proof.find(
            "evidence",
            "a return that no ledger row vouches for",
            place(),
        );
        return Ok(());
    };
    if *root != file.root || merkle_root(&leaves).unwrap_or_default() != file.root {
        proof.find(
            "evidence",
            "the rows of a return are not those of its record",
            place(),
        );
    }
    proof.count("return rows", rows.len());
    proof.count("events", events.len());
    Ok(())
}
