//! The leases of this process: taken, renewed while they are held, given back.
//!
//! In: a stage and a strand. Out: a [`HeldLease`], or who has it. Keeps: everything goes by the machine's own clock, which
//! `--as-of` does not move; a holder on this machine whose process is gone is taken over at once, one on another machine
//! only when its lease is over; a lease that was lost is never renewed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::domain::clock::SystemClock;
use crate::domain::{Clock, Instant, RunId, StrandId};
use crate::store::{
    Batch, Lease, LeaseAnswer, LeaseAsk, LeaseHolder, LeaseRow, LeaseStage, Store, StoreError,
};

/// Seconds for which a lease is taken: a machine that slept for longer has lost it.
const LEASE_SECONDS: i64 = 30;
/// Seconds between two renewals of a lease: two may fail before it is over.
const RENEWED_SECONDS: u64 = 10;
/// Tries of what meets somebody else's change, before it is left to the next run.
pub(crate) const STALE_TRIES: u32 = 5;
/// Microseconds of a second.
const SECOND: i64 = 1_000_000;
/// Between two tries for a lease that somebody has for a moment.
const PAUSE: Duration = Duration::from_millis(20);

/// The machine's time.
fn now() -> i64 {
    SystemClock.now().0
}

/// A lease that is held, and until when as far as this process knows.
struct KeptLease {
    lease: Lease,
    until: AtomicI64,
}

/// What the keeper and its renewing task share.
struct OwnLeases {
    store: Arc<dyn Store>,
    kept: Mutex<Vec<Arc<KeptLease>>>,
    /// Let go without being given back, on the way out of a failure.
    dropped: Mutex<Vec<Lease>>,
}

