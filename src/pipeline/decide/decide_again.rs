//! *select* and *map* once more, for referrals that wait: when a place comes free, when the rules have changed, and when
//! the owner of the question releases them. Always with today's data; it never overrides consent, identity or a stop.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{ReferralOutcome, judge, onward, rule_digits, rules_look, standing};
use crate::domain::reason::Lifts;
use crate::domain::{Action, Counts, Disposition, LegId, LegState, Reason, RunId, Stage, StrandId};
use crate::json::{Arena, Json};
use crate::pipeline::lookup_keys::{person_keys, persons_alike};
use crate::pipeline::referral::Referral;
use crate::pipeline::run::{
    Env, HeldLease, LeaseSet, Only, Run, STALE_TRIES, StageOutcome, is_stale,
};
use crate::pipeline::select::{PriorLegs, Trail, barred, objection, review};
use crate::pipeline::{approval, map, sealed_inputs};
use crate::store::rows::{HeldRow, Leg, Standing};
use crate::store::{Batch, Body, Guard, LeaseStage, LegStep, NewHold, StoreError};

/// Legs read at a time; each that changes is a transaction of its own.
const PAGE: usize = 500;

/// What a second look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Goes to its partner.
    Routed,
    /// Waits, for the same reason or another one.
    Held(Reason),
    /// Ended.
    Closed(Reason),
    /// Can no longer be read: the person was erased.
    Gone,
}

/// Looks again at what may go on by itself.
pub(crate) async fn run(run: &Run, only: &Only) -> anyhow::Result<StageOutcome> {
    let env = run.env();
    let mut outcome = StageOutcome::default();
    let mut leases = LeaseSet::new(LeaseStage::Pull);
    // Each is ours before its holds are listed, so that nobody opens one in between.
    let mut changed: HashSet<StrandId> = HashSet::new();
    for source in rules_look::changed(env).await? {
        if wanted(env, only, source) && leases.of(run, source, &mut outcome).await?.is_some() {
            changed.insert(source);
        }
    }
    let by_itself = |hold: &HeldRow| {
        let outward = !hold.return_id.is_some()
            && hold.leg.is_some()
            && (hold.stage == Stage::Select || hold.stage == Stage::Map);
        let approved = hold.reason == Reason::NotApproved
            && env
                .partner_at(hold.partner)
                .is_some_and(|place| !env.rules.partners[place].unapproved());
        outward && (hold.reason == Reason::Capacity || approved || changed.contains(&hold.source))
    };
    let mut free = free_places(env).await?;
    let mut left: HashSet<StrandId> = HashSet::new();
    let mut legs: Vec<LegId> = Vec::new();
    env.each_open_hold(|hold| legs.extend(by_itself(&hold).then_some(hold.leg)))
        .await?;
    for page in legs.chunks(PAGE) {
        let mut open: HashMap<LegId, Vec<HeldRow>> = HashMap::new();
        for hold in env.store.holds_of_legs(page.to_vec()).await? {
            open.entry(hold.leg).or_default().push(hold);
        }
        for leg in env
            .store
            .legs(page.to_vec())
            .await?
            .into_iter()
            .filter(|leg| leg.now.state == LegState::Held)
        {
            let source = leg.source;
            if !wanted(env, only, source) {
                continue;
            }
            let Some(lease) = leases.of(run, source, &mut outcome).await? else {
                continue;
            };
            let open = open.remove(&leg.id).unwrap_or_default();
            let of_leg = (leg, open);
            let looked = look_again(env, lease, run.id, of_leg, &mut free, Said::default(), None);
            let looked = looked.await;
            match run.unless_lost(lease.strand(), looked, &mut outcome)? {
                Some(Some(counts)) => outcome.count(Stage::Select, &counts),
                Some(None) => {}
                None => drop(left.insert(source)),
            }
        }
    }
    for source in changed.difference(&left) {
        if let Some(lease) = leases.of(run, *source, &mut outcome).await? {
            let noted = rules_look::note(env, lease, Some(env.rules.hash)).await;
            run.unless_lost(*source, noted, &mut outcome)?;
        }
    }
    leases.give_back().await?;
    Ok(outcome)
}

/// Whether a strand is that of a source that the run is for.
fn wanted(env: &Env, only: &Only, strand: StrandId) -> bool {
    let Some(place) = env.source_at(strand) else {
        return false;
    };
    let wanted = only.source.as_ref();
    wanted.is_none_or(|id| *id == env.sources[place].config.id)
}

