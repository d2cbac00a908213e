//! What a record says in a form of its own: read right where there is one reading, held with its reason where there is not,
//! never taken for absent.

use std::sync::Arc;

use jiff::civil::date;

use super::*;
use crate::json::Arena;
use crate::partner::agreement::{RuleText, TextKind, built_in};
use crate::partner::{Rules, SourceFacts};
use crate::pipeline::referral::{Referral, Setting};
use crate::pipeline::select::{Decision, PriorLegs, SourceRules, Trail, decide};
use crate::seal::sha256;

const PARTNER: &str = r#"[partner]
id = "elm"
name = "Elm Befriending"
kind = "provider"
identifier = { system = "https://fhir.nhs.uk/Id/ods-organization-code", value = "ZZ901" }
contact = { name = "A. Volunteer", email = "hello@example.org" }
verified_on = 2026-11-01
care_provider = true
classes = ["befriending-services"]
[select]
activities = ["befriending", "walking"]
postcodes = ["BS1"]
urgent = "hold"
consent = "implied"
[share]
basis = "data sharing agreement 2026-014"
fields = ["patient.nhs_number", "patient.name", "patient.birth_date", "patient.address", "patient.phone", "patient.interpreter_required", "referral.authored_on", "referral.activity", "referral.note"]
[deliver]
transport = "local"
file = "referrals_{date}_{sequence}.csv"
[[deliver.column]]
header = "Our ref"
from = "leg.reference"
[[deliver.column]]
header = "Action"
from = "leg.action"
[[deliver.column]]
header = "What to do"
from = "leg.stop"
[[deliver.column]]
header = "Number"
from = "patient.nhs_number"
[[deliver.column]]
header = "Surname"
from = "patient.family"
[[deliver.column]]
header = "Born"
from = "patient.birth_date"
[[deliver.column]]
header = "Phone"
from = "patient.phone"
required = true
[[deliver.column]]
header = "Line 4"
from = "patient.address_line_4"
[[deliver.column]]
header = "Postcode"
from = "patient.postcode"
[[deliver.column]]
header = "Interpreter"
from = "patient.interpreter_required"
[[deliver.column]]
header = "Referred on"
from = "referral.authored_on"
date = "%d/%m/%Y"
[[deliver.column]]
header = "Referred"
from = "referral.authored_on"
[[deliver.column]]
header = "Activity"
from = "referral.activity"
[[deliver.column]]
header = "Note"
from = "referral.note"
[collect]
transport = "local"
file = "returns*.csv"
reference = "Our ref"
dates = "%Y-%m-%d"
unguarded = "hold-all"
[[collect.event]]
kind = "attendance"
on = "Seen"
value = { column = "Came", codes = { Y = "attended" } }
"#;

pub(super) const REQUEST: &str = r#"{"resourceType":"ServiceRequest","id":"r","meta":{"versionId":"1"},"status":"active","intent":"order","priority":"routine",
"code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},
"orderDetail":[{"coding":[{"system":"https://kith.example/CodeSystem/activity","code":"befriending"}]}],
"subject":{"reference":"Patient/p"},"authoredOn":"2026-11-19T09:00:00Z","note":[{"text":"Please phone"}],
"performer":[{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"ZZ901"}}]}"#;

pub(super) const PERSON: &str = r#"{"resourceType":"Patient","id":"p","meta":{"versionId":"1"},"active":true,"gender":"female","birthDate":"1950-05-06",
"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9000000211"}],
"name":[{"use":"official","family":"Testperson","given":["Una"]}],"telecom":[{"system":"phone","value":"01632 960001"}],
"address":[{"use":"home","line":["Flat 1","Sample House","1 Sample Street","Clifton"],"postalCode":"BS1 1AA"}]}"#;

pub(super) const IMPLIED: &str = "consent = \"implied\"";
const REQUIRED: &str = "consent = \"required\"";

pub(super) fn rules(consent: &str) -> Rules {
    let mut texts = built_in();
    texts.push(RuleText {
        kind: TextKind::Partner,
        built_in: false,
        path: "partners/elm.toml".to_owned(),
        text: PARTNER.replace("consent = \"implied\"", consent),
    });
    Rules::from_texts(&texts).unwrap().0
}

