//! One row of a table into its plain value; what no version of this program writes is an error, never a guess.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::super::StoreError;
use super::super::rows::{
    BookRow, BookSum, Certificate, DropFile, DropRow, DropRowCount, DropState, EventRow, FactCount,
    HeldRow, HoldCount, KeyKind, KeyRow, LedgerRow, Leg, LegCount, LegState, MirrorKind, MirrorRow,
    Place, PushKind, PushRow, PushState, RawIds, RawKind, RawRow, ReturnFile, ReturnRow, Standing,
    Strand, Unanswered,
};
use super::engine;
use crate::domain::{
    Action, Counts, Disposition, EventKind, Id, LegReference, RawId, Reason, Stage, StrandId,
};
use crate::seal::{Digest, LookupKey};

pub(super) fn int(row: &SqliteRow, place: usize) -> Result<i64, StoreError> {
    row.try_get(place)
        .map_err(|error| engine("reading a number", &error))
}

/// An id, 0 being none.
pub(super) fn id<T>(row: &SqliteRow, place: usize) -> Result<Id<T>, StoreError> {
    int(row, place).map(Id::new)
}

pub(super) fn blob(row: &SqliteRow, place: usize) -> Result<Vec<u8>, StoreError> {
    row.try_get(place)
        .map_err(|error| engine("reading bytes", &error))
}

pub(super) fn text(row: &SqliteRow, place: usize) -> Result<String, StoreError> {
    row.try_get(place)
        .map_err(|error| engine("reading text", &error))
}

pub(super) fn fixed<const N: usize>(row: &SqliteRow, place: usize) -> Result<[u8; N], StoreError> {
    blob(row, place)?
        .try_into()
        .map_err(|_| StoreError::Corrupt("a digest"))
}

pub(super) fn optional_look(
    row: &SqliteRow,
    place: usize,
) -> Result<Option<LookupKey>, StoreError> {
    let lookup: Option<Vec<u8>> = row
        .try_get(place)
        .map_err(|error| engine("reading a look-up", &error))?;
    lookup
        .map(|lookup| {
            lookup
                .try_into()
                .map_err(|_| StoreError::Corrupt("a look-up"))
        })
        .transpose()
}

/// What has a number, 0 being none.
fn known<T>(
    row: &SqliteRow,
    place: usize,
    from_number: fn(i64) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    match int(row, place)? {
        0 => Ok(None),
        number => from_number(number)
            .map(Some)
            .ok_or(StoreError::Corrupt("a number of a known kind")),
    }
}

/// The same where there always is one.
fn sure<T>(
    row: &SqliteRow,
    place: usize,
    from_number: fn(i64) -> Option<T>,
) -> Result<T, StoreError> {
    known(row, place, from_number)?.ok_or(StoreError::Corrupt("a number that is never none"))
}

pub(super) fn strand(row: &SqliteRow) -> Result<Strand, StoreError> {
    Ok(Strand {
        id: id(row, 0)?,
        name: text(row, 1)?,
        seq: int(row, 2)?,
        head: fixed(row, 3)?,
        at: int(row, 4)?,
        rules: match blob(row, 5)? {
            none if none.is_empty() => None,
            _ => Some(fixed(row, 5)?),
        },
    })
}

pub(super) fn raw_ids(row: &SqliteRow, first: usize) -> Result<RawIds, StoreError> {
    let mut ids = [RawId::NONE; 6];
    for (place, raw) in ids.iter_mut().enumerate() {
        *raw = id(row, first + place)?;
    }
    Ok(RawIds::from_array(ids))
}

pub(super) fn leg(row: &SqliteRow) -> Result<Leg, StoreError> {
    let now = Standing {
        state: LegState::from_number(int(row, 6)?).ok_or(StoreError::Corrupt("leg.state"))?,
        partner: id(row, 4)?,
        person: id(row, 5)?,
        why: known(row, 7, Reason::from_number)?,
        pending: known(row, 8, Action::from_number)?,
        asked: known(row, 9, Action::from_number)?,
        closing: known(row, 10, LegState::from_number)?,
        raws: raw_ids(row, 13)?,
    };
    Ok(Leg {
        id: id(row, 0)?,
        reference: LegReference::from_bytes(fixed(row, 1)?),
        lookup: optional_look(row, 2)?,
        source: id(row, 3)?,
        now,
        since: int(row, 11)?,
        born: int(row, 12)?,
        rev: int(row, 19)?,
        last: Place {
            strand: id(row, 20)?,
            seq: int(row, 21)?,
        },
    })
}

