//! The repository's own rules, kept by reading its files: nothing is built, run or written here.
//!
//! Each test collects every breach before it fails, so that one run shows them all. A part of the tree that does not exist has no breaches.

#[path = "tidy/reading.rs"]
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use reading::{
    check_digit_agrees, crate_paths, files_below, folders_in, holds_word, major, module_depth,
    read, repository_texts, room_of, root, split_tests, starts_path, ten_digit_runs,
};

/// Lines of a source file above which a seam is looked for, and above which the file is too long.
const LINES_WARNED: usize = 400;
const LINES_MAX: usize = 600;
/// Which room may use which (`docs/ARCHITECTURE.md`); a room that is not here may use nothing of ours.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("diagnostics", &["domain"]),
    ("path", &["domain", "diagnostics"]),
    ("fhir", &["path", "domain", "diagnostics"]),
    ("tabular", &["path", "domain", "diagnostics"]),
    ("partner", &["path", "domain", "diagnostics"]),
    ("view", &["path", "domain", "diagnostics"]),
    ("seal", &["domain"]),
    ("store", &["seal", "domain", "diagnostics"]),
    ("ledger", &["seal", "domain", "diagnostics"]),
    ("transport", &["seal", "domain", "diagnostics"]),
    ("config", LOWEST),
    ("pipeline", LOWER),
    ("report", &["domain", "store"]),
    ("schedule", UPPER),
    ("console", UPPER),
    ("cli", UPPER),
    ("sandbox", UPPER),
    ("demo", UPPER),
    ("sim", UPPER),
    ("telemetry", &["config", "domain", "diagnostics"]),
    ("app", EVERYTHING),
    ("main", EVERYTHING),
    ("lib", EVERYTHING),
];
const LOWEST: &[&str] = &[
    "path",
    "fhir",
    "tabular",
    "partner",
    "seal",
    "domain",
    "diagnostics",
];
const LOWER: &[&str] = &[
    "path",
    "fhir",
    "tabular",
    "partner",
    "seal",
    "store",
    "ledger",
    "transport",
    "domain",
    "diagnostics",
];
const UPPER: &[&str] = &[
    "view",
    "path",
    "fhir",
    "tabular",
    "partner",
    "seal",
    "store",
    "ledger",
    "transport",
    "domain",
    "diagnostics",
    "pipeline",
    "report",
    "config",
    "app",
];
const EVERYTHING: &[&str] = &["*"];

/// Arrows beside the table: the room, the start of the path it uses, and why. The record of them is ADR 0007.
const MORE_ARROWS: &[(&str, &str, &str)] = &[
    (
        "transport",
        "tabular",
        "files are created in one place only, tabular::atomic, and a transport publishes them",
    ),
    (
        "partner",
        "tabular",
        "code files are CSV, which only tabular reads; a partner file names the format of a drop",
    ),
    (
        "partner",
        "fhir",
        "fields are derived by the readers of FHIR resources, which only fhir knows",
    ),
    (
        "report",
        "tabular",
        "the report's tables are CSV, which only tabular writes, under the formula rule",
    ),
    (
        "demo",
        "sandbox",
        "the demo's practice is a GP system of our own on loopback, which only sandbox is",
    ),
    (
        "cli",
        "demo",
        "kith demo is a command, and a command only calls its room",
    ),
    (
        "cli",
        "sandbox",
        "kith sandbox is a command, and a command only calls its room",
    ),
    (
        "cli",
        "telemetry",
        "the logs' form is an option of every command",
    ),
    (
        "pipeline",
        "config",
        "a room is given the sources of the config as they were checked, not a copy of their types",
    ),
];
/// Arrows that tests alone may use (ADR 0007): they do not bind the rooms.
const TEST_ARROWS: &[(&str, &str, &str)] = &[(
    "fhir",
    "sandbox",
    "the client is tested against our own GP system on loopback",
)];

const DRAWERS: [&str; 7] = [
    "util", "utils", "common", "helper", "helpers", "manager", "service",
];

