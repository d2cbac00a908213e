//! Cells in the form over which they are digested and in which they are sealed: each behind its length, so that no cell can end where another begins.
//!
//! The form says nothing of a file: the same cells give the same digest, whichever codec, delimiter or encoding they stand in.

use super::model::SheetRow;

/// Adds cells to a form: their number, then each cell's length in bytes and its bytes; numbers of 32 bits, the highest byte first.
pub(crate) fn append_cells<'c>(form: &mut Vec<u8>, cells: impl ExactSizeIterator<Item = &'c str>) {
    append_number(form, cells.len());
    for cell in cells {
        append_number(form, cell.len());
        form.extend_from_slice(cell.as_bytes());
    }
}

/// A row of a return: Excel's number, its cells, and by column from 0 what stood in the file where that is not the cell.
pub(crate) fn row_form(row: SheetRow<'_>) -> Vec<u8> {
    let mut form = Vec::with_capacity(64);
    form.extend_from_slice(&row.line().to_be_bytes());
    append_cells(&mut form, (0..row.len()).map(|column| row.cell(column)));
    for column in 0..row.len() {
        let source = row.source(column);
        if source != row.cell(column) {
            append_number(&mut form, column);
            append_number(&mut form, source.len());
            form.extend_from_slice(source.as_bytes());
        }
    }
    form
}

fn append_number(form: &mut Vec<u8>, number: usize) {
    // Every file has a bound far below.
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    form.extend_from_slice(&number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::{ReadLimits, read};
    use super::*;

    fn form(cells: &[&str]) -> Vec<u8> {
        let mut form = Vec::new();
        append_cells(&mut form, cells.iter().copied());
        form
    }

    #[test]
    fn cells_that_join_to_the_same_text_have_other_forms() {
        let all = [
            form(&["ab", "c"]),
            form(&["a", "bc"]),
            form(&["abc"]),
            form(&["abc", ""]),
            form(&["", "abc"]),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all.iter().skip(index + 1).all(|other| one != other));
        }
        assert_eq!(form(&["ab", ""]), b"\0\0\0\x02\0\0\0\x02ab\0\0\0\0");
    }

    #[test]
    fn a_row_has_one_form_however_its_file_is_written() {
        let forms = [
            "Ref,Note\nA,x\n".as_bytes(),
            b"\xEF\xBB\xBFRef;Note\r\n\"A\";\"x\"\r\n",
            b"sep=\t\nRef\tNote\nA\tx",
        ]
        .map(|bytes| row_form(read(bytes, &ReadLimits::default()).unwrap().row(0).unwrap()));
        assert_eq!(forms[0], forms[1]);
        assert_eq!(forms[0], forms[2]);
        let other = read(b"Ref,Note\nA,=\"x\"\n", &ReadLimits::default()).unwrap();
        assert_eq!(other.row(0).unwrap().cell(1), "x");
        assert_ne!(
            row_form(other.row(0).unwrap()),
            forms[0],
            "what stood there is kept"
        );
    }
}