/// Takes back what was routed and has not left, to partners to whom nothing new goes today: it waits for what they wait for.
pub(crate) async fn stand_back(run: &Run) -> anyhow::Result<StageOutcome> {
    let env = run.env();
    let mut outcome = StageOutcome::default();
    let mut leases = LeaseSet::new(LeaseStage::Pull);
    for (_, partner, at) in env.each_partner() {
        let barred = barred(partner, env.today());
        // What was routed before an older store was taken into use may have left.
        let before = if barred.is_some() { None } else { env.restored };
        let Some(reason) = barred.or(before.map(|_| Reason::Restored)) else {
            continue;
        };
        // What a person sends by an approval that came while this run is on is not taken back.
        let wanted = approval::entry(&env.config, partner, at.strand, approval::How::Approved);
        if reason == Reason::NotApproved
            && approval::came_since(&*env.store, env.strand, &wanted).await?
        {
            continue;
        }
        let waits = |leg: &Leg| unsent(leg) && before.is_none_or(|before| leg.since < before.0);
        let mut after = LegId::NONE;
        loop {
            let limit = i64::try_from(PAGE).unwrap_or(500);
            let legs = env.store.legs_pending(at.strand, after, limit).await?;
            let Some(last) = legs.last() else { break };
            after = last.id;
            let mut sources: BTreeMap<StrandId, Vec<Leg>> = BTreeMap::new();
            for leg in legs.into_iter().filter(waits) {
                sources.entry(leg.source).or_default().push(leg);
            }
            for (source, legs) in sources {
                let Some(lease) = leases.of(run, source, &mut outcome).await? else {
                    continue;
                };
                let taken_back = take_back(run, lease, legs, reason).await;
                if let Some(counts) = run.unless_lost(source, taken_back, &mut outcome)? {
                    outcome.count(Stage::Select, &counts);
                }
            }
        }
    }
    leases.give_back().await?;
    Ok(outcome)
}

/// Whether it was routed and has not left.
fn unsent(leg: &Leg) -> bool {
    leg.now.state == LegState::Routed && leg.now.pending == Some(Action::New)
}

async fn take_back(
    run: &Run,
    lease: &HeldLease,
    mut legs: Vec<Leg>,
    reason: Reason,
) -> anyhow::Result<Counts> {
    // As they stand now that nobody else moves them.
    legs = run
        .store
        .legs(legs.iter().map(|leg| leg.id).collect())
        .await?;
    legs.retain(unsent);
    let mut counts = Counts::default();
    let mut batch = lease.batch(run.now());
    for leg in legs {
        counts.add(Disposition::Held, Some(reason));
        let after = leg.now.held(reason);
        batch.hold(hold(&leg, after.partner, Stage::Select, reason));
        let (step, rule) = (LegStep::to(after), rule_digits(run));
        batch.move_leg(leg, Body::Decided { step, rule });
    }
    batch.book_source(run.id, Stage::Select, counts.clone());
    run.store.commit(batch).await?;
    Ok(counts)
}

/// Free places of partners that have a capacity, by the partner's place in the rules.
///
/// # Errors
/// The store failed.
pub(crate) async fn free_places(env: &Env) -> Result<HashMap<usize, i64>, StoreError> {
    let open: HashMap<StrandId, i64> = env.store.open_leg_counts().await?.into_iter().collect();
    let partners = env.each_partner().filter_map(|(place, partner, at)| {
        let most = i64::from(partner.select.open_legs_max?);
        Some((place, most - open.get(&at.strand).copied().unwrap_or(0)))
    });
    Ok(partners.collect())
}

/// What an owner said to a leg that waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said {
    /// Send it beside an open leg all the same.
    pub(crate) despite_open: bool,
    /// Place in the rules of the partner it shall go to.
    pub(crate) partner: Option<usize>,
    /// A person said so, who has looked at what it waits for.
    pub(crate) by_person: bool,
    /// Somebody said so, and it is not looked at again by itself.
    pub(crate) released: bool,
}

/// Decides one waiting leg again because its owner said so; `signed` is what they put their name to. It is written with what
/// comes of it, in one transaction, and not where somebody else has decided about the leg meanwhile.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn redecide(
    env: &Env,
    lease: &HeldLease,
    leg: Leg,
    said: Said,
    signed: Option<&Batch>,
) -> anyhow::Result<Verdict> {
    let mut free = free_places(env).await?;
    let said = Said {
        released: true,
        ..said
    };
    let id = leg.id;
    let open = env.store.holds_of_legs(vec![id]).await?;
    let of_leg = (leg, open);
    look_again(env, lease, RunId::NONE, of_leg, &mut free, said, signed).await?;
    let after = env.store.legs(vec![id]).await?.pop();
    Ok(match after.map(|leg| leg.now) {
        Some(now) if now.state == LegState::Routed => Verdict::Routed,
        Some(now) if now.state == LegState::Held => {
            Verdict::Held(now.why.unwrap_or(Reason::NoService))
        }
        Some(now) => now.why.map_or(Verdict::Routed, Verdict::Closed),
        None => Verdict::Gone,
    })
}

