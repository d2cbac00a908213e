//! The fake in memory, from both sides.

use std::sync::Arc;

use super::{Bench, Died, MODIFIED_SECONDS, Trouble};
use crate::transport::memory::MemoryTransport;
use crate::transport::memory_far::{Far, Put};
use crate::transport::{CandidateKind, Capabilities, OutgoingDrop, Transport};

/// Bytes of a file that the one-way exchange takes.
const ONE_WAY_BYTES_MAX: u64 = 100;

pub(super) struct MemoryBench {
    pub(super) transport: MemoryTransport,
    one_way: MemoryTransport,
}

impl MemoryBench {
    /// Without one duty; 0: with all.
    pub(super) fn new(without: usize) -> Self {
        let transport = MemoryTransport::new(without);
        let mut one_way = MemoryTransport::new(without);
        one_way.capabilities = Capabilities {
            returns: false,
            sees_fetched: false,
            hears_acknowledged: false,
            name_bytes_max: 30,
            file_size_bytes_max: Some(ONE_WAY_BYTES_MAX),
        };
        Self { transport, one_way }
    }

    fn both(&self, change: impl Fn(&mut Far)) {
        change(&mut self.transport.far());
        change(&mut self.one_way.far());
    }

    fn put(&self, name: &str, content: &[u8], kind: CandidateKind, seconds: u32) {
        let mut far = self.transport.far();
        far.versions += 1;
        far.incoming.retain(|put| put.name != name);
        let version = far.versions;
        far.incoming.push(Put {
            name: name.to_owned(),
            bytes: content.to_vec(),
            kind,
            version,
            modified_micros: (i64::try_from(MODIFIED_SECONDS).unwrap() + i64::from(seconds))
                * 1_000_000,
            changed: false,
        });
    }
}

fn contents(puts: &[Put]) -> Vec<(String, Vec<u8>)> {
    let files = puts.iter().map(|put| (put.name.clone(), put.bytes.clone()));
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

impl Bench for MemoryBench {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.transport.clone())
    }

    fn one_way(&self) -> Arc<dyn Transport> {
        Arc::new(self.one_way.clone())
    }

    fn one_way_sees(&self) -> Vec<(String, Vec<u8>)> {
        self.one_way.published()
    }

    fn sees(&self) -> Vec<(String, Vec<u8>)> {
        self.transport.published()
    }

    fn half_written(&self) -> usize {
        self.transport.far().parts.len()
    }

    fn receipts(&self) -> Vec<(String, Vec<u8>)> {
        let receipts = self.transport.far().receipts.clone();
        receipts.into_iter().collect()
    }

    fn returns(&self) -> Vec<String> {
        let files = contents(&self.transport.far().incoming);
        files.into_iter().map(|(name, _)| name).collect()
    }

    fn done(&self) -> Vec<(String, Vec<u8>)> {
        contents(&self.transport.far().done)
    }

    fn refused(&self) -> Vec<(String, Vec<u8>)> {
        contents(&self.transport.far().refused)
    }

    fn fetches(&self, name: &str) {
        self.transport.far().out.remove(name).unwrap();
    }

    fn lays(&self, name: &str, content: &[u8]) {
        let mut far = self.transport.far();
        far.out.insert(name.to_owned(), content.to_vec());
    }

    fn puts_after(&self, name: &str, content: &[u8], seconds: u32) {
        self.put(name, content, CandidateKind::File, seconds);
    }

    fn links(&self, name: &str) {
        self.put(name, b"what lies elsewhere", CandidateKind::Symlink, 0);
    }

    fn puts_a_folder(&self, name: &str) {
        self.put(name, b"", CandidateKind::Folder, 0);
    }

    fn stands_since(&self, name: &str) -> i64 {
        let far = self.transport.far();
        let put = far.incoming.iter().find(|put| put.name == name);
        put.unwrap().modified_micros
    }

    fn grows(&self, name: &str, content: &[u8]) {
        let mut far = self.transport.far();
        far.versions += 1;
        let version = far.versions;
        let put = far.done.iter_mut().find(|put| put.name == name).unwrap();
        put.bytes = content.to_vec();
        (put.version, put.changed) = (version, true);
    }

    fn acknowledges(&self, name: &str) -> bool {
        self.transport.far().acknowledged.insert(name.to_owned())
    }

    fn fails(&self, name: &str) {
        self.transport.far().failed.insert(name.to_owned());
    }

    fn died(&self, drop: &OutgoingDrop, at: Died) {
        let mut far = self.transport.far();
        if at == Died::BeforeTheName {
            let half = drop.bytes.iter().copied().take(drop.bytes.len() / 2);
            far.parts.insert(drop.name.clone(), half.collect());
            return;
        }
        far.out.insert(drop.name.clone(), drop.bytes.clone());
        if at == Died::AfterTheManifest {
            let manifest = (drop.manifest_name.clone(), drop.manifest.clone());
            far.out.extend([manifest]);
        }
    }

    fn loses_an_answer(&self, arrives: bool) -> bool {
        self.transport.line().lose_in(0, arrives);
        true
    }

    fn in_trouble(&self, trouble: Option<Trouble>) {
        self.both(|far| {
            far.gone = trouble == Some(Trouble::Gone);
            far.read_only = trouble == Some(Trouble::ReadOnly);
            far.room = match trouble {
                Some(Trouble::Full { after }) => Some(after),
                _ => None,
            };
        });
    }

    fn paths(&self) -> Vec<String> {
        Vec::new()
    }
}
