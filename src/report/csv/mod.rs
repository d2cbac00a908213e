//! The report's tables as CSV, one file each, for Excel and for analysts.
//!
//! Every table ends in a column `unit`. Invariants: the files, their order and their columns are fixed; every cell goes through the formula rule of
//! `tabular`; a hidden figure is `*`, a figure that does not exist is empty.

mod books;
mod referrals;

use super::Rendered;
use super::suppress::Cell;
use super::tables::Report;
use crate::tabular::{Format, RowWriter};

/// A table: its file, what a row counts, its columns.
struct Sheet {
    file: &'static str,
    unit: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// A column: its heading, and what stands in it.
type CsvColumn<Row> = (&'static str, fn(&Row) -> String);

impl Sheet {
    fn new<Row>(
        file: &'static str,
        unit: &'static str,
        rows: &[Row],
        columns: &[CsvColumn<Row>],
    ) -> Self {
        let line = |row| columns.iter().map(|(_, cell)| cell(row)).collect();
        Self {
            file,
            unit,
            columns: columns.iter().map(|(heading, _)| *heading).collect(),
            rows: rows.iter().map(line).collect(),
        }
    }
}

/// Makes every table.
pub(super) fn render(report: &Report) -> Vec<Rendered> {
    let sheets = books::sheets(report)
        .into_iter()
        .chain(referrals::sheets(report));
    sheets.map(|sheet| file(&sheet)).collect()
}

fn file(sheet: &Sheet) -> Rendered {
    let bytes = write(sheet).expect("rows have the header's width, and memory takes every byte");
    Rendered {
        name: format!("tables/{}.csv", sheet.file),
        bytes,
    }
}

fn write(sheet: &Sheet) -> Result<Vec<u8>, crate::tabular::WriteError> {
    let mut writer = RowWriter::new(Vec::new(), Format::default())?;
    let header: Vec<&str> = sheet.columns.iter().copied().chain(["unit"]).collect();
    writer.write_row(&header)?;
    for row in &sheet.rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).chain([sheet.unit]).collect();
        writer.write_row(&cells)?;
    }
    writer.finish()
}

fn cell(cell: Cell) -> String {
    cell.number()
        .map_or_else(|| "*".to_owned(), |number| number.to_string())
}

/// Text of a value that may be absent.
fn or_empty(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
