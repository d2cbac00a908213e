//! Cuts decoded text into records and cells, and finds the delimiter.
//!
//! Our own and not the `csv` crate's (which is the oracle in the tests), because that one skips blank lines, by which Excel's row numbers would be lost,
//! and reads on over a quote that nothing closes, by which a file cut off in transit would lose its end in one long cell. Text goes in, one record after
//! the other comes out. Invariant: the spans of all records, laid end to end, are the text.

use std::ops::Range;

/// Delimiters that are looked for. Of two that fit equally the later one wins: prose holds commas far more often than the others.
pub(crate) const DELIMITERS: [u8; 4] = [b',', b'|', b';', b'\t'];
/// Records that are looked at to find the delimiter.
const SNIFFED_RECORDS: usize = 50;

/// Bounds of one record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordLimits {
    pub(crate) columns_max: usize,
    pub(crate) cell_characters_max: usize,
}

/// Why a record cannot be read. Columns count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordError {
    UnclosedQuote,
    TooManyColumns,
    CellTooLong { column: usize },
}

/// One record: its cells in one piece of text, empty ones at the end left off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    text: String,
    ends: Vec<usize>,
    /// Where it stood in the decoded text, its line end included.
    pub(crate) span: Range<usize>,
    /// Cells as written, empty ones at the end included.
    pub(crate) columns_written: usize,
    /// What is wrong with its quotes.
    pub(crate) fault: Option<QuoteFault>,
    /// Whether a line end stood behind it.
    pub(crate) ended: bool,
}

/// What is wrong with the quotes of a record: where a cell of it ends is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuoteFault {
    /// Text stands between a closing quote and the next delimiter.
    TextBehind,
    /// A quote was opened and would swallow further rows, or is closed by what looks like the quote that opens a cell of the next one: it is taken for a
    /// sign like any other.
    SwallowsRows,
    /// It stands between such a quote and one that closes it: perhaps no row at all, but a part of a cell of the row above.
    WithinQuotes,
}

/// By what a row of the table is known inside a cell that an open quote made of several lines.
#[derive(Clone, Copy)]
pub(crate) struct RowMarks<'m> {
    /// Whether a cell is one that only a row of the table has.
    pub(crate) cell: &'m dyn Fn(&str) -> bool,
    /// Cells that a row of the table has; 0 if that is not known yet.
    pub(crate) columns: usize,
}

/// Fewer delimiters may stand in any sentence.
const TELLING_COLUMNS: usize = 6;

impl RowMarks<'_> {
    /// Whether a row of the table stands in a line of a cell below its first.
    pub(crate) fn in_lines(&self, cell: &str, delimiter: u8) -> bool {
        let mut lines = cell.split(['\n', '\r']).skip(1);
        lines.any(|line| self.in_line(line, delimiter))
    }

    fn in_line(&self, line: &str, delimiter: u8) -> bool {
        let cells = || line.split(char::from(delimiter));
        (self.columns >= TELLING_COLUMNS && cells().count() >= self.columns)
            || cells().any(|cell| (self.cell)(cell.trim_matches('"')))
    }
}

impl Record {
    /// Cells up to the last that is not empty.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The cell of a column from 0; empty beyond the last.
    pub(crate) fn cell(&self, column: usize) -> &str {
        let start = match column.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before).copied().unwrap_or(self.text.len()),
        };
        let end = self.ends.get(column).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or_default()
    }

    /// Puts another text in a cell's place.
    pub(crate) fn replace_cell(&mut self, column: usize, text: &str) {
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        let end = self.ends[column];
        self.text.replace_range(start..end, text);
        for later in &mut self.ends[column..] {
            *later = *later - (end - start) + text.len();
        }
    }

    /// Whether no cell holds more than white space.
    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    fn clear(&mut self, start: usize) {
        self.text.clear();
        self.ends.clear();
        self.span = start..start;
        self.columns_written = 0;
        self.fault = None;
        self.ended = false;
    }

    /// Ends the cell whose text begins at `start`; empty cells are noted only once a full one follows them, so that a million delimiters cost nothing.
    fn end_cell(&mut self, start: usize, limits: RecordLimits) -> Result<(), RecordError> {
        self.columns_written += 1;
        let cell = self.text.get(start..).unwrap_or_default();
        if cell.is_empty() {
            return Ok(());
        }
        if self.columns_written > limits.columns_max {
            return Err(RecordError::TooManyColumns);
        }
        if cell.len() > limits.cell_characters_max
            && cell.chars().count() > limits.cell_characters_max
        {
            return Err(RecordError::CellTooLong {
                column: self.columns_written,
            });
        }
        self.ends.resize(self.columns_written - 1, start);
        self.ends.push(self.text.len());
        Ok(())
    }
}

