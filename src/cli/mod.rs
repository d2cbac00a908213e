//! The command line: one file a command. Data goes to standard output, everything else to standard error.
//!
//! Exit codes: 0 done, 1 done but somebody must act, 2 could not run (`product.md` §3).

mod approve;
mod audit;
mod check;
mod demo;
mod evaluate;
mod explain;
mod held;
mod identify;
mod init;
mod map;
mod map_diff;
mod map_view;
mod partner;
mod prove;
mod report;
mod run;
mod sandbox;
mod schema;
mod status;
mod store;
mod trace;
mod undo;
mod void;
mod why;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use clap::{Parser, Subcommand};
use serde_json::json;

use crate::actions::{Actor, known};
use crate::app::{App, Options};
use crate::config::machine;
use crate::daemon::InRun;
use crate::diagnostics::{Code, Diagnostic, Place, Refused, Severity, folded};
use crate::domain::clock::{FixedClock, SystemClock};
use crate::domain::{Clock, Entropy, HoldNumber, Instant, Limits, Owner, Reason};
use crate::partner::{Partner, Rules};
use crate::telemetry::{self, LogFormat};

/// Done.
const DONE: u8 = 0;
/// Done, but somebody must act.
const WAITS: u8 = 1;
/// Could not run.
const FAILED: u8 = 2;
/// Bytes of a why or a name on standard input.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

/// Carries social-prescribing referrals from GP systems to voluntary-sector partners, brings outcomes back, and proves that nothing was lost.
#[derive(Parser)]
#[command(name = "kith", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(clap::Args)]
struct Global {
    /// The config file [default: config/kith.toml, else /etc/kith/kith.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How logs are written to standard error
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// Say more: -v info, -vv debug, -vvv trace
    #[arg(short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say only what is an error
    #[arg(short, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole loop on made-up people: two practices, four partners, returns, report
    Demo(demo::Args),
    /// Make a new installation with safe defaults; refuses to overwrite
    Init(init::Args),
    /// Check config and every mapping: all problems at once, with file, line and column
    Check(check::Args),
    /// Run the rooms on their schedules, or once
    Run(run::Args),
    /// FHIR in, a partner's file out, without any state
    Map(map_diff::Entry),
    /// What ran, what waits, who must act
    Status(status::Args),
    /// The whole life of one referral
    Trace(trace::Args),
    /// Why a referral did or did not go to each partner
    Why(why::Args),
    /// What waits for a person, and how to settle it
    Held(held::Args),
    /// Who has looked at whose record
    Audit(audit::Args),
    /// A partner's file: draft it, print its template and criteria, approve what it widens
    Partner(partner::Args),
    /// Take back what one return told
    Undo(undo::Args),
    /// Take back a drop that was prepared and never left, or say that it left
    Void(void::Args),
    /// Prove the books: balances, chains, seals, files
    Prove(prove::Args),
    /// Write the reconciliation report of a day
    Report(report::Args),
    /// The store: take it into use as it stands
    Store(store::Args),
    /// The manual page of a diagnostic or reason; the field list; the schemas
    Explain(explain::Args),
    /// A made-up GP system on this machine
    Sandbox(sandbox::Args),
    /// Evaluate expressions on resources, one JSON object a line
    #[command(hide = true)]
    Evaluate(evaluate::Args),
}

/// Parses the command line, runs the command, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(not_parsed(&error)),
    };
    let verbosity = if cli.global.quiet {
        -1
    } else {
        i32::from(cli.global.verbose)
    };
    telemetry::start(cli.global.log_format, verbosity);
    forbid_core_dumps();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let what = format!("the runtime cannot start: {}", error.kind());
            say(Some(Severity::Error), &what);
            return ExitCode::from(FAILED);
        }
    };
    let code = match runtime.block_on(dispatch(cli)) {
        Ok(code) => code,
        Err(error) => {
            report_failure(&error);
            FAILED
        }
    };
    // A thread that waits for a disk that never answers is not waited for.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Root may do what no partner, practice or mistake should be able to make Kith do.
fn warn_of_root() {
    if rustix::process::geteuid().is_root() {
        say(
            Some(Severity::Warning),
            "Kith runs as root: give it a user of its own, to whom home, var and the key belong",
        );
    }
}

