//! Real, public FHIR of other people's making: whatever it is, Kith reads it or says in one line why not.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::support::home::{Home, Ran};
use super::support::shared;
use super::support::table::{self, Layout};
use super::support::workload::Workload;

#[test]
fn every_public_sample_is_read_or_explained() {
    let Some(shared) = shared::folder("samples::every_public_sample_is_read_or_explained") else {
        return;
    };
    let workload = Workload::generate(&shared, 1, 1, "0");
    let home = Home::new();
    workload.install(&home, "--extracts", &workload.path().display().to_string());
    let files = json_files(&shared.join("samples"));
    assert!(files.len() > 100, "only {} samples", files.len());
    let mut faults = Vec::new();
    for file in &files {
        let Ok(content) = serde_json::from_slice::<Value>(&fs::read(file).expect("a sample"))
        else {
            continue;
        };
        if let Err(fault) = read(&home, file, &content) {
            faults.push(format!("{}: {fault}", file.display()));
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// Maps one sample and holds what came out against what is in it.
fn read(home: &Home, file: &Path, content: &Value) -> Result<(), String> {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .expect("samples have plain names");
    let diagnostics = home.below("diagnostics.ndjson");
    if diagnostics.exists() {
        fs::remove_file(&diagnostics).expect("our own file");
    }
    let input = file.display().to_string();
    let ran = home.kith(&[
        "map",
        "--partner",
        "everyone",
        "--input",
        &input,
        "--output",
        "-",
        "--diagnostics",
        &diagnostics.display().to_string(),
    ]);
    if !matches!(ran.code, 0 | 1) || ran.stderr.contains("panicked") {
        return Err(format!("exit {}: {}", ran.code, ran.stderr));
    }
    let rows = rows(&ran);
    let said = fs::read_to_string(&diagnostics).unwrap_or_default();
    let said: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("diagnostics are NDJSON"))
        .collect();
    for line in &said {
        // A row that was left out names its file itself; a file that was left out is the place of its diagnostic.
        let named = [&line["file"], &line["where"]["file"]]
            .iter()
            .any(|file| file.as_str().is_some_and(|file| file.contains(name)));
        let filled = |key: &str| line[key].as_str().is_some_and(|text| !text.is_empty());
        let reasoned = filled("what") && (filled("code") || filled("reason"));
        if !named || !reasoned {
            return Err(format!("a diagnostic without file or reason: {line}"));
        }
    }
    let requests = service_requests(content);
    if rows + said.len() < requests {
        return Err(format!(
            "{requests} referrals, {rows} rows and {} diagnostics: {}",
            said.len(),
            ran.stderr
        ));
    }
    if content.get("resourceType").is_none() && said.is_empty() {
        return Err("no resource, and nothing was said".to_owned());
    }
    if ran.code != i32::from(!said.is_empty()) {
        return Err(format!("exit {} with {} diagnostics", ran.code, said.len()));
    }
    if name == "ServiceRequest-do-not-turn.json" && (rows > 0 || said.is_empty()) {
        return Err("an order not to do something went somewhere".to_owned());
    }
    Ok(())
}

/// Rows of the partner's file on stdout; none if there is no file.
fn rows(ran: &Ran) -> usize {
    if ran.stdout.is_empty() {
        0
    } else {
        table::parse(ran.stdout.as_bytes(), Layout::COMMA)
            .rows
            .len()
    }
}

/// Referrals in a resource: itself, or the entries of a Bundle.
fn service_requests(content: &Value) -> usize {
    let of = |resource: &Value| usize::from(resource["resourceType"] == "ServiceRequest");
    let entries = content["entry"].as_array().map_or(0, |entries| {
        entries.iter().map(|entry| of(&entry["resource"])).sum()
    });
    of(content)
        + if content["resourceType"] == "Bundle" {
            entries
        } else {
            0
        }
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("the samples can be listed") {
            let path = entry.expect("the samples can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
