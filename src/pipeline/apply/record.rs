//! Records a return that could be read: rows, events, legs moved, writes queued, facts, holds, in one transaction.
//!
//! The store is asked for what many legs need at once: nothing is asked for leg by leg.

use std::collections::{HashMap, HashSet};

use super::effects::Effects;
use super::newer_sheets::NewerSheets;
use super::no_longer_told::NoLongerTold;
use super::returned_receipt::ReturnedReceipt;
use crate::domain::entropy::Stream;
use crate::domain::{
    Counts, Disposition, EventId, EventKind, LegId, Reason, ReturnId, RunId, Stage,
};
use crate::partner::Partner;
use crate::pipeline::delivered_rows::OwnLeg;
use crate::pipeline::event::{
    FileFinding, NumberedEvent, Repair, RowFinding, StoredEvent, TakenReturn, newest_by,
};
use crate::pipeline::run::{HeldLease, Run, StageOutcome};
use crate::pipeline::workers::of_each;
use crate::seal::{Digest, HolderKey, merkle_root};
use crate::sheet::Sheet;
use crate::store::hash_chain::{event_leaf, return_file_leaf, return_leaf};
use crate::store::rows::{EventRow, KeyRow, Leg, ReturnFile, ReturnRow};
use crate::store::{Batch, Body, Entry, Guard, NewHold};

/// Rows or events that one worker seals at a time.
const SEALED_A_PIECE: usize = 64;

/// A return about to be recorded.
pub(crate) struct ReturnRecord<'r> {
    pub(crate) run: &'r Run,
    pub(crate) lease: &'r HeldLease,
    pub(crate) partner: &'r Partner,
    pub(crate) taken: &'r TakenReturn,
    pub(crate) sheet: &'r Sheet,
    /// Of whom a sheet that is newer than this one has told.
    pub(crate) newer: NewerSheets,
    /// The sheet is a receipt of ours.
    pub(crate) receipt: Option<ReturnedReceipt>,
}

/// A leg that the file speaks of, and what is new of it.
pub(crate) struct Touched {
    pub(crate) leg: Leg,
    pub(crate) key: HolderKey,
    /// How many events were told of it before.
    pub(crate) told: usize,
    /// The newest word on each event kept before, with its id.
    pub(crate) known: Vec<NumberedEvent>,
    /// All words on the events on which there are several, by identifier.
    pub(crate) earlier: HashMap<String, Vec<StoredEvent>>,
    pub(crate) fresh: Vec<(StoredEvent, EventRow)>,
}

impl Touched {
    /// Whether a row newly refers the person on.
    pub(crate) fn refers_on(&self) -> bool {
        let mut fresh = self.fresh.iter();
        fresh.any(|(kept, _)| kept.kind == EventKind::Onward)
    }
}

/// An event that is not sealed yet: its leg, its place among what is new of it, and the nonce drawn for it.
pub(crate) struct UnsealedEvent {
    pub(crate) leg: LegId,
    pub(crate) place: usize,
    pub(crate) nonce: [u8; 12],
}

