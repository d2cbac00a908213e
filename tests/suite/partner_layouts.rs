//! Twenty layouts there and back: what Kith writes in each is what the referral says, cell by cell, and a return in each is taken in.
//!
//! The cells are worked out here a second time, from the made-up resources and the partner file as TOML; nothing is read from Kith.

use std::fs;

use jiff::civil::date;
use serde_json::{Value as Json, json};
use toml::{Table, Value};

use super::partner_files::{layout, layouts, name, parsed, tables, text};
use super::support::expected::stage;
use super::support::home::{Home, files_in};
use super::support::people::{ndjson, referral};
use super::support::source::Source;
use super::support::table::{self, Table as Sheet};
use super::support::world::World;

const OUT: &str = "2026-11-23T06:00:00Z";
const BACK: &str = "2026-11-23T06:30:00Z";
/// What a careless writer gets wrong: accents, quotes, every delimiter, a formula, two lines.
const PEOPLE: [(&str, &str, &str); 3] = [
    (
        "Zoë",
        "O’Hara-Núñez",
        "Rang; said \"yes\", twice | then\tno more",
    ),
    ("Ann Marie", "St John", "=1+1 is how he writes it"),
    ("Ravi", "Small", "First line\nsecond line, £20 & more"),
];

/// The resources of one person for one partner.
fn resources(n: u32, person: usize, partner: &str) -> [Json; 2] {
    let (given, family, note) = PEOPLE[person];
    let [mut patient, mut request] = referral(n, given, family, partner);
    patient["name"] = json!([{"use": "official", "prefix": ["Mx"], "family": family, "given": given.split(' ').collect::<Vec<_>>()}]);
    patient["telecom"] = json!([
        {"system": "phone", "use": "mobile", "value": format!("+4477009{:05}", n)},
        {"system": "phone", "use": "home", "value": "01632 960444"},
        {"system": "email", "value": "made.up@example.org"},
    ]);
    patient["address"] = json!([{"line": ["Flat 2, 1 High Street", "Eastfield"], "city": "Bristol", "postalCode": "bs14dj"}]);
    patient["contact"] = json!([{
        "name": {"text": "Kim Small"}, "telecom": [{"system": "phone", "value": "01632 960555"}],
        "relationship": [{"text": "Sister"}],
    }]);
    for resource in [&mut patient, &mut request] {
        resource["meta"]["lastUpdated"] = "2026-11-16T09:00:00Z".into();
    }
    request["authoredOn"] = "2026-11-16T09:00:00Z".into();
    request["note"] = json!([{"text": note}]);
    [patient, request]
}

/// The cell of a field, before the column's codes and date; `None` of what nobody can foretell.
fn value(field: &str, patient: &Json, request: &Json) -> Option<String> {
    let given: Vec<&str> = patient["name"][0]["given"]
        .as_array()?
        .iter()
        .filter_map(Json::as_str)
        .collect();
    let (given, family) = (given.join(" "), patient["name"][0]["family"].as_str()?);
    let digits = patient["telecom"][0]["value"].as_str()?.replace("+44", "0");
    let cell = match field {
        "leg.reference" | "leg.check" => return None,
        "leg.action" => "NEW",
        "patient.name" => return Some(format!("Mx {given} {family}")),
        "patient.prefix" => "Mx",
        "patient.given" => return Some(given),
        "patient.family" => family,
        "patient.birth_date" => patient["birthDate"].as_str()?,
        "patient.age_years" => "75",
        "patient.gender" => "female",
        "patient.phone" => {
            let (first, rest) = digits.split_at(5);
            return Some(format!("{first} {rest}"));
        }
        "patient.phone_home" => "01632 960444",
        "patient.email" => "made.up@example.org",
        "patient.nhs_number" => patient["identifier"][0]["value"].as_str()?,
        "patient.address" => "Flat 2, 1 High Street, Eastfield, Bristol, BS1 4DJ",
        "patient.address_line_1" => "Flat 2, 1 High Street",
        "patient.address_line_2" => "Eastfield",
        "patient.city" => "Bristol",
        "patient.postcode" => "BS1 4DJ",
        "patient.contact_name" => "Kim Small",
        "patient.contact_phone" => "01632 960555",
        "patient.contact_relationship" => "Sister",
        "referral.authored_on" => "2026-11-16",
        "referral.priority" => "routine",
        "referral.activity" => "befriending",
        "referral.reason" => "Feeling lonely",
        "referral.need" => "loneliness",
        "referral.note" => request["note"][0]["text"].as_str()?,
        "requester.name" => "Dr Okafor",
        "practice.name" => "Made-up practice gp",
        "practice.ods_code" => "ZZ001",
        // The made-up records say nothing of these.
        "leg.changed"
        | "patient.language"
        | "patient.interpreter_required"
        | "patient.ethnicity"
        | "patient.contact_instructions"
        | "requester.role"
        | "requester.phone" => "",
        other => panic!("the test does not know {other}"),
    };
    Some(cell.to_owned())
}

