//! Rows of a sheet that are no person: a heading that stands again, titles of groups, sums, footnotes; and what a second heading means for the rows below.

use std::collections::HashSet;

use super::Reading;
use super::cell_text::typed;
use super::scores::whole_number;
use crate::domain::LegReference;
use crate::sheet::{Sheet, SheetRow, fold};

/// What a row without a reference of ours is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    /// It has a reference, or something that somebody may have meant as a row about a person.
    OfPerson,
    /// The heading stands here again.
    HeadingAgain,
    /// Another heading: all rows below it are in doubt.
    OtherHeading,
    /// The title of a group, or a sentence: no answer stands in it.
    Words,
    /// Sums of the columns.
    Totals,
}

/// Signs of another delimiter from which on words are none.
const OTHER_DELIMITERS_MIN: usize = 3;

/// Words that begin the line of sums.
const SUMS: [&str; 9] = [
    "total",
    "totals",
    "sum",
    "subtotal",
    "grand total",
    "average",
    "mean",
    "count",
    "cyfanswm",
];

impl Reading<'_> {
    /// What a row is.
    pub(super) fn kind(&self, sheet: &Sheet, row: SheetRow<'_>) -> RowKind {
        let reference = self.cell(row, &self.collect.reference);
        if LegReference::parse(&typed(reference)).is_ok() {
            return RowKind::OfPerson;
        }
        if let Some(kind) = heading_kind(sheet, row) {
            return kind;
        }
        let full: Vec<usize> = (0..row.len())
            .filter(|place| !row.cell(*place).trim().is_empty())
            .collect();
        let is_answer = |place: &usize| {
            self.columns.is_read(*place)
                && Some(*place) != self.columns.place(&self.collect.reference)
        };
        let answers: Vec<usize> = full.iter().copied().filter(is_answer).collect();
        let of_person = full
            .iter()
            .any(|place| self.identity_places.contains(place));
        let meant = is_meant_as_reference(&typed(reference));
        if answers.is_empty() && !of_person && !meant && !is_cut_by_another(sheet, row) {
            return RowKind::Words;
        }
        let is_sum = |place: &usize| {
            let folded = fold(row.cell(*place));
            let first = folded.trim_end_matches([':', '.']);
            SUMS.contains(&first)
                || SUMS
                    .iter()
                    .any(|word| first.starts_with(&format!("{word} ")))
        };
        let numbers = |place: &usize| {
            let text = typed(row.cell(*place));
            whole_number(&text).is_some() || text.parse::<f64>().is_ok()
        };
        let words: Vec<&usize> = full.iter().filter(|place| !numbers(place)).collect();
        if words.len() == 1 && words.into_iter().all(is_sum) && answers.iter().all(numbers) {
            return RowKind::Totals;
        }
        RowKind::OfPerson
    }

    /// The places of the answers of a row below the last person that has no person itself.
    pub(super) fn orphaned_answers(&self, row: SheetRow<'_>) -> Option<Vec<usize>> {
        let reference = self.columns.place(&self.collect.reference);
        let full: Vec<usize> = (0..row.len())
            .filter(|place| !row.cell(*place).trim().is_empty())
            .collect();
        let only_answers = !full.is_empty()
            && full
                .iter()
                .all(|place| self.columns.is_read(*place) && Some(*place) != reference);
        // Sums stand under a table too: a day or a word is an answer.
        let says_something = full.iter().any(|place| {
            let text = typed(row.cell(*place));
            whole_number(&text).is_none()
        });
        (only_answers && says_something).then_some(full)
    }
}

/// Whether a cell was meant as one of our references: a word of letters and digits of about that length.
fn is_meant_as_reference(cell: &str) -> bool {
    let signs = cell.chars().filter(char::is_ascii_alphanumeric).count();
    let plain = cell
        .chars()
        .all(|sign| sign.is_ascii_alphanumeric() || sign == '-');
    let marked = cell.contains(|sign: char| sign.is_ascii_digit() || sign == '-');
    plain && marked && (8..=14).contains(&signs)
}

/// Whether a row holds another delimiter more often than a sentence does: it is a row, or a part of one, of another file.
fn is_cut_by_another(sheet: &Sheet, row: SheetRow<'_>) -> bool {
    let others = [',', ';', '\t', '|'].into_iter();
    let mut others = others.filter(|sign| *sign != char::from(sheet.dialect.delimiter));
    others.any(|sign| {
        let cells = (0..row.len()).map(|place| row.cell(place).matches(sign).count());
        cells.sum::<usize>() >= OTHER_DELIMITERS_MIN
    })
}

/// Whether a row is a heading: it holds names of columns and no answers.
fn heading_kind(sheet: &Sheet, row: SheetRow<'_>) -> Option<RowKind> {
    let names = sheet.header.iter().filter(|name| !name.is_empty());
    let names: HashSet<String> = names.map(|name| fold(name)).collect();
    let cells = (0..row.len()).filter(|place| !row.cell(*place).trim().is_empty());
    let full = cells.clone().count();
    let bearing = cells
        .filter(|place| names.contains(&fold(row.cell(*place))))
        .count();
    if bearing < 2 || bearing * 2 < full {
        return None;
    }
    let equal = (0..sheet.header.len().max(row.len())).all(|place| {
        let name = sheet.header.get(place).map_or("", String::as_str);
        fold(name) == fold(row.cell(place))
    });
    Some(if equal {
        RowKind::HeadingAgain
    } else {
        RowKind::OtherHeading
    })
}
