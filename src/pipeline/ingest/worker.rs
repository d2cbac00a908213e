//! The worker's part of the way in: parse once, look up, select, map, seal. No ledger order is decided here.

use std::collections::HashMap;

use super::known::{Known, Seen, remembered_performers, shared};
use super::load::Load;
use crate::diagnostics::{Code, Diagnostic};
use crate::domain::entropy::Stream;
use crate::domain::{Action, KeyId, LegId, LegReference, LegState, RawId, Reason, Stage};
use crate::json::{Arena, Json, ShapeCache};
use crate::partner::Partner;
use crate::pipeline::change::{self, AsBefore, Ask, ChangedLeg, Past};
use crate::pipeline::decide::{ReferralOutcome, judge};
use crate::pipeline::lookup_keys::{LookupKeys, lookup_keys};
use crate::pipeline::map;
use crate::pipeline::referral::{Bytes, Referral, ReferralTrees};
use crate::pipeline::run::{Env, Ids, Run, cells_of, raw_spot};
use crate::pipeline::sealed_inputs::joined;
use crate::pipeline::select::{PriorLegs, Trail, consent_question};
use crate::seal::{Digest, HolderKey, LookupKey, sealed_digest, stub};
use crate::store::rows::{KeyKind, KeyRow, Leg, RawIds, RawKind, RawRow, Standing};

/// Ids that one referral may need: a leg, a key, and a raw row for each resource.
pub(crate) const IDS_A_REFERRAL: i64 = 8;

/// What became of one referral in the worker.
pub(crate) enum Item {
    /// This version was seen before; the request's row, where the referral has a leg and its records were read with it.
    Repeated(Option<RawId>),
    /// Not JSON, or without an id.
    Unreadable,
    /// Carries no trigger code: only that it was seen is kept.
    NotOurs {
        referral: LookupKey,
        raw: Box<RawRow>,
    },
    /// Seen for the first time.
    New(Box<NewReferral>),
    /// A new version of a referral or of what it names.
    Changed(Box<Changed>),
}

/// A referral seen for the first time, sealed and decided.
pub(crate) struct NewReferral {
    pub(crate) referral: LookupKey,
    pub(crate) id: LegId,
    pub(crate) reference: LegReference,
    pub(crate) person: Person,
    pub(crate) sealed: Sealed,
    pub(crate) outcome: ReferralOutcome,
}

/// A new version of a referral, or of a record that it names.
pub(crate) struct Changed {
    /// As it stood.
    pub(crate) leg: Leg,
    pub(crate) person: Person,
    pub(crate) sealed: Sealed,
    /// What a first decision would say today; `None` of what is no longer ours.
    pub(crate) outcome: Option<ReferralOutcome>,
    /// As it will stand; raw ids are filled in by the writer.
    pub(crate) after: Standing,
    /// The stage that decided.
    pub(crate) stage: Stage,
    /// Why it waits for a person, if it newly does.
    pub(crate) held: Option<Reason>,
    /// What is asked beside: the leg goes on meanwhile.
    pub(crate) asks: Vec<Ask>,
    /// The leg of another partner that the request now names.
    pub(crate) successor: Option<Successor>,
    /// Further legs of the same referral.
    pub(crate) onward: Vec<Changed>,
}

impl Changed {
    /// Fills in what the change does; `spare` gives the id and reference of a further leg.
    fn settle(
        &mut self,
        env: &Env,
        source: usize,
        trees: &ReferralTrees<'_>,
        pasts: &HashMap<LegId, Past>,
        spare: &mut dyn FnMut() -> (LegId, LegReference),
    ) {
        for onward in &mut self.onward {
            onward.settle(env, source, trees, pasts, spare);
        }
        self.keep_missing(trees, pasts.get(&self.leg.id));
        let changed = ChangedLeg {
            leg: &self.leg,
            outcome: self.outcome,
            person: self.person.id,
        };
        let settled = change::settle(env, source, &changed, trees, pasts);
        self.after = Standing {
            raws: self.sealed.ids,
            ..settled.after
        };
        self.asks = settled.asks;
        if let Some((stage, reason)) = settled.held {
            (self.stage, self.held) = (stage, Some(reason));
        }
        self.successor = settled.successor.map(|outcome| {
            let (id, reference) = spare();
            Successor {
                id,
                reference,
                outcome,
            }
        });
    }
}

