//! Reading: one function a question, rows into plain values.

use std::collections::BTreeMap;

use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::super::rows::{
    BookRow, Certificate, DropFile, DropRow, DropState, EventRow, Fact, HeldRow, KeyRow, LedgerRow,
    Leg, LegCount, LegState, Place, PushRow, PushState, RawIds, RawRow, ReturnFile, ReturnRow,
    Standing, Strand,
};
use super::super::{Answer, Batch, Commit, HeldQuery, Store, StoreError};
use super::{SqliteStore, engine};
use crate::domain::{Counts, LegReference, Reason, Stage, limits};
use crate::seal::{Digest, Look};

const LEG: &str = "SELECT id, reference, look, source, partner, person, state, why, pending, asked, closing, since, born, raw_request, raw_patient, \
                   raw_requester, raw_role, raw_practice, raw_consent, rev, last_strand, last_seq FROM leg";
const DROP_ROW: &str = "SELECT drop_id, row, leg, rev, prev_strand, prev_seq, action, raw_request, raw_patient, raw_requester, raw_role, \
                        raw_practice, raw_consent, changed, digest FROM drop_row";
const EVENT: &str = "SELECT id, look, leg, rev, kind, return_id, row, holder, sealed FROM event";
const PUSH: &str = "SELECT event, leg, source, state, attempts, reason, server_id FROM push";
const RAW: &str = "SELECT id, holder, kind, look, digest, sealed FROM raw";
const HELD: &str =
    "SELECT number, leg, stage, reason, source, partner, return_id, row, since, open FROM held";
const RETURN: &str = "SELECT id, sender, holder, look, rows, root, sealed_name, sealed_frame, state FROM return_file";

type Rows<T> = Result<Vec<T>, StoreError>;

fn int(row: &SqliteRow, place: usize) -> Result<i64, StoreError> {
    row.try_get(place)
        .map_err(|error| engine("reading a number", &error))
}

fn blob(row: &SqliteRow, place: usize) -> Result<Vec<u8>, StoreError> {
    row.try_get(place)
        .map_err(|error| engine("reading bytes", &error))
}

fn text(row: &SqliteRow, place: usize) -> Result<String, StoreError> {
    row.try_get(place)
        .map_err(|error| engine("reading text", &error))
}

fn fixed<const N: usize>(row: &SqliteRow, place: usize) -> Result<[u8; N], StoreError> {
    blob(row, place)?
        .try_into()
        .map_err(|_| StoreError::Corrupt("a digest"))
}

fn optional_look(row: &SqliteRow, place: usize) -> Result<Option<Look>, StoreError> {
    let look: Option<Vec<u8>> = row
        .try_get(place)
        .map_err(|error| engine("reading a look-up", &error))?;
    look.map(|look| {
        look.try_into()
            .map_err(|_| StoreError::Corrupt("a look-up"))
    })
    .transpose()
}

fn reason(number: i64) -> Result<Option<Reason>, StoreError> {
    if number == 0 {
        Ok(None)
    } else {
        Reason::from_number(number)
            .map(Some)
            .ok_or(StoreError::Corrupt("a reason"))
    }
}

pub(super) fn strand(row: &SqliteRow) -> Result<Strand, StoreError> {
    Ok(Strand {
        id: int(row, 0)?,
        name: text(row, 1)?,
        seq: int(row, 2)?,
        head: fixed(row, 3)?,
        at: int(row, 4)?,
    })
}

fn raw_ids(row: &SqliteRow, first: usize) -> Result<RawIds, StoreError> {
    let mut ids = [0; 6];
    for (place, id) in ids.iter_mut().enumerate() {
        *id = int(row, first + place)?;
    }
    Ok(RawIds::from_array(ids))
}

