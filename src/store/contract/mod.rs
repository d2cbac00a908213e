//! The suite that every engine passes unchanged: each check takes a fresh, named store as the trait alone shows it. A
//! method of the trait that is left out makes a check fail (`left_out.rs`).

mod bounds;
mod drops;
mod leases;
mod ledger;
mod left_out;
mod legs;
mod many;
mod records;
mod reports;
mod returns;

use sqlx::Connection as _;

use super::hash_chain::{genesis, row_hash};
use super::rows::{DropState, PushKind, PushUpdate, RawIds, Standing};
use super::*;
use crate::domain::clock::SystemClock;
use crate::domain::{
    Action, Clock as _, Counts, Disposition, Instant, LegId, LegState, RawId, Reason, RunId, Stage,
    StrandId, limits,
};

const UID: LookupKey = [7; 16];
const NOON: i64 = 1_795_348_800_000_000;
const PARTNER: StrandId = StrandId::new(90);

fn at(seconds: i64) -> Instant {
    Instant(NOON).plus_seconds(seconds)
}

fn lookup(byte: u8) -> LookupKey {
    [byte; 16]
}

fn reference(leg: i64) -> LegReference {
    LegReference::from_random(u64::try_from(leg).unwrap())
}

/// A leg that waits for a drop with this action.
fn pending(action: Action) -> Standing {
    let state = if action == Action::New {
        LegState::Routed
    } else {
        LegState::Sent
    };
    Standing {
        state,
        partner: PARTNER,
        person: KeyId::new(5),
        why: None,
        pending: Some(action),
        asked: None,
        closing: None,
        raws: RawIds {
            request: RawId::new(11),
            patient: RawId::new(12),
            ..RawIds::default()
        },
    }
}

/// Two entries: a leg is received, and decided.
fn born(strand: &Strand, leg: i64, seconds: i64, after: Standing) -> Batch {
    let reference = reference(leg);
    let mut batch = Batch::new(strand.id, at(seconds));
    batch.open_leg(OpenedLeg {
        id: LegId::new(leg),
        reference,
        lookup: u8::try_from(leg).ok().map(lookup),
        source: strand.id,
        after,
        rule: [9; 16],
        vouched: vec![(RawId::new(11), [3; 32])],
    });
    batch
}

fn moved(leg: &Leg, seconds: i64, after: Standing) -> Batch {
    let mut batch = Batch::new(leg.source, at(seconds));
    let (step, vouched) = (LegStep::to(after), Vec::new());
    batch.move_leg(leg.clone(), Body::Amended { step, vouched });
    batch
}

/// Batches are written as one who holds their strands writes them: under leases that are taken for it and given back.
trait UnderLease {
    async fn put(&self, batch: Batch) -> Result<Commit, StoreError>;
    async fn put_all(&self, batches: Vec<Batch>) -> Result<Vec<Commit>, StoreError>;
}

impl UnderLease for dyn Store + '_ {
    async fn put(&self, mut batch: Batch) -> Result<Commit, StoreError> {
        let lease = lease_of(self, batch.strand).await;
        batch.under = vec![lease];
        let written = self.commit(batch).await;
        self.release_leases(vec![lease]).await.unwrap();
        written
    }

    async fn put_all(&self, mut batches: Vec<Batch>) -> Result<Vec<Commit>, StoreError> {
        let mut leases: Vec<Lease> = Vec::new();
        for batch in &mut batches {
            let known = leases.iter().find(|lease| lease.strand == batch.strand);
            let lease = match known {
                Some(lease) => *lease,
                None => lease_of(self, batch.strand).await,
            };
            leases.push(lease);
            batch.under = vec![lease];
        }
        let written = self.commit_all(batches).await;
        self.release_leases(leases).await.unwrap();
        written
    }
}

/// A lease of a strand for a minute.
async fn lease_of(store: &dyn Store, strand: StrandId) -> Lease {
    let now = SystemClock.now();
    let ask = LeaseAsk {
        stage: LeaseStage::Act,
        strand,
        holder: LeaseHolder {
            host: "a-host".to_owned(),
            pid: 1,
            started: 77,
            run: RunId::NONE,
        },
        now: now.0,
        until: now.plus_seconds(60).0,
        dead: None,
    };
    match store.take_lease(ask).await.unwrap() {
        LeaseAnswer::Taken(lease) => lease,
        LeaseAnswer::Held(row) => panic!("held by {row:?}"),
    }
}

