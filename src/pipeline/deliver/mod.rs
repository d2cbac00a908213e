//! *deliver*: writes each partner's waiting rows as one drop, numbered without gaps but for drops that were taken back.
//!
//! In: legs with something to send, their sealed inputs. Out: a file, its manifest, and a record of every row. Keeps:
//! the record of a drop is durable before the file has its name, and the legs count as sent after the manifest is
//! there, so a crash between two steps is finished with the same bytes under the same number (`ledger.md` §5).

mod eligible;
mod finish;
mod people;
mod publish;
mod unwritable;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use eligible::{Which, may_go, tells_action};
pub(crate) use finish::{finish, finish_answered, left};
use finish::{finish_earlier, note_kept, note_unseen, picked_up};
use jiff::civil::Date;
use publish::{Unsent, publish, sent, undelivered};
use unwritable::hold_back;

use super::drop_bytes::{self, By, Made, Maker, Numbered, Planned, add, file_name};
use super::prepared_drop::ready;
use super::run::{
    Env, HeldLease, LeaseSet, LedgerAccess, Only, PartnerEnv, Run, SeveralAtOnce, StageOutcome,
    give_back,
};
use crate::diagnostics::Diagnostic;
use crate::domain::clock::day_number;
use crate::domain::{Action, DropId, LegId, Stage, StrandId, limits};
use crate::partner::Partner;
use crate::seal::{Digest, merkle_root, sha256};
use crate::store::hash_chain::drop_leaf;
use crate::store::rows::{DropFile, DropRow, DropState, Leg};
use crate::store::{Batch, Body, Entry, LeaseStage, StoreError};

/// Version of the code that turns rows into bytes; raised by a release that changes them.
const MAPPER: i64 = 1;
/// Legs read and mapped at a time.
const PAGE: i64 = 2_000;

/// What came of one partner: the record that its drops have left is still to be committed.
#[derive(Default)]
struct Delivered {
    outcome: StageOutcome,
    sent: Vec<Batch>,
    /// Under which they are to be committed.
    lease: Option<HeldLease>,
}

/// Delivers to every partner.
///
/// # Errors
/// The store failed. A folder that cannot be written is an outcome, and the others go on.
pub(crate) async fn run(run: &Arc<Run>, only: &Only) -> anyhow::Result<StageOutcome> {
    each(run, only, Which::All).await
}

/// Delivers the stops that wait for no schedule, each partner's in a drop of its own (`safety.md` §6).
///
/// # Errors
/// As [`run`].
pub(crate) async fn at_once(run: &Arc<Run>, only: &Only) -> anyhow::Result<StageOutcome> {
    each(run, only, Which::UrgentStops).await
}

async fn each(run: &Arc<Run>, only: &Only, which: Which) -> anyhow::Result<StageOutcome> {
    let wanted = |(place, partner, _): (usize, &Partner, &PartnerEnv)| {
        only.partner
            .as_ref()
            .is_none_or(|id| *id == partner.id)
            .then_some(place)
    };
    let places: Vec<usize> = run.each_partner().filter_map(wanted).collect();
    let wanted_places = places.clone();
    let mut delivered = Lot {
        run,
        ended: BTreeMap::new(),
        turn: 0,
        out_of_turn: BTreeSet::new(),
        sent: Vec::new(),
        leases: Vec::new(),
        outcome: StageOutcome::default(),
    };
    // From here until the drops are recorded nobody else moves the legs of these sources.
    let sources = Arc::new(sources_of(run, &places, &mut delivered.outcome).await?);
    // Partners have strands of their own, so a few are served at once: while one is committed, others are mapped.
    let at_once = if run.workers == 1 { 1 } else { run.workers * 2 };
    let mut several = SeveralAtOnce::new(at_once);
    for (number, place) in places.into_iter().enumerate() {
        while several.is_full() {
            delivered.take(several.ended_in_time().await?).await?;
        }
        let work = deliver_one(Arc::clone(run), Arc::clone(&sources), place, which);
        several.begin(number, work);
    }
    while !several.is_idle() {
        delivered.take(several.ended_in_time().await?).await?;
    }
    delivered.commit().await?;
    if let Some(sources) = Arc::into_inner(sources) {
        sources.give_back().await?;
    }
    people::renew(run, &wanted_places, &mut delivered.outcome).await?;
    Ok(delivered.outcome)
}

