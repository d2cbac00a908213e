//! A change before anything was sent: the leg is decided again, and nothing that was owed to the partner is left.

use super::{Ask, Case, Settled};
use crate::domain::reason::Lifts;
use crate::domain::{KeyId, LegState, Reason, Stage};
use crate::pipeline::decide::{ReferralOutcome, standing};
use crate::pipeline::select::{PriorLegs, Trail, objection, review};
use crate::store::rows::{RawIds, Standing};

/// How the leg stands now; `outcome` is what a first decision would say, `None` of what is no longer ours.
pub(crate) fn settle(case: &Case<'_>, outcome: Option<ReferralOutcome>, person: KeyId) -> Settled {
    // A recoded referral is none of ours any more.
    let outcome = outcome.unwrap_or(ReferralOutcome::Closed(
        LegState::Cancelled,
        Reason::CancelledByReferrer,
    ));
    let outcome = if case.onward() {
        match onward(case, outcome) {
            Some(outcome) => outcome,
            None => return Settled::to(case.leg.now),
        }
    } else {
        own(case, outcome)
    };
    let mut settled = Settled::to(standing(case.env, outcome, person, RawIds::default()));
    if let ReferralOutcome::Held(stage, reason, place) = outcome {
        settled.held = Some((stage, reason));
        // The partner that the leg was for stays on record while it waits.
        if place.is_none() && case.leg.lookup.is_none() {
            settled.after.partner = case.leg.now.partner;
        }
    }
    let left = |trees| case.safety(trees).moved;
    if left(case.trees) && !settled.after.state.terminal() {
        settled.asks.push(Ask {
            reason: Reason::MovedPractice,
            new: !case.old.is_some_and(left),
        });
    }
    settled
}

/// A leg that follows the request: decided again, but for what a change may not do by itself.
fn own(case: &Case<'_>, outcome: ReferralOutcome) -> ReferralOutcome {
    let now = case.leg.now;
    match outcome {
        ReferralOutcome::Closed(..) | ReferralOutcome::Held(_, Reason::Died, _) => outcome,
        _ if waits_for_death(now) => {
            ReferralOutcome::Held(Stage::Select, Reason::DeathRemoved, case.place())
        }
        ReferralOutcome::Held(_, Reason::Consent, _) if consented(now) => {
            ReferralOutcome::Closed(LegState::Cancelled, Reason::ConsentWithdrawn)
        }
        // Its owner said to send it beside what is open: that answer stands too.
        ReferralOutcome::Held(_, Reason::AlreadyOpen, Some(place))
            if now.state == LegState::Routed && case.place() == Some(place) =>
        {
            ReferralOutcome::Routed(place)
        }
        // Its owner named the partner: that answer stands, and the partner's criteria are looked at again.
        ReferralOutcome::Held(_, reason, _)
            if reason.assignable()
                && now.state == LegState::Routed
                && !crate::pipeline::change::after_sending::names_another(case) =>
        {
            assigned(case).unwrap_or(outcome)
        }
        _ => outcome,
    }
}

fn assigned(case: &Case<'_>) -> Option<ReferralOutcome> {
    let place = case.place()?;
    let rules = case.env.source_rules(&case.env.sources[case.source].config);
    let view = case.view(case.trees);
    let known = PriorLegs::default();
    Some(
        match objection(
            &view,
            &case.trees.consents(),
            &rules,
            known,
            place,
            &mut Trail::silent(),
        ) {
            Some(Reason::Consent) => {
                ReferralOutcome::Closed(LegState::Cancelled, Reason::ConsentWithdrawn)
            }
            Some(reason) => ReferralOutcome::Held(Stage::Select, reason, Some(place)),
            None => ReferralOutcome::Routed(place),
        },
    )
}

/// A leg that a link worker opened: it keeps its partner, and waits or ends with the referral; `None` if nothing changes.
fn onward(case: &Case<'_>, outcome: ReferralOutcome) -> Option<ReferralOutcome> {
    let (now, place) = (case.leg.now, case.place()?);
    let partner = case.partner()?;
    let rules = case.env.source_rules(&case.env.sources[case.source].config);
    let review = review(
        &case.partner_view(case.trees),
        &case.trees.consents(),
        &rules,
        partner,
        true,
    );
    let held = |reason| Some(ReferralOutcome::Held(Stage::Select, reason, Some(place)));
    match review.stop {
        Some((_, reason @ (Reason::Died | Reason::Restricted | Reason::DoNotContact))) => {
            return held(reason);
        }
        Some((state, reason)) => return Some(ReferralOutcome::Closed(state, reason)),
        None => {}
    }
    if let ReferralOutcome::Closed(..) = outcome {
        return Some(outcome);
    }
    if waits_for_death(now) {
        return held(Reason::DeathRemoved);
    }
    if let Some(reason) = review.pause {
        return held(reason);
    }
    let asked = |reason| review.asks.contains(&reason);
    if let Some(reason) = [
        Reason::IdentityChanged,
        Reason::NhsNumber,
        Reason::NoPatient,
    ]
    .into_iter()
    .find(|reason| asked(*reason))
    {
        return held(reason);
    }
    let lifted = now.why.is_some_and(|why| why.lifts() == Lifts::WithRecord);
    if now.state != LegState::Held || !lifted {
        return None;
    }
    if asked(Reason::CriteriaChanged) {
        return held(Reason::Criteria);
    }
    Some(ReferralOutcome::Routed(place))
}

/// Held because the person had died, or because the record says no longer so: no change resumes it, only a person.
fn waits_for_death(now: Standing) -> bool {
    now.state == LegState::Held && matches!(now.why, Some(Reason::Died | Reason::DeathRemoved))
}

/// Whether consent was found when it was decided: what is looked at after consent says so too.
fn consented(now: Standing) -> bool {
    now.state == LegState::Routed || now.why.is_some_and(Reason::after_consent)
}
