//! Why a row did not simply go on: one closed list, each with an owner who must act.
//!
//! The words for people, the owner and the loudness are data: `mappings/reasons.toml`, in the binary.

use std::sync::OnceLock;

/// Why a row was rejected, held, repeated or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    NotOurs,
    ClosedAtSource,
    DeclinedByPerson,
    DoNotPerform,
    NotAnOrder,
    PausedByGp,
    NoPatient,
    NhsNumber,
    Died,
    Restricted,
    NoName,
    UnknownModifier,
    DoNotContact,
    NoDestination,
    UnknownPartner,
    Consent,
    Tie,
    NoService,
    AlreadyOpen,
    Urgent,
    Capacity,
    Criteria,
    Area,
    NoPostcode,
    TestPerson,
    Child,
    Unencodable,
    Unmapped,
    TooLong,
    RequiredMissing,
    AgreementExpired,
    Shadow,
    SourceGone,
    Unreadable,
    AlreadyKnown,
    SameFile,
    NotOurPerson,
    NotYourReference,
    IdentityMismatch,
    Sorted,
    TooEarly,
    InFuture,
    AfterClose,
    NoDate,
    BadDate,
    UnknownCode,
    OutOfRange,
    NoReference,
    Correction,
    FileUnread,
    BadReference,
    StopOpen,
    AnswerLost,
    Refused,
    Unreachable,
    NoPractice,
    CriteriaChanged,
    Erased,
    CancelledByReferrer,
    RejectedByOwner,
    PushOff,
    ContactInstructions,
    ChangedAfterDelivery,
    StopCrossed,
    PartnerDisabled,
    OnwardConsent,
    OnwardNotAllowed,
    IdentityChanged,
    MovedPractice,
    DuplicateEntry,
    EnteredInError,
    Withdrawn,
    Undone,
    ConsentWithdrawn,
    DeathRemoved,
    NotReRead,
    Joined,
    NotApproved,
}

/// Number in the store and code of each reason; never reused, never renumbered.
const TABLE: [(Reason, i64, &str); 78] = [
    (Reason::NotOurs, 1, "not-ours"),
    (Reason::ClosedAtSource, 2, "closed-at-source"),
    (Reason::DeclinedByPerson, 3, "declined-by-person"),
    (Reason::DoNotPerform, 4, "do-not-perform"),
    (Reason::NotAnOrder, 5, "not-an-order"),
    (Reason::PausedByGp, 6, "paused-by-gp"),
    (Reason::NoPatient, 7, "no-patient"),
    (Reason::NhsNumber, 8, "nhs-number"),
    (Reason::Died, 9, "died"),
    (Reason::Restricted, 10, "restricted"),
    (Reason::NoName, 11, "no-name"),
    (Reason::UnknownModifier, 12, "unknown-modifier"),
    (Reason::DoNotContact, 13, "do-not-contact"),
    (Reason::NoDestination, 14, "no-destination"),
    (Reason::UnknownPartner, 15, "unknown-partner"),
    (Reason::Consent, 16, "consent"),
    (Reason::Tie, 17, "tie"),
    (Reason::NoService, 18, "no-service"),
    (Reason::AlreadyOpen, 19, "already-open"),
    (Reason::Urgent, 20, "urgent"),
    (Reason::Capacity, 21, "capacity"),
    (Reason::Criteria, 22, "criteria"),
    (Reason::Area, 23, "area"),
    (Reason::NoPostcode, 24, "no-postcode"),
    (Reason::TestPerson, 25, "test-person"),
    (Reason::Child, 26, "child"),
    (Reason::Unencodable, 27, "unencodable"),
    (Reason::Unmapped, 28, "unmapped"),
    (Reason::TooLong, 29, "too-long"),
    (Reason::RequiredMissing, 30, "required-missing"),
    (Reason::AgreementExpired, 31, "agreement-expired"),
    (Reason::Shadow, 32, "shadow"),
    (Reason::SourceGone, 33, "source-gone"),
    (Reason::Unreadable, 34, "unreadable"),
    (Reason::AlreadyKnown, 35, "already-known"),
    (Reason::SameFile, 36, "same-file"),
    (Reason::NotOurPerson, 37, "not-our-person"),
    (Reason::NotYourReference, 38, "not-your-reference"),
    (Reason::IdentityMismatch, 39, "identity-mismatch"),
    (Reason::Sorted, 40, "sorted"),
    (Reason::TooEarly, 41, "too-early"),
    (Reason::InFuture, 42, "in-future"),
    (Reason::AfterClose, 43, "after-close"),
    (Reason::NoDate, 44, "no-date"),
    (Reason::BadDate, 45, "bad-date"),
    (Reason::UnknownCode, 46, "unknown-code"),
    (Reason::OutOfRange, 47, "out-of-range"),
    (Reason::NoReference, 48, "no-reference"),
    (Reason::Correction, 49, "correction"),
    (Reason::FileUnread, 50, "file-unread"),
    (Reason::BadReference, 51, "bad-reference"),
    (Reason::StopOpen, 52, "stop-open"),
    (Reason::AnswerLost, 53, "answer-lost"),
    (Reason::Refused, 54, "refused"),
    (Reason::Unreachable, 55, "unreachable"),
    (Reason::NoPractice, 56, "no-practice"),
    (Reason::CriteriaChanged, 57, "criteria-changed"),
    (Reason::Erased, 58, "erased"),
    (Reason::CancelledByReferrer, 59, "cancelled-by-referrer"),
    (Reason::RejectedByOwner, 60, "rejected-by-owner"),
    (Reason::PushOff, 61, "push-off"),
    (Reason::ContactInstructions, 62, "contact-instructions"),
    (Reason::ChangedAfterDelivery, 63, "changed-after-delivery"),
    (Reason::StopCrossed, 64, "stop-crossed"),
    (Reason::PartnerDisabled, 65, "partner-disabled"),
    (Reason::OnwardConsent, 66, "onward-consent"),
    (Reason::OnwardNotAllowed, 67, "onward-not-allowed"),
    (Reason::IdentityChanged, 80, "identity-changed"),
    (Reason::MovedPractice, 81, "moved-practice"),
    (Reason::DuplicateEntry, 82, "duplicate-entry"),
    (Reason::EnteredInError, 83, "entered-in-error"),
    (Reason::Withdrawn, 84, "withdrawn"),
    (Reason::Undone, 85, "undone"),
    (Reason::ConsentWithdrawn, 86, "consent-withdrawn"),
    (Reason::DeathRemoved, 87, "death-removed"),
    (Reason::NotReRead, 88, "not-re-read"),
    (Reason::Joined, 95, "joined"),
    (Reason::NotApproved, 96, "not-approved"),
];

