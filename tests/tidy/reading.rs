//! Reads the repository for its rules: finds files, and in their text what the rules speak of.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of a file that is still read as text.
const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Folders below one another.
const DEPTH_MAX: usize = 16;

const TEXT_ENDINGS: [&str; 16] = [
    "rs", "toml", "md", "json", "ndjson", "csv", "txt", "html", "sql", "sh", "py", "js", "css",
    "service", "yml", "xml",
];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(file: &Path) -> String {
    let bytes =
        fs::read(root().join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Files below a folder with one of the endings, by paths from the root, sorted; none if there is no such folder.
pub(crate) fn files_below(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![(PathBuf::from(folder), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let Ok(entries) = fs::read_dir(root().join(&folder)) else {
            continue;
        };
        for entry in entries.map(|entry| entry.expect("a folder of the repository can be listed")) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder == Path::new(".") {
                PathBuf::from(&name)
            } else {
                folder.join(&name)
            };
            let kind = entry
                .file_type()
                .expect("a file of the repository has a kind");
            let foreign = ["target", "kith-demo", "node_modules", "__pycache__", "var"]
                .contains(&name.as_str());
            if kind.is_dir()
                && depth < DEPTH_MAX
                && !foreign
                && (!name.starts_with('.') || name == ".ci")
            {
                folders.push((path, depth + 1));
            } else if kind.is_file()
                && endings
                    .iter()
                    .any(|ending| path.extension().is_some_and(|found| found == *ending))
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn folders_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Every text file of the repository that people wrote.
pub(crate) fn repository_texts() -> Vec<PathBuf> {
    let mut files = files_below(".", &TEXT_ENDINGS);
    files.extend(Some(PathBuf::from(".ci/run")).filter(|file| root().join(file).exists()));
    files.retain(|file| {
        fs::metadata(root().join(file)).is_ok_and(|found| found.len() <= TEXT_BYTES_MAX)
    });
    files
}

/// Whether a line holds a word, with nothing on either side that could be part of it.
pub(crate) fn holds_word(line: &str, word: &str) -> bool {
    let inside = |character: Option<char>| {
        character.is_some_and(|character| character.is_alphanumeric() || "_-".contains(character))
    };
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let after = line
            .get(at + word.len()..)
            .and_then(|after| after.chars().next());
        !inside(before) && !inside(after)
    })
}

/// Whether an absolute path that starts so stands in the line: `var/tmp` and `https://host/work` are no paths of a machine.
pub(crate) fn starts_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|before| before.is_alphanumeric() || "}>.~_-".contains(before))
    })
}

/// Runs of exactly ten digits, also in groups of three, three and four.
pub(crate) fn ten_digit_runs(line: &str) -> Vec<String> {
    let mut runs = Vec::new();
    for piece in line.split(|character: char| !(character.is_alphanumeric() || character == '_')) {
        if piece.len() == 10 && piece.bytes().all(|byte| byte.is_ascii_digit()) {
            runs.push(piece.to_owned());
        }
    }
    let words: Vec<&str> = line
        .split(|character: char| !character.is_alphanumeric())
        .collect();
    for group in words.windows(3) {
        let lengths: Vec<usize> = group.iter().map(|part| part.len()).collect();
        let digits = group.concat();
        if lengths == [3, 3, 4] && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            runs.push(digits);
        }
    }
    runs
}

/// The check digit of an NHS number: weights 10 to 2, modulus 11.
pub(crate) fn check_digit_agrees(digits: &str) -> bool {
    let values: Vec<u32> = digits
        .chars()
        .filter_map(|digit| digit.to_digit(10))
        .collect();
    let Some((check, nine)) = values.split_last() else {
        return false;
    };
    let sum: u32 = nine
        .iter()
        .zip((2..=10).rev())
        .map(|(digit, weight)| digit * weight)
        .sum();
    (11 - sum % 11) % 11 == *check
}

/// The part of a version that must be equal for two to be compatible.
pub(crate) fn major(version: &str) -> String {
    let mut parts = version.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("0"), Some("0"), Some(patch)) => format!("0.0.{patch}"),
        (Some("0"), Some(minor), _) => format!("0.{minor}"),
        (Some(major), ..) => major.to_owned(),
        (None, ..) => String::new(),
    }
}
