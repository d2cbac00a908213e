//! `kith trace`: one referral's whole life, walked back from where it stands.

use serde_json::json;

use super::identify::{self, Identify};
use super::{DONE, Global, emit};
use crate::app::App;
use crate::domain::{EventKind, Instant, LegReference, Stage};
use crate::pipeline::env::Env;
use crate::pipeline::life::Walker;
use crate::store::HeldQuery;
use crate::store::rows::{Leg, PushState};

/// The whole life of one referral
#[derive(clap::Args)]
pub(super) struct Args {
    /// The printed reference, K7M3-9QXD-4T2P
    reference: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    identify: Identify,
}

/// The leg of a reference as people write it.
///
/// # Errors
/// It is none, or nobody's.
pub(super) async fn leg_of(app: &App, text: &str) -> anyhow::Result<Leg> {
    let reference = LegReference::parse(text)
        .map_err(|_| anyhow::anyhow!("\"{text}\" is no reference: it looks like K7M3-9QXD-4T2P"))?;
    let leg = app.env().store.leg_by_reference(reference).await?;
    leg.ok_or_else(|| anyhow::anyhow!("there is no referral {reference}"))
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let app = args.identify.open(global).await?;
    let told = tell(&app, args).await;
    app.close().await;
    told.map(|()| DONE)
}

async fn tell(app: &App, args: &Args) -> anyhow::Result<()> {
    let leg = leg_of(app, &args.reference).await?;
    let person = args.identify.person(app, &leg, "trace").await?;
    let env = app.env();
    let steps = Walker::new(env).turns(&leg).await?;
    let entries = entries(env, &leg).await?;
    let holds = env
        .store
        .held(HeldQuery {
            leg: Some(leg.id),
            number: None,
        })
        .await?;
    let partner = env
        .partner_at(leg.now.partner)
        .map(|place| env.rules.partners[place].name.clone());
    let source = env
        .source_at(leg.source)
        .map(|place| env.sources[place].config.name.clone());
    if args.json {
        let steps: Vec<_> = steps.iter().map(|step| json!({"at": Instant(step.at).utc_text(), "what": step.what, "strand": step.place.strand, "seq": step.place.seq})).collect();
        let held: Vec<_> = holds.iter().map(|hold| json!({"number": hold.number, "reason": hold.reason.code(), "owner": hold.reason.owner().code(), "since": Instant(hold.since).utc_text()})).collect();
        let mut all = json!({"reference": leg.reference.to_string(), "source": source, "partner": partner, "state": leg.now.state.code(), "why": leg.now.why.map(crate::domain::Reason::code), "steps": steps, "entries": entries, "held": held});
        if args.identify.asked() {
            all["person"] = person;
        }
        emit(format_args!("{}\n", serde_json::to_string_pretty(&all)?))?;
    } else {
        emit(format_args!(
            "{}  {}  {}\n",
            leg.reference,
            leg.now.state.code(),
            partner.as_deref().unwrap_or("no partner yet")
        ))?;
        emit(format_args!(
            "from {}\n",
            source
                .as_deref()
                .unwrap_or("a source that is no longer configured")
        ))?;
        identify::print(&person)?;
        for step in &steps {
            emit(format_args!(
                "  {}  {}\n",
                Instant(step.at).london_text(),
                step.what
            ))?;
        }
        for entry in &entries {
            emit(format_args!(
                "  entry {} of {}: {}\n",
                entry["kind"].as_str().unwrap_or_default(),
                entry["on"].as_str().unwrap_or("no day"),
                entry["state"].as_str().unwrap_or_default()
            ))?;
        }
        for hold in &holds {
            emit(format_args!(
                "  waits: hold {} for {}: {}\n",
                hold.number,
                hold.reason.owner().code(),
                hold.reason.practice_words()
            ))?;
        }
    }
    Ok(())
}

/// What came back and how far it is, without any value.
async fn entries(env: &Env, leg: &Leg) -> anyhow::Result<Vec<serde_json::Value>> {
    let rows = env.store.events_of_leg(leg.id).await?;
    let kept = crate::pipeline::intake_lookup::events(env, leg.id).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for (row, kept) in rows.iter().zip(kept) {
        let push = env
            .store
            .pushes_after(row.id - 1, 1)
            .await?
            .into_iter()
            .find(|push| push.event == row.id);
        let kind = EventKind::from_number(row.kind).map_or("", EventKind::code);
        entries.push(json!({"kind": kind, "on": kept.on, "state": push.map_or("kept", |push| PushState::code(push.state)), "room": Stage::Push.code()}));
    }
    Ok(entries)
}
