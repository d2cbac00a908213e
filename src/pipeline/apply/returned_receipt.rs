//! A receipt of ours that comes back: which rows of which return its rows are, so that each question that it answers is known by its number and not by
//! likeness, and nothing that it tells is taken for something else of the same day.
//!
//! A receipt gives its own number, and the number of each row with which something is wrong. Partners may send all of it, or some rows only.

use std::collections::{BTreeMap, HashMap};

use super::mended::{answered_name, is_mendable, is_taken_in};
use super::record::{ReturnRecord, Touched};
use crate::domain::{Disposition, EventKind, HoldNumber, Instant, LegId, Reason, ReturnId, Stage};
use crate::pipeline::event::{
    RESULT_COLUMNS, ReportedEvent, RowFinding, StoredEvent, is_receipt, receipt_number, row_number,
    row_spot,
};
use crate::sheet::{SheetRow, fold, parse_row_form, unescape};
use crate::store::rows::{HeldRow, ReturnRow};

/// Returns of one name among which it is looked for the one that a receipt answers.
const ANSWERS_MAX: usize = 4;
/// Reasons for which the evidence lies in how the sheet was written: a receipt writes all rows alike.
const BY_FORM: [Reason; 4] = [
    Reason::Shifted,
    Reason::Cut,
    Reason::SecondHeading,
    Reason::DateOrder,
];
/// Where a receipt says the result of a row, and what is wrong with it.
const RESULT_COLUMN: usize = 0;
const WRONG_COLUMN: usize = 1;

/// What a row of a receipt tells that was to be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MendedEvent {
    /// An event of its own.
    New,
    /// That which was told of it since: its place among the known ones.
    ToldSince(usize),
}

/// A receipt that came back.
#[derive(Debug, Default)]
pub(crate) struct ReturnedReceipt {
    /// By the place of a row in the receipt: the open question about the row that it was.
    open: HashMap<usize, HeldRow>,
    /// Whether a row was to be mended.
    to_mend: Vec<bool>,
    /// The returns that it may answer.
    answers: Vec<ReturnId>,
    /// When the first of them was taken, in microseconds since 1970.
    at: i64,
}

impl ReturnedReceipt {
    /// Whether it is the receipt of this return, as far as can be said.
    pub(crate) fn may_answer(&self, id: ReturnId) -> bool {
        self.answers.first() == Some(&id)
    }

    /// The questions that rows answer: those of rows that are taken in, and those that are asked again about the same row.
    pub(crate) fn answered<'r>(
        &'r self,
        rows: &'r [RowFinding],
    ) -> impl Iterator<Item = (usize, HoldNumber)> + 'r {
        let answers = |place: usize, hold: &HeldRow| {
            let row = &rows[place];
            let same = hold.leg == row.leg || hold.leg == LegId::NONE;
            // A row that was nobody's is mended by emptying it.
            let emptied = hold.leg == LegId::NONE && row.reason == Some(Reason::NotARow);
            same && (is_taken_in(row) || row.disposition == Disposition::Held || emptied)
        };
        let mut places: Vec<usize> = self.open.keys().copied().collect();
        places.sort_unstable();
        places.into_iter().filter_map(move |place| {
            let hold = self.open.get(&place)?;
            answers(place, hold).then_some((place, hold.number))
        })
    }
}

