//! `kith void`: takes back a drop that was prepared and never left, or records that it left all the same.

use serde_json::json;

use super::{DONE, Global, emit, emit_json};
use crate::actions::void_drop::{it_left, void};

/// Take back a drop that was prepared and never left: its rows wait again, and its number stays given; or say that it left
#[derive(clap::Args)]
#[command(
    after_help = "Example: kith void elm:7 --by \"A. Person\" --because \"the share is gone for good\"\nA drop that lies in out/, or that a return refers to, has left and is not taken back.\nWhere the partner has the file although nothing says so: kith void elm:7 --it-left --by \"A. Person\" --because \"they read its name out\""
)]
pub(super) struct Args {
    /// The drop: partner and number, as kith status shows it, or the name of its file; of a file for an import: source and number
    #[arg(value_name = "DROP")]
    drop: String,
    /// Do not take it back: the partner has it, so it is recorded as sent, and the next drop says what changed since
    #[arg(long)]
    it_left: bool,
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
    let settled = if args.it_left {
        it_left(app.env(), &args.drop, &actor).await
    } else {
        void(app.env(), &args.drop, &actor).await
    };
    app.close().await;
    let settled = settled?;
    let (id, file) = (&settled.partner, &settled.file);
    if args.json {
        emit_json(
            &json!({"partner": id, "sequence": file.sequence, "file": file.name, "rows": file.rows, "before": settled.before, "left": args.it_left, "changed": settled.changed}),
        )?;
    } else if args.it_left {
        let (sequence, name) = (file.sequence, &file.name);
        let what = match (settled.before, settled.changed) {
            (true, _) => "had been recorded as sent before".to_owned(),
            (false, 0) => "is recorded as sent".to_owned(),
            (false, changed) => format!(
                "is recorded as sent: {changed} of its rows have changed since, and the next drop says so"
            ),
        };
        emit(format_args!("Drop {id}:{sequence}, {name}, {what}.\n"))?;
    } else if settled.before {
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
