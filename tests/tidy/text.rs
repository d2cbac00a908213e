//! Rules on the text of files: how long they are, and what must not stand in them.

use std::collections::BTreeSet;

use crate::reading::{
    check_digit_agrees, files_below, folders_in, holds_word, read, repository_texts, starts_path,
    ten_digit_runs,
};
use crate::report;

/// Lines of a source file above which a seam is looked for, and above which the file is too long.
const LINES_WARNED: usize = 400;
const LINES_MAX: usize = 600;

/// Ten digits that are no NHS number though the check digit agrees: the ten digits in a row, and all zeros.
const NOT_NUMBERS: [&str; 2] = ["0123456789", "0000000000"];

#[test]
fn source_files_stay_short() {
    let mut breaches = Vec::new();
    for file in [files_below("src", &["rs"]), files_below("tests", &["rs"])].concat() {
        let lines = read(&file).lines().count();
        match length(lines) {
            Length::Fine => {}
            Length::Warned => println!(
                "warning: {}: {lines} lines, look for a seam",
                file.display()
            ),
            Length::TooLong => breaches.push(format!(
                "{}: {lines} lines, at most {LINES_MAX}: divide it by subject",
                file.display()
            )),
        }
    }
    report(&breaches);
}

/// How long a file is, for a reader.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Fine,
    Warned,
    TooLong,
}

pub(crate) fn length(lines: usize) -> Length {
    if lines > LINES_MAX {
        Length::TooLong
    } else if lines > LINES_WARNED {
        Length::Warned
    } else {
        Length::Fine
    }
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
    let demo = |file: &std::path::Path| file.starts_with("src/demo");
    let files = files_below("src", &["rs", "sql", "toml"]);
    each_line(files.iter().filter(|file| !demo(file)), |line, _| {
        partner_ids(line, &ids)
    });
}

pub(crate) fn partner_ids(line: &str, ids: &BTreeSet<String>) -> Vec<String> {
    let found = ids.iter().filter(|id| holds_word(line, id));
    found
        .map(|id| {
            format!("the partner id {id}: say what the code does, and let every partner have it")
        })
        .collect()
}

#[test]
fn nhs_numbers_are_synthetic() {
    each_line(&repository_texts(), |line, _| numbers_of_people(line));
}

pub(crate) fn numbers_of_people(line: &str) -> Vec<String> {
    let runs = ten_digit_runs(line).into_iter();
    let real = runs.filter(|digits| {
        !digits.starts_with('9')
            && !NOT_NUMBERS.contains(&digits.as_str())
            && check_digit_agrees(digits)
    });
    real.map(|_| "a number that could be a person's: test numbers begin with 9".to_owned())
        .collect()
}

#[test]
fn nothing_is_left_for_later_unsaid() {
    each_line(&repository_texts(), |line, is_rust| {
        if is_rust {
            left_for_later(line)
        } else {
            Vec::new()
        }
    });
}

pub(crate) fn left_for_later(line: &str) -> Vec<String> {
    // Put together here, so that this file does not breach its own rule.
    let ignored = concat!("#[", "ignore");
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let mut breaches = Vec::new();
    if line.contains(ignored) {
        breaches.push("a test that does not run: let it run or delete it".to_owned());
    }
    for mark in marks {
        let numbered = line.split_once(mark).is_none_or(|(_, after)| {
            let after = after.trim_start_matches([' ', '(', ':']);
            after
                .strip_prefix('#')
                .is_some_and(|issue| issue.starts_with(|digit: char| digit.is_ascii_digit()))
        });
        if holds_word(line, mark) && !numbered {
            breaches.push(format!("{mark} without the number of an issue"));
        }
    }
    breaches
}

#[test]
fn no_path_of_a_machine_is_written_down() {
    each_line(&repository_texts(), |line, _| machine_paths(line));
}

pub(crate) fn machine_paths(line: &str) -> Vec<String> {
    // Put together here, so that this file does not breach its own rule.
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/tm", "p/"),
        concat!("/Us", "ers/"),
    ];
    let found = paths.iter().filter(|path| starts_path(line, path));
    found
        .map(|_| "a path of one machine: say it from the repository's root".to_owned())
        .take(1)
        .collect()
}

/// Reports what a rule finds in the lines of files; the rule is told whether the file is Rust.
fn each_line<'f>(
    files: impl IntoIterator<Item = &'f std::path::PathBuf>,
    rule: impl Fn(&str, bool) -> Vec<String>,
) {
    let mut breaches = Vec::new();
    for file in files {
        let is_rust = file.extension().is_some_and(|ending| ending == "rs");
        for (number, line) in read(file).lines().enumerate() {
            let found = rule(line, is_rust).into_iter();
            breaches.extend(found.map(|what| format!("{}:{}: {what}", file.display(), number + 1)));
        }
    }
    report(&breaches);
}
