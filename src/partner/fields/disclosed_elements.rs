//! Which elements of the record each rule of a field can show in a cell, and which only decide what it shows.
//!
//! A [`Derivation`] comes in, names such as `patient.telecom.value` go out. Invariant: what a rule reads is written here and
//! nowhere else, so the disclosure check and `kith check` cannot say different things; `tests/suite/disclosure.rs` holds
//! every list against cells made from planted records.

use super::Derivation;
use crate::fhirpath::{Expression, Read, Reads, Root};

/// The elements that a cell can hold something of, and those that only choose among them; each sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elements {
    pub(crate) shows: Vec<String>,
    pub(crate) chosen_by: Vec<String>,
}

impl Elements {
    /// Both kinds.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.shows.iter().chain(&self.chosen_by).map(String::as_str)
    }

    /// What an expression could read; without data it cannot be told which part of it only decides.
    ///
    /// # Errors
    /// Why it cannot be decided.
    pub(crate) fn of_expression(expression: &Expression) -> Result<Self, &'static str> {
        match expression.reads() {
            Reads::Paths(reads) => Ok(Self {
                shows: sorted(reads.iter().map(element)),
                chosen_by: Vec::new(),
            }),
            Reads::Unbounded { why } => Err(why),
        }
    }

    /// What a rule reads.
    pub(crate) fn of_rule(rule: Derivation) -> Self {
        let (shows, chosen_by) = lists(rule);
        let list = |names: &[&str]| sorted(names.iter().map(|name| (*name).to_owned()));
        Self {
            shows: list(shows),
            chosen_by: list(chosen_by),
        }
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// `patient.extension`: where a path starts and the names it goes through. The request is called `referral`, as in the
/// names of fields.
fn element(read: &Read) -> String {
    let root = match &read.root {
        Root::Focus => "referral",
        Root::Variable(name) if name == "request" => "referral",
        Root::Variable(name) => name,
    };
    let mut element = root.to_owned();
    for name in &read.path {
        element.push('.');
        element.push_str(name);
    }
    element
}

/// Whether an element is another one or lies below it. A whole resource is never one element.
pub(crate) fn below(element: &str, above: &str) -> bool {
    let above = above
        .strip_prefix("request.")
        .map_or(above.to_owned(), |rest| format!("referral.{rest}"));
    if !above.contains('.') {
        return false;
    }
    element
        .strip_prefix(&above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

type ElementLists = (&'static [&'static str], &'static [&'static str]);

fn lists(rule: Derivation) -> ElementLists {
    match rule {
        Derivation::None
        | Derivation::LegReference
        | Derivation::LegCheck
        | Derivation::LegAction
        | Derivation::LegChanged
        | Derivation::LegSequence
        | Derivation::LegStop => (&[], &[]),
        Derivation::RequestId => (&["referral.id"], &[]),
        Derivation::AuthoredOn => (&["referral.authoredOn"], &[]),
        Derivation::Priority => (&["referral.priority"], &[]),
        Derivation::Activity
        | Derivation::ActivityCode
        | Derivation::Reason
        | Derivation::ReasonCode
        | Derivation::Need
        | Derivation::Note => of_request(rule),
        Derivation::RequesterName
        | Derivation::RequesterRole
        | Derivation::RequesterPhone
        | Derivation::PracticeName
        | Derivation::PracticeOdsCode
        | Derivation::PracticePhone
        | Derivation::PracticeSafeguardingPhone => of_referrer(rule),
        Derivation::Phone | Derivation::PhoneHome | Derivation::Email => {
            (&["patient.telecom.value"], PATIENT_TELECOM)
        }
        Derivation::Address
        | Derivation::AddressLine(_)
        | Derivation::City
        | Derivation::Postcode
        | Derivation::NoFixedAbode => of_address(rule),
        Derivation::ContactName | Derivation::ContactPhone | Derivation::ContactRelationship => {
            of_contact(rule)
        }
        _ => of_person(rule),
    }
}

const PATIENT_TELECOM: &[&str] = &[
    "patient.telecom.system",
    "patient.telecom.use",
    "patient.telecom.rank",
    "patient.telecom.period",
];

fn of_person(rule: Derivation) -> ElementLists {
    match rule {
        Derivation::NhsNumber => (
            &["patient.identifier.value"],
            &["patient.identifier.system", "patient.identifier.use"],
        ),
        Derivation::Name => (
            &[
                "patient.name.prefix",
                "patient.name.given",
                "patient.name.family",
                "patient.name.text",
            ],
            &["patient.name.use", "patient.name.period"],
        ),
        // A name of nothing but a title is no name: the other parts decide by being there.
        Derivation::Prefix => (
            &["patient.name.prefix"],
            &[
                "patient.name.use",
                "patient.name.period",
                "patient.name.given",
                "patient.name.family",
                "patient.name.text",
            ],
        ),
        Derivation::Family => (
            &["patient.name.family"],
            &["patient.name.use", "patient.name.period"],
        ),
        Derivation::Given => (
            &["patient.name.given"],
            &[
                "patient.name.use",
                "patient.name.period",
                "patient.name.family",
            ],
        ),
        Derivation::BirthDate | Derivation::AgeYears => (&["patient.birthDate"], &[]),
        Derivation::Gender => (&["patient.gender"], &[]),
        Derivation::Language => (
            &[
                "patient.communication.language.text",
                "patient.communication.language.coding.display",
                "patient.communication.language.coding.code",
            ],
            &["patient.communication.preferred"],
        ),
        Derivation::InterpreterRequired => (
            &[
                "patient.extension.value",
                "patient.extension.extension.value",
            ],
            &["patient.extension.url", "patient.extension.extension.url"],
        ),
        Derivation::Ethnicity => (
            &["patient.extension.value.coding.code"],
            &["patient.extension.url"],
        ),
        _ => (&[], &[]),
    }
}

fn of_address(rule: Derivation) -> ElementLists {
    let shows: &[&str] = match rule {
        Derivation::Address => &[
            "patient.address.line",
            "patient.address.city",
            "patient.address.postalCode",
            "patient.address.text",
        ],
        Derivation::AddressLine(_) => &["patient.address.line"],
        Derivation::City => &["patient.address.city"],
        _ => &["patient.address.postalCode"],
    };
    (shows, &["patient.address.use", "patient.address.period"])
}

fn of_contact(rule: Derivation) -> ElementLists {
    match rule {
        Derivation::ContactName => (
            &[
                "patient.contact.name.prefix",
                "patient.contact.name.given",
                "patient.contact.name.family",
                "patient.contact.name.text",
            ],
            &[
                "patient.contact.period",
                "patient.contact.name.use",
                "patient.contact.name.period",
            ],
        ),
        Derivation::ContactPhone => (
            &["patient.contact.telecom.value"],
            &[
                "patient.contact.period",
                "patient.contact.telecom.system",
                "patient.contact.telecom.use",
                "patient.contact.telecom.rank",
                "patient.contact.telecom.period",
            ],
        ),
        _ => (
            &[
                "patient.contact.relationship.text",
                "patient.contact.relationship.coding.display",
                "patient.contact.relationship.coding.code",
            ],
            &["patient.contact.period"],
        ),
    }
}

fn of_request(rule: Derivation) -> ElementLists {
    match rule {
        Derivation::Activity => (
            &[
                "referral.orderDetail.text",
                "referral.orderDetail.coding.display",
                "referral.orderDetail.coding.code",
                "referral.code.text",
                "referral.code.coding.display",
                "referral.code.coding.code",
            ],
            &[
                "referral.orderDetail.coding.system",
                "referral.code.coding.system",
            ],
        ),
        Derivation::ActivityCode => (
            &[
                "referral.orderDetail.coding.code",
                "referral.code.coding.code",
            ],
            &[
                "referral.orderDetail.coding.system",
                "referral.code.coding.system",
            ],
        ),
        Derivation::Reason => (
            &[
                "referral.reasonCode.text",
                "referral.reasonCode.coding.display",
                "referral.reasonCode.coding.code",
            ],
            &[],
        ),
        Derivation::ReasonCode => (&["referral.reasonCode.coding.code"], &[]),
        Derivation::Need => (
            &["referral.reasonCode.coding.code"],
            &["referral.reasonCode.coding.system"],
        ),
        _ => (&["referral.note.text"], &[]),
    }
}

fn of_referrer(rule: Derivation) -> ElementLists {
    match rule {
        Derivation::RequesterName => (
            &[
                "requester.name.prefix",
                "requester.name.given",
                "requester.name.family",
                "requester.name.text",
                "role.practitioner.display",
                "referral.requester.display",
            ],
            &["requester.name.use", "requester.name.period"],
        ),
        Derivation::RequesterRole => (
            &[
                "role.code.text",
                "role.code.coding.display",
                "role.code.coding.code",
            ],
            &[],
        ),
        Derivation::RequesterPhone => (
            &["requester.telecom.value", "role.telecom.value"],
            &[
                "requester.telecom.system",
                "requester.telecom.use",
                "requester.telecom.rank",
                "requester.telecom.period",
                "role.telecom.system",
                "role.telecom.use",
                "role.telecom.rank",
                "role.telecom.period",
            ],
        ),
        Derivation::PracticeName => (&["practice.name", "source.name"], &[]),
        Derivation::PracticeOdsCode => (
            &["practice.identifier.value", "source.ods_code"],
            &["practice.identifier.system", "practice.identifier.use"],
        ),
        Derivation::PracticePhone => (
            &["practice.telecom.value", "source.phone"],
            &[
                "practice.telecom.system",
                "practice.telecom.use",
                "practice.telecom.rank",
                "practice.telecom.period",
            ],
        ),
        // What the config says of the practice is of no person.
        _ => (&["source.safeguarding_phone"], &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_means_the_element_or_a_part_of_it() {
        let table = [
            ("patient.extension", "patient.extension", true),
            ("patient.extension.value", "patient.extension", true),
            ("patient.extensions", "patient.extension", false),
            ("patient", "patient.extension", false),
            ("patient.name", "patient", false),
            ("patient.name", "patient.", false),
            ("patient.name", "patient.*", false),
            ("patient.name", "patient.name ", false),
            ("patient.name", "Patient.name", false),
            ("referral.note", "referral.note", true),
            ("referral.note", "request.note", true),
            ("requester.name", "patient.name", false),
        ];
        for (element, above, expected) in table {
            assert_eq!(below(element, above), expected, "{element} {above}");
        }
    }

    #[test]
    fn every_rule_of_the_record_reads_something() {
        for (word, rule) in Derivation::WORDS {
            let elements = Elements::of_rule(rule);
            let ours = word == "none" || word.starts_with("leg-");
            assert_eq!(elements.shows.is_empty(), ours, "{word}");
        }
    }
}
