//! Days as people and spreadsheets write them: the form that a cell has, before anybody knows in which order its numbers stand.
//!
//! A typed cell comes in, a [`WrittenDay`] goes out. Invariant: nothing is guessed. A cell with two readings says so, and who has the evidence of the
//! whole file decides (`calendar`).

use jiff::civil::{Date, Weekday};

use super::cell_text::powers_of_ten;
use crate::domain::Instant;

/// In which order numbers that are a day stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DayOrder {
    DayFirst,
    MonthFirst,
}

/// What a cell says of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DayForm {
    /// One day, whatever the order: the year stands first, or the month is a word.
    Certain(Date),
    /// Two numbers and a year: the order decides which of them is the day.
    Ordered { first: i8, second: i8, year: i16 },
    /// A spreadsheet's number of a day.
    Number(i64),
    /// No day, in any order.
    None,
}

/// A day as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrittenDay {
    pub(super) form: DayForm,
    /// The year had two digits: the century was added.
    pub(super) short_year: bool,
    /// The month was a word.
    pub(super) word_month: bool,
    /// A time stood behind it, other than midnight.
    pub(super) time: bool,
}

impl WrittenDay {
    const NONE: Self = Self::of(DayForm::None);

    const fn of(form: DayForm) -> Self {
        Self {
            form,
            short_year: false,
            word_month: false,
            time: false,
        }
    }
}

impl DayForm {
    /// The day if the numbers stand in this order.
    pub(super) fn in_order(self, order: DayOrder) -> Option<Date> {
        match self {
            Self::Certain(date) => Some(date),
            Self::Ordered {
                first,
                second,
                year,
            } => match order {
                DayOrder::DayFirst => Date::new(year, second, first).ok(),
                DayOrder::MonthFirst => Date::new(year, first, second).ok(),
            },
            Self::Number(_) | Self::None => None,
        }
    }

    /// The day if the first number is a year of two digits, and the last the day.
    pub(super) fn with_year_first(self) -> Option<Date> {
        let Self::Ordered {
            first,
            second,
            year,
        } = self
        else {
            return None;
        };
        let day = i8::try_from(year.rem_euclid(100)).ok()?;
        Date::new(2000 + i16::from(first), second, day).ok()
    }
}

/// A time behind a day.
#[derive(Clone, Copy)]
struct TimeOfDay {
    hour: u8,
    minute: u8,
    midnight: bool,
    /// In the time of Greenwich, whatever the clock on the wall said.
    utc: bool,
}

impl TimeOfDay {
    /// Whether London had this day too when it was this time of it in Greenwich.
    fn is_of(self, day: Date) -> bool {
        let text = format!("{day}T{:02}:{:02}:00Z", self.hour, self.minute);
        Instant::parse(&text).is_some_and(|instant| instant.london_day() == day)
    }
}

/// Day 0 of spreadsheets that count from 1900, and of those that count from 1904.
const EPOCHS: [Date; 2] = [Date::constant(1899, 12, 30), Date::constant(1904, 1, 1)];

/// The day of a spreadsheet's number, counted from 1900 or from 1904.
pub(super) fn of_number(number: i64, from_1904: bool) -> Option<Date> {
    let epoch = EPOCHS[usize::from(from_1904)];
    epoch
        .checked_add(jiff::Span::new().try_days(number).ok()?)
        .ok()
}

/// Reads a typed cell.
pub(super) fn written_day(typed: &str) -> WrittenDay {
    let (day, time) = without_time(typed);
    let mut written = numbers(day)
        .or_else(|| words(day))
        .or_else(|| number(typed))
        .unwrap_or(WrittenDay::NONE);
    let Some(time) = time else { return written };
    written.time |= !time.midnight;
    let orders = [DayOrder::DayFirst, DayOrder::MonthFirst].into_iter();
    let mut days = orders.filter_map(|order| written.form.in_order(order));
    // A program wrote it that keeps no time of here: which day people had is two readings.
    if time.utc && !days.all(|day| time.is_of(day)) {
        return WrittenDay::NONE;
    }
    written
}

/// The cell without a time behind the day, and that time.
fn without_time(typed: &str) -> (&str, Option<TimeOfDay>) {
    let cut = typed
        .char_indices()
        .find(|(_, character)| *character == ':');
    let Some((colon, _)) = cut else {
        return (typed, None);
    };
    let before = typed.get(..colon).unwrap_or_default();
    let Some(start) = before.rfind([' ', 'T']) else {
        return (typed, None);
    };
    let (day, time) = typed.split_at(start);
    let time = time.get(1..).unwrap_or_default();
    match time_of_day(time) {
        Some(time) => (day.trim_end_matches([' ', ',']), Some(time)),
        None => (typed, None),
    }
}

