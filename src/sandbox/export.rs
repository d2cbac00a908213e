//! `$export`: everything, every patient's, or a group's, made into files that are fetched line by line.
//!
//! In: a kick-off, polls, and fetches. Out: NDJSON of what the store held at the kick-off, Bundles of what was deleted since,
//! and an `OperationOutcome` for each thing asked for that is not there. The first poll always finds it at work, so that a
//! client has to wait as it would elsewhere. A type is cut into several files once it is long.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use axum::response::Response;
use serde_json::{Value, json};

use super::pages::pairs;
use super::resources::{Failure, ResourceStore, one_or_many};
use super::routes::{Call, SandboxServer, response};
use super::{dates, search};

/// Exports kept; the oldest is forgotten, as on real servers.
const JOBS_MAX: usize = 16;
/// Resources in one file.
const FILE_LINES: usize = 500;
const NDJSON: &str = "application/fhir+ndjson";
const JSON: &str = "application/json";

/// The exports that can be asked after.
#[derive(Default)]
pub(super) struct Exports {
    jobs: BTreeMap<u64, ExportJob>,
    ordered: u64,
}

struct ExportJob {
    manifest: Value,
    files: Vec<String>,
    polled: bool,
}

/// What an export is asked for.
#[derive(Default)]
struct ExportRequest {
    types: Vec<String>,
    since: Option<i64>,
    /// Type and query.
    filters: Vec<(String, String)>,
    lenient: bool,
}

/// What is answered, besides the `Date` that every answer has.
struct ExportReply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// Answers what belongs to an export; `None` of any other request.
pub(super) fn answer(server: &mut SandboxServer, call: &Call, gzip: bool) -> Option<Response> {
    let segments: Vec<&str> = call.path.split('/').collect();
    let reply = match (call.method.as_str(), segments.as_slice()) {
        ("GET" | "POST", ["$export"] | ["Patient", "$export"] | ["Group", _, "$export"]) => {
            order(server, call, &segments)
        }
        (method, ["$export-status", number]) => status(server, method, number),
        ("GET", ["$export-file", number, place]) => file(server, number, place, gzip),
        _ => return None,
    };
    let reply = reply.unwrap_or_else(|failure| ExportReply {
        status: failure.status,
        headers: vec![("content-type", "application/fhir+json".to_owned())],
        body: failure.outcome().to_string().into_bytes(),
    });
    let mut headers = reply.headers;
    headers.push(("date", dates::http((server.store.now)())));
    Some(response(reply.status, headers, reply.body))
}

fn order(
    server: &mut SandboxServer,
    call: &Call,
    segments: &[&str],
) -> Result<ExportReply, Failure> {
    if !call.prefer.contains("respond-async") {
        let text = "an export is asked for with Prefer: respond-async";
        return Failure::refuse(400, "required", text);
    }
    let asked = asked(call)?;
    let mut outcomes = Vec::new();
    let people = match segments {
        ["Patient", _] => Some(all_patients(&server.store)),
        ["Group", id, _] => Some(members(&server.store, id, &mut outcomes)?),
        _ => None,
    };
    let job = make(
        &server.store,
        server.exports.ordered,
        &asked,
        people.as_ref(),
        outcomes,
    )?;
    let exports = &mut server.exports;
    let number = exports.ordered;
    exports.ordered += 1;
    exports.jobs.insert(number, job);
    while exports.jobs.len() > JOBS_MAX {
        exports.jobs.pop_first();
    }
    let place = format!("{}/$export-status/{number}", server.store.base);
    Ok(ExportReply {
        status: 202,
        headers: vec![("content-location", place)],
        body: Vec::new(),
    })
}

