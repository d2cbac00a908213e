//! What a sheet that holds everything so far no longer tells: it is asked about once, and stays as it was.
//!
//! In: a newest sheet of a partner with `cumulative`, and what is known of the people of the sheets before it. Out: questions, one for each row that told what
//! is missing. Keeps: nothing is taken back because it is absent; the sheet remembers what was asked, and what is missing in the next one too is not
//! asked again.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::record::{ReturnRecord, Touched};
use crate::domain::{Disposition, EventId, KeyId, LegId, Reason, ReturnId, Stage};
use crate::pipeline::event::{
    NumberedEvent, Repair, RowFinding, earlier_return, events_of_legs, newest_by, row_spot,
};
use crate::seal::HolderKey;
use crate::sheet::parse_row_form;
use crate::store::{Batch, NewHold};

/// People who are named in a receipt at most.
const NAMED_MAX: usize = 5;

/// A row of an earlier sheet, by its return and Excel's number.
pub(crate) type ToldBy = (i64, i64);

/// What a sheet lacks.
#[derive(Default)]
pub(crate) struct NoLongerTold {
    /// Rows of earlier sheets that told it, those asked about before too.
    pub(crate) asked: BTreeSet<ToldBy>,
    /// Those that are asked about now, and whose they are.
    fresh: Vec<(LegId, ToldBy)>,
    /// The people of the sheet and of the sheets before it.
    legs: Vec<LegId>,
}

/// The sheets before one, as far as the last that was held against what came before it.
#[derive(Default)]
struct Before {
    asked: BTreeSet<ToldBy>,
    legs: HashSet<LegId>,
}

