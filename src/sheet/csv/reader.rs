//! Reads a partner's CSV file as Excel would show it: header, rows by Excel's numbers, cells as text.
//!
//! Bytes go in, a [`Sheet`] or one reason why the whole file cannot be read comes out; what was repaired on the way is in its notes. Invariants: a row's
//! number is the one its sender sees; the spans of header, rows and what lies between them make up the file again; no note or error holds a cell's text.

use super::super::model::{RowForm, Sheet, SheetNote, SheetRow};
use super::decode::{DecodeError, TextEncoding, alternatives, decode, decode_as, has_alternatives};
use super::records::{
    DELIMITERS, Record, RecordError, RecordLimits, Records, RowMarks, sniff_delimiter,
};
use crate::domain::Limits;

/// Rows that are looked at to tell whether every cell stands in quotes.
const QUOTED_ROWS: usize = 20;

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
    pub(crate) notes_max: usize,
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
            notes_max: limits.diagnostics_max,
        }
    }
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self::of(&Limits::default())
    }
}

/// How much of a heading a row is; the greater is the better one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeadingFit {
    /// Whether it has all that is needed.
    pub(crate) whole: bool,
    /// Agreed names in it.
    pub(crate) names: usize,
}

/// By what the heading is known among the first rows, and a row of the table among the lines of a cell.
#[derive(Clone, Copy)]
pub(crate) struct TableMarks<'m> {
    /// Rows among which the heading is looked for, blank ones not counted.
    pub(crate) rows_max: usize,
    /// How much of a heading these cells are.
    pub(crate) heading: &'m (dyn Fn(&[&str]) -> HeadingFit + Sync),
    /// Whether a cell is one that only a row of the table has.
    pub(crate) of_a_row: &'m (dyn Fn(&str) -> bool + Sync),
}

impl TableMarks<'_> {
    /// Of a table of which nothing is known: its first row that is not blank is its heading.
    pub(crate) fn none() -> TableMarks<'static> {
        TableMarks {
            rows_max: 1,
            heading: &|_| HeadingFit::default(),
            of_a_row: &|_| false,
        }
    }
}

/// How a file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) encoding: TextEncoding,
    pub(crate) delimiter: u8,
    /// Whether a first line such as `sep=;` named the delimiter; Excel does not number that line.
    pub(crate) delimiter_stated: bool,
    /// Whether the header's row ends as Windows ends a line.
    pub(crate) crlf: bool,
    /// Whether every cell stands in quotes, of the header and of the rows below it.
    pub(crate) quoted: bool,
}

/// Why a file as a whole cannot be read. Bad data, so never worth a second try; positions only, never a cell's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnreadableSheet {
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
    #[error(
        "the file is no CSV text: it looks like a binary file, or Unicode text without its byte order mark"
    )]
    Binary,
    #[error("the file's characters are damaged, mixed or cut off")]
    Broken { byte: Option<usize> },
    #[error("a quotation mark opened in row {line} is never closed: the file may be cut off")]
    UnclosedQuote { line: u64 },
    #[error("a quotation mark in the heading, row {line}, takes in what stands below it")]
    HeadingQuote { line: u64 },
    #[error("the file holds no row")]
    Empty,
}

impl UnreadableSheet {
    /// What kind of thing is wrong: a word for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::FileTooLarge { .. } => "file-unread:size",
            Self::TooManyColumns { .. } => "file-unread:columns-max",
            Self::HeaderTooLong { .. } => "file-unread:header",
            Self::TooManyRows { .. } | Self::CellTooLong { .. } => "too-large",
            Self::NotText { .. } => "file-unread:not-text",
            Self::Binary => "file-unread:binary",
            Self::Broken { .. } => "file-unread:characters",
            Self::UnclosedQuote { .. } | Self::HeadingQuote { .. } => "file-unread:cut",
            Self::Empty => "file-unread:empty",
        }
    }

    /// The key of `[limits]` that the file is beyond, if it is beyond one.
    pub(crate) fn limit(&self) -> Option<&'static str> {
        match self {
            Self::FileTooLarge { .. } => Some("return_bytes_max"),
            Self::TooManyRows { .. } => Some("return_rows_max"),
            Self::TooManyColumns { .. } => Some("return_columns_max"),
            Self::CellTooLong { .. } => Some("cell_characters_max"),
            Self::HeaderTooLong { .. } => Some("header_characters_max"),
            Self::NotText { .. }
            | Self::Binary
            | Self::Broken { .. }
            | Self::UnclosedQuote { .. }
            | Self::HeadingQuote { .. }
            | Self::Empty => None,
        }
    }
}

impl From<DecodeError> for UnreadableSheet {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::NotText { looks_like } => Self::NotText { looks_like },
            DecodeError::Binary => Self::Binary,
            DecodeError::Broken { byte } => Self::Broken { byte },
        }
    }
}

