//! The rules of fields that no expression could say: each a named function over the view.
//!
//! Resources come in through the readers of `fhir`; texts come out, borrowed where nothing had to be built. Invariant: a
//! derivation reads the elements that `fields.toml` states for it, and no others.

use std::borrow::Cow;

use jiff::civil::Date;

use super::codes::SNOMED;
use super::view::View;
use crate::fhir::{patient, people, service_request};
use crate::json::Json;

/// The postcode that stands for no fixed abode.
pub(crate) const NO_FIXED_ABODE: &str = "ZZ99 3VZ";

/// One value of a field: its text, and the code it stands for where `codes` may be asked by code.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Value<'v> {
    pub(crate) text: Cow<'v, str>,
    pub(crate) code: Option<&'v str>,
}

impl<'v> Value<'v> {
    /// A value of text alone.
    pub(crate) fn of(text: impl Into<Cow<'v, str>>) -> Self {
        Self {
            text: text.into(),
            code: None,
        }
    }
}

/// A value may be a person's: only its length is shown.
impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({} characters)", self.text.chars().count())
    }
}

/// What a field has for one referral; one value is the rule, so it costs no list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found<'v> {
    None,
    One(Value<'v>),
    Many(Vec<Value<'v>>),
}

impl<'v> Found<'v> {
    /// A text that may be absent; empty is absent.
    pub(crate) fn text<T: Into<Cow<'v, str>>>(text: Option<T>) -> Self {
        match text.map(Into::into) {
            Some(text) if !blank(&text) => Self::One(Value::of(text)),
            _ => Self::None,
        }
    }

    /// Several values; empty ones are left out.
    pub(crate) fn from_values(values: impl IntoIterator<Item = Value<'v>>) -> Self {
        let mut values = values.into_iter().filter(|value| !blank(&value.text));
        let (Some(first), second) = (values.next(), values.next()) else {
            return Self::None;
        };
        let Some(second) = second else {
            return Self::One(first);
        };
        Self::Many([first, second].into_iter().chain(values).collect())
    }

    /// All values as one text.
    pub(crate) fn joined(self, join: &str) -> Option<Cow<'v, str>> {
        match self {
            Self::None => None,
            Self::One(value) => Some(value.text),
            Self::Many(values) => {
                let texts: Vec<&str> = values.iter().map(|value| value.text.as_ref()).collect();
                Some(Cow::Owned(texts.join(join)))
            }
        }
    }
}

/// Whether a text is nothing but space.
fn blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// A named rule of `fields.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Derivation {
    /// This version does not read it: a column that uses it is refused.
    None,
    LegReference,
    LegCheck,
    LegAction,
    LegChanged,
    LegSequence,
    LegStop,
    NhsNumber,
    Name,
    Prefix,
    Family,
    Given,
    BirthDate,
    AgeYears,
    Gender,
    Phone,
    PhoneHome,
    Email,
    Address,
    AddressLine(usize),
    City,
    Postcode,
    NoFixedAbode,
    Language,
    InterpreterRequired,
    Ethnicity,
    ContactName,
    ContactPhone,
    ContactRelationship,
    RequestId,
    AuthoredOn,
    Priority,
    Activity,
    ActivityCode,
    Reason,
    ReasonCode,
    Need,
    Note,
    RequesterName,
    RequesterRole,
    RequesterPhone,
    PracticeName,
    PracticeOdsCode,
    PracticePhone,
    PracticeSafeguardingPhone,
}

impl Derivation {
    /// Whether everyone whose `whole` is known is told nothing more by this one: a part of a name, an address or a date.
    pub(super) fn part_of(self, whole: Self) -> bool {
        match whole {
            Self::Name => matches!(self, Self::Prefix | Self::Family | Self::Given),
            Self::Address => matches!(self, Self::AddressLine(_) | Self::City | Self::Postcode),
            Self::BirthDate => self == Self::AgeYears,
            _ => false,
        }
    }

