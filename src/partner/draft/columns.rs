//! Guesses what each column of a partner's sheet holds, from its header, its cells and where it stands.
//!
//! A sheet comes in; one [`Guess`] a column goes out, in the sheet's order. Invariant: no field is guessed twice, and a guess
//! holds no cell but those that our own list knows as codes.

use std::borrow::Cow;

use super::cell_evidence::{by_look, fit};
use super::cells::distinct;
use super::heading::{Subject, heading};
use super::shape::CellShape;
use super::words::{Likely, code_of};
use super::{neighbours, series};
use crate::domain::event::ATTENDANCE;
use crate::partner::agreement::REPORTABLE;
use crate::sheet::{Sheet, unescape};

/// Below this nothing is guessed.
pub(super) const SURE: i32 = 60;
/// Above this a header of a return marks where the partner's own answers begin.
pub(super) const PLAIN: i32 = 100;
/// Points within which one meaning may stand for another.
const NEAR: i32 = 25;
/// Points from which on cells speak against a meaning.
const UNFIT: i32 = -40;
/// A column on the right side of that mark.
const SIDE: i32 = 8;

/// What one column is taken for.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    pub(super) header: String,
    pub(super) means: Option<&'static str>,
    /// Other meanings that were near.
    pub(super) others: Vec<&'static str>,
    pub(super) why: &'static str,
    /// By the very words of its header, or nearly.
    pub(super) sure: bool,
    pub(super) shape: CellShape,
    /// Cells that our list knows, with our words; first found first.
    pub(super) codes: Vec<(String, &'static str)>,
    /// Different cells that it does not know.
    pub(super) strange: usize,
}

impl Guess {
    /// The field of a column that we write.
    pub(super) fn field(&self) -> Option<&'static str> {
        self.means.filter(|means| is_field(means))
    }

    /// Whether its field is left open: it has a closed list, and no word in the sheet is known.
    pub(super) fn is_asked(&self) -> bool {
        let listed = self.field().is_some_and(|field| !ours(field).is_empty());
        listed && self.codes.is_empty() && self.strange > 0
    }
}

/// Whether a meaning is a field that we write; else it is something that comes back.
pub(super) fn is_field(means: &str) -> bool {
    ["leg.", "patient.", "referral.", "requester.", "practice."]
        .iter()
        .any(|start| means.starts_with(start))
}

/// Whether a meaning is the day of an answer.
pub(super) fn is_day(means: &str) -> bool {
    means.rsplit('.').next() == Some("on")
}

/// Our words that cells of a column with this meaning may lead to.
pub(super) fn ours(means: &str) -> Vec<&'static str> {
    match means {
        "attendance" | "attendance.missed" => ATTENDANCE.iter().map(|(word, _)| *word).collect(),
        "status" => REPORTABLE.iter().map(|state| state.code()).collect(),
        "measure.occasion" => vec!["baseline", "follow-up"],
        "acknowledged" | "patient.interpreter_required" | "patient.no_fixed_abode" => {
            vec!["true", "false"]
        }
        "patient.gender" => vec!["male", "female", "other", "unknown"],
        "referral.priority" => vec!["routine", "urgent", "asap", "stat"],
        "leg.action" => vec!["NEW", "AMEND", "STOP", "PAUSE"],
        _ => Vec::new(),
    }
}

/// One column before it is decided.
pub(super) struct OpenColumn {
    pub(super) guess: Guess,
    /// Whether the header names no relative, practice or worker.
    pub(super) about_nobody_else: bool,
    pub(super) likely: Vec<(&'static str, i32)>,
    pub(super) cells: Vec<String>,
}

impl OpenColumn {
    /// The likeliest meaning, if any is likely.
    pub(super) fn best(&self) -> Option<(&'static str, i32)> {
        let best = self.likely.iter().copied().max_by_key(|(_, score)| *score);
        best.filter(|(_, score)| *score >= SURE)
    }

    /// How likely a meaning is.
    pub(super) fn score(&self, means: &str) -> i32 {
        let known = self.likely.iter().find(|(known, _)| *known == means);
        known.map_or(0, |(_, score)| *score)
    }

    /// Makes a meaning as likely as this at least.
    pub(super) fn raise(&mut self, means: &'static str, to: i32) {
        match self.likely.iter_mut().find(|(known, _)| *known == means) {
            Some((_, score)) => *score = (*score).max(to),
            None => self.likely.push((means, to)),
        }
    }

