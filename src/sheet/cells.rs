//! Cells in the form over which they are digested and in which they are kept: each behind its length, so that no cell can end where another begins.
//!
//! The form says nothing of a file: the same cells give the same digest, whichever codec, delimiter or encoding they stand in.

use super::model::SheetRow;

/// Bytes of a number in the form.
const NUMBER: usize = size_of::<u32>();

/// A row of cells in one piece of memory: each cell's length in bytes and its bytes; lengths of 32 bits, the highest byte first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CellRow(Box<[u8]>);

impl CellRow {
    /// A row of these cells.
    pub(crate) fn new<C: AsRef<str>>(cells: &[C]) -> Self {
        let length = |cell: &C| NUMBER + cell.as_ref().len();
        let mut form = Vec::with_capacity(cells.iter().map(length).sum());
        for cell in cells {
            append_text(&mut form, cell.as_ref());
        }
        Self(form.into_boxed_slice())
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        self.0.len()
    }

    /// What a digest of the row is over.
    pub(crate) fn digested(&self) -> &[u8] {
        &self.0
    }

    /// The cells, as they were given.
    pub(crate) fn cells(&self) -> impl Iterator<Item = &str> {
        let text = |cell| std::str::from_utf8(cell).expect("a cell was made of text");
        self.parts().map(text)
    }

    /// How many cells it has.
    pub(crate) fn count(&self) -> usize {
        self.parts().count()
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first_chunk::<NUMBER>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (cell, next) = behind.split_at_checked(length)?;
            rest = next;
            Some(cell)
        })
    }
}

/// The form of a row of a return: Excel's number, its cells, and by column from 0 what stood in the file where that is not the cell.
pub(crate) fn row_form(row: SheetRow<'_>) -> Vec<u8> {
    let of_cells: usize = (0..row.len())
        .map(|column| NUMBER + row.cell(column).len())
        .sum();
    let mut form = Vec::with_capacity(size_of::<u64>() + NUMBER + of_cells);
    form.extend(row.line().to_be_bytes());
    append_number(&mut form, row.len());
    for column in 0..row.len() {
        append_text(&mut form, row.cell(column));
    }
    for column in 0..row.len() {
        let source = row.source(column);
        if source != row.cell(column) {
            append_number(&mut form, column);
            append_text(&mut form, source);
        }
    }
    form
}

/// The number and the cells of a row in its form; nothing if it is none.
pub(crate) fn parse_row_form(form: &[u8]) -> Option<(u64, Vec<String>)> {
    let (line, mut rest) = form.split_first_chunk::<8>()?;
    let (count, behind) = rest.split_first_chunk::<NUMBER>()?;
    let count = u32::from_be_bytes(*count);
    rest = behind;
    let mut cells = Vec::new();
    for _ in 0..count {
        let (length, behind) = rest.split_first_chunk::<NUMBER>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (cell, next) = behind.split_at_checked(length)?;
        cells.push(std::str::from_utf8(cell).ok()?.to_owned());
        rest = next;
    }
    Some((u64::from_be_bytes(*line), cells))
}

fn append_text(form: &mut Vec<u8>, text: &str) {
    append_number(form, text.len());
    form.extend_from_slice(text.as_bytes());
}

fn append_number(form: &mut Vec<u8>, number: usize) {
    // Every text has a bound far below.
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    form.extend_from_slice(&number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::{ReadLimits, read};
    use super::*;

    #[test]
    fn cells_that_join_to_the_same_text_have_other_forms() {
        let rows = [
            CellRow::new(&["ab", "c"]),
            CellRow::new(&["a", "bc"]),
            CellRow::new(&["abc"]),
            CellRow::new(&["abc", ""]),
            CellRow::new(&["", "abc"]),
            CellRow::new(&[""]),
            CellRow::default(),
        ];
        for (index, row) in rows.iter().enumerate() {
            assert!(rows.iter().skip(index + 1).all(|other| row != other));
            assert_eq!(CellRow::new(&row.cells().collect::<Vec<_>>()), *row);
            assert_eq!(row.size(), row.digested().len());
        }
        assert_eq!(rows[3].digested(), b"\0\0\0\x03abc\0\0\0\0");
        assert_eq!(CellRow::new(&["é", "x"]).cells().next(), Some("é"));
    }

    #[test]
    fn a_row_has_one_form_however_its_file_is_written() {
        let form = |bytes: &[u8]| {
            let sheet = read(bytes, &ReadLimits::default()).unwrap();
            row_form(sheet.row(0).unwrap())
        };
        let plain = form(b"Ref,Note\nA,x\n");
        assert_eq!(form(b"\xEF\xBB\xBFRef;Note\r\n\"A\";\"x\"\r\n"), plain);
        assert_eq!(form(b"sep=\t\nRef\tNote\nA\tx"), plain);
        let read = parse_row_form(&plain).unwrap();
        assert_eq!(read, (2, vec!["A".to_owned(), "x".to_owned()]));
        assert_eq!(parse_row_form(&plain[..plain.len() - 1]), None);
        // Another line, and the same cell that stood in the file in another way.
        assert_ne!(form(b"Ref,Note\n\nA,x\n"), plain);
        assert_ne!(form(b"Ref,Note\nA,=\"x\"\n"), plain);
    }
}
