//! What was delivered of the references on a return: tokens and identity cells, made again from the sealed inputs.

use std::collections::HashMap;

use jiff::civil::Date;

use super::event::{events, newest};
use super::run::{Env, LedgerAccess};
use super::{map, sealed_inputs};
use crate::domain::clock::day_number;
use crate::domain::{DropId, LegId, LegReference, StrandId, limits};
use crate::fhir::resources::service_request;
use crate::json::Arena;
use crate::partner::agreement::london_day;
use crate::partner::{Partner, Rules};
use crate::seal::Digest;
use crate::sheet::fold;
use crate::store::rows::{DropFile, DropRow, Leg};

/// What is known by reference.
pub(crate) type Legs = HashMap<LegReference, Delivered>;

/// What was delivered of a leg.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivered {
    /// Whether the leg is the sender's, and was ever sent.
    pub(crate) own: bool,
    pub(crate) leg: LegId,
    pub(crate) authored_on: Option<Date>,
    /// The day on which the leg ended, if it has.
    pub(crate) closed_on: Option<Date>,
    /// Each version sent: token, and identity cells by folded header.
    pub(crate) versions: Vec<Version>,
}

/// One row as it was delivered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Version {
    pub(crate) token: String,
    pub(crate) identity: Vec<(String, String)>,
}

/// Looks the references of a return up: whose they are, and what was sent of them in the last 400 days.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn delivered(
    env: &Env,
    place: usize,
    references: Vec<LegReference>,
) -> anyhow::Result<Legs> {
    let partner = &env.rules.partners[place];
    let strand = env.partners[place].strand;
    let mut found: Legs = HashMap::new();
    let mut own: Vec<Leg> = Vec::new();
    for reference in references {
        if found.contains_key(&reference) {
            continue;
        }
        let Some(leg) = env.store.leg_by_reference(reference).await? else {
            continue;
        };
        let mine = leg.now.partner == strand;
        found.insert(
            reference,
            Delivered {
                own: mine,
                leg: leg.id,
                ..Delivered::default()
            },
        );
        if mine {
            own.push(leg);
        }
    }
    versions(env, partner, strand, own, &mut found).await?;
    Ok(found)
}

/// Adds what was sent of the partner's own legs, and takes away those of which nothing was.
async fn versions(
    env: &Env,
    partner: &Partner,
    strand: StrandId,
    own: Vec<Leg>,
    found: &mut Legs,
) -> anyhow::Result<()> {
    let today = day_number(env.today());
    let rows = env
        .store
        .drop_rows_of_legs(own.iter().map(|leg| leg.id).collect())
        .await?;
    let mut drops: Vec<DropId> = rows.iter().map(|row| row.drop_id).collect();
    drops.sort_unstable();
    drops.dedup();
    let files: HashMap<DropId, DropFile> = env
        .store
        .drop_files_by_id(drops)
        .await?
        .into_iter()
        .filter(|file| file.partner == strand && is_compared(file.day, today))
        .map(|file| (file.id, file))
        .collect();
    let texts = as_sent(env, partner, files.values()).await?;
    let raws: Vec<_> = rows.iter().map(|row| row.raws).collect();
    let referrals = sealed_inputs::referrals(env, &raws).await?;
    let mut by_leg: HashMap<LegId, Vec<(DropRow, Option<crate::pipeline::referral::Referral>)>> =
        HashMap::new();
    for (row, referral) in rows.into_iter().zip(referrals) {
        by_leg.entry(row.leg).or_default().push((row, referral));
    }
    for leg in own {
        let sent = by_leg.remove(&leg.id).unwrap_or_default();
        if sent.is_empty() {
            // Decided for this partner, but never sent: the partner cannot know it.
            found.remove(&leg.reference);
            continue;
        }
        let Some(known) = found.get_mut(&leg.reference) else {
            continue;
        };
        if leg.now.state.terminal() {
            known.closed_on = Some(closed_on(env, &leg).await?);
        }
        for (row, referral) in &sent {
            let (Some(file), Some(referral)) = (files.get(&row.drop_id), referral) else {
                continue;
            };
            let arena = Arena::default();
            let Ok(trees) = referral.trees(&arena) else {
                continue;
            };
            known.authored_on = known
                .authored_on
                .or_else(|| service_request::authored_on(&trees.request).and_then(london_day));
            let then = texts
                .get(&file.rule)
                .and_then(|rules| Some((rules, rules.partners.first()?)));
            let by = then.unwrap_or((&env.rules, partner));
            known
                .versions
                .extend(version(env, by, &leg, row, file, &trees));
        }
    }
    Ok(())
}

/// Whether what was delivered on a day is still compared with what comes back today.
fn is_compared(day: i64, today: i64) -> bool {
    day >= today - limits::DELIVERED_DAYS
}

/// The partner file as it was for drops that it did not make as it is now: a row is what it was when it was sent.
async fn as_sent(
    ledger: &LedgerAccess,
    partner: &Partner,
    files: impl Iterator<Item = &DropFile>,
) -> anyhow::Result<HashMap<Digest, Rules>> {
    let mut texts = HashMap::new();
    for file in files.filter(|file| file.rule != partner.hash) {
        if texts.contains_key(&file.rule) {
            continue;
        }
        let text = ledger.store.rule(file.rule).await?;
        // One that this program can no longer read is taken as it is now.
        if let Some(rules) = text.and_then(|text| Rules::from_bundle(&text).ok()) {
            texts.insert(file.rule, rules);
        }
    }
    Ok(texts)
}

/// The identity cells and the token of a row as it was sent.
fn version(
    env: &Env,
    (rules, partner): (&Rules, &Partner),
    leg: &Leg,
    row: &DropRow,
    file: &DropFile,
    trees: &crate::pipeline::referral::ReferralTrees<'_>,
) -> Option<Version> {
    let source = &env.sources[env.source_at(leg.source)?].config;
    let reference = leg.reference.to_string();
    let action = row.action;
    let sequence = u64::try_from(file.sequence).ok()?;
    let setting = env.setting(
        source,
        rules,
        crate::domain::clock::day_from_number(file.day),
    );
    let view = trees.view(
        setting,
        map::facts(&reference, action, &row.changed, sequence),
    );
    let cells = map::row(partner, &view, &|fields| env.keys.token(fields)).ok()?;
    let mut version = Version::default();
    for (column, cell) in partner.deliver.columns.iter().zip(cells) {
        if column.identity {
            version
                .identity
                .push((fold(&column.header), cell.into_owned()));
        } else if map::is_check(column, &rules.vocabulary) {
            version.token = cell.into_owned();
        }
    }
    Some(version)
}

/// The day on which a leg ended: that of its closing status, else of the event that ended it.
async fn closed_on(ledger: &LedgerAccess, leg: &Leg) -> anyhow::Result<jiff::civil::Date> {
    let mut days: Vec<jiff::civil::Date> = Vec::new();
    for event in newest(events(ledger, leg.id).await?) {
        if !event.withdrawn && event.state().is_some_and(crate::domain::LegState::terminal) {
            days.extend(event.on);
        }
    }
    Ok(days
        .into_iter()
        .min()
        .unwrap_or_else(|| crate::domain::Instant(leg.since).london_day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_is_compared_for_so_many_days() {
        let today = day_number(jiff::civil::date(2026, 11, 23));
        limits::holds_at(limits::DELIVERED_DAYS, |days| {
            is_compared(today - days, today)
        });
    }
}
