//! A batch of evidence: what one transaction appends to one strand, and the projections that follow from it.
//!
//! Engines only lock the strand, call [`Batch::chain`] and insert what comes back, so that hashing and
//! projecting are the same everywhere.

use std::collections::HashMap;

use super::chain::{hex, row_hash};
use super::rows::{
    BookRow, Certificate, DropFile, DropRow, DropState, EventRow, Fact, HeldRow, KeyRow, LedgerRow,
    Leg, MirrorRow, Place, PushRow, PushUpdate, RawRow, ReturnFile, ReturnRow, Standing, Strand,
};
use crate::domain::{Action, Instant, LegReference, LegState};
use crate::seal::{Digest, LookupKey};

/// The kind of a ledger row; numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Opened = 1,
    Run = 2,
    RulesInForce = 3,
    Received = 10,
    Decided = 11,
    Amended = 12,
    Settled = 13,
    Reported = 14,
    Delivered = 15,
    Resource = 20,
    Counted = 21,
    Certified = 22,
    Held = 23,
    Released = 24,
    Signed = 25,
    Viewed = 26,
    Prepared = 30,
    Sent = 31,
    DropDelivered = 32,
    Returned = 40,
    Undone = 41,
    Queued = 50,
    Pushing = 51,
    Pushed = 52,
    Mirroring = 53,
    Mirrored = 54,
    DaySealed = 60,
    Published = 61,
}

impl Kind {
    const ALL: [Self; 28] = [
        Self::Opened,
        Self::Run,
        Self::RulesInForce,
        Self::Received,
        Self::Decided,
        Self::Amended,
        Self::Settled,
        Self::Reported,
        Self::Delivered,
        Self::Resource,
        Self::Counted,
        Self::Certified,
        Self::Held,
        Self::Released,
        Self::Signed,
        Self::Viewed,
        Self::Prepared,
        Self::Sent,
        Self::DropDelivered,
        Self::Returned,
        Self::Undone,
        Self::Queued,
        Self::Pushing,
        Self::Pushed,
        Self::Mirroring,
        Self::Mirrored,
        Self::DaySealed,
        Self::Published,
    ];

    /// The kind with this number.
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i64 == number)
    }

    /// Whether the body begins with a leg's step.
    pub(crate) fn of_leg(self) -> bool {
        matches!(
            self,
            Self::Received
                | Self::Decided
                | Self::Amended
                | Self::Settled
                | Self::Reported
                | Self::Delivered
        )
    }

    /// The word in `kith trace`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Opened => "installation opened",
            Self::Run => "run",
            Self::RulesInForce => "rules in force",
            Self::Received => "received from the practice",
            Self::Decided => "decided",
            Self::Amended => "changed at the practice",
            Self::Settled => "settled by a person",
            Self::Reported => "reported by the partner",
            Self::Delivered => "picked up by the partner",
            Self::Resource => "resource kept",
            Self::Counted => "counted",
            Self::Certified => "pull certified",
            Self::Held => "held",
            Self::Released => "hold ended",
            Self::Signed => "decided by a person",
            Self::Viewed => "looked at by a person",
            Self::Prepared => "drop prepared",
            Self::Sent => "sent to the partner",
            Self::DropDelivered => "drop picked up",
            Self::Returned => "return taken",
            Self::Undone => "return undone",
            Self::Queued => "queued for the GP record",
            Self::Pushing => "writing to the GP record",
            Self::Pushed => "answered by the GP system",
            Self::Mirroring => "telling the GP system where it stands",
            Self::Mirrored => "GP system told where it stands",
            Self::DaySealed => "day sealed",
            Self::Published => "report published",
        }
    }
}

/// How a leg comes into a batch.
#[derive(Clone, Debug)]
pub(crate) enum LegSeed {
    /// It begins here.
    New {
        /// Its printed reference.
        reference: LegReference,
        /// Look-up of the referral.
        lookup: Option<LookupKey>,
        /// Strand of its source.
        source: i64,
    },
    /// It was read before.
    Known(Box<Leg>),
    /// An earlier entry of this batch left it where it is.
    Same,
}

/// One row to append.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    kind: Kind,
    subject: i64,
    step: Option<(LegSeed, Standing)>,
    tail: String,
}

impl Entry {
    /// A row about something other than a leg; `tail` is a fragment of a JSON array.
    pub(crate) fn plain(kind: Kind, subject: i64, tail: impl Into<String>) -> Self {
        Self {
            kind,
            subject,
            step: None,
            tail: tail.into(),
        }
    }

    /// A step of a leg, and all that it is after it.
    pub(crate) fn leg(
        kind: Kind,
        id: i64,
        seed: LegSeed,
        after: Standing,
        tail: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            subject: id,
            step: Some((seed, after)),
            tail: tail.into(),
        }
    }
}

/// A day's seal: day, root, mac, and what it says of each strand: strand, seq, head.
pub(crate) type DaySeal = (i64, Digest, Digest, Vec<(i64, i64, Digest)>);

