//! A change after the partner was given the person's details: a row of the next drop, or a question to the practice.

use super::{Ask, Case, Settled};
use crate::domain::{Action, Reason, Stage};
use crate::fhir::resources::service_request::PriorityClass;
use crate::fhir::resources::{patient, service_request};
use crate::pipeline::map::changed_headers;
use crate::pipeline::referral::ReferralTrees;
use crate::pipeline::select::{NamedPerformer, Review, named_place, review};

/// How the leg stands now.
pub(crate) fn settle(case: &Case<'_>) -> Settled {
    let now = case.leg.now;
    let Some(found) = reviewed(case, case.trees) else {
        return Settled::to(now);
    };
    let before = case.old.and_then(|old| reviewed(case, old));
    let mut settled = Settled::to(now);
    settled.asks = asks(case, &found, before.as_ref());
    let stop = Some(Action::Stop);
    let stopped =
        now.asked == stop || now.pending == stop || case.past.action == Some(Action::Stop);
    if stopped {
        // The stop stands. What it is for may have become more urgent while it waited.
        if let (true, Some((_, reason))) = (now.pending == stop, found.stop)
            && reason.stops_at_once()
        {
            settled.after.why = Some(reason);
        }
        return settled;
    }
    let moved_on = names_another(case);
    let another = moved_on.then_some((
        crate::domain::LegState::Cancelled,
        Reason::CancelledByReferrer,
    ));
    if let Some((closing, why)) = found.stop.or(another) {
        settled.moved_on = moved_on && found.stop.is_none();
        settled.after = now.stopping(closing, why);
        return settled;
    }
    let paused = case.past.action == Some(Action::Pause);
    if let Some(why) = found.pause {
        // A PAUSE that stands is not said twice, and what else changes meanwhile waits for its end.
        settled.after.pending = (!paused).then_some(Action::Pause);
        settled.after.why = Some(why);
        return settled;
    }
    // What has run out, and what nobody finds any more, stops nothing and tells nothing new.
    let lapsed = [Reason::ConsentRanOut, Reason::ConsentMissing]
        .into_iter()
        .find(|reason| found.asks.contains(reason));
    settled.after.why = lapsed;
    if lapsed.is_some() {
        settled.after.pending = None;
        return settled;
    }
    settled.after.pending = match amendment(case) {
        Ok(differs) if differs || paused => Some(Action::Amend),
        Ok(_) => None,
        Err(reason) => {
            settled.held = Some((Stage::Map, reason));
            None
        }
    };
    settled
}

/// Whether the request names another partner than the one that this leg was sent to because it was named, or routed to
/// because nobody was.
pub(crate) fn names_another(case: &Case<'_>) -> bool {
    let rules = case.env.source_rules(&case.env.sources[case.source].config);
    let named = |trees| named_place(&case.view(trees), &rules);
    let (Some(own), Some(old)) = (case.place(), case.old) else {
        return false;
    };
    let was_its_own = match named(old) {
        NamedPerformer::Nobody => case.leg.lookup.is_some(),
        other => other == NamedPerformer::Partner(own),
    };
    let now = named(case.trees);
    was_its_own && now != NamedPerformer::Nobody && now != NamedPerformer::Partner(own)
}

fn reviewed<'c>(case: &Case<'c>, trees: &'c ReferralTrees<'c>) -> Option<Review> {
    let rules = case.env.source_rules(&case.env.sources[case.source].config);
    let view = case.partner_view(trees);
    Some(review(
        &view,
        &trees.consents(),
        &rules,
        case.partner()?,
        case.onward(),
    ))
}

/// Questions that hold now, each with whether it is new.
fn asks(case: &Case<'_>, found: &Review, before: Option<&Review>) -> Vec<Ask> {
    let mut asks: Vec<Ask> = found
        .asks
        .iter()
        .map(|reason| Ask {
            reason: *reason,
            new: match reason {
                // By the day alone: the records are the same.
                Reason::ConsentRanOut => case.leg.now.why != Some(Reason::ConsentRanOut),
                _ => !before.is_some_and(|before| before.asks.contains(reason)),
            },
        })
        .collect();
    let Some(old) = case.old else { return asks };
    let merged = |ask: &Ask| ask.reason == Reason::IdentityChanged;
    if !asks.iter().any(merged) && renumbered(case, case.trees) {
        asks.push(Ask {
            reason: Reason::IdentityChanged,
            new: !renumbered(case, old),
        });
    }
    let mut ask = |reason: Reason| {
        if !asks.iter().any(|ask| ask.reason == reason) {
            asks.push(Ask { reason, new: true });
        }
    };
    let dead = |trees| case.safety(trees).died;
    if dead(old) && !dead(case.trees) {
        ask(Reason::DeathRemoved);
    }
    let urgent = |trees: &ReferralTrees<'_>| {
        service_request::urgency(&trees.request) != PriorityClass::Routine
    };
    if urgent(case.trees) && !urgent(old) {
        ask(Reason::Urgent);
    }
    asks
}

/// Whether the record bears another NHS number than when it was sent last.
fn renumbered(case: &Case<'_>, trees: &ReferralTrees<'_>) -> bool {
    let number = |trees: &ReferralTrees<'_>| {
        let number = patient::nhs_number(trees.patient()?, case.env.today());
        number.map(std::borrow::Cow::into_owned)
    };
    matches!((case.sent.and_then(number), number(trees)), (Some(once), Some(now)) if once != now)
}

/// Whether a cell that the partner has would be another one today.
fn amendment(case: &Case<'_>) -> Result<bool, Reason> {
    let (Some(place), Some(sent)) = (case.place(), case.sent) else {
        return Ok(false);
    };
    let (env, source) = (case.env, &case.env.sources[case.source].config);
    let (rules, partner) = env.approved(place);
    let setting = env.setting(source, rules, env.today());
    let both = (sent, case.trees);
    let tokens = |fields: &[&[u8]]| env.keys.token(fields);
    changed_headers(setting, partner, case.reference, both, &tokens)
        .map(|headers| !headers.is_empty())
}
