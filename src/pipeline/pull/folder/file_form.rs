//! What form a file of an extract has, whatever its name: encoding, lines or one document, or none that is read.
//!
//! In: an open file, or a path. Out: the same text as UTF-8, and whether each line is a value of its own. Kept: a form is
//! taken only where its first bytes are certain; in doubt the name decides, and what then cannot be read is said.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use serde::de::IgnoredAny;

use super::files::unlinked_file;
use super::index::DOCUMENT_BYTES_MAX;
use crate::fhir::resources::resource::RESOURCE_TYPE;

/// Bytes that are looked at to tell a form.
const HEAD_BYTES: usize = 64 * 1024;
/// First bytes of files that hold other files.
const PACKED: [&[u8]; 6] = [
    b"PK\x03\x04",
    b"7z\xbc\xaf\x27\x1c",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
];
/// Files of an office are packed as archives are, and hold no extract.
const OFFICE: [&str; 6] = [".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp"];

/// The beginning of a file.
fn head(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEAD_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Why a file whose name is not that of an extract may hold resources all the same, if it does: by its first bytes.
pub(super) fn unread(path: &Path, name: &str) -> Option<&'static str> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .ok();
    let Some(bytes) = file.and_then(|file| head(&file).ok()) else {
        let named = name.contains(".json") || name.contains(".ndjson");
        return named.then_some("a file that cannot be opened");
    };
    let office = OFFICE.iter().any(|ending| name.ends_with(ending));
    if PACKED.iter().any(|first| bytes.starts_with(first)) && !office {
        return Some("a packed file of another kind than .gz");
    }
    // UTF-16 has a zero beside each of these characters.
    let text: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0).collect();
    let holds = |part: &[u8]| memchr::memmem::find(&text, part).is_some();
    if holds(format!("\"{RESOURCE_TYPE}\"").as_bytes()) {
        return Some("a file of resources without the ending .json, .ndjson or .jsonl");
    }
    holds(b"http://hl7.org/fhir\"").then_some("a file of FHIR that is no JSON")
}

/// How UTF-16 makes a unit of two bytes.
type Utf16Unit = fn([u8; 2]) -> u16;

/// The form of a file in UTF-16, by its mark or by the zeros beside its first character.
fn utf16(first: &[u8]) -> Option<Utf16Unit> {
    match first {
        [0xff, 0xfe, ..] | [b'{' | b'[', 0, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] | [0, b'{' | b'[', ..] => Some(u16::from_be_bytes),
        _ => None,
    }
}

/// The file, or one without a name that holds the same text as UTF-8.
///
/// # Errors
/// It cannot be read, or is not what its first bytes say.
pub(super) fn as_utf8(mut file: File, temporary: &Path) -> std::io::Result<File> {
    let mut first = [0; 2];
    let known = file.read_at(&mut first, 0)?;
    let Some(unit) = utf16(first.get(..known).unwrap_or_default()) else {
        return Ok(file);
    };
    let no_text = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let mut left = file.metadata()?.len();
    if left % 2 == 1 {
        return Err(no_text());
    }
    file.seek(SeekFrom::Start(0))?;
    let (mut reader, mut failed) = (BufReader::new(file), None);
    let units = std::iter::from_fn(|| {
        left = left.checked_sub(2)?;
        let mut bytes = [0; 2];
        let read = reader.read_exact(&mut bytes);
        failed = read.err();
        failed.is_none().then(|| unit(bytes))
    });
    let mut written = BufWriter::new(unlinked_file(temporary)?);
    for (place, character) in char::decode_utf16(units).enumerate() {
        let character = character.map_err(|_| no_text())?;
        if place > 0 || character != '\u{feff}' {
            written.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
        }
    }
    match failed {
        Some(error) => Err(error),
        None => written
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error),
    }
}

