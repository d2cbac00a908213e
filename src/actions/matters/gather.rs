//! Looks at store, folders, disk and clock, and writes nothing.

use std::path::Path;
use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::Date;
use tokio::time::timeout;

use super::facts::{
    DiskSeen, Facts, HoldSeen, LogSeen, PartnerSeen, PreparedSeen, RunSeen, RunUnderWay, SourceSeen,
};
use crate::actions::approvals;
use crate::config::{Bulk, Config, Pull, machine};
use crate::domain::clock::{SystemClock, day_from_number, day_number, london};
use crate::domain::{Clock as _, DropId, Instant, Stage};
use crate::partner::schedule::DueTimes;
use crate::pipeline::approval::destination_wanted;
use crate::pipeline::people_list::lists_written_into;
use crate::pipeline::prepared_drop::{
    LyingPart, has_moved, is_answered, lying_part, was_kept, written_into,
};
use crate::pipeline::receive::{Untaken, untaken};
use crate::pipeline::run::Env;
use crate::store::rows::{DropFile, DropState};
use crate::store::{Body, Kind, LeaseRow, LeaseStage, StoreError};

/// Rows of the installation's strand among which runs are looked for: more than those of a fortnight at the usual schedules.
const LOOK_BACK: i64 = 10_000;
/// Rows of the ledger at a time.
const PAGE: i64 = 2_000;
/// Drops of one partner that are looked at.
const DROPS: i64 = 100;
/// How long a partner's folder is looked into, and how long once one did not answer.
const LOOKED_FOR: Duration = Duration::from_secs(5);
const LOOKED_FOR_AFTER: Duration = Duration::from_secs(1);
/// How long the drops that lie there are read.
const READ_FOR: Duration = Duration::from_secs(30);
/// Minutes that a night may take after it came due.
const NIGHT_MINUTES: i64 = 60;

/// What an installation shows of itself.
///
/// # Errors
/// The store failed. A folder that cannot be looked into is a fact.
pub(crate) async fn gather(env: &Env) -> anyhow::Result<Facts> {
    let moment = SystemClock.now().0;
    let leases = env.store.leases().await?;
    let held: Vec<_> = leases.iter().filter(|row| row.until > moment).collect();
    let (first_run, runs) = runs(env).await?;
    let mut facts = Facts {
        now: env.now(),
        by_hand: env.clock.fixed(),
        doubts: env.doubts.clone(),
        broken: env.broken.clone(),
        last_event: Instant(env.store.last_at().await?),
        first_run,
        runs,
        under_way: under_way(&held),
        schedule: schedule(env),
        sources: sources(env).await?,
        partners: Vec::new(),
        nights_missing: Vec::new(),
        disk: disk(env.config.store.parent().unwrap_or(Path::new("/"))),
        log: long_log(&env.config),
        holds: Vec::new(),
        approvals: approvals::of(env),
    };
    let collected = facts
        .runs
        .iter()
        .find(|run| run.stages.contains(&Stage::Collect));
    let collected = collected.map(|run| run.at);
    for place in 0..env.partners.len() {
        let strand = env.partners[place].strand;
        let busy =
            |row: &&LeaseRow| row.lease.strand == strand && row.lease.stage == LeaseStage::Deliver;
        let under_way = held.iter().copied().any(|row| busy(&row));
        // Those whose disks do not answer are often on one share.
        let late = facts.partners.iter().any(|partner| partner.late);
        let bound = if late { LOOKED_FOR_AFTER } else { LOOKED_FOR };
        let seen = partner(env, place, (under_way, collected), bound).await?;
        facts.partners.push(seen);
    }
    facts.nights_missing = nights_missing(env, first_run).await?;
    let holds = &mut facts.holds;
    env.each_open_hold(|hold| {
        holds.push(HoldSeen {
            number: hold.number,
            reason: hold.reason,
            stage: hold.stage,
            since: Instant(hold.since),
        });
    })
    .await?;
    Ok(facts)
}

/// The runs that hold leases.
fn under_way(held: &[&LeaseRow]) -> Vec<RunUnderWay> {
    let mut runs: Vec<RunUnderWay> = Vec::new();
    for holder in held.iter().map(|row| &row.holder) {
        let number = holder.run.number();
        if number > 0 && runs.iter().all(|run| run.number != number) {
            let (pid, host) = (holder.pid, holder.host.clone());
            runs.push(RunUnderWay { number, pid, host });
        }
    }
    runs
}

