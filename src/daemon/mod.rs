//! Runs the stages when they are due, and one run of them by itself.
//!
//! In: the schedules of the config. Out: runs, one due time after another. Keeps: the daemon does exactly what `kith run
//! --once` does; a run in hand is finished before it stops.

#[cfg(test)]
mod batch_tests;
mod one_run;
#[cfg(test)]
mod sweep_tests;

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
    let (config, ..) = crate::app::load(service.config)?;
    let schedule = &config.schedule;
    let plan: [(&DueTimes, &[Stage]); 4] = [
        (&schedule.pull, &[Stage::Pull, Stage::Select, Stage::Map]),
        (&schedule.deliver, &[Stage::Deliver]),
        (
            &schedule.collect,
            &[Stage::Collect, Stage::Match, Stage::Push],
        ),
        (&schedule.reconcile, &[Stage::Reconcile]),
    ];
    let mut stop = std::pin::pin!(stop_signal());
    let mut seen = now();
    tracing::info!("started; the schedules are those of the config");
    loop {
        let until = now();
        for (due, rooms) in plan {
            let at = due.next_after(&zoned(seen));
            if at.is_some_and(|at| at <= zoned(until)) {
                let rooms: Vec<Stage> = rooms
                    .iter()
                    .copied()
                    .filter(|stage| stages.contains(stage))
                    .collect();
                scheduled(service, &rooms, only).await;
            }
        }
        seen = until;
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = tokio::time::sleep(NAP) => {}
        }
    }
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
