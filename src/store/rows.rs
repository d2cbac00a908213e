//! The rows that pass through the store, as plain values.

pub(crate) use super::standing::{RawIds, Standing};
pub(crate) use crate::domain::LegState;
use crate::domain::coded_enums::{coded, numbered};
use crate::domain::{
    Action, Counts, Disposition, DropId, EventId, EventKind, HoldNumber, KeyId, LegId,
    LegReference, RawId, Reason, ReturnId, RunId, Stage, StrandId,
};
use crate::seal::{Digest, LookupKey};

/// A place in the ledger: strand and sequence number; (0, 0) is before everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) strand: StrandId,
    pub(crate) seq: i64,
}

/// One hash chain of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strand {
    pub(crate) id: StrandId,
    pub(crate) name: String,
    pub(crate) seq: i64,
    pub(crate) head: Digest,
    pub(crate) at: i64,
    /// Of a source: hash of the rules under which all that waits was looked at; none where that is not known.
    pub(crate) rules: Option<Digest>,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerRow {
    pub(crate) strand: StrandId,
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) kind: i64,
    pub(crate) subject: i64,
    pub(crate) body: Vec<u8>,
    pub(crate) hash: Digest,
}

numbered! {
    /// Whose key a row of the keyring is.
    pub(crate) enum KeyKind {
        Person = 1,
        File = 2,
        Source = 3,
        Installation = 4,
        Secret = 5,
    }
}

/// A wrapped key.
#[derive(Clone, Debug)]
pub(crate) struct KeyRow {
    pub(crate) id: KeyId,
    pub(crate) kind: KeyKind,
    pub(crate) lookup: Option<LookupKey>,
    pub(crate) wrapped: Vec<u8>,
}

numbered! {
    /// What a raw input is.
    pub(crate) enum RawKind {
        ServiceRequest = 1,
        Patient = 2,
        Practitioner = 3,
        PractitionerRole = 4,
        Organization = 5,
        Consent = 6,
        HealthcareService = 7,
    }
}

impl RawKind {
    /// The FHIR resource type.
    pub(crate) fn resource_type(self) -> &'static str {
        match self {
            Self::ServiceRequest => "ServiceRequest",
            Self::Patient => "Patient",
            Self::Practitioner => "Practitioner",
            Self::PractitionerRole => "PractitionerRole",
            Self::Organization => "Organization",
            Self::Consent => "Consent",
            Self::HealthcareService => "HealthcareService",
        }
    }
}

/// A sealed input as it came.
#[derive(Clone, Debug)]
pub(crate) struct RawRow {
    pub(crate) id: RawId,
    pub(crate) holder: KeyId,
    pub(crate) kind: RawKind,
    pub(crate) lookup: Option<LookupKey>,
    pub(crate) sealed: Vec<u8>,
}

/// A leg: one referral to one partner, as projected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) reference: LegReference,
    pub(crate) lookup: Option<LookupKey>,
    pub(crate) source: StrandId,
    pub(crate) now: Standing,
    /// When it came to stand there.
    pub(crate) since: i64,
    /// When it was received.
    pub(crate) born: i64,
    pub(crate) rev: i64,
    pub(crate) last: Place,
}

impl Leg {
    /// Where it stands as a GP system is told of it: the state, and whether a stop waits to be acknowledged. SQL says the same.
    pub(crate) fn status_code(&self) -> i64 {
        let stopping = self.now.asked == Some(Action::Stop);
        self.now.state.number() * 2 + i64::from(stopping)
    }
}

/// A count of legs alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LegCount {
    pub(crate) source: StrandId,
    pub(crate) partner: StrandId,
    pub(crate) state: LegState,
    pub(crate) why: Option<Reason>,
    pub(crate) count: i64,
}

/// How far a drop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DropState {
    Prepared = 1,
    Sent = 2,
    Delivered = 3,
    /// Taken back: it never left.
    Voided = 4,
}

impl DropState {
    /// Whether its rows are with the partner.
    pub(crate) fn has_left(self) -> bool {
        matches!(self, Self::Sent | Self::Delivered)
    }
}

