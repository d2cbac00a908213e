//! What a change at the practice means for a leg (`safety.md` §3, §6): exactly one effect, or none.
//!
//! In: a leg as it stands, the records as they are now, as they were recorded last and as they were sent last. Out: how
//! the leg will stand, whom somebody must ask, and the further leg of a referral that names another partner. Keeps: a stop
//! outruns everything; while a PAUSE stands every other change waits; nothing that a person settled is settled again.

mod after_sending;
mod before_sending;
use std::collections::HashMap;

use crate::domain::{Action, KeyId, LegId, LegState, Reason, Stage};
use crate::fhir::resources::service_request;
use crate::json::Arena;
use crate::partner::{Partner, ReferralView};
use crate::pipeline::decide::ReferralOutcome;
use crate::pipeline::referral::{Referral, ReferralTrees};
use crate::pipeline::run::{Env, LedgerAccess};
use crate::pipeline::select::{NamedPerformer, Safety, named_place};
use crate::pipeline::{map, sealed_inputs};
use crate::store::rows::{DropState, Leg, RawIds, Standing};

/// A question that a change raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) reason: Reason,
    /// Not so before: an older question stays as its owner left it.
    pub(crate) new: bool,
}

/// What a leg was before the change.
#[derive(Default)]
pub(crate) struct Past {
    /// As it was recorded last.
    recorded: Option<Referral>,
    /// The last row that was sent.
    action: Option<Action>,
    /// What that row was made of.
    sent: Option<Referral>,
    /// Whether that is what was recorded last.
    sent_as_recorded: bool,
}

/// Whether a request names the same as when it was recorded last.
#[derive(Clone, Copy, Default)]
pub(crate) struct AsBefore {
    pub(crate) subject: bool,
    pub(crate) consents: bool,
}

impl AsBefore {
    /// The same request.
    pub(crate) const WHOLE: Self = Self {
        subject: true,
        consents: true,
    };
}

impl Past {
    /// Whether the request names whom and what it named when it was recorded last; nothing where that cannot be read.
    pub(crate) fn names_the_same(&self, trees: &ReferralTrees<'_>) -> AsBefore {
        let arena = Arena::default();
        let Some(old) = parsed(self.recorded.as_ref(), &arena) else {
            return AsBefore::default();
        };
        let (old, new) = (&old.request, &trees.request);
        let subject = |request| {
            let address = service_request::subject(request, None);
            (address, service_request::subject_identifier(request))
        };
        AsBefore {
            subject: subject(old) == subject(new),
            consents: service_request::consents(old, None) == service_request::consents(new, None),
        }
    }
}

/// Reads back what these legs were.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn pasts(
    ledger: &LedgerAccess,
    legs: &[Leg],
) -> anyhow::Result<HashMap<LegId, Past>> {
    let ids = legs.iter().map(|leg| leg.id).collect();
    let rows = ledger.drop_rows_where(ids, DropState::has_left).await?;
    // Oldest first: the last one stays.
    let last: HashMap<LegId, _> = rows.into_iter().map(|row| (row.leg, row)).collect();
    let sent: Vec<RawIds> = legs
        .iter()
        .map(|leg| {
            last.get(&leg.id)
                .map_or_else(RawIds::default, |row| row.raws)
        })
        .collect();
    let recorded = legs.iter().map(|leg| leg.now.raws);
    let both: Vec<RawIds> = recorded.chain(sent.iter().copied()).collect();
    let mut recorded = sealed_inputs::referrals(ledger, &both).await?;
    let made_of = recorded.split_off(legs.len());
    let pasts = legs.iter().zip(sent).zip(recorded.into_iter().zip(made_of));
    Ok(pasts
        .map(|((leg, raws), (recorded, sent))| {
            let past = Past {
                recorded,
                action: last.get(&leg.id).map(|row| row.action),
                sent,
                sent_as_recorded: raws == leg.now.raws,
            };
            (leg.id, past)
        })
        .collect())
}

/// How a leg comes out of a change.
pub(crate) struct Settled {
    /// As it will stand; the raw ids are those of before.
    pub(crate) after: Standing,
    /// Why it waits for a person if it newly does, and the stage that decided.
    pub(crate) held: Option<(Stage, Reason)>,
    /// What is asked beside: the leg goes on meanwhile.
    pub(crate) asks: Vec<Ask>,
    /// Another partner is named: a further leg begins.
    moved_on: bool,
    /// What becomes of that further leg.
    pub(crate) successor: Option<ReferralOutcome>,
}

