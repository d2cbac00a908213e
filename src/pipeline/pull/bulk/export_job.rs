//! What is remembered of an export under way: where it can be asked after, and what was asked for.
//!
//! In: a status address. Out: the same in the next run, if it still asks for the same. The file is sealed under the source's
//! key, for whoever knows the address may be let in. It explains nothing in the books: without it an export is ordered anew.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::domain::encoding::hex;
use crate::domain::entropy::Stream;
use crate::domain::{Instant, KeyId};
use crate::pipeline::run::Env;
use crate::seal::{HolderKey, Spot};
use crate::sheet::write_atomically;

/// An export is asked after for so long, then it is given up and ordered anew.
const HOURS_MAX: i64 = 24;

/// What a server stores may be visible so much later.
const SETTLE_SECONDS: i64 = 120;

/// An export under way.
#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) status: String,
    /// Digest of what was asked for.
    asked: String,
    /// When it was ordered, microseconds UTC.
    at: i64,
    /// The same by the server's clock, if it said so.
    #[serde(default)]
    kicked_off: Option<i64>,
}

impl Job {
    /// What was written before this time is in the export, whatever the server says of it: the next one begins no later.
    pub(super) fn kick_off(&self) -> Instant {
        let server = self
            .kicked_off
            .map(|at| Instant(at).plus_seconds(-SETTLE_SECONDS));
        server.map_or(Instant(self.at), |server| server.min(Instant(self.at)))
    }
}

/// 22 November 2026, 3 o'clock.
#[cfg(test)]
pub(super) const FOR_TESTS: i64 = 1_795_316_400_000_000;

/// Where the job of a source is kept, and what seals it.
pub(super) struct JobFile {
    path: PathBuf,
    row: i64,
    holder: KeyId,
    key: HolderKey,
    stream: Mutex<Stream>,
    now: Instant,
}

impl JobFile {
    /// The file of a source.
    pub(super) fn of(env: &Env, source: usize) -> Self {
        let at = &env.sources[source];
        let name = format!("{}.job", at.config.id);
        Self {
            path: env.config.home.join("var/bulk").join(name),
            row: at.strand.number(),
            holder: at.key_id,
            key: at.key.clone(),
            stream: Mutex::new(env.stream()),
            now: env.now(),
        }
    }

    #[cfg(test)]
    pub(super) fn for_tests(folder: &std::path::Path) -> Self {
        Self {
            path: folder.join("gp.job"),
            row: 1,
            holder: KeyId::new(2),
            key: HolderKey::new([5; 32]),
            stream: Mutex::new(crate::domain::Entropy::from_seed([6; 32]).stream(0)),
            now: Instant(FOR_TESTS),
        }
    }

    #[cfg(test)]
    pub(super) fn at(mut self, now: Instant) -> Self {
        self.now = now;
        self
    }

    fn spot(&self) -> Spot<'static> {
        Spot::new("bulk.job", self.row, self.holder)
    }

    /// The job that was kept; a file that does not open is as good as none.
    pub(super) fn read(&self) -> Option<Job> {
        let sealed = std::fs::read(&self.path).ok()?;
        let plain = self.key.open(self.spot(), &sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// Keeps a job, durably: from here on a crash does not order a second export.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn keep(
        &self,
        status: &str,
        asked: &[u8; 32],
        kicked_off: Option<i64>,
    ) -> anyhow::Result<Job> {
        let job = Job {
            status: status.to_owned(),
            asked: hex(asked),
            at: self.now.0,
            kicked_off,
        };
        let plain = serde_json::to_vec(&job)?;
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let sealed = self.key.seal(self.spot(), stream.bytes(), &plain);
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        write_atomically(&self.path, &sealed, 0o600)?;
        Ok(job)
    }

    /// Forgets the job.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub(super) fn remove(&self) -> std::io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether a job still answers what is asked for, and is not too old to be made any more.
    pub(super) fn answers(&self, job: &Job, asked: &[u8; 32]) -> bool {
        let end = Instant(job.at).plus_seconds(HOURS_MAX * 3_600);
        job.asked == hex(asked) && self.now <= end
    }
}
