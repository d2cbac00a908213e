//! What makes an installation doubtful: a store that is behind its anchor, an anchor that says nothing, a clock that is far off;
//! and keys that are lost, for which there is no such way out.
//!
//! In: an installation being opened. Out: one diagnostic for each doubt. Each has a way out that a person takes:
//! `kith store accept`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tracing::Span;

use super::mark;
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::encoding::hex;
use crate::domain::{Destination, DropId, Instant, KeyId, StrandId};
use crate::pipeline::approval::destination_wanted;
use crate::pipeline::run::{AnchorAnswer, Env};
use crate::sheet::{RecordedHead, manifest_name};
use crate::store::rows::DropState;
use crate::store::{Body, Kind, LedgerRow, Store, StoreError};

/// How long folders are waited for when they are held against the store.
const LOOKED_FOR: Duration = Duration::from_secs(5);

/// Days that the machine's clock may be behind the last recorded event: a lost second, or a machine that slept, is no question.
const DAYS_BEHIND: i64 = 1;
/// Days that it may be ahead of it: an installation may stand still for a year.
const DAYS_AHEAD: i64 = 366;
/// Rows of the keyring that are named where they are gone.
const KEYLESS_NAMED: i64 = 3;
/// Acceptances read at a time; a store has few.
const PAGE: i64 = 1_000;

/// What persons have taken into use so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// When an older store last was.
    pub(super) restored: Option<Instant>,
    /// What the machine's clock said the last time: it was right.
    clock: Option<Instant>,
}

/// What the ledger says of it.
///
/// # Errors
/// The store failed.
pub(super) async fn accepted(
    store: &dyn Store,
    installation: StrandId,
) -> Result<Accepted, StoreError> {
    let mut accepted = Accepted::default();
    let mut after = 0;
    loop {
        let rows = store.ledger_of_kind(installation, Kind::Accepted, after, PAGE);
        let rows = rows.await?;
        let Some(last) = rows.last() else {
            return Ok(accepted);
        };
        after = last.seq;
        for body in rows.iter().filter_map(LedgerRow::body) {
            if let Body::Accepted {
                clock, restored, ..
            } = body
            {
                accepted.clock = Some(Instant(clock));
                if restored > 0 {
                    accepted.restored = Some(Instant(restored));
                }
            }
        }
    }
}

/// Every doubt; `marked`: home has been an installation before; `last`: the last recorded event.
///
/// # Errors
/// The store failed, or the anchor cannot be read.
pub(super) async fn of(
    env: &Env,
    marked: bool,
    last: Instant,
    accepted: &Accepted,
) -> anyhow::Result<Vec<Diagnostic>> {
    let mut doubts = Vec::new();
    let anchor = || Place::file("var/anchor");
    match env.anchor.compare(&*env.store, &env.keys).await? {
        AnchorAnswer::Holds => {}
        AnchorAnswer::Missing if !marked => {}
        AnchorAnswer::Missing => doubts.push(Diagnostic::new(
            Code::AnchorUnusable,
            "the anchor is gone, so the store may be an older one",
            anchor(),
        )),
        AnchorAnswer::Foreign => doubts.push(Diagnostic::new(
            Code::AnchorUnusable,
            "the anchor was changed or is of another installation",
            anchor(),
        )),
        AnchorAnswer::Behind {
            strand,
            rows,
            rows_then,
        } => doubts.push(Diagnostic::new(
            Code::StoreBehind,
            "the store is older than it was",
            anchor().and(format!(
                "strand {strand}: {rows} rows, and row {rows_then} as it was is not among them"
            )),
        )),
    }
    if doubts.is_empty() {
        doubts.extend(forgotten_drop(env).await?);
    }
    if !env.clock.fixed()
        && let Some(what) = clock_off(env.now(), last, accepted.clock)
    {
        doubts.push(Diagnostic::new(
            Code::ClockOff,
            what,
            Place::detail(format!("the machine's clock, {}", env.now().utc_text())),
        ));
    }
    Ok(doubts)
}

/// A drop that lies in `out/` and that the store does not know: it is an older copy, and its anchor was put back with it.
async fn forgotten_drop(env: &Env) -> anyhow::Result<Option<Diagnostic>> {
    let strands = env.store.strands().await?;
    let accepted = env.anchor.forgotten(&env.keys)?;
    let mut looking = Vec::new();
    let mut under_way = names_under_way(env).await?;
    for partner in &env.rules.partners {
        let name = format!("partner:{}", partner.id);
        let strand = strands.iter().find(|strand| strand.name == name);
        let strand = strand.map_or(StrandId::NONE, |strand| strand.id);
        let Destination::Folder(folder) = destination_wanted(&env.config, partner);
        let known = under_way.remove(&strand).unwrap_or_default();
        let (span, look) = (Span::current(), move || {
            mark::manifests(&folder.join("out"), &known)
        });
        let looked = tokio::task::spawn_blocking(move || span.in_scope(look));
        looking.push((&partner.id, name, looked));
    }
    // A folder that does not answer holds nobody up: its partner's next drop meets it soon enough.
    let until = tokio::time::Instant::now() + LOOKED_FOR;
    for (id, name, looked) in looking {
        let Ok(manifests) = tokio::time::timeout_at(until, looked).await else {
            tracing::warn!(partner.id = %id, "out/ of a partner does not answer: drops that lie there are not held against the store");
            continue;
        };
        for manifest in manifests? {
            let Some(said) = &manifest.ledger else {
                continue;
            };
            let number = i64::try_from(manifest.sequence).unwrap_or(i64::MAX);
            let taken = accepted.get(&name).is_some_and(|last| number <= *last);
            if taken || manifest.partner != *id || !env.anchor.is_ours(&env.keys, id, said) {
                continue;
            }
            if !has_row(env, &name, said).await? {
                let place = format!(
                    "partner {id}, drop {number}: it lies in out/, and row {} of strand {name}, by which it was made, is not here",
                    said.seq
                );
                return Ok(Some(Diagnostic::new(
                    Code::StoreBehind,
                    "the store is older than it was, and so is its anchor",
                    Place::file(manifest.file).and(place),
                )));
            }
        }
    }
    Ok(None)
}