/// The leases of every source, if anything waits for one of these partners, or for word of what became of it: a leg moves by its
/// source or by its partner.
async fn sources_of(
    run: &Run,
    places: &[usize],
    outcome: &mut StageOutcome,
) -> anyhow::Result<LeaseSet> {
    let mut sources = LeaseSet::new(LeaseStage::Pull);
    for place in places {
        let strand = run.partners[*place].strand;
        let pending = run.store.legs_pending(strand, LegId::NONE, 1);
        if !pending.await?.is_empty() || has_drop(run, strand, DropState::Prepared).await? {
            for source in &run.sources {
                sources.of(run, source.strand, outcome).await?;
            }
            break;
        }
    }
    Ok(sources)
}

/// Drops that have left: they are recorded together, for their legs lie among one another in the store.
struct Lot<'e> {
    run: &'e Run,
    /// Deliveries that have ended and wait for those to partners before them, by number.
    ended: BTreeMap<usize, Delivered>,
    /// Whose turn it is to be recorded.
    turn: usize,
    /// Those after it that were recorded already.
    out_of_turn: BTreeSet<usize>,
    sent: Vec<Batch>,
    leases: Vec<HeldLease>,
    outcome: StageOutcome,
}

impl Lot<'_> {
    /// What came of a partner is recorded in the order of the partners, whichever disk was faster. Where nothing ended in time (`None`)
    /// a disk does not answer, and nobody knows whether it ever will: what has left is recorded, whosever turn it is.
    async fn take(
        &mut self,
        ended: Option<(usize, anyhow::Result<Delivered>)>,
    ) -> anyhow::Result<()> {
        let Some((number, ended)) = ended else {
            for (number, delivered) in std::mem::take(&mut self.ended) {
                self.out_of_turn.insert(number);
                self.add(delivered).await?;
            }
            return self.commit().await;
        };
        self.ended.insert(number, ended?);
        loop {
            if let Some(delivered) = self.ended.remove(&self.turn) {
                self.add(delivered).await?;
            } else if !self.out_of_turn.remove(&self.turn) {
                return Ok(());
            }
            self.turn += 1;
        }
    }

    async fn add(&mut self, delivered: Delivered) -> anyhow::Result<()> {
        self.outcome.merge(delivered.outcome);
        self.sent.extend(delivered.sent);
        self.leases.extend(delivered.lease);
        if self.sent.len() >= limits::DROPS_TOGETHER {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> anyhow::Result<()> {
        if !self.sent.is_empty() {
            let sent = std::mem::take(&mut self.sent);
            match self.run.store.commit_all(sent.clone()).await {
                Err(StoreError::LeaseLost | StoreError::Stale) => self.commit_each(sent).await?,
                committed => drop(committed?),
            }
        }
        give_back(std::mem::take(&mut self.leases)).await?;
        Ok(())
    }

    /// Each by itself: what one of them met is no reason to leave the others. The next run finishes the drop of that one.
    async fn commit_each(&mut self, sent: Vec<Batch>) -> anyhow::Result<()> {
        for batch in sent {
            let strand = batch.strand;
            let committed = self.run.store.commit(batch).await;
            let committed = committed.map_err(anyhow::Error::from);
            self.run.unless_lost(strand, committed, &mut self.outcome)?;
        }
        Ok(())
    }
}

async fn deliver_one(
    run: Arc<Run>,
    sources: Arc<LeaseSet>,
    place: usize,
    which: Which,
) -> anyhow::Result<Delivered> {
    let mut delivered = Delivered::default();
    let strand = run.partners[place].strand;
    if !anything(&run, place, which).await? {
        return Ok(delivered);
    }
    let outcome = &mut delivered.outcome;
    let lease = run.lease(LeaseStage::Deliver, strand, outcome).await?;
    let Some(lease) = lease else {
        return Ok(delivered);
    };
    let done = deliver_under(&run, &lease, &sources, (place, which), &mut delivered).await;
    run.unless_lost(strand, done, &mut delivered.outcome)?;
    delivered.lease = Some(lease);
    Ok(delivered)
}

/// Whether there is anything to do for a partner.
async fn anything(run: &Run, place: usize, which: Which) -> anyhow::Result<bool> {
    let strand = run.partners[place].strand;
    if !run
        .store
        .legs_pending(strand, LegId::NONE, 1)
        .await?
        .is_empty()
    {
        return Ok(true);
    }
    let (_, partner) = run.approved(place);
    if which == Which::UrgentStops {
        return Ok(false);
    }
    Ok(partner.deliver.empty
        || has_drop(run, strand, DropState::Sent).await?
        || has_drop(run, strand, DropState::Prepared).await?)
}

/// Whether a drop of a partner has come so far and no further.
async fn has_drop(run: &Run, partner: StrandId, state: DropState) -> anyhow::Result<bool> {
    let first = run.store.drop_files_in(state, partner, DropId::NONE, 1);
    Ok(!first.await?.is_empty())
}

async fn deliver_under(
    run: &Arc<Run>,
    lease: &HeldLease,
    sources: &LeaseSet,
    (place, which): (usize, Which),
    delivered: &mut Delivered,
) -> anyhow::Result<()> {
    let ((rules, partner), at) = (run.approved(place), &run.partners[place]);
    // An earlier drop is in the way of a stop that goes at once, and of nothing else before records are read again.
    if which == Which::UrgentStops {
        let waiting = pending(run, at.strand, run.config.limits.drop_rows_max).await?;
        if !waiting.iter().any(|leg| may_go(run, which, leg)) {
            return Ok(());
        }
    }
    if !finish_earlier(run, (lease, sources), place, delivered).await? {
        return Ok(());
    }
    if which == Which::All {
        picked_up(run, lease, partner, at, &mut delivered.outcome).await?;
    }
    let mut legs = pending(run, at.strand, run.config.limits.drop_rows_max).await?;
    let due = legs.len();
    legs.retain(|leg| run.source_at(leg.source).is_some());
    let orphans = due - legs.len();
    if orphans > 0 {
        // Nobody can say by which settings they are written, a stop neither.
        let why = Unsent::NoSource { rows: orphans };
        delivered
            .outcome
            .unreachable
            .push(undelivered(partner, &why));
    }
    legs.retain(|leg| may_go(run, which, leg) && sources.holds(leg.source));
    // Where the file has no column for it, nobody could tell a stop from a new row.
    let (news, changes) = if tells_action(rules, partner) {
        (legs, Vec::new())
    } else {
        legs.into_iter()
            .partition(|leg| leg.now.pending == Some(Action::New))
    };
    let empty = partner.deliver.empty && which == Which::All;
    for (legs, notice) in [(news, false), (changes, true)] {
        if legs.is_empty() && (notice || !empty) {
            continue;
        }
        let made = drop_to(run, (lease, sources), place, (legs, notice), delivered).await?;
        if let Some(failed) = made {
            delivered.outcome.unreachable.push(failed);
            break;
        }
    }
    Ok(())
}

async fn pending(
    ledger: &LedgerAccess,
    partner: StrandId,
    rows_max: usize,
) -> anyhow::Result<Vec<Leg>> {
    let mut legs: Vec<Leg> = Vec::new();
    loop {
        let after = legs.last().map_or(LegId::NONE, |leg| leg.id);
        let page = ledger.store.legs_pending(partner, after, PAGE).await?;
        if !add_page(&mut legs, page, rows_max) {
            return Ok(legs);
        }
    }
}

/// Adds a page to the legs of a drop, as far as they fit; says whether another page may be added.
fn add_page<L>(legs: &mut Vec<L>, page: Vec<L>, rows_max: usize) -> bool {
    let last = i64::try_from(page.len()).unwrap_or(0) < PAGE;
    legs.extend(page);
    legs.truncate(rows_max);
    !last && legs.len() < rows_max
}

/// Prepares, publishes and records one drop; gives what kept it from being written.
async fn drop_to(
    run: &Arc<Run>,
    (lease, sources): (&HeldLease, &LeaseSet),
    place: usize,
    (legs, notice): (Vec<Leg>, bool),
    delivered: &mut Delivered,
) -> anyhow::Result<Option<Diagnostic>> {
    let env = run.env();
    // While a wider version waits, what goes to people known already goes by the version that was approved.
    let (partner, at) = (env.approved(place).1, &env.partners[place]);
    if let Err(error) = ready(env, place).await? {
        return Ok(Some(undelivered(partner, &error.into())));
    }
    let (strand, sequence) = next_number(env, partner, at).await?;
    let before = env.store.strand(&strand).await?.seq;
    let drop_id = env.ids.take(&*env.store, at.strand, 1).await?.next();
    let today = env.today();
    let of = Numbered {
        sequence,
        today,
        notice,
    };
    let mut maker = Maker::new(Arc::clone(env), By::InForce(place), of)?;
    for page in legs.chunks(drop_bytes::PAGE) {
        let planned = plan(run, (drop_id, today), page).await?;
        maker = add(env, maker, planned).await?;
    }
    let unwritable = std::mem::take(&mut maker.unwritable);
    let made = maker.finish()?;
    if made.rows.is_empty() && !partner.deliver.empty {
        let mut batch = lease.batch(env.now());
        let none = (run.id, DropId::NONE);
        let held = hold_back(env, &mut batch, none, &legs, &unwritable);
        if !batch.is_empty() {
            delivered.outcome.count(Stage::Deliver, &held);
            env.store.commit(batch).await?;
        }
        return Ok(None);
    }
    if let Err(error) = at.transport.capabilities().takes(&made.bytes) {
        return Ok(Some(undelivered(partner, &error.into())));
    }
    let stops: Vec<LegId> = made
        .rows
        .iter()
        .filter(|row| row.action == Action::Stop)
        .map(|row| row.leg)
        .collect();
    let file = record(env, place, (drop_id, of), &made);
    let mut batch = preparing(env, lease, partner, &file);
    batch.drop_rows.clone_from(&made.rows);
    let held = hold_back(env, &mut batch, (run.id, drop_id), &legs, &unwritable);
    env.store.commit(batch).await?;
    delivered.outcome.count(Stage::Deliver, &held);
    let put_out = async {
        lease.stands()?;
        sources.stand()?;
        // From here on a store without this drop is known to be an older one.
        env.anchor.raise(env, Some((&strand, sequence))).await?;
        publish(env, place, (&file, before), made).await
    };
    match put_out.await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => {
            note_kept(env, lease, &file, &why).await?;
            return Ok(Some(undelivered(partner, &why)));
        }
        // Nothing of it was put out. Why is said rather than that this could not be noted.
        Err(error) => {
            if note_unseen(env, lease, &file).await.is_err() {
                tracing::warn!(partner.id = %partner.id, drop.sequence = sequence, "that a drop was kept from leaving could not be noted");
            }
            return Err(error);
        }
    }
    let record = sent(env, lease, &file, run.id, &stops, &mut delivered.outcome);
    delivered.sent.push(record);
    Ok(None)
}

