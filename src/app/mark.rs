//! The mark of an installation, `<home>/.kith`, and what must be there beside it.
//!
//! In: a config and its mappings. Out: the id of the installation that the home belongs to, or what is missing. Keeps: where
//! something was made before, nothing is begun anew unasked.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::config::{Config, PushTo, SecretPlace, machine};
use crate::diagnostics::{Code, Diagnostic, Place, Refused};
use crate::domain::encoding::{hex, unhex};
use crate::partner::Rules;
use crate::seal::LookupKey;
use crate::sheet::{MANIFEST_BYTES_MAX, Manifest, write_atomically};

/// Name of the mark, in home.
const MARK: &str = ".kith";
/// What stands before the installation's id.
const WORD: &str = "kith installation ";
/// Names of a folder that are looked at for what an earlier installation made.
const NAMES_MAX: usize = 20_000;
/// Manifests of a folder that are read at most: two months of a drop a day, as long as any stays there.
const MANIFESTS_MAX: usize = 64;

/// The installation whose mark home bears.
///
/// # Errors
/// The mark cannot be read.
pub(super) fn read(home: &Path) -> Result<Option<LookupKey>, Refused> {
    let unread = |why: String| {
        let what = format!("the mark of the installation cannot be read: {why}");
        Refused::one(Diagnostic::new(
            Code::HomeIncomplete,
            what,
            Place::file(MARK),
        ))
    };
    let text = match std::fs::read_to_string(home.join(MARK)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let path = home.join(MARK);
            let what = format!(
                "the mark of the installation cannot be read: {}",
                error.kind()
            );
            return Err(Refused::one(shut(what, MARK.to_owned(), &path)));
        }
    };
    let id = text.trim().strip_prefix(WORD).and_then(unhex);
    let id = id.and_then(|bytes| bytes.try_into().ok());
    id.map(Some)
        .ok_or_else(|| unread("it is of no form that Kith writes".to_owned()))
}

/// What is there and cannot be looked at: whose it is, and what to do.
fn shut(what: String, shown: String, path: &Path) -> Diagnostic {
    let place = Place::file(shown).and(machine::about(path));
    let refused = Diagnostic::new(Code::StoreUnreadable, what, place);
    refused.fix(format!(
        "Nothing was lost. {}; then run it again.",
        machine::remedy(path)
    ))
}

/// Marks a home; one that bears the mark is left as it is.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(home: &Path, installation: &LookupKey) -> Result<(), Refused> {
    let path = home.join(MARK);
    if path.exists() {
        return Ok(());
    }
    let text = format!("{WORD}{}\n", hex(installation));
    let Err(error) = write_atomically(&path, text.as_bytes(), 0o640) else {
        return Ok(());
    };
    // Another process that begins the same installation may have been first.
    if read(home)? == Some(*installation) {
        return Ok(());
    }
    let what = format!("home cannot be marked as an installation: {error}");
    Err(Refused::one(shut(what, home.display().to_string(), home)))
}

/// The installation that home belongs to, if all of it is there; none of a home in which nothing was made yet.
///
/// # Errors
/// What is gone; or, unless it is `accepted`, what lies here without a mark.
pub(super) fn whole(
    config: &Config,
    rules: &Rules,
    accepted: bool,
) -> Result<Option<LookupKey>, Refused> {
    let mut mark = read(&config.home)?;
    if mark.is_none() {
        let made = first_made(config, rules);
        // Another process may have begun the installation meanwhile: it marks home before anything goes out.
        mark = read(&config.home)?;
        if let (Some(found), None, false) = (made, mark, accepted) {
            return Err(Refused::one(Diagnostic::new(
                Code::MarkMissing,
                "files that were made here, but home bears no mark of an installation",
                Place::file(shown(config, &found)),
            )));
        }
    }
    let Some(installation) = mark else {
        return Ok(None);
    };
    let var = config.home.join("var");
    let mut parts: Vec<(&str, &Path)> =
        vec![("the folder var", &var), ("the store", &config.store)];
    if let SecretPlace::File(path) = config.seal_key.place() {
        parts.push(("the seal key", path));
    }
    let mut gone: Vec<(&str, &Path)> = Vec::new();
    for (name, path) in parts {
        match std::fs::metadata(path) {
            // Of the store the engine says what it holds.
            Ok(found) if path != config.store || found.len() > 0 => {}
            // Whoever may not look says nothing of what is there.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                let what = format!("{name} cannot be looked at: {}", error.kind());
                return Err(Refused::one(shut(what, shown(config, path), path)));
            }
            Ok(_) | Err(_) => gone.push((name, path)),
        }
    }
    if gone.is_empty() {
        return Ok(Some(installation));
    }
    let missing = gone.into_iter().map(|(name, path)| {
        let what = format!("this home is an installation, but {name} is gone");
        Diagnostic::new(Code::HomeIncomplete, what, Place::file(shown(config, path)))
    });
    Err(Refused(missing.collect()))
}

/// That the store of a marked home holds nothing.
pub(super) fn empty(config: &Config) -> Refused {
    let place = Place::file(shown(config, &config.store));
    let what = "this home is an installation, but its store is empty";
    Refused::one(Diagnostic::new(Code::HomeIncomplete, what, place))
}

