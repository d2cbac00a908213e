//! The closed list of things a column may do to a value: codes, join, date, length, default, required.
//!
//! A view comes in, the text of one cell or a reason to hold the row comes out. Invariants: a day is never invented, a
//! text is never cut unseen, a code without an agreed word never passes as something else, and no problem holds a value.

use std::borrow::Cow;

use jiff::civil::Date;

use super::{ColumnSource, DropColumn, TooLong, Unmapped};
use crate::domain::Reason;
use crate::domain::clock::london;
use crate::partner::fields::{FieldValue, FieldValues, ReferralView, day_range, path_values};

/// What a cut text ends in.
const CUT: &str = " […]";
/// The shortest text that can be cut and still say something.
pub(crate) const CUT_LENGTH_MIN: usize = 10;

/// Why a cell cannot be written; the row is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CellProblem {
    pub(crate) reason: Reason,
    /// The column's header.
    pub(crate) header: String,
    /// A length or a rule, never the value.
    pub(crate) detail: String,
}

impl DropColumn {
    /// The text of the column's cell for one referral, before encoding and the formula rule.
    ///
    /// # Errors
    /// [`CellProblem`] with the reason for which the row is held.
    pub(crate) fn cell<'v>(&'v self, view: &ReferralView<'v>) -> Result<Cow<'v, str>, CellProblem> {
        let found = match &self.source {
            ColumnSource::Text(text) => return Ok(Cow::Borrowed(text)),
            ColumnSource::Field(field) => view.vocabulary.fields.field(*field).value(view),
            ColumnSource::Path(expression) => path_values(expression, view),
        };
        let found = found.map_err(|error| self.problem(Reason::Unreadable, error.to_string()))?;
        let mapped = self.map_codes(found)?;
        let dated = self.date_of(mapped);
        let text = dated.joined(&self.join).unwrap_or_default();
        let text = match &self.default {
            Some(default) if text.is_empty() => Cow::Borrowed(default.as_str()),
            _ => text,
        };
        if text.is_empty() && self.required {
            return Err(self.problem(Reason::RequiredMissing, "empty".to_owned()));
        }
        self.within_length(text)
    }

    fn problem(&self, reason: Reason, detail: String) -> CellProblem {
        CellProblem {
            reason,
            header: self.header.clone(),
            detail,
        }
    }

    /// `codes`: each value by its code, else by its text.
    fn map_codes<'v>(&'v self, found: FieldValues<'v>) -> Result<FieldValues<'v>, CellProblem> {
        let Some(codes) = &self.codes else {
            return Ok(found);
        };
        let map = |value: FieldValue<'v>| {
            let by_code = value.code.and_then(|code| codes.get(code));
            if let Some(word) = by_code.or_else(|| codes.get(&value.text)) {
                return Ok(FieldValue::of(word));
            }
            match &self.unmapped {
                Unmapped::Keep => Ok(value),
                Unmapped::Blank => Ok(FieldValue::of("")),
                Unmapped::Text(text) => Ok(FieldValue::of(text.as_str())),
                Unmapped::Hold => {
                    let length = value.text.chars().count();
                    let detail =
                        format!("a value of {length} characters is not in the column's codes");
                    Err(self.problem(Reason::Unmapped, detail))
                }
            }
        };
        match found {
            FieldValues::None => Ok(FieldValues::None),
            FieldValues::One(value) => Ok(FieldValues::from_values([map(value)?])),
            FieldValues::Many(values) => {
                let mut mapped: Vec<FieldValue<'v>> = Vec::with_capacity(values.len());
                for value in values {
                    let value = map(value)?;
                    // Two codes of one word are one word.
                    if !mapped.contains(&value) {
                        mapped.push(value);
                    }
                }
                Ok(FieldValues::from_values(mapped))
            }
        }
    }

    /// `date`: full dates by the pattern, partial ones as they are.
    fn date_of<'v>(&'v self, found: FieldValues<'v>) -> FieldValues<'v> {
        let Some(pattern) = &self.date else {
            return found;
        };
        let write = |value: FieldValue<'v>| match london_day(&value.text) {
            Some(day) => FieldValue::of(written_day(day, pattern)),
            None => value,
        };
        match found {
            FieldValues::None => FieldValues::None,
            FieldValues::One(value) => FieldValues::One(write(value)),
            FieldValues::Many(values) => FieldValues::Many(values.into_iter().map(write).collect()),
        }
    }

    /// `max_length` with `too_long`.
    fn within_length<'v>(&self, text: Cow<'v, str>) -> Result<Cow<'v, str>, CellProblem> {
        let Some(length_max) = self
            .max_length
            .filter(|length_max| text.len() > *length_max)
        else {
            return Ok(text);
        };
        let length = text.chars().count();
        if length <= length_max {
            return Ok(text);
        }
        match self.too_long {
            TooLong::Hold => Err(self.problem(
                Reason::TooLong,
                format!("{length} characters, at most {length_max}"),
            )),
            TooLong::Truncate => {
                let kept: String = text
                    .chars()
                    .take(length_max.saturating_sub(CUT.chars().count()))
                    .collect();
                Ok(Cow::Owned(format!("{}{CUT}", kept.trim_end())))
            }
        }
    }
}

