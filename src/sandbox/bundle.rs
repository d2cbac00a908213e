//! Transactions and batches: a Bundle in, a Bundle of answers in the same order out.
//!
//! A transaction is all or nothing, and the names that its entries call each other by become real references before
//! anything is stored. A batch is a list of requests that know nothing of each other.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dates;
use super::resources::{Failure, rewrite};
use super::routes::{Call, RestAnswer, SandboxServer};

/// The most entries a bundle may have.
const ENTRIES_MAX: usize = 5_000;

/// Processes a transaction or batch; what it prefers to be answered holds for each entry.
pub(super) fn process(server: &mut SandboxServer, asked: &Call) -> Result<RestAnswer, Failure> {
    let mut bundle: Value = serde_json::from_slice(&asked.body)
        .map_err(|_| Failure::new(400, "structure", "the body is not JSON"))?;
    let transaction = match (bundle["resourceType"].as_str(), bundle["type"].as_str()) {
        (Some("Bundle"), Some("transaction")) => true,
        (Some("Bundle"), Some("batch")) => false,
        _ => {
            let text = "only a Bundle of type transaction or batch can be sent to the base URL";
            return Failure::refuse(400, "invalid", text);
        }
    };
    let entries = match bundle["entry"].take() {
        Value::Array(entries) => entries,
        Value::Null => Vec::new(),
        _ => return Failure::refuse(400, "structure", "entry is not a list"),
    };
    if entries.len() > ENTRIES_MAX {
        return Failure::refuse(413, "too-costly", "the bundle has too many entries");
    }
    let mut calls = Vec::new();
    for entry in &entries {
        calls.push(Call {
            prefer: asked.prefer.clone(),
            ..call(server, entry)?
        });
    }
    let answers = if transaction {
        all_or_nothing(server, &entries, calls)?
    } else {
        calls.iter().map(|call| server.answer(call)).collect()
    };
    let kind = if transaction {
        "transaction-response"
    } else {
        "batch-response"
    };
    let entries: Vec<Value> = answers.into_iter().map(entry_of).collect();
    let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": entries});
    Ok(RestAnswer::of(200, bundle))
}

fn call(server: &SandboxServer, entry: &Value) -> Result<Call, Failure> {
    let request = &entry["request"];
    let (Some(method), Some(url)) = (request["method"].as_str(), request["url"].as_str()) else {
        return Failure::refuse(
            400,
            "required",
            "an entry has no request.method or no request.url",
        );
    };
    let text = |name: &str| request[name].as_str().map(str::to_owned);
    let url = url.strip_prefix(&server.store.base).unwrap_or(url);
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let body = match &entry["resource"] {
        Value::Null => Vec::new(),
        resource => resource.to_string().into_bytes(),
    };
    Ok(Call {
        method: method.to_owned(),
        path: path.trim_matches('/').to_owned(),
        query: query.to_owned(),
        body,
        if_match: text("ifMatch"),
        if_none_match: text("ifNoneMatch"),
        if_none_exist: text("ifNoneExist"),
        within_bundle: true,
        ..Call::default()
    })
}

fn all_or_nothing(
    server: &mut SandboxServer,
    entries: &[Value],
    mut calls: Vec<Call>,
) -> Result<Vec<RestAnswer>, Failure> {
    let mut links = BTreeMap::new();
    let mut wanted: BTreeMap<(String, String), String> = BTreeMap::new();
    for (entry, call) in entries.iter().zip(&mut calls) {
        let target = match call.method.as_str() {
            "POST" => {
                let key = (
                    call.path.clone(),
                    call.if_none_exist.clone().unwrap_or_default(),
                );
                let known = server.existing(call)?.or_else(|| wanted.get(&key).cloned());
                let id =
                    known.unwrap_or_else(|| server.store.new_id(&call.path, &entry["resource"]));
                if !key.1.is_empty() {
                    wanted.insert(key, id.clone());
                }
                call.assigned_id = Some(id.clone());
                format!("{}/{id}", call.path)
            }
            "PUT" if call.query.is_empty() => call.path.clone(),
            _ => continue,
        };
        if let Some(full_url) = entry["fullUrl"].as_str() {
            links.insert(full_url.to_owned(), target);
        }
    }
    for (entry, call) in entries.iter().zip(&mut calls) {
        if !entry["resource"].is_null() {
            let mut resource = entry["resource"].clone();
            rewrite(&mut resource, &links, 0);
            call.body = resource.to_string().into_bytes();
        }
    }
    // R4 http, transaction: deletes, then creates, then updates, then reads, whatever their order in the bundle.
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_by_key(
        |index| match calls.get(*index).map(|call| call.method.as_str()) {
            Some("DELETE") => 0,
            Some("POST") => 1,
            Some("PUT") => 2,
            _ => 3,
        },
    );
    server.store.begin();
    let mut answers: BTreeMap<usize, RestAnswer> = BTreeMap::new();
    for index in order {
        let Some(call) = calls.get(index) else {
            continue;
        };
        let answer = server.answer(call);
        if answer.status >= 400 {
            server.store.roll_back();
            let text = format!(
                "entry {} of the transaction was refused: nothing was stored",
                index + 1
            );
            let status = if answer.status == 404 {
                400
            } else {
                answer.status
            };
            return Failure::refuse(status, "processing", text);
        }
        answers.insert(index, answer);
    }
    server.store.commit();
    Ok(answers.into_values().collect())
}

fn entry_of(answer: RestAnswer) -> Value {
    let mut response = json!({"status": answer.status.to_string()});
    if let Some(etag) = &answer.etag {
        response["etag"] = json!(etag);
    }
    if let Some(at) = answer.last_modified {
        response["lastModified"] = json!(dates::instant(at));
    }
    if let Some(location) = &answer.location {
        response["location"] = json!(location);
    }
    let mut entry = json!({});
    match answer.body {
        Some(body) if body["resourceType"] == "OperationOutcome" => response["outcome"] = body,
        Some(body) => entry["resource"] = body,
        None => {}
    }
    entry["response"] = response;
    entry
}
