//! Random bytes from one injected stream: keys, nonces, references and ids of a run.
//!
//! The stream is seeded by the system; the demo and the tests seed it themselves, so that the same
//! input gives the same bytes. Each chunk of work takes a stream of its own, numbered by its place,
//! so that the order in which threads run does not show.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Where a run's random bytes come from.
#[derive(Clone)]
pub(crate) struct Entropy {
    seed: [u8; 32],
}

/// One numbered stream of random bytes.
pub(crate) struct Stream(ChaCha20Rng);

impl Entropy {
    /// Entropy of the given 32 bytes.
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self { seed }
    }

    /// The stream of this number; every number is taken once a run.
    pub(crate) fn stream(&self, number: u64) -> Stream {
        let mut rng = ChaCha20Rng::from_seed(self.seed);
        rng.set_stream(number);
        Stream(rng)
    }
}

impl Stream {
    /// Random bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0_u8; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }
}
