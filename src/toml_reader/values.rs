//! The values of a table's keys: texts, flags, numbers, days, words of a closed list, lists of texts.
//!
//! A key comes in; its typed value with its place goes out, or a problem. Kept: no value of a key that may hold a secret is
//! quoted.

use std::ops::RangeInclusive;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::DeValue;

use super::{At, TableReader};
use crate::diagnostics::{Code, did_you_mean};

/// The longest message that names a whole list (`style.md` §7).
const WHAT_LENGTH_MAX: usize = 100;

impl<'t> TableReader<'t> {
    /// An optional text; empty text counts as a bad value.
    pub(crate) fn opt_text(&self, key: &'static str) -> Option<At<&'t str>> {
        let (value, span) = self.find(key)?;
        let place = self.place_at(span.start);
        match value.as_str() {
            Some("") => self.bad_value(key, "a text that is not empty", &place),
            Some(value) => return Some(At { value, place }),
            None => self.wrong_type(key, "a text in quotes", value, &place),
        }
        None
    }

    /// A required text; what is absent is noted and stands in as empty.
    pub(crate) fn text(&self, key: &'static str) -> At<&'t str> {
        self.needs(key);
        self.opt_text(key).unwrap_or_else(|| At {
            value: "",
            place: self.place().clone(),
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
                self.wrong_type(key, "true or false", value, &self.place_at(span.start));
                default
            }
        }
    }

    /// An optional whole number within bounds, without its place.
    pub(crate) fn whole<N: TryFrom<i64>>(
        &self,
        key: &'static str,
        bounds: RangeInclusive<i64>,
    ) -> Option<N> {
        let said = self.number(key, bounds)?;
        N::try_from(said.value).ok()
    }

    /// An optional whole number within bounds.
    pub(crate) fn number(&self, key: &'static str, bounds: RangeInclusive<i64>) -> Option<At<i64>> {
        let (value, span) = self.find(key)?;
        let place = self.place_at(span.start);
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
        let place = self.place_at(span.start);
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
        Some(found.map(|_| value))
    }

    /// One of several words, or what is usual.
    pub(crate) fn word_or<T: Copy>(&self, key: &'static str, choices: &[(&str, T)], usual: T) -> T {
        self.word(key, choices).map_or(usual, |said| said.value)
    }

    /// A list of words, each one of several.
    pub(crate) fn words<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Vec<T> {
        let texts = self.texts(key).into_iter();
        texts
            .filter_map(|text| self.choose(key, &text, choices))
            .collect()
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
        let mut what = format!("{key} must be one of: {list}");
        let mut fix = did_you_mean(found.value, words.iter().copied());
        // A long list stands where there is room for it.
        if what.chars().count() > WHAT_LENGTH_MAX {
            what = format!("{key} is none of the {} words that are known", words.len());
            fix = Some(
                format!("{} use one of: {list}", fix.unwrap_or_default())
                    .trim()
                    .to_owned(),
            );
        }
        self.problems()
            .add_fix(Code::BadValue, what, &found.place, fix);
        None
    }

    /// A list of texts; absent is empty.
    pub(crate) fn texts(&self, key: &'static str) -> Vec<At<&'t str>> {
        let Some((value, span)) = self.find(key) else {
            return Vec::new();
        };
        let Some(elements) = value.as_array() else {
            self.wrong_type(key, "a list of texts", value, &self.place_at(span.start));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for element in elements {
            let place = self.place_at(element.span().start);
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
        let elements = self.peek(key).and_then(|(value, _)| value.as_array());
        let text = |element: &'t Spanned<DeValue<'t>>| {
            let place = self.place_at(element.span().start);
            Some(At {
                value: element.get_ref().as_str()?,
                place,
            })
        };
        elements.into_iter().flatten().filter_map(text).collect()
    }

    /// Whether the value of a key is a list.
    pub(crate) fn is_list(&self, key: &str) -> bool {
        self.peek(key)
            .is_some_and(|(value, _)| value.as_array().is_some())
    }

    /// A text if it is one, without a word on what is wrong with it.
    pub(crate) fn text_if_any(&self, key: &str) -> Option<&'t str> {
        self.peek(key)?.0.as_str()
    }

    /// A list of texts as owned values.
    pub(crate) fn strings(&self, key: &'static str) -> Vec<String> {
        self.texts(key)
            .into_iter()
            .map(|text| text.value.to_owned())
            .collect()
    }
}
