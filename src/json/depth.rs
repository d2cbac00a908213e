//! How deep a text nests, told without parsing it.

use memchr::{memchr2, memchr2_iter};

/// Whether arrays and objects nest no deeper than this; whether the text is JSON is the parser's to say.
pub(crate) fn nests_within(bytes: &[u8], depth_max: usize) -> bool {
    // A text with no more brackets than that needs no second look, and most have fewer.
    let brackets = memchr2_iter(b'{', b'[', bytes).take(depth_max.saturating_add(1));
    if brackets.count() <= depth_max {
        return true;
    }
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at += to_string_end(bytes.get(at..).unwrap_or_default()),
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// Bytes of a string from behind its first quote to behind its last, or as far as there are any.
pub(crate) fn to_string_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if bytes.get(at - 1) == Some(&b'"') {
            return at;
        }
        // What is escaped ends nothing.
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits::{self, JSON_DEPTH};
    use crate::json::{Arena, Json};

    fn nested(depth: u64) -> String {
        let depth = usize::try_from(depth).unwrap();
        format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn a_text_nests_within_a_depth_or_does_not() {
        for depth_max in [1, JSON_DEPTH.usual, JSON_DEPTH.most] {
            let most = usize::try_from(depth_max).unwrap();
            limits::holds_at(depth_max, |depth| {
                nests_within(nested(depth).as_bytes(), most)
            });
        }
        for (text, depth) in [
            (r#"{"a":[[]],"b":[{}]}"#, 3),
            (r#"{"a":"[[[[{","b":"\"[[[["}"#, 1),
            (r#"{"a":"\\","b":[1]}"#, 2),
            ("[],[],[],[]", 1),
            ("]]]][[", 2),
            ("{\"a", 1),
        ] {
            assert!(nests_within(text.as_bytes(), depth), "{text}");
            assert!(
                depth == 0 || !nests_within(text.as_bytes(), depth - 1),
                "{text}"
            );
        }
        assert!(nests_within(b"", 0));
    }

    #[test]
    fn what_is_parsed_nests_no_deeper_than_the_ceiling() {
        limits::holds_at(JSON_DEPTH.most, |depth| {
            Json::parse(nested(depth).as_bytes(), &Arena::default()).is_ok()
        });
    }
}
