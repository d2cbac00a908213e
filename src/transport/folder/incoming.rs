//! What a partner has put into `in/`: listed, read, moved away, and looked at again where it was put.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;

use rustix::fs::FileType;

use super::opened::{FileFacts, OpenedFolder, Renamed};
use super::{ENTRIES_MAX, FolderLayout, NUMBERS_MAX, OpenFolder};
use crate::transport::file_name::receipt_stem;
use crate::transport::{
    Acknowledgement, Candidate, CandidateKind, CandidateVersion, LiesIn, Listing, ListingTerms,
    PartnerFileName, TransportError, failed, in_order,
};

/// A file is moved away right after its receipt was written. Its entry changes then, by so much later at most, and what it holds does not.
const MOVED_WITHIN_NANOS: i128 = 5_000_000_000;
/// How long a file without a receipt is looked at again after it changed, in microseconds: somebody tidied up, or a run died before the receipt.
const UNANSWERED_MICROS: i128 = 2 * 86_400_000_000;
/// The ending by which a receipt is known.
const RECEIPT: &str = ".receipt.json";

impl OpenFolder {
    /// `in/`, which must be there.
    fn incoming(&self) -> Result<OpenedFolder, TransportError> {
        if self.layout != FolderLayout::Partner {
            return Err(TransportError::NotOffered);
        }
        self.open(&["in"], "in")
    }

    /// Where what was dealt with is put.
    fn put_away(
        incoming: &OpenedFolder,
        how: Acknowledgement,
    ) -> Result<OpenedFolder, TransportError> {
        match how {
            Acknowledgement::Done => Self::open_in(incoming, "done", "in/done"),
            Acknowledgement::Refused => Self::open_in(incoming, "refused", "in/refused"),
        }
    }

    /// Where a candidate lies.
    pub(super) fn lying_in(&self, candidate: &Candidate) -> Result<OpenedFolder, TransportError> {
        let incoming = self.incoming()?;
        match candidate.lies_in {
            LiesIn::Incoming => Ok(incoming),
            LiesIn::PutAway(how) => Self::put_away(&incoming, how),
        }
    }

    pub(super) fn list(&self, terms: ListingTerms) -> Result<Listing, TransportError> {
        let incoming = self.incoming()?;
        let mut listing = Listing::default();
        for (number, name) in incoming.names()?.enumerate() {
            if number == ENTRIES_MAX {
                listing.more = true;
                break;
            }
            let name = PartnerFileName::of_bytes(name?.into_bytes());
            sort_in(&incoming, name, terms, &mut listing)?;
        }
        Ok(listing.in_order(terms.files_max))
    }

    /// Files that were put away and whose content may have changed since: it was written after the receipt, or the entry changed
    /// later than the move changed it.
    pub(super) fn changed_since(
        &self,
        terms: ListingTerms,
    ) -> Result<Vec<Candidate>, TransportError> {
        let incoming = self.incoming()?;
        let answered = self.newest_receipts()?;
        let now_nanos = i128::from(terms.now_micros) * 1_000;
        let mut changed = Vec::new();
        for how in [Acknowledgement::Done, Acknowledgement::Refused] {
            let folder = Self::put_away(&incoming, how)?;
            for name in folder.names()?.take(ENTRIES_MAX) {
                let name = PartnerFileName::of_bytes(name?.into_bytes());
                let Some(found) = folder.facts(name.on_disk())? else {
                    continue;
                };
                if kind_of(found) != CandidateKind::File || !settled(found, terms) {
                    continue;
                }
                let is_later = match answered.get(unnumbered(&receipt_stem(&name))) {
                    Some(receipt) => {
                        found.modified_nanos > *receipt
                            || found.changed_nanos > *receipt + MOVED_WITHIN_NANOS
                    }
                    None => now_nanos - found.changed_nanos < UNANSWERED_MICROS * 1_000,
                };
                if is_later {
                    changed.push(candidate_of(name, found, LiesIn::PutAway(how)));
                }
            }
        }
        in_order(&mut changed);
        changed.truncate(terms.files_max);
        Ok(changed)
    }

