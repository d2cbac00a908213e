//! Which questions about earlier returns a return settles: a row that is taken in settles that of the row which it mends, and a file that can be read
//! those of the file of its name that could not.
//!
//! A row mends an earlier one if it is about the same person and says again what that one said, but for what was wrong with it. A new visit is no
//! mended one: so the sheet must be the receipt itself, or one that tells again what the earlier one told.

use std::collections::{HashMap, HashSet};

use super::record::ReturnRecord;
use super::returned_receipt::ReturnedReceipt;
use crate::domain::{Disposition, HoldNumber, LegId, Owner, Reason, ReturnId, Stage};
use crate::partner::CollectEvent;
use crate::pipeline::event::{
    EarlierReturn, RowFinding, earlier_return, returns_since, row_spot, stem,
};
use crate::sheet::{SheetRow, fold, parse_row_form};
use crate::store::rows::{HeldRow, ReturnRow};
use crate::store::{Batch, NewHold};

/// Rows of a return read at a time.
const PAGE: i64 = 5_000;
/// What stands between the name of a sheet and the ending of its receipt.
const RECEIPT_ENDING: &str = ".receipt";
/// Days within which a file of the same name is a later state of one sheet.
const SAME_SHEET_DAYS: i64 = 14;
const MICROS_A_DAY: i64 = 86_400_000_000;
/// Rows of one person of one sheet up to which it is looked which of them mends which: more than that is for somebody to look at.
const ROWS_OF_PERSON: usize = 200;
/// Questions about a file as a whole.
const WHOLE_FILES: [Reason; 3] = [Reason::FileUnread, Reason::Sorted, Reason::TooManyEvents];
/// Answers of a row that may be others in the row that mends it.
const MENDED_MAX: usize = 2;

/// The name of the sheet that a file is, or to which it is the receipt.
pub(crate) fn answered_name(name: &str) -> String {
    let (own, _) = stem(name);
    match own.strip_suffix(RECEIPT_ENDING) {
        Some(sheet) if !sheet.is_empty() => stem(&format!("{sheet}.")).0,
        _ => own,
    }
}

