//! The records that requests name: those that came along, and those that have to be asked for.
//!
//! In: pages of an answer, and ids. Out: records by kind and id. Asked for in batches by `_id`, and one by one only where a
//! server does not give them so. People are kept for a page; the few that many referrals share, for longer, up to a limit.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::fhir::client::lookup::carries;
use crate::fhir::client::own_addresses::OwnAddresses;
use crate::fhir::client::parameters::Parameters;
use crate::fhir::client::search::SearchPage;
use crate::fhir::client::{Client, ClientError};
use crate::fhir::resources::bundle::{Head, Mode};
use crate::fhir::resources::reference::{Address, Reference, is_id};
use crate::fhir::resources::version::{apart, newer};
use crate::pipeline::referral::Bytes;
use crate::store::rows::RawKind;

/// Ids asked for in one search.
const IDS_A_SEARCH: usize = 50;
/// Pages of the answer to a batch; a server that has more has ignored the ids.
const BATCH_PAGES_MAX: usize = 10;
/// Practitioners, roles and practices kept; above that they are asked for again.
const SHARED_MAX: usize = 5_000;
/// Ids kept that the server is known not to have.
const ABSENT_MAX: usize = 100_000;

/// The kinds of records that a referral may name.
const KINDS: [RawKind; 6] = [
    RawKind::Patient,
    RawKind::Practitioner,
    RawKind::PractitionerRole,
    RawKind::Organization,
    RawKind::Consent,
    RawKind::HealthcareService,
];

/// Which server an address is of, and what a Bundle calls its records by where that is not their id.
#[derive(Default)]
pub(super) struct Urls {
    /// By `urn:` and other addresses that name no `type/id`.
    known: HashMap<String, (RawKind, String)>,
    pub(super) own: OwnAddresses,
}

impl Urls {
    fn of_server(base: &str, rebase: bool) -> Self {
        Self {
            known: HashMap::new(),
            own: OwnAddresses::of(base, rebase),
        }
    }

    /// The id of a reference to a record of this kind.
    pub(super) fn id(&self, reference: Reference<'_>, kind: RawKind) -> Option<String> {
        match reference {
            Reference::Relative { kind: named, id } if named == kind.resource_type() => {
                Some(id.to_owned())
            }
            Reference::Urn(url) | Reference::Foreign(url) => {
                let Some(address) = Address::parse(url) else {
                    let (of, id) = self.known.get(url)?;
                    return (*of == kind).then(|| id.clone());
                };
                // Another server's record is another record, whatever its id.
                let own = address.kind == kind.resource_type() && self.own.has(address.base);
                own.then(|| address.id.to_owned())
            }
            _ => None,
        }
    }
}

/// Records that lie with us already, beside those that come on pages.
pub(in crate::pipeline::pull) trait Kept: Send + Sync {
    /// The record of this kind with this id.
    fn record(&self, kind: RawKind, id: &str) -> Option<Bytes>;

    /// Id of the one record of this kind with an identifier.
    fn with_identifier(&self, kind: RawKind, system: &str, value: &str) -> Option<String>;
}

/// Records of the page in hand, and of those many referrals share.
pub(super) struct Records<'c> {
    client: &'c Client,
    kept: Option<Arc<dyn Kept>>,
    people: HashMap<(RawKind, String), Bytes>,
    shared: HashMap<(RawKind, String), Bytes>,
    /// Known not to be given: not asked for again in this pull.
    absent: HashSet<(RawKind, String)>,
    /// Came on the page in versions of which nobody can say which is the newer: asked for.
    unsure: HashSet<(RawKind, String)>,
    /// Ids by identifier.
    found: HashMap<(RawKind, String), String>,
    /// Kinds that the server does not give by a list of ids, and not at all.
    no_lists: BTreeSet<RawKind>,
    denied: BTreeSet<RawKind>,
    pub(super) urls: Urls,
    pub(super) read_singly: u64,
}

fn kind_of(resource_type: &str) -> Option<RawKind> {
    KINDS
        .into_iter()
        .find(|kind| kind.resource_type() == resource_type)
}

/// Whether a body is a record of this kind with all its parts.
fn is_whole(body: &[u8], kind: RawKind) -> bool {
    let head = Head::of(body);
    head.resource_type.as_deref() == Some(kind.resource_type()) && !head.subsetted()
}

/// What becomes of a question that the server will not answer: one record holds one referral, not all.
pub(super) fn passed_over(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Refused { .. }
            | ClientError::NotFound
            | ClientError::Gone
            | ClientError::Name
            | ClientError::Bundle(_)
            | ClientError::PageExpired { .. }
            | ClientError::TooLarge { .. }
            | ClientError::TooManyPages { .. }
            | ClientError::NotFhir { .. }
            | ClientError::Unauthorised { status: 403 }
    )
}

