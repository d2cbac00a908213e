//! The four services of the demo: ids, names and codes, nowhere else in the source.
//!
//! Invariant: they are those of the partner files beside this one; a test holds the two together.

/// A partner of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    Riverside,
    Debt,
    Gym,
    Link,
}

impl To {
    /// All four, in the order in which they are told of.
    pub(super) const ALL: [Self; 4] = [Self::Riverside, Self::Debt, Self::Gym, Self::Link];

    /// The partner's id: the name of its mapping file and of its folder.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Riverside => "riverside",
            Self::Debt => "harbour-debt",
            Self::Gym => "green-gym",
            Self::Link => "hilltop-link",
        }
    }

    /// The partner's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Riverside => "Riverside Befriending",
            Self::Debt => "Harbour Debt Advice",
            Self::Gym => "Green Gym",
            Self::Link => "Hilltop Link Workers",
        }
    }

    /// The organisation code by which a referral names it; ODS lists no such code.
    pub(super) fn ods_code(self) -> &'static str {
        match self {
            Self::Riverside => "ZZ901",
            Self::Debt => "ZZ902",
            Self::Gym => "ZZ903",
            Self::Link => "ZZ904",
        }
    }

    /// What people are referred there for.
    pub(super) fn activity(self) -> &'static str {
        match self {
            Self::Riverside => "befriending",
            Self::Debt => "debt-advice",
            Self::Gym => "gardening",
            Self::Link => "link-worker",
        }
    }
}
