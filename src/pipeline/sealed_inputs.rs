//! Reads sealed inputs back as referrals: the one reader of `raw.sealed`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::referral::{Bytes, IdScope, Referral};
use super::run::{LedgerAccess, raw_spot};
use crate::domain::{KeyId, RawId};
use crate::seal::{HolderKey, SealError};
use crate::store::rows::{RawIds, RawRow};

/// Sealed inputs with the keys of their holders, as fetched from the store.
pub(crate) struct Fetched {
    raws: HashMap<RawId, RawRow>,
    keys: HashMap<KeyId, HolderKey>,
    /// Opened practitioners, roles and practices: many referrals name the same few.
    shared: Mutex<HashMap<RawId, Bytes>>,
    /// Whether all that is opened is kept there: whoever reads several versions of a referral has most of it twice.
    keeps_all: bool,
}

/// Fetches what these rows are made of; nothing is opened yet.
///
/// # Errors
/// The store failed, or a key does not open.
pub(crate) async fn fetch(ledger: &LedgerAccess, rows: &[RawIds]) -> anyhow::Result<Fetched> {
    let mut ids: Vec<RawId> = rows
        .iter()
        .flat_map(|raws| raws.to_array())
        .filter(|id| id.is_some())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let raws = ledger.store.raws(ids).await?;
    let keys = ledger
        .holder_keys(raws.iter().map(|raw| raw.holder).collect())
        .await?;
    let raws = raws.into_iter().map(|raw| (raw.id, raw)).collect();
    Ok(Fetched {
        raws,
        keys,
        shared: Mutex::new(HashMap::new()),
        keeps_all: false,
    })
}

impl Fetched {
    /// The keys of those whose inputs were fetched; of those that were destroyed there is none.
    pub(crate) fn into_keys(self) -> HashMap<KeyId, HolderKey> {
        self.keys
    }

    /// Opens one row's inputs; `None` where the person was erased.
    ///
    /// # Errors
    /// A sealed value does not open.
    pub(crate) fn referral(&self, raws: RawIds) -> Result<Option<Referral>, SealError> {
        let Some(kept) = self.open_own(raws.request)? else {
            return Ok(None);
        };
        let (request, performers) = parted(kept);
        Ok(Some(Referral {
            request,
            performers,
            patient: self.open_own(raws.patient)?,
            requester: self.open_shared(raws.requester)?,
            role: self.open_shared(raws.role)?,
            practice: self.open_shared(raws.practice)?,
            consent: self.open_own(raws.consent)?,
            ids: IdScope::default(),
        }))
    }

    /// Opens what few referrals share.
    fn open_own(&self, id: RawId) -> Result<Option<Bytes>, SealError> {
        if self.keeps_all {
            self.open_shared(id)
        } else {
            self.open(id)
        }
    }

    fn open(&self, id: RawId) -> Result<Option<Bytes>, SealError> {
        let Some(raw) = self.raws.get(&id) else {
            return Ok(None);
        };
        // A key that was destroyed leaves nothing to open: the row counts as erased.
        let Some(key) = self.keys.get(&raw.holder) else {
            return Ok(None);
        };
        match key.open(raw_spot(raw.id, raw.holder), &raw.sealed) {
            Ok(plain) => Ok(Some(Arc::from(plain))),
            Err(SealError::Erased) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open_shared(&self, id: RawId) -> Result<Option<Bytes>, SealError> {
        if !id.is_some() {
            return Ok(None);
        }
        let known = |id: &RawId| {
            let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.get(id).cloned()
        };
        if let Some(bytes) = known(&id) {
            return Ok(Some(bytes));
        }
        let opened = self.open(id)?;
        if let Some(bytes) = &opened {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.insert(id, Arc::clone(bytes));
        }
        Ok(opened)
    }
}

/// A request as it is sealed: as it came, and behind a NUL, which no JSON text holds, what its performers refer to.
pub(crate) fn joined(referral: &Referral) -> Bytes {
    match &referral.performers {
        None => Arc::clone(&referral.request),
        Some(performers) => [&referral.request, &[0][..], performers].concat().into(),
    }
}

/// The parts again.
fn parted(kept: Bytes) -> (Bytes, Option<Bytes>) {
    match memchr::memchr(0, &kept) {
        None => (kept, None),
        Some(at) => (kept[..at].into(), Some(kept[at + 1..].into())),
    }
}

/// The referrals of these rows, in order, each input opened once; `None` where a person was erased.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn referrals(
    ledger: &LedgerAccess,
    rows: &[RawIds],
) -> anyhow::Result<Vec<Option<Referral>>> {
    let mut fetched = fetch(ledger, rows).await?;
    fetched.keeps_all = true;
    let referrals: Result<Vec<_>, SealError> =
        rows.iter().map(|raws| fetched.referral(*raws)).collect();
    Ok(referrals?)
}
