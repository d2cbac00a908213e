//! `kith map`: FHIR in, a partner's file out, without any state.
//!
//! Maps what it is given (coded, active, resolvable) without routing or identity checks; references are derived from the
//! referral's id, for preview only.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{DONE, Global, WAITS, known};
use crate::config::{Config, ORDERS};
use crate::diagnostics::{Code, Diagnostic};
use crate::domain::{Action, Disposition, LegReference, LegState, Reason};
use crate::fhir::service_request;
use crate::partner::{Partner, Rules, SourceFacts};
use crate::path::Json;
use crate::pipeline::dossier::{Dossier, Setting};
use crate::pipeline::select::{Decision, Holds, SourceRules, Unnamed, criteria, preview};
use crate::pipeline::{Folder, map};
use crate::seal::{Digest, sha256};
use crate::tabular::{RowWriter, write_atomically};

/// FHIR in, a partner's file out, without any state
#[derive(clap::Args)]
pub(super) struct Args {
    /// The partner whose layout is used
    #[arg(long, value_name = "ID", required_unless_present = "view")]
    partner: Option<String>,
    /// A SQL on FHIR view whose columns are used, instead of a partner's
    #[arg(long, value_name = "VIEW.json", conflicts_with_all = ["partner", "select", "diagnostics"])]
    view: Option<PathBuf>,
    /// A file or folder of FHIR R4: .json, .ndjson, and .gz of both
    #[arg(long, value_name = "FILE|DIR")]
    input: PathBuf,
    /// Where to write; - is standard output
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    output: String,
    /// Also apply the partner's referral criteria
    #[arg(long)]
    select: bool,
    /// Where to write what was not mapped, one JSON object a line
    #[arg(long, value_name = "FILE")]
    diagnostics: Option<PathBuf>,
}

/// What was left out, for people and for scripts.
#[derive(Default)]
struct LeftOut {
    lines: Vec<serde_json::Value>,
    reasons: BTreeMap<Reason, u64>,
    problems: Vec<Diagnostic>,
}

pub(super) fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    if let Some(view) = &args.view {
        return super::map_view::run(view, &args.input, &args.output);
    }
    let wanted = args.partner.as_deref().unwrap_or_default();
    let (config, rules, _) = crate::app::load(&global.config_file())?;
    known(
        "partner",
        wanted,
        rules.partners.iter().map(|partner| partner.id.as_str()),
    )?;
    let partner = rules
        .partner(wanted)
        .ok_or_else(|| anyhow::anyhow!("there is no partner \"{wanted}\""))?;
    if !args.input.exists() {
        anyhow::bail!("{} does not exist", args.input.display());
    }
    let folder = Folder::open(&args.input, &config.home.join("var/tmp"))?;
    let mut left_out = LeftOut::default();
    left_out.problems.extend_from_slice(folder.diagnostics());
    left_out
        .lines
        .extend(folder.diagnostics().iter().map(Diagnostic::to_json));
    let bytes = rows(
        &config,
        &rules,
        partner,
        &folder,
        args.select,
        &mut left_out,
    )?;
    if args.output == "-" {
        std::io::stdout().lock().write_all(&bytes)?;
    } else {
        write_atomically(Path::new(&args.output), &bytes, 0o640)?;
    }
    tell(args, &left_out, folder.others())?;
    Ok(if left_out.lines.is_empty() {
        DONE
    } else {
        WAITS
    })
}

fn rows(
    config: &Config,
    rules: &Rules,
    partner: &Partner,
    folder: &Folder,
    select: bool,
    left_out: &mut LeftOut,
) -> anyhow::Result<Vec<u8>> {
    let mut writer = RowWriter::new(Vec::new(), partner.deliver.format)?;
    let headers: Vec<&str> = partner
        .deliver
        .columns
        .iter()
        .map(|column| column.header.as_str())
        .collect();
    writer.write_row(&headers)?;
    let today = crate::domain::Clock::now(&crate::domain::clock::SystemClock).london_day();
    let source = config.sources.first();
    let facts = source.map_or_else(SourceFacts::default, |source| SourceFacts {
        name: &source.name,
        ods_code: &source.ods_code,
        phone: source.phone.as_deref(),
        safeguarding_phone: None,
    });
    let activity_system = config.activity_system();
    let setting = Setting {
        source: facts,
        today,
        activity_system: &activity_system,
        rules,
    };
    for index in 0..folder.len() {
        let dossier = folder.dossier(index)?;
        let outcome = one(&dossier, partner, setting, select, |cells| {
            writer.write_row(cells)
        });
        match outcome {
            Ok(written) => written?,
            Err((disposition, reason, detail)) => {
                *left_out.reasons.entry(reason).or_default() += 1;
                let place = folder.place(index).and(detail.clone());
                left_out.lines.push(json!({
                    "code": code_of(disposition, reason).text(), "disposition": disposition.code(), "reason": reason.code(), "owner": reason.owner().code(),
                    "what": reason.practice_words(), "detail": detail, "where": place.text(), "file": folder.file(index),
                }));
            }
        }
    }
    Ok(writer.finish()?)
}

