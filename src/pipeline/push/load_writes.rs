//! Reads queued events back and builds what is written of them, leg by leg.

use std::collections::HashMap;

use super::observation::{About, build};
use super::{Unit, Write, server_id_spot};
use crate::domain::{EventId, EventKind, LegId, Reason};
use crate::fhir::resources::{patient, resource};
use crate::json::Arena;
use crate::partner::fields::activity_label;
use crate::pipeline::event::{StoredEvent, event_spot, events as events_of, newest, numbered};
use crate::pipeline::referral::Referral;
use crate::pipeline::run::{Env, LedgerAccess};
use crate::pipeline::{map, sealed_inputs};
use crate::seal::HolderKey;
use crate::store::rows::{Leg, PushKind, PushRow, PushState};

/// Writes as they were read back.
#[derive(Default)]
pub(super) struct BuiltWrites {
    pub(super) units: Vec<Unit>,
    /// Those that can never be built, and why.
    pub(super) refused: Vec<(PushRow, Reason)>,
    /// Those that cannot be built from what is kept now, and why.
    pub(super) held: Vec<(PushRow, Reason)>,
}

/// A leg that is written about, with its records as they are kept; none where the person was erased.
pub(super) struct WriteSubject {
    pub(super) leg: Leg,
    pub(super) referral: Option<Referral>,
}

/// The legs of these writes, each with its records opened once for all that is asked of them.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(super) async fn subjects(env: &Env, rows: &[PushRow]) -> anyhow::Result<Vec<WriteSubject>> {
    let mut legs: Vec<LegId> = rows.iter().map(|row| row.leg).collect();
    legs.sort_unstable();
    legs.dedup();
    opened(env, env.store.legs(legs).await?).await
}

async fn opened(env: &Env, legs: Vec<Leg>) -> anyhow::Result<Vec<WriteSubject>> {
    let raws: Vec<_> = legs.iter().map(|leg| leg.now.raws).collect();
    let referrals = sealed_inputs::referrals(env, &raws).await?;
    let subjects = legs.into_iter().zip(referrals);
    Ok(subjects
        .map(|(leg, referral)| WriteSubject { leg, referral })
        .collect())
}

/// Builds the units of these writes, in the order of their first events.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(super) async fn load(
    env: &Env,
    rows: Vec<PushRow>,
    subjects: Vec<WriteSubject>,
) -> anyhow::Result<BuiltWrites> {
    let (built, lacking) = built(env, subjects).await?;
    let by_leg = built.into_iter().map(|unit| (unit.leg.id, unit));
    let mut units: HashMap<LegId, Unit> = by_leg.collect();
    let ids: Vec<EventId> = rows.iter().map(|row| row.event).collect();
    let events: HashMap<EventId, _> = env
        .store
        .events(ids)
        .await?
        .into_iter()
        .map(|event| (event.id, event))
        .collect();
    let holders = events.values().map(|event| event.holder).collect();
    let keys = env.holder_keys(holders).await?;
    let (mut order, mut loaded) = (Vec::new(), BuiltWrites::default());
    for row in rows {
        let Some((event, key)) = events
            .get(&row.event)
            .and_then(|event| Some((event, keys.get(&event.holder)?)))
        else {
            loaded.refused.push((row, Reason::Erased));
            continue;
        };
        let plain = key.open(event_spot(event.id, event.holder), &event.sealed)?;
        let mut kept: StoredEvent = serde_json::from_slice(&plain)?;
        if kept.kind == EventKind::Count {
            kept = kept.counting(&newest(events_of(env, row.leg).await?));
        }
        let Some(unit) = units.get_mut(&row.leg) else {
            let why = lacking.get(&row.leg).copied();
            loaded.held.push((row, why.unwrap_or(Reason::NoPatient)));
            continue;
        };
        let partner = &env.rules.partners[unit.partner];
        let Ok(Some(body)) = build(env, partner, &kept, &unit.about, row.kind) else {
            loaded.refused.push((row, Reason::Refused));
            continue;
        };
        let (server_id, before) = match row.kind {
            PushKind::Create => (None, Vec::new()),
            PushKind::Amend | PushKind::Withdraw => {
                written(env, unit, row.event, &kept.identifier).await?
            }
        };
        if unit.writes.is_empty() {
            order.push(row.leg);
        }
        unit.writes.push(Write {
            row,
            event: kept,
            body,
            server_id,
            before,
        });
    }
    let in_order = order.iter().filter_map(|leg| units.remove(leg));
    loaded.units = in_order.collect();
    Ok(loaded)
}

