//! What push records: a claim before anything is sent, and how each write ended.

use std::collections::{HashMap, HashSet};

use super::{Unit, task_sync};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::{Counts, Disposition, HoldNumber, LegId, Reason, Stage, StrandId};
use crate::pipeline::run::{Env, HeldLease, LedgerAccess, Run, StageOutcome};
use crate::store::body::MirrorBody;
use crate::store::rows::{MirrorRow, PushRow, PushState, PushUpdate};
use crate::store::{Batch, Body, Entry, NewHold, StoreError};

/// How a write ended.
pub(super) struct Ended {
    pub(super) row: PushRow,
    /// Where it stood before.
    pub(super) was: PushState,
    pub(super) disposition: Disposition,
    pub(super) reason: Option<Reason>,
}

impl Ended {
    /// A write that ends where nothing was sent of it.
    pub(super) fn unsent(
        mut row: PushRow,
        state: PushState,
        ending: (Disposition, Reason),
    ) -> Self {
        let was = row.state;
        (row.state, row.reason) = (state, Some(ending.1));
        Self {
            row,
            was,
            disposition: ending.0,
            reason: Some(ending.1),
        }
    }

    /// Whether nothing is other than it was.
    fn idle(&self, reason_was: Option<Reason>) -> bool {
        self.was == self.row.state
            && self.row.state == PushState::Waiting
            && self.row.reason == reason_was
    }
}

/// Writes that wait for somebody; those that waited for the same before are left out.
pub(super) fn waiting(rows: Vec<(PushRow, Reason)>) -> Vec<Ended> {
    let mut ended = Vec::with_capacity(rows.len());
    for (row, reason) in rows {
        let reason_was = row.reason;
        let one = Ended::unsent(row, PushState::Waiting, (Disposition::Held, reason));
        if !one.idle(reason_was) {
            ended.push(one);
        }
    }
    ended
}

/// Writes that cannot be made.
pub(super) fn refusals(refused: Vec<(PushRow, Reason)>) -> Vec<Ended> {
    refused
        .into_iter()
        .map(|(row, reason)| {
            Ended::unsent(row, PushState::Refused, (Disposition::Rejected, reason))
        })
        .collect()
}

/// Claims writes, durably, before any of them is sent; says whether they are ours, or another run has one of them.
pub(super) async fn begin(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    units: &mut [Unit],
) -> anyhow::Result<bool> {
    begin_with(ledger, lease.batch(ledger.now()), units).await
}

