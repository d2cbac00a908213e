//! `kith check --online`: asks each GP system what Kith will need of it, and writes nothing there.
//!
//! In: config and rules. Out: one line for each thing that was looked at, good or not, with what, where and how to put it
//! right. Keeps: nothing of a person is asked for – the one search that is made lies in the future – and every question
//! has its time.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::config::{Auth, Bulk, Config, Pull, PushTo, Source};
use crate::diagnostics::{Code, Diagnostic, Place, Severity};
use crate::domain::clock::SystemClock;
use crate::domain::{Clock, Entropy, Instant, Limits};
use crate::fhir::client::parameters::Parameters;
use crate::fhir::client::{Client, ClientError, SourceSession};
use crate::fhir::resources::bundle::Mode;
use crate::fhir::resources::capability_statement::{CapabilityStatement, Says};
use crate::partner::Rules;
use crate::pipeline::gp_client;
pub(crate) use crate::pipeline::gp_client::check_secrets;
use crate::pipeline::select::SNOMED;

/// The most that two clocks may differ before it is said.
const SKEW_SECONDS_MAX: i64 = 60;
/// How far ahead the search lies that is made to see whether the server heeds its parameters.
const AHEAD_SECONDS: i64 = 86_400;

/// Paths at which the FHIR of a server usually lies.
const USUAL_PATHS: [&str; 5] = ["/fhir", "/R4", "/fhir/R4", "/r4", "/baseR4"];

/// One thing that was looked at.
pub(crate) struct Line {
    pub(crate) source: String,
    /// A word of its own for each thing: `reach`, `tls`, `token` …
    pub(crate) check: &'static str,
    /// What was found.
    pub(crate) what: String,
    /// What is wrong, if anything is.
    pub(crate) wrong: Option<Diagnostic>,
}

impl Line {
    /// `ok`, `warning` or `fault`.
    pub(crate) fn state(&self) -> &'static str {
        match self.wrong.as_ref().map(|wrong| wrong.code().severity()) {
            None => "ok",
            Some(Severity::Warning) => "warning",
            Some(Severity::Error) => "fault",
        }
    }
}

/// What one address of a source is for.
#[derive(Clone, Copy, Default)]
struct Needs {
    reads: bool,
    writes: bool,
    tasks: bool,
}

/// Looks at every enabled source.
pub(crate) async fn check(config: &Config, rules: &Rules, entropy: &Entropy) -> Vec<Line> {
    let mut lines = Vec::new();
    let calls = Arc::new(Semaphore::new(config.limits.calls_at_once_max));
    for (number, source) in (0..).zip(&config.sources) {
        if !source.enabled {
            continue;
        }
        let mut asked = Asked {
            source,
            limits: &config.limits,
            lines: Vec::new(),
            codes: gp_client::codes(source, rules),
        };
        let addresses = addresses(source);
        match gp_client::session(source, &calls, entropy.stream(number)) {
            Ok(session) => {
                for (base_url, needs) in addresses {
                    asked.address(&session, &base_url, needs).await;
                }
            }
            Err(error) => {
                asked.failed("secrets", &error, "the config");
            }
        }
        lines.append(&mut asked.lines);
    }
    lines
}

/// The addresses of a source, each once.
fn addresses(source: &Source) -> Vec<(String, Needs)> {
    let mut addresses: Vec<(String, Needs)> = Vec::new();
    if let Pull::Search { base_url, .. } | Pull::Bulk(Bulk { base_url, .. }) = &source.pull {
        let needs = Needs {
            reads: true,
            ..Needs::default()
        };
        addresses.push((base_url.clone(), needs));
    }
    if let PushTo::Fhir { base_url } = &source.push.to {
        let known = addresses.iter().position(|(known, _)| known == base_url);
        let place = known.unwrap_or_else(|| {
            addresses.push((base_url.clone(), Needs::default()));
            addresses.len() - 1
        });
        addresses[place].1.writes = true;
        addresses[place].1.tasks = source.push.write_task;
    }
    addresses
}

/// What was found at a source so far.
struct Asked<'s> {
    source: &'s Source,
    limits: &'s Limits,
    lines: Vec<Line>,
    codes: Vec<String>,
}

