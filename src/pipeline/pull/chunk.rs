//! The worker's part of the way in: parse once, look up, select, map, seal. No ledger order is decided here.

use std::collections::HashMap;

use super::change::{self, Changed};
use super::load::Load;
use super::lore::{Looks, Lore, Seen, looks, lore, shared};
use crate::diagnostics::{Code, Diagnostic};
use crate::domain::entropy::Stream;
use crate::domain::{Action, LegReference, LegState, Reason, Stage};
use crate::fhir::service_request;
use crate::json::{Arena, Json, Shapes};
use crate::partner::Partner;
use crate::pipeline::dossier::{Bytes, Dossier, Trees};
use crate::pipeline::env::{Env, Ids, raw_spot};
use crate::pipeline::select::{Decision, Known, Trail, consent_ended, decide};
use crate::pipeline::{map, ready};
use crate::seal::{Digest, HolderKey, Look, sealed_digest, stub};
use crate::store::rows::{KeyKind, KeyRow, Leg, RawIds, RawKind, RawRow, Standing};

/// Ids that one referral may need: a leg, a key, and a raw row for each resource.
pub(crate) const IDS_A_REFERRAL: i64 = 8;

/// What became of one referral in the worker.
pub(crate) enum Item {
    /// This version was seen before; the request's row, where the referral has a leg and its records were read with it.
    Repeated(Option<i64>),
    /// Not JSON, or without an id.
    Unreadable,
    /// Carries no trigger code: only that it was seen is kept.
    NotOurs { referral: Look, raw: Box<RawRow> },
    /// Seen for the first time.
    New(Box<NewReferral>),
    /// A new version of a referral or of what it names.
    Changed(Box<Changed>),
}

/// A referral seen for the first time, sealed and decided.
pub(crate) struct NewReferral {
    pub(crate) referral: Look,
    pub(crate) id: i64,
    pub(crate) reference: LegReference,
    pub(crate) person: Person,
    pub(crate) sealed: Sealed,
    pub(crate) outcome: Outcome,
}

/// The person a referral is about, as a holder of keys.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) look: Look,
    /// The same person whichever source names them; `None` without a number.
    pub(crate) anywhere: Option<Look>,
    pub(crate) id: i64,
    pub(crate) key: HolderKey,
    /// The row to write, if the store did not know the person.
    pub(crate) new: Option<KeyRow>,
}

/// Raw rows to write, those known already, and the shared records that the writer still has to place.
pub(crate) struct Sealed {
    pub(crate) raws: Vec<RawRow>,
    pub(crate) vouched: Vec<(i64, Digest)>,
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
    pub(crate) look: Look,
    pub(crate) bytes: Bytes,
}

