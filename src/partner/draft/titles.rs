//! Finds the header of a sheet that bears a title, a date or a note above it.
//!
//! A table as read comes in, with its first row for a header; the same sheet from its real header on goes out. Invariant: a row that holds
//! somebody's data is never taken for the header.

use super::heading::heading;
use super::shape::CellShape;
use crate::sheet::{CsvText, ReadLimits, Sheet};

/// From here on a cell reads like a header.
const READS: u32 = 85;

/// The table with what stands above its header left off; the header is looked for in so many rows, the first included.
pub(super) fn without(
    table: Sheet,
    file: &CsvText,
    limits: &ReadLimits,
    search_rows_max: usize,
) -> Sheet {
    let first = known(&table.header);
    let mut best: Option<(usize, Sheet)> = None;
    for row in table.rows().take(search_rows_max.saturating_sub(1)) {
        // Read again from there: a title in words may have hidden the delimiter.
        let Ok(below) = file.sheet_from(row, limits) else {
            continue;
        };
        let here = known(&below.header);
        let most = best.as_ref().map_or(first, |(known, _)| *known);
        if here >= 2 && here > most && !personal(&below.header) {
            best = Some((here, below));
        }
    }
    // A header of which half is known is one, whatever stands below.
    let named = table.header.iter().filter(|name| !name.is_empty()).count();
    match best {
        Some((here, mut below)) if here > first * 2 || first * 2 < named => {
            below.preamble_rows = below.preamble_rows.max(1);
            below
        }
        _ => table,
    }
}

/// Whether a row reads like a header: a good part of its cells is known, three at least.
pub(super) fn reads(header: &[String]) -> bool {
    known(header) >= 3 && known(header) * 3 >= header.len()
}

fn known(header: &[String]) -> usize {
    let reads = |name: &&String| {
        heading(name)
            .likely
            .first()
            .is_some_and(|likely| likely.score >= READS)
    };
    header.iter().filter(reads).count()
}

fn personal(header: &[String]) -> bool {
    header
        .iter()
        .map(|cell| CellShape::of(std::iter::once(cell.as_str())))
        .any(|shape| shape.personal() && !shape.day_of_now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits::{self, HEADER_SEARCH_ROWS};

    #[test]
    fn titles_and_groups_above_a_header_are_left_off() {
        let table = [
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
        for (sheet, first) in table {
            let limits = ReadLimits::default();
            let file = CsvText::decode(sheet.as_bytes(), &limits).expect("a table");
            let read = file.sheet(&limits).expect("a table");
            assert_eq!(
                without(read, &file, &limits, 20).header[0],
                first,
                "{sheet}"
            );
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
                let read = file.sheet(&limits).expect("a table");
                let rows_max = usize::try_from(rows_max).unwrap();
                without(read, &file, &limits, rows_max).header[0] == "Tel"
            });
        }
    }
}
