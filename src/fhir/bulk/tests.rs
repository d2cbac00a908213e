//! The export's protocol against a server that answers from a script.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::files::FileLine;
use super::{ExportFile, ExportManifest, Level, Order, Patience, Waits};
use crate::domain::{Instant, Limits, limits};
use crate::fhir::auth::Credentials;
use crate::fhir::client::served::{Served, answer};
use crate::fhir::client::{Access, Client, ClientError, MachineTimer, Settings, SourceSession};

const SECRET: &str = "Bearer swordfish";
const CODES: [(&str, &str); 2] = [
    ("http://snomed.info/sct", "1"),
    ("http://snomed.info/sct", "2"),
];

fn scripted(answers: Vec<Vec<u8>>) -> Served {
    Served::scripted("/fhir", answers)
}

fn base(script: &Served) -> String {
    format!("{}/fhir", script.origin)
}

fn client(script: &Served) -> Client {
    let mut settings = Settings::new(base(script));
    settings.backoff = Duration::ZERO;
    settings.total_timeout = Duration::from_secs(20);
    let access = Access {
        credentials: Credentials::bearer("swordfish").unwrap(),
        ..Access::open()
    };
    let stream = crate::domain::Entropy::from_seed([1; 32]).stream(0);
    let session = SourceSession::new(access, Arc::new(MachineTimer::new()), stream);
    Client::within(&Arc::new(session), settings).unwrap()
}

fn patience() -> Patience {
    Patience {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(4),
        total: Duration::from_secs(10),
    }
}

fn order(level: &Level) -> Order<'_> {
    Order {
        level,
        since: Instant::parse("2026-11-21T02:00:00Z"),
        codes: &CODES,
        rebase_links: false,
    }
}

fn issue(code: &str) -> String {
    json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code, "diagnostics": "Ada"}]})
        .to_string()
}

fn item(url: &str) -> ExportFile {
    ExportFile {
        kind: None,
        count: None,
        url: url.parse().unwrap(),
    }
}

fn manifest(requires_token: bool) -> ExportManifest {
    ExportManifest {
        requires_token,
        ..ExportManifest::default()
    }
}

#[tokio::test]
async fn an_export_is_ordered_by_post_asked_after_and_thrown_away() {
    let done = json!({"transactionTime": "2026-11-22T02:00:00.5Z", "requiresAccessToken": true, "request": "x", "extension": {"a": 1},
        "output": [{"type": "Patient", "url": "/files/1", "count": 3}], "error": [{"type": "OperationOutcome", "url": "http://files.example/2"}]});
    let script = scripted(vec![
        answer(202, "content-location: ../status/7\r\n", ""),
        answer(202, "retry-after: 0\r\nx-progress: 3%\r\n", ""),
        answer(200, "expires: x\r\n", done.to_string()),
        answer(202, "", ""),
        answer(404, "", ""),
    ]);
    let client = client(&script);
    let level = Level::Group("practice-1".to_owned());
    let (status, _) = client.order_export(order(&level)).await.unwrap();
    assert!(status.as_str().ends_with("/fhir/Group/status/7"));
    assert_eq!(format!("{status:?}"), "StatusUrl(masked)");
    let kept = client.kept_status(status.as_str(), false).unwrap();
    let manifest = client
        .await_export(&kept, patience())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        manifest.transaction_time,
        Instant::parse("2026-11-22T02:00:00.5Z")
    );
    assert!(manifest.requires_token);
    assert_eq!(manifest.output[0].count, Some(3));
    assert!(
        manifest.output[0]
            .url
            .as_str()
            .starts_with("http://127.0.0.1:")
    );
    assert_eq!((manifest.deleted.len(), manifest.outcomes.len()), (0, 1));
    client.forget_export(&status).await.unwrap();
    client.forget_export(&status).await.unwrap();
    let asked = script.texts();
    assert!(asked[0].starts_with("POST /fhir/Group/practice-1/$export HTTP"));
    assert!(asked[0].to_lowercase().contains("prefer: respond-async"));
    let (_, body) = asked[0].split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let values: Vec<(&str, &str)> = body["parameter"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let value = one["valueString"].as_str().or(one["valueInstant"].as_str());
            (one["name"].as_str().unwrap(), value.unwrap())
        })
        .collect();
    assert_eq!(values[0], ("_type", "ServiceRequest"));
    assert_eq!(values[6], ("_since", "2026-11-21T02:00:00Z"));
    // No comma and no bar stand bare: a server that cuts lists at commas must not cut this one.
    let filter = "ServiceRequest?code=http%3A%2F%2Fsnomed.info%2Fsct%7C1%2Chttp%3A%2F%2Fsnomed.info%2Fsct%7C2";
    assert_eq!(values[7], ("_typeFilter", filter));
    assert!(asked[1].to_lowercase().contains("accept: application/json"));
    assert!(asked[3].starts_with("DELETE /fhir/Group/status/7 "));
}

