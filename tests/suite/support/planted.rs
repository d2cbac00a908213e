//! Records with a token in every text, for a search that must not find them again.
//!
//! Only what has a form that Kith must read (a code, an NHS number, a date, a phone number, a postcode) has no token.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::people::{day, nhs_number, referral};

/// Hands out tokens and remembers them.
#[derive(Default)]
pub(crate) struct Tokens(pub(crate) Vec<String>);

impl Tokens {
    pub(crate) fn next(&mut self) -> String {
        let token = format!("zq{:03}zq", self.0.len());
        self.0.push(token.clone());
        token
    }

    /// A coding with a token in each of its texts.
    fn coding(&mut self) -> Value {
        json!({"system": format!("https://{}.example", self.next()), "code": self.next(), "display": self.next()})
    }

    /// A concept with a token in each of its texts.
    fn concept(&mut self) -> Value {
        json!({"coding": [self.coding()], "text": self.next()})
    }

    /// A reference to something that is not there.
    fn elsewhere(&mut self, resource_type: &str) -> Value {
        json!({"reference": format!("{resource_type}/{}", self.next()), "type": resource_type, "display": self.next()})
    }
}

/// The planted records: what must be nowhere, and what the partner may see.
pub(crate) struct Planted {
    pub(crate) tokens: Tokens,
    pub(crate) shared: BTreeSet<String>,
    pub(crate) ids: BTreeSet<String>,
    pub(crate) resources: Vec<Value>,
}

/// Plants a token in every text of a Patient and a `ServiceRequest`.
pub(crate) fn plant() -> Planted {
    let mut tokens = Tokens::default();
    let (patient_id, request_id) = (tokens.next(), tokens.next());
    let name = [tokens.next(), tokens.next(), tokens.next(), tokens.next()];
    let resources = vec![
        patient(&mut tokens, &patient_id, &name),
        request(&mut tokens, &patient_id, &request_id),
    ];
    Planted {
        tokens,
        shared: name.into(),
        ids: [patient_id, request_id].into(),
        resources,
    }
}

fn patient(t: &mut Tokens, id: &str, name: &[String; 4]) -> Value {
    json!({
        "resourceType": "Patient", "id": id, "language": t.next(),
        "meta": {"versionId": "1", "lastUpdated": format!("{}T09:00:00Z", day(-10)), "source": format!("urn:{}", t.next()), "tag": [t.coding()], "profile": [t.next()]},
        "text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", t.next())},
        "extension": [{"url": format!("https://{}.example", t.next()), "valueString": t.next()}],
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs_number(77), "assigner": {"display": t.next()}},
                       {"system": format!("https://{}.example", t.next()), "value": t.next(), "type": t.concept()}],
        "name": [{"use": "official", "prefix": [name[0]], "given": [name[1], name[2]], "family": name[3], "suffix": [t.next()], "text": t.next(),
                  "period": {"start": "1987-03-02"}},
                 {"use": "maiden", "family": t.next(), "given": [t.next()]}],
        "telecom": [{"system": "phone", "use": "mobile", "value": "07700 900417"}, {"system": "email", "value": format!("{}@example.org", t.next())},
                    {"system": "other", "value": t.next()}],
        "gender": "female", "birthDate": "1931-07-19",
        "address": [{"text": t.next(), "line": [t.next(), t.next()], "city": t.next(), "district": t.next(), "state": t.next(), "country": t.next(), "postalCode": "ZQ7 9XQ"}],
        "maritalStatus": t.concept(), "photo": [{"title": t.next(), "url": format!("https://{}.example", t.next())}],
        "contact": [{"relationship": [t.concept()], "name": {"family": t.next(), "given": [t.next()]}, "telecom": [{"system": "phone", "value": t.next()}],
                     "address": {"line": [t.next()]}, "organization": t.elsewhere("Organization")}],
        "communication": [{"language": t.concept()}],
        "generalPractitioner": [t.elsewhere("Organization")], "managingOrganization": t.elsewhere("Organization"),
    })
}

fn request(t: &mut Tokens, patient_id: &str, id: &str) -> Value {
    let [_, mut request] = referral(77, "", "", "elm");
    let planted = json!({
        "id": id, "language": t.next(), "subject": {"reference": format!("Patient/{patient_id}"), "display": t.next()},
        "text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", t.next())},
        "extension": [{"url": format!("https://{}.example", t.next()), "valueString": t.next()}],
        "identifier": [{"system": format!("https://{}.example", t.next()), "value": t.next(), "type": t.concept(), "assigner": {"display": t.next()}}],
        "instantiatesCanonical": [t.next()], "instantiatesUri": [t.next()], "basedOn": [t.elsewhere("CarePlan")], "replaces": [t.elsewhere("ServiceRequest")],
        "requisition": {"system": format!("https://{}.example", t.next()), "value": t.next()}, "category": [t.concept()],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106", "display": t.next()}, t.coding()], "text": t.next()},
        "orderDetail": [{"coding": [{"system": "https://kith.example/CodeSystem/activity", "code": "befriending", "display": t.next()}], "text": t.next()}],
        "encounter": t.elsewhere("Encounter"), "asNeededCodeableConcept": t.concept(), "requester": t.elsewhere("Practitioner"), "performerType": t.concept(),
        "performer": [{"identifier": {"system": "https://kith.example/Id/partner", "value": "elm"}, "display": t.next()}],
        "locationCode": [t.concept()], "locationReference": [t.elsewhere("Location")],
        "reasonCode": [t.concept()], "reasonReference": [t.elsewhere("Condition")], "insurance": [t.elsewhere("Coverage")],
        "supportingInfo": [t.elsewhere("Organization"), t.elsewhere("Consent")], "specimen": [t.elsewhere("Specimen")], "bodySite": [t.concept()],
        "note": [{"authorString": t.next(), "text": format!("={}()", t.next())}], "patientInstruction": t.next(), "relevantHistory": [t.elsewhere("Provenance")],
    });
    let (Value::Object(request_keys), Value::Object(planted)) = (&mut request, planted) else {
        unreachable!("both are objects")
    };
    request_keys.extend(planted);
    request
}

/// Records that Kith must hold, each with a token where a rule of FHIR is broken.
pub(crate) fn broken_records(t: &mut Tokens) -> Vec<Value> {
    let mut records = Vec::new();
    for (n, element) in (20..).zip([
        "status",
        "intent",
        "priority",
        "authoredOn",
        "subject",
        "performer",
        "implicitRules",
    ]) {
        let [patient, mut request] = referral(n, "Frida", "Aspen", "oak");
        request[element] = json!(t.next());
        records.extend([patient, request]);
    }
    for (n, element) in (40..).zip([
        "name",
        "telecom",
        "birthDate",
        "gender",
        "identifier",
        "address",
    ]) {
        let [mut patient, request] = referral(n, "Greta", "Larch", "oak");
        patient[element] = json!(t.next());
        records.extend([patient, request]);
    }
    records
}
