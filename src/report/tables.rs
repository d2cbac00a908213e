//! The figures of the report, worked out once for every renderer.
//!
//! In comes the unrounded [`Input`]; out goes a [`Report`] of cells as they are shown. Invariant: each verdict (`balances`) is decided on the
//! unrounded counts, and no unrounded count about people, nor any at all under `operations = "rounded"`, is left in the result.

use schemars::JsonSchema;
use serde::Serialize;

use super::input::{Input, Operations};
use super::people::{self, Outcomes};
use super::suppress::{Cell, suppress};
use super::table_model::{Datum, TableModel};
use super::{balance, books, legs, partners, waiting};

/// Where a row belongs: its place in the input, which orders the table, and the name that is printed.
pub(crate) type Place = (usize, String);

/// The whole report.
#[derive(Clone, Serialize, JsonSchema)]
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
    /// Legs that were sent and of which nothing has come back.
    pub(crate) without_word: Cell,
    /// Legs; the last row is the total.
    pub(crate) balance: TableModel,
    /// Rows, by room; then the same by practice and partner.
    pub(crate) rooms: TableModel,
    pub(crate) books: TableModel,
    pub(crate) reasons: TableModel,
    pub(crate) certificates: TableModel,
    /// Legs by state, every state, and by place.
    pub(crate) states: TableModel,
    pub(crate) by_practice: TableModel,
    pub(crate) by_partner: TableModel,
    /// Entries that wait, by who must act; the last row is the total.
    pub(crate) waiting: TableModel,
    pub(crate) exceptions: TableModel,
    /// Files and rows.
    pub(crate) partners: TableModel,
    /// Entries for the practices' records.
    pub(crate) write_back: TableModel,
    /// Legs by month of receipt; the last row is the total.
    pub(crate) funnel: TableModel,
    /// People, suppressed.
    pub(crate) outcomes: Outcomes,
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

    /// The same of several, as values of a table.
    pub(crate) fn all<const N: usize>(self, counts: [u64; N]) -> [Datum; N] {
        counts.map(|count| self.cell(count).into())
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
        let balance = balance::table(input, shown, &places);
        let rooms = books::by_room(input, shown);
        let books = books::by_place(input, shown, &places);
        let balanced = [&balance, &rooms, &books]
            .iter()
            .all(|table| table.balances());
        Self {
            version: 1,
            night: input.night.clone(),
            commissioner: input.commissioner.id.clone(),
            commissioner_name: input.commissioner.name.clone(),
            operations: input.operations,
            provisional: input.provisional,
            seal_of_day: input.seal_of_day.clone(),
            balanced,
            without_word: shown.cell(legs::without_word(input)),
            balance,
            rooms,
            books,
            reasons: books::reasons(input, shown),
            certificates: books::certificates(input, shown),
            states: legs::states(input, shown),
            by_practice: legs::by_practice(input, shown, &places),
            by_partner: legs::by_partner(input, shown, &places),
            waiting: waiting::by_owner(input, shown),
            exceptions: waiting::by_reason(input, shown),
            partners: partners::table(input, shown, &places),
            write_back: books::write_back(input, shown, &places),
            funnel: legs::funnel(input, shown),
            outcomes: people::outcomes(input),
        }
    }

    /// Every table but those of the outcomes, in the order of the files.
    pub(crate) fn tables(&self) -> [&TableModel; 13] {
        [
            &self.balance,
            &self.rooms,
            &self.books,
            &self.reasons,
            &self.certificates,
            &self.waiting,
            &self.exceptions,
            &self.write_back,
            &self.states,
            &self.by_practice,
            &self.by_partner,
            &self.partners,
            &self.funnel,
        ]
    }
}
