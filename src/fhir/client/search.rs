//! Search with paging: what is asked, and the pages of the answer one by one.
//!
//! In come a resource type and parameters; out go pages as the bytes that the server sent. A `next` link is followed as it
//! is and never to another origin. Every search ends: at a page without `next`, a repeated link, pages with nothing new,
//! or the limit of pages; only the first is the server's own word that there is no more, and the caller is told which it was.
//! A match that comes twice shows that pages moved while they were read: the caller is told that too.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::atomic::Ordering;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::client_error::ClientError;
use super::prefetch::Ahead;
use super::{Answer, Client, fhir_body};
use crate::fhir::resources::bundle::{BundleError, BundleView, Head, Mode};

/// Pages of a look-up by identifier; a server that has more has ignored the identifier.
const LOOK_UP_PAGES_MAX: usize = 10;
/// Pages with nothing new on them, one after the other, that are followed before a search is given up.
const STALE_PAGES_MAX: usize = 3;
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
pub(in crate::fhir) fn token(system: &str, value: &str) -> String {
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
    /// It sent pages on which nothing was new, and always a link to a further one.
    NothingNew,
    /// It sent empty pages, and always a link to a further one: some servers never stop.
    EmptyPages,
}

/// One page of an answer.
pub(crate) struct Page {
    /// The page, from 1.
    pub(crate) number: usize,
    /// The Bundle, as the server sent it.
    pub(crate) body: Vec<u8>,
    /// What is on it, in the server's order.
    pub(crate) entries: Vec<PageEntry>,
    /// What the server says it was asked.
    pub(crate) self_link: Option<String>,
    /// When the server made the page, as written.
    pub(crate) updated: Option<String>,
    entries_max: usize,
}

/// One resource of a page, and what names it.
pub(crate) struct PageEntry {
    /// Where its bytes stand in the body.
    range: Range<usize>,
    /// Why it is there.
    pub(crate) mode: Mode,
    /// `resourceType`; empty if it has none.
    pub(crate) resource_type: String,
    pub(crate) id: Option<String>,
    pub(crate) version: Option<String>,
    /// `meta.lastUpdated`, as written.
    pub(crate) updated: Option<String>,
    /// Parts of it are missing.
    pub(crate) subsetted: bool,
    /// What the Bundle calls it by.
    pub(crate) full_url: Option<String>,
}

impl Page {
    /// The Bundle, over the bytes of the page.
    ///
    /// # Errors
    /// None that the search did not already report.
    pub(crate) fn bundle(&self) -> Result<BundleView<'_>, BundleError> {
        BundleView::parse(&self.body, self.entries_max)
    }

    /// The bytes of a resource, exactly as the server wrote it.
    pub(crate) fn resource(&self, entry: &PageEntry) -> &[u8] {
        self.body.get(entry.range.clone()).unwrap_or_default()
    }
}

/// What is on a page; the Bundle is a view over its body.
fn entries(body: &[u8], bundle: &BundleView<'_>) -> Vec<PageEntry> {
    let own = |text: Option<&str>| text.map(str::to_owned);
    bundle
        .entries()
        .map(|entry| {
            let head = Head::of(entry.resource);
            let start = entry.resource.as_ptr().addr() - body.as_ptr().addr();
            PageEntry {
                range: start..start + entry.resource.len(),
                mode: entry.mode,
                resource_type: own(head.resource_type.as_deref()).unwrap_or_default(),
                id: own(head.id.as_deref()),
                version: own(head.version()),
                updated: own(head.updated()),
                subsetted: head.subsetted(),
                full_url: own(entry.full_url),
            }
        })
        .collect()
}

/// A search in progress.
pub(crate) struct Search<'c> {
    client: &'c Client,
    resource_type: String,
    parameters: Parameters,
    next: Option<Url>,
    pages_max: usize,
    links: HashSet<String>,
    /// Hashes of "type/id": a million ids fit; a clash can only ever end a search whose whole page clashes.
    seen: HashSet<u64>,
    hasher: RandomState,
    rebase_links: bool,
    standing: Standing,
    /// Pages with nothing new, one after the other, up to the last.
    stale: usize,
    /// Whether all of those were empty.
    empty: bool,
}

