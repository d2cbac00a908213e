//! Why a referral went where it went: its decision made once more, check by check, beside what the ledger recorded.
//!
//! In: a leg, or a referral as somebody brings it. Out: a [`Explanation`] of every check, every partner's criteria, and what
//! happened since. Keeps: the decision is select's own, on the records and the day of then; where the two differ, both are
//! shown. A story names nobody: no name, number, address, server id or free text.

use std::collections::HashMap;

use super::history::{HistoryEntry, HistoryReader, before};
use crate::domain::limits::CAPACITY_LEGS_MAX;
use crate::domain::{
    Action, HoldNumber, Instant, KeyId, LegId, LegState, Owner, Reason, RunId, Stage, StrandId,
};
use crate::json::Arena;
use crate::partner::ReferralView;
use crate::pipeline::decide::{ReferralOutcome, judge, standing};
use crate::pipeline::ingest::known::known_before;
use crate::pipeline::lookup_keys::{persons_alike, referral_lookup};
pub(crate) use crate::pipeline::pull::folder::Folder;
use crate::pipeline::referral::{Referral, ReferralTrees};
use crate::pipeline::run::Env;
pub(crate) use crate::pipeline::select::Holds;
use crate::pipeline::select::{PriorLegs, SourceRules, Step, Trail, criteria};
use crate::pipeline::{map, sealed_inputs};
use crate::store::rows::{Leg, Place, RawIds, Standing};
use crate::store::{Body, Kind};

/// Legs read at a time.
const PAGE: i64 = 500;

/// Where a referral came to stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LegOutcome {
    /// The state of its leg; `rejected` of what has none.
    pub(crate) state: &'static str,
    pub(crate) reason: Option<Reason>,
    pub(crate) partner: Option<String>,
}

/// A criterion of a partner, with the value seen and the verdict.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) asks: String,
    pub(crate) saw: String,
    pub(crate) holds: Holds,
}

/// A partner's side of a decision.
#[derive(Clone, Debug)]
pub(crate) struct PartnerLines {
    pub(crate) id: String,
    pub(crate) enabled: bool,
    pub(crate) priority: i32,
    pub(crate) fits: bool,
    pub(crate) lines: Vec<Line>,
}

/// The decision and what it rested on.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) at: Instant,
    /// As the ledger has it; nothing is recorded of a referral that somebody brings.
    pub(crate) recorded: Option<LegOutcome>,
    /// As the same checks say now, on the records and the day of then.
    pub(crate) again: LegOutcome,
    /// Whether the rules of today are those of then; `None` where the ledger does not say.
    pub(crate) same_rules: Option<bool>,
    pub(crate) steps: Vec<Step>,
    pub(crate) partners: Vec<PartnerLines>,
    /// Partners with whom the person had something open.
    pub(crate) open_with: Vec<String>,
    /// Acts of people that the decision followed: act, by, as.
    pub(crate) signed: Vec<String>,
}

impl Decided {
    /// What the last check saw that ended for this reason.
    pub(crate) fn saw_for(&self, reason: Reason) -> Option<String> {
        let mut steps = self.steps.iter().rev();
        let step = steps.find(|step| step.ends == Some(reason))?;
        Some(step.saw.clone())
    }
}

/// One referral's story.
#[derive(Clone, Debug)]
pub(crate) struct Explanation {
    pub(crate) reference: Option<String>,
    pub(crate) source: String,
    pub(crate) fate: LegOutcome,
    /// `None` where the person was erased and nothing is left to judge.
    pub(crate) decided: Option<Decided>,
    /// What happened, oldest first.
    pub(crate) life: Vec<(Instant, String)>,
    /// Open holds: number, reason, and whose question it is.
    pub(crate) waits: Vec<(HoldNumber, Reason, Owner)>,
    /// Of a referral that somebody brings: whether this very version was pulled before.
    pub(crate) pulled_before: Option<bool>,
}

/// Legs with their lives.
type Lives = Vec<(LegId, Vec<HistoryEntry>)>;

/// Tells stories; what many of them need is read once.
pub(crate) struct Explainer<'e> {
    env: &'e Env,
    walker: HistoryReader<'e>,
    /// Lives of the legs of partners with a capacity.
    lives: HashMap<StrandId, Option<Lives>>,
}

/// When and of what a decision is made.
struct Moment {
    at: Instant,
    place: Place,
    raws: RawIds,
    recorded: Option<Standing>,
    rules: Option<String>,
}

