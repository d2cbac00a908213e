//! Whole runs with as much as one batch takes, and with one more: what is counted does not depend on how it is divided.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::{Only, RunOutcome, run};
use crate::app::{App, Options};
use crate::config::example;
use crate::domain::clock::FixedClock;
use crate::domain::{Entropy, Instant, Limits, NhsNumber, Stage, limits};

const NOW: &str = "2026-11-23T06:00:00Z";

/// An installation whose practices are folders of extracts.
pub(super) struct Installation {
    home: tempfile::TempDir,
    config: String,
}

impl Installation {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["config", "mappings/partners"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        Self {
            home,
            config: example::INSTALLATION.to_owned(),
        }
    }

    /// A practice with these many referrals; the partner of each by its number.
    pub(super) fn practice(
        &mut self,
        id: &str,
        referrals: usize,
        partner: impl Fn(usize) -> String,
    ) {
        self.practice_of(id, 0..referrals, partner);
    }

    /// A practice that refers these people, each once; the partner of each by its number.
    pub(super) fn practice_of(
        &mut self,
        id: &str,
        people: Range<usize>,
        partner: impl Fn(usize) -> String,
    ) {
        write!(
            self.config,
            r#"[[source]]
id = "{id}"
name = "Made-up practice"
ods_code = "ZZ001"
commissioner = "icb"
pull = {{ kind = "folder", path = "{id}" }}
push = {{ kind = "off" }}
"#
        )
        .unwrap();
        let mut lines = String::new();
        for (number, nhs_number) in people.clone().zip(nhs_numbers().skip(people.start)) {
            let patient = patient(number, &nhs_number);
            let request = request(id, number, &partner(number));
            writeln!(lines, "{patient}\n{request}").unwrap();
        }
        self.extract(id, "all.ndjson", &lines);
    }

    /// A practice refers one more person.
    pub(super) fn practice_adds(&self, id: &str, number: usize, partner: &str) {
        let patient = patient(number, &nhs_numbers().nth(number).unwrap());
        let request = request(id, number, partner);
        let lines = format!("{patient}\n{request}\n");
        self.extract(id, &format!("{number}.ndjson"), &lines);
    }

    /// A practice records that somebody has died.
    pub(super) fn dies(&self, id: &str, number: usize) {
        let alive = patient(number, &nhs_numbers().nth(number).unwrap());
        let mut died = alive.clone();
        died["deceasedBoolean"] = true.into();
        // In the first extract, or in the one that added the person.
        for name in ["all.ndjson", &format!("{number}.ndjson")] {
            let file = self.home.path().join(id).join(name);
            if let Ok(lines) = std::fs::read_to_string(file) {
                let lines = lines.replace(&alive.to_string(), &died.to_string());
                self.extract(id, name, &lines);
            }
        }
    }

