//! What a run has read at the practices: so that nothing is read twice, and nothing leaves about whom nothing was read.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::{KeyId, RawId, StrandId};

/// The readings of one run.
#[derive(Default)]
pub(crate) struct Readings(Mutex<Inner>);

/// Bits of a block of numbers.
const BLOCK: i64 = 4096;

/// A set of row numbers, a bit for each: a run's numbers lie side by side, and a first pull has a million of them.
#[derive(Default)]
struct Numbers(HashMap<i64, [u64; 64]>);

impl Numbers {
    /// Word and bit of a number within its block.
    fn spot(number: i64) -> (usize, u64) {
        let within = number.rem_euclid(BLOCK).unsigned_abs();
        (
            usize::try_from(within / 64).unwrap_or(0),
            1 << (within % 64),
        )
    }

    fn insert(&mut self, number: i64) {
        let (word, bit) = Self::spot(number);
        self.0.entry(number.div_euclid(BLOCK)).or_insert([0; 64])[word] |= bit;
    }

    fn contains(&self, number: i64) -> bool {
        let (word, bit) = Self::spot(number);
        let block = self.0.get(&number.div_euclid(BLOCK));
        block.is_some_and(|block| block[word] & bit != 0)
    }
}

#[derive(Default)]
struct Inner {
    /// Raw rows of the requests that were read with their records, by place of the source.
    read: HashMap<usize, Numbers>,
    /// People whose records could not be read again.
    unread: HashSet<KeyId>,
    /// Sources that another run had when open legs were to be read again.
    skipped: HashSet<StrandId>,
    watched: bool,
}

impl Readings {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A referral was read with its records.
    pub(crate) fn note(&self, source: usize, request: Option<RawId>) {
        if let Some(request) = request {
            self.inner()
                .read
                .entry(source)
                .or_default()
                .insert(request.number());
        }
    }

    /// Whether a referral was read in this run.
    pub(crate) fn has_read(&self, source: usize, request: RawId) -> bool {
        let inner = self.inner();
        inner
            .read
            .get(&source)
            .is_some_and(|read| read.contains(request.number()))
    }

    /// The records of these people could not be read.
    pub(crate) fn cannot_read(&self, people: impl Iterator<Item = KeyId>) {
        self.inner().unread.extend(people);
    }

    /// Whether nothing new may leave about this person.
    pub(crate) fn waits(&self, person: KeyId) -> bool {
        self.inner().unread.contains(&person)
    }

    /// The open legs of this source were not read again, for another run has it.
    pub(crate) fn skipped(&self, source: StrandId) {
        self.inner().skipped.insert(source);
    }

    /// Whether nothing new may leave of this source.
    pub(crate) fn has_skipped(&self, source: StrandId) -> bool {
        self.inner().skipped.contains(&source)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_known_once_it_was_noted_and_its_neighbours_are_not() {
        let noted = [0, 63, 64, 4095, 4096, 1 << 40, i64::MAX];
        let mut numbers = Numbers::default();
        for number in noted {
            numbers.insert(number);
        }
        assert!(noted.iter().all(|number| numbers.contains(*number)));
        assert!(
            [1, 62, 65, 4094, 4097, (1 << 40) + 1, -1]
                .iter()
                .all(|number| !numbers.contains(*number))
        );
    }
}
