//! Made-up returns whose every row has a known truth: clean ones, and ones whose cells have moved. What is told of each row is held against its truth.
//!
//! Nothing of the reader or of the judge is used to make them. Some run in the suite; the campaign `geometry` takes as many as the issue names.

mod answers;
mod damage;
mod draw;
mod layouts;
mod people;
mod sheets;
mod speed;

use jiff::civil::{Date, date};

use super::{heading_of, in_its_encoding, is_reference, read, references, with_columns};
use crate::domain::{Disposition, EventKind, LegId};
use crate::pipeline::delivered_rows::Legs;
use crate::pipeline::event::{FileFinding, ReportedEvent, RowFinding};
use crate::sheet::{CsvText, ReadLimits, TableMarks};
use damage::{DAMAGES, Damage, Must};
use draw::Draw;
use layouts::MadeLayout;
use people::MadePerson;
use sheets::{Ends, MadeRow};

const TODAY: Date = date(2026, 11, 23);
/// Rows of each kind of damage in the suite; ten times as many are clean.
const ROWS_IN_SUITE: usize = 300;

/// The first seed, and rows of each kind.
fn campaign() -> (u64, usize) {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let count = number("KITH_TEST_COUNT").and_then(|count| usize::try_from(count).ok());
    (
        number("KITH_TEST_SEED").unwrap_or(1),
        count.unwrap_or(ROWS_IN_SUITE),
    )
}

/// What is found of a file, from its bytes and the rows that were delivered; else the kind of thing that is wrong with it.
fn judged(layout: &MadeLayout, legs: &Legs, bytes: &[u8]) -> Result<FileFinding, &'static str> {
    let collect = layout.collect();
    let heading = heading_of(collect);
    let marks = TableMarks {
        rows_max: 20,
        heading: &heading,
        of_a_row: &is_reference,
    };
    let limits = ReadLimits::default();
    let text = CsvText::decode_any(bytes, &limits).map_err(|error| error.kind())?;
    let sheet = text
        .sheet_by(&limits, marks)
        .map_err(|error| error.kind())?;
    let sheet = with_columns(collect, sheet).map_err(|unusable| unusable.kind)?;
    let known = references(collect, &sheet);
    assert!(known.len() <= sheet.row_count());
    let sheet = in_its_encoding(collect, sheet, bytes, legs, (&limits, marks))
        .map_err(|unusable| unusable.kind)?;
    read(collect, &sheet, legs, TODAY).map_err(|unusable| unusable.kind)
}

/// What goes on of these events: notes are kept and go nowhere.
fn going_on(events: &[ReportedEvent]) -> Vec<&ReportedEvent> {
    let events = events.iter();
    events
        .filter(|event| event.kind != EventKind::Note)
        .collect()
}

/// The rows of a file with their people, and what a right reading tells.
struct Truth<'t> {
    layout: &'t MadeLayout,
    people: &'t [MadePerson],
    rows: &'t [MadeRow],
}

impl Truth<'_> {
    fn leg(&self, row: usize) -> LegId {
        self.people[self.rows[row].person].leg
    }

    fn told(&self, row: usize) -> Vec<ReportedEvent> {
        self.rows[row].answers.told(self.layout)
    }

    /// What is wrong with the findings: what was told of somebody that is not so, and rows that did not become what they must.
    fn against(&self, must: &[Must], found: &[RowFinding]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut open: Vec<usize> = (0..self.rows.len()).collect();
        for finding in found {
            if finding.disposition != Disposition::Accepted {
                assert!(
                    finding.events.is_empty(),
                    "told of a row that is not taken in"
                );
                continue;
            }
            let is_it = |row: &usize| {
                self.leg(*row) == finding.leg
                    && going_on(&self.told(*row)) == going_on(&finding.events)
            };
            // Of rows that tell the same, the one whose note is that, too.
            let place = open
                .iter()
                .position(|row| is_it(row) && self.told(*row) == finding.events);
            match place.or_else(|| open.iter().position(is_it)) {
                None => wrong.push(format!(
                    "row {}: {:?} told of {:?}",
                    finding.line, finding.events, finding.leg
                )),
                Some(place) => {
                    let row = open.remove(place);
                    let as_it_is = self.told(row) == finding.events;
                    match must[row] {
                        Must::NotTakenIn => {
                            wrong.push(format!("row {} was taken in", finding.line));
                        }
                        Must::TakenIn if !as_it_is => {
                            wrong.push(format!("row {}: another note", finding.line));
                        }
                        _ => {}
                    }
                }
            }
        }
        for row in open.iter().filter(|row| must[**row] == Must::TakenIn) {
            let leg = self.leg(*row);
            let mut of_leg = found.iter().filter(|finding| finding.leg == leg);
            let why =
                of_leg.find_map(|finding| finding.reason.map(|reason| (finding.line, reason)));
            wrong.push(format!("the row of {leg:?} was not taken in: {why:?}"));
        }
        wrong
    }
}

