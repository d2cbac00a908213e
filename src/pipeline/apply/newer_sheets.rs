//! Of whom a sheet that is newer than the one at hand has told: what this one says of them is no news where it contradicts.
//!
//! Newer is what was written later, by the time of the file. A copy that a program made of a sheet is an older state of it whatever its time says.

use std::collections::HashSet;

use super::record::ReturnRecord;
use crate::domain::{Disposition, LegId, ReturnId};
use crate::pipeline::event::stem;
use crate::store::rows::NEWER_RETURNS;

/// Rows of a return read at a time.
const PAGE: i64 = 5_000;

/// Of whom newer sheets have told.
#[derive(Default)]
pub(crate) struct NewerSheets {
    /// Perhaps of everybody.
    of_all: bool,
    /// There is one.
    any: bool,
    legs: HashSet<LegId>,
}

impl NewerSheets {
    /// Whether there is none.
    pub(crate) fn is_newest(&self) -> bool {
        !self.any
    }

    /// Whether one has told of this person.
    pub(crate) fn tell_of(&self, leg: LegId) -> bool {
        self.of_all || self.legs.contains(&leg)
    }
}

impl ReturnRecord<'_> {
    /// What sheets that were taken in are newer than this one, and of whom they tell.
    ///
    /// # Errors
    /// The store failed, or a sealed value does not open.
    pub(crate) async fn newer_sheets(&self) -> anyhow::Result<NewerSheets> {
        let sender = self.run.partners[self.taken.partner].strand;
        let store = &self.run.store;
        let newer = store
            .returns_written_after(sender, self.taken.written_micros)
            .await?;
        let mut found = NewerSheets::default();
        let many = i64::try_from(newer.len()).is_ok_and(|newer| newer >= NEWER_RETURNS);
        // A receipt that is mended and sent back is no older state of the sheet, whatever it is called; and a row that had been taken in was no older word
        // by the name of its sheet alone.
        let by_name = self.receipt.is_none() && !self.taken.told_before();
        let copy = by_name && self.is_copy().await?;
        found.of_all = many || copy;
        found.any = found.of_all || !newer.is_empty();
        if !found.of_all {
            for id in newer {
                self.newer_legs(id, &mut found.legs).await?;
            }
        }
        Ok(found)
    }

    /// Adds the legs of which a return was taken in.
    pub(super) async fn newer_legs(
        &self,
        id: ReturnId,
        legs: &mut HashSet<LegId>,
    ) -> anyhow::Result<()> {
        let mut after = 0;
        loop {
            let rows = self.run.store.return_rows(id, after, PAGE).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.row;
            let taken_in = rows.iter().filter(|row| {
                let (accepted, repeated) = (Disposition::Accepted, Disposition::Repeated);
                row.disposition == accepted || row.disposition == repeated
            });
            legs.extend(taken_in.map(|row| row.leg).filter(|leg| leg.is_some()));
        }
    }

    /// Whether the file bears the name of a copy that a program made of a sheet that came lately.
    async fn is_copy(&self) -> anyhow::Result<bool> {
        let (own, marked) = stem(&self.taken.name);
        if !marked {
            return Ok(false);
        }
        let earlier = self.lately().await?;
        Ok(earlier.iter().any(|earlier| stem(&earlier.name).0 == own))
    }
}
