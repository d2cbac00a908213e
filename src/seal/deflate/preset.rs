//! Deflate by a preset: a dictionary, and codes that are the same for every value.
//!
//! In: a value of at most [`PLAIN_MAX`] bytes. Out: what stands in one block of deflate (RFC 1951) behind the head that tells
//! the codes, which never changes. Kept: every byte has a code, so there is nothing that cannot be packed; with its head any
//! inflate reads it. A resource is mostly what its dictionary says, so the first match is taken.

use super::codes::{END, MATCH_MAX, SYMBOLS, SymbolBits, canonical};
use super::preset_reader::PresetReader;

/// Bytes of a value: places in it and its dictionary are kept in 16 bits.
pub(super) const PLAIN_MAX: usize = 16 * 1024;

/// Bytes that are worth a match.
const MATCH_MIN: usize = 4;
/// Bits of a place in the table of what was seen where.
const TABLE_BITS: u32 = 12;
/// What was seen where: one more than the place, 0 is nowhere.
type SeenAt = [u16; 1 << TABLE_BITS];
/// Letters in a row without a match, as a power of two, after which one letter more is passed over at a time.
const PATIENCE: u32 = 4;

/// A dictionary with its codes.
pub(super) struct Preset {
    dictionary: &'static [u8],
    seen: Box<SeenAt>,
    letters: Vec<SymbolBits>,
    distances: Vec<SymbolBits>,
    reader: PresetReader,
}

/// What a thread uses again for each value.
pub(super) struct Workspace {
    text: Vec<u8>,
    seen: Box<SeenAt>,
}

impl Default for Workspace {
    fn default() -> Self {
        Self {
            text: Vec::new(),
            seen: Box::new([0; 1 << TABLE_BITS]),
        }
    }
}

impl Preset {
    /// Of code lengths, a hexadecimal digit each.
    pub(super) fn new(dictionary: &'static [u8], lengths: &str) -> Self {
        let lengths: Vec<u32> = lengths
            .chars()
            .filter_map(|digit| digit.to_digit(16))
            .collect();
        let (letters, distances) = lengths.split_at(SYMBOLS);
        let mut seen = Box::new([0; 1 << TABLE_BITS]);
        for at in 0..dictionary.len() {
            if let Some(slot) = slot(dictionary, at) {
                seen[slot] = place(at);
            }
        }
        let (letters, distances) = (canonical(letters), canonical(distances));
        Self {
            dictionary,
            seen,
            reader: PresetReader::new(&letters, &distances),
            letters,
            distances,
        }
    }

    /// Unpacks what was packed by this preset; `None` of anything else.
    pub(super) fn unpack(&self, packed: &[u8], with: &mut Workspace) -> Option<Vec<u8>> {
        with.text.clear();
        with.text.extend(self.dictionary);
        self.reader.read(packed, PLAIN_MAX, &mut with.text)?;
        with.text.get(self.dictionary.len()..).map(<[u8]>::to_vec)
    }

    /// Packs a value behind what `to` holds already.
    pub(super) fn pack(&self, plain: &[u8], with: &mut Workspace, to: Vec<u8>) -> Vec<u8> {
        debug_assert!(plain.len() <= PLAIN_MAX, "a value is too long for 16 bits");
        with.text.clear();
        with.text.extend(self.dictionary);
        with.text.extend(plain);
        with.seen.copy_from_slice(&*self.seen);
        let (text, seen) = (with.text.as_slice(), &mut *with.seen);
        let mut out = Bits::behind(to);
        let mut at = self.dictionary.len();
        // Letters from here on are not written yet.
        let mut unwritten = at;
        let mut missed = 0_usize;
        while let Some(slot) = slot(text, at) {
            let found = usize::from(std::mem::replace(&mut seen[slot], place(at)));
            let length = found
                .checked_sub(1)
                .map_or(0, |from| alike(&text[from..], &text[at..]));
            if length < MATCH_MIN {
                missed += 1;
                at += 1 + (missed >> PATIENCE);
                continue;
            }
            missed = 0;
            let distance = at + 1 - found;
            // What was passed over may belong to it.
            let before = text[unwritten..at].iter().rev();
            let same = before.zip(text[..found - 1].iter().rev());
            let more = same
                .take(MATCH_MAX - length)
                .take_while(|(a, b)| a == b)
                .count();
            self.letters(&text[unwritten..at - more], &mut out);
            self.copied(length + more, distance, &mut out);
            at += length;
            unwritten = at;
            // The next match often begins like the end of this one.
            if let Some(slot) = self::slot(text, at - 2) {
                seen[slot] = place(at - 2);
            }
        }
        self.letters(&text[unwritten..], &mut out);
        out.put(self.letters[END]);
        out.finish()
    }

