//! A drop that was prepared and did not leave, as far as its record says: what lies of it in `out/`, and how it is taken back.
//!
//! In: a drop, its partner's place, the ledger. Out: what was found; rows for a batch. Keeps: a number that was given is never
//! given again, and what was taken back counts nowhere as sent.

use std::collections::{HashMap, HashSet};

use super::approval::{How, recorded};
use super::run::{Env, LedgerAccess};
use crate::domain::encoding::unhex;
use crate::domain::{Action, LegId, NoteId, ReturnId, StrandId, limits};
use crate::seal::{Digest, sha256};
use crate::sheet::{MANIFEST_BYTES_MAX, Manifest, manifest_name};
use crate::store::rows::{DropFile, DropRow, DropState, Leg};
use crate::store::{Batch, Body, Entry, Kind, LedgerRow, StoreError};
use crate::transport::TransportError;

/// Rows of the ledger read at a time.
const PAGE: i64 = 1_000;

/// Makes the exchange with a partner ready. Where drops have lain before, a place that is gone is not made anew.
///
/// # Errors
/// The store failed. What is wrong with the place is a value.
pub(crate) async fn ready(
    env: &Env,
    place: usize,
) -> Result<Result<(), TransportError>, StoreError> {
    let transport = &env.partners[place].transport;
    Ok(match transport.prepare_again().await {
        Err(TransportError::Gone { .. }) if !has_lain_here(env, place).await? => {
            transport.prepare().await
        }
        ready => ready,
    })
}

/// Whether a drop of the partner was made for the place to which its drops go now.
async fn has_lain_here(env: &Env, place: usize) -> Result<bool, StoreError> {
    let at = &env.partners[place];
    let Some(last) = env.store.last_drop(at.strand).await? else {
        return Ok(false);
    };
    let here = at.destination.text(&env.config.home);
    let here = sha256(&[here.as_bytes()]);
    let versions = recorded(&*env.store, env.strand).await?;
    let mut own = versions.iter().rev();
    let own = own
        .by_ref()
        .filter(|version| version.partner == at.strand && version.how != How::Waits);
    let since = own
        .take_while(|version| version.destination == here)
        .last()
        .map(|version| version.at);
    let made = last_about(env, &last, Kind::Prepared, 0).await?;
    Ok(match (since, made) {
        (Some(since), Some(made)) => made.at >= since.0,
        _ => false,
    })
}

/// What lies of a drop where it was to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LyingPart {
    /// Its manifest, so all of it was there once.
    Whole,
    /// Its file, without its manifest.
    FileAlone,
    /// Something else under one of its names.
    SomethingElse,
    Nothing,
    /// Nobody can say: the place cannot be looked into, or its kind never says.
    Unknown,
}

/// Looks what lies of a drop.
pub(crate) async fn lying_part(env: &Env, place: usize, file: &DropFile) -> LyingPart {
    let transport = &env.partners[place].transport;
    let is_ours = |sha256: &Digest| env.keys.file_digest(sha256) == file.digest;
    let manifest = manifest_name(&file.name);
    match transport.reread(&manifest, MANIFEST_BYTES_MAX).await {
        Ok(Some(bytes)) if sha256_in(&bytes).is_some_and(|named| is_ours(&named)) => {
            return LyingPart::Whole;
        }
        Ok(None) => {}
        Ok(Some(_)) => return LyingPart::SomethingElse,
        Err(error) => return not_read(&error),
    }
    let reread = transport.reread(&file.name, limits::DROP_BYTES_MAX);
    match reread.await {
        Ok(Some(bytes)) if is_ours(&sha256(&[&bytes])) => LyingPart::FileAlone,
        Ok(Some(_)) => LyingPart::SomethingElse,
        Ok(None) if transport.capabilities().sees_fetched => LyingPart::Nothing,
        Ok(None) => LyingPart::Unknown,
        Err(error) => not_read(&error),
    }
}

/// The digest of its file that a manifest names.
fn sha256_in(manifest: &[u8]) -> Option<Digest> {
    let manifest: Manifest = serde_json::from_slice(manifest).ok()?;
    unhex(&manifest.sha256)?.try_into().ok()
}

fn not_read(error: &TransportError) -> LyingPart {
    match error {
        TransportError::NotRegular { .. } | TransportError::TooLarge { .. } => {
            LyingPart::SomethingElse
        }
        _ => LyingPart::Unknown,
    }
}

