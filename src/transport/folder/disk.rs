//! What a disk refuses: nothing here in a release, where the disk itself does; in tests, what they ask for.

use std::io;

/// A step at which a disk can refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskStep {
    /// A file is made.
    Create,
    /// Half of a file is written.
    Write,
    Rename,
    /// The names in a folder are put on the disk.
    SyncFolder,
}

/// The disk below an opened folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    pub(super) trouble: std::sync::Arc<std::sync::Mutex<Trouble>>,
}

/// What a test makes of a disk.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Files that find room before there is none.
    pub(crate) room: Option<usize>,
    pub(crate) read_only: bool,
    pub(crate) lacks_renameat2: bool,
    pub(crate) lacks_links: bool,
    /// What putting a folder's names on the disk answers.
    pub(crate) sync: Option<rustix::io::Errno>,
    /// What a rename answers.
    pub(crate) rename: Option<rustix::io::Errno>,
    /// What opening a file answers.
    pub(crate) open: Option<rustix::io::Errno>,
}

#[cfg(not(test))]
impl Disk {
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "as it is in tests, where it refuses"
    )]
    pub(super) fn reaches(&self, _step: DiskStep) -> io::Result<()> {
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "as it is in tests")]
    pub(super) fn lacks_renameat2(&self) -> bool {
        false
    }

    #[expect(clippy::unused_self, reason = "as it is in tests")]
    pub(super) fn lacks_links(&self) -> bool {
        false
    }

    #[expect(clippy::unused_self, reason = "as it is in tests")]
    pub(super) fn forbids(&self) -> bool {
        false
    }
}

#[cfg(test)]
impl Disk {
    pub(super) fn reaches(&self, step: DiskStep) -> io::Result<()> {
        let mut trouble = self.trouble.lock().unwrap();
        if trouble.read_only && matches!(step, DiskStep::Create | DiskStep::Rename) {
            return Err(rustix::io::Errno::ROFS.into());
        }
        let answer = match step {
            DiskStep::SyncFolder => trouble.sync,
            DiskStep::Rename => trouble.rename,
            DiskStep::Create | DiskStep::Write => None,
        };
        if let Some(answer) = answer {
            return Err(answer.into());
        }
        if step == DiskStep::Write {
            if trouble.room == Some(0) {
                return Err(rustix::io::Errno::NOSPC.into());
            }
            trouble.room = trouble.room.map(|room| room - 1);
        }
        Ok(())
    }

    pub(super) fn lacks_renameat2(&self) -> bool {
        self.trouble.lock().unwrap().lacks_renameat2
    }

    pub(super) fn lacks_links(&self) -> bool {
        self.trouble.lock().unwrap().lacks_links
    }

    pub(super) fn forbids(&self) -> bool {
        self.trouble.lock().unwrap().open.is_some()
    }
}
