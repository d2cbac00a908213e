//! Strands, the chain, and the legs that follow from it.

use crate::domain::{Action, HoldNumber, LegId, LegState, RawId, RunId, StrandId};
use std::slice::from_ref;

use super::*;

pub(super) async fn a_fresh_store_holds_nothing(store: &dyn Store) {
    assert_eq!(store.installation().await.unwrap(), UID);
    assert_eq!(store.last_at().await.unwrap(), 0);
    assert!(store.strands().await.unwrap().is_empty());
    assert!(store.legs_after(LegId::NONE, 10).await.unwrap().is_empty());
    let holds = store.holds_after(HoldNumber::NONE, 9).await.unwrap();
    assert!(holds.is_empty());
    assert!(store.books(RunId::NONE).await.unwrap().is_empty());
    assert_eq!(store.last_run().await.unwrap(), None);
    assert_eq!(store.last_day_seal().await.unwrap(), None);
    assert_eq!(store.rule([0; 32]).await.unwrap(), None);
}

pub(super) async fn a_strand_is_made_once_and_numbers_its_own_ids(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap(),
        store.strand("b").await.unwrap(),
    );
    assert_eq!((a.seq, a.head), (0, genesis(&UID, "a")));
    assert_eq!(store.strand("a").await.unwrap(), a);
    assert_eq!(store.strands().await.unwrap(), [a.clone(), b.clone()]);
    let first = store.reserve(a.id, 3).await.unwrap();
    let second = store.reserve(a.id, 2).await.unwrap();
    assert!(first > 0 && second >= first + 3, "{first}, {second}");
    let other = store.reserve(b.id, 1_000).await.unwrap();
    assert!(
        other > second + 1 || other + 1_000 <= first,
        "ids of two strands meet"
    );
}

pub(super) async fn rules_are_noted_of_one_strand_and_stay(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap(),
        store.strand("b").await.unwrap(),
    );
    assert_eq!((a.rules, b.rules), (None, None));
    // Noted, left as it is, and no longer known; no row of the ledger is written for it.
    for (noted, wanted) in [
        (LookedUnder::Rules([7; 32]), Some([7; 32])),
        (LookedUnder::AsBefore, Some([7; 32])),
        (LookedUnder::Unknown, None),
    ] {
        let mut batch = Batch::new(a.id, Instant(NOON));
        batch.looked_under = noted;
        store.put(batch).await.unwrap();
        let rules: Vec<_> = store.strands().await.unwrap();
        let rules: Vec<_> = rules.iter().map(|strand| strand.rules).collect();
        assert_eq!(rules, [wanted, None]);
        let own = store.strand("a").await.unwrap();
        assert_eq!((own.rules, own.seq, own.head), (wanted, 0, a.head));
    }
}

pub(super) async fn rows_of_a_kind_come_in_their_order(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    let sealed = || Body::DaySealed { root: [1; 32] };
    let bodies = [Body::Released, sealed(), Body::Released, sealed()];
    for (subject, body) in (1..).zip(bodies) {
        let mut batch = Batch::new(strand.id, Instant(NOON));
        batch.push(Entry::new(subject, body));
        store.put(batch).await.unwrap();
    }
    let kind = Kind::DaySealed;
    let of = |strand: &Strand, after, limit| {
        let page = store.ledger_of_kind(strand.id, kind, after, limit);
        async move {
            let rows = page.await.unwrap();
            rows.iter().map(|row| row.subject).collect::<Vec<_>>()
        }
    };
    assert_eq!(of(&strand, 0, 9).await, [2, 4]);
    assert_eq!(of(&strand, 0, 1).await, [2]);
    assert_eq!(of(&strand, 2, 9).await, [4]);
    let other = store.strand("b").await.unwrap();
    assert!(of(&other, 0, 9).await.is_empty());
}

