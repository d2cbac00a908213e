//! What a partner tells us of a person: the kinds of events of a return.

use super::coded_enums::coded;

coded! {
    /// The kind of an event of a return.
    pub(crate) enum EventKind {
        /// One session, visit or call: came, did not come, was cancelled.
        Attendance = 1 "attendance",
        /// Answers to a questionnaire.
        Measure = 2 "measure",
        /// The partner's own word on the referral: accepted, closed …
        Status = 3 "status",
        /// A STOP or AMEND row was read and acted on.
        Acknowledged = 4 "acknowledged",
        /// Free text: kept sealed, never pushed.
        Note = 5 "note",
        /// A link worker refers the person on: opens a further leg, and is nothing of the record by itself.
        Onward = 6 "onward",
        /// How often somebody came, or did not, in a month: made by us where a record takes counts only.
        Count = 7 "count",
    }
}

impl EventKind {
    /// Whether an event of this kind becomes an Observation.
    pub(crate) fn observed(self) -> bool {
        matches!(
            self,
            Self::Attendance | Self::Measure | Self::Status | Self::Count
        )
    }
}

/// When in a person's course a questionnaire was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Occasion {
    Baseline,
    FollowUp,
}

impl Occasion {
    /// The word in partner files and in the Observation's text.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::FollowUp => "follow-up",
        }
    }

    /// The occasion with this word.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        [Self::Baseline, Self::FollowUp]
            .into_iter()
            .find(|occasion| occasion.code() == code)
    }
}

/// The attendance words Kith knows (`uk.md` §4), with how each is shown in the record.
pub(crate) const ATTENDANCE: [(&str, &str); 5] = [
    ("attended", "Attended"),
    ("did-not-attend", "Did not attend"),
    ("not-seen-late", "Arrived late, could not be seen"),
    ("cancelled-by-person", "Cancelled by the person"),
    ("cancelled-by-provider", "Cancelled by the provider"),
];
