//! What the store knows of a chunk's referrals, people and records already.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::worker::Shared;
use crate::domain::{KeyId, LegId, LegState, RawId, StrandId};
use crate::fhir::resources::{resource, service_request};
use crate::json::{Arena, Json};
use crate::pipeline::lookup_keys::{LookupKeys, lookup_keys, own_lookup};
use crate::pipeline::referral::{Referral, ReferralTrees};
use crate::pipeline::run::{Env, LedgerAccess, Run};
use crate::pipeline::sealed_inputs;
use crate::seal::{LookupKey, sha256};
use crate::store::rows::{KeyRow, Leg, RawIds, RawKind};

/// What a first load has written so far: an empty store knows nothing else, so nothing else is looked up.
///
/// A store that held anything before is asked about every look. Two bits a look, in a table of fixed size: bits that others
/// have set only cost a look-up (one in 300 after half a million referrals).
pub(crate) struct Seen {
    table: Option<Mutex<Vec<u64>>>,
    /// Another process has written meanwhile: the store is asked about every look.
    ask_all: AtomicBool,
}

/// Words of the table: 4 MB, in which a million referrals have every twentieth look asked for in vain.
const SEEN_WORDS: usize = 1 << 19;

impl Seen {
    /// For a store that was empty, or was not, when the pull began.
    pub(crate) fn new(empty: bool) -> Self {
        Self {
            table: empty.then(|| Mutex::new(vec![0; SEEN_WORDS])),
            ask_all: AtomicBool::new(false),
        }
    }

    /// From here on the store may know what this pull has not written.
    pub(crate) fn ask_all(&self) {
        self.ask_all.store(true, Ordering::Relaxed);
    }

    /// Notes what is being written.
    pub(crate) fn note(&self, lookups: impl IntoIterator<Item = LookupKey>) {
        if let Some(seen) = &self.table {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            for (word, bit) in lookups.into_iter().flat_map(bits) {
                seen[word] |= bit;
            }
        }
    }

    /// Those of these look-ups that the store may know.
    fn of(&self, lookups: impl Iterator<Item = LookupKey>) -> Vec<LookupKey> {
        match &self.table {
            Some(seen) if !self.ask_all.load(Ordering::Relaxed) => {
                let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let known = |lookup: &LookupKey| {
                    bits(*lookup)
                        .iter()
                        .all(|(word, bit)| seen[*word] & bit != 0)
                };
                lookups.filter(known).collect()
            }
            _ => lookups.collect(),
        }
    }
}

/// The two bits of a look, as word of the table and bit of the word. A look is a keyed digest: its bytes are as good as drawn.
fn bits(lookup: LookupKey) -> [(usize, u64); 2] {
    [0, 4].map(|from| {
        let mut drawn = [0; 4];
        drawn.copy_from_slice(&lookup[from..from + 4]);
        let drawn = u32::from_be_bytes(drawn) as usize;
        ((drawn >> 6) % SEEN_WORDS, 1 << (drawn & 63))
    })
}

/// What the store knows of a chunk.
pub(crate) struct Known {
    pub(crate) legs: HashMap<LookupKey, Leg>,
    pub(crate) raws: HashMap<LookupKey, RawId>,
    pub(crate) persons: HashMap<LookupKey, KeyRow>,
    /// Ids of people whom other sources know.
    pub(crate) elsewhere: HashMap<LookupKey, KeyId>,
    /// Open legs of each person with their partners' strands.
    pub(crate) open_with: HashMap<KeyId, Vec<(LegId, StrandId)>>,
    /// Onward legs of these persons: they change with the first leg of their referral.
    pub(crate) onward: Vec<Leg>,
}

/// The leg of a referral as somebody brings it, and whether this very version was pulled before.
///
/// # Errors
/// The store failed.
pub(crate) async fn known_before(
    env: &Env,
    source: usize,
    referral: &Referral,
    trees: &ReferralTrees<'_>,
) -> anyhow::Result<(Option<Leg>, bool)> {
    let Some(lookups) = lookup_keys(env, source, referral, trees) else {
        return Ok((None, false));
    };
    let leg = env
        .store
        .legs_by_lookup(vec![lookups.referral])
        .await?
        .pop();
    let seen = env.store.raws_by_lookup(vec![lookups.request]).await?;
    Ok((leg, !seen.is_empty()))
}