/// The page of the manual for what was not mapped.
fn code_of(disposition: Disposition, reason: Reason) -> Code {
    match (disposition, reason) {
        (_, Reason::TooLong) => Code::ColumnTooLong,
        (_, Reason::Unmapped) => Code::ColumnUnmapped,
        (_, Reason::RequiredMissing) => Code::ColumnRequired,
        (_, Reason::Unencodable) => Code::ColumnUnencodable,
        (Disposition::Rejected, _) => Code::RowRejected,
        _ => Code::RowHeld,
    }
}

/// Maps one referral and hands its cells over, or says why not.
fn one<T>(
    dossier: &Dossier,
    partner: &Partner,
    setting: Setting<'_>,
    select: bool,
    write: impl FnOnce(&map::Cells<'_>) -> T,
) -> Result<T, (Disposition, Reason, String)> {
    let plain = |disposition: Disposition, reason: Reason| (disposition, reason, String::new());
    let trees = dossier
        .trees()
        .map_err(|_| plain(Disposition::Rejected, Reason::Unreadable))?;
    let reference = preview_reference(service_request::id(&trees.request).unwrap_or_default());
    let view = trees.view(setting, map::facts(&reference, Action::New, "", 0));
    let source = SourceRules {
        triggers: &setting.rules.social_prescribing,
        own_codes: None,
        intents: &ORDERS.map(str::to_owned),
        restricted_labels: &[],
        unnamed: Unnamed::Hold,
        by_need: false,
        hold_test_people: false,
        shadow: false,
        partner_system: "",
    };
    match preview(&view, &source) {
        Some(Decision::NotOurs) => return Err(plain(Disposition::Rejected, Reason::NotOurs)),
        Some(Decision::Closed(LegState::Cancelled | LegState::EnteredInError, reason)) => {
            return Err(plain(Disposition::Rejected, reason));
        }
        Some(Decision::Held(reason, _)) => return Err(plain(Disposition::Held, reason)),
        _ => {}
    }
    if select {
        let consent: Option<&Json<'_>> = trees.consent();
        if let Some(failed) = criteria(&view, consent, partner, true)
            .into_iter()
            .find(|criterion| criterion.holds != Holds::Yes)
        {
            return Err((
                Disposition::Held,
                failed.reason,
                format!("criterion {}", failed.name),
            ));
        }
    }
    let tokens = |fields: &[&[u8]]| -> Digest { sha256(fields) };
    match map::row(partner, &view, &tokens) {
        Ok(cells) => Ok(write(&cells)),
        Err(problem) => Err((
            Disposition::Held,
            problem.reason,
            format!("column \"{}\": {}", problem.header, problem.detail),
        )),
    }
}

/// A reference derived from the referral's id: the same every time, and good for a preview only.
pub(super) fn preview_reference(id: &str) -> String {
    let digest = sha256(&[b"preview", id.as_bytes()]);
    let mut bits = [0; 8];
    bits.copy_from_slice(&digest[..8]);
    LegReference::from_random(u64::from_be_bytes(bits)).to_string()
}

fn tell(args: &Args, left_out: &LeftOut, others: u64) -> anyhow::Result<()> {
    super::print_diagnostics(&left_out.problems);
    for (reason, n) in &left_out.reasons {
        eprintln!(
            "{n} not mapped, {}: {}",
            reason.code(),
            reason.practice_words()
        );
    }
    if others > 0 {
        eprintln!("{others} resources of other types");
    }
    if let Some(path) = &args.diagnostics {
        let mut bytes = Vec::new();
        for line in &left_out.lines {
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
        }
        write_atomically(path, &bytes, 0o640)?;
    }
    Ok(())
}
