//! Every folder of `fixtures/broken` gives its diagnostic at its place, and no other error.
//!
//! A folder is a home, named by its code and what somebody got wrong. `expected.txt` holds a line `CODE file:line:column` for
//! every error, and for every warning of a code that it names; the file is named relative to home.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::support::edit::replace;
use super::support::home::{Home, Ran, kith_command};
use super::support::process::{LIMIT, finish};

/// What `kith check` says of one problem.
struct Found {
    code: String,
    fatal: bool,
    place: String,
    what: String,
    fix: String,
}

/// What `kith check --json` finds, and how it ended.
fn check(config: &Path) -> (i32, Vec<Found>) {
    let mut command = kith_command();
    command.args(["check", "--json", "--config"]).arg(config);
    let ran: Ran = finish(&mut command, LIMIT).into();
    let printed = ran.json();
    let problems = printed["problems"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let found = problems.iter().map(|problem| {
        let mut place = text(&problem["where"]["file"]);
        for key in ["line", "column"] {
            if let Some(number) = problem["where"][key].as_u64() {
                place = format!("{place}:{number}");
            }
        }
        Found {
            code: text(&problem["code"]),
            fatal: problem["severity"] == "error",
            place,
            what: text(&problem["what"]),
            fix: text(&problem["fix"]),
        }
    });
    (ran.code, found.collect())
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken");
    let mut folders: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders
}

#[test]
fn each_broken_file_gives_its_diagnostic_at_its_place() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
        let codes: BTreeSet<&str> = expected
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        if !name.starts_with("ten-") && !codes.iter().all(|code| name.starts_with(code)) {
            wrong.push(format!("{name}: expects {codes:?}"));
        }
        let (status, found) = check(&folder.join("config/kith.toml"));
        let told: String = found
            .iter()
            .filter(|one| one.fatal || codes.contains(one.code.as_str()))
            .map(|one| format!("{} {}\n", one.code, one.place))
            .collect();
        if told != expected {
            wrong.push(format!("{name}: expected {expected:?}, found {told:?}"));
        }
        for one in &found {
            wrong.extend(badly_said(one).map(|why| format!("{name}: {why}: {}", one.what)));
            if name.contains("misspelt") && one.fatal && !one.fix.starts_with("did you mean") {
                wrong.push(format!("{name}: no nearest word: {}", one.fix));
            }
        }
        let failed = found.iter().any(|one| one.fatal);
        if status != if failed { 2 } else { 0 } {
            wrong.push(format!("{name}: exit {status}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The house's rules for a message.
fn badly_said(found: &Found) -> Option<&'static str> {
    let first = found.what.chars().next();
    if found.what.chars().count() > 100 {
        Some("longer than 100 characters")
    } else if first.is_none_or(char::is_uppercase) || found.what.ends_with('.') {
        Some("begins in upper case or ends in a full stop")
    } else if found.fix.is_empty() {
        Some("says nothing of how to put it right")
    } else {
        None
    }
}

#[test]
fn there_is_a_folder_for_each_kind_of_broken_file() {
    let folders = folders();
    let of_partners = folders.iter().filter(|folder| {
        let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
        expected.contains("mappings/")
    });
    let count = of_partners.count();
    assert!(count >= 120, "only {count} kinds of broken partner files");
    let ten = fs::read_to_string(folders.last().unwrap().join("expected.txt")).unwrap();
    let lines: BTreeSet<&str> = ten
        .lines()
        .filter_map(|line| line.split(':').nth(1))
        .collect();
    assert_eq!((ten.lines().count(), lines.len()), (10, 10), "{ten}");
}

/// A partner file that is well but for the name of one field, in line 22.
fn of_one_fault() -> (Home, String) {
    let broken = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken/PTR-003");
    let home = Home::new();
    home.write(
        "config/kith.toml",
        fs::read(broken.join("config/kith.toml")).unwrap(),
    );
    let text = fs::read_to_string(broken.join("mappings/partners/x.toml")).unwrap();
    (home, text)
}

#[test]
fn a_file_as_another_editor_writes_it_is_the_same_file() {
    for written in [
        |text: &str| format!("\u{feff}{text}"),
        |text: &str| replace(text, "\n", "\r\n"),
        |text: &str| format!("\u{feff}{}", replace(text, "\n", "\r\n")),
    ] {
        let (home, text) = of_one_fault();
        home.write("mappings/partners/x.toml", written(&text));
        let (_, found) = check(&home.below("config/kith.toml"));
        let fatal: Vec<&str> = found
            .iter()
            .filter(|one| one.fatal)
            .map(|one| one.place.as_str())
            .collect();
        assert_eq!(fatal, ["mappings/partners/x.toml:22:8"]);
    }
    // A tab is one character.
    let (home, text) = of_one_fault();
    home.write(
        "mappings/partners/x.toml",
        replace(&text, "\nfrom = ", "\n\t\tfrom\t=\t"),
    );
    let (_, found) = check(&home.below("config/kith.toml"));
    assert!(
        found
            .iter()
            .any(|one| one.place == "mappings/partners/x.toml:22:10")
    );
}

#[test]
fn a_file_beyond_the_limit_is_refused_unread() {
    let (home, text) = of_one_fault();
    let padding = "# nothing to see here\n".repeat(50_000);
    home.write("mappings/partners/x.toml", format!("{text}{padding}"));
    let (status, found) = check(&home.below("config/kith.toml"));
    let fatal: Vec<(&str, &str)> = found
        .iter()
        .filter(|one| one.fatal)
        .map(|one| (one.code.as_str(), one.place.as_str()))
        .collect();
    assert_eq!(
        (status, fatal),
        (2, vec![("CFG-002", "mappings/partners/x.toml")])
    );
}
