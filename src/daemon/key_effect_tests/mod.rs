//! What keys of config and partner files do: one referral, with a key and without it.
//!
//! `tests/keys.csv` names these tests as the ones that show a key's effect.

mod installation;
mod inward;
mod outward;

use std::path::Path;
use std::sync::Arc;

use crate::app::{App, Options};
use crate::config::example;
use crate::daemon::{Only, run};
use crate::domain::clock::FixedClock;
use crate::domain::{Entropy, Instant, Stage};

const NOW: &str = "2026-11-23T06:00:00Z";
const PARTNER: &str = r#"[partner]
id = "p"
name = "Made-up partner"
kind = "provider"
identifier = { system = "https://kith.example/Id/partner", value = "p" }
care_provider = true
[select]
activities = ["befriending"]
consent = "implied"
[share]
basis = "made-up agreement 2026-1"
fields = ["patient.name", "patient.birth_date", "patient.gender", "patient.postcode", "referral.activity", "referral.reason",
          "practice.name", "practice.ods_code", "practice.phone", "practice.safeguarding_phone"]
[deliver]
transport = "local"
file = "p_{date}_{sequence}.csv"
answers = false
[[deliver.column]]
header = "What"
from = "leg.action"
[[deliver.column]]
header = "Name"
from = "patient.name"
[[deliver.column]]
header = "Ref"
from = "leg.reference"
[collect]
transport = "local"
file = "returns*.csv"
dates = "%d/%m/%Y"
[[collect.event]]
kind = "status"
on = "On"
value = { column = "Outcome", codes = { Done = "completed" } }
"#;
const PATIENT: &str = r#"{"resourceType": "Patient", "id": "1", "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000026"}], "name": [{"family": "Example", "given": ["A", "B"]}], "gender": "female", "birthDate": "1950-01-01", "address": [{"line": ["1 High Street"], "postalCode": "BS1 4ND"}]}"#;
const REQUEST: &str = r#"{"resourceType": "ServiceRequest", "id": "1", "status": "active", "intent": "order", "priority": "routine", "authoredOn": "2026-11-20", "performer": [{"identifier": {"system": "https://kith.example/Id/partner", "value": "p"}}], "orderDetail": [{"coding": [{"system": "https://kith.example/CodeSystem/activity", "code": "befriending"}]}], "reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "267076002"}]}], "code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106"}]}, "subject": {"reference": "Patient/1"}}"#;
/// Nobody is named, so that the routing chooses.
const NOBODY: (&str, &str) = (
    r#""performer": [{"identifier": {"system": "https://kith.example/Id/partner", "value": "p"}}], "#,
    "",
);

/// An installation with some of its text changed.
struct Changed {
    config: String,
    /// A second file is made of the same text where one is wanted.
    partners: Vec<String>,
    records: String,
}

impl Changed {
    fn by(edits: &[(&str, &str)]) -> Self {
        let mut texts = [
            format!(
                "{}[routing]\nby_need = false\n{}",
                example::INSTALLATION,
                example::practice("a", "kind = \"folder\", path = \"a\"")
            ),
            PARTNER.to_owned(),
            format!("{PATIENT}\n{REQUEST}\n"),
        ];
        for (from, to) in edits {
            let found: Vec<&mut String> = texts
                .iter_mut()
                .filter(|text| text.contains(from))
                .collect();
            assert_eq!(found.len(), 1, "{from} stands in one text");
            for text in found {
                *text = text.replacen(from, to, 1);
            }
        }
        let [config, partner, records] = texts;
        Self {
            config,
            partners: vec![partner],
            records,
        }
    }

    fn home(&self) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for folder in ["config", "mappings/partners", "a"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
        write("config/kith.toml", &self.config);
        for (name, text) in ["p", "q"].iter().zip(&self.partners) {
            write(&format!("mappings/partners/{name}.toml"), text);
        }
        write("a/all.ndjson", &self.records);
        home
    }

    /// The stages that came due on the morning of a Monday, from just before six to just after.
    async fn comes_due(&self) -> Vec<&'static str> {
        let home = self.home();
        let app = open(&home).await.unwrap();
        let times = &app.env().config.schedule;
        let times = [
            &times.pull,
            &times.deliver,
            &times.collect,
            &times.reconcile,
        ];
        let at = |text| Instant::parse(text).unwrap();
        let stages = crate::daemon::due(
            times,
            at("2026-11-23T05:59:00Z"),
            at("2026-11-23T06:01:00Z"),
        );
        app.close().await;
        stages.iter().map(|stages| stages[0].code()).collect()
    }

    /// What goes out: names of drops with their rows, and the reasons for which somebody waits.
    async fn goes_out(&self) -> String {
        let home = self.home();
        let app = open(&home).await.unwrap();
        let stages = [Stage::Pull, Stage::Select, Stage::Map, Stage::Deliver];
        let outcome = run(app.env(), &stages, &Only::default()).await.unwrap();
        app.close().await;
        let mut said = drops(&home.path().join("var/partners"));
        said.extend(outcome.summary.held.iter().map(|held| held.reason.clone()));
        if said.is_empty() {
            let books = outcome.summary.books.iter();
            let reasons = books.flat_map(|book| book.reasons.keys().cloned());
            said.extend(reasons.take(1));
        }
        said.join("; ")
    }
}

async fn open(home: &tempfile::TempDir) -> anyhow::Result<App> {
    open_at(home, NOW).await
}

async fn open_at(home: &tempfile::TempDir, now: &str) -> anyhow::Result<App> {
    App::open(Options {
        config: home.path().join("config/kith.toml"),
        clock: Arc::new(FixedClock::new(Instant::parse(now).unwrap())),
        entropy: Entropy::from_seed([1; 32]),
        workers: 1,
    })
    .await
}

/// Each drop with its rows, without the reference that each ends in.
fn drops(exchange: &Path) -> Vec<String> {
    let mut said = Vec::new();
    for partner in ["p", "q"] {
        let Ok(folder) = std::fs::read_dir(exchange.join(partner).join("out")) else {
            continue;
        };
        let paths = folder.flatten().map(|file| file.path());
        for path in paths.filter(|path| path.extension().is_some_and(|end| end == "csv")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let rows = text.lines().skip(1);
            let rows: Vec<&str> = rows
                .filter_map(|row| Some(row.rsplit_once(',')?.0))
                .collect();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("your people") {
                continue;
            }
            said.push(format!("{name}: {}", rows.join(" / ")));
        }
    }
    said
}

const SENT: &str = "p_20261123_000001.csv: NEW,A B Example";

async fn check(cases: &[(&[(&str, &str)], &str)]) {
    for (edits, expected) in cases {
        assert_eq!(Changed::by(edits).goes_out().await, *expected, "{edits:?}");
    }
}