/// The counts of a leg, with its open holds, whose decision changed; `None` if nothing did. What somebody changes meanwhile is
/// looked at anew.
async fn look_again(
    env: &Env,
    lease: &HeldLease,
    run: RunId,
    (leg, mut open): (Leg, Vec<HeldRow>),
    free: &mut HashMap<usize, i64>,
    said: Said,
    signed: Option<&Batch>,
) -> anyhow::Result<Option<Counts>> {
    let id = leg.id;
    let mut waiting = Some(leg);
    for _ in 0..STALE_TRIES {
        let Some(leg) = waiting.filter(|leg| leg.now.state == LegState::Held) else {
            return Ok(None);
        };
        match look_once(env, lease, run, (leg, open), free, said, signed).await {
            Err(error) if is_stale(&error) => {}
            Ok(None) => {
                // It stays as it is, and who looked at it is kept.
                if let Some(signed) = signed {
                    env.store.commit(signed.clone()).await?;
                }
                return Ok(None);
            }
            looked => return looked,
        }
        *free = free_places(env).await?;
        waiting = env.store.legs(vec![id]).await?.pop();
        open = env.store.holds_of_legs(vec![id]).await?;
    }
    Err(StoreError::Stale.into())
}

async fn look_once(
    env: &Env,
    lease: &HeldLease,
    run: RunId,
    (leg, open): (Leg, Vec<HeldRow>),
    free: &mut HashMap<usize, i64>,
    said: Said,
    signed: Option<&Batch>,
) -> anyhow::Result<Option<Counts>> {
    let Some(referral) = sealed_inputs::referrals(env, &[leg.now.raws])
        .await?
        .pop()
        .flatten()
    else {
        return Ok(None);
    };
    let Some(mut outcome) = decide(env, &leg, &referral, said).await? else {
        return Ok(None);
    };
    if let ReferralOutcome::Routed(place) = outcome
        && let Some(free) = free.get_mut(&place)
    {
        if *free <= 0 {
            outcome = ReferralOutcome::Held(Stage::Select, Reason::Capacity, Some(place));
        } else {
            *free -= 1;
        }
    }
    let after = standing(env, outcome, leg.now.person, leg.now.raws);
    if after == leg.now {
        return Ok(None);
    }
    let mut counts = Counts::default();
    let mut batch = signed.cloned().unwrap_or_else(|| lease.batch(env.now()));
    if let ReferralOutcome::Routed(place) = outcome {
        guard(env, place, &mut batch);
        // Of an onward leg nobody asks what else is open: its link worker knows whom they send where.
        if !said.despite_open && leg.lookup.is_some() {
            guard_person(env, &leg, &referral, place, &mut batch).await?;
        }
    }
    batch.released.extend(
        open.iter()
            .filter(|hold| !hold.return_id.is_some())
            .map(|hold| hold.number),
    );
    if let ReferralOutcome::Held(stage, reason, _) = outcome {
        counts.add(Disposition::Held, Some(reason));
        batch.hold(hold(&leg, after.partner, stage, reason));
    } else {
        counts.add(Disposition::Accepted, after.why);
    }
    batch.book_source(run, Stage::Select, counts.clone());
    let (step, rule) = (LegStep::to(after), rule_digits(env));
    batch.move_leg(leg, Body::Decided { step, rule });
    env.store.commit(batch).await?;
    Ok(Some(counts))
}

/// The place that a leg takes is still free when it is written.
fn guard(env: &Env, place: usize, batch: &mut Batch) {
    if let Some(most) = env.rules.partners[place].select.open_legs_max {
        batch.guard(Guard::Places {
            partner: env.partners[place].strand,
            taken: 1,
            most: i64::from(most),
        });
    }
}

