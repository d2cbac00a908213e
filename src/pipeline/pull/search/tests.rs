//! The searching pull against servers that are odd in one way each.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::test_server::{CODE, NOON, Odd, Pulled, none, page, patient, plain, request};
use super::*;
use crate::diagnostics::Place;
use crate::fhir::client::Settings;
use crate::fhir::client::served::{Served, answer};
use crate::pipeline::referral::Doubt;

#[tokio::test]
async fn a_window_begins_before_the_last_mark_and_has_no_end() {
    let server = Odd::new(|line| {
        if line.contains("metadata") {
            return (200, json!({"fhirVersion": "4.0.1"}));
        }
        page(&[plain("r"), patient("p")], None)
    })
    .await;
    let pulled = server
        .pull(|asked| {
            asked.high = Instant::parse("2026-11-22T10:00:00Z");
            asked.sweep = Some(Sweep {
                at: "2026-11-20T00:00:00Z".to_owned(),
                ..Sweep::default()
            });
        })
        .await;
    assert_eq!(pulled.names(), ["r p -"]);
    let asked = server.asked("POST /fhir/ServiceRequest/_search");
    assert_eq!(asked.len(), 1, "no sweep is due");
    let form = &asked[0];
    assert!(form.contains("_lastUpdated=ge2026-11-22T09:50:00Z") && !form.contains("=lt"));
    assert!(form.contains(&format!("code=http:%2F%2Fsnomed.info%2Fsct|{CODE}&")));
    assert!(!form.contains("status="));
    assert_eq!(pulled.high, Instant::parse("2026-11-22T11:58:00Z"));
    assert_eq!(pulled.evidence.verdict(), "complete");
    assert_eq!(pulled.evidence.statuses["active"], 1);
    assert_eq!(pulled.evidence.skew_seconds, Some(0));
    assert!(pulled.said.is_empty());
    // Our clock is an hour behind: said, and the mark goes by the earlier one.
    let pulled = server
        .pull(|asked| asked.now = asked.now.plus_seconds(-3_600))
        .await;
    assert_eq!(pulled.said, [Code::ClockSkew]);
    assert_eq!(pulled.high, Instant::parse("2026-11-22T10:58:00Z"));
    // The server's clock went back behind the last mark: so does the window.
    server
        .pull(|asked| asked.high = Instant::parse("2026-11-23T10:00:00Z"))
        .await;
    let last = server.asked("_search").pop().unwrap();
    assert!(
        last.contains("authored=ge2026-08-24"),
        "never swept: {last}"
    );
    assert!(
        !server.asked("ge2026-11-22T11:50:00Z").is_empty(),
        "the window"
    );
}

