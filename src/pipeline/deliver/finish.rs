//! What an earlier run left of a drop: one that was prepared is finished, one that was taken counts as delivered.

use std::sync::Arc;

use super::{PAGE, publish, sent, undelivered};
use crate::diagnostics::{Code, Diagnostic, Place as Where};
use crate::domain::{Action, DropId, LegId, RunId, StrandId};
use crate::partner::Partner;
use crate::pipeline::drop_bytes::remake;
use crate::pipeline::run::{HeldLease, LedgerAccess, PartnerEnv, Run, StageOutcome};
use crate::seal::sha256;
use crate::store::rows::{DropFile, DropState};
use crate::store::{Body, Entry, LeaseStage, LegStep, StoreError};
use crate::transport::Transport;

/// Finishes drops that an earlier run prepared and did not see leave; those of a run that is under way are left to it.
///
/// # Errors
/// The store failed.
pub(crate) async fn finish(run: &Arc<Run>) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    for file in in_state(run, DropState::Prepared, StrandId::NONE).await? {
        if run.partner_at(file.partner).is_none() {
            continue;
        }
        let taken = run.leases.take(LeaseStage::Deliver, file.partner, run.id);
        let Ok(lease) = taken.await? else { continue };
        let finished = finish_one(run, &lease, &file, &mut outcome).await;
        run.ended(lease, finished, &mut outcome).await?;
    }
    Ok(outcome)
}

/// Finishes a drop; whether its number is out of the way of the next one.
pub(super) async fn finish_one(
    run: &Arc<Run>,
    lease: &HeldLease,
    file: &DropFile,
    outcome: &mut StageOutcome,
) -> anyhow::Result<bool> {
    let env = run.env();
    let Some(place) = env.partner_at(file.partner) else {
        return Ok(true);
    };
    let still = in_state(env, DropState::Prepared, file.partner).await?;
    if !still.iter().any(|prepared| prepared.id == file.id) {
        return Ok(true);
    }
    run.note_tried(file.id);
    let ((_, partner), at) = (env.approved(place), &env.partners[place]);
    let here = Where::detail(format!("partner {}, drop {}", partner.id, file.sequence));
    let remade = remake(env, file).await?;
    let Some(made) =
        remade.filter(|made| env.keys.file_digest(&sha256(&[&made.bytes])) == file.digest)
    else {
        outcome.unreachable.push(Diagnostic::new(
            Code::DropUnlike,
            "an unfinished drop cannot be made again alike",
            here,
        ));
        return Ok(true);
    };
    lease.stands()?;
    let published = at.transport.prepare();
    if let Err(error) = published.and_then(|()| publish(partner, at, file, &made)) {
        outcome.unreachable.push(undelivered(partner, &error));
        return Ok(false);
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
    outcome.diagnostics.push(Diagnostic::new(
        Code::DropRemade,
        "an unfinished drop was finished",
        here,
    ));
    Ok(true)
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

/// Legs whose drop the partner has taken out of `out/` count as delivered.
pub(super) async fn picked_up(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    partner: &Partner,
    at: &PartnerEnv,
) -> anyhow::Result<()> {
    for file in in_state(ledger, DropState::Sent, at.strand).await? {
        if at.transport.waits(&file.name).unwrap_or(true) {
            continue;
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
