//! A GP system that stays down: what waits for it waits until it has been read, not until the second run.

use super::watch_cases::{OAK, case, come, people_sent, questions, world_of};

/// With a partner that asks for consent, what is known of its people is looked at each day even if nothing can be read.
#[test]
fn an_outage_of_two_runs_ends_no_question_about_people_who_were_not_read() {
    let cases = [
        case("seen by the partner", OAK, |_| {}, "", &["not-re-read"]),
        case("deleted at the practice", OAK, |_| {}, "", &["source-gone"]),
    ];
    let (mut world, _) = world_of(&cases);
    world.runs();
    let references = people_sent(&world);
    world.gp().fhir.delete("ServiceRequest", "request-2");
    let gone = questions(&world.runs_with(&["deliver"]), &references);
    assert_eq!(gone[&2].iter().collect::<Vec<_>>(), ["source-gone"]);
    come(&world, OAK, &[1]);
    world.runs_with(&["collect", "match"]);

    world.gp_goes();
    for run in 1..=3 {
        let ran = world.kith(&["run", "--once", "--json", "deliver", "push"], 1);
        assert!(ran.stderr.contains("WATCH-001"), "{}", ran.stderr);
        let asked = questions(&ran.json(), &references);
        for (n, case) in (1..).zip(&cases) {
            let asked = asked.get(&n).into_iter().flatten();
            let asked: Vec<&str> = asked.map(String::as_str).collect();
            assert_eq!(asked, case.asks, "{} in run {run} of the outage", case.what);
        }
    }
    world.proves();
}
