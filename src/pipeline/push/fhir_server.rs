//! Writing by FHIR: what may have arrived first, then what waits, then what is queued, several legs at once.
//!
//! Three batches are in hand at a time: one is read and claimed, one is sent, one is recorded. So the server never waits for
//! our disk, and nothing is sent before its claim is durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::endings::{ending, is_open, unsent_state};
use super::load_writes::BuiltWrites;
use super::record_writes::{Ended, Results, begin, end, refusals, waiting};
use super::send::{Answers, Outcome, Session};
use super::unproven::{Heeds, set_aside};
use super::{Unit, load_writes, person_check, task_sync};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::{Disposition, EventId, LegId, Reason, StrandId, limits};
use crate::fhir::resources::capability_statement::Says;
use crate::pipeline::gp_client;
use crate::pipeline::push::hold_back::hold_back;
use crate::pipeline::run::{Env, HeldLease, Run, StageOutcome};
use crate::store::rows::{MirrorKind, PushState};
use crate::store::{LeaseStage, PushQuery, StoreError};

/// Sends everything that is due for a source.
///
/// # Errors
/// The store failed.
pub(super) async fn push(
    run: &Arc<Run>,
    place: usize,
    base_url: &str,
) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    if !anything(run, place).await? {
        return Ok(outcome);
    }
    let strand = run.sources[place].strand;
    let lease = run.lease(LeaseStage::Push, strand, &mut outcome).await?;
    let Some(lease) = lease else {
        return Ok(outcome);
    };
    let pushed = under(run, place, &lease, base_url).await;
    if let Some(pushed) = run.ended(lease, pushed, &mut outcome).await? {
        outcome.merge(pushed);
    }
    Ok(outcome)
}

async fn under(
    run: &Arc<Run>,
    place: usize,
    lease: &HeldLease,
    base_url: &str,
) -> anyhow::Result<StageOutcome> {
    let (env, mut outcome) = (run.env(), StageOutcome::default());
    let here = || Place::detail(format!("source {}", env.sources[place].config.id));
    let opened = async {
        let client = gp_client::client(env, place, base_url)?;
        let statement = client.capability_statement().await?;
        Ok((client, statement))
    };
    let (client, statement) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            let wrong = gp_client::diagnostic(&error, Code::WriteUnreachable, here());
            outcome.unreachable.push(wrong);
            return Ok(outcome);
        }
    };
    // Only a plain "no" counts: what is not said is tried.
    let creates = |kind| statement.can(kind, "create") != Says::No;
    if statement.r4() == Says::No || !creates("Observation") {
        let what = "a GP system says that it takes no Observations by FHIR R4";
        outcome
            .unreachable
            .push(Diagnostic::new(Code::WriteUnfit, what, here()));
        return Ok(outcome);
    }
    let source = &env.sources[place].config;
    let heeds = Heeds {
        observations: statement.creates_once("Observation") == Says::Yes,
        tasks: statement.creates_once("Task") == Says::Yes,
    };
    let session = Session {
        client,
        namespace: env.config.namespace.clone(),
        transactions: AtomicBool::new(statement.takes("transaction") == Says::Yes),
    };
    let mut pusher = Pusher {
        run,
        lease,
        place,
        strand: env.sources[place].strand,
        session: Arc::new(session),
        heeds,
        look_always: !heeds.observations || env.restored.is_some(),
        tasks: source.push.write_task && creates("Task"),
        failures: 0,
        lost: false,
        later: 0,
        stop: None,
        outcome,
    };
    pusher.everything(source.push.write_request_status).await?;
    if pusher.lost {
        let lost = Diagnostic::new(Code::WriteLost, "the answer to a write was lost", here());
        pusher.outcome.unreachable.push(lost);
    }
    if let Some(stop) = pusher.stop {
        pusher.outcome.unreachable.push(stop);
    } else if pusher.later > 0 {
        let what = format!(
            "a GP system did not take {} entries to the end of the run",
            pusher.later
        );
        let later = Diagnostic::new(Code::WriteUnreachable, what, here());
        pusher.outcome.unreachable.push(later);
    }
    Ok(pusher.outcome)
}

