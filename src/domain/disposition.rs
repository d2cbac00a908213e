//! The four words with which every row leaves a stage, and the counts that must balance.

use std::collections::BTreeMap;

use super::Reason;
use super::coded_enums::coded;

coded! {
    /// How a row ended in a stage.
    pub(crate) enum Disposition {
        /// Goes on to the next stage.
        Accepted = 1 "accepted",
        /// Seen before: a re-sent file, an overlapping window.
        Repeated = 2 "repeated",
        /// Will never go on as it is; somebody has been told why.
        Rejected = 3 "rejected",
        /// Waits for a person or an event, has an owner, ages in the report.
        Held = 4 "held",
    }
}

coded! {
    /// One of the eight stages, in the order of the data.
    pub(crate) enum Stage {
        Pull = 1 "pull",
        Select = 2 "select",
        Map = 3 "map",
        Deliver = 4 "deliver",
        Collect = 5 "collect",
        Match = 6 "match",
        Push = 7 "push",
        Reconcile = 8 "reconcile",
    }
}

/// What a stage received and how it left; `received = accepted + repeated + rejected + held` always holds.
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

    /// Adds another stage's or group's counts to these.
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
