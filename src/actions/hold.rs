//! What waits for a person, and what its owner may decide: release, assign, join, reject.
//!
//! In: the number of a hold, and an [`Actor`]. Out: what became of it. Keeps: only the owner of a question settles it, or
//! somebody who says that they act for them; who, what and why are in the ledger before anything follows from it.

use std::sync::Arc;

use super::explain::Explainer;
use super::{Actor, again, held_row};
use crate::domain::{HoldNumber, LegId, LegReference, LegState, Reason, Stage};
pub(crate) use crate::pipeline::decide::decide_again::Verdict;
use crate::pipeline::decide::decide_again::{Said, open_beside, redecide};
use crate::pipeline::run::HeldLease;
pub(crate) use crate::pipeline::run::{Env, LedgerAccess};
use crate::store::body::SignedAct;
use crate::store::rows::{HeldRow, Leg};
use crate::store::{Batch, Body, Entry, LeaseStage, LegStep};

/// What became of a hold.
#[derive(Clone, Debug)]
pub(crate) enum Settled {
    /// Its question is answered; nothing is decided again.
    Done,
    /// Its referral was decided again.
    Decided(LegReference, Verdict),
    /// Its referral is attached to this one, and nothing is sent.
    Joined(LegReference, LegReference),
    /// The row of a return that it is about was judged again and taken in.
    TakenIn,
    /// It was judged again, and waits for this.
    StillWaits(Reason),
}

/// A hold with what it is about.
pub(crate) struct Hold {
    pub(crate) row: HeldRow,
    pub(crate) leg: Option<Leg>,
    /// The partner's id.
    pub(crate) partner: Option<String>,
    /// References of the same person that are open with the same partner; they say nothing of who referred.
    pub(crate) open_beside: Vec<LegReference>,
    /// What the check saw for which it waits: a column, an element and a rule, never a value.
    pub(crate) detail: Option<String>,
}

/// One hold.
///
/// # Errors
/// There is none of this number, the store failed, or a sealed value does not open.
pub(crate) async fn show(env: &Env, number: HoldNumber) -> anyhow::Result<Hold> {
    let row = one(env, number).await?;
    let leg = env.store.legs(vec![row.leg]).await?.pop();
    let partner = env
        .partner_at(row.partner)
        .map(|place| env.rules.partners[place].id.clone());
    let open_beside = match &leg {
        Some(leg) if row.open && row.reason == Reason::AlreadyOpen => beside(env, leg).await?,
        _ => Vec::new(),
    };
    let open_beside = open_beside.iter().map(|other| other.reference).collect();
    let detail = match &leg {
        Some(leg) if row.open && !row.return_id.is_some() => {
            let story = Explainer::new(env).leg(leg, true).await?;
            story
                .decided
                .and_then(|decided| decided.saw_for(row.reason))
        }
        _ => None,
    };
    Ok(Hold {
        row,
        leg,
        partner,
        open_beside,
        detail,
    })
}

async fn one(ledger: &LedgerAccess, number: HoldNumber) -> anyhow::Result<HeldRow> {
    let found = ledger.store.hold(number).await?;
    found.ok_or_else(|| anyhow::anyhow!("there is no hold {number}: kith held list"))
}

/// The hold, if it is open and this actor may settle it.
async fn mine(ledger: &LedgerAccess, number: HoldNumber, actor: &Actor) -> anyhow::Result<HeldRow> {
    let hold = one(ledger, number).await?;
    if !hold.open {
        anyhow::bail!("hold {number} was settled meanwhile; nothing was changed");
    }
    let owner = hold.reason.owner_at(hold.stage);
    if owner != actor.owner {
        anyhow::bail!(
            "hold {number} ({}) is for {} to settle: use --as {} if you act for them",
            hold.reason.code(),
            owner.code(),
            owner.code()
        );
    }
    Ok(hold)
}

/// The lease under which a hold is settled: of the strand to which that is written. Waited for.
async fn lease_of(ledger: &LedgerAccess, number: HoldNumber) -> anyhow::Result<HeldLease> {
    let hold = one(ledger, number).await?;
    let strand = if hold.source.is_some() {
        hold.source
    } else {
        ledger.strand
    };
    ledger.short_lease(LeaseStage::Act, strand).await
}

/// Writes who decided what into the ledger, and why under seal.
async fn sign(
    ledger: &LedgerAccess,
    hold: &HeldRow,
    actor: &Actor,
    lease: &HeldLease,
    act: SignedAct,
) -> anyhow::Result<Batch> {
    let note = ledger.seal_note(&actor.because).await?;
    let mut batch = lease.batch(ledger.now());
    let signed = Body::Signed {
        act,
        by: actor.name.clone(),
        owner: actor.owner,
        note: note.0,
    };
    batch.notes.push(note);
    batch.push(Entry::new(hold.number, signed));
    Ok(batch)
}

/// Decides again with today's data; `despite_open`: send it beside what is open.
///
/// # Errors
/// The hold cannot be released by this actor, the store failed, or a sealed value does not open.
pub(crate) async fn release(
    env: &Arc<Env>,
    number: HoldNumber,
    actor: &Actor,
    despite_open: bool,
) -> anyhow::Result<Settled> {
    let said = Said {
        despite_open,
        by_person: true,
        ..Said::default()
    };
    decide_again(env, number, actor, said).await
}

/// Sends a referral that nobody or several fit to a partner.
///
/// # Errors
/// As [`release`], or there is no such partner.
pub(crate) async fn assign(
    env: &Arc<Env>,
    number: HoldNumber,
    actor: &Actor,
    partner: &str,
) -> anyhow::Result<Settled> {
    let partners = &env.rules.partners;
    let ids = partners.iter().map(|partner| partner.id.as_str());
    super::known("partner", partner, ids)?;
    let said = Said {
        partner: partners.iter().position(|known| known.id == partner),
        by_person: true,
        ..Said::default()
    };
    decide_again(env, number, actor, said).await
}

