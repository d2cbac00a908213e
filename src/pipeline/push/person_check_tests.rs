//! Records read again before writing, from servers that list them by halves, under other names, or not at all.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::Unit;
use super::person_check::part;
use super::send_tests::{
    CREATE, SEARCH, Server, answer, known, new, observation, sent, stored, unit,
};
use crate::domain::Reason;
use crate::fhir::client::ClientError;
use crate::store::rows::PushKind;

const TODAY: Date = Date::constant(2026, 11, 23);

/// Writes about two people, p and q, each by a referral of their own.
fn two() -> Vec<Unit> {
    let [one, mut other] = ["a", "b"].map(|value| unit(&[value], PushKind::Create, false));
    (other.about.patient, other.about.service_request) = ("q".to_owned(), "s".to_owned());
    vec![one, other]
}

/// Who may be written about, and why nobody else may.
async fn parted(
    server: &Server,
    units: Vec<Unit>,
) -> Result<(Vec<String>, Vec<(String, Reason)>), ClientError> {
    let session = server.session(false);
    let (free, held) = part(&session.client, (&[], false), TODAY, units).await?;
    let patient = |unit: Unit| unit.about.patient;
    let held = held.into_iter().map(|(unit, why)| (patient(unit), why));
    Ok((free.into_iter().map(patient).collect(), held.collect()))
}

fn person(id: &str) -> Value {
    json!({"resourceType": "Patient", "id": id})
}

fn page(entries: &[Value]) -> Option<String> {
    let page = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries});
    answer(200, "", &page.to_string())
}

/// The referrals, listed or alone.
fn request(line: &str) -> Option<String> {
    let request =
        |id: &str| json!({"resourceType": "ServiceRequest", "id": id, "status": "active"});
    if line.contains("/_search") {
        return page(&["r", "s"].map(|id| json!({"resource": request(id)})));
    }
    let id = if line.contains("/r ") { "r" } else { "s" };
    answer(200, "", &request(id).to_string())
}

#[tokio::test]
async fn what_a_list_gives_by_halves_or_under_another_name_is_read_by_itself() {
    let part_of =
        json!({"resourceType": "Patient", "id": "p", "meta": {"tag": [{"code": "SUBSETTED"}]}});
    let elsewhere = "https://other.example/fhir/Patient/p";
    for entry in [
        json!({"resource": part_of}),
        json!({"resource": person("p"), "search": {"mode": "outcome"}}),
        json!({"resource": person("p"), "fullUrl": elsewhere}),
    ] {
        let server = Server::new(move |asked, _| {
            if asked.line.contains("/ServiceRequest") {
                return request(&asked.line);
            }
            if asked.is("POST /fhir/Patient/_search") {
                return page(&[entry.clone(), json!({"resource": person("q")})]);
            }
            assert!(asked.is("GET /fhir/Patient/p "), "{}", asked.line);
            let mut died = person("p");
            died["deceasedBoolean"] = true.into();
            answer(200, "", &died.to_string())
        });
        let (free, held) = parted(&server, two()).await.unwrap();
        assert_eq!(free, ["q"]);
        assert_eq!(held, [("p".to_owned(), Reason::Died)]);
    }
}

/// A server that lists nobody; Patient p and q are read with these statuses and bodies.
fn alone(p: (u16, String), q: (u16, String)) -> Server {
    Server::new(move |asked, _| {
        if asked.line.contains("/ServiceRequest") {
            return request(&asked.line);
        }
        let (status, body) = match asked {
            asked if asked.is("GET /fhir/Patient/p ") => &p,
            asked if asked.is("GET /fhir/Patient/q ") => &q,
            _ => return answer(404, "", ""),
        };
        answer(*status, "", body)
    })
}

#[tokio::test]
async fn one_record_that_cannot_be_read_holds_nobody_else_up() {
    let here = |id: &str| (200, person(id).to_string());
    let mut part_of = person("p");
    part_of["meta"] = json!({"tag": [{"code": "SUBSETTED"}]});
    for p in [
        (403, String::new()),
        (422, String::new()),
        // Merged: the server answers with the record that stayed.
        here("survivor"),
        (200, "<html>".to_owned()),
        (200, part_of.to_string()),
    ] {
        let server = alone(p.clone(), here("q"));
        let (free, held) = parted(&server, two()).await.unwrap();
        assert_eq!(free, ["q"], "{p:?}");
        assert_eq!(held, [("p".to_owned(), Reason::NotReRead)], "{p:?}");
        // The only one that is left holds nothing up either.
        let server = alone(p, here("q"));
        let only = parted(&server, two().drain(..1).collect()).await;
        let held = only.unwrap().1;
        assert_eq!(held, [("p".to_owned(), Reason::NotReRead)]);
    }
    let gone = parted(&alone((410, String::new()), here("q")), two()).await;
    assert_eq!(gone.unwrap().1, [("p".to_owned(), Reason::SourceGone)]);
}

#[tokio::test]
async fn a_server_in_trouble_or_that_does_not_know_us_stops_all_of_it() {
    let here = |id: &str| (200, person(id).to_string());
    let closed = |status| (status, String::new());
    for (p, q) in [(closed(401), here("q")), (here("p"), closed(503))] {
        assert!(parted(&alone(p, q), two()).await.is_err());
    }
}

#[tokio::test]
async fn an_entry_that_its_address_calls_anothers_is_read_by_its_id_before_it_counts() {
    let elsewhere = "https://other.example/fhir/Observation/7";
    for ours in [true, false] {
        let server = Server::new(move |asked, _| {
            if asked.is(SEARCH) {
                let entry = observation("7", "a", "1", "did-not-attend");
                return page(&[json!({"resource": entry, "fullUrl": elsewhere})]);
            }
            if asked.is("GET /fhir/Observation/7") {
                let entry = observation("7", "a", "1", "did-not-attend");
                return if ours {
                    answer(200, "", &entry.to_string())
                } else {
                    answer(404, "", "")
                };
            }
            assert!(asked.is(CREATE) && !ours, "{}", asked.line);
            stored("8", "a")
        });
        let outcomes = sent(&server, &unit(&["a"], PushKind::Create, true)).await;
        assert_eq!(outcomes, [if ours { known("7") } else { new("8") }]);
    }
    // The same of two, looked up together.
    let server = Server::new(move |asked, _| {
        if asked.is(SEARCH) {
            let entry = observation("7", "a", "1", "did-not-attend");
            return page(&[json!({"resource": entry, "fullUrl": elsewhere})]);
        }
        if asked.is("GET /fhir/Observation/7") {
            let entry = observation("7", "a", "1", "did-not-attend");
            return answer(200, "", &entry.to_string());
        }
        assert!(asked.is(CREATE), "{}", asked.line);
        stored("8", "b")
    });
    let session = server.session(false);
    let outcomes = session
        .send(&unit(&["a", "b"], PushKind::Create, true))
        .await;
    assert_eq!(outcomes.writes, [known("7"), new("8")]);
}