    /// The names in `fields.toml`.
    pub(crate) const WORDS: [(&'static str, Self); 48] = [
        ("none", Self::None),
        ("leg-reference", Self::LegReference),
        ("leg-check", Self::LegCheck),
        ("leg-action", Self::LegAction),
        ("leg-changed", Self::LegChanged),
        ("leg-sequence", Self::LegSequence),
        ("leg-stop", Self::LegStop),
        ("nhs-number", Self::NhsNumber),
        ("name", Self::Name),
        ("prefix", Self::Prefix),
        ("family", Self::Family),
        ("given", Self::Given),
        ("birth-date", Self::BirthDate),
        ("age-years", Self::AgeYears),
        ("gender", Self::Gender),
        ("phone", Self::Phone),
        ("phone-home", Self::PhoneHome),
        ("email", Self::Email),
        ("address", Self::Address),
        ("address-line-1", Self::AddressLine(0)),
        ("address-line-2", Self::AddressLine(1)),
        ("address-line-3", Self::AddressLine(2)),
        ("address-line-4", Self::AddressLine(3)),
        ("city", Self::City),
        ("postcode", Self::Postcode),
        ("no-fixed-abode", Self::NoFixedAbode),
        ("language", Self::Language),
        ("interpreter-required", Self::InterpreterRequired),
        ("ethnicity", Self::Ethnicity),
        ("contact-name", Self::ContactName),
        ("contact-phone", Self::ContactPhone),
        ("contact-relationship", Self::ContactRelationship),
        ("request-id", Self::RequestId),
        ("authored-on", Self::AuthoredOn),
        ("priority", Self::Priority),
        ("activity", Self::Activity),
        ("activity-code", Self::ActivityCode),
        ("reason", Self::Reason),
        ("reason-code", Self::ReasonCode),
        ("need", Self::Need),
        ("note", Self::Note),
        ("requester-name", Self::RequesterName),
        ("requester-role", Self::RequesterRole),
        ("requester-phone", Self::RequesterPhone),
        ("practice-name", Self::PracticeName),
        ("practice-ods-code", Self::PracticeOdsCode),
        ("practice-phone", Self::PracticePhone),
        (
            "practice-safeguarding-phone",
            Self::PracticeSafeguardingPhone,
        ),
    ];

    /// Applies the rule to a view.
    pub(crate) fn derive<'v>(self, view: &View<'v>) -> Found<'v> {
        match self {
            Self::None => Found::None,
            Self::LegReference => Found::text(Some(view.leg.reference)),
            Self::LegCheck => Found::text(Some(view.leg.check)),
            Self::LegAction => Found::text(Some(view.leg.action.code())),
            Self::LegChanged => Found::text(Some(view.leg.changed)),
            Self::LegSequence => Found::text(Some(view.leg.sequence.to_string())),
            Self::LegStop => Found::text(Some(view.leg.action.sentence())),
            Self::RequestId => Found::text(service_request::id(view.request)),
            Self::AuthoredOn => Found::text(service_request::authored_on(view.request)),
            Self::Priority => Found::text(service_request::priority(view.request)),
            Self::Activity => activity(view),
            Self::ActivityCode => Found::text(activity_code(view)),
            Self::Reason => Found::from_values(reasons(view.request)),
            Self::ReasonCode => {
                let codes = service_request::reason_codes(view.request);
                Found::from_values(codes.into_iter().map(|(_, code)| Value::of(code)))
            }
            Self::Need => Found::from_values(needs(view).into_iter().map(Value::of)),
            Self::Note => Found::text(service_request::note_text(view.request)),
            Self::RequesterName
            | Self::RequesterRole
            | Self::RequesterPhone
            | Self::PracticeName
            | Self::PracticeOdsCode
            | Self::PracticePhone
            | Self::PracticeSafeguardingPhone => self.of_referrer(view),
            _ => view
                .patient
                .map_or(Found::None, |patient| self.of_patient(patient, view.today)),
        }
    }

    fn of_patient<'v>(self, person: &'v Json<'v>, today: Date) -> Found<'v> {
        let name = || patient::name(person, today);
        let address = || patient::address(person, today);
        let contact = || patient::contact_person(person, today);
        match self {
            Self::NhsNumber => Found::text(patient::nhs_number_text(person).map(without_spaces)),
            Self::Name => Found::text(name().map(|name| name.full())),
            Self::Prefix => Found::text(name().map(|name| name.all_prefixes())),
            Self::Family => Found::text(name().and_then(|name| name.family)),
            Self::Given => Found::text(name().map(|name| name.all_given())),
            Self::BirthDate => Found::text(patient::birth_date(person)),
            Self::AgeYears => match age_on(patient::birth_date(person), today) {
                Age::Years(years) => Found::text(Some(years.to_string())),
                Age::Between(..) | Age::Unknown => Found::None,
            },
            Self::Gender => Found::text(patient::gender(person)),
            Self::Phone => Found::text(patient::phone(person, today)),
            Self::PhoneHome => Found::text(patient::phone_home(person, today)),
            Self::Email => Found::text(patient::email(person, today)),
            Self::Address => Found::text(address().map(|address| address.full())),
            Self::AddressLine(line) => {
                Found::text(address().and_then(|address| address.lines.get(line).copied()))
            }
            Self::City => Found::text(address().and_then(|address| address.city)),
            Self::Postcode => Found::text(address().and_then(|address| address.postcode)),
            Self::NoFixedAbode => {
                let postcode = address().and_then(|address| address.postcode);
                Found::text(postcode.map(|postcode| truth(postcode == NO_FIXED_ABODE)))
            }
            Self::Language => Found::text(patient::language(person)),
            Self::InterpreterRequired => {
                Found::text(patient::interpreter_required(person).map(truth))
            }
            Self::Ethnicity => Found::text(patient::ethnicity_code(person)),
            Self::ContactName => Found::text(contact().and_then(|contact| contact.name)),
            Self::ContactPhone => Found::text(contact().and_then(|contact| contact.phone)),
            Self::ContactRelationship => {
                Found::text(contact().and_then(|contact| contact.relationship))
            }
            _ => Found::None,
        }
    }

    fn of_referrer<'v>(self, view: &View<'v>) -> Found<'v> {
        let of_practice = |read: fn(&'v Json<'v>) -> Option<&'v str>| view.practice.and_then(read);
        match self {
            Self::RequesterName => {
                let name = view
                    .requester
                    .and_then(|person| people::practitioner_name(person, view.today));
                match name {
                    Some(name) => Found::text(Some(name)),
                    None => Found::text(requester_display(view)),
                }
            }
            Self::RequesterRole => Found::text(view.role.and_then(people::role_title)),
            Self::RequesterPhone => {
                let mut known = [view.role, view.requester].into_iter().flatten();
                Found::text(known.find_map(|one| people::phone(one, view.today)))
            }
            Self::PracticeName => {
                Found::text(of_practice(people::organization_name).or(Some(view.source.name)))
            }
            Self::PracticeOdsCode => {
                Found::text(of_practice(people::ods_code).or(Some(view.source.ods_code)))
            }
            Self::PracticePhone => {
                let own = view
                    .practice
                    .and_then(|practice| people::organization_phone(practice, view.today));
                match own {
                    Some(phone) => Found::text(Some(phone)),
                    None => Found::text(view.source.phone),
                }
            }
            Self::PracticeSafeguardingPhone => Found::text(view.source.safeguarding_phone),
            _ => Found::None,
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

fn requester_display<'v>(view: &View<'v>) -> Option<&'v str> {
    let of_role = view.role.and_then(people::role_practitioner_display);
    of_role.or_else(|| service_request::requester_display(view.request))
}

