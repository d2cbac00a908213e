//! Drops: prepared, then sent with all their legs.

use super::*;
use crate::domain::{Action, LegId};

const DROP: DropId = DropId::new(70);

/// A drop of one row a leg, in the partner's strand.
fn prepared(strand: &Strand, legs: &[Leg]) -> Batch {
    let mut batch = Batch::new(strand.id, at(10));
    for (leg, row) in legs.iter().zip(1..) {
        let (drop_id, rev, prev, action) = (DROP, leg.rev + 1, leg.last, leg.now.pending.unwrap());
        let (raws, changed, digest) = (leg.now.raws, String::new(), lookup(8));
        batch.drop_rows.push(DropRow {
            drop_id,
            row,
            leg: leg.id,
            rev,
            prev,
            action,
            raws,
            changed,
            digest,
        });
    }
    batch.drop_file = Some(DropFile {
        id: DROP,
        partner: PARTNER,
        sequence: 1,
        name: "referrals_000001.csv".to_owned(),
        day: 1,
        rows: i64::try_from(legs.len()).unwrap(),
        digest: [1; 32],
        root: [2; 32],
        rule: [3; 32],
        mapper: 1,
        state: DropState::Prepared,
    });
    batch
}

pub(super) async fn sending_a_drop_moves_its_legs_together(store: &dyn Store) {
    let (source, strand) = (
        store.strand("a").await.unwrap(),
        store.strand("p").await.unwrap(),
    );
    let actions = [Action::New, Action::Amend, Action::Stop, Action::Pause];
    for (action, leg) in actions.into_iter().zip(1..) {
        let first = born(&source, leg, 0, pending(Action::New));
        store.put(first).await.unwrap();
        let routed = only_leg(store, leg).await;
        let next = moved(&routed, 1, pending(action));
        store.put(next).await.unwrap();
    }
    let before = store.legs_after(LegId::NONE, 9).await.unwrap();
    // A row that was made of a leg as it no longer stands is in no drop.
    let mut stale = prepared(&strand, &before);
    stale.drop_rows[2].rev -= 1;
    assert!(matches!(store.put(stale).await, Err(StoreError::Stale)));
    assert_eq!(store.last_drop(PARTNER).await.unwrap(), None);
    store.put(prepared(&strand, &before)).await.unwrap();
    assert_eq!(
        store.legs_after(LegId::NONE, 9).await.unwrap(),
        before,
        "nothing has left yet"
    );
    assert_eq!(store.drop_rows(DROP, 0, 9).await.unwrap().len(), 4);
    let mut sent = Batch::new(strand.id, at(20));
    let (sequence, rows) = (1, 4);
    sent.push(Entry::new(DROP, Body::Sent { sequence, rows }));
    (sent.sent, sent.drop_states) = (Some(DROP), vec![(DROP, DropState::Sent)]);
    store.put(sent.clone()).await.unwrap();
    let place = Place {
        strand: strand.id,
        seq: 1,
    };
    for ((leg, was), action) in store
        .legs_after(LegId::NONE, 9)
        .await
        .unwrap()
        .iter()
        .zip(&before)
        .zip(actions)
    {
        assert_eq!(leg.now, was.now.sent(action), "{action:?}");
        assert_eq!((leg.rev, leg.last), (was.rev + 1, place), "{action:?}");
        let since = if action == Action::New {
            at(20).0
        } else {
            was.since
        };
        assert_eq!(leg.since, since, "{action:?}");
    }
    assert_eq!(
        store.last_drop(PARTNER).await.unwrap().unwrap().state,
        DropState::Sent
    );
    assert!(
        matches!(store.put(sent).await, Err(StoreError::Stale)),
        "sent twice"
    );
}

const OTHER: StrandId = StrandId::new(91);

/// Three drops: 71 and 73 of one partner, 72 of another one; the legs in them.
async fn three_drops(store: &dyn Store) -> Vec<Leg> {
    let (source, strand) = (
        store.strand("a").await.unwrap(),
        store.strand("p").await.unwrap(),
    );
    for leg in [1, 2] {
        let first = born(&source, leg, 0, pending(Action::New));
        store.put(first).await.unwrap();
    }
    let legs = store.legs_after(LegId::NONE, 9).await.unwrap();
    let numbered = |id, partner, sequence, legs: &[Leg]| {
        let mut batch = prepared(&strand, legs);
        let file = batch.drop_file.as_mut().unwrap();
        (file.id, file.partner, file.sequence) = (DropId::new(id), partner, sequence);
        for row in &mut batch.drop_rows {
            row.drop_id = DropId::new(id);
        }
        batch.rules.push(([3; 32], "a rule".to_owned()));
        batch
    };
    for batch in [
        numbered(71, PARTNER, 1, &legs),
        numbered(72, OTHER, 1, &legs[..1]),
        numbered(73, PARTNER, 2, &legs[1..]),
    ] {
        store.put(batch).await.unwrap();
    }
    legs
}

