//! Why an exchange failed, and what is to be done.
//!
//! An error names one of our folders by its word in the manual (`in/done`), never a path and never a partner's file.

use std::fmt;
use std::io;

/// What is to be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The next run does it again.
    TryAgain,
    TellPartner,
    TellIt,
}

impl fmt::Display for Remedy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TryAgain => "the next run tries again",
            Self::TellPartner => "tell the partner",
            Self::TellIt => "tell IT",
        })
    }
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("{step} in {folder} failed ({}): {}", source.kind(), self.remedy())]
    Io {
        step: &'static str,
        folder: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("there is no room for a file in {folder}: {}", self.remedy())]
    Full { folder: &'static str },
    #[error("nothing may be written in {folder}: {}", self.remedy())]
    ReadOnly { folder: &'static str },
    #[error("{folder} is not there: {}", self.remedy())]
    Gone { folder: &'static str },
    #[error("{folder} is a link or a file, and must be a folder: {}", self.remedy())]
    NotAFolder { folder: &'static str },
    #[error("another file in {folder} has the name of a file of ours: {}", self.remedy())]
    NameTaken { folder: &'static str },
    #[error("a file in {folder} was changed, moved or removed meanwhile: {}", self.remedy())]
    Changed { folder: &'static str },
    #[error("a file in {folder} is larger than {file_size_bytes_max} bytes: {}", self.remedy())]
    TooLarge {
        folder: &'static str,
        file_size_bytes_max: u64,
    },
    #[error("a file in {folder} is a link, folder or device: {}", self.remedy())]
    NotRegular { folder: &'static str },
    #[error("a file in {folder} may not be opened by us: {}", self.remedy())]
    Forbidden { folder: &'static str },
    #[error("a file name for {folder} is empty, too long or holds a path: {}", self.remedy())]
    BadName { folder: &'static str },
    #[error("a drop is larger than the {file_size_bytes_max} bytes that go by this transport: {}", self.remedy())]
    DropTooLarge { file_size_bytes_max: u64 },
    #[error("this kind of transport does not do that: {}", self.remedy())]
    NotOffered,
    /// The file of a drop may have its name, and its manifest does not: somebody may have seen it.
    #[error(transparent)]
    HalfOut(Box<Self>),
    #[error("the line was cut, or a thread stopped: {}", self.remedy())]
    Cut,
    /// What was asked may be done yet, or never.
    #[error("its disk did not answer within {seconds} seconds: {}", self.remedy())]
    Late { seconds: u64 },
}

impl TransportError {
    /// The same of a drop whose file may have its name already.
    pub(super) fn half_out(self) -> Self {
        Self::HalfOut(Box::new(self))
    }

    /// What was met, however far a drop had come.
    pub(crate) fn cause(&self) -> &Self {
        match self {
            Self::HalfOut(cause) => cause,
            cause => cause,
        }
    }

    /// Whether nobody can have seen anything of a drop that was not published for this reason.
    pub(crate) fn unseen(&self) -> bool {
        !matches!(self, Self::HalfOut(_) | Self::Cut | Self::Late { .. })
    }

    /// What is to be done.
    pub(crate) fn remedy(&self) -> Remedy {
        match self.cause() {
            Self::Changed { .. } | Self::Cut | Self::Late { .. } => Remedy::TryAgain,
            Self::Io { source, .. } if is_transient(source) => Remedy::TryAgain,
            Self::TooLarge { .. } | Self::NotRegular { .. } | Self::Forbidden { .. } => {
                Remedy::TellPartner
            }
            Self::Io { .. }
            | Self::Full { .. }
            | Self::ReadOnly { .. }
            | Self::Gone { .. }
            | Self::NotAFolder { .. }
            | Self::NameTaken { .. }
            | Self::BadName { .. }
            | Self::DropTooLarge { .. }
            | Self::HalfOut(_)
            | Self::NotOffered => Remedy::TellIt,
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::StaleNetworkFileHandle
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::ConnectionReset
    )
}

/// Whether a file system does not put a folder's names on the disk when it is asked to, as some network and user-space ones. It is noted once:
/// nothing better can be done there.
pub(super) fn cannot_sync_folders(error: &io::Error) -> bool {
    static NOTED: std::sync::Once = std::sync::Once::new();
    let cannot = matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::ENOTSUP | libc::ENOSYS)
    );
    if cannot {
        NOTED.call_once(|| {
            tracing::warn!(
                "a partner's file system cannot put a folder's names on disk: a power cut may take the last of them"
            );
        });
    }
    cannot
}

/// Makes an error of what a step met in a folder.
pub(super) fn failed(
    step: &'static str,
    folder: &'static str,
) -> impl FnOnce(io::Error) -> TransportError {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            TransportError::Full { folder }
        }
        io::ErrorKind::ReadOnlyFilesystem => TransportError::ReadOnly { folder },
        _ => TransportError::Io {
            step,
            folder,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_pass_is_tried_again_and_the_rest_is_for_it() {
        let of = |error: rustix::io::Errno| failed("opening", "in")(error.into());
        for (error, remedy) in [
            (rustix::io::Errno::STALE, Remedy::TryAgain),
            (rustix::io::Errno::INTR, Remedy::TryAgain),
            (rustix::io::Errno::ACCESS, Remedy::TellIt),
            (rustix::io::Errno::NOSPC, Remedy::TellIt),
            (rustix::io::Errno::ROFS, Remedy::TellIt),
        ] {
            assert_eq!(of(error).remedy(), remedy, "{error:?}");
        }
        assert_eq!(
            of(rustix::io::Errno::ACCESS).to_string(),
            "opening in in failed (permission denied): tell IT"
        );
    }
}
