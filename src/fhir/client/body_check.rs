//! What can be said of an answer's bytes before they are read: whole, nested too deep, or a page for people.

use crate::json::{nests_within, to_string_end};

/// Some servers put one before the JSON.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerBody {
    /// Begins as a JSON object does, ends where it ends.
    Object,
    /// A JSON object that was cut short.
    Torn,
    /// A JSON object nested deeper than the limit.
    TooDeep,
    /// A page for people: a login, a proxy's error.
    Html,
    /// Anything else, nothing included.
    Other,
}

impl AnswerBody {
    /// Looks at a body, which may nest so deep.
    pub(super) fn of(bytes: &[u8], depth_max: usize) -> Self {
        let bytes = bytes.trim_ascii_start();
        match bytes.first() {
            Some(b'{') if !nests_within(bytes, depth_max) => Self::TooDeep,
            Some(b'{') => nesting(bytes),
            Some(b'<') if is_html(bytes) => Self::Html,
            _ => Self::Other,
        }
    }
}

fn is_html(bytes: &[u8]) -> bool {
    let start = bytes.get(..256).unwrap_or(bytes).to_ascii_lowercase();
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body"]
        .iter()
        .any(|mark| start.windows(mark.len()).any(|window| window == *mark))
}

/// Follows brackets and strings; everything else of JSON's form is the parser's to judge.
fn nesting(bytes: &[u8]) -> AnswerBody {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at += to_string_end(&bytes[at..]),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if depth > 0 {
        AnswerBody::Torn
    } else {
        AnswerBody::Object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_it_begins_and_ends_as() {
        let nested =
            |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        let deep = nested(63);
        let too_deep = nested(64);
        for (text, wanted) in [
            ("{}", AnswerBody::Object),
            (" {\"a\":\"}\\\"{\"} ", AnswerBody::Object),
            (deep.as_str(), AnswerBody::Object),
            (too_deep.as_str(), AnswerBody::TooDeep),
            ("{\"a\":[1", AnswerBody::Torn),
            ("{\"a\":\"}", AnswerBody::Torn),
            ("{\"a\":\"}\\", AnswerBody::Torn),
            ("{\"a\":\"}\\\"", AnswerBody::Torn),
            ("{\"\\\\\":\"[\"}", AnswerBody::Object),
            ("<!DOCTYPE html><p>", AnswerBody::Html),
            ("\n<HTML>", AnswerBody::Html),
            ("<?xml version=\"1.0\"?><Bundle/>", AnswerBody::Other),
            ("", AnswerBody::Other),
        ] {
            assert_eq!(AnswerBody::of(text.as_bytes(), 64), wanted, "{text}");
        }
    }
}
