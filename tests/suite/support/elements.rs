//! Records with a mark of its own in every element, so that whatever stands in a cell says where it came from.
//!
//! `~` in a skeleton becomes a mark. What must have a form that Kith reads has a mark of that form: a day its year, a number
//! its last digits, a postcode itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::people::{day, nhs_number};

/// Marks of a form of their own.
const FORMS: [&str; 4] = ["~day", "~phone", "~postcode", "~nhs"];

/// Every mark, in lower case, with the elements it stands in.
#[derive(Default)]
pub(crate) struct Marks {
    of: BTreeMap<String, BTreeSet<String>>,
    /// How many of each form there are.
    planted: BTreeMap<String, usize>,
}

impl Marks {
    /// Says that this text stands in this element.
    pub(crate) fn add(&mut self, text: &str, element: &str) {
        let elements = self.of.entry(text.to_lowercase()).or_default();
        elements.insert(element.to_owned());
    }

    /// The elements of each mark in a cell.
    pub(crate) fn within(&self, cell: &str) -> Vec<(&str, &BTreeSet<String>)> {
        let cell = cell.to_lowercase();
        let found = self.of.iter().filter(|(mark, _)| {
            // A short number is a mark only if it is the whole cell: an age, not a part of a phone number.
            if mark.len() < 4 {
                cell == **mark
            } else {
                cell.contains(mark.as_str())
            }
        });
        found
            .map(|(mark, elements)| (mark.as_str(), elements))
            .collect()
    }

    /// No mark may be a part of another, or one cell would accuse two elements.
    pub(crate) fn assert_apart(&self) {
        for one in self.of.keys() {
            let others = self
                .of
                .keys()
                .filter(|other| one != *other && one.len() > 3);
            for other in others {
                assert!(!other.contains(one.as_str()), "{one} is a part of {other}");
            }
        }
    }

    /// Plants marks below an element.
    fn plant(&mut self, value: &mut Value, element: &str) {
        match value {
            Value::Array(values) => {
                for value in values {
                    self.plant(value, element);
                }
            }
            Value::Object(entries) => {
                for (key, value) in entries {
                    self.plant(value, &format!("{element}.{}", name_of(key)));
                }
            }
            Value::String(text) => {
                let form = if text.contains('~') && !FORMS.contains(&text.as_str()) {
                    "~"
                } else {
                    text.as_str()
                };
                let n = self.planted.entry(form.to_owned()).or_default();
                *n += 1;
                let n = *n;
                let (written, mark) = match text.as_str() {
                    "~day" => (format!("{}-01-01", 1800 + n), (1800 + n).to_string()),
                    "~phone" => (format!("01632960{n:03}"), format!("960{n:03}")),
                    "~postcode" => (format!("ZQ{n} 9XQ"), format!("zq{n} 9xq")),
                    "~nhs" => {
                        let number = nhs_number(u32::try_from(n).unwrap());
                        (number.clone(), number)
                    }
                    other if other.contains('~') => {
                        let mark = format!("zq{n:04}zq");
                        (other.replace('~', &mark), mark)
                    }
                    _ => return,
                };
                self.add(&mark, element);
                *text = written;
            }
            _ => {}
        }
    }
}

/// A choice of types is one element: `valueString` is `value`.
fn name_of(key: &str) -> &str {
    let typed = |name: &str| {
        key.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
    };
    ["value", "author", "asNeeded"]
        .into_iter()
        .find(|name| typed(name))
        .unwrap_or(key)
}

