//! A hostile or clumsy partner, server or disk, from the outside: what each of them tries once, and what must come of it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::support::answering::{Answering, Headers};
use super::support::partner_file::{PartnerFile, partners};
use super::support::people::{day, referral};
use super::support::source::Source;
use super::support::world::{Row, World};

/// A reference that is well written and nobody's.
const NOBODYS: &str = "K7M3-9QXD-4T2F";
const TOKEN: &str = "swordfish-of-the-tests";

/// A row was sent to each of two partners.
fn sent_two() -> World {
    let mut world = World::of_folder(&partners());
    let people = [
        referral(1, "Anna", "Beech", "elm"),
        referral(2, "Ben", "Cedar", "oak"),
    ];
    world.gp_refers(&people.concat());
    world.kith(&["run", "--once"], 0);
    assert_eq!(world.rows().len(), 2);
    world
}

#[test]
fn a_pipe_a_device_or_a_link_in_place_of_a_drop_is_a_finding_at_once() {
    let world = sent_two();
    let drop = world.home.drops("elm").remove(0);
    let kept = world.home.below("kept");
    fs::rename(&drop, &kept).unwrap();
    let pipe = |path: &std::path::Path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let places: [&dyn Fn(); 3] = [
        &|| pipe(&drop),
        &|| symlink("/dev/zero", &drop).unwrap(),
        &|| symlink(&kept, &drop).unwrap(),
    ];
    for put in places {
        put();
        let proof = world.home.ran(&["prove", "--json"], 1).json();
        let findings = proof["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "{proof}");
        assert_eq!(findings[0]["code"], "changed-after-delivery");
        fs::remove_file(&drop).unwrap();
    }
    fs::rename(&kept, &drop).unwrap();
    world.home.ran(&["prove"], 0);
    // Nor does a folder with a pipe in it keep anybody.
    fs::create_dir(world.home.below("ext")).unwrap();
    pipe(&world.home.below("ext/b.ndjson"));
    symlink("/etc/passwd", world.home.below("ext/c.ndjson")).unwrap();
    let input = world.home.below("ext").display().to_string();
    let map = [
        "map",
        "--partner",
        "elm",
        "--input",
        &input,
        "--output",
        "-",
    ];
    let ran = world.home.ran(&map, 1);
    for name in ["b.ndjson", "c.ndjson"] {
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
    }
    assert!(!ran.stdout.contains("root:"), "{}", ran.stdout);
}

/// The receipts of a partner, by the name of the return.
fn receipt(world: &World, partner: &str, name: &str) -> Option<Value> {
    let path = format!("var/partners/{partner}/out/receipts/{name}.receipt.json");
    let text = fs::read_to_string(world.home.below(&path)).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of files and one run")]
fn whatever_lies_in_a_partners_folder_is_answered_or_left_and_writes_nothing_of_its_own() {
    let world = sent_two();
    let folder = world.home.below("var/partners/elm/in");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b'0'; 20_000_000]).unwrap();
    let bomb = packed.finish().unwrap();
    let row = |reference: &str| format!("{reference},,Anna Beech,01/12/2026,Y,,\n");
    let head = "Our ref,Check,Name,Date seen,Attended?,Outcome,Stopped?\n";
    let theirs: Vec<Row> = world.rows();
    let theirs = theirs.iter().find(|row| row["partner"] == "oak").unwrap();
    let strange = [row(&theirs["Our ref"]), row(NOBODYS), row("' OR 1=1 --")];
    let formulas = ["=cmd|' /C calc'!A0", "+1+1", "@SUM(1)", "x,=1+1", "\\t=1"];
    let formulas: String = formulas
        .iter()
        .map(|one| format!("\"{one}\",,,,,,\n"))
        .collect();
    let answered: [(&str, Vec<u8>); 6] = [
        ("returns 1.csv", bomb),
        ("returns 2.csv", b"a,".repeat(11_000_000)),
        (
            "returns 3.csv",
            [b"\"".to_vec(), vec![b'x'; 3_000_000]].concat(),
        ),
        (
            "returns 4.csv",
            format!("{head}{}", strange.concat()).into_bytes(),
        ),
        ("returns 5.csv", format!("{head}{formulas}").into_bytes()),
        (
            "returns 6.csv",
            format!("{head}{}", ",,,,,,\n".repeat(5_000)).into_bytes(),
        ),
    ];
    for (name, bytes) in &answered {
        fs::write(folder.join(name), bytes).unwrap();
    }
    for name in [
        "returns \u{1b}[31mRED\u{1b}]0;title\u{7}.csv",
        "returns x\nerror[FAKE-001] all is well.csv",
        "returns \u{202e}vsc.exe.csv",
    ] {
        fs::write(folder.join(name), format!("{head}{}", row(NOBODYS))).unwrap();
    }
    // They have stood still for an hour.
    for file in fs::read_dir(&folder).unwrap().flatten() {
        if file.file_type().unwrap().is_file() {
            let long = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
            fs::File::options()
                .append(true)
                .open(file.path())
                .unwrap()
                .set_modified(long)
                .unwrap();
        }
    }
    symlink("/etc/passwd", folder.join("returns 8.csv")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(folder.join("returns 9.csv"))
            .status()
            .unwrap()
            .success()
    );
    let ran = world
        .home
        .ran(&["run", "--once", "collect", "match", "-vvv"], 1);
    let shown = ["status", "held list", "prove"].map(|command| {
        let words: Vec<&str> = command.split(' ').collect();
        let ran = world.home.kith(&words);
        ran.stdout + &ran.stderr
    });
    for said in shown.iter().chain([&ran.stdout, &ran.stderr]) {
        assert!(
            !said.contains('\u{1b}') && !said.contains("\nerror[FAKE"),
            "{said}"
        );
    }
    let receipts = world.home.below("var/partners/elm/out/receipts");
    let receipts: Vec<String> = fs::read_dir(receipts)
        .unwrap()
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for (name, _) in &answered {
        let name = format!("{}.receipt", name.trim_end_matches(".csv"));
        let there = receipts.iter().any(|receipt| receipt.starts_with(&name));
        assert!(there, "no {name} among {receipts:?}");
    }
    // A link and a FIFO are answered, and nothing is said of where they lead.
    for (name, why) in [
        ("returns 8", "This is a link, and we do not follow links"),
        ("returns 9", "This is no file"),
    ] {
        let told = receipt(&world, "elm", name).unwrap();
        assert_eq!(told["what_is_wrong"], why);
        assert!(!told.to_string().contains("passwd"), "{told}");
    }
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        2,
        "done and refused"
    );
    let told = receipt(&world, "elm", "returns 4").unwrap();
    let words = |at: usize| {
        let row = &told["rows"][at];
        [&row["what_is_wrong"], &row["what_to_do"]].map(Clone::clone)
    };
    assert_eq!(
        words(0),
        words(1),
        "another's reference and nobody's get the same words"
    );
    let sheet = world
        .home
        .below("var/partners/elm/out/receipts/returns 5.receipt.csv");
    for line in fs::read_to_string(sheet).unwrap().lines() {
        let cells = line
            .split(',')
            .map(|cell| cell.trim_matches(['"', '\u{feff}']));
        let formula = |cell: &str| cell.starts_with(['=', '+', '@', '\t']);
        assert!(!cells.into_iter().any(formula), "{line}");
    }
    world.home.ran(&["prove"], 0);
}