/// The parameters of a query, or of a `Parameters` resource.
fn asked(call: &Call) -> Result<ExportRequest, Failure> {
    let mut given = pairs(&call.query);
    if call.method == "POST" {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        if body["resourceType"] != "Parameters" {
            let text = "an export is ordered with a Parameters resource";
            return Failure::refuse(400, "structure", text);
        }
        for parameter in one_or_many(&body["parameter"]) {
            let value = ["valueString", "valueInstant", "valueCode", "valueUri"]
                .iter()
                .find_map(|name| parameter[*name].as_str());
            if let (Some(name), Some(value)) = (parameter["name"].as_str(), value) {
                given.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    let mut asked = ExportRequest {
        lenient: !call.prefer.contains("handling=strict"),
        ..ExportRequest::default()
    };
    for (name, value) in given {
        match name.as_str() {
            "_type" => asked.types.extend(value.split(',').map(str::to_owned)),
            "_since" => {
                let span = dates::span(&value);
                let text = "_since is not an instant";
                asked.since = Some(span.ok_or_else(|| Failure::new(400, "value", text))?.0);
            }
            "_typeFilter" => {
                let (kind, query) = value.split_once('?').unwrap_or((&value, ""));
                asked.filters.push((kind.to_owned(), query.to_owned()));
            }
            "_outputFormat" if value.contains("ndjson") => {}
            _ if asked.lenient => {}
            _ => {
                let text = format!("the parameter {name} is not supported");
                return Failure::refuse(400, "not-supported", text);
            }
        }
    }
    Ok(asked)
}

fn all_patients(store: &ResourceStore) -> BTreeSet<String> {
    store.live("Patient").map(|(id, _)| id.clone()).collect()
}

/// The patients of a group; a member that is not there is told in the error file.
fn members(
    store: &ResourceStore,
    id: &str,
    outcomes: &mut Vec<Value>,
) -> Result<BTreeSet<String>, Failure> {
    let group = store.current("Group", id)?.body.clone().unwrap_or_default();
    let mut people = BTreeSet::new();
    for member in one_or_many(&group["member"]) {
        let reference = member["entity"]["reference"].as_str().unwrap_or_default();
        let Some((_, id)) = reference.rsplit_once("Patient/") else {
            continue;
        };
        if store.current("Patient", id).is_ok() {
            people.insert(id.to_owned());
        } else {
            outcomes.push(
                Failure::new(404, "not-found", "a member of the group is not here").outcome(),
            );
        }
    }
    Ok(people)
}

/// Makes the files of an export.
fn make(
    store: &ResourceStore,
    number: u64,
    asked: &ExportRequest,
    people: Option<&BTreeSet<String>>,
    mut outcomes: Vec<Value>,
) -> Result<ExportJob, Failure> {
    let mut types: Vec<String> = asked.types.clone();
    if types.is_empty() {
        types.extend(store.types().cloned());
    }
    let mut files = Vec::new();
    let mut output = Vec::new();
    let mut deleted = Vec::new();
    let mut write = |kind: &str, lines: &[String]| {
        let url = format!("{}/$export-file/{number}/{}", store.base, files.len());
        files.push(lines.concat());
        json!({"type": kind, "url": url, "count": lines.len()})
    };
    for kind in &types {
        if let Err(unknown) = store.knows(kind) {
            let failure = Failure::new(400, unknown.code, unknown.text);
            if !asked.lenient {
                return Err(failure);
            }
            outcomes.push(failure.outcome());
            continue;
        }
        let lines = lines_of(store, kind, asked, people)?;
        for lines in lines.chunks(FILE_LINES) {
            output.push(write(kind, lines));
        }
        deleted.extend(deleted_since(store, kind, asked.since));
    }
    let mut manifest = json!({
        "transactionTime": dates::instant((store.now)()), "request": format!("{}/$export", store.base),
        "requiresAccessToken": false, "output": output, "deleted": [], "error": []});
    if !deleted.is_empty() {
        manifest["deleted"] = json!([write("Bundle", &deleted)]);
    }
    if !outcomes.is_empty() {
        let lines: Vec<String> = outcomes.iter().map(|one| format!("{one}\n")).collect();
        manifest["error"] = json!([write("OperationOutcome", &lines)]);
    }
    Ok(ExportJob {
        manifest,
        files,
        polled: false,
    })
}

fn lines_of(
    store: &ResourceStore,
    kind: &str,
    asked: &ExportRequest,
    people: Option<&BTreeSet<String>>,
) -> Result<Vec<String>, Failure> {
    let mut wanted: Option<BTreeSet<String>> = None;
    for (_, query) in asked.filters.iter().filter(|(of, _)| of == kind) {
        let query = search::parse(store, kind, &pairs(query), true)?;
        wanted
            .get_or_insert_default()
            .extend(query.run(store, kind));
    }
    let mut lines = Vec::new();
    for (id, version) in store.live(kind) {
        let Some(body) = &version.body else { continue };
        let late = asked.since.is_none_or(|since| version.at > since);
        let asked_for = wanted.as_ref().is_none_or(|wanted| wanted.contains(id));
        if late && asked_for && people.is_none_or(|people| belongs(kind, id, body, people)) {
            lines.push(format!("{body}\n"));
        }
    }
    Ok(lines)
}

/// Whether a resource is one of these people, or refers to one as its own.
fn belongs(kind: &str, id: &str, body: &Value, people: &BTreeSet<String>) -> bool {
    if kind == "Patient" {
        return people.contains(id);
    }
    ["subject", "patient", "for"].iter().any(|element| {
        let reference = body[*element]["reference"].as_str().unwrap_or_default();
        let person = reference.rsplit_once("Patient/").map(|(_, id)| id);
        person.is_some_and(|id| people.contains(id))
    })
}

fn deleted_since(store: &ResourceStore, kind: &str, since: Option<i64>) -> Vec<String> {
    let Some(since) = since else {
        return Vec::new();
    };
    store
        .deleted(kind)
        .filter(|(_, version)| version.at > since)
        .map(|(id, _)| {
            let request = json!({"method": "DELETE", "url": format!("{kind}/{id}")});
            let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [{"request": request}]});
            format!("{bundle}\n")
        })
        .collect()
}

fn status(server: &mut SandboxServer, method: &str, number: &str) -> Result<ExportReply, Failure> {
    let gone = || Failure::new(404, "not-found", "no such export");
    let number: u64 = number.parse().map_err(|_| gone())?;
    let exports = &mut server.exports;
    let empty = |status: u16, headers| ExportReply {
        status,
        headers,
        body: Vec::new(),
    };
    match method {
        "DELETE" => {
            exports.jobs.remove(&number).ok_or_else(gone)?;
            Ok(empty(202, Vec::new()))
        }
        "GET" => {
            let job = exports.jobs.get_mut(&number).ok_or_else(gone)?;
            if !std::mem::replace(&mut job.polled, true) {
                let headers = vec![
                    ("x-progress", "collecting".to_owned()),
                    ("retry-after", "0".to_owned()),
                ];
                return Ok(empty(202, headers));
            }
            let now = (server.store.now)();
            Ok(ExportReply {
                status: 200,
                headers: vec![
                    ("content-type", JSON.to_owned()),
                    ("expires", dates::http(now.saturating_add(3_600_000_000))),
                ],
                body: job.manifest.to_string().into_bytes(),
            })
        }
        _ => Failure::refuse(405, "not-supported", "an export is asked after or given up"),
    }
}

fn file(
    server: &SandboxServer,
    number: &str,
    place: &str,
    gzip: bool,
) -> Result<ExportReply, Failure> {
    let job = number
        .parse()
        .ok()
        .and_then(|number: u64| server.exports.jobs.get(&number));
    let place = place.parse::<usize>().ok();
    let lines = job.zip(place).and_then(|(job, place)| job.files.get(place));
    let lines = lines.ok_or_else(|| Failure::new(404, "not-found", "no such file of an export"))?;
    let mut headers = vec![("content-type", NDJSON.to_owned())];
    let mut body = lines.clone().into_bytes();
    if gzip {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let written = packed.write_all(&body).and_then(|()| packed.finish());
        if let Ok(packed) = written {
            body = packed;
            headers.push(("content-encoding", "gzip".to_owned()));
        }
    }
    Ok(ExportReply {
        status: 200,
        headers,
        body,
    })
}