fn expected(column: &Table, patient: &Json, request: &Json) -> Option<String> {
    let mut cell = value(text(column, "from"), patient, request)?;
    if let Some(Value::Table(codes)) = column.get("codes") {
        cell = codes
            .get(&cell)
            .and_then(Value::as_str)
            .map_or(cell, str::to_owned);
    }
    if let (Some(pattern), false) = (column.get("date").and_then(Value::as_str), cell.is_empty()) {
        let day: jiff::civil::Date = cell.parse().unwrap();
        cell = day.strftime(pattern).to_string();
    }
    // A cell that a spreadsheet would run gets an apostrophe.
    Some(if cell.starts_with('=') {
        format!("'{cell}")
    } else {
        cell
    })
}

/// A partner: its id, its file, and the resources of everybody referred to it.
type Layout = (String, Table, Vec<[Json; 2]>);

/// Everybody of everybody, in a folder; one home for all layouts.
fn world() -> (Home, Vec<Layout>) {
    let push = "{ kind = \"folder\", path = \"var/gp-import\" }";
    let home = World::of(&[Source::folder("gp", "extracts").push(push)], &[]).home;
    let (mut world, mut all, mut n) = (Vec::new(), Vec::new(), 0);
    for folder in layouts() {
        let id = name(&folder);
        let file = fs::read_to_string(folder.join("partner.toml")).unwrap();
        home.write(&format!("mappings/partners/{id}.toml"), &file);
        let mut people = Vec::new();
        for person in 0..PEOPLE.len() {
            n += 1;
            people.push(resources(n, person, &id));
        }
        all.extend(people.iter().flatten().cloned());
        world.push((id, parsed(&file), people));
    }
    home.write("extracts/all.ndjson", ndjson(&all));
    (home, world)
}

#[test]
fn twenty_layouts_are_written_cell_by_cell_and_their_returns_are_taken_in() {
    let (home, world) = world();
    home.kith(&["check"]).expect_code(0);
    home.kith(&["run", "--once", "--as-of", OUT]).expect_code(0);
    let mut cells = 0;
    let mut events = 0;
    for (id, file, people) in &world {
        let format = layout(file["deliver"]["format"].as_table().unwrap());
        let drop = home
            .drops(id)
            .pop()
            .unwrap_or_else(|| panic!("{id} got no drop"));
        let columns = tables(file, "deliver", "column");
        let headers: Vec<&str> = columns
            .iter()
            .map(|column| text(column, "header"))
            .collect();
        let sheet = table::read(&drop, format).delivered(&headers);
        cells += assert_cells(id, file, people, &sheet);
        let (answers, told) = answered(file, &sheet);
        events += told;
        home.put_return(id, "returns 1.csv", &table::write(&answers, format));
    }
    println!(
        "{cells} cells of {} layouts as the referrals say; {events} events told",
        world.len()
    );
    let back = home
        .ran(&["run", "--once", "--json", "--as-of", BACK], 0)
        .json();
    let matched = stage(&back, "match");
    assert_eq!(
        (matched.accepted, matched.rejected, matched.held),
        (u64::try_from(world.len() * PEOPLE.len()).unwrap(), 0, 0),
        "{back}"
    );
    for (id, _, _) in &world {
        let receipts = files_in(&home.below(&format!("var/partners/{id}/out/receipts")));
        assert!(!receipts.is_empty(), "{id} got no receipt");
        assert!(
            files_in(&home.below(&format!("var/partners/{id}/in"))).is_empty(),
            "{id}"
        );
    }
    let proof = home.kith(&["prove", "--json"]).expect_code(0).json();
    assert_eq!(proof["balanced"], true, "{proof}");
}

