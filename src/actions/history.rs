//! A leg's life as the ledger has it, walked back from where it stands.
//!
//! In: legs. Out: their entries, oldest first, each with what the leg was after it. Keeps: only what the chain says; a row
//! that is missing or cannot be read is an error that names `kith prove`.

use std::collections::HashMap;

use jiff::civil::Date;

use crate::domain::encoding::hex;
use crate::domain::limits::LEG_ENTRIES_MAX;
use crate::domain::{DropId, LegReference, StrandId};
use crate::pipeline::approval::{How, Recorded, recorded};
use crate::pipeline::event::numbered;
use crate::pipeline::prepared_drop::last_about;
pub(crate) use crate::pipeline::run::{Env, LedgerAccess};
use crate::seal::Digest;
use crate::store::rows::{DropRow, DropState, HeldRow, LedgerRow, Leg, Place, Standing};
use crate::store::{Body, Kind};

/// One entry of a leg's life.
#[derive(Clone, Debug)]
pub(crate) struct HistoryEntry {
    pub(crate) at: i64,
    pub(crate) place: Place,
    pub(crate) kind: Kind,
    /// What the leg was after it; `None` of a row that left, which changes its state alone.
    pub(crate) after: Option<Standing>,
    /// Digits of the rules by which it was decided.
    pub(crate) rules: Option<String>,
    /// The entry in words.
    pub(crate) what: String,
}

/// Walks lives, remembering the drops it has seen.
pub(crate) struct HistoryReader<'e> {
    env: &'e Env,
    /// Drops by partner strand and id: the name, and the version of the partner's file.
    files: HashMap<StrandId, HashMap<DropId, (String, String)>>,
    /// Every version of every partner file, once it was asked for.
    versions: Option<Vec<Recorded>>,
}

impl<'e> HistoryReader<'e> {
    pub(crate) fn new(env: &'e Env) -> Self {
        Self {
            env,
            files: HashMap::new(),
            versions: None,
        }
    }

    /// The entries of a leg, oldest first.
    ///
    /// # Errors
    /// The ledger misses a row of the leg, or one cannot be read.
    pub(crate) async fn entries(&mut self, leg: &Leg) -> anyhow::Result<Vec<HistoryEntry>> {
        let store = &self.env.store;
        let sent = store.drop_rows_of_legs(vec![leg.id]).await?;
        let mut entries = Vec::new();
        let mut place = leg.last;
        while place != Place::default() {
            may_have_another(entries.len())?;
            let Some(row) = store.ledger_at(place).await? else {
                anyhow::bail!("the ledger misses a row of this leg: run kith prove")
            };
            let (entry, prev) = self.entry(&row, place, &sent).await?;
            entries.push(entry);
            place = prev;
        }
        entries.reverse();
        Ok(entries)
    }

    async fn entry(
        &mut self,
        row: &LedgerRow,
        place: Place,
        sent: &[DropRow],
    ) -> anyhow::Result<(HistoryEntry, Place)> {
        if row.kind == Kind::Sent.number() {
            let (kind, drop_id) = (Kind::Sent, DropId::new(row.subject));
            let sent = sent
                .iter()
                .find(|sent| sent.drop_id == drop_id)
                .ok_or_else(|| {
                    anyhow::anyhow!("a drop misses a row of this leg: run kith prove")
                })?;
            let (file, version) = self.file(row.strand, drop_id).await?;
            let action = sent.action.code();
            let changed = match sent.changed.as_str() {
                "" => String::new(),
                changed => format!(" ({changed})"),
            };
            let what = format!(
                "{}: {action} row {} of {file}{changed}, by version {version} of the partner's file",
                kind.code(),
                sent.row
            );
            let entry = HistoryEntry {
                at: row.at,
                place,
                kind,
                after: None,
                rules: None,
                what,
            };
            return Ok((entry, sent.prev));
        }
        let unread = || anyhow::anyhow!("a row of this leg cannot be read: run kith prove");
        let body = row.body().ok_or_else(unread)?;
        let (kind, step) = (body.kind(), body.step().ok_or_else(unread)?);
        let why = step.after.why.map_or_else(String::new, |why| {
            format!(", {}: {}", why.code(), why.practice_words())
        });
        let wanted = step
            .after
            .pending
            .map_or_else(String::new, |action| format!(", {} to send", action.code()));
        let entry = HistoryEntry {
            at: row.at,
            place,
            kind,
            after: Some(step.after),
            rules: match &body {
                Body::Decided { rule, .. } => Some(hex(rule)),
                _ => None,
            },
            what: format!("{}: {}{why}{wanted}", kind.code(), step.after.state.code()),
        };
        Ok((entry, step.prev))
    }

    async fn file(
        &mut self,
        partner: StrandId,
        drop_id: DropId,
    ) -> anyhow::Result<(String, String)> {
        if !self
            .files
            .get(&partner)
            .is_some_and(|known| known.contains_key(&drop_id))
        {
            let env = self.env;
            if self.versions.is_none() {
                self.versions = Some(recorded(&*env.store, env.strand).await?);
            }
            let versions = self.versions.as_deref().unwrap_or_default();
            let files = env.store.drop_files_by_id(vec![drop_id]).await?;
            let own = files.into_iter().filter(|file| file.partner == partner);
            let known = own.map(|file| {
                let version = version(versions, &file.rule);
                (file.id, (file.name, version))
            });
            self.files.entry(partner).or_default().extend(known);
        }
        let known = self.files.get(&partner);
        Ok(known
            .and_then(|known| known.get(&drop_id).cloned())
            .unwrap_or_default())
    }
}