    /// When the newest receipt of each name was written, whatever number it bears.
    fn newest_receipts(&self) -> Result<HashMap<String, i128>, TransportError> {
        let out = self.open(&["out"], "out")?;
        let folder = Self::open_in(&out, "receipts", "out/receipts")?;
        let mut newest: HashMap<String, i128> = HashMap::new();
        for name in folder.names()?.take(ENTRIES_MAX) {
            let name = name?;
            let Some(stem) = name
                .to_str()
                .ok()
                .and_then(|name| name.strip_suffix(RECEIPT))
            else {
                continue;
            };
            if let Some(found) = folder.facts(&*name)? {
                let at = newest.entry(unnumbered(stem).to_owned()).or_default();
                *at = found.modified_nanos.max(*at);
            }
        }
        Ok(newest)
    }

    pub(super) fn take(
        &self,
        candidate: &Candidate,
        file_size_bytes_max: u64,
    ) -> Result<Vec<u8>, TransportError> {
        let folder = self.lying_in(candidate)?;
        let (file, found) = folder
            .read(candidate.name.on_disk())?
            .ok_or_else(|| changed(&folder))?;
        unchanged(&folder, candidate, found)?;
        if candidate.kind != CandidateKind::File {
            return Err(folder.not_regular());
        }
        if found.bytes > file_size_bytes_max {
            return Err(TransportError::TooLarge {
                folder: folder.called,
                file_size_bytes_max,
            });
        }
        let bytes = read_to(&file, found.bytes, folder.called)?;
        let after = FileFacts::of_file(&file).map_err(failed("reading a return", folder.called))?;
        unchanged(&folder, candidate, after)?;
        if bytes.len() as u64 == found.bytes {
            Ok(bytes)
        } else {
            Err(changed(&folder))
        }
    }

    pub(super) fn acknowledge(
        &self,
        candidate: &Candidate,
        how: Acknowledgement,
    ) -> Result<PartnerFileName, TransportError> {
        let folder = self.lying_in(candidate)?;
        let from = candidate.name.on_disk();
        // Open until it is moved, so that no other file can get its number meanwhile; what may not be opened is known by its name alone.
        let open = match candidate.kind {
            CandidateKind::File => match folder.read(from) {
                Err(TransportError::Forbidden { .. }) => None,
                read => Some(read?.ok_or_else(|| changed(&folder))?),
            },
            _ => None,
        };
        let found = match &open {
            Some((_, found)) => *found,
            None => folder.facts(from)?.ok_or_else(|| changed(&folder))?,
        };
        unchanged(&folder, candidate, found)?;
        if candidate.lies_in == LiesIn::PutAway(how) {
            return Ok(candidate.name.clone());
        }
        let kept = Self::put_away(&self.incoming()?, how)?;
        for number in 1..=NUMBERS_MAX {
            let name = candidate.name.numbered(number);
            if folder.rename(from, &kept, name.on_disk())? == Renamed::Taken {
                continue;
            }
            let moved = kept.facts(name.on_disk())?;
            if moved.is_none_or(|moved| moved.identity != found.identity) {
                // Replaced between the look and the move: what nobody has read goes back, unless something else has its name by now.
                kept.rename(name.on_disk(), &folder, from)?;
                return Err(changed(&folder));
            }
            kept.sync()?;
            folder.sync()?;
            return Ok(name);
        }
        Err(TransportError::NameTaken {
            folder: kept.called,
        })
    }
}

