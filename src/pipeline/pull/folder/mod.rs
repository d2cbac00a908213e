//! Referrals from a folder of extracts: `*.json`, `*.ndjson`, `*.jsonl` and their `.gz`, folders below too.
//!
//! In: a read-only folder. Out: referrals in the order of file and line. Every file is read twice: once to index what it
//! holds (type, id, place), once where a referral or a record it names is needed, so memory grows with the number of
//! resources, not with their size. Nothing in the folder is moved or changed.

mod bundles;
mod file_form;
mod files;
#[cfg(test)]
mod gap_tests;
mod gaps;
#[cfg(test)]
mod identity_tests;
mod index;
mod late_check;
mod lookup_table;
mod merge;
#[cfg(test)]
mod performer_tests;
mod reader;
mod resolve;
#[cfg(test)]
mod same_name_tests;
mod segments;
mod sets;
mod versions;

use std::collections::HashMap;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use files::list;
pub(super) use files::unlinked_file;
use files::{Extract, ExtractListing};
use index::{Indexer, Part, RecordOrigin};
pub(crate) use late_check::Unreadable;
use lookup_table::Keys;
pub(crate) use lookup_table::Spot;
use merge::Gathered;
pub(crate) use reader::{Reader, Requests};
use resolve::NamedByRole;
use segments::{Lines, Piece};
use sets::FileSets;

use crate::diagnostics::{Code, Diagnostic, KeptDiagnostics, Place};
use crate::domain::encoding::hex;
use crate::domain::{Limits, how_to_raise, limits};
use crate::json::{Arena, Json};
use crate::pipeline::ingest::deleted_requests::DeletedRequest;
use crate::pipeline::ingest::load::StoredReferrals;
use crate::pipeline::referral::{Bytes, Doubt, IdScope, Referral};
use crate::pipeline::workers::{in_order, in_parallel};
use crate::seal::{Digest, sha256};

/// Workers that index for a pull.
const THREADS: usize = 2;
/// Practitioners, roles and practices kept in memory.
const SHARED_MAX: usize = 50_000;

/// Why a folder cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("the folder cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("the folder holds more than {} files", limits::EXTRACT_FILES_MAX)]
    TooManyFiles,
}

/// The place of no record: of an NHS number that several people have, which names none of them.
const SEVERAL: u32 = u32::MAX;

/// A folder of extracts, indexed.
pub(crate) struct Folder {
    extracts: Vec<Extract>,
    line_bytes_max: usize,
    json_depth_max: usize,
    keys: Keys,
    sets: FileSets,
    /// In the order of file and place.
    requests: Vec<RequestPlace>,
    /// Requests that the source says it deleted.
    deleted: Vec<DeletedRequest>,
    /// Base URLs that entries of a set name, as they are compared.
    servers: Vec<(u16, Box<str>)>,
    found: Gathered,
    /// Practitioners, roles and practices as read: many referrals name the same few.
    shared: Mutex<HashMap<Spot, Bytes>>,
    /// What each role names.
    roles: Mutex<HashMap<Spot, NamedByRole>>,
    digest: Digest,
    /// Whether lines were only looked at first: whoever maps them parses them.
    checks_late: bool,
    /// A bit for each record that was parsed since.
    were_read: Vec<AtomicU64>,
}

/// A request of the folder.
#[derive(Clone, Copy)]
struct RequestPlace {
    spot: Spot,
    /// Where its references are resolved: a place of the origins.
    origin: u32,
    /// Another request bears its name, and nobody can say which is meant.
    doubt: bool,
    /// The source says that it deleted it.
    deleted: bool,
}

impl StoredReferrals for Folder {
    fn request(&self, place: usize) -> std::io::Result<Bytes> {
        let request = self
            .requests
            .get(place)
            .ok_or(std::io::ErrorKind::NotFound)?;
        self.read(request.spot)
    }

