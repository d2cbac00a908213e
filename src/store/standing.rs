//! What a leg is at one moment, and each way in which it comes to stand elsewhere.
//!
//! In: a standing. Out: the next one. Keeps: a leg's next standing is made here alone; whether it may follow is said by
//! [`LegState::may_become`] and checked when it is chained.

use crate::domain::{Action, KeyId, LegState, RawId, Reason, StrandId};

/// Ids of the raw inputs that a row is made of; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawIds {
    pub(crate) request: RawId,
    pub(crate) patient: RawId,
    pub(crate) requester: RawId,
    pub(crate) role: RawId,
    pub(crate) practice: RawId,
    pub(crate) consent: RawId,
}

impl RawIds {
    /// The ids in the order of the tables.
    pub(crate) fn to_array(self) -> [RawId; 6] {
        [
            self.request,
            self.patient,
            self.requester,
            self.role,
            self.practice,
            self.consent,
        ]
    }

    /// The ids of their order.
    pub(crate) fn from_array(
        [request, patient, requester, role, practice, consent]: [RawId; 6],
    ) -> Self {
        Self {
            request,
            patient,
            requester,
            role,
            practice,
            consent,
        }
    }
}

/// What an event can change of a leg; every leg event of the ledger carries all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Where it stands.
    pub(crate) state: LegState,
    /// The partner's strand; 0 while none is chosen.
    pub(crate) partner: StrandId,
    /// The person's key; 0 while the person is unknown.
    pub(crate) person: KeyId,
    /// Why it is held or was closed.
    pub(crate) why: Option<Reason>,
    /// The action that the next drop must carry.
    pub(crate) pending: Option<Action>,
    /// The action that waits for the partner's acknowledgement.
    pub(crate) asked: Option<Action>,
    /// The state that the leg enters when a stop is acknowledged.
    pub(crate) closing: Option<LegState>,
    /// What it is made of now.
    pub(crate) raws: RawIds,
}