async fn decide_again(
    env: &Arc<Env>,
    number: HoldNumber,
    actor: &Actor,
    said: Said,
) -> anyhow::Result<Settled> {
    let lease = lease_of(env, number).await?;
    let settled = decide_under(env, &lease, number, actor, said).await;
    lease.after(settled).await
}

async fn decide_under(
    env: &Arc<Env>,
    lease: &HeldLease,
    number: HoldNumber,
    actor: &Actor,
    said: Said,
) -> anyhow::Result<Settled> {
    let hold = mine(env, number, actor).await?;
    if hold.return_id.is_some() {
        let signed = sign(env, &hold, actor, lease, SignedAct::Release).await?;
        return held_row::release(env, &hold, signed).await;
    }
    let leg = env.store.legs(vec![hold.leg]).await?.pop();
    // A question that came up after sending: its owner has looked, and nothing is decided again.
    let asked = [Stage::Pull, Stage::Select, Stage::Map];
    let settles = |leg: &Leg| leg.now.state != LegState::Held && asked.contains(&hold.stage);
    if leg.as_ref().is_some_and(settles) && said.partner.is_none() {
        let mut batch = sign(env, &hold, actor, lease, SignedAct::Release).await?;
        batch.released.push(number);
        env.store.commit(batch).await?;
        return Ok(Settled::Done);
    }
    let Some(leg) = leg.filter(|leg| leg.now.state == LegState::Held) else {
        anyhow::bail!("hold {number} cannot be released: its referral no longer waits")
    };
    let act = if said.partner.is_some() {
        SignedAct::Assign
    } else {
        SignedAct::Release
    };
    let signed = sign(env, &hold, actor, lease, act).await?;
    let reference = leg.reference;
    let verdict = redecide(env, lease, leg, said, Some(&signed)).await?;
    Ok(Settled::Decided(reference, verdict))
}

/// Legs that are open with the partner that this one waits for.
async fn beside(env: &Env, leg: &Leg) -> anyhow::Result<Vec<Leg>> {
    let mut open = open_beside(env, leg).await?;
    open.retain(|other| other.now.partner == leg.now.partner);
    Ok(open)
}

/// Attaches a referral that is already open with its partner to the one that is, and sends nothing.
///
/// # Errors
/// As [`release`], or that reference is not open with this partner for the same person.
pub(crate) async fn join(
    env: &Env,
    number: HoldNumber,
    actor: &Actor,
    reference: &str,
) -> anyhow::Result<Settled> {
    let lease = lease_of(env, number).await?;
    let joined = again(async || join_once(env, &lease, number, actor, reference).await).await;
    lease.after(joined).await
}

async fn join_once(
    env: &Env,
    lease: &HeldLease,
    number: HoldNumber,
    actor: &Actor,
    reference: &str,
) -> anyhow::Result<Settled> {
    let hold = mine(env, number, actor).await?;
    let leg = env.store.legs(vec![hold.leg]).await?.pop();
    let waits = |leg: &Leg| leg.now.state == LegState::Held && hold.reason == Reason::AlreadyOpen;
    let Some(leg) = leg.filter(waits) else {
        anyhow::bail!("hold {number} is not about a referral that is already open: nothing to join")
    };
    let wanted = super::history::leg_of(env, reference).await?;
    let open = beside(env, &leg).await?;
    let Some(other) = open.iter().find(|other| other.id == wanted.id) else {
        anyhow::bail!(
            "{} is not open with this partner for the same person",
            wanted.reference
        )
    };
    let joined = leg.reference;
    let batch = sign(env, &hold, actor, lease, SignedAct::Join).await?;
    end(
        env,
        batch,
        number,
        Some((leg, Reason::Joined, Some(other.id))),
    )
    .await?;
    Ok(Settled::Joined(joined, other.reference))
}

/// Ends a hold and, if it waits, its referral.
///
/// # Errors
/// As [`release`].
pub(crate) async fn reject(
    ledger: &LedgerAccess,
    number: HoldNumber,
    actor: &Actor,
) -> anyhow::Result<Settled> {
    let lease = lease_of(ledger, number).await?;
    let rejected = again(async || reject_once(ledger, &lease, number, actor).await).await;
    lease.after(rejected).await
}

async fn reject_once(
    ledger: &LedgerAccess,
    lease: &HeldLease,
    number: HoldNumber,
    actor: &Actor,
) -> anyhow::Result<Settled> {
    let hold = mine(ledger, number, actor).await?;
    let batch = sign(ledger, &hold, actor, lease, SignedAct::Reject).await?;
    let leg = ledger
        .store
        .legs(vec![hold.leg])
        .await?
        .pop()
        .filter(|leg| leg.now.state == LegState::Held && !hold.return_id.is_some());
    let ended = leg.map(|leg| (leg, Reason::RejectedByOwner, None));
    end(ledger, batch, number, ended).await?;
    Ok(Settled::Done)
}

/// Records that a hold has ended, and with it a leg: why, and to which one it was joined.
async fn end(
    ledger: &LedgerAccess,
    mut batch: Batch,
    number: HoldNumber,
    leg: Option<(Leg, Reason, Option<LegId>)>,
) -> anyhow::Result<()> {
    batch.released.push(number);
    if let Some((leg, why, joined)) = leg {
        let step = LegStep::to(leg.now.ended(LegState::Cancelled, why));
        batch.move_leg(leg, Body::Settled { step, joined });
    }
    ledger.store.commit(batch).await?;
    Ok(())
}
