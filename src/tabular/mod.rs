//! CSV at the edge: the only module that knows how a table is written in a file.
//!
//! In come rows of text from `map` and files from partners; out go the exact bytes of a drop, a receipt or a report table, and tables whose rows are
//! numbered as Excel numbers them. Invariants: no cell that we write runs as a formula, and each reads back exactly; no file appears under its final
//! name before it is complete and on disk; no error of this module quotes a cell.

pub(crate) mod atomic_file;
pub(crate) mod decode;
mod fold;
pub(crate) mod format;
pub(crate) mod formula;
pub(crate) mod manifest;
pub(crate) mod reader;
pub(crate) mod records;
pub(crate) mod windows_1252;
pub(crate) mod writer;

pub(crate) use atomic_file::{AtomicError, AtomicFile, Existing, write_atomically};
pub(crate) use decode::TextEncoding;
pub(crate) use fold::fold;
pub(crate) use format::{Encoding, Format, FormatError, Newline, QuoteRule};
pub(crate) use formula::unguard;
pub(crate) use manifest::{Manifest, RowsByAction, manifest_name};
pub(crate) use reader::{ReadLimits, Row, Table, read};
pub(crate) use windows_1252::{UnencodableRule, encode_cell};
pub(crate) use writer::{RowWriter, WriteError};