pub(super) fn ledger_row(row: &SqliteRow) -> Result<LedgerRow, StoreError> {
    Ok(LedgerRow {
        strand: id(row, 0)?,
        seq: int(row, 1)?,
        at: int(row, 2)?,
        kind: int(row, 3)?,
        subject: int(row, 4)?,
        body: blob(row, 5)?,
        hash: fixed(row, 6)?,
    })
}

pub(super) fn key(row: &SqliteRow) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        id: id(row, 0)?,
        kind: sure(row, 1, KeyKind::from_number)?,
        lookup: optional_look(row, 2)?,
        wrapped: blob(row, 3)?,
    })
}

pub(super) fn raw(row: &SqliteRow) -> Result<RawRow, StoreError> {
    Ok(RawRow {
        id: id(row, 0)?,
        holder: id(row, 1)?,
        kind: sure(row, 2, RawKind::from_number)?,
        lookup: optional_look(row, 3)?,
        sealed: blob(row, 4)?,
    })
}

pub(super) fn drop_file(row: &SqliteRow) -> Result<DropFile, StoreError> {
    let state = match int(row, 10)? {
        1 => DropState::Prepared,
        2 => DropState::Sent,
        3 => DropState::Delivered,
        4 => DropState::Voided,
        _ => return Err(StoreError::Corrupt("drop_file.state")),
    };
    Ok(DropFile {
        id: id(row, 0)?,
        partner: id(row, 1)?,
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

pub(super) fn drop_row(row: &SqliteRow) -> Result<DropRow, StoreError> {
    Ok(DropRow {
        drop_id: id(row, 0)?,
        row: int(row, 1)?,
        leg: id(row, 2)?,
        rev: int(row, 3)?,
        prev: Place {
            strand: id(row, 4)?,
            seq: int(row, 5)?,
        },
        action: sure(row, 6, Action::from_number)?,
        raws: raw_ids(row, 7)?,
        changed: text(row, 13)?,
        digest: fixed(row, 14)?,
    })
}

pub(super) fn return_file(row: &SqliteRow) -> Result<ReturnFile, StoreError> {
    Ok(ReturnFile {
        id: id(row, 0)?,
        sender: id(row, 1)?,
        holder: id(row, 2)?,
        lookup: fixed(row, 3)?,
        rows: int(row, 4)?,
        root: fixed(row, 5)?,
        sealed_name: blob(row, 6)?,
        sealed_frame: blob(row, 7)?,
        state: int(row, 8)?,
        version: fixed(row, 9)?,
        written: int(row, 10)?,
    })
}

pub(super) fn return_row(row: &SqliteRow) -> Result<ReturnRow, StoreError> {
    Ok(ReturnRow {
        return_id: id(row, 0)?,
        row: int(row, 1)?,
        leg: id(row, 2)?,
        holder: id(row, 3)?,
        disposition: sure(row, 4, Disposition::from_number)?,
        reason: known(row, 5, Reason::from_number)?,
        digest: fixed(row, 6)?,
        sealed: blob(row, 7)?,
    })
}

pub(super) fn event(row: &SqliteRow) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        id: id(row, 0)?,
        lookup: fixed(row, 1)?,
        leg: id(row, 2)?,
        rev: int(row, 3)?,
        kind: sure(row, 4, EventKind::from_number)?,
        return_id: id(row, 5)?,
        row: int(row, 6)?,
        holder: id(row, 7)?,
        sealed: blob(row, 8)?,
    })
}

pub(super) fn push(row: &SqliteRow) -> Result<PushRow, StoreError> {
    Ok(PushRow {
        event: id(row, 0)?,
        leg: id(row, 1)?,
        source: id(row, 2)?,
        kind: PushKind::from_number(int(row, 3)?).ok_or(StoreError::Corrupt("push.kind"))?,
        state: push_state(int(row, 4)?)?,
        attempts: int(row, 5)?,
        unanswered: unanswered(row, 9)?,
        reason: known(row, 6, Reason::from_number)?,
        due: int(row, 7)?,
        server_id: row
            .try_get(8)
            .map_err(|error| engine("reading a write", &error))?,
    })
}

/// Answers in a row, from this column and the next.
fn unanswered(row: &SqliteRow, column: usize) -> Result<Unanswered, StoreError> {
    Ok(Unanswered {
        lost: int(row, column)?,
        timed_out: int(row, column + 1)?,
    })
}

