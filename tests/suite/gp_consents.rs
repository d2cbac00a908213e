//! Which consents a referral rests on, in whatever form the request names them, and whose they are.

use serde_json::{Value, json};

use super::gp_cases::{Came, elm, lines, practice, una};
use super::support::people::{ndjson, nhs_number};
use super::support::source::Source;
use super::support::world::World;

fn consent(id: &str, kind: &str, day: u8) -> Value {
    json!({"resourceType": "Consent", "id": id, "status": "active", "dateTime": format!("2026-11-{day:02}"),
        "patient": {"reference": "Patient/person-1"}, "provision": {"type": kind}})
}

/// What comes of a request that names these in its information, with these consents within it and beside it.
fn resting(named: &Value, within: &[Value], beside: &[Value]) -> Came {
    let mut records = una(|_, request| {
        request["supportingInfo"] = named.clone();
        request["contained"] = json!(within);
    });
    records.extend(beside.iter().cloned());
    Came::of_folder(&lines(&records), &["NHS"])
}

#[test]
fn a_refusal_is_seen_in_whatever_form_it_is_named() {
    let refused = |came: Came, name: &str| came.assert_held("consent", &practice("consent"), name);
    let no = || consent("c", "deny", 3);
    refused(
        resting(&json!([{"reference": "#c"}]), &[no()], &[]),
        "contained",
    );
    let two = json!([{"reference": "Consent/c"}, {"reference": "#d"}]);
    refused(
        resting(
            &two,
            &[consent("d", "deny", 20)],
            &[consent("c", "permit", 3)],
        ),
        "the newer one within the request",
    );
    let within = json!([{"reference": "#c"}, {"reference": "#d"}]);
    let mut research = consent("d", "permit", 20);
    research["scope"] = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]});
    refused(
        resting(&within, &[no(), research], &[]),
        "beside one about research",
    );
    let mut undated = no();
    undated.as_object_mut().unwrap().remove("dateTime");
    refused(
        resting(&within, &[undated, consent("d", "permit", 20)], &[]),
        "without a day",
    );
    // Nothing says that the folder is of that server.
    let elsewhere = json!([{"reference": "https://gp.example/fhir/Consent/c"}]);
    let doubt = "Needs somebody today";
    resting(&elsewhere, &[], &[no()]).assert_held("record-in-doubt", doubt, "elsewhere");
    // What it names by `urn:` may be anything: here it is no consent.
    let other = json!([{"reference": "urn:uuid:0b1c6f9a-3f0e-4a35-9a52-000000000001"}]);
    resting(&other, &[], &[]).assert_sent(&[&nhs_number(1)], "nothing named");
}

#[test]
fn a_consent_of_several_that_is_not_there_may_be_a_refusal() {
    let two = json!([{"reference": "Consent/1"}, {"reference": "Consent/2"}]);
    resting(&two, &[], &[consent("1", "permit", 3)]).assert_held(
        "consent-missing",
        &practice("consent-missing"),
        "the other one is away",
    );
    resting(
        &two,
        &[],
        &[consent("1", "permit", 3), consent("2", "permit", 4)],
    )
    .assert_sent(&[&nhs_number(1)], "both are there");
}

#[test]
fn another_persons_request_does_not_go_with_the_first_ones_record() {
    let mut world = World::of(&[Source::folder("hilltop", "ext")], &[elm()]);
    let come = |world: &mut World, records: &[Value], name: &str| {
        world.home.write("ext/x.ndjson", ndjson(records));
        world.kith(&["run", "--once"], 1);
        // What waits is looked at again by changed rules.
        let named = format!("name = \"{name}\"");
        world.amends("elm", |file| file.with("partner", &named));
        world.kith(&["run", "--once"], 1);
        assert!(world.rows().is_empty(), "{:?}", world.rows());
    };
    // Held for a reason that a later file may take away.
    let first = una(|_, request| request["priority"] = json!("urgent"));
    come(&mut world, &first, "Elm once more");
    // The next extract has the request alone, and it is somebody else's now.
    let [_, mut request]: [Value; 2] = una(|_, _| ()).try_into().unwrap();
    request["subject"] = json!({"reference": "Patient/person-2"});
    come(&mut world, &[request], "Elm again");
    assert_eq!(world.held("no-patient").len(), 1);
}

#[test]
fn of_several_consents_the_newest_counts_wherever_it_stands() {
    let consent = |id: &str, kind: &str, day: u8| {
        json!({"resourceType": "Consent", "id": id, "status": "active", "dateTime": format!("2026-11-{day:02}"),
            "patient": {"reference": "Patient/person-1"}, "provision": {"type": kind}})
    };
    let resting = json!([{"reference": "Consent/1"}, {"reference": "Consent/2"}]);
    let of = |first: Value, second: Value| {
        let mut records = una(|_, request| request["supportingInfo"] = resting.clone());
        records.extend([first, second]);
        Came::of_folder(&lines(&records), &["NHS"])
    };
    let number = nhs_number(1);
    for ids in [["1", "2"], ["2", "1"]] {
        of(consent(ids[0], "permit", 3), consent(ids[1], "deny", 20)).assert_held(
            "consent",
            &practice("consent"),
            "refused since",
        );
        of(consent(ids[0], "deny", 3), consent(ids[1], "permit", 20))
            .assert_sent(&[&number], "agreed since");
    }
}

#[test]
fn a_consent_of_somebody_else_says_nothing_of_the_person() {
    let of = |person: Value| {
        let mut records = una(|_, request| {
            request["supportingInfo"] = json!([{"reference": "Consent/1"}]);
        });
        records.push(json!({"resourceType": "Consent", "id": "1", "status": "active", "dateTime": "2026-11-03",
            "patient": person, "provision": {"type": "permit"}}));
        Came::of_folder(&lines(&records), &["NHS"])
    };
    let numbered = |n: u32| json!({"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs_number(n)}});
    for another in [
        json!({"reference": "Patient/person-2"}),
        json!({"reference": "https://gp.example/fhir/Patient/person-2"}),
        numbered(2),
    ] {
        of(another).assert_held(
            "consent-missing",
            &practice("consent-missing"),
            "of another",
        );
    }
    for own in [
        json!({"reference": "Patient/person-1"}),
        json!({"reference": "https://gp.example/fhir/Patient/person-1/_history/2"}),
        numbered(1),
        json!({"display": "Una"}),
    ] {
        of(own).assert_sent(&[&nhs_number(1)], "agreed since");
    }
}
