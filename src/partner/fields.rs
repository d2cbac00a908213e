//! The closed list of fields that a column may name, read from `fields.toml`.
//!
//! The built-in list and a site's own come in; a [`FieldSet`] comes out. Invariants: a field knows which elements it can
//! read, so that the disclosure check needs no data; a site's field never reads more under a name, or in a group, than
//! the built-in list does, for agreements are signed by those names.

use super::derive::{Derivation, Found, Value};
use super::elements::{Elements, below};
use super::table::{At, Problems, SourceText, TableReader};
use super::view::View;
use crate::diagnostics::{Code, Place, nearest};
use crate::fhirpath::{Context, Environment, EvaluateError, Expression, Item};

/// Position of a field in its [`FieldSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FieldId(usize);

/// What a field's text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Text,
    /// Possibly only a year or a month.
    Date,
    Code,
    Number,
}

/// What a field tells of whom, for the disclosure check and the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldClass {
    /// Ours: needs no share entry.
    Leg,
    Identity,
    Contact,
    /// A blank cell would read as "nothing to know".
    Safety,
    Special,
    Referral,
    Professional,
}

impl FieldClass {
    /// The word in `fields.toml`.
    pub(crate) fn code(self) -> &'static str {
        CLASSES
            .iter()
            .find(|(_, class)| *class == self)
            .map_or("", |(word, _)| word)
    }
}

const CLASSES: [(&str, FieldClass); 7] = [
    ("leg", FieldClass::Leg),
    ("identity", FieldClass::Identity),
    ("contact", FieldClass::Contact),
    ("safety", FieldClass::Safety),
    ("special", FieldClass::Special),
    ("referral", FieldClass::Referral),
    ("professional", FieldClass::Professional),
];

const KINDS: [(&str, FieldKind); 4] = [
    ("text", FieldKind::Text),
    ("date", FieldKind::Date),
    ("code", FieldKind::Code),
    ("number", FieldKind::Number),
];

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// What it is, in plain words.
    pub(crate) says: String,
    pub(crate) kind: FieldKind,
    pub(crate) class: FieldClass,
    /// Elements it can read, as `patient.telecom.value`: found from its rule or path, not taken from the file.
    pub(crate) elements: Elements,
    /// The share entry that covers it besides its own name.
    pub(crate) group: Option<String>,
    /// The heading of the PRSB standard, where one is the same.
    pub(crate) prsb: Option<String>,
    /// Every value it can have, where that list is closed.
    pub(crate) values: Vec<String>,
    /// Between several values.
    pub(crate) join: String,
    from: FieldFrom,
}

#[derive(Debug)]
enum FieldFrom {
    Rule(Derivation),
    Path(Expression),
}

impl Field {
    /// The field's values for one referral.
    ///
    /// # Errors
    /// If the field is an expression that has no result on this resource.
    pub(crate) fn value<'v>(&self, view: &View<'v>) -> Result<Found<'v>, EvaluateError> {
        match &self.from {
            FieldFrom::Rule(rule) => Ok(rule.derive(view)),
            FieldFrom::Path(expression) => path_values(expression, view),
        }
    }

    /// Whether both find their value in the same way.
    pub(crate) fn same_rule(&self, other: &Self) -> bool {
        match (&self.from, &other.from) {
            (FieldFrom::Rule(one), FieldFrom::Rule(other)) => one == other,
            (FieldFrom::Path(one), FieldFrom::Path(other)) => one.same_as(other),
            _ => false,
        }
    }

    /// Whether all that it can show is a part of what the other one shows of everyone.
    pub(crate) fn part_of(&self, whole: &Self) -> bool {
        match (&self.from, &whole.from) {
            (FieldFrom::Rule(part), FieldFrom::Rule(whole)) => part.part_of(*whole),
            _ => false,
        }
    }

    /// Whether this version cannot read it yet.
    pub(crate) fn unread(&self) -> bool {
        matches!(self.from, FieldFrom::Rule(Derivation::None))
    }

    /// Whether the value is compared with what comes back.
    pub(crate) fn identity(&self) -> bool {
        self.name.starts_with("patient.")
    }

    /// Whether a blank cell would mislead about safety.
    pub(crate) fn about_safety(&self) -> bool {
        self.class == FieldClass::Safety
    }

    /// Whether a share entry of this name covers the field.
    pub(crate) fn covered_by(&self, entry: &str) -> bool {
        self.class == FieldClass::Leg || self.name == entry || self.group.as_deref() == Some(entry)
    }
}

