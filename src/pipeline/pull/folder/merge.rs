//! What the pieces of a folder hold, put together in the order of the files.
//!
//! In: a [`Part`] a piece, in order. Out: tables by key. Kept: of two resources with one id the newer stands, of equally old
//! ones the later; nothing depends on who read which piece.

use super::index::Part;
use super::lookup_table::{Entry, Numbered, Spot, Table};
use super::segments::Piece;
use super::{Folder, SEVERAL};
use crate::diagnostics::KeptDiagnostics;
use crate::fhir::resources::resource::read_last_updated;

/// Where everything lies, and what was noticed on the way.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) requests: Table<Entry>,
    pub(super) records: Table<Entry>,
    pub(super) numbers: Table<Numbered>,
    pub(super) full_urls: Table<Entry>,
    /// Requests with an id that came twice: the newest is taken.
    pub(super) superseded: u64,
    pub(super) others: u64,
    pub(super) newest: Option<Box<str>>,
    pub(super) diagnostics: KeptDiagnostics,
    /// Files and resources that could not be read, kept as a diagnostic or not.
    pub(super) unreadable: u64,
    /// Looked at first only, and nobody will ask for it: there is a newer one.
    pub(super) set_aside: Vec<Spot>,
    /// Pieces of files, and the lines of the file before each.
    pub(super) lines_before: Vec<(Piece, u64)>,
    /// Lines of the last piece's file up to its end.
    lines: u64,
}

impl Gathered {
    /// Nothing yet but what was wrong before.
    pub(super) fn after(diagnostics: KeptDiagnostics, unreadable: u64) -> Self {
        Self {
            diagnostics,
            unreadable,
            ..Self::default()
        }
    }

    /// Adds what the next piece holds.
    ///
    /// # Errors
    /// One of two resources with the same id cannot be read.
    pub(super) fn take(
        &mut self,
        folder: &Folder,
        piece: Piece,
        part: Part,
    ) -> std::io::Result<()> {
        let same_file = self
            .lines_before
            .last()
            .is_some_and(|(last, _)| last.file == piece.file);
        // Lines are counted through a file.
        let before = if same_file { self.lines } else { 0 };
        self.lines = before + part.lines;
        self.lines_before.push((piece, before));
        let set_aside = &mut self.set_aside;
        for request in part.requests {
            self.requests.put(request, |known| {
                self.superseded += 1;
                newer(folder, known.spot, request.spot, set_aside)
            })?;
        }
        let mut places = Vec::with_capacity(part.records.len());
        for record in part.records {
            let newer = |known: &Entry| newer(folder, known.spot, record.spot, set_aside);
            places.push(self.records.put(record, newer)?);
        }
        let always = |_: &Entry| Ok::<_, std::io::Error>(true);
        for number in part.numbers {
            let record = places[number.record as usize];
            let known = self.numbers.get(number.key);
            let record = match known {
                Some(known) if known.record != record => SEVERAL,
                _ => record,
            };
            let numbered = Numbered { record, ..number };
            self.numbers
                .put(numbered, |_| Ok::<_, std::io::Error>(true))?;
        }
        for url in part.full_urls {
            self.full_urls.put(url, always)?;
        }
        self.others += part.others;
        if part.newest > self.newest {
            self.newest = part.newest;
        }
        let name = &folder.extracts[piece.file].name;
        for note in part.notes {
            self.diagnostics.add(note.diagnostic(name, before));
        }
        self.diagnostics.add_more(part.more_notes);
        self.unreadable += part.unreadable;
        Ok(())
    }

    /// Where the requests lie, in the order of file and place: the newest of several stands in its own place.
    pub(super) fn take_requests(&mut self) -> Vec<Spot> {
        let requests = std::mem::take(&mut self.requests).into_values();
        let mut spots: Vec<Spot> = requests.iter().map(|entry| entry.spot).collect();
        spots.sort_unstable();
        spots
    }
}

/// Whether the resource at the second place is to stand for the one at the first: it can be read and is no older.
fn newer(
    folder: &Folder,
    known: Spot,
    found: Spot,
    set_aside: &mut Vec<Spot>,
) -> std::io::Result<bool> {
    let known_date = read_last_updated(&folder.read(known)?);
    let newer = match (known_date, read_last_updated(&folder.read(found)?)) {
        (_, Err(_)) => false,
        (Err(_), _) => true,
        (Ok(known), Ok(found)) => known <= found,
    };
    if folder.checks_late {
        set_aside.push(if newer { known } else { found });
    }
    Ok(newer)
}
