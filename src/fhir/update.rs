//! Changing a resource that is on a server: read, change what differs, write back under its version.
//!
//! In come an id and an edit of the server's own text; out goes what became of it. What the edit does not name stays byte
//! for byte as the server gave it: decimals, extensions, elements that we do not know. A change meets the version that it was
//! made from (`If-Match`), or it is made again from the newer one, three times at most.

use std::fmt;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::bundle::Head;
use super::client::{Client, FHIR_JSON, fhir_body};
use super::client_error::ClientError;
use super::create::{WriteFailure, failure, sending};

/// How often a change is made again because somebody else was quicker.
const TRIES_MAX: usize = 3;

/// What an edit makes of the server's text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// It is as it should be.
    Same,
    /// The new text.
    To(Vec<u8>),
    /// It is not the resource that it was taken for, so nothing is changed.
    NotOurs,
}

/// A resource as read, with the version that a change must meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versioned {
    pub(crate) body: Vec<u8>,
    /// `meta.versionId`, else what `ETag` says.
    pub(crate) version: Option<String>,
}

impl Client {
    /// Reads a resource with its version; none if there is none, or no longer.
    ///
    /// # Errors
    /// Any [`ClientError`] but `NotFound` and `Gone`.
    pub(crate) async fn read_versioned(
        &self,
        resource_type: &str,
        id: &str,
    ) -> Result<Option<Versioned>, ClientError> {
        let url = self.url(&[resource_type, id])?;
        let fetched = self
            .fetch(&mut || self.request(Method::GET, url.clone()))
            .await;
        let answer = match fetched.and_then(fhir_body) {
            Ok(answer) => answer,
            Err(ClientError::NotFound | ClientError::Gone) => return Ok(None),
            Err(error) => return Err(error),
        };
        let head = Head::of(&answer.body);
        if head.resource_type.as_deref() != Some(resource_type) || head.id.as_deref() != Some(id) {
            return Err(ClientError::NotFhir {
                status: answer.status,
            });
        }
        let etag = answer.etag.as_deref().map(unquoted);
        let version = head.version().map(str::to_owned).or(etag);
        Ok(Some(Versioned {
            version,
            body: answer.body,
        }))
    }