/// What select and map said together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Closed(LegState, Reason),
    /// Held by select, or by map once a partner was found; the partner's place in the rules.
    Held(Stage, Reason, Option<usize>),
    Routed(usize),
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
    env: &Env,
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
    let (parsed, problems) = parse(env, source, &load, &requests, &arena);
    let dossiers = load.complete(&requests, &parsed)?;
    let mut people = Shapes::whole();
    let trees: Vec<Option<Trees<'_>>> = parsed
        .into_iter()
        .zip(dossiers.iter())
        .map(|(request, dossier)| Some(dossier.trees_with(request?, &mut people, &arena)))
        .collect();
    let looks: Vec<Option<Looks>> = dossiers
        .iter()
        .zip(&trees)
        .map(|(dossier, trees)| looks(env, source, dossier, trees.as_ref()?))
        .collect();
    let mut shared_looks = HashMap::new();
    let shared: Vec<Vec<Shared>> = dossiers
        .iter()
        .map(|dossier| shared(env, source, dossier, &mut shared_looks))
        .collect();
    let lore = runtime.block_on(lore(env, &looks, seen))?;
    let mut items = Vec::with_capacity(dossiers.len());
    let mut changes = Vec::new();
    let mut legs = Vec::new();
    for ((dossier, trees), (looks, shared)) in dossiers
        .iter()
        .zip(&trees)
        .zip(looks.into_iter().zip(shared))
    {
        let (Some(trees), Some(looks)) = (trees, looks) else {
            items.push(Item::Unreadable);
            continue;
        };
        let one = One {
            env,
            source,
            dossier,
            trees,
            looks,
            lore: &lore,
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
    let pasts = runtime.block_on(change::pasts(env, &legs))?;
    let mut spare = || (ids.next(), LegReference::from_random(stream.bits()));
    for place in changes {
        if let (Some(Item::Changed(changed)), Some(Some(trees))) =
            (items.get_mut(place), trees.get(place))
        {
            change::settle(env, source, changed, trees, &pasts, &mut spare);
        }
    }
    drop(trees);
    drop(dossiers);
    Ok(Prepared {
        load,
        items,
        problems,
    })
}

/// The trees of requests, and what is said of those that are no JSON.
fn parse<'r>(
    env: &Env,
    source: usize,
    load: &Load,
    requests: &'r [Bytes],
    arena: &'r Arena,
) -> (Vec<Option<Json<'r>>>, Vec<Diagnostic>) {
    let (mut problems, mut shapes) = (Vec::new(), Shapes::whole());
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
struct One<'c, 'd> {
    env: &'c Env,
    source: usize,
    dossier: &'d Dossier,
    trees: &'d Trees<'d>,
    looks: Looks,
    lore: &'c Lore,
    /// As [`Load::newest`].
    newest: bool,
}

impl One<'_, '_> {
    fn item(self, shared: Vec<Shared>, ids: &Ids, stream: &mut Stream) -> Item {
        let lore = self.lore;
        let known = |look: &Look| lore.raws.get(look).copied();
        let request = known(&self.looks.request);
        let Some(leg) = lore.legs.get(&self.looks.referral) else {
            return if request.is_some() {
                Item::Repeated(None)
            } else {
                self.first_seen(shared, ids, stream)
            };
        };
        let patient = self.looks.patient.as_ref().map(&known);
        let consent = self.looks.consent.as_ref().map(&known);
        let old = leg.now.raws;
        // A record that is missing this time is no change. On a page of a search an older version that comes again is
        // none either; elsewhere the record has gone back to what it said once.
        let other = |found: Option<Option<i64>>, had: i64| {
            found.is_some_and(|id| id.is_none() || had == 0 || (self.newest && id != Some(had)))
        };
        let onward: Vec<&Leg> = lore
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
        if sealed.ids.patient == 0 {
            sealed.ids.patient = old.patient;
        }
        let rests_on_one = !service_request::consents(&self.trees.request, None).is_empty();
        if sealed.ids.consent == 0 && rests_on_one {
            sealed.ids.consent = old.consent;
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
        let stop = Action::Stop.number();
        let at_stake = now.state == LegState::Routed
            || (now.state.after_sending() && now.asked != stop && now.pending != stop);
        let place = self.env.partner_at(now.partner).filter(|_| at_stake);
        let Some((rules, partner)) = place.map(|place| self.env.approved(place)) else {
            return false;
        };
        let source = &self.env.sources[self.source].config;
        let reference = leg.reference.to_string();
        let view = self.trees.view(
            self.env.setting(source, rules, self.env.today()),
            map::facts(&reference, Action::New, "", 0),
        );
        // An onward leg rests on the person's own word.
        consent_ended(&view, self.trees.consent(), partner, leg.look.is_none())
    }

    fn first_seen(self, shared: Vec<Shared>, ids: &Ids, stream: &mut Stream) -> Item {
        let person = self.person(ids, stream);
        let reference = LegReference::from_random(stream.bits());
        let id = ids.next();
        match self.decide(&person, id, reference) {
            None => {
                let holder = &self.env.sources[self.source];
                let raw = RawRow {
                    id: ids.next(),
                    holder: holder.key_id,
                    kind: RawKind::ServiceRequest.number(),
                    look: Some(self.looks.request),
                    digest: holder.key.digest(&self.dossier.request),
                    // What is not ours is not kept: the stub tells only that this version was seen.
                    sealed: stub(&holder.key.digest(&self.dossier.request)),
                };
                Item::NotOurs {
                    referral: self.looks.referral,
                    raw: Box::new(raw),
                }
            }
            Some(outcome) => {
                let sealed = self.seal(&person, shared, ids, stream);
                Item::New(Box::new(NewReferral {
                    referral: self.looks.referral,
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
    fn decide(&self, person: &Person, leg: i64, reference: LegReference) -> Option<Outcome> {
        let env = self.env;
        let source = &env.sources[self.source].config;
        let alike = &self.looks.alike;
        let elsewhere = alike
            .iter()
            .filter_map(|look| self.lore.elsewhere.get(look));
        let open: Vec<usize> = [&person.id]
            .into_iter()
            .chain(elsewhere)
            .filter_map(|person| self.lore.open_with.get(person))
            .flatten()
            .filter(|(other, _)| *other != leg)
            .filter_map(|(_, strand)| env.partner_at(*strand))
            .collect();
        let reference = reference.to_string();
        let facts = map::facts(&reference, Action::New, "", 0);
        let view = self
            .trees
            .view(env.setting(source, &env.rules, env.today()), facts);
        let keep = |partner: &Partner, cells: &map::Cells<'_>| {
            if env.ready.wanted()
                && let Some(row) = ready::bytes_of(partner, &env.rules, cells)
            {
                env.ready.keep(leg, env.today(), row);
            }
        };
        let known = Known { open_with: &open };
        judge(
            env,
            source,
            &view,
            self.trees.consent(),
            known,
            &keep,
            &mut Trail::silent(),
        )
    }

    fn person(&self, ids: &Ids, stream: &mut Stream) -> Person {
        if let Some(row) = self.lore.persons.get(&self.looks.person)
            && let Ok(key) = self.env.unwrap_key(row)
        {
            return Person {
                look: self.looks.person,
                anywhere: self.looks.anywhere,
                id: row.id,
                key,
                new: None,
            };
        }
        let id = ids.next();
        let key = HolderKey::new(stream.bytes());
        let wrapped = self.env.keys.wrap(id, stream.bytes(), &key);
        let row = KeyRow {
            id,
            kind: KeyKind::Person as i64,
            look: Some(self.looks.person),
            wrapped,
        };
        Person {
            look: self.looks.person,
            anywhere: self.looks.anywhere,
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
        let own = [
            (
                RawKind::ServiceRequest,
                Some(self.looks.request),
                Some(&self.dossier.request),
            ),
            (
                RawKind::Patient,
                self.looks.patient,
                self.dossier.patient.as_ref(),
            ),
            (
                RawKind::Consent,
                self.looks.consent,
                self.dossier.consent.as_ref(),
            ),
        ];
        for (kind, look, bytes) in own {
            let (Some(look), Some(bytes)) = (look, bytes) else {
                continue;
            };
            let id = self.lore.raws.get(&look).copied().unwrap_or_else(|| {
                let row = seal_raw(
                    ids.next(),
                    person.id,
                    &person.key,
                    kind,
                    look,
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

/// Select's decision, and map's if it was routed, whose row `mapped` is shown; `None` of what is not ours.
pub(crate) fn judge(
    env: &Env,
    source: &crate::config::Source,
    view: &crate::partner::View<'_>,
    consent: Option<&Json<'_>>,
    known: Known<'_>,
    mapped: &dyn Fn(&Partner, &map::Cells<'_>),
    trail: &mut Trail,
) -> Option<Outcome> {
    match decide(view, consent, &env.source_rules(source), known, trail) {
        Decision::NotOurs => None,
        Decision::Closed(state, reason) => Some(Outcome::Closed(state, reason)),
        Decision::Held(reason, place) => Some(Outcome::Held(Stage::Select, reason, place)),
        Decision::Routed(place) => {
            let partner = env.rules.partners.get(place)?;
            Some(
                match map::row(partner, view, &|fields| env.keys.token(fields)) {
                    Ok(cells) => {
                        trail.check("row", None, || format!("{} cells", cells.len()));
                        mapped(partner, &cells);
                        Outcome::Routed(place)
                    }
                    Err(problem) => {
                        trail.check("row", Some(problem.reason), || problem.told());
                        Outcome::Held(Stage::Map, problem.reason, Some(place))
                    }
                },
            )
        }
    }
}

/// A raw row of these bytes.
pub(crate) fn seal_raw(
    id: i64,
    holder: i64,
    key: &HolderKey,
    kind: RawKind,
    look: Look,
    bytes: &[u8],
    stream: &mut Stream,
) -> RawRow {
    let sealed = key.seal(raw_spot(id, holder), stream.bytes(), bytes);
    RawRow {
        id,
        holder,
        kind: kind.number(),
        look: Some(look),
        digest: key.digest(bytes),
        sealed,
    }
}

/// What a leg is after a decision, before anything was sent.
pub(crate) fn standing(env: &Env, outcome: Outcome, person: i64, raws: RawIds) -> Standing {
    let strand = |place: Option<usize>| {
        place
            .and_then(|place| env.partners.get(place))
            .map_or(0, |partner| partner.strand)
    };
    let base = Standing {
        state: LegState::Received,
        partner: 0,
        person,
        why: None,
        pending: 0,
        asked: 0,
        closing: 0,
        raws,
    };
    match outcome {
        Outcome::Closed(state, reason) => Standing {
            state,
            why: Some(reason),
            ..base
        },
        Outcome::Held(_, reason, place) => Standing {
            state: LegState::Held,
            why: Some(reason),
            partner: strand(place),
            ..base
        },
        Outcome::Routed(place) => Standing {
            state: LegState::Routed,
            partner: strand(Some(place)),
            pending: Action::New.number(),
            ..base
        },
    }
}
