//! A batch of evidence: what one transaction appends to one strand, and the projections that follow from it.
//!
//! Engines only lock the strand, call [`Links::chain`] and insert what comes back, so that hashing and
//! projecting are the same everywhere.

use std::collections::HashMap;

use super::StoreError;
use super::body::{Body, Kind, LegStep, NewHold, RuleDigits, Vouched};
use super::hash_chain::row_hash;
use super::lease::Lease;
use super::rows::{
    BookRow, Certificate, DropFile, DropRow, DropState, EventRow, Fact, HeldRow, KeyRow, LedgerRow,
    Leg, MirrorRow, Place, PushRow, PushUpdate, RawRow, ReturnFile, ReturnRow, Standing, Strand,
};
use crate::domain::{
    Counts, DropId, HoldNumber, Instant, KeyId, LegId, LegReference, LegState, NoteId, ReturnId,
    RunId, Stage, StrandId,
};
use crate::seal::{Digest, LookupKey, sealed_digest};

/// What a batch notes of the rules under which all that waits in its strand was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LookedUnder {
    /// Nothing: what was noted stays.
    #[default]
    AsBefore,
    /// That it is not known any longer.
    Unknown,
    /// These rules, by their hash.
    Rules(Digest),
}

/// How a leg comes into a batch.
#[derive(Clone, Debug)]
enum LegSeed {
    /// It begins here.
    New {
        /// Its printed reference.
        reference: LegReference,
        /// Look-up of the referral.
        lookup: Option<LookupKey>,
        /// Strand of its source.
        source: StrandId,
    },
    /// It was read before.
    Known(Box<Leg>),
    /// An earlier entry of this batch left it where it is.
    Same,
}

/// One row to append.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    subject: i64,
    /// Where the leg comes from, if the row moves one.
    seed: Option<LegSeed>,
    body: Body,
}

impl Entry {
    /// A row about something other than a leg's standing.
    pub(crate) fn new(subject: impl Into<i64>, body: Body) -> Self {
        Self {
            subject: subject.into(),
            seed: None,
            body,
        }
    }

    fn leg(id: LegId, seed: LegSeed, body: Body) -> Self {
        Self {
            subject: id.number(),
            seed: Some(seed),
            body,
        }
    }
}

/// A leg that begins: received, and decided at once.
pub(crate) struct OpenedLeg {
    pub(crate) id: LegId,
    /// Its printed reference.
    pub(crate) reference: LegReference,
    /// Look-up of the referral; none of a leg that follows another one.
    pub(crate) lookup: Option<LookupKey>,
    /// Strand of its source.
    pub(crate) source: StrandId,
    /// As it stands after the decision.
    pub(crate) after: Standing,
    /// By which rules.
    pub(crate) rule: RuleDigits,
    /// Inputs that its first row vouches for.
    pub(crate) vouched: Vouched,
}

/// A day's seal: day, root, mac, and what it says of each strand: strand, seq, head.
pub(crate) type DaySeal = (i64, Digest, Digest, Vec<(StrandId, i64, Digest)>);

/// What must still hold when a batch is written, since two processes could decide it at once. Checked in the batch's own
/// transaction, before anything of the batch is written. An open leg is one that is routed or after sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The batch takes so many places of a partner, who has at most `most` open legs.
    Places {
        partner: StrandId,
        taken: i64,
        most: i64,
    },
    /// No person with one of these look-up keys, at whichever source, has an open leg with the partner.
    NotOpen {
        persons: Vec<LookupKey>,
        partner: StrandId,
    },
    /// So many events, and no more, were told of these legs in all.
    Told { legs: Vec<LegId>, events: i64 },
}

