//! The units that quantities can be compared and calculated in: calendar words and a verified part of UCUM.
//!
//! A unit's code goes in; out comes what it measures and how much of it, exactly. A unit that is not here is still
//! equal to itself; anything else about it is an error and no guess.
//!
//! # Source
//! UCUM §§ 27–40 (prefixes, base units, length, mass, time, volume; inch, foot, pound and ounce of 1959);
//! `FHIRPath` N1 §4.1.8 (calendar durations).

use super::decimal::Decimal;

/// What a unit measures: metres, grams, seconds, calendar months, each to a power.
pub(super) type Dimensions = [i8; 4];

/// A unit's size as a fraction of base units.
#[derive(Clone, Copy)]
pub(super) struct UcumUnit {
    over: Decimal,
    under: Decimal,
    pub(super) dimensions: Dimensions,
}

/// A span of time as date arithmetic takes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Duration {
    Months(i64),
    Nanoseconds(i128),
}

const NONE: Dimensions = [0; 4];
const LENGTH: Dimensions = [1, 0, 0, 0];
const MASS: Dimensions = [0, 1, 0, 0];
const TIME: Dimensions = [0, 0, 1, 0];
const CALENDAR: Dimensions = [0, 0, 0, 1];
const VOLUME: Dimensions = [3, 0, 0, 0];
const BASES: [&str; 3] = ["m", "g", "s"];

/// Code, size in base units, what it measures, whether it takes prefixes.
const ATOMS: [(&str, &str, Dimensions, bool); 17] = [
    ("1", "1", NONE, false),
    ("%", "0.01", NONE, false),
    ("m", "1", LENGTH, true),
    ("[in_i]", "0.0254", LENGTH, false),
    ("[ft_i]", "0.3048", LENGTH, false),
    ("g", "1", MASS, true),
    ("t", "1000000", MASS, false),
    ("[lb_av]", "453.59237", MASS, false),
    ("[oz_av]", "28.349523125", MASS, false),
    ("l", "0.001", VOLUME, true),
    ("L", "0.001", VOLUME, true),
    ("s", "1", TIME, true),
    ("min", "60", TIME, false),
    ("h", "3600", TIME, false),
    ("d", "86400", TIME, false),
    ("wk", "604800", TIME, false),
    // A mean month and a Julian year: never a month or a year of the calendar.
    ("mo", "2629800", TIME, false),
];
const JULIAN_YEAR: (&str, &str) = ("a", "31557600");

const PREFIXES: [(&str, &str); 8] = [
    ("k", "1000"),
    ("h", "100"),
    ("d", "0.1"),
    ("c", "0.01"),
    ("m", "0.001"),
    ("u", "0.000001"),
    ("n", "0.000000001"),
    ("p", "0.000000000001"),
];

/// Singular, the unit it is of, nanoseconds or (where none) months.
const WORDS: [(&str, Option<i64>, i64); 8] = [
    ("year", None, 12),
    ("month", None, 1),
    ("week", Some(604_800_000_000_000), 0),
    ("day", Some(86_400_000_000_000), 0),
    ("hour", Some(3_600_000_000_000), 0),
    ("minute", Some(60_000_000_000), 0),
    ("second", Some(1_000_000_000), 0),
    ("millisecond", Some(1_000_000), 0),
];

/// The calendar word in the singular, if it is one.
pub(super) fn calendar_word(word: &str) -> Option<&'static str> {
    let singular = word.strip_suffix('s').unwrap_or(word);
    WORDS
        .iter()
        .map(|(known, ..)| *known)
        .find(|known| *known == singular)
}