/// What becomes of a referral: `row …` with its cells, or the reason with what the check saw.
fn outcome(rules: &Rules, request: &str, person: &str, consent: Option<&str>) -> String {
    let bytes = |text: &str| Arc::<[u8]>::from(text.as_bytes());
    let referral = Referral {
        patient: Some(bytes(person)),
        consent: consent.map(bytes),
        ..Referral::of_request(bytes(request))
    };
    let arena = Arena::default();
    let trees = referral.trees(&arena).expect("the request is JSON");
    let setting = Setting {
        source: SourceFacts::default(),
        today: date(2026, 11, 23),
        activity_system: "https://kith.example/CodeSystem/activity",
        rules,
    };
    let view = trees.view(setting, facts("K7M3-9QXD-4T2P", Action::New, "", 1));
    let (intents, labels) = (["order".to_owned()], ["R".to_owned(), "V".to_owned()]);
    let source = SourceRules {
        restricted_labels: &labels,
        hold_test_people: false,
        ..dry_rules(rules, &intents)
    };
    let mut trail = Trail::telling();
    let decided = decide(
        &view,
        &trees.consents(),
        &source,
        PriorLegs::default(),
        &mut trail,
    );
    let steps = trail.into_steps();
    let saw = steps.last().map_or("", |step| step.saw.as_str());
    match decided {
        Decision::NotOurs => "not-ours".to_owned(),
        Decision::Closed(_, reason) => format!("closed {}", reason.code()),
        Decision::Held(reason, _) => format!("{}: {saw}", reason.code()),
        Decision::Routed(place) => {
            let tokens = |fields: &[&[u8]]| sha256(fields);
            match row(&rules.partners[place], &view, &tokens) {
                Ok(cells) => format!("row {}", cells.join("|")),
                Err(problem) => format!("{}: {}", problem.reason.code(), problem.told()),
            }
        }
    }
}

