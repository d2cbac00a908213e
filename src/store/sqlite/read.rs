//! Reading: one function a question.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::Sqlite;

use super::super::rows::{
    BookRow, Certificate, DropFile, DropRow, EventRow, Fact, HeldRow, KeyRow, LedgerRow, Leg,
    LegCount, MirrorKind, MirrorRow, Place, PushRow, PushState, RawRow, ReturnFile, ReturnRow,
    Strand,
};
use super::super::{
    Answer, Batch, Commit, HeldQuery, Kind, Lease, LeaseAnswer, LeaseAsk, LeaseRow, PushQuery,
    Store, StoreError,
};
use super::columns::{
    blob, book, certificate, drop_file, drop_row, event, fact, fixed, held, id, int, key,
    ledger_row, leg, leg_count, mirror, push, push_count, raw, return_file, return_row, strand,
    text,
};
use super::{SqliteStore, engine};
use crate::domain::{
    DropId, EventId, KeyId, LegId, LegReference, RawId, ReturnId, RunId, StrandId,
};
use crate::seal::{Digest, LookupKey};

const LEG: &str = "SELECT leg.id, leg.reference, leg.look, leg.source, leg.partner, leg.person, leg.state, leg.why, leg.pending, leg.asked, leg.closing, \
                   leg.since, leg.born, leg.raw_request, leg.raw_patient, leg.raw_requester, leg.raw_role, leg.raw_practice, leg.raw_consent, leg.rev, \
                   leg.last_strand, leg.last_seq FROM leg";
const DROP_ROW: &str = "SELECT drop_id, row, leg, rev, prev_strand, prev_seq, action, raw_request, raw_patient, raw_requester, raw_role, \
                        raw_practice, raw_consent, changed, digest FROM drop_row";
const EVENT: &str = "SELECT id, look, leg, rev, kind, return_id, row, holder, sealed FROM event";
const PUSH: &str =
    "SELECT event, leg, source, kind, state, attempts, reason, due, server_id FROM push";
const MIRROR: &str = "SELECT leg, kind, source, state, attempts, said, server_id FROM mirror";
const RAW: &str = "SELECT id, holder, kind, look, digest, sealed FROM raw";
const HELD: &str =
    "SELECT number, leg, stage, reason, source, partner, return_id, row, since, open FROM held";
const RETURN: &str = "SELECT id, sender, holder, look, rows, root, sealed_name, sealed_frame, state FROM return_file";