fn leg(row: &SqliteRow) -> Result<Leg, StoreError> {
    let now = Standing {
        state: LegState::from_number(int(row, 6)?).ok_or(StoreError::Corrupt("leg.state"))?,
        partner: int(row, 4)?,
        person: int(row, 5)?,
        why: reason(int(row, 7)?)?,
        pending: int(row, 8)?,
        asked: int(row, 9)?,
        closing: int(row, 10)?,
        raws: raw_ids(row, 13)?,
    };
    Ok(Leg {
        id: int(row, 0)?,
        reference: LegReference::from_bytes(fixed(row, 1)?),
        look: optional_look(row, 2)?,
        source: int(row, 3)?,
        now,
        since: int(row, 11)?,
        born: int(row, 12)?,
        rev: int(row, 19)?,
        last: Place {
            strand: int(row, 20)?,
            seq: int(row, 21)?,
        },
    })
}

fn ledger_row(row: &SqliteRow) -> Result<LedgerRow, StoreError> {
    Ok(LedgerRow {
        strand: int(row, 0)?,
        seq: int(row, 1)?,
        at: int(row, 2)?,
        kind: int(row, 3)?,
        subject: int(row, 4)?,
        body: blob(row, 5)?,
        hash: fixed(row, 6)?,
    })
}

fn key(row: &SqliteRow) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        id: int(row, 0)?,
        kind: int(row, 1)?,
        look: optional_look(row, 2)?,
        wrapped: blob(row, 3)?,
    })
}

fn raw(row: &SqliteRow) -> Result<RawRow, StoreError> {
    Ok(RawRow {
        id: int(row, 0)?,
        holder: int(row, 1)?,
        kind: int(row, 2)?,
        look: optional_look(row, 3)?,
        digest: fixed(row, 4)?,
        sealed: blob(row, 5)?,
    })
}

fn drop_file(row: &SqliteRow) -> Result<DropFile, StoreError> {
    let state = match int(row, 10)? {
        1 => DropState::Prepared,
        2 => DropState::Sent,
        3 => DropState::Delivered,
        _ => return Err(StoreError::Corrupt("drop_file.state")),
    };
    Ok(DropFile {
        id: int(row, 0)?,
        partner: int(row, 1)?,
        sequence: int(row, 2)?,
        name: text(row, 3)?,
        day: int(row, 4)?,
        rows: int(row, 5)?,
        digest: fixed(row, 6)?,
        root: fixed(row, 7)?,
        rule: fixed(row, 8)?,
        mapper: int(row, 9)?,
        state,
    })
}

fn drop_row(row: &SqliteRow) -> Result<DropRow, StoreError> {
    Ok(DropRow {
        drop_id: int(row, 0)?,
        row: int(row, 1)?,
        leg: int(row, 2)?,
        rev: int(row, 3)?,
        prev: Place {
            strand: int(row, 4)?,
            seq: int(row, 5)?,
        },
        action: int(row, 6)?,
        raws: raw_ids(row, 7)?,
        changed: text(row, 13)?,
        digest: fixed(row, 14)?,
    })
}

fn return_file(row: &SqliteRow) -> Result<ReturnFile, StoreError> {
    Ok(ReturnFile {
        id: int(row, 0)?,
        sender: int(row, 1)?,
        holder: int(row, 2)?,
        look: fixed(row, 3)?,
        rows: int(row, 4)?,
        root: fixed(row, 5)?,
        sealed_name: blob(row, 6)?,
        sealed_frame: blob(row, 7)?,
        state: int(row, 8)?,
    })
}

fn return_row(row: &SqliteRow) -> Result<ReturnRow, StoreError> {
    Ok(ReturnRow {
        return_id: int(row, 0)?,
        row: int(row, 1)?,
        leg: int(row, 2)?,
        holder: int(row, 3)?,
        disposition: int(row, 4)?,
        reason: int(row, 5)?,
        digest: fixed(row, 6)?,
        sealed: blob(row, 7)?,
    })
}

