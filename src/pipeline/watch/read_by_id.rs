//! Reading records by id: many in one search, and each that the search does not give by itself.
//!
//! In: referrals as they were kept. Out: the same as the server has them now, or that they are gone, or that nobody can
//! say. Keeps: only the server's own 404 or 410 for the record itself means that it is gone; a server that knows nothing
//! of anybody is a server with trouble.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::fhir::client::own_addresses::OwnAddresses;
use crate::fhir::client::parameters::Parameters;
use crate::fhir::client::{Client, ClientError};
use crate::fhir::resources::bundle::{Head, Mode, collected};
use crate::fhir::resources::reference::{Address, Reference};
use crate::fhir::resources::service_request::NamedConsent;
use crate::fhir::resources::version::{apart, newer};
use crate::fhir::resources::{patient, practitioner, resource, service_request};
use crate::json::{Arena, Json, items};
use crate::pipeline::referral::{Bytes, Referral, consents_together};

/// Ids asked for in one search.
const IDS_A_SEARCH: usize = 50;
/// Failures of one server in a row before it is left alone for this run.
const FAILURES_MAX: u32 = 3;
/// Records that take one another's place, followed at most this far.
const REPLACED_MAX: usize = 4;

/// What a referral is now.
pub(super) enum Again {
    Read(Box<Referral>),
    Gone,
    Unread,
}

/// A record as the server has it.
#[derive(Clone)]
enum Found {
    Here(Bytes),
    Gone,
    Unread,
}

/// Reads the records of one source.
pub(super) struct Reader<'c> {
    client: &'c Client,
    base: &'c str,
    own: OwnAddresses,
    records: HashMap<(&'static str, String), Found>,
    read: u64,
    failures: u32,
    trouble: Option<ClientError>,
}

impl<'c> Reader<'c> {
    /// Of the server at this base URL; `rebase`: its own addresses may be on another host.
    pub(super) fn new(client: &'c Client, base: &'c str, rebase: bool) -> Self {
        Self {
            client,
            base,
            own: OwnAddresses::of(base, rebase),
            records: HashMap::new(),
            read: 0,
            failures: 0,
            trouble: None,
        }
    }

    /// What kept it from reading, if anything did.
    pub(super) fn trouble(self) -> Option<ClientError> {
        self.trouble
    }

    /// The referrals of these referrals as they are now, in their order.
    pub(super) async fn again(&mut self, kept: &[Referral]) -> Vec<Again> {
        // Each page stands for itself; a record that two pages share is read once more, which bounds the memory.
        self.records.clear();
        let requests: Vec<Option<String>> = kept.iter().map(|old| id_of(&old.request)).collect();
        self.fetch("ServiceRequest", requests.iter().flatten())
            .await;
        let mut named = Vec::with_capacity(kept.len());
        for (old, id) in kept.iter().zip(&requests) {
            let found = match id {
                Some(id) => self.one("ServiceRequest", id).await,
                None => Found::Unread,
            };
            let names = match &found {
                Found::Here(request) => Names::of(request, old, self.base, &self.own),
                Found::Gone | Found::Unread => Names::default(),
            };
            named.push((found, names));
        }
        self.fetch(
            "Patient",
            named.iter().filter_map(|(_, names)| names.patient.as_ref()),
        )
        .await;
        self.fetch(
            "Consent",
            named
                .iter()
                .flat_map(|(_, names)| names.consents.iter().flatten()),
        )
        .await;
        let mut all = Vec::with_capacity(kept.len());
        for (old, (request, names)) in kept.iter().zip(named) {
            let again = match request {
                Found::Here(request) => self.whole(request, old, &names).await,
                Found::Gone => Again::Gone,
                Found::Unread => Again::Unread,
            };
            all.push(again);
        }
        // A server that has none of them has another trouble than so many deletions.
        if self.read == 0 && all.len() > 1 {
            for again in &mut all {
                if matches!(again, Again::Gone) {
                    *again = Again::Unread;
                }
            }
        }
        all
    }

