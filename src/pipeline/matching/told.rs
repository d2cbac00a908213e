//! What the cells of a row tell of its person: events with their days, or the one cell that is wrong.

use std::collections::HashMap;

use jiff::civil::Date;

use super::{Reading, held};
use crate::domain::{Disposition, EventKind, LegId, LegState, Occasion, Reason};
use crate::partner::agreement::{MeasureItem, OccasionFrom};
use crate::partner::fields::CodeMap;
use crate::partner::{CollectEvent, EventRule, Instrument};
use crate::pipeline::delivered_rows::Delivered;
use crate::pipeline::event::{ReportedEvent, RowFinding, What};
use crate::sheet::{SheetRow, fold};

/// Why a row is held, and the header of the cell that is wrong.
type Wrong = (Reason, Option<String>);

impl Reading<'_> {
    /// The earliest day on which a row of this file ends each leg.
    pub(super) fn closing_days(
        &self,
        rows: &[SheetRow<'_>],
        placed: &[Result<&Delivered, Reason>],
    ) -> HashMap<LegId, Date> {
        let mut days: HashMap<LegId, Date> = HashMap::new();
        for (&row, placed) in rows.iter().zip(placed) {
            let Ok(delivered) = placed else { continue };
            if self.takes_back(row) {
                continue;
            }
            let statuses = self.collect.events.iter().filter(|event| {
                // Most rows say nothing here: that is seen before anything is read of them.
                matches!(&event.told, EventRule::Status { column, .. } if !self.cell(row, column).is_empty())
            });
            for event in statuses {
                if let Ok(Some(ReportedEvent {
                    on: Some(on),
                    what: What::Status { state, .. },
                    ..
                })) = self.told(row, event, delivered)
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

    pub(super) fn events(
        &self,
        row: SheetRow<'_>,
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
        // A full return has a list of these a row.
        events.shrink_to_fit();
        if self.collect.hold_all && !events.is_empty() {
            return held(row, delivered.leg, Reason::IdentityMismatch, None);
        }
        RowFinding {
            line: row.line(),
            disposition: Disposition::Accepted,
            reason: None,
            leg: delivered.leg,
            events,
            withdrawn: self.takes_back(row),
            column: None,
        }
    }

    /// Whether a row takes back what it had told.
    fn takes_back(&self, row: SheetRow<'_>) -> bool {
        self.collect
            .withdrawn
            .as_ref()
            .is_some_and(|said| listed(&said.values, self.cell(row, &said.column)))
    }

    /// What one event of a row tells: nothing where its value cells are all empty.
    fn told(
        &self,
        row: SheetRow<'_>,
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
    fn what(&self, row: SheetRow<'_>, event: &CollectEvent) -> Result<Option<What>, Wrong> {
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
        row: SheetRow<'_>,
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

fn listed(values: &[String], cell: &str) -> bool {
    !cell.is_empty() && values.iter().any(|value| fold(value) == fold(cell))
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
