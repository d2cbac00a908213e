//! Sign-in, waits and limits of the client, against servers of the tests' own and a clock that only counts.

use std::collections::HashSet;
use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::served::{ReceivedRequest, Served, answer};
use super::timer::Timer;
use super::*;
use crate::domain::{Entropy, Instant};
use crate::fhir::auth::key::SigningKey;
use crate::fhir::auth::{Assertion, Credentials, SignInError};

const KEY: &str = include_str!("../auth/testdata/p384.pem");
const PUBLIC: &str = include_str!("../auth/testdata/p384-public.pem");
const SCOPE: &str = "system/Patient.rs";
const PATIENT: &str = "GET /fhir/Patient/1";
const TOKEN: &str = "POST /token";

/// A clock that moves only when somebody waits, or is told to.
struct Counting {
    at: Mutex<Duration>,
    waits: Mutex<Vec<Duration>>,
}

impl Counting {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            at: Mutex::new(Duration::from_secs(1_000)),
            waits: Mutex::default(),
        })
    }

    fn pass(&self, time: Duration) {
        *self.at.lock().unwrap() += time;
    }

    fn waits(&self) -> Vec<Duration> {
        std::mem::take(&mut self.waits.lock().unwrap())
    }
}

impl Timer for Counting {
    fn now(&self) -> Instant {
        let start = Instant::parse("2026-11-22T12:00:00Z").unwrap();
        start.plus_seconds(self.running().as_secs().cast_signed())
    }

    fn running(&self) -> Duration {
        *self.at.lock().unwrap()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.waits.lock().unwrap().push(time);
        self.pass(time);
        Box::pin(std::future::ready(()))
    }
}

fn client_of(served: &Served, access: Access, timer: &Arc<Counting>) -> Client {
    let stream = Entropy::from_seed([3; 32]).stream(0);
    let session = SourceSession::new(access, Arc::clone(timer) as Arc<dyn Timer>, stream);
    Client::within(
        &Arc::new(session),
        Settings::new(format!("{}/fhir", served.origin)),
    )
    .unwrap()
}

fn with(credentials: Credentials) -> Access {
    Access {
        credentials,
        ..Access::open()
    }
}

fn smart(token_url: Option<String>) -> Access {
    with(Credentials::Assertion(Box::new(Assertion {
        client_id: "kith".to_owned().into(),
        key: SigningKey::read(KEY.as_bytes(), None, Some("k1")).unwrap(),
        token_url,
        scopes: vec![SCOPE.to_owned()],
    })))
}

fn body_of(status: u16, body: &Value) -> Vec<u8> {
    answer(status, "", body.to_string())
}

/// A GP system that gives tokens for assertions as SMART has them, each assertion once, and knows how old a token is.
fn smart_server(timer: &Arc<Counting>, life: Duration) -> Served {
    let timer = Arc::clone(timer);
    let given: Mutex<Vec<Duration>> = Mutex::default();
    let seen: Mutex<HashSet<String>> = Mutex::default();
    Served::start(move |origin, asked| match asked.line.as_str() {
        "GET /fhir/.well-known/smart-configuration" => {
            body_of(200, &json!({"token_endpoint": format!("{origin}/token")}))
        }
        TOKEN => {
            let Some(jti) = confirmed(asked, &format!("{origin}/token")) else {
                return body_of(401, &json!({"error": "invalid_client"}));
            };
            if !seen.lock().unwrap().insert(jti) {
                return body_of(
                    401,
                    &json!({"error": "invalid_client", "error_description": "jti"}),
                );
            }
            let mut given = given.lock().unwrap();
            given.push(timer.running());
            body_of(
                200,
                &json!({"access_token": given.len().to_string(), "token_type": "bearer",
                "expires_in": life.as_secs(), "scope": SCOPE}),
            )
        }
        _ => {
            let token = asked
                .header("authorization")
                .and_then(|text| text.strip_prefix("Bearer "));
            let number = token
                .and_then(|text| text.parse::<usize>().ok())
                .unwrap_or(0);
            let given = given.lock().unwrap();
            let born = number.checked_sub(1).and_then(|place| given.get(place));
            let good = born.is_some_and(|born| timer.running() < *born + life);
            if good {
                body_of(200, &json!({"resourceType": "Patient", "id": "1"}))
            } else {
                answer(401, "", "")
            }
        }
    })
}

