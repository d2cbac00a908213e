//! Which facts are a matter for somebody, and the words for it: a function for each kind, in the order of the table.

use jiff::civil::Date;

use super::facts::{Facts, LogSeen, PartnerSeen, RunSeen, SourceSeen};
use super::judge_runs::{
    is_excused, last_run_of, not_run, overdue, pull_is_late, run_failed, run_long,
};
use super::{Matter, MatterKind, Urgency};
use crate::diagnostics::{Code, Diagnostic};
use crate::domain::{Instant, Owner, Reason, Stage};
use crate::pipeline::receive::Untaken;
use crate::store::body::RunResult;

/// Seconds that the end of what is known may lie behind the pull that found it: settle time, and what a server says late.
const KNOWN_BEHIND_SECONDS: i64 = 600;
/// The most that two clocks may differ before it is said.
const SKEW_SECONDS_MAX: i64 = 60;
/// Spans of days that are named.
const SPANS: usize = 3;
/// The share of the disk, in hundredths, that must be free.
const DISK_FREE_MIN: u64 = 5;

/// Everything that somebody must settle, the most pressing first.
pub(crate) fn judge(facts: &Facts) -> Vec<Matter> {
    let mut matters = Vec::new();
    matters.extend(facts.doubts.iter().map(doubtful));
    matters.extend(facts.broken.iter().filter_map(broken));
    matters.extend(clock_behind(facts));
    matters.extend(run_failed(facts));
    matters.extend(run_long(facts));
    matters.extend(disk_low(facts));
    matters.extend(facts.log.as_ref().map(log_long));
    matters.extend(not_run(facts));
    for source in &facts.sources {
        let of_source = of_source(facts, source).into_iter();
        matters.extend(of_source.map(|matter| matter.about("source", &source.id)));
    }
    for partner in &facts.partners {
        let mut of_this = Vec::new();
        of_partner(facts, partner, &mut of_this);
        let of_this = of_this.into_iter();
        matters.extend(of_this.map(|matter| matter.about("partner", &partner.id)));
    }
    not_reached(facts, &mut matters);
    matters.extend(nights_missing(facts));
    approvals(facts, &mut matters);
    held(facts, &mut matters);
    // Within a kind, as the config and the holds have it.
    matters.sort_by_key(|matter| (matter.urgency, matter.kind));
    matters
}

impl Matter {
    /// A matter of the machine, for today; what departs from that is said by the three that follow.
    pub(super) fn new(
        kind: MatterKind,
        what: impl Into<String>,
        command: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            urgency: Urgency::Today,
            owner: Owner::It,
            what: what.into(),
            command: command.into(),
            since: None,
            subject: None,
        }
    }

    pub(super) fn now(self) -> Self {
        Self {
            urgency: Urgency::Now,
            ..self
        }
    }

    fn of(self, owner: Owner) -> Self {
        Self { owner, ..self }
    }

    pub(super) fn since(self, since: Option<Instant>) -> Self {
        Self { since, ..self }
    }

    /// About a source or a partner.
    fn about(self, kind: &str, id: &str) -> Self {
        let subject = Some(format!("{kind}:{id}"));
        Self { subject, ..self }
    }
}

/// `1 December 2026 06:30 (3 hours)`, and how long ago that is.
pub(super) fn when(at: Instant, now: Instant) -> String {
    format!("{} ({})", at.london_words(), span(at, now))
}

