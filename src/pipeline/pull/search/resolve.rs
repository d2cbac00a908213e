//! Requests made whole: the records that they name fetched, and put together as referrals.

use super::records::Records;
use super::references::{Named, Names, ODS, replaced_by};
use crate::fhir::client::ClientError;
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
    let consents = all(|names| &names.consents);
    records.fetch(RawKind::Practitioner, practitioners).await?;
    records.fetch(RawKind::Organization, organizations).await?;
    records.fetch(RawKind::Consent, consents).await?;
    for names in named.iter_mut() {
        for code in std::mem::take(&mut names.ods_codes) {
            let found = records.find(RawKind::Organization, ODS, &code).await?;
            names.organizations.extend(found);
        }
    }
    Ok(())
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
    let consents: Vec<Bytes> = consents
        .filter_map(|id| get(RawKind::Consent, Some(id)))
        .collect();
    referral.consent = consents_together(&consents);
    if names.person().is_none() && !names.contained_patient {
        missing(RawKind::Patient);
    }
    referral
}
