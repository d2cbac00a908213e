//! Requests put together with what they name, for a pull whose records do not come on pages.
//!
//! In: requests, and a place where records already lie. Out: referrals; what does not lie there is asked for by id, as a
//! search does it, so that both give the same referral.

use std::sync::Arc;

use super::records::{Kept, Records};
use super::references::Names;
use super::resolve::{assemble, fetch};
use crate::fhir::client::{Client, ClientError};
use crate::pipeline::pull::certificate::Evidence;
use crate::pipeline::referral::{Bytes, Referral};
use crate::store::rows::RawKind;

/// Puts requests together.
pub(in crate::pipeline::pull) struct Together<'c> {
    records: Records<'c>,
    base: String,
}

impl<'c> Together<'c> {
    /// For the requests of a server, some of whose records lie with us.
    pub(in crate::pipeline::pull) fn new(
        client: &'c Client,
        base: &str,
        rebase: bool,
        kept: Arc<dyn Kept>,
    ) -> Self {
        Self {
            records: Records::new(client, base, rebase).beside(kept),
            base: base.to_owned(),
        }
    }

    /// These requests with the records that they name; what is counted goes into the evidence.
    ///
    /// # Errors
    /// The server could not be reached.
    pub(in crate::pipeline::pull) async fn referrals(
        &mut self,
        requests: Vec<Bytes>,
        evidence: &mut Evidence,
    ) -> Result<Vec<Referral>, ClientError> {
        self.records.turn_page();
        let mut named = Vec::with_capacity(requests.len());
        for (names, _) in Names::of_all(&requests, &self.base, &self.records.urls) {
            if let Some(status) = names.status {
                *evidence.statuses.entry(status.to_owned()).or_default() += 1;
            }
            named.push(names);
        }
        fetch(&mut self.records, &self.base, &mut named).await?;
        evidence.read_singly += std::mem::take(&mut self.records.read_singly);
        let mut referrals = Vec::with_capacity(named.len());
        for (request, names) in requests.into_iter().zip(&named) {
            let missing = |kind: RawKind| evidence.unresolved(kind.resource_type());
            referrals.push(assemble(&self.records, &self.base, request, names, missing));
        }
        Ok(referrals)
    }
}
