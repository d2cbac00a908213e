//! Showing who a person is: one record at a time, recorded before it is shown (`security.md` §7).
//!
//! In: a leg, and who looks, where and why. Out: the person's name, number, birth date, phone and address as the record has
//! them now. Keeps: nothing is shown that the ledger does not say was looked at; the why is sealed.

use jiff::civil::Date;

use super::Actor;
use crate::domain::{Action, Instant, LegId, LegReference};
use crate::json::Arena;
use crate::partner::fields::Derivation;
use crate::pipeline::run::{Env, LedgerAccess};
use crate::pipeline::{map, sealed_inputs};
use crate::store::{Body, Entry, Kind, LeaseStage, LedgerRow, StoreError};

/// Viewings read at a time.
const PAGE: i64 = 5_000;

/// What is shown, in this order.
const SHOWN: [(&str, Derivation); 5] = [
    ("name", Derivation::Name),
    ("nhs_number", Derivation::NhsNumber),
    ("birth_date", Derivation::BirthDate),
    ("phone", Derivation::Phone),
    ("address", Derivation::Address),
];

/// A recorded viewing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Viewing {
    pub(crate) at: Instant,
    leg: LegId,
    /// Reference of the leg, while there is one.
    pub(crate) reference: Option<String>,
    pub(crate) what: String,
    pub(crate) by: String,
}

/// A person's identity. What it holds is shown to who asked, and to nobody else.
pub(crate) struct Identity(pub(crate) Vec<(&'static str, String)>);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({} values)", self.0.len())
    }
}

/// Records who looks, where (`why`, `trace`, `held show 12`) and why, then gives the identity.
///
/// # Errors
/// The person was erased, the source is not configured, the store failed, or a sealed value does not open.
pub(crate) async fn reveal(
    env: &Env,
    reference: LegReference,
    actor: &Actor,
    at: &str,
) -> anyhow::Result<Identity> {
    let leg = env.store.legs_by_references(vec![reference]).await?.pop();
    let Some(leg) = leg else {
        anyhow::bail!("there is no referral {reference}")
    };
    let referral = sealed_inputs::referrals(env, &[leg.now.raws])
        .await?
        .pop()
        .flatten();
    let (Some(referral), Some(place)) = (referral, env.source_at(leg.source)) else {
        anyhow::bail!(
            "{} was erased or its source is no longer configured: nothing is left to show",
            leg.reference
        )
    };
    let arena = Arena::default();
    let trees = referral
        .trees(&arena)
        .map_err(|_| anyhow::anyhow!("a kept referral cannot be read"))?;
    let lease = env.short_lease(LeaseStage::Act, env.strand).await?;
    let note = env.seal_note(&actor.because).await?;
    let mut batch = lease.batch(env.now());
    let viewed = Body::Viewed {
        at: at.to_owned(),
        by: actor.name.clone(),
        note: note.0,
    };
    batch.notes.push(note);
    batch.push(Entry::new(leg.id, viewed));
    env.store.commit(batch).await?;
    lease.give_back().await?;
    let reference = leg.reference.to_string();
    let view = trees.view(
        env.setting(&env.sources[place].config, &env.rules, env.today()),
        map::facts(&reference, Action::New, "", 0),
    );
    let shown = SHOWN.into_iter().filter_map(|(name, rule)| {
        let text = rule.derive(&view).ok()?.joined(", ")?;
        Some((name, text.into_owned()))
    });
    Ok(Identity(shown.collect()))
}

/// Every recorded viewing, oldest first; `since`: from this London day on.
///
/// # Errors
/// The store failed.
pub(crate) async fn views(
    ledger: &LedgerAccess,
    since: Option<Date>,
) -> Result<Vec<Viewing>, StoreError> {
    let viewing = |row: &LedgerRow| {
        let Body::Viewed { at, by, .. } = row.body()? else {
            return None;
        };
        Some(Viewing {
            at: Instant(row.at),
            leg: LegId::new(row.subject),
            reference: None,
            what: at,
            by,
        })
    };
    let mut viewed: Vec<Viewing> = Vec::new();
    let mut after = 0;
    loop {
        let page = ledger
            .store
            .ledger_of_kind(ledger.strand, Kind::Viewed, after, PAGE);
        let rows = page.await?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        let of_page = rows.iter().filter_map(viewing);
        viewed
            .extend(of_page.filter(|view| since.is_none_or(|since| view.at.london_day() >= since)));
    }
    let mut ids: Vec<LegId> = viewed.iter().map(|view| view.leg).collect();
    ids.sort_unstable();
    ids.dedup();
    let legs = ledger.store.legs(ids).await?;
    for view in &mut viewed {
        let leg = legs.iter().find(|leg| leg.id == view.leg);
        view.reference = leg.map(|leg| leg.reference.to_string());
    }
    Ok(viewed)
}
