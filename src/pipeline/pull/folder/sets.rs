//! File sets: which files of a folder speak of the same resources by the same ids.
//!
//! In: names of files. Out: a set for each. Kept: a folder below is a set of its own, for it may come from another practice,
//! unless its name says that it only sorts what stands above it: a resource type, a day, or the parts of an export.

use std::path::{Component, Path};

use crate::store::rows::RawKind;

/// Names of folders that bulk clients put beside the files of an export.
const PARTS_OF_EXPORT: [&str; 3] = ["output", "deleted", "error"];
/// Digits of a day.
const DAY_DIGITS: usize = 8;

/// The sets of a folder's files, by their names; the first is the folder itself.
#[derive(Default)]
pub(super) struct FileSets {
    names: Vec<String>,
    /// Of each file.
    of_files: Vec<u16>,
}

impl FileSets {
    /// The sets of files with these names, relative to the folder.
    pub(super) fn of<'n>(files: impl Iterator<Item = &'n str>) -> Self {
        let mut sets = Self {
            names: vec![String::new()],
            of_files: Vec::new(),
        };
        for file in files {
            let name = set_of(file);
            let known = sets.names.iter().position(|known| *known == name);
            let place = known.unwrap_or_else(|| {
                sets.names.push(name);
                sets.names.len() - 1
            });
            // There are no more sets than files, and of those no more than a number of 16 bits.
            sets.of_files.push(u16::try_from(place).unwrap_or(u16::MAX));
        }
        sets
    }

    /// The set of a file.
    pub(super) fn of_file(&self, file: u16) -> u16 {
        self.of_files.get(usize::from(file)).copied().unwrap_or(0)
    }

    /// The name of a set; empty for the folder itself.
    pub(super) fn name(&self, set: u16) -> &str {
        self.names.get(usize::from(set)).map_or("", String::as_str)
    }

    /// All sets.
    pub(super) fn all(&self) -> impl Iterator<Item = u16> {
        (0..self.names.len()).filter_map(|set| u16::try_from(set).ok())
    }
}

/// The folders of a file that begin a set, joined.
fn set_of(file: &str) -> String {
    let folders = Path::new(file).parent().into_iter();
    let names = folders.flat_map(Path::components).filter_map(|component| {
        let Component::Normal(name) = component else {
            return None;
        };
        let name = name.to_str()?;
        (!only_sorts(name)).then_some(name)
    });
    names.collect::<Vec<_>>().join("/")
}

/// Whether a folder of this name only sorts the files of one set.
fn only_sorts(name: &str) -> bool {
    let kind = RawKind::ALL
        .into_iter()
        .map(RawKind::resource_type)
        .chain(["Bundle"])
        .any(|kind| name.eq_ignore_ascii_case(kind));
    let part = PARTS_OF_EXPORT
        .iter()
        .any(|part| name.eq_ignore_ascii_case(part));
    kind || part || is_day(name)
}

/// `2026-11-20`, `20261120`, also with a time behind it.
fn is_day(name: &str) -> bool {
    let spelled = |byte: u8| byte.is_ascii_digit() || b"TZ-_:.".contains(&byte);
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    name.starts_with("20") && digits >= DAY_DIGITS && name.bytes().all(spelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_below_is_a_set_unless_it_only_sorts() {
        for (file, set) in [
            ("a.ndjson", ""),
            ("deleted/Bundle.ndjson", ""),
            ("Patient/part-1.ndjson", ""),
            ("2026-11-20/Patient.ndjson", ""),
            ("20261120T020000Z/output/a.json", ""),
            ("hilltop/Patient.ndjson", "hilltop"),
            ("hilltop/2026-11-20/patient/a.ndjson", "hilltop"),
            ("icb/hilltop/a.ndjson", "icb/hilltop"),
            ("81001/a.ndjson", "81001"),
            ("Hilltop/a.ndjson", "Hilltop"),
        ] {
            assert_eq!(set_of(file), set, "{file}");
        }
        let sets = FileSets::of(["b/x.json", "a.json", "b/Patient/y.json"].into_iter());
        assert_eq!([0, 1, 2].map(|file| sets.of_file(file)), [1, 0, 1]);
        assert_eq!((sets.name(1), sets.all().count()), ("b", 2));
    }
}
