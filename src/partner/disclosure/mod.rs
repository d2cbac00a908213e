//! What a partner can ever see: the elements behind each column, each criterion and the file's name.
//!
//! A checked [`Partner`] and the field list come in; one [`Disclosure`] a part goes out, found from the rules alone. Invariant:
//! nothing that reaches a drop comes from an element that is not named here; `kith check` prints this, and the disclosure
//! test holds it against rows.

mod needed_members;
mod widened_criteria;
mod widening;

pub(crate) use needed_members::NeededMembers;
pub(crate) use widening::{AgreementSection, AgreementVersion, Widening, widenings};

use std::collections::BTreeSet;

use super::agreement::{CRITERIA, ColumnSource, Criteria, DropColumn, Partner};
use super::fields::{Elements, FieldClass, FieldSet, below};

/// A part of a partner file through which something can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DisclosingPart {
    Column,
    /// Holds for every row that goes out.
    Criterion,
    FileName,
}

impl DisclosingPart {
    /// The word in print.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Column => "column",
            Self::Criterion => "criterion",
            Self::FileName => "file name",
        }
    }
}

/// What one part shows.
#[derive(Debug)]
pub(crate) struct Disclosure<'p> {
    pub(crate) part: DisclosingPart,
    /// The header, the key, or the pattern of the file name.
    pub(crate) name: &'p str,
    /// The field's name, if the part has one.
    pub(crate) field: Option<&'p str>,
    pub(crate) class: FieldClass,
    /// The entry of `[share]` that allows it; what is ours needs none.
    pub(crate) share: Option<&'p str>,
    pub(crate) elements: Elements,
}

/// Everything a partner can ever see, in the order of its file: columns, criteria, file name.
pub(crate) fn disclosures<'p>(partner: &'p Partner, fields: &'p FieldSet) -> Vec<Disclosure<'p>> {
    let mut parts: Vec<Disclosure<'p>> = partner
        .deliver
        .columns
        .iter()
        .map(|column| of_column(column, partner, fields))
        .collect();
    parts.extend(criteria(partner, fields));
    parts.push(Disclosure {
        part: DisclosingPart::FileName,
        name: &partner.deliver.file,
        field: None,
        // Its placeholders are dates, numbers and the partner's own id (PTR-012).
        class: FieldClass::Leg,
        share: None,
        elements: Elements::default(),
    });
    parts
}

/// Every element of the parts, those that only choose included.
pub(crate) fn disclosed_elements<'s>(parts: &'s [Disclosure<'_>]) -> BTreeSet<&'s str> {
    parts.iter().flat_map(|part| part.elements.all()).collect()
}

fn of_column<'p>(
    column: &'p DropColumn,
    partner: &'p Partner,
    fields: &'p FieldSet,
) -> Disclosure<'p> {
    let shared = &partner.share.fields;
    let (field, class, share, elements) = match &column.source {
        ColumnSource::Field(id) => {
            let field = fields.field(*id);
            let ours = field.class == FieldClass::Leg;
            let share = shared
                .iter()
                .find(|entry| !ours && field.covered_by(entry))
                .map(String::as_str);
            let name = Some(field.name.as_str());
            (name, field.class, share, field.elements.clone())
        }
        ColumnSource::Path(expression) => {
            // What cannot be decided did not pass the check.
            let elements = Elements::of_expression(expression).unwrap_or_default();
            // An element without a name in the field list is treated as the most guarded kind.
            let share = shared
                .iter()
                .find(|entry| elements.all().all(|element| below(element, entry)))
                .map(String::as_str);
            (None, FieldClass::Special, share, elements)
        }
        ColumnSource::Text(_) => (None, FieldClass::Leg, None, Elements::default()),
    };
    Disclosure {
        part: DisclosingPart::Column,
        name: &column.header,
        field,
        class,
        share,
        elements,
    }
}

/// The criteria in force; a list that is empty asks nothing and tells nothing.
fn criteria<'p>(partner: &'p Partner, fields: &'p FieldSet) -> Vec<Disclosure<'p>> {
    let select: &Criteria = &partner.select;
    let asked = [
        !select.activities.is_empty(),
        !select.needs.is_empty(),
        select.age_years.is_some(),
        !select.postcodes.is_empty(),
        !select.gender.is_empty(),
        !select.practices.is_empty(),
    ];
    let mut found = Vec::new();
    for ((key, names, rule), _) in CRITERIA.iter().zip(asked).filter(|(_, asked)| *asked) {
        let known = || names.iter().filter_map(|name| fields.get(name));
        let share = partner
            .share
            .fields
            .iter()
            .find(|entry| known().any(|field| field.covered_by(entry)));
        let field = known().next();
        found.push(Disclosure {
            part: DisclosingPart::Criterion,
            name: key,
            field: field.map(|field| field.name.as_str()),
            class: field.map_or(FieldClass::Special, |field| field.class),
            share: share.map(String::as_str),
            elements: Elements::of_rule(*rule),
        });
    }
    found
}
