//! `kith held`: what waits for a person, and the decisions that its owner may take, by name and with a why.

use clap::Subcommand;
use serde_json::json;

use super::identify::Identify;
use super::trace::leg_of;
use super::{DONE, Global, emit, known};
use crate::app::App;
use crate::domain::{Instant, LegState, Owner, Reason, Stage};
use crate::pipeline::{Said, Verdict, open_beside, redecide};
use crate::store::batch::LegSeed;
use crate::store::rows::{HeldRow, Leg, Standing};
use crate::store::{Batch, Entry, HeldQuery, Kind};

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
    /// Why, kept sealed
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
            emit(format_args!("{}\n", shown?))?;
            Ok(DONE)
        }
        act => {
            let app = global.open(None).await?;
            settle(&app, act).await?;
            app.close().await;
            Ok(DONE)
        }
    }
}

/// What the owner of a hold decides.
async fn settle(app: &App, act: Act) -> anyhow::Result<()> {
    match act {
        Act::List { .. } | Act::Show { .. } => Ok(()),
        Act::Release { number, send, who } => {
            let said = Said {
                despite_open: send,
                ..Said::default()
            };
            release(app, number, &who, said).await
        }
        Act::Assign {
            number,
            partner,
            who,
        } => {
            let partners = &app.env().rules.partners;
            let ids = partners.iter().map(|partner| partner.id.as_str());
            known("partner", &partner, ids)?;
            let said = Said {
                partner: partners.iter().position(|known| known.id == partner),
                ..Said::default()
            };
            release(app, number, &who, said).await
        }
        Act::Join {
            number,
            reference,
            who,
        } => join(app, number, &reference, &who).await,
        Act::Reject { number, who } => reject(app, number, &who).await,
    }
}

