//! Turns the bytes of a partner's file into text, and text of that file back into the same bytes.
//!
//! A byte order mark decides; without one the file is UTF-8 if all of it is, else Windows-1252. Which other encodings could be meant is said too: only
//! who knows a word of the file can choose one of them. Invariant: only one reading is possible, or it is an error, or it is asked for by name.

use std::str::Utf8Error;

use encoding_rs::{MACINTOSH, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Encoding that a partner's file was found to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextEncoding {
    Utf8,
    Utf8Bom,
    Utf16Le,
    Utf16Be,
    Windows1252,
    /// Excel's "CSV (Macintosh)".
    MacRoman,
    /// Excel's "CSV (MS-DOS)" in western Europe.
    Cp850,
    /// UTF-8 that was read as Windows-1252 and saved as UTF-8 again.
    TwiceUtf8,
}

/// The upper half of CP850, from byte 0x80 on.
///
/// # Source
/// IBM code page 850, as Python's codec `cp850` has it.
const CP850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

/// Bytes that are not text in exactly one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// Another kind of file, by its first bytes.
    NotText { looks_like: &'static str },
    /// Bytes that no text has, or text in two bytes a letter without its mark.
    Binary,
    /// Neither of the encodings, or two of them mixed, or cut off within a character; the byte counts from 0 where it is known.
    Broken { byte: Option<usize> },
}

/// First bytes of files that come under a wrong name.
const SIGNATURES: [(&[u8], &str); 4] = [
    (b"PK\x03\x04", "an Excel workbook or a zip archive"),
    (
        b"\xD0\xCF\x11\xE0",
        "an old or a password-protected Excel workbook",
    ),
    (b"%PDF", "a PDF"),
    (b"\x1F\x8B", "a gzip archive"),
];

impl TextEncoding {
    /// The bytes before the text.
    pub(crate) const fn byte_order_mark(self) -> &'static [u8] {
        match self {
            Self::Utf8Bom => b"\xEF\xBB\xBF",
            Self::Utf16Le => b"\xFF\xFE",
            Self::Utf16Be => b"\xFE\xFF",
            Self::Utf8 | Self::Windows1252 | Self::MacRoman | Self::Cp850 | Self::TwiceUtf8 => b"",
        }
    }

    /// Writes text of a file in that file's encoding again, without a byte order mark: how tests see that nothing was lost.
    #[cfg(test)]
    pub(crate) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 | Self::Utf8Bom => text.as_bytes().to_vec(),
            Self::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Self::Windows1252 => WINDOWS_1252.encode(text).0.into_owned(),
            Self::MacRoman | Self::Cp850 | Self::TwiceUtf8 => unreachable!("chosen by name only"),
        }
    }
}

/// Decodes a whole file.
pub(crate) fn decode(bytes: &[u8]) -> Result<(String, TextEncoding), DecodeError> {
    for (signature, looks_like) in SIGNATURES {
        if bytes.starts_with(signature) {
            return Err(DecodeError::NotText { looks_like });
        }
    }
    let (text, encoding) = decode_text(bytes)?;
    // No spreadsheet writes a NUL: this is a binary file, or UTF-16 without its mark, which could be either kind.
    if text.contains('\0') {
        return Err(DecodeError::Binary);
    }
    if let Some(looks_like) = other_text(&text) {
        return Err(DecodeError::NotText { looks_like });
    }
    Ok((text, encoding))
}

/// What a text is that is no table: a document of tags, or JSON.
fn other_text(text: &str) -> Option<&'static str> {
    let start = text.trim_start();
    let tags = ["<!doctype", "<html", "<?xml", "<table", "<head", "<meta"];
    let is_tag = |tag: &&str| {
        let begin = start.get(..tag.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(tag))
    };
    if tags.iter().any(is_tag) {
        return Some("a web page");
    }
    let inside = start.strip_prefix(['[', '{'])?.trim_start();
    inside.starts_with(['{', '"']).then_some("JSON")
}

/// The encodings other than the one found that these bytes could be in.
pub(crate) fn alternatives(bytes: &[u8], found: TextEncoding) -> Vec<TextEncoding> {
    match found {
        _ if bytes.is_ascii() => Vec::new(),
        TextEncoding::Utf8 | TextEncoding::Utf8Bom => vec![TextEncoding::TwiceUtf8],
        TextEncoding::Windows1252 => vec![TextEncoding::MacRoman, TextEncoding::Cp850],
        TextEncoding::MacRoman => vec![TextEncoding::Cp850],
        TextEncoding::Utf16Le
        | TextEncoding::Utf16Be
        | TextEncoding::Cp850
        | TextEncoding::TwiceUtf8 => Vec::new(),
    }
}