/// One file with one damage: its rows, and what is wrong with what was found.
fn damaged(seed: u64, number: usize, damage: Damage) -> (usize, Vec<String>) {
    let draw = &mut Draw::of(seed, u64::try_from(number).expect("few files"));
    let layout = layouts::layout(number, draw);
    let size = *draw.one(&[1, 2, 3, 6, 17, 40, 90]);
    let people = people::people(draw, size);
    let legs = people::delivered(&layout, &people);
    let ends = damage.ends(draw, size);
    let whole = matches!(ends, Ends::LeftOff | Ends::Blocks);
    let rows = sheets::rows(draw, &layout, &people, (whole, false));
    let mut lines = sheets::lines(&layout, &people, &rows);
    let must = damage.done(draw, &layout, &rows, (&mut lines, ends));
    let bytes = sheets::bytes(&layout, &lines, ends);
    let truth = Truth {
        layout: &layout,
        people: &people,
        rows: &rows,
    };
    let mut wrong = match judged(&layout, &legs, &bytes) {
        Ok(found) => {
            let mut wrong = truth.against(&must, &found.rows);
            // No row is lost between the others.
            let legs: Vec<LegId> = found.rows.iter().map(|finding| finding.leg).collect();
            let lost = (0..rows.len()).filter(|row| !legs.contains(&truth.leg(*row)));
            if damage == Damage::QuoteOpen && lost.count() > 0 {
                wrong.push("a row is not answered".to_owned());
            }
            wrong
        }
        // The quote may be one that nothing closes.
        Err("file-unread:cut") if damage == Damage::QuoteOpen => Vec::new(),
        Err(kind) => vec![kind.to_owned()],
    };
    if !wrong.is_empty() {
        let all = wrong.len();
        wrong.truncate(2);
        let order: Vec<&str> = layout.columns.iter().map(|column| column.name).collect();
        let of = format!("of {size} rows, {}", order.join(" | "));
        wrong.push(format!(
            "{all} of {damage:?}, {ends:?}, seed {seed}, file {number} {of}"
        ));
    }
    (rows.len(), wrong)
}

#[test]
fn nothing_wrong_is_told_of_rows_whose_cells_have_moved() {
    let (seed, count) = campaign();
    let mut wrong = Vec::new();
    for damage in DAMAGES {
        let (mut rows, mut number) = (0, 0);
        while rows < count {
            let (more, found) = damaged(seed, number, damage);
            rows += more;
            number += 1;
            wrong.extend(found);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} lines:\n{}",
        wrong.len(),
        wrong
            .iter()
            .take(40)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn clean_rows_are_taken_in() {
    let (seed, count) = campaign();
    let (mut rows_made, mut held, mut number) = (0, 0, 0);
    let mut wrong = Vec::new();
    while rows_made < 10 * count {
        let draw = &mut Draw::of(seed, 1 << 40 | u64::try_from(number).expect("few files"));
        let layout = layouts::layout(number, draw);
        let size = *draw.one(&[1, 3, 12, 60, 250, 1_000]);
        let people = people::people(draw, size);
        let legs = people::delivered(&layout, &people);
        let ends = *draw.one(&[Ends::Full, Ends::Wider, Ends::LeftOff, Ends::Blocks]);
        let whole = matches!(ends, Ends::LeftOff | Ends::Blocks);
        let rows = sheets::rows(draw, &layout, &people, (whole, true));
        let lines = sheets::lines(&layout, &people, &rows);
        let bytes = sheets::bytes(&layout, &lines, ends);
        let truth = Truth {
            layout: &layout,
            people: &people,
            rows: &rows,
        };
        let found = judged(&layout, &legs, &bytes).expect("a clean sheet is read");
        assert!(!found.sorted, "file {number} of seed {seed}");
        wrong.extend(truth.against(&vec![Must::Either; rows.len()], &found.rows));
        let accepted = found.rows.iter();
        let accepted = accepted.filter(|row| row.disposition == Disposition::Accepted);
        let held_here = rows.len() - accepted.count();
        if held_here > 0 {
            let why: Vec<String> = found
                .rows
                .iter()
                .filter_map(|row| Some(format!("{} {:?}", row.line, row.reason?)))
                .collect();
            println!(
                "file {number}, {ends:?}: {held_here} held: {}",
                why.join(", ")
            );
        }
        held += held_here;
        rows_made += rows.len();
        number += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        held * 1_000 <= rows_made,
        "{held} of {rows_made} clean rows were not taken in"
    );
}
