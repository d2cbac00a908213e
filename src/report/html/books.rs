//! The chapters of the books: whether everything was read, balances, what waits, what was written back, every row, the words.

use maud::{Markup, html};

use super::super::suppress::Cell;
use super::super::tables::{Ages, Report, RoomRow};
use super::super::words;
use super::{ENTRIES, Grid, HIDDEN, LEGS, ROWS, Row, Value, counts};

pub(super) fn practices(report: &Report) -> Markup {
    let rows = report.certificates.iter().map(|row| {
        let figure = |number: Option<u64>| {
            Value::Figure(number.map_or_else(
                || "–".to_owned(),
                |number| words::count(Cell::Number(number)),
            ))
        };
        let window = match (&row.from, &row.to) {
            (Some(from), Some(to)) => format!("{from} to {to}"),
            (None, Some(to)) => format!("everything to {to}"),
            _ => "–".to_owned(),
        };
        let cell =
            |cell: Option<Cell>| cell.map_or_else(|| Value::Figure("–".to_owned()), Value::Count);
        let swept = row.swept.clone().unwrap_or_else(|| "–".to_owned());
        Row::new(
            format!("{} ({})", row.practice, row.ods_code),
            vec![
                Value::Text(row.words.clone()),
                Value::Text(window),
                figure(row.requests),
                figure(row.pages),
                cell(row.unresolved),
                Value::Text(swept),
                cell(row.unseen),
            ],
        )
    });
    let grid = Grid {
        id: "certificates",
        caption: "What the last reading of each practice promises".to_owned(),
        unit: "practices",
        columns: &[
            "Practice",
            "What it promises",
            "Changes asked for",
            "#Requests",
            "#Pages",
            "#Links not found",
            "Everything asked again",
            "#Found only then",
        ],
        rows: rows.collect(),
    };
    html! {
        p { "Each practice's system was asked for its referrals; this says how far the answer can be relied on." }
        (grid.draw())
    }
}

pub(super) fn balance(report: &Report) -> Markup {
    let last = report.balance.len().saturating_sub(1);
    let rows = report.balance.iter().enumerate().map(|(index, row)| {
        let mut values = counts(&[row.opening, row.received, row.finished, row.closing]);
        values.push(Value::Verdict(row.balances));
        Row {
            name: row.practice.clone(),
            values,
            total: index == last,
        }
    });
    let grid = Grid {
        id: "balance-table",
        caption: format!("Referrals on {}", words::day(&report.night)),
        unit: LEGS,
        columns: &[
            "Practice",
            "#Open at the start",
            "#Received",
            "#Finished",
            "#Open at the end",
            "Verdict",
        ],
        rows: rows.collect(),
    };
    html! {
        p { "What was open at the start of the day, and what came in, must either have finished or still be open: nothing may vanish." }
        p { "Open at the start + received = finished + open at the end." }
        (grid.draw())
    }
}

fn ages(ages: &Ages) -> Vec<Value> {
    counts(&[
        ages.days_0_1,
        ages.days_2_7,
        ages.days_8_28,
        ages.days_over_28,
        ages.entries,
    ])
}

pub(super) fn waiting(report: &Report) -> Markup {
    let last = report.waiting.len().saturating_sub(1);
    let owners = report.waiting.iter().enumerate().map(|(index, row)| Row {
        name: row.words.clone(),
        values: ages(&row.ages),
        total: index == last,
    });
    let by_owner = Grid {
        id: "waiting-owner",
        caption: "By who must act, and for how long it has waited".to_owned(),
        unit: ENTRIES,
        columns: &[
            "Who must act",
            "#0–1 days",
            "#2–7 days",
            "#8–28 days",
            "#over 28 days",
            "#All",
        ],
        rows: owners.collect(),
    };
    let reasons = report.exceptions.iter().map(|row| {
        let mut values = vec![Value::Text(row.owner_words.clone())];
        values.extend(ages(&row.ages));
        Row::new(row.words.clone(), values)
    });
    let by_reason = Grid {
        id: "waiting-reason",
        caption: "By reason".to_owned(),
        unit: ENTRIES,
        columns: &[
            "Why it waits",
            "Who must act",
            "#0–1 days",
            "#2–7 days",
            "#8–28 days",
            "#over 28 days",
            "#All",
        ],
        rows: reasons.collect(),
    };
    html! {
        p { "These referrals and returned rows wait because a person has to decide or correct something first." }
        (by_owner.draw())
        (by_reason.draw())
    }
}

pub(super) fn write_back(report: &Report) -> Markup {
    let rows = report.write_back.iter().map(|row| {
        Row::new(
            row.practice.clone(),
            vec![Value::Text(row.words.clone()), Value::Count(row.entries)],
        )
    });
    let grid = Grid {
        id: "write-back-table",
        caption: "Entries for the practices' records so far".to_owned(),
        unit: ENTRIES,
        columns: &["Practice", "How far", "#Entries"],
        rows: rows.collect(),
    };
    html! {
        p { "What partners report about attendance and well-being is written once into the GP record of the person it is about." }
        (grid.draw())
    }
}

fn room_row(row: &RoomRow) -> Row {
    let mut values = counts(&[
        row.received,
        row.accepted,
        row.repeated,
        row.rejected,
        row.held,
    ]);
    values.push(Value::Verdict(row.balances));
    Row::new(row.room_words.clone(), values)
}

pub(super) fn rooms(report: &Report) -> Markup {
    let books = Grid {
        id: "rooms-table",
        caption: format!(
            "Rows through the eight rooms on {}",
            words::day(&report.night)
        ),
        unit: ROWS,
        columns: &[
            "Room",
            "#Received",
            "#Accepted",
            "#Repeated",
            "#Rejected",
            "#Held",
            "Verdict",
        ],
        rows: report.rooms.iter().map(room_row).collect(),
    };
    let reasons = report.reasons.iter().map(|row| {
        Row::new(
            row.room_words.clone(),
            vec![Value::Text(row.words.clone()), Value::Count(row.rows)],
        )
    });
    let why = Grid {
        id: "reasons-table",
        caption: "Why rows did not simply go on".to_owned(),
        unit: ROWS,
        columns: &["Room", "Reason", "#Rows"],
        rows: reasons.collect(),
    };
    html! {
        p { "Data moves through eight rooms, and every row that entered one left it in exactly one of four ways." }
        p { "Received = accepted + repeated + rejected + held." }
        (books.draw())
        (why.draw())
    }
}

pub(super) fn terms() -> Markup {
    let terms = [
        (
            "Referral to a partner",
            "One request by a GP practice, to one service. A request that goes to two services counts twice.",
        ),
        (
            "Partner",
            "The charity or community service that supports the person.",
        ),
        (
            "Row",
            "One line of a file, or one record read from a practice's system.",
        ),
        (
            "Entry",
            "One thing that waits for a decision, or one record written for the GP system.",
        ),
        (
            "Accepted, repeated, rejected, held",
            "Went on; was seen before; will not go on as it is, and somebody has been told why; waits for a person or an event.",
        ),
        (
            "Confidential services",
            "Services whose name alone would say something about the people who use them; their figures are shown together.",
        ),
        ("*", HIDDEN),
    ];
    html! {
        p { "The words in this report mean the same wherever they stand." }
        dl class="terms" { @for (term, meaning) in terms { dt { (term) } dd { (meaning) } } }
    }
}
