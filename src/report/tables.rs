//! The figures of the report, worked out once for every renderer.
//!
//! In comes the unrounded [`Input`]; out goes a [`Report`] of cells as they are shown. Invariant: each verdict (`balances`) is decided on the
//! unrounded counts, and no unrounded count about people, nor any at all under `operations = "rounded"`, is left in the result.

use schemars::JsonSchema;
use serde::Serialize;

use super::input::{Input, Operations};
use super::people::{self, Outcomes};
use super::suppress::{Cell, suppress};
use super::{balance, books, legs, partners, waiting};

/// Where a row belongs: its place in the input, which orders the table, and the name that is printed.
pub(crate) type Place = (usize, String);

/// The whole report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// Version of this document's form.
    pub(crate) version: u32,
    /// The London day reported on.
    pub(crate) night: String,
    pub(crate) commissioner: String,
    pub(crate) commissioner_name: String,
    pub(crate) operations: Operations,
    /// The day was not over.
    pub(crate) provisional: bool,
    pub(crate) seal_of_day: Option<String>,
    /// Whether every balance and every book below balances.
    pub(crate) balanced: bool,
    /// Legs; the last row is the total.
    pub(crate) balance: Vec<BalanceRow>,
    /// Rows, by room; then the same by practice and partner.
    pub(crate) rooms: Vec<RoomRow>,
    pub(crate) books: Vec<RoomRow>,
    pub(crate) reasons: Vec<ReasonRow>,
    pub(crate) certificates: Vec<CertificateRow>,
    /// Legs by state, every state, and by place.
    pub(crate) states: Vec<StateRow>,
    pub(crate) by_practice: Vec<PlaceRow>,
    pub(crate) by_partner: Vec<PlaceRow>,
    /// Entries that wait, by who must act; the last row is the total.
    pub(crate) waiting: Vec<OwnerRow>,
    pub(crate) exceptions: Vec<ExceptionRow>,
    /// Files and rows.
    pub(crate) partners: Vec<PartnerRow>,
    /// Entries for the practices' records.
    pub(crate) write_back: Vec<WriteBackRow>,
    /// Legs by month of receipt; the last row is the total.
    pub(crate) funnel: Vec<FunnelRow>,
    /// People, suppressed.
    pub(crate) outcomes: Outcomes,
}

/// Opening + received = finished + closing.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct BalanceRow {
    pub(crate) practice: String,
    pub(crate) opening: Cell,
    pub(crate) received: Cell,
    pub(crate) finished: Cell,
    pub(crate) closing: Cell,
    pub(crate) balances: bool,
}

/// Received = accepted + repeated + rejected + held.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "BookRow")]
pub(crate) struct RoomRow {
    /// `pull` … `reconcile`.
    pub(crate) room: String,
    pub(crate) room_words: String,
    pub(crate) practice: Option<String>,
    pub(crate) partner: Option<String>,
    pub(crate) received: Cell,
    pub(crate) accepted: Cell,
    pub(crate) repeated: Cell,
    pub(crate) rejected: Cell,
    pub(crate) held: Cell,
    pub(crate) balances: bool,
}

/// Why rows did not go on, by room.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ReasonRow {
    /// `pull` … `reconcile`.
    pub(crate) room: String,
    pub(crate) room_words: String,
    pub(crate) reason: String,
    pub(crate) words: String,
    pub(crate) rows: Cell,
}

/// What the day's last pull of a practice promises.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct CertificateRow {
    pub(crate) practice: String,
    pub(crate) ods_code: String,
    pub(crate) registered_patients: Option<u64>,
    /// `complete`, `complete except …` or `unknown`; nothing if nothing was pulled.
    pub(crate) verdict: Option<String>,
    pub(crate) words: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) requests: Option<u64>,
    pub(crate) pages: Option<u64>,
    pub(crate) unresolved: Option<Cell>,
    /// When everything of the last three months was last asked for again.
    pub(crate) swept: Option<String>,
    /// Requests that this found and no reading had.
    pub(crate) unseen: Option<Cell>,
}

/// Legs in a state, and why.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct StateRow {
    pub(crate) state: String,
    pub(crate) words: String,
    pub(crate) legs: Cell,
    pub(crate) reasons: Vec<WhyRow>,
}

/// Legs of a state with the same reason.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct WhyRow {
    pub(crate) reason: String,
    pub(crate) words: String,
    pub(crate) legs: Cell,
}

/// Legs of a practice or partner, by how far they have come.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct PlaceRow {
    pub(crate) name: String,
    /// Received, held.
    pub(crate) waiting: Cell,
    /// Routed, sent, delivered.
    pub(crate) on_the_way: Cell,
    /// Accepted, in progress, on hold.
    pub(crate) with_partner: Cell,
    pub(crate) completed: Cell,
    /// Every other ending.
    pub(crate) ended_otherwise: Cell,
    pub(crate) legs: Cell,
}

/// Entries that wait, by age in days.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) struct Ages {
    pub(crate) days_0_1: Cell,
    pub(crate) days_2_7: Cell,
    pub(crate) days_8_28: Cell,
    pub(crate) days_over_28: Cell,
    pub(crate) entries: Cell,
}

