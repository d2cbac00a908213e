//! `kith prove`: holds the books against the ledger, the ledger against its chains, and files against their record.
//!
//! In: the whole store. Out: findings, each naming the record. Changes nothing and goes on after a finding. The order is
//! that of `ledger.md` §6; memory stays constant, because legs are folded in passes.

mod evidence;
mod projections;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::day_seal::day_root;
use crate::domain::EventId;
use crate::fhir::resources::observation;
use crate::pipeline::run::{Env, LedgerAccess};
use crate::seal::Digest;
use crate::store::hash_chain::{genesis, row_hash};
use crate::store::rows::{PushState, Strand};
use crate::store::{PushQuery, StoreError};

/// Ledger rows read at a time.
const PAGE: i64 = 5_000;
/// Findings kept; more are only counted.
const FINDINGS_MAX: usize = 1_000;

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(crate) struct Finding {
    /// What kind of thing: `chain`, `evidence`, `projection`, `changed-after-delivery` …
    pub(crate) code: String,
    /// What does not hold.
    pub(crate) what: String,
    /// The record.
    #[serde(rename = "where")]
    pub(crate) place: String,
}

/// What `kith prove` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(crate) struct Proof {
    /// Whether nothing was found.
    pub(crate) balanced: bool,
    /// What was found.
    pub(crate) findings: Vec<Finding>,
    /// How much was checked, by kind.
    pub(crate) checked: BTreeMap<String, u64>,
}

impl Proof {
    fn find(&mut self, code: &str, what: impl Into<String>, place: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                code: code.to_owned(),
                what: what.into(),
                place: place.into(),
            });
        }
    }

    fn count(&mut self, kind: &str, n: usize) {
        *self.checked.entry(kind.to_owned()).or_default() += u64::try_from(n).unwrap_or(0);
    }

    /// Adds a finding made outside this module (a published report that cannot be made again).
    pub(crate) fn add(&mut self, code: &str, what: &str, place: String) {
        self.find(code, what, place);
        self.balanced = false;
    }
}

/// Proves the books.
///
/// # Errors
/// The store cannot be read at all.
pub(crate) async fn prove(env: &Arc<Env>, online: bool) -> anyhow::Result<Proof> {
    let mut proof = Proof::default();
    let strands = env.store.strands().await?;
    for doubt in &env.doubts {
        proof.find(
            &doubt.code().text().to_lowercase(),
            doubt.what(),
            doubt.place().text(),
        );
    }
    for strand in &strands {
        chain(env, strand, &mut proof).await?;
    }
    day_seals(env, &strands, &mut proof).await?;
    evidence::check(env, &strands, &mut proof).await?;
    match projections::check(env, &strands, &mut proof).await {
        Ok(()) => {}
        // A row that cannot be read is a finding like any other.
        Err(error) => match error.downcast::<StoreError>() {
            Ok(StoreError::Corrupt(what)) => proof.find(
                "projection",
                format!("a row of {what} cannot be read"),
                what,
            ),
            Ok(error) => return Err(error.into()),
            Err(error) => return Err(error),
        },
    }
    if online {
        on_line(env, &mut proof).await?;
    }
    proof.balanced = proof.findings.is_empty();
    Ok(proof)
}

async fn chain(ledger: &LedgerAccess, strand: &Strand, proof: &mut Proof) -> anyhow::Result<()> {
    let mut head = genesis(&ledger.store.installation().await?, &strand.name);
    let (mut seq, mut at) = (0, 0);
    loop {
        let rows = ledger.store.ledger(strand.id, seq, PAGE).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let place = || format!("strand {}, row {}", strand.name, row.seq);
            if row.seq != seq + 1 {
                proof.find(
                    "chain",
                    format!("{} rows are missing before this one", row.seq - seq - 1),
                    place(),
                );
            }
            if row.at < at {
                proof.find("chain", "a row is earlier than the one before it", place());
            }
            if row_hash(&head, row) != row.hash {
                proof.find(
                    "chain",
                    "a row does not follow from the one before it",
                    place(),
                );
            }
            (seq, at, head) = (row.seq, row.at, row.hash);
        }
        proof.count("ledger rows", rows.len());
    }
    if (seq, head) != (strand.seq, strand.head) {
        proof.find(
            "chain",
            "the strand's end is not the last row",
            format!("strand {}", strand.name),
        );
    }
    Ok(())
}

