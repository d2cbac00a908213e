//! How each write ended, from what the server answered: confirmed, open, or refused.
//!
//! In: a unit and its answers. Out: rows to be recorded. Kept: what may have arrived is looked up before it is sent again, and
//! what never comes to an end is a refusal at last, so that somebody looks.

use super::record_writes::{Ended, Results};
use super::send::{Answers, Outcome};
use super::task_sync::{self, TellingEnded};
use super::{Unit, server_id_spot};
use crate::domain::entropy::Stream;
use crate::domain::{Disposition, Reason, limits};
use crate::store::rows::{PushKind, PushRow, PushState};

/// Turns answers into what is recorded.
pub(super) fn ending(unit: Unit, answers: Answers, stream: &mut Stream, results: &mut Results) {
    if let (Some(task), Some(outcome)) = (&unit.task, &answers.task) {
        let answer = match outcome {
            Outcome::Done { id, .. } => TellingEnded::Stands(id),
            Outcome::Refused(reason) => TellingEnded::Refused(*reason),
            Outcome::Lost if task.row.attempts < limits::LOST_ATTEMPTS_MAX => TellingEnded::Lost,
            Outcome::TimedOut if task.row.attempts < limits::TIMED_OUT_ATTEMPTS_MAX => {
                TellingEnded::Lost
            }
            Outcome::Lost | Outcome::TimedOut => TellingEnded::Refused(Reason::Refused),
            Outcome::Nothing | Outcome::Later | Outcome::Barred => TellingEnded::Unsent,
        };
        results
            .told
            .push(task_sync::ended(&unit, task, &answer, stream));
    }
    let (key, person) = (unit.key, unit.leg.now.person);
    for (write, outcome) in unit.writes.into_iter().zip(answers.writes) {
        let mut row = write.row;
        let was = row.state;
        let (state, disposition, reason) = match outcome {
            Outcome::Done { id, new } => {
                let spot = server_id_spot(row.event, person);
                row.server_id = Some(key.seal(spot, stream.bytes(), id.as_bytes()));
                if new {
                    (PushState::Confirmed, Disposition::Accepted, None)
                } else {
                    let known = Some(Reason::AlreadyKnown);
                    (PushState::Confirmed, Disposition::Repeated, known)
                }
            }
            Outcome::Nothing => {
                let withdrawn = Some(Reason::Withdrawn);
                (PushState::Off, Disposition::Repeated, withdrawn)
            }
            Outcome::Lost if row.attempts < limits::LOST_ATTEMPTS_MAX => lost(),
            Outcome::TimedOut if row.attempts < limits::TIMED_OUT_ATTEMPTS_MAX => lost(),
            Outcome::Later | Outcome::Barred => {
                let unreachable = Some(Reason::Unreachable);
                (
                    unsent_state(&row, unit.look_first),
                    Disposition::Held,
                    unreachable,
                )
            }
            Outcome::Lost | Outcome::TimedOut => refused(Reason::Refused),
            Outcome::Refused(reason) => refused(reason),
        };
        (row.state, row.reason) = (state, reason);
        results.writes.push(Ended {
            row,
            was,
            disposition,
            reason,
        });
    }
}

/// Whether something may become of it yet.
pub(super) fn is_open(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Lost | Outcome::TimedOut | Outcome::Later)
}

fn lost() -> (PushState, Disposition, Option<Reason>) {
    let lost = Some(Reason::AnswerLost);
    (PushState::AnswerLost, Disposition::Held, lost)
}

/// What was never sent is queued; what may have arrived before stays to be looked up.
pub(super) fn unsent_state(row: &PushRow, look_first: bool) -> PushState {
    if look_first && row.kind == PushKind::Create {
        PushState::AnswerLost
    } else {
        PushState::Queued
    }
}

fn refused(reason: Reason) -> (PushState, Disposition, Option<Reason>) {
    (PushState::Refused, Disposition::Rejected, Some(reason))
}

#[cfg(test)]
mod tests {
    use super::super::send_tests::unit;
    use super::*;
    use crate::domain::Entropy;

    #[test]
    fn an_answer_that_is_always_lost_is_a_refusal_in_the_end() {
        let state_after = |attempts, outcome| {
            let mut unit = unit(&["a"], PushKind::Create, false);
            unit.writes[0].row.attempts = attempts;
            let answers = Answers {
                writes: vec![outcome],
                task: None,
            };
            let mut results = Results::default();
            let mut stream = Entropy::from_seed([1; 32]).stream(0);
            ending(unit, answers, &mut stream, &mut results);
            results.writes[0].row.state
        };
        let (before, last) = (limits::LOST_ATTEMPTS_MAX - 1, limits::LOST_ATTEMPTS_MAX);
        assert_eq!(state_after(before, Outcome::Lost), PushState::AnswerLost);
        assert_eq!(state_after(last, Outcome::Lost), PushState::Refused);
        let (before, last) = (
            limits::TIMED_OUT_ATTEMPTS_MAX - 1,
            limits::TIMED_OUT_ATTEMPTS_MAX,
        );
        assert_eq!(
            state_after(before, Outcome::TimedOut),
            PushState::AnswerLost
        );
        assert_eq!(state_after(last, Outcome::TimedOut), PushState::Refused);
    }
}
