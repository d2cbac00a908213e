//! Legs by state and by place, and the funnel: how far the legs of each month have come.
//!
//! A leg is counted where it stands; its history is not in the cube. So a leg that ended early counts as sent, not as accepted, whatever happened
//! between: the report says this beside the table.

use std::collections::BTreeMap;

use super::input::{Input, Legs};
use super::tables::{FunnelRow, Place, PlaceRow, Shown, StateRow, WhyRow};
use super::words;
use crate::domain::LegState;

/// The word of the row for states that this version does not know.
const UNKNOWN: &str = "unknown";

/// One row for each state in the order of a leg's life, each with its reasons.
pub(super) fn states(input: &Input, shown: Shown) -> Vec<StateRow> {
    let mut sums: BTreeMap<Option<LegState>, (u64, BTreeMap<&str, u64>)> = LegState::ALL
        .into_iter()
        .map(|state| (Some(state), <(u64, BTreeMap<&str, u64>)>::default()))
        .collect();
    for legs in &input.legs {
        let (sum, reasons) = sums.entry(LegState::from_code(&legs.state)).or_default();
        *sum = sum.saturating_add(legs.count);
        if let Some(why) = legs.why.as_deref().filter(|_| legs.count > 0) {
            let reason = reasons.entry(why).or_default();
            *reason = reason.saturating_add(legs.count);
        }
    }
    sums.into_iter()
        .map(|(state, (count, reasons))| {
            let mut reasons: Vec<(&str, u64)> = reasons.into_iter().collect();
            reasons.sort_by(|(reason, count), (other_reason, other)| {
                other.cmp(count).then(reason.cmp(other_reason))
            });
            StateRow {
                state: state.map_or(UNKNOWN, LegState::code).to_owned(),
                words: state.map_or(words::UNKNOWN, words::state).to_owned(),
                legs: shown.cell(count),
                reasons: reasons
                    .into_iter()
                    .map(|(reason, count)| WhyRow {
                        reason: reason.to_owned(),
                        words: words::reason(reason).to_owned(),
                        legs: shown.cell(count),
                    })
                    .collect(),
            }
        })
        .collect()
}

/// One row for each practice or partner that has legs.
pub(super) fn by_place(
    input: &Input,
    shown: Shown,
    place: impl Fn(&Legs) -> Place,
) -> Vec<PlaceRow> {
    let mut sums: BTreeMap<Place, [u64; 6]> = BTreeMap::new();
    for legs in &input.legs {
        let sum = sums.entry(place(legs)).or_default();
        for column in [group(LegState::from_code(&legs.state)), 5] {
            sum[column] = sum[column].saturating_add(legs.count);
        }
    }
    sums.into_iter()
        .map(|((_, name), sum)| {
            let [
                waiting,
                on_the_way,
                with_partner,
                completed,
                ended_otherwise,
                legs,
            ] = sum.map(|count| shown.cell(count));
            PlaceRow {
                name,
                waiting,
                on_the_way,
                with_partner,
                completed,
                ended_otherwise,
                legs,
            }
        })
        .collect()
}

fn group(state: Option<LegState>) -> usize {
    use LegState::{Accepted, Completed, Delivered, InProgress, OnHold, Routed, Sent};
    match state {
        Some(Routed | Sent | Delivered) => 1,
        Some(Accepted | InProgress | OnHold) => 2,
        Some(Completed) => 3,
        Some(ended) if ended.terminal() => 4,
        _ => 0,
    }
}

#[derive(Clone, Copy, Default)]
struct Sum {
    received: u64,
    matched: u64,
    accepted: u64,
    attending: u64,
    completed: u64,
    declined_by_partner: u64,
    ended_early: u64,
    cancelled: u64,
    not_delivered: u64,
    by_mistake: u64,
}

impl Sum {
    fn add(&mut self, legs: &Legs) {
        use LegState::{
            Accepted, Cancelled, ClosedUnsuccessful, Completed, Delivered, EnteredInError, Failed,
            InProgress, OnHold, Rejected, Routed, Sent,
        };
        let state = LegState::from_code(&legs.state);
        let matched = match state {
            Some(
                Routed | Sent | Delivered | Accepted | Rejected | InProgress | OnHold | Completed
                | ClosedUnsuccessful | Failed,
            ) => true,
            // The partner is filled in when a leg is routed, so an ended leg that names one had come that far.
            Some(Cancelled | EnteredInError) => legs.partner.is_some(),
            _ => false,
        };
        for (sum, counts) in [
            (&mut self.received, true),
            (&mut self.matched, matched),
            (
                &mut self.accepted,
                matches!(state, Some(Accepted | InProgress | OnHold | Completed)),
            ),
            (
                &mut self.attending,
                matches!(state, Some(InProgress | Completed)),
            ),
            (&mut self.completed, state == Some(Completed)),
            (&mut self.declined_by_partner, state == Some(Rejected)),
            (&mut self.ended_early, state == Some(ClosedUnsuccessful)),
            (&mut self.cancelled, state == Some(Cancelled)),
            (&mut self.not_delivered, state == Some(Failed)),
            (&mut self.by_mistake, state == Some(EnteredInError)),
        ] {
            if counts {
                *sum = sum.saturating_add(legs.count);
            }
        }
    }

    fn row(self, month: String, shown: Shown) -> FunnelRow {
        FunnelRow {
            month,
            received: shown.cell(self.received),
            matched: shown.cell(self.matched),
            accepted: shown.cell(self.accepted),
            attending: shown.cell(self.attending),
            completed: shown.cell(self.completed),
            declined_by_partner: shown.cell(self.declined_by_partner),
            ended_early: shown.cell(self.ended_early),
            cancelled: shown.cell(self.cancelled),
            not_delivered: shown.cell(self.not_delivered),
            by_mistake: shown.cell(self.by_mistake),
        }
    }
}

/// One row for each month of receipt, the latest first, and the total.
pub(super) fn funnel(input: &Input, shown: Shown) -> Vec<FunnelRow> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    let mut total = Sum::default();
    for legs in &input.legs {
        sums.entry(&legs.month).or_default().add(legs);
        total.add(legs);
    }
    let mut rows: Vec<FunnelRow> = sums
        .into_iter()
        .rev()
        .map(|(month, sum)| sum.row(month.to_owned(), shown))
        .collect();
    rows.push(total.row("total".to_owned(), shown));
    rows
}