/// Reads records one after the other.
#[derive(Clone)]
pub(crate) struct Records<'t> {
    text: &'t str,
    at: usize,
    delimiter: u8,
    limits: RecordLimits,
    marks: Option<RowMarks<'t>>,
    /// Up to here the records stand within quotes that were taken for signs.
    quoted_until: usize,
}

impl<'t> Records<'t> {
    /// Starts at a byte of the text that follows a line end, or at 0.
    pub(crate) fn new(text: &'t str, start: usize, delimiter: u8, limits: RecordLimits) -> Self {
        Self {
            text,
            at: start,
            delimiter,
            limits,
            marks: None,
            quoted_until: start,
        }
    }

    /// From here on a quote that would swallow what bears these marks is no quote.
    pub(crate) fn watch_for(&mut self, marks: RowMarks<'t>) {
        self.marks = Some(marks);
    }

    /// Reads the next record into `record`; `false` at the end.
    pub(crate) fn next_into(&mut self, record: &mut Record) -> Result<bool, RecordError> {
        record.clear(self.at);
        if self.at >= self.text.len() {
            return Ok(false);
        }
        if self.at < self.quoted_until {
            record.fault = Some(QuoteFault::WithinQuotes);
        }
        loop {
            let start = record.text.len();
            if self.byte() == Some(b'"') {
                let fault = self.quoted_cell(&mut record.text)?;
                record.fault = record.fault.or(fault);
            }
            self.plain_part(&mut record.text);
            record.end_cell(start, self.limits)?;
            let after = self.byte();
            self.at += usize::from(after.is_some());
            match after {
                Some(byte) if byte == self.delimiter => {}
                Some(b'\r') => {
                    self.at += usize::from(self.byte() == Some(b'\n'));
                    record.ended = true;
                    break;
                }
                after => {
                    record.ended = after.is_some();
                    break;
                }
            }
        }
        record.span.end = self.at;
        Ok(true)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes a cell that begins with a quote up to behind the closing one; nothing of it if that quote would swallow rows.
    fn quoted_cell(&mut self, cell: &mut String) -> Result<Option<QuoteFault>, RecordError> {
        let (opened, start) = (self.at, cell.len());
        let closed = self.quoted_part(cell);
        let quoted = match closed {
            Ok(()) => cell.get(start..),
            Err(_) => self.text.get(opened + 1..),
        };
        let swallows = self.swallows(quoted.unwrap_or_default());
        let ends = match self.byte() {
            None | Some(b'\r' | b'\n') => true,
            Some(byte) => byte == self.delimiter,
        };
        // Behind a line end text is perhaps the next row, whose first cell that quote opens.
        let opens = !ends && cell.get(start..).unwrap_or_default().contains(['\n', '\r']);
        if swallows || (closed.is_ok() && opens && self.marks.is_some()) {
            if closed.is_ok() && ends {
                // A note may hold lines of another table: then these are no rows.
                self.quoted_until = self.quoted_until.max(self.at);
            }
            cell.truncate(start);
            self.at = opened;
            return Ok(Some(QuoteFault::SwallowsRows));
        }
        closed?;
        if ends {
            return Ok(None);
        }
        Ok(Some(QuoteFault::TextBehind))
    }

    fn swallows(&self, quoted: &str) -> bool {
        self.marks
            .is_some_and(|marks| marks.in_lines(quoted, self.delimiter))
    }

    /// Takes what stands in quotes, from the opening one to behind the closing one.
    fn quoted_part(&mut self, cell: &mut String) -> Result<(), RecordError> {
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let Some(length) = rest.iter().position(|&byte| byte == b'"') else {
                return Err(RecordError::UnclosedQuote);
            };
            self.take(length, cell);
            self.at += 1;
            if self.byte() != Some(b'"') {
                return Ok(());
            }
            cell.push('"');
            self.at += 1;
        }
    }

