//! One field: what it is called, what it tells of whom, and how its value is found.
//!
//! An entry of `fields.toml` comes in; a [`Field`] goes out, and of a referral its value. Kept: the elements that a field can
//! read are found from its rule or expression, never taken from the file.

use super::{
    Derivation, Elements, FieldValues, ReferralView, ValueProblem, below, compile, path_values,
};
use crate::diagnostics::Code;
use crate::fhirpath::Expression;
use crate::toml_reader::TableReader;

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
    /// Reads an entry of a field list; its problems are noted.
    pub(crate) fn read(entry: &TableReader<'_>) -> Option<Self> {
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
        let kind = entry.word_or("kind", &KINDS, FieldKind::Text);
        let class = entry.word_or("class", &CLASSES, FieldClass::Special);
        if class == FieldClass::Leg && !name.value.starts_with("leg.") {
            entry.bad_value(
                "class",
                "another than leg: only leg.* needs no share entry",
                entry.place(),
            );
        }
        let field = Self {
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

    /// The field's values for one referral.
    ///
    /// # Errors
    /// If the referral has no value of it that could be written.
    pub(crate) fn value<'v>(
        &self,
        view: &ReferralView<'v>,
    ) -> Result<FieldValues<'v>, ValueProblem> {
        match &self.from {
            FieldFrom::Rule(rule) => rule.derive(view),
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
