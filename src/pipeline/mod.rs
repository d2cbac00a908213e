//! The eight stages, in the order of the data.
//!
//! Outward *pull → select → map → deliver*, back *collect → match → push*, always *reconcile*. Every row that enters a
//! stage leaves it accepted, repeated, rejected or held. Select and map have no state of their own: pull calls them on
//! each referral, and again on those that wait.

pub(crate) mod apply;
pub(crate) mod approval;
pub(crate) mod change;
pub(crate) mod decide;
pub(crate) mod deliver;
pub(crate) mod delivered_rows;
pub(crate) mod drop_bytes;
pub(crate) mod event;
pub(crate) mod gp_client;
pub(crate) mod ingest;
pub(crate) mod lookup_keys;
pub(crate) mod map;
pub(crate) mod matching;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod receive;
pub(crate) mod reconcile;
pub(crate) mod referral;
pub(crate) mod run;
pub(crate) mod sealed_inputs;
pub(crate) mod select;
pub(crate) mod watch;
pub(crate) mod workers;

use std::sync::Arc;

use decide::decide_again::Said;
use delivered_rows::KnownLegs;
use receive::Inbox;
use run::{BookLog, HeldLease, Only, Run, STALE_TRIES, StageOutcome, is_stale};

use crate::domain::Stage;
use crate::store::LeaseStage;
use crate::store::rows::Leg;
use crate::transport::{Acknowledgement, Candidate};

/// From the GP systems to the partners: *pull*, *select* and *map* on what came and on what waits, *deliver*.
async fn run_outbound(
    run: &Arc<Run>,
    only: &Only,
    wanted: &[Stage],
    log: &mut BookLog<'_>,
) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    if wanted.contains(&Stage::Pull) {
        outcome.merge(pull::run(run, only).await?);
        log.tell().await?;
        run.may_go_on()?;
    }
    if wanted.contains(&Stage::Select) || wanted.contains(&Stage::Map) {
        outcome.merge(decide::decide_again::run(run, only).await?);
        log.tell().await?;
        run.may_go_on()?;
    }
    // Before each drop, and nightly.
    if wanted.contains(&Stage::Deliver) || wanted.contains(&Stage::Reconcile) {
        outcome.merge(watch_over(run, only, watch::Scope::Open).await?);
    }
    if wanted.contains(&Stage::Select) || wanted.contains(&Stage::Deliver) {
        outcome.merge(decide::decide_again::stand_back(run).await?);
    }
    run.may_go_on()?;
    if wanted.contains(&Stage::Deliver) {
        outcome.merge(deliver::run(run, only).await?);
    } else if wanted.contains(&Stage::Pull) || wanted.contains(&Stage::Reconcile) {
        outcome.merge(deliver::at_once(run, only).await?);
    }
    log.tell().await?;
    run.may_go_on()?;
    Ok(outcome)
}

/// From the partners to the GP record: *collect*, *match*, *push*.
async fn run_inbound(
    run: &Arc<Run>,
    only: &Only,
    wanted: &[Stage],
    log: &mut BookLog<'_>,
) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    if wanted.contains(&Stage::Collect) || wanted.contains(&Stage::Match) {
        for inbox in receive::inboxes(run, only, &mut outcome).await {
            take_returns(run, &inbox, &mut outcome).await?;
            log.tell().await?;
        }
        run.may_go_on()?;
    }
    if wanted.contains(&Stage::Push) {
        if !run.readings.has_watched()
            && let Some(scope) = watch::before_writes(run).await?
        {
            outcome.merge(watch_over(run, only, scope).await?);
            outcome.merge(deliver::at_once(run, only).await?);
        }
        outcome.merge(push::run(run, only).await?);
        run.may_go_on()?;
    }
    Ok(outcome)
}

