//! A partner's referral criteria against one referral: each with its verdict, never with the person's value.

use jiff::civil::Date;

use super::consent::covers;
use crate::domain::Reason;
use crate::fhir::patient;
use crate::partner::derive::{Age, NO_FIXED_ABODE, activity_code, age_on, needs as need_words};
use crate::partner::model::{ConsentRule, NoPostcode, PostcodeArea};
use crate::partner::{Partner, View};
use crate::path::Json;

/// Whether a criterion holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Yes,
    No,
    /// The referral lacks the value.
    Unknown,
}

/// One criterion and its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Criterion {
    /// The key of the partner file.
    pub(crate) name: &'static str,
    /// What it asks, as the agreement says it.
    pub(crate) asks: String,
    pub(crate) holds: Holds,
    /// Why a referral that fails is held.
    pub(crate) reason: Reason,
}

/// Every criterion of a partner for a referral, in a fixed order.
pub(crate) fn criteria(
    view: &View<'_>,
    consent: Option<&Json<'_>>,
    partner: &Partner,
    by_need: bool,
) -> Vec<Criterion> {
    let select = &partner.select;
    let mut found = vec![children(view, partner)];
    if !select.activities.is_empty() {
        found.push(activity(view, partner));
    }
    if !select.needs.is_empty() && (by_need || select.activities.is_empty()) {
        let needs = need_words(view);
        let holds = if needs.is_empty() {
            Holds::Unknown
        } else {
            yes_or_no(
                needs
                    .iter()
                    .any(|need| select.needs.iter().any(|listed| listed == need)),
            )
        };
        found.push(Criterion {
            name: "needs",
            asks: select.needs.join(", "),
            holds,
            reason: Reason::Criteria,
        });
    }
    if let Some(ages) = select.age_years {
        found.push(age(view, ages.min, ages.max));
    }
    if !select.postcodes.is_empty() {
        found.push(area(view, partner));
    }
    if !select.practices.is_empty() {
        let ods = view
            .practice
            .and_then(crate::fhir::people::ods_code)
            .unwrap_or(view.source.ods_code);
        let holds = yes_or_no(select.practices.iter().any(|listed| listed == ods));
        found.push(Criterion {
            name: "practices",
            asks: select.practices.join(", "),
            holds,
            reason: Reason::Criteria,
        });
    }
    if !select.gender.is_empty() {
        let gender = view.patient.and_then(patient::gender);
        let holds = gender.map_or(Holds::Unknown, |gender| {
            yes_or_no(select.gender.iter().any(|listed| listed == gender))
        });
        found.push(Criterion {
            name: "gender",
            asks: select.gender.join(", "),
            holds,
            reason: Reason::Criteria,
        });
    }
    if select.starts_on.is_some() || select.ends_on.is_some() {
        let open = select.starts_on.is_none_or(|day| day <= view.today)
            && select.ends_on.is_none_or(|day| view.today <= day);
        found.push(Criterion {
            name: "open",
            asks: span(select.starts_on, select.ends_on),
            holds: yes_or_no(open),
            reason: Reason::Criteria,
        });
    }
    found.push(consented(view, consent, partner));
    found
}

fn activity(view: &View<'_>, partner: &Partner) -> Criterion {
    let holds = match activity_code(view) {
        None => Holds::Unknown,
        Some(code) => yes_or_no(
            partner
                .select
                .activities
                .iter()
                .any(|listed| listed == code),
        ),
    };
    Criterion {
        name: "activities",
        asks: partner.select.activities.join(", "),
        holds,
        reason: Reason::Criteria,
    }
}

/// Under 18, or of unknown age: only where the partner takes children (`safety.md` §5).
fn children(view: &View<'_>, partner: &Partner) -> Criterion {
    let asks = if partner.children {
        "any age"
    } else {
        "18 or over"
    };
    let holds = match person_age(view) {
        _ if partner.children => Holds::Yes,
        Age::Years(years) | Age::Between(years, _) => yes_or_no(years >= 18),
        Age::Unknown => Holds::Unknown,
    };
    Criterion {
        name: "children",
        asks: asks.to_owned(),
        holds,
        reason: Reason::Child,
    }
}

/// With a partial birth date both ends must agree.
fn age(view: &View<'_>, min: Option<u32>, max: Option<u32>) -> Criterion {
    let within =
        |years: u32| min.is_none_or(|min| years >= min) && max.is_none_or(|max| years <= max);
    let holds = match person_age(view) {
        Age::Years(years) => yes_or_no(within(years)),
        Age::Between(low, high) if within(low) && within(high) => Holds::Yes,
        Age::Between(low, high) if !within(low) && !within(high) => Holds::No,
        Age::Between(..) | Age::Unknown => Holds::Unknown,
    };
    let asks = match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("{min} or over"),
        (None, Some(max)) => format!("{max} or under"),
        (None, None) => "any age".to_owned(),
    };
    Criterion {
        name: "age_years",
        asks,
        holds,
        reason: Reason::Criteria,
    }
}

fn person_age(view: &View<'_>) -> Age {
    age_on(view.patient.and_then(patient::birth_date), view.today)
}

fn area(view: &View<'_>, partner: &Partner) -> Criterion {
    let postcode = view
        .patient
        .and_then(|person| patient::address(person, view.today))
        .and_then(|address| address.postcode);
    let (holds, reason) = match postcode.filter(|postcode| postcode != NO_FIXED_ABODE) {
        Some(postcode) => (
            yes_or_no(
                partner
                    .select
                    .postcodes
                    .iter()
                    .any(|area| area.covers(&postcode)),
            ),
            Reason::Area,
        ),
        None if partner.select.no_postcode == NoPostcode::Ignore => {
            (Holds::Yes, Reason::NoPostcode)
        }
        None => (Holds::Unknown, Reason::NoPostcode),
    };
    let asks: Vec<String> = partner
        .select
        .postcodes
        .iter()
        .map(PostcodeArea::text)
        .collect();
    Criterion {
        name: "postcodes",
        asks: asks.join(", "),
        holds,
        reason,
    }
}

fn consented(view: &View<'_>, consent: Option<&Json<'_>>, partner: &Partner) -> Criterion {
    let (asks, holds) = match partner.select.consent {
        ConsentRule::Implied => ("implied by direct care".to_owned(), Holds::Yes),
        ConsentRule::Required => {
            let holds = consent.map_or(Holds::Unknown, |consent| {
                yes_or_no(covers(consent, partner, view))
            });
            ("consent that covers this partner".to_owned(), holds)
        }
    };
    Criterion {
        name: "consent",
        asks,
        holds,
        reason: Reason::Consent,
    }
}

fn span(starts: Option<Date>, ends: Option<Date>) -> String {
    let day = |day: Option<Date>| day.map_or_else(|| "…".to_owned(), |day| day.to_string());
    format!("{} to {}", day(starts), day(ends))
}

fn yes_or_no(holds: bool) -> Holds {
    if holds { Holds::Yes } else { Holds::No }
}
