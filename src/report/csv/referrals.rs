//! The tables of the referrals: where they stand, what went to partners and came back, how far they have come, what changed for people.

use super::super::suppress::Mean;
use super::super::tables::{PlaceRow, Report, StateRow, WhyRow};
use super::{Sheet, cell, or_empty};

/// The tables in their order.
pub(super) fn sheets(report: &Report) -> Vec<Sheet> {
    vec![
        states(report),
        places("practices", &report.by_practice),
        places("partner-referrals", &report.by_partner),
        partners(report),
        funnel(report),
        outcomes(report),
    ]
}

/// A row for each state, and below it one for each of its reasons.
fn states(report: &Report) -> Sheet {
    let mut rows: Vec<(&StateRow, Option<&WhyRow>)> = Vec::new();
    for state in &report.states {
        rows.push((state, None));
        rows.extend(state.reasons.iter().map(|why| (state, Some(why))));
    }
    Sheet::new(
        "states",
        "legs",
        &rows,
        &[
            ("state", |(state, _)| state.state.clone()),
            ("what it means", |(state, _)| state.words.clone()),
            ("reason", |(_, why)| {
                why.map_or("all", |why| &why.reason).to_owned()
            }),
            ("what the reason means", |(_, why)| {
                or_empty(why.map(|why| &why.words))
            }),
            ("legs", |(state, why)| {
                cell(why.map_or(state.legs, |why| why.legs))
            }),
        ],
    )
}

fn places(file: &'static str, rows: &[PlaceRow]) -> Sheet {
    Sheet::new(
        file,
        "legs",
        rows,
        &[
            ("name", |row| row.name.clone()),
            ("waiting", |row| cell(row.waiting)),
            ("on the way", |row| cell(row.on_the_way)),
            ("with partner", |row| cell(row.with_partner)),
            ("completed", |row| cell(row.completed)),
            ("ended otherwise", |row| cell(row.ended_otherwise)),
            ("legs", |row| cell(row.legs)),
        ],
    )
}

fn partners(report: &Report) -> Sheet {
    Sheet::new(
        "partners",
        "rows",
        &report.partners,
        &[
            ("partner", |row| row.name.clone()),
            ("kind", |row| or_empty(row.kind.as_deref())),
            ("files", |row| row.files.to_string()),
            ("last file", |row| or_empty(row.last_file.as_deref())),
            ("last file on", |row| or_empty(row.last_file_day.as_deref())),
            ("sequence", |row| or_empty(row.sequence)),
            ("missing sequences", |row| {
                let gaps: Vec<String> = row.sequence_gaps.iter().map(i64::to_string).collect();
                gaps.join(" ")
            }),
            ("new", |row| cell(row.new)),
            ("changed", |row| cell(row.amend)),
            ("stop", |row| cell(row.stop)),
            ("wait", |row| cell(row.pause)),
            ("returns", |row| row.returns.to_string()),
            ("last return on", |row| {
                or_empty(row.last_return_day.as_deref())
            }),
            ("silent days", |row| or_empty(row.silent_days)),
            ("rows returned", |row| cell(row.rows_returned)),
            ("accepted", |row| cell(row.accepted)),
            ("repeated", |row| cell(row.repeated)),
            ("rejected", |row| cell(row.rejected)),
            ("held", |row| cell(row.held)),
            ("reject rate %", |row| or_empty(row.reject_rate.map(cell))),
        ],
    )
}

fn funnel(report: &Report) -> Sheet {
    Sheet::new(
        "funnel",
        "legs",
        &report.funnel,
        &[
            ("month received", |row| row.month.clone()),
            ("received", |row| cell(row.received)),
            ("matched", |row| cell(row.matched)),
            ("accepted", |row| cell(row.accepted)),
            ("attending", |row| cell(row.attending)),
            ("completed", |row| cell(row.completed)),
            ("declined by partner", |row| cell(row.declined_by_partner)),
            ("ended early", |row| cell(row.ended_early)),
            ("cancelled", |row| cell(row.cancelled)),
            ("not delivered", |row| cell(row.not_delivered)),
            ("by mistake", |row| cell(row.by_mistake)),
        ],
    )
}

fn outcomes(report: &Report) -> Sheet {
    let mut rows = Vec::new();
    for instrument in &report.outcomes.instruments {
        let items = instrument.items.iter();
        rows.extend(items.map(|item| (instrument, item, &report.outcomes.to_month)));
    }
    Sheet::new(
        "outcomes",
        "people",
        &rows,
        &[
            ("instrument", |(instrument, ..)| {
                instrument.instrument.clone()
            }),
            ("item", |(_, item, _)| item.item.clone()),
            ("title", |(_, item, _)| item.title.clone()),
            ("to month", |(.., to_month)| (*to_month).clone()),
            ("better is", |(_, item, _)| item.better_is.code().to_owned()),
            ("pairs", |(_, item, _)| cell(item.pairs)),
            ("mean before", |(_, item, _)| mean(item.mean_before)),
            ("mean after", |(_, item, _)| mean(item.mean_after)),
            ("mean change", |(_, item, _)| mean(item.mean_change)),
            ("better", |(_, item, _)| cell(item.better)),
            ("better %", |(_, item, _)| {
                or_empty(item.better_percent.map(cell))
            }),
            ("worse", |(_, item, _)| cell(item.worse)),
            ("worse %", |(_, item, _)| {
                or_empty(item.worse_percent.map(cell))
            }),
        ],
    )
}

fn mean(mean: Option<Mean>) -> String {
    match mean {
        None => String::new(),
        Some(Mean::Value(value)) => format!("{value:.1}"),
        Some(Mean::Hidden(_)) => "*".to_owned(),
    }
}
