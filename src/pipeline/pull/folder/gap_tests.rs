//! What of a folder is read, what is said to be missing, and what takes nothing from what a pull can promise.

use std::io::Write as _;
use std::path::Path;

use super::*;
use crate::domain::Instant;
use crate::pipeline::pull::extracts::evidence;
use crate::pipeline::pull::folder::index::DOCUMENT_BYTES_MAX;
use crate::pipeline::pull::seeded::{Draw, seeds};

/// A referral, and a record that it needs none of.
const REQUEST: &str = r#"{"resourceType":"ServiceRequest","id":"r","note":[{"text":"é"}]}"#;
const ERROR: &str =
    r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception"}]}"#;
const WARNING: &str =
    r#"{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"value"}]}"#;

/// Referrals found in a folder, and the codes of what is said.
fn read(folder: &Path) -> (usize, Vec<Code>) {
    let limits = Limits {
        resource_bytes_max: 1_000,
        ..Limits::default()
    };
    let other = tempfile::tempdir().unwrap();
    let opened = Folder::open(folder, other.path(), &limits).unwrap();
    let said = opened.diagnostics();
    let said: Vec<Code> = said.iter().map(Diagnostic::code).collect();
    // What is said, but for what is no FHIR at all, is in the certificate.
    let verdict = evidence(&opened, Instant::ZERO).verdict();
    let whole = said.iter().all(|code| *code == Code::NotAResource);
    assert_eq!(verdict == "complete", whole, "{verdict} {said:?}");
    (opened.len(), said)
}

/// The same of a folder that holds one file.
fn read_one(name: &str, bytes: &[u8]) -> (usize, Vec<Code>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), bytes).unwrap();
    read(folder.path())
}

fn packed(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn bundle(kind: &str, entries: &str, rest: &str) -> String {
    format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entries}]{rest}}}"#)
}

#[test]
fn what_is_certain_is_read_whatever_its_form() {
    let two = format!("{REQUEST}\n{}\n", REQUEST.replace("\"r\"", "\"s\""));
    let utf16: Vec<u8> = two.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&b"\xff\xfe"[..], &utf16].concat();
    for (name, bytes) in [
        ("a.jsonl", two.clone().into_bytes()),
        ("a.jsonl.gz", packed(&two)),
        ("a.gz", packed(&two)),
        ("a.json", two.clone().into_bytes()),
        ("a.ndjson", marked),
        ("a.ndjson", utf16),
        ("a.ndjson", two.replace('\n', "\r\n").into_bytes()),
        ("a.ndjson", format!("\u{feff}{two}").into_bytes()),
    ] {
        assert_eq!(read_one(name, &bytes), (2, vec![]), "{name}");
    }
    let pretty = REQUEST.replace(',', ",\n  ");
    assert_eq!(read_one("a.ndjson", pretty.as_bytes()), (1, vec![]));
}

