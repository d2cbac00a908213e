//! What a piece of an extract holds: type, id and place of every resource, without its content.
//!
//! In: a piece of a file, whole lines of one resource each, or one JSON document. Out: a [`Part`] of the catalogue, and
//! what could not be used, with its line. Kept: pieces depend on nothing but their bytes, so they are read in any order,
//! by many at once.

use super::files::Extract;
use super::lookup_table::{Entry, Key, Keys, Named, Numbered, Spot};
use super::segments::Lines;
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::fhir::resources::bundle::entry_texts;
use crate::fhir::resources::outline::{Outline, Overview};
use crate::fhir::resources::{patient, practitioner, resource};
use crate::json::{Arena, Json, ValueCache, nests_within};
use crate::store::rows::RawKind;

/// Bytes of an extract that is one document: it is read whole.
const DOCUMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Notes kept of one piece of a file: as many as a setting may keep of all.
const NOTES_MAX: usize = 10_000;

/// What a piece holds.
#[derive(Default)]
pub(super) struct Part {
    pub(super) requests: Vec<Entry>,
    pub(super) records: Vec<Entry>,
    /// By NHS number, at which place of this part's records.
    pub(super) numbers: Vec<Numbered>,
    pub(super) full_urls: Vec<Entry>,
    /// Resources of other types.
    pub(super) others: u64,
    /// When the newest of them was written, as it says.
    pub(super) newest: Option<Box<str>>,
    pub(super) lines: u64,
    pub(super) notes: Vec<Note>,
    /// Notes beyond those.
    pub(super) more_notes: u64,
    /// How often something could not be read; what is no FHIR resource at all does not count.
    pub(super) unreadable: u64,
}

/// What could not be used, and where in the piece.
pub(super) struct Note {
    /// From 1, in the piece; none in a document.
    line: Option<u64>,
    code: Code,
    what: String,
    detail: Option<String>,
}

impl Note {
    /// The diagnostic, given the name of the file and the lines before the piece.
    pub(super) fn diagnostic(self, name: &str, lines_before: u64) -> Diagnostic {
        let mut place = Place::file(name);
        if let Some(line) = self.line {
            place = place.line(lines_before + line);
        }
        if let Some(detail) = self.detail {
            place = place.and(detail);
        }
        Diagnostic::new(self.code, self.what, place)
    }
}

/// Reads the pieces of one file.
pub(super) struct Indexer<'f> {
    keys: &'f Keys,
    file: u16,
    /// Whether a first look is enough: somebody will parse all of it.
    first_looks: bool,
    json_depth_max: usize,
    part: Part,
    /// Of the piece, while it has lines.
    line: Option<u64>,
    /// What stands beside the numbers of patients.
    beside_numbers: ValueCache,
}

