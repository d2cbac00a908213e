//! The client against the sandbox, and against servers that answer from a script.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::client_error::ClientError;
use super::create::WriteFailure;
use super::parameters::Parameters;
use super::search::{Ending, Search};
use super::served::Served;
use super::{Client, Settings, served};
use crate::fhir::resources::bundle::{Head, Mode};
use crate::fhir::resources::capability_statement::Says;
use crate::sandbox::{Sandbox, SandboxOptions};

/// 22 November 2026, noon.
const NOON: i64 = 1_795_348_800_000_000;
const SYSTEM: &str = "https://kith.example/Id/return-event";
const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";

async fn sandbox() -> Sandbox {
    let options = SandboxOptions {
        now: Arc::new(|| NOON),
        data: None,
    };
    Sandbox::start(0, options).await.unwrap()
}

fn client(base: impl Into<String>) -> Client {
    let mut settings = Settings::new(base);
    settings.backoff = Duration::ZERO;
    settings.retries_max = 3;
    settings.total_timeout = Duration::from_secs(5);
    Client::new(settings).unwrap()
}

fn observation(value: &str) -> Vec<u8> {
    let body = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "identifier": [{"system": SYSTEM, "value": value}]});
    body.to_string().into_bytes()
}

async fn drain(search: &mut Search<'_>) -> Result<Vec<(Mode, String)>, ClientError> {
    let mut found = Vec::new();
    while let Some(page) = search.next_page().await? {
        for entry in page.bundle()?.entries() {
            let head = Head::of(entry.resource);
            found.push((entry.mode, head.id.unwrap_or_default().into_owned()));
        }
    }
    Ok(found)
}

const DEEP: &str = "/deep/fhir";

fn scripted(answers: &[&str]) -> Served {
    let answers = answers.iter().map(|text| text.as_bytes().to_vec());
    Served::scripted(DEEP, answers.collect())
}

fn base(server: &Served) -> String {
    format!("{}{DEEP}", server.origin)
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    String::from_utf8(served::answer(status, headers, body)).unwrap()
}

fn bundle(ids: &[&str], next: Option<&str>) -> String {
    let entries: Vec<_> = ids
        .iter()
        .map(|id| json!({"resource": {"resourceType": "Task", "id": id}}))
        .collect();
    let links = next
        .map(|url| json!([{"relation": "next", "url": url}]))
        .unwrap_or(json!([]));
    json!({"resourceType": "Bundle", "entry": entries, "link": links}).to_string()
}

