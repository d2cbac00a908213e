//! The words that partners use for our fields and answers: `mappings/headings.csv`, read once, and how near a header is to each.
//!
//! A header or a cell of a code column comes in; meanings with a score from 0 to 100 come out. Invariant: the list is data in
//! plain words, and no partner of ours stands in it.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use crate::tabular::{ReadLimits, read};

const TEXT: &str = include_str!("../../../mappings/headings.csv");
/// Words that say nothing where others stand beside them.
const EMPTY: [&str; 34] = [
    "the",
    "of",
    "a",
    "an",
    "client",
    "patient",
    "person",
    "participant",
    "member",
    "user",
    "please",
    "their",
    "your",
    "our",
    "s",
    "for",
    "is",
    "they",
    "you",
    "in",
    "full",
    "yn",
    "y",
    "n",
    "and",
    "any",
    "we",
    "us",
    "to",
    "at",
    "text",
    "if",
    "are",
    "has",
];
/// Words that say too little for a header of which they are a part: `Payment details`.
const GENERAL: [&str; 42] = [
    "date",
    "number",
    "id",
    "code",
    "type",
    "reference",
    "day",
    "time",
    "check",
    "from",
    "left",
    "end",
    "seen",
    "met",
    "came",
    "h",
    "w",
    "a",
    "case",
    "source",
    "role",
    "group",
    "since",
    "house",
    "line",
    "place",
    "road",
    "note",
    "comment",
    "detail",
    "history",
    "message",
    "background",
    "contact",
    "what",
    "who",
    "why",
    "information",
    "title",
    "first",
    "last",
    "second",
];
/// A phrase of the list that a header means less surely: `Date received`.
const LESS: u32 = 9;
/// Below this a likeness is chance.
const LEAST: u32 = 55;
/// Letters from which a slip of the keyboard is forgiven.
const SLIP_LENGTH: usize = 5;

/// One phrase and what it means.
struct Phrase {
    means: String,
    words: Vec<String>,
    full: Vec<String>,
    less: bool,
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

/// A meaning that a header may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Likely {
    pub(super) means: &'static str,
    /// 100: the very words.
    pub(super) score: u32,
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
fn telling(words: &[String]) -> Vec<String> {
    // `A1` is a question of a questionnaire, `a name` is a name.
    let kept: Vec<String> = words
        .iter()
        .filter(|word| !EMPTY.contains(&word.as_str()) || *word == "a" && words.len() < 3)
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
            table.rows.iter().flat_map(move |row| {
                let key = row.cell(0).strip_prefix(start);
                key.into_iter()
                    .flat_map(|key| row.cell(1).split('|').map(move |said| (said, key)))
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

fn phrases() -> &'static [Phrase] {
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
    let kept = words
        .iter()
        .filter(|word| !EMPTY.contains(&word.as_str()))
        .cloned();
    kept.collect()
}

/// Whether a word of our list may be meant. A word that is in the list itself is no slip of another: `attended`, `attendee`.
fn alike(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    !(known(one) && known(other))
        && one.chars().count() >= SLIP_LENGTH
        && other.chars().count() >= SLIP_LENGTH
        && strsim::damerau_levenshtein(one, other) <= 1
}

fn known(word: &str) -> bool {
    static WORDS: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        let full = phrases().iter().flat_map(|phrase| &phrase.full);
        full.map(String::as_str).collect()
    });
    words.contains(word)
}

/// How near some words are to a phrase: the same words, the same but in another order, or one within the other.
fn score(header: &[String], telling: &[String], phrase: &Phrase) -> u32 {
    if header == phrase.full.as_slice() {
        return 100;
    }
    if telling == phrase.words.as_slice() {
        return 97;
    }
    // `Session 2 date` is one of several session dates.
    let is_word = |word: &&String| word.parse::<u32>().is_err();
    if telling.iter().any(|word| !is_word(&word))
        && telling.iter().filter(is_word).eq(&phrase.words)
    {
        return 92;
    }
    let hits = |of: &[String], within: &[String]| {
        of.iter()
            .filter(|word| within.iter().any(|other| alike(word, other)))
            .count()
    };
    let (long, short) = (telling.len().max(1), phrase.words.len().max(1));
    let (found, back) = (hits(&phrase.words, telling), hits(telling, &phrase.words));
    if found == short && back == long {
        return 93;
    }
    let part = |hits: usize, all: usize| u32::try_from(hits * 30 / all).unwrap_or(0);
    if found == short {
        // The phrase lies within the header: the more of the header it is, the better. A single word of many is chance.
        let general = short == 1
            && phrase
                .words
                .iter()
                .all(|word| GENERAL.contains(&word.as_str()));
        if general {
            return 0;
        }
        let enough = short * 2 >= long || short > 1 && short * 5 >= long * 2;
        return if enough { 55 + part(short, long) } else { 0 };
    }
    if back == long && long > 1 {
        return 45 + part(long, short);
    }
    0
}

/// What the words of a header may mean, best first; one entry a meaning.
pub(super) fn meanings_of(words: &[String]) -> Vec<Likely> {
    ranked(words, |phrase| !phrase.means.starts_with("code:"))
}

fn ranked(full: &[String], wanted: impl Fn(&Phrase) -> bool) -> Vec<Likely> {
    let said = telling(full);
    let mut likely: Vec<Likely> = Vec::new();
    for phrase in phrases().iter().filter(|phrase| wanted(phrase)) {
        let less = if phrase.less { LESS } else { 0 };
        let score = score(full, &said, phrase).saturating_sub(less);
        if score < LEAST {
            continue;
        }
        match likely.iter_mut().find(|known| known.means == phrase.means) {
            Some(known) => known.score = known.score.max(score),
            None => likely.push(Likely {
                means: phrase.means.as_str(),
                score,
            }),
        }
    }
    likely.sort_by(|a, b| b.score.cmp(&a.score).then(a.means.cmp(b.means)));
    likely
}

/// Our word for what a cell of a code column says, out of these; only where the whole cell is known.
pub(super) fn code_of<'w>(cell: &str, ours: &[&'w str]) -> Option<&'w str> {
    let full = words(cell);
    let likely = ranked(&full, |phrase| {
        phrase
            .means
            .strip_prefix("code:")
            .is_some_and(|word| ours.contains(&word))
    });
    let best = likely.iter().filter(|likely| likely.score >= 93);
    let word = best
        .max_by_key(|likely| likely.score)?
        .means
        .strip_prefix("code:")?;
    ours.iter().copied().find(|ours| *ours == word)
}

