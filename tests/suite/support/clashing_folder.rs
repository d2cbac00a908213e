//! A folder of extracts in which fifty people are split at random over practices, forms and hosts whose ids clash.

use serde_json::{Value, json};

use super::clashing::{Allowed, PEOPLE, Person, first_of, from, practice as practice_name, team};
use super::expressions::Dice;
use super::home::Home;
use super::people::{ndjson, nhs_number};

const PRACTICES: usize = 5;

/// How a practice's records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WrittenForm {
    /// Lines in a folder of its own.
    Below,
    /// Lines in the folder that others share.
    Shared,
    /// A message a person, without addresses.
    Messages,
    /// The same with `urn:` addresses that other practices use too.
    Urns,
    /// Pages of a host, several people on one.
    Pages,
}

const FORMS: [WrittenForm; 5] = [
    WrittenForm::Below,
    WrittenForm::Shared,
    WrittenForm::Messages,
    WrittenForm::Urns,
    WrittenForm::Pages,
];

/// How a request says whom it is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Reference,
    /// The record within the request, under the id that others have outside.
    Contained,
    /// By NHS number alone.
    Number,
}

/// One person's records as a practice writes them.
struct Written {
    request: Value,
    /// The versions of the person, in the order in which they stand.
    patients: Vec<Value>,
    consent: Option<Value>,
    id: String,
}

struct Practice {
    form: WrittenForm,
    name: String,
    people: Vec<Written>,
    /// Its Bundles are lines of one file.
    in_lines: bool,
}

/// Writes the folder of a seed below home; gives the rows that may leave of it.
pub(crate) fn write(home: &Home, path: &str, source: &str, seed: u64) -> Allowed {
    let mut dice = Dice::new(seed.wrapping_mul(2).wrapping_add(1));
    // Without dates nobody can say which of two versions is the newer.
    let dated = dice.roll(4) > 0;
    let mut practices: Vec<Practice> = (0..PRACTICES)
        .map(|number| Practice {
            form: FORMS[dice.roll(FORMS.len())],
            name: practice_name(seed, number),
            people: Vec::new(),
            in_lines: dice.roll(2) == 0,
        })
        .collect();
    let mut allowed = Allowed::new();
    for n in 0..PEOPLE {
        let of = dice.roll(PRACTICES);
        let practice = &mut practices[of];
        let id = practice.people.len() + 1;
        let n = first_of(seed) + n;
        let consent = [None, None, None, Some("permit"), Some("deny")][dice.roll(5)];
        // Every fourth request bears an id that other practices use too.
        let request_id = if dice.roll(4) == 0 {
            id.to_string()
        } else {
            format!("r{n}")
        };
        let person = Person {
            n,
            id: id.to_string(),
            request_id,
            from: from(dice.roll(3) == 0, &practice.name, n),
            consent,
        };
        let (written, whole) = written(&mut dice, &person, practice.form, dated);
        practice.people.push(written);
        if whole && consent != Some("deny") {
            allowed.insert(nhs_number(n), vec![person.row(source, 2)]);
        }
    }
    for (number, practice) in practices.iter().enumerate() {
        practice.write(home, path, seed, number);
    }
    allowed
}