impl Changed {
    /// A record that is missing this time is no change, as long as the request names the same as when it came: otherwise it is another
    /// person's, or another consent. In doubt about a record nobody is named but to a partner who has the person already.
    fn keep_missing(&mut self, trees: &ReferralTrees<'_>, past: Option<&Past>) {
        let (old, now) = (self.leg.now.raws, &mut self.sealed.ids);
        let as_before = if now.request == old.request {
            AsBefore::WHOLE
        } else {
            past.map_or(AsBefore::default(), |past| past.names_the_same(trees))
        };
        let in_doubt = trees.doubt && !self.leg.now.state.after_sending();
        if !now.patient.is_some() && as_before.subject && !in_doubt {
            now.patient = old.patient;
        }
        if !now.consent.is_some() && as_before.consents {
            now.consent = old.consent;
        }
    }
}

/// A leg that begins because the request names another partner.
pub(crate) struct Successor {
    pub(crate) id: LegId,
    pub(crate) reference: LegReference,
    pub(crate) outcome: ReferralOutcome,
}

/// The person a referral is about, as a holder of keys.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) lookup: LookupKey,
    /// The same person whichever source names them; `None` without a number.
    pub(crate) anywhere: Option<LookupKey>,
    /// The same person as other sources know them.
    pub(crate) alike: Vec<LookupKey>,
    pub(crate) id: KeyId,
    pub(crate) key: HolderKey,
    /// The row to write, if the store did not know the person.
    pub(crate) new: Option<KeyRow>,
}

/// Raw rows to write, those known already, and the shared records that the writer still has to place.
pub(crate) struct Sealed {
    pub(crate) raws: Vec<RawRow>,
    pub(crate) vouched: Vec<(RawId, Digest)>,
    pub(crate) ids: RawIds,
    pub(crate) shared: Vec<Shared>,
}

impl Sealed {
    /// The same inputs for another leg of the same referral: nothing is left to write.
    fn known_already(&self) -> Self {
        Self {
            raws: Vec::new(),
            vouched: Vec::new(),
            ids: self.ids,
            shared: self.shared.clone(),
        }
    }
}

/// A practitioner, role or practice: one raw row for all referrals that name it.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) kind: RawKind,
    pub(crate) lookup: LookupKey,
    pub(crate) bytes: Bytes,
}

/// A chunk as it leaves the worker; items are in the order of what was loaded.
pub(crate) struct Prepared {
    pub(crate) load: Load,
    pub(crate) items: Vec<Item>,
    /// Where requests could not be read, and why.
    pub(crate) problems: Vec<Diagnostic>,
}

