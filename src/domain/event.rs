//! What a partner tells us of a person: the kinds of events of a return.

/// The kind of an event of a return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum EventKind {
    /// One session, visit or call: came, did not come, was cancelled.
    Attendance,
    /// Answers to a questionnaire.
    Measure,
    /// The partner's own word on the referral: accepted, closed …
    Status,
    /// A STOP or AMEND row was read and acted on.
    Acknowledged,
    /// Free text: kept sealed, never pushed.
    Note,
    /// A link worker refers the person on: opens a further leg, and is nothing of the record by itself.
    Onward,
    /// How often somebody came, or did not, in a month: made by us where a record takes counts only.
    Count,
}

impl EventKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 7] = [
        Self::Attendance,
        Self::Measure,
        Self::Status,
        Self::Acknowledged,
        Self::Note,
        Self::Onward,
        Self::Count,
    ];

    /// The word in partner files.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Attendance => "attendance",
            Self::Measure => "measure",
            Self::Status => "status",
            Self::Acknowledged => "acknowledged",
            Self::Note => "note",
            Self::Onward => "onward",
            Self::Count => "count",
        }
    }

    /// Number in the store.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Attendance => 1,
            Self::Measure => 2,
            Self::Status => 3,
            Self::Acknowledged => 4,
            Self::Note => 5,
            Self::Onward => 6,
            Self::Count => 7,
        }
    }

    /// The kind with this number.
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The kind with this word.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

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