#[tokio::test]
async fn what_is_missing_is_asked_for_by_lists_and_else_one_by_one() {
    let requests = ["a", "b", "c"].map(|id| {
        let mut request = request(
            id,
            &json!({"reference": format!("Patient/{id}/_history/4")}),
        );
        request["supportingInfo"] = json!([{"reference": format!("Organization/{id}")}]);
        request
    });
    let practice = |id: &str| {
        json!({"resourceType": "Organization", "id": id,
            "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "ZZ001"}]})
    };
    // `lists`: whole, ignored (everybody comes), refused.
    for (lists, singly, asked_lists) in [("whole", 2, 2), ("ignored", 6, 2), ("refused", 6, 4)] {
        let requests = requests.clone();
        let server = Odd::new(move |line| {
            let one = |line: &str| {
                let id = line.trim_end().rsplit('/').next().unwrap().to_owned();
                match () {
                    () if id == "c" => none(),
                    () if line.contains("Patient") => (200, patient(&id)),
                    () => (200, practice(&id)),
                }
            };
            let of = |line: &str, ids: &[&str]| {
                let all = ids.iter().map(|id| {
                    if line.contains("Patient") {
                        patient(id)
                    } else {
                        practice(id)
                    }
                });
                page(&all.collect::<Vec<_>>(), None)
            };
            match line {
                _ if line.contains("ServiceRequest") => page(&requests, None),
                _ if line.contains("_id=a,b,c") && lists == "whole" => of(line, &["a", "b"]),
                _ if line.contains("_id=") && lists == "ignored" => of(line, &["x", "y", "a"]),
                _ if line.contains("_id=") => (400, json!({})),
                _ if line.contains("metadata") => none(),
                _ => one(line),
            }
        })
        .await;
        let pulled = server.pull(|_| ()).await;
        assert_eq!(pulled.names(), ["a a a", "b b b", "c - -"], "{lists}");
        assert_eq!(pulled.evidence.read_singly, singly, "{lists}");
        assert_eq!(server.asked("_id=").len(), asked_lists, "{lists}");
        assert_eq!(
            pulled.evidence.verdict(),
            "complete except 2 unresolved references"
        );
        assert_eq!(pulled.evidence.unresolved_by_kind["Patient"], 1);
    }
}

/// A server whose requests name their person in every way there is.
async fn every_reference() -> Odd {
    let number = json!({"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"});
    let of = move |base: &str| {
        [
            ("relative", json!({"reference": "Patient/p"})),
            ("versioned", json!({"reference": "Patient/p/_history/2"})),
            (
                "absolute",
                json!({"reference": format!("{base}/Patient/p")}),
            ),
            ("urn", json!({"reference": "urn:uuid:1"})),
            ("logical", json!({"identifier": number})),
            ("merged", json!({"reference": "Patient/old"})),
            ("endless", json!({"reference": "Patient/round"})),
            (
                "foreign",
                json!({"reference": "http://elsewhere/fhir/Patient/p"}),
            ),
            ("display", json!({"display": "somebody"})),
        ]
        .map(|(id, subject)| request(id, &subject))
    };
    let linked = |id: &str, to: &str| {
        let mut record = patient(id);
        record["link"] =
            json!([{"type": "replaced-by", "other": {"reference": format!("Patient/{to}")}}]);
        record
    };
    Odd::new(move |line| match line {
        _ if line.contains("metadata") => none(),
        _ if line.contains("ServiceRequest") => {
            let (status, mut bundle) = page(&of("BASE"), None);
            let urn = json!({"fullUrl": "urn:uuid:1", "resource": patient("u")});
            bundle["entry"].as_array_mut().unwrap().push(urn);
            (status, bundle)
        }
        _ if line.contains("identifier=") => {
            let mut found = patient("n");
            found["identifier"] =
                json!([{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}]);
            page(&[found], None)
        }
        _ if line.contains("_id=") => {
            let all = [
                patient("p"),
                linked("old", "older"),
                linked("round", "round"),
            ];
            page(&all, None)
        }
        _ if line.contains("Patient/older") => (200, linked("older", "live")),
        _ if line.contains("Patient/live") => (200, patient("live")),
        _ => none(),
    })
    .await
}

#[tokio::test]
async fn references_of_every_form_lead_to_the_person() {
    let server = every_reference().await;
    let pulled = server.pull(|_| ()).await;
    assert_eq!(
        pulled.names(),
        [
            "relative p -",
            "versioned p -",
            "absolute p -",
            "urn u -",
            "logical n -",
            "merged live -",
            "endless - -",
            "foreign - -",
            "display - -"
        ]
    );
    assert!(
        server
            .asked("9990000018")
            .iter()
            .all(|line| line.starts_with("POST")),
        "an NHS number is in no URL"
    );
    let pulled = server.pull(|asked| asked.reading.rebase_links = true).await;
    assert!(
        pulled.names().contains(&"foreign p -".to_owned()),
        "the same path on an internal host"
    );
}

#[tokio::test]
async fn pages_that_moved_expired_or_never_end_are_read_again_or_told() {
    // First the second page repeats a request of the first and hides another; then all is well.
    let count = Arc::new(Mutex::new(0));
    let server = Odd::new(move |line| match line {
        _ if line.contains("metadata") => none(),
        _ if line.contains("p=2") && *count.lock().unwrap() == 1 => page(&[plain("a")], None),
        _ if line.contains("p=2") && *count.lock().unwrap() == 2 => (410, json!({})),
        _ if line.contains("p=2") => page(&[plain("b"), patient("p")], None),
        _ => {
            *count.lock().unwrap() += 1;
            page(&[plain("a"), patient("p")], Some("/fhir?p=2"))
        }
    })
    .await;
    let pulled = server.pull(|_| ()).await;
    assert!(pulled.error.is_none());
    assert_eq!(pulled.names(), ["a p -", "b p -"], "each once");
    let evidence = &pulled.evidence;
    assert_eq!((evidence.restarts, evidence.repeats), (2, 1));
    assert_eq!(evidence.verdict(), "complete");

    // Always the same page under another link: given up, and nothing is promised.
    let count = Arc::new(Mutex::new(0));
    let server = Odd::new(move |line| {
        *count.lock().unwrap() += 1;
        let link = format!("/fhir?p={}", count.lock().unwrap());
        match line {
            _ if line.contains("metadata") => none(),
            _ => page(&[plain("a"), patient("p")], Some(&link)),
        }
    })
    .await;
    let pulled = server.pull(|_| ()).await;
    assert_eq!(pulled.names(), ["a p -"]);
    assert_eq!(pulled.evidence.verdict(), "unknown");
}

#[tokio::test]
async fn a_window_that_is_too_large_is_cut_and_nothing_is_lost() {
    // Two pages at most; a request each hour of the day, five on a page.
    let hours: Vec<String> = (0..24)
        .map(|hour| format!("2026-11-21T{hour:02}:30:00Z"))
        .collect();
    let server = Odd::new(move |line| {
        let bound = |prefix: &str| {
            let (_, rest) = line.split_once(&format!("_lastUpdated={prefix}"))?;
            Some(rest.chars().take(20).collect::<String>())
        };
        let (from, until) = (
            bound("ge").unwrap_or_default(),
            bound("lt").unwrap_or("9".to_owned()),
        );
        let start: usize = line.split_once("p=").map_or(0, |(_, rest)| {
            rest.split('&').next().unwrap().trim().parse().unwrap()
        });
        let found: Vec<Value> = hours
            .iter()
            .filter(|at| **at >= from && **at < until)
            .map(|at| {
                let mut request = plain(&at.replace([':', 'T'], "-"));
                request["meta"]["lastUpdated"] = json!(at);
                request
            })
            .collect();
        let next = format!(
            "/fhir?p={}&_lastUpdated=ge{from}&_lastUpdated=lt{until}",
            start + 5
        );
        let end = found.len().min(start + 5);
        match line {
            _ if line.contains("metadata") => none(),
            _ if line.contains("/Patient") => (200, patient("p")),
            _ => page(&found[start..end], (end < found.len()).then_some(&next)),
        }
    })
    .await;
    let pulled = server.pull_with(&server.client(2), |_| ()).await;
    assert!(pulled.error.is_none(), "{:?}", pulled.error);
    let mut ids: Vec<String> = pulled.names();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), pulled.referrals.len()), (24, 24));
    assert!(pulled.evidence.halvings >= 2);
    assert_eq!(pulled.evidence.verdict(), "complete");
}

