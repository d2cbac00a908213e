//! What each match of a page is held against: what was asked, its newest version, the window, and whose record it is.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use super::age::VersionAge;
use super::records::passed_over;
use super::references::{Checked, Names};
use super::window::Window;
use super::{Phase, SearchPull};
use crate::diagnostics::Code;
use crate::domain::Instant;
use crate::fhir::client::ClientError;
use crate::fhir::client::search::PageEntry;
use crate::fhir::resources::reference::Address;
use crate::fhir::resources::version::newer;
use crate::pipeline::referral::Bytes;

/// The requests of a page, and where among them each stands.
#[derive(Default)]
pub(super) struct Brought<'p> {
    requests: Vec<Option<Bytes>>,
    places: HashMap<&'p str, usize>,
}

impl Brought<'_> {
    /// Those that are here.
    pub(super) fn requests(self) -> Vec<Bytes> {
        self.requests.into_iter().flatten().collect()
    }
}

impl SearchPull<'_> {
    /// Takes a request of a page as it is, or asks for it by its id: where it came without some of its parts, under another name than its own, or beside
    /// one of the same name of which nobody can say which is the newer. Says whether it is here.
    pub(super) async fn bring<'p>(
        &mut self,
        brought: &mut Brought<'p>,
        (id, entry): (&'p str, &PageEntry),
        bytes: &[u8],
    ) -> Result<bool, ClientError> {
        let before = brought.places.get(id).copied();
        let known = before.and_then(|at| brought.requests[at].as_deref());
        let unlike = known.is_some_and(|known| newer(known, bytes).is_none());
        if unlike {
            self.unsure.insert(id.to_owned());
        }
        let unsure = self.unsure.contains(id);
        let url = entry.full_url.as_deref();
        let own = self.records.urls.own.names(url, "ServiceRequest", id);
        if !own {
            let other = self.other_addressed(url, id).await?;
            brought.requests.push(other);
        }
        let as_it_is = own && !unsure && !entry.subsetted;
        let whole = self.whole(id, bytes, as_it_is).await?;
        let here = whole.is_some();
        if let Some(at) = before.filter(|_| unsure) {
            brought.requests[at] = whole;
        } else {
            brought.places.insert(id, brought.requests.len());
            brought.requests.push(whole);
        }
        Ok(here)
    }

    /// Whether a newer version of the request has come in this pull.
    pub(super) fn superseded(&mut self, id: &str, entry: &PageEntry) -> bool {
        let found = VersionAge::of(entry);
        let key = self.hasher.hash_one(id);
        let known = self.ages.get(&key).copied().unwrap_or_default();
        if found.before(known) {
            return true;
        }
        self.ages.insert(key, found);
        false
    }

    /// The request that the address of an entry names, where that is another one than its content says: it may have changed as well.
    async fn other_addressed(
        &mut self,
        url: Option<&str>,
        id: &str,
    ) -> Result<Option<Bytes>, ClientError> {
        let addressed = url.and_then(Address::parse);
        match addressed.filter(|other| other.kind == "ServiceRequest" && other.id != id) {
            Some(other) => self.whole(other.id, &[], false).await,
            None => Ok(None),
        }
    }

    /// The request as it is; one that came without some of its parts, or under another name than its own, is read by its id.
    async fn whole(
        &mut self,
        id: &str,
        bytes: &[u8],
        as_it_is: bool,
    ) -> Result<Option<Bytes>, ClientError> {
        if as_it_is {
            return Ok(Some(Arc::from(bytes)));
        }
        self.evidence.read_singly += 1;
        let read = match self.client.read("ServiceRequest", id).await {
            Ok(read) => read,
            Err(error) if passed_over(&error) => None,
            Err(error) => return Err(error),
        };
        if read.is_none() {
            self.evidence.unreadable += 1;
            self.is_one_unread = true;
        }
        Ok(read.map(Arc::from))
    }

    /// Requests of another server are held: said once a pull.
    pub(super) fn tell_foreign(&mut self, count: usize) {
        if count > 0 && !self.told_foreign {
            self.told_foreign = true;
            let what = "the GP system gives referrals below another address than its own; if that is its inner name, set pull.rebase_links";
            self.say(Code::Unresolved, what.to_owned());
        }
    }

    /// What was written after the window ended is no finding of a sweep: the next window brings it.
    pub(super) fn too_new(&self, updated: Option<&str>) -> bool {
        let updated = updated.and_then(Instant::parse);
        self.phase == Phase::Sweep
            && matches!((updated, self.mark()), (Some(at), Some(mark)) if at >= mark)
    }

    /// Holds a request against what was asked; what does not match is counted and goes on: select has the last word.
    pub(super) fn check(&mut self, names: &Names, checked: Option<&Checked>, window: Window) {
        self.returned += 1;
        if self.phase == Phase::Sweep {
            return;
        }
        self.evidence.requests += 1;
        if let Some(status) = names.status {
            *self.evidence.statuses.entry(status.to_owned()).or_default() += 1;
        }
        let Some(checked) = checked else { return };
        let coded = checked
            .codes
            .iter()
            .any(|code| self.asked.codes.contains(code));
        // Whole seconds were asked for, and servers keep finer ones.
        let early = window.from.map(|from| from.plus_seconds(-1));
        let late = window.until.map(|until| until.plus_seconds(1));
        let inside = checked.updated.is_none_or(|at| {
            early.is_none_or(|from| at >= from) && late.is_none_or(|until| at < until)
        });
        if !coded {
            self.evidence.other_code += 1;
        } else if !inside {
            self.evidence.outside_window += 1;
        }
    }
}
