//! Referrals from a GP system by FHIR search: windows, pages with includes, and what is missing asked for in batches.
//!
//! In: a client, and where the last pull ended. Out: a page of referrals at a time, and at the end the evidence for what
//! the search can promise. A window begins an overlap before the last high mark and has no end: what is being written
//! while it is read comes too. The high mark stays a settling time behind the server's clock, so that it is read again.

mod age;
mod assemble;
#[cfg(test)]
mod campaign_tests;
mod match_check;
#[cfg(test)]
mod performer_tests;
mod query;
mod records;
mod recount;
mod references;
mod resolve;
#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod whole_tests;
mod window;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use age::{VersionAge, of_another_server};
pub(super) use assemble::Together;
use match_check::Brought;
pub(super) use query::{Asked, without_person};
pub(super) use records::Kept;
use records::Records;
use recount::Recount;
use references::Names;
use resolve::{assemble, fetch};
use window::{Plan, Window};

use super::certificate::{Evidence, Sweep};
use super::referral_source::{Ended, PullError, ReferralSource};
use crate::diagnostics::{Code, Diagnostic};
use crate::domain::Instant;
use crate::fhir::client::parameters::Parameters;
use crate::fhir::client::prefetch::PrefetchedSearch;
use crate::fhir::client::search::{Ending, SearchPage};
use crate::fhir::client::{Client, ClientError};
use crate::fhir::resources::bundle::{Mode, content};
use crate::fhir::resources::operation_outcome::says_incomplete;
use crate::json::{Arena, Json};
use crate::pipeline::ingest::load::{Load, LoadOrigin};
use crate::pipeline::ingest::queue::{Step, Steps};
use crate::pipeline::referral::{Bytes, Referral};
use crate::pipeline::select::SNOMED;
use crate::store::rows::RawKind;

/// Days between full sweeps, and how far back a sweep looks.
const SWEEP_EVERY_DAYS: i64 = 7;
const SWEEP_DAYS: i64 = 90;
/// Clocks that differ by more than this are worth a word.
const SKEW_SECONDS_MAX: i64 = 60;
/// Resources that do not match before a pull can be given up, and then if they are more than half of what came.
const NOT_MATCHING_MIN: u64 = 200;
/// What is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was asked yet.
    New,
    Window,
    Sweep,
    Over,
}

/// A search under way.
pub(super) struct SearchPull<'c> {
    client: &'c Client,
    asked: Asked,
    phase: Phase,
    plan: Plan,
    search: Option<PrefetchedSearch>,
    parameters: Parameters,
    records: Records<'c>,
    /// Of each request of this pull, by a hash of its id, the newest version that came.
    ages: HashMap<u64, VersionAge>,
    told_foreign: bool,
    /// Hashes of server, id and version of what was handed on in this pull.
    seen: HashSet<u64>,
    hasher: RandomState,
    /// The server's time before anything was asked.
    server: Option<Instant>,
    from: Option<Instant>,
    /// Resources that came, those that do not match included.
    returned: u64,
    /// When the matches of the search in hand were written.
    written: Vec<Instant>,
    /// The window whose halves are read.
    recount: Option<Recount>,
    /// Requests that the sweep brought.
    swept: u64,
    /// Ids of requests of earlier pulls whose person was looked for again: counted there.
    again: HashSet<String>,
    evidence: Evidence,
    /// Ids under which two requests came of which nobody can say which is the newer.
    unsure: HashSet<String>,
    /// One that was to be read by its id could not be: the next pull is to bring it again.
    is_one_unread: bool,
    diagnostics: Vec<Diagnostic>,
}

impl<'c> SearchPull<'c> {
    /// A search that has not been begun.
    pub(super) fn new(client: &'c Client, asked: Asked) -> Self {
        Self {
            client,
            phase: Phase::New,
            plan: Plan::new(None, asked.now),
            search: None,
            parameters: Parameters::default(),
            records: Records::new(client, &asked.base, asked.reading.rebase_links),
            ages: HashMap::new(),
            told_foreign: false,
            seen: HashSet::new(),
            hasher: RandomState::new(),
            server: None,
            from: None,
            returned: 0,
            written: Vec::new(),
            recount: None,
            swept: 0,
            again: HashSet::new(),
            unsure: HashSet::new(),
            is_one_unread: false,
            evidence: Evidence {
                sweep: asked.sweep.clone(),
                ..Evidence::default()
            },
            diagnostics: Vec::new(),
            asked,
        }
    }