#[test]
fn no_cell_begins_with_a_formula_by_whichever_delimiter_the_file_is_opened() {
    let marks = [",", ";", "\t"];
    let columns = |id: &str, delimiter: &str| {
        PartnerFile::of(id)
            .shares(&["patient.name", "referral.activity", "referral.note"])
            .with("deliver", format!("format = {{ delimiter = \"{delimiter}\", encoding = \"utf-8\", newline = \"lf\", quote = \"necessary\", formula = \"escape\" }}"))
            .column("Note", "referral.note")
    };
    let files = [
        columns("elm", ","),
        columns("fir", ";"),
        columns("oak", "\\t"),
    ];
    let mut world = World::of_folder(&files);
    let mut records = Vec::new();
    for (n, partner) in (0..).zip(["elm", "fir", "oak"]) {
        for (m, mark) in (0..).zip(marks) {
            let [person, mut request] = referral(3 * n + m + 1, "Anna", "Beech", partner);
            let note = format!("Please phone first{mark}=1+cmd|' /C calc'!A0{mark}thank you");
            request["note"] = json!([{"text": note}]);
            records.extend([person, request]);
        }
    }
    world.gp_refers(&records);
    world.kith(&["run", "--once"], 0);
    let mut notes = 0;
    for partner in ["elm", "fir", "oak"] {
        let text = fs::read_to_string(&world.home.drops(partner)[0]).unwrap();
        notes += text.matches("cmd|").count();
        for mark in marks {
            let cells = text.split(['\n', mark.chars().next().unwrap()]);
            for cell in cells.map(|cell| cell.trim_matches('"')) {
                let formula = cell.starts_with(['=', '+', '@']) && cell.contains("cmd|");
                assert!(!formula, "{partner} by {mark:?}: {cell}");
            }
        }
    }
    assert_eq!(notes, 9);
}

