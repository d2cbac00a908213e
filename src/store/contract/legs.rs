//! Legs as stages ask for them: by source, in pages, counted, and those of which a GP system is to be told.

use super::super::rows::{self, KeyKind};
use super::*;

/// A leg that comes to stand so, by steps that the table has.
async fn walk(store: &dyn Store, strand: &Strand, leg: i64, after: Standing) {
    let in_state = |state| Standing { state, ..after };
    let way = [
        vec![after.state],
        vec![LegState::Routed, after.state],
        vec![LegState::Routed, LegState::Sent, after.state],
    ];
    let lawful = |way: &&Vec<LegState>| {
        let from = [LegState::Received].into_iter().chain(way.iter().copied());
        from.zip(way.iter()).all(|(from, to)| from.may_become(*to))
    };
    let way = way.iter().find(lawful).unwrap();
    let first = born(strand, leg, 0, in_state(way[0]));
    store.put(first).await.unwrap();
    for state in &way[1..] {
        let leg = only_leg(store, leg).await;
        let next = moved(&leg, 1, in_state(*state));
        store.put(next).await.unwrap();
    }
}

fn numbers(legs: &[Leg]) -> Vec<i64> {
    legs.iter().map(|leg| leg.id.number()).collect()
}

pub(super) async fn open_legs_come_by_source_and_page(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap(),
        store.strand("b").await.unwrap(),
    );
    let states = LegState::ALL;
    for (state, leg) in states.into_iter().zip(1..) {
        let after = Standing {
            state,
            ..pending(Action::New)
        };
        walk(store, &a, leg, after).await;
    }
    walk(store, &b, 90, pending(Action::New)).await;
    let open: Vec<i64> = states
        .iter()
        .zip(1..)
        .filter(|(state, _)| !state.terminal())
        .map(|(_, leg)| leg)
        .collect();
    let of = |source: &Strand, after, limit| {
        let source = source.id;
        async move {
            let legs = store.open_legs(source, LegId::new(after), limit).await;
            numbers(&legs.unwrap())
        }
    };
    assert_eq!(of(&a, 0, 99).await, open);
    assert_eq!(of(&a, open[1], 3).await, open[2..5], "after one, so many");
    assert_eq!(of(&b, 0, 99).await, [90]);
    let all = store.legs_after(LegId::new(2), 3).await.unwrap();
    assert_eq!(numbers(&all), [3, 4, 5]);
    let with_partner = |state: &&LegState| **state == LegState::Routed || state.after_sending();
    let places = i64::try_from(states.iter().filter(with_partner).count()).unwrap();
    let counts = store.open_leg_counts().await.unwrap();
    assert_eq!(counts, [(PARTNER, places + 1)]);
    let with = |partner, after, limit| async move {
        let legs = store
            .open_legs_with(partner, LegId::new(after), limit)
            .await;
        numbers(&legs.unwrap())
    };
    let all: Vec<i64> = states
        .iter()
        .zip(1..)
        .filter(|(state, _)| with_partner(state))
        .map(|(_, leg)| leg)
        .chain([90])
        .collect();
    assert_eq!(with(PARTNER, 0, 99).await, all);
    assert_eq!(
        with(PARTNER, all[1], 2).await,
        all[2..4],
        "after one, so many"
    );
    assert!(with(a.id, 0, 99).await.is_empty());
}

pub(super) async fn a_person_under_way_without_a_key_is_found(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap();
    for (state, leg) in LegState::ALL.into_iter().zip(1..) {
        let after = Standing {
            state,
            person: KeyId::new(100 + leg),
            ..pending(Action::New)
        };
        walk(store, &strand, leg, after).await;
        if state == LegState::Held {
            let mut batch = Batch::new(strand.id, at(9));
            batch.hold(NewHold::new(Stage::Select, Reason::Tie).leg(LegId::new(leg)));
            store.put(batch).await.unwrap();
        }
    }
    let under_way = |state: &LegState| {
        *state == LegState::Routed || *state == LegState::Held || state.after_sending()
    };
    let states = LegState::ALL.into_iter().zip(101..);
    let wanted: Vec<KeyId> = states
        .filter(|(state, _)| under_way(state))
        .map(|(_, person)| KeyId::new(person))
        .collect();
    assert_eq!(store.keyless_persons(99).await.unwrap(), wanted);
    assert_eq!(store.keyless_persons(2).await.unwrap(), wanted[..2]);
    for (id, n) in wanted.iter().zip(1..) {
        let lookup = Some(lookup(200 + n));
        let (kind, wrapped) = (KeyKind::Person, vec![1]);
        let key = KeyRow {
            id: *id,
            kind,
            lookup,
            wrapped,
        };
        store.add_key(key).await.unwrap();
    }
    assert!(store.keyless_persons(99).await.unwrap().is_empty());
}

