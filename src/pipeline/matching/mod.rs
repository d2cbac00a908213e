//! *match*: says of each row of a return whose it is and what it tells, from the file and what was delivered alone.
//!
//! In: the rows of a return, and what we know of the references on them. Out: one [`RowFinding`] a row. Keeps: a row touches
//! only a leg of the partner that sent it; identity comes from the referral, never from the return; a value is restored only
//! where exactly one reading is possible, and that is said; rows whose names and references belong to each other's people are
//! taken for what they are, a sorted column, and nothing of the file is used; twice the rows take twice the time.

mod calendar;
mod cell_text;
mod columns;
mod compare;
mod days;
mod encoding;
mod file_repairs;
mod geometry;
mod identity;
#[cfg(test)]
mod kind_tests;
#[cfg(test)]
mod made;
mod moved;
#[cfg(test)]
mod person_tests;
mod row_kinds;
mod same_person;
mod scores;
#[cfg(test)]
mod tests;
mod told;
#[cfg(test)]
mod value_tests;
mod words;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::civil::Date;

use crate::diagnostics::Code;
use crate::domain::reference::ReferenceError;
use crate::domain::{Disposition, HoldNumber, LegId, LegReference, Reason};
use crate::partner::Collect;
use crate::pipeline::delivered_rows::{ComparedColumn, Delivered, Legs, OwnLeg, Version};
use crate::pipeline::event::{
    FileFinding, RESULT_COLUMNS, Repair, RowFinding, TakenReturn, Unusable, is_receipt,
};
use crate::sheet::{HeadingFit, QuoteFault, Sheet, SheetNote, SheetRow};
use calendar::{Calendar, Witnesses};
use cell_text::typed;
use columns::Columns;
use geometry::{Geometry, WidthFit};
use identity::{Agreement, ValueIndex};
use moved::AnswerPlaces;
use row_kinds::{HeadingNames, RowKind};

pub(crate) use columns::{heading_fit, is_reference};
pub(crate) use encoding::in_its_encoding;

/// A return that was read, and what was found of its rows: nothing is recorded of it yet.
pub(crate) struct MatchedReturn {
    pub(crate) taken: TakenReturn,
    /// The sheet and what each row tells; or why there is none.
    pub(crate) matched: Result<JudgedSheet, Unusable>,
}

/// A sheet, and what was found of its rows.
pub(crate) struct JudgedSheet {
    pub(crate) sheet: Sheet,
    pub(crate) finding: FileFinding,
    /// The sender's own legs among its references.
    pub(crate) own: HashMap<LegId, OwnLeg>,
}

impl JudgedSheet {
    /// Leaves the rows that are asked for in it, and of the same people those that were good: what these tell is counted beside, and not taken in.
    pub(crate) fn keep_beside(&mut self, asked: &[(u64, HoldNumber)]) {
        let is_asked = |row: &RowFinding| asked.iter().any(|(line, _)| *line == row.line);
        let of_asked = self.finding.rows.iter().filter(|row| is_asked(row));
        let legs: HashSet<LegId> = of_asked.map(|row| row.leg).collect();
        self.keep_rows(|row| {
            is_asked(row) || (legs.contains(&row.leg) && row.disposition == Disposition::Accepted)
        });
        for row in self.finding.rows.iter_mut().filter(|row| !is_asked(row)) {
            (row.disposition, row.reason) = (Disposition::Repeated, Some(Reason::SameFile));
        }
    }

    /// Leaves these rows alone in it: what was found of each was found beside all others.
    pub(crate) fn keep_rows(&mut self, keep: impl Fn(&RowFinding) -> bool) {
        let rows = self.finding.rows.iter().enumerate();
        let places: Vec<usize> = rows
            .filter(|(_, row)| keep(row))
            .map(|(place, _)| place)
            .collect();
        self.sheet.keep_rows(&places);
        self.finding.rows.retain(keep);
    }
}

/// Columns of a layout that are compared, and where each stands in the return.
type PlacedLayout<'r> = (&'r Arc<[ComparedColumn]>, Vec<Option<usize>>);

/// What a return is read against.
struct Reading<'r> {
    collect: &'r Collect,
    columns: Columns<'r>,
    today: Date,
    /// By reference: what is known of the leg; a reference that was never given out is missing.
    legs: &'r Legs,
    calendar: Calendar,
    /// Layouts of what was delivered, each with the places of its columns.
    layouts: Vec<PlacedLayout<'r>>,
    /// Places of the columns that tell whose a row is.
    identity_places: HashSet<usize>,
    /// Places of the columns that were delivered and are compared.
    delivered_places: HashSet<usize>,
    heading: HeadingNames,
    answers: AnswerPlaces<'r>,
}

