//! Referrals from a server's Bulk Data export.
//!
//! In: an order for what changed since the last export. Out: referrals, a chunk at a time, and the evidence for what the
//! export can promise. Requests and the records they name come in different files, so all files are brought into a sealed
//! spool first and put together from there; memory grows by some bytes a resource (ADR 0008). Kept: the next export begins
//! where this one was true, only once all of it is durable and only if nothing was left out; a crash orders no second one.

mod download;
mod export_job;
mod filter;
mod index;
mod records;
mod spool;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use download::{Server, Tally, gather};
use export_job::JobFile;
use records::Shelf;
use spool::Spool;
use tokio::sync::Semaphore;

use super::Pulling;
use super::certificate::{Evidence, Exported};
use super::referral_source::{Ended, PullError, ReferralSource};
use super::search::{Together, without_person};
use crate::config::Bulk;
use crate::domain::{Instant, limits};
use crate::fhir::bulk::{Patience, StatusUrl};
use crate::fhir::client::Client;
use crate::pipeline::gp_client;
use crate::pipeline::ingest::load::{Load, LoadOrigin};
use crate::pipeline::ingest::queue::{Step, Steps};
use crate::pipeline::referral::Bytes;
use crate::pipeline::run::{Env, StageOutcome};
use crate::pipeline::select::SNOMED;
use crate::seal::sha256;

/// Pulls one source by export.
///
/// # Errors
/// The store or our own disk failed. A server that fails is an outcome.
pub(super) async fn pull(
    at: &Pulling<'_>,
    config: &Bulk,
    turns: Arc<Semaphore>,
) -> anyhow::Result<StageOutcome> {
    let client = match gp_client::client(at.run, at.source, &config.base_url) {
        Ok(client) => client,
        Err(error) => {
            return at
                .not_begun(PullError::from(error).diagnostic(at.place()))
                .await;
        }
    };
    let asking = Asking::new(at, &client, config);
    let again = without_person(at).await?;
    let mut export = BulkPull::new(asking, again);
    let outcome = at.pull(&mut export, turns).await?;
    // Only now is everything durable: what came, the holds, and where the next export begins.
    export.throw_away().await?;
    Ok(outcome)
}

/// What is asked for, and where it is held against what we have.
struct Asking<'a> {
    env: &'a Env,
    source: usize,
    /// Trigger and decline codes.
    codes: Vec<&'a str>,
    server: Server<'a>,
}

impl<'a> Asking<'a> {
    fn new(at: &Pulling<'a>, client: &'a Client, config: &'a Bulk) -> Self {
        let env: &'a Env = at.run;
        let overlap = config.overlap_minutes * 60;
        let since = at.high().map(|high| high.plus_seconds(-overlap));
        let codes = env.source_rules(&env.sources[at.source].config).codes();
        let filter: Vec<(&str, &str)> = if config.type_filter {
            codes.iter().map(|code| (SNOMED, *code)).collect()
        } else {
            Vec::new()
        };
        let told = format!("{:?} {since:?} {codes:?} {}", config.level, filter.len());
        Self {
            env,
            source: at.source,
            codes,
            server: Server {
                client,
                config,
                since,
                filter,
                patience: Patience::of_minutes(config.wait_minutes),
                asked: sha256(&[config.base_url.as_bytes(), b" ", told.as_bytes()]),
                job: JobFile::of(env, at.source),
            },
        }
    }
}

/// What is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    /// Requests, from this one on.
    Requests(usize),
    /// People who changed while their requests did not, from this record on.
    People(usize),
    Deleted,
    Over,
}

/// An export that is being pulled.
struct BulkPull<'c> {
    asking: Asking<'c>,
    phase: Phase,
    /// Requests of earlier pulls whose person was not found.
    again: Vec<Bytes>,
    gathered: Option<(Arc<Shelf>, Together<'c>)>,
    status: Option<StatusUrl>,
    /// The server's time up to which the export is true.
    until: Option<Instant>,
    tally: Tally,
    evidence: Evidence,
}

impl<'c> BulkPull<'c> {
    fn new(asking: Asking<'c>, again: Vec<Bytes>) -> Self {
        Self {
            asking,
            phase: Phase::New,
            again,
            gathered: None,
            status: None,
            until: None,
            tally: Tally::default(),
            evidence: Evidence::default(),
        }
    }

    /// Brings the export into the spool.
    async fn begin(&mut self) -> Result<(), PullError> {
        let (env, config) = (self.asking.env, self.asking.server.config);
        let spool = Spool::new(&env.config.home.join("var/tmp"), env.stream().bytes());
        let mut shelf = Shelf::new(spool.map_err(own)?, self.asking.server.since.is_some());
        let (status, until) = gather(&self.asking.server, &mut shelf, &mut self.tally).await?;
        let shelf = Arc::new(shelf);
        let kept = Arc::clone(&shelf);
        let together = Together::new(
            self.asking.server.client,
            &config.base_url,
            config.rebase_links,
            kept,
        );
        self.gathered = Some((shelf, together));
        (self.status, self.until) = (Some(status), until);
        self.phase = Phase::Requests(0);
        Ok(())
    }