/// The leg of the request with this id of a source's own system.
///
/// # Errors
/// There is none, or the store failed.
pub(crate) async fn leg_of_request(env: &Env, source: usize, id: &str) -> anyhow::Result<Leg> {
    let lookup = referral_lookup(env, source, id.as_bytes(), None);
    let leg = env.store.legs_by_lookup(vec![lookup]).await?.pop();
    leg.ok_or_else(|| {
        anyhow::anyhow!("no referral with this id has a reference: it was not ours or has not come; bring its record with --input")
    })
}

/// Referrals of each source that have no reference, by reason: of these nothing is kept.
///
/// # Errors
/// The store failed.
pub(crate) async fn without_reference(
    env: &Env,
) -> anyhow::Result<Vec<(String, [(Reason, u64); 2])>> {
    let none = [(Reason::NotOurs, 0), (Reason::Unreadable, 0)];
    let sources = env.sources.iter();
    let mut counts: Vec<_> = sources
        .map(|source| (source.config.id.clone(), none))
        .collect();
    let (mut run, mut books) = (RunId::NONE, env.store.books(RunId::NONE).await?);
    loop {
        for book in &books {
            let Some(place) = env.source_at(book.source) else {
                continue;
            };
            for ((reason, count), stage) in
                counts[place].1.iter_mut().zip([Stage::Select, Stage::Pull])
            {
                let of = book.counts.reasons().get(reason);
                *count += of.filter(|_| book.stage == stage).unwrap_or(&0);
            }
        }
        books = env.store.books_after(run, PAGE).await?;
        let Some(last) = books.last() else {
            return Ok(counts);
        };
        run = last.run;
    }
}

impl<'e> Explainer<'e> {
    /// The next legs after an id, each with its explanation.
    ///
    /// # Errors
    /// As [`Explainer::leg`].
    pub(crate) async fn page(
        &mut self,
        after: LegId,
        again: bool,
    ) -> anyhow::Result<Vec<(LegId, Explanation)>> {
        let legs = self.env.store.legs_after(after, PAGE).await?;
        let mut page = Vec::with_capacity(legs.len());
        for leg in &legs {
            page.push((leg.id, self.leg(leg, again).await?));
        }
        Ok(page)
    }

    /// A referral as somebody brings it, and where it lies: the explanation of its leg, else of the decision that these
    /// records lead to; `None` if it cannot be read.
    ///
    /// # Errors
    /// As [`Explainer::leg`]; the folder cannot be read.
    pub(crate) async fn of_folder(
        &mut self,
        source: usize,
        folder: &Folder,
        index: usize,
        again: bool,
    ) -> anyhow::Result<Option<(String, Explanation)>> {
        let referral = folder.referral(index)?;
        let arena = Arena::default();
        let Ok(trees) = referral.trees(&arena) else {
            return Ok(None);
        };
        let explanation = match known_before(self.env, source, &referral, &trees).await? {
            (Some(leg), _) => self.leg(&leg, again).await?,
            (None, before) => self.brought(source, &trees, before),
        };
        Ok(Some((folder.location(index).text(), explanation)))
    }

    pub(crate) fn new(env: &'e Env) -> Self {
        Self {
            env,
            walker: HistoryReader::new(env),
            lives: HashMap::new(),
        }
    }

    /// The story of a leg; with `again`, decided on today's day and its newest records.
    ///
    /// # Errors
    /// The store failed, the ledger misses a row, or a sealed value does not open.
    pub(crate) async fn leg(&mut self, leg: &Leg, again: bool) -> anyhow::Result<Explanation> {
        let env = self.env;
        let entries = self.walker.entries(leg).await?;
        let moment = self.moment(leg, &entries, again);
        let referral = sealed_inputs::referrals(env, &[moment.raws])
            .await?
            .pop()
            .flatten();
        let decided = match (referral, env.source_at(leg.source)) {
            (Some(referral), Some(source)) => {
                let mut decided = self.decided(leg, source, &referral, &moment).await?;
                decided.signed = self.signed(moment.place).await?;
                Some(decided)
            }
            _ => None,
        };
        let holds = env.store.holds_of_legs(vec![leg.id]).await?;
        let source = env.source_at(leg.source);
        Ok(Explanation {
            reference: Some(leg.reference.to_string()),
            source: source.map_or_else(String::new, |place| env.sources[place].config.id.clone()),
            fate: self.fate(leg.now),
            decided,
            life: entries
                .into_iter()
                .map(|entry| (Instant(entry.at), entry.what))
                .collect(),
            waits: holds
                .into_iter()
                .map(|hold| (hold.number, hold.reason, hold.reason.owner_at(hold.stage)))
                .collect(),
            pulled_before: None,
        })
    }

