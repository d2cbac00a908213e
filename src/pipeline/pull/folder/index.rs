//! What one extract holds: type, id and place of every resource, without its content.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::limits;
use crate::fhir::{patient, people, service_request};
use crate::path::Json;
use crate::seal::Digest;
use crate::store::rows::RawKind;

/// Where a resource lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) file: u32,
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// A resource's place, and what tells the newest of several.
pub(super) struct Indexed {
    pub(super) spot: Spot,
    /// An Organization with an ODS code.
    pub(super) coded: bool,
    pub(super) last_updated: Option<Box<str>>,
}

/// The index of one extract.
#[derive(Default)]
pub(super) struct Index {
    pub(super) requests: Vec<(Box<str>, Indexed)>,
    pub(super) records: HashMap<(RawKind, Box<str>), Indexed>,
    pub(super) by_nhs_number: HashMap<Box<str>, Box<str>>,
    pub(super) by_full_url: HashMap<Box<str>, Spot>,
    /// Resources of other types.
    pub(super) others: u64,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// SHA-256 of the file.
    pub(super) digest: Digest,
}

impl Index {
    /// Indexes one extract. A file named `.ndjson` holds a resource a line, any other one JSON document.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn of(file: u32, name: &str, handle: &File) -> std::io::Result<Self> {
        let mut index = Self::default();
        index.digest = index.read_extract(file, name, handle)?;
        Ok(index)
    }

    fn read_extract(&mut self, file: u32, name: &str, handle: &File) -> std::io::Result<Digest> {
        let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let ndjson = name.contains(".ndjson");
        let mut reader = BufReader::with_capacity(
            1 << 20,
            Cursor {
                file: handle,
                at: 0,
            },
        );
        let mut line = Vec::new();
        let (mut offset, mut number) = (0_u64, 0_u64);
        if ndjson {
            loop {
                line.clear();
                let limit = u64::try_from(limits::RESOURCE_BYTES_MAX).unwrap_or(u64::MAX) + 2;
                let read = reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
                if read == 0 {
                    break;
                }
                number += 1;
                digest.update(&line);
                let place = Place::file(name).line(number);
                if line.trim_ascii().len() > limits::RESOURCE_BYTES_MAX {
                    let what =
                        format!("a line is longer than {} bytes", limits::RESOURCE_BYTES_MAX);
                    self.note(Diagnostic::new(Code::Unreadable, what, place));
                } else if !line.trim_ascii().is_empty() {
                    self.index_document(
                        &line,
                        Spot {
                            file,
                            offset,
                            length: u32::try_from(read).unwrap_or(u32::MAX),
                        },
                        &place,
                    );
                }
                offset += u64::try_from(read).unwrap_or(0);
            }
        } else {
            let bytes_max = limits::EXTRACT_BYTES_MAX.min(64 * 1024 * 1024);
            reader.take(bytes_max + 1).read_to_end(&mut line)?;
            digest.update(&line);
            let place = Place::file(name);
            if u64::try_from(line.len()).is_ok_and(|length| length > bytes_max) {
                self.note(Diagnostic::new(
                    Code::Unreadable,
                    format!("a document is longer than {bytes_max} bytes"),
                    place,
                ));
            } else {
                self.index_document(
                    &line,
                    Spot {
                        file,
                        offset,
                        length: u32::try_from(line.len()).unwrap_or(u32::MAX),
                    },
                    &place,
                );
            }
        }
        let mut out = [0; 32];
        out.copy_from_slice(digest.finish().as_ref());
        Ok(out)
    }

    fn index_document(&mut self, bytes: &[u8], spot: Spot, place: &Place) {
        let tree = match Json::parse(bytes) {
            Ok(tree) => tree,
            Err(error) => {
                let line = place.clone().and(format!(
                    "line {}, column {} of the text",
                    error.line, error.column
                ));
                self.note(Diagnostic::new(Code::Unreadable, error.what, line));
                return;
            }
        };
        match tree.get("resourceType").and_then(Json::as_str) {
            Some("Bundle") => self.index_bundle(bytes, spot, place),
            Some(kind) => self.index_resource(kind, &tree, spot, None, place),
            None => self.note(Diagnostic::new(
                Code::NotAResource,
                "a JSON document without resourceType",
                place.clone(),
            )),
        }
    }

    fn index_bundle(&mut self, bytes: &[u8], spot: Spot, place: &Place) {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        let parsed: Result<BundleText<'_>, _> =
            serde_json::from_str(text.trim_start_matches('\u{feff}'));
        let Ok(bundle) = parsed else {
            self.note(Diagnostic::new(
                Code::BadResource,
                "a Bundle whose entry is no list of objects",
                place.clone(),
            ));
            return;
        };
        for (number, entry) in bundle.entry.iter().enumerate() {
            let Some(resource) = entry.resource else {
                continue;
            };
            let place = place.clone().and(format!("entry {number}"));
            let offset = (resource.get().as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
            let inner = Spot {
                file: spot.file,
                offset: spot.offset + u64::try_from(offset).unwrap_or(0),
                length: u32::try_from(resource.get().len()).unwrap_or(u32::MAX),
            };
            let Ok(tree) = Json::parse(resource.get().as_bytes()) else {
                self.note(Diagnostic::new(
                    Code::Unreadable,
                    "an entry of a Bundle cannot be read",
                    place,
                ));
                continue;
            };
            let kind = tree
                .get("resourceType")
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned();
            self.index_resource(&kind, &tree, inner, entry.full_url.as_deref(), &place);
        }
    }

    fn index_resource(
        &mut self,
        kind: &str,
        tree: &Json<'_>,
        spot: Spot,
        full_url: Option<&str>,
        place: &Place,
    ) {
        if let Some(url) = full_url {
            self.by_full_url.insert(Box::from(url), spot);
        }
        let id: Option<Box<str>> = service_request::id(tree).map(Box::from);
        let coded = kind == "Organization" && people::ods_code(tree).is_some();
        let indexed = Indexed {
            spot,
            coded,
            last_updated: service_request::last_updated(tree).map(Box::from),
        };
        let kind = match kind {
            "ServiceRequest" => {
                let Some(id) = id.or_else(|| full_url.map(Box::from)) else {
                    self.note(Diagnostic::new(
                        Code::BadResource,
                        "a ServiceRequest without id",
                        place.clone(),
                    ));
                    return;
                };
                self.requests.push((id, indexed));
                return;
            }
            "Patient" => RawKind::Patient,
            "Practitioner" => RawKind::Practitioner,
            "PractitionerRole" => RawKind::PractitionerRole,
            "Organization" => RawKind::Organization,
            "Consent" => RawKind::Consent,
            _ => {
                self.others += 1;
                return;
            }
        };
        let Some(id) = id else { return };
        if kind == RawKind::Patient {
            for number in patient::nhs_number_texts(tree) {
                self.by_nhs_number.insert(Box::from(number), id.clone());
            }
        }
        let known = self.records.get(&(kind, id.clone()));
        if known.is_none_or(|known| known.last_updated <= indexed.last_updated) {
            self.records.insert((kind, id), indexed);
        }
    }

    fn note(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < limits::DIAGNOSTICS_MAX {
            self.diagnostics.push(diagnostic);
        }
    }
}

#[derive(serde::Deserialize)]
struct BundleText<'a> {
    #[serde(borrow, default)]
    entry: Vec<EntryText<'a>>,
}

#[derive(serde::Deserialize)]
struct EntryText<'a> {
    #[serde(borrow, default, rename = "fullUrl")]
    full_url: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    resource: Option<&'a serde_json::value::RawValue>,
}

/// Reads a file from its start without moving a position that others share.
struct Cursor<'f> {
    file: &'f File,
    at: u64,
}

impl Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}
