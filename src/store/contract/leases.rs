//! Leases and guards: what keeps a process from writing what it may no longer write.

use super::*;

const HOUR: i64 = 3_600_000_000;

fn holder(pid: i64) -> LeaseHolder {
    LeaseHolder {
        host: "a-host".to_owned(),
        pid,
        started: 77,
        run: RunId::new(3),
    }
}

fn ask(strand: StrandId, pid: i64, now: i64, until: i64) -> LeaseAsk {
    LeaseAsk {
        stage: LeaseStage::Pull,
        strand,
        holder: holder(pid),
        now,
        until,
        dead: None,
    }
}

async fn taken(store: &dyn Store, ask: LeaseAsk) -> Lease {
    match store.take_lease(ask).await.unwrap() {
        LeaseAnswer::Taken(lease) => lease,
        LeaseAnswer::Held(row) => panic!("held by {row:?}"),
    }
}

async fn held_by(store: &dyn Store, ask: LeaseAsk) -> LeaseRow {
    match store.take_lease(ask).await.unwrap() {
        LeaseAnswer::Held(row) => row,
        LeaseAnswer::Taken(lease) => panic!("taken as {lease:?}"),
    }
}

pub(super) async fn a_lease_is_held_by_one_until_it_is_over_or_given_back(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap().id,
        store.strand("b").await.unwrap().id,
    );
    assert_eq!(store.leases().await.unwrap(), []);
    let first = taken(store, ask(a, 1, 100, 200)).await;
    assert_eq!((first.stage, first.strand), (LeaseStage::Pull, a));
    let row = LeaseRow {
        lease: first,
        holder: holder(1),
        since: 100,
        until: 200,
    };
    // The same one again is held, by whom and since when is said; another strand or stage is free.
    assert_eq!(held_by(store, ask(a, 2, 199, 300)).await, row);
    let other = taken(store, ask(b, 2, 150, 250)).await;
    let act = LeaseAsk {
        stage: LeaseStage::Act,
        ..ask(a, 2, 150, 250)
    };
    let act = taken(store, act).await;
    assert!(act.fence > first.fence, "fences of a strand rise");
    let all = store.leases().await.unwrap();
    assert_eq!(all[0], row);
    let leases: Vec<Lease> = all.iter().map(|row| row.lease).collect();
    assert_eq!(leases, [first, other, act]);
    // At its end it is over, and the next taking has a fence of its own.
    let second = taken(store, ask(a, 2, 200, 300)).await;
    assert!(second.fence > act.fence);
    // What is no longer ours is neither renewed nor given back.
    let lost = store.renew_leases(vec![first, other], 240, 260).await;
    assert_eq!(lost.unwrap(), [first]);
    store.release_leases(vec![first, other]).await.unwrap();
    let all = store.leases().await.unwrap();
    let ends: Vec<(Lease, i64)> = all.iter().map(|row| (row.lease, row.until)).collect();
    assert_eq!(ends, [(second, 300), (act, 250)]);
    // Given back, it is free at once; the fence still rises.
    store.release_leases(vec![second]).await.unwrap();
    let third = taken(store, ask(a, 3, 240, 300)).await;
    assert!(third.fence > second.fence);
}

pub(super) async fn a_lease_that_is_over_is_not_renewed(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap().id;
    let lease = taken(store, ask(strand, 1, 100, 200)).await;
    let renew = |now, until| store.renew_leases(vec![lease], now, until);
    assert_eq!(renew(199, 300).await.unwrap(), []);
    assert_eq!(renew(299, 400).await.unwrap(), []);
    assert_eq!(renew(400, 500).await.unwrap(), [lease], "over at its end");
    assert_eq!(store.leases().await.unwrap()[0].until, 400);
}

pub(super) async fn a_dead_holder_is_taken_over_by_its_fence(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap().id;
    let first = taken(store, ask(strand, 1, 100, 200)).await;
    let dead = |pid, fence| LeaseAsk {
        dead: Some(fence),
        ..ask(strand, pid, 150, 250)
    };
    held_by(store, dead(2, first.fence + 1)).await;
    let second = taken(store, dead(2, first.fence)).await;
    assert!(second.fence > first.fence);
    // Who saw the same dead process later has come too late.
    let row = held_by(store, dead(3, first.fence)).await;
    assert_eq!(row.lease, second);
}

pub(super) async fn a_batch_is_written_only_under_a_lease_that_stands(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap(),
        store.strand("b").await.unwrap(),
    );
    let now = SystemClock.now().0;
    let pull = |strand, until| LeaseAsk {
        until,
        ..ask(strand, 1, now - HOUR, 0)
    };
    let own = taken(store, pull(a.id, now + HOUR)).await;
    let other = taken(store, pull(b.id, now + HOUR)).await;
    let over = LeaseAsk {
        stage: LeaseStage::Push,
        ..pull(a.id, now - 1)
    };
    let over = taken(store, over).await;
    let late = Lease {
        fence: own.fence + 1,
        ..own
    };
    let (lost, ours) = (
        [vec![], vec![other], vec![over], vec![late], vec![own, over]],
        [vec![own], vec![other, own]],
    );
    let under = |leg, under| {
        let mut batch = born(&a, leg, 0, pending(Action::New));
        batch.under = under;
        batch
    };
    let before = store.strands().await.unwrap();
    for leases in lost {
        let refused = store.commit(under(1, leases.clone())).await;
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{leases:?}");
        let both = vec![under(1, vec![own]), under(2, leases.clone())];
        let refused = store.commit_all(both).await;
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{leases:?}");
    }
    assert_eq!(store.strands().await.unwrap(), before);
    assert_eq!(store.legs_after(LegId::NONE, 9).await.unwrap(), []);
    for (leases, leg) in ours.into_iter().zip(1..) {
        store.commit(under(leg, leases)).await.unwrap();
        only_leg(store, leg).await;
    }
    store.release_leases(vec![own]).await.unwrap();
    let refused = store.commit(under(9, vec![own])).await;
    assert!(
        matches!(refused, Err(StoreError::LeaseLost)),
        "given back, and still written under"
    );
}

