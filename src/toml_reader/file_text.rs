//! Files within a limit.
//!
//! A path comes in; bytes or text go out, or why they cannot be had. Kept: no more is read than the limit allows.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::domain::how_to_raise;

/// Why a file cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    /// It is longer than the limit.
    #[error("the file has more than {0} bytes")]
    TooLong(u64),
    #[error("{0}")]
    Unreadable(String),
}

impl FileError {
    /// What to do about a file beyond the limit of this key of `[limits]`; of another error the manual page says it.
    pub(crate) fn fix(&self, key: &str) -> Option<String> {
        matches!(self, Self::TooLong(_)).then(|| how_to_raise(key))
    }
}

/// A file's bytes within a limit, or why they cannot be had.
///
/// # Errors
/// [`FileError`].
pub(crate) fn bytes_within(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileError> {
    let cannot = |error: std::io::Error| {
        FileError::Unreadable(format!("the file cannot be read: {}", error.kind()))
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(cannot)?
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > bytes_max) {
        return Err(FileError::TooLong(bytes_max));
    }
    Ok(bytes)
}

/// A file's text within a limit, or why it cannot be had.
///
/// # Errors
/// [`FileError`].
pub(crate) fn text_within(path: &Path, bytes_max: u64) -> Result<String, FileError> {
    let unreadable = |what: String| Err(FileError::Unreadable(what));
    let mut bytes = bytes_within(path, bytes_max)?;
    // Notepad writes a mark in front that is no part of the text.
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return unreadable("the file is UTF-16: save it as UTF-8".to_owned());
    }
    String::from_utf8(bytes).or_else(|error| {
        unreadable(format!(
            "the file is not UTF-8, byte {} is the first that is not",
            error.utf8_error().valid_up_to() + 1
        ))
    })
}
