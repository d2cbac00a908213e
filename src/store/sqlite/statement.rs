//! Multi-row inserts, in statements of bounded size.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{Sqlite, SqliteArgumentsBuffer, SqliteConnection, SqliteTypeInfo};
use sqlx::{AssertSqlSafe, Encode};

use super::super::StoreError;
use super::engine;
use crate::domain::{Id, limits};

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

/// Inserts rows of `width` cells, as many a statement as the variable limit and the plan allow.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    head: &'static str,
    width: usize,
    cells: Vec<Cell<'_>>,
) -> Result<(), StoreError> {
    let rows_a_statement = limits::STATEMENT_ROWS.min(30_000 / width.max(1));
    let mut cells = cells.into_iter().peekable();
    while cells.peek().is_some() {
        let chunk: Vec<Cell<'_>> = cells.by_ref().take(rows_a_statement * width).collect();
        let rows = chunk.len() / width;
        let row = format!("({})", vec!["?"; width].join(","));
        let sql = format!("{head} VALUES {}", vec![row; rows].join(","));
        // Only the full statement comes again; the last, shorter one is not worth a place in the cache.
        let mut query =
            sqlx::query::<Sqlite>(AssertSqlSafe(sql)).persistent(rows == rows_a_statement);
        for cell in chunk {
            query = match cell {
                Cell::I(value) => query.bind(value),
                Cell::B(value) => query.bind(value),
                Cell::T(value) => query.bind(value),
                Cell::Null => query.bind(None::<i64>),
            };
        }
        query
            .execute(&mut *conn)
            .await
            .map_err(|error| engine("inserting", &error))?;
    }
    Ok(())
}
