//! Partners' files, read and written as somebody else's program would.

use std::path::Path;

use encoding_rs::{UTF_8, WINDOWS_1252};

/// How a file is laid out, as its partner file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) delimiter: u8,
    pub(crate) windows_1252: bool,
    pub(crate) mark: bool,
}

impl Layout {
    /// Comma, UTF-8 behind a byte order mark.
    pub(crate) const COMMA: Self = Self {
        delimiter: b',',
        windows_1252: false,
        mark: true,
    };
    /// Semicolon, Windows-1252.
    pub(crate) const SEMICOLON: Self = Self {
        delimiter: b';',
        windows_1252: true,
        mark: false,
    };
    /// Tab, UTF-8.
    pub(crate) const TAB: Self = Self {
        delimiter: b'\t',
        windows_1252: false,
        mark: false,
    };
}

/// A header row and the rows below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// Position of a column.
    pub(crate) fn column(&self, header: &str) -> usize {
        let found = self.header.iter().position(|name| name == header);
        found.unwrap_or_else(|| panic!("no column {header} in {:?}", self.header))
    }
}

impl Table {
    /// The table of a drop without the columns for the answers, which stand empty behind these.
    pub(crate) fn delivered(mut self, headers: &[&str]) -> Self {
        let (first, answers) = self.header.split_at(headers.len().min(self.header.len()));
        assert_eq!(first, headers, "the delivered columns");
        assert!(!answers.is_empty(), "no column for an answer");
        self.header.truncate(headers.len());
        for row in &mut self.rows {
            let empty = row.split_off(headers.len());
            assert!(empty.iter().all(String::is_empty), "{row:?} {empty:?}");
        }
        self
    }
}

/// Reads a file; every row must have as many cells as the header.
pub(crate) fn read(path: &Path, layout: Layout) -> Table {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(&bytes, layout)
}

/// Reads the bytes of a file.
pub(crate) fn parse(bytes: &[u8], layout: Layout) -> Table {
    let marked = bytes.strip_prefix(b"\xEF\xBB\xBF");
    assert_eq!(
        marked.is_some(),
        layout.mark,
        "a byte order mark where there should be none, or none where one should be"
    );
    let encoding = if layout.windows_1252 {
        WINDOWS_1252
    } else {
        UTF_8
    };
    let (text, broken) = encoding.decode_without_bom_handling(marked.unwrap_or(bytes));
    assert!(!broken, "the file is not in its encoding");
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(layout.delimiter)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut rows = reader.records().map(|record| {
        let record = record.expect("rows of one length");
        record
            .iter()
            .map(|cell| cell.replace("\r\n", "\n"))
            .collect::<Vec<_>>()
    });
    let header = rows.next().unwrap_or_default();
    Table {
        header,
        rows: rows.collect(),
    }
}

/// Writes a table in a layout, as a volunteer's spreadsheet would save it.
pub(crate) fn write(table: &Table, layout: Layout) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(layout.delimiter)
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for row in std::iter::once(&table.header).chain(&table.rows) {
        writer.write_record(row).expect("memory can be written to");
    }
    let utf8 = writer.into_inner().expect("memory can be written to");
    let text = String::from_utf8(utf8).expect("cells are text");
    if layout.windows_1252 {
        let (bytes, _, lost) = WINDOWS_1252.encode(&text);
        assert!(!lost, "a cell does not fit Windows-1252");
        return bytes.into_owned();
    }
    let mark: &[u8] = if layout.mark { b"\xEF\xBB\xBF" } else { b"" };
    [mark, text.as_bytes()].concat()
}
