//! Which of two versions of a resource is the newer, and whether two resources that bear one name can be one at all.
//!
//! In: two resources. Out: an order, or that nobody can say. Kept: `meta.versionId` and `meta.lastUpdated` decide, never the
//! place in a file; where the two contradict one another, nothing decides.

use std::cmp::Ordering;

use super::bundle::content;
use super::patient;
use super::reference::text_of;
use super::resource::{last_updated, resource_type, version_id};
use crate::domain::Instant;
use crate::json::{Arena, Json, items};

/// How old the first is beside the second, by what their `meta` says; `None` where that decides nothing.
pub(crate) fn age_order(one: &Json<'_>, other: &Json<'_>) -> Option<Ordering> {
    let number = |resource| version_id(resource)?.parse::<u64>().ok();
    let by_version = number(one)
        .zip(number(other))
        .map(|(one, other)| one.cmp(&other));
    let by_date = last_updated(one)
        .zip(last_updated(other))
        .and_then(|(one, other)| date_order(one, other));
    match (by_date, by_version) {
        (Some(Ordering::Equal) | None, found) if found.is_some() => found,
        (found, None | Some(Ordering::Equal)) => found,
        (date, version) if date == version => date,
        // The version that was written later has the smaller number: a clock or a number is wrong.
        _ => None,
    }
}

/// Whether the second of two versions of one resource is the one that stands; `None` where nobody can say.
pub(crate) fn newer(known: &[u8], found: &[u8]) -> Option<bool> {
    let (arena, other_arena) = (Arena::default(), Arena::default());
    let Ok(found_tree) = Json::parse(found, &other_arena) else {
        return Some(false);
    };
    let Ok(known_tree) = Json::parse(known, &arena) else {
        return Some(true);
    };
    match age_order(&known_tree, &found_tree) {
        Some(Ordering::Less) => Some(true),
        Some(Ordering::Greater) => Some(false),
        _ => (content(known) == content(found)).then_some(false),
    }
}

