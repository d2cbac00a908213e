//! Rows that were mapped when their referral was decided, kept until they are delivered in the same run.
//!
//! In: the cells of a NEW row, with the leg and its revision. Out: the same cells, if the leg still stands at that
//! revision on the same London day. A short cut only: what is not here is made from the sealed inputs, and so is every
//! drop when `kith prove` makes it again; all rows go out by the one writer. Bounded, in memory only, and gone with the run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;

use crate::domain::{LegId, limits};
use crate::partner::{Partner, Rules};
use crate::pipeline::map::Cells;
use crate::sheet::CellRow;

/// The revision of a leg that was received and decided, and has not moved since.
const DECIDED: i64 = 2;

/// Rows by leg.
pub(crate) struct ReadyRows(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Whether this run delivers.
    wanted: bool,
    rows: HashMap<LegId, (Date, CellRow)>,
    bytes: usize,
}

impl ReadyRows {
    /// No rows yet; they are kept if the run delivers.
    pub(crate) fn new(wanted: bool) -> Self {
        Self(Mutex::new(Kept {
            wanted,
            ..Kept::default()
        }))
    }

    /// Whether a row would be kept.
    pub(crate) fn wanted(&self) -> bool {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.wanted && kept.bytes < limits::READY_BYTES_MAX
    }

    /// Keeps a row, while there is room.
    pub(crate) fn keep(&self, leg: LegId, today: Date, row: CellRow) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + row.size() <= limits::READY_BYTES_MAX {
            kept.bytes += row.size();
            kept.rows.insert(leg, (today, row));
        }
    }

    /// The row of a leg of this revision, once.
    pub(crate) fn take(&self, leg: LegId, rev: i64, today: Date) -> Option<CellRow> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (day, row) = kept.rows.remove(&leg)?;
        kept.bytes = kept.bytes.saturating_sub(row.size());
        (rev == DECIDED && day == today).then_some(row)
    }
}

/// The cells of a row, if nothing in it is known only when the drop is numbered.
pub(crate) fn cells_of(partner: &Partner, rules: &Rules, cells: &Cells<'_>) -> Option<CellRow> {
    let numbered = |field| rules.vocabulary.fields.field(field).name == "leg.sequence";
    let mut fields = partner
        .deliver
        .columns
        .iter()
        .filter_map(crate::partner::DropColumn::field);
    (!fields.any(numbered)).then(|| CellRow::new(cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_while_there_is_room() {
        limits::holds_at(limits::READY_BYTES_MAX, |bytes| {
            let (rows, today) = (ReadyRows::new(true), Date::constant(2026, 11, 23));
            let row = |bytes: usize| {
                let row = CellRow::new(&["x".repeat(bytes - CellRow::new(&[""]).size())]);
                assert_eq!(row.size(), bytes);
                row
            };
            rows.keep(LegId::new(1), today, row(bytes - 10));
            rows.keep(LegId::new(2), today, row(10));
            rows.take(LegId::new(1), DECIDED, today).is_some()
                && rows.take(LegId::new(2), DECIDED, today).is_some()
        });
    }
}
