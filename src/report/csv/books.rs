//! The tables of the books: balances, rooms, practices, what waits, what was written back.

use super::super::tables::{Ages, ExceptionRow, OwnerRow, Report, RoomRow};
use super::{CsvColumn, Sheet, cell, or_empty};

/// The tables in their order.
pub(super) fn sheets(report: &Report) -> Vec<Sheet> {
    vec![
        balance(report),
        rooms(report),
        books(report),
        reasons(report),
        certificates(report),
        waiting(report),
        exceptions(report),
        write_back(report),
    ]
}

fn yes(balances: bool) -> String {
    if balances {
        "balances"
    } else {
        "DOES NOT BALANCE"
    }
    .to_owned()
}

fn balance(report: &Report) -> Sheet {
    Sheet::new(
        "balance",
        "legs",
        &report.balance,
        &[
            ("practice", |row| row.practice.clone()),
            ("opening", |row| cell(row.opening)),
            ("received", |row| cell(row.received)),
            ("finished", |row| cell(row.finished)),
            ("closing", |row| cell(row.closing)),
            ("verdict", |row| yes(row.balances)),
        ],
    )
}

const ROOM: CsvColumn<RoomRow> = ("room", |row| row.room.clone());

const COUNTS: [CsvColumn<RoomRow>; 6] = [
    ("received", |row| cell(row.received)),
    ("accepted", |row| cell(row.accepted)),
    ("repeated", |row| cell(row.repeated)),
    ("rejected", |row| cell(row.rejected)),
    ("held", |row| cell(row.held)),
    ("verdict", |row| yes(row.balances)),
];

fn rooms(report: &Report) -> Sheet {
    let columns = [&[ROOM][..], &COUNTS].concat();
    Sheet::new("rooms", "rows", &report.rooms, &columns)
}

fn books(report: &Report) -> Sheet {
    let place: [CsvColumn<RoomRow>; 2] = [
        ("practice", |row| or_empty(row.practice.as_deref())),
        ("partner", |row| or_empty(row.partner.as_deref())),
    ];
    let columns = [&[ROOM][..], &place, &COUNTS].concat();
    Sheet::new("books", "rows", &report.books, &columns)
}

fn reasons(report: &Report) -> Sheet {
    Sheet::new(
        "reasons",
        "rows",
        &report.reasons,
        &[
            ("room", |row| row.room.clone()),
            ("reason", |row| row.reason.clone()),
            ("what it means", |row| row.words.clone()),
            ("rows", |row| cell(row.rows)),
        ],
    )
}

fn certificates(report: &Report) -> Sheet {
    Sheet::new(
        "certificates",
        "practices",
        &report.certificates,
        &[
            ("practice", |row| row.practice.clone()),
            ("ods_code", |row| row.ods_code.clone()),
            ("registered_patients", |row| {
                or_empty(row.registered_patients)
            }),
            ("verdict", |row| or_empty(row.verdict.as_deref())),
            ("what it means", |row| row.words.clone()),
            ("from", |row| or_empty(row.from.as_deref())),
            ("to", |row| or_empty(row.to.as_deref())),
            ("requests", |row| or_empty(row.requests)),
            ("pages", |row| or_empty(row.pages)),
            ("unresolved references", |row| {
                or_empty(row.unresolved.map(cell))
            }),
            ("swept", |row| or_empty(row.swept.as_deref())),
            ("found only by the sweep", |row| {
                or_empty(row.unseen.map(cell))
            }),
        ],
    )
}

/// The columns of what waits, by age.
fn ages<Row: AsRef<Ages>>() -> [CsvColumn<Row>; 5] {
    [
        ("0 to 1 days", |row| cell(row.as_ref().days_0_1)),
        ("2 to 7 days", |row| cell(row.as_ref().days_2_7)),
        ("8 to 28 days", |row| cell(row.as_ref().days_8_28)),
        ("over 28 days", |row| cell(row.as_ref().days_over_28)),
        ("entries", |row| cell(row.as_ref().entries)),
    ]
}

fn waiting(report: &Report) -> Sheet {
    let names: [CsvColumn<OwnerRow>; 2] = [
        ("owner", |row| row.owner.clone()),
        ("who must act", |row| row.words.clone()),
    ];
    let columns = [&names[..], &ages()].concat();
    Sheet::new("waiting", "entries", &report.waiting, &columns)
}

fn exceptions(report: &Report) -> Sheet {
    let names: [CsvColumn<ExceptionRow>; 4] = [
        ("owner", |row| row.owner.clone()),
        ("who must act", |row| row.owner_words.clone()),
        ("reason", |row| row.reason.clone()),
        ("what it means", |row| row.words.clone()),
    ];
    let columns = [&names[..], &ages()].concat();
    Sheet::new("exceptions", "entries", &report.exceptions, &columns)
}

fn write_back(report: &Report) -> Sheet {
    Sheet::new(
        "write-back",
        "entries",
        &report.write_back,
        &[
            ("practice", |row| row.practice.clone()),
            ("state", |row| row.state.clone()),
            ("what it means", |row| row.words.clone()),
            ("entries", |row| cell(row.entries)),
        ],
    )
}
