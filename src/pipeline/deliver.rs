//! *deliver*: writes each partner's waiting rows as one drop, numbered without gaps.
//!
//! In: legs with something to send, their sealed inputs. Out: a file, its manifest, and a record of every row. Keeps:
//! the record of a drop is durable before the file has its name, and the legs count as sent after the manifest is
//! there, so a crash between two steps is finished with the same bytes under the same number (`ledger.md` §5).

use std::sync::Arc;

use super::dossier::Dossier;
use super::env::{Env, PartnerEnv};
use super::pull::changed_headers;
use super::{Only, StageOutcome, kept, map};
use crate::diagnostics::{Code, Diagnostic, Place as Where};
use crate::domain::clock::{day_from_number, day_number};
use crate::domain::{Action, Counts, Disposition, LegReference, Stage, limits};
use crate::partner::{Column, Partner, Rules};
use crate::seal::{Digest, Look, merkle_root, sha256};
use crate::store::chain::{drop_leaf, hex};
use crate::store::rows::{BookRow, DropFile, DropRow, DropState, Leg, Standing};
use crate::store::{Batch, Entry, Kind};
use crate::tabular::{Manifest, RowWriter, RowsByAction, manifest_name};
use crate::transport::{OutgoingDrop, Transport, TransportError};

/// Version of the code that turns rows into bytes; raised by a release that changes them.
const MAPPER: i64 = 1;
/// Legs read and mapped at a time.
const PAGE: i64 = 2_000;

/// A drop's bytes and what is said of them.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    header_sha256: Digest,
    pub(crate) actions: RowsByAction,
    /// Keyed digest of each row's cells.
    digests: Vec<Look>,
}

/// A drop's number and the London day on which it was first made.
#[derive(Clone, Copy)]
struct Numbered {
    sequence: i64,
    today: jiff::civil::Date,
}

/// One row to write.
struct RowPlan {
    reference: LegReference,
    source: i64,
    person: i64,
    action: Action,
    changed: String,
    dossier: Dossier,
}

/// Delivers to every partner.
///
/// # Errors
/// The store failed. A folder that cannot be written is an outcome, and the others go on.
pub(crate) async fn run(env: &Arc<Env>, run: i64, only: &Only) -> anyhow::Result<StageOutcome> {
    let wanted = |(place, partner, _): (usize, &Partner, &PartnerEnv)| {
        only.partner
            .as_ref()
            .is_none_or(|id| *id == partner.id)
            .then_some(place)
    };
    let places: Vec<usize> = env.each_partner().filter_map(wanted).collect();
    let mut outcome = StageOutcome::default();
    // Partners have strands of their own, so a few are served at once.
    for some in places.chunks(env.workers) {
        let mut under_way = Vec::with_capacity(some.len());
        for place in some {
            under_way.push(named_task(deliver_one(Arc::clone(env), *place, run)));
        }
        for task in under_way {
            outcome.merge(task.await??);
        }
    }
    Ok(outcome)
}

/// Starts the delivery to one partner.
#[expect(
    clippy::disallowed_methods,
    reason = "awaited by the room that starts it, so no error is lost"
)]
fn named_task(
    work: impl Future<Output = anyhow::Result<StageOutcome>> + Send + 'static,
) -> tokio::task::JoinHandle<anyhow::Result<StageOutcome>> {
    tokio::spawn(work)
}

async fn deliver_one(env: Arc<Env>, place: usize, run: i64) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    let (partner, at) = (&env.rules.partners[place], &env.partners[place]);
    picked_up(&env, partner, at).await?;
    let legs = pending(&env, at.strand).await?;
    if legs.is_empty() && !partner.deliver.empty {
        return Ok(outcome);
    }
    if let Some(failed) = drop_to(&env, place, run, legs, &mut outcome).await? {
        outcome.unreachable.push(failed);
    }
    Ok(outcome)
}

