//! A file for a practice's import that was prepared and is not known to have left: what lies of it, what it says, how it is taken back.
//!
//! In: such a file, the folder of the import, the ledger. Out: what was found; rows for a batch. Keeps: what a file says is what was
//! claimed with it, whatever has become of those people since; a number that was given is never given again.

use serde::Deserialize;

use super::prepared_drop::{last_about, take_back};
use super::run::LedgerAccess;
use crate::domain::encoding::unhex;
use crate::domain::{EventId, NoteId, Reason, limits};
use crate::seal::{Digest, sha256};
use crate::sheet::{MANIFEST_BYTES_MAX, manifest_name};
use crate::store::rows::{DropFile, PushRow, PushState, PushUpdate};
use crate::store::{Batch, Body, Entry, Kind, StoreError};
use crate::transport::{Transport, TransportError};

/// What lies of a file where it was to go.
pub(crate) enum LyingFile {
    /// Its manifest, so all of it was there once.
    Whole,
    /// Its file, without its manifest: these bytes.
    FileAlone(Vec<u8>),
    /// Something else under one of its names.
    SomethingElse,
    Nothing,
    /// Nobody can say.
    Unknown,
}

/// Looks what lies of a file.
pub(crate) async fn lying_import(
    ledger: &LedgerAccess,
    import: &dyn Transport,
    file: &DropFile,
) -> LyingFile {
    let is_ours = |sha256: &Digest| ledger.keys.file_digest(sha256) == file.digest;
    let manifest = manifest_name(&file.name);
    match import.reread(&manifest, MANIFEST_BYTES_MAX).await {
        Ok(Some(bytes)) if sha256_in(&bytes).is_some_and(|named| is_ours(&named)) => {
            return LyingFile::Whole;
        }
        Ok(None) => {}
        Ok(Some(_)) => return LyingFile::SomethingElse,
        Err(error) => return not_read(&error),
    }
    match import.reread(&file.name, limits::DROP_BYTES_MAX).await {
        Ok(Some(bytes)) if is_ours(&sha256(&[&bytes])) => LyingFile::FileAlone(bytes),
        Ok(Some(_)) => LyingFile::SomethingElse,
        Ok(None) if import.capabilities().sees_fetched => LyingFile::Nothing,
        Ok(None) => LyingFile::Unknown,
        Err(error) => not_read(&error),
    }
}

/// The digest of its file that a manifest names.
fn sha256_in(manifest: &[u8]) -> Option<Digest> {
    #[derive(Deserialize)]
    struct ManifestDigest {
        sha256: String,
    }
    let manifest: ManifestDigest = serde_json::from_slice(manifest).ok()?;
    unhex(&manifest.sha256)?.try_into().ok()
}

/// A manifest that names the digest of these bytes.
#[cfg(test)]
pub(crate) fn manifest_of(bytes: &[u8]) -> Vec<u8> {
    let sha256 = crate::domain::encoding::hex(&sha256(&[bytes]));
    serde_json::json!({ "sha256": sha256 })
        .to_string()
        .into_bytes()
}

fn not_read(error: &TransportError) -> LyingFile {
    match error {
        TransportError::NotRegular { .. } | TransportError::TooLarge { .. } => {
            LyingFile::SomethingElse
        }
        _ => LyingFile::Unknown,
    }
}

/// The writes that were claimed with a file, in the order of their events; none where the ledger does not have all of them.
///
/// # Errors
/// The store failed.
pub(crate) async fn claimed_with(
    ledger: &LedgerAccess,
    file: &DropFile,
) -> Result<Option<Vec<PushRow>>, StoreError> {
    let Some(prepared) = last_about(ledger, file, Kind::Prepared, 0).await? else {
        return Ok(None);
    };
    // They stand right behind it, in the same transaction.
    let rows = ledger.store.ledger(file.partner, prepared.seq, file.rows);
    let claims = rows.await?.into_iter();
    let claims = claims.filter(|row| row.kind == Kind::Pushing.number());
    let ids = claims.map(|row| EventId::new(row.subject)).collect();
    let mut claimed = ledger.store.pushes_of_events(ids).await?;
    claimed.retain(|row| row.state == PushState::Sending);
    claimed.sort_by_key(|row| row.event);
    Ok((i64::try_from(claimed.len()) == Ok(file.rows)).then_some(claimed))
}

/// Takes a file back: its writes wait as before, and its number stays given. `by`: who, and the note that says why; none where a run does.
pub(crate) fn take_import_back(
    batch: &mut Batch,
    file: &DropFile,
    rows: Vec<PushRow>,
    by: Option<(String, NoteId)>,
) {
    take_back(batch, file, by);
    for mut row in rows {
        let was = row.state;
        (row.state, row.reason) = (PushState::Queued, Some(Reason::Unreachable));
        batch.push(Entry::new(row.event, Body::pushed(&row)));
        batch.push_updates.push(PushUpdate {
            attempts_were: row.attempts,
            was,
            row,
        });
    }
}
