//! `kith void`: takes back a drop that was prepared and never left.

use serde_json::json;

use super::{DONE, Global, emit, emit_json};
use crate::actions::void_drop::void;

/// Take back a drop that was prepared and never left: its rows wait again, and its number stays given
#[derive(clap::Args)]
#[command(
    after_help = "Example: kith void elm:7 --by \"A. Person\" --because \"the share is gone for good\"\nA drop that lies in out/, or that a return refers to, has left and is not taken back."
)]
pub(super) struct Args {
    /// The drop: partner and number, as kith status shows it, or the name of its file
    #[arg(value_name = "DROP")]
    drop: String,
    /// Your name, kept in the ledger
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why, kept sealed; - reads it from standard input
    #[arg(long, value_name = "TEXT")]
    because: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let actor = super::actor(&args.by, &args.because)?;
    let app = global.open(None).await?;
    let voided = void(app.env(), &args.drop, &actor).await;
    app.close().await;
    let voided = voided?;
    let (id, file) = (&voided.partner, &voided.file);
    if args.json {
        emit_json(
            &json!({"partner": id, "sequence": file.sequence, "file": file.name, "rows": file.rows, "before": voided.before}),
        )?;
    } else if voided.before {
        emit(format_args!(
            "Drop {id}:{}, {}, was taken back before.\n",
            file.sequence, file.name
        ))?;
    } else {
        emit(format_args!(
            "Drop {id}:{}, {}, is taken back: its {} rows wait and go with the next one. Its number is not given again.\n",
            file.sequence, file.name, file.rows
        ))?;
    }
    Ok(DONE)
}
