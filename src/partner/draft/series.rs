//! Finds a register among the columns: `Week 1`, `Week 2`, `Week 3`, each with a tick or a cross.
//!
//! Columns with their likely meanings come in and are changed in place. Invariant: of a register without days of its own only the first
//! column is taken for an attendance, since an answer needs its day.

use std::collections::BTreeMap;

use super::columns::{OpenColumn, is_day, is_field, ours};
use super::shape::CellShape;
use super::word_lists::words;
use super::words::{code_of, ordinal};

/// What every column of a register is, as sure as a plain header.
const REGISTER: i32 = 96;

/// Takes each register for attendances.
pub(super) fn sessions(open: &mut [OpenColumn]) {
    let mut registers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, column) in open.iter().enumerate() {
        if let Some(stem) = stem(&column.guess.header).filter(|_| may_be(column)) {
            registers.entry(stem).or_default().push(index);
        }
    }
    let dated: Vec<Option<u32>> = open
        .iter()
        .filter(|column| {
            column.guess.shape.day_of_now() || column.best().is_some_and(|(means, _)| is_day(means))
        })
        .map(|column| ordinal(&column.guess.header))
        .collect();
    for columns in registers.into_values() {
        let seen = |index: &usize| open.get(*index).is_some_and(seen);
        if columns.len() < 2 || !columns.iter().any(seen) {
            continue;
        }
        for (nth, index) in columns.into_iter().enumerate() {
            let Some(column) = open.get_mut(index) else {
                continue;
            };
            let number = ordinal(&column.guess.header);
            let has_day = number.is_some() && dated.contains(&number);
            if nth == 0 || has_day {
                column.raise("attendance", REGISTER);
            } else {
                column.lower("attendance", REGISTER);
                column.raise("session", REGISTER);
            }
        }
    }
}

/// What stands before the number of a numbered header; a header that is a day is numbered by it.
fn stem(header: &str) -> Option<String> {
    if CellShape::of(std::iter::once(header)).day_of_now() {
        return Some(String::new());
    }
    let words = words(header);
    let at = words.iter().position(|word| {
        let end = word.trim_start_matches(['w', 's']);
        end.parse::<u32>().is_ok_and(|number| number < 100)
    })?;
    let stem = words.get(..at)?.join(" ");
    (!stem.is_empty()).then_some(stem)
}

/// Whether a column may be of a register: ticks and words for who came, and no field by its header.
fn may_be(column: &OpenColumn) -> bool {
    let ours = ours("attendance");
    let known = column
        .cells
        .iter()
        .filter(|cell| code_of(cell, &ours).is_some())
        .count();
    let other = column.best().is_some_and(|(means, score)| {
        (is_field(means) || is_day(means) || means.starts_with("measure.")) && score >= 85
    });
    !other && known * 2 >= column.cells.len() && !column.guess.shape.day_of_now()
}

/// Whether somebody came or stayed away by one of its cells.
fn seen(column: &OpenColumn) -> bool {
    !column.cells.is_empty() || column.score("attendance") >= 85
}
