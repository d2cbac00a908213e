//! Referrals from a folder of extracts: `*.json`, `*.ndjson` and their `.gz`, folders below too.
//!
//! In: a read-only folder. Out: dossiers in the order of file and line. Every file is read twice: once to index what it
//! holds (type, id, place), once where a referral or a record it names is needed, so memory grows with the number of
//! resources, not with their size. Nothing in the folder is moved or changed.

mod index;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use index::{Index, Indexed, Spot};

use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::limits;
use crate::fhir::reference::Reference;
use crate::fhir::{patient, people, service_request};
use crate::path::Json;
use crate::pipeline::dossier::{Bytes, Dossier};
use crate::seal::{Digest, sha256};
use crate::store::rows::RawKind;

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

struct Extract {
    /// Name relative to the folder, for messages.
    name: String,
    file: File,
}

/// A folder of extracts, indexed.
pub(crate) struct Folder {
    extracts: Vec<Extract>,
    requests: Vec<(Box<str>, Indexed)>,
    records: HashMap<(RawKind, Box<str>), Indexed>,
    by_nhs_number: HashMap<Box<str>, Box<str>>,
    by_full_url: HashMap<Box<str>, Spot>,
    /// Practitioners, roles and practices as read: many referrals name the same few.
    shared: Mutex<HashMap<(u32, u64), Bytes>>,
    /// Requests with an id that came twice: the newest is taken.
    superseded: u64,
    others: u64,
    diagnostics: Vec<Diagnostic>,
    digest: Digest,
}

impl Folder {
    /// Indexes a folder, or one file; packed files are unpacked into unlinked files below `temporary`.
    ///
    /// # Errors
    /// The folder cannot be listed, or holds too many files.
    pub(crate) fn open(path: &Path, temporary: &Path) -> Result<Self, FolderError> {
        let mut paths = Vec::new();
        if path.is_file() {
            paths.push(path.to_owned());
        } else {
            list(path, 0, &mut paths)?;
        }
        paths.sort();
        let base = if path.is_file() {
            path.parent().unwrap_or(path)
        } else {
            path
        };
        let mut folder = Self::empty();
        for file in paths {
            let name = file
                .strip_prefix(base)
                .unwrap_or(&file)
                .display()
                .to_string();
            match open_extract(&file, temporary) {
                Ok(opened) => folder.extracts.push(Extract { name, file: opened }),
                Err(error) => {
                    let what = format!("a file of the extract cannot be read: {}", error.kind());
                    let place = Place::file(name);
                    folder
                        .diagnostics
                        .push(Diagnostic::new(Code::Unreadable, what, place));
                }
            }
        }
        let mut digests = Vec::with_capacity(folder.extracts.len());
        for index in indexes(&folder.extracts) {
            digests.push(folder.take(index?));
        }
        folder.keep_newest();
        let parts: Vec<&[u8]> = digests.iter().map(<[u8; 32]>::as_slice).collect();
        folder.digest = sha256(&parts);
        Ok(folder)
    }

    fn empty() -> Self {
        Self {
            extracts: Vec::new(),
            requests: Vec::new(),
            records: HashMap::new(),
            by_nhs_number: HashMap::new(),
            by_full_url: HashMap::new(),
            shared: Mutex::new(HashMap::new()),
            superseded: 0,
            others: 0,
            diagnostics: Vec::new(),
            digest: [0; 32],
        }
    }

