//! The report of a night: its cells sealed as a cube, rendered, kept and written.
//!
//! Keeps: a past night is issued once; made again later it is the same bytes, and the cube still gives them.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;

use super::cube::gather;
use crate::config::Commissioner;
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::clock::{day_from_number, day_number};
use crate::domain::{Destination, Instant, KeyId};
use crate::pipeline::reconcile::prove::Proof;
use crate::pipeline::run::{Env, HeldLease, LedgerAccess, ReportPlace};
use crate::report::{self, Input, Rendered};
use crate::seal::{Digest, Spot, sha256};
use crate::store::{Body, Entry, Kind, LeaseStage};
use crate::transport::{OutgoingFile, TransportError};

/// Nights checked at a time.
const NIGHTS: i64 = 500;
/// Nights after which a report that could not be written is left to `kith report --date`.
const NIGHTS_BACK: i64 = 14;

/// Whether a day is not over yet.
pub(crate) fn today_is_open(ledger: &LedgerAccess, day: Date) -> bool {
    day >= ledger.today()
}

/// Issues last night's report to every commissioner that has none yet, and writes the files that are not written yet; gives what could not be
/// written, which the next run does.
///
/// # Errors
/// The store failed.
pub(crate) async fn publish_last_night(env: &Env) -> anyhow::Result<Vec<Diagnostic>> {
    let night = day_number(env.today()) - 1;
    let first = env.store.ledger(env.strand, 0, 1).await?;
    let born = first
        .first()
        .map_or(i64::MAX, |row| day_number(Instant(row.at).london_day()));
    if night >= born {
        for commissioner in &env.config.commissioners {
            let issued = env.store.published(night, &commissioner.id).await?;
            if issued.is_empty() {
                issue(env, commissioner, day_from_number(night)).await?;
            }
        }
    }
    write_issued(env, night).await
}

/// Writes the nights of the last two weeks that were issued, and whose files no run has written.
async fn write_issued(env: &Env, last: i64) -> anyhow::Result<Vec<Diagnostic>> {
    let since = last - NIGHTS_BACK;
    let nights = env.store.published_nights(since, NIGHTS).await?;
    let written = written(env, since).await?;
    let mut failed = Vec::new();
    for (night, commissioner) in nights {
        let done = written.contains(&(night, commissioner.clone()));
        let Some(to) = env.reports.get(&commissioner).filter(|_| !done) else {
            continue;
        };
        let files = kept(env, night, &commissioner).await?;
        match write(to, &commissioner, day_from_number(night), files).await {
            Ok(_) => note_written(env, night, &commissioner).await?,
            Err(error) => failed.push(unwritten(&commissioner, day_from_number(night), &error)),
        }
    }
    Ok(failed)
}

fn unwritten(commissioner: &str, day: Date, error: &TransportError) -> Diagnostic {
    let place = Place::detail(format!("commissioner {commissioner}, {day}"));
    Diagnostic::new(Code::ReportFailed, error.to_string(), place)
}

/// Nights since then, with the commissioners for whom their files were written.
async fn written(env: &Env, since: i64) -> anyhow::Result<HashSet<(i64, String)>> {
    let cut = Instant::london_midnight(day_from_number(since));
    let heads = env.store.heads_before(cut.0).await?;
    let own = heads.iter().find(|(strand, ..)| *strand == env.strand);
    let mut after = own.map_or(0, |(_, seq, _)| *seq);
    let mut written = HashSet::new();
    loop {
        let rows = env
            .store
            .ledger_of_kind(env.strand, Kind::Written, after, NIGHTS);
        let rows = rows.await?;
        let Some(last) = rows.last() else {
            return Ok(written);
        };
        after = last.seq;
        for row in &rows {
            if let Some(Body::Written { commissioner }) = row.body() {
                written.insert((row.subject, commissioner));
            }
        }
    }
}

async fn note_written(env: &Env, night: i64, commissioner: &str) -> anyhow::Result<()> {
    let lease = env.short_lease(LeaseStage::Reconcile, env.strand).await?;
    let mut batch = lease.batch(env.now());
    let commissioner = commissioner.to_owned();
    batch.push(Entry::new(night, Body::Written { commissioner }));
    env.store.commit(batch).await?;
    lease.give_back().await?;
    Ok(())
}

/// The files of a night as they were issued; none if it was not.
async fn kept(env: &Env, night: i64, commissioner: &str) -> anyhow::Result<Vec<Rendered>> {
    let kept = env.store.published(night, commissioner).await?.into_iter();
    Ok(kept
        .map(|(name, _, bytes)| Rendered { name, bytes })
        .collect())
}

/// Where reports lie that were written, and which could not be.
#[derive(Default)]
pub(crate) struct WrittenReports {
    pub(crate) folders: Vec<Destination>,
    pub(crate) failed: Vec<Diagnostic>,
}

