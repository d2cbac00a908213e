//! The closed list of things a column may do to a value: codes, join, date, length, default, required.
//!
//! A view comes in, the text of one cell or a reason to hold the row comes out. Invariants: a day is never invented, a
//! text is never cut unseen, a code without an agreed word never passes as something else, and no problem holds a value.

use std::borrow::Cow;

use jiff::civil::Date;

use super::{ColumnSource, DropColumn, TooLong, Unmapped};
use crate::domain::Reason;
use crate::domain::limits::CELL_UNITS_MAX;
use crate::domain::recorded_days;
use crate::partner::fields::{FieldValue, FieldValues, ReferralView, path_values};

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
        let found = found.map_err(|found| self.problem(found.reason, found.detail))?;
        let mapped = self.map_codes(found)?;
        let dated = self.date_of(mapped)?;
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
    fn date_of<'v>(&'v self, found: FieldValues<'v>) -> Result<FieldValues<'v>, CellProblem> {
        let Some(pattern) = &self.date else {
            return Ok(found);
        };
        let write = |value: FieldValue<'v>| match recorded_days(&value.text) {
            Some((first, last)) if first == last => Ok(FieldValue::of(written_day(first, pattern))),
            Some(_) => Ok(value),
            None => {
                let detail = "no date or time that there is".to_owned();
                Err(self.problem(Reason::BadDate, detail))
            }
        };
        Ok(match found {
            FieldValues::None => FieldValues::None,
            FieldValues::One(value) => FieldValues::One(write(value)?),
            FieldValues::Many(values) => {
                FieldValues::Many(values.into_iter().map(write).collect::<Result<_, _>>()?)
            }
        })
    }

    /// `max_length` with `too_long`.
    fn within_length<'v>(&self, text: Cow<'v, str>) -> Result<Cow<'v, str>, CellProblem> {
        // A spreadsheet counts in units of UTF-16, and cuts what is longer without a word.
        let agreed = self.max_length.unwrap_or(CELL_UNITS_MAX);
        if text.len() <= agreed.min(CELL_UNITS_MAX) {
            return Ok(text);
        }
        let length = text.chars().count();
        let fits_cell = text.encode_utf16().count() <= CELL_UNITS_MAX;
        if length <= agreed && fits_cell {
            return Ok(text);
        }
        let length_max = agreed.min(CELL_UNITS_MAX);
        match self.too_long {
            TooLong::Hold => Err(self.problem(
                Reason::TooLong,
                format!("{length} characters, at most {length_max}"),
            )),
            TooLong::Truncate => {
                let mut units = CUT.encode_utf16().count();
                let kept: String = text
                    .chars()
                    .take(length_max.saturating_sub(CUT.chars().count()))
                    .take_while(|character| {
                        units += character.len_utf16();
                        units <= CELL_UNITS_MAX
                    })
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::domain::limits;
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
            ("2026-11-19T09:00:00", "19/11/2026"),
        ];
        for (text, written) in table {
            let found = born.date_of(FieldValues::text(Some(text))).unwrap();
            assert_eq!(found.joined("").as_deref(), Some(written), "{text}");
        }
        for impossible in ["2026-02-30", "2026-11-19T25:61:00Z", "soon"] {
            let found = born.date_of(FieldValues::text(Some(impossible)));
            let reason = found.map_err(|problem| problem.reason);
            assert_eq!(reason, Err(Reason::BadDate), "{impossible}");
        }
    }

    #[test]
    fn a_cell_holds_no_more_than_a_spreadsheet_takes() {
        limits::holds_at(CELL_UNITS_MAX, |units| {
            column().within_length("n".repeat(units).into()).is_ok()
        });
        // Characters outside the first plane take two units.
        let wide = "\u{1f600}".repeat(CELL_UNITS_MAX / 2 + 1);
        let mut notes = column();
        let problem = notes.within_length(wide.as_str().into()).unwrap_err();
        assert_eq!(problem.reason, Reason::TooLong);
        notes.too_long = TooLong::Truncate;
        let cut = notes.within_length(wide.as_str().into()).unwrap();
        assert!(cut.encode_utf16().count() <= CELL_UNITS_MAX && cut.ends_with(CUT));
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
