//! Runs the stages when they are due, and one run of them by itself.
//!
//! In: the schedules of the config. Out: runs, one due time after another. Keeps: the daemon does exactly what `kith run
//! --once` does; a run in hand is finished before it stops.

#[cfg(test)]
mod batch_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod import_tests;
#[cfg(test)]
mod judged_again_tests;
#[cfg(test)]
mod key_effect_tests;
#[cfg(test)]
mod lost_answer_tests;
mod one_run;
#[cfg(test)]
mod return_tests;
#[cfg(test)]
mod rules_look_tests;
#[cfg(test)]
mod stale_tests;
#[cfg(test)]
mod sweep_tests;
#[cfg(test)]
mod unfinished_tests;
#[cfg(test)]
mod void_tests;

use std::path::Path;
use std::time::Duration;

pub(crate) use one_run::{InRun, RunOutcome, run};

use crate::app::{App, Options};
use crate::domain::clock::london;
use crate::domain::{Instant, Stage};
use crate::partner::schedule::DueTimes;
pub(crate) use crate::pipeline::run::Only;

/// The longest sleep of the daemon: a machine that slept too long notices within this time.
const NAP: Duration = Duration::from_secs(20);

/// What the daemon is given: how each run opens the installation, and who is told how it ended.
pub(crate) struct Service<'s> {
    pub(crate) config: &'s Path,
    pub(crate) options: &'s (dyn Fn() -> anyhow::Result<Options> + Sync),
    pub(crate) tell: &'s (dyn Fn(&anyhow::Result<RunOutcome>) + Sync),
    /// Says at the start what runs when, a line each.
    pub(crate) begin: &'s (dyn Fn(&str) + Sync),
}

/// Runs what is due, one due time after another, until it is told to stop; a run in hand is finished first.
///
/// # Errors
/// The config cannot be used.
pub(crate) async fn serve(
    service: &Service<'_>,
    stages: &[Stage],
    only: &Only,
) -> anyhow::Result<()> {
    // The config alone: a partner file in error stops its partner, and each run says so.
    let (config, _) = crate::app::load_config(service.config)?;
    let times = &config.schedule;
    let schedule = [
        &times.pull,
        &times.deliver,
        &times.collect,
        &times.reconcile,
    ];
    let mut stop = std::pin::pin!(stop_signal());
    let mut seen = now();
    for line in timetable(schedule, stages, seen) {
        (service.begin)(&line);
    }
    loop {
        let until = now();
        for rooms in due(schedule, seen, until) {
            let wanted = rooms.iter().copied();
            let rooms: Vec<Stage> = wanted.filter(|stage| stages.contains(stage)).collect();
            scheduled(service, &rooms, only).await;
        }
        seen = until;
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = tokio::time::sleep(NAP) => {}
        }
    }
}

/// The stages that come due by each key of the schedule.
const STAGES: [&[Stage]; 4] = [
    &[Stage::Pull, Stage::Select, Stage::Map],
    &[Stage::Deliver],
    &[Stage::Collect, Stage::Match, Stage::Push],
    &[Stage::Reconcile],
];

/// What runs when: `pull, select, map: */30 * * * *, next 1 December 2026 09:30`.
fn timetable(schedule: [&DueTimes; 4], stages: &[Stage], from: Instant) -> Vec<String> {
    let rooms = STAGES.iter().map(|rooms| {
        let wanted = rooms.iter().filter(|room| stages.contains(room));
        let names: Vec<&str> = wanted.map(|room| room.code()).collect();
        names.join(", ")
    });
    let lines = rooms.zip(schedule).filter(|(names, _)| !names.is_empty());
    let line = |(names, due): (String, &DueTimes)| {
        let next = due.next_after(&zoned(from));
        let next = next.map_or_else(String::new, |next| {
            let at = Instant(next.timestamp().as_microsecond());
            format!(", next {}", at.london_words())
        });
        format!("{names}: {}{next}", due.text())
    };
    let mut lines: Vec<String> = lines.map(line).collect();
    lines.push("times are Europe/London; Ctrl-C or SIGTERM ends it after the row in hand; kith status says how it stands".to_owned());
    lines
}

/// The stages that came due between two instants, those of each key of the schedule together.
fn due(schedule: [&DueTimes; 4], seen: Instant, until: Instant) -> Vec<&'static [Stage]> {
    let comes = |due: &DueTimes| {
        let at = due.next_after(&zoned(seen));
        at.is_some_and(|at| at <= zoned(until))
    };
    let due = schedule.into_iter().zip(STAGES);
    let due = due.filter(|(due, _)| comes(due));
    due.map(|(_, stages)| stages).collect()
}

/// One due run; a failure is told and the next due time tries again.
async fn scheduled(service: &Service<'_>, rooms: &[Stage], only: &Only) {
    let result = async {
        let app = App::open((service.options)()?).await?;
        let outcome = run(app.env(), rooms, only).await?;
        app.close().await;
        anyhow::Ok(outcome)
    };
    let result = result.await;
    (service.tell)(&result);
    if let Ok(outcome) = &result {
        let names: Vec<&str> = rooms.iter().map(|stage| stage.code()).collect();
        let _in_run = outcome.run.span().entered();
        tracing::info!(waits = outcome.waits, "ran {}", names.join(" "));
    }
}

fn now() -> Instant {
    crate::domain::Clock::now(&crate::domain::clock::SystemClock)
}

fn zoned(at: Instant) -> jiff::Zoned {
    at.zoned(london())
}

async fn stop_signal() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_says_what_runs_when() {
        let due = |text: &str| DueTimes::parse(text).unwrap();
        let (pull, deliver) = (due("*/30 * * * *"), due("0 6 * * MON-FRI"));
        let (collect, reconcile) = (due("*/15 * * * *"), due("0 2 * * *"));
        let schedule = [&pull, &deliver, &collect, &reconcile];
        let from = Instant::parse("2026-12-01T09:10:00Z").unwrap();
        let lines = timetable(schedule, &Stage::ALL, from);
        assert_eq!(
            lines[..4],
            [
                "pull, select, map: */30 * * * *, next 1 December 2026 09:30",
                "deliver: 0 6 * * MON-FRI, next 2 December 2026 06:00",
                "collect, match, push: */15 * * * *, next 1 December 2026 09:15",
                "reconcile: 0 2 * * *, next 2 December 2026 02:00",
            ]
        );
        assert_eq!(
            timetable(schedule, &[Stage::Push], from)[0],
            "push: */15 * * * *, next 1 December 2026 09:15"
        );
    }
}
