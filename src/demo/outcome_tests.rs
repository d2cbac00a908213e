//! What becomes of everybody as written down, against what select and map decide from the resources and the partner files.

use std::sync::Arc;

use jiff::civil::date;
use serde_json::Value;

use super::home::Home;
use super::people::{Person, ScriptedOutcome, Trouble, people};
use super::resources::{NAMESPACE, PRACTICES, bundle};
use super::services::To;
use crate::domain::{Action, Entropy};
use crate::json::Arena;
use crate::partner::{Rules, SourceFacts};
use crate::pipeline::map;
use crate::pipeline::referral::{Bytes, Referral, Setting};
use crate::pipeline::select::{Decision, PriorLegs, SourceRules, Trail, Unnamed, decide};

/// What the practice of this person serves.
fn served(person: &Person) -> Vec<Value> {
    let bytes = bundle(person.second_practice(), std::slice::from_ref(person));
    let bundle: Value = serde_json::from_slice(&bytes).unwrap();
    bundle["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["resource"].clone())
        .collect()
}

fn referral(person: &Person) -> Referral {
    let served = served(person);
    let of = |kind: &str| -> Option<Bytes> {
        let resource = served
            .iter()
            .find(|resource| resource["resourceType"] == kind)?;
        Some(Arc::from(resource.to_string().into_bytes()))
    };
    let mut referral = Referral::of_request(of("ServiceRequest").unwrap());
    referral.patient = of("Patient");
    referral.requester = of("Practitioner");
    referral.practice = of("Organization");
    referral.consent = of("Consent");
    referral
}

fn rules() -> Rules {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::prepare(&folder.path().join("demo")).unwrap();
    let urls = ["http://127.0.0.1:1/fhir", "http://127.0.0.1:2/fhir"].map(str::to_owned);
    home.furnish(&urls, &Entropy::from_seed([7; 32])).unwrap();
    Rules::load(
        &folder.path().join("demo/mappings"),
        &crate::domain::Limits::default(),
    )
    .map(|(rules, _)| rules)
    .unwrap()
}

fn found(person: &Person, rules: &Rules) -> ScriptedOutcome {
    let referral = referral(person);
    let arena = Arena::default();
    let trees = referral.trees(&arena).unwrap();
    let practice = &PRACTICES[usize::from(person.second_practice())];
    let source = SourceFacts {
        name: practice.name,
        ods_code: practice.ods_code,
        ..SourceFacts::default()
    };
    let activities = format!("{NAMESPACE}/CodeSystem/activity");
    let setting = Setting {
        source,
        today: date(2026, 11, 23),
        activity_system: &activities,
        rules,
    };
    let view = trees.view(setting, map::facts("K7M3-9QXD-4T2P", Action::New, "", 1));
    let source = SourceRules {
        partners: &rules.partners,
        triggers: &rules.social_prescribing,
        own_codes: None,
        intents: &["order".to_owned()],
        restricted_labels: &["R".to_owned(), "V".to_owned()],
        unnamed: Unnamed::LinkWorker,
        by_need: false,
        hold_test_people: false,
        shadow: false,
        restored: None,
        partner_system: &format!("{NAMESPACE}/Id/partner"),
    };
    match decide(
        &view,
        &trees.consents(),
        &source,
        PriorLegs::default(),
        &mut Trail::silent(),
    ) {
        Decision::NotOurs => ScriptedOutcome::NotServed,
        Decision::Closed(_, reason) => ScriptedOutcome::Closed(reason.code()),
        Decision::Held(reason, _) => ScriptedOutcome::Held(reason.code()),
        Decision::Routed(place) => {
            let partner = &rules.partners[place];
            match map::row(partner, &view, &|_| [0; 32]) {
                Err(problem) => ScriptedOutcome::HeldByMap(problem.reason.code()),
                Ok(_) => ScriptedOutcome::Sent(
                    To::ALL
                        .into_iter()
                        .find(|to| to.id() == partner.id)
                        .unwrap(),
                ),
            }
        }
    }
}

#[test]
fn everybody_has_the_fate_that_is_written_down() {
    let rules = rules();
    for person in people() {
        let place = (person.number, person.trouble);
        assert_eq!(found(&person, &rules), person.outcome(), "{place:?}");
    }
}

#[test]
fn the_gym_takes_whomever_the_link_workers_may_send_on() {
    let rules = rules();
    let linked = ScriptedOutcome::Sent(To::Link);
    for person in people()
        .into_iter()
        .filter(|person| person.outcome() == linked)
    {
        let named = Person {
            to: To::Gym,
            trouble: Trouble::None,
            ..person
        };
        assert_eq!(
            found(&named, &rules),
            ScriptedOutcome::Sent(To::Gym),
            "{}",
            named.number
        );
    }
}