/// Nobody has opened a leg of the person with the partner meanwhile, at whichever source.
async fn guard_person(
    env: &Env,
    leg: &Leg,
    referral: &Referral,
    place: usize,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let mut persons = {
        let arena = Arena::default();
        let trees = referral.trees(&arena);
        trees.map_or_else(|_| Vec::new(), |trees| person_keys(env, trees.patient()))
    };
    let own = env.store.keys(vec![leg.now.person]).await?;
    persons.extend(own.iter().filter_map(|key| key.lookup));
    if !persons.is_empty() {
        batch.guard(Guard::NotOpen {
            persons,
            partner: env.partners[place].strand,
        });
    }
    Ok(())
}

/// Open legs of the leg's person, at whichever source.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn open_beside(env: &Env, leg: &Leg) -> anyhow::Result<Vec<Leg>> {
    let referral = sealed_inputs::referrals(env, &[leg.now.raws])
        .await?
        .pop()
        .flatten();
    let arena = Arena::default();
    match referral.as_ref().map(|referral| referral.trees(&arena)) {
        Some(Ok(trees)) => beside(env, leg, trees.patient()).await,
        _ => Ok(Vec::new()),
    }
}

async fn beside(env: &Env, leg: &Leg, patient: Option<&Json<'_>>) -> anyhow::Result<Vec<Leg>> {
    let persons = persons_alike(env, leg.now.person, patient).await?;
    let open = |now: Standing| now.state == LegState::Routed || now.state.after_sending();
    let mut others = env.store.legs_of_persons(persons).await?;
    others.retain(|other| other.id != leg.id && open(other.now));
    Ok(others)
}

fn hold(leg: &Leg, partner: StrandId, stage: Stage, reason: Reason) -> NewHold {
    let hold = NewHold::new(stage, reason).leg(leg.id);
    hold.source(leg.source).partner(partner)
}

/// A leg that a link worker opened keeps its partner, whatever the request itself asks for; what a change at the practice
/// made it wait for, only the next change or a person ends.
fn onward_again(
    env: &Env,
    source: usize,
    leg: &Leg,
    referral: &Referral,
    said: Said,
) -> Option<ReferralOutcome> {
    let target = env.partner_at(leg.now.partner)?;
    let by_itself = leg.now.why?.lifts() == Lifts::WithRules;
    let arena = Arena::default();
    let trees = referral.trees(&arena).ok()?;
    let config = &env.sources[source].config;
    let reference = leg.reference.to_string();
    let view = trees.view(
        env.setting(config, &env.rules, env.today()),
        map::facts(&reference, Action::New, "", 0),
    );
    let partner = &env.rules.partners[target];
    let rules = env.source_rules(config);
    let found = review(&view, &trees.consents(), &rules, partner, true);
    let may = (by_itself || said.released) && found.stop.is_none() && found.pause.is_none();
    may.then(|| onward::decide(env, source, target, leg.reference, referral))
}

async fn decide(
    env: &Env,
    leg: &Leg,
    referral: &Referral,
    said: Said,
) -> anyhow::Result<Option<ReferralOutcome>> {
    let Some(place) = env.source_at(leg.source) else {
        return Ok(None);
    };
    let source = &env.sources[place].config;
    if leg.lookup.is_none() {
        return Ok(onward_again(env, place, leg, referral, said));
    }
    let arena = Arena::default();
    let Ok(trees) = referral.trees(&arena) else {
        return Ok(None);
    };
    let open: Vec<usize> = beside(env, leg, trees.patient())
        .await?
        .iter()
        .filter_map(|other| env.partner_at(other.now.partner))
        .collect();
    let reference = leg.reference.to_string();
    let view = trees.view(
        env.setting(source, &env.rules, env.today()),
        map::facts(&reference, Action::New, "", 0),
    );
    let known = PriorLegs {
        open_with: if said.despite_open { &[] } else { &open },
        not_sent_before: said.by_person,
    };
    let outcome = judge(
        env,
        source,
        &view,
        &trees.consents(),
        known,
        &|_, _| {},
        &mut Trail::silent(),
    );
    let waits = |outcome| match outcome {
        Some(ReferralOutcome::Held(_, reason, _)) => Reason::assignable(reason),
        _ => false,
    };
    let Some(place) = said.partner.filter(|_| waits(outcome)) else {
        return Ok(outcome);
    };
    // The owner names the partner; its criteria, consent and share are checked as for a named performer.
    Ok(Some(
        match objection(
            &view,
            &trees.consents(),
            &env.source_rules(source),
            known,
            place,
            &mut Trail::silent(),
        ) {
            Some(reason) => ReferralOutcome::Held(Stage::Select, reason, Some(place)),
            None => ReferralOutcome::Routed(place),
        },
    ))
}
