//! The HTTP side of a FHIR R4 server: one client a source, limits on everything, errors that quote nothing.
//!
//! In come requests named by resource type, id and parameters; out go the bytes of answers and a closed list of failures.
//! Only the configured origin is ever asked. URLs and bodies hold identifiers, so neither gets into an error. Reads are
//! repeated a few times when the server is in trouble; a write is sent once (`create.rs`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{
    ACCEPT, CACHE_CONTROL, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde::Deserialize;

use super::client_error::ClientError;
use super::operation_outcome;
use super::search::{Parameters, Search};

/// The media type of FHIR JSON.
pub(super) const FHIR_JSON: &str = "application/fhir+json";
/// The longest `Retry-After` that is waited for within a call; a longer one is the caller's to plan.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

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
    /// How often a read that failed for the moment is repeated; 3.
    pub(crate) retries_max: u32,
    /// The wait before the first repeat, doubled for each further one; 500 ms.
    pub(crate) backoff: Duration,
    /// Headers of every request, credentials among them.
    pub(crate) headers: Vec<(String, String)>,
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
            retries_max: 3,
            backoff: Duration::from_millis(500),
            headers: Vec::new(),
        }
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capability {
    /// `CapabilityStatement.fhirVersion`; Kith needs 4.0.x.
    pub(crate) fhir_version: Option<String>,
    /// The server's time, microseconds UTC, from its `Date` header.
    pub(crate) server_date: Option<i64>,
}

impl Capability {
    /// Whether the server speaks FHIR R4 (4.0.x).
    pub(crate) fn is_r4(&self) -> bool {
        self.fhir_version
            .as_deref()
            .is_some_and(|version| version.starts_with("4.0"))
    }
}

/// A client of one FHIR server.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    pub(super) settings: Settings,
    /// Set once this server has refused POST `_search` and answered GET.
    pub(super) searches_by_get: AtomicBool,
}

/// An HTTP answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) date: Option<i64>,
    pub(super) etag: Option<String>,
    pub(super) location: Option<String>,
    retry_after: Option<Duration>,
}

impl Client {
    /// Makes a client; asks nothing yet.
    ///
    /// # Errors
    /// When the base URL or a header cannot be used.
    pub(crate) fn new(settings: Settings) -> Result<Self, ClientError> {
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
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let name = name.parse::<HeaderName>();
            let name = name.map_err(|_| ClientError::Settings("a header name is malformed"))?;
            let value = HeaderValue::from_str(value);
            let mut value =
                value.map_err(|_| ClientError::Settings("a header value is malformed"))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("kith/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.connect_timeout)
            .read_timeout(settings.read_timeout)
            .timeout(settings.total_timeout);
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|_| ClientError::Settings("the TLS settings cannot be used"))?;
        Ok(Self {
            http,
            base,
            settings,
            searches_by_get: AtomicBool::new(false),
        })
    }

    /// Reads a path below the base URL, such as `metadata`.
    ///
    /// # Errors
    /// Any [`ClientError`]; transient ones only after the repeats.
    pub(crate) async fn get(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let segments: Vec<&str> = path.split('/').collect();
        let url = self.url(&segments)?;
        let answer = self
            .fetch(&mut || self.request(Method::GET, url.clone()))
            .await?;
        fhir_body(answer).map(|answer| answer.body)
    }

