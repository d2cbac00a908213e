//! *collect*: takes in what partners have put into their folders, and with match turns it into events.
//!
//! In: files in a partner's `in/`. Out: a disposition for every row, events, legs moved, writes queued, a receipt. Keeps:
//! the file is moved only after our record of it is durable; the same bytes under any name are `repeated` (`ledger.md` §5).

mod corrections;
mod evidence;
mod intake;
mod moves;
pub(super) mod onward;
mod volume;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use evidence::{event_look, name_spot};
use intake::Intake;
pub(crate) use intake::month_number;

use super::env::Env;
use super::matching::{FileFinding, Reading, ReturnLine, fold};
use super::receipt::{self, Received};
use super::{Only, StageOutcome, intake_lookup};
use crate::diagnostics::{Code, Diagnostic, Place as Where};
use crate::domain::{Counts, Disposition, Reason, Stage, limits};
use crate::partner::{Collect, Partner};
use crate::seal::sha256;
use crate::store::rows::BookRow;
use crate::store::{Batch, HeldRow};
use crate::tabular::{ReadLimits, Table, read};
use crate::transport::{Candidate, Moment, Pattern, Place, Receipt, Transport, TransportError};

/// Bytes of a return.
const RETURN_BYTES_MAX: u64 = 20 * 1024 * 1024;

