//! What a server says it can do: a `CapabilityStatement`, asked about one thing at a time.
//!
//! In come the bytes of `metadata`; out go answers of three values: yes, no, and not said. Servers leave much out and say
//! some things wrongly. What is not said is for the caller to try, or to leave.

use std::borrow::Cow;

use serde::Deserialize;

/// A server's `CapabilityStatement`, and the server's time where its answer told it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CapabilityStatement {
    pub(crate) fhir_version: Option<String>,
    /// From the `Date` header, microseconds UTC.
    pub(crate) server_date: Option<i64>,
    /// The server's own interactions: `transaction`, `batch`.
    interactions: Vec<String>,
    resources: Vec<Resource>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Resource {
    kind: String,
    interactions: Vec<String>,
    parameters: Vec<String>,
    conditional_create: Option<bool>,
}

/// What a server says of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    Yes,
    No,
    Nothing,
}

impl From<bool> for Says {
    fn from(said: bool) -> Self {
        if said { Self::Yes } else { Self::No }
    }
}

impl CapabilityStatement {
    /// Whether it speaks FHIR R4 (4.0.x).
    pub(crate) fn r4(&self) -> Says {
        let version = self.fhir_version.as_deref();
        version.map_or(Says::Nothing, |version| version.starts_with("4.0").into())
    }

    /// Whether the server takes this interaction as a whole: `transaction`.
    pub(crate) fn takes(&self, interaction: &str) -> Says {
        listed(&self.interactions, interaction)
    }

    /// Whether a type has this interaction: `read`, `search-type`, `create`.
    pub(crate) fn can(&self, kind: &str, interaction: &str) -> Says {
        self.of(kind, |resource| listed(&resource.interactions, interaction))
    }

    /// Whether a type can be searched by this parameter.
    pub(crate) fn searches(&self, kind: &str, parameter: &str) -> Says {
        self.of(kind, |resource| listed(&resource.parameters, parameter))
    }

    /// Whether a type heeds `If-None-Exist`; what is not said is no promise, of a server that lists no type either.
    pub(crate) fn creates_once(&self, kind: &str) -> Says {
        self.of(kind, |resource| {
            resource
                .conditional_create
                .map_or(Says::Nothing, Says::from)
        })
    }

    fn of(&self, kind: &str, says: impl Fn(&Resource) -> Says) -> Says {
        if self.resources.is_empty() {
            return Says::Nothing;
        }
        let found = self.resources.iter().find(|resource| resource.kind == kind);
        found.map_or(Says::No, says)
    }

    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let raw: RawStatement<'_> = serde_json::from_slice(body).ok()?;
        if raw.resource_type != "CapabilityStatement" {
            return None;
        }
        let mut rest = raw.rest.into_iter();
        let server = rest.find(|rest| rest.mode.as_deref().is_none_or(|mode| mode == "server"));
        let server = server.unwrap_or_default();
        let resources = server.resource.into_iter().map(|resource| Resource {
            kind: resource.kind.into_owned(),
            interactions: owned(resource.interaction),
            parameters: resource
                .search_param
                .into_iter()
                .map(|parameter| parameter.name.into_owned())
                .collect(),
            conditional_create: resource.conditional_create,
        });
        Some(Self {
            fhir_version: raw.fhir_version.map(Cow::into_owned),
            server_date: None,
            interactions: owned(server.interaction),
            resources: resources.collect(),
        })
    }
}

/// Of a list that may have been left out.
fn listed(list: &[String], name: &str) -> Says {
    if list.is_empty() {
        return Says::Nothing;
    }
    list.iter().any(|one| one == name).into()
}

fn owned(interactions: Vec<Interaction<'_>>) -> Vec<String> {
    interactions
        .into_iter()
        .map(|one| one.code.into_owned())
        .collect()
}

#[derive(Deserialize)]
struct RawStatement<'a> {
    #[serde(rename = "resourceType", borrow)]
    resource_type: Cow<'a, str>,
    #[serde(rename = "fhirVersion", borrow, default)]
    fhir_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    rest: Vec<Rest<'a>>,
}

#[derive(Deserialize, Default)]
struct Rest<'a> {
    #[serde(borrow, default)]
    mode: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    resource: Vec<RawResource<'a>>,
    #[serde(borrow, default)]
    interaction: Vec<Interaction<'a>>,
}

#[derive(Deserialize)]
struct RawResource<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    interaction: Vec<Interaction<'a>>,
    #[serde(rename = "searchParam", borrow, default)]
    search_param: Vec<SearchParameter<'a>>,
    #[serde(rename = "conditionalCreate", default)]
    conditional_create: Option<bool>,
}

#[derive(Deserialize)]
struct Interaction<'a> {
    #[serde(borrow, default)]
    code: Cow<'a, str>,
}

#[derive(Deserialize)]
struct SearchParameter<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_told_from_what_is_not() {
        let text = r#"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"mode":"server","resource":[
            {"type":"Observation","interaction":[{"code":"create"}],"searchParam":[{"name":"identifier"}],"conditionalCreate":true},
            {"type":"Patient"}]}]}"#;
        let statement = CapabilityStatement::read(text.as_bytes()).unwrap();
        assert_eq!(statement.r4(), Says::Yes);
        assert_eq!(statement.takes("transaction"), Says::Nothing);
        assert_eq!(statement.can("Observation", "create"), Says::Yes);
        assert_eq!(statement.can("Observation", "update"), Says::No);
        assert_eq!(statement.can("Patient", "read"), Says::Nothing);
        assert_eq!(statement.can("Task", "create"), Says::No);
        assert_eq!(statement.searches("Observation", "identifier"), Says::Yes);
        assert_eq!(statement.creates_once("Observation"), Says::Yes);
        assert_eq!(statement.creates_once("Patient"), Says::Nothing);
        assert_eq!(
            CapabilityStatement::default().can("Patient", "read"),
            Says::Nothing
        );
        let silent = br#"{"resourceType":"CapabilityStatement"}"#;
        let silent = CapabilityStatement::read(silent).unwrap();
        assert_eq!(silent.creates_once("Task"), Says::Nothing);
        assert_eq!(silent.r4(), Says::Nothing);
        for other in [&b"{\"resourceType\":\"Patient\"}"[..], b"<html>"] {
            assert!(CapabilityStatement::read(other).is_none());
        }
    }
}
