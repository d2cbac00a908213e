//! The table of `safety.md` §6, row by row: one person for each change, all in one installation, and what their partner sees.
//!
//! The GP system is `kith sandbox`. Changes are made to the Patient or the Consent alone wherever the table speaks of them,
//! so that only a reading by id can find them.

use std::collections::BTreeMap;

use serde_json::json;

use super::support::people::{day, nhs_number, referral};
use super::support::workload::text;
use super::watch_cases::{
    Case, ELM, FIR, OAK, Person, actions, case, change, check, people_sent, phone, questions,
    status, world_of,
};

const CONTACT: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-ContactPreference";

fn instructions(person: &mut Person) {
    person.patient["extension"] = json!([{"url": CONTACT, "extension": [
        {"url": "PreferredContactTimes", "valueString": "mornings only"}]}]);
}

fn coded(person: &mut Person, code: &str) {
    person.request["code"] =
        json!({"coding": [{"system": "http://snomed.info/sct", "code": code}]});
}

fn label(person: &mut Person, code: &str) {
    let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    person.patient["meta"]["security"] = json!([{"system": system, "code": code}]);
}

fn priority(person: &mut Person, word: &str) {
    person.request["priority"] = json!(word);
}

/// What the readers of rows without a column for it are told; the source's number is not known here.
const STOP_WORDS: &str = "Please stop. Because of our referral, do not ring, write to or visit this person. If they come to you by themselves, you may help them as you help anybody.";
const PAUSE_WORDS: &str = "Please wait. Start nothing new for this person on our referral. If you already see them, ring the practice.";

#[rustfmt::skip]
const SENT: &[Case] = &[
    case("died", ELM, |p| p.patient["deceasedDateTime"] = json!("2026-11-01"), "STOP", &["stop-open"]),
    case("said to be alive", ELM, |p| p.patient["deceasedBoolean"] = json!(false), "", &[]),
    case("restricted", ELM, |p| label(p, "V"), "STOP", &["stop-open"]),
    case(
        "do not contact",
        ELM,
        |p| {
            p.request["orderDetail"][0]["coding"][0]["code"] =
                json!("contacting-subject-prohibited");
        },
        "STOP",
        &["stop-open", "criteria-changed"],
    ),
    case("do not perform", ELM, |p| p.request["doNotPerform"] = json!(true), "STOP", &["stop-open"]),
    case("declined", ELM, |p| coded(p, "871711000000103"), "STOP", &["stop-open"]),
    case("recoded", ELM, |p| coded(p, "103697008"), "STOP", &["stop-open"]),
    case("consent withdrawn", OAK, |p| p.consent["status"] = json!("inactive"), "STOP", &["stop-open"]),
    case("consent refused", OAK, |p| p.consent["provision"]["type"] = json!("deny"), "STOP", &["stop-open"]),
    case("consent touched", OAK, |p| p.consent["dateTime"] = json!("2026-11-01"), "", &[]),
    case("revoked", ELM, |p| status(p, "revoked"), "STOP", &["stop-open"]),
    case("in error", ELM, |p| status(p, "entered-in-error"), "STOP", &["stop-open"]),
    case("on hold", ELM, |p| status(p, "on-hold"), "PAUSE", &[]),
    case("on hold, and another phone", ELM, |p| { status(p, "on-hold"); phone(p); }, "PAUSE", &[]),
    case("on hold, and died", ELM, |p| { status(p, "on-hold"); p.patient["deceasedBoolean"] = json!(true); }, "STOP", &["stop-open"]),
    case("a draft again", ELM, |p| status(p, "draft"), "PAUSE", &["not-an-order"]),
    case("completed", ELM, |p| status(p, "completed"), "", &[]),
    case("completed, and another phone", ELM, |p| { status(p, "completed"); phone(p); }, "AMEND", &[]),
    case(
        "unknown modifier",
        ELM,
        |p| {
            p.patient["modifierExtension"] =
                json!([{"url": "https://hilltop.example/x", "valueBoolean": true}]);
        },
        "PAUSE",
        &["unknown-modifier"],
    ),
    case("another phone", ELM, phone, "AMEND", &[]),
    case("another city", ELM, |p| p.patient["address"][0]["city"] = json!("Newtown"), "", &[]),
    case("another phone, no column", FIR, phone, "Changed: Phone", &[]),
    case("died, no column", FIR, |p| p.patient["deceasedBoolean"] = json!(true), STOP_WORDS, &["stop-open"]),
    case("on hold, no column", FIR, |p| status(p, "on-hold"), PAUSE_WORDS, &[]),
    case("instructions the partner can read", FIR, instructions, "Changed: When to ring", &[]),
    case("instructions the partner cannot read", ELM, instructions, "PAUSE", &["contact-instructions"]),
    case("moved out of the area", ELM, |p| p.patient["address"][0]["postalCode"] = json!("LS1 4DJ"), "", &["criteria-changed"]),
    case("under 18", ELM, |p| p.patient["birthDate"] = json!("2015-01-01"), "PAUSE", &["criteria-changed"]),
    case("raised to urgent", ELM, |p| priority(p, "urgent"), "", &["urgent"]),
    case(
        "merged, and nobody finds it",
        ELM,
        |p| {
            p.patient["link"] =
                json!([{"type": "replaced-by", "other": {"reference": "Patient/nobody"}}]);
        },
        "",
        &["identity-changed"],
    ),
    case(
        "merged",
        ELM,
        |p| {
            p.patient["link"] =
                json!([{"type": "replaced-by", "other": {"reference": "Patient/merged"}}]);
        },
        "AMEND",
        &["identity-changed"],
    ),
    case("another NHS number", ELM, |p| p.patient["identifier"][0]["value"] = json!(nhs_number(500)), "", &["identity-changed"]),
    case("left the practice", ELM, |p| p.patient["active"] = json!(false), "", &["moved-practice"]),
];

