//! A server that is down, and a person who has died: what still leaves, and what waits.

use std::collections::BTreeMap;

use serde_json::json;

use super::support::people::Sandbox;
use super::support::workload::text;
use super::watch_world::{ELM, World, case, check, person, questions, status};

#[test]
fn while_the_server_is_down_stops_go_and_new_rows_and_writes_wait() {
    let cases = [
        case(
            "revoked",
            ELM,
            |p| status(p, "revoked"),
            "STOP",
            &["stop-open"],
        ),
        case("seen by the partner", ELM, |_| {}, "", &["not-re-read"]),
    ];
    let mut world = World::of(&cases);
    world.run(&[]);
    let (files, references) = (world.files(), world.references());
    world.changes(&cases);
    let new = person(3, ELM);
    for resource in [&new.patient, &new.consent, &new.request] {
        world.sandbox.fhir.put(resource);
    }
    world.run(&["pull", "select", "map"]);
    world.came(ELM, &[2]);
    world.run(&["collect", "match"]);

    let down = std::mem::replace(&mut world.sandbox, Sandbox::start(&world.home, "data"));
    let copies = down.fhir.all("ServiceRequest");
    let people = down.fhir.all("Patient");
    let consents = down.fhir.all("Consent");
    drop(down);
    let ran = world
        .home
        .kith(&["run", "--once", "--json", "deliver", "push"])
        .expect_code(1);
    assert!(ran.stderr.contains("WATCH-001"), "{}", ran.stderr);
    let night = ran.json();
    let asked = questions(&night, &references);
    check(&cases, &world.rows(&files), &asked);
    let new: Vec<&str> = asked[&0].iter().map(String::as_str).collect();
    assert_eq!(new, ["not-re-read"], "the new referral waits");

    // The server is back, elsewhere, with what it held.
    for resources in [people, consents, copies] {
        world.sandbox.fhir.load(&resources);
    }
    world.installs();
    let files = world.files();
    let back = world.run(&[]);
    assert_eq!(
        world.rows(&files),
        BTreeMap::from([(3, vec![(ELM.to_owned(), "NEW".to_owned())])])
    );
    let still: Vec<&str> = back["held"]
        .as_array()
        .expect("held")
        .iter()
        .map(|held| text(&held["reason"]))
        .collect();
    assert_eq!(
        still,
        ["stop-open"],
        "nothing waits for the server any more"
    );
    assert_eq!(
        world.sandbox.fhir.all("Observation").len(),
        1,
        "the write has gone"
    );
    world.home.kith(&["prove"]).expect_code(0);
}

#[test]
fn nothing_is_written_about_somebody_who_has_died() {
    let cases = [
        case(
            "died",
            ELM,
            |p| p.patient["deceasedBoolean"] = json!(true),
            "",
            &[],
        ),
        case("nothing", ELM, |_| {}, "", &[]),
    ];
    let mut world = World::of(&cases);
    world.run(&[]);
    world.came(ELM, &[1, 2]);
    world.changes(&cases);
    let second = world.run(&[]);
    assert_eq!(
        world.sandbox.fhir.all("Observation").len(),
        1,
        "one of the two"
    );
    let held = second["held"].as_array().expect("held");
    let at_push: Vec<&str> = held
        .iter()
        .filter(|held| held["stage"] == "push")
        .map(|held| text(&held["reason"]))
        .collect();
    assert_eq!(at_push, ["died"], "the practice is asked");
    world.home.kith(&["prove"]).expect_code(0);
}