#[tokio::test]
async fn an_answer_to_another_question_is_told_and_given_up_when_it_is_too_much() {
    let server = Odd::new(|line| {
        let number = line
            .split_once("p=")
            .map_or(0, |(_, rest)| rest.trim().parse::<usize>().unwrap());
        let requests: Vec<Value> = (0..150)
            .map(|n| {
                let mut request = plain(&format!("r{number}-{n}"));
                request["code"]["coding"][0]["code"] = json!("1");
                request
            })
            .collect();
        match line {
            _ if line.contains("metadata") => none(),
            _ => page(&requests, Some(&format!("/fhir?p={}", number + 1))),
        }
    })
    .await;
    let pulled = server.pull(|_| ()).await;
    let told = pulled.error.unwrap().diagnostic(Place::default());
    assert_eq!(told.code(), Code::NotMatching);
    assert_eq!(pulled.evidence.other_code, 300);

    // A filter of the server's own, a resource in parts, a warning among the matches, one from before the window.
    let server = Odd::new(|line| {
        if line.contains("metadata") {
            return none();
        }
        if line.contains("ServiceRequest/part") {
            return (200, plain("part"));
        }
        let mut part = json!({"resourceType": "ServiceRequest", "id": "part"});
        part["meta"] = json!({"tag": [{"code": "SUBSETTED"}]});
        let mut early = plain("early");
        early["meta"]["lastUpdated"] = json!("2026-01-01T00:00:00Z");
        let (status, mut bundle) = page(&[part, early, patient("p")], None);
        let warning = json!({"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}});
        bundle["entry"].as_array_mut().unwrap().push(warning);
        bundle["link"] = json!([{"relation": "self", "url": "BASE/ServiceRequest?code=s%7C871731000000106&status=active"}]);
        (status, bundle)
    })
    .await;
    let pulled = server
        .pull(|asked| asked.high = Instant::parse("2026-11-22T10:00:00Z"))
        .await;
    assert_eq!(pulled.names(), ["part p -", "early p -"]);
    let evidence = &pulled.evidence;
    assert_eq!(evidence.outside_window, 1);
    assert_eq!(evidence.ignored_parameters[0], "_lastUpdated");
    assert_eq!(
        evidence.verdict(),
        "complete except 1 from outside the window asked for, what the server was asked by _lastUpdated, which it ignored, \
         what the server left out by status"
    );
}

#[tokio::test]
async fn a_weak_server_is_asked_for_less() {
    let server = Odd::new(|line| match line {
        _ if line.contains("metadata") => none(),
        _ if line.contains("_sort") || line.contains("_include") => (400, json!({})),
        _ if line.contains("Patient/p") => (200, patient("p")),
        _ => page(&[plain("r")], None),
    })
    .await;
    let pulled = server.pull(|_| ()).await;
    assert_eq!(pulled.names(), ["r p -"]);
    assert!(pulled.evidence.asked_plainly && pulled.evidence.verdict() == "complete");
}

#[tokio::test]
async fn a_sweep_is_due_each_week_and_brings_what_no_window_did() {
    let server = Odd::new(|line| {
        let mut late = plain("late");
        late["meta"]["lastUpdated"] = json!("2026-11-01T00:00:00Z");
        let mut now = plain("now");
        now["meta"]["lastUpdated"] = json!(NOON);
        match line {
            _ if line.contains("metadata") => none(),
            _ if line.contains("authored=") => page(&[late, plain("r"), now, patient("p")], None),
            _ => page(&[plain("r"), patient("p")], None),
        }
    })
    .await;
    let of = |days: i64| {
        let at = Instant::parse(NOON).unwrap().plus_seconds(-days * 86_400);
        move |asked: &mut Asked| {
            asked.high = Instant::parse("2026-11-22T10:00:00Z");
            asked.sweep = Some(Sweep {
                at: at.utc_text(),
                ..Sweep::default()
            });
        }
    };
    let pulled = server.pull(of(6)).await;
    assert_eq!((pulled.swept_from, pulled.referrals.len()), (None, 1));
    let pulled = server.pull(of(7)).await;
    assert_eq!(pulled.swept_from, Some(1));
    assert_eq!(
        pulled.names(),
        ["r p -", "late p -"],
        "what is quite new waits for its window"
    );
    assert!(pulled.evidence.swept);
    assert_eq!(pulled.evidence.sweep.as_ref().unwrap().requests, 3);
    assert_eq!(pulled.evidence.requests, 1, "those of the window alone");
    // The first pull asks for everything: a sweep in itself.
    let first = server.pull(|_| ()).await;
    assert_eq!(first.evidence.sweep.unwrap().at, NOON);
    assert!(server.asked("authored=").len() == 1);
}

#[tokio::test]
async fn a_sweep_that_cannot_be_finished_takes_nothing_from_the_window() {
    let server = Odd::new(|line| match line {
        _ if line.contains("metadata") => none(),
        // It always leads on to a page that was there before.
        _ if line.contains("authored=") || line.contains("again") => {
            page(&[plain("s"), patient("p")], Some("BASE/again"))
        }
        _ => page(&[plain("r"), patient("p")], None),
    })
    .await;
    let last = Sweep {
        at: "2026-11-01T00:00:00Z".to_owned(),
        requests: 7,
        ..Sweep::default()
    };
    let pulled = server
        .pull(|asked| {
            asked.high = Instant::parse("2026-11-22T10:00:00Z");
            asked.sweep = Some(last.clone());
        })
        .await;
    assert!(pulled.said.contains(&Code::SweepUnfinished));
    assert!(pulled.error.is_none() && !pulled.evidence.broken && !pulled.evidence.swept);
    assert_eq!(pulled.names()[0], "r p -");
    assert!(pulled.high > Instant::parse("2026-11-22T11:00:00Z"));
    // It is due again in the next run.
    let kept = pulled.evidence.sweep.unwrap();
    assert_eq!((kept.at, kept.requests), (last.at, last.requests));
}

#[tokio::test]
async fn a_server_without_a_clock_is_read_by_our_own() {
    let server = Served::start(|_, asked| {
        let (status, body) = if asked.line.contains("metadata") {
            none()
        } else {
            page(&[plain("r"), patient("p")], None)
        };
        answer(status, "", body.to_string())
    });
    let base = format!("{}/fhir", server.origin);
    let client = Client::new(Settings::new(&base)).unwrap();
    let pulled = Pulled::of(&client, Asked::at_noon(&base)).await;
    assert_eq!(pulled.names(), ["r p -"]);
    assert_eq!(pulled.said, [Code::NoServerTime]);
    let noon = Instant::parse(NOON);
    assert!(pulled.high < noon && pulled.high > Instant::parse("2026-11-22T11:00:00Z"));
}

#[tokio::test]
async fn what_another_server_has_by_the_same_id_is_another_record() {
    let (own, other) = ("BASE", "https://other.example/fhir");
    let two = || {
        vec![
            entry(own, dated(marked("1950"), "2", 21)),
            entry(own, dated(marked("1940"), "1", 20)),
        ]
    };
    let cases: [(&str, Vec<Value>, &[&str]); 5] = [
        (
            "an included person of another server",
            vec![entry(other, marked("1961")), entry(own, marked("1950"))],
            &["s 1950"],
        ),
        (
            "the other one last",
            vec![entry(own, marked("1950")), entry(other, marked("1961"))],
            &["s 1950"],
        ),
        ("the older version last", two(), &["s 1950"]),
        (
            "only another server's: asked for here",
            vec![entry(other, marked("1961"))],
            &["s 1970"],
        ),
        (
            "two versions of which none is the newer: asked for",
            vec![
                entry(
                    own,
                    json!({"resourceType": "Patient", "id": "p", "birthDate": "1950"}),
                ),
                entry(
                    own,
                    json!({"resourceType": "Patient", "id": "p", "birthDate": "1961"}),
                ),
            ],
            &["s 1970"],
        ),
    ];
    for (name, people, expected) in cases {
        let mut entries = people.clone();
        entries.insert(0, entry(own, plain("s")));
        let server = Odd::new(move |line| match line {
            _ if line.contains("metadata") => none(),
            _ if line.contains("ServiceRequest") => {
                (200, json!({"resourceType": "Bundle", "entry": entries}))
            }
            _ if line.contains("Patient/p") => (200, marked("1970")),
            _ => none(),
        })
        .await;
        let pulled = server.pull(|_| ()).await;
        let found: Vec<String> = pulled.referrals.iter().map(marks).collect();
        assert_eq!(found, expected, "{name}");
    }
}

fn dated(mut resource: Value, version: &str, day: u8) -> Value {
    let at = format!("2026-11-{day}T10:00:00Z");
    resource["meta"] = json!({"versionId": version, "lastUpdated": at});
    resource
}

/// A person, marked by the birth date.
fn marked(mark: &str) -> Value {
    let mut person = patient("p");
    person["birthDate"] = json!(mark);
    person
}

fn entry(base: &str, resource: Value) -> Value {
    let member = |name: &str| resource[name].as_str().unwrap();
    let url = format!("{base}/{}/{}", member("resourceType"), member("id"));
    let mut entry = json!({"fullUrl": url});
    entry["resource"] = resource;
    entry
}

/// Id of the request, and the birth date by which its person is marked.
fn marks(referral: &Referral) -> String {
    let member = |bytes: &[u8], name: &str| {
        let tree: Value = serde_json::from_slice(bytes).unwrap();
        tree[name].as_str().unwrap_or("-").to_owned()
    };
    let person = referral.patient.as_deref();
    let doubt = if referral.ids.doubt == Doubt::None {
        ""
    } else {
        " in doubt"
    };
    format!(
        "{} {}{doubt}",
        member(&referral.request, "id"),
        person.map_or("-".to_owned(), |person| member(person, "birthDate"))
    )
}

#[tokio::test]
async fn a_referral_of_another_server_is_held_unless_that_is_the_servers_own_name() {
    let page = |self_link: &str| {
        let at = |name: &str| format!("http://inner.example/r4/{name}");
        let mut person = patient("p");
        person["birthDate"] = json!("1950");
        json!({"resourceType": "Bundle", "link": [{"relation": "self", "url": self_link}], "entry": [
            {"fullUrl": at("ServiceRequest/s"), "resource": plain("s")},
            {"fullUrl": at("Patient/p"), "resource": person},
        ]})
    };
    for (self_link, expected) in [
        ("http://inner.example/r4/ServiceRequest?code=1", "s 1950"),
        ("BASE/ServiceRequest?code=1", "s - in doubt"),
    ] {
        let page = page(self_link);
        let server = Odd::new(move |line| match line {
            _ if line.contains("_search") => (200, page.clone()),
            _ => none(),
        })
        .await;
        let pulled = server.pull(|_| ()).await;
        let found: Vec<String> = pulled.referrals.iter().map(marks).collect();
        assert_eq!(found, [expected], "{self_link}");
    }
}
