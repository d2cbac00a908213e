//! Made-up returns as they are written: rows of known truth, under a delimiter, an encoding and a habit with empty cells at the end.

use super::answers::Answers;
use super::draw::Draw;
use super::layouts::MadeLayout;
use super::people::MadePerson;
use crate::sheet::TextEncoding;

/// Rows that Excel writes with as many cells as the fullest of them has.
const EXCEL_BLOCK: usize = 16;

/// What a program does with the empty cells at the end of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Full,
    /// They are left off, row by row.
    LeftOff,
    /// Left off where sixteen rows have none, as Excel does.
    Blocks,
    /// A column without a name stands behind the last.
    Wider,
    /// A delimiter ends each row, and not the heading.
    RowsAlone,
    /// A delimiter ends the heading, and no row.
    HeadingAlone,
}

/// A row and its truth.
#[derive(Clone, Debug)]
pub(super) struct MadeRow {
    pub(super) person: usize,
    pub(super) answers: Answers,
}

/// One line of a file.
#[derive(Clone, Debug)]
pub(super) struct MadeLine {
    pub(super) cells: Vec<String>,
    /// The cell that stands as it was typed, without quotes around it.
    pub(super) typed: Option<usize>,
    pub(super) delimiter: char,
}

impl MadeLine {
    fn of(layout: &MadeLayout, cells: Vec<String>) -> Self {
        Self {
            cells,
            typed: None,
            delimiter: layout.style.delimiter,
        }
    }

    /// The heading.
    pub(super) fn heading(layout: &MadeLayout) -> Self {
        Self::of(layout, layout.heading())
    }

    /// So many of its cells, written.
    fn written(&self, width: usize, quote_all: bool) -> String {
        let one = |(place, cell): (usize, &String)| {
            let special = [self.delimiter, '"', '\n', '\r'];
            if self.typed != Some(place) && (quote_all || cell.contains(special)) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        };
        let cells: Vec<String> = self.cells.iter().take(width).enumerate().map(one).collect();
        cells.join(&self.delimiter.to_string())
    }

    /// Cells up to the last that is not empty.
    fn full(&self) -> usize {
        let last = self.cells.iter().rposition(|cell| !cell.is_empty());
        last.map_or(0, |last| last + 1)
    }
}

/// Rows about people: one for each, and further sessions of some where `sessions` says so.
pub(super) fn rows(
    draw: &mut Draw,
    layout: &MadeLayout,
    people: &[MadePerson],
    (whole, sessions): (bool, bool),
) -> Vec<MadeRow> {
    let mut rows = Vec::with_capacity(people.len());
    for (place, person) in people.iter().enumerate() {
        rows.push(MadeRow {
            person: place,
            answers: Answers::drawn(draw, layout.style, person, whole),
        });
        if sessions && draw.once_in(8) {
            for session in 0..=draw.below(2) {
                rows.push(MadeRow {
                    person: place,
                    answers: Answers::further(draw, person, session),
                });
            }
        }
    }
    rows
}

/// The heading, and a line for each row.
pub(super) fn lines(layout: &MadeLayout, people: &[MadePerson], rows: &[MadeRow]) -> Vec<MadeLine> {
    let mut lines = vec![MadeLine::heading(layout)];
    for row in rows {
        let cells = layout.columns.iter().map(|column| {
            let delivered = layout.delivered_cell(column.holds, &people[row.person]);
            if delivered.is_empty() {
                row.answers.cell(column.holds, layout.style)
            } else {
                delivered
            }
        });
        lines.push(MadeLine::of(layout, cells.collect()));
    }
    lines
}

/// The bytes of a file.
pub(super) fn bytes(layout: &MadeLayout, lines: &[MadeLine], ends: Ends) -> Vec<u8> {
    let style = layout.style;
    let mut text = String::new();
    for (place, line) in lines.iter().enumerate() {
        let width = match ends {
            Ends::LeftOff if place > 0 => line.full(),
            Ends::Blocks => {
                let first = place - place % EXCEL_BLOCK;
                let block = lines.iter().skip(first).take(EXCEL_BLOCK);
                block.map(MadeLine::full).max().unwrap_or(0)
            }
            _ => usize::MAX,
        };
        text += &line.written(width, style.quote_all);
        let delimiter_behind = match ends {
            // A row that a cell was put into has that column already.
            Ends::Wider => line.cells.len() <= layout.columns.len(),
            Ends::RowsAlone => place > 0,
            Ends::HeadingAlone => place == 0,
            _ => false,
        };
        if delimiter_behind {
            text.push(line.delimiter);
        }
        text += style.newline;
    }
    let mut bytes = style.encoding.byte_order_mark().to_vec();
    bytes.extend(TextEncoding::encode(style.encoding, &text));
    bytes
}
