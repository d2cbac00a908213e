//! `kith map diff` and `kith check --fixtures`: what another version of a partner file would change, exactly.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::support::edit::replace;
use super::support::home::{Home, Ran};
use super::support::partner_file::{PARTNERS, PartnerFile};
use super::support::people::{ndjson, referral};
use super::support::world::World;

const SEX: &str = r#"from = "patient.gender"
codes = { female = "F", male = "M", other = "U", unknown = "U" }
unmapped = "hold""#;
const NOTE: &str = r#"from = "referral.note"
max_length = 40
too_long = "truncate""#;
const FILE: &str = "mappings/partners/elm.toml";
/// What of the file is changed into what.
const SEEDED: [(&str, &str); 7] = [
    (
        "date = \"%d/%m/%Y\"\n[[deliver.column]]\nheader = \"Sex\"",
        "date = \"%Y-%m-%d\"\n[[deliver.column]]\nheader = \"Sex\"",
    ),
    ("female = \"F\"", "female = \"Female\""),
    (
        "from = \"patient.phone\"\n",
        "from = \"patient.phone\"\ndefault = \"no phone\"\n",
    ),
    ("max_length = 40", "max_length = 20"),
    (
        "[[deliver.column]]\nheader = \"Why\"\nfrom = \"referral.reason\"\n",
        "",
    ),
    (
        "[[deliver.column]]\nheader = \"Phone\"",
        "[[deliver.column]]\nheader = \"Area\"\nfrom = \"patient.postcode\"\n[[deliver.column]]\nheader = \"Phone\"",
    ),
    (
        "activities = [\"befriending\"]",
        "activities = [\"befriending\"]\nage_years = { max = 90 }",
    ),
];
const PEOPLE: u32 = 20;

#[test]
fn seven_differences_are_listed_exactly_and_none_of_a_reformatted_file() {
    let home = world();
    let old = fs::read_to_string(home.below(FILE)).expect("a partner file");
    let mut new = old.clone();
    for (from, to) in SEEDED {
        assert_eq!(new.matches(from).count(), 1, "{from}");
        new = replace(&new, from, to);
    }
    home.write("old.toml", &old);
    home.write("new.toml", &new);
    home.write("same.toml", reformatted(&old));

    let input = home.below("extracts").display().to_string();
    let found = diff(&home, "new.toml", &["--input", &input, "--json"]);
    assert_seeded(&found.stdout, "2.ndjson, byte ");
    for secret in ["Person", "Shared", "1951", "07700", "BS1", "likes"] {
        assert!(!found.stdout.contains(secret), "{secret} is shown");
    }
    let values = diff(&home, "new.toml", &["--input", &input, "--values"]);
    assert!(values.stdout.contains("\"12/04/1951\" -> \"1951-04-12\""));
    let people = diff(&home, "new.toml", &["--input", &input]);
    assert!(people.stdout.contains("99/99/9999 (10) -> 9999-99-99 (10)"));

    let sum = json!({"referrals": PEOPLE, "cells": 0, "rows": 0});
    let same = diff(&home, "same.toml", &["--input", &input, "--json"]);
    assert_eq!(lines(&same.stdout), vec![sum.clone()], "a reformatted file");

    home.kith(&["run", "--once"]).expect_code(0);
    let kept = diff(&home, "new.toml", &["--since", "30d", "--json"]);
    assert_seeded(&kept.stdout, "");
    let same = diff(&home, "same.toml", &["--since", "30d", "--json"]);
    assert_eq!(lines(&same.stdout), [sum], "a reformatted file");
    refusals(&home, &old);
}

