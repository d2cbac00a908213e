//! The closed list of fields that a column may name, read from `fields.toml`.
//!
//! The built-in list and a site's own come in; a [`FieldSet`] comes out. Invariants: a field knows which elements it can
//! read, so that the disclosure check needs no data; a site's field never reads more under a name, or in a group, than
//! the built-in list does, for agreements are signed by those names.

use super::{Field, FieldClass, below};
use crate::diagnostics::Code;
use crate::toml_reader::{At, Problems, SourceText, TableReader};

/// Position of a field in its [`FieldSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FieldId(usize);

/// The fields in force.
#[derive(Debug, Default)]
pub(crate) struct FieldSet {
    fields: Vec<Field>,
    /// The field of row tokens: asked for with every row.
    check: Option<FieldId>,
}

impl FieldSet {
    /// Adds the fields of one file; same names override.
    pub(crate) fn read(&mut self, file: &str, text: &str, problems: &Problems) {
        let source = SourceText::new(file, text);
        let Some(table) = source.parse(problems) else {
            return;
        };
        let root = TableReader::root(source, &table, problems);
        let mut read = Vec::new();
        for entry in root.tables("field") {
            if let Some(field) = Field::read(&entry) {
                self.check_reach(&field, &entry);
                read.push(field);
            }
            entry.finish();
        }
        root.finish();
        for field in read {
            match self
                .fields
                .iter_mut()
                .find(|known| known.name == field.name)
            {
                Some(known) => *known = field,
                None => self.fields.push(field),
            }
        }
        self.check = self.id("leg.check");
    }

    /// The id of `leg.check`.
    pub(crate) fn check(&self) -> Option<FieldId> {
        self.check
    }

    /// Holds a field against what its name and its group stand for so far.
    fn check_reach(&self, field: &Field, entry: &TableReader<'_>) {
        let refuse = |element: &str, why: &str| {
            let what = format!("field \"{}\" reads {element}, {why}", field.name);
            entry
                .problems()
                .add(Code::ShareViolation, what, entry.place());
        };
        if field.class == FieldClass::Leg
            && let Some(element) = field.elements.all().next()
        {
            refuse(element, "but class leg is for what is ours");
        }
        for (name, why) in [
            (
                Some(field.name.as_str()),
                "which the field of this name does not",
            ),
            (field.group.as_deref(), "which its group does not"),
        ] {
            let Some(name) = name.filter(|name| self.shareable(name)) else {
                continue;
            };
            let known = |element: &&str| {
                self.fields
                    .iter()
                    .filter(|known| known.name == name || known.group.as_deref() == Some(name))
                    .flat_map(|known| known.elements.all())
                    .any(|above| below(element, above))
            };
            if let Some(element) = field.elements.all().find(|element| !known(element)) {
                refuse(element, why);
                return;
            }
        }
    }

    /// The id of the field of this name.
    pub(crate) fn id(&self, name: &str) -> Option<FieldId> {
        self.fields
            .iter()
            .position(|field| field.name == name)
            .map(FieldId)
    }

    /// The field with this id.
    ///
    /// # Panics
    /// If the id is of another set.
    pub(crate) fn field(&self, id: FieldId) -> &Field {
        &self.fields[id.0]
    }

    /// The field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Every field, in the order of the manual.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }

    /// Whether a share entry is a field's or a group's name.
    pub(crate) fn shareable(&self, entry: &str) -> bool {
        self.fields
            .iter()
            .any(|field| field.name == entry || field.group.as_deref() == Some(entry))
    }

    /// Finds a field by name, or notes PTR-003 with the nearest one.
    pub(crate) fn resolve(&self, name: &At<&str>, problems: &Problems) -> Option<FieldId> {
        let found = self.id(name.value);
        if found.is_none() {
            self.unknown(name, problems);
        }
        found
    }

    /// Notes that a name is no field's.
    pub(crate) fn unknown(&self, name: &At<&str>, problems: &Problems) {
        let what = format!("field \"{}\" is not in the field list", name.value);
        let known = self.fields.iter().map(|field| field.name.as_str());
        problems.add_unknown(Code::UnknownField, what, name, known);
    }
}
