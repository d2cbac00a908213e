//! *match*: says of each row of a return whose it is and what it tells, from the file and what was delivered alone.
//!
//! In: the rows of a return, and what we know of the references on them. Out: one [`RowFinding`] a row. Keeps: a row touches
//! only a leg of the partner that sent it; identity comes from the referral, never from the return; rows whose names and
//! references belong to each other's people are taken for what they are, a sorted column, and nothing of the file is used.

use std::collections::HashMap;

use jiff::civil::Date;

use crate::diagnostics::Code;
use crate::domain::reference::ReferenceError;
use crate::domain::{
    Disposition, EventKind, LegId, LegReference, LegState, Occasion, Reason, RowToken,
};
use crate::partner::agreement::{MeasureItem, OccasionFrom};
use crate::partner::fields::CodeMap;
use crate::partner::{Collect, CollectEvent, EventRule, Instrument};
use crate::pipeline::delivered_rows::{Delivered, Legs, Version};
use crate::pipeline::event::{FileFinding, ReportedEvent, RowFinding, Unusable, What};
use crate::sheet::{Sheet, fold};

/// What a return is read against.
struct Reading<'r> {
    collect: &'r Collect,
    /// Column of each header, folded.
    columns: HashMap<String, usize>,
    today: Date,
    /// By reference: what is known of the leg, `None` of a reference that was never given out.
    legs: &'r Legs,
}

/// A row of a return as read.
struct ReturnLine<'r> {
    /// As Excel numbers it.
    line: u64,
    cells: Box<dyn Fn(usize) -> &'r str + 'r>,
}

/// The sheet, if it has every column that the agreement names.
///
/// # Errors
/// The columns that are missing.
pub(crate) fn with_columns(collect: &Collect, table: Sheet) -> Result<Sheet, Unusable> {
    let missing = missing(collect, &columns(&table));
    if missing.is_empty() {
        return Ok(table);
    }
    let quoted: Vec<String> = missing
        .iter()
        .map(|header| format!("\"{header}\""))
        .collect();
    Err(Unusable {
        code: Code::ReturnColumns,
        why: format!("These columns are missing: {}", quoted.join(", ")),
        to_do: "Use the column names we agreed, and send the sheet again",
        limit: None,
    })
}

/// The references on a sheet.
pub(crate) fn references(collect: &Collect, table: &Sheet) -> Vec<LegReference> {
    let nobody = Legs::new();
    // No day is asked of a reference.
    let reading = Reading {
        collect,
        columns: columns(table),
        today: Date::ZERO,
        legs: &nobody,
    };
    let lines = lines(table);
    let references = lines.iter().filter_map(|line| reading.reference(line).ok());
    references.collect()
}

/// Says of each row of a sheet whose it is and what it tells.
pub(crate) fn read(collect: &Collect, table: &Sheet, legs: &Legs, today: Date) -> FileFinding {
    let reading = Reading {
        collect,
        columns: columns(table),
        today,
        legs,
    };
    reading.read(&lines(table))
}

/// Column of each header, folded; of two columns with one name the first counts.
fn columns(table: &Sheet) -> HashMap<String, usize> {
    let mut columns = HashMap::new();
    for (column, header) in table.header.iter().enumerate() {
        columns.entry(fold(header)).or_insert(column);
    }
    columns
}

fn lines(table: &Sheet) -> Vec<ReturnLine<'_>> {
    table
        .rows()
        .map(|row| ReturnLine {
            line: row.line(),
            cells: Box::new(move |column| row.cell(column)),
        })
        .collect()
}

/// Why a row is held, and the header of the cell that is wrong.
type Wrong = (Reason, Option<String>);

/// Headers that the partner file reads and the return lacks.
fn missing(collect: &Collect, columns: &HashMap<String, usize>) -> Vec<String> {
    let mut needed = vec![collect.reference.as_str()];
    needed.extend(collect.events.iter().flat_map(CollectEvent::headers));
    needed.extend(collect.withdrawn.iter().map(|said| said.column.as_str()));
    let mut missing: Vec<String> = needed
        .into_iter()
        .filter(|header| !columns.contains_key(&fold(header)))
        .map(str::to_owned)
        .collect();
    missing.dedup();
    missing
}