    /// Asks what time the server has, so that the window can begin by it.
    async fn begin(&mut self) -> Result<(), PullError> {
        let date = match self.client.server_date().await {
            Ok(date) => date,
            Err(error @ ClientError::Transient { .. }) => return Err(error.into()),
            // What it says of itself is not needed; the first page tells the time as well.
            Err(_) => None,
        };
        if let Some(date) = date {
            self.set_time(Instant(date), "server");
        }
        // A server whose clock went back writes below the last high mark.
        let high = self
            .asked
            .high
            .map(|high| self.server.map_or(high, |now| high.min(now)));
        self.from = high.map(|high| high.plus_seconds(-self.asked.reading.overlap_seconds));
        self.plan = Plan::new(self.from, self.server.unwrap_or(self.asked.now));
        self.phase = Phase::Window;
        Ok(())
    }

    fn set_time(&mut self, at: Instant, clock: &str) {
        self.server = Some(at);
        self.evidence.clock = Some(clock.to_owned());
        if self.asked.clock_fixed || clock == "own" {
            return;
        }
        let skew = (at.0 - self.asked.now.0) / 1_000_000;
        self.evidence.skew_seconds = Some(skew);
        if skew.abs() > SKEW_SECONDS_MAX {
            let direction = if skew > 0 { "ahead of" } else { "behind" };
            let what = format!(
                "the GP system's clock is {} seconds {direction} ours",
                skew.abs()
            );
            self.say(Code::ClockSkew, what);
        }
    }

    fn say(&mut self, code: Code, what: String) {
        self.diagnostics
            .push(Diagnostic::new(code, what, self.asked.place.clone()));
    }

    /// The server's time where `metadata` did not tell it: of the first page, else ours.
    fn time_of_page(&mut self, page: &SearchPage) {
        if self.server.is_some() {
            return;
        }
        let search = self.search.as_ref();
        let date = search.and_then(|search| search.progress().server_date);
        let made = page.updated.as_deref().and_then(Instant::parse);
        if let Some(at) = date.map(Instant).or(made) {
            self.set_time(at, "page");
        } else {
            self.set_time(self.asked.now, "own");
            self.say(
                Code::NoServerTime,
                "the GP system does not say what time it has".to_owned(),
            );
        }
    }

    /// Where the next window begins, but for the overlap: never later than our own clock allows, for a server may show
    /// the time of one machine and write that of another.
    fn mark(&self) -> Option<Instant> {
        let mut at = self.server?;
        if !self.asked.clock_fixed {
            at = at.min(self.asked.now);
        }
        Some(at.plus_seconds(-self.asked.reading.settle_seconds))
    }

    fn begin_search(&mut self, window: Window) -> &mut PrefetchedSearch {
        let codes = self.asked.codes.iter().map(|code| (SNOMED, code.as_str()));
        let mut parameters = Parameters::default().tokens("code", codes);
        if self.phase == Phase::Sweep {
            let now = self.server.unwrap_or(self.asked.now);
            let day = now.plus_seconds(-SWEEP_DAYS * 86_400).utc_text();
            parameters = parameters.with(
                "authored",
                format!("ge{}", day.split('T').next().unwrap_or_default()),
            );
        }
        if let Some(from) = window.from {
            parameters = parameters.with("_lastUpdated", format!("ge{}", from.utc_text()));
        }
        if let Some(until) = window.until {
            parameters = parameters.with("_lastUpdated", format!("lt{}", until.utc_text()));
        }
        if !self.plan.plain {
            parameters = parameters.with("_sort", "_lastUpdated");
        }
        parameters = parameters.with("_count", self.plan.page.to_string());
        if !self.plan.plain {
            parameters = parameters
                .with("_include", "ServiceRequest:subject")
                .with("_include", "ServiceRequest:requester");
        }
        self.parameters = parameters.clone();
        self.written.clear();
        let search = self.client.search("ServiceRequest", parameters);
        let search = search.rebasing(self.asked.reading.rebase_links);
        self.search.insert(search.prefetched())
    }

    /// The next page of the window in hand; none after its last.
    async fn page(&mut self, window: Window) -> Result<Option<SearchPage>, ClientError> {
        let page = match &mut self.search {
            Some(search) => search.next_page().await?,
            None => self.begin_search(window).next_page().await?,
        };
        if let Some(page) = &page {
            self.evidence.pages += 1;
            self.time_of_page(page);
            if page.number == 1 {
                self.hear(page);
            }
        }
        Ok(page)
    }

