//! Renews a partner's one current list: everybody who is open with it today, as last sent, with the empty columns for its answers.
//!
//! In: the ledger after a delivery. Out: `out/your people.csv`. Keeps: nobody who was stopped stands on it, nor whose stop waits; a list into which
//! somebody wrote stays, and a new one stands beside it; it is recorded before it has its name, and due until it has. A partner's first drop
//! is that list itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::eligible::tells_action;
use super::publish::{Unsent, undelivered};
use crate::diagnostics::{Code, Diagnostic, Place as Where};
use crate::domain::clock::day_from_number;
use crate::domain::{Action, DropId, LegId, how_to_raise};
use crate::pipeline::drop_bytes::{self, By, Made, Maker, Numbered, Planned, add};
use crate::pipeline::people_list::{LyingList, lying_lists};
use crate::pipeline::prepared_drop::{last_about, last_standing, number_before, ready};
use crate::pipeline::run::{HeldLease, Run, SeveralAtOnce, StageOutcome};
use crate::seal::sha256;
use crate::store::rows::{DropFile, DropRow, Leg};
use crate::store::{Body, Entry, Kind, LeaseStage, StoreError};
use crate::transport::{OutgoingFile, TransportError};

/// Legs read at a time.
const PAGE: i64 = 2_000;

/// Renews the lists of these partners that are due.
///
/// # Errors
/// The store failed. A folder that cannot be written is an outcome, and the others go on.
pub(super) async fn renew(
    run: &Arc<Run>,
    places: &[usize],
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    let at_once = if run.workers == 1 { 1 } else { run.workers * 2 };
    let mut several = SeveralAtOnce::new(at_once);
    let mut ended: BTreeMap<usize, anyhow::Result<StageOutcome>> = BTreeMap::new();
    for place in places {
        if due(run, *place).await?.is_some() {
            let work = renew_one(Arc::clone(run), *place);
            while several.is_full() {
                ended.extend(several.ended_in_time().await?);
            }
            several.begin(*place, work);
        }
    }
    while let Some((place, of_partner)) = several.ended().await? {
        ended.insert(place, of_partner);
    }
    for of_partner in ended.into_values() {
        outcome.merge(of_partner?);
    }
    Ok(())
}

/// The drop after which a list is to be renewed; `None` where there is none, or it was.
async fn due(run: &Run, place: usize) -> Result<Option<DropFile>, StoreError> {
    let (partner, at) = (run.approved(place).1, &run.partners[place]);
    if partner.collect.is_none() || !at.transport.capabilities().returns {
        return Ok(None);
    }
    let Some(last) = last_standing(run, at.strand).await? else {
        return Ok(None);
    };
    if !last.state.has_left() || number_before(run, at.strand, last.sequence).await? == 0 {
        return Ok(None);
    }
    let renewed = last_about(run, &last, Kind::PeopleRenewed, 0).await?;
    Ok(renewed.is_none().then_some(last))
}

async fn renew_one(run: Arc<Run>, place: usize) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    let strand = run.partners[place].strand;
    let lease = run.lease(LeaseStage::Deliver, strand, &mut outcome).await?;
    let Some(lease) = lease else {
        return Ok(outcome);
    };
    let renewed = renew_under(&run, &lease, place, &mut outcome).await;
    run.ended(lease, renewed, &mut outcome).await?;
    Ok(outcome)
}

async fn renew_under(
    run: &Arc<Run>,
    lease: &HeldLease,
    place: usize,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    let Some(last) = due(run, place).await? else {
        return Ok(());
    };
    let partner = run.approved(place).1;
    let mut not_written = |error: TransportError| {
        let why = Unsent::Failed(error);
        outcome.unreachable.push(undelivered(partner, &why));
    };
    if let Err(error) = ready(run, place).await? {
        not_written(error);
        return Ok(());
    }
    let lists = match lying_lists(run, place).await? {
        Ok(lists) => lists,
        Err(error) => {
            not_written(error);
            return Ok(());
        }
    };
    let (made, left_out) = list_of(run, place, &last).await?;
    let mut batch = lease.batch(run.now());
    let listed = Body::PeopleListed {
        sequence: last.sequence,
        rows: i64::try_from(made.rows.len()).unwrap_or(i64::MAX),
        digest: run.keys.file_digest(&sha256(&[&made.bytes])),
    };
    batch.push(Entry::new(last.id, listed));
    run.store.commit(batch).await?;
    lease.stands()?;
    if let Err(error) = put_out(run, place, lists, &made.bytes).await {
        not_written(error);
        return Ok(());
    }
    let mut batch = lease.batch(run.now());
    let sequence = last.sequence;
    batch.push(Entry::new(last.id, Body::PeopleRenewed { sequence }));
    run.store.commit(batch).await?;
    outcome.diagnostics.extend(left_out);
    Ok(())
}

