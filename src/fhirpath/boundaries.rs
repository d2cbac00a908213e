//! Dates and times moved by a duration, and the first and last moment that a partial one could stand for.
//!
//! Kept: the precision that was written. A duration finer than it counts only in whole steps of it, and what is
//! not a date any more (before year 1, after 9999) is nothing.
//!
//! # Source
//! `FHIRPath` N1 §6.7 (date arithmetic); continuous build §5.9 (`lowBoundary`, `highBoundary`, `precision`).

use super::temporal::{Precision, SECOND, Temporal, TemporalKind, days, last_day};
use super::units::Duration;

const MINUTE: i128 = 60 * SECOND as i128;
const HOUR: i128 = 60 * MINUTE;
const DAY: i128 = 24 * HOUR;

/// Minutes east of UTC of the earliest and the latest place a day can begin or end at.
const EARLIEST: i16 = 14 * 60;
const LATEST: i16 = -12 * 60;

/// Moves a temporal by whole durations; none outside the years 1 to 9999.
pub(super) fn moved(moment: Temporal, by: Duration) -> Option<Temporal> {
    match by {
        Duration::Months(months) if moment.known == Precision::Year => {
            add_months(moment, months / 12 * 12)
        }
        Duration::Months(months) => add_months(moment, months),
        Duration::Nanoseconds(step) => {
            let in_days = i64::try_from(step / DAY).ok()?;
            match moment.known {
                Precision::Year => add_months(moment, (in_days / 365).checked_mul(12)?),
                Precision::Month => add_months(moment, in_days / 30),
                Precision::Day => add(moment, i128::from(in_days) * DAY),
                Precision::Hour => add(moment, step / HOUR * HOUR),
                Precision::Minute => add(moment, step / MINUTE * MINUTE),
                Precision::Second => add(moment, step),
            }
        }
    }
}

fn add_months(moment: Temporal, months: i64) -> Option<Temporal> {
    let from = i64::from(moment.year) * 12 + i64::from(moment.month) - 1;
    let to = from.checked_add(months)?;
    let year = i16::try_from(to.div_euclid(12)).ok()?;
    let month = u8::try_from(to.rem_euclid(12) + 1).ok()?;
    if !(1..=9999).contains(&year) {
        return None;
    }
    let day = moment.day.min(last_day(year, month));
    Some(moment.with_day(year, month, day))
}

fn add(moment: Temporal, step: i128) -> Option<Temporal> {
    let clock = i128::from(moment.hour) * HOUR
        + i128::from(moment.minute) * MINUTE
        + i128::from(moment.nanoseconds);
    let total = clock.checked_add(step)?;
    let of_day = total.rem_euclid(DAY);
    let mut moved = moment;
    if moment.shape != TemporalKind::Time {
        let from = days(moment.year.into(), moment.month.into(), moment.day.into());
        let to = from.checked_add(i64::try_from(total.div_euclid(DAY)).ok()?)?;
        let (year, month, day) = civil(to)?;
        moved = moved.with_day(year, month, day);
    }
    moved.hour = u8::try_from(of_day / HOUR).ok()?;
    moved.minute = u8::try_from(of_day % HOUR / MINUTE).ok()?;
    moved.nanoseconds = u64::try_from(of_day % MINUTE).ok()?;
    if moved.fraction < 3 && !moved.nanoseconds.is_multiple_of(SECOND) {
        moved.fraction = 3;
    }
    Some(moved)
}

/// The date of a count of [`days`]; none outside the years 1 to 9999.
fn civil(count: i64) -> Option<(i16, u8, u8)> {
    let first = days(1, 1, 1);
    if !(first..=days(9999, 12, 31)).contains(&count) {
        return None;
    }
    // The year is never further off than one.
    let mut year = 1 + (count - first) / 366;
    while days(year + 1, 1, 1) <= count {
        year += 1;
    }
    let mut month = 12;
    while month > 1 && days(year, month, 1) > count {
        month -= 1;
    }
    let day = count - days(year, month, 1) + 1;
    Some((
        i16::try_from(year).ok()?,
        u8::try_from(month).ok()?,
        u8::try_from(day).ok()?,
    ))
}

/// The digits of a temporal: 8 of a day, 17 of a millisecond; of a time of day 9.
pub(super) fn precision(moment: Temporal) -> i64 {
    let digits = match moment.known {
        Precision::Year => 4,
        Precision::Month => 6,
        Precision::Day => 8,
        Precision::Hour => 10,
        Precision::Minute => 12,
        Precision::Second => 14 + i64::from(moment.fraction),
    };
    if moment.shape == TemporalKind::Time {
        digits - 8
    } else {
        digits
    }
}