    async fn whole(&mut self, request: Bytes, old: &Referral, names: &Names) -> Again {
        let mut referral = Referral {
            request,
            patient: None,
            ..old.clone()
        };
        if let Some(id) = &names.patient {
            match self.person(id).await {
                // The id was that of an entry of a page: on the server it may be another's.
                Found::Here(bytes)
                    if names.person_on_page
                        && apart(&bytes, old.patient.as_deref().unwrap_or_default()) =>
                {
                    return Again::Unread;
                }
                Found::Here(bytes) => referral.patient = Some(bytes),
                // What was never there is not gone.
                Found::Gone if old.patient.is_none() => {}
                Found::Gone => return Again::Gone,
                Found::Unread => return Again::Unread,
            }
        }
        let mut consents = Vec::new();
        for consent in &names.consents {
            let Some(id) = consent else {
                consents.push(None);
                continue;
            };
            match self.one("Consent", id).await {
                Found::Here(bytes) => consents.push(Some(bytes)),
                // What was never there is not gone.
                Found::Gone if !names.kept_consents.contains(id) => consents.push(None),
                Found::Gone => return Again::Gone,
                Found::Unread => return Again::Unread,
            }
        }
        referral.consent = consents_together(&consents);
        if names.consents_on_pages {
            // Which they are now only a search can say; what was found then still counts, if there is nothing beside it.
            if names.others.is_some() || !consents.is_empty() {
                return Again::Unread;
            }
            referral.consent.clone_from(&old.consent);
        }
        if let Some(others) = &names.others
            && !self.others(&mut referral, others).await
        {
            return Again::Unread;
        }
        if let Some(texts) = &names.performers
            && !self.performers(&mut referral, texts).await
        {
            return Again::Unread;
        }
        Again::Read(Box::new(referral))
    }

    /// What the performers refer to, where the request refers to others than it did; `false` if that cannot be read.
    async fn performers(&mut self, referral: &mut Referral, texts: &[String]) -> bool {
        let mut found: Vec<(String, Bytes)> = Vec::new();
        let mut left: Vec<(String, usize)> = texts.iter().map(|text| (text.clone(), 1)).collect();
        while let Some((text, steps)) = left.pop() {
            let reference = Reference::parse_text(&text, Some(self.base));
            let service = service_request::SERVICES
                .into_iter()
                .find_map(|kind| Some((kind, own_id(&self.own, reference, kind)?)));
            let Some((kind, id)) = service else { continue };
            match self.one(kind, &id).await {
                Found::Here(bytes) => {
                    if let Ok(role) = Json::parse(&bytes, &Arena::default())
                        && kind == "PractitionerRole"
                        && steps > 0
                    {
                        let named = practitioner::role_services(&role).into_iter();
                        left.extend(named.map(|text| (text.to_owned(), steps - 1)));
                    }
                    found.push((text, bytes));
                }
                Found::Gone => {}
                Found::Unread => return false,
            }
        }
        referral.performers = collected(&found).map(Bytes::from);
        true
    }

    /// The person's record, or the one that took its place; where that is not found, the one that says so.
    async fn person(&mut self, id: &str) -> Found {
        let first = self.one("Patient", id).await;
        let mut found = first.clone();
        for _ in 0..REPLACED_MAX {
            let Found::Here(bytes) = &found else { break };
            let next = match Json::parse(bytes, &Arena::default()) {
                Ok(person) if patient::is_replaced(&person) => {
                    let by = patient::replaced_by(&person, Some(self.base));
                    own_id(&self.own, by, "Patient")
                }
                _ => return found,
            };
            let Some(next) = next else { return first };
            found = self.one("Patient", &next).await;
        }
        match found {
            Found::Unread => Found::Unread,
            // Merged with a record that nobody finds, or in a circle: the practice is asked.
            Found::Here(_) | Found::Gone => first,
        }
    }

    /// Who referred, where the request names others than it did; `false` if that cannot be read.
    async fn others(&mut self, referral: &mut Referral, others: &Others) -> bool {
        let referrer = referral.requester.is_some() || referral.role.is_some();
        if others.elsewhere && referrer {
            return false;
        }
        (referral.requester, referral.role, referral.practice) = (None, None, None);
        let mut practitioner = others.practitioner.clone();
        let mut organizations = others.organizations.clone();
        if let Some(id) = &others.role {
            match self.one("PractitionerRole", id).await {
                Found::Here(bytes) => {
                    if let Ok(role) = Json::parse(&bytes, &Arena::default()) {
                        let named = practitioner::role_practitioner(&role, Some(self.base));
                        practitioner = own_id(&self.own, named, "Practitioner");
                        let named = practitioner::role_organization(&role, Some(self.base));
                        let practice = own_id(&self.own, named, "Organization");
                        organizations.splice(0..0, practice);
                    }
                    referral.role = Some(bytes);
                }
                Found::Gone => {}
                Found::Unread => return false,
            }
        }
        if let Some(id) = practitioner {
            match self.one("Practitioner", &id).await {
                Found::Here(bytes) => referral.requester = Some(bytes),
                Found::Gone => {}
                Found::Unread => return false,
            }
        }
        for id in organizations {
            match self.one("Organization", &id).await {
                Found::Here(bytes) => {
                    let coded = Json::parse(&bytes, &Arena::default())
                        .is_ok_and(|organization| practitioner::ods_code(&organization).is_some());
                    if coded {
                        referral.practice = Some(bytes);
                        break;
                    }
                }
                Found::Gone => {}
                Found::Unread => return false,
            }
        }
        true
    }

