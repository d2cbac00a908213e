//! Opens and closes an installation: the only place that picks concrete stores, transports, clocks and clients.
//!
//! In: a config file, a clock and entropy. Out: an [`App`], whose environment runs and actions are given.

mod all_problems;
mod doubts;
mod mark;
mod open;
mod stand_in;

use std::path::Path;
use std::sync::Arc;

pub(crate) use all_problems::all_problems;
use open::Opening;
pub(crate) use open::{Options, approvals_of, load, load_config, load_rules, of_the_store};

use crate::domain::Entropy;
use crate::pipeline::run::{Env, ReportPlace};
use crate::store::SqliteStore;

/// An open installation.
pub(crate) struct App {
    env: Arc<Env>,
    store: Arc<SqliteStore>,
    opening: Opening,
}

impl App {
    /// Opens an installation.
    ///
    /// # Errors
    /// [`Refused`](crate::diagnostics::Refused) with every problem of config, mappings, key or store.
    pub(crate) async fn open(options: Options) -> anyhow::Result<Self> {
        open::open(options, Opening::Writing).await
    }

    /// Opens an installation to look at it: beside a run that is under way, and as of any instant.
    ///
    /// # Errors
    /// As [`App::open`].
    pub(crate) async fn open_for_reading(options: Options) -> anyhow::Result<Self> {
        open::open(options, Opening::Looking).await
    }

    /// Opens an installation whose store, anchor or clock is doubtful, to take it into use all the same.
    ///
    /// # Errors
    /// As [`App::open`].
    pub(crate) async fn open_to_accept(options: Options) -> anyhow::Result<Self> {
        open::open(options, Opening::Accepting).await
    }

    /// Makes what a new installation needs beside its config: key, store, anchor and mark.
    ///
    /// # Errors
    /// [`Refused`](crate::diagnostics::Refused) if something cannot be made.
    pub(crate) async fn found(config: &Path, entropy: Entropy) -> anyhow::Result<()> {
        let (config, _) = load_config(config)?;
        open::found(&config, entropy).await
    }

    /// From now on the store as it stands is the true one; its acceptance is recorded already.
    ///
    /// # Errors
    /// The store failed, or a file cannot be written.
    pub(crate) async fn accepted(&self) -> anyhow::Result<()> {
        open::accepted(&self.env).await
    }

    /// What runs and actions are given.
    pub(crate) fn env(&self) -> &Arc<Env> {
        &self.env
    }

    /// A folder for reports that a person names.
    pub(crate) fn report_place(path: &Path) -> ReportPlace {
        open::report_place(path, crate::transport::FILE_MODE)
    }

    /// Gives the partner at a place another transport.
    #[cfg(test)]
    pub(crate) fn carry(&mut self, partner: usize, by: Arc<dyn crate::transport::Transport>) {
        let env = Arc::get_mut(&mut self.env).expect("nothing else has the installation yet");
        env.partners[partner].transport = by;
    }

    /// Gives the import of the source at a place another transport.
    #[cfg(test)]
    pub(crate) fn carry_import(&mut self, source: usize, by: Arc<dyn crate::transport::Transport>) {
        let env = Arc::get_mut(&mut self.env).expect("nothing else has the installation yet");
        env.sources[source].import = Some(by);
    }

    /// Gives back what is held, and closes the store.
    pub(crate) async fn close(self) {
        if self.opening == Opening::Writing
            && let Err(error) = self.env.anchor.raise(&self.env, None).await
        {
            // The store is then ahead of its anchor, which does no harm.
            tracing::warn!(%error, "the anchor was not raised");
        }
        if let Err(error) = self.env.leases.close().await {
            tracing::warn!(%error, "leases could not be given back; they end by themselves");
        }
        self.store.close().await;
    }
}
