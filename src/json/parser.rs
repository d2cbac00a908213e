//! The strict JSON parser behind the tree: one pass, one look at each byte, no content in its errors.

use bumpalo::collections::Vec as Pile;

use super::tree::{Arena, JSON_DEPTH_MAX, Json, JsonError};

/// Objects up to this size are searched for repeated keys pair by pair; larger ones are sorted first.
pub(super) const PAIRWISE_KEYS_MAX: usize = 24;

/// Members and elements that most resources have open at once.
const USUAL_OPEN: usize = 32;

/// Parses one document.
pub(super) fn document<'a>(bytes: &'a [u8], arena: &'a Arena) -> Result<Json<'a>, JsonError> {
    Parser::over(bytes, arena)?.document(|parser| parser.value(0))
}

fn place(bytes: &[u8], at: usize, what: &'static str) -> JsonError {
    let before = &bytes[..at.min(bytes.len())];
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let newlines = before.split(|byte| *byte == b'\n').count();
    let column = String::from_utf8_lossy(&before[line_start..])
        .chars()
        .count()
        + 1;
    JsonError {
        line: newlines,
        column,
        what,
    }
}

/// The parser has noted what is wrong, and where: errors that say it themselves would make every step slower.
pub(super) struct Failed;

pub(super) struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) arena: &'a Arena,
    /// Elements of the lists that are being read, the innermost last.
    pub(super) elements: Pile<'a, Json<'a>>,
    /// Members of the objects that are being read, the innermost last.
    pub(super) members: Pile<'a, (&'a str, Json<'a>)>,
    /// Keys of the objects that are being passed over, the innermost last.
    pub(super) keys: Pile<'a, &'a str>,
    /// What was wrong first.
    failure: Option<JsonError>,
}