/// What is known of a search as of its last page.
#[derive(Clone, Copy, Default)]
pub(crate) struct Standing {
    /// Pages that came.
    pub(crate) pages: usize,
    /// How many matches came more than once: pages that moved while they were read may also have hidden some.
    pub(crate) repeated: u64,
    /// How the search ended; none while there may be more.
    pub(crate) ending: Option<Ending>,
    /// The server's time at the first page, microseconds UTC: where the next window begins.
    pub(crate) server_date: Option<i64>,
    /// Matches on the last page.
    matches: usize,
}

impl Standing {
    /// Whether the only page is as full as it was asked to be, and no link leads on: either that was all, or the server
    /// knows no further pages.
    pub(crate) fn full_without_next(&self, count: usize) -> bool {
        self.ending == Some(Ending::NoNext) && self.pages == 1 && self.matches >= count
    }
}

impl<'c> Search<'c> {
    pub(super) fn new(client: &'c Client, resource_type: &str, parameters: Parameters) -> Self {
        Self {
            client,
            resource_type: resource_type.to_owned(),
            parameters,
            next: None,
            pages_max: client.settings.pages_max,
            links: HashSet::new(),
            seen: HashSet::new(),
            hasher: RandomState::new(),
            rebase_links: false,
            standing: Standing::default(),
            stale: 0,
            empty: true,
        }
    }

    /// Follows page links that name another host on the server's own address: path and query are kept, the host is not.
    pub(crate) fn rebasing(mut self, rebase_links: bool) -> Self {
        self.rebase_links = rebase_links;
        self
    }

    /// Takes at most so many pages.
    pub(crate) fn at_most(mut self, pages: usize) -> Self {
        self.pages_max = self.pages_max.min(pages);
        self
    }

    /// Asks for the next page; none after the last.
    ///
    /// # Errors
    /// Any [`ClientError`]. The pages had so far stay good; `PageExpired` means that the search must be begun again.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Page>, ClientError> {
        if self.standing.ending.is_some() {
            return Ok(None);
        }
        let number = self.standing.pages + 1;
        if number > self.pages_max {
            return Err(ClientError::TooManyPages {
                max: self.pages_max,
            });
        }
        let (answer, url) = match self.next.take() {
            None => self.first().await?,
            Some(url) => {
                let client = self.client;
                let mut request = || client.request(Method::GET, url.clone());
                let sent = client.fetch(&mut request).await;
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
            self.standing.server_date = answer.date;
        }
        let page = self.note(number, answer.body, &url)?;
        self.standing.pages = number;
        Ok(Some(page))
    }

    /// What is known of it as of its last page.
    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// Goes on by itself, a few pages ahead of whoever takes them.
    pub(crate) fn ahead(self) -> Ahead {
        Ahead::of(self.client.clone(), move |client| Search { client, ..self })
    }

    /// Looks at a page for what is new on it and where the next one is.
    fn note(&mut self, number: usize, body: Vec<u8>, url: &Url) -> Result<Page, ClientError> {
        let entries_max = self.client.settings.entries_max;
        let bundle = BundleView::parse(&body, entries_max)?;
        let entries = entries(&body, &bundle);
        let matches = entries
            .iter()
            .filter(|entry| entry.resource_type == self.resource_type);
        self.standing.matches = matches.count();
        let mut new = false;
        for entry in entries.iter().filter(|entry| entry.mode != Mode::Outcome) {
            // A resource without an id cannot be told from another: it counts as new.
            let Some(id) = &entry.id else {
                new = true;
                continue;
            };
            let first = self
                .seen
                .insert(self.hasher.hash_one((&entry.resource_type, id)));
            new |= first;
            if !first && entry.resource_type == self.resource_type {
                self.standing.repeated += 1;
            }
        }
        self.stale = if new { 0 } else { self.stale + 1 };
        self.empty = new || (entries.is_empty() && (self.empty || self.stale == 1));
        match bundle.link("next") {
            None => self.standing.ending = Some(Ending::NoNext),
            Some(link) => self.follow(number, url, link)?,
        }
        let own = |text: Option<&str>| text.map(str::to_owned);
        Ok(Page {
            number,
            self_link: own(bundle.link("self")),
            updated: own(bundle.updated()),
            entries,
            entries_max,
            body,
        })
    }

