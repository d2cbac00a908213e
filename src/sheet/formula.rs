//! The formula rule at the beginning of a cell: one that a spreadsheet would run gets a leading apostrophe, and loses it on the way back.
//!
//! Text goes in and text comes out. Invariants: what [`guard`] returns never runs, and `unguard(guard(x)) == x` for every text. What could begin a cell
//! under another delimiter is [`escape`](super::escape)'s.

use std::borrow::Cow;

/// Digits of a phone number behind its `+`: the shortest in use and the longest E.164 allows.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Puts an apostrophe before a cell that a spreadsheet would run, and before one that begins with an apostrophe.
///
/// A plain number (`-3`, `+3.5`) or phone (`+44 7700 900123`) is left alone; everything else that begins like a formula is not, however harmless it
/// looks: `+1-202-555-0143` is a sum to Excel.
pub(crate) fn guard(cell: &str) -> Cow<'_, str> {
    if is_plain_number(cell) || is_plain_phone(cell) {
        Cow::Borrowed(cell)
    } else {
        guard_all(cell)
    }
}

/// The same, but that it guards plain numbers and phones too.
pub(crate) fn guard_all(cell: &str) -> Cow<'_, str> {
    if begins_guarded(cell) {
        let mut guarded = String::with_capacity(cell.len() + 1);
        guarded.push('\'');
        guarded.push_str(cell);
        Cow::Owned(guarded)
    } else {
        Cow::Borrowed(cell)
    }
}

/// Takes one apostrophe off, only where [`guard`] could have put it.
pub(crate) fn unguard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if begins_guarded(rest) => rest,
        _ => cell,
    }
}

/// The characters of the rule, and those that some spreadsheet treats alike: line feed, and the full-width forms.
fn begins_guarded(cell: &str) -> bool {
    // Nearly every cell begins with a letter or digit: one byte settles those.
    match cell.as_bytes().first() {
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n' | b'\'') => true,
        Some(0xEF) => cell.starts_with(begins_formula),
        None | Some(_) => false,
    }
}

/// Whether a character begins a formula: the signs, and their full-width forms.
pub(crate) fn begins_formula(character: char) -> bool {
    matches!(
        character,
        '=' | '+' | '-' | '@' | '\u{FF1D}' | '\u{FF0B}' | '\u{FF0D}' | '\u{FF20}'
    )
}

/// A sign, digits, and at most one decimal point or comma with digits on both sides: never more than a constant to a spreadsheet.
fn is_plain_number(cell: &str) -> bool {
    let Some(digits) = cell.strip_prefix(['+', '-']) else {
        return false;
    };
    let (whole, fraction) = match digits.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    all_digits(whole) && fraction.is_none_or(all_digits)
}

/// `+` and groups of digits with one space between them; no other sign, so that nothing can be computed.
fn is_plain_phone(cell: &str) -> bool {
    let Some(number) = cell.strip_prefix('+') else {
        return false;
    };
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    PHONE_DIGITS.contains(&digits) && number.split(' ').all(all_digits)
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_plain_numbers_and_phones_pass_unguarded() {
        let passes = [
            "",
            "Anna",
            "3",
            "-3",
            "+3.5",
            "-0,5",
            "+447700900123",
            "+44 7700 900123",
            "07700 900123",
            " =1",
            "a=b",
            "´",
            "a-b",
            "?",
        ];
        for cell in passes {
            assert_eq!(guard(cell), cell, "{cell:?}");
        }
        let guarded = [
            "=1+1",
            "+1+1",
            "-2+3",
            "@SUM(A1)",
            "\tx",
            "\r=1",
            "\n=1",
            "'",
            "''",
            "'=1",
            "-",
            "+",
            "- 3",
            "-3 ",
            "--3",
            "+-3",
            "-3.",
            "-.5",
            "-1,234.50",
            "-1e5",
            "+44 7700 900123 is her daughter's number",
            "+1-202-555-0143",
            "+44 (0)20 7946 0000",
            "+44  7700 900123",
            "+44 7700",
            "-44 7700 900123",
            "+1234567890 123456",
            "\u{FF1D}1+1",
            "\u{FF0B}1",
            "\u{FF0D}1",
            "\u{FF20}A",
            "+\u{0663}",
            "=cmd|' /C calc'!A0",
        ];
        for cell in guarded {
            assert_eq!(guard(cell), format!("'{cell}"), "{cell:?}");
            assert_eq!(unguard(&guard(cell)), cell, "{cell:?}");
        }
    }

    #[test]
    fn an_apostrophe_that_is_not_ours_stays() {
        for cell in ["'tis", "' =1", "'7", "'", "'\u{FF10}"] {
            assert_eq!(unguard(cell), cell, "{cell:?}");
        }
        assert_eq!(unguard("''"), "'");
    }

    proptest! {
        #[test]
        fn a_guarded_cell_reads_back_exactly(cell in "(?s)[-=+@\t\r\n' 0-9.,a\u{FF1D}]{0,8}.{0,4}") {
            let written = guard(&cell);
            prop_assert_eq!(unguard(&written), cell.as_str());
            let runs = written.starts_with(['=', '@', '\t', '\r', '\n', '\u{FF1D}']);
            prop_assert!(!runs);
        }
    }
}
