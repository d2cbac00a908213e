//! Which of the events of one kind and day a row tells.
//!
//! In: what a row tells, and what is known of its person. Out: the known event that it speaks of, or the number of a new one. Keeps: what is told as it was
//! known is known, in whatever order the rows stand and whichever of them are missing; no two rows of a file speak of one event.

use std::collections::{HashMap, HashSet};

use super::corrections::text_of;
use super::returned_receipt::MendedEvent;
use crate::domain::LegId;
use crate::pipeline::event::{NumberedEvent, ReportedEvent, Sameness, StoredEvent};

/// Which events the rows of a file so far speak of.
#[derive(Default)]
pub(crate) struct Occurrences<'t> {
    /// Those that were known, by their number among those of their kind and day.
    known: HashSet<(LegId, Sameness<'t>, u32)>,
    /// The highest number that was given to a new one.
    new: HashMap<(LegId, Sameness<'t>), u32>,
}

/// What a row speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpeaksOf {
    /// An event at this place among the known ones.
    Known(usize),
    /// A new one, of this number among those of its kind and day.
    New(u32),
}

impl<'t> Occurrences<'t> {
    /// What the next row speaks of. `takes_back`: it says that it was told by mistake; `others`: what the other rows of the file tell of the same kind and day.
    pub(crate) fn next(
        &mut self,
        leg: LegId,
        told: &'t ReportedEvent,
        known: &[NumberedEvent],
        takes_back: bool,
        others: impl FnOnce() -> Vec<String>,
    ) -> SpeaksOf {
        let same = told.sameness();
        let of_kind = known.iter().enumerate();
        let of_kind = of_kind.filter(|(_, (_, event))| event.is_like(told));
        let of_kind: Vec<(usize, &StoredEvent)> =
            of_kind.map(|(place, (_, event))| (place, event)).collect();
        let is_free = |event: &StoredEvent| !self.known.contains(&(leg, same, event.occurrence));
        let found = said_before(&of_kind, told, takes_back, is_free)
            .or_else(|| changed(&of_kind, is_free, others));
        if let Some((place, event)) = found {
            self.known.insert((leg, same, event.occurrence));
            return SpeaksOf::Known(place);
        }
        let highest = of_kind.iter().map(|(_, event)| event.occurrence).max();
        self.new_one(leg, same, highest)
    }

    /// What a row speaks of that was mended.
    pub(crate) fn mended(
        &mut self,
        leg: LegId,
        told: &'t ReportedEvent,
        known: &[NumberedEvent],
        mended: MendedEvent,
    ) -> SpeaksOf {
        let same = told.sameness();
        if let MendedEvent::ToldSince(place) = mended
            && self.known.insert((leg, same, known[place].1.occurrence))
        {
            return SpeaksOf::Known(place);
        }
        let of_kind = known.iter().filter(|(_, event)| event.is_like(told));
        let highest = of_kind.map(|(_, event)| event.occurrence).max();
        self.new_one(leg, same, highest)
    }

    fn new_one(&mut self, leg: LegId, same: Sameness<'t>, highest: Option<u32>) -> SpeaksOf {
        let number = self.new.entry((leg, same)).or_default();
        *number = 1 + (*number).max(highest.unwrap_or(0));
        SpeaksOf::New(*number)
    }
}

