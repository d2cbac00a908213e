//! Whether one resource answers one search parameter: tokens, dates and references as R4 compares them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::dates;
use super::resources::{Failure, one_or_many};

/// One parameter, as a test on a resource.
#[derive(Debug)]
pub(super) enum Test {
    Id(BTreeSet<String>),
    LastUpdated(Vec<DateTest>),
    Date(&'static [&'static str], Vec<DateTest>),
    Token(&'static [&'static str], Vec<TokenTest>),
    Reference(&'static [&'static str], Vec<String>),
    ReferenceIdentifier(&'static [&'static str], Vec<TokenTest>),
}

/// A prefix and the span of the value asked for.
#[derive(Debug)]
pub(super) struct DateTest {
    prefix: String,
    span: (i64, i64),
}

/// `code`, `|code`, `system|code` or `system|`.
#[derive(Debug)]
pub(super) struct TokenTest {
    pub(super) system: Option<String>,
    pub(super) code: Option<String>,
}

impl Test {
    pub(super) fn matches(&self, base: &str, id: &str, at: i64, body: &Value) -> bool {
        let values = |elements: &'static [&'static str]| {
            elements
                .iter()
                .flat_map(|element| one_or_many(&body[*element]))
        };
        match self {
            Self::Id(ids) => ids.contains(id),
            Self::LastUpdated(tests) => tests.iter().any(|test| test.holds((at, at + 1))),
            Self::Date(elements, tests) => values(elements)
                .filter_map(|value| value.as_str().and_then(dates::span))
                .any(|span| tests.iter().any(|test| test.holds(span))),
            Self::Token(elements, tests) => {
                values(elements).any(|value| tests.iter().any(|test| test.holds(value)))
            }
            Self::ReferenceIdentifier(elements, tests) => values(elements)
                .any(|value| tests.iter().any(|test| test.holds(&value["identifier"]))),
            Self::Reference(elements, wanted) => references(base, body, elements).any(|held| {
                wanted.iter().any(|wanted| {
                    let id = held.rsplit('/').next().unwrap_or(held);
                    held == wanted || (!wanted.contains('/') && id == wanted)
                })
            }),
        }
    }
}

impl DateTest {
    /// R4 search, date: the prefixes compare the span of the value asked for with the span of the value held.
    fn holds(&self, held: (i64, i64)) -> bool {
        let asked = self.span;
        let within = held.0 >= asked.0 && held.1 <= asked.1;
        match self.prefix.as_str() {
            "ne" => !within,
            "gt" => held.1 > asked.1,
            "lt" => held.0 < asked.0,
            "ge" => held.1 > asked.1 || within,
            "le" => held.0 < asked.0 || within,
            "sa" => held.0 >= asked.1,
            "eb" => held.1 <= asked.0,
            _ => within,
        }
    }
}

impl TokenTest {
    /// Looks at a code, boolean, Coding, `CodeableConcept` or Identifier. A plain code has no system of its own to compare.
    fn holds(&self, value: &Value) -> bool {
        let code_is = |text: &str| self.code.as_deref().is_none_or(|code| code == text);
        match value {
            Value::String(text) => code_is(text),
            Value::Bool(flag) => code_is(if *flag { "true" } else { "false" }),
            Value::Object(members) if members.contains_key("coding") => {
                one_or_many(&value["coding"])
                    .iter()
                    .any(|coding| self.holds_pair(&coding["system"], &coding["code"]))
            }
            Value::Object(members) if members.contains_key("value") => {
                self.holds_pair(&value["system"], &value["value"])
            }
            Value::Object(_) => self.holds_pair(&value["system"], &value["code"]),
            _ => false,
        }
    }

    fn holds_pair(&self, system: &Value, code: &Value) -> bool {
        let system = system.as_str().unwrap_or_default();
        let Some(code) = code.as_str() else {
            return false;
        };
        self.system.as_deref().is_none_or(|wanted| wanted == system)
            && self.code.as_deref().is_none_or(|wanted| wanted == code)
    }
}

pub(super) fn references<'a>(
    base: &'a str,
    body: &'a Value,
    elements: &'static [&'static str],
) -> impl Iterator<Item = &'a str> {
    elements
        .iter()
        .flat_map(|element| one_or_many(&body[*element]))
        .filter_map(|value| value["reference"].as_str())
        .map(|reference| local(base, reference))
}

/// A reference without this server's address and without a version.
pub(super) fn local<'a>(base: &str, reference: &'a str) -> &'a str {
    let path = reference
        .strip_prefix(base)
        .map_or(reference, |path| path.trim_start_matches('/'));
    path.split("/_history/").next().unwrap_or(path)
}

pub(super) fn date_tests(value: &str) -> Result<Vec<DateTest>, Failure> {
    let mut tests = Vec::new();
    for text in alternatives(value) {
        let digits = text.trim_start_matches(|c: char| c.is_ascii_lowercase());
        let prefix = text.strip_suffix(digits).unwrap_or_default().to_owned();
        let known = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"];
        let span = dates::span(digits).filter(|_| known.contains(&prefix.as_str()));
        let span =
            span.ok_or_else(|| Failure::new(400, "value", "a date parameter is not a FHIR date"))?;
        tests.push(DateTest { prefix, span });
    }
    Ok(tests)
}

pub(super) fn token_tests(value: &str) -> Vec<TokenTest> {
    let mut tests = Vec::new();
    for parts in split(value) {
        let test = match parts.as_slice() {
            [code] => TokenTest {
                system: None,
                code: Some(code.clone()),
            },
            [system, code, ..] => TokenTest {
                system: Some(system.clone()),
                code: Some(code.clone()).filter(|code| !code.is_empty()),
            },
            [] => continue,
        };
        tests.push(test);
    }
    tests
}

pub(super) fn alternatives(value: &str) -> Vec<String> {
    split(value)
        .into_iter()
        .map(|parts| parts.join("|"))
        .collect()
}

/// Splits at commas, and each part at bars; a backslash takes the meaning off the next character (R4 search, escaping).
fn split(value: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let mut parts = vec![String::new()];
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            ',' => all.push(std::mem::replace(&mut parts, vec![String::new()])),
            '|' => parts.push(String::new()),
            other => {
                let plain = if other == '\\' {
                    characters.next().unwrap_or(other)
                } else {
                    other
                };
                if let Some(last) = parts.last_mut() {
                    last.push(plain);
                }
            }
        }
    }
    all.push(parts);
    all
}
