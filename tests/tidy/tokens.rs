//! Rust source as a list of words, strings and marks, without comments: what the rules that read code read.

use std::iter::Peekable;
use std::str::Chars;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// The content of a string, of any form, as it is written.
    Text,
    /// One character of punctuation; `::` and `->` and `=>` are one token each.
    Mark,
    /// A character or a lifetime: no rule reads them.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.kind != Kind::Other && self.text == text
    }

    pub(crate) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }
}

/// Whether the tokens from a place on are these, none of which is a string.
pub(crate) fn starts(tokens: &[Token], at: usize, texts: &[&str]) -> bool {
    texts
        .iter()
        .enumerate()
        .all(|(step, text)| tokens.get(at + step).is_some_and(|token| token.is(text)))
}

/// The place behind the group that is opened at a place, `{}`, `()` or `[]`; the end if it is never closed.
pub(crate) fn behind_group(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        if ["{", "(", "["].iter().any(|open| token.is(open)) {
            depth += 1;
        } else if ["}", ")", "]"].iter().any(|close| token.is(close)) {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return place + 1;
            }
        }
    }
    tokens.len()
}

/// Reads source text; what no compiler would take is read somehow, and nothing is said of it.
pub(crate) fn tokens_of(source: &str) -> Vec<Token> {
    let mut reader = Reader {
        rest: source.chars().peekable(),
        line: 1,
        tokens: Vec::new(),
    };
    while let Some(next) = reader.rest.peek().copied() {
        reader.read(next);
    }
    reader.tokens
}

struct Reader<'s> {
    rest: Peekable<Chars<'s>>,
    line: usize,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    fn read(&mut self, next: char) {
        let line = self.line;
        if next.is_alphanumeric() || next == '_' {
            let word = self.word();
            let raw = ["r", "br", "cr"].contains(&word.as_str());
            match self.rest.peek() {
                Some('"') if ["b", "c"].contains(&word.as_str()) => self.string(line),
                Some('"' | '#') if raw => self.raw_string(line),
                _ => self.push(Kind::Word, word, line),
            }
            return;
        }
        match next {
            '"' => self.string(line),
            '\'' => self.character(line),
            '/' => self.slash(line),
            _ => {
                self.take();
                let pair = match (next, self.rest.peek()) {
                    (':', Some(':')) => Some("::"),
                    ('-', Some('>')) => Some("->"),
                    ('=', Some('>')) => Some("=>"),
                    _ => None,
                };
                if let Some(pair) = pair {
                    self.take();
                    self.push(Kind::Mark, pair.to_owned(), line);
                } else if !next.is_whitespace() {
                    self.push(Kind::Mark, next.to_string(), line);
                }
            }
        }
    }

    fn take(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn push(&mut self, kind: Kind, text: String, line: usize) {
        self.tokens.push(Token { kind, text, line });
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(next) = self.rest.peek().copied() {
            if !(next.is_alphanumeric() || next == '_') {
                break;
            }
            word.push(next);
            self.take();
        }
        word
    }

    fn string(&mut self, line: usize) {
        self.take();
        let mut text = String::new();
        while let Some(next) = self.take() {
            match next {
                '"' => break,
                '\\' => {
                    text.push(next);
                    text.extend(self.take());
                }
                _ => text.push(next),
            }
        }
        self.push(Kind::Text, text, line);
    }

    fn raw_string(&mut self, line: usize) {
        let mut fence = String::from("\"");
        while self.rest.peek() == Some(&'#') {
            self.take();
            fence.push('#');
        }
        if self.rest.peek() != Some(&'"') {
            // `r#word`: the mark is gone, the word comes next.
            return;
        }
        self.take();
        let mut text = String::new();
        while let Some(next) = self.take() {
            text.push(next);
            if text.ends_with(&fence) {
                text.truncate(text.len() - fence.len());
                break;
            }
        }
        self.push(Kind::Text, text, line);
    }

    /// `'a'` and `'\n'` are characters; `'a` without an end is a lifetime.
    fn character(&mut self, line: usize) {
        self.take();
        let mut text = String::new();
        match self.take() {
            Some('\\') => {
                text.extend(self.take());
                while let Some(next) = self.take().filter(|next| *next != '\'') {
                    text.push(next);
                }
            }
            Some(first) => {
                text.push(first);
                if self.rest.peek() == Some(&'\'') {
                    self.take();
                } else {
                    text.push_str(&self.word());
                }
            }
            None => {}
        }
        self.push(Kind::Other, text, line);
    }

    fn slash(&mut self, line: usize) {
        self.take();
        match self.rest.peek() {
            Some('/') => while self.take().is_some_and(|next| next != '\n') {},
            Some('*') => {
                let (mut depth, mut before) = (0_usize, '/');
                while let Some(next) = self.take() {
                    match (before, next) {
                        ('/', '*') => depth += 1,
                        ('*', '/') => depth -= 1,
                        _ => {
                            before = next;
                            continue;
                        }
                    }
                    if depth == 0 {
                        break;
                    }
                    before = ' ';
                }
            }
            _ => self.push(Kind::Mark, "/".to_owned(), line),
        }
    }
}
