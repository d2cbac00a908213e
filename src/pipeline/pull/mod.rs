//! *pull*: reads referrals from a GP system or a folder of extracts, and with select and map puts them into the store.
//!
//! In: a source. Out: sealed inputs, legs that are routed, held or closed, the books of three rooms, and a certificate.
//! Keeps: nothing is marked as read before it is durable; the same input again changes nothing (`ledger.md` §4).
//!
//! ```text
//! reader ── chunks ──► workers (parse, select, map, seal) ──► writer, in chunk order, one commit a group
//! ```

mod change;
pub(crate) mod chunk;
pub(crate) mod folder;
mod group;
mod lore;
mod search;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;

pub(crate) use change::changed_headers;
use chunk::{IDS_A_REFERRAL, Load, Prepared, prepare};
use folder::Folder;
use group::GroupWriter;
pub(crate) use group::rule_tail;
use search::SearchPull;

use super::env::Env;
use super::{Only, StageOutcome, gp};
use crate::config::Pull;
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::{Counts, Disposition, Instant, Reason, Stage, limits};
use crate::fhir::client_error::ClientError;
use crate::store::rows::{BookRow, Certificate};
use crate::store::{Batch, Entry, Kind};

/// Pulls every enabled source.
///
/// # Errors
/// The store failed. A source that cannot be read is an outcome, and the others go on.
pub(crate) async fn run(env: &Arc<Env>, run: i64, only: &Only) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    for place in 0..env.sources.len() {
        let source = &env.sources[place].config;
        if !source.enabled || only.source.as_ref().is_some_and(|id| *id != source.id) {
            continue;
        }
        let pulled = match &source.pull {
            Pull::Folder { path, .. } => pull_folder(env, place, run, path).await?,
            Pull::Search { base_url } => pull_search(env, place, run, base_url).await?,
        };
        outcome.merge(pulled);
    }
    Ok(outcome)
}

/// A chunk being prepared.
type Chunk = tokio::task::JoinHandle<anyhow::Result<Prepared>>;

/// Chunks under way on worker threads, taken in order.
struct Line<'e> {
    env: &'e Arc<Env>,
    source: usize,
    waiting: VecDeque<Chunk>,
    writer: GroupWriter<'e>,
    /// As many chunks are worked on at once as there are workers; the rest wait their turn.
    turns: Arc<Semaphore>,
}

impl<'e> Line<'e> {
    async fn new(env: &'e Arc<Env>, source: usize, run: i64) -> anyhow::Result<Self> {
        Ok(Self {
            env,
            source,
            waiting: VecDeque::new(),
            writer: GroupWriter::new(env, source, run).await?,
            turns: Arc::new(Semaphore::new(env.workers)),
        })
    }

    /// Hands a chunk to a worker.
    async fn hand(&mut self, load: Load) -> anyhow::Result<()> {
        // Enough for the workers to go on with while a group is being committed.
        while self.waiting.len() >= self.env.workers + limits::CHUNKS_AHEAD {
            self.take_one().await?;
        }
        let count = i64::try_from(load.len()).unwrap_or(0).max(1) * IDS_A_REFERRAL;
        let strand = self.env.sources[self.source].strand;
        let ids = self.env.ids.take(&*self.env.store, strand, count).await?;
        let mut stream = self.env.stream();
        let (env, source) = (Arc::clone(self.env), self.source);
        let (turns, seen) = (Arc::clone(&self.turns), Arc::clone(&self.writer.seen));
        let prepared = async move {
            // Its turn comes before its thread: as many threads as workers, and no more memory kept by them.
            let turn = turns.acquire().await?;
            let work = move || prepare(&env, source, load, &seen, &ids, &mut stream);
            let prepared = tokio::task::spawn_blocking(work).await?;
            drop(turn);
            prepared
        };
        self.waiting.push_back(under_way(prepared));
        Ok(())
    }

    async fn take_one(&mut self) -> anyhow::Result<()> {
        if let Some(handle) = self.waiting.pop_front() {
            self.writer.take(handle.await??).await?;
        }
        Ok(())
    }

