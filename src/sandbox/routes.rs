//! From an HTTP request to an answer: the REST interactions of R4 over the store.
//!
//! Requests from outside and the entries of a bundle take the same way (`Server::answer`), so that they cannot differ.
//! Where faults were asked for, `faults` stands between a request and its answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::export::{self, Exports};
use super::faults::{self, Faults};
use super::line::{Wire, WireControl};
use super::pages::{Searches, pairs};
use super::resources::{Failure, ResourceStore, ResourceVersion};
use super::validate::validate;
use super::{bundle, capability, dates, search};

/// The store and the searches that are being paged through.
pub(super) struct SandboxServer {
    pub(super) store: ResourceStore,
    pub(super) searches: Searches,
    pub(super) exports: Exports,
    /// What misbehaves, where that was asked for.
    pub(super) faults: Option<Faults>,
}

/// What a fault makes one search see.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quirks {
    /// Resources stored within so many microseconds are not found.
    pub(super) lag: i64,
    /// A page holds a tenth of what was asked for.
    pub(super) short: bool,
    /// What was found is in an order drawn with this number.
    pub(super) order: Option<usize>,
}

/// A request, from outside or within a bundle.
#[derive(Default)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: Vec<u8>,
    pub(super) content_type: String,
    pub(super) prefer: String,
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
    pub(super) if_none_exist: Option<String>,
    pub(super) within_bundle: bool,
    /// The id that a transaction has already promised to its other entries.
    pub(super) assigned_id: Option<String>,
    pub(super) quirks: Quirks,
}

/// What is answered.
#[derive(Default)]
pub(super) struct RestAnswer {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<i64>,
    pub(super) location: Option<String>,
}

impl RestAnswer {
    pub(super) fn of(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            ..Self::default()
        }
    }

    fn of_version(status: u16, version: &ResourceVersion) -> Self {
        Self {
            status,
            body: version.body.clone(),
            etag: Some(version.etag()),
            last_modified: Some(version.at),
            location: None,
        }
    }
}

/// An answer on its way out.
#[derive(Default)]
pub(super) struct WireReply {
    pub(super) answer: RestAnswer,
    pub(super) headers: Vec<(&'static str, String)>,
    /// Said instead of the answer's body.
    pub(super) html: Option<&'static str>,
    pub(super) shape: BodyShape,
    /// How far behind the clock of this answer is, in microseconds.
    pub(super) behind: i64,
}

/// How the bytes of an answer leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BodyShape {
    #[default]
    Whole,
    /// Not at all: the connection ends.
    Dropped,
    /// The connection ends after this percentage of the body.
    Truncated(usize),
    /// This percentage of the body only, as if it were all.
    Torn(usize),
    ByteOrderMark,
    /// In pieces, with a pause before each.
    Trickle(Duration),
}

impl From<Failure> for RestAnswer {
    fn from(failure: Failure) -> Self {
        Self::of(failure.status, failure.outcome())
    }
}

impl From<RestAnswer> for WireReply {
    fn from(answer: RestAnswer) -> Self {
        Self {
            answer,
            ..Self::default()
        }
    }
}

/// Answers one HTTP request.
pub(super) async fn handle(
    State(server): State<Arc<Mutex<SandboxServer>>>,
    ConnectInfo(line): ConnectInfo<WireControl>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| {
        let values = headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let joined = values.collect::<Vec<_>>().join(", ");
        Some(joined).filter(|text| !text.is_empty())
    };
    let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
    let reply = match uri.path().strip_prefix("/fhir") {
        Some(path) if path.is_empty() || path.starts_with('/') => {
            let call = Call {
                method: method.as_str().to_owned(),
                path: path.trim_matches('/').to_owned(),
                query: uri.query().unwrap_or_default().to_owned(),
                body: body.to_vec(),
                content_type: header("content-type").unwrap_or_default(),
                prefer: header("prefer").unwrap_or_default(),
                if_match: header("if-match"),
                if_none_match: header("if-none-match"),
                if_none_exist: header("if-none-exist"),
                ..Call::default()
            };
            let spared = header("x-sandbox-faults").is_some_and(|word| word == "off");
            let gzip = header("accept-encoding").is_some_and(|taken| taken.contains("gzip"));
            if let Some(response) = export::answer(&mut server, &call, gzip) {
                return response;
            }
            faults::answer(&mut server, call, spared)
        }
        _ => {
            let failure = Failure::new(404, "not-found", "the FHIR base URL ends in /fhir");
            WireReply::from(RestAnswer::from(failure))
        }
    };
    let now = (server.store.now)() - reply.behind;
    drop(server);
    respond(reply, now, &line)
}

