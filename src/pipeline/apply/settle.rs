//! Tells what is new on the rows of a return from what is known, row by row, and says how each row ends.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use super::corrections::{self, Correction, Telling};
use super::endings;
use super::occurrences::{Occurrences, SpeaksOf};
use super::record::{ReturnRecord, Touched, UnsealedEvent};
use super::too_many::TooMany;
use crate::domain::entropy::Stream;
use crate::domain::{Disposition, EventId, EventKind, KeyId, LegId, RawId, Reason, ReturnId};
use crate::pipeline::decide::onward;
use crate::pipeline::event::{ReportedEvent, RowFinding, StoredEvent, What};
use crate::pipeline::run::Ids;
use crate::store::rows::Leg;

/// The legs of each referral of a person, by person and request.
pub(crate) type Chains = HashMap<(KeyId, RawId), Vec<Leg>>;

/// How a row ends.
type RowEnd = (Disposition, Option<Reason>);

/// What comes of an event that is told anew.
enum Anew {
    /// Nothing.
    Known,
    Held(Reason),
    /// A new word on it.
    Word(Box<StoredEvent>),
}

/// What was settled of the rows of a file.
pub(crate) struct SettledRows {
    /// The events that are new.
    pub(crate) unsealed: Vec<UnsealedEvent>,
    /// It tells more that is new than a file may.
    pub(crate) too_many: bool,
    /// Known events that the rows of a sheet that tells everything speak of.
    pub(crate) spoken: HashSet<EventId>,
}

/// What was told so far of the legs of a file.
#[derive(Default)]
struct ToldSoFar<'t> {
    /// Which events the rows speak of.
    occurrences: Occurrences<'t>,
    /// Whether the sheet tells everything so far, and the known events that its rows speak of.
    everything: bool,
    spoken: HashSet<EventId>,
    /// The partners that somebody was referred on to.
    asked: HashSet<(LegId, String)>,
}

