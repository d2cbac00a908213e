//! What the machine says of a path: whose it is, who we are, how much room is left. For messages alone.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::domain::limits::CONFIG_BYTES;
use crate::toml_reader::bytes_within;

/// Bytes that a run needs at least.
const ROOM_MIN: u64 = 8 << 20;

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
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(4_000_000_000), "user 4000000000");
    }
}