pub(super) fn changed(text: &str, (from, to): (&str, &str)) -> String {
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

const ROW: &str = "row K7M3-9QXD-4T2P|NEW||9000000211|Testperson|1950-05-06|01632 960001|Clifton|BS1 1AA||19/11/2026|2026-11-19|befriending|Please phone";

#[test]
#[expect(clippy::too_many_lines, reason = "a table of forms")]
fn a_request_in_another_form_is_read_or_held_and_never_lost() {
    let rules = rules(IMPLIED);
    assert_eq!(outcome(&rules, REQUEST, PERSON, None), ROW);
    let system = "http://snomed.info/sct";
    let doubt = "malformed: a referral code, but not as FHIR and SNOMED CT write one: ServiceRequest.code.coding";
    let cases: &[((&str, &str), &str)] = &[
        ((system, "https://snomed.info/sct"), doubt),
        ((system, "http://snomed.info/sct/"), doubt),
        ((system, "urn:oid:2.16.840.1.113883.6.96"), doubt),
        (("\"871731000000106\"", "871731000000106"), doubt),
        (("871731000000106", "103697008"), "not-ours"),
        (("\"routine\"", "\"URGENT\""), "urgent: priority urgent"),
        (
            ("\"routine\"", "\"emergency\""),
            "urgent: priority a code that FHIR does not have",
        ),
        (
            ("\"routine\"", "7"),
            "malformed: ServiceRequest.priority is not a text, as FHIR R4 has it",
        ),
        (("\"routine\"", "\"Routine\""), ROW),
        (
            ("\"active\"", "[\"active\"]"),
            "malformed: ServiceRequest.status is not a single one, as FHIR R4 has it",
        ),
        (
            ("\"intent\":", "\"doNotPerform\":\"false\",\"intent\":"),
            "malformed: ServiceRequest.doNotPerform is not true or false, as FHIR R4 has it",
        ),
        (
            ("\"intent\":", "\"doNotPerform\":true,\"intent\":"),
            "closed do-not-perform",
        ),
        (
            (
                "\"intent\":",
                "\"implicitRules\":\"https://example.org/rules\",\"intent\":",
            ),
            "unknown-modifier: said",
        ),
        (
            ("\"versionId\":\"1\"", "\"tag\":[{\"code\":\"SUBSETTED\"}]"),
            "malformed: meta.tag says SUBSETTED: parts of the record are missing",
        ),
        (
            ("\"versionId\":\"1\"", "\"security\":[{\"code\":\"v\"}]"),
            "restricted: yes",
        ),
        (
            ("[{\"text\":\"Please phone\"}]", "\"Please phone\""),
            "malformed: column \"Note\": ServiceRequest.note is not an object with parts, as FHIR R4 has it",
        ),
        (
            ("[{\"text\":\"Please phone\"}]", "[{\"text\":7}]"),
            "malformed: column \"Note\": ServiceRequest.note[0].text is not a text, as FHIR R4 has it",
        ),
        (
            (
                "[{\"text\":\"Please phone\"}]",
                "{\"text\":\"Please phone\"}",
            ),
            ROW,
        ),
        (("2026-11-19T09:00:00Z", "2026-11-19T09:00:00"), ROW),
        (("2026-11-19T09:00:00Z", "2026-11-18T23:59:00-01:00"), ROW),
        (
            ("2026-11-19T09:00:00Z", "2026-02-30"),
            "bad-date: column \"Referred on\": ServiceRequest.authoredOn is no date or time that there is",
        ),
        (
            ("2026-11-19T09:00:00Z", "2026-11-19T25:61:00Z"),
            "bad-date: column \"Referred on\": ServiceRequest.authoredOn is no date or time that there is",
        ),
        (
            (
                "\"befriending\"}]}]",
                "\"befriending\"}]},{\"coding\":[{\"system\":\"https://kith.example/CodeSystem/activity\",\"code\":\"gardening\"}]}]",
            ),
            "criteria: activities of elm: asks befriending, walking, saw befriending, gardening",
        ),
    ];
    for (change, expected) in cases {
        let request = changed(REQUEST, *change);
        assert_eq!(
            &outcome(&rules, &request, PERSON, None),
            expected,
            "{change:?}"
        );
    }
    let two = "\"befriending\"}]},{\"text\":\"Walking group\"}]";
    let request = changed(REQUEST, ("\"befriending\"}]}]", two));
    let found = outcome(&rules, &request, PERSON, None);
    assert!(found.contains("|befriending; Walking group|"), "{found}");
    let long = "n".repeat(crate::domain::limits::CELL_UNITS_MAX + 1);
    let request = changed(REQUEST, ("Please phone", &long));
    let found = outcome(&rules, &request, PERSON, None);
    assert_eq!(
        found,
        "too-long: column \"Note\": 32768 characters, at most 32767"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of forms")]
fn a_person_in_another_form_is_read_or_held() {
    let rules = rules(IMPLIED);
    let number = "\"value\":\"9000000211\"";
    let status = |url: &str, code: &str| {
        format!(
            "{number},\"extension\":[{{\"url\":\"{url}\",\"valueCodeableConcept\":{{\"coding\":[{{\"code\":\"{code}\"}}]}}}}]"
        )
    };
    let older = status(
        "https://fhir.nhs.uk/R4/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
        "02",
    );
    let fifth = ROW.replace("|Clifton|", "|Clifton, Bristol|");
    let cases: &[((&str, &str), &str)] = &[
        ((number, "\"value\":\"900-000-0211\""), ROW),
        ((number, "\"value\":\"900 000 0211\""), ROW),
        (
            (number, "\"value\":\"000-000-0000\""),
            "nhs-number: one NHS number, check digit wrong; verification status none",
        ),
        (
            (number, "\"value\":9000000211"),
            "malformed: Patient.identifier[0].value is not a text, as FHIR R4 has it",
        ),
        (
            (
                number,
                "\"value\":\"9000000211\",\"period\":{\"end\":\"2026-11-01\"}",
            ),
            "nhs-number: no NHS number; verification status none",
        ),
        (
            (
                number,
                "\"value\":\"9000000211\",\"period\":{\"end\":\"2026-02-30\"}",
            ),
            "bad-date: Patient.identifier[0].period.end is no date or time that there is",
        ),
        (
            (number, &older),
            "nhs-number: one NHS number, check digit right; verification status 02",
        ),
        (
            ("\"active\":true", "\"active\":\"true\""),
            "malformed: Patient.active is not true or false, as FHIR R4 has it",
        ),
        (
            ("\"active\":true", "\"deceased\":false"),
            "malformed: Patient.deceased is not written with its type, as FHIR R4 has it",
        ),
        (
            (
                "\"active\":true",
                "\"implicitRules\":\"https://example.org/r\"",
            ),
            "unknown-modifier: said",
        ),
        (
            ("1950-05-06", "1950-13-45"),
            "bad-date: Patient.birthDate is no date or time that there is",
        ),
        (
            ("\"family\":\"Testperson\"", "\"family\":[\"Testperson\"]"),
            "malformed: Patient.name[0].family is not a single one, as FHIR R4 has it",
        ),
        (("\"given\":[\"Una\"]", "\"given\":\"Una\""), ROW),
        (
            (
                "\"family\":\"Testperson\",\"given\":[\"Una\"]",
                "\"text\":\"Una Testperson\"",
            ),
            "no-name: column \"Surname\": the name is one text, without its parts",
        ),
        (
            ("\"use\":\"official\"", "\"use\":\"OLD\""),
            "malformed: Patient.name[0].use is none of the codes that FHIR R4 has for it",
        ),
        (
            ("\"value\":\"01632 960001\"", "\"value\":1632960002"),
            "malformed: column \"Phone\": Patient.telecom[0].value is not a text, as FHIR R4 has it",
        ),
        (("\"Clifton\"]", "\"Clifton\",\"Bristol\"]"), &fifth),
        (
            ("\"use\":\"home\"", "\"use\":\"home\",\"type\":\"postal\""),
            "no-postcode: postcodes of elm: asks BS1, saw nothing",
        ),
        (
            (
                "\"address\":[{",
                "\"address\":[{\"use\":\"home\",\"type\":\"physical\",\"postalCode\":\"LS1 1AA\"},{\"type\":\"postal\",\"use\":\"home\",\"postalCode\":\"BS1 1AA\"},{\"period\":{\"end\":\"2020\"},",
            ),
            "area: postcodes of elm: asks BS1, saw postcode area LS1 1",
        ),
        (
            (
                "\"active\":true",
                "\"active\":true,\"extension\":[{\"url\":\"http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired\",\"valueString\":\"yes\"}]",
            ),
            "malformed: column \"Interpreter\": Patient.extension says it in a form that FHIR R4 does not have",
        ),
        (
            (
                "\"versionId\":\"1\"",
                "\"versionId\":\"1\",\"versionId\":\"2\"",
            ),
            "unreadable: Patient: line 1, column 60: a key stands twice in one object",
        ),
    ];
    for (change, expected) in cases {
        let person = changed(PERSON, *change);
        assert_eq!(
            &outcome(&rules, REQUEST, &person, None),
            expected,
            "{change:?}"
        );
    }
}

fn consent(status: &str, provision: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"Consent","id":"c","status":"{status}","provision":{{{provision}}}{more}}}"#
    )
}

