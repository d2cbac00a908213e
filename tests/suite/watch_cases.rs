//! The cases of the watch tests: one person and one change each, all in one world.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::support::partner_file::PartnerFile;
use super::support::people::{day, referral};
use super::support::workload::text;
use super::support::world::{Drops, World, came, held};

pub(super) const SHARED: [&str; 6] = [
    "patient.name",
    "patient.phone",
    "patient.postcode",
    "patient.contact_instructions",
    "referral.reason",
    "referral.activity",
];
/// Takes only people near; takes only people who consent; has no column for what a row asks.
pub(super) const ELM: &str = "elm";
pub(super) const OAK: &str = "oak";
pub(super) const FIR: &str = "fir";

/// The records of one person.
pub(super) struct Person {
    pub(super) patient: Value,
    pub(super) request: Value,
    pub(super) consent: Value,
}

impl Person {
    pub(super) fn records(&self) -> [Value; 3] {
        [&self.patient, &self.request, &self.consent].map(Clone::clone)
    }
}

pub(super) type Change = fn(&mut Person);

/// What a change must come to.
pub(super) struct Case {
    pub(super) what: &'static str,
    pub(super) partner: &'static str,
    pub(super) change: Change,
    /// The one row the partner sees, if any.
    pub(super) action: &'static str,
    /// Who is asked what.
    pub(super) asks: &'static [&'static str],
}

pub(super) const fn case(
    what: &'static str,
    partner: &'static str,
    change: Change,
    action: &'static str,
    asks: &'static [&'static str],
) -> Case {
    Case {
        what,
        partner,
        change,
        action,
        asks,
    }
}

/// A world with one person for each case.
pub(super) fn world_of(cases: &[Case]) -> (World, Vec<Person>) {
    let people = (1..).zip(cases).map(|(n, case)| person(n, case.partner));
    let people: Vec<Person> = people.collect();
    let records: Vec<Value> = people.iter().flat_map(Person::records).collect();
    (World::of_gp(&partners(), &records), people)
}

fn partners() -> [PartnerFile; 3] {
    let of = |id: &str| {
        PartnerFile::of(id)
            .shares(&SHARED)
            .column("Phone", "patient.phone")
            .column("Why", "referral.reason")
    };
    [
        of(ELM).with("select", "postcodes = [\"BS1\"]"),
        of(OAK).with("select", "consent = \"required\""),
        of(FIR)
            .without("What")
            .column("When to ring", "patient.contact_instructions"),
    ]
}

/// Makes every change, and puts what is not as it was onto the server.
pub(super) fn change(world: &mut World, people: &mut [Person], cases: &[Case]) {
    for (person, case) in people.iter_mut().zip(cases) {
        let before = person.records();
        (case.change)(person);
        let pairs = before.into_iter().zip(person.records());
        let changed = pairs.filter(|(before, after)| before != after);
        let changed: Vec<Value> = changed.map(|(_, after)| after).collect();
        world.gp_refers(&changed);
    }
}

/// What each partner was sent in the files after the known ones: what to do, by the number of the person.
pub(super) fn actions(world: &World, known: &Drops) -> BTreeMap<usize, Vec<(String, String)>> {
    let mut rows: BTreeMap<usize, Vec<(String, String)>> = BTreeMap::new();
    for row in world.rows_since(known) {
        let what = row.get("What").or(row.get("What to do"));
        let what = what.map_or("NEW", String::as_str).to_owned();
        let of = rows.entry(number(&row["Name"])).or_default();
        of.push((row["partner"].clone(), what));
    }
    rows
}

/// The partner returns that these people came today.
pub(super) fn come(world: &World, partner: &str, people: &[usize]) {
    let mut rows = world.rows();
    rows.retain(|row| row["partner"] == partner && people.contains(&number(&row["Name"])));
    assert_eq!(rows.len(), people.len(), "they were sent");
    let told: Vec<_> = rows.into_iter().map(|row| (row, came(0, "Y"))).collect();
    world.partner_returns(partner, "returns 1.csv", &told);
}

/// The person of each reference.
pub(super) fn people_sent(world: &World) -> BTreeMap<String, usize> {
    let rows = world.rows().into_iter();
    rows.map(|row| (row["Our ref"].clone(), number(&row["Name"])))
        .collect()
}

/// The number in the name of a person.
fn number(name: &str) -> usize {
    let given = name.split(' ').next().unwrap_or_default();
    let digits = given.trim_start_matches("Person");
    digits.parse().expect("a number")
}

pub(super) fn person(n: u32, partner: &str) -> Person {
    let [mut patient, mut request] = referral(n, &format!("Person{n}"), "Beech", partner);
    patient["birthDate"] = json!("1951-04-12");
    request["supportingInfo"] = json!([{"reference": format!("Consent/consent-{n}")}]);
    let consent = json!({
        "resourceType": "Consent", "id": format!("consent-{n}"), "status": "active", "patient": {"reference": format!("Patient/person-{n}")},
        "provision": {"type": "permit", "period": {"end": day(1).to_string()}},
    });
    Person {
        patient,
        request,
        consent,
    }
}

/// Open questions by the number of the person.
pub(super) fn questions(
    summary: &Value,
    references: &BTreeMap<String, usize>,
) -> BTreeMap<usize, BTreeSet<String>> {
    let mut questions: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for held in held(summary) {
        let n = references
            .get(text(&held["reference"]))
            .copied()
            .unwrap_or(0);
        let reason = text(&held["reason"]).to_owned();
        assert!(
            questions.entry(n).or_default().insert(reason),
            "asked twice: {held}"
        );
    }
    questions
}

pub(super) fn check(
    cases: &[Case],
    rows: &BTreeMap<usize, Vec<(String, String)>>,
    asked: &BTreeMap<usize, BTreeSet<String>>,
) {
    let mut wrong = Vec::new();
    for (n, case) in (1..).zip(cases) {
        let found: Vec<&str> = rows
            .get(&n)
            .map(|rows| rows.iter().map(|(_, what)| what.as_str()).collect())
            .unwrap_or_default();
        let expected: Vec<&str> = [case.action]
            .into_iter()
            .filter(|action| !action.is_empty())
            .collect();
        let asks: BTreeSet<String> = case
            .asks
            .iter()
            .map(|reason| (*reason).to_owned())
            .collect();
        let was_asked = asked.get(&n).cloned().unwrap_or_default();
        if found != expected || was_asked != asks {
            wrong.push(format!(
                "{}: rows {found:?}, asked {was_asked:?}",
                case.what
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(super) fn phone(person: &mut Person) {
    person.patient["telecom"][0]["value"] = json!("07700 900999");
}

pub(super) fn status(person: &mut Person, word: &str) {
    person.request["status"] = json!(word);
}
