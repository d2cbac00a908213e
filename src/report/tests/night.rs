//! A small made-up night: two practices, three partners of which two are sensitive.

use super::super::*;

pub(super) fn legs(
    source: &str,
    partner: Option<&str>,
    state: &str,
    opened: Opened,
    ended: Ended,
    count: u64,
) -> Legs {
    let month = if opened == Opened::Before {
        "2026-10"
    } else {
        "2026-11"
    };
    let why = matches!(state, "held" | "cancelled").then(|| "consent".to_owned());
    Legs {
        source: source.to_owned(),
        partner: partner.map(str::to_owned),
        state: state.to_owned(),
        why,
        month: month.to_owned(),
        opened,
        ended,
        count,
    }
}

fn partner(id: &str, name: &str, sensitive: bool) -> Partner {
    Partner {
        id: id.to_owned(),
        name: name.to_owned(),
        kind: "charity".to_owned(),
        sensitive,
        last_drop: Some(DropFile {
            name: format!("{id}_20261122_000042.csv"),
            sequence: 42,
            day: "2026-11-22".to_owned(),
        }),
        drops: 41,
        rows: Actions {
            new: 120,
            amend: 7,
            stop: 3,
            pause: 1,
        },
        returns: 6,
        return_rows: ReturnRows {
            accepted: 90,
            repeated: 30,
            rejected: 6,
            held: 4,
        },
        last_return_day: Some("2026-11-15".to_owned()),
        sequence_gaps: vec![17],
    }
}

pub(super) fn held(reason: &str, owner: &str, age_days: i64, count: u64) -> Held {
    Held {
        reason: reason.to_owned(),
        owner: owner.to_owned(),
        stage: "select".to_owned(),
        source: Some("a".to_owned()),
        partner: None,
        age_days,
        count,
    }
}

pub(super) fn book(
    stage: &str,
    [accepted, repeated, rejected, held]: [u64; 4],
    reasons: &[(&str, u64)],
) -> Book {
    Book {
        stage: stage.to_owned(),
        source: Some("a".to_owned()),
        partner: None,
        received: accepted + repeated + rejected + held,
        accepted,
        repeated,
        rejected,
        held,
        reasons: reasons
            .iter()
            .map(|(reason, count)| ((*reason).to_owned(), *count))
            .collect(),
    }
}

pub(super) fn fact(item: &str, before: i64, after: i64, count: u64) -> Fact {
    Fact {
        month: "2026-10".to_owned(),
        issue: "2026-10".to_owned(),
        source: "a".to_owned(),
        partner: "p".to_owned(),
        instrument: "ons4".to_owned(),
        item: item.to_owned(),
        before,
        after,
        count,
    }
}

fn item(id: &str, title: &str, better: Better) -> Item {
    Item {
        id: id.to_owned(),
        title: title.to_owned(),
        min: 0,
        max: 10,
        better,
    }
}

fn ons4() -> Instrument {
    Instrument {
        id: "ons4".to_owned(),
        title: "ONS4 personal well-being".to_owned(),
        items: vec![
            item("satisfaction", "Life satisfaction", Better::Higher),
            item("worthwhile", "Worthwhile", Better::Higher),
            item("happiness", "Happiness", Better::Higher),
            item("anxiety", "Anxiety", Better::Lower),
        ],
    }
}

fn source(id: &str, name: &str, verdict: Option<&str>) -> Source {
    Source {
        id: id.to_owned(),
        name: name.to_owned(),
        ods_code: "ZZ001".to_owned(),
        registered_patients: Some(11_250),
        certificate: verdict.map(|verdict| Certificate {
            verdict: verdict.to_owned(),
            from: Some("2026-11-21 05:30".to_owned()),
            to: Some("2026-11-22 06:00".to_owned()),
            requests: 12,
            pages: 9,
            unresolved: 1,
            swept: Some("2026-11-16 02:00".to_owned()),
            unseen: 2,
            quiet: verdict == "unknown",
        }),
    }
}

pub(super) fn night() -> Input {
    Input {
        night: "2026-11-22".to_owned(),
        commissioner: Named {
            id: "icb".to_owned(),
            name: "Northern <Vale> ICB".to_owned(),
        },
        operations: Operations::Exact,
        provisional: false,
        seal_of_day: Some("5f1c9a".repeat(10) + "abcd"),
        sources: vec![
            source("a", "Hilltop & Dale Surgery", Some("complete")),
            source("b", "=cmd|' /C calc'!A0", Some("unknown")),
        ],
        partners: vec![
            partner("p", "Riverside Allotments", false),
            partner("q", "Zebra Refuge", true),
            partner("r", "Walnut Refuge", true),
        ],
        legs: night_legs(),
        held: vec![
            held("consent", "ig", 0, 3),
            held("consent", "ig", 1, 1),
            held("consent", "ig", 2, 1),
            held("nhs-number", "practice", 7, 4),
            held("nhs-number", "practice", 8, 2),
            held("tie", "practice", 29, 1),
            held("sorted", "partner", 28, 6),
        ],
        books: vec![
            book(
                "pull",
                [31, 4, 1, 0],
                &[("already-known", 4), ("unreadable", 1)],
            ),
            book("select", [26, 0, 0, 5], &[("consent", 5)]),
            book(
                "match",
                [90, 30, 6, 4],
                &[
                    ("already-known", 30),
                    ("not-our-person", 6),
                    ("identity-mismatch", 4),
                ],
            ),
        ],
        pushes: vec![
            Pushes {
                source: "a".to_owned(),
                state: "refused".to_owned(),
                count: 2,
            },
            Pushes {
                source: "a".to_owned(),
                state: "confirmed".to_owned(),
                count: 88,
            },
        ],
        instruments: vec![ons4()],
        facts: answers(),
        last_complete_month: "2026-10".to_owned(),
    }
}

fn night_legs() -> Vec<Legs> {
    use Ended::{Before, No, Within};
    vec![
        legs("a", Some("p"), "in-progress", Opened::Before, No, 48),
        legs("a", Some("p"), "completed", Opened::Before, Within, 9),
        legs("a", Some("p"), "completed", Opened::Before, Before, 30),
        legs("a", Some("p"), "rejected", Opened::Before, Within, 2),
        legs("a", None, "held", Opened::Within, No, 5),
        legs("a", Some("p"), "sent", Opened::Within, No, 21),
        legs("a", None, "cancelled", Opened::Within, Within, 1),
        legs("b", Some("q"), "delivered", Opened::Within, No, 4),
        legs("b", Some("r"), "accepted", Opened::Before, No, 1_003),
    ]
}

fn answers() -> Vec<Fact> {
    vec![
        fact("satisfaction", 4, 6, 18),
        fact("satisfaction", 5, 5, 10),
        fact("satisfaction", 7, 6, 9),
        fact("worthwhile", 5, 7, 7),
        fact("happiness", 3, 6, 30),
        fact("anxiety", 7, 4, 26),
        fact("anxiety", 3, 5, 8),
    ]
}
