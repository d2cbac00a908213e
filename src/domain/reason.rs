//! Why a row did not simply go on: one closed list, each with an owner who must act.
//!
//! The words for people, the owner and the loudness are data: `mappings/reasons.toml`, in the binary.

use std::sync::OnceLock;

use super::coded_enums::coded;
use super::disposition::Stage;

/// The one table of reasons: number in the store, code, and the classes that the reason belongs to, each a method of
/// [`ReasonClasses`].
macro_rules! reasons {
    ($($reason:ident = $number:literal $code:literal [$($class:ident $(($by:ident))?),*],)+) => {
        coded! {
            /// Why a row was rejected, held, repeated or closed; numbers are never reused, never renumbered.
            pub(crate) enum Reason {
                $($reason = $number $code,)+
            }
        }

        impl Reason {
            fn classes(self) -> ReasonClasses {
                match self {
                    $(Self::$reason => ReasonClasses::NONE$(.$class($(Lifts::$by)?))*,)+
                }
            }
        }
    };
}

reasons! {
    NotOurs = 1 "not-ours" [quiet],
    ClosedAtSource = 2 "closed-at-source" [quiet],
    DeclinedByPerson = 3 "declined-by-person" [quiet],
    DoNotPerform = 4 "do-not-perform" [quiet, stops_at_once],
    NotAnOrder = 5 "not-an-order" [lifts(WithRecord)],
    PausedByGp = 6 "paused-by-gp" [lifts(WithRecord)],
    NoPatient = 7 "no-patient" [lifts(WithRecord), blocks_writes],
    NhsNumber = 8 "nhs-number" [lifts(WithRecord), blocks_writes],
    Died = 9 "died" [stops_at_once, blocks_writes],
    Restricted = 10 "restricted" [stops_at_once, lifts(WithRecord), blocks_writes],
    NoName = 11 "no-name" [],
    UnknownModifier = 12 "unknown-modifier" [lifts(WithRecord)],
    DoNotContact = 13 "do-not-contact" [stops_at_once, lifts(WithRecord)],
    NoDestination = 14 "no-destination" [assignable],
    UnknownPartner = 15 "unknown-partner" [assignable],
    Consent = 16 "consent" [],
    Tie = 17 "tie" [assignable],
    NoService = 18 "no-service" [assignable],
    AlreadyOpen = 19 "already-open" [after_consent],
    Urgent = 20 "urgent" [stays_when_sent],
    Capacity = 21 "capacity" [lifts(WithRules), after_consent],
    Criteria = 22 "criteria" [lifts(WithRules)],
    Area = 23 "area" [lifts(WithRules)],
    NoPostcode = 24 "no-postcode" [lifts(WithRules)],
    TestPerson = 25 "test-person" [],
    Child = 26 "child" [lifts(WithRules)],
    Unencodable = 27 "unencodable" [lifts(WithRules), after_consent],
    Unmapped = 28 "unmapped" [lifts(WithRules), after_consent],
    TooLong = 29 "too-long" [lifts(WithRules), after_consent],
    RequiredMissing = 30 "required-missing" [lifts(WithRules), after_consent],
    AgreementExpired = 31 "agreement-expired" [lifts(WithRules), after_consent],
    Shadow = 32 "shadow" [quiet, lifts(WithRules), after_consent],
    SourceGone = 33 "source-gone" [lifts(WithRecord), blocks_writes],
    Unreadable = 34 "unreadable" [lifts(WithRecord)],
    AlreadyKnown = 35 "already-known" [],
    SameFile = 36 "same-file" [],
    NotOurPerson = 37 "not-our-person" [],
    NotYourReference = 38 "not-your-reference" [],
    IdentityMismatch = 39 "identity-mismatch" [],
    Sorted = 40 "sorted" [],
    TooEarly = 41 "too-early" [],
    InFuture = 42 "in-future" [],
    AfterClose = 43 "after-close" [],
    NoDate = 44 "no-date" [],
    BadDate = 45 "bad-date" [lifts(WithRecord)],
    UnknownCode = 46 "unknown-code" [],
    OutOfRange = 47 "out-of-range" [],
    NoReference = 48 "no-reference" [],
    Correction = 49 "correction" [],
    FileUnread = 50 "file-unread" [],
    BadReference = 51 "bad-reference" [],
    StopOpen = 52 "stop-open" [],
    AnswerLost = 53 "answer-lost" [],
    Refused = 54 "refused" [],
    Unreachable = 55 "unreachable" [],
    NoPractice = 56 "no-practice" [],
    CriteriaChanged = 57 "criteria-changed" [],
    Erased = 58 "erased" [],
    CancelledByReferrer = 59 "cancelled-by-referrer" [],
    RejectedByOwner = 60 "rejected-by-owner" [],
    PushOff = 61 "push-off" [],
    ContactInstructions = 62 "contact-instructions" [after_consent],
    ChangedAfterDelivery = 63 "changed-after-delivery" [],
    StopCrossed = 64 "stop-crossed" [],
    PartnerDisabled = 65 "partner-disabled" [lifts(WithRules)],
    OnwardConsent = 66 "onward-consent" [],
    OnwardNotAllowed = 67 "onward-not-allowed" [],
    IdentityChanged = 80 "identity-changed" [lifts(WithRecord), blocks_writes],
    MovedPractice = 81 "moved-practice" [blocks_writes],
    DuplicateEntry = 82 "duplicate-entry" [],
    EnteredInError = 83 "entered-in-error" [],
    Withdrawn = 84 "withdrawn" [],
    Undone = 85 "undone" [],
    ConsentWithdrawn = 86 "consent-withdrawn" [stops_at_once, blocks_writes],
    DeathRemoved = 87 "death-removed" [blocks_writes, stays_when_sent],
    NotReRead = 88 "not-re-read" [blocks_writes],
    Joined = 95 "joined" [],
    NotApproved = 96 "not-approved" [lifts(WithRules), after_consent],
    RecordInDoubt = 110 "record-in-doubt" [lifts(WithRecord), blocks_writes],
    Malformed = 114 "malformed" [lifts(WithRecord)],
    ExpressionFailed = 115 "expression-failed" [lifts(WithRules), after_consent],
    ConsentMissing = 116 "consent-missing" [],
    ConsentRanOut = 117 "consent-ran-out" [],
    Restored = 119 "restored" [after_consent],
    Shifted = 130 "shifted" [],
    Cut = 131 "cut" [],
    TwoColumns = 132 "two-columns" [],
    SecondHeading = 133 "second-heading" [],
    DateOrder = 134 "date-order" [],
    Characters = 135 "characters" [],
    ErrorCell = 136 "error-cell" [],
    Formula = 137 "formula" [],
    ConflictCopy = 138 "conflict-copy" [],
    CopiedRow = 139 "copied-row" [],
    SameRow = 140 "same-row" [],
    NotARow = 141 "not-a-row" [quiet],
    TooManyEvents = 142 "too-many-events" [],
    DetailsDiffer = 143 "details-differ" [],
    NoLongerTold = 144 "no-longer-told" [],
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

/// The classes of a reason.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "a column for each class")]
struct ReasonClasses {
    quiet: bool,
    stops_at_once: bool,
    lifts: Lifts,
    after_consent: bool,
    blocks_writes: bool,
    assignable: bool,
    stays_when_sent: bool,
}

/// Each class as a step of building.
macro_rules! each_class {
    ($($class:ident),+) => {
        $(const fn $class(self) -> Self {
            Self { $class: true, ..self }
        })+
    };
}

impl ReasonClasses {
    const NONE: Self = Self {
        quiet: false,
        stops_at_once: false,
        lifts: Lifts::ByPerson,
        after_consent: false,
        blocks_writes: false,
        assignable: false,
        stays_when_sent: false,
    };

    each_class!(
        quiet,
        stops_at_once,
        after_consent,
        blocks_writes,
        assignable,
        stays_when_sent
    );

    const fn lifts(self, lifts: Lifts) -> Self {
        Self { lifts, ..self }
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

impl Owner {
    /// Who that is, in a sentence.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::It => "IT",
            Self::Practice => "the practice",
            Self::Ig => "information governance",
            Self::Partner => "the partner",
        }
    }
}

/// A reason's line of `reasons.toml`.
#[derive(Clone, Debug)]
pub(crate) struct ReasonWords {
    owner: Owner,
    /// Who must act where the record of a practice is meant, if that is another.
    record_owner: Option<Owner>,
    now: bool,
    partner: String,
    practice: String,
}

impl Reason {
    /// Who must act.
    pub(crate) fn owner(self) -> Owner {
        self.words().map_or(Owner::It, |words| words.owner)
    }

    /// Who must act on a hold of this stage: what a practice wrote is the practice's, whoever else writes the same wrong.
    pub(crate) fn owner_at(self, stage: Stage) -> Owner {
        let of_record = matches!(stage, Stage::Select | Stage::Map);
        let own = self.words().and_then(|words| words.record_owner);
        own.filter(|_| of_record).unwrap_or_else(|| self.owner())
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
        self.classes().quiet
    }

    /// Whether a stop for it leaves in the same run, whatever the schedules say (`safety.md` §3, §6).
    pub(crate) fn stops_at_once(self) -> bool {
        self.classes().stops_at_once
    }

    /// By what a hold for it ends without a person, for a leg that a link worker opened.
    pub(crate) fn lifts(self) -> Lifts {
        self.classes().lifts
    }

    /// Whether it is looked at only when consent has been found: a leg that waits for it had the person's agreement.
    pub(crate) fn after_consent(self) -> bool {
        self.classes().after_consent
    }

    /// Whether writes to the GP record wait for it (`safety.md` §6, column *writes to the GP record*).
    pub(crate) fn blocks_writes(self) -> bool {
        self.classes().blocks_writes
    }

    /// Whether its owner may settle it by naming the partner.
    pub(crate) fn assignable(self) -> bool {
        self.classes().assignable
    }

    /// Whether a question about it, asked after sending, stays until a person has looked, whatever the record says later.
    pub(crate) fn stays_when_sent(self) -> bool {
        self.classes().stays_when_sent
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
                record_owner: Owner::from_code(&text(line, "record_owner")),
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
        assert!(Reason::ALL.is_sorted_by_key(|reason| reason.number()));
        for reason in Reason::ALL {
            let code = reason.code();
            assert!(reason.words().is_some(), "{code} is not in reasons.toml");
            assert!(!reason.practice_words().is_empty(), "{code} has no words");
            assert_eq!(Reason::from_number(reason.number()), Some(reason));
            assert_eq!(Reason::from_code(code), Some(reason));
        }
    }

    #[test]
    fn a_date_that_there_is_not_is_for_whoever_wrote_it() {
        assert_eq!(Reason::BadDate.owner_at(Stage::Select), Owner::Practice);
        assert_eq!(Reason::BadDate.owner_at(Stage::Map), Owner::Practice);
        assert_eq!(Reason::BadDate.owner_at(Stage::Match), Owner::Partner);
        assert_eq!(Reason::Capacity.owner_at(Stage::Select), Owner::Partner);
    }

    #[test]
    fn an_unknown_and_a_foreign_reference_read_alike() {
        assert_eq!(
            Reason::NotOurPerson.partner_words(),
            Reason::NotYourReference.partner_words()
        );
    }
}
