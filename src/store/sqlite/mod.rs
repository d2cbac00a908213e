//! The store on `SQLite`: WAL, `synchronous=FULL`, one writer, a pool of readers.

mod columns;
mod guards;
mod leases;
mod project;
mod pushes;
mod query;
mod read;
mod selects;
mod statement;
mod sums;
mod time_limit;
mod write;
mod write_ahead;

use std::sync::Arc;
use std::{path::Path, time::Duration};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{
    ConnectOptions, Row,
    migrate::{Migration, MigrationType, Migrator},
};

use super::StoreError;
use crate::domain::Limits;
use time_limit::{StatementTimer, WriteTx};
use write_ahead::WriteAheadLog;

/// Newest schema this program knows.
const SCHEMA: i64 = 1;

/// Connections that read at once.
const READERS: u32 = 3;

/// Tries to open a file that another process is making, and the pause between two.
const OPEN_TRIES: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// A store in one file, for one machine.
pub(crate) struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Of the statement that the writer runs.
    timer: Arc<StatementTimer>,
    log: WriteAheadLog,
}

impl SqliteStore {
    /// Opens the store, making and migrating the file if need be. Of the limits: how long a statement waits for the engine's lock, how long it
    /// runs, and how long the write-ahead log may become.
    ///
    /// # Errors
    /// The file cannot be opened, or was written by a newer version.
    pub(crate) async fn open(path: &Path, limits: &Limits) -> Result<Self, StoreError> {
        make_private(path).map_err(|error| StoreError::Engine {
            doing: "opening",
            kind: error.kind().to_string(),
            transient: false,
        })?;
        let log = WriteAheadLog::new(path, limits);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(limits.lock_wait_seconds))
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .pragma("temp_store", "MEMORY")
            .pragma("wal_autocheckpoint", log.pages().to_string())
            .pragma(
                "journal_size_limit",
                limits.write_ahead_bytes_max.to_string(),
            )
            .statement_cache_capacity(128)
            // Rows cross from the engine's thread in batches: one at a time costs more than reading them.
            .row_buffer_size(1024);
        // Statements are never logged: what is slow is found by measuring, and values stay where they are.
        let options = options.disable_statement_logging();
        // Small: what falls out of it is still in the system's own cache, which costs a copy and no memory of ours.
        let writing = options.clone().pragma("cache_size", "-16384");
        let reading = options
            .pragma("cache_size", "-2048")
            .pragma("query_only", "ON");
        let doing = "opening";
        let most = Duration::from_secs(limits.statement_seconds_max);
        let timer = StatementTimer::new(most);
        let writer = first_connection(writing, &timer, limits)
            .await
            .map_err(|error| engine(doing, &error))?;
        migrate(&writer).await?;
        // A reader has one statement each time it is taken.
        let readers = pool(READERS, limits)
            .after_connect(move |connection, _| {
                Box::pin(StatementTimer::new(most).watch(connection))
            })
            .test_before_acquire(false)
            .before_acquire(move |connection, _| {
                Box::pin(async move {
                    StatementTimer::new(most).watch(connection).await?;
                    Ok(true)
                })
            })
            .connect_with(reading)
            .await
            .map_err(|error| engine(doing, &error))?;
        Ok(Self {
            writer,
            readers,
            timer,
            log,
        })
    }

    /// A transaction that has the engine's write lock from its beginning.
    async fn lock(&self) -> Result<WriteTx, sqlx::Error> {
        WriteTx::begin(&self.writer, &self.timer).await
    }

    /// Closes both pools, folding the write-ahead log into the file, also where another process has it open.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.log.fold_at_close(&self.writer).await;
        self.writer.close().await;
    }
}

