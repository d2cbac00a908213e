//! *reconcile*: closes the books of each London day, proves them, and publishes the night.
//!
//! In: the ledger. Out: day seals, findings, the report of a night. Keeps: nothing can be written behind a seal; what was
//! published does not change.

mod cube;
mod day_seal;
pub(crate) mod prove;
pub(crate) mod publish;

pub(crate) use day_seal::run;
