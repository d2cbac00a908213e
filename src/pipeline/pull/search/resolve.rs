//! Requests made whole: the records that they name fetched, and put together as referrals.

use super::records::Records;
use super::references::{
    Named, Names, ODS, PerformingService, SERVICE_KINDS, replaced_by, services_of_role,
};
use crate::fhir::client::ClientError;
use crate::fhir::resources::bundle::collected;
use crate::fhir::resources::reference::is_id;
use crate::fhir::resources::{patient, practitioner};
use crate::json::{Arena, Json};
use crate::pipeline::referral::{Bytes, Referral, consents_together};
use crate::store::rows::RawKind;

/// A person's records that follow one another by `replaced-by`.
const MERGES_MAX: usize = 5;

/// Fetches what is missing, kind by kind: first what requests name, then what those records name.
pub(super) async fn fetch(
    records: &mut Records<'_>,
    base: &str,
    named: &mut [Names],
) -> Result<(), ClientError> {
    for names in named.iter_mut() {
        if let Named::NhsNumber(number) = &names.patient {
            let system = patient::NHS_NUMBER_SYSTEM;
            let found = records.find(RawKind::Patient, system, number).await?;
            names.patient = found.map_or(Named::Nobody, Named::Id);
        }
    }
    let patients = |named: &[Names]| -> Vec<String> {
        named
            .iter()
            .filter_map(|names| names.person().cloned())
            .collect()
    };
    records.fetch(RawKind::Patient, patients(named)).await?;
    let roles: Vec<String> = named
        .iter()
        .filter_map(|names| names.role.clone())
        .collect();
    records.fetch(RawKind::PractitionerRole, roles).await?;
    for names in named.iter_mut() {
        let role = names.role.as_deref();
        if let Some(role) = role.and_then(|id| records.get(RawKind::PractitionerRole, id)) {
            names.add_role(&role, base, &records.urls);
        }
    }
    // A merged person's live record stands behind one or more others.
    for _ in 0..MERGES_MAX {
        let mut merged = false;
        for names in named.iter_mut() {
            let Some(record) = names
                .person()
                .and_then(|id| records.get(RawKind::Patient, id))
            else {
                continue;
            };
            if let Some(live) = replaced_by(&record, base, &records.urls) {
                names.patient = Named::Id(live);
                merged = true;
            }
        }
        if !merged {
            break;
        }
        records.fetch(RawKind::Patient, patients(named)).await?;
    }
    let all = |of: fn(&Names) -> &[String]| -> Vec<String> {
        named.iter().flat_map(of).cloned().collect()
    };
    let practitioners = all(|names| names.practitioner.as_slice());
    let organizations = all(|names| &names.organizations);
    let consents = named
        .iter()
        .flat_map(|names| names.consents.iter().flatten());
    let consents: Vec<String> = consents.cloned().collect();
    records.fetch(RawKind::Practitioner, practitioners).await?;
    records.fetch(RawKind::Organization, organizations).await?;
    records.fetch(RawKind::Consent, consents).await?;
    let services = named.iter().flat_map(|names| names.performers.iter());
    let services: Vec<PerformingService> = services.cloned().collect();
    let of_roles = fetch_services(records, base, &services).await?;
    fetch_services(records, base, &of_roles).await?;
    for names in named.iter_mut() {
        for code in std::mem::take(&mut names.ods_codes) {
            let found = records.find(RawKind::Organization, ODS, &code).await?;
            names.organizations.extend(found);
        }
    }
    Ok(())
}

/// Fetches organisations, services and roles; gives what the roles name.
async fn fetch_services(
    records: &mut Records<'_>,
    base: &str,
    services: &[PerformingService],
) -> Result<Vec<PerformingService>, ClientError> {
    for kind in SERVICE_KINDS {
        let ids = services.iter().filter(|(_, of, _)| *of == kind);
        let ids: Vec<String> = ids.map(|(.., id)| id.clone()).collect();
        records.fetch(kind, ids).await?;
    }
    let roles = services
        .iter()
        .filter(|(_, kind, _)| *kind == RawKind::PractitionerRole);
    let roles = roles.filter_map(|(_, kind, id)| records.get(*kind, id));
    Ok(roles
        .flat_map(|role| services_of_role(&role, base, &records.urls))
        .collect())
}

/// A request with its records, all of them here by now; what is not, is counted.
pub(super) fn assemble(
    records: &Records<'_>,
    base: &str,
    request: Bytes,
    names: &Names,
    mut missing: impl FnMut(RawKind),
) -> Referral {
    let mut referral = Referral::of_request(request);
    let mut get = |kind: RawKind, id: Option<&String>| {
        let found = records.get(kind, id?);
        if found.is_none() {
            missing(kind);
        }
        found
    };
    // A chain of merged records that does not end at a live one leads to nobody.
    referral.patient = get(RawKind::Patient, names.person())
        .filter(|record| replaced_by(record, base, &records.urls).is_none());
    referral.role = get(RawKind::PractitionerRole, names.role.as_ref());
    referral.requester = get(RawKind::Practitioner, names.practitioner.as_ref());
    for id in &names.organizations {
        let organization = get(RawKind::Organization, Some(id));
        let coded = |bytes: &Bytes| {
            Json::parse(bytes, &Arena::default())
                .is_ok_and(|tree| practitioner::ods_code(&tree).is_some())
        };
        if referral.practice.is_none() {
            referral.practice = organization.filter(coded);
        }
    }
    let consents = names.consents.iter();
    let consents: Vec<Option<Bytes>> = consents
        .map(|id| get(RawKind::Consent, id.as_ref()))
        .collect();
    referral.consent = consents_together(&consents);
    // What a page has under an address of its own bears an id that may be another's on the server.
    let consents = names.consents.iter().flatten();
    let mut named = names.person().into_iter().chain(consents);
    referral.ids.one_bundle = named.any(|id| !is_id(id));
    let mut services = Vec::new();
    for (text, kind, id) in &names.performers {
        let Some(found) = get(*kind, Some(id)) else {
            continue;
        };
        if *kind == RawKind::PractitionerRole {
            for (text, kind, id) in services_of_role(&found, base, &records.urls) {
                services.extend(get(kind, Some(&id)).map(|bytes| (text, bytes)));
            }
        }
        services.push((text.clone(), found));
    }
    referral.performers = collected(&services).map(Bytes::from);
    if names.person().is_none() && !names.contained_patient {
        missing(RawKind::Patient);
    }
    referral
}