    /// Notes what the server says it made of the search.
    fn hear(&mut self, page: &SearchPage) {
        let Some(link) = &page.self_link else { return };
        let heard = self.parameters.heard(link);
        let into = |names: &mut Vec<String>, heard: Vec<&str>| {
            for name in heard {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        };
        // Only how far a sweep looks back hangs on this one: more comes, and nothing less.
        let mut ignored = heard.ignored;
        ignored.retain(|name| *name != "authored");
        into(&mut self.evidence.ignored_parameters, ignored);
        into(&mut self.evidence.added_parameters, heard.added);
    }

    /// The window in hand has no further page: it is done, or begun again because pages moved under it, or because there
    /// may be more than the server leads to.
    fn ended(&mut self) {
        let Some(search) = self.search.take() else {
            return;
        };
        let search = search.progress();
        self.evidence.repeats += search.repeated;
        if search.full_without_next(self.plan.page) {
            if !self.plan.widen() {
                self.plan.done();
                match self.phase {
                    Phase::Window => self.evidence.full_pages += 1,
                    _ => self.fail_phase(),
                }
            }
            return;
        }
        let whole = match search.ending {
            Some(Ending::NoNext) => search.repeated == 0,
            Some(Ending::EmptyPages) if search.repeated == 0 => {
                self.evidence.endless = true;
                true
            }
            _ => false,
        };
        if !whole && self.plan.restart() || whole && self.looks_again(search) {
            return;
        }
        self.plan.done();
        if !whole {
            self.fail_phase();
        }
    }

    /// A window that cannot be read whole makes the pull unknown; a sweep that cannot takes nothing from it.
    fn fail_phase(&mut self) {
        if self.phase == Phase::Window {
            self.evidence.broken = true;
            return;
        }
        self.phase = Phase::Over;
        self.evidence.swept = false;
        self.evidence.sweep.clone_from(&self.asked.sweep);
        let what = "the weekly sweep could not be finished";
        self.say(Code::SweepUnfinished, what.to_owned());
    }

    /// Every window was read: a first pull was a sweep in itself, later ones sweep when it is time.
    fn after_windows(&mut self) -> Option<Step> {
        let at = self.server.unwrap_or(self.asked.now);
        let over = self.phase == Phase::Sweep;
        if self.phase == Phase::Window && !self.evidence.broken && self.from.is_none() {
            self.evidence.sweep = Some(Sweep {
                at: at.utc_text(),
                requests: self.evidence.requests,
                ..Sweep::default()
            });
        }
        let last = self.evidence.sweep.as_ref();
        let last = last.and_then(|sweep| Instant::parse(&sweep.at));
        let due = last.is_none_or(|last| last.days_until(at) >= SWEEP_EVERY_DAYS);
        if over {
            self.evidence.swept = true;
            self.evidence.sweep = Some(Sweep {
                at: at.utc_text(),
                requests: self.swept,
                ..Sweep::default()
            });
        }
        if over || !due || self.evidence.broken {
            self.phase = Phase::Over;
            return None;
        }
        self.phase = Phase::Sweep;
        self.plan.again();
        Some(Step::Sweep)
    }

    /// The referrals of a page with the records that they name.
    async fn take(
        &mut self,
        page: &SearchPage,
        window: Window,
    ) -> Result<Vec<Referral>, PullError> {
        self.records.turn_page();
        self.records.take(page);
        self.evidence.told_missing += page.without_resource;
        let mut brought = Brought::default();
        let mut keys = HashSet::new();
        let (mut unreadable, mut foreign) = (Vec::new(), Vec::new());
        for entry in &page.entries {
            let bytes = page.resource(entry);
            if entry.mode == Mode::Outcome || entry.resource_type == "OperationOutcome" {
                let arena = Arena::for_bytes(bytes.len());
                let outcome = Json::parse(bytes, &arena);
                let missing = outcome.is_ok_and(|outcome| says_incomplete(&outcome));
                self.evidence.told_missing += u64::from(missing);
                continue;
            }
            match (entry.resource_type.as_str(), &entry.id) {
                ("ServiceRequest", Some(id)) => {
                    let base = self.records.urls.own.foreign(entry.full_url.as_deref());
                    let key = match &entry.version {
                        Some(version) => self.hasher.hash_one((&base, id, version)),
                        None => self.hasher.hash_one((&base, id, content(bytes))),
                    };
                    self.swept += u64::from(self.phase == Phase::Sweep);
                    let written = entry.updated.as_deref().and_then(Instant::parse);
                    self.written.extend(written);
                    let known = self.seen.contains(&key) || keys.contains(&key);
                    if known || self.too_new(entry.updated.as_deref()) {
                        continue;
                    }
                    if let Some(base) = base {
                        keys.insert(key);
                        foreign.push(of_another_server(Arc::from(bytes), &base));
                        continue;
                    }
                    if self.superseded(id, entry) {
                        continue;
                    }
                    if let Some(look) = self.recount.as_mut().filter(|_| window.second_look) {
                        look.brought(written, self.server);
                    }
                    if self.bring(&mut brought, (id, entry), bytes).await? {
                        keys.insert(key);
                    }
                }
                // What cannot even be named is counted, not passed over.
                ("ServiceRequest" | "", _) => {
                    self.evidence.unreadable += 1;
                    unreadable.push(Referral::of_request(Arc::from(bytes)));
                }
                _ => {}
            }
        }
        let mut referrals = self.referrals(brought.requests(), Some(window)).await?;
        self.tell_foreign(foreign.len());
        referrals.extend(foreign);
        referrals.extend(unreadable);
        // Only now: what failed on the way is to come again.
        self.seen.extend(keys);
        let not_matching = self.evidence.other_code + self.evidence.outside_window;
        if not_matching > NOT_MATCHING_MIN && not_matching * 2 > self.returned {
            return Err(PullError::NotMatching {
                not_matching,
                returned: self.returned,
            });
        }
        Ok(referrals)
    }

    /// Requests with what they name, fetched where it did not come along.
    async fn referrals(
        &mut self,
        requests: Vec<Bytes>,
        window: Option<Window>,
    ) -> Result<Vec<Referral>, PullError> {
        let mut named = Vec::with_capacity(requests.len());
        let all = Names::of_all(&requests, &self.asked.base, &self.records.urls);
        for (names, checked) in all {
            if window.is_none() {
                self.again.extend(names.id.clone());
            }
            if let Some(window) = window {
                self.check(&names, checked.as_ref(), window);
            }
            named.push(names);
        }
        fetch(&mut self.records, &self.asked.base, &mut named).await?;
        let counted = window.is_some() && self.phase == Phase::Window;
        let mut referrals = Vec::with_capacity(named.len());
        for (request, names) in requests.into_iter().zip(&named) {
            let again = names.id.as_ref().is_some_and(|id| self.again.contains(id));
            let missing = |kind: RawKind| {
                if counted && !again {
                    self.evidence.unresolved(kind.resource_type());
                }
            };
            let base = &self.asked.base;
            referrals.push(assemble(&self.records, base, request, names, missing));
        }
        Ok(referrals)
    }

    /// Looks again for persons that earlier pulls did not find.
    async fn look_again(&mut self) -> Result<Vec<Referral>, PullError> {
        let requests = std::mem::take(&mut self.asked.again);
        let mut referrals = self.referrals(requests, None).await?;
        let all = referrals.len();
        referrals.retain(|referral| referral.patient.is_some());
        let missing = all - referrals.len();
        self.evidence.still_unresolved = u64::try_from(missing).unwrap_or(0);
        Ok(referrals)
    }
}

impl Steps for SearchPull<'_> {
    type Error = PullError;

