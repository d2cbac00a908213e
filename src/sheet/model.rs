//! A sheet as everybody but a codec knows it: a header, rows by the numbers that Excel shows, cells as text.
//!
//! A codec fills it row by row. Invariants: a row's number is the one its sender sees; what stood in the file in a cell's place is kept where it differs
//! from the cell; no note holds a cell's text. All cells lie in one text, so that a sheet costs little more than its file.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use super::csv::{Dialect, QuoteFault};

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// How the file was written.
    pub(crate) dialect: Dialect,
    /// Names of the columns: trimmed, inner white space folded to one space, empty ones at the end left off.
    pub(crate) header: Vec<String>,
    /// Excel's number of the header row.
    pub(crate) header_line: u64,
    /// Where the header stood in the file's text.
    pub(super) header_span: Range<usize>,
    /// Cells of the header as written, empty ones at the end included.
    pub(crate) header_written: usize,
    /// Rows above the header.
    pub(crate) preamble_rows: u64,
    /// Those of them that are not blank: number and cells.
    pub(crate) above: Vec<(u64, Vec<String>)>,
    pub(crate) notes: Vec<SheetNote>,
    /// The most notes that are kept.
    notes_max: usize,
    /// The cells of all rows, one after the other.
    text: String,
    /// Where each cell ends in the text.
    ends: Vec<usize>,
    /// Rows with at least one cell that is not blank.
    rows: Vec<RowPlace>,
    /// What stood in the file where that is not the cell's text, by row and column from 0.
    sources: BTreeMap<(usize, usize), String>,
}

/// Where a row lies.
#[derive(Clone, Debug)]
struct RowPlace {
    form: RowForm,
    /// Its cells among all cells.
    cells: Range<usize>,
    /// Where its first cell begins in the text.
    start: usize,
}

/// How a row was written.
#[derive(Clone, Debug)]
pub(super) struct RowForm {
    /// Excel's number.
    pub(super) line: u64,
    /// Where it stood in the file's text, its line end included.
    pub(super) span: Range<usize>,
    /// Cells as written, empty ones at the end included.
    pub(super) written: usize,
    pub(super) fault: Option<QuoteFault>,
    /// Whether a line end stood behind it.
    pub(super) ended: bool,
}

/// A row; it has as many cells as anybody asks for, empty ones beyond the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SheetRow<'s> {
    sheet: &'s Sheet,
    /// From 0.
    index: usize,
    place: &'s RowPlace,
}

/// Something repaired, which the receipt says; what is odd about a table, who knows the agreement sees in its cells. Columns count from 1, rows as Excel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SheetNote {
    /// A cell came as Excel's `="text"` and was taken as that text.
    WrapperTakenOff { line: u64, column: usize },
    /// There were more notes than are kept.
    MoreNotes,
}

impl Sheet {
    /// A sheet without a row, under its header.
    pub(super) fn new(dialect: Dialect, notes_max: usize) -> Self {
        Self {
            dialect,
            header: Vec::new(),
            header_line: 0,
            header_span: 0..0,
            header_written: 0,
            preamble_rows: 0,
            above: Vec::new(),
            notes: Vec::new(),
            notes_max,
            text: String::new(),
            ends: Vec::new(),
            rows: Vec::new(),
            sources: BTreeMap::new(),
        }
    }

    /// The rows, as they stood.
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = SheetRow<'_>> + Clone {
        let row = |(index, place)| SheetRow {
            sheet: self,
            index,
            place,
        };
        self.rows.iter().enumerate().map(row)
    }

    /// A row by its place among the rows, from 0.
    pub(crate) fn row(&self, index: usize) -> Option<SheetRow<'_>> {
        let place = self.rows.get(index)?;
        Some(SheetRow {
            sheet: self,
            index,
            place,
        })
    }

    /// Rows with at least one cell that is not blank.
    pub(crate) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Leaves these rows alone in the sheet, by their places from 0 in rising order.
    pub(crate) fn keep_rows(&mut self, places: &[usize]) {
        let rows = places.iter().filter_map(|place| self.rows.get(*place));
        let rows: Vec<RowPlace> = rows.cloned().collect();
        let mut sources = BTreeMap::new();
        for (now, place) in places.iter().enumerate() {
            let of_row = self.sources.range((*place, 0)..(*place + 1, 0));
            sources.extend(of_row.map(|((_, column), text)| ((now, *column), text.clone())));
        }
        (self.rows, self.sources) = (rows, sources);
    }

    /// Adds a row of these cells, written in this form.
    pub(super) fn push_row<'c>(&mut self, form: RowForm, cells: impl Iterator<Item = &'c str>) {
        let (first, start) = (self.ends.len(), self.text.len());
        for cell in cells {
            self.text.push_str(cell);
            self.ends.push(self.text.len());
        }
        self.rows.push(RowPlace {
            form,
            cells: first..self.ends.len(),
            start,
        });
    }

    /// Gives back the memory that was kept for further rows.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.rows.shrink_to_fit();
    }

    /// Keeps what stood in the file in the place of a cell of the row added next.
    pub(super) fn keep_source(&mut self, column: usize, source: &str) {
        let next = self.rows.len();
        self.sources.insert((next, column), source.to_owned());
    }

    /// Adds a note, as long as there are not too many.
    pub(super) fn note(&mut self, note: SheetNote) {
        match self.notes.len().cmp(&self.notes_max) {
            Ordering::Less => self.notes.push(note),
            Ordering::Equal => self.notes.push(SheetNote::MoreNotes),
            Ordering::Greater => {}
        }
    }
}

impl<'s> SheetRow<'s> {
    /// Number of the row in Excel: the first is 1, blank rows count.
    pub(crate) fn line(self) -> u64 {
        self.place.form.line
    }

    /// The cell of a column from 0; empty beyond the last.
    pub(crate) fn cell(self, column: usize) -> &'s str {
        let Range { start, end } = self.place.cells;
        let at = start.saturating_add(column);
        if at >= end {
            return "";
        }
        let from = match column {
            0 => self.place.start,
            _ => self.sheet.ends[at - 1],
        };
        let text = self.sheet.text.get(from..self.sheet.ends[at]);
        text.unwrap_or_default()
    }

    /// Cells as written, empty ones at the end included.
    pub(crate) fn written(self) -> usize {
        self.place.form.written
    }

    /// What is wrong with its quotes.
    pub(crate) fn quote_fault(self) -> Option<QuoteFault> {
        self.place.form.fault
    }

    /// Whether a line end stood behind it.
    pub(crate) fn ended(self) -> bool {
        self.place.form.ended
    }

    /// Its place among the rows of the sheet, from 0.
    pub(crate) fn place(self) -> usize {
        self.index
    }

    /// What stood in the file in a cell's place: the cell itself unless it was repaired.
    pub(crate) fn source(self, column: usize) -> &'s str {
        match self.sheet.sources.get(&(self.index, column)) {
            Some(source) => source,
            None => self.cell(column),
        }
    }

    /// Cells up to the last that is not empty; may be more than the header has.
    pub(crate) fn len(self) -> usize {
        self.place.cells.len()
    }

    /// The cells of the first `columns` columns.
    pub(crate) fn cells(self, columns: usize) -> impl Iterator<Item = &'s str> {
        (0..columns).map(move |column| self.cell(column))
    }

    /// Where the row stood in the file's text, its line end included.
    pub(crate) fn span(self) -> Range<usize> {
        self.place.form.span.clone()
    }
}
