//! A return as it was taken from a partner's folder.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::name_spot;
use crate::diagnostics::{Code, Place};
use crate::domain::{HoldNumber, KeyId, ReturnId, StrandId};
use crate::pipeline::run::LedgerAccess;
use crate::seal::{Digest, HolderKey, LookupKey, Spot};
use crate::store::rows::ReturnFile;

/// Returns that are read at a time.
const PAGE: i64 = 5_000;

/// What is kept, sealed, of a return beside its bytes and rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ReturnFrame {
    pub(crate) header: Vec<String>,
    pub(crate) header_line: u64,
    /// Every row was taken in, or known.
    pub(crate) whole: bool,
    /// The partner file by which it was judged: its hash in hexadecimal digits.
    pub(crate) rules: String,
    /// When it was taken, in microseconds since 1970.
    pub(crate) at: i64,
    /// The return of which these are rows that were judged again; 0 of a file that came.
    pub(crate) of: i64,
    /// It tells everything so far, and was held against what came before it.
    pub(crate) everything: bool,
    /// What it no longer tells: the rows that told it, each by its return and Excel's number.
    pub(crate) asked: Vec<(i64, i64)>,
}

/// A return that came before.
pub(crate) struct EarlierReturn {
    pub(crate) file: ReturnFile,
    pub(crate) name: String,
    pub(crate) frame: ReturnFrame,
}

impl EarlierReturn {
    /// Opens one; nothing of one whose key is not among these.
    ///
    /// # Errors
    /// A sealed value does not open.
    pub(crate) fn open(
        file: ReturnFile,
        keys: &HashMap<KeyId, HolderKey>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(key) = keys.get(&file.holder) else {
            return Ok(None);
        };
        let name = key.open(name_spot(file.id, file.holder), &file.sealed_name)?;
        let frame = key.open(frame_spot(file.id, file.holder), &file.sealed_frame)?;
        Ok(Some(Self {
            name: String::from_utf8_lossy(&name).into_owned(),
            frame: serde_json::from_slice(&frame)?,
            file,
        }))
    }
}

/// A return with its name and frame; nothing of one whose key was destroyed.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn earlier_return(
    ledger: &LedgerAccess,
    file: ReturnFile,
) -> anyhow::Result<Option<EarlierReturn>> {
    let keys = ledger.holder_keys(vec![file.holder]).await?;
    EarlierReturn::open(file, &keys)
}

/// The returns of a partner that were taken since an instant, in microseconds, in the order in which they came.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn returns_since(
    ledger: &LedgerAccess,
    sender: StrandId,
    since: i64,
) -> anyhow::Result<Vec<EarlierReturn>> {
    let mut found = Vec::new();
    let mut after = ReturnId::NONE;
    loop {
        let files = ledger.store.return_files(after, PAGE).await?;
        let Some(last) = files.last() else {
            return Ok(found);
        };
        after = last.id;
        let own: Vec<ReturnFile> = files
            .into_iter()
            .filter(|file| file.sender == sender)
            .collect();
        let holders = own.iter().map(|file| file.holder).collect();
        let keys = ledger.holder_keys(holders).await?;
        for file in own {
            let opened = EarlierReturn::open(file, &keys)?;
            found.extend(opened.filter(|earlier| earlier.frame.at >= since));
        }
    }
}

/// Where a return's frame is sealed.
pub(crate) fn frame_spot(row: ReturnId, holder: KeyId) -> Spot<'static> {
    Spot::new("return_file.sealed_frame", row, holder)
}

/// Where a row of a return is sealed.
pub(crate) fn row_spot(return_id: ReturnId, row: i64, holder: KeyId) -> Spot<'static> {
    Spot::new(
        "return_row.sealed",
        return_id.number().wrapping_mul(1 << 20).wrapping_add(row),
        holder,
    )
}

/// A return as it was taken: what its receipt and its record say of the file.
pub(crate) struct TakenReturn {
    /// Place of the partner in the rules.
    pub(crate) partner: usize,
    /// The file's own name. It may say something of a person: for the receipt and the sealed record alone.
    pub(crate) name: String,
    /// The file as it came, or a note in place of one that is too large to be read; empty once it is sealed.
    pub(crate) bytes: Vec<u8>,
    /// Whether that is the file itself.
    pub(crate) whole: bool,
    pub(crate) file_size_bytes: usize,
    pub(crate) sha256: Digest,
    pub(crate) lookup: LookupKey,
    /// Keyed digest of what tells the file from another one of its name and bytes.
    pub(crate) version: LookupKey,
    /// When it was written, in microseconds since 1970.
    pub(crate) written_micros: i64,
    /// The record of the same bytes, if they were taken in before, by the same rules, or still lie where they lay.
    pub(crate) before: Option<ReturnFile>,
    /// All of it was taken in then.
    pub(crate) again: bool,
    /// Its record, once there is one.
    pub(crate) id: ReturnId,
    /// The return of which these are rows that are judged again; 0 of a file that comes.
    pub(crate) of: ReturnId,
    /// The questions about those rows.
    pub(crate) answers: Vec<HoldNumber>,
}

impl TakenReturn {
    /// Whether these are rows that had been taken in, and are judged again because another return was undone.
    pub(crate) fn told_before(&self) -> bool {
        self.of.is_some() && self.answers.is_empty()
    }
}

/// Why a file cannot be used: what is wrong with it, and what the partner can do.
pub(crate) struct Unusable {
    pub(crate) code: Code,
    /// What kind of thing is wrong: a word for programs.
    pub(crate) kind: &'static str,
    pub(crate) why: String,
    pub(crate) to_do: &'static str,
    /// The key of `[limits]` that it is beyond, which is for us to raise.
    pub(crate) limit: Option<&'static str>,
}

/// A return of a partner, for diagnostics.
pub(crate) fn place_of(partner: &str, file: ReturnId) -> Place {
    Place::detail(format!("partner {partner}, return {file}"))
}
