//! What a run has read at the practices: so that nothing is read twice, and nothing leaves about whom nothing was read.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The readings of one run.
#[derive(Default)]
pub(crate) struct Readings(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Raw rows of the requests that were read with their records, by place of the source.
    read: HashMap<usize, HashSet<i64>>,
    /// People whose records could not be read again.
    unread: HashSet<i64>,
    watched: bool,
}

impl Readings {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins.
    pub(crate) fn begin(&self) {
        *self.inner() = Inner::default();
    }

    /// A referral was read with its records.
    pub(crate) fn note(&self, source: usize, request: Option<i64>) {
        if let Some(request) = request {
            self.inner().read.entry(source).or_default().insert(request);
        }
    }

    /// Whether a referral was read in this run.
    pub(crate) fn has_read(&self, source: usize, request: i64) -> bool {
        let inner = self.inner();
        inner
            .read
            .get(&source)
            .is_some_and(|read| read.contains(&request))
    }

    /// The records of these people could not be read.
    pub(crate) fn cannot_read(&self, people: impl Iterator<Item = i64>) {
        self.inner().unread.extend(people);
    }

    /// Whether nothing new may leave about this person.
    pub(crate) fn waits(&self, person: i64) -> bool {
        self.inner().unread.contains(&person)
    }

    /// Every open leg was looked at.
    pub(crate) fn watched(&self) {
        self.inner().watched = true;
    }

    /// Whether every open leg was looked at in this run.
    pub(crate) fn has_watched(&self) -> bool {
        self.inner().watched
    }
}
