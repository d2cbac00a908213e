//! What a server can do wrong: the name of each fault, what it does, and which requests it can strike.
//!
//! A fault of the mix heals: whoever asks again later gets everything, each thing once. The others hide something as long
//! as they last, or are a trait of a server rather than an accident; they strike only where they are named.

use super::super::routes::Call;

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum FaultKind {
    TooManyRequests,
    Unavailable,
    ServerErrorHtml,
    BareOutcome,
    DropBefore,
    DropAfter,
    GatewayAfter,
    Truncated,
    TornJson,
    ByteOrderMark,
    Slow,
    RepeatedEntries,
    RepeatedPage,
    Shuffled,
    ShortPages,
    ExpiredPage,
    EmptyLastPage,
    EndlessLastPage,
    RelativeNext,
    WarningEntry,
    TotalAbsent,
    TotalWrong,
    IncludesMissing,
    IncludesApart,
    ParameterIgnored,
    ClockBehind,
    Late,
    NoVersion,
    EtagForm,
    ExistsIgnored,
    ExistsRefused,
    MatchIgnored,
    MatchConflict,
    BatchLimited,
    ForeignNext,
    NoPostSearch,
    NoTransaction,
}

/// Which requests a fault can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    /// Every request.
    Any,
    /// A search, its first page or a further one.
    Search,
    /// The first page of a search.
    FirstPage,
    /// A further page of a search.
    NextPage,
    /// A search by form.
    Form,
    /// A page that may hold includes.
    Include,
    /// A read or search: what gives resources.
    Read,
    /// A conditional create.
    Exists,
    /// An update with `If-Match`.
    Match,
    /// A batch.
    Batch,
    /// A transaction.
    Transaction,
}

/// A fault with its name, its reach, whether it is of the mix, and what it does.
pub(super) struct CatalogueEntry {
    pub(super) fault: FaultKind,
    pub(super) name: &'static str,
    on: On,
    pub(super) of_the_mix: bool,
    pub(super) what: &'static str,
}

const fn heals(fault: FaultKind, name: &'static str, on: On, what: &'static str) -> CatalogueEntry {
    CatalogueEntry {
        fault,
        name,
        on,
        of_the_mix: true,
        what,
    }
}

const fn named(fault: FaultKind, name: &'static str, on: On, what: &'static str) -> CatalogueEntry {
    CatalogueEntry {
        of_the_mix: false,
        ..heals(fault, name, on, what)
    }
}

