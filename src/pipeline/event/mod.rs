//! What partners report of people: events as rows report them, as they are stored, and read back.
//!
//! The stored form is ours and sealed; FHIR is an output of it (`push::observation`). A later word on the same event has the
//! same identifier and a higher revision.

mod copy_name;
mod leg_events;
mod receipt_form;
mod reported_event;
mod taken_return;

use std::collections::HashMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub(crate) use copy_name::stem;
pub(crate) use leg_events::{
    LegEvents, NumberedEvent, events, events_of_legs, numbered, open_events,
};
pub(crate) use receipt_form::{
    RESULT_COLUMNS, is_receipt, receipt_number, row_number, said_receipt, said_row,
};
pub(crate) use reported_event::{
    FileFinding, Repair, ReportedEvent, RowFinding, Sameness, What, WrongCell,
};
pub(crate) use taken_return::{
    EarlierReturn, ReturnFrame, TakenReturn, Unusable, earlier_return, frame_spot, place_of,
    returns_since, row_spot,
};

use super::run::{Env, LedgerAccess};
use crate::domain::{
    EventId, EventKind, Instant, KeyId, LegReference, LegState, Occasion, ReturnId,
};
use crate::partner::Partner;
use crate::seal::{Digest, LookupKey, Spot};

/// An event as it is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredEvent {
    /// Value of the Observation's identifier.
    pub(crate) identifier: String,
    #[serde(with = "kind_code")]
    pub(crate) kind: EventKind,
    /// The day it is about.
    #[serde(with = "iso_day")]
    pub(crate) on: Option<Date>,
    /// Attendance word, state, occasion, or the partner referred on to.
    pub(crate) code: String,
    pub(crate) instrument: String,
    /// Item and score, in the catalogue's order.
    pub(crate) answers: Vec<(String, Option<i64>)>,
    /// The partner's own words, or the activity referred on for: kept, never pushed.
    pub(crate) words: String,
    pub(crate) occurrence: u32,
    /// When it was taken in: `issued` of the Observation.
    pub(crate) taken_at: String,
    /// 0 as first told; each correction is one more, under the same identifier.
    #[serde(default)]
    pub(crate) revision: u32,
    /// The partner took it back.
    #[serde(default)]
    pub(crate) withdrawn: bool,
    /// It came of an undo, and not of a sheet.
    #[serde(default)]
    pub(crate) undone: bool,
}

impl StoredEvent {
    /// The kept form of what a row told.
    pub(crate) fn new(
        env: &Env,
        partner: &Partner,
        reference: LegReference,
        tale: &ReportedEvent,
        occurrence: u32,
        now: Instant,
    ) -> Self {
        let (code, answers, words) = tale.content();
        let (code, answers) = (code.to_owned(), answers.to_vec());
        let words = words.to_owned();
        let instrument = match &tale.what {
            What::Measure { instrument, .. } => instrument.clone(),
            _ => String::new(),
        };
        let occasion = if tale.kind == EventKind::Measure {
            code.as_str()
        } else {
            ""
        };
        // To another partner is another event, not a correction of the first.
        let about = if tale.kind == EventKind::Onward {
            &code
        } else {
            &instrument
        };
        let on = tale.on.map_or_else(String::new, |on| on.to_string());
        let (reference, occurrence_text) = (reference.to_string(), occurrence.to_string());
        let parts = [
            env.config.namespace.as_str(),
            &partner.id,
            &reference,
            tale.kind.code(),
            &on,
            about,
            occasion,
            &occurrence_text,
        ];
        let identifier = named(&parts);
        Self {
            identifier,
            kind: tale.kind,
            on: tale.on,
            code,
            instrument,
            answers,
            words,
            occurrence,
            taken_at: now.utc_text(),
            revision: 0,
            withdrawn: false,
            undone: false,
        }
    }

    /// The count of a month, by its first day and one of [`COUNTED`]; how many is told when it is written.
    pub(crate) fn count(
        env: &Env,
        partner: &Partner,
        reference: LegReference,
        first: Date,
        word: &str,
    ) -> Self {
        let (reference, on) = (reference.to_string(), first.to_string());
        let namespace = env.config.namespace.as_str();
        let kind = EventKind::Count;
        let code = kind.code();
        let parts = [namespace, &partner.id, &reference, code, &on, word, "", "1"];
        Self {
            identifier: named(&parts),
            kind,
            on: Some(first),
            code: word.to_owned(),
            instrument: String::new(),
            answers: Vec::new(),
            words: String::new(),
            occurrence: 1,
            taken_at: env.now().utc_text(),
            revision: 0,
            withdrawn: false,
            undone: false,
        }
    }

    /// A count with how many of these events it counts; any other event as it is.
    pub(crate) fn counting(mut self, events: &[Self]) -> Self {
        let Some(first) = self.on.filter(|_| self.kind == EventKind::Count) else {
            return self;
        };
        let same = |event: &&Self| {
            event.kind == EventKind::Attendance
                && !event.withdrawn
                && count_of(&event.code) == Some(self.code.as_str())
                && event.on.is_some_and(|day| day.first_of_month() == first)
        };
        let count = i64::try_from(events.iter().filter(same).count()).ok();
        self.answers = vec![(self.code.clone(), count)];
        self
    }