/// How long it is from one instant to another, in its largest unit.
fn span(from: Instant, to: Instant) -> String {
    let minutes = to.0.saturating_sub(from.0).max(0) / 60_000_000;
    let (n, unit) = match minutes {
        0..60 => (minutes, "minute"),
        60..2880 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

/// `1 question`, `3 questions`.
fn many(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn doubtful(doubt: &Diagnostic) -> Matter {
    let accept = "kith store accept --by NAME --because \"…\"";
    let command = match doubt.code() {
        Code::ClockOff => format!("timedatectl status; if the clock is right, {accept}"),
        _ => accept.to_owned(),
    };
    let what = format!("nothing runs: {} ({})", doubt.what(), doubt.code().text());
    Matter::new(MatterKind::StoreDoubtful, what, command).now()
}

/// One matter for each partner; the faults themselves are said beside it.
fn broken(fault: &Diagnostic) -> Option<Matter> {
    let of_partner = [Code::PartnerStandsIn, Code::PartnerLeftOut];
    if !of_partner.contains(&fault.code()) {
        return None;
    }
    let what = format!("{} ({})", fault.what(), fault.place().text());
    Some(Matter::new(MatterKind::PartnerFileBroken, what, "kith check").now())
}

fn clock_behind(facts: &Facts) -> Option<Matter> {
    let said = facts
        .doubts
        .iter()
        .any(|doubt| doubt.code() == Code::ClockOff);
    // A clock that is put right steps back a little.
    let behind = facts.now.plus_seconds(SKEW_SECONDS_MAX) < facts.last_event;
    if said || facts.by_hand || !behind {
        return None;
    }
    let (last, now) = (facts.last_event, facts.now);
    let what = format!(
        "this machine's clock says {}, {} before the last recorded event, whose time is written instead",
        now.london_words(),
        span(now, last)
    );
    let command = "timedatectl status";
    Some(
        Matter::new(MatterKind::ClockBehind, what, command)
            .now()
            .since(Some(last)),
    )
}

fn disk_low(facts: &Facts) -> Option<Matter> {
    let disk = facts.disk.as_ref()?;
    let scarce =
        u128::from(disk.bytes_free) * 100 <= u128::from(disk.bytes_all) * u128::from(DISK_FREE_MIN);
    if disk.bytes_all == 0 || !scarce {
        return None;
    }
    let share = u128::from(disk.bytes_free) * 100 / u128::from(disk.bytes_all);
    let free = disk.bytes_free / (1 << 20);
    let what = format!("the disk of the store is nearly full: {share} % free, {free} MiB");
    Some(Matter::new(MatterKind::DiskLow, what, format!("df -h {}", disk.folder)).now())
}

/// What is said of a log that is longer than it may be, and the command that ends it where somebody is known.
pub(super) fn log_words(log: &LogSeen) -> (String, String) {
    let mib = log.bytes.div_ceil(1 << 20);
    let named = |(pid, name): &(u32, String)| format!("pid {pid}, {name}");
    let readers: Vec<String> = log.readers.iter().map(named).collect();
    let (who, command) = match log.readers.first() {
        Some((pid, _)) => (
            format!(
                "a process reads from it and does not end ({})",
                readers.join("; ")
            ),
            format!("ps -fp {pid}"),
        ),
        None => (
            "a process reads from it and does not end".to_owned(),
            "kith explain STORE-010".to_owned(),
        ),
    };
    let what = format!("the write-ahead log of the store takes {mib} MiB, and grows: {who}");
    (what, command)
}

fn log_long(log: &LogSeen) -> Matter {
    let (what, command) = log_words(log);
    Matter::new(MatterKind::LogLong, what, command)
}

fn of_source(facts: &Facts, source: &SourceSeen) -> Vec<Matter> {
    let mut matters = Vec::new();
    let id = &source.id;
    let ask = if source.server {
        "kith check --online".to_owned()
    } else {
        format!("kith run --once pull --source {id}")
    };
    let since = match source.read_to {
        Some(at) => format!("not since {}", when(at, facts.now)),
        None => "never yet".to_owned(),
    };
    let verdict = source.verdict.as_deref();
    if verdict == Some("unknown") {
        let what = format!(
            "source {id} ({}) could not be read to its end, {since}",
            source.at
        );
        let kind = MatterKind::CertificateUnknown;
        let matter = if unread(facts, source) {
            Matter::new(MatterKind::SourceUnread, what, ask.clone()).now()
        } else {
            Matter::new(kind, what, ask.clone())
        };
        matters.push(matter.since(source.read_to));
    } else if unread(facts, source) && !pull_is_late(facts) {
        let what = format!(
            "source {id} ({}) was not read by the schedule, {since}",
            source.at
        );
        let matter = Matter::new(MatterKind::SourceUnread, what, ask.clone());
        matters.push(matter.since(source.read_to));
    } else if let Some((_, except)) = verdict.and_then(|verdict| verdict.split_once(" except ")) {
        let what = format!("source {id} was read except {except}");
        let command = format!("kith run --once pull --source {id}");
        matters.push(Matter::new(MatterKind::CertificateExcept, what, command));
    }
    if source.missing_usual > 0 {
        let n = source.missing_usual;
        let what = format!("source {id} shows no new referral where {n} would be usual by now");
        let quiet = Matter::new(MatterKind::SourceQuiet, what, "kith explain PULL-015");
        matters.push(quiet);
    }
    if let Some(skew) = source
        .skew_seconds
        .filter(|skew| skew.abs() > SKEW_SECONDS_MAX)
    {
        let way = if skew > 0 { "behind" } else { "ahead of" };
        let by = span(Instant(0), Instant(skew.abs().saturating_mul(1_000_000)));
        let what = format!("this machine's clock is {by} {way} that of source {id}");
        matters.push(Matter::new(
            MatterKind::ClocksDiffer,
            what,
            "kith check --online",
        ));
    }
    matters
}

/// Whether a source was not read to its end for longer than two steps of the schedule.
fn unread(facts: &Facts, source: &SourceSeen) -> bool {
    let known = source
        .read_to
        .map(|at| at.plus_seconds(KNOWN_BEHIND_SECONDS));
    let Some(since) = known.or(facts.first_run) else {
        return false;
    };
    let mut pulls = facts.schedule.iter();
    let pull = pulls.find(|(_, stages, _)| stages.contains(&Stage::Pull));
    pull.is_some_and(|(_, _, due)| overdue(due, since, facts.now))
}

fn of_partner(facts: &Facts, partner: &PartnerSeen, matters: &mut Vec<Matter>) {
    let id = &partner.id;
    let mut prepared = partner.drops_prepared.iter();
    // One that waits for a person stands before one that the next run puts out.
    let stale = prepared.clone().find(|drop| drop.stale);
    let excused = partner.under_way && is_excused(facts);
    if let Some(drop) = stale.or(prepared.next()).filter(|_| !excused) {
        let (name, day, number) = (&drop.name, drop.day, drop.number);
        let mut what =
            format!("drop {name} of {day} for partner {id} was prepared and did not leave");
        let mut command = format!("kith run --once deliver --partner {id}");
        if drop.stale {
            what.push_str(", and what it says is no longer so");
            command = format!(
                "kith void {id}:{number} --by NAME --because \"…\"; if {id} has it, with --it-left"
            );
        }
        matters.push(Matter::new(MatterKind::DropNotOut, what, command));
    }
    if let Some(name) = partner.files_changed.first() {
        let n = partner.files_changed.len();
        let others = if n > 1 {
            format!(" and {}", many(n - 1, "other"))
        } else {
            String::new()
        };
        let what = format!("somebody wrote into {name}{others} in out/ of partner {id}");
        let command = format!("ls -l {}/out", partner.folder);
        let matter = Matter::new(MatterKind::DropChanged, what, command);
        matters.push(matter.of(Owner::Partner));
    }
    match &partner.inbox {
        Err(error) => {
            let what = format!("the folder of partner {id} cannot be looked into: {error}");
            let command = format!("ls -ld {}", partner.folder);
            matters.push(Matter::new(MatterKind::FolderUnreachable, what, command));
        }
        Ok(inbox) => matters.extend(untaken(partner, *inbox)),
    }
    if let Some(last) = partner
        .expires_on
        .filter(|last| *last < facts.now.london_day())
    {
        let what =
            format!("the agreement with partner {id} ended on {last}, and nothing new goes there");
        let command = format!("kith explain {}", Reason::AgreementExpired.code());
        matters.push(Matter::new(MatterKind::AgreementEnded, what, command).of(Owner::Ig));
    }
}

fn untaken(partner: &PartnerSeen, inbox: Untaken) -> Option<Matter> {
    let Untaken {
        foreign,
        empty,
        left,
    } = inbox;
    let parts = [
        (foreign, "though no return is agreed"),
        (empty, "empty"),
        (left, "not taken by the last run"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    if parts.is_empty() {
        return None;
    }
    let files = many(foreign + empty + left, "file");
    let what = format!(
        "nobody takes {files} in in/ of partner {} ({})",
        partner.id,
        parts.join(", ")
    );
    let command = format!("ls -l {}/in", partner.folder);
    Some(Matter::new(MatterKind::FileUntaken, what, command).of(Owner::Partner))
}

/// What the last run of each key of the schedule could not reach, where nothing said of the same source or partner tells of it.
fn not_reached(facts: &Facts, matters: &mut Vec<Matter>) {
    let of_sources = [
        MatterKind::SourceUnread,
        MatterKind::CertificateUnknown,
        MatterKind::CertificateExcept,
    ];
    let of_partners = [MatterKind::FolderUnreachable, MatterKind::DropNotOut];
    let said = |kinds: &[MatterKind], subject: &str| {
        let mut said = matters.iter().filter(|matter| kinds.contains(&matter.kind));
        said.any(|matter| matter.subject.as_deref() == Some(subject))
    };
    // A code that names nobody may be of any source.
    let mut all = facts.sources.iter();
    let all = all.all(|source| said(&of_sources, &format!("source:{}", source.id)));
    let is_said = |code: &str, subject: Option<&str>, run: &RunSeen| {
        // Where writes were made as well, what is about a GP system may be about them.
        let read_alone = of_pull_alone(code) || !run.stages.contains(&Stage::Push);
        match subject {
            Some(subject) if code.starts_with("DELIVER-") => said(&of_partners, subject),
            Some(subject) => of_source_alone(code) && read_alone && said(&of_sources, subject),
            None => of_source_alone(code) && read_alone && all,
        }
    };
    let mut found = Vec::new();
    let mut told: Vec<i64> = Vec::new();
    for (key, stages, _) in &facts.schedule {
        let Some(run) = last_run_of(facts, stages) else {
            continue;
        };
        let Some((RunResult::Waits, codes)) = &run.ended else {
            continue;
        };
        let mut codes: Vec<&str> = codes
            .split_ascii_whitespace()
            .map(|code| {
                code.split_once('@')
                    .map_or((code, None), |(code, of)| (code, Some(of)))
            })
            .filter(|(code, subject)| !is_said(code, *subject, run))
            .map(|(code, _)| code)
            .collect();
        codes.dedup();
        let Some(first) = codes.first() else { continue };
        // One run may have entered the rooms of several keys.
        if told.contains(&run.number) {
            continue;
        }
        told.push(run.number);
        let codes = codes.join(", ");
        // By the schedule no run has more rooms than three.
        let room = match run.stages.len() {
            0..=3 => format!(" of {key}"),
            _ => String::new(),
        };
        let what = format!(
            "the last run{room}, {}, could not reach everything ({codes})",
            when(run.at, facts.now)
        );
        let command = format!("kith explain {first}");
        let matter = Matter::new(MatterKind::NotReached, what, command);
        found.push(matter.since(Some(run.at)));
    }
    matters.extend(found);
}

/// Whether a code is about the pull of a source and nothing else.
fn of_pull_alone(code: &str) -> bool {
    code.starts_with("PULL-") || code == Code::FolderMissing.text()
}

/// Whether a code is about reading a source, of which its certificate tells as well.
fn of_source_alone(code: &str) -> bool {
    ["PULL-", "GP-", "WATCH-", "CFG-013"]
        .iter()
        .any(|stage| code.starts_with(stage))
}

fn nights_missing(facts: &Facts) -> Option<Matter> {
    let first = facts.nights_missing.first()?;
    let what = match facts.nights_missing.len() {
        1 => format!("the night of {first} was not issued"),
        n => {
            let which = spans(&facts.nights_missing);
            format!("{n} nights were not issued ({which})")
        }
    };
    let command = format!("kith report --date {first}");
    Some(Matter::new(MatterKind::NightMissing, what, command))
}

/// Days in order, those that follow one another as one span; what is beyond a few spans is counted.
fn spans(days: &[Date]) -> String {
    let mut spans: Vec<(Date, Date, usize)> = Vec::new();
    for day in days {
        match spans.last_mut() {
            Some((_, last, n)) if last.tomorrow().is_ok_and(|next| next == *day) => {
                (*last, *n) = (*day, *n + 1);
            }
            _ => spans.push((*day, *day, 1)),
        }
    }
    let further: usize = spans.iter().skip(SPANS).map(|(.., n)| n).sum();
    let words = spans.iter().take(SPANS).map(|(first, last, n)| match n {
        1 => first.to_string(),
        _ => format!("{first} to {last}"),
    });
    let words = words.collect::<Vec<_>>().join(", ");
    match further {
        0 => words,
        _ => format!("{words} and {}", many(further, "other")),
    }
}

fn approvals(facts: &Facts, matters: &mut Vec<Matter>) {
    for line in &facts.approvals {
        let id = &line.partner;
        let what = format!(
            "the file of partner {id} allows {} more than was approved, and nothing new goes there",
            many(line.wider.len(), "thing")
        );
        let command = format!("kith partner approve {id} --by NAME --because \"…\"");
        let since = line.since.as_deref().and_then(Instant::parse);
        let matter = Matter::new(MatterKind::ApprovalWaits, what, command);
        matters.push(matter.of(Owner::Ig).since(since));
    }
}

/// A matter for each urgent reason, and one for each owner's other holds.
fn held(facts: &Facts, matters: &mut Vec<Matter>) {
    let open = || facts.holds.iter().filter(|hold| !hold.reason.quiet());
    for reason in Reason::ALL.into_iter().filter(|reason| reason.now()) {
        let mut of_reason = open().filter(|hold| hold.reason == reason);
        let Some(first) = of_reason.next() else {
            continue;
        };
        let (code, number) = (reason.code(), first.number);
        // Five hundred equal ones are one alert.
        let (named, command) = match of_reason.count() {
            0 => (format!("hold {number}"), format!("kith held show {number}")),
            more => (
                format!("hold {number} and {}", many(more, "other")),
                format!("kith held list --reason {code}"),
            ),
        };
        let what = format!(
            "{} ({named}, {code}, since {})",
            reason.practice_words(),
            when(first.since, facts.now)
        );
        let matter = Matter::new(MatterKind::HoldNow, what, command);
        matters.push(matter.now().of(first.owner()).since(Some(first.since)));
    }
    for owner in Owner::ALL {
        let of_owner = || open().filter(|hold| !hold.reason.now() && hold.owner() == owner);
        let Some(oldest) = of_owner().map(|hold| hold.since).min() else {
            continue;
        };
        let mut reasons: Vec<&str> = of_owner().map(|hold| hold.reason.code()).collect();
        let n = reasons.len();
        reasons.sort_unstable();
        reasons.dedup();
        let wait = if n == 1 { "waits" } else { "wait" };
        let what = format!(
            "{} {wait} for {} ({}), the oldest since {}",
            many(n, "question"),
            owner.words(),
            reasons.join(", "),
            when(oldest, facts.now)
        );
        let command = format!("kith held list --owner {}", owner.code());
        let matter = Matter::new(MatterKind::Held, what, command);
        matters.push(matter.of(owner).since(Some(oldest)));
    }
}
