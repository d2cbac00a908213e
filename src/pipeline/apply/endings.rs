//! How a referral ended, told more than once: the newest word stands for a time, and a second ending beside the first is for the practice.

use super::record::Touched;
use crate::domain::limits::ENDING_DAYS;
use crate::domain::{EventKind, Instant, LegState};
use crate::pipeline::event::StoredEvent;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// The endings of a leg that stand, and those that a file tells newly: of rows before, and of this one.
pub(super) fn of<'t>(
    touched: &'t Touched,
    fresh: &'t [(EventKind, StoredEvent)],
) -> Vec<&'t StoredEvent> {
    let known = touched.known.iter().map(|(_, event)| event);
    let of_rows = touched.fresh.iter().map(|(event, _)| event);
    let here = fresh.iter().map(|(_, event)| event);
    let ends =
        |event: &&StoredEvent| !event.withdrawn && event.state().is_some_and(LegState::terminal);
    known.chain(of_rows).chain(here).filter(ends).collect()
}

/// Whether two say the same, whatever words are beside it.
pub(super) fn same(one: &StoredEvent, other: &StoredEvent) -> bool {
    one.on == other.on && one.code == other.code
}

/// Whether a later sheet may still say otherwise of an ending that was taken in then.
pub(super) fn may_change(before: &StoredEvent, now: Instant) -> bool {
    Instant::parse(&before.taken_at).is_none_or(|at| now.0 - at.0 <= ENDING_DAYS * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits::holds_at;

    #[test]
    fn an_ending_may_be_said_otherwise_for_as_long_as_the_limit_says() {
        let taken = Instant::parse("2026-11-01T06:00:00Z").unwrap();
        let before = StoredEvent {
            identifier: "i".to_owned(),
            kind: EventKind::Status,
            on: Some(jiff::civil::date(2026, 10, 30)),
            code: "completed".to_owned(),
            instrument: String::new(),
            answers: Vec::new(),
            words: String::new(),
            occurrence: 1,
            taken_at: taken.utc_text(),
            revision: 0,
            withdrawn: false,
            undone: false,
        };
        holds_at(ENDING_DAYS, |days| {
            may_change(&before, Instant(taken.0 + days * DAY))
        });
    }
}
