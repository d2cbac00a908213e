//! Every bound of `src/domain/limits.rs` is met by a test: as large as allowed, and one more.
//!
//! A test meets a bound `X` if it hands it to `limits::holds_at(X, …)`, which tries `X` and one more; or if its own
//! code has both `X` (or `X - 1`) and `X + 1`. Of a `Bound`, the most that a setting may say counts: `X.most`. A comment
//! or a string that names a bound is no test.

use std::collections::BTreeSet;

use crate::report;
use crate::source::{Source, SourceFile};
use crate::tokens::{Token, behind_group, starts};

const LIMITS: [&str; 2] = ["domain", "limits"];
/// The function of `limits.rs` that tries a bound.
const TRIES: &str = "holds_at";

#[test]
fn every_bound_is_met_by_a_test() {
    report(&unmet_bounds(Source::of_repository()));
}

pub(crate) fn unmet_bounds(source: &Source) -> Vec<String> {
    let met: BTreeSet<String> = source.files.iter().flat_map(met_in).collect();
    let mut breaches = Vec::new();
    for file in source.files.iter().filter(|file| file.module == LIMITS) {
        for (name, line) in bounds_of(file) {
            if !met.contains(&name) {
                breaches.push(format!(
                    "{}:{line}: no test meets {name}: give it to limits::{TRIES} in a test of what it bounds, or test {name} and {name} + 1",
                    file.file.display()
                ));
            }
        }
    }
    breaches
}

/// The names of the bounds, as a test must write them: a `Bound` with its `most`.
fn bounds_of(file: &SourceFile) -> Vec<(String, usize)> {
    let mut bounds = Vec::new();
    for at in file
        .shipped()
        .filter(|at| starts(&file.tokens, *at, &["const"]))
    {
        let (Some(name), Some(kind)) = (file.tokens.get(at + 1), file.tokens.get(at + 3)) else {
            continue;
        };
        let most = if kind.is("Bound") { ".most" } else { "" };
        bounds.push((format!("{}{most}", name.text), name.line));
    }
    bounds
}

/// The bounds that the tests of a file meet.
fn met_in(file: &SourceFile) -> BTreeSet<String> {
    let mut met = BTreeSet::new();
    let mut at = 0;
    while at < file.tokens.len() {
        let in_tests = file.in_tests.get(at).copied().unwrap_or_default();
        if !in_tests || !starts(&file.tokens, at, &["fn"]) {
            at += 1;
            continue;
        }
        let body = (at..file.tokens.len()).find(|place| starts(&file.tokens, *place, &["{"]));
        let behind = body.map_or(file.tokens.len(), |body| behind_group(&file.tokens, body));
        let is_test = before_attributes(&file.tokens, at);
        if is_test {
            met.extend(met_by(file.tokens.get(at..behind).unwrap_or_default()));
        }
        at = behind;
    }
    met
}

/// Whether `#[test]`, `#[tokio::test]` or the like stands before a function.
fn before_attributes(tokens: &[Token], at: usize) -> bool {
    let back = tokens.get(at.saturating_sub(24)..at).unwrap_or_default();
    let head = back
        .rsplit(|token| ["{", "}", ";"].iter().any(|end| token.is(end)))
        .next()
        .unwrap_or_default();
    head.iter().any(|token| token.is("test"))
}

/// The bounds that the code of one test meets.
pub(crate) fn met_by(test: &[Token]) -> BTreeSet<String> {
    let mut given = BTreeSet::new();
    let (mut at_it, mut above) = (BTreeSet::new(), BTreeSet::new());
    for (at, token) in test.iter().enumerate() {
        if !token.is_word() || !token.text.starts_with(char::is_uppercase) {
            continue;
        }
        let most = starts(test, at + 1, &[".", "most"]);
        let name = format!("{}{}", token.text, if most { ".most" } else { "" });
        let behind = at + if most { 3 } else { 1 };
        if starts(test, behind, &["+", "1"]) {
            above.insert(name.clone());
        } else if !starts(test, behind, &["+"]) && !starts(test, behind, &["*"]) {
            at_it.insert(name.clone());
        }
        let called = (at.saturating_sub(4)..at)
            .any(|place| starts(test, place, &[TRIES, "("]) && only_path(test, place + 2, at));
        if called {
            given.insert(name);
        }
    }
    given.extend(at_it.intersection(&above).cloned());
    given
}

/// Whether only the words of a path stand between two places.
fn only_path(tokens: &[Token], from: usize, to: usize) -> bool {
    tokens.get(from..to).is_some_and(|between| {
        between
            .iter()
            .all(|token| token.is_word() || token.is("::"))
    })
}
