//! One table of a TOML file: hands out its keys, and names those that nobody asked for.
//!
//! A parsed file comes in; tables within it, and the problems of the file as a whole, go out. Kept: nothing stops at the
//! first problem.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use toml::de::{DeTable, DeValue};

#[cfg(test)]
use super::watch;
use super::{Problems, SourceText};
use crate::diagnostics::{Code, Place, nearest};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<T> At<T> {
    /// The same place with another value.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At {
            value: change(self.value),
            place: self.place,
        }
    }
}

impl At<String> {
    /// The same text, borrowed.
    pub(crate) fn as_str(&self) -> At<&str> {
        At {
            value: &self.value,
            place: self.place.clone(),
        }
    }
}

/// A value of a key whose type is decided by the caller: `occasion = "baseline"` or `occasion = { column, codes }`.
pub(crate) enum TextOrTable<'t> {
    Text(At<&'t str>),
    Table(TableReader<'t>),
}

/// One table of a file: hands out its keys, remembers which were asked for, and names the others on [`TableReader::finish`].
pub(crate) struct TableReader<'t> {
    source: SourceText<'t>,
    problems: &'t Problems,
    table: &'t DeTable<'t>,
    name: String,
    place: Place,
    asked: RefCell<Vec<&'static str>>,
    forgiven: Cell<bool>,
}

/// A value and the bytes it takes in the file.
type Spanning<'t> = (&'t DeValue<'t>, Range<usize>);

impl<'t> TableReader<'t> {
    /// The root table of a parsed file.
    pub(crate) fn root(
        source: SourceText<'t>,
        table: &'t DeTable<'t>,
        problems: &'t Problems,
    ) -> Self {
        let place = Place::file(source.file).line(1).column(1);
        Self {
            source,
            problems,
            table,
            name: String::new(),
            place,
            asked: RefCell::default(),
            forgiven: Cell::new(false),
        }
    }

