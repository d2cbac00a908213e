//! *select*: decides what becomes of a referral, from the referral, the rules and the day alone.
//!
//! In: a [`ReferralView`] of a referral and what we already know of the person. Out: a [`Decision`] with one reason.
//! Keeps: nothing leaves without the partner's criteria and consent; in doubt the referral is held and a named
//! owner is asked. No clock, store, network or randomness (`safety.md` §3–§5, `product.md` §4).

mod admission;
mod anonymous_evidence;
mod consent;
mod criteria;
mod review;
mod routing;
mod safety;
mod trace;

use admission::{at_the_source, code_in_doubt, contact_forbidden, identity, order};
pub(crate) use admission::{preview, trigger};
pub(crate) use consent::{ConsentQuestion, consent_question, consent_refused};
pub(crate) use criteria::{Holds, criteria};
pub(crate) use review::{NamedPerformer, Review, named_place, review};
use routing::{destination, named};
pub(crate) use safety::Safety;
pub(crate) use trace::{Step, Trail};

use crate::domain::{Instant, LegState, Reason};
use crate::fhir::resources::service_request::PriorityClass;
use crate::fhir::resources::{patient, resource, service_request};
use crate::json::Json;
use crate::partner::agreement::UrgentRule;
use crate::partner::fields::FieldValues;
use crate::partner::{Partner, ReferralView, TriggerKind};

/// SNOMED CT.
pub(crate) const SNOMED: &str = "http://snomed.info/sct";

/// What becomes of a referral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Carries no social-prescribing code: counted, no leg.
    NotOurs,
    /// Ended before it began: recorded, nothing sent.
    Closed(LegState, Reason),
    /// Waits; the partner is known where one was named.
    Held(Reason, Option<usize>),
    /// Goes to the partner at this place of the rules.
    Routed(usize),
}

/// How referrals without a named performer are routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unnamed {
    LinkWorker,
    Auto,
    Hold,
}

/// What a source's config says that decisions need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceRules<'a> {
    /// In the order of the rules.
    pub(crate) partners: &'a [Partner],
    /// Trigger and decline codes.
    pub(crate) triggers: &'a [(String, TriggerKind)],
    /// The source's own trigger codes, instead of those of the list.
    pub(crate) own_codes: Option<&'a [String]>,
    /// Intents that are orders.
    pub(crate) intents: &'a [String],
    /// Confidentiality codes that hold a record.
    pub(crate) restricted_labels: &'a [String],
    pub(crate) unnamed: Unnamed,
    pub(crate) by_need: bool,
    pub(crate) hold_test_people: bool,
    pub(crate) shadow: bool,
    /// When a person last took an older store into use: what was not sent and changed before that may be with its partner.
    pub(crate) restored: Option<Instant>,
    /// `<namespace>/Id/partner`.
    pub(crate) partner_system: &'a str,
}

/// What is known of the person from before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PriorLegs<'a> {
    /// Places in the rules of the partners with whom the person has an open leg.
    pub(crate) open_with: &'a [usize],
    /// Somebody has looked whether the partner has it from before the store was put back, or it cannot have.
    pub(crate) not_sent_before: bool,
}

/// Decides; every check is told to the trail.
pub(crate) fn decide(
    view: &ReferralView<'_>,
    consents: &[&Json<'_>],
    source: &SourceRules<'_>,
    known: PriorLegs<'_>,
    trail: &mut Trail,
) -> Decision {
    if let Some(ending) = at_the_source(view, source, trail) {
        return ending;
    }
    if let Some(reason) = order(view, source, trail).or_else(|| identity(view, source, trail)) {
        return Decision::Held(reason, None);
    }
    match destination(view, consents, source, trail) {
        Err(reason) => Decision::Held(reason, None),
        Ok(place) => match objection(view, consents, source, known, place, trail) {
            Some(reason) => Decision::Held(reason, Some(place)),
            None => Decision::Routed(place),
        },
    }
}

impl<'a> SourceRules<'a> {
    /// The codes to ask a server for: the triggers and the decline code.
    pub(crate) fn codes(&self) -> Vec<&'a str> {
        let declined = self
            .triggers
            .iter()
            .filter(|(_, kind)| *kind == TriggerKind::Declined);
        let referral = self
            .triggers
            .iter()
            .filter(|(_, kind)| *kind == TriggerKind::Referral);
        let mut codes: Vec<&'a str> = match self.own_codes {
            Some(own) => own.iter().map(String::as_str).collect(),
            None => referral.map(|(code, _)| code.as_str()).collect(),
        };
        codes.extend(declined.map(|(code, _)| code.as_str()));
        codes
    }
}

