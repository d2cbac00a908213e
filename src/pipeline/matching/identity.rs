//! Whether a row is about the person to whom its reference belongs: by the row token, and by the identity cells as they were delivered.
//!
//! A good token says that reference and token belong together, and no more: the identity cells are compared all the same. Rows that bear values which
//! were delivered to another row of the file alone were sorted. Each row is compared with what was delivered with its own reference, and with the other
//! references of the file in an index that is made once, and only if a row differs.

use std::collections::HashMap;

use super::Reading;
use super::cell_text::{no_value, typed};
use super::compare::{Compared, compare, index_key};
use crate::domain::{LegId, RowToken};
use crate::pipeline::delivered_rows::{ComparedAs, ComparedColumn, Delivered, Version};
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

impl Holder {
    /// Whether the value belongs to one other row alone: couples share a phone, many a family name.
    fn is_another(self, leg: LegId) -> bool {
        !self.shared && self.leg != leg
    }
}

/// The values that were delivered with the references of a file.
#[derive(Default)]
pub(super) struct ValueIndex {
    tokens: HashMap<RowToken, Holder>,
    /// By what the column is compared as, and the value's key.
    values: HashMap<(u8, String), Holder>,
    /// Family and given names together.
    names: HashMap<String, Holder>,
}

/// What the token of a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenVerdict {
    /// There is none.
    None,
    /// It belongs to the reference.
    Good,
    Wrong,
}

/// What says that a row is not about the person of its reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// The column of this header.
    Column(String),
    /// Nothing that was delivered with the reference speaks for the row.
    Unguarded,
}

impl Mismatch {
    fn of_check(header: Option<&String>) -> Self {
        header.cloned().map_or(Self::Unguarded, Self::Column)
    }

    /// The header of the column.
    pub(super) fn column(&self) -> Option<String> {
        match self {
            Self::Column(header) => Some(header.clone()),
            Self::Unguarded => None,
        }
    }
}

/// What a row says of who it is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Agreement {
    /// Why the row cannot be taken for this person's.
    pub(super) mismatch: Option<Mismatch>,
    /// Headers of columns that bear another value than was delivered.
    pub(super) differing: Vec<String>,
    /// A letter of a name was lost.
    pub(super) lost_letters: bool,
    /// The token belongs to another reference, or is none.
    wrong_token: bool,
}

impl Agreement {
    /// Whether anything of the row is not as it was delivered.
    pub(super) fn differs(&self) -> bool {
        self.wrong_token || !self.differing.is_empty()
    }
}

fn hold<K: std::hash::Hash + Eq>(index: &mut HashMap<K, Holder>, key: K, leg: LegId) {
    let first = Holder { leg, shared: false };
    let holder = index.entry(key).or_insert(first);
    holder.shared |= holder.leg != leg;
}

impl ValueIndex {
    pub(super) fn of<'d>(placed: impl Iterator<Item = &'d Delivered>) -> Self {
        let mut index = Self::default();
        let mut seen = std::collections::HashSet::new();
        for delivered in placed.filter(|delivered| seen.insert(delivered.leg)) {
            for version in &delivered.versions {
                if let Some(token) = version.token {
                    hold(&mut index.tokens, token, delivered.leg);
                }
                for (column, cell) in version.cells() {
                    if column.compared_as.identity() && !cell.is_empty() {
                        let key = (kind_of(column), index_key(column, cell));
                        hold(&mut index.values, key, delivered.leg);
                    }
                }
                if let Some(names) = names(version, key) {
                    hold(&mut index.names, names, delivered.leg);
                }
            }
        }
        index
    }
}

fn kind_of(column: &ComparedColumn) -> u8 {
    column.compared_as as u8
}

/// Family and given names of a row, where it has both or one whole name; `key_of` gives the key of a cell, nothing of an empty one.
fn names(
    version: &Version,
    key_of: impl Fn(&ComparedColumn, &str) -> Option<String>,
) -> Option<String> {
    let mut found: [Option<String>; 2] = [None, None];
    for (column, delivered) in version.cells() {
        let place = match column.compared_as {
            ComparedAs::Family | ComparedAs::FullName => 0,
            ComparedAs::Given => 1,
            _ => continue,
        };
        found[place] = Some(key_of(column, delivered)?);
    }
    let [family, given] = found;
    Some(format!("{}|{}", family?, given.unwrap_or_default()))
}

