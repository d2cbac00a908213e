//! *watch*: reads every open leg's records again, so that a change at the practice has its one effect (`safety.md` §6).
//!
//! In: legs that are open or have writes queued. Out: what changed, through the very path of *pull*; questions about what
//! is gone; and the people about whom nothing new may leave, for their records could not be read. Keeps: what was read
//! in this run is not read again; a server that is down stops no STOP. An extract cannot be read by id: there the newest
//! one stands, and only what the day alone changes, a consent that runs out, is looked at.

mod holds;
mod read_by_id;
#[cfg(test)]
mod read_by_id_tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use read_by_id::{Again, Reader};
use tokio::sync::Semaphore;

use super::ingest::intake::Intake;
use super::ingest::load::{Load, LoadOrigin};
use super::lookup_keys::referral_lookup;
use super::referral::{IdScope, Referral};
use super::run::{Env, HeldLease, Only, Run, StageOutcome, Totals};
use super::{gp_client, sealed_inputs};
use crate::config::Pull;
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::{EventId, LegId, RawId};
use crate::fhir::client::Client;
use crate::fhir::resources::resource;
use crate::json::{Arena, Json};
use crate::partner::agreement::ConsentRule;
use crate::store::rows::{Leg, PushState};
use crate::store::{LeaseStage, PushQuery};

/// Legs read again at a time.
const PAGE: i64 = 500;

/// Legs whose records were gone and are there again, with the lease under which they are to be decided.
pub(crate) type FoundAgain = (HeldLease, Vec<Leg>);

/// Which legs are read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Every open one, and those with writes to make: before each drop and push, and nightly.
    Open,
    /// Those alone whose writes wait for a person or an event: what they wait for may be over.
    Waiting,
}

/// Reads legs again, of every source. Gives the legs whose records were gone and are there again, to be decided anew.
///
/// # Errors
/// The store failed. A source that cannot be read is an outcome, and the others go on.
pub(crate) async fn run(
    run: &Arc<Run>,
    only: &Only,
    scope: Scope,
) -> anyhow::Result<(StageOutcome, Vec<FoundAgain>)> {
    let (mut outcome, mut found_again) = (StageOutcome::default(), Vec::new());
    for place in 0..run.sources.len() {
        if run.sources[place].config.enabled {
            let (of_source, legs) = one(run, place, only, scope).await?;
            outcome.merge(of_source);
            found_again.extend(legs);
        }
    }
    if scope == Scope::Open {
        run.readings.watched();
    }
    Ok((outcome, found_again))
}

/// What has to be read again before writes are made; nothing if there are none.
///
/// # Errors
/// The store failed.
pub(crate) async fn before_writes(env: &Env) -> anyhow::Result<Option<Scope>> {
    let mut scope = None;
    for place in 0..env.sources.len() {
        for state in OPEN {
            let rows = env
                .store
                .pushes(query(env, place, state, EventId::NONE))
                .await?;
            if rows.is_empty() {
                continue;
            }
            // What waits for a person is no reason to read everybody again, every quarter of an hour.
            if state != PushState::Waiting {
                return Ok(Some(Scope::Open));
            }
            scope = Some(Scope::Waiting);
        }
    }
    Ok(scope)
}

/// Writes that may still be made.
const OPEN: [PushState; 4] = [
    PushState::Queued,
    PushState::Sending,
    PushState::AnswerLost,
    PushState::Waiting,
];

fn query(env: &Env, place: usize, state: PushState, after: EventId) -> PushQuery {
    PushQuery {
        source: env.sources[place].strand,
        state,
        now: env.now().0,
        after,
        limit: PAGE,
    }
}

/// Where the records of a source are read by their ids; none of extracts.
fn base_of(config: &crate::config::Source) -> Option<&String> {
    match &config.pull {
        Pull::Search { base_url, .. } => Some(base_url),
        Pull::Bulk(bulk) => Some(&bulk.base_url),
        Pull::Folder { .. } => None,
    }
}

/// Whether the addresses that a server gives may be on another host than its own.
fn rebases(config: &crate::config::Source) -> bool {
    match &config.pull {
        Pull::Search { reading, .. } => reading.rebase_links,
        Pull::Bulk(bulk) => bulk.rebase_links,
        Pull::Folder { .. } => false,
    }
}

