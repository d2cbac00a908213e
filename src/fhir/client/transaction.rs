//! A transaction: the writes of one referral in one Bundle, and what is proven of each by the answer.
//!
//! In come finished resources with the identifier or version that each depends on; out goes, entry by entry, the server's id
//! or nothing. Servers answer short, twice, mixed, or as if it had been a batch, so only an entry that an answer of the right
//! shape confirms counts; the caller looks every other one up before it sends anything again.

use std::borrow::Cow;

use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Client;
use super::create::{AnswerShows, Created, WHOLE, WriteFailure, condition, placed, shown};
use super::update::{if_match, unquoted};

/// Entries of a transaction.
pub(crate) const ENTRIES_MAX: usize = 50;

/// A write within a transaction. No `Debug`: the body is of a person.
pub(crate) struct TransactionPart {
    pub(crate) resource_type: &'static str,
    pub(crate) body: Vec<u8>,
    /// The name that other entries call it by: `urn:uuid:…`.
    pub(crate) full_url: String,
    pub(crate) how: WriteCondition,
}

/// What a write depends on.
pub(crate) enum WriteCondition {
    /// Created unless this identifier is there: system and value.
    Create(String, String),
    /// Changed if it still has this version: id and version.
    Update(String, String),
}

/// What the answer says of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PartAnswer {
    /// It is stored.
    Confirmed(Created),
    /// It says where something was stored, and not what: to be read back.
    Named(Created),
    /// It says no, with this status: it was not looked at, or will not be stored as it is.
    Refused(u16),
    /// What the server has stored is not what was sent: about another person, or without our identifier.
    NotOurs,
    /// Nothing can be told from it.
    Unproven,
}

#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(rename = "resourceType", borrow)]
    resource_type: Cow<'a, str>,
    #[serde(borrow, default)]
    entry: Vec<AnsweredEntry<'a>>,
}

#[derive(Deserialize)]
struct AnsweredEntry<'a> {
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    location: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    etag: Option<Cow<'a, str>>,
}

impl Client {
    /// Sends a transaction once and says what is proven of each part, in their order; what an answer only names is read back.
    ///
    /// # Errors
    /// A [`WriteFailure`] for the whole; after any of them parts may be on the server all the same.
    ///
    /// # Source
    /// FHIR R4, the REST API, batch and transaction.
    pub(crate) async fn transact(
        &self,
        parts: &[TransactionPart],
    ) -> Result<Vec<PartAnswer>, WriteFailure> {
        let url = self.url(&[]).map_err(|_| WriteFailure::UNSENT)?;
        let bundle = bundle(parts).ok_or(WriteFailure::UNSENT)?;
        let request = self.request(Method::POST, url);
        let answer = self.write(request, bundle, WHOLE).await?;
        let mut answers = answers(&answer.body, parts);
        self.read_back_all(parts, &mut answers).await;
        Ok(answers)
    }

    /// Reads what was only named: it is confirmed, not ours, or, where it cannot be read, unproven.
    async fn read_back_all(&self, parts: &[TransactionPart], answers: &mut [PartAnswer]) {
        let named = |answer: &PartAnswer| match answer {
            PartAnswer::Named(created) => Some(created.clone()),
            _ => None,
        };
        let mut types: Vec<&str> = parts.iter().map(|part| part.resource_type).collect();
        types.sort_unstable();
        types.dedup();
        for resource_type in types {
            let mine = |part: &TransactionPart| part.resource_type == resource_type;
            let ids: Vec<String> = parts
                .iter()
                .zip(&*answers)
                .filter(|(part, _)| mine(part))
                .filter_map(|(_, answer)| Some(named(answer)?.id))
                .collect();
            if ids.is_empty() {
                continue;
            }
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let read = self.read_all(resource_type, &ids, false).await;
            let read = read.unwrap_or_default();
            for (part, answer) in parts.iter().zip(&mut *answers) {
                if let (true, Some(created)) = (mine(part), named(answer)) {
                    let theirs = read.get(&created.id).and_then(|read| read.as_deref().ok());
                    *answer = proven(theirs, part, created);
                }
            }
        }
    }
}

