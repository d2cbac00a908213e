//! FHIR dates as the span of time they stand for, and the two ways in which the server writes an instant.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The half-open span, in microseconds UTC, of a FHIR date, dateTime or instant of any precision.
pub(super) fn span(text: &str) -> Option<(i64, i64)> {
    let days = |first: Date, next: Option<Date>| Some((midnight(first)?, midnight(next?)?));
    match text.len() {
        4 => {
            let first = Date::new(text.parse().ok()?, 1, 1).ok()?;
            days(first, first.checked_add(1.year()).ok())
        }
        7 => {
            let first: Date = format!("{text}-01").parse().ok()?;
            days(first, first.checked_add(1.month()).ok())
        }
        10 => {
            let first: Date = text.parse().ok()?;
            days(first, first.checked_add(1.day()).ok())
        }
        _ => {
            let start = text.parse::<Timestamp>().ok()?.as_microsecond();
            Some((start, start + precision(text)))
        }
    }
}

/// How many microseconds the last digit of the seconds stands for.
fn precision(text: &str) -> i64 {
    let digits = text.split_once('.').map_or(0, |(_, rest)| {
        rest.chars().take_while(char::is_ascii_digit).count()
    });
    let digits = u32::try_from(digits.min(6)).unwrap_or(6);
    10_i64.pow(6 - digits)
}

fn midnight(day: Date) -> Option<i64> {
    let zoned = day.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_microsecond())
}

fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A FHIR instant, to the millisecond as most servers write it.
pub(super) fn instant(micros: i64) -> String {
    timestamp(micros)
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

/// The form of the HTTP `Date` and `Last-Modified` headers.
pub(super) fn http(micros: i64) -> String {
    let time = timestamp(micros);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A fixed instant for tests.
#[cfg(test)]
pub(super) fn noon() -> i64 {
    midnight(jiff::civil::date(2026, 11, 22)).unwrap() + 12 * 3_600_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_the_precision_given() {
        let second = 1_000_000;
        for (text, length) in [
            ("2026", Some(365 * 86_400 * second)),
            ("2026-11", Some(30 * 86_400 * second)),
            ("2026-11-22", Some(86_400 * second)),
            ("2026-11-22T12:00:00Z", Some(second)),
            ("2026-11-22T12:00:00.250+01:00", Some(1_000)),
            ("21/11/2026", None),
            ("2026-11-22T12:00:00", None),
        ] {
            let found = span(text).map(|(start, end)| end - start);
            assert_eq!(found, length, "{text}");
        }
    }

    #[test]
    fn instants_are_written_in_both_forms() {
        assert_eq!(instant(noon()), "2026-11-22T12:00:00.000Z");
        assert_eq!(http(noon()), "Sun, 22 Nov 2026 12:00:00 GMT");
    }
}
