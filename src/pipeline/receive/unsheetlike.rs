//! What a partner has put in that is no sheet of text: told by what it is and by its first bytes, never by its name, and answered with how to save it.

use crate::diagnostics::Code;
use crate::pipeline::event::Unusable;
use crate::transport::{Candidate, CandidateKind, TransportError};

/// Bytes at either end of a file in which the names of an archive's members are looked for: its list of them stands at the end.
const LOOKED_AT: usize = 64 * 1024;

/// What a partner can do with a workbook of any kind.
const SAVE_AS_CSV: &str = "Open it in your spreadsheet, save it as CSV and send it again";
/// What a partner can do where somebody sent no sheet at all.
const SEND_OUR_SHEET: &str = "Fill in our sheet, save it as CSV and send that";

/// What a file is, if its bytes say that it is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileForm {
    Workbook,
    OldWorkbook,
    OpenDocument,
    Numbers,
    Locked,
    Pdf,
    Document,
    Picture,
    Archive,
}

impl FileForm {
    fn of(bytes: &[u8]) -> Option<Self> {
        let starts: [(&[u8], Self); 9] = [
            (b"%PDF", Self::Pdf),
            (b"{\\rtf", Self::Document),
            (b"\x89PNG", Self::Picture),
            (b"\xFF\xD8\xFF", Self::Picture),
            (b"GIF8", Self::Picture),
            (b"\x1F\x8B", Self::Archive),
            (b"7z\xBC\xAF\x27\x1C", Self::Archive),
            (b"Rar!\x1A", Self::Archive),
            (b"BZh", Self::Archive),
        ];
        if bytes.starts_with(b"PK\x03\x04") {
            return Some(Self::of_archive(bytes));
        }
        if bytes.starts_with(b"\xD0\xCF\x11\xE0") {
            let of_two_bytes: Vec<u8> = "EncryptedPackage"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect();
            let locked = holds(bytes, &of_two_bytes);
            return Some(if locked {
                Self::Locked
            } else {
                Self::OldWorkbook
            });
        }
        let known = |(start, _): &&(&[u8], Self)| bytes.starts_with(start);
        starts.iter().find(known).map(|(_, form)| *form)
    }

    /// A zip archive, by the names of its members.
    fn of_archive(bytes: &[u8]) -> Self {
        let members: [(&[u8], Self); 5] = [
            (b"xl/workbook", Self::Workbook),
            (b"opendocument.spreadsheet", Self::OpenDocument),
            (b"Index/Tables/", Self::Numbers),
            (b"Index/Document.iwa", Self::Numbers),
            (b"word/document.xml", Self::Document),
        ];
        let named = members.iter().find(|(name, _)| holds(bytes, name));
        named.map_or(Self::Archive, |(_, form)| *form)
    }

    /// What is wrong, and what the partner can do.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Workbook => ("This is an Excel workbook, and we read CSV", SAVE_AS_CSV),
            Self::OldWorkbook => (
                "This is an old Excel workbook or an old document, and we read CSV",
                SAVE_AS_CSV,
            ),
            Self::OpenDocument => (
                "This is an OpenDocument spreadsheet, and we read CSV",
                SAVE_AS_CSV,
            ),
            Self::Numbers => (
                "This is a Numbers spreadsheet, and we read CSV",
                "Open it in Numbers, export it to CSV and send that file",
            ),
            Self::Locked => (
                "This workbook has a password, so we cannot read it",
                "Take the password off, save the sheet as CSV and send it again",
            ),
            Self::Pdf => ("This is a PDF, and we read CSV", SEND_OUR_SHEET),
            Self::Document => ("This is a text document, and we read CSV", SEND_OUR_SHEET),
            Self::Picture => ("This is a picture, and we read CSV", SEND_OUR_SHEET),
            Self::Archive => (
                "This is a packed archive, and we do not open those",
                "Take the sheet out, save it as CSV and send that file",
            ),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Locked => "protected",
            _ => "file-unread:not-text",
        }
    }
}

/// Whether one end of a file holds these bytes.
fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    let end = bytes.len().saturating_sub(LOOKED_AT);
    let ends = [bytes.get(..LOOKED_AT).unwrap_or(bytes), &bytes[end..]];
    ends.iter()
        .any(|part| part.windows(wanted.len()).any(|piece| piece == wanted))
}

