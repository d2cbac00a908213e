//! What a partner is given in print: an empty sheet with its description, and the agreement's criteria in plain words.
//!
//! A checked partner comes in; bytes of CSV, JSON and HTML, or lines of text, go out. Invariants: what is printed is what the rules
//! say, read from the same values that decide; no person is in it, and the same file gives the same bytes.

mod answers;
mod criteria;
mod dictionary;
mod template;

pub(crate) use criteria::{page as criteria_page, text as criteria_text};
pub(crate) use dictionary::page as dictionary_page;
pub(crate) use template::{empty_sheet, table_schema};

use super::agreement::{ColumnSource, Partner, Rules};
use super::fields::{CodeMap, FieldKind};

/// Who writes a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilledBy {
    /// Kith, in every drop.
    Practice,
    /// The partner, in a return.
    Partner,
}

/// What a cell holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CellContent {
    Text,
    /// A day in this strftime pattern.
    Day(String),
    /// A whole number, with bounds where there are any.
    Number(Option<(i64, i64)>),
    /// One of these words, each with what it means.
    Words(Vec<(String, String)>),
}

/// One column of the partner's sheet, as a person would explain it.
#[derive(Clone, Debug)]
struct SheetColumn {
    header: String,
    writer: FilledBy,
    holds: CellContent,
    required: bool,
    length_max: Option<usize>,
    says: String,
}

/// Every column of the partner's sheet: those that are sent, then those that come back, each once.
fn entries(rules: &Rules, partner: &Partner) -> Vec<SheetColumn> {
    let mut entries = Vec::new();
    for column in &partner.deliver.columns {
        let field = column
            .field()
            .map(|field| rules.vocabulary.fields.field(field));
        let says = match (&column.source, field) {
            (_, Some(field)) => field.says.clone(),
            (ColumnSource::Text(_), _) => "the same text in every row".to_owned(),
            _ => "agreed between practice and partner".to_owned(),
        };
        let holds = match (&column.codes, field.map(|field| field.kind)) {
            (Some(codes), _) if field.is_some_and(|field| !field.values.is_empty()) => {
                CellContent::Words(turned(codes))
            }
            (None, Some(FieldKind::Date)) => {
                CellContent::Day(column.date.clone().unwrap_or_else(|| "%Y-%m-%d".to_owned()))
            }
            (None, Some(FieldKind::Number)) => CellContent::Number(None),
            _ => CellContent::Text,
        };
        entries.push(SheetColumn {
            header: column.header.clone(),
            writer: FilledBy::Practice,
            holds,
            required: column.required || field.is_some_and(|field| field.name == "leg.reference"),
            length_max: column.max_length,
            says,
        });
    }
    if let Some(collect) = &partner.collect {
        answers::add(collect, &mut entries);
    }
    entries
}

/// Words of ours with those of the partner, as the partner reads them.
fn turned(codes: &CodeMap) -> Vec<(String, String)> {
    codes
        .entries()
        .map(|(ours, theirs)| (theirs.to_owned(), ours.to_owned()))
        .collect()
}

/// A pattern as people say it: `day/month/year, for example 03/11/2026`.
fn day_in_words(pattern: &str) -> String {
    let example = jiff::civil::date(2026, 11, 3).strftime(pattern).to_string();
    format!("a day, written like {example} for 3 November 2026")
}
