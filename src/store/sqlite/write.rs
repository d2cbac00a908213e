//! Writing: everything in multi-row statements inside one transaction a batch.

use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::super::batch::{Batch, Chained, Commit, reasons_json};
use super::super::rows::{BookRow, HeldRow, KeyRow, Leg, PushRow, Strand};
use super::super::{StoreError, chain};
use super::{SqliteStore, engine};
use crate::domain::limits;
use crate::seal::Digest;

/// A value to bind.
enum Cell<'a> {
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
async fn insert(
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

    pub(super) async fn ensure_strand(&self, name: &str) -> Result<Strand, StoreError> {
        let doing = "making a strand";
        let uid = self.ensure_installation().await?;
        let head = chain::genesis(&uid, name);
        sqlx::query(
            "INSERT INTO strand (id, name, seq, head, at, next_id, fence) \
             SELECT coalesce(max(id), 0) + 1, ?, 0, ?, 0, 1, 0 FROM strand WHERE true ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(&head[..])
        .execute(&self.writer)
        .await
        .map_err(|error| engine(doing, &error))?;
        let row = sqlx::query("SELECT id, name, seq, head, at FROM strand WHERE name = ?")
            .bind(name)
            .fetch_one(&self.writer)
            .await
            .map_err(|error| engine(doing, &error))?;
        super::read::strand(&row)
    }

    pub(super) async fn reserve_ids(&self, strand: i64, count: i64) -> Result<i64, StoreError> {
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
        Ok((strand << 40) + next - count)
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
        let mut conn = self
            .writer
            .acquire()
            .await
            .map_err(|error| engine("adding a key", &error))?;
        insert_keys(&mut conn, &[key]).await
    }

    pub(super) async fn commit_batch(&self, mut batch: Batch) -> Result<Commit, StoreError> {
        let doing = "committing";
        let mut conn = self
            .writer
            .acquire()
            .await
            .map_err(|error| engine(doing, &error))?;
        let mut tx = conn
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(|error| engine(doing, &error))?;
        let row = sqlx::query("SELECT id, name, seq, head, at FROM strand WHERE id = ?")
            .bind(batch.strand)
            .fetch_one(&mut *tx)
            .await
            .map_err(|error| engine(doing, &error))?;
        let strand = super::read::strand(&row)?;
        let next_number: i64 = sqlx::query("SELECT coalesce(max(number), 0) + 1 FROM held")
            .fetch_one(&mut *tx)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|error| engine(doing, &error))?;
        let chained = batch.chain(&strand, next_number);
        write_evidence(&mut tx, &batch).await?;
        write_ledger(&mut tx, strand.id, &chained).await?;
        write_legs(&mut tx, &batch, &chained).await?;
        write_projections(&mut tx, &batch, &chained).await?;
        tx.commit().await.map_err(|error| engine(doing, &error))?;
        Ok(chained.commit)
    }
}

async fn write_ledger(
    conn: &mut SqliteConnection,
    strand: i64,
    chained: &Chained,
) -> Result<(), StoreError> {
    let mut cells = Vec::with_capacity(chained.ledger.len() * 7);
    for row in &chained.ledger {
        cells.extend([
            Cell::I(row.strand),
            Cell::I(row.seq),
            Cell::I(row.at),
            Cell::I(row.kind),
            Cell::I(row.subject),
            Cell::B(&row.body),
            Cell::B(&row.hash),
        ]);
    }
    insert(
        conn,
        "INSERT INTO ledger (strand, seq, at, kind, subject, body, hash)",
        7,
        cells,
    )
    .await?;
    sqlx::query("UPDATE strand SET seq = ?, head = ?, at = ? WHERE id = ?")
        .bind(chained.seq)
        .bind(&chained.head[..])
        .bind(chained.at)
        .bind(strand)
        .execute(conn)
        .await
        .map(|_| ())
        .map_err(|error| engine("moving a strand", &error))
}

async fn insert_keys(conn: &mut SqliteConnection, keys: &[KeyRow]) -> Result<(), StoreError> {
    let cells = keys
        .iter()
        .flat_map(|key| {
            [
                key.id.into(),
                key.kind.into(),
                (&key.look).into(),
                1.into(),
                Cell::B(&key.wrapped),
            ]
        })
        .collect();
    insert(
        conn,
        "INSERT INTO keyring (id, kind, look, wrap_key, wrapped)",
        5,
        cells,
    )
    .await
}

