//! What a change at the practice means for a leg (`safety.md` §3, §6): exactly one effect, or none.

use super::chunk::{Outcome, Person, Sealed, standing};
use crate::domain::{Action, LegState, Reason, Stage};
use crate::fhir::service_request;
use crate::partner::Partner;
use crate::pipeline::dossier::{Dossier, Trees};
use crate::pipeline::env::Env;
use crate::pipeline::map;
use crate::store::rows::{Leg, Standing};

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
    /// Further legs of the same referral.
    pub(crate) onward: Vec<Changed>,
}

/// Fills in what the change does.
pub(crate) fn settle(
    env: &Env,
    source: usize,
    changed: &mut Changed,
    trees: &Trees<'_>,
    before: Option<&Dossier>,
) {
    for onward in &mut changed.onward {
        settle(env, source, onward, trees, before);
    }
    let now = changed.leg.now;
    let raws = changed.sealed.ids;
    // A recoded referral is none of ours any more: stopped like one that was revoked.
    let outcome = changed.outcome.unwrap_or(Outcome::Closed(
        LegState::Cancelled,
        Reason::CancelledByReferrer,
    ));
    changed.after = match now.state {
        // An onward leg keeps the partner that the link worker named, whatever the referral itself asks for.
        LegState::Held | LegState::Routed if changed.leg.look.is_none() => {
            let after = match outcome {
                Outcome::Closed(state, reason) => Standing {
                    state,
                    why: Some(reason),
                    pending: 0,
                    ..now
                },
                Outcome::Held(
                    _,
                    reason @ (Reason::Died
                    | Reason::Restricted
                    | Reason::DoNotContact
                    | Reason::NotAnOrder
                    | Reason::PausedByGp),
                    _,
                ) => {
                    changed.held = Some(reason);
                    Standing {
                        state: LegState::Held,
                        why: Some(reason),
                        pending: 0,
                        ..now
                    }
                }
                _ => now,
            };
            Standing { raws, ..after }
        }
        LegState::Received | LegState::Held | LegState::Routed => {
            let after = standing(env, outcome, changed.person.id, raws);
            if let Outcome::Held(stage, reason, _) = outcome {
                (changed.stage, changed.held) = (stage, Some(reason));
            }
            after
        }
        state if state.after_sending() => {
            // "Completed" at the practice is no reason to stop a course that is running (`safety.md` §3).
            let completed = service_request::status(&trees.request) == Some("completed");
            let mut after = if completed {
                now
            } else {
                after_sending(now, outcome)
            };
            after.raws = raws;
            if !completed && after.pending == 0 && after.asked != Action::Stop.number() {
                after.pending = amendment(env, source, &changed.leg, trees, before);
            }
            after
        }
        _ => Standing { raws, ..now },
    };
}

/// The rows a change asks for once the partner has the person's details.
fn after_sending(now: Standing, outcome: Outcome) -> Standing {
    let stop = |closing: LegState, why: Reason| {
        if now.asked == Action::Stop.number() || now.pending == Action::Stop.number() {
            return now;
        }
        Standing {
            pending: Action::Stop.number(),
            closing: closing.number(),
            why: Some(why),
            ..now
        }
    };
    let pause = |why: Reason| {
        let stopped = [now.asked, now.pending].contains(&Action::Stop.number());
        if stopped || now.asked == Action::Pause.number() {
            return now;
        }
        Standing {
            pending: Action::Pause.number(),
            why: Some(why),
            ..now
        }
    };
    match outcome {
        Outcome::Closed(LegState::EnteredInError, _) => {
            stop(LegState::EnteredInError, Reason::CancelledByReferrer)
        }
        Outcome::Closed(_, reason) => {
            let why = if reason == Reason::ClosedAtSource {
                Reason::CancelledByReferrer
            } else {
                reason
            };
            stop(LegState::Cancelled, why)
        }
        Outcome::Held(
            _,
            reason @ (Reason::Died | Reason::Restricted | Reason::Consent | Reason::DoNotContact),
            _,
        ) => stop(LegState::Cancelled, reason),
        Outcome::Held(
            _,
            reason @ (Reason::NotAnOrder
            | Reason::PausedByGp
            | Reason::UnknownModifier
            | Reason::Child),
            _,
        ) => pause(reason),
        _ if now.asked == Action::Pause.number() || now.pending == Action::Pause.number() => {
            // Active again: the amendment lifts the pause.
            Standing {
                pending: Action::Amend.number(),
                why: None,
                ..now
            }
        }
        _ => now,
    }
}

/// Whether a value that the partner has was changed.
fn amendment(
    env: &Env,
    source: usize,
    leg: &Leg,
    trees: &Trees<'_>,
    before: Option<&Dossier>,
) -> i64 {
    let place = env.partner_at(leg.now.partner);
    let (Some(partner), Some(Ok(old))) = (
        place.and_then(|place| env.rules.partners.get(place)),
        before.map(Dossier::trees),
    ) else {
        return 0;
    };
    if changed_headers(env, source, partner, leg, &old, trees).is_empty() {
        0
    } else {
        Action::Amend.number()
    }
}

/// `Changed: …`: the headers of the partner's columns whose cells differ between two versions.
pub(crate) fn changed_headers(
    env: &Env,
    source: usize,
    partner: &Partner,
    leg: &Leg,
    old: &Trees<'_>,
    new: &Trees<'_>,
) -> String {
    let setting = env.setting(&env.sources[source].config, &env.rules, env.today());
    let reference = leg.reference.to_string();
    let facts = map::facts(&reference, Action::Amend, "", 0);
    let tokens = |fields: &[&[u8]]| env.keys.token(fields);
    let (old, new) = (old.view(setting, facts), new.view(setting, facts));
    let ours = |column: &crate::partner::Column| {
        column
            .field()
            .is_some_and(|field| env.rules.fields.field(field).name.starts_with("leg."))
    };
    match (
        map::row(partner, &old, &tokens),
        map::row(partner, &new, &tokens),
    ) {
        (Ok(before), Ok(after)) => map::changed(partner, &before, &after, ours),
        _ => String::new(),
    }
}
