//! The order of a sheet and of the copies that file programs made of it, where both lie in one folder.
//!
//! In: candidates in the order in which they were written. Out: the same, each copy behind its sheet. Keeps: all others stand in their order.
//! A copy of an older state is often the older file; what it contradicts is known only once its sheet has been taken.

use std::collections::HashMap;

use crate::pipeline::event::stem;
use crate::transport::Candidate;

/// Puts each copy behind the sheet of its name.
pub(super) fn behind_their_sheets(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let names = candidates
        .iter()
        .map(|candidate| stem(candidate.name.reveal()));
    ordered(&names.collect::<Vec<_>>(), candidates)
}

/// The same of things with these names: each is without the mark of a copy, and says whether it bore one.
fn ordered<T>(names: &[(String, bool)], things: Vec<T>) -> Vec<T> {
    let sheets: HashMap<&str, usize> = names
        .iter()
        .enumerate()
        .filter(|(_, (_, marked))| !marked)
        .map(|(place, (name, _))| (name.as_str(), place))
        .collect();
    let places = names.iter().enumerate().map(|(place, (name, marked))| {
        let sheet = sheets.get(name.as_str()).filter(|_| *marked);
        let sheet = sheet.filter(|sheet| **sheet > place);
        sheet.map_or((place, false), |sheet| (*sheet, true))
    });
    let mut ordered: Vec<((usize, bool), T)> = places.zip(things).collect();
    ordered.sort_by_key(|(place, _)| *place);
    ordered.into_iter().map(|(_, thing)| thing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_taken_behind_its_sheet_and_all_else_as_it_was_written() {
        let written = [
            "returns (Jo's conflicted copy).csv",
            "other (1).csv",
            "people.csv",
            "returns (2).csv",
            "Returns.csv",
            "people-LAPTOP.csv",
        ];
        let names: Vec<(String, bool)> = written.iter().map(|name| stem(name)).collect();
        assert_eq!(ordered(&names, (0..6).collect()), [1, 2, 4, 0, 3, 5]);
    }
}
