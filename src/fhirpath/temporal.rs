//! Dates, dateTimes and times of partial precision, compared only as far as both go.
//!
//! Text goes in and comes out as it was written: what was not said stays unsaid.
//!
//! # Source
//! `FHIRPath` N1 §4.1, §6.2; FHIR R4 `datatypes.html#dateTime`.

use std::cmp::Ordering;
use std::fmt;

/// What a temporal is: a date has no time of day even where it has a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TemporalKind {
    Date,
    DateTime,
    Time,
}

impl TemporalKind {
    /// The type's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Date => "Date",
            Self::DateTime => "DateTime",
            Self::Time => "Time",
        }
    }
}

/// How far a temporal goes; seconds and their fraction are one precision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// A date, dateTime or time of whatever precision it was written with.
#[derive(Clone, Copy)]
pub(crate) struct Temporal {
    pub(super) shape: TemporalKind,
    /// The last part that is known.
    pub(super) known: Precision,
    pub(super) year: i16,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    /// Of the minute.
    pub(super) nanoseconds: u64,
    /// Digits of the fraction of a second.
    pub(super) fraction: u8,
    /// Minutes east of UTC.
    pub(super) offset: Option<i16>,
    /// The offset was written `Z`.
    pub(super) zulu: bool,
}

/// Nanoseconds of a second.
pub(super) const SECOND: u64 = 1_000_000_000;

impl Temporal {
    const fn blank(shape: TemporalKind) -> Self {
        Temporal {
            shape,
            known: Precision::Year,
            year: 0,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            nanoseconds: 0,
            fraction: 0,
            offset: None,
            zulu: false,
        }
    }

    /// Parses `YYYY[-MM[-DD]][T[hh[:mm[:ss[.f]]]][Z|±hh:mm]]`; with a `T` it is a dateTime.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut found = Self::blank(if time.is_some() {
            TemporalKind::DateTime
        } else {
            TemporalKind::Date
        });
        let mut pieces = date.split('-');
        found.year = number(pieces.next()?, 4, 1, 9999)?;
        if let Some(month) = pieces.next() {
            found.month = number(month, 2, 1, 12)?;
            found.known = Precision::Month;
        }
        if let Some(day) = pieces.next() {
            found.day = number(day, 2, 1, 31)?;
            found.known = Precision::Day;
        }
        if pieces.next().is_some() || found.day > last_day(found.year, found.month) {
            return None;
        }
        let Some(time) = time.filter(|time| !time.is_empty()) else {
            return Some(found);
        };
        if found.known != Precision::Day {
            return None;
        }
        let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
        let (clock, zone) = time.split_at(at);
        found.read_clock(clock)?;
        found.read_offset(zone)?;
        Some(found)
    }

    /// Parses `hh[:mm[:ss[.f]]]`, without an offset.
    pub(super) fn parse_time(text: &str) -> Option<Self> {
        let mut found = Self::blank(TemporalKind::Time);
        found.read_clock(text)?;
        Some(found)
    }

    fn read_clock(&mut self, clock: &str) -> Option<()> {
        let mut pieces = clock.split(':');
        self.hour = number(pieces.next()?, 2, 0, 23)?;
        self.known = Precision::Hour;
        if let Some(minute) = pieces.next() {
            self.minute = number(minute, 2, 0, 59)?;
            self.known = Precision::Minute;
        }
        if let Some(second) = pieces.next() {
            let (whole, fraction) = match second.split_once('.') {
                Some((_, "")) => return None,
                Some((whole, fraction)) => (whole, fraction),
                None => (second, ""),
            };
            if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let digits = fraction.chars().chain("000000000".chars()).take(9);
            let nanoseconds: u64 = digits.collect::<String>().parse().ok()?;
            self.nanoseconds = number::<u64>(whole, 2, 0, 60)? * SECOND + nanoseconds;
            self.fraction = u8::try_from(fraction.len().min(9)).ok()?;
            self.known = Precision::Second;
        }
        pieces.next().is_none().then_some(())
    }

    /// Fills the offset in where one is written; none if it cannot be read or has no minute before it.
    fn read_offset(&mut self, zone: &str) -> Option<()> {
        if zone.is_empty() {
            return Some(());
        }
        if self.known < Precision::Minute {
            return None;
        }
        if zone == "Z" {
            self.offset = Some(0);
            self.zulu = true;
            return Some(());
        }
        let sign = if zone.starts_with('-') { -1 } else { 1 };
        let (hours, minutes) = zone.get(1..)?.split_once(':')?;
        let minutes = number::<i16>(hours, 2, 0, 14)? * 60 + number::<i16>(minutes, 2, 0, 59)?;
        self.offset = Some(sign * minutes);
        Some(())
    }

    /// Whether it has a day at least: shorter texts of a tree may be anything.
    pub(super) fn has_day(self) -> bool {
        self.known >= Precision::Day
    }

    pub(super) fn same_precision(self, other: Self) -> bool {
        self.known == other.known
    }

    /// The day alone.
    pub(super) fn date(self) -> Self {
        Temporal {
            shape: TemporalKind::Date,
            known: self.known.min(Precision::Day),
            ..Self::blank(TemporalKind::Date).with_day(self.year, self.month, self.day)
        }
    }

    pub(super) fn with_day(mut self, year: i16, month: u8, day: u8) -> Self {
        (self.year, self.month, self.day) = (year, month, day);
        self
    }

    fn parts(self) -> [Option<i64>; 6] {
        let all = [
            i64::from(self.year),
            i64::from(self.month),
            i64::from(self.day),
            i64::from(self.hour),
            i64::from(self.minute),
            i64::try_from(self.nanoseconds).unwrap_or(i64::MAX),
        ];
        let mut parts = [None; 6];
        for (at, part) in all.into_iter().enumerate().take(self.known as usize + 1) {
            parts[at] = Some(part);
        }
        parts
    }

    /// Compares part by part; none where one has a part that the other lacks. Two with offsets compare in
    /// UTC. With an offset on one side only, days compare as written, since an offset states the local day;
    /// on the same day the clock cannot decide.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        let (mut own, mut others) = (self.parts(), other.parts());
        let mut known = own.len();
        match (self.offset, other.offset) {
            (Some(own_offset), Some(other_offset)) => {
                own = in_utc(own, own_offset)?;
                others = in_utc(others, other_offset)?;
            }
            (None, None) => {}
            _ => known = 3,
        }
        for at in 0..own.len() {
            match (own[at], others[at]) {
                (Some(left), Some(right)) if at < known => match left.cmp(&right) {
                    Ordering::Equal => {}
                    decided => return Some(decided),
                },
                (None, None) => return Some(Ordering::Equal),
                _ => return None,
            }
        }
        Some(Ordering::Equal)
    }
}

