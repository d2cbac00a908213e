//! Rows of a sheet that are no person: a heading that stands again, titles of groups, sums, footnotes; what a second heading means for the rows below,
//! and answers below the last person that belong to somebody above.

use std::collections::{HashMap, HashSet};

use super::cell_text::typed;
use super::days::{DayForm, of_number, written_day};
use super::scores::{score, whole_number};
use super::{Reading, added_columns, held};
use crate::domain::Reason;
use crate::partner::EventRule;
use crate::pipeline::event::RowFinding;
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

/// The heading of a sheet, by which a row is known that is one again.
#[derive(Default)]
pub(super) struct HeadingNames {
    /// The folded name of each column.
    folded: Vec<String>,
    /// Those of them that are not empty.
    names: HashSet<String>,
}

impl HeadingNames {
    pub(super) fn of(sheet: &Sheet) -> Self {
        let folded: Vec<String> = sheet.header.iter().map(|name| fold(name)).collect();
        let names = folded.iter().filter(|name| !name.is_empty());
        Self {
            names: names.cloned().collect(),
            folded,
        }
    }

    /// Whether a row is a heading: it holds names of columns and no answers.
    fn kind(&self, row: SheetRow<'_>) -> Option<RowKind> {
        let cells = (0..row.len()).filter(|place| !row.cell(*place).trim().is_empty());
        let full = cells.clone().count();
        let bearing = cells
            .filter(|place| self.names.contains(&fold(row.cell(*place))))
            .count();
        if bearing < 2 || bearing * 2 < full {
            return None;
        }
        let equal = (0..self.folded.len().max(row.len())).all(|place| {
            let name = self.folded.get(place).map_or("", String::as_str);
            name == fold(row.cell(place))
        });
        Some(if equal {
            RowKind::HeadingAgain
        } else {
            RowKind::OtherHeading
        })
    }
}

/// Signs of another delimiter from which on words are none.
const OTHER_DELIMITERS_MIN: usize = 3;

