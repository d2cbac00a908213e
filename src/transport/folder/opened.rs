//! Folders that are opened once: everything in them is reached by their descriptor, never by a path twice.
//!
//! A name is one component. No link is followed at or below an opened folder, so a link that is put in a folder's place between two steps leads nowhere:
//! the descriptor still is the folder that was opened.

use std::ffi::CString;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat, fchmod, fsync, linkat, mkdirat,
    openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;

use super::disk::{Disk, DiskStep};
use crate::transport::{TransportError, cannot_sync_folders, failed};

/// How a folder is opened. Reading is needed to list it and to put its names on the disk.
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// Mode of a file that is not finished.
const MODE_UNFINISHED: Mode = Mode::from_raw_mode(0o600);

/// A folder, opened.
#[derive(Debug)]
pub(super) struct OpenedFolder {
    descriptor: OwnedFd,
    /// What it is called in errors: `in/done`.
    pub(super) called: &'static str,
    disk: Disk,
}

/// What lies under a name, not followed if it is a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileFacts {
    pub(super) kind: FileType,
    pub(super) links: u64,
    pub(super) bytes: u64,
    pub(super) modified_nanos: i128,
    /// When its content, owner or name last changed: no writer can set that.
    pub(super) changed_nanos: i128,
    /// Device and number: the same for all names of one file, and for no two files at once.
    pub(super) identity: (u64, u64),
}

/// Whether a file got the name that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renamed {
    Yes,
    /// Something else has that name; nothing was moved.
    Taken,
}