/// The record of a drop.
fn record(env: &Env, place: usize, (id, of): (DropId, Numbered), made: &Made) -> DropFile {
    let (partner, at) = (env.approved(place).1, &env.partners[place]);
    let leaves: Vec<Digest> = made.rows.iter().map(drop_leaf).collect();
    DropFile {
        id,
        partner: at.strand,
        sequence: of.sequence,
        name: file_name(partner, of),
        day: day_number(of.today),
        rows: i64::try_from(made.rows.len()).unwrap_or(i64::MAX),
        digest: env.keys.file_digest(&sha256(&[&made.bytes])),
        root: merkle_root(&leaves).unwrap_or_default(),
        rule: partner.hash,
        mapper: MAPPER,
        state: DropState::Prepared,
    }
}

/// What is durable of a drop before anything of it has a name; its rows are still to come.
fn preparing(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    partner: &Partner,
    file: &DropFile,
) -> Batch {
    let mut batch = lease.batch(ledger.now());
    let prepared = Body::Prepared {
        sequence: file.sequence,
        rows: file.rows,
        digest: file.digest,
        root: file.root,
        rule: Some(file.rule),
    };
    batch.push(Entry::new(file.id, prepared));
    batch.rules.push((partner.hash, partner.bundle.clone()));
    batch.drop_file = Some(file.clone());
    batch
}

