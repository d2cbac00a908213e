//! Fifty people whom two practices share, referred twice in four ways: exactly the rows and holds of `safety.md` §4.
//!
//! The same request from two systems, one typed again, a referral by the other practice: one row, and one hold for the
//! practice. A referral after the first has closed: a second row. What the practice then chooses is done, once.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::support::home::Home;
use super::support::partner_file::partners;
use super::support::people::{ndjson, referral};
use super::support::source::Source;
use super::support::world::{self, Row, World, ended};

const PARTNER: &str = "elm";
/// The same request, with the same identifier, comes from both systems.
const TWICE: RangeInclusive<u32> = 1..=13;
/// Typed again at the same practice while the first is open.
const TYPED_AGAIN: RangeInclusive<u32> = 14..=26;
/// Referred again when the first has closed.
const AFTER_CLOSING: RangeInclusive<u32> = 27..=38;
/// Referred by the other practice too.
const OTHER_PRACTICE: RangeInclusive<u32> = 39..=50;

#[test]
fn four_ways_of_being_referred_twice_give_one_row_or_two() {
    let practice = |id: &str| Source::folder(&format!("practice-{id}"), &format!("extracts/{id}"));
    let practices = [practice("a"), practice("b").ods_code("ZZ002")];
    let world = World::of(&practices, &partners());
    let home = &world.home;
    // Some second requests come in the very run of the first: both practices are read at once.
    let at_once = |n: u32| TWICE.contains(&n) && n <= 6 || OTHER_PRACTICE.contains(&n) && n <= 44;
    write(home, "a/first", (1..=50).map(|n| request(n, 'a', 1)));
    write(
        home,
        "b/first",
        (1..=50).filter(|n| at_once(*n)).map(|n| request(n, 'b', 2)),
    );
    let first = run(&world);
    assert_eq!(
        (rows(&world).len(), held(&first).len()),
        (50, 12),
        "{first}"
    );

    close(&world, &AFTER_CLOSING);
    write(
        home,
        "a/second",
        TYPED_AGAIN.chain(AFTER_CLOSING).map(|n| request(n, 'a', 2)),
    );
    let others = TWICE.chain(OTHER_PRACTICE).filter(|n| !at_once(*n));
    write(home, "b/second", others.map(|n| request(n, 'b', 2)));
    let second = run(&world);
    assert_eq!(
        (rows(&world).len(), held(&second).len()),
        (62, 38),
        "{second}"
    );
    let names: Vec<String> = rows(&world).iter().map(|row| row["Name"].clone()).collect();
    for n in 1..=50 {
        let wanted = if AFTER_CLOSING.contains(&n) { 2 } else { 1 };
        let found = names.iter().filter(|name| **name == name_of(n)).count();
        assert_eq!(found, wanted, "rows of person {n}");
    }
    let again = run(&world);
    assert_eq!(again["legs"], second["legs"], "a third run moves nothing");
    assert_eq!(again["legs"]["held"], 38);
    assert_eq!(again["legs"]["completed"], 12);

    the_practice_chooses(&world, &held(&second));
    world.proves();
}

/// Join, release, send and reject, each as the contract has it; the rest still waits.
fn the_practice_chooses(world: &World, holds: &[Value]) {
    let act = |arguments: &[&str], code: i32| {
        let who = [
            "--by",
            "Dr A",
            "--because",
            "asked the person",
            "--as",
            "practice",
        ];
        let all: Vec<&str> = [&["held"], arguments, &who].concat();
        world.kith(&all, code)
    };
    let number = |at: usize| holds[at]["number"].to_string();
    for (at, hold) in holds.iter().enumerate().take(10) {
        let shown = world.kith(&["held", "show", &number(at), "--json"], 0);
        let said = &shown.stdout;
        assert!(said.contains("Already open with this partner"), "{said}");
        for secret in ["practice-a", "practice-b", "Dr Okafor"] {
            assert!(!said.contains(secret), "who else referred is told: {said}");
        }
        let beside = shown.json()["open_beside"].clone();
        let open = beside[0].as_str().expect("the open one").to_owned();
        assert_eq!(beside.as_array().map(Vec::len), Some(1), "{said}");
        let stranger = hold["reference"].as_str().expect("a reference");
        act(&["join", &number(at), stranger], 2);
        act(&["join", &number(at), &open], 0);
        act(&["join", &number(at), &open], 2);
    }
    let reference = holds[20]["reference"].as_str().expect("a reference");
    let told = world.kith(&["why", reference], 0).stdout;
    assert!(told.contains("<- already-open"), "{told}");
    let released = act(&["release", &number(20)], 0);
    assert!(
        released.stdout.contains("still waits"),
        "{}",
        released.stdout
    );
    for at in 10..13 {
        act(&["release", &number(at), "--send"], 0);
    }
    for at in 13..16 {
        act(&["reject", &number(at)], 0);
    }
    // The owner's word stands, also when the record changes before the row has left.
    let after = run(world);
    assert_eq!((rows(world).len(), held(&after).len()), (65, 22), "{after}");
    assert_eq!(after["legs"]["cancelled"], 13, "{after}");
}

fn name_of(n: u32) -> String {
    format!("Person{n} Shared")
}

/// A person's `time`th request at a practice; a request that comes twice has one identifier.
fn request(n: u32, practice: char, time: u32) -> [Value; 2] {
    let [mut patient, mut request] = referral(n, &format!("Person{n}"), "Shared", PARTNER);
    patient["id"] = json!(format!("{practice}-person-{n}"));
    request["id"] = json!(format!("{practice}-request-{n}-{time}"));
    request["subject"]["reference"] = json!(format!("Patient/{practice}-person-{n}"));
    let of = if TWICE.contains(&n) { 1 } else { time };
    request["identifier"] =
        json!([{"system": "https://hub.example/Id/referral", "value": format!("R{n}-{of}")}]);
    [patient, request]
}

fn write(home: &Home, name: &str, requests: impl Iterator<Item = [Value; 2]>) {
    let all: Vec<Value> = requests.flatten().collect();
    home.write(&format!("extracts/{name}.ndjson"), ndjson(&all));
}

fn run(world: &World) -> Value {
    world.kith(&["run", "--once", "--json"], 1).json()
}

/// What waits, all of it for the same reason.
fn held(summary: &Value) -> Vec<Value> {
    let held = world::held(summary);
    for hold in &held {
        assert_eq!(hold["reason"], "already-open", "{hold}");
        assert_eq!(hold["owner"], "practice", "{hold}");
    }
    held
}

/// Every row that the partner has been sent.
fn rows(world: &World) -> Vec<Row> {
    let mut rows = world.rows();
    rows.retain(|row| row["partner"] == PARTNER);
    let references: BTreeSet<&String> = rows.iter().map(|row| &row["Our ref"]).collect();
    assert_eq!(references.len(), rows.len(), "a leg has one row");
    assert!(
        rows.iter().all(|row| row["What"] == "NEW"),
        "nothing but new rows"
    );
    rows
}

/// The partner says of these people that it has finished.
fn close(world: &World, people: &RangeInclusive<u32>) {
    let names: BTreeSet<String> = people.clone().map(name_of).collect();
    let mut rows = rows(world);
    rows.retain(|row| names.contains(&row["Name"]));
    let finished = rows.into_iter().map(|row| (row, ended(1, "Finished")));
    let finished: Vec<_> = finished.collect();
    world.partner_returns(PARTNER, "returns finished.csv", &finished);
    let told = world.kith(&["run", "--once", "collect", "match", "--json"], 1);
    assert_eq!(told.json()["legs"]["completed"], 12, "{}", told.stdout);
}