impl Store for SqliteStore {
    fn installation(&self) -> Answer<'_, LookupKey> {
        Box::pin(self.ensure_installation())
    }

    fn strand(&self, name: &str) -> Answer<'_, Strand> {
        let name = name.to_owned();
        Box::pin(async move { self.ensure_strand(&name).await })
    }

    fn strands(&self) -> Answer<'_, Vec<Strand>> {
        Box::pin(self.many(
            "SELECT id, name, seq, head, at FROM strand ORDER BY id",
            &[],
            strand,
        ))
    }

    fn reserve(&self, strand: StrandId, count: i64) -> Answer<'_, i64> {
        Box::pin(self.reserve_ids(strand, count))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Commit> {
        Box::pin(async move {
            let mut commits = self.commit_batches(vec![batch]).await?;
            commits.pop().ok_or(StoreError::Corrupt("a commit"))
        })
    }

    fn commit_all(&self, batches: Vec<Batch>) -> Answer<'_, Vec<Commit>> {
        Box::pin(self.commit_batches(batches))
    }

    fn take_lease(&self, ask: LeaseAsk) -> Answer<'_, LeaseAnswer> {
        Box::pin(self.take(ask))
    }

    fn renew_leases(&self, leases: Vec<Lease>, now: i64, until: i64) -> Answer<'_, Vec<Lease>> {
        Box::pin(self.renew(leases, now, until))
    }

    fn release_leases(&self, leases: Vec<Lease>) -> Answer<'_, ()> {
        Box::pin(self.release(leases))
    }

    fn leases(&self) -> Answer<'_, Vec<LeaseRow>> {
        Box::pin(self.all_leases())
    }

    fn ledger(&self, strand: StrandId, after: i64, limit: i64) -> Answer<'_, Vec<LedgerRow>> {
        Box::pin(async move {
            let sql = "SELECT strand, seq, at, kind, subject, body, hash FROM ledger WHERE strand = ? AND seq > ? ORDER BY seq LIMIT ?";
            self.many(sql, &[strand.number(), after, limit], ledger_row)
                .await
        })
    }

    fn ledger_of_kind(&self, strand: StrandId, kind: Kind) -> Answer<'_, Vec<LedgerRow>> {
        Box::pin(async move {
            let sql = "SELECT strand, seq, at, kind, subject, body, hash FROM ledger WHERE strand = ? AND kind = ? ORDER BY seq";
            self.many(sql, &[strand.number(), kind.number()], ledger_row)
                .await
        })
    }

    fn ledger_at(&self, place: Place) -> Answer<'_, Option<LedgerRow>> {
        Box::pin(async move {
            let sql = "SELECT strand, seq, at, kind, subject, body, hash FROM ledger WHERE strand = ? AND seq = ?";
            Ok(self
                .many(sql, &[place.strand.number(), place.seq], ledger_row)
                .await?
                .pop())
        })
    }

    fn raise_clock(&self, at: i64) -> Answer<'_, ()> {
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

    fn keys_by_lookup(&self, lookups: Vec<LookupKey>) -> Answer<'_, Vec<KeyRow>> {
        Box::pin(async move {
            self.by_looks("SELECT id, kind, look, wrapped FROM keyring", &lookups, key)
                .await
        })
    }

    fn keys(&self, ids: Vec<KeyId>) -> Answer<'_, Vec<KeyRow>> {
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

    fn raws_by_lookup(&self, lookups: Vec<LookupKey>) -> Answer<'_, Vec<(LookupKey, RawId)>> {
        Box::pin(async move {
            self.by_looks("SELECT look, id FROM raw", &lookups, |row| {
                Ok((fixed(row, 0)?, id(row, 1)?))
            })
            .await
        })
    }

    fn raws(&self, ids: Vec<RawId>) -> Answer<'_, Vec<RawRow>> {
        Box::pin(async move { self.by_ids(RAW, "id", "id", &ids, raw).await })
    }

    fn raws_after(&self, after: RawId, limit: i64) -> Answer<'_, Vec<RawRow>> {
        Box::pin(async move {
            self.many(
                &format!("{RAW} WHERE id > ? ORDER BY id LIMIT ?"),
                &[after.number(), limit],
                raw,
            )
            .await
        })
    }

    fn legs_by_lookup(&self, lookups: Vec<LookupKey>) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move { self.by_looks(LEG, &lookups, leg).await })
    }

    fn legs(&self, ids: Vec<LegId>) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move { self.by_ids(LEG, "id", "id", &ids, leg).await })
    }

    fn legs_of_persons(&self, persons: Vec<KeyId>) -> Answer<'_, Vec<Leg>> {
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

    fn legs_pending(&self, partner: StrandId, after: LegId, limit: i64) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move {
            let sql = format!(
                "{LEG} INDEXED BY leg_pending WHERE partner = ? AND pending > 0 AND id > ? ORDER BY id LIMIT ?"
            );
            self.many(&sql, &[partner.number(), after.number(), limit], leg)
                .await
        })
    }

    fn legs_after(&self, after: LegId, limit: i64) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move {
            self.many(
                &format!("{LEG} WHERE id > ? ORDER BY id LIMIT ?"),
                &[after.number(), limit],
                leg,
            )
            .await
        })
    }

    fn open_legs(&self, source: StrandId, after: LegId, limit: i64) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move {
            // The states before an ending, as `LegState::terminal` has them.
            let sql = format!(
                "{LEG} WHERE id > ? AND source = ? AND state IN (1, 2, 3, 4, 5, 6, 8, 9) ORDER BY id LIMIT ?"
            );
            self.many(&sql, &[after.number(), source.number(), limit], leg)
                .await
        })
    }

    fn open_leg_counts(&self) -> Answer<'_, Vec<(StrandId, i64)>> {
        Box::pin(async move {
            let sql = "SELECT partner, count(*) FROM leg WHERE partner > 0 AND state IN (3, 4, 5, 6, 8, 9) GROUP BY partner ORDER BY partner";
            self.many(sql, &[], |row| Ok((id(row, 0)?, int(row, 1)?)))
                .await
        })
    }

    fn leg_counts(&self) -> Answer<'_, Vec<LegCount>> {
        Box::pin(async move {
            let sql = "SELECT source, partner, state, why, count(*) FROM leg GROUP BY source, partner, state, why ORDER BY source, partner, state, why";
            self.many(sql, &[], leg_count).await
        })
    }

    fn drop_files(&self, partner: StrandId) -> Answer<'_, Vec<DropFile>> {
        Box::pin(async move {
            let sql = "SELECT id, partner, sequence, name, day, rows, digest, root, rule, mapper, state FROM drop_file WHERE ?1 = 0 OR partner = ?1 ORDER BY partner, sequence";
            self.many(sql, &[partner.number()], drop_file).await
        })
    }

    fn drop_rows(&self, drop_id: DropId) -> Answer<'_, Vec<DropRow>> {
        Box::pin(async move {
            self.many(
                &format!("{DROP_ROW} WHERE drop_id = ? ORDER BY row"),
                &[drop_id.number()],
                drop_row,
            )
            .await
        })
    }

    fn drop_actions(&self) -> Answer<'_, Vec<(DropId, i64, i64)>> {
        Box::pin(async move {
            let sql = "SELECT drop_id, action, count(*) FROM drop_row GROUP BY drop_id, action ORDER BY drop_id, action";
            self.many(sql, &[], |row| {
                Ok((id(row, 0)?, int(row, 1)?, int(row, 2)?))
            })
            .await
        })
    }

    fn drop_rows_of_legs(&self, legs: Vec<LegId>) -> Answer<'_, Vec<DropRow>> {
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

    fn return_by_lookup(&self, lookup: LookupKey) -> Answer<'_, Option<ReturnFile>> {
        Box::pin(async move { Ok(self.by_looks(RETURN, &[lookup], return_file).await?.pop()) })
    }

    fn return_files(&self) -> Answer<'_, Vec<ReturnFile>> {
        Box::pin(async move {
            self.many(&format!("{RETURN} ORDER BY id"), &[], return_file)
                .await
        })
    }

    fn return_rows(&self, return_id: ReturnId) -> Answer<'_, Vec<ReturnRow>> {
        Box::pin(async move {
            let sql = "SELECT return_id, row, leg, holder, disposition, reason, digest, sealed FROM return_row WHERE return_id = ? ORDER BY row";
            self.many(sql, &[return_id.number()], return_row).await
        })
    }

    fn events_of_leg(&self, leg: LegId) -> Answer<'_, Vec<EventRow>> {
        Box::pin(async move {
            self.many(
                &format!("{EVENT} WHERE leg = ? ORDER BY id"),
                &[leg.number()],
                event,
            )
            .await
        })
    }

    fn events(&self, ids: Vec<EventId>) -> Answer<'_, Vec<EventRow>> {
        Box::pin(async move { self.by_ids(EVENT, "id", "id", &ids, event).await })
    }

    fn pushes(&self, query: PushQuery) -> Answer<'_, Vec<PushRow>> {
        Box::pin(async move {
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
        })
    }

    fn pushes_of_events(&self, events: Vec<EventId>) -> Answer<'_, Vec<PushRow>> {
        Box::pin(async move { self.by_ids(PUSH, "event", "event", &events, push).await })
    }

    fn mirrors(&self, legs: Vec<LegId>) -> Answer<'_, Vec<MirrorRow>> {
        Box::pin(async move { self.by_ids(MIRROR, "leg", "leg, kind", &legs, mirror).await })
    }

    fn mirrors_after(&self, after: LegId, limit: i64) -> Answer<'_, Vec<MirrorRow>> {
        Box::pin(async move {
            // Both rows of a leg come on one page: the limit counts legs.
            let sql = format!(
                "{MIRROR} WHERE leg IN (SELECT DISTINCT leg FROM mirror WHERE leg > ? ORDER BY leg LIMIT ?) ORDER BY leg, kind"
            );
            self.many(&sql, &[after.number(), limit], mirror).await
        })
    }

    fn legs_to_tell(
        &self,
        source: StrandId,
        kind: MirrorKind,
        after: LegId,
        limit: i64,
    ) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move {
            // A Task begins when something was sent to a partner, and follows from then on; the request is told of completion only.
            let wanted = match kind {
                MirrorKind::Task => "(m.leg IS NOT NULL OR leg.state BETWEEN 4 AND 11)",
                MirrorKind::Request => "leg.state = 10",
            };
            let sql = format!(
                "{LEG} LEFT JOIN mirror m ON m.leg = leg.id AND m.kind = ? WHERE leg.source = ? AND leg.id > ? AND {wanted} \
                 AND (m.said IS NULL OR m.said <> leg.state * 2 + (leg.asked = 3)) ORDER BY leg.id LIMIT ?"
            );
            self.many(
                &sql,
                &[kind.number(), source.number(), after.number(), limit],
                leg,
            )
            .await
        })
    }

    fn push_counts(&self) -> Answer<'_, Vec<(StrandId, PushState, i64)>> {
        Box::pin(async move {
            let sql = "SELECT source, state, count(*) FROM push GROUP BY source, state ORDER BY source, state";
            self.many(sql, &[], push_count).await
        })
    }

    fn pushes_after(&self, after: EventId, limit: i64) -> Answer<'_, Vec<PushRow>> {
        Box::pin(async move {
            self.many(
                &format!("{PUSH} WHERE event > ? ORDER BY event LIMIT ?"),
                &[after.number(), limit],
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
                    self.many(
                        &format!("{HELD} WHERE number = ?"),
                        &[number.number()],
                        held,
                    )
                    .await
                }
                HeldQuery { leg: Some(leg), .. } => {
                    self.many(
                        &format!("{HELD} WHERE open AND leg = ? ORDER BY number"),
                        &[leg.number()],
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

    fn books(&self, run: RunId) -> Answer<'_, Vec<BookRow>> {
        Box::pin(async move {
            let sql = "SELECT run, stage, source, partner, file, accepted, repeated, rejected, held, reasons, received FROM book WHERE ?1 = 0 OR run = ?1 ORDER BY run, stage, source, partner, file";
            self.many(sql, &[run.number()], book).await
        })
    }

    fn certificates(&self) -> Answer<'_, Vec<Certificate>> {
        Box::pin(async move {
            let sql = "SELECT run, source, verdict, evidence, high, input FROM certificate c WHERE run = (SELECT max(run) FROM certificate d WHERE d.source = c.source) ORDER BY source";
            self.many(sql, &[], certificate).await
        })
    }

    fn facts(&self, month: i64) -> Answer<'_, Vec<Fact>> {
        Box::pin(async move {
            let sql = "SELECT id, kind, month, issue, source, partner, instrument, item, before, after FROM fact WHERE month <= ? ORDER BY month, source, partner, instrument, item, id";
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

    fn day_seal_strands(&self, day: i64) -> Answer<'_, Vec<(StrandId, i64, Digest)>> {
        Box::pin(async move {
            let sql = "SELECT strand, seq, head FROM day_seal_strand WHERE day = ? ORDER BY strand";
            self.many(sql, &[day], |row| {
                Ok((id(row, 0)?, int(row, 1)?, fixed(row, 2)?))
            })
            .await
        })
    }

    fn heads_before(&self, at: i64) -> Answer<'_, Vec<(StrandId, i64, Digest)>> {
        Box::pin(async move {
            let mut heads = Vec::new();
            for strand in self.strands().await? {
                // Times of a strand never fall, so the last row before the cut is found from the end.
                let sql = "SELECT strand, seq, hash FROM ledger WHERE strand = ? AND at < ? ORDER BY seq DESC LIMIT 1";
                heads.extend(
                    self.many(sql, &[strand.id.number(), at], |row| {
                        Ok((id(row, 0)?, int(row, 1)?, fixed(row, 2)?))
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