/// Prepares a chunk; runs on a thread of its own and waits there for look-ups.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) fn prepare(
    run: &Run,
    source: usize,
    load: Load,
    seen: &Seen,
    ids: &Ids,
    stream: &mut Stream,
) -> anyhow::Result<Prepared> {
    let runtime = tokio::runtime::Handle::current();
    let requests = load.requests()?;
    let newest = load.newest();
    let arena = Arena::default();
    let (parsed, problems) = parse(run, source, &load, &requests, &arena);
    let mut referrals = load.complete(&requests, &parsed)?;
    runtime.block_on(remembered_performers(run, source, &mut referrals, &parsed))?;
    let mut people = ShapeCache::whole();
    let trees: Vec<Option<ReferralTrees<'_>>> = parsed
        .into_iter()
        .zip(referrals.iter())
        .map(|(request, referral)| Some(referral.trees_with(request?, &mut people, &arena)))
        .collect();
    let lookups: Vec<Option<LookupKeys>> = referrals
        .iter()
        .zip(&trees)
        .map(|(referral, trees)| lookup_keys(run, source, referral, trees.as_ref()?))
        .collect();
    let mut shared_looks = HashMap::new();
    let shared: Vec<Vec<Shared>> = referrals
        .iter()
        .map(|referral| shared(run, source, referral, &mut shared_looks))
        .collect();
    let known = runtime.block_on(Known::of(run, &lookups, seen))?;
    let mut items = Vec::with_capacity(referrals.len());
    let mut changes = Vec::new();
    let mut legs = Vec::new();
    for ((referral, trees), (lookups, shared)) in referrals
        .iter()
        .zip(&trees)
        .zip(lookups.into_iter().zip(shared))
    {
        let (Some(trees), Some(lookups)) = (trees, lookups) else {
            items.push(Item::Unreadable);
            continue;
        };
        let one = ReferralCase {
            run,
            source,
            referral,
            trees,
            lookups,
            known: &known,
            newest,
        };
        let item = one.item(shared, ids, stream);
        if let Item::Changed(changed) = &item {
            changes.push(items.len());
            legs.push(changed.leg.clone());
            legs.extend(changed.onward.iter().map(|onward| onward.leg.clone()));
        }
        items.push(item);
    }
    // What was sent before is read back only for referrals that changed.
    let pasts = runtime.block_on(change::pasts(run, &legs))?;
    let mut spare = || fresh_leg(ids, stream);
    for place in changes {
        if let (Some(Item::Changed(changed)), Some(Some(trees))) =
            (items.get_mut(place), trees.get(place))
        {
            changed.settle(run, source, trees, &pasts, &mut spare);
        }
    }
    drop(trees);
    drop(referrals);
    Ok(Prepared {
        load,
        items,
        problems,
    })
}

/// Id and reference of a leg that may be opened.
fn fresh_leg(ids: &Ids, stream: &mut Stream) -> (LegId, LegReference) {
    (ids.next(), LegReference::from_random(stream.bits()))
}

/// The trees of requests, and what is said of those that are no JSON.
fn parse<'r>(
    env: &Env,
    source: usize,
    load: &Load,
    requests: &'r [Bytes],
    arena: &'r Arena,
) -> (Vec<Option<Json<'r>>>, Vec<Diagnostic>) {
    let (mut problems, mut shapes) = (Vec::new(), ShapeCache::whole());
    let mut parsed: Vec<Option<Json<'r>>> = Vec::with_capacity(requests.len());
    for (number, request) in requests.iter().enumerate() {
        let tree = shapes.parse(request, arena).map_err(|error| {
            let within = format!("line {}, column {} of the text", error.line, error.column);
            let place = load.place(env, source, number).and(within);
            problems.push(Diagnostic::new(Code::Unreadable, error.what, place));
        });
        parsed.push(tree.ok());
    }
    (parsed, problems)
}

/// One referral with all that is known of it.
struct ReferralCase<'c, 'd> {
    run: &'c Run,
    source: usize,
    referral: &'d Referral,
    trees: &'d ReferralTrees<'d>,
    lookups: LookupKeys,
    known: &'c Known,
    /// As [`Load::newest`].
    newest: bool,
}

