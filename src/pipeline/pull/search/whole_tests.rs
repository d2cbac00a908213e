//! Whether what a server gives is all that it has: counts, pages that lead nowhere, pages that are left out.

use serde_json::{Value, json};

use super::test_server::*;
use super::*;

/// A server of `all` requests, written an hour apart; `give` makes a page of those that lie in the window asked for, given the
/// first that is wanted of them.
async fn hourly(
    all: usize,
    give: impl Fn(&[Value], usize) -> Value + Clone + Send + Sync + 'static,
) -> Odd {
    let begun = Instant::parse("2026-11-20T00:30:00Z").unwrap();
    let requests: Vec<(String, Value)> = (0..all)
        .map(|hour| {
            let at = begun.plus_seconds(3_600 * i64::try_from(hour).unwrap());
            let mut request = plain(&format!("r{hour}"));
            request["meta"]["lastUpdated"] = json!(at.utc_text());
            (at.utc_text(), request)
        })
        .collect();
    Odd::new(move |line| {
        if line.contains("metadata") {
            return none();
        }
        if line.contains("Patient") {
            return (200, patient("p"));
        }
        let bound = |prefix: &str| {
            let (_, rest) = line.split_once(&format!("_lastUpdated={prefix}"))?;
            Some(rest.chars().take(20).collect::<String>())
        };
        let from = bound("ge").unwrap_or_default();
        let until = bound("lt").unwrap_or("9".to_owned());
        let within = |at: &String| *at >= from && *at < until;
        let found = requests.iter().filter(|(at, _)| within(at));
        let found: Vec<Value> = found.map(|(_, request)| request.clone()).collect();
        let start = line.split_once("start=").map_or(0, |(_, rest)| {
            rest.split('&').next().unwrap().trim().parse().unwrap()
        });
        let mut bundle = give(&found, start);
        if let Some(next) = bundle["next"].as_u64() {
            let window = format!("_lastUpdated=ge{from}&_lastUpdated=lt{until}");
            let url = format!("/fhir?start={next}&{window}");
            bundle["link"] = json!([{"relation": "next", "url": url}]);
        }
        (200, bundle)
    })
    .await
}

/// A Bundle of some of these, with a total.
fn some(found: &[Value], total: Option<usize>) -> Value {
    let (_, mut bundle) = page(found, None);
    bundle["total"] = json!(total);
    bundle
}

#[tokio::test]
async fn a_count_above_what_came_is_read_again_in_halves_and_then_believed() {
    // At most 20 on the only page.
    let capped = |found: &[Value], _| some(&found[..found.len().min(20)], Some(found.len()));
    for (all, came, verdict) in [
        (20, 20, "complete"),
        // The first look brings 20, their older half 10, the rest what was beyond the page.
        (25, 25, "complete"),
        (
            40,
            30,
            "complete except 10 matches that the server leaves out",
        ),
    ] {
        let server = hourly(all, capped).await;
        let pulled = server.pull(|_| ()).await;
        assert_eq!(pulled.evidence.verdict(), verdict, "{all}");
        assert_eq!(pulled.referrals.len(), came, "{all}");
        assert_eq!(pulled.evidence.halvings, u64::from(all > 20), "halved once");
        // What was left out is asked for again.
        assert_eq!(pulled.high.is_some(), verdict == "complete", "{all}");
    }
    // A count below what came, or estimated, proves nothing.
    let below = hourly(5, |found, _| some(found, Some(found.len() / 2))).await;
    assert_eq!(below.pull(|_| ()).await.evidence.verdict(), "complete");
    let estimated = hourly(2, |found, _| {
        let mut bundle = some(found, Some(99));
        bundle["link"] =
            json!([{"relation": "self", "url": "/fhir?_total=estimate&code=871731000000106"}]);
        bundle
    })
    .await;
    let pulled = estimated.pull(|_| ()).await;
    assert_eq!(pulled.evidence.verdict(), "complete");
    assert_eq!(pulled.evidence.halvings, 0);
}