    fn complete(
        &self,
        place: usize,
        request: Bytes,
        tree: Option<&Json<'_>>,
    ) -> std::io::Result<Referral> {
        let mut referral = Referral::of_request(request);
        let (Some(at), Some(tree)) = (self.requests.get(place), tree) else {
            return Ok(referral);
        };
        let places = self.places(place, tree)?;
        let (consent, consent_in_doubt) = self.consents(place, tree)?;
        let (performers, performer_in_doubt) = self.performers(at.origin, tree)?;
        referral.performers = performers;
        let own = |spot: Option<Spot>| spot.map(|spot| self.read(spot)).transpose();
        let shared = |spot: Option<Spot>| spot.map(|spot| self.read_shared(spot)).transpose();
        let origin = self.origin(at.origin);
        referral.ids = IdScope {
            place: self.place_name(origin.set, origin.base.as_deref()),
            one_bundle: origin.local(),
            doubt: match (
                at.doubt,
                places.doubt || consent_in_doubt || performer_in_doubt,
            ) {
                (true, _) => Doubt::Request,
                (false, true) => Doubt::Record,
                (false, false) => Doubt::None,
            },
            kept_as: None,
        };
        if referral.ids.doubt == Doubt::Request {
            // Two requests of the same words about two people are two.
            let person = self.person(tree, at.origin)?.unwrap_or_default();
            let place = referral.ids.place.as_deref().unwrap_or_default();
            let told = format!("{place}\n{}", hex(&sha256(&[&person])));
            referral.ids.place = Some(told.into());
        }
        referral.requester = shared(places.requester)?;
        referral.role = shared(places.role)?;
        referral.practice = shared(places.practice)?;
        referral.consent = consent;
        // Where anything is in doubt, nobody is named: decided again from what is kept, it is held again.
        if referral.ids.doubt == Doubt::None {
            referral.patient = own(places.patient)?;
        }
        Ok(referral)
    }

    fn place(&self, place: usize) -> Place {
        self.location(place)
    }
}

impl Folder {
    /// Where a referral lies.
    pub(crate) fn location(&self, place: usize) -> Place {
        let Some(RequestPlace { spot, .. }) = self.requests.get(place) else {
            return Place::default();
        };
        let name = self.extract(*spot).map_or("", |extract| &extract.name);
        Place::file(name).and(format!("byte {}", spot.offset))
    }

    /// Indexes a folder, or one file, and digests every file first; packed files are unpacked into unlinked files below
    /// `temporary`.
    ///
    /// # Errors
    /// The folder cannot be listed, or holds too many files.
    pub(crate) fn open(
        path: &Path,
        temporary: &Path,
        limits: &Limits,
    ) -> Result<Self, FolderError> {
        let mut folder = Self::empty(path, temporary, limits)?;
        // Before anything is read for its content: what is written meanwhile has another digest at the next run.
        let digests = in_parallel(folder.extracts.len(), THREADS, |(): &mut (), file| {
            digest(&folder.extracts[file])
        });
        let digests: Vec<Digest> = all(digests)?;
        let parts: Vec<&[u8]> = digests.iter().map(<[u8; 32]>::as_slice).collect();
        folder.digest = sha256(&parts);
        folder.index(THREADS)?;
        Ok(folder)
    }

    /// The same without digests, for who keeps no book of files; what stands in lines is only looked at first, and
    /// parsed by whoever maps it, at last by [`Folder::check_late`].
    ///
    /// # Errors
    /// The folder cannot be listed, or holds too many files.
    pub(crate) fn open_for_map(
        path: &Path,
        temporary: &Path,
        threads: usize,
        limits: &Limits,
    ) -> Result<Self, FolderError> {
        let mut folder = Self::empty(path, temporary, limits)?;
        folder.checks_late = true;
        folder.index(threads)?;
        let words = folder.found.records.values().len().div_ceil(64);
        folder.were_read.resize_with(words, AtomicU64::default);
        Ok(folder)
    }