/// Whether there is anything to ask a server for.
async fn anything(env: &Env, place: usize) -> anyhow::Result<bool> {
    let source = &env.sources[place];
    for state in OPEN {
        let query = query(source.strand, state, env.now().0, EventId::NONE, 1);
        if !env.store.pushes(query).await?.is_empty() {
            return Ok(true);
        }
    }
    let kinds = [
        (source.config.push.write_task, MirrorKind::Task),
        (source.config.push.write_request_status, MirrorKind::Request),
    ];
    for (wanted, kind) in kinds {
        let legs = env.store.legs_to_tell(source.strand, kind, LegId::NONE, 1);
        if wanted && !legs.await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// States with something to do; what may have arrived comes first. What is lost in this run is looked up in the next one:
/// a server that is slow to store might not show it yet.
const OPEN: [PushState; 4] = [
    PushState::AnswerLost,
    PushState::Sending,
    PushState::Waiting,
    PushState::Queued,
];

fn query(source: StrandId, state: PushState, now: i64, after: EventId, limit: i64) -> PushQuery {
    PushQuery {
        source,
        state,
        now,
        after,
        limit,
    }
}

/// The writes that are claimed together.
fn batch(source: StrandId, state: PushState, now: i64, after: EventId) -> PushQuery {
    query(source, state, now, after, limits::PUSH_BATCH)
}

/// What a page of work is read from, and after what.
#[derive(Clone, Copy)]
enum WorkSource {
    Writes(PushState, EventId),
    Legs(MirrorKind, LegId),
}

/// A page of work: claimed units, and what was settled without sending.
#[derive(Default)]
struct Page {
    units: Vec<Unit>,
    settled: Vec<Ended>,
    /// The same of what legs' Tasks say.
    told: Vec<task_sync::Told>,
    /// Some of it was lost so lately that it waits.
    unproven: bool,
    /// What the next page is read from; none after the last.
    next: Option<WorkSource>,
    /// The server could not be read.
    unread: Option<Diagnostic>,
}

struct Pusher<'e> {
    run: &'e Arc<Run>,
    lease: &'e HeldLease,
    place: usize,
    strand: StrandId,
    session: Arc<Session>,
    heeds: Heeds,
    /// The server does not promise to heed `If-None-Exist`, or the store may have forgotten what was written.
    look_always: bool,
    tasks: bool,
    /// Legs in a row that failed.
    failures: usize,
    lost: bool,
    /// What the server did not take, and may take later.
    later: usize,
    /// Why nothing more is sent in this run.
    stop: Option<Diagnostic>,
    outcome: StageOutcome,
}

impl Pusher<'_> {
    async fn everything(&mut self, requests: bool) -> anyhow::Result<()> {
        for state in OPEN {
            self.drain(WorkSource::Writes(state, EventId::NONE)).await?;
        }
        if self.tasks {
            self.drain(WorkSource::Legs(MirrorKind::Task, LegId::NONE))
                .await?;
        }
        if requests {
            self.drain(WorkSource::Legs(MirrorKind::Request, LegId::NONE))
                .await?;
        }
        Ok(())
    }

    /// Works through all pages: while one is sent, the next is made ready and the last is recorded.
    async fn drain(&mut self, from: WorkSource) -> anyhow::Result<()> {
        let mut stream = self.run.stream();
        let mut page = self.prepare(from).await?;
        let mut results = Results::default();
        loop {
            if self.stop.is_some() {
                page.settled
                    .extend(page.units.drain(..).flat_map(given_back));
            }
            results.writes.append(&mut page.settled);
            results.told.append(&mut page.told);
            self.lost |= page.unproven;
            let (recorded, units) = (
                std::mem::take(&mut results),
                std::mem::take(&mut page.units),
            );
            let mut outcome = std::mem::take(&mut self.outcome);
            let lease = self.lease;
            let stands = move || lease.stands();
            let mut sending = Sending {
                session: &self.session,
                stands: &stands,
                failures: self.failures,
                barred: false,
            };
            let ahead = async {
                match page.next.filter(|_| self.stop.is_none()) {
                    Some(next) => self.prepare(next).await,
                    None => Ok(Page::default()),
                }
            };
            let (ended, sent, ahead) = tokio::join!(
                end(self.run, self.lease, recorded, &mut outcome),
                sending.send(units),
                ahead
            );
            let barred = sending.barred;
            self.failures = sending.failures;
            self.outcome = outcome;
            ended?;
            let sent = sent?;
            page = ahead?;
            if barred {
                let what = "a GP system lets Kith write nothing";
                self.stop = Some(Diagnostic::new(Code::NotAuthorised, what, self.here()));
            } else if self.failures >= limits::WRITE_FAILURES_MAX {
                let what = "a GP system could not be reached for writing";
                self.stop = Some(Diagnostic::new(Code::WriteUnreachable, what, self.here()));
            }
            if let Some(unread) = page.unread.take() {
                self.stop = Some(unread);
            }
            for (unit, answers) in sent {
                let all = || answers.writes.iter().chain(&answers.task);
                self.lost |= all().any(|one| matches!(one, Outcome::Lost | Outcome::TimedOut));
                self.later += all().filter(|one| **one == Outcome::Later).count();
                ending(unit, answers, &mut stream, &mut results);
            }
            let idle = results.writes.is_empty() && results.told.is_empty();
            let empty = page.units.is_empty() && page.settled.is_empty() && page.told.is_empty();
            if empty && page.next.is_none() && !page.unproven && idle {
                return Ok(());
            }
        }
    }

    fn here(&self) -> Place {
        let source = &self.run.sources[self.place].config;
        Place::detail(format!("source {}", source.id))
    }

    /// Reads, builds, checks and claims a page.
    async fn prepare(&self, from: WorkSource) -> anyhow::Result<Page> {
        let env = self.run.env();
        let mut page = Page::default();
        if self.stop.is_some() {
            return Ok(page);
        }
        let loaded = match from {
            WorkSource::Writes(state, after) => {
                let query = batch(self.strand, state, env.now().0, after);
                let rows = env.store.pushes(query).await?;
                page.next = rows.last().map(|row| WorkSource::Writes(state, row.event));
                let subjects = load_writes::subjects(env, &rows).await?;
                let (rows, held) = hold_back(self.run, self.place, rows, &subjects).await?;
                page.settled = waiting(held);
                load_writes::load(env, rows, subjects).await?
            }
            WorkSource::Legs(kind, after) => {
                let legs = env
                    .store
                    .legs_to_tell(self.strand, kind, after, limits::PUSH_BATCH)
                    .await?;
                page.next = legs.last().map(|leg| WorkSource::Legs(kind, leg.id));
                let units = load_writes::units(env, legs).await?;
                BuiltWrites {
                    units,
                    ..BuiltWrites::default()
                }
            }
        };
        page.settled.extend(refusals(loaded.refused));
        page.settled.extend(waiting(loaded.held));
        let source = &env.sources[self.place].config;
        let asked = (&*source.restricted_labels, source.pull.rebases());
        let today = env.today();
        let parted = person_check::part(&self.session.client, asked, today, loaded.units).await;
        let (mut units, held) = match parted {
            Ok(parted) => parted,
            Err(error) => {
                let wrong = gp_client::diagnostic(&error, Code::WriteUnreachable, self.here());
                (page.unread, page.next) = (Some(wrong), None);
                return Ok(page);
            }
        };
        let held = held.into_iter().flat_map(|(unit, reason)| {
            let rows = unit.writes.into_iter().map(|write| write.row);
            rows.map(move |row| (row, reason)).collect::<Vec<_>>()
        });
        page.settled.extend(waiting(held.collect()));
        self.add_told(from, &mut units).await?;
        let aside = set_aside(env, self.strand, &self.session, self.heeds, &mut units).await?;
        page.unproven = aside.waiting > 0;
        page.settled.extend(aside.writes);
        page.told = aside.told;
        let lost = matches!(
            from,
            WorkSource::Writes(PushState::Sending | PushState::AnswerLost, _)
        );
        for unit in &mut units {
            unit.look_first = self.look_always || lost;
        }
        units.retain(|unit| !unit.writes.is_empty() || unit.task.is_some());
        if begin(env, self.lease, &mut units).await? {
            page.units = units;
        }
        Ok(page)
    }

    /// Gives units what the server is told of their legs.
    async fn add_told(&self, from: WorkSource, units: &mut [Unit]) -> anyhow::Result<()> {
        let env = self.run.env();
        match from {
            WorkSource::Writes(..) if !self.tasks => Ok(()),
            WorkSource::Writes(..) | WorkSource::Legs(MirrorKind::Task, _) => {
                task_sync::add_tasks(env, units).await
            }
            WorkSource::Legs(MirrorKind::Request, _) => task_sync::add_requests(env, units).await,
        }
    }
}

