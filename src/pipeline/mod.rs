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
pub(crate) mod judge;
pub(crate) mod lookup_keys;
pub(crate) mod map;
pub(crate) mod matching;
pub(crate) mod people_list;
pub(crate) mod prepared_drop;
pub(crate) mod prepared_import;
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

use std::collections::BTreeMap;
use std::sync::Arc;

use apply::receipt::ReceiptTo;
use decide::decide_again::Said;
use matching::{JudgedSheet, MatchedReturn};
use receive::Inbox;
use run::{BookLog, HeldLease, Only, RecordTurn, Run, STALE_TRIES, StageOutcome, is_stale};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::domain::Stage;
use crate::sheet::TableMarks;
use crate::store::LeaseStage;
use crate::store::rows::Leg;
use crate::transport::{Acknowledgement, Candidate, TransportError};

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
    let delivers = [Stage::Select, Stage::Deliver, Stage::Pull, Stage::Reconcile];
    if delivers.iter().any(|stage| wanted.contains(stage)) {
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
        let mut inboxes = receive::inboxes(run.env(), only, &mut outcome).await?;
        let listed = std::mem::take(&mut inboxes.listed);
        take_inboxes(run, listed, &mut outcome, log).await?;
        while let Some(late) = inboxes.next_late(run, &mut outcome).await? {
            take_inboxes(run, vec![late], &mut outcome, log).await?;
        }
        run.may_go_on()?;
    }
    if wanted.contains(&Stage::Push) {
        if !run.readings.has_watched()
            && let Some(scope) = watch::before_writes(run).await?
        {
            outcome.merge(watch_over(run, only, scope).await?);
            outcome.merge(decide::decide_again::stand_back(run).await?);
            outcome.merge(deliver::at_once(run, only).await?);
        }
        outcome.merge(push::run(run, only).await?);
        run.may_go_on()?;
    }
    Ok(outcome)
}

/// Bytes of returns up to which the first one of the next partner is matched while those of a partner are recorded: two such
/// are in memory together, and the next partner's leases are held for no longer than that takes.
const AHEAD_BYTES: u64 = 4 << 20;

/// An inbox whose leases are held.
struct OpenInbox {
    inbox: Arc<Inbox>,
    collect: HeldLease,
    deliver: HeldLease,
    first: MatchedAhead,
}

/// The first return of an inbox, being read and matched.
struct MatchedAhead {
    /// Hears that it has been read.
    read: oneshot::Receiver<()>,
    matched: JoinSet<anyhow::Result<MatchedReturn>>,
}

/// What was taken of each partner, by its turn.
type Taking = JoinSet<(usize, anyhow::Result<StageOutcome>)>;

/// The returns of all partners, in order. A partner's leases are its own, so the next one's first return is read and matched
/// while what came before is recorded; and while a partner's disk does not answer, it is the turn of those after it.
async fn take_inboxes(
    run: &Arc<Run>,
    inboxes: Vec<Inbox>,
    outcome: &mut StageOutcome,
    log: &mut BookLog<'_>,
) -> anyhow::Result<()> {
    let mut waiting = inboxes
        .into_iter()
        .filter(|inbox| !(inbox.candidates.is_empty() && inbox.written_into.is_empty()))
        .map(Arc::new)
        .peekable();
    let (turns, mut taking) = (RecordTurn::turns(), Taking::new());
    let (mut taken, mut number) = (BTreeMap::new(), 0);
    let mut next = None;
    loop {
        let open = match next.take() {
            Some(open) => open,
            None => match waiting.next() {
                Some(inbox) => open_inbox(run, inbox, outcome).await?,
                None => break,
            },
        };
        let Some(open) = open else { continue };
        let turn = next_turn(&turns, &mut taking, &mut taken).await?;
        log.tell().await?;
        let inbox = Arc::clone(&open.inbox);
        let (of_run, at) = (Arc::clone(run), number);
        let work = async move { (at, take_returns(&of_run, open, turn).await) };
        taking.spawn(work.in_current_span());
        number += 1;
        if let Some(after) = waiting.next_if(|after| fits_ahead(&inbox, after)) {
            next = Some(open_inbox(run, after, outcome).await?);
        }
    }
    while let Some(ended) = taking.join_next().await {
        keep(ended?, &mut taken)?;
    }
    for of_partner in taken.into_values() {
        outcome.merge(of_partner);
    }
    log.tell().await
}

