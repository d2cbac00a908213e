//! `kith report`: the reconciliation report of a day.

use std::path::PathBuf;

use super::{DONE, Global, emit, known};

/// Write the reconciliation report of a day
#[derive(clap::Args)]
pub(super) struct Args {
    /// The London day [default: yesterday]
    #[arg(long, value_name = "D")]
    date: Option<String>,
    /// Only this commissioner
    #[arg(long, value_name = "ID")]
    commissioner: Option<String>,
    /// Where to write [default: the commissioner's own folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Report as of this instant
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<String>,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let date = match &args.date {
        None => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| anyhow::anyhow!("\"{text}\" is no day: write 2026-11-22"))?,
        ),
    };
    let app = global.open_for_reading(args.as_of.as_deref()).await?;
    if let Some(id) = &args.commissioner {
        known(
            "commissioner",
            id,
            app.env()
                .config
                .commissioners
                .iter()
                .map(|one| one.id.as_str()),
        )?;
    }
    let written = app
        .report(date, args.commissioner.as_deref(), args.out.as_deref())
        .await?;
    app.close().await;
    for folder in written {
        emit(format_args!("{}\n", folder.display()))?;
    }
    Ok(DONE)
}
