//! How near the words of a header or of a cell are to those that partners use.
//!
//! A header or a cell of a code column comes in; meanings with a score from 0 to 100 go out, best first. Kept: a code is known
//! whole or not at all.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::word_lists::{Phrase, listed, phrases, telling, words};

/// Words that say too little for a header of which they are a part: `Payment details`.
const GENERAL: &str = "date number id code type reference day time check from left end seen met came h w a case \
    source role group since house line place road note comment detail history message \
    background contact what who why information title first last second";
/// A phrase of the list that a header means less surely: `Date received`.
const LESS: u32 = 9;
/// Below this a likeness is chance.
const LEAST: u32 = 55;
/// Letters from which a slip of the keyboard is forgiven.
const SLIP_LENGTH: usize = 5;

/// A meaning that a header may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Likely {
    pub(super) means: &'static str,
    /// 100: the very words.
    pub(super) score: u32,
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

/// Whether a word is of our list: it says what a column holds, or a part of it.
pub(super) fn is_known_word(word: &str) -> bool {
    let plain = words(word);
    let said = |word: &String| known(word) || listed(GENERAL, word);
    !plain.is_empty() && plain.iter().any(said)
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
        let general = short == 1 && phrase.words.iter().all(|word| listed(GENERAL, word));
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
        add(&mut likely, phrase.means.as_str(), score);
    }
    rank(&mut likely);
    likely
}

/// Takes a meaning for as likely as the likeliest that was said of it.
pub(super) fn add(likely: &mut Vec<Likely>, means: &'static str, score: u32) {
    match likely.iter_mut().find(|known| known.means == means) {
        Some(known) => known.score = known.score.max(score),
        None => likely.push(Likely { means, score }),
    }
}

/// The likeliest first.
pub(super) fn rank(likely: &mut [Likely]) {
    likely.sort_by(|a, b| b.score.cmp(&a.score).then(a.means.cmp(b.means)));
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
    let has = |list: &str| said.iter().any(|word| listed(list, word));
    let later =
        "end after post final follow followup review exit again last closing later week t2 f";
    let first = "start before pre baseline initial first entry opening beginning t1 b intake";
    if has(later) {
        return Some("follow-up");
    }
    has(first).then_some("baseline")
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
