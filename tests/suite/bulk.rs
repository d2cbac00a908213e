//! Referrals by Bulk Data export: the same books as by search, each change once, and a kill at any moment loses nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::expected::{assert_outward, foreseeable, layout, rows, stage};
use super::support::home::Home;
use super::support::people::Sandbox;
use super::support::process::Process;
use super::support::sekmet::Sekmet;
use super::support::shared;
use super::support::table;
use super::support::workload::{Referral, Workload, text};
use super::support::world::World;

const FIRST: &str = "2026-11-23T06:00:00Z";
const AGAIN: [&str; 3] = [
    "2026-11-23T06:30:00Z",
    "2026-11-23T07:00:00Z",
    "2026-11-23T07:30:00Z",
];

/// An installation that pulls from this server by export.
fn exporting(workload: &Workload, base: &str, keys: &str) -> World {
    let world = World::of_workload(workload, base);
    let exported = format!(r#"pull = {{ kind = "bulk",{keys}"#);
    world.home.edit(
        "config/kith.toml",
        r#"pull = { kind = "search","#,
        &exported,
    );
    world
}

fn row_counts(summary: &Value) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for partner in summary["partners"].as_array().unwrap() {
        for (action, n) in partner["rows"].as_object().unwrap() {
            *counts.entry(action.clone()).or_default() += n.as_u64().unwrap();
        }
    }
    counts.retain(|_, n| *n > 0);
    counts
}

/// A delivered referral whose partner sees the phone number.
fn with_phone(workload: &Workload, skip: usize) -> &Referral {
    let mut found = workload.referrals.iter().filter(|referral| {
        referral.kind == "plain" && referral.partner().is_some_and(|id| id.ends_with("-1"))
    });
    found.nth(skip).expect("a workload has many of these")
}

#[test]
fn an_export_gives_the_books_that_a_search_gives_and_each_change_once() {
    let Some(shared) =
        shared::folder("bulk::an_export_gives_the_books_that_a_search_gives_and_each_change_once")
    else {
        return;
    };
    let workload = Workload::generate(&shared, 200, 5, "0.3");
    let server = Sandbox::of_workload(&workload);
    let world = exporting(&workload, &server.fhir.base, "");
    let first = world.runs_at(FIRST, 1);
    assert_outward(&world.home, &workload, &first, true);
    let certificate = &first["certificates"][0];
    assert_eq!(certificate["verdict"], "complete except", "{certificate}");
    let excepted = workload.count(&["no-patient"]);
    assert_eq!(
        certificate["except"],
        format!("{excepted} unresolved references")
    );
    assert_eq!(certificate["window"]["from"], Value::Null);
    let until = certificate["window"]["to"].clone();
    assert!(until.is_string());
    assert!(
        !world.home.below("var/bulk/gp.job").exists(),
        "the job is done"
    );

    let second = world.runs_at(AGAIN[0], 1);
    assert_eq!(second["legs"], first["legs"], "a second run moves no leg");
    assert_eq!(stage(&second, "pull").accepted, 0);
    assert!(second["certificates"][0]["window"]["from"].is_string());

    // A person changes and none of their requests does; a request is deleted.
    let mut patient = with_phone(&workload, 0).patient.clone().unwrap();
    patient["telecom"][1]["value"] = json!("+447700900999");
    server.fhir.put(&patient);
    server
        .fhir
        .delete("ServiceRequest", with_phone(&workload, 1).id());
    let third = world.runs_at(AGAIN[1], 1);
    assert_eq!(
        row_counts(&third),
        BTreeMap::from([("AMEND".to_owned(), 1)])
    );
    let gone = |summary: &Value| {
        let held = summary["held"].as_array().unwrap().iter();
        held.filter(|hold| hold["reason"] == "source-gone").count()
    };
    assert_eq!((gone(&second), gone(&third)), (0, 1));
    let fourth = world.runs_at(AGAIN[2], 1);
    assert_eq!(row_counts(&fourth), BTreeMap::new());
    assert_eq!(gone(&fourth), 1);
    world.proves();
}