/// The strand of a partner, by name, and the number of its next drop: one that was given before an older store was taken into use
/// stays given.
async fn next_number(
    ledger: &LedgerAccess,
    partner: &Partner,
    at: &PartnerEnv,
) -> anyhow::Result<(String, i64)> {
    let strand = format!("partner:{}", partner.id);
    let last = ledger.store.last_drop(at.strand).await?;
    let given = ledger.anchor.last_sequence(&ledger.keys, &strand)?;
    let sequence = last.map_or(0, |file| file.sequence).max(given) + 1;
    Ok((strand, sequence))
}

/// What a page of legs asks for, row by row.
async fn plan(
    run: &Run,
    (drop_id, today): (DropId, Date),
    legs: &[Leg],
) -> anyhow::Result<Vec<Planned>> {
    let sent = last_rows(run, legs).await?;
    let mut planned = Vec::with_capacity(legs.len());
    for leg in legs {
        let Some(action) = leg.now.pending else {
            continue;
        };
        let before = sent.get(&leg.id);
        let raws = match (action, before) {
            // A stop goes out with the identity as last sent.
            (Action::Stop | Action::Pause, Some(row)) => row.raws,
            _ => leg.now.raws,
        };
        let (rev, prev, action) = (leg.rev + 1, leg.last, action);
        let row = DropRow {
            drop_id,
            row: 0,
            leg: leg.id,
            rev,
            prev,
            action,
            raws,
            changed: String::new(),
            digest: [0; 16],
        };
        let new = leg.now.pending == Some(Action::New);
        let ready = new
            .then(|| run.ready.take(leg.id, leg.rev, today))
            .flatten();
        planned.push(Planned {
            row,
            as_of: None,
            ready,
            before: before
                .filter(|_| action == Action::Amend)
                .map(|row| row.raws),
            reference: leg.reference,
            source: leg.source,
            person: leg.now.person,
        });
    }
    Ok(planned)
}

