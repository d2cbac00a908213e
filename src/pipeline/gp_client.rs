//! The way to a source's GP system: the one place where stages get a client from.
//!
//! In: a source and one of its addresses. Out: a client with the source's settings, credentials and limits, and the
//! diagnostic that names the cause when one fails. Keeps: every client of a source and run shares one session, so one
//! token and one rate limit; a secret is read when it is first needed and is in no message.

use std::sync::Arc;

use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::run::Env;
use crate::config::{Auth, Kept, SecretError, Signing, Source};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::Limits;
use crate::domain::entropy::Stream;
use crate::fhir::auth::key::SigningKey;
use crate::fhir::auth::{Assertion, Credentials, SignInError};
use crate::fhir::client::{Access, Client, ClientError, MachineTimer, SourceSession, Tls};
use crate::partner::{Rules, TriggerKind};

/// Sessions take their randomness from here on, out of the way of the streams that a run counts up.
const SESSION_STREAMS: u64 = 1 << 62;

/// A client of a source's server at `base_url`; asks nothing yet.
///
/// # Errors
/// The settings or credentials of the source cannot be used.
pub(crate) fn client(env: &Env, source: usize, base_url: &str) -> Result<Client, ClientError> {
    let env_source = &env.sources[source];
    let number = SESSION_STREAMS + u64::try_from(source).unwrap_or(0);
    let begun = env_source
        .session
        .get_or_init(|| session(&env_source.config, &env.calls, env.entropy.stream(number)));
    client_within(
        &env_source.config,
        begun.as_ref().map_err(Clone::clone)?,
        base_url,
        &env.config.limits,
    )
}

/// A client within a session that [`session`] began.
///
/// # Errors
/// As [`client`].
pub(crate) fn client_within(
    source: &Source,
    session: &Arc<SourceSession>,
    base_url: &str,
    limits: &Limits,
) -> Result<Client, ClientError> {
    Client::within(session, source.reach.limits.settings(base_url, limits))
}

/// Begins the session of a source, whose calls take turns with those of all: reads its secrets.
///
/// # Errors
/// Secrets that cannot be read or used.
pub(crate) fn session(
    source: &Source,
    all_calls: &Arc<Semaphore>,
    stream: Stream,
) -> Result<Arc<SourceSession>, ClientError> {
    let unusable = |fault: Fault| ClientError::Credentials(fault.what);
    let access = Access {
        credentials: credentials(&source.reach.auth).map_err(unusable)?,
        headers: source.reach.headers.clone(),
        tls: tls(source).map_err(unusable)?,
        requests_per_second: source.reach.limits.requests_per_second,
        calls_at_once_max: usize::try_from(source.reach.limits.calls_at_once_max)
            .unwrap_or(usize::MAX),
        all_calls: Arc::clone(all_calls),
    };
    Ok(Arc::new(SourceSession::new(
        access,
        Arc::new(MachineTimer::new()),
        stream,
    )))
}

/// Every secret, key and certificate of a source that cannot be used, for `kith check`; nothing is asked.
pub(crate) fn check_secrets(source: &Source) -> Vec<Diagnostic> {
    let faults = [credentials(&source.reach.auth).err(), tls(source).err()];
    faults
        .into_iter()
        .flatten()
        .map(|fault| {
            let what = format!("source {}: {}", source.id, fault.what);
            Diagnostic::new(fault.code, what, fault.place)
        })
        .collect()
}

/// A secret that cannot be used, and where it is named.
struct Fault {
    code: Code,
    place: Place,
    what: String,
}

impl Fault {
    fn unreadable(key: &str, kept: &Kept, error: SecretError) -> Self {
        Self {
            code: Code::SecretUnreadable,
            place: kept.place.clone().and(kept.secret.about()),
            what: format!("{key}: {error}"),
        }
    }

    fn unusable(key: &str, kept: &Kept, error: impl std::fmt::Display) -> Self {
        Self {
            code: Code::SecretUnusable,
            place: kept.place.clone(),
            what: format!("{key}: {error}"),
        }
    }
}

fn credentials(auth: &Auth) -> Result<Credentials, Fault> {
    match auth {
        Auth::None => Ok(Credentials::None),
        Auth::Bearer { token } => Credentials::bearer(&text("auth.token", token)?)
            .map_err(|error| Fault::unusable("auth.token", token, error)),
        Auth::Basic { user, password } => {
            Credentials::basic(user, &text("auth.password", password)?)
                .map_err(|error| Fault::unusable("auth.user or auth.password", password, error))
        }
        Auth::ApiKey { header, key } => Credentials::api_key(header, &text("auth.key", key)?)
            .map_err(|error| Fault::unusable("auth.header or auth.key", key, error)),
        Auth::SmartBackend {
            client_id,
            signing,
            scopes,
        } => assertion(client_id.clone().into(), signing, scopes.clone()),
        Auth::NhsApim { api_key, signing } => {
            assertion(text("auth.api_key", api_key)?, signing, Vec::new())
        }
    }
}

