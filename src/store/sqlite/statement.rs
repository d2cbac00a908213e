//! Multi-row inserts, in statements of bounded size.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteArgumentsBuffer, SqliteTypeInfo};
use sqlx::{Arguments, AssertSqlSafe, Encode};

use super::super::StoreError;
use super::engine;
use super::time_limit::WriteTx;
use crate::domain::{Id, limits};

/// Values of one statement, below what `SQLite` takes (32,766).
const VARIABLES_MAX: usize = 30_000;

/// A value to bind.
pub(super) enum Cell<'a> {
    I(i64),
    B(&'a [u8]),
    T(&'a str),
    Null,
}

impl From<i64> for Cell<'_> {
    fn from(value: i64) -> Self {
        Self::I(value)
    }
}

impl<T> From<Id<T>> for Cell<'_> {
    fn from(value: Id<T>) -> Self {
        Self::I(value.number())
    }
}

impl<T> sqlx::Type<Sqlite> for Id<T> {
    fn type_info() -> SqliteTypeInfo {
        <i64 as sqlx::Type<Sqlite>>::type_info()
    }
}

impl<T> Encode<'_, Sqlite> for Id<T> {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.number(), buffer)
    }
}

impl<'a> From<&'a [u8]> for Cell<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::B(value)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Cell<'a> {
    fn from(value: &'a [u8; N]) -> Self {
        Self::B(value)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(value: &'a str) -> Self {
        Self::T(value)
    }
}

impl<'a, const N: usize> From<&'a Option<[u8; N]>> for Cell<'a> {
    fn from(value: &'a Option<[u8; N]>) -> Self {
        value.as_ref().map_or(Self::Null, |bytes| Self::B(bytes))
    }
}

/// How many rows one statement may insert, largest first: a rest goes in a few statements that are prepared already, since
/// preparing one takes longer than running it.
const SIZES: [usize; 5] = [limits::STATEMENT_ROWS, 100, 20, 4, 1];

/// Inserts rows of `width` cells, as [`insert_each`] does.
pub(super) async fn insert(
    conn: &mut WriteTx,
    head: &'static str,
    width: usize,
    cells: Vec<Cell<'_>>,
) -> Result<(), StoreError> {
    let width = width.max(1);
    insert_cells(conn, head, (width, cells.len() / width), cells.into_iter()).await
}

/// Inserts rows, several a statement, whose cells are made as they are needed; while the engine's thread runs one statement,
/// the values of the next are put together. A conflict is an error, and the transaction is to be given up.
pub(super) async fn insert_each<'r, T, const WIDTH: usize>(
    conn: &mut WriteTx,
    head: &'static str,
    rows: &'r [T],
    cells: impl Fn(&'r T) -> [Cell<'r>; WIDTH],
) -> Result<(), StoreError> {
    let size = (WIDTH, rows.len());
    insert_cells(conn, head, size, rows.iter().flat_map(cells)).await
}

async fn insert_cells<'c>(
    conn: &mut WriteTx,
    head: &'static str,
    (width, mut left): (usize, usize),
    mut cells: impl Iterator<Item = Cell<'c>>,
) -> Result<(), StoreError> {
    let mut prepare = || {
        let fits = |size: &&usize| **size <= left && **size * width <= VARIABLES_MAX;
        let rows = SIZES.iter().find(fits).copied()?;
        left -= rows;
        let bound = bind(cells.by_ref().take(rows * width), rows * width);
        Some(bound.map(|bound| (statement(head, width, rows), bound)))
    };
    let mut next = prepare();
    while let Some(bound) = next {
        let (sql, bound) = bound?;
        let running = sqlx::query_with(AssertSqlSafe(sql), bound).execute(conn.timed());
        let (ran, following) = tokio::join!(running, async { prepare() });
        ran.map_err(|error| engine("inserting", &error))?;
        next = following;
    }
    Ok(())
}

/// The values of one statement.
fn bind<'c>(
    cells: impl Iterator<Item = Cell<'c>>,
    count: usize,
) -> Result<SqliteArguments, StoreError> {
    let mut bound = SqliteArguments::default();
    bound.reserve(count, 0);
    for cell in cells {
        match cell {
            Cell::I(value) => bound.add(value),
            Cell::B(value) => bound.add(value),
            Cell::T(value) => bound.add(value),
            Cell::Null => bound.add(None::<i64>),
        }
        .map_err(|_| StoreError::Corrupt("a value to write"))?;
    }
    Ok(bound)
}

/// A statement that inserts so many rows. A plain `INSERT` of several rows can be taken back alone, for which `SQLite` keeps a
/// copy of every page that it touches; ours is only ever taken back with its transaction.
fn statement(head: &str, width: usize, rows: usize) -> String {
    let head = head.replacen("INSERT INTO", "INSERT OR FAIL INTO", 1);
    let row = format!("({})", vec!["?"; width].join(","));
    format!("{head} VALUES {}", vec![row; rows].join(","))
}
