//! Fields of bodies, each with its one way into a JSON array and back.
//!
//! Straight into bytes: a leg's step is written for every referral twice.

use std::io::Write as _;

use serde_json::Value;

use super::{How, RunResult, SignedAct};
use crate::domain::encoding::{push_hex, unhex};
use crate::domain::{
    Action, Counts, Id, LegReference, LegState, NoteId, Owner, RawId, Reason, Stage,
};
use crate::seal::Digest;
use crate::store::rows::{MirrorKind, PushKind, PushState, RawIds};

/// A JSON array under way.
pub(super) struct BodyWriter(Vec<u8>);

impl BodyWriter {
    /// An empty array; `capacity`: bytes that it is likely to need.
    pub(super) fn new(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.push(b'[');
        Self(bytes)
    }

    /// The whole array.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.push(b']');
        self.0
    }

    /// Where the next element's bytes go.
    fn element(&mut self) -> &mut Vec<u8> {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        &mut self.0
    }

    fn number(&mut self, number: impl std::fmt::Display) {
        // Writing to a vector cannot fail.
        write!(self.element(), "{number}").unwrap_or_default();
    }

    /// A string, escaped as JSON has it.
    fn text(&mut self, text: &str) {
        // Writing to a vector cannot fail.
        serde_json::to_writer(self.element(), text).unwrap_or_default();
    }

    /// Bytes as hexadecimal.
    fn digits(&mut self, bytes: &[u8]) {
        let element = self.element();
        element.push(b'"');
        push_hex(element, bytes);
        element.push(b'"');
    }
}

/// What is left of a JSON array.
pub(super) struct BodyReader(std::vec::IntoIter<Value>);

