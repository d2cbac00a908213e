//! `kith check`: config and every mapping, all problems at once.

use serde_json::json;

use super::{DONE, FAILED, Global, emit, emit_json, print_diagnostics};
use crate::actions::approvals::ApprovalLine;
use crate::actions::check_examples;
use crate::actions::preflight::{self, Line};
use crate::config::Config;
use crate::diagnostics::{Code, Diagnostic, Place, Refused};
use crate::domain::Clock;
use crate::domain::clock::SystemClock;
use crate::partner::disclosure::{DisclosingPart, Disclosure, disclosed_elements, disclosures};
use crate::partner::{Partner, Rules};

/// Check config and every mapping: all problems at once, with file, line and column
#[derive(clap::Args)]
pub(super) struct Args {
    /// Also reach every GP system
    #[arg(long)]
    online: bool,
    /// Also map each partner's own examples, mappings/partners/ID.examples/NAME.ndjson, and compare them with NAME.csv
    #[arg(long)]
    fixtures: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let file = global.config_file();
    let Ok((config, rules, mut problems)) = crate::app::load(&file) else {
        return refused(&crate::app::all_problems(&file), args.json);
    };
    problems.extend(config.check_places());
    problems.extend(config.check_placeholders());
    problems.extend(nobody(&config, &rules));
    problems.extend(config.sources.iter().flat_map(preflight::check_secrets));
    problems.extend(rules.partners.iter().filter_map(ended));
    super::warn_of_root();
    let approvals = match crate::app::approvals_of(&config, &rules).await {
        Ok(lines) => lines,
        Err(Refused(found)) => {
            problems.extend(found);
            Vec::new()
        }
    };
    problems.extend(approvals.iter().map(ApprovalLine::diagnostic));
    let examples = args
        .fixtures
        .then(|| check_examples::check(&config, &rules));
    if let Some(examples) = &examples {
        problems.extend(examples.problems.iter().cloned());
    }
    let refused = problems.iter().any(|problem| config.refuses(problem));
    let online = if args.online && !refused {
        preflight::check(&config, &rules, &super::system_entropy()?).await
    } else {
        Vec::new()
    };
    let fault = online.iter().any(|line| line.state() == "fault");
    if args.json {
        let partners: Vec<_> = rules
            .partners
            .iter()
            .map(|partner| sees(&rules, partner))
            .collect();
        let online: Vec<_> = online.iter().map(line_json).collect();
        let counts =
            examples.map(|examples| json!({"files": examples.files, "rows": examples.rows}));
        let all = json!({"ok": !refused, "problems": to_json(&problems), "partners": partners, "online": online, "examples": counts, "approvals": approvals});
        emit_json(&all)?;
    } else {
        print_all(&config, &rules, &problems, &online)?;
        for line in &approvals {
            emit(format_args!("{}", line.text()))?;
        }
        if let Some(examples) = &examples {
            let (files, rows) = (examples.files, examples.rows);
            emit(format_args!("{files} example files, {rows} rows\n"))?;
        }
    }
    Ok(if refused {
        FAILED
    } else if fault {
        super::WAITS
    } else {
        DONE
    })
}

/// What is said where config or mappings cannot be used.
fn refused(problems: &[Diagnostic], as_json: bool) -> anyhow::Result<u8> {
    if as_json {
        emit_json(&json!({"ok": false, "problems": to_json(problems)}))?;
    } else {
        print_diagnostics(problems);
    }
    Ok(FAILED)
}

/// An installation that can send nothing to anybody.
fn nobody(config: &Config, rules: &Rules) -> Option<Diagnostic> {
    let (what, folder) = match (config.sources.len(), rules.partners.len()) {
        (0, _) => (
            "there is no source: nothing is ever read",
            config.file.display(),
        ),
        (_, 0) => (
            "there is no partner: nobody is ever sent anywhere",
            config.mappings.display(),
        ),
        _ => return None,
    };
    let fix = if config.sources.is_empty() {
        "Add a [[source]] to the config."
    } else {
        "Draft a partner file: kith partner new ID --from SHEET"
    };
    Some(Diagnostic::new(Code::NeverApplies, what, Place::detail(folder.to_string())).fix(fix))
}