/// Sends units, a bounded number at once.
struct Sending<'s> {
    session: &'s Arc<Session>,
    /// Whether something may still be sent.
    stands: &'s (dyn Fn() -> Result<(), StoreError> + Sync),
    failures: usize,
    barred: bool,
}

impl Sending<'_> {
    async fn send(&mut self, units: Vec<Unit>) -> anyhow::Result<Vec<(Unit, Answers)>> {
        let mut left: VecDeque<Unit> = units.into();
        let mut sent = Vec::with_capacity(left.len());
        let mut under_way = JoinSet::new();
        loop {
            while self.may_begin(under_way.len()) {
                let Some(unit) = left.pop_front() else { break };
                // A process that slept too long sends nothing more: another one may have looked it up meanwhile.
                (self.stands)()?;
                let session = Arc::clone(self.session);
                let send = async move {
                    let answers = session.send(&unit).await;
                    (unit, answers)
                };
                under_way.spawn(send.in_current_span());
            }
            let Some(done) = under_way.join_next().await else {
                break;
            };
            let (unit, answers) = done?;
            self.note(&answers);
            sent.push((unit, answers));
        }
        // What was claimed and never sent goes back to where it waits.
        sent.extend(left.into_iter().map(|unit| {
            let writes = vec![Outcome::Later; unit.writes.len()];
            let task = unit.task.as_ref().map(|_| Outcome::Later);
            (unit, Answers { writes, task })
        }));
        // The order in which answers came is nobody's business: the same answers leave the same books.
        sent.sort_by_key(|(unit, _)| {
            (
                unit.writes.first().map(|write| write.row.event),
                unit.leg.id,
            )
        });
        Ok(sent)
    }

    /// Whether another unit may be sent beside so many.
    fn may_begin(&self, under_way: usize) -> bool {
        under_way < limits::WRITES_AT_ONCE && !self.over()
    }

    fn over(&self) -> bool {
        self.barred || self.failures >= limits::WRITE_FAILURES_MAX
    }

    fn note(&mut self, answers: &Answers) {
        let mut all = answers.writes.iter().chain(&answers.task);
        if all.any(is_open) {
            self.failures += 1;
        } else {
            self.failures = 0;
        }
        let mut all = answers.writes.iter().chain(&answers.task);
        self.barred |= all.any(|outcome| *outcome == Outcome::Barred);
    }
}