    /// Adds what an extract holds, in the order of the files: of two records with one id the newer stands.
    fn take(&mut self, index: Index) -> Digest {
        self.requests.extend(index.requests);
        self.by_nhs_number.extend(index.by_nhs_number);
        self.by_full_url.extend(index.by_full_url);
        self.others += index.others;
        let free = limits::DIAGNOSTICS_MAX.saturating_sub(self.diagnostics.len());
        self.diagnostics
            .extend(index.diagnostics.into_iter().take(free));
        let mut later = index.records;
        // The few go to the many, whichever came first; of equally old ones the later extract's stands.
        let later_is_larger = later.len() > self.records.len();
        if later_is_larger {
            std::mem::swap(&mut self.records, &mut later);
        }
        #[expect(
            clippy::iter_over_hash_type,
            reason = "each key is looked at by itself"
        )]
        for (key, found) in later {
            let known = self.records.get(&key);
            if known.is_none_or(|known| {
                known.last_updated < found.last_updated
                    || (known.last_updated == found.last_updated && !later_is_larger)
            }) {
                self.records.insert(key, found);
            }
        }
        index.digest
    }

    /// SHA-256 over the SHA-256 of every file.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Referrals found, each id once.
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Requests whose id came again with newer content.
    pub(crate) fn superseded(&self) -> u64 {
        self.superseded
    }

    /// When the newest record of the extract was written, as it says; an extract cannot be asked for anything newer.
    pub(crate) fn newest(&self) -> Option<&str> {
        let requests = self.requests.iter().map(|(_, indexed)| indexed);
        requests
            .chain(self.records.values())
            .filter_map(|indexed| indexed.last_updated.as_deref())
            .max()
    }

    /// Resources of types that are not referrals nor records of one.
    pub(crate) fn others(&self) -> u64 {
        self.others
    }

    /// What could not be used.
    pub(crate) fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// File and place of a referral, for messages.
    pub(crate) fn place(&self, index: usize) -> Place {
        let Some((_, indexed)) = self.requests.get(index) else {
            return Place::default();
        };
        let name = self
            .extracts
            .get(indexed.spot.file as usize)
            .map_or("", |extract| extract.name.as_str());
        Place::file(name).and(format!("byte {}", indexed.spot.offset))
    }

    /// Name of the file of a referral.
    pub(crate) fn file(&self, index: usize) -> Option<&str> {
        let (_, indexed) = self.requests.get(index)?;
        self.extracts
            .get(indexed.spot.file as usize)
            .map(|extract| extract.name.as_str())
    }

    /// The referral at this place, with the records that it names and that the folder holds.
    pub(crate) fn dossier(&self, index: usize) -> std::io::Result<Dossier> {
        let request = self.request(index)?;
        let tree = Json::parse(&request).ok();
        self.complete(Arc::clone(&request), tree.as_ref())
    }

    /// The bytes of the request at this place.
    pub(crate) fn request(&self, index: usize) -> std::io::Result<Bytes> {
        let (_, indexed) = self
            .requests
            .get(index)
            .ok_or(std::io::ErrorKind::NotFound)?;
        self.read(indexed.spot)
    }

    /// The same for a request that has been read and parsed already.
    pub(crate) fn complete(
        &self,
        request: Bytes,
        tree: Option<&Json<'_>>,
    ) -> std::io::Result<Dossier> {
        let mut dossier = Dossier::of_request(request);
        let Some(tree) = tree else {
            return Ok(dossier);
        };
        dossier.patient = self.subject(tree)?;
        self.referrer(tree, &mut dossier)?;
        for reference in service_request::consents(tree, None) {
            if dossier.consent.is_none() {
                dossier.consent = self.resolve(RawKind::Consent, reference)?;
            }
        }
        Ok(dossier)
    }

    fn subject(&self, request: &Json<'_>) -> std::io::Result<Option<Bytes>> {
        let found = self.resolve(RawKind::Patient, service_request::subject(request, None))?;
        let contained = matches!(
            service_request::subject(request, None),
            Reference::Contained(_)
        );
        match (found, service_request::subject_identifier(request)) {
            (Some(found), _) => Ok(Some(found)),
            (None, Some((system, value))) if !contained => {
                self.resolve(RawKind::Patient, Reference::Logical { system, value })
            }
            (None, _) => Ok(None),
        }
    }

    fn referrer(&self, request: &Json<'_>, dossier: &mut Dossier) -> std::io::Result<()> {
        let requester = service_request::requester(request, None);
        dossier.requester = self.resolve(RawKind::Practitioner, requester)?;
        dossier.role = self.resolve(RawKind::PractitionerRole, requester)?;
        if let Some(role) = dossier.role.clone()
            && let Ok(role) = Json::parse(&role)
        {
            dossier.requester = self.resolve(
                RawKind::Practitioner,
                people::role_practitioner(&role, None),
            )?;
            dossier.practice = self.resolve(
                RawKind::Organization,
                people::role_organization(&role, None),
            )?;
        }
        if dossier.practice.is_none() {
            dossier.practice = self.resolve(RawKind::Organization, requester)?;
        }
        for reference in service_request::supporting_info(request, None) {
            let coded = match reference {
                Reference::Relative {
                    kind: "Organization",
                    id,
                } => self
                    .records
                    .get(&(RawKind::Organization, Box::from(id)))
                    .is_some_and(|indexed| indexed.coded),
                _ => true,
            };
            if dossier.practice.is_none()
                && coded
                && let Some(bytes) = self.resolve(RawKind::Organization, reference)?
            {
                dossier.practice = Some(bytes);
            }
        }
        Ok(())
    }

    fn resolve(&self, kind: RawKind, reference: Reference<'_>) -> std::io::Result<Option<Bytes>> {
        let by_id = |id: &str| {
            self.records
                .get(&(kind, Box::from(id)))
                .map(|indexed| indexed.spot)
        };
        let spot = match reference {
            Reference::Relative { kind: named, id } if named == kind.resource_type() => by_id(id),
            Reference::Urn(url) => self.by_full_url.get(url).copied(),
            // An extract has no base of its own: an absolute address is known by its fullUrl or by its end.
            Reference::Foreign(url) => self.by_full_url.get(url).copied().or_else(|| {
                let (rest, id) = url.rsplit_once('/')?;
                rest.ends_with(kind.resource_type())
                    .then(|| by_id(id))
                    .flatten()
            }),
            Reference::Logical { system, value }
                if kind == RawKind::Patient && system == Some(patient::NHS_NUMBER_SYSTEM) =>
            {
                self.by_nhs_number.get(value).and_then(|id| by_id(id))
            }
            _ => None,
        };
        let Some(spot) = spot else { return Ok(None) };
        let bytes = if matches!(kind, RawKind::Patient | RawKind::Consent) {
            self.read(spot)?
        } else {
            self.read_shared(spot)?
        };
        if matches!(
            reference,
            Reference::Relative { .. } | Reference::Logical { .. }
        ) {
            // The index has it under its type already.
            return Ok(Some(bytes));
        }
        let right = Json::parse(&bytes).is_ok_and(|tree| {
            tree.get("resourceType").and_then(Json::as_str) == Some(kind.resource_type())
        });
        Ok(right.then_some(bytes))
    }

    fn read_shared(&self, spot: Spot) -> std::io::Result<Bytes> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = shared.get(&(spot.file, spot.offset)) {
            return Ok(Arc::clone(bytes));
        }
        let bytes = self.read(spot)?;
        if shared.len() < SHARED_MAX {
            shared.insert((spot.file, spot.offset), Arc::clone(&bytes));
        }
        Ok(bytes)
    }

    fn read(&self, spot: Spot) -> std::io::Result<Bytes> {
        let extract = self
            .extracts
            .get(spot.file as usize)
            .ok_or(std::io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; spot.length as usize];
        extract.file.read_exact_at(&mut bytes, spot.offset)?;
        Ok(Arc::from(bytes))
    }

    /// Of requests with the same id only the newest stands, in its own place.
    fn keep_newest(&mut self) {
        let mut newest: HashMap<&str, usize> = HashMap::with_capacity(self.requests.len());
        for (index, (id, indexed)) in self.requests.iter().enumerate() {
            let place = newest.entry(id).or_insert(index);
            if self.requests[*place].1.last_updated <= indexed.last_updated {
                *place = index;
            }
        }
        if newest.len() == self.requests.len() {
            return;
        }
        let keep: std::collections::HashSet<usize> = newest.into_values().collect();
        self.superseded = u64::try_from(self.requests.len() - keep.len()).unwrap_or(0);
        let mut index = 0;
        self.requests.retain(|_| {
            index += 1;
            keep.contains(&(index - 1))
        });
    }
}

