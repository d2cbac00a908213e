//! The sandbox's memory: every version of every resource, with an index over identifiers.
//!
//! Versions are only ever appended, so a failed transaction is undone by taking its own versions off again. Ids that the
//! server gives are derived from the resource's first identifier: two runs of the demo store the same ids, however the
//! writes were interleaved.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{SandboxClock, dates};

/// The resource types that are there from the start; others appear once something of them was loaded.
pub(super) const TYPES: &[&str] = &[
    "Appointment",
    "Consent",
    "Encounter",
    "HealthcareService",
    "Location",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "QuestionnaireResponse",
    "ServiceRequest",
    "Task",
];

/// How deep a resource may be nested before its references are no longer looked at.
const DEPTH_MAX: usize = 64;

/// A refusal: becomes an `OperationOutcome`.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(status: u16, code: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            code,
            text: text.into(),
        }
    }

    /// A page of a search that is no longer kept.
    pub(super) fn expired() -> Self {
        Self::new(410, "expired", "the search is not known or has expired")
    }

    /// The same as the end of what was asked.
    pub(super) fn refuse<T>(
        status: u16,
        code: &'static str,
        text: impl Into<String>,
    ) -> Result<T, Self> {
        Err(Self::new(status, code, text))
    }

    pub(super) fn outcome(&self) -> Value {
        json!({"resourceType": "OperationOutcome",
               "issue": [{"severity": "error", "code": self.code, "diagnostics": self.text}]})
    }
}

type TypedIdentifier = (String, String, String);

fn identifier_key(resource_type: &str, system: &str, value: &str) -> TypedIdentifier {
    (
        resource_type.to_owned(),
        system.to_owned(),
        value.to_owned(),
    )
}

/// One version of a resource; `body` is none where the version is its deletion.
pub(super) struct ResourceVersion {
    pub(super) body: Option<Value>,
    pub(super) number: String,
    pub(super) at: i64,
}

impl ResourceVersion {
    pub(super) fn etag(&self) -> String {
        format!("W/\"{}\"", self.number)
    }
}

/// Everything the sandbox knows.
pub(super) struct ResourceStore {
    pub(super) base: String,
    pub(super) now: SandboxClock,
    /// Counts the changes: two searches at one revision have the same result.
    pub(super) revision: u64,
    types: BTreeMap<String, BTreeMap<String, Vec<ResourceVersion>>>,
    identifiers: BTreeMap<TypedIdentifier, BTreeSet<String>>,
    created_without_identifier: u64,
    journal: Option<Vec<(String, String)>>,
}

impl ResourceStore {
    pub(super) fn new(base: String, now: SandboxClock) -> Self {
        let types = TYPES
            .iter()
            .map(|name| ((*name).to_owned(), BTreeMap::new()))
            .collect();
        Self {
            base,
            now,
            revision: 0,
            types,
            identifiers: BTreeMap::new(),
            created_without_identifier: 0,
            journal: None,
        }
    }

    pub(super) fn types(&self) -> impl Iterator<Item = &String> {
        self.types.keys()
    }

    pub(super) fn knows(&self, resource_type: &str) -> Result<(), Failure> {
        if self.types.contains_key(resource_type) {
            return Ok(());
        }
        Failure::refuse(
            404,
            "not-supported",
            "this server does not hold that resource type",
        )
    }

    pub(super) fn versions(&self, resource_type: &str, id: &str) -> Option<&[ResourceVersion]> {
        self.types.get(resource_type)?.get(id).map(Vec::as_slice)
    }

    /// The current version of a resource: 404 where there never was one, 410 where it was deleted.
    pub(super) fn current(
        &self,
        resource_type: &str,
        id: &str,
    ) -> Result<&ResourceVersion, Failure> {
        let latest = self
            .versions(resource_type, id)
            .and_then(<[ResourceVersion]>::last);
        match latest {
            None => Failure::refuse(404, "not-found", "no such resource"),
            Some(version) if version.body.is_none() => {
                Failure::refuse(410, "deleted", "the resource was deleted")
            }
            Some(version) => Ok(version),
        }
    }

    /// The resources of a type that are not deleted, in the order of their ids.
    pub(super) fn live(
        &self,
        resource_type: &str,
    ) -> impl Iterator<Item = (&String, &ResourceVersion)> {
        let latest = self.latest(resource_type);
        latest.filter(|(_, version)| version.body.is_some())
    }

    /// The resources of a type that were deleted, in the order of their ids.
    pub(super) fn deleted(
        &self,
        resource_type: &str,
    ) -> impl Iterator<Item = (&String, &ResourceVersion)> {
        let latest = self.latest(resource_type);
        latest.filter(|(_, version)| version.body.is_none())
    }

    fn latest(&self, resource_type: &str) -> impl Iterator<Item = (&String, &ResourceVersion)> {
        let resources = self.types.get(resource_type).into_iter().flatten();
        resources.filter_map(|(id, versions)| Some((id, versions.last()?)))
    }

    pub(super) fn with_identifier(
        &self,
        resource_type: &str,
        system: &str,
        value: &str,
    ) -> Option<&BTreeSet<String>> {
        self.identifiers
            .get(&identifier_key(resource_type, system, value))
    }

    /// An id for a new resource: from its first identifier, else from a counter; never one that is taken.
    pub(super) fn new_id(&mut self, resource_type: &str, body: &Value) -> String {
        let first = identifiers(body)
            .first()
            .map(|(system, value)| format!("{resource_type} {system}|{value}"));
        let name = first.unwrap_or_else(|| {
            self.created_without_identifier += 1;
            format!("{resource_type} number {}", self.created_without_identifier)
        });
        let mut attempt = 1_u32;
        loop {
            let name = if attempt == 1 {
                name.clone()
            } else {
                format!("{name} again {attempt}")
            };
            let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string();
            if self.versions(resource_type, &id).is_none() {
                return id;
            }
            attempt += 1;
        }
    }