/// Entries that wait for one owner; `owner` is `total` in the last row.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct OwnerRow {
    pub(crate) owner: String,
    pub(crate) words: String,
    #[serde(flatten)]
    pub(crate) ages: Ages,
}

/// Entries that wait for the same owner and reason.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ExceptionRow {
    pub(crate) owner: String,
    pub(crate) owner_words: String,
    pub(crate) reason: String,
    pub(crate) words: String,
    #[serde(flatten)]
    pub(crate) ages: Ages,
}

/// A partner's files and rows, both ways.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct PartnerRow {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) last_file: Option<String>,
    pub(crate) last_file_day: Option<String>,
    pub(crate) sequence: Option<i64>,
    pub(crate) sequence_gaps: Vec<i64>,
    pub(crate) files: u64,
    pub(crate) new: Cell,
    pub(crate) amend: Cell,
    pub(crate) stop: Cell,
    pub(crate) pause: Cell,
    pub(crate) returns: u64,
    pub(crate) last_return_day: Option<String>,
    /// Days from the last return to the night.
    pub(crate) silent_days: Option<i64>,
    pub(crate) rows_returned: Cell,
    pub(crate) accepted: Cell,
    pub(crate) repeated: Cell,
    pub(crate) rejected: Cell,
    pub(crate) held: Cell,
    /// Whole per cent of the rows returned.
    pub(crate) reject_rate: Option<Cell>,
}

/// Entries for a practice's record, in one state.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct WriteBackRow {
    pub(crate) practice: String,
    pub(crate) state: String,
    pub(crate) words: String,
    pub(crate) entries: Cell,
}

/// How far the legs of a month have come; `month` is `total` in the last row.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct FunnelRow {
    pub(crate) month: String,
    pub(crate) received: Cell,
    pub(crate) matched: Cell,
    pub(crate) accepted: Cell,
    pub(crate) attending: Cell,
    pub(crate) completed: Cell,
    pub(crate) declined_by_partner: Cell,
    pub(crate) ended_early: Cell,
    pub(crate) cancelled: Cell,
    pub(crate) not_delivered: Cell,
    pub(crate) by_mistake: Cell,
}

impl AsRef<Ages> for OwnerRow {
    fn as_ref(&self) -> &Ages {
        &self.ages
    }
}

impl AsRef<Ages> for ExceptionRow {
    fn as_ref(&self) -> &Ages {
        &self.ages
    }
}

/// Shows the counts of the operations tables as the commissioner asked for them.
#[derive(Clone, Copy)]
pub(crate) struct Shown(Operations);

impl Shown {
    pub(crate) fn cell(self, count: u64) -> Cell {
        match self.0 {
            Operations::Exact => Cell::Number(count),
            Operations::Rounded => suppress(count),
        }
    }
}

/// Names of practices and partners as they are printed.
pub(crate) struct Places<'a>(&'a Input);

impl Places<'_> {
    pub(crate) fn practice(&self, id: &str) -> Place {
        let position = self.0.sources.iter().position(|source| source.id == id);
        position.map_or_else(
            || (usize::MAX, id.to_owned()),
            |at| (at, self.0.sources[at].name.clone()),
        )
    }

    /// Sensitive partners share one row; one that the input does not list is not named, since it may be sensitive.
    pub(crate) fn partner(&self, id: Option<&str>) -> Place {
        let Some(id) = id else {
            return (usize::MAX, "No partner yet".to_owned());
        };
        match self.0.partners.iter().position(|partner| partner.id == id) {
            Some(at) if self.0.partners[at].sensitive => (usize::MAX - 2, FOLDED.to_owned()),
            Some(at) => (at, self.0.partners[at].name.clone()),
            None => (usize::MAX - 1, "Partner no longer listed".to_owned()),
        }
    }
}

/// The name of the row into which sensitive partners are folded.
pub(crate) const FOLDED: &str = "Confidential services, together";

impl Report {
    /// Works out the figures of a night.
    pub(crate) fn of(input: &Input) -> Self {
        let shown = Shown(input.operations);
        let places = Places(input);
        let balance = balance::rows(input, shown, &places);
        let rooms = books::by_room(input, shown);
        let books = books::by_place(input, shown, &places);
        let balanced = balance.iter().all(|row| row.balances)
            && rooms.iter().chain(&books).all(|row| row.balances);
        Self {
            version: 1,
            night: input.night.clone(),
            commissioner: input.commissioner.id.clone(),
            commissioner_name: input.commissioner.name.clone(),
            operations: input.operations,
            provisional: input.provisional,
            seal_of_day: input.seal_of_day.clone(),
            balanced,
            balance,
            rooms,
            books,
            reasons: books::reasons(input, shown),
            certificates: books::certificates(input, shown),
            states: legs::states(input, shown),
            by_practice: legs::by_place(input, shown, |alike| places.practice(&alike.source)),
            by_partner: legs::by_place(input, shown, |alike| {
                places.partner(alike.partner.as_deref())
            }),
            waiting: waiting::by_owner(input, shown),
            exceptions: waiting::by_reason(input, shown),
            partners: partners::rows(input, shown, &places),
            write_back: books::write_back(input, shown, &places),
            funnel: legs::funnel(input, shown),
            outcomes: people::outcomes(input),
        }
    }
}