async fn write_evidence(conn: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    insert_keys(conn, &batch.keys).await?;
    let cells = batch
        .raws
        .iter()
        .flat_map(|raw| {
            [
                raw.id.into(),
                raw.holder.into(),
                raw.kind.into(),
                (&raw.look).into(),
                (&raw.digest).into(),
                Cell::B(&raw.sealed),
            ]
        })
        .collect();
    insert(
        conn,
        "INSERT INTO raw (id, holder, kind, look, digest, sealed)",
        6,
        cells,
    )
    .await?;
    let cells = batch
        .rules
        .iter()
        .flat_map(|(hash, kind, text)| [hash.into(), (*kind).into(), text.as_str().into()])
        .collect();
    insert(
        conn,
        "INSERT OR IGNORE INTO rule (hash, kind, text)",
        3,
        cells,
    )
    .await?;
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
                row.drop_id,
                row.row,
                row.leg,
                row.rev,
                row.prev.strand,
                row.prev.seq,
                row.action,
            ]
            .map(Cell::I),
        );
        cells.extend(row.raws.to_array().map(Cell::I));
        cells.extend([row.changed.as_str().into(), (&row.digest).into()]);
    }
    let head = "INSERT INTO drop_row (drop_id, row, leg, rev, prev_strand, prev_seq, action, raw_request, raw_patient, raw_requester, raw_role, raw_practice, raw_consent, changed, digest)";
    insert(conn, head, 15, cells).await?;
    write_return(conn, batch).await
}

async fn write_return(conn: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    if let Some(file) = &batch.return_file {
        let cells = vec![
            file.id.into(),
            file.sender.into(),
            file.holder.into(),
            (&file.look).into(),
            file.rows.into(),
            (&file.root).into(),
            Cell::B(&file.sealed_name),
            Cell::B(&file.sealed_frame),
            file.state.into(),
        ];
        insert(conn, "INSERT INTO return_file (id, sender, holder, look, rows, root, sealed_name, sealed_frame, state)", 9, cells).await?;
    }
    let mut cells = Vec::with_capacity(batch.return_rows.len() * 8);
    for row in &batch.return_rows {
        cells.extend(
            [
                row.return_id,
                row.row,
                row.leg,
                row.holder,
                row.disposition,
                row.reason,
            ]
            .map(Cell::I),
        );
        cells.extend([(&row.digest).into(), Cell::B(&row.sealed)]);
    }
    insert(
        conn,
        "INSERT INTO return_row (return_id, row, leg, holder, disposition, reason, digest, sealed)",
        8,
        cells,
    )
    .await?;
    let mut cells = Vec::with_capacity(batch.events.len() * 9);
    for event in &batch.events {
        cells.extend([event.id.into(), (&event.look).into()]);
        cells.extend(
            [
                event.leg,
                event.rev,
                event.kind,
                event.return_id,
                event.row,
                event.holder,
            ]
            .map(Cell::I),
        );
        cells.push(Cell::B(&event.sealed));
    }
    insert(
        conn,
        "INSERT INTO event (id, look, leg, rev, kind, return_id, row, holder, sealed)",
        9,
        cells,
    )
    .await?;
    let cells = batch
        .notes
        .iter()
        .flat_map(|(id, holder, sealed)| [(*id).into(), (*holder).into(), Cell::B(sealed)])
        .collect();
    insert(conn, "INSERT INTO note (id, holder, sealed)", 3, cells).await
}

