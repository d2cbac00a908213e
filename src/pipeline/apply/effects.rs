//! What a return does: it moves legs, opens further ones, queues writes and leaves facts for the report.

use std::collections::HashMap;

use super::record::{ReturnRecord, Touched};
use super::volume;
use crate::domain::clock::month_number;
use crate::domain::entropy::Stream;
use crate::domain::{Action, EventId, EventKind, LegId, LegState, Occasion, Reason};
use crate::partner::Volume;
use crate::pipeline::decide::onward;
use crate::pipeline::delivered_rows::ended_otherwise;
use crate::pipeline::event::StoredEvent;
use crate::pipeline::referral::Referral;
use crate::pipeline::run::Ids;
use crate::pipeline::sealed_inputs;
use crate::store::rows::{
    Fact, HeldRow, PushKind, PushRow, PushState, RawIds, Standing, Unanswered,
};
use crate::store::{Batch, Body, LegStep};

/// What the store knows that the effects of a return depend on, asked for once for all legs.
pub(crate) struct Effects<'r> {
    record: &'r ReturnRecord<'r>,
    /// Open holds of the legs that this file may end one of.
    holds: HashMap<LegId, Vec<HeldRow>>,
    /// The writes of the words that this file corrects, by identifier.
    earlier: HashMap<String, PushRow>,
    /// The referrals of those who are referred on.
    referrals: HashMap<LegId, Referral>,
}

impl<'r> Effects<'r> {
    /// # Errors
    /// The store failed, or a sealed value does not open.
    pub(crate) async fn load(
        record: &'r ReturnRecord<'r>,
        touched: &HashMap<LegId, Touched>,
    ) -> anyhow::Result<Self> {
        let mut effects = Self {
            record,
            holds: HashMap::new(),
            earlier: HashMap::new(),
            referrals: HashMap::new(),
        };
        let mut legs: Vec<&Touched> = touched.values().collect();
        legs.sort_unstable_by_key(|touched| touched.leg.id);
        effects.load_holds(&legs).await?;
        effects.load_earlier(&legs).await?;
        effects.load_referrals(&legs).await?;
        Ok(effects)
    }

    async fn load_holds(&mut self, legs: &[&Touched]) -> anyhow::Result<()> {
        let ends_one = |touched: &&&Touched| {
            touched.refers_on() || touched.leg.now.asked == Some(Action::Stop)
        };
        let ids: Vec<LegId> = legs.iter().filter(ends_one).map(|at| at.leg.id).collect();
        if !ids.is_empty() {
            for hold in self.record.run.store.holds_of_legs(ids).await? {
                self.holds.entry(hold.leg).or_default().push(hold);
            }
        }
        Ok(())
    }

    async fn load_earlier(&mut self, legs: &[&Touched]) -> anyhow::Result<()> {
        let mut corrected: HashMap<EventId, &str> = HashMap::new();
        for touched in legs {
            let revised = touched.fresh.iter().filter(|(kept, _)| kept.revision > 0);
            let revised: Vec<&str> = revised.map(|(kept, _)| kept.identifier.as_str()).collect();
            if revised.is_empty() {
                continue;
            }
            let known = touched.known.iter();
            let ids: HashMap<&str, EventId> = known
                .map(|(id, event)| (event.identifier.as_str(), *id))
                .collect();
            let known = revised
                .iter()
                .filter_map(|word| Some((*ids.get(word)?, *word)));
            corrected.extend(known);
        }
        if corrected.is_empty() {
            return Ok(());
        }
        let mut ids: Vec<EventId> = corrected.keys().copied().collect();
        ids.sort_unstable();
        let rows = self.record.run.store.pushes_of_events(ids).await?;
        let named = |row: PushRow| Some(((*corrected.get(&row.event)?).to_owned(), row));
        self.earlier = rows.into_iter().filter_map(named).collect();
        Ok(())
    }

