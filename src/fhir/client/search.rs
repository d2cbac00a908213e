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

use super::client_error::ClientError;
use super::parameters::Parameters;
use super::prefetch::PrefetchedSearch;
use super::{Client, HttpAnswer, fhir_body};
use crate::fhir::resources::bundle::{BundleError, BundleView, Head, Mode};
use crate::fhir::resources::reference::{Address, normal_base};

/// Pages with nothing new on them, one after the other, that are followed before a search is given up.
const STALE_PAGES_MAX: usize = 3;

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
pub(crate) struct SearchPage {
    /// The page, from 1.
    pub(crate) number: usize,
    /// The Bundle, as the server sent it.
    pub(crate) body: Vec<u8>,
    /// What is on it, in the server's order.
    pub(crate) entries: Vec<PageEntry>,
    /// What the server says it was asked.
    pub(crate) self_link: Option<String>,
    /// Matches of which only the address came.
    pub(crate) without_resource: u64,
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

impl PageEntry {
    /// The server that its address names, as it is compared: equal ids of two servers are two.
    fn server(&self) -> Option<String> {
        let address = Address::parse(self.full_url.as_deref()?)?;
        address.base.map(normal_base)
    }
}

impl SearchPage {
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
    progress: SearchProgress,
    /// Pages with nothing new, one after the other, up to the last.
    stale: usize,
    /// Whether all of those were empty.
    empty: bool,
}

/// What is known of a search as of its last page.
#[derive(Clone, Copy, Default)]
pub(crate) struct SearchProgress {
    /// Pages that came.
    pub(crate) pages: usize,
    /// How many matches came more than once: pages that moved while they were read may also have hidden some.
    pub(crate) repeated: u64,
    /// How the search ended; none while there may be more.
    pub(crate) ending: Option<Ending>,
    /// The server's time at the first page, microseconds UTC: where the next window begins.
    pub(crate) server_date: Option<i64>,
    /// Matches on the last page.
    pub(crate) matches: usize,
    /// Different matches so far.
    pub(crate) distinct: u64,
    /// How many there are, by the server's own count; where that changes from page to page, the least.
    pub(crate) total: Option<u64>,
}

impl SearchProgress {
    /// Whether the only page is as full as it was asked to be, and no link leads on: either that was all, or the server
    /// knows no further pages.
    pub(crate) fn full_without_next(&self, count: usize) -> bool {
        self.ending == Some(Ending::NoNext) && self.pages == 1 && self.matches >= count
    }

    /// Matches that the server counted and did not give.
    pub(crate) fn missing(&self) -> u64 {
        self.total.unwrap_or(0).saturating_sub(self.distinct)
    }

    /// Whether the server counted as many as it gave, or more: a count below what came proves nothing.
    pub(crate) fn counted(&self) -> bool {
        self.total.is_some_and(|total| total >= self.distinct)
    }

    /// Whether nothing says that there is no more but a link that is not there: no count, and either several pages or a
    /// page of so many matches.
    pub(crate) fn unproven(&self, matches: u64) -> bool {
        !self.counted() && (self.pages > 1 || self.distinct >= matches)
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
            progress: SearchProgress::default(),
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
    pub(crate) async fn next_page(&mut self) -> Result<Option<SearchPage>, ClientError> {
        if self.progress.ending.is_some() {
            return Ok(None);
        }
        let number = self.progress.pages + 1;
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
            self.progress.server_date = answer.date;
        }
        let page = self.note(number, answer.body, &url)?;
        self.progress.pages = number;
        Ok(Some(page))
    }

    /// What is known of it as of its last page.
    pub(crate) fn progress(&self) -> SearchProgress {
        self.progress
    }

    /// Goes on by itself, a few pages ahead of whoever takes them.
    pub(crate) fn prefetched(self) -> PrefetchedSearch {
        PrefetchedSearch::of(self.client.clone(), move |client| Search { client, ..self })
    }

    /// Looks at a page for what is new on it and where the next one is.
    fn note(&mut self, number: usize, body: Vec<u8>, url: &Url) -> Result<SearchPage, ClientError> {
        let entries_max = self.client.settings.entries_max;
        let bundle = BundleView::parse(&body, entries_max)?;
        let entries = entries(&body, &bundle);
        let matches = entries
            .iter()
            .filter(|entry| entry.resource_type == self.resource_type);
        self.progress.matches = matches.count();
        if let Some(total) = bundle.total() {
            let least = self.progress.total.map_or(total, |known| known.min(total));
            self.progress.total = Some(least);
        }
        let mut new = false;
        for entry in entries.iter().filter(|entry| entry.mode != Mode::Outcome) {
            // A resource without an id cannot be told from another: it counts as new.
            let counts = entry.resource_type == self.resource_type && entry.mode == Mode::Match;
            let Some(id) = &entry.id else {
                new = true;
                self.progress.distinct += u64::from(counts);
                continue;
            };
            let first = self.seen.insert(self.hasher.hash_one((
                &entry.resource_type,
                id,
                entry.server(),
            )));
            new |= first;
            self.progress.distinct += u64::from(first && counts);
            if !first && entry.resource_type == self.resource_type {
                self.progress.repeated += 1;
            }
        }
        self.stale = if new { 0 } else { self.stale + 1 };
        self.empty = new || (entries.is_empty() && (self.empty || self.stale == 1));
        match bundle.link("next") {
            None => self.progress.ending = Some(Ending::NoNext),
            Some(link) => self.follow(number, url, link)?,
        }
        let own = |text: Option<&str>| text.map(str::to_owned);
        Ok(SearchPage {
            number,
            self_link: own(bundle.link("self")),
            without_resource: bundle.without_resource(),
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
            .home_link(url, link, self.rebase_links)
            .ok_or(ClientError::ForeignLink { page: number + 1 })?;
        if !self.links.insert(next.as_str().to_owned()) {
            self.progress.ending = Some(Ending::RepeatedLink);
        } else if self.stale >= STALE_PAGES_MAX {
            self.progress.ending = Some(if self.empty {
                Ending::EmptyPages
            } else {
                Ending::NothingNew
            });
        } else {
            self.next = Some(next);
        }
        Ok(())
    }

    /// The first page: a form, or GET where the server takes no forms.
    async fn first(&self) -> Result<(HttpAnswer, Url), ClientError> {
        let client = self.client;
        if client.by_get() {
            return self.first_by_get().await;
        }
        let url = client.url(&[&self.resource_type, "_search"])?;
        let form = self.parameters.form();
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

    async fn first_by_get(&self) -> Result<(HttpAnswer, Url), ClientError> {
        if self.parameters.hold_nhs_number() {
            let text =
                "the server takes no form searches, and an NHS number may not stand in a URL";
            return Err(ClientError::Settings(text));
        }
        let mut url = self.client.url(&[&self.resource_type])?;
        url.query_pairs_mut().extend_pairs(self.parameters.pairs());
        let mut request = || {
            let request = self.client.request(Method::GET, url.clone());
            request.header("Prefer", "handling=strict")
        };
        let answer = self.client.fetch(&mut request).await?;
        Ok((answer, url))
    }
}
