//! What a row of a return reports of a person, and how the row ends.

use jiff::civil::Date;

use crate::domain::{Disposition, EventKind, LegId, LegState, Occasion, Reason};

/// What a row tells of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportedEvent {
    pub(crate) kind: EventKind,
    pub(crate) on: Option<Date>,
    pub(crate) what: What,
}

/// The content of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A word of [`crate::domain::event::ATTENDANCE`].
    Attendance(String),
    Measure {
        instrument: String,
        occasion: Occasion,
        answers: Vec<(String, Option<i64>)>,
    },
    Status {
        state: LegState,
        reason: String,
    },
    Acknowledged,
    Note(String),
    /// Id of the partner the person is referred on to, and whether they agreed to be shared with it.
    Onward {
        partner: String,
        activity: Option<String>,
        agreed: bool,
    },
}

/// What makes two events of a leg in one file occurrences of the same: what and when it was, not what came of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sameness<'t> {
    kind: &'static str,
    on: Option<Date>,
    /// The instrument, or the partner referred on to.
    about: &'t str,
    occasion: &'static str,
}

impl ReportedEvent {
    /// Whether it ends the leg.
    pub(crate) fn ends(&self) -> bool {
        matches!(&self.what, What::Status { state, .. } if state.terminal())
    }

    /// What must not differ when the same event is told again, as [`super::StoredEvent::content`].
    pub(crate) fn content(&self) -> (&str, &[(String, Option<i64>)], &str) {
        match &self.what {
            What::Attendance(code) => (code, &[], ""),
            What::Measure {
                occasion, answers, ..
            } => (occasion.code(), answers, ""),
            What::Status { state, reason } => (state.code(), &[], reason),
            What::Acknowledged => ("", &[], ""),
            What::Note(words) => ("", &[], words),
            What::Onward {
                partner, activity, ..
            } => (partner, &[], activity.as_deref().unwrap_or_default()),
        }
    }

    /// What makes another event of the file an occurrence of the same.
    pub(crate) fn sameness(&self) -> Sameness<'_> {
        let (about, occasion) = match &self.what {
            What::Measure {
                instrument,
                occasion,
                ..
            } => (instrument.as_str(), occasion.code()),
            What::Onward { partner, .. } => (partner.as_str(), ""),
            _ => ("", ""),
        };
        Sameness {
            kind: self.kind.code(),
            on: self.on,
            about,
            occasion,
        }
    }
}

/// Something that was read otherwise than it stands, or passed over: the receipt says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repair {
    /// What kind of thing: a word for programs.
    pub(crate) code: &'static str,
    /// Header of the column, of one that is about a column.
    pub(crate) column: Option<String>,
    /// A sentence for the partner.
    pub(crate) words: String,
}

/// A cell that is wrong, and with what its row is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrongCell {
    pub(crate) reason: Reason,
    /// Header of its column.
    pub(crate) column: Option<String>,
    /// What more is to be said: the form agreed on, the words allowed.
    pub(crate) hint: Option<String>,
}

impl WrongCell {
    /// The cell under this header.
    pub(crate) fn at(reason: Reason, header: &str) -> Self {
        Self {
            reason,
            column: Some(header.to_owned()),
            hint: None,
        }
    }
}

/// What is found of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowFinding {
    pub(crate) line: u64,
    pub(crate) disposition: Disposition,
    pub(crate) reason: Option<Reason>,
    /// Leg of the sender's own that the row is about; 0 of none.
    pub(crate) leg: LegId,
    pub(crate) events: Vec<ReportedEvent>,
    /// The row takes back what it had told.
    pub(crate) withdrawn: bool,
    /// Header of the cell that is wrong.
    pub(crate) column: Option<String>,
    /// What more is to be said of what is wrong: the form agreed on, the words allowed, another row.
    pub(crate) hint: Option<String>,
    /// Further cells that are wrong.
    pub(crate) further: Vec<WrongCell>,
    /// It is another heading: no row of a person.
    pub(crate) is_heading: bool,
    /// It tells of a day after its referral had ended at the practice: the sender hears nothing of that.
    pub(crate) after_end: bool,
    pub(crate) repairs: Vec<Repair>,
    /// Headers of details of the person that are not as they were delivered: for the practice.
    pub(crate) differing: Vec<String>,
}

impl RowFinding {
    /// A row that ends like this, and tells nothing.
    pub(crate) fn ending(line: u64, disposition: Disposition, reason: Option<Reason>) -> Self {
        Self {
            line,
            disposition,
            reason,
            leg: LegId::NONE,
            events: Vec::new(),
            withdrawn: false,
            column: None,
            hint: None,
            further: Vec::new(),
            is_heading: false,
            after_end: false,
            repairs: Vec::new(),
            differing: Vec::new(),
        }
    }
}

/// What is found of a file.
pub(crate) struct FileFinding {
    pub(crate) rows: Vec<RowFinding>,
    /// References and names belong to each other's rows.
    pub(crate) sorted: bool,
    /// What was repaired in all of it.
    pub(crate) repairs: Vec<Repair>,
}
