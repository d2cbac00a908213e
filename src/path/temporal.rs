//! Dates and dateTimes of partial precision, compared only as far as both go.
//!
//! # Source
//! `FHIRPath` N1 §6.2; FHIR R4 `datatypes.html#dateTime`.

use std::cmp::Ordering;

/// A date or dateTime of whatever precision it was written with.
#[derive(Clone, Copy)]
pub(crate) struct Temporal {
    /// Year, month, day, hour, minute, nanoseconds of the minute: as many as were written.
    parts: [Option<i64>; 6],
    /// Minutes east of UTC.
    offset: Option<i64>,
    /// Written with a `T`.
    pub(super) timed: bool,
}

impl Temporal {
    /// Parses `YYYY[-MM[-DD]][T[hh[:mm[:ss[.f]]]][Z|±hh:mm]]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parts = [None; 6];
        let mut pieces = date.split('-');
        parts[0] = Some(number(pieces.next()?, 4, 1, 9999)?);
        for (slot, most) in [(1, 12), (2, 31)] {
            if let Some(piece) = pieces.next() {
                parts[slot] = Some(number(piece, 2, 1, most)?);
            }
        }
        if pieces.next().is_some() || !day_exists(parts) {
            return None;
        }
        let mut offset = None;
        if let Some(time) = time.filter(|time| !time.is_empty()) {
            parts[2]?;
            let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
            let (clock, zone) = time.split_at(at);
            parse_offset(zone, &mut offset)?;
            parse_clock(clock, &mut parts)?;
            if offset.is_some() && parts[4].is_none() {
                return None;
            }
        }
        Some(Temporal {
            parts,
            offset,
            timed: time.is_some(),
        })
    }

    /// Whether it has a day at least: shorter texts of a tree may be anything.
    pub(super) fn has_day(self) -> bool {
        self.parts[2].is_some()
    }

    pub(super) fn same_precision(self, other: Self) -> bool {
        (0..6).all(|at| self.parts[at].is_some() == other.parts[at].is_some())
    }

    /// Compares part by part; none where one has a part that the other lacks. Two with offsets compare in
    /// UTC. With an offset on one side only, days compare as written, since an offset states the local day;
    /// on the same day the clock cannot decide.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        let (mut own, mut others) = (self.parts, other.parts);
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

fn number(text: &str, length: usize, least: i64, most: i64) -> Option<i64> {
    if text.len() != length || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse()
        .ok()
        .filter(|value| (least..=most).contains(value))
}

fn day_exists(parts: [Option<i64>; 6]) -> bool {
    let (Some(year), Some(month), Some(day)) = (parts[0], parts[1], parts[2]) else {
        return true;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    day <= last
}

fn parse_clock(clock: &str, parts: &mut [Option<i64>; 6]) -> Option<()> {
    let mut pieces = clock.split(':');
    parts[3] = Some(number(pieces.next()?, 2, 0, 23)?);
    if let Some(minute) = pieces.next() {
        parts[4] = Some(number(minute, 2, 0, 59)?);
    }
    if let Some(second) = pieces.next() {
        let (whole, fraction) = second.split_once('.').unwrap_or((second, "0"));
        if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let nanoseconds: String = fraction
            .chars()
            .chain("000000000".chars())
            .take(9)
            .collect();
        let seconds = number(whole, 2, 0, 60)?;
        parts[5] = Some(seconds * 1_000_000_000 + nanoseconds.parse::<i64>().ok()?);
    }
    pieces.next().is_none().then_some(())
}

/// Fills the offset in where one is written; none if it cannot be read.
fn parse_offset(zone: &str, offset: &mut Option<i64>) -> Option<()> {
    if zone.is_empty() {
        return Some(());
    }
    if zone == "Z" {
        *offset = Some(0);
        return Some(());
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let minutes = number(hours, 2, 0, 14)? * 60 + number(minutes, 2, 0, 59)?;
    *offset = Some(sign * minutes);
    Some(())
}

/// The same moment in UTC. The day becomes a count of days in the year's place, which orders alike.
fn in_utc(parts: [Option<i64>; 6], offset: i64) -> Option<[Option<i64>; 6]> {
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
    // Days from a civil date: years begin in March, so that the leap day comes last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    let minutes = days * 1440 + hour * 60 + minute - offset;
    Some([Some(minutes), Some(0), Some(0), Some(0), Some(0), seconds])
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
}
