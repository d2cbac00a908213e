//! How long one statement may run, and the writer's transaction. The engine asks while a statement runs, and stops it when its time is over.
//!
//! Kept: a connection whose transaction did not end by our word is not used again, since the engine may have taken it back by itself (a full
//! disk, a statement that was stopped), and may not. Each statement has the whole time for itself, however many its transaction has; waiting for a connection or for the
//! engine's lock does not count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

/// Steps of the engine between two questions: well below a millisecond.
const STEPS: i32 = 10_000;

/// When the statement of a connection began, and how long it may take.
pub(super) struct StatementTimer {
    made: Instant,
    /// Nanoseconds from `made` until the statement began.
    begun: AtomicU64,
    most: Duration,
    /// Whether a transaction of the connection was begun and has not ended by our word.
    is_open: AtomicBool,
}

impl StatementTimer {
    /// The time of a statement begins now.
    pub(super) fn new(most: Duration) -> Arc<Self> {
        Arc::new(Self {
            made: Instant::now(),
            begun: AtomicU64::new(0),
            most,
            is_open: AtomicBool::new(false),
        })
    }

    /// The next statement begins now.
    pub(super) fn begin(&self) {
        let now = u64::try_from(self.made.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.begun.store(now, Ordering::Relaxed);
    }

    fn is_within(&self, since_made: Duration) -> bool {
        let begun = Duration::from_nanos(self.begun.load(Ordering::Relaxed));
        since_made.saturating_sub(begun) <= self.most
    }

    /// Whether a transaction was left open since this was asked last.
    pub(super) fn take_open(&self) -> bool {
        self.is_open.swap(false, Ordering::Relaxed)
    }

    /// The statements of a connection are held to this from now on.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) async fn watch(
        self: Arc<Self>,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(STEPS, move || self.is_within(self.made.elapsed()));
        Ok(())
    }
}

/// A transaction of the writer, each statement of which is timed. It has the engine's write lock from its beginning; one that is let go without
/// an end is taken back with its connection.
pub(super) struct WriteTx {
    connection: PoolConnection<Sqlite>,
    timer: Arc<StatementTimer>,
}

impl WriteTx {
    /// # Errors
    /// The engine could not give the lock.
    pub(super) async fn begin(
        writer: &SqlitePool,
        timer: &Arc<StatementTimer>,
    ) -> Result<Self, sqlx::Error> {
        let mut connection = writer.acquire().await?;
        // Before it is known: this may be given up while the engine takes the lock.
        timer.is_open.store(true, Ordering::Relaxed);
        let begun = sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut *connection)
            .await;
        if let Err(error) = begun {
            timer.is_open.store(false, Ordering::Relaxed);
            return Err(error);
        }
        Ok(Self {
            connection,
            timer: Arc::clone(timer),
        })
    }

    /// The connection, for one statement: its time begins now.
    pub(super) fn timed(&mut self) -> &mut SqliteConnection {
        self.timer.begin();
        &mut self.connection
    }

    /// # Errors
    /// The engine could not write.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.end("COMMIT").await
    }

    /// # Errors
    /// The engine could not take it back.
    pub(super) async fn rollback(self) -> Result<(), sqlx::Error> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, word: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(word).execute(self.timed()).await?;
        // While the connection is still ours.
        self.timer.is_open.store(false, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;

    use super::super::super::{Store as _, StoreError};
    use super::super::SqliteStore;
    use super::*;
    use crate::domain::limits;

    /// Counts so far: as long as it takes.
    fn counting(to: i64) -> String {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {to}) SELECT count(*) FROM n"
        )
    }

    #[test]
    fn a_statement_is_within_its_time_until_that_is_over() {
        for seconds in [
            limits::STATEMENT_SECONDS.usual,
            limits::STATEMENT_SECONDS.most,
        ] {
            let timer = StatementTimer::new(Duration::from_secs(seconds));
            let begun = Duration::from_secs(1_000);
            timer.begun.store(1_000_000_000_000, Ordering::Relaxed);
            let most = begun + Duration::from_secs(seconds);
            assert!(timer.is_within(begun));
            assert!(timer.is_within(most));
            assert!(!timer.is_within(most + Duration::from_nanos(1)));
        }
    }

    #[tokio::test]
    async fn a_statement_of_the_store_runs_as_long_as_the_limit_says() {
        let folder = tempfile::tempdir().unwrap();
        let limits = crate::domain::Limits {
            statement_seconds_max: 1,
            ..crate::domain::Limits::default()
        };
        let store = SqliteStore::open(&folder.path().join("kith.db"), &limits)
            .await
            .unwrap();
        store.name_installation([1; 16]).await.unwrap();
        let count = |row: &sqlx::sqlite::SqliteRow| Ok(row.get::<i64, _>(0));
        // Many short ones take longer than one may, those of one transaction and those of one reader.
        let mut tx = store.lock().await.unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1_300) {
            let row = sqlx::query(sqlx::AssertSqlSafe(counting(20_000)))
                .fetch_one(tx.timed())
                .await;
            assert_eq!(row.unwrap().get::<i64, _>(0), 20_000);
            let read = store.many(&counting(20_000), &[], count).await;
            assert_eq!(read.unwrap(), [20_000]);
        }
        // One that has no end is stopped, whoever asks, and its transaction is taken back.
        let made = "INSERT INTO rule (hash, text) VALUES (x'00', 'a')";
        sqlx::query(made).execute(tx.timed()).await.unwrap();
        let begun = Instant::now();
        let endless = sqlx::query(sqlx::AssertSqlSafe(counting(i64::MAX)))
            .fetch_one(tx.timed())
            .await;
        let seconds = begun.elapsed().as_secs_f64();
        assert!((0.9..10.0).contains(&seconds), "{seconds}");
        let error = super::super::engine("counting", &endless.unwrap_err());
        assert!(matches!(error, StoreError::TooSlow { .. }), "{error:?}");
        assert!(
            error.to_string().contains("statement_seconds_max"),
            "{error}"
        );
        drop(tx);
        // The engine itself takes a transaction back where it stops a statement that writes.
        let mut tx = store.lock().await.unwrap();
        sqlx::query(made).execute(tx.timed()).await.unwrap();
        let writing = format!(
            "INSERT OR IGNORE INTO rule (hash, text) SELECT x'01', i FROM ({})",
            counting(i64::MAX).replace("count(*)", "i")
        );
        let endless = sqlx::query(sqlx::AssertSqlSafe(writing))
            .execute(tx.timed())
            .await;
        let error = super::super::engine("writing", &endless.unwrap_err());
        assert!(matches!(error, StoreError::TooSlow { .. }), "{error:?}");
        drop(tx);
        let begun = Instant::now();
        let read = store.many(&counting(i64::MAX), &[], count).await;
        let seconds = begun.elapsed().as_secs_f64();
        assert!((0.9..10.0).contains(&seconds), "{seconds}");
        assert!(matches!(read, Err(StoreError::TooSlow { .. })), "{read:?}");
        // Both connections go on, and nothing is left of what was stopped.
        let rules = store.many("SELECT count(*) FROM rule", &[], count).await;
        assert_eq!(rules.unwrap(), [0]);
        assert_eq!(store.strand("a").await.unwrap().seq, 0);
        store.close().await;
    }
}
