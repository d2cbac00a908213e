//! The NHS number of a FHIR R4 `Patient`: its one form, its system however written, and how far it was verified.
//!
//! In come the resource's tree and today; out come numbers without spaces and dashes, and a status as two digits. Kept: a number
//! that is marked old or whose period is over is not the person's, and a status that cannot be read is not *verified*.
//!
//! # Source
//! UK Core `UKCore-Patient` 2.6.1, its extension and its two code systems of the verification status; `CareConnect` before it.

use std::borrow::Cow;

use jiff::civil::Date;

use super::patient::covers;
use super::reference::{is_system, text_of};
use crate::domain::nhs_number::between_groups;
use crate::json::{Json, items};

/// The system of NHS numbers.
pub(crate) const NHS_NUMBER_SYSTEM: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// What the addresses of the extension have in common, in small letters.
const VERIFICATION_STATUS: &str = "nhsnumberverificationstatus";
/// *Number present and verified*.
const VERIFIED: &str = "01";
/// The words of the older UK Core code system, as the two digits of the England and Wales ones.
const VERIFICATION_WORDS: [(&str, &str); 8] = [
    ("number-present-and-verified", "01"),
    ("number-present-but-not-traced", "02"),
    ("trace-required", "03"),
    ("trace-attempted", "04"),
    ("trace-needs-to-be-resolved", "05"),
    ("trace-in-progress", "06"),
    ("number-not-present-and-trace-not-required", "07"),
    ("trace-postponed", "08"),
];

/// Whether an identifier of this system is an NHS number.
pub(crate) fn is_nhs_number_system(system: &str) -> bool {
    is_system(system, NHS_NUMBER_SYSTEM)
}

/// The one form of an NHS number, checked or not: without the spaces and dashes between its groups.
pub(crate) fn normal_nhs_number(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !between_groups(*c)).collect())
}

/// The NHS number in its one form, unchecked; not one that is marked old or whose period is over.
pub(crate) fn nhs_number<'t>(patient: &'t Json<'_>, today: Date) -> Option<Cow<'t, str>> {
    nhs_numbers(patient, today).into_iter().next()
}

/// Every different NHS number a Patient bears today, in its one form: more than one is a question for the practice.
pub(crate) fn nhs_numbers<'t>(patient: &'t Json<'_>, today: Date) -> Vec<Cow<'t, str>> {
    different(current_nhs_numbers(patient, today))
}

/// Every NHS number that is not marked old, whatever the day: by these a record is found.
pub(crate) fn every_nhs_number<'t>(patient: &'t Json<'_>) -> Vec<Cow<'t, str>> {
    nhs_numbers_of(patient.get("identifier"))
}

/// The same of the value of `Patient.identifier` alone.
pub(crate) fn nhs_numbers_of<'t>(identifiers: Option<&'t Json<'_>>) -> Vec<Cow<'t, str>> {
    different(nhs_numbers_among(identifiers))
}

fn different<'t, 'a: 't>(identifiers: impl Iterator<Item = &'t Json<'a>>) -> Vec<Cow<'t, str>> {
    let mut numbers: Vec<Cow<'t, str>> = Vec::new();
    for identifier in identifiers {
        if let Some(number) = text_of(identifier, "value").map(normal_nhs_number)
            && !numbers.contains(&number)
        {
            numbers.push(number);
        }
    }
    numbers
}

fn current_nhs_numbers<'t, 'a>(
    patient: &'t Json<'a>,
    today: Date,
) -> impl Iterator<Item = &'t Json<'a>> {
    nhs_numbers_among(patient.get("identifier"))
        .filter(move |identifier| covers(identifier.get("period"), today))
}

fn nhs_numbers_among<'t, 'a>(
    identifiers: Option<&'t Json<'a>>,
) -> impl Iterator<Item = &'t Json<'a>> {
    items(identifiers).iter().filter(|identifier| {
        text_of(identifier, "system").is_some_and(is_nhs_number_system)
            && text_of(identifier, "use") != Some("old")
    })
}

/// The verification status of the NHS number as two digits; a code of no code system that we know comes as written, and
/// `unreadable` stands for a status without any. Of several the first that is not *verified*: in doubt nothing goes out.
///
/// The extension is known by the end of its address: UK Core, `CareConnect` and the addresses before them end alike.
pub(crate) fn verification_status(patient: &Json<'_>, today: Date) -> Option<String> {
    let named = |extension: &&Json<'_>| {
        text_of(extension, "url")
            .is_some_and(|url| url.to_ascii_lowercase().contains(VERIFICATION_STATUS))
    };
    let mut found: Option<String> = None;
    let numbers = current_nhs_numbers(patient, today);
    for status in numbers
        .flat_map(|number| items(number.get("extension")))
        .chain(items(patient.get("extension")))
        .filter(named)
        .flat_map(statuses)
    {
        if found.as_deref().is_none_or(|found| found == VERIFIED) {
            found = Some(status);
        }
    }
    found
}

/// What one extension says of a number.
fn statuses(extension: &Json<'_>) -> Vec<String> {
    let concept = extension.get("valueCodeableConcept");
    let codings = items(concept.and_then(|concept| concept.get("coding")))
        .iter()
        .chain(extension.get("valueCoding"));
    let mut said: Vec<&str> = codings
        .filter_map(|coding| text_of(coding, "code"))
        .chain(text_of(extension, "valueCode"))
        .chain(text_of(extension, "valueString"))
        .collect();
    if said.is_empty() {
        said.push("unreadable");
    }
    let digits = |said: &str| {
        VERIFICATION_WORDS
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(said))
            .map_or(said, |(_, digits)| digits)
            .to_owned()
    };
    said.into_iter().map(digits).collect()
}
