//! The HTTP side of a FHIR R4 server: one client a source, limits on everything, errors that quote nothing.
//!
//! In come requests named by resource type, id and parameters; out go the bytes of answers and a closed list of failures.
//! Credentials go to the configured origin only (`sign_in.rs`). URLs and bodies hold identifiers, so neither gets into an
//! error. Reads are repeated a few times when the server is in trouble; a write is sent once (`create.rs`), and once more
//! only where a token had ended. What the clients of one source share is a [`SourceSession`].

mod client_error;
pub(crate) mod create;
pub(crate) mod lookup;
pub(crate) mod own_addresses;
pub(crate) mod parameters;
pub(crate) mod prefetch;
mod retry;
pub(crate) mod search;
mod session;
mod sign_in;
mod timer;
mod tls;
pub(crate) mod transaction;
pub(crate) mod update;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, HeaderMap, HeaderName, LOCATION,
};
use reqwest::{Method, RequestBuilder, Response, Url};

use super::resources::bundle::Head;
use super::resources::capability_statement::CapabilityStatement;
use super::resources::operation_outcome;
use crate::domain::Limits;
use body_check::{AnswerBody, BYTE_ORDER_MARK};
pub(crate) use client_error::ClientError;
pub(crate) use header_templates::Template;
use parameters::Parameters;
use search::Search;
pub(crate) use session::{Access, SourceSession};
pub(crate) use timer::MachineTimer;
pub(crate) use tls::{Tls, TlsCause};

/// The media type of FHIR JSON.
pub(super) const FHIR_JSON: &str = "application/fhir+json";

/// How a server is reached, and the limits of doing so.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The base URL, with any path prefix, with or without a slash at the end.
    pub(crate) base_url: String,
    /// For a connection to be made; 10 s.
    pub(crate) connect_timeout: Duration,
    /// Between two pieces of an answer; 30 s.
    pub(crate) read_timeout: Duration,
    /// For a whole call with its answer; 120 s.
    pub(crate) total_timeout: Duration,
    /// The longest answer, unpacked; 16 MiB.
    pub(crate) page_bytes_max: usize,
    /// The most entries on a page; 2,000.
    pub(crate) entries_max: usize,
    /// The most pages of a search; 1,000.
    pub(crate) pages_max: usize,
    /// How often a read that failed for the moment is repeated, within `total_timeout` after the first attempt; 6.
    pub(crate) retries_max: u32,
    /// The longest `Retry-After` that is waited for; a longer one is the caller's to plan; 1 h.
    pub(crate) retry_after_max: Duration,
    /// For a token or sign-in metadata, with its answer; 10 s.
    pub(crate) sign_in_timeout: Duration,
    /// The longest answer of a token or metadata request; 64 KiB.
    pub(crate) sign_in_bytes_max: usize,
    /// The longest wait before the first repeat, doubled for each further one; 500 ms.
    pub(crate) backoff: Duration,
    /// Those of the installation.
    pub(crate) limits: Limits,
}

impl Settings {
    /// The usual limits (`security.md` §8) for a server.
    pub(crate) fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_mins(2),
            page_bytes_max: 16 * 1024 * 1024,
            entries_max: 2_000,
            pages_max: 1_000,
            retries_max: 6,
            retry_after_max: Duration::from_hours(1),
            sign_in_timeout: Duration::from_secs(10),
            sign_in_bytes_max: 64 << 10,
            backoff: Duration::from_millis(500),
            limits: Limits::default(),
        }
    }
}

/// A client of one FHIR server; its clones are the same client.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// The same without our certificate, for what lies elsewhere.
    bare: reqwest::Client,
    base: Url,
    session: Arc<SourceSession>,
    pub(super) settings: Settings,
    /// Set once this server has refused POST `_search` and answered GET.
    pub(super) searches_by_get: Arc<AtomicBool>,
}

/// An HTTP answer, read to its end.
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) date: Option<i64>,
    pub(super) etag: Option<String>,
    pub(super) location: Option<String>,
    pub(super) retry_after: Option<Duration>,
    /// Where an answer that is still being made can be asked for.
    pub(super) content_location: Option<String>,
    /// What a status request says of the job itself (Bulk Data 4).
    pub(super) export_status: Option<String>,
}

impl Client {
    /// Makes a client of a server that asks for nothing.
    ///
    /// # Errors
    /// As [`Client::within`].
    #[cfg(test)]
    pub(crate) fn new(settings: Settings) -> Result<Self, ClientError> {
        let stream = crate::domain::Entropy::from_seed([1; 32]).stream(0);
        let session = SourceSession::new(Access::open(), Arc::new(MachineTimer::new()), stream);
        Self::within(&Arc::new(session), settings)
    }

