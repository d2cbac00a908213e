//! Returns with mistakes of every kind that a receipt can ask a partner to mend, each beside what its rows should say.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::people::{day, written};
use super::world::Row;

/// What a row should say, by header; nothing in a column that is not named.
pub(crate) type Truth = BTreeMap<String, String>;

/// The heading of every return here: what was delivered, and the answers.
pub(crate) const HEADING: [&str; 13] = [
    "Our ref",
    "Check",
    "Name",
    "Phone",
    "Date seen",
    "Attended?",
    "Outcome",
    "Scored on",
    "LS",
    "W",
    "H",
    "A",
    "Comments",
];
/// Columns of days.
pub(crate) const DAYS: [&str; 2] = ["Date seen", "Scored on"];
/// Columns that were delivered.
pub(crate) const DELIVERED: [&str; 4] = ["Our ref", "Check", "Name", "Phone"];
/// The first column of answers.
const ANSWERS: usize = DELIVERED.len();

/// A return as a partner sends it.
pub(crate) struct BadSheet {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    /// What each row should say, by the number that Excel shows; nothing of rows that are nobody's.
    pub(crate) truth: BTreeMap<u64, Truth>,
}

/// Chance with a seed: the same seed gives the same returns.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }

    fn one_of<'o>(&mut self, of: &[&'o str]) -> &'o str {
        of[self.below(of.len())]
    }
}

/// A row that is being written.
#[derive(Clone)]
struct Line {
    truth: Truth,
    cells: Vec<String>,
}

impl Line {
    fn of(truth: Truth) -> Self {
        let cells = HEADING.map(|header| truth.get(header).cloned().unwrap_or_default());
        Self {
            truth,
            cells: cells.to_vec(),
        }
    }

    fn put(&mut self, header: &str, text: impl Into<String>) {
        self.cells[place(header)] = text.into();
    }

    /// Its person with no answer.
    fn unanswered(&self) -> Truth {
        let mut truth = self.truth.clone();
        truth.retain(|header, _| DELIVERED.contains(&header.as_str()));
        truth
    }
}

fn place(header: &str) -> usize {
    let found = HEADING.iter().position(|name| *name == header);
    found.expect("a column of the heading")
}

/// What somebody should say of a person, `n`th of all: a visit, four scores, words of their own.
fn truth(row: &Row, n: usize, chance: &mut Chance) -> Truth {
    let mut truth: Truth = DELIVERED
        .iter()
        .map(|header| ((*header).to_owned(), row[*header].clone()))
        .collect();
    let mut say = |header: &str, text: String| truth.insert(header.to_owned(), text);
    let ago = 1 + i64::try_from(chance.below(8)).expect("few days");
    say("Date seen", written(day(-ago)));
    say("Attended?", chance.one_of(&["Y", "N"]).to_owned());
    if chance.below(4) == 0 {
        say("Outcome", "Taken on".to_owned());
    }
    say("Scored on", written(day(-ago)));
    for header in ["LS", "W", "H", "A"] {
        say(header, chance.below(11).to_string());
    }
    say("Comments", format!("came by bus, no {n}"));
    truth
}

/// The sheets of a partner about these people, about `each` of them on each sheet.
pub(crate) fn sheets(people: &[Row], strange: &Row, each: usize, seed: u64) -> Vec<BadSheet> {
    let mut chance = Chance::new(seed);
    let mut lines: Vec<Line> = people
        .iter()
        .enumerate()
        .map(|(n, row)| Line::of(truth(row, n, &mut chance)))
        .collect();
    let mut some = |count: usize| -> Vec<Line> { lines.drain(..count).collect() };
    vec![
        wrong_cells(some(each.max(CELLS.len())), &mut chance),
        two_columns(some(each), &mut chance),
        second_heading(&some(each), &mut chance),
        date_order(some(each)),
        sorted(some(each)),
        slid(some(each), &mut chance),
        shifted(some(each), &mut chance),
        cut(&some(each)),
        open_quote(some(each), &mut chance),
        many_rows(some(each)),
        same_day(some(each)),
        strangers(some(each), strange),
        without_scores(some(each)),
    ]
}

/// How many people [`sheets`] needs.
pub(crate) fn people_of(each: usize) -> usize {
    each.max(CELLS.len()) + 12 * each
}

