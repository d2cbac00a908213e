//! Where the columns of a return stand, found once for all of its rows; and which row of a file is its heading.
//!
//! A column is found by its agreed name. A name is the agreed one without regard to case, white space, what cannot be seen, and signs that are no
//! letters where no other agreed name has the same letters. Nothing like a name is taken for it.

use std::collections::{HashMap, HashSet};

use super::cell_text::typed;
use crate::diagnostics::Code;
use crate::domain::LegReference;
use crate::partner::{Collect, CollectEvent};
use crate::pipeline::event::{RESULT_COLUMNS, Unusable, is_receipt};
use crate::sheet::{HeadingFit, Sheet, SheetRow, fold};

/// The columns of a return.
pub(super) struct Columns<'r> {
    /// By folded header; of two columns with one name the first counts.
    folded: HashMap<String, usize>,
    /// The same of the columns that are no answers.
    others: HashMap<String, usize>,
    /// By header as the agreement writes it: what is asked for on every row.
    agreed: HashMap<&'r str, usize>,
    /// Two columns under one agreed or delivered name.
    twins: Vec<(usize, usize)>,
    /// Places of the columns of which something is read.
    read: HashSet<usize>,
    /// What the return calls a column, and the agreed header, where the names are not the same.
    renamed: Vec<(String, &'r str)>,
    /// Names of columns that nobody agreed on, with their places.
    own: Vec<(usize, String)>,
    /// Columns that have a name, from 0.
    named: usize,
}

/// The names that an agreement reads.
struct AgreedNames<'r> {
    by_fold: HashMap<String, &'r str>,
    /// By their letters and digits; none where two names have the same.
    by_letters: HashMap<String, Option<&'r str>>,
    delivered: &'r [String],
}

impl<'r> AgreedNames<'r> {
    fn of(collect: &'r Collect) -> Self {
        let mut names = Self {
            by_fold: HashMap::new(),
            by_letters: HashMap::new(),
            delivered: &collect.delivered,
        };
        for header in read_headers(collect) {
            names.by_fold.insert(fold(header), header);
        }
        for (theirs, ours) in &collect.aliases {
            names.by_fold.entry(fold(theirs)).or_insert(ours);
        }
        let mut headers: Vec<&str> = names.by_fold.values().copied().collect();
        headers.sort_unstable();
        for header in headers {
            let one = names
                .by_letters
                .entry(letters(header))
                .or_insert(Some(header));
            if *one != Some(header) {
                *one = None;
            }
        }
        names
    }

    /// The agreed header that a name of a return stands for.
    fn find(&self, name: &str) -> Option<&'r str> {
        let folded = fold(name);
        let found = match self.by_fold.get(&folded) {
            Some(header) => Some(*header),
            None => self.by_letters.get(&letters(name)).copied().flatten(),
        };
        // A column whose very name was delivered is that one: `WHY` was delivered, and `Why` is an answer.
        found.filter(|header| name == *header || !self.delivered.iter().any(|sent| sent == name))
    }

    /// Whether a name may as well stand for a delivered column of another spelling, of which the sheet has no other.
    fn is_perhaps_delivered(&self, name: &str, header: &str, sheet: &HashSet<&str>) -> bool {
        let folded = fold(name);
        let mut delivered = self.delivered.iter().map(String::as_str);
        name != header
            && delivered.any(|sent| sent != header && fold(sent) == folded && !sheet.contains(sent))
    }
}

/// From here on a name is nearly another.
const NEARLY: f64 = 0.6;

/// Headers as a sentence names them.
fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}

/// The line of a partner file that says what a return calls columns.
fn aliases_line(pairs: &[(String, &str)]) -> String {
    let toml = |text: &str| {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{text}\"")
    };
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(theirs, ours)| format!("{} = {}", toml(theirs), toml(ours)))
        .collect();
    format!("aliases = {{ {} }}", pairs.join(", "))
}

/// Why a sheet without these columns cannot be used; with the line of the partner file that says what the return calls them.
pub(super) fn refused(missing: &[&str], pairs: &[(String, &str)]) -> Unusable {
    let names = quoted(missing);
    let mut why = format!("These columns are missing: {names}");
    if !pairs.is_empty() {
        let same: Vec<String> = pairs
            .iter()
            .map(|(theirs, ours)| format!("\"{theirs}\" for \"{ours}\""))
            .collect();
        let (names, line) = (same.join(", "), aliases_line(pairs));
        let line = format!(
            ". Do you write {names}? Then the team that runs Kith can use this line: {line}"
        );
        why.push_str(&line);
    }
    Unusable {
        code: Code::ReturnColumns,
        kind: "file-unread:columns",
        why,
        to_do: "Use the column names we agreed on. Then send the sheet again",
        limit: None,
    }
}

