//! Holds what happened against what had to happen: the demo is a test that a newcomer can watch.
//!
//! What was played goes in; every difference comes out, in words. Invariant: nothing here is read off a run; the expected
//! numbers follow from how people and returns were made.

use std::collections::BTreeMap;

use super::Played;
use super::people::{Person, ScriptedOutcome};
use super::returns::Returned;
use super::services::To;
use crate::domain::Owner;
use crate::sheet::RowsByAction;

/// Findings of a proof that are told; the others are in `kith prove`.
const FINDINGS_TOLD: usize = 5;

/// What differs from the script; empty if it ended as scripted.
pub(super) fn differences(played: &Played) -> Vec<String> {
    let mut found = Differences::default();
    first_night(played, &mut found);
    second_night(played, &mut found);
    third_night(played, &mut found);
    for (night, which) in [
        (&played.first, "first"),
        (&played.second, "second"),
        (&played.third, "third"),
    ] {
        if !night.balances() {
            found
                .0
                .push(format!("{which} run: a book does not balance"));
        }
    }
    if !played.balanced {
        let problems = played.findings.len();
        found
            .0
            .push(format!("prove found {problems} problems, these among them"));
        found
            .0
            .extend(played.findings.iter().take(FINDINGS_TOLD).cloned());
    }
    if played.reports.is_empty() {
        found.0.push("no report was written".to_owned());
    }
    found.0
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn same(&mut self, what: &str, expected: u64, found: u64) {
        if expected != found {
            self.0
                .push(format!("{what}: expected {expected}, found {found}"));
        }
    }
}

/// How many people have an outcome of this kind.
pub(super) fn count(people: &[Person], of: impl Fn(ScriptedOutcome) -> bool) -> u64 {
    people
        .iter()
        .filter(|person| of(person.outcome()))
        .count()
        .try_into()
        .unwrap_or(u64::MAX)
}

fn first_night(played: &Played, found: &mut Differences) {
    let people = &played.people;
    let served = count(people, |outcome| outcome != ScriptedOutcome::NotServed);
    let closed = count(people, |outcome| {
        matches!(outcome, ScriptedOutcome::Closed(_))
    });
    let held = count(people, |outcome| {
        matches!(outcome, ScriptedOutcome::Held(_))
    });
    let held_by_map = count(people, |outcome| {
        matches!(outcome, ScriptedOutcome::HeldByMap(_))
    });
    let sent = count(people, |outcome| {
        matches!(outcome, ScriptedOutcome::Sent(_))
    });
    let (pull, select, map) = (
        played.first.room("pull"),
        played.first.room("select"),
        played.first.room("map"),
    );
    found.same("pull accepted", served, pull.accepted);
    found.same("select received", served, select.received);
    found.same(
        "select accepted",
        sent + held_by_map + closed,
        select.accepted,
    );
    found.same("select held", held, select.held);
    found.same("map held", held_by_map, map.held);
    found.same("map accepted", sent, map.accepted);
    found.same(
        "deliver accepted",
        sent,
        played.first.room("deliver").accepted,
    );
    for (reason, expected) in reasons(people) {
        found.same(reason, expected, select.reason(reason) + map.reason(reason));
    }
    for to in To::ALL {
        let expected = count(people, |outcome| outcome == ScriptedOutcome::Sent(to));
        rows(
            found,
            to,
            played.sent_first.get(&to),
            RowsByAction {
                new: expected,
                ..RowsByAction::default()
            },
        );
    }
}

