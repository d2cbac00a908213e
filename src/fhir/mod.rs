//! FHIR R4 at the edge: what we read and write as resources, and the client that carries them.
//!
//! In come the bytes of a server's answers, kept as they are; out go resources of ours with a fixed order of elements. The
//! invariant: nothing of a person gets into an error, a log or a URL of another origin.

pub(crate) mod auth;
pub(crate) mod bulk;
pub(crate) mod client;
pub(crate) mod resources;
