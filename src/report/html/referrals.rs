//! The chapters of the referrals: where they stand, partners, how far they have come, what changed for people.

use maud::{Markup, html};

use super::super::people::InstrumentChange;
use super::super::suppress::Cell;
use super::super::tables::{PartnerRow, PlaceRow, Report};
use super::super::words;
use super::{Grid, HIDDEN, LEGS, ROWS, Value, charts, or_dash};

/// Months of the funnel that the page prints; earlier ones are in `report.json` and the table file.
const MONTHS_PRINTED: usize = 12;

fn places(id: &str, caption: &str, name: &'static str, rows: &[PlaceRow]) -> Markup {
    let grid = Grid {
        rows,
        id,
        caption,
        unit: LEGS,
        name: (name, |row| row.name.clone()),
        columns: &[
            ("#Waiting", |row| Value::Count(row.waiting)),
            ("#On the way", |row| Value::Count(row.on_the_way)),
            ("#With the partner", |row| Value::Count(row.with_partner)),
            ("#Completed", |row| Value::Count(row.completed)),
            ("#Ended otherwise", |row| Value::Count(row.ended_otherwise)),
            ("#All", |row| Value::Count(row.legs)),
        ],
        total: false,
    };
    grid.draw()
}

pub(super) fn states(report: &Report) -> Markup {
    let by_state = Grid {
        rows: &report.states,
        id: "by-state",
        caption: "All referrals by where they stand",
        unit: LEGS,
        name: ("Where it stands", |row| row.words.clone()),
        columns: &[
            ("#Referrals", |row| Value::Count(row.legs)),
            ("Why, where a reason was given", |row| {
                let why = row.reasons.iter();
                Value::Lines(
                    why.map(|why| format!("{}: {}", why.words, words::count(why.legs)))
                        .collect(),
                )
            }),
        ],
        total: false,
    };
    html! {
        p { "Every referral ever received stands in exactly one of these places at the end of the day." }
        (by_state.draw())
        (places("by-practice", "By practice", "Practice", &report.by_practice))
        (places("by-partner", "By partner", "Partner", &report.by_partner))
    }
}

fn number_or_dash(number: Option<i64>) -> Value {
    Value::Figure(or_dash(number.map(|number| number.to_string())))
}

/// The numbers of files that are missing.
fn missing(row: &PartnerRow) -> Value {
    let gaps: Vec<String> = row.sequence_gaps.iter().map(i64::to_string).collect();
    Value::Text(if gaps.is_empty() {
        "none".to_owned()
    } else {
        gaps.join(", ")
    })
}

fn last_return(row: &PartnerRow) -> Value {
    Value::Text(match &row.last_return_day {
        Some(day) => words::day(day),
        None if row.returns == 0 => "none yet".to_owned(),
        // Folded partners have no day of their own.
        None => or_dash(None),
    })
}

pub(super) fn partners(report: &Report) -> Markup {
    let sent = Grid {
        rows: &report.partners,
        id: "partners-sent",
        caption: "Sent to partners so far",
        unit: ROWS,
        name: ("Partner", |row| row.name.clone()),
        columns: &[
            ("Last file", |row| {
                Value::Text(or_dash(row.last_file.clone()))
            }),
            ("On", |row| {
                Value::Text(or_dash(row.last_file_day.as_deref().map(words::day)))
            }),
            ("#Number of that file", |row| number_or_dash(row.sequence)),
            ("Missing numbers", missing),
            ("#New", |row| Value::Count(row.new)),
            ("#Changed", |row| Value::Count(row.amend)),
            ("#Please stop", |row| Value::Count(row.stop)),
            ("#Please wait", |row| Value::Count(row.pause)),
        ],
        total: false,
    };
    let back = Grid {
        rows: &report.partners,
        id: "partners-back",
        caption: "Returned by partners so far",
        unit: ROWS,
        name: ("Partner", |row| row.name.clone()),
        columns: &[
            ("#Files returned", |row| {
                Value::Count(Cell::Number(row.returns))
            }),
            ("Last one on", last_return),
            ("#Days since", |row| number_or_dash(row.silent_days)),
            ("#Taken in", |row| Value::Count(row.accepted)),
            ("#Known before", |row| Value::Count(row.repeated)),
            ("#Not taken in", |row| Value::Count(row.rejected)),
            ("#Being checked", |row| Value::Count(row.held)),
            ("#All rows", |row| Value::Count(row.rows_returned)),
            ("#Not taken in, %", |row| {
                Value::Figure(words::percent(row.reject_rate))
            }),
        ],
        total: false,
    };
    html! {
        p { "Each partner gets numbered files of referrals and sends files back about what happened; a missing number would mean a lost file." }
        (sent.draw())
        (back.draw())
    }
}

