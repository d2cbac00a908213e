//! Creating a resource once: a conditional create whose every ending is named.
//!
//! In come a finished resource and the identifier it carries; out goes the id under which the server has it, or why there
//! is none that counts. A write is sent once. When the answer is lost nobody knows whether it was stored, so the caller must look the
//! identifier up before it sends again; that is a failure of its own here and never a silent repeat.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;

use super::client_error::ClientError;
use super::lookup::carries;
use super::parameters::token;
use super::update::unquoted;
use super::{Client, FHIR_JSON, HttpAnswer, refusal};
use crate::fhir::resources::bundle::Head;

/// What an answer to a write should hold: nothing, or the resource as it was stored.
pub(super) const MINIMAL: &str = "return=minimal";
pub(super) const WHOLE: &str = "return=representation";

/// A resource that is on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Created {
    /// The server's id.
    pub(crate) id: String,
    /// The server's version, where it said so.
    pub(crate) version: Option<String>,
    /// Whether this call made it; false if it was there.
    pub(crate) new: bool,
}

/// Why a resource was not, or perhaps not, stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteFailure {
    /// It may or may not be stored: look the identifier up before sending again.
    #[error("answer to a write was lost")]
    AnswerLost,
    /// The server will not store it as it is.
    #[error("FHIR server refused a write, status {status}, issue code {}", .code.unwrap_or("none"))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The R4 issue code, if it gave one.
        code: Option<&'static str>,
    },
    /// The server holds several resources with this identifier, or another write of it is under way.
    #[error("FHIR server has a conflicting resource with this identifier")]
    Duplicate,
    /// There is no such resource on the server, or no longer.
    #[error("FHIR server no longer has the resource")]
    Missing,
    /// What the server has under this id is not what was written there.
    #[error("resource on the FHIR server is not the one that was written")]
    NotOurs,
    /// Our sign-in is at fault, not the entry: nothing can be written until that is put right.
    #[error("FHIR server lets nothing be written with these credentials")]
    Barred,
    /// The server says that it waited for the request in vain (408): as a lost answer, but it may say so for ever.
    #[error("FHIR server says that a write did not come in time")]
    TimedOut,
    /// The server refuses a change under the very version that it has: not because somebody else was quicker.
    #[error("FHIR server refuses a change of the version that it has")]
    Unchangeable,
    /// It was not stored, and may be later: the server could not be reached, or asked us to wait.
    #[error("FHIR server could not take a write")]
    Transient {
        /// How long the server asks us to wait.
        retry_after: Option<Duration>,
    },
}

impl WriteFailure {
    /// Refused before it was sent: it cannot be sent as it is.
    pub(super) const UNSENT: Self = Self::Refused {
        status: 0,
        code: None,
    };
}

impl Client {
    /// Sends a write once; `prefer` is what of the resource the answer should hold.
    pub(super) async fn write(
        &self,
        request: RequestBuilder,
        body: Vec<u8>,
        prefer: &'static str,
    ) -> Result<HttpAnswer, WriteFailure> {
        let request = request
            .header(CONTENT_TYPE, FHIR_JSON)
            .header("Prefer", prefer)
            .body(body);
        let answer = self.send(request).await.map_err(|error| sending(&error))?;
        if (200..300).contains(&answer.status) {
            Ok(answer)
        } else {
            Err(failure(&answer))
        }
    }

    /// Stores a resource unless one with this identifier is there; `body` must carry that identifier.
    ///
    /// # Errors
    /// A [`WriteFailure`]; nothing was repeated.
    ///
    /// # Source
    /// FHIR R4, the REST API, conditional create (`If-None-Exist`).
    pub(crate) async fn create_once(
        &self,
        resource_type: &str,
        body: &[u8],
        system: &str,
        value: &str,
    ) -> Result<Created, WriteFailure> {
        let url = self
            .url(&[resource_type])
            .map_err(|_| WriteFailure::UNSENT)?;
        let request = self.request(Method::POST, url);
        let request = request.header("If-None-Exist", condition(system, value));
        let answer = self.write(request, body.to_vec(), WHOLE).await?;
        let new = answer.status == 201;
        let named = named(&answer, resource_type);
        match shown(&answer.body, body, resource_type, (system, value)) {
            AnswerShows::Another => return Err(WriteFailure::NotOurs),
            AnswerShows::Ours => {
                if let Some((id, version)) = named {
                    return Ok(Created { id, version, new });
                }
            }
            // An address says where something lies, and not whose it is.
            AnswerShows::Nothing => {
                if let Some((id, _)) = named
                    && let Some(read) = self
                        .read_back(resource_type, &id, body, (system, value))
                        .await?
                {
                    return Ok(Created { new, ..read });
                }
            }
        }
        self.looked_up(resource_type, body, (system, value), new)
            .await
    }

