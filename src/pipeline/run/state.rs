//! One run: what it knows by itself, over the installation that it works on.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::readings::Readings;
use super::row_cache::ReadyRows;
use super::{Claims, Env, HeldLease, StageOutcome, busy};
use crate::diagnostics::{Code, Diagnostic, Place, Refused};
use crate::domain::{DropId, RunId, StrandId};
use crate::store::{LeaseRow, LeaseStage, StoreError};

/// Tries of a run in all for leases that other runs have: 5 s, as long as a person waits.
const LEASE_TRIES: u32 = 100;
/// Between two tries for a lease that another run has.
const PAUSE: Duration = Duration::from_millis(50);

/// One run. The installation, to which this dereferences, holds nothing of it: two runs may go on at once.
pub(crate) struct Run {
    env: Arc<Env>,
    pub(crate) id: RunId,
    /// What was read at the practices.
    pub(crate) readings: Readings,
    /// Who was routed to whom, by any source.
    pub(crate) claims: Claims,
    /// Rows that were mapped and not yet delivered.
    pub(crate) ready: ReadyRows,
    leases: Mutex<AskedLeases>,
    /// Pauses that it has waited for leases.
    waits: AtomicU32,
    /// Unfinished drops that it has tried to finish.
    tried: Mutex<HashSet<DropId>>,
}

/// What became of the leases that a run asked for.
#[derive(Default)]
struct AskedLeases {
    got_one: bool,
    /// Those that other runs have; each is said once.
    busy: Vec<LeaseRow>,
}

impl Run {
    /// A run of this number; `delivers`: whether it comes to *deliver*.
    pub(crate) fn new(env: Arc<Env>, id: RunId, delivers: bool) -> Self {
        Self {
            env,
            id,
            readings: Readings::default(),
            claims: Claims::default(),
            ready: ReadyRows::new(delivers),
            leases: Mutex::default(),
            waits: AtomicU32::new(0),
            tried: Mutex::default(),
        }
    }

    /// It tries to finish a drop.
    pub(crate) fn note_tried(&self, drop_id: DropId) {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.insert(drop_id);
    }

    /// Whether it has tried to finish a drop.
    pub(crate) fn has_tried(&self, drop_id: DropId) -> bool {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.contains(&drop_id)
    }

    /// The lease of a stage and its subject; `None` if another run has it, which is said.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn lease(
        &self,
        stage: LeaseStage,
        strand: StrandId,
        outcome: &mut StageOutcome,
    ) -> Result<Option<HeldLease>, StoreError> {
        let taken = self.take_in_time(stage, strand).await?;
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        match taken {
            Ok(lease) => {
                leases.got_one = true;
                Ok(Some(lease))
            }
            Err(row) => {
                let said = |before: &LeaseRow| {
                    (before.lease.stage, before.lease.strand) == (stage, strand)
                };
                if !leases.busy.iter().any(said) {
                    let skipped = busy(&row, &self.env.subject(strand));
                    outcome.unreachable.push(skipped);
                    leases.busy.push(row);
                }
                Ok(None)
            }
        }
    }

    /// The lease, waited for as long as a run may wait in all: others have many of them for a moment only.
    async fn take_in_time(
        &self,
        stage: LeaseStage,
        strand: StrandId,
    ) -> Result<Result<HeldLease, LeaseRow>, StoreError> {
        loop {
            let taken = self.env.leases.take(stage, strand, self.id).await?;
            let waited = self
                .waits
                .fetch_add(u32::from(taken.is_err()), Ordering::Relaxed);
            if taken.is_ok() || waited >= LEASE_TRIES {
                return Ok(taken);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Gives a lease back after the work under it; where it was lost the work has ended there, which is said.
    ///
    /// # Errors
    /// Any other failure of the work, or the store failed.
    pub(crate) async fn ended<T>(
        &self,
        lease: HeldLease,
        work: anyhow::Result<T>,
        outcome: &mut StageOutcome,
    ) -> anyhow::Result<Option<T>> {
        let strand = lease.strand();
        let work = lease.after(work).await;
        self.unless_lost(strand, work, outcome)
    }

    /// What work came to; where its lease was lost, or what it rests on kept changing, that is said and the next run goes on.
    ///
    /// # Errors
    /// Any other failure of the work.
    pub(crate) fn unless_lost<T>(
        &self,
        strand: StrandId,
        work: anyhow::Result<T>,
        outcome: &mut StageOutcome,
    ) -> anyhow::Result<Option<T>> {
        let error = match work {
            Ok(done) => return Ok(Some(done)),
            Err(error) => error,
        };
        match error.downcast_ref::<StoreError>() {
            Some(left @ (StoreError::LeaseLost | StoreError::Stale)) => {
                let subject = self.env.subject(strand);
                let left = Diagnostic::new(Code::RunBusy, left.to_string(), Place::detail(subject));
                outcome.unreachable.push(left);
                Ok(None)
            }
            _ => Err(error),
        }
    }

    /// Whether other runs have all that this one has asked for so far.
    ///
    /// # Errors
    /// They have: the run is refused, with who has what.
    pub(crate) fn may_go_on(&self) -> Result<(), Refused> {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.got_one || leases.busy.is_empty() {
            return Ok(());
        }
        let said = |row: &LeaseRow| busy(row, &self.env.subject(row.lease.strand));
        Err(Refused(leases.busy.iter().map(said).collect()))
    }

    /// The installation.
    pub(crate) fn env(&self) -> &Arc<Env> {
        &self.env
    }
}

impl std::ops::Deref for Run {
    type Target = Env;

    fn deref(&self) -> &Env {
        &self.env
    }
}