    /// Changes a resource by an edit of its own text; gives whether anything was written.
    ///
    /// # Errors
    /// A [`WriteFailure`]: `Missing` where there is no such resource, `NotOurs` where the edit will not have it.
    ///
    /// # Source
    /// FHIR R4, the REST API, managing resource contention (`If-Match`).
    pub(crate) async fn change(
        &self,
        resource_type: &str,
        id: &str,
        edit: &(dyn Fn(&[u8]) -> Edit + Sync),
    ) -> Result<bool, WriteFailure> {
        for _ in 0..TRIES_MAX {
            let found = self.read_versioned(resource_type, id).await;
            let found = found
                .map_err(|error| reading(&error))?
                .ok_or(WriteFailure::Missing)?;
            let body = match edit(&found.body) {
                Edit::Same => return Ok(false),
                Edit::NotOurs => return Err(WriteFailure::NotOurs),
                Edit::To(body) => body,
            };
            // A server that names no version cannot say whether somebody else was quicker: nothing of theirs is overwritten.
            let version = found.version.ok_or(WriteFailure::Refused {
                status: 0,
                code: None,
            })?;
            match self.put(resource_type, id, &version, body).await {
                Err(WriteFailure::Duplicate) => {}
                Ok(()) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Err(WriteFailure::Duplicate)
    }

    async fn put(
        &self,
        resource_type: &str,
        id: &str,
        version: &str,
        body: Vec<u8>,
    ) -> Result<(), WriteFailure> {
        let url = self
            .url(&[resource_type, id])
            .map_err(|_| WriteFailure::Missing)?;
        let request = self
            .request(Method::PUT, url)
            .header(CONTENT_TYPE, FHIR_JSON)
            .header("Prefer", "return=minimal")
            .header("If-Match", if_match(version))
            .body(body);
        let answer = self.send(request).await.map_err(|error| sending(&error))?;
        if (200..300).contains(&answer.status) {
            Ok(())
        } else {
            Err(failure(&answer))
        }
    }
}

/// The value of `If-Match`: a weak tag, as the specification shows it.
pub(super) fn if_match(version: &str) -> String {
    format!("W/\"{version}\"")
}

/// A version out of an `ETag`.
pub(super) fn unquoted(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

/// A read that failed before a write: nothing was sent.
fn reading(error: &ClientError) -> WriteFailure {
    match error {
        ClientError::Transient { retry_after, .. } => WriteFailure::Transient {
            retry_after: *retry_after,
        },
        error if error.bars() => WriteFailure::Barred,
        _ => WriteFailure::Refused {
            status: 0,
            code: None,
        },
    }
}

/// The members of an object in their order, each as its own text.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The text with these members set, or taken out where there is no value; `None` where it is no object.
pub(crate) fn set(body: &[u8], changes: &[(&str, Option<String>)]) -> Option<Vec<u8>> {
    let members: Members<'_> = serde_json::from_slice(body).ok()?;
    let mut text = Vec::with_capacity(body.len() + 64);
    let mut add = |key: &str, value: &str| {
        text.push(if text.is_empty() { b'{' } else { b',' });
        text.extend_from_slice(key.as_bytes());
        text.push(b':');
        text.extend_from_slice(value.as_bytes());
    };
    let mut left: Vec<&(&str, Option<String>)> = changes.iter().collect();
    for (key, value) in members.0 {
        let named: String = serde_json::from_str(key.get()).ok()?;
        match changes.iter().find(|(name, _)| *name == named) {
            None => add(key.get(), value.get()),
            Some((_, new)) => {
                left.retain(|(name, _)| *name != named);
                if let Some(new) = new {
                    add(key.get(), new);
                }
            }
        }
    }
    for (name, new) in left {
        if let Some(new) = new {
            add(&serde_json::to_string(name).ok()?, new);
        }
    }
    if text.is_empty() {
        text.push(b'{');
    }
    text.push(b'}');
    Some(text)
}

/// Whether `theirs` says everything that `ours` says; what a server has added is no difference.
pub(crate) fn says(theirs: &serde_json::Value, ours: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => ours
            .iter()
            .all(|(key, ours)| theirs.get(key).is_some_and(|theirs| says(theirs, ours))),
        (Value::Array(theirs), Value::Array(ours)) => ours
            .iter()
            .all(|ours| theirs.iter().any(|theirs| says(theirs, ours))),
        (theirs, ours) => theirs == ours,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_named_keeps_its_bytes() {
        let body = br#"{ "resourceType" : "Observation","status":"final",
            "valueQuantity":{"value":1.00, "_x":1.2E+2},"x\u0041":[ ],"note":[{"text":"a"}]}"#;
        let changes = [
            ("status", Some("\"amended\"".to_owned())),
            ("note", None),
            ("issued", Some("\"2026\"".to_owned())),
        ];
        let text = String::from_utf8(set(body, &changes).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"resourceType":"Observation","status":"amended","valueQuantity":{"value":1.00, "_x":1.2E+2},"x\u0041":[ ],"issued":"2026"}"#
        );
        assert_eq!(set(b"[1]", &changes), None);
        assert_eq!(set(b"<html>", &changes), None);
        assert_eq!(set(b"{}", &[]), Some(b"{}".to_vec()));
    }

    #[test]
    fn what_a_server_adds_is_no_difference() {
        let theirs = json!({"coding": [{"system": "other", "code": "9"}, {"system": "a", "code": "b", "display": "B"}], "text": "t"});
        for (ours, same) in [
            (json!({"coding": [{"system": "a", "code": "b"}]}), true),
            (json!({"coding": [{"system": "a", "code": "c"}]}), false),
            (json!({"text": "t", "coding": []}), true),
            (json!({"text": "u"}), false),
            (json!({"id": "1"}), false),
        ] {
            assert_eq!(says(&theirs, &ours), same, "{ours}");
        }
    }
}
