//! What a return does: it moves legs, opens further ones, queues writes and leaves facts for the report.

use std::collections::HashMap;

use super::record::{ReturnRecord, Touched};
use super::volume;
use crate::domain::clock::month_number;
use crate::domain::entropy::Stream;
use crate::domain::{Action, EventId, EventKind, LegState, Occasion, Reason};
use crate::partner::Volume;
use crate::pipeline::decide::onward;
use crate::pipeline::event::StoredEvent;
use crate::pipeline::run::Ids;
use crate::store::rows::{EventRow, Fact, HeldRow, PushKind, PushRow, PushState, Standing};
use crate::store::{Batch, Body, LegStep};

impl ReturnRecord<'_> {
    /// Opens the further legs that a link worker's row asks for.
    pub(crate) fn open_onward(
        &self,
        touched: &Touched,
        ids: &Ids,
        batch: &mut Batch,
        stream: &mut Stream,
    ) {
        let Some(referral) = &touched.referral else {
            return;
        };
        for (kept, _) in touched
            .fresh
            .iter()
            .filter(|(kept, _)| kept.kind == EventKind::Onward)
        {
            onward::open(
                self.run,
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
    pub(crate) async fn move_leg(
        &self,
        mut touched: Touched,
        ids: &Ids,
        batch: &mut Batch,
        stream: &mut Stream,
    ) -> anyhow::Result<()> {
        touched.fresh.sort_by_key(|(kept, row)| (kept.on, row.row));
        let before = touched.leg.now;
        let mut after = before.picked_up();
        if follow(&touched, &mut after) {
            after = after.acknowledged();
        }
        let after = after.settled();
        let id = touched.leg.id;
        let open = self.run.store.holds_of_legs(vec![id]).await?;
        if before.asked == Some(Action::Stop) && after.asked.is_none() {
            batch.released.extend(
                open.iter()
                    .filter(|hold| hold.reason == Reason::StopOpen)
                    .map(|hold| hold.number),
            );
        }
        let sent_on = |(kept, _): &(StoredEvent, EventRow)| kept.kind == EventKind::Onward;
        if touched.fresh.iter().any(sent_on) {
            // The agreement that an earlier sheet lacked has come.
            let settled = |hold: &&HeldRow| hold.reason == Reason::OnwardConsent;
            batch
                .released
                .extend(open.iter().filter(settled).map(|hold| hold.number));
        }
        if after != before || !touched.fresh.is_empty() {
            let body = Body::Reported {
                step: LegStep::to(after),
                events: touched.fresh.len(),
            };
            batch.move_leg(touched.leg.clone(), body);
        }
        self.facts(&touched, batch, stream);
        let earlier = self.earlier(&touched).await?;
        if self.queue(&touched, &earlier, batch) {
            self.count_months(&touched, ids, batch, stream);
        }
        batch
            .events
            .extend(touched.fresh.into_iter().map(|(_, row)| row));
        Ok(())
    }

    /// The writes of the words that this file corrects, by identifier.
    async fn earlier(&self, touched: &Touched) -> anyhow::Result<HashMap<String, PushRow>> {
        let corrected: HashMap<EventId, &str> = touched
            .fresh
            .iter()
            .filter(|(kept, _)| kept.revision > 0)
            .filter_map(|(kept, _)| {
                let id = touched.ids.get(&kept.identifier)?;
                Some((*id, kept.identifier.as_str()))
            })
            .collect();
        if corrected.is_empty() {
            return Ok(HashMap::new());
        }
        let mut ids: Vec<EventId> = corrected.keys().copied().collect();
        ids.sort_unstable();
        let rows = self.run.store.pushes_of_events(ids).await?;
        let named = |row: PushRow| Some(((*corrected.get(&row.event)?).to_owned(), row));
        Ok(rows.into_iter().filter_map(named).collect())
    }

    /// Queues what may be written to the record, as far as practice and partner want it; says whether months are counted.
    fn queue(
        &self,
        touched: &Touched,
        earlier: &HashMap<String, PushRow>,
        batch: &mut Batch,
    ) -> bool {
        let source = self
            .run
            .source_at(touched.leg.source)
            .map(|place| &self.run.sources[place].config);
        let Some(source) = source else {
            return false;
        };
        let volume = source.push.volume.narrower(self.partner.push.volume);
        let off = volume == Volume::Off || source.push.to == crate::config::PushTo::Off;
        let mut attended = touched
            .known
            .iter()
            .any(|event| event.kind == EventKind::Attendance && !event.withdrawn);
        for (kept, row) in &touched.fresh {
            let Some(kind) = Some(row.kind).filter(|kind| kind.observed()) else {
                continue;
            };
            let first = kind == EventKind::Attendance && !std::mem::replace(&mut attended, true);
            let kind_of_write = match earlier.get(&kept.identifier) {
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
            // What a person's death, label or word says against it is asked before each write (`watch::hold_back`).
            let (state, reason) = if wanted && !off {
                (PushState::Queued, None)
            } else {
                (PushState::Off, Some(Reason::PushOff))
            };
            let push = PushRow {
                event: row.id,
                leg: row.leg,
                source: touched.leg.source,
                kind: kind_of_write,
                state,
                attempts: 0,
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
        let measures: Vec<&StoredEvent> = touched
            .known
            .iter()
            .chain(touched.fresh.iter().map(|(kept, _)| kept))
            .filter(|event| event.kind == EventKind::Measure && !event.withdrawn)
            .collect();
        for (follow_up, _) in touched
            .fresh
            .iter()
            // A fact stands alone and cannot be found again: of a corrected measure the first one stays.
            .filter(|(kept, _)| kept.occasion() == Some(Occasion::FollowUp) && kept.revision == 0)
        {
            let baseline = measures
                .iter()
                .filter(|event| {
                    event.occasion() == Some(Occasion::Baseline)
                        && event.instrument == follow_up.instrument
                        && event.on <= follow_up.on
                })
                .min_by_key(|event| event.on);
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
                    issue: month_number(self.run.today()),
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
