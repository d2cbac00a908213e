//! What a correct pipeline makes of the workload, worked out a second time from the resources.
//!
//! Layouts and fates are those that the header of `install.py` and its partner files say; nothing here is read from Kith.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::home::Home;
use super::table::{self, Layout, Table};
use super::workload::{Referral, Workload, nhs_number, text};

/// Headers of the three layouts; the first column is the reference.
const HEADERS: [&[&str]; 3] = [
    &[
        "Our ref",
        "What",
        "NHS number",
        "Surname",
        "First name",
        "Date of birth",
        "Phone",
        "Postcode",
        "Sex",
        "Date of referral",
        "Reason",
        "Referred by",
        "Activity",
        "Notes",
    ],
    &["REF", "TYPE", "NAME", "TEL", "WHY", "NOTE"],
    &[
        "Reference",
        "Check",
        "Action",
        "Client",
        "Born",
        "Phone number",
        "Area",
        "Surgery",
        "Referral date",
        "Need",
        "Details",
    ],
];

/// Which layout a partner of `install.py` has: the number behind its activity.
pub(crate) fn layout_number(partner: &str) -> usize {
    let number = partner
        .rsplit('-')
        .next()
        .and_then(|number| number.parse::<usize>().ok());
    number.unwrap_or_else(|| panic!("{partner} has no layout"))
}

/// The file layout of a partner of `install.py`.
pub(crate) fn layout(partner: &str) -> Layout {
    [Layout::COMMA, Layout::SEMICOLON, Layout::TAB][layout_number(partner) - 1]
}

/// The headers of a partner of `install.py`.
pub(crate) fn headers(partner: &str) -> &'static [&'static str] {
    HEADERS[layout_number(partner) - 1]
}

/// A row without the columns that nobody can foretell: reference and check.
pub(crate) fn foreseeable(partner: &str, row: &[String]) -> Vec<String> {
    let named = headers(partner).iter().zip(row);
    named
        .filter(|(header, _)| !matches!(**header, "Our ref" | "REF" | "Reference" | "Check"))
        .map(|(_, cell)| cell.clone())
        .collect()
}

/// The cells that the partner should find for a referral, reference and check aside.
pub(crate) fn row(partner: &str, referral: &Referral) -> Vec<String> {
    let patient = referral
        .patient
        .as_ref()
        .expect("a delivered referral has a person");
    let request = &referral.request;
    let official = &patient["name"][1];
    let given = texts(&official["given"]).join(" ");
    let family = text(&official["family"]);
    let full = format!("{} {given} {family}", text(&official["prefix"][0]));
    let mobile = text(&patient["telecom"][1]["value"]);
    let phone = mobile.replace("+447700", "07700 ");
    let postcode = patient["address"][0]["postalCode"]
        .as_str()
        .unwrap_or_default();
    let born: Date = text(&patient["birthDate"]).parse().expect("a whole date");
    let authored = london_day(text(&request["authoredOn"]));
    let reason = text(&request["reasonCode"][0]["text"]);
    let activity = text(&request["orderDetail"][0]["text"]);
    let note = guarded(
        request
            .pointer("/note/0/text")
            .map(text)
            .unwrap_or_default(),
    );
    let cells: Vec<String> = match layout_number(partner) {
        1 => vec![
            "NEW".into(),
            nhs_number(patient).into(),
            family.into(),
            given,
            born.strftime("%d/%m/%Y").to_string(),
            phone,
            postcode.into(),
            sex(text(&patient["gender"])).into(),
            authored.strftime("%d/%m/%Y").to_string(),
            reason.into(),
            practitioner(&referral.requester),
            activity.into(),
            note,
        ],
        // Windows-1252 has no Ł; the partner file allows the letter without its accent.
        2 => vec![
            "NEW".into(),
            full.replace('Ł', "L"),
            phone,
            reason.into(),
            note,
        ],
        _ => vec![
            "NEW".into(),
            full,
            born.to_string(),
            phone,
            postcode.into(),
            text(&referral.practice["name"]).into(),
            authored.strftime("%d %b %Y").to_string(),
            reason.into(),
            note,
        ],
    };
    cells
}