/// The returns of a partner, under its leases: what it sends back moves the legs that *deliver* moves as well.
async fn take_returns(
    run: &Run,
    inbox: &Inbox<'_>,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    if inbox.candidates.is_empty() {
        return Ok(());
    }
    let strand = inbox.strand(run);
    let Some(lease) = run.lease(LeaseStage::Collect, strand, outcome).await? else {
        return Ok(());
    };
    if let Some(beside) = run.lease(LeaseStage::Deliver, strand, outcome).await? {
        for candidate in &inbox.candidates {
            let taken = take_anew(run, &lease, inbox, candidate, outcome).await;
            let taken = run.unless_lost(strand, taken, outcome);
            inbox.settled(taken.map(|_| ()), outcome)?;
        }
        beside.give_back().await?;
    }
    lease.give_back().await?;
    Ok(())
}

/// One return, and again on what is there now where another run or a person moved one of its legs meanwhile.
async fn take_anew(
    run: &Run,
    lease: &HeldLease,
    inbox: &Inbox<'_>,
    candidate: &Candidate,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    let mut tries = 1;
    loop {
        let mut of_file = StageOutcome::default();
        match take_return(run, lease, inbox, candidate, &mut of_file).await {
            Err(error) if is_stale(&error) && tries < STALE_TRIES => tries += 1,
            taken => {
                outcome.merge(of_file);
                return taken;
            }
        }
    }
}

/// One return: *collect* makes a sheet of it, *match* finds whose each row is, and what the rows tell is applied.
async fn take_return(
    run: &Run,
    lease: &HeldLease,
    inbox: &Inbox<'_>,
    candidate: &Candidate,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    let (taken, sheet) = inbox.take(run, candidate).await?;
    let sheet = sheet.and_then(|sheet| matching::with_columns(inbox.collect, sheet));
    let (receipt, how) = match &sheet {
        Ok(sheet) => {
            let references = matching::references(inbox.collect, sheet);
            let KnownLegs { by_reference, own } =
                delivered_rows::delivered(run, taken.partner, references).await?;
            let found = matching::read(inbox.collect, sheet, &by_reference, run.today());
            // What was delivered is not needed any more, and a full return has much of it.
            drop(by_reference);
            let found = apply::record(run, lease, &taken, sheet, found, own, outcome).await?;
            let receipt = apply::receipt::of_rows(inbox.partner, &taken, sheet, &found.rows)?;
            (receipt, Acknowledgement::Done)
        }
        Err(unusable) => {
            apply::refuse(run, lease, &taken, unusable, outcome).await?;
            let receipt = apply::receipt::of_refusal(inbox.partner, &taken, unusable)?;
            (receipt, Acknowledgement::Refused)
        }
    };
    lease.stands()?;
    let receipt = (receipt.csv, receipt.json);
    inbox.answer(run, candidate, receipt, how).await?;
    Ok(())
}

/// Reads open legs again, and decides anew on those that are found again.
async fn watch_over(
    run: &Arc<Run>,
    only: &Only,
    scope: watch::Scope,
) -> anyhow::Result<StageOutcome> {
    let (mut outcome, found_again) = watch::run(run, only, scope).await?;
    for (lease, legs) in found_again {
        let decided = decide_each(run, &lease, legs).await;
        run.ended(lease, decided, &mut outcome).await?;
    }
    Ok(outcome)
}

async fn decide_each(run: &Run, lease: &HeldLease, legs: Vec<Leg>) -> anyhow::Result<()> {
    for leg in legs {
        decide::decide_again::redecide(run, lease, leg, Said::default()).await?;
    }
    Ok(())
}

/// Runs the stages wanted, in the data's order, and then the books.
///
/// # Errors
/// The store failed: nothing can be recorded, so nothing more is done.
pub(crate) async fn run(
    run: &Arc<Run>,
    only: &Only,
    wanted: &[Stage],
) -> anyhow::Result<StageOutcome> {
    // What the last run left between two steps is finished before anything new is begun.
    let mut outcome = deliver::finish(run).await?;
    let mut log = BookLog::new(run);
    outcome.merge(run_outbound(run, only, wanted, &mut log).await?);
    outcome.merge(run_inbound(run, only, wanted, &mut log).await?);
    if wanted.contains(&Stage::Reconcile) {
        outcome.merge(reconcile::run(run).await?);
        run.may_go_on()?;
    }
    log.end(wanted).await?;
    Ok(outcome)
}