    fn extract(&self, id: &str, name: &str, lines: &str) {
        let folder = self.home.path().join(id);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), lines).unwrap();
    }

    /// A partner with these many columns, in a file of at least these many bytes.
    pub(super) fn partner(&self, id: &str, columns: usize, bytes: usize) {
        let mut text = format!(
            r#"[partner]
id = "{id}"
name = "Made-up partner {id}"
kind = "provider"
identifier = {{ system = "https://kith.example/Id/partner", value = "{id}" }}
contact = {{ name = "Made-up Contact", email = "desk@{id}.example" }}
verified_on = 2026-11-01
care_provider = true
[select]
consent = "implied"
[share]
basis = "made-up agreement 2026-1"
fields = ["patient.name"]
[deliver]
transport = "local"
file = "{id}_{{date}}_{{sequence}}.csv"
format = {{ delimiter = ",", encoding = "utf-8-bom", newline = "crlf", quote = "necessary", formula = "escape" }}
[[deliver.column]]
header = "Our ref"
from = "leg.reference"
[[deliver.column]]
header = "What"
from = "leg.action"
"#
        );
        for column in 2..columns {
            write!(
                text,
                "[[deliver.column]]\nheader = \"C{column}\"\nfrom = \"patient.family\"\n"
            )
            .unwrap();
        }
        if let Some(filled) = bytes.checked_sub(text.len() + 1) {
            text.push('#');
            text.push_str(&"x".repeat(filled));
        }
        let file = self
            .home
            .path()
            .join(format!("mappings/partners/{id}.toml"));
        std::fs::write(file, text).unwrap();
    }

    /// A partner that sends back what became of a visit.
    pub(super) fn returning_partner(&self, id: &str) {
        let visit = r#"[[collect.event]]
kind = "attendance"
on = "Visit date"
value = { column = "Came", codes = { Y = "attended" } }
"#;
        self.partner_telling(id, visit);
    }

    /// A partner that sends back these events.
    pub(super) fn partner_telling(&self, id: &str, events: &str) {
        self.partner(id, 3, 0);
        let file = self
            .home
            .path()
            .join(format!("mappings/partners/{id}.toml"));
        let mut text = std::fs::read_to_string(&file).unwrap();
        text.push_str(
            r#"[collect]
transport = "local"
file = "*.csv"
dates = "%d/%m/%Y"
"#,
        );
        text.push_str(events);
        std::fs::write(file, text).unwrap();
    }

    /// What is told is written as files into this folder of the home.
    pub(super) fn imports_in(&mut self, folder: &str) {
        let push = format!(r#"push = {{ kind = "folder", path = "{folder}" }}"#);
        self.config = self.config.replace(r#"push = { kind = "off" }"#, &push);
    }

    /// A folder or file of the home.
    pub(super) fn below(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    /// A partner has another name.
    pub(super) fn renames(&self, id: &str, name: &str) {
        let file = self.below(&format!("mappings/partners/{id}.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace(&format!("Made-up partner {id}"), name);
        std::fs::write(file, text).unwrap();
    }

    /// The reference in the first row of a partner's drop.
    pub(super) fn first_reference(&self, id: &str) -> String {
        self.references(id).remove(0)
    }

    /// The references in the rows of a partner's drop.
    pub(super) fn references(&self, id: &str) -> Vec<String> {
        let drops = std::fs::read_dir(self.exchange().join(id).join("out")).unwrap();
        let mut paths = drops.flatten().map(|file| file.path());
        let drop = paths.find(|path| path.extension().is_some_and(|end| end == "csv"));
        let text = std::fs::read_to_string(drop.unwrap()).unwrap();
        let rows = text.lines().skip(1);
        rows.map(|row| row.split(',').next().unwrap().to_owned())
            .collect()
    }

    pub(super) async fn open(&self, workers: usize) -> anyhow::Result<App> {
        self.open_at(workers, NOW).await
    }

    /// Opened at an instant.
    pub(super) async fn open_at(&self, workers: usize, now: &str) -> anyhow::Result<App> {
        let config = self.home.path().join("config/kith.toml");
        std::fs::write(&config, &self.config).unwrap();
        let now = Instant::parse(now).unwrap();
        App::open(Options {
            config,
            clock: Arc::new(FixedClock::new(now)),
            entropy: Entropy::from_seed([1; 32]),
            workers,
        })
        .await
    }

    pub(super) async fn runs(&self, workers: usize, stages: &[Stage]) -> RunOutcome {
        let app = self.open(workers).await.unwrap();
        let outcome = run(app.env(), stages, &Only::default()).await.unwrap();
        app.close().await;
        outcome
    }

    pub(super) fn exchange(&self) -> std::path::PathBuf {
        self.home.path().join("var/partners")
    }
}

/// The person of this number.
fn patient(number: usize, nhs_number: &str) -> serde_json::Value {
    let nhs_number = json!({"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs_number});
    json!({"resourceType": "Patient", "id": format!("p{number}"), "identifier": [nhs_number],
        "name": [{"family": "Example"}], "birthDate": "1950-01-01"})
}

/// The referral of that person by a practice.
fn request(practice: &str, number: usize, partner: &str) -> serde_json::Value {
    let performer = json!({"system": "https://kith.example/Id/partner", "value": partner});
    json!({"resourceType": "ServiceRequest", "id": format!("{practice}-{number}"), "status": "active",
        "intent": "order", "authoredOn": "2026-11-20", "performer": [{"identifier": performer}],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106"}]},
        "subject": {"reference": format!("Patient/p{number}")}})
}

/// Made-up numbers whose check digit agrees.
fn nhs_numbers() -> impl Iterator<Item = String> {
    let numbers = (0..1_000_000).map(|number| format!("9990{number:06}"));
    numbers.filter(|digits| NhsNumber::parse(digits).is_ok())
}

fn legs(outcome: &RunOutcome) -> u64 {
    outcome.summary.legs.values().sum()
}

fn count(number: usize) -> u64 {
    number.try_into().unwrap()
}

/// Drops below a folder of partners.
fn drops(exchange: &Path) -> usize {
    let partners = std::fs::read_dir(exchange).unwrap().flatten();
    let files = partners.filter_map(|partner| std::fs::read_dir(partner.path().join("out")).ok());
    let names = files.flatten().flatten().map(|file| file.path());
    names
        .filter(|path| path.extension().is_some_and(|end| end == "csv"))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_legs_are_born_however_many_chunks_and_groups_they_fill() {
    let chunk = limits::CHUNK_REFERRALS;
    for (referrals, workers) in [
        (limits::CHUNK_REFERRALS, 1),
        (limits::CHUNK_REFERRALS + 1, 1),
        (chunk * limits::CHUNKS_AHEAD, 1),
        (chunk * (limits::CHUNKS_AHEAD + 1), 1),
        (chunk * limits::GROUP_CHUNKS, 2),
        (chunk * (limits::GROUP_CHUNKS + 1), 2),
    ] {
        let mut installation = Installation::new();
        installation.practice("a", referrals, |_| "nobody".to_owned());
        let outcome = installation.runs(workers, &[Stage::Pull]).await;
        assert_eq!(legs(&outcome), count(referrals));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_source_is_pulled_however_many_there_are() {
    for sources in [limits::SOURCES_AT_ONCE, limits::SOURCES_AT_ONCE + 1] {
        let mut installation = Installation::new();
        for number in 0..sources {
            installation.practice(&format!("s{number}"), 1, |_| "nobody".to_owned());
        }
        let outcome = installation.runs(2, &[Stage::Pull]).await;
        assert_eq!(legs(&outcome), count(sources));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_partner_gets_its_drop_however_many_there_are() {
    for partners in [limits::DROPS_TOGETHER, limits::DROPS_TOGETHER + 1] {
        let mut installation = Installation::new();
        (0..partners).for_each(|number| installation.partner(&format!("p{number}"), 2, 0));
        installation.practice("a", partners, |number| format!("p{number}"));
        let outcome = installation.runs(2, &[Stage::Pull, Stage::Deliver]).await;
        assert_eq!(legs(&outcome), count(partners));
        assert_eq!(drops(&installation.exchange()), partners);
        let again = installation.runs(2, &[Stage::Deliver]).await;
        assert_eq!(legs(&again), count(partners));
        assert_eq!(
            drops(&installation.exchange()),
            partners,
            "nothing goes twice"
        );
    }
}

/// Two runs at once, each of one practice: how many legs stand where.
async fn two_runs(installation: &Installation) -> BTreeMap<String, u64> {
    let app = installation.open(2).await.unwrap();
    let of = |source: &str| Only {
        source: Some(source.to_owned()),
        ..Only::default()
    };
    let (a, b) = (of("a"), of("b"));
    let (a, b) = tokio::join!(
        run(app.env(), &[Stage::Pull], &a),
        run(app.env(), &[Stage::Pull], &b)
    );
    a.unwrap();
    b.unwrap();
    let mut legs = BTreeMap::new();
    for count in app.env().store.leg_counts().await.unwrap() {
        let why = count.why.map_or("", crate::domain::Reason::code);
        let of = legs.entry(format!("{} {why}", count.state.code()));
        *of.or_default() += u64::try_from(count.count).unwrap();
    }
    // Each referral was received once, however often it was decided.
    let mut received = 0;
    for sum in app.env().store.book_sums(Stage::Pull).await.unwrap() {
        received += sum.accepted + sum.repeated + sum.rejected + sum.held;
    }
    legs.insert("received".to_owned(), u64::try_from(received).unwrap());
    app.close().await;
    legs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_at_once_send_a_person_to_a_partner_once() {
    let mut installation = Installation::new();
    installation.partner("p", 2, 0);
    let people = 2 * limits::CHUNK_REFERRALS;
    for source in ["a", "b"] {
        installation.practice(source, people, |_| "p".to_owned());
    }
    let wanted = [
        ("held already-open", count(people)),
        ("received", 2 * count(people)),
        ("routed ", count(people)),
    ];
    let legs = two_runs(&installation).await;
    assert!(
        legs.iter().map(|(what, n)| (what.as_str(), *n)).eq(wanted),
        "{legs:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_at_once_fill_a_partner_and_no_more() {
    let mut installation = Installation::new();
    installation.partner("p", 2, 0);
    let file = installation.home.path().join("mappings/partners/p.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let people = 2 * limits::CHUNK_REFERRALS;
    let most = people + 30;
    let capacity = format!("[select]\nopen_legs_max = {most}");
    std::fs::write(&file, text.replace("[select]", &capacity)).unwrap();
    for (source, people) in [("a", 0..people), ("b", people..2 * people)] {
        installation.practice_of(source, people, |_| "p".to_owned());
    }
    let wanted = [
        ("held capacity", count(2 * people - most)),
        ("received", count(2 * people)),
        ("routed ", count(most)),
    ];
    let legs = two_runs(&installation).await;
    assert!(
        legs.iter().map(|(what, n)| (what.as_str(), *n)).eq(wanted),
        "{legs:?}"
    );
}

#[test]
fn a_partner_file_has_no_more_columns_and_no_more_bytes_than_it_may_have() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let opens = |columns: usize, bytes: usize| {
        let mut installation = Installation::new();
        installation.practice("a", 1, |_| "p".to_owned());
        installation.partner("p", columns, bytes);
        runtime.block_on(async {
            let opened = installation.open(1).await;
            let fine = opened.is_ok();
            if let Ok(app) = opened {
                app.close().await;
            }
            fine
        })
    };
    let usual = Limits::default();
    limits::holds_at(usual.drop_columns_max, |columns| opens(columns, 0));
    limits::holds_at(usual.mapping_bytes_max, |bytes| {
        opens(2, usize::try_from(bytes).unwrap())
    });
}
