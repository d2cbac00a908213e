//! *pull*: reads referrals from a GP system or a folder of extracts, and with select and map puts them into the store.
//!
//! In: a source. Out: sealed inputs, legs that are routed, held or closed, the books of three stages, and a certificate.
//! Keeps: nothing is marked as read before it is durable; the same input again changes nothing (`ledger.md` §4).
//!
//! ```text
//! reader ── chunks ──► workers (parse, select, map, seal) ──► writer, in chunk order, one commit a group
//! ```

mod bulk;
mod certificate;
mod extracts;
pub(crate) mod folder;
mod referral_source;
mod search;
#[cfg(test)]
pub(crate) mod seeded;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use certificate::Evidence;
use extracts::Extracts;
use referral_source::{Ended, PullError, ReferralSource};
use search::{Asked, SearchPull};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::decide::rules_look;
use super::gp_client;
use super::ingest::intake::Intake;
use super::ingest::queue::feed;
use super::run::{Env, HeldLease, Only, Run, StageOutcome};
use crate::config::{Bulk, Pull, Reading};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::{Counts, Disposition, Instant, Reason, Stage, limits};
use crate::store::LeaseStage;
use crate::store::rows::Certificate;

/// Pulls every enabled source, a few at once; what they say is told in the order of the config.
///
/// # Errors
/// The store failed. A source that cannot be read is an outcome, and the others go on.
pub(crate) async fn run(run: &Arc<Run>, only: &Only) -> anyhow::Result<StageOutcome> {
    let wanted = |place: &usize| {
        let source = &run.sources[*place].config;
        source.enabled && only.source.as_ref().is_none_or(|id| *id == source.id)
    };
    let places: Vec<usize> = (0..run.sources.len()).filter(wanted).collect();
    let turns = Arc::new(Semaphore::new(run.workers));
    let at_once = sources_at_once(run);
    let mut outcomes: BTreeMap<usize, StageOutcome> = BTreeMap::new();
    let mut tasks: JoinSet<(usize, anyhow::Result<StageOutcome>)> = JoinSet::new();
    let mut failed = Ok(());
    let mut left = places.into_iter();
    loop {
        while failed.is_ok()
            && tasks.len() < at_once
            && let Some(place) = left.next()
        {
            let (run, turns) = (Arc::clone(run), Arc::clone(&turns));
            let pull = async move { (place, pull_source(&run, place, turns).await) };
            tasks.spawn(pull.in_current_span());
        }
        // Those under way come to their end even if another one finds the store failing: each commits whole groups.
        let Some(joined) = tasks.join_next().await else {
            break;
        };
        match joined? {
            (place, Ok(outcome)) => drop(outcomes.insert(place, outcome)),
            (_, Err(error)) => failed = failed.and(Err(error)),
        }
    }
    failed?;
    let mut outcome = StageOutcome::default();
    for of_source in outcomes.into_values() {
        outcome.merge(of_source);
    }
    Ok(outcome)
}

/// One worker means that everything is to happen in one order (the demo, the simulation). A partner's free places are
/// given out in one order too: two sources at once would each give out the last one.
fn sources_at_once(env: &Env) -> usize {
    let in_order = env.workers == 1
        || env
            .each_partner()
            .any(|(_, partner, _)| partner.select.open_legs_max.is_some());
    if in_order { 1 } else { limits::SOURCES_AT_ONCE }
}

async fn pull_source(
    run: &Arc<Run>,
    source: usize,
    turns: Arc<Semaphore>,
) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    let strand = run.sources[source].strand;
    let lease = run.lease(LeaseStage::Pull, strand, &mut outcome).await?;
    let Some(lease) = lease else {
        return Ok(outcome);
    };
    let pulled = pull_under(run, source, &lease, turns).await;
    if let Some(pulled) = run.ended(lease, pulled, &mut outcome).await? {
        outcome.merge(pulled);
    }
    Ok(outcome)
}

async fn pull_under(
    run: &Arc<Run>,
    source: usize,
    lease: &HeldLease,
    turns: Arc<Semaphore>,
) -> anyhow::Result<StageOutcome> {
    rules_look::begin(run, lease).await?;
    let before = certificate::last(run, source).await?;
    let at = Pulling {
        run,
        source,
        lease,
        before,
    };
    match &run.sources[source].config.pull {
        Pull::Folder { path, .. } => pull_folder(&at, path, turns).await,
        Pull::Search { base_url, reading } => pull_search(&at, base_url, *reading, turns).await,
        Pull::Bulk(config) => bulk::pull(&at, config, turns).await,
    }
}

async fn pull_folder(
    at: &Pulling<'_>,
    path: &Path,
    turns: Arc<Semaphore>,
) -> anyhow::Result<StageOutcome> {
    match Extracts::open(at.run, path, at.before.as_ref()).await? {
        Ok(extracts) => at.pull(extracts, turns).await,
        Err(error) => {
            at.not_begun(Diagnostic::new(
                Code::FolderMissing,
                error.to_string(),
                at.place_unread(),
            ))
            .await
        }
    }
}

async fn pull_search(
    at: &Pulling<'_>,
    base_url: &str,
    reading: Reading,
    turns: Arc<Semaphore>,
) -> anyhow::Result<StageOutcome> {
    let client = match gp_client::client(at.run, at.source, base_url) {
        Ok(client) => client,
        Err(error) => {
            return at
                .not_begun(PullError::from(error).diagnostic(at.place_unread()))
                .await;
        }
    };
    let asked = Asked::of(at, base_url, reading).await?;
    at.pull(SearchPull::new(&client, asked), turns).await
}

