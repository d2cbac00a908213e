//! Reads a partner's CSV file as Excel would show it: header, rows by Excel's numbers, cells as text.
//!
//! Bytes go in, a [`Table`] or one reason why the whole file cannot be read comes out; what was repaired on the way is in its notes. Invariants: a row's
//! number is the one its sender sees; the spans of header, rows and what lies between them make up the file again; no note or error holds a cell's text.

use std::ops::Range;

use super::decode::{DecodeError, TextEncoding, decode};
use super::records::{Record, RecordError, RecordLimits, Records, sniff_delimiter};
use crate::domain::Limits;
use crate::domain::limits::DIAGNOSTICS_MAX;

/// Bounds of a file (`security.md` §8).
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "units and qualifiers stand last, in every struct alike"
)]
pub(crate) struct ReadLimits {
    pub(crate) file_size_bytes_max: usize,
    pub(crate) rows_max: usize,
    pub(crate) columns_max: usize,
    pub(crate) cell_characters_max: usize,
    pub(crate) header_characters_max: usize,
}

impl ReadLimits {
    /// Those in force for what comes from a partner.
    pub(crate) fn of(limits: &Limits) -> Self {
        Self {
            file_size_bytes_max: usize::try_from(limits.return_bytes_max).unwrap_or(usize::MAX),
            rows_max: limits.return_rows_max,
            columns_max: limits.return_columns_max,
            cell_characters_max: limits.cell_characters_max,
            header_characters_max: limits.header_characters_max,
        }
    }
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self::of(&Limits::default())
    }
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) dialect: Dialect,
    /// Names of the columns: trimmed, inner white space folded to one space, empty ones at the end left off.
    pub(crate) header: Vec<String>,
    /// Excel's number of the header row.
    pub(crate) header_line: u64,
    /// Where the header stands in [`Table::text`].
    pub(crate) header_span: Range<usize>,
    /// Blank rows above the header.
    pub(crate) preamble_rows: u64,
    /// Rows with at least one cell that is not blank.
    pub(crate) rows: Vec<Row>,
    pub(crate) notes: Vec<Note>,
    /// The whole file, decoded, without its byte order mark.
    pub(crate) text: String,
}

/// How a file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) encoding: TextEncoding,
    pub(crate) delimiter: u8,
    /// Whether a first line such as `sep=;` named the delimiter; Excel does not number that line.
    pub(crate) delimiter_stated: bool,
}

/// A row; it has as many cells as anybody asks for, empty ones beyond the last.
#[derive(Debug)]
pub(crate) struct Row {
    /// Number of the row in Excel: the first is 1, blank rows count.
    pub(crate) line: u64,
    record: Record,
}

impl Row {
    /// The cell of a column from 0, as written; empty beyond the last.
    pub(crate) fn cell(&self, column: usize) -> &str {
        self.record.cell(column)
    }

    /// Cells up to the last that is not empty; may be more than the header has.
    pub(crate) fn len(&self) -> usize {
        self.record.len()
    }

    /// The cells of the first `columns` columns.
    pub(crate) fn cells(&self, columns: usize) -> impl Iterator<Item = &str> {
        (0..columns).map(|column| self.cell(column))
    }

    /// Where the row stands in [`Table::text`], its line end included.
    pub(crate) fn span(&self) -> Range<usize> {
        self.record.span.clone()
    }
}

/// Something repaired or odd that the receipt may say. Columns count from 1, rows as Excel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Two columns bear the same name, but for case.
    DuplicateHeader { first: usize, again: usize },
    /// A column without a name stands before one with a name.
    UnnamedColumn { column: usize },
    /// A row has more cells than the header has names.
    ExtraCells { line: u64, cells: usize },
    /// A cell came as Excel's `="text"` and was taken as that text.
    WrapperTakenOff { line: u64, column: usize },
    /// There were more notes than are kept.
    MoreNotes,
}

