//! Whether the suite sees what is missing: each method of the trait is left out once, and a check must fail.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use super::*;

/// A store without one method: a read answers as if there were nothing, a write does nothing and says that all is well.
struct LeavingOut<'s> {
    inner: &'s dyn Store,
    out: Option<&'static str>,
    called: Mutex<BTreeSet<&'static str>>,
}

impl LeavingOut<'_> {
    fn leaves_out(&self, method: &'static str) -> bool {
        self.called.lock().unwrap().insert(method);
        self.out == Some(method)
    }
}

/// The one table of methods, each with what is answered in its place. A method that is not here does not compile.
macro_rules! methods {
    ($($method:ident($($arg:ident: $type:ty),*) -> $answer:ty = $nothing:expr;)+) => {
        const METHODS: &[&str] = &[$(stringify!($method)),+];

        impl Store for LeavingOut<'_> {
            $(fn $method(&self $(, $arg: $type)*) -> Answer<'_, $answer> {
                if self.leaves_out(stringify!($method)) {
                    let nothing: $answer = $nothing;
                    return Box::pin(async move { Ok(nothing) });
                }
                self.inner.$method($($arg),*)
            })+
        }
    };
}

methods! {
    installation() -> LookupKey = [0; 16];
    strand(name: &str) -> Strand = Strand { id: StrandId::NONE, name: name.to_owned(), seq: 0, head: [0; 32], at: 0, rules: None };
    strands() -> Vec<Strand> = Vec::new();
    reserve(strand: StrandId, count: i64) -> i64 = 0;
    take_lease(ask: LeaseAsk) -> LeaseAnswer = LeaseAnswer::Taken(Lease { stage: ask.stage, strand: ask.strand, fence: 0 });
    renew_leases(leases: Vec<Lease>, now: i64, until: i64) -> Vec<Lease> = Vec::new();
    release_leases(leases: Vec<Lease>) -> () = ();
    leases() -> Vec<LeaseRow> = Vec::new();
    commit(batch: Batch) -> Commit = Commit::default();
    commit_all(batches: Vec<Batch>) -> Vec<Commit> = batches.iter().map(|_| Commit::default()).collect();
    ledger(strand: StrandId, after: i64, limit: i64) -> Vec<LedgerRow> = Vec::new();
    ledger_of_kind(strand: StrandId, kind: Kind, after: i64, limit: i64) -> Vec<LedgerRow> = Vec::new();
    ledger_at(place: Place) -> Option<LedgerRow> = None;
    raise_clock(at: i64) -> () = ();
    last_at() -> i64 = 0;
    keys_by_lookup(lookups: Vec<LookupKey>) -> Vec<KeyRow> = Vec::new();
    keys(ids: Vec<KeyId>) -> Vec<KeyRow> = Vec::new();
    keyless_persons(limit: i64) -> Vec<KeyId> = Vec::new();
    add_key(key: KeyRow) -> () = ();
    raws_by_lookup(lookups: Vec<LookupKey>) -> Vec<(LookupKey, RawId)> = Vec::new();
    raws(ids: Vec<RawId>) -> Vec<RawRow> = Vec::new();
    raws_after(after: RawId, limit: i64) -> Vec<RawRow> = Vec::new();
    legs_by_lookup(lookups: Vec<LookupKey>) -> Vec<Leg> = Vec::new();
    legs(ids: Vec<LegId>) -> Vec<Leg> = Vec::new();
    legs_of_persons(persons: Vec<KeyId>) -> Vec<Leg> = Vec::new();
    legs_by_references(references: Vec<LegReference>) -> Vec<Leg> = Vec::new();
    legs_pending(partner: StrandId, after: LegId, limit: i64) -> Vec<Leg> = Vec::new();
    legs_after(after: LegId, limit: i64) -> Vec<Leg> = Vec::new();
    open_legs(source: StrandId, after: LegId, limit: i64) -> Vec<Leg> = Vec::new();
    open_legs_with(partner: StrandId, after: LegId, limit: i64) -> Vec<Leg> = Vec::new();
    open_leg_counts() -> Vec<(StrandId, i64)> = Vec::new();
    leg_counts() -> Vec<rows::LegCount> = Vec::new();
    last_drop(partner: StrandId) -> Option<DropFile> = None;
    drop_files(partner: StrandId, after: i64, limit: i64) -> Vec<DropFile> = Vec::new();
    drop_files_by_id(ids: Vec<DropId>) -> Vec<DropFile> = Vec::new();
    drop_files_in(state: DropState, partner: StrandId, after: DropId, limit: i64) -> Vec<DropFile> = Vec::new();
    drop_rows(drop_id: DropId, after: i64, limit: i64) -> Vec<DropRow> = Vec::new();
    drop_row_counts(to_day: i64) -> Vec<rows::DropRowCount> = Vec::new();
    drop_row_counts_of(ids: Vec<DropId>) -> Vec<rows::DropRowCount> = Vec::new();
    drop_rows_of_legs(legs: Vec<LegId>) -> Vec<DropRow> = Vec::new();
    rule(hash: Digest) -> Option<String> = None;
    return_by_lookup(lookup: LookupKey) -> Option<ReturnFile> = None;
    return_files(after: ReturnId, limit: i64) -> Vec<ReturnFile> = Vec::new();
    returns_written_after(sender: StrandId, at: i64) -> Vec<ReturnId> = Vec::new();
    return_bytes(return_id: ReturnId) -> Option<Vec<u8>> = None;
    return_counts() -> Vec<(StrandId, i64)> = Vec::new();
    return_rows(return_id: ReturnId, after: i64, limit: i64) -> Vec<ReturnRow> = Vec::new();
    events_of_legs(legs: Vec<LegId>) -> Vec<EventRow> = Vec::new();
    events(ids: Vec<EventId>) -> Vec<EventRow> = Vec::new();
    pushes(query: PushQuery) -> Vec<PushRow> = Vec::new();
    pushes_of_events(events: Vec<EventId>) -> Vec<PushRow> = Vec::new();
    mirrors(legs: Vec<LegId>) -> Vec<MirrorRow> = Vec::new();
    mirrors_after(after: LegId, limit: i64) -> Vec<MirrorRow> = Vec::new();
    legs_to_tell(source: StrandId, kind: MirrorKind, after: LegId, limit: i64) -> Vec<Leg> = Vec::new();
    push_counts() -> Vec<(StrandId, PushState, i64)> = Vec::new();
    pushes_after(after: EventId, limit: i64) -> Vec<PushRow> = Vec::new();
    hold(number: HoldNumber) -> Option<HeldRow> = None;
    holds_of_legs(legs: Vec<LegId>) -> Vec<HeldRow> = Vec::new();
    open_holds(after: HoldNumber, limit: i64) -> Vec<HeldRow> = Vec::new();
    holds_after(after: HoldNumber, limit: i64) -> Vec<HeldRow> = Vec::new();
    hold_counts(before: i64) -> Vec<rows::HoldCount> = Vec::new();
    books(run: RunId) -> Vec<BookRow> = Vec::new();
    books_after(run: RunId, limit: i64) -> Vec<BookRow> = Vec::new();
    last_run() -> Option<RunId> = None;
    book_sums(stage: Stage) -> Vec<rows::BookSum> = Vec::new();
    certificates() -> Vec<Certificate> = Vec::new();
    fact_counts(month: i64) -> Vec<rows::FactCount> = Vec::new();
    last_day_seal() -> Option<(i64, Digest, Digest)> = None;
    day_seals(after: i64, limit: i64) -> Vec<(i64, Digest, Digest)> = Vec::new();
    day_seal_strands(day: i64) -> Vec<(StrandId, i64, Digest)> = Vec::new();
    heads_before(at: i64) -> Vec<(StrandId, i64, Digest)> = Vec::new();
    published(night: i64, commissioner: &str) -> Vec<(String, Digest, Vec<u8>)> = Vec::new();
    published_nights(after: i64, limit: i64) -> Vec<(i64, String)> = Vec::new();
    cube(night: i64, commissioner: &str) -> Option<Vec<u8>> = None;
}

/// Runs one check without a method: the methods that were called, and whether the check passed.
fn run(check: Check, out: Option<&'static str>) -> (BTreeSet<&'static str>, bool) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = runtime.block_on(fresh(&folder));
    let leaving_out = LeavingOut {
        inner: &store,
        out,
        called: Mutex::default(),
    };
    let passed = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(check(&leaving_out));
    }));
    runtime.block_on(store.close());
    (leaving_out.called.into_inner().unwrap(), passed.is_ok())
}

#[test]
fn each_method_left_out_fails_a_check() {
    let called: Vec<(Check, BTreeSet<&str>)> = CHECKS
        .iter()
        .map(|(name, check)| {
            let (called, passed) = run(*check, None);
            assert!(passed, "{name} with nothing left out");
            (*check, called)
        })
        .collect();
    let unseen: Vec<&str> = METHODS
        .iter()
        .copied()
        .filter(|method| {
            let mut with = called.iter().filter(|(_, called)| called.contains(method));
            with.all(|(check, _)| run(*check, Some(method)).1)
        })
        .collect();
    assert!(
        unseen.is_empty(),
        "left out, and no check saw it: {unseen:?}"
    );
}
