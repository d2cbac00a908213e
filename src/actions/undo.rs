//! *undo*: takes back what one return told, as if the partner had never sent it.
//!
//! In: a return that was taken. Out: a new word on each event that it told, and the writes that put the record right. Keeps:
//! other files' words stand; a leg that has ended stays ended, and its practice is asked; done twice is done once. A run may
//! collect from the partner meanwhile: what either writes rests on the events that it read, and is done again if there are more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Actor, again, told_again};
use crate::domain::entropy::Stream;
use crate::domain::{
    EventId, EventKind, Instant, KeyId, LegId, LegState, Owner, Reason, ReturnId, Stage,
};
use crate::pipeline::event::{
    EarlierReturn, LegEvents, NumberedEvent, StoredEvent, event_lookup, event_spot, open_events,
    return_lookup, returns_since,
};
use crate::pipeline::run::{Env, HeldLease, Ids, LedgerAccess};
use crate::seal::{HolderKey, Spot, merkle_root, sha256};
use crate::store::body::SignedAct;
use crate::store::hash_chain::event_leaf;
use crate::store::rows::{EventRow, Leg, PushKind, PushRow, PushState, ReturnFile, Unanswered};
use crate::store::{Batch, Body, Entry, Guard, LeaseStage, NewHold, StoreError};

/// State of a return that was undone.
const UNDONE: i64 = 3;

/// Returns, and rows of one, read at a time.
const PAGE: i64 = 5_000;
/// Legs whose events are read together.
const LEGS_TOGETHER: usize = 2_000;

/// What was undone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Undone {
    /// Events that no longer stand as that return told them.
    pub(crate) events: usize,
    /// Entries in the record to be put right with the next push.
    pub(crate) writes: usize,
    /// Referrals that the return had ended: their practice is asked.
    pub(crate) asked: usize,
    /// Rows of other sheets that tell again what was taken back with it.
    pub(crate) again: usize,
}

/// Ids of the returns that came under this name, oldest first.
///
/// # Errors
/// The store failed, or a sealed value does not open.
async fn named(ledger: &LedgerAccess, name: &str) -> anyhow::Result<Vec<(ReturnId, Instant)>> {
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
            if let Some(earlier) = EarlierReturn::open(file, &keys)?
                && earlier.name == name
                && earlier.frame.of == 0
            {
                ids.push((earlier.file.id, Instant(earlier.frame.at)));
            }
        }
    }
}

/// Ids of the returns that are kept under this name by the partners' sides, known by their bytes.
///
/// # Errors
/// The store failed.
async fn kept(env: &Env, name: &str) -> anyhow::Result<Vec<ReturnId>> {
    let mut ids = Vec::new();
    for (place, partner, _) in env.each_partner() {
        let transport = &env.partners[place].transport;
        let bytes_max = env.config.limits.return_bytes_max;
        // What cannot be reached, or is too large to be read, is named by its number.
        let Ok(Some(bytes)) = transport.kept(name, bytes_max).await else {
            continue;
        };
        let lookup = return_lookup(env, &partner.id, &sha256(&[&bytes]));
        ids.extend(
            env.store
                .return_by_lookup(lookup)
                .await?
                .map(|file| file.id),
        );
    }
    Ok(ids)
}

