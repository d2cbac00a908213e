//! Records a return that could be read: rows, events, legs moved, writes queued, facts, holds, in one transaction.

use std::collections::HashMap;

use super::corrections::{self, Correction};
use crate::domain::entropy::Stream;
use crate::domain::{
    Counts, Disposition, EventId, EventKind, LegId, Reason, ReturnId, RunId, Stage,
};
use crate::partner::Partner;
use crate::pipeline::decide::onward;
use crate::pipeline::event::{
    FileFinding, ReportedEvent, RowFinding, StoredEvent, TakenReturn, What, newest, numbered,
};
use crate::pipeline::referral::Referral;
use crate::pipeline::run::{HeldLease, Ids, Run, StageOutcome};
use crate::pipeline::sealed_inputs;
use crate::seal::{HolderKey, merkle_root};
use crate::sheet::Sheet;
use crate::store::hash_chain::{event_leaf, return_file_leaf, return_leaf};
use crate::store::rows::{EventRow, Leg};
use crate::store::{Batch, Body, Entry, NewHold};

/// A return about to be recorded.
pub(crate) struct ReturnRecord<'r> {
    pub(crate) run: &'r Run,
    pub(crate) lease: &'r HeldLease,
    pub(crate) partner: &'r Partner,
    pub(crate) taken: &'r TakenReturn,
    pub(crate) sheet: &'r Sheet,
}

/// A leg that the file speaks of, and its next standing.
pub(crate) struct Touched {
    pub(crate) leg: Leg,
    pub(crate) key: HolderKey,
    /// The newest word on each event kept before.
    pub(crate) known: Vec<StoredEvent>,
    /// Event ids of those words, by identifier.
    pub(crate) ids: HashMap<String, EventId>,
    /// Every leg of the same referral, this one included.
    chain: Vec<Leg>,
    pub(crate) referral: Option<Referral>,
    pub(crate) fresh: Vec<(StoredEvent, EventRow)>,
}