    async fn load_referrals(&mut self, legs: &[&Touched]) -> anyhow::Result<()> {
        let legs: Vec<&&Touched> = legs.iter().filter(|touched| touched.refers_on()).collect();
        let raws: Vec<RawIds> = legs.iter().map(|touched| touched.leg.now.raws).collect();
        let referrals = sealed_inputs::referrals(self.record.run, &raws).await?;
        let found = legs.iter().zip(referrals);
        self.referrals = found
            .filter_map(|(touched, referral)| Some((touched.leg.id, referral?)))
            .collect();
        Ok(())
    }

    /// Opens the further legs that a link worker's row asks for.
    pub(crate) fn open_onward(
        &self,
        touched: &Touched,
        ids: &Ids,
        batch: &mut Batch,
        stream: &mut Stream,
    ) {
        let Some(referral) = self.referrals.get(&touched.leg.id) else {
            return;
        };
        for (kept, _) in touched
            .fresh
            .iter()
            .filter(|(kept, _)| kept.kind == EventKind::Onward)
        {
            onward::open(
                self.record.run,
                &touched.leg,
                referral,
                &kept.code,
                ids.next(),
                batch,
                stream,
            );
        }
    }

    /// Moves a leg by the events of its rows, in the order of their days, then of the file (`fhir.md` §2.2).
    pub(crate) fn move_leg(
        &self,
        mut touched: Touched,
        ids: &Ids,
        batch: &mut Batch,
        stream: &mut Stream,
    ) {
        touched.fresh.sort_by_key(|(kept, row)| (kept.on, row.row));
        let before = touched.leg.now;
        let mut after = before.picked_up();
        if follow(&touched, &mut after) {
            after = after.acknowledged();
        }
        let after = after.settled();
        let open = self.holds.get(&touched.leg.id);
        let mut settle = |reason: Reason| {
            let settled = open.into_iter().flatten();
            let settled = settled.filter(|hold| hold.reason == reason);
            batch.released.extend(settled.map(|hold| hold.number));
        };
        if before.asked == Some(Action::Stop) && after.asked.is_none() {
            settle(Reason::StopOpen);
        }
        if touched.refers_on() {
            // The agreement that an earlier sheet lacked has come.
            settle(Reason::OnwardConsent);
        }
        if after != before || !touched.fresh.is_empty() {
            let body = Body::Reported {
                step: LegStep::to(after),
                events: touched.fresh.len(),
            };
            batch.move_leg(touched.leg.clone(), body);
        }
        self.facts(&touched, batch, stream);
        if self.queue(&touched, batch) {
            self.record.count_months(&touched, ids, batch, stream);
        }
        batch
            .events
            .extend(touched.fresh.into_iter().map(|(_, row)| row));
    }

    /// Queues what may be written to the record, as far as practice and partner want it; says whether months are counted.
    fn queue(&self, touched: &Touched, batch: &mut Batch) -> bool {
        let env = self.record.run.env();
        let source = env
            .source_at(touched.leg.source)
            .map(|place| &env.sources[place].config);
        let Some(source) = source else {
            return false;
        };
        let volume = source.push.volume.narrower(self.record.partner.push.volume);
        let off = volume == Volume::Off || source.push.to == crate::config::PushTo::Off;
        let mut attended = touched
            .known
            .iter()
            .any(|(_, event)| event.kind == EventKind::Attendance && !event.withdrawn);
        // What is told of a day after the referral had ended at the practice goes to nobody's record before a person there has looked.
        let ended = ended_otherwise(&touched.leg, &touched.known);
        for (kept, row) in &touched.fresh {
            let Some(kind) = Some(row.kind).filter(|kind| kind.observed()) else {
                continue;
            };
            let first = kind == EventKind::Attendance && !std::mem::replace(&mut attended, true);
            let kind_of_write = match self.earlier.get(&kept.identifier) {
                Some(row) if row.state != PushState::Off => correcting(kept),
                _ => PushKind::Create,
            };
            let closing = kept.state().is_some_and(LegState::terminal);
            let wanted = volume::wanted(volume, kind, first, closing);
            // What stands in the record is put right whatever the volume; what never got there is not taken out of it.
            let wanted = match kind_of_write {
                PushKind::Create => wanted && !kept.withdrawn,
                PushKind::Amend | PushKind::Withdraw => true,
            };
            let late = ended.is_some_and(|ended| kept.on.is_some_and(|on| on > ended));
            // What a person's death, label or word says against it is asked before each write (`watch::hold_back`).
            let (state, reason) = if !wanted || off {
                (PushState::Off, Some(Reason::PushOff))
            } else if late && kind_of_write == PushKind::Create {
                (PushState::Off, Some(Reason::AfterClose))
            } else {
                (PushState::Queued, None)
            };
            let push = PushRow {
                event: row.id,
                leg: row.leg,
                source: touched.leg.source,
                kind: kind_of_write,
                state,
                attempts: 0,
                unanswered: Unanswered::default(),
                reason,
                due: 0,
                server_id: None,
            };
            batch.queue(push);
        }
        volume == Volume::Counts && !off
    }

