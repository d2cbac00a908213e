//! *reconcile*: closes the books of each London day with a seal over every strand.
//!
//! In: the ledger. Out: one day seal for each day that has ended and has none. Keeps: nothing can be written behind a
//! seal; each seal follows the one of the day before (`ledger.md` §3). The report of the night is made by `app`.

use crate::domain::clock::{day_from_number, day_number};
use crate::domain::{Instant, StrandId};
use crate::pipeline::run::{HeldLease, LedgerAccess, Run, StageOutcome};
use crate::seal::{Digest, sha256};
use crate::store::rows::Strand;
use crate::store::{Body, Entry, LeaseStage};

/// Seals every London day that is over.
///
/// # Errors
/// The store failed.
pub(crate) async fn run(run: &Run) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    let lease = run.lease(LeaseStage::Reconcile, run.strand, &mut outcome);
    let Some(lease) = lease.await? else {
        return Ok(outcome);
    };
    let sealed = seal_days(run, &lease).await;
    run.ended(lease, sealed, &mut outcome).await?;
    Ok(outcome)
}

async fn seal_days(env: &LedgerAccess, lease: &HeldLease) -> anyhow::Result<()> {
    let yesterday = day_number(env.today()) - 1;
    let (mut root, next) = match env.store.last_day_seal().await? {
        Some((day, root, _)) => (root, day + 1),
        None => ([0; 32], first_day(env).await?),
    };
    for day in next..=yesterday {
        root = seal(env, lease, day, &root).await?;
    }
    Ok(())
}

/// The day of the installation's first event.
async fn first_day(ledger: &LedgerAccess) -> anyhow::Result<i64> {
    let first = ledger.store.ledger(ledger.strand, 0, 1).await?;
    Ok(first.first().map_or_else(
        || day_number(ledger.today()),
        |row| day_number(Instant(row.at).london_day()),
    ))
}

async fn seal(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    day: i64,
    before: &Digest,
) -> anyhow::Result<Digest> {
    let cut = Instant::london_midnight(day_from_number(day + 1));
    ledger.store.raise_clock(cut.0).await?;
    let heads = ledger.store.heads_before(cut.0).await?;
    let strands = ledger.store.strands().await?;
    let root = day_root(before, day, &heads, &strands);
    let mut batch = lease.batch(ledger.now());
    batch.push(Entry::new(day, Body::DaySealed { root }));
    batch.day_seal = Some((day, root, ledger.keys.day_mac(&root), heads));
    ledger.store.commit(batch).await?;
    Ok(root)
}

/// The root of a day: the root before, the day, and name, last sequence and head of every strand, by name.
pub(crate) fn day_root(
    before: &Digest,
    day: i64,
    heads: &[(StrandId, i64, Digest)],
    strands: &[Strand],
) -> Digest {
    let mut named: Vec<(&str, i64, &Digest)> = heads
        .iter()
        .filter_map(|(id, seq, head)| {
            Some((
                strands
                    .iter()
                    .find(|strand| strand.id == *id)?
                    .name
                    .as_str(),
                *seq,
                head,
            ))
        })
        .collect();
    named.sort_unstable();
    let mut bytes = before.to_vec();
    bytes.extend(day.to_be_bytes());
    for (name, seq, head) in named {
        bytes.extend(u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend(seq.to_be_bytes());
        bytes.extend(head);
    }
    sha256(&[&bytes])
}