/// What became of the legs of a source.
#[derive(Default)]
struct Watched {
    /// Whether records of this source can be read by their ids.
    by_id: bool,
    totals: Totals,
    read: HashSet<LegId>,
    gone: Vec<Leg>,
    unread: Vec<Leg>,
}

async fn one(
    run: &Arc<Run>,
    place: usize,
    only: &Only,
    scope: Scope,
) -> anyhow::Result<(StageOutcome, Vec<FoundAgain>)> {
    let env = run.env();
    let (mut outcome, mut found_again) = (StageOutcome::default(), Vec::new());
    let config = &env.sources[place].config;
    let base = base_of(config);
    // What keeps the credentials from being used, the pull has said.
    let client = base.and_then(|base| gp_client::client(env, place, base).ok());
    let consents = (0..env.partners.len()).any(|place| asks_consent(env, place));
    if base.is_none() && !consents {
        // Nothing can be read again, and nothing changes by the day.
        return Ok((outcome, found_again));
    }
    let lease = run.lease(LeaseStage::Pull, env.sources[place].strand, &mut outcome);
    let Some(lease) = lease.await? else {
        // Another run has it: what it has read is not known here, so nothing new leaves.
        run.readings.skipped(env.sources[place].strand);
        return Ok((outcome, found_again));
    };
    let legs = under(
        run,
        place,
        &lease,
        (only, scope),
        client.as_ref(),
        &mut outcome,
    )
    .await;
    match legs {
        Ok(legs) if !legs.is_empty() => found_again.push((lease, legs)),
        watched => {
            let watched = run.ended(lease, watched, &mut outcome).await?;
            if watched.is_none() {
                run.readings.skipped(env.sources[place].strand);
            }
        }
    }
    Ok((outcome, found_again))
}

/// The way on of [`one`], under the lease of the source.
async fn under(
    run: &Arc<Run>,
    place: usize,
    lease: &HeldLease,
    (only, scope): (&Only, Scope),
    client: Option<&Client>,
    outcome: &mut StageOutcome,
) -> anyhow::Result<Vec<Leg>> {
    let (env, mut found_again) = (run.env(), Vec::new());
    let config = &env.sources[place].config;
    let base = base_of(config);
    let mut reader = client
        .zip(base)
        .map(|(client, base)| Reader::new(client, base, rebases(config)));
    let mut watched = Watched {
        by_id: base.is_some(),
        ..Watched::default()
    };
    let turns = Arc::new(Semaphore::new(env.workers));
    let mut intake = Intake::new(run, place, lease, turns).await?;
    let writing = legs_writing(env, place).await?;
    for page in writing.chunks(usize::try_from(PAGE).unwrap_or(500)) {
        let legs = env.store.legs(page.to_vec()).await?;
        // The others come with all that are open.
        let wanted = |leg: &Leg| leg.now.state.terminal() || scope == Scope::Waiting;
        let ended = legs.into_iter().filter(wanted);
        again(
            run,
            place,
            ended.collect(),
            &mut reader,
            &mut intake,
            &mut watched,
        )
        .await?;
    }
    let strand = env.sources[place].strand;
    let mut after = LegId::NONE;
    loop {
        if scope == Scope::Waiting {
            break;
        }
        let legs = env.store.open_legs(strand, after, PAGE).await?;
        let Some(last) = legs.last() else { break };
        after = last.id;
        let wanted = legs
            .into_iter()
            .filter(|leg| concerned(env, only, leg))
            .collect();
        again(run, place, wanted, &mut reader, &mut intake, &mut watched).await?;
    }
    intake.finish().await?;
    watched.totals = intake.totals().clone();
    drop(intake);
    if base.is_some() {
        let writing: HashSet<LegId> = writing.into_iter().collect();
        found_again = holds::after(run, lease, place, &watched, &writing).await?;
        run.readings
            .cannot_read(watched.unread.iter().map(|leg| leg.now.person));
        outcome.unreachable.extend(unread(config, &watched, reader));
    }
    outcome.add_totals(&watched.totals);
    Ok(found_again)
}

/// A run for one partner is about that partner's legs.
fn concerned(env: &Env, only: &Only, leg: &Leg) -> bool {
    only.partner.as_ref().is_none_or(|id| {
        env.partner_at(leg.now.partner)
            .is_some_and(|place| env.rules.partners[place].id == *id)
    })
}