    /// The story of a referral that never had a leg: not ours, or not seen yet.
    ///
    /// # Errors
    /// None that a store gives: the decision reads what it was brought.
    pub(crate) fn brought(
        &self,
        source: usize,
        trees: &ReferralTrees<'_>,
        pulled_before: bool,
    ) -> Explanation {
        let env = self.env;
        let (decided, outcome) = self.judged(source, trees, "", env.now(), &[]);
        let fate = match outcome {
            None => LegOutcome {
                state: "rejected",
                reason: Some(Reason::NotOurs),
                partner: None,
            },
            Some(_) => LegOutcome {
                state: "not pulled yet",
                reason: None,
                partner: None,
            },
        };
        Explanation {
            reference: None,
            source: env.sources[source].config.id.clone(),
            fate,
            decided: Some(decided),
            life: Vec::new(),
            waits: Vec::new(),
            pulled_before: Some(pulled_before),
        }
    }

    /// The last decision before anything left, or now.
    fn moment(&self, leg: &Leg, entries: &[HistoryEntry], again: bool) -> Moment {
        let now = Moment {
            at: self.env.now(),
            place: Place::default(),
            raws: leg.now.raws,
            recorded: None,
            rules: None,
        };
        if again {
            return now;
        }
        let left = entries.iter().position(|entry| entry.kind == Kind::Sent);
        let decision = entries
            .iter()
            .take(left.unwrap_or(entries.len()))
            .filter(|entry| matches!(entry.kind, Kind::Decided | Kind::Amended))
            .filter_map(|entry| Some((entry, entry.after?)))
            .next_back();
        decision.map_or(now, |(entry, after)| Moment {
            at: Instant(entry.at),
            place: entry.place,
            raws: after.raws,
            recorded: Some(after),
            rules: entry.rules.clone(),
        })
    }

    async fn decided(
        &mut self,
        leg: &Leg,
        source: usize,
        referral: &Referral,
        moment: &Moment,
    ) -> anyhow::Result<Decided> {
        let env = self.env;
        let arena = Arena::default();
        let trees = referral
            .trees(&arena)
            .map_err(|_| anyhow::anyhow!("a kept referral cannot be read"))?;
        let open = self.open_then(leg, moment, &trees).await?;
        let reference = leg.reference.to_string();
        let (mut decided, mut outcome) = self.judged(source, &trees, &reference, moment.at, &open);
        if let Some(ReferralOutcome::Routed(place)) = outcome
            && let Some(full) = self.capacity(place, leg, moment, &mut decided).await?
        {
            outcome = Some(full);
        }
        decided.again = self.fate_of(outcome);
        decided.recorded = moment.recorded.map(|after| self.fate(after));
        let now = crate::domain::encoding::hex(&env.rules.hash[..16]);
        decided.same_rules = moment.rules.as_ref().map(|then| *then == now);
        Ok(decided)
    }

    /// Select and map on what they are given.
    fn judged(
        &self,
        source: usize,
        trees: &ReferralTrees<'_>,
        reference: &str,
        at: Instant,
        open: &[usize],
    ) -> (Decided, Option<ReferralOutcome>) {
        let env = self.env;
        let config = &env.sources[source].config;
        let view = trees.view(
            env.setting(config, &env.rules, at.london_day()),
            map::facts(reference, Action::New, "", 0),
        );
        let mut trail = Trail::telling();
        let known = PriorLegs {
            open_with: open,
            ..PriorLegs::default()
        };
        let consents = trees.consents();
        let outcome = judge(env, config, &view, &consents, known, &|_, _| {}, &mut trail);
        let rules = env.source_rules(config);
        let decided = Decided {
            at,
            recorded: None,
            again: self.fate_of(outcome),
            same_rules: None,
            steps: trail.into_steps(),
            partners: partner_lines(&view, &consents, &rules),
            open_with: open.iter().filter_map(|place| self.id(*place)).collect(),
            signed: Vec::new(),
        };
        (decided, outcome)
    }

    /// Partners with whom the person had another leg open at that moment.
    async fn open_then(
        &mut self,
        leg: &Leg,
        moment: &Moment,
        trees: &ReferralTrees<'_>,
    ) -> anyhow::Result<Vec<usize>> {
        let mut open = Vec::new();
        let persons = persons_alike(self.env, leg.now.person, trees.patient()).await?;
        let others = self.env.store.legs_of_persons(persons).await?;
        for other in others.iter().filter(|other| other.id != leg.id) {
            let then = if moment.place == Place::default() {
                Some(other.now)
            } else {
                before(
                    &self.walker.entries(other).await?,
                    moment.at.0,
                    moment.place,
                )
            };
            let then = then.filter(|then| is_open(*then));
            open.extend(then.and_then(|then| self.env.partner_at(then.partner)));
        }
        Ok(open)
    }