    /// One fact an item and pair of baseline and follow-up; it leads back to nobody.
    fn facts(&self, touched: &Touched, batch: &mut Batch, stream: &mut Stream) {
        // A fact stands alone and cannot be found again: of a corrected measure the first one stays.
        let follow_ups: Vec<&StoredEvent> = touched
            .fresh
            .iter()
            .map(|(kept, _)| kept)
            .filter(|kept| kept.kind == EventKind::Measure && kept.revision == 0)
            .filter(|kept| kept.occasion() == Some(Occasion::FollowUp))
            .collect();
        if follow_ups.is_empty() {
            return;
        }
        let baselines = first_baselines(touched);
        for follow_up in follow_ups {
            let baseline = baselines
                .get(follow_up.instrument.as_str())
                .filter(|baseline| baseline.on <= follow_up.on);
            let (Some(baseline), Some(day)) = (baseline, follow_up.on) else {
                continue;
            };
            for (item, after) in &follow_up.answers {
                let before = baseline
                    .answers
                    .iter()
                    .find(|(id, _)| id == item)
                    .and_then(|(_, before)| *before);
                let (Some(before), Some(after)) = (before, *after) else {
                    continue;
                };
                batch.facts.push(Fact {
                    // Random, so that nothing can be told from the order; positive, as keys are.
                    id: i64::from_be_bytes(stream.bytes()) & i64::MAX,
                    kind: 1,
                    month: month_number(day),
                    issue: month_number(self.record.run.today()),
                    source: touched.leg.source,
                    partner: touched.leg.now.partner,
                    instrument: follow_up.instrument.clone(),
                    item: item.clone(),
                    before,
                    after,
                });
            }
        }
    }
}

/// The first baseline of each instrument.
fn first_baselines(touched: &Touched) -> HashMap<&str, &StoredEvent> {
    let known = touched.known.iter().map(|(_, event)| event);
    let fresh = touched.fresh.iter().map(|(kept, _)| kept);
    let mut first: HashMap<&str, &StoredEvent> = HashMap::new();
    for event in known
        .chain(fresh)
        .filter(|event| event.kind == EventKind::Measure && !event.withdrawn)
        .filter(|event| event.occasion() == Some(Occasion::Baseline))
    {
        let earliest = first.entry(&event.instrument).or_insert(event);
        if event.on < earliest.on {
            *earliest = event;
        }
    }
    first
}

/// Follows what a leg's rows report, in their order; says whether a row acknowledged what was asked.
fn follow(touched: &Touched, after: &mut Standing) -> bool {
    let mut acknowledged = false;
    for (kept, row) in touched.fresh.iter().filter(|(kept, _)| !kept.withdrawn) {
        let reported = match row.kind {
            EventKind::Status => kept.state(),
            EventKind::Measure => Some(LegState::InProgress),
            EventKind::Attendance if kept.code == "attended" => Some(LegState::InProgress),
            EventKind::Acknowledged => {
                acknowledged = true;
                None
            }
            _ => None,
        };
        if let Some(state) = reported {
            *after = after.reported(state);
        }
    }
    acknowledged
}

/// How a correction reaches the record.
fn correcting(kept: &StoredEvent) -> PushKind {
    if kept.withdrawn {
        PushKind::Withdraw
    } else {
        PushKind::Amend
    }
}
