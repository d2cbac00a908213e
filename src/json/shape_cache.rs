//! Reads resources by what earlier ones looked like: their keys are predicted, not searched for.
//!
//! In come resources that were made alike, one after the other; out come the trees that [`Json::parse_members`] builds.
//! Values that stand at their place byte for byte again, as systems and profiles do, are not read again either. Kept:
//! whatever is not as predicted is learned from or left to that function, and whatever is wrong is refused by it, so neither
//! a tree nor an error depends on what was read before.

use super::parser::{Failed, Parser};
use super::projection::{ALL, Members};
use super::tree::{Arena, Json, JsonError};
use super::value_cache::ValueCache;

/// Keys that are remembered of all objects together.
const KEYS_MAX: usize = 2_000;
/// Keys that are remembered of one kind of object: each has a bit in a word.
const OBJECT_KEYS_MAX: usize = 64;
/// Bytes of a key that are compared at once.
const HEAD_BYTES: usize = 16;

/// What resources of one kind looked like so far.
pub(crate) struct ShapeCache<'w> {
    wanted: &'w Members,
    /// The first is that of the resources themselves.
    objects: Vec<Object<'w>>,
    keys: Vec<SeenKey>,
    /// There was more to remember than there is room for.
    full: bool,
}

/// Objects that stand at the same place.
struct Object<'w> {
    /// What is wanted of them, if anything.
    wanted: Option<&'w Members>,
    keys: Vec<usize>,
    /// The key that came first.
    first: usize,
}

struct SeenKey {
    /// With quotes and colon.
    text: Box<[u8]>,
    /// Its first bytes as numbers, and which bits of those numbers are its.
    head: [u64; 2],
    mask: [u64; 2],
    /// Among the keys of the object.
    bit: u64,
    /// The objects in its value.
    inside: usize,
    kept: bool,
    /// The key that came next.
    next: usize,
    like: ValueCache,
}

fn halves(bytes: [u8; HEAD_BYTES]) -> [u64; 2] {
    let (halves, _) = bytes.as_chunks();
    [u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1])]
}

impl SeenKey {
    fn new(name: &str, bit: u64, inside: usize, kept: bool) -> Self {
        let text = ["\"", name, "\":"].concat().into_bytes();
        let (mut head, mut mask) = ([0; HEAD_BYTES], [0; HEAD_BYTES]);
        let length = text.len().min(HEAD_BYTES);
        head[..length].copy_from_slice(&text[..length]);
        mask[..length].fill(u8::MAX);
        Self {
            text: text.into(),
            head: halves(head),
            mask: halves(mask),
            bit,
            inside,
            kept,
            next: usize::MAX,
            like: ValueCache::default(),
        }
    }

    /// Whether bytes begin with it.
    fn begins(&self, bytes: &[u8]) -> bool {
        let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else {
            return bytes.starts_with(&self.text);
        };
        let (head, [low, high]) = (halves(*head), self.mask);
        let other = ((head[0] & low) ^ self.head[0]) | ((head[1] & high) ^ self.head[1]);
        other == 0 && (self.text.len() <= HEAD_BYTES || bytes.starts_with(&self.text))
    }

    fn name(&self) -> &[u8] {
        &self.text[1..self.text.len() - 2]
    }
}

impl<'w> ShapeCache<'w> {
    /// Nothing is known yet.
    pub(crate) fn new(wanted: &'w Members) -> Self {
        Self {
            wanted,
            objects: vec![Object::new(Some(wanted))],
            keys: Vec::new(),
            full: false,
        }
    }

    /// The same where everything is wanted.
    pub(crate) fn whole() -> Self {
        Self::new(&ALL)
    }

    /// Parses one document, as [`Json::parse_members`].
    ///
    /// # Errors
    /// As [`Json::parse`].
    pub(crate) fn parse<'a>(
        &mut self,
        bytes: &'a [u8],
        arena: &'a Arena,
    ) -> Result<Json<'a>, JsonError> {
        if !self.full {
            let parser = Parser::over(bytes, arena)?;
            if let Ok(tree) = parser.document(|parser| parser.predicted_document(self)) {
                return Ok(tree);
            }
        }
        Json::parse_members(bytes, self.wanted, arena)
    }

    /// The key that is expected behind another one, or first.
    fn expected(&self, object: usize, before: Option<usize>) -> Option<(usize, &SeenKey)> {
        let place = match before {
            Some(key) => self.keys[key].next,
            None => self.objects[object].first,
        };
        self.keys.get(place).map(|key| (place, key))
    }

    /// Finds or adds a key that was not expected, and expects it from now on.
    fn learn(&mut self, object: usize, before: Option<usize>, name: &str) -> Option<usize> {
        let known = &self.objects[object].keys;
        let known = known
            .iter()
            .find(|key| self.keys[**key].name() == name.as_bytes());
        let place = match known {
            Some(place) => *place,
            None => self.add(object, name)?,
        };
        match before {
            Some(before) => self.keys[before].next = place,
            None => self.objects[object].first = place,
        }
        Some(place)
    }

    fn add(&mut self, object: usize, name: &str) -> Option<usize> {
        let Object { wanted, keys, .. } = &mut self.objects[object];
        if self.keys.len() >= KEYS_MAX || keys.len() >= OBJECT_KEYS_MAX {
            self.full = true;
            return None;
        }
        let wanted = match wanted {
            Some(all) if all.is_all() => Some(&ALL),
            Some(wanted) => wanted.of(name),
            None => None,
        };
        let (place, bit) = (self.keys.len(), 1 << keys.len());
        keys.push(place);
        let inside = self.objects.len();
        self.objects.push(Object::new(wanted));
        self.keys
            .push(SeenKey::new(name, bit, inside, wanted.is_some()));
        Some(place)
    }
}

