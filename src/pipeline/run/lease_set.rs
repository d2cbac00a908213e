//! Leases of one stage over several strands: each is taken when it is first asked for, and all are given back together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::lease_keeper::give_back;
use super::{HeldLease, Run, StageOutcome};
use crate::domain::StrandId;
use crate::store::{LeaseStage, StoreError};

/// The leases asked for so far; `None` where another run has it.
pub(crate) struct LeaseSet {
    stage: LeaseStage,
    asked: BTreeMap<StrandId, Option<HeldLease>>,
}

impl LeaseSet {
    pub(crate) fn new(stage: LeaseStage) -> Self {
        Self {
            stage,
            asked: BTreeMap::new(),
        }
    }

    /// The lease of a strand; `None` if another run has it, which is said.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn of(
        &mut self,
        run: &Run,
        strand: StrandId,
        outcome: &mut StageOutcome,
    ) -> Result<Option<&HeldLease>, StoreError> {
        Ok(match self.asked.entry(strand) {
            Entry::Occupied(known) => known.into_mut().as_ref(),
            Entry::Vacant(place) => {
                let taken = run.lease(self.stage, strand, outcome).await?;
                place.insert(taken).as_ref()
            }
        })
    }

    /// Whether the lease of a strand is held.
    pub(crate) fn holds(&self, strand: StrandId) -> bool {
        matches!(self.asked.get(&strand), Some(Some(_)))
    }

    /// Whether all that are held still stand by the machine's clock.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub(crate) fn stand(&self) -> Result<(), StoreError> {
        self.asked
            .values()
            .flatten()
            .try_for_each(HeldLease::stands)
    }

    /// Gives all of them back.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn give_back(self) -> Result<(), StoreError> {
        give_back(self.asked.into_values().flatten().collect()).await
    }
}
