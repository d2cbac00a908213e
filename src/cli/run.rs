//! `kith run`: the rooms once, or on their schedules.

use super::{DONE, Global, WAITS, emit, emit_json, print_diagnostics};
use crate::actions::known;
use crate::daemon::{self, Only, RunOutcome, Service};
use crate::domain::Stage;

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
    /// Take returns that have not stood still long enough too, and perhaps are not finished
    #[arg(long, requires = "once")]
    now: bool,
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
        settled: !args.now,
    };
    if args.once {
        once(global, args.as_of.as_deref(), &stages, &only, args.json).await
    } else {
        super::warn_of_root();
        let service = Service {
            config: &global.config_file(),
            options: &|| global.options(None),
            tell: &tell,
            begin: &|line| super::say(None, line),
        };
        daemon::serve(&service, &stages, &only).await?;
        Ok(DONE)
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
    if let Some(id) = &only.source {
        super::source_of(&app, id)?;
    }
    if let Some(id) = &only.partner {
        super::partner_of(&app.env().rules, id)?;
    }
    let outcome = daemon::run(app.env(), stages, only).await?;
    tell_outcome(&outcome);
    if json {
        emit_json(&outcome.summary)?;
    } else {
        emit(format_args!("{}", super::status::text(&outcome.summary)))?;
    }
    app.close().await;
    Ok(if outcome.waits { WAITS } else { DONE })
}

/// Says how a run of the daemon ended.
fn tell(result: &anyhow::Result<RunOutcome>) {
    match result {
        Ok(outcome) => tell_outcome(outcome),
        Err(error) => super::report_failure(error),
    }
}

/// Says what a run came upon.
fn tell_outcome(outcome: &RunOutcome) {
    let _in_run = outcome.run.span().entered();
    print_diagnostics(&outcome.diagnostics);
    print_diagnostics(&outcome.unreachable);
}
