//! `kith held`: what waits for a person, and the decisions that its owner may take, by name and with a why.

use std::sync::Arc;

mod list;
mod many;
mod show;

use clap::Subcommand;
use list::HoldFilter;

use super::identify::Identify;
use super::{DONE, Global, emit};
use crate::actions::Actor;
use crate::actions::hold::{self, Env, Settled, Verdict};
use crate::domain::{HoldNumber, LegReference, Stage};

/// What waits for a person, and how to settle it
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(Subcommand)]
enum Act {
    /// Everything that waits, how long, whose it is, and what to do
    #[command(after_help = "Example: kith held list --owner practice --source hilltop")]
    List {
        #[command(flatten)]
        which: HoldFilter,
        /// Only those of this owner: it, practice, ig or partner
        #[arg(long, value_name = "OWNER")]
        owner: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// One hold: what it is about, and what its owner can do
    #[command(after_help = "Example: kith held show 12")]
    Show {
        /// Its number
        number: i64,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        identify: Identify,
    },
    /// Decide again with today's data; overrides nothing
    #[command(
        after_help = "Example: kith held release 12 --by \"A. Name\" --because \"the number is verified\" --as practice\n         kith held release --reason nhs-number --source hilltop --by \"A. Name\" --because \"all verified\" --as practice"
    )]
    Release {
        /// Its number
        #[arg(required_unless_present = "reason", conflicts_with_all = ["reason", "partner", "source", "of_return"])]
        number: Option<i64>,
        #[command(flatten)]
        which: HoldFilter,
        /// Many at once: do not ask
        #[arg(long, requires = "reason")]
        yes: bool,
        /// Already open: send it all the same
        #[arg(long)]
        send: bool,
        #[command(flatten)]
        who: Who,
    },
    /// Send a referral that nobody or several fit to this partner
    Assign {
        /// Its number
        number: i64,
        /// The partner
        partner: String,
        #[command(flatten)]
        who: Who,
    },
    /// It is the same as a referral that is open with this partner: attach it there, and send nothing
    Join {
        /// Its number
        number: i64,
        /// The reference of the open one; kith held show N names it
        reference: String,
        #[command(flatten)]
        who: Who,
    },
    /// It shall not go on
    Reject {
        /// Its number
        number: i64,
        #[command(flatten)]
        who: Who,
    },
}

/// Who decides, and why.
#[derive(clap::Args)]
struct Who {
    /// Your name, kept in the ledger
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why, kept sealed; - reads it from standard input
    #[arg(long, value_name = "TEXT")]
    because: String,
    /// On whose behalf: it, practice, ig or partner
    #[arg(long = "as", value_name = "OWNER", default_value = "it")]
    owner: String,
}

pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<u8> {
    let everything = Act::List {
        which: HoldFilter::default(),
        owner: None,
        json: false,
    };
    match args.act.unwrap_or(everything) {
        Act::List { which, owner, json } => {
            let app = global.open_for_reading(None).await?;
            let code = list::list(&app, &which, owner.as_deref(), json).await;
            app.close().await;
            code
        }
        Act::Show {
            number,
            json,
            identify,
        } => {
            let app = identify.open(global).await?;
            let code = show::show(&app, number, &identify, json).await;
            app.close().await;
            code
        }
        Act::Release {
            number: None,
            which,
            yes,
            send,
            who,
        } => {
            let app = global.open(None).await?;
            let done = many::release(&app, &which, &who.actor()?, send, yes).await;
            app.close().await;
            done.map(|()| DONE)
        }
        act => {
            let app = global.open(None).await?;
            let said = settle(app.env(), act).await?;
            app.close().await;
            emit(format_args!("{said}\n"))?;
            Ok(DONE)
        }
    }
}

/// What the owner of a hold decides, and what is said of it.
async fn settle(env: &Arc<Env>, act: Act) -> anyhow::Result<String> {
    let (number, settled) = match act {
        Act::List { .. } | Act::Show { .. } | Act::Release { number: None, .. } => {
            return Ok(String::new());
        }
        Act::Release {
            number: Some(number),
            send,
            who,
            ..
        } => {
            let settled = hold::release(env, HoldNumber::new(number), &who.actor()?, send).await?;
            (number, settled)
        }
        Act::Assign {
            number,
            partner,
            who,
        } => {
            let settled =
                hold::assign(env, HoldNumber::new(number), &who.actor()?, &partner).await?;
            (number, settled)
        }
        Act::Join {
            number,
            reference,
            who,
        } => {
            let settled =
                hold::join(env, HoldNumber::new(number), &who.actor()?, &reference).await?;
            (number, settled)
        }
        Act::Reject { number, who } => (
            number,
            hold::reject(env, HoldNumber::new(number), &who.actor()?).await?,
        ),
    };
    Ok(match settled {
        Settled::Done => format!("Hold {number} is settled."),
        Settled::Joined(joined, other) => {
            format!("{joined} is joined to {other}; nothing is sent.")
        }
        Settled::TakenIn => format!("The row of hold {number} was judged again and is taken in."),
        Settled::StillWaits(reason) => format!(
            "The row of hold {number} was judged again and still waits: {} ({}, for {}).",
            reason.practice_words(),
            reason.code(),
            reason.owner().code()
        ),
        Settled::Decided(reference, verdict) => in_words(reference, verdict),
    })
}

fn in_words(reference: LegReference, verdict: Verdict) -> String {
    match verdict {
        Verdict::Routed => format!("{reference} goes to its partner with the next drop."),
        Verdict::Held(reason) => format!(
            "{reference} still waits: {} ({}, for {}).",
            reason.practice_words(),
            reason.code(),
            // A release decides again, from the record.
            reason.owner_at(Stage::Select).code()
        ),
        Verdict::Closed(reason) => format!("{reference} has ended: {}.", reason.practice_words()),
        Verdict::Gone => format!("{reference} can no longer be read."),
    }
}

impl Who {
    fn actor(&self) -> anyhow::Result<Actor> {
        super::actor(&self.by, &self.because)?.acting_for(&self.owner)
    }
}
