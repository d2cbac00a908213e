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
        let list = |groups: &[ElementParts]| {
            let parts = |(above, parts): &ElementParts| {
                let named = |part: &&str| format!("{above}.{part}");
                parts.iter().map(named).collect::<Vec<String>>()
            };
            sorted(groups.iter().flat_map(parts))
        };
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

/// An element, and those of its parts that are meant.
type ElementParts = (&'static str, &'static [&'static str]);

/// What is shown, and what only chooses.
type ElementLists = (&'static [ElementParts], &'static [ElementParts]);

/// The parts of a name that are written.
const NAME: &[&str] = &["prefix", "given", "family", "text"];
/// What says whether a name is the one in use.
const IN_USE: &[&str] = &["use", "period"];
/// What says which of several ways to reach somebody is meant.
const TELECOM: &[&str] = &["system", "use", "rank", "period"];
/// The words of a concept, from the best.
const CONCEPT: &[&str] = &["text", "coding.display", "coding.code"];
/// What says whose an identifier is.
const IDENTIFIER: &[&str] = &["system", "use"];
/// What says which address the person lives at; a box at a post office is told by its lines.
const ADDRESS_IN_USE: &[&str] = &["use", "type", "period", "line"];
const LINES_IN_USE: &[&str] = &["use", "type", "period"];
/// What says whose codes of a detail are activities.
const ACTIVITY_SYSTEM: &[ElementParts] = &[(
    "referral",
    &["orderDetail.coding.system", "code.coding.system"],
)];

fn lists(rule: Derivation) -> ElementLists {
    match rule {
        Derivation::None
        | Derivation::LegReference
        | Derivation::LegCheck
        | Derivation::LegAction
        | Derivation::LegChanged
        | Derivation::LegSequence
        | Derivation::LegStop => (&[], &[]),
        Derivation::RequestId => (&[("referral", &["id"])], &[]),
        Derivation::AuthoredOn => (&[("referral", &["authoredOn"])], &[]),
        Derivation::Priority => (&[("referral", &["priority"])], &[]),
        Derivation::Activity => (
            &[
                ("referral.orderDetail", CONCEPT),
                ("referral.code", CONCEPT),
            ],
            ACTIVITY_SYSTEM,
        ),
        Derivation::ActivityCode => (
            &[("referral", &["orderDetail.coding.code", "code.coding.code"])],
            ACTIVITY_SYSTEM,
        ),
        Derivation::Reason => (&[("referral.reasonCode", CONCEPT)], &[]),
        Derivation::ReasonCode => (&[("referral.reasonCode.coding", &["code"])], &[]),
        Derivation::Need => (
            &[("referral.reasonCode.coding", &["code"])],
            &[("referral.reasonCode.coding", &["system"])],
        ),
        Derivation::Note => (&[("referral.note", &["text"])], &[]),
        Derivation::RequesterName
        | Derivation::RequesterRole
        | Derivation::RequesterPhone
        | Derivation::PracticeName
        | Derivation::PracticeOdsCode
        | Derivation::PracticePhone
        | Derivation::PracticeSafeguardingPhone => of_referrer(rule),
        _ => of_person(rule),
    }
}

fn of_person(rule: Derivation) -> ElementLists {
    let name_in_use: &[ElementParts] = &[("patient.name", IN_USE)];
    let address_in_use: &[ElementParts] = &[("patient.address", ADDRESS_IN_USE)];
    let lines_in_use: &[ElementParts] = &[("patient.address", LINES_IN_USE)];
    match rule {
        Derivation::NhsNumber => (
            &[("patient.identifier", &["value"])],
            &[("patient.identifier", &["system", "use", "period"])],
        ),
        Derivation::Name => (&[("patient.name", NAME)], name_in_use),
        // A name of nothing but a title is no name: the other parts decide by being there.
        Derivation::Prefix => (
            &[("patient.name", &["prefix"])],
            &[(
                "patient.name",
                &["use", "period", "given", "family", "text"],
            )],
        ),
        // Of a name that is one text the parts are not known.
        Derivation::Family => (
            &[("patient.name", &["family"])],
            &[("patient.name", &["use", "period", "given", "text"])],
        ),
        Derivation::Given => (
            &[("patient.name", &["given"])],
            &[("patient.name", &["use", "period", "family", "text"])],
        ),
        Derivation::BirthDate | Derivation::AgeYears => (&[("patient", &["birthDate"])], &[]),
        Derivation::Gender => (&[("patient", &["gender"])], &[]),
        Derivation::Phone | Derivation::PhoneHome | Derivation::Email => (
            &[("patient.telecom", &["value"])],
            &[("patient.telecom", TELECOM)],
        ),
        Derivation::Address => (
            &[("patient.address", &["line", "city", "postalCode", "text"])],
            lines_in_use,
        ),
        Derivation::AddressLine(_) => (&[("patient.address", &["line"])], lines_in_use),
        Derivation::City => (&[("patient.address", &["city"])], address_in_use),
        Derivation::Postcode | Derivation::NoFixedAbode => {
            (&[("patient.address", &["postalCode"])], address_in_use)
        }
        Derivation::Language => (
            &[("patient.communication.language", CONCEPT)],
            &[("patient.communication", &["preferred"])],
        ),
        Derivation::InterpreterRequired => (
            &[("patient.extension", &["value", "extension.value"])],
            &[("patient.extension", &["url", "extension.url"])],
        ),
        Derivation::Ethnicity => (
            &[("patient.extension", &["value.coding.code"])],
            &[("patient.extension", &["url"])],
        ),
        Derivation::ContactName => (
            &[("patient.contact.name", NAME)],
            &[("patient.contact", &["period", "name.use", "name.period"])],
        ),
        Derivation::ContactPhone => (
            &[("patient.contact.telecom", &["value"])],
            &[
                ("patient.contact", &["period"]),
                ("patient.contact.telecom", TELECOM),
            ],
        ),
        Derivation::ContactRelationship => (
            &[("patient.contact.relationship", CONCEPT)],
            &[("patient.contact", &["period"])],
        ),
        _ => (&[], &[]),
    }
}

fn of_referrer(rule: Derivation) -> ElementLists {
    match rule {
        Derivation::RequesterName => (
            &[
                ("requester.name", NAME),
                ("role.practitioner", &["display"]),
                ("referral.requester", &["display"]),
            ],
            &[("requester.name", IN_USE)],
        ),
        Derivation::RequesterRole => (&[("role.code", CONCEPT)], &[]),
        Derivation::RequesterPhone => (
            &[
                ("requester.telecom", &["value"]),
                ("role.telecom", &["value"]),
            ],
            &[("requester.telecom", TELECOM), ("role.telecom", TELECOM)],
        ),
        Derivation::PracticeName => (&[("practice", &["name"]), ("source", &["name"])], &[]),
        Derivation::PracticeOdsCode => (
            &[
                ("practice.identifier", &["value"]),
                ("source", &["ods_code"]),
            ],
            &[("practice.identifier", IDENTIFIER)],
        ),
        Derivation::PracticePhone => (
            &[("practice.telecom", &["value"]), ("source", &["phone"])],
            &[("practice.telecom", TELECOM)],
        ),
        // What the config says of the practice is of no person.
        _ => (&[("source", &["safeguarding_phone"])], &[]),
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
