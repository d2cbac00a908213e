//! One run: what it knows by itself, over the installation that it works on.

use std::sync::Arc;

use super::readings::Readings;
use super::row_cache::ReadyRows;
use super::{Claims, Env};
use crate::domain::RunId;

/// One run. The installation, to which this dereferences, holds nothing of it: two runs may go on at once.
pub(crate) struct Run {
    env: Arc<Env>,
    pub(crate) id: RunId,
    /// The rules are not those of the last run: what waits is decided again.
    pub(crate) rules_changed: bool,
    /// What was read at the practices.
    pub(crate) readings: Readings,
    /// Who was routed to whom, by any source.
    pub(crate) claims: Claims,
    /// Rows that were mapped and not yet delivered.
    pub(crate) ready: ReadyRows,
}

impl Run {
    /// A run of this number; `delivers`: whether it comes to *deliver*.
    pub(crate) fn new(env: Arc<Env>, id: RunId, rules_changed: bool, delivers: bool) -> Self {
        Self {
            env,
            id,
            rules_changed,
            readings: Readings::default(),
            claims: Claims::default(),
            ready: ReadyRows::new(delivers),
        }
    }

    /// The installation.
    pub(crate) fn env(&self) -> &Arc<Env> {
        &self.env
    }
}

impl std::ops::Deref for Run {
    type Target = Env;

    fn deref(&self) -> &Env {
        &self.env
    }
}
