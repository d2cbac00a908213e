//! `kith trace`: one referral's whole life, walked back from where it stands.

use serde_json::json;

use super::identify::{self, Identify};
use super::{DONE, Global, emit, emit_json};
use crate::actions::history::{History, history, leg_of};
use crate::app::App;
use crate::domain::{Instant, Reason, Stage};

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

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let app = args.identify.open(global).await?;
    let told = tell(&app, args).await;
    app.close().await;
    told.map(|()| DONE)
}

async fn tell(app: &App, args: &Args) -> anyhow::Result<()> {
    let leg = leg_of(app.env(), &args.reference).await?;
    let person = args.identify.person(app, leg.reference, "trace").await?;
    let History {
        entries,
        reported,
        holds,
        partner,
        source,
    } = history(app.env(), &leg).await?;
    if args.json {
        let steps: Vec<_> = entries.iter().map(|entry| json!({"at": Instant(entry.at).utc_text(), "what": entry.what, "strand": entry.place.strand.number(), "seq": entry.place.seq})).collect();
        let told: Vec<_> = reported.iter().map(|told| json!({"kind": told.kind, "on": told.on.map(|on| on.to_string()), "state": told.state, "room": Stage::Push.code()})).collect();
        let held: Vec<_> = holds.iter().map(|hold| json!({"number": hold.number.number(), "reason": hold.reason.code(), "owner": hold.reason.owner_at(hold.stage).code(), "since": Instant(hold.since).utc_text()})).collect();
        let mut all = json!({"reference": leg.reference.to_string(), "source": source, "partner": partner, "state": leg.now.state.code(), "why": leg.now.why.map(Reason::code), "steps": steps, "entries": told, "held": held});
        if args.identify.asked() {
            all["person"] = person;
        }
        return emit_json(&all);
    }
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
    for entry in &entries {
        let at = Instant(entry.at).london_text();
        emit(format_args!("  {at}  {}\n", entry.what))?;
    }
    for told in &reported {
        let on = told
            .on
            .map_or_else(|| "no day".to_owned(), |on| on.to_string());
        emit(format_args!(
            "  entry {} of {on}: {}\n",
            told.kind, told.state
        ))?;
    }
    for hold in &holds {
        super::emit_hold(hold.number, hold.reason, hold.reason.owner_at(hold.stage))?;
    }
    Ok(())
}
