//! A partner's referral criteria against one referral: each with what was seen, masked, and its verdict.

use std::fmt;

use jiff::civil::Date;

use super::SourceRules;
use super::anonymous_evidence;
use super::anonymous_evidence::Saw;
use super::consent::{ConsentStanding, consent_standing, deciding};
use crate::domain::Reason;
use crate::fhir::resources::patient;
use crate::json::Json;
use crate::partner::agreement::{ConsentRule, NoPostcode, PostcodeArea};
use crate::partner::fields::{Age, NO_FIXED_ABODE, activity_codes, age_on, needs as need_words};
use crate::partner::{Partner, ReferralView};

/// Whether a criterion holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Yes,
    No,
    /// The referral lacks the value.
    Unknown,
}

/// What a criterion asks, as the agreement says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks<'v> {
    Words(&'v [String]),
    Ages(Option<u32>, Option<u32>),
    Areas(&'v [PostcodeArea]),
    Days(Option<Date>, Option<Date>),
    Said(&'static str),
}

/// One criterion and its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Criterion<'v> {
    /// The key of the partner file.
    pub(crate) name: &'static str,
    pub(crate) asks: Asks<'v>,
    /// What it was held against.
    pub(crate) saw: Saw<'v>,
    pub(crate) holds: Holds,
    /// Why a referral that fails is held.
    pub(crate) reason: Reason,
}

impl fmt::Display for Asks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day: &Option<Date>| day.map_or_else(|| "…".to_owned(), |day| day.to_string());
        match self {
            Self::Words(words) => f.write_str(&words.join(", ")),
            Self::Ages(Some(min), Some(max)) => write!(f, "{min} to {max}"),
            Self::Ages(Some(min), None) => write!(f, "{min} or over"),
            Self::Ages(None, Some(max)) => write!(f, "{max} or under"),
            Self::Ages(None, None) => f.write_str("any age"),
            Self::Areas(areas) => {
                let areas: Vec<String> = areas.iter().map(PostcodeArea::text).collect();
                f.write_str(&areas.join(", "))
            }
            Self::Days(starts, ends) => write!(f, "{} to {}", day(starts), day(ends)),
            Self::Said(words) => f.write_str(words),
        }
    }
}

/// Every criterion of a partner for a referral, in a fixed order.
pub(crate) fn criteria<'v>(
    view: &ReferralView<'v>,
    consents: &[&Json<'_>],
    partner: &'v Partner,
    source: &SourceRules<'_>,
) -> Vec<Criterion<'v>> {
    let select = &partner.select;
    let mut found = vec![children(view, partner)];
    if !select.activities.is_empty() {
        found.push(activity(view, partner, source));
    }
    if !select.needs.is_empty() && (source.by_need || select.activities.is_empty()) {
        found.push(needs(view, partner));
    }
    if let Some(ages) = select.age_years {
        found.push(age(view, ages.min, ages.max));
    }
    if !select.postcodes.is_empty() {
        found.push(area(view, partner));
    }
    if !select.practices.is_empty() {
        found.push(practice(view, partner));
    }
    if !select.gender.is_empty() {
        found.push(gender(view, partner));
    }
    if select.starts_on.is_some() || select.ends_on.is_some() {
        let open = select.starts_on.is_none_or(|day| day <= view.today)
            && select.ends_on.is_none_or(|day| view.today <= day);
        found.push(Criterion {
            name: "open",
            asks: Asks::Days(select.starts_on, select.ends_on),
            saw: Saw::Day(view.today),
            holds: yes_or_no(open),
            reason: Reason::Criteria,
        });
    }
    found.push(consented(view, consents, partner));
    found
}

fn activity<'v>(
    view: &ReferralView<'v>,
    partner: &'v Partner,
    source: &SourceRules<'_>,
) -> Criterion<'v> {
    let codes = activity_codes(view);
    let listed = &partner.select.activities;
    Criterion {
        name: "activities",
        asks: Asks::Words(listed),
        saw: anonymous_evidence::activity((view, source), &codes),
        // Asked for two, a partner must take both: which of them it leaves out is for the practice to say.
        holds: if codes.is_empty() {
            Holds::Unknown
        } else {
            yes_or_no(
                codes
                    .iter()
                    .all(|code| listed.iter().any(|listed| listed == code)),
            )
        },
        reason: Reason::Criteria,
    }
}

fn needs<'v>(view: &ReferralView<'v>, partner: &'v Partner) -> Criterion<'v> {
    let needs = need_words(view);
    let listed = &partner.select.needs;
    let any = || {
        needs
            .iter()
            .any(|need| listed.iter().any(|listed| listed == need))
    };
    Criterion {
        name: "needs",
        asks: Asks::Words(listed),
        saw: anonymous_evidence::needs(&needs),
        holds: if needs.is_empty() {
            Holds::Unknown
        } else {
            yes_or_no(any())
        },
        reason: Reason::Criteria,
    }
}

