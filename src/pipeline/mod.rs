//! The eight rooms, in the order of the data.
//!
//! Outward *pull → select → map → deliver*, back *collect → match → push*, always *reconcile*. Every row that enters a
//! room leaves it accepted, repeated, rejected or held. Select and map have no state of their own: pull calls them on
//! each referral, and again on those that wait.

pub(crate) mod approval;
mod collect;
mod deliver;
pub(crate) mod dossier;
pub(crate) mod env;
pub(crate) mod gp;
pub(crate) mod intake_lookup;
pub(crate) mod kept;
pub(crate) mod life;
pub(crate) mod map;
mod matching;
mod observe;
pub(crate) mod preview;
pub(crate) mod prove;
mod pull;
mod push;
pub(crate) mod ready;
mod receipt;
mod reconcile;
mod redecide;
pub(crate) mod replay;
pub(crate) mod reveal;
pub(crate) mod select;
pub(crate) mod story;
pub(crate) mod undo;
mod watch;
mod workers;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use collect::month_number;
use env::Env;
pub(crate) use pull::folder::{Folder, list as list_extracts};
pub(crate) use pull::{known, referral_look};
pub(crate) use redecide::{Said, Verdict, open_beside, redecide};

use crate::diagnostics::Diagnostic;
use crate::domain::{Counts, Stage};

/// Restricts a run to one source or partner.
#[derive(Clone, Debug, Default)]
pub(crate) struct Only {
    pub(crate) source: Option<String>,
    pub(crate) partner: Option<String>,
    /// Take returns only when they have stood still: nobody watches, and a sheet may still be growing.
    pub(crate) settled: bool,
}

/// What a room did, beside its books in the store.
#[derive(Debug, Default)]
pub(crate) struct StageOutcome {
    pub(crate) counts: BTreeMap<Stage, Counts>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// What could not be reached: work that is left for the next run.
    pub(crate) unreachable: Vec<Diagnostic>,
}

impl StageOutcome {
    fn count(&mut self, stage: Stage, counts: &Counts) {
        self.counts.entry(stage).or_default().merge(counts);
    }

    fn add_totals(&mut self, totals: &pull::Totals) {
        for (stage, counts) in totals {
            self.count(*stage, counts);
        }
    }

    fn merge(&mut self, other: Self) {
        self.add_totals(&other.counts);
        self.diagnostics.extend(other.diagnostics);
        self.unreachable.extend(other.unreachable);
    }
}

/// From the GP systems to the partners.
async fn run_outbound(
    env: &Arc<Env>,
    run: i64,
    only: &Only,
    wanted: &[Stage],
) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    if wanted.contains(&Stage::Pull) {
        outcome.merge(pull::run(env, run, only).await?);
    }
    if wanted.contains(&Stage::Select) || wanted.contains(&Stage::Map) {
        outcome.merge(redecide::run(env, run, only).await?);
    }
    // Before each drop, and nightly.
    if wanted.contains(&Stage::Deliver) || wanted.contains(&Stage::Reconcile) {
        outcome.merge(watch::run(env, run, only, watch::Scope::Open).await?);
    }
    if wanted.contains(&Stage::Select) || wanted.contains(&Stage::Deliver) {
        outcome.merge(redecide::stand_back(env, run).await?);
    }
    if wanted.contains(&Stage::Deliver) {
        outcome.merge(deliver::run(env, run, only).await?);
    } else if wanted.contains(&Stage::Pull) || wanted.contains(&Stage::Reconcile) {
        outcome.merge(deliver::at_once(env, run, only).await?);
    }
    Ok(outcome)
}

/// From the partners to the GP record.
async fn run_inbound(
    env: &Arc<Env>,
    run: i64,
    only: &Only,
    wanted: &[Stage],
) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    if wanted.contains(&Stage::Collect) || wanted.contains(&Stage::Match) {
        outcome.merge(collect::run(env, run, only).await?);
    }
    if wanted.contains(&Stage::Push) {
        if !env.readings.has_watched()
            && let Some(scope) = watch::before_writes(env).await?
        {
            outcome.merge(watch::run(env, run, only, scope).await?);
            outcome.merge(deliver::at_once(env, run, only).await?);
        }
        outcome.merge(push::run(env, run, only).await?);
    }
    Ok(outcome)
}

/// Runs the rooms wanted, in the data's order, and then the books.
///
/// # Errors
/// The store failed: nothing can be recorded, so nothing more is done.
pub(crate) async fn run(
    env: &Arc<Env>,
    run: i64,
    only: &Only,
    wanted: &[Stage],
) -> anyhow::Result<StageOutcome> {
    env.readings.begin();
    env.claims.begin();
    env.ready.begin(wanted.contains(&Stage::Deliver));
    // What the last run left between two steps is finished before anything new is begun.
    let mut outcome = deliver::finish(env).await?;
    outcome.merge(run_outbound(env, run, only, wanted).await?);
    outcome.merge(run_inbound(env, run, only, wanted).await?);
    if wanted.contains(&Stage::Reconcile) {
        outcome.merge(reconcile::run(env).await?);
    }
    Ok(outcome)
}
