//! The store: the trait that every engine implements, and the rows that pass through it.
//!
//! In: a [`Batch`] of evidence, which one transaction appends to one strand of the ledger and projects.
//! Out: rows. The only module that knows SQL. Invariants: state that no ledger row explains does not exist;
//! a transaction is durable before it is acknowledged; insert-only tables are never updated.
//! The layout is `ledger.md`; what departs from it is ADR 0004.

pub(crate) mod batch;
pub(crate) mod body;
#[cfg(test)]
mod contract;
pub(crate) mod hash_chain;
mod lease;
pub(crate) mod rows;
mod sqlite;
mod standing;

use std::{future::Future, pin::Pin};

pub(crate) use batch::Guard;
pub(crate) use batch::{Batch, Commit, Entry, LookedUnder, OpenedLeg};
pub(crate) use body::{Body, Kind, LegStep, NewHold};
pub(crate) use lease::{Lease, LeaseAnswer, LeaseAsk, LeaseHolder, LeaseRow, LeaseStage};
pub(crate) use rows::{
    BookRow, Certificate, DropFile, DropRow, EventRow, HeldRow, KeyRow, LedgerRow, Leg, MirrorKind,
    MirrorRow, Place, PushRow, PushState, RawRow, ReturnFile, ReturnRow, Strand,
};
pub(crate) use sqlite::SqliteStore;

use crate::domain::{
    DropId, EventId, HoldNumber, KeyId, LegId, LegReference, LegState, RawId, ReturnId, RunId,
    Stage, StrandId, limits,
};
use crate::seal::{Digest, LookupKey};

/// What a store call gives back, in time.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The engine said no; its own text, which may quote values, is not kept.
    #[error("the store failed while {doing}: {kind}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// The engine's error class or code.
        kind: String,
        /// Whether the same call may go through later.
        transient: bool,
    },
    /// A statement took longer than the limit: it was stopped, and nothing of its transaction was written.
    #[error(
        "a statement of the store took longer than [limits] statement_seconds_max while {doing}, and was stopped: look whether the disk is slow or full, or raise the key in the config, to {} at most", limits::STATEMENT_SECONDS.most
    )]
    TooSlow {
        /// What was being done.
        doing: &'static str,
    },
    /// A leg has moved on since it was read, or a guard does not hold: nothing was written.
    #[error("what was decided rests on what another run has changed")]
    Stale,
    /// A lease of the batch is over, was taken by another process, or none is of the batch's strand, as where there is none: nothing was written.
    #[error(
        "the lease of this run is over or another process took it, nothing was written: run it again"
    )]
    LeaseLost,
    /// A leg was to take a step that the table of `LegState` does not have: nothing was written.
    #[error("a leg cannot go from {} to {}", .from.code(), .to.code())]
    IllegalStep {
        /// Where it stands.
        from: LegState,
        /// Where it was to go.
        to: LegState,
    },
    /// A row holds what no version of this program writes.
    #[error("a row of {0} cannot be read")]
    Corrupt(&'static str),
    /// The schema is of a newer program.
    #[error("the store has schema {found}, this program knows {known}")]
    Newer {
        /// Version found.
        found: i64,
        /// Newest version known.
        known: i64,
    },
}

/// Selects writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PushQuery {
    /// Strand of the source.
    pub(crate) source: StrandId,
    pub(crate) state: PushState,
    /// Those due at this instant.
    pub(crate) now: i64,
    /// Those after this event.
    pub(crate) after: EventId,
    pub(crate) limit: i64,
}