/// The earliest (or latest) moment it could stand for, to that many digits; none if there is no such precision.
pub(super) fn boundary(moment: Temporal, digits: Option<i64>, latest: bool) -> Option<Temporal> {
    let digits = match (digits, moment.shape) {
        (Some(digits), TemporalKind::Time) => digits.saturating_add(8),
        (Some(digits), _) => digits,
        (None, TemporalKind::Date) => 8,
        (None, _) => 17,
    };
    let to = match digits {
        4 => Precision::Year,
        6 => Precision::Month,
        8 => Precision::Day,
        10 => Precision::Hour,
        12 => Precision::Minute,
        14 | 17 => Precision::Second,
        _ => return None,
    };
    let least = if moment.shape == TemporalKind::Time {
        Precision::Hour
    } else {
        Precision::Year
    };
    let most = if moment.shape == TemporalKind::Date {
        Precision::Day
    } else {
        Precision::Second
    };
    if !(least..=most).contains(&to) {
        return None;
    }
    let mut filled = moment;
    if latest {
        if moment.known < Precision::Month {
            filled.month = 12;
        }
        if moment.known < Precision::Day {
            filled.day = last_day(filled.year, filled.month);
        }
        if moment.known < Precision::Hour {
            filled.hour = 23;
        }
        if moment.known < Precision::Minute {
            filled.minute = 59;
        }
        if moment.known < Precision::Second {
            filled.nanoseconds = 60 * SECOND - 1;
        } else {
            filled.nanoseconds += 10_u64.pow(9 - u32::from(moment.fraction.min(9))) - 1;
        }
    }
    filled.known = to;
    filled.fraction = if digits == 17 { 3 } else { 0 };
    if moment.shape == TemporalKind::DateTime && to > Precision::Day {
        filled.offset = moment
            .offset
            .or(Some(if latest { LATEST } else { EARLIEST }));
    } else {
        filled.offset = None;
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Temporal {
        Temporal::parse(text).unwrap()
    }

    #[test]
    fn dates_move_as_calendars_do() {
        let days = |count: i128| Duration::Nanoseconds(count * DAY);
        for (from, by, expected) in [
            ("1973-12-25", days(7), "1974-01-01"),
            ("2024-01-31", Duration::Months(1), "2024-02-29"),
            ("2023-03-31", Duration::Months(-1), "2023-02-28"),
            ("2024-02-29", Duration::Months(12), "2025-02-28"),
            ("2024", Duration::Months(30), "2026"),
            ("2024", days(364), "2024"),
            ("2024-01", days(-61), "2023-11"),
            ("0001-01-01", days(3_652_058), "9999-12-31"),
            (
                "2024-01-01T00:00Z",
                Duration::Nanoseconds(-1),
                "2024-01-01T00:00Z",
            ),
            (
                "2024-01-01T00:00Z",
                Duration::Nanoseconds(-MINUTE),
                "2023-12-31T23:59Z",
            ),
        ] {
            assert_eq!(moved(moment(from), by).unwrap().to_string(), expected);
        }
        assert!(moved(moment("9999-12-31"), days(1)).is_none());
        assert!(moved(moment("0001-01"), Duration::Months(-1)).is_none());
        let late = Temporal::parse_time("23:30").unwrap();
        assert_eq!(
            moved(late, Duration::Nanoseconds(HOUR))
                .unwrap()
                .to_string(),
            "00:30"
        );
    }

    #[test]
    fn partial_dates_have_a_first_and_a_last_moment() {
        for (text, latest, digits, expected) in [
            ("2014", false, Some(6), "2014-01"),
            ("2014", true, None, "2014-12-31"),
            ("2024-02", true, None, "2024-02-29"),
            ("2010-10-10T", false, None, "2010-10-10T00:00:00.000+14:00"),
            ("2010-10-10T", true, None, "2010-10-10T23:59:59.999-12:00"),
            (
                "2014-01-01T08:05:07.5Z",
                true,
                None,
                "2014-01-01T08:05:07.599Z",
            ),
        ] {
            let found = boundary(moment(text), digits, latest).unwrap();
            assert_eq!(found.to_string(), expected);
        }
        assert!(boundary(moment("2014"), Some(5), true).is_none());
        assert_eq!(precision(moment("2014-01-05T10:30:00.000")), 17);
    }
}
