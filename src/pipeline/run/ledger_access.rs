//! The store with what reading and writing it takes: keys, ids, the run's time and chance.
//!
//! Built by `app` alone, as a part of [`super::Env`]. It knows no partner, no source and no rule.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::civil::Date;

use super::{Anchor, HeldLease, IdRanges, LeaseKeeper};
use crate::diagnostics::{Code, Diagnostic, Place, Refused};
use crate::domain::entropy::Stream;
use crate::domain::{
    Clock, DropId, Entropy, HoldNumber, Instant, KeyId, LegId, NoteId, RawId, RunId, StrandId,
};
use crate::seal::{HolderKey, Keys, Spot};
use crate::store::rows::{DropRow, DropState, HeldRow, KeyRow};
use crate::store::{LeaseRow, LeaseStage, Store, StoreError};

/// Holds read at a time.
const PAGE: i64 = 5_000;

/// What reads and writes the ledger.
pub(crate) struct LedgerAccess {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Entropy,
    /// Installation strand and key.
    pub(crate) strand: StrandId,
    pub(crate) key_id: KeyId,
    pub(crate) key: HolderKey,
    pub(crate) streams: AtomicU64,
    pub(crate) ids: IdRanges,
    pub(crate) leases: LeaseKeeper,
    pub(crate) anchor: Anchor,
}

impl LedgerAccess {
    /// The present instant of the run.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The London day of the run.
    pub(crate) fn today(&self) -> Date {
        self.now().london_day()
    }

    /// A stream of random bytes that nobody else of this run has.
    pub(crate) fn stream(&self) -> Stream {
        self.entropy
            .stream(self.streams.fetch_add(1, Ordering::Relaxed))
    }

    /// The key of a row of the keyring.
    ///
    /// # Errors
    /// The row does not open.
    pub(crate) fn unwrap_key(&self, row: &KeyRow) -> Result<HolderKey, crate::seal::SealError> {
        self.keys.unwrap(row.id, &row.wrapped)
    }

    /// Shows every open hold, by number, a page at a time.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn each_open_hold(
        &self,
        mut take: impl FnMut(HeldRow),
    ) -> Result<(), StoreError> {
        let mut after = HoldNumber::NONE;
        loop {
            let page = self.store.open_holds(after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.number;
            page.into_iter().for_each(&mut take);
        }
    }

    /// The lease of a short write of one's own: a person's act, or the row of a run. Waited for.
    ///
    /// # Errors
    /// Somebody else has it for longer than that ([`Refused`]), or the store failed.
    pub(crate) async fn short_lease(
        &self,
        stage: LeaseStage,
        strand: StrandId,
    ) -> anyhow::Result<HeldLease> {
        let taken = self.leases.wait_for(stage, strand, RunId::NONE).await?;
        taken.map_err(|row| Refused::one(busy(&row, "the installation")).into())
    }

    /// Rows of these legs, oldest first, as far as their drops have come where it is wanted.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn drop_rows_where(
        &self,
        legs: Vec<LegId>,
        wanted: impl Fn(DropState) -> bool,
    ) -> Result<Vec<DropRow>, StoreError> {
        let mut rows = self.store.drop_rows_of_legs(legs).await?;
        let mut drops: Vec<DropId> = rows.iter().map(|row| row.drop_id).collect();
        drops.sort_unstable();
        drops.dedup();
        let files = self.store.drop_files_by_id(drops).await?;
        let files = files.iter().filter(|file| wanted(file.state));
        let kept: HashSet<DropId> = files.map(|file| file.id).collect();
        rows.retain(|row| kept.contains(&row.drop_id));
        Ok(rows)
    }

    /// A text of a person under seal: the note's id, its holder, and what is kept.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn seal_note(
        &self,
        text: &str,
    ) -> Result<(NoteId, KeyId, Vec<u8>), StoreError> {
        let id = self.ids.take(&*self.store, self.strand, 1).await?.next();
        let spot = Spot::new("note.sealed", id, self.key_id);
        let sealed = self.key.seal(spot, self.stream().bytes(), text.as_bytes());
        Ok((id, self.key_id, sealed))
    }

    /// Keys by id; those that were destroyed are missing.
    ///
    /// # Errors
    /// The store failed, or a key does not open.
    pub(crate) async fn holder_keys(
        &self,
        mut ids: Vec<KeyId>,
    ) -> anyhow::Result<HashMap<KeyId, HolderKey>> {
        ids.sort_unstable();
        ids.dedup();
        let mut keys = HashMap::with_capacity(ids.len());
        for row in self.store.keys(ids).await? {
            keys.insert(row.id, self.unwrap_key(&row)?);
        }
        Ok(keys)
    }
}

/// What is said where another process has a lease.
pub(crate) fn busy(row: &LeaseRow, subject: &str) -> Diagnostic {
    let what = format!(
        "another run (pid {} on {}, since {}) has {} of {subject}",
        row.holder.pid,
        row.holder.host,
        Instant(row.since).utc_text(),
        row.lease.stage.code(),
    );
    Diagnostic::new(Code::RunBusy, what, Place::detail(subject))
}

/// Where a raw input is sealed.
pub(crate) fn raw_spot(row: RawId, holder: KeyId) -> Spot<'static> {
    Spot::new("raw.sealed", row, holder)
}
