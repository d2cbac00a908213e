//! Kith carries social-prescribing referrals from GP systems to voluntary-sector partners, brings attendance and
//! outcomes back into the GP record, and proves every night that nothing was lost on the way.
//!
//! ```text
//! outward   pull → select → map → deliver        GP system → partner
//! back      collect → match → push               partner → GP record
//! always    reconcile                            the books, nightly and on demand
//! ```
//!
//! Data moves one way at a time through these eight stages (`pipeline`), and every row that enters a stage is accepted,
//! repeated, rejected or held when it leaves.
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "unit tests write small files of their own"
    )
)]

mod actions;
mod app;
pub mod cli;
mod config;
mod daemon;
mod demo;
mod diagnostics;
mod domain;
mod fhir;
mod fhirpath;
mod json;
mod partner;
mod pipeline;
mod report;
mod sandbox;
mod seal;
mod sheet;
mod store;
mod telemetry;
mod toml_reader;
mod transport;
mod view;
