//! Writing as files for an import: one NDJSON a run, numbered without gaps, complete when its manifest is there.
//!
//! In: queued writes, and what an earlier run left of a file. Out: a file and its manifest. Keeps: a number has one file only, the bytes
//! that were recorded when it was prepared; where nobody knows whether it left, none is made after it.

use std::sync::Arc;

use super::record_writes::{Results, begin_with, end_with, refusals, waiting};
use super::{Ended, Unit, Write, end, load_writes};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::clock::{day_from_number, day_number};
use crate::domain::encoding::hex;
use crate::domain::{Disposition, EventId, StrandId};
use crate::pipeline::prepared_drop::{number_before, was_kept};
use crate::pipeline::prepared_import::{LyingFile, claimed_with, lying_import, take_import_back};
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
    let to = Importing {
        run,
        lease,
        place,
        import: &**import,
    };
    let last = env.store.last_drop(strand).await?;
    if let Some(file) = &last
        && file.state == DropState::Prepared
        && !to.finish(file, outcome).await?
    {
        return Ok(());
    }
    let mut rows = due(env, strand, PushState::Queued).await?;
    rows.extend(due(env, strand, PushState::Waiting).await?);
    rows.sort_by_key(|row| row.event);
    let subjects = load_writes::subjects(env, &rows).await?;
    let (rows, held) = hold_back(run, place, rows, &subjects).await?;
    end(run, lease, only(waiting(held)), outcome).await?;
    let loaded = load_writes::load(env, rows, subjects).await?;
    end(run, lease, only(refusals(loaded.refused)), outcome).await?;
    end(run, lease, only(waiting(loaded.held)), outcome).await?;
    let mut units = loaded.units;
    // The folder comes first: where a file was prepared, there was one.
    if units.is_empty() || !to.ready(last.is_some(), outcome).await {
        return Ok(());
    }
    let bytes = lines(&units);
    let sequence = last.map_or(0, |file| file.sequence) + 1;
    let Some(file) = prepare(env, lease, sequence, &bytes, &mut units).await? else {
        anyhow::bail!("another run has taken the same entries");
    };
    if to.leaves(&file, bytes, outcome).await? {
        let writes = units.into_iter().flat_map(|unit| unit.writes);
        let rows = writes.map(|write| write.row).collect();
        to.sent(&file, rows, outcome).await?;
    }
    Ok(())
}

/// Files for the import of a source, in one run.
struct Importing<'r> {
    run: &'r Arc<Run>,
    lease: &'r HeldLease,
    place: usize,
    import: &'r dyn Transport,
}