/// How many people each reason must stop.
fn reasons(people: &[Person]) -> BTreeMap<&'static str, u64> {
    let mut reasons = BTreeMap::new();
    for person in people {
        if let ScriptedOutcome::Closed(reason)
        | ScriptedOutcome::Held(reason)
        | ScriptedOutcome::HeldByMap(reason) = person.outcome()
        {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    reasons
}

fn rows(found: &mut Differences, to: To, sent: Option<&RowsByAction>, expected: RowsByAction) {
    let sent = sent.copied().unwrap_or_default();
    let table = [
        ("NEW", expected.new, sent.new),
        ("AMEND", expected.amend, sent.amend),
        ("STOP", expected.stop, sent.stop),
        ("PAUSE", expected.pause, sent.pause),
    ];
    for (action, expected, sent) in table {
        found.same(&format!("{action} rows for {}", to.name()), expected, sent);
    }
}

/// Rows sent once the practices have made their three changes: all three concern Riverside.
fn after_changes(people: &[Person], to: To) -> RowsByAction {
    let new = count(people, |outcome| outcome == ScriptedOutcome::Sent(to));
    match to {
        To::Riverside => RowsByAction {
            new: new + 1,
            amend: 1,
            stop: 1,
            pause: 0,
        },
        _ => RowsByAction {
            new,
            ..RowsByAction::default()
        },
    }
}

fn second_night(played: &Played, found: &mut Differences) {
    for to in To::ALL {
        rows(
            found,
            to,
            played.sent_second.get(&to),
            after_changes(&played.people, to),
        );
    }
    let (collect, matching) = (played.second.room("collect"), played.second.room("match"));
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for (reason, rows) in played
        .returned
        .iter()
        .flat_map(|returned| &returned.reasons)
    {
        *reasons.entry(reason).or_default() += rows;
    }
    for (reason, expected) in &reasons {
        found.same(
            reason,
            *expected,
            collect.reason(reason) + matching.reason(reason),
        );
    }
    let rows: u64 = played.returned.iter().map(|returned| returned.rows).sum();
    let faulty: u64 = reasons.values().sum();
    found.same("rows of returns taken in", rows - faulty, matching.accepted);
    let expected: u64 = played
        .returned
        .iter()
        .map(|returned| returned.observations)
        .sum();
    found.same(
        "entries in the GP record",
        expected,
        played.entries_second.all,
    );
    found.same(
        "different entries in the GP record",
        expected,
        played.entries_second.different,
    );
}

/// People whom the returns of the second night send on to a partner: their rows leave on the third night.
fn sent_on(returned: &[Returned], to: To) -> u64 {
    returned.iter().filter_map(|one| one.onward.get(&to)).sum()
}

fn third_night(played: &Played, found: &mut Differences) {
    for to in To::ALL {
        let mut expected = after_changes(&played.people, to);
        expected.new += sent_on(&played.returned, to);
        rows(found, to, played.sent_third.get(&to), expected);
    }
    let unasked = |one: &Returned| one.reasons.get("onward-consent").copied();
    found.same(
        "waiting for an agreement to be sent on",
        played.returned.iter().filter_map(unasked).sum(),
        played.third.waiting_for("onward-consent", Owner::Ig),
    );
    found.same(
        "entries after the same returns came again",
        played.entries_second.all,
        played.entries_third.all,
    );
    found.same(
        "different entries after that",
        played.entries_second.different,
        played.entries_third.different,
    );
    let matching = played.third.room("match");
    found.same(
        "rows refused when the same came again",
        0,
        matching.rejected,
    );
    found.same("rows waiting when the same came again", 0, matching.held);
    found.same("new rows when the same came again", 1, matching.accepted);
    found.same("stops not confirmed", 0, played.third.waiting("stop-open"));
    // The practice has taken one of the two off hold.
    let on_hold = reasons(&played.people)
        .get("paused-by-gp")
        .copied()
        .unwrap_or_default();
    found.same(
        "still on hold at the practice",
        on_hold - 1,
        played.third.waiting("paused-by-gp"),
    );
}

#[cfg(test)]
mod tests {
    use super::super::people::people;
    use super::*;

    #[test]
    fn every_person_is_counted_in_one_fate() {
        let people = people();
        let sent: u64 = To::ALL
            .into_iter()
            .map(|to| count(&people, |outcome| outcome == ScriptedOutcome::Sent(to)))
            .sum();
        let stopped: u64 = reasons(&people).values().sum();
        let unseen = count(&people, |outcome| outcome == ScriptedOutcome::NotServed);
        assert_eq!((sent, stopped, unseen), (35, 23, 2));
        assert_eq!(reasons(&people)["paused-by-gp"], 2);
    }

    #[test]
    fn a_difference_says_what_was_expected() {
        let mut found = Differences::default();
        found.same("pull accepted", 58, 58);
        found.same("map held", 1, 0);
        assert_eq!(found.0, ["map held: expected 1, found 0"]);
    }
}
