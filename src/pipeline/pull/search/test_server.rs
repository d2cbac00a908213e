//! A server for the tests of the searching pull that is odd as each test says, and what a pull brings from it.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes as Body;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::*;
use crate::config::Reading;
use crate::diagnostics::Place;
use crate::fhir::client::Settings;
use crate::fhir::resources::bundle::Head;

pub(super) const CODE: &str = "871731000000106";
/// 22 November 2026, noon, as an instant and as a `Date` header.
pub(super) const NOON: &str = "2026-11-22T12:00:00Z";
pub(super) const NOON_DATE: &str = "Sun, 22 Nov 2026 12:00:00 GMT";

/// An answer: status and body; `Date` is noon.
pub(super) type Reply = (u16, Value);

/// A server that answers as a test says, and keeps what it was asked: `POST /fhir/X/_search form`, `GET /fhir/X?query`.
pub(super) struct Odd {
    pub(super) base: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Odd {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Odd {
    pub(super) async fn new(
        answer: impl Fn(&str) -> Reply + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let base = format!("http://{}/fhir", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let own = base.clone();
        let handle = move |method: Method, uri: Uri, body: Body| {
            let path = uri.path_and_query().map_or("", |path| path.as_str());
            let form = String::from_utf8(body.to_vec()).unwrap();
            let line = format!("{method} {path} {form}");
            let line = line
                .replace("%3A", ":")
                .replace("%7C", "|")
                .replace("%2C", ",");
            log.lock().unwrap().push(line.clone());
            let (status, body) = answer(&line);
            let mut headers = HeaderMap::new();
            headers.insert("date", NOON_DATE.parse().unwrap());
            let text = body.to_string().replace("BASE", &own);
            async move { (StatusCode::from_u16(status).unwrap(), headers, text) }
        };
        let router = Router::new().fallback(handle);
        #[expect(
            clippy::disallowed_methods,
            reason = "the test's one server: it ends with the test that holds its handle"
        )]
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, asked, task }
    }

    pub(super) fn asked(&self, part: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let found = asked.iter().filter(|line| line.contains(part));
        found.cloned().collect()
    }

    pub(super) fn client(&self, pages_max: usize) -> Client {
        let mut settings = Settings::new(&self.base);
        settings.backoff = std::time::Duration::ZERO;
        settings.pages_max = pages_max;
        Client::new(settings).unwrap()
    }

    /// Pulls to the end.
    pub(super) async fn pull(&self, change: impl FnOnce(&mut Asked)) -> Pulled {
        self.pull_with(&self.client(1_000), change).await
    }

    pub(super) async fn pull_with(
        &self,
        client: &Client,
        change: impl FnOnce(&mut Asked),
    ) -> Pulled {
        let mut asked = Asked::at_noon(&self.base);
        change(&mut asked);
        Pulled::of(client, asked).await
    }
}

impl Asked {
    pub(super) fn at_noon(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            codes: vec![CODE.to_owned()],
            reading: Reading::default(),
            high: None,
            now: Instant::parse(NOON).unwrap(),
            clock_fixed: false,
            sweep: None,
            again: Vec::new(),
            place: Place::detail("source x"),
        }
    }
}

#[derive(Default)]
pub(super) struct Pulled {
    pub(super) referrals: Vec<Referral>,
    pub(super) swept_from: Option<usize>,
    pub(super) error: Option<PullError>,
    pub(super) evidence: Evidence,
    pub(super) high: Option<Instant>,
    pub(super) said: Vec<Code>,
}

impl Pulled {
    /// What a pull brings to its end.
    pub(super) async fn of(client: &Client, asked: Asked) -> Self {
        let mut pull = SearchPull::new(client, asked);
        let mut pulled = Pulled::default();
        loop {
            match pull.next().await {
                Ok(Some(Step::Load(Load::Fetched(LoadOrigin::FromPages, referrals)))) => {
                    pulled.referrals.extend(referrals);
                }
                Ok(Some(Step::Load(_))) => {
                    unreachable!("a search has no places")
                }
                Ok(Some(Step::Sweep | Step::Gone(_))) => {
                    pulled.swept_from = Some(pulled.referrals.len());
                }
                Ok(None) => break,
                Err(error) => {
                    pulled.error = Some(error);
                    break;
                }
            }
        }
        let end = pull.end();
        (pulled.evidence, pulled.high) = (end.evidence, end.high);
        let codes = end.diagnostics.iter().map(Diagnostic::code);
        pulled.said = codes.collect();
        pulled
    }

    /// Each request's id with the ids of its person and practice.
    pub(super) fn names(&self) -> Vec<String> {
        let id = |bytes: &[u8]| Head::of(bytes).id.unwrap_or_default().into_owned();
        let of = |bytes: &Option<Bytes>| bytes.as_ref().map_or("-".to_owned(), |b| id(b));
        let one = |referral: &Referral| {
            format!(
                "{} {} {}",
                id(&referral.request),
                of(&referral.patient),
                of(&referral.practice)
            )
        };
        self.referrals.iter().map(one).collect()
    }
}

pub(super) fn request(id: &str, subject: &Value) -> Value {
    json!({"resourceType": "ServiceRequest", "id": id, "status": "active", "intent": "order",
        "meta": {"versionId": "1", "lastUpdated": "2026-11-22T11:00:00Z"},
        "code": {"coding": [{"system": SNOMED, "code": CODE}]}, "subject": subject})
}

pub(super) fn plain(id: &str) -> Value {
    request(id, &json!({"reference": "Patient/p"}))
}

pub(super) fn patient(id: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "meta": {"versionId": "1"}})
}

pub(super) fn page(resources: &[Value], next: Option<&str>) -> Reply {
    let entries: Vec<Value> = resources
        .iter()
        .map(|resource| {
            let mode = if resource["resourceType"] == "ServiceRequest" {
                "match"
            } else {
                "include"
            };
            json!({"resource": resource, "search": {"mode": mode}})
        })
        .collect();
    let next = next.map(|url| json!({"relation": "next", "url": url}));
    let links: Vec<Value> = next.into_iter().collect();
    (
        200,
        json!({"resourceType": "Bundle", "entry": entries, "link": links}),
    )
}

pub(super) fn none() -> Reply {
    (404, json!({"resourceType": "OperationOutcome"}))
}
