//! What a person asks or decides: once for the command line, the console and the worklist.
//!
//! In: an open installation, and where something is decided or looked at an [`Actor`]. Out: values that a command prints and a
//! page shows. Keeps: who acts, and why, is checked in one place and recorded with the act; nothing here prints.

pub(crate) mod accept_store;
mod actor;
pub(crate) mod approvals;
pub(crate) mod books;
pub(crate) mod check_examples;
pub(crate) mod compare_partner_files;
pub(crate) mod explain;
mod held_row;
pub(crate) mod history;
pub(crate) mod hold;
pub(crate) mod identify;
pub(crate) mod map_folder;
pub(crate) mod matters;
pub(crate) mod preflight;
pub(crate) mod summary;
mod told_again;
pub(crate) mod undo;
pub(crate) mod void_drop;

pub(crate) use actor::Actor;

use crate::diagnostics::nearest;
use crate::pipeline::run::{STALE_TRIES, is_stale};

/// Does an act, and again on what is there now where a run changed meanwhile what it rests on.
async fn again<T>(act: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut tries = 1;
    loop {
        match act().await {
            Err(error) if is_stale(&error) && tries < STALE_TRIES => tries += 1,
            done => return done,
        }
    }
}

/// Fails on an id that is not configured, naming the nearest.
pub(crate) fn known<'a>(
    kind: &str,
    id: &str,
    ids: impl Iterator<Item = &'a str> + Clone,
) -> anyhow::Result<()> {
    if ids.clone().any(|known| known == id) {
        return Ok(());
    }
    let hint =
        nearest(id, ids).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
    anyhow::bail!("there is no {kind} \"{id}\"{hint}")
}