async fn list(app: &App, as_json: bool) -> anyhow::Result<u8> {
    let summary = app.status().await?;
    if as_json {
        emit(format_args!(
            "{}\n",
            serde_json::to_string_pretty(&summary.held)?
        ))?;
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

async fn one(app: &App, number: i64) -> anyhow::Result<HeldRow> {
    let found = app
        .env()
        .store
        .held(HeldQuery {
            leg: None,
            number: Some(number),
        })
        .await?
        .pop();
    found.ok_or_else(|| anyhow::anyhow!("there is no hold {number}: kith held list"))
}

async fn describe(app: &App, number: i64, identify: &Identify) -> anyhow::Result<String> {
    let env = app.env();
    let hold = &one(app, number).await?;
    let leg = env.store.legs(vec![hold.leg]).await?.pop();
    let partner = env
        .partner_at(hold.partner)
        .map(|place| env.rules.partners[place].id.clone());
    let beside = match &leg {
        Some(leg) if hold.open && hold.reason == Reason::AlreadyOpen => beside(env, leg).await?,
        _ => Vec::new(),
    };
    // A reference says nothing of who referred.
    let beside: Vec<String> = beside
        .iter()
        .map(|other| other.reference.to_string())
        .collect();
    let person = match &leg {
        Some(leg) => {
            let at = format!("held show {number}");
            identify.person(app, leg, &at).await?
        }
        None if identify.asked() => anyhow::bail!("hold {number} is about nobody in particular"),
        None => serde_json::Value::Null,
    };
    let mut shown = json!({
        "open_beside": beside,
        "number": hold.number, "open": hold.open, "reason": hold.reason.code(), "what": hold.reason.practice_words(), "owner": hold.reason.owner().code(),
        "stage": Stage::from_number(hold.stage).map_or("", Stage::code), "reference": leg.map(|leg| leg.reference.to_string()), "partner": partner,
        "return": if hold.return_id == 0 { None } else { Some(hold.return_id) }, "row": if hold.row == 0 { None } else { Some(hold.row) },
        "since": Instant(hold.since).utc_text(),
    });
    if identify.asked() {
        shown["person"] = person;
    }
    Ok(serde_json::to_string_pretty(&shown)?)
}

/// The hold, if it is open and this owner may settle it.
async fn mine(app: &App, number: i64, who: &Who) -> anyhow::Result<HeldRow> {
    let hold = one(app, number).await?;
    if !hold.open {
        anyhow::bail!("hold {number} was settled meanwhile; nothing was changed");
    }
    known(
        "owner",
        &who.owner,
        Owner::ALL.iter().map(|owner| owner.code()),
    )?;
    let owner = hold.reason.owner();
    if owner.code() != who.owner {
        anyhow::bail!(
            "hold {number} ({}) is for {} to settle: use --as {} if you act for them",
            hold.reason.code(),
            owner.code(),
            owner.code()
        );
    }
    if who.by.trim().is_empty() || who.because.trim().is_empty() {
        anyhow::bail!("--by and --because must say something");
    }
    Ok(hold)
}

/// Writes who decided what into the ledger, and why under seal.
async fn sign(app: &App, hold: &HeldRow, who: &Who, act: &str) -> anyhow::Result<Batch> {
    let env = app.env();
    let strand = if hold.source > 0 {
        hold.source
    } else {
        env.strand
    };
    let id = env.ids.take(&*env.store, env.strand, 1).await?.next();
    let mut stream = env.stream();
    let spot = crate::seal::Spot {
        column: "note.sealed",
        row: id,
        holder: env.key_id,
    };
    let mut batch = Batch::new(strand, env.now());
    batch.notes.push((
        id,
        env.key_id,
        env.key.seal(spot, stream.bytes(), who.because.as_bytes()),
    ));
    let tail = format!(
        "{},{},{},{id}",
        json!(act),
        json!(who.by.trim()),
        json!(who.owner)
    );
    batch.push(Entry::plain(Kind::Signed, hold.number, tail));
    Ok(batch)
}

async fn release(app: &App, number: i64, who: &Who, said: Said) -> anyhow::Result<()> {
    let hold = mine(app, number, who).await?;
    let env = app.env();
    if hold.return_id > 0 {
        anyhow::bail!(
            "hold {number} is about a row of a return: ask the partner for a corrected sheet, or reject it"
        );
    }
    let leg = env.store.legs(vec![hold.leg]).await?.pop();
    // A question that came up after sending: its owner has looked, and nothing is decided again.
    let asked = [Stage::Pull, Stage::Select, Stage::Map].map(Stage::number);
    let settles = |leg: &Leg| leg.now.state != LegState::Held && asked.contains(&hold.stage);
    if leg.as_ref().is_some_and(settles) && said.partner.is_none() {
        let mut batch = sign(app, &hold, who, "release").await?;
        batch.released.push(number);
        env.store.commit(batch).await?;
        emit(format_args!("Hold {number} is settled.\n"))?;
        return Ok(());
    }
    let Some(leg) = leg.filter(|leg| leg.now.state == LegState::Held) else {
        anyhow::bail!("hold {number} cannot be released: its referral no longer waits")
    };
    let act = if said.partner.is_some() {
        "assign"
    } else {
        "release"
    };
    env.store.commit(sign(app, &hold, who, act).await?).await?;
    let reference = leg.reference;
    let said = match redecide(env, leg, said).await? {
        Verdict::Routed => format!("{reference} goes to its partner with the next drop."),
        Verdict::Held(reason) => format!(
            "{reference} still waits: {} ({}, for {}).",
            reason.practice_words(),
            reason.code(),
            reason.owner().code()
        ),
        Verdict::Closed(reason) => format!("{reference} has ended: {}.", reason.practice_words()),
        Verdict::Gone => format!("{reference} can no longer be read."),
    };
    emit(format_args!("{said}\n"))?;
    Ok(())
}

/// Legs that are open with the partner that this one waits for.
async fn beside(
    env: &std::sync::Arc<crate::pipeline::env::Env>,
    leg: &Leg,
) -> anyhow::Result<Vec<Leg>> {
    let mut open = open_beside(env, leg).await?;
    open.retain(|other| other.now.partner == leg.now.partner);
    Ok(open)
}

async fn join(app: &App, number: i64, reference: &str, who: &Who) -> anyhow::Result<()> {
    let hold = mine(app, number, who).await?;
    let env = app.env();
    let leg = env.store.legs(vec![hold.leg]).await?.pop();
    let waits = |leg: &Leg| leg.now.state == LegState::Held && hold.reason == Reason::AlreadyOpen;
    let Some(leg) = leg.filter(waits) else {
        anyhow::bail!("hold {number} is not about a referral that is already open: nothing to join")
    };
    let wanted = leg_of(app, reference).await?;
    let open = beside(env, &leg).await?;
    let Some(other) = open.iter().find(|other| other.id == wanted.id) else {
        anyhow::bail!(
            "{} is not open with this partner for the same person",
            wanted.reference
        )
    };
    let mut batch = sign(app, &hold, who, "join").await?;
    batch.released.push(number);
    let after = Standing {
        state: LegState::Cancelled,
        why: Some(Reason::Joined),
        pending: 0,
        ..leg.now
    };
    let (joined, id) = (leg.reference, leg.id);
    let seed = LegSeed::Known(Box::new(leg));
    let attached = other.id.to_string();
    batch.push(Entry::leg(Kind::Settled, id, seed, after, attached));
    env.store.commit(batch).await?;
    emit(format_args!(
        "{joined} is joined to {}; nothing is sent.\n",
        other.reference
    ))?;
    Ok(())
}

async fn reject(app: &App, number: i64, who: &Who) -> anyhow::Result<()> {
    let hold = mine(app, number, who).await?;
    let env = app.env();
    let mut batch = sign(app, &hold, who, "reject").await?;
    batch.released.push(number);
    let leg = env
        .store
        .legs(vec![hold.leg])
        .await?
        .pop()
        .filter(|leg| leg.now.state == LegState::Held && hold.return_id == 0);
    if let Some(leg) = leg {
        let after = Standing {
            state: LegState::Cancelled,
            why: Some(Reason::RejectedByOwner),
            pending: 0,
            ..leg.now
        };
        batch.push(Entry::leg(
            Kind::Settled,
            leg.id,
            LegSeed::Known(Box::new(leg)),
            after,
            "",
        ));
    }
    env.store.commit(batch).await?;
    emit(format_args!("Hold {number} is settled.\n"))?;
    Ok(())
}
