//! The type names that an expression may use: those of FHIR R4, and the `System` types that values have.

use super::model::{TypeId, model};

/// A type as an expression names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TypeName {
    Fhir(TypeId),
    /// `Boolean`, `String` and so on: what literals and computed values are, and elements are not.
    System(&'static str),
}

pub(super) const SYSTEM: [&str; 8] = [
    "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity",
];

/// Looks a type name up: in a name space if one is written, else FHIR's before `System`'s.
pub(super) fn find_type(space: Option<&str>, written: &str) -> Option<TypeName> {
    let fhir = || model().find(written).map(TypeName::Fhir);
    let system = || {
        let known = SYSTEM.iter().find(|known| **known == written);
        known.map(|known| TypeName::System(known))
    };
    match space {
        None => fhir().or_else(system),
        Some("FHIR") => fhir(),
        Some("System") => system(),
        Some(_) => None,
    }
}
