//! The disclosure rule: small counts are hidden, the others rounded, means of few people hidden.
//!
//! Counts go in, cells go out. Invariant: no function here gives back a figure from which a count of one to seven can be read.
//!
//! # Source
//! NHS Digital's rule for hospital statistics below national level: 0 stays 0, 1 to 7 become `*`, all else goes to the nearest 5; a mean over one to
//! seven people is `*`; percentages come from the rounded counts.

use schemars::JsonSchema;
use serde::Serialize;

/// The largest count that is hidden.
const HIDDEN_MAX: u64 = 7;

/// The mark of a hidden figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) enum Star {
    /// Fewer than 8, hidden to protect people.
    #[serde(rename = "*")]
    Star,
}

/// A count as it is shown: a number, or `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Cell {
    Number(u64),
    Hidden(Star),
}

/// A mean as it is shown: one decimal, or `*`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Mean {
    Value(f64),
    Hidden(Star),
}

impl Cell {
    /// The hidden cell.
    pub(crate) const HIDDEN: Self = Self::Hidden(Star::Star);

    /// The number, if it is shown.
    pub(crate) fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Hidden(Star::Star) => None,
        }
    }
}

/// Applies the rule to a count.
pub(crate) fn suppress(count: u64) -> Cell {
    match count {
        0 => Cell::Number(0),
        1..=HIDDEN_MAX => Cell::HIDDEN,
        _ => Cell::Number((count / 5 + u64::from(count % 5 >= 3)).saturating_mul(5)),
    }
}

/// Whole per cent of two shown counts, halves up; hidden if either is, `None` where there is no one.
pub(crate) fn percent(part: Cell, whole: Cell) -> Option<Cell> {
    match (part, whole) {
        (_, Cell::Number(0)) => None,
        (Cell::Number(part), Cell::Number(whole)) => {
            let doubled = (u128::from(part) * 200 + u128::from(whole)) / (u128::from(whole) * 2);
            Some(Cell::Number(u64::try_from(doubled).unwrap_or(u64::MAX)))
        }
        _ => Some(Cell::HIDDEN),
    }
}

/// Mean to one decimal, halves away from zero, hidden for one to seven people; `None` where there is no one.
pub(crate) fn mean(sum: i128, people: u64) -> Option<Mean> {
    match people {
        0 => None,
        1..=HIDDEN_MAX => Some(Mean::Hidden(Star::Star)),
        _ => {
            let people = i128::from(people);
            let half = people * sum.signum();
            // Scores are small numbers, so the quotient is too; integers keep the rounding the same on every machine.
            let tenths = sum.saturating_mul(20).saturating_add(half) / (people * 2);
            Some(Mean::Value(
                f64::from(i32::try_from(tenths).unwrap_or(i32::MAX)) / 10.0,
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_the_rule_at_its_edges() {
        let table = [
            (0, Cell::Number(0)),
            (1, Cell::HIDDEN),
            (7, Cell::HIDDEN),
            (8, Cell::Number(10)),
            (12, Cell::Number(10)),
            (13, Cell::Number(15)),
            (22, Cell::Number(20)),
            (23, Cell::Number(25)),
        ];
        for (count, shown) in table {
            assert_eq!(suppress(count), shown, "{count}");
        }
    }

    #[test]
    fn percentages_come_from_what_is_shown() {
        assert_eq!(percent(suppress(8), suppress(12)), Some(Cell::Number(100)));
        assert_eq!(percent(suppress(13), suppress(23)), Some(Cell::Number(60)));
        assert_eq!(percent(suppress(7), suppress(23)), Some(Cell::HIDDEN));
        assert_eq!(percent(suppress(0), suppress(23)), Some(Cell::Number(0)));
        assert_eq!(percent(suppress(3), suppress(7)), Some(Cell::HIDDEN));
        assert_eq!(percent(suppress(0), suppress(0)), None);
        assert_eq!(
            percent(Cell::Number(1), Cell::Number(8)),
            Some(Cell::Number(13))
        );
    }

    #[test]
    fn means_round_halves_away_from_zero_and_hide_few_people() {
        assert_eq!(mean(0, 0), None);
        assert_eq!(mean(35, 7), Some(Mean::Hidden(Star::Star)));
        assert_eq!(mean(42, 8), Some(Mean::Value(5.3)));
        assert_eq!(mean(-42, 8), Some(Mean::Value(-5.3)));
        assert_eq!(mean(0, 8), Some(Mean::Value(0.0)));
    }
}