fn refusals(home: &Home, old: &str) {
    let file = |name: &str| home.below(name).display().to_string();
    let (old_file, new_file) = (file("old.toml"), file("new.toml"));
    let refused = |arguments: &[&str], words: &str| {
        let ran = home.kith(arguments).expect_code(2);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    };
    let diff = ["map", "diff", &old_file, &new_file];
    refused(&diff, "--input");
    refused(&[&diff[..], &["--since", "soon"]].concat(), "write 30d");
    refused(
        &[&diff[..], &["--since", "30d", "--values"]].concat(),
        "--values",
    );
    home.write(
        "other.toml",
        fs::read(home.below("mappings/partners/oak.toml")).expect("oak"),
    );
    let other = file("other.toml");
    refused(
        &["map", "diff", &old_file, &other, "--since", "30d"],
        "two partners",
    );
    home.write(
        "broken.toml",
        replace(old, "from = \"patient.phone\"", "from = \"patient.fone\""),
    );
    let broken = file("broken.toml");
    refused(
        &["map", "diff", &old_file, &broken, "--since", "30d"],
        "PTR-003",
    );
    // What `kith map` asked for before, it asks for still.
    refused(&["map"], "--input");
}

/// The lines of the seven differences: how many of which column, and where.
fn assert_seeded(stdout: &str, place: &str) {
    let lines = lines(stdout);
    let mut count: BTreeMap<String, u32> = BTreeMap::new();
    for line in &lines {
        if line["where"].is_string() {
            let at = line["where"].as_str().expect("a place");
            assert!(
                at.starts_with(place) || place.is_empty() || at.contains(".ndjson, byte "),
                "{line}"
            );
        }
        let what = ["column", "column_added", "column_removed"];
        let named = what
            .iter()
            .find_map(|key| Some(format!("{key} {}", line[key].as_str()?)));
        let row = line["row_after"].as_str().map(str::to_owned);
        *count
            .entry(named.or(row).unwrap_or_else(|| "sum".to_owned()))
            .or_default() += 1;
    }
    // Number 3 is too old for the new version, 4 has no phone, 5 has much to say.
    let row = count
        .keys()
        .find(|key| key.starts_with("held criteria"))
        .cloned();
    let wanted = BTreeMap::from([
        ("column Born".to_owned(), PEOPLE - 1),
        ("column Sex".to_owned(), PEOPLE - 1),
        ("column Phone".to_owned(), 1),
        ("column Note".to_owned(), 1),
        ("column_added Area".to_owned(), 1),
        ("column_removed Why".to_owned(), 1),
        (row.unwrap_or_default(), 1),
        ("sum".to_owned(), 1),
    ]);
    assert_eq!(count, wanted, "{stdout}");
    let sum = json!({"referrals": PEOPLE, "cells": 2 * PEOPLE, "rows": 1});
    assert_eq!(lines.last(), Some(&sum));
}

#[test]
fn a_partners_own_examples_are_held_against_its_file() {
    let home = world();
    let check = |code: i32| home.ran(&["check", "--fixtures", "--json"], code).json();
    assert_eq!(
        check(0)["examples"],
        json!({"files": 0, "rows": 0}),
        "none is said to be none"
    );

    let folder = "mappings/partners/elm.examples";
    let extract = fs::read(home.below("extracts/2.ndjson")).expect("an extract");
    home.write(&format!("{folder}/2026-11-23 first.ndjson"), extract);
    let csv = home
        .below(&format!("{folder}/2026-11-23 first.csv"))
        .display()
        .to_string();
    let input = home.below("extracts").display().to_string();
    let map = ["map", "--partner", "elm", "--input", &input, "--select"];
    home.ran(&[&map[..], &["--output", &csv]].concat(), 0);
    assert_eq!(check(0)["examples"], json!({"files": 1, "rows": PEOPLE}));
    let plain = home.kith(&["check", "--fixtures"]).expect_code(0);
    assert!(
        plain.stdout.contains("1 example files, 20 rows"),
        "{}",
        plain.stdout
    );

    differences(&home, &csv, &check);
}

