//! What is done about a partner's disk that does not answer: the others go on meanwhile.
//!
//! In: work for partners, in their order. Out: what came of it. Keeps: where every disk answers in time, things are done in the order of
//! the partners, so the same input gives the same bytes; one that does not delays the others by no more than [`PATIENCE`].

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::Instrument as _;

/// How long a disk may take before others go on meanwhile: longer than a busy one needs to put a name on the disk.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// Partners whose disks do not answer that are waited for beside the others; each holds a file in memory.
pub(crate) const SLOW_AT_ONCE: usize = 64;

/// Work for several partners at once, a few at a time. Where none of it ends in time, further work begins beside it.
pub(crate) struct SeveralAtOnce<T> {
    under_way: JoinSet<(usize, T)>,
    at_once: usize,
    patience: Duration,
    /// Pieces of work that are taken to wait for a disk.
    slow: usize,
}

impl<T: Send + 'static> SeveralAtOnce<T> {
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            under_way: JoinSet::new(),
            at_once,
            patience: PATIENCE,
            slow: 0,
        }
    }

    /// Begins work.
    pub(crate) fn begin(&mut self, number: usize, work: impl Future<Output = T> + Send + 'static) {
        let numbered = async move { (number, work.await) };
        self.under_way.spawn(numbered.in_current_span());
    }

    /// Whether further work waits until some has ended, or until all of it is taken to wait for disks.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way.len() >= self.at_once + self.slow
    }

    /// Whether no work is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The next work that ends; `None` where none is under way.
    ///
    /// # Errors
    /// Work died.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<Option<(usize, T)>> {
        Ok(self.under_way.join_next().await.transpose()?)
    }

    /// The same; `None` also where none ends in time: there is room for one more piece of work then, up to so many.
    ///
    /// # Errors
    /// Work died.
    pub(crate) async fn ended_in_time(&mut self) -> anyhow::Result<Option<(usize, T)>> {
        let Ok(ended) = timeout(self.patience, self.under_way.join_next()).await else {
            self.slow = SLOW_AT_ONCE.min(self.slow + 1);
            return Ok(None);
        };
        Ok(ended.transpose()?)
    }
}

/// The turn to record what a partner sent: one partner has it at a time.
pub(crate) struct RecordTurn {
    turns: Arc<Semaphore>,
    patience: Duration,
    /// `None` while a disk is waited for that does not answer: it is another partner's turn.
    held: Option<OwnedSemaphorePermit>,
}

impl RecordTurn {
    /// What partners take turns by.
    pub(crate) fn turns() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1))
    }

    /// The next turn, once whoever has it is done or waits for a disk.
    pub(crate) async fn next(turns: &Arc<Semaphore>) -> Self {
        let mut turn = Self {
            turns: Arc::clone(turns),
            patience: PATIENCE,
            held: None,
        };
        turn.take_up().await;
        turn
    }

    /// One that gives its turn away at once where a disk does not answer.
    #[cfg(test)]
    pub(crate) fn impatient(self) -> Self {
        let patience = Duration::from_millis(1);
        Self { patience, ..self }
    }

    async fn take_up(&mut self) {
        // It is never closed.
        self.held = Arc::clone(&self.turns).acquire_owned().await.ok();
    }

    /// Waits for a disk, and gives the turn away if that takes long; afterwards it is this partner's turn again.
    pub(crate) async fn on_disk<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Ok(done) = timeout(self.patience, &mut work).await {
            return done;
        }
        self.held = None;
        let done = work.await;
        self.take_up().await;
        done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn work_that_waits_for_a_disk_keeps_no_other_work_from_beginning() {
        let answers = Arc::new(Semaphore::new(0));
        let mut several = SeveralAtOnce::new(2);
        several.patience = Duration::from_millis(1);
        let slow = || {
            let answers = Arc::clone(&answers);
            async move { answers.acquire().await.unwrap().forget() }
        };
        // As many as work at once, and as many again as are waited for beside them.
        for number in 0..SLOW_AT_ONCE + 2 {
            assert_eq!(several.is_full(), number >= 2);
            if several.is_full() {
                assert!(several.ended_in_time().await.unwrap().is_none());
                assert!(!several.is_full(), "{number}");
            }
            several.begin(number, slow());
        }
        // One more waits until a disk answers.
        for _ in 0..3 {
            assert!(several.ended_in_time().await.unwrap().is_none());
            assert!(several.is_full());
        }
        answers.add_permits(1);
        let ended = several.ended().await.unwrap();
        assert!(ended.is_some_and(|(number, ())| number < SLOW_AT_ONCE + 2));
        assert!(!several.is_full());
        several.begin(SLOW_AT_ONCE + 2, async {});
        answers.add_permits(SLOW_AT_ONCE + 1);
        let mut ended = 1;
        while several.ended().await.unwrap().is_some() {
            ended += 1;
        }
        assert_eq!(ended, SLOW_AT_ONCE + 3);
        assert!(several.is_idle());
    }

    /// Who recorded when, where the first of two partners waits so long for its disk between two records.
    async fn order(on_disk: Duration, patience: Duration) -> Vec<&'static str> {
        let (turns, told) = (RecordTurn::turns(), Arc::new(Mutex::new(Vec::new())));
        let mut taking = JoinSet::new();
        for (name, on_disk, again) in [
            ("first", on_disk, Some("first again")),
            ("second", Duration::ZERO, None),
        ] {
            let (mut turn, told) = (RecordTurn::next(&turns).await, Arc::clone(&told));
            turn.patience = patience;
            taking.spawn(async move {
                told.lock().unwrap().push(name);
                turn.on_disk(tokio::time::sleep(on_disk)).await;
                told.lock().unwrap().extend(again);
            });
        }
        while taking.join_next().await.is_some() {}
        told.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn a_partner_keeps_its_turn_on_a_healthy_disk_and_gives_it_away_on_a_slow_one() {
        let on_disk = Duration::from_millis(100);
        assert_eq!(
            order(on_disk, Duration::from_mins(1)).await,
            ["first", "first again", "second"]
        );
        assert_eq!(
            order(on_disk, Duration::from_millis(1)).await,
            ["first", "second", "first again"]
        );
    }
}
