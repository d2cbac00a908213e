//! The writer's part of the way in: in chunk order, groups of chunks become one durable transaction.
//!
//! What needs an order is decided here and nowhere else: capacity, and two referrals of one person at once. A referral
//! that meets another one that is still under way is put off until that one is in the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::known::Seen;
use super::load::Load;
use super::recently_written::Recent;
use super::worker::{Changed, Item, NewReferral, Person, Prepared, Shared, seal_raw};
use crate::diagnostics::{Diagnostic, KeptDiagnostics};
use crate::domain::entropy::Stream;
use crate::domain::{
    Counts, Disposition, KeyId, LegId, LegState, RawId, Reason, Stage, StrandId, limits,
};
use crate::pipeline::decide::decide_again::free_places;
use crate::pipeline::decide::{ReferralOutcome, rule_digits, standing};
use crate::pipeline::run::{Env, HeldLease, Run, STALE_TRIES};
use crate::seal::LookupKey;
use crate::store::rows::{HeldRow, RawIds, RawKind, RawRow, Standing};
use crate::store::{Batch, Body, Guard, LegStep, NewHold, OpenedLeg, StoreError};

/// Chunks between queues: one being started, one being handed over, one being taken.
const BETWEEN_QUEUES: usize = 4;

/// What is written together: how it counts once it is durable, and what is decided again if it never is.
#[derive(Default)]
struct WrittenGroup {
    chunks: usize,
    /// Each load with the numbers of those that are in the batch.
    loads: Vec<(Load, Vec<usize>)>,
    counts: BTreeMap<Stage, Counts>,
    problems: Vec<Diagnostic>,
    news: u64,
    changes: u64,
    /// Shared records that it places.
    shared: Vec<LookupKey>,
    /// Places that it takes of partners that have a capacity, by place in the rules.
    places: BTreeMap<usize, i64>,
}

/// Writes what workers prepared.
pub(crate) struct Writer<'e> {
    run: &'e Run,
    source: usize,
    pub(crate) lease: &'e HeldLease,
    stream: Stream,
    batch: Batch,
    group: WrittenGroup,
    /// Times in a row that one referral alone met somebody else's change.
    stale: u32,
    /// Shared records placed in this run.
    shared: HashMap<LookupKey, RawId>,
    /// What this run has written that a worker may not have seen yet.
    persons: Recent<LookupKey>,
    referrals: Recent<LookupKey>,
    routed: Recent<(KeyId, StrandId)>,
    /// A person's records, which two referrals may bring.
    records: Recent<LookupKey>,
    /// Chunks since those had their last age begun, and how many are an age: the workers and the writer are never further
    /// apart than the chunks under way and those of a group.
    aged: usize,
    age: usize,
    /// Free places of partners that have a capacity, by place in the rules.
    free: HashMap<usize, i64>,
    /// Open holds of the chunk's legs that changed.
    holds: HashMap<LegId, Vec<HeldRow>>,
    /// What workers need not look up.
    pub(crate) seen: Arc<Seen>,
    pub(crate) deferred: Vec<Load>,
    pub(crate) totals: BTreeMap<Stage, Counts>,
    /// Where requests could not be read.
    pub(crate) problems: KeptDiagnostics,
    /// Referrals seen for the first time, and those that had changed.
    pub(crate) news: u64,
    pub(crate) changes: u64,
}

impl<'e> Writer<'e> {
    pub(crate) async fn new(
        run: &'e Run,
        source: usize,
        lease: &'e HeldLease,
    ) -> anyhow::Result<Self> {
        let free = free_places(run).await?;
        Ok(Self {
            run,
            source,
            stream: run.stream(),
            lease,
            batch: lease.batch(run.now()),
            group: WrittenGroup::default(),
            stale: 0,
            shared: HashMap::new(),
            persons: Recent::new(),
            referrals: Recent::new(),
            routed: Recent::new(),
            records: Recent::new(),
            aged: 0,
            age: run.workers + limits::CHUNKS_AHEAD + limits::GROUP_CHUNKS + BETWEEN_QUEUES,
            free,
            holds: HashMap::new(),
            seen: Arc::new(Seen::new(
                run.store.raws_after(RawId::NONE, 1).await?.is_empty(),
            )),
            deferred: Vec::new(),
            totals: BTreeMap::new(),
            problems: KeptDiagnostics::at_most(run.config.limits.diagnostics_max),
            news: 0,
            changes: 0,
        })
    }