/// A unit that is not sent after all.
fn given_back(unit: Unit) -> Vec<Ended> {
    let back = |write: super::Write| {
        let state = unsent_state(&write.row, unit.look_first);
        Ended::unsent(write.row, state, (Disposition::Held, Reason::Unreachable))
    };
    unit.writes.into_iter().map(back).collect()
}

#[cfg(test)]
mod tests {
    use super::super::send_tests::unit;
    use super::*;
    use crate::domain::{Instant, RunId};
    use crate::fhir::client::{Client, Settings};
    use crate::pipeline::run::LeaseKeeper;
    use crate::store::rows::{PushKind, PushRow};
    use crate::store::{LeaseStage, SqliteStore, Store as _};

    fn session() -> Arc<Session> {
        Arc::new(Session {
            client: Client::new(Settings::new("http://127.0.0.1:9/fhir")).unwrap(),
            namespace: String::new(),
            transactions: false.into(),
        })
    }

    fn sending(session: &Arc<Session>) -> Sending<'_> {
        Sending {
            session,
            stands: &|| Ok(()),
            failures: 0,
            barred: false,
        }
    }

    #[tokio::test]
    async fn a_batch_has_only_so_many_writes_and_the_next_one_the_rest() {
        for (writes, left) in [(limits::PUSH_BATCH, 0), (limits::PUSH_BATCH + 1, 1)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("kith.db");
            let store = Arc::new(
                SqliteStore::open(&path, &crate::domain::Limits::default())
                    .await
                    .unwrap(),
            );
            store.name_installation([7; 16]).await.unwrap();
            let strand = store.strand("a").await.unwrap().id;
            let row = unit(&["a"], PushKind::Create, false).writes.remove(0).row;
            let keeper = LeaseKeeper::new(store.clone(), 5);
            let lease = keeper.take(LeaseStage::Push, strand, RunId::NONE).await;
            let lease = lease.unwrap().unwrap();
            let mut queued = lease.batch(Instant(1));
            queued.pushes.extend((1..=writes).map(|event| PushRow {
                event: EventId::new(event),
                source: strand,
                state: PushState::Queued,
                ..row.clone()
            }));
            store.commit(queued).await.unwrap();
            lease.give_back().await.unwrap();
            let after = |after| store.pushes(batch(strand, PushState::Queued, 1, after));
            let first = after(EventId::NONE).await.unwrap();
            let next = after(first.last().unwrap().event).await.unwrap();
            assert_eq!(i64::try_from(first.len()).unwrap(), limits::PUSH_BATCH);
            assert_eq!(next.len(), left);
            store.close().await;
        }
    }

    #[test]
    fn only_so_many_writes_are_under_way_at_once() {
        let session = session();
        let mut sending = sending(&session);
        limits::holds_at(limits::WRITES_AT_ONCE, |writes| {
            (0..writes).all(|under_way| sending.may_begin(under_way))
        });
        sending.barred = true;
        assert!(!sending.may_begin(0));
    }

    #[test]
    fn a_source_is_left_after_so_many_failures_in_a_row() {
        let session = session();
        let over_after = |failures: usize, then: Option<Outcome>| {
            let mut sending = sending(&session);
            let lost = std::iter::repeat_n(Outcome::Lost, failures);
            for outcome in lost.chain(then) {
                let writes = vec![outcome];
                sending.note(&Answers { writes, task: None });
            }
            sending.over()
        };
        assert!(!over_after(limits::WRITE_FAILURES_MAX - 1, None));
        assert!(over_after(limits::WRITE_FAILURES_MAX, None));
        let in_between = Some(Outcome::Nothing);
        assert!(!over_after(limits::WRITE_FAILURES_MAX - 1, in_between));
    }
}
