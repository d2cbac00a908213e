//! `kith store`: what is done to the store as a whole.

use clap::Subcommand;
use serde_json::json;

use super::{DONE, Global, emit, emit_json};
use crate::actions::accept_store::accept;

/// The store: take it into use as it stands
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Subcommand)]
enum StoreCommand {
    /// Take the store into use although it is older than it was, or the clock is far off; what it has not sent is held
    Accept {
        /// Your name, kept in the ledger
        #[arg(long, value_name = "NAME")]
        by: String,
        /// Why, kept sealed; - reads it from standard input
        #[arg(long, value_name = "TEXT")]
        because: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<u8> {
    let StoreCommand::Accept { by, because, json } = args.command;
    let actor = super::actor(&by, &because)?;
    let app = global.open_to_accept().await?;
    let done = accept(app.env(), &actor).await?;
    app.accepted().await?;
    app.close().await;
    if json {
        let doubts: Vec<_> = done
            .doubts
            .iter()
            .map(crate::diagnostics::Diagnostic::to_json)
            .collect();
        emit_json(&json!({"accepted_by": actor.name, "doubts": doubts, "holds": done.holds}))?;
        return Ok(DONE);
    }
    emit(format_args!("Taken into use by {}.\n", actor.name))?;
    for doubt in &done.doubts {
        emit(format_args!(
            "  {}: {}\n",
            doubt.what(),
            doubt.place().text()
        ))?;
    }
    if done.holds {
        emit(format_args!(
            "What this store has not sent, and what changed last before now, is held (restored): ask each partner what it has, then kith held list.\n\
             Writes are looked up before they are sent, and no number of a drop in out/ is given again.\n"
        ))?;
    }
    Ok(DONE)
}
