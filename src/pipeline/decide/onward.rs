//! Onward legs: a link worker's return sends the same referral on to another partner (`safety.md` §4).
//!
//! Identity, text and values come from the referral alone; criteria and `[share]` are the target's; what the row adds is
//! where to, and that the person agreed. Two steps onward at most, and no partner twice in a chain.

use super::{ReferralOutcome, rule_digits, standing};
use crate::domain::entropy::Stream;
use crate::domain::{Action, LegId, LegReference, Reason, Stage, StrandId};
use crate::json::Arena;
use crate::partner::PartnerKind;
use crate::pipeline::map;
use crate::pipeline::referral::Referral;
use crate::pipeline::run::Env;
use crate::pipeline::select::{Holds, SourceRules, barred, consent_refused, criteria};
use crate::store::rows::Leg;
use crate::store::{Batch, NewHold, OpenedLeg};

/// Link-worker services in a chain: only they refer onward, so two of them are two steps.
const LINK_WORKERS_MAX: usize = 2;

/// Whether a leg may be sent on to a partner; `chain` is every leg of the same referral.
pub(crate) fn objection(env: &Env, chain: &[Leg], target: &str, agreed: bool) -> Option<Reason> {
    let strand = strand_of(env, target);
    if strand.is_none_or(|strand| chain.iter().any(|leg| leg.now.partner == strand))
        || link_workers(env, chain) > LINK_WORKERS_MAX
    {
        return Some(Reason::OnwardNotAllowed);
    }
    (!agreed).then_some(Reason::OnwardConsent)
}

fn link_workers(env: &Env, chain: &[Leg]) -> usize {
    let kind = |leg: &Leg| {
        env.partner_at(leg.now.partner)
            .map(|place| env.rules.partners[place].kind)
    };
    chain
        .iter()
        .filter(|leg| kind(leg) == Some(PartnerKind::LinkWorker))
        .count()
}

fn place_of(env: &Env, partner: &str) -> Option<usize> {
    env.rules
        .partners
        .iter()
        .position(|known| known.id == partner)
}

fn strand_of(env: &Env, partner: &str) -> Option<StrandId> {
    place_of(env, partner)
        .and_then(|place| env.partners.get(place))
        .map(|partner| partner.strand)
}

/// Opens the further leg; it is decided at once by the target's own criteria.
pub(crate) fn open(
    env: &Env,
    from: &Leg,
    referral: &Referral,
    target: &str,
    id: LegId,
    batch: &mut Batch,
    stream: &mut Stream,
) {
    let (Some(place), Some(source)) = (place_of(env, target), env.source_at(from.source)) else {
        return;
    };
    let reference = LegReference::from_random(stream.bits());
    let outcome = decide(env, source, place, reference, referral);
    let after = standing(env, outcome, from.now.person, from.now.raws);
    batch.open_leg(OpenedLeg {
        id,
        reference,
        lookup: None,
        source: from.source,
        after,
        rule: rule_digits(env),
        vouched: Vec::new(),
    });
    if let ReferralOutcome::Held(stage, reason, _) = outcome {
        let hold = NewHold::new(stage, reason).leg(id);
        batch.hold(hold.source(from.source).partner(after.partner));
    }
}

/// The target's criteria but consent, which the row itself gives.
pub(crate) fn decide(
    env: &Env,
    source: usize,
    place: usize,
    reference: LegReference,
    referral: &Referral,
) -> ReferralOutcome {
    let held = |stage: Stage, reason: Reason| ReferralOutcome::Held(stage, reason, Some(place));
    let arena = Arena::default();
    let Ok(trees) = referral.trees(&arena) else {
        return held(Stage::Select, Reason::Unreadable);
    };
    let config = &env.sources[source].config;
    let partner = &env.rules.partners[place];
    let reference = reference.to_string();
    let view = trees.view(
        env.setting(config, &env.rules, env.today()),
        map::facts(&reference, Action::New, "", 0),
    );
    if !partner.select.enabled {
        return held(Stage::Select, Reason::PartnerDisabled);
    }
    // The activity asked for was the link worker's; the row names another one by naming the partner.
    let asked = |name: &str| name != "consent" && name != "activities" && name != "needs";
    let rules = SourceRules {
        by_need: false,
        ..env.source_rules(config)
    };
    if consent_refused(&view, &trees.consents(), partner) {
        return held(Stage::Select, Reason::Consent);
    }
    let failed = criteria(&view, &[], partner, &rules)
        .into_iter()
        .find(|criterion| asked(criterion.name) && criterion.holds != Holds::Yes);
    if let Some(failed) = failed {
        return held(Stage::Select, failed.reason);
    }
    let shadow = config.shadow.then_some(Reason::Shadow);
    if let Some(reason) = barred(partner, env.today()).or(shadow) {
        return held(Stage::Select, reason);
    }
    match map::row(partner, &view, &|fields| env.keys.token(fields)) {
        Ok(_) => ReferralOutcome::Routed(place),
        Err(problem) => held(Stage::Map, problem.reason),
    }
}
