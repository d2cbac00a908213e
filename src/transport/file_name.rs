//! Names of files as partners give them: kept from logs, and cleaned before one of ours is built from them.
//!
//! A name goes in as the folder lists it and comes out either unchanged, for that folder, or cleaned, for a receipt. A name that is no Unicode text is
//! shown with marks in the place of what cannot be read. Invariant: a cleaned name is one component of a path, shows as what it is, and fits every
//! file system.

use std::fmt;

/// Characters of a receipt's whole name (`security.md` §4).
const RECEIPT_NAME_CHARACTERS_MAX: usize = 120;
/// Characters kept for ` (200)` and `.receipt.json` behind the cleaned name.
const RECEIPT_ENDING_CHARACTERS: usize = 24;
/// Bytes of a receipt's stem: file systems count bytes, and stop at 255.
const RECEIPT_STEM_BYTES_MAX: usize = 200;

/// Bytes of a name under which a file is kept: file systems stop at 255.
const KEPT_NAME_BYTES_MAX: usize = 250;

/// Endings of files that are still being written.
const UNFINISHED: [&str; 5] = [".part", ".partial", ".tmp", ".filepart", ".crdownload"];
/// Beginnings of the names of lock files, and of what a Mac lays beside a file.
const BESIDE_FILES: [&str; 3] = ["~$", ".~lock", "._"];
/// Files that desktops lay into folders.
const OF_DESKTOPS: [&str; 3] = [".ds_store", "thumbs.db", "desktop.ini"];

/// A partner's own name for a file. It may hold a person's name, so it prints only its length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartnerFileName {
    shown: String,
    /// The name in its folder, where that is no Unicode text.
    raw: Option<Box<[u8]>>,
}

impl PartnerFileName {
    pub(crate) fn new(shown: String) -> Self {
        Self { shown, raw: None }
    }

    /// A name as a folder lists it.
    pub(super) fn of_bytes(name: Vec<u8>) -> Self {
        match String::from_utf8(name) {
            Ok(shown) => Self::new(shown),
            Err(error) => Self {
                shown: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                raw: Some(error.into_bytes().into()),
            },
        }
    }

    /// The name itself, as it can be shown: for its receipt, and sealing.
    pub(crate) fn reveal(&self) -> &str {
        &self.shown
    }

    /// The name in the folder it came from.
    pub(super) fn on_disk(&self) -> &[u8] {
        self.raw.as_deref().unwrap_or(self.shown.as_bytes())
    }

    /// A name under which the file can be kept, with a number behind its stem: `returns (2).csv`.
    pub(super) fn numbered(&self, number: usize) -> Self {
        let parts = self.shown.rsplit_once('.');
        let (stem, ending) = parts
            .filter(|(stem, ending)| !stem.is_empty() && ending.len() < KEPT_NAME_BYTES_MAX / 2)
            .map_or((&*self.shown, String::new()), |(stem, ending)| {
                (stem, format!(".{ending}"))
            });
        let number = match number {
            0 | 1 => String::new(),
            number => format!(" ({number})"),
        };
        let room = KEPT_NAME_BYTES_MAX.saturating_sub(number.len() + ending.len());
        let (stem, _) = stem.split_at(stem.floor_char_boundary(room));
        Self::new(format!("{stem}{number}{ending}"))
    }

    /// Whether the file is left alone by its name: it is unfinished, a lock, or a desktop's own.
    pub(super) fn is_left_alone(&self) -> bool {
        let lower = self.shown.to_lowercase();
        UNFINISHED.iter().any(|ending| lower.ends_with(ending))
            || BESIDE_FILES.iter().any(|start| lower.starts_with(start))
            || OF_DESKTOPS.contains(&lower.as_str())
    }
}

impl fmt::Debug for PartnerFileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "PartnerFileName({} characters)",
            self.shown.chars().count()
        )
    }
}