/// Whether bytes that have no certain reading could be in one of the encodings that are chosen by name.
pub(crate) fn has_alternatives(bytes: &[u8]) -> bool {
    let Err(error) = std::str::from_utf8(bytes) else {
        return false;
    };
    !holds_utf_8(bytes, error) && !bytes.contains(&0) && unused_in_windows_1252(bytes).is_some()
}

/// The text in an encoding that is named; nothing if the bytes do not read so.
pub(crate) fn decode_as(bytes: &[u8], encoding: TextEncoding) -> Option<String> {
    match encoding {
        TextEncoding::MacRoman => {
            let (text, _) = MACINTOSH.decode_without_bom_handling(bytes);
            Some(text.into_owned())
        }
        TextEncoding::Cp850 => Some(from_cp850(bytes)),
        TextEncoding::TwiceUtf8 => {
            let bytes = bytes
                .strip_prefix(TextEncoding::Utf8Bom.byte_order_mark())
                .unwrap_or(bytes);
            once(std::str::from_utf8(bytes).ok()?)
        }
        _ => match decode(bytes) {
            Ok((text, found)) if found == encoding => Some(text),
            _ => None,
        },
    }
}

fn from_cp850(bytes: &[u8]) -> String {
    let upper: Vec<char> = CP850.chars().collect();
    let character = |byte: &u8| match byte.checked_sub(0x80) {
        None => char::from(*byte),
        Some(place) => upper
            .get(usize::from(place))
            .copied()
            .unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    bytes.iter().map(character).collect()
}

/// The text that was encoded twice; nothing if it was not.
fn once(text: &str) -> Option<String> {
    // Each letter with an accent has become two signs at least, none of them ASCII.
    let first = text.bytes().position(|byte| !byte.is_ascii())?;
    let mut letters = text.get(first..)?.chars();
    if letters.nth(1).is_none_or(|second| second.is_ascii()) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut letter = [0; 4];
    for character in text.chars() {
        match u8::try_from(character) {
            // Bytes that mean nothing in Windows-1252 pass as the controls of that number.
            Ok(byte)
                if !(0x80..0xA0).contains(&byte)
                    || matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D) =>
            {
                bytes.push(byte);
            }
            _ => {
                let (encoded, _, lost) = WINDOWS_1252.encode(character.encode_utf8(&mut letter));
                if lost {
                    return None;
                }
                bytes.extend_from_slice(&encoded);
            }
        }
    }
    String::from_utf8(bytes).ok().filter(|once| once != text)
}

fn unused_in_windows_1252(bytes: &[u8]) -> Option<usize> {
    bytes
        .iter()
        .position(|byte| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D))
}

fn decode_text(bytes: &[u8]) -> Result<(String, TextEncoding), DecodeError> {
    for (encoding, utf_16) in [
        (TextEncoding::Utf16Le, UTF_16LE),
        (TextEncoding::Utf16Be, UTF_16BE),
    ] {
        if let Some(rest) = bytes.strip_prefix(encoding.byte_order_mark()) {
            let text = utf_16.decode_without_bom_handling_and_without_replacement(rest);
            let text = text.ok_or(DecodeError::Broken { byte: None })?;
            return Ok((text.into_owned(), encoding));
        }
    }
    if let Some(rest) = bytes.strip_prefix(TextEncoding::Utf8Bom.byte_order_mark()) {
        return match std::str::from_utf8(rest) {
            Ok(text) => Ok((text.to_owned(), TextEncoding::Utf8Bom)),
            Err(error) => Err(DecodeError::Broken {
                byte: Some(error.valid_up_to() + 3),
            }),
        };
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok((text.to_owned(), TextEncoding::Utf8)),
        Err(error) if holds_utf_8(bytes, error) => Err(DecodeError::Broken {
            byte: Some(error.valid_up_to()),
        }),
        Err(_) => decode_windows_1252(bytes),
    }
}

/// Whether a file that is not UTF-8 as a whole holds characters written as UTF-8: it was mixed or cut off, and Windows-1252 would garble them.
fn holds_utf_8(bytes: &[u8], error: Utf8Error) -> bool {
    let (valid, _) = bytes.split_at(error.valid_up_to());
    let cut_off_at_the_end = error.error_len().is_none();
    if cut_off_at_the_end && !valid.is_ascii() {
        return true;
    }
    // A capital with an accent before a quotation mark or dash (`CAFÉ’S`) looks like UTF-8 by chance, but only like two bytes, and only like a letter
    // that nobody here writes. What people do write begins with `Â`, `Ã` or `â€` when it is misread.
    bytes
        .utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars())
        .any(|character| matches!(character, '\u{80}'..='\u{FF}' | '\u{800}'..))
}

