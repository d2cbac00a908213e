//! Words that were agreed on: one that a letter of was lost, and what to ask where a word is none of them.

use super::compare::with_lost_letters;
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
pub(super) fn asked_for(codes: &CodeMap, cell: &str) -> String {
    let folded = fold(cell);
    let near = |typed: &str| strsim::normalized_damerau_levenshtein(&fold(typed), &folded);
    let nearest = codes
        .entries()
        .map(|(typed, _)| (near(typed), typed))
        .filter(|(near, typed)| {
            *near >= NEAR || (folded.len() >= 3 && fold(typed).starts_with(&folded))
        })
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let all: Vec<&str> = codes
        .entries()
        .map(|(typed, _)| typed)
        .take(TOLD_MAX)
        .collect();
    let more = if codes.entries().count() > TOLD_MAX {
        " and others"
    } else {
        ""
    };
    match nearest {
        Some((_, typed)) => format!(
            "Do you mean {typed}? We agreed on: {}{more}.",
            all.join(", ")
        ),
        None => format!("We agreed on: {}{more}.", all.join(", ")),
    }
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
        assert!(asked_for(&codes, "Finishedd").starts_with("Do you mean Finished?"));
        assert!(asked_for(&codes, "Finish").starts_with("Do you mean Finished?"));
        assert!(asked_for(&codes, "came").starts_with("We agreed on: Finished"));
    }
}
