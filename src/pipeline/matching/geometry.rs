//! Whether the cells of a row stand in their own columns: by the number of cells, by what stands beside the table, and by quotes.
//!
//! In a file that is otherwise even, a row with a cell more or less was shifted somewhere, and nobody can say where. Such a row is held, whatever its
//! cells look like.

use super::columns::Columns;
use crate::domain::Reason;
use crate::sheet::{QuoteFault, Sheet, SheetRow};

/// Rows that Excel writes with as many cells as the fullest of them has.
const BLOCK: u64 = 16;

/// The form of a table.
pub(super) struct Geometry {
    /// Cells that a row has.
    width: usize,
    /// Empty cells at the end of rows were left off.
    trimmed: bool,
    delimiter: u8,
}

impl Geometry {
    pub(super) fn of(sheet: &Sheet) -> Self {
        let mut rows = sheet.rows();
        let heading = sheet.header_written;
        let width = match rows.next() {
            // Every row alike, and none as the heading: the heading alone lacks what stands behind its last name, or has it.
            Some(first) if first.written() > heading => {
                let wide = first.written();
                let mut all = sheet.rows();
                if all.all(|row| row.written() == wide && row.len() <= heading) {
                    wide
                } else {
                    heading
                }
            }
            _ => heading,
        };
        let narrow = sheet.rows().filter(|row| row.written() < width).count();
        let trimmed = narrow >= 2
            && narrow * 5 >= sheet.row_count()
            && sheet.rows().all(|row| row.written() == row.len());
        Self {
            width,
            trimmed,
            delimiter: sheet.dialect.delimiter,
        }
    }

    /// Why the cells of a row may stand in other columns than their own.
    pub(super) fn fault(
        &self,
        sheet: &Sheet,
        row: SheetRow<'_>,
        columns: &Columns<'_>,
    ) -> Option<Reason> {
        if row.quote_fault() == Some(QuoteFault::SwallowsRows) && !row.ended() {
            return Some(Reason::Cut);
        }
        if row.quote_fault().is_some() || Self::beside_the_table(sheet, row, columns) {
            return Some(Reason::Shifted);
        }
        if row.written() == self.width {
            return None;
        }
        if row.written() > self.width {
            return Some(Reason::Shifted);
        }
        if self.trimmed && !self.has_other_delimiters(row) || self.is_in_an_even_block(sheet, row) {
            return None;
        }
        Some(if row.ended() {
            Reason::Shifted
        } else {
            Reason::Cut
        })
    }

    /// Whether something stands in a column without a name.
    fn beside_the_table(sheet: &Sheet, row: SheetRow<'_>, columns: &Columns<'_>) -> bool {
        let beyond = columns.named()..row.len();
        let unnamed = sheet.header.iter().enumerate();
        let mut unnamed = unnamed
            .filter(|(_, name)| name.is_empty())
            .map(|(place, _)| place);
        let full = |place: usize| !row.cell(place).trim().is_empty();
        beyond.into_iter().any(full) || unnamed.any(full)
    }

    /// Whether a row of one cell holds another delimiter as often as a whole row would.
    fn has_other_delimiters(&self, row: SheetRow<'_>) -> bool {
        let others = [',', ';', '\t', '|'].into_iter();
        let mut others = others.filter(|sign| *sign != char::from(self.delimiter));
        row.len() == 1 && others.any(|sign| row.cell(0).matches(sign).count() * 2 >= self.width)
    }

    /// Excel leaves off the columns at the end that are empty in each of sixteen rows.
    fn is_in_an_even_block(&self, sheet: &Sheet, row: SheetRow<'_>) -> bool {
        let block = |line: u64| line.saturating_sub(1) / BLOCK;
        let own = block(row.line());
        let first = (0..=row.place())
            .rev()
            .take_while(|place| sheet.row(*place).is_some_and(|at| block(at.line()) == own))
            .last()
            .unwrap_or(row.place());
        let rows = (first..).map_while(|place| sheet.row(place));
        let mut rows = rows.take_while(|at| block(at.line()) == own).peekable();
        let mut count = 0;
        // The heading stands in the first block, which therefore is never narrow.
        rows.all(|at| {
            count += 1;
            at.written() == row.written()
        }) && count >= 2
            && own > 0
            && !self.has_other_delimiters(row)
    }
}
