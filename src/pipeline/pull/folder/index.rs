//! What one extract holds: type, id and place of every resource, without its content.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

use serde_json::value::RawValue;

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
        // Requests and patients are nearly all there is, and little of them is needed here.
        match Sketch::of(bytes) {
            Some(sketch) if sketch.kind == "ServiceRequest" => {
                let (id, last_updated) = (sketch.id.map(Box::from), sketch.last_updated());
                let indexed = Indexed {
                    spot,
                    coded: false,
                    last_updated,
                };
                return self.add_request(id, indexed, place);
            }
            Some(sketch) if sketch.kind == "Patient" => {
                if let Some(id) = sketch.id {
                    let (numbers, last_updated) = (sketch.nhs_numbers(), sketch.last_updated());
                    let indexed = Indexed {
                        spot,
                        coded: false,
                        last_updated,
                    };
                    self.add_record(RawKind::Patient, Box::from(id), indexed, numbers);
                }
                return;
            }
            _ => {}
        }
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
                let id = id.or_else(|| full_url.map(Box::from));
                return self.add_request(id, indexed, place);
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
        let numbers = if kind == RawKind::Patient {
            let numbers = patient::nhs_number_texts(tree);
            numbers.into_iter().map(Box::from).collect()
        } else {
            Vec::new()
        };
        self.add_record(kind, id, indexed, numbers);
    }

    fn add_request(&mut self, id: Option<Box<str>>, indexed: Indexed, place: &Place) {
        if let Some(id) = id {
            self.requests.push((id, indexed));
            return;
        }
        let what = "a ServiceRequest without id";
        self.note(Diagnostic::new(Code::BadResource, what, place.clone()));
    }

    /// Of records with one id in one extract the newest stands.
    fn add_record(
        &mut self,
        kind: RawKind,
        id: Box<str>,
        indexed: Indexed,
        numbers: Vec<Box<str>>,
    ) {
        for number in numbers {
            self.by_nhs_number.insert(number, id.clone());
        }
        match self.records.entry((kind, id)) {
            Entry::Vacant(free) => {
                free.insert(indexed);
            }
            Entry::Occupied(mut known) => {
                if known.get().last_updated <= indexed.last_updated {
                    known.insert(indexed);
                }
            }
        }
    }

    fn note(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < limits::DIAGNOSTICS_MAX {
            self.diagnostics.push(diagnostic);
        }
    }
}

/// What the index needs of a request or patient, read without building the rest.
#[derive(serde::Deserialize)]
struct Sketch<'a> {
    #[serde(borrow, rename = "resourceType")]
    kind: &'a str,
    #[serde(borrow, default)]
    id: Option<&'a str>,
    #[serde(borrow, default)]
    meta: Option<SketchMeta<'a>>,
    #[serde(borrow, default)]
    identifier: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
struct SketchMeta<'a> {
    #[serde(borrow, default, rename = "lastUpdated")]
    last_updated: Option<&'a str>,
}

impl<'a> Sketch<'a> {
    /// `None` wherever the careful way is needed: an error to be placed, an id with an escape or of another type.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let sketch: Self = serde_json::from_str(std::str::from_utf8(bytes).ok()?).ok()?;
        let plain = |text: Option<&str>| text.is_none_or(|text| !text.trim().is_empty());
        (plain(sketch.id) && plain(sketch.meta.as_ref().and_then(|meta| meta.last_updated)))
            .then_some(sketch)
    }

    fn last_updated(&self) -> Option<Box<str>> {
        self.meta
            .as_ref()?
            .last_updated
            .map(str::trim)
            .map(Box::from)
    }

    fn nhs_numbers(&self) -> Vec<Box<str>> {
        let Some(identifier) = self.identifier else {
            return Vec::new();
        };
        let text = identifier.get();
        let Ok(tree) = Json::parse(text.as_bytes()) else {
            return Vec::new();
        };
        let numbers = patient::nhs_numbers_of(Some(&tree));
        numbers.into_iter().map(Box::from).collect()
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
    resource: Option<&'a RawValue>,
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
