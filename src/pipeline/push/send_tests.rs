//! Each ending of a write, against servers that answer by a script of their own.

use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::observation::About;
use super::send::{Outcome, Session};
use super::{Unit, Write};
use crate::domain::{EventId, KeyId, LegId, LegReference, LegState, Reason, StrandId};
use crate::fhir::client::{Client, Settings};
use crate::pipeline::event::StoredEvent;
use crate::seal::HolderKey;
use crate::store::rows::{Leg, Place, PushKind, PushRow, PushState, RawIds, Standing, Unanswered};

const SYSTEM: &str = "https://kith.example/Id/return-event";

/// A request as a script sees it.
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) text: String,
}

impl Asked {
    pub(super) fn is(&self, start: &str) -> bool {
        self.line.starts_with(start)
    }
}

/// A server whose script answers each request; `None` hangs up without a word.
pub(super) struct Server {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn new(
        mut script: impl FnMut(&Asked, usize) -> Option<String> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/fhir", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let serve = move || {
            for stream in listener.incoming() {
                let Some(asked) = stream.ok().as_mut().and_then(|stream| {
                    let asked = read(stream)?;
                    let number = {
                        let mut log = log.lock().unwrap();
                        log.push(asked.line.clone());
                        log.len()
                    };
                    if let Some(answer) = script(&asked, number) {
                        stream.write_all(answer.as_bytes()).unwrap();
                    }
                    Some(asked)
                }) else {
                    return;
                };
                drop(asked);
            }
        };
        std::thread::Builder::new()
            .name("scripted".to_owned())
            .spawn(serve)
            .unwrap();
        Self { base, asked }
    }

    /// Method and path of what was asked, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .map(|line| line.replace(" HTTP/1.1", "").replace("/fhir", ""))
            .collect()
    }

    pub(super) fn session(&self, transactions: bool) -> Session {
        let mut settings = Settings::new(&self.base);
        settings.backoff = Duration::ZERO;
        settings.retries_max = 1;
        Session {
            client: Client::new(settings).unwrap(),
            namespace: "https://kith.example".to_owned(),
            transactions: transactions.into(),
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<Asked> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                let line = head.lines().next()?.to_owned();
                return Some(Asked { line, text });
            }
        }
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "a script gives an answer, or hangs up"
)]
pub(super) fn answer(status: u16, headers: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    ))
}

/// A page with the Observations that carry these identifiers.
pub(super) fn found(values: &[(&str, &str)]) -> Option<String> {
    let entries: Vec<_> = values
        .iter()
        .map(|(id, value)| json!({"resource": observation(id, value, "1", "attended")}))
        .collect();
    let page = json!({"resourceType": "Bundle", "entry": entries});
    answer(200, "", &page.to_string())
}

pub(super) fn observation(id: &str, value: &str, version: &str, code: &str) -> serde_json::Value {
    json!({"resourceType": "Observation", "id": id, "meta": {"versionId": version}, "status": "final",
        "identifier": [{"system": SYSTEM, "value": value}], "subject": {"reference": "Patient/p"},
        "valueCodeableConcept": {"coding": [{"code": code}]}})
}

pub(super) fn entries(list: &[&str]) -> String {
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction-response","entry":[{}]}}"#,
        list.join(",")
    )
}