/// The known event that says the same.
fn said_before<'k>(
    of_kind: &[(usize, &'k StoredEvent)],
    told: &ReportedEvent,
    takes_back: bool,
    is_free: impl Fn(&StoredEvent) -> bool,
) -> Option<(usize, &'k StoredEvent)> {
    let says_same =
        |(_, event): &&(usize, &StoredEvent)| event.content() == told.content() && is_free(event);
    let mut same = of_kind.iter().filter(says_same);
    let standing = same.clone().find(|(_, event)| !event.withdrawn);
    standing
        .or_else(|| same.next().filter(|_| takes_back))
        .copied()
}

/// The known event that is said otherwise now: one that no row speaks of.
fn changed<'k>(
    of_kind: &[(usize, &'k StoredEvent)],
    is_free: impl Fn(&StoredEvent) -> bool,
    others: impl FnOnce() -> Vec<String>,
) -> Option<(usize, &'k StoredEvent)> {
    if of_kind.is_empty() {
        return None;
    }
    let mut others = others();
    let mut spoken_of = |event: &StoredEvent| {
        let told = text_of(event);
        let place = others.iter().position(|other| *other == told);
        place.map(|place| others.swap_remove(place)).is_some()
    };
    let (free, taken): (Vec<_>, Vec<_>) = of_kind.iter().partition(|(_, event)| is_free(event));
    for (_, event) in taken {
        spoken_of(event);
    }
    let free = free.into_iter();
    let left: Vec<_> = free.filter(|(_, event)| !spoken_of(event)).collect();
    let first = *left.first()?;
    let standing = left.into_iter().find(|(_, event)| !event.withdrawn);
    Some(standing.unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EventId, EventKind};
    use crate::pipeline::apply::corrections::said as said_by;
    use crate::pipeline::event::What;

    const DAY: Option<jiff::civil::Date> = Some(jiff::civil::date(2026, 11, 20));

    fn visit(code: &str) -> ReportedEvent {
        ReportedEvent {
            kind: EventKind::Attendance,
            on: DAY,
            what: What::Attendance(code.to_owned()),
        }
    }

    fn known(visits: &[(&str, bool)]) -> Vec<NumberedEvent> {
        let visits = visits.iter().zip(1..);
        visits
            .map(|((code, withdrawn), occurrence)| {
                let event = StoredEvent {
                    identifier: format!("{occurrence}"),
                    kind: EventKind::Attendance,
                    on: DAY,
                    code: (*code).to_owned(),
                    instrument: String::new(),
                    answers: Vec::new(),
                    words: String::new(),
                    occurrence,
                    taken_at: String::new(),
                    revision: 0,
                    withdrawn: *withdrawn,
                    undone: false,
                };
                (EventId::new(i64::from(occurrence)), event)
            })
            .collect()
    }

    /// What rows that tell these visits of one day speak of: k of a known one, n of a new one, with its number.
    fn spoken(before: &[(&str, bool)], rows: &[&str]) -> String {
        let known = known(before);
        let told: Vec<ReportedEvent> = rows.iter().map(|code| visit(code)).collect();
        let mut occurrences = Occurrences::default();
        let mut said = Vec::new();
        for (at, row) in told.iter().enumerate() {
            let others = || {
                let others = told.iter().enumerate().filter(|(other, _)| *other != at);
                others.map(|(_, other)| said_by(other)).collect()
            };
            said.push(
                match occurrences.next(LegId::new(1), row, &known, false, others) {
                    SpeaksOf::Known(place) => format!("k{}", place + 1),
                    SpeaksOf::New(number) => format!("n{number}"),
                },
            );
        }
        said.join(" ")
    }

    #[test]
    fn what_is_told_as_it_was_known_is_known_whatever_stands_beside_it() {
        for (before, rows, expected) in [
            (&[][..], &["a", "b"][..], "n1 n2"),
            (&[("a", false)], &["b"], "k1"),
            (&[("a", false)], &["b", "a"], "n2 k1"),
            (&[("a", false), ("b", false)], &["b", "a"], "k2 k1"),
            (&[("a", false), ("b", false)], &["b"], "k2"),
            (&[("a", false), ("b", false)], &["c", "b"], "k1 k2"),
            (&[("a", false), ("a", false)], &["a", "c"], "k1 k2"),
            (&[("a", false), ("a", false)], &["c", "a", "a"], "n3 k1 k2"),
            (&[("a", true), ("b", false)], &["c"], "k2"),
            (&[("a", true)], &["a"], "k1"),
        ] {
            assert_eq!(spoken(before, rows), expected, "{before:?} {rows:?}");
        }
    }
}
