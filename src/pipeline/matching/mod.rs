//! *match*: says of each row of a return whose it is and what it tells, from the file and what was delivered alone.
//!
//! In: the rows of a return, and what we know of the references on them. Out: one [`RowFinding`] a row. Keeps: a row touches
//! only a leg of the partner that sent it; identity comes from the referral, never from the return; rows whose names and
//! references belong to each other's people are taken for what they are, a sorted column, and nothing of the file is used;
//! twice the rows take twice the time.

mod columns;
mod identity;
#[cfg(test)]
mod tests;
mod told;

use std::collections::HashMap;

use jiff::civil::Date;

use crate::diagnostics::Code;
use crate::domain::reference::ReferenceError;
use crate::domain::{Disposition, LegId, LegReference, Reason};
use crate::partner::Collect;
use crate::pipeline::delivered_rows::{Delivered, Legs, OwnLeg};
use crate::pipeline::event::{FileFinding, RowFinding, TakenReturn, Unusable};
use crate::sheet::{Sheet, SheetRow};
use columns::Columns;

/// A return that was read, and what was found of its rows: nothing is recorded of it yet.
pub(crate) struct MatchedReturn {
    pub(crate) taken: TakenReturn,
    /// The sheet, what each row tells, and the sender's own legs among its references; or why there is none.
    pub(crate) matched: Result<(Sheet, FileFinding, HashMap<LegId, OwnLeg>), Unusable>,
}

/// What a return is read against.
struct Reading<'r> {
    collect: &'r Collect,
    columns: Columns<'r>,
    today: Date,
    /// By reference: what is known of the leg; a reference that was never given out is missing.
    legs: &'r Legs,
}

/// The sheet, if it has every column that the agreement names.
///
/// # Errors
/// The columns that are missing.
pub(crate) fn with_columns(collect: &Collect, sheet: Sheet) -> Result<Sheet, Unusable> {
    let missing = Columns::of(collect, &sheet).missing(collect);
    if missing.is_empty() {
        return Ok(sheet);
    }
    let quoted: Vec<String> = missing
        .iter()
        .map(|header| format!("\"{header}\""))
        .collect();
    Err(Unusable {
        code: Code::ReturnColumns,
        why: format!("These columns are missing: {}", quoted.join(", ")),
        to_do: "Use the column names we agreed, and send the sheet again",
        limit: None,
    })
}

/// The references on a sheet, each once, in the order in which they come.
pub(crate) fn references(collect: &Collect, sheet: &Sheet) -> Vec<LegReference> {
    let columns = Columns::of(collect, sheet);
    let mut seen = std::collections::HashSet::new();
    let references = sheet
        .rows()
        .filter_map(|row| reference(collect, &columns, row).ok());
    references
        .filter(|reference| seen.insert(*reference))
        .collect()
}

/// Says of each row of a sheet whose it is and what it tells.
pub(crate) fn read(collect: &Collect, sheet: &Sheet, legs: &Legs, today: Date) -> FileFinding {
    let reading = Reading {
        collect,
        columns: Columns::of(collect, sheet),
        today,
        legs,
    };
    let rows: Vec<SheetRow<'_>> = sheet.rows().collect();
    reading.read(&rows)
}

/// The reference on a row.
///
/// # Errors
/// Why it is none.
fn reference(
    collect: &Collect,
    columns: &Columns<'_>,
    row: SheetRow<'_>,
) -> Result<LegReference, Reason> {
    match LegReference::parse(columns.cell(row, &collect.reference)) {
        Ok(reference) => Ok(reference),
        Err(ReferenceError::Length(0)) => Err(Reason::NoReference),
        Err(_) => Err(Reason::BadReference),
    }
}

impl Reading<'_> {
    /// Reads every row.
    fn read(&self, rows: &[SheetRow<'_>]) -> FileFinding {
        let placed: Vec<Result<&Delivered, Reason>> =
            rows.iter().map(|row| self.place(*row)).collect();
        let disagreeing: Vec<bool> = rows
            .iter()
            .zip(&placed)
            .map(|(row, placed)| placed.is_ok_and(|delivered| !self.agrees(*row, delivered)))
            .collect();
        let sorted = self.is_sorted(rows, &placed, &disagreeing);
        let closing = self.closing_days(rows, &placed);
        let findings =
            rows.iter()
                .zip(&placed)
                .zip(&disagreeing)
                .map(|((&row, placed), disagrees)| match placed {
                    Err(reason) => RowFinding {
                        line: row.line(),
                        disposition: ending(*reason),
                        reason: Some(*reason),
                        leg: LegId::NONE,
                        events: Vec::new(),
                        withdrawn: false,
                        column: None,
                    },
                    Ok(delivered) if sorted => held(row, delivered.leg, Reason::Sorted, None),
                    Ok(delivered) if *disagrees => {
                        held(row, delivered.leg, Reason::IdentityMismatch, None)
                    }
                    Ok(delivered) => {
                        self.events(row, delivered, closing.get(&delivered.leg).copied())
                    }
                });
        FileFinding {
            rows: findings.collect(),
            sorted,
        }
    }

    fn cell<'c>(&self, row: SheetRow<'c>, header: &str) -> &'c str {
        self.columns.cell(row, header)
    }

    fn place(&self, row: SheetRow<'_>) -> Result<&Delivered, Reason> {
        let reference = reference(self.collect, &self.columns, row)?;
        match self.legs.get(&reference) {
            None => Err(Reason::NotOurPerson),
            Some(delivered) if !delivered.own => Err(Reason::NotYourReference),
            Some(delivered) => Ok(delivered),
        }
    }
}

fn held(row: SheetRow<'_>, leg: LegId, reason: Reason, column: Option<String>) -> RowFinding {
    RowFinding {
        line: row.line(),
        disposition: Disposition::Held,
        reason: Some(reason),
        leg,
        events: Vec::new(),
        withdrawn: false,
        column,
    }
}

/// Whether a reference that leads nowhere is the partner's mistake, or a question for somebody else.
fn ending(reason: Reason) -> Disposition {
    if reason == Reason::NotYourReference {
        Disposition::Held
    } else {
        Disposition::Rejected
    }
}
