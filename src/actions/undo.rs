//! *undo*: takes back what one return told, as if the partner had never sent it.
//!
//! In: a return that was taken. Out: a new word on each event that it told, and the writes that put the record right. Keeps:
//! other files' words stand; a leg that has ended stays ended, and its practice is asked; done twice is done once.

use std::collections::HashMap;

use super::Actor;
use crate::domain::entropy::Stream;
use crate::domain::{EventId, EventKind, LegId, LegState, Owner, Reason, ReturnId, Stage};
use crate::pipeline::event::{StoredEvent, event_lookup, event_spot, name_spot, numbered};
use crate::pipeline::run::{Env, HeldLease, Ids, LedgerAccess};
use crate::seal::{HolderKey, Spot, merkle_root};
use crate::store::body::SignedAct;
use crate::store::hash_chain::event_leaf;
use crate::store::rows::{EventRow, Leg, PushKind, PushRow, PushState, ReturnFile};
use crate::store::{Batch, Body, Entry, LeaseStage, NewHold};

/// State of a return that was undone.
const UNDONE: i64 = 3;

/// Returns, and rows of one, read at a time.
const PAGE: i64 = 5_000;

/// What was undone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Undone {
    /// Events that no longer stand as that return told them.
    pub(crate) events: usize,
    /// Entries in the record to be put right with the next push.
    pub(crate) writes: usize,
    /// Referrals that the return had ended: their practice is asked.
    pub(crate) asked: usize,
}

/// Ids of the returns that came under this name, oldest first.
///
/// # Errors
/// The store failed, or a sealed value does not open.
async fn named(ledger: &LedgerAccess, name: &str) -> anyhow::Result<Vec<ReturnId>> {
    let mut ids = Vec::new();
    let mut after = ReturnId::NONE;
    loop {
        let files = ledger.store.return_files(after, PAGE).await?;
        let Some(last) = files.last() else {
            return Ok(ids);
        };
        after = last.id;
        let holders = files.iter().map(|file| file.holder).collect();
        let keys = ledger.holder_keys(holders).await?;
        for file in files {
            let Some(key) = keys.get(&file.holder) else {
                continue;
            };
            let spot = name_spot(file.id, file.holder);
            if key.open(spot, &file.sealed_name)? == name.as_bytes() {
                ids.push(file.id);
            }
        }
    }
}

/// The number of the return that is meant: by its number, or by the name under which it came.
///
/// # Errors
/// None came under this name, or several; the store failed, or a sealed value does not open.
pub(crate) async fn which(ledger: &LedgerAccess, said: &str) -> anyhow::Result<ReturnId> {
    if let Ok(id) = said.parse() {
        return Ok(ReturnId::new(id));
    }
    match named(ledger, said).await?.as_slice() {
        [] => anyhow::bail!("no return came under this name"),
        [id] => Ok(*id),
        several => {
            let numbers: Vec<String> = several.iter().map(ToString::to_string).collect();
            anyhow::bail!(
                "several returns came under this name: say which by its number, {}",
                numbers.join(", ")
            )
        }
    }
}

/// Takes back what a return told; `None` where there is no such return.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn undo(
    env: &Env,
    return_id: ReturnId,
    actor: &Actor,
) -> anyhow::Result<Option<Undone>> {
    let before = ReturnId::new(return_id.number().saturating_sub(1));
    let found = env.store.return_files(before, 1).await?.pop();
    let Some(file) = found.filter(|file| file.id == return_id) else {
        return Ok(None);
    };
    // What a partner's returns tell is changed by one at a time: a person, or a run that collects.
    let lease = env.short_lease(LeaseStage::Collect, file.sender).await?;
    let undone = undo_under(env, &lease, &file, actor).await;
    lease.give_back().await?;
    undone.map(Some)
}

