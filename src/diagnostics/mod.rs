//! What went wrong, where, whose it is and how to put it right: one value, rendered for terminal and JSON.
//!
//! A diagnostic never holds a patient-identifiable value: it says which rule failed, at which file, line,
//! column or row, by length or position.

mod codes;
mod kept;
mod manual;
mod table;

use std::fmt::Write as _;

pub(crate) use codes::Code;
pub(crate) use kept::{KeptDiagnostics, more_diagnostics};
use serde_json::{Value, json};

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Something is not done.
    Error,
    /// It went on, somebody should look.
    Warning,
}

impl Severity {
    /// The word in front of the code.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Where it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    file: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    detail: Option<String>,
}

impl Place {
    /// No more is known than the detail says.
    pub(crate) fn detail(detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::default()
        }
    }

    /// A whole file, named relative to home where it lies below it.
    pub(crate) fn file(file: impl Into<String>) -> Self {
        Self {
            file: Some(file.into()),
            ..Self::default()
        }
    }

    /// A line of this file, counted from 1.
    pub(crate) fn line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// A column of this line, counted from 1 in characters.
    pub(crate) fn column(mut self, column: u64) -> Self {
        self.column = Some(column);
        self
    }

    /// Our ids, a row, an element, a length.
    pub(crate) fn and(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Whom it is about, by kind and id, if it says so: `source hilltop`, `partner elm`.
    pub(crate) fn subject(&self) -> Option<&str> {
        let subject = self.detail.as_deref()?.split(',').next()?;
        let kinds = ["source ", "partner "];
        let of_kind = kinds.iter().any(|kind| subject.starts_with(kind));
        of_kind.then_some(subject)
    }

    /// The file, if it is in one.
    pub(crate) fn file_name(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The file and the line in it, where both are known.
    pub(crate) fn file_line(&self) -> Option<(&str, u64)> {
        Some((self.file.as_deref()?, self.line?))
    }

    /// `mappings/partners/x.toml:41:9, column 3`.
    pub(crate) fn text(&self) -> String {
        let mut text = self.file.clone().unwrap_or_default();
        for number in [self.line, self.column].into_iter().flatten() {
            // Writing to a String cannot fail.
            write!(text, ":{number}").unwrap_or_default();
        }
        match (&self.detail, text.is_empty()) {
            (Some(detail), true) => detail.clone(),
            (Some(detail), false) => format!("{text}, {detail}"),
            (None, _) => text,
        }
    }
}

/// One problem: what, where, how to put it right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    code: Code,
    what: String,
    place: Place,
    fix: Option<String>,
}

impl Diagnostic {
    /// A problem of this kind. `what` starts in lower case, has no full stop and at most 100 characters.
    pub(crate) fn new(code: Code, what: impl Into<String>, place: Place) -> Self {
        Self {
            code,
            what: what.into(),
            place,
            fix: None,
        }
    }

    /// A fix that says more than the manual page's.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The code.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// What is wrong.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Where it happened.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the command cannot do its work.
    pub(crate) fn fatal(&self) -> bool {
        self.code.severity() == Severity::Error
    }

    /// Who can put it right, and how.
    pub(crate) fn owner_and_fix(&self) -> (String, String) {
        let (owner, page_fix) = self.code.fix();
        (owner, self.fix.clone().unwrap_or(page_fix))
    }

    /// The three-part form for a terminal.
    pub(crate) fn render(&self) -> String {
        let (owner, page_fix) = self.code.fix();
        let fix = self.fix.as_deref().unwrap_or(&page_fix);
        format!(
            "{}[{}] {}\n  where   {}\n  owner   {owner}\n  fix     {fix}\n",
            self.code.severity().word(),
            self.code.text(),
            self.what,
            self.place.text(),
        )
    }

    /// The same with the line of the file and a mark under the place, and the other places of the same problem.
    pub(crate) fn render_with(&self, line: &str, also: &Repeats<'_>) -> String {
        let mut more = String::new();
        if let (false, Some(column)) = (line.is_empty(), self.place.column) {
            let (shown, before) = window(line, column);
            let blanks: String = shown
                .chars()
                .take(before)
                .map(|c| if c == '\t' { c } else { ' ' })
                .collect();
            more = format!("        | {shown}\n        | {blanks}^\n");
        }
        if !also.places.is_empty() {
            let named = also.places.iter().take(ALSO_MAX);
            let named: Vec<String> = named.map(|place| place.text()).collect();
            let rest = match also.places.len().saturating_sub(ALSO_MAX) {
                0 => String::new(),
                rest => format!(" and {rest} more"),
            };
            more.push_str("  also    ");
            more.push_str(&named.join("; "));
            more.push_str(&rest);
            more.push('\n');
        }
        if also.times > 1 + also.places.len() {
            more.push_str("  times   ");
            more.push_str(&also.times.to_string());
            more.push('\n');
        }
        self.render()
            .replacen("\n  owner ", &format!("\n{more}  owner "), 1)
    }

