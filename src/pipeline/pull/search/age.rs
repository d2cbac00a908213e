//! What is told of a request before its records are looked at: whether a newer version came, and whether it is ours at all.

use std::cmp::Ordering;

use crate::domain::Instant;
use crate::fhir::client::search::PageEntry;
use crate::pipeline::referral::{Bytes, Doubt, Referral};

/// How new a version of a request is, as far as it says.
#[derive(Clone, Copy, Default)]
pub(super) struct VersionAge {
    updated: Option<Instant>,
    version: Option<u64>,
}

impl VersionAge {
    /// That of an entry of a page.
    pub(super) fn of(entry: &PageEntry) -> Self {
        Self {
            updated: entry.updated.as_deref().and_then(Instant::parse),
            version: entry.version.as_deref().and_then(|text| text.parse().ok()),
        }
    }

    /// Whether it is plainly older than another: neither its date nor its number is later, and one is earlier.
    pub(super) fn before(self, other: Self) -> bool {
        let date = self
            .updated
            .zip(other.updated)
            .map(|(own, other)| own.cmp(&other));
        let number = self
            .version
            .zip(other.version)
            .map(|(own, other)| own.cmp(&other));
        let orders = [date, number];
        orders.contains(&Some(Ordering::Less)) && !orders.contains(&Some(Ordering::Greater))
    }
}

/// A request that is another server's: its records cannot be asked for here, and nothing can be written to them.
pub(super) fn of_another_server(request: Bytes, base: &str) -> Referral {
    let mut referral = Referral::of_request(request);
    referral.ids.place = Some(format!("\n{base}").into());
    referral.ids.doubt = Doubt::Record;
    referral
}