#[tokio::test]
async fn a_search_pages_to_its_end() {
    let sandbox = sandbox().await;
    let client = client(sandbox.base_url());
    let mut lines = Vec::new();
    for n in 0..7 {
        let request = json!({"resourceType": "ServiceRequest", "id": format!("r{n}"), "status": "active",
            "intent": "order", "code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106"}]},
            "subject": {"reference": format!("Patient/p{}", n % 2)},
            "meta": {"lastUpdated": format!("2026-11-2{n}T10:00:00Z")}});
        lines.push(request.to_string());
    }
    for n in 0..2 {
        lines.push(format!("{{\"resourceType\":\"Patient\",\"id\":\"p{n}\"}}"));
    }
    assert_eq!(
        sandbox.load(lines.join("\n").as_bytes()).unwrap().resources,
        9
    );
    let parameters = Parameters::default()
        .tokens(
            "code",
            [
                ("http://snomed.info/sct", "871731000000106"),
                ("urn:x", "y"),
            ],
        )
        .with("_lastUpdated", "ge2026-11-20T10:00:00Z")
        .with("_lastUpdated", "lt2026-11-26T10:00:00Z")
        .with("_include", "ServiceRequest:subject")
        .with("_sort", "_lastUpdated")
        .with("_count", "2");
    let mut search = client.search("ServiceRequest", parameters);
    let found = drain(&mut search).await.unwrap();
    let matched: Vec<_> = found
        .iter()
        .filter(|(mode, _)| *mode == Mode::Match)
        .map(|(_, id)| id.as_str())
        .collect();
    assert_eq!(matched, ["r0", "r1", "r2", "r3", "r4", "r5"]);
    assert_eq!(
        found
            .iter()
            .filter(|(mode, _)| *mode == Mode::Include)
            .count(),
        6
    );
    assert_eq!(search.progress().ending, Some(Ending::NoNext));
    assert_eq!(search.progress().server_date, Some(NOON));
    let mut unknown = client.search(
        "ServiceRequest",
        Parameters::default().with("nonsense", "1"),
    );
    let refused = ClientError::Refused {
        status: 400,
        code: Some("not-supported"),
    };
    assert_eq!(unknown.next_page().await.err(), Some(refused));
    let patient = client.read("Patient", "p1").await.unwrap().unwrap();
    assert_eq!(Head::of(&patient).id.as_deref(), Some("p1"));
    assert_eq!(client.read("Patient", "p9").await, Ok(None));
    assert_eq!(client.read("Patient", "..").await, Err(ClientError::Name));
    let statement = client.capability_statement().await.unwrap();
    assert!(statement.r4() == Says::Yes && statement.server_date == Some(NOON));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_resource_is_created_once() {
    let sandbox = sandbox().await;
    let client = client(sandbox.base_url());
    let first = client
        .create_once("Observation", &observation("a"), SYSTEM, "a")
        .await
        .unwrap();
    let again = client
        .create_once("Observation", &observation("a"), SYSTEM, "a")
        .await
        .unwrap();
    assert!(first.new && !again.new);
    assert_eq!(
        (first.id.as_str(), first.version.as_deref()),
        (again.id.as_str(), Some("1"))
    );
    assert_eq!(sandbox.resources("Observation").len(), 1);
    let found = client
        .find_by_identifier("Observation", SYSTEM, "a")
        .await
        .unwrap();
    assert_eq!(Head::of(&found[0]).id, Some(first.id.into()));
    for id in ["x", "y"] {
        let body = json!({"resourceType": "Observation", "id": id, "identifier": [{"system": SYSTEM, "value": "b"}]});
        sandbox.load(body.to_string().as_bytes()).unwrap();
    }
    let twice = client
        .create_once("Observation", &observation("b"), SYSTEM, "b")
        .await;
    assert_eq!(twice, Err(WriteFailure::Duplicate));
    let wrong = client
        .create_once(
            "Observation",
            b"{\"resourceType\":\"Observation\"}",
            SYSTEM,
            "c",
        )
        .await;
    assert_eq!(
        wrong,
        Err(WriteFailure::Refused {
            status: 400,
            code: Some("invalid")
        })
    );
}

#[tokio::test]
async fn a_server_without_form_search_is_asked_by_get() {
    let page = answer(200, "", &bundle(&["1"], None));
    let server = scripted(&[&answer(405, "", ""), &page, &page]);
    let client = client(base(&server));
    for _ in 0..2 {
        let mut search = client.search("Task", Parameters::default().with("status", "completed"));
        assert_eq!(drain(&mut search).await.unwrap().len(), 1);
    }
    let lines: Vec<String> = server
        .texts()
        .iter()
        .map(|text| text.lines().next().unwrap().to_owned())
        .collect();
    let get = "GET /deep/fhir/Task?status=completed HTTP/1.1";
    assert_eq!(lines, ["POST /deep/fhir/Task/_search HTTP/1.1", get, get]);
    let server = scripted(&[&answer(405, "", "")]);
    let client = self::client(base(&server));
    let by_number = Parameters::default().tokens("identifier", [(NHS, "9990000018")]);
    let mut search = client.search("Patient", by_number);
    assert!(matches!(
        search.next_page().await,
        Err(ClientError::Refused { status: 405, .. })
    ));
    assert!(server.texts()[0].contains("prefer: handling=strict"));
}

