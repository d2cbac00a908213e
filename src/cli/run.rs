//! `kith run`: the rooms once, or on their schedules.

use std::time::Duration;

use super::{DONE, Global, WAITS, emit, known, print_diagnostics};
use crate::app::{App, Only};
use crate::domain::clock::london;
use crate::domain::{Instant, Stage};
use crate::partner::due::DueTimes;

/// The longest sleep of the daemon: a machine that slept too long notices within this time.
const NAP: Duration = Duration::from_secs(20);

/// Run the rooms on their schedules, or once
#[derive(clap::Args)]
pub(super) struct Args {
    /// Run now, whatever the schedules say, and end
    #[arg(long)]
    once: bool,
    /// Rooms to run, in the data's order: pull select map deliver collect match push reconcile [default: all]
    #[arg(value_name = "STAGE")]
    stages: Vec<String>,
    /// Only this source
    #[arg(long, value_name = "ID")]
    source: Option<String>,
    /// Only this partner
    #[arg(long, value_name = "ID")]
    partner: Option<String>,
    /// Run as of this instant, 2026-11-23T06:00:00Z
    #[arg(long, value_name = "INSTANT", requires = "once")]
    as_of: Option<String>,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<u8> {
    let mut stages = Vec::new();
    for name in &args.stages {
        known("room", name, Stage::ALL.iter().map(|stage| stage.code()))?;
        stages.extend(Stage::from_code(name));
    }
    if stages.is_empty() {
        stages.extend(Stage::ALL);
    }
    let only = Only {
        source: args.source,
        partner: args.partner,
        settled: !args.once,
    };
    if args.once {
        once(global, args.as_of.as_deref(), &stages, &only, args.json).await
    } else {
        daemon(global, &stages, &only).await
    }
}

async fn once(
    global: &Global,
    as_of: Option<&str>,
    stages: &[Stage],
    only: &Only,
    json: bool,
) -> anyhow::Result<u8> {
    let app = global.open(as_of).await?;
    check_only(&app, only)?;
    let outcome = app.run(stages, only).await?;
    print_diagnostics(&outcome.diagnostics);
    print_diagnostics(&outcome.unreachable);
    if json {
        emit(format_args!(
            "{}\n",
            serde_json::to_string_pretty(&outcome.summary)?
        ))?;
    } else {
        emit(format_args!("{}", super::status::text(&outcome.summary)))?;
    }
    app.close().await;
    Ok(if outcome.waits { WAITS } else { DONE })
}

fn check_only(app: &App, only: &Only) -> anyhow::Result<()> {
    let env = app.env();
    if let Some(id) = &only.source {
        known(
            "source",
            id,
            env.sources.iter().map(|source| source.config.id.as_str()),
        )?;
    }
    if let Some(id) = &only.partner {
        known(
            "partner",
            id,
            env.rules.partners.iter().map(|partner| partner.id.as_str()),
        )?;
    }
    Ok(())
}

/// Runs what is due, one due time after another, until it is told to stop; a run in hand is finished first.
async fn daemon(global: &Global, stages: &[Stage], only: &Only) -> anyhow::Result<u8> {
    let (config, ..) = crate::app::load(&global.config_file())?;
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
                scheduled(global, &rooms, only).await;
            }
        }
        seen = until;
        tokio::select! {
            () = &mut stop => return Ok(DONE),
            () = tokio::time::sleep(NAP) => {}
        }
    }
}

/// One due run; a failure is told and the next due time tries again.
async fn scheduled(global: &Global, rooms: &[Stage], only: &Only) {
    let result = async {
        let app = global.open(None).await?;
        let outcome = app.run(rooms, only).await?;
        app.close().await;
        anyhow::Ok(outcome)
    };
    match result.await {
        Ok(outcome) => {
            print_diagnostics(&outcome.diagnostics);
            print_diagnostics(&outcome.unreachable);
            let names: Vec<&str> = rooms.iter().map(|stage| stage.code()).collect();
            tracing::info!(waits = outcome.waits, "ran {}", names.join(" "));
        }
        Err(error) => super::report_failure(&error),
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
