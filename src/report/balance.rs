//! Opening + received = finished + closing, per practice and in total.
//!
//! The two sides are counted from different columns, so that they can disagree: what was open, came and went from the days on which legs were received
//! and ended, what is left from the states in which they stand now.

use std::collections::BTreeMap;

use super::input::{Ended, Input, Legs, Opened};
use super::tables::{BalanceRow, Place, Places, Shown};
use crate::domain::LegState;

#[derive(Clone, Copy, Default)]
struct Sum {
    opening: u64,
    received: u64,
    finished: u64,
    closing: u64,
}

impl Sum {
    fn add(&mut self, legs: &Legs) {
        let to = |sum: &mut u64, counts: bool| {
            if counts {
                *sum = sum.saturating_add(legs.count);
            }
        };
        to(
            &mut self.opening,
            legs.opened == Opened::Before && legs.ended != Ended::Before,
        );
        to(&mut self.received, legs.opened == Opened::Within);
        to(&mut self.finished, legs.ended == Ended::Within);
        to(
            &mut self.closing,
            LegState::from_code(&legs.state).is_some_and(|state| !state.terminal()),
        );
    }

    fn row(self, practice: String, shown: Shown) -> BalanceRow {
        BalanceRow {
            practice,
            opening: shown.cell(self.opening),
            received: shown.cell(self.received),
            finished: shown.cell(self.finished),
            closing: shown.cell(self.closing),
            balances: self.opening.checked_add(self.received)
                == self.finished.checked_add(self.closing),
        }
    }
}

/// One row a practice, and the total.
pub(super) fn rows(input: &Input, shown: Shown, places: &Places<'_>) -> Vec<BalanceRow> {
    let mut sums: BTreeMap<Place, Sum> = input
        .sources
        .iter()
        .map(|source| (places.practice(&source.id), Sum::default()))
        .collect();
    let mut total = Sum::default();
    for legs in &input.legs {
        sums.entry(places.practice(&legs.source))
            .or_default()
            .add(legs);
        total.add(legs);
    }
    let mut rows: Vec<BalanceRow> = sums
        .into_iter()
        .map(|((_, name), sum)| sum.row(name, shown))
        .collect();
    rows.push(total.row("All practices".to_owned(), shown));
    rows
}