/// Ten digits that are no NHS number though the check digit agrees: the ten digits in a row, and all zeros.
const NOT_NUMBERS: [&str; 2] = ["0123456789", "0000000000"];

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let mut breaches = Vec::new();
    for file in files_below("src", &["rs"]) {
        let room = room_of(&file);
        let (_, allowed) = ARROWS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{} is in no room of the table", file.display()));
        let text = read(&file);
        let (production, tests) = split_tests(&file, &text);
        for (part, in_tests) in [(production, false), (tests, true)] {
            for target in crate_paths(&part, module_depth(&file), in_tests) {
                let first = target.split("::").next().unwrap_or_default();
                let excepted = |list: &[(&str, &str, &str)]| {
                    list.iter()
                        .any(|(from, to, _)| *from == room && target.starts_with(to))
                };
                let fine = first == room
                    || allowed.contains(&"*")
                    || allowed.contains(&first)
                    || excepted(MORE_ARROWS)
                    || (in_tests && excepted(TEST_ARROWS));
                if !fine {
                    breaches.push(format!("{}: {room} may not use {target}", file.display()));
                }
            }
        }
    }
    report(&breaches);
}

#[test]
fn source_files_stay_short() {
    let mut breaches = Vec::new();
    for file in [files_below("src", &["rs"]), files_below("tests", &["rs"])].concat() {
        let lines = read(&file).lines().count();
        if lines > LINES_MAX {
            breaches.push(format!(
                "{}: {lines} lines, at most {LINES_MAX}",
                file.display()
            ));
        } else if lines > LINES_WARNED {
            println!(
                "warning: {}: {lines} lines, look for a seam",
                file.display()
            );
        }
    }
    report(&breaches);
}

#[test]
fn modules_are_named_for_what_they_hold() {
    let mut breaches = Vec::new();
    for file in [files_below("src", &["rs"]), files_below("tests", &["rs"])].concat() {
        let inline = read(&file)
            .lines()
            .filter_map(|line| {
                line.trim()
                    .strip_suffix('{')?
                    .split("mod ")
                    .nth(1)
                    .map(str::to_owned)
            })
            .collect::<Vec<_>>();
        let parts = file.with_extension("");
        let names = parts
            .iter()
            .filter_map(|part| part.to_str())
            .chain(inline.iter().map(String::as_str));
        for name in names {
            if DRAWERS.contains(&name.trim()) {
                breaches.push(format!(
                    "{}: a module called {}",
                    file.display(),
                    name.trim()
                ));
            }
        }
    }
    report(&breaches);
}