/// An entry of an answer that shows what was stored.
pub(super) fn made(id: &str, value: &str) -> String {
    let entry = observation(id, value, "1", "did-not-attend");
    named(id).replacen('{', &format!(r#"{{"resource":{entry},"#), 1)
}

/// One that says where it lies, and no more.
fn named(id: &str) -> String {
    format!(r#"{{"response":{{"status":"201 Created","location":"Observation/{id}/_history/1"}}}}"#)
}

/// The answer to a write that shows what was stored.
pub(super) fn stored(id: &str, value: &str) -> Option<String> {
    let entry = observation(id, value, "1", "did-not-attend").to_string();
    answer(201, &format!("location: Observation/{id}\r\n"), &entry)
}

pub(super) fn unit(values: &[&str], kind: PushKind, look_first: bool) -> Unit {
    let write = |(event, value): (i64, &&str)| Write {
        row: PushRow {
            event: EventId::new(event),
            leg: LegId::new(1),
            source: StrandId::new(1),
            kind,
            state: PushState::Sending,
            attempts: 1,
            unanswered: Unanswered::default(),
            reason: None,
            due: 0,
            server_id: None,
        },
        event: StoredEvent {
            identifier: (*value).to_owned(),
            kind: crate::domain::EventKind::Attendance,
            on: None,
            code: "did-not-attend".to_owned(),
            instrument: String::new(),
            answers: Vec::new(),
            words: String::new(),
            occurrence: 1,
            taken_at: String::new(),
            revision: 0,
            withdrawn: false,
            undone: false,
        },
        body: observation("", value, "", "did-not-attend")
            .to_string()
            .into_bytes(),
        server_id: None,
        before: Vec::new(),
    };
    Unit {
        leg: leg(),
        key: HolderKey::new([1; 32]),
        partner: 0,
        about: About {
            service_request: "r".to_owned(),
            patient: "p".to_owned(),
            nhs_number: None,
            activity: None,
        },
        writes: (1..).zip(values).map(write).collect(),
        task: None,
        look_first,
    }
}

fn leg() -> Leg {
    Leg {
        id: LegId::new(1),
        reference: LegReference::from_random(1),
        lookup: None,
        source: StrandId::new(1),
        now: Standing {
            state: LegState::Accepted,
            partner: StrandId::new(2),
            person: KeyId::new(3),
            why: None,
            pending: None,
            asked: None,
            closing: None,
            raws: RawIds::default(),
        },
        since: 0,
        born: 0,
        rev: 1,
        last: Place::default(),
    }
}

pub(super) fn new(id: &str) -> Outcome {
    Outcome::Done {
        id: id.to_owned(),
        new: true,
    }
}

pub(super) fn known(id: &str) -> Outcome {
    Outcome::Done {
        id: id.to_owned(),
        new: false,
    }
}

pub(super) async fn sent(server: &Server, unit: &Unit) -> Vec<Outcome> {
    server.session(true).send(unit).await.writes
}

pub(super) const BASE: &str = "POST /fhir HTTP";
pub(super) const SEARCH: &str = "POST /fhir/Observation/_search";
pub(super) const CREATE: &str = "POST /fhir/Observation HTTP";

#[tokio::test]
async fn a_referral_goes_in_one_transaction() {
    let server = Server::new(|asked, _| {
        assert!(asked.is(BASE) && asked.text.contains(&format!("identifier={SYSTEM}|a")));
        assert!(asked.text.contains("prefer: return=representation"));
        answer(200, "", &entries(&[&made("1", "a"), &made("2", "b")]))
    });
    let outcomes = sent(&server, &unit(&["a", "b"], PushKind::Create, false)).await;
    assert_eq!(outcomes, [new("1"), new("2")]);
    assert_eq!(server.asked(), ["POST "]);
}

#[tokio::test]
async fn what_a_transaction_only_names_is_read_back() {
    let other = observation("2", "b", "1", "did-not-attend").to_string();
    let other = other.replace("Patient/p", "Patient/q");
    let ours = observation("2", "b", "1", "did-not-attend").to_string();
    let not_ours = Outcome::Refused(Reason::IdentityChanged);
    for (second, wanted) in [
        (Some(ours), new("2")),
        (Some(other), not_ours),
        // Neither under its address nor by our identifier.
        (None, Outcome::Lost),
    ] {
        let server = Server::new(move |asked, _| {
            if asked.is(BASE) {
                return answer(200, "", &entries(&[&named("1"), &named("2")]));
            }
            if asked.is("GET /fhir/Observation/2") {
                return match &second {
                    Some(body) => answer(200, "", body),
                    None => answer(404, "", ""),
                };
            }
            let first = observation("1", "a", "1", "did-not-attend");
            assert!(!asked.is(CREATE), "nothing is sent again");
            if asked.is(SEARCH) && asked.text.contains("_id=") {
                let page = json!({"resourceType": "Bundle", "entry": [{"resource": first}]});
                return answer(200, "", &page.to_string());
            }
            found(&[])
        });
        let outcomes = sent(&server, &unit(&["a", "b"], PushKind::Create, false)).await;
        assert_eq!(outcomes, [new("1"), wanted]);
    }
}

#[tokio::test]
async fn an_entry_of_ours_about_somebody_else_is_no_find() {
    let other = observation("7", "a", "1", "did-not-attend").to_string();
    let other = other.replace("Patient/p", "Patient/q");
    let page = format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{other}}}]}}"#);
    for kind in [PushKind::Create, PushKind::Amend, PushKind::Withdraw] {
        let page = page.clone();
        let server = Server::new(move |asked, _| {
            assert!(asked.is(SEARCH), "nothing is written");
            answer(200, "", &page)
        });
        let outcomes = sent(&server, &unit(&["a"], kind, true)).await;
        assert_eq!(outcomes, [Outcome::Refused(Reason::IdentityChanged)]);
    }
}

