//! FHIR R4 at the edge: what we read and write as resources, and the client that carries them.
//!
//! In come the bytes of a server's answers, kept as they are; out go resources of ours with a fixed order of elements. The
//! invariant: nothing of a person gets into an error, a log or a URL of another origin.

pub(crate) mod ahead;
pub(crate) mod auth;
pub(crate) mod bulk;
pub(crate) mod bundle;
pub(crate) mod capability;
pub(crate) mod client;
pub(crate) mod client_error;
pub(crate) mod correction;
pub(crate) mod create;
pub(crate) mod lookup;
pub(crate) mod observation;
pub(crate) mod operation_outcome;
pub(crate) mod patient;
pub(crate) mod people;
pub(crate) mod reference;
pub(crate) mod resources;
pub(crate) mod search;
pub(crate) mod service_request;
pub(crate) mod statement;
pub(crate) mod task;
pub(crate) mod transaction;
pub(crate) mod update;

#[cfg(test)]
mod client_tests;