impl Standing {
    /// Whether it is with the same partner and person, made of the same inputs, and waits for the same drop.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        (self.partner, self.person, self.raws, self.pending)
            == (other.partner, other.person, other.raws, other.pending)
    }

    /// A leg that nothing was decided about.
    pub(crate) fn received(person: KeyId, raws: RawIds) -> Self {
        Self {
            state: LegState::Received,
            partner: StrandId::NONE,
            person,
            why: None,
            pending: None,
            asked: None,
            closing: None,
            raws,
        }
    }

    /// Waits for somebody; nothing of it is to be sent.
    pub(crate) fn held(self, why: Reason) -> Self {
        self.ended(LegState::Held, why)
    }

    /// Has ended, or waits: nothing of it is to be sent.
    pub(crate) fn ended(self, state: LegState, why: Reason) -> Self {
        Self {
            state,
            why: Some(why),
            pending: None,
            ..self
        }
    }

    /// Goes to this partner with the next drop.
    pub(crate) fn routed(self, partner: StrandId) -> Self {
        Self {
            state: LegState::Routed,
            partner,
            why: None,
            pending: Some(Action::New),
            ..self
        }
    }

    /// After a row of this action has left; SQL says the same in one statement.
    pub(crate) fn sent(self, action: Action) -> Self {
        let (state, why, asked) = match action {
            Action::New => (LegState::Sent, None, None),
            Action::Amend => (self.state, self.why, None),
            Action::Stop | Action::Pause => (self.state, self.why, Some(action)),
        };
        Self {
            state,
            why,
            pending: None,
            asked,
            ..self
        }
    }

    /// A row of this action, made of these inputs, turns out to have left before the leg came to stand here. What the partner
    /// should not have, or has otherwise, the next row puts right.
    pub(crate) fn had_left(self, action: Action, raws: RawIds) -> Self {
        let asked = action.withholds().then_some(action);
        if action != Action::New {
            let said = self.pending == Some(action) && (asked.is_some() || self.raws == raws);
            let over = action == Action::Stop || said;
            return Self {
                asked,
                pending: self.pending.filter(|_| !over),
                ..self
            };
        }
        let state = match self.state {
            LegState::Held | LegState::Routed => LegState::Sent,
            other => other,
        };
        let sent = Self {
            state,
            asked,
            ..self
        };
        let about_person = match self.why {
            Some(Reason::ContactInstructions) => true,
            why => !why.is_some_and(Reason::after_consent),
        };
        match self.state {
            LegState::Held if matches!(self.why, Some(Reason::PausedByGp | Reason::NotAnOrder)) => {
                Self {
                    pending: Some(Action::Pause),
                    ..sent
                }
            }
            LegState::Held if about_person => Self {
                pending: Some(Action::Stop),
                closing: Some(LegState::Cancelled),
                ..sent
            },
            LegState::Held | LegState::Routed => Self {
                why: None,
                pending: (self.raws != raws).then_some(Action::Amend),
                ..sent
            },
            state if state.terminal() => Self {
                pending: Some(Action::Stop),
                ..sent
            },
            _ => sent,
        }
    }

    /// Its row was picked up with the drop, or answered: whoever answers has had the file.
    pub(crate) fn picked_up(self) -> Self {
        let state = match self.state {
            LegState::Sent => LegState::Delivered,
            other => other,
        };
        Self { state, ..self }
    }

    /// A partner has it and is to be asked to stop; once that is acknowledged it ends in `closing`.
    pub(crate) fn stopping(self, closing: LegState, why: Reason) -> Self {
        Self {
            pending: Some(Action::Stop),
            closing: Some(closing),
            why: Some(why),
            ..self
        }
    }

    /// After the partner reported a state, where the table has such a step (`LegState::on_report`).
    pub(crate) fn reported(self, reported: LegState) -> Self {
        let state = self.state.on_report(reported).unwrap_or(self.state);
        Self { state, ..self }
    }

    /// After the partner acknowledged what it was asked: a stop ends the leg, a change or pause is only asked for no longer.
    pub(crate) fn acknowledged(self) -> Self {
        if self.asked.is_none() {
            return self;
        }
        let state = if self.asked == Some(Action::Stop) && !self.state.terminal() {
            self.closing.unwrap_or(LegState::Cancelled)
        } else {
            self.state
        };
        Self {
            state,
            asked: None,
            closing: None,
            ..self
        }
    }

    /// What was asked of the partner is over once the leg has ended.
    pub(crate) fn settled(self) -> Self {
        if !self.state.terminal() || self.asked.is_none() {
            return self;
        }
        Self {
            asked: None,
            pending: None,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that had left, where its leg stands by now (state, why, pending, request), and the state, pending and asked action after.
    type Case = (
        Action,
        (LegState, Option<Reason>, Option<Action>, i64),
        (LegState, Option<Action>, Option<Action>),
    );

    #[rustfmt::skip]
    fn cases() -> Vec<Case> {
        use Action::{Amend, New, Pause, Stop};
        use LegState::{Accepted, Cancelled, Held, Routed, Sent};
        let died = Some(Reason::Died);
        vec![
            (New, (Routed, None, Some(New), 1), (Sent, None, None)),
            (New, (Routed, None, Some(New), 2), (Sent, Some(Amend), None)),
            (New, (Held, died, None, 2), (Sent, Some(Stop), None)),
            (New, (Held, Some(Reason::Consent), None, 2), (Sent, Some(Stop), None)),
            (New, (Held, Some(Reason::ContactInstructions), None, 2), (Sent, Some(Stop), None)),
            (New, (Held, Some(Reason::PausedByGp), None, 2), (Sent, Some(Pause), None)),
            (New, (Held, Some(Reason::AgreementExpired), None, 1), (Sent, None, None)),
            (New, (Cancelled, Some(Reason::ConsentWithdrawn), None, 2), (Cancelled, Some(Stop), None)),
            (Amend, (Accepted, None, Some(Amend), 1), (Accepted, None, None)),
            (Amend, (Accepted, None, Some(Amend), 2), (Accepted, Some(Amend), None)),
            (Amend, (Accepted, died, Some(Stop), 2), (Accepted, Some(Stop), None)),
            (Stop, (Accepted, died, Some(Stop), 2), (Accepted, None, Some(Stop))),
            (Pause, (Accepted, None, Some(Pause), 2), (Accepted, None, Some(Pause))),
            (Pause, (Accepted, None, Some(Amend), 2), (Accepted, Some(Amend), Some(Pause))),
        ]
    }

    #[test]
    fn what_had_left_before_a_leg_changed_is_put_right_by_the_next_row() {
        let raws = |request| RawIds {
            request: RawId::new(request),
            ..RawIds::default()
        };
        for (action, (state, why, pending, request), expected) in cases() {
            let stands = Standing {
                state,
                why,
                pending,
                ..Standing::received(KeyId::new(5), raws(request))
            };
            let after = stands.had_left(action, raws(1));
            let seen = (after.state, after.pending, after.asked);
            assert_eq!(seen, expected, "{action:?} {stands:?}");
            assert!(state.may_become(after.state), "{stands:?}");
        }
    }
}
