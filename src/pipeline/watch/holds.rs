//! What waits because a record is gone or could not be read again, and what no longer does.

use std::collections::{HashMap, HashSet};

use super::Watched;
use crate::domain::{Action, HoldNumber, LegId, LegState, Reason, Stage, StrandId};
use crate::pipeline::run::{HeldLease, Run, STALE_TRIES, is_stale};
use crate::store::rows::Leg;
use crate::store::{Batch, Body, LegStep, NewHold};

/// Opens and ends the holds of a source's watch; `writing`: legs with writes queued. Gives the legs that were gone and are
/// there again.
pub(super) async fn after(
    run: &Run,
    lease: &HeldLease,
    place: usize,
    watched: &Watched,
    writing: &HashSet<LegId>,
) -> anyhow::Result<Vec<Leg>> {
    let mut tries = 1;
    loop {
        match settle(run, lease, place, watched, writing).await {
            Err(error) if is_stale(&error) && tries < STALE_TRIES => tries += 1,
            settled => return settled,
        }
    }
}

async fn settle(
    run: &Run,
    lease: &HeldLease,
    place: usize,
    watched: &Watched,
    writing: &HashSet<LegId>,
) -> anyhow::Result<Vec<Leg>> {
    let strand = run.sources[place].strand;
    let mut open: HashMap<(LegId, Reason), HoldNumber> = HashMap::new();
    run.each_open_hold(|hold| {
        if !hold.return_id.is_some()
            && matches!(hold.reason, Reason::SourceGone | Reason::NotReRead)
        {
            open.insert((hold.leg, hold.reason), hold.number);
        }
    })
    .await?;
    let mut batch = lease.batch(run.now());
    // A person may have settled one of them meanwhile: each as it stands now.
    let gone_now = run
        .store
        .legs(watched.gone.iter().map(|leg| leg.id).collect())
        .await?;
    for leg in gone_now.iter().filter(|leg| !leg.now.state.terminal()) {
        if !open.contains_key(&(leg.id, Reason::SourceGone)) {
            gone(&mut batch, strand, leg);
        }
    }
    for leg in &watched.unread {
        let new = matches!(leg.now.pending, Some(Action::New | Action::Amend));
        let waits = new || writing.contains(&leg.id);
        if waits && !open.contains_key(&(leg.id, Reason::NotReRead)) {
            let stage = if new { Stage::Deliver } else { Stage::Push };
            batch.hold(hold(strand, leg, stage, Reason::NotReRead));
        }
    }
    // What the pull of this run has read is read as well.
    let asked: Vec<LegId> = open.keys().map(|(leg, _)| *leg).collect();
    let legs = run.store.legs(asked).await?;
    let is_read = |leg: &Leg| {
        let request = leg.now.raws.request;
        watched.read.contains(&leg.id)
            || (leg.source == strand && run.readings.has_read(place, request))
    };
    let read: HashSet<LegId> = legs
        .iter()
        .filter(|leg| is_read(leg))
        .map(|leg| leg.id)
        .collect();
    let gone: HashSet<LegId> = watched.gone.iter().map(|leg| leg.id).collect();
    let over = open.iter().filter(|((leg, reason), _)| {
        read.contains(leg) || (*reason == Reason::NotReRead && gone.contains(leg))
    });
    batch.released.extend(over.map(|(_, number)| *number));
    batch.released.sort_unstable();
    if !batch.is_empty() {
        run.store.commit(batch).await?;
    }
    // What was held because it was gone is there again: to be decided with what it says now.
    Ok(legs
        .into_iter()
        .filter(|leg| {
            read.contains(&leg.id)
                && leg.now.state == LegState::Held
                && leg.now.why == Some(Reason::SourceGone)
        })
        .collect())
}

/// Nothing of it is sent any more, and the practice is asked; a partner that has it already is told nothing.
fn gone(batch: &mut Batch, strand: StrandId, leg: &Leg) {
    if matches!(
        leg.now.state,
        LegState::Received | LegState::Held | LegState::Routed
    ) {
        let after = leg.now.held(Reason::SourceGone);
        let (step, vouched) = (LegStep::to(after), Vec::new());
        batch.move_leg(leg.clone(), Body::Amended { step, vouched });
    }
    batch.hold(hold(strand, leg, Stage::Pull, Reason::SourceGone));
}

fn hold(source: StrandId, leg: &Leg, stage: Stage, reason: Reason) -> NewHold {
    let hold = NewHold::new(stage, reason).leg(leg.id);
    hold.source(source).partner(leg.now.partner)
}
