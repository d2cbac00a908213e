//! One referral through one version of a partner file: a row, a hold, or nothing.
//!
//! In: a referral, the rules with that version in it, and whether routing is asked too. Out: the cells as they would be
//! delivered, or why there are none. Keeps: nothing is stored; capacity and what else the person has open are not asked,
//! for they are of a moment and not of a version.

use super::dossier::{Setting, Trees};
use super::map::{self, facts};
use super::select::{Decision, Holds, Known, SourceRules, Trail, criteria, decide, preview};
use crate::domain::{Action, Reason};
use crate::partner::Partner;
use crate::seal::{Digest, sha256};

/// What a version makes of a referral.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// The cells of the row.
    Row(Vec<String>),
    /// Waits, and on what; the detail tells no value.
    Held(Reason, String),
    /// Not for this partner, or not to be sent at all.
    Out(Option<Reason>),
}

/// Which question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// As `kith map --select`: whether the partner's criteria hold.
    Criteria,
    /// As a run: whether routing, criteria and consent send it there.
    Routing,
}

/// Replays one referral.
pub(crate) fn replay(
    trees: &Trees<'_>,
    setting: Setting<'_>,
    partner: &Partner,
    reference: &str,
    source: &SourceRules<'_>,
    asked: Asked,
) -> Replayed {
    let view = trees.view(setting, facts(reference, Action::New, "", 0));
    let consent = trees.consent();
    let decision = match asked {
        Asked::Criteria => preview(&view, source),
        Asked::Routing => {
            let trail = &mut Trail::silent();
            Some(decide(&view, consent, source, Known::default(), trail))
        }
    };
    let mine = |place: usize| {
        let at = setting.rules.partners.get(place);
        at.is_some_and(|at| at.id == partner.id)
    };
    match decision {
        Some(Decision::NotOurs) => return Replayed::Out(Some(Reason::NotOurs)),
        Some(Decision::Held(reason, Some(place))) if mine(place) => {
            return Replayed::Held(reason, String::new());
        }
        Some(Decision::Closed(_, reason) | Decision::Held(reason, None)) => {
            return Replayed::Out(Some(reason));
        }
        Some(Decision::Held(..)) => return Replayed::Out(None),
        Some(Decision::Routed(place)) if !mine(place) => return Replayed::Out(None),
        Some(Decision::Routed(_)) => {}
        None => {
            let found = criteria(&view, consent, partner, true);
            let failed = found.iter().find(|one| one.holds != Holds::Yes);
            if let Some(failed) = failed {
                return Replayed::Held(failed.reason, format!("criterion {}", failed.name));
            }
        }
    }
    let tokens = |fields: &[&[u8]]| -> Digest { sha256(fields) };
    match map::row(partner, &view, &tokens) {
        Ok(cells) => Replayed::Row(
            cells
                .into_iter()
                .map(std::borrow::Cow::into_owned)
                .collect(),
        ),
        Err(problem) => Replayed::Held(problem.reason, problem.told()),
    }
}