#[test]
fn what_is_not_read_is_said() {
    let two = format!("{REQUEST}\n{REQUEST}");
    let gz = packed(&two);
    let half = REQUEST.len() / 2;
    let long = REQUEST.replace('é', &"x".repeat(1_000));
    for (name, bytes, found, code) in [
        ("a.ndjson.gz", &gz[..gz.len() - 9], 0, Code::Unreadable),
        (
            "a.ndjson",
            &two.as_bytes()[..REQUEST.len() + half],
            1,
            Code::Unreadable,
        ),
        ("a.ndjson", long.as_bytes(), 0, Code::Unreadable),
        ("a.ndjson", b"7", 0, Code::Unreadable),
        ("a.json", b"", 0, Code::Unreadable),
        (
            "a.json",
            format!(r#"{{"data":[{REQUEST}]}}"#).as_bytes(),
            0,
            Code::Unreadable,
        ),
        (
            "a.ndjson",
            br#"{"resourceType":"Patient"}"#,
            0,
            Code::BadResource,
        ),
        (
            "a.json",
            format!(r#"{{"resourceType":"Parameters","parameter":[{{"resource":{REQUEST}}}]}}"#)
                .as_bytes(),
            0,
            Code::BadResource,
        ),
        ("a.zip", b"PK\x03\x04....", 0, Code::ExtractUnread),
        ("a.ndjson.part", two.as_bytes(), 0, Code::ExtractUnread),
        ("a.ndjson", ERROR.as_bytes(), 0, Code::ExtractIncomplete),
        ("a.json", ERROR.as_bytes(), 0, Code::ExtractIncomplete),
        (
            "a.ndjson",
            format!("{REQUEST}\n{ERROR}\n").as_bytes(),
            1,
            Code::ExtractIncomplete,
        ),
    ] {
        assert_eq!(
            read_one(name, bytes),
            (found, vec![code]),
            "{name} {code:?}"
        );
    }
}

#[test]
fn what_a_bundle_lacks_by_its_own_word_is_said() {
    let resource = format!(r#"{{"resource":{REQUEST}}}"#);
    let next = r#","link":[{"relation":"next","url":"http://h/2"}]"#;
    for (kind, more, rest, code) in [
        (
            "collection",
            format!(r#",{{"resource":{ERROR}}}"#),
            "",
            Code::ExtractIncomplete,
        ),
        (
            "batch-response",
            r#",{"response":{"status":"500"}}"#.to_owned(),
            "",
            Code::ExtractIncomplete,
        ),
        (
            "batch-response",
            format!(r#",{{"response":{{"status":"200","outcome":{ERROR}}}}}"#),
            "",
            Code::ExtractIncomplete,
        ),
        ("searchset", String::new(), next, Code::ExtractIncomplete),
        (
            "batch-response",
            String::new(),
            next,
            Code::ExtractIncomplete,
        ),
        (
            "searchset",
            String::new(),
            r#","total":2"#,
            Code::ExtractIncomplete,
        ),
        ("collection", ",{}".to_owned(), "", Code::BadResource),
        (
            "collection",
            r#",{"resource":{"id":"p"}}"#.to_owned(),
            "",
            Code::BadResource,
        ),
    ] {
        let text = bundle(kind, &format!("{resource}{more}"), rest);
        for name in ["a.json", "a.ndjson"] {
            let found = read_one(name, text.as_bytes());
            assert_eq!(found, (1, vec![code]), "{name} {text}");
        }
    }
}

#[test]
fn what_nobody_asked_for_does_no_harm() {
    let long = "A".repeat(2_000);
    let binary = format!(r#"{{"resourceType":"Binary","id":"b","data":"{long}"}}"#);
    for (name, text, said) in [
        ("a.ndjson", format!("{REQUEST}\n{binary}\n"), vec![]),
        ("a.ndjson", format!("{REQUEST}\n{WARNING}\n"), vec![]),
        (
            "a.json",
            bundle(
                "history",
                &format!(
                    r#"{{"resource":{REQUEST}}},{{"response":{{"status":"404"}}}},{{"request":{{"method":"DELETE","url":"Patient/1"}}}}"#
                ),
                "",
            ),
            vec![],
        ),
        (
            "a.ndjson",
            format!("{REQUEST}\n{{\"people\":50}}\n"),
            vec![Code::NotAResource],
        ),
    ] {
        assert_eq!(read_one(name, text.as_bytes()), (1, said), "{text}");
    }
    let large = tempfile::tempdir().unwrap();
    let path = large.path().join("Binary.json");
    std::fs::write(&path, r#"{"resourceType":"Binary","data":""#).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(DOCUMENT_BYTES_MAX + 1).unwrap();
    assert_eq!(read(large.path()), (0, vec![]));
    // What a Mac keeps beside a file, and other people's files.
    std::fs::write(large.path().join("._x.ndjson"), b"\0\x05\x16\x07").unwrap();
    std::fs::write(large.path().join("readme.txt"), b"Extract of Monday").unwrap();
    assert_eq!(read(large.path()), (0, vec![]));
}

#[test]
fn saved_pages_are_whole_together() {
    let page = |number: usize, last: usize| {
        let request = REQUEST.replace("\"r\"", &format!("\"r{number}\""));
        let link = |relation: &str, page: usize| {
            format!(r#"{{"relation":"{relation}","url":"http://h/{page}"}}"#)
        };
        let mut links = link("self", number);
        if number < last {
            links.push(',');
            links.push_str(&link("next", number + 1));
        }
        let rest = format!(r#","total":{last},"link":[{links}]"#);
        bundle("searchset", &format!(r#"{{"resource":{request}}}"#), &rest)
    };
    for (pages, said) in [
        (vec![1, 2, 3], vec![]),
        (vec![1, 2], vec![Code::ExtractIncomplete]),
        (vec![1, 3], vec![Code::ExtractIncomplete; 2]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for number in &pages {
            let file = folder.path().join(format!("{number}.json"));
            std::fs::write(file, page(*number, 3)).unwrap();
        }
        assert_eq!(read(folder.path()), (pages.len(), said), "{pages:?}");
    }
}

#[test]
fn a_link_is_said_unless_it_leads_to_what_is_read_anyway() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("monday")).unwrap();
    let file = folder.path().join("monday/a.ndjson");
    std::fs::write(&file, REQUEST).unwrap();
    let link = |to: &Path, name: &str| {
        std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
    };
    link(&folder.path().join("monday"), "newest");
    link(&file, "b.ndjson");
    assert_eq!(read(folder.path()), (1, vec![]));
    link(elsewhere.path(), "tuesday");
    assert_eq!(read(folder.path()), (1, vec![Code::ExtractUnread]));
    link(&elsewhere.path().join("none.ndjson"), "c.ndjson");
    assert_eq!(read(folder.path()), (1, vec![Code::ExtractUnread; 2]));
}

/// A folder of a seed: good files of several forms, some of them below; how many referrals they hold.
fn good_files(folder: &Path, draw: &mut Draw) -> usize {
    let mut referrals = 0;
    for file in 0..draw.from(1, 4) {
        let below = ["", "monday", "monday/hilltop"][draw.below(3)];
        std::fs::create_dir_all(folder.join(below)).unwrap();
        let lines: Vec<String> = (0..draw.from(1, 5))
            .map(|line| REQUEST.replace("\"r\"", &format!("\"r{file}-{line}\"")))
            .collect();
        referrals += lines.len();
        let text = lines.join("\n");
        let entries: Vec<String> = lines
            .iter()
            .map(|line| format!(r#"{{"resource":{line}}}"#))
            .collect();
        let collection = bundle("collection", &entries.join(","), "");
        let searchset = bundle(
            "searchset",
            &entries.join(","),
            &format!(r#","total":{}"#, lines.len()),
        );
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let (name, bytes) = match draw.below(7) {
            0 => ("ndjson", text.into_bytes()),
            1 => ("jsonl", format!("{text}\r\n").into_bytes()),
            2 => ("ndjson.gz", packed(&text)),
            3 => ("json", collection.into_bytes()),
            4 => ("json.gz", packed(&searchset)),
            5 => ("ndjson", format!("{WARNING}\n\n{text}\n").into_bytes()),
            _ => ("ndjson", utf16),
        };
        std::fs::write(folder.join(below).join(format!("{file}.{name}")), bytes).unwrap();
    }
    for (name, text) in [
        ("truth.json", r#"{"people":50}"#),
        ("readme.txt", "Made on Monday"),
    ] {
        if draw.below(2) == 0 {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    referrals
}

/// One thing more that is not read, or that says that something is missing.
fn bad_file(folder: &Path, draw: &mut Draw) {
    let gz = packed(&format!("{REQUEST}\n").repeat(draw.from(2, 9)));
    let cut = gz.len() - draw.from(1, 12);
    let line = REQUEST.replace("\"r\"", "\"late\"");
    let half = line
        .get(..draw.from(1, line.len() - 1))
        .unwrap_or("{")
        .to_owned();
    let resource = format!(r#"{{"resource":{line}}}"#);
    let next = r#","link":[{"relation":"next","url":"http://h/fhir?page=2"}]"#;
    let failed = |status: &str| format!(r#"{resource},{{"response":{{"status":"{status}"}}}}"#);
    let (name, bytes) = match draw.below(14) {
        0 => ("x.ndjson.gz", gz[..cut].to_vec()),
        1 => ("x.ndjson", half.into_bytes()),
        2 => ("x.zip", b"PK\x03\x04rest".to_vec()),
        3 => ("x.ndjson.part", line.into_bytes()),
        4 => ("x.json", ERROR.as_bytes().to_vec()),
        5 => ("x.ndjson", format!("{line}\n{ERROR}\n").into_bytes()),
        6 => ("x.json", bundle("searchset", &resource, next).into_bytes()),
        7 => (
            "x.json",
            bundle("batch-response", &failed("500"), "").into_bytes(),
        ),
        8 => (
            "x.json",
            bundle("batch-response", &failed("429 Too Many"), "").into_bytes(),
        ),
        9 => (
            "x.json",
            bundle("searchset", &resource, r#","total":2"#).into_bytes(),
        ),
        10 => (
            "x.ndjson",
            line.replace('é', &"x".repeat(1_001)).into_bytes(),
        ),
        11 => ("x.json", format!(r#"{{"results":[{line}]}}"#).into_bytes()),
        12 => (
            "x.json",
            bundle("collection", &format!("{resource},{{}}"), "").into_bytes(),
        ),
        _ => (
            "x.xml",
            b"<Patient xmlns=\"http://hl7.org/fhir\"/>".to_vec(),
        ),
    };
    let below = ["", "tuesday"][draw.below(2)];
    std::fs::create_dir_all(folder.join(below)).unwrap();
    std::fs::write(folder.join(below).join(name), bytes).unwrap();
}

#[test]
fn certificates_of_folders_are_complete_unless_an_input_is_skipped_or_says_otherwise() {
    for seed in seeds(20) {
        for honest in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let mut draw = Draw::of(seed, u64::from(honest));
            let referrals = good_files(folder.path(), &mut draw);
            if !honest {
                bad_file(folder.path(), &mut draw);
            }
            let (found, said) = read(folder.path());
            let missing = said.iter().any(|code| *code != Code::NotAResource);
            assert_eq!(missing, !honest, "seed {seed}: {said:?}");
            assert!(
                found >= referrals && (!honest || found == referrals),
                "seed {seed}"
            );
        }
    }
}
