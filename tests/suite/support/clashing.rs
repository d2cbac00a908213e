//! Made-up people whose records bear the same ids as other people's, and the row that each of them may have.
//!
//! Whatever says anything of a person says the person's number too, so that a row that mixes two shows it in its cells.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::partner_file::PartnerFile;
use super::people::{day, nhs_number};
use super::world::Row;

/// People of a seed.
pub(crate) const PEOPLE: u32 = 50;
/// Seeds of one installation, each a source of its own.
pub(crate) const AT_ONCE: u64 = 15;
/// The partner of all of them.
pub(crate) const PARTNER: &str = "elm";

const COLUMNS: [(&str, &str); 9] = [
    ("NHS", "patient.nhs_number"),
    ("Born", "patient.birth_date"),
    ("Phone", "patient.phone"),
    ("Street", "patient.address_line_1"),
    ("Postcode", "patient.postcode"),
    ("Reason", "referral.reason"),
    ("Note", "referral.note"),
    ("From", "requester.name"),
    ("Practice", "practice.name"),
];

/// Seeds of a test: some in the suite, as many as a campaign asks for.
pub(crate) fn seeds(in_suite: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seed = number("KITH_TEST_SEED").unwrap_or(1);
    let count = number("KITH_TEST_COUNT").unwrap_or(in_suite);
    let first = 1 + (seed - 1) * count;
    first..first + count
}

/// The partner's file: a column for whatever tells people apart.
pub(crate) fn partner() -> PartnerFile {
    let mut fields = vec!["patient.name", "referral.activity"];
    fields.extend(COLUMNS.iter().map(|(_, field)| *field));
    let file = PartnerFile::of(PARTNER).shares(&fields);
    COLUMNS
        .iter()
        .fold(file, |file, (header, field)| file.column(header, field))
}

/// Who somebody's requester is, and at which practice.
#[derive(Clone)]
pub(crate) enum From {
    /// By name alone; the practice is the source.
    Words(String),
    /// `PractitionerRole/1` of a practice with this name.
    Role(String),
}

/// A made-up person with one referral.
#[derive(Clone)]
pub(crate) struct Person {
    /// Whose it is: no two have one.
    pub(crate) n: u32,
    /// The id of the Patient and the Consent where they are kept; others have it too.
    pub(crate) id: String,
    /// The id of the request.
    pub(crate) request_id: String,
    pub(crate) from: From,
    /// What the Consent says, if there is one.
    pub(crate) consent: Option<&'static str>,
}

/// A number as letters, so that it can stand in a name.
fn letters(n: u32) -> String {
    let places = [26 * 26 * 26, 26 * 26, 26, 1];
    let letter = |place: u32| char::from_u32(u32::from(b'a') + n / place % 26).expect("a letter");
    places.map(letter).into_iter().collect()
}

/// When a version was written.
fn written(version: u8) -> String {
    format!("{}T10:00:00Z", day(-12 + i64::from(version)))
}

impl Person {
    fn born(&self) -> jiff::civil::Date {
        jiff::civil::date(1930, 1, 1).saturating_add(jiff::Span::new().days(i64::from(self.n)))
    }

    fn phone(&self, version: u8) -> String {
        match version {
            1 => "07700 000001".to_owned(),
            _ => format!("07{version}00 {:06}", 100_000 + self.n),
        }
    }

    fn postcode(&self) -> String {
        let letter = |n: u32| char::from(b"ABDEFGHJLN"[n as usize % 10]);
        let (area, rest) = (1 + self.n % 40, self.n / 40);
        let (first, second) = (letter(rest / 10), letter(rest / 100));
        format!("BS{area} {}{first}{second}", rest % 10)
    }

