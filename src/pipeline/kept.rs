//! Reads sealed inputs back as dossiers: the one reader of `raw.sealed`.

use std::collections::HashMap;
use std::sync::Arc;

use super::dossier::{Bytes, Dossier};
use super::env::{Env, raw_spot};
use crate::store::rows::RawIds;

/// The dossiers of these rows, in order; `None` where a person was erased.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn dossiers(env: &Env, rows: &[RawIds]) -> anyhow::Result<Vec<Option<Dossier>>> {
    let mut ids: Vec<i64> = rows
        .iter()
        .flat_map(|raws| raws.to_array())
        .filter(|id| *id > 0)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let raws = env.store.raws(ids).await?;
    let keys = env
        .holder_keys(raws.iter().map(|raw| raw.holder).collect())
        .await?;
    let mut opened: HashMap<i64, Bytes> = HashMap::with_capacity(raws.len());
    for raw in &raws {
        // A key that was destroyed leaves nothing to open: the row counts as erased.
        let Some(key) = keys.get(&raw.holder) else {
            continue;
        };
        match key.open(raw_spot(raw.id, raw.holder), &raw.sealed) {
            Ok(plain) => {
                opened.insert(raw.id, Arc::from(plain));
            }
            Err(crate::seal::SealError::Erased) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let find = |id: i64| opened.get(&id).cloned();
    Ok(rows
        .iter()
        .map(|raws| {
            Some(Dossier {
                request: find(raws.request)?,
                patient: find(raws.patient),
                requester: find(raws.requester),
                role: find(raws.role),
                practice: find(raws.practice),
                consent: find(raws.consent),
            })
        })
        .collect())
}
