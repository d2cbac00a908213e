//! The codec of CSV: a partner's text file to a sheet, and rows of text to the bytes of a file.

pub(crate) mod decode;
pub(crate) mod format;
pub(crate) mod reader;
pub(crate) mod records;
pub(crate) mod windows_1252;
pub(crate) mod writer;

pub(crate) use decode::TextEncoding;
pub(crate) use reader::{CsvText, Dialect, HeadingFit, ReadLimits, TableMarks, UnreadableSheet};
pub(crate) use records::QuoteFault;
