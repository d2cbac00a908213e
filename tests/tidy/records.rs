//! Rules on what is recorded beside the code: decisions, dependencies, diagnostics.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::reading::{files_below, holds_word, major, read, root};
use crate::report;

#[test]
fn every_decision_record_is_listed() {
    let lists = ["docs/adr/README.md", "docs/ARCHITECTURE.md"]
        .map(|list| fs::read_to_string(root().join(list)).unwrap_or_default());
    report(&unlisted_records(&files_below("docs/adr", &["md"]), &lists));
}

/// Records without a number, with the number of another, or in neither list.
pub(crate) fn unlisted_records(files: &[PathBuf], lists: &[String]) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut numbers: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files {
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
    breaches
}

#[test]
fn no_dependency_came_in_twice_or_from_elsewhere() {
    let known: BTreeSet<String> = read(Path::new("tests/tidy_duplicates.txt"))
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    report(&doubtful_dependencies(
        &read(Path::new("Cargo.lock")),
        &known,
    ));
}

/// Packages of a lock file from elsewhere, and those of two incompatible versions that the list lacks.
pub(crate) fn doubtful_dependencies(lock: &str, known: &BTreeSet<String>) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut majors: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
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
    breaches
}

#[test]
fn every_diagnostic_is_raised_somewhere() {
    let elsewhere: Vec<String> = files_below("src", &["rs"])
        .iter()
        .filter(|file| !file.starts_with("src/diagnostics"))
        .map(|file| read(file))
        .collect();
    report(&idle_diagnostics(
        &read(Path::new("src/diagnostics/codes.rs")),
        &elsewhere,
    ));
}

/// Variants of the enum `Code` that have no page, or that no text raises.
pub(crate) fn idle_diagnostics(table: &str, elsewhere: &[String]) -> Vec<String> {
    let body = table
        .split_once("enum Code {")
        .and_then(|(_, rest)| rest.split_once("\n}"));
    let (body, _) = body.expect("the table holds the enum Code");
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
    breaches
}
