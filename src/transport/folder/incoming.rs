//! What a partner has put into `in/`: listed, read, moved away.

use std::fs::File;
use std::io::Read;

use rustix::fs::FileType;

use super::opened::{FileFacts, OpenedFolder, Renamed};
use super::{ENTRIES_MAX, FolderLayout, NUMBERS_MAX, OpenFolder};
use crate::transport::{
    Acknowledgement, Candidate, CandidateVersion, Listing, ListingTerms, PartnerFileName, Pattern,
    SkipReason, TransportError, failed,
};

impl OpenFolder {
    /// `in/`, which must be there.
    fn incoming(&self) -> Result<OpenedFolder, TransportError> {
        if self.layout != FolderLayout::Partner {
            return Err(TransportError::NotOffered);
        }
        self.open(&["in"], "in")
    }

    pub(super) fn list(
        &self,
        pattern: &Pattern,
        terms: ListingTerms,
    ) -> Result<Listing, TransportError> {
        let incoming = self.incoming()?;
        let mut listing = Listing::default();
        for (number, name) in incoming.names()?.enumerate() {
            if number == ENTRIES_MAX {
                listing.more = true;
                break;
            }
            match name?.into_string() {
                Ok(name) => sort_in(&incoming, name, pattern, terms, &mut listing)?,
                Err(error) => {
                    let shown = String::from_utf8_lossy(error.into_cstring().as_bytes()).into();
                    let skipped = (PartnerFileName::new(shown), SkipReason::NameNotText);
                    listing.skipped.push(skipped);
                }
            }
        }
        Ok(listing.in_order(terms.files_max))
    }

    pub(super) fn take(
        &self,
        candidate: &Candidate,
        file_size_bytes_max: u64,
    ) -> Result<Vec<u8>, TransportError> {
        let incoming = self.incoming()?;
        let (file, found) = incoming
            .read(candidate.name.reveal())?
            .ok_or_else(|| changed(&incoming))?;
        unchanged(&incoming, candidate, found)?;
        if found.bytes > file_size_bytes_max {
            return Err(TransportError::TooLarge {
                folder: incoming.called,
                file_size_bytes_max,
            });
        }
        let bytes = read_to(&file, found.bytes, incoming.called)?;
        let after =
            FileFacts::of_file(&file).map_err(failed("reading a return", incoming.called))?;
        unchanged(&incoming, candidate, after)?;
        if bytes.len() as u64 == found.bytes {
            Ok(bytes)
        } else {
            Err(changed(&incoming))
        }
    }

    pub(super) fn acknowledge(
        &self,
        candidate: &Candidate,
        how: Acknowledgement,
    ) -> Result<PartnerFileName, TransportError> {
        let incoming = self.incoming()?;
        let kept = match how {
            Acknowledgement::Done => Self::open_in(&incoming, "done", "in/done")?,
            Acknowledgement::Refused => Self::open_in(&incoming, "refused", "in/refused")?,
        };
        let from = candidate.name.reveal();
        // Open until it is moved, so that no other file can get its number meanwhile.
        let (_open, found) = incoming.read(from)?.ok_or_else(|| changed(&incoming))?;
        unchanged(&incoming, candidate, found)?;
        for number in 1..=NUMBERS_MAX {
            let name = candidate.name.numbered(number);
            if incoming.rename(from, &kept, name.reveal())? == Renamed::Taken {
                continue;
            }
            let moved = kept.facts(name.reveal())?;
            if moved.is_none_or(|moved| moved.identity != found.identity) {
                // Replaced between the look and the move: what nobody has read goes back, unless something else has its name by now.
                kept.rename(name.reveal(), &incoming, from)?;
                return Err(changed(&incoming));
            }
            kept.sync()?;
            incoming.sync()?;
            return Ok(name);
        }
        Err(TransportError::NameTaken {
            folder: kept.called,
        })
    }
}

/// Reads a file to its size, and one byte more if it has grown.
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
    name: String,
    pattern: &Pattern,
    terms: ListingTerms,
    listing: &mut Listing,
) -> Result<(), TransportError> {
    if name == "done" || name == "refused" {
        return Ok(());
    }
    let name = PartnerFileName::new(name);
    if name.is_unfinished() {
        return Ok(());
    }
    // Gone since the folder was read: not there to be listed.
    let Some(found) = incoming.facts(name.reveal())? else {
        return Ok(());
    };
    if let Some(reason) = skip_reason(found) {
        listing.skipped.push((name, reason));
    } else if !pattern.matches(name.reveal()) {
        listing.ignored.push(name);
    } else if found.bytes == 0 || !settled(found, terms) {
        listing.waiting.push(name);
    } else {
        listing.candidates.push(candidate_of(name, found));
    }
    Ok(())
}

fn skip_reason(found: FileFacts) -> Option<SkipReason> {
    match found.kind {
        FileType::Symlink => Some(SkipReason::Symlink),
        FileType::Directory => Some(SkipReason::Folder),
        // On the same volume, a second name could be given to any file that Kith may read and its sender may not.
        FileType::RegularFile if found.links > 1 => Some(SkipReason::HardLink),
        FileType::RegularFile => None,
        _ => Some(SkipReason::Special),
    }
}

fn candidate_of(name: PartnerFileName, found: FileFacts) -> Candidate {
    let (device, number) = found.identity;
    // A file system gives the number of a file that was removed to the next one, so the number alone tells no two files apart.
    let (modified, changed) = (found.modified_nanos, found.changed_nanos);
    let version = format!("{device}/{number}/{modified}/{changed}");
    Candidate {
        name,
        file_size_bytes: found.bytes,
        written_micros: found.modified_micros(),
        version: CandidateVersion(version.into()),
    }
}

/// Whether what was found still is the file that was listed.
fn unchanged(
    incoming: &OpenedFolder,
    candidate: &Candidate,
    found: FileFacts,
) -> Result<(), TransportError> {
    let plain = found.kind == FileType::RegularFile;
    if plain && *candidate == candidate_of(candidate.name.clone(), found) {
        Ok(())
    } else {
        Err(changed(incoming))
    }
}

fn changed(incoming: &OpenedFolder) -> TransportError {
    TransportError::Changed {
        folder: incoming.called,
    }
}

/// Whether a file stood still for the settle time. Without one, the clock is not asked: it may be set for a run of another day.
fn settled(found: FileFacts, terms: ListingTerms) -> bool {
    let settle_micros = i64::from(terms.settle_seconds) * 1_000_000;
    settle_micros == 0 || terms.now_micros.saturating_sub(found.modified_micros()) >= settle_micros
}
