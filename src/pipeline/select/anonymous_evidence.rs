//! What a check saw, in words that name nobody.
//!
//! In: values of a referral. Out: an age, a postcode sector, a code of a closed list, or that something else was there.
//! Keeps: nothing that a practice or a person wrote is repeated; a text that no list of ours or of FHIR has is not shown.

use std::fmt;

use jiff::civil::Date;

use super::SourceRules;
use crate::domain::NhsNumber;
use crate::fhir::resources::consent;
use crate::fhir::resources::{patient, service_request};
use crate::json::Json;
use crate::partner::fields::{Age, NO_FIXED_ABODE};
use crate::partner::{Partner, ReferralView};

/// Codes that may be shown as they are: FHIR's own, of status, intent, priority, gender and provision type.
const FHIR_CODES: [&str; 37] = [
    "draft",
    "active",
    "on-hold",
    "revoked",
    "completed",
    "entered-in-error",
    "unknown",
    "proposal",
    "plan",
    "directive",
    "order",
    "original-order",
    "reflex-order",
    "filler-order",
    "instance-order",
    "option",
    "routine",
    "urgent",
    "asap",
    "stat",
    "male",
    "female",
    "other",
    "proposed",
    "rejected",
    "inactive",
    "permit",
    "deny",
    "true",
    "false",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "07",
];

/// A code of FHIR as it is, or that there is another or none.
pub(super) fn code(found: Option<&str>) -> &'static str {
    match found {
        None => "none",
        Some(found) => FHIR_CODES
            .into_iter()
            .find(|known| *known == found)
            .unwrap_or("a code that FHIR does not have"),
    }
}

/// What a criterion was held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Saw<'v> {
    /// The referral lacks it.
    Nothing,
    Age(Age),
    /// The name of an activity or need, if a list of ours has it.
    Listed(Vec<&'v str>),
    /// Values, none of which is on any list of ours.
    Unlisted(usize),
    /// Outward code and sector.
    Sector(String),
    NoFixedAbode,
    Code(&'static str),
    Ods(&'v str),
    Day(Date),
    Consent(ConsentSeen),
}

/// The evidence of a consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConsentSeen {
    pub(super) status: &'static str,
    pub(super) provision: &'static str,
    pub(super) from: Option<Date>,
    pub(super) until: Option<Date>,
    pub(super) in_force: bool,
    pub(super) recipients: usize,
}

impl fmt::Display for Saw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Age(Age::Years(years)) => write!(f, "age {years}"),
            Self::Age(Age::Between(low, high)) => write!(f, "age {low} to {high}"),
            Self::Age(Age::Unknown) => f.write_str("age unknown"),
            Self::Listed(words) => f.write_str(&words.join(", ")),
            Self::Unlisted(n) => write!(f, "{n} not on any list"),
            Self::Sector(sector) => write!(f, "postcode area {sector}"),
            Self::NoFixedAbode => f.write_str("no fixed abode"),
            Self::Code(code) => f.write_str(code),
            Self::Ods(code) => write!(f, "practice {code}"),
            Self::Day(day) => write!(f, "{day}"),
            Self::Consent(seen) => write!(f, "{seen}"),
        }
    }
}

impl fmt::Display for ConsentSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day: Option<Date>| day.map_or_else(|| "…".to_owned(), |day| day.to_string());
        let force = if self.in_force {
            "in force"
        } else {
            "not in force"
        };
        let recipients = match self.recipients {
            0 => "names nobody".to_owned(),
            n => format!("names {n}"),
        };
        write!(
            f,
            "consent {}, {}, {} to {}, {recipients}: {force}",
            self.status,
            self.provision,
            day(self.from),
            day(self.until)
        )
    }
}

/// The lists of activities: that of the mappings, and those of the partners.
type ActivityLists<'l> = (&'l ReferralView<'l>, &'l SourceRules<'l>);

/// The names of activities, if all are of a list of ours.
pub(super) fn activity<'v>(lists: ActivityLists<'_>, codes: &[&'v str]) -> Saw<'v> {
    match codes {
        [] => Saw::Nothing,
        codes if codes.iter().all(|code| is_activity(lists, code)) => Saw::Listed(codes.to_vec()),
        codes => Saw::Unlisted(codes.len()),
    }
}

/// Needs are words of our own list.
pub(super) fn needs<'v>(needs: &[&'v str]) -> Saw<'v> {
    if needs.is_empty() {
        Saw::Nothing
    } else {
        Saw::Listed(needs.to_vec())
    }
}

/// Whether an activity is one of the list, or of any partner's.
fn is_activity((view, source): ActivityLists<'_>, code: &str) -> bool {
    let of_partner = |partner: &Partner| {
        partner
            .select
            .activities
            .iter()
            .any(|listed| listed == code)
    };
    view.vocabulary.activities.get(code).is_some() || source.partners.iter().any(of_partner)
}

