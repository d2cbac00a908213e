//! Reading: one function a question.

use sqlx::sqlite::SqliteRow;

use super::super::rows::{
    BookRow, BookSum, Certificate, DropFile, DropRow, DropRowCount, DropState, EventRow, FactCount,
    HeldRow, HoldCount, KeyRow, LedgerRow, Leg, LegCount, MirrorKind, MirrorRow, NEWER_RETURNS,
    Place, PushRow, PushState, RETURN_READ, RawRow, ReturnFile, ReturnRow, Strand,
};
use super::super::{
    Answer, Batch, Commit, Kind, Lease, LeaseAnswer, LeaseAsk, LeaseRow, PushQuery, Store,
    StoreError,
};
use super::columns::{
    blob, book, certificate, day_seal, drop_file, drop_row, drop_row_count, event, fixed, held, id,
    int, key, ledger_row, leg, leg_count, mirror, push, push_count, raw, return_file, return_row,
    strand, text,
};
use super::guards::OPEN;
use super::selects::{BOOK, DROP_FILE, DROP_ROW, EVENT, HELD, LEG, MIRROR, PUSH, RAW, RETURN};
use super::{SqliteStore, engine};
use crate::domain::{
    DropId, EventId, HoldNumber, KeyId, LegId, LegReference, LegState, RawId, ReturnId, RunId,
    Stage, StrandId,
};
use crate::seal::{Digest, LookupKey};

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
            "SELECT id, name, seq, head, at, rules FROM strand ORDER BY id",
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

    fn ledger_of_kind(
        &self,
        strand: StrandId,
        kind: Kind,
        after: i64,
        limit: i64,
    ) -> Answer<'_, Vec<LedgerRow>> {
        Box::pin(async move {
            let sql = "SELECT strand, seq, at, kind, subject, body, hash FROM ledger WHERE strand = ? AND seq > ? AND kind = ? ORDER BY seq LIMIT ?";
            let numbers = [strand.number(), after, kind.number(), limit];
            self.many(sql, &numbers, ledger_row).await
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
            self.by_bytes(
                "SELECT id, kind, look, wrapped FROM keyring",
                "look",
                &lookups,
                key,
            )
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

    fn keyless_persons(&self, limit: i64) -> Answer<'_, Vec<KeyId>> {
        Box::pin(async move {
            // By the two indexes of what is open, so that it does not grow with what has ended; `+` keeps the engine off others.
            let lost = "+leg.person > 0 AND NOT EXISTS (SELECT 1 FROM keyring WHERE keyring.id = leg.person)";
            let sql = format!(
                "SELECT DISTINCT person FROM (SELECT leg.person FROM leg INDEXED BY leg_open WHERE {OPEN} AND {lost} \
                 UNION ALL SELECT leg.person FROM held INDEXED BY held_open CROSS JOIN leg ON leg.id = held.leg \
                 WHERE held.open AND leg.state = ? AND {lost}) ORDER BY 1 LIMIT ?"
            );
            let numbers = [LegState::Held.number(), limit];
            self.many(&sql, &numbers, |row| id(row, 0)).await
        })
    }

    fn add_key(&self, key: KeyRow) -> Answer<'_, ()> {
        Box::pin(self.insert_key(key))
    }

    fn raws_by_lookup(&self, lookups: Vec<LookupKey>) -> Answer<'_, Vec<(LookupKey, RawId)>> {
        Box::pin(async move {
            self.by_bytes("SELECT look, id FROM raw", "look", &lookups, |row| {
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
        Box::pin(async move { self.by_bytes(LEG, "look", &lookups, leg).await })
    }

    fn legs(&self, ids: Vec<LegId>) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move { self.by_ids(LEG, "id", "id", &ids, leg).await })
    }

    fn legs_of_persons(&self, persons: Vec<KeyId>) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move { self.by_ids(LEG, "person", "id", &persons, leg).await })
    }

    fn legs_by_references(&self, references: Vec<LegReference>) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move {
            let mut references: Vec<[u8; 8]> =
                references.iter().map(|one| one.to_bytes()).collect();
            // They are random: in the order of their index, its pages are read once.
            references.sort_unstable();
            self.by_bytes(LEG, "reference", &references, leg).await
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
            let sql = format!("{LEG} WHERE id > ? ORDER BY id LIMIT ?");
            self.many(&sql, &[after.number(), limit], leg).await
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

    fn open_legs_with(&self, partner: StrandId, after: LegId, limit: i64) -> Answer<'_, Vec<Leg>> {
        Box::pin(async move {
            let sql = format!(
                "{LEG} INDEXED BY leg_open WHERE partner = ? AND partner > 0 AND state IN (3, 4, 5, 6, 8, 9) AND id > ? ORDER BY id LIMIT ?"
            );
            self.many(&sql, &[partner.number(), after.number(), limit], leg)
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

    fn last_drop(&self, partner: StrandId) -> Answer<'_, Option<DropFile>> {
        Box::pin(async move {
            let sql = format!("{DROP_FILE} WHERE partner = ? ORDER BY sequence DESC LIMIT 1");
            Ok(self.many(&sql, &[partner.number()], drop_file).await?.pop())
        })
    }

    fn drop_files(&self, partner: StrandId, after: i64, limit: i64) -> Answer<'_, Vec<DropFile>> {
        Box::pin(async move {
            let sql =
                format!("{DROP_FILE} WHERE partner = ? AND sequence > ? ORDER BY sequence LIMIT ?");
            let numbers = [partner.number(), after, limit];
            self.many(&sql, &numbers, drop_file).await
        })
    }

    fn drop_files_by_id(&self, ids: Vec<DropId>) -> Answer<'_, Vec<DropFile>> {
        Box::pin(async move { self.by_ids(DROP_FILE, "id", "id", &ids, drop_file).await })
    }

    fn drop_files_in(
        &self,
        state: DropState,
        partner: StrandId,
        after: DropId,
        limit: i64,
    ) -> Answer<'_, Vec<DropFile>> {
        Box::pin(async move {
            // The words of the index, or the engine does not see that it may use it.
            let under_way = if matches!(state, DropState::Prepared | DropState::Sent) {
                "AND state < 3"
            } else {
                ""
            };
            let sql = format!(
                "{DROP_FILE} WHERE state = ?1 {under_way} AND (?2 = 0 OR partner = ?2) AND id > ?3 ORDER BY id LIMIT ?4"
            );
            let numbers = [state as i64, partner.number(), after.number(), limit];
            self.many(&sql, &numbers, drop_file).await
        })
    }

    fn drop_rows(&self, drop_id: DropId, after: i64, limit: i64) -> Answer<'_, Vec<DropRow>> {
        Box::pin(async move {
            let sql = format!("{DROP_ROW} WHERE drop_id = ? AND row > ? ORDER BY row LIMIT ?");
            let numbers = [drop_id.number(), after, limit];
            self.many(&sql, &numbers, drop_row).await
        })
    }

    fn drop_row_counts(&self, to_day: i64) -> Answer<'_, Vec<DropRowCount>> {
        Box::pin(async move {
            let sql = "SELECT f.partner, r.action, count(*) FROM drop_file f JOIN drop_row r ON r.drop_id = f.id WHERE f.day <= ? AND f.state < 4 \
                       GROUP BY f.partner, r.action ORDER BY f.partner, r.action";
            self.many(sql, &[to_day], drop_row_count).await
        })
    }

    fn drop_row_counts_of(&self, ids: Vec<DropId>) -> Answer<'_, Vec<DropRowCount>> {
        Box::pin(self.rows_sent_of(ids))
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
        Box::pin(async move {
            Ok(self
                .by_bytes(RETURN, "look", &[lookup], return_file)
                .await?
                .pop())
        })
    }

    fn return_files(&self, after: ReturnId, limit: i64) -> Answer<'_, Vec<ReturnFile>> {
        Box::pin(async move {
            let sql = format!("{RETURN} WHERE id > ? ORDER BY id LIMIT ?");
            self.many(&sql, &[after.number(), limit], return_file).await
        })
    }

    fn returns_written_after(&self, sender: StrandId, at: i64) -> Answer<'_, Vec<ReturnId>> {
        Box::pin(async move {
            let sql = "SELECT id FROM return_file WHERE sender = ? AND written > ? AND state = ? ORDER BY written DESC, id LIMIT ?";
            let numbers = [sender.number(), at, RETURN_READ, NEWER_RETURNS];
            self.many(sql, &numbers, |row| id(row, 0)).await
        })
    }

    fn return_bytes(&self, return_id: ReturnId) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(async move {
            let sql = "SELECT sealed_bytes FROM return_file WHERE id = ?";
            let id = [return_id.number()];
            Ok(self.many(sql, &id, |row| blob(row, 0)).await?.pop())
        })
    }

    fn return_counts(&self) -> Answer<'_, Vec<(StrandId, i64)>> {
        Box::pin(async move {
            let sql = "SELECT sender, count(*) FROM return_file GROUP BY sender ORDER BY sender";
            self.many(sql, &[], |row| Ok((id(row, 0)?, int(row, 1)?)))
                .await
        })
    }

    fn return_rows(
        &self,
        return_id: ReturnId,
        after: i64,
        limit: i64,
    ) -> Answer<'_, Vec<ReturnRow>> {
        Box::pin(async move {
            let sql = "SELECT return_id, row, leg, holder, disposition, reason, digest, sealed FROM return_row WHERE return_id = ? AND row > ? ORDER BY row LIMIT ?";
            let numbers = [return_id.number(), after, limit];
            self.many(sql, &numbers, return_row).await
        })
    }

    fn events_of_legs(&self, legs: Vec<LegId>) -> Answer<'_, Vec<EventRow>> {
        Box::pin(async move { self.by_ids(EVENT, "leg", "leg, id", &legs, event).await })
    }

    fn events(&self, ids: Vec<EventId>) -> Answer<'_, Vec<EventRow>> {
        Box::pin(async move { self.by_ids(EVENT, "id", "id", &ids, event).await })
    }

    fn pushes(&self, query: PushQuery) -> Answer<'_, Vec<PushRow>> {
        Box::pin(self.pushes_in_state(query))
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
        Box::pin(self.untold_legs(source, kind, after, limit))
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

    fn hold(&self, number: HoldNumber) -> Answer<'_, Option<HeldRow>> {
        Box::pin(async move {
            let sql = format!("{HELD} WHERE number = ?");
            Ok(self.many(&sql, &[number.number()], held).await?.pop())
        })
    }

    fn holds_of_legs(&self, legs: Vec<LegId>) -> Answer<'_, Vec<HeldRow>> {
        Box::pin(async move {
            let mut holds = self
                .by_ids(HELD, "open AND leg", "number", &legs, held)
                .await?;
            holds.sort_unstable_by_key(|hold| hold.number);
            Ok(holds)
        })
    }

    fn open_holds(&self, after: HoldNumber, limit: i64) -> Answer<'_, Vec<HeldRow>> {
        Box::pin(async move {
            let sql = format!("{HELD} WHERE open AND number > ? ORDER BY number LIMIT ?");
            self.many(&sql, &[after.number(), limit], held).await
        })
    }

    fn holds_after(&self, after: HoldNumber, limit: i64) -> Answer<'_, Vec<HeldRow>> {
        Box::pin(async move {
            let sql = format!("{HELD} WHERE number > ? ORDER BY number LIMIT ?");
            self.many(&sql, &[after.number(), limit], held).await
        })
    }

    fn hold_counts(&self, before: i64) -> Answer<'_, Vec<HoldCount>> {
        Box::pin(self.open_hold_counts(before))
    }

    fn books(&self, run: RunId) -> Answer<'_, Vec<BookRow>> {
        Box::pin(async move {
            let sql = format!("{BOOK} WHERE run = ? ORDER BY run, stage, source, partner, file");
            self.many(&sql, &[run.number()], book).await
        })
    }

    fn books_after(&self, run: RunId, limit: i64) -> Answer<'_, Vec<BookRow>> {
        Box::pin(async move {
            let sql = format!(
                "{BOOK} WHERE run IN (SELECT DISTINCT run FROM book WHERE run > ? ORDER BY run LIMIT ?) ORDER BY run, stage, source, partner, file"
            );
            self.many(&sql, &[run.number(), limit], book).await
        })
    }

    fn last_run(&self) -> Answer<'_, Option<RunId>> {
        Box::pin(async move {
            let sql = "SELECT run FROM book ORDER BY run DESC LIMIT 1";
            Ok(self.many(sql, &[], |row| id(row, 0)).await?.pop())
        })
    }

    fn book_sums(&self, stage: Stage) -> Answer<'_, Vec<BookSum>> {
        Box::pin(self.sums_of_books(stage))
    }

    fn certificates(&self) -> Answer<'_, Vec<Certificate>> {
        Box::pin(async move {
            let sql = "SELECT c.run, c.source, c.verdict, c.evidence, c.high, c.input FROM strand s JOIN certificate c ON c.source = s.id \
                       AND c.run = (SELECT max(run) FROM certificate d WHERE d.source = s.id) ORDER BY s.id";
            self.many(sql, &[], certificate).await
        })
    }

    fn fact_counts(&self, month: i64) -> Answer<'_, Vec<FactCount>> {
        Box::pin(self.counts_of_facts(month))
    }

    fn last_day_seal(&self) -> Answer<'_, Option<(i64, Digest, Digest)>> {
        Box::pin(async move {
            let sql = "SELECT day, root, mac FROM day_seal ORDER BY day DESC LIMIT 1";
            Ok(self.many(sql, &[], day_seal).await?.pop())
        })
    }

    fn day_seals(&self, after: i64, limit: i64) -> Answer<'_, Vec<(i64, Digest, Digest)>> {
        Box::pin(async move {
            let sql = "SELECT day, root, mac FROM day_seal WHERE day > ? ORDER BY day LIMIT ?";
            self.many(sql, &[after, limit], day_seal).await
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
        Box::pin(self.last_rows_before(at))
    }

    fn published(
        &self,
        night: i64,
        commissioner: &str,
    ) -> Answer<'_, Vec<(String, Digest, Vec<u8>)>> {
        let commissioner = commissioner.to_owned();
        Box::pin(async move { self.published_files(night, &commissioner).await })
    }

    fn published_nights(&self, after: i64, limit: i64) -> Answer<'_, Vec<(i64, String)>> {
        Box::pin(async move {
            let sql = "SELECT DISTINCT night, commissioner FROM published \
                       WHERE night IN (SELECT DISTINCT night FROM published WHERE night > ? ORDER BY night LIMIT ?) ORDER BY night, commissioner";
            let night = |row: &SqliteRow| Ok((int(row, 0)?, text(row, 1)?));
            self.many(sql, &[after, limit], night).await
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
