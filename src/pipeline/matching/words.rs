//! Words that were agreed on: one that a letter of was lost, and what to ask where a word is none of them.

use super::compare::{can_be_alike, with_lost_letters};
use crate::partner::fields::CodeMap;
use crate::sheet::fold;

/// An agreed word of a partner, and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'c> {
    pub(super) typed: &'c str,
    pub(super) word: &'c str,
}

/// Words that are told in one sentence at most.
const TOLD_MAX: usize = 8;
/// From here on a word is nearly another.
const NEAR: f64 = 0.6;

/// The one agreed word that a cell with a sign for each lost letter can be.
pub(super) fn word_of<'c>(codes: &'c CodeMap, cell: &str) -> Option<Word<'c>> {
    let mut fits = codes
        .entries()
        .filter(|(typed, _)| with_lost_letters(typed, cell));
    let (typed, word) = fits.next()?;
    fits.next().is_none().then_some(Word { typed, word })
}

/// What a partner is asked where a word is none of those agreed.
pub(super) fn asked_for<'c>(words: impl Iterator<Item = &'c str>, cell: &str) -> String {
    let agreed: Vec<&str> = words.collect();
    let all = listed(&agreed);
    if cell.is_empty() {
        return format!("The cell is empty. {all}");
    }
    let folded = fold(cell);
    let nearest = agreed
        .iter()
        .map(|word| (nearness(&fold(word), &folded), *word))
        .filter(|(near, word)| {
            *near >= NEAR || (folded.len() >= 3 && fold(word).starts_with(&folded))
        })
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest {
        Some((_, word)) => format!("Do you mean {word}? {all}"),
        None => all,
    }
}

/// How near two words are, from 0 to 1; 0 of words whose lengths alone keep them apart, which a cell of a thousand words would be long compared for.
fn nearness(one: &str, other: &str) -> f64 {
    if can_be_alike(one, other, NEAR) {
        strsim::normalized_damerau_levenshtein(one, other)
    } else {
        0.0
    }
}

/// The words that were agreed on, in a sentence.
pub(super) fn agreed_words(codes: &CodeMap) -> String {
    let words: Vec<&str> = codes.entries().map(|(typed, _)| typed).collect();
    listed(&words)
}

fn listed(words: &[&str]) -> String {
    let more = if words.len() > TOLD_MAX {
        " and others"
    } else {
        ""
    };
    let list = words[..words.len().min(TOLD_MAX)].join(", ");
    format!("We agreed on: {list}{more}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes() -> CodeMap {
        let entries = [
            ("Finished", "completed"),
            ("Réussi", "completed"),
            ("Wedi symud tŷ", "closed-unsuccessful"),
        ];
        CodeMap::from_entries(entries.map(|(typed, word)| (typed.to_owned(), word.to_owned())))
    }

    #[test]
    fn a_lost_letter_leaves_one_word_or_none() {
        let codes = codes();
        let found = |cell: &str| word_of(&codes, cell).map(|word| word.typed);
        assert_eq!(found("R?ussi"), Some("Réussi"));
        assert_eq!(found("Wedi symud t\u{FFFD}"), Some("Wedi symud tŷ"));
        assert_eq!(found("F?nished"), None);
        assert_eq!(found("Finished"), None);
    }

    #[test]
    fn near_misses_are_asked_about() {
        let codes = codes();
        let asked = |cell: &str| asked_for(codes.entries().map(|(typed, _)| typed), cell);
        assert!(asked("Finishedd").starts_with("Do you mean Finished?"));
        assert!(asked("Finish").starts_with("Do you mean Finished?"));
        assert!(asked("came").starts_with("We agreed on: Finished"));
        assert!(asked(&"Finished ".repeat(3_000)).starts_with("We agreed on: Finished"));
    }
}
