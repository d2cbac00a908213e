//! What the cells of a sample column look like: days in some pattern, numbers, telephone numbers, a few short words.
//!
//! Cells come in, a [`CellShape`] goes out. Invariant: a shape holds no cell, but for words of our own list (`words`).

use jiff::civil::Date;

use crate::domain::NhsNumber;

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

/// Days up to this year are of births: nobody keeps older referrals in a sheet in use.
const RECENT_AFTER: i16 = 2015;
/// A year of two digits beyond this is of the century before.
const SHORT_YEAR_MAX: i16 = 2040;
/// Cells that are looked at: enough to tell a pattern by.
pub(super) const CELLS_MAX: usize = 200;
/// Different cells beyond which a column holds no codes.
pub(super) const CODES_MAX: usize = 6;
/// Characters of a code.
const CODE_LENGTH_MAX: usize = 40;

/// What a column's cells have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one look at the same cells, and several may hold at once"
)]
pub(super) struct CellShape {
    /// Cells that are not blank.
    pub(super) filled: usize,
    /// Patterns under which every cell is a day and is written so again.
    pub(super) dates: Vec<&'static str>,
    /// The earliest year of the days.
    pub(super) year_min: i16,
    /// Days as somebody jots them down, perhaps without a year: `9 mar`.
    pub(super) jotted: bool,
    pub(super) phones: bool,
    pub(super) emails: bool,
    pub(super) postcodes: bool,
    /// The first halves of postcodes.
    pub(super) outcodes: bool,
    /// Ten digits, most of them with the check digit of an NHS number.
    pub(super) nhs_numbers: bool,
    pub(super) practices: bool,
    /// Codes of organisations: `A81001`.
    pub(super) ods_codes: bool,
    pub(super) titles: bool,
    /// What somebody is to somebody: `Mum`, `husband`.
    pub(super) relations: bool,
    /// One running list of the partner's own: the same letters before every number.
    pub(super) serial: bool,
    /// Whole numbers from 0 to 10.
    pub(super) scores: bool,
    /// Whole numbers from 1 to 120.
    pub(super) ages: bool,
    /// Whole numbers, one of them above 1 at least: how many, not whether.
    pub(super) counts: bool,
    /// Nothing but yes and no.
    pub(super) yes_no: bool,
    /// Several words in most cells.
    pub(super) sentences: bool,
    /// Names by their look: one to four words, each with a capital.
    pub(super) names: bool,
    /// More than one word in most cells.
    pub(super) several_words: bool,
    /// Few different short words.
    pub(super) codes: bool,
}

impl CellShape {
    /// The shape of these cells; blank ones say nothing.
    pub(super) fn of<'c>(cells: impl Iterator<Item = &'c str>) -> Self {
        let cells: Vec<&str> = cells
            .map(|cell| crate::tabular::unguard(cell).trim())
            .filter(|cell| !cell.is_empty())
            .take(CELLS_MAX)
            .collect();
        if cells.is_empty() {
            return Self::default();
        }
        let all = |test: fn(&str) -> bool| cells.iter().all(|cell| test(cell));
        let dates = patterns(&cells);
        let year_min = dates.first().map_or(0, |pattern| {
            let years = cells
                .iter()
                .filter_map(|cell| Date::strptime(pattern, cell).ok());
            let short = pattern.ends_with("%y");
            // Two digits are of this century only as far as it has come.
            let year = |year: i16| {
                if short && year > SHORT_YEAR_MAX {
                    year - 100
                } else {
                    year
                }
            };
            years.map(|day| year(day.year())).min().unwrap_or(0)
        });
        let most = |test: fn(&str) -> bool| {
            cells.iter().filter(|cell| test(cell)).count() * 2 > cells.len()
        };
        Self {
            filled: cells.len(),
            jotted: dates.is_empty() && all(jotted),
            dates,
            year_min,
            phones: all(phone),
            emails: all(|cell| cell.contains('@') && cell.contains('.')),
            postcodes: all(postcode),
            outcodes: all(outcode),
            nhs_numbers: all(nhs_number) && most(|cell| NhsNumber::parse(cell).is_ok()),
            practices: most(practice),
            ods_codes: all(ods_code),
            titles: all(title),
            relations: most(relation),
            serial: serial(&cells),
            scores: all(|cell| number(cell).is_some_and(|number| number <= 10)),
            ages: all(|cell| number(cell).is_some_and(|number| (1..=120).contains(&number))),
            counts: all(|cell| number(cell).is_some())
                && cells
                    .iter()
                    .any(|cell| number(cell).is_some_and(|number| number > 1)),
            yes_no: all(|cell| {
                let list = ["yes", "no", "y", "n", "true", "false"];
                list.contains(&cell.to_lowercase().as_str())
            }),
            sentences: most(|cell| cell.split_whitespace().count() > 4),
            names: all(name),
            several_words: most(|cell| cell.split_whitespace().count() > 1),
            codes: distinct(&cells).len() <= CODES_MAX
                && all(|cell| cell.chars().count() <= CODE_LENGTH_MAX),
        }
    }

    /// Whether the cells are days of this time, not of birth.
    pub(super) fn recent(&self) -> bool {
        self.date().is_some() && self.year_min > RECENT_AFTER
    }

    /// The same, or days without a year.
    pub(super) fn day_of_now(&self) -> bool {
        self.recent() || self.jotted
    }

    /// Whether a cell like this is about somebody: no header looks so.
    pub(super) fn personal(&self) -> bool {
        self.date().is_some() || self.phones || self.emails || self.postcodes || self.nhs_numbers
    }

    /// The pattern of the days, if they are days.
    pub(super) fn date(&self) -> Option<&'static str> {
        self.dates.first().copied()
    }
}

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