const PERMIT: &str = r#""type":"permit""#;
const DENY: &str = r#""type":"deny""#;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of forms")]
fn a_refusal_an_expiry_and_nothing_are_three_things() {
    let over = r#""type":"permit","period":{"end":"2026-11-22"}"#;
    let not_yet = r#""type":"permit","period":{"start":"2026-11-24"}"#;
    let odd_end = r#""type":"permit","period":{"end":20301231}"#;
    let us = r#","x":0"#;
    let for_class =
        r#""type":"deny","actor":[{"role":{"coding":[{"code":"befriending-services"}]}}]"#;
    let for_others = r#""type":"deny","actor":[{"reference":{"identifier":{"value":"ZZ999"}}}]"#;
    let for_whom = r#""type":"deny","actor":[{"reference":{"reference":"Organization/7"}}]"#;
    let deny_over = r#""type":"deny","period":{"end":"2026-11-22"}"#;
    let dated = |day: &str| format!(r#","dateTime":"{day}""#);
    let several = |list: &[String]| format!("[{}]", list.join(","));
    let research = r#","scope":{"coding":[{"code":"research"}]}"#;
    let opt_out = r#","category":[{"coding":[{"display":"National Data Opt-out"}]}]"#;
    // Each: the consents, the outcome where consent is required, and the one where it is implied.
    let cases: &[(&str, Option<String>, &str, &str)] = &[
        ("none", None, "consent-missing", "row"),
        (
            "a permit",
            Some(consent("active", PERMIT, us)),
            "row",
            "row",
        ),
        (
            "one that has run out",
            Some(consent("active", over, "")),
            "consent-missing",
            "row",
        ),
        (
            "one that begins later",
            Some(consent("active", not_yet, "")),
            "consent-missing",
            "row",
        ),
        (
            "an end that is no text",
            Some(consent("active", odd_end, "")),
            "consent-missing",
            "consent-missing",
        ),
        (
            "a draft",
            Some(consent("draft", PERMIT, "")),
            "consent-missing",
            "row",
        ),
        (
            "refused",
            Some(consent("active", DENY, "")),
            "consent",
            "consent",
        ),
        (
            "rejected",
            Some(consent("rejected", PERMIT, "")),
            "consent",
            "consent",
        ),
        (
            "withdrawn",
            Some(consent("inactive", PERMIT, "")),
            "consent",
            "consent",
        ),
        (
            "refused to our class",
            Some(consent("active", for_class, "")),
            "consent",
            "consent",
        ),
        (
            "refused to others",
            Some(consent("active", for_others, "")),
            "consent-missing",
            "row",
        ),
        (
            "refused to somebody",
            Some(consent("active", for_whom, "")),
            "consent-missing",
            "consent-missing",
        ),
        (
            "a refusal that is over",
            Some(consent("active", deny_over, "")),
            "consent-missing",
            "row",
        ),
        (
            "refused research",
            Some(consent("active", DENY, research)),
            "consent-missing",
            "row",
        ),
        (
            "the national opt-out",
            Some(consent("active", DENY, opt_out)),
            "consent-missing",
            "row",
        ),
        (
            "a status of another list",
            Some(consent("Active", DENY, "")),
            "consent-missing",
            "consent-missing",
        ),
        (
            "a refusal older than a permit",
            Some(several(&[
                consent("active", DENY, &dated("2026-01-01")),
                consent("active", PERMIT, &dated("2026-02-01")),
            ])),
            "row",
            "row",
        ),
        (
            "a permit older than a refusal",
            Some(several(&[
                consent("active", PERMIT, &dated("2026-01-01T09:00:00Z")),
                consent("active", DENY, &dated("2026-01-01T10:00:00Z")),
            ])),
            "consent",
            "consent",
        ),
        (
            "a refusal without a day beside a permit",
            Some(several(&[
                consent("active", PERMIT, &dated("2026-01-01")),
                consent("active", DENY, ""),
            ])),
            "consent",
            "consent",
        ),
        (
            "a replaced consent beside a permit",
            Some(several(&[
                consent("inactive", PERMIT, &dated("2026-01-01")),
                consent("active", PERMIT, &dated("2026-02-01")),
            ])),
            "row",
            "row",
        ),
    ];
    let (required, implied) = (rules(REQUIRED), rules(IMPLIED));
    for (what, consents, asked, direct_care) in cases {
        for (rules, expected) in [(&required, asked), (&implied, direct_care)] {
            let found = outcome(rules, REQUEST, PERSON, consents.as_deref());
            let found = found.split([' ', ':']).next().unwrap_or_default();
            assert_eq!(
                found, *expected,
                "{what}: {:?}",
                rules.partners[0].select.consent
            );
        }
    }
}