impl ReturnRecord<'_> {
    /// The further legs of the people whom rows refer on.
    pub(crate) async fn chains(
        &self,
        rows: &[RowFinding],
        touched: &HashMap<LegId, Touched>,
    ) -> anyhow::Result<Chains> {
        let mut chains = Chains::new();
        if self.partner.onward_to.is_empty() {
            return Ok(chains);
        }
        let asks = |row: &&RowFinding| {
            let mut events = row.events.iter();
            events.any(|told| told.kind == EventKind::Onward)
        };
        let legs = rows.iter().filter(asks);
        let legs = legs.filter_map(|row| touched.get(&row.leg));
        let mut persons: Vec<KeyId> = legs.map(|touched| touched.leg.now.person).collect();
        persons.sort_unstable();
        persons.dedup();
        if !persons.is_empty() {
            for leg in self.run.store.legs_of_persons(persons).await? {
                chains.entry(referral_of(&leg)).or_default().push(leg);
            }
        }
        Ok(chains)
    }

    /// Tells new events from known ones, row by row.
    pub(crate) fn settle_rows(
        &self,
        rows: &mut [RowFinding],
        touched: &mut HashMap<LegId, Touched>,
        chains: &Chains,
        return_id: ReturnId,
        ids: &Ids,
        stream: &mut Stream,
    ) -> SettledRows {
        let mut so_far = ToldSoFar {
            everything: self.tells_everything(),
            ..ToldSoFar::default()
        };
        let mut unsealed = Vec::new();
        let mut endings: Vec<RowEnd> = vec![(Disposition::Held, None); rows.len()];
        // Most files tell nothing in other words: only then is it asked what the other rows tell.
        let contents = LazyCell::new(|| corrections::contents(rows));
        for index in self.order(rows.len()) {
            let row = &rows[index];
            let Some(touched) = touched.get_mut(&row.leg) else {
                endings[index] = (row.disposition, row.reason);
                continue;
            };
            let others = |told: &ReportedEvent| contents.of_others(row.leg, told);
            let (ending, fresh) =
                self.settle_row((index, row), touched, chains, &mut so_far, others);
            endings[index] = ending;
            if touched.fresh.is_empty() {
                // Of most legs a file has one row: a list that grows would take four times as much.
                touched.fresh.reserve_exact(fresh.len());
            }
            for (kind, kept) in fresh {
                let event = self.event_row(&kept, kind, touched, return_id, index, ids.next());
                let place = touched.fresh.len();
                unsealed.push(UnsealedEvent {
                    leg: row.leg,
                    place,
                    nonce: stream.bytes(),
                });
                if kept.kind == EventKind::Onward {
                    so_far.asked.insert((row.leg, kept.code.clone()));
                }
                touched.fresh.push((kept, event));
            }
        }
        let spoken = std::mem::take(&mut so_far.spoken);
        drop((contents, so_far));
        for (row, (disposition, reason)) in rows.iter_mut().zip(endings) {
            (row.disposition, row.reason) = (disposition, reason);
        }
        let too_many = TooMany::of(touched, self.run.config.limits.return_events_max);
        too_many.hold(rows, touched);
        unsealed.retain(|event| !too_many.holds(event.leg));
        SettledRows {
            unsealed,
            too_many: too_many.of_file,
            spoken,
        }
    }

    /// How a row ends, and what of it is new and is kept.
    fn settle_row<'t>(
        &self,
        (index, row): (usize, &'t RowFinding),
        touched: &Touched,
        chains: &Chains,
        so_far: &mut ToldSoFar<'t>,
        others: impl Fn(&ReportedEvent) -> Vec<String>,
    ) -> (RowEnd, Vec<(EventKind, StoredEvent)>) {
        let mut ending = (row.disposition, row.reason);
        let mut fresh = Vec::new();
        let mut known = 0;
        for told in &row.events {
            let (known_events, leg) = (&touched.known, row.leg);
            let occurrences = &mut so_far.occurrences;
            let spoken = match self.mended_event(index, told, touched) {
                Some(mended) => occurrences.mended(leg, told, known_events, mended),
                None => occurrences.next(leg, told, known_events, row.withdrawn, || others(told)),
            };
            let (before, occurrence) = match spoken {
                SpeaksOf::Known(place) => {
                    let (id, event) = &known_events[place];
                    if so_far.everything {
                        so_far.spoken.insert(*id);
                    }
                    (Some(event), event.occurrence)
                }
                SpeaksOf::New(number) => (None, number),
            };
            if row.disposition != Disposition::Accepted {
                continue;
            }
            let (env, reference) = (self.run, touched.leg.reference);
            let kept = StoredEvent::new(env, self.partner, reference, told, occurrence, env.now());
            if asked_before(row.leg, told, &fresh, so_far) {
                known += 1;
                continue;
            }
            match before {
                None if row.withdrawn => known += 1,
                None if told.ends() && !endings::of(touched, &fresh).is_empty() => {
                    if endings::of(touched, &fresh)
                        .iter()
                        .all(|one| endings::same(one, &kept))
                    {
                        known += 1;
                    } else {
                        // Which ending is right is for the practice to say: it may have read the first.
                        ending = (Disposition::Held, Some(Reason::AfterClose));
                    }
                }
                None if self.contradicts(row.leg) && is_answered(told, touched) => {
                    ending = (Disposition::Held, Some(Reason::ConflictCopy));
                }
                None => {
                    if let Some((disposition, reason)) = self.not_sent_on(touched, chains, told) {
                        ending = (disposition, Some(reason));
                    }
                    fresh.push((told.kind, kept));
                }
                Some(before) => match self.told_anew(before, kept, (row, told), touched) {
                    Anew::Known => known += 1,
                    Anew::Held(reason) => ending = (Disposition::Held, Some(reason)),
                    Anew::Word(kept) => fresh.push((told.kind, *kept)),
                },
            }
        }
        if ending.0 != Disposition::Accepted {
            return (ending, Vec::new());
        }
        if known > 0 && fresh.is_empty() {
            ending = (Disposition::Repeated, Some(Reason::AlreadyKnown));
        }
        (ending, fresh)
    }

    /// What comes of an event that is known and told anew.
    fn told_anew(
        &self,
        before: &StoredEvent,
        kept: StoredEvent,
        (row, told): (&RowFinding, &ReportedEvent),
        touched: &Touched,
    ) -> Anew {
        let earlier = touched.earlier.get(&kept.identifier);
        let told_before = self.taken.told_before();
        let telling = Telling {
            earlier: earlier.map_or(&[], Vec::as_slice),
            newer_sheet: self.newer.tell_of(row.leg),
            told_before,
        };
        let closed = told.ends() && !before.withdrawn;
        match corrections::of(before, kept, row.withdrawn, &telling) {
            Correction::None => Anew::Known,
            Correction::Ask => Anew::Held(Reason::Correction),
            Correction::Corrected if told_before => Anew::Known,
            Correction::OlderWord | Correction::Corrected => Anew::Held(Reason::ConflictCopy),
            Correction::Event(_) if closed && !endings::may_change(before, self.run.now()) => {
                Anew::Held(Reason::AfterClose)
            }
            Correction::Event(kept) => Anew::Word(kept),
        }
    }

    /// Whether what a row tells on another day than before contradicts a newer sheet.
    fn contradicts(&self, leg: LegId) -> bool {
        self.newer.tell_of(leg) && !self.taken.told_before()
    }

    /// Why a person is not referred on as a row asks, and how the row ends.
    fn not_sent_on(
        &self,
        touched: &Touched,
        chains: &Chains,
        told: &ReportedEvent,
    ) -> Option<(Disposition, Reason)> {
        let What::Onward {
            partner, agreed, ..
        } = &told.what
        else {
            return None;
        };
        let chain = chains.get(&referral_of(&touched.leg));
        let chain = chain.map_or(&[][..], Vec::as_slice);
        let reason = onward::objection(self.run, chain, partner, *agreed)?;
        let disposition = if reason == Reason::OnwardNotAllowed {
            Disposition::Rejected
        } else {
            Disposition::Held
        };
        Some((disposition, reason))
    }
}

/// Whether a questionnaire was answered before on the same occasion, on whatever day.
fn is_answered(told: &ReportedEvent, touched: &Touched) -> bool {
    let What::Measure {
        instrument,
        occasion,
        ..
    } = &told.what
    else {
        return false;
    };
    touched.known.iter().any(|(_, known)| {
        known.kind == EventKind::Measure
            && !known.withdrawn
            && known.instrument == *instrument
            && known.code == occasion.code()
    })
}

/// Whether a row refers on to a partner that an earlier one, or itself, has named: the same service named twice in one
/// sheet is asked for once.
fn asked_before(
    leg: LegId,
    told: &ReportedEvent,
    fresh: &[(EventKind, StoredEvent)],
    so_far: &ToldSoFar<'_>,
) -> bool {
    let What::Onward { partner, .. } = &told.what else {
        return false;
    };
    let same = |(_, kept): &(EventKind, StoredEvent)| {
        kept.kind == EventKind::Onward && kept.code == *partner
    };
    fresh.iter().any(same) || so_far.asked.contains(&(leg, partner.clone()))
}

/// Person and request: what all legs of a referral share.
fn referral_of(leg: &Leg) -> (KeyId, RawId) {
    (leg.now.person, leg.now.raws.request)
}