    /// The same event as it is told now, after `before`.
    pub(crate) fn revising(self, before: &Self) -> Self {
        Self {
            revision: before.revision + 1,
            undone: false,
            ..self
        }
    }

    /// The same event as it was told before a return that is undone.
    pub(crate) fn restored(self, before: &Self) -> Self {
        Self {
            undone: true,
            ..self.revising(before)
        }
    }

    /// The same event taken back, with the return that told it.
    pub(crate) fn taken_back(&self, now: Instant) -> Self {
        Self {
            taken_at: now.utc_text(),
            revision: self.revision + 1,
            withdrawn: true,
            undone: true,
            ..self.clone()
        }
    }

    /// Whether a row tells an event of the same kind and day, of the same questionnaire and occasion, or to the same partner.
    pub(crate) fn is_like(&self, tale: &ReportedEvent) -> bool {
        self.kind == tale.kind
            && self.on == tale.on
            && match &tale.what {
                What::Measure {
                    instrument,
                    occasion,
                    ..
                } => self.instrument == *instrument && self.code == occasion.code(),
                What::Onward { partner, .. } => self.code == *partner,
                _ => true,
            }
    }

    /// What must not differ when the same event is told again.
    pub(crate) fn content(&self) -> (&str, &[(String, Option<i64>)], &str) {
        (&self.code, &self.answers, &self.words)
    }

    /// The state a status event reports.
    pub(crate) fn state(&self) -> Option<LegState> {
        if self.kind == EventKind::Status {
            LegState::from_code(&self.code)
        } else {
            None
        }
    }

    /// The occasion of a measure.
    pub(crate) fn occasion(&self) -> Option<Occasion> {
        Occasion::from_code(&self.code)
    }
}

/// What is counted of a month.
pub(crate) const COUNTED: [&str; 2] = ["attended", "missed"];

/// What an attendance counts as; a visit that was called off counts as nothing.
pub(crate) fn count_of(code: &str) -> Option<&'static str> {
    match code {
        "attended" => Some(COUNTED[0]),
        "did-not-attend" | "not-seen-late" => Some(COUNTED[1]),
        _ => None,
    }
}

fn named(parts: &[&str]) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, parts.join("|").as_bytes()).to_string()
}

/// The newest word on each event, in the order of the first words; those that were taken back stay in the list, marked.
pub(crate) fn newest(events: impl IntoIterator<Item = StoredEvent>) -> Vec<StoredEvent> {
    newest_by(events, |event| event)
}

/// The same of what holds an event.
pub(crate) fn newest_by<E>(
    events: impl IntoIterator<Item = E>,
    event_of: impl Fn(&E) -> &StoredEvent,
) -> Vec<E> {
    let mut newest: Vec<E> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for word in events {
        let event = event_of(&word);
        match places.get(&event.identifier) {
            Some(place) if event_of(&newest[*place]).revision < event.revision => {
                newest[*place] = word;
            }
            Some(_) => {}
            None => {
                places.insert(event.identifier.clone(), newest.len());
                newest.push(word);
            }
        }
    }
    newest
}

/// Where an event is sealed.
pub(crate) fn event_spot(row: EventId, holder: KeyId) -> Spot<'static> {
    Spot::new("event.sealed", row, holder)
}

/// The look-up of an event: its identifier, and which word on it this is.
pub(crate) fn event_lookup(ledger: &LedgerAccess, kept: &StoredEvent) -> LookupKey {
    let revision = kept.revision.to_string();
    let mut fields: Vec<&[u8]> = vec![b"event", kept.identifier.as_bytes()];
    if kept.revision > 0 {
        fields.push(revision.as_bytes());
    }
    ledger.keys.lookup(&fields)
}

/// Where a return's name is sealed.
pub(crate) fn name_spot(row: ReturnId, holder: KeyId) -> Spot<'static> {
    Spot::new("return_file.sealed_name", row, holder)
}

/// Where a return's bytes are sealed, as they came.
pub(crate) fn bytes_spot(row: ReturnId, holder: KeyId) -> Spot<'static> {
    Spot::new("return_file.sealed_bytes", row, holder)
}

/// The look-up of a return: who sent it, and the SHA-256 of its bytes.
pub(crate) fn return_lookup(ledger: &LedgerAccess, partner: &str, sha256: &Digest) -> LookupKey {
    ledger.keys.lookup(&[b"return", partner.as_bytes(), sha256])
}

/// A kind as its word.
mod kind_code {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::domain::EventKind;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(kind: &EventKind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(kind.code())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<EventKind, D::Error> {
        let code = String::deserialize(from)?;
        EventKind::from_code(&code).ok_or_else(|| D::Error::custom("no kind of event"))
    }
}

/// A day as ISO 8601 writes it.
mod iso_day {
    use jiff::civil::Date;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    #[expect(
        clippy::ref_option,
        clippy::trivially_copy_pass_by_ref,
        reason = "as serde calls it"
    )]
    pub(super) fn serialize<S: Serializer>(on: &Option<Date>, to: S) -> Result<S::Ok, S::Error> {
        on.map(|on| on.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Date>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let day = text.map(|text| text.parse()).transpose();
        day.map_err(|_| D::Error::custom("no day"))
    }
}