async fn write_legs(
    conn: &mut SqliteConnection,
    batch: &Batch,
    chained: &Chained,
) -> Result<(), StoreError> {
    let doing = "moving legs";
    let references: Vec<[u8; 8]> = chained
        .new_legs
        .iter()
        .map(|leg| leg.reference.to_bytes())
        .collect();
    let mut cells = Vec::with_capacity(chained.new_legs.len() * 22);
    for (leg, reference) in chained.new_legs.iter().zip(&references) {
        cells.extend([
            leg.id.into(),
            reference.into(),
            (&leg.look).into(),
            leg.source.into(),
            leg.born.into(),
        ]);
        cells.extend(leg_numbers(leg).map(Cell::I));
    }
    let head = "INSERT INTO leg (id, reference, look, source, born, partner, person, state, why, pending, asked, closing, since, \
                raw_request, raw_patient, raw_requester, raw_role, raw_practice, raw_consent, rev, last_strand, last_seq)";
    insert(conn, head, 22, cells).await?;
    for (leg, rev) in &chained.moved_legs {
        let mut query = sqlx::query(
            "UPDATE leg SET partner = ?, person = ?, state = ?, why = ?, pending = ?, asked = ?, closing = ?, since = ?, raw_request = ?, \
             raw_patient = ?, raw_requester = ?, raw_role = ?, raw_practice = ?, raw_consent = ?, rev = ?, last_strand = ?, last_seq = ? WHERE id = ? AND rev = ?",
        );
        for number in leg_numbers(leg) {
            query = query.bind(number);
        }
        let done = query
            .bind(leg.id)
            .bind(rev)
            .execute(&mut *conn)
            .await
            .map_err(|error| engine(doing, &error))?;
        if done.rows_affected() != 1 {
            return Err(StoreError::Stale);
        }
    }
    if let Some(drop_id) = batch.sent {
        // The same step as `batch::after_sending`, for all rows of the drop at once.
        let done = sqlx::query(
            "UPDATE leg SET state = CASE r.action WHEN 1 THEN 4 ELSE leg.state END, why = CASE r.action WHEN 1 THEN 0 ELSE leg.why END, \
             since = CASE r.action WHEN 1 THEN ?2 ELSE leg.since END, pending = 0, asked = CASE WHEN r.action > 2 THEN r.action ELSE 0 END, \
             rev = r.rev, last_strand = ?3, last_seq = ?4 FROM drop_row r WHERE r.drop_id = ?1 AND leg.id = r.leg AND leg.rev = r.rev - 1",
        )
        .bind(drop_id)
        .bind(chained.at)
        .bind(chained.sent.strand)
        .bind(chained.sent.seq)
        .execute(&mut *conn)
        .await
        .map_err(|error| engine(doing, &error))?;
        let rows: i64 = sqlx::query("SELECT rows FROM drop_file WHERE id = ?")
            .bind(drop_id)
            .fetch_one(&mut *conn)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|error| engine(doing, &error))?;
        if i64::try_from(done.rows_affected()) != Ok(rows) {
            return Err(StoreError::Stale);
        }
    }
    Ok(())
}

fn leg_numbers(leg: &Leg) -> [i64; 17] {
    let now = &leg.now;
    let [request, patient, requester, role, practice, consent] = now.raws.to_array();
    [
        now.partner,
        now.person,
        now.state.number(),
        now.why.map_or(0, crate::domain::Reason::number),
        now.pending,
        now.asked,
        now.closing,
        leg.since,
        request,
        patient,
        requester,
        role,
        practice,
        consent,
        leg.rev,
        leg.last.strand,
        leg.last.seq,
    ]
}

async fn write_projections(
    conn: &mut SqliteConnection,
    batch: &Batch,
    chained: &Chained,
) -> Result<(), StoreError> {
    let doing = "projecting";
    for (id, state) in &batch.drop_states {
        let query = sqlx::query("UPDATE drop_file SET state = ? WHERE id = ?")
            .bind(*state as i64)
            .bind(id);
        query
            .execute(&mut *conn)
            .await
            .map_err(|error| engine(doing, &error))?;
    }
    insert_pushes(conn, &batch.pushes).await?;
    for push in &batch.push_updates {
        let query = sqlx::query(
            "UPDATE push SET state = ?, attempts = ?, reason = ?, server_id = ? WHERE event = ?",
        )
        .bind(push.state.number())
        .bind(push.attempts)
        .bind(push.reason)
        .bind(push.server_id.as_deref())
        .bind(push.event);
        query
            .execute(&mut *conn)
            .await
            .map_err(|error| engine(doing, &error))?;
    }
    insert_held(conn, &chained.held).await?;
    for number in &batch.released {
        let query = sqlx::query("UPDATE held SET open = false WHERE number = ?").bind(number);
        query
            .execute(&mut *conn)
            .await
            .map_err(|error| engine(doing, &error))?;
    }
    for book in &batch.books {
        upsert_book(conn, book).await?;
    }
    write_reports(conn, batch).await
}

async fn insert_pushes(conn: &mut SqliteConnection, pushes: &[PushRow]) -> Result<(), StoreError> {
    let cells = pushes
        .iter()
        .flat_map(|push| {
            [
                push.event,
                push.leg,
                push.source,
                push.state.number(),
                push.attempts,
                push.reason,
            ]
            .map(Cell::I)
        })
        .collect();
    insert(
        conn,
        "INSERT INTO push (event, leg, source, state, attempts, reason)",
        6,
        cells,
    )
    .await
}