    /// Takes everything up to the delimiter or line end, quotes included.
    fn plain_part(&mut self, cell: &mut String) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let delimiter = self.delimiter;
        let length = rest
            .iter()
            .position(|&byte| byte == delimiter || byte == b'\n' || byte == b'\r')
            .unwrap_or(rest.len());
        self.take(length, cell);
    }

    fn take(&mut self, length: usize, cell: &mut String) {
        let part = self.text.get(self.at..self.at + length);
        cell.push_str(part.expect("cuts stand at ASCII bytes, which are never inside a character"));
        self.at += length;
    }
}

/// Finds the delimiter: the one under which most records have the same number of cells, more than one; a comma if there is none.
pub(crate) fn sniff_delimiter(text: &str, limits: RecordLimits) -> u8 {
    let mut best = (0, 0, b',');
    for delimiter in DELIMITERS {
        let (share, columns) = consistency(text, delimiter, limits);
        if share > 0 && (share, columns) >= (best.0, best.1) {
            best = (share, columns, delimiter);
        }
    }
    best.2
}

/// Per mille of the first records that share the commonest number of cells, and that number; zeros if it is one.
fn consistency(text: &str, delimiter: u8, limits: RecordLimits) -> (usize, usize) {
    let mut records = Records::new(text, 0, delimiter, limits);
    let mut record = Record::default();
    let mut widths = Vec::with_capacity(SNIFFED_RECORDS);
    // A record that cannot be read ends the look; the reader will say what is wrong with it.
    while widths.len() < SNIFFED_RECORDS && matches!(records.next_into(&mut record), Ok(true)) {
        if !record.is_blank() {
            widths.push(record.columns_written);
        }
    }
    let total = widths.len();
    widths.sort_unstable();
    widths
        .chunk_by(|one, other| one == other)
        .filter(|same| same[0] > 1)
        .map(|same| (same.len() * 1_000 / total, same[0]))
        .max()
        .unwrap_or((0, 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: RecordLimits = RecordLimits {
        columns_max: 4,
        cell_characters_max: 20,
    };

    fn cut(text: &str, delimiter: u8) -> Result<Vec<Vec<String>>, RecordError> {
        let mut records = Records::new(text, 0, delimiter, LIMITS);
        let (mut record, mut all) = (Record::default(), Vec::new());
        while records.next_into(&mut record)? {
            all.push(
                (0..record.len())
                    .map(|column| record.cell(column).to_owned())
                    .collect(),
            );
        }
        Ok(all)
    }

    #[test]
    fn records_are_cut_at_every_kind_of_line_end() {
        let cases: [(&str, &[&[&str]]); 8] = [
            ("a,b\r\nc,d\n", &[&["a", "b"], &["c", "d"]]),
            ("a\rb\r\rc", &[&["a"], &["b"], &[], &["c"]]),
            ("\n\na", &[&[], &[], &["a"]]),
            ("\"a\r\nb\",c", &[&["a\r\nb", "c"]]),
            ("\"say \"\"hi\"\"\",x", &[&["say \"hi\"", "x"]]),
            ("5\" pipe,\"a\"b\n", &[&["5\" pipe", "ab"]]),
            (",,c,,,,,,\n,,,,,,", &[&["", "", "c"], &[]]),
            ("é,\"ü,\"", &[&["é", "ü,"]]),
        ];
        for (text, expected) in cases {
            assert_eq!(cut(text, b',').unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn limits_and_an_open_quote_are_errors() {
        assert_eq!(cut("a,\"b\nc", b','), Err(RecordError::UnclosedQuote));
        assert!(cut("a,b,c,d", b',').is_ok());
        assert_eq!(cut("a,b,c,d,e", b','), Err(RecordError::TooManyColumns));
        assert!(cut(&"é".repeat(20), b',').is_ok());
        assert_eq!(
            cut(&format!("a,{}", "é".repeat(21)), b','),
            Err(RecordError::CellTooLong { column: 2 })
        );
    }

    #[test]
    fn a_quote_that_would_swallow_rows_is_a_sign_like_any_other() {
        let is_mark = |cell: &str| cell.starts_with('#');
        let marks = RowMarks {
            cell: &is_mark,
            columns: 0,
        };
        let read = |text: &str| {
            let mut records = Records::new(text, 0, b',', LIMITS);
            records.watch_for(marks);
            let (mut record, mut all) = (Record::default(), Vec::new());
            while records.next_into(&mut record).unwrap() {
                let cells: Vec<&str> = (0..record.len()).map(|place| record.cell(place)).collect();
                all.push((cells.join("|"), record.fault, record.ended));
            }
            all
        };
        let torn = Some(QuoteFault::SwallowsRows);
        let own = |text: &str, fault, ended| (text.to_owned(), fault, ended);
        // Closed by a quote two rows below, and closed by none.
        assert_eq!(
            read("#1,\"a\n#2,b\n#3,\"c,d\"\n"),
            [
                own("#1|\"a", torn, true),
                own("#2|b", None, true),
                own("#3|c,d", None, true)
            ]
        );
        assert_eq!(
            read("#1,\"a\n#2,b"),
            [own("#1|\"a", torn, true), own("#2|b", None, false)]
        );
        // Lines of a note are no rows.
        assert_eq!(read("#1,\"a\nb, c\"\n"), [own("#1|a\nb, c", None, true)]);
        // The quote that closes it opens a cell of the next line, whatever stands there.
        assert_eq!(
            read("#1,\"a\nx,\"b\"\n"),
            [own("#1|\"a", torn, true), own("x|b", None, true)]
        );
        assert_eq!(
            read("#1,\"a\" b\n"),
            [own("#1|a b", Some(QuoteFault::TextBehind), true)]
        );
        // Closed as a cell is: the lines may be those of a note.
        let within = Some(QuoteFault::WithinQuotes);
        assert_eq!(
            read("#1,\"a\n#2,b\nc\",d\n#3,e\n"),
            [
                own("#1|\"a", torn, true),
                own("#2|b", within, true),
                own("c\"|d", within, true),
                own("#3|e", None, true)
            ]
        );
        // Closed by the quote that opens the next row, whatever stands first in that one.
        for next in ["\"#2\",\"b\"\n", "\"b, c\",#2\n", "\"b\",\"c\"\n"] {
            let found = read(&format!("\"#1\",\"a\n{next}#3,d\n"));
            assert_eq!(found[0], own("#1|\"a", torn, true), "{next}");
            assert_eq!(found.len(), 3, "{next}");
        }
    }

    #[test]
    fn the_most_consistent_delimiter_is_found() {
        let cases = [
            ("Ref,Note\nA,x; y\nB,z\n", b','),
            ("Ref;Note\nA;hello, world\nB;one, two, three\n", b';'),
            ("Ref;Cost;When\nA;1,5;2\nB;2,5;3\n", b';'),
            ("Ref\tNote\nA\tx, y\n", b'\t'),
            ("Ref|Note\n\nA|x\n", b'|'),
            ("Ref;\"Note, long; very\"\nA;\"x;y\"\n", b';'),
            ("Returns, November\nRef;A;B\n1;2;3\n2;3;4\n", b';'),
            ("Ref\nA\n", b','),
            ("", b','),
        ];
        for (text, expected) in cases {
            assert_eq!(
                char::from(sniff_delimiter(text, LIMITS)),
                char::from(expected),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn well_formed_text_is_cut_as_the_csv_crate_cuts_it(
            rows in proptest::collection::vec(proptest::collection::vec("[a,\"\n\r é;]{0,5}", 1..5), 1..5)
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let mut expected = rows.clone();
            for row in &mut expected {
                while row.last().is_some_and(String::is_empty) {
                    row.pop();
                }
            }
            prop_assert_eq!(cut(&text, b',').unwrap(), expected);
        }

        #[test]
        fn any_text_is_cut_without_losing_a_byte(text in "[a,;\"\n\r é]{0,40}") {
            let mut records = Records::new(&text, 0, b',', RecordLimits { columns_max: 100, cell_characters_max: 100 });
            let (mut record, mut at) = (Record::default(), 0);
            let mut more = records.next_into(&mut record);
            while more == Ok(true) {
                prop_assert_eq!(record.span.start, at);
                prop_assert!(record.span.end > at);
                at = record.span.end;
                more = records.next_into(&mut record);
            }
            prop_assert!(at == text.len() || more == Err(RecordError::UnclosedQuote));
        }
    }
}