/// What the resource at the named id proves; none where it could not be read.
fn proven(theirs: Option<&[u8]>, part: &TransactionPart, created: Created) -> PartAnswer {
    let WriteCondition::Create(system, value) = &part.how else {
        return PartAnswer::Confirmed(created);
    };
    let Some(theirs) = theirs else {
        return PartAnswer::Unproven;
    };
    match shown(theirs, &part.body, part.resource_type, (system, value)) {
        AnswerShows::Ours => PartAnswer::Confirmed(created),
        AnswerShows::Another | AnswerShows::Nothing => PartAnswer::NotOurs,
    }
}

/// The Bundle, each resource as its own bytes.
fn bundle(parts: &[TransactionPart]) -> Option<Vec<u8>> {
    let quoted = |text: &str| serde_json::to_string(text).ok();
    let mut text = br#"{"resourceType":"Bundle","type":"transaction","entry":["#.to_vec();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        let request = match &part.how {
            WriteCondition::Create(system, value) => format!(
                r#"{{"method":"POST","url":{},"ifNoneExist":{}}}"#,
                quoted(part.resource_type)?,
                quoted(&condition(system, value))?
            ),
            WriteCondition::Update(id, version) => format!(
                r#"{{"method":"PUT","url":{},"ifMatch":{}}}"#,
                quoted(&format!("{}/{id}", part.resource_type))?,
                quoted(&if_match(version))?
            ),
        };
        text.extend_from_slice(
            format!(r#"{{"fullUrl":{},"resource":"#, quoted(&part.full_url)?).as_bytes(),
        );
        text.extend_from_slice(&part.body);
        text.extend_from_slice(format!(r#","request":{request}}}"#).as_bytes());
    }
    text.extend_from_slice(b"]}");
    Some(text)
}

/// What a body proves of each part: nothing at all unless it is one Bundle with an answer for every part.
fn answers(body: &[u8], parts: &[TransactionPart]) -> Vec<PartAnswer> {
    let unproven = || vec![PartAnswer::Unproven; parts.len()];
    let Ok(answered) = serde_json::from_slice::<Answered<'_>>(body) else {
        return unproven();
    };
    if answered.resource_type != "Bundle" || answered.entry.len() != parts.len() {
        return unproven();
    }
    let of = |(entry, part): (&AnsweredEntry<'_>, &TransactionPart)| one(entry, part);
    answered.entry.iter().zip(parts).map(of).collect()
}

fn one(entry: &AnsweredEntry<'_>, part: &TransactionPart) -> PartAnswer {
    let Some(response) = &entry.response else {
        return PartAnswer::Unproven;
    };
    let digits = response.status.trim_start().get(..3);
    let Some(status) = digits.and_then(|digits| digits.parse::<u16>().ok()) else {
        return PartAnswer::Unproven;
    };
    match status {
        200..300 => {}
        // The server gave up on it half-way: as the answer to a single write, it may be stored all the same.
        408 | 500 | 502.. => return PartAnswer::Unproven,
        _ => return PartAnswer::Refused(status),
    }
    let etag = response.etag.as_deref().map(unquoted);
    let body = entry.resource.map_or("", RawValue::get);
    let shows = match &part.how {
        WriteCondition::Create(system, value) => {
            let key = (system.as_str(), value.as_str());
            shown(body.as_bytes(), &part.body, part.resource_type, key)
        }
        // Its version was met, so it is the one that was read before.
        WriteCondition::Update(..) => AnswerShows::Ours,
    };
    if shows == AnswerShows::Another {
        return PartAnswer::NotOurs;
    }
    let placed = placed(
        response.location.as_deref(),
        body.as_bytes(),
        part.resource_type,
    );
    let known = match &part.how {
        WriteCondition::Update(id, _) => Some((id.clone(), None)),
        WriteCondition::Create(..) => None,
    };
    let Some((id, version)) = placed.or(known) else {
        return PartAnswer::Unproven;
    };
    let created = Created {
        id,
        version: etag.or(version),
        new: status == 201,
    };
    match shows {
        AnswerShows::Ours => PartAnswer::Confirmed(created),
        AnswerShows::Another | AnswerShows::Nothing => PartAnswer::Named(created),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(value: &str) -> TransactionPart {
        TransactionPart {
            resource_type: "Observation",
            body: br#"{"resourceType":"Observation","v":1.00}"#.to_vec(),
            full_url: format!("urn:uuid:{value}"),
            how: WriteCondition::Create("urn:s".to_owned(), value.to_owned()),
        }
    }

    #[test]
    fn a_bundle_holds_its_parts_as_they_are() {
        let mut task = part("b");
        (task.resource_type, task.how) = (
            "Task",
            WriteCondition::Update("7".to_owned(), "3".to_owned()),
        );
        let text = String::from_utf8(bundle(&[part("a"), task]).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:a","resource":{"resourceType":"Observation","v":1.00},"request":{"method":"POST","url":"Observation","ifNoneExist":"identifier=urn:s|a"}},{"fullUrl":"urn:uuid:b","resource":{"resourceType":"Observation","v":1.00},"request":{"method":"PUT","url":"Task/7","ifMatch":"W/\"3\""}}]}"#
        );
    }

    fn check(entries: &str, tail: &str, wanted: &[PartAnswer; 2]) {
        let body = format!(
            r#"{{"resourceType":"Bundle","type":"transaction-response","entry":[{entries}]}}{tail}"#
        );
        assert_eq!(
            answers(body.as_bytes(), &[part("a"), part("b")]),
            wanted,
            "{body}"
        );
    }

    #[test]
    fn only_what_is_proven_counts() {
        use PartAnswer::{Confirmed, Named, Refused, Unproven};
        let created = |id: &str, version: &str, new| Created {
            id: id.to_owned(),
            version: Some(version.to_owned()),
            new,
        };
        let named = |id: &str, version: &str, new| Named(created(id, version, new));
        let made = |id: &str, version: &str, new| Confirmed(created(id, version, new));
        let first =
            r#"{"response":{"status":"201 Created","location":"Observation/1/_history/1"}}"#;
        let absolute = r#"{"response":{"status":"200","location":"http://h/fhir/Observation/2","etag":"W/\"4\""}}"#;
        check(
            first_and(first, absolute).as_str(),
            "",
            &[named("1", "1", true), named("2", "4", false)],
        );
        let whole = r#"{"resource":{"resourceType":"Observation","id":"3","identifier":[{"system":"urn:s","value":"a"}],"meta":{"versionId":"9"}},"response":{"status":"200 OK"}}"#;
        let no = r#"{"response":{"status":"429 Too Many Requests"}}"#;
        check(
            first_and(whole, no).as_str(),
            "",
            &[made("3", "9", false), Refused(429)],
        );
        for (status, wanted) in [
            ("408 Request Timeout", Unproven),
            ("500", Unproven),
            ("503 Service Unavailable", Unproven),
            ("504", Unproven),
            ("524", Unproven),
            ("422 Unprocessable", Refused(422)),
            ("425", Refused(425)),
            ("501 Not Implemented", Refused(501)),
        ] {
            let answered = format!(r#"{{"response":{{"status":"{status}"}}}}"#);
            let wanted = [made("3", "9", false), wanted];
            check(first_and(whole, &answered).as_str(), "", &wanted);
        }
        let elsewhere = r#"{"response":{"status":"201","location":"Patient/1"}}"#;
        check(
            first_and(elsewhere, "{}").as_str(),
            "",
            &[Unproven, Unproven],
        );
        check(
            first_and(r#"{"response":{"status":"Created"}}"#, first).as_str(),
            "",
            &[Unproven, named("1", "1", true)],
        );
        check(first, "", &[Unproven, Unproven]);
        check(
            first_and(first, absolute).as_str(),
            r#"{"resourceType":"OperationOutcome"}"#,
            &[Unproven, Unproven],
        );
        assert_eq!(answers(b"", &[part("a")]), &[Unproven]);
        assert_eq!(
            answers(b"{\"resourceType\":\"OperationOutcome\"}", &[part("a")]),
            &[Unproven]
        );
    }

    fn first_and(first: &str, second: &str) -> String {
        format!("{first},{second}")
    }
}
