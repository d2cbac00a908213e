//! What matters are judged by: plain values, made by `gather` from an installation, by hand in tests.

use jiff::civil::Date;

use crate::actions::approvals::ApprovalLine;
use crate::diagnostics::Diagnostic;
use crate::domain::{HoldNumber, Instant, Owner, Reason, Stage};
use crate::partner::schedule::DueTimes;
use crate::pipeline::receive::Untaken;
use crate::store::body::RunResult;

/// What an installation shows of itself at one moment.
pub(crate) struct Facts {
    pub(crate) now: Instant,
    /// `--as-of` set the time: it says nothing of the machine's clock.
    pub(crate) by_hand: bool,
    /// What makes the store, its anchor or the clock doubtful.
    pub(crate) doubts: Vec<Diagnostic>,
    /// Partner files in error.
    pub(crate) broken: Vec<Diagnostic>,
    /// When the last event was recorded.
    pub(crate) last_event: Instant,
    /// When the first run began; `None` where none ever did.
    pub(crate) first_run: Option<Instant>,
    /// The last runs, newest first.
    pub(crate) runs: Vec<RunSeen>,
    /// Runs that are under way, as far as their leases say, each once.
    pub(crate) under_way: Vec<RunUnderWay>,
    /// Each key of the schedule, with the rooms that come due by it and when it comes due.
    pub(crate) schedule: Vec<(&'static str, Vec<Stage>, DueTimes)>,
    pub(crate) sources: Vec<SourceSeen>,
    pub(crate) partners: Vec<PartnerSeen>,
    /// Nights that are over and have no report, oldest first.
    pub(crate) nights_missing: Vec<Date>,
    pub(crate) disk: Option<DiskSeen>,
    /// The write-ahead log of the store, where it is longer than it may be.
    pub(crate) log: Option<LogSeen>,
    pub(crate) holds: Vec<HoldSeen>,
    pub(crate) approvals: Vec<ApprovalLine>,
}

/// A run as the ledger has it.
pub(crate) struct RunSeen {
    pub(crate) number: i64,
    pub(crate) at: Instant,
    pub(crate) stages: Vec<Stage>,
    /// How it ended, and the codes of what it could not reach; `None` where it has not.
    pub(crate) ended: Option<(RunResult, String)>,
}

/// A run whose process holds a lease at this moment.
pub(crate) struct RunUnderWay {
    pub(crate) number: i64,
    pub(crate) pid: i64,
    /// Name of its machine.
    pub(crate) host: String,
}

/// A drop that was prepared and did not leave.
pub(crate) struct PreparedSeen {
    pub(crate) name: String,
    pub(crate) number: i64,
    pub(crate) day: Date,
    /// It does not leave as it is until a person has said what became of it.
    pub(crate) stale: bool,
}

/// An enabled source.
pub(crate) struct SourceSeen {
    pub(crate) id: String,
    /// Where it is read from, as far as an address says: `https://gp.example/fhir`, or a folder.
    pub(crate) at: String,
    /// Whether it is asked over a network.
    pub(crate) server: bool,
    /// The newest certificate's verdict, with its exceptions; `None` before the first pull.
    pub(crate) verdict: Option<String>,
    /// Up to when all of it is known; `None` where it was never read to its end.
    pub(crate) read_to: Option<Instant>,
    /// Its clock less ours, as the newest pull saw it.
    pub(crate) skew_seconds: Option<i64>,
    /// New referrals that ought to have come by now, where none did.
    pub(crate) missing_usual: u64,
}

/// A partner.
pub(crate) struct PartnerSeen {
    pub(crate) id: String,
    /// Its folder on this machine.
    pub(crate) folder: String,
    /// The last day of its agreement.
    pub(crate) expires_on: Option<Date>,
    /// Whether a run works on its drops at this moment.
    pub(crate) under_way: bool,
    /// Drops that were prepared and did not leave.
    pub(crate) drops_prepared: Vec<PreparedSeen>,
    /// Files of ours in `out/` that are not what was written: `drop NAME`, `list NAME`.
    pub(crate) files_changed: Vec<String>,
    /// What lies in `in/`; the error where it cannot be looked into.
    pub(crate) inbox: Result<Untaken, String>,
    /// Its disk did not answer.
    pub(crate) late: bool,
}

/// The disk that the store lies on.
pub(crate) struct DiskSeen {
    pub(crate) folder: String,
    pub(crate) bytes_free: u64,
    pub(crate) bytes_all: u64,
}

/// A write-ahead log that is longer than it may be.
pub(crate) struct LogSeen {
    pub(crate) bytes: u64,
    /// The processes that read from it, by number and name, as far as they can be known.
    pub(crate) readers: Vec<(u32, String)>,
}

/// An open hold.
pub(crate) struct HoldSeen {
    pub(crate) number: HoldNumber,
    pub(crate) reason: Reason,
    /// The stage that holds: what a practice wrote is the practice's to settle.
    pub(crate) stage: Stage,
    pub(crate) since: Instant,
}

impl HoldSeen {
    /// Who must act.
    pub(crate) fn owner(&self) -> Owner {
        self.reason.owner_at(self.stage)
    }
}
