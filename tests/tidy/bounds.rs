//! Every bound of `src/domain/limits.rs` is met by a test: as large as allowed, and one more.
//!
//! A test meets a bound `X` if it hands it to `limits::holds_at(X, …)`, which tries `X` and one more; or if its own
//! code has two of `X - 1`, `X` and `X + 1`. Of a `Bound`, the most that a setting may say counts: `X.most`. A comment
//! or a string that names a bound is no test.

use std::collections::{BTreeMap, BTreeSet};

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

/// Bounds that no test meets; there is no excuse.
pub(crate) fn unmet_bounds(source: &Source) -> Vec<String> {
    let named = named_in_tests(source);
    let met: BTreeSet<String> = source
        .files
        .iter()
        .flat_map(|file| met_in(file, &named))
        .collect();
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

/// How often tests say each word: a function of theirs that is named once is called by none.
fn named_in_tests(source: &Source) -> BTreeMap<&str, usize> {
    let mut named = BTreeMap::new();
    for file in &source.files {
        let tokens = file.tokens.iter().zip(&file.in_tests);
        for (token, _) in tokens.filter(|(token, in_tests)| **in_tests && token.is_word()) {
            *named.entry(token.text.as_str()).or_default() += 1;
        }
    }
    named
}

/// The bounds that the tests of a file meet, and what they call.
fn met_in(file: &SourceFile, named: &BTreeMap<&str, usize>) -> BTreeSet<String> {
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
        let name = file
            .tokens
            .get(at + 1)
            .map_or("", |name| name.text.as_str());
        let is_called = named.get(name).is_some_and(|times| *times > 1);
        if is_called || is_a_test(&file.tokens, at) {
            met.extend(met_by(file.tokens.get(at..behind).unwrap_or_default()));
        }
        at = behind;
    }
    met
}

/// Whether `#[test]`, `#[tokio::test]` or the like stands before a function.
fn is_a_test(tokens: &[Token], at: usize) -> bool {
    let back = tokens.get(at.saturating_sub(24)..at).unwrap_or_default();
    let head = back
        .rsplit(|token| ["{", "}", ";"].iter().any(|end| token.is(end)))
        .next()
        .unwrap_or_default();
    head.iter().any(|token| token.is("test"))
}

/// The bounds that the code of one test meets.
pub(crate) fn met_by(test: &[Token]) -> BTreeSet<String> {
    let mut met = BTreeSet::new();
    let mut sides: BTreeMap<String, BTreeSet<i8>> = BTreeMap::new();
    for (at, token) in test.iter().enumerate() {
        if !token.is_word() || !token.text.starts_with(char::is_uppercase) {
            continue;
        }
        let most = starts(test, at + 1, &[".", "most"]);
        let name = format!("{}{}", token.text, if most { ".most" } else { "" });
        let behind = at + if most { 3 } else { 1 };
        let reckoned = ["+", "-", "*", "/"]
            .iter()
            .any(|sign| starts(test, behind, &[sign]));
        let side = match (
            starts(test, behind, &["+", "1"]),
            starts(test, behind, &["-", "1"]),
        ) {
            (true, _) => Some(1),
            (_, true) => Some(-1),
            _ => (!reckoned).then_some(0),
        };
        sides.entry(name.clone()).or_default().extend(side);
        let given = (at.saturating_sub(4)..at)
            .any(|place| starts(test, place, &[TRIES, "("]) && only_path(test, place + 2, at));
        if given {
            met.insert(name);
        }
    }
    let two = sides.into_iter().filter(|(_, sides)| sides.len() > 1);
    met.extend(two.map(|(name, _)| name));
    met
}

/// Whether only the words of a path stand between two places.
fn only_path(tokens: &[Token], from: usize, to: usize) -> bool {
    tokens.get(from..to).is_some_and(|between| {
        between
            .iter()
            .all(|token| token.is_word() || token.is("::"))
    })
}
