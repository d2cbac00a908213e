//! Ledger bodies: what each kind of row says. They are written and read in this module alone.
//!
//! In: a [`Body`]. Out: its bytes, and back. A body is a compact JSON array: the fields of its variant in the order in which
//! they stand below, numbers as they are, states and reasons as their numbers (0 for none), digests in hexadecimal (empty for
//! none). Keeps: [`Body::read`] gives back what [`Body::to_json`] was given; the bytes of a kind never change, since every
//! row's hash is over them; no personal data and no free text but the names of those who decided.

mod kind;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use kind::Kind;
pub(crate) use write::reasons_json;

use super::rows::{MirrorKind, MirrorRow, Place, PushKind, PushRow, PushState, Standing};
use crate::domain::{Counts, LegId, LegReference, Owner, Reason, Stage, StrandId};
use crate::seal::{Digest, sha256};

/// First half of the hash of the rules by which a leg was decided.
pub(crate) type RuleDigits = [u8; 16];

/// What a row of the ledger says; its subject stands beside it, in the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// An installation began. No version has written it; its number stays taken.
    Opened,
    /// A run began. Subject: the run.
    Run {
        /// Hash of the rules in force.
        rules: Digest,
        /// What it runs, as one text of names.
        stages: Vec<Stage>,
    },
    /// A version of a partner's file was seen or approved. Subject: the partner's strand.
    RulesInForce {
        /// Hash of the file with all that it names.
        file: Digest,
        /// Hash of the text that says where its drops go.
        destination: Digest,
        how: How,
        /// Who approved it, and the note that says why; two fields, both absent if nobody did.
        approved: Option<(String, i64)>,
    },
    /// A leg began. Subject: the leg, as in the five kinds that follow.
    Received {
        step: LegStep,
        reference: LegReference,
        source: StrandId,
        vouched: Vouched,
    },
    /// Select and map decided about a leg.
    Decided { step: LegStep, rule: RuleDigits },
    /// The practice's record changed, or is gone.
    Amended { step: LegStep, vouched: Vouched },
    /// A person ended a leg that waited.
    Settled {
        step: LegStep,
        /// The open leg that it was joined to; absent if it was rejected.
        joined: Option<LegId>,
    },
    /// A return told of a leg.
    Reported {
        step: LegStep,
        /// How many new events.
        events: usize,
    },
    /// A leg's row was picked up with its drop.
    Delivered { step: LegStep },
    /// A resource of nobody's leg was kept. Subject: the raw input.
    Resource {
        /// The raw input and the digest of its ciphertext, as a list of one.
        vouched: (i64, Digest),
    },
    /// A stage counted. Subject: the run.
    Counted {
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
    Certified {
        /// Of verdict and evidence.
        digest: Digest,
        /// Up to when the source's changes are known, microseconds UTC.
        high: i64,
    },
    /// A hold was opened. Subject: its number.
    Held(NewHold),
    /// A hold ended. Subject: its number.
    Released,
    /// A person decided. Subject: the hold, or the return that was undone.
    Signed {
        act: SignedAct,
        by: String,
        owner: Owner,
        /// The sealed note that says why.
        note: i64,
    },
    /// A person looked at an identity. Subject: the leg.
    Viewed {
        /// Where.
        at: String,
        by: String,
        /// The sealed note that says why.
        note: i64,
    },
    /// A drop was made. Subject: the drop.
    Prepared {
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
    Sent {
        sequence: i64,
        /// Rows whose legs move with it; 0 of a file for a practice.
        rows: i64,
    },
    /// A drop was picked up. Subject: the drop.
    DropDelivered { sequence: i64 },
    /// A return was taken. Subject: the return.
    Returned {
        rows: usize,
        events: usize,
        /// Merkle root of its rows and events.
        root: Digest,
    },
    /// A return was undone. Subject: the undoing.
    Undone {
        return_id: i64,
        events: usize,
        /// Merkle root of the events that take it back.
        root: Digest,
    },
    /// A write was put into the queue. Subject: the event, as in the two kinds that follow.
    Queued {
        leg: LegId,
        source: StrandId,
        state: PushState,
        reason: Option<Reason>,
        kind: PushKind,
    },
    /// A write begins.
    Pushing { attempts: i64 },
    /// A write ended.
    Pushed {
        state: PushState,
        attempts: i64,
        reason: Option<Reason>,
        /// Digest of the server's id as it is sealed.
        server_id: Option<Digest>,
    },
    /// A GP system is about to be told where a leg stands. Subject: the leg.
    Mirroring(MirrorBody),
    /// A GP system was told where a leg stands. Subject: the leg.
    Mirrored(MirrorBody),
    /// A day was sealed. Subject: the day.
    DaySealed { root: Digest },
    /// A report was published. Subject: the night.
    Published {
        commissioner: String,
        name: String,
        digest: Digest,
    },
}

/// Raw inputs and the digests of their ciphertexts, for which a row vouches: `[[id, "digest"], …]`.
pub(crate) type Vouched = Vec<(i64, Digest)>;

/// What every row of a leg begins with: the revision, the place of the row before, and all that the leg is after it (state,
/// partner, person, reason, pending, asked, closing, the six raw inputs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LegStep {
    pub(crate) rev: i64,
    /// Where the leg's row before this one stands.
    pub(crate) prev: Place,
    pub(crate) after: Standing,
}

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
    pub(crate) return_id: i64,
    pub(crate) row: i64,
}

