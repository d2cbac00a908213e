//! Changing a resource that is on a server: read, change what differs, write back under its version.
//!
//! In come an id and an edit of the server's own text; out goes what became of it. Kept: a change meets the version that it
//! was made from (`If-Match`), or it is made again from the newer one, three times at most.

use reqwest::Method;

use super::Client;
use super::client_error::ClientError;
use super::create::{MINIMAL, WriteFailure};
use crate::fhir::resources::bundle::Head;
use crate::fhir::resources::edit::Edit;

/// How often a change is made again because somebody else was quicker.
const TRIES_MAX: usize = 3;

/// A resource as read, with the version that a change must meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versioned {
    pub(crate) body: Vec<u8>,
    /// `meta.versionId`, else what `ETag` says.
    pub(crate) version: Option<String>,
}

impl Client {
    /// Reads a resource with its version; none if there is none, or no longer.
    ///
    /// # Errors
    /// Any [`ClientError`] but `NotFound` and `Gone`.
    pub(crate) async fn read_versioned(
        &self,
        resource_type: &str,
        id: &str,
    ) -> Result<Option<Versioned>, ClientError> {
        let answer = match self.got(&[resource_type, id]).await {
            Ok(answer) => answer,
            Err(ClientError::NotFound | ClientError::Gone) => return Ok(None),
            Err(error) => return Err(error),
        };
        let head = Head::of(&answer.body);
        if head.resource_type.as_deref() != Some(resource_type) || head.id.as_deref() != Some(id) {
            return Err(ClientError::NotFhir {
                status: answer.status,
            });
        }
        let etag = answer.etag.as_deref().map(unquoted);
        let version = head.version().map(str::to_owned).or(etag);
        Ok(Some(Versioned {
            version,
            body: answer.body,
        }))
    }

    /// Changes a resource by an edit of its own text; gives whether anything was written.
    ///
    /// # Errors
    /// A [`WriteFailure`]: `Missing` where there is no such resource, `NotOurs` where the edit will not have it,
    /// `Unchangeable` where the server refuses the version that it has itself.
    ///
    /// # Source
    /// FHIR R4, the REST API, managing resource contention (`If-Match`).
    pub(crate) async fn change(
        &self,
        resource_type: &str,
        id: &str,
        edit: &(dyn Fn(&[u8]) -> Edit + Sync),
    ) -> Result<bool, WriteFailure> {
        let mut refused: Option<String> = None;
        for _ in 0..TRIES_MAX {
            let found = self.read_versioned(resource_type, id).await;
            let found = found
                .map_err(|error| reading(&error))?
                .ok_or(WriteFailure::Missing)?;
            let body = match edit(&found.body) {
                Edit::Same => return Ok(false),
                Edit::NotOurs => return Err(WriteFailure::NotOurs),
                Edit::To(body) => body,
            };
            // A server that names no version cannot say whether somebody else was quicker: nothing of theirs is overwritten.
            let version = found.version.ok_or(WriteFailure::UNSENT)?;
            if refused.as_ref() == Some(&version) {
                return Err(WriteFailure::Unchangeable);
            }
            match self.put(resource_type, id, &version, body).await {
                Err(WriteFailure::Duplicate) => refused = Some(version),
                Ok(()) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Err(WriteFailure::Duplicate)
    }

    async fn put(
        &self,
        resource_type: &str,
        id: &str,
        version: &str,
        body: Vec<u8>,
    ) -> Result<(), WriteFailure> {
        let url = self
            .url(&[resource_type, id])
            .map_err(|_| WriteFailure::Missing)?;
        let request = self.request(Method::PUT, url);
        let request = request.header("If-Match", if_match(version));
        self.write(request, body, MINIMAL).await.map(drop)
    }
}

/// The value of `If-Match`: a weak tag, as the specification shows it.
pub(super) fn if_match(version: &str) -> String {
    format!("W/\"{version}\"")
}

/// A version out of an `ETag`.
pub(super) fn unquoted(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

/// A read that failed before a write: nothing was sent.
fn reading(error: &ClientError) -> WriteFailure {
    match error {
        ClientError::Transient { retry_after, .. } => WriteFailure::Transient {
            retry_after: *retry_after,
        },
        error if error.bars() => WriteFailure::Barred,
        _ => WriteFailure::UNSENT,
    }
}