/// The rows that each partner should get, by partner.
pub(crate) fn rows(workload: &Workload) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut rows: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for referral in workload
        .referrals
        .iter()
        .filter(|referral| referral.delivered())
    {
        let partner = referral
            .partner()
            .expect("a delivered referral names its performer");
        rows.entry(partner.to_owned())
            .or_default()
            .push(row(partner, referral));
    }
    for of_partner in rows.values_mut() {
        of_partner.sort();
    }
    rows
}

/// Reads the one drop of every partner that has any, by partner.
pub(crate) fn drops(home: &Home, workload: &Workload) -> BTreeMap<String, Table> {
    let partners = rows(workload).into_keys();
    partners
        .map(|partner| {
            let files = home.drops(&partner);
            assert_eq!(files.len(), 1, "{partner} has one drop");
            let drop = table::read(&files[0], layout(&partner));
            (partner.clone(), drop.delivered(headers(&partner)))
        })
        .collect()
}

/// Asserts that drops and books after the first run are what `truth.json` says; `searched`: no search returns what is not coded.
pub(crate) fn assert_outward(home: &Home, workload: &Workload, summary: &Value, searched: bool) {
    let expected = rows(workload);
    for (partner, table) in drops(home, workload) {
        assert_eq!(table.header, headers(&partner), "columns of {partner}");
        let mut found: Vec<Vec<String>> = table
            .rows
            .iter()
            .map(|row| foreseeable(&partner, row))
            .collect();
        found.sort();
        assert_eq!(found, expected[&partner], "rows of {partner}");
    }
    let partners = summary["partners"].as_array().expect("partners");
    for partner in partners {
        let id = text(&partner["id"]);
        let rows = expected.get(id).map_or(0, Vec::len);
        assert_eq!(partner["rows"]["NEW"], rows, "rows of {id} in the summary");
        for other in ["AMEND", "STOP", "PAUSE"] {
            assert_eq!(
                partner["rows"][other], 0,
                "{other} rows of {id} in the summary"
            );
        }
        assert_eq!(home.drops(id).len(), usize::from(rows > 0), "drops of {id}");
    }
    assert_books(workload, summary, searched);
}

fn assert_books(workload: &Workload, summary: &Value, searched: bool) {
    let fates = Fates::of(workload, searched);
    assert_held(summary, &fates.held_by_reason);
    assert_legs(summary, &fates);
    let held: u64 = fates.held_by_reason.values().sum();
    let closed = fates.cancelled + fates.in_error;
    let received = fates.delivered + held + closed + fates.not_ours;
    let pull = stage(summary, "pull");
    assert_eq!((pull.received, pull.accepted), (received, received), "pull");
    let select = stage(summary, "select");
    let too_long = fates.held_by_reason["too-long"];
    assert_eq!(select.received, received, "select");
    assert_eq!(
        (select.held, select.rejected),
        (held - too_long, fates.not_ours),
        "select"
    );
    assert_eq!(
        select.accepted,
        fates.delivered + too_long + closed,
        "select"
    );
    let map = stage(summary, "map");
    assert_eq!(
        (map.received, map.accepted, map.held),
        (fates.delivered + too_long, fates.delivered, too_long),
        "map"
    );
    let deliver = stage(summary, "deliver");
    assert_eq!(
        (deliver.received, deliver.accepted),
        (fates.delivered, fates.delivered),
        "deliver"
    );
}

/// How many referrals should end how.
pub(crate) struct Fates {
    delivered: u64,
    cancelled: u64,
    in_error: u64,
    not_ours: u64,
    pub(crate) held_by_reason: BTreeMap<&'static str, u64>,
}

