//! Reads only the members that are asked for; the rest of a document is checked, but nothing is built of it.
//!
//! In come the bytes of one resource and names of its members; out comes a tree of those alone, or their text. Kept:
//! what [`Json::parse`] refuses, [`Json::parse_members`] refuses with the same error at the same place, wherever in the
//! document it stands: whether a resource can be read never depends on what was wanted of it.

use super::parser::{Failed, PAIRWISE_KEYS_MAX, Parser, mark};
use super::tree::{Arena, Json, JsonError};

/// Names of members of a resource, of members of those, and so on; below the last of each everything is wanted.
#[derive(Debug, Default)]
pub(crate) struct Members {
    names: Vec<Name>,
    /// A bit for each pair of letters that a name begins with.
    pairs: u64,
    all: bool,
}

#[derive(Debug)]
struct Name {
    text: String,
    /// Whether no key stands for this name and for another one too.
    alone: bool,
    wanted: Members,
}

impl Members {
    /// All there are.
    pub(crate) fn all() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }

    /// Adds an element by its path in FHIR: `value` stands for `valueString` too, and `birthDate` for `_birthDate`.
    pub(crate) fn add(&mut self, path: &str) {
        let mut here = self;
        for name in path.split('.') {
            let known = here.names.iter().position(|known| known.text == name);
            let place = known.unwrap_or_else(|| here.add_name(name));
            here = &mut here.names[place].wanted;
        }
        here.all = true;
    }

    /// Whether everything is wanted.
    pub(super) fn is_all(&self) -> bool {
        self.all
    }

    fn add_name(&mut self, name: &str) -> usize {
        self.pairs |= match name.as_bytes() {
            [] | [_] => u64::MAX,
            [first, second, ..] => pair(*first, *second),
        };
        let mut alone = true;
        for known in &mut self.names {
            if stands_for(&known.text, name) || stands_for(name, &known.text) {
                (known.alone, alone) = (false, false);
            }
        }
        self.names.push(Name {
            text: name.to_owned(),
            alone,
            wanted: Self::default(),
        });
        self.names.len() - 1
    }

    /// Adds several.
    pub(crate) fn with(mut self, paths: &[&str]) -> Self {
        for path in paths {
            self.add(path);
        }
        self
    }

    /// What is wanted of the member with this key, if it is.
    pub(super) fn of(&self, key: &str) -> Option<&Self> {
        let key = key.strip_prefix('_').unwrap_or(key);
        // Most keys are settled by their first two letters.
        if let [first, second, ..] = key.as_bytes()
            && self.pairs & pair(*first, *second) == 0
        {
            return None;
        }
        let mut found = self
            .names
            .iter()
            .filter(|known| stands_for(&known.text, key));
        let first = found.next()?;
        // `value` and `valueSet` both stand for `valueSet`: whatever either wants is had by taking all.
        Some(if !first.alone && found.next().is_some() {
            &ALL
        } else {
            &first.wanted
        })
    }
}

pub(super) static ALL: Members = Members {
    names: Vec::new(),
    pairs: 0,
    all: true,
};

/// One of 64 bits for the two letters that a name begins with.
fn pair(first: u8, second: u8) -> u64 {
    1 << (first.wrapping_mul(5).wrapping_add(second) & 63)
}

/// Whether a name stands for a key: its own, or one that goes on with a type.
fn stands_for(name: &str, key: &str) -> bool {
    // Most names differ from the key in their first letter.
    if name.as_bytes().first() != key.as_bytes().first() {
        return false;
    }
    let rest = key.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_uppercase))
}

impl<'a> Json<'a> {
    /// Parses one document, of whose members only these are kept; what is no object or list of them is kept whole.
    ///
    /// # Errors
    /// As [`Json::parse`].
    pub(crate) fn parse_members(
        bytes: &'a [u8],
        wanted: &Members,
        arena: &'a Arena,
    ) -> Result<Self, JsonError> {
        Parser::over(bytes, arena)?.document(|parser| parser.wanted(0, wanted))
    }
}

