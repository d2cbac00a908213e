//! Texts written in other ways: hexadecimal, base64, escaped for HTML and JSON, and back.
//!
//! # Source
//! `FHIRPath` continuous build §5.6 (`encode`, `decode`, `escape`, `unescape`); RFC 4648.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::evaluate::EvaluateError;
use crate::domain::encoding::{hex, unhex};

const HTML: [(char, &str); 5] = [
    ('&', "&amp;"),
    ('<', "&lt;"),
    ('>', "&gt;"),
    ('"', "&quot;"),
    ('\'', "&#39;"),
];
type EncodedText = Result<Option<String>, EvaluateError>;

pub(super) fn encoded(text: &str, way: &str) -> EncodedText {
    Ok(Some(match way {
        "hex" => hex(text.as_bytes()),
        "base64" => STANDARD.encode(text),
        "urlbase64" => URL_SAFE.encode(text),
        _ => return Err(EvaluateError::WrongType("encode()")),
    }))
}

/// None for what is not written in that way, or is no text.
pub(super) fn decoded(text: &str, way: &str) -> EncodedText {
    let bytes = match way {
        "hex" => unhex(text),
        // Anything but the one way to write these bytes is refused.
        "base64" => STANDARD.decode(text).ok(),
        "urlbase64" => URL_SAFE.decode(text).ok(),
        _ => return Err(EvaluateError::WrongType("decode()")),
    };
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
}

pub(super) fn escaped(text: &str, way: &str) -> EncodedText {
    match way {
        "html" => {
            let mut out = String::with_capacity(text.len());
            for character in text.chars() {
                match HTML.iter().find(|(plain, _)| *plain == character) {
                    Some((_, written)) => out.push_str(written),
                    None => out.push(character),
                }
            }
            Ok(Some(out))
        }
        "json" => {
            let quoted = serde_json::Value::from(text).to_string();
            let inside = quoted
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            Ok(inside.map(str::to_owned))
        }
        _ => Err(EvaluateError::WrongType("escape()")),
    }
}

pub(super) fn unescaped(text: &str, way: &str) -> EncodedText {
    match way {
        "html" => {
            let mut out = text.to_owned();
            // The ampersand last, so that nothing is undone twice.
            for (plain, written) in HTML.iter().rev() {
                out = out.replace(written, &plain.to_string());
            }
            Ok(Some(out))
        }
        "json" => Ok(unescaped_json(text)),
        _ => Err(EvaluateError::WrongType("unescape()")),
    }
}

/// Quotes that are not escaped stay: the text is what stood inside the quotes, or already the text itself.
fn unescaped_json(text: &str) -> Option<String> {
    let mut quoted = String::with_capacity(text.len() + 2);
    let mut escaping = false;
    quoted.push('"');
    for character in text.chars() {
        if character == '"' && !escaping {
            quoted.push('\\');
        }
        escaping = character == '\\' && !escaping;
        quoted.push(character);
    }
    quoted.push('"');
    serde_json::from_str(&quoted).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        for text in ["", "a", "ab", "abc", "subjects?_d", "é\"<&>\\\n"] {
            for way in ["hex", "base64", "urlbase64"] {
                let there = encoded(text, way).unwrap().unwrap();
                assert_eq!(
                    decoded(&there, way).unwrap().as_deref(),
                    Some(text),
                    "{way}"
                );
            }
            for way in ["html", "json"] {
                let there = escaped(text, way).unwrap().unwrap();
                assert_eq!(
                    unescaped(&there, way).unwrap().as_deref(),
                    Some(text),
                    "{way}"
                );
            }
        }
        for bad in ["a", "====", "YQ=", "YR==", "Y=Q="] {
            assert_eq!(decoded(bad, "base64").unwrap(), None, "{bad}");
        }
        assert_eq!(decoded("6", "hex").unwrap(), None);
        assert!(encoded("a", "rot13").is_err());
    }
}
