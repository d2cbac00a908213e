//! The formula rule of a whole cell: neutral under whichever delimiter a spreadsheet tries, and undone on the way back.
//!
//! A file of semicolons that is opened by commas is cut elsewhere: behind a comma in the middle of a cell, and behind a line break in it, since the
//! quotes around a cell mean nothing there. So [`formula`](super::formula) guards the beginning of a cell, and this module each place within it where
//! another delimiter would begin one. The rule knows no file: a cell is escaped alike in all of them, so that it can be undone without asking which.
//!
//! Invariants: `unescape(escape(x)) == x` for every text; a text without such a place is not changed.

use std::borrow::Cow;

use super::formula::{begins_formula, guard, guard_all, unguard};

/// Makes a cell neutral: an apostrophe before it where [`guard`] puts one, and one within it before each sign that begins a formula behind a comma, a
/// semicolon, a tab or a line break, also if quotes stand between.
///
/// A plain number or phone that begins a row is guarded too, for under another delimiter the cell goes on into the next; `alone` is a cell without a
/// next one.
pub(crate) fn escape(cell: &str, first: bool, alone: bool) -> Cow<'_, str> {
    match within(cell) {
        None => escape_beginning(cell, first, alone),
        Some(within) => Cow::Owned(escape_beginning(&within, first, alone).into_owned()),
    }
}

/// The same of a cell that is known to hold no delimiter and no line break, or no sign.
pub(crate) fn escape_beginning(cell: &str, first: bool, alone: bool) -> Cow<'_, str> {
    if first && !alone {
        guard_all(cell)
    } else {
        guard(cell)
    }
}

/// Takes one apostrophe off, only where [`escape`] could have put it.
pub(crate) fn unescape(cell: &str) -> Cow<'_, str> {
    let cell = unguard(cell);
    if !cell.bytes().any(|byte| byte == b'\'') {
        return Cow::Borrowed(cell);
    }
    let (mut taken, mut kept) = (String::new(), 0);
    for at in places(cell) {
        if let Some(before) = cell.get(kept..at)
            && let Some(before) = before.strip_suffix('\'')
        {
            taken.push_str(before);
            kept = at;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(cell);
    }
    taken.push_str(cell.get(kept..).unwrap_or_default());
    Cow::Owned(taken)
}

/// The cell with an apostrophe at each of its places; nothing if it has none.
fn within(cell: &str) -> Option<String> {
    let (mut guarded, mut kept) = (String::new(), 0);
    for at in places(cell) {
        guarded.push_str(cell.get(kept..at).unwrap_or_default());
        guarded.push('\'');
        kept = at;
    }
    // No place is at the beginning.
    (kept > 0).then(|| guarded + cell.get(kept..).unwrap_or_default())
}

/// Where signs stand that would begin a formula under another delimiter: behind one, quotes or none, and apostrophes or none.
///
/// A sign behind apostrophes is no formula, but it looks as if it had been escaped: it gets one more, so that it keeps its own.
fn places(cell: &str) -> impl Iterator<Item = usize> {
    #[derive(PartialEq)]
    enum Behind {
        Text,
        Delimiter,
        Apostrophe,
    }
    let mut behind = Behind::Text;
    cell.char_indices().filter_map(move |(at, character)| {
        let (before, now) = match character {
            ',' | ';' | '\t' | '\r' | '\n' => (false, Behind::Delimiter),
            '"' if behind == Behind::Delimiter => (false, Behind::Delimiter),
            '\'' if behind != Behind::Text => (false, Behind::Apostrophe),
            _ => (
                behind != Behind::Text && begins_formula(character),
                Behind::Text,
            ),
        };
        behind = now;
        before.then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(cell: &str, expected: &str) {
        assert_eq!(escape(cell, false, false), expected, "{cell:?}");
        assert_eq!(unescape(expected), cell, "{cell:?}");
    }

    #[test]
    fn a_sign_that_another_delimiter_would_put_first_is_guarded() {
        let guarded = [
            ("phone first,=1+1,thanks", "phone first,'=1+1,thanks"),
            ("x;+44 7700 900123", "x;'+44 7700 900123"),
            ("x\t@SUM(A1)", "x\t'@SUM(A1)"),
            ("one\r\n- two\n- three", "one\r\n'- two\n'- three"),
            ("a,\"=1\"", "a,\"'=1\""),
            ("a;\u{FF1D}1", "a;'\u{FF1D}1"),
            ("=1,=2", "'=1,'=2"),
            ("\t=1", "'\t'=1"),
            // As if it were escaped already: one more, so that one can be taken off.
            ("a,'=1", "a,''=1"),
            ("a,\"''-1", "a,\"'''-1"),
        ];
        for (cell, escaped) in guarded {
            check(cell, escaped);
        }
        let kept = [
            "a, =1",
            "a=b, c-d; e@f.example",
            "a,'b",
            "a,'\"=1",
            "a,b\"=1",
            "O'Brien, Anna",
            "1,234.50",
            "-0,5",
            "so 'tis, 'twas",
            "two\nlines",
        ];
        for cell in kept {
            check(cell, cell);
        }
    }

    #[test]
    fn a_number_that_goes_on_into_the_next_cell_is_guarded() {
        for (cell, first, alone, expected) in [
            ("-3", true, false, "'-3"),
            ("+44 7700 900123", true, false, "'+44 7700 900123"),
            ("-3", true, true, "-3"),
            ("-3", false, false, "-3"),
            ("A-3", true, false, "A-3"),
        ] {
            assert_eq!(escape(cell, first, alone), expected);
            assert_eq!(unescape(expected), cell);
        }
    }

    proptest! {
        #[test]
        fn an_escaped_cell_reads_back_exactly(
            cell in "(?s)[-=+@\t\r\n'\",; 0-9.a\u{FF1D}]{0,12}.{0,4}",
            first: bool,
            alone: bool,
        ) {
            let written = escape(&cell, first, alone);
            prop_assert_eq!(unescape(&written), cell.as_str());
            let places = places(&written).filter(|at| !written.split_at(*at).0.ends_with('\''));
            prop_assert_eq!(places.count(), 0);
        }

        #[test]
        fn what_was_not_escaped_loses_at_most_one_apostrophe_a_place(cell in "[-=+@\t\n'\",;a]{0,12}") {
            let plain = unescape(&cell);
            let apostrophes = |text: &str| text.matches('\'').count();
            let most = places(&cell).count() + 1;
            prop_assert!(apostrophes(&cell) - apostrophes(&plain) <= most);
            prop_assert_eq!(plain.replace('\'', ""), cell.replace('\'', ""));
        }
    }
}