/// The text of a file, decoded, without its byte order mark.
#[derive(Debug)]
pub(crate) struct CsvText {
    pub(super) text: String,
    encoding: TextEncoding,
}

impl CsvText {
    /// Decodes a whole file; one whose bytes only an encoding that is chosen by name can have is read as the first of these.
    ///
    /// # Errors
    /// As [`CsvText::decode`].
    pub(crate) fn decode_any(bytes: &[u8], limits: &ReadLimits) -> Result<Self, UnreadableSheet> {
        match Self::decode(bytes, limits) {
            Err(UnreadableSheet::Broken { .. }) if has_alternatives(bytes) => {
                let encoding = TextEncoding::MacRoman;
                let text = decode_as(bytes, encoding).unwrap_or_default();
                Ok(Self { text, encoding })
            }
            decoded => decoded,
        }
    }

    /// The same file in the other encodings that it could be in.
    pub(crate) fn others(bytes: &[u8], found: TextEncoding) -> impl Iterator<Item = Self> {
        let others = alternatives(bytes, found).into_iter();
        others.filter_map(move |encoding| {
            let text = decode_as(bytes, encoding)?;
            Some(Self { text, encoding })
        })
    }

    /// Decodes a whole file.
    ///
    /// # Errors
    /// [`UnreadableSheet`] if the file is too large, or is no text.
    pub(crate) fn decode(bytes: &[u8], limits: &ReadLimits) -> Result<Self, UnreadableSheet> {
        if bytes.len() > limits.file_size_bytes_max {
            return Err(UnreadableSheet::FileTooLarge {
                bytes: bytes.len(),
                bytes_max: limits.file_size_bytes_max,
            });
        }
        let (text, encoding) = decode(bytes)?;
        Ok(Self { text, encoding })
    }

    /// Makes a sheet of it.
    ///
    /// # Errors
    /// [`UnreadableSheet`] if it is over a limit, or holds no row.
    pub(crate) fn sheet(&self, limits: &ReadLimits) -> Result<Sheet, UnreadableSheet> {
        self.sheet_by(limits, TableMarks::none())
    }

    /// Makes a sheet of it whose heading and rows are known by these marks.
    ///
    /// # Errors
    /// As [`CsvText::sheet`].
    pub(crate) fn sheet_by(
        &self,
        limits: &ReadLimits,
        marks: TableMarks<'_>,
    ) -> Result<Sheet, UnreadableSheet> {
        let text = self.text.as_str();
        let stated = stated_delimiter(text);
        let start = stated.map_or(0, |(_, start)| start);
        let (delimiter, heading) = match stated {
            Some((delimiter, _)) => {
                let (_, place) = best_heading(text, start, delimiter, limits, marks);
                (delimiter, place)
            }
            None => find_heading(text, limits, marks),
        };
        let dialect = Dialect {
            encoding: self.encoding,
            delimiter,
            delimiter_stated: stated.is_some(),
            crlf: false,
            quoted: false,
        };
        read_text(text, dialect, (start, heading), limits, marks)
    }
}

/// The delimiter under which the best heading is found, and that heading's place among the rows that are not blank.
///
/// Where several have as good a one, the delimiter is the one under which the records are most alike.
fn find_heading(text: &str, limits: &ReadLimits, marks: TableMarks<'_>) -> (u8, usize) {
    let likeliest = sniff_delimiter(text, record_limits(limits));
    let mut best = (best_heading(text, 0, likeliest, limits, marks), likeliest);
    for delimiter in DELIMITERS {
        let here = best_heading(text, 0, delimiter, limits, marks);
        if here.0 > best.0.0 {
            best = (here, delimiter);
        }
    }
    (best.1, best.0.1)
}

