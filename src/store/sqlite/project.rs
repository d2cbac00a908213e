//! Projecting: legs, writes, holds, books and reports, as the batch's ledger rows leave them.

use sqlx::sqlite::Sqlite;
use sqlx::{AssertSqlSafe, Row};

use crate::domain::{Action, DropId, HoldNumber, LegState, RawId, limits};

use super::super::StoreError;
use super::super::batch::{Batch, Chained, DaySeal, MovedLeg};
use super::super::body::reasons_json;
use super::super::rows::{BookRow, Certificate, Fact, HeldRow, Leg};
use super::engine;
use super::pushes::{insert_pushes, move_pushes, upsert_mirrors};
use super::statement::{Cell, insert};
use super::time_limit::WriteTx;

pub(super) async fn write_legs(
    conn: &mut WriteTx,
    batch: &Batch,
    chained: &Chained,
) -> Result<(), StoreError> {
    insert_legs(conn, &chained.new_legs).await?;
    move_legs(conn, &chained.moved_legs).await?;
    match batch.sent {
        Some(drop_id) => send_legs(conn, drop_id, chained).await,
        None => Ok(()),
    }
}

async fn insert_legs(conn: &mut WriteTx, legs: &[Leg]) -> Result<(), StoreError> {
    let references: Vec<[u8; 8]> = legs.iter().map(|leg| leg.reference.to_bytes()).collect();
    let mut cells = Vec::with_capacity(legs.len() * 22);
    for (leg, reference) in legs.iter().zip(&references) {
        cells.extend([
            leg.id.into(),
            reference.into(),
            (&leg.lookup).into(),
            leg.source.into(),
            leg.born.into(),
        ]);
        cells.extend(leg_numbers(leg).map(Cell::I));
    }
    let head = "INSERT INTO leg (id, reference, look, source, born, partner, person, state, why, pending, asked, closing, since, \
                raw_request, raw_patient, raw_requester, raw_role, raw_practice, raw_consent, rev, last_strand, last_seq)";
    insert(conn, head, 22, cells).await
}

/// What is set of a leg that moves, from the columns of the values behind its id and the revision at which it was read.
///
/// The engine writes every index again that has a column among them, whether the column changes or not.
const MOVED: &str = "partner = v.column3, person = v.column4, state = v.column5, why = v.column6, pending = v.column7, asked = v.column8, \
                     closing = v.column9, since = v.column10, raw_request = v.column11, raw_patient = v.column12, raw_requester = v.column13, \
                     raw_role = v.column14, raw_practice = v.column15, raw_consent = v.column16, rev = v.column17, last_strand = v.column18, \
                     last_seq = v.column19";
/// The same of one that stays with its partner, person and inputs, and waits for the same drop.
const MOVED_IN_PLACE: &str = "state = v.column3, why = v.column4, asked = v.column5, closing = v.column6, since = v.column7, rev = v.column8, \
                              last_strand = v.column9, last_seq = v.column10";

/// Moves legs that still have the revision at which they were read; if one does not, nothing is written.
async fn move_legs(conn: &mut WriteTx, legs: &[MovedLeg]) -> Result<(), StoreError> {
    let (in_place, anywhere): (Vec<&MovedLeg>, Vec<&MovedLeg>) =
        legs.iter().partition(|moved| moved.same_place);
    move_each(conn, MOVED, &anywhere, leg_numbers).await?;
    move_each(conn, MOVED_IN_PLACE, &in_place, |leg| {
        let [
            _,
            _,
            state,
            why,
            _,
            asked,
            closing,
            since,
            ..,
            rev,
            strand,
            seq,
        ] = leg_numbers(leg);
        [state, why, asked, closing, since, rev, strand, seq]
    })
    .await
}

