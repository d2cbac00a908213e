//! Lets a test see which keys the loader asks for.

use std::cell::RefCell;
use std::collections::BTreeSet;

/// Keys, each with its table.
type Keys = BTreeSet<(String, String)>;

thread_local! {
    static ASKED: RefCell<Keys> = const { RefCell::new(BTreeSet::new()) };
    static REFUSED: RefCell<Keys> = const { RefCell::new(BTreeSet::new()) };
}

pub(super) fn note(table: &str, key: &str) {
    ASKED.with_borrow_mut(|asked| asked.insert((table.to_owned(), key.to_owned())));
}

/// A key that is asked for only to be refused.
pub(super) fn forget(table: &str, key: &str) {
    let key = (table.to_owned(), key.to_owned());
    ASKED.with_borrow_mut(|asked| asked.remove(&key));
    REFUSED.with_borrow_mut(|refused| refused.insert(key));
}

/// Every key asked for while `work` runs, with its table.
pub(crate) fn keys(work: impl FnOnce()) -> Keys {
    keys_and_refused(work).0
}

/// The same, and those that are refused wherever they stand.
pub(crate) fn keys_and_refused(work: impl FnOnce()) -> (Keys, Keys) {
    ASKED.with_borrow_mut(BTreeSet::clear);
    REFUSED.with_borrow_mut(BTreeSet::clear);
    work();
    (
        ASKED.with_borrow(BTreeSet::clone),
        REFUSED.with_borrow(BTreeSet::clone),
    )
}