    /// Stores the next version of a resource, with this server's own id, version and time.
    pub(super) fn put(&mut self, resource_type: &str, id: &str, mut body: Value) {
        let at = (self.now)();
        let version = self.next_version(resource_type, id);
        if let Some(object) = body.as_object_mut() {
            object.insert("id".to_owned(), json!(id));
            let meta = object.entry("meta").or_insert_with(|| json!({}));
            if !meta.is_object() {
                *meta = Value::Object(Map::new());
            }
            meta["versionId"] = json!(version);
            meta["lastUpdated"] = json!(dates::instant(at));
        }
        self.append(resource_type, id, Some(body), version, at);
    }

    /// Stores a resource as it is, keeping its own version and time where it has them.
    pub(super) fn keep(&mut self, resource_type: &str, id: &str, mut body: Value) {
        let at = body["meta"]["lastUpdated"]
            .as_str()
            .and_then(dates::span)
            .map_or_else(|| (self.now)(), |(start, _)| start);
        let version = match &body["meta"]["versionId"] {
            Value::String(version) => version.clone(),
            _ => self.next_version(resource_type, id),
        };
        if let Some(object) = body.as_object_mut() {
            object.insert("id".to_owned(), json!(id));
            let meta = object.entry("meta").or_insert_with(|| json!({}));
            if let Some(meta) = meta.as_object_mut() {
                meta.insert("versionId".to_owned(), json!(version));
                meta.entry("lastUpdated")
                    .or_insert_with(|| json!(dates::instant(at)));
            }
        }
        self.append(resource_type, id, Some(body), version, at);
    }

    pub(super) fn delete(&mut self, resource_type: &str, id: &str) {
        let version = self.next_version(resource_type, id);
        self.append(resource_type, id, None, version, (self.now)());
    }

    /// From here until `commit` or `roll_back` every change can be undone.
    pub(super) fn begin(&mut self) {
        self.journal = Some(Vec::new());
    }

    pub(super) fn commit(&mut self) {
        self.journal = None;
    }

    pub(super) fn roll_back(&mut self) {
        for (resource_type, id) in self.journal.take().unwrap_or_default().into_iter().rev() {
            self.index(&resource_type, &id, false);
            let Some(resources) = self.types.get_mut(&resource_type) else {
                continue;
            };
            if let Some(versions) = resources.get_mut(&id) {
                versions.pop();
                if versions.is_empty() {
                    resources.remove(&id);
                }
            }
            self.index(&resource_type, &id, true);
        }
        self.revision += 1;
    }

    fn next_version(&self, resource_type: &str, id: &str) -> String {
        let versions = self.versions(resource_type, id).unwrap_or_default();
        let last = versions
            .last()
            .and_then(|version| version.number.parse::<u64>().ok());
        let count = u64::try_from(versions.len()).unwrap_or(u64::MAX);
        last.unwrap_or(count).saturating_add(1).to_string()
    }

    fn append(
        &mut self,
        resource_type: &str,
        id: &str,
        body: Option<Value>,
        number: String,
        at: i64,
    ) {
        self.index(resource_type, id, false);
        self.types
            .entry(resource_type.to_owned())
            .or_default()
            .entry(id.to_owned())
            .or_default()
            .push(ResourceVersion { body, number, at });
        self.index(resource_type, id, true);
        self.revision += 1;
        if let Some(journal) = &mut self.journal {
            journal.push((resource_type.to_owned(), id.to_owned()));
        }
    }

    /// Puts the current version's identifiers into the index, or takes them out.
    fn index(&mut self, resource_type: &str, id: &str, present: bool) {
        let Some(latest) = self
            .versions(resource_type, id)
            .and_then(<[ResourceVersion]>::last)
        else {
            return;
        };
        let keys: Vec<_> = latest
            .body
            .iter()
            .flat_map(identifiers)
            .map(|(system, value)| identifier_key(resource_type, system, value))
            .collect();
        for key in keys {
            let ids = self.identifiers.entry(key).or_default();
            if present {
                ids.insert(id.to_owned());
            } else {
                ids.remove(id);
            }
        }
    }
}

/// The (system, value) pairs of a resource's identifiers.
pub(super) fn identifiers(body: &Value) -> Vec<(&str, &str)> {
    one_or_many(&body["identifier"])
        .iter()
        .filter_map(|identifier| {
            let value = identifier["value"].as_str()?;
            Some((identifier["system"].as_str().unwrap_or_default(), value))
        })
        .collect()
}

pub(super) fn one_or_many(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(values) => values,
        one => std::slice::from_ref(one),
    }
}

/// Replaces every string that is a key of `links` (the `urn:uuid:` names within a bundle) by what it stands for.
pub(super) fn rewrite(value: &mut Value, links: &BTreeMap<String, String>, depth: usize) {
    if depth >= DEPTH_MAX {
        return;
    }
    match value {
        Value::String(text) => {
            if let Some(target) = links.get(text.as_str()) {
                target.clone_into(text);
            }
        }
        Value::Array(items) => {
            for item in items {
                rewrite(item, links, depth + 1);
            }
        }
        Value::Object(members) => {
            for (_, member) in members.iter_mut() {
                rewrite(member, links, depth + 1);
            }
        }
        _ => {}
    }
}