/// A person's records, and whether the person's own are all there.
fn written(dice: &mut Dice, person: &Person, form: WrittenForm, dated: bool) -> (Written, bool) {
    let subject = match dice.roll(12) {
        0 => Subject::Contained,
        1 => Subject::Number,
        _ => Subject::Reference,
    };
    let id = &person.id;
    let mut patients = match dice.roll(8) {
        // In a folder that two share, nothing tells that a record of that name is the other's.
        0 if form != WrittenForm::Shared => Vec::new(),
        1 | 2 => vec![person.patient(1, dated), person.patient(2, dated)],
        3 => vec![person.patient(2, dated), person.patient(1, dated)],
        _ => vec![person.patient(2, dated)],
    };
    let mut request = match subject {
        Subject::Number => person.request(&json!({"identifier": {
            "system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs_number(person.n)}})),
        Subject::Contained => person.request(&json!({"reference": format!("#{id}")})),
        Subject::Reference => person.request(&json!({"reference": match form {
            WrittenForm::Urns => format!("urn:uuid:{id}"),
            WrittenForm::Pages if dice.roll(2) == 0 => format!("Patient/{id}/_history/1"),
            _ => format!("Patient/{id}"),
        }})),
    };
    if subject == Subject::Contained {
        request["contained"] = json!([person.patient(2, false)]);
        patients = Vec::new();
    }
    let whole = subject == Subject::Contained || !patients.is_empty();
    let written = Written {
        request,
        patients,
        consent: person.consent(),
        id: id.clone(),
    };
    (written, whole)
}

impl Written {
    /// All of it, each with what an address of it ends with.
    fn records(&self) -> impl Iterator<Item = (String, &Value)> {
        let patients = self.patients.iter();
        let others = patients.chain(&self.consent);
        let named = |record: &Value| {
            let [kind, id] = ["resourceType", "id"].map(|key| record[key].as_str().expect("text"));
            format!("{kind}/{id}")
        };
        std::iter::once(&self.request)
            .chain(others)
            .map(move |record| (named(record), record))
    }
}

impl Practice {
    fn write(&self, home: &Home, path: &str, seed: u64, number: usize) {
        let team = team(&self.name, seed * 8 + number as u64);
        let below = match self.form {
            WrittenForm::Below => format!("{path}/practice-{number}"),
            _ => path.to_owned(),
        };
        if matches!(self.form, WrittenForm::Below | WrittenForm::Shared) {
            let requests: Vec<Value> = self.people.iter().map(|one| one.request.clone()).collect();
            let others = self.people.iter().flat_map(|one| one.records().skip(1));
            let others = others.map(|(_, record)| record).chain(&team);
            let others: Vec<Value> = others.cloned().collect();
            home.write(
                &format!("{below}/{number}-requests.ndjson"),
                ndjson(&requests),
            );
            home.write(&format!("{below}/{number}-people.ndjson"), ndjson(&others));
            return;
        }
        let on_a_page = if self.form == WrittenForm::Pages {
            7
        } else {
            1
        };
        let bundles: Vec<Value> = self
            .people
            .chunks(on_a_page)
            .map(|people| self.bundle(people, &team, number))
            .collect();
        if self.in_lines {
            return home.write(&format!("{below}/{number}.ndjson"), ndjson(&bundles));
        }
        for (page, bundle) in bundles.iter().enumerate() {
            home.write(&format!("{below}/{number}-{page}.json"), bundle.to_string());
        }
    }

    fn bundle(&self, people: &[Written], team: &[Value], number: usize) -> Value {
        let entries = people.iter().flat_map(|one| self.entries(one, number));
        let team = team.iter().map(|record| {
            let kind = record["resourceType"].as_str().expect("text");
            self.entry(&format!("{kind}/1"), record, number)
        });
        let entries: Vec<Value> = entries.chain(team).collect();
        let kind = match self.form {
            WrittenForm::Urns => "transaction",
            WrittenForm::Pages => "searchset",
            _ => "message",
        };
        json!({"resourceType": "Bundle", "type": kind, "entry": entries})
    }

    fn entries(&self, one: &Written, number: usize) -> Vec<Value> {
        let urn = format!("urn:uuid:{}", one.id);
        let entry = |(name, record): (String, &Value)| {
            let mut entry = self.entry(&name, record, number);
            if self.form == WrittenForm::Urns && record["resourceType"] == "Patient" {
                entry["fullUrl"] = json!(urn);
            }
            entry
        };
        one.records().map(entry).collect()
    }

    fn entry(&self, name: &str, record: &Value, number: usize) -> Value {
        let mut entry = json!({"resource": record});
        if self.form == WrittenForm::Pages {
            entry["fullUrl"] = json!(format!("https://host-{number}.example/fhir/{name}"));
        }
        entry
    }
}
