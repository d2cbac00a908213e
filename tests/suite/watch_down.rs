//! A server that is down, and a person who has died: what still leaves, and what waits.

use std::collections::BTreeMap;

use serde_json::json;

use super::support::people::Sandbox;
use super::support::workload::text;
use super::support::world::held;
use super::watch_cases::{
    ELM, actions, case, change, check, come, people_sent, person, questions, status, world_of,
};

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
    let (mut world, mut people) = world_of(&cases);
    world.runs();
    let (files, references) = (world.drops(), people_sent(&world));
    change(&mut world, &mut people, &cases);
    let new = person(3, ELM);
    world.gp_refers(&new.records());
    world.runs_with(&["pull", "select", "map"]);
    come(&world, ELM, &[2]);
    world.runs_with(&["collect", "match"]);

    let there = ["Patient", "Consent", "ServiceRequest"].map(|of| world.gp_has(of));
    let elsewhere = Sandbox::start(&world.home, "data");
    world.gp_goes();
    let ran = world.kith(&["run", "--once", "--json", "deliver", "push"], 1);
    assert!(ran.stderr.contains("WATCH-001"), "{}", ran.stderr);
    let night = ran.json();
    let asked = questions(&night, &references);
    check(&cases, &actions(&world, &files), &asked);
    let new: Vec<&str> = asked[&0].iter().map(String::as_str).collect();
    assert_eq!(new, ["not-re-read"], "the new referral waits");

    // The server is back, elsewhere, with what it held.
    for records in there {
        elsewhere.fhir.load(&records);
    }
    world.gp_is(elsewhere);
    let files = world.drops();
    let back = world.runs();
    assert_eq!(
        actions(&world, &files),
        BTreeMap::from([(3, vec![(ELM.to_owned(), "NEW".to_owned())])])
    );
    let still = held(&back);
    let still: Vec<&str> = still.iter().map(|held| text(&held["reason"])).collect();
    assert_eq!(
        still,
        ["stop-open"],
        "nothing waits for the server any more"
    );
    assert_eq!(world.gp_has("Observation").len(), 1, "the write has gone");
    world.proves();
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
    let (mut world, mut people) = world_of(&cases);
    world.runs();
    come(&world, ELM, &[1, 2]);
    change(&mut world, &mut people, &cases);
    let second = world.runs();
    assert_eq!(world.gp_has("Observation").len(), 1, "one of the two");
    let held = held(&second);
    let at_push = held.iter().filter(|held| held["stage"] == "push");
    let at_push: Vec<&str> = at_push.map(|held| text(&held["reason"])).collect();
    assert_eq!(at_push, ["died"], "the practice is asked");
    world.proves();
}