    /// Where the table stands.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Where problems go.
    pub(crate) fn problems(&self) -> &'t Problems {
        self.problems
    }

    /// `[deliver.format]`, or `the file` for the root.
    pub(crate) fn title(&self) -> String {
        if self.name.is_empty() {
            "the file".to_owned()
        } else {
            format!("[{}]", self.name)
        }
    }

    fn child(&self, key: &str, table: &'t DeTable<'t>, place: Place) -> Self {
        let name = if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        };
        Self {
            name,
            place,
            ..Self::root(self.source, table, self.problems)
        }
    }

    /// Asks for a key.
    pub(super) fn find(&self, key: &'static str) -> Option<Spanning<'t>> {
        self.asked.borrow_mut().push(key);
        #[cfg(test)]
        watch::note(&self.name, key);
        self.peek(key)
    }

    /// Looks at a key without asking for it.
    pub(super) fn peek(&self, key: &str) -> Option<Spanning<'t>> {
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        Some((value.get_ref(), value.span()))
    }

    /// Where a byte of the file stands.
    pub(super) fn place_at(&self, offset: usize) -> Place {
        self.source.place(offset)
    }

    /// Whether the key is there, without asking for its value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.keys().any(|name| name.get_ref() == key)
    }

    /// Where a key stands, if it is there.
    pub(crate) fn key_place(&self, key: &str) -> Option<Place> {
        let name = self.table.keys().find(|name| name.get_ref() == key)?;
        Some(self.source.place(name.span().start))
    }

    /// Where a key stands, or its table if it is not there.
    pub(crate) fn place_for(&self, key: &str) -> Place {
        self.key_place(key).unwrap_or_else(|| self.place.clone())
    }

    /// Where a character of a key's text stands, counted from 0.
    pub(crate) fn place_in_text(&self, key: &str, characters: usize) -> Option<Place> {
        let (_, span) = self.peek(key)?;
        Some(self.source.place_in_text(span.start, characters))
    }

    /// Notes that a value is of another type.
    pub(super) fn wrong_type(&self, key: &str, wanted: &str, value: &DeValue<'_>, place: &Place) {
        let what = format!("{key} takes {wanted}, not {}", article(value));
        self.problems.add(Code::WrongType, what, place);
    }

    /// Notes that a required key is absent.
    pub(crate) fn missing(&self, key: &'static str) {
        let what = format!("{} needs the key {key}", self.title());
        self.problems
            .add_lack(Code::MissingKey, what, &self.place, &[key]);
    }

    /// Notes it where a required key is absent.
    pub(crate) fn needs(&self, key: &'static str) {
        if !self.has(key) {
            self.missing(key);
        }
    }

    /// Notes that there is not exactly one of several keys.
    pub(crate) fn not_one_of(&self, code: Code, what: String, keys: &[&'static str]) {
        self.problems.add_lack(code, what, &self.place, keys);
    }

    /// Notes that a value is none of those allowed.
    pub(crate) fn bad_value(&self, key: &str, rule: &str, place: &Place) {
        self.problems
            .add(Code::BadValue, format!("{key} must be {rule}"), place);
    }

    /// Refuses a key that belongs to a part this version does not have.
    pub(crate) fn not_yet(&self, key: &'static str) {
        // Asked for only to be refused.
        let found = self.find(key);
        #[cfg(test)]
        watch::forget(&self.name, key);
        if let Some((_, span)) = found {
            self.not_yet_at(
                &format!("{key} in {}", self.title()),
                &self.source.place(span.start),
            );
        }
    }

    /// Refuses a value that belongs to a part this version does not have.
    pub(crate) fn not_yet_at(&self, what: &str, place: &Place) {
        let what = format!("{what}: this version does not have it");
        self.problems.add(Code::NotYetBuilt, what, place);
    }

    /// An optional table, inline or with a header.
    pub(crate) fn opt_table(&self, key: &'static str) -> Option<TableReader<'t>> {
        let (value, span) = self.find(key)?;
        let place = self.place_of(key, &span);
        if let Some(table) = value.as_table() {
            return Some(self.child(key, table, place));
        }
        self.wrong_type(key, "a table", value, &place);
        None
    }

    /// A required table; the absence is noted.
    pub(crate) fn table(&self, key: &'static str) -> Option<TableReader<'t>> {
        self.needs(key);
        self.opt_table(key)
    }

    /// A required table that says where a secret lies: the secret itself does not stand in the file, and is not quoted.
    pub(crate) fn secret_table(&self, key: &'static str) -> Option<TableReader<'t>> {
        self.needs(key);
        let (value, span) = self.find(key)?;
        let place = self.place_of(key, &span);
        if let Some(table) = value.as_table() {
            return Some(self.child(key, table, place));
        }
        let what = format!(
            "{key} must say where the secret is, and the secret must not stand in this file"
        );
        let fix = format!(
            "Write {key} = {{ env = \"NAME\" }} or {key} = {{ file = \"path\" }}. If it was the real one, have it changed: files are copied."
        );
        self.problems.add_fix(Code::WrongType, what, &place, fix);
        None
    }

    /// A list of tables, `[[source]]` or inline; absent is empty.
    pub(crate) fn tables(&self, key: &'static str) -> Vec<TableReader<'t>> {
        let Some((value, span)) = self.find(key) else {
            return Vec::new();
        };
        let Some(elements) = value.as_array() else {
            self.wrong_type(
                key,
                "a list of tables",
                value,
                &self.source.place(span.start),
            );
            return Vec::new();
        };
        let mut tables = Vec::new();
        for element in elements {
            let place = self.source.place(element.span().start);
            match element.get_ref().as_table() {
                Some(table) => tables.push(self.child(key, table, place)),
                None => self.wrong_type(key, "a list of tables", element.get_ref(), &place),
            }
        }
        tables
    }

    /// A value that may be a text or a table.
    pub(crate) fn either(&self, key: &'static str) -> Option<TextOrTable<'t>> {
        let (value, span) = self.find(key)?;
        let place = self.place_of(key, &span);
        if let Some(table) = value.as_table() {
            return Some(TextOrTable::Table(self.child(key, table, place)));
        }
        if let Some(value) = value.as_str() {
            let place = self.source.place(span.start);
            return Some(TextOrTable::Text(At { value, place }));
        }
        self.wrong_type(key, "a text or a table", value, &place);
        None
    }

    /// Every pair of a table whose keys are data (`codes = { Y = "attended" }`), with the places of key and value.
    pub(crate) fn pairs(&self) -> Vec<(At<&'t str>, At<&'t str>)> {
        let mut pairs = Vec::new();
        for (key, value) in self.table {
            let place = self.source.place(value.span().start);
            match value.get_ref().as_str() {
                Some(text) => {
                    let at = At {
                        value: key.get_ref().as_ref(),
                        place: self.source.place(key.span().start),
                    };
                    pairs.push((at, At { value: text, place }));
                }
                None => self.wrong_type(key.get_ref(), "a text in quotes", value.get_ref(), &place),
            }
        }
        pairs.sort_by(|one, other| one.0.place.cmp(&other.0.place));
        pairs
    }

    /// A table with a header begins where its header stands, as an inline one where its brace stands.
    fn place_of(&self, key: &str, span: &Range<usize>) -> Place {
        let named = self.table.keys().find(|name| name.get_ref() == key);
        self.source.place(
            named
                .map_or(span.start, |name| name.span().start)
                .min(span.start),
        )
    }

    /// Takes every key as known: the table as a whole has already been refused.
    pub(crate) fn forgive(&self) {
        self.forgiven.set(true);
    }

    /// Hands the table to who reads it, then names every key that was not asked for.
    pub(crate) fn read_with<T>(self, read: impl FnOnce(&Self) -> T) -> T {
        let found = read(&self);
        self.finish();
        found
    }

    /// Names every key that nobody asked for, with the nearest one that exists.
    pub(crate) fn finish(self) {
        if self.forgiven.get() {
            return;
        }
        let asked = self.asked.borrow();
        for key in self
            .table
            .keys()
            .filter(|key| !asked.contains(&key.get_ref().as_ref()))
        {
            let what = match self.name.as_str() {
                "" => format!("key \"{}\" is not known", key.get_ref()),
                name => format!("key \"{}\" is not known in [{name}]", key.get_ref()),
            };
            let place = self.source.place(key.span().start);
            // Without a letter in common it is a guess, not a slip.
            let near = nearest(key.get_ref(), asked.iter().copied())
                .filter(|known| key.get_ref().chars().any(|letter| known.contains(letter)));
            if let Some(known) = near {
                self.problems.forget_lack(known, &self.place);
            }
            let unknown = At {
                value: key.get_ref().as_ref(),
                place,
            };
            let known = asked.iter().copied();
            self.problems
                .add_unknown(Code::UnknownKey, what, &unknown, known);
        }
    }
}

fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
