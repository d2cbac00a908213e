//! What identifies the resources of a chunk, and what the store knows of them already.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::chunk::Shared;
use crate::domain::{LegState, NhsNumber};
use crate::fhir::bundle::content;
use crate::fhir::{patient, service_request};
use crate::json::Json;
use crate::pipeline::dossier::{Bytes, Dossier, Trees};
use crate::pipeline::env::Env;
use crate::seal::{Look, sha256};
use crate::store::StoreError;
use crate::store::rows::{KeyRow, Leg, RawKind};

/// Looks of one referral's resources.
pub(super) struct Looks {
    pub(super) referral: Look,
    pub(super) request: Look,
    pub(super) person: Look,
    /// The same person as other sources would know them, and as any source would.
    pub(super) alike: Vec<Look>,
    pub(super) anywhere: Option<Look>,
    pub(super) patient: Option<Look>,
    pub(super) consent: Option<Look>,
}

/// What a first load has written so far: an empty store knows nothing else, so nothing else is looked up.
///
/// A store that held anything before is asked about every look. Two bits a look, in a table of fixed size: bits that others
/// have set only cost a look-up (one in 300 after half a million referrals).
pub(crate) struct Seen(Option<Mutex<Vec<u64>>>);

/// Words of the table: 4 MB, in which a million referrals have every twentieth look asked for in vain.
const SEEN_WORDS: usize = 1 << 19;

impl Seen {
    /// For a store that was empty, or was not, when the pull began.
    pub(super) fn new(empty: bool) -> Self {
        Self(empty.then(|| Mutex::new(vec![0; SEEN_WORDS])))
    }

    /// Notes what is being written.
    pub(super) fn note(&self, looks: impl IntoIterator<Item = Look>) {
        if let Some(seen) = &self.0 {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            for (word, bit) in looks.into_iter().flat_map(bits) {
                seen[word] |= bit;
            }
        }
    }

    /// Those of these looks that the store may know.
    fn of(&self, looks: impl Iterator<Item = Look>) -> Vec<Look> {
        match &self.0 {
            None => looks.collect(),
            Some(seen) => {
                let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let known =
                    |look: &Look| bits(*look).iter().all(|(word, bit)| seen[*word] & bit != 0);
                looks.filter(known).collect()
            }
        }
    }
}

/// The two bits of a look, as word of the table and bit of the word. A look is a keyed digest: its bytes are as good as drawn.
fn bits(look: Look) -> [(usize, u64); 2] {
    [0, 4].map(|from| {
        let mut drawn = [0; 4];
        drawn.copy_from_slice(&look[from..from + 4]);
        let drawn = u32::from_be_bytes(drawn) as usize;
        ((drawn >> 6) % SEEN_WORDS, 1 << (drawn & 63))
    })
}

/// What the store knows of a chunk.
pub(super) struct Lore {
    pub(super) legs: HashMap<Look, Leg>,
    pub(super) raws: HashMap<Look, i64>,
    pub(super) persons: HashMap<Look, KeyRow>,
    /// Ids of people whom other sources know.
    pub(super) elsewhere: HashMap<Look, i64>,
    /// Open legs of each person with their partners' strands.
    pub(super) open_with: HashMap<i64, Vec<(i64, i64)>>,
    /// Onward legs of these persons: they change with the first leg of their referral.
    pub(super) onward: Vec<Leg>,
}

pub(super) fn looks(
    env: &Env,
    source: usize,
    dossier: &Dossier,
    trees: &Trees<'_>,
) -> Option<Looks> {
    let name = env.sources[source].config.id.as_bytes();
    let id = service_request::id(&trees.request)?.as_bytes();
    if trees.request.get("resourceType").and_then(Json::as_str) != Some("ServiceRequest") {
        return None;
    }
    let pulled = |kind: &str, bytes: Option<&Bytes>, tree: Option<&Json<'_>>| {
        let id = service_request::id(tree?)?.as_bytes();
        Some(env.keys.look(&[
            name,
            kind.as_bytes(),
            id,
            &version(env, source, bytes?, tree?),
        ]))
    };
    let person = trees.patient();
    let patient_id = person
        .and_then(service_request::id)
        .filter(|_| dossier.patient.is_some());
    let number = person
        .and_then(patient::nhs_number_text)
        .and_then(|text| NhsNumber::parse(text).ok());
    let person_look = match (&number, patient_id) {
        (Some(number), _) => person_look(env, source, number),
        (None, Some(patient)) => env.keys.look(&[name, b"patient", patient.as_bytes()]),
        (None, None) => env.keys.look(&[name, b"nobody", id]),
    };
    Some(Looks {
        referral: referral_look(env, source, id),
        request: env.keys.look(&[
            name,
            b"ServiceRequest",
            id,
            &version(env, source, &dossier.request, &trees.request),
        ]),
        person: person_look,
        alike: number.as_ref().map_or_else(Vec::new, |number| {
            let others = (0..env.sources.len()).filter(|other| *other != source);
            others
                .map(|other| self::person_look(env, other, number))
                .collect()
        }),
        // One source alone has nobody to share with.
        anywhere: number.filter(|_| env.sources.len() > 1).map(|number| {
            env.keys
                .look(&[b"anywhere", b"nhs-number", number.digits().as_bytes()])
        }),
        patient: pulled(
            "Patient",
            dossier.patient.as_ref(),
            dossier.patient.as_ref().and(person),
        ),
        consent: pulled(
            "Consent",
            dossier.consent.as_ref(),
            dossier.consent.as_ref().and(trees.consent()),
        ),
    })
}

