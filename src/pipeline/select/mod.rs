//! *select*: decides what becomes of a referral, from the referral, the rules and the day alone.
//!
//! In: a [`View`] of a referral and what we already know of the person. Out: a [`Decision`] with one reason.
//! Keeps: nothing leaves without the partner's criteria and consent; in doubt the referral is held and a named
//! owner is asked. No clock, store, network or randomness (`safety.md` §3–§5, `product.md` §4).

mod consent;
mod criteria;
mod review;

pub(crate) use criteria::{Criterion, Holds, criteria};
pub(crate) use review::{Named, Review, consent_ended, named_place, review};

use crate::domain::{LegState, NhsNumber, Reason};
use crate::fhir::{patient, service_request};
use crate::partner::model::{ConsentRule, UrgentRule};
use crate::partner::{Partner, PartnerKind, TriggerKind, View};
use crate::path::{Json, items};

/// SNOMED CT.
pub(crate) const SNOMED: &str = "http://snomed.info/sct";
/// `orderDetail` code of SDOHCC that forbids contact.
const CONTACT_PROHIBITED: &str = "contacting-subject-prohibited";

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
    /// `<namespace>/Id/partner`.
    pub(crate) partner_system: &'a str,
}

/// What is known of the person from before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known<'a> {
    /// Places in the rules of the partners with whom the person has an open leg.
    pub(crate) open_with: &'a [usize],
}

