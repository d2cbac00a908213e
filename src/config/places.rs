//! What `kith check` looks at on disk: whether folders are there, who may read and change them, and on what the store lies.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::statfs;
use rustix::process::geteuid;

use super::{Config, HOME_MODE, Pull, SecretPlace, VAR_MODE, machine};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::toml_reader::Problems;

/// What others may do with `var` and the store: nothing.
const VAR_OPEN: u32 = 0o077;
/// What others may do with config and mappings: read them.
const CONFIG_OPEN: u32 = 0o022;

/// File systems on which `SQLite` cannot keep a store: the number that the kernel gives each, and its name.
const SHARED: [(u32, &str); 9] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
];

impl Config {
    /// Looks at the folders on disk: those to pull from, who may read or change home, config, mappings and the store, whose the key is, and on
    /// which file system the store lies.
    pub(crate) fn check_places(&self) -> Vec<Diagnostic> {
        let problems = Problems::within(&self.limits);
        for source in &self.sources {
            if let Pull::Folder { path, place } = &source.pull
                && !path.is_dir()
            {
                let what = format!("the pull folder of source {} does not exist", source.id);
                let place = place.clone().and(machine::about(path));
                problems.add(Code::FolderMissing, what, &place);
            }
        }
        for (folder, name, usual) in [
            (self.home.clone(), "home", HOME_MODE),
            (self.home.join("var"), "var", VAR_MODE),
        ] {
            let mode = mode_of(&folder).map(|mode| mode & 0o777);
            if let Some(mode) = mode.filter(|mode| mode & !usual != 0) {
                let what =
                    format!("the folder {name} can be read or changed by others, mode {mode:04o}");
                let place = Place::detail(folder.display().to_string());
                let fix = format!("Run: chmod {usual:04o} {}", folder.display());
                problems.add_fix(Code::HomeTooOpen, what, &place, fix);
            }
        }
        self.check_writable(&problems);
        self.check_store(&problems);
        self.check_key(&problems);
        problems.into_sorted()
    }

    /// Who may change a config or a mapping decides whom Kith sends where.
    fn check_writable(&self, problems: &Problems) {
        let mut paths = vec![self.file.clone()];
        paths.extend(self.file.parent().map(Path::to_path_buf));
        for below in ["", "partners", "instruments", "codes"] {
            let folder = self.mappings.join(below);
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let files = entries.map(|entry| entry.path());
            paths.extend(files.filter(|path| path.is_file()));
            paths.push(folder);
        }
        if let Some(folder) = self.store.parent()
            && folder != self.home.join("var")
        {
            paths.push(folder.to_path_buf());
        }
        for path in paths {
            let Some(mode) = mode_of(&path).filter(|mode| mode & CONFIG_OPEN != 0) else {
                continue;
            };
            let name = self.named(&path);
            let what = format!(
                "{name} can be changed by others, mode {:04o}",
                mode & 0o7777
            );
            let fix = format!("Run `chmod go-w {name}` in home.");
            problems.add_fix(Code::HomeTooOpen, what, &Place::file(name), fix);
        }
    }

    fn check_store(&self, problems: &Problems) {
        let name = self.named(&self.store);
        if let Some(mode) = mode_of(&self.store).filter(|mode| mode & VAR_OPEN != 0) {
            let what = format!(
                "the store can be read by others, mode {:04o}",
                mode & 0o7777
            );
            let fix = format!("Run `chmod 0600 {name}` in home.");
            problems.add_fix(Code::HomeTooOpen, what, &Place::file(name.clone()), fix);
        }
        let there = self.store.ancestors().find(|path| path.exists());
        if let Some(kind) = there.and_then(shared_by) {
            let what = format!(
                "the store lies on a file system that other machines or programs serve: {kind}"
            );
            problems.add(Code::StorePlace, what, &Place::file(name));
        }
    }

    fn check_key(&self, problems: &Problems) {
        let SecretPlace::File(path) = self.seal_key.place() else {
            return;
        };
        let Ok(found) = std::fs::symlink_metadata(path) else {
            return;
        };
        let runs_as = geteuid().as_raw();
        let guarded = super::guarded(path);
        if found.uid() != runs_as && !guarded {
            let owner = found.uid();
            let what = format!("the seal key belongs to user {owner}, and this is user {runs_as}");
            problems.add(Code::SealTooOpen, what, &Place::file(self.named(path)));
        }
        if found.mode() & VAR_OPEN != 0 && !guarded {
            let what = format!(
                "the seal key can be read by others, mode {:04o}",
                found.mode() & 0o7777
            );
            problems.add(Code::SealTooOpen, what, &Place::file(self.named(path)));
        }
    }

    /// A path as people read it: from home.
    fn named(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.home).unwrap_or(path);
        below.display().to_string()
    }
}

fn mode_of(path: &Path) -> Option<u32> {
    Some(std::fs::metadata(path).ok()?.mode())
}

/// The file system on which a path lies, if it is one on which no store can be kept.
fn shared_by(path: &Path) -> Option<&'static str> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the kernel's number has 32 bits, in a field that is wider on some machines"
    )]
    let number = statfs(path).ok()?.f_type as u32;
    shared(number)
}

fn shared(number: u32) -> Option<&'static str> {
    let mut known = SHARED.iter();
    known.find(|known| known.0 == number).map(|known| known.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_kept_on_a_local_disk_only() {
        for (number, name) in [(0x6969, "NFS"), (0xff53_4d42, "SMB"), (0x6573_5546, "FUSE")] {
            assert_eq!(shared(number), Some(name));
        }
        // ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS.
        for number in [
            0xef53,
            0x5846_5342,
            0x9123_683e,
            0x0102_1994,
            0x794c_7630,
            0x2fc1_2fc1,
        ] {
            assert_eq!(shared(number), None);
        }
        assert_eq!(shared_by(Path::new("/")), None);
    }
}