/// The last row sent for each leg that has been sent before.
async fn last_rows(ledger: &LedgerAccess, legs: &[Leg]) -> anyhow::Result<HashMap<LegId, DropRow>> {
    let before: Vec<LegId> = legs
        .iter()
        .filter(|leg| leg.now.pending != Some(Action::New))
        .map(|leg| leg.id)
        .collect();
    let rows = ledger.drop_rows_where(before, DropState::has_left).await?;
    Ok(rows.into_iter().map(|row| (row.leg, row)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Limits;

    #[test]
    fn a_drop_takes_all_that_waits_up_to_its_bound() {
        let taken_of = |waiting: usize, rows_max: usize| {
            let legs: Vec<usize> = (0..waiting).collect();
            let mut pages = legs.chunks(usize::try_from(PAGE).unwrap());
            let mut taken = Vec::new();
            while add_page(
                &mut taken,
                pages.next().unwrap_or_default().to_vec(),
                rows_max,
            ) {}
            taken.len()
        };
        let usual = Limits::default().drop_rows_max;
        for rows_max in [1, 7, usual] {
            limits::holds_at(rows_max, |rows| taken_of(rows, rows_max) == rows);
            assert_eq!(taken_of(rows_max + 1, rows_max), rows_max);
        }
        assert_eq!(taken_of(0, usual), 0);
    }

    #[test]
    fn a_page_over_the_bound_is_cut() {
        let mut taken = vec![0; 6];
        assert!(!add_page(&mut taken, vec![1; 2], 7));
        assert_eq!(taken.len(), 7);
    }
}
