//! `kith why`: every check of a decision and every criterion of every partner, for referrals that went and for those that did not.
//!
//! In: a reference, a server's id on standard input, a record as the GP system has it, or all there are. Out: stories, for
//! people or as one JSON object a line. Identity is never in them: ages, postcode areas and codes of our own lists are.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::identify::{self, Identify};
use super::{DONE, Global, emit, emit_json};
use crate::actions::explain::{
    self, Decided, Explainer, Explanation, Folder, Holds, LegOutcome, PartnerLines,
};
use crate::actions::history::leg_of;
use crate::app::App;
use crate::domain::{LegId, LegState, Reason};

/// Bytes of an id on standard input.
const ID_BYTES_MAX: u64 = 4_096;

/// Why a referral did or did not go to each partner
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["reference", "all", "request_id_stdin", "input"])))]
pub(super) struct Args {
    /// The printed reference, K7M3-9QXD-4T2P
    reference: Option<String>,
    /// Every referral that has a reference, one JSON object a line; the last line of each source counts those without
    #[arg(long, requires = "json")]
    all: bool,
    /// The GP system's own id of the request, read from standard input
    #[arg(long)]
    request_id_stdin: bool,
    /// Referrals as the GP system has them: also those that were rejected, of which nothing is kept
    #[arg(long, value_name = "FILE|DIR")]
    input: Option<PathBuf>,
    /// The source that they are of, if there is more than one
    #[arg(long, value_name = "ID")]
    source: Option<String>,
    /// Only this partner
    #[arg(long, value_name = "ID")]
    partner: Option<String>,
    /// Decide again as of this instant, with the newest records, instead of as it was decided
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    identify: Identify,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let app = if args.identify.asked() {
        if args.reference.is_none() || args.as_of.is_some() {
            anyhow::bail!(
                "--identify takes one reference, and not --as-of: one record at a time, as it is now"
            );
        }
        args.identify.open(global).await?
    } else {
        global.open_for_reading(args.as_of.as_deref()).await?
    };
    if let Some(id) = &args.partner {
        super::partner_of(&app.env().rules, id)?;
    }
    let ended = tell(&app, args).await;
    app.close().await;
    ended.map(|()| DONE)
}

async fn tell(app: &App, args: &Args) -> anyhow::Result<()> {
    let env = app.env();
    let mut teller = Explainer::new(env);
    let again = args.as_of.is_some();
    if let Some(input) = &args.input {
        return brought(app, args, &mut teller, input).await;
    }
    if args.all {
        return all(app, args, &mut teller).await;
    }
    let leg = if args.request_id_stdin {
        let id = id_of(std::io::stdin()).context("reading standard input")?;
        explain::leg_of_request(env, source(app, args)?, id.trim()).await?
    } else {
        leg_of(env, args.reference.as_deref().unwrap_or_default()).await?
    };
    let story = teller.leg(&leg, again).await?;
    if story.decided.is_none() {
        anyhow::bail!(
            "{} was erased or its source is no longer configured: nothing is left to judge",
            leg.reference
        );
    }
    let person = args.identify.person(app, leg.reference, "why").await?;
    if args.json {
        let mut shown = in_json(&story, None, args.partner.as_deref());
        if args.identify.asked() {
            shown["person"] = person;
        }
        emit_json(&shown)
    } else {
        identify::print(&person)?;
        print(&story, None, args.partner.as_deref())
    }
}

/// Every leg of the source, or of all; then what has no leg, counted.
async fn all(app: &App, args: &Args, teller: &mut Explainer<'_>) -> anyhow::Result<()> {
    let env = app.env();
    if let Some(id) = &args.source {
        super::source_of(app, id)?;
    }
    let wanted = |id: &str| args.source.as_deref().is_none_or(|wanted| wanted == id);
    let mut after = LegId::NONE;
    loop {
        let page = teller.page(after, args.as_of.is_some()).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, story) in page.iter().filter(|(_, story)| wanted(&story.source)) {
            let shown = in_json(story, None, args.partner.as_deref());
            emit(format_args!("{shown}\n"))?;
        }
    }
    for (source, counts) in explain::without_reference(env).await? {
        if wanted(&source) {
            let counted: serde_json::Map<String, Value> = counts
                .into_iter()
                .map(|(reason, count)| (reason.code().to_owned(), json!(count)))
                .collect();
            let line = json!({"source": source, "without_reference": counted});
            emit(format_args!("{line}\n"))?;
        }
    }
    Ok(())
}

