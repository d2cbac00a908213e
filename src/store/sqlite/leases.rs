//! Taking, renewing, giving back and checking leases: each in one transaction that holds the engine's write lock.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::{Sqlite, SqliteRow};

use super::super::batch::Batch;
use super::super::{Lease, LeaseAnswer, LeaseAsk, LeaseHolder, LeaseRow, LeaseStage, StoreError};
use super::columns::{id, int, text};
use super::time_limit::WriteTx;
use super::{SqliteStore, engine};
use crate::domain::Clock as _;
use crate::domain::clock::SystemClock;

const LEASE: &str = "SELECT stage, strand, fence, host, pid, started, run, since, until FROM lease";

impl SqliteStore {
    pub(super) async fn take(&self, ask: LeaseAsk) -> Result<LeaseAnswer, StoreError> {
        let doing = "taking a lease";
        let failed = |error: &sqlx::Error| engine(doing, error);
        let mut tx = self.lock().await.map_err(|e| failed(&e))?;
        let found = row_of(&mut tx, ask.stage, ask.strand).await?;
        if let Some(row) = found
            && row.until > ask.now
            && ask.dead != Some(row.lease.fence)
        {
            tx.rollback().await.map_err(|e| failed(&e))?;
            return Ok(LeaseAnswer::Held(row));
        }
        let drawn = sqlx::query("UPDATE strand SET fence = fence + 1 WHERE id = ? RETURNING fence")
            .bind(ask.strand)
            .fetch_optional(tx.timed())
            .await
            .map_err(|e| failed(&e))?
            .ok_or(StoreError::Corrupt("strand"))?;
        let lease = Lease {
            stage: ask.stage,
            strand: ask.strand,
            fence: int(&drawn, 0)?,
        };
        sqlx::query(
            "INSERT INTO lease (stage, strand, fence, host, pid, started, run, since, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (stage, strand) DO UPDATE SET fence = excluded.fence, host = excluded.host, pid = excluded.pid, \
             started = excluded.started, run = excluded.run, since = excluded.since, until = excluded.until",
        )
        .bind(lease.stage.number())
        .bind(lease.strand)
        .bind(lease.fence)
        .bind(&ask.holder.host)
        .bind(ask.holder.pid)
        .bind(ask.holder.started)
        .bind(ask.holder.run)
        .bind(ask.now)
        .bind(ask.until)
        .execute(tx.timed())
        .await
        .map_err(|e| failed(&e))?;
        tx.commit().await.map_err(|e| failed(&e))?;
        Ok(LeaseAnswer::Taken(lease))
    }

    pub(super) async fn renew(
        &self,
        leases: Vec<Lease>,
        now: i64,
        until: i64,
    ) -> Result<Vec<Lease>, StoreError> {
        let failed = |error: &sqlx::Error| engine("renewing leases", error);
        let mut tx = self.lock().await.map_err(|e| failed(&e))?;
        let mut lost = Vec::new();
        for lease in leases {
            let sql = "UPDATE lease SET until = ? WHERE stage = ? AND strand = ? AND fence = ? AND until > ?";
            let done = sqlx::query(sql)
                .bind(until)
                .bind(lease.stage.number())
                .bind(lease.strand)
                .bind(lease.fence)
                .bind(now)
                .execute(tx.timed())
                .await
                .map_err(|e| failed(&e))?;
            if done.rows_affected() != 1 {
                lost.push(lease);
            }
        }
        tx.commit().await.map_err(|e| failed(&e))?;
        Ok(lost)
    }

    pub(super) async fn release(&self, leases: Vec<Lease>) -> Result<(), StoreError> {
        let failed = |error: &sqlx::Error| engine("giving back leases", error);
        let mut tx = self.lock().await.map_err(|e| failed(&e))?;
        for lease in leases {
            sqlx::query("DELETE FROM lease WHERE stage = ? AND strand = ? AND fence = ?")
                .bind(lease.stage.number())
                .bind(lease.strand)
                .bind(lease.fence)
                .execute(tx.timed())
                .await
                .map_err(|e| failed(&e))?;
        }
        tx.commit().await.map_err(|e| failed(&e))
    }

    pub(super) async fn all_leases(&self) -> Result<Vec<LeaseRow>, StoreError> {
        self.many(&format!("{LEASE} ORDER BY stage, strand"), &[], lease_row)
            .await
    }
}

/// Whether each batch is written under leases that still stand, one of them of its strand; the engine's write lock is held.
///
/// The clock is read here, after the lock was waited for: an instant from before says nothing of a process that was stopped.
pub(super) async fn check_leases(conn: &mut WriteTx, batches: &[Batch]) -> Result<(), StoreError> {
    let mut checked: Vec<Lease> = Vec::new();
    for batch in batches {
        if batch.under.iter().all(|lease| lease.strand != batch.strand) {
            return Err(StoreError::LeaseLost);
        }
        for lease in &batch.under {
            if checked.contains(lease) {
                continue;
            }
            let row = row_of(conn, lease.stage, lease.strand).await?;
            let now = SystemClock.now().0;
            if row.is_none_or(|row| row.lease != *lease || row.until <= now) {
                return Err(StoreError::LeaseLost);
            }
            checked.push(*lease);
        }
    }
    Ok(())
}

async fn row_of(
    conn: &mut WriteTx,
    stage: LeaseStage,
    strand: crate::domain::StrandId,
) -> Result<Option<LeaseRow>, StoreError> {
    let sql = format!("{LEASE} WHERE stage = ? AND strand = ?");
    let row = sqlx::query::<Sqlite>(AssertSqlSafe(sql))
        .bind(stage.number())
        .bind(strand)
        .fetch_optional(conn.timed())
        .await
        .map_err(|error| engine("reading a lease", &error))?;
    row.as_ref().map(lease_row).transpose()
}

fn lease_row(row: &SqliteRow) -> Result<LeaseRow, StoreError> {
    let stage = LeaseStage::from_number(int(row, 0)?).ok_or(StoreError::Corrupt("lease.stage"))?;
    let (strand, fence) = (id(row, 1)?, int(row, 2)?);
    Ok(LeaseRow {
        lease: Lease {
            stage,
            strand,
            fence,
        },
        holder: LeaseHolder {
            host: text(row, 3)?,
            pid: int(row, 4)?,
            started: int(row, 5)?,
            run: id(row, 6)?,
        },
        since: int(row, 7)?,
        until: int(row, 8)?,
    })
}
