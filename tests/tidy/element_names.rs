//! FHIR element names are read in a few rooms only: elsewhere a resource is asked through `fhir`.
//!
//! Read counts, in a file that names something of `json`: `get("…")`, `at(&["…"])`, `pointer("…")` and the like with the name
//! of an R4 element; and anywhere the word that says a resource's type. JSON of our own (evidence, ledger bodies) is
//! read through `serde_json` and is no concern of this rule.

use std::collections::BTreeSet;
use std::path::Path;

use crate::reading::read;
use crate::report;
use crate::source::{Source, SourceFile};
use crate::tokens::{Kind, behind_group, starts};
use crate::uses::reaches;

/// Rooms that know R4's elements.
const KNOWING: [&str; 6] = ["fhir", "json", "fhirpath", "view", "sandbox", "demo"];
/// Functions that read a member of a resource, or name the members to be kept of it.
const READS: [&str; 6] = ["get", "at", "pointer", "member_texts", "members", "each"];
/// Put together here, so that a search for the word does not find this file.
const RESOURCE_TYPE: &str = concat!("resource", "Type");

#[test]
fn elements_of_fhir_are_read_by_the_rooms_that_know_them() {
    let elements = Elements::read(&read(Path::new("src/fhirpath/r4.types")));
    report(&element_breaches(Source::of_repository(), &elements));
}

/// The names of R4's elements; of a choice (`onset[x]`) its beginning.
#[derive(Debug, Default)]
pub(crate) struct Elements {
    names: BTreeSet<String>,
    choices: BTreeSet<String>,
}

impl Elements {
    /// Reads lines of `Type Base name:Type name*:Type name[x]:Type|Type`.
    pub(crate) fn read(types: &str) -> Self {
        let mut elements = Self::default();
        for word in types
            .lines()
            .flat_map(|line| line.split_whitespace().skip(2))
        {
            let name = word
                .split(':')
                .next()
                .unwrap_or_default()
                .trim_end_matches('*');
            match name.strip_suffix("[x]") {
                Some(choice) => elements.choices.insert(choice.to_owned()),
                None => elements.names.insert(name.to_owned()),
            };
        }
        elements
    }

    /// Whether a path of member names, divided by dots or slashes, holds an element.
    fn in_path(&self, path: &str) -> bool {
        path.split(['.', '/']).any(|name| {
            name == RESOURCE_TYPE
                || self.names.contains(name)
                || self.choices.iter().any(|choice| {
                    let kind = name.strip_prefix(choice.as_str());
                    kind.is_some_and(|kind| kind.starts_with(char::is_uppercase))
                })
        })
    }
}

pub(crate) fn element_breaches(source: &Source, elements: &Elements) -> Vec<String> {
    let of_json: BTreeSet<&Path> = reaches(source)
        .iter()
        .filter(|reach| {
            reach
                .found
                .module
                .first()
                .is_some_and(|room| room == "json")
        })
        .map(|reach| reach.from.file.as_path())
        .collect();
    let mut breaches = Vec::new();
    for file in &source.files {
        let room = file.module.first().map_or("", String::as_str);
        if !KNOWING.contains(&room) {
            breaches.extend(breaches_of(
                file,
                of_json.contains(file.file.as_path()),
                elements,
            ));
        }
    }
    breaches
}

fn breaches_of(file: &SourceFile, reads_json: bool, elements: &Elements) -> Vec<String> {
    let mut found = BTreeSet::new();
    for at in file.shipped() {
        let Some(token) = file.tokens.get(at) else {
            continue;
        };
        if token.kind == Kind::Text && token.text == RESOURCE_TYPE {
            found.insert((token.line, RESOURCE_TYPE.to_owned()));
        }
        let called = reads_json
            && READS
                .iter()
                .any(|read| starts(&file.tokens, at, &[read, "("]));
        if !called {
            continue;
        }
        let behind = behind_group(&file.tokens, at + 1);
        // `serde_json` reads what is ours.
        if starts(&file.tokens, behind, &[".", "and_then", "(", "Value"]) {
            continue;
        }
        let arguments = file.tokens.get(at + 1..behind).unwrap_or_default();
        for text in arguments
            .iter()
            .filter(|text| text.kind == Kind::Text && elements.in_path(&text.text))
        {
            found.insert((text.line, text.text.clone()));
        }
    }
    let say = |(line, name): (usize, String)| {
        format!(
            "{}:{line}: the FHIR element {name} is read here: ask a function of fhir/resources",
            file.file.display()
        )
    };
    found.into_iter().map(say).collect()
}