impl Reading<'_> {
    /// The reference on a row.
    ///
    /// # Errors
    /// Why it is none.
    fn reference(&self, row: &ReturnLine<'_>) -> Result<LegReference, Reason> {
        match LegReference::parse(self.cell(row, &self.collect.reference)) {
            Ok(reference) => Ok(reference),
            Err(ReferenceError::Length(0)) => Err(Reason::NoReference),
            Err(_) => Err(Reason::BadReference),
        }
    }

    /// Reads every row.
    fn read(&self, rows: &[ReturnLine<'_>]) -> FileFinding {
        let placed: Vec<Result<&Delivered, Reason>> =
            rows.iter().map(|row| self.place(row)).collect();
        let disagreeing: Vec<usize> = (0..rows.len())
            .filter(|index| {
                placed[*index].is_ok_and(|delivered| !self.agrees(&rows[*index], delivered))
            })
            .collect();
        let swapped = disagreeing
            .iter()
            .filter(|index| {
                placed[**index]
                    .is_ok_and(|own| self.belongs_elsewhere(&rows[**index], own, &placed))
            })
            .count();
        let sorted = swapped >= 2;
        let closing = self.closing_days(rows, &placed);
        let findings = rows
            .iter()
            .zip(&placed)
            .enumerate()
            .map(|(index, (row, placed))| match placed {
                Err(reason) => RowFinding {
                    line: row.line,
                    disposition: ending(*reason),
                    reason: Some(*reason),
                    leg: LegId::NONE,
                    events: Vec::new(),
                    withdrawn: false,
                    column: None,
                },
                Ok(delivered) if sorted => held(row, delivered.leg, Reason::Sorted, None),
                Ok(delivered) if disagreeing.contains(&index) => {
                    held(row, delivered.leg, Reason::IdentityMismatch, None)
                }
                Ok(delivered) => self.events(row, delivered, closing.get(&delivered.leg).copied()),
            });
        FileFinding {
            rows: findings.collect(),
            sorted,
        }
    }

    fn cell<'c>(&self, row: &ReturnLine<'c>, header: &str) -> &'c str {
        self.columns
            .get(&fold(header))
            .map_or("", |column| (row.cells)(*column))
            .trim()
    }

    fn place(&self, row: &ReturnLine<'_>) -> Result<&Delivered, Reason> {
        let reference = self.reference(row)?;
        match self.legs.get(&reference) {
            None => Err(Reason::NotOurPerson),
            Some(delivered) if !delivered.own => Err(Reason::NotYourReference),
            Some(delivered) => Ok(delivered),
        }
    }

    /// Whether a row agrees with a version that was sent: a good token is enough, else every identity cell that is there.
    fn agrees(&self, row: &ReturnLine<'_>, delivered: &Delivered) -> bool {
        let check = self
            .collect
            .check
            .as_deref()
            .map_or("", |header| self.cell(row, header));
        if !check.is_empty() {
            return delivered
                .versions
                .iter()
                .any(|version| token_agrees(&version.token, check));
        }
        delivered.versions.is_empty()
            || delivered
                .versions
                .iter()
                .any(|version| self.differing(row, version).is_empty())
    }

    /// Identity cells of a row that differ from a version: folded header and folded value.
    fn differing(&self, row: &ReturnLine<'_>, version: &Version) -> Vec<(String, String)> {
        let mut differing = Vec::new();
        for (header, sent) in &version.identity {
            let written = self
                .columns
                .get(header)
                .map_or("", |column| (row.cells)(*column));
            let written = fold(written);
            if !written.is_empty() && written != fold(sent) {
                differing.push((header.clone(), written));
            }
        }
        differing
    }

    /// Whether a value that disagrees was delivered with another reference of this file.
    fn belongs_elsewhere(
        &self,
        row: &ReturnLine<'_>,
        own: &Delivered,
        placed: &[Result<&Delivered, Reason>],
    ) -> bool {
        let check = self
            .collect
            .check
            .as_deref()
            .map_or("", |header| self.cell(row, header));
        let differing: Vec<(String, String)> = own
            .versions
            .iter()
            .flat_map(|version| self.differing(row, version))
            .collect();
        placed
            .iter()
            .flatten()
            .filter(|other| other.leg != own.leg)
            .flat_map(|other| &other.versions)
            .any(|version| {
                let by_token = !check.is_empty() && token_agrees(&version.token, check);
                by_token
                    || differing.iter().any(|(header, value)| {
                        version
                            .identity
                            .iter()
                            .any(|(known, sent)| known == header && fold(sent) == *value)
                    })
            })
    }

    /// The earliest day on which a row of this file ends each leg.
    fn closing_days(
        &self,
        rows: &[ReturnLine<'_>],
        placed: &[Result<&Delivered, Reason>],
    ) -> HashMap<LegId, Date> {
        let mut days: HashMap<LegId, Date> = HashMap::new();
        for (row, placed) in rows.iter().zip(placed) {
            let Ok(delivered) = placed else { continue };
            if self.takes_back(row) {
                continue;
            }
            for event in &self.collect.events {
                if let (
                    EventRule::Status { .. },
                    Ok(Some(ReportedEvent {
                        on: Some(on),
                        what: What::Status { state, .. },
                        ..
                    })),
                ) = (&event.told, self.told(row, event, delivered))
                    && state.terminal()
                {
                    let day = days.entry(delivered.leg).or_insert(on);
                    *day = (*day).min(on);
                }
            }
        }
        for delivered in placed.iter().flatten() {
            if let Some(closed_on) = delivered.closed_on {
                let day = days.entry(delivered.leg).or_insert(closed_on);
                *day = (*day).min(closed_on);
            }
        }
        days
    }

    fn events(
        &self,
        row: &ReturnLine<'_>,
        delivered: &Delivered,
        closed_on: Option<Date>,
    ) -> RowFinding {
        let mut events = Vec::new();
        for event in &self.collect.events {
            match self.told(row, event, delivered) {
                Ok(None) => {}
                Ok(Some(told)) => {
                    let late = told.kind.observed()
                        && told
                            .on
                            .is_some_and(|on| closed_on.is_some_and(|closed| on > closed));
                    if late {
                        return held(row, delivered.leg, Reason::AfterClose, event.on.clone());
                    }
                    events.push(told);
                }
                Err((reason, column)) => return held(row, delivered.leg, reason, column),
            }
        }
        if let Some(acknowledged) = &self.collect.acknowledged
            && listed(&acknowledged.values, self.cell(row, &acknowledged.column))
        {
            events.push(ReportedEvent {
                kind: EventKind::Acknowledged,
                on: None,
                what: What::Acknowledged,
            });
        }
        if self.collect.hold_all && !events.is_empty() {
            return held(row, delivered.leg, Reason::IdentityMismatch, None);
        }
        RowFinding {
            line: row.line,
            disposition: Disposition::Accepted,
            reason: None,
            leg: delivered.leg,
            events,
            withdrawn: self.takes_back(row),
            column: None,
        }
    }

    /// Whether a row takes back what it had told.
    fn takes_back(&self, row: &ReturnLine<'_>) -> bool {
        self.collect
            .withdrawn
            .as_ref()
            .is_some_and(|said| listed(&said.values, self.cell(row, &said.column)))
    }

    /// What one event of a row tells: nothing where its value cells are all empty.
    fn told(
        &self,
        row: &ReturnLine<'_>,
        event: &CollectEvent,
        delivered: &Delivered,
    ) -> Result<Option<ReportedEvent>, Wrong> {
        let Some(what) = self.what(row, event)? else {
            return Ok(None);
        };
        let kind = event.kind();
        if !kind.observed() && kind != EventKind::Onward {
            return Ok(Some(ReportedEvent {
                kind,
                on: None,
                what,
            }));
        }
        let header = event.on.clone();
        let wrong = |reason: Reason| (reason, header.clone());
        let written = header
            .as_deref()
            .map_or("", |header| self.cell(row, header));
        if written.is_empty() {
            return Err(wrong(Reason::NoDate));
        }
        let on = parse_date(written, &self.collect.dates).ok_or_else(|| wrong(Reason::BadDate))?;
        if on > self.today {
            return Err(wrong(Reason::InFuture));
        }
        let early = delivered.authored_on.and_then(|day| {
            day.checked_sub(jiff::Span::new().days(self.collect.early_days))
                .ok()
        });
        if early.is_some_and(|early| on < early) {
            return Err(wrong(Reason::TooEarly));
        }
        Ok(Some(ReportedEvent {
            kind,
            on: Some(on),
            what,
        }))
    }

    /// What an event's value cells say; nothing where they are all empty.
    fn what(&self, row: &ReturnLine<'_>, event: &CollectEvent) -> Result<Option<What>, Wrong> {
        let written = |column: &str| Some(self.cell(row, column)).filter(|cell| !cell.is_empty());
        Ok(match &event.told {
            EventRule::Attendance { column, codes } => match written(column) {
                None => None,
                Some(cell) => Some(What::Attendance(word(codes, cell, column)?.to_owned())),
            },
            EventRule::Measure {
                instrument,
                occasion,
                items,
            } => self.measure(row, instrument, occasion, items)?,
            EventRule::Status {
                column,
                codes,
                reason,
            } => match written(column) {
                None => None,
                Some(cell) => Some(What::Status {
                    state: LegState::from_code(word(codes, cell, column)?)
                        .ok_or_else(|| wrong(Reason::UnknownCode, column))?,
                    reason: reason
                        .as_deref()
                        .map_or(String::new(), |header| self.cell(row, header).to_owned()),
                }),
            },
            EventRule::Acknowledged(acknowledged) => {
                listed(&acknowledged.values, self.cell(row, &acknowledged.column))
                    .then_some(What::Acknowledged)
            }
            EventRule::Note { column } => written(column).map(|cell| What::Note(cell.to_owned())),
            EventRule::Onward {
                column,
                codes,
                activity,
                consent_column,
                consent_yes,
            } => match written(column) {
                None => None,
                Some(cell) => {
                    let partner = word(codes, cell, column)?.to_owned();
                    let activity = match activity {
                        None => None,
                        Some((header, codes)) => written(header)
                            .map(|cell| word(codes, cell, header).map(str::to_owned))
                            .transpose()?,
                    };
                    let agreed = listed(
                        std::slice::from_ref(consent_yes),
                        self.cell(row, consent_column),
                    );
                    Some(What::Onward {
                        partner,
                        activity,
                        agreed,
                    })
                }
            },
        })
    }

    fn measure(
        &self,
        row: &ReturnLine<'_>,
        instrument: &Instrument,
        occasion: &OccasionFrom,
        items: &[MeasureItem],
    ) -> Result<Option<What>, Wrong> {
        let mut answers = Vec::with_capacity(items.len());
        for item in items {
            let cell = self.cell(row, &item.column);
            let answer = if cell.is_empty() {
                None
            } else {
                Some(
                    parse_score(cell, instrument, &item.item)
                        .ok_or_else(|| wrong(Reason::OutOfRange, &item.column))?,
                )
            };
            answers.push((item.item.clone(), answer));
        }
        if answers.iter().all(|(_, answer)| answer.is_none()) {
            return Ok(None);
        }
        let occasion = match occasion {
            OccasionFrom::Fixed(occasion) => *occasion,
            OccasionFrom::Column { column, codes } => {
                Occasion::from_code(word(codes, self.cell(row, column), column)?)
                    .ok_or_else(|| wrong(Reason::UnknownCode, column))?
            }
        };
        Ok(Some(What::Measure {
            instrument: instrument.id.clone(),
            occasion,
            answers,
        }))
    }
}

