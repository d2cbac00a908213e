//! A first look at a resource: the text of a few of its members, and not one byte behind the last of them.
//!
//! In come bytes that may be anything; out come texts as they stand there. Kept: nothing here says that a document can be
//! read. Whoever takes a glance has the whole parsed before anything of it is used.

use super::json_parser::ends_of_run;

/// The JSON text of these members of an object, each the first of its name, with quotes and escapes as they stand.
///
/// `None` if that could not be found out; a member that is absent costs a walk through the whole object.
pub(crate) fn glance<'a, const N: usize>(
    bytes: &'a [u8],
    names: &[&str; N],
) -> Option<[Option<&'a str>; N]> {
    let mut walk = Walk { bytes, at: 0 };
    let (mut texts, mut found) = ([None; N], 0);
    walk.space();
    walk.take(b'{')?;
    if walk.peek()? == b'}' {
        return Some(texts);
    }
    loop {
        let key = walk.string()?;
        walk.space();
        walk.take(b':')?;
        let value = walk.value()?;
        let named = |name: &&str| key.get(1..key.len() - 1) == Some(name.as_bytes());
        if let Some(place) = names.iter().position(named)
            && texts[place].is_none()
        {
            texts[place] = Some(std::str::from_utf8(value).ok()?);
            found += 1;
            if found == N {
                return Some(texts);
            }
        }
        if !walk.another(b'}')? {
            return Some(texts);
        }
    }
}

/// Hands over the text of each element of an array, or of a single value; `None` if it is no array that ends.
pub(crate) fn each_element<'a>(
    text: &'a str,
    mut take: impl FnMut(&'a [u8]) -> Option<()>,
) -> Option<()> {
    if !text.starts_with('[') {
        return take(text.as_bytes());
    }
    let mut walk = Walk {
        bytes: text.as_bytes(),
        at: 1,
    };
    walk.space();
    if walk.peek()? == b']' {
        return Some(());
    }
    loop {
        take(walk.value()?)?;
        if !walk.another(b']')? {
            return Some(());
        }
    }
}

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

    #[test]
    fn finds_members_as_they_stand() {
        let text = br#" {"a" : "x\"}" ,"b":[{"c":"]"},2] , "c": 12 , "a":3,"d":{"e":{}},"f":true}"#;
        assert_eq!(
            glance(text, &["b", "a", "c"]),
            Some([Some(r#"[{"c":"]"},2]"#), Some(r#""x\"}""#), Some("12")])
        );
        assert_eq!(
            glance(text, &["d", "g", "f"]),
            Some([Some(r#"{"e":{}}"#), None, Some("true")])
        );
        // What stands behind the last member asked for is not looked at.
        assert_eq!(glance(br#"{"a":1,"#, &["a"]), Some([Some("1")]));
        assert_eq!(glance(b"{}", &["a"]), Some([None]));
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
            assert_eq!(glance(broken.as_bytes(), &["a"]), None, "{broken}");
        }
    }

    #[test]
    fn hands_over_elements() {
        let elements = |text| {
            let mut all = Vec::new();
            each_element(text, |one| {
                all.push(std::str::from_utf8(one).unwrap());
                Some(())
            })
            .map(|()| all)
        };
        assert_eq!(elements("[ ]"), Some(Vec::new()));
        assert_eq!(elements("{\"a\":[]}"), Some(vec!["{\"a\":[]}"]));
        assert_eq!(
            elements("[{\"a\":\"]\"} , 2]"),
            Some(vec!["{\"a\":\"]\"}", "2"])
        );
        assert_eq!(elements("[1"), None);
    }
}