/// The name used in `activities`: a coding of our own system, listed or not, else the first coding that is listed.
pub(crate) fn activity_code<'v>(view: &View<'v>) -> Option<&'v str> {
    let codings = service_request::activity_codings(view.request);
    let own = codings
        .iter()
        .find(|coding| coding.system == Some(view.activity_system));
    let listed = || {
        codings.iter().find(|coding| {
            coding
                .code
                .is_some_and(|code| view.rules.activities.get(code).is_some())
        })
    };
    own.or_else(listed).and_then(|coding| coding.code)
}

/// The activity's name from our own list, for the record; nothing the referrer wrote.
pub(crate) fn activity_label(view: &View<'_>) -> Option<String> {
    activity_code(view)
        .and_then(|code| view.rules.activities.get(code))
        .map(str::to_owned)
}

/// The label of `activities.csv`, else text, display or code of the order's detail.
fn activity<'v>(view: &View<'v>) -> Found<'v> {
    let code = activity_code(view);
    if let Some(label) = code.and_then(|code| view.rules.activities.get(code)) {
        return Found::One(Value {
            text: Cow::Borrowed(label),
            code,
        });
    }
    // What `code` says is that somebody is referred, not what for.
    match service_request::first_detail(view.request) {
        Some(detail) => Found::text(detail.text.or(detail.display).or(detail.code)),
        None => Found::text(code),
    }
}

