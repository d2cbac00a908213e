//! Writes rows of a file that a spreadsheet opens: the formula rule, quotes, encoding, line ends.
//!
//! Rows of text go in, bytes go to any sink, row by row. Invariants: a row is written whole or not at all; the same rows give the same bytes; no cell
//! runs. Whoever needs the digest of the file wraps the sink, whoever needs the bytes of one row asks for [`RowWriter::last_row`].

use std::borrow::Cow;
use std::io::{self, Write};

use super::super::cells::CellRow;
use super::super::escape::{escape, escape_beginning};
use super::format::{Encoding, Format, Newline, QuoteRule};
use super::windows_1252::in_windows_1252;

/// Why a row was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("writing a row failed")]
    Sink(#[source] io::Error),
    /// A character that the encoding lacks: the caller did not pass the cell through `encode_cell`. Column from 1.
    #[error("column {column} holds a character that the file's encoding cannot write")]
    Unencodable { column: usize },
    #[error("a row has {cells} cells under a header of {columns}")]
    Ragged { cells: usize, columns: usize },
}

/// Writes the rows of one file; the first is its header.
#[derive(Debug)]
pub(crate) struct RowWriter<W> {
    sink: W,
    format: Format,
    text: String,
    /// The row written last, where its text is not what was written.
    bytes: Vec<u8>,
    encoded: bool,
    columns: usize,
    rows: u64,
}

impl<W: Write> RowWriter<W> {
    /// Starts a file with its byte order mark, if the format has one.
    ///
    /// # Errors
    /// [`WriteError::Sink`].
    pub(crate) fn new(mut sink: W, format: Format) -> Result<Self, WriteError> {
        if format.encoding == Encoding::Utf8Bom {
            sink.write_all(b"\xEF\xBB\xBF").map_err(WriteError::Sink)?;
        }
        Ok(Self {
            sink,
            format,
            text: String::new(),
            bytes: Vec::new(),
            encoded: false,
            columns: 0,
            rows: 0,
        })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// [`WriteError`]; nothing of the row is written then, unless the sink itself failed half way.
    pub(crate) fn write_row<C: AsRef<str>>(&mut self, cells: &[C]) -> Result<(), WriteError> {
        self.write_cells(cells.iter().map(AsRef::as_ref), cells.len())
    }

    /// Writes one row of cells that were kept, and so many empty ones behind them.
    ///
    /// # Errors
    /// As [`RowWriter::write_row`].
    pub(crate) fn write_kept(&mut self, row: &CellRow, blanks: usize) -> Result<(), WriteError> {
        let cells = row.cells().chain(std::iter::repeat_n("", blanks));
        self.write_cells(cells, row.count() + blanks)
    }

    fn write_cells<'c>(
        &mut self,
        cells: impl Iterator<Item = &'c str>,
        count: usize,
    ) -> Result<(), WriteError> {
        if self.rows > 0 && count != self.columns {
            return Err(WriteError::Ragged {
                cells: count,
                columns: self.columns,
            });
        }
        self.text.clear();
        for (index, cell) in cells.enumerate() {
            if index > 0 {
                self.text.push(char::from(self.format.delimiter));
            }
            self.push_cell(cell, index, count)?;
        }
        self.text.push_str(match self.format.newline {
            Newline::Crlf => "\r\n",
            Newline::Lf => "\n",
        });
        self.bytes.clear();
        self.encoded = self.format.encoding == Encoding::Windows1252 && !self.text.is_ascii();
        if self.encoded {
            let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(&self.text);
            self.bytes.extend_from_slice(&bytes);
            self.sink.write_all(&self.bytes)
        } else {
            self.sink.write_all(self.text.as_bytes())
        }
        .map_err(WriteError::Sink)?;
        self.columns = count;
        self.rows += 1;
        Ok(())
    }

    /// Bytes of the row written last, its line end included.
    pub(crate) fn last_row(&self) -> &[u8] {
        if self.encoded {
            &self.bytes
        } else {
            self.text.as_bytes()
        }
    }

    /// Ends the file and gives the sink back.
    ///
    /// # Errors
    /// [`WriteError::Sink`].
    pub(crate) fn finish(mut self) -> Result<W, WriteError> {
        self.sink.flush().map_err(WriteError::Sink)?;
        Ok(self.sink)
    }

