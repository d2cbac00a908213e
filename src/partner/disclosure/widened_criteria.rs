//! What a later version of a partner file asks less of whom the partner takes.
//!
//! Two versions come in; one [`Widening`] a gain goes out. Kept: what cannot be told to be narrower counts as wider.

use jiff::civil::Date;

use super::widening::later;
use super::{AgreementSection, Widening};
use crate::partner::agreement::{
    ConsentRule, Criteria, NoPostcode, Partner, PartnerKind, PostcodeArea, UrgentRule,
};

/// What `[select]` asks less, and what `[partner]` says of whom the partner takes.
pub(super) fn select(before: &Partner, after: &Partner) -> Vec<Widening> {
    let mut found = Vec::new();
    let mut add = |key: &str, what: Option<String>| {
        found.extend(what.map(|what| Widening::new(AgreementSection::Select, key, what)));
    };
    let (old, new) = (&before.select, &after.select);
    add(
        "identifier",
        (before.identifier != after.identifier)
            .then(|| "referrals and consents that name another identifier are taken".to_owned()),
    );
    let becomes_link_worker = before.kind != after.kind && after.kind == PartnerKind::LinkWorker;
    add(
        "kind",
        becomes_link_worker.then(|| "referrals that name nobody are taken".to_owned()),
    );
    add(
        "classes",
        grown(&before.classes, &after.classes)
            .map(|classes| format!("consents that name {classes} are taken too")),
    );
    add(
        "children",
        (after.children && !before.children).then(|| "people under 18 are taken".to_owned()),
    );
    add(
        "enabled",
        (new.enabled && !old.enabled).then(|| "nobody was sent, people are now".to_owned()),
    );
    add("activities", fewer_asked(&old.activities, &new.activities));
    add("needs", needs(old, new));
    add("age_years", ages(old, new));
    let areas = |areas: &[PostcodeArea]| areas.iter().map(PostcodeArea::text).collect::<Vec<_>>();
    let covered: Vec<String> = new
        .postcodes
        .iter()
        .filter(|area| old.postcodes.iter().any(|known| area.within(known)))
        .map(PostcodeArea::text)
        .chain(areas(&old.postcodes))
        .collect();
    add("postcodes", fewer_asked(&covered, &areas(&new.postcodes)));
    let ignored = old.no_postcode == NoPostcode::Hold
        && new.no_postcode == NoPostcode::Ignore
        && !old.postcodes.is_empty();
    add(
        "no_postcode",
        ignored.then(|| "people without a postcode were held, they are sent now".to_owned()),
    );
    add("practices", fewer_asked(&old.practices, &new.practices));
    add("gender", fewer_asked(&old.gender, &new.gender));
    for (key, what) in rest(old, new) {
        add(key, what);
    }
    found
}

/// Consent, days, places and urgency.
fn rest(old: &Criteria, new: &Criteria) -> [(&'static str, Option<String>); 5] {
    let implied = old.consent == ConsentRule::Required && new.consent == ConsentRule::Implied;
    let days = |earlier: bool, key: &str, before: Option<Date>, after: Option<Date>| {
        let day =
            |day: Option<Date>| day.map_or_else(|| "any day".to_owned(), |day| day.to_string());
        earlier.then(|| format!("{key} was {}, it is {} now", day(before), day(after)))
    };
    let starts_earlier = match (old.starts_on, new.starts_on) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => after < before,
    };
    let places = match (old.open_legs_max, new.open_legs_max) {
        (Some(before), None) => Some(format!("{before} people at a time, now any number")),
        (Some(before), Some(after)) if after > before => {
            Some(format!("{before} people at a time, now {after}"))
        }
        _ => None,
    };
    let urgent = old.urgent == UrgentRule::Hold && new.urgent == UrgentRule::SendAndTell;
    [
        (
            "consent",
            implied.then(|| "a recorded consent was required, it is implied now".to_owned()),
        ),
        (
            "starts_on",
            days(
                starts_earlier,
                "the first day",
                old.starts_on,
                new.starts_on,
            ),
        ),
        (
            "ends_on",
            days(
                later(old.ends_on, new.ends_on),
                "the last day",
                old.ends_on,
                new.ends_on,
            ),
        ),
        ("open_legs_max", places),
        (
            "urgent",
            urgent.then(|| "urgent referrals were held, they are sent now".to_owned()),
        ),
    ]
}

/// Entries that are new, as one text.
fn grown(before: &[String], after: &[String]) -> Option<String> {
    let new: Vec<&str> = after
        .iter()
        .filter(|entry| !before.contains(entry))
        .map(String::as_str)
        .collect();
    (!new.is_empty()).then(|| new.join(", "))
}

/// A list of which one must apply; an empty one asks nothing.
fn fewer_asked(before: &[String], after: &[String]) -> Option<String> {
    if before.is_empty() {
        return None;
    }
    if after.is_empty() {
        return Some("is asked for no longer".to_owned());
    }
    grown(before, after).map(|new| format!("{new} is taken too"))
}

/// A need counts by itself only where no activity is asked for, unless the source says `by_need`.
fn needs(old: &Criteria, new: &Criteria) -> Option<String> {
    let hidden = !old.needs.is_empty()
        && !new.needs.is_empty()
        && old.activities.is_empty()
        && !new.activities.is_empty();
    if hidden {
        let what = "is asked for no longer where an activity decides";
        return Some(what.to_owned());
    }
    fewer_asked(&old.needs, &new.needs)
}

fn ages(old: &Criteria, new: &Criteria) -> Option<String> {
    let before = old.age_years?;
    let Some(after) = new.age_years else {
        return Some("is asked for no longer".to_owned());
    };
    let years = |bound: Option<u32>| bound.map_or_else(|| "any".to_owned(), |age| age.to_string());
    let lower = before
        .min
        .filter(|min| after.min.is_none_or(|now| now < *min));
    let higher = before
        .max
        .filter(|max| after.max.is_none_or(|now| now > *max));
    match (lower, higher) {
        (None, None) => None,
        (Some(min), None) => Some(format!("from {min}, now from {}", years(after.min))),
        (None, Some(max)) => Some(format!("to {max}, now to {}", years(after.max))),
        (Some(min), Some(max)) => Some(format!(
            "{min} to {max}, now {} to {}",
            years(after.min),
            years(after.max)
        )),
    }
}
