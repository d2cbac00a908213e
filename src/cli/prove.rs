//! `kith prove`: the books.

use super::{DONE, Global, WAITS, counted, emit, emit_json, print_diagnostics};
use crate::actions::books;
use crate::diagnostics::{Code, Diagnostic, Place};

/// Prove the books: balances, chains, seals, files
#[derive(clap::Args)]
pub(super) struct Args {
    /// Also look every confirmed entry up on its server
    #[arg(long)]
    online: bool,
    /// Prove as of this instant
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let app = global.open_for_reading(args.as_of.as_deref()).await?;
    let proof = books::proof(app.env(), args.online).await?;
    app.close().await;
    if !proof.balanced {
        print_diagnostics(&[Diagnostic::new(
            Code::ProveFinding,
            "the books do not balance",
            Place::detail(format!("{} findings", proof.findings.len())),
        )]);
    }
    if args.json {
        emit_json(&proof)?;
    } else {
        for finding in &proof.findings {
            emit(format_args!(
                "finding[{}] {}\n  where   {}\n",
                finding.code, finding.what, finding.place
            ))?;
        }
        let checked = counted(&proof.checked);
        let verdict = if proof.balanced {
            "Every book balances."
        } else {
            "The books do not balance: keep the store as it is."
        };
        emit(format_args!("{verdict}\nChecked: {checked}\n"))?;
    }
    Ok(if proof.balanced { DONE } else { WAITS })
}
