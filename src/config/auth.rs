//! How a source's GP system is reached: `auth`, `headers` and `limits` of `[[source]]`.
//!
//! Tables of the config come in; what a client will be made of goes out, secrets still where they live. Keeps: no secret
//! stands in the config, and a credential that would go out in clear is refused.

use std::time::Duration;

use super::Surroundings;
use super::secret::{Secret, read_secret};
use super::server_address::check_address;
use crate::diagnostics::{Code, Place};
use crate::domain::Limits;
use crate::domain::limits::{self, Bound};
use crate::fhir::auth::key::SigningAlgorithm;
use crate::fhir::client::{Settings, Template};
use crate::toml_reader::TableReader;

/// How a source is reached.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) auth: Auth,
    pub(crate) mtls: Mtls,
    pub(crate) headers: Vec<Template>,
    pub(crate) limits: SourceLimits,
}

/// A secret or a file of the config, with its place there.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) secret: Secret,
    pub(crate) place: Place,
}

/// What a source is signed in to with.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    None,
    Bearer {
        token: Kept,
    },
    Basic {
        user: String,
        password: Kept,
    },
    ApiKey {
        header: String,
        key: Kept,
    },
    /// SMART Backend Services.
    SmartBackend {
        client_id: String,
        signing: Signing,
        scopes: Vec<String>,
    },
    /// NHS England platform, application-restricted: RS512, no scope.
    NhsApim {
        api_key: Kept,
        signing: Signing,
    },
}

/// The key of a signed assertion.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    pub(crate) key: Kept,
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Option<SigningAlgorithm>,
    /// Else the server's `.well-known/smart-configuration` says.
    pub(crate) token_url: Option<String>,
}

/// Our certificate with its key, and the authority that alone is trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mtls {
    pub(crate) cert: Option<Kept>,
    pub(crate) key: Option<Kept>,
    pub(crate) ca: Option<Kept>,
}

/// Limits of a source's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceLimits {
    pub(crate) requests_per_second: Option<u32>,
    connect_timeout_seconds: u64,
    read_timeout_seconds: u64,
    timeout_seconds: u64,
    response_bytes_max: u64,
    retries_max: u64,
    pages_max: u64,
    page_resources_max: u64,
    retry_after_seconds_max: u64,
    sign_in_timeout_seconds: u64,
    sign_in_bytes_max: u64,
    /// Calls under way at once.
    pub(crate) calls_at_once_max: u64,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            requests_per_second: None,
            connect_timeout_seconds: limits::CONNECT_SECONDS.usual,
            read_timeout_seconds: limits::READ_SECONDS.usual,
            timeout_seconds: limits::CALL_SECONDS.usual,
            response_bytes_max: limits::ANSWER_BYTES.usual,
            retries_max: limits::RETRIES.usual,
            pages_max: limits::PAGES.usual,
            page_resources_max: limits::PAGE_ENTRIES.usual,
            retry_after_seconds_max: limits::RETRY_AFTER_SECONDS.usual,
            sign_in_timeout_seconds: limits::SIGN_IN_SECONDS.usual,
            sign_in_bytes_max: limits::SIGN_IN_BYTES.usual,
            calls_at_once_max: limits::CALLS_AT_ONCE.usual,
        }
    }
}

impl SourceLimits {
    /// The settings of a client at this address, of an installation with these limits.
    pub(crate) fn settings(self, base_url: &str, limits: &Limits) -> Settings {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let mut settings = Settings::new(base_url);
        settings.connect_timeout = Duration::from_secs(self.connect_timeout_seconds);
        settings.read_timeout = Duration::from_secs(self.read_timeout_seconds);
        settings.total_timeout = Duration::from_secs(self.timeout_seconds);
        settings.page_bytes_max = count(self.response_bytes_max);
        settings.retries_max = u32::try_from(self.retries_max).unwrap_or(u32::MAX);
        settings.pages_max = count(self.pages_max);
        settings.entries_max = count(self.page_resources_max);
        settings.retry_after_max = Duration::from_secs(self.retry_after_seconds_max);
        settings.sign_in_timeout = Duration::from_secs(self.sign_in_timeout_seconds);
        settings.sign_in_bytes_max = count(self.sign_in_bytes_max);
        settings.limits = *limits;
        settings
    }
}

/// Reads the keys of a source that say how it is reached.
pub(super) fn read_reach(
    table: &TableReader<'_>,
    around: &Surroundings<'_>,
    ods_code: &str,
) -> Reach {
    let (auth, mtls) = table.opt_table("auth").map_or_else(
        || (Auth::None, Mtls::default()),
        |auth| auth.read_with(|auth| (read_auth(auth, around), read_mtls(auth, around))),
    );
    Reach {
        auth,
        mtls,
        headers: read_headers(table, ods_code),
        limits: read_limits(table),
    }
}

fn read_auth(auth: &TableReader<'_>, around: &Surroundings<'_>) -> Auth {
    let kinds = [
        "none",
        "bearer",
        "basic",
        "api-key",
        "smart-backend",
        "nhs-apim",
    ]
    .map(|kind| (kind, kind));
    auth.needs("kind");
    let kind = auth.word("kind", &kinds);
    match kind.map(|kind| kind.value) {
        Some("bearer") => Auth::Bearer {
            token: kept(auth, "token", around),
        },
        Some("basic") => Auth::Basic {
            user: auth.string("user"),
            password: kept(auth, "password", around),
        },
        Some("api-key") => Auth::ApiKey {
            header: auth.opt_string("header").unwrap_or("apikey".to_owned()),
            key: kept(auth, "key", around),
        },
        Some("smart-backend") => Auth::SmartBackend {
            client_id: auth.string("client_id"),
            signing: read_signing(auth, around, &["ES384", "RS384"]),
            scopes: read_scopes(auth),
        },
        Some("nhs-apim") => {
            auth.needs("token_url");
            Auth::NhsApim {
                api_key: kept(auth, "api_key", around),
                signing: read_signing(auth, around, &["RS512"]),
            }
        }
        Some(_) => Auth::None,
        None => {
            auth.forgive();
            Auth::None
        }
    }
}