impl<'c> Records<'c> {
    pub(super) fn new(client: &'c Client, base: &str, rebase: bool) -> Self {
        Self {
            client,
            kept: None,
            people: HashMap::new(),
            shared: HashMap::new(),
            absent: HashSet::new(),
            found: HashMap::new(),
            no_lists: BTreeSet::new(),
            denied: BTreeSet::new(),
            unsure: HashSet::new(),
            urls: Urls::of_server(base, rebase),
            read_singly: 0,
        }
    }

    /// The same, with records that lie with us: those are not asked for.
    pub(super) fn beside(mut self, kept: Arc<dyn Kept>) -> Self {
        self.kept = Some(kept);
        self
    }

    /// Takes a record that lies with us; whether it does.
    fn take_kept(&mut self, kind: RawKind, id: &str) -> bool {
        let kept = self.kept.as_ref().and_then(|kept| kept.record(kind, id));
        let found = kept.is_some();
        if let Some(bytes) = kept {
            self.put(kind, id.to_owned(), bytes);
        }
        found
    }

    /// Forgets the people of the last page.
    pub(super) fn turn_page(&mut self) {
        self.people.clear();
        self.urls.known.clear();
        self.unsure.clear();
        if self.shared.len() > SHARED_MAX {
            self.shared.clear();
        }
        if self.absent.len() > ABSENT_MAX {
            self.absent.clear();
        }
        if self.found.len() > SHARED_MAX {
            self.found.clear();
        }
    }

    /// Takes the records that came along on a page: the newest version of each, wherever it stands. Those that are not
    /// whole, contradict their address or differ without a word on which is the newer are left to be asked for; those of
    /// another server are no records of ours.
    pub(super) fn take(&mut self, page: &SearchPage) {
        self.urls.own.hear(page.self_link.as_deref());
        for entry in &page.entries {
            let Some(kind) = kind_of(&entry.resource_type) else {
                continue;
            };
            let url = entry.full_url.as_deref();
            if entry.mode == Mode::Outcome
                || entry.subsetted
                || self.urls.own.foreign(url).is_some()
            {
                continue;
            }
            let bytes = page.resource(entry);
            let address = url.and_then(Address::parse);
            let id = match (&entry.id, address, url) {
                (Some(id), Some(address), _)
                    if address.id != id || kind_of(address.kind) != Some(kind) =>
                {
                    self.leave(kind, id);
                    self.leave(kind, address.id);
                    continue;
                }
                (Some(id), ..) if url.is_none() || address.is_some() => id.clone(),
                (None, Some(address), _) => address.id.to_owned(),
                // By its `urn:` alone: the server has no such id, or it is another record.
                (_, None, Some(url)) => {
                    self.urls
                        .known
                        .insert(url.to_owned(), (kind, url.to_owned()));
                    url.to_owned()
                }
                _ => continue,
            };
            self.put_newest(kind, id, bytes);
        }
    }

    fn put_newest(&mut self, kind: RawKind, id: String, bytes: &[u8]) {
        let key = (kind, id);
        if self.unsure.contains(&key) {
            return;
        }
        let known = self.people.get(&key).or_else(|| self.shared.get(&key));
        let Some(known) = known.filter(|known| known[..] != *bytes) else {
            return self.put(kind, key.1, Arc::from(bytes));
        };
        // Two Bundles may call two people by one `urn:`.
        let one = is_id(&key.1) || !apart(known, bytes);
        match newer(known, bytes).filter(|_| one) {
            Some(true) => self.put(kind, key.1, Arc::from(bytes)),
            Some(false) => {}
            None => self.leave(kind, &key.1),
        }
    }

    /// What came of a record is not taken: it is asked for by its id.
    fn leave(&mut self, kind: RawKind, id: &str) {
        let key = (kind, id.to_owned());
        self.people.remove(&key);
        self.shared.remove(&key);
        self.unsure.insert(key);
    }

    fn put(&mut self, kind: RawKind, id: String, bytes: Bytes) {
        let kept = match kind {
            RawKind::Patient | RawKind::Consent | RawKind::ServiceRequest => &mut self.people,
            _ => &mut self.shared,
        };
        kept.insert((kind, id), bytes);
    }

    /// The record, if it came or was fetched.
    pub(super) fn get(&self, kind: RawKind, id: &str) -> Option<Bytes> {
        let key = (kind, id.to_owned());
        let found = self.people.get(&key).or_else(|| self.shared.get(&key));
        found.cloned()
    }

    /// Fetches those of these records that are not here yet.
    pub(super) async fn fetch(
        &mut self,
        kind: RawKind,
        ids: impl IntoIterator<Item = String>,
    ) -> Result<(), ClientError> {
        let missing: BTreeSet<String> = ids
            .into_iter()
            .filter(|id| is_id(id) && !self.settled(kind, id))
            .collect();
        let missing: Vec<String> = missing
            .into_iter()
            .filter(|id| !self.take_kept(kind, id))
            .collect();
        for ids in missing.chunks(IDS_A_SEARCH) {
            let mut gave = true;
            if ids.len() > 1 && !self.no_lists.contains(&kind) {
                gave = self.fetch_list(kind, ids).await?;
            }
            for id in ids {
                if !self.settled(kind, id) && self.fetch_one(kind, id).await? && !gave {
                    // It has what its answer to the list did not give.
                    self.no_lists.insert(kind);
                }
            }
        }
        Ok(())
    }