    /// The same as JSON, for `--json` and `--diagnostics`.
    pub(crate) fn to_json(&self) -> Value {
        let (owner, page_fix) = self.code.fix();
        json!({
            "code": self.code.text(),
            "severity": self.code.severity().word(),
            "owner": owner,
            "what": self.what,
            "where": {"file": self.place.file, "line": self.place.line, "column": self.place.column, "detail": self.place.detail},
            "fix": self.fix.as_deref().unwrap_or(&page_fix),
        })
    }
}

/// Places named of a problem that is there several times.
const ALSO_MAX: usize = 5;
/// Characters of a file's line that are shown.
const LINE_MAX: usize = 100;

/// The part of a line around a column (from 1), and how many characters of it stand before the column.
fn window(line: &str, column: u64) -> (String, usize) {
    let at = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    let from = at.saturating_sub(LINE_MAX / 2);
    let shown: String = line.chars().skip(from).take(LINE_MAX).collect();
    (shown.trim_end().to_owned(), at - from)
}

/// How often a problem was found, and where besides.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Repeats<'d> {
    /// Other places than the first, each once.
    pub(crate) places: Vec<&'d Place>,
    /// All in all.
    pub(crate) times: usize,
}

/// Problems that say the same as one, in the order of the first of each.
pub(crate) fn folded(problems: &[Diagnostic]) -> Vec<(&Diagnostic, Repeats<'_>)> {
    let mut folded: Vec<(&Diagnostic, Repeats<'_>)> = Vec::new();
    for problem in problems {
        let same = |(first, _): &&mut (&Diagnostic, Repeats<'_>)| {
            first.code == problem.code && first.what == problem.what && first.fix == problem.fix
        };
        let place = &problem.place;
        match folded.iter_mut().find(same) {
            Some((first, also)) => {
                also.times += 1;
                if first.place != *place && !also.places.contains(&place) {
                    also.places.push(place);
                }
            }
            None => folded.push((
                problem,
                Repeats {
                    places: Vec::new(),
                    times: 1,
                },
            )),
        }
    }
    folded
}

/// The known word nearest to a misspelt one, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
    known
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1) + 1)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The help of a word that is not known, if another one is near.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean \"{near}\"?"))
}

/// The installation cannot be opened: every reason at once.
#[derive(Debug, thiserror::Error)]
#[error("{} problems keep the installation from opening", .0.len())]
pub(crate) struct Refused(pub(crate) Vec<Diagnostic>);

impl Refused {
    /// The one reason.
    pub(crate) fn one(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_says_what_where_and_how() {
        let place = Place::file("mappings/partners/x.toml")
            .line(41)
            .column(9)
            .and("column 3");
        let shown = Diagnostic::new(Code::UnknownKey, "key \"delimeter\" is not known", place)
            .fix("write \"delimiter\"")
            .render();
        assert_eq!(
            shown,
            "error[CFG-003] key \"delimeter\" is not known\n  where   mappings/partners/x.toml:41:9, column 3\n  owner   it\n  fix     write \"delimiter\"\n"
        );
    }

    #[test]
    fn the_line_is_shown_with_a_mark_and_what_repeats_is_folded() {
        let at = |line, column| {
            Place::file("mappings/partners/x.toml")
                .line(line)
                .column(column)
        };
        let problem = |line, column| {
            Diagnostic::new(
                Code::UnknownKey,
                "key \"delimeter\" is not known",
                at(line, column),
            )
        };
        let problems = [problem(4, 12), problem(9, 1), problem(12, 1), problem(9, 1)];
        let folded = folded(&problems);
        assert_eq!(folded.len(), 1);
        let shown = folded[0]
            .0
            .render_with("format = { delimeter = \",\" }", &folded[0].1);
        assert_eq!(
            shown,
            "error[CFG-003] key \"delimeter\" is not known\n  where   mappings/partners/x.toml:4:12\n        | format = { delimeter = \",\" }\n        |            ^\n  also    mappings/partners/x.toml:9:1; mappings/partners/x.toml:12:1\n  times   4\n  owner   it\n  fix     Correct the spelling, or remove the key.\n"
        );
        let long = format!("{}here", "x".repeat(200));
        assert_eq!(window(&long, 201), (format!("{}here", "x".repeat(50)), 50));
    }

    #[test]
    fn the_nearest_word_is_found_or_none() {
        assert_eq!(
            nearest("delimeter", ["encoding", "delimiter"]),
            Some("delimiter")
        );
        assert_eq!(nearest("colour", ["encoding", "delimiter"]), None);
    }
}
