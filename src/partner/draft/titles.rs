//! Finds the header of a sheet that bears a title, a date or a note above it.
//!
//! A file comes in; its table goes out, and whether its first row is a heading. Invariants: a row that holds somebody's data is never taken for
//! the heading; a heading that may be somebody's name is taken out.

use super::heading::heading;
use super::shape::CellShape;
use super::words::{code_of, is_known_word};
use crate::sheet::{CsvText, HeadingFit, ReadLimits, Sheet, TableMarks, UnreadableSheet};

/// From here on a cell reads like a header.
const READS: u32 = 85;
/// So many cells that are known make a heading, where they are a good part of it.
const READS_MIN: usize = 3;
/// Letters of a heading at most: a line that another delimiter would cut is none.
const HEADING_LETTERS_MAX: usize = 100;
/// Words of a name at most.
const NAME_WORDS_MAX: usize = 4;

/// The table of a file, read as a return is: its heading is looked for in so many rows, under each delimiter, by the headings that are known.
///
/// # Errors
/// [`UnreadableSheet`] if it is over a limit, or holds no row.
pub(super) fn table(
    file: &CsvText,
    limits: &ReadLimits,
    rows_max: usize,
) -> Result<Sheet, UnreadableSheet> {
    // A row that reads like one ends the search.
    let heading = |cells: &[&str]| {
        let names = if personal(cells) { 0 } else { known(cells) };
        HeadingFit {
            whole: names >= READS_MIN && names * 3 >= cells.len(),
            names,
        }
    };
    let marks = TableMarks {
        rows_max,
        heading: &heading,
        of_a_row: &|_| false,
    };
    file.sheet_by(limits, marks)
}

/// Whether a row is a heading: most of its cells are known, or a good part of many.
pub(super) fn is_heading(header: &[String]) -> bool {
    let named = header.iter().filter(|name| !name.is_empty()).count();
    known(header) * 2 > named || reads(header)
}

/// Takes the headings out that may name somebody, and gives the numbers of their columns from 1: two words or more that begin with capitals and
/// that nobody knows, or such words side by side above ticks, as a register of people has them.
pub(super) fn withhold_names(table: &mut Sheet) -> Vec<usize> {
    let strange: Vec<bool> = table
        .header
        .iter()
        .map(|name| may_be_a_name(name))
        .collect();
    let ticked: Vec<bool> = (0..table.header.len())
        .map(|place| ticks(table, place))
        .collect();
    let of_a_register = |place: usize| {
        let is = |place: usize| strange.get(place) == Some(&true) && ticked[place];
        is(place) && (is(place + 1) || place.checked_sub(1).is_some_and(is))
    };
    let several = |name: &str| name.split_whitespace().count() > 1;
    let withheld: Vec<usize> = (0..table.header.len())
        .filter(|place| strange[*place])
        .filter(|place| several(&table.header[*place]) || of_a_register(*place))
        .collect();
    for place in &withheld {
        table.header[*place].clear();
    }
    withheld.into_iter().map(|place| place + 1).collect()
}

/// Whether a heading may be somebody's name: a few words with capitals, of which none says what a column holds.
fn may_be_a_name(header: &str) -> bool {
    let of_letters = |word: &str| {
        word.starts_with(char::is_uppercase)
            && word
                .chars()
                .all(|letter| letter.is_alphabetic() || matches!(letter, '\'' | '’' | '-' | '.'))
    };
    let words = header.split_whitespace();
    !header.is_empty()
        && words.clone().count() <= NAME_WORDS_MAX
        && words.clone().all(of_letters)
        && heading(header).likely.is_empty()
        && !words
            .into_iter()
            .any(|word| is_known_word(&word.to_lowercase()))
}

/// Whether a column holds marks of who came, or nothing.
fn ticks(table: &Sheet, place: usize) -> bool {
    let ours = super::columns::ours("attendance");
    let mut cells = table.rows().map(|row| row.cell(place).trim());
    cells.all(|cell| cell.is_empty() || code_of(cell, &ours).is_some())
}