#[tokio::test]
async fn what_a_refused_transaction_left_behind_is_not_sent_again() {
    let server = Server::new(|asked, _| {
        if asked.is(BASE) {
            answer(400, "", "{}")
        } else if asked.is(SEARCH) {
            found(&[("7", "a")])
        } else {
            assert!(asked.is(CREATE) && asked.text.contains("\"b\""));
            stored("8", "b")
        }
    });
    let outcomes = sent(&server, &unit(&["a", "b"], PushKind::Create, false)).await;
    assert_eq!(outcomes, [known("7"), new("8")]);
    let creates = server.asked();
    let creates = creates.iter().filter(|line| *line == "POST /Observation");
    assert_eq!(creates.count(), 1);
}

#[tokio::test]
async fn a_transaction_without_an_answer_is_sent_once() {
    let server = Server::new(|_, _| None);
    let outcomes = sent(&server, &unit(&["a", "b"], PushKind::Create, false)).await;
    assert_eq!(outcomes, [Outcome::Lost, Outcome::Lost]);
    assert_eq!(server.asked(), ["POST "]);
    // In the next run it is looked up: what is there is not sent, what is not there is.
    let server = Server::new(|asked, _| {
        if asked.is(SEARCH) {
            found(&[("7", "b")])
        } else {
            assert!(asked.is(CREATE) && asked.text.contains("\"a\""));
            stored("8", "a")
        }
    });
    let outcomes = sent(&server, &unit(&["a", "b"], PushKind::Create, true)).await;
    assert_eq!(outcomes, [new("8"), known("7")]);
}

