//! What the pieces of a folder hold, put together in the order of the files.
//!
//! In: a [`Part`] a piece, in order. Out: tables by key, and what came more than once under one name: `versions` says which
//! of those stands. Kept: nothing depends on who read which piece.

use super::gaps::{PageGap, SavedPage, gaps};
use super::index::{Deletion, LocalName, Part, RecordOrigin};
use super::lookup_table::{Entry, Numbered, Spot, Table};
use super::segments::Piece;
use super::{Folder, SEVERAL};
use crate::diagnostics::{Code, Diagnostic, KeptDiagnostics, Place};

/// Where everything lies, and what was noticed on the way.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) requests: Table<Entry>,
    pub(super) records: Table<Entry>,
    pub(super) numbers: Table<Numbered>,
    pub(super) aliases: Table<Numbered>,
    pub(super) locals: Vec<LocalName>,
    /// One for each file set, then those of entries of Bundles.
    pub(super) origins: Vec<RecordOrigin>,
    /// Requests and records whose name was known, with the place of what bears it.
    pub(super) requests_again: Vec<(u32, Entry)>,
    pub(super) records_again: Vec<(u32, Entry)>,
    pub(super) deletions: Vec<Deletion>,
    /// Requests with an id that came again: the newest is taken.
    pub(super) superseded: u64,
    pub(super) others: u64,
    pub(super) newest: Option<Box<str>>,
    pub(super) diagnostics: KeptDiagnostics,
    /// Files and resources that could not be read, kept as a diagnostic or not.
    pub(super) unreadable: u64,
    /// How often the folder says that something is missing.
    pub(super) told_missing: u64,
    /// Looked at first only, and nobody will ask for it: there is a newer one.
    pub(super) set_aside: Vec<Spot>,
    /// Pages of answers, each with its file.
    pages: Vec<(usize, SavedPage)>,
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
    /// One of two resources with the same address cannot be read.
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
        let set = folder.set_of(piece.file);
        let behind = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
        self.origins.extend(part.origins);
        let placed = |entry: Entry| Entry {
            origin: match entry.origin {
                0 => u32::from(set),
                own => behind + own - 1,
            },
            ..entry
        };
        for request in part.requests.into_iter().map(placed) {
            let (place, new) = self.requests.put(request);
            if !new {
                self.requests_again.push((place, request));
            }
        }
        let mut places = Vec::with_capacity(part.records.len());
        for record in part.records.into_iter().map(placed) {
            let (place, new) = self.records.put(record);
            if !new {
                self.records_again.push((place, record));
            }
            places.push(place);
        }
        let locals = part.locals.into_iter().map(|local| LocalName {
            record: places[local.record as usize],
            ..local
        });
        self.locals.extend(locals);
        for number in part.numbers {
            put_named(&mut self.numbers, number, &places, |_, _| Ok(false))?;
        }
        for alias in part.aliases {
            let records = self.records.values();
            put_named(&mut self.aliases, alias, &places, |one, other| {
                let bytes = |place: u32| folder.read(records[place as usize].spot);
                Ok(bytes(one)? == bytes(other)?)
            })?;
        }
        self.deletions.extend(part.deletions);
        self.others += part.others;
        if part.newest > self.newest {
            self.newest = part.newest;
        }
        self.pages.extend(part.pages.into_iter().map(|mut page| {
            page.line = page.line.map(|line| before + line);
            (piece.file, page)
        }));
        let name = &folder.extracts[piece.file].name;
        for note in part.notes {
            self.diagnostics.add(note.diagnostic(name, before));
        }
        self.diagnostics.add_more(part.more_notes);
        self.unreadable += part.unreadable;
        self.told_missing += part.told_missing;
        Ok(())
    }

    /// Notes what the pages of answers lack, once all of them are there.
    pub(super) fn note_gaps(&mut self, folder: &Folder) {
        let pages = std::mem::take(&mut self.pages);
        let (files, pages): (Vec<usize>, Vec<SavedPage>) = pages.into_iter().unzip();
        for (place, gap) in gaps(&pages) {
            let what = match gap {
                PageGap::Next => "a saved page leads to a further one that is not here".to_owned(),
                PageGap::Matches(missing) => {
                    format!("a saved answer has {missing} matches less than the server counted")
                }
            };
            let mut here = Place::file(&folder.extracts[files[place]].name);
            if let Some(line) = pages[place].line {
                here = here.line(line);
            }
            self.told_missing += 1;
            let gap = Diagnostic::new(Code::ExtractIncomplete, what, here);
            self.diagnostics.add(gap);
        }
    }
}

/// Puts a further name of a record in, by the record's place in its part; a name of two records that are not the same
/// names neither.
fn put_named(
    names: &mut Table<Numbered>,
    name: Numbered,
    places: &[u32],
    same: impl FnOnce(u32, u32) -> std::io::Result<bool>,
) -> std::io::Result<()> {
    let record = places[name.record as usize];
    let (place, new) = names.put(Numbered { record, ..name });
    let Some(known) = names.at_mut(place).filter(|_| !new) else {
        return Ok(());
    };
    let apart = known.record != record && known.record != SEVERAL;
    if apart && !same(known.record, record)? {
        known.record = SEVERAL;
    }
    Ok(())
}
