//! The search parameters that the sandbox knows, as a table: what is not in it is not in the `CapabilityStatement` either.

/// How a parameter compares.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum ParameterKind {
    Token,
    Reference,
    Date,
}

/// Resource type, parameter, kind, and the elements it looks at. Every type also has `_id`, `_lastUpdated`, `identifier`.
pub(super) const PARAMETERS: &[(&str, &str, ParameterKind, &[&str])] = &[
    ("Consent", "category", ParameterKind::Token, &["category"]),
    ("Consent", "date", ParameterKind::Date, &["dateTime"]),
    ("Consent", "patient", ParameterKind::Reference, &["patient"]),
    ("Consent", "status", ParameterKind::Token, &["status"]),
    (
        "Observation",
        "based-on",
        ParameterKind::Reference,
        &["basedOn"],
    ),
    (
        "Observation",
        "category",
        ParameterKind::Token,
        &["category"],
    ),
    ("Observation", "code", ParameterKind::Token, &["code"]),
    (
        "Observation",
        "date",
        ParameterKind::Date,
        &["effectiveDateTime", "effectiveInstant"],
    ),
    (
        "Observation",
        "patient",
        ParameterKind::Reference,
        &["subject"],
    ),
    (
        "Observation",
        "performer",
        ParameterKind::Reference,
        &["performer"],
    ),
    ("Observation", "status", ParameterKind::Token, &["status"]),
    (
        "Observation",
        "subject",
        ParameterKind::Reference,
        &["subject"],
    ),
    ("Patient", "active", ParameterKind::Token, &["active"]),
    ("Patient", "birthdate", ParameterKind::Date, &["birthDate"]),
    ("Patient", "gender", ParameterKind::Token, &["gender"]),
    (
        "PractitionerRole",
        "organization",
        ParameterKind::Reference,
        &["organization"],
    ),
    (
        "PractitionerRole",
        "practitioner",
        ParameterKind::Reference,
        &["practitioner"],
    ),
    (
        "ServiceRequest",
        "authored",
        ParameterKind::Date,
        &["authoredOn"],
    ),
    (
        "ServiceRequest",
        "based-on",
        ParameterKind::Reference,
        &["basedOn"],
    ),
    (
        "ServiceRequest",
        "category",
        ParameterKind::Token,
        &["category"],
    ),
    ("ServiceRequest", "code", ParameterKind::Token, &["code"]),
    (
        "ServiceRequest",
        "intent",
        ParameterKind::Token,
        &["intent"],
    ),
    (
        "ServiceRequest",
        "patient",
        ParameterKind::Reference,
        &["subject"],
    ),
    (
        "ServiceRequest",
        "performer",
        ParameterKind::Reference,
        &["performer"],
    ),
    (
        "ServiceRequest",
        "priority",
        ParameterKind::Token,
        &["priority"],
    ),
    (
        "ServiceRequest",
        "replaces",
        ParameterKind::Reference,
        &["replaces"],
    ),
    (
        "ServiceRequest",
        "requester",
        ParameterKind::Reference,
        &["requester"],
    ),
    (
        "ServiceRequest",
        "status",
        ParameterKind::Token,
        &["status"],
    ),
    (
        "ServiceRequest",
        "subject",
        ParameterKind::Reference,
        &["subject"],
    ),
    ("Task", "authored-on", ParameterKind::Date, &["authoredOn"]),
    ("Task", "based-on", ParameterKind::Reference, &["basedOn"]),
    (
        "Task",
        "business-status",
        ParameterKind::Token,
        &["businessStatus"],
    ),
    ("Task", "code", ParameterKind::Token, &["code"]),
    ("Task", "focus", ParameterKind::Reference, &["focus"]),
    ("Task", "owner", ParameterKind::Reference, &["owner"]),
    ("Task", "patient", ParameterKind::Reference, &["for"]),
    (
        "Task",
        "requester",
        ParameterKind::Reference,
        &["requester"],
    ),
    ("Task", "status", ParameterKind::Token, &["status"]),
    ("Task", "subject", ParameterKind::Reference, &["for"]),
];

/// How a parameter of a type compares, and what it looks at.
pub(super) fn parameter(
    resource_type: &str,
    name: &str,
) -> Option<(ParameterKind, &'static [&'static str])> {
    if name == "identifier" {
        return Some((ParameterKind::Token, &["identifier"]));
    }
    PARAMETERS
        .iter()
        .find(|(of, called, _, _)| *of == resource_type && *called == name)
        .map(|(_, _, kind, elements)| (*kind, *elements))
}
