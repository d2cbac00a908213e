//! How a drop goes out, and the record that it has.
//!
//! In: a drop that was prepared, with its bytes. Out: a file and its manifest, and a batch for its legs. Keeps: the same drop
//! has the same manifest whenever it is made.

use super::Made;
use crate::diagnostics::{Code, Diagnostic, Place as Where};
use crate::domain::clock::day_from_number;
use crate::domain::encoding::hex;
use crate::domain::{Counts, Disposition, LegId, Reason, RunId, Stage};
use crate::partner::Partner;
use crate::pipeline::prepared_drop::{last_about, number_before, ready};
use crate::pipeline::run::{Env, HeldLease, LedgerAccess, StageOutcome};
use crate::seal::sha256;
use crate::sheet::{Manifest, manifest_name};
use crate::store::rows::{DropFile, DropState};
use crate::store::{Batch, Body, Entry, Kind, NewHold};
use crate::transport::{OutgoingDrop, Published, TransportError};

/// Why a drop does not count as sent: its record stays *prepared*, and the next run publishes the same bytes under the same name.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsent {
    #[error(transparent)]
    Failed(#[from] TransportError),
    #[error(
        "{rows} rows wait, since their practice is no longer in the config: put its [[source]] back until they are out"
    )]
    NoSource { rows: usize },
    #[error("the answer was lost, so a drop may be there or not: the next run asks again")]
    Unknown,
}

impl Unsent {
    /// Whether nobody can have seen anything of the drop.
    pub(super) fn unseen(&self) -> bool {
        match self {
            Self::Failed(error) => error.unseen(),
            Self::NoSource { .. } => true,
            Self::Unknown => false,
        }
    }
}

pub(super) fn undelivered(partner: &Partner, why: &Unsent) -> Diagnostic {
    let code = match why {
        Unsent::Failed(TransportError::Gone { .. }) => Code::ExchangeGone,
        _ => Code::DropFailed,
    };
    Diagnostic::new(
        code,
        why.to_string(),
        Where::detail(format!("partner {}", partner.id)),
    )
}

/// Publishes a drop that was prepared: the same bytes under the same name, whenever it is done. Its record stands after row `after` of
/// its partner's strand.
///
/// # Errors
/// The store failed. What kept the drop from going out is a value.
pub(super) async fn publish(
    env: &Env,
    place: usize,
    (file, after): (&DropFile, i64),
    made: Made,
) -> anyhow::Result<Result<(), Unsent>> {
    let (partner, at) = (env.approved(place).1, &env.partners[place]);
    let before = number_before(env, file.partner, file.sequence).await?;
    let row = last_about(env, file, Kind::Prepared, after).await?;
    let head = row.map(|row| env.anchor.head_of(&env.keys, &partner.id, &row));
    let manifest = Manifest {
        partner: partner.id.clone(),
        file: file.name.clone(),
        made_on: Manifest::date(day_from_number(file.day)),
        sequence: u64::try_from(file.sequence).unwrap_or(0),
        previous_sequence: u64::try_from(before).ok().filter(|before| *before > 0),
        rows: made.actions,
        sha256: hex(&sha256(&[&made.bytes])),
        header_sha256: hex(&made.header_sha256),
        format: made.format.into(),
        ledger: head,
    };
    let drop = OutgoingDrop {
        manifest_name: manifest_name(&file.name),
        manifest: manifest.to_bytes(),
        name: file.name.clone(),
        bytes: made.bytes,
    };
    let published = match ready(env, place).await? {
        Ok(()) => at.transport.publish(drop).await,
        Err(error) => Err(error),
    };
    Ok(match published {
        Ok(Published::Now | Published::Before) => Ok(()),
        Ok(Published::Unknown) => Err(Unsent::Unknown),
        Err(error) => Err(error.into()),
    })
}

/// The record that a drop has left: its legs move together.
pub(super) fn sent(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    file: &DropFile,
    run: RunId,
    stops: &[LegId],
    outcome: &mut StageOutcome,
) -> Batch {
    let mut counts = Counts::default();
    counts.add_many(
        Disposition::Accepted,
        None,
        u64::try_from(file.rows).unwrap_or(0),
    );
    outcome.count(Stage::Deliver, &counts);
    let mut batch = lease.batch(ledger.now());
    batch.book_file(run, Stage::Deliver, file.id, counts);
    batch.drop_states.push((file.id, DropState::Sent));
    batch.sent = Some(file.id);
    let (sequence, rows) = (file.sequence, file.rows);
    batch.push(Entry::new(file.id, Body::Sent { sequence, rows }));
    // A stop that the partner has not confirmed stays somebody's to chase.
    for leg in stops.iter().copied() {
        let hold = NewHold::new(Stage::Deliver, Reason::StopOpen);
        batch.hold(hold.leg(leg).partner(lease.strand()));
    }
    batch
}