/// Indexes extracts, two at once, in the order of the files.
fn indexes(extracts: &[Extract]) -> Vec<std::io::Result<Index>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(extract) = extracts.get(place) else {
                return done;
            };
            let file = u32::try_from(place).unwrap_or(u32::MAX);
            done.push((place, Index::of(file, &extract.name, &extract.file)));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut all = work();
        match other.join() {
            Ok(done) => all.extend(done),
            // Files that it had taken are nobody's now: the pull must not pass for whole.
            Err(_) => all.push((
                usize::MAX,
                Err(std::io::Error::other("an extract could not be indexed")),
            )),
        }
        all
    });
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, index)| index).collect()
}

fn list(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), FolderError> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name();
        let name = name.to_string_lossy().to_lowercase();
        let extract = [".json", ".ndjson", ".json.gz", ".ndjson.gz"]
            .iter()
            .any(|ending| name.ends_with(ending));
        if kind.is_dir() && depth < limits::EXTRACT_DEPTH_MAX {
            list(&entry.path(), depth + 1, paths)?;
        } else if kind.is_file() && extract {
            paths.push(entry.path());
        }
        if paths.len() > limits::EXTRACT_FILES_MAX {
            return Err(FolderError::TooManyFiles);
        }
    }
    Ok(())
}

/// Opens an extract for reading at any place; a packed one is unpacked into a file that has no name.
fn open_extract(path: &Path, temporary: &Path) -> std::io::Result<File> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > limits::EXTRACT_BYTES_MAX {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    if path.extension().is_none_or(|ending| ending != "gz") {
        return Ok(file);
    }
    let mut unpacked = unlinked_file(temporary)?;
    let mut reader = flate2::read::MultiGzDecoder::new(file).take(limits::EXTRACT_BYTES_MAX + 1);
    let copied = std::io::copy(&mut reader, &mut unpacked)?;
    unpacked.flush()?;
    if copied > limits::EXTRACT_BYTES_MAX {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(unpacked)
}

/// A file of ours without a name: gone when it is closed, however the program ends.
fn unlinked_file(folder: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let mut options = std::fs::OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .mode(0o600);
    options.open(folder)
}