/// A dump would hold keys and people: none is written, and no other process of the user may look into this one.
fn forbid_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let limited = setrlimit(Resource::Core, none);
    let hidden = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if limited.is_err() && hidden.is_err() {
        say(
            Some(Severity::Warning),
            "core dumps cannot be turned off here: set LimitCORE=0 for the service",
        );
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<u8> {
    let global = cli.global;
    if let Ok(file) = std::path::absolute(global.config_file())
        && let Some(home) = file.parent().and_then(Path::parent)
    {
        HOME.get_or_init(|| home.to_owned());
    }
    match cli.command {
        Command::Demo(args) => demo::run(&global, args).await,
        Command::Init(args) => init::run(&args).await,
        Command::Check(args) => check::run(&global, &args).await,
        Command::Run(args) => run::run(&global, args).await,
        Command::Map(entry) => map_diff::run(&global, entry).await,
        Command::Status(args) => status::run(&global, &args).await,
        Command::Trace(args) => trace::run(&global, &args).await,
        Command::Why(args) => why::run(&global, &args).await,
        Command::Held(args) => held::run(&global, args).await,
        Command::Audit(args) => audit::run(&global, &args).await,
        Command::Partner(args) => partner::run(&global, &args).await,
        Command::Undo(args) => undo::run(&global, &args).await,
        Command::Void(args) => void::run(&global, &args).await,
        Command::Prove(args) => prove::run(&global, &args).await,
        Command::Report(args) => report::run(&global, &args).await,
        Command::Store(args) => store::run(&global, args).await,
        Command::Explain(args) => explain::run(&args),
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Evaluate(args) => evaluate::run(&global, &args),
    }
}

/// Writes data to standard output; a reader that has gone away (`| head`) is no fault.
fn emit(text: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    use std::io::Write as _;
    match std::io::stdout().lock().write_fmt(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The same for scripts: indented JSON.
fn emit_json(shown: &impl serde::Serialize) -> anyhow::Result<()> {
    emit(format_args!("{}\n", serde_json::to_string_pretty(shown)?))
}

/// Prints a command line that cannot be used, or the help that it asked for; gives the exit code.
fn not_parsed(error: &clap::Error) -> u8 {
    let arguments: Vec<_> = std::env::args_os().collect();
    let json = arguments.iter().any(|word| word == "--log-format=json")
        || arguments
            .windows(2)
            .any(|words| words[0] == "--log-format" && words[1] == "json");
    if error.use_stderr() && json {
        telemetry::start(LogFormat::Json, 0);
        say(Some(Severity::Error), &error.to_string());
        return FAILED;
    }
    match error.print() {
        Ok(()) if !error.use_stderr() => DONE,
        _ => FAILED,
    }
}

/// Prints why a command could not run: diagnostics in full, anything else as its chain.
fn report_failure(error: &anyhow::Error) {
    // In which run it was is said by the fields of the log, not by the text.
    let run = error.downcast_ref::<InRun>();
    let _in_run = run.map(|run| run.span().entered());
    if let Some(Refused(problems)) = error.downcast_ref::<Refused>() {
        print_diagnostics(problems);
        return;
    }
    let chain = error.chain().skip(usize::from(run.is_some()));
    let chain: Vec<String> = chain.map(ToString::to_string).collect();
    say(Some(Severity::Error), &chain.join(": "));
}

/// Diagnostics on standard error, each with what, where, owner and fix.
fn print_diagnostics(diagnostics: &[Diagnostic]) {
    for (diagnostic, also) in folded(diagnostics) {
        let mut line = diagnostic.to_json();
        line["level"] = level(Some(diagnostic.code().severity())).into();
        line["message"] = line["what"].clone();
        if also.times > 1 {
            let places = also.places.iter().map(|place| place.text());
            line["also"] = json!(places.collect::<Vec<String>>());
            line["times"] = json!(also.times);
        }
        let excerpt = excerpt(diagnostic.place()).unwrap_or_default();
        telemetry::tell(&diagnostic.render_with(&excerpt, &also), &line);
    }
}

/// Home, as far as the command line names it: what the files of a message are relative to.
static HOME: OnceLock<PathBuf> = OnceLock::new();

/// The line of a file that a problem is about, where the file is one that the site writes itself: every other may hold patient
/// data. Of a line that names a secret nothing in quotes is shown.
fn excerpt(place: &Place) -> Option<String> {
    let (file, line) = place.file_line()?;
    let of_site = Path::new(file).extension().is_some_and(|end| end == "toml");
    if !of_site {
        return None;
    }
    let line = machine::line_of(&HOME.get()?.join(file), line)?;
    Some(without_secrets(&line))
}

fn without_secrets(line: &str) -> String {
    const NAMES: [&str; 6] = ["token", "password", "secret", "key", "passphrase", "auth"];
    let lower = line.to_lowercase();
    if !NAMES.iter().any(|name| lower.contains(name)) {
        return line.to_owned();
    }
    let mut quote = None;
    let hide = |character: char| match quote {
        Some(open) if open == character => {
            quote = None;
            character
        }
        Some(_) => '*',
        None => {
            quote = ['"', '\''].contains(&character).then_some(character);
            character
        }
    };
    line.chars().map(hide).collect()
}

/// Says something on standard error, whatever the level of the log.
fn say(severity: Option<Severity>, what: &str) {
    let before = severity.map_or_else(String::new, |severity| format!("{}: ", severity.word()));
    let line = json!({"level": level(severity), "message": what});
    telemetry::tell(&format!("{before}{what}\n"), &line);
}

/// The level of what is said, in a line of the log.
fn level(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Error) => "ERROR",
        Some(Severity::Warning) => "WARN",
        None => "INFO",
    }
}

impl Global {
    /// The config file named, else the usual places.
    fn config_file(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| {
            let local = PathBuf::from("config/kith.toml");
            let system = PathBuf::from("/etc/kith/kith.toml");
            if !local.exists() && system.exists() {
                system
            } else {
                local
            }
        })
    }

    /// The limits of the config file, or what is usual where there is no such file.
    fn limits(&self) -> anyhow::Result<Limits> {
        let file = self.config_file();
        if self.config.is_none() && !file.exists() {
            return Ok(Limits::default());
        }
        Ok(crate::app::load_config(&file)?.0.limits)
    }

    /// Opens the installation at an instant, or now, to change it.
    async fn open(&self, as_of: Option<&str>) -> anyhow::Result<App> {
        let options = self.options(as_of)?;
        let now = Clock::now(&SystemClock);
        if as_of.is_some() && options.clock.now() > now {
            return Err(Refused::one(Diagnostic::new(
                Code::AsOfInFuture,
                "what is recorded cannot lie in the future",
                Place::detail(options.clock.now().utc_text()),
            ))
            .into());
        }
        App::open(options).await
    }

    /// Opens the installation to look at it.
    async fn open_for_reading(&self, as_of: Option<&str>) -> anyhow::Result<App> {
        App::open_for_reading(self.options(as_of)?).await
    }

    /// Opens an installation whose store or clock is doubtful, to take it into use.
    async fn open_to_accept(&self) -> anyhow::Result<App> {
        App::open_to_accept(self.options(None)?).await
    }

    fn options(&self, as_of: Option<&str>) -> anyhow::Result<Options> {
        let clock: Arc<dyn Clock> = match as_of {
            None => Arc::new(SystemClock),
            Some(text) => Arc::new(FixedClock::new(instant(text)?)),
        };
        let workers = std::thread::available_parallelism()
            .map_or(2, usize::from)
            .clamp(1, 8);
        Ok(Options {
            config: self.config_file(),
            clock,
            entropy: system_entropy()?,
            workers,
        })
    }
}

