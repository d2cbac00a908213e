//! What every question is asked with: numbers, ids or look-ups, in statements of bounded size.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::{Sqlite, SqliteRow};

use super::super::{Store, StoreError};
use super::columns::{blob, fixed, id, int, text};
use super::{SqliteStore, engine};
use crate::domain::{StrandId, limits};
use crate::seal::Digest;

pub(super) type Rows<T> = Result<Vec<T>, StoreError>;

impl SqliteStore {
    pub(super) async fn many<T>(
        &self,
        sql: &str,
        numbers: &[i64],
        read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Rows<T> {
        let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(sql.to_owned()));
        for number in numbers {
            query = query.bind(*number);
        }
        let rows = query
            .fetch_all(&self.readers)
            .await
            .map_err(|error| engine("reading", &error))?;
        rows.iter().map(read).collect()
    }

    /// `WHERE column IN (…)` over ids, in statements of bounded size.
    pub(super) async fn by_ids<T, I>(
        &self,
        select: &str,
        column: &str,
        order: &str,
        ids: &[I],
        read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Rows<T>
    where
        I: Copy + Into<i64>,
    {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(limits::STATEMENT_ROWS) {
            let marks = vec!["?"; chunk.len()].join(",");
            found.extend(
                self.many(
                    &format!("{select} WHERE {column} IN ({marks}) ORDER BY {order}"),
                    &chunk.iter().copied().map(Into::into).collect::<Vec<_>>(),
                    &read,
                )
                .await?,
            );
        }
        Ok(found)
    }

    /// The same over bytes: look-ups, and printed references.
    pub(super) async fn by_bytes<T, const N: usize>(
        &self,
        select: &str,
        column: &str,
        values: &[[u8; N]],
        read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Rows<T> {
        let mut found = Vec::with_capacity(values.len());
        for chunk in values.chunks(limits::STATEMENT_ROWS) {
            let marks = vec!["?"; chunk.len()].join(",");
            let sql = format!("{select} WHERE {column} IN ({marks})");
            let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(sql))
                .persistent(chunk.len() == limits::STATEMENT_ROWS);
            for value in chunk {
                query = query.bind(value.to_vec());
            }
            let rows = query
                .fetch_all(&self.readers)
                .await
                .map_err(|error| engine("looking up", &error))?;
            for row in &rows {
                found.push(read(row)?);
            }
        }
        Ok(found)
    }

    pub(super) async fn last_rows_before(&self, at: i64) -> Rows<(StrandId, i64, Digest)> {
        let mut heads = Vec::new();
        for strand in self.strands().await? {
            // Times of a strand never fall, so the last row before the cut is found from the end.
            let sql = "SELECT strand, seq, hash FROM ledger WHERE strand = ? AND at < ? ORDER BY seq DESC LIMIT 1";
            let numbers = [strand.id.number(), at];
            let head = |row: &SqliteRow| Ok((id(row, 0)?, int(row, 1)?, fixed(row, 2)?));
            heads.extend(self.many(sql, &numbers, head).await?);
        }
        Ok(heads)
    }

    pub(super) async fn published_files(
        &self,
        night: i64,
        commissioner: &str,
    ) -> Rows<(String, Digest, Vec<u8>)> {
        let rows = sqlx::query("SELECT name, digest, bytes FROM published WHERE night = ? AND commissioner = ? ORDER BY name")
            .bind(night)
            .bind(commissioner.to_owned())
            .fetch_all(&self.readers)
            .await
            .map_err(|error| engine("reading reports", &error))?;
        rows.iter()
            .map(|row| Ok((text(row, 0)?, fixed(row, 1)?, blob(row, 2)?)))
            .collect()
    }
}