impl ReferralCase<'_, '_> {
    fn item(self, shared: Vec<Shared>, ids: &Ids, stream: &mut Stream) -> Item {
        let raw = |lookup: &LookupKey| self.known.raws.get(lookup).copied();
        let request = raw(&self.lookups.request);
        let Some(leg) = self.known.legs.get(&self.lookups.referral) else {
            return if request.is_some() {
                Item::Repeated(None)
            } else {
                self.first_seen(shared, ids, stream)
            };
        };
        let patient = self.lookups.patient.as_ref().map(&raw);
        let consent = self.lookups.consent.as_ref().map(&raw);
        let old = leg.now.raws;
        // A record that is missing this time is no change. On a page of a search an older version that comes again is
        // none either; elsewhere the record has gone back to what it said once.
        let other = |found: Option<Option<RawId>>, had: RawId| {
            found.is_some_and(|id| {
                id.is_none() || !had.is_some() || (self.newest && id != Some(had))
            })
        };
        let onward: Vec<&Leg> = self
            .known
            .onward
            .iter()
            .filter(|other| other.id != leg.id && other.now.raws.request == old.request)
            .collect();
        let same = !other(Some(request), old.request)
            && !other(patient, old.patient)
            && !other(consent, old.consent);
        if same && !self.ran_out(leg) && !onward.iter().any(|leg| self.ran_out(leg)) {
            let whole = self.trees.patient().is_some();
            return Item::Repeated(whole.then_some(old.request));
        }
        let person = self.person(ids, stream);
        let mut sealed = self.seal(&person, shared, ids, stream);
        if request.is_some() && !self.newest {
            sealed.ids.request = old.request;
        }
        let onward = onward
            .into_iter()
            .map(|other| {
                let person = Person {
                    new: None,
                    ..person.clone()
                };
                self.changed(other, person, sealed.known_already(), Vec::new())
            })
            .collect();
        Item::Changed(Box::new(self.changed(leg, person, sealed, onward)))
    }

    fn changed(&self, leg: &Leg, person: Person, sealed: Sealed, onward: Vec<Changed>) -> Changed {
        Changed {
            leg: leg.clone(),
            outcome: self.decide(&person, leg.id, leg.reference),
            person,
            sealed,
            after: leg.now,
            stage: Stage::Select,
            held: None,
            asks: Vec::new(),
            successor: None,
            onward,
        }
    }

    /// Whether the consent that the leg rests on has run out by the day alone: nothing else changes without a new version.
    fn ran_out(&self, leg: &Leg) -> bool {
        let now = leg.now;
        let stop = Some(Action::Stop);
        // A leg that waits for something else is asked about when that ends.
        let told = now.asked != stop && now.pending != stop && now.why.is_none();
        let at_stake = now.state == LegState::Routed || (now.state.after_sending() && told);
        let place = self.run.partner_at(now.partner).filter(|_| at_stake);
        let Some((rules, partner)) = place.map(|place| self.run.approved(place)) else {
            return false;
        };
        let source = &self.run.sources[self.source].config;
        let reference = leg.reference.to_string();
        let view = self.trees.view(
            self.run.setting(source, rules, self.run.today()),
            map::facts(&reference, Action::New, "", 0),
        );
        // An onward leg rests on the person's own word.
        let onward = leg.lookup.is_none();
        consent_question(&view, &self.trees.consents(), partner, onward).is_some()
    }

    fn first_seen(self, shared: Vec<Shared>, ids: &Ids, stream: &mut Stream) -> Item {
        let person = self.person(ids, stream);
        let reference = LegReference::from_random(stream.bits());
        let id = ids.next();
        match self.decide(&person, id, reference) {
            None => {
                let holder = &self.run.sources[self.source];
                let raw = RawRow {
                    id: ids.next(),
                    holder: holder.key_id,
                    kind: RawKind::ServiceRequest,
                    lookup: Some(self.lookups.request),
                    // What is not ours is not kept: the stub tells only that this version was seen.
                    sealed: stub(&holder.key.digest(&self.referral.request)),
                };
                Item::NotOurs {
                    referral: self.lookups.referral,
                    raw: Box::new(raw),
                }
            }
            Some(outcome) => {
                let sealed = self.seal(&person, shared, ids, stream);
                Item::New(Box::new(NewReferral {
                    referral: self.lookups.referral,
                    id,
                    reference,
                    person,
                    sealed,
                    outcome,
                }))
            }
        }
    }

