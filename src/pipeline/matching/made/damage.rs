//! Kinds of damage to the form of a table, as `../shared/sheets/README.md` has them, and what must become of each row.

use super::draw::Draw;
use super::layouts::{Holds, MadeLayout};
use super::sheets::{Ends, MadeLine, MadeRow};

/// Fewer rows do not show how a program writes all of them.
const FEW: usize = 8;

/// What was done to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    CommaUnquoted,
    NameUnquoted,
    CellMissing,
    TwoDelimiters,
    BlockShiftedLeft,
    BlockShiftedRight,
    QuoteOpen,
    HeadingAgain,
    HeadingAgainMoved,
    HeadingAgainOther,
}

pub(super) const DAMAGES: [Damage; 10] = [
    Damage::CommaUnquoted,
    Damage::NameUnquoted,
    Damage::CellMissing,
    Damage::TwoDelimiters,
    Damage::BlockShiftedLeft,
    Damage::BlockShiftedRight,
    Damage::QuoteOpen,
    Damage::HeadingAgain,
    Damage::HeadingAgainMoved,
    Damage::HeadingAgainOther,
];

/// What must become of a row. Whatever it is, nothing wrong may be told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Must {
    TakenIn,
    NotTakenIn,
    /// Taken in or not: its cells cannot be told from those of its neighbours, or say the same in either place.
    Either,
}

impl Damage {
    /// What programs that leave such a table do with the empty cells at the end of a row.
    pub(super) fn ends(self, draw: &mut Draw, rows: usize) -> Ends {
        let whole = [Ends::Full, Ends::Full, Ends::Wider];
        match self {
            // Of a few rows nobody can say whether empty cells were left off, or a delimiter ends each line.
            _ if rows < FEW => *draw.one(&whole),
            // A cell that was put in makes the table wider, or its row alone.
            Self::CommaUnquoted | Self::NameUnquoted => *draw.one(&[
                Ends::Full,
                Ends::Wider,
                Ends::LeftOff,
                Ends::RowsAlone,
                Ends::HeadingAlone,
            ]),
            // Rows of another file, or under another heading, say nothing of what the program leaves off.
            Self::CellMissing
            | Self::BlockShiftedLeft
            | Self::BlockShiftedRight
            | Self::TwoDelimiters
            | Self::HeadingAgainMoved
            | Self::HeadingAgainOther => *draw.one(&whole),
            _ => *draw.one(&[Ends::Full, Ends::Wider, Ends::LeftOff, Ends::Blocks]),
        }
    }

