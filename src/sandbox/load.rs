//! Loading files of resources: a resource, a Bundle of any kind, or NDJSON, told apart by looking.
//!
//! Resources keep their own id, version and time; one without an id gets one, and what its Bundle called it by
//! (`fullUrl`) is replaced by that wherever it is referred to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::SandboxError;
use super::resources::{ResourceStore, rewrite};

/// What a load found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LoadedResources {
    /// Resources stored.
    pub(crate) resources: usize,
    /// Bundle entries without a resource.
    pub(crate) entries_without_resource: usize,
}

pub(super) fn load(
    store: &mut ResourceStore,
    what: &str,
    input: &[u8],
) -> Result<LoadedResources, SandboxError> {
    let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    let mut loaded = LoadedResources::default();
    if let Ok(value) = serde_json::from_slice::<Value>(input) {
        one(store, what, 1, value, &mut loaded)?;
        return Ok(loaded);
    }
    for (index, line) in input.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let line_number = index + 1;
        let value =
            serde_json::from_slice::<Value>(line).map_err(|_| not_fhir(what, line_number, 1))?;
        one(store, what, line_number, value, &mut loaded)?;
    }
    Ok(loaded)
}

fn one(
    store: &mut ResourceStore,
    what: &str,
    line: usize,
    mut value: Value,
    loaded: &mut LoadedResources,
) -> Result<(), SandboxError> {
    if value["resourceType"] != "Bundle" {
        let (resource_type, id) = name(store, &value).ok_or_else(|| not_fhir(what, line, 1))?;
        store.keep(&resource_type, &id, value);
        loaded.resources += 1;
        return Ok(());
    }
    let entries = match value["entry"].take() {
        Value::Array(entries) => entries,
        _ => Vec::new(),
    };
    let mut links = BTreeMap::new();
    let mut named = Vec::new();
    for (index, mut entry) in entries.into_iter().enumerate() {
        let resource = entry["resource"].take();
        if resource.is_null() {
            loaded.entries_without_resource += 1;
            continue;
        }
        let (resource_type, id) =
            name(store, &resource).ok_or_else(|| not_fhir(what, line, index + 1))?;
        if let Some(full_url) = entry["fullUrl"]
            .as_str()
            .filter(|url| url.starts_with("urn:"))
        {
            links.insert(full_url.to_owned(), format!("{resource_type}/{id}"));
        }
        named.push((resource_type, id, resource));
    }
    for (resource_type, id, mut resource) in named {
        rewrite(&mut resource, &links, 0);
        store.keep(&resource_type, &id, resource);
        loaded.resources += 1;
    }
    Ok(())
}

fn name(store: &mut ResourceStore, resource: &Value) -> Option<(String, String)> {
    let resource_type = resource["resourceType"].as_str()?.to_owned();
    let id = match &resource["id"] {
        Value::String(id) => id.clone(),
        // Numeric ids exist in published examples.
        Value::Number(id) => id.to_string(),
        _ => store.new_id(&resource_type, resource),
    };
    Some((resource_type, id))
}

fn not_fhir(what: &str, line: usize, entry: usize) -> SandboxError {
    SandboxError::NotFhir {
        what: what.to_owned(),
        line,
        entry,
    }
}
