//! The reconciliation report: what the store counted for a commissioner and a night becomes one page, one JSON document and tables.
//!
//! In comes an [`Input`], the night's cube; out go files in a fixed order: `report.html`, `report.json`, `tables/*.csv`. The figures are worked out once
//! (`tables` names them), each table is described once as a [`table_model::TableModel`], and every renderer draws the same ones. Invariants: the same input gives the same bytes, so a night can be made again years
//! later; nothing here reads a clock, a store or a person; a figure about people passes `suppress` before any renderer can see it.

mod balance;
mod books;
mod csv;
mod html;
mod input;
mod json;
mod legs;
mod partners;
mod people;
mod suppress;
mod table_model;
mod tables;
mod waiting;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use input::{
    Actions, Better, Book, Certificate, DropFile, Ended, Fact, Held, Input, Instrument, Item, Legs,
    Named, Opened, Operations, Partner, Pushes, ReturnRows, Source,
};
pub(crate) use json::schema;
pub(crate) use words::IN_FILE;

/// A file of the report; the name is relative to the night's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Makes every file of the report.
pub(crate) fn render(input: &Input) -> Vec<Rendered> {
    let report = tables::Report::of(input);
    let mut files = vec![
        Rendered {
            name: "report.html".to_owned(),
            bytes: html::render(&report).into_bytes(),
        },
        Rendered {
            name: "report.json".to_owned(),
            bytes: json::render(&report),
        },
    ];
    files.extend(csv::render(&report));
    files
}
