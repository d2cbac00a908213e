//! By what a receipt is known again when it comes back: the columns that it adds, its own number, and those of its rows.
//!
//! A partner mends the receipt itself and sends it, whole or in part. What is written here by [`said_receipt`] and [`said_row`] is read again by
//! [`receipt_number`] and [`row_number`].

use crate::domain::ReturnId;
use crate::sheet::fold;

/// Names of the columns that a receipt adds, before the partner's own.
pub(crate) const RESULT_COLUMNS: [&str; 3] = ["Result", "What is wrong", "What to do"];

/// What stands before the number of a receipt, and before that of a row.
const RECEIPT: &str = "The number of this receipt is ";
const ROW: &str = "Row ";

/// Whether a sheet is one of our receipts, sent back; names that gave way have a number behind them.
pub(crate) fn is_receipt(header: &[String]) -> bool {
    header.len() > RESULT_COLUMNS.len()
        && RESULT_COLUMNS
            .iter()
            .zip(header)
            .all(|(name, header)| fold(header).starts_with(&fold(name)))
}

/// How a receipt says its number, which is that of the return it answers.
pub(crate) fn said_receipt(answers: ReturnId) -> String {
    format!("{RECEIPT}{answers}.")
}

/// The number of a receipt, of the line of words that ends with it.
pub(crate) fn receipt_number(words: &str) -> Option<ReturnId> {
    let number = number_behind(words.get(words.find(RECEIPT)?..)?, RECEIPT)?;
    Some(ReturnId::new(i64::try_from(number).ok()?))
}

/// How a receipt says which row of the sheet it is about: by the number that Excel shows.
pub(crate) fn said_row(line: u64) -> String {
    format!("{ROW}{line}")
}

/// The number of a row, of what a receipt says to be wrong with it.
pub(crate) fn row_number(words: &str) -> Option<u64> {
    number_behind(words, ROW)
}

fn number_behind(words: &str, what: &str) -> Option<u64> {
    let rest = words.trim_start().strip_prefix(what)?;
    let digits = rest.len()
        - rest
            .trim_start_matches(|sign: char| sign.is_ascii_digit())
            .len();
    rest.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receipt_says_of_itself_is_read_again() {
        let id = ReturnId::new(4711);
        let words = format!("Please ring 01632 960001. {}", said_receipt(id));
        assert_eq!(receipt_number(&words), Some(id));
        assert_eq!(
            row_number(&format!("{}, \"Came\": no", said_row(12))),
            Some(12)
        );
        for other in [
            "",
            "Row",
            "Row x",
            "A row 12",
            "The number of this receipt is",
            "99999999999999999999",
        ] {
            assert_eq!(row_number(other), None, "{other}");
            assert_eq!(receipt_number(other), None, "{other}");
        }
    }

    #[test]
    fn a_receipt_is_known_by_its_three_columns() {
        let header = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned());
            names.collect::<Vec<String>>()
        };
        for (names, expected) in [
            (&["Result", "What is wrong", "What to do", "Ref"][..], true),
            (&["RESULT", "what is  wrong", "What to do (2)", "Ref"], true),
            (&["Ref", "Result", "What is wrong", "What to do"], false),
            (&["Result", "What is wrong", "What to do"], false),
        ] {
            assert_eq!(is_receipt(&header(names)), expected, "{names:?}");
        }
    }
}