    /// Makes a meaning less likely.
    pub(super) fn lower(&mut self, means: &str, by: i32) {
        for (known, score) in &mut self.likely {
            if *known == means {
                *score -= by;
            }
        }
    }
}

/// Guesses every column with a header.
pub(super) fn guess(table: &Sheet) -> Vec<Guess> {
    let mut open: Vec<OpenColumn> = table
        .header
        .iter()
        .enumerate()
        .filter(|(_, header)| !header.is_empty())
        .map(|(at, header)| look(table, at, header))
        .collect();
    neighbours::adjust(&mut open);
    series::sessions(&mut open);
    sort(&mut open);
    let border = open
        .iter()
        .position(|column| {
            let first = column.likely.first();
            first.is_some_and(|(means, score)| {
                !is_field(means) && *means != "own" && *score >= PLAIN
            }) && !column
                .likely
                .iter()
                .any(|(means, score)| is_field(means) && *score >= SURE)
        })
        .unwrap_or(open.len());
    let border = with_days_before(&open, border);
    for (index, column) in open.iter_mut().enumerate() {
        for (means, score) in &mut column.likely {
            if is_field(means) == (index < border) {
                *score += SIDE;
            }
        }
    }
    sort(&mut open);
    settle(&mut open);
    neighbours::day_of_referral(&mut open, border);
    answers_by_look(&mut open);
    reason_alone(&mut open);
    let mut guesses: Vec<Guess> = open.into_iter().map(decided).collect();
    parts_of_a_whole(&mut guesses);
    guesses
}

fn sort(open: &mut [OpenColumn]) {
    for column in open {
        rank(&mut column.likely);
    }
}

fn rank(likely: &mut [(&'static str, i32)]) {
    likely.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
}

/// The border moved to the left over days that are of no known kind: they belong to the answers behind them.
fn with_days_before(open: &[OpenColumn], mut border: usize) -> usize {
    while border < open.len()
        && let Some(column) = border.checked_sub(1).and_then(|before| open.get(before))
        && column.guess.shape.day_of_now()
        && column.likely.iter().all(|(_, score)| *score < PLAIN - 10)
    {
        border -= 1;
    }
    border
}

fn look(table: &Sheet, at: usize, header: &str) -> OpenColumn {
    let shape = CellShape::of(table.rows().map(|row| row.cell(at)));
    let read = heading(header);
    let full = shape.filled >= table.row_count().min(super::shape::CELLS_MAX);
    let mut likely: Vec<(&'static str, i32)> = read
        .likely
        .into_iter()
        .map(|Likely { means, score }| {
            let ours_alone = if means == "leg.reference" && !full {
                45
            } else {
                0
            };
            let score = i32::try_from(score).unwrap_or(0) - ours_alone;
            let fits = fit(means, &shape);
            // What the cells speak against is asked about, whatever the heading says and wherever it stands.
            let most = if fits <= UNFIT {
                SURE - SIDE - 1
            } else {
                i32::MAX
            };
            (means, (score + fits).min(most))
        })
        .collect();
    // A day of no known kind is one of something that happened with the person.
    if shape.day_of_now() && likely.iter().all(|(_, score)| *score < PLAIN - 10) {
        likely.retain(|(means, _)| *means != "attendance.on");
        likely.push(("attendance.on", SURE + 12));
    }
    let mut why = "by its header";
    if likely.iter().all(|(_, score)| *score < SURE)
        && let Some(means) = by_look(&shape, read.subject)
    {
        likely.push((means, SURE));
        why = "by the look of its cells";
    }
    let cells: Vec<Cow<'_, str>> = table.rows().map(|row| unescape(row.cell(at))).collect();
    let cells: Vec<&str> = cells
        .iter()
        .map(|cell| cell.trim())
        .filter(|cell| !cell.is_empty())
        .collect();
    let cells: Vec<String> = distinct(&cells).into_iter().map(str::to_owned).collect();
    if shape.codes {
        for (means, score) in &mut likely {
            let ours = ours(means);
            let known = cells
                .iter()
                .filter(|cell| code_of(cell, &ours).is_some())
                .count();
            if known > 0 && known == cells.len() {
                *score += 8;
            } else if !ours.is_empty() && known == 0 && !cells.is_empty() {
                *score -= 15;
            }
        }
    }
    rank(&mut likely);
    OpenColumn {
        guess: Guess {
            header: header.to_owned(),
            means: None,
            others: Vec::new(),
            why,
            sure: false,
            shape,
            codes: Vec::new(),
            strange: 0,
        },
        about_nobody_else: read.subject == Subject::Person,
        likely,
        cells,
    }
}

/// Gives each field to the column that fits it best; what a return tells may come in several columns.
fn settle(open: &mut [OpenColumn]) {
    let mut taken: Vec<&'static str> = Vec::new();
    loop {
        let free = |means: &str| !is_field(means) || !taken.contains(&means);
        let next =
            open.iter()
                .enumerate()
                .filter(|(_, column)| column.guess.means.is_none())
                .filter_map(|(index, column)| {
                    // What is taken is not replaced by something far less likely: a second day of referral is no visit.
                    let top = column.best()?.1;
                    let best = column.likely.iter().find(|(means, score)| {
                        *score >= SURE && *score + NEAR > top && free(means)
                    })?;
                    Some((best.1, std::cmp::Reverse(index), best.0))
                })
                .max();
        let Some((score, std::cmp::Reverse(index), means)) = next else {
            return;
        };
        taken.push(means);
        if let Some(column) = open.get_mut(index) {
            column.guess.means = Some(means);
            column.guess.sure = score >= PLAIN - 12;
            column.guess.others = column
                .likely
                .iter()
                .filter(|(other, near)| *other != means && *near >= SURE && score - near < NEAR)
                .map(|(other, _)| *other)
                .take(3)
                .collect();
        }
    }
}

/// A column of known answers beside a day is the answer for that day, whatever its header.
fn answers_by_look(open: &mut [OpenColumn]) {
    for means in ["status", "attendance"] {
        if open.iter().any(|column| column.guess.means == Some(means)) {
            continue;
        }
        let ours = ours(means);
        let dated = |index: Option<usize>| {
            let beside = index.and_then(|index| open.get(index)?.guess.means);
            beside.is_some_and(is_day)
        };
        let found = (0..open.len()).find(|index| {
            let Some(column) = open.get(*index) else {
                return false;
            };
            column.guess.means.is_none()
                && column.guess.shape.codes
                && (dated(index.checked_sub(1)) || dated(Some(index + 1)))
                && column
                    .cells
                    .iter()
                    .all(|cell| code_of(cell, &ours).is_some())
        });
        if let Some(column) = found.and_then(|index| open.get_mut(index)) {
            column.guess.means = Some(means);
            column.guess.why = "by the look of its cells";
        }
    }
}

/// A sheet that says why somebody left and not how it ended says both in one column.
fn reason_alone(open: &mut [OpenColumn]) {
    if open
        .iter()
        .any(|column| column.guess.means == Some("status"))
    {
        return;
    }
    let reason = open.iter_mut().find(|column| {
        let known = |cell: &&String| code_of(cell, &ours("status")).is_some();
        column.guess.means == Some("status.reason") && column.cells.iter().filter(known).count() > 1
    });
    if let Some(column) = reason {
        column.guess.means = Some("status");
        column.guess.others.insert(0, "status.reason");
    }
}

fn decided(open: OpenColumn) -> Guess {
    let mut guess = open.guess;
    let ours = guess.means.map(ours).unwrap_or_default();
    if ours.is_empty() || !guess.shape.codes {
        guess.strange = if ours.is_empty() { 0 } else { open.cells.len() };
        return guess;
    }
    for cell in open.cells {
        match code_of(&cell, &ours) {
            Some(word) => guess.codes.push((cell, word)),
            None => guess.strange += 1,
        }
    }
    guess
}

/// A `Name` beside a `Surname` is the given name; an `Address` beside an `Address 2` is its first line; a sheet's only number is the one to
/// ring.
fn parts_of_a_whole(guesses: &mut [Guess]) {
    for (whole, beside, part) in [
        ("patient.name", "patient.family", "patient.given"),
        ("patient.name", "patient.given", "patient.family"),
        (
            "patient.address",
            "patient.address_line_2",
            "patient.address_line_1",
        ),
    ] {
        let has = |means: &str| guesses.iter().any(|guess| guess.means == Some(means));
        if has(beside) && !has(part) {
            stands_for(guesses, whole, part);
        }
    }
    let has = |means: &str| guesses.iter().any(|guess| guess.means == Some(means));
    if !has("patient.phone") {
        stands_for(guesses, "patient.phone_home", "patient.phone");
    }
}

/// Takes the column of one meaning for one of another.
fn stands_for(guesses: &mut [Guess], read: &'static str, means: &'static str) {
    let mut guesses = guesses.iter_mut();
    if let Some(guess) = guesses.find(|guess| guess.means == Some(read)) {
        guess.means = Some(means);
        guess.others.insert(0, read);
    }
}