pub(super) async fn legs_are_counted_by_what_they_have_alike(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap(),
        store.strand("b").await.unwrap(),
    );
    let routed = pending(Action::New);
    let held = routed.held(Reason::NoService);
    for (strand, leg, after) in [
        (&a, 1, routed),
        (&b, 2, held),
        (&b, 3, held),
        (&b, 4, routed),
    ] {
        store.put(born(strand, leg, 0, after)).await.unwrap();
    }
    let line = |source: &Strand, state, why, count| rows::LegCount {
        source: source.id,
        partner: PARTNER,
        state,
        why,
        count,
    };
    let counts = [
        line(&a, LegState::Routed, None, 1),
        line(&b, LegState::Held, Some(Reason::NoService), 2),
        line(&b, LegState::Routed, None, 1),
    ];
    let found = store.leg_counts().await.unwrap();
    assert_eq!(found.len(), counts.len());
    assert!(
        counts.iter().all(|count| found.contains(count)),
        "{found:?}"
    );
}

pub(super) async fn a_system_is_told_of_its_legs_once(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap(),
        store.strand("b").await.unwrap(),
    );
    let state = |state| Standing {
        state,
        pending: None,
        ..pending(Action::New)
    };
    for (leg, after) in (1..).zip([LegState::Routed, LegState::Sent, LegState::Completed]) {
        walk(store, &a, leg, state(after)).await;
    }
    walk(store, &b, 9, state(LegState::Sent)).await;
    let told = |kind, after, limit| async move {
        let legs = store.legs_to_tell(a.id, kind, LegId::new(after), limit);
        numbers(&legs.await.unwrap())
    };
    // A Task begins with sending; the request is told of completion alone.
    assert_eq!(told(MirrorKind::Task, 0, 9).await, [2, 3]);
    assert_eq!(told(MirrorKind::Task, 0, 1).await, [2]);
    assert_eq!(told(MirrorKind::Task, 2, 9).await, [3]);
    assert_eq!(told(MirrorKind::Request, 0, 9).await, [3]);
    let row = |leg: &Leg, kind| MirrorRow {
        leg: leg.id,
        kind,
        source: a.id,
        state: PushState::Confirmed,
        attempts: 1,
        unanswered: rows::Unanswered {
            lost: 3,
            timed_out: 2,
        },
        last_status: leg.status_code(),
        server_id: Some(vec![7]),
    };
    let (sent, completed) = (only_leg(store, 2).await, only_leg(store, 3).await);
    let rows = vec![
        row(&sent, MirrorKind::Task),
        row(&completed, MirrorKind::Task),
        row(&completed, MirrorKind::Request),
    ];
    let mut batch = Batch::new(a.id, at(5));
    batch.mirrors.clone_from(&rows);
    store.put(batch).await.unwrap();
    assert!(told(MirrorKind::Task, 0, 9).await.is_empty());
    assert!(told(MirrorKind::Request, 0, 9).await.is_empty());
    let of = vec![sent.id, completed.id];
    assert_eq!(store.mirrors(of).await.unwrap(), rows);
    let of_one = store.mirrors(vec![completed.id]).await.unwrap();
    assert_eq!(of_one, rows[1..]);
    // A page has whole legs.
    assert_eq!(
        store.mirrors_after(LegId::NONE, 1).await.unwrap(),
        rows[..1]
    );
    assert_eq!(store.mirrors_after(sent.id, 1).await.unwrap(), rows[1..]);
    // What has moved since is to be told again.
    let after = sent.now.ended(LegState::Cancelled, Reason::Died);
    store.put(moved(&sent, 6, after)).await.unwrap();
    assert_eq!(told(MirrorKind::Task, 0, 9).await, [2]);
}
