//! How many bits each symbol of deflate takes in a preset, and the codes that follow from it.
//!
//! Lengths were counted once on made-up resources and some English, every symbol a few times more than it was seen, so that
//! nothing is without a code. They are never changed: what was packed by them is opened by them.

/// Symbols for letters, the end and lengths; symbols for distances stand behind them.
pub(super) const SYMBOLS: usize = 286;
/// Symbol of the end of a block.
pub(super) const END: usize = 256;
/// Bytes of a match.
pub(super) const MATCH_MAX: usize = 258;
/// Bits of the longest code.
pub(super) const CODE_BITS_MAX: u32 = 15;

/// A digit is a number of bits, in hexadecimal: for a referral, and all that is no person's record.
pub(super) const REFERRALS: &str = "\
    ffffffffffffffffffffffffffffffee5c8ccccabbc8847c45555555556accccc8a787cb88bba9a\
    a8c797ccacc8c9bccc556555876c968667c667899b9bcc9ceedeeeeeeeeeeeeeeeeeceeeeeeeeee\
    eeecdeeeeeebedeceeeeeeeeeedecebeeeeee9edeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\
    eeeeeeeeeeeeeeeeeee8d5697b87779a8ab878cd8b9b9bdd8a9989a98656985564435156aa9aaaa";

/// The same for a person's record.
pub(super) const PEOPLE: &str = "\
    ffffffffffffffffffffffffffffffff5c7cccc9bbcc857b55555555557accccc8889a99aa9a888\
    8aa9779c9aa7c9bccc566657866a957656c666799a8accaceebeeeeeeeeeeeeeeeeeceeeeeeeeee\
    eeeabeeeeeeaebeceeeeeeeeeebececeeeeee8ebeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\
    eeeeeeeeeeeeeeeeeee8e569768976788787688a8ddddddd8aa9aa99995a68aa84543136aaaaaaa";

/// The bits of a symbol, the first one lowest, and how many they are.
#[derive(Clone, Copy, Default)]
pub(super) struct SymbolBits {
    pub(super) bits: u64,
    pub(super) count: u32,
}

impl SymbolBits {
    /// This, and behind it some more.
    pub(super) fn and(self, more: Self) -> Self {
        Self {
            bits: self.bits | more.bits << self.count,
            count: self.count + more.count,
        }
    }

    /// The lowest bits of a number, as many as the second says.
    pub(super) fn lowest(number: usize, count: u32) -> Self {
        let bits = number as u64 & ((1 << count) - 1);
        Self { bits, count }
    }
}

/// The codes of these lengths, by their order (RFC 1951, 3.2.2).
pub(super) fn canonical(lengths: &[u32]) -> Vec<SymbolBits> {
    let mut next = [0_u32; 17];
    for length in 1..16 {
        let before = lengths.iter().filter(|other| **other == length).count();
        let before = u32::try_from(before).unwrap_or(0);
        next[length as usize + 1] = (next[length as usize] + before) << 1;
    }
    let code = |count: &u32| {
        let next = &mut next[*count as usize];
        let bits = u64::from(next.reverse_bits() >> (32 - count));
        *next += 1;
        let count = *count;
        SymbolBits { bits, count }
    };
    lengths.iter().map(code).collect()
}