    /// The row of a referral by this source, with the person as of a version.
    pub(crate) fn row(&self, source: &str, version: u8) -> BTreeMap<&'static str, String> {
        let (name, n) = (letters(self.n), self.n);
        let (from, practice) = match &self.from {
            From::Words(words) => (words.clone(), format!("Made-up practice {source}")),
            From::Role(practice) => (format!("Dora {practice}"), format!("{practice} Surgery")),
        };
        BTreeMap::from([
            ("Name", format!("Ada {name}")),
            ("NHS", nhs_number(n)),
            ("Born", self.born().to_string()),
            ("Phone", self.phone(version)),
            ("Street", format!("{n} High Street")),
            ("Postcode", self.postcode()),
            ("Reason", format!("Reason {n}")),
            ("Note", format!("For {n}")),
            ("From", from),
            ("Practice", practice),
        ])
    }

    /// The Patient in a version from 1; the first has another phone than any row may show.
    pub(crate) fn patient(&self, version: u8, dated: bool) -> Value {
        let mut patient = json!({
            "resourceType": "Patient", "id": self.id, "active": true, "birthDate": self.born().to_string(),
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs_number(self.n)}],
            "name": [{"use": "official", "family": letters(self.n), "given": ["Ada"]}],
            "telecom": [{"system": "phone", "use": "mobile", "value": self.phone(version)}],
            "address": [{"line": [format!("{} High Street", self.n)], "city": "Bristol", "postalCode": self.postcode()}],
        });
        if dated {
            patient["meta"] =
                json!({"versionId": version.to_string(), "lastUpdated": written(version)});
        }
        patient
    }

    /// The request, about whom `subject` says.
    pub(crate) fn request(&self, subject: &Value) -> Value {
        let mut request = json!({
            "resourceType": "ServiceRequest", "id": self.request_id, "status": "active", "intent": "order",
            "meta": {"versionId": "1", "lastUpdated": format!("{}T{:02}:{:02}:00Z", day(-8), self.n / 60 % 24, self.n % 60)},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106"}]},
            "orderDetail": [{"coding": [{"system": "https://kith.example/CodeSystem/activity", "code": "befriending"}]}],
            "subject": subject, "authoredOn": written(3),
            "performer": [{"identifier": {"system": "https://kith.example/Id/partner", "value": PARTNER}}],
            "reasonCode": [{"text": format!("Reason {}", self.n)}], "note": [{"text": format!("For {}", self.n)}],
        });
        request["requester"] = match &self.from {
            From::Words(words) => json!({"display": words}),
            From::Role(_) => json!({"reference": "PractitionerRole/1"}),
        };
        if self.consent.is_some() {
            request["supportingInfo"] = json!([{"reference": format!("Consent/{}", self.id)}]);
        }
        request
    }

    /// The Consent that the request rests on.
    pub(crate) fn consent(&self) -> Option<Value> {
        let kind = self.consent?;
        Some(json!({
            "resourceType": "Consent", "id": self.id, "meta": {"versionId": "1", "lastUpdated": written(2)},
            "status": "active", "dateTime": written(2), "patient": {"reference": format!("Patient/{}", self.id)},
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "provision": {"type": kind},
        }))
    }
}

/// The role `1` of a practice, with the practitioner and the organisation that it names.
pub(crate) fn team(practice: &str, code: u64) -> [Value; 3] {
    [
        json!({"resourceType": "PractitionerRole", "id": "1", "practitioner": {"reference": "Practitioner/1"}, "organization": {"reference": "Organization/1"}}),
        json!({"resourceType": "Practitioner", "id": "1", "name": [{"family": practice, "given": ["Dora"]}]}),
        json!({"resourceType": "Organization", "id": "1", "name": format!("{practice} Surgery"),
            "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": format!("Y{code:05}")}]}),
    ]
}

/// Who wrote the referrals of a practice, for somebody of whom a dice says so.
pub(crate) fn from(by_role: bool, practice: &str, n: u32) -> From {
    if by_role {
        From::Role(practice.to_owned())
    } else {
        From::Words(format!("Dr {}", letters(n)))
    }
}

/// The name of a practice: letters, as a family name has them.
pub(crate) fn practice(seed: u64, number: usize) -> String {
    let number = u32::try_from(seed * 8).expect("a seed") + u32::try_from(number).expect("few");
    format!("Practice{}", letters(number))
}

/// The first number of a seed's people.
pub(crate) fn first_of(seed: u64) -> u32 {
    // A campaign has its own installations: numbers need only differ within one.
    u32::try_from(seed % (4 * AT_ONCE)).expect("few") * PEOPLE
}

/// The rows that may leave, by NHS number: of each person one for each version that may be shown.
pub(crate) type Allowed = BTreeMap<String, Vec<BTreeMap<&'static str, String>>>;

/// Holds every row against what its person may have: each cell, and none of anybody else's.
pub(crate) fn assert_unmixed(rows: &[Row], allowed: &Allowed) {
    for row in rows {
        let of_person = allowed.get(&row["NHS"]);
        let fits = |wanted: &BTreeMap<&'static str, String>| {
            wanted.iter().all(|(header, cell)| row[*header] == *cell)
        };
        let right = of_person.is_some_and(|rows| rows.iter().any(fits));
        assert!(
            right,
            "a mixed row, or one of somebody who may not be sent: {row:?}\nof this person: {of_person:?}"
        );
    }
}
