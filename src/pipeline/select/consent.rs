//! What a person's consents say of a partner: yes, no, no longer, or nothing that can be relied on (`safety.md` §4).
//!
//! In: the consents that a request names, wherever they are kept, a partner and the day. Out: one answer. Keeps: a refusal, an
//! agreement that has run out, and none at all are three things; of several the newest about this partner counts, and a
//! refusal without a day counts as the newest.

use jiff::civil::Date;

use crate::domain::Instant;
use crate::fhir::resources::consent::{
    self, ConsentMatter, InPeriod, denies, has_exceptions, in_period, permits,
};
use crate::fhir::resources::reference::{self, Address, Reference, is_system};
use crate::fhir::resources::{patient, resource, service_request};
use crate::json::Json;
use crate::partner::agreement::ConsentRule;
use crate::partner::fields::consent_fault;
use crate::partner::{Partner, PartnerKind, ReferralView};

/// What the consents say of a partner; where two are of one moment, the one further down counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ConsentStanding {
    /// There is none that is about this partner.
    Missing,
    /// There was one, and its period is over.
    RanOut,
    Given,
    /// There is one that may be a refusal, and cannot be read.
    Unclear,
    Refused,
}

/// When a consent was made, for the order of several.
type MadeOn = (Option<Date>, Option<Instant>);

/// What the consents of a request say of a partner on the day of the view.
pub(crate) fn consent_standing(
    consents: &[&Json<'_>],
    partner: &Partner,
    view: &ReferralView<'_>,
) -> ConsentStanding {
    standings(consents, partner, view)
        .max_by(|(one, _), (other, _)| one.cmp(other))
        .map_or(ConsentStanding::Missing, |((_, standing), _)| standing)
}

/// The consent that decides, else the first there is.
pub(super) fn deciding<'c>(
    consents: &'c [&'c Json<'c>],
    partner: &Partner,
    view: &ReferralView<'_>,
) -> Option<&'c Json<'c>> {
    standings(consents, partner, view)
        .max_by(|(one, _), (other, _)| one.cmp(other))
        .map(|(_, consent)| consent)
        .or(consents.first().copied())
}

fn standings<'c>(
    consents: &'c [&'c Json<'c>],
    partner: &Partner,
    view: &ReferralView<'_>,
) -> impl Iterator<Item = ((MadeOn, ConsentStanding), &'c Json<'c>)> {
    consents.iter().copied().filter_map(move |consent| {
        let standing = standing_of(consent, partner, view)?;
        let made_on = match (consent::made_on(consent), standing) {
            (Some((day, instant)), _) => (Some(day), instant),
            // Nobody knows when: a no counts as the newest, a yes as the oldest.
            (None, ConsentStanding::Refused | ConsentStanding::Unclear) => (Some(Date::MAX), None),
            (None, _) => (None, None),
        };
        Some(((made_on, standing), consent))
    })
}

/// What one consent says of a partner; `None` of what is not about this partner, or about something else.
fn standing_of(
    consent: &Json<'_>,
    partner: &Partner,
    view: &ReferralView<'_>,
) -> Option<ConsentStanding> {
    // `null` stands for one that the request names and that was not to be had: it may be a refusal.
    let unread = matches!(consent, Json::Null)
        || consent_fault(consent).is_some()
        || resource::is_subset(consent)
        || resource::has_modifier_extension(consent)
        || names_another(consent, view);
    if unread {
        return Some(ConsentStanding::Unclear);
    }
    let period = in_period(consent, view.today);
    let refusal = |over: bool| {
        if over {
            return None;
        }
        match (consent::matter(consent), names(consent, partner)) {
            (ConsentMatter::Other, _) | (_, NamedRecipient::Others) => None,
            (ConsentMatter::Unknown, _) | (_, NamedRecipient::Unknown) => {
                Some(ConsentStanding::Unclear)
            }
            (ConsentMatter::Disclosure, NamedRecipient::Nobody | NamedRecipient::Partner) => {
                Some(ConsentStanding::Refused)
            }
        }
    };
    match consent::status(consent) {
        Some("active") if denies(consent) => refusal(period == InPeriod::After),
        Some("active") if permits(consent) => {
            if consent::matter(consent) == ConsentMatter::Other || !covers(consent, partner, view) {
                return None;
            }
            Some(match period {
                _ if has_exceptions(consent) => ConsentStanding::Unclear,
                InPeriod::Within => ConsentStanding::Given,
                InPeriod::After => ConsentStanding::RanOut,
                InPeriod::Before => return None,
                InPeriod::Unknown => ConsentStanding::Unclear,
            })
        }
        Some("rejected") => refusal(false),
        // Terminated, and nothing newer: an agreement was taken back, or a refusal.
        Some("inactive") if !denies(consent) => refusal(false),
        _ => None,
    }
}

