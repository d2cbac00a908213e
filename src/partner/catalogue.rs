//! What a partner file may refer to, and what it did refer to: fields, instruments, code files.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::codes::{CodeList, CodeMap};
use super::fields::FieldSet;
use super::instruments::Instrument;
use super::load::ACTIVITIES;
use super::table::{Either, Problems};
use crate::diagnostics::{Code, Place, nearest};

/// The shared texts, already read, for one partner file.
pub(super) struct Catalogue<'c> {
    pub(super) fields: &'c FieldSet,
    pub(super) instruments: &'c [Instrument],
    pub(super) needs: &'c CodeList,
    /// By their names below the mappings folder, `codes/x.csv`.
    pub(super) codes: &'c BTreeMap<String, CodeMap>,
    /// Ids of every partner that has a file; none where a partner is made again by itself.
    pub(super) partners: Option<&'c [&'c str]>,
    pub(super) problems: &'c Problems,
    /// Names of the texts that the partner file stands on.
    pub(super) used: RefCell<BTreeSet<String>>,
}

impl Catalogue<'_> {
    /// The codes of a column or of an event: an inline table, or the name of a code file.
    pub(super) fn codes(&self, said: Either<'_>) -> CodeMap {
        match said {
            Either::Table(table) => CodeMap::from_table(&table),
            Either::Text(name) => self.code_file(name.value, &name.place),
        }
    }

    /// The activities in force, by name.
    pub(super) fn activities(&self) -> impl Iterator<Item = (&str, &str)> {
        self.codes
            .get(ACTIVITIES)
            .into_iter()
            .flat_map(CodeMap::entries)
    }

    fn code_file(&self, name: &str, place: &Place) -> CodeMap {
        if let Some(map) = self.codes.get(name) {
            self.used.borrow_mut().insert(name.to_owned());
            return map.clone();
        }
        let what = format!("code file \"{name}\" is not below the mappings folder's codes");
        match nearest(name, self.codes.keys().map(String::as_str)) {
            Some(known) => {
                let fix = format!("did you mean \"{known}\"?");
                self.problems
                    .add_fix(Code::CodesUnreadable, what, place, fix);
            }
            None => self.problems.add(Code::CodesUnreadable, what, place),
        }
        CodeMap::default()
    }

    /// An instrument of the catalogue, or PTR-016 with the nearest one.
    pub(super) fn instrument(&self, id: &str, place: &Place) -> Option<&Instrument> {
        let found = self
            .instruments
            .iter()
            .find(|instrument| instrument.id == id);
        if found.is_some() {
            self.used
                .borrow_mut()
                .insert(format!("instruments/{id}.toml"));
            return found;
        }
        let what = format!("instrument \"{id}\" is not in the catalogue");
        match nearest(
            id,
            self.instruments
                .iter()
                .map(|instrument| instrument.id.as_str()),
        ) {
            Some(known) => {
                let fix = format!("did you mean \"{known}\"?");
                self.problems
                    .add_fix(Code::UnknownInstrument, what, place, fix);
            }
            None => self.problems.add(Code::UnknownInstrument, what, place),
        }
        None
    }
}