/// A time; nothing if it is none.
fn time_of_day(time: &str) -> Option<TimeOfDay> {
    let upper = time.to_ascii_uppercase();
    let (upper, utc) = match upper.strip_suffix('Z') {
        Some(before) => (before, true),
        None => (upper.as_str(), false),
    };
    let (clock, half) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(clock), _) => (clock.trim_end(), Some(false)),
        (_, Some(clock)) => (clock.trim_end(), Some(true)),
        _ => (upper, None),
    };
    let mut parts = clock.split(':');
    let hour: u8 = parts.next()?.parse().ok()?;
    let minute: u8 = parts.next()?.parse().ok()?;
    let second = parts.next().unwrap_or("0");
    let second: f32 = second.parse().ok()?;
    if parts.next().is_some() || hour > 24 || minute > 59 || second >= 60.0 {
        return None;
    }
    let hour = match half {
        Some(_) if hour > 12 || hour == 0 => return None,
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
        None => hour,
    };
    Some(TimeOfDay {
        hour,
        minute,
        midnight: hour == 0 && minute == 0 && second == 0.0,
        utc,
    })
}

/// Three numbers with one sign between them.
fn numbers(day: &str) -> Option<WrittenDay> {
    let sign = day.chars().find(|character| !character.is_ascii_digit())?;
    if !matches!(sign, '/' | '.' | '-' | ' ') {
        return None;
    }
    let mut parts = day.split(sign).map(str::trim);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = |text: &str, most: usize| {
        !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if parts.next().is_some() {
        return None;
    }
    if first.len() == 4 {
        if !(is_number(first, 4) && is_number(second, 2) && is_number(third, 2)) {
            return None;
        }
        let date = Date::new(
            first.parse().ok()?,
            second.parse().ok()?,
            third.parse().ok()?,
        );
        return Some(WrittenDay::of(date.map_or(DayForm::None, DayForm::Certain)));
    }
    if !(is_number(first, 2) && is_number(second, 2) && is_number(third, 4)) {
        return None;
    }
    let (year, short_year) = year(third)?;
    let form = DayForm::Ordered {
        first: first.parse().ok()?,
        second: second.parse().ok()?,
        year,
    };
    let orders = [DayOrder::DayFirst, DayOrder::MonthFirst];
    let some = orders
        .into_iter()
        .any(|order| form.in_order(order).is_some());
    Some(WrittenDay {
        short_year,
        ..WrittenDay::of(if some { form } else { DayForm::None })
    })
}

/// A year of four digits, or of two with this century before them.
fn year(text: &str) -> Option<(i16, bool)> {
    let number: i16 = text.parse().ok()?;
    match text.len() {
        4 => Some((number, false)),
        2 => Some((2000 + number, true)),
        _ => None,
    }
}

/// A day whose month is a word: `5 Mar 2026`, `05-Mar-26`, `March 5, 2026`, a right weekday before it or none.
fn words(day: &str) -> Option<WrittenDay> {
    let mut month = None;
    let mut weekday = None;
    let mut numbers: Vec<&str> = Vec::with_capacity(2);
    for part in day
        .split([' ', ',', '-', '/', '.'])
        .filter(|part| !part.is_empty())
    {
        if part.starts_with(|character: char| character.is_ascii_digit()) {
            numbers.push(part);
        } else if let Some(found) = named(part, &MONTHS, 3) {
            if month.replace(found).is_some() {
                return None;
            }
        } else if let Some(found) = named(part, &WEEKDAYS, 2) {
            if weekday.replace(found).is_some() {
                return None;
            }
        } else if !part.eq_ignore_ascii_case("of") {
            return None;
        }
    }
    let month = i8::try_from(month? + 1).ok()?;
    let [first, second] = numbers[..] else {
        return None;
    };
    let four = |text: &str| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (day, year_text) = if four(first) {
        (second, first)
    } else {
        (first, second)
    };
    let (year, short_year) = year(year_text)?;
    let ordinal = ["st", "nd", "rd", "th"];
    let digits = ordinal.iter().find_map(|ending| day.strip_suffix(ending));
    let date = Date::new(year, month, digits.unwrap_or(day).parse().ok()?).ok();
    let date = date.filter(|date| weekday.is_none_or(|day| agrees(*date, day)));
    Some(WrittenDay {
        short_year,
        word_month: true,
        ..WrittenDay::of(date.map_or(DayForm::None, DayForm::Certain))
    })
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// The place of a name that was written out or cut short, in so many letters at least.
fn named(part: &str, names: &[&str], least: usize) -> Option<usize> {
    let lower = part.to_ascii_lowercase();
    if lower.len() < least {
        return None;
    }
    let mut found = names
        .iter()
        .enumerate()
        .filter(|(_, name)| name.starts_with(&lower) || (lower == "sept" && **name == "september"));
    let (place, _) = found.next()?;
    found.next().is_none().then_some(place)
}

fn agrees(date: Date, weekday: usize) -> bool {
    let offset = date.weekday().since(Weekday::Monday);
    usize::try_from(offset).is_ok_and(|offset| offset == weekday)
}

/// A spreadsheet's number of a day, with a part of a day behind it or none.
fn number(typed: &str) -> Option<WrittenDay> {
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = typed.split_once('.').unwrap_or((typed, "0"));
    if whole.len() == 5 && plain(whole) && plain(part) {
        return Some(WrittenDay {
            time: part.bytes().any(|byte| byte != b'0'),
            ..WrittenDay::of(DayForm::Number(whole.parse().ok()?))
        });
    }
    let (number, digits) = powers_of_ten(typed)?;
    let text = format!("{number:.0}");
    if text.len() == 5 && digits >= 5 && number.fract() == 0.0 {
        return Some(WrittenDay::of(DayForm::Number(text.parse().ok()?)));
    }
    None
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn certain(day: Date) -> DayForm {
        DayForm::Certain(day)
    }

    const FIFTH: DayForm = DayForm::Ordered {
        first: 5,
        second: 3,
        year: 2026,
    };

    #[test]
    fn forms_of_a_day_are_told_apart() {
        let fifth = date(2026, 3, 5);
        let cases = [
            ("05/03/2026", FIFTH),
            ("5/3/2026", FIFTH),
            ("05.03.2026", FIFTH),
            ("05 03 2026", FIFTH),
            ("05/03/26", FIFTH),
            ("05/03/2026 00:00", FIFTH),
            ("05/03/2026 12:00:00 AM", FIFTH),
            ("2026-03-05", certain(fifth)),
            ("2026/03/05", certain(fifth)),
            ("2026-03-05T00:00:00", certain(fifth)),
            ("2026-03-05T23:30:00Z", certain(fifth)),
            ("2026-06-04T22:59:59Z", certain(date(2026, 6, 4))),
            ("2026-06-04T23:00:00", certain(date(2026, 6, 4))),
            // In London it was the 5th of June; of 6 May and 5 June the same.
            ("2026-06-04T23:00:00Z", DayForm::None),
            ("2026-06-04 23:00:00.000z", DayForm::None),
            ("05/06/2026 11:30 PMZ", DayForm::None),
            ("2026-06-04T24:00:00Z", DayForm::None),
            ("5 Mar 2026", certain(fifth)),
            ("05-Mar-26", certain(fifth)),
            ("March 5, 2026", certain(fifth)),
            ("5th March 2026", certain(fifth)),
            ("30th March 2026", certain(date(2026, 3, 30))),
            ("2026 March 5", certain(fifth)),
            ("Thursday 5 March 2026", certain(fifth)),
            ("46086", DayForm::Number(46086)),
            ("46106.4166667", DayForm::Number(46106)),
            ("4.6106E+04", DayForm::Number(46106)),
            ("Friday 5 March 2026", DayForm::None),
            ("31/02/2026", DayForm::None),
            ("15/13/2026", DayForm::None),
            ("00/03/2026", DayForm::None),
            ("2026-02-31", DayForm::None),
            ("05/03", DayForm::None),
            ("5-Mar", DayForm::None),
            ("Mar 2026", DayForm::None),
            ("03/2026", DayForm::None),
            ("w/c 1 March", DayForm::None),
            ("3-5/03/2026", DayForm::None),
            ("3 and 10 March", DayForm::None),
            ("01/03/2026 - 05/03/2026", DayForm::None),
            ("last Tuesday", DayForm::None),
            ("4.6E+04", DayForm::None),
            ("1900", DayForm::None),
            ("", DayForm::None),
        ];
        for (typed, form) in cases {
            assert_eq!(written_day(typed).form, form, "{typed}");
        }
    }

    #[test]
    fn what_was_added_or_left_out_is_known() {
        assert!(written_day("05/03/26").short_year && !written_day("05/03/2026").short_year);
        assert!(written_day("05/03/2026 14:30").time && written_day("05/03/2026 2:30 PM").time);
        assert!(!written_day("05/03/2026 00:00:00").time && !written_day("46106").time);
        assert!(written_day("46106.4166667").time);
        assert!(written_day("5 Mar 2026").word_month);
    }

    #[test]
    fn numbers_of_days_are_counted_from_either_year() {
        assert_eq!(of_number(46106, false), Some(date(2026, 3, 25)));
        assert_eq!(of_number(44644, true), Some(date(2026, 3, 25)));
        assert_eq!(of_number(i64::MAX, false), None);
    }
}
