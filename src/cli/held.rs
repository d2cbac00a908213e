//! `kith held`: what waits for a person, and the decisions that its owner may take, by name and with a why.

use std::sync::Arc;

use clap::Subcommand;
use serde_json::{Value, json};

use super::identify::Identify;
use super::{DONE, Global, emit, emit_json};
use crate::actions::hold::{self, Env, Settled, Verdict};
use crate::actions::{Actor, summary};
use crate::app::App;
use crate::domain::{HoldNumber, Instant, LegReference, Reason};

/// What waits for a person, and how to settle it
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(Subcommand)]
enum Act {
    /// Everything that waits
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// One hold
    Show {
        /// Its number
        number: i64,
        #[command(flatten)]
        identify: Identify,
    },
    /// Decide again with today's data; overrides nothing
    Release {
        /// Its number
        number: i64,
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
    match args.act.unwrap_or(Act::List { json: false }) {
        Act::List { json } => {
            let app = global.open_for_reading(None).await?;
            let code = list(&app, json).await;
            app.close().await;
            code
        }
        Act::Show { number, identify } => {
            let app = identify.open(global).await?;
            let shown = describe(&app, number, &identify).await;
            app.close().await;
            emit_json(&shown?)?;
            Ok(DONE)
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
        Act::List { .. } | Act::Show { .. } => return Ok(String::new()),
        Act::Release { number, send, who } => {
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
            reason.owner().code()
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

async fn list(app: &App, as_json: bool) -> anyhow::Result<u8> {
    let summary = summary::of_status(app.env()).await?;
    if as_json {
        emit_json(&summary.held)?;
        return Ok(DONE);
    }
    for hold in &summary.held {
        let words = Reason::from_code(&hold.reason).map_or("", Reason::practice_words);
        let (reference, partner) = (
            hold.reference.as_deref().unwrap_or("-"),
            hold.partner.as_deref().unwrap_or("-"),
        );
        emit(format_args!(
            "{:>5}  {:<14}  {:<8}  {:<7}  {partner:<20}  {}: {words}\n",
            hold.number, reference, hold.owner, hold.stage, hold.reason
        ))?;
    }
    if summary.held.is_empty() {
        emit(format_args!("Nothing waits.\n"))?;
    }
    Ok(DONE)
}

async fn describe(app: &App, number: i64, identify: &Identify) -> anyhow::Result<Value> {
    let shown = hold::show(app.env(), HoldNumber::new(number)).await?;
    let row = &shown.row;
    let person = match &shown.leg {
        Some(leg) => {
            let at = format!("held show {number}");
            identify.person(app, leg.reference, &at).await?
        }
        None if identify.asked() => anyhow::bail!("hold {number} is about nobody in particular"),
        None => Value::Null,
    };
    let beside = shown.open_beside.iter().map(ToString::to_string);
    let mut said = json!({
        "open_beside": beside.collect::<Vec<String>>(),
        "number": row.number.number(), "open": row.open, "reason": row.reason.code(), "what": row.reason.practice_words(), "owner": row.reason.owner().code(),
        "stage": row.stage.code(), "reference": shown.leg.map(|leg| leg.reference.to_string()), "partner": shown.partner,
        "return": row.return_id.is_some().then(|| row.return_id.number()), "row": if row.row == 0 { None } else { Some(row.row) },
        "since": Instant(row.since).utc_text(),
    });
    if identify.asked() {
        said["person"] = person;
    }
    Ok(said)
}
