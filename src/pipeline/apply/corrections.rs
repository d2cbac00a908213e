//! What becomes of an event that is told again in other words: a correction, something taken back, or only another order.
//!
//! In: the event as it was kept and as a row tells it now. Out: nothing, a new word on the same event, or a question. Keeps:
//! a sheet that is sent whole every week changes nothing, whatever order its rows are in.

use std::collections::HashMap;

use crate::domain::{EventKind, LegId};
use crate::pipeline::event::{ReportedEvent, RowFinding, Sameness, StoredEvent};

/// What a row says that is new of an event that is known.
pub(crate) enum Correction {
    /// Nothing.
    None,
    /// A new word on it.
    Event(Box<StoredEvent>),
    /// Only a person can say which word is right.
    Ask,
    /// A sheet that is newer has told of the person: this contradicts it.
    OlderWord,
    /// It says again, word for word, what a later sheet corrected.
    Corrected,
}

/// What else is known of an event and of the sheet that tells it.
pub(crate) struct Telling<'t> {
    /// The words on the event, in the order in which they came.
    pub(crate) earlier: &'t [StoredEvent],
    /// A sheet that is newer than this one has told of the same person.
    pub(crate) newer_sheet: bool,
    /// The row had been taken in, and is judged again because another return was undone.
    pub(crate) told_before: bool,
}

impl Telling<'_> {
    /// Whether these words are an earlier one that a later sheet corrected.
    fn was_corrected(&self, now: &StoredEvent) -> bool {
        let mut earlier = self.earlier.iter().enumerate();
        earlier.any(|(place, word)| {
            let mut later = self.earlier.iter().skip(place + 1);
            !word.withdrawn
                && word.content() == now.content()
                && later.any(|later| {
                    !later.undone && (later.withdrawn || later.content() != now.content())
                })
        })
    }

    /// Whether an earlier sheet took the event back and a later one told it again.
    fn was_told_again(&self) -> bool {
        let mut told = self
            .earlier
            .iter()
            .skip_while(|word| !word.withdrawn || word.undone);
        told.any(|later| !later.withdrawn && !later.undone)
    }
}

/// Compares an event as kept with what a row says of it.
pub(crate) fn of(
    before: &StoredEvent,
    now: StoredEvent,
    withdrawn: bool,
    telling: &Telling<'_>,
) -> Correction {
    if withdrawn {
        if before.withdrawn {
            return Correction::None;
        }
        if telling.was_told_again() {
            return Correction::Corrected;
        }
        if telling.newer_sheet {
            return Correction::OlderWord;
        }
        let mut taken_back = now;
        taken_back.withdrawn = true;
        // What it said stays known: the row that takes it back may say something else by now.
        (taken_back.code, taken_back.words) = (before.code.clone(), before.words.clone());
        taken_back.answers.clone_from(&before.answers);
        return Correction::Event(Box::new(taken_back.revising(before)));
    }
    if !before.withdrawn && before.content() == now.content() {
        return Correction::None;
    }
    if telling.was_corrected(&now) {
        return Correction::Corrected;
    }
    // Of what an undo took back nothing stands that it could contradict.
    let nothing_stands = telling.told_before && before.withdrawn && before.undone;
    if telling.newer_sheet && !nothing_stands {
        return Correction::OlderWord;
    }
    // A person has been referred on: another wish for the same day is not a correction of that.
    if now.kind == EventKind::Onward {
        return Correction::Ask;
    }
    Correction::Event(Box::new(now.revising(before)))
}

/// A leg, and what makes two of its events in one file occurrences of the same.
type Same<'t> = (LegId, Sameness<'t>);

/// What a file tells of each leg under the same day and kind.
pub(crate) struct Contents<'t>(HashMap<Same<'t>, Vec<String>>);

/// What a file tells.
pub(crate) fn contents(rows: &[RowFinding]) -> Contents<'_> {
    let mut contents: HashMap<Same<'_>, Vec<String>> = HashMap::new();
    for row in rows.iter().filter(|row| row.leg.is_some()) {
        for tale in &row.events {
            let told = contents.entry((row.leg, tale.sameness())).or_default();
            told.push(said(tale));
        }
    }
    Contents(contents)
}