impl OpenedFolder {
    /// Opens a folder by its path, of which links are followed: the path is IT's. `None` if there is nothing.
    pub(super) fn at_path(
        path: &Path,
        called: &'static str,
        disk: Disk,
    ) -> Result<Option<Self>, TransportError> {
        let flags = FOLDER.difference(OFlags::NOFOLLOW);
        match openat(CWD, path, flags, Mode::empty()) {
            Ok(descriptor) => Ok(Some(Self {
                descriptor,
                called,
                disk,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR) => Err(TransportError::NotAFolder { folder: called }),
            Err(error) => Err(failed("opening", called)(error.into())),
        }
    }

    /// Makes the folders of a path that are missing, and opens the last.
    pub(super) fn make_path(
        path: &Path,
        mode: u32,
        called: &'static str,
        disk: Disk,
    ) -> Result<Self, TransportError> {
        if let Some(opened) = Self::at_path(path, called, disk.clone())? {
            return Ok(opened);
        }
        let mut maker = DirBuilder::new();
        let made = maker.recursive(true).mode(mode).create(path);
        made.map_err(failed("making", called))?;
        Self::at_path(path, called, disk)?.ok_or(TransportError::Gone { folder: called })
    }

    /// Opens a folder in this one; `None` if there is nothing under its name.
    pub(super) fn below(
        &self,
        name: &str,
        called: &'static str,
    ) -> Result<Option<Self>, TransportError> {
        match openat(&self.descriptor, name, FOLDER, Mode::empty()) {
            Ok(descriptor) => Ok(Some(Self {
                descriptor,
                called,
                disk: self.disk.clone(),
            })),
            Err(Errno::NOENT) => Ok(None),
            // A link, or a file.
            Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => {
                Err(TransportError::NotAFolder { folder: called })
            }
            Err(error) => Err(failed("opening", called)(error.into())),
        }
    }

    /// Opens a folder in this one, which is made if there is nothing under its name.
    pub(super) fn make_below(
        &self,
        name: &str,
        mode: u32,
        called: &'static str,
    ) -> Result<Self, TransportError> {
        if let Some(opened) = self.below(name, called)? {
            return Ok(opened);
        }
        match mkdirat(&self.descriptor, name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed("making", called)(error.into())),
        }
        self.below(name, called)?
            .ok_or(TransportError::Gone { folder: called })
    }

    /// What lies under a name; `None` if nothing does.
    pub(super) fn facts(&self, name: impl Arg) -> Result<Option<FileFacts>, TransportError> {
        match statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(FileFacts::of(&found))),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
            Err(error) => Err(failed("looking", self.called)(error.into())),
        }
    }

    /// Opens a plain file without following a link or waiting for the other end of a FIFO. `None` if there is nothing under its name.
    pub(super) fn read(&self, name: impl Arg) -> Result<Option<(File, FileFacts)>, TransportError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(&self.descriptor, name, flags, Mode::empty());
        let file = match opened {
            Ok(_) if self.disk.forbids() => return Err(self.forbidden()),
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO | Errno::MLINK) => return Err(self.not_regular()),
            Err(Errno::ACCESS | Errno::PERM) => return Err(self.forbidden()),
            Err(error) => return Err(failed("opening a file", self.called)(error.into())),
        };
        let found = FileFacts::of_file(&file).map_err(failed("reading a file", self.called))?;
        if found.kind == FileType::RegularFile {
            Ok(Some((file, found)))
        } else {
            Err(self.not_regular())
        }
    }

    fn forbidden(&self) -> TransportError {
        TransportError::Forbidden {
            folder: self.called,
        }
    }

    pub(super) fn not_regular(&self) -> TransportError {
        TransportError::NotRegular {
            folder: self.called,
        }
    }

    /// Writes a file that nobody else can read, and puts it on the disk; what a run that died left under its name is removed. Gives what tells it from
    /// another file. On an error nothing is left of it.
    pub(super) fn write(
        &self,
        name: &str,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(u64, u64), TransportError> {
        self.remove(name)?;
        let written = self.write_whole(name, bytes, mode);
        if written.is_err() {
            // Nothing can be done about a failure here; the next run under this name, or the sweep at start, removes what is left.
            drop(self.remove(name));
        }
        written.map_err(failed("writing a file", self.called))
    }

    fn write_whole(&self, name: &str, bytes: &[u8], mode: u32) -> io::Result<(u64, u64)> {
        self.disk.reaches(DiskStep::Create)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.descriptor, name, flags, MODE_UNFINISHED)?);
        let (first, rest) = bytes.split_at(bytes.len() / 2);
        file.write_all(first)?;
        self.disk.reaches(DiskStep::Write)?;
        file.write_all(rest)?;
        fchmod(&file, Mode::from_raw_mode(mode))?;
        fsync(&file)?;
        let found = file.metadata()?;
        Ok((found.dev(), found.ino()))
    }

    /// Removes a name that is no folder, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<(), TransportError> {
        match unlinkat(&self.descriptor, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed("removing an old temporary file", self.called)(
                error.into(),
            )),
        }
    }

    /// Moves a file into another folder, or this one, under a name that nothing has.
    pub(super) fn rename(
        &self,
        from: impl Arg + Copy,
        to: &Self,
        name: impl Arg + Copy,
    ) -> Result<Renamed, TransportError> {
        let failed = failed("moving a file", to.called);
        if let Err(error) = self.disk.reaches(DiskStep::Rename) {
            return Err(failed(error));
        }
        let renamed = if self.disk.lacks_renameat2() {
            Err(Errno::INVAL)
        } else {
            let flags = RenameFlags::NOREPLACE;
            renameat_with(&self.descriptor, from, &to.descriptor, name, flags)
        };
        let renamed = match renamed {
            // A file system without this call: NFS, some that are mounted from Windows.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                self.link_and_unlink(from, to, name)
            }
            other => other,
        };
        match renamed {
            Ok(()) => Ok(Renamed::Yes),
            Err(Errno::EXIST) => Ok(Renamed::Taken),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// As [`Self::rename`], in place of what has the name.
    pub(super) fn rename_over(
        &self,
        from: &str,
        to: &Self,
        name: &str,
    ) -> Result<(), TransportError> {
        renameat(&self.descriptor, from, &to.descriptor, name)
            .map_err(|error| failed("moving a file", to.called)(error.into()))
    }

    /// Gives a file a second name, which fails if that is taken, and takes the first away. If a run dies between the two, the file has both names: a drop is
    /// swept from where it was made, a return is left alone as a file of two names until somebody looks.
    fn link_and_unlink(
        &self,
        from: impl Arg + Copy,
        to: &Self,
        name: impl Arg + Copy,
    ) -> rustix::io::Result<()> {
        match self.link(from, to, name) {
            Ok(()) => unlinkat(&self.descriptor, from, AtFlags::empty()),
            // No second names either (FAT, some network folders): what is left is to look, then to move.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
                match statat(&to.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => Err(Errno::EXIST),
                    Err(Errno::NOENT) => renameat(&self.descriptor, from, &to.descriptor, name),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn link(&self, from: impl Arg, to: &Self, name: impl Arg) -> rustix::io::Result<()> {
        if self.disk.lacks_links() {
            return Err(Errno::PERM);
        }
        linkat(
            &self.descriptor,
            from,
            &to.descriptor,
            name,
            AtFlags::empty(),
        )
    }

    /// Makes the names in it survive a power cut.
    pub(super) fn sync(&self) -> Result<(), TransportError> {
        let synced = match self.disk.reaches(DiskStep::SyncFolder) {
            Ok(()) => fsync(&self.descriptor).map_err(std::io::Error::from),
            Err(error) => Err(error),
        };
        match synced {
            Err(error) if cannot_sync_folders(&error) => Ok(()),
            synced => synced.map_err(failed("putting a name on disk", self.called)),
        }
    }

    /// The names in it, in no order.
    pub(super) fn names(
        &self,
    ) -> Result<impl Iterator<Item = Result<CString, TransportError>>, TransportError> {
        let called = self.called;
        let entries = Dir::read_from(&self.descriptor)
            .map_err(|error| failed("listing", called)(error.into()))?;
        Ok(entries.filter_map(move |entry| match entry {
            Ok(entry) if [b".".as_slice(), b".."].contains(&entry.file_name().to_bytes()) => None,
            Ok(entry) => Some(Ok(entry.file_name().to_owned())),
            Err(error) => Some(Err(failed("listing", called)(error.into()))),
        }))
    }
}

impl FileFacts {
    #[expect(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the fields have other widths on other machines, and no size is below 0"
    )]
    fn of(found: &Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(found.st_mode),
            links: found.st_nlink as u64,
            bytes: found.st_size as u64,
            modified_nanos: i128::from(found.st_mtime) * 1_000_000_000
                + i128::from(found.st_mtime_nsec),
            changed_nanos: i128::from(found.st_ctime) * 1_000_000_000
                + i128::from(found.st_ctime_nsec),
            identity: (found.st_dev as u64, found.st_ino as u64),
        }
    }

    pub(super) fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self::of(&rustix::fs::fstat(file)?))
    }

    pub(super) fn modified_micros(&self) -> i64 {
        micros(self.modified_nanos)
    }

    pub(super) fn changed_micros(&self) -> i64 {
        micros(self.changed_nanos)
    }
}

fn micros(nanos: i128) -> i64 {
    i64::try_from(nanos / 1_000).unwrap_or(i64::MAX)
}
