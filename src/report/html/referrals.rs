//! The chapters of the referrals: where they stand, partners, how far they have come, what changed for people.

use maud::{Markup, html};

use super::super::people::{InstrumentChange, ItemChange};
use super::super::suppress::Cell;
use super::super::tables::{FunnelRow, PartnerRow, PlaceRow, Report};
use super::super::words;
use super::{Grid, HIDDEN, LEGS, ROWS, Row, Value, charts, counts};

/// Months of the funnel that the page prints; earlier ones are in `report.json` and the table file.
const MONTHS_PRINTED: usize = 12;

fn place_rows(rows: &[PlaceRow]) -> Vec<Row> {
    rows.iter()
        .map(|row| {
            let cells = [
                row.waiting,
                row.on_the_way,
                row.with_partner,
                row.completed,
                row.ended_otherwise,
                row.legs,
            ];
            Row::new(row.name.clone(), counts(&cells))
        })
        .collect()
}

pub(super) fn states(report: &Report) -> Markup {
    let rows = report.states.iter().map(|row| {
        let why = row
            .reasons
            .iter()
            .map(|why| format!("{}: {}", why.words, words::count(why.legs)))
            .collect();
        Row::new(
            row.words.clone(),
            vec![Value::Count(row.legs), Value::Lines(why)],
        )
    });
    let by_state = Grid {
        id: "by-state",
        caption: "All referrals by where they stand".to_owned(),
        unit: LEGS,
        columns: &[
            "Where it stands",
            "#Referrals",
            "Why, where a reason was given",
        ],
        rows: rows.collect(),
    };
    let by_practice = Grid {
        id: "by-practice",
        caption: "By practice".to_owned(),
        unit: LEGS,
        columns: &[
            "Practice",
            "#Waiting",
            "#On the way",
            "#With the partner",
            "#Completed",
            "#Ended otherwise",
            "#All",
        ],
        rows: place_rows(&report.by_practice),
    };
    let by_partner = Grid {
        id: "by-partner",
        caption: "By partner".to_owned(),
        unit: LEGS,
        columns: &[
            "Partner",
            "#Waiting",
            "#On the way",
            "#With the partner",
            "#Completed",
            "#Ended otherwise",
            "#All",
        ],
        rows: place_rows(&report.by_partner),
    };
    html! {
        p { "Every referral ever received stands in exactly one of these places at the end of the day." }
        (by_state.draw())
        (by_practice.draw())
        (by_partner.draw())
    }
}

fn number_or_dash(number: Option<i64>) -> Value {
    Value::Figure(number.map_or_else(|| "–".to_owned(), |number| number.to_string()))
}

fn sent_row(row: &PartnerRow) -> Row {
    let gaps: Vec<String> = row.sequence_gaps.iter().map(i64::to_string).collect();
    let mut values = vec![
        Value::Text(row.last_file.clone().unwrap_or_else(|| "–".to_owned())),
        Value::Text(
            row.last_file_day
                .as_deref()
                .map_or_else(|| "–".to_owned(), words::day),
        ),
        number_or_dash(row.sequence),
        Value::Text(if gaps.is_empty() {
            "none".to_owned()
        } else {
            gaps.join(", ")
        }),
    ];
    values.extend(counts(&[row.new, row.amend, row.stop, row.pause]));
    Row::new(row.name.clone(), values)
}

fn back_row(row: &PartnerRow) -> Row {
    let last_return = match &row.last_return_day {
        Some(day) => words::day(day),
        None if row.returns == 0 => "none yet".to_owned(),
        // Folded partners have no day of their own.
        None => "–".to_owned(),
    };
    let mut values = vec![
        Value::Figure(words::count(Cell::Number(row.returns))),
        Value::Text(last_return),
        number_or_dash(row.silent_days),
    ];
    values.extend(counts(&[
        row.accepted,
        row.repeated,
        row.rejected,
        row.held,
        row.rows_returned,
    ]));
    values.push(Value::Figure(words::percent(row.reject_rate)));
    Row::new(row.name.clone(), values)
}

pub(super) fn partners(report: &Report) -> Markup {
    let sent = Grid {
        id: "partners-sent",
        caption: "Sent to partners so far".to_owned(),
        unit: ROWS,
        columns: &[
            "Partner",
            "Last file",
            "On",
            "#Number of that file",
            "Missing numbers",
            "#New",
            "#Changed",
            "#Please stop",
            "#Please wait",
        ],
        rows: report.partners.iter().map(sent_row).collect(),
    };
    let back = Grid {
        id: "partners-back",
        caption: "Returned by partners so far".to_owned(),
        unit: ROWS,
        columns: &[
            "Partner",
            "#Files returned",
            "Last one on",
            "#Days since",
            "#Taken in",
            "#Known before",
            "#Not taken in",
            "#Being checked",
            "#All rows",
            "#Not taken in, %",
        ],
        rows: report.partners.iter().map(back_row).collect(),
    };
    html! {
        p { "Each partner gets numbered files of referrals and sends files back about what happened; a missing number would mean a lost file." }
        (sent.draw())
        (back.draw())
    }
}

fn funnel_row(row: &FunnelRow, name: String, total: bool) -> Row {
    let reached = [
        row.received,
        row.matched,
        row.accepted,
        row.attending,
        row.completed,
    ];
    let endings = [
        row.declined_by_partner,
        row.ended_early,
        row.cancelled,
        row.not_delivered,
        row.by_mistake,
    ];
    let values = reached
        .into_iter()
        .chain(endings)
        .map(Value::Count)
        .collect();
    Row {
        name,
        values,
        total,
    }
}

pub(super) fn funnel(report: &Report) -> Markup {
    let Some((total, months)) = report.funnel.split_last() else {
        return html! {};
    };
    let mut rows: Vec<Row> = months
        .iter()
        .take(MONTHS_PRINTED)
        .map(|row| funnel_row(row, words::month(&row.month), false))
        .collect();
    rows.push(funnel_row(total, "All months".to_owned(), true));
    let grid = Grid {
        id: "funnel-table",
        caption: "How far referrals have come, by the month in which they were received".to_owned(),
        unit: LEGS,
        columns: &[
            "Received in",
            "#Received",
            "#Matched to a partner",
            "#Taken on by partner",
            "#Attending or finished",
            "#Completed",
            "#Partner could not take them",
            "#Ended early",
            "#Cancelled",
            "#Could not be delivered",
            "#Sent by mistake",
        ],
        rows,
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

fn item_row(item: &ItemChange) -> Row {
    let figure = |text: String| Value::Figure(text);
    Row::new(
        item.title.clone(),
        vec![
            Value::Text(item.better_is.code().to_owned()),
            Value::Count(item.pairs),
            figure(words::mean(item.mean_before)),
            figure(words::mean(item.mean_after)),
            figure(words::change(item.mean_change)),
            Value::Count(item.better),
            figure(words::percent(item.better_percent)),
            Value::Count(item.worse),
            figure(words::percent(item.worse_percent)),
        ],
    )
}

fn instrument(instrument: &InstrumentChange) -> Markup {
    let grid = Grid {
        id: &format!("{}-table", instrument.instrument),
        caption: instrument.title.clone(),
        unit: "people who answered twice",
        columns: &[
            "Question",
            "Better is",
            "#People (n)",
            "#Mean before",
            "#Mean after",
            "#Mean change",
            "#Better",
            "#Better, % of n",
            "#Worse",
            "#Worse, % of n",
        ],
        rows: instrument.items.iter().map(item_row).collect(),
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
