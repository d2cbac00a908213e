//! Writing: strands and ids, and everything of a batch in one transaction.

use crate::domain::{DropId, Reason, StrandId};
use sqlx::Row;

use super::super::StoreError;
use super::super::batch::{Batch, Chained, Commit, LookedUnder};
use super::super::rows::{KeyRow, LedgerRow, Strand};
use super::columns::strand;
use super::guards::check_guards;
use super::leases::check_leases;
use super::project::{write_legs, write_projections};
use super::statement::{Cell, insert, insert_each};
use super::time_limit::WriteTx;
use super::{SqliteStore, engine};
use crate::seal::Digest;
use crate::store::hash_chain;

const STRAND_NAMED: &str = "SELECT id, name, seq, head, at, rules FROM strand WHERE name = ?";

impl SqliteStore {
    pub(super) async fn ensure_installation(&self) -> Result<[u8; 16], StoreError> {
        let found = sqlx::query("SELECT uid FROM installation WHERE id = 1")
            .fetch_optional(&self.writer)
            .await
            .map_err(|error| engine("reading the installation", &error))?;
        if let Some(row) = found {
            let uid: Vec<u8> = row
                .try_get(0)
                .map_err(|error| engine("reading the installation", &error))?;
            return uid
                .try_into()
                .map_err(|_| StoreError::Corrupt("installation"));
        }
        Err(StoreError::Corrupt("installation"))
    }

