//! What a later version of a partner file allows beyond an earlier one: element by element, criterion by criterion.
//!
//! Two checked versions come in, each with the field list that it was read with; one [`Wider`] a gain goes out. Invariant:
//! what cannot be decided to be narrower counts as wider. Texts are never compared: what a version can show, whom it takes
//! and which columns it reads are, so that a comment, a header, an order or a format changes nothing.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::elements::below;
use super::fields::{Field, FieldClass, FieldSet};
use super::load::Rules;
use super::model::{
    ColumnSource, ConsentRule, NoPostcode, Partner, PartnerKind, PostcodeArea, Select, UrgentRule,
};

/// A version of a partner file, in the rules that it was read with.
#[derive(Clone, Copy)]
pub(crate) struct Version<'v> {
    pub(crate) rules: &'v Rules,
    pub(crate) partner: &'v Partner,
}

/// Where a version is wider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Share,
    Select,
    Deliver,
}

impl Section {
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
pub(crate) struct Wider {
    pub(crate) section: Section,
    /// The key, or the header of the column.
    pub(crate) key: String,
    /// In plain words.
    pub(crate) what: String,
    /// Elements of the record that it can show.
    pub(crate) elements: Vec<String>,
}

impl Wider {
    /// A gain that shows no element of its own.
    pub(crate) fn new(section: Section, key: &str, what: impl Into<String>) -> Self {
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
pub(crate) fn wider(before: Version<'_>, after: Version<'_>) -> Vec<Wider> {
    let mut found = share(before, after);
    found.extend(select(before.partner, after.partner));
    found.extend(columns(before, after));
    found
}

/// What `[share]` gains: fields, elements, and days.
fn share(before: Version<'_>, after: Version<'_>) -> Vec<Wider> {
    let (old, new) = (&before.partner.share, &after.partner.share);
    let allows = |entries: &[String], field: &Field| {
        let ours = field.class == FieldClass::Leg;
        !ours && entries.iter().any(|entry| field.covered_by(entry))
    };
    let had: Vec<&Field> = before
        .rules
        .fields
        .iter()
        .filter(|field| allows(&old.fields, field))
        .collect();
    let gains: Vec<(&Field, Wider)> = after
        .rules
        .fields
        .iter()
        .filter(|field| allows(&new.fields, field))
        .filter_map(|field| Some((field, gained(field, &had, Section::Share, "fields")?)))
        .collect();
    // The parts of a whole that is named are not named again.
    let part = |field: &Field| gains.iter().any(|(whole, _)| field.part_of(whole));
    let mut found: Vec<Wider> = gains
        .iter()
        .filter(|(field, _)| !part(field))
        .map(|(_, wider)| wider.clone())
        .collect();
    let element_entries = |entries: &'_ [String], fields: &FieldSet| -> Vec<String> {
        let elements = entries.iter().filter(|entry| !fields.shareable(entry));
        elements.map(|entry| plain(entry)).collect()
    };
    let had = element_entries(&old.fields, &before.rules.fields);
    for element in element_entries(&new.fields, &after.rules.fields) {
        if !had.iter().any(|above| below(&element, above)) {
            found.push(Wider {
                elements: vec![element.clone()],
                ..Wider::new(Section::Share, "fields", format!("{element} is new"))
            });
        }
    }
    if later(old.expires_on, new.expires_on) {
        let what = format!(
            "the agreement ended {}, it ends {} now",
            ending(old.expires_on),
            ending(new.expires_on)
        );
        found.push(Wider::new(Section::Share, "expires_on", what));
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
fn gained(field: &Field, had: &[&Field], section: Section, key: &str) -> Option<Wider> {
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
    Some(Wider {
        elements: field.elements.shows.clone(),
        ..Wider::new(section, key, what)
    })
}

fn ending(day: Option<Date>) -> String {
    day.map_or_else(|| "never".to_owned(), |day| format!("on {day}"))
}

/// Whether a last day was moved out, or taken away.
fn later(before: Option<Date>, after: Option<Date>) -> bool {
    match (before, after) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => after > before,
    }
}

/// What `[deliver]` reads more: columns by what they read, not by header, order or format.
fn columns(before: Version<'_>, after: Version<'_>) -> Vec<Wider> {
    let old = &before.partner.deliver.columns;
    let fields: Vec<&Field> = old
        .iter()
        .filter_map(|column| Some(before.rules.fields.field(column.field()?)))
        .collect();
    let mut found = Vec::new();
    for column in &after.partner.deliver.columns {
        let header = format!("column \"{}\"", column.header);
        match &column.source {
            ColumnSource::Text(_) => {}
            ColumnSource::Field(id) => {
                let field = after.rules.fields.field(*id);
                if field.class != FieldClass::Leg {
                    found.extend(gained(field, &fields, Section::Deliver, &header));
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
                    let reads = super::elements::Elements::of_expression(path);
                    found.push(Wider {
                        elements: reads.map(|reads| reads.shows).unwrap_or_default(),
                        ..Wider::new(Section::Deliver, &header, what)
                    });
                }
            }
        }
    }
    found
}

/// What `[select]` asks less, and what `[partner]` says of whom the partner takes.
fn select(before: &Partner, after: &Partner) -> Vec<Wider> {
    let mut found = Vec::new();
    let mut add = |key: &str, what: Option<String>| {
        found.extend(what.map(|what| Wider::new(Section::Select, key, what)));
    };
    let (old, new) = (&before.select, &after.select);
    add(
        "identifier",
        (before.identifier != after.identifier)
            .then(|| "referrals and consents that name another identifier are taken".to_owned()),
    );
    let becomes_link_worker = before.kind != after.kind && after.kind == PartnerKind::LinkWorker;
    add(
        "kind",
        becomes_link_worker.then(|| "referrals that name nobody are taken".to_owned()),
    );
    add(
        "classes",
        grown(&before.classes, &after.classes)
            .map(|classes| format!("consents that name {classes} are taken too")),
    );
    add(
        "children",
        (after.children && !before.children).then(|| "people under 18 are taken".to_owned()),
    );
    add(
        "enabled",
        (new.enabled && !old.enabled).then(|| "nobody was sent, people are now".to_owned()),
    );
    add("activities", fewer_asked(&old.activities, &new.activities));
    add("needs", needs(old, new));
    add("age_years", ages(old, new));
    let areas = |areas: &[PostcodeArea]| areas.iter().map(PostcodeArea::text).collect::<Vec<_>>();
    let covered: Vec<String> = new
        .postcodes
        .iter()
        .filter(|area| old.postcodes.iter().any(|known| area.within(known)))
        .map(PostcodeArea::text)
        .chain(areas(&old.postcodes))
        .collect();
    add("postcodes", fewer_asked(&covered, &areas(&new.postcodes)));
    let ignored = old.no_postcode == NoPostcode::Hold
        && new.no_postcode == NoPostcode::Ignore
        && !old.postcodes.is_empty();
    add(
        "no_postcode",
        ignored.then(|| "people without a postcode were held, they are sent now".to_owned()),
    );
    add("practices", fewer_asked(&old.practices, &new.practices));
    add("gender", fewer_asked(&old.gender, &new.gender));
    for (key, what) in rest(old, new) {
        add(key, what);
    }
    found
}

/// Consent, days, places and urgency.
fn rest(old: &Select, new: &Select) -> [(&'static str, Option<String>); 5] {
    let implied = old.consent == ConsentRule::Required && new.consent == ConsentRule::Implied;
    let days = |earlier: bool, key: &str, before: Option<Date>, after: Option<Date>| {
        let day =
            |day: Option<Date>| day.map_or_else(|| "any day".to_owned(), |day| day.to_string());
        earlier.then(|| format!("{key} was {}, it is {} now", day(before), day(after)))
    };
    let starts_earlier = match (old.starts_on, new.starts_on) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => after < before,
    };
    let places = match (old.open_legs_max, new.open_legs_max) {
        (Some(before), None) => Some(format!("{before} people at a time, now any number")),
        (Some(before), Some(after)) if after > before => {
            Some(format!("{before} people at a time, now {after}"))
        }
        _ => None,
    };
    let urgent = old.urgent == UrgentRule::Hold && new.urgent == UrgentRule::SendAndTell;
    [
        (
            "consent",
            implied.then(|| "a recorded consent was required, it is implied now".to_owned()),
        ),
        (
            "starts_on",
            days(
                starts_earlier,
                "the first day",
                old.starts_on,
                new.starts_on,
            ),
        ),
        (
            "ends_on",
            days(
                later(old.ends_on, new.ends_on),
                "the last day",
                old.ends_on,
                new.ends_on,
            ),
        ),
        ("open_legs_max", places),
        (
            "urgent",
            urgent.then(|| "urgent referrals were held, they are sent now".to_owned()),
        ),
    ]
}

/// Entries that are new, as one text.
fn grown(before: &[String], after: &[String]) -> Option<String> {
    let new: Vec<&str> = after
        .iter()
        .filter(|entry| !before.contains(entry))
        .map(String::as_str)
        .collect();
    (!new.is_empty()).then(|| new.join(", "))
}

/// A list of which one must apply; an empty one asks nothing.
fn fewer_asked(before: &[String], after: &[String]) -> Option<String> {
    if before.is_empty() {
        return None;
    }
    if after.is_empty() {
        return Some("is asked for no longer".to_owned());
    }
    grown(before, after).map(|new| format!("{new} is taken too"))
}

/// A need counts by itself only where no activity is asked for, unless the source says `by_need`.
fn needs(old: &Select, new: &Select) -> Option<String> {
    let hidden = !old.needs.is_empty()
        && !new.needs.is_empty()
        && old.activities.is_empty()
        && !new.activities.is_empty();
    if hidden {
        let what = "is asked for no longer where an activity decides";
        return Some(what.to_owned());
    }
    fewer_asked(&old.needs, &new.needs)
}

fn ages(old: &Select, new: &Select) -> Option<String> {
    let before = old.age_years?;
    let Some(after) = new.age_years else {
        return Some("is asked for no longer".to_owned());
    };
    let years = |bound: Option<u32>| bound.map_or_else(|| "any".to_owned(), |age| age.to_string());
    let lower = before
        .min
        .filter(|min| after.min.is_none_or(|now| now < *min));
    let higher = before
        .max
        .filter(|max| after.max.is_none_or(|now| now > *max));
    match (lower, higher) {
        (None, None) => None,
        (Some(min), None) => Some(format!("from {min}, now from {}", years(after.min))),
        (None, Some(max)) => Some(format!("to {max}, now to {}", years(after.max))),
        (Some(min), Some(max)) => Some(format!(
            "{min} to {max}, now {} to {}",
            years(after.min),
            years(after.max)
        )),
    }
}

#[cfg(test)]
#[path = "wider_tests.rs"]
mod tests;
