//! `kith map`: FHIR in, a partner's file out, without any state.
//!
//! Maps what it is given (coded, active, resolvable) without routing or identity checks; references are derived from the
//! referral's id, for preview only.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{DONE, Global, WAITS};
use crate::actions::compare_partner_files::source_facts;
use crate::actions::map_folder::{Folder, FolderMapping, Missed, Setting, Unreadable, workers};
use crate::config::ORDERS;
use crate::diagnostics::{Code, Diagnostic, KeptDiagnostics};
use crate::domain::{Disposition, Reason, Stage};
use crate::sheet::AtomicFile;

/// Mode of what is written.
const MODE: u32 = 0o640;

/// FHIR in, a partner's file out, without any state
#[derive(clap::Args)]
pub(super) struct Args {
    /// The partner whose layout is used
    #[arg(long, value_name = "ID", required_unless_present = "view")]
    partner: Option<String>,
    /// A SQL on FHIR view whose columns are used, instead of a partner's; the limits of the config count, or where there is no
    /// config what is usual
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
    /// How many cores to use, instead of all there are: for measurements
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u8).range(1..=16))]
    workers: Option<u8>,
}

/// What was left out: counted for people, written out for scripts as it comes.
struct LeftOut {
    reasons: BTreeMap<Reason, u64>,
    problems: KeptDiagnostics,
    lines: u64,
    file: Option<AtomicFile>,
}

impl LeftOut {
    /// What could not even be indexed.
    fn begin(folder: &Folder, file: Option<&Path>, diagnostics_max: usize) -> anyhow::Result<Self> {
        let mut left_out = Self {
            reasons: BTreeMap::new(),
            problems: KeptDiagnostics::at_most(diagnostics_max),
            lines: 0,
            file: file.map(AtomicFile::beside).transpose()?,
        };
        for diagnostic in folder.diagnostics() {
            left_out.add_problem(diagnostic)?;
        }
        Ok(left_out)
    }

    fn add(&mut self, line: &serde_json::Value) -> anyhow::Result<()> {
        self.lines += 1;
        if let Some(file) = &mut self.file {
            serde_json::to_writer(&mut *file, line)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    }

    fn add_problem(&mut self, problem: Diagnostic) -> anyhow::Result<()> {
        self.add(&problem.to_json())?;
        self.problems.add(problem);
        Ok(())
    }

    /// What is not shown is counted all the same.
    fn add_unreadable(&mut self, folder: &Folder, found: Unreadable) -> anyhow::Result<()> {
        if !self.problems.is_full() {
            return self.add_problem(folder.diagnostic(found));
        }
        self.lines += 1;
        self.problems.add_more(1);
        Ok(())
    }

    fn add_missed(&mut self, folder: &Folder, missed: &Missed) -> anyhow::Result<()> {
        let Missed {
            disposition,
            reason,
            detail,
            ..
        } = missed;
        *self.reasons.entry(*reason).or_default() += 1;
        if self.file.is_none() {
            self.lines += 1;
            return Ok(());
        }
        let place = folder.location(missed.index).and(detail.clone());
        self.add(&json!({
            "code": code_of(*disposition, *reason).text(), "disposition": disposition.code(), "reason": reason.code(), "owner": reason.owner_at(Stage::Map).code(),
            "what": reason.practice_words(), "detail": detail, "where": place.text(), "file": folder.file(missed.index),
        }))
    }
}

/// Where the rows go: a file that appears when it is whole, or standard output.
enum Output {
    File(AtomicFile),
    Stdout(std::io::Stdout),
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

pub(super) fn run(global: &Global, args: &Args) -> anyhow::Result<u8> {
    if let Some(view) = &args.view {
        return super::map_view::run(&global.limits()?, view, &args.input, &args.output);
    }
    let wanted = args.partner.as_deref().unwrap_or_default();
    let (config, warnings) = crate::app::load_config(&global.config_file())?;
    let workers = args.workers.map_or_else(workers, usize::from);
    // The mappings are read while the input is.
    let (rules, folder) = std::thread::scope(|scope| {
        let temporary = config.home.join("var/tmp");
        let limits = &config.limits;
        let folder =
            scope.spawn(move || Folder::open_for_map(&args.input, &temporary, workers, limits));
        let rules = crate::app::load_rules(&config, warnings);
        (rules, folder.join())
    });
    let (rules, _) = rules?;
    let partner = super::partner_of(&rules, wanted)?;
    super::check_input(&args.input)?;
    let folder = folder.map_err(|_| anyhow::anyhow!("reading the input failed"))??;
    let mut left_out = LeftOut::begin(
        &folder,
        args.diagnostics.as_deref(),
        config.limits.diagnostics_max,
    )?;
    let mut output = if args.output == "-" {
        Output::Stdout(std::io::stdout())
    } else {
        Output::File(AtomicFile::beside(Path::new(&args.output))?)
    };
    let activity_system = config.activity_system();
    let mapping = FolderMapping {
        partner,
        setting: Setting {
            source: source_facts(&config),
            today: crate::domain::Clock::now(&crate::domain::clock::SystemClock).london_day(),
            activity_system: &activity_system,
            rules: &rules,
        },
        select: args.select,
        intents: &ORDERS.map(str::to_owned),
        workers,
    };
    mapping.map(&folder, |mapped| {
        output.write_all(&mapped.bytes)?;
        for missed in &mapped.missed {
            left_out.add_missed(&folder, missed)?;
        }
        for found in mapped.unreadable {
            left_out.add_unreadable(&folder, found)?;
        }
        Ok(())
    })?;
    match output {
        Output::File(file) => file.finish_unsynced(Path::new(&args.output), MODE)?,
        Output::Stdout(mut stdout) => stdout.flush()?,
    }
    tell(&folder, &left_out);
    if let (Some(path), Some(file)) = (&args.diagnostics, left_out.file) {
        file.finish_unsynced(path, MODE)?;
    }
    Ok(if left_out.lines == 0 { DONE } else { WAITS })
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

fn tell(folder: &Folder, left_out: &LeftOut) {
    super::print_diagnostics(&left_out.problems.all());
    for (reason, n) in &left_out.reasons {
        let (code, words) = (reason.code(), reason.practice_words());
        super::say(None, &format!("{n} not mapped, {code}: {words}"));
    }
    if folder.others() > 0 {
        let said = format!("{} resources of other types", folder.others());
        super::say(None, &said);
    }
}
