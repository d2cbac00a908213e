//! What a server says it can do: read once a run, before anything is written to it.
//!
//! In comes a `CapabilityStatement`; out go the few answers that decide how Kith writes. Servers leave much out and say some
//! things wrongly, so only a plain "no" counts as one; what is not said is tried.

use std::borrow::Cow;

use serde::Deserialize;

use super::client::Client;
use super::client_error::ClientError;

/// What a server says of writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// FHIR R4 (4.0.x), as far as it says.
    pub(crate) r4: bool,
    /// Takes transaction Bundles.
    pub(crate) transaction: bool,
    pub(crate) observation: Writing,
    pub(crate) task: Writing,
}

/// What a server says of writing one type of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writing {
    pub(crate) create: bool,
    pub(crate) update: bool,
    /// Heeds `If-None-Exist`.
    pub(crate) conditional_create: bool,
}

#[derive(Deserialize)]
struct Statement<'a> {
    #[serde(rename = "resourceType", borrow)]
    resource_type: Cow<'a, str>,
    #[serde(rename = "fhirVersion", borrow, default)]
    fhir_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    rest: Vec<Rest<'a>>,
}

#[derive(Deserialize)]
struct Rest<'a> {
    #[serde(borrow, default)]
    mode: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    resource: Vec<Resource<'a>>,
    #[serde(borrow, default)]
    interaction: Vec<Interaction<'a>>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    interaction: Vec<Interaction<'a>>,
    #[serde(rename = "conditionalCreate", default)]
    conditional_create: Option<bool>,
}

#[derive(Deserialize)]
struct Interaction<'a> {
    #[serde(borrow, default)]
    code: Cow<'a, str>,
}

impl Client {
    /// Asks the server what it can do.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub(crate) async fn abilities(&self) -> Result<Abilities, ClientError> {
        let body = self.get("metadata").await?;
        read(&body).ok_or(ClientError::NotFhir { status: 200 })
    }
}

fn read(body: &[u8]) -> Option<Abilities> {
    let statement: Statement<'_> = serde_json::from_slice(body).ok()?;
    if statement.resource_type != "CapabilityStatement" {
        return None;
    }
    let version = statement.fhir_version.as_deref();
    let rest = statement
        .rest
        .iter()
        .find(|rest| rest.mode.as_deref().is_none_or(|mode| mode == "server"));
    let says = |listed: &[Interaction<'_>], code: &str| listed.iter().any(|one| one.code == code);
    Some(Abilities {
        r4: version.is_none_or(|version| version.starts_with("4.0")),
        transaction: rest.is_some_and(|rest| says(&rest.interaction, "transaction")),
        observation: writing(rest, "Observation"),
        task: writing(rest, "Task"),
    })
}

fn writing(rest: Option<&Rest<'_>>, resource_type: &str) -> Writing {
    let all = Writing {
        create: true,
        update: true,
        conditional_create: true,
    };
    let Some(rest) = rest.filter(|rest| !rest.resource.is_empty()) else {
        return all;
    };
    let Some(said) = rest
        .resource
        .iter()
        .find(|resource| resource.kind == resource_type)
    else {
        return Writing {
            create: false,
            update: false,
            conditional_create: false,
        };
    };
    let can = |code: &str| {
        said.interaction.is_empty() || said.interaction.iter().any(|one| one.code == code)
    };
    Writing {
        create: can("create"),
        update: can("update"),
        // Not said is not a promise: then an identifier is looked up before it is written.
        conditional_create: said.conditional_create == Some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rest: &str, version: &str) -> Abilities {
        let text = format!(
            r#"{{"resourceType":"CapabilityStatement","fhirVersion":"{version}","rest":[{rest}]}}"#
        );
        read(text.as_bytes()).unwrap()
    }

    #[test]
    fn only_a_plain_no_is_one() {
        let silent = of("", "4.0.1");
        assert!(silent.r4 && !silent.transaction && silent.observation.create);
        let full = of(
            r#"{"mode":"server","interaction":[{"code":"batch"},{"code":"transaction"}],"resource":[
            {"type":"Observation","interaction":[{"code":"create"},{"code":"read"}],"conditionalCreate":true},{"type":"Task"}]}"#,
            "4.0.1",
        );
        assert!(full.transaction && full.observation.create && !full.observation.update);
        assert!(full.observation.conditional_create && !full.task.conditional_create);
        assert!(full.task.create && full.task.update);
        let reading = of(
            r#"{"mode":"server","resource":[{"type":"Observation","interaction":[{"code":"read"}]}]}"#,
            "3.0.2",
        );
        assert!(!reading.r4 && !reading.observation.create && !reading.task.create);
        assert!(read(b"{\"resourceType\":\"Patient\"}").is_none());
        assert!(read(b"<html>").is_none());
    }
}