/// What an engine must do. `contract/` is a suite that each must pass: it fails where any one of these methods is left out.
pub(crate) trait Store: Send + Sync {
    /// The installation's id; made on first open.
    fn installation(&self) -> Answer<'_, LookupKey>;
    /// The strand of this name, made if it is new; `at` is when.
    fn strand(&self, name: &str) -> Answer<'_, Strand>;
    /// Every strand, by id.
    fn strands(&self) -> Answer<'_, Vec<Strand>>;
    /// Hands out `count` ids of a strand; gaps mean nothing.
    fn reserve(&self, strand: StrandId, count: i64) -> Answer<'_, i64>;
    /// Appends and projects a batch in one durable transaction, if its leases and guards hold then.
    fn commit(&self, batch: Batch) -> Answer<'_, Commit>;
    /// The same for several batches, all or none of them: what they touch together is written once.
    fn commit_all(&self, batches: Vec<Batch>) -> Answer<'_, Vec<Commit>>;
    /// Takes the lease of a stage and strand if it is free, over, or held by the taking that the asker knows to be dead.
    fn take_lease(&self, ask: LeaseAsk) -> Answer<'_, LeaseAnswer>;
    /// Gives these leases a later end if they are still ours and not over at `now`; answers those that are lost.
    fn renew_leases(&self, leases: Vec<Lease>, now: i64, until: i64) -> Answer<'_, Vec<Lease>>;
    /// Gives back these leases, as far as they are still ours.
    fn release_leases(&self, leases: Vec<Lease>) -> Answer<'_, ()>;
    /// Every lease, by stage and strand, those that are over too.
    fn leases(&self) -> Answer<'_, Vec<LeaseRow>>;
    /// Ledger rows of a strand after `seq`, at most `limit`.
    fn ledger(&self, strand: StrandId, after: i64, limit: i64) -> Answer<'_, Vec<LedgerRow>>;
    /// Rows of a kind of a strand that has few rows, after `seq`, at most `limit`.
    fn ledger_of_kind(
        &self,
        strand: StrandId,
        kind: Kind,
        after: i64,
        limit: i64,
    ) -> Answer<'_, Vec<LedgerRow>>;
    /// One ledger row.
    fn ledger_at(&self, place: Place) -> Answer<'_, Option<LedgerRow>>;
    /// Lifts the time of every strand, so that nothing can be written behind a cut.
    fn raise_clock(&self, at: i64) -> Answer<'_, ()>;
    /// The time of the last row of any strand.
    fn last_at(&self) -> Answer<'_, i64>;

    /// Keys with these looks.
    fn keys_by_lookup(&self, lookups: Vec<LookupKey>) -> Answer<'_, Vec<KeyRow>>;
    /// Keys with these ids.
    fn keys(&self, ids: Vec<KeyId>) -> Answer<'_, Vec<KeyRow>>;
    /// Persons of legs that have not ended and whose key is gone, at most `limit`.
    fn keyless_persons(&self, limit: i64) -> Answer<'_, Vec<KeyId>>;
    /// Adds a key outside any batch (installation and source keys, made on first open); one of the same id or look that is
    /// there already stays.
    fn add_key(&self, key: KeyRow) -> Answer<'_, ()>;
    /// Which of these looks are known, with the raw input's id.
    fn raws_by_lookup(&self, lookups: Vec<LookupKey>) -> Answer<'_, Vec<(LookupKey, RawId)>>;
    /// Raw inputs with these ids.
    fn raws(&self, ids: Vec<RawId>) -> Answer<'_, Vec<RawRow>>;
    /// Raw inputs after `after` in id order, at most `limit`: for proving.
    fn raws_after(&self, after: RawId, limit: i64) -> Answer<'_, Vec<RawRow>>;

