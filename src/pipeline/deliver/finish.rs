//! What an earlier run left of a drop: one that was prepared is finished, one that was taken counts as delivered.

use std::collections::HashSet;
use std::sync::Arc;

use super::PAGE;
use super::eligible::{Which, may_go, was_read};
use super::publish::{Unsent, publish, sent, undelivered};
use crate::diagnostics::{Code, Diagnostic, Place as Where};
use crate::domain::clock::day_number;
use crate::domain::{Action, Counts, DropId, LegId, LegState, Reason, RunId, Stage, StrandId};
use crate::partner::Partner;
use crate::pipeline::drop_bytes::remake;
use crate::pipeline::prepared_drop::{
    LyingPart, first_told, has_moved, is_answered, is_of_older_store, lying_part, moved, take_back,
    was_kept, with_legs,
};
use crate::pipeline::run::{Env, HeldLease, LeaseSet, LedgerAccess, PartnerEnv, Run, StageOutcome};
use crate::seal::sha256;
use crate::store::rows::{DropFile, DropRow, DropState, Leg, Standing};
use crate::store::{Batch, Body, Entry, LeaseStage, LegStep, NewHold, StoreError};
use crate::transport::DropOutcome;

/// Finishes what an earlier run prepared and put out: something of it lies there, so it is recorded before anything else is done. What an
/// earlier run of the same day may have put out is put out again, the same bytes. What a return refers to has left. Every other prepared drop waits until its people's
/// records have been read again ([`finish_earlier`]). Drops of a run that is under way are left to it.
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
        let finished = finish_at_start(run, &lease, (place, &file), &mut outcome).await;
        run.ended(lease, finished, &mut outcome).await?;
    }
    Ok(outcome)
}

async fn finish_at_start(
    run: &Arc<Run>,
    lease: &HeldLease,
    (place, file): (usize, &DropFile),
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    if !is_prepared(run, file).await? {
        return Ok(());
    }
    let lies = lying_part(run, place, file).await;
    let out = matches!(lies, LyingPart::Whole | LyingPart::FileAlone);
    if !out && is_answered(run, file).await? {
        let finished = record_left(run.env(), lease, file, true).await?;
        said(run, (place, file), finished, outcome);
        return Ok(());
    }
    let of_today = file.day == day_number(run.today());
    // Of an older copy of the store nobody knows what left.
    let of_today = of_today && !is_of_older_store(run, file).await?;
    if !out && (!of_today || was_kept(run, file).await? || has_moved(run, file).await?) {
        return Ok(());
    }
    let finished = finish_one(run, lease, (place, file), lies, false).await?;
    said(run, (place, file), finished, outcome);
    Ok(())
}