    /// Reads a resource by type and id; none if there is none, or no longer.
    ///
    /// # Errors
    /// Any [`ClientError`] but `NotFound` and `Gone`.
    pub(crate) async fn read(
        &self,
        resource_type: &str,
        id: &str,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        match self.get(&format!("{resource_type}/{id}")).await {
            Ok(body) => Ok(Some(body)),
            Err(ClientError::NotFound | ClientError::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins a search; nothing is asked before the first page is.
    pub(crate) fn search(&self, resource_type: &str, parameters: Parameters) -> Search<'_> {
        Search::new(self, resource_type, parameters)
    }

    /// Asks the server what it is, and what time it has.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub(crate) async fn capability(&self) -> Result<Capability, ClientError> {
        #[derive(Deserialize)]
        struct Statement {
            #[serde(rename = "fhirVersion", default)]
            fhir_version: Option<String>,
        }
        let url = self.url(&["metadata"])?;
        let answer = self
            .fetch(&mut || self.request(Method::GET, url.clone()))
            .await?;
        let answer = fhir_body(answer)?;
        let statement: Statement =
            serde_json::from_slice(&answer.body).map_err(|_| ClientError::NotFhir {
                status: answer.status,
            })?;
        Ok(Capability {
            fhir_version: statement.fhir_version,
            server_date: answer.date,
        })
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

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http
            .request(method, url)
            .header(ACCEPT, FHIR_JSON)
            .header(CACHE_CONTROL, "no-cache")
    }

    /// Sends a read until it is answered, at most `retries_max` times more; anything but success is an error.
    pub(super) async fn fetch(
        &self,
        request: &mut (dyn FnMut() -> RequestBuilder + Send),
    ) -> Result<Answer, ClientError> {
        let mut attempt = 0_u32;
        loop {
            let error = match self.send(request()).await {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
                Ok(answer) => refusal(&answer),
                Err(error) => error,
            };
            let ClientError::Transient { retry_after, .. } = &error else {
                return Err(error);
            };
            let wait = retry_after.unwrap_or(self.settings.backoff * 2_u32.pow(attempt.min(10)));
            if attempt >= self.settings.retries_max || wait > RETRY_AFTER_MAX {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Sends one request once and reads the answer within the limits, whatever its status.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Answer, ClientError> {
        let mut response = request.send().await.map_err(|error| trouble(&error))?;
        let text = |name: HeaderName| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let date = text(DATE).and_then(|text| http_date(&text));
        let mut answer = Answer {
            status: response.status().as_u16(),
            body: Vec::new(),
            date,
            etag: text(ETAG),
            location: text(LOCATION),
            retry_after: text(RETRY_AFTER).and_then(|text| retry_after(&text, date)),
        };
        let max = self.settings.page_bytes_max;
        while let Some(chunk) = response.chunk().await.map_err(|error| trouble(&error))? {
            if answer.body.len() + chunk.len() > max {
                return Err(ClientError::TooLarge { max });
            }
            answer.body.extend_from_slice(&chunk);
        }
        Ok(answer)
    }

    /// Whether searches go by GET because the server does not take forms.
    pub(super) fn by_get(&self) -> bool {
        self.searches_by_get.load(Ordering::Relaxed)
    }
}

/// An answer whose body can be a FHIR resource.
pub(super) fn fhir_body(answer: Answer) -> Result<Answer, ClientError> {
    if answer.body.trim_ascii_start().first() == Some(&b'{') {
        return Ok(answer);
    }
    Err(ClientError::NotFhir {
        status: answer.status,
    })
}

/// What an answer that is not a success means.
pub(super) fn refusal(answer: &Answer) -> ClientError {
    let status = answer.status;
    let code = operation_outcome::gravest(&answer.body).and_then(|issue| issue.code);
    match status {
        401 | 403 => ClientError::Unauthorised { status },
        404 => ClientError::NotFound,
        410 => ClientError::Gone,
        408 | 425 | 429 | 500 | 502 | 503 | 504 => ClientError::Transient {
            what: StatusCode::from_u16(status)
                .ok()
                .and_then(|status| status.canonical_reason())
                .unwrap_or("trouble"),
            status: Some(status),
            retry_after: answer.retry_after,
            sent: true,
        },
        _ => ClientError::Refused { status, code },
    }
}

/// A failed exchange, reduced to its kind: the error itself names the URL.
fn trouble(error: &reqwest::Error) -> ClientError {
    if error.is_builder() {
        return ClientError::Settings("a request could not be made from them");
    }
    let (what, sent) = if error.is_connect() {
        ("no connection", false)
    } else if error.is_timeout() {
        ("time-out", true)
    } else {
        ("connection lost", true)
    };
    ClientError::Transient {
        what,
        status: None,
        retry_after: None,
        sent,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// An HTTP date as microseconds UTC.
fn http_date(text: &str) -> Option<i64> {
    let parsed = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(parsed.as_microsecond())
}

/// Both forms of `Retry-After`; a date is measured against the server's own clock.
fn retry_after(text: &str, date: Option<i64>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let micros = http_date(text)?.saturating_sub(date?);
    Some(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}
