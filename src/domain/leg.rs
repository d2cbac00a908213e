//! The state of a leg: one referral to one partner (`fhir.md` §2.2 is the table).

use super::coded_enums::coded;

coded! {
    /// Where a leg stands, in the order of its life; the words are those of `product.md` §2.
    pub(crate) enum LegState {
        Received = 1 "received",
        Held = 2 "held",
        Routed = 3 "routed",
        Sent = 4 "sent",
        Delivered = 5 "delivered",
        Accepted = 6 "accepted",
        Rejected = 7 "rejected",
        InProgress = 8 "in-progress",
        OnHold = 9 "on-hold",
        Completed = 10 "completed",
        ClosedUnsuccessful = 11 "closed-unsuccessful",
        Cancelled = 12 "cancelled",
        Failed = 13 "failed",
        EnteredInError = 14 "entered-in-error",
    }
}

impl LegState {
    /// Whether the leg has ended; terminal states never reopen.
    pub(crate) fn terminal(self) -> bool {
        matches!(
            self,
            Self::Rejected
                | Self::Completed
                | Self::ClosedUnsuccessful
                | Self::Cancelled
                | Self::Failed
                | Self::EnteredInError
        )
    }

    /// The states that may follow this one. The table is `fhir.md` §2.2, with what one return may skip: its rows are followed
    /// in one step, so that a leg goes from being sent to any state of a partner, and between those of a partner at will.
    fn successors(self) -> &'static [Self] {
        use LegState::{
            Accepted, Cancelled, ClosedUnsuccessful, Completed, Delivered, EnteredInError, Failed,
            Held, InProgress, OnHold, Rejected, Routed, Sent,
        };
        match self {
            // First seen already revoked, it ends at once.
            Self::Received => &[Held, Routed, Cancelled, EnteredInError],
            // Sent: its row had left before it was held.
            Self::Held => &[Routed, Sent, Cancelled, EnteredInError, Failed],
            // Back to held: the partner's agreement ended, or the record changed or is gone.
            Self::Routed => &[Held, Sent, Cancelled, EnteredInError, Failed],
            // Held or failed: a transport that says "not delivered"; no transport says so yet.
            Self::Sent => &[
                Held,
                Delivered,
                Accepted,
                Rejected,
                InProgress,
                OnHold,
                Completed,
                ClosedUnsuccessful,
                Cancelled,
                Failed,
                EnteredInError,
            ],
            Self::Delivered => &[
                Accepted,
                Rejected,
                InProgress,
                OnHold,
                Completed,
                ClosedUnsuccessful,
                Cancelled,
                EnteredInError,
            ],
            // Cancelled, entered in error: an acknowledged stop.
            Self::Accepted | Self::InProgress | Self::OnHold => &[
                Accepted,
                InProgress,
                OnHold,
                Completed,
                ClosedUnsuccessful,
                Cancelled,
                EnteredInError,
            ],
            // Terminal states never reopen: a correction is a new event.
            _ => &[],
        }
    }

    /// Whether a leg may go from this state to `next`; it may always stay.
    pub(crate) fn may_become(self, next: Self) -> bool {
        self == next || self.successors().contains(&next)
    }

    /// Whether the partner has been given the person's details.
    pub(crate) fn after_sending(self) -> bool {
        matches!(
            self,
            Self::Sent | Self::Delivered | Self::Accepted | Self::InProgress | Self::OnHold
        )
    }

    /// The state after a partner reported `reported`; `None` where the table has no such step and nothing changes.
    pub(crate) fn on_report(self, reported: Self) -> Option<Self> {
        if !self.after_sending() || self == reported {
            return None;
        }
        match reported {
            // A partner that takes someone on after a first contact tells us nothing new.
            Self::Accepted => matches!(self, Self::Sent | Self::Delivered | Self::OnHold)
                .then_some(Self::Accepted),
            // "No" after accepting is an ending without support (`safety.md` §9).
            Self::Rejected if matches!(self, Self::Sent | Self::Delivered) => Some(Self::Rejected),
            Self::Rejected => Some(Self::ClosedUnsuccessful),
            Self::InProgress | Self::OnHold | Self::Completed | Self::ClosedUnsuccessful => {
                Some(reported)
            }
            _ => None,
        }
    }
}

