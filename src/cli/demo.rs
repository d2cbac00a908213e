//! `kith demo`: the whole loop on made-up people.

use std::path::PathBuf;

use super::{DONE, FAILED, Global};
use crate::demo::DemoOptions;

/// Show the whole loop on made-up people: two practices, four partners, returns, report
#[derive(clap::Args)]
#[command(after_help = "Example: kith demo --dir kith-demo -v\n-v tells all of the story")]
pub(super) struct Args {
    /// Where everything is written; replaced if it is an earlier demo's
    #[arg(long, value_name = "DIR", default_value = "./kith-demo")]
    dir: PathBuf,
    /// Leave the made-up GP systems running, and say where
    #[arg(long)]
    keep_running: bool,
}

pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<u8> {
    let options = DemoOptions {
        dir: args.dir,
        whole: global.verbose > 0,
        keep_running: args.keep_running,
    };
    let as_scripted = crate::demo::run(options, &mut std::io::stdout()).await?;
    Ok(if as_scripted { DONE } else { FAILED })
}