async fn only_leg(store: &dyn Store, id: i64) -> Leg {
    let mut legs = store.legs(vec![LegId::new(id)]).await.unwrap();
    assert_eq!(legs.len(), 1);
    legs.remove(0)
}

/// The first row of a strand that does not follow from the one before it, 0 of a strand whose head is another; `None` if all is well.
async fn broken_at(store: &dyn Store, name: &str) -> Option<i64> {
    let strand = store.strand(name).await.unwrap();
    let mut head = genesis(&store.installation().await.unwrap(), name);
    for (row, seq) in store
        .ledger(strand.id, 0, 1_000)
        .await
        .unwrap()
        .iter()
        .zip(1..)
    {
        if row.seq != seq || row_hash(&head, row) != row.hash {
            return Some(row.seq);
        }
        head = row.hash;
    }
    (head != strand.head).then_some(0)
}

/// A check: it takes a fresh, named store, and panics where the store does not do what the trait says.
type Check = for<'s> fn(&'s dyn Store) -> Pin<Box<dyn Future<Output = ()> + 's>>;

/// A fresh, named store of `SQLite`.
async fn fresh(folder: &tempfile::TempDir) -> SqliteStore {
    let store = SqliteStore::open(
        &folder.path().join("kith.db"),
        &crate::domain::Limits::default(),
    )
    .await
    .unwrap();
    store.name_installation(UID).await.unwrap();
    store
}

/// The suite, and each check of it on its own new store of `SQLite`.
macro_rules! suite {
    ($($module:ident: $($check:ident)*;)*) => {
        const CHECKS: &[(&str, Check)] = &[
            $($((stringify!($check), |store| Box::pin($module::$check(store))),)*)*
        ];

        mod sqlite {
            $($(mod $check {
                #[tokio::test]
                async fn passes() {
                    let folder = tempfile::tempdir().unwrap();
                    let store = super::super::fresh(&folder).await;
                    super::super::$module::$check(&store).await;
                }
            })*)*
        }
    };
}

suite! {
    ledger: a_fresh_store_holds_nothing a_strand_is_made_once_and_numbers_its_own_ids rows_of_a_kind_come_in_their_order
        rules_are_noted_of_one_strand_and_stay a_leg_is_projected_and_chained a_stale_revision_writes_nothing a_step_that_the_table_does_not_have_writes_nothing
        two_strands_do_not_mix several_batches_are_one_transaction the_clock_of_every_strand_is_lifted;
    leases: a_lease_is_held_by_one_until_it_is_over_or_given_back a_lease_that_is_over_is_not_renewed
        a_dead_holder_is_taken_over_by_its_fence a_batch_is_written_only_under_a_lease_that_stands
        the_places_of_a_partner_are_guarded one_person_has_one_open_leg_with_a_partner what_was_told_of_legs_is_guarded;
    legs: open_legs_come_by_source_and_page legs_are_counted_by_what_they_have_alike a_person_under_way_without_a_key_is_found a_system_is_told_of_its_legs_once;
    many: legs_events_and_holds_of_many_legs_come_in_one_call many_legs_move_in_one_commit_or_none_does;
    records: keys_and_raws_are_found_by_look a_batch_may_be_larger_than_a_statement holds_are_numbered_through
        books_add_up_over_commits writes_are_found_by_state every_write_comes_by_page;
    drops: sending_a_drop_moves_its_legs_together drops_of_each_partner_are_kept drops_are_found_by_how_far_they_have_come;
    returns: a_return_is_kept_with_its_rows_and_events;
    reports: the_newest_certificate_of_each_source_counts facts_are_counted_by_month days_are_sealed_once a_night_is_published_once;
}

#[tokio::test]
async fn one_byte_changed_behind_our_back_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(&folder).await;
    let store: &dyn Store = &engine;
    let strand = store.strand("a").await.unwrap();
    for leg in 1..4 {
        store
            .put(born(&strand, leg, 0, pending(Action::New)))
            .await
            .unwrap();
    }
    assert_eq!(broken_at(store, "a").await, None);
    let mut body = store.ledger(strand.id, 3, 1).await.unwrap().remove(0).body;
    body[1] ^= 1;
    let file = format!("sqlite://{}", folder.path().join("kith.db").display());
    let mut other = sqlx::SqliteConnection::connect(&file).await.unwrap();
    let change = sqlx::query("UPDATE ledger SET body = ? WHERE strand = ? AND seq = 4");
    change
        .bind(body)
        .bind(strand.id)
        .execute(&mut other)
        .await
        .unwrap();
    assert_eq!(broken_at(store, "a").await, Some(4));
}
