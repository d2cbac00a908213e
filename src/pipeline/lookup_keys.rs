//! Keyed look-ups: by what the store finds a referral, a person or a version of a record again without knowing who it is.
//!
//! In: a referral. Out: digests under the installation's secret. Keeps: the same number gives another key at each source, so
//! that no two practices' rows can be joined by looking at them.

use crate::domain::{KeyId, NhsNumber};
use crate::fhir::resources::bundle::content;
use crate::fhir::resources::{patient, resource, service_request};
use crate::json::{Json, items};
use crate::pipeline::referral::{Bytes, Doubt, Referral, ReferralTrees};
use crate::pipeline::run::Env;
use crate::seal::{LookupKey, sha256};
use crate::store::StoreError;

/// Looks of one referral's resources.
pub(crate) struct LookupKeys {
    pub(crate) referral: LookupKey,
    pub(crate) request: LookupKey,
    pub(crate) person: LookupKey,
    /// The same person as other sources would know them, and as any source would.
    pub(crate) alike: Vec<LookupKey>,
    pub(crate) anywhere: Option<LookupKey>,
    pub(crate) patient: Option<LookupKey>,
    pub(crate) consent: Option<LookupKey>,
}

/// The keys of one referral; `None` of what is no `ServiceRequest` or has no id.
pub(crate) fn lookup_keys(
    env: &Env,
    source: usize,
    referral: &Referral,
    trees: &ReferralTrees<'_>,
) -> Option<LookupKeys> {
    let name = env.sources[source].config.id.as_bytes();
    let id = resource::id(&trees.request)?.as_bytes();
    if resource::resource_type(&trees.request) != Some("ServiceRequest") {
        return None;
    }
    let pulled = |kind: &str, bytes: Option<&Bytes>, tree: Option<&Json<'_>>| {
        // Of a list of consents the first; all of them are in the version.
        let first = items(tree).first()?;
        let id = resource::id(first).unwrap_or_default().as_bytes();
        Some(env.keys.lookup(&[
            name,
            kind.as_bytes(),
            id,
            &version(env, source, bytes?, tree?, referral.ids.one_bundle),
        ]))
    };
    let of_referral = own_lookup(env, source, id, referral);
    let person = trees.patient();
    let patient_id = person
        .and_then(resource::id)
        .filter(|_| referral.patient.is_some());
    let number = person
        .and_then(|person| patient::nhs_number(person, env.today()))
        .and_then(|number| NhsNumber::parse(&number).ok());
    let person_key = match (&number, patient_id) {
        (Some(number), _) => person_key(env, source, number),
        (None, Some(patient)) if !referral.ids.one_bundle => {
            numberless_key(env, source, patient, referral.ids.place.as_deref())
        }
        (None, _) => env.keys.lookup(&[name, b"nobody", &of_referral]),
    };
    let (request, performers) = (&trees.request, named_performers(trees));
    let request = version(env, source, &referral.request, request, false);
    let mut request: Vec<&[u8]> = vec![name, b"ServiceRequest", id, &request, &performers];
    // Equal ids and versions of two places are two.
    request.extend(referral.ids.place.as_deref().map(str::as_bytes));
    Some(LookupKeys {
        referral: of_referral,
        request: env.keys.lookup(&request),
        person: person_key,
        alike: number.as_ref().map_or_else(Vec::new, |number| {
            let others = (0..env.sources.len()).filter(|other| *other != source);
            others
                .map(|other| self::person_key(env, other, number))
                .collect()
        }),
        // One source alone has nobody to share with.
        anywhere: number.filter(|_| env.sources.len() > 1).map(|number| {
            env.keys
                .lookup(&[b"anywhere", b"nhs-number", number.digits().as_bytes()])
        }),
        patient: pulled(
            "Patient",
            referral.patient.as_ref(),
            referral.patient.as_ref().and(person),
        ),
        consent: pulled("Consent", referral.consent.as_ref(), trees.consent_record()),
    })
}

/// Whom the performers name through records of their own, as a digest; nothing where no record says it.
fn named_performers(trees: &ReferralTrees<'_>) -> Vec<u8> {
    let Some(known) = trees.performers() else {
        return Vec::new();
    };
    let mut told = Vec::new();
    for performer in service_request::performers_by_identifier(&trees.request, Some(known)) {
        for (system, value) in performer {
            told.extend_from_slice(&sha256(&[
                system.unwrap_or_default().as_bytes(),
                b"\n",
                value.as_bytes(),
            ]));
        }
        told.push(b'\n');
    }
    sha256(&[&told]).to_vec()
}

