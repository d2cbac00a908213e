//! What an earlier run left of a drop: one that was prepared is finished, one that was taken counts as delivered.

use std::sync::Arc;

use super::PAGE;
use super::publish::{publish, sent, undelivered};
use crate::diagnostics::{Code, Diagnostic, Place as Where};
use crate::domain::{Action, DropId, LegId, RunId, StrandId};
use crate::partner::Partner;
use crate::pipeline::drop_bytes::remake;
use crate::pipeline::run::{HeldLease, LedgerAccess, PartnerEnv, Run, StageOutcome};
use crate::seal::sha256;
use crate::store::rows::{DropFile, DropState};
use crate::store::{Body, Entry, LeaseStage, LegStep, StoreError};
use crate::transport::DropOutcome;

/// Finishes drops that an earlier run prepared and did not see leave; those of a run that is under way are left to it.
///
/// # Errors
/// The store failed.
pub(crate) async fn finish(run: &Arc<Run>) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    for file in in_state(run, DropState::Prepared, StrandId::NONE).await? {
        let Some(place) = run.partner_at(file.partner) else {
            continue;
        };
        let taken = run.leases.take(LeaseStage::Deliver, file.partner, run.id);
        let Ok(lease) = taken.await? else { continue };
        let finished = finish_said(run, &lease, (place, &file), &mut outcome).await;
        run.ended(lease, finished.map(drop), &mut outcome).await?;
    }
    Ok(outcome)
}

/// Finishes a partner's earlier drops before the next one; whether the next one may be made. Rows of a drop that may have arrived go in no other one.
pub(super) async fn finish_earlier(
    run: &Arc<Run>,
    lease: &HeldLease,
    place: usize,
    delivered: &mut super::Delivered,
) -> anyhow::Result<bool> {
    for file in in_state(run, DropState::Prepared, lease.strand()).await? {
        if !finish_said(run, lease, (place, &file), &mut delivered.outcome).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Finishes a drop and says so, or what keeps it from being finished, once a run; whether its number is out of the way of the next one.
async fn finish_said(
    run: &Arc<Run>,
    lease: &HeldLease,
    (place, file): (usize, &DropFile),
    outcome: &mut StageOutcome,
) -> anyhow::Result<bool> {
    // Another run may have finished it before this one had the lease.
    let still = in_state(run, DropState::Prepared, file.partner).await?;
    if !still.iter().any(|prepared| prepared.id == file.id) {
        return Ok(true);
    }
    let said = run.has_tried(file.id);
    run.note_tried(file.id);
    let finished = finish_one(run, lease, place, file, outcome).await?;
    let out_of_the_way = !matches!(finished, Finished::NotYet(_));
    match finished {
        Finished::Sent => outcome.diagnostics.push(Diagnostic::new(
            Code::DropRemade,
            "an unfinished drop was finished",
            drop_place(run.approved(place).1, file),
        )),
        Finished::Unlike(why) | Finished::NotYet(why) if !said => outcome.unreachable.push(why),
        Finished::Unlike(_) | Finished::NotYet(_) => {}
    }
    Ok(out_of_the_way)
}

/// How it went to finish a drop.
enum Finished {
    /// It is there, and recorded as sent.
    Sent,
    /// It cannot be made again alike.
    Unlike(Diagnostic),
    /// It is not there, or nothing says so.
    NotYet(Diagnostic),
}

/// Makes a prepared drop again and publishes it: the same bytes, under the same name.
async fn finish_one(
    run: &Arc<Run>,
    lease: &HeldLease,
    place: usize,
    file: &DropFile,
    outcome: &mut StageOutcome,
) -> anyhow::Result<Finished> {
    let env = run.env();
    let ((_, partner), at) = (env.approved(place), &env.partners[place]);
    let remade = remake(env, file).await?;
    let Some(made) =
        remade.filter(|made| env.keys.file_digest(&sha256(&[&made.bytes])) == file.digest)
    else {
        return Ok(Finished::Unlike(Diagnostic::new(
            Code::DropUnlike,
            "an unfinished drop cannot be made again alike",
            drop_place(partner, file),
        )));
    };
    lease.stands()?;
    let strand = format!("partner:{}", partner.id);
    env.anchor
        .raise(env, Some((&strand, file.sequence)))
        .await?;
    if let Err(why) = publish(env, partner, at, file, made).await? {
        return Ok(Finished::NotYet(undelivered(partner, &why)));
    }
    let mut stops: Vec<LegId> = Vec::new();
    let mut after = 0;
    loop {
        let rows = env.store.drop_rows(file.id, after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.row;
        let stopped = rows.iter().filter(|row| row.action == Action::Stop);
        stops.extend(stopped.map(|row| row.leg));
    }
    let batch = sent(env, lease, file, RunId::NONE, &stops, outcome);
    env.store.commit(batch).await?;
    Ok(Finished::Sent)
}

fn drop_place(partner: &Partner, file: &DropFile) -> Where {
    Where::detail(format!("partner {}, drop {}", partner.id, file.sequence))
}

/// Drops of a partner (none: of all) that have come so far: few, since each is finished or taken soon.
pub(super) async fn in_state(
    ledger: &LedgerAccess,
    state: DropState,
    partner: StrandId,
) -> anyhow::Result<Vec<DropFile>> {
    let mut found: Vec<DropFile> = Vec::new();
    loop {
        let after = found.last().map_or(DropId::NONE, |file| file.id);
        let page = ledger
            .store
            .drop_files_in(state, partner, after, PAGE)
            .await?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page);
    }
}

/// Legs whose drop the partner has fetched, or says that it has, count as delivered.
pub(super) async fn picked_up(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    partner: &Partner,
    at: &PartnerEnv,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    let can = at.transport.capabilities();
    if !can.sees_fetched && !can.hears_acknowledged {
        return Ok(());
    }
    for file in in_state(ledger, DropState::Sent, at.strand).await? {
        match at.transport.fate(&file.name).await {
            Ok(DropOutcome::Gone | DropOutcome::Acknowledged) => {}
            Ok(DropOutcome::Failed { why }) => {
                let here = drop_place(partner, &file);
                let failed = Diagnostic::new(Code::DropFailed, why, here);
                outcome.diagnostics.push(failed);
                continue;
            }
            // What cannot be reached is asked again by the next run.
            Ok(DropOutcome::Waits | DropOutcome::CannotSay) | Err(_) => continue,
        }
        let mut batch = lease.batch(ledger.now());
        let sequence = file.sequence;
        batch.push(Entry::new(file.id, Body::DropDelivered { sequence }));
        batch.drop_states.push((file.id, DropState::Delivered));
        let mut after = 0;
        loop {
            let rows = ledger.store.drop_rows(file.id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.row;
            let legs = rows.iter().map(|row| row.leg).collect();
            let mut legs = ledger.store.legs(legs).await?;
            legs.retain(|leg| leg.now.state == crate::domain::LegState::Sent);
            for leg in legs {
                let step = LegStep::to(leg.now.picked_up());
                batch.move_leg(leg, Body::Delivered { step });
            }
        }
        match ledger.store.commit(batch).await {
            // A source's run moved one of them meanwhile: the file is still gone in the next run.
            Err(StoreError::Stale) => continue,
            committed => drop(committed?),
        }
        tracing::debug!(partner.id = %partner.id, drop.sequence = file.sequence, "a drop was picked up");
    }
    Ok(())
}