/// Puts the list in the place of each that is ours, or else where nothing is.
async fn put_out(
    run: &Run,
    place: usize,
    lists: Vec<(String, LyingList)>,
    bytes: &[u8],
) -> Result<(), TransportError> {
    let is_ours = |(_, lying): &(String, LyingList)| matches!(lying, LyingList::Ours(_));
    let any = lists.iter().any(is_ours);
    let mut to: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    for (name, lying) in lists {
        match lying {
            LyingList::Ours(before) => to.push((name, Some(before))),
            LyingList::Nothing if !any && to.is_empty() => to.push((name, None)),
            LyingList::Nothing | LyingList::WrittenInto => {}
        }
    }
    if to.is_empty() {
        return Err(TransportError::NameTaken { folder: "out" });
    }
    for (name, before) in to {
        let bytes = bytes.to_vec();
        let file = OutgoingFile { name, bytes };
        run.partners[place].transport.renew(file, before).await?;
    }
    Ok(())
}

/// The list, and what is to be said of people whose rows are not on it although they are open.
async fn list_of(
    run: &Arc<Run>,
    place: usize,
    last: &DropFile,
) -> anyhow::Result<(Made, Option<Diagnostic>)> {
    let env = run.env();
    let (rules, partner) = env.approved(place);
    let of = Numbered {
        sequence: last.sequence,
        today: env.today(),
        notice: false,
    };
    let mut maker = Maker::new(Arc::clone(env), By::InForce(place), of)?;
    let (tells, rows_max) = (
        tells_action(rules, partner),
        env.config.limits.drop_rows_max,
    );
    let (mut after, mut rows, mut beyond) = (LegId::NONE, 0, 0);
    loop {
        let legs = run.store.open_legs_with(last.partner, after, PAGE).await?;
        let Some(end) = legs.last() else { break };
        after = end.id;
        let mut planned = planned(run, legs, tells).await?;
        beyond += planned.len().saturating_sub(rows_max - rows);
        planned.truncate(rows_max - rows);
        rows += planned.len();
        let mut planned = planned.into_iter();
        loop {
            let page: Vec<Planned> = planned.by_ref().take(drop_bytes::PAGE).collect();
            if page.is_empty() {
                break;
            }
            maker = add(env, maker, page).await?;
        }
    }
    let lacking = beyond + maker.unwritable.len() + maker.missing;
    let said = (lacking > 0).then(|| {
        let what = format!("the list of people lacks {lacking} who are open with the partner");
        let here = Where::detail(format!("partner {}", partner.id));
        let said = Diagnostic::new(Code::ListLacks, what, here);
        if beyond > 0 {
            said.fix(how_to_raise("drop_rows_max"))
        } else {
            said
        }
    });
    Ok((maker.finish()?, said))
}

/// The rows of these legs as they were sent last: of those that were sent, and neither were nor are being stopped. Where no column says that
/// a row pauses, a person who is paused is left off too.
async fn planned(run: &Run, mut legs: Vec<Leg>, tells: bool) -> anyhow::Result<Vec<Planned>> {
    legs.retain(|leg| {
        leg.now.state.after_sending()
            && leg.now.pending != Some(Action::Stop)
            && run.source_at(leg.source).is_some()
    });
    let ids = legs.iter().map(|leg| leg.id).collect();
    let rows = run.store.drop_rows_of_legs(ids).await?;
    let mut drops: Vec<DropId> = rows.iter().map(|row| row.drop_id).collect();
    drops.sort_unstable();
    drops.dedup();
    let files = run.store.drop_files_by_id(drops).await?;
    let files = files.into_iter().filter(|file| file.state.has_left());
    let files: HashMap<DropId, DropFile> = files.map(|file| (file.id, file)).collect();
    // Oldest first, so the last one of each leg stays.
    let sent = rows
        .into_iter()
        .filter(|row| files.contains_key(&row.drop_id));
    let mut sent: HashMap<LegId, DropRow> = sent.map(|row| (row.leg, row)).collect();
    let planned = legs.into_iter().filter_map(|leg| {
        let row = sent.remove(&leg.id)?;
        let file = files.get(&row.drop_id)?;
        let stands = match row.action {
            Action::Stop => false,
            Action::Pause => tells,
            Action::New | Action::Amend => true,
        };
        stands.then(|| Planned {
            as_of: Some((file.sequence, day_from_number(file.day))),
            row,
            ready: None,
            before: None,
            reference: leg.reference,
            source: leg.source,
            person: leg.now.person,
        })
    });
    Ok(planned.collect())
}