impl ReturnRecord<'_> {
    /// What is known of the sheet if it is a receipt of ours.
    ///
    /// # Errors
    /// The store failed, or a sealed value does not open.
    pub(crate) async fn returned_receipt(
        &self,
        rows: &[RowFinding],
    ) -> anyhow::Result<Option<ReturnedReceipt>> {
        if !is_receipt(&self.sheet.header) {
            return Ok(None);
        }
        let strand = self.run.partners[self.taken.partner].strand;
        let mut of_row: HashMap<(ReturnId, i64), HeldRow> = HashMap::new();
        self.run
            .each_open_hold(|hold| {
                let of_row_there = hold.partner == strand && hold.stage == Stage::Match;
                if of_row_there && hold.row > 0 && is_mendable(hold.reason) {
                    of_row.insert((hold.return_id, hold.row), hold);
                }
            })
            .await?;
        let answers = self.answered_returns().await?;
        let mut receipt = ReturnedReceipt {
            at: answers.first().map_or(i64::MAX, |(_, at)| *at),
            answers: answers
                .iter()
                .map(|(id, _)| *id)
                .take(ANSWERS_MAX)
                .collect(),
            ..ReturnedReceipt::default()
        };
        for (place, row) in rows.iter().enumerate() {
            let sheet_row = self.sheet.row(place);
            let said = sheet_row.map_or("", |row| row.cell(WRONG_COLUMN));
            let line = row_number(said).and_then(|line| i64::try_from(line).ok());
            let hold = line.and_then(|line| {
                let open = answers
                    .iter()
                    .filter_map(|(id, _)| of_row.get(&(*id, line)));
                let mut open = open.filter(|hold| hold.leg == row.leg || hold.leg == LegId::NONE);
                open.next()
            });
            receipt.to_mend.push(line.is_some());
            receipt.open.extend(hold.map(|hold| (place, hold.clone())));
        }
        Ok(Some(receipt))
    }

    /// The return that the receipt answers, and when that was taken; where its first lines were taken away, all lately of the name that it bears, the
    /// newest first.
    async fn answered_returns(&self) -> anyhow::Result<Vec<(ReturnId, i64)>> {
        let above = self.sheet.above.iter();
        let mut numbers = above.filter_map(|(_, cells)| receipt_number(cells.first()?));
        if let Some(number) = numbers.next() {
            let strand = self.run.partners[self.taken.partner].strand;
            let earlier = self.earlier(number).await?;
            let earlier = earlier.filter(|earlier| earlier.file.sender == strand);
            return Ok(earlier
                .map(|earlier| (number, earlier.frame.at))
                .into_iter()
                .collect());
        }
        let own = answered_name(&self.taken.name);
        let mut named: Vec<(ReturnId, i64)> = self
            .lately()
            .await?
            .iter()
            .filter(|earlier| answered_name(&earlier.name) == own)
            .map(|earlier| (earlier.file.id, earlier.frame.at))
            .collect();
        named.reverse();
        Ok(named)
    }

    /// Holds the rows of a receipt that come back as they were, for the reason for which they were held: their sheet, by whose form it was seen that
    /// they cannot be right, is not there any more.
    ///
    /// # Errors
    /// The store failed, or a sealed value does not open.
    pub(crate) async fn hold_unmended(&self, rows: &mut [RowFinding]) -> anyhow::Result<()> {
        let Some(receipt) = &self.receipt else {
            return Ok(());
        };
        for id in &receipt.answers {
            let Some((earlier, old)) = self.earlier_rows(*id).await? else {
                continue;
            };
            let by_form = |row: &&ReturnRow| row.reason.is_some_and(|why| BY_FORM.contains(&why));
            let old: Vec<&ReturnRow> = old.iter().filter(by_form).collect();
            if old.is_empty() {
                continue;
            }
            let keys = old.iter().map(|row| row.holder).collect();
            let keys = self.run.holder_keys(keys).await?;
            let opened = old.iter().filter_map(|row| {
                let spot = row_spot(*id, row.row, row.holder);
                let form = keys.get(&row.holder)?.open(spot, &row.sealed).ok()?;
                let (line, cells) = parse_row_form(&form)?;
                Some((line, (row.reason?, cells)))
            });
            let old: BTreeMap<u64, (Reason, Vec<String>)> = opened.collect();
            // A receipt of a receipt has no more columns of ours than that one.
            let added = if is_receipt(&earlier.frame.header) {
                RESULT_COLUMNS.len()
            } else {
                0
            };
            for (place, row) in rows.iter_mut().enumerate() {
                let told = row.disposition == Disposition::Accepted && !row.events.is_empty();
                let asked = row.disposition == Disposition::Held && row.leg.is_some();
                let Some(now) = self.sheet.row(place).filter(|_| told || asked) else {
                    continue;
                };
                let same = |(_, cells): &&(Reason, Vec<String>)| {
                    let before = cells.get(added..).unwrap_or_default();
                    is_as_it_was(before, now)
                };
                // So its sender says that the row is right as it stands.
                if now.cell(RESULT_COLUMN).trim().is_empty() {
                    continue;
                }
                let said = row_number(now.cell(WRONG_COLUMN));
                let before = match said {
                    Some(line) => old.get(&line),
                    None => old.values().find(same),
                };
                let Some((reason, cells)) = before else {
                    continue;
                };
                let before = cells.get(added..).unwrap_or_default();
                let unmended = match reason {
                    Reason::DateOrder => self.has_doubtful_day(before, now),
                    _ => is_as_it_was(before, now),
                };
                // What its cells say where they stand is no reason of its own.
                if unmended && row.reason != Some(*reason) {
                    row.disposition = Disposition::Held;
                    row.reason = Some(*reason);
                    row.events.clear();
                    row.further.clear();
                    row.column = None;
                    row.hint = Some("The row came back as it was.".to_owned());
                }
            }
        }
        Ok(())
    }

    /// Whether a day that has two readings came back as it was.
    fn has_doubtful_day(&self, before: &[String], now: SheetRow<'_>) -> bool {
        let collect = self.partner.collect.as_ref();
        let events = collect
            .into_iter()
            .flat_map(|collect| collect.events.iter());
        let days: Vec<String> = events
            .filter_map(|event| event.on.as_deref().map(fold))
            .collect();
        let own = self.sheet.header.iter().enumerate();
        let own = own.skip(RESULT_COLUMNS.len());
        let mut own = own.filter(|(_, name)| days.contains(&fold(name)));
        own.any(|(place, _)| {
            let cell = now.cell(place).trim();
            let was = before.get(place - RESULT_COLUMNS.len());
            was.is_some_and(|was| was.trim() == cell) && has_two_readings(cell)
        })
    }

    /// The places of the rows in the order in which they are told. In a receipt what was to be mended stands on top: it was not told yet when the other
    /// rows were counted.
    pub(crate) fn order(&self, rows: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..rows).collect();
        if let Some(receipt) = &self.receipt {
            order.sort_by_key(|place| receipt.to_mend.get(*place).copied().unwrap_or(false));
        }
        order
    }

    /// What a row of a receipt tells that was to be mended; `None` of any other row. It is
    /// an event of its own, and no other word on one that another row told, even of the same day and in the same words.
    pub(crate) fn mended_event(
        &self,
        place: usize,
        told: &ReportedEvent,
        touched: &Touched,
    ) -> Option<MendedEvent> {
        let receipt = self.receipt.as_ref()?;
        let mended = receipt.to_mend.get(place).copied().unwrap_or(false);
        // Of a questionnaire there is one answer a day: that is another word on it.
        if !mended || !receipt.open.contains_key(&place) || told.kind == EventKind::Measure {
            return None;
        }
        let since = |event: &StoredEvent| {
            Instant::parse(&event.taken_at).is_some_and(|at| at.0 > receipt.at)
        };
        let same = touched.known.iter().rposition(|(_, event)| {
            event.is_like(told)
                && !event.withdrawn
                && event.content() == told.content()
                && since(event)
        });
        Some(same.map_or(MendedEvent::New, MendedEvent::ToldSince))
    }
}

/// Whether the sender's own cells of a row of a receipt are those that it had.
fn is_as_it_was(before: &[String], now: SheetRow<'_>) -> bool {
    let cells = before
        .len()
        .max(now.len().saturating_sub(RESULT_COLUMNS.len()));
    (0..cells).all(|place| {
        let was = before.get(place).map_or("", String::as_str);
        let is = now.cell(place + RESULT_COLUMNS.len());
        unescape(was).trim() == unescape(is).trim()
    })
}

/// Whether a day in numbers can be read with the month first and with the day first.
fn has_two_readings(cell: &str) -> bool {
    let numbers = cell.split(|sign: char| !sign.is_ascii_alphanumeric());
    let mut numbers = numbers.map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(one)), Some(Ok(other))) => one != other && one <= 12 && other <= 12,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_in_numbers_may_have_two_readings() {
        for (cell, expected) in [
            ("03/04/2026", true),
            ("3.4.26", true),
            ("03/03/2026", false),
            ("13/04/2026", false),
            ("2026-04-03", false),
            ("3 April 2026", false),
            ("", false),
        ] {
            assert_eq!(has_two_readings(cell), expected, "{cell}");
        }
    }
}