    /// Takes a prepared chunk; commits when the group is full.
    pub(crate) async fn take(&mut self, prepared: Prepared) -> anyhow::Result<()> {
        self.group.problems.extend(prepared.problems);
        let mut taken = Vec::with_capacity(prepared.items.len());
        let read = prepared.load.was_read();
        self.holds = self.open_holds(&prepared.items).await?;
        for (number, item) in prepared.items.into_iter().enumerate() {
            if self.collides(&item) {
                self.deferred.push(prepared.load.some(&[number]));
                continue;
            }
            taken.push(number);
            self.note(&item);
            match item {
                Item::Repeated(request) => {
                    self.note_read(read, request);
                    self.count(
                        Stage::Pull,
                        Disposition::Repeated,
                        Some(Reason::AlreadyKnown),
                    );
                }
                Item::Unreadable => {
                    self.count(Stage::Pull, Disposition::Rejected, Some(Reason::Unreadable));
                }
                Item::NotOurs { raw, .. } => {
                    self.batch.keep(*raw);
                    self.count(Stage::Pull, Disposition::Accepted, None);
                    self.count(Stage::Select, Disposition::Rejected, Some(Reason::NotOurs));
                }
                Item::New(new) => self.first_seen(*new, read).await?,
                Item::Changed(changed) => self.changed(*changed, read).await?,
            }
        }
        self.grow_older();
        self.group.loads.push((prepared.load, taken));
        self.group.chunks += 1;
        if self.group.chunks >= limits::GROUP_CHUNKS {
            self.commit().await?;
        }
        Ok(())
    }

    /// Open holds of the legs that changed, by leg.
    async fn open_holds(&self, items: &[Item]) -> Result<HashMap<LegId, Vec<HeldRow>>, StoreError> {
        let changed = items.iter().filter_map(|item| match item {
            Item::Changed(changed) => Some(changed),
            _ => None,
        });
        let legs = changed.flat_map(|changed| {
            let onward = changed.onward.iter().map(|further| further.leg.id);
            onward.chain([changed.leg.id])
        });
        let mut by_leg: HashMap<LegId, Vec<HeldRow>> = HashMap::new();
        for hold in self.run.store.holds_of_legs(legs.collect()).await? {
            by_leg.entry(hold.leg).or_default().push(hold);
        }
        Ok(by_leg)
    }

    /// From here on workers look these up; until they are committed, [`Self::collides`] sees to them.
    fn note(&self, item: &Item) {
        match item {
            Item::Repeated(_) | Item::Unreadable => {}
            Item::NotOurs { referral, raw } => {
                self.seen.note([*referral].into_iter().chain(raw.lookup));
            }
            Item::New(new) => {
                self.seen.note([new.referral, new.person.lookup]);
                self.seen
                    .note(new.sealed.raws.iter().filter_map(|raw| raw.lookup));
            }
            Item::Changed(changed) => {
                self.seen.note([changed.person.lookup]);
                self.seen
                    .note(changed.sealed.raws.iter().filter_map(|raw| raw.lookup));
            }
        }
    }

    /// A referral was read with its records: its questions about that are answered.
    fn note_read(&self, read: bool, request: Option<RawId>) {
        if read {
            self.run.readings.note(self.source, request);
        }
    }

    /// Makes the group durable.
    pub(crate) async fn commit(&mut self) -> anyhow::Result<()> {
        let fresh = self.lease.batch(self.run.now());
        let mut batch = std::mem::replace(&mut self.batch, fresh);
        let group = std::mem::take(&mut self.group);
        for (stage, counts) in &group.counts {
            batch.book_source(self.run.id, *stage, counts.clone());
        }
        for (place, taken) in &group.places {
            self.guard_places(&mut batch, *place, *taken);
        }
        if !batch.is_empty() {
            match self.run.store.commit(batch).await {
                Ok(_) => {}
                Err(StoreError::Stale) => return self.roll_back(group).await,
                Err(error) => return Err(error.into()),
            }
        }
        self.stale = 0;
        for (stage, counts) in &group.counts {
            self.totals.entry(*stage).or_default().merge(counts);
        }
        self.news += group.news;
        self.changes += group.changes;
        for problem in group.problems {
            self.problems.add(problem);
        }
        Ok(())
    }

