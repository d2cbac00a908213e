//! What is said of a file as a whole: what was restored in all of it, and what in it was not read.

use super::Reading;
use super::days::DayOrder;
use crate::domain::Reason;
use crate::pipeline::event::{Repair, RowFinding, is_receipt};
use crate::sheet::{Sheet, SheetNote, TextEncoding};

/// Rows that are named in one sentence at most.
const ROWS_NAMED: usize = 20;

impl Reading<'_> {
    pub(super) fn file_repairs(
        &self,
        sheet: &Sheet,
        rows: &[RowFinding],
        lost_letters: bool,
    ) -> Vec<Repair> {
        let mut repairs = letter_repairs(sheet, lost_letters);
        let mut say = |code: &'static str, column: Option<String>, words: String| {
            repairs.push(Repair {
                code,
                column,
                words,
            });
        };
        if let Some(order) = self.calendar.exchanged() {
            let form = match order {
                DayOrder::DayFirst => "day/month/year",
                DayOrder::MonthFirst => "month/day/year",
            };
            let words = format!("All dates came as {form}, ours too. We read them so.");
            say("order-of-dates", None, words);
        }
        if self.calendar.counts_from_1904() {
            let words =
                "All dates came as numbers that count from 1904, ours too. We read them so.";
            say("days-from-1904", None, words.to_owned());
        }
        if sheet
            .notes
            .iter()
            .any(|note| matches!(note, SheetNote::WrapperTakenOff { .. }))
        {
            let more = if sheet.notes.contains(&SheetNote::MoreNotes) {
                " There are more of them than we name row by row."
            } else {
                ""
            };
            let words = format!("Some cells came as =\"text\". We read the text.{more}");
            say("wrapper", None, words);
        }
        repairs.extend(self.heading_repairs(sheet));
        let mut say = |code: &'static str, words: String| {
            repairs.push(Repair {
                code,
                column: None,
                words,
            });
        };
        let above: Vec<String> = sheet
            .above
            .iter()
            .map(|(line, _)| line.to_string())
            .collect();
        // Above a receipt that is sent back our own words stand.
        if !above.is_empty() && !is_receipt(&sheet.header) {
            let heading = sheet.header_line;
            let words = format!(
                "We took row {heading} for the heading. We did not read what stands above it."
            );
            say("rows-above", words);
        }
        let passed: Vec<String> = rows
            .iter()
            .filter(|row| row.reason == Some(Reason::NotARow))
            .map(|row| row.line.to_string())
            .collect();
        if !passed.is_empty() {
            let more = passed.len().saturating_sub(ROWS_NAMED);
            let named = passed[..passed.len() - more].join(", ");
            let more = match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let words = format!("We left out rows that name nobody: row {named}{more}.");
            say("rows-passed-over", words);
        }
        repairs
    }

    /// What is said of the columns.
    fn heading_repairs(&self, sheet: &Sheet) -> Vec<Repair> {
        let mut repairs = Vec::new();
        let mut say = |code: &'static str, column: Option<String>, words: String| {
            repairs.push(Repair {
                code,
                column,
                words,
            });
        };
        for (theirs, ours) in self.columns.renamed() {
            let words = format!(
                "We read your column \"{theirs}\" as the one we agreed to call \"{ours}\"."
            );
            say("heading-form", Some((*ours).to_owned()), words);
        }
        for (first, again) in self.columns.twins() {
            let twice = &sheet.header[*first];
            let place = again + 1;
            let words = format!(
                "The column \"{twice}\" stands twice, again as column {place}. We read it where both say the same."
            );
            say("column-twice", Some(twice.clone()), words);
        }
        for headers in self.columns.absent(self.collect) {
            let names = quoted(&headers);
            let words = format!("Your sheet has no column {names}. We took nothing in for that.");
            say("columns-not-there", None, words);
        }
        repairs
    }
}

/// What is said of the letters of a file.
fn letter_repairs(sheet: &Sheet, lost_letters: bool) -> Vec<Repair> {
    let mut repairs = Vec::new();
    let mut say = |code: &'static str, words: String| {
        repairs.push(Repair {
            code,
            column: None,
            words,
        });
    };
    let program = match sheet.dialect.encoding {
        TextEncoding::MacRoman => Some("Excel's \"CSV (Macintosh)\""),
        TextEncoding::Cp850 => Some("Excel's \"CSV (MS-DOS)\""),
        TextEncoding::TwiceUtf8 => Some("a program that wrote each accent as two signs"),
        _ => None,
    };
    if let Some(program) = program {
        let words = format!(
            "Your file came from {program}. We read its accents by the names that we sent you."
        );
        say("encoding", words);
    }
    if lost_letters {
        let words = "Some letters came as question marks. We knew the names. In your own notes they stay as they came.";
        say("lost-letters", words.to_owned());
    }
    repairs
}

/// Headers as a sentence names them.
fn quoted(headers: &[&str]) -> String {
    let quoted: Vec<String> = headers
        .iter()
        .map(|header| format!("\"{header}\""))
        .collect();
    quoted.join(", ")
}