/// Holds every cell of a drop against its referral; rows are found by the person's phone or name.
fn assert_cells(id: &str, file: &Table, people: &[[Json; 2]], sheet: &Sheet) -> usize {
    let columns = tables(file, "deliver", "column");
    let headers: Vec<&str> = columns
        .iter()
        .map(|column| text(column, "header"))
        .collect();
    assert_eq!(sheet.header, headers, "{id}");
    assert_eq!(sheet.rows.len(), people.len(), "{id}");
    let mut wanted: Vec<Vec<Option<String>>> = people
        .iter()
        .map(|[patient, request]| {
            columns
                .iter()
                .map(|column| expected(column, patient, request))
                .collect()
        })
        .collect();
    for row in &sheet.rows {
        let same = |cells: &Vec<Option<String>>| {
            cells
                .iter()
                .zip(row)
                .all(|(cell, found)| cell.as_ref().is_none_or(|cell| cell == found))
        };
        let Some(at) = wanted.iter().position(same) else {
            panic!("{id}: {row:?} is none of {wanted:#?}");
        };
        wanted.remove(at);
    }
    sheet.rows.len() * headers.len()
}

/// The partner's return: the rows as they came, with an answer in every column that an event reads.
fn answered(file: &Table, sheet: &Sheet) -> (Sheet, usize) {
    let day = date(2026, 11, 20)
        .strftime(text(file["collect"].as_table().unwrap(), "dates"))
        .to_string();
    let mut answers: Vec<(String, String)> = Vec::new();
    let mut told = 0;
    let mut say = |header: &str, cell: &str| {
        if !header.is_empty() && !answers.iter().any(|(known, _)| known == header) {
            answers.push((header.to_owned(), cell.to_owned()));
        }
    };
    for event in tables(file, "collect", "event") {
        let kind = text(event, "kind");
        if kind == "onward" {
            for key in ["partner", "consent"] {
                say(event[key]["column"].as_str().unwrap(), "");
            }
            continue;
        }
        told += 1;
        say(text(event, "on"), &day);
        for key in ["value", "occasion"] {
            if let Some(Value::Table(value)) = event.get(key) {
                let codes = value["codes"].as_table().unwrap();
                let first = codes
                    .iter()
                    .find(|(_, ours)| ours.as_str() != Some("rejected"));
                say(text(value, "column"), first.unwrap().0);
            }
        }
        say(text(event, "reason"), "As we agreed");
        say(text(event, "column"), "All went well");
        for (_, header) in event
            .get("items")
            .and_then(Value::as_table)
            .into_iter()
            .flatten()
        {
            say(header.as_str().unwrap(), "5");
        }
    }
    let header = sheet
        .header
        .iter()
        .cloned()
        .chain(answers.iter().map(|(header, _)| header.clone()));
    let rows = sheet.rows.iter().map(|row| {
        let cells = answers.iter().map(|(_, cell)| cell.clone());
        row.iter().cloned().chain(cells).collect()
    });
    let table = Sheet {
        header: header.collect(),
        rows: rows.collect(),
    };
    (table, told * sheet.rows.len())
}
