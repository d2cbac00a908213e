//! Search with paging: what is asked, and the pages of the answer one by one.
//!
//! In come a resource type and parameters; out go pages as the bytes that the server sent. A `next` link is followed as it
//! is and never to another origin. Every search ends: at a page without `next`, a repeated link, a page with nothing new,
//! or the limit of pages; only the first is the server's own word that there is no more, and the caller is told which it was.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::bundle::{BundleError, BundleView, Head, Mode};
use super::client::{Answer, Client, fhir_body};
use super::client_error::ClientError;

/// Pages of a look-up by identifier; a server that has more has ignored the identifier.
const LOOK_UP_PAGES_MAX: usize = 10;
/// Identifiers of this system never stand in a URL.
const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

/// Search parameters, in order. No `Debug`: they may hold identifiers.
#[derive(Clone, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Adds a parameter whose value is already in search form.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a token parameter that any of these (system, code) pairs answers.
    pub(crate) fn tokens<'a>(
        self,
        name: &str,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let values: Vec<String> = pairs
            .into_iter()
            .map(|(system, code)| token(system, code))
            .collect();
        self.with(name, values.join(","))
    }

    fn hold_nhs_number(&self) -> bool {
        self.0.iter().any(|(_, value)| value.contains(NHS_NUMBER))
    }
}

/// `system|value` with the characters escaped that mean something in a search (R4 search, escaping).
pub(super) fn token(system: &str, value: &str) -> String {
    let mut text = String::with_capacity(system.len() + value.len() + 1);
    for (index, part) in [system, value].into_iter().enumerate() {
        if index == 1 {
            text.push('|');
        }
        for character in part.chars() {
            if matches!(character, '\\' | ',' | '$' | '|') {
                text.push('\\');
            }
            text.push(character);
        }
    }
    text
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The server gave no further page: the one ending that says the answer is whole.
    NoNext,
    /// It linked to a page that we had already had.
    RepeatedLink,
    /// It sent a page on which nothing was new, and a link to a further one.
    NothingNew,
}

/// One page of an answer.
pub(crate) struct Page {
    /// The page, from 1.
    pub(crate) number: usize,
    /// The Bundle, as the server sent it.
    pub(crate) body: Vec<u8>,
    entries_max: usize,
}

impl Page {
    /// The Bundle, over the bytes of the page.
    ///
    /// # Errors
    /// None that the search did not already report.
    pub(crate) fn bundle(&self) -> Result<BundleView<'_>, BundleError> {
        BundleView::parse(&self.body, self.entries_max)
    }
}

/// A search in progress.
pub(crate) struct Search<'c> {
    client: &'c Client,
    resource_type: String,
    parameters: Parameters,
    next: Option<Url>,
    pages: usize,
    pages_max: usize,
    links: HashSet<String>,
    /// Hashes of "type/id": a million ids fit; a clash can only ever end a search whose whole page clashes.
    seen: HashSet<u64>,
    hasher: RandomState,
    ending: Option<Ending>,
    server_date: Option<i64>,
}

impl<'c> Search<'c> {
    pub(super) fn new(client: &'c Client, resource_type: &str, parameters: Parameters) -> Self {
        Self {
            client,
            resource_type: resource_type.to_owned(),
            parameters,
            next: None,
            pages: 0,
            pages_max: client.settings.pages_max,
            links: HashSet::new(),
            seen: HashSet::new(),
            hasher: RandomState::new(),
            ending: None,
            server_date: None,
        }
    }