/// Makes the file where there is none, for its owner alone; the engine gives its other files the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A pool without a maintenance task.
///
/// sqlx 0.9.0 counts an idle connection after it has published it. Its maintenance task reads the counter in between, finds
/// it below zero, and loops 2^64 times: the runtime then never ends (sqlx issue 3645, repaired by pull request 4289, which
/// is in no release). The task exists only where connections end by age or idleness, or where some are kept ready.
///
/// Whoever wants a connection waits for as long as the one before may take: its wait for the engine's lock, and its statement.
fn pool(connections: u32, limits: &Limits) -> SqlitePoolOptions {
    let seconds = limits
        .lock_wait_seconds
        .saturating_add(limits.statement_seconds_max);
    SqlitePoolOptions::new()
        .acquire_timeout(Duration::from_secs(seconds))
        .max_connections(connections)
        .min_connections(0)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// The writer's pool with its connection. Setting a new file to WAL asks for it alone, and the engine does not wait for that.
async fn first_connection(
    options: SqliteConnectOptions,
    timer: &Arc<StatementTimer>,
    limits: &Limits,
) -> Result<SqlitePool, sqlx::Error> {
    let mut tries = 1;
    loop {
        let (first, each, released) = (Arc::clone(timer), Arc::clone(timer), Arc::clone(timer));
        let pool = pool(1, limits)
            .after_connect(move |connection, _| Box::pin(Arc::clone(&first).watch(connection)))
            .before_acquire(move |_, _| {
                each.begin();
                Box::pin(async { Ok(true) })
            })
            .after_release(move |_, _| {
                let whole = !released.take_open();
                Box::pin(async move { Ok(whole) })
            });
        match pool.connect_with(options.clone()).await {
            Err(error) if tries < OPEN_TRIES && is_busy(&error) => {
                tries += 1;
                tokio::time::sleep(OPEN_PAUSE).await;
            }
            connected => return connected,
        }
    }
}

/// The version of the schema that is there; 0 of a new file, which has no such table.
async fn version(pool: &SqlitePool) -> i64 {
    let found = sqlx::query("SELECT max(version) FROM _sqlx_migrations");
    let row = found.fetch_one(pool).await;
    row.map_or(0, |row| row.try_get(0).unwrap_or(0))
}

async fn migrate(pool: &SqlitePool) -> Result<(), StoreError> {
    let found = version(pool).await;
    if found > SCHEMA {
        return Err(StoreError::Newer {
            found,
            known: SCHEMA,
        });
    }
    let first = include_str!("../migrations/sqlite/0001_ledger.sql");
    let sql = sqlx::SqlStr::from_static(first);
    let migrations = vec![Migration::new(
        1,
        "ledger".into(),
        MigrationType::Simple,
        sql,
        false,
    )];
    let migrator = Migrator::with_migrations(migrations);
    let doing = "migrating";
    let failed = |error: &sqlx::Error| engine(doing, error);
    let unfit = |_| StoreError::Engine {
        doing,
        kind: "the schema does not fit this version".to_owned(),
        transient: false,
    };
    if found == SCHEMA {
        return migrator.run(pool).await.map_err(unfit);
    }
    // Two processes may open a new file at the same moment: one makes the schema, the other one waits and finds it.
    let begun = pool.begin_with("BEGIN IMMEDIATE").await;
    let mut tx = begun.map_err(|error| failed(&error))?;
    migrator.run(&mut *tx).await.map_err(unfit)?;
    tx.commit().await.map_err(|error| failed(&error))
}

/// Whether somebody else has what is asked for, for a moment.
fn is_busy(error: &sqlx::Error) -> bool {
    matches!(
        engine("opening", error),
        StoreError::Engine {
            transient: true,
            ..
        }
    )
}

/// What the engine's error code means: its lowest eight bits name the kind.
fn in_words(code: &str) -> &'static str {
    let code = code.parse::<u32>().unwrap_or(0);
    match code & 0xff {
        // No room for the index of the log.
        10 if code == 4874 => "the disk is full",
        5 | 6 => "it is busy",
        8 => "it may only be read",
        10 => "the disk failed",
        11 => "it is damaged",
        13 => "the disk is full",
        14 => "it cannot be opened",
        26 => "it is no store",
        _ => "it refused",
    }
}