/// Writes reports for people: a past night as it was issued, an open day as it stands.
///
/// # Errors
/// The store failed, or a commissioner has no folder.
pub(crate) async fn write_reports(
    env: &Env,
    date: Option<Date>,
    commissioner: Option<&str>,
    out: Option<&ReportPlace>,
) -> anyhow::Result<WrittenReports> {
    let day = date.unwrap_or_else(|| day_from_number(day_number(env.today()) - 1));
    let mut written = WrittenReports::default();
    for one in env
        .config
        .commissioners
        .iter()
        .filter(|one| commissioner.is_none_or(|id| one.id == id))
    {
        let kept = kept(env, day_number(day), &one.id).await?;
        let files = if !kept.is_empty() {
            kept
        } else if today_is_open(env, day) {
            report::render(&gather(env, one, day).await?)
        } else {
            issue(env, one, day).await?
        };
        let to = out.or_else(|| env.reports.get(&one.id)).ok_or_else(|| {
            anyhow::anyhow!(
                "commissioner {} has no report folder: name one with --out",
                one.id
            )
        })?;
        match write(to, &one.id, day, files).await {
            Ok(folder) => written.folders.push(folder),
            Err(error) => written.failed.push(unwritten(&one.id, day, &error)),
        }
    }
    Ok(written)
}

/// A published report is still what its cube gives and what the ledger names.
pub(crate) async fn check_published(
    ledger: &LedgerAccess,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let mut after = i64::MIN;
    loop {
        let nights = ledger.store.published_nights(after, NIGHTS).await?;
        let Some((last, _)) = nights.last() else {
            return Ok(());
        };
        after = *last;
        for (night, commissioner) in nights {
            check_night(ledger, night, &commissioner, proof).await?;
        }
    }
}

async fn check_night(
    ledger: &LedgerAccess,
    night: i64,
    commissioner: &str,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let place = format!("report of {} for {commissioner}", day_from_number(night));
    let kept = ledger.store.published(night, commissioner).await?;
    if kept
        .iter()
        .any(|(_, digest, bytes)| sha256(&[bytes]) != *digest)
    {
        proof.add("report", "a published report was changed", place.clone());
    }
    let Some(sealed) = ledger.store.cube(night, commissioner).await? else {
        proof.add(
            "report",
            "the figures of a published report are missing",
            place,
        );
        return Ok(());
    };
    let Ok(plain) = ledger.key.open(cube_spot(night, ledger.key_id), &sealed) else {
        proof.add(
            "report",
            "the figures of a published report do not open",
            place,
        );
        return Ok(());
    };
    let input: Input = serde_json::from_slice(&plain)?;
    let again: HashMap<String, Digest> = report::render(&input)
        .into_iter()
        .map(|file| (file.name, sha256(&[&file.bytes])))
        .collect();
    if kept
        .iter()
        .any(|(name, digest, _)| again.get(name) != Some(digest))
    {
        // Another release may render otherwise; the kept bytes stand.
        tracing::warn!(
            report.night = night,
            "a published report would be rendered otherwise today"
        );
    }
    Ok(())
}

/// Gathers, seals, renders and keeps a night; what another process has issued meanwhile is what it is.
async fn issue(env: &Env, commissioner: &Commissioner, day: Date) -> anyhow::Result<Vec<Rendered>> {
    let lease = env.short_lease(LeaseStage::Reconcile, env.strand).await?;
    let issued = issue_once(env, &lease, commissioner, day).await;
    lease.after(issued).await
}

async fn issue_once(
    env: &Env,
    lease: &HeldLease,
    commissioner: &Commissioner,
    day: Date,
) -> anyhow::Result<Vec<Rendered>> {
    let kept = kept(env, day_number(day), &commissioner.id).await?;
    if !kept.is_empty() {
        return Ok(kept);
    }
    let input = gather(env, commissioner, day).await?;
    let files = report::render(&input);
    let night = day_number(day);
    let mut batch = lease.batch(env.now());
    let cube = serde_json::to_vec(&input)?;
    let sealed = env
        .key
        .seal(cube_spot(night, env.key_id), env.stream().bytes(), &cube);
    for file in &files {
        let digest = sha256(&[&file.bytes]);
        let published = Body::Published {
            commissioner: commissioner.id.clone(),
            name: file.name.clone(),
            digest,
        };
        batch.push(Entry::new(night, published));
        batch.published.push((
            night,
            commissioner.id.clone(),
            file.name.clone(),
            digest,
            file.bytes.clone(),
        ));
    }
    batch.cubes.push((night, commissioner.id.clone(), sealed));
    env.store.commit(batch).await?;
    Ok(files)
}

fn cube_spot(night: i64, holder: KeyId) -> Spot<'static> {
    Spot::new("cube.sealed", night, holder)
}

/// Writes the pages of a day where they go, and says where they lie.
async fn write(
    to: &ReportPlace,
    commissioner: &str,
    day: Date,
    files: Vec<Rendered>,
) -> Result<Destination, TransportError> {
    let folder = format!("{commissioner}/{day}");
    let files = files.into_iter().map(|file| OutgoingFile {
        name: format!("{folder}/{}", file.name),
        bytes: file.bytes,
    });
    to.transport.prepare().await?;
    to.transport.replace(files.collect()).await?;
    Ok(to.destination.within(&folder))
}