    /// Asks for the next page; none after the last.
    ///
    /// # Errors
    /// Any [`ClientError`]. The pages had so far stay good; `PageExpired` means that the search must be begun again.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Page>, ClientError> {
        if self.ending.is_some() {
            return Ok(None);
        }
        let number = self.pages + 1;
        if number > self.pages_max {
            return Err(ClientError::TooManyPages {
                max: self.pages_max,
            });
        }
        let (answer, url) = match self.next.take() {
            None => self.first().await?,
            Some(url) => {
                let client = self.client;
                let sent = client
                    .fetch(&mut || client.request(Method::GET, url.clone()))
                    .await;
                let answer = sent.map_err(|error| match error {
                    ClientError::NotFound | ClientError::Gone => {
                        ClientError::PageExpired { page: number }
                    }
                    other => other,
                })?;
                (answer, url)
            }
        };
        let answer = fhir_body(answer)?;
        if number == 1 {
            self.server_date = answer.date;
        }
        let page = Page {
            number,
            body: answer.body,
            entries_max: self.client.settings.entries_max,
        };
        self.note(&page, &url)?;
        self.pages = number;
        Ok(Some(page))
    }

    /// How the search ended; none while there may be more.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The server's time at the first page, microseconds UTC: where the next window begins.
    pub(crate) fn server_date(&self) -> Option<i64> {
        self.server_date
    }

    /// Looks at a page for what is new on it and where the next one is.
    fn note(&mut self, page: &Page, url: &Url) -> Result<(), ClientError> {
        let bundle = page.bundle()?;
        let mut new = false;
        for entry in bundle.entries() {
            if entry.mode == Mode::Outcome {
                continue;
            }
            let head = Head::of(entry.resource);
            let name = (head.resource_type.as_deref(), head.id.as_deref());
            // A resource without an id cannot be told from another: it counts as new.
            new |= name.1.is_none() || self.seen.insert(self.hasher.hash_one(name));
        }
        let Some(link) = bundle.link("next") else {
            self.ending = Some(Ending::NoNext);
            return Ok(());
        };
        let foreign = ClientError::ForeignLink {
            page: page.number + 1,
        };
        let next = self.client.own_link(url, link).ok_or(foreign)?;
        if !self.links.insert(next.as_str().to_owned()) {
            self.ending = Some(Ending::RepeatedLink);
        } else if !new {
            self.ending = Some(Ending::NothingNew);
        } else {
            self.next = Some(next);
        }
        Ok(())
    }

    /// The first page: a form, or GET where the server takes no forms.
    async fn first(&self) -> Result<(Answer, Url), ClientError> {
        let client = self.client;
        if client.by_get() {
            return self.first_by_get().await;
        }
        let url = client.url(&[&self.resource_type, "_search"])?;
        let form = encode(&self.parameters);
        let mut request = || {
            client
                .request(Method::POST, url.clone())
                .header("Prefer", "handling=strict")
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone())
        };
        let refused = match client.fetch(&mut request).await {
            Ok(answer) => return Ok((answer, url)),
            Err(
                error @ ClientError::Refused {
                    status: 400 | 405 | 415,
                    ..
                },
            ) => error,
            Err(error) => return Err(error),
        };
        if self.parameters.hold_nhs_number() {
            return Err(refused);
        }
        let answered = self.first_by_get().await?;
        client.searches_by_get.store(true, Ordering::Relaxed);
        Ok(answered)
    }

    async fn first_by_get(&self) -> Result<(Answer, Url), ClientError> {
        if self.parameters.hold_nhs_number() {
            let text =
                "the server takes no form searches, and an NHS number may not stand in a URL";
            return Err(ClientError::Settings(text));
        }
        let mut url = self.client.url(&[&self.resource_type])?;
        url.query_pairs_mut().extend_pairs(&self.parameters.0);
        let mut request = || {
            let request = self.client.request(Method::GET, url.clone());
            request.header("Prefer", "handling=strict")
        };
        let answer = self.client.fetch(&mut request).await?;
        Ok((answer, url))
    }
}

/// The parameters as a form.
fn encode(parameters: &Parameters) -> String {
    let mut url = Url::parse("http://localhost/").expect("a constant URL");
    url.query_pairs_mut().extend_pairs(&parameters.0);
    url.query().unwrap_or_default().to_owned()
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
        let parameters = Parameters::default().tokens("identifier", [(system, value)]);
        let mut search = self.search(resource_type, parameters);
        search.pages_max = search.pages_max.min(LOOK_UP_PAGES_MAX);
        let mut found = Vec::new();
        while let Some(page) = search.next_page().await? {
            for entry in page.bundle()?.entries() {
                let known = carries(entry.resource, resource_type, system, value);
                if known && !found.iter().any(|held: &Vec<u8>| held == entry.resource) {
                    found.push(entry.resource.to_vec());
                }
            }
        }
        Ok(found)
    }
}

fn carries(resource: &[u8], resource_type: &str, system: &str, value: &str) -> bool {
    #[derive(Deserialize)]
    struct Identified {
        #[serde(rename = "resourceType")]
        resource_type: String,
        #[serde(default)]
        identifier: Vec<Identifier>,
    }
    #[derive(Deserialize)]
    struct Identifier {
        #[serde(default)]
        system: String,
        #[serde(default)]
        value: String,
    }
    serde_json::from_slice::<Identified>(resource).is_ok_and(|held| {
        held.resource_type == resource_type
            && held
                .identifier
                .iter()
                .any(|one| one.system == system && one.value == value)
    })
}
