//! The sandbox as a FHIR server: what the client and the tests of other rooms rely on.

use std::sync::Arc;

use serde_json::{Value, json};

use super::resources::ResourceStore;
use super::routes::{Call, RestAnswer, SandboxServer};
use super::{dates, load};

const SYSTEM: &str = "https://kith.example/Id/return-event";

fn server() -> SandboxServer {
    let noon = dates::noon();
    SandboxServer::new(ResourceStore::new(
        "http://127.0.0.1:1/fhir".to_owned(),
        Arc::new(move || noon),
    ))
}

/// `METHOD path?query`, as a client would send it.
fn call(request: &str, body: &Value) -> Call {
    let (method, url) = request.split_once(' ').unwrap();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    Call {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: body.to_string().into_bytes(),
        content_type: "application/fhir+json".to_owned(),
        ..Call::default()
    }
}

fn ask(server: &mut SandboxServer, request: &str, body: &Value) -> RestAnswer {
    server.answer(&call(request, body))
}

fn ids(answer: &RestAnswer) -> Vec<String> {
    let body = answer.body.as_ref().unwrap();
    let entries = body["entry"].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned())
        .collect()
}

fn observation(value: &str) -> Value {
    json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
           "identifier": [{"system": SYSTEM, "value": value}]})
}

fn referrals() -> SandboxServer {
    let mut server = server();
    let referral = |id: &str, status: &str, code: &str, authored: &str, at: &str| {
        json!({"resourceType": "ServiceRequest", "id": id, "status": status, "intent": "order",
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]}, "authoredOn": authored,
            "identifier": [{"system": "urn:u", "value": id}], "subject": {"reference": "Patient/p"},
            "requester": {"reference": "http://127.0.0.1:1/fhir/Practitioner/d/_history/1"}, "meta": {"lastUpdated": at}})
    };
    let bundle = json!({"resourceType": "Bundle", "entry": [
        {"resource": referral("a", "active", "1", "2026-11-01", "2026-11-02T10:00:00Z")},
        {"resource": referral("b", "revoked", "1", "2026-11-05", "2026-11-03T10:00:00Z")},
        {"resource": referral("c", "active", "2", "2026-11-09", "2026-11-01T10:00:00Z")},
        {"resource": {"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:nhs", "value": "9"}]}},
        {"resource": {"resourceType": "Practitioner", "id": "d"}}]});
    let loaded = load::load(&mut server.store, "test", bundle.to_string().as_bytes()).unwrap();
    assert_eq!(loaded.resources, 5);
    server
}

#[test]
fn searches_find_what_r4_says() {
    let mut server = referrals();
    for (query, wanted) in [
        ("", "a b c"),
        ("code=http://snomed.info/sct|1", "a b"),
        ("code=urn:other|1", ""),
        ("code=urn:other|1,http://snomed.info/sct|2", "c"),
        ("code=1&status=active,completed", "a"),
        ("authored=ge2026-11-05&authored=lt2026-11-09", "b"),
        ("_lastUpdated=gt2026-11-02T10:00:00Z", "b"),
        (
            "_lastUpdated=ge2026-11-02T10:00:00Z&_lastUpdated=lt2026-11-03T10:00:00Z",
            "a",
        ),
        ("_lastUpdated=ge2027", ""),
        ("identifier=urn:u|b", "b"),
        ("identifier=urn:u|a%5C,b", ""),
        ("subject=Patient/p&_id=a,c", "a c"),
        ("patient=p&_sort=-_lastUpdated", "b a c"),
        ("subject=Patient/q", ""),
        ("subject:Patient.identifier=urn:nhs|9", "a b c"),
        ("subject.identifier=urn:nhs|8", ""),
        (
            "_id=a&_include=ServiceRequest:subject&_include=ServiceRequest:requester",
            "a p d",
        ),
        ("_id=a&nonsense=1", "a"),
    ] {
        let answer = ask(
            &mut server,
            &format!("GET ServiceRequest?{query}"),
            &Value::Null,
        );
        assert_eq!(ids(&answer).join(" "), wanted, "{query}");
    }
    let mut strict = call("GET ServiceRequest?nonsense=1", &Value::Null);
    strict.prefer = "handling=strict".to_owned();
    assert_eq!(server.answer(&strict).status, 400);
    let count = ask(
        &mut server,
        "GET ServiceRequest?status=active&_summary=count",
        &Value::Null,
    );
    assert_eq!(count.body.unwrap()["total"], 2);
}