/// The stem of a receipt's name: the return's without its ending, cleaned of path separators, control and bidi characters and what Windows refuses.
pub(crate) fn receipt_stem(of: &PartnerFileName) -> String {
    let stem = match of.shown.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => &of.shown,
    };
    let mut clean = String::new();
    for character in stem.chars().filter(|&character| !is_invisible(character)) {
        let character = if r#"/\:*?"<>|"#.contains(character) {
            '_'
        } else {
            character
        };
        let full = clean.chars().count() >= RECEIPT_NAME_CHARACTERS_MAX - RECEIPT_ENDING_CHARACTERS;
        if full || clean.len() + character.len_utf8() > RECEIPT_STEM_BYTES_MAX {
            break;
        }
        clean.push(character);
    }
    // A leading dot hides a file; dots and spaces at either end are lost on Windows.
    let clean = clean.trim_matches([' ', '.']);
    if clean.is_empty() {
        "return".to_owned()
    } else {
        clean.to_owned()
    }
}

fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00AD}' | '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits;

    fn named(name: &str) -> PartnerFileName {
        PartnerFileName::new(name.to_owned())
    }

    #[test]
    fn receipts_get_clean_names() {
        let cases = [
            ("returns week 47.xlsx", "returns week 47"),
            ("../../etc/passwd.csv", "_.._etc_passwd"),
            ("a\\b:c\0d\u{202E}e\u{200B}.csv", "a_b_cde"),
            ("Zoë (1).b.csv", "Zoë (1).b"),
            (".csv", "csv"),
            ("...", "return"),
            ("\u{202E}.csv", "return"),
            ("plain", "plain"),
        ];
        for (name, expected) in cases {
            assert_eq!(receipt_stem(&named(name)), expected, "{name:?}");
        }
        let long = format!("{}.receipt.json", receipt_stem(&named(&"é".repeat(250))));
        assert!(long.chars().count() <= RECEIPT_NAME_CHARACTERS_MAX && long.chars().count() > 100);
        assert!(receipt_stem(&named(&"李".repeat(250))).len() <= RECEIPT_STEM_BYTES_MAX);
    }

    #[test]
    fn a_taken_name_gets_a_number_before_its_ending() {
        for (name, expected) in [
            ("a.csv", "a (2).csv"),
            ("a.b.csv", "a.b (2).csv"),
            ("a", "a (2)"),
            (".csv", ".csv (2)"),
        ] {
            assert_eq!(named(name).numbered(2).reveal(), expected);
            assert_eq!(named(name).numbered(1).reveal(), name);
        }
        let long = "é".repeat(200);
        for (name, end) in [(format!("{long}.csv"), " (12).csv"), (long, " (12)")] {
            let kept = named(&name).numbered(12);
            assert!(kept.reveal().ends_with(end) && kept.reveal().len() > 240);
        }
        limits::holds_at(KEPT_NAME_BYTES_MAX, |bytes| {
            named(&"x".repeat(bytes)).numbered(1).reveal().len() == bytes
        });
    }

    #[test]
    fn a_name_that_is_no_text_is_shown_and_found_again() {
        let name = PartnerFileName::of_bytes(b"r\xE9sum\xE9.csv".to_vec());
        assert_eq!(name.reveal(), "r\u{FFFD}sum\u{FFFD}.csv");
        assert_eq!(name.on_disk(), b"r\xE9sum\xE9.csv");
        assert_eq!(
            name.numbered(1).on_disk(),
            "r\u{FFFD}sum\u{FFFD}.csv".as_bytes()
        );
        assert_eq!(PartnerFileName::of_bytes(b"a.csv".to_vec()), named("a.csv"));
    }

    #[test]
    fn files_that_are_left_alone_are_known_by_name() {
        for name in [
            "a.csv.part",
            "a.csv.partial",
            "a.TMP",
            "a.filepart",
            "a.csv.crdownload",
            "~$week.xlsx",
            ".~lock.week.csv#",
            "._week.csv",
            ".DS_Store",
            "Thumbs.db",
            "desktop.ini",
        ] {
            assert!(named(name).is_left_alone(), "{name}");
        }
        for name in [
            "a.csv",
            "part",
            "a.part.csv",
            "tmp",
            "$~a.csv",
            ".a.csv",
            "DS_Store",
            "my desktop.ini",
        ] {
            assert!(!named(name).is_left_alone(), "{name}");
        }
    }

    #[test]
    fn a_name_is_not_printed() {
        assert_eq!(
            format!("{:?}", named("Anna.csv")),
            "PartnerFileName(8 characters)"
        );
    }
}
