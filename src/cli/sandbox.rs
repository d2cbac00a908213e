//! `kith sandbox`: the made-up GP system on its own, well-behaved or not.

use std::path::PathBuf;
use std::sync::Arc;

use super::{DONE, emit};
use crate::domain::Clock;
use crate::domain::clock::SystemClock;
use crate::sandbox::{FaultSpec, Sandbox, SandboxOptions, faults_help};

/// A made-up GP system on this machine
#[derive(clap::Args)]
#[command(after_long_help = faults_help())]
pub(super) struct Args {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Resources to load at start: every .json and .ndjson of this folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Misbehave on a share of the requests, in per cent: all=25, or 429=5,drop-after=3 (--help lists the faults)
    #[arg(long, value_name = "LIST", value_parser = FaultSpec::parse)]
    faults: Option<FaultSpec>,
    /// The seed of the misbehaviour: the same requests have the same fate again
    #[arg(long, value_name = "N", default_value_t = 1, requires = "faults")]
    seed: u64,
}

pub(super) async fn run(args: Args) -> anyhow::Result<u8> {
    let now = Arc::new(|| SystemClock.now().0);
    let data = args.data;
    let sandbox = Sandbox::start(args.port, SandboxOptions { now, data }).await?;
    if let Some(spec) = args.faults {
        sandbox.misbehave(spec, args.seed);
    }
    for file in sandbox.skipped() {
        super::say(None, &format!("left alone: {file}"));
    }
    emit(format_args!("listening {}\n", sandbox.base_url()))?;
    tokio::signal::ctrl_c().await?;
    sandbox.stop().await;
    Ok(DONE)
}
