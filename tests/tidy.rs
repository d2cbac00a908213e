//! The repository's own rules, kept by reading its files: nothing is built, run or written here.
//!
//! Each test is one rule, and collects every breach before it fails, so that one run shows them all; each breach says where it
//! is and what to do. Lists that the rules go by stand beside this file: `tidy_arrows.txt` (who may use whom),
//! `tidy_type_names.txt` (type names of two modules), `tidy_duplicates.txt` (dependencies of two versions), `keys.csv` (keys of config and partner files, each with its test).

// The rules.
#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/bounds.rs"]
mod bounds;
#[path = "tidy/decisions.rs"]
mod decisions;
#[path = "tidy/element_names.rs"]
mod element_names;
#[path = "tidy/keys.rs"]
mod keys;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/records.rs"]
mod records;
#[path = "tidy/spans.rs"]
mod spans;
#[path = "tidy/text.rs"]
mod text;
#[path = "tidy/written_once.rs"]
mod written_once;

// What they read with, and what shows that each can fail.
#[path = "tidy/graph.rs"]
mod graph;
#[path = "tidy/reading.rs"]
mod reading;
#[path = "tidy/self_tests/mod.rs"]
mod self_tests;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tokens.rs"]
mod tokens;
#[path = "tidy/uses.rs"]
mod uses;

/// Fails with every breach, if there is one.
fn report(breaches: &[String]) {
    assert!(
        breaches.is_empty(),
        "{} breaches:\n{}",
        breaches.len(),
        breaches.join("\n")
    );
}