/// The `jti` of an assertion that is signed, for this address, and not too long-lived.
fn confirmed(asked: &ReceivedRequest, audience: &str) -> Option<String> {
    let mut form = Url::parse("http://x/").unwrap();
    form.set_query(Some(&asked.body));
    let value = |name: &str| {
        form.query_pairs()
            .find(|(key, _)| key == name)
            .unwrap()
            .1
            .into_owned()
    };
    assert_eq!(value("scope"), SCOPE);
    let public = DecodingKey::from_ec_pem(PUBLIC.as_bytes()).unwrap();
    let mut rules = Validation::new(Algorithm::ES384);
    rules.set_audience(&[audience]);
    rules.validate_exp = false;
    let read = jsonwebtoken::decode::<Value>(&value("client_assertion"), &public, &rules).ok()?;
    Some(read.claims["jti"].as_str()?.to_owned())
}

#[tokio::test]
async fn a_token_is_shared_renewed_early_and_never_signed_for_twice_alike() {
    let timer = Counting::new();
    let served = smart_server(&timer, Duration::from_secs(4));
    let client = client_of(&served, smart(None), &timer);
    let other = Client::within(&client.session, client.settings.clone()).unwrap();
    for (pass, tokens) in [
        (0, 1),
        (1_900, 1),
        (200, 2),
        (1_999, 2),
        (1, 3),
        (60_000, 4),
    ] {
        timer.pass(Duration::from_millis(pass));
        let (one, two) = tokio::join!(client.read("Patient", "1"), other.read("Patient", "1"));
        assert!(one.unwrap().is_some() && two.unwrap().is_some());
        assert_eq!(served.count(TOKEN), tokens, "after {pass} ms");
    }
    // Renewed in time, no request was ever made with a token that had ended.
    assert_eq!(served.count(PATIENT), 12);
    assert_eq!(served.count("GET /fhir/.well-known/smart-configuration"), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once_and_then_it_stops() {
    let timer = Counting::new();
    let refusals = Arc::new(AtomicU64::new(1));
    let left = Arc::clone(&refusals);
    let served = Served::start(move |_, asked| match asked.line.as_str() {
        TOKEN => body_of(
            200,
            &json!({"access_token": "t", "token_type": "Bearer", "expires_in": 3600, "scope": SCOPE}),
        ),
        _ if left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
            .is_ok() =>
        {
            answer(401, "", "swordfish")
        }
        "POST /fhir/Observation" => body_of(
            201,
            &json!({"resourceType": "Observation", "id": "9", "identifier": [{"system": "urn:s", "value": "v"}]}),
        ),
        _ => body_of(200, &json!({"resourceType": "Patient", "id": "1"})),
    });
    let client = client_of(
        &served,
        smart(Some(format!("{}/token", served.origin))),
        &timer,
    );
    assert!(client.read("Patient", "1").await.unwrap().is_some());
    assert_eq!((served.count(PATIENT), served.count(TOKEN)), (2, 2));
    // A write that was refused for its token did nothing, so it goes again as well.
    refusals.store(1, Ordering::SeqCst);
    let created = client
        .create_once("Observation", b"{}", "urn:s", "v")
        .await
        .unwrap();
    assert_eq!(
        (created.id.as_str(), served.count("POST /fhir/Observation")),
        ("9", 2)
    );
    refusals.store(u64::MAX, Ordering::SeqCst);
    let error = client.read("Patient", "1").await.unwrap_err();
    assert_eq!(error, ClientError::Unauthorised { status: 401 });
    assert_eq!((served.count(PATIENT), served.count(TOKEN)), (4, 4));
    let failure = client
        .create_once("Observation", b"{}", "urn:s", "v")
        .await
        .unwrap_err();
    assert_eq!(failure, crate::fhir::client::create::WriteFailure::Barred);
}

#[tokio::test]
async fn a_narrowed_scope_is_named_and_the_token_server_left_alone() {
    let timer = Counting::new();
    let served = Served::start(|_, asked| match asked.line.as_str() {
        TOKEN => body_of(
            200,
            &json!({"access_token": "swordfish", "token_type": "Bearer", "expires_in": 3600, "scope": "system/Patient.r"}),
        ),
        _ => answer(200, "", "{}"),
    });
    let client = client_of(
        &served,
        smart(Some(format!("{}/token", served.origin))),
        &timer,
    );
    let lacking = ClientError::SignIn(SignInError::Scope("system/Patient.s".to_owned()));
    for (pass, asked) in [(0, 1), (59, 1), (2, 2)] {
        timer.pass(Duration::from_secs(pass));
        let error = client.get("metadata").await.unwrap_err();
        assert_eq!(error, lacking);
        assert!(!format!("{error:?}{error}").contains("swordfish"));
        assert_eq!((served.count(TOKEN), served.asked().len()), (asked, asked));
    }
    // A write that had no token did not leave: it waits.
    let failure = client
        .create_once("Observation", b"{}", "urn:s", "v")
        .await
        .unwrap_err();
    assert_eq!(failure, crate::fhir::client::create::WriteFailure::Barred);
}

#[tokio::test]
async fn a_token_server_in_trouble_is_asked_again_and_one_that_is_no_such_thing_is_named() {
    let timer = Counting::new();
    let calls = AtomicU64::new(0);
    let served = Served::start(move |_, asked| {
        match (asked.line.as_str(), calls.fetch_add(1, Ordering::SeqCst)) {
            (TOKEN, 0) => answer(503, "retry-after: 3\r\n", "<html>"),
            (TOKEN, _) => body_of(
                200,
                &json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60, "scope": SCOPE}),
            ),
            _ => answer(200, "", "{}"),
        }
    });
    let client = client_of(
        &served,
        smart(Some(format!("{}/token", served.origin))),
        &timer,
    );
    assert!(client.get("metadata").await.is_ok());
    assert_eq!(timer.waits(), [Duration::from_secs(3)]);
    for (discovery, wanted) in [
        (answer(404, "", ""), SignInError::Discovery { status: 404 }),
        (
            answer(200, "", "<html>"),
            SignInError::Discovery { status: 200 },
        ),
        (
            answer(
                200,
                "",
                r#"{"token_endpoint":"http://elsewhere.example/token"}"#,
            ),
            SignInError::Address,
        ),
    ] {
        let served = Served::start(move |_, _| discovery.clone());
        let client = client_of(&served, smart(None), &timer);
        assert_eq!(client.get("metadata").await, Err(wanted.into()));
        assert_eq!(served.asked().len(), 1);
    }
}