/// Whether a file holds a value a line rather than one document: by its first line, and in doubt by its name.
///
/// # Errors
/// It cannot be read.
pub(super) fn holds_lines(file: &File, name: &str) -> std::io::Result<bool> {
    let name = name.to_lowercase();
    let named = name.contains(".ndjson") || name.contains(".jsonl");
    let bytes = head(file)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let text = text.trim_ascii_start();
    let Some(end) = memchr::memchr(b'\n', text) else {
        return Ok(named);
    };
    let (line, rest) = text.split_at(end);
    match serde_json::from_slice::<IgnoredAny>(line) {
        Ok(_) => Ok(named || !rest.trim_ascii().is_empty()),
        // One document over several lines.
        Err(error) if named && error.is_eof() => Ok(!is_one_value(file)?),
        Err(_) => Ok(named),
    }
}

fn is_one_value(file: &File) -> std::io::Result<bool> {
    let length = file.metadata()?.len();
    if length > DOCUMENT_BYTES_MAX {
        return Ok(false);
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    Ok(serde_json::from_slice::<IgnoredAny>(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"resourceType":"Patient","id":"é"}"#;

    fn lines(name: &str, text: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        holds_lines(&File::open(&path).unwrap(), name).unwrap()
    }

    #[test]
    fn the_first_line_says_whether_there_are_more_and_else_the_name() {
        let pretty = LINE.replace(',', ",\n ");
        for (name, text, wanted) in [
            ("a.ndjson", format!("{LINE}\n{LINE}\n"), true),
            ("a.jsonl", LINE.to_owned(), true),
            ("a.json", LINE.to_owned(), false),
            ("a.json", format!("{LINE}\n"), false),
            ("a.json", format!("\u{feff}{LINE}\n{LINE}"), true),
            ("a.gz", format!("{LINE}\n{LINE}"), true),
            ("a.json", pretty.clone(), false),
            ("a.ndjson", format!("\n{pretty}\n"), false),
            // The first of several is cut off.
            ("a.ndjson", format!("{{\"a\":\n{LINE}\n{LINE}"), true),
            ("a.ndjson", String::new(), true),
        ] {
            assert_eq!(lines(name, &text), wanted, "{name} {text}");
        }
    }

    #[test]
    fn utf_16_becomes_the_same_text_and_half_a_character_is_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            let path = folder.path().join("a.json");
            std::fs::write(&path, bytes).unwrap();
            let mut text = Vec::new();
            let made = as_utf8(File::open(&path).unwrap(), folder.path())?;
            let mut filled = vec![0; usize::try_from(made.metadata()?.len()).unwrap()];
            made.read_exact_at(&mut filled, 0)?;
            text.extend_from_slice(&filled);
            Ok::<_, std::io::Error>(String::from_utf8(text).unwrap())
        };
        let long = format!("{LINE}\n").repeat(9_000);
        for text in [LINE, &long] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            for bytes in [
                text.as_bytes().to_vec(),
                [&b"\xff\xfe"[..], &little].concat(),
                [&b"\xfe\xff"[..], &big].concat(),
                little.clone(),
                big,
            ] {
                assert_eq!(read(&bytes).unwrap(), text);
            }
            let cut = &little[..little.len() - 1];
            assert_eq!(
                read(cut).unwrap_err().kind(),
                std::io::ErrorKind::InvalidData
            );
        }
    }

    #[test]
    fn what_may_hold_resources_is_known_by_its_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let utf16: Vec<u8> = LINE.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (name, bytes, said) in [
            ("a.zip", &b"PK\x03\x04...."[..], true),
            ("a.ndjson.bz2", b"BZh91AY", true),
            ("a.ndjson.part", LINE.as_bytes(), true),
            ("extract", utf16.as_slice(), true),
            ("a.xml", b"<Bundle xmlns=\"http://hl7.org/fhir\">", true),
            ("letter.docx", b"PK\x03\x04....", false),
            ("readme.txt", b"Extract of Monday: 3 files", false),
            ("settings.ini", b"[default]\na = {}", false),
            ("sums.sha256", b"e3b0c442 a.ndjson", false),
            ("empty", b"", false),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(unread(&path, name).is_some(), said, "{name}");
        }
    }
}
