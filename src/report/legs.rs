//! Legs by state and by place, and the funnel: how far the legs of each month have come.
//!
//! A leg is counted where it stands; its history is not in the cube. So a leg that ended early counts as sent, not as accepted, whatever happened
//! between: the report says this beside the table.

use std::collections::BTreeMap;

use super::input::{Input, Legs};
use super::table_model::{
    Column, Datum, RowUnit, TABLE, TableFormat, TableLayout, TableModel, TableRow, ValueKind,
    count, meaning, of, text,
};
use super::tables::{Place, Places, Shown};
use super::words;
use crate::domain::LegState;

/// The word of the row for states that this version does not know.
const UNKNOWN: &str = "unknown";
/// Months of the funnel that the page prints; earlier ones are in `report.json` and the table file.
const MONTHS_PRINTED: usize = 12;

#[rustfmt::skip]
const STATES: TableLayout = TableLayout {
    key: "states",
    row: ("StateRow", "Legs in a state, and why."),
    unit: RowUnit::Legs,
    notes: &["Every referral ever received stands in exactly one of these places at the end of the day."],
    columns: &[&[
        text("state"),
        meaning("words").name("Where it stands"),
        count("legs").page("Referrals").later(TableFormat::Csv, 1),
        of(ValueKind::Rows(&WHY), "reasons").page("Why, where a reason was given"),
    ]],
    ..TABLE
};

/// The rows below a state.
#[rustfmt::skip]
const WHY: TableLayout = TableLayout {
    row: ("WhyRow", "Legs of a state with the same reason."),
    unit: RowUnit::Legs,
    columns: &[&[
        text("reason"),
        text("words").csv("what the reason means"),
        count("legs").no_csv(),
    ]],
    ..TABLE
};

#[rustfmt::skip]
const fn place_columns(of: &'static str) -> [Column; 7] {
    [
        text("name").name(of),
        count("waiting").page("Waiting").about("Received, held."),
        count("on_the_way").page("On the way").about("Routed, sent, delivered."),
        count("with_partner").page("With the partner").about("Accepted, in progress, on hold."),
        count("completed").page("Completed"),
        count("ended_otherwise").page("Ended otherwise").about("Every other ending."),
        count("legs").page("All"),
    ]
}

#[rustfmt::skip]
const BY_PRACTICE: TableLayout = TableLayout {
    key: "by_practice",
    row: ("PlaceRow", "Legs of a practice or partner, by how far they have come."),
    file: "practices",
    unit: RowUnit::Legs,
    columns: &[&place_columns("Practice")],
    ..TABLE
};

const BY_PARTNER: TableLayout = TableLayout {
    key: "by_partner",
    file: "partner-referrals",
    columns: &[&place_columns("Partner")],
    ..BY_PRACTICE
};

#[rustfmt::skip]
const FUNNEL: TableLayout = TableLayout {
    key: "funnel",
    row: ("FunnelRow", "How far the legs of a month have come; `month` is `total` in the last row."),
    unit: RowUnit::Legs,
    notes: &["How far the referrals received in each month have come so far; those of recent months are still on their way."],
    columns: &[&[
        of(ValueKind::Month, "month").csv("month received").name("Received in"),
        count("received").page("Received"),
        count("matched").page("Matched to a partner"),
        count("accepted").page("Taken on, or on its waiting list"),
        count("under_way_or_completed").page("Support under way or completed"),
        count("completed").page("Completed"),
        count("declined_by_partner").page("Partner could not take them"),
        count("ended_early").page("Ended early"),
        count("cancelled").page("Cancelled"),
        count("not_delivered").page("Could not be delivered"),
        count("entered_in_error").page("Entered in error"),
    ]],
    total: true,
    ..TABLE
};

/// One row for each state in the order of a leg's life, each with its reasons.
pub(super) fn states(input: &Input, shown: Shown) -> TableModel {
    let mut sums: BTreeMap<Option<LegState>, (u64, BTreeMap<&str, u64>)> = LegState::ALL
        .into_iter()
        .map(|state| (Some(state), <(u64, BTreeMap<&str, u64>)>::default()))
        .collect();
    for legs in &input.legs {
        let (sum, reasons) = sums.entry(LegState::from_code(&legs.state)).or_default();
        *sum = sum.saturating_add(legs.count);
        if let Some(why) = legs.why.as_deref().filter(|_| legs.count > 0) {
            let reason = reasons.entry(why).or_default();
            *reason = reason.saturating_add(legs.count);
        }
    }
    let rows = sums.into_iter().map(|(state, (count, reasons))| {
        let mut reasons: Vec<(&str, u64)> = reasons.into_iter().collect();
        reasons.sort_by(|(reason, count), (other_reason, other)| {
            other.cmp(count).then(reason.cmp(other_reason))
        });
        let why = reasons.into_iter().map(|(reason, count)| {
            let words = words::reason(reason);
            vec![reason.into(), words.into(), shown.cell(count).into()]
        });
        vec![
            state.map_or(UNKNOWN, LegState::code).into(),
            state.map_or(words::UNKNOWN, words::state).into(),
            shown.cell(count).into(),
            Datum::Rows(WHY.filled(why.collect(), &[])),
        ]
    });
    let part = ("by-state", "All referrals by where they stand");
    STATES.filled(rows.collect(), &[part])
}

