//! Under which rules all that waits of a source was looked at last. A run may leave a source out, or find it taken by another
//! run, so this is kept for each source by itself, and not for the run.
//!
//! Kept: what is noted is never ahead of what was done. Where nothing is noted, all that waits is looked at.

use crate::domain::{LegId, StrandId};
use crate::pipeline::run::{Env, HeldLease};
use crate::seal::Digest;
use crate::store::LookedUnder;

/// Strands of the sources of which something may wait that was not looked at under the rules in force.
///
/// # Errors
/// The store failed.
pub(crate) async fn changed(env: &Env) -> anyhow::Result<Vec<StrandId>> {
    let strands = env.store.strands().await?;
    let mine = |id| env.source_at(id).is_some();
    let changed = strands
        .iter()
        .filter(|strand| mine(strand.id) && strand.rules != Some(env.rules.hash));
    Ok(changed.map(|strand| strand.id).collect())
}

/// Before a source is pulled: of one that nothing waits at yet, the rules in force are noted. Of any other that was looked at
/// under other rules, that is taken back: what is now added would be decided under two.
///
/// # Errors
/// The store failed, or the lease was lost.
pub(crate) async fn begin(env: &Env, lease: &HeldLease) -> anyhow::Result<()> {
    let strands = env.store.strands().await?;
    let own = strands.iter().find(|strand| strand.id == lease.strand());
    let noted = own.and_then(|strand| strand.rules);
    if noted == Some(env.rules.hash) {
        return Ok(());
    }
    let open = env.store.open_legs(lease.strand(), LegId::NONE, 1).await?;
    let rules = open.is_empty().then_some(env.rules.hash);
    if rules == noted {
        return Ok(());
    }
    note(env, lease, rules).await
}

/// Notes under which rules all that waits of a source was looked at, if that is known.
///
/// # Errors
/// The store failed, or the lease was lost.
pub(super) async fn note(
    env: &Env,
    lease: &HeldLease,
    rules: Option<Digest>,
) -> anyhow::Result<()> {
    let mut batch = lease.batch(env.now());
    batch.looked_under = rules.map_or(LookedUnder::Unknown, LookedUnder::Rules);
    env.store.commit(batch).await?;
    Ok(())
}