/// Evaluates an expression over the view's resources.
///
/// # Errors
/// If the expression has no result on these resources.
pub(crate) fn path_values<'v>(
    expression: &Expression,
    view: &View<'_>,
) -> Result<Found<'v>, EvaluateError> {
    let variables = [
        ("request", Some(view.request)),
        ("patient", view.patient),
        ("requester", view.requester),
        ("role", view.role),
        ("practice", view.practice),
    ];
    let context = Context {
        focus: Some(view.request),
        variables: &variables,
        ..Context::default()
    };
    let items = expression.evaluate(&context)?;
    // The items borrow from the expression too, so what is handed on is a copy.
    Ok(Found::from_values(
        items
            .iter()
            .filter_map(Item::text)
            .map(|text| Value::of(text.into_owned())),
    ))
}

/// What expressions may name: the resources of the [`View`], each of its type.
pub(crate) const ENVIRONMENT: Environment<'static> = Environment {
    focus: Some("ServiceRequest"),
    variables: &[
        ("request", Some("ServiceRequest")),
        ("patient", Some("Patient")),
        ("requester", Some("Practitioner")),
        ("role", Some("PractitionerRole")),
        ("practice", Some("Organization")),
    ],
    constants: &[],
    clock: false,
    view: false,
};

/// Compiles the expression of a key; what is wrong is noted with its place inside the text.
pub(crate) fn compile(table: &TableReader<'_>, key: &str, text: &At<&str>) -> Option<Expression> {
    match Expression::compile_in(text.value, &ENVIRONMENT) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let place = table
                .place_in_text(key, error.offset)
                .unwrap_or_else(|| text.place.clone())
                .and(format!("character {} of the expression", error.offset + 1));
            table
                .problems()
                .add_fix(Code::BadExpression, error.what, &place, error.help);
            None
        }
    }
}

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
            if let Some(field) = read_field(&entry) {
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
            self.unknown(name.value, &name.place, problems);
        }
        found
    }

    /// Notes that a name is no field's.
    pub(crate) fn unknown(&self, name: &str, place: &Place, problems: &Problems) {
        let what = format!("field \"{name}\" is not in the field list");
        match nearest(name, self.fields.iter().map(|field| field.name.as_str())) {
            Some(known) => {
                let fix = format!("did you mean \"{known}\"?");
                problems.add_fix(Code::UnknownField, what, place, fix);
            }
            None => problems.add(Code::UnknownField, what, place),
        }
    }
}

fn read_field(entry: &TableReader<'_>) -> Option<Field> {
    let problems = entry.problems();
    let name = entry.text("name");
    let mut from = match (entry.opt_text("path"), entry.opt_text("derivation")) {
        (Some(path), None) => compile(entry, "path", &path).map(FieldFrom::Path),
        (None, Some(rule)) => {
            let words = Derivation::WORDS;
            entry
                .choose("derivation", &rule, &words)
                .map(FieldFrom::Rule)
        }
        _ => {
            problems.add(
                Code::ColumnSource,
                "a field needs exactly one of path and derivation",
                entry.place(),
            );
            None
        }
    };
    let reach = match &from {
        Some(FieldFrom::Rule(rule)) => Ok(Elements::of_rule(*rule)),
        Some(FieldFrom::Path(expression)) => Elements::of_expression(expression),
        None => Ok(Elements::default()),
    };
    let elements = match reach {
        Ok(elements) => elements,
        Err(why) => {
            let what = format!(
                "what field \"{}\" reads cannot be decided: {why}",
                name.value
            );
            problems.add(Code::ShareUndecidable, what, entry.place());
            from = None;
            Elements::default()
        }
    };
    check_stated(entry, &elements);
    let kind = entry
        .word("kind", &KINDS)
        .map_or(FieldKind::Text, |at| at.value);
    let class = entry
        .word("class", &CLASSES)
        .map_or(FieldClass::Special, |at| at.value);
    if class == FieldClass::Leg && !name.value.starts_with("leg.") {
        entry.bad_value(
            "class",
            "another than leg: only leg.* needs no share entry",
            entry.place(),
        );
    }
    let field = Field {
        name: name.value.to_owned(),
        says: entry.string("says"),
        kind,
        class,
        elements,
        group: entry.opt_string("group"),
        prsb: entry.opt_string("prsb"),
        values: entry.strings("values"),
        join: entry.opt_string("join").unwrap_or_else(|| " ".to_owned()),
        from: from?,
    };
    (!field.name.is_empty()).then_some(field)
}

/// `reads` is for whoever reads the file: it may say it roughly, never too little.
fn check_stated(entry: &TableReader<'_>, elements: &Elements) {
    let stated = entry.texts("reads");
    let unsaid = elements
        .all()
        .find(|element| !stated.iter().any(|above| below(element, above.value)));
    if let (Some(unsaid), Some(place)) = (unsaid, entry.key_place("reads")) {
        entry.bad_value("reads", &format!("a list that covers {unsaid} too"), &place);
    }
}
