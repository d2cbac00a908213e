//! The made-up people as a GP system would serve them: FHIR R4 resources in the manner of UK Core.
//!
//! People go in, resources come out. Invariant: the same person always gives the same bytes.

use serde_json::{Value, json};

use super::people::{Person, Trouble};
use super::services::To;

pub(super) const NAMESPACE: &str = "https://kith.example";
const SNOMED: &str = "http://snomed.info/sct";
const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const UK_CORE: &str = "https://fhir.hl7.org.uk/StructureDefinition";
const HL7: &str = "http://terminology.hl7.org/CodeSystem";
/// When the practice makes its changes: after the first night.
const CHANGED_AT: &str = "2026-11-23T06:00:00.000Z";

/// One of the two practices.
pub(super) struct Practice {
    pub(super) source: &'static str,
    pub(super) name: &'static str,
    pub(super) ods_code: &'static str,
    doctor: (&'static str, &'static str),
}

pub(super) const PRACTICES: [Practice; 2] = [
    Practice {
        source: "hilltop",
        name: "Hilltop Surgery",
        ods_code: "ZZ001",
        doctor: ("Ada", "Byron"),
    },
    Practice {
        source: "harbour",
        name: "Harbour Medical Centre",
        ods_code: "ZZ002",
        doctor: ("Joan", "Clarke"),
    },
];

/// Everything that a practice's system holds, as one Bundle.
pub(super) fn bundle(second: bool, people: &[Person]) -> Vec<u8> {
    let practice = &PRACTICES[usize::from(second)];
    let mut resources = vec![organization(practice), practitioner(practice)];
    for person in people
        .iter()
        .filter(|person| person.second_practice() == second)
    {
        if person.trouble != Trouble::MissingPatient {
            resources.push(patient(person));
        }
        if person.trouble != Trouble::NoConsent {
            resources.push(consent(person));
        }
        resources.push(request(person));
    }
    bytes_of(resources)
}

/// A change that the practice makes after the first night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Another telephone number, and a line more in the note.
    Amended,
    Revoked,
    /// No longer on hold.
    Active,
}

/// The resources that a change leaves behind, as one Bundle.
pub(super) fn changed(person: &Person, change: Change) -> Vec<u8> {
    let mut request = request(person);
    let version = json!({"versionId": "2", "lastUpdated": CHANGED_AT});
    let mut resources = Vec::new();
    match change {
        Change::Amended => {
            let mut patient = patient(person);
            patient["telecom"][0]["value"] = json!("+447700900999");
            patient["meta"] = version.clone();
            resources.push(patient);
            let text = format!("{} New telephone number since Monday.", person.note);
            request["note"] = json!([{"time": CHANGED_AT, "text": text.trim()}]);
        }
        Change::Revoked => request["status"] = json!("revoked"),
        Change::Active => request["status"] = json!("active"),
    }
    request["meta"] = version;
    resources.push(request);
    bytes_of(resources)
}

fn bytes_of(resources: Vec<Value>) -> Vec<u8> {
    let entries: Vec<Value> = resources
        .into_iter()
        .map(|resource| json!({"resource": resource}))
        .collect();
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries})
        .to_string()
        .into_bytes()
}

fn organization(practice: &Practice) -> Value {
    json!({"resourceType": "Organization", "id": practice.source,
           "meta": {"versionId": "1", "lastUpdated": "2026-08-01T08:00:00.000Z"},
           "identifier": [{"system": ODS, "value": practice.ods_code}], "active": true, "name": practice.name,
           "telecom": [{"system": "phone", "value": "01632 960001"}]})
}

fn practitioner(practice: &Practice) -> Value {
    let (given, family) = practice.doctor;
    json!({"resourceType": "Practitioner", "id": format!("{}-gp", practice.source),
           "meta": {"versionId": "1", "lastUpdated": "2026-08-01T08:00:00.000Z"},
           "name": [{"use": "official", "prefix": ["Dr"], "given": [given], "family": family}]})
}

