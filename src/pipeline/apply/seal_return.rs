//! The rows in which a return is kept: its file with the bytes as they came, its rows and its events, each sealed under its holder's key.
//!
//! A row is digested and sealed as cells, so that neither depends on how the file was written; the file as it was written is kept under a key of its own.

use std::collections::HashMap;

use super::no_longer_told::NoLongerTold;
use super::record::{ReturnRecord, Touched};
use crate::domain::encoding::hex;
use crate::domain::entropy::Stream;
use crate::domain::{Disposition, EventId, EventKind, KeyId, LegId, ReturnId, StrandId};
use crate::pipeline::event::{
    ReturnFrame, RowFinding, StoredEvent, TakenReturn, bytes_spot, event_lookup, event_spot,
    frame_spot, name_spot, row_spot,
};
use crate::pipeline::run::{Env, HeldLease};
use crate::seal::HolderKey;
use crate::sheet::row_form;
use crate::store::hash_chain::return_file_leaf;
use crate::store::rows::{EventRow, KeyKind, KeyRow, RETURN_READ, ReturnFile, ReturnRow};
use crate::store::{Body, Entry};

/// State of a return that could not be used.
const REFUSED: i64 = 2;

/// The frame of a return, but for what is known of its rows.
fn frame_of(env: &Env, taken: &TakenReturn) -> ReturnFrame {
    ReturnFrame {
        rules: hex(&env.rules.partners[taken.partner].hash),
        at: env.now().0,
        of: taken.of.number(),
        ..ReturnFrame::default()
    }
}

impl ReturnRecord<'_> {
    pub(crate) fn file_key(&self, id: KeyId, stream: &mut Stream) -> (HolderKey, KeyRow) {
        let key = HolderKey::new(stream.bytes());
        let wrapped = self.run.keys.wrap(id, stream.bytes(), &key);
        (
            key,
            KeyRow {
                id,
                kind: KeyKind::File,
                lookup: None,
                wrapped,
            },
        )
    }

    /// The row of an event, still without what is sealed in it.
    pub(crate) fn event_row(
        &self,
        kept: &StoredEvent,
        kind: EventKind,
        touched: &Touched,
        return_id: ReturnId,
        index: usize,
        id: EventId,
    ) -> EventRow {
        EventRow {
            id,
            lookup: event_lookup(self.run, kept),
            leg: touched.leg.id,
            rev: touched.leg.rev + 1,
            kind,
            return_id,
            row: i64::try_from(index).unwrap_or(i64::MAX) + 1,
            holder: touched.leg.now.person,
            sealed: Vec::new(),
        }
    }

    pub(crate) fn return_row(
        &self,
        return_id: ReturnId,
        index: usize,
        row: &RowFinding,
        touched: &HashMap<LegId, Touched>,
        file: &(HolderKey, KeyRow),
        nonce: [u8; 12],
    ) -> ReturnRow {
        let number = i64::try_from(index).unwrap_or(i64::MAX) + 1;
        let form = self.sheet.row(index).map(row_form).unwrap_or_default();
        let (key, holder) = touched
            .get(&row.leg)
            .map_or((&file.0, file.1.id), |touched| {
                (&touched.key, touched.leg.now.person)
            });
        ReturnRow {
            return_id,
            row: number,
            leg: row.leg,
            holder,
            disposition: row.disposition,
            reason: row.reason,
            digest: key.digest(&form),
            sealed: key.seal(row_spot(return_id, number, holder), nonce, &form),
        }
    }

    /// The frame of the file; `missing`: what one that tells everything no longer tells.
    pub(crate) fn frame(
        &self,
        rows: &[RowFinding],
        missing: Option<&NoLongerTold>,
    ) -> (ReturnFrame, usize) {
        let taken_in = |row: &RowFinding| {
            matches!(
                row.disposition,
                Disposition::Accepted | Disposition::Repeated
            )
        };
        let frame = ReturnFrame {
            header: self.sheet.header.clone(),
            header_line: self.sheet.header_line,
            whole: rows.iter().all(taken_in),
            everything: missing.is_some(),
            asked: missing.map_or_else(Vec::new, |missing| missing.asked.iter().copied().collect()),
            ..frame_of(self.run, self.taken)
        };
        (frame, rows.len())
    }

    /// The record of the file with its frame and so many rows, but for its root, and its sealed bytes.
    pub(crate) fn return_file(
        &self,
        id: ReturnId,
        (frame, rows): &(ReturnFrame, usize),
        key: (&HolderKey, KeyId),
        bytes: &[u8],
        stream: &mut Stream,
    ) -> (ReturnFile, Vec<u8>) {
        let sender = self.run.partners[self.taken.partner].strand;
        let (mut file, bytes) = seal_file((self.taken, bytes), (id, sender), key, frame, stream);
        file.rows = i64::try_from(*rows).unwrap_or(i64::MAX);
        file.state = RETURN_READ;
        (file, bytes)
    }
}

/// An event under its person's key, for its row.
pub(crate) fn sealed_event(
    kept: &StoredEvent,
    row: &EventRow,
    key: &HolderKey,
    nonce: [u8; 12],
) -> Vec<u8> {
    let plain = serde_json::to_vec(kept).expect("text and numbers always are JSON");
    key.seal(event_spot(row.id, row.holder), nonce, &plain)
}

/// The record of a file that could not be used, but for its root, and its sealed bytes.
fn seal_file(
    (taken, bytes): (&TakenReturn, &[u8]),
    (id, sender): (ReturnId, StrandId),
    (key, holder): (&HolderKey, KeyId),
    frame: &ReturnFrame,
    stream: &mut Stream,
) -> (ReturnFile, Vec<u8>) {
    let frame = serde_json::to_vec(frame).expect("text and numbers always are JSON");
    let mut seal = |spot, plain: &[u8]| key.seal(spot, stream.bytes(), plain);
    let file = ReturnFile {
        id,
        sender,
        holder,
        lookup: taken.lookup,
        rows: 1,
        root: [0; 32],
        sealed_name: seal(name_spot(id, holder), taken.name.as_bytes()),
        sealed_frame: seal(frame_spot(id, holder), &frame),
        state: REFUSED,
        version: taken.version,
        written: taken.written_micros,
    };
    let bytes = seal(bytes_spot(id, holder), bytes);
    (file, bytes)
}

/// Records that a file could not be used: its bytes are kept all the same.
pub(crate) async fn record_refusal(
    env: &Env,
    lease: &HeldLease,
    taken: &TakenReturn,
) -> anyhow::Result<ReturnId> {
    let strand = lease.strand();
    let ids = env.ids.take(&*env.store, strand, 2).await?;
    let mut stream = env.stream();
    let (id, key_id) = (ids.next(), ids.next());
    let key = HolderKey::new(stream.bytes());
    let wrapped = env.keys.wrap(key_id, stream.bytes(), &key);
    let mut batch = lease.batch(env.now());
    batch.keys.push(KeyRow {
        id: key_id,
        kind: KeyKind::File,
        lookup: None,
        wrapped,
    });
    let file = (taken, &*taken.bytes);
    let frame = frame_of(env, taken);
    let (mut file, bytes) = seal_file(file, (id, strand), (&key, key_id), &frame, &mut stream);
    file.root = return_file_leaf(&file, &bytes);
    let returned = Body::Returned {
        rows: 0,
        events: 0,
        root: file.root,
    };
    batch.return_file = Some(file);
    batch.return_bytes = bytes;
    batch.push(Entry::new(id, returned));
    env.store.commit(batch).await?;
    Ok(id)
}