impl NewHold {
    /// A question that a stage raises, about nothing yet.
    pub(crate) fn new(stage: Stage, reason: Reason) -> Self {
        let (return_id, row) = (0, 0);
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
    pub(crate) fn row(self, return_id: i64, row: i64) -> Self {
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
    /// What was last answered.
    pub(crate) said: i64,
    /// Digest of the server's id as it is sealed.
    pub(crate) server_id: Option<Digest>,
}

/// How a version of a partner's file came to stand where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Approved by being first.
    First,
    /// Allows nothing that was not approved.
    Narrower,
    /// Widens, and nobody has approved it.
    Waits,
    /// Approved by a person.
    Approved,
}

impl How {
    const ALL: [Self; 4] = [Self::First, Self::Narrower, Self::Waits, Self::Approved];

    /// The word in the ledger.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Narrower => "narrower",
            Self::Waits => "waits",
            Self::Approved => "approved",
        }
    }
}

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignedAct {
    Release,
    Assign,
    Join,
    Reject,
    Undo,
}

impl SignedAct {
    const ALL: [Self; 5] = [
        Self::Release,
        Self::Assign,
        Self::Join,
        Self::Reject,
        Self::Undo,
    ];

    /// The word in the ledger.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Assign => "assign",
            Self::Join => "join",
            Self::Reject => "reject",
            Self::Undo => "undo",
        }
    }
}

impl Body {
    /// The kind of its row.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Opened => Kind::Opened,
            Self::Run { .. } => Kind::Run,
            Self::RulesInForce { .. } => Kind::RulesInForce,
            Self::Received { .. } => Kind::Received,
            Self::Decided { .. } => Kind::Decided,
            Self::Amended { .. } => Kind::Amended,
            Self::Settled { .. } => Kind::Settled,
            Self::Reported { .. } => Kind::Reported,
            Self::Delivered { .. } => Kind::Delivered,
            Self::Resource { .. } => Kind::Resource,
            Self::Counted { .. } => Kind::Counted,
            Self::Certified { .. } => Kind::Certified,
            Self::Held(_) => Kind::Held,
            Self::Released => Kind::Released,
            Self::Signed { .. } => Kind::Signed,
            Self::Viewed { .. } => Kind::Viewed,
            Self::Prepared { .. } => Kind::Prepared,
            Self::Sent { .. } => Kind::Sent,
            Self::DropDelivered { .. } => Kind::DropDelivered,
            Self::Returned { .. } => Kind::Returned,
            Self::Undone { .. } => Kind::Undone,
            Self::Queued { .. } => Kind::Queued,
            Self::Pushing { .. } => Kind::Pushing,
            Self::Pushed { .. } => Kind::Pushed,
            Self::Mirroring(_) => Kind::Mirroring,
            Self::Mirrored(_) => Kind::Mirrored,
            Self::DaySealed { .. } => Kind::DaySealed,
            Self::Published { .. } => Kind::Published,
        }
    }

    /// The step of a leg's row; `None` of every other row.
    pub(crate) fn step(&self) -> Option<&LegStep> {
        match self {
            Self::Received { step, .. }
            | Self::Decided { step, .. }
            | Self::Amended { step, .. }
            | Self::Settled { step, .. }
            | Self::Reported { step, .. }
            | Self::Delivered { step } => Some(step),
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
            | Self::Delivered { step } => Some(step),
            _ => None,
        }
    }

    /// The ciphertexts for which the row vouches.
    pub(crate) fn vouched(&self) -> &[(i64, Digest)] {
        match self {
            Self::Received { vouched, .. } | Self::Amended { vouched, .. } => vouched,
            Self::Resource { vouched } => std::slice::from_ref(vouched),
            _ => &[],
        }
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
            reason: push.reason,
            server_id: sealed(push.server_id.as_deref()),
        }
    }
}

impl From<&MirrorRow> for MirrorBody {
    fn from(row: &MirrorRow) -> Self {
        Self {
            kind: row.kind,
            state: row.state,
            attempts: row.attempts,
            said: row.said,
            server_id: sealed(row.server_id.as_deref()),
        }
    }
}

fn sealed(server_id: Option<&[u8]>) -> Option<Digest> {
    server_id.map(|sealed| sha256(&[sealed]))
}
