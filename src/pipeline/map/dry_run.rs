//! One referral through one version of a partner file, without any state: a row, or why there is none.
//!
//! In: a referral, the rules with that version in them, and what is asked. Out: the cells as they would be delivered, or why
//! there are none. Keeps: nothing is stored; capacity and what else the person has open are not asked, for they are of a
//! moment and not of a version.

use super::{Cells, facts, row};
use crate::domain::{Action, LegReference, Reason};
use crate::fhir::resources::resource;
use crate::partner::{Partner, Rules};
use crate::pipeline::referral::{ReferralParts, Setting};
use crate::pipeline::select::{
    Decision, Holds, PriorLegs, SourceRules, Trail, Unnamed, criteria, decide, preview,
};
use crate::seal::{Digest, sha256};

/// What a version makes of a referral.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DryRun<T> {
    /// The row.
    Row(T),
    /// Waits at this partner, and on what; the detail tells no value.
    Held(Reason, String),
    /// Waits before a partner is asked.
    Undecided(Reason),
    /// Not to be sent at all.
    Ended(Reason),
    /// For another partner.
    Elsewhere,
}

/// Which question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// As `kith map`: whether it is a referral to act on now, about a person who is found.
    Columns,
    /// As `kith map --select`: whether the partner's criteria hold too.
    Criteria,
    /// As a run: whether routing, criteria and consent send it there.
    Routing,
}

/// Maps one referral and hands its cells over.
pub(crate) fn dry_run<T>(
    referral: ReferralParts<'_>,
    setting: Setting<'_>,
    partner: &Partner,
    reference: &str,
    (source, asked): (&SourceRules<'_>, Asked),
    write: impl FnOnce(&Cells<'_>) -> T,
) -> DryRun<T> {
    let view = referral.view(setting, facts(reference, Action::New, "", 0));
    let consents = || referral.consents();
    let decision = match asked {
        Asked::Columns | Asked::Criteria => preview(&view, source),
        Asked::Routing => {
            let trail = &mut Trail::silent();
            Some(decide(
                &view,
                &consents(),
                source,
                PriorLegs::default(),
                trail,
            ))
        }
    };
    let mine = |place: usize| {
        let at = setting.rules.partners.get(place);
        at.is_some_and(|at| at.id == partner.id)
    };
    match decision {
        Some(Decision::NotOurs) => return DryRun::Ended(Reason::NotOurs),
        Some(Decision::Closed(_, reason)) => return DryRun::Ended(reason),
        Some(Decision::Held(reason, None)) => return DryRun::Undecided(reason),
        Some(Decision::Held(reason, Some(place))) if mine(place) => {
            return DryRun::Held(reason, String::new());
        }
        Some(Decision::Held(..)) => return DryRun::Elsewhere,
        Some(Decision::Routed(place)) if !mine(place) => return DryRun::Elsewhere,
        None if asked == Asked::Criteria => {
            let by_need = SourceRules {
                by_need: true,
                ..*source
            };
            let found = criteria(&view, &consents(), partner, &by_need);
            let failed = found.iter().find(|one| one.holds != Holds::Yes);
            if let Some(failed) = failed {
                return DryRun::Held(failed.reason, format!("criterion {}", failed.name));
            }
        }
        Some(Decision::Routed(_)) | None => {}
    }
    let tokens = |fields: &[&[u8]]| -> Digest { sha256(fields) };
    match row(partner, &view, &tokens) {
        Ok(cells) => DryRun::Row(write(&cells)),
        Err(problem) => DryRun::Held(problem.reason, problem.told()),
    }
}

/// What a dry run asks of a source: nothing.
pub(crate) fn dry_rules<'a>(rules: &'a Rules, orders: &'a [String]) -> SourceRules<'a> {
    SourceRules {
        partners: &rules.partners,
        triggers: &rules.social_prescribing,
        own_codes: None,
        intents: orders,
        restricted_labels: &[],
        unnamed: Unnamed::Hold,
        by_need: false,
        hold_test_people: false,
        shadow: false,
        restored: None,
        partner_system: "",
    }
}

/// A reference derived from the referral's id: the same every time, and good for a dry run only.
pub(crate) fn dry_reference(referral: ReferralParts<'_>) -> String {
    let id = resource::id(referral.request).unwrap_or_default();
    let digest = sha256(&[b"preview", id.as_bytes()]);
    let mut bits = [0; 8];
    bits.copy_from_slice(&digest[..8]);
    LegReference::from_random(u64::from_be_bytes(bits)).to_string()
}
