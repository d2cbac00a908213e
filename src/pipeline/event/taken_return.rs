//! A return as it was taken from a partner's folder.

use crate::diagnostics::{Code, Place};
use crate::domain::ReturnId;
use crate::seal::{Digest, LookupKey};
use crate::store::rows::ReturnFile;

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
    /// The record of the same bytes, if they were taken before.
    pub(crate) before: Option<ReturnFile>,
}

/// Why a file cannot be used: what is wrong with it, and what the partner can do.
pub(crate) struct Unusable {
    pub(crate) code: Code,
    pub(crate) why: String,
    pub(crate) to_do: &'static str,
    /// The key of `[limits]` that it is beyond, which is for us to raise.
    pub(crate) limit: Option<&'static str>,
}

/// A return of a partner, for diagnostics.
pub(crate) fn place_of(partner: &str, file: ReturnId) -> Place {
    Place::detail(format!("partner {partner}, return {file}"))
}
