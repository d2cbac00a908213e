//! What a seed draws: the same each time.

use jiff::{Span, ToSpan as _};

use crate::domain::Entropy;
use crate::domain::entropy::Stream;

/// Draws of one seed and one purpose.
pub(super) struct Draw(Stream);

impl Draw {
    pub(super) fn of(seed: u64, purpose: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(Entropy::from_seed(bytes).stream(purpose))
    }

    /// From 0 to one below.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("a small number");
        usize::try_from(self.0.bits() % end).expect("a small number")
    }

    /// A number of so many bits.
    pub(super) fn bits_of(&mut self, bits: u32) -> u64 {
        self.0.bits() >> (64 - bits)
    }

    /// True once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn one<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    /// So many days, or fewer.
    pub(super) fn days_below(&mut self, end: usize) -> Span {
        i64::try_from(self.below(end)).expect("few days").days()
    }
}
