//! Sends the writes of one leg: together where the server takes transactions, else Observations before Task.
//!
//! In: a unit whose writes are claimed. Out: what became of each. Keeps: nothing is sent twice without a look-up in between;
//! only what is proven counts as stored; an entry that is there several times is touched by nobody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Unit, Write, task_sync};
use crate::domain::{Reason, limits};
use crate::fhir::client::Client;
use crate::fhir::client::create::{Created, WriteFailure};
use crate::fhir::client::lookup::FoundResource;
use crate::fhir::client::transaction::{ENTRIES_MAX, PartAnswer, TransactionPart, WriteCondition};
use crate::fhir::resources::correction::WrittenObservation;
use crate::fhir::resources::edit::Edit;
use crate::fhir::resources::{observation, task};
use crate::store::rows::{MirrorKind, PushKind, PushRow, PushState};

/// The wait before a write that never left is tried again, doubled each time.
const BACKOFF: Duration = Duration::from_millis(100);
/// The longest wait for a server that asks for one; a longer one is the next run's.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is on the server, under this id; whether this call made a difference.
    Done {
        id: String,
        new: bool,
    },
    /// There is nothing on the server to take back.
    Nothing,
    /// Nobody knows: to be looked up.
    Lost,
    /// The same, by the server's own word that it waited for the write in vain.
    TimedOut,
    /// It never left, or was not looked at.
    Later,
    /// The server lets us write nothing at all.
    Barred,
    Refused(Reason),
}

/// What became of a unit.
pub(super) struct Answers {
    /// In the order of the unit's writes.
    pub(super) writes: Vec<Outcome>,
    pub(super) task: Option<Outcome>,
}

/// How a source's server is written to.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) namespace: String,
    /// Whether it takes transactions; unlearned if it turns out not to.
    pub(super) transactions: AtomicBool,
}

/// Outcomes as they come to be known.
type Open = Vec<Option<Outcome>>;

impl Session {
    /// Sends a unit.
    pub(super) async fn send(&self, unit: &Unit) -> Answers {
        let mut open: Open = vec![None; unit.writes.len()];
        cancel_out(unit, &mut open);
        if unit.look_first {
            self.look_up(unit, &mut open).await;
        }
        let mut told = None;
        let waiting = creates(unit, &open);
        let alone = waiting.len() + usize::from(unit.task.is_some()) < 2 || waiting.is_empty();
        if !alone && self.transactions.load(Ordering::Relaxed) {
            told = self.transact(unit, &mut open).await;
        }
        for index in creates(unit, &open) {
            open[index] = Some(self.create(unit, &unit.writes[index]).await);
        }
        for (index, write) in unit.writes.iter().enumerate() {
            if open[index].is_none() {
                let earlier = Earlier::of(unit, index, &open);
                open[index] = Some(self.correct(unit, write, earlier).await);
            }
        }
        let writes: Vec<Outcome> = open
            .into_iter()
            .map(|outcome| outcome.unwrap_or(Outcome::Later))
            .collect();
        let task = match (&unit.task, told) {
            (None, _) => None,
            (Some(_), Some(told)) => Some(told),
            (Some(task), None) => Some(self.tell(unit, task, &writes).await),
        };
        Answers { writes, task }
    }

    fn system(&self) -> String {
        observation::identifier_system(&self.namespace)
    }

    /// Finds which of the entries not yet settled are on the server.
    async fn look_up(&self, unit: &Unit, open: &mut Open) {
        let waiting = creates(unit, open);
        let values: Vec<&str> = waiting
            .iter()
            .map(|index| unit.writes[*index].event.identifier.as_str())
            .collect();
        let found = self
            .client
            .find_all("Observation", &self.system(), &values)
            .await;
        for (index, value) in waiting.into_iter().zip(&values) {
            open[index] = match &found {
                Ok(found) => found.get(*value).map(|found| only(found, unit)),
                Err(error) if error.bars() => Some(Outcome::Barred),
                Err(_) => Some(Outcome::Lost),
            };
        }
    }

