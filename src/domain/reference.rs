//! The printed reference of a leg and the token of a row: short codes that survive telephones and Excel.

use std::fmt::{self, Write};

/// Letters and digits without I, L, O and U, so that nothing can be misread.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The signs of a token: those of a reference without A and E. So no token is a number (`12E456`), a day (`MAR05`) or `TRUE` to a spreadsheet.
const TOKEN_ALPHABET: &[u8; 30] = b"0123456789BCDFGHJKMNPQRSTVWXYZ";
/// Those of them that are digits; they come first.
const TOKEN_DIGITS: usize = 10;
/// Characters of a reference, the check character included.
const LENGTH: usize = 12;

/// A leg's reference such as `K7M3-9QXD-4T2P`: random, first character a letter, last a Luhn mod 32 check.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LegReference([u8; LENGTH]);

/// Why a text is no reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReferenceError {
    /// Not twelve characters after dashes and spaces are removed.
    Length(usize),
    /// A character outside the alphabet, or a first character that is no letter.
    Alphabet,
    /// The check character is another one: a typing mistake.
    Check,
}

impl LegReference {
    /// Makes the reference of random bits: 5 for the letter's choice, 50 for the rest.
    pub(crate) fn from_random(bits: u64) -> Self {
        let mut values = [0_u8; LENGTH];
        values[0] = 10 + five_bits(bits, 0) % 22;
        for (place, value) in values.iter_mut().enumerate().take(LENGTH - 1).skip(1) {
            *value = five_bits(bits, place);
        }
        values[LENGTH - 1] = check_value(&values[..LENGTH - 1]);
        Self(values)
    }

    /// Reads a reference as people write it: any case, `I` and `L` as 1, `O` as 0, dashes and spaces ignored.
    ///
    /// # Errors
    /// The rule that failed.
    pub(crate) fn parse(text: &str) -> Result<Self, ReferenceError> {
        let mut values = [0_u8; LENGTH];
        let mut length = 0_usize;
        for character in text.chars().filter(|c| {
            !matches!(
                c,
                '-' | ' ' | '\u{a0}' | '\u{2010}'..='\u{2015}' | '\u{2212}'
            )
        }) {
            let value = value_of(character).ok_or(ReferenceError::Alphabet)?;
            if let Some(slot) = values.get_mut(length) {
                *slot = value;
            }
            length += 1;
        }
        if length != LENGTH {
            return Err(ReferenceError::Length(length));
        }
        if values[0] < 10 {
            return Err(ReferenceError::Alphabet);
        }
        if values[LENGTH - 1] != check_value(&values[..LENGTH - 1]) {
            return Err(ReferenceError::Check);
        }
        Ok(Self(values))
    }

    /// The eight bytes the store keeps: eleven characters of five bits.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        let packed = self.0[..LENGTH - 1]
            .iter()
            .fold(0_u64, |packed, value| packed << 5 | u64::from(*value));
        packed.to_be_bytes()
    }

    /// The reference of its eight bytes.
    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Self {
        let packed = u64::from_be_bytes(bytes);
        let mut values = [0_u8; LENGTH];
        for (place, value) in values.iter_mut().enumerate().take(LENGTH - 1) {
            *value = five_bits(packed, LENGTH - 2 - place);
        }
        values[LENGTH - 1] = check_value(&values[..LENGTH - 1]);
        Self(values)
    }
}

impl fmt::Display for LegReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, value) in self.0.iter().enumerate() {
            if place > 0 && place % 4 == 0 {
                f.write_str("-")?;
            }
            f.write_char(letter(*value))?;
        }
        Ok(())
    }
}

impl fmt::Debug for LegReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Six characters, keyed over partner, reference and the identity values of a row as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowToken([u8; 6]);

impl RowToken {
    /// The token of the first 64 bits of a keyed digest; the first character is a letter, and none is an A or an E.
    pub(crate) fn from_digest(digest: &[u8; 32]) -> Self {
        let (first, _) = digest.split_first_chunk().expect("32 bytes begin with 8");
        let mut bits = u64::from_be_bytes(*first);
        let mut values = [0_u8; 6];
        for (place, value) in values.iter_mut().enumerate() {
            // No spreadsheet takes a letter and no A and no E for a number, a day or a truth value.
            let signs = if place == 0 {
                &TOKEN_ALPHABET[TOKEN_DIGITS..]
            } else {
                &TOKEN_ALPHABET[..]
            };
            let count = signs.len() as u64;
            let sign = usize::try_from(bits % count).map_or(signs[0], |sign| signs[sign]);
            bits /= count;
            *value = value_of(char::from(sign)).unwrap_or_default();
        }
        Self(values)
    }