/// The next turn to record, once those before have ended or wait for their disks; so many may wait beside the others.
async fn next_turn(
    turns: &Arc<Semaphore>,
    taking: &mut Taking,
    taken: &mut BTreeMap<usize, StageOutcome>,
) -> anyhow::Result<RecordTurn> {
    // Whoever has the turn waits for nobody: those who wait for it as well can end only while nobody has it.
    while taking.len() >= run::SLOW_AT_ONCE
        && let Some(ended) = taking.join_next().await
    {
        keep(ended?, taken)?;
    }
    let turn = RecordTurn::next(turns).await;
    while let Some(ended) = taking.try_join_next() {
        keep(ended?, taken)?;
    }
    Ok(turn)
}

fn keep(
    (number, ended): (usize, anyhow::Result<StageOutcome>),
    taken: &mut BTreeMap<usize, StageOutcome>,
) -> anyhow::Result<()> {
    taken.insert(number, ended?);
    Ok(())
}

/// Whether the first return of the partner after is small enough to be matched meanwhile.
fn fits_ahead(inbox: &Inbox, after: &Inbox) -> bool {
    let now = inbox.candidates.iter();
    let all = now.chain(after.candidates.first());
    all.map(|candidate| candidate.file_size_bytes).sum::<u64>() <= AHEAD_BYTES
}

/// Takes the leases of a partner, what it sends back moves the legs that *deliver* moves as well, and begins with its first return.
async fn open_inbox(
    run: &Arc<Run>,
    inbox: Arc<Inbox>,
    outcome: &mut StageOutcome,
) -> anyhow::Result<Option<OpenInbox>> {
    let strand = inbox.strand(run);
    let Some(collect) = run.lease(LeaseStage::Collect, strand, outcome).await? else {
        return Ok(None);
    };
    let Some(deliver) = run.lease(LeaseStage::Deliver, strand, outcome).await? else {
        collect.give_back().await?;
        return Ok(None);
    };
    let (has_read, read) = oneshot::channel();
    let mut matched = JoinSet::new();
    let (of_run, of_inbox) = (Arc::clone(run), Arc::clone(&inbox));
    let first = async move {
        let candidate = &of_inbox.candidates[0];
        let bytes = of_inbox.read(&of_run, candidate).await;
        // Nobody hears it where the partner's returns were given up.
        let _ignored = has_read.send(());
        match_return(&of_run, &of_inbox, candidate, bytes).await
    };
    if !inbox.candidates.is_empty() {
        matched.spawn(first.in_current_span());
    }
    let first = MatchedAhead { read, matched };
    Ok(Some(OpenInbox {
        inbox,
        collect,
        deliver,
        first,
    }))
}

/// The returns of a partner, under its leases.
async fn take_returns(
    run: &Arc<Run>,
    mut open: OpenInbox,
    mut turn: RecordTurn,
) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    let (inbox, strand) = (&open.inbox, open.inbox.strand(run));
    // That it was given up is heard as well.
    let _read = turn.on_disk(&mut open.first.read).await;
    for candidate in &inbox.candidates {
        let first = open.first.matched.join_next().await.transpose()?;
        let of_file = (candidate, first);
        let leases = (&open.collect, &open.deliver);
        let taken = take_anew(run, leases, inbox, of_file, &mut turn, &mut outcome).await;
        let taken = run.unless_lost(strand, taken, &mut outcome);
        inbox.settled(run, taken.map(|_| ()), &mut outcome)?;
    }
    inbox.in_one_line(run, &mut outcome);
    for name in &inbox.written_into {
        open.collect.stands()?;
        let receipt = apply::our_copy::of_our_copy(receipt_to(run, inbox), name)?;
        let answered = inbox.answer_our_copy(run, name, (receipt.csv, receipt.json));
        let answered = turn.on_disk(answered).await.map_err(anyhow::Error::from);
        inbox.settled(run, answered, &mut outcome)?;
    }
    open.deliver.give_back().await?;
    open.collect.give_back().await?;
    Ok(outcome)
}

