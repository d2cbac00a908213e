//! Projections: legs, holds, writes and books as they are, against the fold of the ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{PAGE, Proof};
use crate::domain::{
    Action, Counts, DropId, EventId, HoldNumber, LegId, LegReference, Reason, RunId, Stage,
    StrandId,
};
use crate::pipeline::run::LedgerAccess;
use crate::store::rows::{BookRow, LedgerRow, Leg, MirrorKind, Place, PushState, Standing, Strand};
use crate::store::{Body, Kind};

/// Legs folded at a time: bounds the memory of a proof.
const LEGS_A_PASS: i64 = 100_000;

/// Runs whose books are read at a time.
const RUNS: i64 = 500;

/// One event of a leg.
struct Step {
    rev: i64,
    prev: Place,
    place: Place,
    at: i64,
    change: Change,
}

enum Change {
    To(Standing, Option<(LegReference, StrandId)>),
    Sent(Action),
}

pub(crate) async fn check(
    ledger: &LedgerAccess,
    strands: &[Strand],
    proof: &mut Proof,
) -> anyhow::Result<()> {
    rest(ledger, strands, proof).await?;
    let mut after = LegId::NONE;
    loop {
        let legs = ledger.store.legs_after(after, LEGS_A_PASS).await?;
        let Some(last) = legs.last() else { break };
        let steps = steps(ledger, strands, after, last.id).await?;
        after = last.id;
        compare(&legs, steps, proof);
        proof.count("legs", legs.len());
    }
    let born = born_after(ledger, strands, after).await?;
    if born > 0 {
        proof.find(
            "projection",
            format!("the ledger names {born} legs that are missing"),
            "leg",
        );
    }
    Ok(())
}

