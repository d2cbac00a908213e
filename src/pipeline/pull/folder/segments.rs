//! Files in pieces, each read at once by whoever is free.
//!
//! In: extracts. Out: pieces in the order of files and bytes, and the whole lines that begin in each. Kept: a line belongs
//! to the piece in which it begins, whoever reads it; a buffer is used again, and holds one piece and the longest line at
//! most.

use std::os::unix::fs::FileExt;

use memchr::{memchr, memchr_iter};

use super::files::Extract;

/// Bytes of a piece: what the nearer caches of a core hold.
const PIECE_BYTES: u64 = 512 * 1024;
/// Bytes read at once beyond a piece, where its last line ends.
const TAIL_BYTES: u64 = 16 * 1024;

/// A part of a file that one worker reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) file: usize,
    pub(super) start: u64,
    end: u64,
}

/// The pieces of the extracts; a document is one piece.
pub(super) fn pieces(extracts: &[Extract]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (file, extract) in extracts.iter().enumerate() {
        let step = if extract.lines {
            PIECE_BYTES
        } else {
            extract.bytes.max(1)
        };
        let mut start = 0;
        while start < extract.bytes || start == 0 {
            let end = (start + step).min(extract.bytes);
            pieces.push(Piece { file, start, end });
            start += step;
        }
    }
    pieces
}

/// One line of a piece.
pub(super) struct Line<'b> {
    /// With its line feed; if it is too long, as much of it as is there.
    pub(super) bytes: &'b [u8],
    /// Where it begins in the file.
    pub(super) offset: u64,
    pub(super) too_long: bool,
}

/// The lines that begin in a piece.
pub(super) struct Lines<'b> {
    buffer: &'b [u8],
    at: usize,
    /// Of the file, where the buffer begins.
    offset: u64,
    /// Where the lines of the piece end to begin.
    end: u64,
    pub(super) line_bytes_max: usize,
}

impl<'b> Lines<'b> {
    /// Reads a piece, up to the end of its last line.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(
        extract: &Extract,
        piece: Piece,
        buffer: &'b mut Vec<u8>,
        line_bytes_max: usize,
    ) -> std::io::Result<Self> {
        // One byte more before: a line begins where the byte before is a line feed.
        let offset = piece.start.saturating_sub(1);
        fill(extract, buffer, offset, piece.end, 0)?;
        let at = if piece.start == 0 {
            0
        } else {
            memchr(b'\n', buffer).map_or(buffer.len(), |found| found + 1)
        };
        let begun = buffer
            .get(at..)
            .is_some_and(|rest| !rest.is_empty() && rest.last() != Some(&b'\n'));
        if begun {
            finish_line(extract, buffer, offset, line_bytes_max)?;
        }
        Ok(Self {
            buffer,
            at,
            offset,
            end: piece.end,
            line_bytes_max,
        })
    }

    /// The next line.
    pub(super) fn next_line(&mut self) -> Option<Line<'b>> {
        let offset = self.offset + self.at as u64;
        let rest = self.buffer.get(self.at..)?;
        if rest.is_empty() || offset >= self.end {
            return None;
        }
        let length = memchr(b'\n', rest).map_or(rest.len(), |found| found + 1);
        self.at += length;
        let bytes = rest.get(..length)?;
        let too_long = bytes.trim_ascii().len() > self.line_bytes_max;
        Some(Line {
            bytes,
            offset,
            too_long,
        })
    }
}

/// Reads on behind a piece until its last line ends or is too long.
fn finish_line(
    extract: &Extract,
    buffer: &mut Vec<u8>,
    offset: u64,
    line_bytes_max: usize,
) -> std::io::Result<()> {
    let mut more: u64 = TAIL_BYTES;
    let most = buffer.len() + line_bytes_max + 2;
    loop {
        let before = buffer.len();
        let start = offset + before as u64;
        fill(extract, buffer, start, start + more, before)?;
        let new = buffer.get(before..).unwrap_or_default();
        if let Some(found) = memchr(b'\n', new) {
            buffer.truncate(before + found + 1);
            return Ok(());
        }
        if new.is_empty() || buffer.len() > most {
            return Ok(());
        }
        more *= 2;
    }
}

/// Reads the bytes of a file from `start` to `end`, or to where it ends, behind what the buffer is to keep.
fn fill(
    extract: &Extract,
    buffer: &mut Vec<u8>,
    start: u64,
    end: u64,
    keep: usize,
) -> std::io::Result<()> {
    let wanted = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
    buffer.resize(keep + wanted, 0);
    let mut filled = keep;
    while filled < buffer.len() {
        let at = start + (filled - keep) as u64;
        match extract.file.read_at(&mut buffer[filled..], at) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(())
}

/// The first bytes of a file.
///
/// # Errors
/// It cannot be read.
pub(super) fn read_head(extract: &Extract) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fill(extract, &mut bytes, 0, extract.bytes.min(PIECE_BYTES), 0)?;
    Ok(bytes)
}

/// A whole file.
///
/// # Errors
/// It cannot be read.
pub(super) fn read_all(extract: &Extract) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fill(extract, &mut bytes, 0, extract.bytes, 0)?;
    Ok(bytes)
}

/// Hands over the bytes of a file from first to last.
///
/// # Errors
/// It cannot be read.
pub(super) fn each_block(extract: &Extract, mut take: impl FnMut(&[u8])) -> std::io::Result<()> {
    let (mut buffer, mut start) = (Vec::new(), 0);
    loop {
        fill(extract, &mut buffer, start, start + PIECE_BYTES, 0)?;
        if buffer.is_empty() {
            return Ok(());
        }
        start += buffer.len() as u64;
        take(&buffer);
    }
}

/// How many line feeds a part of a file has.
///
/// # Errors
/// It cannot be read.
pub(super) fn line_feeds(extract: &Extract, start: u64, end: u64) -> std::io::Result<u64> {
    let mut buffer = Vec::new();
    fill(extract, &mut buffer, start, end, 0)?;
    let feeds = memchr_iter(b'\n', &buffer).count();
    Ok(feeds as u64)
}
