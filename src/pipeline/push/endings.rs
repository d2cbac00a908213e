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
use crate::store::rows::{PushKind, PushRow, PushState, Unanswered};

/// Turns answers into what is recorded.
pub(super) fn ending(unit: Unit, answers: Answers, stream: &mut Stream, results: &mut Results) {
    if let (Some(task), Some(outcome)) = (&unit.task, &answers.task) {
        let counted = counting(task.row.unanswered, outcome);
        let answer = match outcome {
            Outcome::Done { id, .. } => TellingEnded::Stands(id),
            Outcome::Refused(reason) => TellingEnded::Refused(*reason),
            Outcome::Lost | Outcome::TimedOut if counted.is_some() => TellingEnded::Lost,
            Outcome::Lost | Outcome::TimedOut => TellingEnded::Refused(Reason::Refused),
            Outcome::Nothing | Outcome::Later | Outcome::Barred => TellingEnded::Unsent,
        };
        let counted = counted.unwrap_or_default();
        let told = task_sync::ended(&unit, task, &answer, counted, stream);
        results.told.push(told);
    }
    let (key, person) = (unit.key, unit.leg.now.person);
    for (write, outcome) in unit.writes.into_iter().zip(answers.writes) {
        let mut row = write.row;
        let was = row.state;
        let counted = counting(row.unanswered, &outcome);
        row.unanswered = counted.unwrap_or_default();
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
            Outcome::Lost | Outcome::TimedOut if counted.is_some() => lost(),
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

/// Answers in a row that settled nothing, with this one; none after the last that is waited for.
fn counting(before: Unanswered, outcome: &Outcome) -> Option<Unanswered> {
    let now = match outcome {
        Outcome::Lost => Unanswered {
            lost: before.lost + 1,
            timed_out: 0,
        },
        Outcome::TimedOut => Unanswered {
            lost: before.lost + 1,
            timed_out: before.timed_out + 1,
        },
        // It was not looked at, which says nothing of what was sent before.
        Outcome::Later | Outcome::Barred => Unanswered {
            timed_out: 0,
            ..before
        },
        Outcome::Done { .. } | Outcome::Nothing | Outcome::Refused(_) => Unanswered::default(),
    };
    let on = now.lost < limits::LOST_ATTEMPTS_MAX && now.timed_out < limits::TIMED_OUT_ATTEMPTS_MAX;
    on.then_some(now)
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
    use super::super::send_order_tests::told;
    use super::super::send_tests::unit;
    use super::*;
    use crate::domain::Entropy;
    use crate::store::rows::MirrorRow;

    /// A write and a Task after these outcomes, each of a claim of its own.
    fn after(outcomes: impl IntoIterator<Item = Outcome>) -> (PushRow, MirrorRow) {
        let mut one = unit(&["a"], PushKind::Create, false);
        let (mut row, mut task) = (one.writes.remove(0).row, told(&one).row);
        (row.attempts, task.attempts) = (0, 0);
        for outcome in outcomes {
            let mut one = unit(&["a"], PushKind::Create, false);
            (one.writes[0].row, one.task) = (row, Some(told(&one)));
            (one.writes[0].row.state, one.writes[0].row.attempts) =
                (PushState::Sending, one.writes[0].row.attempts + 1);
            task.attempts += 1;
            one.task.as_mut().unwrap().row = task;
            let answers = Answers {
                writes: vec![outcome.clone()],
                task: Some(outcome),
            };
            let mut results = Results::default();
            let mut stream = Entropy::from_seed([1; 32]).stream(0);
            ending(one, answers, &mut stream, &mut results);
            (row, task) = (results.writes.remove(0).row, results.told.remove(0).row);
        }
        (row, task)
    }

    fn times(outcome: &Outcome, times: i64) -> Vec<Outcome> {
        vec![outcome.clone(); usize::try_from(times).unwrap()]
    }

    #[test]
    fn an_answer_that_is_always_lost_is_a_refusal_in_the_end() {
        let (open, over) = (PushState::AnswerLost, PushState::Refused);
        for (outcome, tries, state) in [
            (Outcome::Lost, limits::LOST_ATTEMPTS_MAX - 1, open),
            (Outcome::Lost, limits::LOST_ATTEMPTS_MAX, over),
            (Outcome::TimedOut, limits::TIMED_OUT_ATTEMPTS_MAX - 1, open),
            (Outcome::TimedOut, limits::TIMED_OUT_ATTEMPTS_MAX, over),
        ] {
            let (row, task) = after(times(&outcome, tries));
            assert_eq!((row.state, task.state), (state, state), "{outcome:?}");
            assert_eq!((row.attempts, task.attempts), (tries, tries));
        }
        // Now the one and now the other never ends either.
        let mut mixed = times(&Outcome::Lost, limits::LOST_ATTEMPTS_MAX);
        mixed[1..]
            .iter_mut()
            .step_by(2)
            .for_each(|one| *one = Outcome::TimedOut);
        assert_eq!(after(mixed.clone()).0.state, PushState::Refused);
        mixed.pop();
        assert_eq!(after(mixed).0.state, PushState::AnswerLost);
    }

    #[test]
    fn only_answers_in_a_row_count() {
        let stands = Outcome::Done {
            id: "7".to_owned(),
            new: true,
        };
        let many = limits::LOST_ATTEMPTS_MAX;
        let (lost, timed_out) = (Outcome::Lost, Outcome::TimedOut);
        let nearly = |outcome| times(outcome, limits::TIMED_OUT_ATTEMPTS_MAX - 1);
        for (before, then) in [
            // A Task that was told many times, and one that waited many nights.
            (times(&stands, many), timed_out.clone()),
            (times(&stands, many), lost.clone()),
            (times(&Outcome::Later, many), timed_out.clone()),
            (times(&Outcome::Later, many), lost.clone()),
            (times(&Outcome::Barred, many), timed_out.clone()),
            // Lost before, and only now with 408.
            (times(&lost, 5), timed_out.clone()),
            (
                [nearly(&timed_out), vec![stands.clone()]].concat(),
                timed_out.clone(),
            ),
            (
                [nearly(&timed_out), vec![Outcome::Later]].concat(),
                timed_out.clone(),
            ),
            (
                [times(&lost, many - 1), vec![stands.clone()]].concat(),
                lost.clone(),
            ),
        ] {
            let (row, task) = after([before, vec![then]].concat());
            let open = PushState::AnswerLost;
            assert_eq!((row.state, task.state), (open, open));
        }
        // What was not looked at settles nothing of what was lost before.
        let waited = [times(&lost, many - 1), vec![Outcome::Later], vec![lost]].concat();
        assert_eq!(after(waited).0.state, PushState::Refused);
    }
}