/// Reads what is not UTF-8 as Windows-1252.
fn decode_windows_1252(bytes: &[u8]) -> Result<(String, TextEncoding), DecodeError> {
    // Five bytes mean nothing in Windows-1252.
    if let Some(byte) = unused_in_windows_1252(bytes) {
        return Err(DecodeError::Broken { byte: Some(byte) });
    }
    let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
    Ok((text.into_owned(), TextEncoding::Windows1252))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_is_found_and_can_be_undone() {
        let cases: [(&[u8], &str, TextEncoding); 8] = [
            (
                b"CAF\xC9\x92S, Zo\xEB\n",
                "CAFÉ’S, Zoë\n",
                TextEncoding::Windows1252,
            ),
            (b"plain", "plain", TextEncoding::Utf8),
            ("Zoë".as_bytes(), "Zoë", TextEncoding::Utf8),
            (b"\xEF\xBB\xBFZo\xC3\xAB", "Zoë", TextEncoding::Utf8Bom),
            (b"\xFF\xFEZ\0\xEB\0", "Zë", TextEncoding::Utf16Le),
            (b"\xFE\xFF\0Z\0\xEB", "Zë", TextEncoding::Utf16Be),
            (
                b"Zo\xEB \x80 \x93x\x94",
                "Zoë € “x”",
                TextEncoding::Windows1252,
            ),
            (b"", "", TextEncoding::Utf8),
        ];
        for (bytes, text, encoding) in cases {
            assert_eq!(decode(bytes), Ok((text.to_owned(), encoding)), "{bytes:?}");
            let again = [encoding.byte_order_mark(), &encoding.encode(text)].concat();
            assert_eq!(again, bytes);
        }
    }

    #[test]
    fn other_encodings_are_read_only_by_name() {
        let mac = b"Zo\x91, Si\x89n";
        assert!(decode(b"\x90").is_err() && has_alternatives(b"\x90"));
        assert_eq!(
            decode_as(mac, TextEncoding::MacRoman).as_deref(),
            Some("Zoë, Siân")
        );
        assert_eq!(
            decode_as(b"Zo\x89, \x9D", TextEncoding::Cp850).as_deref(),
            Some("Zoë, Ø")
        );
        let twice = "ZoÃ«, Å\u{81}oÅ›".as_bytes();
        assert_eq!(
            decode_as(twice, TextEncoding::TwiceUtf8).as_deref(),
            Some("Zoë, Łoś")
        );
        assert_eq!(decode_as("Zoë".as_bytes(), TextEncoding::TwiceUtf8), None);
        assert_eq!(alternatives(b"plain", TextEncoding::Utf8), []);
        assert_eq!(CP850.chars().count(), 128);
    }

    #[test]
    fn what_has_two_readings_or_none_is_an_error() {
        assert_eq!(
            decode(b"Zo\xC3\xAB, Zo\xEB"),
            Err(DecodeError::Broken { byte: Some(8) })
        );
        assert_eq!(
            decode(b"Zo\xC3\xAB, Zo\xC3"),
            Err(DecodeError::Broken { byte: Some(8) })
        );
        assert_eq!(
            decode(b"Zo\xEB, Zo\xC3\xAB"),
            Err(DecodeError::Broken { byte: Some(2) })
        );
        assert_eq!(
            decode(b"\xC5\x81ukasz \xC5"),
            Err(DecodeError::Broken { byte: Some(8) })
        );
        assert_eq!(
            decode(b"\xEF\xBB\xBFZo\xEB"),
            Err(DecodeError::Broken { byte: Some(5) })
        );
        assert_eq!(decode(b"a\x9D"), Err(DecodeError::Broken { byte: Some(1) }));
        assert_eq!(
            decode(b"\xFF\xFEZ"),
            Err(DecodeError::Broken { byte: None })
        );
        assert_eq!(
            decode(b"\xFF\xFE\x00\xD8"),
            Err(DecodeError::Broken { byte: None })
        );
        assert_eq!(decode(b"a\0b\0"), Err(DecodeError::Binary));
        for bytes in [
            b"PK\x03\x04xx".as_slice(),
            b"\xD0\xCF\x11\xE0",
            b"%PDF-1.7",
            b"\x1F\x8B\x08",
            b" <!DOCTYPE html><table>",
            b"<html><table>",
            b"[ {\"Ref\": 1}]",
        ] {
            assert!(
                matches!(decode(bytes), Err(DecodeError::NotText { .. })),
                "{bytes:?}"
            );
        }
    }
}