/// Fails if a leg has so many entries that it can have no other: a chain that leads back to itself has no end.
fn may_have_another(entries: usize) -> anyhow::Result<()> {
    if entries >= LEG_ENTRIES_MAX {
        anyhow::bail!("a leg has more than {LEG_ENTRIES_MAX} entries: run kith prove")
    }
    Ok(())
}

/// The first digits of a version, and how it came to be used.
fn version(versions: &[Recorded], file: &Digest) -> String {
    let digits = hex(&file[..4]);
    let mut used = versions.iter().filter(|known| known.file == *file);
    match used.rfind(|known| known.how != How::Waits) {
        Some(Recorded { by: Some(by), .. }) => format!("{digits} (approved by {by})"),
        Some(known) => format!("{digits} ({})", known.how.code()),
        None => digits,
    }
}

/// The leg of a reference as people write it.
///
/// # Errors
/// It is none, or nobody's.
pub(crate) async fn leg_of(ledger: &LedgerAccess, text: &str) -> anyhow::Result<Leg> {
    let reference = LegReference::parse(text)
        .map_err(|_| anyhow::anyhow!("\"{text}\" is no reference: it looks like K7M3-9QXD-4T2P"))?;
    let leg = ledger
        .store
        .legs_by_references(vec![reference])
        .await?
        .pop();
    leg.ok_or_else(|| anyhow::anyhow!("there is no referral {reference}"))
}

/// A leg's whole life, for people.
pub(crate) struct History {
    pub(crate) entries: Vec<HistoryEntry>,
    /// What came back and how far it is.
    pub(crate) reported: Vec<Reported>,
    pub(crate) holds: Vec<HeldRow>,
    /// Names of the partner and of the source, as they are configured now.
    pub(crate) partner: Option<String>,
    pub(crate) source: Option<String>,
}

/// What came back, without any value.
pub(crate) struct Reported {
    pub(crate) kind: &'static str,
    pub(crate) on: Option<Date>,
    /// How far the write to the GP record is; `kept` of what is never written.
    pub(crate) state: &'static str,
}

/// The whole life of a leg.
///
/// # Errors
/// As [`HistoryReader::entries`]; the store failed, or a sealed value does not open.
pub(crate) async fn history(env: &Env, leg: &Leg) -> anyhow::Result<History> {
    let mut entries = HistoryReader::new(env).entries(leg).await?;
    for kept in not_sent(env, leg).await? {
        let place = entries.iter().position(|entry| entry.at > kept.at);
        entries.insert(place.unwrap_or(entries.len()), kept);
    }
    Ok(History {
        entries,
        reported: reported(env, leg).await?,
        holds: env.store.holds_of_legs(vec![leg.id]).await?,
        partner: env
            .partner_at(leg.now.partner)
            .map(|place| env.rules.partners[place].name.clone()),
        source: env
            .source_at(leg.source)
            .map(|place| env.sources[place].config.name.clone()),
    })
}

/// Entries about drops that hold a row of the leg and have not left: prepared, or taken back.
async fn not_sent(ledger: &LedgerAccess, leg: &Leg) -> anyhow::Result<Vec<HistoryEntry>> {
    let waits = |state: DropState| !state.has_left();
    let rows = ledger.drop_rows_where(vec![leg.id], waits).await?;
    let drops = rows.iter().map(|row| row.drop_id).collect();
    let files = ledger.store.drop_files_by_id(drops).await?;
    let mut entries = Vec::new();
    for file in &files {
        let Some(own) = rows.iter().find(|row| row.drop_id == file.id) else {
            continue;
        };
        let row = format!("{} row {} of {}", own.action.code(), own.row, file.name);
        for kind in [Kind::Prepared, Kind::Voided] {
            let Some(found) = last_about(ledger, file, kind, 0).await? else {
                continue;
            };
            let by = match found.body() {
                Some(Body::Voided {
                    by: Some((by, _)), ..
                }) => format!(" by {by}"),
                _ => String::new(),
            };
            entries.push(HistoryEntry {
                at: found.at,
                place: Place {
                    strand: found.strand,
                    seq: found.seq,
                },
                kind,
                after: None,
                rules: None,
                what: format!("{}{by}: {row}", kind.code()),
            });
        }
    }
    Ok(entries)
}

async fn reported(ledger: &LedgerAccess, leg: &Leg) -> anyhow::Result<Vec<Reported>> {
    let events = numbered(ledger, leg.id).await?;
    let ids = events.iter().map(|(id, _)| *id).collect();
    let pushes = ledger.store.pushes_of_events(ids).await?;
    Ok(events
        .into_iter()
        .map(|(id, event)| {
            let push = pushes.iter().find(|push| push.event == id);
            Reported {
                kind: event.kind.code(),
                on: event.on,
                state: push.map_or("kept", |push| push.state.code()),
            }
        })
        .collect())
}

/// What a leg was just before a place of the ledger at an instant, or `None` before it began.
pub(crate) fn before(entries: &[HistoryEntry], at: i64, place: Place) -> Option<Standing> {
    let earlier = |entry: &&HistoryEntry| {
        entry.at < at
            || (entry.at == at
                && (entry.place.strand != place.strand || entry.place.seq < place.seq))
    };
    entries
        .iter()
        .filter(earlier)
        .filter_map(|entry| entry.after)
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits;

    #[test]
    fn a_leg_has_only_so_many_entries() {
        limits::holds_at(LEG_ENTRIES_MAX, |entries| {
            (0..entries).all(|read| may_have_another(read).is_ok())
        });
    }
}