impl BodyReader {
    /// `None` of what is no array.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let elements: Vec<Value> = serde_json::from_slice(bytes).ok()?;
        Some(Self(elements.into_iter()))
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.0.len() == 0
    }

    fn number(&mut self) -> Option<i64> {
        self.0.next()?.as_i64()
    }

    fn text(&mut self) -> Option<String> {
        match self.0.next()? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

/// A field of a body: one element of the array, or several one behind another.
pub(super) trait BodyField: Sized {
    fn write(&self, to: &mut BodyWriter);

    /// `None` if no version writes such an element.
    fn read(from: &mut BodyReader) -> Option<Self>;
}

/// A struct is its fields in this order.
macro_rules! fields_of {
    ($name:ident { $($field:ident),+ }) => {
        impl BodyField for $name {
            fn write(&self, to: &mut BodyWriter) {
                $(self.$field.write(to);)+
            }

            fn read(from: &mut BodyReader) -> Option<Self> {
                Some(Self { $($field: BodyField::read(from)?),+ })
            }
        }
    };
}
pub(super) use fields_of;

macro_rules! numbers {
    ($($type:ty),+) => {
        $(impl BodyField for $type {
            fn write(&self, to: &mut BodyWriter) {
                to.number(self);
            }

            fn read(from: &mut BodyReader) -> Option<Self> {
                Self::try_from(from.0.next()?.as_i64()?).ok()
            }
        })+
    };
}
numbers!(i64, u64, usize);

/// What has a number is written as it; 0 stands for none.
macro_rules! by_number {
    ($($type:ty),+) => {
        $(impl BodyField for $type {
            fn write(&self, to: &mut BodyWriter) {
                to.number(self.number());
            }

            fn read(from: &mut BodyReader) -> Option<Self> {
                Self::from_number(from.number()?)
            }
        }

        impl BodyField for Option<$type> {
            fn write(&self, to: &mut BodyWriter) {
                to.number(self.map_or(0, <$type>::number));
            }

            fn read(from: &mut BodyReader) -> Option<Self> {
                match from.number()? {
                    0 => Some(None),
                    number => <$type>::from_number(number).map(Some),
                }
            }
        })+
    };
}
by_number!(
    Action, LegState, MirrorKind, PushKind, PushState, Reason, Stage
);

macro_rules! by_word {
    ($($type:ty),+) => {
        $(impl BodyField for $type {
            fn write(&self, to: &mut BodyWriter) {
                to.text(self.code());
            }

            fn read(from: &mut BodyReader) -> Option<Self> {
                Self::from_code(&from.text()?)
            }
        })+
    };
}
by_word!(How, Owner, RunResult, SignedAct);

impl<T> BodyField for Id<T> {
    fn write(&self, to: &mut BodyWriter) {
        to.number(self);
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        from.number().map(Self::new)
    }
}

/// Absent for none, so it stands last.
impl<T> BodyField for Option<Id<T>> {
    fn write(&self, to: &mut BodyWriter) {
        if let Some(id) = self {
            id.write(to);
        }
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        if from.is_done() {
            return Some(None);
        }
        Id::read(from).map(Some)
    }
}

impl BodyField for String {
    fn write(&self, to: &mut BodyWriter) {
        to.text(self);
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        from.text()
    }
}

/// Who approved and the note that says why: two elements, or none, so they stand last.
impl BodyField for Option<(String, NoteId)> {
    fn write(&self, to: &mut BodyWriter) {
        if let Some((by, note)) = self {
            by.write(to);
            note.write(to);
        }
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        if from.is_done() {
            return Some(None);
        }
        Some(Some((from.text()?, BodyField::read(from)?)))
    }
}

/// A digest, or a part of one.
impl<const N: usize> BodyField for [u8; N] {
    fn write(&self, to: &mut BodyWriter) {
        to.digits(self);
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        unhex(from.0.next()?.as_str()?)?.try_into().ok()
    }
}

/// A digest, where the empty text stands for none.
impl BodyField for Option<Digest> {
    fn write(&self, to: &mut BodyWriter) {
        to.digits(self.as_ref().map_or(&[], |digest| digest));
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        if from.0.as_slice().first()?.as_str()?.is_empty() {
            from.0.next();
            return Some(None);
        }
        Digest::read(from).map(Some)
    }
}

impl BodyField for LegReference {
    fn write(&self, to: &mut BodyWriter) {
        to.digits(&self.to_bytes());
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        BodyField::read(from).map(Self::from_bytes)
    }
}

/// The names of stages, as one text.
impl BodyField for Vec<Stage> {
    fn write(&self, to: &mut BodyWriter) {
        let names: Vec<&str> = self.iter().map(|stage| stage.code()).collect();
        to.text(&names.join(" "));
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        from.text()?
            .split_whitespace()
            .map(Stage::from_code)
            .collect()
    }
}

impl BodyField for RawIds {
    fn write(&self, to: &mut BodyWriter) {
        self.to_array().iter().for_each(|id| to.number(id));
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        let mut ids = [RawId::NONE; 6];
        for id in &mut ids {
            *id = BodyField::read(from)?;
        }
        Some(Self::from_array(ids))
    }
}

fn write_vouched(vouched: &[(RawId, Digest)], to: &mut BodyWriter) {
    let element = to.element();
    element.push(b'[');
    for (place, (id, digest)) in vouched.iter().enumerate() {
        let open = if place == 0 { "[" } else { ",[" };
        // Writing to a vector cannot fail.
        write!(element, "{open}{id},\"").unwrap_or_default();
        push_hex(element, digest);
        element.extend(b"\"]");
    }
    element.push(b']');
}

impl BodyField for Vec<(RawId, Digest)> {
    fn write(&self, to: &mut BodyWriter) {
        write_vouched(self, to);
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        let pair = |pair: &Value| {
            let digest = unhex(pair.get(1)?.as_str()?)?.try_into().ok()?;
            Some((RawId::new(pair.get(0)?.as_i64()?), digest))
        };
        from.0.next()?.as_array()?.iter().map(pair).collect()
    }
}

/// A list of one.
impl BodyField for (RawId, Digest) {
    fn write(&self, to: &mut BodyWriter) {
        write_vouched(std::slice::from_ref(self), to);
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        match Vec::read(from)?.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }
}

/// Four counts, and the reasons as an object.
impl BodyField for Counts {
    fn write(&self, to: &mut BodyWriter) {
        for count in [
            self.accepted(),
            self.repeated(),
            self.rejected(),
            self.held(),
        ] {
            to.number(count);
        }
        to.element().extend(reasons_json(self).as_bytes());
    }

    fn read(from: &mut BodyReader) -> Option<Self> {
        let (accepted, repeated) = (u64::read(from)?, u64::read(from)?);
        let (rejected, held) = (u64::read(from)?, u64::read(from)?);
        let read = |(code, n): (&String, &Value)| Some((Reason::from_code(code)?, n.as_u64()?));
        let reasons: Option<_> = from.0.next()?.as_object()?.iter().map(read).collect();
        Some(Self::from_parts(
            accepted, repeated, rejected, held, reasons?,
        ))
    }
}

/// `{"code": n}` of the reasons of counts.
pub(crate) fn reasons_json(counts: &Counts) -> String {
    let pairs: Vec<String> = counts
        .reasons()
        .iter()
        .map(|(reason, n)| format!("\"{}\":{n}", reason.code()))
        .collect();
    format!("{{{}}}", pairs.join(","))
}
