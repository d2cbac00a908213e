//! `kith partner approve`: somebody else than its writer lets a wider version of a partner file send.
//!
//! In: a partner, a name and a why. Out: what the version allows beyond the one approved before, recorded with the name;
//! the why is sealed. Keeps: nobody approves their own change, and nothing is approved that does not wait.

use serde_json::json;

use super::{DONE, Global, emit, emit_json};
use crate::actions::approvals::{Approved, approve};

/// What is approved, by whom, and why.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The partner's id
    id: String,
    /// Your name, kept in the ledger; not that of whoever changed the file
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why, kept sealed; - reads it from standard input
    #[arg(long, value_name = "TEXT")]
    because: String,
    /// Act as of this instant: for an installation that was run as of a later day
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let actor = super::actor(&args.by, &args.because)?;
    let app = global.open(args.as_of.as_deref()).await?;
    let approved = approve(app.env(), &args.id, &actor).await;
    app.close().await;
    tell(args.json, &approved?, &actor.name)?;
    Ok(DONE)
}

fn tell(as_json: bool, approved: &Approved, by: &str) -> anyhow::Result<()> {
    let Approved {
        line,
        version,
        waiting,
    } = approved;
    let id = &line.partner;
    if as_json {
        let said = json!({"partner": id, "version": version, "approved_by": by,
            "changed_by": line.changed_by, "wider": line.wider, "waiting": waiting});
        return emit_json(&said);
    }
    emit(format_args!(
        "Approved by {by}: {id} is allowed what the version before was not:\n"
    ))?;
    for wider in &line.wider {
        emit(format_args!("    {}\n", wider.text))?;
    }
    emit(format_args!(
        "Waiting for it: {waiting}; the next run decides them again.\n"
    ))
}