/// Whether what lies in `out/` under a drop's name is something else than was written; `None` where nothing does.
///
/// # Errors
/// The folder cannot be read.
pub(crate) async fn is_written_into(
    env: &Env,
    place: usize,
    file: &DropFile,
) -> Result<Option<bool>, TransportError> {
    let transport = &env.partners[place].transport;
    let reread = transport.reread(&file.name, limits::DROP_BYTES_MAX);
    match reread.await {
        Ok(bytes) => {
            let differs = |bytes: Vec<u8>| env.keys.file_digest(&sha256(&[&bytes])) != file.digest;
            Ok(bytes.map(differs))
        }
        // A link, a device, or more than any drop holds.
        Err(TransportError::NotRegular { .. } | TransportError::TooLarge { .. }) => Ok(Some(true)),
        Err(error) => Err(error),
    }
}

/// Names of those drops of a partner that somebody wrote into while they lie in `out/`.
pub(crate) async fn written_into(env: &Env, place: usize, files: &[DropFile]) -> Vec<String> {
    let named = |file: &DropFile| (file.name.clone(), manifest_name(&file.name));
    let names = files.iter().map(named).collect();
    // What cannot be looked at now is looked at by whoever looks next.
    let touched = env.partners[place].transport.touched(names).await;
    let touched = touched.unwrap_or_default();
    let mut names = Vec::new();
    for file in files.iter().filter(|file| touched.contains(&file.name)) {
        if matches!(is_written_into(env, place, file).await, Ok(Some(true))) {
            names.push(file.name.clone());
        }
    }
    names
}

/// Takes a drop back: its rows wait as before, and its number stays given. `by`: who, and the note that says why; none where a
/// run does.
pub(crate) fn take_back(batch: &mut Batch, file: &DropFile, by: Option<(String, NoteId)>) {
    let sequence = file.sequence;
    batch.push(Entry::new(file.id, Body::Voided { sequence, by }));
    batch.drop_states.push((file.id, DropState::Voided));
}

/// Whether a drop has certainly not left: it was kept from it, and was not put out again since, nor by a store of which this is an
/// older copy.
///
/// # Errors
/// The store failed.
pub(crate) async fn was_kept(env: &Env, file: &DropFile) -> Result<bool, StoreError> {
    let kept = last_about(env, file, Kind::Kept, 0).await?;
    let Some(kept) = kept.filter(|row| !is_older(env, row)) else {
        return Ok(false);
    };
    let leaving = last_about(env, file, Kind::Leaving, kept.seq).await?;
    Ok(leaving.is_none())
}

/// Whether a drop was made before an older copy of the store was taken into use: what became of it then this store does not know.
///
/// # Errors
/// The store failed.
pub(crate) async fn is_of_older_store(env: &Env, file: &DropFile) -> Result<bool, StoreError> {
    if env.restored.is_none() {
        return Ok(false);
    }
    let made = last_about(env, file, Kind::Prepared, 0).await?;
    let kept = last_about(env, file, Kind::Kept, 0).await?;
    Ok(kept.or(made).is_some_and(|row| is_older(env, &row)))
}

fn is_older(env: &Env, row: &LedgerRow) -> bool {
    env.restored.is_some_and(|restored| row.at < restored.0)
}

/// The legs of which nobody but this drop could have told the partner.
///
/// # Errors
/// The store failed.
pub(crate) async fn first_told(
    ledger: &LedgerAccess,
    file: &DropFile,
) -> Result<HashSet<LegId>, StoreError> {
    let (mut told, mut after) = (HashSet::new(), 0);
    loop {
        let rows = ledger.store.drop_rows(file.id, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(told);
        };
        after = last.row;
        let new = rows.iter().filter(|row| row.action == Action::New);
        told.extend(new.map(|row| row.leg));
    }
}

