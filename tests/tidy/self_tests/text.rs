//! The rules on texts and records, on made-up lines, and what the rules read with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::keys::{keys_without_a_test, tests_in};
use crate::names::drawers;
use crate::reading::{check_digit_agrees, holds_word, major, ten_digit_runs};
use crate::records::{doubtful_dependencies, idle_diagnostics, unlisted_records};
use crate::source::Source;
use crate::text::{Length, left_for_later, length, machine_paths, numbers_of_people, partner_ids};
use crate::uses::{reaches, stray_files};

#[test]
fn texts_that_must_not_stand_are_found() {
    assert_eq!(
        [length(400), length(401), length(600), length(601)],
        [
            Length::Fine,
            Length::Warned,
            Length::Warned,
            Length::TooLong
        ]
    );
    assert_eq!(
        drawers(
            Path::new("src/fhir/utils.rs"),
            "mod helpers {\n}\nmod fine {\n}"
        ),
        ["utils", "helpers"]
    );
    assert!(drawers(Path::new("src/fhir/dates.rs"), "mod tests {").is_empty());
    let ids = BTreeSet::from(["elm".to_owned()]);
    assert_eq!(partner_ids("id = \"elm\"", &ids).len(), 1);
    assert!(partner_ids("helm elm-tree", &ids).is_empty());
    // Put together here, so that this file breaches none of the rules.
    assert_eq!(numbers_of_people(concat!("401 02", "3 2137")).len(), 1);
    assert!(numbers_of_people("9434765919 0123456789 4010232138").is_empty());
    assert_eq!(left_for_later(concat!("// TO", "DO: later")).len(), 1);
    assert_eq!(left_for_later(concat!("#[", "ignore]")).len(), 1);
    assert!(left_for_later(concat!("// TO", "DO(#12): later")).is_empty());
    assert_eq!(machine_paths(concat!("see /ho", "me/somebody")).len(), 1);
    assert!(machine_paths("https://host/home/page").is_empty());
}

#[test]
fn records_that_do_not_agree_are_found() {
    let files = ["0001-a.md", "0001-b.md", "x.md", "README.md"]
        .map(|name| PathBuf::from("docs/adr").join(name));
    assert_eq!(
        unlisted_records(&files, &["0001-a.md 0001-b.md x.md".to_owned()]).len(),
        2
    );
    assert_eq!(
        unlisted_records(&files[..1], &["README.md".to_owned()]).len(),
        1
    );
    assert!(unlisted_records(&files[..1], &["0001-a.md".to_owned()]).is_empty());
    let package = |version: &str, source: &str| {
        format!("[[package]]\nname = \"a\"\nversion = \"{version}\"\nsource = \"{source}\"\n")
    };
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let two = package("0.1.0", registry) + &package("0.2.0", registry);
    assert_eq!(doubtful_dependencies(&two, &BTreeSet::new()).len(), 1);
    assert!(doubtful_dependencies(&two, &BTreeSet::from(["a 0.1 0.2".to_owned()])).is_empty());
    assert_eq!(
        doubtful_dependencies(&package("1.0.0", "git+https://host/a"), &BTreeSet::new()).len(),
        1
    );
    let codes =
        "enum Code {\n    /// A page.\n    Raised,\n    NoPage,\n    /// A page.\n    Idle,\n}\n";
    let elsewhere = ["f(Code::Raised, Code::NoPage)".to_owned()];
    assert_eq!(
        idle_diagnostics(codes, &elsewhere),
        ["NoPage has no page", "Idle is raised nowhere in src"]
    );
    let source = Source::made_up(&[("a", "")]);
    assert_eq!(
        stray_files(
            &source,
            &[PathBuf::from("src/a.rs"), PathBuf::from("src/b.rs")]
        )
        .len(),
        1
    );
}

#[test]
fn what_the_rules_read_with_reads_right() {
    assert!(check_digit_agrees("9434765919") && !check_digit_agrees("9434765918"));
    assert!(check_digit_agrees("9876543210") && check_digit_agrees("9990000050"));
    assert_eq!(
        ten_digit_runs("a 943 476 5919, x9434765919, 9990000018."),
        ["9990000018", "9434765919"]
    );
    assert!(holds_word("id = \"elm\"", "elm") && !holds_word("helm elm-tree", "elm"));
    assert_eq!(
        (major("0.4.5"), major("1.2.3"), major("0.0.7")),
        ("0.4".to_owned(), "1".to_owned(), "0.0.7".to_owned())
    );
    // The repository is found whole: without modules no rule would find a breach.
    let source = Source::of_repository();
    assert!(source.files.len() > 200 && reaches(source).len() > 2000);
}

#[test]
fn a_key_whose_test_is_nowhere_is_named() {
    let file = "#[tokio::test]\nasync fn a() {}\nfn helper() {}\n    #[test]\n    fn b() {}\n";
    assert_eq!(tests_in(file), ["a", "b"]);
    let tests = tests_in(file).into_iter().collect();
    let list = "file,table,key,shown by,waits for\nconfig,t,k,a,\nconfig,t,l,helper,\nconfig,t,m,refused,\nconfig,t,n,broken/N,\nconfig,t,o,broken/O,\nconfig,t,p,b\n";
    let breaches = keys_without_a_test(list, &tests, |name| name == "broken/N");
    let lines: Vec<&str> = breaches
        .iter()
        .filter_map(|one| one.split(": ").next())
        .collect();
    assert_eq!(
        lines,
        ["tests/keys.csv:3", "tests/keys.csv:6", "tests/keys.csv:7"]
    );
}
