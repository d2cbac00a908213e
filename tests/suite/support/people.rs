//! Made-up people and their GP system (`kith sandbox`).

use std::path::Path;
use std::process::Stdio;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::fhir_server::FhirServer;
use super::home::{Home, kith_command};
use super::process::Process;
use super::workload::Workload;

/// The running sandbox GP system; ended when dropped.
pub(crate) struct Sandbox {
    pub(crate) fhir: FhirServer,
    _process: Process,
}

impl Sandbox {
    /// Starts `kith sandbox` on a free port with the resources of a folder.
    pub(crate) fn start(home: &Home, data: &str) -> Self {
        Self::with(&home.below(data), &[])
    }

    /// Starts `kith sandbox` with a workload.
    pub(crate) fn of_workload(workload: &Workload) -> Self {
        let home = Home::new();
        workload.copy(&home, "data");
        Self::start(&home, "data")
    }

    /// Starts `kith sandbox` with further arguments.
    pub(crate) fn with(data: &Path, arguments: &[&str]) -> Self {
        let mut command = kith_command();
        command
            .args(["sandbox", "--port", "0", "--data"])
            .arg(data)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let mut process = Process::start_telling(&mut command);
        let line = process.line();
        let url = line
            .strip_prefix("listening ")
            .unwrap_or_else(|| panic!("not the promised line: {line:?}"))
            .to_owned();
        let base = if url.ends_with("/fhir") {
            url
        } else {
            format!("{}/fhir", url.trim_end_matches('/'))
        };
        let fhir = FhirServer::at(&base).with_header("x-sandbox-faults", "off");
        fhir.wait_until_ready(&mut process);
        Self {
            fhir,
            _process: process,
        }
    }
}

/// Today in London, moved by whole days: the sandbox has a real clock, so these tests have one too.
pub(crate) fn day(from_today: i64) -> Date {
    let london = TimeZone::get("Europe/London").expect("London is in the time zone data");
    let today = jiff::Timestamp::now().to_zoned(london).date();
    today.saturating_add(jiff::Span::new().days(from_today))
}

/// A day as partners write it.
pub(crate) fn written(date: Date) -> String {
    date.strftime("%d/%m/%Y").to_string()
}

/// A made-up NHS number with a valid check digit, the `n`th of its kind.
pub(crate) fn nhs_number(n: u32) -> String {
    // Every seventh, so that neighbours differ in more than one digit.
    let mut stem = 900_000_017 + n * 7;
    loop {
        let digits = stem.to_string();
        let weighted = digits
            .chars()
            .filter_map(|digit| digit.to_digit(10))
            .zip((2..=10).rev());
        let check = (11 - weighted.map(|(digit, weight)| digit * weight).sum::<u32>() % 11) % 11;
        if check < 10 {
            return format!("{digits}{check}");
        }
        stem += 1;
    }
}

/// A person with a referral to a partner: Patient and `ServiceRequest`, both with ids built from `n`.
pub(crate) fn referral(n: u32, given: &str, family: &str, partner: &str) -> [Value; 2] {
    let at = format!("{}T09:00:00Z", day(-10));
    let patient = json!({
        "resourceType": "Patient", "id": format!("person-{n}"), "meta": {"versionId": "1", "lastUpdated": at},
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs_number(n)}],
        "active": true, "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": [{"system": "phone", "use": "mobile", "value": format!("07700 900{:03}", 100 + n)}],
        "gender": "female", "birthDate": "1951-04-12", "address": [{"line": ["1 High Street"], "city": "Bristol", "postalCode": "BS1 4DJ"}],
    });
    let request = json!({
        "resourceType": "ServiceRequest", "id": format!("request-{n}"), "meta": {"versionId": "1", "lastUpdated": at},
        "status": "active", "intent": "order", "priority": "routine",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106"}]},
        "orderDetail": [{"coding": [{"system": "https://kith.example/CodeSystem/activity", "code": "befriending"}]}],
        "subject": {"reference": format!("Patient/person-{n}")}, "authoredOn": at,
        "requester": {"display": "Dr Okafor"},
        "performer": [{"identifier": {"system": "https://kith.example/Id/partner", "value": partner}}],
        "reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "267076002"}], "text": "Feeling lonely"}],
    });
    [patient, request]
}

/// Writes resources as one NDJSON file.
pub(crate) fn ndjson(resources: &[Value]) -> String {
    resources
        .iter()
        .map(|resource| format!("{resource}\n"))
        .collect()
}
