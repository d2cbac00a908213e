//! Each key of config and partner files has a test that shows its effect: `keys.csv` names it, and the test is there.
//!
//! That the list has every key and no other is seen where the files are read, by watching the reader (`src/config`,
//! `src/partner`).

use std::collections::BTreeSet;
use std::path::Path;

use crate::reading::{files_below, read, root};
use crate::report;

/// What stands for a test where a key is refused; one test tries them all.
const REFUSED: &str = "refused";

#[test]
fn each_key_names_a_test_that_is_there() {
    let mut tests = BTreeSet::new();
    for file in [
        files_below("src", &["rs"]),
        files_below("tests/suite", &["rs"]),
    ]
    .concat()
    {
        tests.extend(tests_in(&read(&file)));
    }
    let fixture = |name: &str| {
        let folder = root().join("fixtures").join(name);
        ["expected.txt", "story.md"]
            .iter()
            .any(|file| folder.join(file).is_file())
    };
    report(&keys_without_a_test(
        &read(Path::new("tests/keys.csv")),
        &tests,
        fixture,
    ));
}

/// Rows of the list whose test is nowhere.
pub(crate) fn keys_without_a_test(
    list: &str,
    tests: &BTreeSet<String>,
    fixture: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut breaches = Vec::new();
    for (number, line) in list.lines().enumerate().skip(1) {
        let mut cells = line.split(',');
        let (Some(_), Some(table), Some(key), Some(shown_by), Some(_), None) = (
            cells.next(),
            cells.next(),
            cells.next(),
            cells.next(),
            cells.next(),
            cells.next(),
        ) else {
            breaches.push(format!(
                "tests/keys.csv:{}: five cells, without commas in them",
                number + 1
            ));
            continue;
        };
        let there = match shown_by {
            REFUSED => true,
            name if name.contains('/') => fixture(name),
            name => tests.contains(name),
        };
        if !there {
            breaches.push(format!(
                "tests/keys.csv:{}: {table} {key} is shown by {shown_by}, and there is no such test",
                number + 1
            ));
        }
    }
    breaches
}

/// Names of the tests of a file.
pub(crate) fn tests_in(text: &str) -> Vec<String> {
    let (mut found, mut marked) = (Vec::new(), false);
    for line in text.lines().map(str::trim_start) {
        marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let behind = line
            .strip_prefix("async ")
            .unwrap_or(line)
            .strip_prefix("fn ");
        if let Some(name) = behind.and_then(|behind| behind.split(['(', '<']).next()) {
            if marked {
                found.push(name.to_owned());
            }
            marked = false;
        }
    }
    found
}