fn assertion(
    client_id: Zeroizing<String>,
    signing: &Signing,
    scopes: Vec<String>,
) -> Result<Credentials, Fault> {
    let file = &signing.key;
    let bytes = file.secret.read();
    let bytes = bytes.map_err(|error| Fault::unreadable("auth.key", file, error))?;
    let key = SigningKey::read(&bytes, signing.algorithm, signing.kid.as_deref());
    Ok(Credentials::Assertion(Box::new(Assertion {
        client_id,
        key: key.map_err(|error| Fault::unusable("auth.key", file, error))?,
        token_url: signing.token_url.clone(),
        scopes,
    })))
}

/// A secret that is a text; the line end that editors add is not part of it.
fn text(key: &str, kept: &Kept) -> Result<Zeroizing<String>, Fault> {
    let bytes = kept.secret.read();
    let bytes = bytes.map_err(|error| Fault::unreadable(key, kept, error))?;
    let text = std::str::from_utf8(&bytes).map(|text| text.trim_end_matches(['\r', '\n']));
    match text {
        Ok(text) if !text.is_empty() => Ok(text.to_owned().into()),
        _ => Err(Fault::unusable(key, kept, "it is empty or no text")),
    }
}

fn tls(source: &Source) -> Result<Tls, Fault> {
    let mtls = &source.reach.mtls;
    let public = |key, kept: &Option<Kept>| {
        let Some(kept) = kept else { return Ok(None) };
        let bytes = kept.secret.read_public();
        bytes
            .map(Some)
            .map_err(|error| Fault::unreadable(key, kept, error))
    };
    let certificate = public("auth.mtls.cert", &mtls.cert)?;
    let authority = public("auth.mtls.ca", &mtls.ca)?;
    let key = match &mtls.key {
        Some(kept) => Some(
            kept.secret
                .read()
                .map_err(|error| Fault::unreadable("auth.mtls.key", kept, error))?,
        ),
        None => None,
    };
    let identity = certificate
        .as_ref()
        .zip(key.as_ref())
        .map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
    let named = mtls.cert.as_ref().or(mtls.ca.as_ref());
    Tls::read(identity, authority.as_ref().map(|pem| pem.as_slice())).map_err(|error| Fault {
        code: Code::SecretUnusable,
        place: named.map_or_else(Place::default, |kept| kept.place.clone()),
        what: error.to_owned(),
    })
}

/// The codes that a pull of the source asks for.
pub(crate) fn codes(source: &Source, rules: &Rules) -> Vec<String> {
    let referral = |kind: &TriggerKind| source.codes.is_none() && *kind == TriggerKind::Referral;
    let shared = rules
        .social_prescribing
        .iter()
        .filter(|(_, kind)| *kind == TriggerKind::Declined || referral(kind));
    let own = source.codes.iter().flatten().cloned();
    own.chain(shared.map(|(code, _)| code.clone())).collect()
}

/// Host and port of an address, `gp.example:443`.
pub(crate) fn server_of(base_url: &str) -> String {
    let (scheme, rest) = base_url.split_once("://").unwrap_or(("https", base_url));
    let authority = rest.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    if port.is_some_and(|port| port.parse::<u16>().is_ok()) {
        return authority.to_owned();
    }
    let usual = if scheme == "http" { 80 } else { 443 };
    format!("{authority}:{usual}")
}

