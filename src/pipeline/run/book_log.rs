//! A line of the log for what a stage kept in its books: which source, or which partner and file, and how many rows.
//!
//! In: the books of the run, as the store has them. Out: lines at `info`, each the rows since the line before of the same
//! book. So the lines of a run add up to its books, and what is not durable is in no line.

use std::collections::HashMap;

use tracing::Level;

use super::Run;
use crate::domain::{Stage, StrandId};
use crate::store::rows::BookRow;

/// Received, accepted, repeated, rejected, held.
type RowCounts = [u64; 5];

/// What the log of a run has told of its books.
pub(crate) struct BookLog<'r> {
    run: &'r Run,
    told: HashMap<(Stage, StrandId, StrandId, i64), RowCounts>,
}

impl<'r> BookLog<'r> {
    pub(crate) fn new(run: &'r Run) -> Self {
        Self {
            run,
            told: HashMap::new(),
        }
    }

    /// A line for each book that is new or has grown.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn tell(&mut self) -> anyhow::Result<()> {
        // The books are read for the log alone.
        if !tracing::enabled!(Level::INFO) {
            return Ok(());
        }
        for book in self.run.store.books(self.run.id).await? {
            let now = rows(&book);
            let of = (book.stage, book.source, book.partner, book.file);
            let before = self.told.insert(of, now);
            if before != Some(now) {
                let before = before.unwrap_or_default();
                self.line(&book, std::array::from_fn(|n| now[n] - before[n]));
            }
        }
        Ok(())
    }

    /// The last lines: also one for each stage that ran and has no book.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn end(mut self, wanted: &[Stage]) -> anyhow::Result<()> {
        self.tell().await?;
        for stage in wanted {
            if !self.told.keys().any(|(told, ..)| told == stage) {
                let stage = stage.code();
                tracing::info!(
                    stage,
                    received = 0,
                    accepted = 0,
                    repeated = 0,
                    rejected = 0,
                    held = 0,
                    "{stage}: no rows"
                );
            }
        }
        Ok(())
    }

    fn line(&self, book: &BookRow, [received, accepted, repeated, rejected, held]: RowCounts) {
        let env = self.run.env();
        let stage = book.stage.code();
        let source = env.source_at(book.source);
        let source = source.map(|place| env.sources[place].config.id.as_str());
        let partner = env.partner_at(book.partner);
        let partner = partner.map(|place| env.rules.partners[place].id.as_str());
        let of = source.or(partner).unwrap_or("nobody known");
        let (drop, taken) = match book.stage {
            Stage::Deliver => (Some(book.file), None),
            Stage::Collect | Stage::Match => (None, Some(book.file)),
            _ => (None, None),
        };
        tracing::info!(
            stage,
            source.id = source,
            partner.id = partner,
            drop.id = drop,
            return.id = taken,
            received,
            accepted,
            repeated,
            rejected,
            held,
            "{stage} of {of}: {received} rows"
        );
    }
}

fn rows(book: &BookRow) -> RowCounts {
    let counts = &book.counts;
    [
        counts.received(),
        counts.accepted(),
        counts.repeated(),
        counts.rejected(),
        counts.held(),
    ]
}
