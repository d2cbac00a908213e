//! Signing in at a GP system: what a request carries, and how a token is asked for.
//!
//! In come secrets that config has read; out go header values marked as sensitive, and for SMART Backend Services and NHS
//! England the form of a token request and what its answer means. Keeps: no secret and no text of a server is in an error
//! or a `Debug`.

pub(crate) mod key;
mod scope;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use key::{KeyError, SigningKey};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::domain::Instant;

/// How long an assertion is good for. SMART allows five minutes; a minute is left for a server whose clock is behind.
const ASSERTION_SECONDS: i64 = 240;
/// So long before now an assertion says that it was made: a server whose clock is behind takes none from its future.
const ISSUED_SECONDS_BACK: i64 = 5;
/// A token whose life is not told is taken to live this long.
const LIFE_UNTOLD: Duration = Duration::from_mins(5);
/// A token is renewed this long before it ends, or at half its life if that is later.
const RENEWED_EARLY: Duration = Duration::from_mins(1);

/// What a source signs in with.
#[derive(Clone)]
pub(crate) enum Credentials {
    /// Nothing.
    None,
    /// One header that stays the same: a bearer token, user and password, an API key.
    Fixed(HeaderName, HeaderValue),
    /// A token for a signed assertion.
    Assertion(Box<Assertion>),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "Credentials(none)",
            Self::Fixed(..) => "Credentials(header, masked)",
            Self::Assertion(_) => "Credentials(assertion, masked)",
        })
    }
}

/// A secret cannot stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it cannot stand in a header")]
pub(crate) struct NotAHeader;

impl Credentials {
    /// A token that was given once and for all.
    ///
    /// # Errors
    /// It cannot stand in a header.
    pub(crate) fn bearer(token: &str) -> Result<Self, NotAHeader> {
        Ok(Self::Fixed(AUTHORIZATION, bearer_value(token)?))
    }

    /// User and password.
    ///
    /// # Errors
    /// A colon in the user name: the server could not tell where it ends (RFC 7617 §2).
    pub(crate) fn basic(user: &str, password: &str) -> Result<Self, NotAHeader> {
        if user.contains(':') {
            return Err(NotAHeader);
        }
        let pair = Zeroizing::new(format!("{user}:{password}"));
        let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        Ok(Self::Fixed(AUTHORIZATION, sensitive(&text)?))
    }

    /// A key in a header of its own.
    ///
    /// # Errors
    /// Name or key cannot stand in a header.
    pub(crate) fn api_key(header: &str, key: &str) -> Result<Self, NotAHeader> {
        let name = header.parse::<HeaderName>().map_err(|_| NotAHeader)?;
        Ok(Self::Fixed(name, sensitive(key)?))
    }
}

/// The value of `Authorization` for a token.
pub(super) fn bearer_value(token: &str) -> Result<HeaderValue, NotAHeader> {
    sensitive(&Zeroizing::new(format!("Bearer {token}")))
}

fn sensitive(text: &str) -> Result<HeaderValue, NotAHeader> {
    let mut value = HeaderValue::from_str(text).map_err(|_| NotAHeader)?;
    value.set_sensitive(true);
    Ok(value)
}

/// How a token is asked for with a signed assertion.
#[derive(Clone)]
pub(crate) struct Assertion {
    /// `iss` and `sub`: the client id, or at NHS England the API key.
    pub(crate) client_id: Zeroizing<String>,
    pub(crate) key: SigningKey,
    /// Where tokens are given; else the server's `.well-known/smart-configuration` says.
    pub(crate) token_url: Option<String>,
    /// Asked for and compared with what is granted; none at NHS England.
    pub(crate) scopes: Vec<String>,
}

#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

impl Assertion {
    /// The form of a token request: an assertion of its own each time.
    ///
    /// # Errors
    /// The key cannot sign.
    ///
    /// # Source
    /// SMART App Launch 2.2, asymmetric client authentication; RFC 7523 §2.2.
    pub(super) fn form(
        &self,
        token_url: &str,
        now: Instant,
        jti: uuid::Uuid,
    ) -> Result<Vec<(&'static str, String)>, SignInError> {
        let claims = AssertionClaims {
            iss: &self.client_id,
            sub: &self.client_id,
            aud: token_url,
            iat: now
                .plus_seconds(-ISSUED_SECONDS_BACK)
                .0
                .div_euclid(1_000_000),
            exp: now.plus_seconds(ASSERTION_SECONDS).0.div_euclid(1_000_000),
            jti: jti.to_string(),
        };
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let mut form = vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_assertion_type", kind.to_owned()),
            ("client_assertion", self.key.sign(&claims)?),
        ];
        if !self.scopes.is_empty() {
            form.push(("scope", self.scopes.join(" ")));
        }
        Ok(form)
    }
}