async fn insert_held(conn: &mut SqliteConnection, held: &[HeldRow]) -> Result<(), StoreError> {
    let mut cells = Vec::with_capacity(held.len() * 11);
    for hold in held {
        let numbers = [
            hold.number,
            hold.leg,
            hold.stage,
            hold.reason.number(),
            hold.reason.owner().number(),
            hold.source,
            hold.partner,
            hold.return_id,
            hold.row,
            hold.since,
            i64::from(hold.open),
        ];
        cells.extend(numbers.map(Cell::I));
    }
    insert(conn, "INSERT INTO held (number, leg, stage, reason, owner, source, partner, return_id, row, since, open)", 11, cells).await
}

/// Adds a group's counts to its run's book.
async fn upsert_book(conn: &mut SqliteConnection, book: &BookRow) -> Result<(), StoreError> {
    let doing = "keeping the books";
    let found = sqlx::query("SELECT accepted, repeated, rejected, held, reasons FROM book WHERE run = ? AND stage = ? AND source = ? AND partner = ? AND file = ?")
        .bind(book.run)
        .bind(book.stage.number())
        .bind(book.source)
        .bind(book.partner)
        .bind(book.file)
        .fetch_optional(&mut *conn)
        .await
        .map_err(|error| engine(doing, &error))?;
    let mut sum = book.clone();
    if let Some(row) = found {
        sum.counts.merge(&super::read::counts(&row, 0)?);
    }
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let reasons = reasons_json(&sum);
    let counts = &sum.counts;
    let cells = vec![
        book.run.into(),
        book.stage.number().into(),
        book.source.into(),
        book.partner.into(),
        book.file.into(),
        number(counts.received()).into(),
        number(counts.accepted()).into(),
        number(counts.repeated()).into(),
        number(counts.rejected()).into(),
        number(counts.held()).into(),
        reasons.as_str().into(),
    ];
    let head = "INSERT OR REPLACE INTO book (run, stage, source, partner, file, received, accepted, repeated, rejected, held, reasons)";
    insert(conn, head, 11, cells).await
}

async fn write_reports(conn: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    let mut cells = Vec::new();
    for row in &batch.certificates {
        cells.extend([
            row.run.into(),
            row.source.into(),
            row.verdict.as_str().into(),
            row.evidence.as_str().into(),
            row.high.into(),
            Cell::B(&row.input),
        ]);
    }
    insert(
        conn,
        "INSERT INTO certificate (run, source, verdict, evidence, high, input)",
        6,
        cells,
    )
    .await?;
    let mut cells = Vec::new();
    for fact in &batch.facts {
        cells.extend(
            [
                fact.id,
                fact.kind,
                fact.month,
                fact.issue,
                fact.source,
                fact.partner,
            ]
            .map(Cell::I),
        );
        cells.extend([
            fact.instrument.as_str().into(),
            fact.item.as_str().into(),
            fact.before.into(),
            fact.after.into(),
        ]);
    }
    insert(conn, "INSERT INTO fact (id, kind, month, issue, source, partner, instrument, item, before, after)", 10, cells).await?;
    let cells = batch
        .cubes
        .iter()
        .flat_map(|(night, commissioner, sealed)| {
            [
                (*night).into(),
                commissioner.as_str().into(),
                Cell::B(sealed),
            ]
        })
        .collect();
    insert(
        conn,
        "INSERT INTO cube (night, commissioner, sealed)",
        3,
        cells,
    )
    .await?;
    let mut cells = Vec::new();
    for (night, commissioner, name, digest, bytes) in &batch.published {
        cells.extend([
            (*night).into(),
            commissioner.as_str().into(),
            name.as_str().into(),
            digest.into(),
            Cell::B(bytes),
        ]);
    }
    insert(
        conn,
        "INSERT INTO published (night, commissioner, name, digest, bytes)",
        5,
        cells,
    )
    .await?;
    if let Some((day, root, mac, strands)) = &batch.day_seal {
        insert(
            conn,
            "INSERT INTO day_seal (day, root, mac)",
            3,
            vec![(*day).into(), root.into(), mac.into()],
        )
        .await?;
        let cells = strands
            .iter()
            .flat_map(|(strand, seq, head)| day_cells(*day, *strand, *seq, head))
            .collect();
        insert(
            conn,
            "INSERT INTO day_seal_strand (day, strand, seq, head)",
            4,
            cells,
        )
        .await?;
    }
    Ok(())
}

fn day_cells(day: i64, strand: i64, seq: i64, head: &Digest) -> [Cell<'_>; 4] {
    [day.into(), strand.into(), seq.into(), head.into()]
}