/// The best heading among the first rows under a delimiter, and its place among those that are not blank; of equal ones the first.
fn best_heading(
    text: &str,
    start: usize,
    delimiter: u8,
    limits: &ReadLimits,
    marks: TableMarks<'_>,
) -> (HeadingFit, usize) {
    let mut records = Records::new(text, start, delimiter, record_limits(limits));
    let mut record = Record::default();
    let (mut best, mut place) = ((HeadingFit::default(), 0), 0);
    // A record that cannot be read ends the look; the reader will say what is wrong with it.
    while place < marks.rows_max && matches!(records.next_into(&mut record), Ok(true)) {
        if record.is_blank() {
            continue;
        }
        let names: Vec<String> = (0..record.len())
            .map(|cell| name_in(record.cell(cell)))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let fit = (marks.heading)(&names);
        if fit > best.0 {
            best = (fit, place);
        }
        if fit.whole {
            break;
        }
        place += 1;
    }
    best
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

/// Reads decoded text under a known dialect, from a byte behind a line end; its heading is the row of this place among those that are not blank.
fn read_text(
    text: &str,
    dialect: Dialect,
    (start, heading): (usize, usize),
    limits: &ReadLimits,
    marks: TableMarks<'_>,
) -> Result<Sheet, UnreadableSheet> {
    let mut sheet = Sheet::new(dialect, limits.notes_max);
    let mut records = Records::new(text, start, dialect.delimiter, record_limits(limits));
    let mut record = Record::default();
    let (mut line, mut above) = (0, heading);
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
        if above > 0 {
            above -= 1;
            let cells = (0..record.len()).map(|column| record.cell(column).to_owned());
            sheet.above.push((line, cells.collect()));
        } else if sheet.header_line == 0 {
            if takes_rows_in(&record, dialect.delimiter, marks) {
                return Err(UnreadableSheet::HeadingQuote { line });
            }
            take_header(&mut sheet, &record, line, limits)?;
            let head = text.get(record.span.clone()).unwrap_or_default();
            sheet.dialect.crlf = head.ends_with("\r\n");
            records.watch_for(RowMarks {
                cell: marks.of_a_row,
                columns: record.columns_written,
            });
        } else if sheet.row_count() == limits.rows_max {
            return Err(UnreadableSheet::TooManyRows {
                rows_max: limits.rows_max,
            });
        } else {
            take_row(&mut sheet, &mut record, line);
        }
    }
    if sheet.header_line == 0 {
        return Err(UnreadableSheet::Empty);
    }
    sheet.dialect.quoted = quoted(&sheet, text);
    sheet.shrink();
    Ok(sheet)
}

/// Whether every cell stands in quotes: of the header and of the first rows below it.
fn quoted(sheet: &Sheet, text: &str) -> bool {
    let spans = std::iter::once(sheet.header_span.clone()).chain(sheet.rows().map(SheetRow::span));
    let between = format!("\"{}\"", char::from(sheet.dialect.delimiter));
    spans.take(QUOTED_ROWS).all(|span| {
        let line = text.get(span).unwrap_or_default();
        let line = line.trim_end_matches(['\r', '\n']);
        line.starts_with('"')
            && line.ends_with('"')
            && line.matches(&between).count() + 1 >= sheet.header.len()
    })
}

fn at_line(error: RecordError, line: u64, limits: &ReadLimits) -> UnreadableSheet {
    match error {
        RecordError::UnclosedQuote => UnreadableSheet::UnclosedQuote { line },
        RecordError::TooManyColumns => UnreadableSheet::TooManyColumns {
            line,
            columns_max: limits.columns_max,
        },
        RecordError::CellTooLong { column } => UnreadableSheet::CellTooLong {
            line,
            column,
            characters_max: limits.cell_characters_max,
        },
    }
}

/// Whether a quote of a heading ends in a line below without closing its cell, or a row of the table stands in one of its cells.
fn takes_rows_in(record: &Record, delimiter: u8, marks: TableMarks<'_>) -> bool {
    let rows = RowMarks {
        cell: marks.of_a_row,
        columns: 0,
    };
    let mut cells = (0..record.len()).map(|column| record.cell(column));
    cells.any(|cell| {
        let torn = record.fault.is_some() && cell.contains(['\n', '\r']);
        torn || rows.in_lines(cell, delimiter)
    })
}

/// Takes the first row that is not blank as the header.
fn take_header(
    sheet: &mut Sheet,
    record: &Record,
    line: u64,
    limits: &ReadLimits,
) -> Result<(), UnreadableSheet> {
    sheet.header_line = line;
    sheet.header_written = record.columns_written;
    sheet.header_span = record.span.clone();
    sheet.preamble_rows = line - 1;
    for index in 0..record.len() {
        let name = name_in(record.cell(index));
        if name.chars().count() > limits.header_characters_max {
            return Err(UnreadableSheet::HeaderTooLong {
                column: index + 1,
                characters_max: limits.header_characters_max,
            });
        }
        sheet.header.push(name);
    }
    while sheet.header.last().is_some_and(String::is_empty) {
        sheet.header.pop();
    }
    Ok(())
}

/// The name that a cell of a heading gives its column.
fn name_in(cell: &str) -> String {
    let unwrapped = unwrapped(cell);
    let text = unwrapped.as_deref().unwrap_or(cell);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

fn take_row(sheet: &mut Sheet, record: &mut Record, line: u64) {
    for column in 0..record.len() {
        if let Some(text) = unwrapped(record.cell(column)) {
            sheet.keep_source(column, record.cell(column));
            record.replace_cell(column, &text);
            sheet.note(SheetNote::WrapperTakenOff {
                line,
                column: column + 1,
            });
        }
    }
    let cells = (0..record.len()).map(|column| record.cell(column));
    let form = RowForm {
        line,
        span: record.span.clone(),
        written: record.columns_written,
        fault: record.fault,
        ended: record.ended,
    };
    sheet.push_row(form, cells);
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