fn meta(person: &Person, profile: &str) -> Value {
    json!({"versionId": "1", "lastUpdated": format!("{}T10:00:00.000Z", person.authored_on),
           "profile": [format!("{UK_CORE}/{profile}")]})
}

fn patient(person: &Person) -> Value {
    let verified = json!({"url": format!("{UK_CORE}/Extension-UKCore-NHSNumberVerificationStatus"),
        "valueCodeableConcept": {"coding": [{
            "system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland", "code": "01"}]}});
    let mut address =
        json!({"use": "home", "line": [format!("{} Mill Lane", person.number)], "city": "Bristol"});
    if let Some(postcode) = person.postcode() {
        address["postalCode"] = json!(postcode);
    }
    let mut patient = json!({"resourceType": "Patient", "id": patient_id(person),
        "meta": meta(person, "UKCore-Patient"),
        "identifier": [{"extension": [verified], "system": NHS_NUMBER, "value": person.nhs_number()}],
        "active": true,
        "name": [{"use": "official", "prefix": [person.prefix], "given": [person.given], "family": person.family}],
        "telecom": [{"system": "phone", "use": "mobile", "value": person.mobile()},
                    {"system": "email", "value": format!("person{}@example.org", person.number)}],
        "gender": person.gender(), "birthDate": person.born, "address": [address]});
    match person.trouble {
        Trouble::Restricted => {
            patient["meta"]["security"] =
                json!([{"system": format!("{HL7}/v3-Confidentiality"), "code": "R"}]);
        }
        Trouble::Died => patient["deceasedDateTime"] = json!("2026-11-01"),
        _ => {}
    }
    patient
}

