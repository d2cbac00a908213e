//! The stored events of legs, opened.

use std::collections::HashMap;

use super::{StoredEvent, event_spot};
use crate::domain::{EventId, KeyId, LegId};
use crate::pipeline::run::LedgerAccess;
use crate::pipeline::workers::{of_each, workers};
use crate::seal::HolderKey;
use crate::store::rows::EventRow;

/// A stored event with its id.
pub(crate) type NumberedEvent = (EventId, StoredEvent);

/// The events of a leg.
#[derive(Default)]
pub(crate) struct LegEvents {
    /// How many there are; those that cannot be opened any more count too.
    pub(crate) told: usize,
    /// In the order in which they came; those of an erased person are missing.
    pub(crate) opened: Vec<NumberedEvent>,
}

/// Events that one worker opens at a time.
const EVENTS_A_PIECE: usize = 256;

/// The events of a leg as they were kept; those of an erased person are missing.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn events(ledger: &LedgerAccess, leg: LegId) -> anyhow::Result<Vec<StoredEvent>> {
    let numbered = numbered(ledger, leg).await?;
    Ok(numbered.into_iter().map(|(_, event)| event).collect())
}

/// The same with the id of each.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn numbered(
    ledger: &LedgerAccess,
    leg: LegId,
) -> anyhow::Result<Vec<NumberedEvent>> {
    let mut keys = HashMap::new();
    let mut found = events_of_legs(ledger, vec![leg], &mut keys).await?;
    Ok(found.remove(&leg).unwrap_or_default().opened)
}

/// The same of many legs. Keys that are not among `keys` are added to them.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn events_of_legs(
    ledger: &LedgerAccess,
    legs: Vec<LegId>,
    keys: &mut HashMap<KeyId, HolderKey>,
) -> anyhow::Result<HashMap<LegId, LegEvents>> {
    let rows = ledger.store.events_of_legs(legs).await?;
    open_events(ledger, &rows, keys).await
}

/// Opens events that were read, by leg.
///
/// # Errors
/// As [`events_of_legs`].
pub(crate) async fn open_events(
    ledger: &LedgerAccess,
    rows: &[EventRow],
    keys: &mut HashMap<KeyId, HolderKey>,
) -> anyhow::Result<HashMap<LegId, LegEvents>> {
    let holders = rows.iter().map(|row| row.holder);
    let unknown: Vec<KeyId> = holders.filter(|key| !keys.contains_key(key)).collect();
    if !unknown.is_empty() {
        keys.extend(ledger.holder_keys(unknown).await?);
    }
    let threads = if rows.len() > EVENTS_A_PIECE {
        workers()
    } else {
        1
    };
    let opened = of_each(rows, EVENTS_A_PIECE, threads, |row| {
        keys.get(&row.holder).map(|key| open(row, key))
    })?;
    let mut events: HashMap<LegId, LegEvents> = HashMap::new();
    for (row, opened) in rows.iter().zip(opened) {
        let of_leg = events.entry(row.leg).or_default();
        of_leg.told += 1;
        of_leg.opened.extend(opened.transpose()?);
    }
    Ok(events)
}

fn open(row: &EventRow, key: &HolderKey) -> anyhow::Result<NumberedEvent> {
    let plain = key.open(event_spot(row.id, row.holder), &row.sealed)?;
    Ok((row.id, serde_json::from_slice(&plain)?))
}
