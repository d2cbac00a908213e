//! Applies the named rules of fields to a referral.
//!
//! Resources come in through the readers of `fhir`; texts come out, borrowed where nothing had to be built. Invariant: a
//! derivation reads the elements that `disclosed_elements` states for it, and no others.

use std::borrow::Cow;

use jiff::civil::Date;

use super::{Age, Derivation, FieldValue, FieldValues, ReferralView, SNOMED, ValueProblem, age_on};
use crate::domain::Reason;
use crate::fhir::resources::patient::ReadExtension;
use crate::fhir::resources::reference::is_system;
use crate::fhir::resources::{patient, practitioner, resource, service_request};
use crate::json::Json;

/// The postcode that stands for no fixed abode.
pub(crate) const NO_FIXED_ABODE: &str = "ZZ99 3VZ";

/// The last line that a column can name, from 0.
const ADDRESS_LINE_LAST: usize = 3;

impl Derivation {
    /// Applies the rule to a view.
    ///
    /// # Errors
    /// What the record says cannot be put in this field without a guess.
    pub(crate) fn derive<'v>(
        self,
        view: &ReferralView<'v>,
    ) -> Result<FieldValues<'v>, ValueProblem> {
        if let (Self::Prefix | Self::Family | Self::Given, Some(person)) = (self, view.patient)
            && patient::name(person, view.today).is_some_and(|name| name.is_text_only())
        {
            return Err(ValueProblem {
                reason: Reason::NoName,
                detail: "the name is one text, without its parts".to_owned(),
            });
        }
        let extension = match self {
            Self::InterpreterRequired => Some(ReadExtension::Interpreter),
            Self::Ethnicity => Some(ReadExtension::Ethnicity),
            _ => None,
        };
        if let (Some(about), Some(person)) = (extension, view.patient)
            && patient::unread_extension(person, about)
        {
            return Err(ValueProblem {
                reason: Reason::Malformed,
                detail: "Patient.extension says it in a form that FHIR R4 does not have".to_owned(),
            });
        }
        Ok(self.values(view))
    }

    fn values<'v>(self, view: &ReferralView<'v>) -> FieldValues<'v> {
        match self {
            Self::None => FieldValues::None,
            Self::LegReference => FieldValues::text(Some(view.leg.reference)),
            Self::LegCheck => FieldValues::text(Some(view.leg.check)),
            Self::LegAction => FieldValues::text(Some(view.leg.action.code())),
            Self::LegChanged => FieldValues::text(Some(view.leg.changed)),
            Self::LegSequence => FieldValues::text(Some(view.leg.sequence.to_string())),
            Self::LegStop => FieldValues::text(Some(view.leg.action.sentence(view.source.phone))),
            Self::RequestId => FieldValues::text(resource::id(view.request)),
            Self::AuthoredOn => FieldValues::text(service_request::authored_on(view.request)),
            Self::Priority => FieldValues::text(service_request::known_priority(view.request)),
            Self::Activity => activity(view),
            Self::ActivityCode => {
                FieldValues::from_values(activity_codes(view).into_iter().map(FieldValue::of))
            }
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
            Self::NhsNumber => FieldValues::text(patient::nhs_number(person, today)),
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
                FieldValues::text(address().map(|address| address_line(&address.lines, line)))
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

/// A line of an address; the last that a column can name holds those behind it too.
fn address_line(lines: &[&str], line: usize) -> String {
    let until = if line == ADDRESS_LINE_LAST {
        lines.len()
    } else {
        lines.len().min(line + 1)
    };
    lines.get(line..until).unwrap_or_default().join(", ")
}

fn truth(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

fn requester_display<'v>(view: &ReferralView<'v>) -> Option<&'v str> {
    let of_role = view.role.and_then(practitioner::role_practitioner_display);
    of_role.or_else(|| service_request::requester_display(view.request))
}

/// The names used in `activities`, each once, in the order in which they are asked for: codings of our own system, listed or not,
/// else those that are listed.
pub(crate) fn activity_codes<'v>(view: &ReferralView<'v>) -> Vec<&'v str> {
    let codings = service_request::activity_codings(view.request);
    let named = |wanted: &dyn Fn(&service_request::Coding<'v>) -> bool| {
        let mut codes = Vec::new();
        for coding in codings.iter().filter(|coding| wanted(coding)) {
            codes.extend(coding.code.filter(|code| !codes.contains(code)));
        }
        codes
    };
    let own = named(&|coding| coding.system == Some(view.activity_system));
    if !own.is_empty() {
        return own;
    }
    let is_listed = |code: &str| view.vocabulary.activities.get(code).is_some();
    named(&|coding| coding.code.is_some_and(is_listed))
}

/// The activities' names from our own list, for the record; nothing the referrer wrote.
pub(crate) fn activity_label(view: &ReferralView<'_>) -> Option<String> {
    let codes = activity_codes(view);
    let labels: Vec<&str> = codes
        .iter()
        .filter_map(|code| view.vocabulary.activities.get(code))
        .collect();
    (!labels.is_empty()).then(|| labels.join("; "))
}

/// What each detail of the order asks for: its label in `activities.csv`, else its text, display or code. What `code` says is
/// that somebody is referred, not what for, unless it names an activity.
fn activity<'v>(view: &ReferralView<'v>) -> FieldValues<'v> {
    let label = |code: &'v str| {
        view.vocabulary
            .activities
            .get(code)
            .map(|label| FieldValue {
                text: Cow::Borrowed(label),
                code: Some(code),
            })
    };
    let codes = activity_codes(view);
    let details = service_request::details(view.request);
    if details.len() < 2 && !codes.is_empty() {
        let labels: Vec<FieldValue<'v>> = codes.iter().filter_map(|code| label(code)).collect();
        if labels.len() == codes.len() {
            return FieldValues::from_values(labels);
        }
    }
    let words = details.iter().filter_map(|codings| {
        let first = codings.first()?;
        let listed = || codings.iter().find_map(|coding| label(coding.code?));
        let written = || {
            let text = first.text.or(first.display).or(first.code)?;
            Some(FieldValue::of(text))
        };
        listed().or_else(written)
    });
    match FieldValues::from_values(words) {
        FieldValues::None => FieldValues::from_values(codes.into_iter().map(FieldValue::of)),
        found => found,
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
        let known = system.is_none_or(|system| is_system(system, SNOMED));
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