/// The number of the return that is meant: by its number, by the name under which it is kept (`in/done`, `in/refused`), or else by that under which it
/// came.
///
/// # Errors
/// None came under this name, or several; the store failed, or a sealed value does not open.
pub(crate) async fn which(env: &Env, said: &str) -> anyhow::Result<ReturnId> {
    if let Ok(id) = said.parse() {
        return Ok(ReturnId::new(id));
    }
    if let [id] = kept(env, said).await?.as_slice() {
        return Ok(*id);
    }
    match named(env, said).await?.as_slice() {
        [] => anyhow::bail!("no return came under this name"),
        [(id, _)] => Ok(*id),
        several => {
            let told = |(id, at): &(ReturnId, Instant)| {
                format!("{id} of {}", at.london_day().strftime("%-d %B %Y"))
            };
            let numbers: Vec<String> = several.iter().map(told).collect();
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
    env: &Arc<Env>,
    return_id: ReturnId,
    actor: &Actor,
) -> anyhow::Result<Option<Undone>> {
    let before = ReturnId::new(return_id.number().saturating_sub(1));
    let found = env.store.return_files(before, 1).await?.pop();
    let Some(sender) = found
        .filter(|file| file.id == return_id)
        .map(|file| file.sender)
    else {
        return Ok(None);
    };
    // One act at a time on what a partner's returns tell; a run that collects from it goes on beside.
    let lease = env.short_lease(LeaseStage::Act, sender).await?;
    let undone = again(async || {
        let found = env.store.return_files(before, 1).await?.pop();
        let file = found.ok_or(StoreError::Corrupt("return"))?;
        undo_under(env, &lease, &file, actor).await
    });
    let undone = undone.await;
    let (mut done, legs) = lease.after(undone).await?;
    done.again = told_again::by_other_sheets(env, (sender, return_id), &legs).await?;
    Ok(Some(done))
}

async fn undo_under(
    env: &Env,
    lease: &HeldLease,
    file: &ReturnFile,
    actor: &Actor,
) -> anyhow::Result<(Undone, Vec<LegId>)> {
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
    let (mut own, mut gone) = (vec![file.id], HashSet::from([file.id]));
    for other in returns_since(env, file.sender, i64::MIN).await? {
        if other.frame.of == file.id.number() {
            own.push(other.file.id);
        }
        if other.frame.of == file.id.number() || other.file.state == UNDONE {
            gone.insert(other.file.id);
        }
    }
    let mut undoing = Undoing {
        env,
        file,
        own,
        gone,
        changed: Vec::new(),
        batch: lease.batch(env.now()),
        stream: env.stream(),
        done: Undone::default(),
    };
    for legs in legs.chunks(LEGS_TOGETHER) {
        undoing.legs(legs).await?;
    }
    let (done, changed) = undoing.commit(actor).await?;
    // Done again, what other sheets say is looked for again.
    let legs = if file.state == UNDONE { legs } else { changed };
    Ok((done, legs))
}

/// A word that is taken back, and what was told of the same before by another file.
type TakenBackWord = (EventId, StoredEvent, Option<StoredEvent>);

/// A leg of which the return told something that still stands.
struct TakenBackLeg {
    leg: Leg,
    key: HolderKey,
    /// The counts of months that are counted again.
    counts: Vec<NumberedEvent>,
    takes: Vec<TakenBackWord>,
}

struct Undoing<'e> {
    env: &'e Env,
    file: &'e ReturnFile,
    /// The return, and its rows that were judged again later.
    own: Vec<ReturnId>,
    /// These and all that were undone before.
    gone: HashSet<ReturnId>,
    /// The legs of which something stands otherwise now.
    changed: Vec<LegId>,
    batch: Batch,
    stream: Stream,
    done: Undone,
}

impl Undoing<'_> {
    /// Takes back what the return told of these legs.
    async fn legs(&mut self, legs: &[LegId]) -> anyhow::Result<()> {
        let env = self.env;
        let told = self.told(legs).await?;
        let events = told.iter().flat_map(|told| {
            let counts = told.counts.iter().map(|count| count.0);
            counts.chain(told.takes.iter().map(|take| take.0))
        });
        let events: Vec<EventId> = events.collect();
        if events.is_empty() {
            return Ok(());
        }
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let ids = env.ids.take(&*env.store, self.file.sender, count).await?;
        let written: HashMap<EventId, PushRow> = env
            .store
            .pushes_of_events(events)
            .await?
            .into_iter()
            .map(|row| (row.event, row))
            .collect();
        for TakenBackLeg {
            leg,
            key,
            counts,
            takes,
        } in told
        {
            for (id, count) in counts {
                let again = count.clone().revising(&count);
                self.say(&leg, &key, &again, written.get(&id), &ids);
            }
            let mut ended = false;
            for (id, word, before) in takes {
                ended |= word.state().is_some_and(LegState::terminal);
                self.take(&leg, &key, (&word, before), written.get(&id), &ids);
            }
            if ended && leg.now.state.terminal() {
                self.ask(&leg);
            }
        }
        Ok(())
    }

    /// What still stands of that return, leg by leg. What is written rests on there being no further events of these legs.
    async fn told(&mut self, legs: &[LegId]) -> anyhow::Result<Vec<TakenBackLeg>> {
        let env = self.env;
        let legs = env.store.legs(legs.to_vec()).await?;
        let persons = legs.iter().map(|leg| leg.now.person).collect();
        let mut keys: HashMap<KeyId, HolderKey> = env.holder_keys(persons).await?;
        let ids = legs.iter().map(|leg| leg.id).collect();
        let rows = env.store.events_of_legs(ids).await?;
        let told_by = |returns: &dyn Fn(&ReturnId) -> bool| -> HashSet<EventId> {
            let rows = rows.iter().filter(|row| returns(&row.return_id));
            rows.map(|row| row.id).collect()
        };
        let own = told_by(&|id| self.own.contains(id));
        let gone = told_by(&|id| self.gone.contains(id));
        let mut events = open_events(env, &rows, &mut keys).await?;
        let (mut found, mut guarded, mut count) = (Vec::new(), Vec::new(), 0);
        for leg in legs {
            let Some(key) = keys.get(&leg.now.person) else {
                continue;
            };
            let LegEvents { told, opened } = events.remove(&leg.id).unwrap_or_default();
            let (counts, takes) = standing(&opened, &own, &gone);
            if takes.is_empty() {
                continue;
            }
            guarded.push(leg.id);
            self.changed.push(leg.id);
            count += i64::try_from(told).unwrap_or(i64::MAX);
            found.push(TakenBackLeg {
                key: key.clone(),
                leg,
                counts,
                takes,
            });
        }
        self.batch.guard(Guard::Told {
            legs: guarded,
            events: count,
        });
        Ok(found)
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
            Some(before) => before.restored(word),
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
            unanswered: Unanswered::default(),
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

    async fn commit(mut self, actor: &Actor) -> anyhow::Result<(Undone, Vec<LegId>)> {
        let env = self.env;
        if self.file.state == UNDONE && self.done == Undone::default() {
            return Ok((self.done, self.changed));
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
        let states = self.own.iter().map(|id| (*id, UNDONE));
        self.batch.return_states.extend(states);
        env.store.commit(self.batch).await?;
        Ok((self.done, self.changed))
    }
}

/// Of the events of a leg of which one return told those that do not stand as the other returns tell them: the newest word on each, and the last of another
/// return, if there is one; and the counts of the months in which it told of a visit. What came of an undo is no return's word.
fn standing(
    words: &[NumberedEvent],
    own: &HashSet<EventId>,
    gone: &HashSet<EventId>,
) -> (Vec<NumberedEvent>, Vec<TakenBackWord>) {
    let ours = |id: &EventId| own.contains(id);
    let single = |word: &StoredEvent| word.kind != EventKind::Count;
    let (mut takes, mut seen) = (Vec::new(), HashSet::new());
    for (_, word) in words.iter().filter(|(id, word)| ours(id) && single(word)) {
        if !seen.insert(word.identifier.as_str()) {
            continue;
        }
        let same = |other: &&NumberedEvent| other.1.identifier == word.identifier;
        let newest = words.iter().filter(same).max_by_key(|one| one.1.revision);
        let others = words
            .iter()
            .filter(same)
            .filter(|(id, word)| !gone.contains(id) && !word.undone);
        let last = others.max_by_key(|one| one.1.revision).map(|one| &one.1);
        let last = last.filter(|last| !last.withdrawn);
        let Some((id, newest)) = newest else { continue };
        let stands = match last {
            Some(last) => !newest.withdrawn && newest.content() == last.content(),
            None => newest.withdrawn,
        };
        if !stands {
            takes.push((*id, newest.clone(), last.cloned()));
        }
    }
    (recounted(words, &ours), takes)
}

/// The counts of the months in which that return told of a visit: what they say is counted again.
fn recounted(words: &[NumberedEvent], ours: &impl Fn(&EventId) -> bool) -> Vec<NumberedEvent> {
    let mut counts: Vec<NumberedEvent> = Vec::new();
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
