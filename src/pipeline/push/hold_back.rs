//! Which writes to the GP record wait, and why (`safety.md` §6, column *writes to the GP record*).
//!
//! In: writes that are queued. Out: those that may go. Keeps: nothing is written about somebody who has died, whose record
//! is restricted, who withdrew consent, or whose record nobody is sure of or can read, and nothing of a partner whose file is
//! gone; the write stays queued and its owner is asked.

use std::collections::HashMap;

use super::load_writes::WriteSubject;
use crate::domain::{Action, LegId, Reason, Stage};
use crate::json::Arena;
use crate::pipeline::map;
use crate::pipeline::referral::Referral;
use crate::pipeline::run::{LedgerAccess, Run};
use crate::pipeline::select::review;
use crate::store::rows::{Leg, PushRow};

/// Writes that may go, and those that wait, each with its reason.
pub(super) type Parted = (Vec<PushRow>, Vec<(PushRow, Reason)>);

/// Parts the writes of a source about these subjects; nothing is recorded here.
///
/// # Errors
/// The store failed.
pub(super) async fn hold_back(
    run: &Run,
    source: usize,
    rows: Vec<PushRow>,
    subjects: &[WriteSubject],
) -> anyhow::Result<Parted> {
    let ids = subjects.iter().map(|subject| subject.leg.id).collect();
    let open = questions(run, ids).await?;
    let mut waiting: HashMap<LegId, Reason> = HashMap::new();
    for WriteSubject { leg, referral } in subjects {
        let reason = of_record(run, source, leg, referral.as_ref());
        let reason = reason.or_else(|| open.get(&leg.id).copied());
        waiting.extend(reason.map(|reason| (leg.id, reason)));
    }
    let (mut free, mut held) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        match waiting.get(&row.leg) {
            Some(reason) => held.push((row, *reason)),
            None => free.push(row),
        }
    }
    Ok((free, held))
}

/// The open question that the writes of each leg wait for; not one that push itself has asked, for that is looked at again.
async fn questions(
    ledger: &LedgerAccess,
    legs: Vec<LegId>,
) -> anyhow::Result<HashMap<LegId, Reason>> {
    let mut first = HashMap::new();
    for hold in ledger.store.holds_of_legs(legs).await? {
        let asked = !hold.return_id.is_some() && hold.stage != Stage::Push;
        if asked && hold.reason.blocks_writes() {
            first.entry(hold.leg).or_insert(hold.reason);
        }
    }
    Ok(first)
}

/// What the record itself says against a write.
fn of_record(run: &Run, source: usize, leg: &Leg, referral: Option<&Referral>) -> Option<Reason> {
    if run.readings.waits(leg.now.person) {
        return Some(Reason::NotReRead);
    }
    // Of whom nothing is kept any more, nothing can be built either: `load_writes` says what becomes of that.
    let referral = referral?;
    let arena = Arena::default();
    let Ok(trees) = referral.trees(&arena) else {
        return Some(Reason::Unreadable);
    };
    let Some(place) = run.partner_at(leg.now.partner) else {
        return Some(Reason::PartnerDisabled);
    };
    let (rules, partner) = run.approved(place);
    let config = &run.sources[source].config;
    let reference = leg.reference.to_string();
    let view = trees.view(
        run.setting(config, rules, run.today()),
        map::facts(&reference, Action::New, "", 0),
    );
    let rules = run.source_rules(config);
    // A leg without a look-up key was opened by a link worker, on the person's own word.
    let onward = leg.lookup.is_none();
    review(&view, &trees.consents(), &rules, partner, onward).blocks_writes
}
