//! Values that stand at their place byte for byte again, as systems and profiles do, and need not be read again.
//!
//! In: bytes, and values that were read there. Out: how many bytes are the value that was read before. Kept: it ends with a
//! quote or a bracket, so the same bytes are the same value whatever follows them; a place where they keep changing is
//! left alone.

use std::ops::RangeInclusive;

/// Lengths of values that are worth remembering, in bytes: a shorter one is read as fast.
const LIKE_BYTES: RangeInclusive<usize> = 12..=2_048;
/// Other values that come one after the other before the last of them is remembered instead.
const OTHERS_BEFORE_CHANGE: u32 = 4;
/// And before no value is expected there any more.
const OTHERS_MAX: u32 = 64;

/// A value that stood at a place and may stand there again.
#[derive(Default)]
pub(crate) struct ValueCache {
    /// Empty if none is expected.
    text: Vec<u8>,
    /// How deep it was found: as deep or less, it nests no deeper than is allowed.
    depth: usize,
    /// Other values since it came last.
    others: u32,
}

impl ValueCache {
    /// The bytes of the value, if these begin with it.
    pub(super) fn again(&mut self, bytes: &[u8], depth: usize) -> Option<usize> {
        let again = !self.text.is_empty() && depth <= self.depth && bytes.starts_with(&self.text);
        again.then(|| {
            self.others = 0;
            self.text.len()
        })
    }

    /// Another value came, which was read and found to be one; what is to be handed out as it stands must be a plain text.
    pub(super) fn other(&mut self, value: &[u8], depth: usize, handed_out: bool) {
        if self.others > OTHERS_MAX {
            return;
        }
        self.others += 1;
        let last = self.others > OTHERS_MAX;
        if !last && !self.text.is_empty() && !self.others.is_multiple_of(OTHERS_BEFORE_CHANGE) {
            return;
        }
        self.text.clear();
        let fits = match value {
            [b'"', text @ .., b'"'] => !handed_out || !text.contains(&b'\\'),
            [b'{', .., b'}'] | [b'[', .., b']'] => !handed_out,
            _ => false,
        };
        if fits && !last && LIKE_BYTES.contains(&value.len()) {
            self.text.extend_from_slice(value);
            self.depth = depth;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_values_come_again() {
        for (value, passed, handed) in [
            (r#""a text as long as it takes""#, true, true),
            (r#""an escape \u0041 within it""#, true, false),
            (r#"{"a":1,"b":[2,3],"c":{}}"#, true, false),
            (r#"["a","b",{"c":"d"},"e"]"#, true, false),
            ("12345678901234567890", false, false),
            (r#""short""#, false, false),
        ] {
            for (handed_out, expected) in [(false, passed), (true, handed)] {
                let mut like = ValueCache::default();
                like.other(value.as_bytes(), 3, handed_out);
                let behind = format!("{value},1");
                let found = like.again(behind.as_bytes(), 3);
                assert_eq!(found, expected.then_some(value.len()), "{value}");
                assert_eq!(like.again(&value.as_bytes()[1..], 3), None);
                // Deeper, it might nest too deep.
                assert_eq!(like.again(behind.as_bytes(), 4), None);
            }
        }
    }

    #[test]
    fn a_place_that_keeps_changing_is_left_alone() {
        let value = |number: u32| format!("\"a text with number {number}\"");
        let mut like = ValueCache::default();
        for number in 0..=OTHERS_MAX {
            like.other(value(number).as_bytes(), 0, false);
        }
        for number in 0..2 * OTHERS_MAX {
            assert_eq!(like.again(value(number).as_bytes(), 0), None);
            like.other(value(number).as_bytes(), 0, false);
        }
        // A value that comes now and then is kept.
        let mut like = ValueCache::default();
        like.other(value(0).as_bytes(), 0, false);
        for number in 1..10 * OTHERS_MAX {
            if number % 3 == 0 {
                assert!(like.again(value(0).as_bytes(), 0).is_some());
            } else {
                like.other(value(number).as_bytes(), 0, false);
            }
        }
    }
}