    /// Makes a client within a source's session; asks nothing yet.
    ///
    /// # Errors
    /// When the base URL or the TLS settings cannot be used.
    pub(crate) fn within(
        session: &Arc<SourceSession>,
        settings: Settings,
    ) -> Result<Self, ClientError> {
        let mut base = Url::parse(&settings.base_url)
            .map_err(|_| ClientError::Settings("the base URL is not a URL"))?;
        let plain = matches!(base.scheme(), "http" | "https") && base.has_host();
        if !plain || base.query().is_some() || base.fragment().is_some() {
            let text = "the base URL is not http or https, or has a query or fragment";
            return Err(ClientError::Settings(text));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(ClientError::Settings("the base URL holds credentials"));
        }
        let path = format!("{}/", base.path().trim_end_matches('/'));
        base.set_path(&path);
        let http = |bare| {
            let mut builder = reqwest::Client::builder()
                .user_agent(concat!("kith/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(settings.connect_timeout)
                .read_timeout(settings.read_timeout)
                .timeout(settings.total_timeout);
            if is_loopback(&base) {
                builder = builder.no_proxy();
            }
            let built = session.tls.apply(builder, bare).build();
            built.map_err(|_| ClientError::Settings("the TLS settings cannot be used"))
        };
        Ok(Self {
            http: http(false)?,
            bare: http(true)?,
            base,
            session: Arc::clone(session),
            settings,
            searches_by_get: Arc::new(AtomicBool::new(false)),
        })
    }

    /// Reads a path below the base URL, such as `metadata`.
    ///
    /// # Errors
    /// Any [`ClientError`]; transient ones only after the repeats.
    pub(crate) async fn get(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let segments: Vec<&str> = path.split('/').collect();
        self.got(&segments).await.map(|answer| answer.body)
    }

    /// What a GET of a path below the base gives, if it is FHIR.
    pub(super) async fn got(&self, segments: &[&str]) -> Result<HttpAnswer, ClientError> {
        let url = self.url(segments)?;
        let mut request = || self.request(Method::GET, url.clone());
        self.fetch(&mut request).await.and_then(fhir_body)
    }

    /// Reads a resource by type and id; none if there is none, or no longer.
    ///
    /// # Errors
    /// Any [`ClientError`] but `NotFound` and `Gone`; `NotFhir` of a resource of another type, or with another id.
    pub(crate) async fn read(
        &self,
        resource_type: &str,
        id: &str,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        match self.get(&format!("{resource_type}/{id}")).await {
            Ok(body) => {
                let head = Head::of(&body);
                let asked = head.resource_type.as_deref() == Some(resource_type)
                    && head.id.as_deref().is_none_or(|found| found == id);
                if !asked {
                    return Err(ClientError::NotFhir { status: 200 });
                }
                Ok(Some(body))
            }
            Err(ClientError::NotFound | ClientError::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins a search; nothing is asked before the first page is.
    pub(crate) fn search(&self, resource_type: &str, parameters: Parameters) -> Search<'_> {
        Search::new(self, resource_type, parameters)
    }

    /// Asks the server what it can do.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub(crate) async fn capability_statement(&self) -> Result<CapabilityStatement, ClientError> {
        let answer = self.got(&["metadata"]).await?;
        let mut statement =
            CapabilityStatement::read(&answer.body).ok_or(ClientError::NotFhir { status: 200 })?;
        statement.server_date = answer.date;
        Ok(statement)
    }

    /// Asks for the server's time alone, microseconds UTC, whatever else it says of itself.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub(crate) async fn server_date(&self) -> Result<Option<i64>, ClientError> {
        self.got(&["metadata"]).await.map(|answer| answer.date)
    }

    /// Whether somebody answers at the address at all: once, without credentials, whatever the status.
    ///
    /// # Errors
    /// No connection, or no secure one.
    pub(crate) async fn probe(&self) -> Result<(), ClientError> {
        let url = self.url(&["metadata"])?;
        let _under_way = self.session.begin_call().await;
        self.session.take_turn().await;
        let sent = self.request(Method::GET, url).send().await;
        sent.map(drop).map_err(|error| trouble(&error))
    }

    /// The base URL with these path segments; each is one segment whatever it holds.
    pub(super) fn url(&self, segments: &[&str]) -> Result<Url, ClientError> {
        let usable = |segment: &&str| {
            (1..=64).contains(&segment.len())
                && ![".", ".."].contains(segment)
                && segment
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._$".contains(&byte))
        };
        if !segments.iter().all(usable) {
            return Err(ClientError::Name);
        }
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Ok(url)
    }

    /// A link of an answer, if it stays on the server's own origin.
    pub(super) fn own_link(&self, from: &Url, link: &str) -> Option<Url> {
        let url = from.join(link).ok()?;
        let clean = url.username().is_empty() && url.password().is_none();
        (clean && url.origin() == self.base.origin()).then_some(url)
    }

    /// Whether this is the server's own host, on whatever port.
    pub(super) fn is_own_host(&self, host: &str) -> bool {
        self.base.host_str() == Some(host)
    }

    /// An address on the server's own origin; if that is wished, the same path and query there of one that names another.
    pub(super) fn home_link(&self, from: &Url, link: &str, rebase_links: bool) -> Option<Url> {
        let own = self.own_link(from, link);
        if own.is_some() || !rebase_links {
            return own;
        }
        let foreign = from.join(link).ok()?;
        if !matches!(foreign.scheme(), "http" | "https") {
            return None;
        }
        let mut own = self.url(&[]).ok()?;
        own.set_path(foreign.path());
        own.set_query(foreign.query());
        Some(own)
    }

    /// A request to this server; credentials are put on it when it is sent.
    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http
            .request(method, url)
            .header(ACCEPT, FHIR_JSON)
            .header(CACHE_CONTROL, "no-cache")
    }

    /// A request that carries no credential, wherever it goes: for [`Client::open_bare`].
    pub(super) fn bare_request(&self, method: Method, url: Url) -> RequestBuilder {
        self.bare.request(method, url)
    }

    /// Sends a request of [`Client::bare_request`]; the answer's body is still to be read.
    pub(super) async fn open_bare(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let _under_way = self.session.begin_call().await;
        self.session.take_turn().await;
        request.send().await.map_err(|error| trouble(&error))
    }

    /// Sends a read until it is answered, at most `retries_max` times more; anything but success is an error.
    pub(super) async fn fetch(
        &self,
        request: &mut (dyn FnMut() -> RequestBuilder + Send),
    ) -> Result<HttpAnswer, ClientError> {
        let session = &self.session;
        let (call, begun) = (session.uuid(), session.timer.running());
        let mut attempt = 0_u32;
        loop {
            let sent = self.send_call(request(), call).await;
            let error =
                match sent.and_then(|answer| whole(answer, self.settings.limits.json_depth_max)) {
                    Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
                    Ok(answer) => refusal(&answer),
                    Err(error) => error,
                };
            let ClientError::Transient {
                retry_after, sent, ..
            } = &error
            else {
                return Err(error);
            };
            let jittered = retry::jittered(self.settings.backoff, attempt, session.bits());
            let wait = retry_after.unwrap_or(jittered);
            let most = if *sent { u32::MAX } else { retry::CONNECTS_MAX };
            let spent = session.timer.running().saturating_sub(begun) + wait;
            if attempt >= self.settings.retries_max.min(most)
                || !self.keeps_wait(wait)
                || spent > self.settings.total_timeout
            {
                return Err(error);
            }
            session.timer.sleep(wait).await;
            attempt += 1;
        }
    }

    /// Whether a wait that the server asks for is kept; a longer one is left to the next run.
    pub(crate) fn keeps_wait(&self, wait: Duration) -> bool {
        wait <= self.settings.retry_after_max
    }

    /// Sends one request once and reads the answer within the limits, whatever its status.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<HttpAnswer, ClientError> {
        self.send_call(request, self.session.uuid()).await
    }