impl ReturnRecord<'_> {
    /// The returns of this partner that came lately.
    pub(super) async fn lately(&self) -> anyhow::Result<Vec<EarlierReturn>> {
        let since = self.run.now().0 - SAME_SHEET_DAYS * MICROS_A_DAY;
        let sender = self.run.partners[self.taken.partner].strand;
        returns_since(self.run, sender, since).await
    }

    /// Asks the practice about people whose details came back otherwise than they were sent, and about what is told of days after a referral had ended
    /// there; once, as long as the question is open. The sender hears nothing of either.
    pub(crate) async fn ask_practice(
        &self,
        rows: &[RowFinding],
        return_id: ReturnId,
        batch: &mut Batch,
    ) -> anyhow::Result<()> {
        let asks = |row: &RowFinding| {
            let differ = !row.differing.is_empty() && is_taken_in(row);
            let late = row.after_end && row.disposition == Disposition::Accepted;
            [
                differ.then_some(Reason::DetailsDiffer),
                late.then_some(Reason::AfterClose),
            ]
        };
        let asking = |row: &&RowFinding| asks(row).iter().any(Option::is_some);
        let rows: Vec<&RowFinding> = rows.iter().filter(asking).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let open = self.open_holds(&rows).await?;
        let mut asked: HashSet<(LegId, Reason)> =
            open.iter().map(|hold| (hold.leg, hold.reason)).collect();
        let partner = batch.strand;
        for row in rows {
            for reason in asks(row).into_iter().flatten() {
                if asked.insert((row.leg, reason)) {
                    let hold = NewHold::new(Stage::Match, reason);
                    let line = i64::try_from(row.line).unwrap_or(0);
                    batch.hold(hold.leg(row.leg).partner(partner).row(return_id, line));
                }
            }
        }
        Ok(())
    }

    /// The open questions about the people of these rows.
    async fn open_holds(&self, rows: &[&RowFinding]) -> anyhow::Result<Vec<HeldRow>> {
        let mut legs: Vec<LegId> = rows.iter().map(|row| row.leg).collect();
        legs.retain(|leg| leg.is_some());
        legs.sort_unstable();
        legs.dedup();
        Ok(self.run.store.holds_of_legs(legs).await?)
    }

    /// Settles the questions about earlier returns of this partner that this one answers.
    pub(crate) async fn settle_mended(
        &self,
        rows: &[RowFinding],
        settles_nothing: bool,
        batch: &mut Batch,
    ) -> anyhow::Result<()> {
        let strand = self.run.partners[self.taken.partner].strand;
        let counts = self.run.store.hold_counts(self.run.now().0 + 1).await?;
        let own = || counts.iter().filter(|count| count.partner == strand);
        let of_files = own().any(|count| WHOLE_FILES.contains(&count.reason));
        let of_rows = own().any(|count| count.stage == Stage::Match && is_mendable(count.reason));
        if settles_nothing {
            return match &self.receipt {
                Some(receipt) if of_files => self.settle_sorted_again(receipt, batch).await,
                _ => Ok(()),
            };
        }
        if !(of_rows || of_files) {
            return Ok(());
        }
        if of_files {
            self.settle_files(rows, batch).await?;
        }
        if !of_rows {
            return Ok(());
        }
        let mut used: HashSet<usize> = HashSet::new();
        let mut settled: HashSet<HoldNumber> = HashSet::new();
        if let Some(receipt) = &self.receipt {
            for (place, hold) in receipt.answered(rows) {
                used.insert(place);
                settled.insert(hold);
                batch.released.push(hold);
            }
        }
        let answering: Vec<&RowFinding> = rows.iter().filter(|row| answers_one(row)).collect();
        let mut open = self.open_holds(&answering).await?;
        open.retain(|hold| {
            hold.stage == Stage::Match
                && hold.partner == strand
                && hold.return_id.is_some()
                && is_mendable(hold.reason)
                && !settled.contains(&hold.number)
        });
        let mut of_return: HashMap<ReturnId, Vec<HeldRow>> = HashMap::new();
        for hold in open {
            of_return.entry(hold.return_id).or_default().push(hold);
        }
        let mut returns: Vec<ReturnId> = of_return.keys().copied().collect();
        returns.sort_unstable();
        for id in returns {
            let holds = of_return.remove(&id).unwrap_or_default();
            self.settle_rows_of(id, (&holds, &used), rows, batch)
                .await?;
        }
        Ok(())
    }

    /// Settles the question about a sorted file whose receipt comes back as sorted as it was: it is asked again.
    async fn settle_sorted_again(
        &self,
        receipt: &ReturnedReceipt,
        batch: &mut Batch,
    ) -> anyhow::Result<()> {
        let open = self.whole_files().await?;
        let again = open
            .iter()
            .filter(|hold| hold.reason == Reason::Sorted && receipt.may_answer(hold.return_id));
        batch.released.extend(again.map(|hold| hold.number));
        Ok(())
    }

    /// The open questions about whole returns of this partner.
    async fn whole_files(&self) -> anyhow::Result<Vec<HeldRow>> {
        let strand = self.run.partners[self.taken.partner].strand;
        let mut found = Vec::new();
        self.run
            .each_open_hold(|hold| {
                if hold.partner == strand && hold.row == 0 && WHOLE_FILES.contains(&hold.reason) {
                    found.push(hold);
                }
            })
            .await?;
        Ok(found)
    }

    /// Settles the questions about rows of one earlier return.
    async fn settle_rows_of(
        &self,
        id: ReturnId,
        (holds, answered): (&[HeldRow], &HashSet<usize>),
        rows: &[RowFinding],
        batch: &mut Batch,
    ) -> anyhow::Result<()> {
        let Some((earlier, old)) = self.earlier_rows(id).await? else {
            return Ok(());
        };
        let receipt = self.receipt.is_some();
        if !(receipt || tells_again(&old, rows)) {
            return Ok(());
        }
        let people = old.iter().map(|row| row.holder).collect();
        let keys = self.run.holder_keys(people).await?;
        let mut old_of_leg: HashMap<LegId, Vec<&ReturnRow>> = HashMap::new();
        for row in &old {
            old_of_leg.entry(row.leg).or_default().push(row);
        }
        let mut now_of_leg: HashMap<LegId, Vec<usize>> = HashMap::new();
        for (place, row) in rows.iter().enumerate().filter(|(_, row)| answers_one(row)) {
            now_of_leg.entry(row.leg).or_default().push(place);
        }
        let mut used = answered.clone();
        for hold in holds {
            let of_leg = old_of_leg.get(&hold.leg).map_or(&[][..], Vec::as_slice);
            let now = now_of_leg.get(&hold.leg).map_or(&[][..], Vec::as_slice);
            if of_leg.len().max(now.len()) > ROWS_OF_PERSON {
                continue;
            }
            let held = of_leg.iter().filter(|row| row.reason == Some(hold.reason));
            let found = held.into_iter().find_map(|row| {
                let key = keys.get(&row.holder)?;
                let spot = row_spot(id, row.row, row.holder);
                let (line, cells) = parse_row_form(&key.open(spot, &row.sealed).ok()?)?;
                let line = i64::try_from(line).ok()?;
                (line == hold.row).then_some(cells)
            });
            let Some(cells) = found else { continue };
            let answers = self.answers(&earlier.frame.header, |place| cells.get(place).cloned());
            // In a sheet that is sent again a row stands where it stood.
            let stands = |place: usize| {
                self.receipt.is_none()
                    && i64::try_from(rows[place].line) == Ok(hold.row)
                    && rows[place].disposition == Disposition::Accepted
            };
            let mending = now.iter().find(|place| {
                let Some(row) = self.sheet.row(**place).filter(|_| !used.contains(*place)) else {
                    return false;
                };
                match rows[**place].disposition {
                    // It is asked anew: one question is enough.
                    Disposition::Held => {
                        rows[**place].reason == Some(hold.reason) && self.says_all(&answers, row)
                    }
                    // A sheet that is sent every week says again what the older copy contradicts: by that nobody has looked at the question.
                    Disposition::Repeated if hold.reason == Reason::ConflictCopy => {
                        receipt && self.mends(&answers, row)
                    }
                    _ => stands(**place) || self.mends(&answers, row),
                }
            });
            if let Some(place) = mending {
                used.insert(*place);
                batch.released.push(hold.number);
            }
        }
        Ok(())
    }

    /// A return that came before; nothing if there is none of this number.
    pub(super) async fn earlier(&self, id: ReturnId) -> anyhow::Result<Option<EarlierReturn>> {
        let before = ReturnId::new(id.number().saturating_sub(1));
        let file = self.run.store.return_files(before, 1).await?.pop();
        match file.filter(|file| file.id == id) {
            Some(file) => earlier_return(self.run, file).await,
            None => Ok(None),
        }
    }

    pub(super) async fn earlier_rows(
        &self,
        id: ReturnId,
    ) -> anyhow::Result<Option<(EarlierReturn, Vec<ReturnRow>)>> {
        let Some(earlier) = self.earlier(id).await? else {
            return Ok(None);
        };
        let mut rows: Vec<ReturnRow> = Vec::new();
        loop {
            let after = rows.last().map_or(0, |row| row.row);
            let page = self.run.store.return_rows(id, after, PAGE).await?;
            if page.is_empty() {
                return Ok(Some((earlier, rows)));
            }
            rows.extend(page);
        }
    }

    /// The answers of a row, by folded header; empty ones are left off.
    fn answers(
        &self,
        header: &[String],
        cell: impl Fn(usize) -> Option<String>,
    ) -> HashMap<String, String> {
        let collect = self.partner.collect.as_ref();
        let events = collect
            .into_iter()
            .flat_map(|collect| collect.events.iter());
        let read: HashSet<String> = events.flat_map(CollectEvent::headers).map(fold).collect();
        let mut answers = HashMap::new();
        for (place, name) in header.iter().enumerate() {
            let name = fold(name);
            let text = cell(place).map(|text| fold(&text)).unwrap_or_default();
            if read.contains(&name) && !text.is_empty() {
                answers.insert(name, text);
            }
        }
        answers
    }

    /// Whether a row gives the very answers that an earlier one gave.
    fn says_all(&self, before: &HashMap<String, String>, now: SheetRow<'_>) -> bool {
        *before == self.answers(&self.sheet.header, |place| Some(now.cell(place).to_owned()))
    }

    /// Whether a row says again what an earlier one said, but for what was mended.
    fn mends(&self, before: &HashMap<String, String>, now: SheetRow<'_>) -> bool {
        let now = self.answers(&self.sheet.header, |place| Some(now.cell(place).to_owned()));
        let same = |(name, text): &(&String, &String)| now.get(*name) == Some(*text);
        let (again, others): (Vec<_>, Vec<_>) = before.iter().partition(same);
        // Cells that stood in wrong columns stand in others now.
        let moved = others
            .iter()
            .filter(|(_, text)| now.values().any(|other| other == *text))
            .count();
        before.is_empty() || others.len() - moved <= MENDED_MAX.min(again.len() + moved)
    }

    /// Settles the questions about earlier files as a whole: one of the same name that could not be read, and one whose rows were mixed up if all of
    /// its people are told of again, with most of its answers.
    async fn settle_files(&self, rows: &[RowFinding], batch: &mut Batch) -> anyhow::Result<()> {
        let open = self.whole_files().await?;
        let own = answered_name(&self.taken.name);
        let taken_in: Vec<usize> = (0..rows.len())
            .filter(|place| is_taken_in(&rows[*place]))
            .collect();
        let people: HashSet<LegId> = taken_in.iter().map(|place| rows[*place].leg).collect();
        let lately = self.lately().await?;
        for hold in open {
            let of_name = |earlier: &EarlierReturn| {
                earlier.file.id == hold.return_id && answered_name(&earlier.name) == own
            };
            let settled = match hold.reason {
                Reason::FileUnread => lately.iter().any(of_name),
                Reason::Sorted | Reason::TooManyEvents => {
                    let Some((earlier, old)) = self.earlier_rows(hold.return_id).await? else {
                        continue;
                    };
                    let mut legs = old.iter().map(|row| row.leg).filter(|leg| leg.is_some());
                    legs.all(|leg| people.contains(&leg))
                        && self.tells_answers(&earlier, &old, &taken_in).await?
                }
                _ => false,
            };
            if settled {
                batch.released.push(hold.number);
            }
        }
        Ok(())
    }

    /// Whether these rows give at least half of the answers of earlier ones, whoever those were about.
    async fn tells_answers(
        &self,
        earlier: &EarlierReturn,
        old: &[ReturnRow],
        rows: &[usize],
    ) -> anyhow::Result<bool> {
        let keys = self
            .run
            .holder_keys(old.iter().map(|row| row.holder).collect())
            .await?;
        let mut now: HashMap<Vec<(String, String)>, usize> = HashMap::new();
        let listed = |answers: HashMap<String, String>| {
            let mut answers: Vec<(String, String)> = answers.into_iter().collect();
            answers.sort_unstable();
            answers
        };
        for row in rows.iter().filter_map(|place| self.sheet.row(*place)) {
            let answers = self.answers(&self.sheet.header, |at| Some(row.cell(at).to_owned()));
            *now.entry(listed(answers)).or_default() += 1;
        }
        let (mut told, mut again) = (0, 0);
        for row in old {
            let Some(key) = keys.get(&row.holder) else {
                continue;
            };
            let spot = row_spot(earlier.file.id, row.row, row.holder);
            let opened = key.open(spot, &row.sealed).ok();
            let Some((_, cells)) = opened.and_then(|form| parse_row_form(&form)) else {
                continue;
            };
            let answers = self.answers(&earlier.frame.header, |at| cells.get(at).cloned());
            if answers.is_empty() {
                continue;
            }
            told += 1;
            if let Some(left) = now.get_mut(&listed(answers)).filter(|left| **left > 0) {
                *left -= 1;
                again += 1;
            }
        }
        Ok(again * 2 >= told)
    }
}