/// Keeps the engine's error class only: its text may quote values.
fn engine(doing: &'static str, error: &sqlx::Error) -> StoreError {
    let (kind, transient) = match error {
        sqlx::Error::Database(database) if database.code().as_deref() == Some("9") => {
            return StoreError::TooSlow { doing };
        }
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            let busy = matches!(code.as_str(), "5" | "6" | "261" | "517");
            (format!("{} (database error {code})", in_words(&code)), busy)
        }
        sqlx::Error::Io(io) => (format!("{}", io.kind()), false),
        sqlx::Error::PoolTimedOut => ("no connection became free".to_owned(), true),
        sqlx::Error::RowNotFound => ("a row is missing".to_owned(), false),
        _ => ("unexpected answer".to_owned(), false),
    };
    StoreError::Engine {
        doing,
        kind,
        transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits::LOCK_WAIT_SECONDS;

    fn waiting(lock_wait_seconds: u64) -> Limits {
        Limits {
            lock_wait_seconds,
            ..Limits::default()
        }
    }

    #[tokio::test]
    async fn no_pool_has_a_maintenance_task() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("kith.db"), &waiting(1))
            .await
            .unwrap();
        for pool in [&store.writer, &store.readers] {
            let options = pool.options();
            assert_eq!(options.get_idle_timeout(), None);
            assert_eq!(options.get_max_lifetime(), None);
            assert_eq!(options.get_min_connections(), 0);
        }
        store.close().await;
    }

    #[tokio::test]
    async fn one_waits_for_a_connection_as_long_as_the_statement_before_may_take() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kith.db");
        for (lock_wait_seconds, statement_seconds_max) in [(5, 60), (60, 600)] {
            let limits = Limits {
                lock_wait_seconds,
                statement_seconds_max,
                ..Limits::default()
            };
            let store = SqliteStore::open(&path, &limits).await.unwrap();
            for pool in [&store.writer, &store.readers] {
                let waits = pool.options().get_acquire_timeout();
                let most = lock_wait_seconds + statement_seconds_max;
                assert_eq!(waits, Duration::from_secs(most));
            }
            store.close().await;
        }
    }

    /// What the engine itself says that it waits, of each connection.
    async fn waits(path: &Path, lock_wait_seconds: u64) -> [i64; 2] {
        let store = SqliteStore::open(path, &waiting(lock_wait_seconds))
            .await
            .unwrap();
        let mut waits = [0; 2];
        for (pool, waits) in [&store.writer, &store.readers].into_iter().zip(&mut waits) {
            let row = sqlx::query("PRAGMA busy_timeout").fetch_one(pool).await;
            *waits = row.unwrap().get(0);
        }
        store.close().await;
        waits
    }

    #[tokio::test]
    async fn a_statement_waits_for_the_lock_as_long_as_the_limit_says_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kith.db");
        assert_eq!(waits(&path, LOCK_WAIT_SECONDS.usual).await, [5_000; 2]);
        assert_eq!(waits(&path, LOCK_WAIT_SECONDS.most).await, [60_000; 2]);
        // One that holds the lock for less is waited for, one that holds it for more is not.
        let (one, other) = (
            SqliteStore::open(&path, &waiting(1)).await.unwrap(),
            SqliteStore::open(&path, &waiting(1)).await.unwrap(),
        );
        for (held_millis, waited_for) in [(400, true), (2_500, false)] {
            let held = one.lock().await.unwrap();
            let release = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(held_millis)).await;
                held.rollback().await.unwrap();
            });
            let taken = other.lock().await;
            assert_eq!(taken.is_ok(), waited_for, "{held_millis}");
            if let Err(error) = &taken {
                let busy = matches!(
                    engine("waiting", error),
                    StoreError::Engine {
                        transient: true,
                        ..
                    }
                );
                assert!(busy, "{error}");
            }
            drop(taken);
            release.await.unwrap();
        }
        one.close().await;
        other.close().await;
    }

    /// Opens a store, names it, and gives the name that it has.
    async fn opened(path: &Path, name: [u8; 16]) -> [u8; 16] {
        let store = SqliteStore::open(path, &Limits::default()).await.unwrap();
        store.name_installation(name).await.unwrap();
        let made = store.unless_named(|| ()).await.unwrap();
        assert_eq!(made, None, "it has a name");
        let uid = store.ensure_installation().await.unwrap();
        store.close().await;
        uid
    }

    #[test]
    fn a_new_file_that_several_open_at_once_is_made_once() {
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("kith.db");
            let mut named: Vec<[u8; 16]> = std::thread::scope(|scope| {
                let path = &path;
                let opening = [0, 1, 2, 3, 4, 5].map(|number| {
                    scope.spawn(move || {
                        let mut runtime = tokio::runtime::Builder::new_current_thread();
                        let runtime = runtime.enable_all().build().unwrap();
                        runtime.block_on(opened(path, [number; 16]))
                    })
                });
                opening.map(|one| one.join().unwrap()).to_vec()
            });
            named.dedup();
            assert_eq!(named.len(), 1, "one name for all");
        }
    }
}
