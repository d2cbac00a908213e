//! Exact decimals: FHIR keeps every digit that was written, and so do we; never a float.

use std::cmp::Ordering;
use std::fmt;

/// Powers of ten that fit an `i128`.
const SCALE_MAX: u32 = 38;
/// Places of a quotient that has no end.
const QUOTIENT_PLACES: u32 = 28;

/// An exact decimal: `digits` × 10^-`scale`.
#[derive(Clone, Copy)]
pub(crate) struct Decimal {
    digits: i128,
    scale: u32,
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Decimal {
            digits: value.into(),
            scale: 0,
        }
    }
}

impl Decimal {
    /// Parses a JSON number; none beyond 38 digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let mut digits: i128 = 0;
        let mut scale: i32 = 0;
        let mut after_point = false;
        for byte in mantissa.bytes() {
            if byte == b'.' && !after_point {
                after_point = true;
                continue;
            }
            if !byte.is_ascii_digit() {
                return None;
            }
            digits = digits
                .checked_mul(10)?
                .checked_add(i128::from(byte - b'0'))?;
            scale = scale.checked_add(i32::from(after_point))?;
        }
        if negative {
            digits = -digits;
        }
        let scale = scale.checked_sub(exponent)?;
        if scale >= 0 {
            let scale = u32::try_from(scale).ok()?;
            return (scale <= SCALE_MAX).then_some(Decimal { digits, scale });
        }
        let digits = digits.checked_mul(power(scale.unsigned_abs())?)?;
        Some(Decimal { digits, scale: 0 })
    }

    /// Both with the same scale; none if one does not fit.
    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        let own = self.digits.checked_mul(power(scale - self.scale)?)?;
        let others = other.digits.checked_mul(power(scale - other.scale)?)?;
        Some((own, others, scale))
    }

    /// Compares exactly.
    pub(super) fn compare(self, other: Self) -> Ordering {
        if let Some((own, others, _)) = self.aligned(other) {
            return own.cmp(&others);
        }
        // Only the one with fewer places was multiplied, and it left the range that the other is in.
        if self.scale < other.scale {
            self.digits.cmp(&0)
        } else {
            0.cmp(&other.digits)
        }
    }

    pub(super) fn add(self, other: Self) -> Option<Self> {
        let (own, others, scale) = self.aligned(other)?;
        let digits = own.checked_add(others)?;
        Some(Decimal { digits, scale })
    }

    pub(super) fn negate(self) -> Option<Self> {
        let digits = self.digits.checked_neg()?;
        Some(Decimal { digits, ..self })
    }

    pub(super) fn multiply(self, other: Self) -> Option<Self> {
        let digits = self.digits.checked_mul(other.digits)?;
        let scale = self.scale + other.scale;
        (scale <= SCALE_MAX).then_some(Decimal { digits, scale })
    }

    /// Exact where the quotient ends within [`QUOTIENT_PLACES`], else rounded there, half away from zero; none by zero
    /// or beyond our digits.
    pub(super) fn divide(self, other: Self) -> Option<Self> {
        let (own, others, _) = self.aligned(other)?;
        let negative = (own < 0) != (others < 0);
        let (own, others) = (own.checked_abs()?, others.checked_abs()?);
        let mut digits = own.checked_div(others)?;
        let mut rest = own % others;
        let mut scale = 0;
        while rest != 0 && scale < QUOTIENT_PLACES {
            let Some(longer) = digits.checked_mul(10) else {
                break;
            };
            let tenfold = rest.checked_mul(10)?;
            digits = longer.checked_add(tenfold / others)?;
            rest = tenfold % others;
            scale += 1;
        }
        if rest >= others - rest {
            digits = digits.checked_add(1)?;
        }
        let digits = if negative { -digits } else { digits };
        Some(Decimal { digits, scale })
    }

    /// How often the other goes into it, whole; and what is left, with its own sign.
    pub(super) fn divide_whole(self, other: Self) -> Option<(Self, Self)> {
        let (own, others, scale) = self.aligned(other)?;
        let whole = own.checked_div(others)?;
        let rest = own.checked_rem(others)?;
        Some((
            Decimal {
                digits: whole,
                scale: 0,
            },
            Decimal {
                digits: rest,
                scale,
            },
        ))
    }

    /// To a whole power, none beyond our digits.
    pub(super) fn power(self, exponent: u32) -> Option<Self> {
        let mut result = Decimal::from(1);
        for _ in 0..exponent {
            result = result.multiply(self)?;
        }
        Some(result)
    }

    pub(super) fn abs(self) -> Option<Self> {
        let digits = self.digits.checked_abs()?;
        Some(Decimal { digits, ..self })
    }

    /// Without what stands behind the point.
    pub(super) fn truncated(self) -> Self {
        let digits = power(self.scale).map_or(0, |divisor| self.digits / divisor);
        Decimal { digits, scale: 0 }
    }

    /// Without what stands behind that many places.
    pub(super) fn truncated_to(self, places: u32) -> Self {
        let Some(divisor) = self.scale.checked_sub(places).and_then(power) else {
            return self;
        };
        Decimal {
            digits: self.digits / divisor,
            scale: places,
        }
    }

    pub(super) fn floor(self) -> Self {
        self.towards(0, false).unwrap_or(self)
    }

    pub(super) fn ceiling(self) -> Self {
        self.towards(0, true).unwrap_or(self)
    }

    /// To that many places, up or down on the number line, trailing zeros filled in.
    fn towards(self, scale: u32, up: bool) -> Option<Self> {
        if scale >= self.scale {
            let digits = self.digits.checked_mul(power(scale - self.scale)?)?;
            return Some(Decimal { digits, scale });
        }
        let divisor = power(self.scale - scale)?;
        let mut digits = self.digits.div_euclid(divisor);
        if up && self.digits.rem_euclid(divisor) != 0 {
            digits = digits.checked_add(1)?;
        }
        Some(Decimal { digits, scale })
    }

    /// Half away from zero, to no more than that many places.
    pub(super) fn round(self, places: u32) -> Self {
        self.rounded(places)
    }

    /// As a whole number, if it is one and fits.
    pub(super) fn whole(self) -> Option<i64> {
        let whole = self.truncated();
        if whole.compare(self) != Ordering::Equal {
            return None;
        }
        i64::try_from(whole.digits).ok()
    }

    /// Digits behind the point, as written.
    pub(super) fn scale(self) -> u32 {
        self.scale
    }

    /// The least (or greatest) value that rounds to this one, to that many places.
    pub(super) fn boundary(self, places: u32, upper: bool) -> Option<Self> {
        let half = Decimal {
            digits: if upper { 5 } else { -5 },
            scale: self.scale.checked_add(1)?,
        };
        self.add(half)?.towards(places, upper)
    }

    /// For functions that have no exact result.
    pub(super) fn to_float(self) -> Option<f64> {
        self.to_string().parse().ok()
    }

    /// Fifteen digits of a float: what it holds for certain. None for what is no number.
    pub(super) fn from_float(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let written = Decimal::parse(&format!("{value:.14e}"))?;
        let scale = written.places();
        Some(written.rounded(scale))
    }

    pub(super) fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// `~`: equal once both are rounded to the places of the less precise.
    pub(super) fn equivalent(self, other: Self) -> bool {
        let scale = self.places().min(other.places());
        self.rounded(scale).compare(other.rounded(scale)) == Ordering::Equal
    }

    /// Places without trailing zeros.
    fn places(self) -> u32 {
        let (mut digits, mut scale) = (self.digits, self.scale);
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        scale
    }

    fn rounded(self, scale: u32) -> Self {
        let Some(divisor) = self.scale.checked_sub(scale).and_then(power) else {
            return self;
        };
        let half = divisor / 2;
        let rest = self.digits % divisor;
        let mut digits = self.digits / divisor;
        if divisor > 1 && rest.abs() >= half {
            digits += self.digits.signum();
        }
        Decimal { digits, scale }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.scale as usize;
        let digits = format!("{:0width$}", self.digits.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let sign = if self.digits < 0 { "-" } else { "" };
        if fraction.is_empty() {
            write!(f, "{sign}{whole}")
        } else {
            write!(f, "{sign}{whole}.{fraction}")
        }
    }
}

fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (left, right, expected) in [
            ("1.10", "1.1", Ordering::Equal),
            ("1.2E+2", "120", Ordering::Equal),
            ("66.899999999999991", "66.9", Ordering::Less),
            ("-0", "0", Ordering::Equal),
            (
                "99999999999999999999999999999999999999",
                "0.00000000000000000001",
                Ordering::Greater,
            ),
            (
                "0.00000000000000000001",
                "-99999999999999999999999999999999999999",
                Ordering::Greater,
            ),
        ] {
            let (left, right) = (
                Decimal::parse(left).unwrap(),
                Decimal::parse(right).unwrap(),
            );
            assert!(left.compare(right) == expected);
        }
        assert!(Decimal::parse("1e99").is_none() && Decimal::parse("1.x").is_none());
        let divided = |left, right| Decimal::from(left).divide(Decimal::from(right));
        assert_eq!(divided(1, 8).unwrap().to_string(), "0.125");
        assert_eq!(
            divided(2, 3).unwrap().to_string(),
            "0.6666666666666666666666666667"
        );
        assert_eq!(
            divided(-1, 3).unwrap().to_string(),
            "-0.3333333333333333333333333333"
        );
        assert!(divided(1, 0).is_none());
        assert_eq!(Decimal::parse("-0.50").unwrap().to_string(), "-0.50");
        let boundary = |text: &str, places, upper| {
            let value = Decimal::parse(text).unwrap();
            value.boundary(places, upper).unwrap().to_string()
        };
        assert_eq!(boundary("1.587", 8, false), "1.58650000");
        assert_eq!(boundary("-1.587", 2, false), "-1.59");
        assert_eq!(boundary("1", 0, true), "2");
        let float = Decimal::from_float(0.1 + 0.2).unwrap();
        assert_eq!(float.to_string(), "0.3");
        assert!(
            Decimal::parse("1.25")
                .unwrap()
                .equivalent(Decimal::parse("1.3").unwrap())
        );
    }
}