impl ReturnRecord<'_> {
    /// Records the file and gives its id, and what became of each row once known events are told apart.
    pub(crate) async fn record(
        &self,
        bytes: Vec<u8>,
        finding: FileFinding,
        own: HashMap<LegId, OwnLeg>,
        outcome: &mut StageOutcome,
    ) -> anyhow::Result<(ReturnId, FileFinding)> {
        let env = self.run.env();
        let strand = env.partners[self.taken.partner].strand;
        let mut stream = env.stream();
        let events: usize = finding.rows.iter().map(|row| row.events.len()).sum();
        let count = i64::try_from(finding.rows.len() + 3 * events + 64)?;
        let ids = env.ids.take(&*env.store, strand, count).await?;
        let return_id = ids.next();
        let file_key = self.file_key(ids.next(), &mut stream);
        let mut rows = finding.rows;
        let mut touched = touched(&rows, own);
        let chains = self.chains(&rows, &touched).await?;
        let settled = self.settle_rows(
            &mut rows,
            &mut touched,
            &chains,
            return_id,
            &ids,
            &mut stream,
        );
        let whole = held_whole(finding.sorted, settled.too_many);
        let missing = self
            .missing(whole, &rows, &touched, &settled.spoken)
            .await?;
        let frame = self.frame(&rows, missing.as_ref());
        let key = (&file_key.0, file_key.1.id);
        let (mut file, sealed_bytes) =
            self.return_file(return_id, &frame, key, &bytes, &mut stream);
        drop(bytes);
        self.seal_events(&mut touched, &settled.unsealed)?;
        let mut batch = self.lease.batch(env.now());
        batch.return_rows = self.sealed_rows(return_id, &rows, &touched, &file_key, &mut stream)?;
        let effects = Effects::load(self, &touched).await?;
        let mut order: Vec<LegId> = touched.keys().copied().collect();
        order.sort_unstable();
        batch.guard(as_told(&order, &touched));
        for leg in order {
            if let Some(touched) = touched.remove(&leg) {
                effects.open_onward(&touched, &ids, &mut batch, &mut stream);
                effects.move_leg(touched, &ids, &mut batch, &mut stream);
            }
        }
        drop(touched);
        batch.events.sort_by_key(|event| event.id);
        let root = root_of(&file, &sealed_bytes, &batch);
        file.root = root;
        batch.return_file = Some(file);
        batch.return_bytes = sealed_bytes;
        batch.keys.push(file_key.1);
        let returned = Body::Returned {
            rows: rows.len(),
            events: batch.events.len(),
            root,
        };
        batch.push(Entry::new(return_id, returned));
        let mut repairs = finding.repairs;
        let asked = self.ask(&rows, (whole, missing), return_id, &mut batch);
        repairs.extend(asked.await?);
        keep_books(self.run.id, &rows, return_id, &mut batch, outcome);
        env.store.commit(batch).await?;
        Ok((
            return_id,
            FileFinding {
                rows,
                sorted: finding.sorted,
                repairs,
            },
        ))
    }

    /// The rows of the file, each under its person's key.
    fn sealed_rows(
        &self,
        return_id: ReturnId,
        rows: &[RowFinding],
        touched: &HashMap<LegId, Touched>,
        file_key: &(HolderKey, KeyRow),
        stream: &mut Stream,
    ) -> anyhow::Result<Vec<ReturnRow>> {
        let numbered = (0..rows.len()).map(|index| (index, stream.bytes()));
        let numbered: Vec<(usize, [u8; 12])> = numbered.collect();
        of_each(
            &numbered,
            SEALED_A_PIECE,
            self.run.workers,
            |(index, nonce)| {
                let row = &rows[*index];
                self.return_row(return_id, *index, row, touched, file_key, *nonce)
            },
        )
    }

    /// What a sheet that tells everything no longer tells; `whole`: why it is held as a whole.
    async fn missing(
        &self,
        whole: Option<Reason>,
        rows: &[RowFinding],
        touched: &HashMap<LegId, Touched>,
        spoken: &HashSet<EventId>,
    ) -> anyhow::Result<Option<NoLongerTold>> {
        if whole.is_some() || !self.tells_everything() {
            return Ok(None);
        }
        self.no_longer_told(rows, touched, spoken).await.map(Some)
    }

    /// Asks what is to be asked, and settles what is answered. Gives a sentence for the receipt.
    async fn ask(
        &self,
        rows: &[RowFinding],
        (whole, missing): (Option<Reason>, Option<NoLongerTold>),
        return_id: ReturnId,
        batch: &mut Batch,
    ) -> anyhow::Result<Option<Repair>> {
        hold_rows(rows, whole, return_id, batch);
        batch.released.extend(&self.taken.answers);
        self.ask_practice(rows, return_id, batch).await?;
        let settles_nothing = whole.is_some() || self.taken.of.is_some();
        self.settle_mended(rows, settles_nothing, batch).await?;
        match missing {
            Some(missing) => self.ask_about(&missing, batch).await,
            None => Ok(None),
        }
    }

    /// Seals the events that are new, each under its person's key.
    fn seal_events(
        &self,
        touched: &mut HashMap<LegId, Touched>,
        unsealed: &[UnsealedEvent],
    ) -> anyhow::Result<()> {
        let sealed = of_each(unsealed, SEALED_A_PIECE, self.run.workers, |event| {
            let touched = touched.get(&event.leg)?;
            let (kept, row) = touched.fresh.get(event.place)?;
            Some(super::seal_return::sealed_event(
                kept,
                row,
                &touched.key,
                event.nonce,
            ))
        })?;
        for (event, sealed) in unsealed.iter().zip(sealed) {
            let fresh = touched
                .get_mut(&event.leg)
                .and_then(|touched| touched.fresh.get_mut(event.place));
            if let (Some((_, row)), Some(sealed)) = (fresh, sealed) {
                row.sealed = sealed;
            }
        }
        Ok(())
    }
}

