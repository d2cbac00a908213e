//! What a field has for one referral: no value, one, or several.
//!
//! Texts come in, borrowed where nothing had to be built; [`FieldValues`] goes out. Kept: a value that is blank is none, and none
//! is shown by `Debug`.

use std::borrow::Cow;

use crate::domain::Reason;

/// One value of a field: its text, and the code it stands for where `codes` may be asked by code.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct FieldValue<'v> {
    pub(crate) text: Cow<'v, str>,
    pub(crate) code: Option<&'v str>,
}

impl<'v> FieldValue<'v> {
    /// A value of text alone.
    pub(crate) fn of(text: impl Into<Cow<'v, str>>) -> Self {
        Self {
            text: text.into(),
            code: None,
        }
    }
}

/// A value may be a person's: only its length is shown.
impl std::fmt::Debug for FieldValue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FieldValue({} characters)", self.text.chars().count())
    }
}

/// Why a field has no value that could be written: the reason to hold the row, and a rule, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueProblem {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

/// What a field has for one referral; one value is the rule, so it costs no list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FieldValues<'v> {
    None,
    One(FieldValue<'v>),
    Many(Vec<FieldValue<'v>>),
}

impl<'v> FieldValues<'v> {
    /// A text that may be absent; empty is absent.
    pub(crate) fn text<T: Into<Cow<'v, str>>>(text: Option<T>) -> Self {
        match text.map(Into::into) {
            Some(text) if !blank(&text) => Self::One(FieldValue::of(text)),
            _ => Self::None,
        }
    }

    /// Several values; empty ones are left out.
    pub(crate) fn from_values(values: impl IntoIterator<Item = FieldValue<'v>>) -> Self {
        let mut values = values.into_iter().filter(|value| !blank(&value.text));
        let (Some(first), second) = (values.next(), values.next()) else {
            return Self::None;
        };
        let Some(second) = second else {
            return Self::One(first);
        };
        Self::Many([first, second].into_iter().chain(values).collect())
    }

    /// All values as one text.
    pub(crate) fn joined(self, join: &str) -> Option<Cow<'v, str>> {
        match self {
            Self::None => None,
            Self::One(value) => Some(value.text),
            Self::Many(values) => {
                let texts: Vec<&str> = values.iter().map(|value| value.text.as_ref()).collect();
                Some(Cow::Owned(texts.join(join)))
            }
        }
    }
}

/// Whether a text is nothing but space.
fn blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_shown_by_debug() {
        assert_eq!(
            format!("{:?}", FieldValue::of("Anna")),
            "FieldValue(4 characters)"
        );
    }
}
