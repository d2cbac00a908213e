//! `kith report`: the reconciliation report of a day.

use std::path::PathBuf;

use super::{DONE, Global, emit};
use crate::actions::books;
use crate::app::App;
use crate::diagnostics::Refused;

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
    let out = args.out.as_deref().map(App::report_place);
    let commissioner = args.commissioner.as_deref();
    let written = books::report(app.env(), date, commissioner, out.as_ref()).await?;
    app.close().await;
    for folder in written.folders {
        emit(format_args!("{}\n", folder.within("report.html")))?;
    }
    if written.failed.is_empty() {
        Ok(DONE)
    } else {
        Err(Refused(written.failed).into())
    }
}