/// That the store is not the one that was marked.
pub(super) fn foreign(config: &Config) -> Refused {
    let place = Place::file(shown(config, &config.store));
    let what = "the store is of another installation than the mark of this home";
    Refused::one(Diagnostic::new(Code::HomeIncomplete, what, place))
}

fn shown(config: &Config, path: &Path) -> String {
    let below = path.strip_prefix(&config.home).unwrap_or(path);
    below.display().to_string()
}

/// A drop, manifest, receipt, file for import or report that lies where this config would put its own.
fn first_made(config: &Config, rules: &Rules) -> Option<PathBuf> {
    let partners = rules.partners.iter().filter_map(|partner| {
        let transport = config.transport(&partner.deliver.transport.value)?;
        let out = transport.folder(&partner.id).join("out");
        let (before, ..) = partner.deliver.file.split_once('{')?;
        let drops = |name: &str| {
            name.ends_with(".manifest.json")
                || !before.is_empty()
                    && name
                        .strip_prefix("notice_")
                        .unwrap_or(name)
                        .starts_with(before)
        };
        first_of(&out, &drops).or_else(|| {
            first_of(&out.join("receipts"), &|name: &str| {
                name.contains(".receipt.")
            })
        })
    });
    let imports = config.sources.iter().filter_map(|source| {
        let PushTo::Folder { path } = &source.push.to else {
            return None;
        };
        let of_kith = |name: &str| name.starts_with("observations_");
        first_of(&config.home.join(path), &of_kith)
    });
    let reports = config.commissioners.iter().filter_map(|commissioner| {
        let transport = config.transport(commissioner.report_transport.as_deref()?)?;
        let night = |name: &str| name.parse::<jiff::civil::Date>().is_ok();
        first_of(&transport.path().join(&commissioner.id), &night)
    });
    partners.chain(imports).chain(reports).next()
}

/// The first entry of a folder with such a name.
fn first_of(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    names(folder)
        .find(|name| wanted(name))
        .map(|name| folder.join(name))
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .take(NAMES_MAX)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// The manifests that lie in a partner's `out/`, but for those of these names; names in falling order, so that the newest come first where they are named by
/// day and number. What cannot be read, or is no manifest, is passed over.
pub(super) fn manifests(out: &Path, but: &HashSet<String>) -> Vec<Manifest> {
    let mut found: Vec<String> = names(out)
        .filter(|name| name.ends_with(".manifest.json") && !but.contains(name))
        .collect();
    let plain = |name: &str| name.strip_prefix("notice_").unwrap_or(name).to_owned();
    found.sort_by_cached_key(|name| std::cmp::Reverse(plain(name)));
    let found = found.into_iter().take(MANIFESTS_MAX);
    found.filter_map(|name| manifest(&out.join(name))).collect()
}

fn manifest(path: &Path) -> Option<Manifest> {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    file.take(MANIFEST_BYTES_MAX)
        .read_to_string(&mut text)
        .ok()?;
    serde_json::from_str(&text).ok()
}

/// The highest number of a drop whose manifest lies in a partner's `out/`, at most `most`: nothing there is trusted to say more.
pub(super) fn last_number(out: &Path, most: i64) -> i64 {
    manifests(out, &HashSet::new())
        .iter()
        .filter_map(|manifest| i64::try_from(manifest.sequence).ok())
        .filter(|number| *number <= most)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_is_never_replaced() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(read(home.path()).unwrap(), None);
        write(home.path(), &[7; 16]).unwrap();
        write(home.path(), &[8; 16]).unwrap();
        assert_eq!(read(home.path()).unwrap(), Some([7; 16]));
        std::fs::write(home.path().join(MARK), "something else\n").unwrap();
        let refused = read(home.path()).unwrap_err();
        assert_eq!(refused.0[0].code(), Code::HomeIncomplete);
    }

    #[test]
    fn numbers_in_out_count_as_far_as_they_can_be_ours() {
        let out = tempfile::tempdir().unwrap();
        let manifest = |sequence: u64| crate::sheet::Manifest {
            partner: "p".to_owned(),
            file: "f".to_owned(),
            made_on: "2026-11-23".to_owned(),
            sequence,
            previous_sequence: None,
            rows: crate::sheet::RowsByAction::default(),
            sha256: String::new(),
            header_sha256: String::new(),
            format: crate::sheet::Format::default().into(),
            ledger: None,
        };
        for (name, sequence) in [("a", 3), ("b", 12), ("c", 4_000_000_000)] {
            let path = out.path().join(format!("{name}.manifest.json"));
            std::fs::write(path, manifest(sequence).to_bytes()).unwrap();
        }
        std::os::unix::fs::symlink("/dev/zero", out.path().join("d.manifest.json")).unwrap();
        std::fs::write(out.path().join("e.manifest.json"), "no JSON").unwrap();
        assert_eq!(last_number(out.path(), 1_000), 12);
        assert_eq!(last_number(&out.path().join("gone"), 1_000), 0);
    }
}
