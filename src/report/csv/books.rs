//! The tables of the books: balances, rooms, practices, what waits, what was written back.

use super::super::tables::{Ages, Report, RoomRow};
use super::{Sheet, cell, cells, or_empty};

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
    let rows = report.balance.iter().map(|row| {
        let counts = [row.opening, row.received, row.finished, row.closing];
        [row.practice.clone()]
            .into_iter()
            .chain(cells(&counts))
            .chain([yes(row.balances)])
            .collect()
    });
    let columns = &[
        "practice", "opening", "received", "finished", "closing", "verdict",
    ];
    Sheet {
        file: "balance",
        unit: "legs",
        columns,
        rows: rows.collect(),
    }
}

fn book(row: &RoomRow, names: Vec<String>) -> Vec<String> {
    let counts = [
        row.received,
        row.accepted,
        row.repeated,
        row.rejected,
        row.held,
    ];
    names
        .into_iter()
        .chain(cells(&counts))
        .chain([yes(row.balances)])
        .collect()
}

fn rooms(report: &Report) -> Sheet {
    let columns = &[
        "room", "received", "accepted", "repeated", "rejected", "held", "verdict",
    ];
    let rows = report
        .rooms
        .iter()
        .map(|row| book(row, vec![row.room.clone()]))
        .collect();
    Sheet {
        file: "rooms",
        unit: "rows",
        columns,
        rows,
    }
}

fn books(report: &Report) -> Sheet {
    let columns = &[
        "room", "practice", "partner", "received", "accepted", "repeated", "rejected", "held",
        "verdict",
    ];
    let names = |row: &RoomRow| {
        vec![
            row.room.clone(),
            or_empty(row.practice.as_deref()),
            or_empty(row.partner.as_deref()),
        ]
    };
    let rows = report
        .books
        .iter()
        .map(|row| book(row, names(row)))
        .collect();
    Sheet {
        file: "books",
        unit: "rows",
        columns,
        rows,
    }
}

fn reasons(report: &Report) -> Sheet {
    let rows = report.reasons.iter().map(|row| {
        vec![
            row.room.clone(),
            row.reason.clone(),
            row.words.clone(),
            cell(row.rows),
        ]
    });
    Sheet {
        file: "reasons",
        unit: "rows",
        columns: &["room", "reason", "what it means", "rows"],
        rows: rows.collect(),
    }
}

fn certificates(report: &Report) -> Sheet {
    let rows = report.certificates.iter().map(|row| {
        vec![
            row.practice.clone(),
            row.ods_code.clone(),
            or_empty(row.registered_patients),
            or_empty(row.verdict.as_deref()),
            row.words.clone(),
            or_empty(row.from.as_deref()),
            or_empty(row.to.as_deref()),
            or_empty(row.requests),
            or_empty(row.pages),
            row.unresolved.map_or_else(String::new, cell),
            or_empty(row.swept.as_deref()),
            row.unseen.map_or_else(String::new, cell),
        ]
    });
    let columns = &[
        "practice",
        "ods_code",
        "registered_patients",
        "verdict",
        "what it means",
        "from",
        "to",
        "requests",
        "pages",
        "unresolved references",
        "swept",
        "found only by the sweep",
    ];
    Sheet {
        file: "certificates",
        unit: "practices",
        columns,
        rows: rows.collect(),
    }
}

fn ages(ages: &Ages) -> Vec<String> {
    cells(&[
        ages.days_0_1,
        ages.days_2_7,
        ages.days_8_28,
        ages.days_over_28,
        ages.entries,
    ])
    .collect()
}

fn waiting(report: &Report) -> Sheet {
    let columns = &[
        "owner",
        "who must act",
        "0 to 1 days",
        "2 to 7 days",
        "8 to 28 days",
        "over 28 days",
        "entries",
    ];
    let rows = report.waiting.iter().map(|row| {
        [row.owner.clone(), row.words.clone()]
            .into_iter()
            .chain(ages(&row.ages))
            .collect()
    });
    Sheet {
        file: "waiting",
        unit: "entries",
        columns,
        rows: rows.collect(),
    }
}

fn exceptions(report: &Report) -> Sheet {
    let columns = &[
        "owner",
        "who must act",
        "reason",
        "what it means",
        "0 to 1 days",
        "2 to 7 days",
        "8 to 28 days",
        "over 28 days",
        "entries",
    ];
    let rows = report.exceptions.iter().map(|row| {
        let names = [
            row.owner.clone(),
            row.owner_words.clone(),
            row.reason.clone(),
            row.words.clone(),
        ];
        names.into_iter().chain(ages(&row.ages)).collect()
    });
    Sheet {
        file: "exceptions",
        unit: "entries",
        columns,
        rows: rows.collect(),
    }
}

fn write_back(report: &Report) -> Sheet {
    let rows = report.write_back.iter().map(|row| {
        vec![
            row.practice.clone(),
            row.state.clone(),
            row.words.clone(),
            cell(row.entries),
        ]
    });
    Sheet {
        file: "write-back",
        unit: "entries",
        columns: &["practice", "state", "what it means", "entries"],
        rows: rows.collect(),
    }
}
