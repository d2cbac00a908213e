//! The search parameters that the sandbox knows, as a table: what is not in it is not in the `CapabilityStatement` either.

use ParameterKind::{Date, Reference, Token};

/// How a parameter compares.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum ParameterKind {
    Token,
    Reference,
    Date,
}

/// Resource type, parameter, kind, and the elements it looks at. Every type also has `_id`, `_lastUpdated`, `identifier`.
pub(super) const PARAMETERS: &[(&str, &str, ParameterKind, &[&str])] = &[
    ("Consent", "category", Token, &["category"]),
    ("Consent", "date", Date, &["dateTime"]),
    ("Consent", "patient", Reference, &["patient"]),
    ("Consent", "status", Token, &["status"]),
    ("Observation", "based-on", Reference, &["basedOn"]),
    ("Observation", "category", Token, &["category"]),
    ("Observation", "code", Token, &["code"]),
    (
        "Observation",
        "date",
        Date,
        &["effectiveDateTime", "effectiveInstant"],
    ),
    ("Observation", "patient", Reference, &["subject"]),
    ("Observation", "performer", Reference, &["performer"]),
    ("Observation", "status", Token, &["status"]),
    ("Observation", "subject", Reference, &["subject"]),
    ("Patient", "active", Token, &["active"]),
    ("Patient", "birthdate", Date, &["birthDate"]),
    ("Patient", "gender", Token, &["gender"]),
    (
        "PractitionerRole",
        "organization",
        Reference,
        &["organization"],
    ),
    (
        "PractitionerRole",
        "practitioner",
        Reference,
        &["practitioner"],
    ),
    ("ServiceRequest", "authored", Date, &["authoredOn"]),
    ("ServiceRequest", "based-on", Reference, &["basedOn"]),
    ("ServiceRequest", "category", Token, &["category"]),
    ("ServiceRequest", "code", Token, &["code"]),
    ("ServiceRequest", "intent", Token, &["intent"]),
    ("ServiceRequest", "patient", Reference, &["subject"]),
    ("ServiceRequest", "performer", Reference, &["performer"]),
    ("ServiceRequest", "priority", Token, &["priority"]),
    ("ServiceRequest", "replaces", Reference, &["replaces"]),
    ("ServiceRequest", "requester", Reference, &["requester"]),
    ("ServiceRequest", "status", Token, &["status"]),
    ("ServiceRequest", "subject", Reference, &["subject"]),
    ("Task", "authored-on", Date, &["authoredOn"]),
    ("Task", "based-on", Reference, &["basedOn"]),
    ("Task", "business-status", Token, &["businessStatus"]),
    ("Task", "code", Token, &["code"]),
    ("Task", "focus", Reference, &["focus"]),
    ("Task", "owner", Reference, &["owner"]),
    ("Task", "patient", Reference, &["for"]),
    ("Task", "requester", Reference, &["requester"]),
    ("Task", "status", Token, &["status"]),
    ("Task", "subject", Reference, &["for"]),
];

/// How a parameter of a type compares, and what it looks at.
pub(super) fn parameter(
    resource_type: &str,
    name: &str,
) -> Option<(ParameterKind, &'static [&'static str])> {
    if name == "identifier" {
        return Some((Token, &["identifier"]));
    }
    PARAMETERS
        .iter()
        .find(|(of, called, _, _)| *of == resource_type && *called == name)
        .map(|(_, _, kind, elements)| (*kind, *elements))
}
