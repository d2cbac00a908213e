//! What tests of whole runs do with the transport in memory: they lose an answer, take its room away, and put files in.

use super::memory_far::Put;
use super::{CandidateKind, MemoryTransport};

impl MemoryTransport {
    /// A transport on which an installation's tests can lose the answer to the first drop.
    pub(crate) fn losing_the_first_answer(arrives: bool) -> Self {
        let transport = Self::new(0);
        transport.line().lose_in(0, arrives);
        transport
    }

    /// The answer to the next drop is lost.
    pub(crate) fn loses_the_next_answer(&self, arrives: bool) {
        self.line().lose_in(0, arrives);
    }

    /// Whether there is room for files.
    pub(crate) fn is_full(&self, full: bool) {
        self.far().room = full.then_some(0);
    }

    /// Whether the far side is gone.
    pub(crate) fn is_gone(&self, gone: bool) {
        self.far().gone = gone;
    }

    /// The partner puts a file in, long ago.
    pub(crate) fn has_in(&self, name: &str, bytes: &[u8]) {
        let mut far = self.far();
        far.versions += 1;
        let (name, bytes, version) = (name.to_owned(), bytes.to_vec(), far.versions);
        far.incoming.push(Put {
            name,
            bytes,
            kind: CandidateKind::File,
            version,
            modified_micros: 0,
            changed: false,
        });
    }

    /// The partner takes everything away that it sees.
    pub(crate) fn is_fetched(&self) {
        self.far().out.clear();
    }

    /// What the partner sees of it.
    pub(crate) fn published(&self) -> Vec<(String, Vec<u8>)> {
        self.far().out.clone().into_iter().collect()
    }
}
