//! Chance that can be had again: numbers from a seed, the kind of a request and how many of its kind came before.

/// One request's chance.
pub(super) struct Dice(u64);

impl Dice {
    /// The dice of the `n`th request of a kind. Requests of one kind that are made at once may change places, no others.
    pub(super) fn of(seed: u64, kind: &str, n: u64) -> Self {
        // FNV-1a over the kind: any hash does that is the same on every machine.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in kind.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let mut dice = Self(seed ^ hash.rotate_left(17));
        dice.0 = dice.next() ^ n.wrapping_mul(0xd1b5_4a32_d192_ed03);
        dice
    }

    /// The next number: splitmix64, whose every state gives another number.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 where there is none.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    /// True in this share of a hundred.
    pub(super) fn percent(&mut self, share: u32) -> bool {
        self.next() % 100 < u64::from(share)
    }

    /// Puts things into any order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
