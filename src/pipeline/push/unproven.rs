//! What was lost so lately that a look-up which finds nothing proves nothing (`fhir.md` §4).
//!
//! In: units about to be claimed for a server that makes no promise of `If-None-Exist`. Out: those that may be sent. Keeps: for
//! [`limits::LOST_UNPROVEN_SECONDS`] after a lost answer an entry is sent again only under `If-None-Exist`; until then it is
//! looked up, and waits as it is if it is not there. A claim whose run died may have left at that run's last moment, so its time
//! begins when it is found.

use std::collections::HashSet;

use super::record_writes::Ended;
use super::send::Session;
use super::{Unit, Write, task_sync};
use crate::domain::{Disposition, EventId, Instant, LegId, Reason, StrandId, limits};
use crate::fhir::resources::{observation, task};
use crate::pipeline::run::LedgerAccess;
use crate::store::rows::{LedgerRow, MirrorKind, PushKind, PushState};
use crate::store::{Body, StoreError};

/// Rows of the ledger at a time.
const PAGE: i64 = 2_000;

/// What a server heeds `If-None-Exist` of: then nothing of the type need wait.
#[derive(Clone, Copy)]
pub(super) struct Heeds {
    pub(super) observations: bool,
    pub(super) tasks: bool,
}

/// What was set aside.
#[derive(Default)]
pub(super) struct SetAside {
    /// Claims of a run that died: from now on their answers count as lost.
    pub(super) writes: Vec<Ended>,
    pub(super) told: Vec<task_sync::Told>,
    /// Entries that wait until their absence proves something.
    pub(super) waiting: usize,
}

/// Sets aside what was lost lately and is not on the server; the rest may be claimed.
///
/// # Errors
/// The store failed. A look-up that fails finds nothing.
pub(super) async fn set_aside(
    ledger: &LedgerAccess,
    strand: StrandId,
    session: &Session,
    heeds: Heeds,
    units: &mut [Unit],
) -> Result<SetAside, StoreError> {
    let mut aside = SetAside::default();
    let tried = |unit: &Unit| {
        (!heeds.observations && unit.writes.iter().any(may_be_made))
            || (!heeds.tasks && unit.task.as_ref().is_some_and(may_be_told))
    };
    if !units.iter().any(tried) {
        return Ok(aside);
    }
    let lately = LostLately::of(ledger, strand).await?;
    for unit in units {
        let lost = |write: &Write| {
            let died = write.row.state == PushState::Sending;
            may_be_made(write) && (died || lately.writes.contains(&write.row.event))
        };
        if !heeds.observations && unit.writes.iter().any(lost) {
            let system = observation::identifier_system(&session.namespace);
            let values = unit.writes.iter().filter(|write| lost(write));
            let values: Vec<&str> = values
                .map(|write| write.event.identifier.as_str())
                .collect();
            let found = session.client.find_all("Observation", &system, &values);
            let found = found.await.unwrap_or_default();
            let absent = |write: &mut Write| {
                lost(write) && !found.contains_key(write.event.identifier.as_str())
            };
            for write in unit.writes.extract_if(.., absent) {
                aside.waiting += 1;
                // The leg's Task comes after its entries.
                unit.task = None;
                if write.row.state == PushState::Sending {
                    let lost = (Disposition::Held, Reason::AnswerLost);
                    let ended = Ended::unsent(write.row, PushState::AnswerLost, lost);
                    aside.writes.push(ended);
                }
            }
        }
        let died = |told: &task_sync::Task| told.row.state == PushState::Sending;
        let lost = |told: &task_sync::Task| {
            may_be_told(told) && (died(told) || lately.tasks.contains(&told.row.leg))
        };
        if let Some(told) = unit.task.take_if(|told| !heeds.tasks && lost(told)) {
            let system = task::identifier_system(&session.namespace);
            let value = told.input.identifier.as_str();
            let found = session.client.find_all("Task", &system, &[value]).await;
            if found.is_ok_and(|found| found.contains_key(value)) {
                unit.task = Some(told);
                continue;
            }
            aside.waiting += 1;
            if died(&told) {
                aside.told.push(task_sync::lost(&told));
            }
        }
    }
    Ok(aside)
}

/// Whether sending a write may make an entry that an earlier try has made.
fn may_be_made(write: &Write) -> bool {
    write.row.attempts > 0 && write.server_id.is_none() && write.row.kind != PushKind::Withdraw
}

/// The same of a Task.
fn may_be_told(told: &task_sync::Task) -> bool {
    told.row.attempts > 0 && told.server_id.is_none() && told.kind == MirrorKind::Task
}