/// Rows of answers below the last person, of unlike columns, for which it is looked where they were moved from: with more, it is everywhere.
const ORPHANS_MAX: usize = 16;

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
    /// What a row without one of our references is.
    pub(super) fn kind(&self, sheet: &Sheet, row: SheetRow<'_>) -> RowKind {
        let reference = self.cell(row, &self.collect.reference);
        if let Some(kind) = self.heading.kind(row) {
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
        let numbers = |place: &usize| is_number(&typed(row.cell(*place)));
        let words: Vec<&usize> = full.iter().filter(|place| !numbers(place)).collect();
        if words.len() == 1 && words.into_iter().all(is_sum) && answers.iter().all(numbers) {
            return RowKind::Totals;
        }
        RowKind::OfPerson
    }

    /// Holds rows whose answers belong to the person above, if answers stand alone below the last person. In a receipt that is sent back they may
    /// stand anywhere: what was to be mended was put on top.
    pub(super) fn hold_shifted_down(
        &self,
        sheet: &Sheet,
        rows: &[SheetRow<'_>],
        findings: &mut [RowFinding],
    ) {
        // Below a second heading everything is in doubt already.
        let people = findings
            .iter()
            .position(|finding| finding.reason == Some(Reason::SecondHeading))
            .unwrap_or(findings.len());
        let (rows, findings) = (&rows[..people], &mut findings[..people]);
        let last = findings.iter().rposition(|finding| finding.leg.is_some());
        let Some(last) = last else { return };
        let ours = added_columns(sheet);
        let first = if ours > 0 { 0 } else { last + 1 };
        let mut orphans = Vec::new();
        let mut gap = rows.len();
        // Where these columns are empty for the first time; most orphans have the same.
        let mut gaps: HashMap<Vec<usize>, usize> = HashMap::new();
        for (at, row) in rows.iter().enumerate().skip(first) {
            let Some(places) = self.orphaned_answers(*row, ours) else {
                continue;
            };
            let is_gap = |row: &SheetRow<'_>| places.iter().all(|at| is_blank(row.cell(*at)));
            let known = gaps.len() < ORPHANS_MAX || gaps.contains_key(&places);
            let first_gap = if known {
                let found = || rows.iter().position(is_gap).unwrap_or(0);
                *gaps.entry(places.clone()).or_insert_with(found)
            } else {
                0
            };
            gap = gap.min(if first_gap < at { first_gap } else { 0 });
            orphans.push(at);
        }
        let Some(through) = orphans.last() else {
            return;
        };
        let slid = format!(
            "The answers of row {line} belong to nobody. Perhaps all answers slid down by one row.",
            line = rows[orphans[0]].line()
        );
        for at in gap..=*through {
            let finding = &mut findings[at];
            if finding.leg.is_some() || orphans.binary_search(&at).is_ok() {
                *finding = held(rows[at], finding.leg, Reason::Shifted);
                finding.hint = Some(slid.clone());
            }
        }
    }

    /// The places of the answers of a row that says nothing of whose they are; a row of sums has none. Columns before `first` are not the sender's.
    fn orphaned_answers(&self, row: SheetRow<'_>, first: usize) -> Option<Vec<usize>> {
        let full = (first..row.len()).filter(|place| !is_blank(row.cell(*place)));
        let full: Vec<usize> = full.collect();
        let told_by = [Some(&self.collect.reference), self.collect.check.as_ref()];
        let told_by = told_by.map(|header| header.and_then(|header| self.columns.place(header)));
        let of_person = |place: &usize| {
            told_by.contains(&Some(*place)) || self.delivered_places.contains(place)
        };
        let is_sum =
            |place: &usize| SUMS.contains(&fold(row.cell(*place)).trim_end_matches([':', '.']));
        if full.iter().any(|place| of_person(place) || is_sum(place)) {
            return None;
        }
        // A column of the partner's own may have moved too.
        let answers = full
            .into_iter()
            .filter(|place| self.columns.is_read(*place));
        let answers: Vec<usize> = answers.collect();
        let cells = answers
            .iter()
            .map(|place| (*place, typed(row.cell(*place))));
        let cells: Vec<(usize, _)> = cells.collect();
        let off = cells
            .iter()
            .filter(|(place, text)| is_number(text) && !self.can_be_an_answer(*place, text))
            .count();
        // A day or a word is an answer, and so is a number that its column can hold: sums are mostly beyond.
        let sums = cells.iter().all(|(_, text)| is_number(text)) && off * 2 >= cells.len();
        (!answers.is_empty() && !sums).then_some(answers)
    }

    /// Whether a number can be an answer in a column.
    fn can_be_an_answer(&self, place: usize, text: &str) -> bool {
        let is_here = |header: &str| self.columns.place(header) == Some(place);
        let is_day = || match written_day(text).form {
            DayForm::Number(number) => {
                let days = [false, true].map(|from_1904| of_number(number, from_1904));
                days.into_iter().flatten().any(|day| day <= self.today)
            }
            _ => false,
        };
        self.collect.events.iter().any(|event| {
            let of_day = event.on.as_deref().is_some_and(is_here) && is_day();
            let told = match &event.told {
                EventRule::Measure {
                    instrument, items, ..
                } => items.iter().any(|item| {
                    let scale = instrument.item(&item.item);
                    is_here(&item.column) && scale.is_some_and(|scale| score(text, scale).is_some())
                }),
                EventRule::Attendance { column, codes }
                | EventRule::Status { column, codes, .. } => {
                    is_here(column) && codes.get_typed(text).is_some()
                }
                EventRule::Note { column } => is_here(column),
                EventRule::Acknowledged(_) | EventRule::Onward { .. } => false,
            };
            of_day || told
        })
    }
}

/// Whether nothing can be seen in a cell.
fn is_blank(cell: &str) -> bool {
    typed(cell).is_empty()
}

fn is_number(text: &str) -> bool {
    whole_number(text).is_some() || text.parse::<f64>().is_ok()
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

/// Whether a row holds another delimiter more often than a sentence does, or one beside a quote: it is a row, or a part of one, of another file.
fn is_cut_by_another(sheet: &Sheet, row: SheetRow<'_>) -> bool {
    let others = [',', ';', '\t', '|'].into_iter();
    let mut others = others.filter(|sign| *sign != char::from(sheet.dialect.delimiter));
    let cells = || (0..row.len()).map(|place| row.cell(place));
    let least = if cells().any(|cell| cell.contains('"')) {
        1
    } else {
        OTHER_DELIMITERS_MIN
    };
    others.any(|sign| {
        cells()
            .map(|cell| cell.matches(sign).count())
            .sum::<usize>()
            >= least
    })
}
