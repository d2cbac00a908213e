//! What one cell looks like: a day, a number, a telephone number, a postcode, a name.
//!
//! A cell comes in; whether it looks so goes out. Kept: a look is by form alone, and no cell is kept.

use jiff::civil::Date;

use super::word_lists::listed;

/// Ways in which people here write days, the surest first; `%-d` is a day without its zero.
const PATTERNS: [&str; 19] = [
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%-d/%-m/%Y",
    "%d.%m.%Y",
    "%-d.%-m.%Y",
    "%d-%m-%Y",
    "%d %B %Y",
    "%-d %B %Y",
    "%d %b %Y",
    "%-d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%-d.%-m.%y",
    "%-d/%-m/%y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%m/%d/%Y",
];

/// Different cells of a column, in the order found.
pub(super) fn distinct<'c>(cells: &[&'c str]) -> Vec<&'c str> {
    let mut found: Vec<&str> = Vec::new();
    for cell in cells {
        if !found.iter().any(|known| known.eq_ignore_ascii_case(cell)) {
            found.push(cell);
        }
    }
    found
}

pub(super) fn patterns(cells: &[&str]) -> Vec<&'static str> {
    PATTERNS
        .into_iter()
        .filter(|pattern| {
            cells.iter().all(|cell| {
                Date::strptime(pattern, cell).is_ok_and(|day| {
                    (1900..=2100).contains(&day.year())
                        && day.strftime(pattern).to_string().eq_ignore_ascii_case(cell)
                })
            })
        })
        .collect()
}

pub(super) fn number(cell: &str) -> Option<u32> {
    cell.parse().ok()
}

fn digits(cell: &str) -> usize {
    cell.chars().filter(char::is_ascii_digit).count()
}

pub(super) fn phone(cell: &str) -> bool {
    let lawful = |character: char| character.is_ascii_digit() || " +()-/".contains(character);
    (9..=14).contains(&digits(cell))
        && cell.chars().all(lawful)
        && (cell.starts_with('0') || cell.starts_with('+') || cell.starts_with('('))
}

pub(super) fn postcode(cell: &str) -> bool {
    let text: String = cell
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    let upper = text.to_ascii_uppercase();
    let Some((outward, inward)) = upper.split_at_checked(upper.len().saturating_sub(3)) else {
        return false;
    };
    let mut inner = inward.chars();
    (2..=4).contains(&outward.len())
        && outward.starts_with(|first: char| first.is_ascii_alphabetic())
        && outward.contains(|character: char| character.is_ascii_digit())
        && inner.next().is_some_and(|digit| digit.is_ascii_digit())
        && inner.all(|letter| letter.is_ascii_alphabetic())
}

pub(super) fn nhs_number(cell: &str) -> bool {
    let lawful = |character: char| character.is_ascii_digit() || " -".contains(character);
    digits(cell) == 10 && cell.chars().all(lawful) && !cell.starts_with('0')
}

pub(super) fn outcode(cell: &str) -> bool {
    let letters = cell.chars().take_while(char::is_ascii_alphabetic).count();
    let mut rest = cell.chars().skip(letters);
    (2..=4).contains(&cell.len())
        && (1..=2).contains(&letters)
        && rest.next().is_some_and(|digit| digit.is_ascii_digit())
        && rest.all(|character| character.is_ascii_alphanumeric())
}

/// Codes of the Organisation Data Service: a letter or two, then digits, five or six characters.
pub(super) fn ods_code(cell: &str) -> bool {
    let letters = cell.chars().take_while(char::is_ascii_uppercase).count();
    (5..=6).contains(&cell.len())
        && (1..=2).contains(&letters)
        && cell
            .chars()
            .skip(letters)
            .all(|digit| digit.is_ascii_digit())
}

pub(super) fn jotted(cell: &str) -> bool {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let lower = cell.to_lowercase();
    let parts: Vec<&str> = lower
        .split([' ', '/', '.', '-'])
        .filter(|part| !part.is_empty())
        .collect();
    let day = |part: &str| {
        let part = part.trim_end_matches(|letter: char| "stndrh".contains(letter));
        number(part).is_some_and(|day| (1..=31).contains(&day))
    };
    let month = |part: &str| {
        MONTHS.iter().any(|month| part.starts_with(month))
            || number(part).is_some_and(|month| (1..=12).contains(&month))
    };
    let named = parts
        .iter()
        .any(|part| MONTHS.iter().any(|month| part.starts_with(month)));
    match parts.as_slice() {
        [first, second] => day(first) && month(second) && (named || cell.contains('/')),
        [first, second, year] => day(first) && month(second) && number(year).is_some(),
        _ => false,
    }
}

/// Whether one of its words is of a list.
fn holds(cell: &str, list: &str) -> bool {
    let lower = cell.to_lowercase();
    lower
        .split(|character: char| !character.is_alphabetic())
        .any(|word| listed(list, word))
}

pub(super) fn practice(cell: &str) -> bool {
    let list = "surgery practice medical health hc mc clinic ptnrs partners meddygfa doctors gp \
        centre ctr";
    holds(cell, list) && cell.chars().count() <= 60
}

pub(super) fn title(cell: &str) -> bool {
    let list = "mr mrs ms miss mx dr rev prof sir dame master lady lord cllr revd";
    listed(list, &cell.trim_end_matches('.').to_lowercase())
}

pub(super) fn relation(cell: &str) -> bool {
    let list = "mum mother dad father husband wife partner son daughter sister brother friend neighbour \
        carer nan gran grandad grandmother grandfather aunt auntie uncle niece nephew parent \
        guardian spouse cousin stepmum stepdad granddaughter grandson self";
    holds(cell, list) && cell.split_whitespace().count() <= 2
}

/// Whether the cells count on from a start of letters: `CC2051`, `DA/1187`, `26-00341`.
pub(super) fn serial(cells: &[&str]) -> bool {
    let Some((first, others)) = cells.split_first() else {
        return false;
    };
    let start: String = first
        .chars()
        .take_while(|character| !character.is_ascii_digit())
        .collect();
    let parted = first
        .split_once(['-', '/'])
        .filter(|(year, rest)| year.len() <= 4 && number(year).is_some() && number(rest).is_some());
    let prefix = parted.map_or(start, |(year, _)| format!("{year}-"));
    !others.is_empty()
        && !prefix.is_empty()
        && cells.iter().all(|cell| {
            let cell = cell.replace('/', "-");
            let rest = cell.strip_prefix(&prefix.replace('/', "-"));
            rest.is_some_and(|rest| number(rest).is_some())
        })
}

pub(super) fn name(cell: &str) -> bool {
    let mut words = cell.split_whitespace();
    (1..=5).contains(&cell.split_whitespace().count())
        && words.all(|word| {
            word.trim_start_matches(['(', '"'])
                .starts_with(char::is_uppercase)
        })
        && !cell.contains(|character: char| character.is_ascii_digit())
}
