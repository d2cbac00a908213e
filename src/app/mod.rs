//! The composition root: the only place that picks concrete stores, transports, clocks and clients.
//!
//! In: a config file, a clock and entropy. Out: an [`App`] whose methods are what commands do.

pub(crate) mod approvals;
mod cells;
mod nightly;
pub(crate) mod online;
mod open;
mod summary;
#[cfg(test)]
mod sweep_tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use approvals::ApprovalLine;
use jiff::civil::Date;
pub(crate) use open::{Options, Refused, load, load_config, load_rules};
pub(crate) use summary::{CertificateLine, Summary};

use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::Stage;
pub(crate) use crate::pipeline::Only;
use crate::pipeline::approval;
use crate::pipeline::env::Env;
use crate::pipeline::prove::Proof;
use crate::pipeline::{self, StageOutcome};
use crate::store::chain::hex;
use crate::store::{Batch, Entry, Kind, SqliteStore};

/// An open installation.
pub(crate) struct App {
    env: Arc<Env>,
    store: Arc<SqliteStore>,
    /// Held while this process may write; gone with it.
    _lock: Option<std::fs::File>,
}

/// What a run did and what is left to do.
pub(crate) struct RunOutcome {
    pub(crate) summary: Summary,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Sources and folders that could not be reached.
    pub(crate) unreachable: Vec<Diagnostic>,
    /// Whether a person must act.
    pub(crate) waits: bool,
}

impl App {
    /// Opens an installation.
    ///
    /// # Errors
    /// [`Refused`] with every problem of config, mappings, key or store.
    pub(crate) async fn open(options: Options) -> anyhow::Result<Self> {
        open::open(options, true).await
    }

    /// Opens an installation to look at it: beside a run that is under way, and as of any instant.
    ///
    /// # Errors
    /// As [`App::open`].
    pub(crate) async fn open_for_reading(options: Options) -> anyhow::Result<Self> {
        open::open(options, false).await
    }

    /// What rooms are given.
    pub(crate) fn env(&self) -> &Arc<Env> {
        &self.env
    }

    /// Runs rooms once and says what they did.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn run_once(&self, stages: &[Stage], only: &Only) -> anyhow::Result<Summary> {
        Ok(self.run(stages, only).await?.summary)
    }

    /// The same with diagnostics.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn run(&self, stages: &[Stage], only: &Only) -> anyhow::Result<RunOutcome> {
        let env = &self.env;
        let run = env.ids.take(&*env.store, env.strand, 1).await?.next();
        let mut batch = Batch::new(env.strand, env.now());
        // Before the run's own row: the next one looks for that among the last.
        approval::note(env, &mut batch).await?;
        let names: Vec<&str> = stages.iter().map(|stage| stage.code()).collect();
        batch.push(Entry::plain(
            Kind::Run,
            run,
            format!("\"{}\",\"{}\"", hex(&env.rules.hash), names.join(" ")),
        ));
        batch.rules.push((env.rules.hash, 2, String::new()));
        let begun = env.store.commit(batch).await?;
        let StageOutcome {
            counts,
            mut diagnostics,
            unreachable,
        } = pipeline::run(env, run, only, stages).await?;
        if begun.clock_behind {
            diagnostics.push(Diagnostic::new(
                Code::ClockBehind,
                "the clock is behind the last recorded event",
                Place::detail(format!("run {run}")),
            ));
        }
        let waiting = approvals::of(env);
        diagnostics.extend(waiting.iter().map(ApprovalLine::diagnostic));
        if stages.contains(&Stage::Reconcile) {
            nightly::publish_last_night(env).await?;
        }
        let summary = summary::of_run(env, run).await?;
        let rejected = counts.values().any(|counts| {
            counts
                .reasons()
                .iter()
                .any(|(reason, n)| *n > 0 && !reason.quiet())
                && counts.rejected() > 0
        });
        let waits = summary.waits() || rejected || !unreachable.is_empty();
        Ok(RunOutcome {
            summary,
            diagnostics,
            unreachable,
            waits,
        })
    }

    /// What ran, what waits and who must act.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn status(&self) -> anyhow::Result<Summary> {
        summary::of_status(&self.env).await
    }

    /// Proves the books.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn prove(&self, online: bool) -> anyhow::Result<Proof> {
        let mut proof = pipeline::prove::prove(&self.env, online).await?;
        nightly::check_published(&self.env, &mut proof).await?;
        Ok(proof)
    }

    /// Writes the reports of a day (yesterday if none is named) and says where they lie.
    ///
    /// # Errors
    /// The store failed, or a folder cannot be written.
    pub(crate) async fn report(
        &self,
        date: Option<Date>,
        commissioner: Option<&str>,
        out: Option<&Path>,
    ) -> anyhow::Result<Vec<PathBuf>> {
        nightly::write_reports(&self.env, date, commissioner, out).await
    }

    /// Closes the store.
    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}