async fn day_seals(
    ledger: &LedgerAccess,
    strands: &[Strand],
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let mut before = [0; 32];
    let mut day_before: Option<i64> = None;
    loop {
        let after = day_before.unwrap_or(i64::MIN);
        let seals = ledger.store.day_seals(after, PAGE).await?;
        proof.count("day seals", seals.len());
        if seals.is_empty() {
            return Ok(());
        }
        for seal in &seals {
            day_seal(ledger, strands, (day_before, before), seal, proof).await?;
            (before, day_before) = (seal.1, Some(seal.0));
        }
    }
}

/// One day seal against the strands, and against the one before it.
async fn day_seal(
    ledger: &LedgerAccess,
    strands: &[Strand],
    (day_before, before): (Option<i64>, Digest),
    (day, root, mac): &(i64, Digest, Digest),
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let place = || format!("day {}", crate::domain::clock::day_from_number(*day));
    if day_before.is_some_and(|before| before + 1 != *day) {
        proof.find("day-seal", "the seal of the day before is missing", place());
    }
    let heads = ledger.store.day_seal_strands(*day).await?;
    let cut =
        crate::domain::Instant::london_midnight(crate::domain::clock::day_from_number(day + 1));
    if ledger.store.heads_before(cut.0).await? != heads {
        proof.find(
            "day-seal",
            "the strands do not end where the seal says",
            place(),
        );
    }
    if day_root(&before, *day, &heads, strands) != *root {
        proof.find(
            "day-seal",
            "the seal does not follow from its strands",
            place(),
        );
    }
    if ledger.keys.day_mac(root) != *mac {
        proof.find(
            "day-seal",
            "the seal was not made with this installation's key",
            place(),
        );
    }
    Ok(())
}

/// Every confirmed entry is on its server exactly once.
async fn on_line(env: &Arc<Env>, proof: &mut Proof) -> anyhow::Result<()> {
    let system = observation::identifier_system(&env.config.namespace);
    for (number, source) in env.sources.iter().enumerate() {
        let crate::config::PushTo::Fhir { base_url } = &source.config.push.to else {
            continue;
        };
        let place = || format!("source {}", source.config.id);
        let client = match crate::pipeline::gp_client::client(env, number, base_url) {
            Ok(client) => client,
            Err(error) => {
                proof.find("online", error.to_string(), place());
                continue;
            }
        };
        let mut after = EventId::NONE;
        loop {
            let rows = env
                .store
                .pushes(PushQuery {
                    source: source.strand,
                    state: PushState::Confirmed,
                    now: i64::MAX,
                    after,
                    limit: 100,
                })
                .await?;
            let Some(last) = rows.last() else { break };
            after = last.event;
            let events = rows.iter().map(|row| row.event).collect();
            let events = env.store.events(events).await?;
            let holders = events.iter().map(|event| event.holder).collect();
            let keys = env.holder_keys(holders).await?;
            for event in &events {
                let Some(key) = keys.get(&event.holder) else {
                    continue;
                };
                let plain = key.open(
                    crate::pipeline::event::event_spot(event.id, event.holder),
                    &event.sealed,
                )?;
                let kept: crate::pipeline::event::StoredEvent = serde_json::from_slice(&plain)?;
                match client
                    .find_by_identifier("Observation", &system, &kept.identifier)
                    .await
                {
                    Ok(found) if found.len() == 1 => {}
                    Ok(found) => proof.find(
                        "online",
                        format!("an entry is on the server {} times", found.len()),
                        format!("{}, event {}", place(), event.id),
                    ),
                    Err(error) => {
                        proof.find("online", error.to_string(), place());
                        return Ok(());
                    }
                }
            }
            proof.count("entries on the server", rows.len());
        }
    }
    Ok(())
}
