//! The referrals of a chunk, as pages of a search gave them, as they were read by id, or still in a folder.

use std::borrow::Cow;
use std::sync::Arc;

use super::folder::Folder;
use crate::diagnostics::Place;
use crate::domain::limits;
use crate::json::Json;
use crate::pipeline::dossier::{Bytes, Dossier};
use crate::pipeline::env::Env;

/// The referrals of a chunk: fetched already, or still to be read from a folder.
pub(crate) enum Load {
    Ready(Vec<Dossier>),
    /// Read by id in this run: what it says is so now, even if an earlier version said the same.
    Read(Vec<Dossier>),
    Places(Arc<Folder>, Vec<usize>),
}

impl Load {
    /// How many referrals it is.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Ready(dossiers) | Self::Read(dossiers) => dossiers.len(),
            Self::Places(_, places) => places.len(),
        }
    }

    /// One referral of it alone.
    pub(crate) fn one(&self, number: usize) -> Self {
        match self {
            Self::Ready(dossiers) => {
                Self::Ready(dossiers.get(number).cloned().into_iter().collect())
            }
            Self::Read(dossiers) => Self::Read(dossiers.get(number).cloned().into_iter().collect()),
            Self::Places(folder, places) => {
                let place = places.get(number).copied();
                Self::Places(Arc::clone(folder), place.into_iter().collect())
            }
        }
    }

    /// Where a referral of the chunk came from.
    pub(super) fn place(&self, env: &Env, source: usize, number: usize) -> Place {
        match self {
            Self::Ready(_) | Self::Read(_) => {
                Place::detail(format!("source {}", env.sources[source].config.id))
                    .and("one ServiceRequest")
            }
            Self::Places(folder, places) => places
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
            Self::Ready(dossiers) => dossiers
                .chunks(max)
                .map(|chunk| Self::Ready(chunk.to_vec()))
                .collect(),
            Self::Read(dossiers) => dossiers
                .chunks(max)
                .map(|chunk| Self::Read(chunk.to_vec()))
                .collect(),
            Self::Places(folder, places) => places
                .chunks(max)
                .map(|chunk| Self::Places(Arc::clone(&folder), chunk.to_vec()))
                .collect(),
        }
    }

    /// Whether what it holds is what the source says today; a page of a search may be older than what another one said.
    pub(super) fn newest(&self) -> bool {
        !matches!(self, Self::Ready(_))
    }

    pub(super) fn requests(&self) -> std::io::Result<Vec<Bytes>> {
        match self {
            Self::Ready(dossiers) | Self::Read(dossiers) => Ok(dossiers
                .iter()
                .map(|dossier| Arc::clone(&dossier.request))
                .collect()),
            Self::Places(folder, places) => {
                places.iter().map(|place| folder.request(*place)).collect()
            }
        }
    }

    /// With the records that the requests name; each request is parsed once for all.
    pub(super) fn complete<'l>(
        &'l self,
        requests: &[Bytes],
        parsed: &[Option<Json<'_>>],
    ) -> std::io::Result<Cow<'l, [Dossier]>> {
        match self {
            Self::Ready(dossiers) | Self::Read(dossiers) => Ok(Cow::Borrowed(dossiers)),
            Self::Places(folder, _) => requests
                .iter()
                .zip(parsed)
                .map(|(request, tree)| folder.complete(Arc::clone(request), tree.as_ref()))
                .collect(),
        }
    }
}
