//! The made-up extracts of `../shared/workload`, and what each of their referrals is.
//!
//! What a referral is, is read off the resources themselves and then held against the counts of the generator's
//! `truth.json`: so the expectation of a single row is not the generator's word alone.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::fhir_server::FhirServer;
use super::home::Home;
use super::process::{LIMIT, finish};

/// The files of an extract; what is referred to comes first.
pub(crate) const TYPES: [&str; 4] = ["Organization", "Practitioner", "Patient", "ServiceRequest"];

/// A generated extract.
pub(crate) struct Workload {
    folder: TempDir,
    shared: PathBuf,
    pub(crate) referrals: Vec<Referral>,
}

/// One `ServiceRequest` of it with what it refers to.
pub(crate) struct Referral {
    pub(crate) kind: &'static str,
    pub(crate) request: Value,
    pub(crate) patient: Option<Value>,
    pub(crate) requester: Value,
    pub(crate) practice: Value,
}

impl Referral {
    /// The server's id of the request.
    pub(crate) fn id(&self) -> &str {
        self.request["id"].as_str().expect("a request has an id")
    }

    /// The partner named as performer.
    pub(crate) fn partner(&self) -> Option<&str> {
        self.request
            .pointer("/performer/0/identifier/value")?
            .as_str()
    }

    /// Whether a row in the drop of the partner is expected.
    pub(crate) fn delivered(&self) -> bool {
        matches!(
            self.kind,
            "plain" | "formula-note" | "logical-subject" | "no-postcode"
        )
    }
}

impl Workload {
    /// Generates an extract.
    pub(crate) fn generate(shared: &Path, referrals: u32, seed: u32, defects: &str) -> Self {
        let folder = generated(shared, referrals, seed, defects, &[]);
        let mut workload = Self {
            folder,
            shared: shared.to_owned(),
            referrals: Vec::new(),
        };
        workload.referrals = workload.read();
        let truth: BTreeMap<String, u64> = serde_json::from_slice(
            &fs::read(workload.path().join("truth.json")).expect("truth.json"),
        )
        .expect("truth.json counts kinds");
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        for referral in &workload.referrals {
            *found.entry(referral.kind.to_owned()).or_default() += 1;
        }
        assert_eq!(
            found, truth,
            "what the resources say and what truth.json says"
        );
        workload
    }

    /// The folder of the extract.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes an installation that pulls from the folder (`--extracts DIR`) or from a server (`--fhir URL`).
    pub(crate) fn install(&self, home: &Home, option: &str, value: &str) {
        let dir = home.path().display().to_string();
        python(
            &self.shared.join("workload/install.py"),
            &["--dir", &dir, option, value],
        );
    }

    /// Puts everybody onto a server.
    pub(crate) fn load(&self, server: &FhirServer) {
        for resource_type in TYPES {
            server.load(&self.resources(resource_type));
        }
    }

    /// Copies the extract into a folder below home.
    pub(crate) fn copy(&self, home: &Home, folder: &str) {
        for resource_type in TYPES {
            let name = format!("{resource_type}.ndjson");
            let bytes = fs::read(self.path().join(&name)).expect("an extract");
            home.write(&format!("{folder}/{name}"), bytes);
        }
    }

    /// Every resource of a type.
    pub(crate) fn resources(&self, resource_type: &str) -> Vec<Value> {
        let path = self.path().join(format!("{resource_type}.ndjson"));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines()
            .map(|line| serde_json::from_str(line).expect("NDJSON"))
            .collect()
    }

    /// How many referrals are of one of these kinds.
    pub(crate) fn count(&self, kinds: &[&str]) -> u64 {
        self.referrals
            .iter()
            .map(|referral| u64::from(kinds.contains(&referral.kind)))
            .sum()
    }

    /// Takes resources from another folder with the same referrals, a week later.
    pub(crate) fn later(&self, folder: TempDir) -> Self {
        let mut later = Self {
            folder,
            shared: self.shared.clone(),
            referrals: Vec::new(),
        };
        later.referrals = later.read();
        later
    }

