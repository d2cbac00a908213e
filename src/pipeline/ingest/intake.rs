//! The way from a source of referrals to its strand: chunks on worker threads, taken by the writer in order.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tracing::{Instrument as _, Span};

use super::deleted_requests::{self, DeletedRequest};
use super::known::Seen;
use super::load::Load;
use super::worker::{IDS_A_REFERRAL, Prepared, prepare};
use super::writer::Writer;
use crate::domain::limits;
use crate::pipeline::run::{HeldLease, Run, Totals};

/// A chunk being prepared.
pub(crate) type Chunk = tokio::task::JoinHandle<anyhow::Result<Prepared>>;

/// Starts the work on a chunk.
#[expect(
    clippy::disallowed_methods,
    reason = "awaited by the line that starts it, so no error is lost"
)]
fn under_way(work: impl Future<Output = anyhow::Result<Prepared>> + Send + 'static) -> Chunk {
    tokio::spawn(work.in_current_span())
}

/// What starts the work on a chunk.
#[derive(Clone)]
pub(crate) struct Starter<'e> {
    run: &'e Arc<Run>,
    source: usize,
    /// As many chunks are worked on at once as there are workers, over all sources; the rest wait their turn.
    turns: Arc<Semaphore>,
    /// What workers need not look up.
    seen: Arc<Seen>,
}

impl Starter<'_> {
    /// Chunks that may be under way: enough for the workers to go on with while a group is being committed.
    pub(crate) fn ahead(&self) -> usize {
        self.run.workers + limits::CHUNKS_AHEAD
    }

    /// Starts the work on a load of one chunk.
    pub(crate) async fn start(&self, load: Load) -> anyhow::Result<Chunk> {
        let count = i64::try_from(load.len()).unwrap_or(0).max(1) * IDS_A_REFERRAL;
        let strand = self.run.sources[self.source].strand;
        let ids = self.run.ids.take(&*self.run.store, strand, count).await?;
        let mut stream = self.run.stream();
        let (run, source) = (Arc::clone(self.run), self.source);
        let (turns, seen) = (Arc::clone(&self.turns), Arc::clone(&self.seen));
        let prepared = async move {
            // Its turn comes before its thread: as many threads as workers, and no more memory kept by them.
            let turn = turns.acquire().await?;
            let work = move || prepare(&run, source, load, &seen, &ids, &mut stream);
            let span = Span::current();
            let prepared = tokio::task::spawn_blocking(move || span.in_scope(work)).await?;
            drop(turn);
            prepared
        };
        Ok(under_way(prepared))
    }
}

/// Chunks under way on worker threads, taken in order.
pub(crate) struct Intake<'e> {
    pub(crate) starter: Starter<'e>,
    waiting: VecDeque<Chunk>,
    pub(crate) writer: Writer<'e>,
}

impl<'e> Intake<'e> {
    pub(crate) async fn new(
        run: &'e Arc<Run>,
        source: usize,
        lease: &'e HeldLease,
        turns: Arc<Semaphore>,
    ) -> anyhow::Result<Self> {
        let writer = Writer::new(run, source, lease).await?;
        Ok(Self {
            starter: Starter {
                run,
                source,
                turns,
                seen: Arc::clone(&writer.seen),
            },
            waiting: VecDeque::new(),
            writer,
        })
    }

    /// Hands a load to the workers, a chunk each.
    pub(crate) async fn hand(&mut self, load: Load) -> anyhow::Result<()> {
        for chunk in load.chunks() {
            self.hand_chunk(chunk).await?;
        }
        Ok(())
    }

    async fn hand_chunk(&mut self, load: Load) -> anyhow::Result<()> {
        while self.waiting.len() >= self.starter.ahead() {
            self.take_one().await?;
        }
        self.waiting.push_back(self.starter.start(load).await?);
        Ok(())
    }

    /// Takes a chunk whose turn it is.
    pub(crate) async fn take(&mut self, chunk: Chunk) -> anyhow::Result<()> {
        self.writer.take(chunk.await??).await
    }

    async fn take_one(&mut self) -> anyhow::Result<()> {
        match self.waiting.pop_front() {
            Some(chunk) => self.take(chunk).await,
            None => Ok(()),
        }
    }

    /// Holds the legs of requests that the source has deleted, once all that came before is durable.
    pub(crate) async fn gone(&mut self, ids: &[DeletedRequest]) -> anyhow::Result<()> {
        self.finish().await?;
        let (run, source) = (self.starter.run, self.starter.source);
        deleted_requests::hold(run, source, self.writer.lease, ids).await
    }

    /// What was counted, once it is finished.
    pub(crate) fn totals(&self) -> &Totals {
        &self.writer.totals
    }

    /// Takes what is under way, commits, and sees to what was put off; each round leaves fewer.
    pub(crate) async fn finish(&mut self) -> anyhow::Result<()> {
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
                self.hand_chunk(load).await?;
                self.take_one().await?;
                self.writer.commit().await?;
            }
        }
    }
}