/// When the first run began, and the last ones, newest first.
async fn runs(env: &Env) -> Result<(Option<Instant>, Vec<RunSeen>), StoreError> {
    let (store, strand) = (&env.store, env.strand);
    let first = store.ledger_of_kind(strand, Kind::Run, 0, 1).await?;
    let first = first.first().map(|row| Instant(row.at));
    let strands = store.strands().await?;
    let own = strands.iter().find(|known| known.id == strand);
    let mut after = (own.map_or(0, |known| known.seq) - LOOK_BACK).max(0);
    let mut runs: Vec<RunSeen> = Vec::new();
    loop {
        let rows = store.ledger(strand, after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        for row in &rows {
            let of_runs = [Kind::Run.number(), Kind::RunEnded.number()].contains(&row.kind);
            match of_runs.then(|| row.body()).flatten() {
                Some(Body::Run { stages, .. }) => runs.push(RunSeen {
                    number: row.subject,
                    at: Instant(row.at),
                    stages,
                    ended: None,
                }),
                Some(Body::RunEnded {
                    result,
                    unreachable,
                }) => {
                    let mut newest = runs.iter_mut().rev();
                    if let Some(run) = newest.find(|run| run.number == row.subject) {
                        run.ended = Some((result, unreachable));
                    }
                }
                _ => {}
            }
        }
    }
    runs.reverse();
    Ok((first, runs))
}

fn schedule(env: &Env) -> Vec<(&'static str, Vec<Stage>, DueTimes)> {
    let times = &env.config.schedule;
    vec![
        ("pull", vec![Stage::Pull], times.pull.clone()),
        ("deliver", vec![Stage::Deliver], times.deliver.clone()),
        ("collect", vec![Stage::Collect], times.collect.clone()),
        ("reconcile", vec![Stage::Reconcile], times.reconcile.clone()),
    ]
}

async fn sources(env: &Env) -> Result<Vec<SourceSeen>, StoreError> {
    let certificates = env.store.certificates().await?;
    let seen = |source: &crate::pipeline::run::SourceEnv| {
        let newest = certificates.iter().find(|row| row.source == source.strand);
        let evidence: serde_json::Value = newest
            .and_then(|row| serde_json::from_str(&row.evidence).ok())
            .unwrap_or_default();
        let (at, server) = match &source.config.pull {
            Pull::Folder { path, .. } => (path.display().to_string(), false),
            Pull::Search { base_url, .. } | Pull::Bulk(Bulk { base_url, .. }) => {
                (base_url.clone(), true)
            }
        };
        SourceSeen {
            id: source.config.id.clone(),
            at,
            server,
            verdict: newest.map(|row| row.verdict.clone()),
            read_to: newest
                .filter(|row| row.high > 0)
                .map(|row| Instant(row.high)),
            skew_seconds: evidence["skew_seconds"].as_i64(),
            missing_usual: evidence["missing_usual"].as_u64().unwrap_or(0),
        }
    };
    let enabled = env.sources.iter().filter(|source| source.config.enabled);
    Ok(enabled.map(seen).collect())
}

async fn partner(
    env: &Env,
    place: usize,
    (under_way, collected): (bool, Option<Instant>),
    bound: Duration,
) -> anyhow::Result<PartnerSeen> {
    let (partner, at) = (&env.rules.partners[place], &env.partners[place]);
    let looked = timeout(bound, untaken(env, place, collected)).await;
    let late = looked.is_err();
    let mut inbox = match looked {
        Ok(looked) => looked.map_err(|error| error.to_string()),
        Err(_) => Err("its disk does not answer".to_owned()),
    };
    // Its folders are made by the first run that works for it.
    if inbox.is_err() && !late && env.store.last_drop(at.strand).await?.is_none() {
        inbox = Ok(Untaken::default());
    }
    let mut seen = PartnerSeen {
        id: partner.id.clone(),
        folder: destination_wanted(&env.config, partner).to_string(),
        expires_on: partner.share.expires_on,
        under_way,
        drops_prepared: prepared(env, place, late).await?,
        files_changed: Vec::new(),
        inbox,
        late,
    };
    let sent = env
        .store
        .drop_files_in(DropState::Sent, at.strand, DropId::NONE, DROPS)
        .await?;
    if !late {
        match timeout(READ_FOR, files_changed(env, place, &sent)).await {
            Ok(changed) => seen.files_changed = changed?,
            Err(_) => seen.inbox = Err("its drops could not be read in time".to_owned()),
        }
    }
    Ok(seen)
}

/// Drops of a partner that were prepared and did not leave; `late`: its disk does not answer.
async fn prepared(env: &Env, place: usize, late: bool) -> anyhow::Result<Vec<PreparedSeen>> {
    let strand = env.partners[place].strand;
    let files = env
        .store
        .drop_files_in(DropState::Prepared, strand, DropId::NONE, DROPS)
        .await?;
    let mut seen = Vec::new();
    for file in files {
        let lies = if late {
            LyingPart::Unknown
        } else {
            let lies = timeout(LOOKED_FOR, lying_part(env, place, &file)).await;
            lies.unwrap_or(LyingPart::Unknown)
        };
        // All of it is there: the next run records that it left.
        if lies == LyingPart::Whole {
            continue;
        }
        let stale = lies != LyingPart::FileAlone
            && has_moved(env, &file).await?
            && !was_kept(env, &file).await?
            && !is_answered(env, &file).await?;
        seen.push(PreparedSeen {
            number: file.sequence,
            day: day_from_number(file.day),
            name: file.name,
            stale,
        });
    }
    Ok(seen)
}

/// Drops and lists of ours in `out/` that somebody wrote into, as they are called.
async fn files_changed(
    env: &Env,
    place: usize,
    sent: &[DropFile],
) -> Result<Vec<String>, StoreError> {
    let drops = written_into(env, place, sent).await.into_iter();
    let mut files: Vec<String> = drops.map(|name| format!("drop {name}")).collect();
    let lists = lists_written_into(env, place).await?.into_iter();
    files.extend(lists.map(|name| format!("list {name}")));
    Ok(files)
}

/// Nights that came due and have no report, since the first run.
async fn nights_missing(env: &Env, first_run: Option<Instant>) -> Result<Vec<Date>, StoreError> {
    let Some(first) = first_run.filter(|_| !env.config.commissioners.is_empty()) else {
        return Ok(Vec::new());
    };
    let last = last_night(&env.config.schedule.reconcile, env.now());
    let mut missing = Vec::new();
    let issued = issued(env, day_number(first.london_day()) - 1).await?;
    let mut night = day_number(first.london_day());
    while last.is_some_and(|last| night <= day_number(last)) {
        let lacks = |id: &str| !issued.iter().any(|(of, who)| *of == night && who == id);
        if env.config.commissioners.iter().any(|one| lacks(&one.id)) {
            missing.push(day_from_number(night));
        }
        night += 1;
    }
    Ok(missing)
}

async fn issued(env: &Env, mut after: i64) -> Result<Vec<(i64, String)>, StoreError> {
    let mut issued = Vec::new();
    loop {
        let page = env.store.published_nights(after, PAGE).await?;
        let Some((last, _)) = page.last() else {
            return Ok(issued);
        };
        after = *last;
        issued.extend(page);
    }
}

/// The newest night that the schedule has asked for by now.
pub(super) fn last_night(due: &DueTimes, now: Instant) -> Option<Date> {
    let now = now
        .zoned(london())
        .checked_sub(NIGHT_MINUTES.minutes())
        .ok()?;
    // A night comes due in the day after it, or later where the schedule is rare.
    let mut at = now.checked_sub(40.days()).ok()?;
    let mut last = None;
    while let Some(next) = due.next_after(&at).filter(|next| *next <= now) {
        last = next.date().yesterday().ok();
        // To the next day at once: a schedule may come due each minute.
        let tomorrow = next.date().tomorrow().ok()?.to_zoned(london()).ok()?;
        at = tomorrow.checked_sub(1.minute()).ok()?;
    }
    last
}

/// The write-ahead log of the store, where it is longer than it may be.
pub(super) fn long_log(config: &Config) -> Option<LogSeen> {
    let bytes = machine::log_bytes(&config.store);
    (bytes > config.limits.write_ahead_bytes_max).then(|| LogSeen {
        bytes,
        readers: machine::log_readers(&config.store),
    })
}

/// What is free for who runs this, on the disk of a folder.
fn disk(folder: &Path) -> Option<DiskSeen> {
    let (bytes_free, bytes_all) = machine::bytes_free(folder)?;
    Some(DiskSeen {
        folder: folder.display().to_string(),
        bytes_free,
        bytes_all,
    })
}
