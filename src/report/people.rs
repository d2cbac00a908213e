//! Figures about people: the change in each questionnaire item between the first answer and the follow-up.
//!
//! Facts go in, suppressed cells come out, always, also where the operations tables are exact. Invariants: only complete calendar months count, by
//! follow-up and by recording, so that two nights of a month print the same; items are never added up, since the questionnaires have no total.
//!
//! # Source
//! ONS guidance on personal well-being: report the four measures one by one; improvement in anxiety is a fall.

use schemars::JsonSchema;
use serde::Serialize;

use super::input::{Better, Fact, Input, Item};
use super::suppress::{mean, percent, suppress};
use super::table_model::{
    RowUnit, TABLE, TableLayout, TableModel, TableRow, ValueKind, count, of, text,
};

/// Change per questionnaire, over complete months.
#[derive(Clone, Serialize, JsonSchema)]
pub(crate) struct Outcomes {
    /// The last month counted.
    pub(crate) to_month: String,
    pub(crate) instruments: Vec<InstrumentChange>,
}

/// Change in the items of one questionnaire.
#[derive(Clone, Serialize, JsonSchema)]
pub(crate) struct InstrumentChange {
    pub(crate) instrument: String,
    pub(crate) title: String,
    pub(crate) items: TableModel,
}

#[rustfmt::skip]
pub(super) const ITEMS: TableLayout = TableLayout {
    key: "items",
    row: ("ItemChange", "Change in one item, over people who answered it twice."),
    file: "outcomes",
    unit: RowUnit::People,
    columns: &[&[
        text("").csv("instrument"),
        text("item"),
        text("title").name("Question"),
        text("").csv("to month"),
        of(ValueKind::Signed, "min").no_csv().about("Ends of the scale."),
        of(ValueKind::Signed, "max").no_csv(),
        of(ValueKind::Better, "better_is").page("Better is").about("Which way the score improves."),
        count("pairs").page("People (n)").about("People with both answers."),
        of(ValueKind::Mean, "mean_before").or_none().page("Mean before"),
        of(ValueKind::Mean, "mean_after").or_none().page("Mean after"),
        of(ValueKind::Change, "mean_change").or_none().page("Mean change").about("Worked out before rounding, so it need not be the difference of the two means as printed."),
        count("better").page("Better"),
        of(ValueKind::Percent, "better_percent").or_none().csv("better %").page("Better, % of n"),
        count("worse").page("Worse"),
        of(ValueKind::Percent, "worse_percent").or_none().csv("worse %").page("Worse, % of n"),
    ]],
    ..TABLE
};

/// Works out the change in every item of every questionnaire.
pub(super) fn outcomes(input: &Input) -> Outcomes {
    let complete = |fact: &&Fact| {
        fact.month <= input.last_complete_month && fact.issue <= input.last_complete_month
    };
    let facts: Vec<&Fact> = input.facts.iter().filter(complete).collect();
    let to_month = &input.last_complete_month;
    let instruments = input.instruments.iter().map(|instrument| {
        let items = instrument.items.iter();
        let rows = items.map(|item| change(&instrument.id, item, &facts, to_month));
        let part = (&*format!("{}-table", instrument.id), &*instrument.title);
        InstrumentChange {
            instrument: instrument.id.clone(),
            title: instrument.title.clone(),
            items: ITEMS.filled(rows.collect(), &[part]),
        }
    });
    Outcomes {
        to_month: input.last_complete_month.clone(),
        instruments: instruments.collect(),
    }
}

fn change(instrument: &str, item: &Item, facts: &[&Fact], to_month: &str) -> TableRow {
    let (mut people, mut better, mut worse) = (0_u64, 0_u64, 0_u64);
    let (mut before, mut after) = (0_i128, 0_i128);
    for fact in facts
        .iter()
        .filter(|fact| fact.instrument == instrument && fact.item == item.id)
    {
        let (improved, declined) = match item.better {
            Better::Higher => (fact.after > fact.before, fact.after < fact.before),
            Better::Lower => (fact.after < fact.before, fact.after > fact.before),
        };
        people = people.saturating_add(fact.count);
        better = better.saturating_add(if improved { fact.count } else { 0 });
        worse = worse.saturating_add(if declined { fact.count } else { 0 });
        before =
            before.saturating_add(i128::from(fact.before).saturating_mul(i128::from(fact.count)));
        after = after.saturating_add(i128::from(fact.after).saturating_mul(i128::from(fact.count)));
    }
    let (pairs, better, worse) = (suppress(people), suppress(better), suppress(worse));
    vec![
        instrument.into(),
        item.id.as_str().into(),
        item.title.as_str().into(),
        to_month.into(),
        item.min.into(),
        item.max.into(),
        item.better.code().into(),
        pairs.into(),
        mean(before, people).into(),
        mean(after, people).into(),
        mean(after.saturating_sub(before), people).into(),
        better.into(),
        percent(better, pairs).into(),
        worse.into(),
        percent(worse, pairs).into(),
    ]
}