    /// Takes what is under way, commits, and sees to what was put off; each round leaves fewer.
    async fn finish(&mut self) -> anyhow::Result<()> {
        loop {
            while !self.waiting.is_empty() {
                self.take_one().await?;
            }
            self.writer.commit().await?;
            let deferred = std::mem::take(&mut self.writer.deferred);
            if deferred.is_empty() {
                return Ok(());
            }
            // One at a time, each in the store before the next is looked at: these met one another.
            for load in deferred {
                self.writer.forget();
                self.hand(load).await?;
                self.take_one().await?;
                self.writer.commit().await?;
            }
        }
    }
}

/// Starts the work on a chunk.
#[expect(
    clippy::disallowed_methods,
    reason = "awaited by the line that starts it, so no error is lost"
)]
fn under_way(work: impl Future<Output = anyhow::Result<Prepared>> + Send + 'static) -> Chunk {
    tokio::spawn(work)
}

async fn pull_folder(
    env: &Arc<Env>,
    source: usize,
    run: i64,
    path: &Path,
) -> anyhow::Result<StageOutcome> {
    let temporary = env.config.home.join("var/tmp");
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || Folder::open(&path, &temporary)).await?;
    let mut outcome = StageOutcome::default();
    let folder = match opened {
        Ok(folder) => Arc::new(folder),
        Err(error) => {
            let place = Place::detail(format!("source {}", env.sources[source].config.id));
            outcome.unreachable.push(Diagnostic::new(
                Code::FolderMissing,
                error.to_string(),
                place,
            ));
            certify(
                env,
                source,
                run,
                "unknown",
                &serde_json::json!({"error": "folder"}),
                Instant::ZERO,
                Vec::new(),
            )
            .await?;
            return Ok(outcome);
        }
    };
    outcome.diagnostics.extend_from_slice(folder.diagnostics());
    let mut unreadable = 0;
    let before = last_certificate(env, source).await?;
    let input = folder_digest(env, &folder);
    if before.is_some_and(|certificate| {
        certificate.input == input && certificate.verdict.starts_with("complete")
    }) {
        // The very files of the last pull: every referral was seen before.
        let mut counts = Counts::default();
        counts.add_many(
            Disposition::Repeated,
            Some(Reason::AlreadyKnown),
            u64::try_from(folder.len()).unwrap_or(0),
        );
        outcome.count(Stage::Pull, &counts);
        book(env, source, run, counts).await?;
    } else {
        let mut line = Line::new(env, source, run).await?;
        let places: Vec<usize> = (0..folder.len()).collect();
        for chunk in places.chunks(limits::CHUNK_REFERRALS) {
            line.hand(Load::Places(Arc::clone(&folder), chunk.to_vec()))
                .await?;
        }
        line.finish().await?;
        outcome.add_totals(&line.writer.totals);
        unreadable = line.writer.problems.len();
        outcome.diagnostics.append(&mut line.writer.problems);
    }
    // A file that is no FHIR at all (a list of what the extract holds, say) takes nothing from what the pull can promise.
    unreadable += folder
        .diagnostics()
        .iter()
        .filter(|diagnostic| diagnostic.code() != Code::NotAResource)
        .count();
    let verdict = if unreadable == 0 {
        "complete".to_owned()
    } else {
        format!("complete except {unreadable} unreadable")
    };
    let evidence = serde_json::json!({
        "requests": folder.len(), "superseded": folder.superseded(), "other_resources": folder.others(), "unreadable": unreadable,
    });
    certify(env, source, run, &verdict, &evidence, env.now(), input).await?;
    Ok(outcome)
}

/// The folder's digest together with the rules: changed rules are a reason to look again.
fn folder_digest(env: &Env, folder: &Folder) -> Vec<u8> {
    env.keys
        .file_digest(&crate::seal::sha256(&[&folder.digest(), &env.rules.hash]))
        .to_vec()
}