    /// Reads a token as people write it: any case, dashes and white space ignored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut values = [0_u8; 6];
        let mut length = 0_usize;
        for character in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            *values.get_mut(length)? = value_of(character)?;
            length += 1;
        }
        (length == values.len()).then_some(Self(values))
    }
}

impl fmt::Display for RowToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|value| f.write_char(letter(*value)))
    }
}

fn letter(value: u8) -> char {
    char::from(ALPHABET[usize::from(value & 31)])
}

fn five_bits(bits: u64, place: usize) -> u8 {
    u8::try_from(bits >> (5 * place) & 31).unwrap_or(0)
}

fn value_of(character: char) -> Option<u8> {
    let folded = match character.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    };
    ALPHABET
        .iter()
        .position(|letter| char::from(*letter) == folded)
        .and_then(|place| u8::try_from(place).ok())
}

/// Luhn mod 32: doubles every second value from the right, folding the carry, so that one wrong or two swapped characters show.
fn check_value(values: &[u8]) -> u8 {
    let sum: u32 = values
        .iter()
        .rev()
        .enumerate()
        .map(|(place, value)| {
            let addend = u32::from(*value) * if place % 2 == 0 { 2 } else { 1 };
            addend / 32 + addend % 32
        })
        .sum();
    u8::try_from((32 - sum % 32) % 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_back() {
        for seed in 0..2_000_u64 {
            let reference = LegReference::from_random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let printed = reference.to_string();
            assert!(
                printed.starts_with(|c: char| c.is_ascii_alphabetic()),
                "{printed}"
            );
            assert_eq!(printed.len(), 14);
            assert_eq!(LegReference::parse(&printed), Ok(reference));
            assert_eq!(
                LegReference::parse(&printed.to_lowercase().replace('-', " ")),
                Ok(reference)
            );
            assert_eq!(LegReference::from_bytes(reference.to_bytes()), reference);
        }
    }

    #[test]
    fn one_wrong_character_is_found() {
        let printed = LegReference::from_random(0x1234_5678_9ABC_DEF0).to_string();
        for place in (0..printed.len()).filter(|place| *place % 5 != 4) {
            for wrong in "AB7".chars() {
                let mut typed: Vec<char> = printed.chars().collect();
                if typed[place] == wrong {
                    continue;
                }
                typed[place] = wrong;
                let typed: String = typed.into_iter().collect();
                assert!(
                    LegReference::parse(&typed).is_err(),
                    "{typed} passes for {printed}"
                );
            }
        }
    }

    #[test]
    fn misread_letters_are_forgiven() {
        let reference = LegReference::parse("K7M3-9QXD-4T2P")
            .or_else(|_| LegReference::parse("A000-0000-000N"));
        if let Ok(reference) = reference {
            let sloppy = reference.to_string().replace('0', "o").replace('1', "l");
            assert_eq!(LegReference::parse(&sloppy), Ok(reference));
        }
        assert_eq!(LegReference::parse("K7M3"), Err(ReferenceError::Length(4)));
        assert_eq!(
            LegReference::parse("K7M3-9QXD-4T2!"),
            Err(ReferenceError::Alphabet)
        );
    }

    #[test]
    fn no_token_is_a_number_a_day_or_a_truth_value_to_a_spreadsheet() {
        for seed in 0..=255_u8 {
            let token = RowToken::from_digest(&std::array::from_fn(|place| {
                seed.wrapping_mul(u8::try_from(place).unwrap_or(0) | 1)
            }));
            let printed = token.to_string();
            assert!(printed.starts_with(|c: char| c.is_ascii_alphabetic()));
            assert!(!printed.contains(['A', 'E']), "{printed}");
            assert_eq!(RowToken::parse(&printed.to_lowercase()), Some(token));
            assert_eq!(RowToken::parse("AAAAA"), None);
        }
    }
}