/// Changes before anything was sent: what the first drop has, and who is asked.
#[rustfmt::skip]
const UNSENT: &[Case] = &[
    case("died", ELM, |p| p.patient["deceasedDateTime"] = json!("2026-11-01"), "", &["died"]),
    case("restricted", ELM, |p| label(p, "R"), "", &["restricted"]),
    case("consent withdrawn", OAK, |p| p.consent["status"] = json!("inactive"), "", &[]),
    case("revoked", ELM, |p| status(p, "revoked"), "", &[]),
    case("on hold", ELM, |p| status(p, "on-hold"), "", &["paused-by-gp"]),
    case("another phone", ELM, phone, "NEW", &[]),
    case("under 18", ELM, |p| p.patient["birthDate"] = json!("2015-01-01"), "", &["child"]),
    case("instructions", ELM, instructions, "", &["contact-instructions"]),
    case("another performer", ELM, |p| p.request["performer"][0]["identifier"]["value"] = json!(FIR), "NEW", &[]),
    case("left the practice", ELM, |p| p.patient["active"] = json!(false), "NEW", &["moved-practice"]),
    case("nothing", ELM, |_| {}, "NEW", &[]),
];

#[test]
fn each_change_after_sending_has_exactly_its_one_effect() {
    let (mut world, mut people) = world_of(SENT);
    world.runs();
    let (files, references) = (world.drops(), people_sent(&world));
    assert_eq!(references.len(), SENT.len(), "everybody was sent");
    let [mut merged, _] = referral(900, "Person", "Beech", ELM);
    let n = SENT
        .iter()
        .position(|case| case.what == "merged")
        .expect("a case")
        + 1;
    merged["id"] = json!("merged");
    merged["name"][0]["given"] = json!([format!("Person{n}")]);
    world.gp_refers(&[merged]);
    change(&mut world, &mut people, SENT);
    let second = world.runs();
    check(
        SENT,
        &actions(&world, &files),
        &questions(&second, &references),
    );
    // The very same again is nothing new.
    let files = world.drops();
    let third = world.runs();
    assert_eq!(world.drops(), files, "no row is sent twice");
    assert_eq!(
        questions(&third, &references),
        questions(&second, &references),
        "nobody is asked twice"
    );

    // What was said is taken back: a pause is lifted with all that changed meanwhile, a stop is not.
    let at = |what: &str| {
        SENT.iter()
            .position(|case| case.what == what)
            .expect("a case")
    };
    for what in [
        "on hold, and another phone",
        "instructions the partner cannot read",
        "died",
    ] {
        let person = &mut people[at(what)];
        person.request["status"] = json!("active");
        for key in ["deceasedDateTime", "extension"] {
            person
                .patient
                .as_object_mut()
                .expect("an object")
                .remove(key);
        }
        world.gp_refers(&person.records()[..2]);
    }
    // Consent runs out by the day alone: nothing changes at the practice.
    let tomorrow = format!("{}T09:00:00Z", day(2));
    let fourth = world.runs_with(&["--as-of", &tomorrow]);
    let rows = actions(&world, &files);
    let row = |what: &str| rows.get(&(at(what) + 1)).cloned().unwrap_or_default();
    let elm = |what: &str| vec![(ELM.to_owned(), what.to_owned())];
    assert_eq!(row("on hold, and another phone"), elm("AMEND"));
    assert_eq!(row("instructions the partner cannot read"), elm("AMEND"));
    assert_eq!(row("died"), []);
    // Nobody withdrew it: nothing is stopped, and the practice is asked, once.
    assert_eq!(row("consent touched"), []);
    assert_eq!(rows.len(), 2, "and no other row: {rows:?}");
    let asked = questions(&fourth, &references);
    let of = |what: &str| asked.get(&(at(what) + 1)).cloned().unwrap_or_default();
    assert_eq!(
        of("died").into_iter().collect::<Vec<_>>(),
        ["death-removed", "stop-open"]
    );
    assert!(of("instructions the partner cannot read").is_empty());
    let ran_out: Vec<String> = of("consent touched").into_iter().collect();
    assert_eq!(ran_out, ["consent-ran-out"]);
    world.proves();
}