/// The unit of a calendar word.
pub(super) fn of_word(word: &str) -> Option<UcumUnit> {
    let (_, nanoseconds, months) = WORDS
        .iter()
        .find(|(known, ..)| Some(*known) == calendar_word(word))?;
    let (over, dimensions) = match nanoseconds {
        Some(nanoseconds) => (
            Decimal::from(*nanoseconds).multiply(Decimal::parse("0.000000001")?)?,
            TIME,
        ),
        None => (Decimal::from(*months), CALENDAR),
    };
    Some(UcumUnit {
        over,
        under: Decimal::from(1),
        dimensions,
    })
}

/// The unit of a UCUM code, if it is of the part that is known here.
pub(super) fn of_code(code: &str) -> Option<UcumUnit> {
    let mut unit = UcumUnit {
        over: Decimal::from(1),
        under: Decimal::from(1),
        dimensions: NONE,
    };
    let mut divides = false;
    for term in code.split_inclusive(['.', '/']) {
        let (name, next) = match term.strip_suffix('/') {
            Some(name) => (name, Some(true)),
            None => match term.strip_suffix('.') {
                Some(name) => (name, Some(false)),
                None => (term, None),
            },
        };
        unit = unit.with(name, divides)?;
        divides = next.unwrap_or(false);
    }
    (!code.is_empty() && !code.ends_with(['.', '/'])).then_some(unit)
}

fn atom(name: &str) -> Option<(Decimal, Dimensions)> {
    if name == JULIAN_YEAR.0 {
        return Some((Decimal::parse(JULIAN_YEAR.1)?, TIME));
    }
    if let Some((_, size, dimensions, _)) = ATOMS.iter().find(|(known, ..)| *known == name) {
        return Some((Decimal::parse(size)?, *dimensions));
    }
    PREFIXES.iter().find_map(|(prefix, times)| {
        let rest = name.strip_prefix(prefix)?;
        let (_, size, dimensions, _) = ATOMS
            .iter()
            .find(|(known, _, _, prefixed)| *prefixed && *known == rest)?;
        let size = Decimal::parse(size)?.multiply(Decimal::parse(times)?)?;
        Some((size, *dimensions))
    })
}

impl UcumUnit {
    /// Times (or through) one term, as `cm2` or `s-1`.
    fn with(self, term: &str, divides: bool) -> Option<Self> {
        let at = term
            .find(|first: char| first == '-' || first == '+' || first.is_ascii_digit())
            .filter(|at| *at > 0 && !term.starts_with('['))
            .unwrap_or(term.len());
        let (name, power) = term.split_at_checked(at)?;
        let power: i8 = if power.is_empty() {
            1
        } else {
            power
                .parse()
                .ok()
                .filter(|power| (-4..=4).contains(power))?
        };
        let (size, dimensions) = atom(name)?;
        let power = if divides { -power } else { power };
        let mut unit = self;
        for _ in 0..power.abs() {
            let side = if power > 0 {
                &mut unit.over
            } else {
                &mut unit.under
            };
            *side = side.multiply(size)?;
        }
        for (own, other) in unit.dimensions.iter_mut().zip(dimensions) {
            *own = own.checked_add(other.checked_mul(power)?)?;
        }
        Some(unit)
    }

    /// Twice the same thing measured: two numbers that compare as the quantities do.
    pub(super) fn common(
        self,
        value: Decimal,
        other: Self,
        others: Decimal,
    ) -> Option<(Decimal, Decimal)> {
        let own = value.multiply(self.over)?.multiply(other.under)?;
        let others = others.multiply(other.over)?.multiply(self.under)?;
        Some((own, others))
    }

    /// A value of this unit in another one of the same dimensions.
    pub(super) fn into_unit(self, value: Decimal, other: Self) -> Option<Decimal> {
        let over = value.multiply(self.over)?.multiply(other.under)?;
        over.divide(self.under.multiply(other.over)?)
    }

    /// A value of this unit in base units; none for calendar months.
    pub(super) fn base(self, value: Decimal) -> Option<Decimal> {
        if self.dimensions[3] != 0 {
            return None;
        }
        value.multiply(self.over)?.divide(self.under)
    }