impl<'w> Object<'w> {
    fn new(wanted: Option<&'w Members>) -> Self {
        Self {
            wanted,
            keys: Vec::new(),
            first: usize::MAX,
        }
    }
}

impl<'a> Parser<'a> {
    /// A document whose objects are those of the resources themselves.
    fn predicted_document(&mut self, shapes: &mut ShapeCache<'_>) -> Result<Json<'a>, Failed> {
        match self.peek() {
            Some(b'{') => Ok(Json::Object(self.predicted_object::<true>(shapes, 0, 0)?)),
            Some(b'[') => Ok(Json::Array(self.predicted_list::<true>(shapes, 0, 0)?)),
            _ => self.value(0),
        }
    }

    /// A value whose objects are of this kind: handed to `keep`, or only passed over.
    ///
    /// Each arm hands over what it made: a [`Json`] that is returned goes through memory, which every member would wait for.
    #[inline]
    fn predicted<const KEEP: bool>(
        &mut self,
        shapes: &mut ShapeCache<'_>,
        object: usize,
        depth: usize,
        keep: impl FnOnce(&mut Self, Json<'a>),
    ) -> Result<(), Failed> {
        match self.peek() {
            Some(b'"') if !KEEP => self.pass_string()?,
            Some(b'"') => {
                let text = self.string()?;
                keep(self, Json::String(text));
            }
            Some(b'{') => {
                let members = self.predicted_object::<KEEP>(shapes, object, depth)?;
                if KEEP {
                    keep(self, Json::Object(members));
                }
            }
            Some(b'[') => {
                let elements = self.predicted_list::<KEEP>(shapes, object, depth)?;
                if KEEP {
                    keep(self, Json::Array(elements));
                }
            }
            _ => {
                let value = self.value(depth)?;
                if KEEP {
                    keep(self, value);
                }
            }
        }
        Ok(())
    }

    fn predicted_list<const KEEP: bool>(
        &mut self,
        shapes: &mut ShapeCache<'_>,
        object: usize,
        depth: usize,
    ) -> Result<&'a [Json<'a>], Failed> {
        let first = self.elements.len();
        self.each_element(depth, |parser| {
            parser.predicted::<KEEP>(shapes, object, depth + 1, |parser, element| {
                parser.elements.push(element);
            })
        })?;
        Ok(self.elements_from(first))
    }

    fn predicted_object<const KEEP: bool>(
        &mut self,
        shapes: &mut ShapeCache<'_>,
        object: usize,
        depth: usize,
    ) -> Result<&'a [(&'a str, Json<'a>)], Failed> {
        self.enter(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(&[]);
        }
        let (first, mut taken, mut before) = (self.members.len(), 0_u64, None);
        loop {
            let start = self.at;
            let place = self.predicted_key(shapes, object, before)?;
            let key = &shapes.keys[place];
            if taken & key.bit != 0 {
                return Err(Failed);
            }
            taken |= key.bit;
            if KEEP && key.kept {
                let name = self.text(start + 1, key.name().len());
                self.predicted_value::<true>(shapes, place, depth + 1, name)?;
            } else {
                self.predicted_value::<false>(shapes, place, depth + 1, "")?;
            }
            if !self.another(b'}')? {
                break;
            }
            before = Some(place);
        }
        Ok(self.members_from(first))
    }

    /// The value behind a key.
    #[inline]
    fn predicted_value<const KEEP: bool>(
        &mut self,
        shapes: &mut ShapeCache<'_>,
        place: usize,
        depth: usize,
        name: &'a str,
    ) -> Result<(), Failed> {
        let (start, key) = (self.at, &mut shapes.keys[place]);
        if let Some(bytes) = key.like.again(self.rest(), depth) {
            self.at += bytes;
            if KEEP {
                let text = self.text(start + 1, bytes - 2);
                self.members.push((name, Json::String(text)));
            }
            return Ok(());
        }
        let inside = key.inside;
        self.predicted::<KEEP>(shapes, inside, depth, |parser, value| {
            parser.members.push((name, value));
        })?;
        let read = self.since(start);
        shapes.keys[place].like.other(read, depth, KEEP);
        Ok(())
    }

