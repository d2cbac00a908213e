//! Reads how a link worker refers on: `[onward] to`, and the events of its returns that ask for it.
//!
//! Invariant: every code of an onward event leads to a partner of `[onward] to`, each of which has a file and is another
//! partner than this one; only a link worker refers on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use super::catalogue::Catalogue;
use crate::diagnostics::{Code, Place, did_you_mean};
use crate::partner::agreement::{EventRule, PartnerKind};
use crate::partner::fields::CodeMap;
use crate::sheet::unescape;
use crate::toml_reader::{At, TableReader};

/// The `[onward]` section, against which the events of a return are read.
pub(super) struct Onward<'t> {
    section: Option<TableReader<'t>>,
    to: Vec<At<&'t str>>,
    /// Only where the file names another kind; a kind that cannot be read is a problem of its own.
    refused: bool,
    /// Whether any event asked for it, even one with problems of its own.
    told: Cell<bool>,
    /// The partners that a code leads to.
    reached: RefCell<BTreeSet<String>>,
}

impl<'t> Onward<'t> {
    /// Reads the section of the file of the partner of this id and kind.
    pub(super) fn read(
        section: Option<TableReader<'t>>,
        partner: Option<(&str, Option<PartnerKind>)>,
        catalogue: &Catalogue<'_>,
    ) -> Self {
        let refused = partner.is_some_and(|(_, kind)| kind == Some(PartnerKind::Provider));
        let mut to = Vec::new();
        if let Some(table) = &section {
            to = table.texts("to");
            // A provider's section is refused as a whole.
            if !refused {
                if to.is_empty() {
                    table.missing("to");
                }
                for target in &to {
                    check_target(table, target, partner.map(|(id, _)| id), catalogue);
                }
            }
        }
        Self {
            section,
            to,
            refused,
            told: Cell::new(false),
            reached: RefCell::default(),
        }
    }

    /// Reads an event of kind `onward`.
    pub(super) fn read_event(
        &self,
        table: &TableReader<'_>,
        kind: &Place,
        catalogue: &Catalogue<'_>,
    ) -> Option<EventRule> {
        self.told.set(true);
        if self.refused {
            refuse(table, "kind = \"onward\"", "the event", kind);
            table.forgive();
            return None;
        }
        if self.section.is_none() {
            let what = "an event of kind = \"onward\" needs the key to in [onward]".to_owned();
            let fix = "list in [onward] to the ids of the partners they may refer on to".to_owned();
            table.problems().add_fix(Code::MissingKey, what, kind, fix);
        }
        // Asked for here too, so that a wrong value does not make the date an unknown key.
        table.opt_text("on");
        let partner = table.table("partner").and_then(|value| {
            coded_column(value, catalogue, |_, word| self.check_code(table, word))
        });
        let activity = table.opt_table("activity").map(|value| {
            coded_column(value, catalogue, |value, word| {
                if word.value.is_empty() {
                    value.bad_value("a word of codes", "the name of an activity", &word.place);
                }
            })
        });
        let consent = table
            .table("consent")
            .map(|value| value.read_with(read_consent));
        let (column, codes) = partner?;
        let (consent_column, consent_yes) = consent?;
        Some(EventRule::Onward {
            column,
            codes,
            activity: match activity {
                None => None,
                Some(read) => Some(read?),
            },
            consent_column,
            consent_yes,
        })
    }

    /// Names a word of the event's codes that `[onward] to` does not list.
    fn check_code(&self, event: &TableReader<'_>, word: &At<&str>) {
        self.reached.borrow_mut().insert(word.value.to_owned());
        // A list that is absent or empty is one problem, not one a code.
        if self.to.is_empty() || self.to.iter().any(|target| target.value == word.value) {
            return;
        }
        let what = format!(
            "a code leads to partner \"{}\", which [onward] to does not list",
            word.value
        );
        let known = self.to.iter().map(|target| target.value);
        let fix = did_you_mean(word.value, known)
            .unwrap_or_else(|| "list the partner in [onward] to, or take the code out".to_owned());
        event
            .problems()
            .add_fix(Code::BadValue, what, &word.place, fix);
    }

    /// Ends the section: one that no event asks for would be ignored.
    pub(super) fn finish(self) -> Vec<String> {
        if let Some(table) = self.section {
            if self.refused {
                if !self.told.get() {
                    refuse(&table, "[onward]", "the section", table.place());
                }
                table.forgive();
            } else if !self.told.get() {
                let what = "[onward] needs a [[collect.event]] of kind = \"onward\"".to_owned();
                let fix = "say which column tells it, or take the section out".to_owned();
                table
                    .problems()
                    .add_fix(Code::MissingKey, what, table.place(), fix);
            }
            let reached = self.reached.borrow();
            let unreached =
                |target: &&At<&str>| !reached.is_empty() && !reached.contains(target.value);
            for target in self.to.iter().filter(unreached) {
                let what = format!("no code of an event leads to partner \"{}\"", target.value);
                table
                    .problems()
                    .add(Code::NeverApplies, what, &target.place);
            }
            table.finish();
        }
        self.to
            .into_iter()
            .map(|target| target.value.to_owned())
            .collect()
    }
}

fn refuse(table: &TableReader<'_>, what: &str, part: &str, place: &Place) {
    let what = format!("{what} is only for a partner of kind = \"link-worker\"");
    let fix = format!("say kind = \"link-worker\" in [partner], or take {part} out");
    table.problems().add_fix(Code::BadValue, what, place, fix);
}

fn check_target(
    table: &TableReader<'_>,
    target: &At<&str>,
    own: Option<&str>,
    catalogue: &Catalogue<'_>,
) {
    if own == Some(target.value) {
        table.bad_value(
            "to",
            "a list of other partners than this one",
            &target.place,
        );
        return;
    }
    let Some(partners) = catalogue.partners else {
        return;
    };
    if partners.contains(&target.value) {
        return;
    }
    let what = format!("partner \"{}\" has no file in partners", target.value);
    let others = partners
        .iter()
        .copied()
        .filter(|partner| own != Some(*partner));
    table
        .problems()
        .add_unknown(Code::UnknownId, what, target, others);
}

/// Reads `{ column, codes }` and shows every word that a code leads to, with its place, to `check`.
fn coded_column(
    value: TableReader<'_>,
    catalogue: &Catalogue<'_>,
    check: impl Fn(&TableReader<'_>, &At<&str>),
) -> Option<(String, CodeMap)> {
    catalogue.coded_column(value, &check, |value, codes, place| {
        for (_, word) in codes.entries() {
            let place = place.clone();
            check(value, &At { value: word, place });
        }
    })
}

/// The column of consent, and the word that gives it.
fn read_consent(value: &TableReader<'_>) -> (String, String) {
    let (column, yes) = (value.string("column"), value.text("yes"));
    // What folds to nothing would take an empty cell for a "Yes".
    if !yes.value.is_empty() && unescape(yes.value).trim().is_empty() {
        value.bad_value("yes", "a text that is not empty", &yes.place);
    }
    (column, yes.value.to_owned())
}