async fn pending(env: &Env, partner: i64) -> anyhow::Result<Vec<Leg>> {
    let mut legs: Vec<Leg> = Vec::new();
    while legs.len() < limits::DROP_ROWS_MAX {
        let after = legs.last().map_or(0, |leg| leg.id);
        let page = env.store.legs_pending(partner, after, PAGE).await?;
        let last = i64::try_from(page.len()).unwrap_or(0) < PAGE;
        legs.extend(page);
        if last {
            break;
        }
    }
    legs.truncate(limits::DROP_ROWS_MAX);
    Ok(legs)
}

/// Prepares, publishes and records one drop; gives what kept it from being written.
async fn drop_to(
    env: &Arc<Env>,
    place: usize,
    run: i64,
    legs: Vec<Leg>,
    outcome: &mut StageOutcome,
) -> anyhow::Result<Option<Diagnostic>> {
    let (partner, at) = (&env.rules.partners[place], &env.partners[place]);
    if let Err(error) = at.transport.prepare() {
        return Ok(Some(undelivered(partner, &error)));
    }
    let files = env.store.drop_files(at.strand).await?;
    let sequence = files.last().map_or(0, |file| file.sequence) + 1;
    let drop_id = env.ids.take(&*env.store, at.strand, 1).await?.next();
    let (rows, plans) = plan(env, place, drop_id, &legs).await?;
    if plans.is_empty() && !partner.deliver.empty {
        return Ok(None);
    }
    let today = env.today();
    let made = {
        let (env, place) = (Arc::clone(env), place);
        tokio::task::spawn_blocking(move || {
            make(
                &env,
                &env.rules,
                &env.rules.partners[place],
                Numbered { sequence, today },
                &plans,
            )
        })
        .await??
    };
    let mut rows = rows;
    for (row, digest) in rows.iter_mut().zip(&made.digests) {
        row.digest = *digest;
    }
    let leaves: Vec<Digest> = rows.iter().map(drop_leaf).collect();
    let sequence_text = u64::try_from(sequence).unwrap_or(0);
    let file = DropFile {
        id: drop_id,
        partner: at.strand,
        sequence,
        name: partner.deliver.file_name(&partner.id, today, sequence_text),
        day: day_number(today),
        rows: i64::try_from(rows.len()).unwrap_or(i64::MAX),
        digest: env.keys.file_digest(&sha256(&[&made.bytes])),
        root: merkle_root(&leaves).unwrap_or_default(),
        rule: partner.hash,
        mapper: MAPPER,
        state: DropState::Prepared,
    };
    let mut batch = Batch::new(at.strand, env.now());
    let tail = format!(
        "{sequence},{},\"{}\",\"{}\",\"{}\"",
        file.rows,
        hex(&file.digest),
        hex(&file.root),
        hex(&file.rule)
    );
    batch.push(Entry::plain(Kind::Prepared, drop_id, tail));
    batch.rules.push((partner.hash, 1, partner.bundle.clone()));
    let stops: Vec<i64> = rows
        .iter()
        .filter(|row| row.action == Action::Stop.number())
        .map(|row| row.leg)
        .collect();
    batch.drop_rows = rows;
    batch.drop_file = Some(file.clone());
    env.store.commit(batch).await?;
    if let Err(error) = publish(partner, at, &file, &made) {
        return Ok(Some(undelivered(partner, &error)));
    }
    sent(env, at, &file, run, &stops, outcome).await?;
    Ok(None)
}

fn undelivered(partner: &Partner, error: &TransportError) -> Diagnostic {
    Diagnostic::new(
        Code::DropFailed,
        error.to_string(),
        Where::detail(format!("partner {}", partner.id)),
    )
}

