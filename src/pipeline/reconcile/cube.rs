//! The cells of a night's report, gathered from the store as they stand at the end of the day; unrounded.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::publish::today_is_open;
use crate::config::Commissioner;
use crate::domain::clock::{day_from_number, day_number, month_number};
use crate::domain::encoding::hex;
use crate::domain::{Action, DropId, Instant, LegId, RunId, Stage, StrandId};
use crate::partner::fields::BetterWhen;
use crate::pipeline::run::{Env, LedgerAccess};
use crate::report::{self, Input};
use crate::store::rows::{DropFile, Leg};
use crate::store::{HeldQuery, Kind};

/// Legs read at a time.
const PAGE: i64 = 5_000;

/// The night's cells, unrounded.
pub(crate) async fn gather(
    env: &Env,
    commissioner: &Commissioner,
    day: Date,
) -> anyhow::Result<Input> {
    let night = day_number(day);
    let cut = Instant::london_midnight(day_from_number(night + 1));
    let provisional = today_is_open(env, day);
    let mine: Vec<usize> = (0..env.sources.len())
        .filter(|place| env.sources[*place].config.commissioner == commissioner.id)
        .collect();
    let seals = env.store.day_seals().await?;
    let last_month = month_number(day_from_number(night + 1)) - 1;
    Ok(Input {
        night: day.to_string(),
        commissioner: report::Named {
            id: commissioner.id.clone(),
            name: commissioner.name.clone(),
        },
        operations: report::Operations::Exact,
        provisional,
        seal_of_day: seals
            .iter()
            .find(|(sealed, ..)| *sealed == night)
            .map(|(_, root, _)| hex(root)),
        sources: sources(env, &mine).await?,
        partners: partners(env, night).await?,
        legs: legs(env, &mine, day, cut).await?,
        held: held(env, cut).await?,
        books: books(env, &mine, night).await?,
        pushes: pushes(env, &mine).await?,
        instruments: instruments(env),
        facts: facts(env, &mine, last_month).await?,
        last_complete_month: month_text(last_month),
    })
}

fn month_text(number: i64) -> String {
    format!(
        "{:04}-{:02}",
        number.div_euclid(12),
        number.rem_euclid(12) + 1
    )
}

fn source_id(env: &Env, strand: StrandId) -> Option<String> {
    env.source_at(strand)
        .map(|place| env.sources[place].config.id.clone())
}

fn partner_id(env: &Env, strand: StrandId) -> Option<String> {
    env.partner_at(strand)
        .map(|place| env.rules.partners[place].id.clone())
}

async fn sources(env: &Env, mine: &[usize]) -> anyhow::Result<Vec<report::Source>> {
    let certificates = env.store.certificates().await?;
    let london = |text: Option<&str>| text.and_then(Instant::parse).map(Instant::london_text);
    Ok(mine
        .iter()
        .map(|place| {
            let (source, strand) = (&env.sources[*place].config, env.sources[*place].strand);
            let certificate = certificates
                .iter()
                .find(|row| row.source == strand)
                .map(|row| {
                    let evidence: serde_json::Value =
                        serde_json::from_str(&row.evidence).unwrap_or_default();
                    let number = |key: &str| {
                        evidence
                            .get(key)
                            .and_then(serde_json::Value::as_u64)
                            .unwrap_or(0)
                    };
                    let text =
                        |key: &str| london(evidence.get(key).and_then(|value| value.as_str()));
                    report::Certificate {
                        verdict: row.verdict.clone(),
                        from: text("from"),
                        to: text("to"),
                        requests: number("requests"),
                        pages: number("pages"),
                        unresolved: number("unresolved").saturating_add(number("still_unresolved")),
                        swept: london(evidence.pointer("/sweep/at").and_then(|at| at.as_str())),
                        unseen: evidence
                            .pointer("/sweep/unseen")
                            .and_then(serde_json::Value::as_u64)
                            .unwrap_or(0),
                        quiet: number("missing_usual") > 0,
                    }
                });
            report::Source {
                id: source.id.clone(),
                name: source.name.clone(),
                ods_code: source.ods_code.clone(),
                registered_patients: source.registered_patients,
                certificate,
            }
        })
        .collect())
}