fn push_state(number: i64) -> Result<PushState, StoreError> {
    PushState::from_number(number).ok_or(StoreError::Corrupt("push.state"))
}

pub(super) fn mirror(row: &SqliteRow) -> Result<MirrorRow, StoreError> {
    Ok(MirrorRow {
        leg: id(row, 0)?,
        kind: MirrorKind::from_number(int(row, 1)?).ok_or(StoreError::Corrupt("mirror.kind"))?,
        source: id(row, 2)?,
        state: push_state(int(row, 3)?)?,
        attempts: int(row, 4)?,
        unanswered: unanswered(row, 7)?,
        last_status: int(row, 5)?,
        server_id: row
            .try_get(6)
            .map_err(|error| engine("reading a write", &error))?,
    })
}

pub(super) fn held(row: &SqliteRow) -> Result<HeldRow, StoreError> {
    Ok(HeldRow {
        number: id(row, 0)?,
        leg: id(row, 1)?,
        stage: sure(row, 2, Stage::from_number)?,
        reason: sure(row, 3, Reason::from_number)?,
        source: id(row, 4)?,
        partner: id(row, 5)?,
        return_id: id(row, 6)?,
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

pub(super) fn leg_count(row: &SqliteRow) -> Result<LegCount, StoreError> {
    Ok(LegCount {
        source: id(row, 0)?,
        partner: id(row, 1)?,
        state: LegState::from_number(int(row, 2)?).ok_or(StoreError::Corrupt("leg.state"))?,
        why: known(row, 3, Reason::from_number)?,
        count: int(row, 4)?,
    })
}

pub(super) fn push_count(row: &SqliteRow) -> Result<(StrandId, PushState, i64), StoreError> {
    let state = push_state(int(row, 1)?)?;
    Ok((id(row, 0)?, state, int(row, 2)?))
}

pub(super) fn book(row: &SqliteRow) -> Result<BookRow, StoreError> {
    let read = counts(row, 5)?;
    if u64::try_from(int(row, 10)?) != Ok(read.received()) {
        return Err(StoreError::Corrupt("book.received"));
    }
    Ok(BookRow {
        run: id(row, 0)?,
        stage: Stage::from_number(int(row, 1)?).ok_or(StoreError::Corrupt("book.stage"))?,
        source: id(row, 2)?,
        partner: id(row, 3)?,
        file: int(row, 4)?,
        counts: read,
    })
}

pub(super) fn certificate(row: &SqliteRow) -> Result<Certificate, StoreError> {
    Ok(Certificate {
        run: id(row, 0)?,
        source: id(row, 1)?,
        verdict: text(row, 2)?,
        evidence: text(row, 3)?,
        high: int(row, 4)?,
        input: blob(row, 5)?,
    })
}

pub(super) fn fact_count(row: &SqliteRow) -> Result<FactCount, StoreError> {
    Ok(FactCount {
        month: int(row, 0)?,
        issue: int(row, 1)?,
        source: id(row, 2)?,
        partner: id(row, 3)?,
        instrument: text(row, 4)?,
        item: text(row, 5)?,
        before: int(row, 6)?,
        after: int(row, 7)?,
        count: int(row, 8)?,
    })
}

pub(super) fn drop_row_count(row: &SqliteRow) -> Result<DropRowCount, StoreError> {
    Ok(DropRowCount {
        partner: id(row, 0)?,
        action: sure(row, 1, Action::from_number)?,
        count: int(row, 2)?,
    })
}

pub(super) fn hold_count(row: &SqliteRow) -> Result<HoldCount, StoreError> {
    Ok(HoldCount {
        reason: sure(row, 0, Reason::from_number)?,
        stage: sure(row, 1, Stage::from_number)?,
        source: id(row, 2)?,
        partner: id(row, 3)?,
        age_days: int(row, 4)?,
        count: int(row, 5)?,
    })
}

pub(super) fn book_sum(row: &SqliteRow) -> Result<BookSum, StoreError> {
    Ok(BookSum {
        source: id(row, 0)?,
        partner: id(row, 1)?,
        accepted: int(row, 2)?,
        repeated: int(row, 3)?,
        rejected: int(row, 4)?,
        held: int(row, 5)?,
    })
}

/// Day, root, mac.
pub(super) fn day_seal(row: &SqliteRow) -> Result<(i64, Digest, Digest), StoreError> {
    Ok((int(row, 0)?, fixed(row, 1)?, fixed(row, 2)?))
}