pub(super) async fn the_places_of_a_partner_are_guarded(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    let places = |leg, partner, taken, most| {
        let mut batch = born(&strand, leg, 0, pending(Action::New));
        batch.guard(Guard::Places {
            partner,
            taken,
            most,
        });
        batch
    };
    let elsewhere = StrandId::new(91);
    store.put(places(1, PARTNER, 1, 1)).await.unwrap();
    let refused = store.put(places(2, PARTNER, 1, 1)).await;
    assert!(matches!(refused, Err(StoreError::Stale)), "one too many");
    let refused = store.put(places(2, PARTNER, 2, 2)).await;
    assert!(matches!(refused, Err(StoreError::Stale)), "two at once");
    assert_eq!(store.legs_after(LegId::NONE, 9).await.unwrap().len(), 1);
    store.put(places(2, elsewhere, 1, 1)).await.unwrap();
    // A leg that has ended leaves its place.
    let leg = only_leg(store, 1).await;
    let after = leg.now.ended(LegState::Cancelled, Reason::Died);
    store.put(moved(&leg, 1, after)).await.unwrap();
    store.put(places(3, PARTNER, 1, 2)).await.unwrap();
    let refused = store.put(places(4, PARTNER, 1, 2)).await;
    assert!(matches!(refused, Err(StoreError::Stale)));
}

pub(super) async fn one_person_has_one_open_leg_with_a_partner(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap(),
        store.strand("b").await.unwrap(),
    );
    let mut first = born(&a, 1, 0, pending(Action::New));
    first.keys.push(KeyRow {
        id: KeyId::new(5),
        kind: rows::KeyKind::Person,
        lookup: Some(lookup(50)),
        wrapped: vec![1],
    });
    store.put(first).await.unwrap();
    let beside = |leg, persons: &[u8], partner| {
        let mut batch = born(&b, leg, 0, pending(Action::New));
        let persons = persons.iter().copied().map(lookup).collect();
        batch.guard(Guard::NotOpen { persons, partner });
        batch
    };
    let elsewhere = StrandId::new(91);
    let refused = store.put(beside(2, &[51, 50], PARTNER)).await;
    assert!(matches!(refused, Err(StoreError::Stale)));
    assert_eq!(store.legs_after(LegId::NONE, 9).await.unwrap().len(), 1);
    store.put(beside(2, &[50], elsewhere)).await.unwrap();
    store.put(beside(3, &[51], PARTNER)).await.unwrap();
    // The last of more pairs than a statement takes counts as well.
    let many = [vec![51; limits::STATEMENT_ROWS], vec![50]].concat();
    let refused = store.put(beside(4, &many, PARTNER)).await;
    assert!(matches!(refused, Err(StoreError::Stale)));
    for leg in [1, 2, 3].map(LegId::new) {
        let leg = store.legs(vec![leg]).await.unwrap().remove(0);
        let after = leg.now.ended(LegState::Cancelled, Reason::Died);
        store.put(moved(&leg, 1, after)).await.unwrap();
    }
    store.put(beside(4, &many, PARTNER)).await.unwrap();
}

pub(super) async fn what_was_told_of_legs_is_guarded(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    let event = |id: i64, leg: i64| EventRow {
        id: EventId::new(id),
        lookup: u128::from(id.unsigned_abs()).to_be_bytes(),
        leg: LegId::new(leg),
        rev: 1,
        kind: crate::domain::EventKind::Note,
        return_id: ReturnId::new(80),
        row: 1,
        holder: KeyId::new(5),
        sealed: vec![4],
    };
    let telling = |leg: i64, legs: &[i64], events| {
        let mut batch = born(&strand, leg, 0, pending(Action::New));
        batch.events = vec![event(leg, leg)];
        let legs = legs.iter().copied().map(LegId::new).collect();
        batch.guard(Guard::Told { legs, events });
        batch
    };
    store.put(telling(1, &[1, 2], 0)).await.unwrap();
    for events in [0, 2] {
        let refused = store.put(telling(2, &[1, 2], events)).await;
        assert!(matches!(refused, Err(StoreError::Stale)), "{events} events");
    }
    assert_eq!(store.legs_after(LegId::NONE, 9).await.unwrap().len(), 1);
    store.put(telling(2, &[1, 2], 1)).await.unwrap();
    store.put(telling(3, &[], 0)).await.unwrap();
    // The last of more legs than a statement takes counts as well.
    let many: Vec<i64> = (100..).take(limits::STATEMENT_ROWS).chain([1]).collect();
    let refused = store.put(telling(4, &many, 0)).await;
    assert!(matches!(refused, Err(StoreError::Stale)));
    store.put(telling(4, &many, 1)).await.unwrap();
}
