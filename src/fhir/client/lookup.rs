//! Looking many things up at once: resources by identifier, and by id.
//!
//! In come identifiers or ids; out goes what the server has of each. A server may ignore what it was asked, so every answer
//! is checked here; what a search over many does not bring is asked for alone before it counts as missing.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Deserialize;

use super::Client;
use super::client_error::ClientError;
use super::create::person_of;
use super::own_addresses::OwnAddresses;
use super::parameters::Parameters;
use super::search::SearchPage;
use crate::fhir::resources::bundle::{Head, Mode};
use crate::fhir::resources::version::newer;

/// Identifiers or ids of one search.
pub(crate) const AT_ONCE: usize = 40;
/// Pages of an answer to one; a server that has more has ignored what it was asked.
const PAGES_MAX: usize = 10;

/// A resource that carries an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundResource {
    /// The server's id.
    pub(crate) id: String,
    /// The person that it is about, as type and id; none if it names none.
    pub(crate) person: Option<String>,
}

/// A resource of an answer.
pub(crate) struct Addressed {
    /// What the Bundle calls it by.
    pub(crate) full_url: Option<String>,
    pub(crate) resource: Vec<u8>,
}

impl Client {
    /// Finds the resources of a type that carry an identifier, checked here: a server may ignore what it was asked.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub(crate) async fn find_by_identifier(
        &self,
        resource_type: &str,
        system: &str,
        value: &str,
    ) -> Result<Vec<Vec<u8>>, ClientError> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        for Addressed { resource, .. } in self.find_addressed(resource_type, system, value).await? {
            if !found.contains(&resource) {
                found.push(resource);
            }
        }
        Ok(found)
    }

    /// The same, each with what the answer calls it by.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub(crate) async fn find_addressed(
        &self,
        resource_type: &str,
        system: &str,
        value: &str,
    ) -> Result<Vec<Addressed>, ClientError> {
        let parameters = Parameters::default().tokens("identifier", [(system, value)]);
        let mut search = self.search(resource_type, parameters).at_most(PAGES_MAX);
        let mut found = Vec::new();
        while let Some(page) = search.next_page().await? {
            for entry in page.bundle()?.entries() {
                if carries(entry.resource, resource_type, system, value) {
                    found.push(Addressed {
                        full_url: entry.full_url.map(str::to_owned),
                        resource: entry.resource.to_vec(),
                    });
                }
            }
        }
        Ok(found)
    }

    /// The resources of a type that carry each of these identifiers, by value. An entry that its address calls another server's, or by
    /// another id, is read by its id before it counts: the address may be the inner name of this server.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub(crate) async fn find_all(
        &self,
        resource_type: &str,
        system: &str,
        values: &[&str],
    ) -> Result<HashMap<String, Vec<FoundResource>>, ClientError> {
        let mut found = FoundByValue {
            resource_type,
            system,
            own: OwnAddresses::of(self.base.as_str(), false),
            by_value: HashMap::new(),
            doubtful: BTreeSet::new(),
        };
        if values.len() > 1 {
            for chunk in values.chunks(AT_ONCE) {
                let pairs = chunk.iter().map(|value| (system, *value));
                let parameters = Parameters::default()
                    .tokens("identifier", pairs)
                    .with("_count", (2 * AT_ONCE).to_string());
                let mut search = self.search(resource_type, parameters);
                for _ in 0..PAGES_MAX {
                    let Some(page) = search.next_page().await? else {
                        break;
                    };
                    found.take(&page, chunk)?;
                }
                self.read_doubtful(&mut found, chunk).await?;
            }
        }
        for value in values {
            if !found.by_value.contains_key(*value) {
                let parameters = Parameters::default().tokens("identifier", [(system, *value)]);
                let mut search = self.search(resource_type, parameters).at_most(PAGES_MAX);
                while let Some(page) = search.next_page().await? {
                    found.take(&page, &[*value])?;
                }
                self.read_doubtful(&mut found, &[*value]).await?;
            }
        }
        Ok(found.by_value)
    }

    /// Reads by their ids what a search gave under addresses that are not the server's.
    async fn read_doubtful(
        &self,
        found: &mut FoundByValue<'_>,
        values: &[&str],
    ) -> Result<(), ClientError> {
        for id in std::mem::take(&mut found.doubtful) {
            match self.read_versioned(found.resource_type, &id).await {
                Ok(Some(own)) => found.note(&own.body, values),
                // The id is that of a record elsewhere.
                Ok(None) | Err(ClientError::NotFhir { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The resources of a type with these ids, by id, or why one cannot be read; what is not there, or no longer, is missing. `rebase`:
    /// the server's own addresses may be on another host.
    ///
    /// # Errors
    /// Any [`ClientError`] that is about the server and not about one record: it is in trouble, or does not know us.
    pub(crate) async fn read_all(
        &self,
        resource_type: &str,
        ids: &[&str],
        rebase: bool,
    ) -> Result<HashMap<String, Result<Vec<u8>, ClientError>>, ClientError> {
        let mut found = HashMap::with_capacity(ids.len());
        let mut own = OwnAddresses::of(self.base.as_str(), rebase);
        for chunk in ids.chunks(AT_ONCE).filter(|chunk| chunk.len() > 1) {
            let listed = self.list(resource_type, chunk, &mut own).await?;
            found.extend(listed.into_iter().map(|(id, body)| (id, Ok(body))));
        }
        for id in ids {
            if found.contains_key(*id) {
                continue;
            }
            match self.read_versioned(resource_type, id).await {
                Ok(Some(read)) => {
                    found.insert((*id).to_owned(), Ok(read.body));
                }
                Ok(None) => {}
                // A record may be closed to us, and others not.
                Err(error @ ClientError::Unauthorised { status: 403 }) => {
                    found.insert((*id).to_owned(), Err(error));
                }
                Err(error) if error.is_transient() || error.bars() => return Err(error),
                Err(error) => {
                    found.insert((*id).to_owned(), Err(error));
                }
            }
        }
        Ok(found)
    }

    /// What one search gives of these ids: whole, the server's own, the newest of several. What it does not give proves nothing.
    async fn list(
        &self,
        resource_type: &str,
        ids: &[&str],
        own: &mut OwnAddresses,
    ) -> Result<HashMap<String, Vec<u8>>, ClientError> {
        let mut found: HashMap<String, Vec<u8>> = HashMap::with_capacity(ids.len());
        // Came in versions of which nobody can say which is the newer: read by itself.
        let mut unsure = HashSet::new();
        let parameters = Parameters::default()
            .with("_id", ids.join(","))
            .with("_count", AT_ONCE.to_string());
        let mut search = self.search(resource_type, parameters);
        for _ in 0..PAGES_MAX {
            // A server that cannot search by id is read one by one.
            let page = match search.next_page().await {
                Ok(Some(page)) => page,
                Err(error @ ClientError::Transient { .. }) => return Err(error),
                Ok(None) | Err(_) => break,
            };
            own.hear(page.self_link.as_deref());
            for entry in page.bundle()?.entries() {
                let head = Head::of(entry.resource);
                let whole = entry.mode != Mode::Outcome && !head.subsetted();
                let (Some(kind), Some(id)) = (head.resource_type, head.id) else {
                    continue;
                };
                let asked = kind == resource_type && ids.contains(&id.as_ref());
                // Another server's record is another record, whatever its id.
                if !asked
                    || !whole
                    || unsure.contains(id.as_ref())
                    || !own.names(entry.full_url, &kind, &id)
                {
                    continue;
                }
                match found
                    .get(id.as_ref())
                    .map(|known| newer(known, entry.resource))
                {
                    Some(Some(false)) => {}
                    None | Some(Some(true)) => {
                        found.insert(id.into_owned(), entry.resource.to_vec());
                    }
                    Some(None) => {
                        found.remove(id.as_ref());
                        unsure.insert(id.into_owned());
                    }
                }
            }
        }
        Ok(found)
    }
}

/// What a search for identifiers finds.
struct FoundByValue<'q> {
    resource_type: &'q str,
    system: &'q str,
    own: OwnAddresses,
    by_value: HashMap<String, Vec<FoundResource>>,
    /// Ids of entries whose addresses are not the server's.
    doubtful: BTreeSet<String>,
}

impl FoundByValue<'_> {
    /// Takes what a page has of these identifiers.
    fn take(&mut self, page: &SearchPage, values: &[&str]) -> Result<(), ClientError> {
        self.own.hear(page.self_link.as_deref());
        for entry in page.bundle()?.entries() {
            let head = Head::of(entry.resource);
            let Some(id) = head.id.as_deref() else {
                continue;
            };
            if self.own.names(entry.full_url, self.resource_type, id) {
                self.note(entry.resource, values);
            } else if values
                .iter()
                .any(|value| carries(entry.resource, self.resource_type, self.system, value))
            {
                self.doubtful.insert(id.to_owned());
            }
        }
        Ok(())
    }

    fn note(&mut self, resource: &[u8], values: &[&str]) {
        note(
            resource,
            self.resource_type,
            self.system,
            values,
            &mut self.by_value,
        );
    }
}

/// Notes which of the identifiers a resource carries.
fn note(
    resource: &[u8],
    resource_type: &str,
    system: &str,
    values: &[&str],
    found: &mut HashMap<String, Vec<FoundResource>>,
) {
    #[derive(Deserialize)]
    struct Identified {
        #[serde(rename = "resourceType")]
        resource_type: String,
        #[serde(default)]
        id: String,
        #[serde(default)]
        identifier: Vec<IdentifierText>,
    }
    let Ok(read) = serde_json::from_slice::<Identified>(resource) else {
        return;
    };
    if read.resource_type != resource_type || read.id.is_empty() {
        return;
    }
    for identifier in read.identifier.iter().filter(|one| one.system == system) {
        if values.contains(&identifier.value.as_str()) {
            let same = found.entry(identifier.value.clone()).or_default();
            if !same.iter().any(|one| one.id == read.id) {
                same.push(FoundResource {
                    id: read.id.clone(),
                    person: person_of(resource),
                });
            }
        }
    }
}

/// Whether a resource is of this type and bears this identifier.
pub(crate) fn carries(resource: &[u8], resource_type: &str, system: &str, value: &str) -> bool {
    #[derive(Deserialize)]
    struct Identified {
        #[serde(rename = "resourceType")]
        resource_type: String,
        #[serde(default)]
        identifier: Vec<IdentifierText>,
    }
    serde_json::from_slice::<Identified>(resource).is_ok_and(|held| {
        held.resource_type == resource_type
            && held
                .identifier
                .iter()
                .any(|one| one.system == system && one.value == value)
    })
}

#[derive(Deserialize)]
struct IdentifierText {
    #[serde(default)]
    system: String,
    #[serde(default)]
    value: String,
}