/// Whose a row is, as far as it can be said.
enum Placed<'d> {
    /// Its person is known, and its cells stand in their columns.
    Fit(&'d Delivered),
    /// It ends like this.
    Ends(Box<RowFinding>),
}

impl<'d> Placed<'d> {
    fn fit(&self) -> Option<&'d Delivered> {
        match self {
            Self::Fit(delivered) => Some(delivered),
            Self::Ends(_) => None,
        }
    }

    /// Whether somebody wrote the row about a person, under the heading of the sheet.
    fn is_of_person(&self) -> bool {
        match self {
            Self::Fit(_) => true,
            Self::Ends(finding) => !matches!(
                finding.reason,
                Some(Reason::NotARow | Reason::SecondHeading)
            ),
        }
    }
}

/// The sheet, if it has every column that the agreement names, and no person above their names.
///
/// # Errors
/// The columns that are missing, or the row of a person above the heading.
pub(crate) fn with_columns(collect: &Collect, sheet: Sheet) -> Result<Sheet, Unusable> {
    let columns = Columns::of(collect, &sheet);
    let missing = columns.missing(collect);
    if missing.is_empty() {
        return match person_above(&sheet) {
            None => Ok(sheet),
            Some(line) => Err(Unusable {
                code: Code::ReturnColumns,
                kind: "file-unread:columns",
                why: format!(
                    "Row {line} is about a person. It stands above the column names we agreed on, which are in row {heading}",
                    heading = sheet.header_line
                ),
                to_do: "Put the column names we agreed on above all rows, once. Then send the sheet again",
                limit: None,
            }),
        };
    }
    Err(columns::refused(&missing, &columns.nearest(&missing)))
}

/// The number of a row above the heading in which a reference stands.
fn person_above(sheet: &Sheet) -> Option<u64> {
    let mut above = sheet.above.iter();
    let in_line = |line: &str| {
        let mut parts = line.split(char::from(sheet.dialect.delimiter));
        parts.any(is_reference)
    };
    let of_person = |cell: &String| cell.split(['\n', '\r']).any(in_line);
    let (line, _) = above.find(|(_, cells)| cells.iter().any(of_person))?;
    Some(*line)
}

/// The only reference among all cells of a row.
fn elsewhere(row: SheetRow<'_>) -> Option<LegReference> {
    let cells = (0..row.len()).map(|place| LegReference::parse(&typed(row.cell(place))));
    let mut found = cells.filter_map(Result::ok);
    let reference = found.next()?;
    found.next().is_none().then_some(reference)
}

/// The references on a sheet, each once, in the order in which they come; of a row that has none in its column, the only one in another.
pub(crate) fn references(collect: &Collect, sheet: &Sheet) -> Vec<LegReference> {
    let columns = Columns::of(collect, sheet);
    let mut seen = HashSet::new();
    let mut references = Vec::new();
    for row in sheet.rows() {
        let mut note = |reference| {
            if seen.insert(reference) {
                references.push(reference);
            }
        };
        match reference(collect, &columns, row) {
            Ok(reference) => note(reference),
            Err(_) => elsewhere(row).into_iter().for_each(note),
        }
    }
    references
}

/// Says of each row of a sheet whose it is and what it tells.
///
/// # Errors
/// The sheet as a whole has two readings.
pub(crate) fn read(
    collect: &Collect,
    sheet: &Sheet,
    legs: &Legs,
    today: Date,
) -> Result<FileFinding, Unusable> {
    let mut columns = Columns::of(collect, sheet);
    let versions = legs.values().flat_map(|leg| leg.versions.iter());
    let mut layouts: Vec<&Arc<[ComparedColumn]>> = Vec::new();
    for columns in versions.map(Version::columns) {
        if !layouts.iter().any(|known| Arc::ptr_eq(known, columns)) {
            layouts.push(columns);
        }
    }
    let all_columns = || layouts.iter().flat_map(|layout| layout.iter());
    let delivered: HashSet<&str> = all_columns().map(|column| column.folded.as_str()).collect();
    columns.know_delivered(|name| delivered.contains(name));
    columns.or_renamed(collect, sheet)?;
    let identity = all_columns().filter(|column| column.compared_as.identity());
    let placed = |column: &ComparedColumn| columns.place_of_folded(&column.folded);
    let reading = Reading {
        identity_places: identity.filter_map(placed).collect(),
        delivered_places: all_columns().filter_map(placed).collect(),
        heading: HeadingNames::of(sheet),
        layouts: layouts
            .iter()
            .map(|layout| (*layout, layout.iter().map(placed).collect()))
            .collect(),
        answers: AnswerPlaces::of(collect, &columns, sheet),
        calendar: Calendar::of(
            &collect.dates,
            Witnesses::default(),
            std::iter::empty(),
            &[],
        ),
        collect,
        columns,
        today,
        legs,
    };
    Ok(reading.read(sheet))
}

