//! Whether a referral is ours, an order to act on now, and about somebody we may act for.
//!
//! In: the referral and the source's rules. Out: the one reason for which it ends or waits. Each check is told to the
//! trail as it is made.

use super::anonymous_evidence;
use super::anonymous_evidence::code;
use super::{Decision, SNOMED, Safety, SourceRules, Trail};
use crate::domain::{LegState, NhsNumber, Reason};
use crate::fhir::resources::{patient, resource, service_request};
use crate::json::Json;
use crate::partner::fields::{
    ElementFault, FormFault, identity_fault, request_fault, standing_fault,
};
use crate::partner::{ReferralView, TriggerKind};

/// `orderDetail` code of SDOHCC that forbids contact.
const CONTACT_PROHIBITED: &str = "contacting-subject-prohibited";

/// Whether any coding of the request is a trigger or the decline code.
pub(crate) fn trigger(view: &ReferralView<'_>, source: &SourceRules<'_>) -> Option<TriggerKind> {
    let codes = service_request::codes(view.request);
    let of_kind = |code: &str, wanted: TriggerKind| match source.own_codes {
        Some(own) if wanted == TriggerKind::Referral => own.iter().any(|listed| listed == code),
        _ => source
            .triggers
            .iter()
            .any(|(listed, kind)| listed == code && *kind == wanted),
    };
    let kind = |wanted: TriggerKind| {
        codes
            .iter()
            .any(|(system, code)| *system == Some(SNOMED) && of_kind(code, wanted))
    };
    // A request with both is a declined one.
    if kind(TriggerKind::Declined) {
        Some(TriggerKind::Declined)
    } else if kind(TriggerKind::Referral) {
        Some(TriggerKind::Referral)
    } else {
        None
    }
}

/// Whether a request without a code of ours names one all the same: in another form, or under another system.
pub(crate) fn code_in_doubt(view: &ReferralView<'_>, source: &SourceRules<'_>) -> bool {
    let ours = source.codes();
    service_request::mentions_code(view.request, &|word| ours.contains(&word))
}

/// Whether the request is whole, and its elements are of the form that FHIR gives them.
fn request_form(view: &ReferralView<'_>, trail: &mut Trail) -> Option<Reason> {
    form("request-form", request_fault(view), view.request, trail)
}

/// The reason why elements of a resource cannot be relied on.
pub(super) fn form(
    check: &'static str,
    fault: Option<ElementFault>,
    resource: &Json<'_>,
    trail: &mut Trail,
) -> Option<Reason> {
    let part = resource::is_subset(resource);
    let reason = match &fault {
        Some(fault) if fault.what == FormFault::NoSuchDate => Some(Reason::BadDate),
        Some(_) => Some(Reason::Malformed),
        None => part.then_some(Reason::Malformed),
    };
    trail.check(check, reason, || match fault {
        Some(fault) => fault.to_string(),
        None if part => "meta.tag says SUBSETTED: parts of the record are missing".to_owned(),
        None => "as FHIR R4 has it".to_owned(),
    })
}

/// What `kith map` looks at: coded, active, resolvable; `None` if all three hold.
pub(crate) fn preview(view: &ReferralView<'_>, source: &SourceRules<'_>) -> Option<Decision> {
    let trail = &mut Trail::silent();
    at_the_source(view, source, trail).or_else(|| {
        let reason = order(view, source, trail)
            .or_else(|| view.doubt.then_some(Reason::RecordInDoubt))
            .or_else(|| view.patient.is_none().then_some(Reason::NoPatient));
        reason.map(|reason| Decision::Held(reason, None))
    })
}

/// Endings that the source has already written.
pub(super) fn at_the_source(
    view: &ReferralView<'_>,
    source: &SourceRules<'_>,
    trail: &mut Trail,
) -> Option<Decision> {
    let kind = trigger(view, source);
    let (ends, said) = match kind {
        None if code_in_doubt(view, source) => (
            Some(Reason::Malformed),
            "a referral code, but not as FHIR and SNOMED CT write one: ServiceRequest.code.coding",
        ),
        None => (Some(Reason::NotOurs), "no referral code"),
        Some(TriggerKind::Declined) => (Some(Reason::DeclinedByPerson), "the decline code"),
        Some(TriggerKind::Referral) => (None, "a referral code"),
    };
    match trail.check("code", ends, || said.to_owned()) {
        Some(Reason::NotOurs) => return Some(Decision::NotOurs),
        Some(reason @ Reason::Malformed) => return Some(Decision::Held(reason, None)),
        Some(reason) => return Some(Decision::Closed(LegState::Cancelled, reason)),
        None => {}
    }
    if let Some(reason) = request_form(view, trail) {
        return Some(Decision::Held(reason, None));
    }
    let status = service_request::status(view.request);
    let ended = match status {
        Some("entered-in-error") => Some(LegState::EnteredInError),
        Some("revoked" | "completed") => Some(LegState::Cancelled),
        _ => None,
    };
    let reason = ended.map(|_| Reason::ClosedAtSource);
    trail.check("ended", reason, || format!("status {}", code(status)));
    if let Some(state) = ended {
        return Some(Decision::Closed(state, Reason::ClosedAtSource));
    }
    let forbidden = service_request::do_not_perform(view.request);
    trail
        .check(
            "do-not-perform",
            forbidden.then_some(Reason::DoNotPerform),
            || said_or_not(forbidden),
        )
        .map(|reason| Decision::Closed(LegState::Cancelled, reason))
}