fn read_signing(
    auth: &TableReader<'_>,
    around: &Surroundings<'_>,
    algorithms: &[&'static str],
) -> Signing {
    let known = [
        ("ES384", SigningAlgorithm::Es384),
        ("RS384", SigningAlgorithm::Rs384),
        ("RS512", SigningAlgorithm::Rs512),
    ];
    let choices: Vec<_> = known
        .into_iter()
        .filter(|(name, _)| algorithms.contains(name))
        .collect();
    let said = auth.word("algorithm", &choices).map(|at| at.value);
    let only = (choices.len() == 1).then(|| choices[0].1);
    let token_url = auth.opt_text("token_url");
    if let Some(url) = &token_url {
        let rule = "an address such as https://gp.example/token, without user or fragment";
        check_address(auth, "token_url", url, &['#', '@'], rule, "the assertion");
    }
    Signing {
        key: kept(auth, "key", around),
        kid: auth.opt_string("kid"),
        algorithm: said.or(only),
        token_url: token_url.map(|url| url.value.to_owned()),
    }
}

fn read_scopes(auth: &TableReader<'_>) -> Vec<String> {
    auth.needs("scopes");
    let scopes = auth.texts("scopes");
    for scope in &scopes {
        if scope.value.contains(char::is_whitespace) {
            auth.bad_value("scopes", "a list with one scope a text", &scope.place);
        }
    }
    scopes.iter().map(|scope| scope.value.to_owned()).collect()
}

fn read_mtls(auth: &TableReader<'_>, around: &Surroundings<'_>) -> Mtls {
    let Some(table) = auth.opt_table("mtls") else {
        return Mtls::default();
    };
    let file = |key| table.has(key).then(|| kept(&table, key, around));
    let mtls = Mtls {
        cert: file("cert"),
        key: file("key"),
        ca: file("ca"),
    };
    for (one, other, key) in [
        (&mtls.cert, &mtls.key, "key"),
        (&mtls.key, &mtls.cert, "cert"),
    ] {
        if one.is_some() && other.is_none() {
            table.missing(key);
        }
    }
    if mtls.cert.is_none() && mtls.key.is_none() && mtls.ca.is_none() {
        table.missing("cert");
    }
    table.finish();
    mtls
}

/// A secret named by a key that is required.
fn kept(table: &TableReader<'_>, key: &'static str, around: &Surroundings<'_>) -> Kept {
    match table.secret_table(key) {
        Some(named) => Kept {
            place: named.place().clone(),
            secret: read_secret(named, around),
        },
        None => Kept {
            secret: Secret::none(),
            place: table.place().clone(),
        },
    }
}

fn read_headers(table: &TableReader<'_>, ods_code: &str) -> Vec<Template> {
    let Some(headers) = table.opt_table("headers") else {
        return Vec::new();
    };
    let mut read = Vec::new();
    for (name, text) in headers.pairs() {
        match Template::read(name.value, text.value, ods_code) {
            Ok(template) => read.push(template),
            Err(error) => {
                let what = format!("header {} cannot be used: {error}", name.value);
                headers.problems().add(Code::BadValue, what, &text.place);
            }
        }
    }
    headers.forgive();
    read
}

fn read_limits(table: &TableReader<'_>) -> SourceLimits {
    let usual = SourceLimits::default();
    let Some(table) = table.opt_table("limits") else {
        return usual;
    };
    let number = |key: &'static str, bound: Bound, least: i64| {
        let most = i64::try_from(bound.most).unwrap_or(i64::MAX);
        table.whole(key, least..=most).unwrap_or(bound.usual)
    };
    let rate_max = limits::REQUESTS_PER_SECOND_MAX.into();
    let read = SourceLimits {
        requests_per_second: table.whole("requests_per_second", 1..=rate_max),
        connect_timeout_seconds: number("connect_timeout_seconds", limits::CONNECT_SECONDS, 1),
        read_timeout_seconds: number("read_timeout_seconds", limits::READ_SECONDS, 1),
        timeout_seconds: number("timeout_seconds", limits::CALL_SECONDS, 1),
        response_bytes_max: number("response_bytes_max", limits::ANSWER_BYTES, 65_536),
        retries_max: number("retries_max", limits::RETRIES, 0),
        pages_max: number("pages_max", limits::PAGES, 1),
        page_resources_max: number("page_resources_max", limits::PAGE_ENTRIES, 1),
        retry_after_seconds_max: number("retry_after_seconds_max", limits::RETRY_AFTER_SECONDS, 1),
        sign_in_timeout_seconds: number("sign_in_timeout_seconds", limits::SIGN_IN_SECONDS, 1),
        sign_in_bytes_max: number("sign_in_bytes_max", limits::SIGN_IN_BYTES, 1),
        calls_at_once_max: number("calls_at_once_max", limits::CALLS_AT_ONCE, 1),
    };
    table.finish();
    read
}