/// Whether a row reads like a header: a good part of its cells is known, three at least.
pub(super) fn reads(header: &[String]) -> bool {
    known(header) >= READS_MIN && known(header) * 3 >= header.len()
}

fn known(header: &[impl AsRef<str>]) -> usize {
    let reads = |name: &&str| {
        let short = !name.is_empty() && name.chars().count() <= HEADING_LETTERS_MAX;
        short
            && heading(name)
                .likely
                .first()
                .is_some_and(|likely| likely.score >= READS)
    };
    header.iter().map(AsRef::as_ref).filter(reads).count()
}

fn personal(header: &[&str]) -> bool {
    header
        .iter()
        .map(|cell| CellShape::of(std::iter::once(*cell)))
        .any(|shape| shape.personal() && !shape.day_of_now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits::{self, HEADER_SEARCH_ROWS};

    #[test]
    fn titles_and_groups_above_a_header_are_left_off() {
        let cases = [
            ("Name,Tel,Surgery\nAnn Larkspur,,\n", "Name"),
            (
                "OUR GARDEN\nseen 12/03/2026; Sue\n\nTel;Name;Surgery\n;Ann Larkspur;\n",
                "Tel",
            ),
            (
                "Client,,Referral,\nDOB,Mobile,Date,Link worker\n,,,Kay\n",
                "DOB",
            ),
            ("One,Two\nAnn Larkspur,07700 900201\n", "One"),
        ];
        for (sheet, first) in cases {
            let limits = ReadLimits::default();
            let file = CsvText::decode(sheet.as_bytes(), &limits).expect("a table");
            let read = table(&file, &limits, 20).expect("a table");
            assert_eq!(read.header[0], first, "{sheet}");
        }
    }

    #[test]
    fn a_header_is_looked_for_in_as_many_rows_as_the_limit_says() {
        let limits = ReadLimits::default();
        for rows_max in [2, HEADER_SEARCH_ROWS.usual, HEADER_SEARCH_ROWS.most] {
            limits::holds_at(rows_max, |header_row| {
                let title = "Our garden\n".repeat(usize::try_from(header_row).unwrap() - 1);
                let sheet = format!("{title}Tel;Name;Surgery\n;Ann Larkspur;\n");
                let file = CsvText::decode(sheet.as_bytes(), &limits).expect("a table");
                let rows_max = usize::try_from(rows_max).unwrap();
                let read = table(&file, &limits, rows_max).expect("a table");
                read.header[0] == "Tel"
            });
        }
    }

    #[test]
    fn a_row_is_a_heading_by_its_words_alone() {
        let heading = |row: &str| {
            let cells: Vec<String> = row.split(',').map(str::to_owned).collect();
            is_heading(&cells)
        };
        for row in ["Name,Tel", "Surname,First name,DOB,Programme,Cohort,Stage"] {
            assert!(heading(row), "{row}");
        }
        for row in [
            "Ann Larkspur,Gardening,Monday",
            "Date,Ann Larkspur,Owain Teasel",
            "Larkspur,Ann,Gardening,Mondays",
        ] {
            assert!(!heading(row), "{row}");
        }
    }

    #[test]
    fn names_of_people_in_a_heading_are_taken_out() {
        let sheet = "Date,Tel,Name,Ann Larkspur,Owain,Bea,Caseworker,Boots ok?\n1,,,y,y,n,PG,\n";
        let limits = ReadLimits::default();
        let file = CsvText::decode(sheet.as_bytes(), &limits).expect("a table");
        let mut read = table(&file, &limits, 20).expect("a table");
        assert_eq!(withhold_names(&mut read), [4, 5, 6]);
        assert_eq!(read.header.concat(), "DateTelNameCaseworkerBoots ok?");
    }
}
