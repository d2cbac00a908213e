//! What a later version of a partner file allows beyond an earlier one: element by element, criterion by criterion.
//!
//! Two checked versions come in, each with the field list that it was read with; one [`Widening`] a gain goes out. Invariant:
//! what cannot be decided to be narrower counts as wider. Texts are never compared: what a version can show, whom it takes
//! and which columns it reads are, so that a comment, a header, an order or a format changes nothing.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::widened_criteria::select;
use crate::partner::agreement::{ColumnSource, Partner, Rules};
use crate::partner::fields::{Elements, Field, FieldClass, FieldSet, below};

/// A version of a partner file, in the rules that it was read with.
#[derive(Clone, Copy)]
pub(crate) struct AgreementVersion<'v> {
    pub(crate) rules: &'v Rules,
    pub(crate) partner: &'v Partner,
}

/// Where a version is wider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgreementSection {
    Share,
    Select,
    Deliver,
}

impl AgreementSection {
    /// The section's name in the partner file.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Select => "select",
            Self::Deliver => "deliver",
        }
    }
}

/// One thing that the later version allows and the earlier one did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Widening {
    pub(crate) section: AgreementSection,
    /// The key, or the header of the column.
    pub(crate) key: String,
    /// In plain words.
    pub(crate) what: String,
    /// Elements of the record that it can show.
    pub(crate) elements: Vec<String>,
}

impl Widening {
    /// A gain that shows no element of its own.
    pub(crate) fn new(section: AgreementSection, key: &str, what: impl Into<String>) -> Self {
        Self {
            section,
            key: key.to_owned(),
            what: what.into(),
            elements: Vec::new(),
        }
    }

    /// `[share] fields: patient.email is new; it shows patient.telecom.value`.
    pub(crate) fn text(&self) -> String {
        let (section, key, what) = (self.section.code(), &self.key, &self.what);
        let shows = match self.elements.as_slice() {
            [] => String::new(),
            elements => format!("; it shows {}", elements.join(", ")),
        };
        format!("[{section}] {key}: {what}{shows}")
    }
}

/// Everything that `after` allows beyond `before`; empty if it is the same or narrower.
pub(crate) fn widenings(
    before: AgreementVersion<'_>,
    after: AgreementVersion<'_>,
) -> Vec<Widening> {
    let mut found = share(before, after);
    found.extend(select(before.partner, after.partner));
    found.extend(columns(before, after));
    found
}

/// What `[share]` gains: fields, elements, and days.
fn share(before: AgreementVersion<'_>, after: AgreementVersion<'_>) -> Vec<Widening> {
    let (old, new) = (&before.partner.share, &after.partner.share);
    let allows = |entries: &[String], field: &Field| {
        let ours = field.class == FieldClass::Leg;
        !ours && entries.iter().any(|entry| field.covered_by(entry))
    };
    let had: Vec<&Field> = before
        .rules
        .vocabulary
        .fields
        .iter()
        .filter(|field| allows(&old.fields, field))
        .collect();
    let gains: Vec<(&Field, Widening)> = after
        .rules
        .vocabulary
        .fields
        .iter()
        .filter(|field| allows(&new.fields, field))
        .filter_map(|field| {
            Some((
                field,
                gained(field, &had, AgreementSection::Share, "fields")?,
            ))
        })
        .collect();
    // The parts of a whole that is named are not named again.
    let part = |field: &Field| gains.iter().any(|(whole, _)| field.part_of(whole));
    let mut found: Vec<Widening> = gains
        .iter()
        .filter(|(field, _)| !part(field))
        .map(|(_, wider)| wider.clone())
        .collect();
    let element_entries = |entries: &'_ [String], fields: &FieldSet| -> Vec<String> {
        let elements = entries.iter().filter(|entry| !fields.shareable(entry));
        elements.map(|entry| plain(entry)).collect()
    };
    let had = element_entries(&old.fields, &before.rules.vocabulary.fields);
    for element in element_entries(&new.fields, &after.rules.vocabulary.fields) {
        if !had.iter().any(|above| below(&element, above)) {
            found.push(Widening {
                elements: vec![element.clone()],
                ..Widening::new(
                    AgreementSection::Share,
                    "fields",
                    format!("{element} is new"),
                )
            });
        }
    }
    if later(old.expires_on, new.expires_on) {
        let what = format!(
            "the agreement ended {}, it ends {} now",
            ending(old.expires_on),
            ending(new.expires_on)
        );
        found.push(Widening::new(AgreementSection::Share, "expires_on", what));
    }
    found
}

/// As elements are named everywhere: the request is called `referral`.
fn plain(entry: &str) -> String {
    entry
        .strip_prefix("request.")
        .map_or_else(|| entry.to_owned(), |rest| format!("referral.{rest}"))
}

/// What a field shows that none of these did; `None` if one of them showed as much.
fn gained(field: &Field, had: &[&Field], section: AgreementSection, key: &str) -> Option<Widening> {
    let known = had.iter().find(|known| known.name == field.name);
    let elements =
        |field: &Field| -> BTreeSet<String> { field.elements.all().map(str::to_owned).collect() };
    let name = &field.name;
    let what = match known {
        Some(known) if field.same_rule(known) && elements(field).is_subset(&elements(known)) => {
            return None;
        }
        Some(_) => format!("{name} is found in another way than before"),
        None if had.iter().any(|whole| field.part_of(whole)) => return None,
        None => format!("{name} is new"),
    };
    Some(Widening {
        elements: field.elements.shows.clone(),
        ..Widening::new(section, key, what)
    })
}

fn ending(day: Option<Date>) -> String {
    day.map_or_else(|| "never".to_owned(), |day| format!("on {day}"))
}

/// Whether a last day was moved out, or taken away.
pub(super) fn later(before: Option<Date>, after: Option<Date>) -> bool {
    match (before, after) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => after > before,
    }
}

/// What `[deliver]` reads more: columns by what they read, not by header, order or format.
fn columns(before: AgreementVersion<'_>, after: AgreementVersion<'_>) -> Vec<Widening> {
    let old = &before.partner.deliver.columns;
    let fields: Vec<&Field> = old
        .iter()
        .filter_map(|column| Some(before.rules.vocabulary.fields.field(column.field()?)))
        .collect();
    let mut found = Vec::new();
    for column in &after.partner.deliver.columns {
        let header = format!("column \"{}\"", column.header);
        match &column.source {
            ColumnSource::Text(_) => {}
            ColumnSource::Field(id) => {
                let field = after.rules.vocabulary.fields.field(*id);
                if field.class != FieldClass::Leg {
                    found.extend(gained(field, &fields, AgreementSection::Deliver, &header));
                }
            }
            ColumnSource::Path(path) => {
                // Two expressions may read the same elements and show different ones of them.
                let same = old.iter().any(|known| match &known.source {
                    ColumnSource::Path(known) => known.same_as(path),
                    _ => false,
                });
                if !same {
                    let what = "no column had this expression";
                    let reads = Elements::of_expression(path);
                    found.push(Widening {
                        elements: reads.map(|reads| reads.shows).unwrap_or_default(),
                        ..Widening::new(AgreementSection::Deliver, &header, what)
                    });
                }
            }
        }
    }
    found
}

#[cfg(test)]
#[path = "widening_tests.rs"]
mod tests;