    fn push_cell(&mut self, cell: &str, index: usize, cells: usize) -> Result<(), WriteError> {
        let seen = |cell: &str| {
            cell.bytes().fold(0, |seen, byte| {
                let delimiter = if byte == self.format.delimiter {
                    QUOTED
                } else {
                    0
                };
                seen | MARKS[usize::from(byte)] | delimiter
            })
        };
        let mut marks = seen(cell);
        let clean = if marks & CONTROL == 0 {
            Cow::Borrowed(cell)
        } else {
            without_controls(cell)
        };
        if matches!(clean, Cow::Owned(_)) {
            marks = seen(&clean);
        }
        let (first, alone) = (index == 0, cells == 1);
        let cell = if marks & BREAK != 0 && marks & SIGN != 0 {
            escape(&clean, first, alone)
        } else {
            escape_beginning(&clean, first, alone)
        };
        let encoding = self.format.encoding;
        if encoding == Encoding::Windows1252
            && marks & BEYOND_ASCII != 0
            && !cell.chars().all(in_windows_1252)
        {
            return Err(WriteError::Unencodable { column: index + 1 });
        }
        let quoted = self.format.quote == QuoteRule::Always
            || marks & QUOTED != 0
            // A lone empty cell would be a blank line.
            || (cells == 1 && cell.is_empty())
            // Excel takes a file that begins with these two letters for another format, and warns.
            || (self.rows == 0 && index == 0 && encoding != Encoding::Utf8Bom && cell.starts_with("ID"));
        if !quoted {
            self.text.push_str(&cell);
            return Ok(());
        }
        self.text.push('"');
        for (part, piece) in cell.split('"').enumerate() {
            if part > 0 {
                self.text.push_str("\"\"");
            }
            self.text.push_str(piece);
        }
        self.text.push('"');
        Ok(())
    }
}

/// Puts a space in the place of every control character but tab and line breaks: they show nothing, and some programs stop reading at a NUL.
fn without_controls(cell: &str) -> Cow<'_, str> {
    let control =
        |character: char| character.is_control() && !matches!(character, '\t' | '\r' | '\n');
    if cell.contains(control) {
        Cow::Owned(cell.replace(control, " "))
    } else {
        Cow::Borrowed(cell)
    }
}

/// Marks of a byte: it may be, or lead, a control character.
const CONTROL: u8 = 1;
/// A cell with it stands in quotes.
const QUOTED: u8 = 2;
const BEYOND_ASCII: u8 = 4;
/// Some reader begins a cell behind it.
const BREAK: u8 = 8;
/// It may be, or lead, a sign that begins a formula.
const SIGN: u8 = 16;

/// The marks of all bytes; the delimiter has one more.
static MARKS: [u8; 256] = marks();

