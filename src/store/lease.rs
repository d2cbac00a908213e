//! Leases: who may write to a strand for a stage, until when; and what a fence keeps out.
//!
//! A process takes the lease of a stage and a strand, and writes under it. Each taking draws the strand's next fence. A
//! commit checks in its own transaction that the fence is still the row's and that the lease is not over. So a process that
//! was stopped and wakes too late, or whose lease was given to another one, writes nothing.
//!
//! Every instant here is of the machine's clock, in microseconds UTC, and given by who asks; `--as-of` does not move it.

use crate::domain::coded_enums::coded;
use crate::domain::{RunId, StrandId};

coded! {
    /// What a lease is taken for: a stage that writes to a strand, the registering of a run, or what a person does.
    pub(crate) enum LeaseStage {
        Pull = 1 "pull",
        Push = 2 "push",
        Deliver = 3 "deliver",
        Collect = 4 "collect",
        Reconcile = 5 "reconcile",
        /// A run is registered.
        Run = 6 "run",
        /// A person decides or asks.
        Act = 7 "act",
    }
}

/// A lease as its holder keeps it: one taking of a stage and strand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lease {
    pub(crate) stage: LeaseStage,
    pub(crate) strand: StrandId,
    /// Number of this taking: no two takings of a strand have the same, and a later one has a higher one.
    pub(crate) fence: i64,
}

/// The process that holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseHolder {
    /// Name of the machine.
    pub(crate) host: String,
    pub(crate) pid: i64,
    /// When the process began, in the machine's own ticks since it started: tells it from a later process with the same pid.
    pub(crate) started: i64,
    /// The run it is for; none of a person's act.
    pub(crate) run: RunId,
}

/// A lease as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseRow {
    pub(crate) lease: Lease,
    pub(crate) holder: LeaseHolder,
    /// When it was taken.
    pub(crate) since: i64,
    /// From when on it is over.
    pub(crate) until: i64,
}

/// Somebody wants a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseAsk {
    pub(crate) stage: LeaseStage,
    pub(crate) strand: StrandId,
    pub(crate) holder: LeaseHolder,
    /// The present instant.
    pub(crate) now: i64,
    /// From when on it shall be over.
    pub(crate) until: i64,
    /// The taking whose process was seen to be dead: its lease counts as over.
    pub(crate) dead: Option<i64>,
}

/// What becomes of such a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeaseAnswer {
    /// It was free, or over, or its holder is dead.
    Taken(Lease),
    /// Another one has it.
    Held(LeaseRow),
}