fn wrong(reason: Reason, header: &str) -> Wrong {
    (reason, Some(header.to_owned()))
}

/// Our word for what a cell says.
fn word<'c>(codes: &'c CodeMap, cell: &str, header: &str) -> Result<&'c str, Wrong> {
    codes
        .get_typed(cell)
        .ok_or_else(|| wrong(Reason::UnknownCode, header))
}

fn held(row: &ReturnLine<'_>, leg: LegId, reason: Reason, column: Option<String>) -> RowFinding {
    RowFinding {
        line: row.line,
        disposition: Disposition::Held,
        reason: Some(reason),
        leg,
        events: Vec::new(),
        withdrawn: false,
        column,
    }
}

/// Whether a reference that leads nowhere is the partner's mistake, or a question for somebody else.
fn ending(reason: Reason) -> Disposition {
    if reason == Reason::NotYourReference {
        Disposition::Held
    } else {
        Disposition::Rejected
    }
}

fn listed(values: &[String], cell: &str) -> bool {
    !cell.is_empty() && values.iter().any(|value| fold(value) == fold(cell))
}

fn token_agrees(sent: &str, written: &str) -> bool {
    !sent.is_empty() && RowToken::parse(sent).is_some_and(|token| token.agrees_with(written))
}

/// A day in the partner's pattern, else as ISO writes it; never guessed.
fn parse_date(text: &str, pattern: &str) -> Option<Date> {
    let parsed = Date::strptime(pattern, text).ok();
    parsed.or_else(|| (text.len() == 10).then(|| text.parse().ok()).flatten())
}

/// A whole number within the instrument's range.
fn parse_score(cell: &str, instrument: &Instrument, item: &str) -> Option<i64> {
    let score: i64 = cell.strip_suffix(".0").unwrap_or(cell).parse().ok()?;
    instrument.item(item)?.allows(score).then_some(score)
}
