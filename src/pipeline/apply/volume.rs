//! How much of what came back reaches the record, as practice and partner want it (`safety.md` §9).
//!
//! In: the events of a leg, and the narrower of the two volumes. Out: which are written, and which months are counted. Keeps:
//! measures are always written, but for `off`; a month's count is one entry, written when the month is over.

use std::collections::{BTreeSet, HashSet};

use jiff::civil::Date;

use super::record::{ReturnRecord, Touched};
use super::seal_return::sealed_event;
use crate::domain::entropy::Stream;
use crate::domain::{EventKind, Instant, LegReference, ReturnId};
use crate::partner::Volume;
use crate::pipeline::event::{StoredEvent, count_of};
use crate::pipeline::run::Ids;
use crate::store::Batch;
use crate::store::rows::{PushKind, PushRow, PushState, Unanswered};

/// Whether an event is written by itself.
pub(crate) fn wanted(volume: Volume, kind: EventKind, first_visit: bool, closing: bool) -> bool {
    match volume {
        Volume::Each => true,
        Volume::FirstAndClose => kind == EventKind::Measure || first_visit || closing,
        Volume::Counts | Volume::Close => kind == EventKind::Measure || closing,
        Volume::Off => false,
    }
}

/// First day of the month of a day, and of the month after.
fn month(day: Date) -> Option<(Date, Date)> {
    let first = day.first_of_month();
    let next = first.checked_add(jiff::Span::new().months(1)).ok()?;
    Some((first, next))
}

/// The months and words of these attendances that are counted, each once.
fn counted<'e>(events: impl Iterator<Item = &'e StoredEvent>) -> BTreeSet<(Date, &'static str)> {
    events
        .filter(|event| event.kind == EventKind::Attendance)
        .filter_map(|event| Some((month(event.on?)?.0, count_of(&event.code)?)))
        .collect()
}

impl ReturnRecord<'_> {
    /// Counts the months of the attendances that this file tells, corrects or takes back.
    pub(crate) fn count_months(
        &self,
        touched: &Touched,
        ids: &Ids,
        batch: &mut Batch,
        stream: &mut Stream,
    ) {
        let fresh = touched.fresh.iter().map(|(kept, _)| kept);
        let told: HashSet<&str> = fresh.clone().map(|kept| kept.identifier.as_str()).collect();
        let known = touched.known.iter().map(|(_, event)| event);
        let corrected = known.filter(|known| told.contains(known.identifier.as_str()));
        for (first, word) in counted(fresh.chain(corrected)) {
            let Some((_, next)) = month(first) else {
                continue;
            };
            let count = self.count_event(touched.leg.reference, first, word);
            let due = Instant::london_midnight(next);
            let mut known = touched.known.iter().map(|(_, event)| event);
            let known = known.find(|known| known.identifier == count.identifier);
            let (count, kind) = match known {
                // It is counted when it is written: until the month is over there is nothing to correct.
                Some(_) if due > self.run.now() => continue,
                Some(known) => (count.revising(known), PushKind::Amend),
                None => (count, PushKind::Create),
            };
            let (index, return_id) = touched
                .fresh
                .first()
                .map_or((0, ReturnId::NONE), |(_, row)| (row.row - 1, row.return_id));
            let index = usize::try_from(index).unwrap_or(0);
            let (kind_of_event, id) = (EventKind::Count, ids.next());
            let mut row = self.event_row(&count, kind_of_event, touched, return_id, index, id);
            row.sealed = sealed_event(&count, &row, &touched.key, stream.bytes());
            let push = PushRow {
                event: row.id,
                leg: row.leg,
                source: touched.leg.source,
                kind,
                state: PushState::Queued,
                attempts: 0,
                unanswered: Unanswered::default(),
                reason: None,
                due: due.0,
                server_id: None,
            };
            batch.queue(push);
            batch.events.push(row);
        }
    }

    fn count_event(&self, reference: LegReference, first: Date, word: &str) -> StoredEvent {
        StoredEvent::count(self.run, self.partner, reference, first, word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::event::COUNTED;

    /// A year of weekly visits, and the closing of it.
    fn year() -> Vec<(EventKind, Date)> {
        let start = jiff::civil::date(2026, 1, 5);
        let mut events: Vec<_> = (0..52_i64)
            .map(|week| start.saturating_add(jiff::Span::new().weeks(week)))
            .map(|day| (EventKind::Attendance, day))
            .collect();
        events.push((EventKind::Status, jiff::civil::date(2026, 12, 29)));
        events
    }

    #[test]
    fn a_year_of_weekly_visits_is_as_much_in_the_record_as_was_asked_for() {
        // Visits or counts of them, and the closing.
        for (volume, visits, closings) in [
            (Volume::Each, 52, 1),
            (Volume::FirstAndClose, 1, 1),
            (Volume::Counts, 12, 1),
            (Volume::Close, 0, 1),
            (Volume::Off, 0, 0),
        ] {
            let (mut written, mut closed, mut first) = (0, 0, true);
            let mut months = BTreeSet::new();
            for (kind, day) in year() {
                let visit = kind == EventKind::Attendance;
                let first_visit = visit && std::mem::take(&mut first);
                let writes = wanted(volume, kind, first_visit, !visit);
                if visit {
                    written += usize::from(writes);
                    months.extend(month(day));
                } else {
                    closed += usize::from(writes);
                }
            }
            if volume == Volume::Counts {
                written += months.len();
            }
            assert_eq!((written, closed), (visits, closings), "{volume:?}");
        }
    }

    #[test]
    fn measures_are_always_written_but_for_off() {
        for (_, volume) in Volume::WORDS {
            let writes = wanted(volume, EventKind::Measure, false, false);
            assert_eq!(writes, volume != Volume::Off, "{volume:?}");
        }
    }

    #[test]
    fn only_coming_and_not_coming_are_counted() {
        assert_eq!(count_of("attended"), Some(COUNTED[0]));
        assert_eq!(count_of("did-not-attend"), Some(COUNTED[1]));
        assert_eq!(count_of("not-seen-late"), Some(COUNTED[1]));
        assert_eq!(count_of("cancelled-by-person"), None);
    }
}
