//! One identity cell as it came back beside the same as it was delivered: the same, no value, or another one.
//!
//! The forms that spreadsheets and people give a value are the value. Compared only: nothing of it is taken in.

use std::borrow::Cow;

use super::cell_text::{decoded, no_value, powers_of_ten, typed};
use super::days::{DayForm, DayOrder, of_number, written_day};
use crate::pipeline::delivered_rows::{ComparedAs, ComparedColumn};
use crate::sheet::{fold, letters};

/// What comparing two cells gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// The delivered value, in any of its forms.
    Same,
    /// The delivered value with signs for the letters that an encoding lacks.
    SameWithLostLetters,
    /// Nothing that could disagree.
    NoValue,
    /// Another value; of names: whether it is another spelling or one of two names.
    Other { alike: bool },
}

impl Compared {
    /// Whether it speaks for the row.
    pub(super) fn agrees(self) -> bool {
        matches!(self, Self::Same | Self::SameWithLostLetters)
    }

    /// Whether it is another value.
    pub(super) fn differs(self) -> bool {
        matches!(self, Self::Other { .. })
    }
}

/// From here on two names are spellings of one.
const ALIKE: f64 = 0.7;

const TITLES: [&str; 14] = [
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "dr",
    "prof",
    "professor",
    "rev",
    "revd",
    "sir",
    "lady",
    "dame",
    "master",
];

/// Compares a cell with what was delivered in its column.
pub(super) fn compare(column: &ComparedColumn, delivered: &str, returned: &str) -> Compared {
    if returned.is_empty() {
        return Compared::NoValue;
    }
    if returned == delivered {
        return Compared::Same;
    }
    let seen = typed(returned);
    if seen.is_empty() || no_value(&seen) {
        return Compared::NoValue;
    }
    let plain: Cow<'_, str> = match decoded(&seen) {
        Some(decoded) => Cow::Owned(decoded),
        None => seen,
    };
    let sent = typed(delivered);
    if sent == plain {
        return Compared::Same;
    }
    let same_if = |same: bool| {
        if same {
            Compared::Same
        } else {
            Compared::Other { alike: false }
        }
    };
    match column.compared_as {
        ComparedAs::NhsNumber => number(&sent, &plain, &nhs_digits),
        ComparedAs::Phone => number(&sent, &plain, &phone_digits),
        ComparedAs::Postcode => same_if(alphanumeric(&sent) == alphanumeric(&plain)),
        ComparedAs::BirthDate => birth_date(column, &sent, &plain),
        ComparedAs::Address => same_if(words(&sent) == words(&plain)),
        ComparedAs::Email | ComparedAs::OfPerson | ComparedAs::Day => {
            same_if(fold(&sent) == fold(&plain))
        }
        ComparedAs::Family | ComparedAs::Given | ComparedAs::FullName => name(&sent, &plain),
    }
}

/// The form under which a value is found again on another row.
pub(super) fn index_key(column: &ComparedColumn, value: &str) -> String {
    let value = typed(value);
    match column.compared_as {
        ComparedAs::NhsNumber => nhs_digits(&value),
        ComparedAs::Phone => phone_digits(&value),
        ComparedAs::Postcode => alphanumeric(&value),
        ComparedAs::BirthDate => match delivered_day(column, &value) {
            Some(day) => day.to_string(),
            None => any_day(&value).map_or_else(|| fold(&value), |day| day.to_string()),
        },
        ComparedAs::Address => words(&value).join(" "),
        ComparedAs::Email | ComparedAs::OfPerson | ComparedAs::Day => fold(&value),
        ComparedAs::Family | ComparedAs::Given | ComparedAs::FullName => {
            name_words(&value).join(" ")
        }
    }
}