#[tokio::test]
async fn a_full_page_that_leads_nowhere_and_cannot_be_cut_is_no_whole_answer() {
    // All written at one instant: no half holds fewer than a page.
    let at_once = |all: usize| async move {
        Odd::new(move |line| {
            if line.contains("metadata") {
                return none();
            }
            if line.contains("Patient") {
                return (200, patient("p"));
            }
            let at = "2026-11-20T00:30:00Z";
            let bound = |prefix: &str| {
                let (_, rest) = line.split_once(&format!("_lastUpdated={prefix}"))?;
                Some(rest.chars().take(20).collect::<String>())
            };
            let inside = bound("ge").is_none_or(|from| *at >= *from)
                && bound("lt").is_none_or(|until| *at < *until);
            let count = line.split_once("_count=").unwrap().1;
            let count: usize = count.split('&').next().unwrap().parse().unwrap();
            let there = if inside { all.min(count) } else { 0 };
            let written = |number: usize| {
                let mut request = plain(&format!("r{number}"));
                request["meta"]["lastUpdated"] = json!(at);
                request
            };
            let found: Vec<Value> = (0..there).map(written).collect();
            (200, some(&found, None))
        })
        .await
    };
    for (all, came, verdict) in [
        (599, 599, "complete"),
        (
            700,
            600,
            "complete except 1 full pages from which nothing leads on",
        ),
    ] {
        let pulled = at_once(all).await.pull(|_| ()).await;
        assert_eq!(pulled.evidence.verdict(), verdict);
        assert_eq!(pulled.referrals.len(), came);
        // They are asked for again.
        assert_eq!(pulled.high.is_some(), verdict == "complete");
        assert!(pulled.error.is_none() && !pulled.evidence.broken);
    }
}

#[tokio::test]
async fn without_a_count_many_matches_are_looked_at_twice() {
    let paged = |every: usize| {
        move |found: &[Value], start: usize| {
            let end = found.len().min(start + 5);
            let mut bundle = some(&found[start..end], None);
            // `every` is the step from page to page: one of ten leaves each second page out.
            if end < found.len() && start + every < found.len() {
                bundle["next"] = json!(start + every);
            }
            bundle
        }
    };
    let honest = hourly(24, paged(5)).await;
    let pulled = honest.pull(|_| ()).await;
    assert_eq!(pulled.evidence.verdict(), "complete");
    assert_eq!((pulled.referrals.len(), pulled.evidence.halvings), (24, 1));

    let leaves_out = hourly(24, paged(10)).await;
    let pulled = leaves_out.pull(|_| ()).await;
    let verdict = pulled.evidence.verdict();
    assert!(
        verdict.ends_with("matches that the server leaves out"),
        "{verdict}"
    );

    // A page is all that it gives.
    let capped = hourly(24, |found, _| some(&found[..found.len().min(12)], None)).await;
    let pulled = capped.pull(|_| ()).await;
    let verdict = pulled.evidence.verdict();
    assert!(
        verdict.ends_with("matches that the server leaves out"),
        "{verdict}"
    );
    let few = hourly(2, |found, _| some(found, None)).await;
    let pulled = few.pull(|_| ()).await;
    assert_eq!(
        (pulled.evidence.halvings, pulled.evidence.verdict().as_str()),
        (0, "complete")
    );
}