/// What is said of a failure: its own code and fix where the cause is known, else `usual`.
pub(crate) fn diagnostic(error: &ClientError, usual: Code, place: Place) -> Diagnostic {
    let code = match error {
        ClientError::Tls(cause) if cause.of_certificate() => Code::ServerCertificate,
        ClientError::Tls(_) => Code::NoSecureConnection,
        ClientError::SignIn(SignInError::Scope(_) | SignInError::ScopeRefused(_)) => {
            Code::ScopeMissing
        }
        ClientError::SignIn(_) => Code::SignInFailed,
        ClientError::Credentials(_) => Code::SecretUnusable,
        ClientError::Unauthorised { .. } => Code::NotAuthorised,
        ClientError::Html { .. } | ClientError::NotFhir { .. } => Code::NotFhir,
        ClientError::TooLarge { .. }
        | ClientError::FileTooLarge { .. }
        | ClientError::UnpacksTooFar { .. }
        | ClientError::TooDeep { .. }
        | ClientError::TooManyPages { .. } => Code::AnswerTooLarge,
        _ => usual,
    };
    let found = Diagnostic::new(code, error.to_string(), place);
    match error.how_to_raise() {
        Some(fix) => found.fix(fix),
        None => found,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt as _;

    use super::*;
    use crate::config::{Config, example};

    /// What a source with this `auth` signs in with.
    fn signs_in(auth: &str) -> Result<String, String> {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let mut options = std::fs::OpenOptions::new();
            let file = options.write(true).create(true).mode(0o600);
            let mut file = file.open(home.path().join(name)).unwrap();
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        };
        std::fs::create_dir(home.path().join("config")).unwrap();
        write("one", "swordfish\n");
        write("other", "marlin");
        write("ec", include_str!("../fhir/auth/testdata/p384.pem"));
        write("rsa", include_str!("../fhir/auth/testdata/rsa.pem"));
        let pull = "kind = \"search\", base_url = \"https://gp.example/fhir\"";
        let source = example::practice("a", pull);
        let config = example::INSTALLATION;
        write(
            "config/kith.toml",
            &format!("{config}{source}auth = {{ {auth} }}\n"),
        );
        let loaded = Config::load(&home.path().join("config/kith.toml"), &|_| None).unwrap();
        match credentials(&loaded.config.sources[0].reach.auth) {
            Ok(Credentials::None) => Ok("nothing".to_owned()),
            Ok(Credentials::Fixed(name, value)) => {
                Ok(format!("{name}: {}", value.to_str().unwrap()))
            }
            Ok(Credentials::Assertion(assertion)) => {
                let Assertion {
                    client_id,
                    key,
                    token_url,
                    scopes,
                } = *assertion;
                let url = token_url.unwrap_or_default();
                let kid = key
                    .kid()
                    .map(|kid| format!(" by {kid}"))
                    .unwrap_or_default();
                Ok(format!(
                    "{} {url} {}{kid}",
                    client_id.as_str(),
                    scopes.join(" ")
                ))
            }
            Err(fault) => Err(fault.what),
        }
    }

    #[test]
    fn a_source_signs_in_with_what_each_key_of_its_auth_says() {
        let smart = r#"kind = "smart-backend", client_id = "kith", scopes = ["s/P.rs", "s/S.rs"]"#;
        let apim =
            r#"kind = "nhs-apim", api_key = { file = "one" }, token_url = "https://gp.example/t""#;
        let ec = r#"key = { file = "ec" }"#;
        let rsa = r#"key = { file = "rsa" }"#;
        for (auth, wanted) in [
            (r#"kind = "none""#.to_owned(), "nothing"),
            (
                r#"kind = "bearer", token = { file = "one" }"#.to_owned(),
                "authorization: Bearer swordfish",
            ),
            (
                r#"kind = "bearer", token = { file = "other" }"#.to_owned(),
                "authorization: Bearer marlin",
            ),
            (
                r#"kind = "basic", user = "u", password = { file = "other" }"#.to_owned(),
                "authorization: Basic dTptYXJsaW4=",
            ),
            (
                r#"kind = "api-key", key = { file = "one" }"#.to_owned(),
                "apikey: swordfish",
            ),
            (
                r#"kind = "api-key", header = "x-key", key = { file = "other" }"#.to_owned(),
                "x-key: marlin",
            ),
            (format!("{smart}, {ec}"), "kith  s/P.rs s/S.rs"),
            (
                format!(r#"{smart}, {ec}, kid = "k7""#),
                "kith  s/P.rs s/S.rs by k7",
            ),
            (
                format!(
                    r#"{smart}, {ec}, algorithm = "ES384", token_url = "https://gp.example/t""#
                ),
                "kith https://gp.example/t s/P.rs s/S.rs",
            ),
            (format!("{apim}, {rsa}"), "swordfish https://gp.example/t "),
        ] {
            assert_eq!(signs_in(&auth).as_deref(), Ok(wanted), "{auth}");
        }
        // An algorithm that the key is not of.
        for auth in [
            format!(r#"{smart}, {ec}, algorithm = "RS384""#),
            format!("{apim}, {ec}"),
        ] {
            let error = signs_in(&auth).unwrap_err();
            assert!(error.starts_with("auth.key: "), "{error}");
        }
    }
}
