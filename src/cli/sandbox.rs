//! `kith sandbox`: the made-up GP system on its own.

use std::path::PathBuf;
use std::sync::Arc;

use super::{DONE, emit};
use crate::domain::Clock;
use crate::domain::clock::SystemClock;
use crate::sandbox::{Options, Sandbox};

/// A made-up GP system on this machine
#[derive(clap::Args)]
pub(super) struct Args {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Resources to load at start: every .json and .ndjson of this folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<u8> {
    let now = Arc::new(|| SystemClock.now().0);
    let sandbox = Sandbox::start(
        args.port,
        Options {
            now,
            data: args.data,
        },
    )
    .await?;
    for file in sandbox.skipped() {
        eprintln!("left alone: {file}");
    }
    emit(format_args!("listening {}\n", sandbox.base_url()))?;
    tokio::signal::ctrl_c().await?;
    sandbox.stop().await;
    Ok(DONE)
}
