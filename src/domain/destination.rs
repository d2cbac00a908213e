//! Where a partner's drops go: one value, made of the config, kept by the ledger, compared by approval.

use std::fmt;
use std::path::{Path, PathBuf};

/// What stands before the path of a folder.
const FOLDER: &str = "folder ";

/// A place that files are carried to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A folder that Kith and a partner share.
    Folder(PathBuf),
}

impl Destination {
    /// The text by which the ledger keeps it: a folder below `home` without `home`, so that an installation can be moved.
    pub(crate) fn text(&self, home: &Path) -> String {
        let Self::Folder(path) = self;
        let below = path.strip_prefix(home).unwrap_or(path);
        format!("{FOLDER}{}", below.display())
    }

    /// The folder that it is.
    pub(crate) fn folder(&self) -> &Path {
        let Self::Folder(path) = self;
        path
    }

    /// A place within it, by names of ours.
    pub(crate) fn within(&self, names: &str) -> Self {
        let Self::Folder(path) = self;
        Self::Folder(path.join(names))
    }

    /// The destination of a kept text; `None` if no version of this program writes such a text.
    pub(crate) fn of_text(home: &Path, text: &str) -> Option<Self> {
        let path = text.strip_prefix(FOLDER)?;
        Some(Self::Folder(home.join(path)))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Folder(path) = self;
        write!(formatter, "{}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_kept_without_home_and_read_again_below_another() {
        for (path, text) in [
            ("/srv/kith/var/partners/elm", "folder var/partners/elm"),
            ("/mnt/elm", "folder /mnt/elm"),
            ("/srv/kithother/elm", "folder /srv/kithother/elm"),
        ] {
            let home = Path::new("/srv/kith");
            let destination = Destination::Folder(path.into());
            assert_eq!(destination.text(home), text);
            assert_eq!(Destination::of_text(home, text), Some(destination));
        }
        let moved = Destination::of_text(Path::new("/new"), "folder var/partners/elm");
        assert_eq!(
            moved,
            Some(Destination::Folder("/new/var/partners/elm".into()))
        );
        assert_eq!(
            Destination::of_text(Path::new("/new"), "pigeon loft 3"),
            None
        );
    }
}
