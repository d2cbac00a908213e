//! The referrals of a chunk, as pages of a search gave them, as they were read by id, or still in a folder.

use std::borrow::Cow;
use std::sync::Arc;

use crate::diagnostics::Place;
use crate::domain::limits;
use crate::json::Json;
use crate::pipeline::referral::{Bytes, Referral};
use crate::pipeline::run::Env;

/// Referrals that lie somewhere, and are read when their turn comes.
pub(crate) trait StoredReferrals: Send + Sync {
    /// The bytes of a request.
    ///
    /// # Errors
    /// It cannot be read.
    fn request(&self, place: usize) -> std::io::Result<Bytes>;

    /// The request at this place, read and parsed already, with the records that it names.
    ///
    /// # Errors
    /// A record cannot be read.
    fn complete(
        &self,
        place: usize,
        request: Bytes,
        tree: Option<&Json<'_>>,
    ) -> std::io::Result<Referral>;

    /// Where a referral lies, for people.
    fn place(&self, place: usize) -> Place;
}

/// How fetched referrals were come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadOrigin {
    /// On pages of a search or in an export: they may be older than what another page said.
    FromPages,
    /// Read by id in this run: what they say is so now, even if an earlier version said the same.
    ReadById,
    /// As we have them, since nobody could read them in this run: only what the day alone changes is looked at.
    AsKept,
}

/// The referrals of a chunk: fetched already, or still to be read from where they lie.
pub(crate) enum Load {
    Fetched(LoadOrigin, Vec<Referral>),
    InFolder(Arc<dyn StoredReferrals>, Vec<usize>),
}

impl Load {
    /// How many referrals it is.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Fetched(_, referrals) => referrals.len(),
            Self::InFolder(_, places) => places.len(),
        }
    }

    /// Some referrals of it alone.
    pub(crate) fn some(&self, numbers: &[usize]) -> Self {
        let numbers = numbers.iter();
        match self {
            Self::Fetched(origin, referrals) => {
                let some = numbers.filter_map(|number| referrals.get(*number).cloned());
                Self::Fetched(*origin, some.collect())
            }
            Self::InFolder(folder, places) => {
                let some = numbers.filter_map(|number| places.get(*number).copied());
                Self::InFolder(Arc::clone(folder), some.collect())
            }
        }
    }

    /// Where a referral of the chunk came from.
    pub(crate) fn place(&self, env: &Env, source: usize, number: usize) -> Place {
        match self {
            Self::Fetched(..) => Place::detail(format!("source {}", env.sources[source].config.id))
                .and("one ServiceRequest"),
            Self::InFolder(folder, places) => places
                .get(number)
                .map_or_else(Place::default, |place| folder.place(*place)),
        }
    }

    /// The same in chunks, each for one worker.
    pub(crate) fn chunks(self) -> Vec<Self> {
        let max = limits::CHUNK_REFERRALS;
        if self.len() <= max {
            return vec![self];
        }
        match self {
            Self::Fetched(origin, referrals) => referrals
                .chunks(max)
                .map(|chunk| Self::Fetched(origin, chunk.to_vec()))
                .collect(),
            Self::InFolder(folder, places) => places
                .chunks(max)
                .map(|chunk| Self::InFolder(Arc::clone(&folder), chunk.to_vec()))
                .collect(),
        }
    }

    /// Whether what it holds is what the source says today.
    pub(crate) fn newest(&self) -> bool {
        !matches!(self, Self::Fetched(LoadOrigin::FromPages, _))
    }

    /// Whether the source was read for it in this run.
    pub(crate) fn was_read(&self) -> bool {
        !matches!(self, Self::Fetched(LoadOrigin::AsKept, _))
    }

    pub(crate) fn requests(&self) -> std::io::Result<Vec<Bytes>> {
        match self {
            Self::Fetched(_, referrals) => Ok(referrals
                .iter()
                .map(|referral| Arc::clone(&referral.request))
                .collect()),
            Self::InFolder(folder, places) => {
                places.iter().map(|place| folder.request(*place)).collect()
            }
        }
    }

    /// With the records that the requests name; each request is parsed once for all.
    pub(crate) fn complete<'l>(
        &'l self,
        requests: &[Bytes],
        parsed: &[Option<Json<'_>>],
    ) -> std::io::Result<Cow<'l, [Referral]>> {
        match self {
            Self::Fetched(_, referrals) => Ok(Cow::Borrowed(referrals)),
            Self::InFolder(folder, places) => requests
                .iter()
                .zip(parsed)
                .zip(places)
                .map(|((request, tree), place)| {
                    folder.complete(*place, Arc::clone(request), tree.as_ref())
                })
                .collect(),
        }
    }
}