/// Finishes a partner's earlier drops before the next one; whether the next one may be made. Rows of a drop that may have arrived go in no other one.
pub(super) async fn finish_earlier(
    run: &Arc<Run>,
    (lease, sources): (&HeldLease, &LeaseSet),
    place: usize,
    delivered: &mut super::Delivered,
) -> anyhow::Result<bool> {
    for file in in_state(run, DropState::Prepared, lease.strand()).await? {
        // Another run may have finished it before this one had the lease.
        if !is_prepared(run, &file).await? {
            continue;
        }
        sources.stand()?;
        let finished = finish_or_take_back(run, (lease, sources), (place, &file)).await?;
        if !said(run, (place, &file), finished, &mut delivered.outcome) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Records of the drops that alone could have told a partner of one of these legs, of which a return tells, that they have left; whether
/// there was one. Its legs are moved by it before they are moved by the return.
///
/// # Errors
/// The store failed.
pub(crate) async fn finish_answered(
    run: &Arc<Run>,
    lease: &HeldLease,
    legs: impl Iterator<Item = &LegId>,
    outcome: &mut StageOutcome,
) -> anyhow::Result<bool> {
    let files = in_state(run, DropState::Prepared, lease.strand()).await?;
    if files.is_empty() {
        return Ok(false);
    }
    let (legs, mut any): (HashSet<LegId>, bool) = (legs.copied().collect(), false);
    for file in files {
        let Some(place) = run.partner_at(file.partner) else {
            continue;
        };
        if first_told(run, &file).await?.is_disjoint(&legs) {
            continue;
        }
        let finished = record_left(run.env(), lease, &file, true).await?;
        any |= said(run, (place, &file), finished, outcome);
    }
    Ok(any)
}

/// Finishes a drop, unless what it says is no longer what should be said: then it does not leave as it was.
async fn finish_or_take_back(
    run: &Arc<Run>,
    (lease, sources): (&HeldLease, &LeaseSet),
    (place, file): (usize, &DropFile),
) -> anyhow::Result<Finished> {
    let lies = lying_part(run, place, file).await;
    let kept = was_kept(run, file).await?;
    if matches!(lies, LyingPart::Whole | LyingPart::FileAlone) {
        return finish_one(run, lease, (place, file), lies, kept).await;
    }
    if is_answered(run, file).await? {
        return record_left(run.env(), lease, file, true).await;
    }
    let partner = run.approved(place).1;
    let (what, code) = match says(run, sources, file).await? {
        // It may have left under an older copy of the store, whatever that copy says.
        DropSays::WhatItShould if is_of_older_store(run, file).await? => {
            ("the store was put back since", Code::DropStale)
        }
        DropSays::WhatItShould => {
            let finished = finish_one(run, lease, (place, file), lies, kept).await?;
            match finished {
                Finished::Unlike(_) if kept => {}
                finished => return Ok(finished),
            }
            ("it cannot be made again alike", Code::DropStale)
        }
        DropSays::SomethingElse => ("what it says is no longer so", Code::DropStale),
        DropSays::WhatNobodyRead => (
            "records of its people could not be read again",
            Code::DropWaits,
        ),
        DropSays::WhatNobodyMayBeTold => (
            "a row of it may not go to the partner today",
            Code::DropWaits,
        ),
    };
    let here = drop_place(partner, file);
    if kept {
        lease.stands()?;
        let mut batch = lease.batch(run.now());
        take_back(&mut batch, file, None);
        run.store.commit(batch).await?;
        let what = format!("a prepared drop did not leave and was taken back: {what}");
        let said = Diagnostic::new(Code::DropVoided, what, here);
        return Ok(Finished::TakenBack(said));
    }
    let what = format!("a prepared drop does not leave as it is: {what}");
    Ok(Finished::NotYet(Diagnostic::new(code, what, here)))
}

async fn is_prepared(ledger: &LedgerAccess, file: &DropFile) -> anyhow::Result<bool> {
    let now = ledger.store.drop_files_by_id(vec![file.id]).await?.pop();
    Ok(now.is_some_and(|file| file.state == DropState::Prepared))
}

/// Whether a prepared drop still says what should be said.
enum DropSays {
    WhatItShould,
    /// One of its legs has moved.
    SomethingElse,
    /// One of its rows may not go today: its person's record was not read again.
    WhatNobodyRead,
    /// One of its rows may not go today: nothing new, or no change, goes to its partner.
    WhatNobodyMayBeTold,
}

async fn says(run: &Run, sources: &LeaseSet, file: &DropFile) -> anyhow::Result<DropSays> {
    let (mut after, mut says) = (0, DropSays::WhatItShould);
    loop {
        let rows = run.store.drop_rows(file.id, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(says);
        };
        after = last.row;
        for (row, leg) in with_legs(run, rows).await? {
            let Some(leg) = leg.filter(|leg| !moved(&row, Some(leg))) else {
                return Ok(DropSays::SomethingElse);
            };
            // A leg moves by its source as well; of one that is no longer configured nothing can be made again.
            let taken = run.source_at(leg.source).is_some() && !sources.holds(leg.source);
            if taken || !was_read(run, &leg) {
                says = DropSays::WhatNobodyRead;
            } else if !may_go(run, Which::All, &leg) && !matches!(says, DropSays::WhatNobodyRead) {
                says = DropSays::WhatNobodyMayBeTold;
            }
        }
    }
}

/// Says how it went, once a run; whether the drop's number is out of the way of the next one.
fn said(
    run: &Run,
    (place, file): (usize, &DropFile),
    finished: Finished,
    outcome: &mut StageOutcome,
) -> bool {
    let before = run.has_tried(file.id);
    run.note_tried(file.id);
    match finished {
        Finished::Sent { what, counts } => {
            outcome.count(Stage::Deliver, &counts);
            let here = drop_place(run.approved(place).1, file);
            outcome
                .diagnostics
                .push(Diagnostic::new(Code::DropRemade, what, here));
            true
        }
        Finished::TakenBack(what) => {
            outcome.diagnostics.push(what);
            true
        }
        Finished::Unlike(why) | Finished::NotYet(why) => {
            if !before {
                outcome.unreachable.push(why);
            }
            false
        }
    }
}

/// How it went to finish a drop.
enum Finished {
    /// It is there, or was, and is recorded as sent: what is said of it.
    Sent { what: String, counts: Counts },
    /// It never left, and its rows go in another one.
    TakenBack(Diagnostic),
    /// It cannot be made again alike.
    Unlike(Diagnostic),
    /// It is not there, or nothing says so.
    NotYet(Diagnostic),
}

/// Makes a prepared drop again and publishes it: the same bytes, under the same name. Where all of it lies there it is only recorded. `kept`: nobody can
/// have seen anything of it so far.
async fn finish_one(
    run: &Arc<Run>,
    lease: &HeldLease,
    (place, file): (usize, &DropFile),
    lies: LyingPart,
    kept: bool,
) -> anyhow::Result<Finished> {
    let env = run.env();
    let partner = env.approved(place).1;
    lease.stands()?;
    if lies != LyingPart::Whole {
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
        let strand = format!("partner:{}", partner.id);
        // Before it is said to leave: where the anchor cannot be written it is still kept.
        env.anchor
            .raise(env, Some((&strand, file.sequence)))
            .await?;
        if kept {
            let mut batch = lease.batch(env.now());
            let sequence = file.sequence;
            batch.push(Entry::new(file.id, Body::Leaving { sequence }));
            env.store.commit(batch).await?;
        }
        lease.stands()?;
        if let Err(why) = publish(env, place, (file, 0), made).await? {
            if kept {
                note_kept(env, lease, file, &why).await?;
            }
            return Ok(Finished::NotYet(undelivered(partner, &why)));
        }
    }
    record_left(env, lease, file, false).await
}

/// Records that a drop has left; `answered`: a return says so.
async fn record_left(
    env: &Env,
    lease: &HeldLease,
    file: &DropFile,
    answered: bool,
) -> anyhow::Result<Finished> {
    lease.stands()?;
    let (batch, changed, counts) = left(env, lease, file).await?;
    env.store.commit(batch).await?;
    let mut what = match (answered, changed) {
        (false, 0) => "an unfinished drop was finished".to_owned(),
        (false, _) => "an unfinished drop had left".to_owned(),
        (true, _) => "an unfinished drop had left, for a return refers to it".to_owned(),
    };
    if changed > 0 {
        what =
            format!("{what}: {changed} of its rows have changed since, and the next drop says so");
    }
    Ok(Finished::Sent { what, counts })
}

/// The record that a drop has left, how many of its legs had changed before that was known, and what is counted. If none had, they move together.
///
/// # Errors
/// The store failed.
pub(crate) async fn left(
    env: &Env,
    lease: &HeldLease,
    file: &DropFile,
) -> anyhow::Result<(Batch, usize, Counts)> {
    let mut outcome = StageOutcome::default();
    let mut stops: Vec<LegId> = Vec::new();
    let mut late: Vec<(DropRow, Option<Leg>)> = Vec::new();
    let changes = has_moved(env, file).await?;
    let mut after = 0;
    loop {
        let rows = env.store.drop_rows(file.id, after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.row;
        let stopped = rows.iter().filter(|row| row.action == Action::Stop);
        stops.extend(stopped.map(|row| row.leg));
        if changes {
            late.extend(with_legs(env, rows).await?);
        }
    }
    let mut batch = sent(env, lease, file, RunId::NONE, &stops, &mut outcome);
    let counts = outcome.counts.remove(&Stage::Deliver).unwrap_or_default();
    if !changes {
        return Ok((batch, 0, counts));
    }
    batch.sent = None;
    batch.entries.clear();
    let (sequence, rows) = (file.sequence, 0);
    batch.push(Entry::new(file.id, Body::Sent { sequence, rows }));
    let holds = late.iter().map(|(row, _)| row.leg).collect();
    let holds = env.store.holds_of_legs(holds).await?;
    let mut changed = 0;
    for (row, leg) in late {
        let Some(leg) = leg else { continue };
        let was_moved = moved(&row, Some(&leg));
        changed += usize::from(was_moved);
        let after = if !was_moved {
            leg.now.sent(row.action)
        } else if [file.partner, StrandId::NONE].contains(&leg.now.partner)
            || leg.now.state.terminal()
        {
            let partner = file.partner;
            Standing { partner, ..leg.now }.had_left(row.action, row.raws)
        } else {
            // It went to another partner meanwhile, or waits for one: this one is told by a person.
            let hold = NewHold::new(Stage::Deliver, Reason::StopOpen).leg(leg.id);
            batch.hold(hold.partner(file.partner));
            continue;
        };
        // What it waited for is over, unless the partner is told because of it.
        let over = leg.now.state == LegState::Held && after.why.is_none();
        let own = holds.iter().filter(|hold| over && hold.leg == leg.id);
        let decided = own.filter(|hold| matches!(hold.stage, Stage::Select | Stage::Map));
        batch.released.extend(decided.map(|hold| hold.number));
        let step = LegStep::to(after);
        batch.move_leg(leg, Body::Left { step });
    }
    Ok((batch, changed, counts))
}

/// Notes that a drop was kept from leaving, where nobody can have seen anything of it.
pub(super) async fn note_kept(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    file: &DropFile,
    why: &Unsent,
) -> anyhow::Result<()> {
    if why.unseen() {
        note_unseen(ledger, lease, file).await?;
    }
    Ok(())
}

/// Notes of a drop that nothing of it was put out.
pub(super) async fn note_unseen(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    file: &DropFile,
) -> anyhow::Result<()> {
    let mut batch = lease.batch(ledger.now());
    let sequence = file.sequence;
    batch.push(Entry::new(file.id, Body::Kept { sequence }));
    ledger.store.commit(batch).await?;
    Ok(())
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
