//! The place where Kith and a partner exchange files: the trait, and what every kind of transport owes.
//!
//! Finished drops and receipts go in, returns come out. What a kind must keep, whatever carries the files:
//!
//! 1. **Whole or not at all.** A file is written under a temporary name and renamed; a drop is complete when its manifest is there, so the manifest comes
//!    last. Publishing the same drop again changes nothing; another file under its name is an error.
//! 2. **Nothing is taken half-written.** A return is a candidate only when it stood still for the settle time, and is read only if it is still the file
//!    that was listed.
//! 3. **Nothing is removed.** A return is moved to `done` or `refused` after our record of it is committed; a taken name gets ` (2)`.
//! 4. **Nothing outside is touched.** Regular files only; no symlink is followed, no path is built from content.
//! 5. **No limit is left open**: files a listing, bytes a file, names a pattern.
//! 6. A partner's name for a file may be a person's name: it is in no error, log or `Debug`.

pub(crate) mod file_name;
pub(crate) mod folder;
pub(crate) mod pattern;

use std::io;
use std::path::{Path, PathBuf};

use crate::sheet::AtomicError;

pub(crate) use file_name::PartnerFileName;
pub(crate) use folder::{FILE_MODE, FolderTransport};
pub(crate) use pattern::Pattern;

/// Exchanges files with one partner.
pub(crate) trait Transport: Send + Sync {
    /// Publishes a finished drop and its manifest. Both names are ours, never built from content.
    ///
    /// # Errors
    /// [`TransportError::NameTaken`] if another file has one of the names.
    fn publish(&self, drop: &OutgoingDrop<'_>) -> Result<Published, TransportError>;

    /// Whether a published drop still waits to be fetched.
    ///
    /// # Errors
    /// [`TransportError`].
    fn waits(&self, name: &str) -> Result<bool, TransportError>;

    /// Lists what the partner has put in, by name.
    ///
    /// # Errors
    /// [`TransportError`].
    fn list(&self, pattern: &Pattern, moment: Moment) -> Result<Listing, TransportError>;

    /// Reads a return that was listed.
    ///
    /// # Errors
    /// [`TransportError::Changed`] if it is no longer the file that was listed, [`TransportError::TooLarge`], [`TransportError::NotRegular`].
    fn read(
        &self,
        candidate: &Candidate,
        file_size_bytes_max: u64,
    ) -> Result<Vec<u8>, TransportError>;

    /// Moves a return away once our record of it is committed, and says under which name it is kept.
    ///
    /// # Errors
    /// [`TransportError::Changed`] if it is no longer the file that was listed; it stays where it is then.
    fn put_away(
        &self,
        candidate: &Candidate,
        place: Place,
    ) -> Result<PartnerFileName, TransportError>;

    /// Writes the receipts of one return beside each other, and says under which names. The same receipts again change nothing.
    ///
    /// # Errors
    /// [`TransportError`].
    fn write_receipts(
        &self,
        of: &PartnerFileName,
        receipts: &[Receipt<'_>],
    ) -> Result<Vec<String>, TransportError>;
}

/// A drop ready to leave.
#[derive(Clone, Copy)]
pub(crate) struct OutgoingDrop<'d> {
    pub(crate) name: &'d str,
    pub(crate) bytes: &'d [u8],
    pub(crate) manifest_name: &'d str,
    pub(crate) manifest: &'d [u8],
}

/// What publishing a drop did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    Now,
    /// Its manifest was there already, so the whole drop once was; nothing was written, even if the file has been fetched since.
    Before,
}

/// Now, and how long a file must have stood still; 0 takes it as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now_micros: i64,
    pub(crate) settle_seconds: u32,
}

/// What lies in a partner's `in/`.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Returns to read now, by name.
    pub(crate) candidates: Vec<Candidate>,
    /// Files that match but are empty or may still grow.
    pub(crate) waiting: Vec<PartnerFileName>,
    /// Files that the pattern does not name: somebody should look.
    pub(crate) ignored: Vec<PartnerFileName>,
    /// What is no plain file, and why it was passed over.
    pub(crate) skipped: Vec<(PartnerFileName, SkipReason)>,
    /// Whether there was more than one listing holds; the next run sees the rest.
    pub(crate) more: bool,
}

/// Why something in `in/` was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SkipReason {
    Symlink,
    Folder,
    /// A FIFO, socket or device.
    Special,
    /// A second name of a file that lies elsewhere.
    HardLink,
    /// A name that is not Unicode text.
    NameNotText,
}

/// A return that may be read: its name, and what tells it from another file of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) name: PartnerFileName,
    pub(crate) file_size_bytes: u64,
    pub(crate) modified_micros: i64,
    identity: (u64, u64),
}

/// Where a return goes when it has been dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Done,
    Refused,
}

/// One form of a receipt: `ending` is `receipt.csv`, `receipt.json`.
#[derive(Clone, Copy)]
pub(crate) struct Receipt<'r> {
    pub(crate) ending: &'r str,
    pub(crate) bytes: &'r [u8],
}

/// Why an exchange failed. Names our folder, never a partner's file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("{step} in the folder {} failed", folder.display())]
    Io {
        step: &'static str,
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is a link or a file, and must be a folder", folder.display())]
    NotAFolder { folder: PathBuf },
    #[error("the folder {} already holds another file of that name", folder.display())]
    NameTaken { folder: PathBuf },
    #[error("a file in {} was changed, moved or removed while it was taken", folder.display())]
    Changed { folder: PathBuf },
    #[error("a file in {} is larger than {file_size_bytes_max} bytes", folder.display())]
    TooLarge {
        folder: PathBuf,
        file_size_bytes_max: u64,
    },
    #[error("a file in {} is a link, folder or device", folder.display())]
    NotRegular { folder: PathBuf },
    #[error("a file name for {} is empty, too long or holds a path", folder.display())]
    BadName { folder: PathBuf },
    #[error("writing failed")]
    Write(#[from] AtomicError),
}

fn failed(step: &'static str, folder: &Path) -> impl FnOnce(io::Error) -> TransportError {
    let folder = folder.to_path_buf();
    move |source| TransportError::Io {
        step,
        folder,
        source,
    }
}
