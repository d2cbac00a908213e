//! The search parameters that the sandbox knows, as a table: what is not in it is not in the `CapabilityStatement` either.

/// How a parameter compares.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    Token,
    Reference,
    Date,
}

/// Resource type, parameter, kind, and the elements it looks at. Every type also has `_id`, `_lastUpdated`, `identifier`.
pub(super) const PARAMETERS: &[(&str, &str, Kind, &[&str])] = &[
    ("Consent", "category", Kind::Token, &["category"]),
    ("Consent", "date", Kind::Date, &["dateTime"]),
    ("Consent", "patient", Kind::Reference, &["patient"]),
    ("Consent", "status", Kind::Token, &["status"]),
    ("Observation", "based-on", Kind::Reference, &["basedOn"]),
    ("Observation", "category", Kind::Token, &["category"]),
    ("Observation", "code", Kind::Token, &["code"]),
    (
        "Observation",
        "date",
        Kind::Date,
        &["effectiveDateTime", "effectiveInstant"],
    ),
    ("Observation", "patient", Kind::Reference, &["subject"]),
    ("Observation", "performer", Kind::Reference, &["performer"]),
    ("Observation", "status", Kind::Token, &["status"]),
    ("Observation", "subject", Kind::Reference, &["subject"]),
    ("Patient", "active", Kind::Token, &["active"]),
    ("Patient", "birthdate", Kind::Date, &["birthDate"]),
    ("Patient", "gender", Kind::Token, &["gender"]),
    (
        "PractitionerRole",
        "organization",
        Kind::Reference,
        &["organization"],
    ),
    (
        "PractitionerRole",
        "practitioner",
        Kind::Reference,
        &["practitioner"],
    ),
    ("ServiceRequest", "authored", Kind::Date, &["authoredOn"]),
    ("ServiceRequest", "based-on", Kind::Reference, &["basedOn"]),
    ("ServiceRequest", "category", Kind::Token, &["category"]),
    ("ServiceRequest", "code", Kind::Token, &["code"]),
    ("ServiceRequest", "intent", Kind::Token, &["intent"]),
    ("ServiceRequest", "patient", Kind::Reference, &["subject"]),
    (
        "ServiceRequest",
        "performer",
        Kind::Reference,
        &["performer"],
    ),
    ("ServiceRequest", "priority", Kind::Token, &["priority"]),
    ("ServiceRequest", "replaces", Kind::Reference, &["replaces"]),
    (
        "ServiceRequest",
        "requester",
        Kind::Reference,
        &["requester"],
    ),
    ("ServiceRequest", "status", Kind::Token, &["status"]),
    ("ServiceRequest", "subject", Kind::Reference, &["subject"]),
    ("Task", "authored-on", Kind::Date, &["authoredOn"]),
    ("Task", "based-on", Kind::Reference, &["basedOn"]),
    ("Task", "business-status", Kind::Token, &["businessStatus"]),
    ("Task", "code", Kind::Token, &["code"]),
    ("Task", "focus", Kind::Reference, &["focus"]),
    ("Task", "owner", Kind::Reference, &["owner"]),
    ("Task", "patient", Kind::Reference, &["for"]),
    ("Task", "requester", Kind::Reference, &["requester"]),
    ("Task", "status", Kind::Token, &["status"]),
    ("Task", "subject", Kind::Reference, &["for"]),
];

/// How a parameter of a type compares, and what it looks at.
pub(super) fn parameter(
    resource_type: &str,
    name: &str,
) -> Option<(Kind, &'static [&'static str])> {
    if name == "identifier" {
        return Some((Kind::Token, &["identifier"]));
    }
    PARAMETERS
        .iter()
        .find(|(of, called, _, _)| *of == resource_type && *called == name)
        .map(|(_, _, kind, elements)| (*kind, *elements))
}