fn line(cells: &[String]) -> String {
    let quoted = cells.iter().map(|cell| {
        if cell.contains([',', '"', '\n']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    });
    quoted.collect::<Vec<String>>().join(",")
}

fn heading() -> Vec<String> {
    HEADING.map(str::to_owned).to_vec()
}

fn sheet(name: &'static str, heading: &[String], lines: &[Line]) -> BadSheet {
    let rows = lines.iter().map(|row| line(&row.cells));
    let text: Vec<String> = std::iter::once(line(heading)).chain(rows).collect();
    let truth = (2..).zip(lines.iter().map(|line| line.truth.clone()));
    BadSheet {
        name,
        text: text.join("\r\n") + "\r\n",
        truth: truth.collect(),
    }
}

/// A mistake in one cell or two of a row.
type Mistake = fn(&mut Line, &mut Chance);

/// One of each kind.
const CELLS: [Mistake; 16] = [
    |line, _| line.put("Date seen", ""),
    |line, chance| {
        line.put(
            "Date seen",
            chance.one_of(&["31/02/2026", "soon", "3-5/11", "Nov 2026"]),
        );
    },
    |line, _| line.put("Date seen", written(day(400))),
    |line, _| line.put("Scored on", written(day(-400))),
    |line, chance| line.put("Attended?", chance.one_of(&["Yes!", "came", "Y/N", "??"])),
    |line, _| line.put("Outcome", "Finishd"),
    |line, chance| line.put("W", chance.one_of(&["11", "7.5", "-1", "seven", "70%"])),
    |line, chance| line.put(chance.one_of(&["LS", "Scored on", "Attended?"]), "#REF!"),
    |line, chance| line.put(chance.one_of(&["H", "Date seen", "Attended?"]), "=B2&C2"),
    |line, _| line.put("Our ref", ""),
    |line, _| {
        let reference = &mut line.cells[0];
        let last = if reference.ends_with('Z') { 'Y' } else { 'Z' };
        reference.pop();
        reference.push(last);
    },
    |line, _| line.put("Name", "Somebody Else"),
    |line, _| {
        line.put("Check", "");
        line.put("Phone", "07700 900999");
        line.put("Name", "Xenia Other");
    },
    |line, _| {
        line.put("Check", "");
        line.put("Name", "");
        line.put("Phone", "");
    },
    |line, _| {
        line.put("Attended?", "Perhaps");
        line.put("Date seen", "one day");
        line.put("Scored on", "");
        line.put("LS", "12");
        line.put("A", "many");
    },
    |line, chance| line.put("Check", chance.one_of(&["QQQQQQ", "B2B2B2"])),
];

fn wrong_cells(mut lines: Vec<Line>, chance: &mut Chance) -> BadSheet {
    for (n, line) in lines.iter_mut().enumerate() {
        let mistake = CELLS.get(n).copied();
        mistake.unwrap_or_else(|| CELLS[chance.below(CELLS.len())])(line, chance);
    }
    // Of an outcome that nobody could guess the truth is one of the agreed words.
    for line in &mut lines {
        if line.cells[place("Outcome")] == "Finishd" {
            line.truth
                .insert("Outcome".to_owned(), "Finished".to_owned());
        }
    }
    sheet("returns cells", &heading(), &lines)
}

fn two_columns(mut lines: Vec<Line>, chance: &mut Chance) -> BadSheet {
    let other = chance.below(lines.len());
    for (n, line) in lines.iter_mut().enumerate() {
        let said = line.cells[place("Attended?")].clone();
        let opposite = if said == "Y" { "N" } else { "Y" };
        line.cells.push(if n == other {
            opposite.to_owned()
        } else {
            said
        });
    }
    let mut heading = heading();
    heading.push("Attended?".to_owned());
    sheet("returns twice", &heading, &lines)
}

fn second_heading(lines: &[Line], chance: &mut Chance) -> BadSheet {
    let at = 1 + chance.below(lines.len() - 1);
    let mut moved = lines.to_vec();
    for line in &mut moved[at..] {
        line.cells.swap(place("Date seen"), place("Scored on"));
        line.cells.swap(place("LS"), place("A"));
    }
    let mut other = heading();
    other.swap(place("Date seen"), place("Scored on"));
    other.swap(place("LS"), place("A"));
    let mut rows: Vec<String> = moved.iter().map(|row| line(&row.cells)).collect();
    rows.insert(at, line(&other));
    rows.insert(0, line(&heading()));
    let numbers = (2_u64..).filter(|number| *number != u64::try_from(at).expect("few") + 2);
    let truth = numbers.zip(lines.iter().map(|line| line.truth.clone()));
    BadSheet {
        name: "returns heading",
        text: rows.join("\r\n") + "\r\n",
        truth: truth.collect(),
    }
}

/// One day of a column stands as month/day/year: those that can be read in two ways are asked about.
fn date_order(mut lines: Vec<Line>) -> BadSheet {
    let back = |days: i64| day(-days);
    let two_ways = |date: &Date| date.day() <= 12 && date.month() != date.day();
    let doubtful = (1..34).map(back).find(two_ways).expect("a day");
    let certain = (1..34)
        .map(back)
        .find(|date| date.day() > 12)
        .expect("a day");
    let last = lines.len() - 1;
    for (n, line) in lines.iter_mut().enumerate() {
        let date = if n == last { certain } else { doubtful };
        line.truth.insert("Date seen".to_owned(), written(date));
        line.put("Date seen", written(date));
    }
    lines[last].put("Date seen", certain.strftime("%m/%d/%Y").to_string());
    sheet("returns order", &heading(), &lines)
}

fn sorted(mut lines: Vec<Line>) -> BadSheet {
    let mut names: Vec<String> = lines
        .iter()
        .map(|line| line.cells[place("Name")].clone())
        .collect();
    names.rotate_left(1);
    for (line, name) in lines.iter_mut().zip(names) {
        line.put("Name", name);
    }
    sheet("returns sorted", &heading(), &lines)
}

/// The answers slid down by one row, from some row on.
fn slid(mut lines: Vec<Line>, chance: &mut Chance) -> BadSheet {
    let from = chance.below(lines.len());
    let answers: Vec<Vec<String>> = lines
        .iter()
        .map(|line| line.cells[ANSWERS..].to_vec())
        .collect();
    for (n, line) in lines.iter_mut().enumerate().skip(from) {
        for (at, cell) in line.cells[ANSWERS..].iter_mut().enumerate() {
            *cell = if n == from {
                String::new()
            } else {
                answers[n - 1][at].clone()
            };
        }
    }
    let mut below = Line::of(Truth::new());
    let last = answers.last().expect("answers").clone();
    below.cells.truncate(ANSWERS);
    below.cells.extend(last);
    lines.push(below);
    sheet("returns slid", &heading(), &lines)
}

/// A cell too many in one row, and one too few in another.
fn shifted(mut lines: Vec<Line>, chance: &mut Chance) -> BadSheet {
    let right = chance.below(lines.len());
    let left = (right + 1) % lines.len();
    lines[right].cells.insert(ANSWERS, String::new());
    lines[left].cells.remove(ANSWERS + chance.below(5));
    sheet("returns shifted", &heading(), &lines)
}

fn cut(lines: &[Line]) -> BadSheet {
    let mut sheet = sheet("returns cut", &heading(), lines);
    let comma = sheet.text.rmatch_indices(',').nth(3).expect("a comma").0;
    sheet.text.truncate(comma);
    sheet
}

fn open_quote(mut lines: Vec<Line>, chance: &mut Chance) -> BadSheet {
    let at = chance.below(lines.len() - 1);
    let words = lines[at].cells[place("Comments")].clone();
    lines[at].put("Comments", "QUOTE");
    let mut sheet = sheet("returns quote", &heading(), &lines);
    sheet.text = sheet.text.replace("QUOTE", &format!("\"{words}"));
    sheet
}

/// One person on too many rows, with answers that were filled down; and another on two rows that do not agree.
fn many_rows(mut lines: Vec<Line>) -> BadSheet {
    let one = lines[0].clone();
    for n in 0..4 {
        let mut filled = one.clone();
        filled.truth = one.unanswered();
        filled.put("Comments", format!("filled {n}"));
        filled.put("LS", "");
        filled.put("W", "");
        filled.put("H", "");
        filled.put("A", "");
        filled.put("Scored on", "");
        lines.push(filled);
    }
    let mut other = lines[1].clone();
    other.truth = lines[1].unanswered();
    for header in ["Date seen", "Attended?", "Outcome", "Comments"] {
        other.put(header, "");
    }
    let score = &lines[1].cells[place("LS")];
    other.put("LS", if score == "3" { "4" } else { "3" });
    lines.push(other);
    sheet("returns many", &heading(), &lines)
}

/// Two visits of a person on one day, of which one is told with a word that nobody agreed on.
fn same_day(mut lines: Vec<Line>) -> BadSheet {
    let mut again = lines[0].clone();
    for header in ["Outcome", "Scored on", "LS", "W", "H", "A"] {
        again.truth.remove(header);
    }
    again
        .truth
        .insert("Comments".to_owned(), "a second time that day".to_owned());
    for said in ["Y", "N"] {
        let mut line = Line::of(again.truth.clone());
        line.truth.insert("Attended?".to_owned(), said.to_owned());
        line.put("Attended?", "Perhaps");
        lines.push(line);
        again
            .truth
            .insert("Comments".to_owned(), "a third time".to_owned());
    }
    sheet("returns same day", &heading(), &lines)
}

/// Rows of nobody, and of somebody who was sent to another partner.
fn strangers(mut lines: Vec<Line>, strange: &Row) -> BadSheet {
    let known = lines.len();
    let mut nobodys = lines[0].clone();
    nobodys.put("Our ref", "K7M3-9QXD-4T2F");
    let mut another = lines[0].clone();
    for header in DELIVERED {
        another.put(header, strange.get(header).cloned().unwrap_or_default());
    }
    lines.extend([nobodys, another]);
    let mut sheet = sheet("returns strangers", &heading(), &lines);
    sheet
        .truth
        .retain(|line, _| *line < u64::try_from(known).expect("few") + 2);
    sheet
}

/// Without the columns of the scores, and with a word that nobody agreed on.
fn without_scores(mut lines: Vec<Line>) -> BadSheet {
    lines[0].put("Attended?", "Perhaps");
    let mut heading = heading();
    let scores = place("Scored on")..place("Comments");
    heading.drain(scores.clone());
    for line in &mut lines {
        line.cells.drain(scores.clone());
        for header in &HEADING[scores.clone()] {
            line.truth.remove(*header);
        }
    }
    sheet("returns no scores", &heading, &lines)
}