/// Whether the request is an order to act on now.
pub(super) fn order(
    view: &ReferralView<'_>,
    source: &SourceRules<'_>,
    trail: &mut Trail,
) -> Option<Reason> {
    let intent = service_request::intent(view.request);
    let ordered = source
        .intents
        .iter()
        .any(|listed| Some(listed.as_str()) == intent);
    let status = service_request::status(view.request);
    let waits = match status {
        Some("active") => None,
        Some("on-hold") => Some(Reason::PausedByGp),
        _ => Some(Reason::NotAnOrder),
    };
    let modified = service_request::has_modifier_extension(view.request)
        || view.patient.is_some_and(patient::has_modifier_extension);
    let forbidden = || contact_forbidden(view);
    trail
        .check("intent", (!ordered).then_some(Reason::NotAnOrder), || {
            code(intent).to_owned()
        })
        .or_else(|| trail.check("status", waits, || code(status).to_owned()))
        .or_else(|| {
            trail.check(
                "modifier",
                modified.then_some(Reason::UnknownModifier),
                || said_or_not(modified),
            )
        })
        .or_else(|| {
            let forbidden = forbidden();
            trail.check("contact", forbidden.then_some(Reason::DoNotContact), || {
                (if forbidden { "forbidden" } else { "allowed" }).to_owned()
            })
        })
}

fn said_or_not(said: bool) -> String {
    (if said { "said" } else { "not said" }).to_owned()
}

pub(super) fn contact_forbidden(view: &ReferralView<'_>) -> bool {
    service_request::order_detail_codes(view.request)
        .iter()
        .any(|(_, code)| code.eq_ignore_ascii_case(CONTACT_PROHIBITED))
}

/// Whether we know for whom it is, and may act for them.
pub(super) fn identity(
    view: &ReferralView<'_>,
    source: &SourceRules<'_>,
    trail: &mut Trail,
) -> Option<Reason> {
    if view.doubt {
        let several = || "several records bear a name that the request uses".to_owned();
        return trail.check("person", Some(Reason::RecordInDoubt), several);
    }
    if let Some(unread) = view.unread {
        return trail.check("person", Some(Reason::Unreadable), || {
            format!("{}: {}", unread.kind, unread.error)
        });
    }
    let Some(person) = view.patient else {
        return trail.check("person", Some(Reason::NoPatient), || "not found".to_owned());
    };
    trail.check("person", None, || "found".to_owned());
    if let Some(reason) = form("person-form", standing_fault(person), person, trail) {
        return Some(reason);
    }
    // What replaced a record was not found: nobody can tell whose record this is.
    let Safety {
        died,
        restricted,
        replaced,
        ..
    } = Safety::of_view(view, source);
    let yes_no = |said: bool| (if said { "yes" } else { "no" }).to_owned();
    trail
        .check("died", died.then_some(Reason::Died), || yes_no(died))
        .or_else(|| {
            let ends = restricted.then_some(Reason::Restricted);
            trail.check("restricted", ends, || yes_no(restricted))
        })
        .or_else(|| {
            let ends = replaced.then_some(Reason::IdentityChanged);
            trail.check("replaced", ends, || yes_no(replaced))
        })
        .or_else(|| form("identity-form", identity_fault(view), person, trail))
        .or_else(|| number_and_name(view, person, source, trail))
}

fn number_and_name(
    view: &ReferralView<'_>,
    person: &Json<'_>,
    source: &SourceRules<'_>,
    trail: &mut Trail,
) -> Option<Reason> {
    let numbers = patient::nhs_numbers(person, view.today);
    let number = match numbers.as_slice() {
        [only] => NhsNumber::parse(only).ok(),
        _ => None,
    };
    let verified =
        patient::verification_status(person, view.today).is_none_or(|status| status == "01");
    let saw = || anonymous_evidence::numbers(person, view.today, number.is_some());
    let Some(number) = number.as_ref().filter(|_| verified) else {
        return trail.check("nhs-number", Some(Reason::NhsNumber), saw);
    };
    trail.check("nhs-number", None, saw);
    let named_otherwise = service_request::subject_identifier(view.request)
        .filter(|(system, _)| system.is_some_and(patient::is_nhs_number_system))
        .is_some_and(|(_, value)| NhsNumber::parse(value).as_ref() != Ok(number));
    let test = number.synthetic() || patient::is_test_person(person);
    let held_test = source.hold_test_people && test;
    let name = patient::name(person, view.today);
    let nameless = name.is_none_or(|name| name.full().is_empty());
    trail
        .check(
            "same-number",
            named_otherwise.then_some(Reason::NhsNumber),
            || {
                (if named_otherwise {
                    "the request names another number"
                } else {
                    "the request names no other number"
                })
                .to_owned()
            },
        )
        .or_else(|| {
            let ends = held_test.then_some(Reason::TestPerson);
            trail.check("test-person", ends, || {
                (if held_test {
                    "a test number, name or label"
                } else {
                    "no"
                })
                .to_owned()
            })
        })
        .or_else(|| {
            trail.check("name", nameless.then_some(Reason::NoName), || {
                (if nameless { "none" } else { "there is one" }).to_owned()
            })
        })
}
