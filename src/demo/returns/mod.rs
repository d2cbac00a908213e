//! What the four charities send back, made by reading their own drops as a volunteer would.
//!
//! The rows of a drop go in; the bytes of a return come out, and with them what Kith must make of it. Invariant: the
//! same drop gives the same return; mistakes are made in fixed places, one of each kind.

mod gym;
mod others;
mod riverside;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

pub(super) use gym::{gym, gym_sorted};
pub(super) use others::{debt, link};
pub(super) use riverside::riverside;

use super::services::To;
use crate::sheet::{
    Encoding, Format, Newline, QuoteRule, ReadLimits, RowWriter, Sheet, SheetRow, read,
};

/// Drops of one partner that are looked at.
const DROPS_MAX: usize = 100;
/// A return as it lies in the partner's folder, and what must come of it.
pub(super) struct Returned {
    pub(super) to: To,
    pub(super) file: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) rows: u64,
    /// Entries that reach the GP record because of it.
    pub(super) observations: u64,
    /// Rows that do not go on, by reason.
    pub(super) reasons: BTreeMap<&'static str, u64>,
    /// People whom it sends on to another service, by service.
    pub(super) onward: BTreeMap<To, u64>,
}

/// A client as the drop names them: cells by header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Client(BTreeMap<String, String>);

impl Client {
    pub(super) fn cell(&self, header: &str) -> &str {
        self.0.get(header).map_or("", String::as_str)
    }
}

/// Everybody in the drops of a folder, in the order of files and rows.
///
/// # Errors
/// The folder or a drop cannot be read.
pub(super) fn clients(out: &Path) -> anyhow::Result<Vec<Client>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(out)
        .context("listing a partner's drops")?
        .take(DROPS_MAX)
    {
        let path = entry.context("listing a partner's drops")?.path();
        if path.extension().is_some_and(|ending| ending == "csv") {
            names.push(path);
        }
    }
    names.sort();
    let mut clients = Vec::new();
    for path in names {
        let bytes = std::fs::read(&path).context("reading a drop")?;
        let table = read(&bytes, &ReadLimits::default()).context("reading a drop")?;
        clients.extend(clients_of(&table));
    }
    Ok(clients)
}

fn clients_of(table: &Sheet) -> Vec<Client> {
    let cells = |row: SheetRow<'_>| {
        let pairs = table
            .header
            .iter()
            .cloned()
            .zip(row.cells(table.header.len()).map(str::to_owned));
        Client(pairs.collect())
    };
    table.rows().map(cells).collect()
}

/// A sheet being filled in.
#[derive(Default)]
struct FilledSheet {
    header: &'static [&'static str],
    rows: Vec<Vec<String>>,
    observations: u64,
    reasons: BTreeMap<&'static str, u64>,
    onward: BTreeMap<To, u64>,
}

impl FilledSheet {
    fn new(header: &'static [&'static str]) -> Self {
        Self {
            header,
            ..Self::default()
        }
    }

    /// A row of these cells by header; the others stay empty. `events` of it reach the record.
    fn row(&mut self, cells: &[(&str, &str)], events: u64) {
        let cell = |header: &&str| {
            cells
                .iter()
                .find(|(name, _)| name == header)
                .map_or("", |(_, text)| text)
                .to_owned()
        };
        self.rows.push(self.header.iter().map(cell).collect());
        self.observations += events;
    }

    /// A row that must not go on, and why.
    fn faulty(&mut self, cells: &[(&str, &str)], reason: &'static str) {
        self.row(cells, 0);
        *self.reasons.entry(reason).or_default() += 1;
    }

    /// A row that also sends the person on.
    fn onward(&mut self, cells: &[(&str, &str)], events: u64, to: To) {
        self.row(cells, events);
        *self.onward.entry(to).or_default() += 1;
    }

    fn finish(self, to: To, file: &'static str) -> anyhow::Result<Returned> {
        let mut writer = RowWriter::new(Vec::new(), format(to))?;
        writer.write_row(self.header)?;
        for row in &self.rows {
            writer.write_row(row)?;
        }
        let rows = u64::try_from(self.rows.len())?;
        Ok(Returned {
            to,
            file,
            bytes: writer.finish()?,
            rows,
            observations: self.observations,
            reasons: self.reasons,
            onward: self.onward,
        })
    }
}

/// How each charity's spreadsheet saves a file: as the drop came.
fn format(to: To) -> Format {
    let (delimiter, encoding, newline) = match to {
        To::Riverside | To::Link => (b',', Encoding::Utf8Bom, Newline::Crlf),
        To::Debt => (b';', Encoding::Windows1252, Newline::Crlf),
        To::Gym => (b'\t', Encoding::Utf8, Newline::Lf),
    };
    Format {
        delimiter,
        encoding,
        newline,
        quote: QuoteRule::Necessary,
    }
}