/// Every fault there is. Names are part of the command line: they are added to, never changed.
#[rustfmt::skip]
pub(super) const CATALOGUE: &[CatalogueEntry] = &[
    heals(FaultKind::TooManyRequests, "429", On::Any, "429, with Retry-After in seconds, as a date, not at all, or as x-ms-retry-after-ms"),
    heals(FaultKind::Unavailable, "503", On::Any, "503 before anything was done, with or without Retry-After"),
    heals(FaultKind::ServerErrorHtml, "500-html", On::Any, "500 with a page of HTML, before anything was done"),
    heals(FaultKind::BareOutcome, "bare-outcome", On::Any, "503 with an OperationOutcome that lacks its resourceType"),
    heals(FaultKind::DropBefore, "drop-before", On::Any, "the connection ends before anything was done"),
    heals(FaultKind::DropAfter, "drop-after", On::Any, "the request is done, then the connection ends: the answer is lost"),
    heals(FaultKind::GatewayAfter, "504-after", On::Any, "the request is done, the answer is a gateway's 504"),
    heals(FaultKind::Truncated, "truncated", On::Any, "the request is done, the connection ends in the middle of the answer"),
    heals(FaultKind::TornJson, "torn-json", On::Any, "the request is done, the body is whole for HTTP but only a part of the JSON"),
    heals(FaultKind::ByteOrderMark, "bom", On::Read, "the body begins with a byte order mark"),
    heals(FaultKind::Slow, "slow", On::Any, "the answer trickles"),
    heals(FaultKind::RepeatedEntries, "repeated-entries", On::NextPage, "a page also holds the entries of the first one"),
    heals(FaultKind::RepeatedPage, "repeated-page", On::NextPage, "a page links to itself as the next one"),
    heals(FaultKind::Shuffled, "shuffled", On::Search, "entries in any order, includes before matches; a whole search on its first page"),
    heals(FaultKind::ShortPages, "short-pages", On::Search, "at most a tenth of what _count asked for on a page"),
    heals(FaultKind::ExpiredPage, "expired", On::NextPage, "410: the search is no longer known"),
    heals(FaultKind::EmptyLastPage, "empty-last", On::Search, "the last page links to one more, which is empty"),
    heals(FaultKind::EndlessLastPage, "endless-last", On::Search, "the last page links to empty ones without end"),
    heals(FaultKind::RelativeNext, "next-relative", On::Search, "the next link is relative"),
    heals(FaultKind::WarningEntry, "warning-entry", On::Search, "a page holds an OperationOutcome with mode outcome"),
    heals(FaultKind::TotalAbsent, "total-absent", On::Search, "no Bundle.total"),
    heals(FaultKind::TotalWrong, "total-wrong", On::Search, "a wrong Bundle.total"),
    heals(FaultKind::IncludesMissing, "includes-missing", On::Include, "includes are left out"),
    heals(FaultKind::IncludesApart, "includes-apart", On::Include, "includes are on a page of their own"),
    heals(FaultKind::ParameterIgnored, "parameter-ignored", On::FirstPage, "one parameter is ignored, and absent from the self link"),
    heals(FaultKind::ClockBehind, "clock-behind", On::Any, "the clock is three to seven minutes behind: Date, lastUpdated"),
    heals(FaultKind::Late, "late", On::FirstPage, "the index is 90 seconds behind: what was stored since is not found"),
    heals(FaultKind::NoVersion, "no-version", On::Read, "no meta.versionId, no meta.lastUpdated, no ETag"),
    heals(FaultKind::EtagForm, "etag-form", On::Any, "a strong ETag, or one without quotes"),
    heals(FaultKind::ExistsIgnored, "exists-ignored", On::Exists, "If-None-Exist is ignored"),
    heals(FaultKind::ExistsRefused, "exists-refused", On::Exists, "412 where one resource matches If-None-Exist"),
    heals(FaultKind::MatchIgnored, "match-ignored", On::Match, "If-Match is ignored"),
    heals(FaultKind::MatchConflict, "match-409", On::Match, "409 instead of 412 for a stale If-Match"),
    heals(FaultKind::BatchLimited, "batch-429", On::Batch, "the later entries of a batch are 429, untried"),
    named(FaultKind::ForeignNext, "next-foreign", On::Search, "the next link names another host"),
    named(FaultKind::NoPostSearch, "no-post-search", On::Form, "400, 405 or 415 for a search by form"),
    named(FaultKind::NoTransaction, "no-transaction", On::Transaction, "400 for a transaction; at 100 the CapabilityStatement does not list it"),
];

impl FaultKind {
    /// The fault's entry.
    pub(super) fn entry(self) -> Option<&'static CatalogueEntry> {
        CATALOGUE.iter().find(|entry| entry.fault == self)
    }

    /// The name on the command line and in the log.
    pub(in super::super) fn name(self) -> &'static str {
        self.entry().map_or("unnamed", |entry| entry.name)
    }
}

impl CatalogueEntry {
    /// Whether the fault is not particular to a kind of request, or has an effect on few of its kind only.
    pub(super) fn general(&self) -> bool {
        matches!(self.on, On::Any | On::Exists | On::Match)
    }

    /// Whether the fault can strike this request.
    pub(super) fn reaches(&self, call: &Call) -> bool {
        let at_base = call.path.is_empty();
        let get = call.method == "GET";
        let form = call.path.ends_with("/_search");
        let typed = !at_base && !call.path.contains('/') && call.path != "metadata";
        let next = get && at_base && call.query.contains("_page=");
        let first = form || (get && typed);
        let bundle = |kind: &str| call.method == "POST" && at_base && bundle_type(call) == kind;
        match self.on {
            On::Any => true,
            On::Search => first || next,
            On::FirstPage => first,
            On::NextPage => next,
            On::Form => form,
            On::Include => {
                let body = String::from_utf8_lossy(&call.body);
                next || (first && (call.query.contains("_include=") || body.contains("_include=")))
            }
            On::Read => (get && call.path != "metadata") || form,
            On::Exists => {
                call.if_none_exist.is_some()
                    || (bundle("transaction")
                        && String::from_utf8_lossy(&call.body).contains("ifNoneExist"))
            }
            On::Match => call.if_match.is_some(),
            On::Batch => bundle("batch"),
            On::Transaction => bundle("transaction"),
        }
    }
}

/// What a Bundle says it is; empty if the body is none.
fn bundle_type(call: &Call) -> String {
    let body = serde_json::from_slice::<serde_json::Value>(&call.body);
    let kind = body
        .ok()
        .and_then(|body| Some(body["type"].as_str()?.to_owned()));
    kind.unwrap_or_default()
}