/// Under 18, or of unknown age: only where the partner takes children (`safety.md` §5).
fn children<'v>(view: &ReferralView<'v>, partner: &Partner) -> Criterion<'v> {
    let age = person_age(view);
    let holds = match age {
        _ if partner.children => Holds::Yes,
        Age::Years(years) | Age::Between(years, _) => yes_or_no(years >= 18),
        Age::Unknown => Holds::Unknown,
    };
    Criterion {
        name: "children",
        asks: Asks::Said(if partner.children {
            "any age"
        } else {
            "18 or over"
        }),
        saw: Saw::Age(age),
        holds,
        reason: Reason::Child,
    }
}

/// With a partial birth date both ends must agree.
fn age<'v>(view: &ReferralView<'v>, min: Option<u32>, max: Option<u32>) -> Criterion<'v> {
    let within =
        |years: u32| min.is_none_or(|min| years >= min) && max.is_none_or(|max| years <= max);
    let age = person_age(view);
    let holds = match age {
        Age::Years(years) => yes_or_no(within(years)),
        Age::Between(low, high) if within(low) && within(high) => Holds::Yes,
        Age::Between(low, high) if !within(low) && !within(high) => Holds::No,
        Age::Between(..) | Age::Unknown => Holds::Unknown,
    };
    Criterion {
        name: "age_years",
        asks: Asks::Ages(min, max),
        saw: Saw::Age(age),
        holds,
        reason: Reason::Criteria,
    }
}

fn person_age(view: &ReferralView<'_>) -> Age {
    age_on(view.patient.and_then(patient::birth_date), view.today)
}

fn area<'v>(view: &ReferralView<'v>, partner: &'v Partner) -> Criterion<'v> {
    let areas = &partner.select.postcodes;
    // Nobody lives in a box at a post office.
    let postcode = view
        .patient
        .and_then(|person| patient::address(person, view.today))
        .filter(|address| !address.for_letters)
        .and_then(|address| address.postcode);
    let saw = anonymous_evidence::sector(postcode.as_deref());
    let (holds, reason) = match postcode.filter(|postcode| postcode != NO_FIXED_ABODE) {
        Some(postcode) => (
            yes_or_no(areas.iter().any(|area| area.covers(&postcode))),
            Reason::Area,
        ),
        None if partner.select.no_postcode == NoPostcode::Ignore => {
            (Holds::Yes, Reason::NoPostcode)
        }
        None => (Holds::Unknown, Reason::NoPostcode),
    };
    Criterion {
        name: "postcodes",
        asks: Asks::Areas(areas),
        saw,
        holds,
        reason,
    }
}

fn practice<'v>(view: &ReferralView<'v>, partner: &'v Partner) -> Criterion<'v> {
    let ods = view
        .practice
        .and_then(crate::fhir::resources::practitioner::ods_code)
        .unwrap_or(view.source.ods_code);
    let listed = &partner.select.practices;
    let known = listed.iter().any(|listed| listed == ods);
    Criterion {
        name: "practices",
        asks: Asks::Words(listed),
        // The code of a practice that nobody listed is what somebody wrote.
        saw: if known || ods == view.source.ods_code {
            Saw::Ods(ods)
        } else {
            Saw::Unlisted(1)
        },
        holds: yes_or_no(known),
        reason: Reason::Criteria,
    }
}

fn gender<'v>(view: &ReferralView<'v>, partner: &'v Partner) -> Criterion<'v> {
    let gender = view.patient.and_then(patient::gender);
    let listed = &partner.select.gender;
    Criterion {
        name: "gender",
        asks: Asks::Words(listed),
        saw: Saw::Code(anonymous_evidence::code(gender)),
        holds: gender.map_or(Holds::Unknown, |gender| {
            yes_or_no(listed.iter().any(|listed| listed == gender))
        }),
        reason: Reason::Criteria,
    }
}

fn consented<'v>(
    view: &ReferralView<'v>,
    consents: &[&Json<'_>],
    partner: &Partner,
) -> Criterion<'v> {
    let standing = consent_standing(consents, partner, view);
    let saw = deciding(consents, partner, view).map_or(Saw::Nothing, |consent| {
        let in_force = standing == ConsentStanding::Given;
        Saw::Consent(anonymous_evidence::consent(consent, in_force))
    });
    let required = partner.select.consent == ConsentRule::Required;
    let (holds, reason) = match standing {
        // The person can object to what rests on direct care too.
        ConsentStanding::Refused => (Holds::No, Reason::Consent),
        ConsentStanding::Unclear => (Holds::Unknown, Reason::ConsentMissing),
        ConsentStanding::RanOut | ConsentStanding::Missing if required => {
            (Holds::Unknown, Reason::ConsentMissing)
        }
        ConsentStanding::Given | ConsentStanding::RanOut | ConsentStanding::Missing => {
            (Holds::Yes, Reason::ConsentMissing)
        }
    };
    Criterion {
        name: "consent",
        asks: Asks::Said(if required {
            "consent that covers this partner"
        } else {
            "implied by direct care, and no refusal"
        }),
        saw,
        holds,
        reason,
    }
}

fn yes_or_no(holds: bool) -> Holds {
    if holds { Holds::Yes } else { Holds::No }
}