fn platform_headers() -> Vec<Template> {
    let headers = [
        ("X-Request-ID", "{uuid}"),
        ("X-Call", "{call}"),
        ("X-Correlation-ID", "{run}"),
        ("NHSD-End-User-Organisation-ODS", "{ods}"),
    ];
    headers
        .map(|(name, text)| Template::read(name, text, "ZZ001").unwrap())
        .to_vec()
}

#[tokio::test]
async fn fixed_credentials_and_headers_go_with_every_attempt_and_to_nobody_else() {
    let timer = Counting::new();
    let elsewhere = Served::start(|_, _| answer(200, "", "{}"));
    let away = format!("location: {}/fhir/Patient/1\r\n", elsewhere.origin);
    let calls = AtomicU64::new(0);
    let served = Served::start(move |_, asked| match asked.line.as_str() {
        PATIENT => answer(302, &away, ""),
        _ if calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) => {
            answer(503, "retry-after: 0\r\n", "")
        }
        _ => answer(200, "", "{}"),
    });
    for (credentials, name, value) in [
        (
            Credentials::bearer("swordfish"),
            "authorization",
            "Bearer swordfish",
        ),
        (
            Credentials::basic("kith", "fish"),
            "authorization",
            "Basic a2l0aDpmaXNo",
        ),
        (
            Credentials::api_key("apikey", "swordfish"),
            "apikey",
            "swordfish",
        ),
    ] {
        let mut access = with(credentials.unwrap());
        access.headers = platform_headers();
        let client = client_of(&served, access, &timer);
        let before = served.asked().len();
        for _ in 0..2 {
            client.get("metadata").await.unwrap();
        }
        let asked = &served.asked()[before..];
        assert_eq!(asked.len(), 4);
        assert!(asked.iter().all(|asked| asked.header(name) == Some(value)));
        let distinct = |name: &str| {
            asked
                .iter()
                .map(|asked| asked.header(name).unwrap())
                .collect::<HashSet<_>>()
                .len()
        };
        assert_eq!(
            (
                distinct("x-request-id"),
                distinct("x-call"),
                distinct("x-correlation-id")
            ),
            (4, 2, 1)
        );
        assert_eq!(
            asked[0].header("nhsd-end-user-organisation-ods"),
            Some("ZZ001")
        );
        let moved = client.read("Patient", "1").await.unwrap_err();
        assert_eq!(
            moved,
            ClientError::Refused {
                status: 302,
                code: None
            }
        );
        let url = Url::parse(&format!("{}/fhir/Patient/1", elsewhere.origin)).unwrap();
        assert!(client.send(client.request(Method::GET, url)).await.is_err());
    }
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn waits_are_those_that_the_server_asks_for_or_random_and_they_have_an_end() {
    let timer = Counting::new();
    let calls = AtomicU64::new(0);
    let served = Served::start(move |_, asked| {
        match (asked.line.as_str(), calls.fetch_add(1, Ordering::SeqCst)) {
            ("GET /fhir/busy", _) => answer(429, "retry-after: 50\r\n", ""),
            (_, 0) => answer(503, "retry-after: 7\r\n", "<html>"),
            (_, 1) => answer(429, "x-ms-retry-after-ms: 250\r\nretry-after: 9\r\n", ""),
            (_, 2) => answer(
                503,
                "date: Sun, 22 Nov 2026 12:00:00 GMT\r\nretry-after: Sun, 22 Nov 2026 12:00:05 GMT\r\n",
                "",
            ),
            (_, 3..=5) => answer(502, "", ""),
            _ => answer(200, "", "{}"),
        }
    });
    let client = client_of(&served, Access::open(), &timer);
    assert!(client.get("metadata").await.is_ok());
    let waits = timer.waits();
    assert_eq!(waits[..3], [7_000, 250, 5_000].map(Duration::from_millis));
    assert_eq!(waits.len(), 6);
    for (wait, most) in waits[3..].iter().zip([4_000, 8_000, 16_000]) {
        assert!(*wait <= Duration::from_millis(most), "{wait:?}");
    }
    assert!(waits[3] != waits[4] && waits[4] != waits[5]);
    // Two minutes for a call with its repeats.
    let error = client.get("busy").await.unwrap_err();
    assert!(error.is_transient() && error.retry_after() == Some(Duration::from_secs(50)));
    assert_eq!(timer.waits(), [Duration::from_secs(50); 2]);
}

