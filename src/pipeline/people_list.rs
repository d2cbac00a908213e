//! The list of everybody who is open with a partner, where it lies in `out/`: which of the files of its name are ours as we wrote them.
//!
//! It is made again from the ledger at each delivery (`deliver/people.rs`), and is no drop: it has no number, and nothing rests on it. What
//! the ledger keeps of it is its keyed digest, so that a list into which somebody wrote is known, and never replaced.

use std::collections::HashSet;

use super::run::{Env, LedgerAccess};
use crate::domain::{StrandId, limits};
use crate::seal::{Digest, sha256};
use crate::store::{Body, Kind, StoreError};
use crate::transport::TransportError;

/// Names that are tried: a new list stands beside one that somebody wrote into.
const NUMBERS_MAX: usize = 9;
/// Rows of the ledger read at a time.
const PAGE: i64 = 1_000;

/// What lies under a name of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LyingList {
    Nothing,
    /// A list of ours, as it was written: its bytes.
    Ours(Vec<u8>),
    /// Somebody wrote into it, or it is somebody else's file.
    WrittenInto,
}

/// The names of the list, the usual one first.
fn names() -> impl Iterator<Item = String> {
    (1..=NUMBERS_MAX).map(|number| match number {
        1 => "your people.csv".to_owned(),
        number => format!("your people ({number}).csv"),
    })
}

/// What lies under each name of the list.
///
/// # Errors
/// The store failed. A folder that cannot be looked into is a value.
pub(crate) async fn lying_lists(
    env: &Env,
    place: usize,
) -> Result<Result<Vec<(String, LyingList)>, TransportError>, StoreError> {
    let at = &env.partners[place];
    let made = made_lists(env, at.strand).await?;
    let mut lists = Vec::new();
    for name in names() {
        let lying = match at.transport.reread(&name, limits::DROP_BYTES_MAX).await {
            Ok(None) => LyingList::Nothing,
            Ok(Some(bytes)) if made.contains(&env.keys.file_digest(&sha256(&[&bytes]))) => {
                LyingList::Ours(bytes)
            }
            Ok(Some(_))
            | Err(
                TransportError::NotRegular { .. }
                | TransportError::TooLarge { .. }
                | TransportError::Forbidden { .. },
            ) => LyingList::WrittenInto,
            Err(error) => return Ok(Err(error)),
        };
        lists.push((name, lying));
    }
    Ok(Ok(lists))
}

/// Names of those lists of a partner that somebody wrote into. What cannot be looked at now is looked at by whoever looks next.
///
/// # Errors
/// The store failed.
pub(crate) async fn lists_written_into(env: &Env, place: usize) -> Result<Vec<String>, StoreError> {
    if made_lists(env, env.partners[place].strand)
        .await?
        .is_empty()
    {
        return Ok(Vec::new());
    }
    let lists = lying_lists(env, place).await?.unwrap_or_default();
    let written = |(name, lying)| (lying == LyingList::WrittenInto).then_some(name);
    Ok(lists.into_iter().filter_map(written).collect())
}

/// Keyed digests of all lists that were made for a partner.
async fn made_lists(
    ledger: &LedgerAccess,
    partner: StrandId,
) -> Result<HashSet<Digest>, StoreError> {
    let (mut made, mut after) = (HashSet::new(), 0);
    loop {
        let rows = ledger
            .store
            .ledger_of_kind(partner, Kind::PeopleListed, after, PAGE);
        let rows = rows.await?;
        let Some(last) = rows.last() else {
            return Ok(made);
        };
        after = last.seq;
        for row in &rows {
            if let Some(Body::PeopleListed { digest, .. }) = row.body() {
                made.insert(digest);
            }
        }
    }
}
