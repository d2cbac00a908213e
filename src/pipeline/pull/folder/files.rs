//! The files of a folder of extracts: found, opened, unpacked.
//!
//! In: a read-only folder. Out: open files, each readable at any place, in the order of their names, and what lies there
//! and is not read. Kept: no link is followed, nothing waits for a pipe, what is unpacked has no name that could stay
//! behind, and nothing that could hold resources is left out without a word.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::FolderError;
use super::file_form;
use crate::domain::{Limits, limits};

/// Endings of the names of extracts.
const ENDINGS: [&str; 4] = [".json", ".ndjson", ".jsonl", ".gz"];

/// An open file of the folder.
pub(super) struct Extract {
    /// Name relative to the folder, for messages.
    pub(super) name: String,
    pub(super) file: File,
    pub(super) bytes: u64,
    /// Whether it holds a resource a line, and not one document.
    pub(super) lines: bool,
}

/// What a folder holds.
#[derive(Default)]
pub(super) struct ExtractListing {
    /// Names and paths of the extracts, in order.
    pub(super) extracts: Vec<(String, PathBuf)>,
    /// Names of what may hold resources and is not read, in order, each with the reason.
    pub(super) unread: Vec<(String, &'static str)>,
}

impl Extract {
    /// Opens a file for reading at any place; a packed one is unpacked into a file that has no name.
    ///
    /// # Errors
    /// It cannot be read, is no plain file, or is too large.
    pub(super) fn open(
        name: &str,
        path: &Path,
        temporary: &Path,
        limits: &Limits,
    ) -> std::io::Result<Self> {
        let file = file_form::as_utf8(open(path, temporary, limits)?, temporary)?;
        Ok(Self {
            name: name.to_owned(),
            bytes: file.metadata()?.len(),
            lines: file_form::holds_lines(&file, name)?,
            file,
        })
    }
}

/// Names and paths of the extracts of a folder, or of one file, in order.
///
/// # Errors
/// The folder cannot be listed, or holds too many files.
pub(crate) fn list(path: &Path) -> Result<Vec<(String, PathBuf)>, FolderError> {
    Ok(survey(path)?.extracts)
}

/// What a folder, or one file, holds.
///
/// # Errors
/// The folder cannot be listed, or holds too many files.
pub(super) fn survey(path: &Path) -> Result<ExtractListing, FolderError> {
    let (mut paths, mut unread) = (Vec::new(), Vec::new());
    let mut base = path;
    if path.is_file() {
        paths.push(path.to_owned());
        base = path.parent().unwrap_or(path);
    } else {
        list_below(path, 0, &mut paths, &mut unread)?;
    }
    paths.sort();
    unread.sort();
    let name = |file: &Path| {
        let name = file.strip_prefix(base).unwrap_or(file);
        name.display().to_string()
    };
    // What a link leads to may be read where it lies.
    let real = base.canonicalize().ok();
    unread.retain(|(file, _)| {
        let inside = |to: PathBuf| real.as_ref().is_some_and(|real| to.starts_with(real));
        !file.is_symlink() || !file.canonicalize().is_ok_and(inside)
    });
    let unread = unread.into_iter().map(|(file, why)| (name(&file), why));
    Ok(ExtractListing {
        unread: unread.collect(),
        extracts: paths.into_iter().map(|file| (name(&file), file)).collect(),
    })
}

fn list_below(
    folder: &Path,
    depth: usize,
    paths: &mut Vec<PathBuf>,
    unread: &mut Vec<(PathBuf, &'static str)>,
) -> Result<(), FolderError> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        let name = entry.file_name().to_string_lossy().to_lowercase();
        // What a Mac keeps beside each file.
        if name.starts_with("._") {
            continue;
        }
        let extract = ENDINGS.iter().any(|ending| name.ends_with(ending));
        if kind.is_dir() && depth < limits::EXTRACT_DEPTH_MAX {
            list_below(&path, depth + 1, paths, unread)?;
        } else if kind.is_dir() {
            unread.push((path, "a folder that lies too deep"));
        } else if kind.is_symlink() && (extract || path.is_dir()) {
            unread.push((path, "a link, which is not followed"));
        } else if kind.is_file() && extract {
            paths.push(path);
        } else if extract {
            unread.push((path, "no plain file"));
        } else if kind.is_file()
            && let Some(what) = file_form::unread(&path, &name)
        {
            unread.push((path, what));
        }
        if paths.len() + unread.len() > limits::EXTRACT_FILES_MAX {
            return Err(FolderError::TooManyFiles);
        }
    }
    Ok(())
}

