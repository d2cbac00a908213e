//! `FHIRPath` by the standard: the official tests for R4, and ten thousand made-up expressions against another engine.
//!
//! Both ask the built binary through `kith evaluate`. What does not pass is an error and never a wrong answer, and is
//! named in `docs/FHIRPATH.md`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::support::home::kith_command;
use super::support::process::{LIMIT, finish_reading};
use super::support::shared;
use super::support::xml::{self, Element};

/// Tests of the official suite that must pass.
const PASSES_MIN: usize = 900;

/// What an expression came to.
pub(crate) enum Answer {
    /// Type and text of each item.
    Items(Vec<(String, String)>),
    /// An error, when it was compiled or evaluated.
    Error(String),
}

/// Asks Kith; each question is a resource's text and an expression.
pub(crate) fn ask<'q>(questions: impl Iterator<Item = (&'q str, &'q str)>) -> Vec<Answer> {
    let mut lines = Vec::new();
    let mut known = "";
    for (resource, expression) in questions {
        let mut line = json!({ "expression": expression });
        if resource != known {
            line["raw"] = resource.into();
            known = resource;
        }
        lines.extend_from_slice(line.to_string().as_bytes());
        lines.push(b'\n');
    }
    let output = finish_reading(kith_command().arg("evaluate"), &lines, LIMIT);
    assert!(output.status.success(), "kith evaluate failed");
    let answers = String::from_utf8(output.stdout).expect("answers are UTF-8");
    answers.lines().map(answer).collect()
}

fn answer(line: &str) -> Answer {
    let value: Value = serde_json::from_str(line).expect("an answer is JSON");
    for key in ["refused", "failed"] {
        if let Some(what) = value[key].as_str() {
            let help = value["help"].as_str().unwrap_or_default();
            return Answer::Error(format!("{key}: {what} {help}"));
        }
    }
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let items = value["items"].as_array().expect("items");
    Answer::Items(
        items
            .iter()
            .map(|item| {
                let shown = if item["text"].is_null() {
                    "json"
                } else {
                    "text"
                };
                (text(item, "type"), text(item, shown))
            })
            .collect(),
    )
}

#[test]
fn the_official_tests_pass_or_are_refused() {
    let Some(shared) = shared::folder("fhirpath::the_official_tests_pass_or_are_refused") else {
        return;
    };
    let folder = shared.join("conformance/fhirpath-r4");
    let suite = fs::read_to_string(folder.join("tests-fhir-r4.xml")).expect("the suite");
    let tests: Vec<Element> = xml::elements(&suite, "test");
    let mut inputs: BTreeMap<String, String> = BTreeMap::new();
    for test in &tests {
        let name = test.attribute("inputfile").unwrap_or_default().to_owned();
        inputs
            .entry(name)
            .or_insert_with_key(|name| input(&folder, name));
    }
    let asked: Vec<(&Element, String)> = tests
        .iter()
        .filter_map(|test| Some((test, test.child("expression")?.text.clone())))
        .collect();
    let answers = ask(asked.iter().map(|(test, expression)| {
        let name = test.attribute("inputfile").unwrap_or_default();
        (inputs[name].as_str(), expression.as_str())
    }));
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/FHIRPATH.md"))
        .expect("the manual");
    let (mut passed, mut refused, mut faults) = (0, 0, Vec::new());
    for ((test, expression), answer) in asked.iter().zip(&answers) {
        let name = test.attribute("name").unwrap_or_default();
        match (expected(test, answer), answer) {
            (true, _) => passed += 1,
            (false, Answer::Error(error)) => {
                refused += 1;
                if !manual.contains(&format!("`{name}`")) {
                    faults.push(format!(
                        "{name} is not in the manual: {expression}\n    {error}"
                    ));
                }
            }
            (false, Answer::Items(items)) => {
                faults.push(format!("{name} differs: {expression}\n    {items:?}"));
            }
        }
    }
    let line = format!(
        "official FHIRPath tests for R4: {} of {} as expected, {refused} refused, {} faults\n",
        passed,
        answers.len(),
        faults.len()
    );
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr is open");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(answers.len(), 935);
    assert!(passed >= PASSES_MIN, "{line}");
}

fn input(folder: &Path, name: &str) -> String {
    if name.is_empty() {
        return "null".to_owned();
    }
    let file = Path::new(name).with_extension("json");
    fs::read_to_string(folder.join("input").join(file)).expect("an input of the suite")
}

/// Whether an answer is what the test wants.
fn expected(test: &Element, answer: &Answer) -> bool {
    let expression = test.child("expression").expect("each has one");
    if expression.attribute("invalid").is_some() {
        return matches!(answer, Answer::Error(_));
    }
    let Answer::Items(items) = answer else {
        return false;
    };
    let mut wanted: Vec<(Option<&str>, String)> = test
        .children("output")
        .map(|output| (output.attribute("type"), plain(&output.text)))
        .collect();
    let mut items = items.clone();
    if test.attribute("predicate") == Some("true") {
        items = vec![("System.Boolean".to_owned(), (!items.is_empty()).to_string())];
    }
    if test.attribute("ordered") == Some("false") {
        wanted.sort_by(|left, right| left.1.cmp(&right.1));
        items.sort_by(|left, right| left.1.cmp(&right.1));
    }
    items.len() == wanted.len()
        && items
            .iter()
            .zip(&wanted)
            .all(|((kind, text), (type_wanted, text_wanted))| {
                let name = kind.rsplit('.').next().unwrap_or_default();
                let typed = type_wanted.is_none_or(|wanted| name.eq_ignore_ascii_case(wanted));
                typed && text == text_wanted
            })
}

/// An output without the signs of a literal.
fn plain(text: &str) -> String {
    let text = text.strip_prefix('@').unwrap_or(text);
    text.strip_prefix('T').unwrap_or(text).to_owned()
}
