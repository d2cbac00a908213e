//! The searching pull from the outside: people who are found later, sources that cannot be reached, and what is certified.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::support::partner_file::partners;
use super::support::people::referral;
use super::support::source::Source;
use super::support::world::{World, later};

/// The certificate of a source.
fn certificate<'a>(printed: &'a Value, source: &str) -> &'a Value {
    let all = printed["certificates"].as_array().unwrap();
    let found = all.iter().find(|line| line["source"] == source);
    found.unwrap_or_else(|| panic!("no certificate of {source}: {printed}"))
}

fn drops(world: &World) -> usize {
    world.drops().values().map(BTreeSet::len).sum()
}

#[test]
fn a_person_who_is_found_later_is_sent_though_the_referral_did_not_change() {
    let [patient, request] = referral(1, "Ada", "Byron", "elm");
    let mut world = World::of_gp(&partners(), &[request]);
    // Nothing of the first window is asked for again: only its person is.
    world.source(|source| source.pulling("overlap_minutes = 5, settle_seconds = 0"));
    let first = world.kith(&["run", "--once", "--json"], 1).json();
    let line = certificate(&first, "hilltop");
    assert_eq!(line["verdict"], "complete except");
    assert_eq!(line["except"], "1 unresolved references");
    assert_eq!(line["evidence"]["unresolved_by_kind"]["Patient"], 1);
    assert_eq!(drops(&world), 0);

    let still = world.kith(&["run", "--once", "--json"], 1).json();
    let line = certificate(&still, "hilltop");
    assert_eq!(line["evidence"]["still_unresolved"], 1);
    assert_eq!(line["evidence"]["requests"], 0, "{line}");

    world.gp_refers(&[patient]);
    let found = world.kith(&["run", "--once", "--json"], 0).json();
    assert_eq!(certificate(&found, "hilltop")["verdict"], "complete");
    assert_eq!(drops(&world), 1, "the referral went out");
    world.proves();
}

#[test]
fn a_source_that_cannot_be_reached_disturbs_no_other() {
    let people = [("Ada", "Byron"), ("Grace", "Hopper")];
    let mut resources = Vec::new();
    for (n, (given, family)) in (1..).zip(people) {
        resources.extend(referral(n, given, family, "oak"));
    }
    let mut world = World::of_gp(&partners(), &resources);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/fhir", listener.local_addr().unwrap());
    drop(listener);
    let nobody = |id: &str| Source::searched(id, &nobody);
    world.sources_are(|hilltop| vec![nobody("away"), hilltop, nobody("alone")]);
    let ran = world.kith(&["run", "--once", "--json"], 1);
    let printed = ran.json();
    assert_eq!(certificate(&printed, "hilltop")["verdict"], "complete");
    for source in ["away", "alone"] {
        assert_eq!(certificate(&printed, source)["verdict"], "unknown");
    }
    assert_eq!(drops(&world), 1);
    // In the order of the config, however long each took.
    let told: Vec<usize> = ["source away", "source alone"]
        .iter()
        .map(|source| {
            ran.stderr
                .find(source)
                .unwrap_or_else(|| panic!("{}", ran.stderr))
        })
        .collect();
    assert!(told.is_sorted(), "{}", ran.stderr);
    let status = world.home.kith(&["status"]);
    assert!(
        status
            .stdout
            .contains("pull of hilltop: complete, everything to "),
        "{}",
        status.stdout
    );
    assert!(
        status.stdout.contains("pull of away: unknown"),
        "{}",
        status.stdout
    );
}

#[test]
fn a_record_that_changed_and_comes_with_two_referrals_is_kept_once_and_amends_both() {
    let [patient, first] = referral(1, "Ada", "Byron", "elm");
    let [_, mut second] = referral(1, "Ada", "Byron", "oak");
    second["id"] = json!("request-2");
    let mut world = World::of_folder(&partners());
    world.gp_refers(&[patient.clone(), first.clone(), second.clone()]);
    world.runs();
    let known = world.drops();
    assert_eq!(world.rows().len(), 2);
    let mut married = later(patient);
    married["name"][0]["family"] = json!("King");
    let [_, mut third] = referral(1, "Ada", "King", "nobody");
    third["id"] = json!("request-3");
    world.gp_refers(&[married, first, second, third]);
    for _ in 0..2 {
        world.runs();
        let rows = world.rows_since(&known);
        let said = rows.iter().map(|row| (&*row["What"], &*row["Name"]));
        assert_eq!(said.collect::<Vec<_>>(), [("AMEND", "Ada King"); 2]);
        assert_eq!(world.held("unknown-partner").len(), 1);
    }
    world.proves();
}

#[test]
fn an_extract_that_is_not_whole_is_work_for_somebody_until_it_is() {
    let resources = referral(1, "Ada", "Byron", "elm");
    let lines: Vec<String> = resources.iter().map(Value::to_string).collect();
    let mut world = World::of_gp(&partners(), &[]);
    world.sources_are(|_| vec![Source::folder("hilltop", "ext")]);
    let home = &world.home;
    home.write("ext/a.ndjson", lines.join("\n"));
    let error =
        r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"incomplete"}]}"#;
    for (name, content, except) in [
        ("b.ndjson", r#"{"resourceType":"Serv"#, "1 unreadable"),
        ("b.zip", "PK\u{3}\u{4}", "1 unreadable"),
        ("b.json", error, "1 that the source says are missing"),
    ] {
        home.write(&format!("ext/{name}"), content);
        let ran = world.kith(&["run", "--once", "--json"], 1);
        let printed = ran.json();
        let line = certificate(&printed, "hilltop");
        assert_eq!(line["verdict"], "complete except", "{name}");
        assert_eq!(line["except"], except, "{name}");
        assert!(
            ran.stderr.contains(&format!("ext/{name}")) || ran.stderr.contains(name),
            "{}",
            ran.stderr
        );
        let status = home.ran(&["status"], 1).stdout;
        assert!(!status.starts_with("Nothing needs anyone"), "{status}");
        assert!(
            status.lines().next().unwrap().contains("hilltop"),
            "{status}"
        );
        std::fs::remove_file(home.below(&format!("ext/{name}"))).unwrap();
    }
    // A list of what the extract holds is said, and no more.
    home.write("ext/truth.json", r#"{"people":1}"#);
    let ran = world.kith(&["run", "--once", "--json"], 0);
    assert_eq!(certificate(&ran.json(), "hilltop")["verdict"], "complete");
    assert!(ran.stderr.contains("truth.json"), "{}", ran.stderr);
    assert_eq!(drops(&world), 1);
}