#[test]
fn a_change_before_anything_was_sent_leaves_no_row_behind() {
    let (mut world, mut people) = world_of(UNSENT);
    world.runs_with(&["pull", "select", "map"]);
    assert!(
        world.home.drops(ELM).is_empty(),
        "nothing was delivered yet"
    );
    change(&mut world, &mut people, UNSENT);
    let second = world.runs();
    // A person to whom no row went has no reference that anybody saw: told by the partner and the reasons together.
    let rows = actions(&world, &BTreeMap::new());
    let mut reasons: Vec<&str> = second["held"]
        .as_array()
        .expect("held")
        .iter()
        .map(|held| text(&held["reason"]))
        .collect();
    reasons.sort_unstable();
    let mut expected: Vec<&str> = UNSENT
        .iter()
        .flat_map(|case| case.asks.iter().copied())
        .collect();
    expected.sort_unstable();
    assert_eq!(reasons, expected, "who is asked what");
    for (n, case) in (1..).zip(UNSENT) {
        let found: Vec<&str> = rows
            .get(&n)
            .into_iter()
            .flatten()
            .map(|(_, what)| what.as_str())
            .collect();
        let expected: Vec<&str> = [case.action]
            .into_iter()
            .filter(|action| !action.is_empty())
            .collect();
        assert_eq!(found, expected, "{}", case.what);
    }
    let performer = UNSENT
        .iter()
        .position(|case| case.what == "another performer")
        .expect("a case")
        + 1;
    assert_eq!(
        rows[&performer][0].0, FIR,
        "to the partner that is named now"
    );
    assert_eq!(
        second["legs"]["cancelled"], 2,
        "revoked, and consent withdrawn"
    );
    world.proves();
}

#[test]
fn a_referral_that_names_another_partner_stops_with_the_one_and_begins_with_the_other() {
    let cases = [case(
        "another performer",
        ELM,
        |p| {
            p.request["performer"][0]["identifier"]["value"] = json!(FIR);
        },
        "",
        &[],
    )];
    let (mut world, mut people) = world_of(&cases);
    world.runs();
    let files = world.drops();
    change(&mut world, &mut people, &cases);
    world.runs();
    let rows = actions(&world, &files);
    let expected =
        [(ELM, "STOP"), (FIR, "NEW")].map(|(partner, what)| (partner.to_owned(), what.to_owned()));
    assert_eq!(rows[&1], expected);
    // From here on the new leg is the one that follows the referral.
    phone(&mut people[0]);
    world.gp_refers(&people[0].records()[..1]);
    let files = world.drops();
    world.runs();
    assert_eq!(
        actions(&world, &files)[&1],
        [(FIR.to_owned(), "Changed: Phone".to_owned())]
    );
    world.proves();
}

#[test]
fn a_death_stops_at_once_and_a_record_that_is_gone_asks_the_practice() {
    let cases = [
        case(
            "died",
            ELM,
            |p| p.patient["deceasedBoolean"] = json!(true),
            "STOP",
            &["stop-open"],
        ),
        case("another phone", ELM, phone, "", &[]),
        case("deleted", ELM, |_| {}, "", &["source-gone"]),
    ];
    let (mut world, mut people) = world_of(&cases);
    world.runs();
    let (files, references) = (world.drops(), people_sent(&world));
    change(&mut world, &mut people, &cases);
    world.gp().fhir.delete("ServiceRequest", "request-3");
    // The nightly reading, which delivers nothing else.
    let night = world.runs_with(&["reconcile"]);
    check(
        &cases,
        &actions(&world, &files),
        &questions(&night, &references),
    );
    let files = world.drops();
    world.runs_with(&["deliver"]);
    let rows = actions(&world, &files);
    assert_eq!(
        rows,
        BTreeMap::from([(2, vec![(ELM.to_owned(), "AMEND".to_owned())])])
    );
    world.proves();
}