impl Settled {
    fn to(after: Standing) -> Self {
        Self {
            after,
            held: None,
            asks: Vec::new(),
            moved_on: false,
            successor: None,
        }
    }
}

/// One leg, and what its change is judged by.
struct Case<'c> {
    env: &'c Env,
    source: usize,
    leg: &'c Leg,
    trees: &'c ReferralTrees<'c>,
    past: &'c Past,
    /// The records as they were recorded last.
    old: Option<&'c ReferralTrees<'c>>,
    /// The records as they were sent last.
    sent: Option<&'c ReferralTrees<'c>>,
    reference: &'c str,
}

impl<'c> Case<'c> {
    /// The version of the partner's file by which its legs go on.
    fn partner(&self) -> Option<&'c Partner> {
        self.place().map(|place| self.env.approved(place).1)
    }

    fn place(&self) -> Option<usize> {
        self.env.partner_at(self.leg.now.partner)
    }

    fn view(&self, trees: &'c ReferralTrees<'c>) -> ReferralView<'c> {
        let env = self.env;
        let setting = env.setting(&env.sources[self.source].config, &env.rules, env.today());
        trees.view(setting, map::facts(self.reference, Action::New, "", 0))
    }

    /// The same for what is asked of the partner's own file.
    fn partner_view(&self, trees: &'c ReferralTrees<'c>) -> ReferralView<'c> {
        let env = self.env;
        let rules = self
            .place()
            .map_or(&env.rules, |place| env.approved(place).0);
        let setting = env.setting(&env.sources[self.source].config, rules, env.today());
        trees.view(setting, map::facts(self.reference, Action::New, "", 0))
    }

    /// What these records say of the person's safety.
    fn safety(&self, trees: &ReferralTrees<'_>) -> Safety {
        let labels = &self.env.sources[self.source].config.restricted_labels;
        Safety::of(trees.patient(), &trees.request, labels)
    }

    /// Whether a link worker opened the leg: then it keeps its partner, whatever the request itself asks for.
    fn onward(&self) -> bool {
        let Some(place) = self.place().filter(|_| self.leg.lookup.is_none()) else {
            return false;
        };
        let rules = self.env.source_rules(&self.env.sources[self.source].config);
        let own = |trees| named_place(&self.view(trees), &rules) == NamedPerformer::Partner(place);
        !(self.old.is_some_and(own) || own(self.trees))
    }
}

/// A leg whose referral came in another version.
pub(crate) struct ChangedLeg<'c> {
    /// As it stood.
    pub(crate) leg: &'c Leg,
    /// What a first decision would say today; `None` of what is no longer ours.
    pub(crate) outcome: Option<ReferralOutcome>,
    /// The person's key.
    pub(crate) person: KeyId,
}

fn parsed<'a>(referral: Option<&'a Referral>, arena: &'a Arena) -> Option<ReferralTrees<'a>> {
    referral?.trees(arena).ok()
}

/// What the change does to one leg.
pub(crate) fn settle(
    env: &Env,
    source: usize,
    changed: &ChangedLeg<'_>,
    trees: &ReferralTrees<'_>,
    pasts: &HashMap<LegId, Past>,
) -> Settled {
    let nothing = Past::default();
    let leg = changed.leg;
    let past = pasts.get(&leg.id).unwrap_or(&nothing);
    let arena = Arena::default();
    let old = parsed(past.recorded.as_ref(), &arena);
    let apart = past.sent.as_ref().filter(|_| !past.sent_as_recorded);
    let apart = parsed(apart, &arena);
    let sent = if past.sent_as_recorded {
        old.as_ref()
    } else {
        apart.as_ref()
    };
    let reference = leg.reference.to_string();
    let case = Case {
        env,
        source,
        leg,
        trees,
        past,
        old: old.as_ref(),
        sent,
        reference: &reference,
    };
    let mut settled = match leg.now.state {
        LegState::Received | LegState::Held | LegState::Routed => {
            before_sending::settle(&case, changed.outcome, changed.person)
        }
        state if state.after_sending() => after_sending::settle(&case),
        // A partner that could not help, and the practice names another one.
        state => Settled {
            moved_on: matches!(
                state,
                LegState::Rejected | LegState::ClosedUnsuccessful | LegState::Failed
            ) && after_sending::names_another(&case),
            ..Settled::to(leg.now)
        },
    };
    if settled.moved_on {
        settled.successor = changed.outcome.filter(|outcome| {
            matches!(
                outcome,
                ReferralOutcome::Routed(_) | ReferralOutcome::Held(..)
            )
        });
    }
    settled
}
