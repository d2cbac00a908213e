//! *push*: writes what came back into the GP record, each event once, ledger first.
//!
//! In: queued events, corrections, and legs whose Task should say something else. Out: Observations and Tasks on the GP
//! system, or in a file for an import. Keeps: `pushing` is durable before anything is sent; a write is claimed from where it
//! was read, so that no two runs send the same; what may have arrived is looked up before it is sent again, and waits while a
//! look-up cannot prove that it is not there; free text is never written.

mod endings;
mod fhir_server;
mod hold_back;
mod import_folder;
mod load_writes;
mod observation;
mod person_check;
#[cfg(test)]
mod person_check_tests;
mod record_writes;
mod send;
#[cfg(test)]
mod send_order_tests;
#[cfg(test)]
mod send_tests;
mod task_sync;
mod unproven;

use std::sync::Arc;

use observation::About;
use record_writes::{Ended, end};

use super::event::StoredEvent;
use super::run::{Only, Run, StageOutcome};
use crate::config::PushTo;
use crate::domain::KeyId;
use crate::seal::{HolderKey, Spot};
use crate::store::rows::{Leg, PushRow};

/// Pushes to every source.
///
/// # Errors
/// The store failed. A source that cannot be reached is an outcome, and the others go on.
pub(crate) async fn run(run: &Arc<Run>, only: &Only) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    for place in 0..run.sources.len() {
        let source = &run.sources[place].config;
        if !source.enabled
            || source.shadow
            || only.source.as_ref().is_some_and(|id| *id != source.id)
        {
            continue;
        }
        let pushed = match &source.push.to {
            PushTo::Off => StageOutcome::default(),
            PushTo::Fhir { base_url } => fhir_server::push(run, place, base_url).await?,
            PushTo::Folder { .. } => import_folder::push(run, place).await?,
        };
        outcome.merge(pushed);
    }
    Ok(outcome)
}

/// A write with all that it is made of.
struct Write {
    row: PushRow,
    event: StoredEvent,
    /// The Observation as it shall be.
    body: Vec<u8>,
    /// Where the server has it, if an earlier write said so.
    server_id: Option<String>,
    /// Earlier writes of the same entry that were open when this one was read.
    before: Vec<PushRow>,
}

/// The writes of one leg: they go together, and never with those of another person.
struct Unit {
    leg: Leg,
    key: HolderKey,
    partner: usize,
    about: About,
    writes: Vec<Write>,
    /// The Task, where it should say something else than it does.
    task: Option<task_sync::Task>,
    /// Something of it may be on the server already.
    look_first: bool,
}

/// Where a server's id is sealed.
fn server_id_spot(row: impl Into<i64>, holder: KeyId) -> Spot<'static> {
    Spot::new("push.server_id", row, holder)
}