/// A day by a strftime pattern. What nearly every partner writes, day, month and year in digits, needs no formatter.
fn written_day(day: Date, pattern: &str) -> String {
    let formatted = || day.strftime(pattern).to_string();
    let (Ok(month), Ok(date)) = (u8::try_from(day.month()), u8::try_from(day.day())) else {
        return formatted();
    };
    let digits = |number: u8| [b'0' + number / 10, b'0' + number % 10].map(char::from);
    let mut text = String::with_capacity(pattern.len() + 2);
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match (characters.next(), u8::try_from(day.year() / 100)) {
            (Some('d'), _) => text.extend(digits(date)),
            (Some('m'), _) => text.extend(digits(month)),
            (Some('Y'), Ok(century @ 10..)) => {
                text.extend(digits(century));
                text.extend(digits(u8::try_from(day.year() % 100).unwrap_or(0)));
            }
            _ => return formatted(),
        }
    }
    text
}

/// The London day of a full date or of an instant with its offset; nothing less has one.
pub(crate) fn london_day(text: &str) -> Option<Date> {
    if let Some(date) = plain_day(text) {
        return Some(date);
    }
    if text.contains('T') {
        let instant: jiff::Timestamp = text.parse().ok()?;
        return Some(instant.to_zoned(london()).date());
    }
    let (first, last) = day_range(text)?;
    (first == last).then_some(first)
}

