//! The whole loop against a FHIR server that is not ours: referrals out, outcomes back, each Observation once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::support::expected::{assert_outward, drops, foreseeable, headers, row, stage};
use super::support::fhir_server::FhirServer;
use super::support::home::Home;
use super::support::sekmet::Sekmet;
use super::support::shared;
use super::support::table::Table;
use super::support::told::{Added, told};
use super::support::validator::assert_no_errors;
use super::support::workload::{Referral, Workload, text};

pub(super) const OUT: &str = "2026-11-23T06:00:00Z";
pub(super) const BACK: &str = "2026-11-23T18:00:00Z";
const AGAIN: [&str; 2] = ["2026-11-23T18:30:00Z", "2026-11-23T19:00:00Z"];

/// The four rows of a person in a long return.
pub(super) const STORY: [Added; 4] = [
    ["22/11/2026", "Y", "", "", "", "", "", "", ""],
    ["22/11/2026", "", "Start", "4", "5", "3", "7", "", ""],
    ["23/11/2026", "", "End", "6", "7", "6", "4", "", ""],
    ["23/11/2026", "", "", "", "", "", "", "Finished", ""],
];

/// How long a run may take that writes about a thousand people: ten seconds where nothing else is at work.
const THOUSAND_LIMIT: Duration = Duration::from_mins(5);

#[test]
fn a_thousand_referrals_go_out_and_their_outcomes_come_back_once() {
    let Some(shared) =
        shared::folder("loop_fhir::a_thousand_referrals_go_out_and_their_outcomes_come_back_once")
    else {
        return;
    };
    // A campaign asks for other seeds; the suite has one.
    let seed = std::env::var("KITH_TEST_SEED")
        .map_or(5, |seed| seed.parse().expect("KITH_TEST_SEED is a number"));
    let workload = Workload::generate(&shared, 1_000, seed, "0.3");
    let server = Sekmet::start();
    let home = Home::with_limit(THOUSAND_LIMIT);
    workload.install(&home, "--fhir", &server.fhir.base);
    out_and_back(&shared, &server.fhir, &home, &workload);
}

/// Runs in which every write must have come to its end.
const RUNS_TO_SETTLE: usize = 4;

/// Puts the extract onto an empty server, goes out, comes back, and does it again: line 3 of the loop's promises. What the
/// server has of ours then is without an error.
pub(super) fn out_and_back(shared: &Path, server: &FhirServer, home: &Home, workload: &Workload) {
    workload.load(server);
    let out = home.kith(&["run", "--once", "--json", "--as-of", OUT]);
    let said = out.stderr.clone();
    let out = out.expect_code(1).json();
    assert_ne!(
        out["certificates"][0]["verdict"], "unknown",
        "the source was read: {said}"
    );
    assert_outward(home, workload, &out, true);

    let delivered = drops(home, workload);
    let rows = delivered
        .values()
        .map(|table| table.rows.len())
        .sum::<usize>();
    for (partner, table) in &delivered {
        home.put_return(
            partner,
            "returns week 47.csv",
            &told(partner, table, |_| &STORY),
        );
    }
    let back = home
        .kith(&["run", "--once", "--json", "--as-of", BACK])
        .expect_code(1)
        .json();
    let collect = stage(&back, "collect");
    assert_eq!(
        (collect.received, collect.accepted),
        (4 * rows as u64, 4 * rows as u64),
        "rows of returns: {collect:?}"
    );
    write_what_was_lost(home);
    assert_observations(server, workload, &delivered);

    for (partner, table) in &delivered {
        let same = told(partner, table, |_| &STORY);
        home.put_return(partner, "returns week 47.csv", &same);
        home.put_return(partner, "returns week 47 - Copy.csv", &same);
        // Other bytes, the same rows: a sheet that is sent whole every week.
        let mut longer = table.clone();
        longer.rows.reverse();
        home.put_return(
            partner,
            "returns week 48.csv",
            &told(partner, &longer, |_| &STORY),
        );
    }
    for at in AGAIN {
        home.ran(&["run", "--once", "--json", "--as-of", at], 1);
        assert_eq!(
            server.all("Observation").len(),
            4 * rows,
            "running again adds no Observation"
        );
    }
    let proof = home.kith(&["prove", "--json"]).expect_code(0).json();
    assert_eq!(proof["balanced"], true);
    assert_no_errors(shared, server.all("Observation"));
}

