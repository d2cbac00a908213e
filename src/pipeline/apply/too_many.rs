//! More that is new than anybody tells in one sheet: of one person, or in all.
//!
//! What is known already is no question: a sheet that is sent whole every week tells it again each time.

use std::collections::{HashMap, HashSet};

use super::record::Touched;
use crate::domain::limits::LEG_EVENTS_MAX;
use crate::domain::{Disposition, LegId, Reason};
use crate::pipeline::event::RowFinding;

/// Of whom a sheet tells more than it may.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TooMany {
    /// The sheet as a whole.
    pub(crate) of_file: bool,
    legs: HashSet<LegId>,
}

impl TooMany {
    /// Counts what is new; `file_max`: the most that a whole sheet may tell.
    pub(crate) fn of(touched: &HashMap<LegId, Touched>, file_max: usize) -> Self {
        let counts = touched.iter().map(|(leg, one)| (*leg, one.fresh.len()));
        Self::counted(counts, file_max)
    }

    fn counted(counts: impl Iterator<Item = (LegId, usize)>, file_max: usize) -> Self {
        let (mut all, mut legs) = (0, HashSet::new());
        for (leg, count) in counts {
            all += count;
            if count > LEG_EVENTS_MAX {
                legs.insert(leg);
            }
        }
        Self {
            of_file: all > file_max,
            legs,
        }
    }

    /// Whether nothing new of this person is taken in.
    pub(crate) fn holds(&self, leg: LegId) -> bool {
        self.of_file || self.legs.contains(&leg)
    }

    /// Holds the rows that tell something new.
    pub(crate) fn hold(&self, rows: &mut [RowFinding], touched: &mut HashMap<LegId, Touched>) {
        if !self.of_file && self.legs.is_empty() {
            return;
        }
        for row in rows {
            if row.disposition != Disposition::Accepted || !self.holds(row.leg) {
                continue;
            }
            (row.disposition, row.reason) = (Disposition::Held, Some(Reason::TooManyEvents));
            row.hint = self.of_file.then(|| {
                "Your file tells more that is new than we take in at once. Send it in parts."
                    .to_owned()
            });
        }
        let held = touched.values_mut().filter(|one| self.holds(one.leg.id));
        held.for_each(|one| one.fresh.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits::{RETURN_EVENTS, holds_at};

    #[test]
    fn a_person_and_a_sheet_have_as_much_that_is_new_as_the_limits_say() {
        let [one, other] = [LegId::new(1), LegId::new(2)];
        holds_at(LEG_EVENTS_MAX, |count| {
            let found = TooMany::counted([(one, count), (other, 1)].into_iter(), usize::MAX);
            assert!(!found.of_file && !found.holds(other));
            !found.holds(one)
        });
        let file_max = usize::try_from(RETURN_EVENTS.usual).unwrap();
        holds_at(file_max, |count| {
            let of_leg = |leg| (LegId::new(leg), 1);
            let counts = (1..=i64::try_from(count).unwrap()).map(of_leg);
            let found = TooMany::counted(counts, file_max);
            assert_eq!(found.holds(one), found.of_file);
            !found.of_file
        });
    }
}