/// Three referrals: one with everything; one told in free words alone; one whose order says nothing.
pub(crate) fn records() -> (Vec<Value>, Marks) {
    let mut marks = Marks::default();
    let mut resources = Vec::new();
    for n in 0..3 {
        let mut records = [
            ("patient", patient(n)),
            ("referral", request(n)),
            ("requester", practitioner(n)),
            ("role", role(n)),
            ("practice", practice(n)),
        ];
        for (root, record) in &mut records {
            marks.plant(record, root);
        }
        let born = records[0].1["birthDate"].as_str().unwrap_or_default();
        if let Some(year) = born.get(..4).and_then(|year| year.parse::<i16>().ok()) {
            marks.add(&(day(0).year() - year).to_string(), "patient.birthDate");
        }
        resources.extend(records.map(|(_, record)| record));
    }
    // What is said by a code of a closed list.
    for (word, element) in [
        ("female", "patient.gender"),
        ("urgent", "referral.priority"),
        ("befriending", "referral.orderDetail.coding.code"),
        ("267076002", "referral.reasonCode.coding.code"),
        ("loneliness", "referral.reasonCode.coding.code"),
        ("zz777", "practice.identifier.value"),
    ] {
        marks.add(word, element);
    }
    (resources, marks)
}

fn concept() -> Value {
    json!({"coding": [{"system": "https://~.example", "version": "~", "code": "~", "display": "~"}], "text": "~"})
}

fn elsewhere(kind: &str) -> Value {
    json!({"reference": format!("{kind}/~"), "type": kind, "display": "~", "identifier": {"system": "https://~.example", "value": "~"}})
}

fn name(used: &str) -> Value {
    json!({"use": used, "text": "~", "prefix": ["~"], "given": ["~", "~"], "family": "~", "suffix": ["~"], "period": {"start": "~day"}})
}

fn telecom(system: &str, used: &str) -> Value {
    let value = if system == "email" {
        "~@example.org"
    } else {
        "~phone"
    };
    json!({"system": system, "use": used, "value": value, "period": {"start": "~day"}})
}

fn narrative() -> Value {
    json!({"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">~</div>"})
}

fn extension(url: &str, value: Value) -> Value {
    let mut extension = json!({"url": url});
    extension["valueCodeableConcept"] = value;
    extension
}

fn patient(n: usize) -> Value {
    const UK: &str = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-";
    let mut patient = json!({
        "resourceType": "Patient", "id": format!("p{n}"), "language": "~",
        "meta": {"source": "urn:~", "tag": [{"code": "~", "display": "~"}], "profile": ["https://~.example"]},
        "text": narrative(),
        "extension": [
            {"url": "https://~.example", "valueString": "~"},
            extension(&format!("{UK}EthnicCategory"), concept()),
            {"url": format!("{UK}ContactPreference"), "extension": [{"url": "PreferredContactTimes", "valueString": "~"}]},
            {"url": format!("{UK}NHSCommunication"), "extension": [{"url": "interpreterRequired", "valueBoolean": true}]},
        ],
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "~nhs", "assigner": {"display": "~"}},
                       {"system": "https://~.example", "value": "~", "type": concept(), "period": {"start": "~day"}}],
        "name": [name("official"), name("maiden")],
        "telecom": [telecom("phone", "mobile"), telecom("phone", "home"), telecom("phone", "old"), telecom("email", "home"), {"system": "other", "value": "~"}],
        "gender": "female", "birthDate": "~day",
        "address": [{"use": "home", "text": "~", "line": ["~", "~", "~", "~"], "city": "~", "district": "~", "state": "~", "country": "~", "postalCode": "~postcode"},
                    {"use": "old", "line": ["~"], "city": "~", "postalCode": "~postcode"}],
        "maritalStatus": concept(), "photo": [{"title": "~", "url": "https://~.example"}],
        "contact": [{"relationship": [concept()], "name": name("official"), "telecom": [telecom("phone", "mobile")], "address": {"line": ["~"], "city": "~"},
                     "organization": elsewhere("Organization")}],
        "communication": [{"language": concept(), "preferred": true}],
        "generalPractitioner": [elsewhere("Organization")], "managingOrganization": elsewhere("Organization"),
    });
    if n == 1 {
        patient["name"] = json!([{"text": "~"}]);
        patient["address"] = json!([{"text": "~"}]);
        patient["contact"][0]["name"] = json!({"text": "~"});
        patient["communication"] = json!([{"language": {"coding": [{"code": "~"}]}}]);
    }
    if n == 2 {
        patient["name"] = json!([name("usual")]);
        patient["contact"][0]["relationship"] = json!([{"coding": [{"code": "~"}]}]);
        patient["communication"] = json!([{"language": {"coding": [{"display": "~"}]}}]);
    }
    patient
}