fn respond(reply: WireReply, now: i64, line: &WireControl) -> Response {
    let answer = reply.answer;
    let mut body = answer.body.map(|body| body.to_string()).unwrap_or_default();
    let mut media = "application/fhir+json; charset=utf-8";
    if let Some(html) = reply.html {
        (body, media) = (html.to_owned(), "text/html");
    }
    line.say(shape(reply.shape, &mut body));
    let mut headers = vec![("date", dates::http(now))];
    if !body.is_empty() {
        headers.push(("content-type", media.to_owned()));
    }
    headers.extend(answer.etag.map(|etag| ("etag", etag)));
    headers.extend(
        answer
            .last_modified
            .map(|at| ("last-modified", dates::http(at))),
    );
    headers.extend(answer.location.map(|location| ("location", location)));
    headers.extend(reply.headers);
    response(answer.status, headers, body)
}

/// A response with these headers and no other.
pub(super) fn response(
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: impl IntoResponse,
) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, body).into_response();
    response.headers_mut().remove("content-type");
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Changes the body where the shape says so, and gives the word to the connection.
fn shape(shape: BodyShape, body: &mut String) -> Wire {
    match shape {
        BodyShape::Whole => Wire::Whole,
        BodyShape::Dropped => Wire::CutAfter(0),
        // The status line and the headers are longer than this: an answer without a body ends within them.
        BodyShape::Truncated(percent) => Wire::CutAfter(100 + body.len() * percent / 100),
        BodyShape::Torn(percent) => {
            let mut end = body.len() * percent / 100;
            while !body.is_char_boundary(end) {
                end -= 1;
            }
            body.truncate(end);
            Wire::Whole
        }
        BodyShape::ByteOrderMark => {
            body.insert(0, '\u{feff}');
            Wire::Whole
        }
        BodyShape::Trickle(pause) => Wire::Trickle(body.len() / 6 + 100, pause),
    }
}

impl SandboxServer {
    pub(super) fn new(store: ResourceStore) -> Self {
        Self {
            store,
            searches: Searches::default(),
            exports: Exports::default(),
            faults: None,
        }
    }

    /// Answers a call; a failure becomes an `OperationOutcome`.
    pub(super) fn answer(&mut self, call: &Call) -> RestAnswer {
        let mut answer = self.dispatch(call).unwrap_or_else(RestAnswer::from);
        if answer.status < 300 && matches!(call.method.as_str(), "POST" | "PUT") {
            let searched = call.path.ends_with("_search") || call.path.is_empty();
            let whole = call.prefer.contains("return=representation");
            let unasked = call.within_bundle && !whole;
            if (unasked || call.prefer.contains("return=minimal")) && !searched {
                answer.body = None;
            } else if call.prefer.contains("return=OperationOutcome") && !searched {
                answer.body = Some(json!({"resourceType": "OperationOutcome",
                    "issue": [{"severity": "information", "code": "informational", "diagnostics": "done"}]}));
            }
        }
        answer
    }

    fn dispatch(&mut self, call: &Call) -> Result<RestAnswer, Failure> {
        let segments: Vec<&str> = call.path.split('/').collect();
        match (call.method.as_str(), segments.as_slice()) {
            ("GET", ["metadata"]) => Ok(RestAnswer::of(200, capability::statement(&self.store))),
            ("GET", [""]) => self.page(call),
            ("POST", [""]) if !call.within_bundle => {
                json_body(call)?;
                bundle::process(self, call)
            }
            ("GET", [resource_type]) => self.search(resource_type, call, &pairs(&call.query)),
            ("POST", [resource_type, "_search"]) => {
                if !call
                    .content_type
                    .starts_with("application/x-www-form-urlencoded")
                {
                    let text = "a search is sent as application/x-www-form-urlencoded";
                    return Failure::refuse(415, "not-supported", text);
                }
                let form = String::from_utf8_lossy(&call.body);
                let mut asked = pairs(&call.query);
                asked.extend(pairs(&form));
                self.search(resource_type, call, &asked)
            }
            ("POST", [resource_type]) => self.create(resource_type, call),
            ("PUT", [resource_type]) => self.conditional_update(resource_type, call),
            ("GET", [resource_type, id]) => {
                self.store.knows(resource_type)?;
                let version = self.store.current(resource_type, id)?;
                let answer = RestAnswer::of_version(200, version);
                if call.if_none_match.is_some() && call.if_none_match == answer.etag {
                    return Ok(RestAnswer {
                        status: 304,
                        body: None,
                        ..answer
                    });
                }
                Ok(answer)
            }
            ("PUT", [resource_type, id]) => self.update(resource_type, id, call),
            ("DELETE", [resource_type, id]) => {
                self.store.knows(resource_type)?;
                if self.store.current(resource_type, id).is_ok() {
                    self.store.delete(resource_type, id);
                }
                Ok(RestAnswer {
                    status: 204,
                    ..RestAnswer::default()
                })
            }
            ("GET", [resource_type, id, "_history"]) => self.history(resource_type, id),
            ("GET", [resource_type, id, "_history", version]) => {
                let versions = self.store.versions(resource_type, id).unwrap_or_default();
                match versions.iter().find(|held| held.number == *version) {
                    Some(held) if held.body.is_some() => Ok(RestAnswer::of_version(200, held)),
                    Some(_) => Failure::refuse(410, "deleted", "this version is the deletion"),
                    None => Failure::refuse(404, "not-found", "no such version"),
                }
            }
            _ => Failure::refuse(405, "not-supported", "no such interaction on this server"),
        }
    }