/// A record that is missing this time is no change: where no record of the performers came, those that were recorded with
/// the same references count.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(super) async fn remembered_performers(
    run: &Run,
    source: usize,
    referrals: &mut Cow<'_, [Referral]>,
    requests: &[Option<Json<'_>>],
) -> anyhow::Result<()> {
    let mut missing = HashMap::new();
    for (place, (referral, request)) in referrals.iter().zip(requests).enumerate() {
        let Some(request) = request else { continue };
        let refers = !service_request::performers_to_resolve(request).is_empty();
        if let Some(id) = resource::id(request)
            && refers
            && referral.performers.is_none()
        {
            missing.insert(own_lookup(run, source, id.as_bytes(), referral), place);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let lookups = missing.keys().copied().collect();
    let legs = run.store.legs_by_lookup(lookups).await?;
    let raws: Vec<RawIds> = legs.iter().map(|leg| leg.now.raws).collect();
    let recorded = sealed_inputs::referrals(run, &raws).await?;
    for (leg, recorded) in legs.iter().zip(recorded) {
        let place = leg.lookup.and_then(|lookup| missing.get(&lookup).copied());
        let (Some(place), Some(recorded)) = (place, recorded) else {
            continue;
        };
        let arena = Arena::default();
        let (Some(Some(request)), Ok(old)) =
            (requests.get(place), Json::parse(&recorded.request, &arena))
        else {
            continue;
        };
        let same = service_request::performers_to_resolve(request)
            == service_request::performers_to_resolve(&old);
        if let Some(referral) = referrals.to_mut().get_mut(place).filter(|_| same) {
            referral.performers = recorded.performers;
        }
    }
    Ok(())
}

/// `lookup-ups` remembers by address: within a chunk the same few records come again and again.
pub(crate) fn shared(
    env: &Env,
    source: usize,
    referral: &Referral,
    lookups: &mut HashMap<*const u8, LookupKey>,
) -> Vec<Shared> {
    let name = env.sources[source].config.id.as_bytes();
    let named = [
        (RawKind::Practitioner, referral.requester.as_ref()),
        (RawKind::PractitionerRole, referral.role.as_ref()),
        (RawKind::Organization, referral.practice.as_ref()),
    ];
    named
        .into_iter()
        .filter_map(|(kind, bytes)| {
            let bytes = bytes?;
            let lookup = *lookups.entry(bytes.as_ptr()).or_insert_with(|| {
                env.keys
                    .lookup(&[name, kind.resource_type().as_bytes(), &sha256(&[bytes])])
            });
            Some(Shared {
                kind,
                lookup,
                bytes: bytes.clone(),
            })
        })
        .collect()
}

impl Known {
    /// Asks the store for a chunk.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn of(
        ledger: &LedgerAccess,
        lookups: &[Option<LookupKeys>],
        seen: &Seen,
    ) -> anyhow::Result<Self> {
        let known = || lookups.iter().flatten();
        let legs = ledger
            .store
            .legs_by_lookup(seen.of(known().map(|lookups| lookups.referral)))
            .await?;
        let raw_looks =
            known().flat_map(|lookups| [Some(lookups.request), lookups.patient, lookups.consent]);
        let mut raw_looks = seen.of(raw_looks.flatten());
        raw_looks.sort_unstable();
        raw_looks.dedup();
        let raws = ledger.store.raws_by_lookup(raw_looks).await?;
        let keys = ledger
            .store
            .keys_by_lookup(seen.of(known().map(|lookups| lookups.person)))
            .await?;
        let mut alike = seen.of(known().flat_map(|lookups| lookups.alike.iter().copied()));
        alike.sort_unstable();
        alike.dedup();
        let elsewhere: HashMap<LookupKey, KeyId> = ledger
            .store
            .keys_by_lookup(alike)
            .await?
            .into_iter()
            .filter_map(|key| Some((key.lookup?, key.id)))
            .collect();
        let mut open_with: HashMap<KeyId, Vec<(LegId, StrandId)>> = HashMap::new();
        let mut onward = Vec::new();
        let mut persons: Vec<KeyId> = keys
            .iter()
            .map(|key| key.id)
            .chain(legs.iter().map(|leg| leg.now.person))
            .chain(elsewhere.values().copied())
            .collect();
        persons.sort_unstable();
        persons.dedup();
        for leg in ledger.store.legs_of_persons(persons).await? {
            let waiting = leg.now.state == LegState::Routed || leg.now.state.after_sending();
            if waiting && leg.now.partner.is_some() {
                open_with
                    .entry(leg.now.person)
                    .or_default()
                    .push((leg.id, leg.now.partner));
            }
            if leg.lookup.is_none() {
                onward.push(leg);
            }
        }
        Ok(Self {
            legs: legs
                .into_iter()
                .filter_map(|leg| Some((leg.lookup?, leg)))
                .collect(),
            raws: raws.into_iter().collect(),
            persons: keys
                .into_iter()
                .filter_map(|key| Some((key.lookup?, key)))
                .collect(),
            elsewhere,
            open_with,
            onward,
        })
    }
}
