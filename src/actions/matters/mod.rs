//! What somebody must settle: one table of kinds, the most pressing first, and the first line of `kith status`.
//!
//! In: `Facts`, what store, folders, disk and clock say. Out: [`Matter`]s, each with a sentence, a command and an owner. Keeps:
//! the first line and the exit code come of the same list, so that neither can be calm beside the other. `judge` is a pure
//! function; `gather` alone looks. A further kind is one line of the table and one function of `judge`.

mod facts;
mod gather;
mod judge;
mod judge_runs;
#[cfg(test)]
mod tests;

use gather::gather;
use judge::judge;

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{Config, machine};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::coded_enums::coded;
use crate::domain::{Instant, Owner};
use crate::pipeline::run::Env;

/// Everything that somebody must settle in an installation, the most pressing first; it is looked at, and nothing is written.
///
/// # Errors
/// The store failed.
pub(crate) async fn of(env: &Env) -> anyhow::Result<Vec<Matter>> {
    Ok(judge(&gather(env).await?))
}

/// That the write-ahead log of the store is longer than it may be, for a run to say.
pub(crate) fn long_log(config: &Config) -> Option<Diagnostic> {
    let (what, _) = judge::log_words(&gather::long_log(config)?);
    let place = Place::detail(machine::about(&config.store));
    Some(Diagnostic::new(Code::LogLong, what, place))
}

/// What `kith status` says first where nobody has to act.
pub(crate) const CALM: &str = "Nothing needs anyone before 08:00";

coded! {
    /// What can be wrong, the most pressing first within its urgency.
    pub(crate) enum MatterKind {
        /// A question that is told in the same run: a death, a restriction, a safe way of contact.
        HoldNow = 1 "hold-now",
        /// The store is older than it was, or the clock is far off: nothing runs until a person has said so.
        StoreDoubtful = 2 "store-doubtful",
        /// The clock stands before what is recorded: until it is right, all that is recorded bears that later time.
        ClockBehind = 3 "clock-behind",
        /// The last run could not run to its end.
        RunFailed = 4 "run-failed",
        /// A run has not come to its end for longer than two steps of its schedule.
        RunLong = 5 "run-long",
        /// The disk of the store is nearly full.
        DiskLow = 6 "disk-low",
        /// The write-ahead log of the store is longer than it may be.
        LogLong = 7 "log-long",
        /// Rooms that no run has entered for longer than two steps of their schedule.
        NotRun = 8 "not-run",
        /// A GP system that was not read to its end for longer than two steps of the schedule.
        SourceUnread = 9 "source-unread",
        /// The newest pull promises nothing.
        CertificateUnknown = 10 "certificate-unknown",
        /// A drop was prepared, and did not leave.
        DropNotOut = 11 "drop-not-out",
        /// Somebody wrote into a drop that lies in `out/`.
        DropChanged = 12 "drop-changed",
        /// A partner's folder cannot be looked into.
        FolderUnreachable = 13 "folder-unreachable",
        /// Something in `in/` that nobody takes.
        FileUntaken = 14 "file-untaken",
        /// The newest pull promises all but something.
        CertificateExcept = 15 "certificate-except",
        /// A practice that sent nothing for unusually long.
        SourceQuiet = 16 "source-quiet",
        /// The last run of a room could not reach something.
        NotReached = 17 "not-reached",
        /// This machine's clock and a GP system's differ.
        ClocksDiffer = 18 "clocks-differ",
        /// Nights whose report was not issued.
        NightMissing = 19 "night-missing",
        /// A partner file allows more than was approved.
        ApprovalWaits = 20 "approval-waits",
        /// An agreement has ended.
        AgreementEnded = 21 "agreement-ended",
        /// A partner file that is in error: a live one goes on by its last good version, and in shadow it is left out.
        PartnerFileBroken = 22 "partner-file-broken",
        /// Questions that wait for the morning.
        Held = 23 "held",
    }
}

coded! {
    /// How soon it is told.
    pub(crate) enum Urgency {
        /// In the same run.
        Now = 1 "now",
        /// With the worklist.
        Today = 2 "today",
    }
}

/// Something that somebody must settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matter {
    pub(crate) kind: MatterKind,
    pub(crate) urgency: Urgency,
    pub(crate) owner: Owner,
    /// One sentence without its full stop; no patient data.
    pub(crate) what: String,
    /// What to run next.
    pub(crate) command: String,
    pub(crate) since: Option<Instant>,
    /// Whom it is about, as a run's end says it: `source:hilltop`, `partner:elm`.
    pub(crate) subject: Option<String>,
}

/// The same as `kith status --json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct MatterLine {
    /// `source-unread`, `file-untaken` …
    pub(crate) kind: String,
    /// `now` or `today`.
    pub(crate) urgency: String,
    pub(crate) owner: String,
    pub(crate) what: String,
    /// What to run next.
    pub(crate) command: String,
    /// UTC, where it is known.
    pub(crate) since: Option<String>,
}

impl Matter {
    /// For scripts.
    pub(crate) fn line(&self) -> MatterLine {
        MatterLine {
            kind: self.kind.code().to_owned(),
            urgency: self.urgency.code().to_owned(),
            owner: self.owner.code().to_owned(),
            what: self.what.clone(),
            command: self.command.clone(),
            since: self.since.map(Instant::utc_text),
        }
    }
}

/// The first line of `kith status`: nobody has to act, or the most pressing thing with its command.
pub(crate) fn first_line(matters: &[Matter]) -> String {
    let Some(first) = matters.first() else {
        return CALM.to_owned();
    };
    let (what, command) = (&first.what, &first.command);
    let more = match matters.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more below)"),
    };
    format!(
        "Needs somebody {}: {what}: {command}{more}",
        first.urgency.code()
    )
}
