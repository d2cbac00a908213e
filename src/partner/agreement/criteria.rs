//! Whom a partner takes.
//!
//! The section `[select]`, once read. Kept: a list that is empty asks nothing.

use jiff::civil::Date;

use crate::partner::fields::Derivation;

/// The referral criteria; a list that is empty asks nothing.
#[derive(Debug)]
pub(crate) struct Criteria {
    /// A partner that is not enabled is never routed to; `kith map` still works.
    pub(crate) enabled: bool,
    pub(crate) activities: Vec<String>,
    pub(crate) needs: Vec<String>,
    pub(crate) age_years: Option<AgeYears>,
    pub(crate) postcodes: Vec<PostcodeArea>,
    pub(crate) no_postcode: NoPostcode,
    pub(crate) consent: ConsentRule,
    pub(crate) open_legs_max: Option<u32>,
    /// The highest wins; a tie that is left is held.
    pub(crate) priority: i32,
    /// ODS codes of the practices whose referrals are taken.
    pub(crate) practices: Vec<String>,
    /// FHIR gender codes; may only ever hold, never reject or re-route.
    pub(crate) gender: Vec<String>,
    pub(crate) starts_on: Option<Date>,
    pub(crate) ends_on: Option<Date>,
    pub(crate) urgent: UrgentRule,
}

/// Ages taken, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AgeYears {
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
}

/// A whole outward code (`BS1`), or outward code and sector (`BS2 8`); upper case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PostcodeArea {
    outward: String,
    sector: Option<char>,
}

impl PostcodeArea {
    /// Reads `BS1` or `BS2 8`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let upper = text.trim().to_ascii_uppercase();
        let mut words = upper.split_ascii_whitespace();
        let outward = words.next()?.to_owned();
        let letters = outward
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .count();
        let lawful = (1..=2).contains(&letters)
            && (2..=4).contains(&outward.len())
            && outward
                .chars()
                .nth(letters)
                .is_some_and(|character| character.is_ascii_digit())
            && outward
                .chars()
                .all(|character| character.is_ascii_alphanumeric());
        let sector = match words.next() {
            None => None,
            Some(word) => {
                let digit = word.chars().next().filter(char::is_ascii_digit)?;
                (word.len() == 1).then_some(Some(digit))?
            }
        };
        (lawful && words.next().is_none()).then_some(Self { outward, sector })
    }

    /// Whether a postcode, with one space before its last three characters, lies in the area.
    pub(crate) fn covers(&self, postcode: &str) -> bool {
        let Some((outward, inward)) = postcode.trim().split_once(' ') else {
            return false;
        };
        outward.eq_ignore_ascii_case(&self.outward)
            && self
                .sector
                .is_none_or(|sector| inward.trim_start().starts_with(sector))
    }

    /// Whether every postcode of this area lies in the other one.
    pub(crate) fn within(&self, other: &Self) -> bool {
        self.outward == other.outward && (other.sector.is_none() || self.sector == other.sector)
    }

    /// As written in the partner file.
    pub(crate) fn text(&self) -> String {
        match self.sector {
            None => self.outward.clone(),
            Some(sector) => format!("{} {sector}", self.outward),
        }
    }
}

/// What happens to a person without a postcode where `postcodes` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPostcode {
    Hold,
    Ignore,
}

/// On what a disclosure rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsentRule {
    Required,
    /// Direct care; the basis is `[share] basis`.
    Implied,
}

/// What happens to an urgent referral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrgentRule {
    SendAndTell,
    Hold,
}

/// Each criterion that tells something of everyone it lets through: its key, the fields of which one must be shared, and
/// the rule by which the value is found.
pub(crate) const CRITERIA: [(&str, &[&str], Derivation); 6] = [
    (
        "activities",
        &["referral.activity", "referral.activity_code"],
        Derivation::ActivityCode,
    ),
    (
        "needs",
        &["referral.need", "referral.reason", "referral.reason_code"],
        Derivation::Need,
    ),
    (
        "age_years",
        &["patient.birth_date", "patient.age_years"],
        Derivation::AgeYears,
    ),
    ("postcodes", &["patient.postcode"], Derivation::Postcode),
    ("gender", &["patient.gender"], Derivation::Gender),
    (
        "practices",
        &["practice.ods_code", "practice.name"],
        Derivation::PracticeOdsCode,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_is_not_a_prefix() {
        let table = [
            ("BS1", "BS1 4ND", true),
            ("BS1", "BS10 5AA", false),
            ("BS2 8", "BS2 8AA", true),
            ("BS2 8", "BS2 9AA", false),
            ("bs2 8", "BS2 8AA", true),
            ("EC1A", "EC1A 1BB", true),
        ];
        for (area, postcode, covered) in table {
            let area = PostcodeArea::parse(area).unwrap();
            assert_eq!(area.covers(postcode), covered, "{area:?} {postcode}");
        }
        for wrong in [
            "", "BS", "BS2 8A", "BS2 88", "1BS", "BS2 8 9", "BS123", "ABC1",
        ] {
            assert_eq!(PostcodeArea::parse(wrong), None, "{wrong}");
        }
    }
}