/// An instant of the command line.
fn instant(text: &str) -> anyhow::Result<Instant> {
    Instant::parse(text)
        .ok_or_else(|| anyhow::anyhow!("\"{text}\" is no instant: write 2026-11-23T06:00:00Z"))
}

/// Entropy seeded by the system.
fn system_entropy() -> anyhow::Result<Entropy> {
    Ok(Entropy::from_seed(random_bytes()?))
}

fn random_bytes() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(bytes)
}

/// Refuses an input that is not there.
fn check_input(input: &Path) -> anyhow::Result<()> {
    if input.exists() {
        return Ok(());
    }
    anyhow::bail!("{} does not exist", input.display())
}

/// The partner of this id, or that there is none, with those there are.
fn partner_of<'r>(rules: &'r Rules, id: &str) -> anyhow::Result<&'r Partner> {
    let ids = rules.partners.iter().map(|partner| partner.id.as_str());
    known("partner", id, ids)?;
    rules
        .partner(id)
        .ok_or_else(|| anyhow::anyhow!("there is no partner \"{id}\""))
}

/// Where the source of this id stands among those of the installation, or that there is none.
fn source_of(app: &App, id: &str) -> anyhow::Result<usize> {
    let ids = || {
        app.env()
            .sources
            .iter()
            .map(|source| source.config.id.as_str())
    };
    known("source", id, ids())?;
    ids()
        .position(|known| known == id)
        .ok_or_else(|| anyhow::anyhow!("there is no source \"{id}\""))
}

/// Somebody who acts; a why of `-` is read from standard input, so that it stands in no list of processes.
fn actor(by: &str, because: &str) -> anyhow::Result<Actor> {
    if because != "-" {
        return Actor::new(by, because);
    }
    Actor::new(by, &read_input()?)
}

/// The text on standard input.
fn read_input() -> anyhow::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let input = std::io::stdin().lock().take(INPUT_BYTES_MAX + 1);
    std::io::BufReader::new(input).read_to_string(&mut text)?;
    if text.len() as u64 > INPUT_BYTES_MAX {
        anyhow::bail!("standard input holds more than {INPUT_BYTES_MAX} bytes");
    }
    Ok(text)
}

/// Counts in words: `3 sent, 1 held`.
fn counted<'c>(counts: impl IntoIterator<Item = (&'c String, &'c u64)>) -> String {
    let counts = counts.into_iter();
    let words: Vec<String> = counts.map(|(what, n)| format!("{n} {what}")).collect();
    words.join(", ")
}

/// A line of what waits.
fn emit_hold(number: HoldNumber, reason: Reason, owner: Owner) -> anyhow::Result<()> {
    emit(format_args!(
        "  waits: hold {number} for {}: {}\n",
        owner.code(),
        reason.practice_words()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_secret_is_shown_without_it() {
        for (line, shown) in [
            (
                "auth = { kind = \"bearer\", token = 'abc\"d' }",
                "auth = { kind = \"******\", token = '*****' }",
            ),
            ("name = \"Hilltop\"", "name = \"Hilltop\""),
            ("api_key = \"open", "api_key = \"****"),
        ] {
            assert_eq!(without_secrets(line), shown);
        }
    }
}