const fn marks() -> [u8; 256] {
    let mut marks = [0; 256];
    let mut byte = 0;
    while byte < marks.len() {
        // 0xC2 leads the control characters above 0x7F, and few others.
        marks[byte] = match byte {
            // Tab, comma, semicolon.
            0x09 | 0x2C | 0x3B => BREAK,
            0x0A | 0x0D => BREAK | QUOTED,
            0x22 => QUOTED,
            // `=`, `+`, `-` and `@`.
            0x3D | 0x2B | 0x2D | 0x40 => SIGN,
            0x00..=0x1F | 0x7F => CONTROL,
            0xC2 => CONTROL | BEYOND_ASCII,
            // It leads the full-width forms, and few others.
            0xEF => SIGN | BEYOND_ASCII,
            0x80.. => BEYOND_ASCII,
            _ => 0,
        };
        byte += 1;
    }
    marks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::formula::guard;
    use super::super::super::{ReadLimits, read, unescape};
    use super::*;

    fn format(delimiter: u8, encoding: Encoding, quote: QuoteRule) -> Format {
        Format {
            delimiter,
            encoding,
            newline: Newline::Lf,
            quote,
        }
    }

    fn check(format: Format, rows: &[&[&str]], expected: &[u8]) {
        let mut writer = RowWriter::new(Vec::new(), format).unwrap();
        for row in rows {
            writer.write_row(row).unwrap();
        }
        let bytes = writer.finish().unwrap();
        assert_eq!(bytes, expected, "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn files_are_written_to_the_byte() {
        let utf_8 = format(b',', Encoding::Utf8, QuoteRule::Necessary);
        check(
            utf_8,
            &[
                &["Ref", "Note"],
                &["A", "x, \"y\""],
                &["B", "two\r\nlines"],
                &["=1", "a\0b\u{85}"],
            ],
            b"Ref,Note\nA,\"x, \"\"y\"\"\"\nB,\"two\r\nlines\"\n'=1,a b \n",
        );
        check(
            Format::default(),
            &[&["Zoë", "ID"]],
            b"\xEF\xBB\xBFZo\xC3\xAB,ID\r\n",
        );
        check(
            format(b';', Encoding::Windows1252, QuoteRule::Necessary),
            &[&["Zoë", "€;"]],
            b"Zo\xEB;\"\x80;\"\n",
        );
        check(
            format(b'\t', Encoding::Utf8, QuoteRule::Always),
            &[&["a", ""]],
            b"\"a\"\t\"\"\n",
        );
        check(utf_8, &[&["ID", "ID"], &["ID", ""]], b"\"ID\",ID\nID,\n");
        check(utf_8, &[&["A"], &[""]], b"A\n\"\"\n");
    }

    #[test]
    fn a_row_that_cannot_be_written_leaves_nothing_behind() {
        let mut writer = RowWriter::new(
            Vec::new(),
            format(b',', Encoding::Windows1252, QuoteRule::Necessary),
        )
        .unwrap();
        writer.write_row(&["A", "B"]).unwrap();
        assert!(matches!(
            writer.write_row(&["x", "Ł"]),
            Err(WriteError::Unencodable { column: 2 })
        ));
        assert!(matches!(
            writer.write_row(&["x"]),
            Err(WriteError::Ragged {
                cells: 1,
                columns: 2
            })
        ));
        writer.write_row(&["1", "2"]).unwrap();
        assert_eq!(writer.last_row(), b"1,2\n");
        assert_eq!(writer.finish().unwrap(), b"A,B\n1,2\n");
    }

    /// Whether a spreadsheet may show a cell of these words without running anything: no sign in front, or a whole number or phone.
    fn is_neutral(cell: &str) -> bool {
        guard(cell) == cell || cell.starts_with(['\'', '\t', '\r', '\n'])
    }

    proptest! {
        #[test]
        fn no_cell_begins_with_a_formula_whichever_delimiter_opens_the_file(
            rows in proptest::collection::vec(proptest::collection::vec("[-=+@'\t\r\n\",;|1 a\u{FF1D}]{0,8}", 3), 1..5),
            delimiter in prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')],
            encoding in prop_oneof![Just(Encoding::Utf8), Just(Encoding::Utf8Bom)],
            quote in prop_oneof![Just(QuoteRule::Necessary), Just(QuoteRule::Always)],
        ) {
            let mut writer = RowWriter::new(Vec::new(), format(delimiter, encoding, quote)).unwrap();
            for row in &rows {
                writer.write_row(row).unwrap();
            }
            let bytes = writer.finish().unwrap();
            for opened_by in [b',', b';', b'\t'] {
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(opened_by)
                    .has_headers(false)
                    .flexible(true)
                    .from_reader(bytes.as_slice());
                for record in reader.records() {
                    for cell in &record.unwrap() {
                        prop_assert!(is_neutral(cell), "{cell:?} opened by {:?} of {:?}", char::from(opened_by), String::from_utf8_lossy(&bytes));
                    }
                }
            }
        }

        #[test]
        fn what_is_written_reads_back_exactly(
            rows in proptest::collection::vec(proptest::collection::vec("[-=+@'\t\r\n\",;| a9é]{0,6}", 3), 0..6),
            delimiter in prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')],
            encoding in prop_oneof![Just(Encoding::Utf8), Just(Encoding::Utf8Bom), Just(Encoding::Windows1252)],
            quote in prop_oneof![Just(QuoteRule::Necessary), Just(QuoteRule::Always)],
        ) {
            // A first line that names the delimiter keeps this a test of cells, not of finding the delimiter.
            let start = format!("sep={}\nH1{d}H2{d}H3\n", char::from(delimiter), d = char::from(delimiter));
            let mut writer = RowWriter::new(Vec::new(), format(delimiter, encoding, quote)).unwrap();
            for row in &rows {
                writer.write_row(row).unwrap();
            }
            let mut bytes = writer.finish().unwrap();
            let head = if encoding == Encoding::Utf8Bom { 3 } else { 0 };
            bytes.splice(head..head, start.bytes());
            let table = read(&bytes, &ReadLimits::default()).unwrap();
            let back: Vec<Vec<String>> = table.rows().map(|row| row.cells(3).map(|cell| unescape(cell).into_owned()).collect()).collect();
            let not_blank: Vec<Vec<String>> = rows
                .iter()
                .filter(|row| row.iter().any(|cell| !escape(cell, false, false).trim().is_empty()))
                .cloned()
                .collect();
            prop_assert_eq!(back, not_blank);
        }
    }
}