fn ids(files: &[DropFile]) -> Vec<i64> {
    files.iter().map(|file| file.id.number()).collect()
}

pub(super) async fn drops_of_each_partner_are_kept(store: &dyn Store) {
    let legs = three_drops(store).await;
    assert_eq!(
        store.rule([3; 32]).await.unwrap().as_deref(),
        Some("a rule")
    );
    let files = |partner, after, limit| async move {
        ids(&store.drop_files(partner, after, limit).await.unwrap())
    };
    assert_eq!(files(PARTNER, 0, 9).await, [71, 73]);
    assert_eq!(files(PARTNER, 0, 1).await, [71]);
    assert_eq!(files(PARTNER, 1, 9).await, [73]);
    assert_eq!(files(OTHER, 0, 9).await, [72]);
    let last = store.last_drop(PARTNER).await.unwrap().unwrap();
    assert_eq!((last.id, last.sequence), (DropId::new(73), 2));
    assert_eq!(store.last_drop(StrandId::new(92)).await.unwrap(), None);
    let by_id = vec![DropId::new(73), DropId::new(72), DropId::new(79)];
    assert_eq!(
        ids(&store.drop_files_by_id(by_id.clone()).await.unwrap()),
        [72, 73]
    );
    let rows = store.drop_rows(DropId::new(71), 1, 9).await.unwrap();
    assert_eq!((rows.len(), rows[0].row, rows[0].leg), (1, 2, legs[1].id));
    assert_eq!(
        store.drop_rows(DropId::new(71), 0, 1).await.unwrap().len(),
        1
    );
    let count = |partner, count| rows::DropRowCount {
        partner,
        action: Action::New,
        count,
    };
    let sums = store.drop_row_counts(1).await.unwrap();
    assert_eq!(sums, [count(PARTNER, 3), count(OTHER, 1)]);
    assert_eq!(store.drop_row_counts(0).await.unwrap(), []);
    let sums = store.drop_row_counts_of(by_id).await.unwrap();
    assert_eq!(sums, [count(PARTNER, 1), count(OTHER, 1)]);
    let of = store.drop_rows_of_legs(vec![legs[1].id]).await.unwrap();
    let of: Vec<(i64, i64)> = of
        .iter()
        .map(|row| (row.drop_id.number(), row.row))
        .collect();
    assert_eq!(of, [(71, 2), (73, 1)]);
}

pub(super) async fn drops_are_found_by_how_far_they_have_come(store: &dyn Store) {
    three_drops(store).await;
    let strand = store.strand("p").await.unwrap();
    let mut delivered = Batch::new(strand.id, at(30));
    let (id, sequence) = (DropId::new(71), 1);
    delivered.push(Entry::new(id, Body::DropDelivered { sequence }));
    delivered.drop_states = vec![(id, DropState::Delivered)];
    store.put(delivered).await.unwrap();
    let state = |state, partner, after, limit| async move {
        let after = DropId::new(after);
        let files = store.drop_files_in(state, partner, after, limit).await;
        ids(&files.unwrap())
    };
    let waits = DropState::Prepared;
    assert_eq!(state(waits, StrandId::NONE, 0, 9).await, [72, 73]);
    assert_eq!(state(waits, StrandId::NONE, 0, 1).await, [72]);
    assert_eq!(state(waits, StrandId::NONE, 72, 9).await, [73]);
    assert_eq!(state(waits, PARTNER, 0, 9).await, [73]);
    assert_eq!(
        state(DropState::Delivered, StrandId::NONE, 0, 9).await,
        [71]
    );
    // One that was taken back is neither under way nor counted as sent.
    let mut voided = Batch::new(strand.id, at(40));
    let (id, sequence, by) = (DropId::new(72), 1, None);
    voided.push(Entry::new(id, Body::Voided { sequence, by }));
    voided.drop_states = vec![(id, DropState::Voided)];
    store.put(voided).await.unwrap();
    assert_eq!(state(waits, StrandId::NONE, 0, 9).await, [73]);
    assert_eq!(state(DropState::Voided, OTHER, 0, 9).await, [72]);
    let of = |partner| move |sum: &rows::DropRowCount| sum.partner == partner;
    let sums = store.drop_row_counts(1).await.unwrap();
    assert!(sums.iter().any(of(PARTNER)) && !sums.iter().any(of(OTHER)));
    let sums = store.drop_row_counts_of(vec![id]).await.unwrap();
    assert_eq!(sums, []);
}