/// Whether the store has a row that a manifest names: asked of the store after the manifest was read, for a run beside this one writes both in the other order.
async fn has_row(env: &Env, name: &str, said: &RecordedHead) -> Result<bool, StoreError> {
    let strands = env.store.strands().await?;
    let Some(strand) = strands.iter().find(|strand| strand.name == name) else {
        return Ok(false);
    };
    let row = env.store.ledger(strand.id, said.seq - 1, 1).await?.pop();
    Ok(row.is_some_and(|row| row.seq == said.seq && hex(&row.hash) == said.head))
}

/// Manifests of the drops that are under way, by partner: the store knows them. However many partners there are, it is one walk.
async fn names_under_way(env: &Env) -> Result<HashMap<StrandId, HashSet<String>>, StoreError> {
    let mut names: HashMap<StrandId, HashSet<String>> = HashMap::new();
    for state in [DropState::Prepared, DropState::Sent] {
        let mut after = DropId::NONE;
        loop {
            let files = env.store.drop_files_in(state, StrandId::NONE, after, PAGE);
            let files = files.await?;
            let Some(last) = files.last() else { break };
            after = last.id;
            for file in &files {
                let of_partner = names.entry(file.partner).or_default();
                of_partner.insert(manifest_name(&file.name));
            }
        }
    }
    Ok(names)
}

/// The rows of the keyring that people under way have lost: `keyring, rows 12, 13 and more`.
///
/// # Errors
/// The store failed.
pub(super) async fn lost_keys(store: &dyn Store) -> Result<Option<String>, StoreError> {
    let ids = store.keyless_persons(KEYLESS_NAMED + 1).await?;
    if ids.is_empty() {
        return Ok(None);
    }
    let named = usize::try_from(KEYLESS_NAMED).unwrap_or(usize::MAX);
    let numbers: Vec<String> = ids.iter().take(named).map(KeyId::to_string).collect();
    let word = if ids.len() == 1 { "row" } else { "rows" };
    let more = if ids.len() > named { " and more" } else { "" };
    Ok(Some(format!(
        "keyring, {word} {}{more}",
        numbers.join(", ")
    )))
}

/// How the machine's clock is too far from the last recorded event; `right`: what a person last said it was right at.
fn clock_off(now: Instant, last: Instant, right: Option<Instant>) -> Option<String> {
    if last == Instant::ZERO {
        return None;
    }
    let ahead = last.days_until(now);
    let behind = now.days_until(last);
    if ahead > DAYS_AHEAD {
        return Some(format!(
            "the clock is {ahead} days ahead of the last recorded event"
        ));
    }
    // A person said that the earlier events were the wrong ones, and the clock has not gone back since.
    let said = right.is_some_and(|right| right <= now);
    (behind >= DAYS_BEHIND && !said)
        .then(|| format!("the clock is {behind} days behind the last recorded event"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_far_off_is_a_question_until_a_person_has_said_that_it_is_right() {
        let at = |text: &str| Instant::parse(text).unwrap();
        let last = at("2026-11-23T06:00:00Z");
        let off = |now: &str, right: Option<&str>| clock_off(at(now), last, right.map(at));
        let table = [
            ("2026-11-23T05:00:00Z", None, false),
            ("2026-11-22T06:00:01Z", None, false),
            ("2026-11-22T06:00:00Z", None, true),
            ("2024-01-01T00:00:00Z", None, true),
            ("2024-01-01T00:00:00Z", Some("2023-12-31T23:00:00Z"), false),
            ("2024-01-01T00:00:00Z", Some("2024-01-02T00:00:00Z"), true),
            ("2027-11-24T06:00:00Z", None, false),
            ("2027-11-25T06:00:00Z", None, true),
            ("2036-11-23T06:00:00Z", Some("2026-11-23T05:00:00Z"), true),
        ];
        for (now, right, question) in table {
            assert_eq!(off(now, right).is_some(), question, "{now} {right:?}");
        }
        assert_eq!(
            clock_off(at("2036-11-23T06:00:00Z"), Instant::ZERO, None),
            None
        );
        let said = off("2020-11-23T06:00:00Z", None);
        assert_eq!(
            said.as_deref(),
            Some("the clock is 2191 days behind the last recorded event")
        );
    }
}