    /// Damages the lines below the heading, and says what must become of each row.
    #[expect(clippy::too_many_lines, reason = "one kind of damage after the other")]
    pub(super) fn done(
        self,
        draw: &mut Draw,
        layout: &MadeLayout,
        rows: &[MadeRow],
        (lines, ends): (&mut Vec<MadeLine>, Ends),
    ) -> Vec<Must> {
        let mut must = vec![Must::TakenIn; rows.len()];
        // How a table is read of which the heading and the rows do not agree, or whose empty ends are missing, is settled by what stands in it.
        let even = matches!(ends, Ends::Full | Ends::Wider);
        let held = if even { Must::NotTakenIn } else { Must::Either };
        if !even && matches!(self, Self::CommaUnquoted | Self::NameUnquoted) {
            must = vec![Must::Either; rows.len()];
        }
        match self {
            Self::CommaUnquoted => {
                let note = layout.place(Holds::Note).expect("a note");
                for hit in some(draw, rows.len()) {
                    let line = &mut lines[hit + 1];
                    let delimiter = line.delimiter;
                    let ways = [
                        format!("saw her twice{delimiter} 4"),
                        format!("came late{delimiter} tired"),
                        format!("4{delimiter}5"),
                        format!("late{delimiter}{delimiter}tired"),
                    ];
                    draw.one(&ways).clone_into(&mut line.cells[note]);
                    line.typed = Some(note);
                    must[hit] = held;
                }
            }
            Self::NameUnquoted => {
                let name = layout
                    .place(Holds::Family)
                    .or(layout.place(Holds::FullName));
                let name = name.expect("a name");
                for hit in some(draw, rows.len()) {
                    let line = &mut lines[hit + 1];
                    line.cells[name] = format!("{}{} Jo", line.cells[name], line.delimiter);
                    line.typed = Some(name);
                    must[hit] = Must::NotTakenIn;
                }
            }
            Self::CellMissing => {
                let mut lacking = 0;
                for hit in some(draw, rows.len()) {
                    let cells = &lines[hit + 1].cells;
                    let answers = layout
                        .place(Holds::Seen)
                        .expect("answers")
                        .min(layout.place(Holds::Note).expect("a note"));
                    let empty = (answers..cells.len()).filter(|place| cells[*place].is_empty());
                    let empty: Vec<usize> = empty.collect();
                    if empty.is_empty() {
                        continue;
                    }
                    let lost = *draw.one(&empty);
                    // One that was lost at the end moves nothing.
                    must[hit] = if tells_behind(layout, &lines[hit + 1], lost) {
                        Must::NotTakenIn
                    } else {
                        Must::Either
                    };
                    lines[hit + 1].cells.remove(lost);
                    lacking += 1;
                }
                // Where most rows lack a cell, the others may have one too many.
                if lacking * 2 > rows.len() {
                    for whole in must.iter_mut().filter(|must| **must == Must::TakenIn) {
                        *whole = Must::Either;
                    }
                }
            }
            Self::TwoDelimiters => {
                let other = *draw.one(&[',', ';', '\t', '|']);
                let half = rows.len() / 2;
                for (place, line) in lines.iter_mut().skip(1 + half).enumerate() {
                    if line.delimiter != other {
                        line.delimiter = other;
                        must[half + place] = Must::NotTakenIn;
                    }
                }
            }
            Self::BlockShiftedLeft => {
                let note = layout.place(Holds::Note).expect("a note");
                for hit in some(draw, rows.len()) {
                    // Answers in part beside a gap may be those of the neighbours: no file can tell.
                    if rows[hit].answers.answered_in_part() {
                        continue;
                    }
                    must[hit] = if tells_behind(layout, &lines[hit + 1], note) {
                        Must::NotTakenIn
                    } else {
                        Must::Either
                    };
                    let cells = &mut lines[hit + 1].cells;
                    cells.remove(note);
                    cells.push(String::new());
                }
            }
            Self::BlockShiftedRight => {
                let first = layout.place(Holds::Score(0, 0)).expect("scores");
                // The row alone became wider, or the whole table did.
                let padded = ends == Ends::Wider;
                for hit in some(draw, rows.len()) {
                    if padded && rows[hit].answers.answered_in_part() {
                        continue;
                    }
                    must[hit] = if padded && !tells_behind(layout, &lines[hit + 1], first) {
                        Must::Either
                    } else {
                        Must::NotTakenIn
                    };
                    lines[hit + 1].cells.insert(first, String::new());
                }
            }
            Self::QuoteOpen => {
                let note = layout.place(Holds::Note).expect("a note");
                let hit = draw.below(rows.len());
                let line = &mut lines[hit + 1];
                "\"never closed".clone_into(&mut line.cells[note]);
                line.typed = Some(note);
                must[hit] = Must::NotTakenIn;
                for below in &mut must[hit + 1..] {
                    *below = Must::Either;
                }
            }
            Self::HeadingAgain => {
                lines.insert(1 + draw.below(rows.len() + 1), MadeLine::heading(layout));
            }
            Self::HeadingAgainMoved | Self::HeadingAgainOther => {
                let at = draw.below(rows.len() + 1);
                let places = layout.columns.len();
                let (one, other) = (draw.below(places), draw.below(places - 1));
                let other = if other >= one { other + 1 } else { other };
                let mut heading = MadeLine::heading(layout);
                if self == Self::HeadingAgainMoved {
                    heading.cells.swap(one, other);
                } else {
                    "Worker".clone_into(&mut heading.cells[one]);
                }
                for line in &mut lines[1 + at..] {
                    if self == Self::HeadingAgainMoved {
                        line.cells.swap(one, other);
                    } else {
                        "Sam".clone_into(&mut line.cells[one]);
                    }
                }
                lines.insert(1 + at, heading);
                for below in &mut must[at..] {
                    *below = Must::NotTakenIn;
                }
            }
        }
        must
    }
}

/// Some of so many rows, one at least; all of few.
fn some(draw: &mut Draw, rows: usize) -> Vec<usize> {
    let hit: Vec<usize> = (0..rows).filter(|_| draw.once_in(5)).collect();
    if hit.is_empty() || draw.once_in(6) && rows < 4 {
        return if draw.once_in(3) && rows < 4 {
            (0..rows).collect()
        } else {
            vec![draw.below(rows)]
        };
    }
    hit
}

/// Whether something that goes on stands in these places or behind them.
fn tells_behind(layout: &MadeLayout, line: &MadeLine, place: usize) -> bool {
    let columns = layout.columns.iter().zip(&line.cells).skip(place);
    let told = columns.filter(|(column, _)| !matches!(column.holds, Holds::Note | Holds::Why));
    told.into_iter().any(|(_, cell)| !cell.is_empty())
}
