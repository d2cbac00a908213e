//! Kith carries social-prescribing referrals from GP systems to voluntary-sector partners, brings attendance and
//! outcomes back into the GP record, and proves every night that nothing was lost on the way.
//!
//! ```text
//! outward   pull → select → map → deliver        GP system → partner
//! back      collect → match → push               partner → GP record
//! always    reconcile                            the books, nightly and on demand
//! ```
//!
//! Data moves one way at a time through these eight rooms (`pipeline`), and every row that enters a room is accepted,
//! repeated, rejected or held when it leaves.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "unit tests write small files of their own"))]

mod domain;
mod diagnostics;
mod path;
mod fhir;
mod tabular;
mod partner;
mod seal;
mod store;
mod transport;
mod pipeline;
mod report;
mod config;
mod sandbox;
mod app;
mod demo;
pub mod cli;
mod telemetry;