#[test]
fn a_partner_whose_folder_takes_no_drop_for_two_runs_is_named_and_keeps_nobody_up() {
    let mut world = World::of_folder(&partners());
    world.kith(&["run", "--once", "collect"], 0);
    let both = |n: u32| {
        let people = [
            referral(n, "Anna", "Beech", "elm"),
            referral(n + 1, "Ben", "Cedar", "oak"),
        ];
        people.concat()
    };
    world.gp_refers(&both(1));
    let planted = format!(
        "var/partners/elm/out/referrals_{}_000001.csv",
        day(0).strftime("%Y%m%d")
    );
    world.home.write(&planted, "mine");
    let sent = |world: &World, partner: &str| {
        let rows = world
            .rows()
            .into_iter()
            .filter(|row| row["partner"] == partner);
        rows.count()
    };
    for run in 1..3 {
        world.kith(&["run", "--once"], 1);
        fs::rename(world.home.below(&planted), world.home.below("mine")).unwrap();
        assert_eq!(
            (sent(&world, "elm"), sent(&world, "oak")),
            (0, run),
            "run {run}"
        );
        fs::rename(world.home.below("mine"), world.home.below(&planted)).unwrap();
        let status = world.kith(&["status"], 1).stdout;
        let first = status.lines().next().unwrap();
        assert!(
            first.starts_with("Needs somebody ") && first.contains("elm"),
            "{status}"
        );
        world.gp_refers(&both(10 * u32::try_from(run).unwrap()));
    }
    assert_eq!(fs::read(world.home.below(&planted)).unwrap(), b"mine");
    fs::remove_file(world.home.below(&planted)).unwrap();
    for _ in 0..2 {
        world.kith(&["run", "--once"], 0);
    }
    assert_eq!((sent(&world, "elm"), sent(&world, "oak")), (3, 3));
    let mut references: Vec<String> = world
        .rows()
        .iter()
        .map(|row| row["Our ref"].clone())
        .collect();
    references.sort();
    references.dedup();
    assert_eq!(references.len(), 6, "each once");
    world.proves();
}

#[test]
fn a_store_is_its_owners_alone_wherever_it_lies() {
    let mut world = World::of_folder(&[PartnerFile::of("elm")]);
    world.home.edit(
        "config/kith.toml",
        "sqlite://var/kith.db",
        "sqlite://data/kith.db",
    );
    fs::create_dir(world.home.below("data")).unwrap();
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    let run = format!(
        "umask 0000; {} --config {} run --once",
        env!("CARGO_BIN_EXE_kith"),
        world.home.config()
    );
    let ran = Command::new("bash").args(["-c", &run]).output().unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let store = fs::metadata(world.home.below("data/kith.db")).unwrap();
    assert_eq!(store.permissions().mode() & 0o777, 0o600);
    fs::set_permissions(world.home.below("data"), fs::Permissions::from_mode(0o777)).unwrap();
    let check = world.home.kith(&["check"]);
    assert!(
        check.stderr.contains("data can be changed by others"),
        "{}",
        check.stderr
    );
}

