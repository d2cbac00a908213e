//! Drafts a partner file: from nothing, or from a sheet that the partner uses already.
//!
//! Id, names of the installation and perhaps a sheet come in; the text of a partner file goes out, every guess marked on its
//! line. Invariants: no cell of the sheet stands in it but the words of our own list of answers, and a heading only of a row that reads like
//! one, if it is no name of somebody; it is in shadow, so that
//! nothing leaves by it; what could not be guessed is a placeholder that `kith check` names.

mod answers;
mod cell_evidence;
mod cells;
mod columns;
mod drafted_column;
mod events;
mod heading;
mod neighbours;
mod series;
mod shape;
mod text;
mod titles;
mod word_lists;
mod words;
mod write;

use crate::domain::Limits;
use crate::sheet::{CsvText, ReadLimits, UnreadableSheet};

/// Rows of a sheet that are looked at.
const ROWS_MAX: usize = 5_000;

/// What a draft is made for.
pub(crate) struct DraftInput<'w> {
    pub(crate) id: &'w str,
    /// Base of the installation's own identifiers.
    pub(crate) namespace: &'w str,
    /// Id of the transport that partners use.
    pub(crate) transport: &'w str,
    /// Within which a sheet is read.
    pub(crate) limits: &'w Limits,
}

/// A draft and what is left to do.
pub(crate) struct Draft {
    pub(crate) text: String,
    /// Columns of the sheet, and those of them that nothing was guessed for.
    pub(crate) columns: usize,
    pub(crate) unguessed: usize,
}

/// Why a sheet cannot be drafted from; holds no cell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SheetError {
    #[error("{0}")]
    Unreadable(String),
    #[error("column {column} of its heading looks like somebody's data, not like a header")]
    NoHeader { column: usize },
    #[error(
        "none of its first {rows_max} rows reads like a heading, so nothing of it is copied: give each column a name above its cells, such as Name, Phone, Date seen"
    )]
    NoHeading { rows_max: usize },
    #[error("its first row names no column")]
    NoColumns,
}

/// Drafts a partner file from a partner's own sheet.
///
/// # Errors
/// [`SheetError`] if the bytes are no table with a header row.
pub(crate) fn from_sheet(wanted: &DraftInput<'_>, bytes: &[u8]) -> Result<Draft, SheetError> {
    let limits = ReadLimits {
        rows_max: ROWS_MAX,
        ..ReadLimits::of(wanted.limits)
    };
    let unreadable = |error: UnreadableSheet| SheetError::Unreadable(error.to_string());
    let file = CsvText::decode_any(bytes, &limits).map_err(unreadable)?;
    let rows_max = wanted.limits.header_search_rows_max;
    let mut table = titles::table(&file, &limits, rows_max).map_err(unreadable)?;
    if table.header.iter().all(String::is_empty) {
        return Err(SheetError::NoColumns);
    }
    let register = titles::reads(&table.header);
    for (index, header) in table.header.iter().enumerate() {
        let shape = shape::CellShape::of(std::iter::once(header.as_str()));
        // A register bears days for headers.
        if shape.personal() && !(register && shape.day_of_now()) {
            return Err(SheetError::NoHeader { column: index + 1 });
        }
    }
    if !titles::is_heading(&table.header) {
        return Err(SheetError::NoHeading { rows_max });
    }
    let withheld = titles::withhold_names(&mut table);
    let guesses = columns::guess(&table);
    let events = events::events(&guesses);
    let unguessed = guesses.iter().filter(|guess| guess.means.is_none());
    Ok(Draft {
        columns: guesses.len() + withheld.len(),
        unguessed: unguessed.count() + withheld.len(),
        text: write::draft(wanted, &table, &guesses, (&events, &withheld)),
    })
}

/// A starter file with everything explained.
pub(crate) fn starter(wanted: &DraftInput<'_>) -> Draft {
    Draft {
        text: write::starter(wanted),
        columns: 0,
        unguessed: 0,
    }
}
