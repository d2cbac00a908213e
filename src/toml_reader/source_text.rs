//! The text of a config or mapping file with the places of its bytes.
//!
//! Text comes in; syntax, or a problem for each place where there is none, goes out. Invariant: a place counts characters, as
//! an editor does, also inside a quoted text.

use toml::de::DeTable;

use super::Problems;
use crate::diagnostics::{Code, Place};

/// A text file with the places of its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceText<'t> {
    pub(super) file: &'t str,
    text: &'t str,
}

impl<'t> SourceText<'t> {
    /// A file under the name that diagnostics show.
    pub(crate) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text }
    }

    /// The file's name without folder and ending; empty if it is no TOML file's.
    pub(crate) fn stem(&self) -> &'t str {
        let name = self.file.rsplit('/').next();
        name.and_then(|name| name.strip_suffix(".toml"))
            .unwrap_or_default()
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or(self.text);
        memchr::memchr_iter(b'\n', before.as_bytes()).count()
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = self.line(offset);
        let column = before
            .chars()
            .rev()
            .take_while(|character| *character != '\n')
            .count();
        Place::file(self.file)
            .line(count(line + 1))
            .column(count(column + 1))
    }

    /// The place of a character of a text whose quotes begin at this byte; an escape is one character.
    pub(super) fn place_in_text(&self, offset: usize, characters: usize) -> Place {
        let rest = self.text.get(offset..).unwrap_or_default();
        let quote = if rest.starts_with("\"\"\"") || rest.starts_with("\'\'\'") {
            3
        } else {
            1
        };
        let mut at = offset + quote;
        // The line break behind three quotes is no part of the text.
        if quote == 3 {
            let inner = rest.get(quote..).unwrap_or_default();
            at += inner.len()
                - inner
                    .trim_start_matches('\r')
                    .trim_start_matches('\n')
                    .len();
        }
        let basic = rest.starts_with('"');
        let mut inner = self.text.get(at..).unwrap_or_default().chars();
        for _ in 0..characters {
            let Some(character) = inner.next() else { break };
            at += character.len_utf8();
            if basic && character == '\\' {
                let kind = inner.next().unwrap_or_default();
                let digits = match kind {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                at += kind.len_utf8() + digits;
                inner = self.text.get(at..).unwrap_or_default().chars();
            }
        }
        self.place(at)
    }

    /// Parses the file; every syntax error is a problem, and then nothing is read.
    pub(crate) fn parse(&self, problems: &Problems) -> Option<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let mut line = None;
        for error in &errors {
            let offset = error.span().map_or(0, |span| span.start);
            let what = error
                .message()
                .lines()
                .next()
                .unwrap_or_default()
                .to_lowercase();
            let here = self.line(offset);
            // What follows from the one before it: in the same line or the next, or a key that is only there twice because a
            // section was lost.
            let follows = line.is_some_and(|last| here <= last + 1 || what == "duplicate key");
            if !follows {
                problems.add(Code::ConfigSyntax, what, &self.place(offset));
            }
            line = Some(here);
        }
        errors.is_empty().then(|| table.into_inner())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
