//! What happens after sending: changes at the source, and returns that say what is not theirs to say.
//!
//! The GP system is `kith sandbox`, whose clock is the machine's, so these runs have no `--as-of`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::support::home::Home;
use super::support::partner_file::{PARTNERS, PartnerFile};
use super::support::people::{Sandbox, day, install, ndjson, referral, written};
use super::support::source::Source;
use super::support::table::{self, Layout, Table};
use super::support::workload::text;

/// An installation, its GP system, and the rows of the first drops by the person's name.
struct World {
    home: Home,
    sandbox: Sandbox,
    sent: BTreeMap<String, Vec<String>>,
}

impl World {
    /// Refers these people and runs the loop once.
    fn sent(people: &[(&str, &str, &str)]) -> Self {
        let home = Home::new();
        let mut resources = Vec::new();
        for (n, (given, family, partner)) in (1..).zip(people) {
            resources.extend(referral(n, given, family, partner));
        }
        home.write("data/world.ndjson", ndjson(&resources));
        let sandbox = Sandbox::start(&home, "data");
        let partners = PARTNERS.map(|id| {
            PartnerFile::of(id)
                .shares(&[
                    "patient.name",
                    "patient.phone",
                    "referral.reason",
                    "referral.activity",
                ])
                .column("Phone", "patient.phone")
                .column("Why", "referral.reason")
        });
        let source = Source::searched("hilltop", &sandbox.fhir.base);
        install(&home, &[source], &partners);
        home.kith(&["run", "--once"]).expect_code(0);
        let mut sent = BTreeMap::new();
        for partner in PARTNERS {
            for drop in home.drops(partner) {
                let table = table::read(&drop, Layout::COMMA);
                let name = table.column("Name");
                sent.extend(table.rows.into_iter().map(|row| (row[name].clone(), row)));
            }
        }
        assert_eq!(sent.len(), people.len(), "everybody was sent");
        Self {
            home,
            sandbox,
            sent,
        }
    }

    /// Runs the loop; held rows are a matter of the test.
    fn runs(&self) -> Value {
        let ran = self.home.kith(&["run", "--once", "--json"]);
        assert!(
            matches!(ran.code, 0 | 1),
            "exit {}\n{}",
            ran.code,
            ran.stderr
        );
        ran.json()
    }

    fn reference(&self, name: &str) -> &str {
        &self.sent[name][0]
    }

    /// A partner's return with these rows: whose reference, whose check and name, attendance, acknowledgement.
    fn returns(&self, partner: &str, file: &str, rows: &[(&str, &str, &str, &str)]) {
        let header = [
            "Our ref",
            "Check",
            "Name",
            "Date seen",
            "Attended?",
            "Outcome",
            "Stopped?",
        ]
        .map(str::to_owned)
        .to_vec();
        let rows = rows
            .iter()
            .map(|(reference, person, attended, stopped)| {
                let seen = if attended.is_empty() {
                    String::new()
                } else {
                    written(day(-1))
                };
                let row = &self.sent[*person];
                let reference = self.reference(reference).to_owned();
                vec![
                    reference,
                    row[1].clone(),
                    row[3].clone(),
                    seen,
                    (*attended).to_owned(),
                    String::new(),
                    (*stopped).to_owned(),
                ]
            })
            .collect();
        self.home.put_return(
            partner,
            file,
            &table::write(&Table { header, rows }, Layout::COMMA),
        );
    }

    /// Open holds of a reason, as `kith status` lists them.
    fn held(&self, reason: &str) -> Vec<Value> {
        let status = self.home.kith(&["status", "--json"]);
        assert!(
            matches!(status.code, 0 | 1),
            "exit {}\n{}",
            status.code,
            status.stderr
        );
        let held = status.json()["held"].as_array().cloned().expect("held");
        held.into_iter()
            .filter(|held| held["reason"] == reason)
            .collect()
    }

    fn receipts(&self, partner: &str) -> String {
        let folder = self
            .home
            .below(&format!("var/partners/{partner}/out/receipts"));
        let files = super::support::home::snapshot(&folder);
        files
            .values()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }
}

