//! Referrals that the practice's system has deleted: their legs wait for the practice (`safety.md` §6).
//!
//! In: ids of deleted requests. Out: a question a leg, `source-gone`. A leg that a partner has stays as it is and is asked
//! about; one that was not sent does not go out. No row was received, so no book counts it.

use std::sync::Arc;

use crate::domain::{Reason, Stage, limits};
use crate::pipeline::lookup_keys::referral_lookup;
use crate::pipeline::run::{Env, HeldLease, STALE_TRIES, is_stale};
use crate::seal::LookupKey;
use crate::store::rows::Leg;
use crate::store::{Batch, Body, LegStep, NewHold};

/// A request that the source says it deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeletedRequest {
    /// Where its id holds, as [`IdScope`](crate::pipeline::referral::IdScope) has it.
    pub(crate) place: Option<Arc<str>>,
    pub(crate) id: String,
}

impl DeletedRequest {
    /// One of the source's own server.
    pub(crate) fn of_server(id: &str) -> Self {
        Self {
            place: None,
            id: id.to_owned(),
        }
    }
}

/// Holds the open legs of these requests.
///
/// # Errors
/// The store failed.
pub(crate) async fn hold(
    env: &Env,
    source: usize,
    lease: &HeldLease,
    deleted: &[DeletedRequest],
) -> anyhow::Result<()> {
    for ids in deleted.chunks(limits::CHUNK_REFERRALS) {
        let lookups: Vec<LookupKey> = ids
            .iter()
            .map(|gone| referral_lookup(env, source, gone.id.as_bytes(), gone.place.as_deref()))
            .collect();
        let mut tries = 0;
        while let Err(error) = hold_these(env, lease, lookups.clone()).await {
            tries += 1;
            if tries >= STALE_TRIES || !is_stale(&error) {
                return Err(error);
            }
        }
    }
    Ok(())
}

async fn hold_these(env: &Env, lease: &HeldLease, lookups: Vec<LookupKey>) -> anyhow::Result<()> {
    let mut batch = lease.batch(env.now());
    let mut legs = env.store.legs_by_lookup(lookups).await?;
    legs.retain(|leg| !leg.now.state.terminal());
    let ids = legs.iter().map(|leg| leg.id).collect();
    let open = env.store.holds_of_legs(ids).await?;
    let asked = |leg: &Leg| {
        open.iter()
            .any(|hold| hold.leg == leg.id && hold.reason == Reason::SourceGone)
    };
    legs.retain(|leg| !asked(leg));
    for leg in legs {
        add(&mut batch, leg);
    }
    if !batch.is_empty() {
        env.store.commit(batch).await?;
    }
    Ok(())
}

fn add(batch: &mut Batch, leg: Leg) {
    let hold = NewHold::new(Stage::Pull, Reason::SourceGone).leg(leg.id);
    batch.hold(hold.source(batch.strand).partner(leg.now.partner));
    if leg.now.state.after_sending() {
        return;
    }
    let after = leg.now.held(Reason::SourceGone);
    let (step, vouched) = (LegStep::to(after), Vec::new());
    batch.move_leg(leg, Body::Amended { step, vouched });
}
