//! An event of a return as it is kept, and the Observation made of it.
//!
//! The kept form is ours and sealed; FHIR is an output of it. Observations are built in code from the event and the
//! instrument catalogue, never from a template, and never hold a partner's own words.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::env::Env;
use super::matching::{Tale, What};
use crate::domain::event::ATTENDANCE;
use crate::domain::{EventKind, Instant, LegReference, LegState, Occasion};
use crate::fhir::observation::{self, Item, Kind, ObservationInput, Performer};
use crate::partner::Partner;
use crate::store::rows::PushKind;

/// An event as it is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptEvent {
    /// Value of the Observation's identifier.
    pub(crate) identifier: String,
    pub(crate) kind: String,
    pub(crate) on: Option<String>,
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
}

impl KeptEvent {
    /// The kept form of what a row told.
    pub(crate) fn new(
        env: &Env,
        partner: &Partner,
        reference: LegReference,
        tale: &Tale,
        occurrence: u32,
        now: Instant,
    ) -> Self {
        let (code, instrument, answers, words) = match &tale.what {
            What::Attendance(code) => (code.clone(), String::new(), Vec::new(), String::new()),
            What::Measure {
                instrument,
                occasion,
                answers,
            } => (
                occasion.code().to_owned(),
                instrument.clone(),
                answers.clone(),
                String::new(),
            ),
            What::Status { state, reason } => (
                state.code().to_owned(),
                String::new(),
                Vec::new(),
                reason.clone(),
            ),
            What::Acknowledged => (String::new(), String::new(), Vec::new(), String::new()),
            What::Note(words) => (String::new(), String::new(), Vec::new(), words.clone()),
            What::Onward {
                partner, activity, ..
            } => (
                partner.clone(),
                String::new(),
                Vec::new(),
                activity.clone().unwrap_or_default(),
            ),
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
        let on = tale.on.map(|on| on.to_string());
        let (reference, occurrence_text) = (reference.to_string(), occurrence.to_string());
        let parts = [
            env.config.namespace.as_str(),
            &partner.id,
            &reference,
            tale.kind.code(),
            on.as_deref().unwrap_or(""),
            about,
            occasion,
            &occurrence_text,
        ];
        let identifier = named(&parts);
        Self {
            identifier,
            kind: tale.kind.code().to_owned(),
            on,
            code,
            instrument,
            answers,
            words,
            occurrence,
            taken_at: now.utc_text(),
            revision: 0,
            withdrawn: false,
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
        let kind = EventKind::Count.code();
        let parts = [namespace, &partner.id, &reference, kind, &on, word, "", "1"];
        Self {
            identifier: named(&parts),
            kind: kind.to_owned(),
            on: Some(on),
            code: word.to_owned(),
            instrument: String::new(),
            answers: Vec::new(),
            words: String::new(),
            occurrence: 1,
            taken_at: env.now().utc_text(),
            revision: 0,
            withdrawn: false,
        }
    }

    /// A count with how many of these events it counts; any other event as it is.
    pub(crate) fn counting(mut self, events: &[Self]) -> Self {
        let Some(first) = self.day().filter(|_| self.kind == EventKind::Count.code()) else {
            return self;
        };
        let same = |event: &&Self| {
            event.kind == EventKind::Attendance.code()
                && !event.withdrawn
                && count_of(&event.code) == Some(self.code.as_str())
                && event.day().is_some_and(|day| day.first_of_month() == first)
        };
        let count = i64::try_from(events.iter().filter(same).count()).ok();
        self.answers = vec![(self.code.clone(), count)];
        self
    }

    /// The same event as it is told now, after `before`.
    pub(crate) fn revising(self, before: &Self) -> Self {
        Self {
            revision: before.revision + 1,
            ..self
        }
    }

    /// The same event taken back.
    pub(crate) fn taken_back(&self, now: Instant) -> Self {
        Self {
            taken_at: now.utc_text(),
            revision: self.revision + 1,
            withdrawn: true,
            ..self.clone()
        }
    }

    /// What must not differ when the same event is told again.
    pub(crate) fn content(&self) -> (&str, &[(String, Option<i64>)], &str) {
        (&self.code, &self.answers, &self.words)
    }

    /// The day it is about.
    pub(crate) fn day(&self) -> Option<Date> {
        self.on.as_deref().and_then(|on| on.parse().ok())
    }

    /// The state a status event reports.
    pub(crate) fn state(&self) -> Option<LegState> {
        if self.kind == EventKind::Status.code() {
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

/// The newest word on each event; those that were taken back stay in the list, marked.
pub(crate) fn newest(events: impl IntoIterator<Item = KeptEvent>) -> Vec<KeptEvent> {
    let mut newest: Vec<KeptEvent> = Vec::new();
    for event in events {
        match newest
            .iter_mut()
            .find(|known| known.identifier == event.identifier)
        {
            Some(known) if known.revision < event.revision => *known = event,
            Some(_) => {}
            None => newest.push(event),
        }
    }
    newest
}

/// The server's ids of what an Observation is about.
pub(crate) struct About {
    pub(crate) service_request: String,
    pub(crate) patient: String,
    /// The NHS number of the referral's person, as pulled.
    pub(crate) nhs_number: Option<String>,
    pub(crate) activity: Option<String>,
}

/// The Observation of an event, as bytes; `None` of a kind that is never written.
///
/// # Errors
/// The builder refuses it.
pub(crate) fn build(
    env: &Env,
    partner: &Partner,
    event: &KeptEvent,
    about: &About,
    kind: PushKind,
) -> Result<Option<Vec<u8>>, observation::ObservationError> {
    let Some(told) = told(env, event, about) else {
        return Ok(None);
    };
    let day = event.taken_at.get(..10).unwrap_or_default();
    let label = if partner.sensitive {
        "social-prescribing-service"
    } else {
        &partner.id
    };
    let input = ObservationInput {
        namespace: env.config.namespace.clone(),
        identifier: event.identifier.clone(),
        service_request_id: about.service_request.clone(),
        patient_id: about.patient.clone(),
        status: match kind {
            PushKind::Create => "final",
            PushKind::Amend => "amended",
            PushKind::Withdraw => "entered-in-error",
        },
        effective: event.on.clone().unwrap_or_default(),
        issued: event.taken_at.clone(),
        source: format!("{}/batch/{day}#{label}", env.config.namespace),
        performer: performer(env, partner),
        kind: told,
    };
    observation::build(&input).map(Some)
}

/// What the event says; `None` of a kind that is never written.
fn told(env: &Env, event: &KeptEvent, about: &About) -> Option<Kind> {
    let kind = if event.kind == EventKind::Attendance.code() {
        let text = ATTENDANCE
            .iter()
            .find(|(code, _)| *code == event.code)
            .map_or(event.code.as_str(), |(_, text)| text);
        Kind::Attendance {
            activity_text: about
                .activity
                .clone()
                .unwrap_or_else(|| "session".to_owned()),
            code: event.code.clone(),
            text: text.to_owned(),
        }
    } else if let Some(state) = event.state() {
        Kind::Status {
            state: state.code().to_owned(),
            text: state_words(state).to_owned(),
        }
    } else if event.kind == EventKind::Count.code() {
        let (first, count) = (event.day()?, event.answers.first()?.1?);
        Kind::Count {
            attended: event.code == COUNTED[0],
            activity_text: about
                .activity
                .clone()
                .unwrap_or_else(|| "session".to_owned()),
            last_day: first.last_of_month().to_string(),
            count,
        }
    } else if let (Some(instrument), Some(occasion)) =
        (env.rules.instrument(&event.instrument), event.occasion())
    {
        let item = |(id, answer): &(String, Option<i64>)| {
            let title = instrument
                .item(id)
                .map_or_else(|| id.clone(), |item| item.title.clone());
            // A blank cell says that no answer is known, not that the person declined to give one.
            Item {
                id: format!("{}-{id}", instrument.id),
                title,
                answer: answer.map_or(observation::Answer::NotKnown, observation::Answer::Score),
            }
        };
        Kind::Measure {
            instrument: instrument.id.clone(),
            title: instrument.title.clone(),
            occasion: occasion.code().to_owned(),
            items: event.answers.iter().map(item).collect(),
        }
    } else {
        return None;
    };
    Some(kind)
}

/// Who reported it; a partner whose name tells something about a person stays unnamed.
pub(crate) fn performer(env: &Env, partner: &Partner) -> Performer {
    if partner.sensitive {
        Performer {
            system: env.partner_system.clone(),
            value: "social-prescribing-service".to_owned(),
            display: "Social prescribing service".to_owned(),
        }
    } else {
        Performer {
            system: partner.identifier.system.clone(),
            value: partner.identifier.value.clone(),
            display: partner.name.clone(),
        }
    }
}

/// The words for a reported state in the record (`safety.md` §14).
fn state_words(state: LegState) -> &'static str {
    match state {
        LegState::Accepted => "Taken on by the service",
        LegState::Rejected => "Partner could not take them",
        LegState::InProgress => "In progress",
        LegState::OnHold => "On hold",
        LegState::Completed => "Completed",
        LegState::ClosedUnsuccessful => "Ended without support",
        _ => "Referral state",
    }
}