/// The first word that the list has for one of ours, as a partner would write it.
pub(super) fn usual_word(ours: &str) -> String {
    let means = format!("code:{ours}");
    let phrase = phrases()
        .iter()
        .filter(|phrase| phrase.means == means)
        .find(|phrase| phrase.full.concat().chars().count() > 1);
    let words = phrase.map_or_else(|| vec![ours.to_owned()], |phrase| phrase.full.clone());
    let text = words.join(" ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// The first whole number in a header: which of several sessions, or which time of asking.
pub(super) fn ordinal(header: &str) -> Option<u32> {
    words(header).iter().find_map(|word| match word.as_str() {
        "first" | "1st" => Some(1),
        "second" | "2nd" | "again" => Some(2),
        "third" | "3rd" => Some(3),
        word => word.parse().ok().filter(|number| *number < 100),
    })
}

/// Whether a header says that something was asked first, or later.
pub(super) fn occasion(header: &str) -> Option<&'static str> {
    let said = words(header);
    let has = |list: &[&str]| said.iter().any(|word| list.contains(&word.as_str()));
    if has(&[
        "end", "after", "post", "final", "follow", "followup", "review", "exit", "again", "last",
        "closing", "later", "week", "t2", "f",
    ]) {
        return Some("follow-up");
    }
    has(&[
        "start",
        "before",
        "pre",
        "baseline",
        "initial",
        "first",
        "entry",
        "opening",
        "beginning",
        "t1",
        "b",
        "intake",
    ])
    .then_some("baseline")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EITHER: [&str; 9] = [
        "gp", "doctor", "stage", "note", "comment", "reason", "why", "date", "dyddiad",
    ];

    #[test]
    fn a_code_is_known_whole_or_not_at_all() {
        let ours = ["attended", "did-not-attend"];
        assert_eq!(code_of("Y", &ours), Some("attended"));
        assert_eq!(code_of("Did not attend", &ours), Some("did-not-attend"));
        assert_eq!(code_of("Anna did not attend", &ours), None);
        assert_eq!(code_of("Finished", &ours), None);
    }

    #[test]
    fn every_phrase_has_one_meaning_of_each_kind() {
        let mut seen = std::collections::BTreeMap::new();
        for phrase in phrases()
            .iter()
            .filter(|phrase| !phrase.means.starts_with("code:"))
        {
            let known: &mut std::collections::BTreeSet<&str> =
                seen.entry(phrase.full.join(" ")).or_default();
            known.insert(&phrase.means);
        }
        // What two columns may both be called; their cells and neighbours tell.
        let both: Vec<_> = seen
            .into_iter()
            .filter(|(said, means)| means.len() > 1 && !EITHER.contains(&said.as_str()))
            .collect();
        assert!(both.is_empty(), "{both:#?}");
    }
}
