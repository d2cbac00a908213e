//! With `--log-format json` every line on standard error is one JSON object, whatever happens; a run's lines name the run.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Map, Value};

use super::support::home::{Home, Ran, kith};
use super::support::partner_file::PartnerFile;
use super::support::people::referral;
use super::support::world::{World, came};

const JSON: [&str; 2] = ["--log-format", "json"];
const LOUD: [&str; 6] = ["run", "--once", "--json", "-v", "--log-format", "json"];
const STAGES: [&str; 8] = [
    "pull",
    "select",
    "map",
    "deliver",
    "collect",
    "match",
    "push",
    "reconcile",
];
/// What a line counts, and a book too.
const COUNTED: [&str; 5] = ["received", "accepted", "repeated", "rejected", "held"];

/// Stage, source, partner, return.
type Batch = [String; 4];
type Counts = BTreeMap<Batch, [u64; 5]>;

/// The lines on standard error, each an object that says when, how grave, and what.
fn lines(ran: &Ran) -> Vec<Map<String, Value>> {
    let of = |line: &str| {
        let parsed = serde_json::from_str(line);
        let Ok(Value::Object(object)) = parsed else {
            panic!("no JSON object: {line}");
        };
        for key in ["timestamp", "level", "message"] {
            assert!(object[key].is_string(), "{key} of {line}");
        }
        object
    };
    ran.stderr.lines().map(of).collect()
}

fn with_code<'l>(lines: &'l [Map<String, Value>], code: &str) -> Vec<&'l Map<String, Value>> {
    let of = |line: &&Map<String, Value>| line.get("code").is_some_and(|found| found == code);
    lines.iter().filter(of).collect()
}

fn word(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn add(sums: &mut Counts, batch: Batch, from: impl Fn(&str) -> Option<u64>) {
    let sum = sums.entry(batch).or_default();
    for (sum, name) in sum.iter_mut().zip(COUNTED) {
        *sum += from(name).unwrap_or_else(|| panic!("no {name}"));
    }
}

/// What the lines of a run count, batch by batch.
fn counted(lines: &[Map<String, Value>]) -> Counts {
    let mut sums = Counts::new();
    for line in lines.iter().filter(|line| line.contains_key("received")) {
        assert_eq!(line["level"], "INFO", "{line:?}");
        let taken = line.get("return.id").and_then(Value::as_i64);
        let batch = [
            word(line.get("stage")),
            word(line.get("source.id")),
            word(line.get("partner.id")),
            taken.map_or_else(String::new, |id| format!("return {id}")),
        ];
        add(&mut sums, batch, |name| line[name].as_u64());
    }
    sums
}

/// What the books of the run count, batch by batch; a stage without a book counts nothing.
fn booked(summary: &Value) -> Counts {
    let mut sums = Counts::new();
    for book in summary["books"].as_array().expect("books") {
        let file = word(book.get("file"));
        let batch = [
            word(book.get("stage")),
            word(book.get("source")),
            word(book.get("partner")),
            if file.starts_with("return ") {
                file
            } else {
                String::new()
            },
        ];
        add(&mut sums, batch, |name| book[name].as_u64());
    }
    for stage in STAGES {
        if !sums.keys().any(|[booked, ..]| booked == stage) {
            let batch = [
                stage.to_owned(),
                String::new(),
                String::new(),
                String::new(),
            ];
            sums.insert(batch, [0; 5]);
        }
    }
    sums
}

/// Runs the loop: every line names the one run, and together the lines say what the books say.
fn assert_run(world: &World) -> (Vec<Map<String, Value>>, Value) {
    let ran = world.home.kith(&LOUD);
    let (lines, summary) = (lines(&ran), ran.json());
    let run = &summary["books"][0]["run"];
    assert!(run.is_i64(), "{summary}");
    for line in &lines {
        assert_eq!(line.get("run.id"), Some(run), "{line:?}");
    }
    assert_eq!(counted(&lines), booked(&summary));
    (lines, summary)
}

#[test]
fn the_lines_of_a_run_name_it_and_add_up_to_its_books() {
    let people = [(1, "Anna", "elm"), (2, "Ben", "oak"), (3, "Cara", "elm")];
    let records: Vec<Value> = people
        .into_iter()
        .flat_map(|(n, given, partner)| referral(n, given, "Beech", partner))
        .collect();
    let mut world = World::of_gp(&["elm", "oak"].map(PartnerFile::of), &records);
    let (_, first) = assert_run(&world);
    let told = world.row_of("Ben Beech");
    let partner = told["partner"].clone();
    for file in ["returns 1.csv", "returns 1 again.csv"] {
        let answers = came(1, "Y");
        world.partner_returns(&partner, file, &[(told.clone(), answers)]);
    }
    world
        .home
        .put_return(&partner, "returns 2.csv", b"Whose?,When?\n1,2\n");
    let (lines, second) = assert_run(&world);
    assert_ne!(first["books"][0]["run"], second["books"][0]["run"]);
    let refused = with_code(&lines, "COLLECT-003");
    assert_eq!(refused.len(), 1, "{lines:?}");
    assert_eq!(refused[0]["level"], "WARN");
    assert_eq!(refused[0]["owner"], "partner");
    // The GP system goes away with a write still to come.
    world.gp_goes();
    world.partner_returns(&partner, "returns 3.csv", &[(told, came(2, "N"))]);
    let (lines, _) = assert_run(&world);
    let down = with_code(&lines, "PULL-004");
    assert!(!down.is_empty(), "{lines:?}");
    assert!(down.iter().all(|line| line["level"] == "ERROR"));
}

#[test]
fn what_cannot_start_says_so_in_objects_too() {
    let world = World::of_folder(&[PartnerFile::of("elm")]);
    let run = |arguments: &[&str]| world.kith(&[&["run", "--once"], arguments].concat(), 2);
    world
        .home
        .edit("config/kith.toml", "namespace", "colour = 1\nnamespace");
    let refused = lines(&run(&JSON));
    assert_eq!(with_code(&refused, "CFG-003").len(), 1, "{refused:?}");
    assert_eq!(refused[0]["where"]["line"], 1);
    assert!(!refused[0].contains_key("run.id"), "no run has begun");
    let text = run(&[]).stderr;
    assert!(text.starts_with("error[CFG-003] "), "{text}");
    world
        .home
        .edit("config/kith.toml", "colour = 1\nnamespace", "namespace");
    // The ledger cannot be opened.
    world.home.write("var/kith.db", "no ledger");
    let refused = lines(&run(&JSON));
    assert_eq!(with_code(&refused, "STORE-001").len(), 1, "{refused:?}");
    // No such installation, no such command.
    let nowhere = Home::new().kith(&[&["status"][..], &JSON].concat());
    assert_eq!(lines(&nowhere.expect_code(2)).len(), 1);
    for format in [&JSON[..], &["--log-format=json"]] {
        let unknown = kith(&[&["run", "--nonsense"], format].concat()).expect_code(2);
        let lines = lines(&unknown);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["level"], "ERROR");
        assert!(word(lines[0].get("message")).contains("--nonsense"));
    }
}