/// The reference on a row.
///
/// # Errors
/// Why it is none.
fn reference(
    collect: &Collect,
    columns: &Columns<'_>,
    row: SheetRow<'_>,
) -> Result<LegReference, Reason> {
    match LegReference::parse(&typed(columns.cell(row, &collect.reference))) {
        Ok(reference) => Ok(reference),
        Err(ReferenceError::Length(0)) => Err(Reason::NoReference),
        Err(_) => Err(Reason::BadReference),
    }
}

/// By what the heading of a partner's return is known.
pub(crate) fn heading_of(collect: &Collect) -> impl Fn(&[&str]) -> HeadingFit + '_ {
    move |cells| heading_fit(collect, cells)
}

impl<'r> Reading<'r> {
    /// Reads every row.
    fn read(mut self, sheet: &Sheet) -> FileFinding {
        let rows: Vec<SheetRow<'_>> = sheet.rows().collect();
        let mut placed = self.place_rows(sheet, &rows);
        let agreements: Vec<Agreement> = rows
            .iter()
            .zip(&placed)
            .map(|(row, placed)| match placed.fit() {
                Some(delivered) => self.agreement(*row, delivered),
                None => Agreement::default(),
            })
            .collect();
        let sorted = self.hold_strangers(&rows, &mut placed, &agreements);
        self.calendar = self.calendar_of(&rows, &placed);
        let closing = self.closing_days(&rows, &placed);
        let mut findings: Vec<RowFinding> = rows
            .iter()
            .zip(placed)
            .zip(&agreements)
            .map(|((&row, placed), agreement)| match placed {
                Placed::Ends(finding) => *finding,
                Placed::Fit(delivered) => {
                    let closed_on = closing.get(&delivered.leg).copied();
                    let mut finding = self.events(row, delivered, closed_on);
                    finding.differing.clone_from(&agreement.differing);
                    finding
                }
            })
            .collect();
        say_unwrapped(sheet, &mut findings);
        if !sorted {
            self.hold_shifted_down(sheet, &rows, &mut findings);
            same_person::settle(&rows, added_columns(sheet), &mut findings);
        }
        let lost_letters = agreements.iter().any(|agreement| agreement.lost_letters);
        FileFinding {
            repairs: self.file_repairs(sheet, &findings, lost_letters),
            rows: findings,
            sorted,
        }
    }

