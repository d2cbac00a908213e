//! What happens after sending: changes at the source, and returns that say what is not theirs to say.
//!
//! The GP system is `kith sandbox`, whose clock is the machine's, so these runs have no `--as-of`.

use serde_json::{Value, json};

use super::support::home::snapshot;
use super::support::partner_file::{PARTNERS, PartnerFile};
use super::support::people::referral;
use super::support::workload::text;
use super::support::world::{World, came};

/// Refers these people and runs the loop once.
fn sent(people: &[(&str, &str, &str)]) -> World {
    let mut records = Vec::new();
    for (n, (given, family, partner)) in (1..).zip(people) {
        records.extend(referral(n, given, family, partner));
    }
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
    let world = World::of_gp(&partners, &records);
    world.kith(&["run", "--once"], 0);
    assert_eq!(world.rows().len(), people.len(), "everybody was sent");
    world
}

#[test]
fn an_amended_referral_gives_one_amend_row_and_a_revoked_one_a_stop_until_it_is_acknowledged() {
    let mut world = sent(&[
        ("Anna", "Beech", "elm"),
        ("Ben", "Cedar", "elm"),
        ("Cara", "Maple", "oak"),
    ]);
    let (first, anna, ben) = (
        world.drops(),
        world.row_of("Anna Beech"),
        world.row_of("Ben Cedar"),
    );
    let [_, mut amended] = referral(1, "Anna", "Beech", "elm");
    amended["reasonCode"][0]["text"] = json!("Lives far from family");
    let [_, mut revoked] = referral(2, "Ben", "Cedar", "elm");
    revoked["status"] = json!("revoked");
    world.gp_refers(&[amended, revoked]);

    let summary = world.runs();
    assert_eq!(world.drops()["elm"].len(), 2, "one drop for the changes");
    let mut rows = world.rows_since(&first);
    rows.sort_by(|one, other| one["What"].cmp(&other["What"]));
    let cells = ["Our ref", "What", "Name", "Why"];
    let found: Vec<[&str; 4]> = rows
        .iter()
        .map(|row| cells.map(|header| row[header].as_str()))
        .collect();
    assert_eq!(
        found,
        [
            [
                &anna["Our ref"],
                "AMEND",
                "Anna Beech",
                "Lives far from family"
            ],
            [&ben["Our ref"], "STOP", "Ben Cedar", ""]
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
    assert_eq!(world.drops()["oak"].len(), 1, "nothing changed for oak");

    for _ in 0..2 {
        world.runs();
        assert_eq!(world.drops()["elm"].len(), 2, "neither row is sent again");
        let open = world.held("stop-open");
        assert_eq!(
            open.iter()
                .map(|held| text(&held["reference"]))
                .collect::<Vec<_>>(),
            [&ben["Our ref"]],
            "the stop waits for the partner"
        );
    }
    let stopped = vec![("Stopped?", "Y".to_owned())];
    world.partner_returns("elm", "returns 1.csv", &[(ben, stopped)]);
    world.runs();
    assert_eq!(world.held("stop-open"), Vec::<Value>::new(), "acknowledged");
    world.proves();
}

#[test]
fn another_partners_reference_is_held_and_changes_nothing() {
    let world = sent(&[("Anna", "Beech", "elm"), ("Cara", "Maple", "oak")]);
    let cara = world.row_of("Cara Maple");
    let trace = || {
        let traced = world.kith(&["trace", &cara["Our ref"], "--json"], 0);
        traced.stdout
    };
    let before = trace();
    world.partner_returns("elm", "returns 1.csv", &[(cara.clone(), came(1, "Y"))]);
    world.runs();
    assert_eq!(trace(), before, "nothing happened to the referral");
    assert_eq!(world.gp_has("Observation").len(), 0, "nothing was written");
    let held = world.held("not-your-reference");
    assert_eq!(
        held.iter()
            .map(|held| text(&held["owner"]))
            .collect::<Vec<_>>(),
        ["ig"]
    );
    let receipts = snapshot(&world.home.below("var/partners/elm/out/receipts"));
    let said = receipts
        .values()
        .map(|bytes| String::from_utf8_lossy(bytes));
    assert!(
        said.clone()
            .any(|said| said.contains("We did not send you this person")),
        "{:?}",
        said.collect::<Vec<_>>()
    );
    world.proves();
}