fn request(n: usize) -> Value {
    let mut request = json!({
        "resourceType": "ServiceRequest", "id": "~", "language": "~", "status": "active", "intent": "order", "priority": "urgent",
        "meta": {"versionId": "1", "lastUpdated": format!("{}T09:00:00Z", day(-10)), "source": "urn:~"},
        "text": narrative(), "extension": [{"url": "https://~.example", "valueString": "~"}],
        "contained": [{"resourceType": "Organization", "id": "~", "name": "~"}, {"resourceType": "Patient", "id": "~", "name": [name("official")]}],
        "identifier": [{"system": "https://~.example", "value": "~", "type": concept()}],
        "basedOn": [elsewhere("CarePlan")], "requisition": {"system": "https://~.example", "value": "~"}, "category": [concept()],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106", "display": "~"}], "text": "~"},
        "orderDetail": [{"coding": [{"system": "https://kith.example/CodeSystem/activity", "code": "befriending", "display": "~"}], "text": "~"}],
        "subject": {"reference": format!("Patient/p{n}"), "display": "~"}, "encounter": elsewhere("Encounter"),
        "asNeededCodeableConcept": concept(), "authoredOn": "~day",
        "requester": {"reference": format!("PractitionerRole/r{n}"), "display": "~"}, "performerType": concept(),
        "performer": [{"identifier": {"system": "https://~.example", "value": "~"}, "display": "~"}],
        "locationCode": [concept()], "locationReference": [elsewhere("Location")],
        "reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "267076002", "display": "~"}], "text": "~"}, concept()],
        "reasonReference": [elsewhere("Condition")], "insurance": [elsewhere("Coverage")], "supportingInfo": [elsewhere("Consent")],
        "bodySite": [concept()], "note": [{"authorString": "~", "time": format!("{}T09:00:00Z", day(-9)), "text": "~"}, {"text": "~"}],
        "patientInstruction": "~", "relevantHistory": [elsewhere("Provenance")],
    });
    if n == 1 {
        request["requester"] = json!({"display": "~"});
        request["reasonCode"] =
            json!([{"coding": [{"code": "~"}]}, {"coding": [{"display": "~"}]}]);
        request["orderDetail"] = json!([{"text": "~"}]);
    }
    if n == 2 {
        request["orderDetail"] = json!([{}]);
        request["code"] = json!({"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106", "display": "~"}]});
    }
    request
}

fn practitioner(n: usize) -> Value {
    json!({"resourceType": "Practitioner", "id": format!("d{n}"), "name": [name("official"), name("old")], "text": narrative(),
        "telecom": [telecom("phone", "work"), telecom("email", "work")], "identifier": [{"system": "https://~.example", "value": "~"}],
        "address": [{"line": ["~"], "city": "~"}], "birthDate": "~day", "qualification": [{"code": concept()}]})
}

fn role(n: usize) -> Value {
    let mut role = json!({"resourceType": "PractitionerRole", "id": format!("r{n}"), "code": [concept()], "specialty": [concept()],
        "practitioner": {"reference": format!("Practitioner/d{n}"), "display": "~"}, "organization": {"reference": format!("Organization/o{n}"), "display": "~"},
        "telecom": [telecom("phone", "work")], "identifier": [{"system": "https://~.example", "value": "~"}]});
    if n == 2 {
        // Leads to nobody: the words beside the reference stand in for the name.
        role["practitioner"]["reference"] = json!("Practitioner/nobody");
        role["telecom"] = json!([]);
        role["code"] = json!([{"coding": [{"code": "~"}]}]);
    }
    role
}

fn practice(n: usize) -> Value {
    json!({"resourceType": "Organization", "id": format!("o{n}"), "name": "~", "alias": ["~"], "text": narrative(),
        "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "ZZ777"}, {"system": "https://~.example", "value": "~"}],
        "telecom": [telecom("phone", "work")], "address": [{"line": ["~"], "city": "~", "postalCode": "~postcode"}], "contact": [{"name": {"text": "~"}}]})
}
