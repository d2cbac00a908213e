//! The stored events of a leg, opened.

use super::{StoredEvent, event_spot};
use crate::domain::{EventId, LegId};
use crate::pipeline::run::LedgerAccess;

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
) -> anyhow::Result<Vec<(EventId, StoredEvent)>> {
    let rows = ledger.store.events_of_legs(vec![leg]).await?;
    let keys = ledger
        .holder_keys(rows.iter().map(|row| row.holder).collect())
        .await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(key) = keys.get(&row.holder) else {
            continue;
        };
        let plain = key.open(event_spot(row.id, row.holder), &row.sealed)?;
        events.push((row.id, serde_json::from_slice(&plain)?));
    }
    Ok(events)
}
