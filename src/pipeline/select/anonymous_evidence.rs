//! What a check saw, in words that name nobody.
//!
//! In: values of a referral. Out: an age, a postcode sector, a code of a closed list, or that something else was there.
//! Keeps: nothing that a practice or a person wrote is repeated; a text that no list of ours or of FHIR has is not shown.

use std::fmt;

use jiff::civil::Date;

use super::SourceRules;
use crate::fhir::resources::consent;
use crate::fhir::resources::patient;
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
}