/// Why a file as a whole cannot be read. Bad data, so never worth a second try; positions only, never a cell's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TableError {
    #[error("the file has {bytes} bytes, at most {bytes_max}")]
    FileTooLarge { bytes: usize, bytes_max: usize },
    #[error("the file has more than {rows_max} rows")]
    TooManyRows { rows_max: usize },
    #[error("row {line} has more than {columns_max} columns")]
    TooManyColumns { line: u64, columns_max: usize },
    #[error("row {line}, column {column} is longer than {characters_max} characters")]
    CellTooLong {
        line: u64,
        column: usize,
        characters_max: usize,
    },
    #[error("the name of column {column} is longer than {characters_max} characters")]
    HeaderTooLong {
        column: usize,
        characters_max: usize,
    },
    #[error("the file is no CSV text: it looks like {looks_like}")]
    NotText { looks_like: &'static str },
    #[error("the file's characters are damaged, mixed or cut off")]
    Broken { byte: Option<usize> },
    #[error("a quotation mark opened in row {line} is never closed: the file may be cut off")]
    UnclosedQuote { line: u64 },
    #[error("the file holds no row")]
    Empty,
}

impl TableError {
    /// The key of `[limits]` that the file is beyond, if it is beyond one.
    pub(crate) fn limit(&self) -> Option<&'static str> {
        match self {
            Self::FileTooLarge { .. } => Some("return_bytes_max"),
            Self::TooManyRows { .. } => Some("return_rows_max"),
            Self::TooManyColumns { .. } => Some("return_columns_max"),
            Self::CellTooLong { .. } => Some("cell_characters_max"),
            Self::HeaderTooLong { .. } => Some("header_characters_max"),
            Self::NotText { .. }
            | Self::Broken { .. }
            | Self::UnclosedQuote { .. }
            | Self::Empty => None,
        }
    }
}

impl From<DecodeError> for TableError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::NotText { looks_like } => Self::NotText { looks_like },
            DecodeError::Broken { byte } => Self::Broken { byte },
        }
    }
}

/// Reads a whole file.
///
/// # Errors
/// [`TableError`] if the file is over a limit, is no text, or holds no row.
pub(crate) fn read(bytes: &[u8], limits: &ReadLimits) -> Result<Table, TableError> {
    if bytes.len() > limits.file_size_bytes_max {
        return Err(TableError::FileTooLarge {
            bytes: bytes.len(),
            bytes_max: limits.file_size_bytes_max,
        });
    }
    let (text, encoding) = decode(bytes)?;
    let stated = stated_delimiter(&text);
    let dialect = Dialect {
        encoding,
        delimiter: stated.map_or_else(
            || sniff_delimiter(&text, record_limits(limits)),
            |(delimiter, _)| delimiter,
        ),
        delimiter_stated: stated.is_some(),
    };
    read_text(text, dialect, stated.map_or(0, |(_, start)| start), limits)
}

fn record_limits(limits: &ReadLimits) -> RecordLimits {
    RecordLimits {
        columns_max: limits.columns_max,
        cell_characters_max: limits.cell_characters_max,
    }
}

/// The delimiter of a first line such as `sep=;`, and where the next line starts.
fn stated_delimiter(text: &str) -> Option<(u8, usize)> {
    let line_end = text.find(['\r', '\n']).unwrap_or(text.len());
    let (line, rest) = text.split_at_checked(line_end)?;
    let named = line.trim_matches('"').as_bytes();
    let [s, e, p, b'=', delimiter] = named else {
        return None;
    };
    if !(s.eq_ignore_ascii_case(&b's')
        && e.eq_ignore_ascii_case(&b'e')
        && p.eq_ignore_ascii_case(&b'p')
        && b",;\t|".contains(delimiter))
    {
        return None;
    }
    let line_break = if rest.starts_with("\r\n") {
        2
    } else {
        usize::from(!rest.is_empty())
    };
    Some((*delimiter, line_end + line_break))
}

