//! The faults over real connections: each does what its name says, and none changes what is stored.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::{Sandbox, SandboxOptions, dates};
use super::FaultSpec;
use super::catalogue::CATALOGUE;

const SYSTEM: &str = "https://kith.example/Id/return-event";

/// A sandbox with three referrals of one person that misbehaves as the list says.
async fn sandbox(list: &str) -> Sandbox {
    let options = SandboxOptions {
        now: Arc::new(dates::noon),
        data: None,
    };
    let sandbox = Sandbox::start(0, options).await.unwrap();
    for n in 1..=3 {
        let at = if n == 3 {
            "2026-11-22T11:59:30Z"
        } else {
            "2026-11-21T00:00:00Z"
        };
        let request = json!({"resourceType": "ServiceRequest", "id": n.to_string(), "status": "active",
            "intent": "order", "subject": {"reference": "Patient/p"}, "meta": {"lastUpdated": at}});
        sandbox.load(request.to_string().as_bytes()).unwrap();
    }
    sandbox
        .load(br#"{"resourceType": "Patient", "id": "p"}"#)
        .unwrap();
    sandbox.misbehave(FaultSpec::parse(list).unwrap(), 1);
    sandbox
}

/// What a client sees: status, headers, body; none where the connection broke.
type SeenAnswer = Option<(u16, reqwest::header::HeaderMap, String)>;

async fn send(
    sandbox: &Sandbox,
    request: &str,
    headers: &[(&str, &str)],
    body: String,
) -> SeenAnswer {
    let (method, path) = request.split_once(' ').unwrap();
    let url = if path.starts_with("http") {
        path.to_owned()
    } else {
        format!("{}/{path}", sandbox.base_url())
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method.parse::<Method>().unwrap(), url);
    let form = path.ends_with("_search");
    let media = if form {
        "application/x-www-form-urlencoded"
    } else {
        "application/fhir+json"
    };
    request = request.header("content-type", media).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.ok()?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Some((status, headers, answer.text().await.ok()?))
}

async fn get(sandbox: &Sandbox, path: &str) -> SeenAnswer {
    send(sandbox, &format!("GET {path}"), &[], String::new()).await
}

fn page(seen: SeenAnswer) -> Value {
    let (status, _, body) = seen.expect("an answer");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

fn link(page: &Value, relation: &str) -> Option<String> {
    let links = page["link"].as_array()?;
    let link = links.iter().find(|link| link["relation"] == relation)?;
    Some(link["url"].as_str()?.to_owned())
}

fn ids(page: &Value) -> Vec<&str> {
    let entries = page["entry"].as_array().map_or(&[][..], Vec::as_slice);
    entries
        .iter()
        .filter_map(|entry| entry["resource"]["id"].as_str())
        .collect()
}

/// How often each fault struck, as the sandbox tells it.
async fn struck(sandbox: &Sandbox) -> Value {
    page(get(sandbox, "$faults").await)["struck"].take()
}

#[tokio::test]
async fn refusals_and_breaks_are_what_they_are_called() {
    for (fault, status) in [
        ("429", Some(429)),
        ("503", Some(503)),
        ("500-html", Some(500)),
        ("504-after", Some(504)),
        ("bare-outcome", Some(503)),
        ("drop-before", None),
        ("drop-after", None),
        ("truncated", None),
        ("slow", Some(201)),
    ] {
        let sandbox = sandbox(&format!("{fault}=100")).await;
        let observation = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x".repeat(5_000)}});
        let seen = send(&sandbox, "POST Observation", &[], observation.to_string()).await;
        assert_eq!(seen.as_ref().map(|(status, ..)| *status), status, "{fault}");
        let stored = ["504-after", "drop-after", "truncated", "slow"].contains(&fault);
        assert_eq!(
            sandbox.resources("Observation").len(),
            usize::from(stored),
            "{fault}"
        );
        let json = seen.and_then(|(.., body)| serde_json::from_str::<Value>(&body).ok());
        let outcome = json.is_some_and(|body| body["resourceType"] == "OperationOutcome");
        assert_eq!(outcome, ["429", "503"].contains(&fault), "{fault}");
        assert_eq!(struck(&sandbox).await, json!({fault: 1}));
        let off = send(
            &sandbox,
            "GET Patient/p",
            &[("x-sandbox-faults", "off")],
            String::new(),
        )
        .await;
        assert_eq!(page(off)["id"], "p");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_wait_is_asked_for_in_every_form_and_is_short() {
    let sandbox = sandbox("429=100").await;
    let mut forms = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let (_, headers, _) = get(&sandbox, "Patient/p").await.unwrap();
        let after = headers
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        forms.insert(match after {
            Some(after) if after.ends_with("GMT") => "date",
            Some(seconds) => {
                assert!(["0", "1"].contains(&seconds.as_str()), "{seconds}");
                "seconds"
            }
            None if headers.contains_key("x-ms-retry-after-ms") => "milliseconds",
            None => "none",
        });
    }
    assert_eq!(
        forms.into_iter().collect::<Vec<_>>(),
        ["date", "milliseconds", "none", "seconds"]
    );
}

#[tokio::test]
async fn bodies_are_torn_and_marked() {
    let torn = sandbox("torn-json=100").await;
    let (status, _, body) = get(&torn, "ServiceRequest").await.unwrap();
    assert!(
        status == 200 && serde_json::from_str::<Value>(&body).is_err(),
        "{body}"
    );
    let marked = sandbox("bom=100").await;
    let (_, _, body) = get(&marked, "Patient/p").await.unwrap();
    assert!(body.starts_with("\u{feff}{"), "{body}");
    let bare = sandbox("no-version=100").await;
    let found = page(get(&bare, "ServiceRequest").await);
    assert!(found["entry"][0]["resource"]["meta"]["versionId"].is_null());
    let (_, headers, _) = get(&bare, "Patient/p").await.unwrap();
    assert!(!headers.contains_key("etag"));
    let behind = sandbox("clock-behind=100").await;
    let (_, headers, _) = get(&behind, "Patient/p").await.unwrap();
    let date = headers["date"].to_str().unwrap();
    assert!(date.starts_with("Sun, 22 Nov 2026 11:5"), "{date}");
}

/// Every page of a search, as links lead; at most ten.
async fn pages(sandbox: &Sandbox) -> (Vec<Value>, bool) {
    let mut pages: Vec<Value> = Vec::new();
    let mut next = Some(
        "ServiceRequest?_count=1&_include=ServiceRequest:subject&_sort=_lastUpdated".to_owned(),
    );
    while let Some(url) = next {
        let found = page(get(sandbox, &url).await);
        next = link(&found, "next");
        if next.as_deref().is_some_and(|next| next.starts_with('/')) {
            next = next.map(|next| sandbox.base_url().replace("/fhir", &next));
        }
        pages.push(found);
        if pages.len() == 10 {
            return (pages, false);
        }
    }
    (pages, true)
}

#[tokio::test]
async fn pages_misbehave_as_they_are_called() {
    for (fault, count, ended, wanted) in [
        ("none=0", 3, true, "1 p 2 p 3 p"),
        ("repeated-entries=100", 3, true, "1 p 1 p 2 p 1 p 3 p"),
        ("repeated-page=100", 10, false, ""),
        ("empty-last=100", 4, true, "1 p 2 p 3 p"),
        ("endless-last=100", 10, false, "1 p 2 p 3 p"),
        ("next-relative=100", 3, true, "1 p 2 p 3 p"),
        ("includes-missing=100", 3, true, "1 2 3"),
        ("includes-apart=100", 6, true, "1 p 2 p 3 p"),
        ("total-absent=100", 3, true, "1 p 2 p 3 p"),
        ("warning-entry=100", 3, true, "1 p 2 p 3 p"),
        ("late=100", 2, true, "1 p 2 p"),
    ] {
        let list = if fault == "none=0" { "" } else { fault };
        let sandbox = sandbox(list).await;
        let (pages, end) = pages(&sandbox).await;
        assert_eq!((pages.len(), end), (count, ended), "{fault}");
        let found: Vec<&str> = pages.iter().flat_map(ids).collect();
        assert!(
            wanted.is_empty() || found.join(" ") == wanted,
            "{fault}: {found:?}"
        );
        let name = list.split('=').next().unwrap_or_default();
        assert!(
            list.is_empty() || struck(&sandbox).await[name].as_u64() > Some(0),
            "{fault}"
        );
        if fault == "total-absent=100" {
            assert!(pages.iter().all(|page| page["total"].is_null()));
        }
    }
    let foreign = sandbox("next-foreign=100").await;
    let found = page(get(&foreign, "ServiceRequest?_count=1").await);
    assert!(
        link(&found, "next")
            .is_some_and(|url| url.starts_with("http://internal.invalid/fhir?_page="))
    );
    let expired = sandbox("expired=100,short-pages=100").await;
    let found = page(get(&expired, "ServiceRequest?_count=10").await);
    let (status, ..) = get(&expired, &link(&found, "next").unwrap()).await.unwrap();
    assert_eq!((ids(&found).len(), status), (1, 410));
    let ignoring = sandbox("parameter-ignored=100").await;
    let found = page(
        send(
            &ignoring,
            "POST ServiceRequest/_search",
            &[],
            "_id=1".to_owned(),
        )
        .await,
    );
    assert_eq!(ids(&found).len(), 3);
    assert!(link(&found, "self").is_some_and(|url| !url.contains("_id")));
    let forms = sandbox("no-post-search=100").await;
    let (status, ..) = send(&forms, "POST Patient/_search", &[], "_id=p".to_owned())
        .await
        .unwrap();
    assert!([400, 405, 415].contains(&status));
}

#[tokio::test]
async fn conditions_are_ignored_or_refused() {
    let observation = json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
        "identifier": [{"system": SYSTEM, "value": "a"}]});
    let condition = format!("identifier={SYSTEM}|a");
    for (fault, wanted, stored) in [
        ("", 200, 1),
        ("exists-ignored=100", 201, 2),
        ("exists-refused=100", 412, 1),
    ] {
        let sandbox = sandbox(fault).await;
        sandbox.load(observation.to_string().as_bytes()).unwrap();
        let headers = [("if-none-exist", condition.as_str())];
        let seen = send(
            &sandbox,
            "POST Observation",
            &headers,
            observation.to_string(),
        )
        .await;
        assert_eq!(seen.map(|(status, ..)| status), Some(wanted), "{fault}");
        assert_eq!(sandbox.resources("Observation").len(), stored, "{fault}");
    }
    for (fault, given, wanted) in [
        ("", "W/\"9\"", 412),
        ("match-ignored=100", "W/\"9\"", 200),
        ("match-409=100", "W/\"9\"", 409),
        ("etag-form=100", "1", 200),
        ("etag-form=100", "\"1\"", 200),
    ] {
        let sandbox = sandbox(fault).await;
        sandbox.load(observation.to_string().as_bytes()).unwrap();
        let seen = send(
            &sandbox,
            "PUT Observation/o",
            &[("if-match", given)],
            observation.to_string(),
        )
        .await;
        let (status, headers, _) = seen.unwrap();
        assert_eq!(status, wanted, "{fault} {given}");
        assert!(!fault.starts_with("etag") || !headers["etag"].to_str().unwrap().starts_with("W/"));
    }
}

#[tokio::test]
async fn bundles_are_refused_whole_or_in_part() {
    let entry = json!({"request": {"method": "GET", "url": "Patient/p"}});
    let bundle = |kind: &str| {
        json!({"resourceType": "Bundle", "type": kind, "entry": vec![entry.clone(); 9]}).to_string()
    };
    let limited = sandbox("batch-429=100").await;
    let answer = page(send(&limited, "POST ", &[], bundle("batch")).await);
    let statuses: Vec<&str> = answer["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["response"]["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses.len(), 9);
    let untried = statuses
        .iter()
        .filter(|status| status.starts_with("429"))
        .count();
    assert!(
        untried > 0
            && statuses
                .iter()
                .take(9 - untried)
                .all(|status| *status == "200"),
        "{statuses:?}"
    );
    let without = sandbox("no-transaction=100").await;
    let seen = send(&without, "POST ", &[], bundle("transaction")).await;
    assert_eq!(seen.map(|(status, ..)| status), Some(400));
    let capability = page(get(&without, "metadata").await);
    assert_eq!(
        capability["rest"][0]["interaction"],
        json!([{"code": "batch"}])
    );
}

#[tokio::test]
async fn faults_that_meet_do_not_stop_the_server() {
    // Every fault at once, over requests of every kind, the wrong ones among them.
    let list: Vec<String> = CATALOGUE
        .iter()
        .map(|entry| format!("{}=30", entry.name))
        .collect();
    let sandbox = sandbox(&list.join(",")).await;
    let bodies = [
        "",
        "[]",
        "{}",
        r#"{"resourceType":"Bundle","type":"transaction","entry":["x",{"request":"ifNoneExist"}]}"#,
        r#"{"resourceType":"Bundle","type":"batch","entry":{}}"#,
    ];
    for n in 0..6 {
        for body in bodies {
            for request in [
                "GET metadata",
                "POST ",
                "POST Patient/_search",
                "PUT Patient/p",
            ] {
                send(&sandbox, request, &[("if-match", "\"")], body.to_owned()).await;
            }
        }
        get(&sandbox, &format!("ServiceRequest?_count={n}")).await;
        get(&sandbox, "?_own=endless.1").await;
    }
    assert!(struck(&sandbox).await.as_object().unwrap().len() > 15);
}

#[tokio::test]
async fn the_same_seed_strikes_the_same_requests_in_the_share_asked_for() {
    let mut told = Vec::new();
    for _ in 0..2 {
        let sandbox = sandbox("all=25").await;
        for n in 0..400 {
            get(
                &sandbox,
                ["Patient/p", "ServiceRequest", "ServiceRequest?_count=2"][n % 3],
            )
            .await;
        }
        told.push(page(get(&sandbox, "$faults").await));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0]["requests"], 400);
    let struck: u64 = told[0]["struck"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert!((50..=125).contains(&struck), "{struck} of 400");
    let sandbox = sandbox("all=100").await;
    for request in ["GET Patient/p", "GET metadata"] {
        send(&sandbox, request, &[], String::new()).await;
    }
    send(&sandbox, "POST $faults", &[], "429=1".to_owned()).await;
    send(
        &sandbox,
        "POST $clock",
        &[],
        "2026-11-23T06:00:00Z".to_owned(),
    )
    .await;
    let (_, headers, _) = send(
        &sandbox,
        "GET Patient/p",
        &[("x-sandbox-faults", "off")],
        String::new(),
    )
    .await
    .unwrap();
    assert_eq!(headers["date"], "Mon, 23 Nov 2026 06:00:00 GMT");
    assert!(CATALOGUE.len() > 30);
}
