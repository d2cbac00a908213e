//! What the transport in memory has at its far side, and what the line between does: for tests.

use std::collections::{BTreeMap, BTreeSet};

use super::{Acknowledgement, CandidateKind};

/// A file that a partner has put in.
#[derive(Clone, Debug)]
pub(super) struct Put {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// A link has these bytes elsewhere.
    pub(super) kind: CandidateKind,
    pub(super) version: u64,
    pub(super) modified_micros: i64,
    /// It has changed since it was put away.
    pub(super) changed: bool,
}

/// Files by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What the far side holds.
#[derive(Debug, Default)]
pub(super) struct Far {
    pub(super) ready: bool,
    /// Drops, manifests and reports under their names.
    pub(super) out: Files,
    /// Files being written.
    pub(super) parts: Files,
    pub(super) incoming: Vec<Put>,
    pub(super) done: Vec<Put>,
    pub(super) refused: Vec<Put>,
    pub(super) receipts: Files,
    pub(super) acknowledged: BTreeSet<String>,
    pub(super) failed: BTreeSet<String>,
    pub(super) versions: u64,
    /// Files that find room before there is none.
    pub(super) room: Option<usize>,
    pub(super) read_only: bool,
    pub(super) gone: bool,
}

impl Far {
    /// What was put away.
    pub(super) fn put_away(&self, how: Acknowledgement) -> &Vec<Put> {
        match how {
            Acknowledgement::Done => &self.done,
            Acknowledgement::Refused => &self.refused,
        }
    }

    pub(super) fn put_away_mut(&mut self, how: Acknowledgement) -> &mut Vec<Put> {
        match how {
            Acknowledgement::Done => &mut self.done,
            Acknowledgement::Refused => &mut self.refused,
        }
    }
}

/// What the line between the two sides does.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Turns that every call waits.
    pub(super) delays: usize,
    /// Every request arrives twice.
    pub(super) repeats: bool,
    /// Calls after which one does not get through, and is known not to.
    pub(super) cut_after: Option<usize>,
    /// Namings after which the answer to one is lost; whether that one got through.
    pub(super) lost_after: Option<(usize, bool)>,
    pub(super) calls: usize,
    pub(super) namings: usize,
}

impl Line {
    /// Cuts one call, after so many that get through.
    pub(super) fn cut_in(&mut self, calls: usize) {
        self.cut_after = Some(self.calls + calls);
    }

    /// Loses the answer to one naming, after so many that are answered.
    pub(super) fn lose_in(&mut self, namings: usize, arrives: bool) {
        self.lost_after = Some((self.namings + namings + 1, arrives));
    }
}