/// Every delivered row has its four Observations on the server, each once and about the right person.
fn assert_observations(
    server: &FhirServer,
    workload: &Workload,
    delivered: &BTreeMap<String, Table>,
) {
    let mut referrals: HashMap<(&str, Vec<String>), Vec<&Referral>> = HashMap::new();
    for referral in workload
        .referrals
        .iter()
        .filter(|referral| referral.delivered())
    {
        let partner = referral
            .partner()
            .expect("a delivered referral names its performer");
        referrals
            .entry((partner, row(partner, referral)))
            .or_default()
            .push(referral);
    }
    let observations = server.all("Observation");
    let identifiers: BTreeSet<&str> = observations
        .iter()
        .map(|observation| text(&observation["identifier"][0]["value"]))
        .collect();
    assert_eq!(
        identifiers.len(),
        observations.len(),
        "no identifier is on the server twice"
    );
    let mut found: HashMap<&str, Vec<&Value>> = HashMap::new();
    for observation in &observations {
        found
            .entry(text(&observation["basedOn"][0]["reference"]))
            .or_default()
            .push(observation);
    }
    let mut expected = 0;
    for (partner, table) in delivered {
        for row in &table.rows {
            let cells = foreseeable(partner, row);
            // Two people with equal cells are told apart by nobody who sees the sheet alone: each has the same story.
            let referral = referrals
                .get_mut(&(partner.as_str(), cells))
                .and_then(Vec::pop);
            let referral = referral.unwrap_or_else(|| {
                panic!(
                    "a row of {partner} belongs to no referral, reference {}",
                    row[0]
                )
            });
            let of_request = found.remove(format!("ServiceRequest/{}", referral.id()).as_str());
            assert_story(partner, referral, &of_request.unwrap_or_default());
            expected += STORY.len();
        }
        assert_eq!(table.header, headers(partner));
    }
    assert_eq!(
        observations.len(),
        expected,
        "no Observation about anyone else"
    );
}

fn assert_story(partner: &str, referral: &Referral, observations: &[&Value]) {
    let patient = referral
        .patient
        .as_ref()
        .expect("a delivered referral has a person");
    let subject = format!("Patient/{}", text(&patient["id"]));
    let mut said = Vec::new();
    for observation in observations {
        assert_eq!(
            observation["identifier"][0]["system"],
            "https://kith.example/Id/return-event"
        );
        assert_eq!(observation["status"], "final");
        assert_eq!(observation["subject"]["reference"], subject.as_str());
        assert_eq!(
            observation["performer"][0]["identifier"]["system"],
            "https://kith.example/Id/partner"
        );
        assert_eq!(observation["performer"][0]["identifier"]["value"], partner);
        assert!(
            !observation.to_string().contains("871731000000106"),
            "the referral code is never an Observation's"
        );
        said.push(format!(
            "{} {}",
            text(&observation["effectiveDateTime"]),
            value_of(observation)
        ));
    }
    said.sort();
    assert_eq!(
        said,
        [
            "2026-11-22 attendance: attended",
            "2026-11-22 ons4 baseline: anxiety 7, happiness 3, satisfaction 4, worthwhile 5",
            "2026-11-23 ons4 follow-up: anxiety 4, happiness 6, satisfaction 6, worthwhile 7",
            "2026-11-23 referral-state: completed",
        ],
        "Observations of one referral to {partner}"
    );
}

/// A server that fails in mid-write leaves an answer lost: a later run looks it up, and writes what is not there.
fn write_what_was_lost(home: &Home) {
    for _ in 0..RUNS_TO_SETTLE {
        let ran = home.kith(&["run", "--once", "push", "--json", "--as-of", BACK]);
        let books = ran.json()["books"].clone();
        if books.as_array().is_none_or(Vec::is_empty) {
            return;
        }
    }
    panic!("writes are still open after {RUNS_TO_SETTLE} further runs");
}

/// What an Observation says, in words that can be compared.
fn value_of(observation: &Value) -> String {
    let code = text(&observation["code"]["coding"][0]["code"]);
    if let Some(value) = observation.pointer("/valueCodeableConcept/coding/0/code") {
        return format!("{code}: {}", text(value));
    }
    let described = text(&observation["code"]["text"]);
    let occasion = ["baseline", "follow-up"]
        .into_iter()
        .find(|occasion| described.contains(occasion))
        .unwrap_or("?");
    let mut items: Vec<String> = observation["component"]
        .as_array()
        .expect("a questionnaire has items")
        .iter()
        .map(|component| {
            let item = text(&component["code"]["coding"][0]["code"]);
            format!(
                "{} {}",
                item.trim_start_matches("ons4-"),
                component["valueInteger"]
            )
        })
        .collect();
    items.sort();
    format!("{code} {occasion}: {}", items.join(", "))
}
