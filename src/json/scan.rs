//! A first look at a resource: the text of a few of its members, and not one byte behind the last of them.
//!
//! In come bytes that may be anything; out come texts as they stand there. Kept: nothing here says that a document can be
//! read. Whoever scans has the whole parsed before anything of it is used.

use super::parser::ends_of_run;
use super::value_cache::ValueCache;

/// An object that is looked at member by member, from the first on.
pub(crate) struct Scan<'a> {
    walk: Walk<'a>,
    /// Whether its last member was passed.
    ended: bool,
}

impl<'a> Scan<'a> {
    /// At the first member of the object that these bytes begin with.
    pub(crate) fn over(bytes: &'a [u8]) -> Option<Self> {
        let mut walk = Walk { bytes, at: 0 };
        walk.space();
        Self::within(walk)
    }

    fn within(mut walk: Walk<'a>) -> Option<Self> {
        walk.take(b'{')?;
        let ended = walk.peek()? == b'}';
        Some(Self { walk, ended })
    }

    /// The key of the next member, whose value is next.
    fn key(&mut self) -> Option<&'a [u8]> {
        let key = self.walk.string()?;
        self.walk.space();
        self.walk.take(b':')?;
        key.get(1..key.len() - 1)
    }

    /// After a value.
    fn passed(&mut self) -> Option<()> {
        self.ended = !self.walk.another(b'}')?;
        Some(())
    }

    /// The JSON text of these members, each the first of its name from here on, with quotes and escapes as they stand.
    ///
    /// `None` if that could not be found out; a member that is absent costs a walk to the end of the object.
    pub(crate) fn members<const N: usize>(
        &mut self,
        names: &[&str; N],
    ) -> Option<[Option<&'a str>; N]> {
        self.members_and(names, &mut ValueCache::default())
    }

    /// As [`Scan::members`]; of the others one may come again in the next object.
    fn members_and<const N: usize>(
        &mut self,
        names: &[&str; N],
        like: &mut ValueCache,
    ) -> Option<[Option<&'a str>; N]> {
        let (mut texts, mut found) = ([None; N], 0);
        while !self.ended {
            let key = self.key()?;
            let named = |name: &&str| key == name.as_bytes();
            match names.iter().position(named) {
                Some(place) if texts[place].is_none() => {
                    let value = self.walk.value()?;
                    texts[place] = Some(std::str::from_utf8(value).ok()?);
                    found += 1;
                }
                _ => self.walk.pass(like)?,
            }
            self.passed()?;
            if found == N {
                break;
            }
        }
        Some(texts)
    }

    /// Hands over these members of each object in the list that is the next member of this name; false if there is none.
    /// Of their other members one may be like the last.
    ///
    /// `None` where it is no list of objects, or `take` says so.
    pub(crate) fn each<const N: usize>(
        mut self,
        name: &str,
        names: &[&str; N],
        like: &mut ValueCache,
        mut take: impl FnMut([Option<&'a str>; N]) -> Option<()>,
    ) -> Option<bool> {
        while !self.ended {
            let key = self.key()?;
            if key != name.as_bytes() {
                self.walk.value()?;
                self.passed()?;
                continue;
            }
            self.walk.take(b'[')?;
            if self.walk.peek()? == b']' {
                return Some(true);
            }
            loop {
                let mut element = Self::within(self.walk)?;
                take(element.all(names, like)?)?;
                self.walk = element.walk;
                self.walk.at += 1;
                if !self.walk.another(b']')? {
                    return Some(true);
                }
            }
        }
        Some(false)
    }

    /// As [`Scan::members`], and to the end of the object.
    fn all<const N: usize>(
        &mut self,
        names: &[&str; N],
        like: &mut ValueCache,
    ) -> Option<[Option<&'a str>; N]> {
        let texts = self.members_and(names, like)?;
        while !self.ended {
            self.key()?;
            self.walk.pass(like)?;
            self.passed()?;
        }
        Some(texts)
    }
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        self.space();
        Some(())
    }

    /// After a value: whether a comma follows, and not this byte.
    fn another(&mut self, close: u8) -> Option<bool> {
        self.space();
        if self.peek()? == close {
            return Some(false);
        }
        self.take(b',').map(|()| true)
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        loop {
            match self.end_of_run()? {
                b'"' => {
                    self.at += 1;
                    return self.bytes.get(start..self.at);
                }
                b'\\' => self.at += 2,
                _ => return None,
            }
        }
    }

    /// Passes over plain characters, to the byte that ends them.
    fn end_of_run(&mut self) -> Option<u8> {
        while let Some(eight) = self.bytes.get(self.at..)?.first_chunk() {
            let ends = ends_of_run(u64::from_le_bytes(*eight));
            if ends != 0 {
                self.at += ends.trailing_zeros() as usize / 8;
                return self.peek();
            }
            self.at += 8;
        }
        loop {
            let byte = self.peek()?;
            if byte == b'"' || byte == b'\\' || byte < 0x20 {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Passes over a value that may be like the last.
    fn pass(&mut self, like: &mut ValueCache) -> Option<()> {
        if let Some(bytes) = like.again(self.bytes.get(self.at..)?, 0) {
            self.at += bytes;
        } else {
            like.other(self.value()?, 0, false);
        }
        Some(())
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    if depth > 0 {
                        depth -= 1;
                        self.at += 1;
                    }
                }
                b',' if depth == 0 => {}
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 {
                let value = self.bytes.get(start..self.at)?;
                return (!value.is_empty()).then_some(value.trim_ascii_end());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan<const N: usize>(bytes: &[u8], names: &[&str; N]) -> Option<[Option<String>; N]> {
        let texts = Scan::over(bytes)?.members(names)?;
        Some(texts.map(|text| text.map(str::to_owned)))
    }

    fn texts<const N: usize>(texts: [Option<&str>; N]) -> [Option<String>; N] {
        texts.map(|text| text.map(str::to_owned))
    }

    #[test]
    fn finds_members_as_they_stand() {
        let text = br#" {"a" : "x\"}" ,"b":[{"c":"]"},2] , "c": 12 , "a":3,"d":{"e":{}},"f":true}"#;
        assert_eq!(
            scan(text, &["b", "a", "c"]),
            Some(texts([
                Some(r#"[{"c":"]"},2]"#),
                Some(r#""x\"}""#),
                Some("12")
            ]))
        );
        assert_eq!(
            scan(text, &["d", "g", "f"]),
            Some(texts([Some(r#"{"e":{}}"#), None, Some("true")]))
        );
        // It goes on from where it is.
        let mut further = Scan::over(text).unwrap();
        assert_eq!(further.members(&["c"]), Some([Some("12")]));
        assert_eq!(further.members(&["a"]), Some([Some("3")]));
        assert_eq!(further.members(&["b"]), Some([None]));
        // What stands behind the last member asked for is not looked at.
        assert_eq!(scan(br#"{"a":1,"#, &["a"]), Some(texts([Some("1")])));
        assert_eq!(scan(b"{}", &["a"]), Some(texts([None])));
        for broken in [
            "",
            "[",
            "[1]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{a:1}",
            "{\"a\" 1}",
            "{\"b\":\"\n\",\"a\":1}",
        ] {
            assert_eq!(scan(broken.as_bytes(), &["a"]), None, "{broken}");
        }
    }

    #[test]
    fn hands_over_the_objects_of_a_list() {
        let each = |text: &str| {
            let (mut all, mut like) = (Vec::new(), ValueCache::default());
            let found =
                Scan::over(text.as_bytes())?.each("l", &["a", "b"], &mut like, |[a, b]| {
                    all.push(format!("{}/{}", a.unwrap_or("-"), b.unwrap_or("-")));
                    Some(())
                })?;
            Some((found, all.join(" ")))
        };
        let found = |text: &str| Some((true, text.to_owned()));
        assert_eq!(each(r#"{"x":[1],"l":[ ]}"#), found(""));
        assert_eq!(
            each(r#"{"l":[{"b":"]","c":{"a":1}} , {"a":2,"b":[3],"d":4},{}],"l":1}"#),
            found(r#"-/"]" 2/[3] -/-"#)
        );
        // What is passed over comes again, and another time, and is something else.
        let [one, other] = [
            r#"{"c":{"a":1,"d":"]"},"a":1}"#,
            r#"{"c":{"a":1,"d":"x"},"a":2}"#,
        ];
        assert_eq!(
            each(&format!(r#"{{"l":[{one},{one},{other},{one}]}}"#)),
            found("1/- 1/- 2/- 1/-")
        );
        assert_eq!(each(r#"{"x":{"l":[{}]}}"#), Some((false, String::new())));
        for other in [
            r#"{"l":1}"#,
            r#"{"l":{}}"#,
            r#"{"l":[{},1]}"#,
            r#"{"l":[{}"#,
        ] {
            assert_eq!(each(other), None, "{other}");
        }
    }
}