coded! {
    /// What a row of a drop asks of the partner.
    pub(crate) enum Action {
        New = 1 "NEW",
        Amend = 2 "AMEND",
        Stop = 3 "STOP",
        Pause = 4 "PAUSE",
    }
}

/// `safety.md` §14.
const STOP_WORDS: &str = "Please stop. Because of our referral, do not ring, write to or visit this person. If they come to you by themselves, you may help them as you help anybody.";
const PAUSE_WORDS: &str = "Please wait. Start nothing new for this person on our referral.";

impl Action {
    /// What the reader of a STOP or PAUSE row may do (`leg.stop`), with the number of the practice; never a reason.
    pub(crate) fn sentence(self, practice_phone: Option<&str>) -> String {
        match (self, practice_phone) {
            (Self::New | Self::Amend, _) => String::new(),
            (Self::Stop, None) => STOP_WORDS.to_owned(),
            (Self::Stop, Some(phone)) => format!("{STOP_WORDS} Questions: {phone}."),
            (Self::Pause, phone) => {
                let whom = phone.unwrap_or("the practice");
                format!("{PAUSE_WORDS} If you already see them, ring {whom}.")
            }
        }
    }

    /// Whether its row holds nothing to ring, write to or visit by.
    pub(crate) fn withholds(self) -> bool {
        matches!(self, Self::Stop | Self::Pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_go_there_and_back() {
        for state in LegState::ALL {
            assert_eq!(LegState::from_number(state.number()), Some(state));
            assert_eq!(LegState::from_code(state.code()), Some(state));
        }
    }

    #[test]
    fn terminal_states_never_move() {
        for state in LegState::ALL.into_iter().filter(|state| state.terminal()) {
            for reported in LegState::ALL {
                assert_eq!(state.on_report(reported), None, "{state:?} {reported:?}");
            }
        }
    }

    #[test]
    fn every_pair_of_states_is_as_the_table_has_it() {
        // One row a state as it is, one mark a state that may follow, both in the order of `LegState::ALL`.
        let table = [
            "xxx........x.x",
            ".xxx.......xxx",
            ".xxx.......xxx",
            ".x.xxxxxxxxxxx",
            "....xxxxxxxx.x",
            ".....x.xxxxx.x",
            "......x.......",
            ".....x.xxxxx.x",
            ".....x.xxxxx.x",
            ".........x....",
            "..........x...",
            "...........x..",
            "............x.",
            ".............x",
        ];
        for (from, row) in LegState::ALL.into_iter().zip(table) {
            for (to, mark) in LegState::ALL.into_iter().zip(row.chars()) {
                assert_eq!(from.may_become(to), mark == 'x', "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn whatever_partners_report_in_one_return_is_one_step_of_the_table() {
        for from in LegState::ALL {
            let mut reached = vec![from];
            for place in 0.. {
                let Some(state) = reached.get(place).copied() else {
                    break;
                };
                assert!(from.may_become(state), "{from:?} to {state:?}");
                let next = LegState::ALL
                    .into_iter()
                    .filter_map(|to| state.on_report(to));
                for state in next {
                    if !reached.contains(&state) {
                        reached.push(state);
                    }
                }
            }
        }
    }

    #[test]
    fn reports_follow_the_table() {
        use LegState::{
            Accepted, ClosedUnsuccessful, Completed, Delivered, InProgress, OnHold, Rejected,
            Routed, Sent,
        };
        let table = [
            (Sent, Accepted, Some(Accepted)),
            (Delivered, Completed, Some(Completed)),
            (Sent, Rejected, Some(Rejected)),
            (Accepted, Rejected, Some(ClosedUnsuccessful)),
            (InProgress, Accepted, None),
            (InProgress, OnHold, Some(OnHold)),
            (OnHold, InProgress, Some(InProgress)),
            (Accepted, ClosedUnsuccessful, Some(ClosedUnsuccessful)),
            (Routed, Accepted, None),
            (Sent, Sent, None),
        ];
        for (from, reported, to) in table {
            assert_eq!(from.on_report(reported), to, "{from:?} {reported:?}");
        }
    }
}
