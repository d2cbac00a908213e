//! The JSON tree that paths walk: one pass over the bytes, borrowed from them.
//!
//! In come the raw bytes of one resource; out goes a tree whose strings point into those bytes. Three things no
//! ready value type gives at once: a number stays the text it was written as (`1.10` is not `1.1`), keys keep
//! their order, and an error has a place. The reader is strict where leniency would hide damage: a repeated
//! key, bytes that are not UTF-8 and anything after the document are errors. No error and no `Debug` shows
//! content.

use std::fmt;

use bumpalo::Bump;
use bumpalo::collections::Vec as Pile;

use super::parser::document;

/// How deep arrays and objects may nest at most; what comes from outside is held to the limit in force before it is parsed,
/// see [`nests_within`](super::nests_within).
pub(crate) const JSON_DEPTH_MAX: usize = 128;

/// Bytes of an arena that a parser's own lists take.
const ROOM_OF_LISTS: usize = 4 * 1024;

/// Where the lists of trees are put: freed all at once, and used again.
#[derive(Default)]
pub(crate) struct Arena(Bump);

impl Arena {
    /// With room for the tree of one resource of this many bytes.
    pub(crate) fn for_bytes(bytes: usize) -> Self {
        Self(Bump::with_capacity(ROOM_OF_LISTS + 2 * bytes))
    }

    /// Frees all that was put here, and keeps the room.
    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }

    pub(super) fn text(&self, text: &str) -> &str {
        self.0.alloc_str(text)
    }

    /// An empty list that grows without asking the allocator.
    pub(super) fn pile<T>(&self, room: usize) -> Pile<'_, T> {
        Pile::with_capacity_in(room, &self.0)
    }

    pub(super) fn list<T: Copy>(&self, list: &[T]) -> &[T] {
        self.0.alloc_slice_copy(list)
    }
}

/// One JSON value, borrowed from the bytes it was parsed from and from the arena that holds its lists.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    /// The number exactly as written.
    Number(&'a str),
    String(&'a str),
    Array(&'a [Json<'a>]),
    /// Members in source order, each key once.
    Object(&'a [(&'a str, Json<'a>)]),
}

/// Where and why bytes are no JSON document we accept; it never quotes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub(crate) struct JsonError {
    /// From 1.
    pub(crate) line: usize,
    /// In characters (bytes where the text is not UTF-8), from 1.
    pub(crate) column: usize,
    pub(crate) what: &'static str,
}

impl<'a> Json<'a> {
    /// Parses one document; a byte order mark before it is passed over.
    ///
    /// # Errors
    /// Anything RFC 8259 refuses, and repeated keys, lone surrogates, more than [`JSON_DEPTH_MAX`] levels.
    pub(crate) fn parse(bytes: &'a [u8], arena: &'a Arena) -> Result<Self, JsonError> {
        document(bytes, arena)
    }

    /// The tree of a text that is JSON, for as long as the tests run.
    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Json<'static> {
        let arena: &Arena = Box::leak(Box::default());
        Json::parse(arena.text(text).as_bytes(), arena).unwrap()
    }

    /// The member of that name, if this is an object that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Json<'a>> {
        match self {
            Json::Object(members) => members
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value below these names, through objects only.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Json<'a>> {
        let mut here = self;
        for key in path {
            here = here.get(key)?;
        }
        Some(here)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self, Json::Object(_))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    /// The elements of an array; any other value but null as a list of one.
    pub(crate) fn items(&self) -> &[Json<'a>] {
        match self {
            Json::Array(elements) => elements,
            Json::Null => &[],
            single => std::slice::from_ref(single),
        }
    }
}

impl Json<'_> {
    /// Its JSON text, numbers as they were written.
    pub(crate) fn to_text(self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Json::Null => "null".to_owned(),
            Json::Bool(value) => value.to_string(),
            Json::Number(text) => (*text).to_owned(),
            Json::String(text) => quoted(text),
            Json::Array(elements) => {
                let texts: Vec<String> = elements.iter().map(|element| element.to_text()).collect();
                format!("[{}]", texts.join(","))
            }
            Json::Object(members) => {
                let texts = members
                    .iter()
                    .map(|(key, value)| format!("{}:{}", quoted(key), value.to_text()));
                format!("{{{}}}", texts.collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// [`Json::items`] of a member that may be absent.
pub(crate) fn items<'t, 'a>(value: Option<&'t Json<'a>>) -> &'t [Json<'a>] {
    value.map_or(&[], Json::items)
}

/// Kinds and sizes only: a tree holds a person.
impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(_) => f.write_str("boolean"),
            Json::Number(text) => write!(f, "number({})", text.len()),
            Json::String(text) => write!(f, "string({})", text.len()),
            Json::Array(elements) => write!(f, "array({})", elements.len()),
            Json::Object(members) => write!(f, "object({})", members.len()),
        }
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