/// Referrals as somebody brings them: the story of their leg, else of the decision that these records lead to.
async fn brought(
    app: &App,
    args: &Args,
    teller: &mut Explainer<'_>,
    input: &Path,
) -> anyhow::Result<()> {
    let env = app.env();
    let source = source(app, args)?;
    super::check_input(input)?;
    let folder = Folder::open(input, &env.config.home.join("var/tmp"), &env.config.limits)?;
    super::print_diagnostics(&folder.diagnostics());
    for index in 0..folder.len() {
        let again = args.as_of.is_some();
        let found = teller.of_folder(source, &folder, index, again).await?;
        let Some((place, story)) = found else {
            continue;
        };
        if args.json {
            let shown = in_json(&story, Some(&place), args.partner.as_deref());
            emit(format_args!("{shown}\n"))?;
        } else {
            print(&story, Some(&place), args.partner.as_deref())?;
        }
    }
    Ok(())
}

/// The id on standard input; one that is longer than it may be is refused, for its beginning may be another request's id.
fn id_of(input: impl std::io::Read) -> anyhow::Result<String> {
    let mut id = String::new();
    let read = input.take(ID_BYTES_MAX + 1).read_to_string(&mut id)?;
    if u64::try_from(read)? > ID_BYTES_MAX {
        anyhow::bail!(
            "the id has more than {ID_BYTES_MAX} bytes: give the id of one request, and nothing else"
        );
    }
    Ok(id)
}

/// The source named, else the only one.
fn source(app: &App, args: &Args) -> anyhow::Result<usize> {
    match &args.source {
        Some(id) => super::source_of(app, id),
        None if app.env().sources.len() == 1 => Ok(0),
        None => anyhow::bail!("there is more than one source: say which with --source"),
    }
}

fn fate(fate: &LegOutcome) -> Value {
    json!({"state": fate.state, "reason": fate.reason.map(Reason::code), "partner": fate.partner})
}

fn in_json(story: &Explanation, place: Option<&str>, partner: Option<&str>) -> Value {
    let life: Vec<Value> = story
        .life
        .iter()
        .map(|(at, what)| json!({"at": at.utc_text(), "what": what}))
        .collect();
    let waits: Vec<Value> = story.waits.iter().map(|(number, reason, owner)| json!({"number": number.number(), "reason": reason.code(), "owner": owner.code()})).collect();
    let decided = story.decided.as_ref();
    let mut shown = json!({
        "reference": story.reference, "source": story.source, "fate": fate(&story.fate),
        "decision": decided.map(decision), "life": life, "waits": waits,
        "partners": decided.map(|decided| partners(decided, partner)),
    });
    if let Some(fields) = shown.as_object_mut() {
        if let Some(place) = place {
            fields.insert("where".to_owned(), json!(place));
        }
        if let Some(before) = story.pulled_before {
            fields.insert("pulled_before".to_owned(), json!(before));
        }
    }
    shown
}

fn decision(decided: &Decided) -> Value {
    let steps: Vec<Value> = decided.steps.iter().map(|step| json!({"check": step.check, "saw": step.saw, "ends": step.ends.map(Reason::code)})).collect();
    json!({
        "at": decided.at.utc_text(), "recorded": decided.recorded.as_ref().map(fate), "again": fate(&decided.again),
        "agrees": agrees(decided), "same_rules": decided.same_rules, "steps": steps,
        "open_with": decided.open_with, "signed": decided.signed,
    })
}

fn agrees(decided: &Decided) -> Option<bool> {
    let recorded = decided.recorded.as_ref()?;
    Some(*recorded == decided.again)
}

fn partners(decided: &Decided, only: Option<&str>) -> Value {
    let of = decided
        .partners
        .iter()
        .filter(|partner| only.is_none_or(|only| partner.id == only));
    of.map(|partner| {
        let lines: Vec<Value> = partner.lines.iter().map(|line| json!({"criterion": line.name, "asks": line.asks, "saw": line.saw, "holds": word(line.holds)})).collect();
        json!({
            "partner": partner.id, "enabled": partner.enabled, "priority": partner.priority, "fits": partner.fits,
            "named_or_chosen": chosen(decided, partner), "criteria": lines,
        })
    })
    .collect()
}

/// Whether the decision was about this partner.
fn chosen(decided: &Decided, partner: &PartnerLines) -> bool {
    let fate = decided.recorded.as_ref().unwrap_or(&decided.again);
    fate.partner.as_deref() == Some(partner.id.as_str())
}

