//! Ids: numbers that the store hands out, one type for each thing that they name, so that none is taken for another.

use std::fmt::{self, Display};
use std::marker::PhantomData;

/// The number of a `T`; ids of one kind are ordered as they were handed out.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id<T>(i64, PhantomData<T>);

impl<T> Id<T> {
    /// None: what the store and the ledger write as 0, which no id is. It comes before every id.
    pub(crate) const NONE: Self = Self::new(0);

    /// The id with this number.
    pub(crate) const fn new(number: i64) -> Self {
        Self(number, PhantomData)
    }

    /// Its number in store and ledger.
    pub(crate) const fn number(self) -> i64 {
        self.0
    }

    /// Whether it names anything.
    pub(crate) fn is_some(self) -> bool {
        self.0 > 0
    }
}

// By hand, so that a tag need not be copied.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> Default for Id<T> {
    fn default() -> Self {
        Self::NONE
    }
}

impl<T> From<Id<T>> for i64 {
    fn from(id: Id<T>) -> Self {
        id.0
    }
}

impl<T> Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A name for the ids of a thing, and the tag that keeps them apart from those of others.
macro_rules! ids {
    ($($(#[$about:meta])* $name:ident of $tag:ident,)+) => {
        $(
            $(#[$about])*
            #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub(crate) enum $tag {}

            $(#[$about])*
            pub(crate) type $name = Id<$tag>;
        )+
    };
}

ids! {
    /// The strand of a source, of a partner or of the installation.
    StrandId of StrandTag,
    /// A leg: one referral to one partner.
    LegId of LegTag,
    /// A run; none where a person asked for one step, and where a drop of an earlier run is finished.
    RunId of RunTag,
    /// A hold, by the number under which people settle it.
    HoldNumber of HoldTag,
    /// A row of the keyring: the key of a person, a file, a source or the installation.
    KeyId of KeyTag,
    /// A sealed input as it came.
    RawId of RawTag,
    /// An event as a return told it, or a later word on it.
    EventId of EventTag,
    /// A return as taken, or the undoing of one; none of what no return told.
    ReturnId of ReturnTag,
    /// A drop to a partner, or a file of writes for an import.
    DropId of DropTag,
    /// The sealed note in which a person says why.
    NoteId of NoteTag,
}
