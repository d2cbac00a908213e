//! Where the columns of a return stand, found once for all of its rows.

use std::collections::HashMap;

use crate::partner::{Collect, CollectEvent};
use crate::sheet::{Sheet, SheetRow, fold};

/// The columns of a return.
pub(super) struct Columns<'r> {
    /// By folded header; of two columns with one name the first counts.
    folded: HashMap<String, usize>,
    /// By header as the agreement writes it: what is asked for on every row.
    agreed: HashMap<&'r str, usize>,
}

impl<'r> Columns<'r> {
    pub(super) fn of(collect: &'r Collect, sheet: &Sheet) -> Self {
        let mut folded = HashMap::new();
        for (column, header) in sheet.header.iter().enumerate() {
            folded.entry(fold(header)).or_insert(column);
        }
        let mut read = needed(collect);
        read.extend(collect.check.as_deref());
        read.extend(
            collect
                .acknowledged
                .as_ref()
                .map(|said| said.column.as_str()),
        );
        let agreed = read
            .into_iter()
            .filter_map(|header| Some((header, *folded.get(&fold(header))?)))
            .collect();
        Self { folded, agreed }
    }

    /// Headers that the partner file reads and the return lacks.
    pub(super) fn missing(&self, collect: &Collect) -> Vec<String> {
        let mut missing: Vec<String> = needed(collect)
            .into_iter()
            .filter(|header| !self.agreed.contains_key(header))
            .map(str::to_owned)
            .collect();
        missing.dedup();
        missing
    }

    /// The cell of a row under a header of the agreement, without white space around it; empty where the return has no such column.
    pub(super) fn cell<'c>(&self, row: SheetRow<'c>, header: &str) -> &'c str {
        self.agreed
            .get(header)
            .map_or("", |column| row.cell(*column))
            .trim()
    }

    /// The cell of a row under a folded header, as written; empty where the return has no such column.
    pub(super) fn cell_of_folded<'c>(&self, row: SheetRow<'c>, header: &str) -> &'c str {
        self.folded
            .get(header)
            .map_or("", |column| row.cell(*column))
    }
}

/// Headers without which a return cannot be used.
fn needed(collect: &Collect) -> Vec<&str> {
    let mut needed = vec![collect.reference.as_str()];
    needed.extend(collect.events.iter().flat_map(CollectEvent::headers));
    needed.extend(collect.withdrawn.iter().map(|said| said.column.as_str()));
    needed
}
