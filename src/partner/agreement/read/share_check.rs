//! The disclosure check: holds every column, criterion and expression of a partner file against its `[share]`.
//!
//! The file alone decides; no data is looked at. Invariant: what passes can read nothing that `[share] fields` does not
//! name, and what cannot be decided does not pass.

use crate::diagnostics::{Code, Place};
use crate::fhirpath::Expression;
use crate::partner::fields::{Elements, FieldClass, FieldId, FieldSet, below};
use crate::toml_reader::{At, Problems};

/// The share list of a partner while its file is read.
pub(crate) struct ShareCheck<'c> {
    fields: &'c FieldSet,
    /// Absent where the file has no list: that is one problem, not one a column.
    entries: Option<&'c [At<String>]>,
    problems: &'c Problems,
}

impl<'c> ShareCheck<'c> {
    /// A check against these entries.
    pub(crate) fn new(
        fields: &'c FieldSet,
        entries: Option<&'c [At<String>]>,
        problems: &'c Problems,
    ) -> Self {
        Self {
            fields,
            entries,
            problems,
        }
    }

    fn names(&self, named: impl Fn(&str) -> bool) -> bool {
        self.entries
            .is_none_or(|entries| entries.iter().any(|entry| named(&entry.value)))
    }

    /// Holds a column's field against the list.
    pub(crate) fn column(&self, header: &str, field: FieldId, place: &Place) {
        let field = self.fields.field(field);
        // What is ours needs no entry, nor a list.
        if field.class != FieldClass::Leg && !self.names(|entry| field.covered_by(entry)) {
            let what = format!(
                "column \"{header}\" reads {}, which [share] does not name",
                field.name
            );
            self.problems.add(Code::ShareViolation, what, place);
        }
    }

    /// Holds a criterion against the list: one of these fields must be shared.
    pub(crate) fn criterion(&self, key: &str, names: &[&str], place: &Place) {
        let shared = names
            .iter()
            .filter_map(|name| self.fields.get(name))
            .any(|field| self.names(|entry| field.covered_by(entry)));
        if !shared {
            let name = names.first().copied().unwrap_or_default();
            let what = format!("criterion {key} reads {name}, which [share] does not name");
            self.problems.add(Code::ShareViolation, what, place);
        }
    }

    /// Holds an expression against its own share entry, and that entry against the list.
    pub(crate) fn expression(
        &self,
        header: &str,
        expression: &Expression,
        share: &At<&str>,
        place: &Place,
    ) {
        if !self.names(|entry| entry == share.value) {
            let what = format!(
                "column \"{header}\" needs {}, which [share] does not name",
                share.value
            );
            self.problems.add(Code::ShareViolation, what, &share.place);
            return;
        }
        if self.fields.shareable(share.value) {
            let what = format!(
                "column \"{header}\" shares an element by a field's name, {}",
                share.value
            );
            self.problems.add(Code::SharedByField, what, &share.place);
        }
        let elements = match Elements::of_expression(expression) {
            Ok(elements) => elements,
            Err(why) => {
                let what = format!("what column \"{header}\" reads cannot be decided: {why}");
                self.problems.add(Code::ShareUndecidable, what, place);
                return;
            }
        };
        let outside = elements.all().find(|element| !below(element, share.value));
        if let Some(element) = outside {
            let what = format!(
                "column \"{header}\" reads {element}, which is not below {}",
                share.value
            );
            self.problems.add(Code::ShareViolation, what, place);
        } else if expression.finds_parts_only() {
            let what = format!(
                "column \"{header}\" finds an element that has parts, and a cell holds one value"
            );
            let fix = "name one of its parts, such as .text, .value or .family";
            let problems = self.problems;
            problems.add_fix(Code::BadExpression, what, place, Some(fix.to_owned()));
        }
    }

    /// Names the entries that are neither field nor group nor the element of an expression.
    pub(crate) fn unknown_entries(&self, elements: &[&str]) {
        for entry in self.entries.unwrap_or_default() {
            let element = elements.contains(&entry.value.as_str());
            if !element && !self.fields.shareable(&entry.value) {
                self.fields.unknown(&entry.as_str(), self.problems);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_to_read_round_the_share_are_refused() {
        let fields = FieldSet::default();
        let place = Place::file("x.toml").line(1);
        let entries = [At {
            value: "patient.extension".to_owned(),
            place: place.clone(),
        }];
        let table = [
            ("%patient.extension('x').value", 0),
            ("%patient.extension.where(url = 'x').exists()", 0),
            ("%patient.name.family", 1),
            ("%patient", 1),
            ("%patient.extension('x').value | %patient.name.family", 1),
            ("%patient.extension.where(%patient.name.exists())", 1),
            (
                "iif(%patient.birthDate.exists(), %patient.extension, {})",
                1,
            ),
            ("note.text", 1),
            ("'text'", 0),
        ];
        for (source, expected) in table {
            let problems = Problems::default();
            let expression =
                Expression::compile(source, &["patient", "request", "requester", "practice"])
                    .unwrap();
            let share = At {
                value: "patient.extension",
                place: place.clone(),
            };
            ShareCheck::new(&fields, Some(&entries), &problems).expression(
                "H",
                &expression,
                &share,
                &place,
            );
            assert_eq!(problems.into_sorted().len(), expected, "{source}");
        }
    }
}
