//! What a piece of an extract holds: type, id and place of every resource, without its content.
//!
//! In: a piece of a file, whole lines of one resource each, or one JSON document. Out: a [`Part`] of the catalogue, and
//! what could not be used, with its line. Kept: pieces depend on nothing but their bytes, so they are read in any order,
//! by many at once.

use super::files::Extract;
use super::gaps::SavedPage;
use super::lookup_table::{BundleId, Entry, Key, Keys, NameScope, Named, Numbered, Spot};
use super::segments::Lines;
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::limits;
use crate::fhir::resources::bundle::array_texts;
use crate::fhir::resources::bundle_claims::{holds_resource, wraps_resource};
use crate::fhir::resources::operation_outcome::says_incomplete;
use crate::fhir::resources::outline::{Outline, Overview, may_be_needed};
use crate::fhir::resources::{patient, practitioner, resource};
use crate::json::{Arena, Json, ValueCache, nests_within};
use crate::store::rows::RawKind;

/// Bytes of an extract that is one document: it is read whole.
pub(super) const DOCUMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a piece holds.
#[derive(Default)]
pub(super) struct Part {
    pub(super) requests: Vec<Entry>,
    pub(super) records: Vec<Entry>,
    /// By NHS number, at which place of this part's records.
    pub(super) numbers: Vec<Numbered>,
    /// By a further name, the same.
    pub(super) aliases: Vec<Numbered>,
    /// Names in the file set of records that have their names in a Bundle.
    pub(super) locals: Vec<LocalName>,
    /// The origins of entries of Bundles; an entry's 0 is the file's own set, and 1 the first of these.
    pub(super) origins: Vec<RecordOrigin>,
    pub(super) deletions: Vec<Deletion>,
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
    /// How often something says that a part is missing.
    pub(super) told_missing: u64,
    /// Bundles that are pages of an answer.
    pub(super) pages: Vec<SavedPage>,
}

/// What a record of a Bundle without a server's address is called in its file set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LocalName {
    /// What says whose it is by references alone: looked at once everything else is settled.
    pub(super) by_reference: bool,
    pub(super) key: Key,
    /// The place of the record.
    pub(super) record: u32,
    /// Whether others of the file set may mean it by that name.
    pub(super) open: bool,
}

/// Where a resource came from, and so where its references lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordOrigin {
    pub(super) set: u16,
    /// The Bundle that it stands in, and those around it whose ids are the same server's.
    pub(super) bundles: Box<[BundleId]>,
    /// The base URL of its `fullUrl`, as it is compared.
    pub(super) base: Option<Box<str>>,
    /// The Bundle holds all that its entries refer to: a message, a document, a transaction.
    pub(super) closed: bool,
}

impl RecordOrigin {
    /// A resource by itself in a file of this set.
    pub(super) fn of_set(set: u16) -> Self {
        Self {
            set,
            bundles: Box::default(),
            base: None,
            closed: false,
        }
    }

    /// Whether its ids hold in its Bundle alone.
    pub(super) fn local(&self) -> bool {
        self.base.is_none() && !self.bundles.is_empty()
    }

    /// Where a name without an address holds, the nearest first.
    pub(super) fn scopes(&self) -> Vec<NameScope<'_>> {
        match &self.base {
            Some(base) => vec![NameScope::Server(self.set, base)],
            None if self.bundles.is_empty() => vec![NameScope::FileSet(self.set)],
            None => self
                .bundles
                .iter()
                .copied()
                .map(NameScope::Bundle)
                .collect(),
        }
    }
}

/// A resource that the source says it deleted.
#[derive(Clone)]
pub(super) struct Deletion {
    pub(super) kind: RawKind,
    pub(super) id: Box<str>,
    pub(super) origin: RecordOrigin,
    /// As written.
    pub(super) when: Option<Box<str>>,
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
    pub(super) keys: &'f Keys,
    file: u16,
    set: u16,
    /// Whether a first look is enough: somebody will parse all of it.
    first_looks: bool,
    json_depth_max: usize,
    pub(super) part: Part,
    /// Of the piece, while it has lines.
    pub(super) line: Option<u64>,
    /// What stands beside the numbers of patients.
    beside_numbers: ValueCache,
}