/// Who can settle a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Owner {
    /// Machine, file, key.
    It,
    /// The person's care and identity.
    Practice,
    /// Consent, agreement, disclosure.
    Ig,
    /// Their file, their answer.
    Partner,
}

impl Owner {
    /// The four owners.
    pub(crate) const ALL: [Self; 4] = [Self::It, Self::Practice, Self::Ig, Self::Partner];

    /// The owner's word.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::It => "it",
            Self::Practice => "practice",
            Self::Ig => "ig",
            Self::Partner => "partner",
        }
    }

    /// Number in the store.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::It => 1,
            Self::Practice => 2,
            Self::Ig => 3,
            Self::Partner => 4,
        }
    }

    /// The owner with this word.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|owner| owner.code() == code)
    }
}

/// A reason's line of `reasons.toml`.
#[derive(Clone, Debug)]
pub(crate) struct ReasonWords {
    owner: Owner,
    now: bool,
    partner: String,
    practice: String,
}

impl Reason {
    /// The code in files, JSON and reports.
    pub(crate) fn code(self) -> &'static str {
        TABLE
            .iter()
            .find(|row| row.0 == self)
            .map_or("", |row| row.2)
    }

    /// Number in the store.
    pub(crate) fn number(self) -> i64 {
        TABLE
            .iter()
            .find(|row| row.0 == self)
            .map_or(0, |row| row.1)
    }

    /// The reason with this number.
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    /// The reason with this code.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.2 == code).map(|row| row.0)
    }

    /// Who must act.
    pub(crate) fn owner(self) -> Owner {
        self.words().map_or(Owner::It, |words| words.owner)
    }

    /// Whether it is told in the same run rather than in the morning.
    pub(crate) fn now(self) -> bool {
        self.words().is_some_and(|words| words.now)
    }

    /// What the partner's receipt says; empty where a partner never sees the reason.
    pub(crate) fn partner_words(self) -> &'static str {
        self.words().map_or("", |words| &words.partner)
    }

    /// What practice and commissioner read.
    pub(crate) fn practice_words(self) -> &'static str {
        self.words().map_or("", |words| &words.practice)
    }

    /// Whether the reason leaves nobody anything to do (`run --once` then still exits 0).
    pub(crate) fn quiet(self) -> bool {
        matches!(
            self,
            Self::NotOurs
                | Self::ClosedAtSource
                | Self::DeclinedByPerson
                | Self::DoNotPerform
                | Self::Shadow
        )
    }

    /// Whether a stop for it leaves in the same run, whatever the schedules say (`safety.md` §3, §6).
    pub(crate) fn stops_at_once(self) -> bool {
        matches!(
            self,
            Self::Died
                | Self::Restricted
                | Self::ConsentWithdrawn
                | Self::DoNotContact
                | Self::DoNotPerform
        )
    }

    fn words(self) -> Option<&'static ReasonWords> {
        static WORDS: OnceLock<Vec<(Reason, ReasonWords)>> = OnceLock::new();
        WORDS
            .get_or_init(parse_words)
            .iter()
            .find(|row| row.0 == self)
            .map(|row| &row.1)
    }
}

fn parse_words() -> Vec<(Reason, ReasonWords)> {
    let table: toml::Table = include_str!("../../mappings/reasons.toml")
        .parse()
        .unwrap_or_default();
    let text = |line: &toml::Table, key: &str| {
        line.get(key)
            .and_then(toml::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut words = Vec::new();
    for (code, line) in &table {
        let (Some(reason), Some(line)) = (Reason::from_code(code), line.as_table()) else {
            continue;
        };
        let owner = Owner::from_code(&text(line, "owner")).unwrap_or(Owner::It);
        let now = text(line, "loudness") == "now";
        words.push((
            reason,
            ReasonWords {
                owner,
                now,
                partner: text(line, "partner"),
                practice: text(line, "practice"),
            },
        ));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_line_with_words() {
        for (reason, number, code) in TABLE {
            assert!(reason.words().is_some(), "{code} is not in reasons.toml");
            assert!(!reason.practice_words().is_empty(), "{code} has no words");
            assert_eq!(Reason::from_number(number), Some(reason));
            assert_eq!(Reason::from_code(code), Some(reason));
        }
    }

    #[test]
    fn an_unknown_and_a_foreign_reference_read_alike() {
        assert_eq!(
            Reason::NotOurPerson.partner_words(),
            Reason::NotYourReference.partner_words()
        );
    }
}