#[tokio::test]
async fn a_server_that_refuses_is_asked_in_other_ways() {
    let refused = || answer(400, "", issue("not-supported"));
    let accepted = || answer(202, "content-location: /fhir/status\r\n", "");
    let script = scripted(vec![
        refused(),
        refused(),
        refused(),
        refused(),
        refused(),
        accepted(),
    ]);
    let status = client(&script).order_export(order(&Level::System)).await;
    assert!(status.is_ok());
    let lines: Vec<String> = script
        .texts()
        .iter()
        .map(|asked| asked.lines().next().unwrap().to_owned())
        .collect();
    assert!(lines[0].starts_with("POST /fhir/$export "));
    assert!(
        lines[1].starts_with("GET /fhir/$export?_type=ServiceRequest%2CPatient%2CPractitioner%2C")
    );
    assert!(lines[1].contains("&_since=2026-11-21T02%3A00%3A00Z&_typeFilter="));
    assert!(lines[2].starts_with("POST") && !lines[3].contains("_typeFilter"));
    assert!(lines[5].starts_with("GET /fhir/$export?_type=ServiceRequest%2CPatient&_since="));

    let script = scripted(
        (0..6)
            .map(|n| answer(if n == 0 { 422 } else { 405 }, "", ""))
            .collect(),
    );
    let error = client(&script).order_export(order(&Level::Patient)).await;
    assert!(matches!(
        error,
        Err(ClientError::Refused { status: 422, .. })
    ));
    let script = scripted(vec![answer(401, "", "")]);
    let error = client(&script).order_export(order(&Level::Patient)).await;
    assert_eq!(error.err(), Some(ClientError::Unauthorised { status: 401 }));
    let script = scripted(vec![answer(
        202,
        "content-location: http://elsewhere.example/1\r\n",
        "",
    )]);
    let error = client(&script).order_export(order(&Level::Patient)).await;
    assert_eq!(error.err(), Some(ClientError::ForeignExport));
}

#[tokio::test]
async fn trouble_that_passes_is_waited_out_and_pages_of_a_manifest_are_put_together() {
    let first = json!({"transactionTime": "2026-11-22T02:00:00Z", "requiresAccessToken": false, "extension": [{"url": "x"}],
        "output": [{"url": "a"}], "outcome": [{"url": "o"}], "link": [{"relation": "next", "url": "second"}]});
    let second = json!({"transactionTime": "2026-11-22T01:00:00Z", "requiresAccessToken": false,
        "output": [{"url": "b"}], "deleted": [{"url": "d"}]});
    let script = scripted(vec![
        answer(503, "retry-after: 0\r\n", "<html>"),
        answer(500, "", issue("transient")),
        answer(404, "", issue("throttled")),
        answer(
            200,
            "x-export-status: 202 Accepted\r\nretry-after: 0\r\n",
            "{}",
        ),
        answer(200, "x-export-status: 200 OK\r\n", first.to_string()),
        answer(202, "", ""),
        answer(200, "", second.to_string()),
    ]);
    let client = client(&script);
    let status = client
        .kept_status(&format!("{}/status", base(&script)), false)
        .unwrap();
    let manifest = client
        .await_export(&status, patience())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        manifest.transaction_time,
        Instant::parse("2026-11-22T01:00:00Z")
    );
    let lengths = [&manifest.output, &manifest.deleted, &manifest.outcomes].map(Vec::len);
    assert_eq!(lengths, [2, 1, 1]);
    assert!(manifest.output[1].url.path().ends_with("/fhir/b"));
}

