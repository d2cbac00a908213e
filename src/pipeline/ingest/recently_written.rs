//! What was written lately: a set that forgets what every worker can find in the store by now.
//!
//! In: what each chunk wrote. Out: whether a worker may have decided without knowing of it. Keeps: what was noted is known for
//! at least one age after it; memory is bounded by two ages, not by the pull.

use std::collections::HashSet;
use std::hash::Hash;

/// A set in two ages.
pub(crate) struct Recent<T> {
    young: HashSet<T>,
    old: HashSet<T>,
}

impl<T: Eq + Hash> Recent<T> {
    pub(crate) fn new() -> Self {
        Self {
            young: HashSet::new(),
            old: HashSet::new(),
        }
    }

    pub(crate) fn contains(&self, item: &T) -> bool {
        self.young.contains(item) || self.old.contains(item)
    }

    /// Notes an item; whether it was not there.
    pub(crate) fn insert(&mut self, item: T) -> bool {
        let known = self.old.contains(&item);
        self.young.insert(item) && !known
    }

    /// Begins a new age: what was noted before the last one is forgotten.
    pub(crate) fn age(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_known_for_at_least_one_age() {
        let mut recent = Recent::new();
        assert!(recent.insert(1));
        recent.age();
        assert!(
            recent.contains(&1) && !recent.insert(1),
            "noted again, and so young again"
        );
        recent.age();
        assert!(recent.contains(&1));
        recent.age();
        assert!(!recent.contains(&1) && recent.insert(1));
        recent.clear();
        assert!(!recent.contains(&1));
    }
}