/// Whether a consent says that it is another person's than the request is about. Names within a Bundle say it of that Bundle alone, so
/// they are compared with nothing.
fn names_another(consent: &Json<'_>, view: &ReferralView<'_>) -> bool {
    let Some(person) = consent::person(consent) else {
        return false;
    };
    let subject = service_request::subject(view.request, None);
    let elsewhere = match (address(&Reference::parse(person, None)), address(&subject)) {
        (Some(one), Some(subject)) => one.id != subject.id || one.kind != subject.kind,
        _ => false,
    };
    let number = reference::identifier(person)
        .filter(|(system, _)| system.is_some_and(patient::is_nhs_number_system))
        .is_some_and(|(_, value)| {
            let numbers = view.patient.map(patient::every_nhs_number);
            let numbers = numbers.unwrap_or_default();
            !numbers.is_empty() && !numbers.contains(&patient::normal_nhs_number(value))
        });
    elsewhere || number
}

/// Where a record lies by a reference, whichever server is meant.
fn address<'t>(reference: &Reference<'t>) -> Option<Address<'t>> {
    match *reference {
        Reference::Relative { kind, id } => Some(Address {
            base: None,
            kind,
            id,
        }),
        Reference::Foreign(url) => Address::parse(url),
        _ => None,
    }
}

/// Whom a consent names, seen from a partner.
enum NamedRecipient {
    Nobody,
    Partner,
    Others,
    /// Somebody who cannot be told by what is written.
    Unknown,
}

fn names(consent: &Json<'_>, partner: &Partner) -> NamedRecipient {
    let recipients = consent::recipients(consent);
    if recipients.is_empty() {
        return NamedRecipient::Nobody;
    }
    let unknown = |recipient: &consent::Recipient<'_>| {
        recipient.identifier.is_none() && recipient.classes.is_empty()
    };
    if recipients
        .iter()
        .any(|recipient| is_for(recipient, partner))
    {
        NamedRecipient::Partner
    } else if recipients.iter().any(unknown) {
        NamedRecipient::Unknown
    } else {
        NamedRecipient::Others
    }
}

fn is_for(recipient: &consent::Recipient<'_>, partner: &Partner) -> bool {
    let by_name = recipient.identifier.is_some_and(|(system, value)| {
        value.eq_ignore_ascii_case(&partner.identifier.value)
            && system.is_none_or(|system| is_system(system, &partner.identifier.system))
    });
    let listed = |code: &&str| {
        partner
            .classes
            .iter()
            .any(|listed| listed.eq_ignore_ascii_case(code))
    };
    by_name || recipient.classes.iter().any(listed)
}

/// Whether a permit is for this partner: by name or class, by being attached to a request that names the partner, or, if
/// it names nobody, for a link-worker service.
fn covers(consent: &Json<'_>, partner: &Partner, view: &ReferralView<'_>) -> bool {
    match names(consent, partner) {
        NamedRecipient::Partner => true,
        NamedRecipient::Others | NamedRecipient::Unknown => false,
        NamedRecipient::Nobody => {
            let named = service_request::performer_identifiers(view.request, view.performers);
            let for_performer = named
                .iter()
                .any(|(_, value)| *value == partner.id || *value == partner.identifier.value);
            for_performer || partner.kind == PartnerKind::LinkWorker
        }
    }
}

/// What a leg that was decided must look at again because of its consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsentQuestion {
    RanOut,
    /// None, or none that can be read.
    Missing,
}

/// What the practice is asked about the consent of a leg, if the partner's agreement rests on one; an onward leg rests on the
/// person's own word.
pub(crate) fn consent_question(
    view: &ReferralView<'_>,
    consents: &[&Json<'_>],
    partner: &Partner,
    onward: bool,
) -> Option<ConsentQuestion> {
    let asks = partner.select.consent == ConsentRule::Required && !onward;
    match consent_standing(consents, partner, view) {
        ConsentStanding::Unclear => Some(ConsentQuestion::Missing),
        ConsentStanding::RanOut if asks => Some(ConsentQuestion::RanOut),
        ConsentStanding::Missing if asks => Some(ConsentQuestion::Missing),
        _ => None,
    }
}

/// Whether the person said no to this partner: under whichever rule, and whoever opened the leg.
pub(crate) fn consent_refused(
    view: &ReferralView<'_>,
    consents: &[&Json<'_>],
    partner: &Partner,
) -> bool {
    consent_standing(consents, partner, view) == ConsentStanding::Refused
}