#[tokio::test]
async fn only_what_an_answer_proves_counts() {
    let two = format!("{}{}", entries(&[&made("1", "a"), &made("2", "b")]), "{}");
    let short = entries(&[&made("1", "a")]);
    for body in [two, short] {
        let server = Server::new(move |asked, _| {
            if asked.is(BASE) {
                answer(200, "", &body)
            } else {
                assert!(asked.is(SEARCH), "nothing is sent again");
                found(&[("1", "a")])
            }
        });
        let outcomes = sent(&server, &unit(&["a", "b"], PushKind::Create, false)).await;
        assert_eq!(outcomes, [known("1"), Outcome::Lost]);
    }
    // The server gave up on it: it may be stored all the same.
    for status in ["408", "500", "503 Service Unavailable", "504"] {
        let given_up = format!(r#"{{"response":{{"status":"{status}"}}}}"#);
        let server = Server::new(move |asked, _| {
            if asked.is(BASE) {
                answer(200, "", &entries(&[&made("1", "a"), &given_up]))
            } else {
                assert!(asked.is(SEARCH), "nothing is sent again");
                found(&[])
            }
        });
        let outcomes = sent(&server, &unit(&["a", "b"], PushKind::Create, false)).await;
        assert_eq!(outcomes, [new("1"), Outcome::Lost], "{status}");
    }
    let busy = r#"{"response":{"status":"429 Too Many Requests"}}"#;
    let server = Server::new(move |asked, _| {
        if asked.is(BASE) {
            answer(200, "", &entries(&[&made("1", "a"), busy]))
        } else if asked.is(SEARCH) {
            found(&[])
        } else {
            stored("2", "b")
        }
    });
    let outcomes = sent(&server, &unit(&["a", "b"], PushKind::Create, false)).await;
    assert_eq!(outcomes, [new("1"), new("2")]);
}

#[tokio::test]
async fn a_server_without_transactions_is_asked_for_one_only_once() {
    // No such door; or a token that lets write Observations, but no whole Bundles.
    for status in [405, 403] {
        let server = Server::new(move |asked, number| {
            if asked.is(BASE) {
                answer(status, "", "")
            } else if asked.is(SEARCH) {
                found(&[])
            } else {
                let value = if asked.text.contains("\"a\"") {
                    "a"
                } else {
                    "b"
                };
                stored(&number.to_string(), value)
            }
        });
        let session = server.session(true);
        for _ in 0..2 {
            let two = unit(&["a", "b"], PushKind::Create, false);
            let outcomes = session.send(&two).await.writes;
            assert!(
                outcomes
                    .iter()
                    .all(|outcome| matches!(outcome, Outcome::Done { new: true, .. })),
                "{status}"
            );
        }
        let tried = server.asked();
        assert_eq!(tried.iter().filter(|line| *line == "POST ").count(), 1);
    }
}

#[tokio::test]
async fn a_conflict_is_looked_up() {
    for (there, wanted) in [
        (vec![("7", "a")], known("7")),
        (
            vec![("7", "a"), ("8", "a")],
            Outcome::Refused(Reason::DuplicateEntry),
        ),
        (vec![], Outcome::Lost),
    ] {
        for status in [409, 412] {
            let there = there.clone();
            let server = Server::new(move |asked, _| {
                if asked.is(CREATE) {
                    answer(status, "", "")
                } else {
                    found(&there)
                }
            });
            let outcomes = sent(&server, &unit(&["a"], PushKind::Create, false)).await;
            assert_eq!(outcomes.first(), Some(&wanted), "{status}");
        }
    }
}

#[tokio::test]
async fn a_write_that_was_not_looked_at_is_tried_again_and_a_closed_door_is_not() {
    let server = Server::new(|_, number| match number {
        1 => answer(429, "retry-after: 0\r\n", ""),
        _ => stored("1", "a"),
    });
    let one = unit(&["a"], PushKind::Create, false);
    assert_eq!(sent(&server, &one).await, [new("1")]);
    let server = Server::new(|_, _| answer(429, "retry-after: 3600\r\n", ""));
    assert_eq!(sent(&server, &one).await, [Outcome::Later]);
    let server = Server::new(|_, _| answer(408, "", ""));
    assert_eq!(sent(&server, &one).await, [Outcome::TimedOut]);
    assert_eq!(server.asked().len(), 1);
    let server = Server::new(|_, _| answer(403, "", ""));
    assert_eq!(sent(&server, &one).await, [Outcome::Barred]);
    assert_eq!(server.asked().len(), 1);
    let server = Server::new(|_, _| answer(422, "", "{}"));
    let refused = Outcome::Refused(Reason::Refused);
    assert_eq!(sent(&server, &one).await, [refused]);
}

#[tokio::test]
async fn a_correction_meets_the_version_it_was_made_from() {
    // Somebody else is quicker, once for 409 and for 412; then thrice.
    for (stale, wanted) in [(1, new("7")), (3, Outcome::Later)] {
        for status in [409, 412] {
            let mut puts = 0;
            let server = Server::new(move |asked, _| {
                if asked.is(SEARCH) {
                    return found(&[("7", "a")]);
                }
                if asked.is("GET") {
                    let version = (puts + 1).to_string();
                    let now = observation("7", "a", &version, "attended");
                    return answer(200, "", &now.to_string());
                }
                puts += 1;
                let tag = format!("if-match: W/\"{puts}\"");
                assert!(asked.is("PUT /fhir/Observation/7") && asked.text.contains(&tag));
                assert!(asked.text.contains("\"amended\""));
                answer(if puts <= stale { status } else { 200 }, "", "")
            });
            let one = unit(&["a"], PushKind::Amend, false);
            let outcomes = server.session(false).send(&one).await.writes;
            assert_eq!(outcomes.first(), Some(&wanted), "{status}");
        }
    }
}

#[tokio::test]
async fn a_correction_of_the_very_version_that_is_refused_for_good_is_the_practices() {
    for kind in [PushKind::Amend, PushKind::Withdraw] {
        for status in [409, 412] {
            let server = Server::new(move |asked, _| {
                if asked.is(SEARCH) {
                    found(&[("7", "a")])
                } else if asked.is("GET") {
                    answer(200, "", &observation("7", "a", "1", "attended").to_string())
                } else {
                    answer(status, "", "")
                }
            });
            let outcomes = sent(&server, &unit(&["a"], kind, false)).await;
            assert_eq!(outcomes, [Outcome::Refused(Reason::Correction)], "{status}");
            let puts = server.asked();
            let puts = puts.iter().filter(|line| line.starts_with("PUT")).count();
            assert_eq!(puts, 1, "it is not sent again");
        }
    }
}

#[tokio::test]
async fn an_answer_about_somebody_else_confirms_nothing() {
    let other = observation("1", "a", "1", "did-not-attend")
        .to_string()
        .replace("Patient/p", "Patient/q");
    let nameless = observation("1", "b", "1", "did-not-attend").to_string();
    for body in [other, nameless] {
        let held = Outcome::Refused(Reason::IdentityChanged);
        for status in [200, 201] {
            let text = body.clone();
            let location = "location: Observation/1\r\n";
            let server = Server::new(move |_, _| answer(status, location, &text));
            let one = unit(&["a"], PushKind::Create, false);
            assert_eq!(sent(&server, &one).await, std::slice::from_ref(&held));
        }
        let first = format!(
            r#"{{"resource":{body},"response":{{"status":"201","location":"Observation/1"}}}}"#
        );
        let server = Server::new(move |_, _| answer(200, "", &entries(&[&first, &made("2", "c")])));
        let two = unit(&["a", "c"], PushKind::Create, false);
        assert_eq!(sent(&server, &two).await, [held, new("2")]);
    }
}

#[tokio::test]
async fn what_was_never_there_needs_no_taking_back() {
    let server = Server::new(|asked, _| {
        assert!(asked.is(SEARCH));
        found(&[])
    });
    let one = unit(&["a"], PushKind::Withdraw, false);
    assert_eq!(sent(&server, &one).await, [Outcome::Nothing]);
    // Told and taken back between two runs: neither is sent.
    let mut both = unit(&["a", "a"], PushKind::Create, false);
    both.writes[1].row.kind = PushKind::Withdraw;
    assert_eq!(
        sent(&server, &both).await,
        [Outcome::Nothing, Outcome::Nothing]
    );
    // A deleted entry is not made anew by amending it.
    let server = Server::new(|_, _| answer(410, "", ""));
    let mut gone = unit(&["a"], PushKind::Amend, false);
    gone.writes[0].server_id = Some("7".to_owned());
    let outcome = Outcome::Refused(Reason::SourceGone);
    assert_eq!(sent(&server, &gone).await, [outcome]);
}