    /// Requests with what they name; none of requests that there are not. Those of people alone did not come: what
    /// is not found of them was told when they did.
    async fn load(&mut self, requests: Vec<Bytes>, came: bool) -> Result<Option<Step>, PullError> {
        let Some((shelf, together)) = &mut self.gathered else {
            return Ok(None);
        };
        if requests.is_empty() {
            return Ok(None);
        }
        let mut aside = Evidence::default();
        let evidence = if came { &mut self.evidence } else { &mut aside };
        let referrals = together.referrals(requests, evidence).await?;
        self.evidence.read_singly += aside.read_singly;
        match shelf.failure() {
            Some(error) => Err(own(error)),
            None => Ok(Some(Step::Load(Load::Fetched(
                LoadOrigin::FromPages,
                referrals,
            )))),
        }
    }

    /// The next requests of the export that are ours; none after the last.
    async fn requests(&mut self, mut from: usize) -> Result<Option<Step>, PullError> {
        let Some((shelf, _)) = &self.gathered else {
            return Ok(None);
        };
        let shelf = Arc::clone(shelf);
        while from < shelf.index.len() {
            let requests = shelf.requests(from, limits::CHUNK_REFERRALS);
            from += limits::CHUNK_REFERRALS;
            self.phase = Phase::Requests(from);
            let all = requests.map_err(own)?;
            let came = all.len();
            let requests = filter::requests(&self.asking, all).await?;
            self.evidence.other_code += (came - requests.len()) as u64;
            self.evidence.requests += requests.len() as u64;
            if let Some(step) = self.load(requests, true).await? {
                return Ok(Some(step));
            }
        }
        self.phase = Phase::People(0);
        Ok(None)
    }

    /// The requests, as we have them, of people who have changed themselves; none after the last.
    async fn people(&mut self, mut from: usize) -> Result<Option<Step>, PullError> {
        let shelf = self.gathered.as_ref().map(|(shelf, _)| Arc::clone(shelf));
        // The first export has everybody in it, and nobody of them is known yet.
        if let (Some(shelf), Some(_)) = (shelf, self.asking.server.since) {
            while from < shelf.index.records_len() {
                let people = shelf.people_alone(from, limits::CHUNK_REFERRALS);
                from += limits::CHUNK_REFERRALS;
                self.phase = Phase::People(from);
                let people = people.map_err(own)?;
                let requests = filter::of_people(&self.asking, &people).await?;
                self.tally.export.people_alone += requests.len() as u64;
                if let Some(step) = self.load(requests, false).await? {
                    return Ok(Some(step));
                }
            }
        }
        self.phase = Phase::Deleted;
        Ok(None)
    }

    /// Looks again for people that earlier pulls did not find.
    async fn look_again(&mut self) -> Result<Option<Step>, PullError> {
        let requests = std::mem::take(&mut self.again);
        let Some((_, together)) = &mut self.gathered else {
            return Ok(None);
        };
        let mut counted = Evidence::default();
        let mut referrals = together.referrals(requests, &mut counted).await?;
        let all = referrals.len();
        referrals.retain(|referral| referral.patient.is_some());
        self.evidence.read_singly += counted.read_singly;
        self.evidence.still_unresolved = (all - referrals.len()) as u64;
        Ok((!referrals.is_empty())
            .then_some(Step::Load(Load::Fetched(LoadOrigin::FromPages, referrals))))
    }

    /// Tells the server that its files are no longer wanted, if all of them were read.
    async fn throw_away(&mut self) -> anyhow::Result<()> {
        if self.phase != Phase::Over {
            return Ok(());
        }
        self.asking.server.job.remove()?;
        if let Some(status) = self.status.take() {
            // A server that does not hear this throws them away by itself in time.
            self.asking
                .server
                .client
                .forget_export(&status)
                .await
                .unwrap_or(());
        }
        Ok(())
    }
}

/// A failure that is none of the server's.
fn own(error: impl Into<anyhow::Error>) -> PullError {
    PullError::Own(error.into())
}

impl Steps for &mut BulkPull<'_> {
    type Error = PullError;

    async fn next(&mut self) -> Result<Option<Step>, PullError> {
        loop {
            let step = match self.phase {
                Phase::New => {
                    self.begin().await?;
                    self.look_again().await?
                }
                Phase::Requests(from) => self.requests(from).await?,
                Phase::People(from) => self.people(from).await?,
                Phase::Deleted => {
                    self.phase = Phase::Over;
                    let deleted = std::mem::take(&mut self.tally.deleted);
                    (!deleted.is_empty()).then_some(Step::Gone(deleted))
                }
                Phase::Over => return Ok(None),
            };
            if step.is_some() {
                return Ok(step);
            }
        }
    }
}

impl ReferralSource for &mut BulkPull<'_> {
    fn end(&mut self) -> Ended {
        let mut evidence = std::mem::take(&mut self.evidence);
        let mut export: Exported = std::mem::take(&mut self.tally.export);
        evidence.unreadable += self.tally.unreadable;
        if let Some((shelf, _)) = &self.gathered {
            let kinds = shelf.index.kinds.iter();
            export.resources = kinds.map(|(kind, n)| ((*kind).to_owned(), *n)).collect();
            evidence.superseded = shelf.index.superseded;
            evidence.other_resources = shelf.index.others;
        }
        evidence.from = self.asking.server.since.map(Instant::utc_text);
        evidence.to = self.until.map(Instant::utc_text);
        evidence.clock = self.until.map(|_| "server".to_owned());
        // What an export left out would not come again if the next one began later.
        let partial = export.errors + evidence.unreadable > 0;
        evidence.export = Some(export);
        Ended {
            evidence,
            high: self.until.filter(|_| !partial),
            input: Vec::new(),
            known: 0,
            diagnostics: Vec::new(),
        }
    }
}