impl ReturnRecord<'_> {
    /// Records the file and gives its id, and what became of each row once known events are told apart.
    pub(crate) async fn record(
        &self,
        finding: FileFinding,
        outcome: &mut StageOutcome,
    ) -> anyhow::Result<(ReturnId, FileFinding)> {
        let env = self.run.env();
        let strand = env.partners[self.taken.partner].strand;
        let mut stream = env.stream();
        let count = i64::try_from(finding.rows.len()).unwrap_or(0)
            + i64::try_from(
                finding
                    .rows
                    .iter()
                    .map(|row| row.events.len())
                    .sum::<usize>(),
            )
            .unwrap_or(0)
                * 3
            + 64;
        let ids = env.ids.take(&*env.store, strand, count).await?;
        let return_id = ids.next();
        let file_key = self.file_key(ids.next(), &mut stream);
        let mut touched = self.touched(&finding).await?;
        let mut batch = self.lease.batch(env.now());
        let mut rows = finding.rows;
        self.settle_rows(&mut rows, &mut touched, return_id, &ids, &mut stream);
        for (index, row) in rows.iter().enumerate() {
            batch.return_rows.push(self.return_row(
                return_id,
                index,
                row,
                &touched,
                &file_key,
                &mut stream,
            ));
        }
        let mut order: Vec<LegId> = touched.keys().copied().collect();
        order.sort_unstable();
        for leg in order {
            if let Some(touched) = touched.remove(&leg) {
                self.open_onward(&touched, &ids, &mut batch, &mut stream);
                self.move_leg(touched, &ids, &mut batch, &mut stream)
                    .await?;
            }
        }
        batch.events.sort_by_key(|event| event.id);
        let (mut file, bytes) = self.return_file(return_id, rows.len(), &file_key, &mut stream);
        let mut leaves = vec![return_file_leaf(&file, &bytes)];
        leaves.extend(batch.return_rows.iter().map(return_leaf));
        leaves.extend(batch.events.iter().map(event_leaf));
        let root = merkle_root(&leaves).unwrap_or_default();
        file.root = root;
        batch.return_file = Some(file);
        batch.return_bytes = bytes;
        batch.keys.push(file_key.1);
        let returned = Body::Returned {
            rows: rows.len(),
            events: batch.events.len(),
            root,
        };
        batch.push(Entry::new(return_id, returned));
        hold_rows(&rows, finding.sorted, return_id, &mut batch);
        keep_books(self.run.id, &rows, return_id, &mut batch, outcome);
        env.store.commit(batch).await?;
        Ok((
            return_id,
            FileFinding {
                rows,
                sorted: finding.sorted,
            },
        ))
    }

    async fn touched(&self, finding: &FileFinding) -> anyhow::Result<HashMap<LegId, Touched>> {
        let mut ids: Vec<LegId> = finding
            .rows
            .iter()
            .map(|row| row.leg)
            .filter(|leg| leg.is_some())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let legs = self.run.store.legs(ids).await?;
        let keys = self
            .run
            .holder_keys(legs.iter().map(|leg| leg.now.person).collect())
            .await?;
        let others = self
            .run
            .store
            .legs_of_persons(legs.iter().map(|leg| leg.now.person).collect())
            .await?;
        let raws: Vec<_> = legs.iter().map(|leg| leg.now.raws).collect();
        let referrals = if self.partner.onward_to.is_empty() {
            vec![None; legs.len()]
        } else {
            sealed_inputs::referrals(self.run, &raws).await?
        };
        let mut touched = HashMap::with_capacity(legs.len());
        for (leg, referral) in legs.into_iter().zip(referrals) {
            // A person who was erased takes nothing in: the row stays with the file.
            let Some(key) = keys.get(&leg.now.person).cloned() else {
                continue;
            };
            let numbered = numbered(self.run, leg.id).await?;
            // In the order in which they came: the newest word stays.
            let ids = numbered
                .iter()
                .map(|(id, event)| (event.identifier.clone(), *id))
                .collect();
            let known = newest(numbered.into_iter().map(|(_, event)| event));
            let chain = others
                .iter()
                .filter(|other| {
                    other.now.person == leg.now.person
                        && other.now.raws.request == leg.now.raws.request
                })
                .cloned()
                .collect();
            touched.insert(
                leg.id,
                Touched {
                    leg,
                    key,
                    known,
                    ids,
                    chain,
                    referral,
                    fresh: Vec::new(),
                },
            );
        }
        Ok(touched)
    }

    /// Tells new events from known ones, row by row.
    fn settle_rows(
        &self,
        rows: &mut [RowFinding],
        touched: &mut HashMap<LegId, Touched>,
        return_id: ReturnId,
        ids: &Ids,
        stream: &mut Stream,
    ) {
        let mut occurrences: HashMap<(LegId, String), u32> = HashMap::new();
        let told = corrections::contents(rows);
        for (index, row) in rows.iter_mut().enumerate() {
            let Some(touched) = touched.get_mut(&row.leg) else {
                continue;
            };
            let mut fresh = Vec::new();
            let mut known = 0;
            for tale in &row.events {
                let occurrence = occurrences.entry((row.leg, sameness(tale))).or_default();
                *occurrence += 1;
                let kept = StoredEvent::new(
                    self.run,
                    self.partner,
                    touched.leg.reference,
                    tale,
                    *occurrence,
                    self.run.now(),
                );
                // The same service named twice in one sheet is asked for once.
                let asked = |kept: &StoredEvent| {
                    tale.kind == EventKind::Onward
                        && kept.kind == EventKind::Onward
                        && kept.code == kept_partner(tale)
                };
                if fresh.iter().any(|(_, kept)| asked(kept))
                    || touched.fresh.iter().any(|(kept, _)| asked(kept))
                {
                    known += 1;
                    continue;
                }
                let before = touched
                    .known
                    .iter()
                    .chain(touched.fresh.iter().map(|(kept, _)| kept))
                    .find(|other| other.identifier == kept.identifier);
                match before {
                    None if row.withdrawn => known += 1,
                    None => {
                        if let Some((disposition, reason)) = self.not_sent_on(touched, tale) {
                            (row.disposition, row.reason) = (disposition, Some(reason));
                        }
                        fresh.push((tale.kind, kept));
                    }
                    Some(before) => match corrections::of(before, kept, row.withdrawn, || {
                        told.reordered(row.leg, tale, &touched.known)
                    }) {
                        Correction::None => known += 1,
                        Correction::Ask => {
                            (row.disposition, row.reason) =
                                (Disposition::Held, Some(Reason::Correction));
                        }
                        Correction::Event(kept) => fresh.push((tale.kind, *kept)),
                    },
                }
            }
            if row.disposition != Disposition::Accepted {
                continue;
            }
            if known > 0 && fresh.is_empty() {
                (row.disposition, row.reason) = (Disposition::Repeated, Some(Reason::AlreadyKnown));
            }
            for (kind, kept) in fresh {
                let event =
                    self.event_row(&kept, kind, touched, return_id, index, ids.next(), stream);
                touched.fresh.push((kept, event));
            }
        }
    }

    /// Why a person is not referred on as a row asks, and how the row ends.
    fn not_sent_on(
        &self,
        touched: &Touched,
        tale: &ReportedEvent,
    ) -> Option<(Disposition, Reason)> {
        let What::Onward {
            partner, agreed, ..
        } = &tale.what
        else {
            return None;
        };
        let reason = onward::objection(self.run, &touched.chain, partner, *agreed)?;
        let disposition = if reason == Reason::OnwardNotAllowed {
            Disposition::Rejected
        } else {
            Disposition::Held
        };
        Some((disposition, reason))
    }
}

fn hold_rows(rows: &[RowFinding], sorted: bool, return_id: ReturnId, batch: &mut Batch) {
    let partner = batch.strand;
    let mut hold = |leg: LegId, reason: Reason, row: u64| {
        let hold = NewHold::new(Stage::Match, reason).leg(leg).partner(partner);
        batch.hold(hold.row(return_id, i64::try_from(row).unwrap_or(0)));
    };
    if sorted {
        // One question for the whole file, not one a row.
        hold(LegId::NONE, Reason::Sorted, 0);
    }
    for row in rows
        .iter()
        .filter(|row| row.disposition == Disposition::Held)
    {
        if let Some(reason) = row.reason.filter(|reason| *reason != Reason::Sorted) {
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

/// The partner that an onward row names.
fn kept_partner(tale: &ReportedEvent) -> &str {
    match &tale.what {
        What::Onward { partner, .. } => partner,
        _ => "",
    }
}

/// What makes two events of one file occurrences of the same.
pub(crate) fn sameness(tale: &ReportedEvent) -> String {
    let on = tale.on.map_or_else(String::new, |on| on.to_string());
    match &tale.what {
        What::Measure {
            instrument,
            occasion,
            ..
        } => format!("{}|{on}|{instrument}|{}", tale.kind.code(), occasion.code()),
        What::Onward { partner, .. } => format!("{}|{on}|{partner}", tale.kind.code()),
        _ => format!("{}|{on}", tale.kind.code()),
    }
}