fn patterns(cells: &[&str]) -> Vec<&'static str> {
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

fn number(cell: &str) -> Option<u32> {
    cell.parse().ok()
}

fn digits(cell: &str) -> usize {
    cell.chars().filter(char::is_ascii_digit).count()
}

fn phone(cell: &str) -> bool {
    let lawful = |character: char| character.is_ascii_digit() || " +()-/".contains(character);
    (9..=14).contains(&digits(cell))
        && cell.chars().all(lawful)
        && (cell.starts_with('0') || cell.starts_with('+') || cell.starts_with('('))
}

fn postcode(cell: &str) -> bool {
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

fn nhs_number(cell: &str) -> bool {
    let lawful = |character: char| character.is_ascii_digit() || " -".contains(character);
    digits(cell) == 10 && cell.chars().all(lawful) && !cell.starts_with('0')
}

fn outcode(cell: &str) -> bool {
    let letters = cell.chars().take_while(char::is_ascii_alphabetic).count();
    let mut rest = cell.chars().skip(letters);
    (2..=4).contains(&cell.len())
        && (1..=2).contains(&letters)
        && rest.next().is_some_and(|digit| digit.is_ascii_digit())
        && rest.all(|character| character.is_ascii_alphanumeric())
}

/// Codes of the Organisation Data Service: a letter or two, then digits, five or six characters.
fn ods_code(cell: &str) -> bool {
    let letters = cell.chars().take_while(char::is_ascii_uppercase).count();
    (5..=6).contains(&cell.len())
        && (1..=2).contains(&letters)
        && cell
            .chars()
            .skip(letters)
            .all(|digit| digit.is_ascii_digit())
}

fn jotted(cell: &str) -> bool {
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

fn holds(cell: &str, list: &[&str]) -> bool {
    let lower = cell.to_lowercase();
    lower
        .split(|character: char| !character.is_alphabetic())
        .any(|word| list.contains(&word))
}

fn practice(cell: &str) -> bool {
    let list = [
        "surgery", "practice", "medical", "health", "hc", "mc", "clinic", "ptnrs", "partners",
        "meddygfa", "doctors", "gp", "centre", "ctr",
    ];
    holds(cell, &list) && cell.chars().count() <= 60
}

fn title(cell: &str) -> bool {
    let list = [
        "mr", "mrs", "ms", "miss", "mx", "dr", "rev", "prof", "sir", "dame", "master", "lady",
        "lord", "cllr", "revd",
    ];
    list.contains(&cell.trim_end_matches('.').to_lowercase().as_str())
}

fn relation(cell: &str) -> bool {
    let list = [
        "mum",
        "mother",
        "dad",
        "father",
        "husband",
        "wife",
        "partner",
        "son",
        "daughter",
        "sister",
        "brother",
        "friend",
        "neighbour",
        "carer",
        "nan",
        "gran",
        "grandad",
        "grandmother",
        "grandfather",
        "aunt",
        "auntie",
        "uncle",
        "niece",
        "nephew",
        "parent",
        "guardian",
        "spouse",
        "cousin",
        "stepmum",
        "stepdad",
        "granddaughter",
        "grandson",
        "self",
    ];
    holds(cell, &list) && cell.split_whitespace().count() <= 2
}

/// Whether the cells count on from a start of letters: `CC2051`, `DA/1187`, `26-00341`.
fn serial(cells: &[&str]) -> bool {
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

fn name(cell: &str) -> bool {
    let mut words = cell.split_whitespace();
    (1..=5).contains(&cell.split_whitespace().count())
        && words.all(|word| {
            word.trim_start_matches(['(', '"'])
                .starts_with(char::is_uppercase)
        })
        && !cell.contains(|character: char| character.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_told_by_a_pattern_that_writes_every_cell_again() {
        let table: [(&[&str], Option<&str>); 7] = [
            (&["03/04/2026", "21/11/2026"], Some("%d/%m/%Y")),
            (&["3/4/2026", "21/11/2026"], Some("%-d/%-m/%Y")),
            (&["2026-11-21"], Some("%Y-%m-%d")),
            (&["4 March 2026", "21 April 2026"], Some("%-d %B %Y")),
            (&["03-Nov-26"], Some("%d-%b-%y")),
            (&["03/04/2026", "soon"], None),
            (&["11/21/2026"], Some("%m/%d/%Y")),
        ];
        for (cells, pattern) in table {
            assert_eq!(
                CellShape::of(cells.iter().copied()).date(),
                pattern,
                "{cells:?}"
            );
        }
    }

    #[test]
    fn what_people_type_is_told_apart() {
        let of = |cell| CellShape::of(std::iter::once(cell));
        assert!(of("07700 900123").phones && !of("07700 900123").ages);
        assert!(of("943 476 5919").nhs_numbers && !of("0117 900 1234").nhs_numbers);
        assert!(of("BS1 4ND").postcodes && !of("Bristol").postcodes);
        assert!(of("7").scores && of("72").ages && !of("72").scores);
        assert_eq!(of("  "), CellShape::default());
    }
}