    /// Legs of these referrals.
    fn legs_by_lookup(&self, lookups: Vec<LookupKey>) -> Answer<'_, Vec<Leg>>;
    /// Legs with these ids.
    fn legs(&self, ids: Vec<LegId>) -> Answer<'_, Vec<Leg>>;
    /// Every leg of these persons.
    fn legs_of_persons(&self, persons: Vec<KeyId>) -> Answer<'_, Vec<Leg>>;
    /// The legs of these printed references; those that were never given out are missing.
    fn legs_by_references(&self, references: Vec<LegReference>) -> Answer<'_, Vec<Leg>>;
    /// Legs with something to send to a partner, after id `after`.
    fn legs_pending(&self, partner: StrandId, after: LegId, limit: i64) -> Answer<'_, Vec<Leg>>;
    /// Legs after id `after`, at most `limit`.
    fn legs_after(&self, after: LegId, limit: i64) -> Answer<'_, Vec<Leg>>;
    /// Legs of a source that have not ended, after id `after`.
    fn open_legs(&self, source: StrandId, after: LegId, limit: i64) -> Answer<'_, Vec<Leg>>;
    /// Legs of a partner that have not ended and are decided, after id `after`.
    fn open_legs_with(&self, partner: StrandId, after: LegId, limit: i64) -> Answer<'_, Vec<Leg>>;
    /// How many legs of each partner are open, held ones without a partner aside.
    fn open_leg_counts(&self) -> Answer<'_, Vec<(StrandId, i64)>>;
    /// Legs by source, partner, state and reason of state: counts for status and report.
    fn leg_counts(&self) -> Answer<'_, Vec<rows::LegCount>>;

    /// The newest drop of a partner.
    fn last_drop(&self, partner: StrandId) -> Answer<'_, Option<DropFile>>;
    /// Drops of a partner after a sequence number, at most `limit`.
    fn drop_files(&self, partner: StrandId, after: i64, limit: i64) -> Answer<'_, Vec<DropFile>>;
    /// Drops with these ids.
    fn drop_files_by_id(&self, ids: Vec<DropId>) -> Answer<'_, Vec<DropFile>>;
    /// Drops of a partner (none: of all) that have come so far and no further, after drop `after`, at most `limit`.
    fn drop_files_in(
        &self,
        state: rows::DropState,
        partner: StrandId,
        after: DropId,
        limit: i64,
    ) -> Answer<'_, Vec<DropFile>>;
    /// Rows of a drop after row `after`, at most `limit`.
    fn drop_rows(&self, drop_id: DropId, after: i64, limit: i64) -> Answer<'_, Vec<DropRow>>;
    /// Rows of drops up to and with a day, counted by partner and action; not those of drops that were taken back.
    fn drop_row_counts(&self, to_day: i64) -> Answer<'_, Vec<rows::DropRowCount>>;
    /// The same of these drops.
    fn drop_row_counts_of(&self, ids: Vec<DropId>) -> Answer<'_, Vec<rows::DropRowCount>>;
    /// Rows of drops ever made for these legs, oldest first: those that left, are prepared, and were taken back.
    fn drop_rows_of_legs(&self, legs: Vec<LegId>) -> Answer<'_, Vec<DropRow>>;
    /// A mapping text as it was used.
    fn rule(&self, hash: Digest) -> Answer<'_, Option<String>>;

    /// The return with these bytes, if it was taken.
    fn return_by_lookup(&self, lookup: LookupKey) -> Answer<'_, Option<ReturnFile>>;
    /// Return files after return `after`, oldest first, at most `limit`.
    fn return_files(&self, after: ReturnId, limit: i64) -> Answer<'_, Vec<ReturnFile>>;
    /// Returns of a sender that could be read, were not undone, and were written after an instant in microseconds since 1970:
    /// the newest first, at most [`rows::NEWER_RETURNS`].
    fn returns_written_after(&self, sender: StrandId, at: i64) -> Answer<'_, Vec<ReturnId>>;
    /// The bytes of a return as they came, sealed under the file's key.
    fn return_bytes(&self, return_id: ReturnId) -> Answer<'_, Option<Vec<u8>>>;
    /// How many return files each sender has.
    fn return_counts(&self) -> Answer<'_, Vec<(StrandId, i64)>>;
    /// Rows of a return after row `after`, at most `limit`.
    fn return_rows(
        &self,
        return_id: ReturnId,
        after: i64,
        limit: i64,
    ) -> Answer<'_, Vec<ReturnRow>>;
    /// Events of these legs, those of each leg in the order in which they came.
    fn events_of_legs(&self, legs: Vec<LegId>) -> Answer<'_, Vec<EventRow>>;
    /// Events with these ids.
    fn events(&self, ids: Vec<EventId>) -> Answer<'_, Vec<EventRow>>;
    /// Writes of a source in this state that are due, after event `after`.
    fn pushes(&self, query: PushQuery) -> Answer<'_, Vec<PushRow>>;
    /// Writes of these events.
    fn pushes_of_events(&self, events: Vec<EventId>) -> Answer<'_, Vec<PushRow>>;
    /// What a source's system has been told of these legs.
    fn mirrors(&self, legs: Vec<LegId>) -> Answer<'_, Vec<MirrorRow>>;
    /// Every such row after leg `after`: for proving.
    fn mirrors_after(&self, after: LegId, limit: i64) -> Answer<'_, Vec<MirrorRow>>;
    /// Legs of a source that its system should be told of, after id `after`.
    fn legs_to_tell(
        &self,
        source: StrandId,
        kind: MirrorKind,
        after: LegId,
        limit: i64,
    ) -> Answer<'_, Vec<Leg>>;
    /// Writes by source and state.
    fn push_counts(&self) -> Answer<'_, Vec<(StrandId, PushState, i64)>>;
    /// Every write after event `after`: for proving.
    fn pushes_after(&self, after: EventId, limit: i64) -> Answer<'_, Vec<PushRow>>;