/// Rows as they will be recorded, and what they are made of.
async fn plan(
    env: &Env,
    place: usize,
    drop_id: i64,
    legs: &[Leg],
) -> anyhow::Result<(Vec<DropRow>, Vec<RowPlan>)> {
    let partner = &env.rules.partners[place];
    let (mut rows, mut plans) = (
        Vec::with_capacity(legs.len()),
        Vec::with_capacity(legs.len()),
    );
    for page in legs.chunks(usize::try_from(PAGE).unwrap_or(2_000)) {
        let sent = last_rows(env, page).await?;
        let raws: Vec<_> = page
            .iter()
            .map(
                |leg| match (Action::from_number(leg.now.pending), sent.get(&leg.id)) {
                    // A stop goes out with the identity as last sent.
                    (Some(Action::Stop | Action::Pause), Some(row)) => row.raws,
                    _ => leg.now.raws,
                },
            )
            .collect();
        let dossiers = kept::dossiers(env, &raws).await?;
        for ((leg, raws), dossier) in page.iter().zip(raws).zip(dossiers) {
            let (Some(dossier), Some(action)) = (dossier, Action::from_number(leg.now.pending))
            else {
                continue;
            };
            let changed = match (action, sent.get(&leg.id)) {
                (Action::Amend, Some(row)) => changes(env, partner, leg, row, &dossier).await?,
                _ => String::new(),
            };
            let row = i64::try_from(rows.len()).unwrap_or(i64::MAX) + 1;
            let (rev, prev, action_number) = (leg.rev + 1, leg.last, action.number());
            rows.push(DropRow {
                drop_id,
                row,
                leg: leg.id,
                rev,
                prev,
                action: action_number,
                raws,
                changed: changed.clone(),
                digest: [0; 16],
            });
            plans.push(RowPlan {
                reference: leg.reference,
                source: leg.source,
                person: leg.now.person,
                action,
                changed,
                dossier,
            });
        }
    }
    Ok((rows, plans))
}

/// The last row sent for each leg that has been sent before.
async fn last_rows(
    env: &Env,
    legs: &[Leg],
) -> anyhow::Result<std::collections::HashMap<i64, DropRow>> {
    let before: Vec<i64> = legs
        .iter()
        .filter(|leg| leg.now.pending != Action::New.number())
        .map(|leg| leg.id)
        .collect();
    Ok(env
        .store
        .drop_rows_of_legs(before)
        .await?
        .into_iter()
        .map(|row| (row.leg, row))
        .collect())
}

async fn changes(
    env: &Env,
    partner: &Partner,
    leg: &Leg,
    row: &DropRow,
    dossier: &Dossier,
) -> anyhow::Result<String> {
    let old = kept::dossiers(env, &[row.raws]).await?.pop().flatten();
    let Some(source) = env.source_at(leg.source) else {
        return Ok(String::new());
    };
    let (Some(Ok(old)), Ok(new)) = (old.as_ref().map(Dossier::trees), dossier.trees()) else {
        return Ok(String::new());
    };
    Ok(changed_headers(env, source, partner, leg, &old, &new))
}

/// Maps and writes rows: the same plans and rules give the same bytes.
fn make(
    env: &Env,
    rules: &Rules,
    partner: &Partner,
    of: Numbered,
    plans: &[RowPlan],
) -> anyhow::Result<Made> {
    let headers: Vec<&str> = partner
        .deliver
        .columns
        .iter()
        .map(|column| column.header.as_str())
        .collect();
    let mut writer = RowWriter::new(
        Vec::with_capacity(plans.len() * 256 + 1024),
        partner.deliver.format,
    )?;
    writer.write_row(&headers)?;
    let header_sha256 = sha256(&[writer.last_row()]);
    let tokens = |fields: &[&[u8]]| env.keys.token(fields);
    let sequence = u64::try_from(of.sequence).unwrap_or(0);
    let mut actions = RowsByAction::default();
    let mut digests = Vec::with_capacity(plans.len());
    for plan in plans {
        let place = env
            .source_at(plan.source)
            .ok_or_else(|| anyhow::anyhow!("a source of the ledger is not in the config"))?;
        let trees = plan
            .dossier
            .trees()
            .map_err(|_| anyhow::anyhow!("a kept referral is no JSON"))?;
        let reference = plan.reference.to_string();
        let facts = map::facts(&reference, plan.action, &plan.changed, sequence);
        let view = trees.view(
            env.setting(&env.sources[place].config, rules, of.today),
            facts,
        );
        let cells = match map::row(partner, &view, &tokens) {
            Ok(cells) => cells,
            // It could be written when it was decided, with these very inputs.
            Err(problem) => anyhow::bail!(
                "column {} of a routed row cannot be written",
                problem.header
            ),
        };
        writer.write_row(&cells)?;
        digests.push(
            env.keys
                .look(&[&plan.person.to_be_bytes(), writer.last_row()]),
        );
        match plan.action {
            Action::New => actions.new += 1,
            Action::Amend => actions.amend += 1,
            Action::Stop => actions.stop += 1,
            Action::Pause => actions.pause += 1,
        }
    }
    Ok(Made {
        bytes: writer.finish()?,
        header_sha256,
        actions,
        digests,
    })
}

