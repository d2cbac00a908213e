//! The records of an export, for whoever puts requests together.
//!
//! In: ids and NHS numbers. Out: records as they came. A disk that fails gives nothing here; that it did is asked for
//! afterwards, before anything of what was put together is handed on.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::index::Index;
use super::spool::{Place, Spool};
use jiff::civil::Date;

use crate::fhir::resources::{patient, resource};
use crate::json::{Arena, Json};
use crate::pipeline::pull::search::Kept;
use crate::pipeline::referral::Bytes;
use crate::store::rows::RawKind;

/// An export's lines and where they are.
pub(super) struct Shelf {
    pub(super) spool: Spool,
    pub(super) index: Index,
    failed: Mutex<Option<io::Error>>,
    /// Places of records that a request named; noted only where somebody will ask who was not.
    named: Option<Mutex<HashSet<Place>>>,
}

impl Shelf {
    /// An empty shelf; `since` says that the export holds only what has changed.
    pub(super) fn new(spool: Spool, since: bool) -> Self {
        Self {
            spool,
            index: Index::default(),
            failed: Mutex::default(),
            named: since.then(Mutex::default),
        }
    }

    /// Requests, in the order in which they came.
    ///
    /// # Errors
    /// The disk failed.
    pub(super) fn requests(&self, from: usize, count: usize) -> io::Result<Vec<Bytes>> {
        let places = self.index.requests(from, count);
        places
            .map(|place| Ok(Arc::from(self.spool.read(place)?)))
            .collect()
    }

    /// The people that no request named so far, as their bytes, from a position in the index on.
    ///
    /// # Errors
    /// The disk failed.
    pub(super) fn people_alone(&self, from: usize, count: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut people = Vec::new();
        for place in self.index.records(from, count) {
            if self.was_named(place) {
                continue;
            }
            let bytes = self.spool.read(place)?;
            let person = Json::parse(&bytes, &Arena::default())
                .is_ok_and(|tree| resource::resource_type(&tree) == Some("Patient"));
            if person {
                people.push(bytes);
            }
        }
        Ok(people)
    }

    fn was_named(&self, place: Place) -> bool {
        let named = self.named.as_ref();
        named.is_some_and(|named| {
            let named = named.lock().unwrap_or_else(PoisonError::into_inner);
            named.contains(&place)
        })
    }

    /// What went wrong with the disk since it was last asked.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn noted<T>(&self, found: io::Result<Option<T>>) -> Option<T> {
        found.unwrap_or_else(|error| {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            None
        })
    }
}

impl Kept for Shelf {
    fn record(&self, kind: RawKind, id: &str) -> Option<Bytes> {
        let (place, bytes) = self.noted(self.index.find(kind, id, &self.spool))?;
        if let Some(named) = &self.named {
            let mut named = named.lock().unwrap_or_else(PoisonError::into_inner);
            named.insert(place);
        }
        Some(Arc::from(bytes))
    }

    fn with_identifier(&self, kind: RawKind, system: &str, value: &str) -> Option<String> {
        if kind != RawKind::Patient || !patient::is_nhs_number_system(system) {
            return None;
        }
        self.noted(self.index.patient_with(value, &self.spool))
    }
}

/// What is looked for of a person in the store: the NHS number if there is one, and the id.
pub(super) fn names_of(person: &[u8], today: Date) -> Option<(Option<String>, String)> {
    let arena = Arena::default();
    let tree = Json::parse(person, &arena).ok()?;
    let number = patient::nhs_number(&tree, today).map(Cow::into_owned);
    Some((number, resource::id(&tree)?.to_owned()))
}
