//! Who was routed to whom in this run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::StrandId;
use crate::seal::LookupKey;

/// Who was routed to whom in this run. Sources that are read at once do not see each other's rows before they are durable,
/// and two practices may refer one person to one partner in the same hour.
#[derive(Default)]
pub(crate) struct Claims(Mutex<HashMap<(LookupKey, StrandId), StrandId>>);

impl Claims {
    /// Takes a person's place with a partner for a source; `false` if another source has taken it in this run.
    pub(crate) fn take(&self, person: LookupKey, partner: StrandId, source: StrandId) -> bool {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *taken.entry((person, partner)).or_insert(source) == source
    }
}