/// A drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DropFile {
    pub(crate) id: DropId,
    pub(crate) partner: StrandId,
    pub(crate) sequence: i64,
    pub(crate) name: String,
    /// London day of the run, as a day number.
    pub(crate) day: i64,
    pub(crate) rows: i64,
    /// Keyed digest of the file's SHA-256.
    pub(crate) digest: Digest,
    pub(crate) root: Digest,
    /// Hash of the partner's rules that made it.
    pub(crate) rule: Digest,
    pub(crate) mapper: i64,
    pub(crate) state: DropState,
}

/// A row of a drop: evidence of what was sent, without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DropRow {
    pub(crate) drop_id: DropId,
    pub(crate) row: i64,
    pub(crate) leg: LegId,
    /// The leg's revision after the row was sent.
    pub(crate) rev: i64,
    /// The leg's last event before it.
    pub(crate) prev: Place,
    pub(crate) action: Action,
    pub(crate) raws: RawIds,
    /// Headers of the columns that changed, for an AMEND row.
    pub(crate) changed: String,
    /// Keyed digest of the row's cells.
    pub(crate) digest: LookupKey,
}

/// Rows sent to a partner that ask the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DropRowCount {
    pub(crate) partner: StrandId,
    pub(crate) action: Action,
    pub(crate) count: i64,
}

/// State of a return that was read.
pub(crate) const RETURN_READ: i64 = 1;
/// Newer returns that are looked at beside an older one: a partner that sends daily has fewer in three years.
pub(crate) const NEWER_RETURNS: i64 = 1_000;

/// A return as taken.
#[derive(Clone, Debug)]
pub(crate) struct ReturnFile {
    pub(crate) id: ReturnId,
    pub(crate) sender: StrandId,
    pub(crate) holder: KeyId,
    pub(crate) lookup: LookupKey,
    pub(crate) rows: i64,
    pub(crate) root: Digest,
    pub(crate) sealed_name: Vec<u8>,
    pub(crate) sealed_frame: Vec<u8>,
    pub(crate) state: i64,
    /// Keyed digest of what told the file from another one of its name and bytes: of the place where it lay, so in no root.
    pub(crate) version: LookupKey,
    /// When its sender wrote it, in microseconds since 1970.
    pub(crate) written: i64,
}

/// A row of a return and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct ReturnRow {
    pub(crate) return_id: ReturnId,
    pub(crate) row: i64,
    pub(crate) leg: LegId,
    pub(crate) holder: KeyId,
    pub(crate) disposition: Disposition,
    pub(crate) reason: Option<Reason>,
    pub(crate) digest: LookupKey,
    pub(crate) sealed: Vec<u8>,
}

/// An event of a return.
#[derive(Clone, Debug)]
pub(crate) struct EventRow {
    pub(crate) id: EventId,
    pub(crate) lookup: LookupKey,
    pub(crate) leg: LegId,
    pub(crate) rev: i64,
    pub(crate) kind: EventKind,
    pub(crate) return_id: ReturnId,
    pub(crate) row: i64,
    pub(crate) holder: KeyId,
    pub(crate) sealed: Vec<u8>,
}

coded! {
    /// How far a write to a GP system has come.
    pub(crate) enum PushState {
        Queued = 1 "queued",
        Sending = 2 "sending",
        AnswerLost = 3 "answer-lost",
        /// Waits for a person or an event; looked at again in each run.
        Waiting = 4 "held",
        Confirmed = 5 "confirmed",
        Refused = 6 "refused",
        Off = 7 "off",
    }
}

numbered! {
    /// What a write does to the record.
    pub(crate) enum PushKind {
        /// A new Observation.
        Create = 1,
        /// The same Observation, `amended`.
        Amend = 2,
        /// The same Observation, `entered-in-error`.
        Withdraw = 3,
    }
}

/// Answers to a write that settled nothing, one after the other, up to the last try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unanswered {
    /// Lost, or with 408.
    pub(crate) lost: i64,
    /// With 408, and none other in between.
    pub(crate) timed_out: i64,
}

