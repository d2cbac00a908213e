//! What was only looked at first when a folder was indexed, and is parsed after all.
//!
//! In: places. Out: a diagnostic for each that cannot be read, with its line. Kept: every line of a folder is parsed at
//! least once: those that a referral named when it was mapped, all others here.

use std::sync::atomic::Ordering;

use super::reader::Reader;
use super::segments::{Piece, line_feeds};
use super::{Folder, Spot, all};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::json::{Arena, Json, JsonError, Members};
use crate::pipeline::workers::in_parallel;

/// Records that a worker looks at before it comes back.
const RECORDS_AT_ONCE: usize = 1_000;

/// A resource that cannot be read.
pub(crate) type Unreadable = (Spot, JsonError);

impl Folder {
    /// Remembers that a record was parsed.
    pub(crate) fn was_read(&self, record: u32) {
        if let Some(word) = self.were_read.get(record as usize / 64) {
            word.fetch_or(1 << (record % 64), Ordering::Relaxed);
        }
    }

    /// Reads everything that nobody has read.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn check_late(&self, workers: usize) -> std::io::Result<Vec<Unreadable>> {
        let unread = |record: usize| {
            let word = self.were_read.get(record / 64);
            word.is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (record % 64)) == 0)
        };
        let records = self.found.records.values().iter().enumerate();
        let mut spots: Vec<Spot> = records
            .filter(|(record, entry)| entry.unchecked && unread(*record))
            .map(|(_, entry)| entry.spot)
            .chain(self.found.set_aside.iter().copied())
            .collect();
        spots.sort_unstable();
        let chunks: Vec<&[Spot]> = spots.chunks(RECORDS_AT_ONCE).collect();
        let none = Members::default();
        let found = in_parallel(chunks.len(), workers, |(): &mut (), chunk| {
            let (mut reader, mut arena) = (Reader::new(self), Arena::default());
            let mut found = Vec::new();
            for spot in chunks[chunk] {
                if let Err(error) = Json::parse_members(reader.record(*spot)?, &none, &arena) {
                    found.push((*spot, error));
                }
                arena.reset();
            }
            Ok(found)
        });
        Ok(all(found)?.concat())
    }

    /// A request that cannot be read.
    pub(crate) fn unreadable(&self, index: usize, error: JsonError) -> Option<Unreadable> {
        self.requests.get(index).map(|at| (at.spot, error))
    }

    /// What is said of a resource that cannot be read.
    pub(crate) fn diagnostic(&self, (spot, error): Unreadable) -> Diagnostic {
        let mut place = Place::file(self.extract(spot).map_or("", |extract| &extract.name));
        if let Some(line) = self.line(spot) {
            place = place.line(line);
        }
        let place = place.and(format!(
            "line {}, column {} of the text",
            error.line, error.column
        ));
        Diagnostic::new(Code::Unreadable, error.what, place)
    }

    /// The line where something begins; none in a document.
    fn line(&self, spot: Spot) -> Option<u64> {
        let extract = self.extract(spot).filter(|extract| extract.lines)?;
        let behind = |(piece, _): &&(Piece, u64)| {
            (piece.file, piece.start) <= (usize::from(spot.file), spot.offset)
        };
        let count = self.found.lines_before.partition_point(|one| behind(&one));
        let (piece, before) = self.found.lines_before.get(count.checked_sub(1)?)?;
        let within = line_feeds(extract, piece.start.saturating_sub(1), spot.offset).ok()?;
        // The line that reaches into a piece was counted where it begins.
        let reaching_in = u64::from(piece.start == 0);
        Some(before + within + reaching_in)
    }
}
