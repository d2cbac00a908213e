//! The report's tables as CSV, one file each, for Excel and for analysts.
//!
//! Every table ends in a column `unit`. Invariants: the files, their order and their columns are fixed; every cell goes through the formula rule of
//! `sheet`; a hidden figure is `*`, a figure that does not exist is empty.

use super::Rendered;
use super::people::ITEMS;
use super::suppress::Cell;
use super::table_model::{Datum, TableFormat, TableLayout, TableRow, ValueKind};
use super::tables::Report;
use super::words;
use crate::sheet::{self, RowWriter, WriteError};

/// In the column of the rows below a row, what stands for the row itself.
const ALL: &str = "all";

/// Makes every table.
pub(super) fn render(report: &Report) -> Vec<Rendered> {
    let tables = report.tables().map(|model| file(model.table, &model.rows));
    let instruments = report.outcomes.instruments.iter();
    let items = instruments.flat_map(|instrument| &instrument.items.rows);
    tables.into_iter().chain([file(&ITEMS, items)]).collect()
}

fn file<'r>(table: &TableLayout, rows: impl IntoIterator<Item = &'r TableRow>) -> Rendered {
    let bytes =
        write(table, rows).expect("rows have the header's width, and memory takes every byte");
    Rendered {
        name: format!(
            "tables/{}.csv",
            if table.file.is_empty() {
                table.key
            } else {
                table.file
            }
        ),
        bytes,
    }
}

fn write<'r>(
    table: &TableLayout,
    rows: impl IntoIterator<Item = &'r TableRow>,
) -> Result<Vec<u8>, WriteError> {
    let mut writer = RowWriter::new(Vec::new(), sheet::Format::default())?;
    let mut line = |mut cells: Vec<String>, unit: &str| {
        cells.push(unit.to_owned());
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        writer.write_row(&cells)
    };
    line(headings(table), "unit")?;
    let unit = table.unit.words().0;
    for row in rows {
        line(cells(table, row, None), unit)?;
        for below in row
            .iter()
            .filter_map(Datum::below)
            .flat_map(|model| &model.rows)
        {
            line(cells(table, row, Some(below)), unit)?;
        }
    }
    writer.finish()
}

fn headings(table: &TableLayout) -> Vec<String> {
    let columns = table.columns_in(TableFormat::Csv).into_iter();
    let headings = columns.flat_map(|(_, column)| match column.kind {
        ValueKind::Rows(below) => headings(below),
        _ => column.csv_heading().into_iter().collect(),
    });
    headings.collect()
}

/// A row, or one of the rows below it: of these the columns come in, and its counts stand instead of those of the row.
fn cells(table: &TableLayout, row: &TableRow, below: Option<&TableRow>) -> Vec<String> {
    let columns = table.columns_in(TableFormat::Csv);
    let of_below = columns.iter().find_map(|(_, column)| match column.kind {
        ValueKind::Rows(table) => Some(table),
        _ => None,
    });
    let mut cells = Vec::with_capacity(columns.len());
    for (at, column) in columns {
        if let ValueKind::Rows(table) = column.kind {
            for (nth, (at, _)) in table.columns_in(TableFormat::Csv).into_iter().enumerate() {
                let all = if nth == 0 { ALL } else { "" };
                cells.push(below.map_or_else(|| all.to_owned(), |row| text(&row[at])));
            }
            continue;
        }
        let instead = of_below.and_then(|table| table.place(column.key));
        let instead = below
            .zip(instead)
            .filter(|_| matches!(column.kind, ValueKind::Count));
        cells.push(text(instead.map_or(&row[at], |(row, at)| &row[at])));
    }
    cells
}

fn text(value: &Datum) -> String {
    match value {
        Datum::Nothing | Datum::Rows(_) => String::new(),
        Datum::Text(text) => text.clone(),
        Datum::Count(Cell::Number(number)) => number.to_string(),
        Datum::Signed(number) => number.to_string(),
        Datum::SignedList(numbers) => words::joined(numbers, " "),
        Datum::Mean(mean) => words::mean(*mean),
        Datum::Count(Cell::Hidden(_)) => "*".to_owned(),
        Datum::Verdict(balances) => words::verdict(*balances).to_owned(),
    }
}