/// The JSON text of these members of an object, without a look at whether a key below them is repeated.
///
/// `None` for whatever [`Json::parse`] must look at: no object, no JSON, or one of these names twice.
pub(crate) fn member_texts<'a, const N: usize>(
    bytes: &'a [u8],
    names: &[&str; N],
    arena: &'a Arena,
) -> Option<[Option<&'a str>; N]> {
    let mut texts = [None; N];
    let mut twice = false;
    let passed = Parser::over(bytes, arena).ok()?.document(|parser| {
        if parser.peek() != Some(b'{') {
            return Err(parser.error("expected an object"));
        }
        parser.each_member::<false>(0, |parser, key| {
            let Some(place) = names.iter().position(|name| *name == key) else {
                return Ok(false);
            };
            let start = parser.at;
            parser.pass_over::<false>(1)?;
            twice |= texts[place].replace(parser.slice(start)).is_some();
            Ok(true)
        })
    });
    (passed.is_ok() && !twice).then_some(texts)
}

impl<'a> Parser<'a> {
    /// A value, of whose members only these are kept.
    fn wanted(&mut self, depth: usize, wanted: &Members) -> Result<Json<'a>, Failed> {
        match self.peek() {
            Some(b'{') if !wanted.all => {
                let first = self.members.len();
                self.each_member::<true>(depth, |parser, key| {
                    let Some(wanted) = wanted.of(key) else {
                        return Ok(false);
                    };
                    let value = parser.wanted(depth + 1, wanted)?;
                    parser.members.push((key, value));
                    Ok(true)
                })?;
                Ok(self.object_from(first))
            }
            Some(b'[') if !wanted.all => {
                let first = self.elements.len();
                self.each_element(depth, |parser| {
                    let value = parser.wanted(depth + 1, wanted)?;
                    parser.elements.push(value);
                    Ok(())
                })?;
                Ok(self.list_from(first))
            }
            _ => self.value(depth),
        }
    }

    /// Passes over a value; with `STRICT`, all that would make it no value of ours is found.
    fn pass_over<const STRICT: bool>(&mut self, depth: usize) -> Result<(), Failed> {
        match self.peek() {
            Some(b'"') => self.pass_string(),
            Some(b'{') => self.each_member::<STRICT>(depth, |_, _| Ok(false)),
            Some(b'[') => self.each_element(depth, |parser| parser.pass_over::<STRICT>(depth + 1)),
            _ => self.value(depth).map(drop),
        }
    }

    /// Goes through the elements of an array.
    pub(super) fn each_element(
        &mut self,
        depth: usize,
        mut read: impl FnMut(&mut Self) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        self.enter(depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            read(self)?;
            if !self.another(b']')? {
                return Ok(());
            }
        }
    }

    pub(super) fn pass_string(&mut self) -> Result<(), Failed> {
        let start = self.at;
        self.at += 1;
        self.run();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(());
        }
        // Escapes are few: they are read as ever.
        self.at = start;
        self.string().map(drop)
    }

    /// Goes through the members of an object; the value of each is read by `read`, or passed over where that says no.
    fn each_member<const STRICT: bool>(
        &mut self,
        depth: usize,
        mut read: impl FnMut(&mut Self, &'a str) -> Result<bool, Failed>,
    ) -> Result<(), Failed> {
        let start = self.at;
        self.enter(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let (first, mut seen) = (self.keys.len(), 0_u64);
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.error("expected a key in quotes"));
            }
            let key_at = self.at;
            let key = self.string()?;
            if STRICT {
                let mark = mark(key);
                let known = &self.keys[first..];
                if seen & mark != 0 && known.len() < PAIRWISE_KEYS_MAX && known.contains(&key) {
                    return Err(self.repeated(key_at));
                }
                seen |= mark;
            }
            self.colon()?;
            if !read(self, key)? {
                self.pass_over::<STRICT>(depth + 1)?;
            }
            if STRICT {
                self.keys.push(key);
            }
            if !self.another(b'}')? {
                break;
            }
        }
        if STRICT {
            if self.keys.len() - first > PAIRWISE_KEYS_MAX {
                let keys = &mut self.keys[first..];
                keys.sort_unstable();
                if keys.windows(2).any(|pair| pair[0] == pair[1]) {
                    return Err(self.repeated(start));
                }
            }
            self.keys.truncate(first);
        }
        Ok(())
    }
}
