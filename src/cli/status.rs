//! `kith status`: what ran, what waits, who must act.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{DONE, Global, WAITS, counted, emit, emit_json};
use crate::actions::matters::{self, Matter, Urgency};
use crate::actions::summary::{self, CertificateLine, InstallationStatus, Summary};
use crate::diagnostics::Refused;
use crate::domain::Reason;

/// Exit codes of monitoring plugins: the other three are as for every command.
const UNKNOWN: u8 = 3;

/// What ran, what waits, who must act; the first line says whether anybody needs to get up
#[derive(clap::Args)]
#[command(after_help = "Example: kith status --oneline")]
pub(super) struct Args {
    /// Look as of this instant
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<String>,
    /// Print JSON
    #[arg(long, conflicts_with = "oneline")]
    json: bool,
    /// One line for monitoring; exit 0, 1, 2, 3 = OK, WARNING, CRITICAL, UNKNOWN
    #[arg(long)]
    oneline: bool,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    match look(global, args).await {
        Ok(code) => Ok(code),
        Err(error) if args.oneline => {
            emit(format_args!("UNKNOWN - {}\n", unseen(&error)))?;
            super::report_failure(&error);
            Ok(UNKNOWN)
        }
        Err(error) => {
            // Nothing else is known, and the first line says so.
            if !args.json {
                emit(format_args!("{}\n", unseen(&error)))?;
            }
            Err(error)
        }
    }
}

async fn look(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let app = global.open_for_reading(args.as_of.as_deref()).await?;
    let summary = summary::of_status(app.env()).await?;
    super::print_diagnostics(&app.env().doubts);
    super::print_diagnostics(&app.env().broken);
    let matters = matters::of(app.env()).await?;
    let first_line = matters::first_line(&matters);
    let mut code = if matters.is_empty() { DONE } else { WAITS };
    if args.oneline {
        let urgent = matters.iter().any(|matter| matter.urgency == Urgency::Now);
        let word = match (code, urgent) {
            (DONE, _) => "OK",
            (_, false) => "WARNING",
            (_, true) => "CRITICAL",
        };
        code += u8::from(urgent);
        emit(format_args!("{word} - {first_line}\n"))?;
    } else if args.json {
        emit_json(&InstallationStatus {
            summary,
            first_line,
            matters: matters.iter().map(Matter::line).collect(),
        })?;
    } else {
        let all = all_matters(&matters);
        emit(format_args!("{first_line}\n\n{all}{}", text(&summary)))?;
        for line in summary::under_way(app.env()).await? {
            emit(format_args!("{line}\n"))?;
        }
    }
    app.close().await;
    Ok(code)
}

/// The first line where the installation cannot be opened.
fn unseen(error: &anyhow::Error) -> String {
    let refused = error.downcast_ref::<Refused>();
    let problems = refused.map_or(&[][..], |refused| &refused.0);
    let fatal = problems.iter().find(|problem| problem.fatal());
    match fatal.or(problems.first()) {
        Some(problem) => format!(
            "Needs somebody now: Kith cannot look, {} ({}): kith explain {}",
            problem.what(),
            problem.place().text(),
            problem.code().text()
        ),
        None => format!("Needs somebody now: Kith cannot look, {error}: kith check"),
    }
}

/// Every matter with its command, where there is more than the first line says.
fn all_matters(matters: &[Matter]) -> String {
    if matters.len() < 2 {
        return String::new();
    }
    let line = |matter: &Matter| {
        let (urgency, owner) = (matter.urgency.code(), matter.owner.code());
        format!(
            "  {urgency:<6}{owner:<9} {}\n                 {}\n",
            matter.what, matter.command
        )
    };
    let lines: String = matters.iter().map(line).collect();
    format!("  when  whose     what, and what to run\n{lines}\n")
}

/// The summary for people.
pub(super) fn text(summary: &Summary) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ignored = write_text(&mut out, summary);
    out
}