/// Decides.
pub(crate) fn decide(
    view: &View<'_>,
    consent: Option<&Json<'_>>,
    source: &SourceRules<'_>,
    known: Known<'_>,
) -> Decision {
    if let Some(ending) = at_the_source(view, source) {
        return ending;
    }
    if let Some(reason) = order(view, source).or_else(|| identity(view, source)) {
        return Decision::Held(reason, None);
    }
    match destination(view, consent, source) {
        Err(reason) => Decision::Held(reason, None),
        Ok(place) => match objection(view, consent, source, known, place) {
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

/// Whether any coding of the request is a trigger or the decline code.
pub(crate) fn trigger(view: &View<'_>, source: &SourceRules<'_>) -> Option<TriggerKind> {
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

/// What `kith map` looks at: coded, active, resolvable; `None` if all three hold.
pub(crate) fn preview(view: &View<'_>, source: &SourceRules<'_>) -> Option<Decision> {
    at_the_source(view, source).or_else(|| {
        let reason =
            order(view, source).or_else(|| view.patient.is_none().then_some(Reason::NoPatient));
        reason.map(|reason| Decision::Held(reason, None))
    })
}

/// Endings that the source has already written.
fn at_the_source(view: &View<'_>, source: &SourceRules<'_>) -> Option<Decision> {
    let Some(kind) = trigger(view, source) else {
        return Some(Decision::NotOurs);
    };
    if kind == TriggerKind::Declined {
        return Some(Decision::Closed(
            LegState::Cancelled,
            Reason::DeclinedByPerson,
        ));
    }
    match service_request::status(view.request) {
        Some("entered-in-error") => {
            return Some(Decision::Closed(
                LegState::EnteredInError,
                Reason::ClosedAtSource,
            ));
        }
        Some("revoked" | "completed") => {
            return Some(Decision::Closed(
                LegState::Cancelled,
                Reason::ClosedAtSource,
            ));
        }
        _ => {}
    }
    service_request::do_not_perform(view.request)
        .then_some(Decision::Closed(LegState::Cancelled, Reason::DoNotPerform))
}

/// Whether the request is an order to act on now.
fn order(view: &View<'_>, source: &SourceRules<'_>) -> Option<Reason> {
    let intent = service_request::intent(view.request).unwrap_or_default();
    if !source.intents.iter().any(|listed| listed == intent) {
        return Some(Reason::NotAnOrder);
    }
    match service_request::status(view.request) {
        Some("active") => {}
        Some("on-hold") => return Some(Reason::PausedByGp),
        _ => return Some(Reason::NotAnOrder),
    }
    if service_request::has_modifier_extension(view.request)
        || view.patient.is_some_and(patient::has_modifier_extension)
    {
        return Some(Reason::UnknownModifier);
    }
    contact_forbidden(view).then_some(Reason::DoNotContact)
}

fn contact_forbidden(view: &View<'_>) -> bool {
    service_request::order_detail_codes(view.request)
        .iter()
        .any(|(_, code)| *code == CONTACT_PROHIBITED)
}

/// Whether the person's record or the request bears a label that this source holds back.
fn restricted(view: &View<'_>, source: &SourceRules<'_>) -> bool {
    let of = |resource| patient::security_labels(resource);
    let mut labels = view.patient.map(of).unwrap_or_default();
    labels.extend(of(view.request));
    labels
        .iter()
        .any(|(_, code)| source.restricted_labels.iter().any(|listed| listed == code))
}

/// Whether the record says how to make contact safely, and the partner's file has nowhere to say it.
fn unheard_instructions(view: &View<'_>, partner: &Partner) -> bool {
    let heard = view
        .rules
        .fields
        .id("patient.contact_instructions")
        .is_some_and(|field| partner.deliver.position_of(field).is_some());
    !heard && view.patient.is_some_and(patient::has_contact_instructions)
}

/// Whether we know for whom it is, and may act for them.
fn identity(view: &View<'_>, source: &SourceRules<'_>) -> Option<Reason> {
    let Some(person) = view.patient else {
        return Some(Reason::NoPatient);
    };
    if patient::deceased(person) {
        return Some(Reason::Died);
    }
    if restricted(view, source) {
        return Some(Reason::Restricted);
    }
    // What replaced it was not found: nobody can tell whose record this is.
    if patient::is_replaced(person) {
        return Some(Reason::IdentityChanged);
    }
    let numbers = patient::nhs_number_texts(person);
    let number = match numbers.as_slice() {
        [only] => NhsNumber::parse(only).ok(),
        _ => None,
    };
    let verified = patient::verification_status(person).is_none_or(|status| status == "01");
    let Some(number) = number.filter(|_| verified) else {
        return Some(Reason::NhsNumber);
    };
    let named_otherwise = service_request::subject_identifier(view.request)
        .filter(|(system, _)| system.is_some_and(|system| system == patient::NHS_NUMBER_SYSTEM))
        .is_some_and(|(_, value)| NhsNumber::parse(value).as_ref() != Ok(&number));
    if named_otherwise {
        return Some(Reason::NhsNumber);
    }
    if source.hold_test_people && number.synthetic() {
        return Some(Reason::TestPerson);
    }
    let name = patient::name(person, view.today);
    name.is_none_or(|name| name.full().is_empty())
        .then_some(Reason::NoName)
}

/// Where it goes: to the performer named, else as the routing says.
fn destination(
    view: &View<'_>,
    consent: Option<&Json<'_>>,
    source: &SourceRules<'_>,
) -> Result<usize, Reason> {
    let performers = service_request::performers(view.request, None);
    if !performers.is_empty() {
        return named(view, source);
    }
    let activity = crate::partner::derive::activity_code(view).is_some();
    if !activity && (!source.by_need || crate::partner::derive::needs(view).is_empty()) {
        return Err(Reason::NoDestination);
    }
    match source.unnamed {
        Unnamed::Hold => Err(Reason::NoService),
        Unnamed::LinkWorker => best(view, consent, source, |partner| {
            partner.kind == PartnerKind::LinkWorker
        }),
        Unnamed::Auto => best(view, consent, source, |partner| {
            partner.select.consent == ConsentRule::Required
        }),
    }
}

/// The one partner that the performers name; anything else is held, never re-routed.
fn named(view: &View<'_>, source: &SourceRules<'_>) -> Result<usize, Reason> {
    let mut places = Vec::new();
    for performer in items(view.request.get("performer")) {
        let identifier = crate::fhir::reference::identifier(performer);
        let place = identifier.and_then(|(system, value)| place_of(view, source, system, value));
        places.push(place.ok_or(Reason::UnknownPartner)?);
    }
    places.dedup();
    match places.as_slice() {
        [place] => Ok(*place),
        _ => Err(Reason::UnknownPartner),
    }
}

fn place_of(
    view: &View<'_>,
    source: &SourceRules<'_>,
    system: Option<&str>,
    value: &str,
) -> Option<usize> {
    view.rules.partners.iter().position(|partner| {
        let own = system == Some(source.partner_system) && partner.id == value;
        own || (system == Some(partner.identifier.system.as_str())
            && partner.identifier.value == value)
    })
}

/// The partner with the highest priority among those of a class whose criteria all hold.
fn best(
    view: &View<'_>,
    consent: Option<&Json<'_>>,
    source: &SourceRules<'_>,
    of_class: impl Fn(&Partner) -> bool,
) -> Result<usize, Reason> {
    let fits = |partner: &Partner| {
        partner.select.enabled
            && of_class(partner)
            && criteria(view, consent, partner, source.by_need)
                .iter()
                .all(|criterion| criterion.holds == Holds::Yes)
    };
    let mut found: Vec<(i32, usize)> = view
        .rules
        .partners
        .iter()
        .enumerate()
        .filter(|(_, partner)| fits(partner))
        .map(|(place, partner)| (partner.select.priority, place))
        .collect();
    found.sort_by_key(|(priority, place)| (std::cmp::Reverse(*priority), *place));
    match found.as_slice() {
        [] => Err(Reason::NoService),
        [(first, _), (second, _), ..] if first == second => Err(Reason::Tie),
        [(_, place), ..] => Ok(*place),
    }
}

/// Why a referral does not go to the partner that it is for.
pub(crate) fn objection(
    view: &View<'_>,
    consent: Option<&Json<'_>>,
    source: &SourceRules<'_>,
    known: Known<'_>,
    place: usize,
) -> Option<Reason> {
    let partner = view.rules.partners.get(place)?;
    if !partner.select.enabled {
        return Some(Reason::PartnerDisabled);
    }
    let priority = service_request::priority(view.request);
    let urgent = matches!(priority, Some("urgent" | "asap"));
    if priority == Some("stat") || (urgent && partner.select.urgent == UrgentRule::Hold) {
        return Some(Reason::Urgent);
    }
    let failed = criteria(view, consent, partner, source.by_need)
        .into_iter()
        .find(|criterion| criterion.holds != Holds::Yes);
    if let Some(criterion) = failed {
        return Some(criterion.reason);
    }
    if unheard_instructions(view, partner) {
        return Some(Reason::ContactInstructions);
    }
    if partner.share.expires_on.is_some_and(|day| day < view.today) {
        return Some(Reason::AgreementExpired);
    }
    if known.open_with.contains(&place) {
        return Some(Reason::AlreadyOpen);
    }
    (source.shadow || partner.shadow).then_some(Reason::Shadow)
}