/// What a server of this trick answers to a search, an export or the status of one; `other` is an origin that is not its own.
#[expect(clippy::too_many_lines, reason = "a table of tricks")]
fn trick(name: &str, path: &str, other: &str) -> (u16, Headers, Value) {
    let [person, request] = referral(1, "Zqfirst", "Zqsecond", "elm");
    let entry = |resource: &Value, id: &str| {
        let url = format!(
            "BASE/fhir/{}/{id}",
            resource["resourceType"].as_str().unwrap()
        );
        json!({"fullUrl": url, "resource": resource})
    };
    let page = |next: Option<String>| {
        let links: Vec<Value> = next
            .iter()
            .map(|url| json!({"relation": "next", "url": url}))
            .collect();
        let entries = [entry(&request, "request-1"), entry(&person, "person-1")];
        (
            200,
            Vec::new(),
            json!({"resourceType": "Bundle", "type": "searchset", "entry": entries, "link": links}),
        )
    };
    let manifest = |url: String, token: bool| {
        (
            200,
            Vec::new(),
            json!({"transactionTime": "2026-11-23T06:00:00Z", "request": "x", "requiresAccessToken": token,
            "output": [{"type": "ServiceRequest", "url": url}], "error": []}),
        )
    };
    let host = other.trim_start_matches("http://");
    if path.ends_with("/metadata") {
        let statement = json!({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"mode": "server"}]});
        return (200, Vec::new(), statement);
    }
    if path.contains("$export") {
        let at = if name == "bulk-status" {
            other
        } else {
            "BASE/fhir"
        };
        return (
            202,
            vec![("content-location", format!("{at}/status"))],
            json!({}),
        );
    }
    match (name, path.ends_with("/status")) {
        ("bulk-token", true) => manifest(format!("{other}/steal"), true),
        ("bulk-open", true) => manifest(
            format!(
                "{}/admin/shutdown?now=1",
                other.replace("127.0.0.1", "localhost")
            ),
            false,
        ),
        ("bulk-file", true) => manifest("file:///etc/passwd".to_owned(), false),
        ("bulk-user", true) => manifest(format!("http://u:p@{host}/x"), false),
        ("next-foreign", _) => page(Some(format!("{other}/fhir/ServiceRequest?page=2"))),
        ("next-user", _) => page(Some(format!("http://127.0.0.1:80@{host}/fhir"))),
        ("next-scheme", _) => page(Some(format!("//{host}/fhir"))),
        ("redirect-302", _) => (
            302,
            vec![("location", format!("{other}/fhir/x"))],
            json!({}),
        ),
        ("redirect-307", _) => (
            307,
            vec![("location", format!("{other}/fhir/x"))],
            json!({}),
        ),
        ("redirect-308", _) => (
            308,
            vec![("location", format!("{other}/fhir/x"))],
            json!({}),
        ),
        ("error-body", _) => (
            422,
            Vec::new(),
            json!({"resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": "ZZSECRETCODE", "diagnostics": "Zqfirst 9000000009 \u{1b}[31m"}]}),
        ),
        ("ids", _) => {
            let bad = [
                "../../../etc/passwd",
                "a'); drop table leg;--",
                "x\r\nX-Evil: 1",
                "p1%0d%0aX: 1",
                "?x=1#y",
                "\u{202e}",
            ];
            let entries: Vec<Value> = bad
                .iter()
                .map(|id| {
                    let mut request = request.clone();
                    request["id"] = json!(id);
                    request["subject"]["reference"] = json!(format!("{other}/fhir/Patient/{id}"));
                    json!({"resource": request})
                })
                .collect();
            (
                200,
                Vec::new(),
                json!({"resourceType": "Bundle", "type": "searchset", "entry": entries}),
            )
        }
        _ => (404, Vec::new(), json!({"resourceType": "OperationOutcome"})),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of tricks and one run")]
fn no_trick_of_a_server_takes_kith_or_its_credentials_to_another_host() {
    let elsewhere = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&elsewhere);
    let other = Answering::start(move |_, _, _| {
        count.fetch_add(1, Ordering::SeqCst);
        (200, json!({"resourceType": "Bundle", "type": "searchset"}))
    });
    let tricks = [
        "next-foreign",
        "next-user",
        "next-scheme",
        "redirect-302",
        "redirect-307",
        "redirect-308",
        "error-body",
        "ids",
        "bulk-status",
        "bulk-token",
        "bulk-open",
        "bulk-file",
        "bulk-user",
    ];
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, to) = (Arc::clone(&asked), other.origin.clone());
    let server = Answering::with_headers(move |_, path, _| {
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        log.lock().unwrap().push(name.to_owned());
        let (status, headers, body) = trick(name, rest, &to);
        let here = |text: &str| text.replace("BASE", &format!("BASE/{name}"));
        let headers = headers
            .into_iter()
            .map(|(name, text)| (name, here(&text)))
            .collect();
        (
            status,
            headers,
            serde_json::from_str(&here(&body.to_string())).unwrap(),
        )
    });
    let source = |name: &&str| {
        let base = format!("{}/{name}/fhir", server.origin);
        let source = if name.starts_with("bulk") {
            Source::exported(name, &base)
        } else {
            Source::searched(name, &base)
        };
        source.push("{ kind = \"off\" }").auth(
            "{ kind = \"bearer\", token = { env = \"TOKEN\" } }\nlimits = { retries_max = 0 }",
        )
    };
    let sources: Vec<Source> = tricks.iter().map(source).collect();
    let world = World::of(&sources, &[PartnerFile::of("elm")]);
    let run = ["run", "--once", "pull", "select", "-vvv", "--json"];
    let ran = world
        .home
        .kith_with(&run, &[("TOKEN", TOKEN)])
        .expect_code(1);
    assert_eq!(
        elsewhere.load(Ordering::SeqCst),
        0,
        "another host was asked"
    );
    let asked = asked.lock().unwrap();
    for name in tricks {
        assert!(asked.iter().any(|one| one == name), "{name} was not asked");
    }
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for word in [
        TOKEN,
        "Zqfirst",
        "Zqsecond",
        "9000000009",
        "ZZSECRETCODE",
        "\u{1b}",
        "root:",
    ] {
        assert!(!said.contains(word), "{word:?} is in the output: {said}");
    }
    let certificates = ran.json()["certificates"].as_array().unwrap().clone();
    assert_eq!(certificates.len(), tricks.len());
    for line in certificates {
        assert_ne!(line["verdict"], "complete", "{line}");
    }
}
