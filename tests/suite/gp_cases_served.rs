//! What was seen at GP systems once, as `gp_cases` has it of folders.

use serde_json::{Value, json};

use super::gp_cases::{Came, elm, una};
use super::support::answering::{Answering, asked, not_found};
use super::support::people::nhs_number;
use super::support::source::Source;
use super::support::world::{World, came};

/// A GP system with Una, whose page holds these entries beside her referral.
fn una_of(entries: impl Fn(&Value) -> Vec<Value>) -> (Answering, World) {
    let records = una(|_, _| ());
    let (person, request) = (records[0].clone(), records[1].clone());
    let mut all =
        vec![json!({"fullUrl": "BASE/fhir/ServiceRequest/request-1", "resource": request})];
    all.extend(entries(&person));
    let gp = Answering::start(move |_, path, parameters| match path {
        "fhir/ServiceRequest/_search" if asked(parameters, "code").is_empty() => (
            200,
            json!({"resourceType": "Bundle", "type": "searchset", "entry": [all[0]]}),
        ),
        "fhir/ServiceRequest/_search" => {
            // Nothing was written since.
            let first = asked(parameters, "_lastUpdated").is_empty();
            let entries = if first { &all[..] } else { &[] };
            (
                200,
                json!({"resourceType": "Bundle", "type": "searchset", "entry": entries}),
            )
        }
        "fhir/ServiceRequest/request-1" => (200, request.clone()),
        "fhir/Patient/person-1" => (200, person.clone()),
        "fhir/metadata" => (
            200,
            json!({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"mode": "server"}]}),
        ),
        // It has no time for what is written.
        "fhir" | "fhir/" | "fhir/Observation" => (429, json!({"resourceType": "OperationOutcome"})),
        "fhir/Observation/_search" => (200, json!({"resourceType": "Bundle", "type": "searchset"})),
        _ => not_found(),
    });
    let source = Source::searched("hilltop", &format!("{}/fhir", gp.origin));
    let source = source.auth("{ kind = \"none\" }\nlimits = { retries_max = 0 }");
    let world = World::of(&[source], &[elm()]);
    (gp, world)
}

#[test]
fn entries_that_a_gp_system_has_no_time_for_are_said_run_after_run() {
    let (_gp, world) =
        una_of(|person| vec![json!({"fullUrl": "BASE/fhir/Patient/person-1", "resource": person})]);
    Came::of(&world, &["NHS"]).assert_sent(&[&nhs_number(1)], "at first");
    let row = world.row_of("Una Testperson");
    world.partner_returns("elm", "returns.csv", &[(row, came(1, "Y"))]);
    for _ in 0..3 {
        let ran = world.kith(&["run", "--once", "--json"], 1);
        assert_eq!(ran.json()["held"].as_array().map(Vec::len), Some(0));
        assert!(ran.stderr.contains("PUSH-003"), "{}", ran.stderr);
        let status = world.kith(&["status"], 1).stdout;
        let first = status.lines().next().unwrap();
        let ends = ", could not reach everything (PUSH-003): kith explain PUSH-003";
        let run = first.starts_with("Needs somebody today: the last run, ");
        assert!(run && first.ends_with(ends), "{first}");
    }
}

#[test]
fn of_what_a_page_includes_the_servers_own_newest_record_counts() {
    let own = "BASE/fhir/Patient/person-1";
    let (_gp, world) = una_of(|person| {
        let mut other = person.clone();
        other["name"] = json!([{"use": "official", "family": "WRONG"}]);
        other["identifier"][0]["value"] = json!(nhs_number(2));
        vec![
            json!({"fullUrl": own, "resource": person}),
            json!({"fullUrl": "https://other.example/fhir/Patient/person-1", "resource": other}),
        ]
    });
    let row = format!("Una Testperson|{}", nhs_number(1));
    Came::of(&world, &["Name", "NHS"]).assert_sent(&[&row], "of another host");

    let (_gp, world) = una_of(|person| {
        let mut newer = person.clone();
        newer["meta"] = json!({"versionId": "2", "lastUpdated": "2026-11-30T00:00:00Z"});
        newer["deceasedBoolean"] = json!(true);
        vec![
            json!({"fullUrl": own, "resource": newer}),
            json!({"fullUrl": own, "resource": person}),
        ]
    });
    Came::of(&world, &["NHS"]).assert_held(
        "died",
        "Needs somebody now: ",
        "the older version last",
    );
}
