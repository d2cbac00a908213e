//! Reads what a preset packed.
//!
//! In: the bits of one block, behind the text that matches may point into. Out: the text goes on. Kept: nothing is read that
//! is not there, nothing is copied from before the text, and no more comes out than was asked for.

use super::codes::{CODE_BITS_MAX, END, SymbolBits};

/// Bits of the codes that are found at once; longer ones take a second look.
const SHORT_BITS: u32 = 10;

/// Finds the symbol that some bits begin with.
struct CodeTable {
    /// By the next bits: the symbol, and in the upper four bits how many of them it takes; 0 where they are too few.
    short: Vec<u16>,
    long: Vec<u16>,
}

/// The codes of a preset, the other way round.
pub(super) struct PresetReader {
    letters: CodeTable,
    distances: CodeTable,
}

impl CodeTable {
    fn new(codes: &[SymbolBits]) -> Self {
        let table = |bits: u32| {
            let mut table = vec![0_u16; 1 << bits];
            for (symbol, code) in codes
                .iter()
                .enumerate()
                .filter(|(_, code)| code.count <= bits)
            {
                let entry = small(symbol) | small(code.count as usize) << 12;
                let first = usize::try_from(code.bits).unwrap_or(0);
                let places = table.iter_mut().skip(first).step_by(1 << code.count);
                places.for_each(|place| *place = entry);
            }
            table
        };
        Self {
            short: table(SHORT_BITS),
            long: table(CODE_BITS_MAX),
        }
    }

    /// The next symbol; `None` where the bits have come to their end.
    fn next(&self, bits: &mut BitReader<'_>) -> Option<usize> {
        let mut entry = self.short[(bits.word & ((1 << SHORT_BITS) - 1)) as usize];
        if entry == 0 {
            entry = self.long[(bits.word & ((1 << CODE_BITS_MAX) - 1)) as usize];
        }
        bits.pass(u32::from(entry >> 12))?;
        Some(usize::from(entry & 0x0FFF))
    }
}

impl PresetReader {
    pub(super) fn new(letters: &[SymbolBits], distances: &[SymbolBits]) -> Self {
        Self {
            letters: CodeTable::new(letters),
            distances: CodeTable::new(distances),
        }
    }

    /// Reads a block behind a text, at most so many bytes; `None` if no preset of these codes wrote it.
    pub(super) fn read(&self, packed: &[u8], most: usize, text: &mut Vec<u8>) -> Option<()> {
        let most = text.len() + most;
        let mut bits = BitReader::over(packed);
        loop {
            bits.fill();
            match self.letters.next(&mut bits)? {
                letter @ 0..END => text.push(letter.to_le_bytes()[0]),
                END => return (text.len() <= most).then_some(()),
                symbol => {
                    let (least, more) = length_of(symbol)?;
                    let length = least + bits.take(more)?;
                    bits.fill();
                    let (least, more) = distance_of(self.distances.next(&mut bits)?);
                    let distance = least + bits.take(more)?;
                    let from = text.len().checked_sub(distance)?;
                    if length <= distance {
                        text.extend_from_within(from..from + length);
                    } else {
                        // It runs into what it writes.
                        for place in from..from + length {
                            text.push(text[place]);
                        }
                    }
                }
            }
            if text.len() > most {
                return None;
            }
        }
    }
}

/// A symbol or a number of bits.
fn small(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(0)
}

/// The least length of a symbol, and how many bits tell what is over it.
fn length_of(symbol: usize) -> Option<(usize, u32)> {
    match symbol {
        257..265 => Some((symbol - 254, 0)),
        265..285 => {
            let more = (symbol - 261) / 4;
            Some((
                3 + ((4 + (symbol - 261) % 4) << more),
                u32::from(small(more)),
            ))
        }
        285 => Some((258, 0)),
        _ => None,
    }
}

/// The same of a distance.
fn distance_of(symbol: usize) -> (usize, u32) {
    if symbol < 4 {
        return (symbol + 1, 0);
    }
    let more = (symbol - 2) / 2;
    (1 + ((2 + symbol % 2) << more), u32::from(small(more)))
}

/// Bytes that are read bit by bit, the lowest bit first.
struct BitReader<'p> {
    rest: &'p [u8],
    word: u64,
    count: u32,
}

impl<'p> BitReader<'p> {
    fn over(rest: &'p [u8]) -> Self {
        let (word, count) = (0, 0);
        Self { rest, word, count }
    }

    /// As many bits as there are and have room: at least 56 in the midst.
    fn fill(&mut self) {
        if let Some(eight) = self.rest.first_chunk() {
            self.word |= u64::from_le_bytes(*eight) << self.count;
            let bytes = (63 - self.count) / 8;
            self.rest = &self.rest[bytes as usize..];
            self.count += 8 * bytes;
            return;
        }
        while let Some((byte, rest)) = self.rest.split_first()
            && self.count <= 56
        {
            self.word |= u64::from(*byte) << self.count;
            self.count += 8;
            self.rest = rest;
        }
    }

    fn pass(&mut self, count: u32) -> Option<()> {
        self.count = self.count.checked_sub(count)?;
        self.word >>= count;
        Some(())
    }

    fn take(&mut self, count: u32) -> Option<usize> {
        let taken = self.word & ((1 << count) - 1);
        self.pass(count)?;
        usize::try_from(taken).ok()
    }
}
