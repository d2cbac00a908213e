//! What the partners of a workload send back: our rows, and what they tell of each.

use super::expected::layout;
use super::table::{self, Table};

/// Columns that a partner adds to our sheet (`[collect]` of `install.py`).
const ADDED: [&str; 9] = [
    "Date seen",
    "Attended?",
    "When",
    "LS",
    "WW",
    "HY",
    "AN",
    "Outcome",
    "Why",
];
/// A row that a partner adds to ours, in the order of those columns.
pub(crate) type Added = [&'static str; 9];

/// A partner's return: what identifies each row, as it was delivered, and the rows of its story.
pub(crate) fn told(
    partner: &str,
    delivered: &Table,
    story: impl Fn(usize) -> &'static [Added],
) -> Vec<u8> {
    // A delivered column whose name is one of the added ones but for its case would be two columns of one name to Excel.
    let folded = ADDED.map(str::to_lowercase);
    let kept: Vec<usize> = (0..delivered.header.len())
        .filter(|&column| !folded.contains(&delivered.header[column].to_lowercase()))
        .collect();
    let mut header: Vec<String> = kept
        .iter()
        .map(|&column| delivered.header[column].clone())
        .collect();
    header.extend(ADDED.map(str::to_owned));
    let mut rows = Vec::new();
    for (place, row) in delivered.rows.iter().enumerate() {
        for told in story(place) {
            let mut cells: Vec<String> = kept.iter().map(|&column| row[column].clone()).collect();
            cells.extend(told.iter().map(|&cell| cell.to_owned()));
            rows.push(cells);
        }
    }
    table::write(&Table { header, rows }, layout(partner))
}
