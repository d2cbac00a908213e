//! Numbers as people and spreadsheets write them: the same number in another form is that number, and nothing is rounded.

use super::cell_text::powers_of_ten;
use crate::partner::InstrumentItem;

/// A whole number that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrittenNumber {
    pub(super) number: i64,
    /// It stood in a form that is said.
    pub(super) in_another_form: bool,
}

/// The whole number that a typed cell stands for, if it is one and no more than one.
pub(super) fn whole_number(typed: &str) -> Option<WrittenNumber> {
    let plain = |number: i64| WrittenNumber {
        number,
        in_another_form: false,
    };
    if let Ok(number) = typed.parse() {
        return Some(plain(number));
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // `7.0`, `7.00` and `7,0`: a comma before three zeros would be a thousand.
    for (sign, most) in [('.', 15), (',', 2)] {
        if let Some((whole, zeros)) = typed.split_once(sign) {
            let zero =
                digits(zeros) && zeros.len() <= most && zeros.bytes().all(|byte| byte == b'0');
            let unsigned = whole.trim_start_matches(['+', '-']);
            if zero && digits(unsigned) {
                return Some(WrittenNumber {
                    number: whole.parse().ok()?,
                    in_another_form: true,
                });
            }
        }
    }
    let (number, written) = powers_of_ten(typed)?;
    // As many digits as the number has: none is lost.
    let text = format!("{number:.0}");
    let exact = number.fract() == 0.0 && text.len() <= written;
    Some(WrittenNumber {
        number: text.parse().ok().filter(|_| exact)?,
        in_another_form: true,
    })
}

/// The answer to an item, if it is on its scale.
pub(super) fn score(typed: &str, item: &InstrumentItem) -> Option<WrittenNumber> {
    whole_number(typed).filter(|written| item.allows(written.number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_in_another_form_is_that_number() {
        let cases = [
            ("7", Some((7, false))),
            ("+7", Some((7, false))),
            ("-1", Some((-1, false))),
            ("7.0", Some((7, true))),
            ("7.00", Some((7, true))),
            ("7,0", Some((7, true))),
            ("7E+00", Some((7, true))),
            ("1.0E+01", Some((10, true))),
            ("7.5", None),
            ("7,5", None),
            ("7,000", None),
            ("0,007", None),
            ("70%", None),
            ("7/10", None),
            ("seven", None),
            ("O", None),
            ("07-Oct", None),
            ("6,7", None),
            ("£7.00", None),
            ("9.43E+09", None),
            ("1E+03", None),
            ("", None),
        ];
        for (typed, expected) in cases {
            let read = whole_number(typed).map(|read| (read.number, read.in_another_form));
            assert_eq!(read, expected, "{typed}");
        }
    }
}
