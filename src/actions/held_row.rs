//! Releases a question about a return: a row is judged again from the file as it came, by the rules of today; what is only asked ends.

use std::sync::Arc;

use super::again;
use super::hold::Settled;
use crate::domain::{Disposition, Reason, RunId};
use crate::pipeline::judge::{self, NotAgain};
use crate::pipeline::run::{Env, Run};
use crate::store::rows::HeldRow;
use crate::store::{Batch, LeaseStage};

/// Questions beside which everything was taken in: their owner has looked, and nothing is judged again.
const ASKED_BESIDE: [Reason; 3] = [Reason::DetailsDiffer, Reason::NoLongerTold, Reason::Undone];

/// Releases one; `signed`: what its owner put their name to.
///
/// # Errors
/// It is about a file as a whole, or about one that does not stand; a run has the partner's returns; the store failed, or a sealed value does not open.
pub(super) async fn release(
    env: &Arc<Env>,
    hold: &HeldRow,
    mut signed: Batch,
) -> anyhow::Result<Settled> {
    let number = hold.number;
    if ASKED_BESIDE.contains(&hold.reason) {
        signed.released.push(number);
        env.store.commit(signed).await?;
        return Ok(Settled::Done);
    }
    let line = u64::try_from(hold.row).unwrap_or(0);
    if line == 0 || !hold.leg.is_some() {
        anyhow::bail!(
            "hold {number} is about {}: ask the partner for a corrected sheet, or reject it",
            if line == 0 {
                "a return as a whole"
            } else {
                "a row of nobody in particular"
            }
        );
    }
    // What the partner sends back moves legs that *deliver* moves as well.
    let collect = env.short_lease(LeaseStage::Collect, hold.partner).await?;
    let deliver = env.short_lease(LeaseStage::Deliver, hold.partner).await?;
    env.store.commit(signed).await?;
    let run = Run::new(Arc::clone(env), RunId::NONE, false);
    let asked = [(line, number)];
    let judged = again(async || judge::rows_again(&run, &collect, hold.return_id, &asked).await);
    let judged = judged.await;
    deliver.give_back().await?;
    let ended = match collect.after(judged).await? {
        Ok(rows) => rows.into_iter().next(),
        Err(NotAgain::NotStanding) => {
            anyhow::bail!(
                "the return of hold {number} was undone, or cannot be read any more: reject the hold"
            )
        }
        Err(NotAgain::NotKept) => {
            anyhow::bail!("what was kept of the return of hold {number} is gone: reject the hold")
        }
    };
    match ended {
        Some((_, Disposition::Accepted | Disposition::Repeated, _)) => Ok(Settled::TakenIn),
        Some((_, _, reason)) => Ok(Settled::StillWaits(reason.unwrap_or(hold.reason))),
        None => anyhow::bail!("the return of hold {number} has no such row"),
    }
}
