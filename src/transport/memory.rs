//! A transport in memory, for tests: a far side, a client that keeps the duties, and a line between them that delays, cuts, repeats, reorders and loses
//! answers. Each duty can be switched off, which shows that its check would see it missing.

use std::sync::{Arc, Mutex, MutexGuard};

use super::file_name::receipt_stem;
use super::memory_far::{Far, Line, Put};
use super::{
    Acknowledgement, Candidate, CandidateKind, CandidateVersion, Capabilities, DropOutcome,
    Exchanged, LiesIn, Listing, ListingTerms, OutgoingDrop, OutgoingFile, PartnerFileName,
    Published, Receipt, Transport, TransportError, check_own_name, in_order,
};

/// The client's side.
#[derive(Clone, Debug)]
pub(crate) struct MemoryTransport {
    pub(super) far: Arc<Mutex<Far>>,
    pub(super) line: Arc<Mutex<Line>>,
    /// The duty that is switched off; 0 for none.
    pub(super) without: usize,
    pub(super) capabilities: Capabilities,
}

/// What was asked for got lost, or its answer did.
struct AnswerLost;

impl MemoryTransport {
    pub(super) fn new(without: usize) -> Self {
        Self {
            far: Arc::default(),
            line: Arc::default(),
            without,
            capabilities: Capabilities {
                returns: true,
                sees_fetched: true,
                hears_acknowledged: true,
                name_bytes_max: 250,
                file_size_bytes_max: None,
            },
        }
    }