    /// Writes the installation's id into a new store; an old one keeps its own.
    pub(crate) async fn name_installation(&self, uid: [u8; 16]) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO installation (id, uid) VALUES (1, ?) ON CONFLICT (id) DO NOTHING")
            .bind(&uid[..])
            .execute(&self.writer)
            .await
            .map(|_| ())
            .map_err(|error| engine("naming the installation", &error))
    }

    /// Makes something while nobody else can name the installation; `None` if it has its name.
    pub(crate) async fn unless_named<T>(
        &self,
        make: impl FnOnce() -> T + Send,
    ) -> Result<Option<T>, StoreError> {
        let failed = |error: &sqlx::Error| engine("reading the installation", error);
        let mut tx = self.lock().await.map_err(|e| failed(&e))?;
        let found = sqlx::query("SELECT uid FROM installation WHERE id = 1");
        let found = found.fetch_optional(tx.timed()).await;
        let named = found.map_err(|e| failed(&e))?.is_some();
        let made = (!named).then(make);
        tx.rollback().await.map_err(|e| failed(&e))?;
        Ok(made)
    }

    pub(super) async fn ensure_strand(&self, name: &str) -> Result<Strand, StoreError> {
        let failed = |error: &sqlx::Error| engine("making a strand", error);
        let named = || sqlx::query(STRAND_NAMED).bind(name);
        // An old strand is found beside whoever is writing.
        let found = named().fetch_optional(&self.readers).await;
        if let Some(row) = found.map_err(|e| failed(&e))? {
            return strand(&row);
        }
        let uid = self.ensure_installation().await?;
        let mut tx = self.lock().await.map_err(|e| failed(&e))?;
        let found = named().fetch_optional(tx.timed()).await;
        if let Some(row) = found.map_err(|e| failed(&e))? {
            tx.rollback().await.map_err(|e| failed(&e))?;
            return strand(&row);
        }
        let made = Strand {
            id: StrandId::new(draw(&mut tx, "strand", 1).await?),
            name: name.to_owned(),
            seq: 0,
            head: hash_chain::genesis(&uid, name),
            at: 0,
            rules: None,
        };
        sqlx::query(
            "INSERT INTO strand (id, name, seq, head, at, next_id, fence, rules) VALUES (?, ?, 0, ?, 0, 1, 0, x'')",
        )
        .bind(made.id)
        .bind(name)
        .bind(&made.head[..])
        .execute(tx.timed())
        .await
        .map_err(|e| failed(&e))?;
        tx.commit().await.map_err(|e| failed(&e))?;
        Ok(made)
    }

    pub(super) async fn reserve_ids(
        &self,
        strand: StrandId,
        count: i64,
    ) -> Result<i64, StoreError> {
        let row =
            sqlx::query("UPDATE strand SET next_id = next_id + ? WHERE id = ? RETURNING next_id")
                .bind(count)
                .bind(strand)
                .fetch_one(&self.writer)
                .await
                .map_err(|error| engine("reserving ids", &error))?;
        let next: i64 = row
            .try_get(0)
            .map_err(|error| engine("reserving ids", &error))?;
        Ok((strand.number() << 40) + next - count)
    }

    pub(super) async fn lift_strands(&self, at: i64) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE strand SET at = max(at, ?)").bind(at);
        query
            .execute(&self.writer)
            .await
            .map(|_| ())
            .map_err(|error| engine("lifting strands", &error))
    }

    pub(super) async fn insert_key(&self, key: KeyRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO keyring (id, kind, look, wrapped) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
        sqlx::query(sql)
            .bind(key.id)
            .bind(key.kind.number())
            .bind(key.lookup.map(|lookup| lookup.to_vec()))
            .bind(&key.wrapped[..])
            .execute(&self.writer)
            .await
            .map(|_| ())
            .map_err(|error| engine("adding a key", &error))
    }

    pub(super) async fn commit_batches(
        &self,
        batches: Vec<Batch>,
    ) -> Result<Vec<Commit>, StoreError> {
        let doing = "committing";
        let mut tx = self.lock().await.map_err(|error| engine(doing, &error))?;
        match write_batches(&mut tx, batches).await {
            Ok(commits) => {
                tx.commit().await.map_err(|error| engine(doing, &error))?;
                self.log.fold_if_long(&self.writer, &self.readers).await;
                Ok(commits)
            }
            // The engine is well: what somebody else changed is met again and again.
            Err(error @ (StoreError::Stale | StoreError::LeaseLost)) => {
                tx.rollback().await.map_err(|error| engine(doing, &error))?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}

async fn write_batches(tx: &mut WriteTx, batches: Vec<Batch>) -> Result<Vec<Commit>, StoreError> {
    check_leases(tx, &batches).await?;
    let mut commits = Vec::with_capacity(batches.len());
    for batch in batches {
        check_guards(tx, &batch.guards).await?;
        commits.push(write_batch(tx, batch).await?);
    }
    Ok(commits)
}

/// Rows that are worth a thread of their own to be hashed on.
const HASHED_BESIDE: usize = 500;
/// Pieces of hashed rows that may wait to be written.
const HASHED_AHEAD: usize = 2;

async fn write_batch(conn: &mut WriteTx, mut batch: Batch) -> Result<Commit, StoreError> {
    let doing = "committing";
    let row = sqlx::query("SELECT id, name, seq, head, at, rules FROM strand WHERE id = ?")
        .bind(batch.strand)
        .fetch_one(conn.timed())
        .await
        .map_err(|error| engine(doing, &error))?;
    let strand = strand(&row)?;
    let next_number = match batch.holds() {
        0 => 0,
        holds => draw(conn, "hold", holds).await?,
    };
    let links = batch.take_links();
    let place = strand.id;
    let chained = if links.len() < HASHED_BESIDE {
        let mut rows = Vec::new();
        let chained = links.chain(&strand, next_number, |more| rows.extend(more))?;
        write_ledger(conn, &rows).await?;
        chained
    } else {
        // The engine's thread writes what is hashed already; a leg's illegal step takes that back with the transaction.
        let (pieces, mut hashed) = tokio::sync::mpsc::channel(HASHED_AHEAD);
        let (span, chain) = (tracing::Span::current(), move || {
            // Nobody takes it any more where writing failed, which is what is said then.
            links.chain(&strand, next_number, |rows| {
                drop(pieces.blocking_send(rows));
            })
        });
        let chaining = tokio::task::spawn_blocking(move || span.in_scope(chain));
        while let Some(rows) = hashed.recv().await {
            write_ledger(conn, &rows).await?;
        }
        chaining
            .await
            .map_err(|_| StoreError::Corrupt("rows to hash"))??
    };
    move_strand(conn, place, &chained).await?;
    match batch.looked_under {
        LookedUnder::AsBefore => {}
        LookedUnder::Unknown => note_rules(conn, place, None).await?,
        LookedUnder::Rules(rules) => note_rules(conn, place, Some(rules)).await?,
    }
    write_evidence(conn, &batch).await?;
    write_legs(conn, &batch, &chained).await?;
    write_projections(conn, &batch, &chained).await?;
    Ok(chained.commit)
}

/// The first of `count` numbers of a sequence; gaps mean nothing.
async fn draw(conn: &mut WriteTx, sequence: &'static str, count: i64) -> Result<i64, StoreError> {
    sqlx::query("UPDATE sequence SET next = next + ?1 WHERE name = ?2 RETURNING next - ?1")
        .bind(count)
        .bind(sequence)
        .fetch_one(conn.timed())
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| engine("drawing a number", &error))
}

async fn write_ledger(conn: &mut WriteTx, rows: &[LedgerRow]) -> Result<(), StoreError> {
    let head = "INSERT INTO ledger (strand, seq, at, kind, subject, body, hash)";
    insert_each(conn, head, rows, |row| {
        [
            row.strand.into(),
            Cell::I(row.seq),
            Cell::I(row.at),
            Cell::I(row.kind),
            Cell::I(row.subject),
            Cell::B(&row.body),
            Cell::B(&row.hash),
        ]
    })
    .await
}

async fn move_strand(
    conn: &mut WriteTx,
    strand: StrandId,
    chained: &Chained,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE strand SET seq = ?, head = ?, at = ? WHERE id = ?")
        .bind(chained.seq)
        .bind(&chained.head[..])
        .bind(chained.at)
        .bind(strand)
        .execute(conn.timed())
        .await
        .map(|_| ())
        .map_err(|error| engine("moving a strand", &error))
}

async fn note_rules(
    conn: &mut WriteTx,
    strand: StrandId,
    rules: Option<Digest>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE strand SET rules = ? WHERE id = ?")
        .bind(rules.map_or_else(Vec::new, |rules| rules.to_vec()))
        .bind(strand)
        .execute(conn.timed())
        .await
        .map(|_| ())
        .map_err(|error| engine("noting rules", &error))
}

async fn insert_keys(conn: &mut WriteTx, keys: &[KeyRow]) -> Result<(), StoreError> {
    let cells = keys
        .iter()
        .flat_map(|key| {
            [
                key.id.into(),
                key.kind.number().into(),
                (&key.lookup).into(),
                Cell::B(&key.wrapped),
            ]
        })
        .collect();
    insert(
        conn,
        "INSERT INTO keyring (id, kind, look, wrapped)",
        4,
        cells,
    )
    .await
}

async fn write_evidence(conn: &mut WriteTx, batch: &Batch) -> Result<(), StoreError> {
    insert_keys(conn, &batch.keys).await?;
    let cells = batch
        .raws
        .iter()
        .flat_map(|raw| {
            [
                raw.id.into(),
                raw.holder.into(),
                raw.kind.number().into(),
                (&raw.lookup).into(),
                Cell::B(&raw.sealed),
            ]
        })
        .collect();
    insert(
        conn,
        "INSERT INTO raw (id, holder, kind, look, sealed)",
        5,
        cells,
    )
    .await?;
    let cells = batch
        .rules
        .iter()
        .flat_map(|(hash, text)| [hash.into(), text.as_str().into()])
        .collect();
    insert(conn, "INSERT OR IGNORE INTO rule (hash, text)", 2, cells).await?;
    write_drop(conn, batch).await?;
    write_return(conn, batch).await
}

async fn write_drop(conn: &mut WriteTx, batch: &Batch) -> Result<(), StoreError> {
    if let Some(file) = &batch.drop_file {
        let cells = vec![
            file.id.into(),
            file.partner.into(),
            file.sequence.into(),
            file.name.as_str().into(),
            file.day.into(),
            file.rows.into(),
            (&file.digest).into(),
            (&file.root).into(),
            (&file.rule).into(),
            file.mapper.into(),
            (file.state as i64).into(),
        ];
        insert(conn, "INSERT INTO drop_file (id, partner, sequence, name, day, rows, digest, root, rule, mapper, state)", 11, cells).await?;
    }
    let mut cells = Vec::with_capacity(batch.drop_rows.len() * 15);
    for row in &batch.drop_rows {
        cells.extend(
            [
                row.drop_id.number(),
                row.row,
                row.leg.number(),
                row.rev,
                row.prev.strand.number(),
                row.prev.seq,
                row.action.number(),
            ]
            .map(Cell::I),
        );
        cells.extend(row.raws.to_array().map(Cell::from));
        cells.extend([row.changed.as_str().into(), (&row.digest).into()]);
    }
    let rows = batch.drop_rows.len();
    let head = "INSERT INTO drop_row (drop_id, row, leg, rev, prev_strand, prev_seq, action, raw_request, raw_patient, raw_requester, raw_role, raw_practice, raw_consent, changed, digest)";
    insert(conn, head, 15, cells).await?;
    match &batch.drop_file {
        Some(file) if rows > 0 => check_unmoved(conn, file.id, rows).await,
        _ => Ok(()),
    }
}

/// Every leg of a new drop still has the revision at which its row was made.
async fn check_unmoved(conn: &mut WriteTx, drop_id: DropId, rows: usize) -> Result<(), StoreError> {
    let sql = "SELECT count(*) FROM drop_row r CROSS JOIN leg ON leg.id = r.leg WHERE r.drop_id = ? AND leg.rev = r.rev - 1";
    let unmoved: i64 = sqlx::query(sql)
        .bind(drop_id)
        .fetch_one(conn.timed())
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| engine("preparing a drop", &error))?;
    if usize::try_from(unmoved) == Ok(rows) {
        Ok(())
    } else {
        Err(StoreError::Stale)
    }
}

