//! Ids of a strand, handed out without a transaction for each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::{Id, StrandId};
use crate::store::{Store, StoreError};

/// Ids of strands, taken in ranges so that handing one out costs no transaction.
#[derive(Default)]
pub(crate) struct IdRanges(tokio::sync::Mutex<HashMap<StrandId, (i64, i64)>>);

/// Ids taken at a time.
const RANGE: i64 = 65_536;

impl IdRanges {
    /// `count` ids in a row of a strand.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn take(
        &self,
        store: &dyn Store,
        strand: StrandId,
        count: i64,
    ) -> Result<Ids, StoreError> {
        let mut ranges = self.0.lock().await;
        let (next, end) = ranges.get(&strand).copied().unwrap_or((0, 0));
        let (next, end) = if end - next < count {
            let size = RANGE.max(count);
            let first = store.reserve(strand, size).await?;
            (first, first + size)
        } else {
            (next, end)
        };
        ranges.insert(strand, (next + count, end));
        Ok(Ids {
            next: AtomicI64::new(next),
            end: next + count,
        })
    }
}

/// A run of ids.
pub(crate) struct Ids {
    next: AtomicI64,
    end: i64,
}

impl Ids {
    /// The next id.
    pub(crate) fn next<T>(&self) -> Id<T> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        debug_assert!(id < self.end, "a range of ids was too small");
        Id::new(id)
    }
}