#[test]
fn no_partner_is_known_to_the_source() {
    let ids: BTreeSet<String> = files_below(".", &["toml"])
        .iter()
        .filter(|file| {
            // The partner of a file that is broken on purpose is nobody.
            !file.starts_with("fixtures/broken")
                && file
                    .parent()
                    .is_some_and(|parent| parent.ends_with("partners"))
        })
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .chain(folders_in("fixtures/partners"))
        .collect();
    let mut breaches = Vec::new();
    for file in files_below("src", &["rs", "sql", "toml"]) {
        if file.starts_with("src/demo") || file.starts_with("src/demo.rs") {
            continue;
        }
        for (number, line) in read(&file).lines().enumerate() {
            for id in &ids {
                if holds_word(line, id) {
                    breaches.push(format!(
                        "{}:{}: the partner id {id}",
                        file.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    report(&breaches);
}

#[test]
fn nhs_numbers_are_synthetic() {
    let mut breaches = Vec::new();
    for file in repository_texts() {
        for (number, line) in read(&file).lines().enumerate() {
            for digits in ten_digit_runs(line) {
                let known = NOT_NUMBERS.contains(&digits.as_str());
                if !digits.starts_with('9') && !known && check_digit_agrees(&digits) {
                    breaches.push(format!(
                        "{}:{}: a number that could be a person's: test numbers begin with 9",
                        file.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    report(&breaches);
}

#[test]
fn nothing_is_left_for_later_unsaid() {
    // Put together here, so that this file does not breach its own rule.
    let ignored = concat!("#[", "ignore");
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let mut breaches = Vec::new();
    for file in repository_texts() {
        let is_rust = file.extension().is_some_and(|ending| ending == "rs");
        for (number, line) in read(&file).lines().enumerate() {
            let place = format!("{}:{}", file.display(), number + 1);
            if is_rust && line.contains(ignored) {
                breaches.push(format!("{place}: a test that does not run"));
            }
            for mark in marks {
                let numbered = line.split_once(mark).is_none_or(|(_, after)| {
                    let after = after.trim_start_matches([' ', '(', ':']);
                    after.strip_prefix('#').is_some_and(|issue| {
                        issue.starts_with(|digit: char| digit.is_ascii_digit())
                    })
                });
                if is_rust && holds_word(line, mark) && !numbered {
                    breaches.push(format!("{place}: {mark} without the number of an issue"));
                }
            }
        }
    }
    report(&breaches);
}

#[test]
fn no_path_of_a_machine_is_written_down() {
    // Put together here, so that this file does not breach its own rule.
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/tm", "p/"),
        concat!("/Us", "ers/"),
    ];
    let mut breaches = Vec::new();
    for file in repository_texts() {
        for (number, line) in read(&file).lines().enumerate() {
            if paths.iter().any(|path| starts_path(line, path)) {
                breaches.push(format!(
                    "{}:{}: a path of one machine",
                    file.display(),
                    number + 1
                ));
            }
        }
    }
    report(&breaches);
}

#[test]
fn every_decision_record_is_listed() {
    let lists = ["docs/adr/README.md", "docs/ARCHITECTURE.md"]
        .map(|list| fs::read_to_string(root().join(list)).unwrap_or_default());
    let mut breaches = Vec::new();
    let mut numbers: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files_below("docs/adr", &["md"]) {
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if name == "README.md" {
            continue;
        }
        let number: String = name.chars().take_while(char::is_ascii_digit).collect();
        if number.len() != 4 {
            breaches.push(format!("{}: no number of four digits", file.display()));
        }
        if let Some(other) = numbers.insert(number, file.clone()) {
            breaches.push(format!(
                "{} and {} have one number",
                file.display(),
                other.display()
            ));
        }
        if !lists.iter().any(|list| list.contains(&name)) {
            breaches.push(format!("{}: in neither list of records", file.display()));
        }
    }
    report(&breaches);
}

#[test]
fn no_dependency_came_in_twice_or_from_elsewhere() {
    let known: BTreeSet<String> = read(Path::new("tests/tidy_duplicates.txt"))
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let mut breaches = Vec::new();
    let mut majors: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let lock = read(Path::new("Cargo.lock"));
    for package in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = package
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            line.map(|line| line.trim_end_matches('"'))
        };
        let name = value("name")
            .expect("every package of a lock file has a name")
            .to_owned();
        let version = value("version").expect("every package of a lock file has a version");
        majors
            .entry(name.clone())
            .or_default()
            .insert(major(version));
        if value("source").is_some_and(|source| {
            !source.starts_with("registry+https://github.com/rust-lang/crates.io-index")
        }) {
            breaches.push(format!("{name} does not come from the Rust registry"));
        }
    }
    for (name, versions) in majors.iter().filter(|(_, versions)| versions.len() > 1) {
        let line = format!(
            "{name} {}",
            versions.iter().cloned().collect::<Vec<_>>().join(" ")
        );
        if !known.contains(&line) {
            breaches.push(format!("two incompatible versions of a dependency; if it must be, add to tests/tidy_duplicates.txt: {line}"));
        }
    }
    report(&breaches);
}

#[test]
fn every_diagnostic_is_raised_somewhere() {
    let table = Path::new("src/diagnostics/codes.rs");
    if !root().join(table).exists() {
        return;
    }
    let text = read(table);
    let body = text
        .split_once("enum Code {")
        .and_then(|(_, rest)| rest.split_once("\n}"));
    let (body, _) = body.expect("the table holds the enum Code");
    let elsewhere: Vec<String> = files_below("src", &["rs"])
        .iter()
        .filter(|file| !file.starts_with("src/diagnostics"))
        .map(|file| read(file))
        .collect();
    let mut breaches = Vec::new();
    let mut documented = false;
    for line in body.lines().map(str::trim) {
        if line.starts_with("///") {
            documented = true;
        } else if let Some(variant) = line
            .strip_suffix(',')
            .filter(|name| name.chars().all(char::is_alphanumeric))
        {
            if !documented {
                breaches.push(format!("{variant} has no page"));
            }
            let raised = format!("Code::{variant}");
            if !elsewhere
                .iter()
                .any(|text| text.lines().any(|line| holds_word(line, &raised)))
            {
                breaches.push(format!("{variant} is raised nowhere in src"));
            }
            documented = false;
        }
    }
    report(&breaches);
}

fn report(breaches: &[String]) {
    assert!(
        breaches.is_empty(),
        "{} breaches:\n{}",
        breaches.len(),
        breaches.join("\n")
    );
}