async fn write_return(conn: &mut WriteTx, batch: &Batch) -> Result<(), StoreError> {
    if let Some(file) = &batch.return_file {
        let cells = vec![
            file.id.into(),
            file.sender.into(),
            file.holder.into(),
            (&file.lookup).into(),
            file.rows.into(),
            (&file.root).into(),
            Cell::B(&file.sealed_name),
            Cell::B(&file.sealed_frame),
            file.state.into(),
            (&file.version).into(),
            file.written.into(),
            Cell::B(&batch.return_bytes),
        ];
        insert(conn, "INSERT INTO return_file (id, sender, holder, look, rows, root, sealed_name, sealed_frame, state, version, written, sealed_bytes)", 12, cells).await?;
    }
    let head =
        "INSERT INTO return_row (return_id, row, leg, holder, disposition, reason, digest, sealed)";
    insert_each(conn, head, &batch.return_rows, |row| {
        [
            row.return_id.into(),
            row.row.into(),
            row.leg.into(),
            row.holder.into(),
            row.disposition.number().into(),
            row.reason.map_or(0, Reason::number).into(),
            (&row.digest).into(),
            Cell::B(&row.sealed),
        ]
    })
    .await?;
    let head = "INSERT INTO event (id, look, leg, rev, kind, return_id, row, holder, sealed)";
    insert_each(conn, head, &batch.events, |event| {
        [
            event.id.into(),
            (&event.lookup).into(),
            event.leg.into(),
            event.rev.into(),
            event.kind.number().into(),
            event.return_id.into(),
            event.row.into(),
            event.holder.into(),
            Cell::B(&event.sealed),
        ]
    })
    .await?;
    let cells = batch
        .notes
        .iter()
        .flat_map(|(id, holder, sealed)| [(*id).into(), (*holder).into(), Cell::B(sealed)])
        .collect();
    insert(conn, "INSERT INTO note (id, holder, sealed)", 3, cells).await
}