/// What one transaction writes.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) strand: i64,
    pub(crate) at: Instant,
    pub(crate) entries: Vec<Entry>,
    pub(crate) keys: Vec<KeyRow>,
    pub(crate) raws: Vec<RawRow>,
    pub(crate) rules: Vec<(Digest, i64, String)>,
    pub(crate) drop_file: Option<DropFile>,
    pub(crate) drop_rows: Vec<DropRow>,
    /// A drop whose rows have left: its legs are updated together.
    pub(crate) sent: Option<i64>,
    pub(crate) drop_states: Vec<(i64, DropState)>,
    pub(crate) return_file: Option<ReturnFile>,
    pub(crate) return_rows: Vec<ReturnRow>,
    pub(crate) events: Vec<EventRow>,
    pub(crate) pushes: Vec<PushRow>,
    pub(crate) push_updates: Vec<PushUpdate>,
    pub(crate) mirrors: Vec<MirrorRow>,
    /// Returns whose state changes: id, state.
    pub(crate) return_states: Vec<(i64, i64)>,
    /// Holds to open; their numbers are given on commit.
    pub(crate) held: Vec<HeldRow>,
    /// Numbers of holds to end.
    pub(crate) released: Vec<i64>,
    pub(crate) notes: Vec<(i64, i64, Vec<u8>)>,
    pub(crate) books: Vec<BookRow>,
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
    pub(crate) held_numbers: Vec<i64>,
    /// Whether the clock stood before the strand's last event.
    pub(crate) clock_behind: bool,
}

/// A batch with its hashes and projections.
pub(crate) struct Chained {
    pub(crate) ledger: Vec<LedgerRow>,
    pub(crate) head: Digest,
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) new_legs: Vec<Leg>,
    /// Legs that were known, with the revision that the store must still have.
    pub(crate) moved_legs: Vec<(Leg, i64)>,
    pub(crate) held: Vec<HeldRow>,
    pub(crate) commit: Commit,
    /// Place of the `sent` row, for the legs of its drop.
    pub(crate) sent: Place,
}

