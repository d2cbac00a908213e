//! What stands in a cell of an answer: nothing, a text, or the trace of an answer that a spreadsheet did not save.

use std::borrow::Cow;

use crate::domain::Reason;
use crate::sheet::{unescape, visible};

/// How spreadsheets write a cell that they could not compute.
const ERRORS: [&str; 10] = [
    "#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!",
    "#FIELD!",
];

/// A cell as it was typed: what can be seen, without the marks by which spreadsheets keep a text a text.
pub(super) fn typed(cell: &str) -> Cow<'_, str> {
    // Most cells hold none of the signs that anything here is about.
    if !cell.bytes().any(|byte| !byte.is_ascii_alphanumeric()) {
        return Cow::Borrowed(cell);
    }
    let unescaped = unescape(cell);
    let seen = match unescaped {
        Cow::Borrowed(text) => visible(text),
        Cow::Owned(text) => Cow::Owned(visible(&text).into_owned()),
    };
    match seen.strip_prefix('\'') {
        Some(rest) if rest.starts_with(char::is_alphanumeric) => Cow::Owned(rest.to_owned()),
        _ => seen,
    }
}

/// The same with the signs of a web form in their plain form.
pub(super) fn decoded(cell: &str) -> Option<String> {
    if !(cell.contains('&') && cell.contains(';')) {
        return None;
    }
    let decoded = html_escape::decode_html_entities(cell);
    (decoded != cell).then(|| decoded.into_owned())
}

/// Why a typed cell holds no answer: an error, digits that had no room, a formula without its result.
pub(super) fn unsaved(typed: &str) -> Option<Reason> {
    match typed.as_bytes().first()? {
        b'#' if no_value(typed) => Some(Reason::ErrorCell),
        b'=' => Some(Reason::Formula),
        _ => None,
    }
}

/// Whether a spreadsheet wrote this because it had no value, or no room to show it.
pub(super) fn no_value(typed: &str) -> bool {
    let hashes = typed.len() > 1 && typed.bytes().all(|byte| byte == b'#');
    hashes || ERRORS.iter().any(|error| typed.eq_ignore_ascii_case(error))
}

/// The number that a cell in powers of ten stands for, if every digit of it is there, and with how many digits it was written.
pub(super) fn powers_of_ten(typed: &str) -> Option<(f64, usize)> {
    let upper = typed.to_ascii_uppercase();
    let (mantissa, power) = upper.split_once('E')?;
    let power: i32 = power.parse().ok()?;
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let plain = mantissa
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b',');
    if !plain || digits == 0 || !(-30..=30).contains(&power) {
        return None;
    }
    let mantissa: f64 = mantissa.replace(',', ".").parse().ok()?;
    Some((mantissa * 10_f64.powi(power), digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_spreadsheet_are_no_part_of_an_answer() {
        for (cell, text) in [
            ("'7", "7"),
            ("' 7", "' 7"),
            ("'=1+1", "=1+1"),
            (" Y\u{A0}", "Y"),
            ("'", "'"),
            ("", ""),
        ] {
            assert_eq!(typed(cell), text, "{cell:?}");
        }
        assert_eq!(
            decoded("Wedi symud t&#375;").as_deref(),
            Some("Wedi symud tŷ")
        );
        assert_eq!(decoded("R & D; more"), None);
    }

    #[test]
    fn what_was_not_saved_is_seen() {
        for (cell, reason) in [
            ("#N/A", Some(Reason::ErrorCell)),
            ("#ref!", Some(Reason::ErrorCell)),
            ("########", Some(Reason::ErrorCell)),
            ("#1", None),
            ("#", None),
            ("=TODAY()", Some(Reason::Formula)),
            ("7", None),
        ] {
            assert_eq!(unsaved(cell), reason, "{cell}");
        }
        assert_eq!(powers_of_ten("4.6106E+04"), Some((46106.0, 5)));
        assert_eq!(powers_of_ten("7E+00"), Some((7.0, 1)));
        assert_eq!(powers_of_ten("E5"), None);
        assert_eq!(powers_of_ten("12"), None);
    }
}