/// One return, and again on what is there now where another run or a person moved one of its legs meanwhile.
async fn take_anew(
    run: &Arc<Run>,
    (lease, deliver): (&HeldLease, &HeldLease),
    inbox: &Inbox,
    (candidate, mut ahead): (&Candidate, Option<anyhow::Result<MatchedReturn>>),
    turn: &mut RecordTurn,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    let mut tries = 1;
    loop {
        let mut of_file = StageOutcome::default();
        let found = if let Some(found) = ahead.take() {
            found
        } else {
            let bytes = turn.on_disk(inbox.read(run, candidate)).await;
            match_return(run, inbox, candidate, bytes).await
        };
        let taken = match left_before(run, deliver, &found, &mut of_file).await {
            Ok(true) => {
                outcome.merge(of_file);
                continue;
            }
            Ok(false) => match found {
                Ok(found) => {
                    apply_return(run, lease, inbox, (candidate, found), turn, &mut of_file).await
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match taken {
            Err(error) if is_stale(&error) && tries < STALE_TRIES => tries += 1,
            taken => {
                outcome.merge(of_file);
                return taken;
            }
        }
    }
}

/// Whether a return tells of a drop that was not known to have left: that is recorded first, and the return is matched again.
async fn left_before(
    run: &Arc<Run>,
    deliver: &HeldLease,
    found: &anyhow::Result<MatchedReturn>,
    outcome: &mut StageOutcome,
) -> anyhow::Result<bool> {
    let matched = found.as_ref().ok().map(|found| &found.matched);
    let Some(Ok(JudgedSheet { own, .. })) = matched else {
        return Ok(false);
    };
    deliver::finish_answered(run, deliver, own.keys(), outcome).await
}

/// *collect* makes a sheet of a return, and *match* finds whose each row is.
async fn match_return(
    run: &Run,
    inbox: &Inbox,
    candidate: &Candidate,
    bytes: Result<Vec<u8>, TransportError>,
) -> anyhow::Result<MatchedReturn> {
    let collect = inbox.collect(run)?;
    let heading = matching::heading_of(collect);
    let marks = TableMarks {
        rows_max: run.config.limits.header_search_rows_max,
        heading: &heading,
        of_a_row: &matching::is_reference,
    };
    let (taken, sheet) = inbox.take(run, candidate, bytes, marks).await?;
    let matched = judge::sheet(run, taken.partner, &taken.bytes, sheet, marks).await?;
    let matched = matched.map_err(|unusable| inbox.named(run, candidate, unusable));
    Ok(MatchedReturn { taken, matched })
}

/// To whom the receipts of an inbox go.
fn receipt_to<'r>(run: &'r Run, inbox: &'r Inbox) -> ReceiptTo<'r> {
    ReceiptTo {
        partner: inbox.partner(run),
        contact: &run.config.contact,
    }
}

/// What the rows of a return tell is applied, and the return is answered.
async fn apply_return(
    run: &Run,
    lease: &HeldLease,
    inbox: &Inbox,
    (candidate, found): (&Candidate, MatchedReturn),
    turn: &mut RecordTurn,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    let MatchedReturn { mut taken, matched } = found;
    let to = receipt_to(run, inbox);
    let known = taken.before.is_some();
    let growth = inbox.growth(run, candidate);
    let (receipt, how) = match matched {
        Ok(judged) => {
            let JudgedSheet {
                sheet,
                mut finding,
                own,
            } = judged;
            let said = growth.iter().map(|(said, _)| said.clone());
            finding.repairs.splice(..0, said);
            let found =
                apply::record(run, lease, &mut taken, &sheet, finding, own, outcome).await?;
            let receipt = apply::receipt::of_rows(to, &taken, &sheet, &found)?;
            (receipt, Acknowledgement::Done)
        }
        Err(unusable) => {
            apply::refuse(run, lease, &mut taken, &unusable, outcome).await?;
            let receipt = apply::receipt::of_refusal(to, &taken, &unusable)?;
            (receipt, Acknowledgement::Refused)
        }
    };
    outcome.diagnostics.extend(growth.map(|(_, said)| said));
    lease.stands()?;
    let receipt = (receipt.csv, receipt.json);
    let answered = inbox.answer(run, candidate, receipt, (how, known));
    turn.on_disk(answered).await?;
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
        decide::decide_again::redecide(run, lease, leg, Said::default(), None).await?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn as_many_as_may_wait_for_their_disks_end_although_one_more_wants_its_turn() {
        let (turns, mut taking) = (RecordTurn::turns(), Taking::new());
        let answers = Arc::new(Semaphore::new(0));
        for number in 0..run::SLOW_AT_ONCE {
            let mut turn = RecordTurn::next(&turns).await.impatient();
            let answers = Arc::clone(&answers);
            taking.spawn(async move {
                turn.on_disk(async { answers.acquire().await.unwrap().forget() })
                    .await;
                (number, Ok(StageOutcome::default()))
            });
        }
        let mut taken = BTreeMap::new();
        {
            let next = next_turn(&turns, &mut taking, &mut taken);
            let mut next = std::pin::pin!(next);
            let within = |milliseconds| Duration::from_millis(milliseconds);
            assert!(tokio::time::timeout(within(50), &mut next).await.is_err());
            answers.add_permits(run::SLOW_AT_ONCE);
            let turn = tokio::time::timeout(within(20_000), next).await;
            assert!(turn.expect("nobody waits for another").is_ok());
        }
        assert!(!taken.is_empty());
    }
}
