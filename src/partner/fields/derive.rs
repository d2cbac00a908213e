//! Applies the named rules of fields to a referral.
//!
//! Resources come in through the readers of `fhir`; texts come out, borrowed where nothing had to be built. Invariant: a
//! derivation reads the elements that `disclosed_elements` states for it, and no others.

use std::borrow::Cow;

use jiff::civil::Date;

use super::{Age, Derivation, FieldValue, FieldValues, ReferralView, SNOMED, age_on};
use crate::fhir::resources::{patient, practitioner, resource, service_request};
use crate::json::Json;

/// The postcode that stands for no fixed abode.
pub(crate) const NO_FIXED_ABODE: &str = "ZZ99 3VZ";

impl Derivation {
    /// Applies the rule to a view.
    pub(crate) fn derive<'v>(self, view: &ReferralView<'v>) -> FieldValues<'v> {
        match self {
            Self::None => FieldValues::None,
            Self::LegReference => FieldValues::text(Some(view.leg.reference)),
            Self::LegCheck => FieldValues::text(Some(view.leg.check)),
            Self::LegAction => FieldValues::text(Some(view.leg.action.code())),
            Self::LegChanged => FieldValues::text(Some(view.leg.changed)),
            Self::LegSequence => FieldValues::text(Some(view.leg.sequence.to_string())),
            Self::LegStop => FieldValues::text(Some(view.leg.action.sentence())),
            Self::RequestId => FieldValues::text(resource::id(view.request)),
            Self::AuthoredOn => FieldValues::text(service_request::authored_on(view.request)),
            Self::Priority => FieldValues::text(service_request::priority(view.request)),
            Self::Activity => activity(view),
            Self::ActivityCode => FieldValues::text(activity_code(view)),
            Self::Reason => FieldValues::from_values(reasons(view.request)),
            Self::ReasonCode => {
                let codes = service_request::reason_codes(view.request);
                FieldValues::from_values(codes.into_iter().map(|(_, code)| FieldValue::of(code)))
            }
            Self::Need => FieldValues::from_values(needs(view).into_iter().map(FieldValue::of)),
            Self::Note => FieldValues::text(service_request::note_text(view.request)),
            Self::RequesterName
            | Self::RequesterRole
            | Self::RequesterPhone
            | Self::PracticeName
            | Self::PracticeOdsCode
            | Self::PracticePhone
            | Self::PracticeSafeguardingPhone => self.of_referrer(view),
            _ => view.patient.map_or(FieldValues::None, |patient| {
                self.of_patient(patient, view.today)
            }),
        }
    }

    fn of_patient<'v>(self, person: &'v Json<'v>, today: Date) -> FieldValues<'v> {
        let name = || patient::name(person, today);
        let address = || patient::address(person, today);
        let contact = || patient::contact_person(person, today);
        match self {
            Self::NhsNumber => {
                FieldValues::text(patient::nhs_number_text(person).map(without_spaces))
            }
            Self::Name => FieldValues::text(name().map(|name| name.full())),
            Self::Prefix => FieldValues::text(name().map(|name| name.all_prefixes())),
            Self::Family => FieldValues::text(name().and_then(|name| name.family)),
            Self::Given => FieldValues::text(name().map(|name| name.all_given())),
            Self::BirthDate => FieldValues::text(patient::birth_date(person)),
            Self::AgeYears => match age_on(patient::birth_date(person), today) {
                Age::Years(years) => FieldValues::text(Some(years.to_string())),
                Age::Between(..) | Age::Unknown => FieldValues::None,
            },
            Self::Gender => FieldValues::text(patient::gender(person)),
            Self::Phone => FieldValues::text(patient::phone(person, today)),
            Self::PhoneHome => FieldValues::text(patient::phone_home(person, today)),
            Self::Email => FieldValues::text(patient::email(person, today)),
            Self::Address => FieldValues::text(address().map(|address| address.full())),
            Self::AddressLine(line) => {
                FieldValues::text(address().and_then(|address| address.lines.get(line).copied()))
            }
            Self::City => FieldValues::text(address().and_then(|address| address.city)),
            Self::Postcode => FieldValues::text(address().and_then(|address| address.postcode)),
            Self::NoFixedAbode => {
                let postcode = address().and_then(|address| address.postcode);
                FieldValues::text(postcode.map(|postcode| truth(postcode == NO_FIXED_ABODE)))
            }
            Self::Language => FieldValues::text(patient::language(person)),
            Self::InterpreterRequired => {
                FieldValues::text(patient::interpreter_required(person).map(truth))
            }
            Self::Ethnicity => FieldValues::text(patient::ethnicity_code(person)),
            Self::ContactName => FieldValues::text(contact().and_then(|contact| contact.name)),
            Self::ContactPhone => FieldValues::text(contact().and_then(|contact| contact.phone)),
            Self::ContactRelationship => {
                FieldValues::text(contact().and_then(|contact| contact.relationship))
            }
            _ => FieldValues::None,
        }
    }

    fn of_referrer<'v>(self, view: &ReferralView<'v>) -> FieldValues<'v> {
        let of_practice = |read: fn(&'v Json<'v>) -> Option<&'v str>| view.practice.and_then(read);
        match self {
            Self::RequesterName => {
                let name = view
                    .requester
                    .and_then(|person| practitioner::practitioner_name(person, view.today));
                match name {
                    Some(name) => FieldValues::text(Some(name)),
                    None => FieldValues::text(requester_display(view)),
                }
            }
            Self::RequesterRole => FieldValues::text(view.role.and_then(practitioner::role_title)),
            Self::RequesterPhone => {
                let mut known = [view.role, view.requester].into_iter().flatten();
                FieldValues::text(known.find_map(|one| practitioner::phone(one, view.today)))
            }
            Self::PracticeName => FieldValues::text(
                of_practice(practitioner::organization_name).or(Some(view.source.name)),
            ),
            Self::PracticeOdsCode => FieldValues::text(
                of_practice(practitioner::ods_code).or(Some(view.source.ods_code)),
            ),
            Self::PracticePhone => {
                let own = view
                    .practice
                    .and_then(|practice| practitioner::organization_phone(practice, view.today));
                match own {
                    Some(phone) => FieldValues::text(Some(phone)),
                    None => FieldValues::text(view.source.phone),
                }
            }
            Self::PracticeSafeguardingPhone => FieldValues::text(view.source.safeguarding_phone),
            _ => FieldValues::None,
        }
    }
}