#[test]
fn pages_neither_lose_nor_repeat() {
    let mut server = referrals();
    let mut answer = ask(&mut server, "GET ServiceRequest?_count=2", &Value::Null);
    let mut found = ids(&answer);
    let next = answer.body.unwrap()["link"][1]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    ask(&mut server, "DELETE ServiceRequest/a", &Value::Null);
    let query = next.split_once('?').unwrap().1;
    answer = ask(&mut server, &format!("GET ?{query}"), &Value::Null);
    found.extend(ids(&answer));
    assert_eq!(found, ["a", "b", "c"]);
    assert!(answer.body.unwrap()["link"].get(1).is_none());
    assert_eq!(ask(&mut server, "GET ?_page=x.2", &Value::Null).status, 410);
}

#[test]
fn writes_answer_as_r4_says() {
    let mut server = server();
    let made = ask(&mut server, "POST Observation", &observation("a"));
    assert_eq!((made.status, made.etag.as_deref()), (201, Some("W/\"1\"")));
    let body = made.body.unwrap();
    assert_eq!(body["meta"]["lastUpdated"], "2026-11-22T12:00:00.000Z");
    let id = body["id"].as_str().unwrap().to_owned();
    assert_eq!(
        made.location.unwrap(),
        format!("http://127.0.0.1:1/fhir/Observation/{id}/_history/1")
    );
    for (value, status) in [("a", 200), ("b", 201)] {
        let mut once = call("POST Observation", &observation(value));
        once.if_none_exist = Some(format!("identifier={SYSTEM}|{value}"));
        assert_eq!(server.answer(&once).status, status);
    }
    ask(&mut server, "POST Observation", &observation("b"));
    let mut twice = call("POST Observation", &observation("b"));
    twice.if_none_exist = Some(format!("identifier={SYSTEM}|b"));
    assert_eq!(server.answer(&twice).status, 412);
    let mut amended = observation("a");
    amended["id"] = json!(id);
    for (etag, status) in [("W/\"1\"", 200), ("W/\"1\"", 412), ("W/\"2\"", 200)] {
        let mut put = call(&format!("PUT Observation/{id}"), &amended);
        put.if_match = Some(etag.to_owned());
        assert_eq!(server.answer(&put).status, status, "{etag}");
    }
    for (request, body, status) in [
        (format!("GET Observation/{id}/_history/2"), Value::Null, 200),
        (format!("GET Observation/{id}/_history"), Value::Null, 200),
        (format!("DELETE Observation/{id}"), Value::Null, 204),
        (format!("GET Observation/{id}"), Value::Null, 410),
        ("GET Observation/none".to_owned(), Value::Null, 404),
        ("GET Nonsense/1".to_owned(), Value::Null, 404),
        ("PUT Observation/own".to_owned(), amended.clone(), 400),
        (
            "POST Observation".to_owned(),
            json!({"resourceType": "Observation", "status": "done", "code": {}}),
            400,
        ),
        ("POST Patient".to_owned(), observation("c"), 400),
        ("PATCH Observation/own".to_owned(), Value::Null, 405),
    ] {
        let answer = ask(&mut server, &request, &body);
        assert_eq!(answer.status, status, "{request}");
        let outcome = answer
            .body
            .is_some_and(|body| body["resourceType"] == "OperationOutcome");
        assert_eq!(outcome, status >= 400, "{request}");
    }
}

