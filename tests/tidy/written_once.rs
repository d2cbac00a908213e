//! Rows of the ledger that are made in one place each: a hold and a line of the books.

use std::collections::BTreeMap;

use crate::report;
use crate::source::{Source, SourceFile};
use crate::tokens::{behind_group, starts};

/// Types of `store` that its `Batch` makes, and its engine reads back; nobody else writes one down.
const MADE_ONCE: [&str; 2] = ["HeldRow", "BookRow"];

#[test]
fn holds_and_books_are_made_in_one_place_each() {
    report(&second_places(Source::of_repository()));
}

/// Places where a row is made outside the store; and within it, second places below and beside the engines.
///
/// Each engine (`store/sqlite/`, …) may make one where it reads a row back, the rest of `store` one where a batch takes it up.
pub(crate) fn second_places(source: &Source) -> Vec<String> {
    let mut breaches = Vec::new();
    for name in MADE_ONCE {
        let mut inside: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in &source.files {
            for (line, words) in constructions(file, name) {
                if !is_of_the_store(source, file, &words) {
                    continue;
                }
                let place = format!("{}:{line}", file.file.display());
                match file.module.as_slice() {
                    [store, engine, _, ..] if store == "store" => {
                        inside.entry(engine.clone()).or_default().push(place);
                    }
                    [store, ..] if store == "store" => {
                        inside.entry(String::new()).or_default().push(place);
                    }
                    _ => breaches.push(format!("{place}: a {name} is made here: use the function of store::Batch that makes it")),
                }
            }
        }
        for places in inside.values().filter(|places| places.len() > 1) {
            breaches.push(format!(
                "{}: a {name} is made in {} places: keep one",
                places.join(", "),
                places.len()
            ));
        }
    }
    breaches
}

/// Whether a path means the store's type in a file: another room's type of that name is another matter.
fn is_of_the_store(source: &Source, file: &SourceFile, words: &[String]) -> bool {
    let Some(module) = source.modules.get(&file.module) else {
        return false;
    };
    let of_its_own = matches!(words, [name] if module.items.contains(name));
    let owner = if of_its_own {
        Some(module.path.clone())
    } else {
        let absolute = source.absolute(module, words);
        absolute.map(|absolute| source.follow(&absolute).module)
    };
    owner.is_some_and(|owner| owner.first().is_some_and(|room| room == "store"))
}

/// Where a value of a type is made, in what ships, each with its line and its path as it is written: `Row { … }` that is no definition, no block behind a type, no pattern.
pub(crate) fn constructions(file: &SourceFile, name: &str) -> Vec<(usize, Vec<String>)> {
    let tokens = &file.tokens;
    let mut found = Vec::new();
    for at in file
        .shipped()
        .filter(|at| starts(tokens, *at, &[name, "{"]))
    {
        // Back over the path: `crate::store::Row`.
        let mut start = at;
        while start >= 2 && starts(tokens, start - 1, &["::"]) {
            start -= 2;
        }
        let before = start.checked_sub(1).and_then(|before| tokens.get(before));
        let opens_a_block = before.is_some_and(|before| {
            ["struct", "impl", "for", "->", "mut", "dyn"]
                .iter()
                .any(|word| before.is(word))
        });
        let behind = behind_group(tokens, at + 1);
        let rest = behind >= 3 && starts(tokens, behind - 3, &[".", ".", "}"]);
        let bound = ["=>", "|", "if"]
            .iter()
            .any(|mark| starts(tokens, behind, &[mark]))
            || (starts(tokens, behind, &["="]) && !starts(tokens, behind + 1, &["="]));
        if !opens_a_block && !rest && !bound {
            let path = tokens.get(start..=at).unwrap_or_default();
            let words = path.iter().filter(|token| token.is_word());
            let line = path.last().map_or(0, |token| token.line);
            found.push((line, words.map(|token| token.text.clone()).collect()));
        }
    }
    found
}