fn write_text(out: &mut String, summary: &Summary) -> std::fmt::Result {
    writeln!(out, "As of {}", summary.as_of)?;
    for line in &summary.certificates {
        let except = line
            .except
            .as_ref()
            .map_or_else(String::new, |except| format!(" {except}"));
        writeln!(
            out,
            "  pull of {}: {}{except}{}",
            line.source,
            line.verdict,
            seen(line)
        )?;
    }
    write_rooms(out, summary)?;
    write_legs(out, summary)?;
    write_waiting(out, summary)?;
    for line in &summary.approvals {
        write!(out, "\n  {}", line.text())?;
    }
    Ok(())
}

/// The window of a pull, what came, and what is odd about it.
fn seen(line: &CertificateLine) -> String {
    let window = match (&line.window.from, &line.window.to) {
        (Some(from), Some(to)) => format!(", {from} to {to}"),
        (None, Some(to)) => format!(", everything to {to}"),
        _ => String::new(),
    };
    let number = |key: &str| {
        let value = line.evidence.get(key);
        value.and_then(serde_json::Value::as_u64).unwrap_or(0)
    };
    let mut seen = format!("{window}, {} requests", number("requests"));
    if let Some(at) = line
        .evidence
        .pointer("/sweep/at")
        .and_then(|at| at.as_str())
    {
        let unseen = line.evidence.pointer("/sweep/unseen");
        let unseen = unseen.and_then(serde_json::Value::as_u64).unwrap_or(0);
        let day = at.split('T').next().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ignored = write!(seen, ", swept {day}, {unseen} unseen");
    }
    if number("missing_usual") > 0 {
        seen.push_str(", QUIET: no new referral for unusually long");
    }
    seen
}

/// What each room did in the last run.
fn write_rooms(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let mut rooms: BTreeMap<usize, (&str, [u64; 5])> = BTreeMap::new();
    for book in &summary.books {
        let place = crate::domain::Stage::ALL
            .iter()
            .position(|stage| stage.code() == book.stage)
            .unwrap_or(8);
        let room = rooms.entry(place).or_insert((&book.stage, [0; 5]));
        for (sum, n) in room.1.iter_mut().zip([
            book.received,
            book.accepted,
            book.repeated,
            book.rejected,
            book.held,
        ]) {
            *sum += n;
        }
    }
    if !rooms.is_empty() {
        writeln!(
            out,
            "\n  room        received  accepted  repeated  rejected      held"
        )?;
    }
    for (room, [received, accepted, repeated, rejected, held]) in rooms.values() {
        writeln!(
            out,
            "  {room:<10}{received:>10}{accepted:>10}{repeated:>10}{rejected:>10}{held:>10}"
        )?;
    }
    Ok(())
}

/// How many legs stand where, and what went to whom.
fn write_legs(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let legs = if summary.legs.is_empty() {
        "none".to_owned()
    } else {
        counted(&summary.legs)
    };
    writeln!(out, "\n  legs: {legs}")?;
    for partner in &summary.partners {
        let rows = counted(partner.rows.iter().filter(|(_, n)| **n > 0));
        if !rows.is_empty() {
            let file = partner.last_file.as_deref().unwrap_or("no file");
            writeln!(out, "  {}: {rows} ({file})", partner.id)?;
        }
    }
    Ok(())
}

/// Who must act.
fn write_waiting(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let mut waiting: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for hold in &summary.held {
        *waiting.entry((&hold.owner, &hold.reason)).or_default() += 1;
    }
    if waiting.is_empty() {
        return writeln!(out, "\n  No question waits.");
    }
    writeln!(out, "\n  Waiting (kith held list):")?;
    for ((owner, reason), n) in waiting {
        let words = Reason::from_code(reason).map_or("", Reason::practice_words);
        writeln!(out, "  {n:>5}  {owner:<9} {reason}: {words}")?;
    }
    Ok(())
}
