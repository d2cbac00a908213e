//! Why a row did not simply go on: one closed list, each with an owner who must act.
//!
//! The words for people, the owner and the loudness are data: `mappings/reasons.toml`, in the binary.

use std::sync::OnceLock;

use super::coded::coded;

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

/// By what alone a hold of a leg that a link worker opened ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifts {
    /// A person must say so.
    ByPerson,
    /// The practice's record says otherwise by now.
    WithRecord,
    /// The rules, the partner or the day are others by now.
    WithRules,
}

/// A reason's line in the one table: number in the store, code, and the classes that it belongs to.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "a column for each class")]
struct ReasonLine {
    number: i64,
    code: &'static str,
    quiet: bool,
    stops_at_once: bool,
    lifts: Lifts,
    after_consent: bool,
    blocks_writes: bool,
    assignable: bool,
    stays_when_sent: bool,
}

impl ReasonLine {
    const fn new(number: i64, code: &'static str) -> Self {
        Self {
            number,
            code,
            quiet: false,
            stops_at_once: false,
            lifts: Lifts::ByPerson,
            after_consent: false,
            blocks_writes: false,
            assignable: false,
            stays_when_sent: false,
        }
    }

    const fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    const fn stops_at_once(mut self) -> Self {
        self.stops_at_once = true;
        self
    }

    const fn after_consent(mut self) -> Self {
        self.after_consent = true;
        self
    }

    const fn blocks_writes(mut self) -> Self {
        self.blocks_writes = true;
        self
    }

    const fn assignable(mut self) -> Self {
        self.assignable = true;
        self
    }

    const fn stays_when_sent(mut self) -> Self {
        self.stays_when_sent = true;
        self
    }

    const fn lifts(mut self, lifts: Lifts) -> Self {
        self.lifts = lifts;
        self
    }
}

