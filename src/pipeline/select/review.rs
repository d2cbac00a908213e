//! What today's records say of a leg whose partner has the person's details already (`safety.md` §3, §6).
//!
//! In: the referral as it is now, and the partner it was sent to. Out: whether to stop, whether to wait, and what to ask
//! whom. Keeps: a stop is found whatever else is wrong, for it outruns everything.

use super::consent::{covers, in_force};
use super::{
    Holds, SourceRules, contact_forbidden, criteria, named, restricted, trigger,
    unheard_instructions,
};
use crate::domain::{LegState, NhsNumber, Reason};
use crate::fhir::{patient, service_request};
use crate::json::Json;
use crate::partner::model::ConsentRule;
use crate::partner::{Partner, TriggerKind, View};

/// What a leg after sending calls for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Review {
    /// The partner must stop: the state on its word, and why.
    pub(crate) stop: Option<(LegState, Reason)>,
    /// The partner must wait.
    pub(crate) pause: Option<Reason>,
    /// What its owners are asked; nothing goes to the partner for it.
    pub(crate) asks: Vec<Reason>,
}

/// Reviews a leg; `onward`: a link worker opened it, so the request's performer and consent were never its own.
pub(crate) fn review(
    view: &View<'_>,
    consent: Option<&Json<'_>>,
    source: &SourceRules<'_>,
    partner: &Partner,
    onward: bool,
) -> Review {
    let pause = pause(view, source, partner);
    let mut asks = questions(view, consent, source, partner, onward);
    // Who paused it at the practice knows; everything else that makes a partner wait is somebody's question.
    asks.extend(pause.filter(|reason| !matches!(reason, Reason::PausedByGp | Reason::Child)));
    Review {
        stop: stop(view, consent, source, partner, onward),
        pause,
        asks,
    }
}

/// Whom a request names to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedPerformer {
    Nobody,
    /// Somebody we do not know, or two.
    Stranger,
    /// The partner at this place of the rules.
    Partner(usize),
}

/// Whom the request names.
pub(crate) fn named_place(view: &View<'_>, source: &SourceRules<'_>) -> NamedPerformer {
    if service_request::performers(view.request, None).is_empty() {
        return NamedPerformer::Nobody;
    }
    named(view, source).map_or(NamedPerformer::Stranger, NamedPerformer::Partner)
}

fn stop(
    view: &View<'_>,
    consent: Option<&Json<'_>>,
    source: &SourceRules<'_>,
    partner: &Partner,
    onward: bool,
) -> Option<(LegState, Reason)> {
    let in_error = service_request::status(view.request) == Some("entered-in-error");
    let closing = if in_error {
        LegState::EnteredInError
    } else {
        LegState::Cancelled
    };
    // What stops at once comes first: the reason decides how fast the stop leaves.
    let reason = if view.patient.is_some_and(patient::deceased) {
        Some(Reason::Died)
    } else if restricted(view, source) {
        Some(Reason::Restricted)
    } else if contact_forbidden(view) {
        Some(Reason::DoNotContact)
    } else if consent_ended(view, consent, partner, onward) {
        Some(Reason::ConsentWithdrawn)
    } else if service_request::do_not_perform(view.request) {
        Some(Reason::DoNotPerform)
    } else {
        match trigger(view, source) {
            Some(TriggerKind::Declined) => Some(Reason::DeclinedByPerson),
            // A recoded referral is none of ours any more: stopped like one that was revoked.
            None => Some(Reason::CancelledByReferrer),
            Some(TriggerKind::Referral) => {
                let revoked = service_request::status(view.request) == Some("revoked");
                (in_error || revoked).then_some(Reason::CancelledByReferrer)
            }
        }
    };
    reason.map(|reason| (closing, reason))
}

/// Whether the consent that the disclosure rested on is no more; for an onward leg that is the person's word in the
/// return, which only a Consent that says no can take back.
pub(crate) fn consent_ended(
    view: &View<'_>,
    consent: Option<&Json<'_>>,
    partner: &Partner,
    onward: bool,
) -> bool {
    match (partner.select.consent, onward) {
        (ConsentRule::Implied, _) => false,
        (ConsentRule::Required, true) => {
            consent.is_some_and(|consent| !in_force(consent, view.today))
        }
        (ConsentRule::Required, false) => {
            !consent.is_some_and(|consent| covers(consent, partner, view))
        }
    }
}

fn pause(view: &View<'_>, source: &SourceRules<'_>, partner: &Partner) -> Option<Reason> {
    let intent = service_request::intent(view.request).unwrap_or_default();
    let order = source.intents.iter().any(|listed| listed == intent);
    let child = || {
        criteria(view, None, partner, source.by_need)
            .iter()
            .any(|criterion| criterion.reason == Reason::Child && criterion.holds != Holds::Yes)
    };
    match service_request::status(view.request) {
        // "Completed" at the practice is no reason to stop a course that is running (`safety.md` §3).
        Some("active" | "completed" | "revoked" | "entered-in-error") if order => {}
        Some("on-hold") => return Some(Reason::PausedByGp),
        _ => return Some(Reason::NotAnOrder),
    }
    if service_request::has_modifier_extension(view.request)
        || view.patient.is_some_and(patient::has_modifier_extension)
    {
        Some(Reason::UnknownModifier)
    } else if child() {
        Some(Reason::Child)
    } else {
        unheard_instructions(view, partner).then_some(Reason::ContactInstructions)
    }
}

/// What the practice is asked, each once.
fn questions(
    view: &View<'_>,
    consent: Option<&Json<'_>>,
    source: &SourceRules<'_>,
    partner: &Partner,
    onward: bool,
) -> Vec<Reason> {
    let mut asks = Vec::new();
    match view.patient {
        None => asks.push(Reason::NoPatient),
        Some(person) => {
            if patient::is_replaced(person) {
                asks.push(Reason::IdentityChanged);
            }
            if !patient::active(person) {
                asks.push(Reason::MovedPractice);
            }
            let numbers = patient::nhs_number_texts(person);
            let sound = matches!(numbers.as_slice(), [only] if NhsNumber::parse(only).is_ok());
            let verified = patient::verification_status(person).is_none_or(|status| status == "01");
            if !sound || !verified {
                asks.push(Reason::NhsNumber);
            }
        }
    }
    // An onward leg's activity and need are the link worker's; consent is a matter of stopping.
    let own = |name: &str| name != "consent" && !(onward && matches!(name, "activities" | "needs"));
    let failed = criteria(view, consent, partner, source.by_need)
        .iter()
        .any(|criterion| own(criterion.name) && criterion.holds != Holds::Yes);
    if failed {
        asks.push(Reason::CriteriaChanged);
    }
    asks
}
