//! The anchor: how far the strands of a store had come when they were last seen, kept outside the store and under a mac.
//!
//! In: the strands as they stand. Out: a file, `var/anchor`. Keeps: it is never ahead of what is durable, and only goes
//! forward but when a person takes an older store into use. So a store that was put back, or has lost its write-ahead log,
//! is found before anything is sent a second time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::LedgerAccess;
use crate::domain::encoding::{hex, unhex};
use crate::seal::{Keys, LookupKey};
use crate::sheet::{AtomicFile, RecordedHead};
use crate::store::rows::{LedgerRow, Strand};
use crate::store::{Store, StoreError};

/// Form of the file.
const FORM: u32 = 1;
/// Bytes of the file at most: room for 100,000 strands.
const BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Tries for the lock, and the pause between two: 5 s in all.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Mode of the file and of its lock.
const MODE: u32 = 0o600;

/// Where the anchor of an installation lies.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    file: PathBuf,
    installation: LookupKey,
}

/// How far one strand had come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct AnchoredStrand {
    seq: i64,
    /// Hash of the row at `seq`, hexadecimal; empty of a strand without rows.
    head: String,
    /// The highest number given to a drop of the partner; 0 of every other strand.
    sequence: i64,
    /// The highest number of a drop that lay in `out/` and that the store had forgotten when a person took it into use.
    #[serde(default)]
    forgotten: i64,
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct AnchorText {
    form: u32,
    /// Id of the installation, hexadecimal.
    installation: String,
    /// By the strand's name.
    strands: BTreeMap<String, AnchoredStrand>,
    /// Over all of the above, hexadecimal.
    mac: String,
}

/// How a store stands to its anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AnchorAnswer {
    /// At it or ahead of it.
    Holds,
    /// There is none.
    Missing,
    /// It is not this installation's, or was changed.
    Foreign,
    /// The store is behind it, or went another way: the name of a strand, the rows that it has, and those it had.
    Behind {
        strand: String,
        rows: i64,
        rows_then: i64,
    },
}