    fn settled(&self, kind: RawKind, id: &str) -> bool {
        let key = (kind, id.to_owned());
        self.denied.contains(&kind)
            || self.absent.contains(&key)
            || self.people.contains_key(&key)
            || self.shared.contains_key(&key)
    }

    /// Asks for many at once; whether any of them came.
    async fn fetch_list(&mut self, kind: RawKind, ids: &[String]) -> Result<bool, ClientError> {
        let parameters = Parameters::default()
            .with("_id", ids.join(","))
            .with("_count", ids.len().to_string());
        let mut search = self
            .client
            .search(kind.resource_type(), parameters)
            .at_most(BATCH_PAGES_MAX);
        let mut any = false;
        loop {
            let page = match search.next_page().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(any),
                Err(error) if passed_over(&error) => {
                    self.no_lists.insert(kind);
                    return Ok(any);
                }
                Err(error) => return Err(error),
            };
            for entry in &page.entries {
                let url = entry.full_url.as_deref();
                let name = kind.resource_type();
                let foreign = self.urls.own.foreign(url).is_some();
                if entry.resource_type != name || foreign || entry.mode == Mode::Outcome {
                    continue;
                }
                match &entry.id {
                    Some(id) if ids.contains(id) => {
                        // What is not whole, or contradicts its address, is asked for by itself.
                        if !entry.subsetted && self.urls.own.names(url, name, id) {
                            any = true;
                            self.put_newest(kind, id.clone(), page.resource(entry));
                        }
                    }
                    // The server does not look at the ids: it would give everybody.
                    _ => {
                        self.no_lists.insert(kind);
                        return Ok(any);
                    }
                }
            }
        }
    }

    /// Asks for one by its id; whether it came.
    async fn fetch_one(&mut self, kind: RawKind, id: &str) -> Result<bool, ClientError> {
        self.read_singly += 1;
        match self.client.read(kind.resource_type(), id).await {
            Ok(Some(body)) if is_whole(&body, kind) => {
                self.put(kind, id.to_owned(), Arc::from(body));
                return Ok(true);
            }
            Ok(_) => {}
            Err(error) if passed_over(&error) => {
                if matches!(error, ClientError::Unauthorised { .. }) {
                    self.denied.insert(kind);
                }
            }
            Err(error) => return Err(error),
        }
        self.absent.insert((kind, id.to_owned()));
        Ok(false)
    }

    /// Asks for the one record with an identifier, and gives its id. Two with one identifier: neither is taken.
    pub(super) async fn find(
        &mut self,
        kind: RawKind,
        system: &str,
        value: &str,
    ) -> Result<Option<String>, ClientError> {
        let kept = self.kept.as_ref();
        if let Some(id) = kept.and_then(|kept| kept.with_identifier(kind, system, value)) {
            self.fetch(kind, [id.clone()]).await?;
            return Ok(Some(id));
        }
        let key = (kind, format!("{system}|{value}"));
        if let Some(id) = self.found.get(&key).cloned() {
            self.fetch(kind, [id.clone()]).await?;
            return Ok(Some(id));
        }
        if self.absent.contains(&key) || self.denied.contains(&kind) {
            return Ok(None);
        }
        let found = self
            .client
            .find_addressed(kind.resource_type(), system, value)
            .await;
        let mut found = match found {
            Ok(found) => found,
            // Nobody is asked for by a number where that would stand in an address: one referral waits, not all.
            Err(error) if passed_over(&error) || matches!(error, ClientError::Settings(_)) => {
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let own = &self.urls.own;
        found.retain(|one| own.foreign(one.full_url.as_deref()).is_none());
        let ids: BTreeSet<Option<String>> = found
            .iter()
            .map(|one| Head::of(&one.resource).id.map(std::borrow::Cow::into_owned))
            .collect();
        let mut ids = ids.into_iter();
        let (Some(Some(id)), None) = (ids.next(), ids.next()) else {
            self.absent.insert(key);
            return Ok(None);
        };
        let name = kind.resource_type();
        for one in found {
            let url = one.full_url.as_deref();
            if is_whole(&one.resource, kind) && self.urls.own.names(url, name, &id) {
                self.put_newest(kind, id.clone(), &one.resource);
            }
        }
        self.fetch(kind, [id.clone()]).await?;
        let bears = |bytes: Bytes| carries(&bytes, name, system, value);
        if !self.get(kind, &id).is_some_and(bears) {
            self.absent.insert(key);
            return Ok(None);
        }
        self.found.insert(key, id.clone());
        Ok(Some(id))
    }
}
