//! The questionnaires that Kith knows: items, ranges and direction, from which Observations are built.
//!
//! One file of `mappings/instruments` an instrument comes in; a checked [`Instrument`] comes out. Invariant: an answer is
//! judged by the catalogue, never by what a partner's sheet says of it.

use super::refuse_referral_code;
use crate::diagnostics::Code;
use crate::domain::Occasion;
use crate::toml_reader::{Problems, SourceText, TableReader};

/// Items of one questionnaire; the longest in use has some hundred.
const ITEMS_MAX: usize = 200;

/// A questionnaire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instrument {
    pub(crate) id: String,
    pub(crate) title: String,
    /// Code system of `code`; without it the instrument's code is `<namespace>/CodeSystem/instrument|<id>`.
    pub(crate) code_system: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) occasions: Vec<Occasion>,
    pub(crate) items: Vec<InstrumentItem>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstrumentItem {
    pub(crate) id: String,
    pub(crate) title: String,
    /// The lowest and the highest answer.
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) better: BetterWhen,
}

/// Which way an answer gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BetterWhen {
    Higher,
    Lower,
}

impl Instrument {
    /// Reads a file of the catalogue; its problems are noted.
    pub(crate) fn read(file: &str, text: &str, problems: &Problems) -> Option<Self> {
        let source = SourceText::new(file, text);
        let table = source.parse(problems)?;
        let root = TableReader::root(source, &table, problems);
        let stem = source.stem();
        let id = root.text("id");
        if !id.value.is_empty() && id.value != stem {
            root.bad_value("id", &format!("the file's name, {stem}"), &id.place);
        }
        if let Some(code) = root.opt_text("code") {
            refuse_referral_code(code.value, &code.place, problems);
        }
        let words =
            [Occasion::Baseline, Occasion::FollowUp].map(|occasion| (occasion.code(), occasion));
        let instrument = Self {
            id: id.value.to_owned(),
            title: root.string("title"),
            code_system: root.opt_string("code_system"),
            code: root.opt_string("code"),
            occasions: root.words("occasions", &words),
            items: read_items(&root),
        };
        root.finish();
        Some(instrument)
    }

    /// The item with this id.
    pub(crate) fn item(&self, id: &str) -> Option<&InstrumentItem> {
        self.items.iter().find(|item| item.id == id)
    }
}

impl InstrumentItem {
    /// Whether an answer lies within the item's range.
    pub(crate) fn allows(&self, answer: i64) -> bool {
        (self.min..=self.max).contains(&answer)
    }
}

fn read_items(root: &TableReader<'_>) -> Vec<InstrumentItem> {
    root.needs("item");
    let mut items: Vec<InstrumentItem> = Vec::new();
    for table in root.tables("item").into_iter().take(ITEMS_MAX) {
        let id = table.text("id");
        let bound = |key: &'static str| {
            table.needs(key);
            table
                .number(key, -1_000_000..=1_000_000)
                .map_or(0, |at| at.value)
        };
        let (min, max) = (bound("min"), bound("max"));
        if max < min {
            table.bad_value("max", "at least min", table.place());
        }
        if items.iter().any(|item| item.id == id.value) {
            let what = format!("two items have the id {}", id.value);
            table.problems().add(Code::DuplicateId, what, &id.place);
        }
        let words = [("higher", BetterWhen::Higher), ("lower", BetterWhen::Lower)];
        items.push(InstrumentItem {
            id: id.value.to_owned(),
            title: table.string("title"),
            min,
            max,
            better: table.word_or("better", &words, BetterWhen::Higher),
        });
        table.finish();
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ons4_knows_its_items() {
        let problems = Problems::default();
        let text = include_str!("../../../mappings/instruments/ons4.toml");
        let ons4 = Instrument::read("instruments/ons4.toml", text, &problems).unwrap();
        assert_eq!(problems.into_sorted(), []);
        assert_eq!(ons4.items.len(), 4);
        let anxiety = ons4.item("anxiety").unwrap();
        assert_eq!(
            (anxiety.better, anxiety.allows(10), anxiety.allows(11)),
            (BetterWhen::Lower, true, false)
        );
        assert!(ons4.item("calm").is_none());
    }

    #[test]
    fn a_wrong_instrument_is_refused() {
        let problems = Problems::default();
        let text = "id = \"y\"\ntitle = \"T\"\ncode = \"871731000000106\"\n[[item]]\nid = \"a\"\ntitle = \"A\"\nmin = 5\nmax = 1\n";
        Instrument::read("instruments/x.toml", text, &problems);
        let codes: Vec<&str> = problems
            .into_sorted()
            .iter()
            .map(|one| one.code().text())
            .collect();
        assert_eq!(codes, ["CFG-006", "PTR-020", "CFG-006"]);
    }
}
