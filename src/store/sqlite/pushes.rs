//! Writes to GP systems: what is to be written and told, and its projection, each only from where it was read.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::Sqlite;

use super::super::rows::{Leg, MirrorKind, MirrorRow, PushRow, PushState, PushUpdate};
use super::super::{PushQuery, StoreError};
use super::columns::{leg, push};
use super::query::Rows;
use super::selects::{LEG, PUSH};
use super::statement::{Cell, insert, insert_each};
use super::time_limit::WriteTx;
use super::{SqliteStore, engine};
use crate::domain::{LegId, Reason, StrandId, limits};

impl SqliteStore {
    pub(super) async fn pushes_in_state(&self, query: PushQuery) -> Rows<PushRow> {
        // The words of the index, or the engine does not see that it may use it.
        let open = if query.state < PushState::Confirmed {
            "AND state < 5"
        } else {
            ""
        };
        let sql = format!(
            "{PUSH} WHERE source = ? AND state = ? {open} AND event > ? AND due <= ? ORDER BY event LIMIT ?"
        );
        let numbers = [
            query.source.number(),
            query.state.number(),
            query.after.number(),
            query.now,
            query.limit,
        ];
        self.many(&sql, &numbers, push).await
    }

    pub(super) async fn untold_legs(
        &self,
        source: StrandId,
        kind: MirrorKind,
        after: LegId,
        limit: i64,
    ) -> Rows<Leg> {
        // A Task begins when something was sent to a partner, and follows from then on; the request is told of completion only.
        let wanted = match kind {
            MirrorKind::Task => "(m.leg IS NOT NULL OR leg.state BETWEEN 4 AND 11)",
            MirrorKind::Request => "leg.state = 10",
        };
        let sql = format!(
            "{LEG} LEFT JOIN mirror m ON m.leg = leg.id AND m.kind = ? WHERE leg.source = ? AND leg.id > ? AND {wanted} \
             AND (m.said IS NULL OR m.said <> leg.state * 2 + (leg.asked = 3)) ORDER BY leg.id LIMIT ?"
        );
        let numbers = [kind.number(), source.number(), after.number(), limit];
        self.many(&sql, &numbers, leg).await
    }
}

pub(super) async fn insert_pushes(
    conn: &mut WriteTx,
    pushes: &[PushRow],
) -> Result<(), StoreError> {
    let head = "INSERT INTO push (event, leg, source, kind, state, attempts, reason, due, lost, timed_out)";
    insert_each(conn, head, pushes, |push| {
        [
            push.event.number(),
            push.leg.number(),
            push.source.number(),
            push.kind.number(),
            push.state.number(),
            push.attempts,
            push.reason.map_or(0, Reason::number),
            push.due,
            push.unanswered.lost,
            push.unanswered.timed_out,
        ]
        .map(Cell::I)
    })
    .await
}

/// Moves writes that still stand where they were read; if one does not, another run has it, and nothing is written.
pub(super) async fn move_pushes(
    conn: &mut WriteTx,
    updates: &[PushUpdate],
) -> Result<(), StoreError> {
    for chunk in updates.chunks(limits::STATEMENT_ROWS) {
        let rows = vec!["(?,?,?,?,?,?,?,?,?)"; chunk.len()].join(",");
        let sql = format!(
            "UPDATE push SET state = v.column2, attempts = v.column3, reason = v.column4, server_id = v.column5, \
             lost = v.column8, timed_out = v.column9 \
             FROM (VALUES {rows}) v WHERE push.event = v.column1 AND push.state = v.column6 AND push.attempts = v.column7"
        );
        let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(sql))
            .persistent(chunk.len() == limits::STATEMENT_ROWS);
        for update in chunk {
            let row = &update.row;
            query = query
                .bind(row.event)
                .bind(row.state.number())
                .bind(row.attempts)
                .bind(row.reason.map_or(0, Reason::number))
                .bind(row.server_id.as_deref())
                .bind(update.was.number())
                .bind(update.attempts_were)
                .bind(row.unanswered.lost)
                .bind(row.unanswered.timed_out);
        }
        let done = query
            .execute(conn.timed())
            .await
            .map_err(|error| engine("moving writes", &error))?;
        if usize::try_from(done.rows_affected()) != Ok(chunk.len()) {
            return Err(StoreError::Stale);
        }
    }
    Ok(())
}

pub(super) async fn upsert_mirrors(
    conn: &mut WriteTx,
    mirrors: &[MirrorRow],
) -> Result<(), StoreError> {
    let mut cells = Vec::with_capacity(mirrors.len() * 9);
    for row in mirrors {
        cells.extend(
            [
                row.leg.number(),
                row.kind.number(),
                row.source.number(),
                row.state.number(),
                row.attempts,
                row.last_status,
                row.unanswered.lost,
                row.unanswered.timed_out,
            ]
            .map(Cell::I),
        );
        cells.push(row.server_id.as_deref().map_or(Cell::Null, Cell::B));
    }
    insert(
        conn,
        "INSERT OR REPLACE INTO mirror (leg, kind, source, state, attempts, said, lost, timed_out, server_id)",
        9,
        cells,
    )
    .await
}