/// The root over the evidence of a return.
fn root_of(file: &ReturnFile, sealed_bytes: &[u8], batch: &Batch) -> Digest {
    let mut leaves = vec![return_file_leaf(file, sealed_bytes)];
    leaves.extend(batch.return_rows.iter().map(return_leaf));
    leaves.extend(batch.events.iter().map(event_leaf));
    merkle_root(&leaves).unwrap_or_default()
}

/// The legs that rows were matched to. A person who was erased takes nothing in: the row stays with the file.
fn touched(rows: &[RowFinding], mut own: HashMap<LegId, OwnLeg>) -> HashMap<LegId, Touched> {
    let mut touched = HashMap::with_capacity(own.len());
    for row in rows {
        let Some(OwnLeg {
            leg,
            key: Some(key),
            events,
        }) = own.remove(&row.leg)
        else {
            continue;
        };
        let leg = Touched {
            leg,
            key,
            told: events.told,
            earlier: several_words(&events.opened),
            known: newest_by(events.opened, |(_, event)| event),
            fresh: Vec::new(),
        };
        touched.insert(row.leg, leg);
    }
    touched
}

/// The words on each event on which there are several.
fn several_words(events: &[NumberedEvent]) -> HashMap<String, Vec<StoredEvent>> {
    let mut words: HashMap<String, Vec<StoredEvent>> = HashMap::new();
    let revised = events.iter().filter(|(_, event)| event.revision > 0);
    for (_, event) in revised {
        words.entry(event.identifier.clone()).or_default();
    }
    if !words.is_empty() {
        for (_, event) in events {
            if let Some(words) = words.get_mut(&event.identifier) {
                words.push(event.clone());
            }
        }
    }
    words
}

/// Nobody has told anything further, or taken anything back, of the legs of which there is something new.
fn as_told(order: &[LegId], touched: &HashMap<LegId, Touched>) -> Guard {
    let mut events = 0;
    let mut legs = Vec::new();
    for leg in order {
        if let Some(touched) = touched.get(leg).filter(|leg| !leg.fresh.is_empty()) {
            events += i64::try_from(touched.told).unwrap_or(i64::MAX);
            legs.push(*leg);
        }
    }
    Guard::Told { legs, events }
}

/// Why a file is held as a whole.
fn held_whole(sorted: bool, too_many: bool) -> Option<Reason> {
    let too_many = too_many.then_some(Reason::TooManyEvents);
    if sorted {
        Some(Reason::Sorted)
    } else {
        too_many
    }
}

/// Asks about each row that is held; `whole`: why the file is held as a whole, which is one question and not one a row.
fn hold_rows(rows: &[RowFinding], whole: Option<Reason>, return_id: ReturnId, batch: &mut Batch) {
    let partner = batch.strand;
    let mut hold = |leg: LegId, reason: Reason, row: u64| {
        let hold = NewHold::new(Stage::Match, reason).leg(leg).partner(partner);
        batch.hold(hold.row(return_id, i64::try_from(row).unwrap_or(0)));
    };
    if let Some(reason) = whole {
        hold(LegId::NONE, reason, 0);
    }
    for row in rows
        .iter()
        .filter(|row| row.disposition == Disposition::Held)
    {
        if let Some(reason) = row.reason.filter(|reason| whole != Some(*reason)) {
            hold(row.leg, reason, row.line);
        }
    }
}

fn keep_books(
    run: RunId,
    rows: &[RowFinding],
    return_id: ReturnId,
    batch: &mut Batch,
    outcome: &mut StageOutcome,
) {
    let mut collected = Counts::default();
    collected.add_many(
        Disposition::Accepted,
        None,
        u64::try_from(rows.len()).unwrap_or(0),
    );
    let mut matched = Counts::default();
    for row in rows {
        matched.add(row.disposition, row.reason);
    }
    for (stage, counts) in [(Stage::Collect, collected), (Stage::Match, matched)] {
        outcome.count(stage, &counts);
        batch.book_file(run, stage, return_id, counts);
    }
}