/// Entries and legs whose answer was lost within [`limits::LOST_UNPROVEN_SECONDS`].
#[derive(Debug, Default, PartialEq, Eq)]
struct LostLately {
    writes: HashSet<EventId>,
    tasks: HashSet<LegId>,
}

impl LostLately {
    /// As the last rows of a source's strand say.
    async fn of(ledger: &LedgerAccess, strand: StrandId) -> Result<Self, StoreError> {
        let since = ledger.now().plus_seconds(-limits::LOST_UNPROVEN_SECONDS);
        let strands = ledger.store.strands().await?;
        let own = strands.iter().find(|known| known.id == strand);
        let mut end = own.map_or(0, |known| known.seq);
        let mut lost = Self::default();
        while end > 0 {
            let after = (end - PAGE).max(0);
            let rows = ledger.store.ledger(strand, after, end - after).await?;
            for row in rows.iter().rev() {
                if !lost.take(row, since) {
                    return Ok(lost);
                }
            }
            end = after;
        }
        Ok(lost)
    }

    /// Takes a row in; says whether it is not older than all that matters.
    fn take(&mut self, row: &LedgerRow, since: Instant) -> bool {
        if Instant(row.at) <= since {
            return false;
        }
        match row.body() {
            Some(Body::Pushed {
                state: PushState::AnswerLost,
                reason: Some(Reason::AnswerLost),
                ..
            }) => {
                self.writes.insert(EventId::new(row.subject));
            }
            Some(Body::Mirrored { told })
                if (told.kind, told.state) == (MirrorKind::Task, PushState::AnswerLost) =>
            {
                self.tasks.insert(LegId::new(row.subject));
            }
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::body::MirrorBody;
    use crate::store::rows::{MirrorRow, Unanswered};

    const NOW: Instant = Instant(1_000_000_000_000_000);

    fn row(subject: i64, seconds_ago: i64, body: &Body) -> LedgerRow {
        LedgerRow {
            strand: StrandId::new(1),
            seq: 1,
            at: NOW.plus_seconds(-seconds_ago).0,
            kind: body.kind().number(),
            subject,
            body: body.to_json(),
            hash: [0; 32],
        }
    }

    fn pushed(state: PushState, reason: Reason) -> Body {
        Body::Pushed {
            state,
            attempts: 1,
            lost: 1,
            timed_out: 0,
            reason: Some(reason),
            server_id: None,
        }
    }

    fn mirrored(kind: MirrorKind, state: PushState) -> Body {
        let told = MirrorBody::from(&MirrorRow {
            leg: LegId::new(5),
            kind,
            source: StrandId::new(1),
            state,
            attempts: 1,
            unanswered: Unanswered::default(),
            last_status: 0,
            server_id: None,
        });
        Body::Mirrored { told }
    }

    fn lost_of(rows: &[LedgerRow]) -> LostLately {
        let since = NOW.plus_seconds(-limits::LOST_UNPROVEN_SECONDS);
        let mut lost = LostLately::default();
        for row in rows {
            lost.take(row, since);
        }
        lost
    }

    #[test]
    fn an_answer_counts_as_lost_lately_for_two_minutes_and_no_longer() {
        let lost = pushed(PushState::AnswerLost, Reason::AnswerLost);
        let task = mirrored(MirrorKind::Task, PushState::AnswerLost);
        for (seconds, lately) in [
            (0, true),
            (limits::LOST_UNPROVEN_SECONDS - 1, true),
            (limits::LOST_UNPROVEN_SECONDS, false),
            (limits::LOST_UNPROVEN_SECONDS + 1, false),
        ] {
            let found = lost_of(&[row(3, seconds, &lost), row(5, seconds, &task)]);
            assert_eq!(found.writes.contains(&EventId::new(3)), lately, "{seconds}");
            assert_eq!(found.tasks.contains(&LegId::new(5)), lately, "{seconds}");
        }
    }

    #[test]
    fn what_was_never_sent_and_what_was_refused_was_not_lost() {
        let rows = [
            pushed(PushState::Queued, Reason::Unreachable),
            pushed(PushState::AnswerLost, Reason::Unreachable),
            pushed(PushState::Refused, Reason::Refused),
            Body::Pushing { attempts: 1 },
            mirrored(MirrorKind::Task, PushState::Queued),
            mirrored(MirrorKind::Request, PushState::AnswerLost),
        ];
        let rows = rows.map(|body| row(3, 1, &body));
        assert_eq!(lost_of(&rows), LostLately::default());
    }
}