fn publish(
    partner: &Partner,
    at: &PartnerEnv,
    file: &DropFile,
    made: &Made,
) -> Result<(), TransportError> {
    let sequence = u64::try_from(file.sequence).unwrap_or(0);
    let manifest = Manifest {
        partner: partner.id.clone(),
        file: file.name.clone(),
        made_on: Manifest::date(day_from_number(file.day)),
        sequence,
        previous_sequence: (sequence > 1).then(|| sequence - 1),
        rows: made.actions,
        sha256: hex(&sha256(&[&made.bytes])),
        header_sha256: hex(&made.header_sha256),
        format: partner.deliver.format.into(),
    };
    let manifest = manifest.to_bytes();
    let manifest_name = manifest_name(&file.name);
    at.transport
        .publish(&OutgoingDrop {
            name: &file.name,
            bytes: &made.bytes,
            manifest_name: &manifest_name,
            manifest: &manifest,
        })
        .map(|_| ())
}

/// Records that a drop has left: its legs move together.
async fn sent(
    env: &Env,
    at: &PartnerEnv,
    file: &DropFile,
    run: i64,
    stops: &[i64],
    outcome: &mut StageOutcome,
) -> anyhow::Result<()> {
    let mut counts = Counts::default();
    counts.add_many(
        Disposition::Accepted,
        None,
        u64::try_from(file.rows).unwrap_or(0),
    );
    outcome.count(Stage::Deliver, &counts);
    let mut batch = Batch::new(at.strand, env.now());
    batch.books.push(BookRow {
        run,
        stage: Stage::Deliver,
        source: 0,
        partner: at.strand,
        file: file.id,
        counts,
    });
    batch.drop_states.push((file.id, DropState::Sent));
    batch.sent = Some(file.id);
    batch.push(Entry::plain(
        Kind::Sent,
        file.id,
        format!("{},{}", file.sequence, file.rows),
    ));
    // A stop that the partner has not confirmed stays somebody's to chase.
    for leg in stops.iter().copied() {
        let stage = Stage::Deliver.number();
        let reason = crate::domain::Reason::StopOpen;
        batch.held.push(crate::store::HeldRow {
            number: 0,
            leg,
            stage,
            reason,
            source: 0,
            partner: at.strand,
            return_id: 0,
            row: 0,
            since: 0,
            open: true,
        });
    }
    env.store.commit(batch).await?;
    Ok(())
}

/// Finishes drops that the last run prepared and did not see leave.
///
/// # Errors
/// The store failed.
pub(crate) async fn finish(env: &Arc<Env>) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    for file in env
        .store
        .drop_files(0)
        .await?
        .into_iter()
        .filter(|file| file.state == DropState::Prepared)
    {
        let Some(place) = env.partner_at(file.partner) else {
            continue;
        };
        let (partner, at) = (&env.rules.partners[place], &env.partners[place]);
        let here = Where::detail(format!("partner {}, drop {}", partner.id, file.sequence));
        let remade = remake(env, &file).await?;
        let Some(made) =
            remade.filter(|made| env.keys.file_digest(&sha256(&[&made.bytes])) == file.digest)
        else {
            outcome.unreachable.push(Diagnostic::new(
                Code::DropUnlike,
                "an unfinished drop cannot be made again alike",
                here,
            ));
            continue;
        };
        if let Err(error) = at
            .transport
            .prepare()
            .and_then(|()| publish(partner, at, &file, &made))
        {
            outcome.unreachable.push(undelivered(partner, &error));
            continue;
        }
        let rows = env.store.drop_rows(file.id).await?;
        let stops: Vec<i64> = rows
            .iter()
            .filter(|row| row.action == Action::Stop.number())
            .map(|row| row.leg)
            .collect();
        sent(env, at, &file, 0, &stops, &mut outcome).await?;
        outcome.diagnostics.push(Diagnostic::new(
            Code::DropRemade,
            "an unfinished drop was finished",
            here,
        ));
    }
    Ok(outcome)
}

