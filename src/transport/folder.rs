//! A folder shared with a partner: `out/` with its receipts, `in/` with what has been dealt with.
//!
//! Layout below `<path with {partner}>`: `out/` (drops and manifests), `out/receipts/`, `out/.kith/` (files being written), `in/`, `in/done/`,
//! `in/refused/`. The partner may write into `in/`, so nothing there is trusted: see `security.md` §4. Invariants are those of the trait.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use super::file_name::{PartnerFileName, receipt_stem};
use super::pattern::Pattern;
use super::{
    Candidate, Listing, Moment, OutgoingDrop, Place, Published, Receipt, SkipReason, Transport,
    TransportError, failed,
};
use crate::domain::limits::RETURN_FILES_MAX;
use crate::sheet::atomic_file::sync_folder;
use crate::sheet::{AtomicError, AtomicFile, Existing};

/// Names of `in/` looked at in one listing: room for a year of files that nobody fetched, and a bound on a folder filled by mistake.
const ENTRIES_MAX: usize = 20_000;
/// Numbers tried for a taken name: ` (2)` and on.
const NUMBERS_MAX: usize = 1_000;
/// Mode of the folders; what the umask takes away stays away.
const FOLDER_MODE: u32 = 0o770;
/// Mode of drops and receipts: the partner's group may read.
pub(crate) const FILE_MODE: u32 = 0o640;

/// A partner's folder.
#[derive(Debug)]
pub(crate) struct FolderTransport {
    out: PathBuf,
    receipts: PathBuf,
    parts: PathBuf,
    incoming: PathBuf,
    done: PathBuf,
    refused: PathBuf,
    file_mode: u32,
}

impl FolderTransport {
    /// The folder of a partner under a transport's `path`, an absolute path in which `{partner}` stands for our id of the partner.
    pub(crate) fn new(path: &Path, partner: &str, file_mode: u32) -> Self {
        let filled: PathBuf = path
            .components()
            .map(|component| match component {
                Component::Normal(name) => name.to_str().map_or_else(
                    || name.into(),
                    |name| PathBuf::from(name.replace("{partner}", partner)),
                ),
                other => PathBuf::from(other.as_os_str()),
            })
            .collect();
        let (out, incoming) = (filled.join("out"), filled.join("in"));
        Self {
            receipts: out.join("receipts"),
            parts: out.join(".kith"),
            done: incoming.join("done"),
            refused: incoming.join("refused"),
            out,
            incoming,
            file_mode,
        }
    }

    /// Makes the folders that are missing, and refuses those that are links: a partner who may write beside them could point them anywhere.
    ///
    /// # Errors
    /// [`TransportError::NotAFolder`], [`TransportError::Io`].
    pub(crate) fn prepare(&self) -> Result<(), TransportError> {
        for folder in [
            &self.out,
            &self.receipts,
            &self.parts,
            &self.incoming,
            &self.done,
            &self.refused,
        ] {
            prepare_folder(folder)?;
        }
        Ok(())
    }

    /// Removes what a run that died left half-written. Call it at start, under the partner's lease.
    ///
    /// # Errors
    /// [`TransportError::Io`].
    pub(crate) fn sweep(&self) -> Result<(), TransportError> {
        prepare_folder(&self.parts)?;
        let entries = fs::read_dir(&self.parts).map_err(failed("listing", &self.parts))?;
        for entry in entries.take(ENTRIES_MAX) {
            let path = entry.map_err(failed("listing", &self.parts))?.path();
            if path.extension().is_some_and(|ending| ending == "part") {
                fs::remove_file(path)
                    .map_err(failed("removing an old temporary file", &self.parts))?;
            }
        }
        Ok(())
    }

    fn write(&self, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), TransportError> {
        let mut file = AtomicFile::create(self.parts.join(format!("{name}.part")))?;
        file.write_all(bytes)
            .map_err(failed("writing a file", &self.parts))?;
        match file.finish(&folder.join(name), self.file_mode, Existing::Keep) {
            Err(AtomicError::Taken { folder }) => Err(TransportError::NameTaken { folder }),
            other => Ok(other?),
        }
    }

