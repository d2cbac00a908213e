//! Lets a test see which keys the loader asks for.

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static ASKED: RefCell<BTreeSet<(String, String)>> = const { RefCell::new(BTreeSet::new()) };
}

pub(super) fn note(table: &str, key: &str) {
    ASKED.with_borrow_mut(|asked| asked.insert((table.to_owned(), key.to_owned())));
}

pub(super) fn forget(table: &str, key: &str) {
    ASKED.with_borrow_mut(|asked| asked.remove(&(table.to_owned(), key.to_owned())));
}

/// Every key asked for while `work` runs, with its table.
pub(crate) fn keys(work: impl FnOnce()) -> BTreeSet<(String, String)> {
    ASKED.with_borrow_mut(BTreeSet::clear);
    work();
    ASKED.with_borrow(BTreeSet::clone)
}
