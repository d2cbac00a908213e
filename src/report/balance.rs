//! Opening + received = finished + closing, per practice and in total.
//!
//! The two sides are counted from different columns, so that they can disagree: what was open, came and went from the days on which legs were received
//! and ended, what is left from the states in which they stand now.

use std::collections::BTreeMap;

use super::input::{Ended, Input, Legs, Opened};
use super::table_model::{RowUnit, TABLE, TableLayout, TableModel, TableRow, count, text, verdict};
use super::tables::{Place, Places, Shown};
use super::words;
use crate::domain::LegState;

#[rustfmt::skip]
const BALANCE: TableLayout = TableLayout {
    key: "balance",
    row: ("BalanceRow", "Opening + received = finished + closing."),
    unit: RowUnit::Legs,
    notes: &[
        "What was open at the start of the day, and what came in, must either have finished or still be open: nothing may vanish.",
        "Open at the start + received = finished + open at the end.",
    ],
    columns: &[&[
        text("practice").name("Practice"),
        count("opening").page("Open at the start"),
        count("received").page("Received"),
        count("finished").page("Finished"),
        count("closing").page("Open at the end"),
        verdict(),
    ]],
    total: true,
    ..TABLE
};

/// Opening, received, finished, closing.
#[derive(Clone, Copy, Default)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, legs: &Legs) {
        let state = LegState::from_code(&legs.state);
        let counts = [
            legs.opened == Opened::Before && legs.ended != Ended::Before,
            legs.opened == Opened::Within,
            legs.ended == Ended::Within,
            state.is_some_and(|state| !state.terminal()),
        ];
        for (sum, counts) in self.0.iter_mut().zip(counts) {
            *sum = sum.saturating_add(if counts { legs.count } else { 0 });
        }
    }

    fn row(self, practice: String, shown: Shown) -> TableRow {
        let [opening, received, finished, closing] = self.0;
        let balances = opening.checked_add(received) == finished.checked_add(closing);
        let mut row = vec![practice.into()];
        row.extend(shown.all(self.0));
        row.push(balances.into());
        row
    }
}

/// One row a practice, and the total.
pub(super) fn table(input: &Input, shown: Shown, places: &Places<'_>) -> TableModel {
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
    let mut rows: Vec<TableRow> = sums
        .into_iter()
        .map(|((_, name), sum)| sum.row(name, shown))
        .collect();
    rows.push(total.row("All practices".to_owned(), shown));
    let title = format!("Referrals on {}", words::day(&input.night));
    BALANCE.filled(rows, &[("balance-table", &title)])
}