/// Text, display or code of each reason, with its code for a column's `codes`.
fn reasons<'v>(request: &'v Json<'v>) -> impl Iterator<Item = Value<'v>> {
    let concepts = crate::json::items(request.get("reasonCode"));
    concepts.iter().filter_map(|concept| {
        let codings = crate::json::items(concept.get("coding"));
        let first = |key: &str| {
            codings
                .iter()
                .find_map(|coding| coding.get(key).and_then(Json::as_str))
        };
        let code = first("code");
        let text = concept
            .get("text")
            .and_then(Json::as_str)
            .filter(|text| !text.trim().is_empty());
        let text = text.or_else(|| first("display")).or(code)?;
        Some(Value {
            text: Cow::Borrowed(text.trim()),
            code,
        })
    })
}

/// The needs of `needs.csv` that the reasons stand for, each once, in the order of the reasons.
pub(crate) fn needs<'v>(view: &View<'v>) -> Vec<&'v str> {
    let mut needs = Vec::new();
    for (system, code) in service_request::reason_codes(view.request) {
        let known = system.is_none_or(|system| system == SNOMED);
        if let Some(need) = view
            .rules
            .needs
            .get(code)
            .filter(|need| known && !needs.contains(need))
        {
            needs.push(need);
        }
    }
    needs
}

/// A person's age on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Years(u32),
    /// A partial birth date leaves two answers.
    Between(u32, u32),
    Unknown,
}

/// The age on a day; of a partial birth date both ends are tried.
pub(crate) fn age_on(birth_date: Option<&str>, day: Date) -> Age {
    let Some((earliest, latest)) = birth_date.and_then(day_range) else {
        return Age::Unknown;
    };
    let (Some(oldest), Some(youngest)) = (
        years_between(earliest, day),
        years_between(latest.min(day), day),
    ) else {
        return Age::Unknown;
    };
    if oldest == youngest {
        Age::Years(oldest)
    } else {
        Age::Between(youngest, oldest)
    }
}

/// The days that a date of FHIR covers: a day, a month or a year.
pub(crate) fn day_range(text: &str) -> Option<(Date, Date)> {
    let text = text.trim();
    let digits = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let year = digits(0, 4)?;
    match text.len() {
        4 => Some((Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?)),
        7 => {
            let first = Date::new(year, i8::try_from(digits(5, 7)?).ok()?, 1).ok()?;
            Some((first, first.last_of_month()))
        }
        10 => {
            let month = i8::try_from(digits(5, 7)?).ok()?;
            let day = Date::new(year, month, i8::try_from(digits(8, 10)?).ok()?).ok()?;
            Some((day, day))
        }
        _ => None,
    }
}

/// Whole years; somebody born on 29 February has their birthday on 1 March of other years.
fn years_between(born: Date, day: Date) -> Option<u32> {
    let before = (day.month(), day.day()) < (born.month(), born.day());
    u32::try_from(i32::from(day.year()) - i32::from(born.year()) - i32::from(before)).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn an_age_is_one_answer_or_none() {
        let day = date(2026, 11, 23);
        let table = [
            ("2008-11-23", Age::Years(18)),
            ("2008-11-24", Age::Years(17)),
            ("2008-11", Age::Between(17, 18)),
            ("2008-12", Age::Years(17)),
            ("2008", Age::Between(17, 18)),
            ("2027-01-01", Age::Unknown),
            ("08", Age::Unknown),
            ("2008-13-01", Age::Unknown),
        ];
        for (born, age) in table {
            assert_eq!(age_on(Some(born), day), age, "{born}");
        }
        assert_eq!(age_on(None, day), Age::Unknown);
        assert_eq!(
            age_on(Some("2008-02-29"), date(2026, 2, 28)),
            Age::Years(17)
        );
        assert_eq!(age_on(Some("2008-02-29"), date(2026, 3, 1)), Age::Years(18));
    }

    #[test]
    fn no_value_is_shown_by_debug() {
        assert_eq!(format!("{:?}", Value::of("Anna")), "Value(4 characters)");
    }
}
