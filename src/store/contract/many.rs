//! What is asked of many legs at once, and what many of them do in one commit: more than a statement takes.

use super::*;
use crate::domain::{EventKind, HoldNumber, LegId, ReturnId, limits};

/// The reference of a leg of many: none is that of another one.
fn reference(leg: i64) -> LegReference {
    LegReference::from_random(u64::try_from(leg).unwrap() << 5)
}

/// So many legs, received and routed.
async fn legs(store: &dyn Store, strand: &Strand, count: usize) -> Vec<LegId> {
    let mut batch = Batch::new(strand.id, at(0));
    let ids: Vec<i64> = (1..).take(count).collect();
    for id in &ids {
        batch.open_leg(OpenedLeg {
            id: LegId::new(*id),
            reference: reference(*id),
            lookup: None,
            source: strand.id,
            after: pending(Action::New),
            rule: [9; 16],
            vouched: Vec::new(),
        });
    }
    store.put(batch).await.unwrap();
    ids.into_iter().map(LegId::new).collect()
}

fn event(id: i64, leg: LegId) -> EventRow {
    EventRow {
        id: EventId::new(id),
        lookup: u128::from(id.unsigned_abs()).to_be_bytes(),
        leg,
        rev: 1,
        kind: EventKind::Note,
        return_id: ReturnId::new(80),
        row: 1,
        holder: KeyId::new(5),
        sealed: vec![4],
    }
}

pub(super) async fn legs_events_and_holds_of_many_legs_come_in_one_call(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    let known = legs(store, &strand, limits::STATEMENT_ROWS + 1).await;
    let (first, last) = (known[0], known[known.len() - 1]);
    let mut batch = Batch::new(strand.id, at(1));
    // The later event of a leg has the higher id, wherever it stands in the batch.
    batch.events = vec![event(13, last), event(12, first), event(11, last)];
    for leg in [last, first, last] {
        batch.hold(NewHold::new(Stage::Match, Reason::Correction).leg(leg));
    }
    store.put(batch).await.unwrap();
    let mut batch = Batch::new(strand.id, at(2));
    batch.released.push(HoldNumber::new(1));
    store.put(batch).await.unwrap();

    let mut references: Vec<LegReference> =
        known.iter().map(|leg| reference(leg.number())).collect();
    let strange = reference(i64::try_from(references.len()).unwrap() + 1);
    references.push(strange);
    let mut found = store.legs_by_references(references).await.unwrap();
    found.sort_by_key(|leg| leg.id);
    assert_eq!(found, store.legs(known.clone()).await.unwrap());
    assert_eq!(found.len(), known.len());
    assert_eq!(store.legs_by_references(vec![strange]).await.unwrap(), []);

    let events = store.events_of_legs(known.clone()).await.unwrap();
    let of = |leg: LegId| -> Vec<i64> {
        let own = events.iter().filter(|event| event.leg == leg);
        own.map(|event| event.id.number()).collect()
    };
    assert_eq!((of(first), of(last)), (vec![12], vec![11, 13]));
    assert_eq!(events.len(), 3);
    let none = store.events_of_legs(vec![known[1]]).await.unwrap();
    assert!(none.is_empty());

    let holds = store.holds_of_legs(known.clone()).await.unwrap();
    let open: Vec<(LegId, i64)> = holds
        .iter()
        .map(|hold| (hold.leg, hold.number.number()))
        .collect();
    assert_eq!(open, [(first, 2), (last, 3)], "hold 1 was ended");
    assert_eq!(store.holds_of_legs(vec![known[1]]).await.unwrap(), []);
}

pub(super) async fn many_legs_move_in_one_commit_or_none_does(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    let known = legs(store, &strand, limits::STATEMENT_ROWS + 1).await;
    let before = store.legs(known.clone()).await.unwrap();
    let moving = |seconds: i64, person: i64| {
        let mut batch = Batch::new(strand.id, at(seconds));
        for leg in &before {
            let after = Standing {
                person: KeyId::new(person),
                ..leg.now
            };
            let (step, vouched) = (LegStep::to(after), Vec::new());
            batch.move_leg(leg.clone(), Body::Amended { step, vouched });
        }
        batch
    };
    // One of them has moved since they were read: none moves.
    let last = &before[before.len() - 1];
    store.put(moved(last, 1, last.now)).await.unwrap();
    let stale = store.put(moving(2, 6)).await;
    assert!(matches!(stale, Err(StoreError::Stale)));
    let still = store.legs_of_persons(vec![KeyId::new(5)]).await.unwrap();
    assert_eq!(still.len(), known.len());
    let mut batch = moving(3, 7);
    batch.entries.pop();
    store.put(batch).await.unwrap();
    let people = [5, 7].map(KeyId::new);
    let found = store.legs_of_persons(people.to_vec()).await.unwrap();
    for (now, before) in found.iter().zip(&before) {
        let person = if now.id == last.id { 5 } else { 7 };
        assert_eq!(now.now.person, KeyId::new(person));
        assert_eq!((now.id, now.rev), (before.id, before.rev + 1));
        assert_eq!(now.reference, before.reference);
    }
    assert_eq!(found.len(), known.len());
}
