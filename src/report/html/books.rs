//! The chapters of the books: whether everything was read, balances, what waits, what was written back, every row, the words.

use maud::{Markup, html};

use super::super::suppress::Cell;
use super::super::tables::{Ages, CertificateRow, ExceptionRow, Report};
use super::super::words;
use super::{ENTRIES, Grid, GridColumn, HIDDEN, LEGS, ROWS, Value, or_dash};

pub(super) fn practices(report: &Report) -> Markup {
    fn figure(number: Option<u64>) -> Value {
        Value::Figure(or_dash(
            number.map(|number| words::count(Cell::Number(number))),
        ))
    }
    fn count(cell: Option<Cell>) -> Value {
        cell.map_or_else(|| Value::Figure(or_dash(None)), Value::Count)
    }
    fn window(row: &CertificateRow) -> Value {
        Value::Text(match (&row.from, &row.to) {
            (Some(from), Some(to)) => format!("{from} to {to}"),
            (None, Some(to)) => format!("everything to {to}"),
            _ => or_dash(None),
        })
    }
    let grid = Grid {
        rows: &report.certificates,
        id: "certificates",
        caption: "What the last reading of each practice promises",
        unit: "practices",
        name: ("Practice", |row| {
            format!("{} ({})", row.practice, row.ods_code)
        }),
        columns: &[
            ("What it promises", |row| Value::Text(row.words.clone())),
            ("Changes asked for", window),
            ("#Requests", |row| figure(row.requests)),
            ("#Pages", |row| figure(row.pages)),
            ("#Links not found", |row| count(row.unresolved)),
            ("Everything asked again", |row| {
                Value::Text(or_dash(row.swept.clone()))
            }),
            ("#Found only then", |row| count(row.unseen)),
        ],
        total: false,
    };
    html! {
        p { "Each practice's system was asked for its referrals; this says how far the answer can be relied on." }
        (grid.draw())
    }
}

pub(super) fn balance(report: &Report) -> Markup {
    let grid = Grid {
        rows: &report.balance,
        id: "balance-table",
        caption: &format!("Referrals on {}", words::day(&report.night)),
        unit: LEGS,
        name: ("Practice", |row| row.practice.clone()),
        columns: &[
            ("#Open at the start", |row| Value::Count(row.opening)),
            ("#Received", |row| Value::Count(row.received)),
            ("#Finished", |row| Value::Count(row.finished)),
            ("#Open at the end", |row| Value::Count(row.closing)),
            ("Verdict", |row| Value::Verdict(row.balances)),
        ],
        total: true,
    };
    html! {
        p { "What was open at the start of the day, and what came in, must either have finished or still be open: nothing may vanish." }
        p { "Open at the start + received = finished + open at the end." }
        (grid.draw())
    }
}

fn ages<Row: AsRef<Ages>>() -> [GridColumn<Row>; 5] {
    [
        ("#0–1 days", |row| Value::Count(row.as_ref().days_0_1)),
        ("#2–7 days", |row| Value::Count(row.as_ref().days_2_7)),
        ("#8–28 days", |row| Value::Count(row.as_ref().days_8_28)),
        ("#over 28 days", |row| {
            Value::Count(row.as_ref().days_over_28)
        }),
        ("#All", |row| Value::Count(row.as_ref().entries)),
    ]
}

pub(super) fn waiting(report: &Report) -> Markup {
    let by_owner = Grid {
        rows: &report.waiting,
        id: "waiting-owner",
        caption: "By who must act, and for how long it has waited",
        unit: ENTRIES,
        name: ("Who must act", |row| row.words.clone()),
        columns: &ages(),
        total: true,
    };
    let who: [GridColumn<ExceptionRow>; 1] =
        [("Who must act", |row| Value::Text(row.owner_words.clone()))];
    let by_reason = Grid {
        rows: &report.exceptions,
        id: "waiting-reason",
        caption: "By reason",
        unit: ENTRIES,
        name: ("Why it waits", |row| row.words.clone()),
        columns: &[&who[..], &ages()].concat(),
        total: false,
    };
    html! {
        p { "These referrals and returned rows wait because a person has to decide or correct something first." }
        (by_owner.draw())
        (by_reason.draw())
    }
}

pub(super) fn write_back(report: &Report) -> Markup {
    let grid = Grid {
        rows: &report.write_back,
        id: "write-back-table",
        caption: "Entries for the practices' records so far",
        unit: ENTRIES,
        name: ("Practice", |row| row.practice.clone()),
        columns: &[
            ("How far", |row| Value::Text(row.words.clone())),
            ("#Entries", |row| Value::Count(row.entries)),
        ],
        total: false,
    };
    html! {
        p { "What partners report about attendance and well-being is written once into the GP record of the person it is about." }
        (grid.draw())
    }
}

pub(super) fn rooms(report: &Report) -> Markup {
    let books = Grid {
        rows: &report.rooms,
        id: "rooms-table",
        caption: &format!(
            "Rows through the eight rooms on {}",
            words::day(&report.night)
        ),
        unit: ROWS,
        name: ("Room", |row| row.room_words.clone()),
        columns: &[
            ("#Received", |row| Value::Count(row.received)),
            ("#Accepted", |row| Value::Count(row.accepted)),
            ("#Repeated", |row| Value::Count(row.repeated)),
            ("#Rejected", |row| Value::Count(row.rejected)),
            ("#Held", |row| Value::Count(row.held)),
            ("Verdict", |row| Value::Verdict(row.balances)),
        ],
        total: false,
    };
    let why = Grid {
        rows: &report.reasons,
        id: "reasons-table",
        caption: "Why rows did not simply go on",
        unit: ROWS,
        name: ("Room", |row| row.room_words.clone()),
        columns: &[
            ("Reason", |row| Value::Text(row.words.clone())),
            ("#Rows", |row| Value::Count(row.rows)),
        ],
        total: false,
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
