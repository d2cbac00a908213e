//! Records a return that could be read: rows, events, legs moved, writes queued, facts, holds, in one transaction.

use std::collections::HashMap;

use super::super::StageOutcome;
use super::super::dossier::Dossier;
use super::super::env::Env;
use super::super::intake_lookup::{event_spot, events};
use super::super::kept;
use super::super::matching::{FileFinding, Finding, Tale, What};
use super::super::observe::KeptEvent;
use super::onward;
use crate::domain::entropy::Stream;
use crate::domain::{Action, Counts, Disposition, EventKind, LegState, Occasion, Reason, Stage};
use crate::partner::{Partner, Volume};
use crate::seal::{HolderKey, Look, Spot, merkle_root};
use crate::store::batch::LegSeed;
use crate::store::chain::{event_leaf, hex, return_leaf};
use crate::store::rows::{
    BookRow, EventRow, Fact, HeldRow, KeyKind, KeyRow, Leg, PushRow, PushState, ReturnFile,
    ReturnRow, Standing,
};
use crate::store::{Batch, Entry, HeldQuery, Kind};
use crate::tabular::Table;

/// State of a return that was read.
const READ: i64 = 1;
/// State of a return that could not be used.
const REFUSED: i64 = 2;

/// A return about to be recorded.
pub(super) struct Intake<'i> {
    pub(super) env: &'i Env,
    pub(super) place: usize,
    pub(super) partner: &'i Partner,
    pub(super) look: Look,
    pub(super) name: &'i str,
    pub(super) table: &'i Table,
}

/// A leg that the file speaks of, as it comes to stand.
struct Touched {
    leg: Leg,
    key: HolderKey,
    /// Events kept before, and those of this file.
    known: Vec<KeptEvent>,
    /// Every leg of the same referral, this one included.
    chain: Vec<Leg>,
    dossier: Option<Dossier>,
    fresh: Vec<(KeptEvent, EventRow)>,
}

