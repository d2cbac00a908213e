//! What a change at the practice means for a leg (`safety.md` §3, §6): exactly one effect, or none.
//!
//! In: a leg as it stands, the records as they are now, as they were recorded last and as they were sent last. Out: how
//! the leg will stand, whom somebody must ask, and the further leg of a referral that names another partner. Keeps: a stop
//! outruns everything; while a PAUSE stands every other change waits; nothing that a person settled is settled again.

mod sent;
mod unsent;

use std::collections::HashMap;

use super::chunk::{Outcome, Person, Sealed};
use crate::domain::{Action, LegReference, LegState, Reason, Stage};
use crate::json::Arena;
use crate::partner::{Partner, Rules, View};
use crate::pipeline::dossier::{Dossier, Trees};
use crate::pipeline::env::Env;
use crate::pipeline::select::{Named, named_place};
use crate::pipeline::{kept, map};
use crate::store::rows::{Leg, RawIds, Standing};

/// A new version of a referral, or of a record that it names.
pub(crate) struct Changed {
    /// As it stood.
    pub(crate) leg: Leg,
    pub(crate) person: Person,
    pub(crate) sealed: Sealed,
    /// What a first decision would say today; `None` of what is no longer ours.
    pub(crate) outcome: Option<Outcome>,
    /// As it will stand; raw ids are filled in by the writer.
    pub(crate) after: Standing,
    /// The room that decided.
    pub(crate) stage: Stage,
    /// Why it waits for a person, if it newly does.
    pub(crate) held: Option<Reason>,
    /// What is asked beside: the leg goes on meanwhile.
    pub(crate) asks: Vec<Ask>,
    /// The leg of another partner that the request now names.
    pub(crate) successor: Option<Successor>,
    /// Further legs of the same referral.
    pub(crate) onward: Vec<Changed>,
}

/// A question that a change raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) reason: Reason,
    /// Not so before: an older question stays as its owner left it.
    pub(crate) new: bool,
}

/// A leg that begins because the request names another partner.
pub(crate) struct Successor {
    pub(crate) id: i64,
    pub(crate) reference: LegReference,
    pub(crate) outcome: Outcome,
}

/// What a leg was before the change.
#[derive(Default)]
pub(crate) struct Past {
    /// As it was recorded last.
    recorded: Option<Dossier>,
    /// The last row that was sent.
    action: Option<Action>,
    /// What that row was made of.
    sent: Option<Dossier>,
}

/// Reads back what these legs were.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn pasts(env: &Env, legs: &[Leg]) -> anyhow::Result<HashMap<i64, Past>> {
    let ids = legs.iter().map(|leg| leg.id).collect();
    let rows = env.store.drop_rows_of_legs(ids).await?;
    // Oldest first: the last one stays.
    let last: HashMap<i64, _> = rows.into_iter().map(|row| (row.leg, row)).collect();
    let sent: Vec<RawIds> = legs
        .iter()
        .map(|leg| {
            last.get(&leg.id)
                .map_or_else(RawIds::default, |row| row.raws)
        })
        .collect();
    let recorded: Vec<RawIds> = legs.iter().map(|leg| leg.now.raws).collect();
    let (recorded, sent) = (
        kept::dossiers(env, &recorded).await?,
        kept::dossiers(env, &sent).await?,
    );
    let pasts = legs.iter().zip(recorded.into_iter().zip(sent));
    Ok(pasts
        .map(|(leg, (recorded, sent))| {
            let action = last
                .get(&leg.id)
                .and_then(|row| Action::from_number(row.action));
            let past = Past {
                recorded,
                action,
                sent,
            };
            (leg.id, past)
        })
        .collect())
}

/// How a leg comes out of a change.
struct Settled {
    after: Standing,
    /// Held, or asked, by which room.
    held: Option<(Stage, Reason)>,
    asks: Vec<Ask>,
    /// Another partner is named: a further leg begins.
    moved_on: bool,
}

impl Settled {
    fn to(after: Standing) -> Self {
        Self {
            after,
            held: None,
            asks: Vec::new(),
            moved_on: false,
        }
    }
}

