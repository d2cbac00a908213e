//! Writing as files for an import: one NDJSON a run, numbered without gaps, complete when its manifest is there.

use std::sync::Arc;

use super::record_writes::{Results, refusals, waiting};
use super::{Ended, Unit, Write, begin, end, load_writes};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::clock::{day_from_number, day_number};
use crate::domain::encoding::hex;
use crate::domain::{Disposition, EventId, StrandId};
use crate::pipeline::push::hold_back::hold_back;
use crate::pipeline::run::{HeldLease, LedgerAccess, Run, StageOutcome};
use crate::seal::sha256;
use crate::sheet::manifest_name;
use crate::store::rows::{DropFile, DropState, PushRow, PushState};
use crate::store::{Body, Entry, LeaseStage, PushQuery};
use crate::transport::{OutgoingDrop, Published, Transport, TransportError};

/// Writes of one file.
const ROWS_MAX: i64 = 50_000;

/// Writes everything queued for a source into one file.
///
/// # Errors
/// The store failed. A folder that cannot be written is an outcome.
pub(super) async fn push(run: &Arc<Run>, place: usize) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    let strand = run.sources[place].strand;
    let lease = run.lease(LeaseStage::Push, strand, &mut outcome).await?;
    let Some(lease) = lease else {
        return Ok(outcome);
    };
    let pushed = under(run, place, &lease, &mut outcome).await;
    run.ended(lease, pushed, &mut outcome).await?;
    Ok(outcome)
}