impl<'a> Parser<'a> {
    /// A parser at the start of a text; a byte order mark is passed over.
    pub(super) fn over(bytes: &'a [u8], arena: &'a Arena) -> Result<Self, JsonError> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let Ok(text) = simdutf8::basic::from_utf8(bytes) else {
            let valid =
                std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
            return Err(place(bytes, valid, "the text is not UTF-8"));
        };
        Ok(Self {
            text,
            bytes,
            at: 0,
            arena,
            elements: arena.pile(USUAL_OPEN),
            members: arena.pile(USUAL_OPEN),
            keys: arena.pile(USUAL_OPEN),
            failure: None,
        })
    }

    /// What `read` makes of the value that is the document; nothing but space may stand beside it.
    pub(super) fn document<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Failed>,
    ) -> Result<T, JsonError> {
        self.skip_space();
        let value = read(&mut self);
        self.skip_space();
        let value = match value {
            Ok(_) if self.at < self.bytes.len() => {
                Err(self.error("something follows the end of the document"))
            }
            value => value,
        };
        value.map_err(|Failed| {
            let unknown = || place(self.bytes, self.at, "expected a value");
            self.failure.unwrap_or_else(unknown)
        })
    }

    #[cold]
    pub(super) fn error(&mut self, what: &'static str) -> Failed {
        self.error_at(self.at, what)
    }

    #[cold]
    fn error_at(&mut self, at: usize, what: &'static str) -> Failed {
        let bytes = self.bytes;
        self.failure.get_or_insert_with(|| place(bytes, at, what));
        Failed
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// What was read since then.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    pub(super) fn slice(&self, from: usize) -> &'a str {
        self.text(from, self.at - from)
    }

    /// So many bytes of the text, of whole characters.
    pub(super) fn text(&self, from: usize, bytes: usize) -> &'a str {
        self.text
            .get(from..from + bytes)
            .expect("every token begins and ends beside an ASCII byte")
    }

    pub(super) fn value(&mut self, depth: usize) -> Result<Json<'a>, Failed> {
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true", Json::Bool(true)),
            Some(b'f') => self.word(b"false", Json::Bool(false)),
            Some(b'n') => self.word(b"null", Json::Null),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the document ends where a value should stand")),
        }
    }

    pub(super) fn word(&mut self, word: &[u8], value: Json<'a>) -> Result<Json<'a>, Failed> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    pub(super) fn enter(&mut self, depth: usize) -> Result<(), Failed> {
        if depth >= JSON_DEPTH_MAX {
            return Err(self.error("nested more than 128 levels deep"));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, Failed> {
        let first = self.elements.len();
        self.each_element(depth, |parser| {
            let value = parser.value(depth + 1)?;
            parser.elements.push(value);
            Ok(())
        })?;
        Ok(self.list_from(first))
    }

    /// After an element: true for a comma, false for the closing byte, which is consumed.
    pub(super) fn another(&mut self, close: u8) -> Result<bool, Failed> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Err(self.error("expected a comma or the end of the list or object")),
            None => Err(self.error("the document ends inside a list or object")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, Failed> {
        let start = self.at;
        self.enter(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(&[]));
        }
        let (first, mut seen) = (self.members.len(), 0_u64);
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.error("expected a key in quotes"));
            }
            let key_at = self.at;
            let key = self.string()?;
            let (known, mark) = (&self.members[first..], mark(key));
            let repeats = |(known, _): &(&str, Json<'_>)| *known == key;
            if seen & mark != 0 && known.len() < PAIRWISE_KEYS_MAX && known.iter().any(repeats) {
                return Err(self.repeated(key_at));
            }
            seen |= mark;
            self.colon()?;
            let value = self.value(depth + 1)?;
            self.members.push((key, value));
            if !self.another(b'}')? {
                break;
            }
        }
        // A hostile object of 100,000 keys must not cost the square of that.
        let known = &self.members[first..];
        if known.len() > PAIRWISE_KEYS_MAX && has_repeated_key(known) {
            return Err(self.repeated(start));
        }
        Ok(self.object_from(first))
    }

    /// The list of the elements from this one on.
    pub(super) fn list_from(&mut self, first: usize) -> Json<'a> {
        Json::Array(self.elements_from(first))
    }

    pub(super) fn elements_from(&mut self, first: usize) -> &'a [Json<'a>] {
        let list = self.arena.list(&self.elements[first..]);
        self.elements.truncate(first);
        list
    }

    /// The object of the members from this one on.
    pub(super) fn object_from(&mut self, first: usize) -> Json<'a> {
        Json::Object(self.members_from(first))
    }

    pub(super) fn members_from(&mut self, first: usize) -> &'a [(&'a str, Json<'a>)] {
        let members = self.arena.list(&self.members[first..]);
        self.members.truncate(first);
        members
    }

    /// The error of a key that stands twice, at this place.
    #[cold]
    pub(super) fn repeated(&mut self, at: usize) -> Failed {
        self.error_at(at, REPEATED)
    }

    /// The colon between key and value.
    pub(super) fn colon(&mut self) -> Result<(), Failed> {
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.error("expected a colon after the key"));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    pub(super) fn number(&mut self) -> Result<Json<'a>, Failed> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.error("a number begins with a needless zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Json::Number(self.slice(start)))
    }

    pub(super) fn digits(&mut self) -> Result<(), Failed> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.error("expected a digit"));
        }
        Ok(())
    }

    pub(super) fn string(&mut self) -> Result<&'a str, Failed> {
        self.at += 1;
        let start = self.at;
        self.run();
        if self.peek() == Some(b'"') {
            let text = self.slice(start);
            self.at += 1;
            return Ok(text);
        }
        let mut built = self.slice(start).to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(self.arena.text(&built));
                }
                Some(b'\\') => built.push(self.escape()?),
                Some(_) => return Err(self.error("a control character stands bare in a string")),
                None => return Err(self.error("the document ends inside a string")),
            }
            let from = self.at;
            self.run();
            built.push_str(self.slice(from));
        }
    }

    /// Passes over plain characters, up to a quote, a backslash, a control character or the end.
    pub(super) fn run(&mut self) {
        // Eight at a time while none of them ends the run.
        while let Some(eight) = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk())
        {
            let ends = ends_of_run(u64::from_le_bytes(*eight));
            if ends != 0 {
                // Only bytes after the first that ends it can be marked wrongly.
                self.at += ends.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while let Some(byte) = self.peek() {
            if byte == b'"' || byte == b'\\' || byte < 0x20 {
                return;
            }
            self.at += 1;
        }
    }

    pub(super) fn escape(&mut self) -> Result<char, Failed> {
        self.at += 1;
        let byte = self.peek();
        let plain = match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.error("unknown escape in a string")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char, Failed> {
        let first = self.hex4()?;
        let code = match first {
            0xD800..=0xDBFF => {
                if !self.bytes[self.at..].starts_with(b"\\u") {
                    return Err(self.error("half of a surrogate pair stands alone"));
                }
                self.at += 2;
                let second = self.hex4()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(self.error("half of a surrogate pair stands alone"));
                }
                0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(|| self.error("half of a surrogate pair stands alone"))
    }

    fn hex4(&mut self) -> Result<u32, Failed> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self
                .peek()
                .and_then(|byte| char::from(byte).to_digit(16))
                .ok_or_else(|| self.error("expected four hexadecimal digits"))?;
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

/// Marks those of eight bytes that are a quote, a backslash or a control character by their top bits; behind the first
/// that is one it may mark others too.
pub(super) fn ends_of_run(eight: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    // A byte below n leaves its top bit set when n is taken from it, unless it had it set before; a byte is another where
    // their difference in bits is below one.
    let control = eight.wrapping_sub(ONES * 0x20);
    let quote = (eight ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
    let backslash = (eight ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    (control | quote | backslash) & !eight & TOPS
}

/// One of 64 bits for a key: keys of different marks differ, so most are never compared.
pub(super) fn mark(key: &str) -> u64 {
    let key = key.as_bytes();
    let byte = |place: usize| key.get(place).map_or(0, |byte| usize::from(*byte));
    let mixed = key.len().wrapping_mul(11) ^ byte(0).wrapping_mul(7);
    1 << ((mixed ^ byte(key.len().wrapping_sub(1))) & 63)
}

pub(super) const REPEATED: &str = "a key stands twice in one object";

fn has_repeated_key(members: &[(&str, Json<'_>)]) -> bool {
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}