    /// Asks for many records at once. What the answer does not hold is left to be read by itself.
    async fn fetch(&mut self, kind: &'static str, ids: impl Iterator<Item = &String>) {
        let mut wanted: Vec<String> = ids
            .filter(|id| !self.records.contains_key(&(kind, (*id).clone())))
            .cloned()
            .collect();
        wanted.sort();
        wanted.dedup();
        for ids in wanted.chunks(IDS_A_SEARCH).filter(|ids| ids.len() > 1) {
            if self.failures >= FAILURES_MAX {
                return;
            }
            if let Err(error) = self.search(kind, ids).await {
                self.failed(error);
            }
        }
    }

    async fn search(&mut self, kind: &'static str, ids: &[String]) -> Result<(), ClientError> {
        let parameters = Parameters::default()
            .with("_id", ids.join(","))
            .with("_count", ids.len().to_string());
        let mut search = self.client.search(kind, parameters);
        // Came in versions of which nobody can say which is the newer: read by themselves.
        let mut unsure = HashSet::new();
        // A server that ignores `_id` would give everything it has.
        for _ in 0..ids.len() {
            let Some(page) = search.next_page().await? else {
                break;
            };
            self.own.hear(page.self_link.as_deref());
            for entry in page.bundle()?.entries() {
                let head = Head::of(entry.resource);
                let Some(id) = head.id.as_deref().map(str::to_owned) else {
                    continue;
                };
                let asked = head.resource_type.as_deref() == Some(kind)
                    && ids.contains(&id)
                    && !head.subsetted()
                    && !unsure.contains(&id);
                // Another server's record is another record, whatever its id.
                if asked && entry.mode != Mode::Outcome && self.own.names(entry.full_url, kind, &id)
                {
                    let key = (kind, id);
                    let stands = match self.records.get(&key) {
                        Some(Found::Here(known)) => newer(known, entry.resource),
                        _ => Some(true),
                    };
                    match stands {
                        Some(true) => {
                            let found = Found::Here(Arc::from(entry.resource));
                            self.records.insert(key, found);
                            (self.read, self.failures) = (self.read + 1, 0);
                        }
                        Some(false) => {}
                        None => {
                            self.records.remove(&key);
                            unsure.insert(key.1);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    async fn one(&mut self, kind: &'static str, id: &str) -> Found {
        let key = (kind, id.to_owned());
        if let Some(found) = self.records.get(&key) {
            return found.clone();
        }
        if self.failures >= FAILURES_MAX {
            return Found::Unread;
        }
        let found = match self.client.read(kind, id).await {
            Ok(Some(bytes)) => {
                (self.read, self.failures) = (self.read + 1, 0);
                Found::Here(Arc::from(bytes))
            }
            Ok(None) => Found::Gone,
            Err(error) => {
                self.failed(error);
                Found::Unread
            }
        };
        self.records.insert(key, found.clone());
        found
    }

    fn failed(&mut self, error: ClientError) {
        self.failures += 1;
        self.trouble = Some(error);
    }
}

/// What a request names.
#[derive(Default)]
struct Names {
    patient: Option<String>,
    /// The person was found on a page, by an address that was not the server's.
    person_on_page: bool,
    /// Of each consent its id; none of one that this server cannot give.
    consents: Vec<Option<String>>,
    /// Ids of those that are kept.
    kept_consents: Vec<String>,
    /// There are further ones that only a page called by that address.
    consents_on_pages: bool,
    /// Who referred, if that is not as it was.
    others: Option<Others>,
    /// What performers refer to, if that is not as it was.
    performers: Option<Vec<String>>,
}

struct Others {
    /// By an address that may be the server's under a name that was not heard yet.
    elsewhere: bool,
    practitioner: Option<String>,
    role: Option<String>,
    organizations: Vec<String>,
}

impl Names {
    fn of(request: &[u8], old: &Referral, base: &str, own: &OwnAddresses) -> Self {
        let arena = Arena::default();
        let Ok(tree) = Json::parse(request, &arena) else {
            return Self::default();
        };
        let at = Some(base);
        let (old_arena, subject) = (Arena::default(), service_request::subject(&tree, at));
        let as_it_was = Json::parse(&old.request, &old_arena).is_ok_and(|old| {
            service_request::subject(&old, at) == subject
                && service_request::subject_identifier(&old)
                    == service_request::subject_identifier(&tree)
        });
        let patient = match subject {
            Reference::Contained(_) => None,
            _ if own_id(own, subject, "Patient").is_some() => own_id(own, subject, "Patient"),
            // Named by number, or by an address of a page: the record that was found by it.
            _ if as_it_was => old.patient.as_deref().and_then(id_of),
            // Another person is named, and only a search finds whom.
            _ => None,
        };
        let kept_consents = ids_of(old.consent.as_deref());
        let (mut consents, mut on_pages) = (Vec::new(), false);
        for NamedConsent { reference, certain } in service_request::consents(&tree, at) {
            // Of a server that calls itself otherwise: the one that was read under this id.
            let read_before = |reference| {
                let Reference::Foreign(url) = reference else {
                    return None;
                };
                let address = Address::parse(url)?;
                let kept = kept_consents.iter().any(|id| id == address.id);
                kept.then(|| address.id.to_owned())
            };
            match reference {
                Reference::Contained(_) => {}
                Reference::Urn(_) => on_pages |= certain || old.consent.is_some(),
                _ => {
                    let own = own_id(own, reference, "Consent");
                    consents.push(own.or_else(|| read_before(reference)));
                }
            }
        }
        let texts = service_request::performers_to_resolve(&tree);
        let as_before = Json::parse(&old.request, &Arena::default())
            .is_ok_and(|old| service_request::performers_to_resolve(&old) == texts);
        let same = Json::parse(&old.request, &Arena::default()).is_ok_and(|old| {
            service_request::requester(&old, at) == service_request::requester(&tree, at)
                && service_request::supporting_info(&old, at)
                    == service_request::supporting_info(&tree, at)
        });
        Self {
            patient,
            person_on_page: matches!(subject, Reference::Urn(_)),
            consents_on_pages: on_pages,
            consents,
            kept_consents,
            others: (!same).then(|| Others::of(&tree, base, own)),
            performers: (!as_before).then(|| texts.iter().map(|text| (*text).to_owned()).collect()),
        }
    }
}

impl Others {
    fn of(tree: &Json<'_>, base: &str, own: &OwnAddresses) -> Self {
        let requester = service_request::requester(tree, Some(base));
        let informed = service_request::supporting_info(tree, Some(base));
        let named = [requester].into_iter().chain(informed);
        let foreign = |url| Address::parse(url).is_some_and(|address| !own.has(address.base));
        Self {
            elsewhere: matches!(requester, Reference::Foreign(url) if foreign(url)),
            practitioner: own_id(own, requester, "Practitioner"),
            role: own_id(own, requester, "PractitionerRole"),
            organizations: named
                .filter_map(|reference| own_id(own, reference, "Organization"))
                .collect(),
        }
    }
}

/// The id of a reference to the server's own record of this kind.
fn own_id(own: &OwnAddresses, reference: Reference<'_>, kind: &str) -> Option<String> {
    let (named, id) = match reference {
        Reference::Relative { kind, id } => (kind, id),
        Reference::Foreign(url) => {
            let address = Address::parse(url).filter(|address| own.has(address.base))?;
            (address.kind, address.id)
        }
        _ => return None,
    };
    (named == kind).then(|| id.to_owned())
}

/// The ids of a record, or of a list of them.
fn ids_of(records: Option<&[u8]>) -> Vec<String> {
    let arena = Arena::default();
    let tree = records.and_then(|records| Json::parse(records, &arena).ok());
    let ids = items(tree.as_ref()).iter().filter_map(resource::id);
    ids.map(str::to_owned).collect()
}

fn id_of(resource: impl AsRef<[u8]>) -> Option<String> {
    let arena = Arena::default();
    let tree = Json::parse(resource.as_ref(), &arena).ok()?;
    resource::id(&tree).map(str::to_owned)
}