fn open(path: &Path, temporary: &Path, limits: &Limits) -> std::io::Result<File> {
    let bytes_max = limits.bulk_file_bytes_max;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    if metadata.len() > bytes_max {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    if path
        .extension()
        .is_none_or(|ending| !ending.eq_ignore_ascii_case("gz"))
    {
        return Ok(file);
    }
    let mut unpacked = unlinked_file(temporary)?;
    let mut reader = flate2::read::MultiGzDecoder::new(file).take(bytes_max + 1);
    let copied = std::io::copy(&mut reader, &mut unpacked)?;
    unpacked.flush()?;
    if copied > bytes_max {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(unpacked)
}

/// A file of ours without a name: gone when it is closed, however the program ends.
pub(in crate::pipeline::pull) fn unlinked_file(folder: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let mut options = std::fs::OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .mode(0o600);
    match options.open(folder) {
        Err(error) if lacks_unnamed_files(&error) => named_then_removed(folder),
        opened => opened,
    }
}

/// Whether a file system has no files without a name: network and layered ones.
fn lacks_unnamed_files(error: &std::io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL | libc::ENOENT)
    )
}

/// The same with a name that nobody has, which is taken away at once.
fn named_then_removed(folder: &Path) -> std::io::Result<File> {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = folder.join(format!(".{}-{number}.part", std::process::id()));
    let opened = || {
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        options.open(&path)
    };
    let file = match opened() {
        // An earlier process with this number died between the two steps.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(&path)?;
            opened()?
        }
        opened => opened?,
    };
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_no_more_extracts_than_it_may_have() {
        let home = tempfile::tempdir().unwrap();
        let mut made = 0;
        limits::holds_at(limits::EXTRACT_FILES_MAX, |files| {
            while made < files {
                made += 1;
                File::create(home.path().join(format!("{made}.json"))).unwrap();
            }
            list(home.path()).is_ok_and(|listed| listed.len() == files)
        });
    }

    #[test]
    fn a_file_without_a_name_is_had_on_every_file_system() {
        use std::io::{Read as _, Seek as _, Write as _};
        let home = tempfile::tempdir().unwrap();
        for mut file in [
            unlinked_file(home.path()).unwrap(),
            named_then_removed(home.path()).unwrap(),
        ] {
            file.write_all(b"kept").unwrap();
            file.rewind().unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "kept");
            assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
        }
        let refusal = std::io::Error::from_raw_os_error;
        assert!(lacks_unnamed_files(&refusal(libc::EOPNOTSUPP)));
        assert!(!lacks_unnamed_files(&refusal(libc::ENOSPC)));
    }

    #[test]
    fn extracts_lie_no_deeper_than_they_may() {
        limits::holds_at(limits::EXTRACT_DEPTH_MAX, |depth| {
            let home = tempfile::tempdir().unwrap();
            let folder = (0..depth).fold(home.path().to_owned(), |folder, _| folder.join("f"));
            std::fs::create_dir_all(&folder).unwrap();
            File::create(folder.join("a.json")).unwrap();
            list(home.path()).unwrap().len() == 1
        });
    }

    #[test]
    fn an_extract_is_no_longer_than_it_may_be() {
        let usual = Limits::default();
        limits::holds_at(usual.bulk_file_bytes_max, |bytes| {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("a.ndjson");
            // A file of holes: nothing of it takes a place on the disk.
            File::create(&file).unwrap().set_len(bytes).unwrap();
            Extract::open("a.ndjson", &file, home.path(), &usual).is_ok()
        });
    }
}
