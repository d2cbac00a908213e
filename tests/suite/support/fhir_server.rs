//! A plain FHIR client of the tests' own, to fill a server and to look into it behind Kith's back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{LIMIT, Process};

/// The header by which `between.py` knows that it is not Kith who asks.
const OF_THE_TESTS: &str = "x-of-the-tests";
/// Resources of one page: the weak server has no further ones.
const PAGE: usize = 5_000;
/// Resources of one batch.
const BATCH: usize = 50;

/// A FHIR server on loopback, seen from outside.
pub(crate) struct FhirServer {
    pub(crate) base: String,
    /// Headers of every request.
    headers: Vec<(&'static str, String)>,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl FhirServer {
    /// A client of the server with this base URL.
    pub(crate) fn at(base: &str) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(LIMIT)
            // A connection kept between two calls would be closed by the server while nobody listens to it.
            .pool_max_idle_per_host(0)
            .build();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            headers: Vec::new(),
            client: client.expect("a client of plain HTTP can be built"),
            runtime: runtime.expect("a runtime can be built"),
        }
    }

    /// A client that shows this token.
    pub(crate) fn with_token(base: &str, token: &str) -> Self {
        Self::at(base).with_header("authorization", format!("Bearer {token}"))
    }

    /// The same, of one tenant of the server.
    pub(crate) fn of_tenant(self, tenant: &str) -> Self {
        self.with_header("x-tenant-id", tenant)
    }

    /// The same client with a header in every request.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends a text to a path below the base; an answer in JSON, or null.
    pub(crate) fn say(&self, path: &str, text: &str) -> Value {
        let body = Value::String(text.to_owned());
        let (status, answer) = self.send(
            reqwest::Method::POST,
            &format!("{}/{path}", self.base),
            Some(&body),
        );
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Waits until the server answers, which is this process.
    pub(crate) fn wait_until_ready(&self, process: &mut Process) {
        self.wait_until("/metadata", process);
    }

    /// Waits until there is an answer below the base URL.
    pub(crate) fn wait_until(&self, path: &str, process: &mut Process) {
        let start = Instant::now();
        let url = format!("{}{path}", self.base);
        let ready = || {
            self.runtime.block_on(async {
                self.client
                    .get(&url)
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status().is_success())
            })
        };
        while !ready() {
            process.assert_alive();
            if start.elapsed() > LIMIT {
                process.is_late(LIMIT);
            }
            // Within the runtime: a timer made outside of it has none.
            let pause = async { tokio::time::sleep(Duration::from_millis(100)).await };
            self.runtime.block_on(pause);
        }
    }

    /// Stores resources under their own ids.
    pub(crate) fn load(&self, resources: &[Value]) {
        for batch in resources.chunks(BATCH) {
            let entries: Vec<Value> = batch
                .iter()
                .map(|resource| {
                    json!({"resource": resource, "request": {"method": "PUT", "url": address(resource)}})
                })
                .collect();
            let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
            let (status, answer) = self.send(reqwest::Method::POST, &self.base, Some(&bundle));
            assert_eq!(status, 200, "loading a batch: {answer}");
            for entry in answer["entry"]
                .as_array()
                .expect("a batch is answered entry by entry")
            {
                let status = entry["response"]["status"].as_str().unwrap_or_default();
                assert!(status.starts_with('2'), "loading a resource: {entry}");
            }
        }
    }

    /// Replaces a resource under its own id.
    pub(crate) fn put(&self, resource: &Value) {
        let url = format!("{}/{}", self.base, address(resource));
        let (status, answer) = self.send(reqwest::Method::PUT, &url, Some(resource));
        assert!((200..300).contains(&status), "replacing {url}: {answer}");
    }

    /// Deletes a resource.
    pub(crate) fn delete(&self, resource_type: &str, id: &str) {
        let url = format!("{}/{resource_type}/{id}", self.base);
        let (status, answer) = self.send(reqwest::Method::DELETE, &url, None);
        assert!((200..300).contains(&status), "deleting {url}: {answer}");
    }

    /// Orders a Bulk Data export, and gives the address at which it can be asked after.
    pub(crate) fn order_export(&self) -> String {
        let request = self
            .client
            .get(format!("{}/$export", self.base))
            .header("prefer", "respond-async");
        self.runtime.block_on(async {
            let answer = request.send().await.expect("the server answers");
            let place = answer.headers().get("content-location");
            let place = place.and_then(|place| place.to_str().ok());
            place.expect("an export has a status address").to_owned()
        })
    }

    /// Every current resource of a type, through all pages.
    pub(crate) fn all(&self, resource_type: &str) -> Vec<Value> {
        let mut resources = Vec::new();
        let mut next = Some(format!("{}/{resource_type}?_count={PAGE}", self.base));
        while let Some(url) = next {
            let (status, page) = self.send(reqwest::Method::GET, &url, None);
            assert_eq!(status, 200, "searching {resource_type}: {page}");
            let entries = page["entry"].as_array().cloned().unwrap_or_default();
            resources.extend(
                entries
                    .into_iter()
                    .map(|mut entry| entry["resource"].take()),
            );
            let links = page["link"].as_array().cloned().unwrap_or_default();
            next = links
                .iter()
                .find(|link| link["relation"] == "next")
                .and_then(|link| Some(link["url"].as_str()?.to_owned()));
        }
        resources
    }

    fn send(&self, method: reqwest::Method, url: &str, body: Option<&Value>) -> (u16, Value) {
        self.runtime.block_on(async {
            let mut request = self
                .client
                .request(method, url)
                .header("accept", "application/fhir+json")
                .header(OF_THE_TESTS, "1");
            for (name, value) in &self.headers {
                request = request.header(*name, value);
            }
            if let Some(body) = body {
                request = request
                    .header("content-type", "application/fhir+json")
                    .body(
                        body.as_str()
                            .map_or_else(|| body.to_string(), str::to_owned),
                    );
            }
            let answer = request.send().await.expect("the server answers");
            let status = answer.status().as_u16();
            let text = answer
                .text()
                .await
                .expect("the server's answer can be read");
            (
                status,
                serde_json::from_str(&text).unwrap_or(Value::String(text)),
            )
        })
    }
}

/// Type and id of a resource, as a server is asked for it.
fn address(resource: &Value) -> String {
    let of = |key: &str| resource[key].as_str().unwrap_or_default();
    format!("{}/{}", of("resourceType"), of("id"))
}