    async fn send_call(
        &self,
        request: RequestBuilder,
        call: uuid::Uuid,
    ) -> Result<HttpAnswer, ClientError> {
        let request = request.build().map_err(|error| trouble(&error))?;
        let _under_way = self.session.begin_call().await;
        let response = self.open_call(request, call).await?;
        self.read_answer(response, self.settings.page_bytes_max)
            .await
    }

    /// The wait that an answer asks for.
    pub(in crate::fhir) fn asked_wait(&self, headers: &HeaderMap) -> Option<Duration> {
        let date = headers.get(DATE).and_then(|text| text.to_str().ok());
        let date = date.and_then(retry::http_date);
        retry::asked(headers, date, self.session.timer.now().0)
    }

    /// Reads an answer of at most `max` bytes, unpacked.
    async fn read_answer(
        &self,
        mut response: Response,
        max: usize,
    ) -> Result<HttpAnswer, ClientError> {
        let headers = response.headers();
        let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
        let date = text(DATE).and_then(|text| retry::http_date(&text));
        let mut answer = HttpAnswer {
            status: response.status().as_u16(),
            body: Vec::new(),
            date,
            etag: text(ETAG),
            location: text(LOCATION),
            retry_after: self.asked_wait(headers),
            content_location: text(CONTENT_LOCATION),
            export_status: text(HeaderName::from_static("x-export-status")),
        };
        // Told beforehand, it need not be read; untold or told wrongly, it is not read further.
        if response
            .content_length()
            .is_some_and(|told| told > max as u64)
        {
            return Err(ClientError::TooLarge { max });
        }
        let told = response.content_length().unwrap_or(0).min(max as u64);
        answer.body.reserve(usize::try_from(told).unwrap_or(0));
        while let Some(chunk) = response.chunk().await.map_err(|error| trouble(&error))? {
            if answer.body.len() + chunk.len() > max {
                return Err(ClientError::TooLarge { max });
            }
            answer.body.extend_from_slice(&chunk);
        }
        if answer.body.starts_with(BYTE_ORDER_MARK) {
            answer.body.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(answer)
    }

    /// Sends one request with what the source signs in with; the answer's body is still to be read.
    pub(super) async fn open(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let request = request.build().map_err(|error| trouble(&error))?;
        let _under_way = self.session.begin_call().await;
        self.open_call(request, self.session.uuid()).await
    }

    /// Waits as a repeat does.
    pub(crate) async fn pause(&self, time: Duration) {
        self.session.timer.sleep(time).await;
    }

    /// Whether searches go by GET because the server does not take forms.
    pub(super) fn by_get(&self) -> bool {
        self.searches_by_get.load(Ordering::Relaxed)
    }
}

/// A success whose body is whole, not nested too deep, and no page for people. A proxy may cut an answer and still call it
/// a success, so what is torn is asked for again.
fn whole(answer: HttpAnswer, depth_max: usize) -> Result<HttpAnswer, ClientError> {
    let status = answer.status;
    if !(200..300).contains(&status) {
        return Ok(answer);
    }
    match AnswerBody::of(&answer.body, depth_max) {
        AnswerBody::Object | AnswerBody::Other => Ok(answer),
        AnswerBody::Html => Err(ClientError::Html { status }),
        AnswerBody::TooDeep => Err(ClientError::TooDeep { max: depth_max }),
        AnswerBody::Torn => Err(ClientError::torn(status)),
    }
}

/// An answer whose body can be a FHIR resource.
pub(super) fn fhir_body(answer: HttpAnswer) -> Result<HttpAnswer, ClientError> {
    if answer.body.trim_ascii_start().first() == Some(&b'{') {
        return Ok(answer);
    }
    Err(ClientError::NotFhir {
        status: answer.status,
    })
}

/// What an answer that is not a success means.
pub(super) fn refusal(answer: &HttpAnswer) -> ClientError {
    let status = answer.status;
    let code = operation_outcome::gravest(&answer.body).and_then(|issue| issue.code);
    match status {
        401 | 403 => ClientError::Unauthorised { status },
        404 => ClientError::NotFound,
        410 => ClientError::Gone,
        408 | 425 | 429 | 500 | 502 | 503 | 504 => {
            ClientError::in_trouble(status, answer.retry_after)
        }
        _ => ClientError::Refused { status, code },
    }
}

/// A failed exchange, reduced to its kind: the error itself names the URL.
pub(super) fn trouble(error: &reqwest::Error) -> ClientError {
    if error.is_builder() {
        return ClientError::Settings("a request could not be made from them");
    }
    if let Some(cause) = tls::cause(error) {
        return ClientError::Tls(cause);
    }
    let (what, sent) = match (error.is_connect(), error.is_timeout()) {
        (true, true) => ("no connection within its time", false),
        (true, false) => (no_connection(error), false),
        (false, true) => ("time-out", true),
        (false, false) => ("connection lost", true),
    };
    ClientError::Transient {
        what,
        status: None,
        retry_after: None,
        sent,
    }
}

/// Why no connection was made, as far as the machine says.
fn no_connection(error: &reqwest::Error) -> &'static str {
    let mut cause = std::error::Error::source(error);
    while let Some(at) = cause {
        let kind = at
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind);
        match kind {
            Some(std::io::ErrorKind::ConnectionRefused) => return "connection refused",
            Some(std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable) => {
                return "no way to the host";
            }
            _ if at.to_string().starts_with("dns error") => return "the host's name is not known",
            _ => cause = at.source(),
        }
    }
    "no connection"
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

mod body_check;
mod header_templates;
mod rate_limit;
#[cfg(test)]
mod sandbox_tests;
#[cfg(test)]
pub(crate) mod served;
#[cfg(test)]
mod tests;