    fn letters(&self, text: &[u8], out: &mut Bits) {
        for letter in text {
            out.put(self.letters[usize::from(*letter)]);
        }
    }

    /// A match: so many bytes again that stand so many bytes before.
    fn copied(&self, length: usize, distance: usize, out: &mut Bits) {
        let (symbol, more) = length_symbol(length);
        out.put(self.letters[symbol].and(more));
        let (symbol, more) = distance_symbol(distance);
        out.put(self.distances[symbol].and(more));
    }
}

/// Symbol of a length of 3 to 258, and the bits behind it (RFC 1951, 3.2.5).
fn length_symbol(length: usize) -> (usize, SymbolBits) {
    if length == MATCH_MAX {
        return (285, SymbolBits::default());
    }
    let over = length - 3;
    if over < 8 {
        return (257 + over, SymbolBits::default());
    }
    let more = over.ilog2() - 2;
    let symbol = 261 + 4 * more as usize + ((over >> more) & 3);
    (symbol, SymbolBits::lowest(over, more))
}

/// The same of a distance from 1 on.
fn distance_symbol(distance: usize) -> (usize, SymbolBits) {
    let over = distance - 1;
    if over < 4 {
        return (over, SymbolBits::default());
    }
    let more = over.ilog2() - 1;
    let symbol = 2 + 2 * more as usize + ((over >> more) & 1);
    (symbol, SymbolBits::lowest(over, more))
}

/// Where the table keeps what the next four bytes are; `None` where there are fewer.
fn slot(text: &[u8], at: usize) -> Option<usize> {
    let four = u32::from_le_bytes(*text.get(at..)?.first_chunk()?);
    Some((four.wrapping_mul(0x9E37_79B1) >> (32 - TABLE_BITS)) as usize)
}

/// A place as the table keeps it.
fn place(at: usize) -> u16 {
    u16::try_from(at + 1).unwrap_or(0)
}

/// How many bytes two texts have in common at their beginning, of as many as a match may have.
fn alike(a: &[u8], b: &[u8]) -> usize {
    let mut same = 0;
    for (left, right) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        let differ = word(left) ^ word(right);
        if differ != 0 {
            return (same + differ.trailing_zeros() as usize / 8).min(MATCH_MAX);
        }
        same += 8;
        if same >= MATCH_MAX {
            return MATCH_MAX;
        }
    }
    let rest = a[same..].iter().zip(&b[same..]);
    (same + rest.take_while(|(a, b)| a == b).count()).min(MATCH_MAX)
}

fn word(eight: &[u8]) -> u64 {
    eight
        .first_chunk()
        .map_or(0, |eight| u64::from_le_bytes(*eight))
}

/// Bytes that are written bit by bit, the lowest bit first.
struct Bits {
    bytes: Vec<u8>,
    waiting: SymbolBits,
}

impl Bits {
    fn behind(bytes: Vec<u8>) -> Self {
        let waiting = SymbolBits::default();
        Self { bytes, waiting }
    }

    /// At most 32 bits.
    fn put(&mut self, symbol: SymbolBits) {
        self.waiting = self.waiting.and(symbol);
        if self.waiting.count >= 32 {
            self.bytes
                .extend(self.waiting.bits.to_le_bytes().iter().take(4));
            self.waiting.bits >>= 32;
            self.waiting.count -= 32;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let left = self.waiting.count.div_ceil(8) as usize;
        let bytes = self.waiting.bits.to_le_bytes();
        self.bytes.extend(bytes.iter().take(left));
        self.bytes
    }
}