/// Whether a return that was taken since has a row about a person whom nobody but this drop could have told the partner of: then
/// the partner has it.
///
/// # Errors
/// The store failed.
pub(crate) async fn is_answered(
    ledger: &LedgerAccess,
    file: &DropFile,
) -> Result<bool, StoreError> {
    let Some(made) = last_about(ledger, file, Kind::Prepared, 0).await? else {
        return Ok(false);
    };
    let told = first_told(ledger, file).await?;
    let mut after = made.seq;
    loop {
        let taken = ledger
            .store
            .ledger_of_kind(file.partner, Kind::Returned, after, PAGE);
        let taken = taken.await?;
        let Some(last) = taken.last() else {
            return Ok(false);
        };
        after = last.seq;
        for row in taken {
            if has_row_of(ledger, ReturnId::new(row.subject), &told).await? {
                return Ok(true);
            }
        }
    }
}

async fn has_row_of(
    ledger: &LedgerAccess,
    taken: ReturnId,
    legs: &HashSet<LegId>,
) -> Result<bool, StoreError> {
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

/// Whether a leg of a prepared drop has moved since its row was made.
///
/// # Errors
/// The store failed.
pub(crate) async fn has_moved(ledger: &LedgerAccess, file: &DropFile) -> Result<bool, StoreError> {
    let mut after = 0;
    loop {
        let rows = ledger.store.drop_rows(file.id, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(false);
        };
        after = last.row;
        if with_legs(ledger, rows)
            .await?
            .iter()
            .any(|(row, leg)| moved(row, leg.as_ref()))
        {
            return Ok(true);
        }
    }
}

/// Rows with their legs as they stand now.
///
/// # Errors
/// The store failed.
pub(crate) async fn with_legs(
    ledger: &LedgerAccess,
    rows: Vec<DropRow>,
) -> Result<Vec<(DropRow, Option<Leg>)>, StoreError> {
    let ids = rows.iter().map(|row| row.leg).collect();
    let legs = ledger.store.legs(ids).await?;
    let mut legs: HashMap<LegId, Leg> = legs.into_iter().map(|leg| (leg.id, leg)).collect();
    let with_leg = |row: DropRow| {
        let leg = legs.remove(&row.leg);
        (row, leg)
    };
    Ok(rows.into_iter().map(with_leg).collect())
}

/// Whether a leg stands elsewhere than when its row was made.
pub(crate) fn moved(row: &DropRow, leg: Option<&Leg>) -> bool {
    leg.is_none_or(|leg| leg.rev + 1 != row.rev)
}

/// The last number before this one whose drop was not taken back; 0 for none.
///
/// # Errors
/// The store failed.
pub(crate) async fn number_before(
    ledger: &LedgerAccess,
    partner: StrandId,
    sequence: i64,
) -> Result<i64, StoreError> {
    let mut number = sequence - 1;
    while number > 0 {
        let file = numbered(ledger, partner, number).await?;
        if file.is_none_or(|file| file.state != DropState::Voided) {
            break;
        }
        number -= 1;
    }
    Ok(number)
}

/// The newest drop of a partner that was not taken back.
///
/// # Errors
/// The store failed.
pub(crate) async fn last_standing(
    ledger: &LedgerAccess,
    partner: StrandId,
) -> Result<Option<DropFile>, StoreError> {
    let last = ledger.store.last_drop(partner).await?;
    match last {
        Some(voided) if voided.state == DropState::Voided => {
            let number = number_before(ledger, partner, voided.sequence).await?;
            numbered(ledger, partner, number).await
        }
        last => Ok(last),
    }
}

/// The drop of a partner with this number.
///
/// # Errors
/// The store failed.
pub(crate) async fn numbered(
    ledger: &LedgerAccess,
    partner: StrandId,
    sequence: i64,
) -> Result<Option<DropFile>, StoreError> {
    let after = sequence.saturating_sub(1);
    let file = ledger.store.drop_files(partner, after, 1).await?.pop();
    Ok(file.filter(|file| file.sequence == sequence))
}

/// The last row of a kind that the ledger has about a drop, of those after `seq` in its partner's strand.
///
/// # Errors
/// The store failed.
pub(crate) async fn last_about(
    ledger: &LedgerAccess,
    file: &DropFile,
    kind: Kind,
    seq: i64,
) -> Result<Option<LedgerRow>, StoreError> {
    let (mut after, mut last) = (seq, None);
    loop {
        let rows = ledger.store.ledger_of_kind(file.partner, kind, after, PAGE);
        let rows = rows.await?;
        let Some(end) = rows.last() else {
            return Ok(last);
        };
        after = end.seq;
        let mut own = rows.into_iter();
        last = own.rfind(|row| row.subject == file.id.number()).or(last);
    }
}
