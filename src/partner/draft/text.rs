//! The lines of a draft, and texts in TOML's quotes.
//!
//! Lines come in, with a guess or what to fill in; the text of a file goes out. Kept: each guess is marked on its line.

use std::fmt::Write as _;

/// Lines of the file; writing to a String cannot fail.
#[derive(Default)]
pub(super) struct DraftText(pub(super) String);

impl DraftText {
    pub(super) fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    pub(super) fn guess(&mut self, line: &str, why: &str) {
        let _ignored = writeln!(self.0, "{line:<46} # guess: {why}");
    }

    /// Where a column begins.
    pub(super) fn column(&mut self, header: &str) {
        self.line("[[deliver.column]]");
        self.line(&pair("header", header));
    }

    pub(super) fn fill_in(&mut self, line: &str, what: &str) {
        let _ignored = writeln!(self.0, "{line:<46} # fill in: {what}");
    }
}

/// A key and its text.
pub(super) fn pair(key: &str, text: &str) -> String {
    format!("{key} = {}", quoted(text))
}

/// A text in TOML's quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for character in text.chars() {
        match character {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            control if control.is_control() => written.push(' '),
            other => written.push(other),
        }
    }
    written.push('"');
    written
}
