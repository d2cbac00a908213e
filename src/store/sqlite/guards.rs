//! What must still hold when a batch is written, asked of what is durable, under the engine's write lock.

use sqlx::sqlite::Sqlite;
use sqlx::{AssertSqlSafe, Row};

use super::super::StoreError;
use super::super::batch::Guard;
use super::engine;
use super::time_limit::WriteTx;
use crate::domain::{LegId, StrandId, limits};
use crate::seal::LookupKey;

/// A leg that is routed or after sending, as `LegState` numbers it; the words of the index `leg_open`.
pub(super) const OPEN: &str = "leg.partner > 0 AND leg.state IN (3, 4, 5, 6, 8, 9)";

/// # Errors
/// [`StoreError::Stale`] if one does not hold.
pub(super) async fn check_guards(conn: &mut WriteTx, guards: &[Guard]) -> Result<(), StoreError> {
    let mut pairs = Vec::new();
    for guard in guards {
        match guard {
            Guard::Places {
                partner,
                taken,
                most,
            } => {
                if open_legs(conn, *partner).await? + taken > *most {
                    return Err(StoreError::Stale);
                }
            }
            Guard::NotOpen { persons, partner } => {
                pairs.extend(persons.iter().map(|person| (person, *partner)));
            }
            Guard::Told { legs, events } => {
                if events_told(conn, legs).await? != *events {
                    return Err(StoreError::Stale);
                }
            }
        }
    }
    for chunk in pairs.chunks(limits::STATEMENT_ROWS) {
        if any_open(conn, chunk).await? {
            return Err(StoreError::Stale);
        }
    }
    Ok(())
}

async fn open_legs(conn: &mut WriteTx, partner: StrandId) -> Result<i64, StoreError> {
    let sql = format!("SELECT count(*) FROM leg WHERE {OPEN} AND leg.partner = ?");
    sqlx::query::<Sqlite>(AssertSqlSafe(sql))
        .bind(partner)
        .fetch_one(conn.timed())
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| engine("counting open legs", &error))
}

/// How many events were told of these legs.
async fn events_told(conn: &mut WriteTx, legs: &[LegId]) -> Result<i64, StoreError> {
    let mut told = 0;
    for chunk in legs.chunks(limits::STATEMENT_ROWS) {
        let marks = vec!["?"; chunk.len()].join(",");
        let sql = format!("SELECT count(*) FROM event WHERE leg IN ({marks})");
        let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(sql))
            .persistent(chunk.len() == limits::STATEMENT_ROWS);
        for leg in chunk {
            query = query.bind(*leg);
        }
        let counted = query.fetch_one(conn.timed()).await;
        told += counted
            .and_then(|row| row.try_get::<i64, _>(0))
            .map_err(|error| engine("counting events", &error))?;
    }
    Ok(told)
}

/// Whether one of these persons has an open leg with the partner beside them.
async fn any_open(
    conn: &mut WriteTx,
    pairs: &[(&LookupKey, StrandId)],
) -> Result<bool, StoreError> {
    let rows = vec!["(?,?)"; pairs.len()].join(",");
    // CROSS JOIN keeps the engine to this order: from the pairs to a key each, and to that person's few legs, which it would
    // otherwise look for among all that are open with the partner.
    let sql = format!(
        "SELECT 1 FROM (VALUES {rows}) v CROSS JOIN keyring ON keyring.look = v.column1 CROSS JOIN leg INDEXED BY leg_person ON leg.person = keyring.id \
         WHERE leg.partner = v.column2 AND {OPEN} LIMIT 1"
    );
    let mut query =
        sqlx::query::<Sqlite>(AssertSqlSafe(sql)).persistent(pairs.len() == limits::STATEMENT_ROWS);
    for (person, partner) in pairs {
        query = query.bind(&person[..]).bind(*partner);
    }
    let found = query
        .fetch_optional(conn.timed())
        .await
        .map_err(|error| engine("looking for open legs", &error))?;
    Ok(found.is_some())
}
