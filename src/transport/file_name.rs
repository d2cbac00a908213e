//! Names of files as partners give them: kept from logs, and cleaned before one of ours is built from them.
//!
//! A name goes in as the folder lists it and comes out either unchanged, for that folder, or cleaned, for a receipt. Invariant: a cleaned name is one
//! component of a path, shows as what it is, and fits every file system.

use std::fmt;

/// Characters of a receipt's whole name (`security.md` §4).
const RECEIPT_NAME_CHARACTERS_MAX: usize = 120;
/// Characters kept for ` (200)` and `.receipt.json` behind the cleaned name.
const RECEIPT_ENDING_CHARACTERS: usize = 24;
/// Bytes of a receipt's stem: file systems count bytes, and stop at 255.
const RECEIPT_STEM_BYTES_MAX: usize = 200;

/// A partner's own name for a file. It may hold a person's name, so it prints only its length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartnerFileName(String);

impl PartnerFileName {
    pub(crate) fn new(name: String) -> Self {
        Self(name)
    }

    /// The name itself: for the folder it came from, its receipt, and sealing.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// The name with a number behind its stem: `returns (2).csv`.
    pub(super) fn numbered(&self, number: usize) -> Self {
        if number < 2 {
            return self.clone();
        }
        Self(match self.0.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() => format!("{stem} ({number}).{ending}"),
            _ => format!("{} ({number})", self.0),
        })
    }

    /// Whether the file is somebody's unfinished or lock file, which is left alone.
    pub(super) fn is_unfinished(&self) -> bool {
        let lower = self.0.to_lowercase();
        let unfinished = [".part", ".tmp", ".filepart"]
            .iter()
            .any(|ending| lower.ends_with(ending));
        unfinished || lower.starts_with("~$") || lower.starts_with(".~lock")
    }
}

impl fmt::Debug for PartnerFileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "PartnerFileName({} characters)",
            self.0.chars().count()
        )
    }
}

/// The stem of a receipt's name: the return's without its ending, cleaned of path separators, control and bidi characters and what Windows refuses.
pub(crate) fn receipt_stem(of: &PartnerFileName) -> String {
    let stem = match of.0.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => &of.0,
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
    }

    #[test]
    fn unfinished_and_lock_files_are_known_by_name() {
        for name in [
            "a.csv.part",
            "a.TMP",
            "a.filepart",
            "~$week.xlsx",
            ".~lock.week.csv#",
        ] {
            assert!(named(name).is_unfinished(), "{name}");
        }
        for name in ["a.csv", "part", "a.part.csv", "tmp", "$~a.csv"] {
            assert!(!named(name).is_unfinished(), "{name}");
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
