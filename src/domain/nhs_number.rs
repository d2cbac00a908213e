//! The NHS number: ten digits with a modulus 11 check digit.

use std::fmt;

/// A ten-digit NHS number whose check digit is right.
///
/// # Source
/// NHS Data Dictionary, NHS NUMBER: weights 10 to 2, check = 11 − (sum mod 11), 11 → 0, 10 → no such number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct NhsNumber([u8; 10]);

/// Why a text is no NHS number; it says which rule failed, never the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NhsNumberError {
    /// Not ten characters after spaces and dashes are removed.
    Length(usize),
    /// Something other than a digit.
    NotDigits,
    /// The check digit is another one, or no number exists for these nine digits.
    CheckDigit,
    /// One digit ten times: what is written where there is no number.
    Placeholder,
}

/// Whether a character stands between the groups of a number: any space, any dash.
pub(crate) fn between_groups(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '-' | '\u{ad}' | '\u{200b}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{feff}'
        )
}

impl NhsNumber {
    /// Reads a number, spaces and dashes between groups allowed.
    ///
    /// # Errors
    /// The rule that failed.
    pub(crate) fn parse(text: &str) -> Result<Self, NhsNumberError> {
        let mut digits = [0_u8; 10];
        let mut length = 0_usize;
        for character in text.chars().filter(|c| !between_groups(*c)) {
            if !character.is_ascii_digit() {
                return Err(NhsNumberError::NotDigits);
            }
            if let Some(slot) = digits.get_mut(length) {
                *slot = u8::try_from(u32::from(character)).unwrap_or(b'0');
            }
            length += 1;
        }
        if length != 10 {
            return Err(NhsNumberError::Length(length));
        }
        // All ten of them have a right check digit.
        if digits.iter().all(|digit| *digit == digits[0]) {
            return Err(NhsNumberError::Placeholder);
        }
        let sum: u32 = digits
            .iter()
            .zip((2..=10).rev())
            .map(|(digit, weight)| u32::from(digit - b'0') * weight)
            .sum();
        let check = match 11 - sum % 11 {
            11 => 0,
            10 => return Err(NhsNumberError::CheckDigit),
            other => other,
        };
        if u32::from(digits[9] - b'0') == check {
            Ok(Self(digits))
        } else {
            Err(NhsNumberError::CheckDigit)
        }
    }

    /// The ten digits.
    pub(crate) fn digits(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether the number is from the 9xx range, which is never issued: a made-up person.
    pub(crate) fn synthetic(&self) -> bool {
        self.0[0] == b'9'
    }
}

impl fmt::Debug for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NhsNumber(masked)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_domain_notes() {
        let table = [
            ("9434765919", Ok(())),
            ("943 476 5919", Ok(())),
            ("943-476-5919", Ok(())),
            (" 943\u{a0}476\u{2013}5919 ", Ok(())),
            ("000-000-0000", Err(NhsNumberError::Placeholder)),
            ("000 000 0000", Err(NhsNumberError::Placeholder)),
            ("9999999999", Err(NhsNumberError::Placeholder)),
            ("9876543210", Ok(())),
            ("9990000018", Ok(())),
            ("9990000050", Ok(())),
            ("9434765918", Err(NhsNumberError::CheckDigit)),
            ("9990000000", Err(NhsNumberError::CheckDigit)),
            ("943476591", Err(NhsNumberError::Length(9))),
            ("9.43E+09", Err(NhsNumberError::NotDigits)),
        ];
        for (text, expected) in table {
            assert_eq!(NhsNumber::parse(text).map(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn debug_is_masked() {
        let number = NhsNumber::parse("9434765919").expect("a good number");
        assert!(!format!("{number:?}").contains('9'));
    }
}