async fn under(
    run: &Arc<Run>,
    place: usize,
    lease: &HeldLease,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    let (env, strand) = (run.env(), lease.strand());
    let Some(import) = &env.sources[place].import else {
        return Ok(());
    };
    let last = env.store.last_drop(strand).await?;
    // A file that was prepared and not seen complete is written again, the same bytes under the same number.
    let sequence = last.as_ref().map_or(0, |file| file.sequence) + 1;
    let unfinished = last.filter(|file| file.state == DropState::Prepared);
    let (rows, held, subjects) = if unfinished.is_some() {
        // A file that was prepared is what it was: its rows are not looked at again.
        let rows = due(env, strand, PushState::Sending).await?;
        let subjects = load_writes::subjects(env, &rows).await?;
        (rows, Vec::new(), subjects)
    } else {
        let mut rows = due(env, strand, PushState::Queued).await?;
        rows.extend(due(env, strand, PushState::Waiting).await?);
        rows.sort_by_key(|row| row.event);
        let subjects = load_writes::subjects(env, &rows).await?;
        let (rows, held) = hold_back(run, place, rows, &subjects).await?;
        (rows, held, subjects)
    };
    end(run, lease, only(waiting(held)), outcome).await?;
    if rows.is_empty() && unfinished.is_none() {
        return Ok(());
    }
    let loaded = load_writes::load(env, rows, subjects).await?;
    end(run, lease, only(refusals(loaded.refused)), outcome).await?;
    end(run, lease, only(waiting(loaded.held)), outcome).await?;
    let mut units = loaded.units;
    if units.is_empty() && unfinished.is_none() {
        return Ok(());
    }
    let bytes = lines(&units);
    let count = units.iter().map(|unit| unit.writes.len()).sum();
    let file = if let Some(file) = unfinished {
        file
    } else {
        let file = prepare(env, lease, sequence, &bytes, count).await?;
        if !begin(env, lease, &mut units).await? {
            anyhow::bail!("another run has taken the same entries");
        }
        file
    };
    lease.stands()?;
    // A file that may be there stays prepared: the next run publishes the same bytes under the same name.
    let unsent = match publish(&**import, &file, bytes).await {
        Ok(unknown) => unknown.map(str::to_owned),
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = unsent {
        let here = Place::detail(format!("source {}", env.sources[place].config.id));
        let unsent = Diagnostic::new(Code::WriteUnreachable, why, here);
        outcome.unreachable.push(unsent);
        return Ok(());
    }
    mark_sent(env, lease, &file).await?;
    let writes = units.into_iter().flat_map(|unit| unit.writes);
    let ended = writes.map(|write| confirmed(write.row)).collect();
    end(run, lease, only(ended), outcome).await?;
    Ok(())
}

/// Writes of a source in this state.
async fn due(
    ledger: &LedgerAccess,
    source: StrandId,
    state: PushState,
) -> anyhow::Result<Vec<PushRow>> {
    let query = PushQuery {
        source,
        state,
        now: ledger.now().0,
        after: EventId::NONE,
        limit: ROWS_MAX,
    };
    Ok(ledger.store.pushes(query).await?)
}

fn confirmed(mut row: PushRow) -> Ended {
    let was = row.state;
    (row.state, row.reason) = (PushState::Confirmed, None);
    Ended {
        row,
        was,
        disposition: Disposition::Accepted,
        reason: None,
    }
}

fn only(writes: Vec<Ended>) -> Results {
    Results {
        writes,
        told: Vec::new(),
    }
}

/// One line a write, in the order of the events.
fn lines(units: &[Unit]) -> Vec<u8> {
    let mut writes: Vec<&Write> = units.iter().flat_map(|unit| &unit.writes).collect();
    writes.sort_by_key(|write| write.row.event);
    let mut bytes = Vec::new();
    for write in writes {
        bytes.extend_from_slice(&write.body);
        bytes.push(b'\n');
    }
    bytes
}

async fn prepare(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    sequence: i64,
    bytes: &[u8],
    rows: usize,
) -> anyhow::Result<DropFile> {
    let (today, strand) = (ledger.today(), lease.strand());
    let file = DropFile {
        id: ledger.ids.take(&*ledger.store, strand, 1).await?.next(),
        partner: strand,
        sequence,
        name: format!(
            "observations_{}_{sequence:06}.ndjson",
            today.strftime("%Y%m%d")
        ),
        day: day_number(today),
        rows: i64::try_from(rows).unwrap_or(i64::MAX),
        digest: ledger.keys.file_digest(&sha256(&[bytes])),
        root: [0; 32],
        rule: [0; 32],
        mapper: 0,
        state: DropState::Prepared,
    };
    let mut batch = lease.batch(ledger.now());
    let prepared = Body::Prepared {
        sequence,
        rows: file.rows,
        digest: file.digest,
        root: file.root,
        rule: None,
    };
    batch.push(Entry::new(file.id, prepared));
    batch.drop_file = Some(file.clone());
    ledger.store.commit(batch).await?;
    Ok(file)
}

async fn mark_sent(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    file: &DropFile,
) -> anyhow::Result<()> {
    let mut batch = lease.batch(ledger.now());
    let (sequence, rows) = (file.sequence, 0);
    batch.push(Entry::new(file.id, Body::Sent { sequence, rows }));
    batch.drop_states.push((file.id, DropState::Sent));
    ledger.store.commit(batch).await?;
    Ok(())
}

/// Publishes a file and its manifest; says why it is not known to be there, if so.
async fn publish(
    import: &dyn Transport,
    file: &DropFile,
    bytes: Vec<u8>,
) -> Result<Option<&'static str>, TransportError> {
    let manifest = serde_json::json!({
        "file": file.name, "made_on": day_from_number(file.day).to_string(), "sequence": file.sequence,
        "previous_sequence": if file.sequence > 1 { Some(file.sequence - 1) } else { None },
        "rows": file.rows, "sha256": hex(&sha256(&[&bytes])),
    });
    let mut text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    text.push(b'\n');
    let drop = OutgoingDrop {
        name: file.name.clone(),
        bytes,
        manifest_name: manifest_name(&file.name),
        manifest: text,
    };
    import.prepare().await?;
    Ok(match import.publish(drop).await? {
        Published::Now | Published::Before => None,
        Published::Unknown => Some("the answer was lost, so the file may be there or not"),
    })
}
