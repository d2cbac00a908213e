//! `kith why`: every criterion of every partner with its verdict, for a referral that went and for one that did not.

use serde_json::json;

use super::trace::leg_of;
use super::{DONE, Global, emit, known};
use crate::domain::Action;
use crate::pipeline::select::{Criterion, Holds, criteria};
use crate::pipeline::{kept, map};

/// Why a referral did or did not go to each partner
#[derive(clap::Args)]
pub(super) struct Args {
    /// The printed reference, K7M3-9QXD-4T2P
    reference: String,
    /// Only this partner
    #[arg(long, value_name = "ID")]
    partner: Option<String>,
    /// Judge as of this instant
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let app = global.open_for_reading(args.as_of.as_deref()).await?;
    let env = app.env();
    if let Some(id) = &args.partner {
        known(
            "partner",
            id,
            env.rules.partners.iter().map(|partner| partner.id.as_str()),
        )?;
    }
    let leg = leg_of(&app, &args.reference).await?;
    let Some(dossier) = kept::dossiers(env, &[leg.now.raws]).await?.pop().flatten() else {
        anyhow::bail!("{} was erased: nothing is left to judge", leg.reference)
    };
    let place = env.source_at(leg.source).ok_or_else(|| {
        anyhow::anyhow!("the source of {} is no longer configured", leg.reference)
    })?;
    let source = &env.sources[place].config;
    let trees = dossier
        .trees()
        .map_err(|_| anyhow::anyhow!("the kept referral cannot be read"))?;
    let reference = leg.reference.to_string();
    let view = trees.view(
        env.setting(source, &env.rules, env.today()),
        map::facts(&reference, Action::New, "", 0),
    );
    let state = leg.now.state.code();
    let why = leg.now.why.map(|why| (why.code(), why.practice_words()));
    let went = env
        .partner_at(leg.now.partner)
        .map(|place| env.rules.partners[place].id.as_str());
    let mut partners = Vec::new();
    for partner in env
        .rules
        .partners
        .iter()
        .filter(|partner| args.partner.as_ref().is_none_or(|id| partner.id == *id))
    {
        let found = criteria(&view, trees.consent(), partner, source.routing.by_need);
        let fits =
            partner.select.enabled && found.iter().all(|criterion| criterion.holds == Holds::Yes);
        if args.json {
            let lines: Vec<_> = found.iter().map(|criterion| json!({"criterion": criterion.name, "asks": criterion.asks, "holds": word(criterion.holds)})).collect();
            partners.push(json!({"partner": partner.id, "enabled": partner.select.enabled, "fits": fits, "named_or_chosen": went == Some(partner.id.as_str()), "criteria": lines}));
            continue;
        }
        print_partner(&partner.id, fits, went == Some(partner.id.as_str()), &found)?;
    }
    if args.json {
        let all = json!({"reference": reference, "state": state, "why": why.map(|why| why.0), "partners": partners});
        emit(format_args!("{}\n", serde_json::to_string_pretty(&all)?))?;
    } else {
        emit(format_args!(
            "{reference} is {state}{}\n",
            why.map_or_else(String::new, |(code, words)| format!(" ({code}: {words})"))
        ))?;
    }
    app.close().await;
    Ok(DONE)
}

fn print_partner(id: &str, fits: bool, chosen: bool, found: &[Criterion]) -> anyhow::Result<()> {
    let mark = if chosen { "  <- named or chosen" } else { "" };
    let verdict = if fits { "fits    " } else { "does not" };
    emit(format_args!("{verdict} {id}{mark}\n"))?;
    for criterion in found {
        emit(format_args!(
            "    {:<11} {:<8} asks: {}\n",
            criterion.name,
            word(criterion.holds),
            criterion.asks
        ))?;
    }
    Ok(())
}

fn word(holds: Holds) -> &'static str {
    match holds {
        Holds::Yes => "yes",
        Holds::No => "no",
        Holds::Unknown => "unknown",
    }
}