/// Collects from every partner.
///
/// # Errors
/// The store failed. A folder that cannot be read is an outcome, and the others go on.
pub(crate) async fn run(env: &Arc<Env>, run: i64, only: &Only) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    for (place, partner, at) in env.each_partner() {
        let Some(collect) = &partner.collect else {
            continue;
        };
        if only.partner.as_ref().is_some_and(|id| *id != partner.id) {
            continue;
        }
        let Ok(pattern) = Pattern::parse(&collect.file) else {
            continue;
        };
        let listing = match at
            .transport
            .prepare()
            .and_then(|()| at.transport.sweep())
            .and_then(|()| at.transport.list(&pattern, moment(env, collect, only)))
        {
            Ok(listing) => listing,
            Err(error) => {
                outcome
                    .unreachable
                    .push(failed(partner, Code::ReturnUnsafe, &error));
                continue;
            }
        };
        let here = || Where::detail(format!("partner {}", partner.id));
        for _ in &listing.skipped {
            outcome.diagnostics.push(Diagnostic::new(
                Code::ReturnUnsafe,
                "a link, device or folder in a partner's in folder was left alone",
                here(),
            ));
        }
        for _ in &listing.ignored {
            outcome.diagnostics.push(Diagnostic::new(
                Code::ReturnIgnored,
                "a file in a partner's in folder does not match the agreed name",
                here(),
            ));
        }
        for candidate in listing.candidates.iter().take(limits::RETURN_FILES_MAX) {
            let file = OneFile {
                env,
                run,
                place,
                partner,
                collect,
                candidate,
            };
            match file.take(&mut outcome).await {
                Ok(()) => {}
                Err(error) => match error.downcast::<TransportError>() {
                    Ok(error) => {
                        outcome
                            .unreachable
                            .push(failed(partner, Code::ReceiptFailed, &error));
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }
    Ok(outcome)
}

/// A command run by hand takes what is there; only the daemon waits for a file to stand still.
fn moment(env: &Env, collect: &Collect, only: &Only) -> Moment {
    let settle_seconds = if only.settled {
        collect.settle_seconds
    } else {
        0
    };
    Moment {
        now_micros: env.now().0,
        settle_seconds,
    }
}

fn failed(partner: &Partner, code: Code, error: &TransportError) -> Diagnostic {
    Diagnostic::new(
        code,
        error.to_string(),
        Where::detail(format!("partner {}", partner.id)),
    )
}

/// A file that cannot be used: what is wrong with it, and what the partner can do.
struct Unusable {
    code: Code,
    why: String,
    to_do: &'static str,
}

/// One file of one partner.
struct OneFile<'e> {
    env: &'e Arc<Env>,
    run: i64,
    place: usize,
    partner: &'e Partner,
    collect: &'e Collect,
    candidate: &'e Candidate,
}

impl OneFile<'_> {
    async fn take(&self, outcome: &mut StageOutcome) -> anyhow::Result<()> {
        let at = &self.env.partners[self.place];
        let bytes = at.transport.read(self.candidate, RETURN_BYTES_MAX)?;
        let digest = sha256(&[&bytes]);
        let look = self
            .env
            .keys
            .look(&[b"return", self.partner.id.as_bytes(), &digest]);
        let again = self.env.store.return_by_look(look).await?;
        let name = self.candidate.name.reveal().to_owned();
        let received = Received {
            name: &name,
            bytes: bytes.len(),
            sha256: digest,
            again: again.is_some(),
        };
        let table = match self.readable(&bytes) {
            Ok(table) => table,
            Err(unusable) => return self.refuse(&received, look, &unusable, outcome).await,
        };
        let finding = self.find(&table).await?;
        if let Some(before) = again {
            let mut counts = Counts::default();
            counts.add_many(
                Disposition::Repeated,
                Some(Reason::SameFile),
                u64::try_from(before.rows).unwrap_or(0),
            );
            outcome.count(Stage::Collect, &counts);
            let mut batch = Batch::new(at.strand, self.env.now());
            batch
                .books
                .push(self.book(Stage::Collect, before.id, counts));
            self.env.store.commit(batch).await?;
        } else {
            let intake = Intake {
                env: self.env,
                place: self.place,
                partner: self.partner,
                look,
                name: &name,
                table: &table,
            };
            let (file, findings) = intake.record(self.run, finding, outcome).await?;
            if findings.sorted {
                outcome.diagnostics.push(Diagnostic::new(
                    Code::FileSorted,
                    "references and names of a return belong to each other's rows",
                    self.place_of(file),
                ));
            }
            tracing::info!(partner.id = %self.partner.id, return.id = file, rows = findings.rows.len(), "took in a return of {}", self.partner.id);
            return self.answer(&received, &table, &findings);
        }
        self.answer(&received, &table, &finding)
    }

    /// The file as a table with every column that the agreement names, or what is wrong and what to do.
    fn readable(&self, bytes: &[u8]) -> Result<Table, Unusable> {
        let table = read(bytes, &ReadLimits::default()).map_err(|error| Unusable {
            code: Code::ReturnUnreadable,
            why: error.to_string(),
            to_do: "Save the sheet as CSV and send it again",
        })?;
        let legs = HashMap::new();
        let reading = self.reading(&table, &legs);
        let missing = reading.missing();
        if missing.is_empty() {
            return Ok(table);
        }
        let quoted: Vec<String> = missing
            .iter()
            .map(|header| format!("\"{header}\""))
            .collect();
        Err(Unusable {
            code: Code::ReturnColumns,
            why: format!("These columns are missing: {}", quoted.join(", ")),
            to_do: "Use the column names we agreed, and send the sheet again",
        })
    }

    fn reading<'r>(&'r self, table: &Table, legs: &'r intake_lookup::Legs) -> Reading<'r> {
        let mut columns = HashMap::new();
        for (column, header) in table.header.iter().enumerate() {
            // Of two columns with one name the first counts.
            columns.entry(fold(header)).or_insert(column);
        }
        Reading {
            collect: self.collect,
            columns,
            today: self.env.today(),
            legs,
        }
    }

    async fn find(&self, table: &Table) -> anyhow::Result<FileFinding> {
        let none = HashMap::new();
        let lines = lines(table);
        let references = lines
            .iter()
            .filter_map(|line| self.reading(table, &none).reference(line).ok())
            .collect();
        let legs = intake_lookup::delivered(self.env, self.place, references).await?;
        Ok(self.reading(table, &legs).read(&lines))
    }

    /// Records a file that cannot be used, tells the partner why, and puts it aside.
    async fn refuse(
        &self,
        received: &Received<'_>,
        look: crate::seal::Look,
        unusable: &Unusable,
        outcome: &mut StageOutcome,
    ) -> anyhow::Result<()> {
        let at = &self.env.partners[self.place];
        if !received.again {
            let id = Intake::record_refusal(self.env, self.place, look, received.name).await?;
            let mut counts = Counts::default();
            counts.add(Disposition::Rejected, Some(Reason::FileUnread));
            outcome.count(Stage::Collect, &counts);
            let mut batch = Batch::new(at.strand, self.env.now());
            batch.books.push(self.book(Stage::Collect, id, counts));
            let stage = Stage::Collect.number();
            let (reason, partner) = (Reason::FileUnread, at.strand);
            batch.held.push(HeldRow {
                number: 0,
                leg: 0,
                stage,
                reason,
                source: 0,
                partner,
                return_id: id,
                row: 0,
                since: 0,
                open: true,
            });
            self.env.store.commit(batch).await?;
            outcome.diagnostics.push(Diagnostic::new(
                unusable.code,
                format!("a return was refused: {}", unusable.why),
                self.place_of(id),
            ));
        }
        let files = receipt::of_refusal(self.partner, received, &unusable.why, unusable.to_do)?;
        self.hand_over(&files, Place::Refused)
    }

    fn place_of(&self, file: i64) -> Where {
        Where::detail(format!("partner {}, return {file}", self.partner.id))
    }

    fn answer(
        &self,
        received: &Received<'_>,
        table: &Table,
        findings: &FileFinding,
    ) -> anyhow::Result<()> {
        let files = receipt::of_rows(self.partner, received, table, &findings.rows)?;
        self.hand_over(&files, Place::Done)
    }

    fn hand_over(&self, files: &receipt::ReceiptFiles, place: Place) -> anyhow::Result<()> {
        let transport = &self.env.partners[self.place].transport;
        let receipts = [
            Receipt {
                ending: "receipt.csv",
                bytes: &files.csv,
            },
            Receipt {
                ending: "receipt.json",
                bytes: &files.json,
            },
        ];
        transport.write_receipts(&self.candidate.name, &receipts)?;
        transport.put_away(self.candidate, place)?;
        Ok(())
    }

    fn book(&self, stage: Stage, file: i64, counts: Counts) -> BookRow {
        BookRow {
            run: self.run,
            stage,
            source: 0,
            partner: self.env.partners[self.place].strand,
            file,
            counts,
        }
    }
}

fn lines(table: &Table) -> Vec<ReturnLine<'_>> {
    table
        .rows
        .iter()
        .map(|row| ReturnLine {
            line: row.line,
            cells: Box::new(move |column| row.cell(column)),
        })
        .collect()
}