#[tokio::test]
async fn every_search_ends() {
    let repeated = answer(200, "", &bundle(&["1"], Some("BASE?p=2")));
    let more = answer(200, "", &bundle(&["2"], Some("fhir?p=2")));
    // Lengths are those before BASE is replaced: let the close end the body.
    let open = |text: &str| text.replace("content-length", "x-length");
    let [stale, empty] = [&["1"][..], &[]].map(|ids| {
        [3, 4, 5].map(|page| answer(200, "", &bundle(ids, Some(&format!("/deep/fhir?p={page}")))))
    });
    let after = |pages: [String; 3]| [vec![open(&repeated)], pages.to_vec()].concat();
    for (script, ending, count) in [
        (vec![open(&repeated), more.clone()], Ending::RepeatedLink, 2),
        (after(stale), Ending::NothingNew, 4),
        (after(empty), Ending::EmptyPages, 1),
        (vec![answer(200, "", &bundle(&[], None))], Ending::NoNext, 0),
    ] {
        let script: Vec<&str> = script.iter().map(String::as_str).collect();
        let server = scripted(&script);
        let client = client(base(&server));
        let mut search = client.search("Task", Parameters::default());
        assert_eq!(drain(&mut search).await.unwrap().len(), count, "{ending:?}");
        assert_eq!(search.progress().ending, Some(ending));
        let repeated = if ending == Ending::NothingNew { 3 } else { 0 };
        assert_eq!(search.progress().repeated, repeated);
    }
    let foreign = answer(200, "", &bundle(&["1"], Some("http://127.0.0.2/fhir?p=2")));
    let server = scripted(&[&foreign]);
    let client = client(base(&server));
    let mut search = client.search("Task", Parameters::default());
    assert_eq!(
        search.next_page().await.err(),
        Some(ClientError::ForeignLink { page: 2 })
    );
    // On the server's own address, if the operator says that the host in links is an internal name.
    let last = answer(200, "", &bundle(&["2"], None));
    let foreign = foreign.replace("127.0.0.2/fhir", "127.0.0.2:9/deep/fhir");
    let server = scripted(&[&open(&foreign), &last]);
    let client = self::client(base(&server));
    let mut search = client.search("Task", Parameters::default()).rebasing(true);
    assert_eq!(drain(&mut search).await.unwrap().len(), 2);
    let asked = server.texts();
    assert!(asked[1].starts_with("GET /deep/fhir?p=2 HTTP/1.1"));
}

#[test]
fn what_a_server_made_of_a_search_is_told_by_its_self_link() {
    let asked = Parameters::default()
        .tokens("code", [("s", "1"), ("s", "2")])
        .with("_lastUpdated", "ge2026")
        .with("_sort", "_lastUpdated");
    let both = |link: &str| {
        let heard = asked.heard(link);
        (heard.ignored, heard.added)
    };
    let nothing = (vec![], vec![]);
    assert_eq!(both("http://h/fhir/ServiceRequest/_search"), nothing);
    assert_eq!(
        both("ServiceRequest?code=s%7C1,s%7C2&_lastUpdated=ge2026&_count=9"),
        nothing
    );
    assert_eq!(
        both("http://h/fhir/ServiceRequest?_count=9&status=active&x=<b>"),
        (vec!["code", "_lastUpdated"], vec!["status"])
    );
    assert_eq!(
        both("ServiceRequest?code:in=s%7C2&_lastUpdated=ge2026"),
        (vec![], vec!["code"])
    );
}