fn print(story: &Explanation, place: Option<&str>, only: Option<&str>) -> anyhow::Result<()> {
    let name = story.reference.as_deref().or(place).unwrap_or_default();
    emit(format_args!("{name} {}.\n", in_words(&story.fate)))?;
    match story.pulled_before {
        Some(true) => emit(format_args!("  This version was pulled before.\n"))?,
        Some(false) => emit(format_args!("  This version was never pulled.\n"))?,
        None => {}
    }
    for (at, what) in &story.life {
        emit(format_args!("  {}  {what}\n", at.london_text()))?;
    }
    for (number, reason, owner) in &story.waits {
        super::emit_hold(*number, *reason, *owner)?;
    }
    let Some(decided) = &story.decided else {
        return Ok(());
    };
    emit(format_args!(
        "\nHow it was decided on {}, check by check:\n",
        decided.at.london_words()
    ))?;
    for step in &decided.steps {
        let end = step
            .ends
            .map_or_else(String::new, |reason| format!("  <- {}", reason.code()));
        emit(format_args!("  {:<21}{}{end}\n", step.check, step.saw))?;
    }
    for act in &decided.signed {
        emit(format_args!("  A person decided: {act}\n"))?;
    }
    if agrees(decided) == Some(false) {
        let recorded = decided.recorded.as_ref().map(in_words).unwrap_or_default();
        let rules = match decided.same_rules {
            Some(false) => "The rules have changed since.",
            _ => "A person, or a change at the practice, decided otherwise.",
        };
        let again = in_words(&decided.again);
        emit(format_args!(
            "  Recorded then: it {recorded}.\n  The same checks say today: it {again}.\n  {rules}\n"
        ))?;
    }
    emit(format_args!("\n"))?;
    decided
        .partners
        .iter()
        .filter(|partner| only.is_none_or(|only| partner.id == only))
        .try_for_each(|partner| print_partner(partner, chosen(decided, partner)))
}

/// Where a referral stands, as the rest of a sentence that begins with it.
fn in_words(fate: &LegOutcome) -> String {
    let named = fate.partner.as_deref();
    let with = |verb: &str, to: &str| match named {
        Some(partner) => format!("{verb} {to} {partner}"),
        None => verb.to_owned(),
    };
    let stands = match LegState::from_code(fate.state) {
        Some(LegState::Received) => "was received and is not decided yet".to_owned(),
        Some(LegState::Held) => with("waits", "before it may go to"),
        Some(LegState::Routed) => with("goes with the next drop", "to"),
        Some(LegState::Sent) => with("was sent", "to"),
        Some(LegState::Delivered) => with("was picked up", "by"),
        Some(LegState::Accepted) => with("was taken on", "by"),
        Some(LegState::Rejected) if named.is_some() => with("could not be taken on", "by"),
        Some(LegState::InProgress) => with("is under way", "with"),
        Some(LegState::OnHold) => with("is paused", "at"),
        Some(LegState::Completed) => with("was completed", "by"),
        Some(LegState::ClosedUnsuccessful) => with("ended early", "at"),
        Some(LegState::Cancelled) => with("has ended, cancelled", "at"),
        Some(LegState::Failed) => with("could not be delivered", "to"),
        Some(LegState::EnteredInError) => with("was entered in error", "for"),
        Some(LegState::Rejected) | None => "was not taken in".to_owned(),
    };
    let why = fate.reason.map_or_else(String::new, |reason| {
        format!(". Why: {} ({})", reason.practice_words(), reason.code())
    });
    format!("{stands}{why}")
}

fn print_partner(partner: &PartnerLines, chosen: bool) -> anyhow::Result<()> {
    let verdict = match (partner.enabled, partner.fits) {
        (false, _) => "is switched off here",
        (true, true) => "fits: every criterion holds",
        (true, false) => "does not fit",
    };
    let mark = if chosen {
        ", and was named or chosen"
    } else {
        ""
    };
    emit(format_args!("Partner {} {verdict}{mark}\n", partner.id))?;
    for line in &partner.lines {
        let verdict = match line.holds {
            Holds::Yes => "holds",
            Holds::No => "does not hold",
            Holds::Unknown => "cannot be known",
        };
        emit(format_args!(
            "    {:<12}{verdict:<16}asks for {}; the record has {}\n",
            line.name, line.asks, line.saw
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits;

    #[test]
    fn an_id_that_is_too_long_is_refused_not_cut() {
        limits::holds_at(ID_BYTES_MAX, |bytes| {
            let id = "x".repeat(usize::try_from(bytes).unwrap());
            match id_of(id.as_bytes()) {
                Ok(read) => read == id,
                Err(error) => {
                    assert!(error.to_string().contains("more than 4096 bytes"));
                    false
                }
            }
        });
    }
}
