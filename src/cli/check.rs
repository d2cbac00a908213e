//! `kith check`: config and every mapping, all problems at once.

use serde_json::json;

use super::{DONE, FAILED, Global, emit, print_diagnostics};
use crate::app::Refused;
use crate::app::online::{self, Line};
use crate::config::Config;
use crate::diagnostics::Diagnostic;
use crate::partner::Rules;
use crate::pipeline::gp;

/// Check config and every mapping: all problems at once, with file, line and column
#[derive(clap::Args)]
pub(super) struct Args {
    /// Also reach every GP system
    #[arg(long)]
    online: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    let (config, rules, problems) = match crate::app::load(&global.config_file()) {
        Ok((config, rules, mut warnings)) => {
            warnings.extend(config.check_places());
            warnings.extend(config.sources.iter().flat_map(gp::check_secrets));
            (config, rules, warnings)
        }
        Err(Refused(problems)) => {
            if args.json {
                let all = json!({"ok": false, "problems": to_json(&problems)});
                emit(format_args!("{}\n", serde_json::to_string_pretty(&all)?))?;
            } else {
                print_diagnostics(&problems);
            }
            return Ok(FAILED);
        }
    };
    let refused = problems.iter().any(|problem| config.refuses(problem));
    let online = if args.online && !refused {
        online::check(&config, &rules, &super::system_entropy()?).await
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
        let all = json!({"ok": !refused, "problems": to_json(&problems), "partners": partners, "online": online});
        emit(format_args!("{}\n", serde_json::to_string_pretty(&all)?))?;
    } else {
        print_all(&config, &rules, &problems, &online)?;
    }
    Ok(if refused {
        FAILED
    } else if fault {
        super::WAITS
    } else {
        DONE
    })
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
fn sees(rules: &Rules, partner: &crate::partner::Partner) -> serde_json::Value {
    let columns: Vec<_> = partner
        .deliver
        .columns
        .iter()
        .map(|column| {
            let field = column.field().map(|field| rules.fields.field(field));
            json!({"header": column.header, "field": field.map(|field| &field.name), "reads": field.map(|field| &field.reads)})
        })
        .collect();
    json!({"id": partner.id, "share": partner.share.fields, "basis": partner.share.basis, "columns": columns})
}

/// One thing that was looked at on line, and below it where it is and how to put it right.
fn line_text(line: &Line) -> String {
    let (source, check, state) = (&line.source, line.check, line.state());
    let first = format!("{source:<14}{check:<13}{state:<9}{}\n", line.what);
    let Some(wrong) = &line.wrong else {
        return first;
    };
    let (owner, fix) = wrong.code().fix();
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