/// Why nothing new goes to a partner today, whomever it is about.
pub(crate) fn barred(partner: &Partner, today: jiff::civil::Date) -> Option<Reason> {
    let until = partner.share.expires_on;
    if until.is_some_and(|day| day < today) {
        Some(Reason::AgreementExpired)
    } else if partner.unapproved() {
        Some(Reason::NotApproved)
    } else {
        partner.shadow.then_some(Reason::Shadow)
    }
}

/// Whether the record says how to make contact safely, and the partner's file has nowhere to say it.
fn unheard_instructions(view: &ReferralView<'_>, partner: &Partner) -> bool {
    let fields = &view.vocabulary.fields;
    let said = |field| {
        let found = fields.field(field).value(view);
        found.is_ok_and(|found| found != FieldValues::None)
    };
    let heard = fields
        .id("patient.contact_instructions")
        .is_some_and(|field| partner.deliver.position_of(field).is_some() && said(field));
    !heard && view.patient.is_some_and(patient::has_contact_instructions)
}

/// Why a referral does not go to the partner that it is for.
pub(crate) fn objection(
    view: &ReferralView<'_>,
    consents: &[&Json<'_>],
    source: &SourceRules<'_>,
    known: PriorLegs<'_>,
    place: usize,
    trail: &mut Trail,
) -> Option<Reason> {
    let partner = source.partners.get(place)?;
    let enabled = partner.select.enabled;
    let disabled = (!enabled).then_some(Reason::PartnerDisabled);
    trail
        .check("enabled", disabled, || {
            (if enabled { "yes" } else { "no" }).to_owned()
        })
        .or_else(|| urgency(view, partner, trail))
        .or_else(|| failed(view, consents, partner, source, trail))
        .or_else(|| {
            let unheard = unheard_instructions(view, partner);
            let ends = unheard.then_some(Reason::ContactInstructions);
            trail.check("contact-instructions", ends, || {
                (if unheard {
                    "the record has some, the partner's file no column for them"
                } else {
                    "none that the partner would not see"
                })
                .to_owned()
            })
        })
        .or_else(|| {
            let until = partner.share.expires_on;
            let expired = until.is_some_and(|day| day < view.today);
            let ends = expired.then_some(Reason::AgreementExpired);
            trail.check("agreement", ends, || {
                until.map_or_else(|| "without end".to_owned(), |day| format!("until {day}"))
            })
        })
        .or_else(|| {
            let ends = partner.unapproved().then_some(Reason::NotApproved);
            trail.check("approval", ends, || {
                (if partner.unapproved() {
                    "the file allows more than was approved"
                } else {
                    "allows no more than was approved"
                })
                .to_owned()
            })
        })
        .or_else(|| {
            let open = known.open_with.contains(&place);
            trail.check("already-open", open.then_some(Reason::AlreadyOpen), || {
                (if open {
                    "open with this partner"
                } else {
                    "nothing open with this partner"
                })
                .to_owned()
            })
        })
        .or_else(|| {
            let since = source.restored.filter(|_| !known.not_sent_before)?;
            let changed = resource::last_updated(view.request).and_then(Instant::parse);
            let doubt = changed.is_none_or(|changed| changed < since);
            trail.check("restored", doubt.then_some(Reason::Restored), || {
                (if doubt {
                    "last changed before the store was put back"
                } else {
                    "changed since the store was put back"
                })
                .to_owned()
            })
        })
        .or_else(|| {
            let shadow = source.shadow || partner.shadow;
            trail.check("shadow", shadow.then_some(Reason::Shadow), || {
                (if shadow { "shadow" } else { "live" }).to_owned()
            })
        })
}

/// Whether the priority is one that somebody must be asked about first.
fn urgency(view: &ReferralView<'_>, partner: &Partner, trail: &mut Trail) -> Option<Reason> {
    let holds = match service_request::urgency(view.request) {
        PriorityClass::Routine => false,
        PriorityClass::Urgent => partner.select.urgent == UrgentRule::Hold,
        PriorityClass::Stat => true,
    };
    trail.check("urgency", holds.then_some(Reason::Urgent), || {
        let known = service_request::known_priority(view.request);
        let shown = if holds { known.or(Some("")) } else { known };
        format!("priority {}", anonymous_evidence::code(shown))
    })
}

/// The first of the partner's criteria that does not hold.
fn failed(
    view: &ReferralView<'_>,
    consents: &[&Json<'_>],
    partner: &Partner,
    source: &SourceRules<'_>,
    trail: &mut Trail,
) -> Option<Reason> {
    let all = criteria(view, consents, partner, source);
    let failed = all.iter().find(|criterion| criterion.holds != Holds::Yes);
    trail.check(
        "criteria",
        failed.map(|criterion| criterion.reason),
        || match failed {
            None => format!("all {} of {} hold", all.len(), partner.id),
            Some(criterion) => format!(
                "{} of {}: asks {}, saw {}",
                criterion.name, partner.id, criterion.asks, criterion.saw
            ),
        },
    )
}