impl Intake<'_> {
    /// Records the file and gives its id, and what became of each row once known events are told apart.
    pub(super) async fn record(
        &self,
        run: i64,
        finding: FileFinding,
        outcome: &mut StageOutcome,
    ) -> anyhow::Result<(i64, FileFinding)> {
        let env = self.env;
        let strand = env.partners[self.place].strand;
        let mut stream = env.stream();
        let count = i64::try_from(finding.rows.len()).unwrap_or(0)
            + i64::try_from(
                finding
                    .rows
                    .iter()
                    .map(|row| row.events.len())
                    .sum::<usize>(),
            )
            .unwrap_or(0)
                * 2
            + 64;
        let ids = env.ids.take(&*env.store, strand, count).await?;
        let return_id = ids.next();
        let file_key = self.file_key(ids.next(), &mut stream);
        let mut touched = self.touched(&finding).await?;
        let mut batch = Batch::new(strand, env.now());
        let mut rows = finding.rows;
        self.settle_rows(&mut rows, &mut touched, return_id, &ids, &mut stream);
        for (index, row) in rows.iter().enumerate() {
            batch.return_rows.push(self.return_row(
                return_id,
                index,
                row,
                &touched,
                &file_key,
                &mut stream,
            ));
        }
        let mut order: Vec<i64> = touched.keys().copied().collect();
        order.sort_unstable();
        for leg in order {
            if let Some(touched) = touched.remove(&leg) {
                self.open_onward(&touched, &ids, &mut batch, &mut stream);
                self.move_leg(touched, &mut batch, &mut stream).await?;
            }
        }
        batch.events.sort_by_key(|event| event.id);
        let mut leaves: Vec<_> = batch.return_rows.iter().map(return_leaf).collect();
        leaves.extend(batch.events.iter().map(event_leaf));
        let root = merkle_root(&leaves).unwrap_or_default();
        batch.return_file =
            Some(self.return_file(return_id, READ, rows.len(), root, &file_key, &mut stream));
        batch.keys.push(file_key.1);
        let tail = format!("{},{},\"{}\"", rows.len(), batch.events.len(), hex(&root));
        batch.push(Entry::plain(Kind::Returned, return_id, tail));
        self.hold_rows(&rows, finding.sorted, return_id, &mut batch);
        self.count(run, &rows, return_id, &mut batch, outcome);
        env.store.commit(batch).await?;
        Ok((
            return_id,
            FileFinding {
                rows,
                sorted: finding.sorted,
            },
        ))
    }

    /// Records that a file could not be used; its bytes stay with the partner, only their look-up is kept.
    pub(super) async fn record_refusal(
        env: &Env,
        place: usize,
        look: Look,
        name: &str,
    ) -> anyhow::Result<i64> {
        let strand = env.partners[place].strand;
        let ids = env.ids.take(&*env.store, strand, 2).await?;
        let mut stream = env.stream();
        let (id, key_id) = (ids.next(), ids.next());
        let key = HolderKey::new(stream.bytes());
        let wrapped = env.keys.wrap(key_id, stream.bytes(), &key);
        let mut batch = Batch::new(strand, env.now());
        batch.keys.push(KeyRow {
            id: key_id,
            kind: KeyKind::File as i64,
            look: None,
            wrapped,
        });
        let sealed_name = key.seal(name_spot(id, key_id), stream.bytes(), name.as_bytes());
        let sealed_frame = key.seal(frame_spot(id, key_id), stream.bytes(), b"");
        batch.return_file = Some(ReturnFile {
            id,
            sender: strand,
            holder: key_id,
            look,
            rows: 1,
            root: [0; 32],
            sealed_name,
            sealed_frame,
            state: REFUSED,
        });
        batch.push(Entry::plain(
            Kind::Returned,
            id,
            format!("0,0,\"{}\"", hex(&[0; 32])),
        ));
        env.store.commit(batch).await?;
        Ok(id)
    }

    fn file_key(&self, id: i64, stream: &mut Stream) -> (HolderKey, KeyRow) {
        let key = HolderKey::new(stream.bytes());
        let wrapped = self.env.keys.wrap(id, stream.bytes(), &key);
        (
            key,
            KeyRow {
                id,
                kind: KeyKind::File as i64,
                look: None,
                wrapped,
            },
        )
    }

    async fn touched(&self, finding: &FileFinding) -> anyhow::Result<HashMap<i64, Touched>> {
        let mut ids: Vec<i64> = finding
            .rows
            .iter()
            .map(|row| row.leg)
            .filter(|leg| *leg > 0)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let legs = self.env.store.legs(ids).await?;
        let keys = self
            .env
            .holder_keys(legs.iter().map(|leg| leg.now.person).collect())
            .await?;
        let others = self
            .env
            .store
            .legs_of_persons(legs.iter().map(|leg| leg.now.person).collect())
            .await?;
        let raws: Vec<_> = legs.iter().map(|leg| leg.now.raws).collect();
        let dossiers = if self.partner.onward_to.is_empty() {
            vec![None; legs.len()]
        } else {
            kept::dossiers(self.env, &raws).await?
        };
        let mut touched = HashMap::with_capacity(legs.len());
        for (leg, dossier) in legs.into_iter().zip(dossiers) {
            // A person who was erased takes nothing in: the row stays with the file.
            let Some(key) = keys.get(&leg.now.person).cloned() else {
                continue;
            };
            let known = events(self.env, leg.id).await?;
            let chain = others
                .iter()
                .filter(|other| {
                    other.now.person == leg.now.person
                        && other.now.raws.request == leg.now.raws.request
                })
                .cloned()
                .collect();
            touched.insert(
                leg.id,
                Touched {
                    leg,
                    key,
                    known,
                    chain,
                    dossier,
                    fresh: Vec::new(),
                },
            );
        }
        Ok(touched)
    }

    /// Tells new events from known ones, row by row.
    fn settle_rows(
        &self,
        rows: &mut [Finding],
        touched: &mut HashMap<i64, Touched>,
        return_id: i64,
        ids: &super::super::env::Ids,
        stream: &mut Stream,
    ) {
        let mut occurrences: HashMap<(i64, String), u32> = HashMap::new();
        for (index, row) in rows.iter_mut().enumerate() {
            let Some(touched) = touched.get_mut(&row.leg) else {
                continue;
            };
            let mut fresh = Vec::new();
            let mut known = 0;
            for tale in &row.events {
                let occurrence = occurrences.entry((row.leg, sameness(tale))).or_default();
                *occurrence += 1;
                let kept = KeptEvent::new(
                    self.env,
                    self.partner,
                    touched.leg.reference,
                    tale,
                    *occurrence,
                    self.env.now(),
                );
                // The same service named twice in one sheet is asked for once.
                let asked = |kept: &KeptEvent| {
                    tale.kind == EventKind::Onward
                        && kept.kind == EventKind::Onward.code()
                        && kept.code == kept_partner(tale)
                };
                if fresh.iter().any(|(_, kept)| asked(kept))
                    || touched.fresh.iter().any(|(kept, _)| asked(kept))
                {
                    known += 1;
                    continue;
                }
                let before = touched
                    .known
                    .iter()
                    .chain(touched.fresh.iter().map(|(kept, _)| kept))
                    .find(|other| other.identifier == kept.identifier);
                match before {
                    None => {
                        if let What::Onward {
                            partner, agreed, ..
                        } = &tale.what
                            && let Some(reason) =
                                onward::objection(self.env, &touched.chain, partner, *agreed)
                        {
                            let refused = reason == Reason::OnwardNotAllowed;
                            row.disposition = if refused {
                                Disposition::Rejected
                            } else {
                                Disposition::Held
                            };
                            row.reason = Some(reason);
                        }
                        fresh.push((tale.kind, kept));
                    }
                    Some(before) if before.content() == kept.content() => known += 1,
                    Some(_) => {
                        (row.disposition, row.reason) =
                            (Disposition::Held, Some(Reason::Correction));
                    }
                }
            }
            if row.disposition != Disposition::Accepted {
                continue;
            }
            if known > 0 && fresh.is_empty() {
                (row.disposition, row.reason) = (Disposition::Repeated, Some(Reason::AlreadyKnown));
            }
            for (kind, kept) in fresh {
                let event =
                    self.event_row(&kept, kind, touched, return_id, index, ids.next(), stream);
                touched.fresh.push((kept, event));
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the columns of one row, each known elsewhere"
    )]
    fn event_row(
        &self,
        kept: &KeptEvent,
        kind: EventKind,
        touched: &Touched,
        return_id: i64,
        index: usize,
        id: i64,
        stream: &mut Stream,
    ) -> EventRow {
        let holder = touched.leg.now.person;
        let plain = serde_json::to_vec(kept).expect("text and numbers always are JSON");
        EventRow {
            id,
            look: self.env.keys.look(&[b"event", kept.identifier.as_bytes()]),
            leg: touched.leg.id,
            rev: touched.leg.rev + 1,
            kind: kind.number(),
            return_id,
            row: i64::try_from(index).unwrap_or(i64::MAX) + 1,
            holder,
            sealed: touched
                .key
                .seal(event_spot(id, holder), stream.bytes(), &plain),
        }
    }

    fn return_row(
        &self,
        return_id: i64,
        index: usize,
        row: &Finding,
        touched: &HashMap<i64, Touched>,
        file: &(HolderKey, KeyRow),
        stream: &mut Stream,
    ) -> ReturnRow {
        let number = i64::try_from(index).unwrap_or(i64::MAX) + 1;
        let text = self
            .table
            .rows
            .get(index)
            .and_then(|row| self.table.text.get(row.span()))
            .unwrap_or_default();
        let (key, holder) = touched
            .get(&row.leg)
            .map_or((&file.0, file.1.id), |touched| {
                (&touched.key, touched.leg.now.person)
            });
        ReturnRow {
            return_id,
            row: number,
            leg: row.leg,
            holder,
            disposition: row.disposition.number(),
            reason: row.reason.map_or(0, Reason::number),
            digest: key.digest(text.as_bytes()),
            sealed: key.seal(
                row_spot(return_id, number, holder),
                stream.bytes(),
                text.as_bytes(),
            ),
        }
    }

    fn return_file(
        &self,
        id: i64,
        state: i64,
        rows: usize,
        root: [u8; 32],
        file: &(HolderKey, KeyRow),
        stream: &mut Stream,
    ) -> ReturnFile {
        let header = self
            .table
            .text
            .get(self.table.header_span.clone())
            .unwrap_or_default();
        let frame = serde_json::json!({"header": header, "header_line": self.table.header_line, "bytes": self.table.text.len()});
        ReturnFile {
            id,
            sender: self.env.partners[self.place].strand,
            holder: file.1.id,
            look: self.look,
            rows: i64::try_from(rows).unwrap_or(i64::MAX),
            root,
            sealed_name: file.0.seal(
                name_spot(id, file.1.id),
                stream.bytes(),
                self.name.as_bytes(),
            ),
            sealed_frame: file.0.seal(
                frame_spot(id, file.1.id),
                stream.bytes(),
                frame.to_string().as_bytes(),
            ),
            state,
        }
    }

    /// Opens the further legs that a link worker's row asks for.
    fn open_onward(
        &self,
        touched: &Touched,
        ids: &super::super::env::Ids,
        batch: &mut Batch,
        stream: &mut Stream,
    ) {
        let Some(dossier) = &touched.dossier else {
            return;
        };
        for (kept, _) in touched
            .fresh
            .iter()
            .filter(|(kept, _)| kept.kind == EventKind::Onward.code())
        {
            onward::open(
                self.env,
                &touched.leg,
                dossier,
                &kept.code,
                ids.next(),
                batch,
                stream,
            );
        }
    }

    /// Moves a leg by the events of its rows, in the order of their days, then of the file (`fhir.md` §2.2).
    async fn move_leg(
        &self,
        mut touched: Touched,
        batch: &mut Batch,
        stream: &mut Stream,
    ) -> anyhow::Result<()> {
        touched
            .fresh
            .sort_by_key(|(kept, row)| (kept.day(), row.row));
        let before = touched.leg.now;
        let mut after = before;
        if after.state == LegState::Sent {
            // Whoever answers has had the file.
            after.state = LegState::Delivered;
        }
        let mut acknowledged = false;
        for (kept, row) in &touched.fresh {
            let reported = match EventKind::from_number(row.kind) {
                Some(EventKind::Status) => kept.state(),
                Some(EventKind::Measure) => Some(LegState::InProgress),
                Some(EventKind::Attendance) if kept.code == "attended" => {
                    Some(LegState::InProgress)
                }
                Some(EventKind::Acknowledged) => {
                    acknowledged = true;
                    None
                }
                _ => None,
            };
            if let Some(state) = reported.and_then(|reported| after.state.on_report(reported)) {
                after.state = state;
            }
        }
        self.acknowledge(&mut after, acknowledged);
        if after.state.terminal() && after.asked > 0 {
            (after.asked, after.pending) = (0, 0);
        }
        let id = touched.leg.id;
        let open = self
            .env
            .store
            .held(HeldQuery {
                leg: Some(id),
                number: None,
            })
            .await?;
        if before.asked == Action::Stop.number() && after.asked == 0 {
            batch.released.extend(
                open.iter()
                    .filter(|hold| hold.reason == Reason::StopOpen)
                    .map(|hold| hold.number),
            );
        }
        if after != before || !touched.fresh.is_empty() {
            batch.push(Entry::leg(
                Kind::Reported,
                id,
                LegSeed::Known(Box::new(touched.leg.clone())),
                after,
                format!("{}", touched.fresh.len()),
            ));
        }
        self.facts(&touched, batch, stream);
        self.queue(&touched, before, batch);
        batch
            .events
            .extend(touched.fresh.into_iter().map(|(_, row)| row));
        Ok(())
    }

    /// An acknowledged stop ends the leg; an acknowledged change or pause only stops being asked for.
    fn acknowledge(&self, after: &mut Standing, acknowledged: bool) {
        if !acknowledged || after.asked == 0 {
            return;
        }
        if after.asked == Action::Stop.number() && !after.state.terminal() {
            after.state = LegState::from_number(after.closing).unwrap_or(LegState::Cancelled);
        }
        (after.asked, after.closing) = (0, 0);
    }

    /// Queues what may be written to the record, as far as practice and partner want it.
    fn queue(&self, touched: &Touched, before: Standing, batch: &mut Batch) {
        let source = self
            .env
            .source_at(touched.leg.source)
            .map(|place| &self.env.sources[place].config);
        let Some(source) = source else { return };
        let volume = source.push.volume.narrower(self.partner.push.volume);
        let off = volume == Volume::Off || source.push.to == crate::config::PushTo::Off;
        let stopped = matches!(
            before.why,
            Some(Reason::Died | Reason::Restricted | Reason::Consent)
        );
        let mut attended = touched
            .known
            .iter()
            .any(|event| event.kind == EventKind::Attendance.code());
        for (kept, row) in &touched.fresh {
            let Some(kind) = EventKind::from_number(row.kind).filter(|kind| kind.observed()) else {
                continue;
            };
            let first = kind == EventKind::Attendance && !std::mem::replace(&mut attended, true);
            let closing = kept.state().is_some_and(LegState::terminal);
            let wanted = match volume {
                Volume::Each => true,
                Volume::FirstAndClose => kind == EventKind::Measure || first || closing,
                Volume::Close => kind == EventKind::Measure || closing,
                Volume::Off => false,
            };
            let (state, reason) = match (wanted && !off, stopped) {
                (_, true) => (PushState::Off, before.why),
                (true, false) => (PushState::Queued, None),
                (false, false) => (PushState::Off, Some(Reason::PushOff)),
            };
            let number = reason.map_or(0, Reason::number);
            let push = PushRow {
                event: row.id,
                leg: row.leg,
                source: touched.leg.source,
                state,
                attempts: 0,
                reason: number,
                server_id: None,
            };
            batch.push(Entry::plain(
                Kind::Queued,
                push.event,
                format!(
                    "{},{},{},{}",
                    push.leg,
                    push.source,
                    push.state.number(),
                    push.reason
                ),
            ));
            batch.pushes.push(push);
        }
    }

    /// One fact an item and pair of baseline and follow-up; it leads back to nobody.
    fn facts(&self, touched: &Touched, batch: &mut Batch, stream: &mut Stream) {
        let measures: Vec<&KeptEvent> = touched
            .known
            .iter()
            .chain(touched.fresh.iter().map(|(kept, _)| kept))
            .filter(|event| event.kind == EventKind::Measure.code())
            .collect();
        for (follow_up, _) in touched
            .fresh
            .iter()
            .filter(|(kept, _)| kept.occasion() == Some(Occasion::FollowUp))
        {
            let baseline = measures
                .iter()
                .filter(|event| {
                    event.occasion() == Some(Occasion::Baseline)
                        && event.instrument == follow_up.instrument
                        && event.day() <= follow_up.day()
                })
                .min_by_key(|event| event.day());
            let (Some(baseline), Some(day)) = (baseline, follow_up.day()) else {
                continue;
            };
            for (item, after) in &follow_up.answers {
                let before = baseline
                    .answers
                    .iter()
                    .find(|(id, _)| id == item)
                    .and_then(|(_, before)| *before);
                let (Some(before), Some(after)) = (before, *after) else {
                    continue;
                };
                batch.facts.push(Fact {
                    // Random, so that nothing can be told from the order; positive, as keys are.
                    id: i64::from_be_bytes(stream.bytes()) & i64::MAX,
                    kind: 1,
                    month: month_number(day),
                    issue: month_number(self.env.today()),
                    source: touched.leg.source,
                    partner: touched.leg.now.partner,
                    instrument: follow_up.instrument.clone(),
                    item: item.clone(),
                    before,
                    after,
                });
            }
        }
    }

    fn hold_rows(&self, rows: &[Finding], sorted: bool, return_id: i64, batch: &mut Batch) {
        let partner = batch.strand;
        let mut hold = |leg: i64, reason: Reason, row: u64| {
            let (stage, row) = (Stage::Match.number(), i64::try_from(row).unwrap_or(0));
            batch.held.push(HeldRow {
                number: 0,
                leg,
                stage,
                reason,
                source: 0,
                partner,
                return_id,
                row,
                since: 0,
                open: true,
            });
        };
        if sorted {
            // One question for the whole file, not one a row.
            hold(0, Reason::Sorted, 0);
        }
        for row in rows
            .iter()
            .filter(|row| row.disposition == Disposition::Held)
        {
            if let Some(reason) = row.reason.filter(|reason| *reason != Reason::Sorted) {
                hold(row.leg, reason, row.line);
            }
        }
    }

    fn count(
        &self,
        run: i64,
        rows: &[Finding],
        return_id: i64,
        batch: &mut Batch,
        outcome: &mut StageOutcome,
    ) {
        let mut collected = Counts::default();
        collected.add_many(
            Disposition::Accepted,
            None,
            u64::try_from(rows.len()).unwrap_or(0),
        );
        let mut matched = Counts::default();
        for row in rows {
            matched.add(row.disposition, row.reason);
        }
        for (stage, counts) in [(Stage::Collect, collected), (Stage::Match, matched)] {
            outcome.count(stage, &counts);
            batch.books.push(BookRow {
                run,
                stage,
                source: 0,
                partner: batch.strand,
                file: return_id,
                counts,
            });
        }
    }
}