/// The look under which a source knows the person of a number.
fn person_look(env: &Env, source: usize, number: &NhsNumber) -> Look {
    let name = env.sources[source].config.id.as_bytes();
    env.keys
        .look(&[name, b"nhs-number", number.digits().as_bytes()])
}

/// The person of a leg, and the same number's person at every other source: practices are linked for this question
/// alone, by looks made afresh, and nothing of the link is kept.
///
/// # Errors
/// The store failed.
pub(crate) async fn persons_alike(
    env: &Env,
    person: i64,
    patient: Option<&Json<'_>>,
) -> Result<Vec<i64>, StoreError> {
    let number = patient
        .and_then(patient::nhs_number_text)
        .and_then(|text| NhsNumber::parse(text).ok());
    let mut persons = vec![person];
    if let Some(number) = number {
        let sources = 0..env.sources.len();
        let looks = sources
            .map(|source| person_look(env, source, &number))
            .collect();
        persons.extend(
            env.store
                .keys_by_look(looks)
                .await?
                .iter()
                .map(|key| key.id),
        );
    }
    persons.retain(|person| *person > 0);
    persons.sort_unstable();
    persons.dedup();
    Ok(persons)
}

/// The look of the referral with this id of the source's server.
pub(crate) fn referral_look(env: &Env, source: usize, id: &[u8]) -> Look {
    let name = env.sources[source].config.id.as_bytes();
    env.keys.look(&[name, b"ServiceRequest", id])
}

/// The leg of a referral as somebody brings it, and whether this very version was pulled before.
///
/// # Errors
/// The store failed.
pub(crate) async fn known(
    env: &Env,
    source: usize,
    dossier: &Dossier,
    trees: &Trees<'_>,
) -> anyhow::Result<(Option<Leg>, bool)> {
    let Some(looks) = looks(env, source, dossier, trees) else {
        return Ok((None, false));
    };
    let leg = env.store.legs_by_look(vec![looks.referral]).await?.pop();
    let seen = env.store.raws_by_look(vec![looks.request]).await?;
    Ok((leg, !seen.is_empty()))
}

/// What tells one version of a resource from another: a server's version id, else its content without what a server may
/// write anew; in extracts always the bytes.
fn version(env: &Env, source: usize, bytes: &[u8], tree: &Json<'_>) -> Vec<u8> {
    let served = matches!(
        env.sources[source].config.pull,
        crate::config::Pull::Search { .. } | crate::config::Pull::Bulk(_)
    );
    match service_request::version_id(tree) {
        Some(version) if served => version.as_bytes().to_vec(),
        None if served => sha256(&[&content(bytes)]).to_vec(),
        _ => sha256(&[bytes]).to_vec(),
    }
}

/// `looks` remembers by address: within a chunk the same few records come again and again.
pub(super) fn shared(
    env: &Env,
    source: usize,
    dossier: &Dossier,
    looks: &mut HashMap<*const u8, Look>,
) -> Vec<Shared> {
    let name = env.sources[source].config.id.as_bytes();
    let named = [
        (RawKind::Practitioner, dossier.requester.as_ref()),
        (RawKind::PractitionerRole, dossier.role.as_ref()),
        (RawKind::Organization, dossier.practice.as_ref()),
    ];
    named
        .into_iter()
        .filter_map(|(kind, bytes)| {
            let bytes = bytes?;
            let look = *looks.entry(bytes.as_ptr()).or_insert_with(|| {
                env.keys
                    .look(&[name, kind.resource_type().as_bytes(), &sha256(&[bytes])])
            });
            Some(Shared {
                kind,
                look,
                bytes: bytes.clone(),
            })
        })
        .collect()
}

pub(super) async fn lore(env: &Env, looks: &[Option<Looks>], seen: &Seen) -> anyhow::Result<Lore> {
    let known = || looks.iter().flatten();
    let legs = env
        .store
        .legs_by_look(seen.of(known().map(|looks| looks.referral)))
        .await?;
    let raw_looks = known().flat_map(|looks| [Some(looks.request), looks.patient, looks.consent]);
    let mut raw_looks = seen.of(raw_looks.flatten());
    raw_looks.sort_unstable();
    raw_looks.dedup();
    let raws = env.store.raws_by_look(raw_looks).await?;
    let keys = env
        .store
        .keys_by_look(seen.of(known().map(|looks| looks.person)))
        .await?;
    let mut alike = seen.of(known().flat_map(|looks| looks.alike.iter().copied()));
    alike.sort_unstable();
    alike.dedup();
    let elsewhere: HashMap<Look, i64> = env
        .store
        .keys_by_look(alike)
        .await?
        .into_iter()
        .filter_map(|key| Some((key.look?, key.id)))
        .collect();
    let mut open_with: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
    let mut onward = Vec::new();
    let mut persons: Vec<i64> = keys
        .iter()
        .map(|key| key.id)
        .chain(legs.iter().map(|leg| leg.now.person))
        .chain(elsewhere.values().copied())
        .collect();
    persons.sort_unstable();
    persons.dedup();
    for leg in env.store.legs_of_persons(persons).await? {
        let waiting = leg.now.state == LegState::Routed || leg.now.state.after_sending();
        if waiting && leg.now.partner > 0 {
            open_with
                .entry(leg.now.person)
                .or_default()
                .push((leg.id, leg.now.partner));
        }
        if leg.look.is_none() {
            onward.push(leg);
        }
    }
    Ok(Lore {
        legs: legs
            .into_iter()
            .filter_map(|leg| Some((leg.look?, leg)))
            .collect(),
        raws: raws.into_iter().collect(),
        persons: keys
            .into_iter()
            .filter_map(|key| Some((key.look?, key)))
            .collect(),
        elsewhere,
        open_with,
        onward,
    })
}