coded! {
    /// Who can settle a reason.
    pub(crate) enum Owner {
        /// Machine, file, key.
        It = 1 "it",
        /// The person's care and identity.
        Practice = 2 "practice",
        /// Consent, agreement, disclosure.
        Ig = 3 "ig",
        /// Their file, their answer.
        Partner = 4 "partner",
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
    /// Every reason, in the order of the enum.
    pub(crate) const ALL: [Self; 78] = [
        Self::NotOurs,
        Self::ClosedAtSource,
        Self::DeclinedByPerson,
        Self::DoNotPerform,
        Self::NotAnOrder,
        Self::PausedByGp,
        Self::NoPatient,
        Self::NhsNumber,
        Self::Died,
        Self::Restricted,
        Self::NoName,
        Self::UnknownModifier,
        Self::DoNotContact,
        Self::NoDestination,
        Self::UnknownPartner,
        Self::Consent,
        Self::Tie,
        Self::NoService,
        Self::AlreadyOpen,
        Self::Urgent,
        Self::Capacity,
        Self::Criteria,
        Self::Area,
        Self::NoPostcode,
        Self::TestPerson,
        Self::Child,
        Self::Unencodable,
        Self::Unmapped,
        Self::TooLong,
        Self::RequiredMissing,
        Self::AgreementExpired,
        Self::Shadow,
        Self::SourceGone,
        Self::Unreadable,
        Self::AlreadyKnown,
        Self::SameFile,
        Self::NotOurPerson,
        Self::NotYourReference,
        Self::IdentityMismatch,
        Self::Sorted,
        Self::TooEarly,
        Self::InFuture,
        Self::AfterClose,
        Self::NoDate,
        Self::BadDate,
        Self::UnknownCode,
        Self::OutOfRange,
        Self::NoReference,
        Self::Correction,
        Self::FileUnread,
        Self::BadReference,
        Self::StopOpen,
        Self::AnswerLost,
        Self::Refused,
        Self::Unreachable,
        Self::NoPractice,
        Self::CriteriaChanged,
        Self::Erased,
        Self::CancelledByReferrer,
        Self::RejectedByOwner,
        Self::PushOff,
        Self::ContactInstructions,
        Self::ChangedAfterDelivery,
        Self::StopCrossed,
        Self::PartnerDisabled,
        Self::OnwardConsent,
        Self::OnwardNotAllowed,
        Self::IdentityChanged,
        Self::MovedPractice,
        Self::DuplicateEntry,
        Self::EnteredInError,
        Self::Withdrawn,
        Self::Undone,
        Self::ConsentWithdrawn,
        Self::DeathRemoved,
        Self::NotReRead,
        Self::Joined,
        Self::NotApproved,
    ];

    /// The reason's line; numbers are never reused, never renumbered.
    #[expect(
        clippy::too_many_lines,
        reason = "the one table, a line for each reason"
    )]
    fn line(self) -> ReasonLine {
        match self {
            Self::NotOurs => ReasonLine::new(1, "not-ours").quiet(),
            Self::ClosedAtSource => ReasonLine::new(2, "closed-at-source").quiet(),
            Self::DeclinedByPerson => ReasonLine::new(3, "declined-by-person").quiet(),
            Self::DoNotPerform => ReasonLine::new(4, "do-not-perform").quiet().stops_at_once(),
            Self::NotAnOrder => ReasonLine::new(5, "not-an-order").lifts(Lifts::WithRecord),
            Self::PausedByGp => ReasonLine::new(6, "paused-by-gp").lifts(Lifts::WithRecord),
            Self::NoPatient => ReasonLine::new(7, "no-patient")
                .lifts(Lifts::WithRecord)
                .blocks_writes(),
            Self::NhsNumber => ReasonLine::new(8, "nhs-number")
                .lifts(Lifts::WithRecord)
                .blocks_writes(),
            Self::Died => ReasonLine::new(9, "died").stops_at_once().blocks_writes(),
            Self::Restricted => ReasonLine::new(10, "restricted")
                .stops_at_once()
                .lifts(Lifts::WithRecord)
                .blocks_writes(),
            Self::NoName => ReasonLine::new(11, "no-name"),
            Self::UnknownModifier => {
                ReasonLine::new(12, "unknown-modifier").lifts(Lifts::WithRecord)
            }
            Self::DoNotContact => ReasonLine::new(13, "do-not-contact")
                .stops_at_once()
                .lifts(Lifts::WithRecord),
            Self::NoDestination => ReasonLine::new(14, "no-destination").assignable(),
            Self::UnknownPartner => ReasonLine::new(15, "unknown-partner").assignable(),
            Self::Consent => ReasonLine::new(16, "consent"),
            Self::Tie => ReasonLine::new(17, "tie").assignable(),
            Self::NoService => ReasonLine::new(18, "no-service").assignable(),
            Self::AlreadyOpen => ReasonLine::new(19, "already-open").after_consent(),
            Self::Urgent => ReasonLine::new(20, "urgent").stays_when_sent(),
            Self::Capacity => ReasonLine::new(21, "capacity")
                .lifts(Lifts::WithRules)
                .after_consent(),
            Self::Criteria => ReasonLine::new(22, "criteria").lifts(Lifts::WithRules),
            Self::Area => ReasonLine::new(23, "area").lifts(Lifts::WithRules),
            Self::NoPostcode => ReasonLine::new(24, "no-postcode").lifts(Lifts::WithRules),
            Self::TestPerson => ReasonLine::new(25, "test-person"),
            Self::Child => ReasonLine::new(26, "child").lifts(Lifts::WithRules),
            Self::Unencodable => ReasonLine::new(27, "unencodable")
                .lifts(Lifts::WithRules)
                .after_consent(),
            Self::Unmapped => ReasonLine::new(28, "unmapped")
                .lifts(Lifts::WithRules)
                .after_consent(),
            Self::TooLong => ReasonLine::new(29, "too-long")
                .lifts(Lifts::WithRules)
                .after_consent(),
            Self::RequiredMissing => ReasonLine::new(30, "required-missing")
                .lifts(Lifts::WithRules)
                .after_consent(),
            Self::AgreementExpired => ReasonLine::new(31, "agreement-expired")
                .lifts(Lifts::WithRules)
                .after_consent(),
            Self::Shadow => ReasonLine::new(32, "shadow")
                .quiet()
                .lifts(Lifts::WithRules)
                .after_consent(),
            Self::SourceGone => ReasonLine::new(33, "source-gone")
                .lifts(Lifts::WithRecord)
                .blocks_writes(),
            Self::Unreadable => ReasonLine::new(34, "unreadable"),
            Self::AlreadyKnown => ReasonLine::new(35, "already-known"),
            Self::SameFile => ReasonLine::new(36, "same-file"),
            Self::NotOurPerson => ReasonLine::new(37, "not-our-person"),
            Self::NotYourReference => ReasonLine::new(38, "not-your-reference"),
            Self::IdentityMismatch => ReasonLine::new(39, "identity-mismatch"),
            Self::Sorted => ReasonLine::new(40, "sorted"),
            Self::TooEarly => ReasonLine::new(41, "too-early"),
            Self::InFuture => ReasonLine::new(42, "in-future"),
            Self::AfterClose => ReasonLine::new(43, "after-close"),
            Self::NoDate => ReasonLine::new(44, "no-date"),
            Self::BadDate => ReasonLine::new(45, "bad-date"),
            Self::UnknownCode => ReasonLine::new(46, "unknown-code"),
            Self::OutOfRange => ReasonLine::new(47, "out-of-range"),
            Self::NoReference => ReasonLine::new(48, "no-reference"),
            Self::Correction => ReasonLine::new(49, "correction"),
            Self::FileUnread => ReasonLine::new(50, "file-unread"),
            Self::BadReference => ReasonLine::new(51, "bad-reference"),
            Self::StopOpen => ReasonLine::new(52, "stop-open"),
            Self::AnswerLost => ReasonLine::new(53, "answer-lost"),
            Self::Refused => ReasonLine::new(54, "refused"),
            Self::Unreachable => ReasonLine::new(55, "unreachable"),
            Self::NoPractice => ReasonLine::new(56, "no-practice"),
            Self::CriteriaChanged => ReasonLine::new(57, "criteria-changed"),
            Self::Erased => ReasonLine::new(58, "erased"),
            Self::CancelledByReferrer => ReasonLine::new(59, "cancelled-by-referrer"),
            Self::RejectedByOwner => ReasonLine::new(60, "rejected-by-owner"),
            Self::PushOff => ReasonLine::new(61, "push-off"),
            Self::ContactInstructions => {
                ReasonLine::new(62, "contact-instructions").after_consent()
            }
            Self::ChangedAfterDelivery => ReasonLine::new(63, "changed-after-delivery"),
            Self::StopCrossed => ReasonLine::new(64, "stop-crossed"),
            Self::PartnerDisabled => {
                ReasonLine::new(65, "partner-disabled").lifts(Lifts::WithRules)
            }
            Self::OnwardConsent => ReasonLine::new(66, "onward-consent"),
            Self::OnwardNotAllowed => ReasonLine::new(67, "onward-not-allowed"),
            Self::IdentityChanged => ReasonLine::new(80, "identity-changed")
                .lifts(Lifts::WithRecord)
                .blocks_writes(),
            Self::MovedPractice => ReasonLine::new(81, "moved-practice").blocks_writes(),
            Self::DuplicateEntry => ReasonLine::new(82, "duplicate-entry"),
            Self::EnteredInError => ReasonLine::new(83, "entered-in-error"),
            Self::Withdrawn => ReasonLine::new(84, "withdrawn"),
            Self::Undone => ReasonLine::new(85, "undone"),
            Self::ConsentWithdrawn => ReasonLine::new(86, "consent-withdrawn")
                .stops_at_once()
                .blocks_writes(),
            Self::DeathRemoved => ReasonLine::new(87, "death-removed")
                .blocks_writes()
                .stays_when_sent(),
            Self::NotReRead => ReasonLine::new(88, "not-re-read").blocks_writes(),
            Self::Joined => ReasonLine::new(95, "joined"),
            Self::NotApproved => ReasonLine::new(96, "not-approved")
                .lifts(Lifts::WithRules)
                .after_consent(),
        }
    }

    /// The code in files, JSON and reports.
    pub(crate) fn code(self) -> &'static str {
        self.line().code
    }

    /// Number in the store.
    pub(crate) fn number(self) -> i64 {
        self.line().number
    }

    /// The reason with this number.
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.number() == number)
    }

    /// The reason with this code.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
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
        self.line().quiet
    }

    /// Whether a stop for it leaves in the same run, whatever the schedules say (`safety.md` §3, §6).
    pub(crate) fn stops_at_once(self) -> bool {
        self.line().stops_at_once
    }

    /// By what a hold for it ends without a person, for a leg that a link worker opened.
    pub(crate) fn lifts(self) -> Lifts {
        self.line().lifts
    }

    /// Whether it is looked at only when consent has been found: a leg that waits for it had the person's agreement.
    pub(crate) fn after_consent(self) -> bool {
        self.line().after_consent
    }

    /// Whether writes to the GP record wait for it (`safety.md` §6, column *writes to the GP record*).
    pub(crate) fn blocks_writes(self) -> bool {
        self.line().blocks_writes
    }

    /// Whether its owner may settle it by naming the partner.
    pub(crate) fn assignable(self) -> bool {
        self.line().assignable
    }

    /// Whether a question about it, asked after sending, stays until a person has looked, whatever the record says later.
    pub(crate) fn stays_when_sent(self) -> bool {
        self.line().stays_when_sent
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
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            let code = reason.code();
            assert_eq!(reason as usize, place, "{code} is not at its place");
            assert!(reason.words().is_some(), "{code} is not in reasons.toml");
            assert!(!reason.practice_words().is_empty(), "{code} has no words");
            assert_eq!(Reason::from_number(reason.number()), Some(reason));
            assert_eq!(Reason::from_code(code), Some(reason));
        }
        assert_eq!(
            Reason::NotApproved as usize + 1,
            Reason::ALL.len(),
            "one is in no list"
        );
    }

    #[test]
    fn an_unknown_and_a_foreign_reference_read_alike() {
        assert_eq!(
            Reason::NotOurPerson.partner_words(),
            Reason::NotYourReference.partner_words()
        );
    }
}