/// The same, together with what a batch holds already.
pub(super) async fn begin_with(
    ledger: &LedgerAccess,
    mut batch: Batch,
    units: &mut [Unit],
) -> anyhow::Result<bool> {
    for unit in units.iter_mut() {
        for write in &mut unit.writes {
            let (was, attempts_were) = (write.row.state, write.row.attempts);
            write.row.state = PushState::Sending;
            write.row.attempts += 1;
            let attempts = write.row.attempts;
            batch.push(Entry::new(write.row.event, Body::Pushing { attempts }));
            batch.push_updates.push(PushUpdate {
                row: write.row.clone(),
                was,
                attempts_were,
            });
        }
        if let Some(task) = &mut unit.task {
            task.row.state = PushState::Sending;
            task.row.attempts += 1;
            tell(
                &mut batch,
                |told| Body::Mirroring { told },
                task.row.clone(),
            );
        }
    }
    let released = settled_holds(ledger, units).await?;
    batch.released.extend(released);
    if batch.is_empty() {
        return Ok(true);
    }
    match ledger.store.commit(batch).await {
        Ok(_) => Ok(true),
        Err(StoreError::Stale) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Holds of writes that wait no longer.
async fn settled_holds(ledger: &LedgerAccess, units: &[Unit]) -> anyhow::Result<Vec<HoldNumber>> {
    let mut waited: HashMap<LegId, HashSet<Reason>> = HashMap::new();
    for unit in units {
        let reasons = unit.writes.iter().filter_map(|write| write.row.reason);
        for reason in reasons {
            waited.entry(unit.leg.id).or_default().insert(reason);
        }
    }
    let legs = waited.keys().copied().collect();
    let mut open = ledger.store.holds_of_legs(legs).await?;
    open.retain(|hold| {
        hold.stage == Stage::Push
            && waited
                .get(&hold.leg)
                .is_some_and(|reasons| reasons.contains(&hold.reason))
    });
    Ok(open.iter().map(|hold| hold.number).collect())
}

/// Puts what a GP system is told of a leg into a batch.
fn tell(batch: &mut Batch, body: fn(MirrorBody) -> Body, row: MirrorRow) {
    batch.push(Entry::new(row.leg, body((&row).into())));
    batch.mirrors.push(row);
}

/// What is recorded of a batch.
#[derive(Default)]
pub(super) struct Results {
    pub(super) writes: Vec<Ended>,
    pub(super) told: Vec<task_sync::Told>,
}

/// Records how writes ended.
pub(super) async fn end(
    run: &Run,
    lease: &HeldLease,
    results: Results,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    if results.writes.is_empty() && results.told.is_empty() {
        return Ok(());
    }
    end_with(run, lease.batch(run.now()), results, outcome).await
}

/// The same, together with what a batch holds already.
pub(super) async fn end_with(
    run: &Run,
    mut batch: Batch,
    results: Results,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    let strand = batch.strand;
    let mut counts = Counts::default();
    let mut holds: Vec<(LegId, Reason)> = Vec::new();
    for ended in results.writes {
        counts.add(ended.disposition, ended.reason);
        if let (PushState::Refused | PushState::Waiting, Some(reason)) =
            (ended.row.state, ended.reason)
        {
            holds.push((ended.row.leg, reason));
        }
        record(&mut batch, ended);
    }
    for told in results.told {
        holds.extend(told.refused.map(|reason| (told.row.leg, reason)));
        tell(&mut batch, |told| Body::Mirrored { told }, told.row);
    }
    diagnose(run, strand, &holds, outcome);
    hold(run, strand, holds, &mut batch).await?;
    if counts.received() > 0 {
        outcome.count(Stage::Push, &counts);
        batch.book_source(run.id, Stage::Push, counts);
    }
    run.store.commit(batch).await?;
    Ok(())
}

fn record(batch: &mut Batch, ended: Ended) {
    let Ended { row, was, .. } = ended;
    batch.push(Entry::new(row.event, Body::pushed(&row)));
    batch.push_updates.push(PushUpdate {
        attempts_were: row.attempts,
        was,
        row,
    });
}

/// One question a leg and reason, however many entries it is about.
async fn hold(
    ledger: &LedgerAccess,
    strand: StrandId,
    holds: Vec<(LegId, Reason)>,
    batch: &mut Batch,
) -> anyhow::Result<()> {
    let mut legs: Vec<LegId> = holds.iter().map(|(leg, _)| *leg).collect();
    legs.sort_unstable();
    legs.dedup();
    // What the watch has asked is not asked again.
    let open = ledger.store.holds_of_legs(legs).await?;
    let of_leg = open.iter().filter(|hold| !hold.return_id.is_some());
    let mut asked: HashSet<(LegId, Reason)> = of_leg.map(|hold| (hold.leg, hold.reason)).collect();
    for (leg, reason) in holds {
        if asked.insert((leg, reason)) {
            batch.hold(NewHold::new(Stage::Push, reason).leg(leg).source(strand));
        }
    }
    Ok(())
}

fn diagnose(env: &Env, strand: StrandId, holds: &[(LegId, Reason)], outcome: &mut StageOutcome) {
    let source = env
        .source_at(strand)
        .map_or("", |place| env.sources[place].config.id.as_str());
    for (wanted, code, what) in [
        (Reason::Refused, Code::WriteRefused, "entries were refused"),
        (
            Reason::DuplicateEntry,
            Code::WriteDuplicate,
            "entries are in the record more than once",
        ),
    ] {
        let count = holds.iter().filter(|(_, reason)| *reason == wanted).count();
        if count > 0 {
            let place = Place::detail(format!("source {source}"));
            outcome
                .diagnostics
                .push(Diagnostic::new(code, format!("{count} {what}"), place));
        }
    }
}
