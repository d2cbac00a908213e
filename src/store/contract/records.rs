//! What lies beside the legs: keys, raw inputs, holds, books and writes.

use super::*;
use crate::domain::{Action, HoldNumber, LegId, RawId, RunId, StrandId, limits};

pub(super) async fn keys_and_raws_are_found_by_look(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    let mut batch = born(&strand, 1, 0, pending(Action::New));
    batch.keys.push(KeyRow {
        id: KeyId::new(5),
        kind: rows::KeyKind::Person,
        lookup: Some(lookup(50)),
        wrapped: vec![1, 2],
    });
    let (holder, sealed) = (KeyId::new(5), vec![9, 0, 9]);
    batch.raws.push(RawRow {
        id: RawId::new(11),
        holder,
        kind: rows::RawKind::ServiceRequest,
        lookup: Some(lookup(61)),
        sealed,
    });
    store.put(batch).await.unwrap();
    // What two processes make at the same moment is there once: the second one finds the first one's.
    for (id, known, wrapped) in [(6, None, 3), (6, None, 4), (7, Some(lookup(50)), 5)] {
        let key = KeyRow {
            id: KeyId::new(id),
            kind: rows::KeyKind::Source,
            lookup: known,
            wrapped: vec![wrapped],
        };
        store.add_key(key).await.unwrap();
    }
    let added = store.keys(vec![KeyId::new(6)]).await.unwrap();
    assert_eq!(added[0].wrapped, [3]);
    let keys = store
        .keys_by_lookup(vec![lookup(50), lookup(51)])
        .await
        .unwrap();
    assert_eq!(
        keys.iter()
            .map(|key| (key.id, &key.wrapped[..]))
            .collect::<Vec<_>>(),
        [(KeyId::new(5), &[1, 2][..])]
    );
    assert_eq!(
        store
            .keys([6, 5, 7].map(KeyId::new).to_vec())
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        store
            .raws_by_lookup(vec![lookup(61), lookup(60)])
            .await
            .unwrap(),
        [(lookup(61), RawId::new(11))]
    );
    let raws = store.raws(vec![RawId::new(11)]).await.unwrap();
    assert_eq!(
        (raws[0].holder, &raws[0].sealed[..]),
        (holder, &[9, 0, 9][..])
    );
    let ids = |rows: Vec<RawRow>| rows.iter().map(|row| row.id.number()).collect::<Vec<_>>();
    assert_eq!(ids(store.raws_after(RawId::NONE, 9).await.unwrap()), [11]);
    assert!(
        store
            .raws_after(RawId::new(11), 9)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn a_batch_may_be_larger_than_a_statement(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    let mut known: Vec<RawId> = Vec::new();
    for rows in [limits::STATEMENT_ROWS, limits::STATEMENT_ROWS + 1] {
        let mut batch = Batch::new(strand.id, at(0));
        let from = 1_000 + i64::try_from(known.len()).unwrap();
        let ids: Vec<RawId> = (from..).take(rows).map(RawId::new).collect();
        for id in &ids {
            batch.keep(RawRow {
                id: *id,
                holder: KeyId::new(5),
                kind: rows::RawKind::ServiceRequest,
                lookup: None,
                sealed: vec![9],
            });
        }
        known.extend(&ids);
        store.put(batch).await.unwrap();
        assert_eq!(store.raws(ids).await.unwrap().len(), rows);
    }
    let all = store.raws(known.clone()).await.unwrap();
    let entries = store.ledger(strand.id, 0, 10_000).await.unwrap();
    assert_eq!((all.len(), entries.len()), (known.len(), known.len()));
}

pub(super) async fn holds_are_numbered_through(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap(),
        store.strand("b").await.unwrap(),
    );
    let hold = |leg| {
        NewHold::new(Stage::Select, Reason::NoService)
            .leg(LegId::new(leg))
            .source(a.id)
    };
    let mut batch = Batch::new(a.id, at(0));
    batch.hold(hold(1));
    batch.hold(hold(2));
    assert_eq!(
        store.put(batch).await.unwrap().held_numbers,
        [1, 2].map(HoldNumber::new)
    );
    let mut batch = Batch::new(b.id, at(5));
    batch.hold(hold(2));
    batch.released.push(HoldNumber::new(2));
    assert_eq!(
        store.put(batch).await.unwrap().held_numbers,
        [3].map(HoldNumber::new)
    );
    let numbers = |holds: Vec<HeldRow>| holds.iter().map(|h| h.number.number()).collect::<Vec<_>>();
    let open = store.open_holds(HoldNumber::NONE, 9).await.unwrap();
    assert_eq!(
        open.iter()
            .map(|hold| (hold.number.number(), hold.since))
            .collect::<Vec<_>>(),
        [(1, NOON), (3, at(5).0)]
    );
    let page = |after, limit| store.open_holds(HoldNumber::new(after), limit);
    assert_eq!(numbers(page(0, 1).await.unwrap()), [1]);
    assert_eq!(numbers(page(1, 9).await.unwrap()), [3]);
    let of_legs = [2, 1, 9].map(LegId::new).to_vec();
    assert_eq!(numbers(store.holds_of_legs(of_legs).await.unwrap()), [1, 3]);
    let of_leg = store.holds_of_legs(vec![LegId::new(2)]).await.unwrap();
    assert_eq!(numbers(of_leg), [3]);
    let ended = store.hold(HoldNumber::new(2)).await.unwrap().unwrap();
    assert!(!ended.open);
    assert_eq!(store.hold(HoldNumber::new(9)).await.unwrap(), None);
    let all = |after, limit| store.holds_after(HoldNumber::new(after), limit);
    assert_eq!(numbers(all(0, 9).await.unwrap()), [1, 2, 3]);
    assert_eq!(numbers(all(1, 1).await.unwrap()), [2]);
    let day = 86_400_000_000;
    let count = |age_days, count| rows::HoldCount {
        reason: Reason::NoService,
        stage: Stage::Select,
        source: a.id,
        partner: StrandId::NONE,
        age_days,
        count,
    };
    let counted = |before| store.hold_counts(before);
    assert_eq!(counted(NOON).await.unwrap(), []);
    assert_eq!(
        counted(NOON + day).await.unwrap(),
        [count(0, 1), count(1, 1)]
    );
    assert_eq!(counted(NOON + 2 * day - 1).await.unwrap(), [count(1, 2)]);
}

pub(super) async fn books_add_up_over_commits(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    for (reason, seconds) in [(Reason::NoService, 0), (Reason::Capacity, 1)] {
        let mut counts = Counts::default();
        counts.add_many(Disposition::Accepted, None, 4);
        counts.add(Disposition::Held, Some(reason));
        let mut batch = Batch::new(strand.id, at(seconds));
        batch.book_source(RunId::new(1), Stage::Select, counts);
        store.put(batch).await.unwrap();
    }
    let books = store.books(RunId::new(1)).await.unwrap();
    let counts = &books[0].counts;
    assert_eq!(
        (
            books.len(),
            counts.received(),
            counts.accepted(),
            counts.held()
        ),
        (1, 10, 8, 2)
    );
    assert_eq!(
        (
            counts.reasons()[&Reason::NoService],
            counts.reasons()[&Reason::Capacity]
        ),
        (1, 1)
    );
    assert!(store.books(RunId::new(2)).await.unwrap().is_empty());
    let mut batch = Batch::new(strand.id, at(2));
    for (run, file) in [(0, 1), (2, 5), (2, 6), (3, 7)] {
        let mut counts = Counts::default();
        counts.add_many(Disposition::Repeated, None, 3);
        batch.book_file(RunId::new(run), Stage::Match, RunId::new(file), counts);
    }
    store.put(batch).await.unwrap();
    let runs = |books: Vec<BookRow>| books.iter().map(|b| b.run.number()).collect::<Vec<_>>();
    assert_eq!(runs(store.books(RunId::NONE).await.unwrap()), [0]);
    // A page has whole runs.
    let after = |run, limit| store.books_after(RunId::new(run), limit);
    assert_eq!(runs(after(0, 2).await.unwrap()), [1, 2, 2]);
    assert_eq!(runs(after(2, 2).await.unwrap()), [3]);
    assert_eq!(store.last_run().await.unwrap(), Some(RunId::new(3)));
    let sum = |source, partner, accepted, repeated, held| rows::BookSum {
        source,
        partner,
        accepted,
        repeated,
        rejected: 0,
        held,
    };
    let sums = store.book_sums(Stage::Match).await.unwrap();
    assert_eq!(sums, [sum(StrandId::NONE, strand.id, 0, 12, 0)]);
    let sums = store.book_sums(Stage::Select).await.unwrap();
    assert_eq!(sums, [sum(strand.id, StrandId::NONE, 8, 0, 2)]);
}

fn query(source: StrandId, state: PushState) -> PushQuery {
    PushQuery {
        source,
        state,
        now: 5,
        after: EventId::NONE,
        limit: 9,
    }
}

const UNANSWERED: rows::Unanswered = rows::Unanswered {
    lost: 3,
    timed_out: 2,
};

pub(super) async fn writes_are_found_by_state(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    let push = |event, state| PushRow {
        event: EventId::new(event),
        leg: LegId::new(1),
        source: strand.id,
        kind: PushKind::Create,
        state,
        attempts: 0,
        unanswered: rows::Unanswered::default(),
        reason: None,
        due: 0,
        server_id: None,
    };
    let mut batch = Batch::new(strand.id, at(0));
    batch.pushes = vec![
        push(1, PushState::Queued),
        push(2, PushState::Queued),
        push(3, PushState::Off),
        PushRow {
            due: 6,
            ..push(4, PushState::Queued)
        },
    ];
    store.put(batch).await.unwrap();
    let done = PushRow {
        attempts: 1,
        unanswered: UNANSWERED,
        server_id: Some(vec![4]),
        ..push(1, PushState::Confirmed)
    };
    let mut batch = Batch::new(strand.id, at(1));
    let claimed = PushUpdate {
        row: done.clone(),
        was: PushState::Queued,
        attempts_were: 0,
    };
    batch.push_updates.push(claimed.clone());
    store.put(batch).await.unwrap();
    // Another run that read the same row comes too late, and nothing of what it brings is written.
    let mut late = Batch::new(strand.id, at(2));
    late.push_updates.push(claimed);
    late.pushes.push(push(9, PushState::Queued));
    assert!(matches!(store.put(late).await, Err(StoreError::Stale)));
    let found = |state| store.pushes(query(strand.id, state));
    let queued = found(PushState::Queued).await.unwrap();
    assert_eq!(queued, [push(2, PushState::Queued)]);
    assert_eq!(found(PushState::Confirmed).await.unwrap(), [done]);
    assert!(
        store
            .pushes(query(StrandId::new(99), PushState::Queued))
            .await
            .unwrap()
            .is_empty()
    );
    let counts = [
        (strand.id, PushState::Queued, 2),
        (strand.id, PushState::Confirmed, 1),
        (strand.id, PushState::Off, 1),
    ];
    assert_eq!(store.push_counts().await.unwrap(), counts);
}

pub(super) async fn every_write_comes_by_page(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    let push = |event, state| PushRow {
        event: EventId::new(event),
        leg: LegId::new(1),
        source: strand.id,
        kind: PushKind::Amend,
        state,
        attempts: 2,
        unanswered: UNANSWERED,
        reason: Some(Reason::NoService),
        due: 7,
        server_id: None,
    };
    let rows = [
        push(1, PushState::Confirmed),
        push(2, PushState::Queued),
        push(3, PushState::Off),
    ];
    let mut batch = Batch::new(strand.id, at(0));
    for row in rows.clone() {
        batch.queue(row);
    }
    store.put(batch).await.unwrap();
    let after = |event, limit| store.pushes_after(EventId::new(event), limit);
    assert_eq!(after(0, 2).await.unwrap(), rows[..2]);
    assert_eq!(after(2, 2).await.unwrap(), rows[2..]);
    let of = [3, 1, 9].map(EventId::new).to_vec();
    let found = store.pushes_of_events(of).await.unwrap();
    assert_eq!(found, [rows[0].clone(), rows[2].clone()]);
}