    fn empty(path: &Path, temporary: &Path, limits: &Limits) -> Result<Self, FolderError> {
        let mut diagnostics = KeptDiagnostics::at_most(limits.diagnostics_max);
        let (mut extracts, mut unreadable) = (Vec::new(), 0);
        let ExtractListing {
            extracts: files,
            unread,
        } = files::survey(path)?;
        for (name, why) in unread {
            let what = format!("the extract holds {why}: it is not read");
            unreadable += 1;
            diagnostics.add(Diagnostic::new(
                Code::ExtractUnread,
                what,
                Place::file(name),
            ));
        }
        for (name, file) in files {
            match Extract::open(&name, &file, temporary, limits) {
                Ok(extract) => extracts.push(extract),
                Err(error) => {
                    let what = format!("a file of the extract cannot be read: {}", error.kind());
                    let unread = Diagnostic::new(Code::Unreadable, what, Place::file(name));
                    unreadable += 1;
                    diagnostics.add(match error.kind() {
                        std::io::ErrorKind::FileTooLarge => {
                            unread.fix(how_to_raise("bulk_file_bytes_max"))
                        }
                        _ => unread,
                    });
                }
            }
        }
        let sets = FileSets::of(extracts.iter().map(|extract| &*extract.name));
        let mut found = Gathered::after(diagnostics, unreadable);
        found.origins = sets.all().map(RecordOrigin::of_set).collect();
        Ok(Self {
            extracts,
            line_bytes_max: limits.resource_bytes_max,
            json_depth_max: limits.json_depth_max,
            keys: Keys::default(),
            sets,
            requests: Vec::new(),
            deleted: Vec::new(),
            servers: Vec::new(),
            found,
            shared: Mutex::new(HashMap::new()),
            roles: Mutex::new(HashMap::new()),
            digest: [0; 32],
            checks_late: false,
            were_read: Vec::new(),
        })
    }

    /// Reads every piece of every file, several at once, and puts together what they hold in the order of the files.
    fn index(&mut self, threads: usize) -> std::io::Result<()> {
        let pieces = segments::pieces(&self.extracts);
        let mut found = std::mem::take(&mut self.found);
        let mut order = pieces.iter();
        let folder = &*self;
        in_order(
            pieces.len(),
            threads,
            |buffer: &mut Vec<u8>, place| Ok(folder.part(pieces[place], buffer)?),
            |part| {
                let piece = order.next().ok_or_else(lost)?;
                Ok(found.take(folder, *piece, part)?)
            },
        )
        .map_err(|error| error.downcast().unwrap_or_else(|_| lost()))?;
        found.note_gaps(folder);
        self.found = found;
        self.settle()
    }

    /// The file set of a file.
    fn set_of(&self, file: usize) -> u16 {
        self.sets.of_file(u16::try_from(file).unwrap_or(u16::MAX))
    }

    /// What a piece of a file holds.
    fn part(&self, piece: Piece, buffer: &mut Vec<u8>) -> std::io::Result<Part> {
        let extract = &self.extracts[piece.file];
        let number = u16::try_from(piece.file).unwrap_or(u16::MAX);
        let number = (number, self.set_of(piece.file));
        if !extract.lines {
            return Indexer::whole((&self.keys, self.json_depth_max), number, extract);
        }
        let mut lines = Lines::read(extract, piece, buffer, self.line_bytes_max)?;
        Ok(Indexer::lines(
            (&self.keys, self.json_depth_max),
            number,
            self.checks_late,
            &mut lines,
        ))
    }

    /// SHA-256 over the SHA-256 of every file.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Referrals found, each id once.
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Requests that the source says it deleted.
    pub(crate) fn deleted(&self) -> &[DeletedRequest] {
        &self.deleted
    }

    /// Whether the source says that it deleted the request at this place.
    pub(crate) fn is_deleted(&self, index: usize) -> bool {
        self.requests.get(index).is_some_and(|at| at.deleted)
    }

    /// Requests whose id came again with newer content.
    pub(crate) fn superseded(&self) -> u64 {
        self.found.superseded
    }

    /// When the newest record of the extract was written, as it says; an extract cannot be asked for anything newer.
    pub(crate) fn newest(&self) -> Option<&str> {
        self.found.newest.as_deref()
    }

    /// Resources of types that are not referrals nor records of one.
    pub(crate) fn others(&self) -> u64 {
        self.found.others
    }

    /// What could not be used, as far as it is kept.
    pub(crate) fn diagnostics(&self) -> Vec<Diagnostic> {
        self.found.diagnostics.all()
    }

    /// Files and resources that could not be read; one that is no FHIR at all (a list of what the extract holds, say) does
    /// not count, for it takes nothing from what the pull can promise.
    pub(crate) fn unreadable_count(&self) -> u64 {
        self.found.unreadable
    }

