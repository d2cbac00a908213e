//! Where everything in a folder lies: a few words a resource, whatever its size.
//!
//! Parts of files come in, in the order of the files; places by type and id, by `fullUrl` and by NHS number come out.
//! Kept: a name stands for one resource within its [`NameScope`] and for nothing outside; it is kept as 128 bits of a keyed
//! hash, which no two of them share in practice even if somebody tries; nothing depends on the order of a hash.

use std::hash::{BuildHasher, Hasher, RandomState};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::store::rows::RawKind;

/// What stands for an id, an address or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(u64, u64);

/// Makes keys: of one folder, for one run.
pub(super) struct Keys(SipHasher13);

impl Default for Keys {
    fn default() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        Self(SipHasher13::new_with_keys(random(), random()))
    }
}

/// What a key is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Request,
    Record(RawKind),
    /// An address that is no `type/id`: a `urn:`, say.
    FullUrl(RawKind),
    NhsNumber,
}

impl Named {
    /// A byte that tells it from the others, below [`OF_SERVER`].
    fn mark(self) -> u8 {
        match self {
            Self::Request => 0,
            Self::NhsNumber => 2,
            Self::Record(kind) => 16 + kind as u8,
            Self::FullUrl(kind) => 32 + kind as u8,
        }
    }
}

const OF_SERVER: u8 = 0x40;
const OF_BUNDLE: u8 = 0x80;

/// A Bundle of the folder: its file, and where it begins there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BundleId {
    pub(super) file: u16,
    pub(super) offset: u64,
}

/// Where an id holds: nobody outside gives the same name to another resource there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameScope<'a> {
    /// A file set, of resources that do not say which server they are from.
    FileSet(u16),
    /// A file set, of resources below this base URL.
    Server(u16, &'a str),
    /// One Bundle, of entries that do not say it.
    Bundle(BundleId),
}

impl Keys {
    pub(super) fn of(&self, named: Named, scope: NameScope<'_>, text: &str) -> Key {
        let mut hasher = self.0;
        match scope {
            NameScope::FileSet(set) => {
                hasher.write_u8(named.mark());
                hasher.write_u16(set);
            }
            NameScope::Server(set, base) => {
                hasher.write_u8(named.mark() | OF_SERVER);
                hasher.write_u16(set);
                hasher.write_usize(base.len());
                hasher.write(base.as_bytes());
            }
            NameScope::Bundle(bundle) => {
                hasher.write_u8(named.mark() | OF_BUNDLE);
                hasher.write_u16(bundle.file);
                hasher.write_u64(bundle.offset);
            }
        }
        hasher.write(text.as_bytes());
        let hash = hasher.finish128();
        Key(hash.h1, hash.h2)
    }
}

/// Where a resource lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spot {
    pub(super) file: u16,
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// A resource of the folder.
#[derive(Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each may be so beside the others, in the room that is left"
)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) spot: Spot,
    /// Where its own references are resolved: a place of the origins.
    pub(super) origin: u32,
    /// An Organization with an ODS code.
    pub(super) coded: bool,
    /// Only its first members were looked at.
    pub(super) unchecked: bool,
    /// Nobody can say what the name stands for.
    pub(super) doubt: bool,
    /// The source says that it deleted it.
    pub(super) deleted: bool,
}

impl Entry {
    /// A resource by itself in a file.
    pub(super) fn new(key: Key, spot: Spot) -> Self {
        Self {
            key,
            spot,
            origin: 0,
            coded: false,
            unchecked: false,
            doubt: false,
            deleted: false,
        }
    }
}

/// The same by an NHS number or an address: at which place of the records.
#[derive(Clone, Copy)]
pub(super) struct Numbered {
    pub(super) key: Key,
    pub(super) record: u32,
}

/// Slots of an empty table: a power of two, as is every doubling of it.
const SLOTS_FIRST: usize = 64;

/// Values by key, in the order in which they came.
pub(super) struct Table<T> {
    values: Vec<T>,
    /// Places in `values` by the low bits of the key, one more than they are; 0 is free.
    slots: Vec<u32>,
}

/// What has a key.
pub(super) trait Keyed: Copy {
    fn key(&self) -> Key;
}

impl Keyed for Entry {
    fn key(&self) -> Key {
        self.key
    }
}

impl Keyed for Numbered {
    fn key(&self) -> Key {
        self.key
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            slots: vec![0; SLOTS_FIRST],
        }
    }
}

impl<T: Keyed> Table<T> {
    /// Doubles the slots and finds each value its place among them.
    fn widen(&mut self) {
        self.slots = vec![0; self.slots.len() * 2];
        for place in 0..self.values.len() {
            let slot = self.slot(self.values[place].key());
            self.slots[slot] = u32::try_from(place + 1).unwrap_or(u32::MAX);
        }
    }

    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    pub(super) fn at_mut(&mut self, place: u32) -> Option<&mut T> {
        self.values.get_mut(place as usize)
    }

    pub(super) fn into_values(self) -> Vec<T> {
        self.values
    }

    /// The slot with this key, else the free one where it would go.
    fn slot(&self, key: Key) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = usize::try_from(key.0 & u64::from(u32::MAX)).unwrap_or(0) & mask;
        // Half of all slots are free: the walk is short, and ends.
        while let Some(value) = self.at(slot)
            && value.key() != key
        {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn at(&self, slot: usize) -> Option<&T> {
        self.values.get((self.slots[slot] as usize).checked_sub(1)?)
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.at(self.slot(key))
    }

    /// At which place of the values the one with this key is.
    pub(super) fn place(&self, key: Key) -> Option<u32> {
        self.slots[self.slot(key)].checked_sub(1)
    }

    /// Puts a value in unless its key is known. Gives the place of what stands there, and whether it is the value.
    pub(super) fn put(&mut self, value: T) -> (u32, bool) {
        if self.values.len() * 2 >= self.slots.len() {
            self.widen();
        }
        let slot = self.slot(value.key());
        let new = self.slots[slot] == 0;
        if new {
            self.values.push(value);
            self.slots[slot] = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        }
        (self.slots[slot] - 1, new)
    }
}