/// Why there is no token. Scopes are our own words; nothing of the server's is quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignInError {
    /// `.well-known/smart-configuration` is missing, or names no token address.
    #[error(".well-known/smart-configuration gives no token address, status {status}")]
    Discovery {
        /// The HTTP status.
        status: u16,
    },
    /// A token address to which no assertion is sent.
    #[error("token address is neither https nor on this machine")]
    Address,
    /// The token server knows us not, or believes us not.
    #[error("token server refused the client, status {status}, error {error}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code of RFC 6749 §5.2, or none.
        error: &'static str,
    },
    /// The token server refuses one of the scopes asked for; which one it need not say.
    #[error("token server does not grant every scope of: {0}")]
    ScopeRefused(String),
    /// Less was granted than asked for.
    #[error("token was granted without the scope {0}")]
    Scope(String),
    /// The answer holds no token that we can use.
    #[error("token server's answer is no bearer token, status {status}")]
    NotAToken {
        /// The HTTP status.
        status: u16,
    },
    /// The key cannot sign.
    #[error("signing key cannot be used: {0}")]
    Key(#[from] KeyError),
}

/// A token as it was granted.
pub(super) struct Granted {
    /// The value of `Authorization`.
    pub(super) header: HeaderValue,
    /// How long it may be used before a new one is asked for.
    pub(super) renewed_after: Duration,
}

/// What the answer to a token request means.
///
/// # Errors
/// A refusal, a missing scope, or no token.
///
/// # Source
/// RFC 6749 §5; SMART App Launch 2.2, backend services: `scope` and `expires_in` are required there.
pub(super) fn granted(status: u16, body: &[u8], asked: &[String]) -> Result<Granted, SignInError> {
    #[derive(Deserialize)]
    struct TokenAnswer {
        access_token: Zeroed,
        #[serde(default)]
        token_type: String,
        expires_in: Option<Seconds>,
        #[serde(default)]
        scope: String,
    }
    let not_a_token = SignInError::NotAToken { status };
    if !(200..300).contains(&status) {
        return Err(match refusal(status, body) {
            SignInError::Refused {
                error: "invalid_scope",
                ..
            } => SignInError::ScopeRefused(asked.join(" ")),
            other => other,
        });
    }
    let answer: TokenAnswer = serde_json::from_slice(body).map_err(|_| not_a_token.clone())?;
    let token = Zeroizing::new(answer.access_token.0);
    if token.is_empty() || !answer.token_type.eq_ignore_ascii_case("bearer") {
        return Err(not_a_token);
    }
    // No `scope` at all is what a server says that granted none of it.
    if let Some(lacking) = scope::missing(asked, &answer.scope) {
        return Err(SignInError::Scope(lacking));
    }
    let life = answer.expires_in.map_or(LIFE_UNTOLD, Seconds::life);
    Ok(Granted {
        header: bearer_value(&token).map_err(|_| not_a_token)?,
        renewed_after: life.saturating_sub(RENEWED_EARLY).max(life / 2),
    })
}

/// A text that is moved on at once into one that is wiped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Zeroed(String);

/// A number of seconds, which some servers write as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

impl Seconds {
    fn life(self) -> Duration {
        let seconds = match self {
            Self::Number(seconds) => seconds,
            Self::Text(text) => text.trim().parse().unwrap_or(0.0),
        };
        // A day is more than any token should live, and keeps the sum in range.
        Duration::from_secs_f64(if seconds.is_finite() {
            seconds.clamp(0.0, 86_400.0)
        } else {
            0.0
        })
    }
}

fn refusal(status: u16, body: &[u8]) -> SignInError {
    const KNOWN: [&str; 6] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    #[derive(Deserialize)]
    struct SignInRefusal {
        #[serde(default)]
        error: String,
    }
    let said = serde_json::from_slice::<SignInRefusal>(body).map(|refused| refused.error);
    let error = KNOWN
        .into_iter()
        .find(|known| said.as_ref().is_ok_and(|said| said == known))
        .unwrap_or("none given");
    SignInError::Refused { status, error }
}

/// The token address of a `.well-known/smart-configuration`.
///
/// # Errors
/// There is none.
pub(super) fn discovered(status: u16, body: &[u8]) -> Result<String, SignInError> {
    #[derive(Deserialize)]
    struct Configuration {
        token_endpoint: String,
    }
    let wrong = SignInError::Discovery { status };
    if !(200..300).contains(&status) {
        return Err(wrong);
    }
    let configuration: Configuration = serde_json::from_slice(body).map_err(|_| wrong)?;
    Ok(configuration.token_endpoint)
}

#[cfg(test)]
mod tests;