async fn move_each<const N: usize>(
    conn: &mut WriteTx,
    set: &str,
    legs: &[&MovedLeg],
    numbers: impl Fn(&Leg) -> [i64; N],
) -> Result<(), StoreError> {
    let row = format!("({})", vec!["?"; N + 2].join(","));
    for chunk in legs.chunks(limits::STATEMENT_ROWS) {
        let rows = vec![row.as_str(); chunk.len()].join(",");
        let sql = format!(
            "UPDATE OR FAIL leg SET {set} FROM (VALUES {rows}) v WHERE leg.id = v.column1 AND leg.rev = v.column2"
        );
        let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(sql))
            .persistent(chunk.len() == limits::STATEMENT_ROWS);
        for moved in chunk {
            query = query.bind(moved.leg.id).bind(moved.read_at);
            for number in numbers(&moved.leg) {
                query = query.bind(number);
            }
        }
        let done = query
            .execute(conn.timed())
            .await
            .map_err(|error| engine("moving legs", &error))?;
        if usize::try_from(done.rows_affected()) != Ok(chunk.len()) {
            return Err(StoreError::Stale);
        }
    }
    Ok(())
}

/// Moves the legs of a drop that has left: the same step as `Standing::sent`, for all of its rows at once. Only a routed leg
/// (3) becomes sent (4): one that is elsewhere has moved on since the drop was made.
async fn send_legs(
    conn: &mut WriteTx,
    drop_id: DropId,
    chained: &Chained,
) -> Result<(), StoreError> {
    let doing = "moving legs";
    let done = sqlx::query(
            "UPDATE OR FAIL leg SET state = CASE r.action WHEN 1 THEN 4 ELSE leg.state END, why = CASE r.action WHEN 1 THEN 0 ELSE leg.why END, \
             since = CASE r.action WHEN 1 THEN ?2 ELSE leg.since END, pending = 0, asked = CASE WHEN r.action > 2 THEN r.action ELSE 0 END, \
             rev = r.rev, last_strand = ?3, last_seq = ?4 FROM drop_row r WHERE r.drop_id = ?1 AND leg.id = r.leg AND leg.rev = r.rev - 1 \
             AND (r.action <> 1 OR leg.state = 3)",
        )
        .bind(drop_id)
        .bind(chained.at)
        .bind(chained.sent.strand)
        .bind(chained.sent.seq)
        .execute(conn.timed())
        .await
        .map_err(|error| engine(doing, &error))?;
    let rows: i64 = sqlx::query("SELECT rows FROM drop_file WHERE id = ?")
        .bind(drop_id)
        .fetch_one(conn.timed())
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| engine(doing, &error))?;
    if i64::try_from(done.rows_affected()) != Ok(rows) {
        return Err(StoreError::Stale);
    }
    Ok(())
}

/// Numbers of a leg that can change.
const LEG_NUMBERS: usize = 17;

fn leg_numbers(leg: &Leg) -> [i64; LEG_NUMBERS] {
    let now = &leg.now;
    let [request, patient, requester, role, practice, consent] =
        now.raws.to_array().map(RawId::number);
    [
        now.partner.number(),
        now.person.number(),
        now.state.number(),
        now.why.map_or(0, crate::domain::Reason::number),
        now.pending.map_or(0, Action::number),
        now.asked.map_or(0, Action::number),
        now.closing.map_or(0, LegState::number),
        leg.since,
        request,
        patient,
        requester,
        role,
        practice,
        consent,
        leg.rev,
        leg.last.strand.number(),
        leg.last.seq,
    ]
}

pub(super) async fn write_projections(
    conn: &mut WriteTx,
    batch: &Batch,
    chained: &Chained,
) -> Result<(), StoreError> {
    let doing = "projecting";
    for (id, state) in &batch.drop_states {
        let query = sqlx::query("UPDATE drop_file SET state = ? WHERE id = ?")
            .bind(*state as i64)
            .bind(id);
        query
            .execute(conn.timed())
            .await
            .map_err(|error| engine(doing, &error))?;
    }
    insert_pushes(conn, &batch.pushes).await?;
    move_pushes(conn, &batch.push_updates).await?;
    upsert_mirrors(conn, &batch.mirrors).await?;
    for (id, state) in &batch.return_states {
        let query = sqlx::query("UPDATE return_file SET state = ? WHERE id = ?")
            .bind(state)
            .bind(id);
        query
            .execute(conn.timed())
            .await
            .map_err(|error| engine(doing, &error))?;
    }
    insert_held(conn, &chained.held).await?;
    end_holds(conn, &batch.released).await?;
    for book in &batch.books {
        upsert_book(conn, book).await?;
    }
    write_reports(conn, batch).await
}