/// One source that is being pulled in a run.
struct Pulling<'e> {
    run: &'e Arc<Run>,
    source: usize,
    lease: &'e HeldLease,
    /// The certificate of the last pull.
    before: Option<Certificate>,
}

impl Pulling<'_> {
    fn place(&self) -> Place {
        let source = &self.run.sources[self.source].config;
        let at = match &source.pull {
            Pull::Folder { path, .. } => path.display().to_string(),
            Pull::Search { base_url, .. } | Pull::Bulk(Bulk { base_url, .. }) => {
                gp_client::server_of(base_url)
            }
        };
        Place::detail(format!("source {}, {at}", source.id))
    }

    /// The same, and since when the source is not known any more.
    fn place_unread(&self) -> Place {
        let known = match self.high() {
            Some(high) => format!("not read to its end since {}", high.london_words()),
            None => "never read to its end yet".to_owned(),
        };
        let of_source = self.place().text();
        Place::detail(format!("{of_source}, {known}"))
    }

    /// Where the last pull that could be relied on ended.
    fn high(&self) -> Option<Instant> {
        let high = self.before.as_ref()?.high;
        (high > 0).then_some(Instant(high))
    }

    /// Takes in what a source of referrals gives, and certifies it.
    async fn pull<R: ReferralSource>(
        &self,
        mut referrals: R,
        turns: Arc<Semaphore>,
    ) -> anyhow::Result<StageOutcome> {
        let mut outcome = StageOutcome::default();
        let mut intake = Intake::new(self.run, self.source, self.lease, turns).await?;
        let (failure, swept) = feed(&mut intake, &mut referrals).await?;
        intake.finish().await?;
        outcome.add_totals(&intake.writer.totals);
        outcome.diagnostics.extend(intake.writer.problems.all());
        let Ended {
            mut evidence,
            high,
            input,
            known,
            diagnostics,
        } = referrals.end();
        outcome.diagnostics.extend(diagnostics);
        if known > 0 {
            let mut counts = Counts::default();
            counts.add_many(Disposition::Repeated, Some(Reason::AlreadyKnown), known);
            outcome.count(Stage::Pull, &counts);
            self.book(counts).await?;
        }
        let (news, changes) = (intake.writer.news, intake.writer.changes);
        let found = swept.map_or((0, 0), |mark| (news - mark.0, changes - mark.1));
        if let (true, Some(sweep)) = (evidence.swept, &mut evidence.sweep) {
            (sweep.unseen, sweep.changed) = found;
        }
        evidence.broken |= failure.is_some();
        let before = self.before.as_ref().map(Evidence::of);
        let new = swept.map_or(news, |mark| mark.0);
        evidence.count_day(before.as_ref(), self.run.today(), new);
        self.tell(&mut outcome, &evidence, found, failure);
        // The high mark moves only now that every page is durable, and only if every page came.
        let mark = if evidence.broken { None } else { high };
        let mark = mark.or(self.high()).unwrap_or(Instant::ZERO);
        certificate::record(self.run, self.lease, &evidence, mark, input).await?;
        Ok(outcome)
    }

    /// Says what somebody should know of the evidence.
    fn tell(
        &self,
        outcome: &mut StageOutcome,
        evidence: &Evidence,
        (unseen, changed): (u64, u64),
        failure: Option<PullError>,
    ) {
        let mut say = |code: Code, what: String| {
            outcome
                .diagnostics
                .push(Diagnostic::new(code, what, self.place()));
        };
        let unresolved = evidence.unresolved + evidence.still_unresolved;
        if unresolved > 0 {
            let what = format!("{unresolved} records that referrals name could not be found");
            say(Code::Unresolved, what);
        }
        if unseen + changed > 0 {
            let what =
                format!("the sweep found {unseen} unseen referrals and {changed} unseen changes");
            say(Code::SweepFound, what);
        }
        if let Some(missing) = evidence.missing_usual {
            let what = format!("no new referral, where {missing} would be usual by now");
            say(Code::QuietSource, what);
        }
        let spoiled = evidence.export.as_ref().map_or(0, |export| export.errors)
            + evidence.unreadable
            + evidence.told_missing
            + evidence.left_out
            + evidence.full_pages;
        if spoiled > 0 && failure.is_none() {
            let what = format!("a source left out or spoiled {spoiled} of what it was asked for");
            let left_out = Diagnostic::new(Code::PagesIncomplete, what, self.place());
            outcome.unreachable.push(left_out);
        }
        match failure {
            Some(error) => outcome
                .unreachable
                .push(error.diagnostic(self.place_unread())),
            None if evidence.broken => outcome.unreachable.push(Diagnostic::new(
                Code::PagesIncomplete,
                "a search ended before its last page",
                self.place(),
            )),
            None => {}
        }
    }

    /// A source that cannot even be asked: certified as unknown, with the high mark where it was.
    async fn not_begun(&self, diagnostic: Diagnostic) -> anyhow::Result<StageOutcome> {
        let mut outcome = StageOutcome::default();
        outcome.unreachable.push(diagnostic);
        let mut evidence = Evidence {
            broken: true,
            ..Evidence::default()
        };
        let before = self.before.as_ref().map(Evidence::of);
        evidence.sweep = before.as_ref().and_then(|before| before.sweep.clone());
        evidence.count_day(before.as_ref(), self.run.today(), 0);
        let mark = self.high().unwrap_or(Instant::ZERO);
        certificate::record(self.run, self.lease, &evidence, mark, Vec::new()).await?;
        Ok(outcome)
    }

    async fn book(&self, counts: Counts) -> anyhow::Result<()> {
        let mut batch = self.lease.batch(self.run.now());
        batch.book_source(self.run.id, Stage::Pull, counts);
        self.run.store.commit(batch).await?;
        Ok(())
    }
}
