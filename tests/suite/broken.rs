//! Every folder of `fixtures/broken` gives its one diagnostic at its place, and no other error.
//!
//! `expected.txt` holds a line `CODE file:line:column` for each; the file is named relative to home.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What `kith check --json` finds, as (code, severity, place).
fn check(folder: &Path) -> (Option<i32>, Vec<(String, String, String)>) {
    let output = Command::new(env!("CARGO_BIN_EXE_kith"))
        .args(["check", "--json", "--config"])
        .arg(folder.join("config/kith.toml"))
        .output()
        .unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{}: no JSON: {error}", folder.display()));
    let problems = printed["problems"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = problems
        .iter()
        .map(|problem| {
            let mut place = text(&problem["where"]["file"]);
            for key in ["line", "column"] {
                if let Some(number) = problem["where"][key].as_u64() {
                    place = format!("{place}:{number}");
                }
            }
            (text(&problem["code"]), text(&problem["severity"]), place)
        })
        .collect();
    (output.status.code(), found)
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
        let code = folder.file_name().unwrap().to_string_lossy().into_owned();
        let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
        let (status, found) = check(&folder);
        let of_code: String = found
            .iter()
            .filter(|(other, _, _)| *other == code)
            .map(|(_, _, place)| format!("{code} {place}\n"))
            .collect();
        if of_code != expected {
            wrong.push(format!("{code}: expected {expected:?}, found {of_code:?}"));
        }
        let fatal = |severity: &str| severity == "error";
        for (other, severity, place) in &found {
            if *other != code && fatal(severity) {
                wrong.push(format!("{code}: also {other} at {place}"));
            }
        }
        let failed = found.iter().any(|(_, severity, _)| fatal(severity));
        if status != Some(if failed { 2 } else { 0 }) {
            wrong.push(format!("{code}: exit {status:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_is_a_folder_for_each_kind_of_broken_file() {
    let count = folders().len();
    assert!(count >= 36, "only {count} folders");
}
