//! `kith check`: config and every mapping, all problems at once.

use serde_json::json;

use super::{DONE, FAILED, Global, emit, print_diagnostics};
use crate::app::Refused;
use crate::config::{Config, PushTo};
use crate::diagnostics::Diagnostic;
use crate::fhir::client::{Client, Settings};
use crate::partner::Rules;

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
    let online = if args.online {
        reach(&config).await
    } else {
        Vec::new()
    };
    let unreached = online.iter().any(|(_, answer)| answer.is_err());
    if args.json {
        let partners: Vec<_> = rules
            .partners
            .iter()
            .map(|partner| sees(&rules, partner))
            .collect();
        let online: Vec<_> = online.iter().map(|(source, answer)| json!({"source": source, "ok": answer.is_ok(), "what": answer.as_ref().unwrap_or_else(|error| error)})).collect();
        let all = json!({"ok": !refused, "problems": to_json(&problems), "partners": partners, "online": online});
        emit(format_args!("{}\n", serde_json::to_string_pretty(&all)?))?;
    } else {
        print_all(&config, &rules, &problems, &online)?;
    }
    Ok(if refused {
        FAILED
    } else if unreached {
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
    online: &[Reached],
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
    for (source, answer) in online {
        emit(format_args!(
            "{source}: {}\n",
            answer.as_ref().unwrap_or_else(|error| error)
        ))?;
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

/// Id of a source, and what its system answered.
type Reached = (String, Result<String, String>);

/// Asks each GP system what it is.
async fn reach(config: &Config) -> Vec<Reached> {
    let mut answers = Vec::new();
    for source in &config.sources {
        let mut urls = Vec::new();
        if let crate::config::Pull::Search { base_url, .. } = &source.pull {
            urls.push(base_url);
        }
        if let PushTo::Fhir { base_url } = &source.push.to
            && !urls.contains(&base_url)
        {
            urls.push(base_url);
        }
        for url in urls {
            let answer = match Client::new(Settings::new(url.as_str())) {
                Ok(client) => match client.capability().await {
                    Ok(capability) if capability.is_r4() => Ok("reached, FHIR R4".to_owned()),
                    Ok(_) => Err("reached, but not FHIR R4 (4.0.x)".to_owned()),
                    Err(error) => Err(error.to_string()),
                },
                Err(error) => Err(error.to_string()),
            };
            answers.push((source.id.clone(), answer));
        }
    }
    answers
}
