//! Ledger bodies: what each kind of row says. They are written and read in this module alone.
//!
//! In: a [`Body`]. Out: its bytes, and back. A body is a compact JSON array: the fields of its variant in the order in which
//! they stand below, numbers as they are, states and reasons as their numbers (0 for none), digests in hexadecimal (empty for
//! none). Keeps: [`Body::read`] gives back what [`Body::to_json`] was given; the bytes of a kind never change, since every
//! row's hash is over them; no personal data and no free text but the names of those who decided.

mod field;
#[cfg(test)]
mod tests;

pub(crate) use field::reasons_json;
use field::{BodyField, BodyReader, BodyWriter, fields_of};

use super::rows::{
    LedgerRow, MirrorKind, MirrorRow, Place, PushKind, PushRow, PushState, Standing,
};
use crate::domain::coded_enums::coded;
use crate::domain::{
    Counts, LegId, LegReference, NoteId, Owner, RawId, Reason, ReturnId, Stage, StrandId,
};
use crate::seal::{Digest, sha256};

/// The one table of kinds: number, words in `kith trace`, and fields in the order in which they are written.
macro_rules! bodies {
    ($(#[$meta:meta])* pub(crate) enum Body {
        $($(#[$about:meta])* $kind:ident = $number:literal $word:literal
            $({ $($(#[$field_about:meta])* $field:ident: $type:ty),+ $(,)? })?,)+
    }) => {
        coded! {
            /// The kind of a ledger row, with its words in `kith trace`; numbers are never reused.
            pub(crate) enum Kind {
                $($kind = $number $word,)+
            }
        }

        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum Body {
            $($(#[$about])* $kind $({ $($(#[$field_about])* $field: $type),+ })?,)+
        }

        impl Body {
            /// The kind of its row.
            pub(crate) fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind { .. } => Kind::$kind,)+
                }
            }

            /// Its bytes in the ledger.
            pub(crate) fn to_json(&self) -> Vec<u8> {
                let mut to = BodyWriter::new(self.capacity());
                match self {
                    $(Self::$kind { $($($field),+)? } => { $($($field.write(&mut to);)+)? })+
                }
                to.finish()
            }

            /// The body of a row of this kind; `None` if no version writes such bytes.
            pub(crate) fn read(kind: Kind, bytes: &[u8]) -> Option<Self> {
                let mut from = BodyReader::new(bytes)?;
                let body = match kind {
                    $(Kind::$kind => Self::$kind { $($($field: BodyField::read(&mut from)?),+)? },)+
                };
                from.is_done().then_some(body)
            }
        }
    };
}

/// First half of the hash of the rules by which a leg was decided.
pub(crate) type RuleDigits = [u8; 16];

bodies! {
    /// What a row of the ledger says; its subject stands beside it, in the row.
    pub(crate) enum Body {
        /// An installation began. No version has written it; its number stays taken.
        Opened = 1 "installation opened",
        /// A run began. Subject: the run.
        Run = 2 "run" {
            /// Hash of the rules in force.
            rules: Digest,
            /// What it runs, as one text of names.
            stages: Vec<Stage>,
        },
        /// A version of a partner's file was seen or approved. Subject: the partner's strand.
        RulesInForce = 3 "rules in force" {
            /// Hash of the file with all that it names.
            file: Digest,
            /// Hash of the text that says where its drops go.
            destination: Digest,
            how: How,
            /// Who approved it, and the note that says why; two fields, both absent if nobody did.
            approved: Option<(String, NoteId)>,
        },
        /// A run came to its end. Subject: the run.
        RunEnded = 4 "run ended" {
            result: RunResult,
            /// Codes of what could not be reached, by blanks, each with whom it is about where that is known
            /// (`DELIVER-001@partner:elm`); empty where all was.
            unreachable: String,
        },
        /// A leg began. Subject: the leg, as in the five kinds that follow.
        Received = 10 "received from the practice" {
            step: LegStep,
            reference: LegReference,
            source: StrandId,
            vouched: Vouched,
        },
        /// Select and map decided about a leg.
        Decided = 11 "decided" { step: LegStep, rule: RuleDigits },
        /// The practice's record changed, or is gone.
        Amended = 12 "changed at the practice" { step: LegStep, vouched: Vouched },
        /// A person ended a leg that waited.
        Settled = 13 "settled by a person" {
            step: LegStep,
            /// The open leg that it was joined to; absent if it was rejected.
            joined: Option<LegId>,
        },
        /// A return told of a leg.
        Reported = 14 "reported by the partner" {
            step: LegStep,
            /// How many new events.
            events: usize,
        },
        /// A leg's row was picked up with its drop.
        Delivered = 15 "picked up by the partner" { step: LegStep },
        /// A resource that is part of no leg was kept. Subject: the raw input.
        Resource = 20 "resource kept" {
            /// The raw input and the digest of its ciphertext, as a list of one.
            vouched: (RawId, Digest),
        },
        /// A stage counted. Subject: the run.
        Counted = 21 "counted" {
            stage: Stage,
            source: StrandId,
            partner: StrandId,
            file: i64,
            /// As it was written; the balance says that it is the sum of the four counts.
            received: u64,
            /// Accepted, repeated, rejected, held, and an object of reasons.
            counts: Counts,
        },
        /// A pull said what it can promise. Subject: the run.
        Certified = 22 "pull certified" {
            /// Of verdict and evidence.
            digest: Digest,
            /// Up to when the source's changes are known, microseconds UTC.
            high: i64,
        },
        /// A hold was opened. Subject: its number.
        Held = 23 "held" { hold: NewHold },
        /// A hold ended. Subject: its number.
        Released = 24 "hold ended",
        /// A person decided. Subject: the hold, or the return that was undone.
        Signed = 25 "decided by a person" {
            act: SignedAct,
            by: String,
            owner: Owner,
            /// The sealed note that says why.
            note: NoteId,
        },
        /// A person looked at an identity. Subject: the leg.
        Viewed = 26 "looked at by a person" {
            /// Where.
            at: String,
            by: String,
            /// The sealed note that says why.
            note: NoteId,
        },
        /// A drop was made. Subject: the drop.
        Prepared = 30 "drop prepared" {
            sequence: i64,
            rows: i64,
            /// Keyed digest of the file.
            digest: Digest,
            /// Merkle root of its rows.
            root: Digest,
            /// Hash of the partner's file; none of a file for a practice.
            rule: Option<Digest>,
        },
        /// A drop left. Subject: the drop.
        Sent = 31 "sent to the partner" {
            sequence: i64,
            /// Rows whose legs move with it; 0 of a file for a practice, and where each leg is moved by a row of its own.
            rows: i64,
        },
        /// A drop was picked up. Subject: the drop.
        DropDelivered = 32 "drop picked up" { sequence: i64 },
        /// A return was taken. Subject: the return.
        Returned = 40 "return taken" {
            rows: usize,
            events: usize,
            /// Merkle root of the file with its bytes, its rows and its events.
            root: Digest,
        },
        /// A return was undone. Subject: the undoing.
        Undone = 41 "return undone" {
            return_id: ReturnId,
            events: usize,
            /// Merkle root of the events that take it back.
            root: Digest,
        },
        /// A write was put into the queue. Subject: the event, as in the two kinds that follow.
        Queued = 50 "queued for the GP record" {
            leg: LegId,
            source: StrandId,
            state: PushState,
            reason: Option<Reason>,
            kind: PushKind,
        },
        /// A write begins.
        Pushing = 51 "writing to the GP record" { attempts: i64 },
        /// A write ended.
        Pushed = 52 "answered by the GP system" {
            state: PushState,
            attempts: i64,
            /// Answers lost in a row.
            lost: i64,
            /// Answers with 408 in a row.
            timed_out: i64,
            reason: Option<Reason>,
            /// Digest of the server's id as it is sealed.
            server_id: Option<Digest>,
        },
        /// A GP system is about to be told where a leg stands. Subject: the leg.
        Mirroring = 53 "telling the GP system where it stands" { told: MirrorBody },
        /// A GP system was told where a leg stands. Subject: the leg.
        Mirrored = 54 "GP system told where it stands" { told: MirrorBody },
        /// A person took the store into use as it stands. Subject: the installation's strand.
        Accepted = 62 "store taken into use as it is" {
            by: String,
            /// The sealed note that says why.
            note: NoteId,
            /// The machine's instant then, microseconds UTC: it was right.
            clock: i64,
            /// Since when what was not sent waits to be looked at; 0 if only the clock was doubted.
            restored: i64,
        },
        /// A drop that was prepared is taken back: it never left, and its number stays given. Subject: the drop.
        Voided = 63 "drop taken back" {
            sequence: i64,
            /// Who took it back, and the note that says why; two fields, both absent where a run did.
            by: Option<(String, NoteId)>,
        },
        /// A person said of a drop that was prepared that the partner has it; it stands before the row that it was sent. Subject: the
        /// drop.
        SaidSent = 68 "sent, as a person says" {
            sequence: i64,
            by: String,
            /// The sealed note that says why.
            note: NoteId,
        },
        /// A drop that was kept from leaving is about to be put out again. Subject: the drop.
        Leaving = 64 "drop put out again" { sequence: i64 },
        /// A drop that was prepared did not leave: nobody can have seen anything of it. Subject: the drop.
        Kept = 65 "drop kept from leaving" { sequence: i64 },
        /// A leg's row had left with its drop, although the leg changed before that was recorded. Subject: the leg.
        Left = 66 "had been sent before it changed" { step: LegStep },
        /// A day was sealed. Subject: the day.
        DaySealed = 60 "day sealed" { root: Digest },
        /// A report was published. Subject: the night.
        Published = 61 "report published" {
            commissioner: String,
            name: String,
            digest: Digest,
        },
        /// The files of a report were written where they go. Subject: the night.
        Written = 67 "report written" { commissioner: String },
        /// The list of the people who are open with a partner was made, and may lie in `out/`. Subject: the drop that it follows.
        PeopleListed = 69 "list of people made" {
            sequence: i64,
            rows: i64,
            /// Keyed digest of the file.
            digest: Digest,
        },
        /// That list was put in the place of the one before. Subject: the drop.
        PeopleRenewed = 70 "list of people renewed" { sequence: i64 },
    }
}

/// Raw inputs and the digests of their ciphertexts, for which a row vouches: `[[id, "digest"], …]`.
pub(crate) type Vouched = Vec<(RawId, Digest)>;

/// What every row of a leg begins with: the revision, the place of the row before, and all that the leg is after it (state,
/// partner, person, reason, pending, asked, closing, the six raw inputs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LegStep {
    pub(crate) rev: i64,
    /// Where the leg's row before this one stands.
    pub(crate) prev: Place,
    pub(crate) after: Standing,
}

fields_of!(LegStep { rev, prev, after });
fields_of!(Place { strand, seq });
fields_of!(Standing {
    state,
    partner,
    person,
    why,
    pending,
    asked,
    closing,
    raws
});

impl LegStep {
    /// A step to a standing; its revision and the place before it are filled in by the chain.
    pub(crate) fn to(after: Standing) -> Self {
        Self {
            rev: 0,
            prev: Place::default(),
            after,
        }
    }
}

/// A hold: a question, what it is about, and what it was raised by (0 where one does not apply).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewHold {
    pub(crate) leg: LegId,
    pub(crate) stage: Stage,
    pub(crate) reason: Reason,
    pub(crate) source: StrandId,
    pub(crate) partner: StrandId,
    pub(crate) return_id: ReturnId,
    pub(crate) row: i64,
}

fields_of!(NewHold {
    leg,
    stage,
    reason,
    source,
    partner,
    return_id,
    row
});

impl NewHold {
    /// A question that a stage raises, about nothing yet.
    pub(crate) fn new(stage: Stage, reason: Reason) -> Self {
        let (return_id, row) = (ReturnId::NONE, 0);
        let (leg, source, partner) = (LegId::NONE, StrandId::NONE, StrandId::NONE);
        Self {
            leg,
            stage,
            reason,
            source,
            partner,
            return_id,
            row,
        }
    }

    /// About this leg.
    pub(crate) fn leg(self, leg: LegId) -> Self {
        Self { leg, ..self }
    }

    /// Of this source.
    pub(crate) fn source(self, source: StrandId) -> Self {
        Self { source, ..self }
    }

    /// Of this partner.
    pub(crate) fn partner(self, partner: StrandId) -> Self {
        Self { partner, ..self }
    }

    /// About this return, and a row of it (0 for all).
    pub(crate) fn row(self, return_id: ReturnId, row: i64) -> Self {
        Self {
            return_id,
            row,
            ..self
        }
    }
}

/// How far a GP system has been told where a leg stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MirrorBody {
    pub(crate) kind: MirrorKind,
    pub(crate) state: PushState,
    pub(crate) attempts: i64,
    /// Answers lost in a row.
    pub(crate) lost: i64,
    /// Answers with 408 in a row.
    pub(crate) timed_out: i64,
    /// What was last answered.
    pub(crate) last_status: i64,
    /// Digest of the server's id as it is sealed.
    pub(crate) server_id: Option<Digest>,
}

coded! {
    /// How a version of a partner's file came to stand where it stands.
    pub(crate) enum How {
        /// Approved by being first.
        First = 1 "first",
        /// Allows nothing that was not approved.
        Narrower = 2 "narrower",
        /// Widens, and nobody has approved it.
        Waits = 3 "waits",
        /// Approved by a person.
        Approved = 4 "approved",
    }
}

coded! {
    /// How a run ended, as its exit code says.
    pub(crate) enum RunResult {
        /// Exit 0.
        Done = 1 "done",
        /// Exit 1: something waits for a person, or was not reached.
        Waits = 2 "waits",
        /// Exit 2: it could not go on.
        Failed = 3 "failed",
    }
}

coded! {
    /// What a person decided.
    pub(crate) enum SignedAct {
        Release = 1 "release",
        Assign = 2 "assign",
        Join = 3 "join",
        Reject = 4 "reject",
        Undo = 5 "undo",
    }
}

impl Kind {
    /// Whether the body begins with a leg's step.
    pub(crate) fn of_leg(self) -> bool {
        matches!(
            self,
            Self::Received
                | Self::Decided
                | Self::Amended
                | Self::Settled
                | Self::Reported
                | Self::Delivered
                | Self::Left
        )
    }
}

impl Body {
    /// The step of a leg's row; `None` of every other row.
    pub(crate) fn step(&self) -> Option<&LegStep> {
        match self {
            Self::Received { step, .. }
            | Self::Decided { step, .. }
            | Self::Amended { step, .. }
            | Self::Settled { step, .. }
            | Self::Reported { step, .. }
            | Self::Delivered { step }
            | Self::Left { step } => Some(step),
            _ => None,
        }
    }

    /// The same, to fill in what only the chain knows.
    pub(super) fn step_mut(&mut self) -> Option<&mut LegStep> {
        match self {
            Self::Received { step, .. }
            | Self::Decided { step, .. }
            | Self::Amended { step, .. }
            | Self::Settled { step, .. }
            | Self::Reported { step, .. }
            | Self::Delivered { step }
            | Self::Left { step } => Some(step),
            _ => None,
        }
    }

    /// The ciphertexts for which the row vouches.
    pub(crate) fn vouched(&self) -> &[(RawId, Digest)] {
        match self {
            Self::Received { vouched, .. } | Self::Amended { vouched, .. } => vouched,
            Self::Resource { vouched } => std::slice::from_ref(vouched),
            _ => &[],
        }
    }

    /// Bytes that it is likely to need.
    fn capacity(&self) -> usize {
        96 + 96 * self.vouched().len() + usize::from(self.step().is_some()) * 96
    }

    /// A write that joins the queue.
    pub(crate) fn queued(push: &PushRow) -> Self {
        Self::Queued {
            leg: push.leg,
            source: push.source,
            state: push.state,
            reason: push.reason,
            kind: push.kind,
        }
    }

    /// A write as it ended.
    pub(crate) fn pushed(push: &PushRow) -> Self {
        Self::Pushed {
            state: push.state,
            attempts: push.attempts,
            lost: push.unanswered.lost,
            timed_out: push.unanswered.timed_out,
            reason: push.reason,
            server_id: sealed(push.server_id.as_deref()),
        }
    }
}

fields_of!(MirrorBody {
    kind,
    state,
    attempts,
    lost,
    timed_out,
    last_status,
    server_id
});

impl LedgerRow {
    /// What it says; `None` of a kind that this version does not know, or if it says what no version writes.
    pub(crate) fn body(&self) -> Option<Body> {
        Body::read(Kind::from_number(self.kind)?, &self.body)
    }
}

impl From<&MirrorRow> for MirrorBody {
    fn from(row: &MirrorRow) -> Self {
        Self {
            kind: row.kind,
            state: row.state,
            attempts: row.attempts,
            lost: row.unanswered.lost,
            timed_out: row.unanswered.timed_out,
            last_status: row.last_status,
            server_id: sealed(row.server_id.as_deref()),
        }
    }
}

fn sealed(server_id: Option<&[u8]>) -> Option<Digest> {
    server_id.map(|sealed| sha256(&[sealed]))
}