    fn read(&self) -> Vec<Referral> {
        let by_id = |resource_type: &str| -> HashMap<String, Value> {
            let named = |resource: Value| {
                (
                    format!("{resource_type}/{}", text(&resource["id"])),
                    resource,
                )
            };
            self.resources(resource_type)
                .into_iter()
                .map(named)
                .collect()
        };
        let patients = by_id("Patient");
        let by_number: HashMap<&str, &Value> = patients
            .values()
            .map(|patient| (nhs_number(patient), patient))
            .collect();
        let (practitioners, organizations) = (by_id("Practitioner"), by_id("Organization"));
        let requests = self.resources("ServiceRequest").into_iter();
        requests
            .map(|request| {
                let subject = &request["subject"];
                let patient = match subject["reference"].as_str() {
                    Some(reference) => patients.get(reference),
                    None => by_number
                        .get(text(&subject["identifier"]["value"]))
                        .copied(),
                };
                Referral {
                    kind: kind(&request, patient),
                    patient: patient.cloned(),
                    requester: practitioners[text(&request["requester"]["reference"])].clone(),
                    practice: organizations[text(&request["supportingInfo"][0]["reference"])]
                        .clone(),
                    request,
                }
            })
            .collect()
    }
}

/// The kind of a referral in the words of `truth.json`.
fn kind(request: &Value, patient: Option<&Value>) -> &'static str {
    match text(&request["code"]["coding"][0]["code"]) {
        "871731000000106" => {}
        "871711000000103" => return "declined",
        _ => return "not-coded",
    }
    for status in [
        "revoked",
        "entered-in-error",
        "completed",
        "draft",
        "on-hold",
    ] {
        if request["status"] == status {
            return status;
        }
    }
    if request["intent"] == "proposal" {
        return "proposal";
    }
    if request["doNotPerform"] == true {
        return "do-not-perform";
    }
    let Some(patient) = patient else {
        return "no-patient";
    };
    let note = request
        .pointer("/note/0/text")
        .map(text)
        .unwrap_or_default();
    match () {
        () if !check_digit_agrees(nhs_number(patient)) => "bad-nhs-number",
        () if patient["meta"]["security"][0]["code"] == "R" => "restricted",
        () if patient.get("deceasedDateTime").is_some() => "deceased",
        () if text(&patient["birthDate"]) >= "2016" => "child",
        () if request.get("performer").is_none() => "no-activity",
        () if note.chars().count() == 5_000 => "long-note",
        () if note.starts_with(['=', '+', '-', '@']) => "formula-note",
        () if request["subject"].get("reference").is_none() => "logical-subject",
        () if patient["address"][0].get("postalCode").is_none() => "no-postcode",
        () => "plain",
    }
}

/// The NHS number of a Patient.
pub(crate) fn nhs_number(patient: &Value) -> &str {
    let identifiers = patient["identifier"]
        .as_array()
        .expect("a Patient has identifiers");
    let is_nhs = |identifier: &&Value| identifier["system"] == "https://fhir.nhs.uk/Id/nhs-number";
    text(
        &identifiers
            .iter()
            .find(is_nhs)
            .expect("one is the NHS number")["value"],
    )
}

/// A text of a resource; the test fails if it is none.
pub(crate) fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
}

fn check_digit_agrees(number: &str) -> bool {
    let digits: Vec<u32> = number
        .chars()
        .filter_map(|digit| digit.to_digit(10))
        .collect();
    let sum: u32 = digits
        .iter()
        .zip((2..=10).rev())
        .map(|(digit, weight)| digit * weight)
        .sum();
    let expected = (11 - sum % 11) % 11;
    digits.len() == 10 && digits[9] == expected
}

/// What `generate.py` makes, with further options.
pub(crate) fn generated(
    shared: &Path,
    referrals: u32,
    seed: u32,
    defects: &str,
    more: &[&str],
) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let out = folder.path().display().to_string();
    let (referrals, seed) = (referrals.to_string(), seed.to_string());
    let made = ["--out", &out, "--referrals", &referrals, "--seed", &seed];
    let all = [&made[..], &["--defects", defects], more].concat();
    python(&shared.join("workload/generate.py"), &all);
    folder
}

/// Runs one of the scripts beside the workload.
fn python(script: &Path, arguments: &[&str]) {
    let mut command = Command::new("python3");
    let output = finish(command.arg(script).args(arguments), LIMIT);
    assert!(
        output.status.success(),
        "{}: {}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}