/// Legs that were sent and of which nothing has come back: the books balance with them, and somebody should ask.
pub(super) fn without_word(input: &Input) -> u64 {
    let out = input.legs.iter().filter(|legs| {
        let state = LegState::from_code(&legs.state);
        matches!(state, Some(LegState::Sent | LegState::Delivered))
    });
    out.fold(0, |sum, legs| sum.saturating_add(legs.count))
}

/// One row for each practice that has legs.
pub(super) fn by_practice(input: &Input, shown: Shown, places: &Places<'_>) -> TableModel {
    let rows = by_place(input, shown, |legs| places.practice(&legs.source));
    BY_PRACTICE.filled(rows, &[("by-practice", "By practice")])
}

/// One row for each partner that has legs.
pub(super) fn by_partner(input: &Input, shown: Shown, places: &Places<'_>) -> TableModel {
    let rows = by_place(input, shown, |legs| places.partner(legs.partner.as_deref()));
    BY_PARTNER.filled(rows, &[("by-partner", "By partner")])
}

fn by_place(input: &Input, shown: Shown, place: impl Fn(&Legs) -> Place) -> Vec<TableRow> {
    let mut sums: BTreeMap<Place, [u64; 6]> = BTreeMap::new();
    for legs in &input.legs {
        let sum = sums.entry(place(legs)).or_default();
        for column in [group(LegState::from_code(&legs.state)), 5] {
            sum[column] = sum[column].saturating_add(legs.count);
        }
    }
    let rows = sums.into_iter().map(|((_, name), sum)| {
        let mut row = vec![name.into()];
        row.extend(shown.all(sum));
        row
    });
    rows.collect()
}

fn group(state: Option<LegState>) -> usize {
    use LegState::{Accepted, Completed, Delivered, InProgress, OnHold, Routed, Sent};
    match state {
        Some(Routed | Sent | Delivered) => 1,
        Some(Accepted | InProgress | OnHold) => 2,
        Some(Completed) => 3,
        Some(ended) if ended.terminal() => 4,
        _ => 0,
    }
}

/// A count for each column of the funnel.
#[derive(Clone, Copy, Default)]
struct Sum([u64; 10]);

impl Sum {
    fn add(&mut self, legs: &Legs) {
        use LegState::{
            Accepted, Cancelled, ClosedUnsuccessful, Completed, Delivered, EnteredInError, Failed,
            InProgress, OnHold, Rejected, Routed, Sent,
        };
        let state = LegState::from_code(&legs.state);
        let matched = match state {
            Some(
                Routed | Sent | Delivered | Accepted | Rejected | InProgress | OnHold | Completed
                | ClosedUnsuccessful | Failed,
            ) => true,
            // The partner is filled in when a leg is routed, so an ended leg that names one had come that far.
            Some(Cancelled | EnteredInError) => legs.partner.is_some(),
            _ => false,
        };
        let counts = [
            true,
            matched,
            matches!(state, Some(Accepted | InProgress | OnHold | Completed)),
            matches!(state, Some(InProgress | Completed)),
            state == Some(Completed),
            state == Some(Rejected),
            state == Some(ClosedUnsuccessful),
            state == Some(Cancelled),
            state == Some(Failed),
            state == Some(EnteredInError),
        ];
        for (sum, counts) in self.0.iter_mut().zip(counts) {
            *sum = sum.saturating_add(if counts { legs.count } else { 0 });
        }
    }

    fn row(self, month: &str, shown: Shown) -> TableRow {
        let mut row = vec![month.into()];
        row.extend(shown.all(self.0));
        row
    }
}

/// One row for each month of receipt, the latest first, and the total.
pub(super) fn funnel(input: &Input, shown: Shown) -> TableModel {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    let mut total = Sum::default();
    for legs in &input.legs {
        sums.entry(&legs.month).or_default().add(legs);
        total.add(legs);
    }
    let months = sums.len();
    let rows = sums.into_iter().rev().chain([("total", total)]);
    let rows = rows.map(|(month, sum)| sum.row(month, shown));
    let title = "How far referrals have come, by the month in which they were received";
    let mut table = FUNNEL.filled(rows.collect(), &[("funnel-table", title)]);
    table.parts[0].rows_max = MONTHS_PRINTED;
    let mut below = "The first five columns count every referral that has come that far by where it stands now; the last five are the other ways to end. \
        A referral that ended early counts as matched, not as taken on, since its last place does not tell."
        .to_owned();
    if months > MONTHS_PRINTED {
        below.push_str(" Earlier months are in “All months”, and one by one in tables/funnel.csv.");
    }
    table.below = Some(below);
    table
}