/// The day of an instant that is written in UTC as `2026-11-22T09:30:00Z`, where London cannot have another: its clocks
/// were never more than two hours ahead.
fn plain_day(text: &str) -> Option<Date> {
    let (date, time) = (text.get(..10)?, text.as_bytes().get(10..)?);
    let [b'T', h1, h2, b':', m1, m2, b':', s1, s2, zone @ ..] = time else {
        return None;
    };
    let number = |tens: &u8, ones: &u8| {
        let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        digits.then(|| 10 * (tens - b'0') + (ones - b'0'))
    };
    let early = number(h1, h2)? < 22 && number(m1, m2)? < 60 && number(s1, s2)? < 60;
    let utc = matches!(zone, b"Z" | b"+00:00");
    let (first, last) = day_range(date)?;
    (early && utc && first.year() >= 1900 && first == last).then_some(first)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::partner::agreement::UnencodableChoice;
    use crate::partner::fields::CodeMap;

    fn column() -> DropColumn {
        DropColumn {
            header: "Reason".to_owned(),
            source: ColumnSource::Text(String::new()),
            required: false,
            default: None,
            date: None,
            codes: None,
            unmapped: Unmapped::Hold,
            max_length: None,
            too_long: TooLong::Hold,
            join: "; ".to_owned(),
            unencodable: UnencodableChoice::Hold,
            identity: false,
            never_question_mark: false,
        }
    }

    fn many<'v>(values: &[(&'v str, Option<&'v str>)]) -> FieldValues<'v> {
        FieldValues::from_values(values.iter().map(|(text, code)| FieldValue {
            text: Cow::Borrowed(*text),
            code: *code,
        }))
    }

    #[test]
    fn codes_are_asked_by_code_then_by_text() {
        let entries = [("1", "One"), ("Two", "Second")]
            .map(|(code, word)| (code.to_owned(), word.to_owned()));
        let mut reasons = column();
        reasons.codes = Some(CodeMap::from_entries(entries));
        let found = many(&[("Uno", Some("1")), ("Two", Some("9")), ("Eins", Some("1"))]);
        let mapped = reasons.map_codes(found).unwrap().joined("; ");
        assert_eq!(mapped.as_deref(), Some("One; Second"));
        let stranger = || many(&[("Anna's secret", None)]);
        let problem = reasons.map_codes(stranger()).unwrap_err();
        assert_eq!(problem.reason, Reason::Unmapped);
        assert!(!problem.detail.contains("Anna"));
        reasons.unmapped = Unmapped::Blank;
        assert_eq!(reasons.map_codes(stranger()), Ok(FieldValues::None));
        reasons.unmapped = Unmapped::Text("other".to_owned());
        assert_eq!(
            reasons.map_codes(stranger()).unwrap().joined(""),
            Some("other".into())
        );
    }

    #[test]
    fn a_day_is_never_invented() {
        let mut born = column();
        born.date = Some("%d/%m/%Y".to_owned());
        let table = [
            ("1950-03-02", "02/03/1950"),
            ("1950-03", "1950-03"),
            ("1950", "1950"),
            ("2026-06-30T23:30:00Z", "01/07/2026"),
            ("2026-11-22T10:00:00+00:00", "22/11/2026"),
            ("soon", "soon"),
        ];
        for (text, written) in table {
            let found = born.date_of(FieldValues::text(Some(text)));
            assert_eq!(found.joined("").as_deref(), Some(written), "{text}");
        }
        assert_eq!(london_day("2026-11-22"), Some(date(2026, 11, 22)));
        // What is read without a calendar is read as with one.
        for day in [
            "1943-07-15",
            "1970-01-01",
            "2026-03-29",
            "2026-06-30",
            "2026-12-31",
            "2026-02-30",
        ] {
            for time in [
                "00:00:00", "09:30:59", "21:59:59", "22:00:00", "23:30:00", "24:00:00", "12:60:00",
            ] {
                for zone in ["Z", "+00:00", ".5Z", "+01:00", "-05:00", ""] {
                    let text = format!("{day}T{time}{zone}");
                    let instant: Option<jiff::Timestamp> = text.parse().ok();
                    let slow = instant.map(|instant| instant.to_zoned(london()).date());
                    assert_eq!(london_day(&text), slow, "{text}");
                }
            }
        }
    }

    #[test]
    fn a_cut_is_seen_and_counts_characters() {
        let mut short = column();
        short.max_length = Some(12);
        assert_eq!(
            short.within_length("éééééééééééé".into()).as_deref(),
            Ok("éééééééééééé")
        );
        let problem = short
            .within_length("a text of thirty-one characters".into())
            .unwrap_err();
        assert_eq!(
            (problem.reason, problem.detail.as_str()),
            (Reason::TooLong, "31 characters, at most 12")
        );
        short.too_long = TooLong::Truncate;
        let cut = short
            .within_length("a text of thirty-one characters".into())
            .unwrap();
        assert_eq!(cut, "a text o […]");
        assert!(cut.chars().count() <= 12);
    }

    #[test]
    fn a_day_is_written_as_strftime_writes_it() {
        for day in [
            date(2026, 11, 2),
            date(1951, 4, 30),
            date(999, 1, 1),
            date(-1, 2, 3),
            date(9999, 12, 31),
        ] {
            for pattern in [
                "%d/%m/%Y",
                "%Y-%m-%d",
                "%d.%m.%y",
                "%-d %B %Y",
                "Tag %d, é %m",
                "%Y%m%d",
                "%F",
                "100%% %d",
            ] {
                let expected = day.strftime(pattern).to_string();
                assert_eq!(written_day(day, pattern), expected, "{pattern}");
            }
        }
    }
}