/// One leg, and what its change is judged by.
struct Case<'c> {
    env: &'c Env,
    source: usize,
    leg: &'c Leg,
    trees: &'c Trees<'c>,
    past: &'c Past,
    /// The records as they were recorded last.
    old: Option<&'c Trees<'c>>,
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

    fn view(&self, trees: &'c Trees<'c>) -> View<'c> {
        let env = self.env;
        let setting = env.setting(&env.sources[self.source].config, &env.rules, env.today());
        trees.view(setting, map::facts(self.reference, Action::New, "", 0))
    }

    /// The same for what is asked of the partner's own file.
    fn partner_view(&self, trees: &'c Trees<'c>) -> View<'c> {
        let env = self.env;
        let rules = self
            .place()
            .map_or(&env.rules, |place| env.approved(place).0);
        let setting = env.setting(&env.sources[self.source].config, rules, env.today());
        trees.view(setting, map::facts(self.reference, Action::New, "", 0))
    }

    /// Whether a link worker opened the leg: then it keeps its partner, whatever the request itself asks for.
    fn onward(&self) -> bool {
        let Some(place) = self.place().filter(|_| self.leg.look.is_none()) else {
            return false;
        };
        let rules = self.env.source_rules(&self.env.sources[self.source].config);
        let own = |trees| named_place(&self.view(trees), &rules) == Named::Partner(place);
        !(self.old.is_some_and(own) || own(self.trees))
    }
}

/// Fills in what the change does; `spare` gives the id and reference of a further leg.
pub(crate) fn settle(
    env: &Env,
    source: usize,
    changed: &mut Changed,
    trees: &Trees<'_>,
    pasts: &HashMap<i64, Past>,
    spare: &mut dyn FnMut() -> (i64, LegReference),
) {
    for onward in &mut changed.onward {
        settle(env, source, onward, trees, pasts, spare);
    }
    let nothing = Past::default();
    let past = pasts.get(&changed.leg.id).unwrap_or(&nothing);
    let arena = Arena::default();
    let old = past
        .recorded
        .as_ref()
        .and_then(|dossier| dossier.trees(&arena).ok());
    let reference = changed.leg.reference.to_string();
    let case = Case {
        env,
        source,
        leg: &changed.leg,
        trees,
        past,
        old: old.as_ref(),
        reference: &reference,
    };
    let raws = changed.sealed.ids;
    let mut settled = match changed.leg.now.state {
        LegState::Received | LegState::Held | LegState::Routed => {
            unsent::settle(&case, changed.outcome, changed.person.id)
        }
        state if state.after_sending() => sent::settle(&case),
        // A partner that could not help, and the practice names another one.
        state => Settled {
            moved_on: matches!(
                state,
                LegState::Rejected | LegState::ClosedUnsuccessful | LegState::Failed
            ) && sent::names_another(&case),
            ..Settled::to(changed.leg.now)
        },
    };
    settled.after.raws = raws;
    if let (true, Some(outcome @ (Outcome::Routed(_) | Outcome::Held(..)))) =
        (settled.moved_on, changed.outcome)
    {
        let (id, reference) = spare();
        changed.successor = Some(Successor {
            id,
            reference,
            outcome,
        });
    }
    changed.after = settled.after;
    changed.asks = settled.asks;
    if let Some((stage, reason)) = settled.held {
        (changed.stage, changed.held) = (stage, Some(reason));
    }
}

/// `Changed: …`: the headers of the partner's columns whose cells differ between two versions of the records.
pub(crate) fn changed_headers(
    env: &Env,
    source: usize,
    partner: (&Rules, &Partner),
    leg: &Leg,
    old: &Trees<'_>,
    new: &Trees<'_>,
) -> String {
    headers(env, source, partner, leg, old, new).unwrap_or_default()
}

/// The same; `Err` with the reason why the new row cannot be written.
fn headers(
    env: &Env,
    source: usize,
    (rules, partner): (&Rules, &Partner),
    leg: &Leg,
    old: &Trees<'_>,
    new: &Trees<'_>,
) -> Result<String, Reason> {
    let setting = env.setting(&env.sources[source].config, rules, env.today());
    let reference = leg.reference.to_string();
    let facts = map::facts(&reference, Action::Amend, "", 0);
    let tokens = |fields: &[&[u8]]| env.keys.token(fields);
    let (old, new) = (old.view(setting, facts), new.view(setting, facts));
    let ours = |column: &crate::partner::Column| {
        column
            .field()
            .is_some_and(|field| rules.fields.field(field).name.starts_with("leg."))
    };
    let after = map::row(partner, &new, &tokens).map_err(|problem| problem.reason)?;
    // What was sent once and could not be written today differs in any case, but nobody could say where.
    Ok(match map::row(partner, &old, &tokens) {
        Ok(before) => map::changed(partner, &before, &after, ours),
        Err(_) => String::new(),
    })
}