/// Why a file cannot be used, if its bytes say that it is no text.
pub(super) fn by_its_bytes(bytes: &[u8]) -> Option<Unusable> {
    if bytes.is_empty() {
        let (why, to_do) = (
            "The file has been empty for a day",
            "Save your sheet again as CSV and send it again",
        );
        return Some(unusable("file-unread:empty", why, to_do));
    }
    let form = FileForm::of(bytes)?;
    let (why, to_do) = form.words();
    Some(unusable(form.kind(), why, to_do))
}

/// Why something was not opened; `None` where the next run may open it.
pub(super) fn not_opened(candidate: &Candidate, error: &TransportError) -> Option<Unusable> {
    let (kind, why, to_do) = match (candidate.kind, error) {
        (CandidateKind::File, TransportError::Forbidden { .. }) => (
            "file-unread:forbidden",
            "We are not allowed to open this file",
            "Copy your sheet and send the copy. If that fails too, ring us",
        ),
        (CandidateKind::File, _) => return None,
        (CandidateKind::Folder, _) => (
            "file-unread:folder",
            "This is a folder, and we read single files",
            "Send the sheet by itself, saved as CSV",
        ),
        (CandidateKind::Symlink, _) => (
            "file-unread:link",
            "This is a link, and we do not follow links",
            "Send the sheet itself, saved as CSV",
        ),
        (CandidateKind::HardLink, _) => (
            "file-unread:link",
            "This file has a second name elsewhere, so we did not open it",
            "Copy the sheet, and send the copy",
        ),
        (CandidateKind::Special, _) => (
            "file-unread:device",
            "This is no file",
            "Send the sheet itself, saved as CSV",
        ),
    };
    let mut unusable = unusable(kind, why, to_do);
    if candidate.kind != CandidateKind::File {
        unusable.code = Code::ReturnUnsafe;
    }
    Some(unusable)
}

fn unusable(kind: &'static str, why: &str, to_do: &'static str) -> Unusable {
    Unusable {
        code: Code::ReturnUnreadable,
        kind,
        why: why.to_owned(),
        to_do,
        limit: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_by_its_bytes_and_answered_with_how_to_save_it() {
        let locked: Vec<u8> = b"\xD0\xCF\x11\xE0"
            .iter()
            .copied()
            .chain(
                b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0"
                    .iter()
                    .copied(),
            )
            .collect();
        let padded = [
            b"PK\x03\x04".to_vec(),
            vec![b'x'; 200_000],
            b"xl/workbook.xml".to_vec(),
        ]
        .concat();
        for (bytes, form) in [
            (
                b"PK\x03\x04..mimetypeapplication/vnd.oasis.opendocument.spreadsheet".as_slice(),
                Some(FileForm::OpenDocument),
            ),
            (b"PK\x03\x04..Index/Document.iwa", Some(FileForm::Numbers)),
            (b"PK\x03\x04..word/document.xml", Some(FileForm::Document)),
            (b"PK\x03\x04..returns.csv", Some(FileForm::Archive)),
            (&padded, Some(FileForm::Workbook)),
            (&locked, Some(FileForm::Locked)),
            (b"\xD0\xCF\x11\xE0Workbook", Some(FileForm::OldWorkbook)),
            (b"%PDF-1.7", Some(FileForm::Pdf)),
            (b"\x89PNG\r\n", Some(FileForm::Picture)),
            (b"\x1F\x8B\x08", Some(FileForm::Archive)),
            (b"Our ref,Name\n", None),
            (b"P", None),
        ] {
            assert_eq!(FileForm::of(bytes), form);
            if let Some(unusable) = by_its_bytes(bytes) {
                assert!(unusable.to_do.contains("CSV"), "{}", unusable.to_do);
            }
        }
        assert_eq!(by_its_bytes(b"").unwrap().kind, "file-unread:empty");
        assert_eq!(by_its_bytes(&locked).unwrap().kind, "protected");
        assert!(by_its_bytes(b"Our ref,Name\n").is_none());
    }
}
