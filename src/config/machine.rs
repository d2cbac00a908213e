//! What the machine says of a path: whose it is, who we are, how much room is left. For messages alone.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::domain::limits::CONFIG_BYTES;
use crate::toml_reader::bytes_within;

/// Bytes that a run needs at least.
const ROOM_MIN: u64 = 8 << 20;
/// Bytes of the shared memory that `SQLite` locks for readers of its write-ahead log (file format, section 4.3 of its manual).
const LOG_READ_LOCKS: std::ops::RangeInclusive<u64> = 123..=127;

/// Free and all bytes of the disk that a path lies on, for who runs this.
pub(crate) fn bytes_free(path: &Path) -> Option<(u64, u64)> {
    let stat = rustix::fs::statvfs(nearest(path)).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some((bytes(stat.f_bavail), bytes(stat.f_blocks)))
}

/// `/srv/kith/var/kith.db belongs to kith (mode 600), this runs as anna; 120 of 4096 MiB are free`; of what is not there, that
/// and the same of the folder above.
pub(crate) fn about(path: &Path) -> String {
    let there = nearest(path);
    let absent = std::fs::symlink_metadata(path)
        .is_err_and(|error| error.kind() != std::io::ErrorKind::PermissionDenied);
    let mut said = match (there == path, absent) {
        (true, _) => path.display().to_string(),
        (false, true) => format!("{} is not there; {}", path.display(), there.display()),
        (false, false) => format!(
            "{} cannot be looked at; {}",
            path.display(),
            there.display()
        ),
    };
    if let Ok(found) = std::fs::metadata(there) {
        let (owner, mode) = (user_name(found.uid()), found.mode() & 0o7777);
        // Writing to a String cannot fail.
        let _ignored = write!(said, " belongs to {owner} (mode {mode:o})");
    }
    // Our own process belongs to the user that we run as.
    if let Ok(own) = std::fs::metadata("/proc/self") {
        let _ignored = write!(said, ", this runs as {}", user_name(own.uid()));
    }
    if let Some((free, all)) = bytes_free(path) {
        let mib = |bytes: u64| bytes / (1 << 20);
        let _ignored = write!(said, "; {} of {} MiB are free", mib(free), mib(all));
    }
    if is_read_only(path) {
        said.push_str("; that disk is mounted read-only");
    }
    said
}

/// What to do where a path cannot be read or written, by what the machine says of it.
pub(crate) fn remedy(path: &Path) -> String {
    let there = nearest(path);
    if is_read_only(there) {
        return format!(
            "Mount the disk of {} for writing (findmnt -T says which it is)",
            there.display()
        );
    }
    if bytes_free(there).is_some_and(|(free, _)| free < ROOM_MIN) {
        return format!("Make room on the disk of {}", there.display());
    }
    let own = std::fs::metadata("/proc/self").map(|own| own.uid());
    let owner = std::fs::metadata(there).map(|found| found.uid());
    match (own, owner) {
        (Ok(own), Ok(owner)) if own != owner && own != 0 => format!(
            "Run it as {owner} (sudo -u {owner} kith …), or give {} to {}",
            there.display(),
            user_name(own),
            owner = user_name(owner)
        ),
        _ => format!(
            "Make room, or give {} to the user that runs Kith",
            there.display()
        ),
    }
}

/// Whether nothing may be written there, whoever writes.
fn is_read_only(path: &Path) -> bool {
    let stat = rustix::fs::statvfs(nearest(path));
    stat.is_ok_and(|stat| stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// Bytes of the write-ahead log of a store; none where there is no log.
pub(crate) fn log_bytes(store: &Path) -> u64 {
    std::fs::metadata(beside(store, "-wal")).map_or(0, |found| found.len())
}

/// Processes that read from the write-ahead log of a store at this moment, by number and name; this one is not among them, nor who reads it from
/// another machine or is hidden from this user.
pub(crate) fn log_readers(store: &Path) -> Vec<(u32, String)> {
    let Ok(shared) = std::fs::metadata(beside(store, "-shm")) else {
        return Vec::new();
    };
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut readers: Vec<u32> = locks
        .lines()
        .filter_map(|line| reader_of(line, shared.ino()))
        .filter(|pid| *pid != std::process::id())
        .collect();
    readers.sort_unstable();
    readers.dedup();
    let named = |pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        (pid, name.unwrap_or_default().trim().to_owned())
    };
    readers.into_iter().map(named).collect()
}

/// The file of this ending that the engine of the store keeps beside it.
fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// The process of a line of `/proc/locks`, if it reads by the shared memory of this number:
/// `1: POSIX  ADVISORY  READ 4242 08:01:131073 124 124`.
fn reader_of(line: &str, inode: u64) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(4);
    let pid = fields.next()?.parse().ok()?;
    let file = fields.next()?.rsplit(':').next()?;
    let (first, last): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let reads = LOG_READ_LOCKS.contains(&first) && LOG_READ_LOCKS.contains(&last);
    (reads && file.parse() == Ok(inode)).then_some(pid)
}

/// A line of a text file, from 1; `None` of what is no such file, or too long to be one.
pub(crate) fn line_of(path: &Path, line: u64) -> Option<String> {
    if !std::fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return None;
    }
    let bytes = bytes_within(path, CONFIG_BYTES.most).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let place = usize::try_from(line).ok()?.checked_sub(1)?;
    text.lines().nth(place).map(str::to_owned)
}

/// The path, or what is there of those above it.
fn nearest(path: &Path) -> &Path {
    let mut above = path.ancestors();
    above.find(|path| path.exists()).unwrap_or(Path::new("/"))
}

/// A user's name as the machine lists it, else the number.
fn user_name(id: u32) -> String {
    let list = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("user {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_with_its_owner_mode_and_room() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("var/kith.db");
        let said = about(&file);
        let above = home.path().display();
        assert!(
            said.starts_with(&format!(
                "{} is not there; {above} belongs to ",
                file.display()
            )),
            "{said}"
        );
        assert!(
            said.contains("), this runs as ") && said.ends_with(" MiB are free"),
            "{said}"
        );
        let (free, all) = bytes_free(&file).unwrap();
        assert!(free <= all && all > 0);
        let of = |line| reader_of(line, 131_073);
        let line = "1: POSIX  ADVISORY  READ 4242 08:01:131073 124 124";
        assert_eq!(of(line), Some(4242));
        for other in [
            "1: POSIX  ADVISORY  READ 4242 08:01:131074 124 124",
            "1: POSIX  ADVISORY  READ 4242 08:01:131073 128 128",
            "1: POSIX  ADVISORY  READ 4242 08:01:131073 0 EOF",
            "1: FLOCK",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(4_000_000_000), "user 4000000000");
    }
}