/// A stem without the number that it got because others had its name.
fn unnumbered(stem: &str) -> &str {
    let inside = stem
        .strip_suffix(')')
        .and_then(|stem| stem.rsplit_once(" ("));
    match inside {
        Some((stem, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => stem,
        _ => stem,
    }
}

/// Reads a file to its size, and one byte more if it has grown.
impl OpenFolder {
    pub(super) fn kept(
        &self,
        name: &str,
        file_size_bytes_max: u64,
    ) -> Result<Option<Vec<u8>>, TransportError> {
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Ok(None);
        }
        let incoming = self.incoming()?;
        for (below, called) in [("done", "in/done"), ("refused", "in/refused")] {
            let kept = Self::open_in(&incoming, below, called)?;
            let Some((file, found)) = kept.read(name)? else {
                continue;
            };
            if found.bytes > file_size_bytes_max {
                return Err(TransportError::TooLarge {
                    folder: called,
                    file_size_bytes_max,
                });
            }
            return read_to(&file, found.bytes, called).map(Some);
        }
        Ok(None)
    }
}

pub(super) fn read_to(
    file: &File,
    bytes: u64,
    called: &'static str,
) -> Result<Vec<u8>, TransportError> {
    let mut read = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
    file.take(bytes + 1)
        .read_to_end(&mut read)
        .map_err(failed("reading a file", called))?;
    Ok(read)
}

/// Sorts one entry of `in/` into the listing.
fn sort_in(
    incoming: &OpenedFolder,
    name: PartnerFileName,
    terms: ListingTerms,
    listing: &mut Listing,
) -> Result<(), TransportError> {
    if ["done", "refused"].contains(&name.reveal()) || name.is_left_alone() {
        return Ok(());
    }
    // Gone since the folder was read: not there to be listed.
    let Some(found) = incoming.facts(name.on_disk())? else {
        return Ok(());
    };
    if settled(found, terms) {
        let candidate = candidate_of(name, found, LiesIn::Incoming);
        listing.candidates.push(candidate);
    } else {
        listing.waiting.push(name);
    }
    Ok(())
}

fn kind_of(found: FileFacts) -> CandidateKind {
    match found.kind {
        FileType::Symlink => CandidateKind::Symlink,
        FileType::Directory => CandidateKind::Folder,
        // On the same volume, a second name could be given to any file that Kith may read and its sender may not.
        FileType::RegularFile if found.links > 1 => CandidateKind::HardLink,
        FileType::RegularFile => CandidateKind::File,
        _ => CandidateKind::Special,
    }
}

fn candidate_of(name: PartnerFileName, found: FileFacts, lies_in: LiesIn) -> Candidate {
    let (device, number) = found.identity;
    // A file system gives the number of a file that was removed to the next one, so the number alone tells no two files apart.
    // What is done to one name of a file changes its entry under all of them: what is not read is told by what it holds.
    let kind = kind_of(found);
    let changed = match kind {
        CandidateKind::File => found.changed_nanos,
        _ => 0,
    };
    let modified = found.modified_nanos;
    let version = format!("{device}/{number}/{modified}/{changed}");
    Candidate {
        name,
        kind,
        lies_in,
        file_size_bytes: found.bytes,
        written_micros: found.modified_micros(),
        version: CandidateVersion(version.into()),
    }
}

/// Whether what was found still is what was listed.
fn unchanged(
    folder: &OpenedFolder,
    candidate: &Candidate,
    found: FileFacts,
) -> Result<(), TransportError> {
    if *candidate == candidate_of(candidate.name.clone(), found, candidate.lies_in) {
        Ok(())
    } else {
        Err(changed(folder))
    }
}

fn changed(folder: &OpenedFolder) -> TransportError {
    TransportError::Changed {
        folder: folder.called,
    }
}

/// Whether something stood still for the settle time: what it holds, and its entry, whose time no writer can set. A time of writing
/// that lies ahead of the clock was set by somebody, and says nothing of when that was.
fn settled(found: FileFacts, terms: ListingTerms) -> bool {
    let modified = found.modified_micros();
    let modified = if modified > terms.now_micros {
        i64::MIN
    } else {
        modified
    };
    let is_empty = found.kind == FileType::RegularFile && found.bytes == 0;
    terms.stood_still(modified.max(found.changed_micros()), is_empty)
}
