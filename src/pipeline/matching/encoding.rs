//! In which encoding a file was written, if its bytes allow several: the names that we delivered decide.
//!
//! If one encoding, and no other, brings a name back as it was sent, the whole file is read in it. If some names come back in one and some in another,
//! two files were pasted together.

use std::collections::HashSet;

use super::columns::Columns;
use super::reference;
use crate::diagnostics::Code;
use crate::partner::Collect;
use crate::pipeline::delivered_rows::{ComparedAs, Legs};
use crate::pipeline::event::Unusable;
use crate::sheet::{CsvText, ReadLimits, Sheet, TableMarks, TextEncoding, fold};

/// Names with accents in a file.
#[derive(Default)]
struct NamesBack {
    /// Those that came back as they were sent: row and column, from 0.
    as_sent: HashSet<(usize, usize)>,
    /// Some did not.
    lacking: bool,
}

/// The sheet of a file in the encoding in which its names come back.
///
/// # Errors
/// Two encodings bring names back that the other does not, or none reads the file.
pub(crate) fn in_its_encoding(
    collect: &Collect,
    sheet: Sheet,
    bytes: &[u8],
    legs: &Legs,
    (limits, marks): (&ReadLimits, TableMarks<'_>),
) -> Result<Sheet, Unusable> {
    let found = sheet.dialect.encoding;
    let mut others = CsvText::others(bytes, found).peekable();
    let found_alone = found != TextEncoding::MacRoman && others.peek().is_none();
    if found_alone {
        return Ok(sheet);
    }
    let names = names_back(collect, &sheet, legs);
    // Where none is lacking another encoding can bring none back.
    let others = others.take(if names.lacking { usize::MAX } else { 0 });
    let mut best = (names.as_sent, sheet);
    for other in others {
        let Ok(sheet) = other.sheet_by(limits, marks) else {
            continue;
        };
        let names = names_back(collect, &sheet, legs).as_sent;
        let only_here = names.difference(&best.0).next().is_some();
        let only_there = best.0.difference(&names).next().is_some();
        match (only_here, only_there) {
            (true, true) => return Err(mixed()),
            (true, false) => best = (names, sheet),
            (false, _) => {}
        }
    }
    let (names, sheet) = best;
    // Windows-1252 cannot be meant, and nothing says what is.
    if found == TextEncoding::MacRoman && names.is_empty() {
        return Err(mixed());
    }
    Ok(sheet)
}

fn mixed() -> Unusable {
    Unusable {
        code: Code::ReturnUnreadable,
        kind: "file-unread:characters",
        why: "Some letters of the file are damaged".to_owned(),
        to_do: "Save the sheet as \"CSV UTF-8\", or as \"CSV\" where there is no such choice. Then send it again",
        limit: None,
    }
}

fn names_back(collect: &Collect, sheet: &Sheet, legs: &Legs) -> NamesBack {
    let columns = Columns::of(collect, sheet);
    let mut back = NamesBack::default();
    for row in sheet.rows() {
        let leg = reference(collect, &columns, row)
            .ok()
            .and_then(|it| legs.get(&it));
        let Some(leg) = leg.filter(|leg| leg.own) else {
            continue;
        };
        let mut sent = HashSet::new();
        for version in &leg.versions {
            for (column, delivered) in version.cells() {
                let name = matches!(
                    column.compared_as,
                    ComparedAs::Family | ComparedAs::Given | ComparedAs::FullName
                );
                if !name || delivered.is_ascii() {
                    continue;
                }
                let Some(place) = columns.place_of_folded(&column.folded) else {
                    continue;
                };
                sent.insert(place);
                if row.cell(place) == delivered || fold(row.cell(place)) == fold(delivered) {
                    back.as_sent.insert((row.place(), place));
                }
            }
        }
        let came = |place: &usize| back.as_sent.contains(&(row.place(), *place));
        back.lacking |= !sent.iter().all(came);
    }
    back
}