/// What one transaction writes.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) strand: StrandId,
    pub(crate) at: Instant,
    /// The leases under which it is written; one of them is of the strand.
    pub(crate) under: Vec<Lease>,
    pub(super) guards: Vec<Guard>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) keys: Vec<KeyRow>,
    pub(crate) raws: Vec<RawRow>,
    /// Texts of rules as they were used, by hash.
    pub(crate) rules: Vec<(Digest, String)>,
    /// Under which rules all that waits in the strand was looked at.
    pub(crate) looked_under: LookedUnder,
    pub(crate) drop_file: Option<DropFile>,
    pub(crate) drop_rows: Vec<DropRow>,
    /// A drop whose rows have left: its legs are updated together.
    pub(crate) sent: Option<DropId>,
    pub(crate) drop_states: Vec<(DropId, DropState)>,
    pub(crate) return_file: Option<ReturnFile>,
    /// The bytes of that file as they came, sealed under its key.
    pub(crate) return_bytes: Vec<u8>,
    pub(crate) return_rows: Vec<ReturnRow>,
    pub(crate) events: Vec<EventRow>,
    pub(crate) pushes: Vec<PushRow>,
    pub(crate) push_updates: Vec<PushUpdate>,
    pub(crate) mirrors: Vec<MirrorRow>,
    /// Returns whose state changes: id, state.
    pub(crate) return_states: Vec<(ReturnId, i64)>,
    /// Holds to open; their numbers are given on commit.
    held: Vec<NewHold>,
    /// Numbers of holds to end.
    pub(crate) released: Vec<HoldNumber>,
    pub(crate) notes: Vec<(NoteId, KeyId, Vec<u8>)>,
    pub(super) books: Vec<BookRow>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) cubes: Vec<(i64, String, Vec<u8>)>,
    pub(crate) published: Vec<(i64, String, String, Digest, Vec<u8>)>,
    pub(crate) day_seal: Option<DaySeal>,
}

/// What a commit decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Numbers of the holds opened, in the order given.
    pub(crate) held_numbers: Vec<HoldNumber>,
    /// Whether the clock stood before the strand's last event.
    pub(crate) clock_behind: bool,
}

/// A leg that was known, as its batch leaves it.
pub(crate) struct MovedLeg {
    pub(crate) leg: Leg,
    /// The revision that the store must still have.
    pub(crate) read_at: i64,
    /// Whether partner, person, inputs and waiting action are what they were: most legs only come to another state.
    pub(crate) same_place: bool,
}

/// A batch with its hashes and projections.
pub(crate) struct Chained {
    pub(crate) head: Digest,
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) new_legs: Vec<Leg>,
    pub(crate) moved_legs: Vec<MovedLeg>,
    pub(crate) held: Vec<HeldRow>,
    pub(crate) commit: Commit,
    /// Place of the `sent` row, for the legs of its drop.
    pub(crate) sent: Place,
}

impl Batch {
    /// An empty batch for a strand.
    pub(crate) fn new(strand: StrandId, at: Instant) -> Self {
        Self {
            strand,
            at,
            under: Vec::new(),
            guards: Vec::new(),
            entries: Vec::new(),
            keys: Vec::new(),
            raws: Vec::new(),
            rules: Vec::new(),
            looked_under: LookedUnder::default(),
            drop_file: None,
            drop_rows: Vec::new(),
            sent: None,
            drop_states: Vec::new(),
            return_file: None,
            return_bytes: Vec::new(),
            return_rows: Vec::new(),
            events: Vec::new(),
            pushes: Vec::new(),
            push_updates: Vec::new(),
            mirrors: Vec::new(),
            return_states: Vec::new(),
            held: Vec::new(),
            released: Vec::new(),
            notes: Vec::new(),
            books: Vec::new(),
            certificates: Vec::new(),
            facts: Vec::new(),
            cubes: Vec::new(),
            published: Vec::new(),
            day_seal: None,
        }
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.books.is_empty()
            && self.held.is_empty()
            && self.released.is_empty()
    }

