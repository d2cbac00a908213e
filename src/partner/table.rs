//! Reads a TOML file by hand into typed values, and says of everything that is wrong where it stands.
//!
//! Text of a config or mapping file comes in; typed values go out, each with its place, and every problem of the file at
//! once. Invariants: a key that nobody asked for is an error; nothing stops at the first problem; no value of a key that
//! may hold a secret is quoted.

use std::cell::{Cell, RefCell};
use std::ops::{Range, RangeInclusive};

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source_text::needs;
pub(crate) use super::source_text::{Problems, SourceText};
use crate::diagnostics::{Code, Place, nearest};

/// The longest message that names a whole list (`style.md` §7).
const WHAT_LENGTH_MAX: usize = 100;

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

/// A value of a key whose type is decided by the caller: `occasion = "baseline"` or `occasion = { column, codes }`.
pub(crate) enum Either<'t> {
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

type Found<'t> = (&'t DeValue<'t>, Range<usize>);

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
        let (source, problems) = (self.source, self.problems);
        Self {
            source,
            problems,
            table,
            name,
            place,
            asked: RefCell::default(),
            forgiven: Cell::new(false),
        }
    }

    fn find(&self, key: &'static str) -> Option<Found<'t>> {
        self.asked.borrow_mut().push(key);
        #[cfg(test)]
        watch::note(&self.name, key);
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        Some((value.get_ref(), value.span()))
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

    /// Where a character of a key's text stands, counted from 0.
    pub(crate) fn place_in_text(&self, key: &str, characters: usize) -> Option<Place> {
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(self.source.place_in_text(value.span().start, characters))
    }

    fn wrong_type(&self, key: &str, wanted: &str, value: &DeValue<'_>, place: &Place) {
        let what = format!("{key} takes {wanted}, not {}", article(value));
        self.problems.add(Code::WrongType, what, place);
    }

    /// Notes that a required key is absent.
    pub(crate) fn missing(&self, key: &str) {
        let what = format!("{}{}", self.title(), needs(key));
        self.problems.add(Code::MissingKey, what, &self.place);
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

    /// An optional text; empty text counts as a bad value.
    pub(crate) fn opt_text(&self, key: &'static str) -> Option<At<&'t str>> {
        let (value, span) = self.find(key)?;
        let place = self.source.place(span.start);
        match value.as_str() {
            Some("") => self.bad_value(key, "a text that is not empty", &place),
            Some(value) => return Some(At { value, place }),
            None => self.wrong_type(key, "a text in quotes", value, &place),
        }
        None
    }

    /// A required text; what is absent is noted and stands in as empty.
    pub(crate) fn text(&self, key: &'static str) -> At<&'t str> {
        if !self.has(key) {
            self.missing(key);
        }
        self.opt_text(key).unwrap_or_else(|| At {
            value: "",
            place: self.place.clone(),
        })
    }

    /// An optional text as an owned value.
    pub(crate) fn opt_string(&self, key: &'static str) -> Option<String> {
        self.opt_text(key).map(|text| text.value.to_owned())
    }

    /// A required text as an owned value.
    pub(crate) fn string(&self, key: &'static str) -> String {
        self.text(key).value.to_owned()
    }

    /// A truth value with its default. The words in quotes are taken too: generated files write them so, and they leave
    /// no doubt.
    pub(crate) fn flag(&self, key: &'static str, default: bool) -> bool {
        let Some((value, span)) = self.find(key) else {
            return default;
        };
        match (value.as_bool(), value.as_str()) {
            (Some(said), _) => said,
            (None, Some("true")) => true,
            (None, Some("false")) => false,
            _ => {
                self.wrong_type(key, "true or false", value, &self.source.place(span.start));
                default
            }
        }
    }

    /// An optional whole number within bounds.
    pub(crate) fn number(&self, key: &'static str, bounds: RangeInclusive<i64>) -> Option<At<i64>> {
        let (value, span) = self.find(key)?;
        let place = self.source.place(span.start);
        let Some(digits) = value.as_integer() else {
            self.wrong_type(key, "a whole number", value, &place);
            return None;
        };
        match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(value) if bounds.contains(&value) => Some(At { value, place }),
            _ => {
                let rule = format!("a number from {} to {}", bounds.start(), bounds.end());
                self.bad_value(key, &rule, &place);
                None
            }
        }
    }

    /// An optional date, written bare: `2026-11-01`.
    pub(crate) fn date(&self, key: &'static str) -> Option<At<Date>> {
        let (value, span) = self.find(key)?;
        let place = self.source.place(span.start);
        let written = value.as_datetime().filter(|written| written.time.is_none());
        let Some(written) = written.and_then(|written| written.date) else {
            self.wrong_type(key, "a date such as 2026-11-01", value, &place);
            return None;
        };
        let parts = (
            i16::try_from(written.year),
            i8::try_from(written.month),
            i8::try_from(written.day),
        );
        if let (Ok(year), Ok(month), Ok(day)) = parts
            && let Ok(value) = Date::new(year, month, day)
        {
            return Some(At { value, place });
        }
        self.bad_value(key, "a day that exists", &place);
        None
    }

    /// An optional word of a closed list; a wrong one is answered with the list.
    pub(crate) fn word<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<At<T>> {
        let found = self.opt_text(key)?;
        let value = self.choose(key, &found, choices)?;
        Some(At {
            value,
            place: found.place,
        })
    }

    /// The meaning of a word already read.
    pub(crate) fn choose<T: Copy>(
        &self,
        key: &str,
        found: &At<&str>,
        choices: &[(&str, T)],
    ) -> Option<T> {
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == found.value) {
            return Some(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let list = words.join(", ");
        let near = nearest(found.value, words.iter().copied())
            .map(|word| format!("did you mean \"{word}\"?"));
        let mut what = format!("{key} must be one of: {list}");
        let mut fix = near;
        // A long list stands where there is room for it.
        if what.chars().count() > WHAT_LENGTH_MAX {
            what = format!("{key} is none of the {} words that are known", words.len());
            fix = Some(
                format!("{} use one of: {list}", fix.unwrap_or_default())
                    .trim()
                    .to_owned(),
            );
        }
        match fix {
            Some(fix) => self
                .problems
                .add_fix(Code::BadValue, what, &found.place, fix),
            None => self.problems.add(Code::BadValue, what, &found.place),
        }
        None
    }

    /// A list of texts; absent is empty.
    pub(crate) fn texts(&self, key: &'static str) -> Vec<At<&'t str>> {
        let Some((value, span)) = self.find(key) else {
            return Vec::new();
        };
        let Some(elements) = value.as_array() else {
            self.wrong_type(
                key,
                "a list of texts",
                value,
                &self.source.place(span.start),
            );
            return Vec::new();
        };
        let mut texts = Vec::new();
        for element in elements {
            let place = self.source.place(element.span().start);
            match element.get_ref().as_str() {
                Some("") => self.bad_value(key, "a list without empty texts", &place),
                Some(value) => texts.push(At { value, place }),
                None => self.wrong_type(key, "a list of texts", element.get_ref(), &place),
            }
        }
        texts
    }

    /// The texts of a list as far as it is one, without a word on what is wrong with it: whoever reads the key tells.
    pub(crate) fn texts_if_any(&self, key: &str) -> Vec<At<&'t str>> {
        let found = self.table.iter().find(|(name, _)| name.get_ref() == key);
        let elements = found.and_then(|(_, value)| value.get_ref().as_array());
        let text = |element: &'t Spanned<DeValue<'t>>| {
            let place = self.source.place(element.span().start);
            Some(At {
                value: element.get_ref().as_str()?,
                place,
            })
        };
        elements.into_iter().flatten().filter_map(text).collect()
    }

    /// Whether the value of a key is a list.
    pub(crate) fn is_list(&self, key: &str) -> bool {
        let found = self.table.iter().find(|(name, _)| name.get_ref() == key);
        found.is_some_and(|(_, value)| value.get_ref().as_array().is_some())
    }

    /// A text if it is one, without a word on what is wrong with it.
    pub(crate) fn text_if_any(&self, key: &str) -> Option<&'t str> {
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        value.get_ref().as_str()
    }

    /// A list of texts as owned values.
    pub(crate) fn strings(&self, key: &'static str) -> Vec<String> {
        self.texts(key)
            .into_iter()
            .map(|text| text.value.to_owned())
            .collect()
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
        if !self.has(key) {
            self.missing(key);
        }
        self.opt_table(key)
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
    pub(crate) fn either(&self, key: &'static str) -> Option<Either<'t>> {
        let (value, span) = self.find(key)?;
        let place = self.place_of(key, &span);
        if let Some(table) = value.as_table() {
            return Some(Either::Table(self.child(key, table, place)));
        }
        if let Some(value) = value.as_str() {
            let place = self.source.place(span.start);
            return Some(Either::Text(At { value, place }));
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
            match nearest(key.get_ref(), asked.iter().copied()) {
                Some(known) => {
                    let fix = format!("did you mean \"{known}\"?");
                    // Without a letter in common it is a guess, not a slip.
                    if key.get_ref().chars().any(|letter| known.contains(letter)) {
                        self.problems.forget_missing(known, &self.place);
                    }
                    self.problems.add_fix(Code::UnknownKey, what, &place, fix);
                }
                None => self.problems.add(Code::UnknownKey, what, &place),
            }
        }
    }
}

/// Lets a test see which keys the loader asks for.
#[cfg(test)]
pub(crate) mod watch {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static ASKED: RefCell<BTreeSet<(String, String)>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub(super) fn note(table: &str, key: &str) {
        ASKED.with_borrow_mut(|asked| asked.insert((table.to_owned(), key.to_owned())));
    }

    pub(super) fn forget(table: &str, key: &str) {
        ASKED.with_borrow_mut(|asked| asked.remove(&(table.to_owned(), key.to_owned())));
    }

    /// Every key asked for while `work` runs, with its table.
    pub(crate) fn keys(work: impl FnOnce()) -> BTreeSet<(String, String)> {
        ASKED.with_borrow_mut(BTreeSet::clear);
        work();
        ASKED.with_borrow(BTreeSet::clone)
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
#[path = "table_tests.rs"]
mod tests;
