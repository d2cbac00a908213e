//! The text that a person sees in a cell, and the forms in which texts are compared.
//!
//! A cell comes in, a text goes out. Invariants: [`visible`] takes away only what cannot be seen; two texts that look alike on paper have the same
//! [`super::fold()`]; two that differ in accents alone have the same [`letters`].

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// A cell as it is seen: one space for white space, none at its ends, no sign without a shape, plain digits for wide ones.
pub(crate) fn visible(cell: &str) -> Cow<'_, str> {
    let trimmed = cell.trim_matches(' ');
    // Nearly every cell is plain: two spaces or a control are seen in one pass.
    let mut before = b'x';
    let plain = trimmed.bytes().all(|byte| {
        let fine = byte.is_ascii_graphic() || (byte == b' ' && before != b' ');
        before = byte;
        fine
    });
    if plain {
        return Cow::Borrowed(trimmed);
    }
    let mut seen = String::with_capacity(cell.len());
    let mut gap = false;
    for character in cell.chars() {
        match character {
            _ if character.is_whitespace() => gap = true,
            _ if shapeless(character) => {}
            _ => {
                if gap && !seen.is_empty() {
                    seen.push(' ');
                }
                gap = false;
                seen.push(plain_digit(character));
            }
        }
    }
    Cow::Owned(seen)
}

/// The letters of a text without their accents, folded: by which a name is the same with and without them.
pub(crate) fn letters(folded: &str) -> Cow<'_, str> {
    if folded.is_ascii() {
        return Cow::Borrowed(folded);
    }
    let mut letters = String::with_capacity(folded.len());
    for character in folded
        .nfd()
        .filter(|character| !is_combining_mark(*character))
    {
        match without_stroke(character) {
            Some(plain) => letters.push_str(plain),
            None => letters.push(character),
        }
    }
    Cow::Owned(letters)
}

/// A text composed, with typographic signs in their plain form.
pub(super) fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.nfc().map(plain_sign).collect())
}

/// Signs that have no shape of their own: controls, zero-width characters, marks of direction, soft hyphens.
fn shapeless(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{AD}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
        )
}

/// The plain digit of a full-width one.
fn plain_digit(character: char) -> char {
    match character {
        '\u{FF10}'..='\u{FF19}' => {
            char::from_digit(u32::from(character) - 0xFF10, 10).unwrap_or(character)
        }
        _ => character,
    }
}

/// The plain sign of a typographic one.
fn plain_sign(character: char) -> char {
    match character {
        '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{02BC}' | '\u{2032}' | '`' | '´' => '\'',
        '\u{201C}' | '\u{201D}' | '\u{201E}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        _ => character,
    }
}

/// Letters that do not decompose, without what makes them others (as `transforms` writes them for an encoding that lacks them).
fn without_stroke(character: char) -> Option<&'static str> {
    Some(match character {
        'ł' => "l",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fold;
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_no_part_of_a_cell() {
        let cases = [
            ("7", "7"),
            ("  a  b ", "a b"),
            ("\u{FEFF}7\u{A0}", "7"),
            ("K7\u{200B}M3\u{AD}", "K7M3"),
            ("Y\u{B}", "Y"),
            ("a\r\nb", "a b"),
            ("\u{FF10}\u{FF17}", "07"),
            ("7²", "7²"),
            ("", ""),
        ];
        for (cell, seen) in cases {
            assert_eq!(visible(cell), seen, "{cell:?}");
        }
    }

    #[test]
    fn names_are_alike_with_other_signs_and_without_accents() {
        assert_eq!(fold("O\u{2019}Brien\u{2013}Smith"), fold("O'BRIEN-smith"));
        assert_eq!(fold("Zoe\u{308}"), fold("Zoë"));
        assert_ne!(fold("Zoe"), fold("Zoë"));
        for (accents, none) in [
            ("Łukasz Sørensen", "lukasz sorensen"),
            ("Ŵyn Šimić", "wyn simic"),
            ("Großæ", "grossae"),
        ] {
            assert_eq!(letters(&fold(accents)), none);
        }
    }
}
