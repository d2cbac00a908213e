//! The days that a date, a month, a year or an instant of a record covers, in London.
//!
//! A text of a record comes in; its first and last day go out, or nothing for what no calendar and no clock has. Kept: a day is
//! never made up, and an instant without an offset is London time.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use super::clock::london;

/// First and last London day of `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, or of a day with its time; none for any other text.
pub(crate) fn recorded_days(text: &str) -> Option<(Date, Date)> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let year = i16::try_from(digits(bytes.get(..4)?)?).ok()?;
    let part = |from: usize| {
        let number = digits(bytes.get(from + 1..from + 3)?)?;
        (bytes[from] == b'-').then(|| i8::try_from(number).ok())?
    };
    match bytes.get(10) {
        None if bytes.len() == 4 => {
            Some((Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?))
        }
        None if bytes.len() == 7 => {
            let first = Date::new(year, part(4)?, 1).ok()?;
            Some((first, first.last_of_month()))
        }
        None if bytes.len() == 10 => {
            let day = Date::new(year, part(4)?, part(7)?).ok()?;
            Some((day, day))
        }
        Some(b'T') => {
            let day = Date::new(year, part(4)?, part(7)?).ok()?;
            let day = london_day_of(day, &bytes[11..])?;
            Some((day, day))
        }
        _ => None,
    }
}

/// The London day of a full date or of an instant; a month, a year and what is no date have none.
pub(crate) fn recorded_day(text: &str) -> Option<Date> {
    let (first, last) = recorded_days(text)?;
    (first == last).then_some(first)
}

/// The London day of a time on a day, with its offset if it has one.
fn london_day_of(day: Date, text: &[u8]) -> Option<Date> {
    let (time, offset) = time_and_offset(text)?;
    let Some(offset) = offset else {
        return Some(day);
    };
    // London was never more than two hours ahead of the sun: nearly every instant is settled without a calendar.
    if offset == 0 && time.hour() < 22 && day.year() >= 1900 {
        return Some(day);
    }
    let offset = Offset::from_seconds(offset).ok()?;
    let instant = offset.to_timestamp(DateTime::from_parts(day, time)).ok()?;
    Some(instant.to_zoned(london()).date())
}

/// `hh:mm`, seconds and their parts, and the offset in seconds.
fn time_and_offset(text: &[u8]) -> Option<(Time, Option<i32>)> {
    let hour_and_minute = |text: &[u8]| {
        let (hour, minute) = (digits(text.get(..2)?)?, digits(text.get(3..5)?)?);
        (text[2] == b':' && hour < 24 && minute < 60).then_some((hour, minute))
    };
    let (hour, minute) = hour_and_minute(text)?;
    let mut rest = &text[5..];
    let mut second = 0;
    if rest.first() == Some(&b':') {
        second = digits(rest.get(1..3)?)?;
        rest = &rest[3..];
        if rest.first() == Some(&b'.') {
            let length = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
            rest = &rest[1 + length..];
            if length == 0 {
                return None;
            }
        }
    }
    let offset = match rest {
        [] => None,
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), zone @ ..] if zone.len() == 5 => {
            let (hours, minutes) = hour_and_minute(zone)?;
            let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    // A leap second is a moment; the calendar that we have knows none.
    let second = (second <= 60).then(|| i8::try_from(second.min(59)).ok())??;
    let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
    Some((Time::new(hour, minute, second, 0).ok()?, offset))
}

/// A whole number written in digits alone.
fn digits(text: &[u8]) -> Option<u16> {
    let all = text.iter().all(u8::is_ascii_digit);
    let number = || {
        text.iter()
            .fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0'))
    };
    all.then(number)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_date_covers_its_days_and_an_impossible_one_none() {
        let day = |y, m, d| Some((date(y, m, d), date(y, m, d)));
        let table = [
            ("2026", Some((date(2026, 1, 1), date(2026, 12, 31)))),
            ("2024-02", Some((date(2024, 2, 1), date(2024, 2, 29)))),
            (" 2026-11-19 ", day(2026, 11, 19)),
            // Without an offset: London time.
            ("2026-11-19T09:00:00", day(2026, 11, 19)),
            ("2026-07-01T23:30:00", day(2026, 7, 1)),
            ("2026-07-01T23:30:00Z", day(2026, 7, 2)),
            ("2026-07-01T23:30:00.123Z", day(2026, 7, 2)),
            ("2026-11-19T23:30:00-05:00", day(2026, 11, 20)),
            ("2026-11-19T00:30:00+01:00", day(2026, 11, 18)),
            ("2026-11-19T09:00", day(2026, 11, 19)),
            ("2016-12-31T23:59:60Z", day(2016, 12, 31)),
        ];
        for (text, days) in table {
            assert_eq!(recorded_days(text), days, "{text}");
        }
        for impossible in [
            "2026-02-30",
            "2026-13-01",
            "2026-00-10",
            "2026-13",
            "2026-02-30T09:00:00Z",
            "2026-11-19T25:61:00Z",
            "2026-11-19T25:61",
            "2026-11-19T24:00:00Z",
            "2026-11-19T09:00:61Z",
            "2026-11-19T09:00:00+25:00",
            "2026-11-19T09:00:00.Z",
            "2026-11-19T09:00:00z",
            "2026-11-19 09:00",
            "2026-11-19T",
            "2026/11/19",
            "1950-+1-02",
            "19/11/2026",
            "soon",
            "",
            "20261119",
            "2026-é1-19",
        ] {
            assert_eq!(recorded_days(impossible), None, "{impossible}");
        }
        assert_eq!(recorded_day("2026-11"), None);
        assert_eq!(
            recorded_day("2026-11-19T09:00:00"),
            Some(date(2026, 11, 19))
        );
    }
}