    /// The code of the base units of these dimensions; none for calendar months.
    pub(super) fn base_code(dimensions: Dimensions) -> Option<String> {
        if dimensions[3] != 0 {
            return None;
        }
        let mut code = String::new();
        for (base, power) in BASES.iter().zip(dimensions) {
            if power == 0 {
                continue;
            }
            if !code.is_empty() {
                code.push('.');
            }
            code.push_str(base);
            if power != 1 {
                code.push_str(&power.to_string());
            }
        }
        Some(if code.is_empty() {
            "1".to_owned()
        } else {
            code
        })
    }

    /// A calendar month as the mean month that `~` takes it for.
    pub(super) fn mean(self) -> Self {
        let mean = || {
            let (size, _) = atom("mo")?;
            Some(UcumUnit {
                over: self.over.multiply(size)?,
                under: self.under,
                dimensions: TIME,
            })
        };
        if self.dimensions == CALENDAR {
            mean().unwrap_or(self)
        } else {
            self
        }
    }
}

/// A number of a unit as a span that can be added to a date; none for months and years of UCUM, which are of no
/// calendar, for what is no time, and for seconds that are not whole.
pub(super) fn duration(value: Decimal, unit: &str) -> Option<Duration> {
    let word = calendar_word(unit).or(match unit {
        "wk" => Some("week"),
        "d" => Some("day"),
        "h" => Some("hour"),
        "min" => Some("minute"),
        "s" => Some("second"),
        "ms" => Some("millisecond"),
        _ => None,
    })?;
    let (_, nanoseconds, months) = WORDS.iter().find(|(known, ..)| *known == word)?;
    let whole = value.truncated();
    if matches!(word, "second" | "millisecond") && !value.add(whole.negate()?)?.is_zero() {
        return None;
    }
    let count = whole.whole()?;
    Some(match nanoseconds {
        Some(nanoseconds) => {
            Duration::Nanoseconds(i128::from(count).checked_mul(i128::from(*nanoseconds))?)
        }
        None => Duration::Months(count.checked_mul(*months)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(value: &str, unit: &str, others: &str, other: &str) -> bool {
        let (unit, other) = (of_code(unit).unwrap(), of_code(other).unwrap());
        let (value, others) = (
            Decimal::parse(value).unwrap(),
            Decimal::parse(others).unwrap(),
        );
        let (left, right) = unit.common(value, other, others).unwrap();
        unit.dimensions == other.dimensions && left.compare(right).is_eq()
    }

    #[test]
    fn units_convert_exactly() {
        assert!(same("4", "g", "4000", "mg"));
        assert!(same("1", "[lb_av]", "0.45359237", "kg"));
        assert!(same("1", "wk", "168", "h"));
        assert!(same("36", "km/h", "10", "m/s"));
        assert!(same("1", "dm3", "1", "L"));
        assert!(same("1", "g.m-1", "10", "mg/cm.1"));
        assert!(!same("1", "m", "1", "m2"));
        for unknown in ["", "mmol/L", "m/", "xg", "kmin", "m9", "[foo]"] {
            assert!(of_code(unknown).is_none(), "{unknown}");
        }
        let month = of_word("months").unwrap();
        assert_eq!(month.dimensions, CALENDAR);
        assert_eq!(month.mean().dimensions, TIME);
    }

    #[test]
    fn durations_are_whole() {
        let of = |value: &str, unit| duration(Decimal::parse(value).unwrap(), unit);
        assert_eq!(
            of("7.7", "days"),
            Some(Duration::Nanoseconds(7 * 86_400_000_000_000))
        );
        assert_eq!(of("2", "year"), Some(Duration::Months(24)));
        assert_eq!(of("10", "ms"), Some(Duration::Nanoseconds(10_000_000)));
        assert!(of("0.1", "s").is_none() && of("1", "mo").is_none() && of("1", "cm").is_none());
    }
}
