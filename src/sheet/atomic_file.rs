//! Files that appear whole or not at all.
//!
//! Bytes go in under a temporary name that readers ignore. The final name comes when all of them are on disk, or, where a
//! writer says that it can make them again, with the system. Kept: a final name never shows part of a file, and what stood
//! under it is replaced in one step; a temporary file given up is removed. Two writers of one name at the same moment are not
//! defended against: one run at a time has the lease of a partner, and a report is the same bytes whoever writes it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Mode of a file that is not finished.
const MODE_UNFINISHED: u32 = 0o600;

/// Why a file was not written. Names the folder, never the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AtomicError {
    #[error("{step} in the folder {} failed", folder.display())]
    Io {
        step: &'static str,
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A file being written under a temporary name, readable by nobody else; removed unless finished.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    writer: BufWriter<File>,
    temporary: PathBuf,
    renamed: bool,
}

impl AtomicFile {
    /// Starts a file under a temporary name in a folder on the same volume as the final one. What a run that died left under that name is removed.
    ///
    /// # Errors
    /// [`AtomicError::Io`].
    pub(crate) fn create(temporary: PathBuf) -> Result<Self, AtomicError> {
        let step = "removing an old temporary file";
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(step, &temporary, error));
            }
            _ => {}
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE_UNFINISHED)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&temporary)
            .map_err(|error| failed("creating a temporary file", &temporary, error))?;
        Ok(Self {
            writer: BufWriter::new(file),
            temporary,
            renamed: false,
        })
    }

    /// Starts a file under a temporary name beside its final one.
    ///
    /// # Errors
    /// [`AtomicError::Io`].
    pub(crate) fn beside(path: &Path) -> Result<Self, AtomicError> {
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".part");
        Self::create(path.with_file_name(name))
    }

    /// Puts the file on disk and gives it its name and mode, in place of what had the name.
    ///
    /// # Errors
    /// [`AtomicError::Io`]; the temporary file is gone then.
    fn finish(mut self, name: &Path, mode: u32) -> Result<(), AtomicError> {
        let at = |step| move |error| failed(step, name, error);
        self.complete(name, mode)?;
        let file = self.writer.get_ref();
        file.sync_all().map_err(at("putting a file on disk"))?;
        self.rename(name)?;
        sync_folder(&folder_of(name))
    }

    /// Gives a file its name and mode in place of what had it, without waiting for the disk: for what can be made again, for a power cut
    /// may take it.
    ///
    /// # Errors
    /// [`AtomicError::Io`]; the temporary file is gone then.
    pub(crate) fn finish_unsynced(mut self, name: &Path, mode: u32) -> Result<(), AtomicError> {
        self.complete(name, mode)?;
        self.rename(name)
    }

    fn complete(&mut self, name: &Path, mode: u32) -> Result<(), AtomicError> {
        let at = |step| move |error| failed(step, name, error);
        self.writer.flush().map_err(at("writing a file"))?;
        self.writer
            .get_ref()
            .set_permissions(Permissions::from_mode(mode))
            .map_err(at("setting a file's mode"))
    }

    fn rename(&mut self, name: &Path) -> Result<(), AtomicError> {
        fs::rename(&self.temporary, name)
            .map_err(|error| failed("naming a finished file", name, error))?;
        self.renamed = true;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.renamed {
            // Nothing can be done about a failure here; the next run under this name, or the sweep at start, removes what is left.
            drop(fs::remove_file(&self.temporary));
        }
    }
}

/// Writes a whole file in one call, by a temporary name beside it; replaces what was there.
///
/// # Errors
/// [`AtomicError::Io`].
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AtomicError> {
    let mut file = AtomicFile::beside(path)?;
    file.write_all(bytes)
        .map_err(|error| failed("writing a file", path, error))?;
    file.finish(path, mode)
}

/// Makes the names in a folder survive a power cut.
fn sync_folder(folder: &Path) -> Result<(), AtomicError> {
    match File::open(folder).and_then(|opened| opened.sync_all()) {
        Err(error) if cannot_sync_folders(&error) => Ok(()),
        synced => synced.map_err(|source| AtomicError::Io {
            step: "putting a name on disk",
            folder: folder.to_path_buf(),
            source,
        }),
    }
}

/// Whether a file system does not put a folder's names on the disk when it is asked to, as some network and user-space ones. It is noted once:
/// nothing better can be done there.
fn cannot_sync_folders(error: &io::Error) -> bool {
    static NOTED: std::sync::Once = std::sync::Once::new();
    let cannot = matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::ENOTSUP | libc::ENOSYS)
    );
    if cannot {
        NOTED.call_once(|| {
            tracing::warn!(
                "a file system cannot put a folder's names on disk: a power cut may take the last of them"
            );
        });
    }
    cannot
}

fn failed(step: &'static str, file: &Path, source: io::Error) -> AtomicError {
    AtomicError::Io {
        step,
        folder: folder_of(file),
        source,
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn written(folder: &Path, content: &str) -> AtomicFile {
        let mut file = AtomicFile::create(folder.join("a.csv.part")).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a.csv");
        let file = written(folder.path(), "one");
        assert!(!name.exists());
        assert_eq!(mode_of(&folder.path().join("a.csv.part")), 0o600);
        file.finish(&name, 0o640).unwrap();
        assert_eq!(fs::read_to_string(&name).unwrap(), "one");
        assert_eq!(mode_of(&name), 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_replaces_what_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a.csv");
        for content in ["one", "one", "two"] {
            written(folder.path(), content)
                .finish(&name, 0o640)
                .unwrap();
            assert_eq!(fs::read_to_string(&name).unwrap(), content);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_file_given_up_and_one_left_by_a_dead_run_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        drop(written(folder.path(), "half"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        std::mem::forget(written(folder.path(), "dead"));
        let name = folder.path().join("a.csv");
        written(folder.path(), "new").finish(&name, 0o640).unwrap();
        assert_eq!(fs::read_to_string(&name).unwrap(), "new");
    }

    #[test]
    fn a_symlink_under_the_temporary_or_final_name_is_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        write_atomically(&outside, b"kept", 0o600).unwrap();
        std::os::unix::fs::symlink(&outside, folder.path().join("a.csv.part")).unwrap();
        let name = folder.path().join("a.csv");
        std::os::unix::fs::symlink(&outside, &name).unwrap();
        written(folder.path(), "new").finish(&name, 0o640).unwrap();
        assert_eq!(fs::read_to_string(&name).unwrap(), "new");
        assert!(fs::symlink_metadata(&name).unwrap().is_file());
        assert_eq!(fs::read_to_string(&outside).unwrap(), "kept");
    }

    #[test]
    fn an_error_names_the_folder_and_not_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomically(&folder.path().join("gone/Anna.csv"), b"", 0o640).unwrap_err();
        assert!(error.to_string().contains("gone") && !error.to_string().contains("Anna"));
    }
}