impl Importing<'_> {
    /// Makes the folder ready; whether it is. Where a file has lain before, a folder that is gone is not made anew.
    async fn ready(&self, before: bool, outcome: &mut StageOutcome) -> bool {
        let ready = if before {
            self.import.prepare_again().await
        } else {
            self.import.prepare().await
        };
        let Err(error) = ready else { return true };
        let mut said = self.said(Code::WriteUnreachable, error.to_string(), None);
        if matches!(error, TransportError::Gone { .. }) {
            said = said.fix(
                "Mount the share. Only if it is gone for good and shall begin anew: make the folder by hand.",
            );
        }
        outcome.unreachable.push(said);
        false
    }

    /// Finishes a file that an earlier run prepared, as it was then: nobody in it is looked at again. Whether another one may be made now.
    async fn finish(&self, file: &DropFile, outcome: &mut StageOutcome) -> anyhow::Result<bool> {
        let env = self.run.env();
        if !self.ready(true, outcome).await {
            return Ok(false);
        }
        let stale = |what| self.said(Code::ImportStale, what, Some(file));
        let Some(rows) = claimed_with(env, file).await? else {
            let what = "the ledger does not have all entries of a prepared file";
            outcome.unreachable.push(stale(what.to_owned()));
            return Ok(false);
        };
        let kept = was_kept(env, file).await?;
        let lies = lying_import(env, self.import, file).await;
        let bytes = match lies {
            LyingFile::Whole => None,
            LyingFile::FileAlone(bytes) => Some(bytes),
            LyingFile::SomethingElse => {
                let what = format!(
                    "something else has the name of {}, or of its manifest",
                    file.name
                );
                outcome.unreachable.push(stale(what));
                return Ok(false);
            }
            LyingFile::Nothing | LyingFile::Unknown => {
                let remade = self.remade(file, rows.clone()).await?;
                if remade.is_none() && kept {
                    self.lease.stands()?;
                    let mut batch = self.lease.batch(env.now());
                    take_import_back(&mut batch, file, rows, None);
                    env.store.commit(batch).await?;
                    let what = "a prepared file for an import did not leave and was taken back";
                    let said = self.said(Code::DropVoided, what.to_owned(), Some(file));
                    outcome.diagnostics.push(said);
                    return Ok(true);
                }
                let Some(bytes) = remade else {
                    let what = format!("{} cannot be made again alike", file.name);
                    outcome.unreachable.push(stale(what));
                    return Ok(false);
                };
                Some(bytes)
            }
        };
        if let Some(bytes) = bytes {
            if kept {
                let sequence = file.sequence;
                self.note(file, Body::Leaving { sequence }).await?;
            }
            if !self.leaves(file, bytes, outcome).await? {
                return Ok(false);
            }
        }
        self.sent(file, rows, outcome).await?;
        Ok(false)
    }

    /// The bytes of a prepared file, made again; none where they are others now.
    async fn remade(&self, file: &DropFile, rows: Vec<PushRow>) -> anyhow::Result<Option<Vec<u8>>> {
        let env = self.run.env();
        let subjects = load_writes::subjects(env, &rows).await?;
        let loaded = load_writes::load(env, rows, subjects).await?;
        let bytes = lines(&loaded.units);
        let alike = env.keys.file_digest(&sha256(&[&bytes])) == file.digest;
        Ok(alike.then_some(bytes))
    }

    /// Lays a prepared file into the folder; whether it is known to be there. One that may be there stays prepared.
    async fn leaves(
        &self,
        file: &DropFile,
        bytes: Vec<u8>,
        outcome: &mut StageOutcome,
    ) -> anyhow::Result<bool> {
        self.lease.stands()?;
        let before = number_before(self.run, file.partner, file.sequence).await?;
        let why = match publish(self.import, file, before, bytes).await {
            Ok(None) => return Ok(true),
            Ok(Some(unknown)) => unknown.to_owned(),
            Err(error) => {
                if error.unseen() {
                    let sequence = file.sequence;
                    self.note(file, Body::Kept { sequence }).await?;
                }
                error.to_string()
            }
        };
        let unsent = self.said(Code::WriteUnreachable, why, None);
        outcome.unreachable.push(unsent);
        Ok(false)
    }

    async fn note(&self, file: &DropFile, body: Body) -> anyhow::Result<()> {
        let mut batch = self.lease.batch(self.run.now());
        batch.push(Entry::new(file.id, body));
        self.run.store.commit(batch).await?;
        Ok(())
    }

    /// Records that a file is there, and with it all that it says.
    async fn sent(
        &self,
        file: &DropFile,
        rows: Vec<PushRow>,
        outcome: &mut StageOutcome,
    ) -> anyhow::Result<()> {
        let mut batch = self.lease.batch(self.run.now());
        // Rows of legs: none of them moves.
        let (sequence, none) = (file.sequence, 0);
        let sent = Body::Sent {
            sequence,
            rows: none,
        };
        batch.push(Entry::new(file.id, sent));
        batch.drop_states.push((file.id, DropState::Sent));
        let ended = rows.into_iter().map(confirmed).collect();
        end_with(self.run, batch, only(ended), outcome).await
    }

    fn said(&self, code: Code, what: String, file: Option<&DropFile>) -> Diagnostic {
        let source = &self.run.sources[self.place].config.id;
        let number = file.map_or_else(String::new, |file| format!(", file {}", file.sequence));
        Diagnostic::new(
            code,
            what,
            Place::detail(format!("source {source}{number}")),
        )
    }
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

/// Records a file and claims its writes, in one transaction; none where another run has one of them.
async fn prepare(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    sequence: i64,
    bytes: &[u8],
    units: &mut [Unit],
) -> anyhow::Result<Option<DropFile>> {
    let (today, strand) = (ledger.today(), lease.strand());
    let rows: usize = units.iter().map(|unit| unit.writes.len()).sum();
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
    let ours = begin_with(ledger, batch, units).await?;
    Ok(ours.then_some(file))
}

/// Publishes a file and its manifest; says why it is not known to be there, if so.
async fn publish(
    import: &dyn Transport,
    file: &DropFile,
    before: i64,
    bytes: Vec<u8>,
) -> Result<Option<&'static str>, TransportError> {
    let manifest = serde_json::json!({
        "file": file.name, "made_on": day_from_number(file.day).to_string(), "sequence": file.sequence,
        "previous_sequence": Some(before).filter(|before| *before > 0),
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
    Ok(match import.publish(drop).await? {
        Published::Now | Published::Before => None,
        Published::Unknown => Some("the answer was lost, so the file may be there or not"),
    })
}