#[tokio::test]
async fn an_export_that_failed_is_gone_or_takes_too_long_is_told_apart() {
    let table = [
        (vec![answer(500, "", issue("exception"))], "Refused"),
        (
            vec![answer(
                200,
                "x-export-status: 500 X\r\n",
                issue("exception"),
            )],
            "Refused",
        ),
        (vec![answer(404, "", "")], "NotFound"),
        (vec![answer(410, "", "")], "Gone"),
        (vec![answer(200, "", "<html>")], "NotFhir"),
        (
            vec![answer(200, "", r#"{"transactionTime": "x"}"#)],
            "NotFhir",
        ),
        (
            vec![answer(
                200,
                "",
                r#"{"output": [], "link": [{"relation": "next", "url": "http://e.example/"}]}"#,
            )],
            "ForeignExport",
        ),
        ((0..4).map(|_| answer(502, "", "")).collect(), "Transient"),
    ];
    for (answers, wanted) in table {
        let script = scripted(answers);
        let client = client(&script);
        let status = client
            .kept_status(&format!("{}/status", base(&script)), false)
            .unwrap();
        let error = client
            .await_export(&status, patience())
            .await
            .err()
            .unwrap();
        assert!(
            format!("{error:?}").starts_with(wanted),
            "{wanted}: {error:?}"
        );
        assert!(!error.to_string().contains("Ada"), "{error}");
    }
    let script = scripted(vec![answer(202, "retry-after: 3600\r\n", "")]);
    let client = client(&script);
    let status = client.kept_status(&base(&script), false).unwrap();
    assert!(
        client
            .await_export(&status, patience())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        client
            .kept_status("https://elsewhere.example/", false)
            .is_err()
    );
}

#[test]
fn an_export_is_asked_after_only_so_often() {
    limits::holds_at(limits::EXPORT_POLLS_MAX, |polls| {
        let mut left = Duration::from_hours(1);
        let at_once = Patience {
            first: Duration::ZERO,
            longest: Duration::ZERO,
            total: left,
        };
        let mut waits = Waits::new(at_once, &mut left);
        // Each poll but the first follows a wait.
        (1..polls).all(|_| waits.after_poll(None).is_some())
    });
}

#[tokio::test]
async fn a_file_gets_the_credentials_only_where_it_needs_them_and_only_at_home() {
    let script = scripted(vec![answer(200, "", ""), answer(200, "", "")]);
    let client = client(&script);
    let here = item(&format!("{}/file", base(&script)));
    for requires_token in [true, false] {
        let file = client
            .open_file(&manifest(requires_token), &here, &[])
            .await;
        assert!(file.unwrap().next().await.unwrap().is_none());
    }
    let asked = script.texts();
    assert!(asked[0].contains(SECRET));
    assert!(!asked[1].contains("swordfish"));
    for (requires_token, url) in [
        (true, "https://elsewhere.example/file"),
        (true, "http://localhost:1/file"),
        (false, "http://elsewhere.example/file"),
        (false, "https://user:pass@elsewhere.example/file"),
        (false, "ftp://elsewhere.example/file"),
        (false, "https://elsewhere.example/file"),
        (false, "http://localhost:1/file"),
    ] {
        let refused = client
            .open_file(&manifest(requires_token), &item(url), &[])
            .await;
        assert_eq!(refused.err(), Some(ClientError::ForeignExport), "{url}");
    }
}

#[tokio::test]
async fn files_lie_with_the_server_or_on_a_host_that_the_config_names() {
    // Each time: asked at the server; led on; what came of it, and whether anything was asked there.
    let elsewhere = scripted(vec![answer(200, "", "x"); 9]);
    let port = elsewhere.origin.rsplit(':').next().unwrap().to_owned();
    let there = |host: &str| format!("http://{host}:{port}/file");
    let hosts = ["localhost".to_owned()];
    for (to, hosts, wanted) in [
        // The server's own host on another port, and a named one; both on this machine, so unencrypted.
        (there("127.0.0.1"), &[][..], true),
        (there("localhost"), &hosts[..], true),
        (there("localhost"), &[][..], false),
        (there("user@localhost"), &hosts[..], false),
        ("file:///etc/passwd".to_owned(), &hosts[..], false),
    ] {
        for (requires_token, led) in [(true, true), (false, true), (false, false)] {
            let before = elsewhere.asked().len();
            let script = scripted(vec![answer(307, &format!("location: {to}\r\n"), "")]);
            let client = client(&script);
            let here = format!("{}/file", base(&script));
            let url = if led { &here } else { &to };
            let opened = client
                .open_file(&manifest(requires_token), &item(url), hosts)
                .await;
            assert_eq!(
                opened.as_ref().err(),
                (!wanted).then_some(&ClientError::ForeignExport),
                "{to}"
            );
            assert_eq!(
                elsewhere.asked().len() - before,
                usize::from(wanted),
                "{to}"
            );
            let token = script.texts().concat().contains(SECRET);
            assert_eq!(
                token, requires_token,
                "the server itself is asked as it wishes"
            );
        }
    }
    assert!(!elsewhere.texts().concat().contains("swordfish"));
    // One step only.
    let script = scripted(vec![answer(307, "location: /fhir/again\r\n", ""); 3]);
    let here = format!("{}/file", base(&script));
    let opened = client(&script)
        .open_file(&manifest(true), &item(&here), &[])
        .await;
    assert!(matches!(
        opened.err(),
        Some(ClientError::Refused { status: 307, .. })
    ));
    assert_eq!(script.asked().len(), 2);
}

/// The lines of a file as their lengths, none of one that is too long; and how the file ended.
async fn lengths(answer: Vec<u8>) -> (Vec<Option<usize>>, Result<u64, ClientError>) {
    let script = scripted(vec![answer]);
    let file = item(&format!("{}/file", base(&script)));
    let mut lengths = Vec::new();
    let mut lines = match client(&script).open_file(&manifest(true), &file, &[]).await {
        Ok(lines) => lines,
        Err(error) => return (lengths, Err(error)),
    };
    loop {
        match lines.next().await {
            Ok(Some(FileLine::Text(text))) => lengths.push(Some(text.len())),
            Ok(Some(FileLine::TooLong(_) | FileLine::TooDeep)) => lengths.push(None),
            Ok(None) => return (lengths, Ok(lines.bytes())),
            Err(error) => return (lengths, Err(error)),
        }
    }
}

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(plain).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn files_are_read_line_by_line_plain_or_packed() {
    let line_max = Limits::default().resource_bytes_max;
    let mut body = b"{\"a\":1}\r\n\n  \n{}\n".to_vec();
    body.extend(vec![b'x'; line_max]);
    body.push(b'\n');
    body.extend(vec![b'y'; line_max * 2 + 1]);
    body.extend(b"\n[12]\n");
    // As deep as it may be, and one deeper.
    let depth_max = Limits::default().json_depth_max;
    body.extend(format!("{}\n{}", "[".repeat(depth_max), "[".repeat(depth_max + 1)).bytes());
    let deep = Some(depth_max);
    let wanted = vec![Some(7), Some(2), Some(line_max), None, Some(4), deep, None];
    let length = body.len() as u64;
    // So much of one letter would pass for a bomb: the packed forms carry noise as well.
    let noise: Vec<String> = (0..40_000_u32)
        .map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761)))
        .collect();
    let noise = noise.concat();
    let noisy = [noise.as_bytes(), b"\n", &body].concat();
    let mut noisy_wanted = wanted.clone();
    noisy_wanted.insert(0, Some(noise.len()));
    assert_eq!(lengths(answer(200, "", &body)).await, (wanted, Ok(length)));
    for headers in [
        "content-encoding: gzip\r\n",
        "content-type: application/gzip\r\n",
    ] {
        let (lines, ended) = lengths(answer(200, headers, packed(&noisy))).await;
        assert_eq!(
            (lines, ended),
            (noisy_wanted.clone(), Ok(noisy.len() as u64)),
            "{headers}"
        );
    }
    assert_eq!(lengths(answer(200, "", "")).await, (vec![], Ok(0)));
    assert_eq!(lengths(answer(200, "", "1")).await, (vec![Some(1)], Ok(1)));
}

#[tokio::test]
async fn a_file_that_breaks_off_or_blows_up_is_an_error() {
    let cut = b"HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{}\n{".to_vec();
    let (lines, ended) = lengths(cut).await;
    assert_eq!(lines, [Some(2)]);
    assert!(matches!(ended, Err(ClientError::Transient { .. })));
    let whole = packed(b"{}\n{}\n");
    let (_, ended) = lengths(answer(200, "", &whole[..whole.len() - 9])).await;
    assert!(
        matches!(ended, Err(ClientError::Transient { .. })),
        "{ended:?}"
    );
    let bomb = packed(&vec![b'\n'; 64 * 1024 * 1024]);
    let (lines, ended) = lengths(answer(200, "", bomb)).await;
    assert!(lines.is_empty());
    assert!(
        matches!(ended, Err(ClientError::UnpacksTooFar { .. })),
        "{ended:?}"
    );
    for (status, wanted) in [
        (404, "NotFound"),
        (403, "Unauthorised"),
        (503, "Transient"),
        (302, "Refused"),
    ] {
        let (_, ended) = lengths(answer(status, "location: http://e.example/\r\n", "")).await;
        assert!(format!("{:?}", ended.err().unwrap()).starts_with(wanted));
    }
}
