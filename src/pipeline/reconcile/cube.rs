//! The cells of a night's report, gathered from the store as they stand at the end of the day; unrounded.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::publish::today_is_open;
use crate::config::{Commissioner, PushTo};
use crate::domain::clock::{day_from_number, day_number, month_number};
use crate::domain::encoding::hex;
use crate::domain::{Action, Instant, LegId, RunId, Stage, StrandId};
use crate::partner::fields::BetterWhen;
use crate::pipeline::run::{Env, LedgerAccess};
use crate::report::{self, Input};
use crate::store::rows::{DropFile, DropRowCount, DropState, LedgerRow, Leg};
use crate::store::{Kind, PushState};

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
    let seal = env.store.day_seals(night - 1, 1).await?.pop();
    let last_month = month_number(day_from_number(night + 1)) - 1;
    Ok(Input {
        night: day.to_string(),
        commissioner: report::Named {
            id: commissioner.id.clone(),
            name: commissioner.name.clone(),
        },
        operations: report::Operations::Exact,
        provisional,
        seal_of_day: seal
            .filter(|(sealed, ..)| *sealed == night)
            .map(|(_, root, _)| hex(&root)),
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
    let returns = env.store.return_counts().await?;
    let matched = env.store.book_sums(Stage::Match).await?;
    let sent = env.store.drop_row_counts(night).await?;
    let mut lines = Vec::new();
    for (_, partner, at) in env
        .each_partner()
        .filter(|(_, partner, _)| partner.select.enabled)
    {
        let drops = drops(env, at.strand, night).await?;
        let mut return_rows = report::ReturnRows::default();
        for sum in matched.iter().filter(|sum| sum.partner == at.strand) {
            return_rows.accepted += unsigned(sum.accepted);
            return_rows.repeated += unsigned(sum.repeated);
            return_rows.rejected += unsigned(sum.rejected);
            return_rows.held += unsigned(sum.held);
        }
        let taken = returns.iter().find(|(sender, _)| *sender == at.strand);
        lines.push(report::Partner {
            id: partner.id.clone(),
            name: partner.name.clone(),
            kind: partner.kind.code().to_owned(),
            sensitive: partner.sensitive,
            last_drop: drops.last.map(|file| report::DropFile {
                sequence: file.sequence,
                day: day_from_number(file.day).to_string(),
                name: file.name,
            }),
            drops: drops.count,
            rows: rows_sent(at.strand, &sent),
            returns: taken.map_or(0, |(_, count)| unsigned(*count)),
            return_rows,
            last_return_day: None,
            sequence_gaps: drops.gaps,
        });
    }
    Ok(lines)
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Drops of a partner up to a night: how many, the last one, and the numbers that are missing before it.
#[derive(Default)]
struct DropsToNight {
    count: u64,
    last: Option<DropFile>,
    gaps: Vec<i64>,
}

async fn drops(
    ledger: &LedgerAccess,
    partner: StrandId,
    night: i64,
) -> anyhow::Result<DropsToNight> {
    let mut drops = DropsToNight::default();
    let (mut after, mut before) = (0, 0);
    loop {
        let page = ledger.store.drop_files(partner, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(drops);
        };
        after = last.sequence;
        for file in page.into_iter().filter(|file| file.day <= night) {
            drops.gaps.extend(before + 1..file.sequence);
            before = file.sequence;
            // One that was taken back is no drop, and its number is missing nowhere.
            if file.state != DropState::Voided {
                drops.count += 1;
                drops.last = Some(file);
            }
        }
    }
}

/// Rows sent to a partner by action.
fn rows_sent(partner: StrandId, counts: &[DropRowCount]) -> report::Actions {
    let mut rows = report::Actions::default();
    for count in counts.iter().filter(|count| count.partner == partner) {
        let of = match count.action {
            Action::New => &mut rows.new,
            Action::Amend => &mut rows.amend,
            Action::Stop => &mut rows.stop,
            Action::Pause => &mut rows.pause,
        };
        *of += unsigned(count.count);
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
    let counts = env.store.hold_counts(cut.0).await?;
    let asked = counts.into_iter().filter(|count| !count.reason.quiet());
    Ok(asked
        .map(|count| report::Held {
            reason: count.reason.code().to_owned(),
            owner: count.reason.owner_at(count.stage).code().to_owned(),
            stage: count.stage.code().to_owned(),
            source: source_id(env, count.source),
            partner: partner_id(env, count.partner),
            age_days: count.age_days,
            count: unsigned(count.count),
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
    for run in runs {
        for book in env.store.books(run).await? {
            if !book.source.is_some() || strands.contains(&book.source) {
                sums.entry((book.stage, book.source, book.partner))
                    .or_default()
                    .merge(&book.counts);
            }
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

/// Ids of the runs that began on a London day: read from where the seal of the day before ends.
async fn runs_of(ledger: &LedgerAccess, night: i64) -> anyhow::Result<Vec<RunId>> {
    let (store, strand) = (&ledger.store, ledger.strand);
    let sealed = store.day_seal_strands(night - 1).await?;
    let own = sealed.iter().find(|(of, ..)| *of == strand);
    let mut after = own.map_or(0, |(_, seq, _)| *seq);
    let mut runs = Vec::new();
    loop {
        let rows = store.ledger_of_kind(strand, Kind::Run, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(runs);
        };
        after = last.seq;
        let day = |row: &LedgerRow| day_number(Instant(row.at).london_day());
        let of_day = rows.iter().filter(|row| day(row) == night);
        runs.extend(of_day.map(|row| RunId::new(row.subject)));
        if day(last) > night {
            return Ok(runs);
        }
    }
}

/// A write's state as the report tells it: what is out in a file for an import is not known to be in the record.
fn push_word(env: &Env, source: StrandId, state: PushState) -> &'static str {
    let place = env.source_at(source);
    let to = place.map(|place| &env.sources[place].config.push.to);
    match (state, to) {
        (PushState::Confirmed, Some(PushTo::Folder { .. })) => report::IN_FILE,
        _ => state.code(),
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
                state: push_word(env, source, state).to_owned(),
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

async fn facts(env: &Env, mine: &[usize], last_month: i64) -> anyhow::Result<Vec<report::Fact>> {
    let strands: Vec<StrandId> = mine
        .iter()
        .map(|place| env.sources[*place].strand)
        .collect();
    let facts = env.store.fact_counts(last_month).await?;
    let own = facts
        .into_iter()
        .filter(|fact| strands.contains(&fact.source));
    Ok(own
        .filter_map(|fact| {
            Some(report::Fact {
                month: month_text(fact.month),
                issue: month_text(fact.issue),
                source: source_id(env, fact.source)?,
                partner: partner_id(env, fact.partner).unwrap_or_default(),
                instrument: fact.instrument,
                item: fact.item,
                before: fact.before,
                after: fact.after,
                count: unsigned(fact.count),
            })
        })
        .collect())
}
