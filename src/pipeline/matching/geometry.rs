//! Whether the cells of a row stand in their own columns: by the number of cells, by what stands beside the table, and by quotes.
//!
//! In a file that is otherwise even, a row with a cell more or less was shifted somewhere, and nobody can say where. Such a row is held, whatever its
//! cells look like.

use super::columns::Columns;
use crate::domain::Reason;
use crate::sheet::{QuoteFault, Sheet, SheetRow};

/// Rows that Excel writes with as many cells as the fullest of them has.
const BLOCK: u64 = 16;

/// One row in so many is narrower at least, where a program leaves off what is empty at the end.
const TRIMMED_SHARE: usize = 20;
/// Fewer rows do not show how a program writes all of them: a cell too many in each would look alike.
const ROWS_ALIKE_MIN: usize = 8;

/// The form of a table.
pub(super) struct Geometry {
    /// Cells that a row has; 0 if nobody can say.
    width: usize,
    /// Empty cells at the end of rows were left off.
    trimmed: bool,
    /// Heading and rows do not have the same number of cells, or the last has no name.
    uneven: bool,
    delimiter: u8,
    /// Columns without a name before the last that has one.
    unnamed: Vec<usize>,
}

/// How a row stands in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WidthFit {
    /// It has as many cells as the table.
    Whole,
    /// It has fewer, or the table shows nothing: what stands in the cells has to say whether some have moved.
    Loose,
    /// Its cells may stand in other columns than their own.
    Fault(Reason),
}

impl Geometry {
    pub(super) fn of(sheet: &Sheet) -> Self {
        let (heading, named) = (sheet.header_written, sheet.header.len());
        let rows = sheet.row_count();
        let first = sheet.rows().next().map_or(heading, SheetRow::written);
        let as_named = sheet.rows().filter(|row| row.written() == named).count();
        let mut all = sheet.rows();
        let alike = all.all(|row| row.written() == first && row.len() <= heading);
        let width = if first > heading && rows >= ROWS_ALIKE_MIN && alike {
            // Every row alike, and none as the heading: the heading alone lacks what stands behind its last name.
            first
        } else if heading == named || as_named * 2 <= rows {
            heading
        } else if rows >= ROWS_ALIKE_MIN && as_named * 5 > rows * 4 {
            // The heading alone has something behind its last name.
            named
        } else {
            // Either the rows that end with the last name lack a cell, or the others have one too many.
            0
        };
        let narrow = sheet.rows().filter(|row| row.written() < width).count();
        let trimmed = narrow >= 2
            && narrow * TRIMMED_SHARE >= sheet.row_count()
            && sheet.rows().all(|row| row.written() == row.len());
        Self {
            width,
            trimmed,
            uneven: heading != named || width != heading,
            delimiter: sheet.dialect.delimiter,
            unnamed: (0..named)
                .filter(|place| sheet.header[*place].is_empty())
                .collect(),
        }
    }

    /// How a row stands: whether its cells may stand in other columns than their own.
    pub(super) fn width_fit(
        &self,
        sheet: &Sheet,
        row: SheetRow<'_>,
        columns: &Columns<'_>,
    ) -> WidthFit {
        if row.quote_fault() == Some(QuoteFault::SwallowsRows) && !row.ended() {
            return WidthFit::Fault(Reason::Cut);
        }
        if row.quote_fault().is_some()
            || row.written() > self.width
            || self.beside_the_table(row, columns)
        {
            return WidthFit::Fault(Reason::Shifted);
        }
        if row.written() == self.width {
            return if self.uneven || self.trimmed {
                WidthFit::Loose
            } else {
                WidthFit::Whole
            };
        }
        if self.trimmed && !self.has_other_delimiters(row) || self.is_in_an_even_block(sheet, row) {
            return WidthFit::Loose;
        }
        WidthFit::Fault(if row.ended() {
            Reason::Shifted
        } else {
            Reason::Cut
        })
    }

    /// What is said of a row that may have moved, and where.
    pub(super) fn told_of(&self, row: SheetRow<'_>, columns: &Columns<'_>) -> String {
        if row.quote_fault().is_some() {
            return "A quotation mark in this row is open, or text stands behind one.".to_owned();
        }
        if let Some(place) = self.nameless(row, columns) {
            return format!(
                "Something stands in column {column}, which has no name.",
                column = place + 1
            );
        }
        let (count, most) = (row.written(), self.told_width());
        format!("This row has {count} cells, the other rows {most}.")
    }

    fn told_width(&self) -> String {
        match self.width {
            0 => "another number".to_owned(),
            width => width.to_string(),
        }
    }

    /// Whether something stands in a column without a name.
    fn beside_the_table(&self, row: SheetRow<'_>, columns: &Columns<'_>) -> bool {
        self.nameless(row, columns).is_some()
    }

    fn nameless(&self, row: SheetRow<'_>, columns: &Columns<'_>) -> Option<usize> {
        let beyond = columns.named()..row.len();
        let mut nameless = self.unnamed.iter().copied().chain(beyond);
        nameless.find(|place| !row.cell(*place).trim().is_empty())
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