/// Makes a drop again from its record, with the rules it was made by; `None` if a person in it was erased.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn remake(env: &Arc<Env>, file: &DropFile) -> anyhow::Result<Option<Made>> {
    let Some(bundle) = env.store.rule(file.rule).await? else {
        return Ok(None);
    };
    let Ok(rules) = Rules::from_bundle(&bundle) else {
        return Ok(None);
    };
    let rows = env.store.drop_rows(file.id).await?;
    let legs = env
        .store
        .legs(rows.iter().map(|row| row.leg).collect())
        .await?;
    let legs: std::collections::HashMap<i64, Leg> =
        legs.into_iter().map(|leg| (leg.id, leg)).collect();
    let mut plans = Vec::with_capacity(rows.len());
    for page in rows.chunks(usize::try_from(PAGE).unwrap_or(2_000)) {
        let raws: Vec<_> = page.iter().map(|row| row.raws).collect();
        for (row, dossier) in page.iter().zip(kept::dossiers(env, &raws).await?) {
            let (Some(dossier), Some(leg), Some(action)) =
                (dossier, legs.get(&row.leg), Action::from_number(row.action))
            else {
                return Ok(None);
            };
            plans.push(RowPlan {
                reference: leg.reference,
                source: leg.source,
                person: leg.now.person,
                action,
                changed: row.changed.clone(),
                dossier,
            });
        }
    }
    let (env, of) = (
        Arc::clone(env),
        Numbered {
            sequence: file.sequence,
            today: day_from_number(file.day),
        },
    );
    let made = tokio::task::spawn_blocking(move || {
        let partner = rules
            .partners
            .first()
            .ok_or_else(|| anyhow::anyhow!("a kept mapping has no partner"))?;
        make(&env, &rules, partner, of, &plans)
    });
    Ok(Some(made.await??))
}

/// Legs whose drop the partner has taken out of `out/` count as delivered.
async fn picked_up(env: &Env, partner: &Partner, at: &PartnerEnv) -> anyhow::Result<()> {
    for file in env
        .store
        .drop_files(at.strand)
        .await?
        .into_iter()
        .filter(|file| file.state == DropState::Sent)
    {
        if at.transport.waits(&file.name).unwrap_or(true) {
            continue;
        }
        let rows = env.store.drop_rows(file.id).await?;
        let legs = env
            .store
            .legs(rows.iter().map(|row| row.leg).collect())
            .await?;
        let mut batch = Batch::new(at.strand, env.now());
        batch.push(Entry::plain(
            Kind::DropDelivered,
            file.id,
            format!("{}", file.sequence),
        ));
        batch.drop_states.push((file.id, DropState::Delivered));
        for leg in legs
            .into_iter()
            .filter(|leg| leg.now.state == crate::domain::LegState::Sent)
        {
            let after = Standing {
                state: crate::domain::LegState::Delivered,
                ..leg.now
            };
            batch.push(Entry::leg(
                Kind::Delivered,
                leg.id,
                crate::store::batch::LegSeed::Known(Box::new(leg)),
                after,
                "",
            ));
        }
        env.store.commit(batch).await?;
        tracing::debug!(partner.id = %partner.id, drop.sequence = file.sequence, "a drop was picked up");
    }
    Ok(())
}

/// Whether a column carries one of our own fields.
pub(crate) fn ours(rules: &Rules, column: &Column) -> bool {
    column
        .field()
        .is_some_and(|field| rules.fields.field(field).name.starts_with("leg."))
}