/// Units without writes of these legs; a leg whose person is unknown, erased or without a partner has none.
pub(super) async fn units(env: &Env, legs: Vec<Leg>) -> anyhow::Result<Vec<Unit>> {
    Ok(built(env, opened(env, legs).await?).await?.0)
}

/// The units of these legs, and why each other leg has none.
async fn built(
    env: &Env,
    subjects: Vec<WriteSubject>,
) -> anyhow::Result<(Vec<Unit>, HashMap<LegId, Reason>)> {
    let persons = subjects.iter().map(|subject| subject.leg.now.person);
    let keys = env.holder_keys(persons.collect()).await?;
    let (mut units, mut lacking) = (Vec::with_capacity(subjects.len()), HashMap::new());
    for WriteSubject { leg, referral } in subjects {
        let found = about(env, &leg, referral.as_ref());
        let (about, key, partner) = match (
            found,
            keys.get(&leg.now.person),
            env.partner_at(leg.now.partner),
        ) {
            (Ok(about), Some(key), Some(partner)) => (about, key, partner),
            (Err(why), ..) => {
                lacking.insert(leg.id, why);
                continue;
            }
            (Ok(_), None, _) => {
                lacking.insert(leg.id, Reason::Erased);
                continue;
            }
            (Ok(_), Some(_), None) => {
                lacking.insert(leg.id, Reason::PartnerDisabled);
                continue;
            }
        };
        units.push(Unit {
            key: key.clone(),
            partner,
            about,
            leg,
            writes: Vec::new(),
            task: None,
            look_first: false,
        });
    }
    Ok((units, lacking))
}

/// Where the server has an entry, by the writes of it before this one; and those of them that are open.
async fn written(
    ledger: &LedgerAccess,
    unit: &Unit,
    event: EventId,
    identifier: &str,
) -> anyhow::Result<(Option<String>, Vec<PushRow>)> {
    let earlier =
        |(id, kept): &&(EventId, StoredEvent)| *id < event && kept.identifier == identifier;
    let ids = numbered(ledger, unit.leg.id)
        .await?
        .iter()
        .filter(earlier)
        .map(|(id, _)| *id)
        .collect();
    let (mut known, mut open) = (None, Vec::new());
    for row in ledger.store.pushes_of_events(ids).await? {
        known = server_id(&unit.key, &unit.leg, &row)?.or(known);
        if row.state < PushState::Confirmed {
            open.push(row);
        }
    }
    Ok((known, open))
}

/// The server's id of a confirmed write.
pub(super) fn server_id(
    key: &HolderKey,
    leg: &Leg,
    row: &PushRow,
) -> anyhow::Result<Option<String>> {
    let Some(sealed) = row
        .server_id
        .as_deref()
        .filter(|_| row.state == PushState::Confirmed)
    else {
        return Ok(None);
    };
    let plain = key.open(server_id_spot(row.event, leg.now.person), sealed)?;
    Ok(String::from_utf8(plain).ok())
}

/// The server's own ids, from the referral as it was pulled, never from a return; or why there are none.
fn about(env: &Env, leg: &Leg, referral: Option<&Referral>) -> Result<About, Reason> {
    let referral = referral.ok_or(Reason::NoPatient)?;
    let arena = Arena::default();
    let trees = referral.trees(&arena).map_err(|_| Reason::Unreadable)?;
    let place = env.source_at(leg.source).ok_or(Reason::NoPatient)?;
    let source = &env.sources[place].config;
    let view = trees.view(
        env.setting(source, &env.rules, env.today()),
        map::facts("", crate::domain::Action::New, "", 0),
    );
    // A person within the request has no record of their own to write to.
    let kept = referral.patient.as_ref().ok_or(Reason::NoPatient)?;
    let person = trees.patient().filter(|_| !kept.is_empty());
    let person = person.ok_or(Reason::Unreadable)?;
    let id = |resource| resource::id(resource).map(str::to_owned);
    Ok(About {
        service_request: id(&trees.request).ok_or(Reason::Unreadable)?,
        patient: id(person).ok_or(Reason::NoPatient)?,
        nhs_number: patient::nhs_number(person, env.today()).map(std::borrow::Cow::into_owned),
        activity: activity_label(&view),
    })
}