    /// No other process has taken the places of a partner meanwhile.
    fn guard_places(&self, batch: &mut Batch, place: usize, taken: i64) {
        let most = self.run.rules.partners[place].select.open_legs_max;
        if let (Some(most), Some(at)) = (most, self.run.partners.get(place)) {
            batch.guard(Guard::Places {
                partner: at.strand,
                taken,
                most: i64::from(most),
            });
        }
    }

    /// Nothing of a group was written, for what it rests on has changed: its referrals are decided again, in smaller parts.
    async fn roll_back(&mut self, group: WrittenGroup) -> anyhow::Result<()> {
        for lookup in &group.shared {
            self.shared.remove(lookup);
        }
        self.seen.ask_all();
        self.free = free_places(self.run).await?;
        let several = group.loads.len() > 1;
        let count: usize = group.loads.iter().map(|(_, taken)| taken.len()).sum();
        self.stale = if count == 1 { self.stale + 1 } else { 0 };
        if self.stale >= STALE_TRIES {
            return Err(StoreError::Stale.into());
        }
        for (load, taken) in group.loads {
            if several {
                self.deferred.push(load.some(&taken));
            } else {
                let singly = taken.iter().map(|number| load.some(&[*number]));
                self.deferred.extend(singly);
            }
        }
        Ok(())
    }

    fn grow_older(&mut self) {
        self.aged += 1;
        if self.aged >= self.age {
            self.aged = 0;
            self.persons.age();
            self.referrals.age();
            self.routed.age();
            self.records.age();
        }
    }

    /// Forgets what workers had not seen: from here on each referral is in the store before the next is looked at.
    pub(crate) fn forget(&mut self) {
        self.persons.clear();
        self.referrals.clear();
        self.routed.clear();
        self.records.clear();
    }

    /// Whether a worker decided without knowing of something that this run has written since.
    fn collides(&mut self, item: &Item) -> bool {
        match item {
            Item::Repeated(_) | Item::Unreadable => false,
            Item::NotOurs { referral, .. } => !self.referrals.insert(*referral),
            Item::New(new) => {
                let partner = routed_to(self.run, new.outcome);
                let person_new =
                    new.person.new.is_some() && self.persons.contains(&new.person.lookup);
                let taken =
                    partner.is_some_and(|partner| self.routed.contains(&(new.person.id, partner)));
                let again = person_new || taken || self.referrals.contains(&new.referral);
                if again || self.brings_again(&new.sealed.raws) {
                    return true;
                }
                self.referrals.insert(new.referral);
                self.persons.insert(new.person.lookup);
                if let Some(partner) = partner {
                    self.routed.insert((new.person.id, partner));
                }
                false
            }
            Item::Changed(changed) => {
                let referral = changed.leg.lookup.unwrap_or_default();
                let person_new =
                    changed.person.new.is_some() && !self.persons.insert(changed.person.lookup);
                person_new
                    || self.brings_again(&changed.sealed.raws)
                    || !self.referrals.insert(referral)
            }
        }
    }

    /// Whether a record of a person is among these that was written moments ago; from here on these were.
    fn brings_again(&mut self, raws: &[RawRow]) -> bool {
        let own = raws
            .iter()
            .filter(|raw| raw.kind != RawKind::ServiceRequest);
        let own: Vec<LookupKey> = own.filter_map(|raw| raw.lookup).collect();
        if own.iter().any(|lookup| self.records.contains(lookup)) {
            return true;
        }
        for lookup in own {
            self.records.insert(lookup);
        }
        false
    }

    async fn first_seen(&mut self, new: NewReferral, read: bool) -> anyhow::Result<()> {
        self.group.news += 1;
        self.count(Stage::Pull, Disposition::Accepted, None);
        let outcome = self.unclaimed(new.outcome, &new.person);
        let outcome = self.within_capacity(outcome);
        self.count_outcome(outcome);
        let ids = self.place_shared(new.sealed.shared, new.sealed.ids).await?;
        self.batch.keys.extend(new.person.new);
        self.batch.raws.extend(new.sealed.raws);
        self.note_read(read, Some(ids.request));
        let after = standing(self.run, outcome, new.person.id, ids);
        self.batch.open_leg(OpenedLeg {
            id: new.id,
            reference: new.reference,
            lookup: Some(new.referral),
            source: self.batch.strand,
            after,
            rule: rule_digits(self.run),
            vouched: new.sealed.vouched,
        });
        if let ReferralOutcome::Held(stage, reason, _) = outcome {
            self.hold(new.id, stage, reason, after.partner);
        }
        Ok(())
    }