fn number<N: std::str::FromStr + PartialOrd>(
    text: &str,
    length: usize,
    least: N,
    most: N,
) -> Option<N> {
    if text.len() != length || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse()
        .ok()
        .filter(|value| (least..=most).contains(value))
}

/// The last day of a month.
pub(super) fn last_day(year: i16, month: u8) -> u8 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since a fixed day long ago. Years begin in March here, so that the leap day comes last.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 153 + 2) / 5 + day
}

/// The same moment in UTC. The day becomes a count of minutes in the year's place, which orders alike.
fn in_utc(parts: [Option<i64>; 6], offset: i16) -> Option<[Option<i64>; 6]> {
    let [
        Some(year),
        Some(month),
        Some(day),
        Some(hour),
        Some(minute),
        seconds,
    ] = parts
    else {
        return None;
    };
    let minutes = days(year, month, day) * 1440 + hour * 60 + minute - i64::from(offset);
    Some([Some(minutes), Some(0), Some(0), Some(0), Some(0), seconds])
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shape != TemporalKind::Time {
            write!(f, "{:04}", self.year)?;
            if self.known >= Precision::Month {
                write!(f, "-{:02}", self.month)?;
            }
            if self.known >= Precision::Day {
                write!(f, "-{:02}", self.day)?;
            }
            if self.known >= Precision::Hour {
                f.write_str("T")?;
            }
        }
        if self.known >= Precision::Hour {
            write!(f, "{:02}", self.hour)?;
        }
        if self.known >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.known >= Precision::Second {
            write!(f, ":{:02}", self.nanoseconds / SECOND)?;
        }
        if self.known >= Precision::Second && self.fraction > 0 {
            let digits = format!("{:09}", self.nanoseconds % SECOND);
            let shown = digits.get(..usize::from(self.fraction)).unwrap_or(&digits);
            write!(f, ".{shown}")?;
        }
        match self.offset {
            Some(0) if self.zulu => f.write_str("Z"),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                let offset = offset.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", offset / 60, offset % 60)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_dates_compare_only_as_far_as_they_go() {
        let less = Some(Ordering::Less);
        let equal = Some(Ordering::Equal);
        for (left, right, expected) in [
            ("2026", "2027-01", less),
            ("2026", "2026-01", None),
            ("2026-11", "2026-11", equal),
            ("2026-11-20", "2026-11-20T09:00:00Z", None),
            ("2026-11-20T09:00:00Z", "2026-11-21", less),
            ("2026-11-20T10:00:00+01:00", "2026-11-20T09:00:00Z", equal),
            (
                "2026-12-31T23:30:00-01:00",
                "2027-01-01T00:30:00.001Z",
                less,
            ),
            ("2026-11-20T09:00Z", "2026-11-20T09:00:01Z", None),
            ("2026-11-20T09:00:00", "2026-11-20T10:00:00Z", None),
        ] {
            let (left, right) = (
                Temporal::parse(left).unwrap(),
                Temporal::parse(right).unwrap(),
            );
            assert!(left.compare(right) == expected);
        }
        for bad in [
            "",
            "26",
            "2026-13",
            "2026-02-29",
            "2026-1",
            "2026-11-20T25:00",
            "2026-11T09:00",
            "21/11/2026",
            "2026-11-20T09Z",
        ] {
            assert!(Temporal::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn texts_come_out_as_they_went_in() {
        for text in [
            "2026",
            "2026-02",
            "2024-02-29",
            "2026-11-20T09",
            "2026-11-20T09:00Z",
            "2026-11-20T09:00:00.010+01:00",
            "2026-11-20T09:00:59-05:30",
        ] {
            assert_eq!(Temporal::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Temporal::parse("2026T").unwrap().to_string(), "2026");
        assert_eq!(
            Temporal::parse_time("09:05:01.5").unwrap().to_string(),
            "09:05:01.5"
        );
        assert!(Temporal::parse_time("09:05Z").is_none());
    }
}
