//! Requests and records of a folder in long reads, for one worker that goes through them in order.
//!
//! In: places. Out: bytes, in buffers that are used again. Kept: what is read ahead is bounded, and nothing is read ahead
//! where records lie anyhow.

use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::{Folder, Spot};

/// Bytes of records read at once where they come one behind the other.
const BLOCK_BYTES: usize = 128 * 1024;
/// Bytes between requests that are read along rather than left out.
const GAP_BYTES: u64 = 4 * 1024;

/// Requests that lie one behind the other, as bytes.
#[derive(Default)]
pub(crate) struct Requests {
    bytes: Vec<u8>,
    /// Where each stands in the bytes.
    places: Vec<Range<usize>>,
}

impl Requests {
    /// Reads the requests at these places of the folder.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub(crate) fn read(&mut self, folder: &Folder, range: Range<usize>) -> std::io::Result<()> {
        self.places.clear();
        let mut start = 0;
        let places = folder.requests.get(range).unwrap_or_default();
        let spots: Vec<Spot> = places.iter().map(|place| place.spot).collect();
        let mut spots = &*spots;
        while let Some(first) = spots.first() {
            let near = |pair: &[Spot]| pair[0].file == pair[1].file && follows(pair[0], pair[1]);
            let together = 1 + spots.windows(2).take_while(|pair| near(pair)).count();
            let (run, rest) = spots.split_at(together);
            spots = rest;
            let end = run.last().map_or(first.offset, |last| end_of(*last));
            let length = usize::try_from(end - first.offset).unwrap_or(0);
            // What is there already is written over: clearing it first would be a write more of every byte.
            if self.bytes.len() < start + length {
                self.bytes.resize(start + length, 0);
            }
            folder.read_into(*first, &mut self.bytes[start..start + length])?;
            self.places.extend(run.iter().map(|spot| {
                let at = start + usize::try_from(spot.offset - first.offset).unwrap_or(0);
                at..at + spot.length as usize
            }));
            start += length;
        }
        Ok(())
    }

    /// Each of them, in order.
    pub(crate) fn each(&self) -> impl Iterator<Item = &[u8]> {
        self.places
            .iter()
            .map(|place| self.bytes.get(place.clone()).unwrap_or_default())
    }
}

/// Records, read in blocks while each lies a little behind the last.
pub(crate) struct Reader<'f> {
    folder: &'f Folder,
    block: Vec<u8>,
    /// Where the block begins, if there is one.
    start: Option<Spot>,
}

impl<'f> Reader<'f> {
    pub(crate) fn new(folder: &'f Folder) -> Self {
        Self {
            folder,
            block: Vec::new(),
            start: None,
        }
    }

    /// The bytes of a record.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn record(&mut self, spot: Spot) -> std::io::Result<&[u8]> {
        let length = spot.length as usize;
        let within = self.start.filter(|start| start.file == spot.file);
        let behind = within.and_then(|start| spot.offset.checked_sub(start.offset));
        let behind = behind.and_then(|bytes| usize::try_from(bytes).ok());
        if let Some(at) = behind
            && at + length <= self.block.len()
        {
            return Ok(&self.block[at..at + length]);
        }
        let near = behind.is_some_and(|at| at <= self.block.len() + BLOCK_BYTES);
        self.block.resize(
            if near {
                length.max(BLOCK_BYTES)
            } else {
                length
            },
            0,
        );
        self.start = None;
        let read = self.folder.read_some(spot, &mut self.block)?;
        if read < length {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.block.truncate(read);
        self.start = Some(spot);
        Ok(&self.block[..length])
    }
}

fn end_of(spot: Spot) -> u64 {
    spot.offset + u64::from(spot.length)
}

/// Whether a place begins where another ends, or a little later.
fn follows(one: Spot, other: Spot) -> bool {
    let gap = other.offset.checked_sub(end_of(one));
    gap.is_some_and(|gap| gap <= GAP_BYTES)
}

impl Folder {
    fn read_into(&self, from: Spot, bytes: &mut [u8]) -> std::io::Result<()> {
        if self.read_some(from, bytes)? < bytes.len() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// As many bytes from a place on as the file has, at most those of the buffer.
    fn read_some(&self, from: Spot, bytes: &mut [u8]) -> std::io::Result<usize> {
        let extract = self.extract(from).ok_or(std::io::ErrorKind::NotFound)?;
        let mut filled = 0;
        while filled < bytes.len() {
            let at = from.offset + filled as u64;
            match extract.file.read_at(&mut bytes[filled..], at) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}