impl Fates {
    pub(crate) fn of(workload: &Workload, searched: bool) -> Self {
        let held_by_reason = BTreeMap::from([
            ("no-patient", workload.count(&["no-patient"])),
            ("nhs-number", workload.count(&["bad-nhs-number"])),
            ("restricted", workload.count(&["restricted"])),
            ("died", workload.count(&["deceased"])),
            ("child", workload.count(&["child"])),
            ("no-destination", workload.count(&["no-activity"])),
            ("too-long", workload.count(&["long-note"])),
            ("not-an-order", workload.count(&["draft", "proposal"])),
            ("paused-by-gp", workload.count(&["on-hold"])),
        ]);
        Self {
            delivered: rows(workload).values().map(|rows| rows.len() as u64).sum(),
            cancelled: workload.count(&["revoked", "completed", "declined", "do-not-perform"]),
            in_error: workload.count(&["entered-in-error"]),
            not_ours: if searched {
                0
            } else {
                workload.count(&["not-coded"])
            },
            held_by_reason,
        }
    }
}

pub(crate) fn assert_held(summary: &Value, expected: &BTreeMap<&str, u64>) {
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    for held in summary["held"].as_array().expect("held") {
        // An age below the partner's least is a criterion, whichever of the two words is used for it.
        let reason = if held["reason"] == "criteria" {
            "child"
        } else {
            text(&held["reason"])
        };
        *found.entry(reason).or_default() += 1;
    }
    let expected = expected
        .iter()
        .map(|(reason, count)| (*reason, *count))
        .filter(|(_, count)| *count > 0);
    assert_eq!(found, expected.collect(), "held rows by reason");
}

fn assert_legs(summary: &Value, fates: &Fates) {
    let legs = &summary["legs"];
    let of = |state: &str| legs[state].as_u64().unwrap_or_default();
    let held: u64 = fates.held_by_reason.values().sum();
    assert_eq!(
        of("sent") + of("delivered"),
        fates.delivered,
        "legs sent: {legs}"
    );
    assert_eq!(of("held"), held, "legs held: {legs}");
    assert_eq!(of("cancelled"), fates.cancelled, "legs cancelled: {legs}");
    assert_eq!(
        of("entered-in-error"),
        fates.in_error,
        "legs entered in error: {legs}"
    );
    let all: u64 = legs
        .as_object()
        .expect("legs by state")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(
        all,
        fates.delivered + held + fates.cancelled + fates.in_error,
        "legs of every state: {legs}"
    );
}

/// The books of a stage, added up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Book {
    pub(crate) received: u64,
    pub(crate) accepted: u64,
    pub(crate) repeated: u64,
    pub(crate) rejected: u64,
    pub(crate) held: u64,
}

/// Adds up the books of a stage; every single book must balance.
pub(crate) fn stage(summary: &Value, stage: &str) -> Book {
    let mut sum = Book::default();
    for book in summary["books"].as_array().expect("books") {
        let of = |key: &str| {
            book[key]
                .as_u64()
                .unwrap_or_else(|| panic!("no {key} in {book}"))
        };
        let accounted = of("accepted") + of("repeated") + of("rejected") + of("held");
        assert_eq!(
            of("received"),
            accounted,
            "a book that does not balance: {book}"
        );
        if book["stage"] == stage {
            sum.received += of("received");
            sum.accepted += of("accepted");
            sum.repeated += of("repeated");
            sum.rejected += of("rejected");
            sum.held += of("held");
        }
    }
    sum
}

/// What a spreadsheet would run gets an apostrophe in front.
fn guarded(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

fn sex(gender: &str) -> &'static str {
    match gender {
        "female" => "F",
        "male" => "M",
        _ => "U",
    }
}

fn practitioner(resource: &Value) -> String {
    let name = &resource["name"][0];
    format!(
        "{} {} {}",
        text(&name["prefix"][0]),
        text(&name["given"][0]),
        text(&name["family"])
    )
}

fn texts(array: &Value) -> Vec<&str> {
    array
        .as_array()
        .expect("an array")
        .iter()
        .map(text)
        .collect()
}

fn london_day(instant: &str) -> Date {
    let instant: jiff::Timestamp = instant.parse().expect("an instant");
    instant
        .to_zoned(TimeZone::get("Europe/London").expect("London is in the time zone data"))
        .date()
}
