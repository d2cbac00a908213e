//! How a partner answers: the returns, and what each of their columns tells.
//!
//! The section `[collect]`, once read. Kept: every code leads to a word that Kith knows.

use crate::domain::{EventKind, LegState, Occasion};
use crate::partner::fields::{CodeMap, Instrument};
use crate::toml_reader::At;

/// How the partner answers.
#[derive(Debug)]
pub(crate) struct Collect {
    pub(crate) transport: At<String>,
    /// Pattern of the names of returns.
    pub(crate) file: String,
    /// Header of the column with our reference.
    pub(crate) reference: String,
    /// Header of the column with the row token.
    pub(crate) check: Option<String>,
    /// strftime pattern in which the partner writes dates.
    pub(crate) dates: String,
    /// How long a return must have stood still before the daemon takes it.
    pub(crate) settle_seconds: u32,
    /// Days by which an event may lie before the referral.
    pub(crate) early_days: u32,
    /// What the partner calls a column, and the header that was agreed.
    pub(crate) aliases: Vec<(String, String)>,
    /// Headers of the columns that are delivered, with one space for white space.
    pub(crate) delivered: Vec<String>,
    /// Each sheet tells everything so far.
    pub(crate) cumulative: bool,
    /// A row without check and without any identity cell is taken by its reference.
    pub(crate) by_reference_alone: bool,
    /// No check and no identity column: every row that says something waits.
    pub(crate) hold_all: bool,
    /// How a STOP or AMEND row is acknowledged.
    pub(crate) acknowledged: Option<Acknowledged>,
    /// How a row takes back what it had told.
    pub(crate) withdrawn: Option<Acknowledged>,
    pub(crate) events: Vec<CollectEvent>,
}

/// `acknowledged = { column, values }`: any of the values says that the row was read and acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) column: String,
    pub(crate) values: Vec<String>,
}

/// One kind of event that a row may tell; a row may tell several.
#[derive(Debug)]
pub(crate) struct CollectEvent {
    /// Header of the column with the date.
    pub(crate) on: Option<String>,
    pub(crate) told: EventRule,
}

/// What the columns of an event say.
#[derive(Debug)]
pub(crate) enum EventRule {
    /// Codes lead to a word of `ATTENDANCE`.
    Attendance { column: String, codes: CodeMap },
    Measure {
        instrument: Box<Instrument>,
        occasion: OccasionFrom,
        items: Vec<MeasureItem>,
    },
    /// Codes lead to a state; `reason` is the header of the partner's own words.
    Status {
        column: String,
        codes: CodeMap,
        reason: Option<String>,
    },
    /// Any value of the list says so.
    Acknowledged(Acknowledged),
    /// Kept sealed, never pushed.
    Note { column: String },
    /// The person is referred on, which opens a further leg; codes lead to partner ids of `Partner::onward_to`.
    Onward {
        column: String,
        codes: CodeMap,
        /// Header, and codes that lead to names of activities.
        activity: Option<(String, CodeMap)>,
        consent_column: String,
        /// The one value that says the person agreed to be shared; never empty.
        consent_yes: String,
    },
}

impl Collect {
    /// Every header that a partner fills in: of the events in their order, each date before its values, then of what speaks of a row as
    /// a whole. A header of several events comes several times.
    pub(crate) fn answer_headers(&self) -> impl Iterator<Item = &str> {
        let of_events = self.events.iter().flat_map(CollectEvent::headers);
        let of_rows = [&self.acknowledged, &self.withdrawn];
        let of_rows = of_rows.into_iter().flatten();
        of_events.chain(of_rows.map(|said| said.column.as_str()))
    }
}

impl CollectEvent {
    /// The kind of event.
    pub(crate) fn kind(&self) -> EventKind {
        match self.told {
            EventRule::Attendance { .. } => EventKind::Attendance,
            EventRule::Measure { .. } => EventKind::Measure,
            EventRule::Status { .. } => EventKind::Status,
            EventRule::Acknowledged(_) => EventKind::Acknowledged,
            EventRule::Note { .. } => EventKind::Note,
            EventRule::Onward { .. } => EventKind::Onward,
        }
    }

    /// Every header that the event reads.
    pub(crate) fn headers(&self) -> Vec<&str> {
        let mut headers: Vec<&str> = self.on.iter().map(String::as_str).collect();
        match &self.told {
            EventRule::Attendance { column, .. } | EventRule::Note { column } => {
                headers.push(column);
            }
            EventRule::Measure {
                occasion, items, ..
            } => {
                if let OccasionFrom::Column { column, .. } = occasion {
                    headers.push(column);
                }
                headers.extend(items.iter().map(|item| item.column.as_str()));
            }
            EventRule::Status { column, reason, .. } => {
                headers.push(column);
                headers.extend(reason.iter().map(String::as_str));
            }
            EventRule::Acknowledged(acknowledged) => headers.push(&acknowledged.column),
            EventRule::Onward {
                column,
                activity,
                consent_column,
                ..
            } => {
                headers.push(column);
                headers.extend(activity.iter().map(|(header, _)| header.as_str()));
                headers.push(consent_column);
            }
        }
        headers
    }
}

/// Which header carries which item of an instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MeasureItem {
    pub(crate) item: String,
    pub(crate) column: String,
}

/// When in the course a measure was taken: fixed for the event, or told by a column.
#[derive(Debug)]
pub(crate) enum OccasionFrom {
    Fixed(Occasion),
    Column { column: String, codes: CodeMap },
}

/// The states that a return may report.
pub(crate) const REPORTABLE: [LegState; 6] = [
    LegState::Accepted,
    LegState::Rejected,
    LegState::OnHold,
    LegState::InProgress,
    LegState::Completed,
    LegState::ClosedUnsuccessful,
];
