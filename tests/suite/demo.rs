//! `kith demo`: the same to the byte each time, and files that a spreadsheet opens as they were meant.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::support::home::{Home, Ran, kith_command, snapshot};
use super::support::process::{LIMIT, finish};
use super::support::spreadsheet;
use super::support::table::{self, Layout};

/// Runs the demo in a folder of its own, under the same relative name each time.
fn demo(home: &Home) -> Ran {
    demo_again(home).expect_code(0)
}

fn demo_again(home: &Home) -> Ran {
    let mut command = kith_command();
    command.args(["demo", "--dir", "kith-demo"]);
    finish(command.current_dir(home.path()), LIMIT).into()
}

/// What partners, practices and commissioners find: all but the store and the sandbox's address.
fn exchanged(home: &Home) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = snapshot(&home.below("kith-demo")).into_iter();
    let kept = |path: &PathBuf| {
        path.components()
            .any(|part| matches!(part.as_os_str().to_str(), Some("out" | "in" | "reports")))
    };
    files.filter(|(path, _)| kept(path)).collect()
}

/// The layout that a manifest names.
fn layout(manifest: &Value) -> Layout {
    let delimiter = manifest["format"]["delimiter"]
        .as_str()
        .and_then(|text| text.bytes().next())
        .expect("a delimiter");
    let encoding = manifest["format"]["encoding"]
        .as_str()
        .expect("an encoding");
    Layout {
        delimiter,
        windows_1252: encoding == "windows-1252",
        mark: encoding == "utf-8-bom",
    }
}

#[test]
fn two_demos_are_the_same_to_the_byte() {
    let (first, second) = (Home::new(), Home::new());
    let (said_first, said_second) = (demo(&first), demo(&second));
    assert_eq!(said_first.stdout, said_second.stdout, "what the demo says");
    let (made_first, made_second) = (exchanged(&first), exchanged(&second));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made_first), names(&made_second));
    for (name, bytes) in &made_first {
        assert!(made_second[name] == *bytes, "{} differs", name.display());
    }
    for ending in [".receipt.csv", "report.html", "report.json"] {
        assert!(
            made_first
                .keys()
                .any(|name| name.to_string_lossy().ends_with(ending)),
            "no {ending} among {:?}",
            names(&made_first)
        );
    }
    // Its own mark lets it be replaced, and nothing else.
    demo(&first);
    fs::remove_file(first.below("kith-demo/.kith-demo")).expect("the demo's mark");
    demo_again(&first).expect_code(2);
}

#[test]
fn a_spreadsheet_opens_every_drop_of_the_demo_with_its_columns_and_runs_no_formula() {
    let home = Home::new();
    demo(&home);
    let mut layouts = BTreeSet::new();
    let (mut accents, mut guarded) = (0, 0);
    for (name, bytes) in exchanged(&home) {
        if !name.to_string_lossy().ends_with(".manifest.json") {
            continue;
        }
        let manifest: Value = serde_json::from_slice(&bytes).expect("a manifest is JSON");
        let path = home
            .below("kith-demo")
            .join(&name)
            .with_file_name(manifest["file"].as_str().expect("a file name"));
        let layout = layout(&manifest);
        layouts.insert((layout.delimiter, layout.windows_1252, layout.mark));
        let written = table::read(&path, layout);
        let opened = spreadsheet::open(&path, layout);
        assert!(
            !opened.document.contains("table:formula"),
            "{}: a formula ran",
            name.display()
        );
        assert_eq!(
            opened.table.header,
            written.header,
            "{}: columns",
            name.display()
        );
        assert_eq!(
            opened.table.rows.len(),
            written.rows.len(),
            "{}: rows",
            name.display()
        );
        for (shown, meant) in opened
            .table
            .rows
            .iter()
            .flatten()
            .zip(written.rows.iter().flatten())
        {
            // Dates and numbers are shown in the spreadsheet's own form; text must stay as it is, but for the guard.
            let is_text = meant.starts_with(|first: char| first.is_alphabetic() || first == '\'');
            let unguarded = meant.strip_prefix('\'').unwrap_or(meant);
            assert!(
                !is_text || shown == meant || shown == unguarded,
                "{}: a text was changed by opening it",
                name.display()
            );
            accents += usize::from(
                meant
                    .chars()
                    .any(|letter| letter.is_alphabetic() && !letter.is_ascii()),
            );
            guarded += usize::from(meant.starts_with("'="));
        }
    }
    assert!(layouts.len() >= 3, "layouts that differ: {layouts:?}");
    assert!(
        accents > 0 && guarded > 0,
        "{accents} cells with accents, {guarded} with a guarded formula"
    );
}
