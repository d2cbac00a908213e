//! Which requests of an export are ours, and which requests of ours its people have.
//!
//! In: requests and people as they came. Out: requests. A server may filter or not, and a person may change alone: neither
//! may hide a referral that was taken in before.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Asking, own};
use crate::domain::NhsNumber;
use crate::fhir::resources::{resource, service_request};
use crate::json::{Arena, Json};
use crate::pipeline::pull::referral_source::PullError;
use crate::pipeline::referral::Bytes;
use crate::pipeline::sealed_inputs;
use crate::seal::LookupKey;

use super::records::names_of;

/// The requests with a code of ours, and those that had one when they were taken in.
pub(super) async fn requests(
    asking: &Asking<'_>,
    requests: Vec<Bytes>,
) -> Result<Vec<Bytes>, PullError> {
    let name = asking.env.sources[asking.source].config.id.as_bytes();
    let lookup = |request: &Bytes| -> Option<LookupKey> {
        let arena = Arena::for_bytes(request.len());
        let tree = Json::parse(request, &arena).ok()?;
        // In whatever form: what is in doubt is decided like what is certain, not left out.
        if service_request::mentions_code(&tree, &|word| asking.codes.contains(&word)) {
            return None;
        }
        let id = resource::id(&tree).unwrap_or_default().as_bytes();
        Some(asking.env.keys.lookup(&[name, b"ServiceRequest", id]))
    };
    let strangers: Vec<Option<LookupKey>> = requests.iter().map(lookup).collect();
    let lookups: Vec<LookupKey> = strangers.iter().flatten().copied().collect();
    let mut known = HashSet::new();
    if !lookups.is_empty() {
        let legs = asking
            .env
            .store
            .legs_by_lookup(lookups)
            .await
            .map_err(own)?;
        known.extend(legs.into_iter().filter_map(|leg| leg.lookup));
    }
    let mut kept = requests.into_iter().zip(strangers);
    Ok(kept
        .by_ref()
        .filter(|(_, lookup)| lookup.is_none_or(|lookup| known.contains(&lookup)))
        .map(|(request, _)| request)
        .collect())
}

/// The requests, as we have them, of the open legs of these people.
pub(super) async fn of_people(
    asking: &Asking<'_>,
    people: &[Vec<u8>],
) -> Result<Vec<Bytes>, PullError> {
    let env = asking.env;
    let source = &env.sources[asking.source];
    let name = source.config.id.as_bytes();
    let mut lookups = Vec::with_capacity(2 * people.len());
    for (number, id) in people
        .iter()
        .filter_map(|person| names_of(person, env.today()))
    {
        let number = number.and_then(|number| NhsNumber::parse(&number).ok());
        if let Some(number) = number {
            let digits = number.digits();
            lookups.push(env.keys.lookup(&[name, b"nhs-number", digits.as_bytes()]));
        }
        lookups.push(env.keys.lookup(&[name, b"patient", id.as_bytes()]));
    }
    let keys = env.store.keys_by_lookup(lookups).await.map_err(own)?;
    let persons = keys.iter().map(|key| key.id).collect();
    let legs = env.store.legs_of_persons(persons).await.map_err(own)?;
    let raws: Vec<_> = legs
        .iter()
        .filter(|leg| {
            // Onward legs change with the first leg of their referral.
            leg.source == source.strand && leg.lookup.is_some() && !leg.now.state.terminal()
        })
        .map(|leg| leg.now.raws)
        .collect();
    let referrals = sealed_inputs::referrals(env, &raws)
        .await
        .map_err(PullError::Own)?;
    let requests = referrals.into_iter().flatten();
    Ok(requests
        .map(|referral| Arc::clone(&referral.request))
        .collect())
}