/// Permission to share with the partner to which the person is referred.
fn consent(person: &Person) -> Value {
    let partner = json!({"identifier": {"system": ODS, "value": person.to.ods_code()}, "display": person.to.name()});
    json!({"resourceType": "Consent", "id": format!("consent-{:02}", person.number),
        "meta": meta(person, "UKCore-Consent"), "status": "active",
        "scope": {"coding": [{"system": format!("{HL7}/consentscope"), "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": format!("Patient/{}", patient_id(person))}, "dateTime": person.authored_on,
        "policyRule": {"coding": [{"system": format!("{HL7}/v3-ActCode"), "code": "OPTIN"}]},
        "provision": {"type": "permit", "actor": [{
            "role": {"coding": [{"system": format!("{HL7}/v3-ParticipationType"), "code": "IRCP"}]},
            "reference": partner}]}})
}

fn request(person: &Person) -> Value {
    let practice = &PRACTICES[usize::from(person.second_practice())];
    let (code, words) = match person.trouble {
        Trouble::NotCoded => ("103697008", "Patient referral for dental care"),
        Trouble::Declined => ("871711000000103", "Social prescribing declined (situation)"),
        _ => (
            "871731000000106",
            "Referral to social prescribing service (procedure)",
        ),
    };
    let subject = match person.trouble {
        Trouble::LogicalSubject => {
            json!({"identifier": {"system": NHS_NUMBER, "value": person.nhs_number()}})
        }
        _ => json!({"reference": format!("Patient/{}", patient_id(person))}),
    };
    let reasons: Vec<Value> = person
        .needs
        .iter()
        .map(|need| json!({"coding": [{"system": SNOMED, "code": need.0}], "text": need.1}))
        .collect();
    let mut supporting = vec![json!({"reference": format!("Organization/{}", practice.source)})];
    if person.trouble != Trouble::NoConsent {
        supporting.push(json!({"reference": format!("Consent/consent-{:02}", person.number)}));
    }
    let mut request = json!({"resourceType": "ServiceRequest", "id": request_id(person),
        "meta": meta(person, "UKCore-ServiceRequest"),
        "identifier": [{"system": format!("https://{}.example/Id/referral", practice.source),
                        "value": format!("R{:06}", person.number)}],
        "status": status(person.trouble),
        "intent": if person.trouble == Trouble::Proposal { "proposal" } else { "order" },
        "priority": "routine",
        "code": {"coding": [{"system": SNOMED, "code": code, "display": words}]},
        "orderDetail": [{"coding": [{"system": format!("{NAMESPACE}/CodeSystem/activity"),
                                     "code": person.to.activity()}]}],
        "subject": subject, "authoredOn": format!("{}T10:00:00Z", person.authored_on),
        "requester": {"reference": format!("Practitioner/{}-gp", practice.source)},
        "performer": [performer(person)], "reasonCode": reasons, "supportingInfo": supporting});
    if !person.note.is_empty() {
        request["note"] = json!([{"text": person.note}]);
    }
    adjust(&mut request, person.trouble);
    request
}

fn adjust(request: &mut Value, trouble: Trouble) {
    let mut without = |key: &str| {
        if let Some(members) = request.as_object_mut() {
            members.remove(key);
        }
    };
    match trouble {
        Trouble::Unnamed => without("performer"),
        Trouble::NoDestination => {
            without("performer");
            without("orderDetail");
        }
        Trouble::DoNotPerform => request["doNotPerform"] = json!(true),
        Trouble::Urgent | Trouble::UrgentWhereNotTaken => request["priority"] = json!("urgent"),
        _ => {}
    }
}

fn status(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Revoked => "revoked",
        Trouble::EnteredInError => "entered-in-error",
        Trouble::Completed => "completed",
        Trouble::Draft => "draft",
        Trouble::OnHold | Trouble::OnHoldAtFirst => "on-hold",
        _ => "active",
    }
}

/// Names the service by organisation code, or, as some systems do, by our own id of it.
fn performer(person: &Person) -> Value {
    if person.trouble == Trouble::UnknownPerformer {
        return json!({"identifier": {"system": ODS, "value": "ZZ999"}, "display": "Lakeside Walking Club"});
    }
    let (system, value) = match person.to {
        To::Gym => (format!("{NAMESPACE}/Id/partner"), person.to.id()),
        _ => (ODS.to_owned(), person.to.ods_code()),
    };
    json!({"identifier": {"system": system, "value": value}, "display": person.to.name()})
}

fn patient_id(person: &Person) -> String {
    format!("person-{:02}", person.number)
}

fn request_id(person: &Person) -> String {
    format!("referral-{:02}", person.number)
}

#[cfg(test)]
mod tests {
    use super::super::people::people;
    use super::*;

    fn resources(bytes: &[u8]) -> Vec<Value> {
        let bundle: Value = serde_json::from_slice(bytes).unwrap();
        bundle["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["resource"].clone())
            .collect()
    }

    #[test]
    fn the_two_practices_share_everybody_between_them() {
        let people = people();
        let both = [
            resources(&bundle(false, &people)),
            resources(&bundle(true, &people)),
        ]
        .concat();
        let count = |kind: &str| {
            both.iter()
                .filter(|resource| resource["resourceType"] == kind)
                .count()
        };
        assert_eq!(count("ServiceRequest"), 60);
        assert_eq!(count("Patient"), 59);
        assert_eq!(count("Consent"), 58);
        assert_eq!(count("Organization"), 2);
    }

    #[test]
    fn a_change_is_a_new_version_of_the_same_resources() {
        let people = people();
        let table = [
            (Change::Amended, 2, "active"),
            (Change::Revoked, 1, "revoked"),
            (Change::Active, 1, "active"),
        ];
        for (change, count, status) in table {
            let changed = resources(&changed(&people[0], change));
            assert_eq!(changed.len(), count, "{change:?}");
            let request = changed.last().unwrap();
            assert_eq!(request["id"], "referral-01");
            assert_eq!(request["status"], status);
            assert_eq!(request["meta"]["versionId"], "2");
        }
    }
}
