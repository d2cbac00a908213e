//! Exact decimals: FHIR keeps every digit that was written, and so do we; never a float.

use std::cmp::Ordering;
use std::fmt;

/// Powers of ten that fit an `i128`.
const SCALE_MAX: u32 = 38;

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

    /// None if the quotient has no end within our digits; the divisor is not zero.
    pub(super) fn divide(self, other: Self) -> Option<Self> {
        let (mut own, others, _) = self.aligned(other)?;
        let mut scale = 0;
        while own.checked_rem(others)? != 0 {
            own = own.checked_mul(10)?;
            scale += 1;
        }
        (scale <= SCALE_MAX).then_some(Decimal {
            digits: own.checked_div(others)?,
            scale,
        })
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
        assert!(divided(1, 3).is_none() && divided(1, 0).is_none());
        assert_eq!(Decimal::parse("-0.50").unwrap().to_string(), "-0.50");
        assert!(
            Decimal::parse("1.25")
                .unwrap()
                .equivalent(Decimal::parse("1.3").unwrap())
        );
    }
}