/// Why the anchor was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnchorError {
    #[error("the anchor {} cannot be {step}: {source}", file.display())]
    Io {
        step: &'static str,
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("another process holds the lock of the anchor {} for longer than 5 seconds", file.display())]
    Locked { file: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AnchorText {
    fn mac(&self, keys: &Keys) -> String {
        use std::fmt::Write as _;
        let mut text = format!("{} {}\n", self.form, self.installation);
        for (name, strand) in &self.strands {
            let (seq, head, sequence) = (strand.seq, &strand.head, strand.sequence);
            // Writing to a String cannot fail.
            write!(text, "{name}\t{seq}\t{head}\t{sequence}").unwrap_or_default();
            if strand.forgotten > 0 {
                write!(text, "\t{}", strand.forgotten).unwrap_or_default();
            }
            text.push('\n');
        }
        hex(&keys.anchor_mac(text.as_bytes()))
    }

    /// Takes in how far strands have come; what stands there already goes no step back.
    fn raise(&mut self, strands: &[Strand]) {
        for strand in strands {
            let known = self.strands.entry(strand.name.clone()).or_default();
            if strand.seq > known.seq {
                (known.seq, known.head) = (strand.seq, hex(&strand.head));
            }
        }
    }

    /// The same, whatever stood there: numbers of drops alone go no step back.
    fn replace(&mut self, strands: &[Strand]) {
        for known in self.strands.values_mut() {
            (known.seq, known.head) = (0, String::new());
        }
        self.raise(strands);
    }
}

impl Anchor {
    /// The anchor of an installation, by its home.
    pub(crate) fn of(home: &Path, installation: LookupKey) -> Self {
        let file = home.join("var/anchor");
        Self { file, installation }
    }

    /// Holds a store against it.
    ///
    /// # Errors
    /// The store failed, or the file cannot be read.
    pub(crate) async fn compare(
        &self,
        store: &dyn Store,
        keys: &Keys,
    ) -> Result<AnchorAnswer, AnchorError> {
        // The anchor first, the store second: a run beside this one writes both meanwhile, in the other order.
        let text = match self.read(keys)? {
            Ok(text) => text,
            Err(answer) => return Ok(answer),
        };
        let strands = store.strands().await?;
        for (name, then) in &text.strands {
            if then.seq == 0 {
                continue;
            }
            let behind = |rows: i64| AnchorAnswer::Behind {
                strand: name.clone(),
                rows,
                rows_then: then.seq,
            };
            let Some(now) = strands.iter().find(|strand| strand.name == *name) else {
                return Ok(behind(0));
            };
            let row = store.ledger(now.id, then.seq - 1, 1).await?.pop();
            if row.is_none_or(|row| hex(&row.hash) != then.head) {
                return Ok(behind(now.seq));
            }
        }
        Ok(AnchorAnswer::Holds)
    }

    /// Notes how far the strands have come, and the number of a partner's drop that is about to go out.
    ///
    /// # Errors
    /// The store failed, or the file cannot be written.
    pub(crate) async fn raise(
        &self,
        ledger: &LedgerAccess,
        drop: Option<(&str, i64)>,
    ) -> Result<(), AnchorError> {
        let strands = ledger.store.strands().await?;
        let _lock = self.lock().await?;
        let before = self.read(&ledger.keys)?.unwrap_or_default();
        let mut text = before.clone();
        text.raise(&strands);
        if let Some((name, sequence)) = drop {
            let known = text.strands.entry(name.to_owned()).or_default();
            known.sequence = known.sequence.max(sequence);
        }
        if text == before {
            return Ok(());
        }
        self.write(text, &ledger.keys)
    }

    /// Notes that drops of a partner up to this number were given, although the store may have forgotten them: what a person decided.
    ///
    /// # Errors
    /// As [`Self::raise`].
    pub(crate) async fn note_forgotten(
        &self,
        ledger: &LedgerAccess,
        strand: &str,
        sequence: i64,
    ) -> Result<(), AnchorError> {
        let _lock = self.lock().await?;
        let mut text = self.read(&ledger.keys)?.unwrap_or_default();
        let known = text.strands.entry(strand.to_owned()).or_default();
        known.sequence = known.sequence.max(sequence);
        known.forgotten = known.forgotten.max(sequence);
        self.write(text, &ledger.keys)
    }

    /// The highest number of a drop that the store may have forgotten, by strand.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn forgotten(&self, keys: &Keys) -> Result<BTreeMap<String, i64>, AnchorError> {
        let text = self.read(keys)?.unwrap_or_default();
        let strands = text.strands.into_iter();
        Ok(strands
            .map(|(name, known)| (name, known.forgotten))
            .collect())
    }

    /// What a manifest says of how far a partner's strand had come, so that a later look tells whether the store still has it.
    pub(crate) fn head_of(&self, keys: &Keys, partner: &str, row: &LedgerRow) -> RecordedHead {
        let (seq, head) = (row.seq, hex(&row.hash));
        let mac = self.head_mac(keys, partner, seq, &head);
        RecordedHead { seq, head, mac }
    }

    /// Whether we wrote this into a manifest for the partner.
    pub(crate) fn is_ours(&self, keys: &Keys, partner: &str, said: &RecordedHead) -> bool {
        said.mac == self.head_mac(keys, partner, said.seq, &said.head)
    }

    fn head_mac(&self, keys: &Keys, partner: &str, seq: i64, head: &str) -> String {
        let installation = hex(&self.installation);
        let text = format!("manifest {installation}\n{partner}\t{seq}\t{head}\n");
        hex(&keys.anchor_mac(text.as_bytes()))
    }

    /// Takes the store as it stands for the truth: what a person decided.
    ///
    /// # Errors
    /// As [`Self::raise`].
    pub(crate) async fn replace(&self, ledger: &LedgerAccess) -> Result<(), AnchorError> {
        let strands = ledger.store.strands().await?;
        let _lock = self.lock().await?;
        let mut text = self.read(&ledger.keys)?.unwrap_or_default();
        text.replace(&strands);
        self.write(text, &ledger.keys)
    }

    /// The highest number that a drop of a partner's strand was given, as far as it is known here.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn last_sequence(&self, keys: &Keys, strand: &str) -> Result<i64, AnchorError> {
        let text = self.read(keys)?.unwrap_or_default();
        Ok(text.strands.get(strand).map_or(0, |known| known.sequence))
    }

    /// What the file says, if its mac is good.
    fn read(&self, keys: &Keys) -> Result<Result<AnchorText, AnchorAnswer>, AnchorError> {
        let bytes = match std::fs::metadata(&self.file) {
            Ok(found) if found.len() > BYTES_MAX || !found.is_file() => {
                return Ok(Err(AnchorAnswer::Foreign));
            }
            Ok(_) => std::fs::read(&self.file),
            Err(error) => Err(error),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Err(AnchorAnswer::Missing));
            }
            Err(error) => return Err(self.failed("read", error)),
        };
        let text: Option<AnchorText> = serde_json::from_slice(&bytes).ok();
        let ours = |text: &AnchorText| {
            text.form == FORM
                && text.installation == hex(&self.installation)
                && unhex(&text.mac).is_some()
                && text.mac == text.mac(keys)
        };
        Ok(text.filter(ours).ok_or(AnchorAnswer::Foreign))
    }

    fn write(&self, mut text: AnchorText, keys: &Keys) -> Result<(), AnchorError> {
        text.form = FORM;
        text.installation = hex(&self.installation);
        text.mac = text.mac(keys);
        let mut bytes = serde_json::to_vec_pretty(&text).expect("text and numbers always are JSON");
        bytes.push(b'\n');
        let write = || -> anyhow::Result<()> {
            let mut file = AtomicFile::beside(&self.file)?;
            file.write_all(&bytes)?;
            // A power cut may take it: the store, which is on disk by then, is then ahead of an older one.
            Ok(file.finish_unsynced(&self.file, MODE)?)
        };
        write().map_err(|error| {
            let source = error
                .chain()
                .find_map(|cause| cause.downcast_ref::<std::io::Error>())
                .map_or(std::io::ErrorKind::Other, std::io::Error::kind);
            self.failed("written", source.into())
        })
    }

    /// One process at a time reads and writes it.
    async fn lock(&self) -> Result<File, AnchorError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.file.with_extension("lock");
        let opened = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path);
        let file = opened.map_err(|error| self.failed("locked", error))?;
        for _ in 0..LOCK_TRIES {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(Errno::WOULDBLOCK | Errno::INTR) => tokio::time::sleep(LOCK_PAUSE).await,
                // A file system without locks: the leases of the store keep two runs apart.
                Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOLCK) => {
                    return Ok(file);
                }
                Err(error) => return Err(self.failed("locked", error.into())),
            }
        }
        Err(AnchorError::Locked {
            file: self.file.clone(),
        })
    }

    fn failed(&self, step: &'static str, source: std::io::Error) -> AnchorError {
        AnchorError::Io {
            step,
            file: self.file.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::StrandId;
    use crate::seal::HolderKey;

    fn keys() -> Keys {
        Keys::new(HolderKey::new([1; 32]), &[7; 16], &HolderKey::new([2; 32]))
    }

    fn strand(name: &str, seq: i64, head: u8) -> Strand {
        Strand {
            id: StrandId::new(1),
            name: name.to_owned(),
            seq,
            head: [head; 32],
            at: 0,
            rules: None,
        }
    }

    #[test]
    fn it_goes_forward_and_only_a_person_sets_it_back() {
        let mut text = AnchorText::default();
        text.raise(&[strand("a", 5, 5), strand("partner:b", 3, 3)]);
        text.raise(&[strand("a", 4, 4), strand("partner:b", 6, 6)]);
        let seqs = |text: &AnchorText| -> Vec<i64> {
            text.strands.values().map(|strand| strand.seq).collect()
        };
        assert_eq!(seqs(&text), [5, 6]);
        assert_eq!(text.strands["a"].head, hex(&[5; 32]));
        if let Some(known) = text.strands.get_mut("partner:b") {
            known.sequence = 9;
        }
        text.replace(&[strand("a", 2, 2)]);
        assert_eq!(seqs(&text), [2, 0]);
        assert_eq!(text.strands["partner:b"].sequence, 9);
    }

    #[test]
    fn one_that_was_changed_or_belongs_to_another_installation_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("var")).unwrap();
        let anchor = Anchor::of(folder.path(), [7; 16]);
        assert_eq!(anchor.read(&keys()).unwrap(), Err(AnchorAnswer::Missing));
        let mut text = AnchorText::default();
        text.raise(&[strand("a", 5, 5)]);
        anchor.write(text, &keys()).unwrap();
        assert_eq!(
            anchor.read(&keys()).unwrap().map(|text| text.strands.len()),
            Ok(1)
        );
        let other = Anchor::of(folder.path(), [8; 16]);
        assert_eq!(other.read(&keys()).unwrap(), Err(AnchorAnswer::Foreign));
        let lower = std::fs::read_to_string(&anchor.file).unwrap();
        let lower = lower.replace("\"seq\": 5", "\"seq\": 4");
        std::fs::write(&anchor.file, lower).unwrap();
        assert_eq!(anchor.read(&keys()).unwrap(), Err(AnchorAnswer::Foreign));
    }
}