    /// Says what must still hold when this is written.
    pub(crate) fn guard(&mut self, guard: Guard) {
        self.guards.push(guard);
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Keeps an input that no leg's row vouches for.
    pub(crate) fn keep(&mut self, raw: RawRow) {
        let vouched = (raw.id, sealed_digest(&raw.sealed));
        self.push(Entry::new(raw.id, Body::Resource { vouched }));
        self.raws.push(raw);
    }

    /// How many holds it opens.
    pub(super) fn holds(&self) -> i64 {
        i64::try_from(self.held.len()).unwrap_or(i64::MAX)
    }

    /// Opens a hold.
    pub(crate) fn hold(&mut self, hold: NewHold) {
        self.held.push(hold);
    }

    /// Keeps the book of a stage over the source whose strand this is.
    pub(crate) fn book_source(&mut self, run: RunId, stage: Stage, counts: Counts) {
        self.book(run, stage, (self.strand, StrandId::NONE, 0), counts);
    }

    /// Keeps the book of a stage over a file of the partner whose strand this is.
    pub(crate) fn book_file(
        &mut self,
        run: RunId,
        stage: Stage,
        file: impl Into<i64>,
        counts: Counts,
    ) {
        self.book(
            run,
            stage,
            (StrandId::NONE, self.strand, file.into()),
            counts,
        );
    }

    fn book(
        &mut self,
        run: RunId,
        stage: Stage,
        (source, partner, file): (StrandId, StrandId, i64),
        counts: Counts,
    ) {
        self.books.push(BookRow {
            run,
            stage,
            source,
            partner,
            file,
            counts,
        });
    }

    /// Puts a write into the queue.
    pub(crate) fn queue(&mut self, push: PushRow) {
        self.push(Entry::new(push.event, Body::queued(&push)));
        self.pushes.push(push);
    }

    /// Opens a leg: two rows, one that it was received and one how it was decided.
    pub(crate) fn open_leg(&mut self, leg: OpenedLeg) {
        let (id, reference, source) = (leg.id, leg.reference, leg.source);
        let received = Standing::received(leg.after.person, leg.after.raws);
        let seed = LegSeed::New {
            reference,
            lookup: leg.lookup,
            source,
        };
        let body = Body::Received {
            step: LegStep::to(received),
            reference,
            source,
            vouched: leg.vouched,
        };
        self.push(Entry::leg(id, seed, body));
        let body = Body::Decided {
            step: LegStep::to(leg.after),
            rule: leg.rule,
        };
        self.push(Entry::leg(id, LegSeed::Same, body));
    }

    /// Moves a leg that was read before, as the body's step says.
    pub(crate) fn move_leg(&mut self, leg: Leg, body: Body) {
        let (id, seed) = (leg.id, LegSeed::Known(Box::new(leg)));
        self.push(Entry::leg(id, seed, body));
    }

    /// Takes out what becomes rows of the ledger.
    pub(super) fn take_links(&mut self) -> Links {
        Links {
            at: self.at,
            entries: std::mem::take(&mut self.entries),
            held: std::mem::take(&mut self.held),
            released: self.released.clone(),
            books: self.books.clone(),
        }
    }
}

/// Rows of the ledger that are hashed before they are handed on.
const HASHED_TOGETHER: usize = 2_000;

/// What becomes rows of the ledger: it can be hashed while the evidence of its batch is being written.
pub(crate) struct Links {
    at: Instant,
    entries: Vec<Entry>,
    held: Vec<NewHold>,
    released: Vec<HoldNumber>,
    books: Vec<BookRow>,
}

impl Links {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Hashes the rows onto the strand and projects them; `next_number` is the first of the numbers drawn for its holds.
    /// Rows are handed to `take` in order, a piece at a time.
    ///
    /// # Errors
    /// A leg would take a step that is not in the table of `LegState`.
    pub(crate) fn chain(
        self,
        strand: &Strand,
        next_number: i64,
        mut take: impl FnMut(Vec<LedgerRow>),
    ) -> Result<Chained, StoreError> {
        let at = self.at.0.max(strand.at);
        let mut held = Vec::with_capacity(self.held.len());
        let mut entries = self.entries;
        for (hold, number) in self.held.into_iter().zip(next_number..) {
            let number = HoldNumber::new(number);
            held.push(held_row(&hold, number, at));
            entries.push(Entry::new(number, Body::Held { hold }));
        }
        let commit = Commit {
            held_numbers: held.iter().map(|hold| hold.number).collect(),
            clock_behind: self.at.0 < strand.at,
        };
        entries.extend(
            self.released
                .iter()
                .map(|number| Entry::new(*number, Body::Released)),
        );
        entries.extend(self.books.iter().map(book_entry));
        let mut writer = ChainWriter {
            strand: strand.id,
            seq: strand.seq,
            head: strand.head,
            at,
            sent: None,
            legs: HashMap::new(),
            order: Vec::new(),
        };
        let mut rows = Vec::with_capacity(entries.len().min(HASHED_TOGETHER));
        for entry in entries {
            rows.push(writer.append(entry)?);
            if rows.len() == HASHED_TOGETHER {
                take(std::mem::replace(
                    &mut rows,
                    Vec::with_capacity(HASHED_TOGETHER),
                ));
            }
        }
        take(rows);
        let (new_legs, moved_legs) = writer.legs();
        Ok(Chained {
            head: writer.head,
            seq: writer.seq,
            at,
            new_legs,
            moved_legs,
            held,
            commit,
            sent: writer.sent.unwrap_or_default(),
        })
    }
}

/// Revision of a leg as the store had it, and whether it is still in the same place.
type LegRead = (i64, bool);

struct ChainWriter {
    strand: StrandId,
    seq: i64,
    head: Digest,
    at: i64,
    /// Place of the first `sent` row.
    sent: Option<Place>,
    /// Leg as it stands now, and what it was in the store (`None` of a new one).
    legs: HashMap<LegId, (Leg, Option<LegRead>)>,
    order: Vec<LegId>,
}

impl ChainWriter {
    fn append(&mut self, entry: Entry) -> Result<LedgerRow, StoreError> {
        self.seq += 1;
        let mut body = entry.body;
        if let (Some(seed), Some(step)) = (entry.seed, body.step_mut()) {
            self.step(LegId::new(entry.subject), seed, step)?;
        }
        if body.kind() == Kind::Sent {
            self.sent.get_or_insert(Place {
                strand: self.strand,
                seq: self.seq,
            });
        }
        let mut row = LedgerRow {
            strand: self.strand,
            seq: self.seq,
            at: self.at,
            kind: body.kind().number(),
            subject: entry.subject,
            body: body.to_json(),
            hash: [0; 32],
        };
        row.hash = row_hash(&self.head, &row);
        self.head = row.hash;
        Ok(row)
    }

