//! Rows that could be written when they were decided, and cannot be on the day of their drop.
//!
//! In: legs, and why the row of each cannot be written. Out: rows of a batch: each waits with its reason, as *map* would have held it.
//! Keeps: the rest of the drop leaves, and every row is counted.

use std::collections::HashMap;

use crate::domain::{Action, Counts, Disposition, DropId, LegId, LegState, Reason, RunId, Stage};
use crate::pipeline::run::Env;
use crate::store::body::RuleDigits;
use crate::store::rows::{Leg, Standing};
use crate::store::{Batch, Body, LegStep, NewHold};

/// Holds the rows that cannot be written, in the batch of their drop (none: nothing of it is left); gives what is counted.
pub(super) fn hold_back(
    env: &Env,
    batch: &mut Batch,
    (run, drop_id): (RunId, DropId),
    legs: &[Leg],
    unwritable: &HashMap<LegId, Reason>,
) -> Counts {
    let mut counts = Counts::default();
    if unwritable.is_empty() {
        return counts;
    }
    let rule: RuleDigits = std::array::from_fn(|place| env.rules.hash[place]);
    for leg in legs {
        let Some(reason) = unwritable.get(&leg.id).copied() else {
            continue;
        };
        counts.add(Disposition::Held, Some(reason));
        let after = waits(leg.now, reason);
        let hold = NewHold::new(Stage::Map, reason).leg(leg.id);
        batch.hold(hold.source(leg.source).partner(leg.now.partner));
        let step = LegStep::to(after);
        batch.move_leg(leg.clone(), Body::Decided { step, rule });
    }
    batch.book_file(run, Stage::Deliver, drop_id, counts.clone());
    counts
}

/// What was to be sent waits; whoever was sent before stays with the partner as they are there.
fn waits(now: Standing, reason: Reason) -> Standing {
    if now.state == LegState::Routed && now.pending == Some(Action::New) {
        now.held(reason)
    } else {
        Standing {
            pending: None,
            ..now
        }
    }
}
