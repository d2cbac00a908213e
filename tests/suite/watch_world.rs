//! The installation of the watch tests, its GP system, and one person for each case.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::support::home::Home;
use super::support::partner_file::PartnerFile;
use super::support::people::{Sandbox, day, install, ndjson, referral, written};
use super::support::source::Source;
use super::support::table::{self, Layout, Table};
use super::support::workload::text;

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

/// An installation and its GP system, with one person for each case.
pub(super) struct World {
    pub(super) home: Home,
    pub(super) sandbox: Sandbox,
    pub(super) people: Vec<Person>,
    pub(super) partners: [PartnerFile; 3],
}

fn partners() -> [PartnerFile; 3] {
    let of = |id: &str| {
        PartnerFile::of(id)
            .shares(&[
                "patient.name",
                "patient.phone",
                "patient.postcode",
                "patient.contact_instructions",
                "referral.reason",
                "referral.activity",
            ])
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

impl World {
    pub(super) fn of(cases: &[Case]) -> Self {
        let home = Home::new();
        let mut people = Vec::new();
        for (n, case) in (1..).zip(cases) {
            people.push(person(n, case.partner));
        }
        let mut all = Vec::new();
        for person in &people {
            all.extend([&person.patient, &person.request, &person.consent].map(Clone::clone));
        }
        home.write("data/world.ndjson", ndjson(&all));
        let sandbox = Sandbox::start(&home, "data");
        let world = Self {
            home,
            sandbox,
            people,
            partners: partners(),
        };
        world.installs();
        world
    }

    pub(super) fn installs(&self) {
        let source = Source::searched("hilltop", &self.sandbox.fhir.base);
        install(&self.home, &[source], &self.partners);
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Value {
        let all = [&["run", "--once", "--json"], arguments].concat();
        let ran = self.home.kith(&all);
        assert!(
            matches!(ran.code, 0 | 1),
            "exit {}\n{}",
            ran.code,
            ran.stderr
        );
        ran.json()
    }

    /// Makes every change, and puts what is not as it was onto the server.
    pub(super) fn changes(&mut self, cases: &[Case]) {
        for (person, case) in self.people.iter_mut().zip(cases) {
            let before = [&person.patient, &person.request, &person.consent].map(Clone::clone);
            (case.change)(person);
            for (before, after) in
                before
                    .iter()
                    .zip([&person.patient, &person.request, &person.consent])
            {
                if before != after {
                    self.sandbox.fhir.put(after);
                }
            }
        }
    }

    /// What each partner was sent in the files after the first `known`: what to do, by the number of the person.
    pub(super) fn rows(
        &self,
        known: &BTreeMap<&str, BTreeSet<String>>,
    ) -> BTreeMap<usize, Vec<(String, String)>> {
        let mut rows: BTreeMap<usize, Vec<(String, String)>> = BTreeMap::new();
        for partner in [ELM, OAK, FIR] {
            for file in self.home.drops(partner) {
                let name = file
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned();
                if known
                    .get(partner)
                    .is_some_and(|known| known.contains(&name))
                {
                    continue;
                }
                let Table {
                    header,
                    rows: found,
                } = table::read(&file, Layout::COMMA);
                let of = |name: &str| header.iter().position(|header| header == name);
                let who = of("Name").expect("every layout has the name");
                for row in found {
                    let what = match of("What").or(of("What to do")) {
                        Some(column) => row[column].clone(),
                        None => "NEW".to_owned(),
                    };
                    let given = row[who].split(' ').next().unwrap_or_default();
                    let n: usize = given
                        .trim_start_matches("Person")
                        .parse()
                        .expect("a number");
                    rows.entry(n).or_default().push((partner.to_owned(), what));
                }
            }
        }
        rows
    }

    /// The partner returns that these people came today.
    pub(super) fn came(&self, partner: &str, people: &[usize]) {
        let first = table::read(&self.home.drops(partner)[0], Layout::COMMA);
        let header = [
            "Our ref",
            "Check",
            "Name",
            "Date seen",
            "Attended?",
            "Outcome",
            "Stopped?",
        ];
        let on = written(day(0));
        let told = people.iter().map(|n| {
            let given = format!("Person{n} ");
            let row = first.rows.iter().find(|row| row[3].starts_with(&given));
            let row = row.expect("the person was sent");
            [&row[0], &row[1], &row[3], &on, "Y", "", ""]
                .map(str::to_owned)
                .to_vec()
        });
        let returned = Table {
            header: header.map(str::to_owned).to_vec(),
            rows: told.collect(),
        };
        let bytes = table::write(&returned, Layout::COMMA);
        self.home.put_return(partner, "returns 1.csv", &bytes);
    }

    pub(super) fn files(&self) -> BTreeMap<&'static str, BTreeSet<String>> {
        [ELM, OAK, FIR]
            .into_iter()
            .map(|partner| {
                let names = self.home.drops(partner).into_iter().map(|file| {
                    file.file_name()
                        .expect("a name")
                        .to_string_lossy()
                        .into_owned()
                });
                (partner, names.collect())
            })
            .collect()
    }

    /// The reference of each person, from the first drops.
    pub(super) fn references(&self) -> BTreeMap<String, usize> {
        let mut references = BTreeMap::new();
        for partner in [ELM, OAK, FIR] {
            for file in self.home.drops(partner) {
                let table = table::read(&file, Layout::COMMA);
                let (who, reference) = (table.column("Name"), table.column("Our ref"));
                for row in table.rows {
                    let given = row[who].split(' ').next().unwrap_or_default().to_owned();
                    let n = given
                        .trim_start_matches("Person")
                        .parse()
                        .expect("a number");
                    references.insert(row[reference].clone(), n);
                }
            }
        }
        references
    }
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
    for held in summary["held"].as_array().expect("held") {
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