/// Legs with writes that have not been confirmed.
async fn legs_writing(env: &Env, place: usize) -> anyhow::Result<Vec<LegId>> {
    let mut legs = Vec::new();
    for state in OPEN {
        let mut after = EventId::NONE;
        loop {
            let rows = env.store.pushes(query(env, place, state, after)).await?;
            let Some(last) = rows.last() else { break };
            after = last.event;
            legs.extend(rows.iter().map(|row| row.leg));
        }
    }
    legs.sort_unstable();
    legs.dedup();
    Ok(legs)
}

/// Reads the records of these legs again and hands on what the source says now; the legs of one referral together.
async fn again(
    run: &Run,
    place: usize,
    legs: Vec<Leg>,
    reader: &mut Option<Reader<'_>>,
    intake: &mut Intake<'_>,
    watched: &mut Watched,
) -> anyhow::Result<()> {
    let mut by_request: BTreeMap<RawId, Vec<Leg>> = BTreeMap::new();
    for leg in legs {
        // The day alone changes only what rests on consent.
        let worth = watched.by_id || rests_on_consent(run, &leg);
        let request = leg.now.raws.request;
        if worth && request.is_some() && !run.readings.has_read(place, request) {
            by_request.entry(request).or_default().push(leg);
        }
    }
    let groups: Vec<Vec<Leg>> = by_request.into_values().collect();
    let raws: Vec<_> = groups.iter().map(|legs| legs[0].now.raws).collect();
    let kept = sealed_inputs::referrals(run, &raws).await?;
    // A person who was erased is not read again.
    let (groups, kept): (Vec<Vec<Leg>>, Vec<Referral>) = groups
        .into_iter()
        .zip(kept)
        .filter_map(|(legs, referral)| Some((legs, referral?)))
        .unzip();
    let found = match reader {
        Some(reader) => reader.again(&kept).await,
        None => kept.iter().map(|_| Again::Unread).collect(),
    };
    let (mut read, mut as_kept) = (Vec::with_capacity(kept.len()), Vec::new());
    for ((legs, old), found) in groups.into_iter().zip(kept).zip(found) {
        // Under its id the server has another request than that of another server.
        if reader.is_some() && !is_of_server(run, place, &legs, &old) {
            continue;
        }
        match found {
            Again::Read(referral) => {
                watched.read.extend(legs.iter().map(|leg| leg.id));
                read.push(*referral);
            }
            Again::Gone => watched.gone.extend(legs),
            Again::Unread => {
                // What is known already still stands, and its consent may run out today.
                if legs.iter().any(|leg| rests_on_consent(run, leg)) {
                    let kept_as = legs.iter().find_map(|leg| leg.lookup);
                    let ids = IdScope {
                        kept_as,
                        ..IdScope::default()
                    };
                    as_kept.push(Referral { ids, ..old });
                }
                watched.unread.extend(legs);
            }
        }
    }
    intake
        .hand(Load::Fetched(LoadOrigin::ReadById, read))
        .await?;
    if as_kept.is_empty() {
        return Ok(());
    }
    intake
        .hand(Load::Fetched(LoadOrigin::AsKept, as_kept))
        .await
}

/// Whether the legs are of the request that the source's own server has under that id.
fn is_of_server(env: &Env, place: usize, legs: &[Leg], referral: &Referral) -> bool {
    let arena = Arena::default();
    let Ok(request) = Json::parse(&referral.request, &arena) else {
        return true;
    };
    let id = resource::id(&request).unwrap_or_default();
    let own = referral_lookup(env, place, id.as_bytes(), None);
    let kept = legs.iter().find_map(|leg| leg.lookup);
    kept.is_none_or(|kept| kept == own)
}

fn rests_on_consent(env: &Env, leg: &Leg) -> bool {
    env.partner_at(leg.now.partner)
        .is_some_and(|place| asks_consent(env, place))
}

fn asks_consent(env: &Env, place: usize) -> bool {
    env.approved(place).1.select.consent == ConsentRule::Required
}

/// What is said of records that could not be read again.
fn unread(
    config: &crate::config::Source,
    watched: &Watched,
    reader: Option<Reader<'_>>,
) -> Option<Diagnostic> {
    let why = reader.and_then(Reader::trouble);
    let why = why.map_or_else(String::new, |error| format!(": {error}"));
    let what = format!(
        "{} referrals could not be read again{why}",
        watched.unread.len()
    );
    let place = Place::detail(format!("source {}", config.id));
    (!watched.unread.is_empty()).then(|| Diagnostic::new(Code::NotReRead, what, place))
}