impl<'f> Indexer<'f> {
    /// Indexes the whole lines that begin in a piece of a file.
    pub(super) fn lines(
        (keys, json_depth_max): (&'f Keys, usize),
        (file, set): (u16, u16),
        first_looks: bool,
        lines: &mut Lines<'_>,
    ) -> Part {
        let mut indexer = Self::new(keys, json_depth_max, (file, set));
        indexer.first_looks = first_looks;
        while let Some(line) = lines.next_line() {
            indexer.part.lines += 1;
            indexer.line = Some(indexer.part.lines);
            if line.too_long {
                let limit = lines.line_bytes_max;
                let what =
                    format!("a line is longer than {limit} bytes: [limits] resource_bytes_max");
                indexer.too_long(line.bytes, what);
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
        (file, set): (u16, u16),
        extract: &Extract,
    ) -> std::io::Result<Part> {
        let mut indexer = Self::new(keys, json_depth_max, (file, set));
        if extract.bytes > DOCUMENT_BYTES_MAX {
            let what = format!("a document is longer than {DOCUMENT_BYTES_MAX} bytes");
            indexer.too_long(&super::segments::read_head(extract)?, what);
        } else {
            let bytes = crate::pipeline::pull::folder::segments::read_all(extract)?;
            indexer.document(&bytes, 0);
        }
        Ok(indexer.part)
    }

    fn new(keys: &'f Keys, json_depth_max: usize, (file, set): (u16, u16)) -> Self {
        Self {
            keys,
            file,
            set,
            first_looks: false,
            json_depth_max,
            part: Part::default(),
            line: None,
            beside_numbers: ValueCache::default(),
        }
    }

    /// What is too long to be read: no harm where its beginning says that no referral needs it.
    fn too_long(&mut self, head: &[u8], what: String) {
        if may_be_needed(head) {
            self.note(Code::Unreadable, what, None);
        } else {
            self.part.others += 1;
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
                let Some(id) = outline.id else {
                    return self.nameless(None);
                };
                self.date(outline.last_updated);
                let record = self.add_record(RawKind::Patient, id, spot, false);
                outline.each_nhs_number(|number| self.add_number(number, record));
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
            Some("Bundle") => self.bundle(bytes, spot, &[], 1),
            Some(kind) => self.resource(kind, &tree, spot),
            None if matches!(tree, Json::Array(_)) => self.array(bytes, spot),
            None if holds_resource(&tree) || !matches!(tree, Json::Object(_) | Json::Array(_)) => {
                let what = "a JSON document that is no resource";
                self.note(Code::Unreadable, what, None);
            }
            None => self.note(
                Code::NotAResource,
                "a JSON document without resourceType",
                None,
            ),
        }
    }

    /// Resources in a list: each as if it stood by itself.
    fn array(&mut self, bytes: &[u8], spot: Spot) {
        let elements = array_texts(bytes).unwrap_or_default();
        let arena = Arena::default();
        let parsed = elements
            .iter()
            .map(|text| Json::parse(text.as_bytes(), &arena).ok());
        let trees: Vec<Option<Json<'_>>> = parsed.collect();
        let kind = |tree: &Option<Json<'_>>| {
            let kind = resource::resource_type(tree.as_ref()?)?;
            Some(kind.to_owned())
        };
        if trees.iter().all(|tree| kind(tree).is_none()) {
            return self.note(Code::NotAResource, "a list without resources", None);
        }
        for (number, (text, tree)) in elements.iter().zip(&trees).enumerate() {
            let inner = within(spot, bytes, text);
            match (kind(tree).as_deref(), tree) {
                (Some("Bundle"), _) => self.bundle(text.as_bytes(), inner, &[], 1),
                (Some(kind), Some(tree)) => self.resource(kind, tree, inner),
                _ => {
                    let place = Some(format!("element {number}"));
                    let what = "an element of a list is no resource";
                    self.note(Code::BadResource, what, place);
                }
            }
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

    /// A resource that stands by itself in a file.
    fn resource(&mut self, kind: &str, tree: &Json<'_>, spot: Spot) {
        if kind == "ServiceRequest" {
            self.date(resource::last_updated(tree));
            return self.add_request(resource::id(tree), spot);
        }
        let Some(record) = record_kind(kind) else {
            return self.other(kind, tree, None);
        };
        let Some(id) = resource::id(tree) else {
            return self.nameless(None);
        };
        self.date(resource::last_updated(tree));
        let place = self.add_record(record, id, spot, is_coded(record, tree));
        if record == RawKind::Patient {
            for number in patient::every_nhs_number(tree) {
                self.add_number(&number, place);
            }
        }
    }

    fn add_request(&mut self, id: Option<&str>, spot: Spot) {
        let Some(id) = id else {
            return self.without_id(None);
        };
        let scope = NameScope::FileSet(self.set);
        let key = self.keys.of(Named::Request, scope, id);
        self.part.requests.push(Entry::new(key, spot));
    }

    pub(super) fn without_id(&mut self, place: Option<String>) {
        self.note(Code::BadResource, "a ServiceRequest without id", place);
    }

    /// A resource of a type that no referral is made of.
    pub(super) fn other(&mut self, kind: &str, tree: &Json<'_>, place: Option<String>) {
        match kind {
            "OperationOutcome" if says_incomplete(tree) => {
                let what = "an OperationOutcome says that something is missing";
                self.note(Code::ExtractIncomplete, what, place);
            }
            "" => self.note(
                Code::BadResource,
                "an entry of a Bundle that is no resource",
                place,
            ),
            _ if wraps_resource(kind, tree) => {
                self.note(Code::BadResource, "resources within Parameters", place);
            }
            _ => self.part.others += 1,
        }
    }

    pub(super) fn nameless(&mut self, place: Option<String>) {
        let what = "a record of a referral without id";
        self.note(Code::BadResource, what, place);
    }

    /// Adds a record; gives its place in the part.
    fn add_record(&mut self, kind: RawKind, id: &str, spot: Spot, coded: bool) -> u32 {
        let scope = NameScope::FileSet(self.set);
        let entry = Entry::new(self.keys.of(Named::Record(kind), scope, id), spot);
        self.push_record(Entry { coded, ..entry })
    }

    pub(super) fn push_record(&mut self, entry: Entry) -> u32 {
        let place = u32::try_from(self.part.records.len()).unwrap_or(u32::MAX);
        self.part.records.push(entry);
        place
    }

    fn add_number(&mut self, number: &str, record: u32) {
        self.add_number_in(NameScope::FileSet(self.set), number, record);
    }

    pub(super) fn add_number_in(&mut self, scope: NameScope<'_>, number: &str, record: u32) {
        let key = self.keys.of(Named::NhsNumber, scope, number);
        self.part.numbers.push(Numbered { key, record });
    }

    /// The set of the file.
    pub(super) fn set(&self) -> u16 {
        self.set
    }

    pub(super) fn date(&mut self, last_updated: Option<&str>) {
        if last_updated > self.part.newest.as_deref() {
            self.part.newest = last_updated.map(Box::from);
        }
    }

    pub(super) fn note(&mut self, code: Code, what: impl Into<String>, detail: Option<String>) {
        match code {
            Code::NotAResource => {}
            Code::ExtractIncomplete => self.part.told_missing += 1,
            _ => self.part.unreadable += 1,
        }
        // As many as a setting may keep of all.
        if self.part.notes.len() as u64 >= limits::DIAGNOSTICS.most {
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

/// The kind of a record that a referral may name.
pub(super) fn record_kind(resource_type: &str) -> Option<RawKind> {
    RawKind::ALL
        .into_iter()
        .filter(|kind| *kind != RawKind::ServiceRequest)
        .find(|kind| kind.resource_type() == resource_type)
}

/// Whether it is an Organization with an ODS code.
pub(super) fn is_coded(kind: RawKind, tree: &Json<'_>) -> bool {
    kind == RawKind::Organization && practitioner::ods_code(tree).is_some()
}

/// The place of a text that stands within other bytes, whose place is known.
pub(super) fn within(spot: Spot, bytes: &[u8], text: &str) -> Spot {
    let offset = (text.as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
    Spot {
        offset: spot.offset + u64::try_from(offset).unwrap_or(0),
        length: u32::try_from(text.len()).unwrap_or(u32::MAX),
        ..spot
    }
}
