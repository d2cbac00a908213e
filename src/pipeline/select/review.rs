//! What today's records say of a leg whose partner has the person's details already (`safety.md` §3, §6).
//!
//! In: the referral as it is now, and the partner it was sent to. Out: whether to stop, whether to wait, and what to ask
//! whom. Keeps: a stop is found whatever else is wrong, for it outruns everything.

use super::{
    ConsentQuestion, Holds, Safety, SourceRules, code_in_doubt, consent_question, consent_refused,
    contact_forbidden, criteria, named, trigger, unheard_instructions,
};
use crate::domain::{LegState, NhsNumber, Reason};
use crate::fhir::resources::{patient, resource, service_request};
use crate::json::Json;
use crate::partner::fields::{identity_fault, request_fault, standing_fault};
use crate::partner::{Partner, ReferralView, TriggerKind};

/// What a leg after sending calls for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Review {
    /// The partner must stop: the state on its word, and why.
    pub(crate) stop: Option<(LegState, Reason)>,
    /// Why nothing may be written meanwhile; another reason than that of the stop where that one blocks no write.
    pub(crate) blocks_writes: Option<Reason>,
    /// The partner must wait.
    pub(crate) pause: Option<Reason>,
    /// What its owners are asked; nothing goes to the partner for it.
    pub(crate) asks: Vec<Reason>,
}

/// Reviews a leg; `onward`: a link worker opened it, so the request's performer and consent were never its own.
pub(crate) fn review(
    view: &ReferralView<'_>,
    consents: &[&Json<'_>],
    source: &SourceRules<'_>,
    partner: &Partner,
    onward: bool,
) -> Review {
    let pause = pause(view, source, partner);
    let mut asks = questions(view, consents, source, partner, onward);
    // Who paused it at the practice knows; everything else that makes a partner wait is somebody's question.
    asks.extend(pause.filter(|reason| !matches!(reason, Reason::PausedByGp | Reason::Child)));
    let stops = stops(view, consents, source, partner);
    let closing = if service_request::status(view.request) == Some("entered-in-error") {
        LegState::EnteredInError
    } else {
        LegState::Cancelled
    };
    Review {
        stop: stops.first().map(|reason| (closing, *reason)),
        blocks_writes: stops.into_iter().find(|reason| reason.blocks_writes()),
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
pub(crate) fn named_place(view: &ReferralView<'_>, source: &SourceRules<'_>) -> NamedPerformer {
    if service_request::performers(view.request, None).is_empty() {
        return NamedPerformer::Nobody;
    }
    named(view, source).map_or(NamedPerformer::Stranger, NamedPerformer::Partner)
}

/// Every reason to stop, the first of them first: what stops at once comes before what can wait, for the reason decides how
/// fast the stop leaves.
fn stops(
    view: &ReferralView<'_>,
    consents: &[&Json<'_>],
    source: &SourceRules<'_>,
    partner: &Partner,
) -> Vec<Reason> {
    let safety = Safety::of_view(view, source);
    let status = service_request::status(view.request);
    let kind = trigger(view, source);
    let cancelled = matches!(status, Some("entered-in-error" | "revoked"));
    [
        (safety.died, Reason::Died),
        (safety.restricted, Reason::Restricted),
        (contact_forbidden(view), Reason::DoNotContact),
        (
            consent_refused(view, consents, partner),
            Reason::ConsentWithdrawn,
        ),
        (
            service_request::do_not_perform(view.request),
            Reason::DoNotPerform,
        ),
        (
            kind == Some(TriggerKind::Declined),
            Reason::DeclinedByPerson,
        ),
        // A recoded referral is none of ours any more: stopped like one that was revoked. A code that cannot be read is none.
        (
            (kind.is_none() && !code_in_doubt(view, source)) || cancelled,
            Reason::CancelledByReferrer,
        ),
    ]
    .into_iter()
    .filter_map(|(holds, reason)| holds.then_some(reason))
    .collect()
}

fn pause(view: &ReferralView<'_>, source: &SourceRules<'_>, partner: &Partner) -> Option<Reason> {
    let intent = service_request::intent(view.request).unwrap_or_default();
    let order = source.intents.iter().any(|listed| listed == intent);
    let child = || {
        criteria(view, &[], partner, source)
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

/// Whether an element that decides has another form than FHIR gives it, or a record is not whole.
fn ill_formed(view: &ReferralView<'_>) -> bool {
    let part = |record: Option<&Json<'_>>| record.is_some_and(resource::is_subset);
    request_fault(view).is_some()
        || view
            .patient
            .is_some_and(|person| standing_fault(person).is_some())
        || identity_fault(view).is_some()
        || part(Some(view.request))
        || part(view.patient)
}

/// What the practice is asked, each once.
fn questions(
    view: &ReferralView<'_>,
    consents: &[&Json<'_>],
    source: &SourceRules<'_>,
    partner: &Partner,
    onward: bool,
) -> Vec<Reason> {
    let mut asks = Vec::new();
    let unread = view.unread.is_some();
    if unread {
        asks.push(Reason::Unreadable);
    }
    let in_doubt = trigger(view, source).is_none() && code_in_doubt(view, source);
    if in_doubt || ill_formed(view) {
        asks.push(Reason::Malformed);
    }
    match view.patient {
        None if unread => {}
        None => asks.push(Reason::NoPatient),
        Some(person) => {
            let safety = Safety::of_view(view, source);
            if safety.replaced {
                asks.push(Reason::IdentityChanged);
            }
            if safety.moved {
                asks.push(Reason::MovedPractice);
            }
            let numbers = patient::nhs_numbers(person, view.today);
            let sound = matches!(numbers.as_slice(), [only] if NhsNumber::parse(only).is_ok());
            let verified = patient::verification_status(person, view.today)
                .is_none_or(|status| status == "01");
            if !sound || !verified {
                asks.push(Reason::NhsNumber);
            }
        }
    }
    match consent_question(view, consents, partner, onward) {
        Some(ConsentQuestion::RanOut) => asks.push(Reason::ConsentRanOut),
        Some(ConsentQuestion::Missing) => asks.push(Reason::ConsentMissing),
        None => {}
    }
    // An onward leg's activity and need are the link worker's; consent is a matter of stopping.
    let own = |name: &str| name != "consent" && !(onward && matches!(name, "activities" | "needs"));
    let failed = criteria(view, consents, partner, source)
        .iter()
        .any(|criterion| own(criterion.name) && criterion.holds != Holds::Yes);
    if failed {
        asks.push(Reason::CriteriaChanged);
    }
    asks
}
