//! Whether the rows of a return are about the people to whom their references were given.
//!
//! A row is held against what was delivered under its own reference. Only where two rows or more disagree is a value looked
//! for under the other references of the file, in an index that is made once.

use std::collections::HashMap;

use super::Reading;
use crate::domain::{LegId, Reason, RowToken};
use crate::pipeline::delivered_rows::{Delivered, Version, comparable};
use crate::sheet::SheetRow;

/// Rows that carry each other's values, from which on the whole file counts as sorted.
const SWAPPED_MIN: usize = 2;

/// With which legs of a file a value was delivered.
#[derive(Clone, Copy)]
struct Holder {
    leg: LegId,
    /// With further legs too.
    shared: bool,
}

/// The values that were delivered with the references of a file.
#[derive(Default)]
struct ValueIndex<'d> {
    tokens: HashMap<RowToken, Holder>,
    /// By folded header and folded value.
    cells: HashMap<(&'d str, &'d str), Holder>,
}

impl Holder {
    fn other_than(self, leg: LegId) -> bool {
        self.shared || self.leg != leg
    }
}

fn hold<K: std::hash::Hash + Eq>(index: &mut HashMap<K, Holder>, key: K, leg: LegId) {
    let first = Holder { leg, shared: false };
    let holder = index.entry(key).or_insert(first);
    holder.shared |= holder.leg != leg;
}

impl<'d> ValueIndex<'d> {
    fn of(placed: &[Result<&'d Delivered, Reason>]) -> Self {
        let mut index = Self::default();
        for delivered in placed.iter().flatten() {
            for version in &delivered.versions {
                if let Some(token) = version.token {
                    hold(&mut index.tokens, token, delivered.leg);
                }
                for cell in version.cells() {
                    hold(&mut index.cells, cell, delivered.leg);
                }
            }
        }
        index
    }
}

impl Reading<'_> {
    /// Whether a row agrees with a version that was sent: a good token is enough, else every identity cell that is there.
    pub(super) fn agrees(&self, row: SheetRow<'_>, delivered: &Delivered) -> bool {
        let check = self.check(row);
        if !check.is_empty() {
            return delivered
                .versions
                .iter()
                .any(|version| version.token.is_some_and(|token| token.agrees_with(check)));
        }
        delivered.versions.is_empty()
            || delivered
                .versions
                .iter()
                .any(|version| self.differing(row, version).next().is_none())
    }

    /// Whether the reference column was sorted by itself: rows carry what was delivered with other references of the file.
    pub(super) fn is_sorted(
        &self,
        rows: &[SheetRow<'_>],
        placed: &[Result<&Delivered, Reason>],
        disagreeing: &[bool],
    ) -> bool {
        let disagrees = |place: &usize| disagreeing[*place];
        if (0..rows.len()).filter(disagrees).take(SWAPPED_MIN).count() < SWAPPED_MIN {
            return false;
        }
        let index = ValueIndex::of(placed);
        (0..rows.len())
            .filter(disagrees)
            .filter(|place| {
                placed[*place].is_ok_and(|own| self.belongs_elsewhere(rows[*place], own, &index))
            })
            .take(SWAPPED_MIN)
            .count()
            == SWAPPED_MIN
    }

    /// Whether a value that disagrees was delivered with another reference of this file.
    fn belongs_elsewhere(
        &self,
        row: SheetRow<'_>,
        own: &Delivered,
        index: &ValueIndex<'_>,
    ) -> bool {
        let elsewhere = |holder: Option<&Holder>| holder.is_some_and(|at| at.other_than(own.leg));
        let token = RowToken::parse(self.check(row));
        token.is_some_and(|token| elsewhere(index.tokens.get(&token)))
            || own.versions.iter().any(|version| {
                self.differing(row, version)
                    .any(|(header, written)| elsewhere(index.cells.get(&(header, &*written))))
            })
    }

    /// The cell with the row token; empty if there is none.
    fn check<'c>(&self, row: SheetRow<'c>) -> &'c str {
        let header = self.collect.check.as_deref();
        header.map_or("", |header| self.cell(row, header))
    }

    /// Identity cells of a row that differ from a version: folded header and folded value.
    fn differing<'v>(
        &self,
        row: SheetRow<'_>,
        version: &'v Version,
    ) -> impl Iterator<Item = (&'v str, String)> {
        version.cells().filter_map(move |(header, sent)| {
            let written = comparable(self.columns.cell_of_folded(row, header));
            (!written.is_empty() && written != sent).then_some((header, written))
        })
    }
}