    async fn next(&mut self) -> Result<Option<Step>, PullError> {
        if self.phase == Phase::New {
            self.begin().await?;
            let found = self.look_again().await?;
            if !found.is_empty() {
                return Ok(Some(Step::Load(Load::Fetched(
                    LoadOrigin::FromPages,
                    found,
                ))));
            }
        }
        loop {
            if self.phase == Phase::Over {
                return Ok(None);
            }
            let Some(window) = self.plan.window() else {
                if let Some(step) = self.after_windows() {
                    return Ok(Some(step));
                }
                continue;
            };
            match self.page(window).await {
                Ok(Some(page)) => match self.take(&page, window).await {
                    Ok(referrals) if referrals.is_empty() => {}
                    Ok(referrals) => {
                        return Ok(Some(Step::Load(Load::Fetched(
                            LoadOrigin::FromPages,
                            referrals,
                        ))));
                    }
                    Err(_) if self.phase == Phase::Sweep => self.fail_phase(),
                    Err(error) => return Err(error),
                },
                Ok(None) => self.ended(),
                Err(error) => {
                    let first = self
                        .search
                        .as_ref()
                        .is_none_or(|search| search.progress().pages == 0);
                    self.search = None;
                    let mended = self.plan.mend(&error, first);
                    match self.phase {
                        _ if mended => {}
                        Phase::Sweep => self.fail_phase(),
                        _ => return Err(error.into()),
                    }
                }
            }
        }
    }
}

impl ReferralSource for SearchPull<'_> {
    fn end(&mut self) -> Ended {
        let mut evidence = std::mem::take(&mut self.evidence);
        evidence.from = self.from.map(Instant::utc_text);
        // Not the server's time itself: what was stored within the settle time may not have been visible yet.
        evidence.to = self.mark().map(Instant::utc_text);
        evidence.read_singly += self.records.read_singly;
        evidence.restarts = self.plan.restarts;
        evidence.halvings = self.plan.halvings;
        evidence.asked_plainly = self.plan.plain;
        // What was left out may be written before the next window would begin.
        let whole = evidence.left_out == 0
            && evidence.full_pages == 0
            && evidence.told_missing == 0
            && !self.is_one_unread;
        Ended {
            high: self.mark().filter(|_| whole),
            evidence,
            input: Vec::new(),
            known: 0,
            diagnostics: std::mem::take(&mut self.diagnostics),
        }
    }
}