fn truth(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

/// The contract's ten digits: some systems write them in groups.
fn without_spaces(number: &str) -> Cow<'_, str> {
    if number.contains(char::is_whitespace) {
        Cow::Owned(number.split_whitespace().collect())
    } else {
        Cow::Borrowed(number)
    }
}

fn requester_display<'v>(view: &ReferralView<'v>) -> Option<&'v str> {
    let of_role = view.role.and_then(practitioner::role_practitioner_display);
    of_role.or_else(|| service_request::requester_display(view.request))
}

/// The name used in `activities`: a coding of our own system, listed or not, else the first coding that is listed.
pub(crate) fn activity_code<'v>(view: &ReferralView<'v>) -> Option<&'v str> {
    let codings = service_request::activity_codings(view.request);
    let own = codings
        .iter()
        .find(|coding| coding.system == Some(view.activity_system));
    let listed = || {
        codings.iter().find(|coding| {
            coding
                .code
                .is_some_and(|code| view.vocabulary.activities.get(code).is_some())
        })
    };
    own.or_else(listed).and_then(|coding| coding.code)
}

/// The activity's name from our own list, for the record; nothing the referrer wrote.
pub(crate) fn activity_label(view: &ReferralView<'_>) -> Option<String> {
    activity_code(view)
        .and_then(|code| view.vocabulary.activities.get(code))
        .map(str::to_owned)
}

/// The label of `activities.csv`, else text, display or code of the order's detail.
fn activity<'v>(view: &ReferralView<'v>) -> FieldValues<'v> {
    let code = activity_code(view);
    if let Some(label) = code.and_then(|code| view.vocabulary.activities.get(code)) {
        return FieldValues::One(FieldValue {
            text: Cow::Borrowed(label),
            code,
        });
    }
    // What `code` says is that somebody is referred, not what for.
    match service_request::first_detail(view.request) {
        Some(detail) => FieldValues::text(detail.text.or(detail.display).or(detail.code)),
        None => FieldValues::text(code),
    }
}

/// Text, display or code of each reason, with its code for a column's `codes`.
fn reasons<'v>(request: &'v Json<'v>) -> impl Iterator<Item = FieldValue<'v>> {
    service_request::reasons(request).filter_map(|reason| {
        let text = reason.text.or(reason.display).or(reason.code)?;
        Some(FieldValue {
            text: Cow::Borrowed(text.trim()),
            code: reason.code,
        })
    })
}

/// The needs of `needs.csv` that the reasons stand for, each once, in the order of the reasons.
pub(crate) fn needs<'v>(view: &ReferralView<'v>) -> Vec<&'v str> {
    let mut needs = Vec::new();
    for (system, code) in service_request::reason_codes(view.request) {
        let known = system.is_none_or(|system| system == SNOMED);
        if let Some(need) = view
            .vocabulary
            .needs
            .get(code)
            .filter(|need| known && !needs.contains(need))
        {
            needs.push(need);
        }
    }
    needs
}