/// An agreement whose last day has passed.
fn ended(partner: &Partner) -> Option<Diagnostic> {
    let today = Clock::now(&SystemClock).london_day();
    let last = partner.share.expires_on.filter(|last| *last < today)?;
    let what = format!("the agreement with partner {} ended on {last}", partner.id);
    Some(Diagnostic::new(
        Code::AgreementEnded,
        what,
        partner.places.expires_on.clone(),
    ))
}

/// The same for people.
fn print_all(
    config: &Config,
    rules: &Rules,
    problems: &[Diagnostic],
    online: &[Line],
) -> anyhow::Result<()> {
    print_diagnostics(problems);
    emit(format_args!("{}", config.describe()))?;
    for partner in &rules.partners {
        emit(format_args!(
            "{} ({}) may see: {}  — basis: {}\n",
            partner.id,
            partner.name,
            partner.share.fields.join(", "),
            partner.share.basis
        ))?;
        for part in disclosures(partner, &rules.vocabulary.fields) {
            emit(format_args!("{}", part_text(&part)))?;
        }
    }
    for line in online {
        emit(format_args!("{}", line_text(line)))?;
    }
    emit(format_args!(
        "{} partners, {} problems\n",
        rules.partners.len(),
        problems.len()
    ))?;
    Ok(())
}

fn to_json(problems: &[Diagnostic]) -> Vec<serde_json::Value> {
    problems.iter().map(Diagnostic::to_json).collect()
}

/// What a partner can ever be sent, and on which ground.
fn sees(rules: &Rules, partner: &Partner) -> serde_json::Value {
    let parts = disclosures(partner, &rules.vocabulary.fields);
    let of = |part: DisclosingPart, name: &str| -> Vec<_> {
        let wanted = parts.iter().filter(|seen| seen.part == part);
        wanted.map(|seen| part_json(seen, name)).collect()
    };
    json!({"id": partner.id, "name": partner.name, "share": partner.share.fields, "basis": partner.share.basis,
        "expires_on": partner.share.expires_on.map(|day| day.to_string()), "elements": disclosed_elements(&parts),
        "columns": of(DisclosingPart::Column, "header"), "criteria": of(DisclosingPart::Criterion, "key"), "file_name": of(DisclosingPart::FileName, "pattern").pop()})
}

fn part_json(seen: &Disclosure<'_>, name: &str) -> serde_json::Value {
    let reads: Vec<&str> = seen.elements.all().collect();
    json!({name: seen.name, "field": seen.field, "class": seen.class.code(), "share": seen.share,
        "shows": seen.elements.shows, "chosen_by": seen.elements.chosen_by, "reads": reads})
}

/// One column, criterion or file name: what it shows, and in brackets what only decides which.
fn part_text(seen: &Disclosure<'_>) -> String {
    let shows = if seen.elements.shows.is_empty() {
        "nothing of the record".to_owned()
    } else {
        seen.elements.shows.join(", ")
    };
    let chosen_by = if seen.elements.chosen_by.is_empty() {
        String::new()
    } else {
        format!(" (chosen by {})", seen.elements.chosen_by.join(", "))
    };
    let share = seen
        .share
        .map_or_else(String::new, |entry| format!(", shared as {entry}"));
    let part = seen.part.words();
    let class = seen.class.code();
    format!(
        "  {part:<10}\"{}\" [{class}{share}]: {shows}{chosen_by}\n",
        seen.name
    )
}

/// One thing that was looked at on line, and below it where it is and how to put it right.
fn line_text(line: &Line) -> String {
    let (source, check, state) = (&line.source, line.check, line.state());
    let first = format!("{source:<14}{check:<13}{state:<9}{}\n", line.what);
    let Some(wrong) = &line.wrong else {
        return first;
    };
    let (owner, fix) = wrong.owner_and_fix();
    let below = [
        ("code", wrong.code().text().to_owned()),
        ("where", wrong.place().text()),
        ("owner", owner),
        ("fix", fix),
    ];
    let lines = below.map(|(name, text)| format!("  {name:<8}{text}\n"));
    first + &lines.concat()
}

fn line_json(line: &Line) -> serde_json::Value {
    let mut shown = json!({"source": line.source, "check": line.check, "state": line.state(),
        "ok": line.state() != "fault", "what": line.what});
    if let Some(wrong) = &line.wrong {
        let problem = wrong.to_json();
        for key in ["code", "where", "owner", "fix"] {
            shown[key] = problem[key].clone();
        }
    }
    shown
}
