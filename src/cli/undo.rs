//! `kith undo`: takes back what one return told.

use super::{DONE, Global, emit};
use crate::actions::Actor;
use crate::actions::undo::{undo, which};

/// Take back what one return told: its entries in the record become entered in error
#[derive(clap::Args)]
pub(super) struct Args {
    /// The return: its number, as its receipt and diagnostics show it, or the name under which it lies in in/done or came; - reads it from standard input
    #[arg(value_name = "RETURN")]
    file: String,
    /// Your name, kept in the ledger
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why, kept sealed; - reads it from standard input
    #[arg(long, value_name = "TEXT")]
    because: String,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    // A partner's name for a file may name a person: both may be read, the name from the first line.
    let (file, because) = if args.file == "-" {
        let text = super::read_input()?;
        let (name, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let because = if args.because == "-" {
            rest.to_owned()
        } else {
            args.because.clone()
        };
        (name.trim_end_matches('\r').to_owned(), because)
    } else if args.because == "-" {
        (args.file.clone(), super::read_input()?)
    } else {
        (args.file.clone(), args.because.clone())
    };
    let actor = Actor::new(&args.by, &because)?;
    let app = global.open(None).await?;
    let id = which(app.env(), &file).await?;
    let done = undo(app.env(), id, &actor).await?;
    app.close().await;
    let Some(done) = done else {
        anyhow::bail!("there is no return {id}")
    };
    if done.events == 0 {
        emit(format_args!("Nothing of return {id} stands.\n"))?;
        return Ok(DONE);
    }
    emit(format_args!(
        "Return {id} is undone: {} events, {} entries to put right with the next push.\n",
        done.events, done.writes
    ))?;
    if done.again > 0 {
        emit(format_args!(
            "{} rows of later sheets say the same of it, and stand.\n",
            done.again
        ))?;
    }
    if done.asked > 0 {
        emit(format_args!(
            "{} referrals that it had ended stay ended; their practice is asked.\n",
            done.asked
        ))?;
    }
    Ok(DONE)
}