#[tokio::test]
async fn a_read_that_fails_is_named_and_quotes_nothing() {
    let outcome = r#"{"issue":[{"severity":"error","code":"value","diagnostics":"Lovelace"}]}"#;
    let html = "<html>Lovelace</html>";
    let deep = format!("{{\"a\":{}", "[".repeat(100));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2_000));
    let cases = [
        (
            answer(400, "", outcome),
            ClientError::Refused {
                status: 400,
                code: Some("value"),
            },
        ),
        (
            answer(302, "location: http://127.0.0.2/Lovelace\r\n", ""),
            ClientError::Refused {
                status: 302,
                code: None,
            },
        ),
        (
            answer(401, "", html),
            ClientError::Unauthorised { status: 401 },
        ),
        (answer(404, "", ""), ClientError::NotFound),
        (answer(410, "", ""), ClientError::Gone),
        (answer(200, "", html), ClientError::Html { status: 200 }),
        (answer(200, "", "[1]"), ClientError::NotFhir { status: 200 }),
        (answer(200, "", &deep), ClientError::TooDeep { max: 64 }),
        (answer(200, "", &long), ClientError::TooLarge { max: 1_000 }),
    ];
    for (script, wanted) in cases {
        let server = scripted(&[&script]);
        let mut settings = Settings::new(base(&server));
        settings.page_bytes_max = 1_000;
        let client = Client::new(settings).unwrap();
        let error = client.get("Patient/Lovelace").await.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("Lovelace"));
        assert_eq!(error, wanted);
    }
}

#[tokio::test]
async fn reads_are_repeated_a_few_times() {
    let busy = answer(503, "retry-after: 0\r\n", "<html>");
    let good = answer(200, "", "{}");
    let server = scripted(&[&busy, &busy, &busy, &good]);
    assert!(client(base(&server)).get("metadata").await.is_ok());
    let server = scripted(&[&busy, &busy, &busy, &busy]);
    let error = client(base(&server)).get("metadata").await.unwrap_err();
    assert!(matches!(error, ClientError::Transient { .. }), "{error}");
    assert_eq!(server.texts().len(), 4);
    let later = answer(429, "retry-after: 3600\r\n", "");
    let server = scripted(&[&later]);
    let error = client(base(&server)).get("metadata").await.unwrap_err();
    let hour = Some(Duration::from_hours(1));
    assert!(matches!(error, ClientError::Transient { retry_after, .. } if retry_after == hour));
}

