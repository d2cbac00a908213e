//! The Observation made of an event.
//!
//! In: a stored event, whose it is, and the instrument catalogue. Out: the bytes of an Observation, built in code, never from
//! a template. Keeps: a partner's own words are never in it.

use crate::domain::event::ATTENDANCE;
use crate::domain::{EventKind, LegState};
use crate::fhir::resources::observation;
use crate::fhir::resources::observation::{
    ObservationInput, ObservationKind, Performer, QuestionItem,
};
use crate::partner::Partner;
use crate::pipeline::event::{COUNTED, StoredEvent};
use crate::pipeline::run::Env;
use crate::store::rows::PushKind;

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
    event: &StoredEvent,
    about: &About,
    kind: PushKind,
) -> Result<Option<Vec<u8>>, observation::ObservationError> {
    let Some(kind_of_entry) = content(env, event, about) else {
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
        effective: event.on.map_or_else(String::new, |on| on.to_string()),
        issued: event.taken_at.clone(),
        source: format!("{}/batch/{day}#{label}", env.config.namespace),
        performer: performer(env, partner),
        kind: kind_of_entry,
    };
    observation::build(&input).map(Some)
}

/// What the event says; `None` of a kind that is never written.
fn content(env: &Env, event: &StoredEvent, about: &About) -> Option<ObservationKind> {
    let kind = if event.kind == EventKind::Attendance {
        let text = ATTENDANCE
            .iter()
            .find(|(code, _)| *code == event.code)
            .map_or(event.code.as_str(), |(_, text)| text);
        ObservationKind::Attendance {
            activity_text: about
                .activity
                .clone()
                .unwrap_or_else(|| "session".to_owned()),
            code: event.code.clone(),
            text: text.to_owned(),
        }
    } else if let Some(state) = event.state() {
        ObservationKind::Status {
            state: state.code().to_owned(),
            text: state_words(state).to_owned(),
        }
    } else if event.kind == EventKind::Count {
        let (first, count) = (event.on?, event.answers.first()?.1?);
        ObservationKind::Count {
            attended: event.code == COUNTED[0],
            activity_text: about
                .activity
                .clone()
                .unwrap_or_else(|| "session".to_owned()),
            last_day: first.last_of_month().to_string(),
            count,
        }
    } else if let (Some(instrument), Some(occasion)) = (
        env.rules.vocabulary.instrument(&event.instrument),
        event.occasion(),
    ) {
        let item = |(id, answer): &(String, Option<i64>)| {
            let title = instrument
                .item(id)
                .map_or_else(|| id.clone(), |item| item.title.clone());
            // A blank cell says that no answer is known, not that the person declined to give one.
            QuestionItem {
                id: format!("{}-{id}", instrument.id),
                title,
                answer: answer.map_or(
                    observation::ItemAnswer::NotKnown,
                    observation::ItemAnswer::Score,
                ),
            }
        };
        ObservationKind::Measure {
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