async fn pull_search(
    env: &Arc<Env>,
    source: usize,
    run: i64,
    base_url: &str,
) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    let client = match gp::client(env, source, base_url) {
        Ok(client) => client,
        Err(error) => {
            outcome.unreachable.push(unreached(env, source, &error));
            return Ok(outcome);
        }
    };
    let high = last_certificate(env, source)
        .await?
        .filter(|certificate| certificate.high > 0)
        .map(|certificate| Instant(certificate.high));
    let codes = env.source_rules(&env.sources[source].config).codes();
    let mut search = SearchPull::new(&client, base_url, &codes, high);
    let mut line = Line::new(env, source, run).await?;
    let ended = loop {
        match search.next().await {
            Ok(Some(dossiers)) => {
                for chunk in dossiers.chunks(limits::CHUNK_REFERRALS) {
                    line.hand(Load::Ready(chunk.to_vec())).await?;
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    line.finish().await?;
    outcome.add_totals(&line.writer.totals);
    outcome.diagnostics.append(&mut line.writer.problems);
    outcome
        .diagnostics
        .extend(unresolved(env, source, search.unresolved()));
    let (verdict, evidence) = search.verdict();
    let whole = ended.is_ok() && verdict.starts_with("complete");
    let place = Place::detail(format!("source {}", env.sources[source].config.id));
    match ended {
        Ok(()) if whole => {}
        Ok(()) => {
            let what = "a search ended before its last page";
            let ended = Diagnostic::new(Code::PagesIncomplete, what, place);
            outcome.unreachable.push(ended);
        }
        Err(error) => outcome.unreachable.push(unreached(env, source, &error)),
    }
    // The high mark moves only now that every page is durable, and only if every page came.
    let mark = if whole { search.high().or(high) } else { high };
    let mark = mark.unwrap_or(Instant::ZERO);
    let verdict = if whole { verdict.as_str() } else { "unknown" };
    certify(env, source, run, verdict, &evidence, mark, Vec::new()).await?;
    Ok(outcome)
}

/// What is said of records that referrals name and the server does not give.
fn unresolved(env: &Env, source: usize, records: u64) -> Option<Diagnostic> {
    let place = Place::detail(format!("source {}", env.sources[source].config.id));
    let what = format!("{records} records that referrals name could not be found");
    (records > 0).then(|| Diagnostic::new(Code::Unresolved, what, place))
}

fn unreached(env: &Env, source: usize, error: &ClientError) -> Diagnostic {
    let place = Place::detail(format!("source {}", env.sources[source].config.id));
    let usual = match error {
        ClientError::ForeignLink { .. } => Code::ForeignLink,
        ClientError::Refused { .. } => Code::SourceRefused,
        _ => Code::SourceUnreachable,
    };
    gp::diagnostic(error, usual, place)
}

async fn last_certificate(env: &Env, source: usize) -> anyhow::Result<Option<Certificate>> {
    let strand = env.sources[source].strand;
    Ok(env
        .store
        .certificates()
        .await?
        .into_iter()
        .find(|certificate| certificate.source == strand))
}

async fn certify(
    env: &Env,
    source: usize,
    run: i64,
    verdict: &str,
    evidence: &serde_json::Value,
    high: Instant,
    input: Vec<u8>,
) -> anyhow::Result<()> {
    let strand = env.sources[source].strand;
    let mut batch = Batch::new(strand, env.now());
    let digest = crate::seal::sha256(&[verdict.as_bytes(), evidence.to_string().as_bytes()]);
    batch.push(Entry::plain(
        Kind::Certified,
        run,
        format!("\"{}\",{}", crate::store::chain::hex(&digest), high.0),
    ));
    batch.certificates.push(Certificate {
        run,
        source: strand,
        verdict: verdict.to_owned(),
        evidence: evidence.to_string(),
        high: high.0,
        input,
    });
    env.store.commit(batch).await?;
    Ok(())
}

async fn book(env: &Env, source: usize, run: i64, counts: Counts) -> anyhow::Result<()> {
    let strand = env.sources[source].strand;
    let mut batch = Batch::new(strand, env.now());
    batch.books.push(BookRow {
        run,
        stage: Stage::Pull,
        source: strand,
        partner: 0,
        file: 0,
        counts,
    });
    env.store.commit(batch).await?;
    Ok(())
}

/// Totals of a pull by room.
pub(crate) type Totals = BTreeMap<Stage, Counts>;
