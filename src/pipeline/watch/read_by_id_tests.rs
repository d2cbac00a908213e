//! What reading again by id brings: whom performers name now, and whose record an answer holds.

use serde_json::{Value, json};

use super::read_by_id::{Again, Reader};
use crate::fhir::client::Client;
use crate::fhir::client::Settings;
use crate::fhir::client::served::{Served, answer};
use crate::fhir::resources::service_request::performer_identifiers;
use crate::json::Arena;
use crate::pipeline::referral::{Bytes, Referral};

fn bytes(value: &Value) -> Bytes {
    value.to_string().into_bytes().into()
}

fn request(id: &str, performer: &str) -> Value {
    json!({"resourceType": "ServiceRequest", "id": id, "subject": {"reference": format!("Patient/{id}")},
        "performer": [{"reference": performer}]})
}

fn person(id: &str, born: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "birthDate": born})
}

fn bearing(kind: &str, id: &str) -> Value {
    json!({"resourceType": kind, "id": id, "identifier": [{"system": "s", "value": format!("of-{id}")}]})
}

fn kept(id: &str, performer: &str) -> Referral {
    Referral {
        patient: Some(bytes(&person(id, "1950"))),
        performers: Some(bytes(&json!({"resourceType": "Bundle", "entry": [
            {"fullUrl": performer, "resource": bearing("Organization", "kept")}]}))),
        ..Referral::of_request(bytes(&request(id, performer)))
    }
}

/// What reading one again comes to: the identifiers of its performers, or that it could not be read.
async fn named(before: &str, now: &str, there: Vec<Value>) -> String {
    let mut there = there;
    there.extend([request("r", now), person("r", "1950")]);
    let server = Served::start(move |_, asked| {
        let path = asked.line.trim_start_matches("GET /fhir/");
        let found = there.iter().find(|one| {
            let name = [&one["resourceType"], &one["id"]].map(|part| part.as_str().unwrap());
            path == name.join("/")
        });
        match found {
            Some(found) if found["broken"].is_null() => answer(200, "", found.to_string()),
            Some(_) => answer(403, "", "{}"),
            None => answer(404, "", "{}"),
        }
    });
    let base = format!("{}/fhir", server.origin);
    let client = Client::new(Settings::new(&base)).unwrap();
    let mut reader = Reader::new(&client, &base, false);
    match reader.again(&[kept("r", before)]).await.remove(0) {
        Again::Read(referral) => {
            let arena = Arena::default();
            let trees = referral.trees(&arena).unwrap();
            let found = performer_identifiers(&trees.request, trees.performers());
            let values: Vec<&str> = found.iter().map(|(_, value)| *value).collect();
            values.join(" ")
        }
        Again::Gone => "gone".to_owned(),
        Again::Unread => "unread".to_owned(),
    }
}

#[tokio::test]
async fn performers_that_are_others_now_are_read_and_the_same_are_as_they_were() {
    let (a, b) = ("Organization/a", "Organization/b");
    let role = json!({"resourceType": "PractitionerRole", "id": "w", "organization": {"reference": a},
        "healthcareService": [{"reference": "HealthcareService/h"}]});
    let all = || {
        let service = bearing("HealthcareService", "h");
        let organizations = ["a", "b"].map(|id| bearing("Organization", id));
        let [first, second] = organizations;
        vec![first, second, service, role.clone()]
    };
    assert_eq!(named(a, a, all()).await, "of-kept");
    assert_eq!(named(a, b, all()).await, "of-b");
    assert_eq!(named(a, "PractitionerRole/w", all()).await, "of-a of-h");
    assert_eq!(named(a, "Organization/c", all()).await, "", "it is gone");
    let mut broken = bearing("Organization", "c");
    broken["broken"] = json!(true);
    assert_eq!(named(a, "Organization/c", vec![broken]).await, "unread");
    let elsewhere = "https://elsewhere.example/fhir/Organization/b";
    assert_eq!(named(a, elsewhere, all()).await, "", "of another server");
}

#[tokio::test]
async fn of_a_list_the_servers_own_newest_records_are_taken() {
    let own = |base: &str, one: &Value| {
        let name = [&one["resourceType"], &one["id"]].map(|part| part.as_str().unwrap());
        json!({"fullUrl": format!("{base}/{}", name.join("/")), "resource": one})
    };
    let dated = |id: &str, born: &str, version: &str| {
        let mut person = person(id, born);
        person["meta"] = json!({"versionId": version});
        person
    };
    let server = Served::start(move |origin, asked| {
        let (here, other) = (format!("{origin}/fhir"), "https://other.example/fhir");
        let entries = match asked.line.as_str() {
            "POST /fhir/ServiceRequest/_search" => vec![
                own(&here, &request("r", "Organization/a")),
                own(&here, &request("q", "Organization/a")),
                own(other, &request("q", "Organization/b")),
            ],
            "POST /fhir/Patient/_search" => vec![
                own(other, &person("r", "1999")),
                own(&here, &dated("r", "1952", "2")),
                own(&here, &dated("r", "1951", "1")),
                // One that contradicts its address is read by its id.
                json!({"fullUrl": format!("{here}/Patient/x"), "resource": person("q", "1998")}),
            ],
            "GET /fhir/Patient/q" => return answer(200, "", person("q", "1953").to_string()),
            _ => return answer(404, "", "{}"),
        };
        let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries});
        answer(200, "", bundle.to_string())
    });
    let base = format!("{}/fhir", server.origin);
    let client = Client::new(Settings::new(&base)).unwrap();
    let mut reader = Reader::new(&client, &base, false);
    let both = ["r", "q"].map(|id| kept(id, "Organization/a"));
    let born: Vec<String> = reader
        .again(&both)
        .await
        .into_iter()
        .map(|again| {
            let Again::Read(referral) = again else {
                return "not read".to_owned();
            };
            let person: Value = serde_json::from_slice(&referral.patient.unwrap()).unwrap();
            person["birthDate"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(born, ["1952", "1953"]);
}
