//! Weeks of pulls from one GP system: what it shows too late is found by the sweep, and its silence is noticed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;

use super::{Only, RunOutcome, run};
use crate::app::{App, Options};
use crate::diagnostics::{Code, Diagnostic};
use crate::domain::clock::FixedClock;
use crate::domain::{Entropy, Instant, Stage};
use crate::sandbox::{self, Sandbox};

const MONDAY: &str = "2026-09-07T06:00:00Z";

fn config(base: &str) -> String {
    format!(
        r#"namespace = "https://kith.example"
[store]
url = "sqlite://var/kith.db"
[seal]
key = {{ file = "var/seal.key" }}
[[source]]
id = "hilltop"
name = "Hilltop Surgery"
ods_code = "ZZ001"
commissioner = "icb"
pull = {{ kind = "search", base_url = "{base}" }}
push = {{ kind = "off" }}
[[transport]]
id = "reports"
kind = "folder"
path = "var/reports"
[[commissioner]]
id = "icb"
name = "Made-up ICB"
report = {{ transport = "reports" }}
"#
    )
}

/// A GP system whose clock the test sets, and an installation that reads it.
struct World {
    home: tempfile::TempDir,
    sandbox: Sandbox,
    clock: Arc<AtomicI64>,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(0));
        let now = Arc::clone(&clock);
        let options = sandbox::SandboxOptions {
            now: Arc::new(move || now.load(Ordering::Relaxed)),
            data: None,
        };
        let sandbox = Sandbox::start(0, options).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        for folder in ["config", "mappings/partners"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let file = home.path().join("config/kith.toml");
        let text = config(&sandbox.base_url());
        crate::sheet::write_atomically(&file, text.as_bytes(), 0o600).unwrap();
        Self {
            home,
            sandbox,
            clock,
        }
    }

    /// A referral that says it was written at this instant.
    fn refer(&self, id: &str, at: Instant) {
        let patient = json!({"resourceType": "Patient", "id": id, "meta": {"versionId": "1"}});
        let request = json!({"resourceType": "ServiceRequest", "id": id, "status": "active", "intent": "order",
            "meta": {"versionId": "1", "lastUpdated": at.utc_text()}, "authoredOn": at.utc_text(),
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106"}]},
            "subject": {"reference": format!("Patient/{id}")}});
        let lines = format!("{patient}\n{request}");
        self.sandbox.load(lines.as_bytes()).unwrap();
    }

    async fn pull(&self, at: Instant) -> RunOutcome {
        self.clock.store(at.0, Ordering::Relaxed);
        let app = open(self.home.path(), at).await;
        let outcome = run(app.env(), &[Stage::Pull], &Only::default())
            .await
            .unwrap();
        app.close().await;
        outcome
    }
}

async fn open(home: &Path, at: Instant) -> App {
    // Another run, other references.
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&at.0.to_be_bytes());
    App::open(Options {
        config: home.join("config/kith.toml"),
        clock: Arc::new(FixedClock::new(at)),
        entropy: Entropy::from_seed(seed),
        workers: 1,
    })
    .await
    .unwrap()
}

fn day(number: i64) -> Instant {
    Instant::parse(MONDAY)
        .unwrap()
        .plus_seconds(number * 86_400)
}

fn said(outcome: &RunOutcome) -> Vec<Code> {
    outcome.diagnostics.iter().map(Diagnostic::code).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_shows_too_late_is_found_within_the_week() {
    let world = World::new().await;
    world.refer("a", day(-1));
    let outcome = world.pull(day(0)).await;
    let certificate = &outcome.summary.certificates[0];
    assert_eq!(certificate.verdict, "complete");
    assert_eq!(certificate.evidence["requests"], 1);
    world.pull(day(1)).await;
    // Written as of yesterday, visible only now: behind every window to come.
    world.refer("late", day(0));
    let outcome = world.pull(day(2)).await;
    let certificate = &outcome.summary.certificates[0];
    assert_eq!(certificate.verdict, "complete");
    assert_eq!(certificate.evidence["requests"], 0);
    let outcome = world.pull(day(7)).await;
    let certificate = &outcome.summary.certificates[0];
    assert_eq!(
        certificate.except.as_deref(),
        Some("1 that only the sweep found")
    );
    assert_eq!(certificate.evidence["sweep"]["unseen"], 1);
    assert_eq!(certificate.evidence["sweep"]["requests"], 2);
    assert!(said(&outcome).contains(&Code::SweepFound));
    assert_eq!(outcome.summary.legs.values().sum::<u64>(), 2, "taken in");
    let outcome = world.pull(day(8)).await;
    let certificate = &outcome.summary.certificates[0];
    assert_eq!(certificate.verdict, "complete");
    assert_eq!(certificate.evidence["sweep"]["unseen"], 1, "still told");
    assert!(!said(&outcome).contains(&Code::SweepFound));
    world.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_practice_that_falls_silent_is_noticed() {
    let world = World::new().await;
    let mut told = Vec::new();
    for number in 0..30 {
        if number < 19 && number % 7 < 5 {
            for n in 0..2 {
                world.refer(&format!("r{number}-{n}"), day(number).plus_seconds(-600));
            }
        }
        let outcome = world.pull(day(number)).await;
        if said(&outcome).contains(&Code::QuietSource) {
            told.push(number);
        }
    }
    // Two each working day up to the third Friday: on the Thursday after, six are missing.
    assert_eq!(told.first(), Some(&24));
    assert_eq!(told.last(), Some(&29));
    world.sandbox.stop().await;
}
