//! Draws of the seeded tests: the same for the same seed.

/// Seeds of a run: some in the suite, as many as a campaign asks for.
pub(crate) fn seeds(in_suite: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seed = number("KITH_TEST_SEED").unwrap_or(1);
    let count = number("KITH_TEST_COUNT").unwrap_or(in_suite);
    let first = 1 + (seed - 1) * count;
    first..first + count
}

/// Numbers that look drawn (`SplitMix64`).
pub(crate) struct Draw(u64);

impl Draw {
    /// Of a seed, and of a purpose.
    pub(crate) fn of(seed: u64, purpose: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(purpose))
    }

    /// From 0 to one below.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let mixed = (mixed ^ (mixed >> 31)) >> 33;
        usize::try_from(mixed).unwrap_or(0) % end
    }

    /// From one number to another, both included.
    pub(crate) fn from(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }
}
