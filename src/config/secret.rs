//! Secrets: named in the config, kept elsewhere, never printed.

use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Surroundings;
use crate::diagnostics::Code;
use crate::domain::limits::SECRET_BYTES_MAX;
use crate::toml_reader::TableReader;

/// Where a secret lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// The variable's name.
    Env(String),
    File(PathBuf),
}

/// A secret of the config; `Debug` shows where it lives, never what it is.
#[derive(Clone)]
pub(crate) struct Secret {
    place: SecretPlace,
    /// What the variable holds; a file is read by whoever needs it, for it may not be there yet.
    value: Option<Zeroizing<String>>,
}

/// Why a secret cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("the environment variable is not set")]
    NotSet,
    #[error("the file does not exist")]
    Missing,
    #[error("the file cannot be read: {0}")]
    Io(std::io::ErrorKind),
    #[error("it is a link, a folder or a device, not a file")]
    NotAFile,
    #[error("the file can be read or changed by others, mode {0:o}")]
    TooOpen(u32),
    #[error("the file belongs to another user")]
    NotOurs,
    #[error("the file is empty or has more than 1 MiB")]
    Size,
}

impl Secret {
    /// What the config did not name; that has been noted.
    pub(super) fn none() -> Self {
        Self::at(SecretPlace::Env(String::new()))
    }

    /// The secret itself, for those alone who use it; a file must be ours and closed to others.
    ///
    /// # Errors
    /// A [`SecretError`].
    pub(crate) fn read(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        self.bytes(true)
    }

    /// The same for a certificate, which anybody may read.
    ///
    /// # Errors
    /// A [`SecretError`].
    pub(crate) fn read_public(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        self.bytes(false)
    }

    fn bytes(&self, closed: bool) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        match &self.place {
            SecretPlace::File(path) => read_file(path, closed),
            SecretPlace::Env(_) => {
                let value = self.value.as_ref().ok_or(SecretError::NotSet)?;
                Ok(Zeroizing::new(value.as_bytes().to_vec()))
            }
        }
    }

    /// A secret whose value is not known.
    pub(super) fn at(place: SecretPlace) -> Self {
        Self { place, value: None }
    }

    /// Where it lives.
    pub(crate) fn place(&self) -> &SecretPlace {
        &self.place
    }

    /// The variable's value, if it lives in one.
    pub(crate) fn env_value(&self) -> Option<&str> {
        self.value.as_ref().map(|value| value.as_str())
    }

    /// Where it lives and what is there: a path with its owner and mode, or a variable.
    pub(crate) fn about(&self) -> String {
        match &self.place {
            SecretPlace::Env(name) => format!("the environment variable {name}"),
            SecretPlace::File(path) => super::machine::about(path),
        }
    }

    /// How `kith check` shows it.
    pub(crate) fn masked(&self) -> String {
        match &self.place {
            SecretPlace::Env(name) => format!("{{ env = \"{name}\" }}"),
            SecretPlace::File(path) => format!("{{ file = \"{}\" }}", path.display()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

fn read_file(path: &Path, closed: bool) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => SecretError::Missing,
        // What O_NOFOLLOW answers to a link.
        _ if error.raw_os_error() == Some(libc::ELOOP) => SecretError::NotAFile,
        kind => SecretError::Io(kind),
    };
    let mut options = std::fs::OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(SecretError::NotAFile);
    }
    if closed && metadata.mode() & 0o077 != 0 {
        return Err(SecretError::TooOpen(metadata.mode() & 0o777));
    }
    // Our own process belongs to the user that we run as.
    let ours = std::fs::metadata("/proc/self").map(|own| own.uid());
    if closed && ours.is_ok_and(|uid| uid != metadata.uid()) {
        return Err(SecretError::NotOurs);
    }
    if metadata.len() == 0 || metadata.len() > SECRET_BYTES_MAX {
        return Err(SecretError::Size);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(metadata.len()).unwrap_or(0),
    ));
    file.take(SECRET_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    Ok(bytes)
}

/// Reads `{ env = "NAME" }` or `{ file = "path" }`; a variable that is not set is CFG-009.
pub(super) fn read_secret(table: TableReader<'_>, around: &Surroundings<'_>) -> Secret {
    table.read_with(
        |table| match (table.opt_text("env"), table.opt_text("file")) {
            (Some(name), None) => {
                let value = (around.env)(name.value).filter(|value| !value.is_empty());
                if value.is_none() {
                    let what = format!("the environment variable {} is not set", name.value);
                    table
                        .problems()
                        .add(Code::SecretUnreadable, what, &name.place);
                }
                Secret {
                    place: SecretPlace::Env(name.value.to_owned()),
                    value: value.map(Zeroizing::new),
                }
            }
            (None, Some(path)) => Secret::at(SecretPlace::File(around.resolve(path.value))),
            _ => {
                table.bad_value(
                    "a secret",
                    "{ env = \"NAME\" } or { file = \"path\" }",
                    table.place(),
                );
                Secret::none()
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits;

    #[test]
    fn a_secret_is_no_longer_than_it_may_be() {
        limits::holds_at(SECRET_BYTES_MAX, |bytes| {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("key");
            let file = std::fs::File::create(&path).unwrap();
            file.set_len(bytes).unwrap();
            let read = Secret::at(SecretPlace::File(path)).read_public();
            read.is_ok_and(|content| content.len() as u64 == bytes)
        });
    }
}