/// The look of a referral: as it is kept, else by its id and where that holds.
pub(crate) fn own_lookup(env: &Env, source: usize, id: &[u8], referral: &Referral) -> LookupKey {
    let ids = &referral.ids;
    if let Some(kept) = ids.kept_as {
        return kept;
    }
    match ids.doubt {
        // Each of several requests under one name by its content: the name itself is nobody's.
        Doubt::Request => {
            let name = env.sources[source].config.id.as_bytes();
            let content = sha256(&[&referral.request]);
            let place = ids.place.as_deref().unwrap_or_default();
            let fields = [name, b"in doubt", id, &content, place.as_bytes()];
            env.keys.lookup(&fields)
        }
        Doubt::Record | Doubt::None => referral_lookup(env, source, id, ids.place.as_deref()),
    }
}

/// The look of a person without a number, by the id of the record.
fn numberless_key(env: &Env, source: usize, patient: &str, place: Option<&str>) -> LookupKey {
    let name = env.sources[source].config.id.as_bytes();
    let patient = patient.as_bytes();
    match place {
        Some(place) => env
            .keys
            .lookup(&[name, b"patient", patient, place.as_bytes()]),
        None => env.keys.lookup(&[name, b"patient", patient]),
    }
}

/// The look under which a source knows the person of a number.
fn person_key(env: &Env, source: usize, number: &NhsNumber) -> LookupKey {
    let name = env.sources[source].config.id.as_bytes();
    env.keys
        .lookup(&[name, b"nhs-number", number.digits().as_bytes()])
}

/// The looks under which every source would know a person; none without a number.
pub(crate) fn person_keys(env: &Env, patient: Option<&Json<'_>>) -> Vec<LookupKey> {
    let number = patient
        .and_then(|person| patient::nhs_number(person, env.today()))
        .and_then(|number| NhsNumber::parse(&number).ok());
    number.map_or_else(Vec::new, |number| {
        let sources = 0..env.sources.len();
        sources
            .map(|source| person_key(env, source, &number))
            .collect()
    })
}

/// The person of a leg, and the same number's person at every other source: practices are linked for this question
/// alone, by look-ups made afresh, and nothing of the link is kept.
///
/// # Errors
/// The store failed.
pub(crate) async fn persons_alike(
    env: &Env,
    person: KeyId,
    patient: Option<&Json<'_>>,
) -> Result<Vec<KeyId>, StoreError> {
    let lookups = person_keys(env, patient);
    let mut persons = vec![person];
    persons.extend(
        env.store
            .keys_by_lookup(lookups)
            .await?
            .iter()
            .map(|key| key.id),
    );
    persons.retain(|person| person.is_some());
    persons.sort_unstable();
    persons.dedup();
    Ok(persons)
}

/// The look of the referral with this id: of the source's server, or of a place whose ids are told from others.
pub(crate) fn referral_lookup(
    env: &Env,
    source: usize,
    id: &[u8],
    place: Option<&str>,
) -> LookupKey {
    let name = env.sources[source].config.id.as_bytes();
    match place {
        Some(place) => env
            .keys
            .lookup(&[name, b"ServiceRequest", id, place.as_bytes()]),
        None => env.keys.lookup(&[name, b"ServiceRequest", id]),
    }
}

/// What tells one version of a resource from another: a server's version id, else its content without what a server may
/// write anew; in extracts always the bytes. `one_bundle`: its id holds in one Bundle alone, and so does its version id.
fn version(env: &Env, source: usize, bytes: &[u8], tree: &Json<'_>, one_bundle: bool) -> Vec<u8> {
    let served = matches!(
        env.sources[source].config.pull,
        crate::config::Pull::Search { .. } | crate::config::Pull::Bulk(_)
    );
    match resource::version_id(tree) {
        Some(version) if served && !one_bundle && resource::id(tree).is_some() => {
            version.as_bytes().to_vec()
        }
        _ if served => sha256(&[&content(bytes)]).to_vec(),
        _ => sha256(&[bytes]).to_vec(),
    }
}