impl OwnLeases {
    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Arc<KeptLease>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_dropped(&self) -> Vec<Lease> {
        std::mem::take(&mut *self.dropped.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives every lease a later end; one that is lost ends now.
    async fn renew(&self) -> Result<(), StoreError> {
        let dropped = self.take_dropped();
        if !dropped.is_empty() {
            self.store.release_leases(dropped).await?;
        }
        let kept: Vec<Arc<KeptLease>> = self.kept().clone();
        if kept.is_empty() {
            return Ok(());
        }
        let leases = kept.iter().map(|kept| kept.lease).collect();
        let at = now();
        let until = at + LEASE_SECONDS * SECOND;
        let lost = self.store.renew_leases(leases, at, until).await?;
        for one in kept {
            let until = if lost.contains(&one.lease) { 0 } else { until };
            one.until.store(until, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Takes leases for this process and renews them.
pub(crate) struct LeaseKeeper {
    shared: Arc<OwnLeases>,
    /// Seconds for which a lease is waited for.
    lock_wait_seconds: u64,
    host: String,
    pid: i64,
    started: i64,
    /// The renewing task, begun with the first lease; it ends with the keeper.
    renewing: Mutex<JoinSet<()>>,
}

impl LeaseKeeper {
    pub(crate) fn new(store: Arc<dyn Store>, lock_wait_seconds: u64) -> Self {
        let pid = i64::from(std::process::id());
        Self {
            shared: Arc::new(OwnLeases {
                store,
                kept: Mutex::default(),
                dropped: Mutex::default(),
            }),
            lock_wait_seconds,
            host: host(),
            pid,
            started: started(pid).unwrap_or(0),
            renewing: Mutex::default(),
        }
    }

    /// Takes a lease, or says who has it.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn take(
        &self,
        stage: LeaseStage,
        strand: StrandId,
        run: RunId,
    ) -> Result<Result<HeldLease, LeaseRow>, StoreError> {
        let mut dead = None;
        loop {
            let at = now();
            let until = at + LEASE_SECONDS * SECOND;
            let ask = LeaseAsk {
                stage,
                strand,
                holder: LeaseHolder {
                    host: self.host.clone(),
                    pid: self.pid,
                    started: self.started,
                    run,
                },
                now: at,
                until,
                dead,
            };
            match self.shared.store.take_lease(ask).await? {
                LeaseAnswer::Taken(lease) => return Ok(Ok(self.keep(lease, until))),
                LeaseAnswer::Held(row) => {
                    let fence = Some(row.lease.fence);
                    if fence == dead || !self.is_dead(&row.holder) {
                        return Ok(Err(row));
                    }
                    dead = fence;
                }
            }
        }
    }

    /// The same, waiting for one that is held for a moment only.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn wait_for(
        &self,
        stage: LeaseStage,
        strand: StrandId,
        run: RunId,
    ) -> Result<Result<HeldLease, LeaseRow>, StoreError> {
        let begun = now();
        loop {
            let taken = self.take(stage, strand, run).await?;
            if taken.is_ok() || !may_wait((now() - begun) / SECOND, self.lock_wait_seconds) {
                return Ok(taken);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn keep(&self, lease: Lease, until: i64) -> HeldLease {
        let kept = Arc::new(KeptLease {
            lease,
            until: AtomicI64::new(until),
        });
        self.shared.kept().push(Arc::clone(&kept));
        let mut renewing = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        if renewing.is_empty() {
            let shared = Arc::clone(&self.shared);
            let renew = async move {
                let every = Duration::from_secs(RENEWED_SECONDS);
                loop {
                    tokio::time::sleep(every).await;
                    if let Err(error) = shared.renew().await {
                        // Tried again in time; what was not renewed ends by itself, and the store refuses what comes after.
                        tracing::warn!(%error, "leases could not be renewed");
                    }
                }
            };
            renewing.spawn(renew.in_current_span());
        }
        HeldLease {
            kept,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Whether a holder is a process of this machine that is gone.
    fn is_dead(&self, holder: &LeaseHolder) -> bool {
        holder.host == self.host
            && std::path::Path::new("/proc/self/stat").exists()
            && started(holder.pid) != Some(holder.started)
    }

    /// Gives back what was let go in a failure.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let dropped = self.shared.take_dropped();
        if dropped.is_empty() {
            return Ok(());
        }
        self.shared.store.release_leases(dropped).await
    }
}

/// A lease while it is held. One that is let go without being given back ends at the next renewal.
pub(crate) struct HeldLease {
    kept: Arc<KeptLease>,
    shared: Arc<OwnLeases>,
}

impl HeldLease {
    pub(crate) fn strand(&self) -> StrandId {
        self.kept.lease.strand
    }

    /// An empty batch of its strand, to be written under it.
    pub(crate) fn batch(&self, at: Instant) -> Batch {
        let mut batch = Batch::new(self.strand(), at);
        batch.under.push(self.kept.lease);
        batch
    }

    /// Whether something may be done outside the store under it: it is not over by the machine's clock.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub(crate) fn stands(&self) -> Result<(), StoreError> {
        if now() < self.kept.until.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err(StoreError::LeaseLost)
        }
    }

    /// Gives it back.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn give_back(self) -> Result<(), StoreError> {
        give_back(vec![self]).await
    }

    /// Gives it back after work. Why the work failed is said rather than that it could not be given back: on a full disk
    /// neither can be written.
    ///
    /// # Errors
    /// The work's own, else the store failed.
    pub(crate) async fn after<T>(self, work: anyhow::Result<T>) -> anyhow::Result<T> {
        let given_back = self.give_back().await;
        let done = work?;
        given_back?;
        Ok(done)
    }
}

/// Gives back several leases in one transaction.
///
/// # Errors
/// The store failed.
pub(crate) async fn give_back(held: Vec<HeldLease>) -> Result<(), StoreError> {
    let Some(shared) = held.first().map(|one| Arc::clone(&one.shared)) else {
        return Ok(());
    };
    drop(held);
    let leases = shared.take_dropped();
    shared.store.release_leases(leases).await
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.shared
            .kept()
            .retain(|kept| kept.lease != self.kept.lease);
        let mut dropped = self
            .shared
            .dropped
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        dropped.push(self.kept.lease);
    }
}

/// Whether work met somebody else's change: it is done again on what is there now.
pub(crate) fn is_stale(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Stale))
}

/// Whether one may wait on for somebody else's lease after these seconds.
fn may_wait(seconds: i64, lock_wait_seconds: u64) -> bool {
    // A clock that was put back has waited no time at all.
    u64::try_from(seconds).unwrap_or(0) < lock_wait_seconds
}

/// This machine's name.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "this machine".to_owned(), |name| name.trim().to_owned())
}

/// When a process began, in ticks since the machine started; `None` if there is none of this number, or it has ended and
/// waits to be reaped.
fn started(pid: i64) -> Option<i64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program is in brackets, and may hold spaces and brackets.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // The state is field 3, the start field 22.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits;

    #[test]
    fn a_process_is_known_by_its_start_and_none_by_a_number_that_nobody_has() {
        let own = i64::from(std::process::id());
        let began = started(own);
        assert!(began.is_some_and(|ticks| ticks > 0));
        assert_eq!(started(own), began);
        assert_eq!(started(i64::from(i32::MAX)), None);
    }

    #[test]
    fn one_waits_as_long_as_that_and_a_lease_is_renewed_twice_before_it_is_over() {
        for lock_wait in [
            1,
            limits::LOCK_WAIT_SECONDS.usual,
            limits::LOCK_WAIT_SECONDS.most,
        ] {
            let seconds = i64::try_from(lock_wait).unwrap();
            assert!(may_wait(-1, lock_wait));
            assert!(may_wait(seconds - 1, lock_wait));
            assert!(!may_wait(seconds, lock_wait));
            assert!(!may_wait(seconds + 1, lock_wait));
        }
        assert!(RENEWED_SECONDS * 2 < LEASE_SECONDS.unsigned_abs());
    }
}
