//! Sheets as spreadsheets and people damage them: what the rule book of `../shared/sheets` requires of some kinds, and the small cases beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::support::shared;

const BINARY: &str = env!("CARGO_BIN_EXE_kith");

/// Kinds of each group; all of them run in a campaign.
const KINDS: &str = "mac-roman,cp1252,comma-unquoted,quote-open,cell-missing,two-delimiters,heading-again-moved,title-rows,copied-row-differs,\
sorted-name,answers-shifted-down,block-shifted-left,conflict-copy,old-sheet-again,name-both-other,phones-of-couples,us-proved,order-one-impossible,\
date-text-month,score-comma-zero,code-misspelt,html-as-csv";

/// Runs a Python program of the shared folder.
fn python(program: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("python3");
    command.arg("-B").arg(program).args(arguments);
    command.output().expect("python3 runs")
}

fn said(output: &Output) -> String {
    let bytes = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn each_small_case_of_a_return_ends_as_expected() {
    let Some(shared) = shared::folder("sheets::each_small_case_of_a_return_ends_as_expected")
    else {
        return;
    };
    let cases = std::fs::read_dir(shared.join("cases/sheets")).expect("the cases are there");
    let cases: Vec<PathBuf> = cases
        .flatten()
        .map(|case| case.path().join("case.py"))
        .filter(|case| case.is_file())
        .collect();
    assert!(cases.len() >= 16, "only {} cases", cases.len());
    let failed: Vec<String> = cases
        .iter()
        .map(|case| (case, python(case, &[BINARY])))
        .filter(|(_, output)| !output.status.success())
        .map(|(case, output)| format!("{}: {}", case.display(), said(&output)))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn damaged_sheets_are_restored_or_held_by_the_rule_book() {
    let test = "sheets::damaged_sheets_are_restored_or_held_by_the_rule_book";
    let Some(shared) = shared::folder(test) else {
        return;
    };
    // A campaign takes every kind of every layout.
    let campaign = std::env::var("KITH_TEST_SEED").ok();
    let (layouts, seed) = match &campaign {
        Some(seed) => ("a,b,c", seed.as_str()),
        None => ("a", "7"),
    };
    let work = tempfile::tempdir().expect("a folder");
    let at = |name: &str| work.path().join(name).display().to_string();
    let (home, sheets) = (at("home"), shared.join("sheets"));
    let run = |program: &str, arguments: &[&str]| {
        let output = python(&sheets.join(program), arguments);
        assert!(output.status.success(), "{program}: {}", said(&output));
    };
    let made = [
        "--kith",
        BINARY,
        "--dir",
        &home,
        "--seed",
        seed,
        "--layouts",
        layouts,
    ];
    run("home.py", &made);
    for layout in layouts.split(',') {
        let out = work
            .path()
            .join(format!("home/var/partners/sheet-{layout}/out"));
        let drop = std::fs::read_dir(out)
            .expect("a drop")
            .flatten()
            .map(|file| file.path())
            .find(|path| path.extension().is_some_and(|ending| ending == "csv"));
        let drop = drop.expect("a drop").display().to_string();
        let cases = at(layout);
        let mut make = vec![
            "--drop", &drop, "--layout", layout, "--out", &cases, "--seed", seed,
        ];
        if campaign.is_none() {
            make.extend(["--kinds", KINDS]);
        }
        run("make.py", &make);
        run(
            "run.py",
            &["--kith", BINARY, "--home", &home, "--cases", &cases],
        );
        run("judge.py", &["--cases", &cases, "--verbose"]);
    }
}