impl ReturnRecord<'_> {
    /// Whether the sheet is one that tells everything so far.
    pub(crate) fn tells_everything(&self) -> bool {
        let collect = self.partner.collect.as_ref();
        collect.is_some_and(|collect| collect.cumulative)
            && !self.taken.of.is_some()
            && self.newer.is_newest()
            && self.receipt.is_none()
    }

    /// What such a sheet no longer tells; `spoken`: the known events that its rows speak of.
    ///
    /// # Errors
    /// The store failed, or a sealed value does not open.
    pub(crate) async fn no_longer_told(
        &self,
        rows: &[RowFinding],
        touched: &HashMap<LegId, Touched>,
        spoken: &HashSet<EventId>,
    ) -> anyhow::Result<NoLongerTold> {
        let before = self.before().await?;
        let mut found = NoLongerTold {
            legs: before.legs.iter().copied().collect(),
            ..NoLongerTold::default()
        };
        let here: HashSet<LegId> = rows.iter().map(|row| row.leg).collect();
        // Of somebody of whom a row waits it is not known what the sheet tells.
        let waiting = rows
            .iter()
            .filter(|row| row.disposition == Disposition::Held);
        let waiting: HashSet<LegId> = waiting.map(|row| row.leg).collect();
        let mut missing: Vec<(LegId, EventId)> = Vec::new();
        let mut keys: HashMap<KeyId, HolderKey> = HashMap::new();
        let is_missing = |(id, event): &&NumberedEvent| {
            event.kind.observed() && !event.withdrawn && !spoken.contains(id)
        };
        for (leg, touched) in touched.iter().filter(|(leg, _)| !waiting.contains(leg)) {
            keys.insert(touched.leg.now.person, touched.key.clone());
            let events = touched.known.iter().filter(is_missing);
            missing.extend(events.map(|(id, _)| (*leg, *id)));
        }
        let mut gone: Vec<LegId> = before.legs.difference(&here).copied().collect();
        gone.sort_unstable();
        if !gone.is_empty() {
            let mut events = events_of_legs(self.run, gone.clone(), &mut keys).await?;
            for leg in gone {
                let events = events.remove(&leg).unwrap_or_default();
                let known = newest_by(events.opened, |(_, event)| event);
                let events = known.iter().filter(is_missing);
                missing.extend(events.map(|(id, _)| (leg, *id)));
            }
        }
        missing.sort_unstable();
        for (leg, told_by) in self.told_by(&missing, &keys).await? {
            if found.asked.insert(told_by) && !before.asked.contains(&told_by) {
                found.fresh.push((leg, told_by));
            }
        }
        found.legs.extend(here.iter().filter(|leg| leg.is_some()));
        found.legs.sort_unstable();
        found.legs.dedup();
        Ok(found)
    }

    /// The people of the sheets before this one, and what was asked about with the last that tells everything.
    async fn before(&self) -> anyhow::Result<Before> {
        let mut before = Before::default();
        let sender = self.run.partners[self.taken.partner].strand;
        for id in self
            .run
            .store
            .returns_written_after(sender, i64::MIN)
            .await?
        {
            self.newer_legs(id, &mut before.legs).await?;
            let file = ReturnId::new(id.number().saturating_sub(1));
            let file = self.run.store.return_files(file, 1).await?.pop();
            let Some(file) = file else { continue };
            let earlier = earlier_return(self.run, file).await?;
            if let Some(earlier) = earlier.filter(|earlier| earlier.frame.everything) {
                before.asked = earlier.frame.asked.into_iter().collect();
                break;
            }
        }
        Ok(before)
    }

    /// The rows that told these events.
    async fn told_by(
        &self,
        events: &[(LegId, EventId)],
        keys: &HashMap<KeyId, HolderKey>,
    ) -> anyhow::Result<Vec<(LegId, ToldBy)>> {
        let ids = events.iter().map(|(_, id)| *id).collect();
        let mut told_by = Vec::new();
        for event in self.run.store.events(ids).await? {
            let (of, row) = (event.return_id, event.row);
            let kept = self.run.store.return_rows(of, row - 1, 1).await?.pop();
            let line = kept.filter(|kept| kept.row == row).and_then(|kept| {
                let key = keys.get(&kept.holder)?;
                let form = key.open(row_spot(of, row, kept.holder), &kept.sealed);
                let (line, _) = parse_row_form(&form.ok()?)?;
                i64::try_from(line).ok()
            });
            // What an undo restored stands in no row of it.
            told_by.push((event.leg, (of.number(), line.unwrap_or(0))));
        }
        Ok(told_by)
    }

    /// Asks about what is missing and was not asked about before, and settles the questions about what is told again. Gives a sentence for the receipt.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn ask_about(
        &self,
        missing: &NoLongerTold,
        batch: &mut Batch,
    ) -> anyhow::Result<Option<Repair>> {
        for hold in self.run.store.holds_of_legs(missing.legs.clone()).await? {
            let told_by = (hold.return_id.number(), hold.row);
            let mine = hold.reason == Reason::NoLongerTold && hold.partner == batch.strand;
            if mine && !missing.asked.contains(&told_by) {
                batch.released.push(hold.number);
            }
        }
        if missing.fresh.is_empty() {
            return Ok(None);
        }
        let partner = batch.strand;
        for (leg, (of, line)) in &missing.fresh {
            let hold = NewHold::new(Stage::Match, Reason::NoLongerTold).leg(*leg);
            batch.hold(hold.partner(partner).row(ReturnId::new(*of), *line));
        }
        let mut legs: Vec<LegId> = missing.fresh.iter().map(|(leg, _)| *leg).collect();
        legs.sort_unstable();
        legs.dedup();
        let named = legs.iter().take(NAMED_MAX).copied().collect();
        let named = self.run.store.legs(named).await?;
        let mut named: Vec<String> = named.iter().map(|leg| leg.reference.to_string()).collect();
        if legs.len() > NAMED_MAX {
            named.push(format!("and {} more", legs.len() - NAMED_MAX));
        }
        Ok(Some(Repair {
            code: Reason::NoLongerTold.code(),
            column: None,
            words: format!(
                "Your last sheet told more than this one. We took nothing back. Tell us which is right: {}.",
                named.join(", ")
            ),
        }))
    }
}
