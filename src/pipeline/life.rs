//! A leg's life as the ledger has it, walked back from where it stands.
//!
//! In: legs. Out: their turns, oldest first, each with what the leg was after it. Keeps: only what the chain says; a row
//! that is missing or cannot be read is an error that names `kith prove`.

use std::collections::HashMap;

use serde_json::Value;

use super::approval::{How, Recorded, recorded};
use super::env::Env;
use crate::domain::Action;
use crate::domain::limits::LEG_TURNS_MAX;
use crate::seal::Digest;
use crate::store::chain::hex;
use crate::store::rows::{DropRow, LedgerRow, Leg, Place, Standing};
use crate::store::{Kind, fold};

/// One turn of a leg's life.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) at: i64,
    pub(crate) place: Place,
    pub(crate) kind: Kind,
    /// What the leg was after it; `None` of a row that left, which changes its state alone.
    pub(crate) after: Option<Standing>,
    /// Digits of the rules by which it was decided.
    pub(crate) rules: Option<String>,
    /// The turn in words.
    pub(crate) what: String,
}

/// Walks lives, remembering the drops it has seen.
pub(crate) struct Walker<'e> {
    env: &'e Env,
    /// Drops by partner strand and id: the name, and the version of the partner's file.
    files: HashMap<i64, HashMap<i64, (String, String)>>,
    /// Every version of every partner file, once it was asked for.
    versions: Option<Vec<Recorded>>,
}

impl<'e> Walker<'e> {
    pub(crate) fn new(env: &'e Env) -> Self {
        Self {
            env,
            files: HashMap::new(),
            versions: None,
        }
    }

    /// The turns of a leg, oldest first.
    ///
    /// # Errors
    /// The ledger misses a row of the leg, or one cannot be read.
    pub(crate) async fn turns(&mut self, leg: &Leg) -> anyhow::Result<Vec<Turn>> {
        let store = &self.env.store;
        let sent = store.drop_rows_of_legs(vec![leg.id]).await?;
        let mut turns = Vec::new();
        let mut place = leg.last;
        while place != Place::default() {
            if turns.len() >= LEG_TURNS_MAX {
                anyhow::bail!("a leg has more than {LEG_TURNS_MAX} turns: run kith prove")
            }
            let Some(row) = store.ledger_at(place).await? else {
                anyhow::bail!("the ledger misses a row of this leg: run kith prove")
            };
            let (turn, prev) = self.turn(&row, place, &sent).await?;
            turns.push(turn);
            place = prev;
        }
        turns.reverse();
        Ok(turns)
    }

    async fn turn(
        &mut self,
        row: &LedgerRow,
        place: Place,
        sent: &[DropRow],
    ) -> anyhow::Result<(Turn, Place)> {
        let kind = Kind::from_number(row.kind)
            .ok_or_else(|| anyhow::anyhow!("the ledger has a row of an unknown kind"))?;
        if kind == Kind::Sent {
            let sent = sent
                .iter()
                .find(|sent| sent.drop_id == row.subject)
                .ok_or_else(|| {
                    anyhow::anyhow!("a drop misses a row of this leg: run kith prove")
                })?;
            let (file, version) = self.file(row.strand, row.subject).await?;
            let action = Action::from_number(sent.action).map_or("", Action::code);
            let changed = match sent.changed.as_str() {
                "" => String::new(),
                changed => format!(" ({changed})"),
            };
            let what = format!(
                "{}: {action} row {} of {file}{changed}, by version {version} of the partner's file",
                kind.word(),
                sent.row
            );
            let turn = Turn {
                at: row.at,
                place,
                kind,
                after: None,
                rules: None,
                what,
            };
            return Ok((turn, sent.prev));
        }
        let step = fold::step(row)
            .ok_or_else(|| anyhow::anyhow!("a row of this leg cannot be read: run kith prove"))?;
        let why = step.after.why.map_or_else(String::new, |why| {
            format!(", {}: {}", why.code(), why.practice_words())
        });
        let wanted = Action::from_number(step.after.pending)
            .map_or_else(String::new, |action| format!(", {} to send", action.code()));
        let tail = fold::fields(row).unwrap_or_default();
        let turn = Turn {
            at: row.at,
            place,
            kind,
            after: Some(step.after),
            rules: (kind == Kind::Decided)
                .then(|| tail.get(16).and_then(Value::as_str).map(str::to_owned))
                .flatten(),
            what: format!("{}: {}{why}{wanted}", kind.word(), step.after.state.code()),
        };
        Ok((turn, step.prev))
    }

    async fn file(&mut self, partner: i64, drop_id: i64) -> anyhow::Result<(String, String)> {
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
            let files = env.store.drop_files(partner).await?;
            let known = files.into_iter().map(|file| {
                let version = version(versions, &file.rule);
                (file.id, (file.name, version))
            });
            self.files.insert(partner, known.collect());
        }
        let known = self.files.get(&partner);
        Ok(known
            .and_then(|known| known.get(&drop_id).cloned())
            .unwrap_or_default())
    }
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

/// What a leg was just before a place of the ledger at an instant, or `None` before it began.
pub(crate) fn before(turns: &[Turn], at: i64, place: Place) -> Option<Standing> {
    let earlier = |turn: &&Turn| {
        turn.at < at
            || (turn.at == at && (turn.place.strand != place.strand || turn.place.seq < place.seq))
    };
    turns
        .iter()
        .filter(earlier)
        .filter_map(|turn| turn.after)
        .next_back()
}