    /// The one resource that a conditional create finds, if any.
    pub(super) fn existing(&self, call: &Call) -> Result<Option<String>, Failure> {
        let Some(condition) = &call.if_none_exist else {
            return Ok(None);
        };
        let condition = condition.trim_start_matches('?');
        self.only_match(&call.path, &pairs(condition))
    }

    fn only_match(
        &self,
        resource_type: &str,
        asked: &[(String, String)],
    ) -> Result<Option<String>, Failure> {
        self.store.knows(resource_type)?;
        let query = search::parse(&self.store, resource_type, asked, true)?;
        if asked.is_empty() {
            return Failure::refuse(400, "required", "the condition is empty");
        }
        let mut found = query.run(&self.store, resource_type);
        if found.len() > 1 {
            return Failure::refuse(
                412,
                "multiple-matches",
                "the condition matches several resources",
            );
        }
        Ok(found.pop())
    }

    fn create(&mut self, resource_type: &str, call: &Call) -> Result<RestAnswer, Failure> {
        self.store.knows(resource_type)?;
        let body = json_body(call)?;
        validate(resource_type, &body)?;
        if let Some(id) = self.existing(call)? {
            return self.stored(200, resource_type, &id);
        }
        let id = match &call.assigned_id {
            Some(id) => id.clone(),
            None => self.store.new_id(resource_type, &body),
        };
        self.store.put(resource_type, &id, body);
        self.stored(201, resource_type, &id)
    }

    fn update(
        &mut self,
        resource_type: &str,
        id: &str,
        call: &Call,
    ) -> Result<RestAnswer, Failure> {
        self.store.knows(resource_type)?;
        let body = json_body(call)?;
        validate(resource_type, &body)?;
        if body["id"].as_str() != Some(id) || !is_id(id) {
            return Failure::refuse(
                400,
                "invalid",
                "the id in the body is not the id in the URL",
            );
        }
        let held = self.store.current(resource_type, id).ok();
        let etag = held.map(ResourceVersion::etag);
        if call.if_match.is_some() && call.if_match != etag {
            return Failure::refuse(412, "conflict", "If-Match is not the current version");
        }
        let status = if etag.is_some() { 200 } else { 201 };
        self.store.put(resource_type, id, body);
        self.stored(status, resource_type, id)
    }

    fn conditional_update(
        &mut self,
        resource_type: &str,
        call: &Call,
    ) -> Result<RestAnswer, Failure> {
        let found = self.only_match(resource_type, &pairs(&call.query))?;
        let body = json_body(call)?;
        validate(resource_type, &body)?;
        let (status, id) = match found {
            Some(id) => (200, id),
            None => (201, self.store.new_id(resource_type, &body)),
        };
        self.store.put(resource_type, &id, body);
        self.stored(status, resource_type, &id)
    }

    fn stored(&self, status: u16, resource_type: &str, id: &str) -> Result<RestAnswer, Failure> {
        let version = self.store.current(resource_type, id)?;
        let base = &self.store.base;
        let location = format!("{base}/{resource_type}/{id}/_history/{}", version.number);
        Ok(RestAnswer {
            location: Some(location),
            ..RestAnswer::of_version(status, version)
        })
    }

    fn history(&self, resource_type: &str, id: &str) -> Result<RestAnswer, Failure> {
        let versions = self.store.versions(resource_type, id);
        let versions =
            versions.ok_or_else(|| Failure::new(404, "not-found", "no such resource"))?;
        let entries: Vec<Value> = versions
            .iter()
            .rev()
            .map(|version| {
                let method = if version.body.is_some() { "PUT" } else { "DELETE" };
                let mut entry = json!({"fullUrl": format!("{}/{resource_type}/{id}", self.store.base),
                    "request": {"method": method, "url": format!("{resource_type}/{id}")},
                    "response": {"status": "200", "etag": version.etag(),
                                 "lastModified": dates::instant(version.at)}});
                if let Some(body) = &version.body {
                    entry["resource"] = body.clone();
                }
                entry
            })
            .collect();
        let bundle = json!({"resourceType": "Bundle", "type": "history", "total": entries.len(), "entry": entries});
        Ok(RestAnswer::of(200, bundle))
    }
}

fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

fn json_body(call: &Call) -> Result<Value, Failure> {
    let media = call
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let known = ["application/fhir+json", "application/json", "text/json"];
    if !call.within_bundle && !known.contains(&media) {
        return Failure::refuse(
            415,
            "not-supported",
            "the body must be application/fhir+json",
        );
    }
    serde_json::from_slice(&call.body)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| Failure::new(400, "structure", "the body is not a JSON object"))
}
