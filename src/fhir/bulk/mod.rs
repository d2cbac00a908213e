//! Bulk Data export: an order for everything, asked after until it is made, and cancelled when it has been fetched.
//!
//! In come a level, a time and the codes wanted; out go a status address, and a manifest once the server has made its
//! files (`files.rs` reads them). Versions 1 to 3 and the ballot of 4 are understood. Kept: credentials go to the server's
//! own origin only, and every wait and every count of polls has an end.
//!
//! # Source
//! Bulk Data Access IG, 3.0.0 and 4.0.0-ballot, export; `fhir.md` §3.4.

pub(crate) mod files;
mod manifest;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use manifest::{ExportFile, ExportManifest};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::client::ClientError;
use super::client::parameters::Parameters;
use super::client::{Client, FHIR_JSON, HttpAnswer, refusal};
use super::resources::operation_outcome;
use crate::domain::{Instant, limits};

/// Types a referral is made of, the two it cannot do without first.
const TYPES: [&str; 6] = [
    "ServiceRequest",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Consent",
];
/// Refusals that another way of asking may get round.
const OTHER_WAY: [u16; 6] = [400, 404, 405, 415, 422, 501];
/// Issue codes that say "ask again", whatever the status.
const PASSING: [&str; 5] = [
    "transient",
    "throttled",
    "lock-error",
    "timeout",
    "no-store",
];

/// Whose records are exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Everything that the server has.
    System,
    /// Every Patient, and what belongs to them.
    Patient,
    /// The members of the Group with this id.
    Group(String),
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) level: &'a Level,
    /// Only what changed since.
    pub(crate) since: Option<Instant>,
    /// Codes that a `ServiceRequest` must carry, as (system, code); none asks for all of them.
    pub(crate) codes: &'a [(&'a str, &'a str)],
    /// Whether addresses that name another host are taken on the server's own.
    pub(crate) rebase_links: bool,
}

/// Where an export can be asked after. It may let in whoever knows it, so it has no `Display` and its `Debug` masks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StatusUrl {
    url: Url,
    rebase_links: bool,
}

impl std::fmt::Debug for StatusUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StatusUrl(masked)")
    }
}

impl StatusUrl {
    /// The address as text, to be sealed.
    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }
}

/// How long and how often an export is asked after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// The first wait where the server names none; doubled each time.
    pub(crate) first: Duration,
    /// The longest wait of our own choosing.
    pub(crate) longest: Duration,
    /// All waits together.
    pub(crate) total: Duration,
}

impl Patience {
    /// From one second to one minute between polls, and no more than this in all.
    pub(crate) fn of_minutes(minutes: u64) -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_mins(1),
            total: Duration::from_mins(minutes),
        }
    }
}

/// The waits for one manifest.
struct Waits<'l> {
    patience: Patience,
    /// What is left of the patience with the whole export.
    left: &'l mut Duration,
    /// The next wait of our own choosing.
    own: Duration,
    polls: usize,
}

impl<'l> Waits<'l> {
    fn new(patience: Patience, left: &'l mut Duration) -> Self {
        Self {
            patience,
            left,
            own: patience.first,
            polls: 0,
        }
    }

    /// How long to wait after a poll, where the server asked for this; `None` if it was the last one.
    fn after_poll(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.polls += 1;
        if self.polls >= limits::EXPORT_POLLS_MAX {
            return None;
        }
        // A server that says "at once" is not asked more often than we would by ourselves.
        let wait = asked.unwrap_or(self.own).max(self.patience.first);
        self.own = (self.own * 2).min(self.patience.longest);
        *self.left = self.left.checked_sub(wait)?;
        Some(wait)
    }
}

/// What a status address says.
enum Progress {
    Running(Option<Duration>),
    Done(Vec<u8>),
}

/// One way of asking for the same.
struct Way {
    method: Method,
    types: &'static [&'static str],
    filter: bool,
}