#[tokio::test]
async fn another_resource_than_the_one_asked_for_is_no_answer() {
    let patient = answer(200, "", "{\"resourceType\":\"Patient\",\"id\":\"2\"}");
    let outcome = answer(200, "", "{\"resourceType\":\"OperationOutcome\"}");
    for other in [&patient, &outcome] {
        let server = scripted(&[other]);
        let read = client(base(&server)).read("Patient", "1").await;
        assert_eq!(read, Err(ClientError::NotFhir { status: 200 }));
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_short_is_asked_for_again() {
    let torn = answer(200, "", "{\"resourceType\":\"Organization\",\"id\":\"1\"");
    let marked = answer(200, "", "\u{feff}{\"resourceType\":\"Organization\"}");
    let server = scripted(&[&torn, &marked]);
    let read = client(base(&server)).read("Organization", "1").await;
    let body = read.unwrap().unwrap();
    assert_eq!(body, b"{\"resourceType\":\"Organization\"}");
}

#[tokio::test]
async fn a_write_is_sent_once() {
    let mut found: serde_json::Value = serde_json::from_slice(&observation("a")).unwrap();
    (found["id"], found["meta"]) = (json!("7"), json!({"versionId": "2"}));
    let found = found.to_string();
    let lost = Err(WriteFailure::AnswerLost);
    let minute = Some(Duration::from_mins(1));
    for (script, wanted) in [
        (answer(502, "", "<html>"), lost.clone()),
        (answer(503, "retry-after: 1\r\n", ""), lost.clone()),
        (String::new(), lost),
        (
            answer(429, "retry-after: 60\r\n", ""),
            Err(WriteFailure::Transient {
                retry_after: minute,
            }),
        ),
        (answer(409, "", ""), Err(WriteFailure::Duplicate)),
        (answer(403, "", ""), Err(WriteFailure::Barred)),
        (
            answer(422, "", ""),
            Err(WriteFailure::Refused {
                status: 422,
                code: None,
            }),
        ),
        (answer(200, "", &found), Ok(("7", Some("2"), false))),
        (
            answer(201, "location: Observation/8/_history/1\r\n", &found),
            Ok(("8", Some("1"), true)),
        ),
    ] {
        let server = scripted(&[&script]);
        let client = client(base(&server));
        let result = client
            .create_once("Observation", &observation("a"), SYSTEM, "a")
            .await;
        let wanted =
            wanted.map(|(id, version, new)| (id.to_owned(), version.map(str::to_owned), new));
        assert_eq!(result.map(|made| (made.id, made.version, made.new)), wanted);
        let asked = server.texts();
        assert_eq!(asked.len(), 1);
        assert!(asked[0].contains(&format!("if-none-exist: identifier={SYSTEM}|a\r\n")));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/fhir", listener.local_addr().unwrap());
    drop(listener);
    let result = client(base)
        .create_once("Observation", &observation("a"), SYSTEM, "a")
        .await;
    assert_eq!(result, Err(WriteFailure::Transient { retry_after: None }));
}

#[tokio::test]
async fn a_success_without_a_body_is_read_back_where_it_says() {
    let entry = |value: &str, person: &str| {
        let mut entry: serde_json::Value = serde_json::from_slice(&observation(value)).unwrap();
        (entry["id"], entry["meta"]) = (json!("8"), json!({"versionId": "3"}));
        entry["subject"] = json!({"reference": person});
        entry.to_string()
    };
    let mut ours: serde_json::Value = serde_json::from_slice(&observation("a")).unwrap();
    ours["subject"] = json!({"reference": "Patient/p"});
    let ours = ours.to_string().into_bytes();
    let page = |text: &str| {
        format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{{"resource":{text}}}]}}"#)
    };
    let outcome = r#"{"resourceType":"OperationOutcome"}"#;
    let good = answer(200, "", &entry("a", "Patient/p"));
    let found = answer(200, "", &page(&entry("a", "Patient/p")));
    let gone = answer(404, "", "");
    let nobody = r#"{"resourceType":"Bundle","type":"searchset"}"#;
    let empty = answer(200, "", nobody);
    let made = Ok(("8".to_owned(), true));
    for (then, wanted) in [
        (vec![&good], made.clone()),
        (
            vec![&answer(200, "", &entry("a", "Patient/q"))],
            Err(WriteFailure::NotOurs),
        ),
        (
            vec![&answer(200, "", &entry("b", "Patient/p"))],
            Err(WriteFailure::NotOurs),
        ),
        // What is not there yet is looked up by our identifier.
        (vec![&gone, &found], made.clone()),
        (vec![&gone, &empty], Err(WriteFailure::AnswerLost)),
    ] {
        for (status, body) in [(201, ""), (201, outcome), (200, "")] {
            let first = answer(status, "location: Observation/8/_history/1\r\n", body);
            let script: Vec<&str> = std::iter::once(&first)
                .chain(then.iter().copied())
                .map(String::as_str)
                .collect();
            let server = scripted(&script);
            let created = client(base(&server))
                .create_once("Observation", &ours, SYSTEM, "a")
                .await;
            let wanted = wanted.clone().map(|(id, _)| (id, status == 201));
            assert_eq!(created.map(|made| (made.id, made.new)), wanted);
            let asked = server.texts();
            assert!(asked[1].starts_with("GET /deep/fhir/Observation/8 "));
            assert_eq!(asked.len(), 1 + then.len(), "it is sent once");
        }
    }
}

#[test]
fn the_calls_can_move_between_threads() {
    fn movable(_: impl Send) {}
    let client = client("http://127.0.0.1:1/fhir");
    let mut search = client.search("Task", Parameters::default());
    movable(search.next_page());
    movable(client.read("Task", "1"));
    movable(client.create_once("Task", b"", SYSTEM, "a"));
    movable(client.find_by_identifier("Task", SYSTEM, "a"));
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    for base in [
        "",
        "ftp://h/fhir",
        "http://h/fhir?x=1",
        "http://user:pass@h/fhir",
    ] {
        assert!(
            matches!(
                Client::new(Settings::new(base)),
                Err(ClientError::Settings(_))
            ),
            "{base}"
        );
    }
}
