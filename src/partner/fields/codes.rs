//! Code lists: which word stands for which code, in the files of `mappings/codes` and inside partner files.
//!
//! CSV texts and inline tables come in; look-ups come out. Invariant: a code has one answer or none, never two.

use std::collections::BTreeMap;

use crate::diagnostics::{Code, Place};
use crate::sheet::{ReadLimits, fold, read};
use crate::toml_reader::{At, Problems, TableReader};

/// SNOMED CT's system.
pub(crate) const SNOMED: &str = "http://snomed.info/sct";
/// The code that counts referrals nationally (`uk.md` §0): a trigger, never anything else.
pub(crate) const REFERRAL_CODE: &str = "871731000000106";

/// What a code of `social-prescribing.csv` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TriggerKind {
    /// The person was referred: ours.
    Referral,
    /// The person declined: recorded, never sent.
    Declined,
}

/// Codes with their words; keys sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodeMap {
    entries: Vec<(String, String)>,
}

impl CodeMap {
    /// A map of these entries; later ones override earlier ones.
    pub(crate) fn from_entries(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut map = Self::default();
        for (code, word) in entries {
            match map
                .entries
                .binary_search_by(|entry| entry.0.as_str().cmp(&code))
            {
                Ok(at) => map.entries[at].1 = word,
                Err(at) => map.entries.insert(at, (code, word)),
            }
        }
        map
    }

    /// The word for exactly this code.
    pub(crate) fn get(&self, code: &str) -> Option<&str> {
        let at = self
            .entries
            .binary_search_by(|entry| entry.0.as_str().cmp(code))
            .ok()?;
        self.entries.get(at).map(|entry| entry.1.as_str())
    }

    /// The word for what somebody typed: exactly, else without regard to case and spaces if that leaves one answer.
    pub(crate) fn get_typed(&self, typed: &str) -> Option<&str> {
        if let Some(word) = self.get(typed) {
            return Some(word);
        }
        let folded = fold(typed);
        let mut words = self.entries.iter().filter(|entry| fold(&entry.0) == folded);
        let word = words.next()?.1.as_str();
        words.all(|entry| entry.1 == word).then_some(word)
    }

    /// The same with the code as it was agreed.
    pub(crate) fn entry_typed(&self, typed: &str) -> Option<(&str, &str)> {
        let word = self.get_typed(typed)?;
        let folded = fold(typed);
        let mut entries = self.entries();
        entries.find(|(code, said)| *said == word && fold(code) == folded)
    }

    /// Every code with its word, by code.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|entry| (entry.0.as_str(), entry.1.as_str()))
    }

    /// Whether a word is the answer to any code.
    pub(crate) fn has_word(&self, word: &str) -> bool {
        self.entries.iter().any(|entry| entry.1 == word)
    }

    /// Reads an inline table of a partner file.
    pub(crate) fn from_table(table: &TableReader<'_>) -> Self {
        let mut entries = Vec::new();
        for (code, word) in table.pairs() {
            for said in [&code, &word] {
                refuse_referral_code(said.value, &said.place, table.problems());
            }
            entries.push((code.value.to_owned(), word.value.to_owned()));
        }
        Self::from_entries(entries)
    }
}

/// Notes codes that differ in case and spaces only and lead to different words: what somebody types has no one answer.
pub(crate) fn check_typed(pairs: &[(At<&str>, At<&str>)], problems: &Problems) {
    for (at, (code, word)) in pairs.iter().enumerate() {
        let folded = fold(code.value);
        let mut known = pairs.get(..at).unwrap_or_default().iter();
        let alike = |(twin, other): &&(At<&str>, At<&str>)| {
            fold(twin.value) == folded && other.value != word.value
        };
        if let Some((twin, _)) = known.find(alike) {
            let what = format!(
                "\"{}\" and \"{}\" are typed alike and lead to different words",
                twin.value, code.value
            );
            problems.add(Code::TwoAnswers, what, &code.place);
        }
    }
}

/// Notes PTR-020 if the national referral code is used.
pub(crate) fn refuse_referral_code(text: &str, place: &Place, problems: &Problems) {
    if text.contains(REFERRAL_CODE) {
        problems.add(
            Code::ForbiddenSnomed,
            format!("{REFERRAL_CODE} is used as a code of a mapping"),
            place,
        );
    }
}

/// Reads a code file, two columns under a header; what is wrong is noted with its line.
pub(crate) fn read_codes(file: &str, text: &str, problems: &Problems) -> Vec<At<(String, String)>> {
    let refuse = |what: &str, place: &Place| problems.add(Code::CodesUnreadable, what, place);
    let mut entries: Vec<At<(String, String)>> = Vec::new();
    let table = match read(text.as_bytes(), &ReadLimits::default()) {
        Ok(table) => table,
        Err(error) => {
            let what = format!("this code file cannot be read: {error}");
            refuse(&what, &Place::file(file));
            return entries;
        }
    };
    let columns = table.header.len();
    if columns != 2 {
        let what = format!("a code file has two columns, this one has {columns}");
        refuse(&what, &Place::file(file).line(table.header_line));
        return entries;
    }
    let mut known = BTreeMap::new();
    for row in table.rows() {
        let place = Place::file(file).line(row.line());
        let (code, word) = (row.cell(0).trim().to_owned(), row.cell(1).trim().to_owned());
        if row.len() > 2 {
            refuse("a row has more than two cells", &place);
        } else if code.is_empty() {
            refuse("a row has no code", &place);
        } else if let Some(line) = known.insert(code.clone(), row.line()) {
            refuse(&format!("this code stands in line {line} too"), &place);
        } else {
            let value = (code, word);
            entries.push(At { value, place });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_code_has_one_answer_or_none() {
        let map = CodeMap::from_entries(
            [("Y", "yes"), ("y", "other"), ("Taken on", "accepted")].map(own),
        );
        assert_eq!(map.get("Y"), Some("yes"));
        assert_eq!(map.get_typed("y"), Some("other"));
        assert_eq!(map.get_typed(" taken  ON "), Some("accepted"));
        assert_eq!(map.get_typed("taken"), None);
        let two = CodeMap::from_entries([("Ab", "one"), ("aB", "two")].map(own));
        assert_eq!(two.get_typed("AB"), None);
    }

    fn own(pair: (&str, &str)) -> (String, String) {
        (pair.0.to_owned(), pair.1.to_owned())
    }

    #[test]
    fn a_code_file_says_where_it_is_wrong() {
        let problems = Problems::default();
        let text = "code,word\n1,One\n2,\"Two, too\"\n1,Eins\n,None\n3,a,b\n";
        let entries = read_codes("codes/x.csv", text, &problems);
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].value, ("2".to_owned(), "Two, too".to_owned()));
        let places: Vec<String> = problems
            .into_sorted()
            .iter()
            .map(|one| one.place().text())
            .collect();
        assert_eq!(places, ["codes/x.csv:4", "codes/x.csv:5", "codes/x.csv:6"]);
    }
}