fn transaction(last: &Value) -> Value {
    let mut referring = observation("t2");
    referring["derivedFrom"] = json!([{"reference": "urn:uuid:1"}]);
    json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": referring, "request": {"method": "POST", "url": "Observation",
            "ifNoneExist": format!("identifier={SYSTEM}|t2")}},
        {"fullUrl": "urn:uuid:1", "resource": observation("t1"), "request": {"method": "POST", "url": "Observation",
            "ifNoneExist": format!("identifier={SYSTEM}|t1")}},
        last]})
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let mut server = server();
    let wrong = json!({"resource": {"resourceType": "Observation"}, "request": {"method": "POST", "url": "Observation"}});
    let refused = ask(&mut server, "POST ", &transaction(&wrong));
    assert_eq!(refused.status, 400);
    assert_eq!(server.store.live("Observation").count(), 0);
    assert!(
        server
            .store
            .with_identifier("Observation", SYSTEM, "t1")
            .is_none_or(std::collections::BTreeSet::is_empty)
    );
    let read = json!({"request": {"method": "GET", "url": "Observation?_summary=count"}});
    for status in ["201", "200"] {
        let answer = ask(&mut server, "POST ", &transaction(&read)).body.unwrap();
        assert_eq!(answer["entry"][0]["response"]["status"], status);
        assert_eq!(answer["entry"][2]["resource"]["total"], 2);
    }
    let bodies: Vec<_> = server
        .store
        .live("Observation")
        .filter_map(|(_, version)| version.body.clone())
        .collect();
    let target = bodies
        .iter()
        .find(|body| body["identifier"][0]["value"] == "t1")
        .unwrap();
    let referring = bodies
        .iter()
        .find(|body| body["identifier"][0]["value"] == "t2")
        .unwrap();
    let wanted = format!("Observation/{}", target["id"].as_str().unwrap());
    assert_eq!(referring["derivedFrom"][0]["reference"], wanted);
}

#[test]
fn a_batch_answers_each_entry_for_itself() {
    let mut server = referrals();
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Patient/p"}}, {"request": {"method": "GET", "url": "Patient/q"}}]});
    let answer = ask(&mut server, "POST ", &bundle).body.unwrap();
    assert_eq!(answer["entry"][0]["response"]["status"], "200");
    assert_eq!(answer["entry"][1]["response"]["status"], "404");
    assert_eq!(
        answer["entry"][1]["response"]["outcome"]["resourceType"],
        "OperationOutcome"
    );
}

#[test]
fn ids_do_not_depend_on_the_order_of_writes() {
    let (mut one, mut other) = (server(), server());
    for value in ["a", "b", "c"] {
        ask(&mut one, "POST Observation", &observation(value));
    }
    for value in ["c", "a", "b"] {
        ask(&mut other, "POST Observation", &observation(value));
    }
    let all = |server: &SandboxServer| -> Vec<Value> {
        server
            .store
            .live("Observation")
            .filter_map(|(_, version)| version.body.clone())
            .collect()
    };
    assert_eq!(all(&one), all(&other));
}

#[test]
fn a_fault_in_ndjson_is_named_by_its_line() {
    let mut server = server();
    let input = b"\xef\xbb\xbf{\"resourceType\":\"Patient\",\"id\":1}\n\n{\"id\":\"Lovelace\"}\n";
    let error = load::load(&mut server.store, "people.ndjson", input).unwrap_err();
    assert_eq!(
        error.to_string(),
        "people.ndjson is not a FHIR resource, line 3, resource 1"
    );
    assert!(server.store.current("Patient", "1").is_ok());
}

#[tokio::test]
async fn a_data_folder_is_loaded_and_what_is_not_fhir_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let now: super::SandboxClock = Arc::new(dates::noon);
    for (file, text) in [
        (
            "a.ndjson",
            "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n{\"resourceType\":\"Patient\",\"id\":\"2\"}\n",
        ),
        ("truth.json", "{\"expected\":3}"),
        ("readme.txt", "no"),
    ] {
        #[expect(clippy::disallowed_methods, reason = "a test file, not one of ours")]
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let options = super::SandboxOptions {
        now,
        data: Some(folder.path().to_owned()),
    };
    let sandbox = super::Sandbox::start(0, options).await.unwrap();
    assert_eq!(sandbox.resources("Patient").len(), 2);
    assert_eq!(sandbox.skipped(), ["truth.json"]);
    sandbox.stop().await;
}
