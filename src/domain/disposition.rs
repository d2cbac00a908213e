//! The four words with which every row leaves a room, and the counts that must balance.

use std::collections::BTreeMap;

use super::Reason;

/// How a row ended in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Disposition {
    /// Goes on to the next room.
    Accepted,
    /// Seen before: a re-sent file, an overlapping window.
    Repeated,
    /// Will never go on as it is; somebody has been told why.
    Rejected,
    /// Waits for a person or an event, has an owner, ages in the report.
    Held,
}

impl Disposition {
    /// Number in the store.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Accepted => 1,
            Self::Repeated => 2,
            Self::Rejected => 3,
            Self::Held => 4,
        }
    }

    /// The disposition with this number.
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        [Self::Accepted, Self::Repeated, Self::Rejected, Self::Held]
            .into_iter()
            .find(|known| known.number() == number)
    }

    /// The word in files and JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Repeated => "repeated",
            Self::Rejected => "rejected",
            Self::Held => "held",
        }
    }
}

/// One of the eight rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Pull,
    Select,
    Map,
    Deliver,
    Collect,
    Match,
    Push,
    Reconcile,
}

impl Stage {
    /// The rooms in the order of the data.
    pub(crate) const ALL: [Self; 8] = [
        Self::Pull,
        Self::Select,
        Self::Map,
        Self::Deliver,
        Self::Collect,
        Self::Match,
        Self::Push,
        Self::Reconcile,
    ];

    /// The room's name.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Select => "select",
            Self::Map => "map",
            Self::Deliver => "deliver",
            Self::Collect => "collect",
            Self::Match => "match",
            Self::Push => "push",
            Self::Reconcile => "reconcile",
        }
    }

    /// Number in the store.
    pub(crate) fn number(self) -> i64 {
        Self::ALL
            .iter()
            .zip(1..)
            .find(|(stage, _)| **stage == self)
            .map_or(0, |(_, number)| number)
    }

    /// The room with this name.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.code() == code)
    }

    /// The room with this number.
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.number() == number)
    }
}

/// What a room received and how it left; `received = accepted + repeated + rejected + held` always holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    accepted: u64,
    repeated: u64,
    rejected: u64,
    held: u64,
    reasons: BTreeMap<Reason, u64>,
}

impl Counts {
    /// Counts read back from the store.
    pub(crate) fn from_parts(
        accepted: u64,
        repeated: u64,
        rejected: u64,
        held: u64,
        reasons: BTreeMap<Reason, u64>,
    ) -> Self {
        Self {
            accepted,
            repeated,
            rejected,
            held,
            reasons,
        }
    }

    /// Counts one row.
    pub(crate) fn add(&mut self, disposition: Disposition, reason: Option<Reason>) {
        self.add_many(disposition, reason, 1);
    }

    /// Counts `n` rows that ended alike.
    pub(crate) fn add_many(&mut self, disposition: Disposition, reason: Option<Reason>, n: u64) {
        match disposition {
            Disposition::Accepted => self.accepted += n,
            Disposition::Repeated => self.repeated += n,
            Disposition::Rejected => self.rejected += n,
            Disposition::Held => self.held += n,
        }
        if let Some(reason) = reason
            && n > 0
        {
            *self.reasons.entry(reason).or_default() += n;
        }
    }

    /// Adds another room's or group's counts to these.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.repeated += other.repeated;
        self.rejected += other.rejected;
        self.held += other.held;
        for (reason, n) in &other.reasons {
            *self.reasons.entry(*reason).or_default() += n;
        }
    }

    /// Rows that entered; by construction the sum of the four ways out.
    pub(crate) fn received(&self) -> u64 {
        self.accepted + self.repeated + self.rejected + self.held
    }

    /// Rows that went on.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Rows seen before.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Rows that will never go on as they are.
    pub(crate) fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Rows that wait.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// Rows by reason code.
    pub(crate) fn reasons(&self) -> &BTreeMap<Reason, u64> {
        &self.reasons
    }
}
