//! The night's cube: what the store counted for one commissioner and day, unrounded.
//!
//! Whoever makes a report fills an [`Input`] from the store, seals it and keeps it; from it alone every byte of the report is made again. Invariant:
//! nothing here leads to a person — ids and names are those of practices and partners, reasons are codes, days and months are text as ISO 8601
//! writes them. Old cubes are read by later versions, so fields are only ever added, with a default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything a report is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Input {
    /// The London day reported on, `2026-11-22`.
    pub(crate) night: String,
    pub(crate) commissioner: Named,
    pub(crate) operations: Operations,
    /// The day is not over yet.
    pub(crate) provisional: bool,
    /// Root of the day seal, hexadecimal.
    pub(crate) seal_of_day: Option<String>,
    pub(crate) sources: Vec<Source>,
    pub(crate) partners: Vec<Partner>,
    pub(crate) legs: Vec<Legs>,
    pub(crate) held: Vec<Held>,
    pub(crate) books: Vec<Book>,
    pub(crate) pushes: Vec<Pushes>,
    /// Questionnaires that may be averaged item by item.
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) facts: Vec<Fact>,
    /// The last calendar month that is over, `2026-10`.
    pub(crate) last_complete_month: String,
}

/// An id and its name for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// How the operations tables print their counts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Operations {
    #[default]
    Exact,
    /// By the rule of `super::suppress`, like the people tables.
    Rounded,
}

/// A practice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) ods_code: String,
    pub(crate) registered_patients: Option<u64>,
    /// Of the last pull of the day; `None` if there was none.
    pub(crate) certificate: Option<Certificate>,
}

/// What a pull can promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Certificate {
    /// `complete`, `complete except …` or `unknown`.
    pub(crate) verdict: String,
    /// Start of the window asked for; `None` for everything, or for a folder.
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) requests: u64,
    pub(crate) pages: u64,
    pub(crate) unresolved: u64,
    /// London day and time of the last full sweep.
    #[serde(default)]
    pub(crate) swept: Option<String>,
    /// Requests that it found and no pull had seen.
    #[serde(default)]
    pub(crate) unseen: u64,
    /// No new request came for unusually long.
    #[serde(default)]
    pub(crate) quiet: bool,
}

/// A partner, its files and its rows up to the end of the night.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Partner {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    /// Its name is not printed: the figures of all such partners are folded into one row.
    pub(crate) sensitive: bool,
    pub(crate) last_drop: Option<DropFile>,
    pub(crate) drops: u64,
    pub(crate) rows: Actions,
    pub(crate) returns: u64,
    pub(crate) return_rows: ReturnRows,
    pub(crate) last_return_day: Option<String>,
    /// Sequence numbers missing between two drops.
    pub(crate) sequence_gaps: Vec<i64>,
}

/// A file delivered to a partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DropFile {
    pub(crate) name: String,
    pub(crate) sequence: i64,
    pub(crate) day: String,
}

/// Rows delivered, by what they ask of the partner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) struct Actions {
    pub(crate) new: u64,
    pub(crate) amend: u64,
    pub(crate) stop: u64,
    pub(crate) pause: u64,
}

/// Rows of returns, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReturnRows {
    pub(crate) accepted: u64,
    pub(crate) repeated: u64,
    pub(crate) rejected: u64,
    pub(crate) held: u64,
}

/// Legs that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Legs {
    pub(crate) source: String,
    /// `None` before a partner was found.
    pub(crate) partner: Option<String>,
    /// State at the end of the night.
    pub(crate) state: String,
    /// Reason code of that state.
    pub(crate) why: Option<String>,
    /// Month of receipt, `2026-11`.
    pub(crate) month: String,
    pub(crate) opened: Opened,
    pub(crate) ended: Ended,
    pub(crate) count: u64,
}

/// When a leg was received, seen from the day of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Opened {
    Before,
    Within,
}

/// When a leg reached a terminal state, seen from the day of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ended {
    Before,
    Within,
    No,
}

/// Entries that wait for somebody and are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) reason: String,
    pub(crate) owner: String,
    pub(crate) stage: String,
    pub(crate) source: Option<String>,
    pub(crate) partner: Option<String>,
    /// Whole days at the end of the night.
    pub(crate) age_days: i64,
    pub(crate) count: u64,
}

/// What a room took in on the day, and how it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Book {
    pub(crate) stage: String,
    pub(crate) source: Option<String>,
    pub(crate) partner: Option<String>,
    pub(crate) received: u64,
    pub(crate) accepted: u64,
    pub(crate) repeated: u64,
    pub(crate) rejected: u64,
    pub(crate) held: u64,
    pub(crate) reasons: BTreeMap<String, u64>,
}

/// Entries for a practice's record, by how far they have come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pushes {
    pub(crate) source: String,
    pub(crate) state: String,
    pub(crate) count: u64,
}

/// A questionnaire as its catalogue file describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instrument {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) items: Vec<Item>,
}

/// One question, scored from `min` to `max`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) better: Better,
}

/// Which way a score improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Better {
    Higher,
    Lower,
}

impl Better {
    /// The word in catalogue files and tables.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
        }
    }
}

/// People with the same two answers to an item, the first and the follow-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fact {
    /// Month of the follow-up.
    pub(crate) month: String,
    /// Month in which it was recorded: one that comes late is reported with that month, so that no two nights differ by one person.
    pub(crate) issue: String,
    pub(crate) source: String,
    pub(crate) partner: String,
    pub(crate) instrument: String,
    pub(crate) item: String,
    pub(crate) before: i64,
    pub(crate) after: i64,
    pub(crate) count: u64,
}