    pub(super) fn far(&self) -> MutexGuard<'_, Far> {
        self.far.lock().unwrap()
    }

    pub(super) fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap()
    }

    fn keeps(&self, duty: usize) -> bool {
        self.without != duty
    }

    /// One request and its answer.
    async fn call<T>(
        &self,
        mut request: impl FnMut(&mut Far) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let (delays, repeats) = {
            let mut line = self.line();
            line.calls += 1;
            if line.cut_after.is_some_and(|calls| line.calls > calls) {
                line.cut_after = None;
                return Err(TransportError::Cut);
            }
            (line.delays, line.repeats)
        };
        for _ in 0..delays {
            tokio::task::yield_now().await;
        }
        let mut far = self.far();
        let there = far.ready && !far.gone;
        if !there && self.keeps(17) {
            return Err(TransportError::Gone {
                folder: "the far side",
            });
        }
        let answer = request(&mut far);
        if repeats {
            // Whatever comes of the second one: its answer finds nobody who waits.
            drop(request(&mut far));
        }
        answer
    }

    /// Lays bytes where nobody sees them, half by half.
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), TransportError> {
        let hidden = self.keeps(2);
        let put = self
            .call(|far| {
                if far.read_only {
                    return Err(TransportError::ReadOnly { folder: "out" });
                }
                let full = far.room == Some(0);
                far.room = far.room.map(|room| room.saturating_sub(1));
                let half = bytes.len() / if full { 2 } else { 1 };
                let written = bytes.iter().copied().take(half).collect();
                let place = if hidden { &mut far.parts } else { &mut far.out };
                place.insert(name.to_owned(), written);
                if full {
                    Err(TransportError::Full { folder: "out" })
                } else {
                    Ok(())
                }
            })
            .await;
        if put.is_err() && self.keeps(15) {
            self.far().parts.remove(name);
        }
        put
    }

    /// Gives what was laid its name.
    async fn name(&self, name: &str) -> Result<Result<(), AnswerLost>, TransportError> {
        let lost = {
            let mut line = self.line();
            line.namings += 1;
            match line.lost_after {
                Some((after, arrives)) if line.namings >= after => {
                    line.lost_after = None;
                    Some(arrives)
                }
                _ => None,
            }
        };
        if lost == Some(false) {
            return Ok(Err(AnswerLost));
        }
        self.call(|far| {
            // Asked twice, it has its name already.
            if let Some(bytes) = far.parts.remove(name) {
                far.out.insert(name.to_owned(), bytes);
            }
            Ok(())
        })
        .await?;
        Ok(if lost.is_some() {
            Err(AnswerLost)
        } else {
            Ok(())
        })
    }

    /// Whether a name is free, or holds these very bytes.
    async fn look(&self, name: &str, bytes: &[u8]) -> Result<Option<bool>, TransportError> {
        self.call(|far| Ok(far.out.get(name).map(|there| there == bytes)))
            .await
    }

    async fn publish_whole(&self, drop: OutgoingDrop) -> Result<Published, TransportError> {
        if !self.keeps(1) {
            self.far().ready = true;
        }
        for name in [&drop.name, &drop.manifest_name] {
            if self.keeps(19) {
                check_own_name(name, self.capabilities, "out")?;
            }
        }
        self.capabilities.takes(&drop.bytes)?;
        let taken = if self.keeps(24) {
            TransportError::NameTaken { folder: "out" }
        } else {
            TransportError::Cut
        };
        let manifest = self.look(&drop.manifest_name, &drop.manifest).await?;
        match manifest {
            Some(false) if self.keeps(4) => return Err(taken),
            Some(true) if self.keeps(3) => return Ok(Published::Before),
            _ => {}
        }
        let mut files = vec![
            (&drop.name, &drop.bytes),
            (&drop.manifest_name, &drop.manifest),
        ];
        if !self.keeps(2) {
            files.reverse();
        }
        for (name, bytes) in files {
            match self.look(name, bytes).await? {
                Some(false) if self.keeps(4) => return Err(taken),
                Some(true) if self.keeps(6) => continue,
                Some(true) => return Err(taken),
                _ => {}
            }
            let naming = async {
                self.put(name, bytes).await?;
                self.name(name).await
            };
            let named = naming.await;
            let half_out = *name != drop.name;
            let named = named.map_err(|error| if half_out { error.half_out() } else { error });
            if named?.is_err() {
                // Off: takes silence for success.
                return Ok(if self.keeps(7) {
                    Published::Unknown
                } else {
                    Published::Now
                });
            }
        }
        Ok(Published::Now)
    }

    fn candidate(&self, put: &Put, lies_in: LiesIn) -> Candidate {
        let version = if self.keeps(13) && self.keeps(9) {
            put.version.to_string()
        } else {
            put.name.clone()
        };
        Candidate {
            name: PartnerFileName::new(put.name.clone()),
            kind: put.kind,
            lies_in,
            file_size_bytes: put.bytes.len() as u64,
            written_micros: put.modified_micros,
            version: CandidateVersion(version.into()),
        }
    }

    /// The file of a candidate, if it still is what was listed.
    fn listed<'f>(&self, far: &'f Far, candidate: &Candidate) -> Result<&'f Put, TransportError> {
        let named = |put: &&Put| put.name == candidate.name.reveal();
        let lies_in = candidate.lies_in;
        let put = match lies_in {
            LiesIn::Incoming => far.incoming.iter().find(named),
            LiesIn::PutAway(how) => far.put_away(how).iter().find(named),
        };
        put.filter(|put| !self.keeps(9) || self.candidate(put, lies_in) == *candidate)
            .ok_or(TransportError::Changed { folder: "in" })
    }

    async fn changed_in_order(
        &self,
        terms: ListingTerms,
    ) -> Result<Vec<Candidate>, TransportError> {
        let mut found = self
            .call(|far| {
                let mut found = Vec::new();
                for how in [Acknowledgement::Done, Acknowledgement::Refused] {
                    let changed = far.put_away(how).iter().filter(|put| put.changed);
                    found.extend(changed.map(|put| self.candidate(put, LiesIn::PutAway(how))));
                }
                Ok(found)
            })
            .await?;
        if !self.keeps(26) {
            found.clear();
        }
        in_order(&mut found);
        found.truncate(terms.files_max);
        Ok(found)
    }

    async fn list_in_order(&self, terms: ListingTerms) -> Result<Listing, TransportError> {
        if !self.capabilities.returns && self.keeps(22) {
            return Err(TransportError::NotOffered);
        }
        // The far side answers in an order of its own, and names the first twice.
        let puts = self
            .call(|far| {
                if far.gone {
                    return Ok(Vec::new());
                }
                let mut puts: Vec<Put> = far.incoming.iter().rev().cloned().collect();
                puts.extend(puts.first().cloned());
                Ok(puts)
            })
            .await?;
        let mut listing = Listing::default();
        for put in puts {
            let name = PartnerFileName::new(put.name.clone());
            let is_empty = put.kind == CandidateKind::File && put.bytes.is_empty();
            let stood_still = terms.stood_still(put.modified_micros, is_empty);
            let odd = put.kind != CandidateKind::File || !put.name.contains(".csv");
            if name.is_left_alone() || (odd && !self.keeps(25)) {
                continue;
            }
            if self.keeps(10) && !stood_still {
                listing.waiting.push(name);
            } else {
                let candidate = self.candidate(&put, LiesIn::Incoming);
                listing.candidates.push(candidate);
            }
        }
        if !self.keeps(18) {
            return Ok(listing);
        }
        if !self.keeps(20) && listing.candidates.len() > terms.files_max {
            listing.candidates.dedup();
            return Ok(listing);
        }
        Ok(listing.in_order(terms.files_max))
    }

    async fn take_listed(
        &self,
        candidate: &Candidate,
        file_size_bytes_max: u64,
    ) -> Result<Vec<u8>, TransportError> {
        let put = self
            .call(|far| {
                let put = self.listed(far, candidate)?.clone();
                if !self.keeps(11) {
                    far.incoming.retain(|other| other.version != put.version);
                }
                Ok(put)
            })
            .await?;
        if put.kind != CandidateKind::File && self.keeps(21) {
            return Err(TransportError::NotRegular { folder: "in" });
        }
        if put.bytes.len() as u64 > file_size_bytes_max && self.keeps(20) {
            return Err(TransportError::TooLarge {
                folder: "in",
                file_size_bytes_max,
            });
        }
        Ok(put.bytes)
    }

    async fn acknowledge_once(
        &self,
        candidate: &Candidate,
        how: Acknowledgement,
    ) -> Result<PartnerFileName, TransportError> {
        let mut kept_as = None;
        self.call(|far| {
            // The request came twice: it was done the first time.
            if kept_as.is_some() {
                return Ok(());
            }
            let mut put = self.listed(far, candidate)?.clone();
            if candidate.lies_in == LiesIn::PutAway(how) {
                kept_as = Some(candidate.name.clone());
                let puts = far.put_away_mut(how).iter_mut();
                puts.for_each(|other| other.changed &= other.version != put.version);
                return Ok(());
            }
            if far.read_only {
                if !self.keeps(16) {
                    far.incoming.retain(|other| other.version != put.version);
                }
                return Err(TransportError::ReadOnly { folder: "in" });
            }
            for puts in [&mut far.incoming, &mut far.done, &mut far.refused] {
                puts.retain(|other| other.version != put.version);
            }
            put.changed = false;
            let kept = far.put_away_mut(how);
            let taken =
                |name: &PartnerFileName| kept.iter().any(|other| other.name == name.reveal());
            let mut name = candidate.name.clone();
            if self.keeps(12) {
                let free = (1..1_000).map(|number| candidate.name.numbered(number));
                name = free.into_iter().find(|name| !taken(name)).unwrap();
            } else {
                kept.retain(|other| other.name != name.reveal());
            }
            name.reveal().clone_into(&mut put.name);
            kept.push(put);
            kept_as = Some(name);
            Ok(())
        })
        .await?;
        kept_as.ok_or(TransportError::Cut)
    }

    async fn receipts_once(
        &self,
        of: &PartnerFileName,
        receipts: &[Receipt],
    ) -> Result<Vec<String>, TransportError> {
        if !self.capabilities.returns {
            return Err(TransportError::NotOffered);
        }
        let stem = receipt_stem(of);
        self.call(|far| {
            for number in 1..1_000 {
                let numbered = if number < 2 {
                    stem.clone()
                } else {
                    format!("{stem} ({number})")
                };
                let named = |receipt: &Receipt| format!("{numbered}.{}", receipt.ending);
                let free = receipts.iter().all(|receipt| {
                    let there = far.receipts.get(&named(receipt));
                    there.is_none_or(|there| *there == receipt.bytes)
                });
                if free || !self.keeps(14) {
                    for receipt in receipts {
                        far.receipts.insert(named(receipt), receipt.bytes.clone());
                    }
                    return Ok(receipts.iter().map(named).collect());
                }
            }
            Err(TransportError::NameTaken { folder: "receipts" })
        })
        .await
    }

    async fn replace_whole(&self, files: Vec<OutgoingFile>) -> Result<(), TransportError> {
        for file in files {
            for part in file.name.split('/') {
                check_own_name(part, self.capabilities, "out")?;
            }
            if !self.keeps(23) {
                self.far().out.remove(&file.name);
            }
            self.put(&file.name, &file.bytes).await?;
            if self.name(&file.name).await?.is_err() {
                return Err(TransportError::Cut);
            }
        }
        Ok(())
    }

    async fn fate_of(&self, name: &str) -> Result<DropOutcome, TransportError> {
        if !self.capabilities.sees_fetched {
            return Ok(DropOutcome::CannotSay);
        }
        let asked = self
            .call(|far| {
                Ok(if far.failed.contains(name) {
                    DropOutcome::Failed {
                        why: "the far side refused it",
                    }
                } else if far.acknowledged.contains(name) {
                    DropOutcome::Acknowledged
                } else if far.out.contains_key(name) {
                    DropOutcome::Waits
                } else {
                    DropOutcome::Gone
                })
            })
            .await;
        match asked {
            Err(TransportError::Gone { .. } | TransportError::Cut) if self.keeps(8) => {
                Ok(DropOutcome::CannotSay)
            }
            Err(_) if !self.keeps(8) => Ok(DropOutcome::Gone),
            other => other,
        }
    }
}