async fn each(
    ledger: &LedgerAccess,
    strands: &[Strand],
    mut take: impl FnMut(&LedgerRow, Kind),
) -> anyhow::Result<()> {
    for strand in strands {
        let mut after = 0;
        loop {
            let rows = ledger.store.ledger(strand.id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in &rows {
                if let Some(kind) = Kind::from_number(row.kind) {
                    take(row, kind);
                }
            }
        }
    }
    Ok(())
}

/// The events of the legs after `low` up to `high`.
async fn steps(
    ledger: &LedgerAccess,
    strands: &[Strand],
    low: LegId,
    high: LegId,
) -> anyhow::Result<HashMap<LegId, Vec<Step>>> {
    let mut steps: HashMap<LegId, Vec<Step>> = HashMap::new();
    let mut sent = Vec::new();
    each(ledger, strands, |row, kind| {
        let place = Place {
            strand: row.strand,
            seq: row.seq,
        };
        let leg = LegId::new(row.subject);
        if kind.of_leg() && leg > low && leg <= high {
            let body = row.body();
            if let Some(step) = body.as_ref().and_then(Body::step) {
                let birth = match &body {
                    Some(Body::Received {
                        reference, source, ..
                    }) => Some((*reference, *source)),
                    _ => None,
                };
                let change = Change::To(step.after, birth);
                steps.entry(leg).or_default().push(Step {
                    rev: step.rev,
                    prev: step.prev,
                    place,
                    at: row.at,
                    change,
                });
            }
        } else if let Some(Body::Sent { rows: 1.., .. }) =
            (kind == Kind::Sent).then(|| row.body()).flatten()
        {
            sent.push((DropId::new(row.subject), place, row.at));
        }
    })
    .await?;
    for (drop_id, place, at) in sent {
        let mut after = 0;
        loop {
            let rows = ledger.store.drop_rows(drop_id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.row;
            for row in rows.iter().filter(|row| row.leg > low && row.leg <= high) {
                let action = row.action;
                steps.entry(row.leg).or_default().push(Step {
                    rev: row.rev,
                    prev: row.prev,
                    place,
                    at,
                    change: Change::Sent(action),
                });
            }
        }
    }
    Ok(steps)
}

fn compare(legs: &[Leg], mut steps: HashMap<LegId, Vec<Step>>, proof: &mut Proof) {
    for leg in legs {
        let place = || format!("leg {}", leg.reference);
        let mut own = steps.remove(&leg.id).unwrap_or_default();
        own.sort_by_key(|step| step.rev);
        let mut folded: Option<Leg> = None;
        for step in own {
            let before = folded
                .as_ref()
                .map(|leg| (leg.rev, leg.last))
                .unwrap_or_default();
            if (step.rev, step.prev) != (before.0 + 1, before.1) {
                proof.find(
                    "projection",
                    "a leg's events do not follow one another",
                    place(),
                );
            }
            folded = apply(folded, leg, &step);
        }
        if folded.as_ref() != Some(leg) {
            proof.find("projection", "a leg is not what the ledger says", place());
        }
    }
    if !steps.is_empty() {
        proof.find(
            "projection",
            format!("the ledger names {} legs that are missing", steps.len()),
            "leg",
        );
    }
}

/// The leg after a step; what the ledger does not hold (the look-up) is taken from the leg itself.
fn apply(before: Option<Leg>, own: &Leg, step: &Step) -> Option<Leg> {
    let now = match (&step.change, &before) {
        (Change::To(after, _), _) => *after,
        (Change::Sent(action), Some(leg)) => leg.now.sent(*action),
        (Change::Sent(_), None) => return None,
    };
    let mut leg = match (&step.change, before) {
        (_, Some(leg)) => leg,
        (Change::To(_, Some((reference, source))), None) => Leg {
            id: own.id,
            reference: *reference,
            lookup: own.lookup,
            source: *source,
            now,
            since: step.at,
            born: step.at,
            rev: 0,
            last: Place::default(),
        },
        _ => return None,
    };
    if leg.now.state != now.state || matches!(step.change, Change::Sent(Action::New)) {
        leg.since = step.at;
    }
    (leg.now, leg.rev, leg.last) = (now, step.rev, step.place);
    Some(leg)
}

async fn born_after(
    ledger: &LedgerAccess,
    strands: &[Strand],
    last: LegId,
) -> anyhow::Result<usize> {
    let mut born = 0;
    each(ledger, strands, |row, kind| {
        born += usize::from(kind == Kind::Received && LegId::new(row.subject) > last);
    })
    .await?;
    Ok(born)
}

/// Books by run, stage, source, partner and file: what was received, and the counts.
type Books = BTreeMap<(RunId, Stage, StrandId, StrandId, i64), (u64, Counts)>;

/// Holds, writes and books.
async fn rest(ledger: &LedgerAccess, strands: &[Strand], proof: &mut Proof) -> anyhow::Result<()> {
    let mut holds = HoldsByNumber::new();
    let mut ended: BTreeSet<HoldNumber> = BTreeSet::new();
    let mut pushes = BTreeMap::new();
    let mut mirrors = BTreeMap::new();
    let mut books: Books = BTreeMap::new();
    each(ledger, strands, |row, kind| {
        if kind.of_leg() {
            return;
        }
        match row.body() {
            // A hold of an onward leg begins in a partner's strand and ends in the source's, as a write does.
            Some(Body::Held { hold }) => {
                holds.insert(HoldNumber::new(row.subject), (hold.leg, hold.reason));
            }
            Some(Body::Released) => {
                ended.insert(HoldNumber::new(row.subject));
            }
            // Queued stands in the partner's strand, what follows in the source's: no order of strands decides.
            Some(Body::Queued { state, .. }) => {
                pushes
                    .entry(EventId::new(row.subject))
                    .or_insert((state, 0, [0; 2]));
            }
            Some(Body::Pushing { attempts }) => {
                let push = pushes.entry(EventId::new(row.subject));
                let push = push.or_insert((PushState::Sending, 0, [0; 2]));
                (push.0, push.1) = (PushState::Sending, attempts);
            }
            Some(Body::Pushed {
                state,
                attempts,
                lost,
                timed_out,
                ..
            }) => {
                let stands = (state, attempts, [lost, timed_out]);
                pushes.insert(EventId::new(row.subject), stands);
            }
            Some(Body::Mirroring { told } | Body::Mirrored { told }) => {
                let unanswered = [told.lost, told.timed_out];
                let stands = (told.state, told.attempts, unanswered, told.last_status);
                mirrors.insert((LegId::new(row.subject), told.kind), stands);
            }
            Some(Body::Counted {
                stage,
                source,
                partner,
                file,
                received,
                counts,
            }) => {
                let key = (RunId::new(row.subject), stage, source, partner, file);
                let book = books.entry(key).or_default();
                book.0 += received;
                book.1.merge(&counts);
            }
            _ => {}
        }
    })
    .await?;
    check_holds(ledger, &holds, &ended, proof).await?;
    check_pushes(ledger, &pushes, proof).await?;
    check_mirrors(ledger, &mirrors, proof).await?;
    check_books(ledger, &books, proof).await
}

/// Holds by number: leg and reason.
type HoldsByNumber = BTreeMap<HoldNumber, (LegId, Reason)>;

async fn check_holds(
    ledger: &LedgerAccess,
    holds: &HoldsByNumber,
    ended: &BTreeSet<HoldNumber>,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let (mut after, mut seen, mut same) = (HoldNumber::NONE, 0, true);
    loop {
        let held = ledger.store.holds_after(after, PAGE).await?;
        let Some(last) = held.last() else { break };
        after = last.number;
        seen += held.len();
        same &= held.iter().all(|hold| {
            holds.get(&hold.number) == Some(&(hold.leg, hold.reason))
                && hold.open != ended.contains(&hold.number)
        });
    }
    if !same || seen != holds.len() {
        proof.find(
            "projection",
            "the holds are not what the ledger says",
            "held",
        );
    }
    proof.count("holds", seen);
    Ok(())
}

async fn check_pushes(
    ledger: &LedgerAccess,
    folded: &BTreeMap<EventId, (PushState, i64, [i64; 2])>,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let (mut after, mut seen) = (EventId::NONE, 0);
    loop {
        let rows = ledger.store.pushes_after(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.event;
        for row in &rows {
            let unanswered = [row.unanswered.lost, row.unanswered.timed_out];
            if folded.get(&row.event) != Some(&(row.state, row.attempts, unanswered)) {
                proof.find(
                    "projection",
                    "a write is not where the ledger says",
                    format!("event {}", row.event),
                );
            }
        }
        seen += rows.len();
    }
    if seen != folded.len() {
        proof.find(
            "projection",
            "the ledger names writes that are missing",
            "push",
        );
    }
    proof.count("writes", seen);
    Ok(())
}

/// What GP systems were told of legs: state, attempts, answers lost and with 408 in a row, and what was last answered.
type ToldByLeg = BTreeMap<(LegId, MirrorKind), (PushState, i64, [i64; 2], i64)>;

async fn check_mirrors(
    ledger: &LedgerAccess,
    folded: &ToldByLeg,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let (mut after, mut seen) = (LegId::NONE, 0);
    loop {
        let rows = ledger.store.mirrors_after(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.leg;
        for row in &rows {
            let unanswered = [row.unanswered.lost, row.unanswered.timed_out];
            let stands = (row.state, row.attempts, unanswered, row.last_status);
            if folded.get(&(row.leg, row.kind)) != Some(&stands) {
                proof.find(
                    "projection",
                    "what a GP system was told is not what the ledger says",
                    format!("leg {}", row.leg),
                );
            }
        }
        seen += rows.len();
    }
    if seen != folded.len() {
        proof.find(
            "projection",
            "the ledger names Tasks that are missing",
            "mirror",
        );
    }
    Ok(())
}

async fn check_books(
    ledger: &LedgerAccess,
    folded: &Books,
    proof: &mut Proof,
) -> anyhow::Result<()> {
    let (mut seen, mut stages) = (0, BTreeSet::new());
    let (mut run, mut books) = (RunId::NONE, ledger.store.books(RunId::NONE).await?);
    loop {
        for book in &books {
            check_book(book, folded, proof);
            stages.insert(book.stage);
        }
        seen += books.len();
        books = ledger.store.books_after(run, RUNS).await?;
        let Some(last) = books.last() else { break };
        run = last.run;
    }
    if seen != folded.len() {
        proof.find(
            "projection",
            "the ledger names books that are missing",
            "book",
        );
    }
    proof.count("books", seen);
    proof.count("stages", stages.len());
    Ok(())
}

fn check_book(book: &BookRow, folded: &Books, proof: &mut Proof) {
    let key = (book.run, book.stage, book.source, book.partner, book.file);
    let place = || format!("run {}, {}", book.run, book.stage.code());
    match folded.get(&key) {
        Some((received, counts)) => {
            if counts.received() != *received {
                proof.find(
                    "balance",
                    "received is not accepted + repeated + rejected + held",
                    place(),
                );
            }
            if *counts != book.counts {
                proof.find("projection", "a book is not what the ledger says", place());
            }
        }
        None => proof.find(
            "projection",
            "a book that the ledger does not know",
            place(),
        ),
    }
}