    /// What lies at the id that a success named; none if nothing does, or not yet.
    async fn read_back(
        &self,
        resource_type: &str,
        id: &str,
        ours: &[u8],
        (system, value): (&str, &str),
    ) -> Result<Option<Created>, WriteFailure> {
        let read = self.read_versioned(resource_type, id).await;
        let Some(theirs) = read.map_err(|_| WriteFailure::AnswerLost)? else {
            return Ok(None);
        };
        match shown(&theirs.body, ours, resource_type, (system, value)) {
            AnswerShows::Ours => Ok(Some(Created {
                id: id.to_owned(),
                version: theirs.version,
                new: false,
            })),
            AnswerShows::Another | AnswerShows::Nothing => Err(WriteFailure::NotOurs),
        }
    }

    /// The resource after a success that did not say which it is.
    async fn looked_up(
        &self,
        resource_type: &str,
        ours: &[u8],
        (system, value): (&str, &str),
        new: bool,
    ) -> Result<Created, WriteFailure> {
        let found = self.find_by_identifier(resource_type, system, value).await;
        let found = found.map_err(|_| WriteFailure::AnswerLost)?;
        if found.len() > 1 {
            return Err(WriteFailure::Duplicate);
        }
        let theirs = found.first().ok_or(WriteFailure::AnswerLost)?;
        if shown(theirs, ours, resource_type, (system, value)) != AnswerShows::Ours {
            return Err(WriteFailure::NotOurs);
        }
        let head = Head::of(theirs);
        let id = head
            .id
            .as_deref()
            .ok_or(WriteFailure::AnswerLost)?
            .to_owned();
        Ok(Created {
            id,
            version: head.version().map(str::to_owned),
            new,
        })
    }
}

/// What a text shows of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerShows {
    /// The resource that was sent: our identifier, the same person.
    Ours,
    /// Another resource of the type.
    Another,
    /// Not what was stored.
    Nothing,
}

/// What a text shows of a write: the resource that it holds, if it holds one of this type, must bear our identifier and be
/// about the same person.
pub(super) fn shown(
    text: &[u8],
    ours: &[u8],
    resource_type: &str,
    (system, value): (&str, &str),
) -> AnswerShows {
    if Head::of(text).resource_type.as_deref() != Some(resource_type) {
        return AnswerShows::Nothing;
    }
    if carries(text, resource_type, system, value) && person_of(text) == person_of(ours) {
        AnswerShows::Ours
    } else {
        AnswerShows::Another
    }
}

/// The person that an Observation or Task is about, as type and id: `Patient/1`.
pub(super) fn person_of(resource: &[u8]) -> Option<String> {
    #[derive(Deserialize, Default)]
    struct PersonText {
        #[serde(default)]
        reference: String,
    }
    #[derive(Deserialize)]
    struct AboutText {
        #[serde(default)]
        subject: Option<PersonText>,
        #[serde(default, rename = "for")]
        beneficiary: Option<PersonText>,
    }
    let about: AboutText = serde_json::from_slice(resource).ok()?;
    let person = about.subject.or(about.beneficiary)?;
    Some(last_two(&person.reference))
}

/// Type and id of a reference, on whatever host and of whatever version.
fn last_two(reference: &str) -> String {
    let path = reference.split("/_history/").next().unwrap_or_default();
    let mut from_the_end = path.rsplit('/');
    let id = from_the_end.next().unwrap_or_default();
    format!("{}/{id}", from_the_end.next().unwrap_or_default())
}

/// What it means for a write that no answer came.
fn sending(error: &ClientError) -> WriteFailure {
    match error {
        ClientError::Settings(_) | ClientError::Name => WriteFailure::UNSENT,
        error if error.bars() => WriteFailure::Barred,
        error if error.may_have_arrived() => WriteFailure::AnswerLost,
        error => WriteFailure::Transient {
            retry_after: error.retry_after(),
        },
    }
}

/// What an answer other than success means for a write.
fn failure(answer: &HttpAnswer) -> WriteFailure {
    let status = answer.status;
    match refusal(answer) {
        ClientError::Refused {
            status: 409 | 412, ..
        } => WriteFailure::Duplicate,
        ClientError::Refused { code, .. } => WriteFailure::Refused { status, code },
        // Only these two say that the request was not looked at; a 503 may come from a proxy that had passed it on.
        ClientError::Transient {
            status: Some(425 | 429),
            retry_after,
            ..
        } => WriteFailure::Transient { retry_after },
        // Our sign-in is at fault, not the entry: it waits until that is put right.
        ClientError::Unauthorised { .. } => WriteFailure::Barred,
        ClientError::Transient {
            status: Some(408), ..
        } => WriteFailure::TimedOut,
        ClientError::Transient { .. } => WriteFailure::AnswerLost,
        _ => WriteFailure::Refused { status, code: None },
    }
}

/// The id and version that an answer gives: from `Location`, else from a body of the right type.
fn named(answer: &HttpAnswer, resource_type: &str) -> Option<(String, Option<String>)> {
    let etag = answer.etag.as_deref().map(unquoted);
    let (id, version) = placed(answer.location.as_deref(), &answer.body, resource_type)?;
    Some((id, etag.or(version)))
}

