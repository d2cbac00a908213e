//! A person takes the store into use as it stands, although it is older than it was, or its clock is far off.
//!
//! In: an installation opened to be accepted, and an [`Actor`]. Out: what was doubted, recorded with the name; the why is
//! sealed. Keeps: what this store has not sent, and what it may have forgotten that it sent, waits for a person.

use super::Actor;
use crate::diagnostics::{Code, Diagnostic};
use crate::pipeline::run::Env;
use crate::store::{Body, Entry, LeaseStage};

/// What was taken into use.
pub(crate) struct AcceptedStore {
    /// What was doubtful.
    pub(crate) doubts: Vec<Diagnostic>,
    /// Whether what was not sent is held from now on.
    pub(crate) holds: bool,
}

/// Records the acceptance.
///
/// # Errors
/// The store failed, or another process has it.
pub(crate) async fn accept(env: &Env, actor: &Actor) -> anyhow::Result<AcceptedStore> {
    let doubts = env.doubts.clone();
    // Where only the clock was doubted, the store has forgotten nothing.
    let clock_alone =
        !doubts.is_empty() && doubts.iter().all(|doubt| doubt.code() == Code::ClockOff);
    let lease = env.short_lease(LeaseStage::Act, env.strand).await?;
    let note = env.seal_note(&actor.because).await?;
    let now = env.now();
    let mut batch = lease.batch(now);
    let body = Body::Accepted {
        by: actor.name.clone(),
        note: note.0,
        clock: now.0,
        restored: if clock_alone { 0 } else { now.0 },
    };
    batch.notes.push(note);
    batch.push(Entry::new(env.strand, body));
    env.store.commit(batch).await?;
    lease.give_back().await?;
    Ok(AcceptedStore {
        doubts,
        holds: !clock_alone,
    })
}
