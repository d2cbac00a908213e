//! Rules on names: of modules, of types, and of the words of the glossary.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::reading::{files_below, read, root};
use crate::report;
use crate::source::Source;

const DRAWERS: [&str; 7] = [
    "util", "utils", "common", "helper", "helpers", "manager", "service",
];
/// Rooms whose direct children count as modules of their own.
const DIVIDED: [&str; 2] = ["pipeline", "partner"];
const NAMES_FILE: &str = "tests/tidy_type_names.txt";
const GLOSSARY: &str = "docs/GLOSSARY.md";
/// Words that the glossary avoids for one thing, and that are the right ones for another.
const OTHER_SENSES: [(&str, &str); 3] = [
    ("Cells", "of a row"),
    ("Client", "of a server"),
    ("Order", "of an export, and of a sequence"),
];

#[test]
fn modules_are_named_for_what_they_hold() {
    let mut breaches = Vec::new();
    for file in [files_below("src", &["rs"]), files_below("tests", &["rs"])].concat() {
        let found = drawers(&file, &read(&file)).into_iter();
        breaches.extend(found.map(|name| {
            format!(
                "{}: a module called {name}: name it for what it holds",
                file.display()
            )
        }));
    }
    report(&breaches);
}

/// Names of a file's path, and of the modules in it, that say nothing.
pub(crate) fn drawers(file: &Path, text: &str) -> Vec<String> {
    let inline = text
        .lines()
        .filter_map(|line| line.trim().strip_suffix('{')?.split("mod ").nth(1));
    let parts = file.with_extension("");
    let names = parts.iter().filter_map(|part| part.to_str()).chain(inline);
    let found = names.map(str::trim).filter(|name| DRAWERS.contains(name));
    found.map(str::to_owned).collect()
}

/// Type names, each with the modules that define it and a place for each.
pub(crate) type Types = BTreeMap<String, BTreeMap<String, String>>;

/// The names of every type that ships.
pub(crate) fn types_of(source: &Source) -> Types {
    let mut types = Types::new();
    for module in source.modules.values().filter(|module| !module.in_tests) {
        let owner = match module.path.as_slice() {
            [room, below, ..] if DIVIDED.contains(&room.as_str()) => format!("{room}/{below}"),
            [room, ..] => room.clone(),
            [] => "lib".to_owned(),
        };
        for found in module.types.iter().filter(|found| !found.in_tests) {
            let place = format!("{}:{}", module.file.display(), found.line);
            types
                .entry(found.name.clone())
                .or_default()
                .entry(owner.clone())
                .or_insert(place);
        }
    }
    types
}

#[test]
fn a_type_name_belongs_to_one_module() {
    report(&shared_names(
        &types_of(Source::of_repository()),
        &read(Path::new(NAMES_FILE)),
    ));
}

/// Names of two modules that the list lacks, and lines of the list that are true no longer: it may only shrink.
pub(crate) fn shared_names(types: &Types, list: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut listed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in list
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (name, modules) = line.split_once(':').unwrap_or((line, ""));
        if listed
            .insert(name, modules.split_whitespace().collect())
            .is_some()
        {
            breaches.push(format!("{NAMES_FILE}: {name} has two lines: make them one"));
        }
    }
    for (name, owners) in types.iter().filter(|(_, owners)| owners.len() > 1) {
        let allowed = listed.get(name.as_str()).cloned().unwrap_or_default();
        for (owner, place) in owners
            .iter()
            .filter(|(owner, _)| !allowed.contains(owner.as_str()))
        {
            let others: Vec<&str> = owners
                .keys()
                .filter(|other| *other != owner)
                .map(String::as_str)
                .collect();
            breaches.push(format!(
                "{place}: {name} is a type of {} too: give this one a name of its own",
                others.join(", ")
            ));
        }
    }
    for (name, allowed) in &listed {
        let owners = types.get(*name);
        let count = owners.map_or(0, BTreeMap::len);
        let gone: Vec<&str> = allowed
            .iter()
            .copied()
            .filter(|owner| owners.is_none_or(|all| !all.contains_key(*owner)))
            .collect();
        if count < 2 {
            breaches.push(format!(
                "{NAMES_FILE}: {name} is no longer a type of two modules: take its line out"
            ));
        } else if !gone.is_empty() {
            breaches.push(format!(
                "{NAMES_FILE}: {name} is no longer a type of {}: take that out of its line",
                gone.join(", ")
            ));
        }
    }
    breaches
}

#[test]
fn the_glossary_and_the_types_agree() {
    let Ok(glossary) = fs::read_to_string(root().join(GLOSSARY)) else {
        panic!("{GLOSSARY} is missing: write it, as a table `| word | type | meaning | not |`");
    };
    report(&glossary_breaches(
        &glossary,
        &types_of(Source::of_repository()),
    ));
}

/// Types that the glossary names and the source lacks, and types of the source with a word that the glossary warns of.
///
/// In the column *type* a name in backticks is a type: `Leg`. A word of the column *not* is part of no type's name, but for
/// those of [`OTHER_SENSES`].
pub(crate) fn glossary_breaches(glossary: &str, types: &Types) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut rows = 0;
    for (number, line) in glossary
        .lines()
        .enumerate()
        .filter(|(_, line)| line.trim_start().starts_with('|'))
    {
        let place = format!("{GLOSSARY}:{}", number + 1);
        let cells: Vec<&str> = line
            .trim()
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        let [word, named, _, avoided] = cells.as_slice() else {
            breaches.push(format!(
                "{place}: not four cells: | word | type | meaning | not |"
            ));
            continue;
        };
        if *word == "word" || word.starts_with("--") || word.starts_with(":-") {
            continue;
        }
        rows += 1;
        for name in in_backticks(named)
            .into_iter()
            .filter(|name| !types.contains_key(name))
        {
            breaches.push(format!(
                "{place}: there is no type {name}: correct the glossary"
            ));
        }
        for avoided in avoided_words(avoided) {
            for (name, owners) in types
                .iter()
                .filter(|(name, _)| words_of(name).contains(&avoided))
            {
                let places: Vec<&str> = owners.values().map(String::as_str).collect();
                breaches.push(format!(
                    "{}: {name}: the glossary says {word}, not {avoided}: rename it",
                    places.join(", ")
                ));
            }
        }
    }
    if rows == 0 {
        breaches.push(format!(
            "{GLOSSARY}: no table | word | type | meaning | not |"
        ));
    }
    breaches
}

/// The names in backticks that could be types.
fn in_backticks(cell: &str) -> Vec<String> {
    let names = cell
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|name| name.rsplit("::").next().unwrap_or(name));
    names
        .filter(|name| name.starts_with(char::is_uppercase))
        .map(str::to_owned)
        .collect()
}

/// The words of the column *not*, as a type's name would have them.
fn avoided_words(cell: &str) -> Vec<String> {
    let words = cell.split(',').map(|word| word.trim().trim_matches('`'));
    let words = words.filter(|word| !word.is_empty()).map(|word| {
        let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        first.to_uppercase() + rest
    });
    words
        .filter(|word| !OTHER_SENSES.iter().any(|(other, _)| other == word))
        .collect()
}

/// The words of a type's name: `LookupKey` is `Lookup` and `Key`.
pub(crate) fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    words
}
