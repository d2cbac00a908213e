//! What is said of runs: one that failed, one that does not end, and rooms that none enters any more.

use super::facts::{Facts, RunSeen};
use super::judge::when;
use super::{Matter, MatterKind};
use crate::domain::clock::london;
use crate::domain::{Instant, Stage};
use crate::partner::schedule::DueTimes;
use crate::store::body::RunResult;

/// Steps of a schedule after which what did not happen is said (`product.md` §3).
const STEPS: usize = 2;

/// Whether a schedule has come due so often since an instant.
pub(super) fn overdue(due: &DueTimes, since: Instant, now: Instant) -> bool {
    let mut at = since.zoned(london());
    for _ in 0..STEPS {
        match due.next_after(&at) {
            Some(next) => at = next,
            None => return false,
        }
    }
    at.timestamp().as_microsecond() <= now.0
}

/// Whether a run is older than two steps of a key of the schedule by which one of its rooms comes due.
fn is_long(facts: &Facts, run: &RunSeen) -> bool {
    let mut keys = facts.schedule.iter();
    keys.any(|(_, stages, due)| {
        let of_run = stages.iter().any(|stage| run.stages.contains(stage));
        of_run && overdue(due, run.at, facts.now)
    })
}

/// A run that is under way and has not come to its end for so long; and which process it is.
pub(super) fn run_long(facts: &Facts) -> Option<Matter> {
    let (run, holder) = facts.under_way.iter().find_map(|holder| {
        let mut runs = facts.runs.iter();
        let run = runs.find(|run| run.number == holder.number && run.ended.is_none())?;
        is_long(facts, run).then_some((run, holder))
    })?;
    let (pid, host) = (holder.pid, &holder.host);
    let when = when(run.at, facts.now);
    let what = format!("the run of {when} has not come to its end (pid {pid} on {host})");
    let matter = Matter::new(MatterKind::RunLong, what, format!("ps -fp {pid}"));
    Some(matter.now().since(Some(run.at)))
}

/// Whether a run is under way that may still come to what is not done yet: one that is long excuses nothing.
pub(super) fn is_excused(facts: &Facts) -> bool {
    !facts.under_way.is_empty() && run_long(facts).is_none()
}

/// The newest run that is over or should be: it failed, or it has no end and is not under way.
pub(super) fn run_failed(facts: &Facts) -> Option<Matter> {
    let last = facts.runs.first()?;
    let how = match &last.ended {
        Some((RunResult::Failed, _)) => "could not go on",
        None if facts.under_way.iter().all(|run| run.number != last.number) => {
            "was cut off before its end"
        }
        _ => return None,
    };
    let what = format!("the run of {} {how}", when(last.at, facts.now));
    Some(
        Matter::new(MatterKind::RunFailed, what, "kith run --once")
            .now()
            .since(Some(last.at)),
    )
}

/// One matter for all rooms that are late: they are late by one cause.
pub(super) fn not_run(facts: &Facts) -> Option<Matter> {
    if is_excused(facts) {
        return None;
    }
    let Some(first) = facts.first_run else {
        return Some(Matter::new(MatterKind::NotRun, "nothing has run here yet", "kith run").now());
    };
    let late: Vec<(&str, Instant)> = late_rooms(facts, first).collect();
    let oldest = late.iter().map(|(_, at)| *at).min()?;
    let newest = facts.runs.first().map_or(first, |run| run.at);
    let what = if late.len() == facts.schedule.len() {
        format!("nothing has run since {}", when(newest, facts.now))
    } else {
        let rooms: Vec<&str> = late.iter().map(|(key, _)| *key).collect();
        let has = if rooms.len() == 1 { "has" } else { "have" };
        let rooms = rooms.join(", ");
        format!(
            "{rooms} {has} not run by the schedule since {}",
            when(oldest, facts.now)
        )
    };
    Some(
        Matter::new(MatterKind::NotRun, what, "kith run")
            .now()
            .since(Some(oldest)),
    )
}

/// Each key of the schedule that came due twice since its rooms were entered, and when that was; `first`: the first run.
fn late_rooms(facts: &Facts, first: Instant) -> impl Iterator<Item = (&'static str, Instant)> {
    facts.schedule.iter().filter_map(move |(key, stages, due)| {
        // A room that no run of those looked at entered: since the oldest of them.
        let ran_at = last_run_of(facts, stages).map_or(first, |run| run.at);
        overdue(due, ran_at, facts.now).then_some((*key, ran_at))
    })
}

/// Whether no run pulls any more: then no source needs to be named.
pub(super) fn pull_is_late(facts: &Facts) -> bool {
    let first = facts.first_run.unwrap_or(Instant::ZERO);
    late_rooms(facts, first).any(|(key, _)| key == Stage::Pull.code())
}

pub(super) fn last_run_of<'f>(facts: &'f Facts, stages: &[Stage]) -> Option<&'f RunSeen> {
    let mut runs = facts.runs.iter();
    runs.find(|run| stages.iter().any(|stage| run.stages.contains(stage)))
}
