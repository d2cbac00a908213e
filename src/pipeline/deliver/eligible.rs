//! Which waiting rows leave now, and in which file: the partner's drop, or a notice of changes.

use crate::domain::{Action, Reason};
use crate::partner::{Partner, Rules};
use crate::pipeline::run::Run;
use crate::pipeline::select::barred;
use crate::store::rows::Leg;

/// Which of the waiting rows are delivered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    All,
    UrgentStops,
}

/// Whether a waiting row may leave: a stop or pause always; what is new only about people whose records were read again,
/// to partners to whom it may go today; a change by a version that was approved.
pub(super) fn may_go(run: &Run, which: Which, leg: &Leg) -> bool {
    let action = leg.now.pending;
    match which {
        Which::UrgentStops => {
            let at_once = leg.now.why.is_some_and(Reason::stops_at_once);
            action == Some(Action::Stop) && at_once
        }
        Which::All => {
            let at = run.partner_at(leg.now.partner);
            let may = match action {
                Some(Action::New) => at
                    .is_some_and(|place| barred(&run.rules.partners[place], run.today()).is_none()),
                Some(Action::Amend) => {
                    at.is_none_or(|place| run.partners[place].approval.changes_may_go())
                }
                _ => return true,
            };
            may && !run.readings.waits(leg.now.person) && !run.readings.has_skipped(leg.source)
        }
    }
}

/// Whether what a prepared row says of a person rests on a record that was read again in this run: a stop or pause needs none.
pub(super) fn was_read(run: &Run, leg: &Leg) -> bool {
    let readings = &run.readings;
    match leg.now.pending {
        Some(Action::New | Action::Amend) => {
            readings.has_watched()
                && !readings.waits(leg.now.person)
                && !readings.has_skipped(leg.source)
        }
        _ => true,
    }
}

/// Whether the partner's file says what a row asks for.
pub(super) fn tells_action(rules: &Rules, partner: &Partner) -> bool {
    let action = rules.vocabulary.fields.id("leg.action");
    action.is_some_and(|field| partner.deliver.position_of(field).is_some())
}
