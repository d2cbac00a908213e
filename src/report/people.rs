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
use super::suppress::{Cell, Mean, mean, percent, suppress};

/// Change per questionnaire, over complete months.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Outcomes {
    /// The last month counted.
    pub(crate) to_month: String,
    pub(crate) instruments: Vec<InstrumentChange>,
}

/// Change in the items of one questionnaire.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct InstrumentChange {
    pub(crate) instrument: String,
    pub(crate) title: String,
    pub(crate) items: Vec<ItemChange>,
}

/// Change in one item, over people who answered it twice.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ItemChange {
    pub(crate) item: String,
    pub(crate) title: String,
    /// Ends of the scale.
    pub(crate) min: i64,
    pub(crate) max: i64,
    /// Which way the score improves.
    pub(crate) better_is: Better,
    /// People with both answers.
    pub(crate) pairs: Cell,
    pub(crate) mean_before: Option<Mean>,
    pub(crate) mean_after: Option<Mean>,
    /// Worked out before rounding, so it need not be the difference of the two means as printed.
    pub(crate) mean_change: Option<Mean>,
    pub(crate) better: Cell,
    pub(crate) better_percent: Option<Cell>,
    pub(crate) worse: Cell,
    pub(crate) worse_percent: Option<Cell>,
}

/// Works out the change in every item of every questionnaire.
pub(super) fn outcomes(input: &Input) -> Outcomes {
    let complete = |fact: &&Fact| {
        fact.month <= input.last_complete_month && fact.issue <= input.last_complete_month
    };
    let facts: Vec<&Fact> = input.facts.iter().filter(complete).collect();
    let instruments = input.instruments.iter().map(|instrument| InstrumentChange {
        instrument: instrument.id.clone(),
        title: instrument.title.clone(),
        items: instrument
            .items
            .iter()
            .map(|item| change(&instrument.id, item, &facts))
            .collect(),
    });
    Outcomes {
        to_month: input.last_complete_month.clone(),
        instruments: instruments.collect(),
    }
}

fn change(instrument: &str, item: &Item, facts: &[&Fact]) -> ItemChange {
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
    ItemChange {
        item: item.id.clone(),
        title: item.title.clone(),
        min: item.min,
        max: item.max,
        better_is: item.better,
        pairs,
        mean_before: mean(before, people),
        mean_after: mean(after, people),
        mean_change: mean(after.saturating_sub(before), people),
        better,
        better_percent: percent(better, pairs),
        worse,
        worse_percent: percent(worse, pairs),
    }
}
