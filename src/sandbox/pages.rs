//! Searches as clients see them: a page at a time, each page of one and the same result.
//!
//! The ids that a search found are kept until newer searches push them out, so that what is written meanwhile neither
//! shifts a page nor hides a row; a forgotten search is 410, as on real servers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::resources::Failure;
use super::routes::{Call, RestAnswer, SandboxServer};
use super::{dates, search};

/// Searches whose further pages can still be asked for; the oldest are forgotten, as on real servers.
const SEARCHES_MAX: usize = 256;

/// The searches that are being paged through.
#[derive(Default)]
pub(super) struct Searches {
    by_token: BTreeMap<String, Arc<PagedSearch>>,
    oldest_first: VecDeque<String>,
}

struct PagedSearch {
    resource_type: String,
    query: search::Query,
    found: Vec<String>,
}

impl SandboxServer {
    pub(super) fn search(
        &mut self,
        resource_type: &str,
        call: &Call,
        asked: &[(String, String)],
    ) -> Result<RestAnswer, Failure> {
        self.store.knows(resource_type)?;
        let strict = call.prefer.contains("handling=strict");
        let query = search::parse(&self.store, resource_type, asked, strict)?;
        let mut found = query.run(&self.store, resource_type);
        if call.quirks.lag > 0 {
            let seen_until = (self.store.now)() - call.quirks.lag;
            let store = &self.store;
            let seen = |id: &String| {
                store
                    .current(resource_type, id)
                    .is_ok_and(|held| held.at < seen_until)
            };
            found.retain(seen);
        }
        call.quirks.reorder(&mut found);
        let name = format!(
            "{resource_type}?{} at {} {}",
            encode(&query.understood),
            self.store.revision,
            call.quirks.mark()
        );
        let token = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string();
        let search = Arc::new(PagedSearch {
            resource_type: resource_type.to_owned(),
            query,
            found,
        });
        if search.found.len() > on_a_page(&search, call)
            && self
                .searches
                .by_token
                .insert(token.clone(), Arc::clone(&search))
                .is_none()
        {
            self.searches.oldest_first.push_back(token.clone());
            if self.searches.oldest_first.len() > SEARCHES_MAX
                && let Some(oldest) = self.searches.oldest_first.pop_front()
            {
                self.searches.by_token.remove(&oldest);
            }
        }
        Ok(self.searchset(&search, &token, 0, call))
    }

    pub(super) fn page(&self, call: &Call) -> Result<RestAnswer, Failure> {
        let gone = Failure::expired;
        let asked = pairs(&call.query);
        let page = asked
            .iter()
            .find(|(name, _)| name == "_page")
            .map(|(_, value)| value);
        let (token, start) = page
            .and_then(|page| page.split_once('.'))
            .ok_or_else(gone)?;
        let search = self.searches.by_token.get(token).ok_or_else(gone)?;
        let start = start.parse::<usize>().map_err(|_| gone())?;
        Ok(self.searchset(search, token, start, call))
    }

    fn searchset(
        &self,
        search: &PagedSearch,
        token: &str,
        start: usize,
        call: &Call,
    ) -> RestAnswer {
        let base = &self.store.base;
        let PagedSearch {
            resource_type,
            query,
            found,
        } = search;
        let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": found.len(),
            "meta": {"lastUpdated": dates::instant((self.store.now)())},
            "link": [{"relation": "self", "url": format!("{base}/{resource_type}?{}", encode(&query.understood))}]});
        if query.count_only {
            return RestAnswer::of(200, bundle);
        }
        let end = start
            .saturating_add(on_a_page(search, call))
            .min(found.len());
        let page = found.get(start..end).unwrap_or_default();
        let mut entries = Vec::new();
        for id in page {
            entries.extend(self.entry(resource_type, id, "match"));
        }
        for (include_type, id) in query.included(&self.store, resource_type, page) {
            entries.extend(self.entry(&include_type, &id, "include"));
        }
        if !entries.is_empty() {
            bundle["entry"] = Value::Array(entries);
        }
        if end < found.len()
            && let Some(links) = bundle["link"].as_array_mut()
        {
            links.push(json!({"relation": "next", "url": format!("{base}?_page={token}.{end}")}));
        }
        RestAnswer::of(200, bundle)
    }

    /// A bundle entry; none for a resource that was deleted while a client was paging.
    fn entry(&self, resource_type: &str, id: &str, mode: &str) -> Option<Value> {
        let body = self.store.current(resource_type, id).ok()?.body.clone()?;
        let full_url = format!("{}/{resource_type}/{id}", self.store.base);
        Some(json!({"fullUrl": full_url, "resource": body, "search": {"mode": mode}}))
    }
}

/// How many resources a page has: `_count`, or a tenth of it where a fault makes it so.
fn on_a_page(search: &PagedSearch, call: &Call) -> usize {
    if call.quirks.short {
        search.query.count.div_ceil(10)
    } else {
        search.query.count
    }
}

/// The pairs of a query string or form, decoded, in order.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let Ok(mut url) = reqwest::Url::parse("http://localhost/") else {
        return Vec::new();
    };
    url.set_query(Some(query));
    url.query_pairs().into_owned().collect()
}

pub(super) fn encode(pairs: &[(String, String)]) -> String {
    let Ok(mut url) = reqwest::Url::parse("http://localhost/") else {
        return String::new();
    };
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}