pub(super) async fn a_leg_is_projected_and_chained(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    let now = pending(Action::New);
    store.put(born(&strand, 1, 0, now)).await.unwrap();
    let leg = only_leg(store, 1).await;
    assert_eq!(
        (leg.rev, leg.last, leg.now),
        (
            2,
            Place {
                strand: strand.id,
                seq: 2
            },
            now
        )
    );
    assert_eq!((leg.born, leg.since, leg.source), (NOON, NOON, strand.id));
    assert_eq!(
        store
            .legs_by_lookup(vec![lookup(1), lookup(2)])
            .await
            .unwrap(),
        from_ref(&leg)
    );
    let references = vec![reference(2), reference(1)];
    assert_eq!(
        store.legs_by_references(references).await.unwrap(),
        from_ref(&leg)
    );
    assert_eq!(
        store.legs_of_persons(vec![KeyId::new(5)]).await.unwrap(),
        from_ref(&leg)
    );
    assert_eq!(
        store.legs_pending(PARTNER, LegId::NONE, 9).await.unwrap(),
        from_ref(&leg)
    );
    assert!(
        store
            .legs_pending(StrandId::new(91), LegId::NONE, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.open_leg_counts().await.unwrap(), [(PARTNER, 1)]);
    let rows = store.ledger(strand.id, 0, 9).await.unwrap();
    let bodies: Vec<Body> = rows.iter().map(|row| row.body().unwrap()).collect();
    assert!(matches!(
        bodies[0],
        Body::Received { reference: own, source, .. } if own == reference(1) && source == strand.id
    ));
    assert_eq!(bodies[0].vouched(), [(RawId::new(11), [3; 32])]);
    let step = bodies[1].step().unwrap();
    assert_eq!((step.rev, step.prev.seq, step.after), (2, 1, now));
    assert_eq!(
        store.ledger_at(leg.last).await.unwrap(),
        rows.last().cloned()
    );
    assert_eq!(broken_at(store, "a").await, None);
}

pub(super) async fn a_stale_revision_writes_nothing(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    store
        .put(born(&strand, 1, 0, pending(Action::New)))
        .await
        .unwrap();
    let read = only_leg(store, 1).await;
    store
        .put(moved(&read, 1, pending(Action::Amend)))
        .await
        .unwrap();
    let (before, leg) = (store.strands().await.unwrap(), only_leg(store, 1).await);
    let mut late = moved(&read, 2, pending(Action::Stop));
    late.rules.push(([9; 32], "a rule".to_owned()));
    assert!(matches!(store.put(late).await, Err(StoreError::Stale)));
    assert_eq!(store.strands().await.unwrap(), before);
    assert_eq!(only_leg(store, 1).await, leg);
    assert_eq!(store.rule([9; 32]).await.unwrap(), None);
    assert_eq!(broken_at(store, "a").await, None);
}

pub(super) async fn a_step_that_the_table_does_not_have_writes_nothing(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    let first = born(&strand, 1, 0, pending(Action::New));
    store.put(first).await.unwrap();
    let (before, leg) = (store.strands().await.unwrap(), only_leg(store, 1).await);
    let (from, to) = (LegState::Routed, LegState::Completed);
    let mut batch = moved(&leg, 1, leg.now.ended(to, Reason::Died));
    batch.rules.push(([9; 32], "a rule".to_owned()));
    let refused = store.put(batch).await;
    assert!(
        matches!(refused, Err(StoreError::IllegalStep { from: was, to: wanted }) if (was, wanted) == (from, to))
    );
    assert_eq!(store.strands().await.unwrap(), before);
    assert_eq!(only_leg(store, 1).await, leg);
    assert_eq!(store.rule([9; 32]).await.unwrap(), None);
}

pub(super) async fn two_strands_do_not_mix(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap(),
        store.strand("b").await.unwrap(),
    );
    store
        .put(born(&a, 1, 60, pending(Action::New)))
        .await
        .unwrap();
    assert!(
        !store
            .put(born(&b, 2, 0, pending(Action::New)))
            .await
            .unwrap()
            .clock_behind
    );
    assert!(
        store
            .put(born(&a, 3, 0, pending(Action::New)))
            .await
            .unwrap()
            .clock_behind
    );
    let times = |rows: Vec<LedgerRow>| rows.iter().map(|row| (row.seq, row.at)).collect::<Vec<_>>();
    let late = at(60).0;
    assert_eq!(
        times(store.ledger(a.id, 1, 9).await.unwrap()),
        [(2, late), (3, late), (4, late)]
    );
    assert_eq!(
        times(store.ledger(b.id, 0, 9).await.unwrap()),
        [(1, NOON), (2, NOON)]
    );
    assert_eq!(
        (broken_at(store, "a").await, broken_at(store, "b").await),
        (None, None)
    );
    assert_eq!(
        store.heads_before(late).await.unwrap().len(),
        1,
        "only b has rows before"
    );
    assert_eq!(store.last_at().await.unwrap(), late);
}

pub(super) async fn several_batches_are_one_transaction(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap(),
        store.strand("b").await.unwrap(),
    );
    let mut held = born(&b, 2, 0, pending(Action::New));
    held.hold(NewHold::new(Stage::Select, Reason::NoService).leg(LegId::new(2)));
    let both = vec![born(&a, 1, 0, pending(Action::New)), held];
    let commits = store.put_all(both).await.unwrap();
    let numbers: Vec<usize> = commits.iter().map(|one| one.held_numbers.len()).collect();
    assert_eq!(numbers, [0, 1]);
    let before = store.strands().await.unwrap();
    let leg = only_leg(store, 1).await;
    let illegal = moved(&leg, 1, leg.now.ended(LegState::Completed, Reason::Died));
    let refused = store.put_all(vec![born(&b, 3, 1, pending(Action::New)), illegal]);
    assert!(matches!(refused.await, Err(StoreError::IllegalStep { .. })));
    assert_eq!(store.strands().await.unwrap(), before);
    assert_eq!(store.legs_after(LegId::NONE, 9).await.unwrap().len(), 2);
}

pub(super) async fn the_clock_of_every_strand_is_lifted(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap(),
        store.strand("b").await.unwrap(),
    );
    let late = born(&b, 1, 90, pending(Action::New));
    store.put(late).await.unwrap();
    store.raise_clock(at(60).0).await.unwrap();
    let times: Vec<i64> = store
        .strands()
        .await
        .unwrap()
        .iter()
        .map(|strand| strand.at)
        .collect();
    assert_eq!(times, [at(60).0, at(90).0], "never back");
    let behind = born(&a, 2, 30, pending(Action::New));
    assert!(store.put(behind).await.unwrap().clock_behind);
    assert_eq!(only_leg(store, 2).await.born, at(60).0);
}