fn key(column: &ComparedColumn, cell: &str) -> Option<String> {
    (!cell.is_empty()).then(|| index_key(column, cell))
}

impl Reading<'_> {
    /// Whether a row agrees with a version that was sent: with the one with which it agrees best.
    pub(super) fn agreement(&self, row: SheetRow<'_>, delivered: &Delivered) -> Agreement {
        let written = typed(self.check(row));
        let seen = RowToken::parse(&written);
        let own = |version: &Version| seen.is_some() && version.token == seen;
        let token = if written.is_empty() || no_value(&written) {
            TokenVerdict::None
        } else if delivered.versions.iter().any(own) {
            TokenVerdict::Good
        } else {
            TokenVerdict::Wrong
        };
        let fits = |version: &&Version| token != TokenVerdict::Good || own(version);
        let mut best: Option<Agreement> = None;
        for version in delivered.versions.iter().filter(fits) {
            let agreement = self.with_version(row, version, token);
            if agreement.mismatch.is_none() && agreement.differing.is_empty() {
                return agreement;
            }
            let better = best.as_ref().is_none_or(|best| {
                (agreement.mismatch.is_some(), agreement.differing.len())
                    < (best.mismatch.is_some(), best.differing.len())
            });
            if better {
                best = Some(agreement);
            }
        }
        // Nothing is known any more of what was delivered: nothing can speak for the row.
        best.unwrap_or_else(|| Agreement {
            mismatch: (!self.collect.by_reference_alone)
                .then(|| Mismatch::of_check(self.collect.check.as_ref())),
            wrong_token: token == TokenVerdict::Wrong,
            ..Agreement::default()
        })
    }

    fn with_version(&self, row: SheetRow<'_>, version: &Version, token: TokenVerdict) -> Agreement {
        let mut agreement = Agreement {
            wrong_token: token == TokenVerdict::Wrong,
            ..Agreement::default()
        };
        let mut agreeing = usize::from(token == TokenVerdict::Good);
        // Other names than delivered, and whether one of them is as it was or a spelling of it.
        let (mut names, mut one_name) = (None, false);
        let mut first = None;
        for (column, sent, written) in self.compared(row, version) {
            if column.compared_as == ComparedAs::Day {
                continue;
            }
            let found = compare(column, sent, written);
            agreement.lost_letters |= found == Compared::SameWithLostLetters;
            let of_name = matches!(
                column.compared_as,
                ComparedAs::Family | ComparedAs::Given | ComparedAs::FullName
            );
            one_name |= of_name && (found.agrees() || found == Compared::Other { alike: true });
            if column.compared_as.identity() {
                agreeing += usize::from(found.agrees() && !sent.is_empty());
            }
            if !found.differs() {
                continue;
            }
            agreement.differing.push(column.header.clone());
            let never_a_correction = matches!(
                column.compared_as,
                ComparedAs::NhsNumber | ComparedAs::BirthDate
            );
            if of_name {
                names = names.or(Some(column));
            }
            if column.compared_as.identity() && (token != TokenVerdict::Good || never_a_correction)
            {
                first = first.or(Some(column));
            }
        }
        let unlike = names.filter(|_| !one_name);
        if let Some(column) = first.or(unlike) {
            agreement.mismatch = Some(Mismatch::Column(column.header.clone()));
        } else if token == TokenVerdict::Wrong {
            agreement.mismatch = Some(Mismatch::of_check(self.collect.check.as_ref()));
        } else if agreeing == 0 && self.is_unguarded(version) {
            agreement.mismatch = Some(Mismatch::Unguarded);
        }
        agreement
    }

    /// Whether something should have said whose the row is, and nothing does.
    fn is_unguarded(&self, version: &Version) -> bool {
        let mut columns = version.columns().iter();
        let guarded =
            version.token.is_some() || columns.any(|column| column.compared_as.identity());
        guarded && !self.collect.by_reference_alone
    }

    /// Whether a column was sorted by itself: rows bear what was delivered with another reference of the file alone.
    pub(super) fn is_sorted(
        &self,
        rows: &[SheetRow<'_>],
        placed: &[Option<&Delivered>],
        agreements: &[Agreement],
        index: &ValueIndex,
    ) -> bool {
        let differing = (0..rows.len()).filter(|place| agreements[*place].differs());
        let swapped = differing.filter(|place| {
            placed[*place].is_some_and(|own| self.belongs_elsewhere(rows[*place], own, index))
        });
        swapped.take(SWAPPED_MIN).count() == SWAPPED_MIN
    }

    /// Whether a value that differs was delivered with another reference of this file.
    fn belongs_elsewhere(&self, row: SheetRow<'_>, own: &Delivered, index: &ValueIndex) -> bool {
        let elsewhere = |holder: Option<&Holder>| holder.is_some_and(|at| at.is_another(own.leg));
        let among_others =
            |holder: Option<&Holder>| holder.is_some_and(|at| at.shared || at.leg != own.leg);
        let token = RowToken::parse(&typed(self.check(row)));
        let has_own = |token: RowToken| own.versions.iter().any(|sent| sent.token == Some(token));
        if token.is_some_and(|token| !has_own(token) && elsewhere(index.tokens.get(&token))) {
            return true;
        }
        let Some(version) = own.versions.last() else {
            return false;
        };
        let mut alone = false;
        for (column, _, written) in self
            .compared(row, version)
            .filter(|(column, ..)| column.compared_as.identity())
        {
            let differs = own.versions.iter().all(|sent| {
                let mut cells = sent.cells();
                cells.all(|(other, cell)| {
                    other.folded != column.folded || compare(other, cell, written).differs()
                })
            });
            if written.is_empty() || !differs {
                continue;
            }
            let holder = index
                .values
                .get(&(kind_of(column), index_key(column, written)));
            alone |= elsewhere(holder);
            // A value that is nobody's of this file: the row is about somebody else altogether.
            if !among_others(holder) {
                return false;
            }
        }
        alone
    }

    /// Whether a row bears family and given name of another row of the file: it was filled in about somebody else.
    pub(super) fn bears_anothers_name(
        &self,
        row: SheetRow<'_>,
        own: &Delivered,
        index: &ValueIndex,
    ) -> bool {
        own.versions.last().is_some_and(|version| {
            let written = names(version, |column, _| {
                key(column, self.columns.cell_of_folded(row, &column.folded))
            });
            written.is_some_and(|written| {
                let another = index
                    .names
                    .get(&written)
                    .is_some_and(|at| at.is_another(own.leg));
                let is_own = |sent: &Version| names(sent, key).as_ref() == Some(&written);
                another && !own.versions.iter().any(is_own)
            })
        })
    }

    /// What is to be copied from our file, so that the row says again whose it is.
    pub(super) fn to_copy(&self, delivered: &Delivered, agreement: &Agreement) -> Option<String> {
        let check = self.collect.check.as_ref();
        let mut headers: Vec<&String> = agreement.differing.iter().collect();
        headers.extend(check.filter(|_| agreement.wrong_token));
        if headers.is_empty() {
            // Nothing on the row says whose it is.
            let version = delivered.versions.last();
            let own = version
                .into_iter()
                .flat_map(|version| version.columns().iter());
            let own = own.filter(|column| column.compared_as.identity());
            headers.extend(check.into_iter().chain(own.map(|column| &column.header)));
        }
        let quoted: Vec<String> = headers
            .iter()
            .map(|header| format!("\"{header}\""))
            .collect();
        let names = quoted.join(", ");
        (!names.is_empty()).then(|| format!("Copy {names} from there."))
    }

    /// The cell with the row token; empty if there is none.
    fn check<'c>(&self, row: SheetRow<'c>) -> &'c str {
        let header = self.collect.check.as_deref();
        header.map_or("", |header| self.cell(row, header))
    }
}
