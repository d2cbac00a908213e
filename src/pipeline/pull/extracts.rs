//! Pull from a folder of extracts: the places of its referrals, a chunk at a time; workers read and parse them.

use std::path::Path;
use std::sync::Arc;

use tracing::Span;

use super::certificate::Evidence;
use super::folder::{Folder, FolderError};
use super::referral_source::{Ended, PullError, ReferralSource};
use crate::domain::clock::day_number;
use crate::domain::{Instant, limits};
use crate::pipeline::ingest::load::Load;
use crate::pipeline::ingest::queue::{Step, Steps};
use crate::pipeline::run::Env;
use crate::store::rows::Certificate;

/// A folder that is being pulled.
pub(super) struct Extracts {
    folder: Arc<Folder>,
    /// Places that were handed out.
    given: usize,
    over: bool,
    /// The very files of the last pull: every referral was seen before.
    same: bool,
    input: Vec<u8>,
    now: Instant,
}

impl Extracts {
    /// Opens and indexes a folder.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub(super) async fn open(
        env: &Env,
        path: &Path,
        before: Option<&Certificate>,
    ) -> anyhow::Result<Result<Self, FolderError>> {
        let temporary = env.config.home.join("var/tmp");
        let path = path.to_owned();
        let (span, limits) = (Span::current(), env.config.limits);
        let open = move || Folder::open(&path, &temporary, &limits);
        let opened = tokio::task::spawn_blocking(move || span.in_scope(open)).await?;
        Ok(opened.map(|folder| {
            let input = digest(env, &folder);
            Self {
                same: before.is_some_and(|certificate| {
                    certificate.input == input && certificate.verdict.starts_with("complete")
                }),
                folder: Arc::new(folder),
                given: 0,
                over: false,
                input,
                now: env.now(),
            }
        }))
    }
}

/// The folder's digest together with the rules: changed rules are a reason to look again.
fn digest(env: &Env, folder: &Folder) -> Vec<u8> {
    env.keys
        .file_digest(&crate::seal::sha256(&[&folder.digest(), &env.rules.hash]))
        .to_vec()
}

/// Days since the newest record of an extract was written: nothing later is known of anybody in it.
fn age_days(now: Instant, newest: &str) -> Option<i64> {
    let written: jiff::civil::Date = newest.get(..10)?.parse().ok()?;
    Some(day_number(now.london_day()) - day_number(written))
}

/// What a folder can promise.
pub(super) fn evidence(folder: &Folder, now: Instant) -> Evidence {
    Evidence {
        requests: count(folder.len()),
        superseded: folder.superseded(),
        other_resources: folder.others(),
        unreadable: folder.unreadable_count(),
        deleted: count(folder.deleted().len()),
        told_missing: folder.told_missing(),
        newest: folder.newest().map(str::to_owned),
        age_days: folder.newest().and_then(|newest| age_days(now, newest)),
        ..Evidence::default()
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Steps for Extracts {
    type Error = PullError;

    async fn next(&mut self) -> Result<Option<Step>, PullError> {
        let end = self.folder.len().min(self.given + limits::CHUNK_REFERRALS);
        if self.same || self.over {
            return Ok(None);
        }
        if self.given == end {
            self.over = true;
            let deleted = self.folder.deleted().to_vec();
            return Ok((!deleted.is_empty()).then_some(Step::Gone(deleted)));
        }
        let places = (self.given..end).collect();
        self.given = end;
        Ok(Some(Step::Load(Load::InFolder(
            Arc::<Folder>::clone(&self.folder),
            places,
        ))))
    }
}

impl ReferralSource for Extracts {
    fn end(&mut self) -> Ended {
        let evidence = evidence(&self.folder, self.now);
        Ended {
            evidence,
            high: Some(self.now),
            input: std::mem::take(&mut self.input),
            known: if self.same {
                count(self.folder.len())
            } else {
                0
            },
            diagnostics: self.folder.diagnostics(),
        }
    }
}