pub(super) fn is_taken_in(row: &RowFinding) -> bool {
    row.leg.is_some()
        && matches!(
            row.disposition,
            Disposition::Accepted | Disposition::Repeated
        )
}

/// Whether a row can end a question about an earlier one: it was taken in, or is held and asked about itself.
fn answers_one(row: &RowFinding) -> bool {
    is_taken_in(row) || (row.leg.is_some() && row.disposition == Disposition::Held)
}

/// Whether a question about a row is the partner's, and ends when the row comes again as it should be.
pub(super) fn is_mendable(reason: Reason) -> bool {
    reason.owner() == Owner::Partner
        && !matches!(
            reason,
            Reason::Sorted | Reason::FileUnread | Reason::NoLongerTold
        )
}

/// Whether a sheet tells again at least half of what was taken in of an earlier one.
fn tells_again(old: &[ReturnRow], rows: &[RowFinding]) -> bool {
    let taken_in = old
        .iter()
        .filter(|row| row.leg.is_some())
        .filter(|row| {
            matches!(
                row.disposition,
                Disposition::Accepted | Disposition::Repeated
            )
        })
        .count();
    let known = rows
        .iter()
        .filter(|row| row.reason == Some(Reason::AlreadyKnown))
        .count();
    known * 2 >= taken_in
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_leads_to_the_name_of_its_sheet() {
        for (name, expected) in [
            ("returns week 1.receipt.csv", "returns week 1"),
            ("Returns week 1.receipt (2).csv", "returns week 1"),
            ("returns (2).receipt.csv", "returns"),
            ("returns.csv", "returns"),
            (".receipt.csv", ".receipt"),
        ] {
            assert_eq!(answered_name(name), expected, "{name}");
        }
    }
}
