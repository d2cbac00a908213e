//! The words that partners use for our fields and answers: `mappings/headings.csv`, read once.
//!
//! Texts come in; their words go out, as the list would write them, and whom they are about. Invariant: the list is data in
//! plain words, and no partner of ours stands in it.

use std::sync::OnceLock;

use crate::sheet::{ReadLimits, read};

const TEXT: &str = include_str!("../../../mappings/headings.csv");
/// Words that say nothing where others stand beside them.
const EMPTY: &str = "the of a an client patient person participant member user please their your our s for is \
    they you in full yn y n and any we us to at text if are has";

/// One phrase and what it means.
pub(super) struct Phrase {
    pub(super) means: String,
    pub(super) words: Vec<String>,
    pub(super) full: Vec<String>,
    pub(super) less: bool,
}

/// The list as it is used: what headers and cells mean, words that stand for others, and whom a header may be about.
struct WordLists {
    phrases: Vec<Phrase>,
    /// Words, longest first, and the one written for them.
    aliases: Vec<(Vec<String>, String)>,
    subjects: Vec<(Vec<String>, String)>,
    /// Single words, and what a header with one of them likely means.
    hints: Vec<(Vec<String>, String)>,
}

/// Whether a word is one of a list's, which are parted by spaces.
pub(super) fn listed(list: &str, word: &str) -> bool {
    list.split(' ').any(|known| known == word)
}

/// The words of a text: letters and digits, lower case; plurals and possessives lose their ending.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(text.len() + 4);
    let mut before = ' ';
    for character in text.chars() {
        // `RefDate`, `tel_no`, `Address1`: a change of kind parts words.
        let parts = before.is_lowercase() && character.is_uppercase()
            || before.is_alphabetic() && character.is_numeric()
            || before.is_numeric() && character.is_alphabetic();
        if parts {
            spaced.push(' ');
        }
        if character.is_alphanumeric() || character == '✓' {
            spaced.extend(character.to_lowercase());
        } else if !matches!(character, '\'' | '’') {
            spaced.push(' ');
        }
        before = character;
    }
    spaced
        .split_whitespace()
        .map(|word| {
            let plural = word.chars().count() > 3 && word.ends_with('s') && !word.ends_with("ss");
            if plural {
                word.trim_end_matches('s').to_owned()
            } else {
                word.to_owned()
            }
        })
        .collect()
}

/// The words that say something; all of them if none does.
pub(super) fn telling(words: &[String]) -> Vec<String> {
    // `A1` is a question of a questionnaire, `a name` is a name.
    let kept: Vec<String> = words
        .iter()
        .filter(|word| !listed(EMPTY, word) || *word == "a" && words.len() < 3)
        .cloned()
        .collect();
    if kept.is_empty() {
        words.to_vec()
    } else {
        kept
    }
}

fn lists() -> &'static WordLists {
    static LISTS: OnceLock<WordLists> = OnceLock::new();
    LISTS.get_or_init(|| {
        let table = read(TEXT.as_bytes(), &ReadLimits::default());
        let table = table.expect("the list is part of the program, and a test reads it");
        let said = |start: &'static str| {
            table.rows().flat_map(move |row| {
                let key = row.cell(0).strip_prefix(start);
                key.into_iter()
                    .flat_map(move |key| row.cell(1).split('|').map(move |said| (said, key)))
            })
        };
        let mut aliases: Vec<(Vec<String>, String)> = said("word:")
            .map(|(said, word)| (words(said), word.to_owned()))
            .collect();
        aliases.sort_by_key(|(said, _)| std::cmp::Reverse(said.len()));
        let subjects = said("subject:")
            .map(|(said, subject)| (told(&words(said), &aliases), subject.to_owned()))
            .collect();
        let hints = said("hint:")
            .map(|(said, means)| (told(&words(said), &aliases), means.to_owned()))
            .collect();
        let mut phrases = Vec::new();
        for (phrase, key) in said("") {
            if ["word:", "subject:", "hint:"]
                .iter()
                .any(|start| key.starts_with(start))
            {
                continue;
            }
            // Cells are compared as they stand: a `No` there is no number.
            let full = if key.starts_with("code:") {
                words(phrase)
            } else {
                told(&words(phrase), &aliases)
            };
            phrases.push(Phrase {
                means: key.trim_end_matches('?').to_owned(),
                words: telling(&full),
                full,
                less: key.ends_with('?'),
            });
        }
        WordLists {
            phrases,
            aliases,
            subjects,
            hints,
        }
    })
}

pub(super) fn phrases() -> &'static [Phrase] {
    &lists().phrases
}

/// The words with those of the list written for their short and other forms: `Tel No` is a phone number.
fn told(words: &[String], aliases: &[(Vec<String>, String)]) -> Vec<String> {
    let mut told = Vec::with_capacity(words.len());
    let mut rest = words;
    while let Some((first, others)) = rest.split_first() {
        let alias = aliases
            .iter()
            .find(|(said, _)| !said.is_empty() && rest.starts_with(said));
        if let Some((said, word)) = alias {
            told.extend(word.split(' ').map(str::to_owned));
            rest = rest.get(said.len()..).unwrap_or_default();
        } else {
            told.push(first.clone());
            rest = others;
        }
    }
    told.dedup();
    // A phone number is a phone.
    let mut phone = false;
    told.retain(|word| {
        let drop = phone && word == "number";
        phone = word == "phone" || word == "mobile";
        !drop
    });
    told
}

/// The words of a header as the list would write them.
pub(super) fn heading_words(text: &str) -> Vec<String> {
    let mut said = told(&words(text), &lists().aliases);
    // `Tel (H)`, `Tel M`: which of somebody's numbers.
    if said.iter().any(|word| word == "phone") {
        for word in &mut said {
            match word.as_str() {
                "h" | "hm" => "home".clone_into(word),
                "m" => "mobile".clone_into(word),
                "w" | "wk" => "work".clone_into(word),
                _ => {}
            }
        }
    }
    said
}

/// Whom some words are about, as the list has it: the last one named, and the words that name nobody.
pub(super) fn subject(words: &[String]) -> (Option<&'static str>, Vec<String>) {
    let mut found: Option<(&'static str, usize)> = None;
    let mut rest = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let here = words.get(at..).unwrap_or_default();
        let longest = lists()
            .subjects
            .iter()
            .filter(|(said, _)| !said.is_empty() && here.starts_with(said))
            .max_by_key(|(said, _)| said.len());
        if let Some((said, who)) = longest {
            found = Some((who.as_str(), at));
            at += said.len().max(1);
        } else {
            rest.extend(here.first().cloned());
            at += 1;
        }
    }
    (found.map(|(who, _)| who), telling_or_none(&rest))
}

/// What single words of a header hint at.
pub(super) fn hints(words: &[String]) -> Vec<&'static str> {
    let hit = |said: &[String]| words.windows(said.len().max(1)).any(|some| some == said);
    let found = lists().hints.iter().filter(|(said, _)| hit(said));
    found.map(|(_, means)| means.as_str()).collect()
}

fn telling_or_none(words: &[String]) -> Vec<String> {
    let kept = words.iter().filter(|word| !listed(EMPTY, word)).cloned();
    kept.collect()
}