pub(super) fn funnel(report: &Report) -> Markup {
    let Some((total, months)) = report.funnel.split_last() else {
        return html! {};
    };
    let printed = months.iter().take(MONTHS_PRINTED).chain([total]);
    let grid = Grid {
        rows: &printed.collect::<Vec<_>>(),
        id: "funnel-table",
        caption: "How far referrals have come, by the month in which they were received",
        unit: LEGS,
        name: ("Received in", |row| match row.month.as_str() {
            "total" => "All months".to_owned(),
            month => words::month(month),
        }),
        columns: &[
            ("#Received", |row| Value::Count(row.received)),
            ("#Matched to a partner", |row| Value::Count(row.matched)),
            ("#Taken on by partner", |row| Value::Count(row.accepted)),
            ("#Attending or finished", |row| Value::Count(row.attending)),
            ("#Completed", |row| Value::Count(row.completed)),
            ("#Partner could not take them", |row| {
                Value::Count(row.declined_by_partner)
            }),
            ("#Ended early", |row| Value::Count(row.ended_early)),
            ("#Cancelled", |row| Value::Count(row.cancelled)),
            ("#Could not be delivered", |row| {
                Value::Count(row.not_delivered)
            }),
            ("#Sent by mistake", |row| Value::Count(row.by_mistake)),
        ],
        total: true,
    };
    html! {
        p { "How far the referrals received in each month have come so far; those of recent months are still on their way." }
        figure { figcaption { "All months together" } (charts::funnel(total)) }
        (grid.draw())
        p class="class" {
            "The first five columns count every referral that has come that far by where it stands now; the last five are the other ways to end. "
            "A referral that ended early counts as matched, not as taken on, since its last place does not tell."
            @if months.len() > MONTHS_PRINTED { " Earlier months are in “All months”, and one by one in tables/funnel.csv." }
        }
    }
}

fn instrument(instrument: &InstrumentChange) -> Markup {
    let grid = Grid {
        rows: &instrument.items,
        id: &format!("{}-table", instrument.instrument),
        caption: &instrument.title,
        unit: "people who answered twice",
        name: ("Question", |item| item.title.clone()),
        columns: &[
            ("Better is", |item| {
                Value::Text(item.better_is.code().to_owned())
            }),
            ("#People (n)", |item| Value::Count(item.pairs)),
            ("#Mean before", |item| {
                Value::Figure(words::mean(item.mean_before))
            }),
            ("#Mean after", |item| {
                Value::Figure(words::mean(item.mean_after))
            }),
            ("#Mean change", |item| {
                Value::Figure(words::change(item.mean_change))
            }),
            ("#Better", |item| Value::Count(item.better)),
            ("#Better, % of n", |item| {
                Value::Figure(words::percent(item.better_percent))
            }),
            ("#Worse", |item| Value::Count(item.worse)),
            ("#Worse, % of n", |item| {
                Value::Figure(words::percent(item.worse_percent))
            }),
        ],
        total: false,
    };
    html! {
        figure { figcaption { "Mean score before and after" } (charts::change(instrument)) }
        (grid.draw())
    }
}

pub(super) fn outcomes(report: &Report) -> Markup {
    html! {
        p {
            "People were asked the same questions at the start and again later; this shows how their answers differ, over all complete months to "
            (words::month(&report.outcomes.to_month)) "."
        }
        @for change in &report.outcomes.instruments { (instrument(change)) }
        p class="class" {
            "* " (HIDDEN) ". Other counts are rounded to the nearest 5, and percentages come from the rounded counts. "
            "The questions are reported one by one and never added up. The change is worked out before rounding. "
            "A difference between the two answers does not say what brought it about: there is no group to compare with."
        }
    }
}
