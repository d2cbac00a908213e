//! A search that runs by itself, a few pages ahead of whoever takes them.
//!
//! In: a search. Out: its pages, in order, each with what was known of the search when it came. Kept: no more pages wait than
//! [`PAGES_AHEAD`]; after an error or the last page nothing more is asked; given up, it asks for nothing more.

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::Client;
use super::client_error::ClientError;
use super::search::{Search, SearchPage, SearchProgress};

/// Pages that wait, beside the one that is being read.
const PAGES_AHEAD: usize = 3;

type Turn = (Result<Option<SearchPage>, ClientError>, SearchProgress);

/// The pages of a search that is under way.
pub(crate) struct PrefetchedSearch {
    turns: mpsc::Receiver<Turn>,
    progress: SearchProgress,
    /// The search; it ends with this.
    _running: JoinSet<()>,
}

impl PrefetchedSearch {
    /// Starts a search that asks by this client.
    pub(super) fn of(
        client: Client,
        search: impl FnOnce(&Client) -> Search<'_> + Send + 'static,
    ) -> Self {
        let (hand, turns) = mpsc::channel(PAGES_AHEAD);
        let mut running = JoinSet::new();
        let turns_ahead = async move {
            let mut search = search(&client);
            loop {
                let page = search.next_page().await;
                let more = matches!(page, Ok(Some(_)));
                let taken = hand.send((page, search.progress())).await.is_ok();
                if !(taken && more) {
                    return;
                }
            }
        };
        running.spawn(turns_ahead.in_current_span());
        Self {
            turns,
            progress: SearchProgress::default(),
            _running: running,
        }
    }

    /// The next page; none after the last.
    ///
    /// # Errors
    /// As [`Search::next_page`]; after one there are no more pages.
    pub(crate) async fn next_page(&mut self) -> Result<Option<SearchPage>, ClientError> {
        let Some((page, progress)) = self.turns.recv().await else {
            return Ok(None);
        };
        self.progress = progress;
        page
    }

    /// What is known of the search as of the page that was taken last.
    pub(crate) fn progress(&self) -> SearchProgress {
        self.progress
    }
}
