//! Turns the bytes of a partner's file into text, and text of that file back into the same bytes.
//!
//! A byte order mark decides; without one the file is UTF-8 if all of it is, else Windows-1252. Invariant: only one reading is possible, or it is an
//! error; so decoding can be undone exactly, and a file can be kept in parts and put together again byte for byte.

use std::str::Utf8Error;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Encoding that a partner's file was found to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextEncoding {
    Utf8,
    Utf8Bom,
    Utf16Le,
    Utf16Be,
    Windows1252,
}

/// Bytes that are not text in exactly one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// Another kind of file, by its first bytes.
    NotText { looks_like: &'static str },
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
            Self::Utf8 | Self::Windows1252 => b"",
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
        return Err(DecodeError::NotText {
            looks_like: "a binary file, or Unicode text without its byte order mark",
        });
    }
    Ok((text, encoding))
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
    let unused = bytes
        .iter()
        .position(|byte| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D));
    if let Some(byte) = unused {
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
        for bytes in [
            b"PK\x03\x04xx".as_slice(),
            b"\xD0\xCF\x11\xE0",
            b"%PDF-1.7",
            b"\x1F\x8B\x08",
            b"a\0b\0",
        ] {
            assert!(
                matches!(decode(bytes), Err(DecodeError::NotText { .. })),
                "{bytes:?}"
            );
        }
    }
}
