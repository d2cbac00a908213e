//! Rows that were mapped when their referral was decided, kept until they are delivered in the same run.
//!
//! In: the bytes of a NEW row, with the leg and its revision. Out: the same bytes, if the leg still stands at that
//! revision on the same London day. A short cut only: what is not here is made from the sealed inputs, and so is every
//! drop when `kith prove` makes it again. Bounded, in memory only, and gone with the run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;

use crate::domain::{LegId, limits};
use crate::partner::{Partner, Rules};
use crate::pipeline::map::Cells;
use crate::sheet::RowWriter;

/// The revision of a leg that was received and decided, and has not moved since.
const DECIDED: i64 = 2;

/// Rows by leg.
pub(crate) struct ReadyRows(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Whether this run delivers.
    wanted: bool,
    rows: HashMap<LegId, (Date, Box<[u8]>)>,
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
    pub(crate) fn keep(&self, leg: LegId, today: Date, row: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + row.len() <= limits::READY_BYTES_MAX {
            kept.bytes += row.len();
            kept.rows.insert(leg, (today, row.into_boxed_slice()));
        }
    }

    /// The row of a leg of this revision, once.
    pub(crate) fn take(&self, leg: LegId, rev: i64, today: Date) -> Option<Box<[u8]>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (day, row) = kept.rows.remove(&leg)?;
        kept.bytes = kept.bytes.saturating_sub(row.len());
        (rev == DECIDED && day == today).then_some(row)
    }
}

/// The bytes of a row, if nothing in it is known only when the drop is numbered.
pub(crate) fn bytes_of(partner: &Partner, rules: &Rules, cells: &Cells<'_>) -> Option<Vec<u8>> {
    let numbered = |field| rules.vocabulary.fields.field(field).name == "leg.sequence";
    if partner
        .deliver
        .columns
        .iter()
        .filter_map(crate::partner::DropColumn::field)
        .any(numbered)
    {
        return None;
    }
    let mut writer = RowWriter::new(std::io::sink(), partner.deliver.format).ok()?;
    // The header is what counts as the first row, here as in the drop.
    let headers: Vec<&str> = vec![""; cells.len()];
    writer.write_row(&headers).ok()?;
    writer.write_row(cells).ok()?;
    Some(writer.last_row().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_while_there_is_room() {
        limits::holds_at(limits::READY_BYTES_MAX, |bytes| {
            let (rows, today) = (ReadyRows::new(true), Date::constant(2026, 11, 23));
            rows.keep(LegId::new(1), today, vec![0; bytes - 1]);
            rows.keep(LegId::new(2), today, vec![0]);
            rows.take(LegId::new(1), DECIDED, today).is_some()
                && rows.take(LegId::new(2), DECIDED, today).is_some()
        });
    }
}
