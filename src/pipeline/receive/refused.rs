//! What a partner is told of a file that is no sheet: why it cannot be used, and what to do.
//!
//! In: an error of the reader. Out: plain words, without a cell of the file.

use crate::sheet::UnreadableSheet;

const BYTES_A_MEGABYTE: usize = 1_000_000;

/// Why a file cannot be used.
pub(super) fn why(error: &UnreadableSheet) -> String {
    match error {
        UnreadableSheet::FileTooLarge { bytes, bytes_max } => {
            let [whole, most] = [bytes, bytes_max].map(|bytes| bytes.div_ceil(BYTES_A_MEGABYTE));
            format!("The file is too large. It has {whole} MB, and we can read {most} MB")
        }
        UnreadableSheet::TooManyRows { rows_max } => {
            format!("The sheet has more than {rows_max} rows")
        }
        UnreadableSheet::TooManyColumns { line, columns_max } => {
            format!("Row {line} has more than {columns_max} columns")
        }
        UnreadableSheet::CellTooLong { line, column, .. } => {
            format!("The text in row {line}, column {column} is too long")
        }
        UnreadableSheet::HeaderTooLong { column, .. } => {
            format!("The name of column {column} is too long")
        }
        UnreadableSheet::NotText { looks_like } => {
            format!("The file is no CSV file. It looks like {looks_like}")
        }
        UnreadableSheet::Binary => "The file is no CSV file".to_owned(),
        UnreadableSheet::Broken { .. } => "Some letters of the file are damaged".to_owned(),
        UnreadableSheet::UnclosedQuote { line } => {
            format!("A quote mark in row {line} is never closed. Perhaps the file was cut off")
        }
        UnreadableSheet::HeadingQuote { line } => {
            format!("A quote mark in the heading, row {line}, takes in what stands below it")
        }
        UnreadableSheet::Empty => "The file has no rows".to_owned(),
    }
}

/// What a partner can do about it.
pub(super) fn what_to_do(error: &UnreadableSheet) -> &'static str {
    match error {
        UnreadableSheet::FileTooLarge { .. }
        | UnreadableSheet::TooManyRows { .. }
        | UnreadableSheet::TooManyColumns { .. }
        | UnreadableSheet::HeaderTooLong { .. } => {
            "Delete what is below and beside your table. Then send the sheet again"
        }
        UnreadableSheet::CellTooLong { .. } => "Make the text shorter. Then send the sheet again",
        UnreadableSheet::UnclosedQuote { .. } | UnreadableSheet::HeadingQuote { .. } => {
            "Take the quote mark out or close it. Then send the sheet again"
        }
        UnreadableSheet::Broken { .. } | UnreadableSheet::Binary => {
            "Save the sheet as \"CSV UTF-8\", or as \"CSV\" where there is no such choice. Then send it again"
        }
        UnreadableSheet::NotText { .. } | UnreadableSheet::Empty => {
            "Open it in your spreadsheet and save it as CSV. Then send it again"
        }
    }
}
