//! What the cells of a sample column look like: days in some pattern, numbers, telephone numbers, a few short words.
//!
//! Cells come in, a [`CellShape`] goes out. Invariant: a shape holds no cell, but for words of our own list (`words`).

use std::borrow::Cow;

use jiff::civil::Date;

use super::cells::{
    distinct, jotted, name, nhs_number, number, ods_code, outcode, patterns, phone, postcode,
    practice, relation, serial, title,
};
use super::word_lists::listed;
use crate::domain::NhsNumber;

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
        let cells: Vec<Cow<'_, str>> = cells
            .map(crate::sheet::unescape)
            .filter(|cell| !cell.trim().is_empty())
            .take(CELLS_MAX)
            .collect();
        let cells: Vec<&str> = cells.iter().map(|cell| cell.trim()).collect();
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
            yes_no: all(|cell| listed("yes no y n true false", &cell.to_lowercase())),
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
