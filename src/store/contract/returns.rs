//! Returns: the file, its rows and its events, found by bytes, leg and id.

use super::*;
use crate::domain::EventKind;

const RETURN: ReturnId = ReturnId::new(80);

fn file(id: ReturnId, byte: u8) -> ReturnFile {
    ReturnFile {
        id,
        sender: PARTNER,
        holder: KeyId::new(6),
        lookup: lookup(byte),
        rows: 2,
        root: [4; 32],
        sealed_name: vec![1],
        sealed_frame: vec![2, 0],
        state: 1,
        version: lookup(61),
        written: id.number() * 10,
    }
}

fn row(row: i64, leg: i64, disposition: Disposition, reason: Option<Reason>) -> ReturnRow {
    ReturnRow {
        return_id: RETURN,
        row,
        leg: LegId::new(leg),
        holder: KeyId::new(6),
        disposition,
        reason,
        digest: lookup(8),
        sealed: vec![3],
    }
}

fn event(id: i64, leg: i64) -> EventRow {
    EventRow {
        id: EventId::new(id),
        lookup: lookup(u8::try_from(id).unwrap()),
        leg: LegId::new(leg),
        rev: 3,
        kind: EventKind::Status,
        return_id: RETURN,
        row: 1,
        holder: KeyId::new(5),
        sealed: vec![5, 5],
    }
}

fn ids(events: &[EventRow]) -> Vec<i64> {
    events.iter().map(|event| event.id.number()).collect()
}

async fn newer_returns_are_found(store: &dyn Store) {
    for (sender, written, newer) in [
        (PARTNER, 799, &[81][..]), // the first could not be read
        (PARTNER, 809, &[81]),
        (PARTNER, 810, &[]), // it is no later than itself
        (StrandId::NONE, 0, &[]),
    ] {
        let found = store.returns_written_after(sender, written).await.unwrap();
        let found: Vec<i64> = found.into_iter().map(ReturnId::number).collect();
        assert_eq!(found, newer, "after {written}");
    }
}

pub(super) async fn a_return_is_kept_with_its_rows_and_events(store: &dyn Store) {
    let strand = store.strand("p").await.unwrap();
    let mut batch = Batch::new(strand.id, at(0));
    batch.return_file = Some(file(RETURN, 60));
    batch.return_bytes = vec![7, 0, 7];
    batch.return_rows = vec![
        row(1, 1, Disposition::Accepted, None),
        row(2, 0, Disposition::Held, Some(Reason::NoService)),
    ];
    batch.events = vec![event(21, 1), event(22, 2), event(23, 1)];
    store.put(batch).await.unwrap();
    let mut batch = Batch::new(strand.id, at(1));
    batch.return_file = Some(file(ReturnId::new(81), 61));
    batch.return_bytes = vec![8];
    batch.return_states = vec![(RETURN, 2)];
    store.put(batch).await.unwrap();
    let files = |after, limit| async move {
        let files = store.return_files(ReturnId::new(after), limit).await;
        let states = files.unwrap().into_iter();
        states.map(|f| (f.id.number(), f.state)).collect::<Vec<_>>()
    };
    assert_eq!(files(0, 9).await, [(80, 2), (81, 1)]);
    assert_eq!(files(0, 1).await, [(80, 2)]);
    assert_eq!(files(80, 9).await, [(81, 1)]);
    newer_returns_are_found(store).await;
    for (id, bytes) in [(80, Some(vec![7, 0, 7])), (81, Some(vec![8])), (82, None)] {
        assert_eq!(store.return_bytes(ReturnId::new(id)).await.unwrap(), bytes);
    }
    assert_eq!(store.return_counts().await.unwrap(), [(PARTNER, 2)]);
    let found = store.return_by_lookup(lookup(60)).await.unwrap().unwrap();
    assert_eq!(
        (found.id, found.sender, found.holder, found.rows, found.root),
        (RETURN, PARTNER, KeyId::new(6), 2, [4; 32])
    );
    assert_eq!(
        (found.sealed_name, found.sealed_frame),
        (vec![1], vec![2, 0])
    );
    assert!(store.return_by_lookup(lookup(62)).await.unwrap().is_none());
    let rows = store.return_rows(RETURN, 0, 9).await.unwrap();
    let ends: Vec<_> = rows
        .iter()
        .map(|row| (row.row, row.leg.number(), row.disposition, row.reason))
        .collect();
    let (taken, waits) = (Disposition::Accepted, Disposition::Held);
    let held = Some(Reason::NoService);
    assert_eq!(ends, [(1, 1, taken, None), (2, 0, waits, held)]);
    assert_eq!(
        (&rows[0].digest, &rows[0].sealed[..]),
        (&lookup(8), &[3][..])
    );
    let later = store.return_rows(RETURN, 1, 9).await.unwrap();
    assert_eq!((later.len(), later[0].row), (1, 2));
    assert_eq!(store.return_rows(RETURN, 0, 1).await.unwrap().len(), 1);
    let legs = [2, 1, 9].map(LegId::new).to_vec();
    let of = store.events_of_legs(legs).await.unwrap();
    assert_eq!(ids(&of), [21, 23, 22], "by leg, then as they came");
    assert_eq!(
        (of[0].kind, of[0].rev, of[0].return_id, of[0].holder),
        (EventKind::Status, 3, RETURN, KeyId::new(5))
    );
    let found = store.events([22, 21, 29].map(EventId::new).to_vec()).await;
    assert_eq!(ids(&found.unwrap()), [21, 22]);
}
