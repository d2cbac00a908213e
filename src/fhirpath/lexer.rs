//! Cuts an expression into tokens, each with its place.

use super::terms::CompileError;
use crate::domain::how_to_raise;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name; `true` if it stood in back quotes and so is no keyword.
    Name(String, bool),
    Text(String),
    /// Digits, with a point where there is one.
    Number(String),
    /// What follows `@`.
    Temporal(String),
    /// What follows `%`.
    Variable(String),
    /// What follows `$`.
    Special(String),
    Symbol(&'static str),
    End,
}

const SYMBOLS: [&str; 23] = [
    "!=", "!~", "<=", ">=", "(", ")", "[", "]", "{", "}", ".", ",", "|", "&", "+", "-", "*", "/",
    "=", "~", "<", ">", ":",
];

/// All tokens of an expression of at most so many characters, with their offset in characters; the last is [`Token::End`].
pub(super) fn tokens(
    expression: &str,
    characters_max: usize,
) -> Result<Vec<(Token, usize)>, CompileError> {
    let mut lexer = Lexer {
        characters: expression.chars().collect(),
        at: 0,
    };
    if lexer.characters.len() > characters_max {
        return Err(CompileError::new(
            characters_max,
            format!("the expression is longer than {characters_max} characters"),
            how_to_raise("expression_characters_max"),
        ));
    }
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space_and_comments()?;
        let start = lexer.at;
        let token = lexer.next()?;
        let ended = token == Token::End;
        tokens.push((token, start));
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer {
    characters: Vec<char>,
    at: usize,
}

impl Lexer {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn follows(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(n, character)| self.characters.get(self.at + n) == Some(&character))
    }

    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&accepts) {
            self.at += 1;
        }
        self.characters[start..self.at].iter().collect()
    }

    fn skip_space_and_comments(&mut self) -> Result<(), CompileError> {
        loop {
            self.take_while(char::is_whitespace);
            if self.follows("//") {
                self.take_while(|character| character != '\n');
            } else if self.follows("/*") {
                let start = self.at;
                while !self.follows("*/") {
                    if self.peek().is_none() {
                        return Err(CompileError::new(
                            start,
                            "the comment has no end",
                            "close it with */",
                        ));
                    }
                    self.at += 1;
                }
                self.at += 2;
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Token, CompileError> {
        let Some(first) = self.peek() else {
            return Ok(Token::End);
        };
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Token::Name(self.take_while(is_name), false));
        }
        if first.is_ascii_digit() {
            return Ok(Token::Number(self.number()));
        }
        match first {
            '\'' => Ok(Token::Text(self.quoted('\'')?)),
            '`' => Ok(Token::Name(self.quoted('`')?, true)),
            '@' => {
                self.at += 1;
                Ok(Token::Temporal(self.temporal()))
            }
            '$' => {
                self.at += 1;
                Ok(Token::Special(self.take_while(is_name)))
            }
            '%' => {
                self.at += 1;
                let name = match self.peek() {
                    Some(quote @ ('\'' | '`')) => self.quoted(quote)?,
                    _ => self.take_while(is_name),
                };
                Ok(Token::Variable(name))
            }
            _ => self.symbol(),
        }
    }

    /// What follows `@`: digits and signs as far as a date and time go, so that a call may follow.
    fn temporal(&mut self) -> String {
        let mut written = String::new();
        if self.peek() != Some('T') {
            self.digits_into(&mut written, None);
            while written.len() < 10 && self.digits_into(&mut written, Some('-')) {}
        }
        if self.peek() != Some('T') {
            return written;
        }
        self.at += 1;
        written.push('T');
        if !self.digits_into(&mut written, None) {
            return written;
        }
        while self.digits_into(&mut written, Some(':')) {}
        self.digits_into(&mut written, Some('.'));
        if self.peek() == Some('Z') {
            self.at += 1;
            written.push('Z');
        } else if self.digits_into(&mut written, Some('+'))
            || self.digits_into(&mut written, Some('-'))
        {
            self.digits_into(&mut written, Some(':'));
        }
        written
    }

    /// Takes a sign and the digits behind it, if both are there.
    fn digits_into(&mut self, written: &mut String, sign: Option<char>) -> bool {
        let first = self.at + usize::from(sign.is_some());
        let signed = sign.is_none() || self.peek() == sign;
        if !signed || !self.characters.get(first).is_some_and(char::is_ascii_digit) {
            return false;
        }
        self.at = first;
        written.extend(sign);
        let digits = self.take_while(|character| character.is_ascii_digit());
        written.push_str(&digits);
        true
    }

    fn symbol(&mut self) -> Result<Token, CompileError> {
        let Some(symbol) = SYMBOLS.iter().find(|symbol| self.follows(symbol)) else {
            return Err(CompileError::new(
                self.at,
                "this character has no meaning in FHIRPath",
                "text stands in single quotes",
            ));
        };
        self.at += symbol.len();
        Ok(Token::Symbol(symbol))
    }

    fn number(&mut self) -> String {
        let mut number = self.take_while(|character| character.is_ascii_digit());
        let digit_after_point = self
            .characters
            .get(self.at + 1)
            .is_some_and(char::is_ascii_digit);
        if self.peek() == Some('.') && digit_after_point {
            self.at += 1;
            number.push('.');
            number.push_str(&self.take_while(|character| character.is_ascii_digit()));
        }
        number
    }

    fn quoted(&mut self, quote: char) -> Result<String, CompileError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(character) = self.peek() else {
                return Err(CompileError::new(
                    start,
                    "the quoted text has no end",
                    "close the quote",
                ));
            };
            self.at += 1;
            if character == quote {
                return Ok(text);
            }
            text.push(if character == '\\' {
                self.escape()?
            } else {
                character
            });
        }
    }

    fn escape(&mut self) -> Result<char, CompileError> {
        let start = self.at - 1;
        let unknown = || {
            CompileError::new(
                start,
                "unknown escape in quoted text",
                r#"known are \' \" \` \\ \/ \r \n \t \f and \u with four hexadecimal digits"#,
            )
        };
        let character = self.peek().ok_or_else(unknown)?;
        self.at += 1;
        Ok(match character {
            '\'' | '"' | '`' | '\\' | '/' => character,
            'r' => '\r',
            'n' => '\n',
            't' => '\t',
            'f' => '\u{c}',
            'u' => {
                let mut code = 0;
                for _ in 0..4 {
                    let digit = self
                        .peek()
                        .and_then(|digit| digit.to_digit(16))
                        .ok_or_else(unknown)?;
                    code = code * 16 + digit;
                    self.at += 1;
                }
                char::from_u32(code).ok_or_else(unknown)?
            }
            _ => return Err(unknown()),
        })
    }
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}
