//! Does what "What to do" of a receipt says, cell by cell: it finds the cells by the receipt's sentences alone, and knows what each row should say.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::mistakes::{DAYS, DELIVERED, Truth};
use super::people::{day, written};

/// A receipt as a spreadsheet shows it.
pub(crate) struct OpenReceipt {
    /// Rows of words above the heading.
    pub(crate) above: Vec<Vec<String>>,
    pub(crate) heading: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Columns that a receipt adds.
const ADDED: usize = 3;

impl OpenReceipt {
    pub(crate) fn open(bytes: &[u8]) -> Self {
        let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text);
        let rows = reader.records().map(|record| {
            let record = record.expect("a receipt is CSV");
            record.iter().map(str::to_owned).collect::<Vec<String>>()
        });
        let mut above: Vec<Vec<String>> = rows.collect();
        let at = above.iter().position(|row| row[0].starts_with("Result"));
        let mut rows = above.split_off(at.expect("a heading"));
        let heading = rows.remove(0);
        Self {
            above,
            heading,
            rows,
        }
    }

    /// The file as another program saves it: each cell in quotes.
    pub(crate) fn saved(&self, with_words: bool) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new()
            .quote_style(csv::QuoteStyle::Always)
            .terminator(csv::Terminator::CRLF)
            .flexible(true)
            .from_writer(b"\xEF\xBB\xBF".to_vec());
        let above = self.above.iter().filter(|_| with_words);
        for row in above.chain([&self.heading]).chain(&self.rows) {
            writer.write_record(row).expect("memory can be written to");
        }
        writer.into_inner().expect("memory can be written to")
    }

    /// The number of a row in the sheet that the receipt answers, as its sentence says it.
    pub(crate) fn line(row: &[String]) -> Option<u64> {
        let rest = row[1].strip_prefix("Row ")?;
        let digits = rest.find(|sign: char| !sign.is_ascii_digit())?;
        rest.get(..digits)?.parse().ok()
    }

    /// Whether a row is, or was, to be mended here; what is nobody's is mended in the partner's own sheet.
    pub(crate) fn asks(row: &[String]) -> bool {
        ["Please correct", ""].contains(&row[0].as_str()) && !Self::is_strangers(row)
    }

    pub(crate) fn is_strangers(row: &[String]) -> bool {
        row[1].ends_with("We did not send you this person")
    }

    /// What each row of the receipt should say when it is sent, by the number that Excel will show.
    pub(crate) fn truth(
        &self,
        of: &BTreeMap<u64, Truth>,
        with_words: bool,
    ) -> BTreeMap<u64, Truth> {
        let above = if with_words { self.above.len() } else { 0 };
        let first = u64::try_from(above).expect("few") + 2;
        let rows = (first..).zip(&self.rows);
        rows.filter_map(|(number, row)| Some((number, of.get(&Self::line(row)?)?.clone())))
            .collect()
    }

    /// Does what is to be done on each row.
    pub(crate) fn mend(&mut self, of: &BTreeMap<u64, Truth>) {
        let heading = self.heading.clone();
        for row in self.rows.iter_mut().filter(|row| Self::asks(row)) {
            if row[1].ends_with("This row is another heading") {
                continue;
            }
            let line = Self::line(row).unwrap_or_else(|| panic!("no row is named: {row:?}"));
            let truth = of
                .get(&line)
                .unwrap_or_else(|| panic!("row {line} was right: {row:?}"));
            mend(&heading, row, truth);
        }
    }
}

/// Each name in quotes of a sentence that a sign follows, or that stands among such.
fn quoted(text: &str) -> Vec<String> {
    let pieces = text.split('"').skip(1).step_by(2);
    pieces.map(str::to_owned).collect()
}

fn mend(heading: &[String], row: &mut [String], truth: &Truth) {
    let (wrong, to_do) = (row[1].clone(), row[2].clone());
    let before = row[ADDED..].to_vec();
    assert_plain(&wrong, &to_do);
    let mut put = |header: &str, text: &str| {
        let mut found = false;
        for (cell, name) in row.iter_mut().zip(heading).skip(ADDED) {
            if name == header {
                text.clone_into(cell);
                found = true;
            }
        }
        assert!(found, "no column {header:?} in {heading:?}");
    };
    let should = |header: &str| truth.get(header).cloned().unwrap_or_default();
    let all = |put: &mut dyn FnMut(&str, &str), which: &dyn Fn(&str) -> bool| {
        for header in heading.iter().skip(ADDED).filter(|name| which(name)) {
            put(header, &should(header));
        }
    };
    let of_row = [
        "Put each cell under its own heading.",
        "Put each cell under the heading here.",
        "Fill in what is missing.",
    ];
    if of_row.iter().any(|words| to_do.contains(words)) {
        all(&mut put, &|_| true);
        if row[ADDED..] == before {
            assert!(to_do.contains("All right as it is? Empty the first cell."));
            row[0].clear();
        }
        return;
    }
    if to_do.contains("Open our file and copy across.") {
        return all(&mut put, &|name| DELIVERED.contains(&name));
    }
    if to_do.contains("Keep the right answer. Empty the other one.")
        || to_do.contains("Empty those that were.")
    {
        return all(&mut put, &|name| !DELIVERED.contains(&name));
    }
    if let Some(copied) = to_do
        .strip_prefix("Open our file and check. Copy ")
        .and_then(|rest| rest.strip_suffix(" from there."))
    {
        for header in quoted(copied) {
            put(&header, &should(&header));
        }
        return;
    }
    let named = quoted(&wrong);
    assert!(!named.is_empty(), "no cell is named: {wrong:?}, {to_do:?}");
    for header in named {
        let text = should(&header);
        let about = to_do.split_once(&format!("\"{header}\": "));
        let about = about.map_or(to_do.as_str(), |(_, about)| about);
        assert_agreed(&header, about);
        let as_word =
            DAYS.contains(&header.as_str()) && about.contains("write the month as a word");
        if as_word {
            let date = Date::strptime("%d/%m/%Y", &text).expect("a day");
            put(&header, &date.strftime("%-d %B %Y").to_string());
        } else {
            put(&header, &text);
        }
    }
}

/// What is asked for names the form, the scale or the words that were agreed.
fn assert_agreed(header: &str, about: &str) {
    let agreed = match header {
        "Our ref" => "Copy \"Our ref\" from our file.".to_owned(),
        "Attended?" if about.contains("in both") => "Write the right answer in both.".to_owned(),
        "Attended?" => "We agreed on: N, Y.".to_owned(),
        "Outcome" => "Do you mean Finished? We agreed on: Finished, Taken on.".to_owned(),
        _ if DAYS.contains(&header) => format!("We agreed on dates like {}.", written(day(0))),
        _ => "Use a whole number from 0 to 10.".to_owned(),
    };
    assert!(about.contains(&agreed), "{header}: {about:?}");
}

fn assert_plain(wrong: &str, to_do: &str) {
    assert!(
        wrong.starts_with("Row ") && !to_do.is_empty(),
        "{wrong:?}, {to_do:?}"
    );
}