impl<'f> Indexer<'f> {
    /// Indexes the whole lines that begin in a piece of a file.
    pub(super) fn lines(
        (keys, json_depth_max): (&'f Keys, usize),
        file: u16,
        first_looks: bool,
        lines: &mut Lines<'_>,
    ) -> Part {
        let mut indexer = Self::new(keys, json_depth_max, file);
        indexer.first_looks = first_looks;
        while let Some(line) = lines.next_line() {
            indexer.part.lines += 1;
            indexer.line = Some(indexer.part.lines);
            if line.too_long {
                let what = format!(
                    "a line is longer than {} bytes: [limits] resource_bytes_max",
                    lines.line_bytes_max
                );
                indexer.note(Code::Unreadable, what, None);
            } else if !line.bytes.trim_ascii().is_empty() {
                indexer.document(line.bytes, line.offset);
            }
        }
        indexer.part
    }

    /// Indexes a file that is one document.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn whole(
        (keys, json_depth_max): (&'f Keys, usize),
        file: u16,
        extract: &Extract,
    ) -> std::io::Result<Part> {
        let mut indexer = Self::new(keys, json_depth_max, file);
        if extract.bytes > DOCUMENT_BYTES_MAX {
            let what = format!("a document is longer than {DOCUMENT_BYTES_MAX} bytes");
            indexer.note(Code::Unreadable, what, None);
        } else {
            let bytes = crate::pipeline::pull::folder::segments::read_all(extract)?;
            indexer.document(&bytes, 0);
        }
        Ok(indexer.part)
    }

    fn new(keys: &'f Keys, json_depth_max: usize, file: u16) -> Self {
        Self {
            keys,
            file,
            first_looks: false,
            json_depth_max,
            part: Part::default(),
            line: None,
            beside_numbers: ValueCache::default(),
        }
    }

    fn document(&mut self, bytes: &[u8], offset: u64) {
        if !nests_within(bytes, self.json_depth_max) {
            let what = format!(
                "a resource nests more than {} levels deep: [limits] json_depth_max",
                self.json_depth_max
            );
            return self.note(Code::Unreadable, what, None);
        }
        let spot = Spot {
            file: self.file,
            offset,
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        };
        // Requests and patients are nearly all there is, and little of them is needed here.
        if self.first_looks && self.first_look(bytes, spot).is_some() {
            return;
        }
        let arena = Arena::default();
        match Outline::of(bytes, &arena) {
            Some(outline) if outline.resource_type == "ServiceRequest" => {
                self.date(outline.last_updated);
                return self.add_request(outline.id, spot);
            }
            Some(outline) if outline.resource_type == "Patient" => {
                if let Some(id) = outline.id {
                    self.date(outline.last_updated);
                    let record = self.add_record(RawKind::Patient, id, spot, false);
                    outline.each_nhs_number(|number| self.add_number(number, record));
                }
                return;
            }
            _ => {}
        }
        let tree = match Json::parse(bytes, &arena) {
            Ok(tree) => tree,
            Err(error) => {
                let place = format!("line {}, column {} of the text", error.line, error.column);
                return self.note(Code::Unreadable, error.what, Some(place));
            }
        };
        match resource::resource_type(&tree) {
            Some("Bundle") => self.bundle(bytes, spot),
            Some(kind) => self.resource(kind, &tree, spot, None, None),
            None => self.note(
                Code::NotAResource,
                "a JSON document without resourceType",
                None,
            ),
        }
    }

    /// Adds a request or patient at first sight; `None` wherever a second look is needed.
    fn first_look(&mut self, bytes: &[u8], spot: Spot) -> Option<()> {
        let look = Overview::at(bytes)?;
        let (kind, id) = (look.resource_type, look.id);
        if kind == "ServiceRequest" {
            self.add_request(Some(id), spot);
            return Some(());
        }
        if kind != "Patient" {
            return None;
        }
        let before = self.part.numbers.len();
        let record = u32::try_from(self.part.records.len()).ok()?;
        let mut beside = std::mem::take(&mut self.beside_numbers);
        let whole = look.each_nhs_number(&mut beside, |number| self.add_number(number, record));
        self.beside_numbers = beside;
        if !whole {
            self.part.numbers.truncate(before);
            return None;
        }
        self.add_record(RawKind::Patient, id, spot, false);
        self.part.records.last_mut()?.unchecked = true;
        Some(())
    }

    fn bundle(&mut self, bytes: &[u8], spot: Spot) {
        let Some(entries) = entry_texts(bytes) else {
            let what = "a Bundle whose entry is no list of objects";
            return self.note(Code::BadResource, what, None);
        };
        for (number, entry) in entries.iter().enumerate() {
            let Some(resource) = entry.resource else {
                continue;
            };
            let place = Some(format!("entry {number}"));
            let offset = (resource.get().as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
            let inner = Spot {
                offset: spot.offset + u64::try_from(offset).unwrap_or(0),
                length: u32::try_from(resource.get().len()).unwrap_or(u32::MAX),
                ..spot
            };
            let arena = Arena::default();
            let Ok(tree) = Json::parse(resource.get().as_bytes(), &arena) else {
                self.note(
                    Code::Unreadable,
                    "an entry of a Bundle cannot be read",
                    place,
                );
                continue;
            };
            let kind = resource::resource_type(&tree);
            self.resource(
                kind.unwrap_or_default(),
                &tree,
                inner,
                entry.full_url.as_deref(),
                place,
            );
        }
    }

    fn resource(
        &mut self,
        kind: &str,
        tree: &Json<'_>,
        spot: Spot,
        full_url: Option<&str>,
        place: Option<String>,
    ) {
        if let Some(url) = full_url {
            let key = self.keys.of(Named::FullUrl, url);
            self.part.full_urls.push(entry(key, spot));
        }
        let id = resource::id(tree);
        let coded = kind == "Organization" && practitioner::ods_code(tree).is_some();
        let record = match kind {
            "ServiceRequest" => {
                let Some(id) = id.or(full_url) else {
                    return self.without_id(place);
                };
                self.date(resource::last_updated(tree));
                return self.add_request(Some(id), spot);
            }
            "Patient" => RawKind::Patient,
            "Practitioner" => RawKind::Practitioner,
            "PractitionerRole" => RawKind::PractitionerRole,
            "Organization" => RawKind::Organization,
            "Consent" => RawKind::Consent,
            _ => {
                self.part.others += 1;
                return;
            }
        };
        let Some(id) = id else { return };
        self.date(resource::last_updated(tree));
        let place = self.add_record(record, id, spot, coded);
        if record == RawKind::Patient {
            for number in patient::nhs_number_texts(tree) {
                self.add_number(number, place);
            }
        }
    }

    fn add_request(&mut self, id: Option<&str>, spot: Spot) {
        let Some(id) = id else {
            return self.without_id(None);
        };
        let key = self.keys.of(Named::Request, id);
        self.part.requests.push(entry(key, spot));
    }

    fn without_id(&mut self, place: Option<String>) {
        self.note(Code::BadResource, "a ServiceRequest without id", place);
    }

    /// Adds a record; gives its place in the part.
    fn add_record(&mut self, kind: RawKind, id: &str, spot: Spot, coded: bool) -> u32 {
        let key = self.keys.of(Named::Record(kind), id);
        let place = u32::try_from(self.part.records.len()).unwrap_or(u32::MAX);
        self.part.records.push(Entry {
            key,
            spot,
            coded,
            unchecked: false,
        });
        place
    }

    fn add_number(&mut self, number: &str, record: u32) {
        let key = self.keys.of(Named::NhsNumber, number);
        self.part.numbers.push(Numbered { key, record });
    }

    fn date(&mut self, last_updated: Option<&str>) {
        if last_updated > self.part.newest.as_deref() {
            self.part.newest = last_updated.map(Box::from);
        }
    }

    fn note(&mut self, code: Code, what: impl Into<String>, detail: Option<String>) {
        self.part.unreadable += u64::from(code != Code::NotAResource);
        if self.part.notes.len() >= NOTES_MAX {
            self.part.more_notes += 1;
        } else {
            self.part.notes.push(Note {
                line: self.line,
                code,
                what: what.into(),
                detail,
            });
        }
    }
}

fn entry(key: Key, spot: Spot) -> Entry {
    Entry {
        key,
        spot,
        coded: false,
        unchecked: false,
    }
}