    async fn changed(&mut self, mut changed: Changed, read: bool) -> anyhow::Result<()> {
        self.group.changes += 1;
        self.count(Stage::Pull, Disposition::Accepted, None);
        let onward = std::mem::take(&mut changed.onward);
        self.moved(changed, read).await?;
        for further in onward {
            self.moved(further, read).await?;
        }
        Ok(())
    }

    async fn moved(&mut self, mut changed: Changed, read: bool) -> anyhow::Result<()> {
        let ids = self
            .place_shared(changed.sealed.shared, changed.sealed.ids)
            .await?;
        self.batch.keys.extend(changed.person.new.take());
        self.batch.raws.extend(changed.sealed.raws);
        self.note_read(read, Some(ids.request));
        let mut after = Standing {
            raws: ids,
            ..changed.after
        };
        let mut held = changed.held;
        if let (LegState::Routed, Some(place)) = (after.state, self.run.partner_at(after.partner))
            && changed.leg.now.state != LegState::Routed
            && let ReferralOutcome::Held(_, reason, _) = {
                let outcome = self.unclaimed(ReferralOutcome::Routed(place), &changed.person);
                self.within_capacity(outcome)
            }
        {
            after = after.held(reason);
            held = Some(reason);
        }
        let (disposition, reason) = if held.is_some() {
            (Disposition::Held, held)
        } else {
            (Disposition::Accepted, after.why)
        };
        if changed.leg.lookup.is_some() {
            self.count(changed.stage, disposition, reason);
        }
        let (id, sent) = (changed.leg.id, changed.leg.now.state.after_sending());
        let wanted: Vec<(Stage, Reason, bool)> = held
            .map(|reason| (changed.stage, reason, true))
            .into_iter()
            .chain(
                changed
                    .asks
                    .iter()
                    .map(|ask| (Stage::Select, ask.reason, ask.new)),
            )
            .collect();
        let asked = self.settle_holds(id, sent, &wanted);
        if let Some(next) = changed.successor {
            let person = changed.leg.now.person;
            let after = standing(self.run, next.outcome, person, ids);
            self.batch.open_leg(OpenedLeg {
                id: next.id,
                reference: next.reference,
                lookup: None,
                source: self.batch.strand,
                after,
                rule: rule_digits(self.run),
                vouched: Vec::new(),
            });
            if let ReferralOutcome::Held(stage, reason, _) = next.outcome {
                self.hold(next.id, stage, reason, after.partner);
            }
        }
        let (step, vouched) = (LegStep::to(after), changed.sealed.vouched);
        self.batch
            .move_leg(changed.leg, Body::Amended { step, vouched });
        for (stage, reason) in asked {
            self.hold(id, stage, reason, after.partner);
        }
        Ok(())
    }

    /// Ends the leg's holds that a change has answered; gives those to open.
    fn settle_holds(
        &mut self,
        leg: LegId,
        sent: bool,
        wanted: &[(Stage, Reason, bool)],
    ) -> Vec<(Stage, Reason)> {
        let open = self.holds.get(&leg).map_or(&[][..], Vec::as_slice);
        // Holds on rows of returns and on writes are not the practice's record's to settle; what a person must look at
        // after sending stays until a person has.
        let by_itself = |hold: &HeldRow| {
            !hold.return_id.is_some()
                && hold.stage != Stage::Push
                && hold.reason != Reason::StopOpen
                && !(sent && hold.reason.stays_when_sent())
        };
        let still = |hold: &HeldRow| wanted.iter().any(|(_, reason, _)| *reason == hold.reason);
        let ended = open.iter().filter(|hold| by_itself(hold) && !still(hold));
        self.batch.released.extend(ended.map(|hold| hold.number));
        let stands = |reason: Reason| {
            open.iter()
                .any(|hold| hold.reason == reason && !hold.return_id.is_some())
        };
        let fresh = wanted
            .iter()
            .filter(|(_, reason, new)| *new && !stands(*reason));
        fresh.map(|(stage, reason, _)| (*stage, *reason)).collect()
    }

    fn hold(&mut self, leg: LegId, stage: Stage, reason: Reason, partner: StrandId) {
        let hold = NewHold::new(stage, reason).leg(leg).partner(partner);
        self.batch.hold(hold.source(self.batch.strand));
    }