    /// Sends what is new in transactions, and says what became of the Task if it was in one.
    async fn transact(&self, unit: &Unit, open: &mut Open) -> Option<Outcome> {
        let waiting = creates(unit, open);
        let chunks: Vec<&[usize]> = waiting.chunks(ENTRIES_MAX - 1).collect();
        let last = chunks.len();
        let mut told = None;
        for (number, chunk) in (1..).zip(chunks) {
            let unsettled = chunk.iter().copied().filter(|index| open[*index].is_none());
            let chunk: &[usize] = &unsettled.collect::<Vec<_>>();
            let mut parts: Vec<TransactionPart> = chunk
                .iter()
                .map(|index| self.part(&unit.writes[*index]))
                .collect();
            if number == last && !has_corrections(unit) {
                parts.extend(self.task_part(unit, open, chunk).await);
            }
            if parts.len() < 2 {
                return None;
            }
            let answer = patiently(|| self.client.transact(&parts)).await;
            let task = parts.get(chunk.len()).map(|task| of_task(task, &answer));
            self.settle(unit, open, chunk, answer).await;
            told = task.flatten();
        }
        told
    }

    /// Takes what a transaction's answer proves, and looks the rest up.
    async fn settle(
        &self,
        unit: &Unit,
        open: &mut Open,
        chunk: &[usize],
        answer: Result<Vec<PartAnswer>, WriteFailure>,
    ) {
        let answers = match answer {
            Ok(answers) => answers,
            Err(failure) => {
                let all = match failure {
                    WriteFailure::AnswerLost => Some(Outcome::Lost),
                    WriteFailure::TimedOut => Some(Outcome::TimedOut),
                    WriteFailure::Transient { .. } => Some(Outcome::Later),
                    // No such door, or not for us: a token may let us write Observations and still not a whole Bundle.
                    WriteFailure::Barred
                    | WriteFailure::Refused {
                        status: 404 | 405 | 501,
                        ..
                    } => {
                        self.transactions.store(false, Ordering::Relaxed);
                        None
                    }
                    _ => None,
                };
                for index in chunk {
                    open[*index].clone_from(&all);
                }
                // A weak server may have stored some of what it refused: what is there is not sent again.
                if all.is_none() {
                    self.look_up(unit, open).await;
                }
                return;
            }
        };
        for (index, answer) in chunk.iter().zip(&answers) {
            match answer {
                PartAnswer::Confirmed(created) => open[*index] = Some(done(created.clone())),
                PartAnswer::NotOurs => open[*index] = Some(failed(&WriteFailure::NotOurs)),
                PartAnswer::Refused(_) | PartAnswer::Named(_) | PartAnswer::Unproven => {}
            }
        }
        self.look_up(unit, open).await;
        for (index, answer) in chunk.iter().zip(&answers) {
            // Not confirmed, not refused and not to be found: it may still appear.
            if open[*index].is_none() && !matches!(answer, PartAnswer::Refused(_)) {
                open[*index] = Some(Outcome::Lost);
            }
        }
    }

    fn part(&self, write: &Write) -> TransactionPart {
        TransactionPart {
            resource_type: "Observation",
            body: write.body.clone(),
            full_url: full_url(write),
            how: WriteCondition::Create(self.system(), write.event.identifier.clone()),
        }
    }

    /// The Task within the transaction: new, or changed under the version that it has now.
    async fn task_part(
        &self,
        unit: &Unit,
        open: &Open,
        chunk: &[usize],
    ) -> Option<TransactionPart> {
        let task = unit
            .task
            .as_ref()
            .filter(|task| task.kind == MirrorKind::Task)?;
        // One that may be there already is looked up, not sent along.
        if task.server_id.is_none() && (unit.look_first || task.row.attempts > 1) {
            return None;
        }
        let mut input = task.input.clone();
        if input.status.code == "completed" {
            let here = chunk.iter().map(|index| full_url(&unit.writes[*index]));
            input.outputs.extend(known(open));
            input.outputs.extend(here);
        }
        let full_url = format!("urn:uuid:{}", input.identifier);
        let (body, how) = match &task.server_id {
            None => (
                task::build(&input),
                WriteCondition::Create(
                    task::identifier_system(&self.namespace),
                    input.identifier.clone(),
                ),
            ),
            Some(id) => {
                let found = self.client.read_versioned("Task", id).await.ok()??;
                let Edit::To(body) = task::updated(&found.body, &input) else {
                    return None;
                };
                (body, WriteCondition::Update(id.clone(), found.version?))
            }
        };
        Some(TransactionPart {
            resource_type: "Task",
            body,
            full_url,
            how,
        })
    }

