//! Fetching exports from servers that are odd in one way each.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::download::{Server, Tally, gather};
use super::export_job::FOR_TESTS;
use super::*;
use crate::domain::limits;
use crate::fhir::bulk::Level;
use crate::fhir::client::{ClientError, Settings};
use crate::pipeline::pull::search::Kept;
use crate::store::rows::RawKind;

/// Status, headers, body; `BASE` in them is the server's address.
type Reply = (u16, Vec<(&'static str, String)>, String);

/// A server that answers as a test says: the request line, and how often it was asked that before.
struct Odd {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Odd {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Odd {
    async fn new(answer: impl Fn(&str, usize) -> Reply + Clone + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let base = format!("http://{}/fhir", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, own) = (Arc::clone(&asked), base.clone());
        let handle = move |method: Method, uri: Uri| {
            let line = format!("{method} {}", uri.path().trim_start_matches("/fhir/"));
            let mut log = log.lock().unwrap();
            let before = log.iter().filter(|asked| **asked == line).count();
            log.push(line.clone());
            let (status, headers, body) = answer(&line, before);
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                let value = value.replace("BASE", &own).parse().unwrap();
                map.insert(HeaderName::from_static(name), value);
            }
            let body = body.replace("BASE", &own);
            async move { (StatusCode::from_u16(status).unwrap(), map, body) }
        };
        let router = Router::new().fallback(handle);
        #[expect(
            clippy::disallowed_methods,
            reason = "the test's one server: it ends with the test that holds its handle"
        )]
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, asked, task }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// An answer with a JSON body.
fn says(body: &Value) -> Reply {
    (200, Vec::new(), body.to_string())
}

fn empty(status: u16) -> Reply {
    (status, Vec::new(), String::new())
}

/// The usual answers: an order is taken, it is ready at once, its files are these.
fn usual(line: &str, files: &[&str]) -> Reply {
    let outputs: Vec<Value> = files
        .iter()
        .map(|name| json!({"url": format!("BASE/{name}")}))
        .collect();
    match line {
        "POST $export" => (
            202,
            vec![("content-location", "BASE/status/1".to_owned())],
            String::new(),
        ),
        "GET status/1" => {
            says(&json!({"transactionTime": "2026-11-22T02:00:00Z", "output": outputs}))
        }
        "DELETE status/1" => empty(202),
        _ => empty(404),
    }
}

fn lines(resources: &[(&str, &str)]) -> Reply {
    let lines = resources.iter().map(|(kind, id)| {
        let number =
            json!([{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}]);
        json!({"resourceType": kind, "id": id, "identifier": number}).to_string()
    });
    (200, Vec::new(), lines.collect::<Vec<_>>().join("\n"))
}

/// Gathers as the pull does; what is asked for can differ.
struct World {
    home: tempfile::TempDir,
    server: Odd,
    client: Client,
    config: Bulk,
    /// For all waits.
    total: Duration,
}

impl World {
    async fn new(answer: impl Fn(&str, usize) -> Reply + Clone + Send + Sync + 'static) -> Self {
        let server = Odd::new(answer).await;
        let mut settings = Settings::new(&server.base);
        settings.backoff = Duration::ZERO;
        let config = Bulk {
            base_url: server.base.clone(),
            level: Level::System,
            overlap_minutes: 10,
            wait_minutes: 1,
            rebase_links: false,
            type_filter: true,
            file_hosts: Vec::new(),
        };
        Self {
            home: tempfile::tempdir().unwrap(),
            client: Client::new(settings).unwrap(),
            server,
            config,
            total: Duration::from_millis(5),
        }
    }

    async fn gather(&self, asked: u8) -> (Result<Option<Instant>, PullError>, Shelf, Tally) {
        let millisecond = Duration::from_millis(1);
        let server = Server {
            client: &self.client,
            config: &self.config,
            since: None,
            filter: Vec::new(),
            patience: Patience {
                first: millisecond,
                longest: millisecond,
                total: self.total,
            },
            asked: [asked; 32],
            job: JobFile::for_tests(self.home.path()),
        };
        let spool = Spool::new(&self.home.path().join("tmp"), [3; 32]).unwrap();
        let (mut shelf, mut tally) = (Shelf::new(spool, true), Tally::default());
        let gathered = gather(&server, &mut shelf, &mut tally).await;
        (gathered.map(|(_, until)| until), shelf, tally)
    }

    fn job(&self) -> bool {
        Path::exists(&self.home.path().join("gp.job"))
    }
}

fn ids(shelf: &Shelf) -> Vec<String> {
    let requests = shelf.requests(0, 99).unwrap();
    let id = |request: &Bytes| {
        let tree: Value = serde_json::from_slice(request).unwrap();
        tree["id"].as_str().unwrap().to_owned()
    };
    requests.iter().map(id).collect()
}

#[tokio::test]
async fn files_are_brought_together_and_everything_odd_is_counted() {
    let world = World::new(|line, _| match line {
        "GET status/1" => says(&json!({"transactionTime": "2026-11-22T02:00:00Z",
            "output": [{"url": "BASE/a", "type": "ServiceRequest", "count": 2}, {"url": "BASE/b"}, {"url": "BASE/no", "type": "Binary"}],
            "deleted": [{"url": "BASE/d"}], "error": [{"url": "BASE/e"}], "outcome": [{"url": "BASE/e"}]})),
        "GET a" => lines(&[("ServiceRequest", "1"), ("ServiceRequest", "2")]),
        "GET b" => {
            let (status, headers, body) = lines(&[("Patient", "p"), ("Observation", "o")]);
            (status, headers, format!("{body}\n<html>\n{{\"id\":\"x\"}}\n"))
        }
        "GET d" => {
            let entry = |url: &str| json!({"request": {"method": "DELETE", "url": url}});
            let bundle = json!({"entry": [entry("ServiceRequest/9"), entry("Patient/7"), entry("BASE/ServiceRequest/8")]});
            says(&bundle)
        }
        "GET e" => {
            let outcome = |severity: &str| json!({"issue": [{"severity": severity, "code": "x"}]});
            (200, Vec::new(), format!("{}\n{}\n{}", outcome("error"), outcome("warning"), outcome("information")))
        }
        line => usual(line, &[]),
    })
    .await;
    let (until, shelf, tally) = world.gather(1).await;
    assert_eq!(until.unwrap(), Instant::parse("2026-11-22T02:00:00Z"));
    assert_eq!(ids(&shelf), ["1", "2"]);
    assert_eq!(
        tally.deleted,
        ["9", "8"].map(crate::pipeline::ingest::deleted_requests::DeletedRequest::of_server)
    );
    assert_eq!(tally.unreadable, 2);
    let export = tally.export;
    assert_eq!((export.files, export.files_skipped), (5, 1));
    assert_eq!((export.errors, export.warnings), (2, 4));
    assert_eq!((export.deleted, export.deleted_others), (2, 1));
    assert_eq!(shelf.index.others, 1);
    let number = "9990000018";
    let system = "https://fhir.nhs.uk/Id/nhs-number";
    assert_eq!(
        shelf
            .with_identifier(RawKind::Patient, system, number)
            .as_deref(),
        Some("p")
    );
    assert!(shelf.record(RawKind::Patient, "p").is_some());
    assert!(shelf.record(RawKind::Practitioner, "p").is_none());
    assert_eq!(
        shelf.people_alone(0, 9).unwrap().len(),
        0,
        "somebody asked for the person"
    );
    assert!(shelf.failure().is_none());
    // The job is kept until all of it is durable.
    assert!(world.job());
}

#[tokio::test]
async fn a_file_that_breaks_off_is_begun_again_and_leaves_nothing_behind() {
    let world = World::new(|line, before| match (line, before) {
        ("GET status/1", _) => says(&json!({"transactionTime": "2026-11-22T02:00:00Z",
            "output": [{"url": "BASE/a", "count": 3}]})),
        ("GET a", 0) => lines(&[("ServiceRequest", "1"), ("ServiceRequest", "2")]),
        ("GET a", 1) => empty(503),
        ("GET a", _) => lines(&[
            ("ServiceRequest", "2"),
            ("ServiceRequest", "1"),
            ("Patient", "p"),
        ]),
        (line, _) => usual(line, &[]),
    })
    .await;
    let (until, shelf, tally) = world.gather(1).await;
    assert!(until.unwrap().is_some());
    assert_eq!(ids(&shelf), ["2", "1"]);
    assert_eq!((shelf.index.superseded, tally.export.files), (0, 1));
    assert_eq!(shelf.index.kinds["ServiceRequest"], 2);
}

#[tokio::test]
async fn a_wait_that_a_file_asks_for_is_kept_or_left_to_the_next_run() {
    let mut world = World::new(|line, before| match (line, before) {
        ("GET status/1", _) => usual(line, &["a"]),
        ("GET a", 0) => {
            let asked = vec![("retry-after", "1".to_owned())];
            (503, asked, String::new())
        }
        ("GET a", _) => lines(&[("ServiceRequest", "1")]),
        (line, _) => usual(line, &[]),
    })
    .await;
    // Longer than there is patience for: nothing is asked sooner than the server said.
    let (until, _, _) = world.gather(1).await;
    assert!(until.is_err());
    assert!(world.job());
    let files = |asked: Vec<String>| asked.iter().filter(|line| *line == "GET a").count();
    assert_eq!(files(world.server.asked()), 1);
    // The next run has the time, and keeps the wait.
    world.total = Duration::from_mins(1);
    let begun = std::time::Instant::now();
    let (until, shelf, _) = world.gather(1).await;
    assert!(until.is_ok());
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(ids(&shelf), ["1"]);
    assert_eq!(files(world.server.asked()), 2);
}

#[tokio::test]
async fn addresses_that_expire_are_asked_for_anew_and_what_was_fetched_is_not_fetched_again() {
    let world = World::new(|line, before| match (line, before) {
        ("GET status/1", n) => usual(line, [["a", "b"], ["x", "y"]][n.min(1)].as_slice()),
        ("GET a", _) => lines(&[("ServiceRequest", "1")]),
        ("GET b", _) => empty(403),
        ("GET y", _) => lines(&[("ServiceRequest", "2")]),
        (line, _) => usual(line, &[]),
    })
    .await;
    let (until, shelf, _) = world.gather(1).await;
    assert!(until.unwrap().is_some());
    assert_eq!(ids(&shelf), ["1", "2"]);
    let asked = world.server.asked();
    assert_eq!(
        asked,
        [
            "POST $export",
            "GET status/1",
            "GET a",
            "GET b",
            "GET status/1",
            "GET y"
        ]
    );

    // For ever: then the export is given up, and not asked after again.
    let world = World::new(|line, _| usual(line, &["a"])).await;
    let (until, ..) = world.gather(1).await;
    assert!(matches!(
        until,
        Err(PullError::Client(ClientError::NotFound))
    ));
    assert!(!world.job());
}

#[tokio::test]
async fn an_export_under_way_is_taken_up_by_the_next_run() {
    let ready = Arc::new(Mutex::new(false));
    let seen = Arc::clone(&ready);
    let world = World::new(move |line, _| match line {
        "GET status/1" if !*seen.lock().unwrap() => {
            (202, vec![("retry-after", "30".to_owned())], String::new())
        }
        line => usual(line, &[]),
    })
    .await;
    let (until, ..) = world.gather(1).await;
    assert!(matches!(until, Err(PullError::NotReady)));
    assert!(world.job());
    *ready.lock().unwrap() = true;
    let (until, _, tally) = world.gather(1).await;
    assert!(until.unwrap().is_some() && tally.export.resumed);
    assert_eq!(
        world.server.asked(),
        ["POST $export", "GET status/1", "GET status/1"]
    );
    // Another question: what was ordered answers it no more.
    let (until, _, tally) = world.gather(2).await;
    assert!(until.unwrap().is_some() && !tally.export.resumed);
    assert_eq!(
        world.server.asked(),
        ["DELETE status/1", "POST $export", "GET status/1"]
    );
}

#[tokio::test]
async fn an_export_that_the_server_has_forgotten_is_ordered_anew_and_one_that_failed_is_not_asked_after()
 {
    let world = World::new(|line, before| match (line, before) {
        ("GET status/1", 1) => empty(410),
        (line, _) => usual(line, &[]),
    })
    .await;
    assert!(world.gather(1).await.0.unwrap().is_some());
    let (until, _, tally) = world.gather(1).await;
    assert!(until.unwrap().is_some() && !tally.export.resumed);
    let ordered = world.server.asked();
    assert_eq!(
        ordered
            .iter()
            .filter(|line| *line == "POST $export")
            .count(),
        2
    );

    for (status, kept) in [(500, false), (401, true), (503, true)] {
        let world = World::new(move |line, _| match line {
            "GET status/1" => {
                let code = if status == 500 {
                    "exception"
                } else {
                    "transient"
                };
                (
                    status,
                    Vec::new(),
                    json!({"issue": [{"severity": "fatal", "code": code}]}).to_string(),
                )
            }
            line => usual(line, &[]),
        })
        .await;
        let (until, ..) = world.gather(1).await;
        assert!(until.is_err());
        assert_eq!(world.job(), kept, "status {status}");
    }
}

#[tokio::test]
async fn internal_addresses_are_taken_on_the_servers_own_host_only_if_that_is_wished() {
    let answer = |line: &str, _: usize| match line {
        "POST $export" => (
            202,
            vec![(
                "content-location",
                "http://internal.example:8090/fhir/status/1".to_owned(),
            )],
            String::new(),
        ),
        "GET status/1" => says(
            &json!({"transactionTime": "2026-11-22T02:00:00Z", "requiresAccessToken": true,
            "output": [{"url": "http://internal.example:8090/fhir/a?sig=1"}]}),
        ),
        "GET a" => lines(&[("ServiceRequest", "1")]),
        line => usual(line, &[]),
    };
    let mut world = World::new(answer).await;
    let (until, ..) = world.gather(1).await;
    assert!(matches!(
        until,
        Err(PullError::Client(ClientError::ForeignExport))
    ));
    assert_eq!(
        world.server.asked(),
        ["POST $export"],
        "nothing went elsewhere"
    );
    world.config.rebase_links = true;
    let (until, shelf, _) = world.gather(1).await;
    assert!(until.unwrap().is_some());
    assert_eq!(ids(&shelf), ["1"]);
}

#[test]
fn a_job_opens_for_the_same_question_only_and_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let file = JobFile::for_tests(folder.path());
    assert!(file.read().is_none());
    file.keep("https://gp.example/status?key=swordfish", &[1; 32], None)
        .unwrap();
    let sealed = std::fs::read(folder.path().join("gp.job")).unwrap();
    assert!(!sealed.windows(5).any(|part| part == b"sword"));
    let job = file.read().unwrap();
    assert_eq!(job.status, "https://gp.example/status?key=swordfish");
    assert!(file.answers(&job, &[1; 32]) && !file.answers(&job, &[2; 32]));
    let late = JobFile::for_tests(folder.path()).at(Instant(FOR_TESTS).plus_seconds(25 * 3_600));
    assert!(!late.answers(&job, &[1; 32]));
    file.remove().unwrap();
    file.remove().unwrap();
    assert!(file.read().is_none());
}

#[tokio::test]
async fn a_file_is_begun_again_so_many_times_and_a_list_goes_on_for_so_many_parts() {
    for (times, comes) in [
        (limits::EXPORT_REPEATS_MAX, true),
        (limits::EXPORT_REPEATS_MAX + 1, false),
    ] {
        let world = World::new(move |line, before| match line {
            "GET status/1" => says(&json!({"output": [{"url": "BASE/a", "count": 2}]})),
            "GET a" if before < usize::try_from(times).unwrap() => lines(&[("Patient", "p")]),
            "GET a" => lines(&[("Patient", "p"), ("Patient", "q")]),
            line => usual(line, &[]),
        })
        .await;
        let (gathered, ..) = world.gather(1).await;
        assert_eq!(
            gathered.is_ok(),
            comes,
            "a file that breaks off {times} times"
        );
    }
    for (parts, comes) in [
        (limits::EXPORT_MANIFESTS_MAX, true),
        (limits::EXPORT_MANIFESTS_MAX + 1, false),
    ] {
        let world = World::new(move |line, _| {
            let Some(part) = line.strip_prefix("GET status/") else {
                return usual(line, &[]);
            };
            let part: usize = part.parse().unwrap();
            let next = json!([{"relation": "next", "url": format!("BASE/status/{}", part + 1)}]);
            let link = if part < parts { next } else { json!([]) };
            says(&json!({"output": [], "link": link}))
        })
        .await;
        let (gathered, ..) = world.gather(1).await;
        assert_eq!(gathered.is_ok(), comes, "a list of {parts} parts");
    }
}

#[tokio::test]
async fn the_next_export_begins_before_this_one_was_ordered_whatever_it_says_of_itself() {
    for (said, wanted) in [
        ("2026-11-22T02:00:00Z", "2026-11-22T02:00:00Z"),
        // Later than the order: what is written between would be in neither.
        ("2026-11-22T09:00:00Z", "2026-11-22T03:00:00Z"),
        ("2099-01-01T00:00:00Z", "2026-11-22T03:00:00Z"),
    ] {
        let ready = Arc::new(Mutex::new(false));
        let seen = Arc::clone(&ready);
        let world = World::new(move |line, _| match line {
            "GET status/1" if !*seen.lock().unwrap() => empty(202),
            "GET status/1" => says(&json!({"transactionTime": said, "output": []})),
            line => usual(line, &[]),
        })
        .await;
        assert!(matches!(world.gather(1).await.0, Err(PullError::NotReady)));
        *ready.lock().unwrap() = true;
        // Taken up by a later run all the same.
        let (until, _, tally) = world.gather(1).await;
        assert!(tally.export.resumed);
        assert_eq!(until.unwrap(), Instant::parse(wanted), "{said}");
    }
}

#[tokio::test]
async fn what_the_output_says_of_itself_is_heard_and_a_large_binary_is_passed_over() {
    let outcome = |severity: &str| {
        json!({"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "timeout"}]}).to_string()
    };
    let (error, warning) = (outcome("error"), outcome("warning"));
    let binary = format!(
        r#"{{"resourceType":"Binary","data":"{}"}}"#,
        "A".repeat(crate::domain::Limits::default().resource_bytes_max)
    );
    let world = World::new(move |line, _| match line {
        "GET status/1" => says(&json!({"transactionTime": "2026-11-22T02:00:00Z",
            "output": [{"url": "BASE/a"}, {"url": "BASE/o", "type": "OperationOutcome"}]})),
        "GET a" => {
            let text = [&error, &warning, &binary, r#"{"resourceType":"Bundle"}"#]
                .map(|line| format!("{line}\n"));
            (200, Vec::new(), text.concat())
        }
        "GET o" => (200, Vec::new(), error.clone()),
        line => usual(line, &[]),
    })
    .await;
    let (_, _, tally) = world.gather(1).await;
    assert_eq!((tally.export.errors, tally.export.warnings), (2, 1));
    assert_eq!(tally.unreadable, 1, "the Bundle");
    assert_eq!(tally.export.files, 2);
}