    /// How often the folder says itself that something is missing.
    pub(crate) fn told_missing(&self) -> u64 {
        self.found.told_missing
    }

    /// Name of the file of a referral.
    pub(crate) fn file(&self, index: usize) -> Option<&str> {
        let extract = self.extract(self.requests.get(index)?.spot)?;
        Some(&extract.name)
    }

    fn extract(&self, spot: Spot) -> Option<&Extract> {
        self.extracts.get(usize::from(spot.file))
    }

    /// The referral at this place, with the records that it names and that the folder holds.
    pub(crate) fn referral(&self, index: usize) -> std::io::Result<Referral> {
        let request = self.request(index)?;
        let arena = Arena::default();
        let tree = Json::parse(&request, &arena).ok();
        self.complete(index, Arc::clone(&request), tree.as_ref())
    }

    /// The same kept in memory, for what many referrals name.
    pub(crate) fn read_shared(&self, spot: Spot) -> std::io::Result<Bytes> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = shared.get(&spot) {
            return Ok(Arc::clone(bytes));
        }
        let bytes = self.read(spot)?;
        if shared.len() < SHARED_MAX {
            shared.insert(spot, Arc::clone(&bytes));
        }
        Ok(bytes)
    }

    /// The bytes of what lies there.
    pub(crate) fn read(&self, spot: Spot) -> std::io::Result<Bytes> {
        let extract = self.extract(spot).ok_or(std::io::ErrorKind::NotFound)?;
        let mut bytes: Bytes = std::iter::repeat_n(0, spot.length as usize).collect();
        let fresh = Arc::get_mut(&mut bytes).ok_or_else(lost)?;
        extract.file.read_exact_at(fresh, spot.offset)?;
        Ok(bytes)
    }
}

/// What all workers gave; what one of them took along when it died is an error: the pull must not pass for whole.
fn all<T>(results: Vec<Option<std::io::Result<T>>>) -> std::io::Result<Vec<T>> {
    results
        .into_iter()
        .map(|result| result.unwrap_or_else(|| Err(lost())))
        .collect()
}

fn lost() -> std::io::Error {
    std::io::Error::other("an extract could not be indexed")
}

/// SHA-256 of a file.
fn digest(extract: &Extract) -> std::io::Result<Digest> {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    segments::each_block(extract, |block| digest.update(block))?;
    let mut out = [0; 32];
    out.copy_from_slice(digest.finish().as_ref());
    Ok(out)
}

#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_two_people_have_names_neither() {
        let patient = |id: &str| {
            format!(
                r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}]}}"#
            )
        };
        let request = r#"{"resourceType":"ServiceRequest","id":"r","subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}}"#;
        for (people, found) in [
            (vec!["a"], true),
            (vec!["a", "a"], true),
            (vec!["a", "b"], false),
            (vec!["a", "b", "b"], false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let lines: Vec<String> = people.iter().map(|id| patient(id)).collect();
            std::fs::write(folder.path().join("Patient.ndjson"), lines.join("\n")).unwrap();
            std::fs::write(folder.path().join("ServiceRequest.ndjson"), request).unwrap();
            let opened = Folder::open(
                folder.path(),
                &folder.path().join("tmp"),
                &Limits::default(),
            )
            .unwrap();
            let referral = opened.referral(0).unwrap();
            assert_eq!(referral.patient.is_some(), found, "{people:?}");
        }
    }

    #[test]
    fn names_of_extracts_are_blind_to_case() {
        let lines = "{\"resourceType\":\"ServiceRequest\",\"id\":\"a\"}\n{\"resourceType\":\"ServiceRequest\",\"id\":\"b\"}\n";
        let folder = tempfile::tempdir().unwrap();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, lines.replace("\"a\"", "\"c\"").as_bytes()).unwrap();
        std::fs::write(folder.path().join("ONE.NDJSON"), lines).unwrap();
        std::fs::write(
            folder.path().join("TWO.NDJSON.GZ"),
            packed.finish().unwrap(),
        )
        .unwrap();
        let opened = Folder::open(
            folder.path(),
            &folder.path().join("tmp"),
            &Limits::default(),
        )
        .unwrap();
        assert_eq!((opened.len(), opened.diagnostics().len()), (3, 0));
    }
}