    /// How many places a partner with a capacity had left; the outcome if it had none.
    async fn capacity(
        &mut self,
        place: usize,
        leg: &Leg,
        moment: &Moment,
        decided: &mut Decided,
    ) -> anyhow::Result<Option<ReferralOutcome>> {
        let env = self.env;
        let Some(max) = env.rules.partners[place].select.open_legs_max else {
            return Ok(None);
        };
        let strand = env.partners[place].strand;
        if !self.lives.contains_key(&strand) {
            let lives = self.lives_of(strand).await?;
            self.lives.insert(strand, lives);
        }
        let Some(lives) = self.lives.get(&strand).and_then(Option::as_ref) else {
            return Ok(None);
        };
        let at = if moment.place == Place::default() {
            i64::MAX
        } else {
            moment.at.0
        };
        let open = lives
            .iter()
            .filter(|(other, entries)| {
                *other != leg.id
                    && before(entries, at, moment.place)
                        .is_some_and(|then| then.partner == strand && is_open(then))
            })
            .count();
        let full = u32::try_from(open).is_ok_and(|open| open >= max);
        let ends = full.then_some(Reason::Capacity);
        decided.steps.push(Step {
            check: "capacity",
            saw: format!("{open} open of {max}"),
            ends,
        });
        Ok(ends.map(|reason| ReferralOutcome::Held(Stage::Select, reason, Some(place))))
    }

    /// The lives of all legs that are or were for a partner; `None` of more than can be walked.
    async fn lives_of(&mut self, strand: StrandId) -> anyhow::Result<Option<Lives>> {
        let mut lives = Vec::new();
        let mut after = LegId::NONE;
        loop {
            let legs = self.env.store.legs_after(after, PAGE).await?;
            let Some(last) = legs.last() else {
                return Ok(Some(lives));
            };
            after = last.id;
            for leg in legs.iter().filter(|leg| leg.now.partner == strand) {
                if !may_walk_another(lives.len()) {
                    return Ok(None);
                }
                lives.push((leg.id, self.walker.entries(leg).await?));
            }
        }
    }

    /// Who signed for a decision: the rows just before it in its strand.
    async fn signed(&self, place: Place) -> anyhow::Result<Vec<String>> {
        let mut signed = Vec::new();
        for back in 1..=3 {
            if place.seq <= back {
                break;
            }
            let at = Place {
                seq: place.seq - back,
                ..place
            };
            let row = self.env.store.ledger_at(at).await?;
            let Some(Body::Signed { act, by, owner, .. }) = row.and_then(|row| row.body()) else {
                break;
            };
            signed.push(format!("{} by {by} as {}", act.code(), owner.code()));
        }
        Ok(signed)
    }

    fn id(&self, place: usize) -> Option<String> {
        let partner = self.env.rules.partners.get(place);
        partner.map(|partner| partner.id.clone())
    }

    fn fate(&self, now: Standing) -> LegOutcome {
        let place = self.env.partner_at(now.partner);
        LegOutcome {
            state: now.state.code(),
            reason: now.why,
            partner: place.and_then(|place| self.id(place)),
        }
    }

    fn fate_of(&self, outcome: Option<ReferralOutcome>) -> LegOutcome {
        outcome.map_or(
            LegOutcome {
                state: "rejected",
                reason: Some(Reason::NotOurs),
                partner: None,
            },
            |outcome| self.fate(standing(self.env, outcome, KeyId::NONE, RawIds::default())),
        )
    }
}

/// Whether another life may be walked beside so many.
fn may_walk_another(walked: usize) -> bool {
    walked < CAPACITY_LEGS_MAX
}

/// What counts against a capacity and as a duplicate.
fn is_open(then: Standing) -> bool {
    then.partner.is_some() && (then.state == LegState::Routed || then.state.after_sending())
}

/// Every criterion of every partner.
fn partner_lines(
    view: &ReferralView<'_>,
    consents: &[&crate::json::Json<'_>],
    rules: &SourceRules<'_>,
) -> Vec<PartnerLines> {
    let partners = rules.partners.iter();
    partners
        .map(|partner| {
            let lines: Vec<Line> = criteria(view, consents, partner, rules)
                .into_iter()
                .map(|found| Line {
                    name: found.name,
                    asks: found.asks.to_string(),
                    saw: found.saw.to_string(),
                    holds: found.holds,
                })
                .collect();
            PartnerLines {
                id: partner.id.clone(),
                enabled: partner.select.enabled,
                priority: partner.select.priority,
                fits: partner.select.enabled && lines.iter().all(|line| line.holds == Holds::Yes),
                lines,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits;

    #[test]
    fn only_so_many_lives_are_walked_for_a_capacity() {
        limits::holds_at(CAPACITY_LEGS_MAX, |lives| (0..lives).all(may_walk_another));
    }
}