    /// The hold with this number, settled or not.
    fn hold(&self, number: HoldNumber) -> Answer<'_, Option<HeldRow>>;
    /// Open holds of these legs, by number.
    fn holds_of_legs(&self, legs: Vec<LegId>) -> Answer<'_, Vec<HeldRow>>;
    /// Open holds after a number, at most `limit`.
    fn open_holds(&self, after: HoldNumber, limit: i64) -> Answer<'_, Vec<HeldRow>>;
    /// Every hold after a number, settled ones too, at most `limit`: for proving.
    fn holds_after(&self, after: HoldNumber, limit: i64) -> Answer<'_, Vec<HeldRow>>;
    /// Open holds that began before an instant, counted by what they have alike.
    fn hold_counts(&self, before: i64) -> Answer<'_, Vec<rows::HoldCount>>;
    /// Books of a run (none: of what belongs to no run).
    fn books(&self, run: RunId) -> Answer<'_, Vec<BookRow>>;
    /// Books of the next `limit` runs after a run: for proving.
    fn books_after(&self, run: RunId, limit: i64) -> Answer<'_, Vec<BookRow>>;
    /// The newest run that has a book.
    fn last_run(&self) -> Answer<'_, Option<RunId>>;
    /// Counts of a stage over all runs, by source and partner, without their reasons.
    fn book_sums(&self, stage: Stage) -> Answer<'_, Vec<rows::BookSum>>;
    /// The newest certificate of each source.
    fn certificates(&self) -> Answer<'_, Vec<Certificate>>;
    /// Facts of months up to and with `month`, counted by what they have alike.
    fn fact_counts(&self, month: i64) -> Answer<'_, Vec<rows::FactCount>>;

    /// The newest day seal: day, root, mac.
    fn last_day_seal(&self) -> Answer<'_, Option<(i64, Digest, Digest)>>;
    /// Day seals after a day, oldest first, at most `limit`.
    fn day_seals(&self, after: i64, limit: i64) -> Answer<'_, Vec<(i64, Digest, Digest)>>;
    /// What a day seal says of each strand: strand, seq, head.
    fn day_seal_strands(&self, day: i64) -> Answer<'_, Vec<(StrandId, i64, Digest)>>;
    /// The last row of each strand before an instant: strand, seq, head.
    fn heads_before(&self, at: i64) -> Answer<'_, Vec<(StrandId, i64, Digest)>>;
    /// A published report: name, digest, bytes.
    fn published(
        &self,
        night: i64,
        commissioner: &str,
    ) -> Answer<'_, Vec<(String, Digest, Vec<u8>)>>;
    /// The next `limit` nights after a night that have a published report, with the commissioners who have one.
    fn published_nights(&self, after: i64, limit: i64) -> Answer<'_, Vec<(i64, String)>>;
    /// The sealed cells of a night.
    fn cube(&self, night: i64, commissioner: &str) -> Answer<'_, Option<Vec<u8>>>;
}
