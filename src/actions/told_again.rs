//! What other sheets tell of people of whom one was undone: they had said the same as that one, so nothing of theirs was kept.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use anyhow::Context as _;

use super::again;
use crate::domain::{Disposition, HoldNumber, LegId, Reason, ReturnId, RunId, StrandId};
use crate::pipeline::event::{EarlierReturn, returns_since, row_spot};
use crate::pipeline::judge;
use crate::pipeline::run::{Env, Run};
use crate::sheet::parse_row_form;
use crate::store::LeaseStage;
use crate::store::rows::RETURN_READ;

/// Rows of a return read at a time.
const PAGE: i64 = 5_000;

/// Rows of returns by when these were written, the newest first.
type RowsByNewest = BTreeMap<Reverse<(i64, ReturnId)>, Vec<(u64, HoldNumber)>>;

/// Judges again what the returns that came after an undone one tell of these legs, the newest first; says how many rows tell something that stands by them.
///
/// # Errors
/// A run has the partner's returns, the store failed, or a sealed value does not open.
pub(crate) async fn by_other_sheets(
    env: &Arc<Env>,
    (sender, undone): (StrandId, ReturnId),
    legs: &[LegId],
) -> anyhow::Result<usize> {
    if legs.is_empty() {
        return Ok(0);
    }
    let legs: HashSet<LegId> = legs.iter().copied().collect();
    let mut later: Vec<EarlierReturn> = returns_since(env, sender, i64::MIN).await?;
    later.retain(|other| other.file.id > undone && other.file.state == RETURN_READ);
    // The newest first: what it tells older ones need not be asked about. Rows that were judged again are judged where they stood.
    let mut rows_of = RowsByNewest::new();
    for other in later {
        let of = match other.frame.of {
            0 => other.file.id,
            of => ReturnId::new(of),
        };
        let lines = lines_of(env, other.file.id, &legs).await?;
        if lines.is_empty() {
            continue;
        }
        let place = Reverse((other.file.written, of));
        rows_of.entry(place).or_default().extend(lines);
    }
    if rows_of.is_empty() {
        return Ok(0);
    }
    let waits = "the return is undone, and what other sheets say of it is not taken in yet: give the same command again";
    let collect = env.short_lease(LeaseStage::Collect, sender).await;
    let collect = collect.context(waits)?;
    let deliver = env.short_lease(LeaseStage::Deliver, sender).await;
    let deliver = deliver.context(waits)?;
    let run = Run::new(Arc::clone(env), RunId::NONE, false);
    let mut count = 0;
    for (Reverse((_, of)), mut lines) in rows_of {
        lines.sort_unstable();
        lines.dedup();
        let judged = again(async || judge::rows_again(&run, &collect, of, &lines).await);
        let judged = judged.await?.unwrap_or_default();
        let told = |(_, disposition, _): &&judge::EndsNow| *disposition == Disposition::Accepted;
        count += judged.iter().filter(told).count();
    }
    deliver.give_back().await?;
    collect.give_back().await?;
    Ok(count)
}

/// The rows of a return that were taken in of these legs, by Excel's numbers.
async fn lines_of(
    env: &Env,
    of: ReturnId,
    legs: &HashSet<LegId>,
) -> anyhow::Result<Vec<(u64, HoldNumber)>> {
    let (mut lines, mut after) = (Vec::new(), 0);
    loop {
        let mut rows = env.store.return_rows(of, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(lines);
        };
        after = last.row;
        rows.retain(|row| {
            let taken_in = matches!(
                row.disposition,
                Disposition::Accepted | Disposition::Repeated
            );
            // What only stood beside rows that were judged again was not asked about.
            let beside = row.reason == Some(Reason::SameFile);
            taken_in && !beside && legs.contains(&row.leg)
        });
        let keys = env
            .holder_keys(rows.iter().map(|row| row.holder).collect())
            .await?;
        for row in rows {
            let Some(key) = keys.get(&row.holder) else {
                continue;
            };
            let form = key.open(row_spot(of, row.row, row.holder), &row.sealed)?;
            lines.extend(parse_row_form(&form).map(|(line, _)| (line, HoldNumber::NONE)));
        }
    }
}