    /// The metadata of a candidate where it lies, if it still is the file that was listed.
    fn unchanged(&self, candidate: &Candidate, found: &Metadata) -> Result<(), TransportError> {
        if found.is_file() && *candidate == candidate_of(candidate.name.clone(), found) {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    fn changed(&self) -> TransportError {
        TransportError::Changed {
            folder: self.incoming.clone(),
        }
    }

    /// Opens a file of `in/` without following a link or waiting for the other end of a FIFO.
    fn open(&self, name: &PartnerFileName) -> Result<File, TransportError> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(self.incoming.join(name.reveal()));
        opened.map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP | libc::ENXIO) => TransportError::NotRegular {
                folder: self.incoming.clone(),
            },
            Some(libc::ENOENT) => self.changed(),
            _ => failed("opening a return", &self.incoming)(error),
        })
    }

    /// Sorts one entry of `in/` into the listing.
    fn sort_in(
        &self,
        entry: &fs::DirEntry,
        pattern: &Pattern,
        moment: Moment,
        listing: &mut Listing,
    ) -> Result<(), TransportError> {
        let Ok(name) = entry.file_name().into_string() else {
            let shown = entry.file_name().to_string_lossy().into_owned();
            listing
                .skipped
                .push((PartnerFileName::new(shown), SkipReason::NameNotText));
            return Ok(());
        };
        let name = PartnerFileName::new(name);
        if [self.done.as_path(), &self.refused].contains(&entry.path().as_path())
            || name.is_unfinished()
        {
            return Ok(());
        }
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Gone since the folder was read: not there to be listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("listing", &self.incoming)(error)),
        };
        if let Some(reason) = skip_reason(&metadata) {
            listing.skipped.push((name, reason));
        } else if !pattern.matches(name.reveal()) {
            listing.ignored.push(name);
        } else if metadata.len() == 0 || !settled(&metadata, moment) {
            listing.waiting.push(name);
        } else {
            listing.candidates.push(candidate_of(name, &metadata));
        }
        Ok(())
    }
}

impl Transport for FolderTransport {
    fn publish(&self, drop: &OutgoingDrop<'_>) -> Result<Published, TransportError> {
        self.prepare()?;
        for name in [drop.name, drop.manifest_name] {
            check_own_name(name, &self.out)?;
        }
        // The manifest comes last, so its presence says that the file once was there: writing that again would send it a second time.
        if path_exists(&self.out.join(drop.manifest_name), &self.out)? {
            self.write(&self.out, drop.manifest_name, drop.manifest)?;
            return Ok(Published::Before);
        }
        self.write(&self.out, drop.name, drop.bytes)?;
        self.write(&self.out, drop.manifest_name, drop.manifest)?;
        Ok(Published::Now)
    }

    fn waits(&self, name: &str) -> Result<bool, TransportError> {
        check_own_name(name, &self.out)?;
        path_exists(&self.out.join(name), &self.out)
    }

    fn list(&self, pattern: &Pattern, moment: Moment) -> Result<Listing, TransportError> {
        self.prepare()?;
        let mut listing = Listing::default();
        let entries = fs::read_dir(&self.incoming).map_err(failed("listing", &self.incoming))?;
        for (number, entry) in entries.enumerate() {
            if number == ENTRIES_MAX {
                listing.more = true;
                break;
            }
            let entry = entry.map_err(failed("listing", &self.incoming))?;
            self.sort_in(&entry, pattern, moment, &mut listing)?;
        }
        listing
            .candidates
            .sort_by(|one, other| one.name.cmp(&other.name));
        listing.waiting.sort();
        listing.ignored.sort();
        listing.skipped.sort_by(|one, other| one.0.cmp(&other.0));
        if listing.candidates.len() > RETURN_FILES_MAX {
            listing.candidates.truncate(RETURN_FILES_MAX);
            listing.more = true;
        }
        Ok(listing)
    }

    fn read(
        &self,
        candidate: &Candidate,
        file_size_bytes_max: u64,
    ) -> Result<Vec<u8>, TransportError> {
        let file = self.open(&candidate.name)?;
        let look = || {
            file.metadata()
                .map_err(failed("reading a return", &self.incoming))
        };
        let found = look()?;
        if !found.is_file() {
            return Err(TransportError::NotRegular {
                folder: self.incoming.clone(),
            });
        }
        self.unchanged(candidate, &found)?;
        if found.len() > file_size_bytes_max {
            return Err(TransportError::TooLarge {
                folder: self.incoming.clone(),
                file_size_bytes_max,
            });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default());
        (&file)
            .take(found.len() + 1)
            .read_to_end(&mut bytes)
            .map_err(failed("reading a return", &self.incoming))?;
        self.unchanged(candidate, &look()?)?;
        if bytes.len() as u64 == found.len() {
            Ok(bytes)
        } else {
            Err(self.changed())
        }
    }