/// The partner that an onward row names.
fn kept_partner(tale: &Tale) -> &str {
    match &tale.what {
        What::Onward { partner, .. } => partner,
        _ => "",
    }
}

/// What makes two events of one file occurrences of the same.
fn sameness(tale: &Tale) -> String {
    let on = tale.on.map_or_else(String::new, |on| on.to_string());
    match &tale.what {
        What::Measure {
            instrument,
            occasion,
            ..
        } => format!("{}|{on}|{instrument}|{}", tale.kind.code(), occasion.code()),
        What::Onward { partner, .. } => format!("{}|{on}|{partner}", tale.kind.code()),
        _ => format!("{}|{on}", tale.kind.code()),
    }
}

/// A month as year × 12 + month − 1.
pub(crate) fn month_number(day: jiff::civil::Date) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month()) - 1
}

fn name_spot(row: i64, holder: i64) -> Spot<'static> {
    Spot {
        column: "return_file.sealed_name",
        row,
        holder,
    }
}

fn frame_spot(row: i64, holder: i64) -> Spot<'static> {
    Spot {
        column: "return_file.sealed_frame",
        row,
        holder,
    }
}

fn row_spot(return_id: i64, row: i64, holder: i64) -> Spot<'static> {
    Spot {
        column: "return_row.sealed",
        row: return_id.wrapping_mul(1 << 20).wrapping_add(row),
        holder,
    }
}