/// The letters and digits of a name.
fn letters(name: &str) -> String {
    fold(name).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Every header that is read of a row, but for those of delivered columns.
fn read_headers(collect: &Collect) -> Vec<&str> {
    let mut headers = needed(collect);
    headers.extend(collect.check.as_deref());
    headers.extend(collect.acknowledged.iter().map(|said| said.column.as_str()));
    headers
}

/// How much of the agreed heading these cells are.
pub(crate) fn heading_fit(collect: &Collect, cells: &[&str]) -> HeadingFit {
    let names = AgreedNames::of(collect);
    let found: HashSet<&str> = cells.iter().filter_map(|cell| names.find(cell)).collect();
    HeadingFit {
        whole: missing_of(collect, |header| found.contains(header)).is_empty(),
        names: found.len(),
    }
}

/// Whether a cell is one that only a row of a person has, quotes and marks of a spreadsheet around it or none.
pub(crate) fn is_reference(cell: &str) -> bool {
    let plain =
        cell.trim_matches(|sign: char| matches!(sign, '"' | '=' | '\'') || sign.is_whitespace());
    LegReference::parse(&typed(plain)).is_ok()
}

impl<'r> Columns<'r> {
    pub(super) fn of(collect: &'r Collect, sheet: &Sheet) -> Self {
        let names = AgreedNames::of(collect);
        let mut columns = Self {
            folded: HashMap::new(),
            others: HashMap::new(),
            agreed: HashMap::new(),
            twins: Vec::new(),
            read: HashSet::new(),
            renamed: Vec::new(),
            own: Vec::new(),
            named: sheet.header.len(),
        };
        let folds: HashSet<String> = sheet.header.iter().map(|name| fold(name)).collect();
        let very: HashSet<&str> = sheet.header.iter().map(String::as_str).collect();
        for (place, name) in sheet.header.iter().enumerate() {
            if name.is_empty() {
                continue;
            }
            let folded = fold(name);
            let agreed = names.find(name).filter(|header| {
                // Where the very name stands elsewhere this is another column.
                let alike = folded == fold(header) || !folds.contains(&fold(header));
                let delivered = names.is_perhaps_delivered(name, header, &very);
                name == header || (alike && !very.contains(*header) && !delivered)
            });
            let first = match agreed {
                Some(header) => {
                    if folded != fold(header) {
                        columns.renamed.push((name.clone(), header));
                    }
                    columns.read.insert(place);
                    *columns.agreed.entry(header).or_insert(place)
                }
                None => *columns.others.entry(folded.clone()).or_insert(place),
            };
            if first != place {
                columns.twins.push((first, place));
            }
            columns.folded.entry(folded).or_insert(place);
            if agreed.is_none() {
                columns.own.push((place, name.clone()));
            }
        }
        columns
    }

    /// Keeps of the columns that nobody agreed on those that were not delivered either.
    pub(super) fn know_delivered(&mut self, is_delivered: impl Fn(&str) -> bool) {
        self.own.retain(|(_, name)| !is_delivered(&fold(name)));
        let own: HashSet<usize> = self.own.iter().map(|(place, _)| *place).collect();
        // Two columns of their own may bear one name.
        self.twins
            .retain(|(first, again)| !own.contains(first) && !own.contains(again));
    }

    /// Refuses a sheet that lacks an event and has as many full columns of its own, which may be those of the event under other names.
    ///
    /// # Errors
    /// The columns that are missing, and those that may be them.
    pub(super) fn or_renamed(&self, collect: &'r Collect, sheet: &Sheet) -> Result<(), Unusable> {
        let absent: Vec<&str> = self.absent(collect).concat();
        // In a receipt that is sent back the first columns are ours.
        let first = if is_receipt(&sheet.header) {
            RESULT_COLUMNS.len()
        } else {
            0
        };
        let full = |(place, _): &&(usize, String)| {
            let mut rows = sheet.rows();
            *place >= first && rows.any(|row| !row.cell(*place).trim().is_empty())
        };
        let own: Vec<&str> = match absent.len() {
            0 => return Ok(()),
            _ => self
                .own
                .iter()
                .filter(full)
                .map(|(_, name)| name.as_str())
                .collect(),
        };
        if own.len() < absent.len() {
            return Ok(());
        }
        let mut pairs = self.nearest(&absent);
        if let ([theirs], [ours]) = (&own[..], &absent[..]) {
            pairs = vec![((*theirs).to_owned(), ours)];
        }
        let mut refused = refused(&absent, &pairs);
        if pairs.is_empty() {
            let others = quoted(&own);
            let otherwise = format!(". Perhaps they are called otherwise: {others}");
            refused.why.push_str(&otherwise);
        }
        Err(refused)
    }

    /// Missing headers, each with the name in the return that is most like it, if one is.
    pub(super) fn nearest(&self, missing: &[&'r str]) -> Vec<(String, &'r str)> {
        let like = |ours: &str, theirs: &str| {
            strsim::normalized_damerau_levenshtein(&letters(ours), &letters(theirs))
        };
        let mut pairs: Vec<(String, &'r str)> = Vec::new();
        for ours in missing {
            let names = self.own.iter().map(|(_, name)| name);
            let free = names.filter(|name| !pairs.iter().any(|(theirs, _)| theirs == *name));
            let nearest = free
                .map(|name| (like(ours, name), name))
                .filter(|(like, _)| *like >= NEARLY)
                .max_by(|one, other| one.0.total_cmp(&other.0));
            pairs.extend(nearest.map(|(_, name)| (name.clone(), *ours)));
        }
        pairs
    }

    /// Headers that the partner file reads and the return lacks.
    pub(super) fn missing(&self, collect: &'r Collect) -> Vec<&'r str> {
        missing_of(collect, |header| self.agreed.contains_key(header))
    }

    /// Events of which the return has no column at all: the headers of each.
    pub(super) fn absent(&self, collect: &'r Collect) -> Vec<Vec<&'r str>> {
        let has = |header: &str| self.agreed.contains_key(header);
        let events = collect.events.iter();
        events
            .map(|event| own_headers(collect, event))
            .filter(|own| !own.is_empty() && !own.iter().any(|header| has(header)))
            .collect()
    }

    /// The place of a header of the agreement.
    pub(super) fn place(&self, header: &str) -> Option<usize> {
        self.agreed.get(header).copied()
    }

    /// The place of a folded header.
    pub(super) fn place_of_folded(&self, header: &str) -> Option<usize> {
        self.others
            .get(header)
            .or_else(|| self.folded.get(header))
            .copied()
    }

    /// The cell of a row under a header of the agreement, without white space around it; empty where the return has no such column.
    pub(super) fn cell<'c>(&self, row: SheetRow<'c>, header: &str) -> &'c str {
        self.agreed
            .get(header)
            .map_or("", |column| row.cell(*column))
            .trim()
    }

    /// The cell of a row under a folded header, as written; empty where the return has no such column.
    pub(super) fn cell_of_folded<'c>(&self, row: SheetRow<'c>, header: &str) -> &'c str {
        self.place_of_folded(header)
            .map_or("", |column| row.cell(column))
    }

    /// Columns that bear one name.
    pub(super) fn twins(&self) -> &[(usize, usize)] {
        &self.twins
    }

    /// What the return calls columns that were agreed under another name.
    pub(super) fn renamed(&self) -> &[(String, &'r str)] {
        &self.renamed
    }

    /// Places of the columns that nobody agreed on.
    pub(super) fn own(&self) -> impl Iterator<Item = usize> {
        self.own.iter().map(|(place, _)| *place)
    }

    /// Whether something is read of a column.
    pub(super) fn is_read(&self, place: usize) -> bool {
        self.read.contains(&place)
    }

    /// Columns that have a name, up to the last.
    pub(super) fn named(&self) -> usize {
        self.named
    }
}

/// Headers without which a return cannot be used, if the return has those that `has` says.
fn missing_of<'r>(collect: &'r Collect, has: impl Fn(&str) -> bool) -> Vec<&'r str> {
    let mut missing = Vec::new();
    let mut lacks = |header: &'r str| {
        if !has(header) && !missing.contains(&header) {
            missing.push(header);
        }
    };
    lacks(&collect.reference);
    let mut some = false;
    for event in &collect.events {
        let own = own_headers(collect, event);
        // A sheet may lack an event, but not a part of one.
        if own.is_empty() || own.iter().any(|header| has(header)) {
            some = true;
            event.headers().into_iter().for_each(&mut lacks);
        }
    }
    if !some {
        let all = collect.events.iter().flat_map(CollectEvent::headers);
        all.for_each(&mut lacks);
    }
    if let Some(said) = &collect.withdrawn {
        lacks(&said.column);
    }
    missing
}

/// The headers of an event that no other event reads.
fn own_headers<'r>(collect: &'r Collect, event: &'r CollectEvent) -> Vec<&'r str> {
    let read_by_others = |header: &str| {
        let others = collect
            .events
            .iter()
            .filter(|other| !std::ptr::eq(*other, event));
        others
            .flat_map(CollectEvent::headers)
            .any(|other| other == header)
    };
    let headers = event.headers().into_iter();
    headers.filter(|header| !read_by_others(header)).collect()
}

/// Headers without which a return cannot be used.
fn needed(collect: &Collect) -> Vec<&str> {
    let mut needed = vec![collect.reference.as_str()];
    needed.extend(collect.events.iter().flat_map(CollectEvent::headers));
    needed.extend(collect.withdrawn.iter().map(|said| said.column.as_str()));
    needed
}
