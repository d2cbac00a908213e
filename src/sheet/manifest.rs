//! The manifest beside every drop: what is in the file, so that whoever fetches it can tell that it is whole and that none is missing.
//!
//! Counts and digests go in, JSON comes out. Invariant: the same drop gives the same bytes; the only time in it is the London date of the run.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::csv::format::FormatWords;

/// Bytes of a manifest that are read at most.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// What `….manifest.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Our id of the partner.
    pub(crate) partner: String,
    /// Name of the file it speaks of.
    pub(crate) file: String,
    /// London date of the run, `YYYY-MM-DD`.
    pub(crate) made_on: String,
    /// Per partner from 1; a number that was given is never given again.
    pub(crate) sequence: u64,
    /// The one before, but for those that were taken back before they left; `null` for the first.
    pub(crate) previous_sequence: Option<u64>,
    pub(crate) rows: RowsByAction,
    /// SHA-256 of the whole file, hexadecimal.
    pub(crate) sha256: String,
    /// SHA-256 of the header row's bytes, line end included, byte order mark not; it changes when the layout does.
    pub(crate) header_sha256: String,
    pub(crate) format: FormatWords,
    /// The row of our records by which the drop was made; none in a manifest of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ledger: Option<RecordedHead>,
}

/// The row of a partner's strand that says that a drop was prepared: the drop goes out after it is durable. Where our records do not have
/// it, they are an older copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordedHead {
    /// Its number, from 1.
    pub(crate) seq: i64,
    /// Its hash, hexadecimal.
    pub(crate) head: String,
    /// That we wrote it, hexadecimal: only our key makes this.
    pub(crate) mac: String,
}

/// Rows of a drop by what they ask of the partner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) struct RowsByAction {
    pub(crate) new: u64,
    pub(crate) amend: u64,
    pub(crate) stop: u64,
    pub(crate) pause: u64,
}

impl Manifest {
    /// The bytes of the manifest file: indented JSON and a line end.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("text and numbers always are JSON");
        bytes.push(b'\n');
        bytes
    }

    /// The London date as it stands in a manifest.
    pub(crate) fn date(made_on: Date) -> String {
        made_on.to_string()
    }
}

/// Name of the manifest of a file: `referrals_20261123_000042.manifest.json`.
pub(crate) fn manifest_name(file: &str) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    format!("{stem}.manifest.json")
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    #[test]
    fn a_manifest_is_written_to_the_byte_and_read_again() {
        let manifest = Manifest {
            partner: "elm".to_owned(),
            file: "referrals_20261123_000042.csv".to_owned(),
            made_on: Manifest::date(jiff::civil::date(2026, 11, 23)),
            sequence: 42,
            previous_sequence: Some(41),
            rows: RowsByAction {
                new: 3,
                stop: 1,
                ..RowsByAction::default()
            },
            sha256: "ab".repeat(32),
            header_sha256: "cd".repeat(32),
            format: Format::default().into(),
            ledger: Some(RecordedHead {
                seq: 9,
                head: "ef".repeat(32),
                mac: "01".repeat(32),
            }),
        };
        let text = String::from_utf8(manifest.to_bytes()).unwrap();
        assert!(text.starts_with("{\n  \"partner\": \"elm\",\n"));
        assert!(text.contains(
            "\"made_on\": \"2026-11-23\",\n  \"sequence\": 42,\n  \"previous_sequence\": 41,\n"
        ));
        assert!(
            text.contains("\"NEW\": 3,\n    \"AMEND\": 0,\n    \"STOP\": 1,\n    \"PAUSE\": 0\n")
        );
        assert!(text.ends_with("}\n"));
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
        let before = Manifest {
            ledger: None,
            ..manifest
        };
        let text = String::from_utf8(before.to_bytes()).unwrap();
        assert!(!text.contains("ledger"));
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), before);
    }

    #[test]
    fn only_the_last_ending_is_replaced() {
        assert_eq!(manifest_name("a.b_000001.csv"), "a.b_000001.manifest.json");
        assert_eq!(manifest_name("plain"), "plain.manifest.json");
    }
}