/// Outward code and sector, never the whole of a postcode.
pub(super) fn sector(postcode: Option<&str>) -> Saw<'static> {
    let Some(postcode) = postcode else {
        return Saw::Nothing;
    };
    if postcode == NO_FIXED_ABODE {
        return Saw::NoFixedAbode;
    }
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match postcode.split_once(' ') {
        Some((outward, inward))
            if (2..=4).contains(&outward.len())
                && inward.len() == 3
                && plain(outward)
                && plain(inward) =>
        {
            Saw::Sector(
                inward
                    .chars()
                    .take(1)
                    .fold(format!("{outward} "), |mut area, digit| {
                        area.push(digit);
                        area
                    }),
            )
        }
        _ => Saw::Unlisted(1),
    }
}

/// How a consent stands, whoever gave it to whom.
pub(super) fn consent(consent: &Json<'_>, in_force: bool) -> ConsentSeen {
    let (from, until) = consent::period(consent);
    ConsentSeen {
        status: code(consent::status(consent)),
        provision: code(consent::provision_type(consent)),
        from,
        until,
        in_force,
        recipients: consent::recipients(consent).len(),
    }
}

/// The NHS numbers of a person: how many, whether the digits agree, and how far it was verified.
pub(super) fn numbers(person: &Json<'_>, today: Date, sound: bool) -> String {
    let n = patient::nhs_numbers(person, today).len();
    let digits = match (n, sound) {
        (0, _) => "no NHS number".to_owned(),
        (1, true) => "one NHS number, check digit right".to_owned(),
        (1, false) => "one NHS number, check digit wrong".to_owned(),
        (n, _) => format!("{n} NHS numbers"),
    };
    let status = patient::verification_status(person, today);
    format!("{digits}; verification status {}", code(status.as_deref()))
}

/// Longest system or value of an organisation's identifier that is shown.
const IDENTIFIER_LENGTH_MAX: usize = 100;

/// The performer who is no partner, by system and value of the identifiers of the organisation, so that somebody can see
/// what is not set up. Not shown: what may name a person, and what has not the form of a code.
pub(super) fn no_partner(view: &ReferralView<'_>) -> String {
    let identifiers = service_request::service_identifiers(view.request, view.performers);
    let shown: Vec<String> = identifiers
        .iter()
        .filter_map(|(system, value)| organisation_identifier(*system, value))
        .collect();
    match (shown.as_slice(), identifiers.is_empty()) {
        ([], true) => "a performer who is not found here, or has no identifier".to_owned(),
        ([], false) => "a performer who is no partner".to_owned(),
        (shown, _) => format!("{}, who is no partner here", shown.join(", ")),
    }
}

/// System and value as they may be shown.
fn organisation_identifier(system: Option<&str>, value: &str) -> Option<String> {
    let coded = |text: &str, marks: &[u8]| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
        !text.is_empty() && text.len() <= IDENTIFIER_LENGTH_MAX && text.bytes().all(plain)
    };
    let number = NhsNumber::parse(&patient::normal_nhs_number(value)).is_ok();
    if number || system.is_some_and(patient::is_nhs_number_system) || !coded(value, b"-_.:/") {
        return None;
    }
    match system {
        None => Some(format!("{value} (no system)")),
        Some(system) if coded(system, b"-_.:/#") => Some(format!("{system}|{value}")),
        Some(_) => Some(format!("{value} (a system that is no address)")),
    }
}

/// What the request asks for, in the words of its codes.
pub(super) fn wants(lists: ActivityLists<'_>, activities: &[&str], needs: &[&str]) -> String {
    let (activity, needs) = (activity(lists, activities), self::needs(needs));
    format!("no performer; activity: {activity}; need: {needs}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postcode_is_shown_as_far_as_its_sector() {
        let shown = |postcode| sector(postcode).to_string();
        assert_eq!(shown(Some("BS1 4DJ")), "postcode area BS1 4");
        assert_eq!(shown(Some(NO_FIXED_ABODE)), "no fixed abode");
        assert_eq!(shown(None), "nothing");
        for odd in [
            "1 High Street",
            "BS14DJ",
            "Ada Byron",
            "BS1 4\u{e9}J",
            "ééé ééé",
        ] {
            assert_eq!(shown(Some(odd)), "1 not on any list", "{odd}");
        }
    }

    #[test]
    fn a_code_that_fhir_does_not_have_is_not_repeated() {
        assert_eq!(code(Some("on-hold")), "on-hold");
        assert_eq!(code(Some("Ada Byron")), "a code that FHIR does not have");
        assert_eq!(code(None), "none");
    }

    #[test]
    fn an_organisation_is_named_by_its_identifier_and_a_person_is_not() {
        let ods = "https://fhir.nhs.uk/Id/ods-organization-code";
        for (system, value, expected) in [
            (Some(ods), "ZZ901", Some(format!("{ods}|ZZ901"))),
            (None, "ZZ901", Some("ZZ901 (no system)".to_owned())),
            (Some("https://fhir.nhs.uk/Id/nhs-number"), "1", None),
            (Some(ods), "900 000 0076", None),
            (Some(ods), "9000000076", None),
            (Some(ods), "Ada Byron", None),
        ] {
            assert_eq!(organisation_identifier(system, value), expected, "{value}");
        }
    }
}