async fn insert_held(conn: &mut WriteTx, held: &[HeldRow]) -> Result<(), StoreError> {
    let mut cells = Vec::with_capacity(held.len() * 10);
    for hold in held {
        let numbers = [
            hold.number.number(),
            hold.leg.number(),
            hold.stage.number(),
            hold.reason.number(),
            hold.source.number(),
            hold.partner.number(),
            hold.return_id.number(),
            hold.row,
            hold.since,
            i64::from(hold.open),
        ];
        cells.extend(numbers.map(Cell::I));
    }
    insert(conn, "INSERT INTO held (number, leg, stage, reason, source, partner, return_id, row, since, open)", 10, cells).await
}

async fn end_holds(conn: &mut WriteTx, numbers: &[HoldNumber]) -> Result<(), StoreError> {
    for chunk in numbers.chunks(limits::STATEMENT_ROWS) {
        let marks = vec!["?"; chunk.len()].join(",");
        let sql = format!("UPDATE held SET open = false WHERE number IN ({marks})");
        let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(sql))
            .persistent(chunk.len() == limits::STATEMENT_ROWS);
        for number in chunk {
            query = query.bind(number);
        }
        query
            .execute(conn.timed())
            .await
            .map_err(|error| engine("ending holds", &error))?;
    }
    Ok(())
}

/// Adds a group's counts to its run's book.
async fn upsert_book(conn: &mut WriteTx, book: &BookRow) -> Result<(), StoreError> {
    let doing = "keeping the books";
    let found = sqlx::query("SELECT accepted, repeated, rejected, held, reasons FROM book WHERE run = ? AND stage = ? AND source = ? AND partner = ? AND file = ?")
        .bind(book.run)
        .bind(book.stage.number())
        .bind(book.source)
        .bind(book.partner)
        .bind(book.file)
        .fetch_optional(conn.timed())
        .await
        .map_err(|error| engine(doing, &error))?;
    let mut sum = book.clone();
    if let Some(row) = found {
        sum.counts.merge(&super::columns::counts(&row, 0)?);
    }
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let reasons = reasons_json(&sum.counts);
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

async fn write_reports(conn: &mut WriteTx, batch: &Batch) -> Result<(), StoreError> {
    insert_certificates(conn, &batch.certificates).await?;
    insert_facts(conn, &batch.facts).await?;
    insert_published(conn, batch).await?;
    match &batch.day_seal {
        Some(seal) => insert_day_seal(conn, seal).await,
        None => Ok(()),
    }
}

async fn insert_certificates(
    conn: &mut WriteTx,
    certificates: &[Certificate],
) -> Result<(), StoreError> {
    let mut cells = Vec::new();
    for row in certificates {
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
    .await
}

async fn insert_facts(conn: &mut WriteTx, facts: &[Fact]) -> Result<(), StoreError> {
    let mut cells = Vec::new();
    for fact in facts {
        cells.extend(
            [
                fact.id,
                fact.kind,
                fact.month,
                fact.issue,
                fact.source.number(),
                fact.partner.number(),
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
    insert(conn, "INSERT INTO fact (id, kind, month, issue, source, partner, instrument, item, before, after)", 10, cells).await
}

/// The reports of a night, and the sealed cells they were made from.
async fn insert_published(conn: &mut WriteTx, batch: &Batch) -> Result<(), StoreError> {
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
    .await
}

async fn insert_day_seal(
    conn: &mut WriteTx,
    (day, root, mac, strands): &DaySeal,
) -> Result<(), StoreError> {
    insert(
        conn,
        "INSERT INTO day_seal (day, root, mac)",
        3,
        vec![(*day).into(), root.into(), mac.into()],
    )
    .await?;
    let mut cells = Vec::with_capacity(strands.len() * 4);
    for (strand, seq, head) in strands {
        cells.extend([(*day).into(), (*strand).into(), (*seq).into(), head.into()]);
    }
    insert(
        conn,
        "INSERT INTO day_seal_strand (day, strand, seq, head)",
        4,
        cells,
    )
    .await
}