fn event(row: &SqliteRow) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        id: int(row, 0)?,
        look: fixed(row, 1)?,
        leg: int(row, 2)?,
        rev: int(row, 3)?,
        kind: int(row, 4)?,
        return_id: int(row, 5)?,
        row: int(row, 6)?,
        holder: int(row, 7)?,
        sealed: blob(row, 8)?,
    })
}

fn push(row: &SqliteRow) -> Result<PushRow, StoreError> {
    Ok(PushRow {
        event: int(row, 0)?,
        leg: int(row, 1)?,
        source: int(row, 2)?,
        state: PushState::from_number(int(row, 3)?).ok_or(StoreError::Corrupt("push.state"))?,
        attempts: int(row, 4)?,
        reason: int(row, 5)?,
        server_id: row
            .try_get(6)
            .map_err(|error| engine("reading a write", &error))?,
    })
}

fn held(row: &SqliteRow) -> Result<HeldRow, StoreError> {
    Ok(HeldRow {
        number: int(row, 0)?,
        leg: int(row, 1)?,
        stage: int(row, 2)?,
        reason: reason(int(row, 3)?)?.ok_or(StoreError::Corrupt("held.reason"))?,
        source: int(row, 4)?,
        partner: int(row, 5)?,
        return_id: int(row, 6)?,
        row: int(row, 7)?,
        since: int(row, 8)?,
        open: int(row, 9)? != 0,
    })
}

/// The four counts and the reasons that stand from `first` on.
pub(super) fn counts(row: &SqliteRow, first: usize) -> Result<Counts, StoreError> {
    let number =
        |place: usize| Ok::<u64, StoreError>(u64::try_from(int(row, first + place)?).unwrap_or(0));
    let written: BTreeMap<String, u64> = serde_json::from_str(&text(row, first + 4)?)
        .map_err(|_| StoreError::Corrupt("book.reasons"))?;
    let mut reasons = BTreeMap::new();
    for (code, n) in written {
        reasons.insert(
            Reason::from_code(&code).ok_or(StoreError::Corrupt("book.reasons"))?,
            n,
        );
    }
    Ok(Counts::from_parts(
        number(0)?,
        number(1)?,
        number(2)?,
        number(3)?,
        reasons,
    ))
}

impl SqliteStore {
    async fn many<T>(
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
    async fn by_ids<T>(
        &self,
        select: &str,
        column: &str,
        order: &str,
        ids: &[i64],
        read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Rows<T> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(limits::STATEMENT_ROWS) {
            let marks = vec!["?"; chunk.len()].join(",");
            found.extend(
                self.many(
                    &format!("{select} WHERE {column} IN ({marks}) ORDER BY {order}"),
                    chunk,
                    &read,
                )
                .await?,
            );
        }
        Ok(found)
    }

    /// The same over look-ups.
    async fn by_looks<T>(
        &self,
        select: &str,
        looks: &[Look],
        read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Rows<T> {
        let mut found = Vec::with_capacity(looks.len());
        for chunk in looks.chunks(limits::STATEMENT_ROWS) {
            let marks = vec!["?"; chunk.len()].join(",");
            let sql = format!("{select} WHERE look IN ({marks})");
            let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(sql))
                .persistent(chunk.len() == limits::STATEMENT_ROWS);
            for look in chunk {
                query = query.bind(look.to_vec());
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

    async fn published_files(
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

impl Store for SqliteStore {
    fn installation(&self) -> Answer<'_, Look> {
        Box::pin(self.ensure_installation())
    }

    fn strand<'a>(&'a self, name: &'a str) -> Answer<'a, Strand> {
        Box::pin(self.ensure_strand(name))
    }

    fn strands(&self) -> Answer<'_, Vec<Strand>> {
        Box::pin(self.many(
            "SELECT id, name, seq, head, at FROM strand ORDER BY id",
            &[],
            strand,
        ))
    }

    fn reserve(&self, strand: i64, count: i64) -> Answer<'_, i64> {
        Box::pin(self.reserve_ids(strand, count))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Commit> {
        Box::pin(self.commit_batch(batch))
    }

    fn ledger(&self, strand: i64, after: i64, limit: i64) -> Answer<'_, Vec<LedgerRow>> {
        Box::pin(async move {
            let sql = "SELECT strand, seq, at, kind, subject, body, hash FROM ledger WHERE strand = ? AND seq > ? ORDER BY seq LIMIT ?";
            self.many(sql, &[strand, after, limit], ledger_row).await
        })
    }

    fn ledger_at(&self, place: Place) -> Answer<'_, Option<LedgerRow>> {
        Box::pin(async move {
            let sql = "SELECT strand, seq, at, kind, subject, body, hash FROM ledger WHERE strand = ? AND seq = ?";
            Ok(self
                .many(sql, &[place.strand, place.seq], ledger_row)
                .await?
                .pop())
        })
    }

    fn lift(&self, at: i64) -> Answer<'_, ()> {
        Box::pin(self.lift_strands(at))
    }

    fn last_at(&self) -> Answer<'_, i64> {
        Box::pin(async move {
            Ok(self
                .many("SELECT coalesce(max(at), 0) FROM strand", &[], |row| {
                    int(row, 0)
                })
                .await?
                .pop()
                .unwrap_or(0))
        })
    }

