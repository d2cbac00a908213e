//! `kith audit views`: who has looked at whom, when and where.

use clap::Subcommand;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{DONE, Global, emit, emit_json};
use crate::actions::identify::views;

/// Who has looked at whose record
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Every time that somebody asked who a person is; the why stays sealed
    Views {
        /// From this day on: 2026-11-23
        #[arg(long, value_name = "DATE")]
        since: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let Act::Views {
        since,
        json: as_json,
    } = &args.act;
    let since: Option<Date> = match since {
        None => None,
        Some(text) => {
            let day = text.parse().ok();
            Some(day.ok_or_else(|| anyhow::anyhow!("\"{text}\" is no day: write 2026-11-23"))?)
        }
    };
    let app = global.open_for_reading(None).await?;
    let viewed = views(app.env(), since).await?;
    if *as_json {
        let lines: Vec<Value> = viewed
            .iter()
            .map(|view| json!({"at": view.at.utc_text(), "by": view.by, "what": view.what, "reference": view.reference}))
            .collect();
        emit_json(&lines)?;
    } else {
        for view in &viewed {
            let (at, of) = (
                view.at.london_text(),
                view.reference.as_deref().unwrap_or_default(),
            );
            emit(format_args!(
                "{at}  {of:<14}  {:<14}  {}\n",
                view.what, view.by
            ))?;
        }
        if viewed.is_empty() {
            emit(format_args!("Nobody has looked.\n"))?;
        }
    }
    app.close().await;
    Ok(DONE)
}