#[tokio::test]
async fn requests_keep_to_the_rate_of_the_source() {
    let timer = Counting::new();
    let served = Served::start(|_, _| answer(200, "", "{}"));
    let mut access = Access::open();
    access.requests_per_second = Some(10);
    let client = client_of(&served, access, &timer);
    for _ in 0..5 {
        client.get("metadata").await.unwrap();
    }
    let waited: Duration = timer.waits().iter().sum();
    assert_eq!(waited, Duration::from_millis(300));
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let timer = Counting::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&vec![b' '; 4 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    let served = Served::start(move |_, asked| match asked.line.as_str() {
        "GET /fhir/told" => b"HTTP/1.1 200 X\r\ncontent-length: 10737418240\r\n\r\n{".to_vec(),
        "GET /fhir/packed" => {
            let head = format!(
                "HTTP/1.1 200 X\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                packed.len()
            );
            [head.as_bytes(), &packed].concat()
        }
        _ => [&b"HTTP/1.1 200 X\r\n\r\n"[..], &vec![b'['; 3 << 20]].concat(),
    });
    let stream = Entropy::from_seed([3; 32]).stream(0);
    let session = SourceSession::new(Access::open(), timer, stream);
    let mut settings = Settings::new(format!("{}/fhir", served.origin));
    settings.page_bytes_max = 1 << 20;
    let client = Client::within(&Arc::new(session), settings).unwrap();
    for path in ["told", "packed", "untold"] {
        assert_eq!(
            client.get(path).await,
            Err(ClientError::TooLarge { max: 1 << 20 }),
            "{path}"
        );
    }
}

mod limits;