impl Transport for MemoryTransport {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn prepare(&self) -> Exchanged<'_, ()> {
        Box::pin(async {
            let mut far = self.far();
            if far.gone {
                return Err(TransportError::Gone {
                    folder: "the far side",
                });
            }
            far.ready = true;
            Ok(())
        })
    }

    fn prepare_again(&self) -> Exchanged<'_, ()> {
        Box::pin(self.call(|_| Ok(())))
    }

    fn sweep(&self) -> Exchanged<'_, ()> {
        Box::pin(self.call(|far| {
            if self.keeps(5) {
                far.parts.clear();
            }
            Ok(())
        }))
    }

    fn publish(&self, drop: OutgoingDrop) -> Exchanged<'_, Published> {
        Box::pin(self.publish_whole(drop))
    }

    fn fate<'a>(&'a self, name: &'a str) -> Exchanged<'a, DropOutcome> {
        Box::pin(self.fate_of(name))
    }

    fn reread<'a>(
        &'a self,
        name: &'a str,
        file_size_bytes_max: u64,
    ) -> Exchanged<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let found = self.call(|far| Ok(far.out.get(name).cloned())).await?;
            if found
                .as_ref()
                .is_some_and(|bytes| bytes.len() as u64 > file_size_bytes_max)
            {
                return Err(TransportError::TooLarge {
                    folder: "out",
                    file_size_bytes_max,
                });
            }
            Ok(found)
        })
    }

    fn touched(&self, drops: Vec<(String, String)>) -> Exchanged<'_, Vec<String>> {
        let mut names: Vec<String> = drops.into_iter().map(|(name, _)| name).collect();
        if !self.keeps(27) {
            names.clear();
        }
        Box::pin(std::future::ready(Ok(names)))
    }

    fn kept<'a>(
        &'a self,
        name: &'a str,
        file_size_bytes_max: u64,
    ) -> Exchanged<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let find = |far: &mut Far| {
                let mut kept = far.done.iter().chain(&far.refused);
                let found = kept.find(|put| put.name == name);
                found.map(|put| put.bytes.clone())
            };
            let found = self.call(|far| Ok(find(far))).await?;
            let length = found
                .as_ref()
                .map_or(0, |bytes: &Vec<u8>| bytes.len() as u64);
            if length > file_size_bytes_max {
                return Err(TransportError::TooLarge {
                    folder: "in/done",
                    file_size_bytes_max,
                });
            }
            Ok(found)
        })
    }

    fn replace(&self, files: Vec<OutgoingFile>) -> Exchanged<'_, ()> {
        Box::pin(self.replace_whole(files))
    }

    fn renew(&self, file: OutgoingFile, before: Option<Vec<u8>>) -> Exchanged<'_, ()> {
        Box::pin(async move {
            check_own_name(&file.name, self.capabilities, "out")?;
            let there = self
                .call(|far| Ok(far.out.get(&file.name).cloned()))
                .await?;
            if there.is_some() && there != before && self.keeps(28) {
                return Err(TransportError::NameTaken { folder: "out" });
            }
            self.replace_whole(vec![file]).await
        })
    }

    fn list(&self, terms: ListingTerms) -> Exchanged<'_, Listing> {
        Box::pin(self.list_in_order(terms))
    }

    fn changed_since(&self, terms: ListingTerms) -> Exchanged<'_, Vec<Candidate>> {
        Box::pin(self.changed_in_order(terms))
    }

    fn take<'a>(
        &'a self,
        candidate: &'a Candidate,
        file_size_bytes_max: u64,
    ) -> Exchanged<'a, Vec<u8>> {
        Box::pin(self.take_listed(candidate, file_size_bytes_max))
    }

    fn acknowledge<'a>(
        &'a self,
        candidate: &'a Candidate,
        how: Acknowledgement,
    ) -> Exchanged<'a, PartnerFileName> {
        Box::pin(self.acknowledge_once(candidate, how))
    }

    fn write_receipts<'a>(
        &'a self,
        of: &'a PartnerFileName,
        receipts: Vec<Receipt>,
    ) -> Exchanged<'a, Vec<String>> {
        Box::pin(async move { self.receipts_once(of, &receipts).await })
    }
}