    fn put_away(
        &self,
        candidate: &Candidate,
        place: Place,
    ) -> Result<PartnerFileName, TransportError> {
        self.prepare()?;
        let folder = match place {
            Place::Done => &self.done,
            Place::Refused => &self.refused,
        };
        let from = self.incoming.join(candidate.name.reveal());
        let found = fs::symlink_metadata(&from).map_err(|_| self.changed())?;
        self.unchanged(candidate, &found)?;
        for number in 1..=NUMBERS_MAX {
            let name = candidate.name.numbered(number);
            let to = folder.join(name.reveal());
            if path_exists(&to, folder)? {
                continue;
            }
            fs::rename(&from, &to).map_err(failed("moving a return", folder))?;
            let moved = fs::symlink_metadata(&to).map_err(failed("moving a return", folder))?;
            if let Err(error) = self.unchanged(candidate, &moved) {
                // Replaced between the look and the move: what nobody has read goes back.
                if !path_exists(&from, &self.incoming)? {
                    fs::rename(&to, &from)
                        .map_err(failed("moving a return back", &self.incoming))?;
                }
                return Err(error);
            }
            sync_folder(folder)?;
            sync_folder(&self.incoming)?;
            return Ok(name);
        }
        Err(TransportError::NameTaken {
            folder: folder.clone(),
        })
    }

    fn write_receipts(
        &self,
        of: &PartnerFileName,
        receipts: &[Receipt<'_>],
    ) -> Result<Vec<String>, TransportError> {
        self.prepare()?;
        let stem = receipt_stem(of);
        // All forms of one receipt share a number, also when a run died between two of them.
        'numbers: for number in 1..=NUMBERS_MAX {
            let numbered = if number < 2 {
                stem.clone()
            } else {
                format!("{stem} ({number})")
            };
            let names: Vec<String> = receipts
                .iter()
                .map(|receipt| format!("{numbered}.{}", receipt.ending))
                .collect();
            for (name, receipt) in names.iter().zip(receipts) {
                check_own_name(name, &self.receipts)?;
                if !free_or_same(&self.receipts.join(name), receipt.bytes)
                    .map_err(failed("reading a receipt", &self.receipts))?
                {
                    continue 'numbers;
                }
            }
            for (name, receipt) in names.iter().zip(receipts) {
                self.write(&self.receipts, name, receipt.bytes)?;
            }
            return Ok(names);
        }
        Err(TransportError::NameTaken {
            folder: self.receipts.clone(),
        })
    }
}

fn prepare_folder(folder: &Path) -> Result<(), TransportError> {
    let step = "making a folder";
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(TransportError::NotAFolder {
            folder: folder.to_path_buf(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = DirBuilder::new()
                .recursive(true)
                .mode(FOLDER_MODE)
                .create(folder);
            made.map_err(failed(step, folder))
        }
        Err(error) => Err(failed(step, folder)(error)),
    }
}

/// Our own names are made of template text, dates, sequences and ids; this keeps a mistake there from leaving the folder.
fn check_own_name(name: &str, folder: &Path) -> Result<(), TransportError> {
    let plain = !name.is_empty()
        && name.len() <= 250
        && !name.starts_with('.')
        && !name.contains(['/', '\\', '\0']);
    plain.then_some(()).ok_or_else(|| TransportError::BadName {
        folder: folder.to_path_buf(),
    })
}

fn path_exists(path: &Path, folder: &Path) -> Result<bool, TransportError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("looking for a file", folder)(error)),
    }
}

fn free_or_same(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() && found.len() == bytes.len() as u64 => {
            Ok(fs::read(path)? == bytes)
        }
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn skip_reason(metadata: &Metadata) -> Option<SkipReason> {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        Some(SkipReason::Symlink)
    } else if kind.is_dir() {
        Some(SkipReason::Folder)
    } else if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device()
    {
        Some(SkipReason::Special)
    } else if metadata.nlink() > 1 {
        // On the same volume, a second name could be given to any file that Kith may read and its sender may not.
        Some(SkipReason::HardLink)
    } else {
        None
    }
}

fn candidate_of(name: PartnerFileName, metadata: &Metadata) -> Candidate {
    Candidate {
        name,
        file_size_bytes: metadata.len(),
        modified_micros: modified_micros(metadata),
        identity: (metadata.dev(), metadata.ino()),
    }
}

fn modified_micros(metadata: &Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000)
        .saturating_add(metadata.mtime_nsec() / 1_000)
}

/// Whether a file stood still for the settle time. Without one, the clock is not asked: it may be set for a run of another day.
fn settled(metadata: &Metadata, moment: Moment) -> bool {
    let settle_micros = i64::from(moment.settle_seconds) * 1_000_000;
    settle_micros == 0
        || moment.now_micros.saturating_sub(modified_micros(metadata)) >= settle_micros
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