async fn partners(env: &Env, night: i64) -> anyhow::Result<Vec<report::Partner>> {
    let returns = env.store.return_files().await?;
    let matched: Vec<_> = env
        .store
        .books(RunId::NONE)
        .await?
        .into_iter()
        .filter(|book| book.stage == Stage::Match)
        .collect();
    let actions = env.store.drop_actions().await?;
    let mut lines = Vec::new();
    for (_, partner, at) in env
        .each_partner()
        .filter(|(_, partner, _)| partner.select.enabled)
    {
        let drops: Vec<DropFile> = env
            .store
            .drop_files(at.strand)
            .await?
            .into_iter()
            .filter(|file| file.day <= night)
            .collect();
        let mut return_rows = report::ReturnRows::default();
        for book in matched.iter().filter(|book| book.partner == at.strand) {
            return_rows.accepted += book.counts.accepted();
            return_rows.repeated += book.counts.repeated();
            return_rows.rejected += book.counts.rejected();
            return_rows.held += book.counts.held();
        }
        let sequences: Vec<i64> = drops.iter().map(|file| file.sequence).collect();
        let gaps = (1..sequences.last().copied().unwrap_or(0))
            .filter(|number| !sequences.contains(number))
            .collect();
        let taken = returns.iter().filter(|file| file.sender == at.strand);
        lines.push(report::Partner {
            id: partner.id.clone(),
            name: partner.name.clone(),
            kind: partner.kind.code().to_owned(),
            sensitive: partner.sensitive,
            last_drop: drops.last().map(|file| report::DropFile {
                name: file.name.clone(),
                sequence: file.sequence,
                day: day_from_number(file.day).to_string(),
            }),
            drops: u64::try_from(drops.len()).unwrap_or(0),
            rows: rows_sent(&drops, &actions),
            returns: u64::try_from(taken.count()).unwrap_or(0),
            return_rows,
            last_return_day: None,
            sequence_gaps: gaps,
        });
    }
    Ok(lines)
}

/// Rows of these drops by action.
fn rows_sent(drops: &[DropFile], actions: &[(DropId, i64, i64)]) -> report::Actions {
    let mut rows = report::Actions::default();
    for file in drops {
        for (_, action, n) in actions.iter().filter(|(drop_id, ..)| *drop_id == file.id) {
            let n = u64::try_from(*n).unwrap_or(0);
            match Action::from_number(*action) {
                Some(Action::New) => rows.new += n,
                Some(Action::Amend) => rows.amend += n,
                Some(Action::Stop) => rows.stop += n,
                Some(Action::Pause) => rows.pause += n,
                None => {}
            }
        }
    }
    rows
}

/// What makes legs alike: source, partner, state, reason, month, whether it opened in the night, and when it ended.
type LegCell = (StrandId, StrandId, i64, i64, i64, bool, u8);