    /// Whose each row is, and which rows stand in no order or are no rows of people.
    fn place_rows(&self, sheet: &Sheet, rows: &[SheetRow<'_>]) -> Vec<Placed<'r>> {
        let geometry = Geometry::of(sheet);
        let mut other_heading = false;
        let mut placed = Vec::with_capacity(rows.len());
        for &row in rows {
            let reference = reference(self.collect, &self.columns, row);
            let kind = match reference {
                Ok(_) => RowKind::OfPerson,
                Err(_) => self.kind(sheet, row),
            };
            other_heading |= kind == RowKind::OtherHeading;
            let ends = |finding: RowFinding| Placed::Ends(Box::new(finding));
            placed.push(match kind {
                RowKind::OtherHeading => {
                    let mut heading = held(row, LegId::NONE, Reason::SecondHeading);
                    heading.is_heading = true;
                    ends(heading)
                }
                _ if other_heading => ends(held(row, self.leg_on(row), Reason::SecondHeading)),
                RowKind::OfPerson => {
                    let own = reference.and_then(|reference| self.place(reference));
                    let fit = geometry.width_fit(sheet, row, &self.columns);
                    match (fit, self.two_columns(sheet, row), own) {
                        (WidthFit::Fault(reason), ..) => {
                            let mut held = held(row, self.leg_on(row), reason);
                            let told = || geometry.told_of(row, &self.columns);
                            held.hint = Some(within_quotes(row).unwrap_or_else(told));
                            ends(held)
                        }
                        (_, _, Err(reason)) => ends(ended(row, reason)),
                        (_, Some(header), Ok(delivered)) => {
                            let mut held = held(row, delivered.leg, Reason::TwoColumns);
                            held.column = Some(header);
                            ends(held)
                        }
                        (WidthFit::Loose, None, Ok(delivered))
                            if self.answers.have_moved(row, true) =>
                        {
                            ends(moved_answers(row, delivered.leg))
                        }
                        (_, None, Ok(delivered)) => Placed::Fit(delivered),
                    }
                }
                RowKind::HeadingAgain | RowKind::Words | RowKind::Totals => {
                    let reason = Some(Reason::NotARow);
                    let mut passed = RowFinding::ending(row.line(), Disposition::Repeated, reason);
                    passed.hint = Some(not_a_row(&kind).to_owned());
                    ends(passed)
                }
            });
        }
        placed
    }

    /// Holds rows that are about somebody else than their reference; says whether the file was sorted.
    fn hold_strangers(
        &self,
        rows: &[SheetRow<'_>],
        placed: &mut [Placed<'r>],
        agreements: &[Agreement],
    ) -> bool {
        let differing = agreements
            .iter()
            .filter(|agreement| agreement.differs())
            .count();
        let index = (differing > 0).then(|| ValueIndex::of(placed.iter().filter_map(Placed::fit)));
        let own: Vec<Option<&Delivered>> = placed.iter().map(Placed::fit).collect();
        let sorted = index
            .as_ref()
            .is_some_and(|index| differing > 1 && self.is_sorted(rows, &own, agreements, index));
        for ((row, placed), agreement) in rows.iter().zip(placed).zip(agreements) {
            let Some(delivered) = placed.fit() else {
                continue;
            };
            let anothers = || {
                agreement.differs()
                    && index
                        .as_ref()
                        .is_some_and(|index| self.bears_anothers_name(*row, delivered, index))
            };
            let held = if sorted {
                held(*row, delivered.leg, Reason::Sorted)
            } else if let Some(mismatch) = &agreement.mismatch {
                let mut held = held(*row, delivered.leg, Reason::IdentityMismatch);
                held.column = mismatch.column();
                held.hint = self.to_copy(delivered, agreement);
                held
            } else if anothers() {
                let mut held = held(*row, delivered.leg, Reason::IdentityMismatch);
                held.column = agreement.differing.first().cloned();
                held.hint = self.to_copy(delivered, agreement);
                held
            } else {
                continue;
            };
            *placed = Placed::Ends(Box::new(held));
        }
        sorted
    }

    /// In which order the days of the file stand.
    fn calendar_of(&self, rows: &[SheetRow<'_>], placed: &[Placed<'_>]) -> Calendar {
        let mut witnesses = Witnesses::default();
        for (row, placed) in rows.iter().zip(placed) {
            if let Some(version) = placed.fit().and_then(|delivered| delivered.versions.last()) {
                witnesses.hear(self.compared(*row, version));
            }
        }
        let days: HashSet<&str> = self
            .collect
            .events
            .iter()
            .filter_map(|event| event.on.as_deref())
            .collect();
        let mut places: Vec<usize> = days
            .into_iter()
            .filter_map(|header| self.columns.place(header))
            .collect();
        places.sort_unstable();
        // A row that is held for something else was written by the same hand.
        let of_people = rows
            .iter()
            .zip(placed)
            .filter(|(_, placed)| placed.is_of_person());
        let of_people: Vec<SheetRow<'_>> = of_people.map(|(row, _)| *row).collect();
        let places = places.into_iter();
        Calendar::of(&self.collect.dates, witnesses, places, &of_people)
    }

    /// The header of a column that stands twice and says two things on this row.
    fn two_columns(&self, sheet: &Sheet, row: SheetRow<'_>) -> Option<String> {
        let mut twins = self.columns.twins().iter();
        let differ =
            |(first, again): &&(usize, usize)| typed(row.cell(*first)) != typed(row.cell(*again));
        twins
            .find(differ)
            .map(|(first, _)| sheet.header[*first].clone())
    }

    fn cell<'c>(&self, row: SheetRow<'c>, header: &str) -> &'c str {
        self.columns.cell(row, header)
    }

    /// The leg that a row is about whose cells may stand in other columns: of its reference, or of the only one among its cells. The
    /// question about such a row is that leg's, and is settled with it.
    fn leg_on(&self, row: SheetRow<'_>) -> LegId {
        let reference = reference(self.collect, &self.columns, row);
        match reference.and_then(|reference| self.place(reference)) {
            Ok(delivered) => return delivered.leg,
            Err(Reason::NoReference | Reason::BadReference) => {}
            Err(_) => return LegId::NONE,
        }
        let found = elsewhere(row).and_then(|reference| self.legs.get(&reference));
        found
            .filter(|delivered| delivered.own)
            .map_or(LegId::NONE, |delivered| delivered.leg)
    }

    /// Where the columns of a version stand, in their order.
    fn places(&self, version: &Version) -> &[Option<usize>] {
        let mut layouts = self.layouts.iter();
        let known = layouts.find(|(columns, _)| Arc::ptr_eq(columns, version.columns()));
        known.map_or(&[], |(_, places)| places)
    }

    /// The columns of a version with what was delivered in them, and the cells of a row under them; empty ones where the return has no such column.
    fn compared<'v, 's>(
        &self,
        row: SheetRow<'s>,
        version: &'v Version,
    ) -> impl Iterator<Item = (&'v ComparedColumn, &'v str, &'s str)> {
        let places = self.places(version).iter();
        version
            .cells()
            .zip(places)
            .map(move |((column, sent), place)| {
                let written = place.map_or("", |place| row.cell(place));
                (column, sent, written)
            })
    }

    fn place(&self, reference: LegReference) -> Result<&'r Delivered, Reason> {
        match self.legs.get(&reference) {
            None => Err(Reason::NotOurPerson),
            Some(delivered) if !delivered.own => Err(Reason::NotYourReference),
            Some(delivered) => Ok(delivered),
        }
    }
}

fn held(row: SheetRow<'_>, leg: LegId, reason: Reason) -> RowFinding {
    RowFinding {
        leg,
        ..RowFinding::ending(row.line(), Disposition::Held, Some(reason))
    }
}

/// A row whose answers stand beside their columns.
fn moved_answers(row: SheetRow<'_>, leg: LegId) -> RowFinding {
    RowFinding {
        hint: Some("An answer stands in the column beside its own.".to_owned()),
        ..held(row, leg, Reason::Shifted)
    }
}

/// What more is to be said of a row that is perhaps a part of a note.
fn within_quotes(row: SheetRow<'_>) -> Option<String> {
    (row.quote_fault() == Some(QuoteFault::WithinQuotes)).then(|| {
        "It stands between two quotation marks, of which the first is in a row above.".to_owned()
    })
}

/// How many of the first columns of a sheet are those that a receipt adds.
fn added_columns(sheet: &Sheet) -> usize {
    if is_receipt(&sheet.header) {
        RESULT_COLUMNS.len()
    } else {
        0
    }
}

/// A row whose reference leads nowhere: the partner's mistake, or a question for somebody else.
fn ended(row: SheetRow<'_>, reason: Reason) -> RowFinding {
    let disposition = if reason == Reason::NotYourReference {
        Disposition::Held
    } else {
        Disposition::Rejected
    };
    RowFinding::ending(row.line(), disposition, Some(reason))
}

/// Says of each row which of its cells came as a formula that is only its own text.
fn say_unwrapped(sheet: &Sheet, findings: &mut [RowFinding]) {
    for note in &sheet.notes {
        let SheetNote::WrapperTakenOff { line, column } = note else {
            continue;
        };
        let header = sheet.header.get(column.saturating_sub(1));
        let at = findings.binary_search_by_key(line, |finding| finding.line);
        if let (Ok(place), Some(header)) = (at, header) {
            findings[place].repairs.push(Repair {
                code: "wrapper",
                column: Some(header.clone()),
                words: format!("Under \"{header}\" stood =\"text\". We read the text."),
            });
        }
    }
}

/// What is said of a row that is no person.
fn not_a_row(kind: &RowKind) -> &'static str {
    match kind {
        RowKind::HeadingAgain => "The heading stands here again. We left it out.",
        RowKind::Totals => "These are sums. We left them out.",
        _ => "This row names nobody. We left it out.",
    }
}