/// Each difference at its place, and none of its values.
fn differences(home: &Home, csv: &str, check: &dyn Fn(i32) -> Value) {
    let good = fs::read_to_string(csv).expect("rows");
    // A cell in the fourth line, and a last row that nobody asked for.
    let mut lines: Vec<String> = good.lines().map(str::to_owned).collect();
    lines[3] = replace(&lines[3], "12/04/1931", "13/04/1931");
    lines.push(lines[3].clone());
    fs::write(csv, lines.join("\r\n") + "\r\n").expect("rows");
    assert_eq!(
        problems(&check(2)),
        [("PTR-050".to_owned(), 4, 5), ("PTR-050".to_owned(), 22, 1)]
    );
    let told = home.kith(&["check", "--fixtures"]).expect_code(2);
    assert!(
        told.stderr
            .contains("elm.examples/2026-11-23 first.csv:4:5"),
        "{}",
        told.stderr
    );
    assert!(
        !told.stderr.contains("1931"),
        "a value is told: {}",
        told.stderr
    );

    fs::write(csv, replace(&good, "Born", "Birthday")).expect("rows");
    assert_eq!(
        problems(&check(2)),
        [("PTR-050".to_owned(), 1, 5)],
        "under another header, once"
    );
    fs::remove_file(csv).expect("rows");
    assert_eq!(
        problems(&check(2)).len(),
        1,
        "an example without its rows is no example"
    );
    assert_eq!(
        home.kith(&["check"]).expect_code(0).code,
        0,
        "only if it is asked for"
    );
}

/// Code, line and column of every error.
fn problems(checked: &Value) -> Vec<(String, u64, u64)> {
    let all = checked["problems"].as_array().expect("problems").iter();
    all.filter(|problem| problem["severity"] == "error")
        .map(|problem| {
            let number = |key: &str| problem["where"][key].as_u64().unwrap_or_default();
            let code = problem["code"].as_str().unwrap_or_default().to_owned();
            (code, number("line"), number("column"))
        })
        .collect()
}

fn with_seven_columns(id: &str) -> PartnerFile {
    PartnerFile::of(id)
        .shares(&[
            "patient.name",
            "patient.birth_date",
            "patient.gender",
            "patient.phone",
            "patient.postcode",
            "referral.reason",
            "referral.note",
            "referral.activity",
        ])
        .column_of("Born", "from = \"patient.birth_date\"\ndate = \"%d/%m/%Y\"")
        .column_of("Sex", SEX)
        .column("Phone", "patient.phone")
        .column("Why", "referral.reason")
        .column_of("Note", NOTE)
}

/// Twenty people at one practice; three of them are made to be told apart by one change each.
fn world() -> Home {
    let world = World::of_folder(&PARTNERS.map(with_seven_columns));
    let mut all = Vec::new();
    for n in 1..=PEOPLE {
        let [mut patient, mut request] = referral(n, &format!("Person{n}"), "Shared", "elm");
        match n {
            3 => patient["birthDate"] = json!("1931-04-12"),
            4 => patient["telecom"] = json!([]),
            5 => request["note"] = json!([{"text": "likes walking, music and company"}]),
            _ => request["note"] = json!([{"text": "likes walking"}]),
        }
        all.extend([patient, request]);
    }
    world.home.write("extracts/2.ndjson", ndjson(&all));
    world.home
}

/// The same file to a machine: comments, blank lines, other spaces, another order of keys and of sections.
fn reformatted(file: &str) -> String {
    let moved = replace(
        file,
        "id = \"elm\"\nname = \"The elm project\"\n",
        "name = \"The elm project\"\nid = \"elm\"\n",
    );
    let moved = replace(
        &moved,
        "female = \"F\", male = \"M\", other = \"U\", unknown = \"U\"",
        "unknown = \"U\",other = \"U\",   male = 'M', female = \"F\"",
    );
    let (head, select) = moved.split_once("[select]\n").expect("a section");
    let (select, rest) = select.split_once("[share]\n").expect("a section");
    let moved = format!("{head}[share]\n{rest}\n[select]\n{select}");
    assert_ne!(moved, file);
    let lines = moved
        .lines()
        .map(|line| format!("{}  # signed\n\n", spaced(line)));
    lines.collect()
}

/// With other spaces around the key's equals sign, if it has one.
fn spaced(line: &str) -> String {
    let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
    if value.is_empty() {
        line.to_owned()
    } else {
        format!("{key}   =  {value}")
    }
}

fn diff(home: &Home, new: &str, arguments: &[&str]) -> Ran {
    let (old, new) = (home.below("old.toml"), home.below(new));
    let (old, new) = (old.display().to_string(), new.display().to_string());
    home.kith(&[&["map", "diff", &old, &new], arguments].concat())
        .expect_code(0)
}

fn lines(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}