    /// Stores one new Observation.
    async fn create(&self, unit: &Unit, write: &Write) -> Outcome {
        let (system, value) = (self.system(), &write.event.identifier);
        let created = patiently(|| {
            self.client
                .create_once("Observation", &write.body, &system, value)
        })
        .await;
        match created {
            Ok(created) => done(created),
            Err(WriteFailure::Duplicate) => {
                self.conflict(unit, "Observation", &system, value).await
            }
            Err(failure) => failed(&failure),
        }
    }

    /// What a conflict is about: the entry is there once, or several times, or another write of it is under way.
    async fn conflict(
        &self,
        unit: &Unit,
        resource_type: &str,
        system: &str,
        value: &str,
    ) -> Outcome {
        match self.client.find_all(resource_type, system, &[value]).await {
            Ok(found) => found
                .get(value)
                .map_or(Outcome::Lost, |found| only(found, unit)),
            Err(_) => Outcome::Lost,
        }
    }

    /// Amends an Observation, or marks it as entered in error, after what became of the earlier writes of the entry.
    async fn correct(&self, unit: &Unit, write: &Write, earlier: Earlier) -> Outcome {
        let (system, value) = (self.system(), write.event.identifier.as_str());
        let known = match earlier {
            Earlier::Waits => return Outcome::Later,
            Earlier::NotOurs(reason) => return Outcome::Refused(reason),
            Earlier::Here(ref id) => Some(id),
            Earlier::Lost | Earlier::Settled => None,
        };
        let id = if let Some(id) = known.or(write.server_id.as_ref()) {
            id.clone()
        } else {
            match self.client.find_all("Observation", &system, &[value]).await {
                Err(error) if error.bars() => return Outcome::Barred,
                Err(_) => return Outcome::Later,
                Ok(found) => match found.get(value).map(|found| only(found, unit)) {
                    Some(Outcome::Done { id, .. }) => id,
                    Some(several) => return several,
                    // What was lost may still appear: that it is not there yet proves nothing.
                    None if matches!(earlier, Earlier::Lost) => return Outcome::Lost,
                    None if write.row.kind == PushKind::Withdraw => return Outcome::Nothing,
                    None => return self.create(unit, write).await,
                },
            }
        };
        let written = WrittenObservation {
            system: &system,
            value,
            patient: &unit.about.patient,
        };
        let edit = |theirs: &[u8]| match write.row.kind {
            PushKind::Withdraw => written.withdrawn(theirs),
            PushKind::Create | PushKind::Amend => written.amended(theirs, &write.body),
        };
        match patiently(|| self.client.change("Observation", &id, &edit)).await {
            Ok(new) => Outcome::Done { id, new },
            Err(WriteFailure::Unchangeable) => Outcome::Refused(Reason::Correction),
            Err(failure) => failed(&failure),
        }
    }