#[tokio::test]
async fn an_error_among_the_matches_is_no_whole_answer() {
    for (severity, verdict) in [
        ("warning", "complete"),
        (
            "error",
            "complete except 1 that the source says are missing",
        ),
    ] {
        let server = hourly(2, move |found, _| {
            let mut bundle = some(found, None);
            let outcome = json!({"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "timeout"}]}, "search": {"mode": "outcome"}});
            bundle["entry"].as_array_mut().unwrap().push(outcome);
            bundle
        })
        .await;
        let pulled = server.pull(|_| ()).await;
        assert_eq!(pulled.evidence.verdict(), verdict);
        assert_eq!(pulled.high.is_some(), severity == "warning");
    }
}

/// What is pulled from a server with this first page; it has the requests `s` and `9` by their ids, marked `read`.
async fn of_entries(entries: Vec<Value>, status: u16) -> (Vec<String>, Pulled) {
    let server = Odd::new(move |line| match line {
        _ if line.contains("_search") => (200, json!({"resourceType": "Bundle", "entry": entries})),
        _ if line.contains("GET /fhir/ServiceRequest/") && status != 200 => (status, json!({})),
        _ if line.contains("GET /fhir/ServiceRequest/s") => (200, noted("s", "read")),
        _ if line.contains("GET /fhir/ServiceRequest/9") => (200, noted("9", "read")),
        _ if line.contains("GET /fhir/Patient/p") => (200, patient("p")),
        _ => none(),
    })
    .await;
    let pulled = server.pull(|_| ()).await;
    let marks = pulled.referrals.iter().map(|referral| {
        let tree: Value = serde_json::from_slice(&referral.request).unwrap();
        let mark = tree["note"][0]["text"].as_str().unwrap_or("came");
        format!("{} {mark}", tree["id"].as_str().unwrap())
    });
    (marks.collect(), pulled)
}

fn noted(id: &str, mark: &str) -> Value {
    let mut request = plain(id);
    request["note"] = json!([{"text": mark}]);
    request
}

#[tokio::test]
async fn a_request_under_another_name_than_its_own_is_asked_for() {
    let unlike = |mark: &str| {
        let mut request = noted("s", mark);
        request.as_object_mut().unwrap().remove("meta");
        json!({"fullUrl": "BASE/ServiceRequest/s", "resource": request})
    };
    for (name, entries, expected) in [
        (
            "its own name",
            vec![json!({"fullUrl": "BASE/ServiceRequest/s", "resource": plain("s")})],
            &["s came"][..],
        ),
        (
            "another one's name",
            vec![json!({"fullUrl": "BASE/ServiceRequest/9", "resource": plain("s")})],
            &["9 read", "s read"],
        ),
        (
            "a name of the page alone",
            vec![json!({"fullUrl": "urn:uuid:1", "resource": plain("s")})],
            &["s read"],
        ),
        (
            "two of one name, and neither is the newer",
            vec![unlike("one"), unlike("two")],
            &["s read"],
        ),
    ] {
        let (found, pulled) = of_entries(entries.clone(), 200).await;
        assert_eq!(found, expected, "{name}");
        assert!(pulled.high.is_some(), "{name}");
        // One that cannot be read comes again with the next pull.
        if name != "its own name" {
            let (found, pulled) = of_entries(entries, 403).await;
            assert_eq!((found.len(), pulled.high), (0, None), "{name}");
        }
    }
}

#[tokio::test]
async fn a_match_without_its_resource_is_missing() {
    let bare = |mode: &str| json!({"fullUrl": "BASE/ServiceRequest/9", "search": {"mode": mode}});
    for (mode, verdict) in [
        (
            "match",
            "complete except 1 that the source says are missing",
        ),
        ("include", "complete"),
    ] {
        let whole = json!({"fullUrl": "BASE/ServiceRequest/s", "resource": plain("s")});
        let (found, pulled) = of_entries(vec![whole, bare(mode)], 200).await;
        assert_eq!(found, ["s came"]);
        assert_eq!(pulled.evidence.verdict(), verdict);
    }
}

#[tokio::test]
async fn a_person_who_could_only_be_asked_for_in_an_address_holds_one_referral() {
    let server = Odd::new(move |line| match line {
        _ if line.contains("_search") => (405, json!({})),
        _ if line.contains("/ServiceRequest?") => page(
            &[
                request(
                    "n",
                    &json!({"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9000000009"}}),
                ),
                plain("s"),
            ],
            None,
        ),
        _ if line.contains("GET /fhir/Patient/p") => (200, patient("p")),
        _ => none(),
    })
    .await;
    let pulled = server.pull(|_| ()).await;
    assert_eq!(pulled.names(), ["n - -", "s p -"]);
}