#[test]
fn an_amended_referral_gives_one_amend_row_and_a_revoked_one_a_stop_until_it_is_acknowledged() {
    let world = World::sent(&[
        ("Anna", "Beech", "elm"),
        ("Ben", "Cedar", "elm"),
        ("Cara", "Maple", "oak"),
    ]);
    let [_, mut amended] = referral(1, "Anna", "Beech", "elm");
    amended["reasonCode"][0]["text"] = json!("Lives far from family");
    world.sandbox.fhir.put(&amended);
    let [_, mut revoked] = referral(2, "Ben", "Cedar", "elm");
    revoked["status"] = json!("revoked");
    world.sandbox.fhir.put(&revoked);

    let summary = world.runs();
    let drops = world.home.drops("elm");
    assert_eq!(drops.len(), 2, "one drop for the changes");
    let table = table::read(&drops[1], Layout::COMMA);
    let mut rows: Vec<(&str, &str, &str, &str)> = table
        .rows
        .iter()
        .map(|row| (&*row[0], &*row[2], &*row[3], &*row[5]))
        .collect();
    rows.sort_by_key(|row| row.1);
    let (anna, ben) = (world.reference("Anna Beech"), world.reference("Ben Cedar"));
    assert_eq!(
        rows,
        [
            (anna, "AMEND", "Anna Beech", "Lives far from family"),
            (ben, "STOP", "Ben Cedar", "")
        ],
        "the change, and a stop with identity as last sent and nothing else"
    );
    let elm = summary["partners"].as_array().and_then(|partners| {
        partners
            .iter()
            .find(|partner| partner["id"] == "elm")
            .cloned()
    });
    assert_eq!(
        elm.map(|elm| elm["rows"].clone()),
        Some(json!({"NEW": 0, "AMEND": 1, "STOP": 1, "PAUSE": 0}))
    );
    assert_eq!(world.home.drops("oak").len(), 1, "nothing changed for oak");

    for _ in 0..2 {
        world.runs();
        assert_eq!(
            world.home.drops("elm").len(),
            2,
            "neither row is sent again"
        );
        let open = world.held("stop-open");
        assert_eq!(
            open.iter()
                .map(|held| text(&held["reference"]))
                .collect::<Vec<_>>(),
            [ben],
            "the stop waits for the partner"
        );
    }
    world.returns(
        "elm",
        "returns 1.csv",
        &[("Ben Cedar", "Ben Cedar", "", "Y")],
    );
    world.runs();
    assert_eq!(world.held("stop-open"), Vec::<Value>::new(), "acknowledged");
    world.home.kith(&["prove"]).expect_code(0);
}

#[test]
fn another_partners_reference_is_held_and_changes_nothing() {
    let world = World::sent(&[("Anna", "Beech", "elm"), ("Cara", "Maple", "oak")]);
    let cara = world.reference("Cara Maple").to_owned();
    let trace = || {
        world
            .home
            .kith(&["trace", &cara, "--json"])
            .expect_code(0)
            .stdout
    };
    let before = trace();
    world.returns(
        "elm",
        "returns 1.csv",
        &[("Cara Maple", "Cara Maple", "Y", "")],
    );
    world.runs();
    assert_eq!(trace(), before, "nothing happened to the referral");
    assert_eq!(
        world.sandbox.fhir.all("Observation").len(),
        0,
        "nothing was written"
    );
    let held = world.held("not-your-reference");
    assert_eq!(
        held.iter()
            .map(|held| text(&held["owner"]))
            .collect::<Vec<_>>(),
        ["ig"]
    );
    let receipts = world.receipts("elm");
    assert!(
        receipts.contains("We did not send you this person"),
        "{receipts}"
    );
    world.home.kith(&["prove"]).expect_code(0);
}

#[test]
fn a_sheet_with_one_column_sorted_is_held_whole_and_pushes_nothing() {
    let people = [
        ("Anna", "Beech", "elm"),
        ("Ben", "Cedar", "elm"),
        ("Dora", "Hazel", "elm"),
        ("Eve", "Rowan", "elm"),
    ];
    let world = World::sent(&people);
    // The references moved down by one, the last row stayed right: still nothing of the file can be trusted.
    let rows = [
        ("Ben Cedar", "Anna Beech"),
        ("Dora Hazel", "Ben Cedar"),
        ("Anna Beech", "Dora Hazel"),
        ("Eve Rowan", "Eve Rowan"),
    ];
    let rows = rows.map(|(reference, person)| (reference, person, "Y", ""));
    world.returns("elm", "returns 1.csv", &rows);
    world.runs();
    assert_eq!(
        world.sandbox.fhir.all("Observation").len(),
        0,
        "nothing of the file was written"
    );
    assert!(!world.held("sorted").is_empty(), "somebody is told");
    // The same people, put right: all is taken, once.
    let rows = people.map(|(given, family, _)| format!("{given} {family}"));
    let rows: Vec<(&str, &str, &str, &str)> = rows
        .iter()
        .map(|name| (&**name, &**name, "Y", ""))
        .collect();
    world.returns("elm", "returns 2.csv", &rows);
    world.runs();
    assert_eq!(
        world.sandbox.fhir.all("Observation").len(),
        4,
        "the sheet put right is taken in"
    );
    world.home.kith(&["prove"]).expect_code(0);
}