    /// One person, one open leg with a partner: also where another source routed them a moment ago in this run.
    fn unclaimed(&mut self, outcome: ReferralOutcome, person: &Person) -> ReferralOutcome {
        let ReferralOutcome::Routed(place) = outcome else {
            return outcome;
        };
        let Some(partner) = routed_to(self.run, outcome) else {
            return outcome;
        };
        let open = ReferralOutcome::Held(Stage::Select, Reason::AlreadyOpen, Some(place));
        let strand = self.batch.strand;
        let ours = |person| self.run.claims.take(person, partner, strand);
        // What the store refuses for one referral alone, again and again, is for a person to look at.
        if self.stale + 1 >= STALE_TRIES || !person.anywhere.is_none_or(ours) {
            return open;
        }
        // Another process, or a person, may have routed them meanwhile.
        let mut persons = person.alike.clone();
        persons.extend(person.new.is_none().then_some(person.lookup));
        if !persons.is_empty() {
            self.batch.guard(Guard::NotOpen { persons, partner });
        }
        outcome
    }

    /// A partner that is full takes nobody new: the oldest referral first, the rest wait (`safety.md` §4).
    fn within_capacity(&mut self, outcome: ReferralOutcome) -> ReferralOutcome {
        let ReferralOutcome::Routed(place) = outcome else {
            return outcome;
        };
        match self.free.get_mut(&place) {
            Some(free) if *free <= 0 => {
                ReferralOutcome::Held(Stage::Select, Reason::Capacity, Some(place))
            }
            Some(free) => {
                *free -= 1;
                *self.group.places.entry(place).or_default() += 1;
                outcome
            }
            None => outcome,
        }
    }

    /// Gives each shared record its raw row, sealing it the first time.
    async fn place_shared(
        &mut self,
        shared: Vec<Shared>,
        mut ids: RawIds,
    ) -> anyhow::Result<RawIds> {
        for record in shared {
            let id = match self.shared.get(&record.lookup) {
                Some(id) => *id,
                None => self.new_shared(&record).await?,
            };
            match record.kind {
                RawKind::Practitioner => ids.requester = id,
                RawKind::PractitionerRole => ids.role = id,
                _ => ids.practice = id,
            }
        }
        Ok(ids)
    }

    async fn new_shared(&mut self, record: &Shared) -> anyhow::Result<RawId> {
        let known = self.run.store.raws_by_lookup(vec![record.lookup]).await?;
        let id = if let Some((_, id)) = known.first() {
            *id
        } else {
            let source = &self.run.sources[self.source];
            let id = self
                .run
                .ids
                .take(&*self.run.store, source.strand, 1)
                .await?
                .next();
            let row = seal_raw(
                id,
                source.key_id,
                &source.key,
                record.kind,
                record.lookup,
                &record.bytes,
                &mut self.stream,
            );
            self.batch.keep(row);
            id
        };
        self.shared.insert(record.lookup, id);
        self.group.shared.push(record.lookup);
        Ok(id)
    }

    fn count_outcome(&mut self, outcome: ReferralOutcome) {
        match outcome {
            ReferralOutcome::Closed(_, reason) => {
                self.count(Stage::Select, Disposition::Accepted, Some(reason));
            }
            ReferralOutcome::Held(Stage::Map, reason, _) => {
                self.count(Stage::Select, Disposition::Accepted, None);
                self.count(Stage::Map, Disposition::Held, Some(reason));
            }
            ReferralOutcome::Held(_, reason, _) => {
                self.count(Stage::Select, Disposition::Held, Some(reason));
            }
            ReferralOutcome::Routed(_) => {
                self.count(Stage::Select, Disposition::Accepted, None);
                self.count(Stage::Map, Disposition::Accepted, None);
            }
        }
    }

    fn count(&mut self, stage: Stage, disposition: Disposition, reason: Option<Reason>) {
        self.group
            .counts
            .entry(stage)
            .or_default()
            .add(disposition, reason);
    }
}

fn routed_to(env: &Env, outcome: ReferralOutcome) -> Option<StrandId> {
    match outcome {
        ReferralOutcome::Routed(place) => env.partners.get(place).map(|partner| partner.strand),
        ReferralOutcome::Closed(..) | ReferralOutcome::Held(..) => None,
    }
}
