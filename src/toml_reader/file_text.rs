//! Files within a limit.
//!
//! A path comes in; bytes or text go out, or why they cannot be had. Kept: no more is read than the limit allows.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A file's bytes within a limit, or why they cannot be had.
pub(crate) fn bytes_within(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("the file cannot be read: {}", error.kind());
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(cannot)?
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > bytes_max) {
        return Err(format!("the file has more than {bytes_max} bytes"));
    }
    Ok(bytes)
}

/// A file's text within a limit, or why it cannot be had.
pub(crate) fn text_within(path: &Path, bytes_max: u64) -> Result<String, String> {
    let mut bytes = bytes_within(path, bytes_max)?;
    // Notepad writes a mark in front that is no part of the text.
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err("the file is UTF-16: save it as UTF-8".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        format!(
            "the file is not UTF-8, byte {} is the first that is not",
            error.utf8_error().valid_up_to() + 1
        )
    })
}