#[test]
fn a_group_is_pulled_alone_and_what_its_export_leaves_out_is_read() {
    let Some(shared) =
        shared::folder("bulk::a_group_is_pulled_alone_and_what_its_export_leaves_out_is_read")
    else {
        return;
    };
    let workload = Workload::generate(&shared, 60, 7, "0");
    let data = Home::new();
    data.write(
        "data/group.json",
        r#"{"resourceType":"Group","id":"list-1","type":"person","actual":true}"#,
    );
    workload.copy(&data, "data");
    let server = Sandbox::start(&data, "data");
    // The requests of everyone but one; practitioners and practices are in nobody's compartment.
    let named = |referral: &&Referral| {
        referral.request["subject"].get("reference").is_some() && referral.delivered()
    };
    let members: Vec<&Referral> = workload.referrals.iter().filter(named).skip(1).collect();
    let entity = |referral: &&Referral| {
        let id = text(&referral.patient.as_ref().unwrap()["id"]);
        json!({"entity": {"reference": format!("Patient/{id}")}})
    };
    let entities: Vec<Value> = members.iter().map(entity).collect();
    let mut group = json!({"resourceType": "Group", "id": "list-1", "type": "person", "actual": true, "member": entities});
    server.fhir.put(&group);
    let world = exporting(&workload, &server.fhir.base, r#" group = "list-1","#);
    let ran = world
        .home
        .kith(&["run", "--once", "--json", "--as-of", FIRST]);
    assert!(matches!(ran.code, 0 | 1), "{}", ran.stderr);
    let first = ran.json();
    assert_eq!(
        row_counts(&first),
        BTreeMap::from([("NEW".to_owned(), members.len() as u64)])
    );
    assert_eq!(first["certificates"][0]["verdict"], "complete", "{first}");
    // A member who is not there: the server says so, and the certificate with it.
    group["member"][0]["entity"]["reference"] = json!("Patient/nobody");
    server.fhir.put(&group);
    let second = world.runs_at(AGAIN[0], 1);
    let certificate = &second["certificates"][0];
    assert_eq!(
        certificate["except"], "1 errors of the export",
        "{certificate}"
    );
}

#[test]
fn an_export_of_a_server_that_is_not_ours_gives_the_same_books() {
    let Some(shared) =
        shared::folder("bulk::an_export_of_a_server_that_is_not_ours_gives_the_same_books")
    else {
        return;
    };
    let workload = Workload::generate(&shared, 100, 6, "0.3");
    let server = Sekmet::start();
    workload.load(&server.fhir);
    let world = exporting(&workload, &server.fhir.base, "");
    let first = world.runs_at(FIRST, 1);
    assert_outward(&world.home, &workload, &first, true);
    let second = world.runs_at(AGAIN[0], 1);
    assert_eq!(second["legs"], first["legs"], "a second run moves no leg");
    assert_eq!(stage(&second, "pull").accepted, 0);
    world.proves();
}

/// Starts a run and kills it: when `until` holds, or after a while.
fn killed(home: &Home, at: &str, wait: Duration, until: &Path) {
    let mut command = home.command(&["run", "--once", "--as-of", at]);
    let mut process = Process::start_silent(&mut command);
    process.wait_until(wait, || until.exists());
}

/// How many exports were ordered of the sandbox so far.
fn orders(server: &Sandbox) -> u64 {
    let place = server.fhir.order_export();
    let (_, number) = place.rsplit_once('/').unwrap();
    number.parse().unwrap()
}

#[test]
fn a_kill_in_the_middle_loses_nothing_doubles_nothing_and_orders_no_second_export() {
    let Some(shared) = shared::folder(
        "bulk::a_kill_in_the_middle_loses_nothing_doubles_nothing_and_orders_no_second_export",
    ) else {
        return;
    };
    let workload = Workload::generate(&shared, 400, 8, "0.3");
    let server = Sandbox::of_workload(&workload);
    // While the server is at work: the order is on record, and the next run asks after the same export.
    let world = exporting(&workload, &server.fhir.base, "");
    let job = world.home.below("var/bulk/gp.job");
    killed(&world.home, FIRST, Duration::from_mins(1), &job);
    assert!(job.exists(), "killed while the export was under way");
    let sealed = fs::read(&job).unwrap();
    assert!(
        !sealed.windows(4).any(|part| part == b"http"),
        "the address is sealed"
    );
    let resumed = world.runs_at(FIRST, 1);
    assert_outward(&world.home, &workload, &resumed, true);
    assert_eq!(orders(&server), 1, "one export was ordered before this one");
    // And at any moment.
    let world = exporting(&workload, &server.fhir.base, "");
    for moment in [1_100, 1_300, 1_600, 2_000] {
        let wait = Duration::from_millis(moment);
        killed(&world.home, FIRST, wait, &world.home.below("never"));
    }
    let last = world.runs_at(FIRST, 1);
    let verdict = text(&last["certificates"][0]["verdict"]);
    assert!(verdict.starts_with("complete"), "{last}");
    for (partner, expected) in rows(&workload) {
        let mut found: Vec<Vec<String>> = Vec::new();
        for drop in world.home.drops(&partner) {
            let table = table::read(&drop, layout(&partner));
            found.extend(table.rows.iter().map(|row| foreseeable(&partner, row)));
        }
        found.sort();
        assert_eq!(found, expected, "rows of {partner}, over all its drops");
    }
    world.proves();
    let left = fs::read_dir(world.home.below("var/tmp")).unwrap().count();
    assert_eq!(left, 0, "the spool has no name");
}
