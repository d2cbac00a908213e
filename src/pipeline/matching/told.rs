//! What the cells of a row tell of its person: events with their days, or the one cell that is wrong.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;

use super::calendar::{NoDay, ReadDay};
use super::cell_text::{decoded, typed, unsaved};
use super::days::DayForm;
use super::scores::score;
use super::words::{Word, agreed_words, asked_for, word_of};
use super::{Placed, Reading, held, moved_answers};
use crate::domain::{Disposition, EventKind, LegId, LegState, Occasion, Reason};
use crate::partner::agreement::{Acknowledged, MeasureItem, OccasionFrom};
use crate::partner::fields::CodeMap;
use crate::partner::{CollectEvent, EventRule, Instrument, InstrumentItem};
use crate::pipeline::delivered_rows::Delivered;
use crate::pipeline::event::{Repair, ReportedEvent, RowFinding, What, WrongCell};
use crate::sheet::{SheetRow, fold};

impl Reading<'_> {
    /// The earliest day on which a row of this file ends each leg.
    pub(super) fn closing_days(
        &self,
        rows: &[SheetRow<'_>],
        placed: &[Placed<'_>],
    ) -> HashMap<LegId, Date> {
        let mut days: HashMap<LegId, Date> = HashMap::new();
        for (&row, placed) in rows.iter().zip(placed) {
            let Some(delivered) = placed.fit() else {
                continue;
            };
            if !matches!(self.takes_back(row), Ok(false)) {
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
                })) = self.told(row, event, delivered, &mut Vec::new())
                    && state.terminal()
                {
                    let day = days.entry(delivered.leg).or_insert(on);
                    *day = (*day).min(on);
                }
            }
        }
        for delivered in placed.iter().filter_map(Placed::fit) {
            if let Some(closed_on) = delivered.closed_on {
                let day = days.entry(delivered.leg).or_insert(closed_on);
                *day = (*day).min(closed_on);
            }
        }
        days
    }

    /// What a row of a person tells.
    pub(super) fn events(
        &self,
        row: SheetRow<'_>,
        delivered: &Delivered,
        closed_on: Option<Date>,
    ) -> RowFinding {
        let mut finding = RowFinding::ending(row.line(), Disposition::Accepted, None);
        finding.leg = delivered.leg;
        if self.answers.have_moved(row, false) {
            return moved_answers(row, delivered.leg);
        }
        let acknowledged = self.collect.acknowledged.as_ref();
        let said = self.takes_back(row);
        let said = said.and_then(|withdrawn| Ok((withdrawn, self.says(row, acknowledged)?)));
        let (withdrawn, acknowledged) = match said {
            Ok(said) => said,
            Err(wrong) => return self.held_for_cells(row, delivered, wrong),
        };
        for event in &self.collect.events {
            match self.told(row, event, delivered, &mut finding.repairs) {
                Ok(None) => {}
                Ok(Some(told)) => {
                    // Of two endings in one file neither is late: which is right is asked.
                    let closed = if told.ends() {
                        delivered.closed_on
                    } else {
                        closed_on
                    };
                    let after = |closed| told.on.is_some_and(|on| on > closed);
                    let late = told.kind.observed() && closed.is_some_and(after);
                    if late {
                        let mut late = held(row, delivered.leg, Reason::AfterClose);
                        late.column.clone_from(&event.on);
                        return late;
                    }
                    let ended = delivered.ended_on;
                    let after_end = |on| ended.is_some_and(|ended| on > ended);
                    finding.after_end |= told.kind.observed() && told.on.is_some_and(after_end);
                    finding.events.push(told);
                }
                Err(wrong) => return self.held_for_cells(row, delivered, wrong),
            }
        }
        if acknowledged {
            finding.events.push(ReportedEvent {
                kind: EventKind::Acknowledged,
                on: None,
                what: What::Acknowledged,
            });
        }
        // A full return has a list of these a row.
        finding.events.shrink_to_fit();
        if self.collect.hold_all && !finding.events.is_empty() {
            return held(row, delivered.leg, Reason::IdentityMismatch);
        }
        finding.withdrawn = withdrawn;
        finding
    }

    /// A row that is held for each of its cells that is wrong.
    fn held_for_cells(
        &self,
        row: SheetRow<'_>,
        delivered: &Delivered,
        first: WrongCell,
    ) -> RowFinding {
        let mut wrong = vec![first];
        for event in &self.collect.events {
            let tells = self.wrong_values(row, event, &mut wrong);
            let kind = event.kind();
            if tells && (kind.observed() || kind == EventKind::Onward) {
                let on = event.on.as_deref().unwrap_or_default();
                wrong.extend(self.day(row, on, delivered, &mut Vec::new()).err());
            }
        }
        let mut seen = HashSet::new();
        wrong.retain(|cell| seen.insert(cell.column.clone()));
        let first = wrong.remove(0);
        let mut held = held(row, delivered.leg, first.reason);
        (held.column, held.hint) = (first.column, first.hint);
        held.further = wrong;
        held
    }

    /// Finds the cells of an event that are wrong, but for its day; says whether any is full.
    fn wrong_values(
        &self,
        row: SheetRow<'_>,
        event: &CollectEvent,
        wrong: &mut Vec<WrongCell>,
    ) -> bool {
        let unsaid = &mut Vec::new();
        match &event.told {
            EventRule::Attendance { column, .. } | EventRule::Status { column, .. } => {
                wrong.extend(self.what(row, event, unsaid).err());
                !self.cell(row, column).is_empty()
            }
            EventRule::Measure {
                instrument,
                occasion,
                items,
            } => {
                let mut tells = false;
                for item in items {
                    let cell = typed(self.cell(row, &item.column));
                    if let (false, Some(scale)) = (cell.is_empty(), instrument.item(&item.item)) {
                        tells = true;
                        wrong.extend(answer(&cell, scale, &item.column, unsaid).err());
                    }
                }
                if let (true, OccasionFrom::Column { column, codes }) = (tells, occasion) {
                    wrong.extend(word(codes, self.cell(row, column), column, unsaid).err());
                }
                tells
            }
            EventRule::Onward {
                column,
                codes,
                activity,
                ..
            } => {
                let cell = self.cell(row, column);
                if cell.is_empty() {
                    return false;
                }
                wrong.extend(word(codes, cell, column, unsaid).err());
                if let Some((header, codes)) = activity {
                    let cell = Some(self.cell(row, header)).filter(|cell| !cell.is_empty());
                    wrong.extend(cell.and_then(|cell| word(codes, cell, header, unsaid).err()));
                }
                true
            }
            EventRule::Acknowledged(_) | EventRule::Note { .. } => false,
        }
    }

    /// Whether a row takes back what it had told.
    fn takes_back(&self, row: SheetRow<'_>) -> Result<bool, WrongCell> {
        self.says(row, self.collect.withdrawn.as_ref())
    }

    /// Whether a row has one of the words that were agreed for a column, which knows no other.
    fn says(&self, row: SheetRow<'_>, agreed: Option<&Acknowledged>) -> Result<bool, WrongCell> {
        let Some(Acknowledged { column, values }) = agreed else {
            return Ok(false);
        };
        let cell = typed(self.cell(row, column));
        if cell.is_empty() || listed(values, &cell) {
            return Ok(!cell.is_empty());
        }
        if let Some(reason) = unsaved(&cell) {
            return Err(WrongCell::at(reason, column));
        }
        let words = values.iter().map(String::as_str);
        Err(WrongCell {
            hint: Some(asked_for(words, &cell)),
            ..WrongCell::at(Reason::UnknownCode, column)
        })
    }

    /// What one event of a row tells: nothing where its value cells are all empty.
    fn told(
        &self,
        row: SheetRow<'_>,
        event: &CollectEvent,
        delivered: &Delivered,
        repairs: &mut Vec<Repair>,
    ) -> Result<Option<ReportedEvent>, WrongCell> {
        let Some(what) = self.what(row, event, repairs)? else {
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
        let on = self.day(
            row,
            event.on.as_deref().unwrap_or_default(),
            delivered,
            repairs,
        )?;
        Ok(Some(ReportedEvent {
            kind,
            on: Some(on),
            what,
        }))
    }

    /// The day under a header, within the time from the referral to today.
    fn day(
        &self,
        row: SheetRow<'_>,
        header: &str,
        delivered: &Delivered,
        repairs: &mut Vec<Repair>,
    ) -> Result<Date, WrongCell> {
        let written = typed(self.cell(row, header));
        if written.is_empty() {
            return Err(self.agreed_form(WrongCell::at(Reason::NoDate, header)));
        }
        if let Some(reason) = unsaved(&written) {
            return Err(self.agreed_form(WrongCell::at(reason, header)));
        }
        let place = self.columns.place(header);
        let as_agreed = || Date::strptime(&self.collect.dates, &*written).ok();
        let read = match self.calendar.read(place, &written) {
            Ok(read) => read,
            Err(NoDay::TwoReadings) => {
                // In the agreed form it would have two readings again.
                let asked = self.agreed_form(WrongCell::at(Reason::DateOrder, header));
                let in_word = in_words(self.today);
                let word = format!("Here, write the month as a word: {in_word}.");
                return Err(WrongCell {
                    hint: asked.hint.map(|form| format!("{form} {word}")),
                    ..asked
                });
            }
            // A pattern with words of its own.
            Err(NoDay::None) => match as_agreed() {
                Some(day) => ReadDay {
                    day,
                    written: super::days::written_day(&day.to_string()),
                },
                None => return Err(self.agreed_form(WrongCell::at(Reason::BadDate, header))),
            },
        };
        let on = read.day;
        let number = matches!(read.written.form, DayForm::Number(_));
        let early = delivered.authored_on.and_then(|day| {
            day.checked_sub(jiff::Span::new().days(self.collect.early_days))
                .ok()
        });
        let too_early = early.is_some_and(|early| on < early);
        // A number that lies outside is perhaps no day at all.
        if number && (on > self.today || too_early) {
            return Err(self.agreed_form(WrongCell::at(Reason::BadDate, header)));
        }
        if on > self.today {
            return Err(self.read_as(Reason::InFuture, header, on));
        }
        if too_early {
            return Err(self.read_as(Reason::TooEarly, header, on));
        }
        match self.other_form(read) {
            // What has the agreed order was read as it stands; all else is held against the pattern, which costs more.
            Some(code) if as_agreed() != Some(on) => repairs.push(Repair {
                code,
                column: Some(header.to_owned()),
                words: format!("We read \"{written}\" as {day}.", day = in_words(on)),
            }),
            _ if has_wide_digits(self.cell(row, header)) => {
                repairs.push(wide_digits(header, &in_words(on)));
            }
            _ => {}
        }
        Ok(on)
    }

    /// What is said of a day that does not stand as it was agreed; nothing of one in the agreed order.
    fn other_form(&self, read: ReadDay) -> Option<&'static str> {
        match read.written.form {
            DayForm::Number(_) => Some("day-number"),
            _ if read.written.time => Some("time-left-out"),
            _ if read.written.short_year => Some("two-digit-year"),
            _ if read.written.word_month => Some("month-in-words"),
            DayForm::Ordered { .. } if self.calendar.is_agreed_order() => None,
            DayForm::Certain(_) if self.calendar.is_year_first() => None,
            DayForm::Certain(_) => Some("year-first"),
            DayForm::Ordered { .. } | DayForm::None => Some("order-of-dates"),
        }
    }

    /// The same with the form that was agreed for days.
    fn agreed_form(&self, wrong: WrongCell) -> WrongCell {
        let example = self.today.strftime(&self.collect.dates).to_string();
        WrongCell {
            hint: Some(format!("We agreed on dates like {example}.")),
            ..wrong
        }
    }

    /// A day that cannot be meant: as which it was read, and the form that was agreed.
    fn read_as(&self, reason: Reason, header: &str, on: Date) -> WrongCell {
        let wrong = self.agreed_form(WrongCell::at(reason, header));
        let agreed_form = wrong.hint.unwrap_or_default();
        WrongCell {
            hint: Some(format!(
                "We read it as {day}. {agreed_form}",
                day = in_words(on)
            )),
            ..wrong
        }
    }

    /// What an event's value cells say; nothing where they are all empty.
    fn what(
        &self,
        row: SheetRow<'_>,
        event: &CollectEvent,
        repairs: &mut Vec<Repair>,
    ) -> Result<Option<What>, WrongCell> {
        let written = |column: &str| Some(self.cell(row, column)).filter(|cell| !cell.is_empty());
        Ok(match &event.told {
            EventRule::Attendance { column, codes } => match written(column) {
                None => None,
                Some(cell) => Some(What::Attendance(
                    word(codes, cell, column, repairs)?.to_owned(),
                )),
            },
            EventRule::Measure {
                instrument,
                occasion,
                items,
            } => self.measure(row, instrument, occasion, items, repairs)?,
            EventRule::Status {
                column,
                codes,
                reason,
            } => match written(column) {
                None => None,
                Some(cell) => Some(What::Status {
                    state: LegState::from_code(word(codes, cell, column, repairs)?)
                        .ok_or_else(|| WrongCell::at(Reason::UnknownCode, column))?,
                    reason: reason
                        .as_deref()
                        .map_or(String::new(), |header| self.cell(row, header).to_owned()),
                }),
            },
            EventRule::Acknowledged(agreed) => {
                self.says(row, Some(agreed))?.then_some(What::Acknowledged)
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
                    let partner = word(codes, cell, column, repairs)?.to_owned();
                    let activity = match activity {
                        None => None,
                        Some((header, codes)) => written(header)
                            .map(|cell| word(codes, cell, header, repairs).map(str::to_owned))
                            .transpose()?,
                    };
                    let agreed = listed(
                        std::slice::from_ref(consent_yes),
                        &typed(self.cell(row, consent_column)),
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
        repairs: &mut Vec<Repair>,
    ) -> Result<Option<What>, WrongCell> {
        let mut answers = Vec::with_capacity(items.len());
        for item in items {
            let raw = self.cell(row, &item.column);
            let cell = typed(raw);
            if has_wide_digits(raw) {
                repairs.push(wide_digits(&item.column, &cell));
            }
            let answer = match instrument.item(&item.item) {
                Some(scale) if !cell.is_empty() => {
                    Some(answer(&cell, scale, &item.column, repairs)?)
                }
                _ => None,
            };
            answers.push((item.item.clone(), answer));
        }
        if answers.iter().all(|(_, answer)| answer.is_none()) {
            return Ok(None);
        }
        let occasion = match occasion {
            OccasionFrom::Fixed(occasion) => *occasion,
            OccasionFrom::Column { column, codes } => {
                Occasion::from_code(word(codes, self.cell(row, column), column, repairs)?)
                    .ok_or_else(|| WrongCell::at(Reason::UnknownCode, column))?
            }
        };
        Ok(Some(What::Measure {
            instrument: instrument.id.clone(),
            occasion,
            answers,
        }))
    }
}

/// The score that a typed cell stands for.
fn answer(
    cell: &str,
    scale: &InstrumentItem,
    header: &str,
    repairs: &mut Vec<Repair>,
) -> Result<i64, WrongCell> {
    let (least, most) = (scale.min, scale.max);
    let wrong = |reason: Reason| WrongCell {
        hint: Some(format!("Use a whole number from {least} to {most}.")),
        ..WrongCell::at(reason, header)
    };
    if let Some(reason) = unsaved(cell) {
        return Err(wrong(reason));
    }
    let Some(read) = score(cell, scale) else {
        return Err(wrong(Reason::OutOfRange));
    };
    if read.in_another_form {
        repairs.push(Repair {
            code: "number-form",
            column: Some(header.to_owned()),
            words: format!("We read \"{cell}\" as {score}.", score = read.number),
        });
    }
    Ok(read.number)
}

/// Digits of the width of a Chinese or Japanese letter.
fn has_wide_digits(cell: &str) -> bool {
    !cell.is_ascii() && cell.contains(|character| matches!(character, '\u{FF10}'..='\u{FF19}'))
}

fn wide_digits(header: &str, read: &str) -> Repair {
    Repair {
        code: "wide-digits",
        column: Some(header.to_owned()),
        words: format!("The digits came as wide ones. We read {read}."),
    }
}

/// Our word for what a cell says.
fn word<'c>(
    codes: &'c CodeMap,
    cell: &str,
    header: &str,
    repairs: &mut Vec<Repair>,
) -> Result<&'c str, WrongCell> {
    let said = typed(cell);
    if let Some(word) = codes.get_typed(&said) {
        return Ok(word);
    }
    if let Some(reason) = unsaved(&said) {
        return Err(WrongCell {
            hint: Some(agreed_words(codes)),
            ..WrongCell::at(reason, header)
        });
    }
    let plain = decoded(&said);
    let text = plain.as_deref().unwrap_or(&said);
    let found = plain
        .as_deref()
        .and_then(|text| codes.entry_typed(text))
        .map(|(typed, word)| Word { typed, word })
        .or_else(|| word_of(codes, text));
    if let Some(Word { typed, word }) = found {
        repairs.push(Repair {
            code: "lost-letters",
            column: Some(header.to_owned()),
            words: format!("We read \"{said}\" as {typed}."),
        });
        return Ok(word);
    }
    Err(WrongCell {
        hint: Some(asked_for(codes.entries().map(|(typed, _)| typed), text)),
        ..WrongCell::at(Reason::UnknownCode, header)
    })
}

fn listed(values: &[String], cell: &str) -> bool {
    !cell.is_empty() && values.iter().any(|value| fold(value) == fold(cell))
}

/// A day as it is told to people: 3 March 2026.
pub(super) fn in_words(day: Date) -> String {
    day.strftime("%-d %B %Y").to_string()
}