    fn keys_by_look(&self, looks: Vec<Look>) -> Answer<'_, Vec<KeyRow>> {
        Box::pin(async move {
            self.by_looks("SELECT id, kind, look, wrapped FROM keyring", &looks, key)
                .await
        })
    }

    fn keys(&self, ids: Vec<i64>) -> Answer<'_, Vec<KeyRow>> {
        Box::pin(async move {
            self.by_ids(
                "SELECT id, kind, look, wrapped FROM keyring",
                "id",
                "id",
                &ids,
                key,
            )
            .await
        })
    }

    fn add_key(&self, key: KeyRow) -> Answer<'_, ()> {
        Box::pin(self.insert_key(key))
    }

    fn raws_by_look(&self, looks: Vec<Look>) -> Answer<'_, Vec<(Look, i64)>> {
        Box::pin(async move {
            self.by_looks("SELECT look, id FROM raw", &looks, |row| {
                Ok((fixed(row, 0)?, int(row, 1)?))
            })
            .await
        })
    }

    fn raws(&self, ids: Vec<i64>) -> Answer<'_, Vec<RawRow>> {
        Box::pin(async move { self.by_ids(RAW, "id", "id", &ids, raw).await })
    }

    fn raws_after(&self, after: i64, limit: i64) -> Answer<'_, Vec<RawRow>> {
        Box::pin(async move {
            self.many(
                &format!("{RAW} WHERE id > ? ORDER BY id LIMIT ?"),
                &[after, limit],
                raw,
            )
            .await
        })
    }

    fn legs_by_look(&self, looks: Vec<Look>) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move { self.by_looks(LEG, &looks, leg).await })
    }

    fn legs(&self, ids: Vec<i64>) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move { self.by_ids(LEG, "id", "id", &ids, leg).await })
    }

    fn legs_of_persons(&self, persons: Vec<i64>) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move { self.by_ids(LEG, "person", "id", &persons, leg).await })
    }

    fn leg_by_reference(&self, reference: LegReference) -> Answer<'_, Option<Leg>> {
        Box::pin(async move {
            let sql = format!("{LEG} WHERE reference = ?");
            let query =
                sqlx::query::<Sqlite>(AssertSqlSafe(sql)).bind(reference.to_bytes().to_vec());
            let row = query
                .fetch_optional(&self.readers)
                .await
                .map_err(|error| engine("looking up a reference", &error))?;
            row.as_ref().map(leg).transpose()
        })
    }

    fn legs_pending(&self, partner: i64, after: i64, limit: i64) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move {
            let sql = format!(
                "{LEG} INDEXED BY leg_pending WHERE partner = ? AND pending > 0 AND id > ? ORDER BY id LIMIT ?"
            );
            self.many(&sql, &[partner, after, limit], leg).await
        })
    }

    fn legs_after(&self, after: i64, limit: i64) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move {
            self.many(
                &format!("{LEG} WHERE id > ? ORDER BY id LIMIT ?"),
                &[after, limit],
                leg,
            )
            .await
        })
    }

    fn open_legs(&self) -> Answer<'_, Vec<(i64, i64)>> {
        Box::pin(async move {
            let sql = "SELECT partner, count(*) FROM leg WHERE partner > 0 AND state IN (3, 4, 5, 6, 8, 9) GROUP BY partner ORDER BY partner";
            self.many(sql, &[], |row| Ok((int(row, 0)?, int(row, 1)?)))
                .await
        })
    }

    fn leg_counts(&self) -> Answer<'_, Vec<LegCount>> {
        Box::pin(async move {
            let sql = "SELECT source, partner, state, why, count(*) FROM leg GROUP BY source, partner, state, why ORDER BY source, partner, state, why";
            let count = |row: &SqliteRow| {
                Ok(LegCount {
                    source: int(row, 0)?,
                    partner: int(row, 1)?,
                    state: LegState::from_number(int(row, 2)?)
                        .ok_or(StoreError::Corrupt("leg.state"))?,
                    why: reason(int(row, 3)?)?,
                    count: int(row, 4)?,
                })
            };
            self.many(sql, &[], count).await
        })
    }

    fn drop_files(&self, partner: i64) -> Answer<'_, Vec<DropFile>> {
        Box::pin(async move {
            let sql = "SELECT id, partner, sequence, name, day, rows, digest, root, rule, mapper, state FROM drop_file WHERE ?1 = 0 OR partner = ?1 ORDER BY partner, sequence";
            self.many(sql, &[partner], drop_file).await
        })
    }

    fn drop_rows(&self, drop_id: i64) -> Answer<'_, Vec<DropRow>> {
        Box::pin(async move {
            self.many(
                &format!("{DROP_ROW} WHERE drop_id = ? ORDER BY row"),
                &[drop_id],
                drop_row,
            )
            .await
        })
    }

    fn drop_actions(&self) -> Answer<'_, Vec<(i64, i64, i64)>> {
        Box::pin(async move {
            let sql = "SELECT drop_id, action, count(*) FROM drop_row GROUP BY drop_id, action ORDER BY drop_id, action";
            self.many(sql, &[], |row| {
                Ok((int(row, 0)?, int(row, 1)?, int(row, 2)?))
            })
            .await
        })
    }

    fn drop_rows_of_legs(&self, legs: Vec<i64>) -> Answer<'_, Vec<DropRow>> {
        Box::pin(async move {
            self.by_ids(DROP_ROW, "leg", "drop_id, row", &legs, drop_row)
                .await
        })
    }

    fn rule(&self, hash: Digest) -> Answer<'_, Option<String>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT text FROM rule WHERE hash = ?").bind(hash.to_vec());
            let row = query
                .fetch_optional(&self.readers)
                .await
                .map_err(|error| engine("reading a rule", &error))?;
            row.as_ref().map(|row| text(row, 0)).transpose()
        })
    }

    fn return_by_look(&self, look: Look) -> Answer<'_, Option<ReturnFile>> {
        Box::pin(async move { Ok(self.by_looks(RETURN, &[look], return_file).await?.pop()) })
    }

    fn return_files(&self) -> Answer<'_, Vec<ReturnFile>> {
        Box::pin(async move {
            self.many(&format!("{RETURN} ORDER BY id"), &[], return_file)
                .await
        })
    }

    fn return_rows(&self, return_id: i64) -> Answer<'_, Vec<ReturnRow>> {
        Box::pin(async move {
            let sql = "SELECT return_id, row, leg, holder, disposition, reason, digest, sealed FROM return_row WHERE return_id = ? ORDER BY row";
            self.many(sql, &[return_id], return_row).await
        })
    }

    fn events_by_look(&self, looks: Vec<Look>) -> Answer<'_, Vec<EventRow>> {
        Box::pin(async move { self.by_looks(EVENT, &looks, event).await })
    }

    fn events_of_leg(&self, leg: i64) -> Answer<'_, Vec<EventRow>> {
        Box::pin(async move {
            self.many(&format!("{EVENT} WHERE leg = ? ORDER BY id"), &[leg], event)
                .await
        })
    }

    fn events(&self, ids: Vec<i64>) -> Answer<'_, Vec<EventRow>> {
        Box::pin(async move { self.by_ids(EVENT, "id", "id", &ids, event).await })
    }

    fn pushes(
        &self,
        source: i64,
        state: PushState,
        after: i64,
        limit: i64,
    ) -> Answer<'_, Vec<PushRow>> {
        Box::pin(async move {
            let sql = format!(
                "{PUSH} WHERE source = ? AND state = ? AND event > ? ORDER BY event LIMIT ?"
            );
            self.many(&sql, &[source, state.number(), after, limit], push)
                .await
        })
    }

    fn push_counts(&self) -> Answer<'_, Vec<(i64, PushState, i64)>> {
        Box::pin(async move {
            let sql = "SELECT source, state, count(*) FROM push GROUP BY source, state ORDER BY source, state";
            let count = |row: &SqliteRow| {
                let state = PushState::from_number(int(row, 1)?)
                    .ok_or(StoreError::Corrupt("push.state"))?;
                Ok((int(row, 0)?, state, int(row, 2)?))
            };
            self.many(sql, &[], count).await
        })
    }

    fn pushes_after(&self, after: i64, limit: i64) -> Answer<'_, Vec<PushRow>> {
        Box::pin(async move {
            self.many(
                &format!("{PUSH} WHERE event > ? ORDER BY event LIMIT ?"),
                &[after, limit],
                push,
            )
            .await
        })
    }

    fn held(&self, query: HeldQuery) -> Answer<'_, Vec<HeldRow>> {
        Box::pin(async move {
            match query {
                HeldQuery {
                    number: Some(number),
                    ..
                } => {
                    self.many(&format!("{HELD} WHERE number = ?"), &[number], held)
                        .await
                }
                HeldQuery { leg: Some(leg), .. } => {
                    self.many(
                        &format!("{HELD} WHERE open AND leg = ? ORDER BY number"),
                        &[leg],
                        held,
                    )
                    .await
                }
                HeldQuery { .. } => {
                    self.many(&format!("{HELD} WHERE open ORDER BY number"), &[], held)
                        .await
                }
            }
        })
    }

    fn held_all(&self) -> Answer<'_, Vec<HeldRow>> {
        Box::pin(async move {
            self.many(&format!("{HELD} ORDER BY number"), &[], held)
                .await
        })
    }

    fn books(&self, run: i64) -> Answer<'_, Vec<BookRow>> {
        Box::pin(async move {
            let sql = "SELECT run, stage, source, partner, file, accepted, repeated, rejected, held, reasons, received FROM book WHERE ?1 = 0 OR run = ?1 ORDER BY run, stage, source, partner, file";
            let book = |row: &SqliteRow| {
                let read = counts(row, 5)?;
                if u64::try_from(int(row, 10)?) != Ok(read.received()) {
                    return Err(StoreError::Corrupt("book.received"));
                }
                Ok(BookRow {
                    run: int(row, 0)?,
                    stage: Stage::from_number(int(row, 1)?)
                        .ok_or(StoreError::Corrupt("book.stage"))?,
                    source: int(row, 2)?,
                    partner: int(row, 3)?,
                    file: int(row, 4)?,
                    counts: read,
                })
            };
            self.many(sql, &[run], book).await
        })
    }

    fn certificates(&self) -> Answer<'_, Vec<Certificate>> {
        Box::pin(async move {
            let sql = "SELECT run, source, verdict, evidence, high, input FROM certificate c WHERE run = (SELECT max(run) FROM certificate d WHERE d.source = c.source) ORDER BY source";
            let certificate = |row: &SqliteRow| {
                Ok(Certificate {
                    run: int(row, 0)?,
                    source: int(row, 1)?,
                    verdict: text(row, 2)?,
                    evidence: text(row, 3)?,
                    high: int(row, 4)?,
                    input: blob(row, 5)?,
                })
            };
            self.many(sql, &[], certificate).await
        })
    }

    fn facts(&self, month: i64) -> Answer<'_, Vec<Fact>> {
        Box::pin(async move {
            let sql = "SELECT id, kind, month, issue, source, partner, instrument, item, before, after FROM fact WHERE month <= ? ORDER BY month, source, partner, instrument, item, id";
            let fact = |row: &SqliteRow| {
                Ok(Fact {
                    id: int(row, 0)?,
                    kind: int(row, 1)?,
                    month: int(row, 2)?,
                    issue: int(row, 3)?,
                    source: int(row, 4)?,
                    partner: int(row, 5)?,
                    instrument: text(row, 6)?,
                    item: text(row, 7)?,
                    before: int(row, 8)?,
                    after: int(row, 9)?,
                })
            };
            self.many(sql, &[month], fact).await
        })
    }

    fn day_seals(&self) -> Answer<'_, Vec<(i64, Digest, Digest)>> {
        Box::pin(async move {
            let sql = "SELECT day, root, mac FROM day_seal ORDER BY day";
            self.many(sql, &[], |row| {
                Ok((int(row, 0)?, fixed(row, 1)?, fixed(row, 2)?))
            })
            .await
        })
    }

    fn day_seal_strands(&self, day: i64) -> Answer<'_, Vec<(i64, i64, Digest)>> {
        Box::pin(async move {
            let sql = "SELECT strand, seq, head FROM day_seal_strand WHERE day = ? ORDER BY strand";
            self.many(sql, &[day], |row| {
                Ok((int(row, 0)?, int(row, 1)?, fixed(row, 2)?))
            })
            .await
        })
    }

    fn heads_before(&self, at: i64) -> Answer<'_, Vec<(i64, i64, Digest)>> {
        Box::pin(async move {
            let mut heads = Vec::new();
            for strand in self.strands().await? {
                // Times of a strand never fall, so the last row before the cut is found from the end.
                let sql = "SELECT strand, seq, hash FROM ledger WHERE strand = ? AND at < ? ORDER BY seq DESC LIMIT 1";
                heads.extend(
                    self.many(sql, &[strand.id, at], |row| {
                        Ok((int(row, 0)?, int(row, 1)?, fixed(row, 2)?))
                    })
                    .await?,
                );
            }
            Ok(heads)
        })
    }

    fn published(
        &self,
        night: i64,
        commissioner: &str,
    ) -> Answer<'_, Vec<(String, Digest, Vec<u8>)>> {
        let commissioner = commissioner.to_owned();
        Box::pin(async move { self.published_files(night, &commissioner).await })
    }

    fn published_nights(&self) -> Answer<'_, Vec<(i64, String)>> {
        Box::pin(async move {
            let sql =
                "SELECT DISTINCT night, commissioner FROM published ORDER BY night, commissioner";
            self.many(sql, &[], |row| Ok((int(row, 0)?, text(row, 1)?)))
                .await
        })
    }

    fn cube(&self, night: i64, commissioner: &str) -> Answer<'_, Option<Vec<u8>>> {
        let commissioner = commissioner.to_owned();
        Box::pin(async move {
            let query = sqlx::query("SELECT sealed FROM cube WHERE night = ? AND commissioner = ?")
                .bind(night)
                .bind(commissioner);
            let row = query
                .fetch_optional(&self.readers)
                .await
                .map_err(|error| engine("reading a cube", &error))?;
            row.as_ref().map(|row| blob(row, 0)).transpose()
        })
    }
}