    /// Tells of a leg after its Observations: nothing while one of them is not settled.
    async fn tell(&self, unit: &Unit, task: &task_sync::Task, writes: &[Outcome]) -> Outcome {
        if writes.contains(&Outcome::Barred) {
            return Outcome::Barred;
        }
        if writes
            .iter()
            .any(|outcome| matches!(outcome, Outcome::Lost | Outcome::TimedOut | Outcome::Later))
        {
            return Outcome::Later;
        }
        if task.kind == MirrorKind::Request {
            let id = unit.about.service_request.as_str();
            let edit = |theirs: &[u8]| task::completed_request(theirs, id);
            return self.changed("ServiceRequest", id, &edit).await;
        }
        let mut input = task.input.clone();
        if input.status.code == "completed" {
            let mut fresh = known(&writes.iter().cloned().map(Some).collect());
            fresh.retain(|name| !input.outputs.contains(name));
            input.outputs.extend(fresh);
        }
        let edit = |theirs: &[u8]| task::updated(theirs, &input);
        if let Some(id) = &task.server_id {
            return self.changed("Task", id, &edit).await;
        }
        let system = task::identifier_system(&self.namespace);
        let value = &input.identifier;
        // It is looked up first: its last answer may have been lost, and it may say something else by now.
        let id = match self.client.find_all("Task", &system, &[value]).await {
            Err(error) if error.bars() => return Outcome::Barred,
            Err(_) => return Outcome::Later,
            Ok(found) => found.get(value).map(|found| only(found, unit)),
        };
        match id {
            Some(Outcome::Done { id, .. }) => return self.changed("Task", &id, &edit).await,
            Some(several) => return several,
            None => {}
        }
        let body = task::build(&input);
        let created = patiently(|| self.client.create_once("Task", &body, &system, value)).await;
        match created {
            Ok(created) if created.new => done(created),
            Ok(created) => self.changed("Task", &created.id, &edit).await,
            Err(WriteFailure::Duplicate) => self.conflict(unit, "Task", &system, value).await,
            Err(failure) => failed(&failure),
        }
    }

    async fn changed(
        &self,
        resource_type: &str,
        id: &str,
        edit: &(dyn Fn(&[u8]) -> Edit + Sync),
    ) -> Outcome {
        match patiently(|| self.client.change(resource_type, id, edit)).await {
            Ok(new) => Outcome::Done {
                id: id.to_owned(),
                new,
            },
            Err(failure) => failed(&failure),
        }
    }
}

/// What became of a Task by the answer to the transaction that it was the last part of; none where it is still to be told.
fn of_task(
    task: &TransactionPart,
    answer: &Result<Vec<PartAnswer>, WriteFailure>,
) -> Option<Outcome> {
    let answer = match answer {
        Ok(answers) => answers.last()?,
        Err(WriteFailure::AnswerLost | WriteFailure::TimedOut) => &PartAnswer::Unproven,
        Err(_) => return None,
    };
    match (answer, &task.how) {
        // One that was there already has not been changed by this.
        (PartAnswer::Confirmed(created), _) if created.new => Some(done(created.clone())),
        // It may still appear, so it is not made once more.
        (PartAnswer::Unproven | PartAnswer::Named(_), WriteCondition::Create(..)) => {
            Some(Outcome::Lost)
        }
        (PartAnswer::NotOurs, _) => Some(failed(&WriteFailure::NotOurs)),
        _ => None,
    }
}

/// Repeats a write that never left, a few times; one that may have left is never repeated.
async fn patiently<T, F: Future<Output = Result<T, WriteFailure>>>(
    mut write: impl FnMut() -> F,
) -> Result<T, WriteFailure> {
    let mut tries = 0;
    loop {
        let failure = match write().await {
            Err(WriteFailure::Transient { retry_after }) => retry_after,
            answered => return answered,
        };
        let wait = failure.unwrap_or(BACKOFF * 2_u32.pow(tries));
        tries += 1;
        if tries >= limits::UNSENT_TRIES || wait > WAIT_MAX {
            return Err(WriteFailure::Transient {
                retry_after: failure,
            });
        }
        tokio::time::sleep(wait).await;
    }
}

/// What became of the writes of an entry that went before a correction of it.
enum Earlier {
    /// Nothing more may become of any.
    Settled,
    /// One of them says where the entry is.
    Here(String),
    /// The server's entry is not ours: what was so held is not sent again by a correction.
    NotOurs(Reason),
    /// The entry was sent, and may still arrive.
    Lost,
    /// One of them is still to be sent. Sent after this one, it would put an older word in its place.
    Waits,
}