/// The id and version that an answer's location names, else those of the resource in it.
pub(super) fn placed(
    location: Option<&str>,
    body: &[u8],
    resource_type: &str,
) -> Option<(String, Option<String>)> {
    let by_location = location.and_then(|text| located(text, resource_type));
    by_location.or_else(|| {
        let head = Head::of(body);
        let right = head.resource_type.as_deref() == Some(resource_type);
        let version = head.version().map(str::to_owned);
        Some((head.id.filter(|_| right)?.into_owned(), version))
    })
}

/// The id and version in a `Location`, absolute or relative, on whatever host: it is read, never followed.
fn located(location: &str, resource_type: &str) -> Option<(String, Option<String>)> {
    let path = location.split(['?', '#']).next()?;
    let mut from_the_end = path.trim_end_matches('/').rsplit('/');
    let mut id = from_the_end.next()?;
    let mut parent = from_the_end.next()?;
    let mut version = None;
    if parent == "_history" {
        version = Some(id.to_owned());
        id = from_the_end.next()?;
        parent = from_the_end.next()?;
    }
    (parent == resource_type && !id.is_empty()).then(|| (id.to_owned(), version))
}

/// The search of `If-None-Exist`. Servers differ in whether they decode it, so only what would break a query is encoded.
pub(super) fn condition(system: &str, value: &str) -> String {
    let mut text = "identifier=".to_owned();
    for byte in token(system, value).bytes() {
        if byte.is_ascii_graphic() && !b"&#+%\"".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(digit), 16));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_of_every_form_name_the_resource() {
        for (location, id, version) in [
            (
                "http://h/fhir/Observation/1/_history/2",
                Some("1"),
                Some("2"),
            ),
            (
                "https://inner.example:8443/a/b/Observation/x-1",
                Some("x-1"),
                None,
            ),
            ("Observation/1/_history/3", Some("1"), Some("3")),
            ("/fhir/Observation/1?_format=json", Some("1"), None),
            ("Patient/1", None, None),
            ("Observation", None, None),
            ("", None, None),
        ] {
            let found = located(location, "Observation");
            assert_eq!(found.as_ref().map(|(id, _)| id.as_str()), id, "{location}");
            assert_eq!(
                found.and_then(|(_, version)| version).as_deref(),
                version,
                "{location}"
            );
        }
    }

    #[test]
    fn an_answer_that_holds_another_resource_is_no_confirmation() {
        let entry = |value: &str, person: &str| {
            format!(
                r#"{{"resourceType":"Observation","identifier":[{{"system":"urn:s","value":"{value}"}}],"subject":{{"reference":"{person}"}}}}"#
            )
        };
        let ours = entry("v", "Patient/p");
        for (answer, wanted) in [
            (ours.clone(), AnswerShows::Ours),
            (
                entry("v", "http://h/fhir/Patient/p/_history/3"),
                AnswerShows::Ours,
            ),
            (entry("v", "Patient/q"), AnswerShows::Another),
            (entry("v", "Group/p"), AnswerShows::Another),
            (entry("w", "Patient/p"), AnswerShows::Another),
            (ours.replace("subject", "focus"), AnswerShows::Another),
            (ours.replace("identifier", "note"), AnswerShows::Another),
            // Nothing is said of what was stored.
            (String::new(), AnswerShows::Nothing),
            (
                r#"{"resourceType":"OperationOutcome"}"#.to_owned(),
                AnswerShows::Nothing,
            ),
        ] {
            let found = shown(
                answer.as_bytes(),
                ours.as_bytes(),
                "Observation",
                ("urn:s", "v"),
            );
            assert_eq!(found, wanted, "{answer}");
        }
        let task = r#"{"resourceType":"Task","identifier":[{"system":"urn:s","value":"v"}],"for":{"reference":"Patient/p"}}"#;
        let other = task.replace("/p", "/q");
        for (answer, wanted) in [
            (task, AnswerShows::Ours),
            (other.as_str(), AnswerShows::Another),
        ] {
            let found = shown(answer.as_bytes(), task.as_bytes(), "Task", ("urn:s", "v"));
            assert_eq!(found, wanted, "{answer}");
        }
    }

    #[test]
    fn conditions_are_readable_and_safe() {
        for (system, value, wanted) in [
            (
                "https://kith.example/Id/x",
                "5f0c-1",
                "identifier=https://kith.example/Id/x|5f0c-1",
            ),
            ("urn:a", "b&c d", "identifier=urn:a|b%26c%20d"),
            ("urn:a", "b,c", "identifier=urn:a|b\\,c"),
            ("urn:a", "\u{e9}", "identifier=urn:a|%c3%a9"),
        ] {
            assert_eq!(condition(system, value), wanted);
        }
    }
}