    /// Decides whether a link to a further page is followed.
    fn follow(&mut self, number: usize, url: &Url, link: &str) -> Result<(), ClientError> {
        let next = self
            .client
            .own_link(url, link)
            .or_else(|| self.rebased(url, link))
            .ok_or(ClientError::ForeignLink { page: number + 1 })?;
        if !self.links.insert(next.as_str().to_owned()) {
            self.standing.ending = Some(Ending::RepeatedLink);
        } else if self.stale >= STALE_PAGES_MAX {
            self.standing.ending = Some(if self.empty {
                Ending::EmptyPages
            } else {
                Ending::NothingNew
            });
        } else {
            self.next = Some(next);
        }
        Ok(())
    }

    /// The same path and query on the server's own address.
    fn rebased(&self, url: &Url, link: &str) -> Option<Url> {
        if !self.rebase_links {
            return None;
        }
        let foreign = url.join(link).ok()?;
        if !matches!(foreign.scheme(), "http" | "https") {
            return None;
        }
        let mut own = self.client.url(&[]).ok()?;
        own.set_path(foreign.path());
        own.set_query(foreign.query());
        Some(own)
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

/// What the server says it made of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Filters that it left out: more comes than was asked for.
    pub(crate) ignored: Vec<&'static str>,
    /// Filters that it put in or changed: less may come than was asked for.
    pub(crate) added: Vec<&'static str>,
}

/// The search parameters of an R4 `ServiceRequest`: a server that answers by one that we did not ask for leaves referrals out.
const FILTERS: [&str; 25] = [
    "authored",
    "based-on",
    "body-site",
    "category",
    "code",
    "encounter",
    "identifier",
    "instantiates-canonical",
    "instantiates-uri",
    "intent",
    "occurrence",
    "patient",
    "performer",
    "performer-type",
    "priority",
    "replaces",
    "requester",
    "requisition",
    "specimen",
    "status",
    "subject",
    "_id",
    "_lastUpdated",
    "_security",
    "_tag",
];

impl Parameters {
    /// Compares the `self` link of an answer with what was asked; a link without a query says nothing.
    pub(crate) fn heard(&self, self_link: &str) -> Heard {
        let mut heard = Heard::default();
        let link = Url::parse("http://localhost/").and_then(|base| base.join(self_link));
        let Some(link) = link.ok().filter(|link| link.query().is_some()) else {
            return heard;
        };
        let said: Vec<(String, String)> = link.query_pairs().into_owned().collect();
        for filter in FILTERS {
            let named =
                |(name, _): &&(String, String)| name.split([':', '.']).next() == Some(filter);
            let asked: Vec<_> = self.0.iter().filter(named).collect();
            let said: Vec<_> = said.iter().filter(named).collect();
            if !asked.is_empty() && said.is_empty() {
                heard.ignored.push(filter);
            }
            // A code that the server dropped from the list hides its referrals.
            let narrower = filter == "code"
                && asked.iter().any(|(_, value)| {
                    let codes = value.split(',').filter_map(|one| one.rsplit('|').next());
                    codes
                        .into_iter()
                        .any(|code| !said.iter().any(|(_, value)| value.contains(code)))
                });
            if !said.is_empty() && (asked.is_empty() || narrower) {
                heard.added.push(filter);
            }
        }
        heard
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
        let mut search = self
            .search(resource_type, parameters)
            .at_most(LOOK_UP_PAGES_MAX);
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
