//! What a run of the rooms says of itself, as the demo reads it: the JSON of `run --once --json`.
//!
//! A summary goes in, sums by room come out. It reads the published form, so the demo sees what a script would see.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::Owner;

/// A run.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Night {
    #[serde(default)]
    pub(super) books: Vec<Book>,
    #[serde(default)]
    pub(super) held: Vec<Waiting>,
    #[serde(default)]
    pub(super) certificates: Vec<Certificate>,
}

/// The book of a room, for a source, partner or file.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Book {
    pub(super) stage: String,
    pub(super) received: u64,
    pub(super) accepted: u64,
    pub(super) repeated: u64,
    pub(super) rejected: u64,
    pub(super) held: u64,
    #[serde(default)]
    pub(super) reasons: BTreeMap<String, u64>,
}

/// Somebody or something that waits.
#[derive(Debug, Deserialize)]
pub(super) struct Waiting {
    pub(super) reason: String,
    pub(super) owner: String,
}

/// What a pull can promise.
#[derive(Debug, Deserialize)]
pub(super) struct Certificate {
    pub(super) source: String,
    pub(super) verdict: String,
    pub(super) except: Option<String>,
}

impl Night {
    /// Reads a run's summary.
    ///
    /// # Errors
    /// It lacks what the contract promises.
    pub(super) fn of(summary: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::from_value(serde_json::to_value(summary)?)
    }

    /// The books of a room added up.
    pub(super) fn room(&self, stage: &str) -> Book {
        let mut sum = Book {
            stage: stage.to_owned(),
            ..Book::default()
        };
        for book in self.books.iter().filter(|book| book.stage == stage) {
            sum.received += book.received;
            sum.accepted += book.accepted;
            sum.repeated += book.repeated;
            sum.rejected += book.rejected;
            sum.held += book.held;
            for (reason, rows) in &book.reasons {
                *sum.reasons.entry(reason.clone()).or_default() += rows;
            }
        }
        sum
    }

    /// Whether in every book as many left as came in.
    pub(super) fn balances(&self) -> bool {
        let even = |book: &Book| {
            book.received == book.accepted + book.repeated + book.rejected + book.held
        };
        self.books.iter().all(even)
    }

    /// How many wait for this reason.
    pub(super) fn waiting(&self, reason: &str) -> u64 {
        let count = self
            .held
            .iter()
            .filter(|waiting| waiting.reason == reason)
            .count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// How many of them wait for this owner.
    pub(super) fn waiting_for(&self, reason: &str, owner: Owner) -> u64 {
        let waits = |waiting: &&Waiting| waiting.reason == reason && waiting.owner == owner.code();
        let count = self.held.iter().filter(waits).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

impl Book {
    /// Rows of this room with this reason.
    pub(super) fn reason(&self, code: &str) -> u64 {
        self.reasons.get(code).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rooms_are_added_up_over_sources_and_partners() {
        let book = |stage: &str, held: u64| {
            json!({"run": 1, "stage": stage, "source": null, "partner": null, "file": null, "received": 3 + held,
                   "accepted": 3, "repeated": 0, "rejected": 0, "held": held, "reasons": {"consent": held}})
        };
        let night = Night::of(&json!({"as_of": "x", "books": [book("select", 1), book("select", 2), book("map", 0)],
            "legs": {}, "partners": [], "held": [{"number": 1, "reason": "consent", "owner": "ig"}], "certificates": []}))
        .unwrap();
        let select = night.room("select");
        assert_eq!(
            (
                select.received,
                select.accepted,
                select.held,
                select.reason("consent")
            ),
            (9, 6, 3, 3)
        );
        assert_eq!(night.room("push").received, 0);
        assert!(night.balances());
        assert_eq!(night.waiting("consent"), 1);
        assert_eq!(night.waiting_for("consent", Owner::Ig), 1);
        assert_eq!(night.waiting_for("consent", Owner::It), 0);
    }

    #[test]
    fn a_book_that_loses_a_row_does_not_balance() {
        let book = Book {
            received: 2,
            accepted: 1,
            ..Book::default()
        };
        assert!(
            !Night {
                books: vec![book],
                ..Night::default()
            }
            .balances()
        );
    }
}
