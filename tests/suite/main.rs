//! The one integration binary: Kith from the outside, as its users and the machines around it see it.
//!
//! Every module is one promise of the contract. What they share is in `support`: homes in temporary folders, runs of the
//! built binary, the made-up workload beside the repository, and the FHIR server that is not ours. Nothing here calls
//! Kith's own code, so that a test cannot agree with a mistake.
#![expect(
    clippy::disallowed_methods,
    reason = "tests read their own environment and clock, and write fixtures into folders that only they see"
)]
#![expect(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "a test that cannot go on fails, and none is slow by a text too many"
)]

mod accepts;
mod acts;
mod approval;
mod attacks;
mod broken;
mod bulk;
mod calm;
mod calm_table;
mod cli;
mod demo;
mod disclosure;
mod disclosure_attempts;
mod disks;
mod duplicates;
mod fhirpath;
mod fhirpath_other;
mod gp_cases;
mod gp_cases_served;
mod gp_consents;
mod gp_faults;
mod gp_kill;
mod gp_servers;
mod gp_tls;
mod identify;
mod identity_seeds;
mod inbox;
mod keys;
mod logs;
mod loop_fhir;
mod map_diff;
mod map_forms;
mod mended;
mod messages;
mod opened;
mod partner_files;
mod partner_layouts;
mod partner_sheets;
mod prepared;
mod privacy;
mod pull;
mod receipt_page;
mod receipts;
mod runs;
mod samples;
mod sheets;
mod starts;
mod stores;
mod stories;
mod support;
mod validate;
mod values;
mod view;
mod watch;
mod watch_cases;
mod watch_down;
mod watch_onward;
mod watch_outage;
mod watch_table;
mod wave2;
mod why;
mod workload_folder;
mod write_ahead;
mod write_back;
mod writes;