/// Reads decoded text under a known dialect, from a byte behind a line end.
fn read_text(
    text: String,
    dialect: Dialect,
    start: usize,
    limits: &ReadLimits,
) -> Result<Table, TableError> {
    let mut table = Table {
        dialect,
        header: Vec::new(),
        header_line: 0,
        header_span: start..start,
        preamble_rows: 0,
        rows: Vec::new(),
        notes: Vec::new(),
        text: String::new(),
    };
    let mut records = Records::new(&text, start, dialect.delimiter, record_limits(limits));
    let mut record = Record::default();
    let mut line = 0;
    loop {
        line += 1;
        let more = records
            .next_into(&mut record)
            .map_err(|error| at_line(error, line, limits))?;
        if !more {
            break;
        }
        if record.is_blank() {
            continue;
        }
        if table.header_line == 0 {
            table.take_header(&record, line, limits)?;
        } else if table.rows.len() == limits.rows_max {
            return Err(TableError::TooManyRows {
                rows_max: limits.rows_max,
            });
        } else {
            table.take_row(&record, line);
        }
    }
    if table.header_line == 0 {
        return Err(TableError::Empty);
    }
    table.text = text;
    Ok(table)
}

fn at_line(error: RecordError, line: u64, limits: &ReadLimits) -> TableError {
    match error {
        RecordError::UnclosedQuote => TableError::UnclosedQuote { line },
        RecordError::TooManyColumns => TableError::TooManyColumns {
            line,
            columns_max: limits.columns_max,
        },
        RecordError::CellTooLong { column } => TableError::CellTooLong {
            line,
            column,
            characters_max: limits.cell_characters_max,
        },
    }
}

impl Table {
    /// Takes the first row that is not blank as the header.
    fn take_header(
        &mut self,
        record: &Record,
        line: u64,
        limits: &ReadLimits,
    ) -> Result<(), TableError> {
        self.header_line = line;
        self.header_span = record.span.clone();
        self.preamble_rows = line - 1;
        let mut seen: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
        for index in 0..record.len() {
            let column = index + 1;
            let cell = record.cell(index);
            let unwrapped = unwrapped(cell);
            let words: Vec<&str> = unwrapped
                .as_deref()
                .unwrap_or(cell)
                .split_whitespace()
                .collect();
            let name = words.join(" ");
            if name.chars().count() > limits.header_characters_max {
                return Err(TableError::HeaderTooLong {
                    column,
                    characters_max: limits.header_characters_max,
                });
            }
            if name.is_empty() {
                self.note(Note::UnnamedColumn { column });
            } else if let Some(&first) = seen.get(&name.to_lowercase()) {
                self.note(Note::DuplicateHeader {
                    first,
                    again: column,
                });
            } else {
                seen.insert(name.to_lowercase(), column);
            }
            self.header.push(name);
        }
        while self.header.last().is_some_and(String::is_empty) {
            self.header.pop();
            self.notes.retain(|note| {
                *note
                    != Note::UnnamedColumn {
                        column: self.header.len() + 1,
                    }
            });
        }
        Ok(())
    }

    fn take_row(&mut self, record: &Record, line: u64) {
        let mut kept = None;
        for column in 0..record.len() {
            if let Some(text) = unwrapped(record.cell(column)) {
                kept.get_or_insert_with(|| record.clone())
                    .replace_cell(column, &text);
                self.note(Note::WrapperTakenOff {
                    line,
                    column: column + 1,
                });
            }
        }
        if record.len() > self.header.len() {
            self.note(Note::ExtraCells {
                line,
                cells: record.len() - self.header.len(),
            });
        }
        self.rows.push(Row {
            line,
            record: kept.unwrap_or_else(|| record.clone()),
        });
    }

    fn note(&mut self, note: Note) {
        match self.notes.len() {
            kept if kept < DIAGNOSTICS_MAX => self.notes.push(note),
            DIAGNOSTICS_MAX => self.notes.push(Note::MoreNotes),
            _ => {}
        }
    }
}

/// The text in Excel's `="text"`, by which people keep a leading zero; only if nothing but the text is computed.
fn unwrapped(cell: &str) -> Option<String> {
    let quoted = cell.strip_prefix("=\"")?.strip_suffix('"')?;
    let text = quoted.replace("\"\"", "\u{0}");
    // A quote that is not doubled ends the string: the cell is a longer formula.
    (!text.contains('"')).then(|| text.replace('\u{0}', "\""))
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
