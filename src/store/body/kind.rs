//! The kinds of ledger rows: their numbers and their words.

/// The kind of a ledger row; numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Opened = 1,
    Run = 2,
    RulesInForce = 3,
    Received = 10,
    Decided = 11,
    Amended = 12,
    Settled = 13,
    Reported = 14,
    Delivered = 15,
    Resource = 20,
    Counted = 21,
    Certified = 22,
    Held = 23,
    Released = 24,
    Signed = 25,
    Viewed = 26,
    Prepared = 30,
    Sent = 31,
    DropDelivered = 32,
    Returned = 40,
    Undone = 41,
    Queued = 50,
    Pushing = 51,
    Pushed = 52,
    Mirroring = 53,
    Mirrored = 54,
    DaySealed = 60,
    Published = 61,
}

impl Kind {
    /// Every kind, by number.
    pub(super) const ALL: [Self; 28] = [
        Self::Opened,
        Self::Run,
        Self::RulesInForce,
        Self::Received,
        Self::Decided,
        Self::Amended,
        Self::Settled,
        Self::Reported,
        Self::Delivered,
        Self::Resource,
        Self::Counted,
        Self::Certified,
        Self::Held,
        Self::Released,
        Self::Signed,
        Self::Viewed,
        Self::Prepared,
        Self::Sent,
        Self::DropDelivered,
        Self::Returned,
        Self::Undone,
        Self::Queued,
        Self::Pushing,
        Self::Pushed,
        Self::Mirroring,
        Self::Mirrored,
        Self::DaySealed,
        Self::Published,
    ];

    /// The kind with this number.
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Number in the store.
    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    /// Whether the body begins with a leg's step.
    pub(crate) fn of_leg(self) -> bool {
        matches!(
            self,
            Self::Received
                | Self::Decided
                | Self::Amended
                | Self::Settled
                | Self::Reported
                | Self::Delivered
        )
    }

    /// The word in `kith trace`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Opened => "installation opened",
            Self::Run => "run",
            Self::RulesInForce => "rules in force",
            Self::Received => "received from the practice",
            Self::Decided => "decided",
            Self::Amended => "changed at the practice",
            Self::Settled => "settled by a person",
            Self::Reported => "reported by the partner",
            Self::Delivered => "picked up by the partner",
            Self::Resource => "resource kept",
            Self::Counted => "counted",
            Self::Certified => "pull certified",
            Self::Held => "held",
            Self::Released => "hold ended",
            Self::Signed => "decided by a person",
            Self::Viewed => "looked at by a person",
            Self::Prepared => "drop prepared",
            Self::Sent => "sent to the partner",
            Self::DropDelivered => "drop picked up",
            Self::Returned => "return taken",
            Self::Undone => "return undone",
            Self::Queued => "queued for the GP record",
            Self::Pushing => "writing to the GP record",
            Self::Pushed => "answered by the GP system",
            Self::Mirroring => "telling the GP system where it stands",
            Self::Mirrored => "GP system told where it stands",
            Self::DaySealed => "day sealed",
            Self::Published => "report published",
        }
    }
}