    /// Selects, then maps once to see that the row can be written; `None` of what is not ours.
    fn decide(
        &self,
        person: &Person,
        leg: LegId,
        reference: LegReference,
    ) -> Option<ReferralOutcome> {
        let run = self.run;
        let source = &run.sources[self.source].config;
        let alike = &self.lookups.alike;
        let elsewhere = alike
            .iter()
            .filter_map(|lookup| self.known.elsewhere.get(lookup));
        let open: Vec<usize> = [&person.id]
            .into_iter()
            .chain(elsewhere)
            .filter_map(|person| self.known.open_with.get(person))
            .flatten()
            .filter(|(other, _)| *other != leg)
            .filter_map(|(_, strand)| run.partner_at(*strand))
            .collect();
        let reference = reference.to_string();
        let facts = map::facts(&reference, Action::New, "", 0);
        let view = self
            .trees
            .view(run.setting(source, &run.rules, run.today()), facts);
        let keep = |partner: &Partner, cells: &map::Cells<'_>| {
            if run.ready.wanted()
                && let Some(row) = cells_of(partner, &run.rules, cells)
            {
                run.ready.keep(leg, run.today(), row);
            }
        };
        let known = PriorLegs {
            open_with: &open,
            ..PriorLegs::default()
        };
        judge(
            run,
            source,
            &view,
            &self.trees.consents(),
            known,
            &keep,
            &mut Trail::silent(),
        )
    }

    fn person(&self, ids: &Ids, stream: &mut Stream) -> Person {
        if let Some(row) = self.known.persons.get(&self.lookups.person)
            && let Ok(key) = self.run.unwrap_key(row)
        {
            return Person {
                lookup: self.lookups.person,
                anywhere: self.lookups.anywhere,
                alike: self.lookups.alike.clone(),
                id: row.id,
                key,
                new: None,
            };
        }
        let id = ids.next();
        let key = HolderKey::new(stream.bytes());
        let wrapped = self.run.keys.wrap(id, stream.bytes(), &key);
        let row = KeyRow {
            id,
            kind: KeyKind::Person,
            lookup: Some(self.lookups.person),
            wrapped,
        };
        Person {
            lookup: self.lookups.person,
            anywhere: self.lookups.anywhere,
            alike: self.lookups.alike.clone(),
            id,
            key,
            new: Some(row),
        }
    }

    /// Seals what the store does not have yet.
    fn seal(&self, person: &Person, shared: Vec<Shared>, ids: &Ids, stream: &mut Stream) -> Sealed {
        let mut sealed = Sealed {
            raws: Vec::with_capacity(2),
            vouched: Vec::with_capacity(2),
            ids: RawIds::default(),
            shared,
        };
        let request = joined(self.referral);
        let own = [
            (
                RawKind::ServiceRequest,
                Some(self.lookups.request),
                Some(&request),
            ),
            (
                RawKind::Patient,
                self.lookups.patient,
                self.referral.patient.as_ref(),
            ),
            (
                RawKind::Consent,
                self.lookups.consent,
                self.referral.consent.as_ref(),
            ),
        ];
        for (kind, lookup, bytes) in own {
            let (Some(lookup), Some(bytes)) = (lookup, bytes) else {
                continue;
            };
            let id = self.known.raws.get(&lookup).copied().unwrap_or_else(|| {
                let row = seal_raw(
                    ids.next(),
                    person.id,
                    &person.key,
                    kind,
                    lookup,
                    bytes,
                    stream,
                );
                let id = row.id;
                sealed.vouched.push((id, sealed_digest(&row.sealed)));
                sealed.raws.push(row);
                id
            });
            match kind {
                RawKind::ServiceRequest => sealed.ids.request = id,
                RawKind::Patient => sealed.ids.patient = id,
                _ => sealed.ids.consent = id,
            }
        }
        sealed
    }
}

/// A raw row of these bytes.
pub(crate) fn seal_raw(
    id: RawId,
    holder: KeyId,
    key: &HolderKey,
    kind: RawKind,
    lookup: LookupKey,
    bytes: &[u8],
    stream: &mut Stream,
) -> RawRow {
    let sealed = key.seal(raw_spot(id, holder), stream.bytes(), bytes);
    RawRow {
        id,
        holder,
        kind,
        lookup: Some(lookup),
        sealed,
    }
}