async fn undo_under(
    env: &Env,
    lease: &HeldLease,
    file: &ReturnFile,
    actor: &Actor,
) -> anyhow::Result<Undone> {
    let mut legs: Vec<LegId> = Vec::new();
    let mut after = 0;
    loop {
        let rows = env.store.return_rows(file.id, after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.row;
        legs.extend(rows.iter().map(|row| row.leg).filter(|leg| leg.is_some()));
    }
    legs.sort_unstable();
    legs.dedup();
    let legs = env.store.legs(legs).await?;
    let persons = legs.iter().map(|leg| leg.now.person).collect();
    let keys = env.holder_keys(persons).await?;
    let mut undoing = Undoing {
        env,
        file,
        batch: lease.batch(env.now()),
        stream: env.stream(),
        done: Undone::default(),
    };
    for leg in legs {
        if let Some(key) = keys.get(&leg.now.person) {
            undoing.leg(&leg, key).await?;
        }
    }
    undoing.commit(actor).await
}

struct Undoing<'e> {
    env: &'e Env,
    file: &'e ReturnFile,
    batch: Batch,
    stream: Stream,
    done: Undone,
}

impl Undoing<'_> {
    /// Takes back what the return told of one leg.
    async fn leg(&mut self, leg: &Leg, key: &HolderKey) -> anyhow::Result<()> {
        let told: HashMap<EventId, ReturnId> = self
            .env
            .store
            .events_of_legs(vec![leg.id])
            .await?
            .iter()
            .map(|row| (row.id, row.return_id))
            .collect();
        let words = numbered(self.env, leg.id).await?;
        let ours = |id: &EventId| told.get(id) == Some(&self.file.id);
        let mut takes = Vec::new();
        let counts = recounted(&words, &ours);
        let single = |word: &StoredEvent| word.kind != EventKind::Count;
        for (id, word) in words.iter().filter(|(id, word)| ours(id) && single(word)) {
            let same = |other: &&(EventId, StoredEvent)| other.1.identifier == word.identifier;
            let newest = words.iter().filter(same).max_by_key(|one| one.1.revision);
            // What was corrected or taken back since by another file stands as that file says.
            if newest.is_none_or(|newest| newest.0 != *id) || word.withdrawn {
                continue;
            }
            let before = words
                .iter()
                .filter(same)
                .filter(|one| !ours(&one.0))
                .max_by_key(|one| one.1.revision);
            takes.push((*id, word.clone(), before.map(|one| one.1.clone())));
        }
        if takes.is_empty() {
            return Ok(());
        }
        let ids = self
            .env
            .ids
            .take(
                &*self.env.store,
                self.file.sender,
                i64::try_from(takes.len() + counts.len()).unwrap_or(i64::MAX),
            )
            .await?;
        let earlier = self
            .env
            .store
            .pushes_of_events(
                takes
                    .iter()
                    .map(|take| take.0)
                    .chain(counts.iter().map(|count| count.0))
                    .collect(),
            )
            .await?;
        for (id, count) in counts {
            let row = earlier.iter().find(|row| row.event == id);
            let again = count.clone().revising(&count);
            self.say(leg, key, &again, row, &ids);
        }
        let mut ended = false;
        for (id, word, before) in takes {
            ended |= word.state().is_some_and(LegState::terminal);
            let row = earlier.iter().find(|row| row.event == id);
            self.take(leg, key, (&word, before), row, &ids);
        }
        if ended && leg.now.state.terminal() {
            self.ask(leg);
        }
        Ok(())
    }

    /// Writes the new word on one event: taken back, or as it was told before that return.
    fn take(
        &mut self,
        leg: &Leg,
        key: &HolderKey,
        (word, before): (&StoredEvent, Option<StoredEvent>),
        written: Option<&PushRow>,
        ids: &Ids,
    ) {
        let now = match before.filter(|before| !before.withdrawn) {
            Some(before) => before.revising(word),
            None => word.taken_back(self.env.now()),
        };
        self.say(leg, key, &now, written, ids);
    }

    /// Writes a new word on an event.
    fn say(
        &mut self,
        leg: &Leg,
        key: &HolderKey,
        now: &StoredEvent,
        written: Option<&PushRow>,
        ids: &Ids,
    ) {
        let (id, holder) = (ids.next(), leg.now.person);
        let plain = serde_json::to_vec(now).expect("text and numbers always are JSON");
        self.batch.events.push(EventRow {
            id,
            lookup: event_lookup(self.env, now),
            leg: leg.id,
            rev: leg.rev,
            kind: now.kind,
            return_id: ReturnId::NONE,
            row: 0,
            holder,
            sealed: key.seal(event_spot(id, holder), self.stream.bytes(), &plain),
        });
        self.done.events += 1;
        if now.kind.observed() {
            self.queue(leg, id, now, written);
        }
    }

    /// Queues what puts the record right; what never got there needs nothing.
    fn queue(&mut self, leg: &Leg, event: EventId, now: &StoredEvent, written: Option<&PushRow>) {
        let there = written.is_some_and(|row| row.state != PushState::Off);
        let (state, reason) = if there {
            self.done.writes += 1;
            (PushState::Queued, None)
        } else {
            (PushState::Off, Some(Reason::Withdrawn))
        };
        let push = PushRow {
            event,
            leg: leg.id,
            source: leg.source,
            kind: if now.withdrawn {
                PushKind::Withdraw
            } else {
                PushKind::Amend
            },
            state,
            attempts: 0,
            reason,
            due: written.map_or(0, |row| row.due),
            server_id: None,
        };
        self.batch.queue(push);
    }

    /// Asks the practice about a referral that the return had ended.
    fn ask(&mut self, leg: &Leg) {
        self.done.asked += 1;
        let hold = NewHold::new(Stage::Push, Reason::Undone).leg(leg.id);
        let hold = hold.source(leg.source).partner(self.file.sender);
        self.batch.hold(hold.row(self.file.id, 0));
    }

    async fn commit(mut self, actor: &Actor) -> anyhow::Result<Undone> {
        let env = self.env;
        if self.file.state == UNDONE && self.done == Undone::default() {
            return Ok(self.done);
        }
        let (undo, note) = {
            let ids = env.ids.take(&*env.store, self.file.sender, 2).await?;
            (ids.next(), ids.next())
        };
        for (event, row) in self.batch.events.iter_mut().zip(1..) {
            (event.return_id, event.row) = (undo, row);
        }
        let leaves: Vec<_> = self.batch.events.iter().map(event_leaf).collect();
        let root = merkle_root(&leaves).unwrap_or_default();
        let spot = Spot::new("note.sealed", note, env.key_id);
        let because = env
            .key
            .seal(spot, self.stream.bytes(), actor.because.as_bytes());
        self.batch.notes.push((note, env.key_id, because));
        let signed = Body::Signed {
            act: SignedAct::Undo,
            by: actor.name.clone(),
            owner: Owner::It,
            note,
        };
        self.batch.push(Entry::new(self.file.id, signed));
        let undone = Body::Undone {
            return_id: self.file.id,
            events: self.done.events,
            root,
        };
        self.batch.push(Entry::new(undo, undone));
        self.batch.return_states.push((self.file.id, UNDONE));
        env.store.commit(self.batch).await?;
        Ok(self.done)
    }
}

/// The counts of the months in which that return told of a visit: what they say is counted again.
fn recounted(
    words: &[(EventId, StoredEvent)],
    ours: &impl Fn(&EventId) -> bool,
) -> Vec<(EventId, StoredEvent)> {
    let mut counts: Vec<(EventId, StoredEvent)> = Vec::new();
    for (id, word) in words {
        let counted = word.kind == EventKind::Count
            && words.iter().any(|(told, visit)| {
                ours(told)
                    && visit.kind == EventKind::Attendance
                    && visit.on.map(jiff::civil::Date::first_of_month) == word.on
            });
        if !counted {
            continue;
        }
        match counts
            .iter_mut()
            .find(|known| known.1.identifier == word.identifier)
        {
            Some(known) => *known = (*id, word.clone()),
            None => counts.push((*id, word.clone())),
        }
    }
    counts
}