/// A write to a GP system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PushRow {
    pub(crate) event: EventId,
    pub(crate) leg: LegId,
    pub(crate) source: StrandId,
    pub(crate) kind: PushKind,
    pub(crate) state: PushState,
    /// Claims of it, whatever came of them.
    pub(crate) attempts: i64,
    pub(crate) unanswered: Unanswered,
    pub(crate) reason: Option<Reason>,
    /// Not to be sent before this instant, microseconds UTC; 0 for at once.
    pub(crate) due: i64,
    /// The server's id, sealed.
    pub(crate) server_id: Option<Vec<u8>>,
}

/// A write's next standing, and where it must still be found: who finds it elsewhere has lost it to another run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PushUpdate {
    pub(crate) row: PushRow,
    pub(crate) was: PushState,
    pub(crate) attempts_were: i64,
}

numbered! {
    /// Which resource follows a leg on a GP system.
    pub(crate) enum MirrorKind {
        /// The Task of the leg.
        Task = 1,
        /// The referral's own status.
        Request = 2,
    }
}

/// How far a GP system has been told where a leg stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MirrorRow {
    pub(crate) leg: LegId,
    pub(crate) kind: MirrorKind,
    pub(crate) source: StrandId,
    pub(crate) state: PushState,
    /// Claims of it, whatever came of them.
    pub(crate) attempts: i64,
    pub(crate) unanswered: Unanswered,
    /// What was last answered, as [`Leg::status_code`] numbers it; 0 for nothing yet.
    pub(crate) last_status: i64,
    /// The server's id, sealed.
    pub(crate) server_id: Option<Vec<u8>>,
}

/// A hold: who must decide what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldRow {
    pub(crate) number: HoldNumber,
    pub(crate) leg: LegId,
    pub(crate) stage: Stage,
    pub(crate) reason: Reason,
    pub(crate) source: StrandId,
    pub(crate) partner: StrandId,
    pub(crate) return_id: ReturnId,
    pub(crate) row: i64,
    pub(crate) since: i64,
    pub(crate) open: bool,
}

/// A count of open holds alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldCount {
    pub(crate) reason: Reason,
    pub(crate) stage: Stage,
    pub(crate) source: StrandId,
    pub(crate) partner: StrandId,
    /// Whole days that they have been open.
    pub(crate) age_days: i64,
    pub(crate) count: i64,
}

/// The counts of a stage for a run, source, partner and file (0 where one does not apply).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BookRow {
    pub(crate) run: RunId,
    pub(crate) stage: Stage,
    pub(crate) source: StrandId,
    pub(crate) partner: StrandId,
    pub(crate) file: i64,
    pub(crate) counts: Counts,
}

/// The counts of a stage over all runs, of a source and a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BookSum {
    pub(crate) source: StrandId,
    pub(crate) partner: StrandId,
    pub(crate) accepted: i64,
    pub(crate) repeated: i64,
    pub(crate) rejected: i64,
    pub(crate) held: i64,
}

/// What a pull can promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) run: RunId,
    pub(crate) source: StrandId,
    /// `complete`, `complete except …` or `unknown`.
    pub(crate) verdict: String,
    /// JSON object: window, pages, resources by status, unresolved references.
    pub(crate) evidence: String,
    /// Up to when the source's changes are known, microseconds UTC.
    pub(crate) high: i64,
    /// Digest of a folder's files, so that an unchanged one is known; empty for a search.
    pub(crate) input: Vec<u8>,
}

/// What a report needs of a measure, fixed when recorded; it leads back to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) id: i64,
    pub(crate) kind: i64,
    /// Month of the follow-up, as year × 12 + month − 1.
    pub(crate) month: i64,
    /// Month in which it was recorded.
    pub(crate) issue: i64,
    pub(crate) source: StrandId,
    pub(crate) partner: StrandId,
    pub(crate) instrument: String,
    pub(crate) item: String,
    pub(crate) before: i64,
    pub(crate) after: i64,
}

/// A count of facts alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FactCount {
    pub(crate) month: i64,
    pub(crate) issue: i64,
    pub(crate) source: StrandId,
    pub(crate) partner: StrandId,
    pub(crate) instrument: String,
    pub(crate) item: String,
    pub(crate) before: i64,
    pub(crate) after: i64,
    pub(crate) count: i64,
}