/// The order of two instants as written.
pub(crate) fn date_order(one: &str, other: &str) -> Option<Ordering> {
    match (Instant::parse(one), Instant::parse(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        // Dates without a time, written alike, have the order of their digits.
        (None, None) if one.len() == other.len() => Some(one.cmp(other)),
        _ => None,
    }
}

/// Whether [`plainly_others`] says so of the texts of two resources; what cannot be read is like nothing else.
pub(crate) fn apart(one: &[u8], other: &[u8]) -> bool {
    let (arena, other_arena) = (Arena::default(), Arena::default());
    match (Json::parse(one, &arena), Json::parse(other, &other_arena)) {
        (Ok(one), Ok(other)) => plainly_others(&one, &other),
        _ => true,
    }
}

/// Whether two resources of one type that bear one name are plainly not about the same: people by their NHS numbers,
/// everything else by its identifiers, else by names and birth dates; roles and consents by whom they name.
pub(crate) fn plainly_others(one: &Json<'_>, other: &Json<'_>) -> bool {
    if resource_type(one) != resource_type(other) {
        return true;
    }
    let numbers = |resource| {
        if resource_type(resource) == Some("Patient") {
            let numbers = patient::every_nhs_number(resource).into_iter();
            numbers.map(|number| digits_of(&number)).collect()
        } else {
            Vec::new()
        }
    };
    let (ones, others): (Vec<String>, Vec<String>) = (numbers(one), numbers(other));
    if !ones.is_empty() && !others.is_empty() {
        return ones.iter().all(|number| !others.contains(number));
    }
    let named = ["practitioner", "organization", "patient", "subject"];
    if named
        .into_iter()
        .any(|name| unlike(one, other, name, reference_of))
    {
        return true;
    }
    let (ones, others) = (identifiers(one), identifiers(other));
    if !ones.is_empty() && !others.is_empty() {
        return ones.iter().all(|value| !others.contains(value));
    }
    unlike(one, other, "birthDate", |value| value.as_str())
        || unlike(one, other, "name", name_of)
        || unlike(one, other, "name", given_of)
}

fn digits_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Whether both say something of a member, and not the same.
fn unlike<'t, 'a>(
    one: &'t Json<'a>,
    other: &'t Json<'a>,
    name: &str,
    of: impl Fn(&'t Json<'a>) -> Option<&'t str>,
) -> bool {
    let said = |resource: &'t Json<'a>| of(resource.get(name)?);
    matches!((said(one), said(other)), (Some(one), Some(other)) if one != other)
}

fn reference_of<'t>(element: &'t Json<'_>) -> Option<&'t str> {
    text_of(element, "reference")
}

/// The family name of a person, or the name of anything else.
fn name_of<'t>(name: &'t Json<'_>) -> Option<&'t str> {
    match name.as_str() {
        Some(text) => Some(text),
        None => items(Some(name))
            .iter()
            .find_map(|name| text_of(name, "family").or_else(|| text_of(name, "text"))),
    }
}

/// The first given name of a person.
fn given_of<'t>(name: &'t Json<'_>) -> Option<&'t str> {
    items(Some(name))
        .iter()
        .find_map(|name| items(name.get("given")).first()?.as_str())
}

fn identifiers<'t>(resource: &'t Json<'_>) -> Vec<(Option<&'t str>, &'t str)> {
    items(resource.get("identifier"))
        .iter()
        .filter_map(|element| Some((text_of(element, "system"), text_of(element, "value")?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_version_is_told_by_date_and_number_and_by_no_other_thing() {
        let order = |one: &str, other: &str| {
            let of = |meta: &str| format!(r#"{{"meta":{{{meta}}}}}"#);
            let (one, other) = (of(one), of(other));
            age_order(&Json::of(&one), &Json::of(&other))
        };
        let (first, second) = (
            r#""lastUpdated":"2026-11-20T10:00:00+01:00""#,
            r#""lastUpdated":"2026-11-20T09:30:00Z""#,
        );
        assert_eq!(order(first, second), Some(Ordering::Less));
        assert_eq!(order(second, first), Some(Ordering::Greater));
        assert_eq!(order(first, first), Some(Ordering::Equal));
        assert_eq!(
            order(r#""versionId":"9""#, r#""versionId":"10""#),
            Some(Ordering::Less)
        );
        assert_eq!(order(r#""versionId":"a""#, r#""versionId":"b""#), None);
        assert_eq!(order("", first), None);
        assert_eq!(order("", ""), None);
        let (old_two, new_one) = (
            format!(r#"{first},"versionId":"2""#),
            format!(r#"{second},"versionId":"1""#),
        );
        assert_eq!(order(&old_two, &new_one), None, "date and number disagree");
    }

    #[test]
    fn of_two_versions_the_newer_stands_if_somebody_can_say_which_that_is() {
        let of = |version: &str, name: &str| {
            format!(r#"{{"meta":{{"versionId":"{version}"}},"name":[{{"family":"{name}"}}]}}"#)
        };
        let newer = |one: &str, other: &str| newer(one.as_bytes(), other.as_bytes());
        assert_eq!(newer(&of("1", "A"), &of("2", "B")), Some(true));
        assert_eq!(newer(&of("2", "B"), &of("1", "A")), Some(false));
        let plain = |more: &str| format!(r#"{{"name":[{{"family":"A"}}]{more}}}"#);
        assert_eq!(newer(&plain(""), &plain("")), Some(false));
        assert_eq!(newer(&plain(""), &plain(r#","active":true"#)), None);
        assert_eq!(newer(&plain(""), "{"), Some(false));
        assert_eq!(newer("{", &plain("")), Some(true));
    }

    #[test]
    fn two_people_under_one_name_are_seen_and_one_who_changed_is_not() {
        let number = |value: &str| {
            format!(
                r#""resourceType":"Patient","identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{value}"}}]"#
            )
        };
        for (one, other, apart) in [
            (number("9000000076"), number("9000000149"), true),
            (
                number("9000000076"),
                number("9000000076") + r#","birthDate":"1950""#,
                false,
            ),
            (
                number("9000000076"),
                r#""resourceType":"Patient","name":[{"family":"A"}]"#.to_owned(),
                false,
            ),
            (
                r#""name":[{"family":"A"}]"#.to_owned(),
                r#""name":[{"family":"B"}]"#.to_owned(),
                true,
            ),
            (
                r#""birthDate":"1950-01-01","name":[{"family":"A","given":["Una"]}]"#.to_owned(),
                r#""birthDate":"1950-01-01","name":[{"family":"A","given":["Ben"]}]"#.to_owned(),
                true,
            ),
            (
                r#""name":[{"family":"A","given":["Una","May"]}]"#.to_owned(),
                r#""name":[{"family":"A","given":["Una"]}]"#.to_owned(),
                false,
            ),
            (
                r#""name":"North""#.to_owned(),
                r#""name":"South""#.to_owned(),
                true,
            ),
            (
                r#""practitioner":{"reference":"Practitioner/1"}"#.to_owned(),
                r#""practitioner":{"reference":"Practitioner/2"}"#.to_owned(),
                true,
            ),
            (
                r#""identifier":[{"value":"1"}],"name":"North""#.to_owned(),
                r#""identifier":[{"value":"1"}],"name":"South""#.to_owned(),
                false,
            ),
            (
                r#""resourceType":"Patient""#.to_owned(),
                r#""resourceType":"Consent""#.to_owned(),
                true,
            ),
        ] {
            let (one, other) = (format!("{{{one}}}"), format!("{{{other}}}"));
            assert_eq!(
                plainly_others(&Json::of(&one), &Json::of(&other)),
                apart,
                "{one} {other}"
            );
        }
    }
}