impl Contents<'_> {
    /// What the other rows tell of the same kind and day as this one.
    pub(crate) fn of_others(&self, leg: LegId, tale: &ReportedEvent) -> Vec<String> {
        let told = self.0.get(&(leg, tale.sameness()));
        let mut told = told.cloned().unwrap_or_default();
        let own = said(tale);
        if let Some(place) = told.iter().position(|other| *other == own) {
            told.remove(place);
        }
        told
    }
}

/// What an event says, as a row tells it.
pub(crate) fn said(tale: &ReportedEvent) -> String {
    let (code, answers, words) = tale.content();
    text(code, answers, words)
}

/// The same of one that is kept.
pub(crate) fn text_of(event: &StoredEvent) -> String {
    let (code, answers, words) = event.content();
    text(code, answers, words)
}

fn text(code: &str, answers: &[(String, Option<i64>)], words: &str) -> String {
    format!("{code}|{answers:?}|{words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: &str) -> StoredEvent {
        StoredEvent {
            identifier: "i".to_owned(),
            kind: EventKind::Attendance,
            on: Some(jiff::civil::date(2026, 11, 20)),
            code: code.to_owned(),
            instrument: String::new(),
            answers: Vec::new(),
            words: String::new(),
            occurrence: 1,
            taken_at: String::new(),
            revision: 0,
            withdrawn: false,
            undone: false,
        }
    }

    fn outcome(
        before: &StoredEvent,
        now: StoredEvent,
        withdrawn: bool,
    ) -> Option<(u32, bool, String)> {
        let telling = Telling {
            earlier: std::slice::from_ref(before),
            newer_sheet: false,
            told_before: false,
        };
        match of(before, now, withdrawn, &telling) {
            Correction::Event(event) => Some((event.revision, event.withdrawn, event.code)),
            Correction::None | Correction::Ask | Correction::OlderWord | Correction::Corrected => {
                None
            }
        }
    }

    #[test]
    fn a_changed_word_is_a_correction_and_the_same_word_is_none() {
        let came = event("attended");
        let changed = Some((1, false, "did-not-attend".to_owned()));
        assert_eq!(outcome(&came, event("did-not-attend"), false), changed);
        assert_eq!(outcome(&came, event("attended"), false), None);
    }

    #[test]
    fn what_an_undo_took_back_can_be_told_again() {
        let came = event("attended");
        let back = Some((1, true, "attended".to_owned()));
        assert_eq!(outcome(&came, event("did-not-attend"), true), back);
        let gone = StoredEvent {
            revision: 1,
            withdrawn: true,
            undone: true,
            ..came.clone()
        };
        assert_eq!(outcome(&gone, event("attended"), true), None);
        let again = Some((2, false, "attended".to_owned()));
        assert_eq!(outcome(&gone, event("attended"), false), again);
    }

    #[test]
    fn a_word_that_a_later_sheet_corrected_is_not_taken_in_again() {
        let told = |revision, code: &str, withdrawn, undone| StoredEvent {
            revision,
            withdrawn,
            undone,
            ..event(code)
        };
        let first = told(0, "attended", false, false);
        let again = |earlier: &[StoredEvent], newer_sheet: bool, code: &str| {
            let telling = Telling {
                earlier,
                newer_sheet,
                told_before: false,
            };
            let newest = earlier.last().unwrap();
            match of(newest, event(code), false, &telling) {
                Correction::None => "known",
                Correction::Event(_) => "taken",
                Correction::Ask => "asked",
                Correction::OlderWord | Correction::Corrected => "older",
            }
        };
        let corrected = [first.clone(), told(1, "did-not-attend", false, false)];
        assert_eq!(again(&corrected, false, "attended"), "older");
        assert_eq!(again(&corrected, false, "did-not-attend"), "known");
        assert_eq!(again(&corrected, false, "cancelled-by-person"), "taken");
        assert_eq!(again(&corrected, true, "cancelled-by-person"), "older");
        let taken_back = [first.clone(), told(1, "attended", true, false)];
        assert_eq!(again(&taken_back, false, "attended"), "older");
        // The sheet that corrected it was undone, and what it said is told again.
        let undone = [
            first,
            told(1, "did-not-attend", false, false),
            told(2, "attended", false, true),
        ];
        assert_eq!(again(&undone, false, "did-not-attend"), "taken");
        assert_eq!(again(&undone, false, "attended"), "known");
    }
}