    /// Moves a leg, and fills in the step's revision and the place of the row before.
    fn step(&mut self, id: LegId, seed: LegSeed, step: &mut LegStep) -> Result<(), StoreError> {
        let place = Place {
            strand: self.strand,
            seq: self.seq,
        };
        let (at, after) = (self.at, step.after);
        let order = &mut self.order;
        let (leg, read) = self.legs.entry(id).or_insert_with(|| {
            order.push(id);
            match seed {
                LegSeed::Known(leg) => {
                    let read = (leg.rev, true);
                    (*leg, Some(read))
                }
                LegSeed::New {
                    reference,
                    lookup,
                    source,
                } => {
                    let now = Standing::received(after.person, after.raws);
                    (new_leg(id, reference, lookup, source, now, at), None)
                }
                LegSeed::Same => {
                    unreachable!("a leg's first entry of a batch says where the leg comes from")
                }
            }
        });
        let (from, to) = (leg.now.state, after.state);
        if !from.may_become(to) || (leg.rev == 0 && to != LegState::Received) {
            return Err(StoreError::IllegalStep { from, to });
        }
        if from != to {
            leg.since = at;
        }
        if let Some((_, same_place)) = read {
            *same_place &= leg.now.same_place(&after);
        }
        leg.now = after;
        leg.rev += 1;
        (step.rev, step.prev) = (leg.rev, leg.last);
        leg.last = place;
        Ok(())
    }

    fn legs(&mut self) -> (Vec<Leg>, Vec<MovedLeg>) {
        let mut new = Vec::new();
        let mut moved = Vec::new();
        for id in &self.order {
            match self.legs.remove(id) {
                Some((leg, None)) => new.push(leg),
                Some((leg, Some((read_at, same_place)))) => moved.push(MovedLeg {
                    leg,
                    read_at,
                    same_place,
                }),
                None => {}
            }
        }
        (new, moved)
    }
}

fn new_leg(
    id: LegId,
    reference: LegReference,
    lookup: Option<LookupKey>,
    source: StrandId,
    now: Standing,
    at: i64,
) -> Leg {
    Leg {
        id,
        reference,
        lookup,
        source,
        now,
        since: at,
        born: at,
        rev: 0,
        last: Place::default(),
    }
}

/// A hold as it is opened.
fn held_row(hold: &NewHold, number: HoldNumber, since: i64) -> HeldRow {
    HeldRow {
        number,
        leg: hold.leg,
        stage: hold.stage,
        reason: hold.reason,
        source: hold.source,
        partner: hold.partner,
        return_id: hold.return_id,
        row: hold.row,
        since,
        open: true,
    }
}

fn book_entry(book: &BookRow) -> Entry {
    let body = Body::Counted {
        stage: book.stage,
        source: book.source,
        partner: book.partner,
        file: book.file,
        received: book.counts.received(),
        counts: book.counts.clone(),
    };
    Entry::new(book.run, body)
}