impl Client {
    /// Orders an export, by POST where the server takes it; gives the server's time as well, microseconds UTC.
    ///
    /// A server that refuses is asked by GET, then without the filter, then for the two types a referral cannot do
    /// without: what it leaves out is read by id, what it sends too much is sorted out here.
    ///
    /// # Errors
    /// Any [`ClientError`]; the first refusal, where every way was refused.
    pub(crate) async fn order_export(
        &self,
        order: Order<'_>,
    ) -> Result<(StatusUrl, Option<i64>), ClientError> {
        let mut first = None;
        for way in ways(order) {
            let url = self.order_url(order, &way)?;
            let body = (way.method == Method::POST).then(|| parameters(order, &way).to_string());
            let mut request = || {
                let request = self.request(way.method.clone(), url.clone());
                let request = request.header("Prefer", "respond-async");
                match &body {
                    Some(body) => request.header(CONTENT_TYPE, FHIR_JSON).body(body.clone()),
                    None => request,
                }
            };
            match self.fetch(&mut request).await {
                Ok(answer) => return Ok((self.ordered(order, &url, &answer)?, answer.date)),
                Err(error) if another_way(&error) => first = first.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(first.unwrap_or(ClientError::NotFound))
    }

    /// A status address that was kept.
    ///
    /// # Errors
    /// It does not lie on the server's own origin.
    pub(crate) fn kept_status(
        &self,
        text: &str,
        rebase_links: bool,
    ) -> Result<StatusUrl, ClientError> {
        let base = self.url(&[])?;
        let url = self
            .own_link(&base, text)
            .ok_or(ClientError::ForeignExport)?;
        Ok(StatusUrl { url, rebase_links })
    }

    /// Asks after an export until it is made; `None` if patience ends first.
    ///
    /// # Errors
    /// `NotFound` or `Gone`: the server no longer knows it. `Refused`: it failed. `Transient`: no answer, several times.
    pub(crate) async fn await_export(
        &self,
        status: &StatusUrl,
        patience: Patience,
    ) -> Result<Option<ExportManifest>, ClientError> {
        let mut left = patience.total;
        let mut url = status.url.clone();
        let mut whole: Option<ExportManifest> = None;
        for _ in 0..limits::EXPORT_MANIFESTS_MAX {
            let Some(body) = self.await_page(&url, patience, &mut left).await? else {
                return Ok(None);
            };
            let (mut page, next) = ExportManifest::parse(&body, &url)?;
            for item in page.items_mut().filter(|_| status.rebase_links) {
                let home = self.home_link(&url, item.url.as_str(), true);
                item.url = home.unwrap_or_else(|| item.url.clone());
            }
            let whole = match &mut whole {
                Some(whole) => {
                    whole.add(page);
                    whole
                }
                None => whole.insert(page),
            };
            if whole.files() > limits::EXTRACT_FILES_MAX {
                return Err(ClientError::TooManyFiles {
                    max: limits::EXTRACT_FILES_MAX,
                });
            }
            let Some(next) = next else {
                return Ok(Some(std::mem::take(whole)));
            };
            url = self
                .home_link(&url, &next, status.rebase_links)
                .ok_or(ClientError::ForeignExport)?;
        }
        Err(ClientError::TooManyPages {
            max: limits::EXPORT_MANIFESTS_MAX,
        })
    }

    /// Tells the server that an export is no longer wanted, so that it can throw its files away.
    ///
    /// # Errors
    /// Any [`ClientError`]; that it is gone already is none.
    pub(crate) async fn forget_export(&self, status: &StatusUrl) -> Result<(), ClientError> {
        let request = self.request(Method::DELETE, status.url.clone());
        let answer = self.send(request).await?;
        match answer.status {
            200..=299 | 404 | 410 => Ok(()),
            _ => Err(refusal(&answer)),
        }
    }

    fn order_url(&self, order: Order<'_>, way: &Way) -> Result<Url, ClientError> {
        let mut url = match order.level {
            Level::System => self.url(&["$export"])?,
            Level::Patient => self.url(&["Patient", "$export"])?,
            Level::Group(id) => self.url(&["Group", id, "$export"])?,
        };
        if way.method == Method::GET {
            let mut query = url.query_pairs_mut();
            query.append_pair("_type", &way.types.join(","));
            if let Some(since) = order.since {
                query.append_pair("_since", &since.utc_text());
            }
            if way.filter {
                query.append_pair("_typeFilter", &type_filter(order.codes));
            }
        }
        Ok(url)
    }

    fn ordered(
        &self,
        order: Order<'_>,
        url: &Url,
        answer: &HttpAnswer,
    ) -> Result<StatusUrl, ClientError> {
        let place = answer.content_location.as_deref();
        let link = place.or(answer.location.as_deref());
        let link = link.ok_or(ClientError::NotFhir {
            status: answer.status,
        })?;
        let rebase_links = order.rebase_links;
        let url = self.home_link(url, link, rebase_links);
        let url = url.ok_or(ClientError::ForeignExport)?;
        Ok(StatusUrl { url, rebase_links })
    }

    /// One manifest, asked for until it is there.
    async fn await_page(
        &self,
        url: &Url,
        patience: Patience,
        left: &mut Duration,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let (mut waits, mut troubles) = (Waits::new(patience, left), 0);
        loop {
            let asked = match self.export_progress(url).await {
                Ok(Progress::Done(body)) => return Ok(Some(body)),
                Ok(Progress::Running(asked)) => {
                    troubles = 0;
                    asked
                }
                // A poll that fails says nothing of the export itself.
                Err(ClientError::Transient { retry_after, .. })
                    if troubles < self.settings.retries_max =>
                {
                    troubles += 1;
                    retry_after
                }
                Err(error) => return Err(error),
            };
            if asked.is_some_and(|wait| !self.keeps_wait(wait)) {
                return Ok(None);
            }
            let Some(wait) = waits.after_poll(asked) else {
                return Ok(None);
            };
            self.pause(wait).await;
        }
    }

    async fn export_progress(&self, url: &Url) -> Result<Progress, ClientError> {
        let json = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let request = self.request(Method::GET, url.clone()).headers(json);
        let mut answer = self.send(request).await?;
        // Version 4 can tell the state of the job apart from that of the poll.
        let said = answer
            .export_status
            .as_deref()
            .and_then(|text| text.get(..3)?.parse().ok());
        if let (200, Some(status)) = (answer.status, said) {
            answer.status = status;
        }
        match answer.status {
            202 => Ok(Progress::Running(answer.retry_after)),
            200..=299 if torn(&answer.body) => Err(ClientError::torn(answer.status)),
            200..=299 => Ok(Progress::Done(answer.body)),
            status => {
                let code = operation_outcome::gravest(&answer.body).and_then(|issue| issue.code);
                Err(match code {
                    Some(code) if PASSING.contains(&code) => ClientError::passing(
                        "trouble that passes",
                        Some(status),
                        answer.retry_after,
                    ),
                    // A server that explains a 500 has given the export up; one that does not is in trouble itself.
                    Some(code) if status == 500 => ClientError::Refused {
                        status,
                        code: Some(code),
                    },
                    _ => refusal(&answer),
                })
            }
        }
    }
}

fn ways(order: Order<'_>) -> Vec<Way> {
    let mut ways = Vec::new();
    for (types, filter) in [
        (&TYPES[..], true),
        (&TYPES[..], false),
        (&TYPES[..2], false),
    ] {
        if filter && order.codes.is_empty() {
            continue;
        }
        for method in [Method::POST, Method::GET] {
            ways.push(Way {
                method,
                types,
                filter,
            });
        }
    }
    ways
}

fn another_way(error: &ClientError) -> bool {
    match error {
        ClientError::NotFound => true,
        ClientError::Refused { status, .. } => OTHER_WAY.contains(status),
        _ => false,
    }
}

fn parameters(order: Order<'_>, way: &Way) -> Value {
    let mut parameters: Vec<Value> = way
        .types
        .iter()
        .map(|name| json!({"name": "_type", "valueString": name}))
        .collect();
    if let Some(since) = order.since {
        parameters.push(json!({"name": "_since", "valueInstant": since.utc_text()}));
    }
    if way.filter {
        parameters.push(json!({"name": "_typeFilter", "valueString": type_filter(order.codes)}));
    }
    json!({"resourceType": "Parameters", "parameter": parameters})
}

/// Whether a body begins as JSON and does not end as it: a proxy may cut an answer and still call it a success.
fn torn(body: &[u8]) -> bool {
    let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(body);
    parsed.is_err_and(|error| error.is_eof()) && body.trim_ascii_start().first() == Some(&b'{')
}

/// A search within a parameter. It is encoded as in a URL: some servers cut a filter at each comma they see.
fn type_filter(codes: &[(&str, &str)]) -> String {
    let codes = Parameters::default().tokens("code", codes.iter().copied());
    format!("ServiceRequest?{}", codes.form())
}