impl Batch {
    /// An empty batch for a strand.
    pub(crate) fn new(strand: i64, at: Instant) -> Self {
        Self {
            strand,
            at,
            entries: Vec::new(),
            keys: Vec::new(),
            raws: Vec::new(),
            rules: Vec::new(),
            drop_file: None,
            drop_rows: Vec::new(),
            sent: None,
            drop_states: Vec::new(),
            return_file: None,
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

    /// Adds a row.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Hashes the rows onto the strand and projects them; `next_number` is the first free number of a hold.
    pub(crate) fn chain(&mut self, strand: &Strand, next_number: i64) -> Chained {
        let at = self.at.0.max(strand.at);
        let mut commit = Commit {
            held_numbers: Vec::new(),
            clock_behind: self.at.0 < strand.at,
        };
        let mut held = std::mem::take(&mut self.held);
        for (hold, number) in held.iter_mut().zip(next_number..) {
            hold.number = number;
            hold.since = at;
            commit.held_numbers.push(number);
        }
        let mut entries = std::mem::take(&mut self.entries);
        entries.extend(held.iter().map(held_entry));
        entries.extend(
            self.released
                .iter()
                .map(|number| Entry::plain(Kind::Released, *number, "")),
        );
        entries.extend(self.books.iter().map(book_entry));
        let mut writer = Writer {
            strand: strand.id,
            seq: strand.seq,
            head: strand.head,
            at,
            rows: Vec::new(),
            legs: HashMap::new(),
            order: Vec::new(),
        };
        for entry in entries {
            writer.append(entry);
        }
        let sent = writer
            .rows
            .iter()
            .find(|row| row.kind == Kind::Sent as i64)
            .map_or_else(Place::default, |row| Place {
                strand: row.strand,
                seq: row.seq,
            });
        let (new_legs, moved_legs) = writer.legs();
        Chained {
            ledger: writer.rows,
            head: writer.head,
            seq: writer.seq,
            at,
            new_legs,
            moved_legs,
            held,
            commit,
            sent,
        }
    }
}

struct Writer {
    strand: i64,
    seq: i64,
    head: Digest,
    at: i64,
    rows: Vec<LedgerRow>,
    /// Leg as it stands now, and the revision it had in the store (`None` of a new one).
    legs: HashMap<i64, (Leg, Option<i64>)>,
    order: Vec<i64>,
}

impl Writer {
    fn append(&mut self, entry: Entry) {
        self.seq += 1;
        let body = match entry.step {
            Some((seed, after)) => self.step(entry.subject, seed, after, &entry.tail),
            None => format!("[{}]", entry.tail),
        };
        let mut row = LedgerRow {
            strand: self.strand,
            seq: self.seq,
            at: self.at,
            kind: entry.kind as i64,
            subject: entry.subject,
            body: body.into_bytes(),
            hash: [0; 32],
        };
        row.hash = row_hash(&self.head, &row);
        self.head = row.hash;
        self.rows.push(row);
    }

    /// Moves a leg and gives the body: revision, place of the event before, all that it is now, then the tail.
    fn step(&mut self, id: i64, seed: LegSeed, after: Standing, tail: &str) -> String {
        let place = Place {
            strand: self.strand,
            seq: self.seq,
        };
        let at = self.at;
        let order = &mut self.order;
        let (leg, _) = self.legs.entry(id).or_insert_with(|| {
            order.push(id);
            match seed {
                LegSeed::Known(leg) => {
                    let rev = leg.rev;
                    (*leg, Some(rev))
                }
                LegSeed::New {
                    reference,
                    lookup,
                    source,
                } => (new_leg(id, reference, lookup, source, after, at), None),
                LegSeed::Same => {
                    unreachable!("a leg's first entry of a batch says where the leg comes from")
                }
            }
        });
        let prev = leg.last;
        if leg.now.state != after.state {
            leg.since = at;
        }
        leg.now = after;
        leg.rev += 1;
        leg.last = place;
        step_body(leg.rev, prev, after, tail)
    }

    fn legs(&mut self) -> (Vec<Leg>, Vec<(Leg, i64)>) {
        let mut new = Vec::new();
        let mut moved = Vec::new();
        for id in &self.order {
            match self.legs.remove(id) {
                Some((leg, None)) => new.push(leg),
                Some((leg, Some(rev))) => moved.push((leg, rev)),
                None => {}
            }
        }
        (new, moved)
    }
}

fn new_leg(
    id: i64,
    reference: LegReference,
    lookup: Option<LookupKey>,
    source: i64,
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

fn step_body(rev: i64, prev: Place, after: Standing, tail: &str) -> String {
    use std::fmt::Write as _;
    let mut body = String::with_capacity(96 + tail.len());
    let numbers = [
        rev,
        prev.strand,
        prev.seq,
        after.state.number(),
        after.partner,
        after.person,
        after.why.map_or(0, crate::domain::Reason::number),
        after.pending,
        after.asked,
        after.closing,
    ];
    let mut separator = '[';
    for number in numbers.into_iter().chain(after.raws.to_array()) {
        body.push(separator);
        separator = ',';
        // Writing to a String cannot fail.
        write!(body, "{number}").unwrap_or_default();
    }
    if !tail.is_empty() {
        body.push(',');
        body.push_str(tail);
    }
    body.push(']');
    body
}

/// The tail of a `received` row: what a leg is born with.
pub(crate) fn birth_tail(
    reference: LegReference,
    source: i64,
    vouched: &[(i64, Digest)],
) -> String {
    format!(
        "\"{}\",{source},{}",
        hex(&reference.to_bytes()),
        vouched_list(vouched)
    )
}

/// `[[raw id, "sha-256"], …]`: the ciphertexts that a row vouches for.
pub(crate) fn vouched_list(vouched: &[(i64, Digest)]) -> String {
    let pairs: Vec<String> = vouched
        .iter()
        .map(|(id, digest)| format!("[{id},\"{}\"]", hex(digest)))
        .collect();
    format!("[{}]", pairs.join(","))
}

/// What a leg is after a row of this action has left; SQL says the same in one statement.
pub(crate) fn after_sending(now: Standing, action: Action) -> Standing {
    let asked = match action {
        Action::New | Action::Amend => 0,
        Action::Stop | Action::Pause => action.number(),
    };
    let (state, why) = if action == Action::New {
        (LegState::Sent, None)
    } else {
        (now.state, now.why)
    };
    Standing {
        state,
        why,
        pending: 0,
        asked,
        ..now
    }
}

fn held_entry(hold: &HeldRow) -> Entry {
    let tail = format!(
        "{},{},{},{},{},{},{}",
        hold.leg,
        hold.stage,
        hold.reason.number(),
        hold.source,
        hold.partner,
        hold.return_id,
        hold.row
    );
    Entry::plain(Kind::Held, hold.number, tail)
}

fn book_entry(book: &BookRow) -> Entry {
    let counts = &book.counts;
    let tail = format!(
        "{},{},{},{},{},{},{},{},{},{}",
        book.stage.number(),
        book.source,
        book.partner,
        book.file,
        counts.received(),
        counts.accepted(),
        counts.repeated(),
        counts.rejected(),
        counts.held(),
        reasons_json(book)
    );
    Entry::plain(Kind::Counted, book.run, tail)
}

/// `{"code": n}` of a book's reasons.
pub(crate) fn reasons_json(book: &BookRow) -> String {
    let pairs: Vec<String> = book
        .counts
        .reasons()
        .iter()
        .map(|(reason, n)| format!("\"{}\":{n}", reason.code()))
        .collect();
    format!("{{{}}}", pairs.join(","))
}
