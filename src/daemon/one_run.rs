//! One run of some stages: what `kith run --once` and the daemon do alike.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use anyhow::Context as _;
use tracing::{Instrument as _, Span};

use crate::actions::approvals::{self, ApprovalLine};
use crate::actions::matters;
use crate::actions::summary::{self, Summary};
use crate::app::of_the_store;
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::{RunId, Stage};
use crate::pipeline;
use crate::pipeline::approval::{self, Approval, How, Recorded};
use crate::pipeline::reconcile::publish;
use crate::pipeline::run::{Env, Only, Run, StageOutcome};
use crate::store::body::RunResult;
use crate::store::{Batch, Body, Entry, LeaseStage, StoreError};

/// Which run it was: a part of what the run gives, and of the error that ended it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InRun(RunId);

impl Display for InRun {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "in run {}", self.0)
    }
}

impl InRun {
    /// The span of the run: each line that is logged within it has the run's id.
    pub(crate) fn span(self) -> Span {
        // At the gravest level, so that it stands whatever is logged.
        tracing::error_span!("run", run.id = self.0.number())
    }
}

/// What a run did and what is left to do.
pub(crate) struct RunOutcome {
    pub(crate) run: InRun,
    pub(crate) summary: Summary,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Sources and folders that could not be reached.
    pub(crate) unreachable: Vec<Diagnostic>,
    /// Whether a person must act.
    pub(crate) waits: bool,
}

/// Runs stages once and says what they did.
///
/// # Errors
/// The store failed.
pub(crate) async fn run(
    env: &Arc<Env>,
    stages: &[Stage],
    only: &Only,
) -> anyhow::Result<RunOutcome> {
    let ids = env.ids.take(&*env.store, env.strand, 1).await?;
    let run = InRun(ids.next());
    let done = run_as(env, run, stages, only).instrument(run.span());
    let done = done.await.map_err(|error| of_the_store(error, &env.config));
    let noted = note_end(env, run, &done).instrument(run.span()).await;
    let outcome = done.context(run)?;
    noted.context(run)?;
    Ok(outcome)
}

/// Records how a run ended: what begins and has no end was killed.
async fn note_end(env: &Env, run: InRun, done: &anyhow::Result<RunOutcome>) -> anyhow::Result<()> {
    let (result, unreachable) = match done {
        Ok(outcome) if outcome.waits => (RunResult::Waits, codes(&outcome.unreachable)),
        Ok(_) => (RunResult::Done, String::new()),
        Err(_) => (RunResult::Failed, String::new()),
    };
    let lease = env.short_lease(LeaseStage::Run, env.strand).await?;
    let mut batch = lease.batch(env.now());
    let body = Body::RunEnded {
        result,
        unreachable,
    };
    batch.push(Entry::new(run.0, body));
    env.store.commit(batch).await?;
    lease.give_back().await?;
    Ok(())
}

/// The codes of diagnostics, each once for everybody whom it is about.
fn codes(diagnostics: &[Diagnostic]) -> String {
    let codes = diagnostics.iter().map(|found| {
        let code = found.code().text();
        match found.place().subject() {
            Some(subject) => format!("{code}@{}", subject.replace(' ', ":")),
            None => code.to_owned(),
        }
    });
    let codes: BTreeSet<String> = codes.collect();
    codes.into_iter().collect::<Vec<_>>().join(" ")
}

async fn run_as(
    env: &Arc<Env>,
    in_run: InRun,
    stages: &[Stage],
    only: &Only,
) -> anyhow::Result<RunOutcome> {
    let id = in_run.0;
    let lease = env.short_lease(LeaseStage::Run, env.strand).await?;
    let mut batch = lease.batch(env.now());
    note_versions(env, &mut batch).await?;
    let (rules, stages_run) = (env.rules.hash, stages.to_vec());
    let body = Body::Run {
        rules,
        stages: stages_run,
    };
    batch.push(Entry::new(id, body));
    batch.rules.push((env.rules.hash, String::new()));
    let begun = env.store.commit(batch).await?;
    lease.give_back().await?;
    let run = Run::new(Arc::clone(env), id, stages.contains(&Stage::Deliver));
    let StageOutcome {
        counts,
        mut diagnostics,
        mut unreachable,
    } = pipeline::run(&Arc::new(run), only, stages).await?;
    if begun.clock_behind {
        diagnostics.push(Diagnostic::new(
            Code::ClockBehind,
            "the clock is behind the last recorded event",
            Place::detail(format!("run {id}")),
        ));
    }
    let waiting = approvals::of(env);
    diagnostics.extend(waiting.iter().map(ApprovalLine::diagnostic));
    if stages.contains(&Stage::Reconcile) {
        unreachable.extend(publish::publish_last_night(env).await?);
    }
    unreachable.extend(env.broken.iter().cloned());
    diagnostics.extend(matters::long_log(&env.config));
    let summary = summary::of_run(env, id).await?;
    let rejected = counts.values().any(|counts| {
        counts
            .reasons()
            .iter()
            .any(|(reason, n)| *n > 0 && !reason.quiet())
            && counts.rejected() > 0
    });
    let waits = summary.waits() || rejected || !unreachable.is_empty();
    Ok(RunOutcome {
        run: in_run,
        summary,
        diagnostics,
        unreachable,
        waits,
    })
}

/// Adds the versions of partner files that a run sees for the first time.
///
/// # Errors
/// The store failed.
async fn note_versions(env: &Env, batch: &mut Batch) -> Result<(), StoreError> {
    let known = approval::recorded(&*env.store, env.strand).await?;
    // What cannot send anything may still be written.
    let silent = env.sources.iter().all(|source| source.config.shadow);
    for (_, partner, at) in env.each_partner() {
        let how = match at.approval {
            Approval::Stands => continue,
            Approval::New if silent || partner.shadow => continue,
            Approval::New => How::First,
            Approval::Narrower => How::Narrower,
            Approval::Waits(_) => How::Waits,
        };
        let entry = approval::entry(&env.config, partner, at.strand, how);
        let last = known.iter().rfind(|row| row.partner == at.strand);
        let same = |row: &Recorded| {
            row.how == how && row.file == entry.file && row.destination == entry.destination
        };
        if !last.is_some_and(same) {
            entry.put(batch, None);
        }
    }
    Ok(())
}
