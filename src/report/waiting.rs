//! Exceptions: the entries that wait, by who must act, why, and for how long.

use std::collections::BTreeMap;

use super::input::{Held, Input};
use super::table_model::{
    Column, RowUnit, TABLE, TableLayout, TableModel, TableRow, count, meaning, text,
};
use super::tables::Shown;
use super::words;
use crate::domain::Owner;

const WHO: &str = "Who must act";

const fn who(key: &'static str) -> Column {
    text(key).csv("who must act")
}

const AGES: [Column; 5] = [
    count("days_0_1").csv("0 to 1 days").page("0–1 days"),
    count("days_2_7").csv("2 to 7 days").page("2–7 days"),
    count("days_8_28").csv("8 to 28 days").page("8–28 days"),
    count("days_over_28")
        .csv("over 28 days")
        .page("over 28 days"),
    count("entries").page("All"),
];

#[rustfmt::skip]
const BY_OWNER: TableLayout = TableLayout {
    key: "waiting",
    row: ("OwnerRow", "Entries that wait for one owner; `owner` is `total` in the last row."),
    unit: RowUnit::Entries,
    notes: &["These referrals, returned rows and entries wait for a decision, a correction or an event; this says who must act."],
    columns: &[&[text("owner"), who("words").name(WHO)], &AGES],
    total: true,
    ..TABLE
};

#[rustfmt::skip]
const BY_REASON: TableLayout = TableLayout {
    key: "exceptions",
    row: ("ExceptionRow", "Entries that wait for the same owner and reason."),
    unit: RowUnit::Entries,
    columns: &[
        &[
            text("owner"),
            who("owner_words").page(WHO),
            text("reason"),
            meaning("words").name("Why it waits"),
        ],
        &AGES,
    ],
    ..TABLE
};

/// The last day of each band of age; what is older is in the fourth.
const BANDS: [i64; 3] = [1, 7, 28];

#[derive(Clone, Copy, Default)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, held: &Held) {
        let band = BANDS
            .iter()
            .position(|last| held.age_days <= *last)
            .unwrap_or(BANDS.len());
        self.0[band] = self.0[band].saturating_add(held.count);
    }

    fn total(self) -> u64 {
        self.0.into_iter().fold(0, u64::saturating_add)
    }

    fn row(self, names: &[&str], shown: Shown) -> TableRow {
        let mut row: TableRow = names.iter().map(|name| (*name).into()).collect();
        row.extend(shown.all(self.0));
        row.extend(shown.all([self.total()]));
        row
    }
}

/// An owner's word and name. An unknown one is the operator's to settle, so that nothing waits for nobody.
fn owner(code: &str) -> Owner {
    Owner::from_code(code).unwrap_or(Owner::It)
}

/// One row for each owner, also for those for whom nothing waits, and the total.
pub(super) fn by_owner(input: &Input, shown: Shown) -> TableModel {
    let mut total = Sum::default();
    let mut sums: BTreeMap<Owner, Sum> = Owner::ALL
        .into_iter()
        .map(|owner| (owner, Sum::default()))
        .collect();
    for held in &input.held {
        sums.entry(owner(&held.owner)).or_default().add(held);
        total.add(held);
    }
    let mut rows: Vec<TableRow> = sums
        .into_iter()
        .map(|(owner, sum)| sum.row(&[owner.code(), words::owner(owner)], shown))
        .collect();
    rows.push(total.row(&["total", "All"], shown));
    let title = "By who must act, and for how long it has waited";
    BY_OWNER.filled(rows, &[("waiting-owner", title)])
}

/// One row for each owner and reason, the commonest first.
pub(super) fn by_reason(input: &Input, shown: Shown) -> TableModel {
    let mut sums: BTreeMap<(Owner, &str), Sum> = BTreeMap::new();
    for held in input.held.iter().filter(|held| held.count > 0) {
        sums.entry((owner(&held.owner), &held.reason))
            .or_default()
            .add(held);
    }
    let mut sorted: Vec<((Owner, &str), Sum)> = sums.into_iter().collect();
    sorted.sort_by(
        |((owner, reason), sum), ((other_owner, other_reason), other)| {
            owner
                .cmp(other_owner)
                .then(other.total().cmp(&sum.total()))
                .then(reason.cmp(other_reason))
        },
    );
    let rows = sorted.into_iter().map(|((owner, reason), sum)| {
        let who = words::owner(owner);
        sum.row(&[owner.code(), who, reason, words::reason(reason)], shown)
    });
    BY_REASON.filled(rows.collect(), &[("waiting-reason", "By reason")])
}