/// Legs that are alike, counted.
async fn legs(
    env: &Env,
    mine: &[usize],
    day: Date,
    cut: Instant,
) -> anyhow::Result<Vec<report::Legs>> {
    let start = Instant::london_midnight(day);
    let strands: Vec<StrandId> = mine
        .iter()
        .map(|place| env.sources[*place].strand)
        .collect();
    let mut cells: BTreeMap<LegCell, u64> = BTreeMap::new();
    let mut after = LegId::NONE;
    loop {
        let page = env.store.legs_after(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for leg in page
            .iter()
            .filter(|leg| strands.contains(&leg.source) && leg.born < cut.0)
        {
            let key = cell(leg, start, cut);
            *cells.entry(key).or_default() += 1;
        }
    }
    Ok(cells
        .into_iter()
        .filter_map(
            |((source, partner, state, why, month, within, ended), count)| {
                Some(report::Legs {
                    source: source_id(env, source)?,
                    partner: partner_id(env, partner),
                    state: crate::domain::LegState::from_number(state)?
                        .code()
                        .to_owned(),
                    why: crate::domain::Reason::from_number(why)
                        .map(|reason| reason.code().to_owned()),
                    month: month_text(month),
                    opened: if within {
                        report::Opened::Within
                    } else {
                        report::Opened::Before
                    },
                    ended: match ended {
                        0 => report::Ended::No,
                        1 => report::Ended::Within,
                        _ => report::Ended::Before,
                    },
                    count,
                })
            },
        )
        .collect())
}

fn cell(leg: &Leg, start: Instant, cut: Instant) -> LegCell {
    let now = leg.now;
    let ended = if !now.state.terminal() || leg.since >= cut.0 {
        // What ended after the night is told by the night in which it did.
        0
    } else if leg.since < start.0 {
        2
    } else {
        1
    };
    let month = month_number(Instant(leg.born).london_day());
    // An ending that is still to come is shown as the open leg that it was.
    let state = if now.state.terminal() && ended == 0 {
        crate::domain::LegState::InProgress
    } else {
        now.state
    };
    (
        leg.source,
        now.partner,
        state.number(),
        now.why.map_or(0, crate::domain::Reason::number),
        month,
        leg.born >= start.0,
        ended,
    )
}

async fn held(env: &Env, cut: Instant) -> anyhow::Result<Vec<report::Held>> {
    let mut cells: BTreeMap<(i64, Stage, StrandId, StrandId, i64), u64> = BTreeMap::new();
    for hold in env
        .store
        .held(HeldQuery::default())
        .await?
        .into_iter()
        .filter(|hold| hold.since < cut.0 && !hold.reason.quiet())
    {
        let age = Instant(hold.since).days_until(cut);
        *cells
            .entry((
                hold.reason.number(),
                hold.stage,
                hold.source,
                hold.partner,
                age,
            ))
            .or_default() += 1;
    }
    Ok(cells
        .into_iter()
        .filter_map(|((reason, stage, source, partner, age_days), count)| {
            let reason = crate::domain::Reason::from_number(reason)?;
            Some(report::Held {
                reason: reason.code().to_owned(),
                owner: reason.owner().code().to_owned(),
                stage: stage.code().to_owned(),
                source: source_id(env, source),
                partner: partner_id(env, partner),
                age_days,
                count,
            })
        })
        .collect())
}

/// Books of the runs of the day.
async fn books(env: &Env, mine: &[usize], night: i64) -> anyhow::Result<Vec<report::Book>> {
    let runs = runs_of(env, night).await?;
    let strands: Vec<StrandId> = mine
        .iter()
        .map(|place| env.sources[*place].strand)
        .collect();
    let mut sums: BTreeMap<(Stage, StrandId, StrandId), crate::domain::Counts> = BTreeMap::new();
    for book in env.store.books(RunId::NONE).await? {
        if runs.contains(&book.run) && (!book.source.is_some() || strands.contains(&book.source)) {
            sums.entry((book.stage, book.source, book.partner))
                .or_default()
                .merge(&book.counts);
        }
    }
    Ok(sums
        .into_iter()
        .map(|((stage, source, partner), counts)| report::Book {
            stage: stage.code().to_owned(),
            source: source_id(env, source),
            partner: partner_id(env, partner),
            received: counts.received(),
            accepted: counts.accepted(),
            repeated: counts.repeated(),
            rejected: counts.rejected(),
            held: counts.held(),
            reasons: counts
                .reasons()
                .iter()
                .map(|(reason, n)| (reason.code().to_owned(), *n))
                .collect(),
        })
        .collect())
}

/// Ids of the runs that began on a London day.
async fn runs_of(ledger: &LedgerAccess, night: i64) -> anyhow::Result<Vec<RunId>> {
    let mut runs = Vec::new();
    let mut after = 0;
    loop {
        let rows = ledger.store.ledger(ledger.strand, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(runs);
        };
        after = last.seq;
        let of_day = rows.iter().filter(|row| {
            row.kind == Kind::Run.number() && day_number(Instant(row.at).london_day()) == night
        });
        runs.extend(of_day.map(|row| RunId::new(row.subject)));
    }
}

async fn pushes(env: &Env, mine: &[usize]) -> anyhow::Result<Vec<report::Pushes>> {
    let counts = env.store.push_counts().await?;
    let strands: Vec<StrandId> = mine
        .iter()
        .map(|place| env.sources[*place].strand)
        .collect();
    Ok(counts
        .into_iter()
        .filter(|(source, ..)| strands.contains(source))
        .filter_map(|(source, state, count)| {
            Some(report::Pushes {
                source: source_id(env, source)?,
                state: state.code().to_owned(),
                count: u64::try_from(count).unwrap_or(0),
            })
        })
        .collect())
}

fn instruments(env: &Env) -> Vec<report::Instrument> {
    let item = |item: &crate::partner::InstrumentItem| report::Item {
        id: item.id.clone(),
        title: item.title.clone(),
        min: item.min,
        max: item.max,
        better: if item.better == BetterWhen::Lower {
            report::Better::Lower
        } else {
            report::Better::Higher
        },
    };
    env.rules
        .vocabulary
        .instruments
        .iter()
        .map(|instrument| report::Instrument {
            id: instrument.id.clone(),
            title: instrument.title.clone(),
            items: instrument.items.iter().map(item).collect(),
        })
        .collect()
}

/// What makes facts alike: month, month of issue, source, partner, instrument, item, before and after.
type FactCell = (i64, i64, StrandId, StrandId, String, String, i64, i64);

async fn facts(env: &Env, mine: &[usize], last_month: i64) -> anyhow::Result<Vec<report::Fact>> {
    let strands: Vec<StrandId> = mine
        .iter()
        .map(|place| env.sources[*place].strand)
        .collect();
    let mut cells: BTreeMap<FactCell, u64> = BTreeMap::new();
    for fact in env
        .store
        .facts(last_month)
        .await?
        .into_iter()
        .filter(|fact| strands.contains(&fact.source))
    {
        let key = (
            fact.month,
            fact.issue,
            fact.source,
            fact.partner,
            fact.instrument,
            fact.item,
            fact.before,
            fact.after,
        );
        *cells.entry(key).or_default() += 1;
    }
    Ok(cells
        .into_iter()
        .filter_map(
            |((month, issue, source, partner, instrument, item, before, after), count)| {
                Some(report::Fact {
                    month: month_text(month),
                    issue: month_text(issue),
                    source: source_id(env, source)?,
                    partner: partner_id(env, partner).unwrap_or_default(),
                    instrument,
                    item,
                    before,
                    after,
                    count,
                })
            },
        )
        .collect())
}