impl Earlier {
    /// Of the write of a unit at this place, as far as outcomes are known.
    fn of(unit: &Unit, place: usize, open: &Open) -> Self {
        let (mut earlier, write) = (Self::Settled, &unit.writes[place]);
        let before = &unit.writes[..place];
        let elsewhere = |row: &&PushRow| before.iter().all(|one| one.row.event != row.event);
        for row in write.before.iter().filter(elsewhere) {
            let sent = matches!(row.state, PushState::Sending | PushState::AnswerLost);
            if !sent || row.kind != PushKind::Create {
                return Self::Waits;
            }
            earlier = Self::Lost;
        }
        for (one, outcome) in before.iter().zip(open) {
            if one.event.identifier != write.event.identifier {
                continue;
            }
            match outcome {
                Some(Outcome::Done { id, .. }) => earlier = Self::Here(id.clone()),
                Some(Outcome::Refused(
                    reason @ (Reason::IdentityChanged | Reason::DuplicateEntry),
                )) => return Self::NotOurs(*reason),
                Some(Outcome::Nothing | Outcome::Refused(_)) => {}
                Some(Outcome::Lost | Outcome::TimedOut) if one.row.kind == PushKind::Create => {
                    earlier = Self::Lost;
                }
                _ => return Self::Waits,
            }
        }
        earlier
    }
}

/// An entry that is taken back before it was ever sent needs neither write.
fn cancel_out(unit: &Unit, open: &mut Open) {
    for (back, withdrawal) in unit.writes.iter().enumerate() {
        if withdrawal.row.kind != PushKind::Withdraw {
            continue;
        }
        let earlier = &unit.writes[..back];
        let first = earlier.iter().find(|write| {
            write.event.identifier == withdrawal.event.identifier
                && write.row.kind == PushKind::Create
        });
        // The claim was its first attempt.
        if first.is_none_or(|first| first.row.attempts > 1) {
            continue;
        }
        for (index, write) in earlier.iter().enumerate() {
            if write.event.identifier == withdrawal.event.identifier {
                open[index] = Some(Outcome::Nothing);
            }
        }
    }
}

/// New entries that are not settled yet.
fn creates(unit: &Unit, open: &Open) -> Vec<usize> {
    (0..unit.writes.len())
        .filter(|index| open[*index].is_none() && unit.writes[*index].row.kind == PushKind::Create)
        .collect()
}

fn has_corrections(unit: &Unit) -> bool {
    unit.writes
        .iter()
        .any(|write| write.row.kind != PushKind::Create)
}

/// References to what is known to be on the server.
fn known(open: &Open) -> Vec<String> {
    let mut names = Vec::new();
    for outcome in open.iter().flatten() {
        if let Outcome::Done { id, .. } = outcome {
            let name = format!("Observation/{id}");
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn full_url(write: &Write) -> String {
    format!("urn:uuid:{}", write.event.identifier)
}

fn done(created: Created) -> Outcome {
    Outcome::Done {
        id: created.id,
        new: created.new,
    }
}

/// What was found by an identifier of ours: it confirms nothing unless it is about the unit's person.
fn only(found: &[FoundResource], unit: &Unit) -> Outcome {
    match found {
        [one] if one.person == Some(format!("Patient/{}", unit.about.patient)) => Outcome::Done {
            id: one.id.clone(),
            new: false,
        },
        [_] => Outcome::Refused(Reason::IdentityChanged),
        _ => Outcome::Refused(Reason::DuplicateEntry),
    }
}

fn failed(failure: &WriteFailure) -> Outcome {
    match failure {
        WriteFailure::AnswerLost => Outcome::Lost,
        WriteFailure::TimedOut => Outcome::TimedOut,
        WriteFailure::Transient { .. } | WriteFailure::Duplicate => Outcome::Later,
        WriteFailure::Barred => Outcome::Barred,
        WriteFailure::Refused { .. } | WriteFailure::Unchangeable => {
            Outcome::Refused(Reason::Refused)
        }
        WriteFailure::Missing => Outcome::Refused(Reason::SourceGone),
        WriteFailure::NotOurs => Outcome::Refused(Reason::IdentityChanged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_write_that_never_left_is_tried_so_many_times() {
        for (needed, done) in [
            (limits::UNSENT_TRIES, true),
            (limits::UNSENT_TRIES + 1, false),
        ] {
            let mut tried = 0;
            let answered = patiently(|| {
                tried += 1;
                std::future::ready(if tried < needed {
                    let retry_after = Some(Duration::ZERO);
                    Err(WriteFailure::Transient { retry_after })
                } else {
                    Ok(())
                })
            });
            assert_eq!(answered.await.is_ok(), done, "the write number {needed}");
        }
    }
}
