//! Where the lines of an export wait until all its files are there: on disk, each sealed under a key of this run alone.
//!
//! In: lines as they came. Out: their places, and the lines again by place. The file has no name, so it is gone however
//! the program ends, and the key was only ever in memory, so nothing on the disk can be read afterwards (ADR 0008).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::pipeline::pull::folder::unlinked_file;
use crate::seal::SpoolKey;

/// Sealed lines kept back until they are written together.
const PENDING: usize = 1024 * 1024;
/// Bits of a place that say how long the sealed line is; the others say where it begins.
const LENGTH_BITS: u32 = 24;

/// Where a line lies; later lines have greater places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place(u64);

/// The sealed lines of one export.
pub(super) struct Spool {
    file: File,
    key: SpoolKey,
    /// Bytes on disk; what is pending begins here. Nothing is ever written over: a place is a nonce.
    written: u64,
    pending: Vec<u8>,
}

impl Spool {
    /// An empty spool below a folder of ours.
    ///
    /// # Errors
    /// The folder cannot be made, or takes no file without a name.
    pub(super) fn new(folder: &Path, key: [u8; 32]) -> io::Result<Self> {
        Ok(Self {
            file: unlinked_file(folder)?,
            key: SpoolKey::new(key),
            written: 0,
            pending: Vec::with_capacity(PENDING),
        })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// The disk is full or fails, or the line or the spool is longer than a place can say.
    pub(super) fn add(&mut self, line: &[u8]) -> io::Result<Place> {
        let offset = self.written + self.pending.len() as u64;
        let mut sealed = Vec::with_capacity(line.len() + SpoolKey::TAG);
        sealed.extend_from_slice(line);
        self.key.seal(offset, &mut sealed);
        let length = sealed.len() as u64;
        if length >> LENGTH_BITS != 0 || offset >> (64 - LENGTH_BITS) != 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.pending.extend_from_slice(&sealed);
        if self.pending.len() >= PENDING {
            self.write()?;
        }
        Ok(Place(offset << LENGTH_BITS | length))
    }

    /// Writes what is pending; lines can be read from here on.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub(super) fn write(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.pending, self.written)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// A line that was written.
    ///
    /// # Errors
    /// The disk fails, or gives other bytes than were written.
    pub(super) fn read(&self, place: Place) -> io::Result<Vec<u8>> {
        let (offset, length) = (place.0 >> LENGTH_BITS, place.0 & ((1 << LENGTH_BITS) - 1));
        let mut sealed = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut sealed, offset)?;
        self.key
            .open(offset, sealed)
            .map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_and_nothing_of_them_is_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path(), [3; 32]).unwrap();
        let long = vec![b'x'; PENDING];
        let lines: [&[u8]; 4] = [b"Marmaduke", b"", &long, b"last"];
        let places: Vec<Place> = lines.iter().map(|line| spool.add(line).unwrap()).collect();
        spool.write().unwrap();
        for (line, place) in lines.iter().zip(&places) {
            assert_eq!(spool.read(*place).unwrap(), *line);
        }
        assert!(places.is_sorted());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut raw = vec![0; usize::try_from(spool.written).unwrap()];
        spool.file.read_exact_at(&mut raw, 0).unwrap();
        for text in [&b"Marmaduke"[..], b"xxxxxxxx"] {
            assert!(!raw.windows(text.len()).any(|part| part == text));
        }
        let moved = Place(places[3].0 - (1 << LENGTH_BITS));
        assert!(spool.read(moved).is_err());
    }
}