#[test]
fn the_error_that_ends_a_run_names_the_run() {
    let mut world = World::of_folder(&[PartnerFile::of("elm")]);
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    world.runs();
    let drop_table = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('DROP TABLE book')";
    let ledger = world.home.below("var/kith.db");
    let mut python = Command::new("python3");
    let dropped = python.args(["-c", drop_table]).arg(ledger).status();
    assert!(dropped.expect("python3 runs").success());
    let failed = lines(&world.kith(&[&["run", "--once"][..], &JSON].concat(), 2));
    let [line] = failed.as_slice() else {
        panic!("one line: {failed:?}");
    };
    assert!(line["run.id"].is_i64(), "{line:?}");
    assert!(!word(line.get("message")).contains("in run"), "{line:?}");
}

#[test]
fn no_line_is_longer_than_the_limit_says() {
    let world = World::of_folder(&[PartnerFile::of("elm")]);
    // The message names the key.
    let long = format!("[partner]\n{} = 1", "x".repeat(600));
    world
        .home
        .edit("mappings/partners/elm.toml", "[partner]", &long);
    for (bytes_max, left_out) in [(300, true), (4_000, false)] {
        let limits = format!("[limits]\nlog_line_bytes_max = {bytes_max}\n[store]");
        world.home.edit("config/kith.toml", "[store]", &limits);
        let refused = world.kith(&[&["check"][..], &JSON].concat(), 2);
        let shown = refused.stderr.lines().map(str::len).max();
        assert!(shown.is_some_and(|most| most <= bytes_max), "{shown:?}");
        let said = refused.stderr.contains("log_line_bytes_max");
        assert_eq!(said, left_out, "{}", refused.stderr);
        lines(&refused);
        world.home.edit("config/kith.toml", &limits, "[store]");
    }
}
