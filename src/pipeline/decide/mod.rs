//! What becomes of a referral: the decision of select and map together, and how the leg stands after it.
//!
//! In: a referral, the rules and the day. Out: a [`ReferralOutcome`], and the leg's next standing. Keeps: a first decision,
//! a decision taken again and a link worker's onward referral go by the same checks.

pub(crate) mod decide_again;
pub(crate) mod onward;
pub(crate) mod rules_look;

use crate::domain::{KeyId, LegState, Reason, Stage, StrandId};
use crate::json::Json;
use crate::partner::{Partner, ReferralView};
use crate::pipeline::map;
use crate::pipeline::run::Env;
use crate::pipeline::select::{Decision, PriorLegs, Trail, decide};
use crate::store::body::RuleDigits;
use crate::store::rows::{RawIds, Standing};

/// What select and map said together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReferralOutcome {
    Closed(LegState, Reason),
    /// Held by select, or by map once a partner was found; the partner's place in the rules.
    Held(Stage, Reason, Option<usize>),
    Routed(usize),
}

/// Select's decision, and map's if it was routed, whose row `mapped` is shown; `None` of what is not ours.
pub(crate) fn judge(
    env: &Env,
    source: &crate::config::Source,
    view: &ReferralView<'_>,
    consents: &[&Json<'_>],
    known: PriorLegs<'_>,
    mapped: &dyn Fn(&Partner, &map::Cells<'_>),
    trail: &mut Trail,
) -> Option<ReferralOutcome> {
    match decide(view, consents, &env.source_rules(source), known, trail) {
        Decision::NotOurs => None,
        Decision::Closed(state, reason) => Some(ReferralOutcome::Closed(state, reason)),
        Decision::Held(reason, place) => Some(ReferralOutcome::Held(Stage::Select, reason, place)),
        Decision::Routed(place) => {
            let partner = env.rules.partners.get(place)?;
            Some(
                match map::row(partner, view, &|fields| env.keys.token(fields)) {
                    Ok(cells) => {
                        trail.check("row", None, || format!("{} cells", cells.len()));
                        mapped(partner, &cells);
                        ReferralOutcome::Routed(place)
                    }
                    Err(problem) => {
                        trail.check("row", Some(problem.reason), || problem.told());
                        ReferralOutcome::Held(Stage::Map, problem.reason, Some(place))
                    }
                },
            )
        }
    }
}

/// What a leg is after a decision, before anything was sent.
pub(crate) fn standing(
    env: &Env,
    outcome: ReferralOutcome,
    person: KeyId,
    raws: RawIds,
) -> Standing {
    let strand = |place: Option<usize>| {
        place
            .and_then(|place| env.partners.get(place))
            .map_or(StrandId::NONE, |partner| partner.strand)
    };
    let received = Standing::received(person, raws);
    match outcome {
        ReferralOutcome::Closed(state, reason) => received.ended(state, reason),
        ReferralOutcome::Held(_, reason, place) => Standing {
            partner: strand(place),
            ..received.held(reason)
        },
        ReferralOutcome::Routed(place) => received.routed(strand(Some(place))),
    }
}

/// The rules by which a leg is decided, as its row has them.
pub(crate) fn rule_digits(env: &Env) -> RuleDigits {
    std::array::from_fn(|place| env.rules.hash[place])
}