impl Asked<'_> {
    fn line(&mut self, check: &'static str, what: impl Into<String>, wrong: Option<Diagnostic>) {
        self.lines.push(Line {
            source: self.source.id.clone(),
            check,
            what: what.into(),
            wrong,
        });
    }

    fn good(&mut self, check: &'static str, what: impl Into<String>) {
        self.line(check, what, None);
    }

    fn place(&self, at: &str) -> Place {
        Place::detail(format!("source {}, {at}", self.source.id))
    }

    fn wrong(&mut self, check: &'static str, code: Code, what: &str, at: &str) {
        let wrong = Diagnostic::new(code, what, self.place(at));
        self.line(check, what, Some(wrong));
    }

    fn failed(&mut self, check: &'static str, error: &ClientError, at: &str) {
        let usual = match error {
            ClientError::Refused { .. } => Code::SourceRefused,
            _ => Code::SourceUnreachable,
        };
        let mut wrong = gp_client::diagnostic(error, usual, self.place(at));
        // The manual page names this very command.
        if let ClientError::Transient { status: None, .. } = error {
            let server = gp_client::server_of(at).replacen(':', " ", 1);
            wrong = wrong.fix(format!("See that the server runs, and that no firewall, proxy or VPN stands between: nc -vz {server}"));
        }
        self.line(check, error.to_string(), Some(wrong));
    }

    /// Looks at one address; what follows from a failure is not asked any more.
    async fn address(&mut self, session: &Arc<SourceSession>, base_url: &str, needs: Needs) {
        let client = match gp_client::client_within(self.source, session, base_url, self.limits) {
            Ok(client) => client,
            Err(error) => return self.failed("reach", &error, base_url),
        };
        if !self.connection(&client, base_url).await || !self.token(&client, base_url).await {
            return;
        }
        let before = SystemClock.now();
        let statement = match client.capability_statement().await {
            Ok(statement) => statement,
            Err(error) => return self.no_statement(session, &error, base_url).await,
        };
        let between = i64::midpoint(before.0, SystemClock.now().0);
        self.version(&statement, base_url);
        self.clock(statement.server_date, between, base_url);
        if needs.reads {
            self.reading(&client, &statement, base_url).await;
        }
        if needs.writes {
            self.writing(&statement, needs.tasks, base_url);
        }
    }

    /// No `CapabilityStatement` at an address: where the server answers, perhaps its FHIR lies at a path that is usual.
    async fn no_statement(
        &mut self,
        session: &Arc<SourceSession>,
        error: &ClientError,
        base_url: &str,
    ) {
        self.failed("metadata", error, base_url);
        let answered = matches!(
            error,
            ClientError::NotFound
                | ClientError::Gone
                | ClientError::Refused { .. }
                | ClientError::Html { .. }
                | ClientError::NotFhir { .. }
        );
        for path in USUAL_PATHS.iter().filter(|_| answered) {
            let other = format!("{}{path}", base_url.trim_end_matches('/'));
            let client = gp_client::client_within(self.source, session, &other, self.limits);
            let Ok(client) = client else { continue };
            if client.capability_statement().await.is_ok() {
                let fix = format!("Write base_url = \"{other}\": a FHIR server answers there.");
                let line = self.lines.pop();
                self.lines.extend(line.map(|line| Line {
                    wrong: line.wrong.map(|wrong| wrong.fix(fix)),
                    ..line
                }));
                return;
            }
        }
    }

    async fn connection(&mut self, client: &Client, base_url: &str) -> bool {
        let probed = client.probe().await;
        if let Err(error) = &probed
            && !matches!(error, ClientError::Tls(_))
        {
            self.failed("reach", error, base_url);
            return false;
        }
        self.good("reach", format!("{base_url} answers"));
        match &probed {
            Err(error) => self.failed("tls", error, base_url),
            Ok(()) if base_url.starts_with("https://") => {
                self.good("tls", "the certificate is trusted");
            }
            Ok(()) => self.good("tls", "plain HTTP, on this machine"),
        }
        probed.is_ok()
    }

    async fn token(&mut self, client: &Client, base_url: &str) -> bool {
        let what = match &self.source.reach.auth {
            Auth::None => "no sign-in is configured",
            Auth::SmartBackend { .. } => "a token was granted with every scope asked for",
            Auth::NhsApim { .. } => "a token was granted",
            Auth::Bearer { .. } | Auth::Basic { .. } | Auth::ApiKey { .. } => {
                "sent with each request; the next lines show whether it is accepted"
            }
        };
        let at = match &self.source.reach.auth {
            Auth::SmartBackend { signing, .. } | Auth::NhsApim { signing, .. } => {
                signing.token_url.as_deref().unwrap_or(base_url)
            }
            _ => base_url,
        };
        match client.sign_in().await {
            Ok(()) => self.good("token", what),
            Err(error) => {
                self.failed("token", &error, at);
                return false;
            }
        }
        true
    }

    fn version(&mut self, statement: &CapabilityStatement, at: &str) {
        match statement.r4() {
            Says::Yes => self.good("metadata", "FHIR R4"),
            Says::No => {
                let what = "the server speaks another version than FHIR R4 (4.0.x)";
                self.wrong("metadata", Code::LacksCapability, what, at);
            }
            Says::Nothing => {
                let what = "the CapabilityStatement names no fhirVersion";
                self.wrong("metadata", Code::CapabilityUnsaid, what, at);
            }
        }
    }

    fn clock(&mut self, server: Option<i64>, ours: i64, at: &str) {
        let Some(server) = server else {
            let what = "the server does not say what time it has: no Date header";
            return self.wrong("clock", Code::CapabilityUnsaid, what, at);
        };
        // The header has whole seconds, and cuts the rest off.
        let ahead = (server + 500_000 - ours) / 1_000_000;
        let what = format!("the server's clock is {ahead:+} s from ours");
        if ahead.abs() > SKEW_SECONDS_MAX {
            self.wrong("clock", Code::ClocksDiffer, &what, at);
        } else {
            self.good("clock", what);
        }
    }

    /// What the server says of reading, and what it does with a search that must find nothing.
    async fn reading(&mut self, client: &Client, statement: &CapabilityStatement, at: &str) {
        let ahead = statement
            .server_date
            .map_or_else(|| SystemClock.now(), Instant);
        let since = ahead.plus_seconds(AHEAD_SECONDS).utc_text();
        let codes = self.codes.iter().map(|code| (SNOMED, code.as_str()));
        let parameters = Parameters::default()
            .tokens("code", codes)
            .with("_lastUpdated", format!("ge{since}"))
            .with("_count", "1");
        let mut search = client.search("ServiceRequest", parameters);
        let found = match search.next_page().await {
            Ok(page) => page
                .as_ref()
                .and_then(|page| page.bundle().ok())
                .map_or(0, |bundle| {
                    bundle
                        .entries()
                        .filter(|entry| entry.mode == Mode::Match)
                        .count()
                }),
            Err(error) => return self.failed("search", &error, at),
        };
        if found > 0 {
            let what = "the search for ServiceRequests gives what was not asked for";
            return self.wrong("search", Code::LacksCapability, what, at);
        }
        self.good(
            "search",
            "ServiceRequests are searched by code and _lastUpdated",
        );
        for parameter in ["code", "_lastUpdated"] {
            if statement.searches("ServiceRequest", parameter) == Says::No {
                let what = format!("ServiceRequest.{parameter} is searched but not declared");
                self.wrong("search", Code::CapabilityUnsaid, &what, at);
            }
        }
        for interaction in ["read", "search-type"] {
            self.said("patient", "Patient", interaction, statement, at);
        }
    }

    fn writing(&mut self, statement: &CapabilityStatement, tasks: bool, at: &str) {
        let kinds: &[(&'static str, &'static str)] = if tasks {
            &[("observation", "Observation"), ("task", "Task")]
        } else {
            &[("observation", "Observation")]
        };
        for (check, kind) in kinds {
            self.said(check, kind, "create", statement, at);
            if statement.creates_once(kind) == Says::Yes {
                self.good(check, format!("{kind}: conditional create"));
            } else {
                let what = format!("{kind}: conditional create is not declared");
                self.wrong(check, Code::CapabilityUnsaid, &what, at);
            }
            match statement.searches(kind, "identifier") {
                Says::Yes => self.good(check, format!("{kind}: search by identifier")),
                Says::No => {
                    let what = format!("{kind}: search by identifier is not declared");
                    self.wrong(check, Code::LacksCapability, &what, at);
                }
                Says::Nothing => {
                    let what = format!("{kind}: no search parameter is declared");
                    self.wrong(check, Code::CapabilityUnsaid, &what, at);
                }
            }
        }
        let whole = statement.takes("transaction") == Says::Yes;
        let what = if whole {
            "transactions"
        } else {
            "no transactions: entries go one by one"
        };
        self.good("transaction", what);
    }

    fn said(
        &mut self,
        check: &'static str,
        kind: &str,
        interaction: &str,
        statement: &CapabilityStatement,
        at: &str,
    ) {
        match statement.can(kind, interaction) {
            Says::Yes => self.good(check, format!("{kind}: {interaction}")),
            Says::No => {
                let what = format!("{kind}: {interaction} is not declared");
                self.wrong(check, Code::LacksCapability, &what, at);
            }
            Says::Nothing => {
                let what = format!("{kind}: no interaction is declared");
                self.wrong(check, Code::CapabilityUnsaid, &what, at);
            }
        }
    }
}
