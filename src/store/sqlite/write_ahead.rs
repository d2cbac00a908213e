//! The write-ahead log: how long it may become, and when it is folded into the file.
//!
//! The engine writes it from its beginning again once all of it is in the file and nobody reads from it. Readers of ours have one statement each, so
//! that time comes. A reader of somebody else that does not end keeps the log as it is, and it grows: then nothing helps but to say so.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePool;
use sqlx::{Row as _, Sqlite};

use super::READERS;
use crate::domain::Limits;

/// Bytes of a page in the log, with what stands before it.
const FRAME_BYTES: u64 = 4096 + 24;
/// Bytes from which a log is folded at the end, where somebody else has the store open.
const SMALL_BYTES: u64 = 4 << 20;
/// Milliseconds for which readers of the moment are waited for.
const WAIT_MILLIS: u64 = 1_000;
/// Between two tries where a reader does not end: a tenth of the time is waited at most.
const PAUSE: Duration = Duration::from_secs(10);

/// The log of one store.
pub(super) struct WriteAheadLog {
    path: PathBuf,
    bytes_max: u64,
    lock_wait_millis: u64,
    /// When folding was last tried in vain.
    tried: Mutex<Option<Instant>>,
}

/// Whether a log of so many bytes is longer than it may be.
pub(super) fn is_long(bytes: u64, bytes_max: u64) -> bool {
    bytes > bytes_max
}

impl WriteAheadLog {
    pub(super) fn new(store: &Path, limits: &Limits) -> Self {
        let mut path = store.as_os_str().to_owned();
        path.push("-wal");
        Self {
            path: path.into(),
            bytes_max: limits.write_ahead_bytes_max,
            lock_wait_millis: limits.lock_wait_seconds * 1_000,
            tried: Mutex::default(),
        }
    }

    /// Pages after which the engine folds in what no reader needs, at each commit.
    pub(super) fn pages(&self) -> u64 {
        (self.bytes_max / FRAME_BYTES).max(1)
    }

    fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |found| found.len())
    }

    /// After a commit: one that is too long is folded in whole, and begins anew.
    pub(super) async fn fold_if_long(&self, writer: &SqlitePool, readers: &SqlitePool) {
        if !is_long(self.bytes(), self.bytes_max) || self.tried_lately() {
            return;
        }
        // The writer first: readers would rest for as long as somebody else writes.
        let connection = match writer.acquire().await {
            Ok(connection) => connection,
            Err(error) => return self.note(Err(error)),
        };
        // Our own readers rest meanwhile: where somebody reads at each moment, the engine would never come to its end.
        let mut resting = Vec::new();
        let rest = async {
            for _ in 0..READERS {
                resting.extend(readers.acquire().await);
            }
        };
        // One that takes longer is as somebody else's.
        drop(tokio::time::timeout(Duration::from_millis(WAIT_MILLIS), rest).await);
        self.note(self.folds(connection).await);
    }

    /// Before the store is closed: the engine folds it in by itself only where nobody else has the store open.
    pub(super) async fn fold_at_close(&self, writer: &SqlitePool) {
        let long = is_long(self.bytes(), self.bytes_max.min(SMALL_BYTES));
        if long && !self.tried_lately() {
            let folded = match writer.acquire().await {
                Ok(connection) => self.folds(connection).await,
                Err(error) => Err(error),
            };
            self.note(folded);
        }
    }

    fn tried_lately(&self) -> bool {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.is_some_and(|at| at.elapsed() < PAUSE)
    }

    /// What is committed is durable already, so a failure harms nothing: the next commit tries again.
    fn note(&self, folded: Result<bool, sqlx::Error>) {
        let busy = match folded {
            Ok(busy) => busy,
            Err(error) => {
                let error = super::engine("folding the write-ahead log", &error);
                tracing::warn!(%error, "the write-ahead log was not folded in");
                true
            }
        };
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        *tried = busy.then(Instant::now);
    }

    /// Whether a reader kept it from being folded.
    async fn folds(&self, mut connection: PoolConnection<Sqlite>) -> Result<bool, sqlx::Error> {
        let wait = |millis: u64| sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {millis}"));
        let shortly = self.lock_wait_millis.min(WAIT_MILLIS);
        sqlx::query(wait(shortly)).execute(&mut *connection).await?;
        let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut *connection)
            .await;
        let as_before = wait(self.lock_wait_millis);
        sqlx::query(as_before).execute(&mut *connection).await?;
        let busy: i64 = folded?.try_get(0)?;
        Ok(busy != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use sqlx::Connection as _;
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};

    use super::super::SqliteStore;
    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::domain::{Clock as _, RunId, limits};
    use crate::store::{
        Batch, Lease, LeaseAnswer, LeaseAsk, LeaseHolder, LeaseStage, Store as _, StoreError,
    };

    /// Of the log in these tests.
    const BYTES_MAX: u64 = 256 << 10;
    /// What one transaction of these tests takes, generously.
    const TRANSACTION: u64 = 128 << 10;

    /// A store, and what is written into it.
    struct Written {
        store: Arc<SqliteStore>,
        path: PathBuf,
        lease: Lease,
        number: u64,
    }

    impl Written {
        async fn new(folder: &Path) -> Self {
            let path = folder.join("kith.db");
            let limits = Limits {
                write_ahead_bytes_max: BYTES_MAX,
                ..Limits::default()
            };
            let store = SqliteStore::open(&path, &limits).await.unwrap();
            store.name_installation([1; 16]).await.unwrap();
            let strand = store.strand("a").await.unwrap().id;
            let now = SystemClock.now().0;
            let ask = LeaseAsk {
                stage: LeaseStage::Pull,
                strand,
                holder: LeaseHolder {
                    host: "here".to_owned(),
                    pid: 1,
                    started: 1,
                    run: RunId::NONE,
                },
                now,
                until: now + 3_600_000_000,
                dead: None,
            };
            let LeaseAnswer::Taken(lease) = store.take_lease(ask).await.unwrap() else {
                panic!("nobody else has it");
            };
            Self {
                store: Arc::new(store),
                path,
                lease,
                number: 0,
            }
        }

        /// Writes so many bytes.
        async fn writes(&mut self, bytes: usize) -> Result<(), StoreError> {
            self.number += 1;
            let mut batch = Batch::new(self.lease.strand, SystemClock.now());
            batch.under.push(self.lease);
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&self.number.to_be_bytes());
            batch.rules.push((hash, "x".repeat(bytes)));
            self.store.commit(batch).await.map(drop)
        }

        fn log_bytes(&self) -> u64 {
            self.store.log.bytes()
        }
    }

    #[test]
    fn a_log_is_long_beyond_the_bytes_that_it_may_have() {
        for most in [
            1,
            limits::WRITE_AHEAD_BYTES.usual,
            limits::WRITE_AHEAD_BYTES.most,
        ] {
            limits::holds_at(most, |bytes: u64| !is_long(bytes, most));
        }
        let pages = |write_ahead_bytes_max| {
            let limits = Limits {
                write_ahead_bytes_max,
                ..Limits::default()
            };
            WriteAheadLog::new(Path::new("kith.db"), &limits).pages()
        };
        // None at all would let it grow without end.
        assert_eq!(pages(1), 1);
        assert_eq!(pages(FRAME_BYTES * 10), 10);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn beside_readers_of_ours_the_log_stays_as_long_as_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let mut written = Written::new(folder.path()).await;
        let done = Arc::new(AtomicBool::new(false));
        let mut reading = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (store, done) = (Arc::clone(&written.store), Arc::clone(&done));
            // One statement after the other, so that somebody reads at each moment.
            reading.spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let count = |row: &SqliteRow| Ok(row.get::<i64, _>(0));
                    let sql = "WITH RECURSIVE n(i) AS (SELECT count(*) FROM rule UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT count(*) FROM n";
                    store.many(sql, &[], count).await.unwrap();
                }
            });
        }
        let mut longest = 0;
        for _ in 0..300 {
            written.writes(16 << 10).await.unwrap();
            longest = longest.max(written.log_bytes());
        }
        done.store(true, Ordering::Relaxed);
        while reading.join_next().await.is_some() {}
        assert!(longest > BYTES_MAX / 2, "{longest}");
        assert!(longest <= BYTES_MAX + TRANSACTION, "{longest}");
        written.store.close().await;
    }

    #[tokio::test]
    async fn readers_do_not_rest_while_somebody_else_has_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let mut written = Written::new(folder.path()).await;
        written.writes(10).await.unwrap();
        let store = Arc::clone(&written.store);
        // A log that is long, while another commit has the writer.
        let mut log = WriteAheadLog::new(&written.path, &Limits::default());
        log.bytes_max = 0;
        let held = store.lock().await.unwrap();
        let folding = tokio::spawn({
            let store = Arc::clone(&store);
            async move { log.fold_if_long(&store.writer, &store.readers).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!folding.is_finished());
        let count = |row: &SqliteRow| Ok(row.get::<i64, _>(0));
        let read = store.many("SELECT count(*) FROM rule", &[], count);
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        assert_eq!(read.expect("nobody holds the readers").unwrap(), [1]);
        held.rollback().await.unwrap();
        folding.await.unwrap();
        assert_eq!(written.log_bytes(), 0);
        written.store.close().await;
    }

    #[tokio::test]
    async fn a_reader_that_does_not_end_delays_few_commits_and_the_log_is_folded_once_it_has_gone()
    {
        let folder = tempfile::tempdir().unwrap();
        let mut written = Written::new(folder.path()).await;
        written.writes(10).await.unwrap();
        let options = SqliteConnectOptions::new().filename(&written.path);
        let mut reader = SqliteConnection::connect_with(&options).await.unwrap();
        let mut reads = reader.begin().await.unwrap();
        let count = "SELECT count(*) FROM rule";
        sqlx::query(count).fetch_one(&mut *reads).await.unwrap();
        let begun = Instant::now();
        for _ in 0..100 {
            written.writes(16 << 10).await.unwrap();
        }
        // One of them waited for the reader; the others knew.
        assert!(begun.elapsed() < Duration::from_mins(1));
        assert!(written.log_bytes() > 4 * BYTES_MAX);
        reads.rollback().await.unwrap();
        // The reader stays, but reads nothing: a further process folds the log in at its end.
        let limits = Limits {
            write_ahead_bytes_max: BYTES_MAX,
            ..Limits::default()
        };
        let other = SqliteStore::open(&written.path, &limits).await.unwrap();
        assert_eq!(other.strand("a").await.unwrap().id, written.lease.strand);
        other.close().await;
        assert_eq!(written.log_bytes(), 0);
        written.store.close().await;
        reader.close().await.unwrap();
    }

    #[tokio::test]
    async fn where_the_disk_is_full_the_transaction_is_gone_and_the_next_one_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut written = Written::new(folder.path()).await;
        for bytes in [10, 2 << 20] {
            // The engine's own word for a disk without room, in the midst of a transaction.
            let full = "PRAGMA max_page_count = 1";
            let writer = &written.store.writer;
            sqlx::query(full).execute(writer).await.unwrap();
            let error = written.writes(2 << 20).await.unwrap_err();
            assert!(error.to_string().contains("the disk is full"), "{error}");
            written.writes(bytes).await.unwrap();
        }
        let count = |row: &SqliteRow| Ok(row.get::<i64, _>(0));
        let rules = written
            .store
            .many("SELECT count(*) FROM rule", &[], count)
            .await;
        assert_eq!(rules.unwrap(), [2]);
        written.store.close().await;
    }
}
