//! Time as a value: instants in microseconds UTC, London days, and the clock they come from.

use std::sync::Mutex;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// An instant in microseconds since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Instant(pub(crate) i64);

impl Instant {
    /// The start of the epoch: earlier than anything recorded.
    pub(crate) const ZERO: Self = Self(0);

    /// Reads an RFC 3339 instant.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(Self::from_timestamp)
    }

    fn from_timestamp(timestamp: Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The London civil day that contains this instant.
    pub(crate) fn london_day(self) -> Date {
        self.timestamp().to_zoned(london()).date()
    }

    /// The London wall clock, `2026-11-23 06:00`, for people.
    pub(crate) fn london_text(self) -> String {
        self.timestamp()
            .to_zoned(london())
            .strftime("%Y-%m-%d %H:%M")
            .to_string()
    }

    /// The same in words, `23 November 2026 06:00`.
    pub(crate) fn london_words(self) -> String {
        self.timestamp()
            .to_zoned(london())
            .strftime("%-d %B %Y %H:%M")
            .to_string()
    }

    /// The instant as `2026-11-23T06:00:00Z`, whole seconds.
    pub(crate) fn utc_text(self) -> String {
        self.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The instant on the wall clock of a zone.
    pub(crate) fn zoned(self, zone: TimeZone) -> jiff::Zoned {
        self.timestamp().to_zoned(zone)
    }

    /// This instant moved by whole seconds.
    pub(crate) fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Whole days from this instant to a later one.
    pub(crate) fn days_until(self, later: Self) -> i64 {
        later.0.saturating_sub(self.0) / 86_400_000_000
    }

    /// The first instant of a London civil day.
    pub(crate) fn london_midnight(day: Date) -> Self {
        day.to_zoned(london())
            .map_or(Self::ZERO, |zoned| Self::from_timestamp(zoned.timestamp()))
    }
}

/// Days since 1970-01-01, the form in which the store keeps civil days.
pub(crate) fn day_number(day: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    day.since(epoch)
        .map_or(0, |span| i64::from(span.get_days()))
}

/// The civil day of a day number.
pub(crate) fn day_from_number(number: i64) -> Date {
    let epoch = Date::constant(1970, 1, 1);
    jiff::Span::new()
        .try_days(number)
        .and_then(|span| epoch.checked_add(span))
        .unwrap_or(epoch)
}

/// Europe/London, from the time zone data in the binary.
pub(crate) fn london() -> TimeZone {
    static LONDON: std::sync::OnceLock<TimeZone> = std::sync::OnceLock::new();
    LONDON
        .get_or_init(|| TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC))
        .clone()
}

/// Where the time comes from; decisions, names and events all use the one that the run was given.
pub(crate) trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Instant;

    /// Whether it stands where somebody put it: then it says nothing of how right another clock is.
    fn fixed(&self) -> bool {
        false
    }
}

/// The machine's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock; all others are given an instant"
    )]
    fn now(&self) -> Instant {
        Instant::from_timestamp(Timestamp::now())
    }
}

/// A clock that stands where it was put (`--as-of`, the demo, tests).
pub(crate) struct FixedClock(Mutex<Instant>);

impl FixedClock {
    /// A clock that stands at `at`.
    pub(crate) fn new(at: Instant) -> Self {
        Self(Mutex::new(at))
    }
}

impl Clock for FixedClock {
    fn fixed(&self) -> bool {
        true
    }

    fn now(&self) -> Instant {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A month as year × 12 + month − 1.
pub(crate) fn month_number(day: jiff::civil::Date) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month()) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn london_days_follow_summer_time() {
        let table = [
            ("2026-11-22T23:59:59Z", "2026-11-22"),
            ("2026-07-01T23:30:00Z", "2026-07-02"),
            ("2026-03-29T00:59:00Z", "2026-03-29"),
        ];
        for (instant, day) in table {
            let instant = Instant::parse(instant).expect("a good instant");
            assert_eq!(instant.london_day().to_string(), day);
        }
    }

    #[test]
    fn day_numbers_go_there_and_back() {
        for text in ["1970-01-01", "2026-11-23", "2028-02-29"] {
            let day: Date = text.parse().expect("a good day");
            assert_eq!(day_from_number(day_number(day)), day);
        }
        assert_eq!(day_number(Date::constant(1970, 1, 2)), 1);
    }

    #[test]
    fn midnight_is_the_start_of_the_london_day() {
        let midnight = Instant::london_midnight(Date::constant(2026, 7, 2));
        assert_eq!(midnight.utc_text(), "2026-07-01T23:00:00Z");
    }
}
