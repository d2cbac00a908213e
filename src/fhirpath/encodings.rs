//! Texts written in other ways: hexadecimal, base64, escaped for HTML and JSON, and back.
//!
//! # Source
//! `FHIRPath` continuous build §5.6 (`encode`, `decode`, `escape`, `unescape`); RFC 4648.

use super::evaluate::EvaluateError;

const PLAIN: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
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
        "hex" => {
            let digits = text.bytes().map(|byte| format!("{byte:02x}"));
            digits.collect::<Vec<_>>().concat()
        }
        "base64" => base64(text.as_bytes(), PLAIN),
        "urlbase64" => base64(text.as_bytes(), URL),
        _ => return Err(EvaluateError::WrongType("encode()")),
    }))
}

/// None for what is not written in that way, or is no text.
pub(super) fn decoded(text: &str, way: &str) -> EncodedText {
    let bytes = match way {
        "hex" => unhex(text),
        "base64" => unbase64(text, PLAIN),
        "urlbase64" => unbase64(text, URL),
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

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    digits
        .chunks_exact(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok())
        .collect()
}

fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let place = (word >> (18 - 6 * at)) & 63;
            out.push(if at > chunk.len() {
                '='
            } else {
                char::from(alphabet[place as usize])
            });
        }
    }
    out
}

fn unbase64(text: &str, alphabet: &[u8; 64]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in text.as_bytes().chunks_exact(4) {
        let mut word = 0_u32;
        for byte in chunk {
            let place = match byte {
                b'=' => 0,
                other => alphabet.iter().position(|known| known == other)?,
            };
            word = word << 6 | u32::try_from(place).ok()?;
        }
        out.extend_from_slice(word.to_be_bytes().get(1..)?);
    }
    if padding > 2 {
        return None;
    }
    out.truncate(out.len().saturating_sub(padding));
    // Anything but the one way to write these bytes is refused, padding in the middle too.
    (base64(&out, alphabet) == text).then_some(out)
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
