//! What a run is asked for, and what each of its stages answers.

use std::collections::BTreeMap;

use crate::diagnostics::Diagnostic;
use crate::domain::{Counts, Stage};

/// Counts by stage.
pub(crate) type Totals = BTreeMap<Stage, Counts>;

/// Restricts a run to one source or partner.
#[derive(Clone, Debug, Default)]
pub(crate) struct Only {
    pub(crate) source: Option<String>,
    pub(crate) partner: Option<String>,
    /// Take returns only when they have stood still: a sheet may still be growing.
    pub(crate) settled: bool,
}

/// What a stage did, beside its books in the store.
#[derive(Debug, Default)]
pub(crate) struct StageOutcome {
    pub(crate) counts: Totals,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// What could not be reached: work that is left for the next run.
    pub(crate) unreachable: Vec<Diagnostic>,
}

impl StageOutcome {
    pub(crate) fn count(&mut self, stage: Stage, counts: &Counts) {
        self.counts.entry(stage).or_default().merge(counts);
    }

    pub(crate) fn add_totals(&mut self, totals: &Totals) {
        for (stage, counts) in totals {
            self.count(*stage, counts);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.add_totals(&other.counts);
        self.diagnostics.extend(other.diagnostics);
        self.unreachable.extend(other.unreachable);
    }
}