    /// Passes over the next key and its colon; its place among those known.
    fn predicted_key(
        &mut self,
        shapes: &mut ShapeCache<'_>,
        object: usize,
        before: Option<usize>,
    ) -> Result<usize, Failed> {
        if let Some((place, key)) = shapes.expected(object, before)
            && key.begins(self.rest())
        {
            self.at += key.text.len();
            self.skip_space();
            return Ok(place);
        }
        if self.peek() != Some(b'"') {
            return Err(Failed);
        }
        let start = self.at;
        let name = self.string()?;
        // A key with an escape cannot be predicted as it stands.
        if self.at - start != name.len() + 2 {
            return Err(Failed);
        }
        self.colon()?;
        shapes.learn(object, before, name).ok_or(Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"resourceType":"Patient","id":"a","meta":{"tag":[{"code":"x"},{"code":"y","system":"s"}]},
        "name":[{"family":"A","given":["B","C\u0041"]}],"a key longer than sixteen bytes":{"b":1},"note":null}"#;

    /// Trees and errors alike, whatever was read before.
    fn agrees(shapes: &mut ShapeCache<'_>, wanted: &Members, text: &[u8]) {
        let arena = Arena::default();
        let plain = Json::parse_members(text, wanted, &arena);
        let predicted = shapes.parse(text, &arena);
        match (plain, predicted) {
            (Ok(plain), Ok(predicted)) => assert_eq!(plain.to_text(), predicted.to_text()),
            (Err(plain), Err(predicted)) => assert_eq!(plain, predicted),
            (plain, predicted) => panic!(
                "{plain:?} {predicted:?} for {}",
                String::from_utf8_lossy(text)
            ),
        }
    }

    #[test]
    fn what_was_read_before_changes_nothing() {
        let sets = [
            Members::all(),
            Members::default().with(&[
                "id",
                "name.given",
                "meta.tag",
                "a key longer than sixteen bytes",
            ]),
            Members::default().with(&["name", "note"]),
        ];
        for wanted in &sets {
            let mut shapes = ShapeCache::new(wanted);
            for at in 0..ONE.len() {
                agrees(&mut shapes, wanted, ONE.as_bytes());
                for byte in *b"\"\\{}[]:,ax0\n\xFF" {
                    let mut bytes = ONE.as_bytes().to_vec();
                    bytes[at] = byte;
                    agrees(&mut shapes, wanted, &bytes);
                }
                agrees(&mut shapes, wanted, &ONE.as_bytes()[..at]);
            }
        }
    }

    #[test]
    fn keys_in_any_order_twice_and_with_escapes() {
        let wanted = Members::default().with(&["a", "b.c"]);
        let mut shapes = ShapeCache::new(&wanted);
        let texts = [
            r#"{"a":1,"b":{"c":2,"d":3}}"#,
            r#"{"b":{"d":3,"c":2},"a":1}"#,
            r#"{"b":{"d":3,"c":2,"d":4},"a":1}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"b":1,"a":2,"b":3}"#,
            r#"{"x":{"y":1,"y":2}}"#,
            r#"{"\u0061":1,"b":2}"#,
            r#"{"\u0061":1,"a":2}"#,
            r#"{"a\"b":1,"a":{}}"#,
            r#"{ "a" : 1 , "b" : [ { "c" : 1 } , { "c" : [ { "c" : 5 } ] } ] }"#,
            r#"[{"a":1},{"b":{}},3]"#,
            r#""a""#,
            "17",
            "",
        ];
        for _ in 0..2 {
            for text in texts {
                agrees(&mut shapes, &wanted, text.as_bytes());
                agrees(&mut shapes, &wanted, texts[0].as_bytes());
            }
        }
    }

    #[test]
    fn more_than_can_be_remembered_is_read_all_the_same() {
        let wanted = Members::all();
        let mut shapes = ShapeCache::new(&wanted);
        for size in [10, 64, 65, 200] {
            let keys: Vec<String> = (0..size).map(|n| format!("\"k{n}\":{n}")).collect();
            let text = format!("{{{}}}", keys.join(","));
            agrees(&mut shapes, &wanted, text.as_bytes());
            let twice = format!("{{{},\"k3\":0}}", keys.join(","));
            agrees(&mut shapes, &wanted, twice.as_bytes());
        }
        assert!(shapes.full);
        let mut shapes = ShapeCache::new(&wanted);
        for n in 0..2 * KEYS_MAX {
            let text = format!("{{\"a\":{{\"k{}\":{{\"k{n}\":1}}}}}}", n % 50);
            agrees(&mut shapes, &wanted, text.as_bytes());
        }
        assert!(shapes.full && shapes.keys.len() <= KEYS_MAX);
    }
}
