//! Sheets at the edge: the only module that knows how a table is written in a file.
//!
//! In come rows of text from `map` and files from partners; out go the exact bytes of a drop, a receipt or a report table, and [`Sheet`]s, which are what
//! everybody else knows of a partner's file. A codec a kind of file, all on the same model; today there is one, `csv`. Invariants: no cell that we write
//! runs as a formula, and each reads back exactly; no file appears under its final name before it is complete and on disk; no error of this module
//! quotes a cell.

pub(crate) mod atomic_file;
pub(crate) mod cells;
pub(crate) mod csv;
pub(crate) mod escape;
mod fold;
pub(crate) mod formula;
pub(crate) mod manifest;
pub(crate) mod model;
mod text_forms;

pub(crate) use atomic_file::{AtomicFile, write_atomically};
pub(crate) use cells::{CellRow, parse_row_form, row_form};
pub(crate) use csv::format::{self, Encoding, Format, FormatError, Newline, QuoteRule};
pub(crate) use csv::windows_1252::{UnencodableRule, encode_cell};
pub(crate) use csv::writer::{RowWriter, WriteError};
pub(crate) use csv::{
    CsvText, HeadingFit, QuoteFault, ReadLimits, TableMarks, TextEncoding, UnreadableSheet,
};
pub(crate) use escape::unescape;
pub(crate) use fold::fold;
pub(crate) use manifest::{
    MANIFEST_BYTES_MAX, Manifest, RecordedHead, RowsByAction, manifest_name,
};
pub(crate) use model::{Sheet, SheetNote, SheetRow};
pub(crate) use text_forms::{letters, visible};

/// Makes a sheet of a partner's file.
///
/// # Errors
/// [`UnreadableSheet`] if the file is over a limit, is of no kind that we read, or holds no row.
pub(crate) fn read(bytes: &[u8], limits: &ReadLimits) -> Result<Sheet, UnreadableSheet> {
    CsvText::decode(bytes, limits)?.sheet(limits)
}
