//! What a partner file may refer to, and what it did refer to: fields, instruments, code files.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::lint::check_any;
use crate::diagnostics::{Code, Place};
use crate::domain::Limits;
use crate::partner::fields::{CodeMap, Instrument, Vocabulary, check_typed};
use crate::toml_reader::{At, Problems, TableReader, TextOrTable};

/// The shared texts, already read, for one partner file.
pub(crate) struct Catalogue<'c> {
    pub(crate) vocabulary: &'c Vocabulary,
    /// By their names below the mappings folder, `codes/x.csv`.
    pub(crate) codes: &'c BTreeMap<String, CodeMap>,
    /// Ids of every partner that has a file; none where a partner is made again by itself.
    pub(crate) partners: Option<&'c [&'c str]>,
    pub(crate) limits: &'c Limits,
    pub(crate) problems: &'c Problems,
    /// Names of the texts that the partner file stands on.
    pub(crate) used: RefCell<BTreeSet<String>>,
}

impl Catalogue<'_> {
    /// The codes of a column or of an event: an inline table, or the name of a code file.
    pub(crate) fn codes(&self, said: TextOrTable<'_>) -> CodeMap {
        match said {
            TextOrTable::Table(table) => CodeMap::from_table(&table),
            TextOrTable::Text(name) => self.code_file(&name),
        }
    }

    /// Reads `{ column, codes }`; shows each word of an inline list, or the whole of a listed one with its place.
    pub(super) fn coded_column(
        &self,
        value: TableReader<'_>,
        check_word: impl Fn(&TableReader<'_>, &At<&str>),
        check_list: impl Fn(&TableReader<'_>, &CodeMap, &Place),
    ) -> Option<(String, CodeMap)> {
        value.read_with(|value| {
            let column = value.string("column");
            let Some(place) = value.key_place("codes") else {
                value.missing("codes");
                return None;
            };
            let said = value.either("codes")?;
            if let TextOrTable::Table(inline) = &said {
                let pairs = inline.pairs();
                for (_, word) in &pairs {
                    check_word(value, word);
                }
                check_typed(&pairs, value.problems());
                check_any(value, &pairs, &place);
                return Some((column, self.codes(said)));
            }
            let codes = self.codes(said);
            check_list(value, &codes, &place);
            Some((column, codes))
        })
    }

    fn code_file(&self, name: &At<&str>) -> CodeMap {
        if let Some(map) = self.codes.get(name.value) {
            self.used.borrow_mut().insert(name.value.to_owned());
            return map.clone();
        }
        let what = format!(
            "code file \"{}\" is not below the mappings folder's codes",
            name.value
        );
        let known = self.codes.keys().map(String::as_str);
        self.problems
            .add_unknown(Code::CodesUnreadable, what, name, known);
        CodeMap::default()
    }

    /// An instrument of the catalogue, or PTR-016 with the nearest one.
    pub(crate) fn instrument(&self, id: &At<&str>) -> Option<&Instrument> {
        let found = self.vocabulary.instrument(id.value);
        if found.is_some() {
            let text = format!("instruments/{}.toml", id.value);
            self.used.borrow_mut().insert(text);
            return found;
        }
        let what = format!("instrument \"{}\" is not in the catalogue", id.value);
        let known = self.vocabulary.instruments.iter();
        let known = known.map(|instrument| instrument.id.as_str());
        self.problems
            .add_unknown(Code::UnknownInstrument, what, id, known);
        None
    }
}
