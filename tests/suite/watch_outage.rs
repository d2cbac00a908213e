//! A GP system that stays down: what waits for it waits until it has been read, not until the second run.

use serde_json::Value;

use super::support::people::Sandbox;
use super::watch_world::{OAK, World, case, questions};

/// What is asked of each person after another run while the server is down.
fn asked_in_an_outage(world: &World) -> Value {
    let ran = world
        .home
        .kith(&["run", "--once", "--json", "deliver", "push"])
        .expect_code(1);
    assert!(ran.stderr.contains("WATCH-001"), "{}", ran.stderr);
    ran.json()
}

/// With a partner that asks for consent, what is known of its people is looked at each day even if nothing can be read.
#[test]
fn an_outage_of_two_runs_ends_no_question_about_people_who_were_not_read() {
    let cases = [
        case("seen by the partner", OAK, |_| {}, "", &["not-re-read"]),
        case("deleted at the practice", OAK, |_| {}, "", &["source-gone"]),
    ];
    let mut world = World::of(&cases);
    world.run(&[]);
    let references = world.references();
    world.sandbox.fhir.delete("ServiceRequest", "request-2");
    let gone = world.run(&["deliver"]);
    assert_eq!(
        questions(&gone, &references)[&2].iter().collect::<Vec<_>>(),
        ["source-gone"]
    );
    world.came(OAK, &[1]);
    world.run(&["collect", "match"]);

    // Another one takes its place elsewhere: nobody answers at the address that Kith knows.
    world.sandbox = Sandbox::start(&world.home, "data");
    for run in 1..=3 {
        let asked = questions(&asked_in_an_outage(&world), &references);
        for (n, case) in (1..).zip(&cases) {
            let asked: Vec<&str> = asked
                .get(&n)
                .map(|asked| asked.iter().map(String::as_str).collect())
                .unwrap_or_default();
            assert_eq!(asked, case.asks, "{} in run {run} of the outage", case.what);
        }
    }
    world.home.kith(&["prove"]).expect_code(0);
}