/// Numbers that are no sums: the digits count, whatever stands between them.
fn number(delivered: &str, returned: &str, digits: &dyn Fn(&str) -> String) -> Compared {
    let sent = digits(delivered);
    if let Some((number, written)) = powers_of_ten(returned) {
        // What is left of the digits agrees with the delivered number or does not.
        let whole: f64 = sent.parse().unwrap_or(0.0);
        let rounded = |number: f64| format!("{number:.*e}", written.saturating_sub(1));
        return if !sent.is_empty() && rounded(whole) == rounded(number) {
            Compared::NoValue
        } else {
            Compared::Other { alike: false }
        };
    }
    let came = digits(returned);
    if came == sent && !sent.is_empty() {
        Compared::Same
    } else {
        Compared::Other { alike: false }
    }
}

/// The digits of a number that was perhaps saved with a decimal point.
fn nhs_digits(text: &str) -> String {
    let text = text.strip_suffix(".0").unwrap_or(text);
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The digits of a phone number as it is dialled at home, without the zero that a spreadsheet takes away; letters make another number of it.
fn phone_digits(text: &str) -> String {
    let text = text.strip_suffix(".0").unwrap_or(text);
    let trunk = text.replace("(0)", "");
    let digits: String = trunk.chars().filter(char::is_ascii_alphanumeric).collect();
    let abroad = trunk.trim_start().starts_with('+');
    let home = if abroad {
        digits.strip_prefix("44")
    } else {
        digits.strip_prefix("0044")
    };
    match home {
        Some(home) => home.trim_start_matches('0').to_owned(),
        None if abroad => format!("+{digits}"),
        None => digits.trim_start_matches('0').to_owned(),
    }
}

fn alphanumeric(text: &str) -> String {
    let signs = text.chars().filter(|c| c.is_alphanumeric());
    signs.flat_map(char::to_uppercase).collect()
}

/// The words of a line, without their signs.
fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    let letters = letters(&folded);
    let words = letters.split(|c: char| !c.is_alphanumeric() && c != '\'');
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn delivered_day(column: &ComparedColumn, delivered: &str) -> Option<jiff::civil::Date> {
    match column.days.as_deref() {
        Some(pattern) => jiff::civil::Date::strptime(pattern, delivered).ok(),
        None => delivered.parse().ok(),
    }
}

fn any_day(text: &str) -> Option<jiff::civil::Date> {
    match written_day(text).form {
        DayForm::Number(number) => of_number(number, false),
        form => form.in_order(DayOrder::DayFirst),
    }
}

/// A day of birth in any form that can be the delivered day.
fn birth_date(column: &ComparedColumn, delivered: &str, returned: &str) -> Compared {
    let Some(day) = delivered_day(column, delivered) else {
        let same = fold(delivered) == fold(returned);
        return if same {
            Compared::Same
        } else {
            Compared::Other { alike: false }
        };
    };
    let written = written_day(returned);
    let century = |date: jiff::civil::Date| {
        date == day
            || (written.short_year
                && date.month() == day.month()
                && date.day() == day.day()
                && date.year() - day.year() == 100)
    };
    let counted = |number: i64| {
        let mut epochs = [false, true].into_iter();
        epochs.any(|from_1904| of_number(number, from_1904) == Some(day))
    };
    // A day of birth of long ago is a small number, or less than none.
    let small = returned
        .parse()
        .ok()
        .filter(|number: &i64| number.unsigned_abs() < 10_000);
    let same = match (written.form, small) {
        (DayForm::Number(number), _) | (_, Some(number)) => counted(number),
        (form, None) => [DayOrder::DayFirst, DayOrder::MonthFirst]
            .into_iter()
            .any(|order| form.in_order(order).is_some_and(century)),
    };
    if same {
        Compared::Same
    } else {
        Compared::Other { alike: false }
    }
}

/// The words of a name, without titles, accents and case.
fn name_words(text: &str) -> Vec<String> {
    let folded = fold(text);
    let letters = letters(&folded);
    let words = letters
        .split([' ', '-', ',', '.'])
        .filter(|word| !word.is_empty());
    let all: Vec<String> = words.map(str::to_owned).collect();
    let named: Vec<String> = all
        .iter()
        .filter(|word| !TITLES.contains(&word.as_str()))
        .cloned()
        .collect();
    if named.is_empty() { all } else { named }
}

fn name(delivered: &str, returned: &str) -> Compared {
    if with_lost_letters(delivered, returned) {
        return Compared::SameWithLostLetters;
    }
    let (sent, came) = (name_words(delivered), name_words(returned));
    if sent == came {
        return Compared::Same;
    }
    let one_word = |words: &[String]| words.concat();
    if one_word(&sent) == one_word(&came) {
        return Compared::Same;
    }
    let alike = came
        .iter()
        .any(|word| sent.iter().any(|other| spellings(word, other)));
    Compared::Other { alike }
}

/// Whether two words are spellings of one name.
fn spellings(one: &str, other: &str) -> bool {
    let lengths = [one, other].map(|word| word.chars().count());
    let close = lengths[0].abs_diff(lengths[1]) <= 1;
    one == other
        || (close
            && lengths[0].min(lengths[1]) >= 2
            && strsim::damerau_levenshtein(one, other) <= 1)
        || (can_be_alike(one, other, ALIKE)
            && strsim::normalized_damerau_levenshtein(one, other) >= ALIKE)
}

/// Whether two words can be as near as this, from 0 to 1, by their lengths: each sign that one has more is one that differs.
///
/// A cell may be as long as a page: what it is compared with is a word.
pub(super) fn can_be_alike(one: &str, other: &str, near: f64) -> bool {
    let longest = one.chars().count().max(other.chars().count());
    let shortest = one.chars().count().min(other.chars().count());
    // Both are below what a number of this kind holds exactly.
    let length = |count: usize| u32::try_from(count).map_or(f64::INFINITY, f64::from);
    length(shortest) >= near * length(longest)
}

/// Whether a text is the delivered one with a sign for each letter that an encoding lacks.
pub(super) fn with_lost_letters(delivered: &str, returned: &str) -> bool {
    let lost = |character: char| matches!(character, '?' | char::REPLACEMENT_CHARACTER);
    if !returned.contains(lost) {
        return false;
    }
    let (mut sent, mut came) = (delivered.chars(), returned.chars());
    loop {
        match (sent.next(), came.next()) {
            (None, None) => return true,
            (Some(letter), Some(sign)) if lost(sign) && !letter.is_ascii() => {}
            (Some(letter), Some(other)) if same_letter(letter, other) => {}
            _ => return false,
        }
    }
}

fn same_letter(one: char, other: char) -> bool {
    one == other || one.to_lowercase().eq(other.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(compared_as: ComparedAs) -> ComparedColumn {
        let days = (compared_as == ComparedAs::BirthDate).then(|| "%d/%m/%Y".to_owned());
        ComparedColumn {
            header: "Column".to_owned(),
            folded: "column".to_owned(),
            compared_as,
            days,
        }
    }

    const OTHER: Compared = Compared::Other { alike: false };
    const ALIKE: Compared = Compared::Other { alike: true };

    #[test]
    fn a_value_is_known_in_the_forms_that_spreadsheets_give_it() {
        use Compared::{NoValue, Same};
        use ComparedAs::{BirthDate, NhsNumber, Phone, Postcode};
        let cases = [
            (Phone, "07700 900123", "7700900123", Same),
            (Phone, "07700 900123", "7700900123.0", Same),
            (Phone, "07700 900123", "+44 7700 900123", Same),
            (Phone, "07700 900123", "+44 (0)7700 900123", Same),
            (Phone, "07700 900123", "00447700900123", Same),
            (Phone, "07700 900123", "(07700) 900123", Same),
            (Phone, "07700 900123", "7,700,900,123", Same),
            (Phone, "07700 900123", "7.7009E+09", NoValue),
            (Phone, "07700 900123", "7.7109E+09", OTHER),
            (Phone, "07700 900123", "7.70090012300046E+15", OTHER),
            (Phone, "07700 900123", "07700 900124", OTHER),
            (Phone, "07700 900123", "ask her son", OTHER),
            (Phone, "", "07700 900124", OTHER),
            (NhsNumber, "9434765919", "943 476 5919", Same),
            (NhsNumber, "9434765919", "943-476-5919", Same),
            (NhsNumber, "9434765919", "9434765919.0", Same),
            (NhsNumber, "9434765919", "9.43E+09", NoValue),
            (NhsNumber, "9434765919", "9434765918", OTHER),
            (Postcode, "BS1 4QA", "bs14qa", Same),
            (Postcode, "BS1 4QA", "BS1 4QB", OTHER),
            (BirthDate, "25/03/1961", "25-Mar-61", Same),
            (BirthDate, "25/03/1961", "1961-03-25", Same),
            (BirthDate, "25/03/1961", "25.03.1961", Same),
            (BirthDate, "25/03/1961", "3/25/1961", Same),
            (BirthDate, "25/03/1961", "22365", Same),
            (BirthDate, "25/03/1921", "7755", Same),
            (BirthDate, "25/03/1903", "-282", Same),
            (BirthDate, "25/03/1903", "-9223372036854775808", OTHER),
            (BirthDate, "25/03/1961", "########", NoValue),
            (BirthDate, "25/03/1961", "#N/A", NoValue),
            (BirthDate, "25/03/1961", "26/03/1961", OTHER),
            (BirthDate, "1961", "1961", Same),
        ];
        for (compared_as, delivered, returned, expected) in cases {
            let found = compare(&column(compared_as), delivered, returned);
            assert_eq!(found, expected, "{delivered} and {returned}");
        }
    }

    #[test]
    fn names_are_the_same_spelt_otherwise_or_others() {
        use Compared::{NoValue, Same, SameWithLostLetters};
        use ComparedAs::{Family, FullName};
        let cases = [
            (Family, "O'Brien", "O\u{2019}BRIEN", Same),
            (Family, "Taylor-Smythe", "Taylor Smythe", Same),
            (Family, "Müller", "Muller", Same),
            (Family, "Łoś", "Los", Same),
            (Family, "Łoś", "?o?", SameWithLostLetters),
            (Family, "Łoś", "?oz", OTHER),
            (Family, "García", "Garc\u{FFFD}a", SameWithLostLetters),
            (Family, "Ŵyn", "&#372;yn", Same),
            (Family, "Smith", "Smithe", ALIKE),
            (Family, "Ng", "Nge", ALIKE),
            (Family, "Ng", "Ngege", OTHER),
            (Family, "Winterborn", "Winterbourne", ALIKE),
            (Family, "Winter", "Winterbourne", OTHER),
            (Family, "Smith", "Winterbourne", OTHER),
            (Family, "Smith", " ", NoValue),
            (FullName, "Ms Zoë Smith", "zoe  SMITH", Same),
            (FullName, "Ms Zoë Smith", "Ms Zoë Ashgrove", ALIKE),
            (FullName, "Ms Zoë Smith", "Ms Lucian Ashgrove", OTHER),
        ];
        for (compared_as, delivered, returned, expected) in cases {
            let found = compare(&column(compared_as), delivered, returned);
            assert_eq!(found, expected, "{delivered} and {returned}");
        }
    }

    #[test]
    fn a_value_has_one_key_in_all_its_forms() {
        use ComparedAs::{BirthDate, FullName, Phone};
        for (compared_as, one, other) in [
            (Phone, "07700 900123", "+447700900123"),
            (BirthDate, "25/03/1961", "22365"),
            (FullName, "Ms Zoë Smith", "ZOE SMITH"),
        ] {
            let column = column(compared_as);
            assert_eq!(index_key(&column, one), index_key(&column, other));
        }
    }
}
