//! What a return does once its rows have been matched: it is recorded, moves legs, queues writes, and is answered.
//!
//! In: a return, and what was found of its rows. Out: rows, events and legs in one transaction, and the receipt. Keeps: what
//! was taken before changes nothing; a row touches the leg that it was matched to and no other.

mod corrections;
mod effects;
mod endings;
mod mended;
mod newer_sheets;
mod no_longer_told;
mod occurrences;
pub(crate) mod our_copy;
pub(crate) mod receipt;
mod receipt_words;
mod record;
mod returned_receipt;
mod seal_return;
mod settle;
mod too_many;
mod volume;

use std::collections::{HashMap, HashSet};

use crate::diagnostics::{Code, Diagnostic};
use crate::domain::{Counts, Disposition, LegId, Reason, ReturnId, Stage, how_to_raise};
use crate::pipeline::delivered_rows::OwnLeg;
use crate::pipeline::event::{FileFinding, RowFinding, TakenReturn, Unusable, place_of};
use crate::pipeline::run::{HeldLease, Run, StageOutcome};
use crate::sheet::Sheet;
use crate::store::NewHold;
use newer_sheets::NewerSheets;
use record::ReturnRecord;

/// Records a return that could be read, and gives what became of each row once known events are told apart.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn record(
    run: &Run,
    lease: &HeldLease,
    taken: &mut TakenReturn,
    sheet: &Sheet,
    mut finding: FileFinding,
    own: HashMap<LegId, OwnLeg>,
    outcome: &mut StageOutcome,
) -> anyhow::Result<FileFinding> {
    if let Some(before) = &taken.before {
        as_before(run, before.id, &mut finding.rows).await?;
        let mut counts = Counts::default();
        let rows = u64::try_from(before.rows).unwrap_or(0);
        counts.add_many(Disposition::Repeated, Some(Reason::SameFile), rows);
        outcome.count(Stage::Collect, &counts);
        let mut batch = lease.batch(run.now());
        batch.book_file(run.id, Stage::Collect, before.id, counts);
        run.store.commit(batch).await?;
        return Ok(finding);
    }
    let partner = &run.rules.partners[taken.partner];
    let bytes = std::mem::take(&mut taken.bytes);
    let mut record = ReturnRecord {
        run,
        lease,
        partner,
        taken,
        sheet,
        newer: NewerSheets::default(),
        receipt: None,
    };
    record.receipt = record.returned_receipt(&finding.rows).await?;
    record.hold_unmended(&mut finding.rows).await?;
    record.newer = record.newer_sheets().await?;
    let (file, findings) = record.record(bytes, finding, own, outcome).await?;
    taken.id = file;
    if findings.sorted {
        outcome.diagnostics.push(Diagnostic::new(
            Code::FileSorted,
            "references and names of a return belong to each other's rows",
            place_of(&partner.id, file),
        ));
    }
    tracing::info!(partner.id = %partner.id, return.id = file.number(), rows = findings.rows.len(), "took in a return of {}", partner.id);
    Ok(findings)
}

/// What became of each row when these bytes were taken: one that is still to be mended, or still waits, is told as it was then.
/// Perhaps nobody has read that: a run can die between what it records and its receipt.
async fn as_before(run: &Run, before: ReturnId, rows: &mut [RowFinding]) -> anyhow::Result<()> {
    let limit = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let kept = run.store.return_rows(before, -1, limit).await?;
    if kept.len() != rows.len() {
        return Ok(());
    }
    let mut waiting: HashSet<i64> = HashSet::new();
    run.each_open_hold(|hold| {
        waiting.extend((hold.return_id == before).then_some(hold.row));
    })
    .await?;
    for (row, kept) in rows.iter_mut().zip(kept) {
        let line = i64::try_from(row.line).unwrap_or(0);
        let settled = kept.disposition == Disposition::Held
            && !(waiting.contains(&line) || waiting.contains(&0));
        (row.disposition, row.reason) = match (kept.disposition, settled) {
            (Disposition::Held | Disposition::Rejected, false) => (kept.disposition, kept.reason),
            _ => (Disposition::Repeated, Some(Reason::SameFile)),
        };
    }
    Ok(())
}

/// Records a return that cannot be used, once.
///
/// # Errors
/// The store failed.
pub(crate) async fn refuse(
    run: &Run,
    lease: &HeldLease,
    taken: &mut TakenReturn,
    unusable: &Unusable,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    if taken.before.is_some() {
        return Ok(());
    }
    let strand = run.partners[taken.partner].strand;
    let id = seal_return::record_refusal(run, lease, taken).await?;
    taken.id = id;
    let mut counts = Counts::default();
    counts.add(Disposition::Rejected, Some(Reason::FileUnread));
    outcome.count(Stage::Collect, &counts);
    let mut batch = lease.batch(run.now());
    batch.book_file(run.id, Stage::Collect, id, counts);
    let hold = NewHold::new(Stage::Collect, Reason::FileUnread);
    batch.hold(hold.partner(strand).row(id, 0));
    run.store.commit(batch).await?;
    let mut why = unusable.why.chars();
    let first = why.next().into_iter().flat_map(char::to_lowercase);
    let what = format!(
        "a return was refused: {}{}",
        first.collect::<String>(),
        why.as_str()
    );
    let place = place_of(&run.rules.partners[taken.partner].id, id);
    let refused = Diagnostic::new(unusable.code, what, place);
    outcome.diagnostics.push(match unusable.limit {
        Some(key) => refused.fix(how_to_raise(key)),
        None => refused,
    });
    Ok(())
}
