//! *push*: writes what came back into the GP record, each event once, ledger first.
//!
//! In: queued events. Out: Observations on the GP system, or in a file for an import. Keeps: `pushing` is durable before
//! anything is sent; what may have arrived is looked up before it is sent again; free text is never written.

mod fhir;
mod folder;

use std::collections::HashMap;
use std::sync::Arc;

use super::env::Env;
use super::intake_lookup::event_spot;
use super::observe::{About, KeptEvent, build};
use super::{Only, StageOutcome, kept};
use crate::config::PushTo;
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::{Counts, Disposition, Reason, Stage};
use crate::fhir::service_request;
use crate::partner::derive::activity_label;
use crate::seal::{HolderKey, Spot};
use crate::store::rows::{BookRow, HeldRow, Leg, PushRow, PushState};
use crate::store::{Batch, Entry, Kind};

/// Pushes to every source.
///
/// # Errors
/// The store failed. A source that cannot be reached is an outcome, and the others go on.
pub(crate) async fn run(env: &Arc<Env>, run: i64, only: &Only) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    for place in 0..env.sources.len() {
        let source = &env.sources[place].config;
        if !source.enabled
            || source.shadow
            || only.source.as_ref().is_some_and(|id| *id != source.id)
        {
            continue;
        }
        let pushed = match &source.push.to {
            PushTo::Off => StageOutcome::default(),
            PushTo::Fhir { base_url } => fhir::push(env, place, run, base_url).await?,
            PushTo::Folder { path } => folder::push(env, place, run, path).await?,
        };
        outcome.merge(pushed);
    }
    Ok(outcome)
}

/// A write with all that it is made of.
struct Write {
    row: PushRow,
    event: KeptEvent,
    leg: Leg,
    key: HolderKey,
    partner: usize,
    about: About,
    body: Vec<u8>,
}

/// Reads events back and builds their Observations; those that cannot be built come back with a reason.
async fn load(
    env: &Env,
    rows: Vec<PushRow>,
) -> anyhow::Result<(Vec<Write>, Vec<(PushRow, Reason)>)> {
    let events = env
        .store
        .events(rows.iter().map(|row| row.event).collect())
        .await?;
    let events: HashMap<i64, _> = events.into_iter().map(|event| (event.id, event)).collect();
    let legs = env
        .store
        .legs(rows.iter().map(|row| row.leg).collect())
        .await?;
    let raws: Vec<_> = legs.iter().map(|leg| leg.now.raws).collect();
    let dossiers = kept::dossiers(env, &raws).await?;
    let legs: HashMap<i64, _> = legs
        .into_iter()
        .zip(dossiers)
        .map(|(leg, dossier)| (leg.id, (leg, dossier)))
        .collect();
    let keys = env
        .holder_keys(events.values().map(|event| event.holder).collect())
        .await?;
    let (mut writes, mut refused) = (Vec::new(), Vec::new());
    for row in rows {
        let Some((event, key)) = events
            .get(&row.event)
            .and_then(|event| Some((event, keys.get(&event.holder)?)))
        else {
            refused.push((row, Reason::Erased));
            continue;
        };
        let plain = key.open(event_spot(event.id, event.holder), &event.sealed)?;
        let kept: KeptEvent = serde_json::from_slice(&plain)?;
        let found = legs.get(&row.leg).and_then(|(leg, dossier)| {
            Some((
                leg,
                about(env, leg, dossier.as_ref()?)?,
                env.partner_at(leg.now.partner)?,
            ))
        });
        let Some((leg, about, partner)) = found else {
            refused.push((row, Reason::NoPatient));
            continue;
        };
        match build(env, &env.rules.partners[partner], &kept, &about) {
            Ok(Some(body)) => writes.push(Write {
                row,
                event: kept,
                leg: leg.clone(),
                key: key.clone(),
                partner,
                about,
                body,
            }),
            Ok(None) | Err(_) => refused.push((row, Reason::Refused)),
        }
    }
    Ok((writes, refused))
}

/// The server's own ids, from the referral as it was pulled; never from a return.
fn about(env: &Env, leg: &Leg, dossier: &super::dossier::Dossier) -> Option<About> {
    let trees = dossier.trees().ok()?;
    let source = &env.sources[env.source_at(leg.source)?].config;
    let view = trees.view(
        env.setting(source, &env.rules, env.today()),
        super::map::facts("", crate::domain::Action::New, "", 0),
    );
    Some(About {
        service_request: service_request::id(&trees.request)?.to_owned(),
        patient: service_request::id(trees.patient().filter(|_| dossier.patient.is_some())?)?
            .to_owned(),
        activity: activity_label(&view),
    })
}

/// How a write ended.
struct Ended {
    row: PushRow,
    disposition: Disposition,
    reason: Option<Reason>,
}

/// Marks writes as under way, durably, before any of them is sent.
async fn begin(env: &Env, strand: i64, writes: &mut [Write]) -> anyhow::Result<()> {
    let mut batch = Batch::new(strand, env.now());
    for write in writes.iter_mut() {
        write.row.state = PushState::Sending;
        write.row.attempts += 1;
        batch.push(Entry::plain(
            Kind::Pushing,
            write.row.event,
            format!("{}", write.row.attempts),
        ));
        batch.push_updates.push(write.row.clone());
    }
    env.store.commit(batch).await?;
    Ok(())
}

/// Records how writes ended.
async fn end(
    env: &Env,
    strand: i64,
    run: i64,
    ended: Vec<Ended>,
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    if ended.is_empty() {
        return Ok(());
    }
    let mut batch = Batch::new(strand, env.now());
    let mut counts = Counts::default();
    for Ended {
        row,
        disposition,
        reason,
    } in ended
    {
        counts.add(disposition, reason);
        let vouched = row.server_id.as_deref().map_or_else(String::new, |sealed| {
            crate::store::chain::hex(&crate::seal::sha256(&[sealed]))
        });
        batch.push(Entry::plain(
            Kind::Pushed,
            row.event,
            format!(
                "{},{},{},\"{vouched}\"",
                row.state.number(),
                row.attempts,
                row.reason
            ),
        ));
        if let (PushState::Refused, Some(reason)) = (row.state, reason) {
            let stage = Stage::Push.number();
            batch.held.push(HeldRow {
                number: 0,
                leg: row.leg,
                stage,
                reason,
                source: strand,
                partner: 0,
                return_id: 0,
                row: 0,
                since: 0,
                open: true,
            });
        }
        batch.push_updates.push(row);
    }
    if !batch.held.is_empty() {
        let source = env
            .source_at(strand)
            .map_or("", |place| env.sources[place].config.id.as_str());
        outcome.diagnostics.push(Diagnostic::new(
            Code::WriteRefused,
            format!("{} entries were refused", batch.held.len()),
            Place::detail(format!("source {source}")),
        ));
    }
    outcome.count(Stage::Push, &counts);
    batch.books.push(BookRow {
        run,
        stage: Stage::Push,
        source: strand,
        partner: 0,
        file: 0,
        counts,
    });
    env.store.commit(batch).await?;
    Ok(())
}

fn refusals(refused: Vec<(PushRow, Reason)>) -> Vec<Ended> {
    refused
        .into_iter()
        .map(|(mut row, reason)| {
            (row.state, row.reason) = (PushState::Refused, reason.number());
            Ended {
                row,
                disposition: Disposition::Rejected,
                reason: Some(reason),
            }
        })
        .collect()
}

/// Where a server's id is sealed.
fn server_id_spot(event: i64, holder: i64) -> Spot<'static> {
    Spot {
        column: "push.server_id",
        row: event,
        holder,
    }
}
